//! The gateway's configuration: one tunnel.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crypto::{Cipher, Group, Hash, Secret};
use crate::ike::{EspSuite, Lifetimes, Selectors};

/// A tunnel as the gateway is to bring it up; its configuration file in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Our outer address.
    pub local: Ipv4Addr,
    /// The peer's.
    pub remote: Ipv4Addr,
    /// The pre-shared key.
    pub pre_shared_key: Secret,
    /// What the ISAKMP SA may be made of, best first.
    pub phase1: Vec<Phase1Suite>,
    /// The lifetime of the ISAKMP SA in seconds.
    pub phase1_seconds: u32,
    /// What IPsec SAs may be made of, best first.
    pub phase2: Vec<EspSuite>,
    /// The group of a second Diffie-Hellman exchange.
    pub pfs: Option<Group>,
    /// The lifetimes of IPsec SAs.
    pub phase2_lifetimes: Lifetimes,
    /// The traffic to protect, a pair of IPsec SAs each.
    pub traffic: Vec<Selectors>,
    /// Whether ESP goes into UDP.
    pub nat_traversal: NatTraversal,
    /// When an unanswered message is sent again: the waits in milliseconds. After the last its wait passes once more.
    pub retransmit_ms: Vec<u64>,
    /// The seed of every random choice.
    pub seed: u64,
}

/// The algorithms of an ISAKMP SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase1Suite {
    /// The encryption.
    pub cipher: Cipher,
    /// The hash.
    pub hash: Hash,
    /// The Diffie-Hellman group.
    pub group: Group,
}

/// Whether ESP goes into UDP (RFC 3948).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatTraversal {
    /// When the NAT-D payloads show a NAT.
    Auto,
    /// Always, as though a NAT had been seen.
    Force,
    /// Never; it is not announced.
    Off,
}

impl Settings {
    /// The waits before retransmissions.
    pub fn retransmit_waits(&self) -> Vec<Duration> {
        self.retransmit_ms.iter().copied().map(Duration::from_millis).collect()
    }
}
