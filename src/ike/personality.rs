//! What differs between IKE stacks on the wire, as data. The engine obeys it and knows no product.

use std::time::Duration;

use crate::wire::isakmp::{EncapsulationMode, IpsecAttribute, OakleyAttribute, PayloadType};

/// How one stack, or one release of it, speaks IKEv1.
#[derive(Clone, Debug, PartialEq)]
pub struct Personality {
    /// The vendor IDs of each message.
    pub vendor_ids: VendorIds,
    /// The kinds of NAT traversal spoken, best first; none switches it off.
    pub nat_traversal: Vec<NatSupport>,
    /// Octets of a nonce.
    pub nonce_len: usize,
    /// How encrypted messages are padded.
    pub padding: Padding,
    /// Whether the first four octets of a cookie stay the same towards one peer.
    pub stable_cookies: bool,
    /// The connection id of the first SA whose keys are derived.
    pub first_connection: u32,
    /// Order of the attributes in an offered phase 1 transform. Key length stands only where the cipher needs one.
    pub phase1_attributes: Vec<OakleyAttribute>,
    /// Order of the attributes in an offered phase 2 transform. A life type stands for itself and its duration.
    pub phase2_attributes: Vec<Phase2Attribute>,
    /// How several suites are offered in quick mode.
    pub phase2_layout: OfferLayout,
    /// Number of the first proposal and transform offered.
    pub first_number: u8,
    /// Numbers of the proposal and transform in an answer.
    pub answer_numbers: AnswerNumbers,
    /// Protocol and port of the phase 1 identity.
    pub id_port: IdPort,
    /// Whether the initiator says INITIAL-CONTACT in main mode message 5 when it holds no other SA with the peer.
    pub initial_contact: bool,
    /// How a responder that cuts the ISAKMP lifetime says so.
    pub phase1_lifetime_notify: bool,
    /// Whether a responder that cuts an IPsec lifetime says so in quick mode message 2.
    pub phase2_lifetime_notify: bool,
    /// Answer to a phase 1 offer of which nothing fits.
    pub phase1_refusal: RefusalAnswer,
    /// Whether an initiator gives up when phase 1 is refused in clear, which anybody could have sent.
    pub believes_clear_refusals: bool,
    /// Answer to an encrypted main mode message that decrypts to nothing sensible.
    pub garbage_answer: RefusalAnswer,
    /// Answer to a quick mode offer of which nothing fits.
    pub phase2_refusal: RefusalAnswer,
    /// When messages are sent again.
    pub retransmission: Retransmission,
    /// How long ended exchanges and SAs are remembered.
    pub ageing: Ageing,
    /// When SAs are renewed.
    pub rekeying: Rekeying,
}

/// The vendor IDs of each main mode message, in order. Those of NAT traversal are left out while it is switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VendorIds {
    /// Message 1, behind SA.
    pub main1: Vec<VendorId>,
    /// Message 2, behind SA.
    pub main2: Vec<VendorId>,
    /// Message 3, behind the nonce.
    pub main3: Vec<VendorId>,
    /// Message 4, behind the nonce.
    pub main4: Vec<VendorId>,
}

/// A vendor ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VendorId {
    /// The NAT traversal chosen: of a responder the best one both speak, none when there is none.
    ChosenNatTraversal,
    /// A kind of NAT traversal.
    NatTraversal(NatVersion),
    /// Cisco Unity 1.0.
    Unity,
    /// Dead peer detection 1.0 (RFC 3706).
    DeadPeerDetection,
    /// XAUTH.
    Xauth,
    /// The one of IOS that holds the sender's cookie (real-cisco-on-the-wire 1 \[S\]).
    IosCookie,
    /// Any other.
    Other(Vec<u8>),
}

/// A kind of NAT traversal, by the vendor ID that announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatVersion {
    /// RFC 3947.
    Rfc3947,
    /// draft-ietf-ipsec-nat-t-ike-07.
    Draft07,
    /// draft-ietf-ipsec-nat-t-ike-03.
    Draft03,
    /// draft-ietf-ipsec-nat-t-ike-02, the text of whose vendor ID ends with a newline.
    Draft02Newline,
    /// draft-ietf-ipsec-nat-t-ike-02.
    Draft02,
}

