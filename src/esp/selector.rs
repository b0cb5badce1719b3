//! Which packets an SA or a policy is for.

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::wire::ipv4::{Ipv4Packet, Ipv4Prefix, protocol};

/// What a packet is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// IP protocol.
    pub protocol: u8,
    /// Source and destination port; `None` where the protocol has none and in fragments without the first octets.
    pub ports: Option<(u16, u16)>,
}

const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

impl Flow {
    /// The flow of a packet given as octets; `None` when these are no IPv4 header. The checksum is not looked at.
    pub fn of_octets(packet: &[u8]) -> Option<Self> {
        let header = packet.get(..Ipv4Packet::HEADER_LEN)?;
        let header_len = usize::from(header[0] & 0xf) * 4;
        if header[0] >> 4 != 4 || header_len < Ipv4Packet::HEADER_LEN {
            return None;
        }
        let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
        let first_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff == 0;
        let payload = packet.get(header_len..).filter(|_| first_fragment).unwrap_or_default();
        Some(Self::new(address(12), address(16), header[9], payload))
    }

    /// The flow of a packet.
    pub fn of(packet: &Ipv4Packet) -> Self {
        let payload = if packet.fragment_offset == 0 { &packet.payload[..] } else { &[] };
        Self::new(packet.source, packet.destination, packet.protocol, payload)
    }

    fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Self {
        let ports = match (protocol, payload) {
            (protocol::TCP | protocol::UDP | SCTP | UDP_LITE, &[s0, s1, d0, d1, ..]) => {
                Some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])))
            }
            _ => None,
        };
        Self { source, destination, protocol, ports }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, .. } = self;
        match self.ports {
            Some((from, to)) => write!(formatter, "{source}:{from} -> {destination}:{to} protocol {protocol}"),
            None => write!(formatter, "{source} -> {destination} protocol {protocol}"),
        }
    }
}

/// The packets of one direction that an SA or a policy is for, in the direction they travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Selector {
    /// Source network.
    pub source: Ipv4Prefix,
    /// Destination network.
    pub destination: Ipv4Prefix,
    /// IP protocol; `None` is any.
    pub protocol: Option<u8>,
    /// Source port; `None` is any, and the only value that packets without ports match.
    pub source_port: Option<u16>,
    /// Destination port, likewise.
    pub destination_port: Option<u16>,
}

impl Selector {
    /// Every packet.
    pub const ANY: Self = Self::between(Ipv4Prefix::ANY, Ipv4Prefix::ANY);

    /// All packets from one network to another.
    pub const fn between(source: Ipv4Prefix, destination: Ipv4Prefix) -> Self {
        Self { source, destination, protocol: None, source_port: None, destination_port: None }
    }

    /// The packets that travel the other way.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            protocol: self.protocol,
            source_port: self.destination_port,
            destination_port: self.source_port,
        }
    }

    /// Whether the packet is one of them.
    pub fn matches(&self, flow: &Flow) -> bool {
        let port = |wanted: Option<u16>, found: Option<u16>| wanted.is_none() || wanted == found;
        self.source.contains(flow.source)
            && self.destination.contains(flow.destination)
            && self.protocol.is_none_or(|protocol| protocol == flow.protocol)
            && port(self.source_port, flow.ports.map(|(source, _)| source))
            && port(self.destination_port, flow.ports.map(|(_, destination)| destination))
    }

    /// Whether every packet of `other` is one of them.
    pub fn covers(&self, other: &Self) -> bool {
        fn within<T: PartialEq>(wide: Option<T>, narrow: Option<T>) -> bool {
            wide.is_none() || wide == narrow
        }
        self.source.covers(other.source)
            && self.destination.covers(other.destination)
            && within(self.protocol, other.protocol)
            && within(self.source_port, other.source_port)
            && within(self.destination_port, other.destination_port)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |formatter: &mut fmt::Formatter<'_>, prefix: Ipv4Prefix, port: Option<u16>| match port {
            Some(port) => write!(formatter, "{prefix}:{port}"),
            None => write!(formatter, "{prefix}"),
        };
        side(formatter, self.source, self.source_port)?;
        formatter.write_str(" -> ")?;
        side(formatter, self.destination, self.destination_port)?;
        self.protocol.map_or(Ok(()), |protocol| write!(formatter, " protocol {protocol}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Ipv4Prefix {
        text.parse().unwrap()
    }

    fn udp(source: [u8; 4], destination: [u8; 4]) -> Ipv4Packet {
        Ipv4Packet::new(protocol::UDP, source.into(), destination.into(), vec![0x01, 0xf4, 0x11, 0x94, 0, 8, 0, 0])
    }

    #[test]
    fn flows_of_packets_and_octets_are_the_same() {
        let packet = udp([10, 1, 0, 1], [10, 2, 0, 1]);
        let flow = Flow::of(&packet);
        assert_eq!(flow.ports, Some((500, 4500)));
        assert_eq!(flow.to_string(), "10.1.0.1:500 -> 10.2.0.1:4500 protocol 17");
        assert_eq!(Flow::of_octets(&packet.to_bytes()), Some(flow));
        let fragment = Ipv4Packet { fragment_offset: 1, options: vec![1; 8], ..packet };
        assert_eq!(Flow::of(&fragment).ports, None);
        assert_eq!(Flow::of_octets(&fragment.to_bytes()), Some(Flow::of(&fragment)));
        assert_eq!(Flow::of_octets(&[0x60; 40]), None);
        assert_eq!(Flow::of_octets(&[0x45; 19]), None);
    }

    #[test]
    fn a_port_matches_only_packets_that_have_it() {
        let subnets = Selector::between(prefix("10.1.0.0/24"), prefix("10.2.0.0/24"));
        let to_4500 = Selector { protocol: Some(17), destination_port: Some(4500), ..subnets };
        let flow = Flow::of(&udp([10, 1, 0, 1], [10, 2, 0, 1]));
        assert!(subnets.matches(&flow) && to_4500.matches(&flow));
        assert!(!to_4500.matches(&Flow { ports: None, ..flow }));
        assert!(!to_4500.matches(&Flow { protocol: 6, ..flow }));
        assert!(!to_4500.reversed().matches(&flow));
        assert!(!subnets.matches(&Flow { destination: Ipv4Addr::new(10, 2, 1, 1), ..flow }));
        assert_eq!(to_4500.to_string(), "10.1.0.0/24 -> 10.2.0.0/24:4500 protocol 17");
    }

    #[test]
    fn the_wider_covers_the_narrower() {
        let wide = Selector::between(prefix("10.0.0.0/8"), Ipv4Prefix::ANY);
        let narrow = Selector { protocol: Some(6), ..Selector::between(prefix("10.1.0.0/24"), prefix("10.2.0.0/24")) };
        assert!(wide.covers(&narrow) && !narrow.covers(&wide) && narrow.covers(&narrow));
        assert!(Selector::ANY.covers(&wide));
    }
}
