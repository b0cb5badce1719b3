//! The neutral tunnel as the values that stand in templates.

use std::net::Ipv4Addr;
use std::path::Path;

use minijinja::value::Serde;
use serde::Serialize;

use crate::crypto::{Cipher, Group};
use crate::implementations::{DataPath, Options, Retransmission};
use crate::scenario::tunnel::{
    Dpd, Exchange, Identities, Identity, NatTraversal, Phase1, Phase1Proposal, Phase2, Phase2Proposal, Protocol, Psk,
    TrafficPair, Tunnel,
};
use crate::scenario::units::{Kilobytes, Span};
use crate::wire::ipv4::Ipv4Prefix;

/// Where the configuration files are, in the daemon's own mount namespace.
pub(super) const CONFIG_INSIDE: &str = "/run/config";

/// All that can stand in a template but `pair` and `capability`.
#[derive(Debug, Serialize)]
struct Values<'a> {
    /// The folder of the configuration files.
    config: &'a Path,
    /// tun, kernel, key engine or none.
    data_path: String,
    tunnel: TunnelValues<'a>,
    retransmission: RetransmissionValues,
}

#[derive(Debug, Serialize)]
struct TunnelValues<'a> {
    local: Ipv4Addr,
    remote: Ipv4Addr,
    psk: &'a str,
    /// auto, force or off.
    nat_traversal: &'static str,
    phase1: Phase1Values,
    phase2: Phase2Values,
    traffic: Vec<PairValues>,
    identities: IdentitiesValues,
    dpd: Option<DpdValues>,
}

#[derive(Debug, Serialize)]
struct Phase1Values {
    /// main or aggressive.
    exchange: &'static str,
    proposals: Vec<Phase1ProposalValues>,
    /// In seconds.
    lifetime: u64,
}

#[derive(Debug, Serialize)]
struct Phase1ProposalValues {
    /// aes256-sha1-modp1536.
    text: String,
    cipher: CipherValues,
    hash: &'static str,
    group: GroupValues,
}

