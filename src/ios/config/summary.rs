//! What the router will do with a configuration, in plain words.

use std::fmt::{Display, Write};

use super::model::{
    CryptoMap, CryptoMapEntry, DhGroup, EntryKind, Interface, InterfaceAddress, IsakmpPolicy, KeyPeer, MapSettings,
    NatRule, NatSelection, NatTarget, PeerHost, PreSharedKey, RunningConfig, Secret, TransformMode, TunnelMode,
};
use super::reader::{Outcome, Reading};
use super::span::Spanned;
use crate::ios::acl::{AccessList, Action};

impl RunningConfig {
    /// What the router will do: interfaces and routes, phase 1, and each pair of SAs it can negotiate and with whom.
    pub fn summary(&self) -> String {
        let mut out = Outline { text: String::new() };
        out.line(0, format_args!("{}", self.hostname));
        out.line(1, "interfaces");
        for interface in &self.interfaces {
            out.line(2, interface_words(interface));
        }
        if self.interfaces.is_empty() {
            out.line(2, "none");
        }
        self.summarise_routes(&mut out);
        self.summarise_nat(&mut out);
        self.summarise_phase_1(&mut out);
        out.line(1, "phase 2");
        let before = out.text.len();
        for map in &self.ipsec.maps {
            self.summarise_map(map, &mut out);
        }
        for interface in &self.interfaces {
            self.summarise_tunnel(interface, &mut out);
        }
        if out.text.len() == before {
            out.line(2, "nothing is protected");
        }
        out.text
    }

    fn summarise_routes(&self, out: &mut Outline) {
        if !self.routes.is_empty() {
            out.line(1, "routes");
        }
        for route in &self.routes {
            let mut line = format!("{}", route.network);
            let _ = match (&route.interface, route.next_hop) {
                (Some(interface), Some(next_hop)) => write!(line, " via {next_hop} on {interface}"),
                (Some(interface), None) => write!(line, " on {interface}"),
                (None, Some(next_hop)) => write!(line, " via {next_hop}"),
                (None, None) => Ok(()),
            };
            out.line(2, line);
        }
    }

    fn summarise_nat(&self, out: &mut Outline) {
        if !self.nat.rules.is_empty() {
            out.line(1, "address translation, before the crypto map");
        }
        for rule in &self.nat.rules {
            let line = match &rule.value {
                NatRule::Dynamic { selection, target, overload } => {
                    let which = match selection {
                        NatSelection::List(list) => format!("access list {list}"),
                        NatSelection::RouteMap(name) => format!("route map {name}"),
                    };
                    let to = match target {
                        NatTarget::Interface(name) => format!("the address of {name}"),
                        NatTarget::Pool(pool) => format!("pool {pool}"),
                    };
                    format!("{which} to {to}{}", if *overload { ", ports too" } else { "" })
                }
                NatRule::Static { local, global, ports: None, .. } => format!("{local} to {global}"),
                NatRule::Static { local, global, ports: Some((_, from, to)), .. } => {
                    format!("{local} port {from} to {global} port {to}")
                }
                NatRule::StaticNetwork { local, global } => format!("{local} to {global}"),
            };
            out.line(2, line);
        }
    }

    fn summarise_phase_1(&self, out: &mut Outline) {
        out.line(1, "phase 1");
        if !self.isakmp.enabled.value {
            return out.line(2, "ISAKMP is disabled");
        }
        if self.isakmp.policies.is_empty() {
            out.line(2, "no policy of its own: the built-in ones");
        }
        for policy in &self.isakmp.policies {
            out.line(2, policy_words(policy));
        }
        for key in &self.isakmp.keys {
            out.line(2, format_args!("pre-shared key for {}", key_words(key)));
        }
        for keyring in &self.isakmp.keyrings {
            for key in &keyring.keys {
                out.line(2, format_args!("pre-shared key for {} in keyring {}", key_words(key), keyring.name));
            }
        }
        match self.isakmp.keepalive {
            Some(keepalive) => {
                out.line(2, format_args!("dead peers are found after {} s of silence", keepalive.interval))
            }
            None => out.line(2, "dead peer detection is answered, never begun"),
        }
    }

