//! The neutral tunnel in libreswan's language: `ipsec.conf` and `ipsec.secrets`.

use std::fmt::{Display, Write as _};

use super::{CONFIG_INSIDE, UPDOWN};
use crate::crypto::{Cipher, Group, Hash};
use crate::implementations::Retransmission;
use crate::scenario::tunnel::{Exchange, Identity, NatTraversal, Phase2Proposal, TrafficPair, Tunnel};

/// The connections' names begin with it.
const CONNECTION: &str = "cisco";

/// `ipsec.conf`: a connection for each pair of selectors.
pub(super) fn connections(tunnel: &Tunnel, retransmission: &Retransmission) -> String {
    let mut text = String::from("config setup\n");
    for (key, value) in [("ikev1-policy", "accept"), ("dnssec-enable", "no")] {
        setting(&mut text, key, value);
    }
    setting(&mut text, "listen", tunnel.local);
    for (number, pair) in (1..).zip(&tunnel.traffic) {
        let _ = write!(text, "\nconn {CONNECTION}-{number}\n");
        connection(&mut text, tunnel, pair, retransmission);
    }
    text
}

/// What pluto runs when a tunnel comes and goes: routes, and nothing else. libreswan's own script does the same for a default
/// route at most, and starts dozens of processes for it, for which an emulated machine takes seconds. A default route is
/// there already.
pub(super) const UPDOWN_SCRIPT: &str = r#"#!/bin/sh
route() {
    if [ "$PLUTO_PEER_CLIENT" != 0.0.0.0/0 ]; then
        ip route "$1" "$PLUTO_PEER_CLIENT" dev "$PLUTO_INTERFACE"
    fi
}
case "$PLUTO_VERB" in
    route-*) route replace ;;
    unroute-*) route del ;;
esac
"#;

/// `ipsec.secrets`: one key, for whoever it is.
pub(super) fn secrets(tunnel: &Tunnel) -> String {
    format!(": PSK {}\n", secret(tunnel.psk.text()))
}

fn connection(text: &mut String, tunnel: &Tunnel, pair: &TrafficPair, retransmission: &Retransmission) {
    let yes = |on| if on { "yes" } else { "no" };
    setting(text, "ikev2", "no");
    setting(text, "type", "tunnel");
    setting(text, "authby", "secret");
    setting(text, "auto", "add");
    if tunnel.phase1.exchange == Exchange::Aggressive {
        setting(text, "aggressive", "yes");
    }
    setting(text, "left", tunnel.local);
    side(text, "left", tunnel.identities.local.as_ref(), pair.local, protocol_port(pair, pair.local_port));
    setting(text, "leftupdown", format!("\"sh {CONFIG_INSIDE}/{UPDOWN}\""));
    setting(text, "right", tunnel.remote);
    side(text, "right", tunnel.identities.remote.as_ref(), pair.remote, protocol_port(pair, pair.remote_port));
    let phase1 = tunnel.phase1.proposals.iter();
    setting(text, "ike", list(phase1.map(|one| format!("{}-{}-{}", one.cipher, one.hash, group(one.group)))));
    let pfs = tunnel.phase2.pfs.map(|pfs| format!("-{}", group(pfs))).unwrap_or_default();
    setting(text, "esp", list(tunnel.phase2.proposals.iter().map(|one| format!("{}{pfs}", esp(one)))));
    setting(text, "pfs", yes(tunnel.phase2.pfs.is_some()));
    let (phase1, phase2) = (tunnel.phase1.lifetime.as_secs(), tunnel.phase2.lifetime.as_secs());
    setting(text, "ikelifetime", seconds(phase1));
    setting(text, "salifetime", seconds(phase2));
    // The default of nine minutes would begin to renew a short-lived SA at once.
    setting(text, "rekeymargin", seconds(phase1.min(phase2) / 10));
    setting(text, "rekeyfuzz", "0%");
    setting(text, "keyingtries", 1);
    // Each interval is twice the one before, whatever the factor; the one that ends after the timeout is the last.
    setting(text, "retransmit-interval", retransmission.first.as_millis());
    setting(text, "retransmit-timeout", seconds(retransmission.total().as_secs().max(1)));
    match tunnel.nat_traversal {
        NatTraversal::Off => setting(text, "nat-ikev1-method", "none"),
        NatTraversal::Force => setting(text, "encapsulation", "yes"),
        NatTraversal::Auto => {}
    }
    if let Some(dpd) = tunnel.dpd {
        setting(text, "dpddelay", seconds(dpd.delay.as_secs()));
        setting(text, "dpdtimeout", seconds(dpd.timeout.as_secs()));
        setting(text, "dpdaction", "clear");
    }
}

