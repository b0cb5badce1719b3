//! What goes into an engine and what comes out of it.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use super::event::{Event, PairEnd};
use super::sa::{EspSuite, IsakmpSaId, QuickRequest, RequestId, SaPair, UdpEncapsulation};
use crate::crypto::{Cipher, Hash, IcvLength, SaKeys, Secret};
use crate::wire::Spi;

/// What happens to an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A datagram came on port 500 or 4500.
    Datagram {
        /// Our address and port.
        local: SocketAddrV4,
        /// The sender's.
        remote: SocketAddrV4,
        /// The ISAKMP message, without the non-ESP marker of port 4500.
        octets: Vec<u8>,
    },
    /// The instant of [`super::Engine::next_timeout`] has come. Harmless at any other time.
    Timeout,
    /// A pair of IPsec SAs is wanted. Phase 1 is begun when there is none with that peer.
    RequestSa(QuickRequest),
    /// A pair is to go, and the peer to be told.
    DeletePair {
        /// Its inbound SPI.
        inbound: Spi,
    },
    /// SAs are to go, and their peers to be told.
    Clear {
        /// Only those with this peer; all without it.
        peer: Option<Ipv4Addr>,
        /// Whether ISAKMP SAs go.
        isakmp: bool,
        /// Whether IPsec SAs go.
        ipsec: bool,
    },
    /// A pair has carried as much as it should before it is renewed, or as much as it may.
    VolumeReached {
        /// Its inbound SPI.
        inbound: Spi,
        /// Whether it must not be used any more.
        hard: bool,
    },
    /// Protected traffic went to or came from a peer; dead peer detection wants to know.
    Traffic {
        /// The peer.
        peer: Ipv4Addr,
        /// Whether it came from the peer.
        inbound: bool,
    },
    /// ESP came with an SPI nobody knows; the peer is told when an ISAKMP SA with it exists.
    UnknownSpi {
        /// Our address.
        local: Ipv4Addr,
        /// The sender.
        peer: Ipv4Addr,
        /// The SPI.
        spi: Spi,
    },
    /// UDP-encapsulated ESP with a valid ICV came from another port or address than before (RFC 3948).
    Moved {
        /// The inbound SPI it came on.
        inbound: Spi,
        /// Where it came from.
        remote: SocketAddrV4,
    },
}

/// What an engine wants done. The order is the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this message; on port 4500 behind the non-ESP marker ([`crate::wire::natt::with_marker`]).
    Datagram {
        /// From our address and port.
        local: SocketAddrV4,
        /// To the peer's.
        remote: SocketAddrV4,
        /// The ISAKMP message.
        octets: Vec<u8>,
    },
    /// Send one octet ff (RFC 3948 2.3).
    Keepalive {
        /// From our address and port.
        local: SocketAddrV4,
        /// To the peer's.
        remote: SocketAddrV4,
    },
    /// Install this pair. Its inbound half is needed at once, its outbound half from [`Output::EnableOutbound`] on.
    Install(Box<SaPair>),
    /// The outbound half of a pair may be used, and is to be preferred to that of the pair it renews.
    EnableOutbound {
        /// The pair's inbound SPI.
        inbound: Spi,
        /// Its outbound SPI.
        outbound: Spi,
    },
    /// Remove a pair.
    Remove {
        /// Its inbound SPI.
        inbound: Spi,
        /// Its outbound SPI.
        outbound: Spi,
        /// Why.
        reason: PairEnd,
    },
    /// The UDP encapsulation of a pair goes between other ports.
    Rebind {
        /// Its inbound SPI.
        inbound: Spi,
        /// The new ports.
        udp: UdpEncapsulation,
    },
    /// A request came to nothing.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        reason: RequestFailure,
    },
    /// Keys that decrypt what crosses the wire.
    Keys(KeyRecord),
    /// Something happened that somebody may want to read.
    Event(Event),
}

/// Why a request came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum RequestFailure {
    /// There is no key for the peer.
    #[error("no pre-shared key for the peer")]
    NoPreSharedKey,
    /// There is no policy to offer.
    #[error("no ISAKMP policy for the peer")]
    NoPolicy,
    /// Phase 1 got no answer.
    #[error("phase 1 got no answer")]
    Phase1Timeout,
    /// The peer refused phase 1.
    #[error("the peer refused phase 1")]
    Phase1Refused,
    /// The peer could not be authenticated.
    #[error("phase 1 authentication failed")]
    Phase1Authentication,
    /// Quick mode got no answer.
    #[error("quick mode got no answer")]
    Phase2Timeout,
    /// The peer refused the offer with this notify.
    #[error("the peer refused quick mode with notify {0}")]
    Phase2Refused(u16),
    /// The peer's answer to quick mode is not one to the offer.
    #[error("the peer's answer to quick mode does not fit the offer")]
    Phase2BadAnswer,
    /// The ISAKMP SA went before quick mode was done.
    #[error("the ISAKMP SA went")]
    SaGone,
    /// Too many requests wait for one peer.
    #[error("too many requests")]
    TooMany,
}

/// Keys that decrypt what crosses the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyRecord {
    /// Of an ISAKMP SA.
    Isakmp {
        /// Its cookies.
        id: IsakmpSaId,
        /// Our address and port when it was made.
        local: SocketAddrV4,
        /// The peer's.
        remote: SocketAddrV4,
        /// The encryption.
        cipher: Cipher,
        /// The hash, which makes the IVs of phase 2.
        hash: Hash,
        /// The encryption key.
        key: Secret,
        /// The IV of the first encrypted message.
        #[serde(with = "hex::serde")]
        iv: Vec<u8>,
    },
    /// Of one ESP SA.
    Esp {
        /// Who sends.
        source: Ipv4Addr,
        /// Who receives.
        destination: Ipv4Addr,
        /// The SPI.
        spi: Spi,
        /// The algorithms.
        suite: EspSuite,
        /// To what length the HMAC is cut.
        #[serde(default, skip_serializing_if = "IcvLength::is_standard")]
        icv_length: IcvLength,
        /// The keys.
        keys: SaKeys,
    },
}
