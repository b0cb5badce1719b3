//! The ICMP errors the router sends.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Router;
use super::interface::PortId;
use crate::time::Instant;
use crate::wire::icmp::{IcmpMessage, unreachable};
use crate::wire::ipv4::{Ipv4Packet, protocol};

/// The time between two unreachables: `ip icmp rate-limit unreachable`, 500 ms, and the same apart for those that say a
/// packet is too large. \[R\]
const UNREACHABLE_INTERVAL: Duration = Duration::from_millis(500);

/// When unreachables were sent last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct UnreachableLimit {
    last: Option<Instant>,
    last_too_big: Option<Instant>,
}

impl UnreachableLimit {
    fn allows(&mut self, now: Instant, code: u8) -> bool {
        let too_big = code == unreachable::FRAGMENTATION_NEEDED;
        let last = if too_big { &mut self.last_too_big } else { &mut self.last };
        if last.is_some_and(|last| now - last < UNREACHABLE_INTERVAL) {
            return false;
        }
        *last = Some(now);
        true
    }
}

impl Router {
    /// Tells the sender of `packet`, which came by `port`, that it cannot be delivered; `mtu` goes with code 4.
    pub(super) fn send_unreachable(&mut self, port: Option<PortId>, packet: &Ipv4Packet, code: u8, mtu: usize) {
        if deserves_error(packet) && self.unreachables.allows(self.now, code) {
            let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
            self.send_error(port, packet, IcmpMessage::Unreachable { code, mtu, original: IcmpMessage::quote(packet) });
        }
    }

    /// Tells the sender of `packet`, which came by `port`, that its time to live ran out.
    pub(super) fn send_time_exceeded(&mut self, port: Option<PortId>, packet: &Ipv4Packet) {
        if deserves_error(packet) {
            self.send_error(port, packet, IcmpMessage::TimeExceeded { original: IcmpMessage::quote(packet) });
        }
    }

    /// IOS speaks from the interface the packet came by. \[R\]
    fn send_error(&mut self, port: Option<PortId>, about: &Ipv4Packet, message: IcmpMessage) {
        let source = port.and_then(|id| self.port(id).address_towards(about.source));
        self.send_own(protocol::ICMP, source, about.source, 0, message.to_bytes());
    }
}

/// No error about errors, later fragments, or packets from or to many (RFC 1122 3.2.2).
fn deserves_error(packet: &Ipv4Packet) -> bool {
    let is_error = packet.protocol == protocol::ICMP && !matches!(packet.payload.first(), Some(0 | 8 | 13..=18));
    let single = |address: Ipv4Addr| {
        !(address.is_multicast() || address.is_broadcast() || address.is_unspecified() || address.is_loopback())
    };
    !is_error && packet.fragment_offset == 0 && single(packet.source) && single(packet.destination)
}
