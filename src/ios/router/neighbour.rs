//! The Ethernet side: frames in and out, ARP.

use std::net::Ipv4Addr;

use super::arp::Wait;
use super::interface::PortId;
use super::nat;
use super::route::Hop;
use super::{Output, Router};
use crate::ios::config::InterfaceName;
use crate::wire::ethernet::{ArpPacket, Frame, MacAddress, ethertype};

impl Router {
    pub(super) fn receive_frame(&mut self, interface: &InterfaceName, octets: &[u8]) {
        let Some(id) = self.port_named(interface).filter(|id| self.port(*id).is_up() && self.port(*id).has_link())
        else {
            return;
        };
        let port = &mut self.ports[id.0];
        port.counters.packets_in += 1;
        port.counters.octets_in += octets.len() as u64;
        let Ok(frame) = Frame::parse(octets) else {
            port.counters.input_errors += 1;
            return;
        };
        // Multicast and other protocols are common and harmless; nothing here listens to them.
        let for_us = frame.destination == port.mac || frame.destination == MacAddress::BROADCAST;
        match frame.ethertype {
            ethertype::ARP if for_us => self.receive_arp(id, frame.payload),
            ethertype::IPV4 if for_us => self.receive_packet(id, frame.payload),
            _ => self.ports[id.0].counters.ignored += 1,
        }
    }

    fn receive_arp(&mut self, id: PortId, octets: &[u8]) {
        let Ok(arp) = ArpPacket::parse(octets) else {
            self.ports[id.0].counters.input_errors += 1;
            return;
        };
        let port = self.port(id);
        let mac = port.mac;
        // A probe asks on behalf of no address (RFC 5227): it teaches nothing. Nor does anybody have our address.
        let sender = arp.sender_address;
        let teaches = !sender.is_unspecified()
            && !port.owns(sender)
            && !arp.sender_mac.is_multicast()
            && port.addresses.iter().any(|network| network.contains(sender) || network.prefix() == 32);
        if teaches {
            let asked = port.owns(arp.target_address);
            let released = self.arp.learn(self.now, id, sender, arp.sender_mac, asked && !arp.reply);
            for packet in released {
                self.send_frame(id, arp.sender_mac, ethertype::IPV4, &packet);
            }
        }
        if !arp.reply && self.answers_arp(id, &arp) {
            let answer = ArpPacket {
                reply: true,
                sender_mac: mac,
                sender_address: arp.target_address,
                target_mac: arp.sender_mac,
                target_address: arp.sender_address,
            };
            self.send_frame(id, arp.sender_mac, ethertype::ARP, &answer.to_bytes());
        }
    }

    /// Its own addresses, the addresses it translates to, and, as `ip proxy-arp` is on by default \[R\], those it routes
    /// to by another interface.
    fn answers_arp(&self, id: PortId, arp: &ArpPacket) -> bool {
        let port = self.port(id);
        let target = arp.target_address;
        if port.owns(target) {
            return true;
        }
        let is_near = port.addresses.iter().any(|network| network.contains(target));
        if is_near {
            return nat::is_global(&self.config, target);
        }
        let sender_is_near = port.addresses.iter().any(|network| network.contains(arp.sender_address));
        sender_is_near && self.routes.lookup(target).is_some_and(|hop| hop.port != id)
    }

    /// Sends a packet to a neighbour, when need be after asking for its MAC address.
    pub(super) fn send_to(&mut self, hop: Hop, packet: Vec<u8>) {
        let port = self.port(hop.port);
        if !port.is_up() || !port.has_link() {
            self.ports[hop.port.0].counters.output_drops += 1;
            return;
        }
        let neighbour = port.sole_neighbour().unwrap_or(hop.neighbour);
        if port.is_broadcast(neighbour) {
            self.send_frame(hop.port, MacAddress::BROADCAST, ethertype::IPV4, &packet);
            return;
        }
        if let Some(mac) = self.arp.resolve(self.now, hop.port, neighbour) {
            self.send_frame(hop.port, mac, ethertype::IPV4, &packet);
            return;
        }
        match self.arp.wait(self.now, hop.port, neighbour, packet) {
            Wait::Ask => self.ask_for(hop.port, neighbour),
            Wait::Queued => {}
            Wait::Dropped => self.ports[hop.port.0].counters.output_drops += 1,
        }
    }

    pub(super) fn neighbours_due(&mut self) {
        let due = self.arp.handle_timeout(self.now);
        for (id, neighbour) in due.ask {
            self.ask_for(id, neighbour);
        }
        for (id, packets) in due.dropped {
            self.ports[id.0].counters.output_drops += packets as u64;
        }
    }

    fn ask_for(&mut self, id: PortId, neighbour: Ipv4Addr) {
        let port = self.port(id);
        let Some(address) = port.address_towards(neighbour) else { return };
        let request = ArpPacket {
            reply: false,
            sender_mac: port.mac,
            sender_address: address,
            target_mac: MacAddress([0; 6]),
            target_address: neighbour,
        };
        self.send_frame(id, MacAddress::BROADCAST, ethertype::ARP, &request.to_bytes());
    }

    fn send_frame(&mut self, id: PortId, destination: MacAddress, ethertype: u16, payload: &[u8]) {
        let port = &mut self.ports[id.0];
        let octets = Frame { destination, source: port.mac, ethertype, payload }.to_bytes();
        port.counters.packets_out += 1;
        port.counters.octets_out += octets.len() as u64;
        self.outputs.push_back(Output::Frame { interface: port.name.clone(), octets });
    }
}
