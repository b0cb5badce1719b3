//! The neutral tunnel in racoon's and setkey's languages: `racoon.conf`, `psk.txt` and `ipsec-tools.conf`.

use std::fmt;
use std::net::Ipv4Addr;

use crate::crypto::Cipher;
use crate::implementations::Retransmission;
use crate::scenario::tunnel::{Dpd, Exchange, Identity, NatTraversal, Phase1Proposal, TrafficPair, Tunnel};
use crate::wire::ipv4::Ipv4Prefix;

/// Where racoon, setkey and racoonctl find their files, in their own mount namespace.
pub(super) const FOLDER_INSIDE: &str = "/run/racoon-conf";

/// racoon's control socket there.
pub(super) const SOCKET_INSIDE: &str = "/run/racoon.sock";

/// The statements of a `racoon.conf` that the driver cannot do without, whatever else is set: where racoon listens, for its
/// control socket lies wherever it was built to be, and that it logs the dumps of the identities.
pub(super) fn required(tunnel: &Tunnel) -> Statements {
    let listen = Statements::default()
        .with(format!("isakmp {} [500]", tunnel.local))
        .with(format!("isakmp_natt {} [4500]", tunnel.local))
        .with(format!("adminsock \"{SOCKET_INSIDE}\" \"root\" \"root\" 0600"))
        .with("strict_address");
    Statements::default().with_block("listen", listen).with("log debug")
}

/// `racoon.conf`.
pub(super) fn daemon(tunnel: &Tunnel, retransmission: &Retransmission) -> Statements {
    let keys = format!("path pre_shared_key \"{FOLDER_INSIDE}/{}\"", super::PSK_TXT);
    let mut file = Statements::default().with(keys);
    file.0.extend(required(tunnel).0);
    file =
        file.with_block("timer", timer(retransmission)).with_block(format!("remote {}", tunnel.remote), remote(tunnel));
    for pair in &tunnel.traffic {
        let protocol = pair.protocol.map_or_else(|| "any".to_owned(), |protocol| protocol.0.to_string());
        let end = |prefix, port| format!("address {} {protocol}", selector(prefix, port));
        let (ours, theirs) = (end(pair.local, pair.local_port), end(pair.remote, pair.remote_port));
        file = file.with_block(format!("sainfo {ours} {theirs}"), sainfo(tunnel));
    }
    file
}

/// `psk.txt`: the key by the Cisco's address, and by its identity where that is another.
pub(super) fn keys(tunnel: &Tunnel) -> String {
    let key = key_text(tunnel.psk.text());
    let mut text = format!("{} {key}\n", tunnel.remote);
    let name = tunnel.identities.remote.as_ref().map(|identity| match identity {
        Identity::Address(address) => address.to_string(),
        Identity::Fqdn(name) | Identity::UserFqdn(name) | Identity::KeyId(name) => name.clone(),
    });
    if let Some(name) = name.filter(|name| *name != tunnel.remote.to_string()) {
        text.push_str(&format!("{name} {key}\n"));
    }
    text
}

/// `ipsec-tools.conf`: a pair of policies for each pair of selectors.
///
/// Of level `unique`, because the router negotiates a pair of SAs for each line of its access list and refuses the
/// packets of one line in another's SA; of level `require` they would all go through the newest.
pub(super) fn policies(tunnel: &Tunnel) -> String {
    let mut text = "flush;\nspdflush;\n".to_owned();
    for pair in &tunnel.traffic {
        let (ours, theirs) = (selector(pair.local, pair.local_port), selector(pair.remote, pair.remote_port));
        let protocol = pair.protocol.map_or_else(|| "any".to_owned(), |protocol| protocol.0.to_string());
        let (local, remote) = (tunnel.local, tunnel.remote);
        text.push_str(&format!(
            "spdadd {ours} {theirs} {protocol} -P out ipsec esp/tunnel/{local}-{remote}/unique;\n\
             spdadd {theirs} {ours} {protocol} -P in ipsec esp/tunnel/{remote}-{local}/unique;\n"
        ));
    }
    text
}

