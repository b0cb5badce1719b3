//! What goes into the engine and what comes out.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::KeyEvent;
use crate::crypto::IcvLength;
use crate::ike::KeyRecord;

/// One socket of a client; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// What an engine is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our addresses of outer headers: an SA to one of them is an inbound one.
    pub local: Vec<Ipv4Addr>,
    /// Where SPIs and IVs come from.
    pub seed: u64,
    /// The time since 1970 when the run started, for the times that lifetimes tell.
    pub wall_start: Duration,
    /// How long a reserved SPI and an unanswered acquire live: Linux's `net.core.xfrm_acq_expires`.
    pub acquire_lifetime: Duration,
    /// How many packets wait for one SA; more are lost. Linux keeps 100.
    pub waiting_packets: usize,
    /// The ICV of HMAC-SHA-256. Linux's PF_KEY has the 96 bits of draft-ietf-ipsec-ciph-sha-256-00, which no Cisco takes;
    /// openiked does not offer the algorithm there for that reason.
    pub sha256_icv: IcvLength,
}

impl Settings {
    /// As Linux has them.
    pub fn new(local: Vec<Ipv4Addr>, seed: u64) -> Self {
        Self {
            local,
            seed,
            wall_start: Duration::ZERO,
            acquire_lifetime: Duration::from_secs(30),
            waiting_packets: 100,
            sha256_icv: IcvLength::Bits96,
        }
    }
}

/// What happens to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A client opened a socket.
    Opened(SocketId),
    /// A client closed a socket, or died.
    Closed(SocketId),
    /// A client sent a message.
    Message {
        /// Over which socket.
        socket: SocketId,
        /// The message, and nothing else.
        octets: &'a [u8],
    },
    /// The kernel routed a packet into the tunnel.
    Inner(&'a [u8]),
    /// ESP came as an IP protocol of its own.
    Esp {
        /// The sender.
        source: Ipv4Addr,
        /// The ESP packet, SPI first.
        octets: &'a [u8],
    },
    /// ESP came in UDP (RFC 3948).
    EspInUdp {
        /// Our address and port.
        local: SocketAddrV4,
        /// The sender's.
        remote: SocketAddrV4,
        /// The ESP packet, SPI first.
        octets: &'a [u8],
    },
    /// The instant of [`KeyEngine::next_timeout`](super::KeyEngine::next_timeout) has come. Harmless at any other time.
    Timeout,
}

/// What the engine does, in the order it does it.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Let a client receive this message.
    Message {
        /// On which socket.
        socket: SocketId,
        /// The message.
        octets: Vec<u8>,
    },
    /// Send this ESP packet as an IP protocol of its own.
    Esp {
        /// To whom.
        destination: Ipv4Addr,
        /// The ESP packet, SPI first.
        octets: Vec<u8>,
    },
    /// Send this ESP packet in UDP.
    EspInUdp {
        /// From our port.
        local: SocketAddrV4,
        /// To the peer's.
        remote: SocketAddrV4,
        /// The ESP packet, SPI first.
        octets: Vec<u8>,
    },
    /// Hand this packet to the kernel.
    Inner(Vec<u8>),
    /// Keys that open what crosses the wire.
    Keys(KeyRecord),
    /// Something happened that a log or a verdict wants to know.
    Event(KeyEvent),
    /// [`KeyEngine::policies`](super::KeyEngine::policies) are others now: routes into the tunnel depend on them.
    PoliciesChanged,
}