/// What one end is and protects.
fn side(text: &mut String, end: &str, identity: Option<&Identity>, network: impl Display, upper: Option<String>) {
    if let Some(identity) = identity {
        setting(text, &format!("{end}id"), identity_text(identity));
    }
    setting(text, &format!("{end}subnet"), network);
    if let Some(upper) = upper {
        setting(text, &format!("{end}protoport"), upper);
    }
}

fn setting(text: &mut String, key: &str, value: impl Display) {
    // Writing into a string does not fail.
    let _ = writeln!(text, "    {key}={value}");
}

/// The identity with the mark that keeps it from being looked up.
fn identity_text(identity: &Identity) -> String {
    match identity {
        Identity::Address(address) => address.to_string(),
        Identity::Fqdn(name) => format!("@{name}"),
        Identity::UserFqdn(name) => name.clone(),
        Identity::KeyId(text) => format!("@[{text}]"),
    }
}

fn protocol_port(pair: &TrafficPair, port: Option<u16>) -> Option<String> {
    Some(format!("{}/{}", pair.protocol?.0, port.unwrap_or(0)))
}

/// The key as it is written: in quotes, or in hexadecimal where they would end too soon.
fn secret(key: &str) -> String {
    match key.contains(['"', '\n', '\r']) {
        true => format!("0x{}", hex::encode(key)),
        false => format!("\"{key}\""),
    }
}

fn esp(proposal: &Phase2Proposal) -> String {
    let cipher = match proposal.cipher {
        Cipher::Aes128Gcm => "aes_gcm128",
        Cipher::Aes192Gcm => "aes_gcm192",
        Cipher::Aes256Gcm => "aes_gcm256",
        other => other.word(),
    };
    match proposal.integrity {
        Some(hash) => format!("{cipher}-{hash}"),
        None => format!("{cipher}-null"),
    }
}

/// Groups that are no modular exponentiation go by their number.
fn group(group: Group) -> String {
    match group.word().starts_with("modp") {
        true => group.word().to_owned(),
        false => format!("dh{}", group.number()),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",")
}

fn seconds(count: u64) -> String {
    format!("{count}s")
}

/// The cipher that pluto calls `name` in what it tells of its SAs: `AES_CBC_128`, `AES_GCM_16_256`, `3DES_CBC`.
pub(super) fn cipher_named(name: &str) -> Option<Cipher> {
    // The key size of 3DES is told by some versions.
    Some(match name {
        "3DES_CBC" | "3DES_CBC_192" => Cipher::TripleDes,
        "AES_CBC_128" => Cipher::Aes128,
        "AES_CBC_192" => Cipher::Aes192,
        "AES_CBC_256" => Cipher::Aes256,
        "AES_GCM_16_128" => Cipher::Aes128Gcm,
        "AES_GCM_16_192" => Cipher::Aes192Gcm,
        "AES_GCM_16_256" => Cipher::Aes256Gcm,
        "NULL" => Cipher::Null,
        _ => return None,
    })
}

/// The hash in pluto's name of an HMAC: `HMAC_SHA1`, `HMAC_SHA2_256_128`.
pub(super) fn hash_named(name: &str) -> Option<Hash> {
    let names = [
        ("HMAC_MD5", Hash::Md5),
        ("HMAC_SHA1", Hash::Sha1),
        ("HMAC_SHA2_256", Hash::Sha256),
        ("HMAC_SHA2_384", Hash::Sha384),
        ("HMAC_SHA2_512", Hash::Sha512),
    ];
    names.into_iter().find_map(|(prefix, hash)| name.starts_with(prefix).then_some(hash))
}

