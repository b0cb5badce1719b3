//! The `crypto` blocks.

use std::fmt::Write;

use super::super::model::{
    ClientGroup, ClientSettings, CryptoMap, DfBit, EntryKind, Identity, IdentityKind, Ipsec, Isakmp, IsakmpPolicy,
    IsakmpProfile, Keepalive, KeepaliveMode, KeyPeer, Keyring, MapSettings, MatchIdentity, PeerHost, PreSharedKey,
    ReplayWindow, RunningConfig,
};
use super::super::span::Span;
use super::{Key, Printer};
use crate::crypto::{Cipher, Hash};

pub(super) fn print(config: &RunningConfig, out: &mut Printer) {
    if config.ipsec.logging_session.value {
        out.line("crypto logging session");
        out.separator();
    }
    for keyring in &config.isakmp.keyrings {
        print_keyring(keyring, out);
    }
    out.separator();
    for policy in &config.isakmp.policies {
        print_policy(policy, out);
    }
    print_isakmp(&config.isakmp, out);
    for group in &config.isakmp.client_groups {
        print_client_group(group, out);
    }
    for profile in &config.isakmp.profiles {
        print_profile(profile, out);
    }
    out.separator();
    print_ipsec(&config.ipsec, out);
    for map in &config.ipsec.dynamic_maps {
        for entry in &map.entries {
            out.line(format_args!("crypto dynamic-map {} {}", map.name, entry.sequence));
            print_settings(&entry.settings, out);
            out.separator();
        }
    }
    for map in &config.ipsec.maps {
        print_map(map, out);
    }
    out.separator();
}

fn print_keyring(keyring: &Keyring, out: &mut Printer) {
    let vrf = keyring.vrf.as_ref().map_or(String::new(), |vrf| format!(" vrf {vrf}"));
    out.line(format_args!("crypto keyring {}{vrf}", keyring.name));
    out.maybe(keyring.description.as_ref(), |text| format!("  description {text}"));
    out.maybe(keyring.local_address.as_ref(), |local| format!("  local-address {local}"));
    for key in &keyring.keys {
        let peer = key_peer(&key.peer).replace("ipv6 ", "address ipv6 ");
        out.line(format_args!("  pre-shared-key {peer} key {}", Key(&key.key)));
    }
}

/// Whom a key is for; an address without a mask is a host, `0.0.0.0` alone everybody.
fn key_peer(peer: &KeyPeer) -> String {
    match peer {
        KeyPeer::Address(network) if network.prefix() == 32 * u8::from(!network.ip().is_unspecified()) => {
            format!("address {}", network.ip())
        }
        KeyPeer::Address(network) => format!("address {} {}", network.ip(), network.mask()),
        KeyPeer::Hostname(name) => format!("hostname {name}"),
        KeyPeer::Ipv6(prefix) => format!("ipv6 {prefix}"),
    }
}

fn print_policy(policy: &IsakmpPolicy, out: &mut Printer) {
    let default = IsakmpPolicy::new(policy.priority, Span::NONE);
    out.line(format_args!("crypto isakmp policy {}", policy.priority));
    if policy.encryption != default.encryption {
        let words = match policy.encryption.value {
            Cipher::TripleDes => "3des",
            Cipher::Aes192 => "aes 192",
            Cipher::Aes256 => "aes 256",
            Cipher::Des => "des",
            _ => "aes",
        };
        out.line(format_args!(" encr {words}"));
    }
    if policy.hash != default.hash {
        let word = match policy.hash.value {
            Hash::Sha1 => "sha",
            other => other.word(),
        };
        out.line(format_args!(" hash {word}"));
    }
    if policy.authentication != default.authentication {
        out.line(format_args!(" authentication {}", policy.authentication.word()));
    }
    if policy.group != default.group {
        out.line(format_args!(" group {}", policy.group));
    }
    if policy.lifetime != default.lifetime {
        out.line(format_args!(" lifetime {}", policy.lifetime));
    }
    out.separator();
}

