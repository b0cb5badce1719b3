//! Packets through the policies and the SAs.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::association::{Association, AssociationId};
use super::policy::Treatment;
use super::{DropReason, KeyEngine, KeyEvent, Output};
use crate::esp::{Decapsulated, EspError, Flow, Mode};
use crate::pfkey::message::Direction;
use crate::time::Instant;
use crate::wire::ipv4::{Ipv4Packet, checksum, protocol};

impl KeyEngine {
    /// A packet that leaves.
    pub(super) fn outbound(&mut self, now: Instant, packet: &[u8]) {
        let Some(flow) = Flow::of_octets(packet) else { return self.drop_packet(DropReason::NotIpv4) };
        let Some(policy) = self.policies.find(now, Direction::Outbound, &flow) else {
            return self.drop_packet(DropReason::NoPolicy(flow));
        };
        let (id, priority) = (policy.id, policy.priority);
        let ends = match policy.treatment {
            Treatment::Discard => return self.drop_packet(DropReason::Discarded { policy: id, flow }),
            Treatment::Bypass => return self.drop_packet(DropReason::NoPolicy(flow)),
            Treatment::Protect(requirement) => requirement.ends_for(&flow),
        };
        let chosen = self.associations.choose(&ends).and_then(|chosen| self.associations.get(chosen));
        let Some(association) = chosen else { return self.wait(now, ends, (id, priority), flow, packet) };
        let (nat, Some(data)) = (association.nat, association.data) else { return };
        match self.associations.sad.encapsulate(now, data, packet, &mut self.rng) {
            Ok(octets) => self.outputs.push_back(match nat {
                Some(nat) => Output::EspInUdp {
                    local: SocketAddrV4::new(ends.source, nat.source_port),
                    remote: SocketAddrV4::new(ends.destination, nat.destination_port),
                    octets,
                },
                None => Output::Esp { destination: ends.destination, octets },
            }),
            Err(error) => self.drop_packet(DropReason::Outbound { flow, error }),
        }
    }

    /// An ESP packet; `udp` is where it came from when it came in UDP.
    pub(super) fn inbound(&mut self, now: Instant, source: Ipv4Addr, udp: Option<SocketAddrV4>, octets: &[u8]) {
        let known = self.associations.inbound(octets);
        if let Some(spi) = known.filter(|(_, sa)| sa.nat.is_some() != udp.is_some()).map(|(_, sa)| sa.spi) {
            return self.drop_packet(DropReason::WrongEncapsulation { spi, udp: udp.is_some() });
        }
        let known = known.map(|(id, _)| id);
        let opened = match self.associations.sad.decapsulate(now, octets) {
            Ok((_, opened)) => opened,
            Err(error) => return self.drop_packet(DropReason::Inbound { source_address: source, error }),
        };
        let found = known.and_then(|id| Some((id, self.associations.get(id)?)));
        let Some((id, association)) = found else { return };
        let (spi, ends) = (association.spi, association.ends);
        let packet = match inner_packet(association, source, opened) {
            Ok(packet) => packet,
            Err(error) => return self.drop_packet(DropReason::Inbound { source_address: source, error }),
        };
        if let Some(remote) = udp {
            self.follow(id, remote);
        }
        let Some(flow) = Flow::of_octets(&packet) else { return self.drop_packet(DropReason::NotIpv4) };
        // Whether the packet is for this host or passes through it only routing knows: either policy may let it in.
        let mut directions = [Direction::Inbound, Direction::Forward].into_iter();
        let admitted = directions.any(|direction| match self.policies.find(now, direction, &flow) {
            Some(policy) => match policy.treatment {
                Treatment::Discard => false,
                Treatment::Bypass => true,
                Treatment::Protect(requirement) => requirement.admits(&ends),
            },
            // As Linux: what came through a tunnel needs a policy, what came through a transport SA does not.
            None => !ends.tunnel,
        });
        if admitted {
            self.outputs.push_back(Output::Inner(packet));
        } else {
            self.drop_packet(DropReason::InboundPolicy { flow, spi });
        }
    }

    /// Notices that the peer's NAT has another mapping now.
    fn follow(&mut self, id: AssociationId, remote: SocketAddrV4) {
        let Some(association) = self.associations.get_mut(id) else { return };
        let Some(nat) = association.nat else { return };
        let known = SocketAddrV4::new(association.ends.source, nat.source_port);
        if remote == association.seen_at.unwrap_or(known) {
            return;
        }
        association.seen_at = Some(remote);
        let association = association.clone();
        self.tell_mapping(&association, nat, remote);
        let sa = self.associations.summary(&association);
        self.event(KeyEvent::MappingChanged { sa, remote });
    }
}

/// The packet that came out of an SA; in transport mode behind a header like that of the ESP packet.
fn inner_packet(association: &Association, source: Ipv4Addr, opened: Decapsulated) -> Result<Vec<u8>, EspError> {
    match association.mode() {
        Mode::Tunnel => Ok(opened.payload),
        Mode::Transport => {
            let destination = association.ends.destination;
            let mut packet = Ipv4Packet::new(opened.next_header, source, destination, opened.payload);
            if packet.total_length() > usize::from(u16::MAX) {
                return Err(EspError::TooLong(packet.total_length()));
            }
            if association.nat.is_some() {
                renew_checksum(&mut packet);
            }
            Ok(packet.to_bytes())
        }
    }
}

/// Computes the checksum of TCP or UDP anew: the sender made it with the addresses from before the NAT (RFC 3948 3.1.2). ESP
/// has verified the octets already.
fn renew_checksum(packet: &mut Ipv4Packet) {
    let at = match packet.protocol {
        protocol::TCP => 16,
        protocol::UDP if packet.payload.get(6..8) != Some(&[0, 0]) => 6,
        _ => return,
    };
    let length = packet.payload.len() as u16;
    let pseudo = Ipv4Packet::pseudo_header(packet.source, packet.destination, packet.protocol, length);
    let Some(field) = packet.payload.get_mut(at..at + 2) else { return };
    field.fill(0);
    let sum = match checksum(&[&pseudo, &packet.payload]) {
        // UDP says by zero that there is none.
        0 if packet.protocol == protocol::UDP => 0xffff,
        sum => sum,
    };
    packet.payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}
