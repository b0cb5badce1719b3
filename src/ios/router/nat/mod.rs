//! `ip nat inside source`: translation of addresses and ports.
//!
//! From inside to outside it comes after routing and before the crypto map, from outside to inside after decryption and
//! before routing: so a packet that is translated no longer matches a crypto access list written for its old source,
//! the most common of all mistakes. \[R: Cisco's "NAT order of operation"\]

mod rewrite;
mod table;

use std::net::Ipv4Addr;
use std::time::Duration;

use pnet::ipnetwork::Ipv4Network;

use super::filter::packet_key;
use crate::ios::acl::{Action, PacketKey};
use crate::ios::config::{NatRule, NatSelection, NatTarget, NatTransport, RunningConfig};
use crate::time::Instant;
use crate::wire::ipv4::{Ipv4Packet, protocol};
pub(super) use table::NatTable;
pub use table::Translation;

use rewrite::{Quoted, Side};
use table::Flow;

/// How long an unused translation is kept, by what it carries. \[R: `ip nat translation ...-timeout` defaults\]
fn lifetime(flow: &Flow, key: &PacketKey, ends: bool) -> Duration {
    Duration::from_secs(match flow.protocol {
        protocol::TCP if ends => 60,
        protocol::TCP => 86_400,
        protocol::UDP if key.destination_port == Some(53) || key.source_port == Some(53) => 60,
        protocol::UDP => 300,
        _ => 60,
    })
}

/// Whether a TCP segment ends its connection: FIN 0x01 or RST 0x04.
fn ends_connection(packet: &Ipv4Packet) -> bool {
    packet.protocol == protocol::TCP && packet.payload.get(13).is_some_and(|flags| flags & 0x05 != 0)
}

/// What became of a packet on its way from inside to outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outbound {
    /// No rule takes it.
    Untouched,
    /// Its source is another one now.
    Translated,
    /// A rule takes it, but no address or port is left, or its protocol has no ports to tell flows apart: dropped.
    Failed,
}

impl NatTable {
    /// Translates the source of a packet from inside to outside.
    pub fn outbound(&mut self, now: Instant, config: &RunningConfig, packet: &mut Ipv4Packet) -> Outbound {
        if let Some(quoted) = Quoted::of(packet) {
            return self.outbound_error(now, config, packet, &quoted);
        }
        let key = packet_key(packet);
        if let Some((global, port)) = static_global(config, &key, packet.source) {
            rewrite::set(packet, Side::Source, global, port);
            return Outbound::Translated;
        }
        let rules = config.nat.rules.iter().filter_map(|rule| match &rule.value {
            NatRule::Dynamic { selection, target, overload } => Some((selection, target, *overload)),
            _ => None,
        });
        let Some((_, target, overload)) = rules.into_iter().find(|(selection, ..)| selects(config, selection, &key))
        else {
            return Outbound::Untouched;
        };
        let translated = match target {
            NatTarget::Interface(name) => config
                .interface_address(name)
                .and_then(|address| self.port_for(now, packet, &key, [address].into_iter(), true)),
            NatTarget::Pool(name) => {
                let pool = config.nat.pools.iter().find(|pool| pool.name == name.value);
                let addresses = pool.map(|pool| pool.first.to_bits()..=pool.last.to_bits());
                addresses.and_then(|range| {
                    let mut addresses = range.map(Ipv4Addr::from_bits);
                    if overload {
                        self.port_for(now, packet, &key, addresses, false)
                    } else {
                        self.address_for(now, packet.source, &mut addresses).map(|address| (address, None))
                    }
                })
            }
        };
        match translated {
            Some((global, port)) => {
                rewrite::set(packet, Side::Source, global, port);
                Outbound::Translated
            }
            None => {
                self.failed += 1;
                Outbound::Failed
            }
        }
    }

    /// Translates the destination of a packet from outside to inside; whether there was a translation for it.
    pub fn inbound(&mut self, now: Instant, config: &RunningConfig, packet: &mut Ipv4Packet) -> bool {
        if let Some(quoted) = Quoted::of(packet) {
            return self.inbound_error(config, packet, &quoted);
        }
        let key = packet_key(packet);
        if let Some((local, port)) = static_local(config, &key, packet.destination) {
            rewrite::set(packet, Side::Destination, local, port);
            return true;
        }
        let flow = Flow::of(&key, packet, packet.destination, packet.source, key.destination_port, key.source_port);
        let lifetime = flow.as_ref().map(|flow| lifetime(flow, &key, ends_connection(packet)));
        if let Some((local, port)) = flow.zip(lifetime).and_then(|(flow, life)| self.inbound_port(now, &flow, life)) {
            rewrite::set(packet, Side::Destination, local, Some(port));
            return true;
        }
        if let Some(local) = self.inbound_address(now, packet.destination) {
            rewrite::set(packet, Side::Destination, local, None);
            return true;
        }
        false
    }

