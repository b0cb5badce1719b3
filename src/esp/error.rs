//! Why an SA cannot be made, and why a packet does not pass one.

use serde::{Deserialize, Serialize};

use super::{Flow, LifetimeKind, Selector, Spi};
use crate::crypto::{Cipher, CipherError, Hash};

/// Why an SA cannot be made of its parameters. Lengths are in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaError {
    /// The encryption key, GCM's salt included, is not of the cipher's length.
    #[error("{cipher} takes {expected} octets of key{}, found {found}", if cipher.is_aead() { " and salt" } else { "" })]
    EncryptionKey {
        /// The cipher.
        cipher: Cipher,
        /// What it takes.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// The integrity key is not as long as the hash's output (RFC 2403, 2404, 4868); none at all where there is no hash.
    #[error("an integrity key of {expected} octets was expected, found {found}")]
    IntegrityKey {
        /// The hash, if there is one.
        integrity: Option<Hash>,
        /// What it takes.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// AES-GCM authenticates by itself.
    #[error("{cipher} takes no integrity algorithm beside it, found {integrity}")]
    TwoIntegrities {
        /// The cipher.
        cipher: Cipher,
        /// The hash beside it.
        integrity: Hash,
    },
    /// The SPI is one of the reserved ones (RFC 4303 2.1).
    #[error("SPI {0} is reserved: 0x100 is the first that may be used")]
    ReservedSpi(Spi),
    /// Another inbound SA has the SPI.
    #[error("SPI {0} is in use")]
    SpiInUse(Spi),
    /// The cipher refused its key.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

/// Why a packet did not pass an SA. Lengths are in octets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum EspError {
    /// No inbound SA has the SPI.
    #[error("no SA has the SPI {0}")]
    UnknownSpi(Spi),
    /// The packet cannot hold header, IV, trailer and ICV.
    #[error("the packet has {found} octets where {expected} or more were expected")]
    TooShort {
        /// The least length of a packet of this transform.
        expected: usize,
        /// What was found.
        found: usize,
    },
    /// What is encrypted is no whole number of blocks.
    #[error("{found} encrypted octets are no multiple of {block}")]
    NotWholeBlocks {
        /// The block of the cipher.
        block: usize,
        /// What was found.
        found: usize,
    },
    /// The sequence number was seen already, or lies left of the window.
    #[error("sequence number {sequence} was seen before or lies left of the window, whose right edge is {newest}")]
    Replay {
        /// The sequence number of the packet.
        sequence: u32,
        /// The highest one that was authenticated.
        newest: u32,
    },
    /// The ICV does not match: another key, another algorithm, or a changed packet.
    #[error("the integrity check value of the packet with sequence number {sequence} does not match")]
    IntegrityFailed {
        /// The sequence number of the packet.
        sequence: u32,
    },
    /// The padding is longer than the packet, or is not 1, 2, 3, ...; without integrity mostly a sign of a wrong key.
    #[error("the padding is invalid: length {length} in {available} octets")]
    PaddingInvalid {
        /// What the pad length field says.
        length: u8,
        /// Octets before that field.
        available: usize,
    },
    /// The packet carries something else than the SA's mode has in it: 4 is IPv4, 59 a dummy packet (RFC 4303 2.6).
    #[error("next header {found} where {expected} was expected")]
    WrongNextHeader {
        /// What the mode has in it.
        expected: u8,
        /// What the packet says.
        found: u8,
    },
    /// The inner packet is no IPv4 packet, or is longer than what is there.
    #[error("the inner packet is malformed: {0}")]
    InnerMalformed(String),
    /// The inner packet is none of those that were negotiated (RFC 4301 5.2).
    #[error("the packet {flow} is outside of the selectors {selector}")]
    SelectorMismatch {
        /// The packet.
        flow: Flow,
        /// What was negotiated, in the direction of the packet.
        selector: Selector,
    },
    /// 2^32 - 1 packets were sent (RFC 4303 3.3.3).
    #[error("the sequence numbers are used up")]
    SequenceExhausted,
    /// The SA has reached its hard lifetime.
    #[error("the SA has reached its hard lifetime in {0}")]
    HardLifetime(LifetimeKind),
    /// With its headers the packet would be longer than IPv4 can say.
    #[error("the encapsulated packet would have {0} octets, more than 65535")]
    TooLong(usize),
    /// There is no such SA, or no more.
    #[error("the SA does not exist")]
    NoSuchSa,
}
