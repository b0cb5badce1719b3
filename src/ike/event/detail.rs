//! What events say: datagrams, vendor IDs, keys, policies, proposals, pairs, notifies, and why something ended.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::wire::isakmp::{
    Attribute, AuthenticationMethod, ConfigType, ExchangeType, IdPayload, MessageId, NotifyType, OakleyCipher,
    OakleyHash, PayloadType, ProtocolId,
};

/// A datagram that carries an ISAKMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datagram {
    /// The exchange its header names.
    pub exchange: ExchangeType,
    /// Zero in phase 1.
    pub message_id: MessageId,
    /// Whether its body is encrypted.
    pub encrypted: bool,
    /// Octets of the ISAKMP message.
    pub length: u32,
}

/// Why a message is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetransmitCause {
    /// The answer did not come in time.
    Timer,
    /// The peer sent its message again.
    Duplicate,
    /// A message came that cannot be used.
    Malformed,
}

/// Why a datagram was dropped before any SA was changed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// It is no ISAKMP message, or its payload chain does not fit; the text says where.
    Malformed(String),
    /// It belongs to no SA and offers none.
    NoSa,
    /// Its body should be encrypted.
    NotEncrypted,
    /// Quick mode before phase 1 is complete.
    NotAuthenticated,
    /// Quick mode before XAUTH or mode config is complete.
    ConfigPending,
    /// An exchange we do not speak.
    UnsupportedExchange(ExchangeType),
    /// A version we do not speak.
    UnsupportedVersion(u8),
    /// Aggressive mode, and it is switched off.
    AggressiveDisabled,
    /// No part of the configuration answers this peer or on this address.
    NotConfigured,
    /// As many half-open SAs exist as may.
    TooManyHalfOpen,
    /// An unprotected notify or delete where a protected one is needed.
    Unprotected,
}

/// What is wrong with a message after decryption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Malformation {
    /// The reserved octet of this payload is not zero: the classic sign of a wrong key.
    ReservedNotZero(PayloadType),
    /// The payload chain does not fit; the text says where.
    Chain(String),
    /// A payload that must be there is not.
    Missing(PayloadType),
    /// A payload holds a value that cannot be; the text says which.
    BadValue(String),
    /// The encrypted part is no multiple of the block length.
    BadPadding,
}

/// What a vendor id announces, as far as the engine understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VendorMeaning {
    /// Nothing we act on.
    Unknown,
    /// Dead peer detection (RFC 3706).
    DeadPeerDetection,
    /// XAUTH.
    Xauth,
    /// Unity: mode config with Cisco's attributes.
    Unity,
    /// NAT traversal of RFC 3947.
    NatTraversalRfc,
    /// NAT traversal of this draft (7, 3, 2, 1, 0).
    NatTraversalDraft(u8),
    /// IKE fragmentation.
    Fragmentation,
    /// The peer is of our own make.
    OwnMake,
}

/// What a key is looked up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMoment {
    /// To begin an exchange.
    Initiation,
    /// To judge a proposal.
    Proposal,
    /// To derive SKEYID.
    Derivation,
    /// Again, with the identity known.
    Identity,
}

/// By what a key is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyName {
    /// The address the packets come from.
    Address(Ipv4Addr),
    /// A name in the ID payload.
    Identity(String),
}

/// What came of comparing one transform with one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyOutcome {
    /// Taken.
    Accepted {
        /// Our policy's lifetime, seconds.
        own_lifetime: u32,
        /// The lifetime offered, seconds, if any was.
        offered_lifetime: Option<u32>,
        /// The lifetime that holds, seconds.
        lifetime: u32,
    },
    /// Refused for this attribute, the first that differs.
    Refused(PolicyMismatch),
}

/// The first attribute of a phase 1 transform that differs from a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyMismatch {
    /// The cipher.
    Encryption {
        /// What the peer offers, if anything.
        offered: Option<OakleyCipher>,
        /// What our policy wants.
        configured: OakleyCipher,
    },
    /// The cipher's key length in bits.
    KeyLength {
        /// What the peer offers, if anything.
        offered: Option<u16>,
        /// What our policy wants.
        configured: u16,
    },
    /// The hash.
    Hash {
        /// What the peer offers, if anything.
        offered: Option<OakleyHash>,
        /// What our policy wants.
        configured: OakleyHash,
    },
    /// The Diffie-Hellman group.
    Group {
        /// What the peer offers, if anything.
        offered: Option<u16>,
        /// What our policy wants.
        configured: u16,
    },
    /// The authentication method.
    Authentication {
        /// What the peer offers, if anything.
        offered: Option<AuthenticationMethod>,
        /// What our policy wants.
        configured: AuthenticationMethod,
    },
    /// The method needs a pre-shared key, and there is none for this peer.
    NoPreSharedKey,
}

/// Why we cannot begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitiationFailure {
    /// There is no key for the peer.
    NoPreSharedKey,
    /// There is no policy to offer.
    NoPolicy,
}

/// A phase 2 transform as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedTransform {
    /// AH, ESP or IPComp.
    pub protocol: ProtocolId,
    /// Transform number.
    pub number: u8,
    /// Transform id, an `EspTransform` or `AhTransform`.
    pub id: u8,
    /// Its attributes in the order they stand.
    pub attributes: Vec<Attribute>,
}

