//! What the IKE engine tells of its work, in protocol words.
//!
//! The engine emits these in the order things happen; logs, transcripts and verdicts are made from them alone. No event
//! holds a key. The order within one exchange is part of the contract, because a log is rendered line by line from it:
//!
//! | moment | events |
//! | --- | --- |
//! | any datagram | [`EventKind::DatagramReceived`], carrying the SA as it stood *before* processing |
//! | first message, responder | `PeerCreated`, `PeerLocked`, `SaCreated`, `StateChanged(MessageReceived, Ready -> ResponderMain(1))` |
//! | SA payload | `PayloadProcessed(SA)`, `VendorId`..., `KeyLookup(Proposal)`, `PolicyCompared`..., `NoPolicyAccepted`? |
//! | reply made | `StateChanged(Processed, n -> n)`, `VendorIdSent`..., `DatagramSent`, `StateChanged(Completed, n -> n + 1)` |
//! | KE and nonce | `PayloadProcessed(KE)`, `PayloadProcessed(NONCE)`, `KeyLookup(Derivation)`, `KeysDerived`, `VendorId`..., `NatDiscovery`... |
//! | ID and HASH | `PayloadProcessed(ID)`, `IdReceived`, `ProfileSelected`, `PayloadProcessed(HASH)`, `HashVerified`, notifies, `Authenticated`, `PeerInserted` |
//! | message 6, initiator | as above, and only then `StateChanged(MessageReceived, InitiatorMain(5) -> InitiatorMain(6))` |
//! | own ID sent | `IdSent`, `DatagramSent`, `StateChanged(Completed, .. -> Complete)`, `StateChanged(Phase1Completed, Complete -> Complete)` |
//! | initiator starts | `SaRequested`, `PeerCreated`, `PeerLocked`, `NodeCreated(0)`, `SaCreated`, `KeyLookup(Initiation)`, `VendorIdSent`..., `StateChanged(SaRequested, ..)`, `ExchangeStarted`, `DatagramSent` |
//! | quick mode, responder | `NodeCreated`, `PayloadProcessed(HASH)`, `PayloadProcessed(SA)`, `QuickTransformChecked`..., `QuickJudged`, the other `PayloadProcessed`, `SpiAllocated`, `QuickStateChanged(MessageReceived)`, `QuickStateChanged(SpiObtained)`, `SaInstalled`, `DatagramSent`, `QuickStateChanged(Installed)`; on the third message `NodeDeleted`, `QuickStateChanged(MessageReceived)`, `OutboundEnabled` |
//! | quick mode, initiator | `QuickStarted`, `SpiAllocated`, `DatagramSent`, `QuickStateChanged(Initiated)`; on the second message the checks as above, `QuickStateChanged(MessageReceived)`, `SaInstalled`, `DatagramSent`, `NodeDeleted`, `QuickStateChanged(Installed)`, `OutboundEnabled` |
//! | quick mode refused | `QuickJudged(Refused)`..., `NoProposalAccepted`, `NodeCreated`, `NotifySent`, `DatagramSent`, `NodePurged`, `NodeDeleted`, `QuickStateChanged(MessageReceived, Ready -> Ready)` |

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wire::isakmp::{
    Attribute, AuthenticationMethod, ConfigType, Cookie, ExchangeType, IdPayload, MessageId, NotifyType, OakleyCipher,
    OakleyHash, PayloadType, ProtocolId,
};

/// One thing that happened, and to which SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Our address and port.
    pub local: SocketAddrV4,
    /// The peer's address and port, as we see them.
    pub remote: SocketAddrV4,
    /// The phase 1 SA it happened to; `None` before one exists and for datagrams that belong to none.
    pub sa: Option<SaRef>,
    /// What happened.
    pub kind: EventKind,
}