/// The policy's ends as `racoonctl establish-sa` takes them, and its protocol.
pub(super) fn ends(pair: &TrafficPair) -> [String; 3] {
    let end = |prefix: Ipv4Prefix, port: Option<u16>| match port {
        Some(port) => format!("{}/{}[{port}]", prefix.network(), prefix.length()),
        None => format!("{}/{}", prefix.network(), prefix.length()),
    };
    let protocol = pair.protocol.map_or_else(|| "any".to_owned(), |protocol| protocol.to_string());
    [end(pair.local, pair.local_port), end(pair.remote, pair.remote_port), protocol]
}

/// racoon counts in seconds: the first wait and the sum are kept to, as far as whole seconds go.
fn timer(retransmission: &Retransmission) -> Statements {
    let phase = retransmission.total().as_secs().max(1) + 1;
    Statements::default()
        .with(format!("counter {}", retransmission.times))
        .with(format!("interval {} sec", retransmission.first.as_secs().max(1)))
        .with("persend 1")
        .with(format!("phase1 {phase} sec"))
        .with(format!("phase2 {phase} sec"))
}

fn remote(tunnel: &Tunnel) -> Statements {
    let address = |address: Ipv4Addr| format!("address {address}");
    let ours = tunnel.identities.local.as_ref().map_or_else(|| address(tunnel.local), identity);
    let theirs = tunnel.identities.remote.as_ref().map_or_else(|| address(tunnel.remote), identity);
    let exchange = match tunnel.phase1.exchange {
        Exchange::Main => "main",
        Exchange::Aggressive => "aggressive",
    };
    let nat_traversal = match tunnel.nat_traversal {
        NatTraversal::Auto => "on",
        NatTraversal::Force => "force",
        NatTraversal::Off => "off",
    };
    let mut remote = Statements::default()
        .with(format!("exchange_mode {exchange}"))
        .with(format!("my_identifier {ours}"))
        .with(format!("peers_identifier {theirs}"))
        .with(format!("verify_identifier {}", if finds_key_by_identity(tunnel) { "on" } else { "off" }))
        .with(format!("lifetime time {} sec", tunnel.phase1.lifetime.as_secs()))
        .with("proposal_check obey")
        // It would go out beside the first quick mode, and cross the Cisco's as it happens.
        .with("initial_contact off")
        .with(format!("nat_traversal {nat_traversal}"));
    if let Some(Dpd { delay, timeout }) = tunnel.dpd {
        let (delay, timeout) = (delay.as_secs().max(1), timeout.as_secs().max(1));
        let retry = (timeout / 3).max(1);
        remote = remote
            .with(format!("dpd_delay {delay}"))
            .with(format!("dpd_retry {retry}"))
            .with(format!("dpd_maxfail {}", timeout / retry));
    }
    tunnel.phase1.proposals.iter().fold(remote, |remote, proposal| remote.with_block("proposal", phase1(proposal)))
}

/// Whether racoon finds the key of an identity that it verifies. In aggressive mode it looks for the text of the identity, and
/// an address is four octets there; only one that it does not verify it looks for by the address that packets come from.
fn finds_key_by_identity(tunnel: &Tunnel) -> bool {
    let address = tunnel.identities.remote.as_ref().is_none_or(|identity| matches!(identity, Identity::Address(_)));
    tunnel.phase1.exchange == Exchange::Main || !address
}

fn phase1(proposal: &Phase1Proposal) -> Statements {
    Statements::default()
        .with(format!("encryption_algorithm {}", cipher(proposal.cipher)))
        .with(format!("hash_algorithm {}", proposal.hash))
        .with("authentication_method pre_shared_key")
        .with(format!("dh_group {}", proposal.group.number()))
}

