//! What quick mode is asked for and what comes of it: requests, and pairs of IPsec SAs.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::selector::Selectors;
use crate::crypto::{Cipher, Group, Hash, SaKeys};
use crate::wire::Spi;
use crate::wire::isakmp::{Cookie, MessageId};

/// The number by which the owner of an engine knows a request again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// How ESP encapsulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Whole packets behind a new IP header.
    Tunnel,
    /// The payload of packets between the peers themselves.
    Transport,
}

/// The algorithms of an ESP SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EspSuite {
    /// The encryption.
    pub cipher: Cipher,
    /// The hash of the HMAC; `None` with GCM, and without integrity at all.
    pub integrity: Option<Hash>,
}

impl fmt::Display for EspSuite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.integrity {
            Some(hash) => write!(formatter, "{}-{hash}", self.cipher),
            None => write!(formatter, "{}", self.cipher),
        }
    }
}

/// How long an SA may live; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lifetimes {
    /// In seconds.
    pub seconds: Option<u32>,
    /// In kilobytes of 1024 octets.
    pub kilobytes: Option<u32>,
}

impl Lifetimes {
    /// The shorter of both, unit by unit (cisco-ios-facts 5.5 [S:LOG-123 notes]).
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        let shorter = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { seconds: shorter(self.seconds, other.seconds), kilobytes: shorter(self.kilobytes, other.kilobytes) }
    }

    /// The limit in time.
    pub fn duration(self) -> Option<Duration> {
        self.seconds.map(|seconds| Duration::from_secs(seconds.into()))
    }
}

/// A pair of IPsec SAs that the owner wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuickRequest {
    /// Comes back in [`SaPair::request`] or [`super::Output::Failed`].
    pub id: RequestId,
    /// The owner's name for what asks, such as a crypto map entry; comes back in [`SaPair::entry`].
    pub entry: String,
    /// The interface the SAs are on, as the owner names it.
    pub interface: String,
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's address.
    pub peer: Ipv4Addr,
    /// The traffic to protect.
    pub selectors: Selectors,
    /// The algorithms to offer, best first; never empty.
    pub suites: Vec<EspSuite>,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The group of a second Diffie-Hellman exchange; `None` is no perfect forward secrecy.
    pub pfs: Option<Group>,
    /// The lifetimes to offer.
    pub lifetimes: Lifetimes,
}

/// The ISAKMP SA, by its cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IsakmpSaId {
    /// CKY-I.
    pub initiator: Cookie,
    /// CKY-R; zero until the responder has answered.
    pub responder: Cookie,
}

impl IsakmpSaId {
    /// Both cookies, as notifies and deletes of the ISAKMP SA carry them.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&self.initiator.0);
        octets[8..].copy_from_slice(&self.responder.0);
        octets
    }
}

impl fmt::Display for IsakmpSaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.initiator, self.responder)
    }
}

/// Between which UDP ports ESP is carried (RFC 3948).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UdpEncapsulation {
    /// Our address and port.
    pub local: SocketAddrV4,
    /// The peer's address and port as they reach us.
    pub remote: SocketAddrV4,
}

/// One direction of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EspSa {
    /// The SPI; its receiver chose it.
    pub spi: Spi,
    /// The keys.
    pub keys: SaKeys,
}

/// A negotiated pair of ESP SAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaPair {
    /// Counts the pairs of one engine from 1.
    pub number: u32,
    /// The request it answers; `None` when the peer asked for it.
    pub request: Option<RequestId>,
    /// The owner's name for what it belongs to: of the request, or of the policy's choice.
    pub entry: String,
    /// The interface it is on, as the owner names it.
    pub interface: String,
    /// The ISAKMP SA it was negotiated under.
    pub isakmp: IsakmpSaId,
    /// The quick mode that made it.
    pub message_id: MessageId,
    /// Whether we began that quick mode.
    pub initiator: bool,
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's address.
    pub remote: Ipv4Addr,
    /// Tunnel or transport.
    pub mode: Mode,
    /// The UDP encapsulation, where a NAT was found.
    pub udp: Option<UdpEncapsulation>,
    /// The traffic, as narrowed by the peer.
    pub selectors: Selectors,
    /// The algorithms.
    pub suite: EspSuite,
    /// The group of quick mode's own Diffie-Hellman exchange, if there was one.
    pub pfs: Option<Group>,
    /// The lifetimes agreed on.
    pub lifetimes: Lifetimes,
    /// From the peer to us.
    pub inbound: EspSa,
    /// From us to the peer.
    pub outbound: EspSa,
}

impl SaPair {
    /// Our and the peer's address with the ports of IKE: those of the UDP encapsulation, or 500.
    pub fn endpoints(&self) -> (SocketAddrV4, SocketAddrV4) {
        match self.udp {
            Some(udp) => (udp.local, udp.remote),
            None => (SocketAddrV4::new(self.local, 500), SocketAddrV4::new(self.remote, 500)),
        }
    }
}