/// A phase 1 SA as it stood when an event happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SaRef {
    /// Counts the SAs of one engine from 1; never used twice.
    pub serial: u64,
    /// The connection id: 0 until keys exist, then unique among the engine's SAs.
    pub connection: u32,
    /// CKY-I.
    pub initiator_cookie: Cookie,
    /// CKY-R; zero until the responder has answered.
    pub responder_cookie: Cookie,
    /// Our side of the exchange.
    pub role: Role,
    /// How far the SA is.
    pub progress: Progress,
}

impl SaRef {
    /// The peer's cookie.
    pub fn peer_cookie(&self) -> Cookie {
        match self.role {
            Role::Initiator => self.responder_cookie,
            Role::Responder => self.initiator_cookie,
        }
    }
}

/// Who began the phase 1 exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// We did.
    Initiator,
    /// The peer did.
    Responder,
}

/// How far a phase 1 SA is, in the coarse steps that operators look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// Main mode; nothing agreed.
    MainNoState,
    /// Main mode; the policy is agreed, no keys yet.
    MainSaSetup,
    /// Main mode; Diffie-Hellman is done, nobody is authenticated.
    MainKeyExchange,
    /// Main mode; authenticated.
    MainKeyAuth,
    /// Aggressive mode; nothing agreed.
    AggressiveNoState,
    /// Aggressive mode; the first message is out or in.
    AggressiveInit,
    /// Aggressive mode; authenticated.
    AggressiveAuth,
    /// XAUTH runs.
    Xauth,
    /// Mode config runs.
    ModeConfig,
    /// Phase 1 is complete.
    QuickIdle,
}

/// A state of the phase 1 machine. The number is the message that was received or made last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase1State {
    /// Just created.
    Ready,
    /// Main mode as initiator, after message 1 to 6.
    InitiatorMain(u8),
    /// Main mode as responder, after message 1 to 5.
    ResponderMain(u8),
    /// Aggressive mode as initiator, after message 1 to 3.
    InitiatorAggressive(u8),
    /// Aggressive mode as responder, after message 1 to 3.
    ResponderAggressive(u8),
    /// XAUTH: the request is being prepared.
    XauthStarting,
    /// XAUTH: the request is out.
    XauthRequestSent,
    /// XAUTH: the answer is being checked.
    XauthChecking,
    /// XAUTH: the result is out.
    XauthSetSent,
    /// Mode config: what to answer is being looked up.
    ConfigPreparing,
    /// Phase 1 is complete.
    Complete,
    /// To be deleted.
    Deleted,
}

/// What made the phase 1 machine move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase1Input {
    /// A message of this exchange came from the peer. Informational exchanges say what they bring in `InformationalIn`.
    MessageReceived(ExchangeType),
    /// A notify came from the peer.
    NotifyIn,
    /// A delete came from the peer.
    DeleteIn,
    /// A mode-config request, reply, set or acknowledgement came from the peer.
    ConfigIn(ConfigType),
    /// The payloads of a message have been processed.
    Processed,
    /// The answer to a message is made, or the exchange is complete.
    Completed,
    /// Processing a message failed.
    Failed,
    /// Phase 1 is complete.
    Phase1Completed,
    /// Phase 1 is being deleted.
    Phase1Deleted,
    /// Somebody wants an SA, in this exchange (main or aggressive).
    SaRequested(ExchangeType),
    /// The login can start.
    LoginStarted,
    /// The login has been judged.
    LoginJudged,
    /// The liveness timer fired.
    LivenessTimer,
}

/// A state of a quick mode exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuickState {
    /// Just created, or refused.
    Ready,
    /// Responder: message 1 is accepted, an SPI is wanted.
    AwaitingSpi,
    /// The SAs are being installed.
    AwaitingInstall,
    /// Initiator: message 1 is out.
    FirstSent,
    /// Responder: message 2 is out.
    SecondSent,
    /// Complete.
    Complete,
}

