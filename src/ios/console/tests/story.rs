//! Event sequences as an engine emits them, told by hand.

use std::net::SocketAddrV4;

use crate::ike::Event;
use crate::ike::event::*;
use crate::ios::RouterEvent;
use crate::wire::isakmp::*;

const MAIN: ExchangeType = ExchangeType::Main;
const QUICK: ExchangeType = ExchangeType::Quick;

/// A message id that is negative when it is read as signed.
pub(super) const QUICK_ID: MessageId = MessageId(3329780046);
pub(super) const NOTIFY_ID: MessageId = MessageId(1148084868);

const RFC3947: &str = "4a131c81070358455c5728f20e95452f";
const DRAFT07: &str = "439b59f8ba676c4c7737ae22eab8f582";
const DRAFT03: &str = "7d9419a65310ca6f2c179d9215529d56";
const DRAFT02: &str = "90cb80913ebb696e086381b5ec427b1f";
const UNITY: &str = "12f5f28c457168a9702d9fe274cc0100";
const DPD: &str = "afcad71368a1f1c96b8696fc77570100";
const XAUTH: &str = "09002689dfd6b712";

/// The cookies and IOS vendor IDs of the main mode capture (real-cisco-on-the-wire 1).
const INITIATOR: (&str, &str) = ("e47a591fd057587f", "11bdfe02d056587f2c18125972c32401");
const RESPONDER: (&str, &str) = ("a00b8ef0902bb8ec", "55cc29ed902ab8ec53b1df867c610929");

/// A growing list of events about one SA.
#[derive(Clone)]
pub(super) struct Story {
    local: SocketAddrV4,
    remote: SocketAddrV4,
    sa: SaRef,
    exists: bool,
    events: Vec<RouterEvent>,
    told: usize,
}

impl Story {
    /// The router answers 198.51.100.1 on 203.0.113.1.
    pub fn responder() -> Self {
        Self::new(Role::Responder)
    }

    /// The router begins with 198.51.100.1.
    pub fn initiator() -> Self {
        Self::new(Role::Initiator)
    }

    fn new(role: Role) -> Self {
        let sa = SaRef {
            serial: 1,
            connection: 0,
            initiator_cookie: Cookie::from(INITIATOR.0.to_owned()),
            responder_cookie: Cookie::from(RESPONDER.0.to_owned()),
            role,
            progress: Progress::MainNoState,
        };
        let (local, remote) = ("203.0.113.1:500", "198.51.100.1:500");
        Self {
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            sa,
            exists: false,
            events: Vec::new(),
            told: 0,
        }
    }

    /// Nothing but these events.
    pub fn of(events: &[RouterEvent]) -> Self {
        Self { events: events.to_vec(), ..Self::responder() }
    }

    pub fn events(&self) -> &[RouterEvent] {
        &self.events
    }

    pub fn serial(mut self, serial: u64) -> Self {
        self.sa.serial = serial;
        self
    }

    pub fn tell(mut self, kind: EventKind) -> Self {
        let sa = self.exists.then_some(self.sa);
        self.events.push(RouterEvent::Ike(Event { local: self.local, remote: self.remote, sa, kind }));
        self
    }

    /// A trace shows only what is told from here on.
    pub fn then(mut self) -> Self {
        self.told = self.events.len();
        self
    }

    /// How many events a trace does not show.
    pub fn told(&self) -> usize {
        self.told
    }

    pub fn progress(mut self, progress: Progress) -> Self {
        self.sa.progress = progress;
        self
    }

    pub fn floated(mut self) -> Self {
        self.local.set_port(4500);
        self.remote.set_port(4500);
        self
    }

    pub fn received(self, exchange: ExchangeType, message_id: MessageId) -> Self {
        let encrypted = self.sa.connection != 0;
        self.tell(EventKind::DatagramReceived(Datagram { exchange, message_id, encrypted, length: 108 }))
    }

    pub fn sent(self, exchange: ExchangeType, message_id: MessageId) -> Self {
        let encrypted = self.sa.connection != 0;
        self.tell(EventKind::DatagramSent(Datagram { exchange, message_id, encrypted, length: 108 }))
    }