fn print_isakmp(isakmp: &Isakmp, out: &mut Printer) {
    if !isakmp.enabled.value {
        out.line("no crypto isakmp enable");
    }
    if !isakmp.default_policies.value {
        out.line("no crypto isakmp default policy");
    }
    for PreSharedKey { peer, key, no_xauth, .. } in &isakmp.keys {
        let no_xauth = if *no_xauth { " no-xauth" } else { "" };
        out.line(format_args!("crypto isakmp key {} {}{no_xauth}", Key(key), key_peer(peer)));
    }
    if isakmp.identity.value != IdentityKind::Address {
        out.line(format_args!("crypto isakmp identity {}", isakmp.identity.word()));
    }
    if isakmp.invalid_spi_recovery.value {
        out.line("crypto isakmp invalid-spi-recovery");
    }
    out.maybe(isakmp.keepalive.as_ref(), |keepalive| {
        let Keepalive { interval, retry, mode } = keepalive.value;
        let retry = if retry == 2 { String::new() } else { format!(" {retry}") };
        let mode = if mode == KeepaliveMode::Periodic { " periodic" } else { "" };
        format!("crypto isakmp keepalive {interval}{retry}{mode}")
    });
    out.maybe(isakmp.nat_keepalive, |seconds| format!("crypto isakmp nat keepalive {seconds}"));
    out.maybe(isakmp.xauth_timeout, |seconds| format!("crypto isakmp xauth timeout {seconds}"));
    if isakmp.fragmentation.value {
        out.line("crypto isakmp fragmentation");
    }
    if !isakmp.aggressive_mode.value {
        out.line("crypto isakmp aggressive-mode disable");
    }
    out.maybe(isakmp.client_address_pool.as_ref(), |pool| {
        format!("crypto isakmp client configuration address-pool local {pool}")
    });
    out.separator();
    for peer in &isakmp.peers {
        match &peer.peer {
            PeerHost::Address(address) => out.line(format_args!("crypto isakmp peer address {address}")),
            PeerHost::Name(name) => out.line(format_args!("crypto isakmp peer hostname {name}")),
        }
        out.maybe(peer.password.as_ref(), |key| format!(" set aggressive-mode password {}", Key(key)));
        out.maybe(peer.client_endpoint.as_ref(), |identity| {
            let words = identity_words(identity).replacen("address", "ipv4-address", 1);
            format!(" set aggressive-mode client-endpoint {words}")
        });
        out.separator();
    }
}

fn identity_words(identity: &Identity) -> String {
    match identity {
        Identity::Address(None) => "address".to_owned(),
        Identity::Address(Some(address)) => format!("address {address}"),
        Identity::Fqdn(None) => "fqdn".to_owned(),
        Identity::Fqdn(Some(name)) => format!("fqdn {name}"),
        Identity::UserFqdn(name) => format!("user-fqdn {name}"),
        Identity::DistinguishedName => "dn".to_owned(),
    }
}

fn print_client_group(group: &ClientGroup, out: &mut Printer) {
    out.line(format_args!("crypto isakmp client configuration group {}", group.name));
    out.maybe(group.key.as_ref(), |key| format!(" key {}", Key(key)));
    for (word, addresses) in [("dns", &group.dns), ("wins", &group.wins)] {
        if !addresses.is_empty() {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            out.line(format_args!(" {word} {}", addresses.join(" ")));
        }
    }
    out.maybe(group.domain.as_ref(), |name| format!(" domain {name}"));
    out.maybe(group.pool.as_ref(), |name| format!(" pool {name}"));
    out.maybe(group.acl.as_ref(), |name| format!(" acl {name}"));
    for name in &group.split_dns {
        out.line(format_args!(" split-dns {name}"));
    }
    for name in &group.backup_gateways {
        out.line(format_args!(" backup-gateway {name}"));
    }
    for (word, set) in [
        ("save-password", group.save_password),
        ("include-local-lan", group.include_local_lan),
        ("pfs", group.pfs),
        ("group-lock", group.group_lock),
    ] {
        if set {
            out.line(format_args!(" {word}"));
        }
    }
    out.maybe(group.max_users, |number| format!(" max-users {number}"));
    out.maybe(group.max_logins, |number| format!(" max-logins {number}"));
    out.maybe(group.netmask, |mask| format!(" netmask {mask}"));
    out.maybe(group.banner.as_ref(), |text| {
        let delimiter = ["^C", "#", "$", "~", "|"].into_iter().find(|word| !text.contains(word)).unwrap_or("\u{3}");
        format!(" banner {delimiter}{text}{delimiter}")
    });
}