#[derive(Debug, Serialize)]
struct Phase2Values {
    proposals: Vec<Phase2ProposalValues>,
    /// The group, or nothing.
    pfs: Option<GroupValues>,
    /// In seconds.
    lifetime: u64,
    /// The lifetime in data, or nothing.
    kilobytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Phase2ProposalValues {
    /// aes128-sha1.
    text: String,
    cipher: CipherValues,
    /// Nothing with a GCM.
    hash: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct CipherValues {
    /// aes256.
    name: &'static str,
    /// aes, des, 3des or null.
    family: &'static str,
    /// 256; nothing where there is only one length.
    bits: Option<u16>,
    /// Whether it is a GCM.
    gcm: bool,
}

#[derive(Debug, Serialize)]
struct GroupValues {
    /// modp1536.
    name: &'static str,
    /// 5, the number of RFC 2409 and RFC 3526.
    number: u16,
    /// 1536.
    bits: u16,
}

/// A pair of selectors.
#[derive(Debug, Serialize)]
struct PairValues {
    /// Counted from 1.
    number: usize,
    local: NetworkValues,
    remote: NetworkValues,
    /// The protocol's number, or nothing for any.
    protocol: Option<u8>,
    local_port: Option<u16>,
    remote_port: Option<u16>,
}

#[derive(Debug, Serialize)]
struct NetworkValues {
    /// 10.1.0.0/24.
    prefix: String,
    address: Ipv4Addr,
    length: u8,
    mask: Ipv4Addr,
}

#[derive(Debug, Serialize)]
struct IdentitiesValues {
    local: IdentityValues,
    remote: IdentityValues,
}

#[derive(Debug, Serialize)]
struct IdentityValues {
    /// address, fqdn, user-fqdn or key-id.
    kind: &'static str,
    text: String,
}

#[derive(Debug, Serialize)]
struct DpdValues {
    /// In seconds.
    delay: u64,
    /// In seconds.
    timeout: u64,
}

#[derive(Debug, Serialize)]
struct RetransmissionValues {
    /// The seconds before the first retransmission.
    first: f64,
    factor: f64,
    times: u32,
}

/// What stands in the templates of a cell.
pub(super) fn values(tunnel: &Tunnel, options: &Options) -> minijinja::Value {
    minijinja::Value::from(Serde(Values {
        config: Path::new(CONFIG_INSIDE),
        data_path: options.data_path.to_string(),
        tunnel: tunnel_values(tunnel),
        retransmission: RetransmissionValues {
            first: options.retransmission.first.as_secs_f64(),
            factor: options.retransmission.factor,
            times: options.retransmission.times,
        },
    }))
}

/// The same with `pair`, the pair of selectors at `index`.
pub(super) fn with_pair(values: &minijinja::Value, tunnel: &Tunnel, index: usize) -> minijinja::Value {
    let pair = tunnel.traffic.get(index).map(|pair| minijinja::Value::from(Serde(pair_values(index, pair))));
    minijinja::context! { pair => pair, ..values.clone() }
}

fn tunnel_values(tunnel: &Tunnel) -> TunnelValues<'_> {
    TunnelValues {
        local: tunnel.local,
        remote: tunnel.remote,
        psk: tunnel.psk.text(),
        nat_traversal: tunnel.nat_traversal.word(),
        phase1: Phase1Values {
            exchange: tunnel.phase1.exchange.word(),
            proposals: tunnel.phase1.proposals.iter().map(phase1_proposal).collect(),
            lifetime: tunnel.phase1.lifetime.as_secs(),
        },
        phase2: Phase2Values {
            proposals: tunnel.phase2.proposals.iter().map(phase2_proposal).collect(),
            pfs: tunnel.phase2.pfs.map(group),
            lifetime: tunnel.phase2.lifetime.as_secs(),
            kilobytes: tunnel.phase2.volume.map(|volume| volume.0),
        },
        traffic: tunnel.traffic.iter().enumerate().map(|(index, pair)| pair_values(index, pair)).collect(),
        identities: IdentitiesValues {
            local: identity(tunnel.identities.local.as_ref(), tunnel.local),
            remote: identity(tunnel.identities.remote.as_ref(), tunnel.remote),
        },
        dpd: tunnel.dpd.map(|dpd| DpdValues { delay: dpd.delay.as_secs(), timeout: dpd.timeout.as_secs() }),
    }
}

fn phase1_proposal(proposal: &Phase1Proposal) -> Phase1ProposalValues {
    Phase1ProposalValues {
        text: proposal.to_string(),
        cipher: cipher(proposal.cipher),
        hash: proposal.hash.word(),
        group: group(proposal.group),
    }
}

fn phase2_proposal(proposal: &Phase2Proposal) -> Phase2ProposalValues {
    Phase2ProposalValues {
        text: proposal.to_string(),
        cipher: cipher(proposal.cipher),
        hash: proposal.integrity.map(|hash| hash.word()),
    }
}

fn cipher(cipher: Cipher) -> CipherValues {
    let (family, bits, gcm) = match cipher {
        Cipher::Des => ("des", None, false),
        Cipher::TripleDes => ("3des", None, false),
        Cipher::Aes128 => ("aes", Some(128), false),
        Cipher::Aes192 => ("aes", Some(192), false),
        Cipher::Aes256 => ("aes", Some(256), false),
        Cipher::Aes128Gcm => ("aes", Some(128), true),
        Cipher::Aes192Gcm => ("aes", Some(192), true),
        Cipher::Aes256Gcm => ("aes", Some(256), true),
        Cipher::Null => ("null", None, false),
    };
    CipherValues { name: cipher.word(), family, bits, gcm }
}

fn group(group: Group) -> GroupValues {
    let (number, bits) = match group {
        Group::Modp768 => (1, 768),
        Group::Modp1024 => (2, 1024),
        Group::Modp1536 => (5, 1536),
        Group::Modp2048 => (14, 2048),
        Group::Modp3072 => (15, 3072),
        Group::Modp4096 => (16, 4096),
    };
    GroupValues { name: group.word(), number, bits }
}

fn pair_values(index: usize, pair: &TrafficPair) -> PairValues {
    PairValues {
        number: index + 1,
        local: network(pair.local),
        remote: network(pair.remote),
        protocol: pair.protocol.map(|protocol| protocol.0),
        local_port: pair.local_port,
        remote_port: pair.remote_port,
    }
}

fn network(prefix: Ipv4Prefix) -> NetworkValues {
    NetworkValues {
        prefix: prefix.to_string(),
        address: prefix.network(),
        length: prefix.length(),
        mask: prefix.mask(),
    }
}

fn identity(identity: Option<&Identity>, address: Ipv4Addr) -> IdentityValues {
    let (kind, text) = match identity {
        None => ("address", address.to_string()),
        Some(Identity::Address(address)) => ("address", address.to_string()),
        Some(Identity::Fqdn(name)) => ("fqdn", name.clone()),
        Some(Identity::UserFqdn(name)) => ("user-fqdn", name.clone()),
        Some(Identity::KeyId(text)) => ("key-id", text.clone()),
    };
    IdentityValues { kind, text }
}

/// What a cell settles, for trying templates out.
pub(super) fn sample_options(data_path: DataPath) -> Options {
    Options { data_path, retransmission: Retransmission::default() }
}

/// A tunnel that uses every word there is, for trying templates out before there is a cell.
pub(crate) fn sample_tunnel() -> Tunnel {
    let network = |third, length| Ipv4Prefix::containing(Ipv4Addr::new(10, third, 0, 0), length);
    let first = TrafficPair::between(network(1, 24), network(2, 24));
    let web = TrafficPair { protocol: Some(Protocol(6)), local_port: Some(1024), remote_port: Some(80), ..first };
    let phase1 = |cipher, hash, group| Phase1Proposal { cipher, hash, group };
    use crate::crypto::Hash;
    Tunnel {
        local: Ipv4Addr::new(192, 0, 2, 10),
        remote: Ipv4Addr::new(198, 51, 100, 1),
        psk: Psk::new("s3cret"),
        phase1: Phase1 {
            exchange: Exchange::Aggressive,
            proposals: vec![
                phase1(Cipher::Aes256, Hash::Sha1, Group::Modp1536),
                phase1(Cipher::TripleDes, Hash::Md5, Group::Modp1024),
            ],
            lifetime: Span::from_secs(28_800),
        },
        phase2: Phase2 {
            proposals: vec![
                Phase2Proposal { cipher: Cipher::Aes128, integrity: Some(Hash::Sha1) },
                Phase2Proposal { cipher: Cipher::Aes128Gcm, integrity: None },
            ],
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_tunnel() {
        let values = values(&sample_tunnel(), &sample_options(DataPath::Tun));
        insta::assert_snapshot!(serde_json::to_string_pretty(&with_pair(&values, &sample_tunnel(), 1)).unwrap());
    }
}
