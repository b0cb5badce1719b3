//! The neutral tunnel in strongSwan's language: `swanctl.conf` and `strongswan.conf`.

use crate::crypto::{Cipher, Group, Hash};
use crate::implementations::{DataPath, Retransmission};
use crate::scenario::tunnel::{Exchange, Identity, NatTraversal, Phase2Proposal, TrafficPair, Tunnel};

use super::settings::Section;

/// The connection's name in charon.
pub(super) const CONNECTION: &str = "cisco";

/// Where the daemon's VICI socket is in its own mount namespace.
pub(super) const VICI_SOCKET: &str = "/run/charon.vici";

/// The plugins for a data path: random numbers and nonces, all cryptography by OpenSSL (whose legacy provider brings
/// DES), key derivation, the kernel, sockets and the control interface. Each one left out makes the start shorter.
pub(super) fn plugins(data_path: DataPath) -> &'static [&'static str] {
    match data_path {
        DataPath::Tun => {
            &["random", "nonce", "openssl", "kdf", "kernel-libipsec", "kernel-netlink", "socket-default", "vici"]
        }
        DataPath::Kernel | DataPath::KeyEngine | DataPath::None => {
            &["random", "nonce", "openssl", "kdf", "kernel-netlink", "socket-default", "vici"]
        }
    }
}

/// `strongswan.conf`: what to load, how to log and where to listen.
pub(super) fn daemon(data_path: DataPath, retransmission: &Retransmission) -> Section {
    let charon = Section::new()
        .with("install_virtual_ip", "no")
        .with("retransmit_timeout", retransmission.first.as_secs_f64())
        .with("retransmit_base", retransmission.factor)
        .with("retransmit_tries", retransmission.times)
        // The name charon gives to taking part in aggressive mode with a pre-shared key as the responder.
        .with("i_dont_care_about_security_and_use_aggressive_mode_psk", "yes");
    let mut file = Section::new().with_section("charon", charon);
    file.merge(required(data_path));
    file
}

/// The part of `strongswan.conf` that the driver cannot do without, whatever else is set: plugins, log and socket.
pub(super) fn required(data_path: DataPath) -> Section {
    // charon writes standard output in blocks when that is a pipe, whatever `flush_line` says; standard error has no buffer.
    let stderr = Section::new()
        .with("default", 1)
        .with("ike", 2)
        .with("cfg", 2)
        .with("knl", 1)
        .with("esp", 1)
        .with("ike_name", "yes");
    let vici = Section::new().with("socket", format!("unix://{VICI_SOCKET}"));
    let charon = Section::new()
        .with("load", plugins(data_path).join(" "))
        .with_section("filelog", Section::new().with_section("stderr", stderr))
        .with_section("plugins", Section::new().with_section("vici", vici));
    Section::new().with_section("charon", charon)
}

/// `swanctl.conf`: the connection with a child for each pair of selectors, and the pre-shared key.
///
/// One child each, because an IKEv1 quick mode has one pair of identities: charon would use a child's first pair only.
pub(super) fn connections(tunnel: &Tunnel) -> Section {
    let mut children = Section::new();
    for (number, pair) in (1..).zip(&tunnel.traffic) {
        children = children.with_section(child_name(number), child(tunnel, pair));
    }
    let mut connection = Section::new()
        .with("version", 1)
        .with("local_addrs", tunnel.local)
        .with("remote_addrs", tunnel.remote)
        .with("proposals", comma_separated(tunnel.phase1.proposals.iter()));
    if tunnel.phase1.exchange == Exchange::Aggressive {
        connection = connection.with("aggressive", "yes");
    }
    if tunnel.nat_traversal == NatTraversal::Force {
        connection = connection.with("encap", "yes");
    }
    if let Some(dpd) = tunnel.dpd {
        connection = connection
            .with("dpd_delay", seconds(dpd.delay.as_secs()))
            .with("dpd_timeout", seconds(dpd.timeout.as_secs()));
    }
    // charon proposes the sum of the two as the lifetime.
    let lifetime = tunnel.phase1.lifetime.as_secs();
    connection = connection
        .with("rekey_time", seconds(lifetime - lifetime / 10))
        .with("over_time", seconds(lifetime / 10))
        .with("rand_time", seconds(0))
        .with_section("local", authentication(local_identity(tunnel)))
        .with_section("remote", authentication(remote_identity(tunnel)))
        .with_section("children", children);
    let mut secret = Section::new().with("id-1", tunnel.remote);
    if let Some(identity) = &tunnel.identities.remote {
        secret = secret.with("id-2", identity_text(identity));
    }
    let secrets =
        Section::new().with_section(format!("ike-{CONNECTION}"), secret.with("secret", secret_text(tunnel.psk.text())));
    Section::new()
        .with_section("connections", Section::new().with_section(CONNECTION, connection))
        .with_section("secrets", secrets)
}

