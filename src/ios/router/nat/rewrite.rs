//! Changing addresses and ports in a packet, checksums included.

use std::net::Ipv4Addr;

use super::table::Flow;
use crate::ios::acl::PacketKey;
use crate::wire::ipv4::{Ipv4Packet, checksum, protocol};

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// Gives one end of `packet` another address, and another port (or ICMP echo identifier) when there is one.
pub(super) fn set(packet: &mut Ipv4Packet, side: Side, address: Ipv4Addr, port: Option<u16>) {
    let slot = match side {
        Side::Source => &mut packet.source,
        Side::Destination => &mut packet.destination,
    };
    let before = std::mem::replace(slot, address);
    let covers_addresses = matches!(packet.protocol, protocol::TCP | protocol::UDP);
    let Some(sum_at) = checksum_offset(packet.protocol) else { return };
    let no_checksum = packet.protocol == protocol::UDP && packet.payload.get(6..8) == Some(&[0, 0]);
    let port_at = match (packet.protocol, side) {
        (protocol::ICMP, _) => 4,
        (_, Side::Source) => 0,
        (_, Side::Destination) => 2,
    };
    let old_port = packet.payload.get(port_at..port_at + 2).map(|octets| [octets[0], octets[1]]);
    if let (Some(port), Some(_)) = (port, old_port) {
        packet.payload[port_at..port_at + 2].copy_from_slice(&port.to_be_bytes());
    }
    let Some(sum) = packet.payload.get(sum_at..sum_at + 2).map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
    else {
        return;
    };
    if no_checksum {
        return;
    }
    let mut sum = sum;
    if covers_addresses {
        sum = adjusted(sum, &before.octets(), &address.octets());
    }
    if let (Some(port), Some(old)) = (port, old_port) {
        sum = adjusted(sum, &old, &port.to_be_bytes());
    }
    packet.payload[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
}

fn checksum_offset(number: u8) -> Option<usize> {
    match number {
        protocol::TCP => Some(16),
        protocol::UDP => Some(6),
        protocol::ICMP => Some(2),
        _ => None,
    }
}

/// The checksum after `old` became `new` (RFC 1624, equation 3): a wrong one stays wrong.
fn adjusted(sum: u16, old: &[u8], new: &[u8]) -> u16 {
    let words = |octets: &[u8]| -> Vec<u16> {
        octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    };
    let mut total = u32::from(!sum);
    total += words(old).into_iter().map(|word| u32::from(!word)).sum::<u32>();
    total += words(new).into_iter().map(u32::from).sum::<u32>();
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

/// The start of another packet, as an ICMP error quotes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quoted {
    protocol: u8,
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub source_port: u16,
    pub destination_port: u16,
    header_length: usize,
}

/// Octets of an ICMP error before the packet it quotes.
const QUOTE_AT: usize = 8;

impl Quoted {
    /// What `packet` quotes, when it is an ICMP error about a packet with ports or an echo.
    pub fn of(packet: &Ipv4Packet) -> Option<Self> {
        let is_error = packet.protocol == protocol::ICMP && matches!(packet.payload.first(), Some(3 | 4 | 11 | 12));
        let quote = packet.payload.get(QUOTE_AT..).filter(|_| is_error)?;
        let header_length = usize::from(quote.first()? & 0xf) * 4;
        let ports = quote.get(header_length.max(20)..)?.first_chunk::<8>()?;
        let address = |at: usize| Ipv4Addr::new(quote[at], quote[at + 1], quote[at + 2], quote[at + 3]);
        let number = quote[9];
        let port = |at: usize| u16::from_be_bytes([ports[at], ports[at + 1]]);
        let (source_port, destination_port) = match number {
            protocol::ICMP if matches!(ports[0], 0 | 8) => (port(4), port(4)),
            protocol::TCP | protocol::UDP => (port(0), port(2)),
            _ => (0, 0),
        };
        Some(Self {
            protocol: number,
            source: address(12),
            destination: address(16),
            source_port,
            destination_port,
            header_length: header_length.max(20),
        })
    }

    /// The quoted packet as access lists see it.
    pub fn key(&self) -> PacketKey {
        let key = PacketKey::new(self.protocol, self.source, self.destination);
        match self.protocol {
            protocol::TCP | protocol::UDP => key.with_ports(self.source_port, self.destination_port),
            _ => key,
        }
    }

    /// The flow with the given ends, if the quoted protocol has something to tell flows apart by.
    pub fn flow(&self, address: Ipv4Addr, outside: Ipv4Addr, port: u16, outside_port: u16) -> Option<Flow> {
        let outside_port = match self.protocol {
            protocol::ICMP => 0,
            protocol::TCP | protocol::UDP => outside_port,
            _ => return None,
        };
        Some(Flow { protocol: self.protocol, address, port, outside, outside_port })
    }
}

/// Gives one end of the packet quoted in `packet` another address and port; header and ICMP checksum are made anew. The
/// checksum of the quoted transport header, if quoted at all, is left as it is.
pub(super) fn set_quoted(packet: &mut Ipv4Packet, quoted: &Quoted, side: Side, address: Ipv4Addr, port: Option<u16>) {
    let quote = &mut packet.payload[QUOTE_AT..];
    let address_at = if side == Side::Source { 12 } else { 16 };
    quote[address_at..address_at + 4].copy_from_slice(&address.octets());
    quote[10..12].copy_from_slice(&[0, 0]);
    let sum = checksum(&[&quote[..quoted.header_length]]);
    quote[10..12].copy_from_slice(&sum.to_be_bytes());
    let port_at = match (quoted.protocol, side) {
        (protocol::ICMP, _) => Some(4),
        (protocol::TCP | protocol::UDP, Side::Source) => Some(0),
        (protocol::TCP | protocol::UDP, Side::Destination) => Some(2),
        _ => None,
    };
    if let (Some(port), Some(at)) = (port, port_at) {
        let at = quoted.header_length + at;
        quote[at..at + 2].copy_from_slice(&port.to_be_bytes());
    }
    packet.payload[2..4].copy_from_slice(&[0, 0]);
    let sum = checksum(&[&packet.payload]);
    packet.payload[2..4].copy_from_slice(&sum.to_be_bytes());
}
