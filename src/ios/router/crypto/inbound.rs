//! Protected packets that come in, and packets that should have been protected.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::super::Router;
use super::super::filter::packet_key;
use super::super::interface::PortId;
use super::takes;
use crate::esp::EspError;
use crate::ike;
use crate::ios::acl::Action;
use crate::ios::event::{DropReason, RouterEvent};
use crate::ios::policy::entries;
use crate::wire::Spi;
use crate::wire::ipv4::{Ipv4Packet, protocol};

impl Router {
    /// Whether a packet that came in clear by `id` matches, read backwards, what the crypto map there protects.
    ///
    /// IOS drops it whether or not there are SAs. \[R\]
    pub(in crate::ios::router) fn should_be_protected(&self, id: PortId, packet: &Ipv4Packet) -> bool {
        let Some(interface) = self.crypto_interface(id) else { return false };
        let key = packet_key(packet).reversed();
        entries(&self.config, &interface.map).into_iter().any(|entry| match entry.acl.filter(|_| !entry.is_dynamic()) {
            Some(list) => list.evaluate(&key).action == Action::Permit,
            None => self.tunnels.iter().any(|tunnel| {
                tunnel.entry == entry.name
                    && tunnel.pair.interface == interface.name
                    && takes(&tunnel.pair.selectors, &key)
            }),
        })
    }

    pub(in crate::ios::router) fn refuse_unprotected(&mut self, id: PortId, packet: &Ipv4Packet) {
        self.drop_packet(Some(id), packet, DropReason::NotProtected);
        self.tell(RouterEvent::PacketNotIpsec {
            interface: self.port(id).name.to_string(),
            destination: packet.destination,
            source: packet.source,
            protocol: packet.protocol,
        });
    }

    /// Opens ESP, SPI first, that came in `outer` to one of our addresses; in UDP from `udp`, if in UDP.
    pub(in crate::ios::router) fn receive_esp(
        &mut self,
        id: PortId,
        outer: &Ipv4Packet,
        esp: &[u8],
        udp: Option<SocketAddrV4>,
    ) {
        let Some(&[a, b, c, d, ..]) = esp.get(..8) else {
            self.drop_packet(Some(id), outer, DropReason::Malformed);
            return;
        };
        let spi = Spi(u32::from_be_bytes([a, b, c, d]));
        let known = self.sad.inbound(spi).and_then(|sa| {
            self.tunnels.iter().find(|tunnel| tunnel.inbound == sa && tunnel.pair.local == outer.destination)
        });
        let Some(tunnel) = known.cloned() else {
            self.unknown_spi(id, outer, spi, protocol::ESP);
            return;
        };
        let now = self.now;
        match self.sad.with_sa(tunnel.inbound, |sa| sa.decapsulate_packet(now, outer, esp)) {
            Ok(inner) => {
                self.flow(&tunnel.entry, tunnel.pair.selectors).decapsulated += 1;
                self.ike(ike::Input::Traffic { peer: tunnel.pair.remote, inbound: true });
                if let (Some(remote), Some(bound)) = (udp, tunnel.pair.udp)
                    && remote != bound.remote
                {
                    self.ike(ike::Input::Moved { inbound: spi, remote });
                }
                self.volume_due();
                self.translate_and_route(id, inner);
            }
            Err(error) => {
                self.flow(&tunnel.entry, tunnel.pair.selectors).receive_errors += 1;
                let (connection, _) = self.release.behaviour().ipsec_connections(tunnel.pair.number);
                let event = refusal(&tunnel.pair, connection, error);
                self.tell(event);
            }
        }
    }

    /// A router on the way says that a packet of ours was too large: if it was ESP, the path of that pair is narrower than
    /// was thought. What it quotes is the header of our packet and eight octets.
    pub(in crate::ios::router) fn path_is_narrower(&mut self, mtu: usize, original: &[u8]) {
        let Some(header) = original.first_chunk::<20>() else { return };
        let address = |at: usize| Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]);
        let (number, source, destination) = (header[9], address(12), address(16));
        let spi = original.get(20..24).map(|octets| u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]));
        for tunnel in &mut self.tunnels {
            let same_ends = tunnel.pair.local == source && tunnel.pair.remote == destination;
            let same_sa = match number {
                protocol::ESP => spi == Some(tunnel.pair.outbound.spi.0),
                protocol::UDP => tunnel.pair.udp.is_some(),
                _ => false,
            };
            // RFC 791 knows no link below 68; most that claim to be below 576 lie.
            if same_ends && same_sa && (576..tunnel.path_mtu).contains(&mtu) {
                tunnel.path_mtu = mtu;
            }
        }
    }

    /// A protected packet whose SPI nobody knows. The peer is told where there is an ISAKMP SA with it. \[R: facts 6.4\]
    pub(in crate::ios::router) fn unknown_spi(&mut self, id: PortId, outer: &Ipv4Packet, spi: Spi, protocol: u8) {
        self.tell(RouterEvent::InvalidSpi {
            interface: self.port(id).name.to_string(),
            destination: outer.destination,
            source: outer.source,
            protocol,
            spi: spi.0,
        });
        if self.config.isakmp.invalid_spi_recovery.value {
            self.ike(ike::Input::UnknownSpi { local: outer.destination, peer: outer.source, spi });
        }
    }
}

fn refusal(pair: &ike::SaPair, connection: u32, error: EspError) -> RouterEvent {
    let spi = pair.inbound.spi.0;
    match error {
        EspError::Replay { sequence, .. } => RouterEvent::ReplayError { connection, spi, sequence },
        EspError::IntegrityFailed { sequence } => RouterEvent::MacError { connection, spi, sequence },
        EspError::SelectorMismatch { flow, .. } => RouterEvent::InvalidIdentity {
            destination: flow.destination,
            source: flow.source,
            protocol: flow.protocol,
            local_proxy: pair.selectors.local.to_id(),
            remote_proxy: pair.selectors.remote.to_id(),
        },
        other => RouterEvent::DecapsulationFailed { connection, spi, why: other.to_string() },
    }
}
