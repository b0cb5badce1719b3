//! The IKE engine inside the router: datagrams in and out, and what it wants done.

use std::net::SocketAddrV4;

use super::crypto::NAT_PORT;
use super::interface::PortId;
use super::{OWN_TTL, Output, Router};
use crate::ike::event::{EventKind, Refusal};
use crate::ike::{self, Input};
use crate::ios::event::{DropReason, RouterEvent};
use crate::ios::policy::IosPolicy;
use crate::wire::ipv4::{Ipv4Packet, protocol};
use crate::wire::natt::{self, Port4500};
use crate::wire::udp::UdpDatagram;

/// DSCP CS6, which IOS gives its IKE packets. [S: real-cisco-on-the-wire 2]
const IKE_TOS: u8 = 0xc0;

impl Router {
    /// A datagram on port 500 or 4500.
    pub(super) fn receive_ike(&mut self, id: PortId, packet: &Ipv4Packet, datagram: &UdpDatagram) {
        let local = SocketAddrV4::new(packet.destination, datagram.destination_port);
        let remote = SocketAddrV4::new(packet.source, datagram.source_port);
        if datagram.destination_port != NAT_PORT {
            self.ike(Input::Datagram { local, remote, octets: datagram.payload.clone() });
            return;
        }
        match natt::classify(&datagram.payload) {
            Port4500::Ike(octets) => self.ike(Input::Datagram { local, remote, octets: octets.to_vec() }),
            Port4500::Esp(esp) => self.receive_esp(id, packet, esp, Some(remote)),
            Port4500::Keepalive => {}
            Port4500::Malformed(_) => self.drop_packet(Some(id), packet, DropReason::Malformed),
        }
    }

    /// Gives the engine an input, and does what it wants done.
    pub(super) fn ike(&mut self, input: Input) {
        let interfaces = self.crypto_interfaces();
        let mut refusals = Vec::new();
        let mut policy = IosPolicy {
            config: &self.config,
            release: self.release,
            interfaces: &interfaces,
            refusals: &mut refusals,
            last_request: &mut self.last_request,
        };
        self.engine.handle(self.now, input, &mut policy);
        for refusal in refusals {
            self.tell(RouterEvent::ProposalRefused(refusal));
        }
        while let Some(output) = self.engine.poll() {
            self.obey(output);
        }
    }

    fn obey(&mut self, output: ike::Output) {
        match output {
            ike::Output::Datagram { local, remote, octets } => {
                let payload = if local.port() == NAT_PORT { natt::with_marker(&octets) } else { octets };
                self.send_ike(local, remote, payload);
            }
            ike::Output::Keepalive { local, remote } => self.send_ike(local, remote, natt::KEEPALIVE.to_vec()),
            ike::Output::Install(pair) => self.install(*pair),
            ike::Output::EnableOutbound { inbound, .. } => self.enable_outbound(inbound),
            ike::Output::Remove { inbound, .. } => self.remove(inbound),
            ike::Output::Rebind { inbound, udp } => self.rebind(inbound, udp),
            ike::Output::Failed { request, reason } => self.request_failed(request, reason),
            ike::Output::Keys(keys) => self.outputs.push_back(Output::Keys(keys)),
            ike::Output::Event(event) => {
                let refusal = match &event.kind {
                    EventKind::DatagramRefused(refusal) => Some(refusal),
                    _ => None,
                };
                // The event tells of it; the packet is not told of a second time.
                if let Some(Refusal::Malformed(_) | Refusal::UnsupportedVersion(_)) = refusal {
                    *self.drops.entry(DropReason::Malformed).or_default() += 1;
                }
                self.tell(RouterEvent::Ike(event));
            }
        }
    }

    /// IKE is never encrypted by a crypto map, and output access lists do not apply to it. \[R\]
    fn send_ike(&mut self, local: SocketAddrV4, remote: SocketAddrV4, payload: Vec<u8>) {
        let datagram = UdpDatagram { source_port: local.port(), destination_port: remote.port(), payload };
        let identification = self.next_identification();
        let packet = Ipv4Packet {
            tos: IKE_TOS,
            ttl: OWN_TTL,
            identification,
            ..Ipv4Packet::new(protocol::UDP, *local.ip(), *remote.ip(), datagram.to_bytes(*local.ip(), *remote.ip()))
        };
        match self.routes.lookup(*remote.ip()) {
            Some(hop) => self.send_fragments(hop, &packet),
            None => self.drop_packet(None, &packet, DropReason::NoRoute),
        }
    }
}
