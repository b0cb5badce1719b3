//! What happened in the engine.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::SocketId;
use crate::esp::{EspError, Flow, LifetimeKind, Mode, Selector, Severity, Spi};
use crate::pfkey::message::{Direction, Errno, MessageType, SaState};

/// An SA as others know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaSummary {
    /// Its SPI.
    pub spi: Spi,
    /// Source of the outer header.
    pub source: Ipv4Addr,
    /// Destination of the outer header.
    pub destination: Ipv4Addr,
    /// Tunnel or transport.
    pub mode: Mode,
    /// Which policies' packets it is for; 0 for those that name no SA.
    pub reqid: u32,
    /// Its state.
    pub state: SaState,
    /// Whether its packets come to us.
    pub inbound: bool,
    /// Packets that passed it.
    pub packets: u64,
    /// Their octets before encapsulation or after decapsulation.
    pub bytes: u64,
}

impl fmt::Display for SaSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} -> {} reqid {}", self.spi, self.source, self.destination, self.reqid)
    }
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyEvent {
    /// An SA was made, with keys.
    SaAdded(SaSummary),
    /// An SA got another lifetime or other ports.
    SaUpdated(SaSummary),
    /// An SA was deleted by a client.
    SaDeleted(SaSummary),
    /// An SA has reached a lifetime; at the hard one it is gone.
    SaExpired {
        /// The SA.
        sa: SaSummary,
        /// Which lifetime.
        severity: Severity,
        /// What it was measured in.
        kind: LifetimeKind,
    },
    /// A reserved SPI was not used in time.
    LarvalExpired(SaSummary),
    /// A policy was added or replaced.
    PolicyAdded {
        /// Its id.
        id: u32,
        /// Its direction.
        direction: Direction,
        /// Its packets.
        selector: Selector,
    },
    /// A policy was deleted.
    PolicyDeleted {
        /// Its id.
        id: u32,
    },
    /// A policy has reached its lifetime and is gone.
    PolicyExpired {
        /// Its id.
        id: u32,
    },
    /// An SA was asked for.
    Acquire {
        /// The policy whose packet needs it.
        policy: u32,
        /// Source of the outer header.
        source: Ipv4Addr,
        /// Destination of the outer header.
        destination: Ipv4Addr,
        /// The number of the acquire.
        sequence: u32,
    },
    /// Nobody made the SA that was asked for.
    AcquireFailed {
        /// The number of the acquire.
        sequence: u32,
        /// How many packets had waited for it and are lost.
        lost: usize,
    },
    /// The peer sends from another address or port than before.
    MappingChanged {
        /// The inbound SA.
        sa: SaSummary,
        /// Where the peer is now.
        remote: SocketAddrV4,
    },
    /// A client's message was refused.
    Refused {
        /// Whose.
        socket: SocketId,
        /// What it was, where that could be read.
        kind: Option<MessageType>,
        /// What the client is told.
        errno: Errno,
        /// Why.
        reason: String,
    },
    /// A packet was lost.
    Dropped(DropReason),
}

/// Why a packet was lost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DropReason {
    /// It is no IPv4 packet.
    #[error("a packet in the tunnel that is not IPv4")]
    NotIpv4,
    /// No outbound policy protects it; in clear it cannot leave through the tunnel.
    #[error("no policy protects {0}")]
    NoPolicy(Flow),
    /// A policy discards it.
    #[error("policy {policy} discards {flow}")]
    Discarded {
        /// Its id.
        policy: u32,
        /// The packet.
        flow: Flow,
    },
    /// It needs an SA, and no client is registered to make one.
    #[error("no SA for {0}, and nobody to ask for one")]
    NobodyToAsk(Flow),
    /// It needs an SA that was asked for and cannot be had.
    #[error("no SA for {0}, and none can be had")]
    AcquireFailed(Flow),
    /// Too many packets wait for the same SA.
    #[error("no SA yet for {0}, and too many packets wait for it")]
    TooManyWaiting(Flow),
    /// The SA does not take it.
    #[error("{flow}: {error}")]
    Outbound {
        /// The packet.
        flow: Flow,
        /// Why.
        error: EspError,
    },
    /// The SA does not take it, or there is none.
    #[error("ESP from {source_address}: {error}")]
    Inbound {
        /// Who sent it.
        source_address: Ipv4Addr,
        /// Why.
        error: EspError,
    },
    /// It came in UDP to an SA without NAT, or the other way round.
    #[error("ESP with the SPI {spi} came {} UDP, which its SA does not expect", if *.udp { "in" } else { "without" })]
    WrongEncapsulation {
        /// The SPI.
        spi: Spi,
        /// Whether it came in UDP.
        udp: bool,
    },
    /// The inbound policies do not let it come through this SA.
    #[error("no inbound policy lets {flow} come through the SA {spi}")]
    InboundPolicy {
        /// The packet.
        flow: Flow,
        /// The SPI.
        spi: Spi,
    },
}

impl fmt::Display for KeyEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SaAdded(sa) => write!(formatter, "SA added: {sa}"),
            Self::SaUpdated(sa) => write!(formatter, "SA updated: {sa}"),
            Self::SaDeleted(sa) => write!(formatter, "SA deleted: {sa}"),
            Self::SaExpired { sa, severity, kind } => {
                let end = match severity {
                    Severity::Soft => "soft",
                    Severity::Hard => "hard",
                };
                write!(formatter, "SA expired ({end} lifetime in {kind}): {sa}")
            }
            Self::LarvalExpired(sa) => write!(formatter, "larval SA expired: {sa}"),
            Self::PolicyAdded { id, direction, selector } => {
                write!(formatter, "policy {id} added: {direction} {selector}")
            }
            Self::PolicyDeleted { id } => write!(formatter, "policy {id} deleted"),
            Self::PolicyExpired { id } => write!(formatter, "policy {id} expired"),
            Self::Acquire { policy, source, destination, sequence } => {
                write!(formatter, "acquire {sequence}: {source} -> {destination} for policy {policy}")
            }
            Self::AcquireFailed { sequence, lost } => {
                write!(formatter, "acquire {sequence} failed, {lost} packets lost")
            }
            Self::MappingChanged { sa, remote } => write!(formatter, "the peer of {sa} is at {remote} now"),
            Self::Refused { kind, errno, reason, .. } => match kind {
                Some(kind) => write!(formatter, "{kind} refused ({errno}): {reason}"),
                None => write!(formatter, "message refused ({errno}): {reason}"),
            },
            Self::Dropped(reason) => write!(formatter, "dropped: {reason}"),
        }
    }
}