    pub fn state(self, input: Phase1Input, from: Phase1State, to: Phase1State) -> Self {
        self.tell(EventKind::StateChanged { input, from, to })
    }

    pub fn payload(self, payload: PayloadType, message_id: MessageId) -> Self {
        self.tell(EventKind::PayloadProcessed { payload, message_id })
    }

    fn phase1_payload(self, payload: PayloadType) -> Self {
        self.payload(payload, MessageId(0))
    }

    pub fn vendor(self, message: u8, octets: &str, behind: &[u8], meaning: VendorMeaning) -> Self {
        let octets = hex::decode(octets).unwrap();
        self.tell(EventKind::VendorId { message, octets, behind: behind.to_vec(), meaning })
    }

    fn vendors_of_1(self) -> Self {
        self.vendor(1, RFC3947, &[], VendorMeaning::NatTraversalRfc)
            .vendor(1, DRAFT07, &[], VendorMeaning::NatTraversalDraft(7))
            .vendor(1, DRAFT03, &[], VendorMeaning::NatTraversalDraft(3))
            .vendor(1, DRAFT02, &[], VendorMeaning::NatTraversalDraft(2))
    }

    fn vendors_of_3(self) -> Self {
        self.vendor(3, DPD, &[], VendorMeaning::DeadPeerDetection)
            .vendor(3, INITIATOR.1, &[], VendorMeaning::OwnMake)
            .vendor(3, XAUTH, &[20, 0, 0, 24, 1, 2, 149, 3], VendorMeaning::Xauth)
    }

    fn vendors_of_4(self) -> Self {
        self.vendor(4, UNITY, &[], VendorMeaning::Unity).vendor(4, DPD, &[], VendorMeaning::DeadPeerDetection).vendor(
            4,
            RESPONDER.1,
            &[],
            VendorMeaning::OwnMake,
        )
    }

    fn vendor_sent(self, octets: &str, meaning: VendorMeaning) -> Self {
        self.tell(EventKind::VendorIdSent { octets: hex::decode(octets).unwrap(), meaning })
    }

    fn key(self, moment: KeyMoment) -> Self {
        let by = KeyName::Address(*self.remote.ip());
        self.tell(EventKind::KeyLookup { moment, by, found_in: Some(String::new()) })
    }

    pub fn compared(self, transform: u8, more: bool, seconds: u32, outcome: PolicyOutcome) -> Self {
        let attributes = vec![
            Attribute::basic(OakleyAttribute::Encryption, OakleyCipher::Aes),
            Attribute::basic(OakleyAttribute::KeyLength, 256_u16),
            Attribute::basic(OakleyAttribute::Hash, OakleyHash::Sha1),
            Attribute::basic(OakleyAttribute::Group, 14_u16),
            Attribute::basic(OakleyAttribute::Authentication, AuthenticationMethod::PreSharedKey),
            Attribute::basic(OakleyAttribute::LifeType, LifeType::Seconds),
            Attribute::duration(OakleyAttribute::LifeDuration, seconds),
        ];
        self.tell(EventKind::PolicyCompared { transform, priority: 10, attributes, more, outcome })
    }

    fn accepted(self) -> Self {
        let outcome = PolicyOutcome::Accepted { own_lifetime: 86400, offered_lifetime: Some(86400), lifetime: 86400 };
        self.compared(1, false, 86400, outcome)
    }

    /// Message 1 came, with its vendor IDs; the key is found.
    pub fn offered(mut self) -> Self {
        self = self.received(MAIN, MessageId(0));
        self = self.tell(EventKind::PeerCreated { peer: 1 }).tell(EventKind::PeerLocked { peer: 1, holders: 1 });
        self.exists = true;
        self.tell(EventKind::SaCreated { duplicate: false })
            .state(Phase1Input::MessageReceived(MAIN), Phase1State::Ready, Phase1State::ResponderMain(1))
            .phase1_payload(PayloadType::Sa)
            .vendors_of_1()
            .key(KeyMoment::Proposal)
    }

