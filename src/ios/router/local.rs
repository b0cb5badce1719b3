//! Packets to and from the router itself.

use std::net::Ipv4Addr;

use super::crypto::{ISAKMP_PORT, NAT_PORT};
use super::interface::PortId;
use super::route::Hop;
use super::{OWN_TTL, Router};
use crate::ios::event::DropReason;
use crate::wire::Spi;
use crate::wire::icmp::{IcmpMessage, unreachable};
use crate::wire::ipv4::{Ipv4Packet, checksum, protocol};
use crate::wire::udp::UdpDatagram;

/// Code of an unreachable for a protocol nobody speaks (RFC 792).
const PROTOCOL_UNREACHABLE: u8 = 2;

impl Router {
    /// Takes a whole packet to one of the router's addresses, or to everybody on the link.
    pub(super) fn receive_own(&mut self, port: PortId, packet: &Ipv4Packet) {
        match packet.protocol {
            protocol::ICMP => self.receive_icmp(port, packet),
            protocol::UDP => self.receive_udp(port, packet),
            protocol::ESP => self.receive_esp(port, packet, &packet.payload, None),
            protocol::AH => self.receive_ah(port, packet),
            protocol::TCP => self.refuse_tcp(port, packet),
            _ => self.send_unreachable(Some(port), packet, PROTOCOL_UNREACHABLE, 0),
        }
    }

    fn receive_icmp(&mut self, port: PortId, packet: &Ipv4Packet) {
        match IcmpMessage::parse(&packet.payload) {
            Ok(IcmpMessage::EchoRequest { identifier, sequence, data }) => {
                let answer = IcmpMessage::EchoReply { identifier, sequence, data };
                let asked = self.port_with(packet.destination).map(|_| packet.destination);
                let source = asked.or_else(|| self.port(port).address_towards(packet.source));
                self.send_own(protocol::ICMP, source, packet.source, packet.tos, answer.to_bytes());
            }
            Ok(IcmpMessage::Unreachable { code: unreachable::FRAGMENTATION_NEEDED, mtu, original }) => {
                self.path_is_narrower(mtu.into(), &original);
            }
            Ok(_) => {}
            Err(_) => self.drop_packet(Some(port), packet, DropReason::Malformed),
        }
    }

    /// AH is not negotiated here, so its SPI, behind next header, length and two reserved octets, is never known.
    fn receive_ah(&mut self, port: PortId, packet: &Ipv4Packet) {
        match packet.payload.get(4..8) {
            Some(&[a, b, c, d]) => {
                self.unknown_spi(port, packet, Spi(u32::from_be_bytes([a, b, c, d])), protocol::AH);
            }
            _ => self.drop_packet(Some(port), packet, DropReason::Malformed),
        }
    }

    fn receive_udp(&mut self, port: PortId, packet: &Ipv4Packet) {
        match UdpDatagram::parse(&packet.payload, packet.source, packet.destination) {
            Ok(datagram) if self.ike_runs() && is_ike(datagram.destination_port) => {
                self.receive_ike(port, packet, &datagram);
            }
            // To IKE that does not run too. [R: facts 6.3]
            Ok(_) => self.send_unreachable(Some(port), packet, unreachable::PORT, 0),
            Err(_) => self.drop_packet(Some(port), packet, DropReason::Malformed),
        }
    }

    /// Nothing listens: a segment without RST is answered with one (RFC 9293 3.10.7.1).
    fn refuse_tcp(&mut self, port: PortId, packet: &Ipv4Packet) {
        let segment = packet.payload.as_slice();
        let length = segment.len() as u16;
        let pseudo = Ipv4Packet::pseudo_header(packet.source, packet.destination, protocol::TCP, length);
        if segment.len() < 20 || checksum(&[&pseudo, segment]) != 0 {
            self.drop_packet(Some(port), packet, DropReason::Malformed);
            return;
        }
        let (data_offset, flags) = (usize::from(segment[12] >> 4) * 4, segment[13]);
        let (is_rst, has_ack) = (flags & 0x04 != 0, flags & 0x10 != 0);
        if is_rst {
            return;
        }
        let number = |at: usize| u32::from_be_bytes([segment[at], segment[at + 1], segment[at + 2], segment[at + 3]]);
        let occupied = u32::from(flags & 0x02 != 0) + u32::from(flags & 0x01 != 0);
        let carried = (segment.len().saturating_sub(data_offset)) as u32 + occupied;
        let (sequence, acknowledged, answer_flags) =
            if has_ack { (number(8), 0, 0x04) } else { (0, number(4).wrapping_add(carried), 0x14) };
        let mut answer = [&segment[2..4], &segment[..2]].concat();
        answer.extend_from_slice(&sequence.to_be_bytes());
        answer.extend_from_slice(&acknowledged.to_be_bytes());
        answer.extend_from_slice(&[0x50, answer_flags, 0, 0, 0, 0, 0, 0]);
        let pseudo = Ipv4Packet::pseudo_header(packet.destination, packet.source, protocol::TCP, 20);
        let sum = checksum(&[&pseudo, &answer]);
        answer[16..18].copy_from_slice(&sum.to_be_bytes());
        self.send_own(protocol::TCP, Some(packet.destination), packet.source, 0, answer);
    }

    /// Sends a packet of the router's own; without a source, from the interface it leaves by.
    pub(super) fn send_own(
        &mut self,
        protocol: u8,
        source: Option<Ipv4Addr>,
        destination: Ipv4Addr,
        tos: u8,
        payload: Vec<u8>,
    ) {
        let hop = self.routes.lookup(destination);
        let near = |hop: Hop| self.port(hop.port).address_towards(hop.neighbour);
        let source = source.or_else(|| hop.and_then(near)).unwrap_or(Ipv4Addr::UNSPECIFIED);
        let identification = self.next_identification();
        let packet =
            Ipv4Packet { tos, ttl: OWN_TTL, identification, ..Ipv4Packet::new(protocol, source, destination, payload) };
        match hop {
            Some(_) if source.is_unspecified() => {}
            Some(hop) => self.transmit_own(hop, packet),
            None => self.drop_packet(None, &packet, DropReason::NoRoute),
        }
    }
}

fn is_ike(port: u16) -> bool {
    port == ISAKMP_PORT || port == NAT_PORT
}