fn print_profile(profile: &IsakmpProfile, out: &mut Printer) {
    out.line(format_args!("crypto isakmp profile {}", profile.name));
    out.maybe(profile.description.as_ref(), |text| format!("   description {text}"));
    out.maybe(profile.vrf.as_ref(), |vrf| format!("   vrf {vrf}"));
    for keyring in &profile.keyrings {
        out.line(format_args!("   keyring {keyring}"));
    }
    out.maybe(profile.self_identity.as_ref(), |identity| format!("   self-identity {}", identity_words(identity)));
    for identity in &profile.match_identity {
        out.line(format_args!("   match identity {}", match_words(identity)));
    }
    print_client("   ", &profile.client, out);
    out.maybe(profile.keepalive.as_ref(), |keepalive| {
        format!("   keepalive {} retry {}", keepalive.interval, keepalive.retry)
    });
    out.maybe(profile.virtual_template, |number| format!("   virtual-template {number}"));
    if profile.initiate_aggressive.value {
        out.line("   initiate mode aggressive");
    }
    out.maybe(profile.local_address.as_ref(), |local| format!("   local-address {local}"));
}

fn match_words(identity: &MatchIdentity) -> String {
    match identity {
        MatchIdentity::Address(network, vrf) => {
            let vrf = vrf.as_ref().map_or(String::new(), |vrf| format!(" {vrf}"));
            format!("address {} {}{vrf} ", network.ip(), network.mask())
        }
        MatchIdentity::Host(name) => format!("host {name}"),
        MatchIdentity::HostDomain(name) => format!("host domain {name}"),
        MatchIdentity::User(name) => format!("user {name}"),
        MatchIdentity::UserDomain(name) => format!("user domain {name}"),
        MatchIdentity::Group(name) => format!("group {name}"),
    }
}

/// The client lines after `before`, which is the indentation or `crypto map NAME `.
fn print_client(before: &str, client: &ClientSettings, out: &mut Printer) {
    let list = |words: &str, name: &str| format!("{before}{words} {name}");
    out.maybe(client.authentication_list.as_ref(), |name| list("client authentication list", name));
    out.maybe(client.authorization_list.as_ref(), |name| list("isakmp authorization list", name));
    out.maybe(client.initiate.as_ref(), |_| list("client configuration address", "initiate"));
    out.maybe(client.respond.as_ref(), |_| list("client configuration address", "respond"));
    out.maybe(client.group.as_ref(), |name| list("client configuration group", name));
}