    /// Messages 1 to 3 as responder, up to message 4.
    pub fn exchanged_keys(self) -> Self {
        let mut story = self
            .offered()
            .accepted()
            .state(Phase1Input::Processed, Phase1State::ResponderMain(1), Phase1State::ResponderMain(1))
            .progress(Progress::MainSaSetup)
            .vendor_sent(RFC3947, VendorMeaning::NatTraversalRfc)
            .sent(MAIN, MessageId(0))
            .state(Phase1Input::Completed, Phase1State::ResponderMain(1), Phase1State::ResponderMain(2))
            .received(MAIN, MessageId(0))
            .state(Phase1Input::MessageReceived(MAIN), Phase1State::ResponderMain(2), Phase1State::ResponderMain(3))
            .phase1_payload(PayloadType::KeyExchange)
            .phase1_payload(PayloadType::Nonce)
            .key(KeyMoment::Derivation);
        story.sa.connection = 1001;
        story
            .tell(EventKind::KeysDerived)
            .vendors_of_3()
            .nat_discovery(true, false)
            .nat_discovery(true, true)
            .state(Phase1Input::Processed, Phase1State::ResponderMain(3), Phase1State::ResponderMain(3))
            .progress(Progress::MainKeyExchange)
            .sent(MAIN, MessageId(0))
            .state(Phase1Input::Completed, Phase1State::ResponderMain(3), Phase1State::ResponderMain(4))
            .received(MAIN, MessageId(0))
            .state(Phase1Input::MessageReceived(MAIN), Phase1State::ResponderMain(4), Phase1State::ResponderMain(5))
    }

    pub fn nat_discovery(self, local_matched: bool, remote_matched: bool) -> Self {
        self.tell(EventKind::NatDiscovery { payload: PayloadType::NatDiscovery, local_matched, remote_matched })
    }

    fn id(address: &str, port: u16) -> IdPayload {
        let address: std::net::Ipv4Addr = address.parse().unwrap();
        IdPayload { kind: IdType::Ipv4Address, protocol: 17, port, data: address.octets().to_vec() }
    }

    fn id_received(self) -> Self {
        let id = Self::id("198.51.100.1", if self.local.port() == 4500 { 0 } else { 500 });
        self.phase1_payload(PayloadType::Id)
            .tell(EventKind::IdReceived { id, next_payload: PayloadType::Hash })
            .tell(EventKind::ProfileSelected { profile: None })
            .phase1_payload(PayloadType::Hash)
            .tell(EventKind::HashVerified { message_id: MessageId(0) })
    }

    fn id_sent(self) -> Self {
        let id = Self::id("203.0.113.1", if self.local.port() == 4500 { 0 } else { 500 });
        let method = AuthenticationMethod::PreSharedKey;
        self.tell(EventKind::IdSent { id, next_payload: PayloadType::Hash, method })
    }

    /// Message 5 with INITIAL-CONTACT, and message 6.
    pub fn authenticated(self) -> Self {
        let initial_contact = Notify {
            message_id: MessageId(0),
            kind: NotifyType::InitialContact,
            protocol: ProtocolId::Isakmp,
            spi: vec![0xaa; 16],
            data: vec![],
            about: None,
        };
        self.id_received()
            .tell(EventKind::NotifyReceived { notify: initial_contact, authenticated: true })
            .tell(EventKind::Authenticated)
            .tell(EventKind::InitialContactProcessed { phase1: 0, phase2: 0 })
            .tell(EventKind::PeerInserted { peer: 1 })
            .state(Phase1Input::Processed, Phase1State::ResponderMain(5), Phase1State::ResponderMain(5))
            .id_sent()
            .sent(MAIN, MessageId(0))
            .state(Phase1Input::Completed, Phase1State::ResponderMain(5), Phase1State::Complete)
            .progress(Progress::QuickIdle)
            .state(Phase1Input::Phase1Completed, Phase1State::Complete, Phase1State::Complete)
    }