/// What made a quick mode exchange move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuickInput {
    /// A message of it came from the peer.
    MessageReceived,
    /// We began it.
    Initiated,
    /// The SPI is there.
    SpiObtained,
    /// The SAs are installed.
    Installed,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A datagram came.
    DatagramReceived(Datagram),
    /// A datagram goes out for the first time.
    DatagramSent(Datagram),
    /// A message is sent again.
    Retransmitted {
        /// Phase 1, or the quick mode it belongs to.
        exchange: ExchangeType,
        /// Zero in phase 1.
        message_id: MessageId,
        /// Counts from 1.
        attempt: u32,
        /// How many attempts there will be.
        of: u32,
        /// Why it is sent again.
        cause: RetransmitCause,
    },
    /// The peer sent a message again that was already processed.
    DuplicateReceived {
        /// The exchange it belongs to.
        exchange: ExchangeType,
        /// Zero in phase 1.
        message_id: MessageId,
        /// Time since we sent our answer last.
        since_answer: Duration,
        /// Whether our answer is sent again; `false` when it is too soon.
        answered: bool,
    },
    /// A datagram was dropped before any SA was changed by it.
    DatagramRefused(Refusal),
    /// A message of a known SA could not be used after decryption.
    MalformedMessage {
        /// The exchange it belongs to.
        exchange: ExchangeType,
        /// Zero in phase 1.
        message_id: MessageId,
        /// What is wrong.
        why: Malformation,
    },
    /// A well-formed message came that the state does not wait for.
    UnexpectedMessage {
        /// What the state waits for: `MM3 (KE, NONCE)`.
        expected: String,
        /// What came: `MM1 (SA, VID)`.
        found: String,
    },

    /// There was no record of this peer, now there is.
    PeerCreated {
        /// Counts the peers of one engine from 1.
        peer: u64,
    },
    /// An SA holds the peer's record.
    PeerLocked {
        /// The peer's number.
        peer: u64,
        /// How many SAs hold it now.
        holders: u32,
    },
    /// An SA let go of the peer's record.
    PeerUnlocked {
        /// The peer's number.
        peer: u64,
        /// How many SAs hold it now; with 0 the record goes.
        holders: u32,
        /// Why.
        cause: UnlockCause,
    },
    /// Somebody wants protection and we shall begin.
    SaRequested {
        /// The profile that says how; `None` for the default.
        profile: Option<String>,
    },
    /// A phase 1 SA was created.
    SaCreated {
        /// Whether there already is one with the same endpoints.
        duplicate: bool,
    },
    /// We begin this phase 1 exchange.
    ExchangeStarted(ExchangeType),
    /// We cannot begin.
    InitiationFailed(InitiationFailure),
    /// The phase 1 machine moved, perhaps to the state it was in.
    StateChanged {
        /// What moved it.
        input: Phase1Input,
        /// Where it was.
        from: Phase1State,
        /// Where it is.
        to: Phase1State,
    },

    /// A payload is about to be processed.
    PayloadProcessed {
        /// Which.
        payload: PayloadType,
        /// Zero in phase 1.
        message_id: MessageId,
    },
    /// A vendor id came.
    VendorId {
        /// The message of the exchange it came in, from 1.
        message: u8,
        /// The vendor id.
        #[serde(with = "hex::serde")]
        octets: Vec<u8>,
        /// Up to eight octets of the message that stand behind it.
        #[serde(with = "hex::serde")]
        behind: Vec<u8>,
        /// What the engine makes of it.
        meaning: VendorMeaning,
    },
    /// A vendor id was put in the message being made.
    VendorIdSent {
        /// The vendor id.
        #[serde(with = "hex::serde")]
        octets: Vec<u8>,
        /// What it announces.
        meaning: VendorMeaning,
    },
    /// The pre-shared key of the peer was looked up.
    KeyLookup {
        /// What for.
        moment: KeyMoment,
        /// By what it was looked up.
        by: KeyName,
        /// The keyring it was found in; `Some("")` for the unnamed one, `None` when there is no key.
        found_in: Option<String>,
    },
    /// A phase 1 transform was compared with one policy of ours.
    PolicyCompared {
        /// Transform number as offered.
        transform: u8,
        /// Priority of our policy.
        priority: u32,
        /// The transform's attributes as offered.
        attributes: Vec<Attribute>,
        /// Whether more transforms stand behind it.
        more: bool,
        /// What came of it.
        outcome: PolicyOutcome,
    },
    /// None of the transforms offered is acceptable.
    NoPolicyAccepted,
    /// The responder chose what we did not offer.
    ChoiceNotOffered {
        /// The attribute that differs, by its name.
        attribute: String,
    },
    /// SKEYID and the keys made of it exist; the SA has a connection id from here on.
    KeysDerived,
    /// A NAT-D payload was compared with our hashes.
    NatDiscovery {
        /// Under which number it came.
        payload: PayloadType,
        /// Whether one of the NAT-D payloads so far is the hash of our own address and port.
        local_matched: bool,
        /// Whether one of the NAT-D payloads so far is the hash of the peer's address and port.
        remote_matched: bool,
    },
    /// The exchange goes on between other ports; the event's `remote` already holds the new one.
    PortFloated {
        /// The peer's address and port before.
        before: SocketAddrV4,
    },
    /// The peer's identity came.
    IdReceived {
        /// The payload.
        id: IdPayload,
        /// Type of the payload behind it.
        next_payload: PayloadType,
    },
    /// The peer has proved the key, but the owner does not let it be who it says it is.
    IdentityRefused {
        /// Who it says it is.
        id: IdPayload,
    },
    /// Our identity goes out.
    IdSent {
        /// The payload.
        id: IdPayload,
        /// Type of the payload behind it.
        next_payload: PayloadType,
        /// How we authenticate.
        method: AuthenticationMethod,
    },
    /// The peer's identity was held against the profiles.
    ProfileSelected {
        /// The one that matched; `None` when none did.
        profile: Option<String>,
    },
    /// The peer's HASH is right.
    HashVerified {
        /// Zero in phase 1.
        message_id: MessageId,
    },
    /// The peer's HASH is wrong.
    HashMismatch {
        /// Zero in phase 1.
        message_id: MessageId,
        /// The authentication method of the SA.
        method: AuthenticationMethod,
    },
    /// The peer is authenticated.
    Authenticated,
    /// The peer's address and port are entered as a live peer.
    PeerInserted {
        /// The peer's number.
        peer: u64,
    },
    /// We say that we hold no other SA with the peer.
    InitialContactSent,
    /// The peer says that it holds no other SA with us; what we held is deleted.
    InitialContactProcessed {
        /// How many phase 1 SAs went.
        phase1: u32,
        /// How many phase 2 SA pairs went.
        phase2: u32,
    },
    /// A RESPONDER-LIFETIME was obeyed.
    LifetimeChanged {
        /// ISAKMP, AH or ESP.
        protocol: ProtocolId,
        /// The new lifetime in seconds, when it said one.
        seconds: Option<u32>,
        /// The new lifetime in kilobytes, when it said one.
        kilobytes: Option<u32>,
    },

    /// A phase 2 exchange (quick, informational, transaction) came to be.
    NodeCreated {
        /// Its message id; zero for a quick mode that waits for phase 1.
        message_id: MessageId,
        /// Which exchange.
        exchange: ExchangeType,
    },
    /// A phase 2 exchange is over; it is still remembered for duplicates.
    NodeDeleted {
        /// Its message id.
        message_id: MessageId,
        /// Why.
        reason: NodeEnd,
    },
    /// A phase 2 exchange is forgotten.
    NodePurged {
        /// Its message id.
        message_id: MessageId,
    },
    /// We begin a quick mode.
    QuickStarted {
        /// Its message id.
        message_id: MessageId,
        /// Whether phase 1 was already up, so that it starts at once.
        on_existing: bool,
    },
    /// The form of one offered phase 2 transform was looked at.
    QuickTransformChecked {
        /// The exchange.
        message_id: MessageId,
        /// Number of the proposal it stands in.
        proposal: u8,
        /// The transform as offered.
        transform: OfferedTransform,
        /// Whether its attributes can be used at all; the policy comes later.
        acceptable: bool,
    },
    /// A phase 2 proposal was put to the policy.
    QuickJudged {
        /// The exchange.
        message_id: MessageId,
        /// Proposal number.
        proposal: u8,
        /// Its transforms, one per protocol.
        transforms: Vec<OfferedTransform>,
        /// What lies behind us: the responder's IDcr, or our own IDci.
        local_proxy: IdPayload,
        /// What lies behind the peer.
        remote_proxy: IdPayload,
        /// What the policy said.
        verdict: QuickVerdict,
    },
    /// None of the phase 2 proposals was accepted.
    NoProposalAccepted {
        /// The exchange.
        message_id: MessageId,
    },
    /// Our inbound SPI was drawn.
    SpiAllocated {
        /// The exchange it is for.
        message_id: MessageId,
        /// AH or ESP.
        protocol: ProtocolId,
        /// The SPI.
        spi: u32,
    },
    /// A quick mode moved, perhaps to the state it was in.
    QuickStateChanged {
        /// The exchange.
        message_id: MessageId,
        /// What moved it.
        input: QuickInput,
        /// Where it was.
        from: QuickState,
        /// Where it is.
        to: QuickState,
    },
    /// A pair of phase 2 SAs is installed.
    SaInstalled(InstalledPair),
    /// The outbound SA of a pair may be used from now on.
    OutboundEnabled {
        /// The pair's number.
        pair: u32,
        /// Its outbound SPI.
        spi: u32,
    },
    /// A pair of phase 2 SAs is gone.
    PairRemoved {
        /// The pair's number.
        pair: u32,
        /// AH or ESP.
        protocol: ProtocolId,
        /// Our inbound SPI.
        inbound_spi: u32,
        /// The peer's SPI.
        outbound_spi: u32,
        /// Why.
        reason: PairEnd,
    },

    /// A notify came.
    NotifyReceived {
        /// The notify.
        notify: Notify,
        /// Whether a HASH covers it.
        authenticated: bool,
    },
    /// A notify goes out.
    NotifySent(Notify),
    /// A delete came.
    DeleteReceived(Deletion),
    /// A delete goes out.
    DeleteSent(Deletion),
    /// A delete should go out, but there is no phase 1 SA to protect it.
    DeleteNotSent {
        /// Our inbound SPI it is about.
        spi: u32,
    },
    /// An R-U-THERE stayed without answer.
    LivenessMissed {
        /// How many in a row.
        count: u32,
        /// With how many the peer is given up.
        of: u32,
    },
    /// The peer is given up.
    PeerDead,
    /// A mode-config or XAUTH message came.
    ConfigReceived(ConfigMessage),
    /// A mode-config or XAUTH message goes out.
    ConfigSent(ConfigMessage),
    /// XAUTH is over.
    XauthFinished {
        /// The user.
        user: String,
        /// Whether he was let in.
        accepted: bool,
    },

    /// A phase 1 SA is marked deleted.
    SaDeleted {
        /// Why.
        reason: SaEnd,
    },
    /// A deleted phase 1 SA is forgotten.
    SaPurged,
    /// One octet kept the NAT's mapping alive (RFC 3948 2.3).
    NatKeepaliveSent,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_json() {
        let event = Event {
            local: "198.51.100.1:500".parse().unwrap(),
            remote: "192.0.2.10:500".parse().unwrap(),
            sa: Some(SaRef {
                serial: 1,
                connection: 1001,
                initiator_cookie: Cookie([1; 8]),
                responder_cookie: Cookie([2; 8]),
                role: Role::Responder,
                progress: Progress::MainKeyExchange,
            }),
            kind: EventKind::VendorId {
                message: 3,
                octets: vec![0xaf, 0xca],
                behind: vec![],
                meaning: VendorMeaning::NatTraversalDraft(7),
            },
        };
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.contains(r#""vendor-id":{"message":3,"octets":"afca""#), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }
}
