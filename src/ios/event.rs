//! What happens in the router, as typed events: the console renders them as IOS text, evidence stores them, verdicts
//! reason on them.

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use crate::crypto::{Cipher, Hash};
use crate::ike;
use crate::ios::config::{RunningConfig, Span};
use crate::wire::isakmp::IdPayload;

/// One thing that happened in the router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouterEvent {
    /// The IKE engine did something.
    Ike(ike::Event),
    /// A packet needs an SA that does not exist; IKE is asked for one (`IPSEC(sa_request)`).
    SaRequest(SaRequest),
    /// The SA asked for did not come within 30 seconds.
    RequestTimerFired {
        /// What was asked for.
        request: SaRequest,
        /// How often it fired, from 1.
        count: u32,
    },
    /// IKE is not asked again; packets that need the SA are dropped until the next one asks anew.
    RequestAbandoned {
        /// What was asked for.
        request: SaRequest,
    },
    /// A phase 2 proposal was refused, told with the configuration lines that disagree. Logs are rendered from the engine's
    /// own events; this one is for diagnosis.
    ProposalRefused(ProposalRefused),
    /// A packet came in clear that a crypto map wants protected.
    PacketNotIpsec {
        /// The interface it came on.
        interface: String,
        /// Its destination.
        destination: Ipv4Addr,
        /// Its source.
        source: Ipv4Addr,
        /// Its IP protocol.
        protocol: u8,
    },
    /// An ESP or AH packet came with an SPI nobody knows.
    InvalidSpi {
        /// The interface it came on.
        interface: String,
        /// Its destination.
        destination: Ipv4Addr,
        /// Its source.
        source: Ipv4Addr,
        /// 50 or 51.
        protocol: u8,
        /// The SPI.
        spi: u32,
    },
    /// A protected packet came a second time, or too late.
    ReplayError {
        /// The IPsec connection id of the inbound SA.
        connection: u32,
        /// Its SPI.
        spi: u32,
        /// Its sequence number.
        sequence: u32,
    },
    /// The integrity check of a protected packet failed.
    MacError {
        /// The IPsec connection id of the inbound SA.
        connection: u32,
        /// Its SPI.
        spi: u32,
        /// Its sequence number.
        sequence: u32,
    },
    /// The inside of a protected packet does not fit the SA's proxy identities.
    InvalidIdentity {
        /// The inner packet's destination.
        destination: Ipv4Addr,
        /// The inner packet's source.
        source: Ipv4Addr,
        /// The inner packet's IP protocol.
        protocol: u8,
        /// The SA's local proxy.
        local_proxy: IdPayload,
        /// The SA's remote proxy.
        remote_proxy: IdPayload,
    },
    /// A protected packet could not be opened for another reason.
    DecapsulationFailed {
        /// The IPsec connection id of the inbound SA.
        connection: u32,
        /// Its SPI.
        spi: u32,
        /// What is wrong.
        why: String,
    },
    /// The tunnel to a peer came up or went down (`crypto logging session`).
    SessionStatus {
        /// Whether it is up.
        up: bool,
        /// The peer.
        peer: SocketAddrV4,
        /// The peer's phase 1 identity as text.
        id: String,
    },
    /// The first crypto map was applied, or the last one removed.
    IsakmpSwitched {
        /// Whether IKE runs now.
        on: bool,
    },
    /// An interface changed.
    InterfaceChanged {
        /// Its full name.
        interface: String,
        /// Where it is now.
        state: InterfaceState,
    },
    /// Somebody left configuration mode.
    Configured {
        /// From where: `console`.
        from: String,
    },
    /// The router started.
    Restarted,
    /// A packet hit an access list entry with `log`.
    AccessListLogged {
        /// Name or number of the list.
        list: String,
        /// Whether it was let through.
        permitted: bool,
        /// Its IP protocol.
        protocol: u8,
        /// Its source, and port for TCP and UDP.
        source: (Ipv4Addr, Option<u16>),
        /// Its destination, and port for TCP and UDP.
        destination: (Ipv4Addr, Option<u16>),
        /// How many packets since the last report.
        packets: u64,
    },
    /// A packet was dropped.
    PacketDropped {
        /// The interface it came on; `None` for the router's own.
        interface: Option<String>,
        /// Its source.
        source: Ipv4Addr,
        /// Its destination.
        destination: Ipv4Addr,
        /// Its IP protocol.
        protocol: u8,
        /// Why.
        reason: DropReason,
    },
}

impl From<ike::Event> for RouterEvent {
    fn from(event: ike::Event) -> Self {
        Self::Ike(event)
    }
}

/// A pair of IPsec SAs that the data plane asks IKE for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaRequest {
    /// The crypto map's name.
    pub map: String,
    /// The sequence number of its entry.
    pub sequence: u32,
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's address.
    pub remote: Ipv4Addr,
    /// What lies behind us.
    pub local_proxy: IdPayload,
    /// What lies behind the peer.
    pub remote_proxy: IdPayload,
    /// The first transform set's cipher; `None` for AH alone.
    pub cipher: Option<Cipher>,
    /// The first transform set's integrity algorithm, if it has one.
    pub integrity: Option<Hash>,
    /// Whether transport mode is asked for.
    pub transport: bool,
    /// Lifetime in seconds.
    pub seconds: u32,
    /// Lifetime in kilobytes; 0 when switched off.
    pub kilobytes: u32,
}

/// A phase 2 proposal that no crypto map entry took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalRefused {
    /// Our address.
    pub local: Ipv4Addr,
    /// The peer's address and port.
    pub remote: SocketAddrV4,
    /// The crypto map entry that refused it, as in `CMAP, 10`; `None` when none serves the peer.
    pub entry: Option<String>,
    /// What the peer wants protected behind us.
    pub local_proxy: IdPayload,
    /// What the peer wants protected behind it.
    pub remote_proxy: IdPayload,
    /// The transforms offered, one per protocol.
    pub transforms: Vec<ike::event::OfferedTransform>,
    /// Why.
    pub refusal: ike::event::QuickRefusal,
    /// The lines of the configuration that the refusal rests on.
    pub lines: Vec<ConfigLine>,
}

/// A line of the configuration, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConfigLine {
    /// The name of the text it stands in.
    pub source: String,
    /// Its number, from 1.
    pub number: usize,
    /// The line without its indentation.
    pub text: String,
}

impl ConfigLine {
    /// The line a span begins on; `None` for a default, which no line set.
    pub fn at(config: &RunningConfig, span: Span) -> Option<Self> {
        let (source, range) = config.place(span)?;
        let (number, _) = source.line_column(range.start);
        let text = source.text.lines().nth(number - 1)?.trim().to_owned();
        Some(Self { source: source.path.display().to_string(), number, text })
    }
}

/// The state of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceState {
    /// `shutdown` was given.
    AdministrativelyDown,
    /// There is no carrier.
    Down,
    /// Up, line protocol included.
    Up,
}

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropReason {
    /// No route to the destination.
    NoRoute,
    /// The next hop does not answer ARP.
    Unresolved,
    /// The TTL ran out.
    TtlExpired,
    /// It is too large and may not be fragmented.
    TooBig,
    /// It needs an SA that is being negotiated.
    NegotiatingSa,
    /// An access list of the interface denies it.
    AccessList,
    /// It came in clear and should be protected.
    NotProtected,
    /// No translation for it.
    NoTranslation,
    /// It is malformed.
    Malformed,
    /// The interface is down.
    InterfaceDown,
    /// Nothing listens there.
    NotForUs,
}