    /// The whole of main mode.
    pub fn main_mode(self) -> Self {
        match self.sa.role {
            Role::Responder => self.exchanged_keys().authenticated(),
            Role::Initiator => self.begun().initiated(),
        }
    }

    /// Message 1 goes out.
    pub fn begun(mut self) -> Self {
        self = self
            .tell(EventKind::SaRequested { profile: None })
            .tell(EventKind::PeerCreated { peer: 1 })
            .tell(EventKind::PeerLocked { peer: 1, holders: 1 })
            .tell(EventKind::NodeCreated { message_id: MessageId(0), exchange: QUICK });
        self.exists = true;
        self.tell(EventKind::SaCreated { duplicate: false })
            .key(KeyMoment::Initiation)
            .vendor_sent(RFC3947, VendorMeaning::NatTraversalRfc)
            .vendor_sent(DRAFT07, VendorMeaning::NatTraversalDraft(7))
            .vendor_sent(DRAFT03, VendorMeaning::NatTraversalDraft(3))
            .vendor_sent(DRAFT02, VendorMeaning::NatTraversalDraft(2))
            .state(Phase1Input::SaRequested(MAIN), Phase1State::Ready, Phase1State::InitiatorMain(1))
            .tell(EventKind::ExchangeStarted(MAIN))
            .sent(MAIN, MessageId(0))
    }

    /// Messages 2 to 6 as initiator.
    fn initiated(self) -> Self {
        let (sent, own) = (Phase1State::InitiatorMain(1), Phase1State::InitiatorMain);
        let mut story = self
            .received(MAIN, MessageId(0))
            .state(Phase1Input::MessageReceived(MAIN), sent, own(2))
            .phase1_payload(PayloadType::Sa)
            .vendor(2, RFC3947, &[], VendorMeaning::NatTraversalRfc)
            .key(KeyMoment::Proposal)
            .accepted()
            .state(Phase1Input::Processed, own(2), own(2))
            .progress(Progress::MainSaSetup)
            .sent(MAIN, MessageId(0))
            .state(Phase1Input::Completed, own(2), own(3))
            .received(MAIN, MessageId(0))
            .state(Phase1Input::MessageReceived(MAIN), own(3), own(4))
            .phase1_payload(PayloadType::KeyExchange)
            .phase1_payload(PayloadType::Nonce)
            .key(KeyMoment::Derivation);
        story.sa.connection = 1001;
        story
            .tell(EventKind::KeysDerived)
            .vendors_of_4()
            .nat_discovery(true, false)
            .nat_discovery(true, true)
            .state(Phase1Input::Processed, own(4), own(4))
            .progress(Progress::MainKeyExchange)
            .tell(EventKind::InitialContactSent)
            .id_sent()
            .sent(MAIN, MessageId(0))
            .state(Phase1Input::Completed, own(4), own(5))
            .received(MAIN, MessageId(0))
            .id_received()
            .tell(EventKind::Authenticated)
            .tell(EventKind::PeerInserted { peer: 1 })
            .state(Phase1Input::MessageReceived(MAIN), own(5), own(6))
            .state(Phase1Input::Processed, own(6), own(6))
            .state(Phase1Input::Completed, own(6), Phase1State::Complete)
            .progress(Progress::QuickIdle)
    }

    /// Refuses what [`Self::offered`] brought.
    pub fn refused_policy(self) -> Self {
        let one = Phase1State::ResponderMain(1);
        let mismatch = PolicyMismatch::KeyLength { offered: Some(256), configured: 128 };
        self.compared(1, false, 3600, PolicyOutcome::Refused(mismatch))
            .tell(EventKind::NoPolicyAccepted)
            .sent(ExchangeType::Informational, MessageId(77))
            .tell(EventKind::SaDeleted { reason: SaEnd::PolicyNotAccepted })
            .state(Phase1Input::Phase1Deleted, one, Phase1State::Deleted)
            .tell(EventKind::PeerUnlocked { peer: 1, holders: 0, cause: UnlockCause::SaDeleted })
    }