/// What the policy says to a phase 2 proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuickVerdict {
    /// Taken, for the policy of this name.
    Accepted {
        /// The policy's own name for itself, such as a map's name and sequence number.
        policy: String,
    },
    /// Refused.
    Refused(QuickRefusal),
}

/// Why a phase 2 proposal was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuickRefusal {
    /// No policy covers these proxy identities for this peer.
    ProxyIdentities,
    /// The policy that covers them does not allow these transforms.
    Transform,
    /// The encapsulation mode is not the policy's.
    Encapsulation,
    /// The policy demands perfect forward secrecy in another group than offered, or none was offered.
    Pfs {
        /// The group offered, if any.
        offered: Option<u16>,
        /// The group demanded.
        configured: u16,
    },
    /// Nothing is protected on the address the message came to.
    NoPolicy,
}

/// A pair of phase 2 SAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPair {
    /// The exchange it came from.
    pub message_id: MessageId,
    /// Counts the pairs of one engine from 1.
    pub pair: u32,
    /// Whether we began the quick mode.
    pub initiator: bool,
    /// Our inbound SPI.
    pub inbound_spi: u32,
    /// The peer's SPI.
    pub outbound_spi: u32,
    /// What was agreed, one per protocol.
    pub transforms: Vec<OfferedTransform>,
    /// What lies behind us.
    pub local_proxy: IdPayload,
    /// What lies behind the peer.
    pub remote_proxy: IdPayload,
    /// Lifetime in seconds; 0 for none.
    pub seconds: u32,
    /// Lifetime in kilobytes; 0 for none.
    pub kilobytes: u32,
    /// The group of perfect forward secrecy.
    pub pfs: Option<u16>,
    /// The policy's own name for itself.
    pub policy: String,
    /// The interface it is on, as the policy names it.
    pub interface: String,
}

/// A notify that comes or goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// The exchange that carries it; zero in phase 1.
    pub message_id: MessageId,
    /// What it says.
    pub kind: NotifyType,
    /// What it is about.
    pub protocol: ProtocolId,
    /// The SPI as it stands.
    #[serde(with = "hex::serde")]
    pub spi: Vec<u8>,
    /// Its data as they stand.
    #[serde(with = "hex::serde")]
    pub data: Vec<u8>,
    /// The quick mode it ends, if it does.
    pub about: Option<MessageId>,
}

/// A delete that comes or goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// The informational exchange.
    pub message_id: MessageId,
    /// ISAKMP, AH or ESP.
    pub protocol: ProtocolId,
    /// The sender's inbound SPIs; empty for ISAKMP.
    pub spis: Vec<u32>,
}

/// A message of a transaction exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigMessage {
    /// The exchange.
    pub message_id: MessageId,
    /// Request, reply, set or acknowledgement.
    pub kind: ConfigType,
    /// Joins an answer to its question.
    pub identifier: u16,
    /// The attributes; passwords are emptied.
    pub attributes: Vec<Attribute>,
}

/// Why a phase 2 exchange is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeEnd {
    /// Quick mode is complete as initiator.
    Done,
    /// Quick mode is complete as responder.
    DoneAwaited,
    /// The proposal was refused by us.
    Rejected,
    /// The peer refused our proposal.
    Refused,
    /// An informational exchange was processed.
    Informational,
    /// An exchange of XAUTH or mode config is complete.
    Config,
    /// Too many retransmissions.
    Timeout,
    /// The phase 1 SA went.
    SaGone,
    /// Processing failed.
    Error,
}

/// Why a phase 1 SA was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SaEnd {
    /// The peer sent a delete for it.
    DeletedByPeer,
    /// An operator cleared it.
    Cleared,
    /// The peer did not answer.
    RetransmissionsExhausted,
    /// The peer did not answer R-U-THERE.
    PeerDead,
    /// None of the peer's transforms is acceptable.
    PolicyNotAccepted,
    /// Authentication failed.
    AuthenticationFailed,
    /// XAUTH failed.
    XauthFailed,
    /// Its lifetime is over.
    Expired,
    /// A newer SA took its place.
    Replaced,
    /// The peer's INITIAL-CONTACT.
    InitialContact,
    /// It could not begin.
    InitiationFailed,
    /// The configuration it rests on went.
    ConfigurationChanged,
}

/// Why a pair of phase 2 SAs went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairEnd {
    /// The peer sent a delete for it.
    DeletedByPeer,
    /// An operator cleared it.
    Cleared,
    /// Its lifetime is over.
    Expired,
    /// A newer pair took its place.
    Replaced,
    /// The peer is dead.
    PeerDead,
    /// The peer's INITIAL-CONTACT.
    InitialContact,
    /// The configuration it rests on went.
    ConfigurationChanged,
    /// The third message of quick mode never came.
    Unconfirmed,
}

/// Why an SA let go of the peer's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnlockCause {
    /// The SA was marked deleted.
    SaDeleted,
    /// The SA could not begin.
    InitiationFailed,
}
