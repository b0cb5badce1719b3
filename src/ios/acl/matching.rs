//! The conditions an entry is made of.

use std::fmt;
use std::net::Ipv4Addr;

use pnet::ipnetwork::Ipv4Network;

/// What an access list sees of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketKey {
    /// The IP protocol number.
    pub protocol: u8,
    /// The source address.
    pub source: Ipv4Addr,
    /// The destination address.
    pub destination: Ipv4Addr,
    /// The source port of TCP and UDP.
    pub source_port: Option<u16>,
    /// The destination port of TCP and UDP.
    pub destination_port: Option<u16>,
    /// Type and code of ICMP.
    pub icmp: Option<(u8, u8)>,
    /// A TCP segment with ACK or RST set.
    pub established: bool,
    /// A fragment with an offset other than zero: it carries no upper-layer header.
    pub later_fragment: bool,
}

impl PacketKey {
    /// A packet of `protocol` without ports.
    pub fn new(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Self {
            protocol,
            source,
            destination,
            source_port: None,
            destination_port: None,
            icmp: None,
            established: false,
            later_fragment: false,
        }
    }

    /// The same packet with ports.
    pub fn with_ports(mut self, source: u16, destination: u16) -> Self {
        self.source_port = Some(source);
        self.destination_port = Some(destination);
        self
    }

    /// The packet that answers: both ends exchanged.
    pub fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            ..self
        }
    }
}

/// The protocol an entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `ip`: every protocol.
    Any,
    /// One IP protocol number.
    Number(u8),
}

impl Protocol {
    /// ICMP, 1.
    pub const ICMP: Self = Self::Number(1);
    /// TCP, 6.
    pub const TCP: Self = Self::Number(6);
    /// UDP, 17.
    pub const UDP: Self = Self::Number(17);

    /// Whether a packet of `protocol` is meant.
    pub fn matches(self, protocol: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Number(number) => number == protocol,
        }
    }

    /// The number quick mode carries: zero for any.
    pub fn number(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Number(number) => number,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Any => formatter.write_str("ip"),
            Self::Number(number) => match super::protocol_name(number) {
                Some(name) => formatter.write_str(name),
                None => write!(formatter, "{number}"),
            },
        }
    }
}

/// An address and a wildcard: the bits that are one in the wildcard do not count.
///
/// The address is kept with those bits zero, as IOS keeps it: a subnet mask written where the wildcard belongs turns
/// `192.168.3.0 255.255.255.0` into `0.0.0.0 255.255.255.0`. \[S: facts 11.2, LOG-XE1\]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressMatch {
    address: Ipv4Addr,
    wildcard: Ipv4Addr,
}

impl AddressMatch {
    /// `any`.
    pub const ANY: Self = Self { address: Ipv4Addr::UNSPECIFIED, wildcard: Ipv4Addr::BROADCAST };

    /// `address wildcard`.
    pub fn new(address: Ipv4Addr, wildcard: Ipv4Addr) -> Self {
        Self { address: Ipv4Addr::from_bits(address.to_bits() & !wildcard.to_bits()), wildcard }
    }

    /// `host address`.
    pub fn host(address: Ipv4Addr) -> Self {
        Self { address, wildcard: Ipv4Addr::UNSPECIFIED }
    }

    /// The addresses of `network`.
    pub fn network(network: Ipv4Network) -> Self {
        Self::new(network.ip(), Ipv4Addr::from_bits(!network.mask().to_bits()))
    }

    /// The address, with the bits that do not count zero.
    pub fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The bits that do not count.
    pub fn wildcard(self) -> Ipv4Addr {
        self.wildcard
    }

    /// Whether `address` is meant.
    pub fn matches(self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.address.to_bits()) & !self.wildcard.to_bits() == 0
    }

    /// The network it stands for; `None` when the wildcard is not contiguous.
    pub fn as_network(self) -> Option<Ipv4Network> {
        Ipv4Network::with_netmask(self.address, Ipv4Addr::from_bits(!self.wildcard.to_bits())).ok()
    }

    /// Whether every address of `network` is meant.
    pub fn contains(self, network: Ipv4Network) -> bool {
        let free = !network.mask().to_bits();
        free & !self.wildcard.to_bits() == 0 && self.matches(network.ip())
    }

    /// Whether some address of `network` is meant.
    pub fn overlaps(self, network: Ipv4Network) -> bool {
        let free = !network.mask().to_bits() | self.wildcard.to_bits();
        (network.ip().to_bits() ^ self.address.to_bits()) & !free == 0
    }
}

impl fmt::Display for AddressMatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wildcard {
            Ipv4Addr::UNSPECIFIED => write!(formatter, "host {}", self.address),
            Ipv4Addr::BROADCAST => formatter.write_str("any"),
            wildcard => write!(formatter, "{} {wildcard}", self.address),
        }
    }
}

/// The ports an entry asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortMatch {
    /// No condition.
    Any,
    /// `eq P [P ...]`: one of these.
    Eq(Vec<u16>),
    /// `neq P [P ...]`: none of these.
    Neq(Vec<u16>),
    /// `lt P`.
    Lt(u16),
    /// `gt P`.
    Gt(u16),
    /// `range P P`, both ends included.
    Range(u16, u16),
}

impl PortMatch {
    /// Whether `port` is meant; a packet without ports meets only [`PortMatch::Any`].
    pub fn matches(&self, port: Option<u16>) -> bool {
        let Some(port) = port else {
            return *self == Self::Any;
        };
        match self {
            Self::Any => true,
            Self::Eq(ports) => ports.contains(&port),
            Self::Neq(ports) => !ports.contains(&port),
            Self::Lt(limit) => port < *limit,
            Self::Gt(limit) => port > *limit,
            Self::Range(low, high) => (*low..=*high).contains(&port),
        }
    }

    /// The port quick mode would carry: zero for any, `None` when one number cannot say it.
    pub fn single(&self) -> Option<u16> {
        match self {
            Self::Any => Some(0),
            Self::Eq(ports) if ports.len() == 1 => ports.first().copied(),
            _ => None,
        }
    }
}

/// The ICMP message an entry asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IcmpMatch {
    /// The ICMP type.
    pub message: u8,
    /// The code; `None` for every code.
    pub code: Option<u8>,
}

impl IcmpMatch {
    /// Whether a packet with that type and code is meant.
    pub fn matches(self, icmp: Option<(u8, u8)>) -> bool {
        icmp.is_some_and(|(message, code)| message == self.message && self.code.is_none_or(|wanted| wanted == code))
    }
}