    pub fn transform(pfs: Option<u16>) -> OfferedTransform {
        let mut attributes = vec![
            Attribute::basic(IpsecAttribute::Encapsulation, EncapsulationMode::Tunnel),
            Attribute::basic(IpsecAttribute::LifeType, LifeType::Seconds),
            Attribute::duration(IpsecAttribute::LifeDuration, 3600),
            Attribute::basic(IpsecAttribute::LifeType, LifeType::Kilobytes),
            Attribute::duration(IpsecAttribute::LifeDuration, 4_608_000),
            Attribute::basic(IpsecAttribute::Authentication, EspAuthentication::HmacSha512),
            Attribute::basic(IpsecAttribute::KeyLength, 256_u16),
        ];
        attributes.extend(pfs.map(|group| Attribute::basic(IpsecAttribute::Group, group)));
        OfferedTransform { protocol: ProtocolId::Esp, number: 1, id: EspTransform::Aes.into(), attributes }
    }

    pub fn network(third: u8) -> IdPayload {
        let data = vec![192, 168, third, 0, 255, 255, 255, 0];
        IdPayload { kind: IdType::Ipv4Subnet, protocol: 0, port: 0, data }
    }

    /// A proposal of quick mode and what the policy says of it.
    pub fn judged(self, pfs: Option<u16>, verdict: QuickVerdict) -> Self {
        let transform = Self::transform(pfs);
        self.payload(PayloadType::Hash, QUICK_ID)
            .payload(PayloadType::Sa, QUICK_ID)
            .tell(EventKind::QuickTransformChecked {
                message_id: QUICK_ID,
                proposal: 1,
                transform: transform.clone(),
                acceptable: true,
            })
            .tell(EventKind::QuickJudged {
                message_id: QUICK_ID,
                proposal: 1,
                transforms: vec![transform],
                local_proxy: Self::network(102),
                remote_proxy: Self::network(101),
                verdict,
            })
    }

    fn rest_of_payloads(self, pfs: Option<u16>) -> Self {
        let story = self.payload(PayloadType::Nonce, QUICK_ID);
        let story = if pfs.is_some() { story.payload(PayloadType::KeyExchange, QUICK_ID) } else { story };
        story.payload(PayloadType::Id, QUICK_ID).payload(PayloadType::Id, QUICK_ID)
    }

    pub fn quick_state(self, input: QuickInput, from: QuickState, to: QuickState) -> Self {
        self.tell(EventKind::QuickStateChanged { message_id: QUICK_ID, input, from, to })
    }

    fn installed(self, pfs: Option<u16>) -> Self {
        let pair = InstalledPair {
            message_id: QUICK_ID,
            pair: 1,
            initiator: self.sa.role == Role::Initiator,
            inbound_spi: 0x63a2_78d7,
            outbound_spi: 0x7312_56eb,
            transforms: vec![Self::transform(pfs)],
            local_proxy: Self::network(102),
            remote_proxy: Self::network(101),
            seconds: 3600,
            kilobytes: 4_608_000,
            pfs,
            policy: "CMAP, 10".to_owned(),
            interface: "GigabitEthernet1".to_owned(),
        };
        self.tell(EventKind::SaInstalled(pair))
    }

    /// Quick mode without perfect forward secrecy.
    pub fn quick_mode(self) -> Self {
        self.quick_mode_with(None)
    }

    pub fn quick_mode_with(self, pfs: Option<u16>) -> Self {
        match self.sa.role {
            Role::Responder => self.quick_mode_answered(pfs),
            Role::Initiator => self.quick_mode_begun(false).quick_mode_finished(pfs),
        }
    }