    fn summarise_map(&self, map: &CryptoMap, out: &mut Outline) {
        let on = |interface: &&Interface| interface.crypto_map.as_ref().is_some_and(|name| name.value == map.name);
        let interfaces: Vec<String> =
            self.interfaces.iter().filter(on).map(|interface| interface.name.to_string()).collect();
        let place =
            if interfaces.is_empty() { "on no interface".to_owned() } else { format!("on {}", interfaces.join(", ")) };
        for entry in &map.entries {
            self.summarise_entry(map, entry, &place, out);
        }
    }

    fn summarise_entry(&self, map: &CryptoMap, entry: &CryptoMapEntry, place: &str, out: &mut Outline) {
        let head = format!("crypto map {} {} {place}", map.name, entry.sequence);
        match &entry.kind {
            EntryKind::Manual | EntryKind::Gdoi => out.line(2, format_args!("{head}: not simulated")),
            EntryKind::Dynamic(name) => {
                out.line(2, format_args!("{head}: answers any peer, by dynamic map {name}"));
                for template in self.dynamic_map(name).into_iter().flat_map(|map| &map.entries) {
                    self.summarise_settings(&template.settings, out);
                    self.summarise_acl(template.settings.acl.as_ref(), out);
                }
            }
            EntryKind::Isakmp => {
                let peers: Vec<String> = entry.settings.peers.iter().map(|peer| peer.host.to_string()).collect();
                let list = entry.settings.acl.as_ref().and_then(|name| self.access_list(name));
                if peers.is_empty() || list.is_none_or(AccessList::is_empty) {
                    return out.line(2, format_args!("{head}: disabled, it lacks a peer or a valid access list"));
                }
                out.line(2, format_args!("{head}: with {}", peers.join(", then ")));
                self.summarise_settings(&entry.settings, out);
                self.summarise_acl(entry.settings.acl.as_ref(), out);
            }
        }
    }

    fn summarise_settings(&self, settings: &MapSettings, out: &mut Outline) {
        for name in &settings.transform_sets {
            match self.transform_set(name) {
                Some(set) => {
                    let mode = match set.mode.value {
                        TransformMode::Tunnel => "tunnel",
                        TransformMode::Transport => "transport where it can",
                        TransformMode::TransportRequire => "transport",
                    };
                    out.line(3, format_args!("{} ({name}, {mode})", set.words()));
                }
                None => out.line(3, format_args!("transform set {name} does not exist")),
            }
        }
        let pfs =
            settings.pfs.map_or("PFS taken if offered".to_owned(), |group| format!("PFS with {}", group_words(*group)));
        let seconds = settings.lifetime_seconds.unwrap_or(self.ipsec.lifetime_seconds);
        let kilobytes = settings.lifetime_kilobytes.unwrap_or(self.ipsec.lifetime_kilobytes);
        out.line(3, format_args!("{pfs}; lifetime {seconds} s, {kilobytes} kB"));
    }

    /// Each permit entry is a pair of SAs of its own (facts 5.2).
    fn summarise_acl(&self, name: Option<&Spanned<String>>, out: &mut Outline) {
        let Some(name) = name else {
            return out.line(3, "any traffic the peer proposes");
        };
        let Some(list) = self.access_list(name) else {
            return out.line(3, format_args!("access list {name} does not exist"));
        };
        for ace in list.entries() {
            match (ace.action, ace.proxies()) {
                (Action::Permit, Ok(pair)) => {
                    out.line(3, format_args!("{pair} (access list {name} line {})", ace.sequence));
                }
                (Action::Permit, Err(why)) => out.line(3, format_args!("not `{}`: {why}", ace.words())),
                (Action::Deny, _) => out.line(3, format_args!("never `{}`", ace.words())),
            }
        }
    }

