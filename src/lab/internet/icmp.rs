//! What the internet says by itself: answers to pings of its own addresses, and errors about packets it does not forward.

use std::net::Ipv4Addr;

use super::{Internet, Side, Transit};
use crate::wire::icmp::{IcmpMessage, unreachable};
use crate::wire::ipv4::{Ipv4Packet, protocol};

impl Internet {
    /// Answers a packet to one of its own addresses: echo requests; of UDP it says that nobody listens.
    pub(super) fn answer(&mut self, from: Side, packet: &Ipv4Packet) {
        if packet.is_fragment() {
            return;
        }
        match packet.protocol {
            protocol::ICMP => {
                let Ok(IcmpMessage::EchoRequest { identifier, sequence, data }) = IcmpMessage::parse(&packet.payload)
                else {
                    return;
                };
                let reply = IcmpMessage::EchoReply { identifier, sequence, data };
                self.originate(from, packet.destination, packet.source, &reply);
            }
            protocol::UDP => {
                let message =
                    IcmpMessage::Unreachable { code: unreachable::PORT, mtu: 0, original: IcmpMessage::quote(packet) };
                self.originate(from, packet.destination, packet.source, &message);
            }
            _ => {}
        }
    }

    pub(super) fn unreachable(&mut self, transit: &Transit, code: u8, mtu: u16) {
        let original = IcmpMessage::quote(&transit.original);
        self.complain(transit.from, &transit.original, IcmpMessage::Unreachable { code, mtu, original });
    }

    /// Sends an ICMP error about `packet` back where it came from, unless it is about an error itself (RFC 1122 3.2.2).
    pub(super) fn complain(&mut self, from: Side, packet: &Ipv4Packet, error: IcmpMessage) {
        let about_icmp = packet.protocol == protocol::ICMP && !matches!(packet.payload.first(), Some(0 | 8));
        if about_icmp || packet.fragment_offset != 0 || packet.source.is_unspecified() {
            return;
        }
        let source = self.attachment(from).address;
        self.originate(from, source, packet.source, &error);
    }

    fn originate(&mut self, to: Side, source: Ipv4Addr, destination: Ipv4Addr, message: &IcmpMessage) {
        self.identification = self.identification.wrapping_add(1);
        let packet = Ipv4Packet {
            identification: self.identification,
            ..Ipv4Packet::new(protocol::ICMP, source, destination, message.to_bytes())
        };
        self.send(Transit { from: to, to, original: packet.clone(), packet });
    }
}