/// The name of the `number`th child, counted from one.
pub(super) fn child_name(number: usize) -> String {
    format!("net-{number}")
}

fn child(tunnel: &Tunnel, pair: &TrafficPair) -> Section {
    let group = tunnel.phase2.pfs.map(|group| format!("-{group}")).unwrap_or_default();
    let lifetime = tunnel.phase2.lifetime.as_secs();
    let mut child = Section::new()
        .with("local_ts", format!("{}{}", pair.local, protocol_port(pair, pair.local_port)))
        .with("remote_ts", format!("{}{}", pair.remote, protocol_port(pair, pair.remote_port)))
        .with("esp_proposals", comma_separated(tunnel.phase2.proposals.iter().map(|esp| format!("{esp}{group}"))))
        .with("life_time", seconds(lifetime))
        .with("rekey_time", seconds(lifetime - lifetime / 10))
        .with("rand_time", seconds(0));
    if let Some(volume) = tunnel.phase2.volume {
        // charon divides by 1000 to get the kilobytes it proposes.
        let bytes = volume.0.saturating_mul(1000);
        child = child.with("life_bytes", bytes).with("rekey_bytes", bytes - bytes / 10).with("rand_bytes", 0);
    }
    if tunnel.dpd.is_some() {
        child = child.with("dpd_action", "clear");
    }
    child
}

fn authentication(identity: String) -> Section {
    Section::new().with("auth", "psk").with("id", identity)
}

fn local_identity(tunnel: &Tunnel) -> String {
    tunnel.identities.local.as_ref().map_or_else(|| tunnel.local.to_string(), identity_text)
}

fn remote_identity(tunnel: &Tunnel) -> String {
    tunnel.identities.remote.as_ref().map_or_else(|| tunnel.remote.to_string(), identity_text)
}

/// The key as it is written in `swanctl.conf`: one that would be taken for hexadecimal or base64 digits is spelt out.
fn secret_text(key: &str) -> String {
    let prefix = key.get(..2).map(str::to_ascii_lowercase);
    match prefix.as_deref() {
        Some("0x" | "0s") => format!("0x{}", hex::encode(key)),
        _ => key.to_owned(),
    }
}

/// The identity with the prefix that keeps charon from guessing its type.
fn identity_text(identity: &Identity) -> String {
    match identity {
        Identity::Address(address) => address.to_string(),
        Identity::Fqdn(name) => format!("fqdn:{name}"),
        Identity::UserFqdn(name) => format!("userfqdn:{name}"),
        Identity::KeyId(text) => format!("keyid:{text}"),
    }
}

/// `[tcp/80]` behind a network, or nothing when any protocol is meant.
fn protocol_port(pair: &TrafficPair, port: Option<u16>) -> String {
    match (pair.protocol, port) {
        (None, _) => String::new(),
        (Some(protocol), None) => format!("[{}]", protocol.0),
        (Some(protocol), Some(port)) => format!("[{}/{port}]", protocol.0),
    }
}

fn comma_separated<T: ToString>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn seconds(count: u64) -> String {
    format!("{count}s")
}

/// charon's name of the encryption, as in its log and `list-sas`, without the key size.
pub(super) fn cipher_name(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Des => "DES_CBC",
        Cipher::TripleDes => "3DES_CBC",
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => "AES_CBC",
        Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm => "AES_GCM_16",
        Cipher::Null => "NULL",
    }
}

/// The key size in bits where charon's name of the encryption leaves it open.
pub(super) fn key_bits(cipher: Cipher) -> Option<u16> {
    match cipher {
        Cipher::Aes128 | Cipher::Aes128Gcm => Some(128),
        Cipher::Aes192 | Cipher::Aes192Gcm => Some(192),
        Cipher::Aes256 | Cipher::Aes256Gcm => Some(256),
        Cipher::Des | Cipher::TripleDes | Cipher::Null => None,
    }
}

/// charon's name of the HMAC as ESP uses it.
pub(super) fn integrity_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "HMAC_MD5_96",
        Hash::Sha1 => "HMAC_SHA1_96",
        Hash::Sha256 => "HMAC_SHA2_256_128",
        Hash::Sha384 => "HMAC_SHA2_384_192",
        Hash::Sha512 => "HMAC_SHA2_512_256",
    }
}

/// charon's name of the hash as a PRF.
pub(super) fn prf_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "PRF_HMAC_MD5",
        Hash::Sha1 => "PRF_HMAC_SHA1",
        Hash::Sha256 => "PRF_HMAC_SHA2_256",
        Hash::Sha384 => "PRF_HMAC_SHA2_384",
        Hash::Sha512 => "PRF_HMAC_SHA2_512",
    }
}