fn sainfo(tunnel: &Tunnel) -> Statements {
    let mut ciphers = Vec::new();
    let mut hashes = Vec::new();
    for proposal in &tunnel.phase2.proposals {
        let (cipher, hash) = (cipher(proposal.cipher), proposal.integrity.map(|hash| format!("hmac_{hash}")));
        if !ciphers.contains(&cipher) {
            ciphers.push(cipher);
        }
        hashes.extend(hash.filter(|hash| !hashes.contains(hash)));
    }
    let pfs = tunnel.phase2.pfs.map(|group| format!("pfs_group {}", group.number()));
    let mut sainfo = Statements::default();
    sainfo.0.extend(pfs.map(|text| Statement { text, block: None }));
    sainfo
        .with(format!("lifetime time {} sec", tunnel.phase2.lifetime.as_secs()))
        .with(format!("encryption_algorithm {}", ciphers.join(", ")))
        .with(format!("authentication_algorithm {}", hashes.join(", ")))
        // racoon wants the line even where policies ask for no compression.
        .with("compression_algorithm deflate")
}

/// An address or network with a port, as `sainfo` and `spdadd` take it. A host has no prefix length, so that racoon names
/// it as an address, as IOS does.
fn selector(prefix: Ipv4Prefix, port: Option<u16>) -> String {
    let network = match prefix.length() {
        32 => prefix.network().to_string(),
        length => format!("{}/{length}", prefix.network()),
    };
    match port {
        Some(port) => format!("{network}[{port}]"),
        None => network,
    }
}

fn identity(identity: &Identity) -> String {
    match identity {
        Identity::Address(address) => format!("address {address}"),
        Identity::Fqdn(name) => format!("fqdn \"{name}\""),
        Identity::UserFqdn(name) => format!("user_fqdn \"{name}\""),
        Identity::KeyId(text) => format!("keyid tag \"{text}\""),
    }
}

/// The key as it is written in `psk.txt`: one that would be taken for hexadecimal digits is spelt out.
fn key_text(key: &str) -> String {
    if key.starts_with("0x") { format!("0x{}", hex::encode(key)) } else { key.to_owned() }
}

fn cipher(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Des => "des",
        Cipher::TripleDes => "3des",
        Cipher::Aes128 => "aes 128",
        Cipher::Aes192 => "aes 192",
        Cipher::Aes256 => "aes 256",
        Cipher::Null => "null_enc",
        // `supports` refuses these: racoon's language has no word for them.
        Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm => "aes_gcm",
    }
}

/// Statements of `racoon.conf`, printed as people write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statements(Vec<Statement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    text: String,
    block: Option<Statements>,
}

impl Statements {
    fn with(mut self, text: impl Into<String>) -> Self {
        self.0.push(Statement { text: text.into(), block: None });
        self
    }

    fn with_block(mut self, text: impl Into<String>, block: Self) -> Self {
        self.0.push(Statement { text: text.into(), block: Some(block) });
        self
    }