/// One kind of NAT traversal and the numbers it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatSupport {
    /// Which.
    pub version: NatVersion,
    /// Payload type of NAT-D.
    pub discovery: PayloadType,
    /// Encapsulation mode of ESP tunnel mode in UDP.
    pub tunnel: EncapsulationMode,
    /// Encapsulation mode of ESP transport mode in UDP.
    pub transport: EncapsulationMode,
}

impl NatSupport {
    /// RFC 3947: NAT-D is 20, the modes are 3 and 4.
    pub const RFC3947: Self = Self {
        version: NatVersion::Rfc3947,
        discovery: PayloadType::NatDiscovery,
        tunnel: EncapsulationMode::UdpTunnel,
        transport: EncapsulationMode::UdpTransport,
    };

    /// A draft with NAT-D numbered 130 and the modes 61443 and 61444 (drafts 00 to 03).
    pub const fn draft(version: NatVersion) -> Self {
        Self {
            version,
            discovery: PayloadType::NatDiscoveryDraft,
            tunnel: EncapsulationMode::UdpTunnelDraft,
            transport: EncapsulationMode::UdpTransportDraft,
        }
    }

    /// draft-07 as IOS of its time spoke it, NAT-D numbered 15 (cisco-ios-facts 1.4 \[S:PCAP-PL\]).
    pub const DRAFT07_IOS: Self = Self {
        version: NatVersion::Draft07,
        discovery: PayloadType::NatDiscoveryIos,
        tunnel: EncapsulationMode::UdpTunnelDraft,
        transport: EncapsulationMode::UdpTransportDraft,
    };
}

/// How encrypted messages are padded; always with zeros and without a length octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// To the next multiple of the block, nothing when it already is one.
    WhenNeeded,
    /// To the next multiple of the block, a whole block when it already is one (real-cisco-on-the-wire 5b \[S\]).
    WholeBlockWhenAligned,
}

/// An attribute of an offered phase 2 transform, in the order a stack writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase2Attribute {
    /// Encapsulation mode.
    Encapsulation,
    /// Life type seconds and its duration.
    Seconds,
    /// Life type kilobytes and its duration.
    Kilobytes,
    /// Authentication algorithm.
    Authentication,
    /// Key length.
    KeyLength,
    /// Group description.
    Group,
}

impl Phase2Attribute {
    /// The attribute it begins with on the wire.
    pub fn kind(self) -> IpsecAttribute {
        match self {
            Self::Encapsulation => IpsecAttribute::Encapsulation,
            Self::Seconds | Self::Kilobytes => IpsecAttribute::LifeType,
            Self::Authentication => IpsecAttribute::Authentication,
            Self::KeyLength => IpsecAttribute::KeyLength,
            Self::Group => IpsecAttribute::Group,
        }
    }
}

/// How several suites are offered in quick mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferLayout {
    /// A proposal for each suite, with one transform (cisco-ios-facts 5.1 \[S\]).
    ProposalPerSuite,
    /// One proposal with a transform for each suite.
    TransformPerSuite,
}

/// Numbers of the proposal and transform in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerNumbers {
    /// As offered.
    Echoed,
    /// Their position in the offer, from 1: a first transform numbered 0 comes back as 1, a second one numbered 2 as 2
    /// (real-cisco-on-the-wire 5a \[S\], cisco-ios-facts 3.1 \[S:LOG-12x\]; that it is the position is \[I\]).
    ByPosition,
}

/// Protocol and port of the phase 1 identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdPort {
    /// IP protocol.
    pub protocol: u8,
    /// Port while no NAT is found.
    pub port: u16,
    /// Port behind or towards a NAT.
    pub nat_port: u16,
}

/// Answer to something that cannot be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalAnswer {
    /// None.
    Silent,
    /// A notify with this SPI.
    Notify(NotifySpi),
}

/// What stands in the SPI and data of a refusing notify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifySpi {
    /// Neither.
    None,
    /// Both cookies as SPI.
    Cookies,
    /// Both cookies as SPI, the peer's ESP SPI as data (cisco-ios-facts 5.3 \[I\]).
    CookiesThenSpi,
    /// The peer's ESP SPI as SPI.
    PeerSpi,
}