    fn port_for(
        &mut self,
        now: Instant,
        packet: &Ipv4Packet,
        key: &PacketKey,
        addresses: impl Iterator<Item = Ipv4Addr>,
        shared_with_router: bool,
    ) -> Option<(Ipv4Addr, Option<u16>)> {
        let flow = Flow::of(key, packet, packet.source, packet.destination, key.source_port, key.destination_port)?;
        let lifetime = lifetime(&flow, key, ends_connection(packet));
        let (global, port) = self.outbound_port(now, flow, lifetime, addresses, shared_with_router)?;
        Some((global, Some(port)))
    }

    /// An ICMP error from inside about a packet that came from outside: the quoted destination is translated too.
    fn outbound_error(
        &mut self,
        now: Instant,
        config: &RunningConfig,
        packet: &mut Ipv4Packet,
        quoted: &Quoted,
    ) -> Outbound {
        let key = quoted.key().reversed();
        let flow = quoted.flow(quoted.destination, quoted.source, quoted.destination_port, quoted.source_port);
        let global = static_global(config, &key, quoted.destination)
            .or_else(|| {
                flow.and_then(|flow| self.known_global(now, &flow)).map(|(address, port)| (address, Some(port)))
            })
            .or_else(|| self.known_address(quoted.destination).map(|address| (address, None)));
        let Some((global, port)) = global else { return Outbound::Untouched };
        rewrite::set_quoted(packet, quoted, Side::Destination, global, port);
        if packet.source == quoted.destination {
            rewrite::set(packet, Side::Source, global, None);
        }
        Outbound::Translated
    }

    /// An ICMP error from outside about a packet that went out: the quoted source is translated back.
    fn inbound_error(&mut self, config: &RunningConfig, packet: &mut Ipv4Packet, quoted: &Quoted) -> bool {
        let key = quoted.key().reversed();
        let flow = quoted.flow(quoted.source, quoted.destination, quoted.source_port, quoted.destination_port);
        let local = static_local(config, &key, quoted.source)
            .or_else(|| flow.and_then(|flow| self.known_local(&flow)).map(|(address, port)| (address, Some(port))))
            .or_else(|| self.known_local_address(quoted.source).map(|address| (address, None)));
        let Some((local, port)) = local else { return false };
        rewrite::set_quoted(packet, quoted, Side::Source, local, port);
        rewrite::set(packet, Side::Destination, local, None);
        true
    }
}

/// Whether `address` is one the rules translate to, so that the router answers ARP for it.
pub(super) fn is_global(config: &RunningConfig, address: Ipv4Addr) -> bool {
    let in_pool = config.nat.pools.iter().any(|pool| (pool.first..=pool.last).contains(&address));
    in_pool
        || config.nat.rules.iter().any(|rule| match &rule.value {
            NatRule::Static { global, .. } => config.local_address(global) == Some(address),
            NatRule::StaticNetwork { global, .. } => global.contains(address),
            NatRule::Dynamic { .. } => false,
        })
}

fn selects(config: &RunningConfig, selection: &NatSelection, key: &PacketKey) -> bool {
    match selection {
        NatSelection::List(name) => {
            config.access_list(name).is_some_and(|list| list.evaluate(key).action == Action::Permit)
        }
        NatSelection::RouteMap(name) => config.route_map_permits(name, key),
    }
}

fn same_transport(transport: NatTransport, number: u8) -> bool {
    match transport {
        NatTransport::Tcp => number == protocol::TCP,
        NatTransport::Udp => number == protocol::UDP,
    }
}

/// The global address (and port) a static rule gives the inside source of `key`.
fn static_global(config: &RunningConfig, key: &PacketKey, source: Ipv4Addr) -> Option<(Ipv4Addr, Option<u16>)> {
    config.nat.rules.iter().find_map(|rule| match &rule.value {
        NatRule::Static { local, global, ports, route_map, .. } if *local == source => {
            if route_map.as_ref().is_some_and(|map| !config.route_map_permits(map, key)) {
                return None;
            }
            let global = config.local_address(global)?;
            match ports {
                None => Some((global, None)),
                Some((transport, from, to)) => (same_transport(*transport, key.protocol)
                    && key.source_port == Some(*from))
                .then_some((global, Some(*to))),
            }
        }
        NatRule::StaticNetwork { local, global } if local.contains(source) => Some((moved(source, *global), None)),
        _ => None,
    })
}

/// The local address (and port) behind the global destination of `key`.
fn static_local(config: &RunningConfig, key: &PacketKey, destination: Ipv4Addr) -> Option<(Ipv4Addr, Option<u16>)> {
    config.nat.rules.iter().find_map(|rule| match &rule.value {
        NatRule::Static { local, global, ports, .. } if config.local_address(global) == Some(destination) => {
            match ports {
                None => Some((*local, None)),
                Some((transport, from, to)) => (same_transport(*transport, key.protocol)
                    && key.destination_port == Some(*to))
                .then_some((*local, Some(*from))),
            }
        }
        NatRule::StaticNetwork { local, global } if global.contains(destination) => {
            Some((moved(destination, *local), None))
        }
        _ => None,
    })
}

/// `address` with the network bits of `network`.
fn moved(address: Ipv4Addr, network: Ipv4Network) -> Ipv4Addr {
    let mask = network.mask().to_bits();
    Ipv4Addr::from_bits(network.ip().to_bits() & mask | address.to_bits() & !mask)
}

#[cfg(test)]
mod tests;
