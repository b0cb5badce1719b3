//! The way of a packet through the router.

use super::Router;
use super::crypto::{ISAKMP_PORT, NAT_PORT};
use super::filter::packet_key;
use super::interface::PortId;
use super::nat::Outbound;
use super::route::Hop;
use crate::ios::acl::Action;
use crate::ios::config::NatSide;
use crate::ios::event::DropReason;
use crate::wire::icmp::unreachable;
use crate::wire::ipv4::{Ipv4Packet, protocol};

impl Router {
    /// A packet came by `id`.
    pub(super) fn receive_packet(&mut self, id: PortId, octets: &[u8]) {
        let Ok(packet) = Ipv4Packet::parse(octets) else {
            self.ports[id.0].counters.input_errors += 1;
            return;
        };
        let source = packet.source;
        if source.is_multicast() || source.is_broadcast() || source.is_loopback() || self.port_with(source).is_some() {
            self.drop_packet(Some(id), &packet, DropReason::Malformed);
            return;
        }
        if packet.destination.is_multicast() {
            self.drop_packet(Some(id), &packet, DropReason::NotForUs);
            return;
        }
        if !self.input_permits(id, &packet) {
            self.drop_packet(Some(id), &packet, DropReason::AccessList);
            self.send_unreachable(Some(id), &packet, unreachable::ADMINISTRATIVELY_PROHIBITED, 0);
            return;
        }
        // Translation needs the ports, which only the first fragment has: IOS reassembles there too.
        let wants_whole = self.is_for_us(id, &packet) || self.port(id).nat.is_some();
        if !(packet.is_fragment() && wants_whole) {
            self.accept(id, packet);
        } else if let Some(whole) = self.reassembler.take(self.now, packet) {
            self.accept(id, whole);
        }
    }

    /// A packet that the input access list let pass.
    fn accept(&mut self, id: PortId, packet: Ipv4Packet) {
        if !self.is_vpn(&packet) && self.should_be_protected(id, &packet) {
            self.refuse_unprotected(id, &packet);
        } else {
            self.translate_and_route(id, packet);
        }
    }

    /// IKE, ESP and AH to the router are never expected inside ESP.
    fn is_vpn(&self, packet: &Ipv4Packet) -> bool {
        let key = packet_key(packet);
        let ike = packet.protocol == protocol::UDP && matches!(key.destination_port, Some(ISAKMP_PORT | NAT_PORT));
        let ipsec = matches!(packet.protocol, protocol::ESP | protocol::AH);
        (ike || ipsec) && self.port_with(packet.destination).is_some()
    }

    /// A packet in clear: as it came, or decrypted.
    pub(super) fn translate_and_route(&mut self, id: PortId, mut packet: Ipv4Packet) {
        if self.port(id).nat == Some(NatSide::Outside) {
            self.nat.inbound(self.now, &self.config, &mut packet);
        }
        if self.is_for_us(id, &packet) {
            self.receive_own(id, &packet);
        } else {
            self.forward(id, packet);
        }
    }

    fn forward(&mut self, id: PortId, mut packet: Ipv4Packet) {
        if packet.ttl <= 1 {
            self.drop_packet(Some(id), &packet, DropReason::TtlExpired);
            self.send_time_exceeded(Some(id), &packet);
            return;
        }
        let hop = self.routes.lookup(packet.destination).filter(|hop| !self.port(hop.port).name.is_null());
        let Some(hop) = hop else {
            // IOS says host unreachable, not network unreachable, when no route leads there. [R]
            self.drop_packet(Some(id), &packet, DropReason::NoRoute);
            self.send_unreachable(Some(id), &packet, unreachable::HOST, 0);
            return;
        };
        if self.port(hop.port).is_broadcast(packet.destination) {
            // `no ip directed-broadcast` is the default.
            self.drop_packet(Some(id), &packet, DropReason::NotForUs);
            return;
        }
        packet.ttl -= 1;
        let original = packet.clone();
        let crosses = self.port(id).nat == Some(NatSide::Inside) && self.port(hop.port).nat == Some(NatSide::Outside);
        if crosses && self.nat.outbound(self.now, &self.config, &mut packet) == Outbound::Failed {
            self.drop_packet(Some(id), &packet, DropReason::NoTranslation);
            self.send_unreachable(Some(id), &original, unreachable::HOST, 0);
            return;
        }
        self.transmit(id, hop, packet, &original);
    }

    /// Sends a packet that came by `id` and was `original` before translation.
    fn transmit(&mut self, id: PortId, hop: Hop, packet: Ipv4Packet, original: &Ipv4Packet) {
        let Some(packet) = self.protect(Some(id), hop.port, packet, original) else { return };
        if !self.output_permits(hop.port, &packet) {
            self.drop_packet(Some(id), &packet, DropReason::AccessList);
            self.send_unreachable(Some(id), original, unreachable::ADMINISTRATIVELY_PROHIBITED, 0);
            return;
        }
        let mtu = self.port(hop.port).mtu;
        if packet.dont_fragment && packet.total_length() > mtu {
            self.drop_packet(Some(id), &packet, DropReason::TooBig);
            self.send_unreachable(Some(id), original, unreachable::FRAGMENTATION_NEEDED, mtu);
            return;
        }
        self.send_fragments(hop, &packet);
    }

    /// Sends a packet of the router's own: output access lists do not apply to it. \[R\]
    pub(super) fn transmit_own(&mut self, hop: Hop, packet: Ipv4Packet) {
        let original = packet.clone();
        if let Some(packet) = self.protect(None, hop.port, packet, &original) {
            self.send_fragments(hop, &packet);
        }
    }

    /// Sends ESP, made of a packet that came by `from`, by the route to the peer. The output access list sees ESP. \[R\]
    pub(super) fn transmit_protected(&mut self, from: Option<PortId>, packet: Ipv4Packet) {
        let Some(hop) = self.routes.lookup(packet.destination) else {
            self.drop_packet(from, &packet, DropReason::NoRoute);
            return;
        };
        if !self.output_permits(hop.port, &packet) {
            self.drop_packet(from, &packet, DropReason::AccessList);
            return;
        }
        self.send_fragments(hop, &packet);
    }

    pub(super) fn send_fragments(&mut self, hop: Hop, packet: &Ipv4Packet) {
        for fragment in packet.fragment(self.port(hop.port).mtu) {
            self.send_to(hop, fragment.to_bytes());
        }
    }

    fn input_permits(&self, id: PortId, packet: &Ipv4Packet) -> bool {
        let list = self.port(id).access_group_in.as_ref();
        list.is_none_or(|list| self.config.filter(list, &packet_key(packet)) == Action::Permit)
    }

    fn output_permits(&self, id: PortId, packet: &Ipv4Packet) -> bool {
        let list = self.port(id).access_group_out.as_ref();
        list.is_none_or(|list| self.config.filter(list, &packet_key(packet)) == Action::Permit)
    }

    /// Whether a packet ends here: at any address of the router, or at everybody on the link it came by.
    fn is_for_us(&self, id: PortId, packet: &Ipv4Packet) -> bool {
        self.port_with(packet.destination).is_some() || self.port(id).is_broadcast(packet.destination)
    }
}