/// The group of pluto's name: `MODP1536`, `DH19`.
pub(super) fn group_named(name: &str) -> Option<Group> {
    Group::ALL.iter().copied().find(|one| group(*one).eq_ignore_ascii_case(name))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::scenario::tunnel::{Dpd, Identities, Phase1, Phase2, Protocol, Psk};
    use crate::scenario::units::Span;

    /// A tunnel that uses every word there is for libreswan.
    pub(in crate::implementations::libreswan) fn tunnel() -> Tunnel {
        let first = TrafficPair::between("10.1.0.0/24".parse().unwrap(), "10.2.0.0/24".parse().unwrap());
        let web = TrafficPair { protocol: Some(Protocol(6)), remote_port: Some(80), ..first };
        Tunnel {
            local: "192.0.2.10".parse().unwrap(),
            remote: "198.51.100.1".parse().unwrap(),
            psk: Psk::new("s3cret # 'quoted'"),
            phase1: Phase1 {
                exchange: Exchange::Aggressive,
                proposals: vec!["aes256-sha1-modp1536".parse().unwrap(), "3des-md5-modp2048".parse().unwrap()],
                lifetime: Span::from_secs(28_800),
            },
            phase2: Phase2 {
                proposals: vec!["aes128-sha1".parse().unwrap(), "aes128gcm16".parse().unwrap()],
                pfs: Some(Group::Modp1536),
                lifetime: Span::from_secs(3600),
                volume: None,
            },
            traffic: vec![first, web],
            nat_traversal: NatTraversal::Force,
            identities: Identities { local: Some(Identity::KeyId("office".to_owned())), remote: None },
            dpd: Some(Dpd { delay: Span::from_secs(10), timeout: Span::from_secs(30) }),
        }
    }

    #[test]
    fn a_tunnel_with_everything() {
        insta::assert_snapshot!(connections(&tunnel(), &Retransmission::default()), @r#"
        config setup
            ikev1-policy=accept
            dnssec-enable=no
            listen=192.0.2.10

        conn cisco-1
            ikev2=no
            type=tunnel
            authby=secret
            auto=add
            aggressive=yes
            left=192.0.2.10
            leftid=@[office]
            leftsubnet=10.1.0.0/24
            leftupdown="sh /run/libreswan/updown"
            right=198.51.100.1
            rightsubnet=10.2.0.0/24
            ike=aes256-sha1-modp1536,3des-md5-modp2048
            esp=aes128-sha1-modp1536,aes_gcm128-null-modp1536
            pfs=yes
            ikelifetime=28800s
            salifetime=3600s
            rekeymargin=360s
            rekeyfuzz=0%
            keyingtries=1
            retransmit-interval=400
            retransmit-timeout=3s
            encapsulation=yes
            dpddelay=10s
            dpdtimeout=30s
            dpdaction=clear

        conn cisco-2
            ikev2=no
            type=tunnel
            authby=secret
            auto=add
            aggressive=yes
            left=192.0.2.10
            leftid=@[office]
            leftsubnet=10.1.0.0/24
            leftprotoport=6/0
            leftupdown="sh /run/libreswan/updown"
            right=198.51.100.1
            rightsubnet=10.2.0.0/24
            rightprotoport=6/80
            ike=aes256-sha1-modp1536,3des-md5-modp2048
            esp=aes128-sha1-modp1536,aes_gcm128-null-modp1536
            pfs=yes
            ikelifetime=28800s
            salifetime=3600s
            rekeymargin=360s
            rekeyfuzz=0%
            keyingtries=1
            retransmit-interval=400
            retransmit-timeout=3s
            encapsulation=yes
            dpddelay=10s
            dpdtimeout=30s
            dpdaction=clear
        "#);
    }

    #[test]
    fn a_key_with_quotes_is_spelt_out() {
        assert_eq!(secrets(&tunnel()), ": PSK \"s3cret # 'quoted'\"\n");
        assert_eq!(secret("a\"b"), "0x612262");
    }

    #[test]
    fn names_of_what_was_negotiated() {
        for cipher in Cipher::ALL.iter().filter(|cipher| **cipher != Cipher::Des) {
            let names = ["3DES_CBC", "AES_CBC_128", "AES_CBC_192", "AES_CBC_256", "NULL"];
            let gcm = ["AES_GCM_16_128", "AES_GCM_16_192", "AES_GCM_16_256"];
            let mut all = names.iter().chain(&gcm);
            assert!(all.any(|name| cipher_named(name) == Some(*cipher)), "{cipher}");
        }
        assert_eq!(hash_named("HMAC_SHA2_256_128"), Some(Hash::Sha256));
        assert_eq!(hash_named("NONE"), None);
        assert_eq!(group_named("MODP1536"), Some(Group::Modp1536));
    }
}