    fn summarise_tunnel(&self, interface: &Interface, out: &mut Outline) {
        let Some(protection) = &interface.tunnel.protection else {
            return;
        };
        let peer = interface.tunnel.destination.as_ref().map_or("any peer".to_owned(), |peer| match &peer.value {
            PeerHost::Address(address) => address.to_string(),
            PeerHost::Name(name) => name.clone(),
        });
        let mode = interface.tunnel.mode.map_or(TunnelMode::Gre, |mode| mode.value);
        let what = if mode == TunnelMode::IpsecIpv4 { "all its traffic" } else { "its GRE packets" };
        let profile = &protection.profile;
        out.line(2, format_args!("{} with {peer}: {what}, by IPsec profile {profile}", interface.name));
        match self.ipsec_profile(profile) {
            Some(profile) => self.summarise_settings(&profile.settings, out),
            None => out.line(3, format_args!("IPsec profile {profile} does not exist")),
        }
    }
}

impl Reading {
    /// How many lines came to what, in one line.
    pub fn summary(&self) -> String {
        let count = |outcome: Outcome| self.lines.iter().filter(|line| line.outcome == outcome).count();
        format!(
            "{} lines: {} read, {} without effect here, {} ignored, {} refused",
            self.lines.len() - count(Outcome::Blank) - count(Outcome::Comment),
            count(Outcome::Modelled),
            count(Outcome::NoEffect) + count(Outcome::Opaque),
            count(Outcome::Ignored),
            count(Outcome::Rejected),
        )
    }
}

/// Lines, each deeper level two blanks further in.
struct Outline {
    text: String,
}

impl Outline {
    fn line(&mut self, level: usize, line: impl Display) {
        let _ = writeln!(self.text, "{:1$}{line}", "", level * 2); // writing to a string does not fail
    }
}

fn interface_words(interface: &Interface) -> String {
    let mut words = format!("{}: ", interface.name);
    words += &match interface.address.as_ref().map(|address| &address.value) {
        None => "no address".to_owned(),
        Some(InterfaceAddress::Static(network)) => network.to_string(),
        Some(InterfaceAddress::Dhcp) => "address by DHCP".to_owned(),
        Some(InterfaceAddress::Negotiated) => "address by PPP".to_owned(),
        Some(InterfaceAddress::Unnumbered(other)) => format!("the address of {other}"),
    };
    for secondary in &interface.secondary {
        let _ = write!(words, ", {}", secondary.value);
    }
    if interface.shutdown.value {
        words += ", shut down";
    }
    if let Some(acl) = &interface.access_group_in {
        let _ = write!(words, ", filtered inwards by {acl}");
    }
    if let Some(acl) = &interface.access_group_out {
        let _ = write!(words, ", filtered outwards by {acl}");
    }
    if let Some(side) = interface.nat {
        let _ = write!(words, ", NAT {}", side.word());
    }
    if let Some(map) = &interface.crypto_map {
        let _ = write!(words, ", crypto map {map}");
    }
    words
}

fn policy_words(policy: &IsakmpPolicy) -> String {
    format!(
        "policy {}: {} {} {} {}, {} s",
        policy.priority,
        policy.encryption,
        policy.hash,
        policy.authentication.word(),
        group_words(*policy.group),
        policy.lifetime
    )
}

fn group_words(group: DhGroup) -> String {
    match group {
        DhGroup::Supported(known) => format!("group {group} ({known})"),
        DhGroup::Unsupported(number) => format!("group {number} (not simulated)"),
    }
}

/// Whom a key is for, and whether it can be used; never the key.
fn key_words(key: &PreSharedKey) -> String {
    let peer = match &key.peer.value {
        KeyPeer::Address(network) if network.prefix() == 0 => "every peer".to_owned(),
        KeyPeer::Address(network) if network.prefix() == 32 => network.ip().to_string(),
        KeyPeer::Address(network) => network.to_string(),
        KeyPeer::Hostname(name) => name.clone(),
        KeyPeer::Ipv6(prefix) => format!("{prefix} (not simulated)"),
    };
    let unreadable = matches!(key.key.value, Secret::Encrypted(..));
    peer + if unreadable { " (encrypted, unreadable here)" } else { "" }
}