    fn quick_mode_answered(self, pfs: Option<u16>) -> Self {
        let accepted = QuickVerdict::Accepted { policy: "CMAP, 10".to_owned() };
        self.received(QUICK, QUICK_ID)
            .tell(EventKind::NodeCreated { message_id: QUICK_ID, exchange: QUICK })
            .judged(pfs, accepted)
            .rest_of_payloads(pfs)
            .spi_allocated()
            .quick_state(QuickInput::MessageReceived, QuickState::Ready, QuickState::AwaitingSpi)
            .quick_state(QuickInput::SpiObtained, QuickState::AwaitingSpi, QuickState::AwaitingInstall)
            .installed(pfs)
            .sent(QUICK, QUICK_ID)
            .quick_state(QuickInput::Installed, QuickState::AwaitingInstall, QuickState::SecondSent)
            .received(QUICK, QUICK_ID)
            .tell(EventKind::NodeDeleted { message_id: QUICK_ID, reason: NodeEnd::DoneAwaited })
            .quick_state(QuickInput::MessageReceived, QuickState::SecondSent, QuickState::Complete)
            .tell(EventKind::OutboundEnabled { pair: 1, spi: 0x7312_56eb })
    }

    fn spi_allocated(self) -> Self {
        let spi = 0x63a2_78d7;
        self.tell(EventKind::SpiAllocated { message_id: QUICK_ID, protocol: ProtocolId::Esp, spi })
    }

    pub fn quick_mode_begun(self, on_existing: bool) -> Self {
        let story = if on_existing {
            self.tell(EventKind::NodeCreated { message_id: MessageId(0), exchange: QUICK })
        } else {
            self
        };
        let story = story
            .tell(EventKind::QuickStarted { message_id: QUICK_ID, on_existing })
            .spi_allocated()
            .sent(QUICK, QUICK_ID)
            .quick_state(QuickInput::Initiated, QuickState::Ready, QuickState::FirstSent);
        if on_existing {
            return story;
        }
        story.state(Phase1Input::Phase1Completed, Phase1State::Complete, Phase1State::Complete)
    }

    fn quick_mode_finished(self, pfs: Option<u16>) -> Self {
        let accepted = QuickVerdict::Accepted { policy: "CMAP, 10".to_owned() };
        self.received(QUICK, QUICK_ID)
            .judged(pfs, accepted)
            .rest_of_payloads(pfs)
            .quick_state(QuickInput::MessageReceived, QuickState::FirstSent, QuickState::AwaitingInstall)
            .installed(pfs)
            .sent(QUICK, QUICK_ID)
            .tell(EventKind::NodeDeleted { message_id: QUICK_ID, reason: NodeEnd::Done })
            .quick_state(QuickInput::Installed, QuickState::AwaitingInstall, QuickState::Complete)
            .tell(EventKind::OutboundEnabled { pair: 1, spi: 0x7312_56eb })
    }

    /// The router refuses the peer's quick mode.
    pub fn quick_mode_refused(self, pfs: Option<u16>, refusal: QuickRefusal) -> Self {
        let informational = ExchangeType::Informational;
        self.received(QUICK, QUICK_ID)
            .tell(EventKind::NodeCreated { message_id: QUICK_ID, exchange: QUICK })
            .judged(pfs, QuickVerdict::Refused(refusal))
            .tell(EventKind::NoProposalAccepted { message_id: QUICK_ID })
            .tell(EventKind::NodeCreated { message_id: NOTIFY_ID, exchange: informational })
            .tell(EventKind::NotifySent(no_proposal_chosen(None)))
            .sent(informational, NOTIFY_ID)
            .tell(EventKind::NodePurged { message_id: NOTIFY_ID })
            .tell(EventKind::NodeDeleted { message_id: QUICK_ID, reason: NodeEnd::Rejected })
            .quick_state(QuickInput::MessageReceived, QuickState::Ready, QuickState::Ready)
            .tell(EventKind::NodePurged { message_id: QUICK_ID })
    }
}

/// NO-PROPOSAL-CHOSEN with the SPI 101951630 in its data.
pub(super) fn no_proposal_chosen(about: Option<MessageId>) -> Notify {
    Notify {
        message_id: NOTIFY_ID,
        kind: NotifyType::NoProposalChosen,
        protocol: ProtocolId::Esp,
        spi: vec![0xaa; 16],
        data: 101_951_630_u32.to_be_bytes().to_vec(),
        about,
    }
}
