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

mod detail;
mod state;

use std::net::SocketAddrV4;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::wire::isakmp::{
    Attribute, AuthenticationMethod, Cookie, ExchangeType, IdPayload, MessageId, PayloadType, ProtocolId,
};

pub use detail::{
    ConfigMessage, Datagram, Deletion, InitiationFailure, InstalledPair, KeyMoment, KeyName, Malformation, NodeEnd,
    Notify, OfferedTransform, PairEnd, PolicyMismatch, PolicyOutcome, QuickRefusal, QuickVerdict, Refusal,
    RetransmitCause, SaEnd, UnlockCause, VendorMeaning,
};
pub use state::{Phase1Input, Phase1State, Progress, QuickInput, QuickState, Role};

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