/// When messages are sent again.
#[derive(Clone, Debug, PartialEq)]
pub struct Retransmission {
    /// The waits before each repeat; after the last repeat its wait passes once more before the peer is given up.
    pub waits: Vec<Duration>,
    /// Whether a responder repeats messages that wait for the initiator.
    pub responder: bool,
    /// A duplicate that comes sooner than this behind our answer is not answered again.
    pub duplicate_guard: Duration,
    /// Factor on every wait; tests in real time make it small.
    pub scale: f64,
}

impl Retransmission {
    /// How long to wait behind repeat `attempt` (0 is the first sending).
    pub fn wait(&self, attempt: usize) -> Duration {
        let wait = self.waits.get(attempt).or(self.waits.last()).copied().unwrap_or(DEFAULT_WAIT);
        Duration::try_from_secs_f64(wait.as_secs_f64() * self.scale).unwrap_or(wait)
    }
}

/// How long to wait for an answer where the schedule has no repeats.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// How long ended exchanges and SAs are remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ageing {
    /// From the end of a phase 2 exchange until it is forgotten.
    pub node: Duration,
    /// From the deletion of an ISAKMP SA until it is forgotten.
    pub sa: Duration,
    /// How long a half-open ISAKMP SA of which the initiator is silent may live.
    pub half_open: Duration,
}

/// When SAs are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rekeying {
    /// How long before the end of an IPsec SA its initiator renews it; `None` leaves that to the owner.
    pub phase2_margin: Option<Duration>,
    /// How long the inbound half of a renewed pair is still served.
    pub overlap: Duration,
}

impl Personality {
    /// A plain Linux IKE daemon: RFC 3947, dead peer detection, all suites in one proposal.
    pub fn linux() -> Self {
        use OakleyAttribute as A;
        use Phase2Attribute as B;
        Self {
            vendor_ids: VendorIds {
                main1: vec![
                    VendorId::DeadPeerDetection,
                    VendorId::NatTraversal(NatVersion::Rfc3947),
                    VendorId::NatTraversal(NatVersion::Draft02Newline),
                ],
                main2: vec![VendorId::DeadPeerDetection, VendorId::ChosenNatTraversal],
                main3: vec![],
                main4: vec![],
            },
            nat_traversal: vec![NatSupport::RFC3947, NatSupport::draft(NatVersion::Draft02Newline)],
            nonce_len: 32,
            padding: Padding::WhenNeeded,
            stable_cookies: false,
            first_connection: 1,
            phase1_attributes: vec![
                A::Encryption,
                A::KeyLength,
                A::Hash,
                A::Group,
                A::Authentication,
                A::LifeType,
                A::LifeDuration,
            ],
            phase2_attributes: vec![
                B::KeyLength,
                B::Authentication,
                B::Group,
                B::Encapsulation,
                B::Seconds,
                B::Kilobytes,
            ],
            phase2_layout: OfferLayout::TransformPerSuite,
            first_number: 1,
            answer_numbers: AnswerNumbers::Echoed,
            id_port: IdPort { protocol: 0, port: 0, nat_port: 0 },
            initial_contact: true,
            phase1_lifetime_notify: false,
            phase2_lifetime_notify: false,
            phase1_refusal: RefusalAnswer::Notify(NotifySpi::None),
            believes_clear_refusals: true,
            garbage_answer: RefusalAnswer::Silent,
            phase2_refusal: RefusalAnswer::Notify(NotifySpi::PeerSpi),
            retransmission: Retransmission {
                waits: [4000, 7200, 12960, 23328, 41990].map(Duration::from_millis).to_vec(),
                responder: false,
                duplicate_guard: Duration::ZERO,
                scale: 1.0,
            },
            ageing: Ageing {
                node: Duration::from_secs(120),
                sa: Duration::from_secs(10),
                half_open: Duration::from_secs(60),
            },
            rekeying: Rekeying { phase2_margin: Some(Duration::from_secs(60)), overlap: Duration::from_secs(30) },
        }
    }
}