/// charon's name of a Diffie-Hellman group.
pub(super) fn group_name(group: Group) -> String {
    group.word().to_uppercase().replace("MODP", "MODP_")
}

/// Everything of [`Phase2Proposal`] that charon must have loaded: its list of algorithms and the name in it.
pub(super) fn needs_of(proposal: &Phase2Proposal) -> Vec<(&'static str, &'static str)> {
    let list = if proposal.integrity.is_none() { "aead" } else { "encryption" };
    let mut needs = vec![(list, cipher_name(proposal.cipher))];
    needs.extend(proposal.integrity.map(|hash| ("integrity", integrity_name(hash))));
    needs
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::scenario::tunnel::{Dpd, Identities, Phase1, Phase2, Protocol, Psk};
    use crate::scenario::units::{Kilobytes, Span};

    /// A tunnel that uses every word there is.
    pub(in crate::implementations::strongswan) fn tunnel() -> Tunnel {
        let first = TrafficPair::between("10.1.0.0/24".parse().unwrap(), "10.2.0.0/24".parse().unwrap());
        let web = TrafficPair { protocol: Some(Protocol(6)), remote_port: Some(80), ..first };
        Tunnel {
            local: "192.0.2.10".parse().unwrap(),
            remote: "198.51.100.1".parse().unwrap(),
            psk: Psk::new("s3cret # } \"quoted\""),
            phase1: Phase1 {
                exchange: Exchange::Aggressive,
                proposals: vec!["aes256-sha1-modp1536".parse().unwrap(), "3des-md5-modp1024".parse().unwrap()],
                lifetime: Span::from_secs(28_800),
            },
            phase2: Phase2 {
                proposals: vec!["aes128-sha1".parse().unwrap(), "aes128gcm16".parse().unwrap()],
                pfs: Some(Group::Modp1536),
                lifetime: Span::from_secs(3600),
                volume: Some(Kilobytes(4_608_000)),
            },
            traffic: vec![first, web],
            nat_traversal: NatTraversal::Force,
            identities: Identities { local: Some(Identity::KeyId("office".to_owned())), remote: None },
            dpd: Some(Dpd { delay: Span::from_secs(10), timeout: Span::from_secs(30) }),
        }
    }

    #[test]
    fn a_tunnel_with_everything() {
        insta::assert_snapshot!(connections(&tunnel()), @r#"
        connections {
          cisco {
            version = 1
            local_addrs = 192.0.2.10
            remote_addrs = 198.51.100.1
            proposals = aes256-sha1-modp1536, 3des-md5-modp1024
            aggressive = yes
            encap = yes
            dpd_delay = 10s
            dpd_timeout = 30s
            rekey_time = 25920s
            over_time = 2880s
            rand_time = 0s
            local {
              auth = psk
              id = keyid:office
            }
            remote {
              auth = psk
              id = 198.51.100.1
            }
            children {
              net-1 {
                local_ts = 10.1.0.0/24
                remote_ts = 10.2.0.0/24
                esp_proposals = aes128-sha1-modp1536, aes128gcm16-modp1536
                life_time = 3600s
                rekey_time = 3240s
                rand_time = 0s
                life_bytes = 4608000000
                rekey_bytes = 4147200000
                rand_bytes = 0
                dpd_action = clear
              }
              net-2 {
                local_ts = 10.1.0.0/24[6]
                remote_ts = 10.2.0.0/24[6/80]
                esp_proposals = aes128-sha1-modp1536, aes128gcm16-modp1536
                life_time = 3600s
                rekey_time = 3240s
                rand_time = 0s
                life_bytes = 4608000000
                rekey_bytes = 4147200000
                rand_bytes = 0
                dpd_action = clear
              }
            }
          }
        }
        secrets {
          ike-cisco {
            id-1 = 198.51.100.1
            secret = "s3cret # } \"quoted\""
          }
        }
        "#);
    }

    #[test]
    fn the_daemon() {
        insta::assert_snapshot!(daemon(DataPath::Tun, &Retransmission::default()), @r#"
        charon {
          install_virtual_ip = no
          retransmit_timeout = 0.4
          retransmit_base = 1.5
          retransmit_tries = 3
          i_dont_care_about_security_and_use_aggressive_mode_psk = yes
          load = random nonce openssl kdf kernel-libipsec kernel-netlink socket-default vici
          filelog {
            stderr {
              default = 1
              ike = 2
              cfg = 2
              knl = 1
              esp = 1
              ike_name = yes
            }
          }
          plugins {
            vici {
              socket = unix:///run/charon.vici
            }
          }
        }
        "#);
    }

    #[test]
    fn a_key_that_looks_like_digits_is_still_text() {
        assert_eq!(secret_text("0xcafe"), "0x307863616665");
        assert_eq!(secret_text("0Sa"), "0x305361");
        assert_eq!(secret_text("cafe"), "cafe");
    }
}