fn print_ipsec(ipsec: &Ipsec, out: &mut Printer) {
    let default = Ipsec::default();
    if ipsec.lifetime_kilobytes != default.lifetime_kilobytes {
        out.line(format_args!("crypto ipsec security-association lifetime kilobytes {}", ipsec.lifetime_kilobytes));
    }
    if ipsec.lifetime_seconds != default.lifetime_seconds {
        out.line(format_args!("crypto ipsec security-association lifetime seconds {}", ipsec.lifetime_seconds));
    }
    out.maybe(ipsec.idle_time, |seconds| format!("crypto ipsec security-association idle-time {seconds}"));
    if ipsec.replay != default.replay {
        out.line(format_args!("crypto ipsec security-association replay {}", replay_words(ipsec.replay.value)));
    }
    out.separator();
    for set in &ipsec.transform_sets {
        out.line(format_args!("crypto ipsec transform-set {} {}", set.name, set.words()));
        out.line(format_args!(" mode {}", set.mode.words()));
    }
    if !ipsec.fragment_before_encryption.value {
        out.line("crypto ipsec fragmentation after-encryption");
    }
    if ipsec.df_bit.value != DfBit::Copy {
        out.line(format_args!("crypto ipsec df-bit {}", ipsec.df_bit.word()));
    }
    if !ipsec.nat_transparency.value {
        out.line("no crypto ipsec nat-transparency udp-encapsulation");
    }
    out.separator();
    for profile in &ipsec.profiles {
        out.line(format_args!("crypto ipsec profile {}", profile.name));
        print_settings(&profile.settings, out);
        out.separator();
    }
}

fn replay_words(window: ReplayWindow) -> String {
    match window {
        ReplayWindow::Size(packets) => format!("window-size {packets}"),
        ReplayWindow::Disabled => "disable".to_owned(),
    }
}

fn print_map(map: &CryptoMap, out: &mut Printer) {
    let before = format!("crypto map {} ", map.name);
    out.maybe(map.local_address.as_ref(), |name| format!("{before}local-address {name}"));
    print_client(&before, &map.client, out);
    out.maybe(map.isakmp_profile.as_ref(), |name| format!("{before}isakmp-profile {name}"));
    for entry in &map.entries {
        let mut line = format!("{before}{} ", entry.sequence);
        let _ = match &entry.kind {
            EntryKind::Isakmp => write!(line, "ipsec-isakmp"),
            EntryKind::Dynamic(name) => write!(line, "ipsec-isakmp dynamic {name}"),
            EntryKind::Manual => write!(line, "ipsec-manual"),
            EntryKind::Gdoi => write!(line, "gdoi"),
        };
        out.line(line);
        print_settings(&entry.settings, out);
    }
    out.separator();
}

fn print_settings(settings: &MapSettings, out: &mut Printer) {
    let names =
        |names: &[super::super::Spanned<String>]| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    out.maybe(settings.description.as_ref(), |text| format!(" description {text}"));
    for peer in &settings.peers {
        let dynamic = if peer.dynamic { " dynamic" } else { "" };
        let default = if peer.default { " default" } else { "" };
        out.line(format_args!(" set peer {}{dynamic}{default}", peer.host));
    }
    out.maybe(settings.lifetime_kilobytes, |value| format!(" set security-association lifetime kilobytes {value}"));
    out.maybe(settings.lifetime_seconds, |value| format!(" set security-association lifetime seconds {value}"));
    out.maybe(settings.idle_time, |value| format!(" set security-association idle-time {value}"));
    out.maybe(settings.replay, |window| format!(" set security-association replay {}", replay_words(window.value)));
    if settings.per_host.value {
        out.line(" set security-association level per-host");
    }
    out.maybe(settings.df_bit, |value| format!(" set security-association dfbit {}", value.word()));
    if !settings.transform_sets.is_empty() {
        out.line(format_args!(" set transform-set {} ", names(&settings.transform_sets)));
    }
    out.maybe(settings.pfs, |group| format!(" set pfs group{group}"));
    out.maybe(settings.isakmp_profile.as_ref(), |name| format!(" set isakmp-profile {name}"));
    out.maybe(settings.ikev2_profile.as_ref(), |name| format!(" set ikev2-profile {name}"));
    out.maybe(settings.acl.as_ref(), |name| format!(" match address {name}"));
    if settings.responder_only.value {
        out.line(" responder-only");
    }
    out.maybe(settings.reverse_route.as_ref(), |route| {
        let peer = route.remote_peer.map_or(String::new(), |peer| format!(" remote-peer {peer}"));
        let permanent = if route.permanent { " static" } else { "" };
        format!(" reverse-route{peer}{permanent}")
    });
}