    fn write(&self, depth: usize, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indent = 2 * depth;
        for Statement { text, block } in &self.0 {
            match block {
                None => writeln!(formatter, "{:indent$}{text};", "")?,
                Some(block) => {
                    writeln!(formatter, "{:indent$}{text} {{", "")?;
                    block.write(depth + 1, formatter)?;
                    writeln!(formatter, "{:indent$}}}", "")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Statements {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(0, formatter)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::crypto::Group;
    use crate::scenario::tunnel::{Identities, Phase1, Phase2, Protocol, Psk};
    use crate::scenario::units::Span;

    /// A tunnel that uses every word racoon has.
    pub(in crate::implementations::racoon) fn tunnel() -> Tunnel {
        let first = TrafficPair::between("10.1.0.0/24".parse().unwrap(), "10.2.0.0/24".parse().unwrap());
        let web = TrafficPair {
            remote: "10.2.0.5/32".parse().unwrap(),
            protocol: Some(Protocol(6)),
            remote_port: Some(80),
            ..first
        };
        Tunnel {
            local: "192.0.2.10".parse().unwrap(),
            remote: "198.51.100.1".parse().unwrap(),
            psk: Psk::new("0xs3cret"),
            phase1: Phase1 {
                exchange: Exchange::Main,
                proposals: vec!["aes256-sha1-modp1536".parse().unwrap(), "3des-md5-modp1024".parse().unwrap()],
                lifetime: Span::from_secs(28_800),
            },
            phase2: Phase2 {
                proposals: vec!["aes128-sha1".parse().unwrap(), "3des-sha1".parse().unwrap()],
                pfs: Some(Group::Modp2048),
                lifetime: Span::from_secs(3600),
                volume: None,
            },
            traffic: vec![first, web],
            nat_traversal: NatTraversal::Force,
            identities: Identities {
                local: Some(Identity::KeyId("office".to_owned())),
                remote: Some(Identity::Fqdn("r1.example.net".to_owned())),
            },
            dpd: Some(Dpd { delay: Span::from_secs(10), timeout: Span::from_secs(30) }),
        }
    }

    #[test]
    fn the_daemon() {
        insta::assert_snapshot!(daemon(&tunnel(), &Retransmission::default()), @r#"
        path pre_shared_key "/run/racoon-conf/psk.txt";
        listen {
          isakmp 192.0.2.10 [500];
          isakmp_natt 192.0.2.10 [4500];
          adminsock "/run/racoon.sock" "root" "root" 0600;
          strict_address;
        }
        log debug;
        timer {
          counter 3;
          interval 1 sec;
          persend 1;
          phase1 4 sec;
          phase2 4 sec;
        }
        remote 198.51.100.1 {
          exchange_mode main;
          my_identifier keyid tag "office";
          peers_identifier fqdn "r1.example.net";
          verify_identifier on;
          lifetime time 28800 sec;
          proposal_check obey;
          initial_contact off;
          nat_traversal force;
          dpd_delay 10;
          dpd_retry 10;
          dpd_maxfail 3;
          proposal {
            encryption_algorithm aes 256;
            hash_algorithm sha1;
            authentication_method pre_shared_key;
            dh_group 5;
          }
          proposal {
            encryption_algorithm 3des;
            hash_algorithm md5;
            authentication_method pre_shared_key;
            dh_group 2;
          }
        }
        sainfo address 10.1.0.0/24 any address 10.2.0.0/24 any {
          pfs_group 14;
          lifetime time 3600 sec;
          encryption_algorithm aes 128, 3des;
          authentication_algorithm hmac_sha1;
          compression_algorithm deflate;
        }
        sainfo address 10.1.0.0/24 6 address 10.2.0.5[80] 6 {
          pfs_group 14;
          lifetime time 3600 sec;
          encryption_algorithm aes 128, 3des;
          authentication_algorithm hmac_sha1;
          compression_algorithm deflate;
        }
        "#);
    }

    #[test]
    fn the_policies_and_keys() {
        insta::assert_snapshot!(format!("{}{}", policies(&tunnel()), keys(&tunnel())), @r#"
        flush;
        spdflush;
        spdadd 10.1.0.0/24 10.2.0.0/24 any -P out ipsec esp/tunnel/192.0.2.10-198.51.100.1/unique;
        spdadd 10.2.0.0/24 10.1.0.0/24 any -P in ipsec esp/tunnel/198.51.100.1-192.0.2.10/unique;
        spdadd 10.1.0.0/24 10.2.0.5[80] 6 -P out ipsec esp/tunnel/192.0.2.10-198.51.100.1/unique;
        spdadd 10.2.0.5[80] 10.1.0.0/24 6 -P in ipsec esp/tunnel/198.51.100.1-192.0.2.10/unique;
        198.51.100.1 0x3078733363726574
        r1.example.net 0x3078733363726574
        "#);
        assert_eq!(ends(&tunnel().traffic[1]), ["10.1.0.0/24", "10.2.0.5/32[80]", "tcp"]);
    }
}
