//! The two links: frames in and out, and ARP on both sides of it.

use std::net::Ipv4Addr;

use super::neighbours::NextHop;
use super::{Attachment, Internet, Output, Side, Transit};
use crate::wire::ethernet::{ArpPacket, Frame, MacAddress, ethertype};
use crate::wire::ipv4::Ipv4Packet;

impl Internet {
    pub(super) fn receive(&mut self, side: Side, bytes: &[u8]) {
        let Ok(frame) = Frame::parse(bytes) else { return };
        let ours = self.attachment(side).mac;
        if frame.destination != ours && !frame.destination.is_multicast() {
            return;
        }
        match frame.ethertype {
            ethertype::ARP => self.receive_arp(side, frame.payload),
            ethertype::IPV4 if frame.destination == ours => {
                if let Ok(packet) = Ipv4Packet::parse(frame.payload) {
                    self.receive_packet(side, packet);
                }
            }
            _ => {}
        }
    }

    fn receive_arp(&mut self, side: Side, payload: &[u8]) {
        let Ok(arp) = ArpPacket::parse(payload) else { return };
        let waiting = self.port(side).neighbours.learn(arp.sender_address, arp.sender_mac);
        for transit in waiting {
            self.put_on_link(transit.to, arp.sender_mac, &transit.packet);
        }
        // Somebody who asks for the address it sends from looks for a duplicate.
        if arp.reply || arp.target_address == arp.sender_address || !self.stands_for(side, arp.target_address) {
            return;
        }
        let sender_mac = self.attachment(side).mac;
        let reply = ArpPacket {
            reply: true,
            sender_mac,
            sender_address: arp.target_address,
            target_mac: arp.sender_mac,
            target_address: arp.sender_address,
        };
        let payload = reply.to_bytes();
        let frame =
            Frame { destination: arp.sender_mac, source: sender_mac, ethertype: ethertype::ARP, payload: &payload };
        self.outputs.push_back(Output::Frame { side, bytes: frame.to_bytes() });
    }

    /// Whether it answers ARP on this port for `address`: its own, those elsewhere, and the other side's peer where both
    /// sides share one network (proxy ARP, RFC 1027).
    fn stands_for(&self, side: Side, address: Ipv4Addr) -> bool {
        let here = self.attachment(side);
        let translated = self.nat.as_ref().is_some_and(|nat| side == Side::Cisco && nat.public() == address);
        address == here.address
            || translated
            || (address != here.peer && !here.subnet.contains(address))
            || (address == self.attachment(side.other()).peer && address != here.peer)
    }

    pub(super) fn send(&mut self, transit: Transit) {
        let (to, now) = (transit.to, self.now);
        let port = self.port(to);
        let attachment = &port.attachment;
        let on_link = attachment.subnet.contains(transit.packet.destination);
        let next_hop = if on_link { transit.packet.destination } else { attachment.peer };
        match port.neighbours.resolve(now, next_hop, transit) {
            NextHop::Known(mac, transit) => self.put_on_link(to, mac, &transit.packet),
            NextHop::Ask => self.ask(to, next_hop),
            NextHop::Asked => {}
        }
    }

    pub(super) fn ask(&mut self, side: Side, target_address: Ipv4Addr) {
        let Attachment { mac, address, .. } = *self.attachment(side);
        let request = ArpPacket {
            reply: false,
            sender_mac: mac,
            sender_address: address,
            target_mac: MacAddress([0; 6]),
            target_address,
        };
        let payload = request.to_bytes();
        let frame =
            Frame { destination: MacAddress::BROADCAST, source: mac, ethertype: ethertype::ARP, payload: &payload };
        self.outputs.push_back(Output::Frame { side, bytes: frame.to_bytes() });
    }

    fn put_on_link(&mut self, side: Side, destination: MacAddress, packet: &Ipv4Packet) {
        let source = self.attachment(side).mac;
        let payload = packet.to_bytes();
        let frame = Frame { destination, source, ethertype: ethertype::IPV4, payload: &payload };
        self.outputs.push_back(Output::Frame { side, bytes: frame.to_bytes() });
    }
}
