//! The translations in use.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::ios::acl::PacketKey;
use crate::time::Instant;
use crate::wire::ipv4::{Ipv4Packet, protocol};

/// Translations held at the same time; IOS has no limit unless told, a simulated one must have.
const CAPACITY: usize = 16_384;

/// How long an unused address translation is kept: 24 hours. \[R\]
const ADDRESS_LIFETIME: Duration = Duration::from_secs(86_400);

/// UDP ports of an interface address that the router itself may need: IKE, and IKE behind NAT.
const ROUTER_PORTS: [u16; 2] = [500, 4500];

/// Within these a replacement for a port that is taken is sought: IOS keeps to the group. \[R\]
const PORT_GROUPS: [RangeInclusive<u16>; 3] = [1..=511, 512..=1023, 1024..=65_535];

/// One direction of a conversation: who speaks on our side of it and with whom. For ICMP the identifier stands for our
/// port and zero for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::ios::router) struct Flow {
    pub protocol: u8,
    pub address: Ipv4Addr,
    pub port: u16,
    pub outside: Ipv4Addr,
    pub outside_port: u16,
}

impl Flow {
    /// The flow of a packet, if its protocol has something to tell flows apart by.
    pub fn of(
        key: &PacketKey,
        packet: &Ipv4Packet,
        address: Ipv4Addr,
        outside: Ipv4Addr,
        port: Option<u16>,
        outside_port: Option<u16>,
    ) -> Option<Self> {
        let (port, outside_port) = match key.protocol {
            protocol::ICMP => {
                let is_echo = key.icmp.is_some_and(|(message, _)| message == 0 || message == 8);
                let identifier = packet.payload.get(4..6).filter(|_| is_echo)?;
                (u16::from_be_bytes([identifier[0], identifier[1]]), 0)
            }
            _ => (port?, outside_port?),
        };
        Some(Self { protocol: key.protocol, address, port, outside, outside_port })
    }
}

/// A translation as `show ip nat translations` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// IP protocol; `None` for a translation of a whole address.
    pub protocol: Option<u8>,
    /// Address and port (or ICMP identifier) the inside host uses.
    pub inside_local: (Ipv4Addr, u16),
    /// Address and port the outside sees.
    pub inside_global: (Ipv4Addr, u16),
    /// The outside end; `None` for a translation of a whole address.
    pub outside: Option<(Ipv4Addr, u16)>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    global: Ipv4Addr,
    port: u16,
    expires: Instant,
}

/// The dynamic translations; static ones need no table.
#[derive(Clone, Debug, Default)]
pub(in crate::ios::router) struct NatTable {
    /// By the flow as the inside host has it.
    by_local: BTreeMap<Flow, Entry>,
    /// The local flow, by the flow as the outside sees it.
    by_global: BTreeMap<Flow, Flow>,
    /// Whole addresses, inside local to inside global.
    addresses: BTreeMap<Ipv4Addr, (Ipv4Addr, Instant)>,
    /// Where the search for a free port goes on, by group.
    next_port: [u16; 3],
    /// Packets dropped because no translation could be made.
    pub failed: u64,
}

impl NatTable {
    /// The global address and port for a flow from inside, made when there is none.
    pub fn outbound_port(
        &mut self,
        now: Instant,
        flow: Flow,
        lifetime: Duration,
        addresses: impl Iterator<Item = Ipv4Addr>,
        shared_with_router: bool,
    ) -> Option<(Ipv4Addr, u16)> {
        if let Some(entry) = self.by_local.get_mut(&flow).filter(|entry| entry.expires > now) {
            entry.expires = now + lifetime;
            return Some((entry.global, entry.port));
        }
        if self.by_local.len() >= CAPACITY {
            self.expire(now);
            if self.by_local.len() >= CAPACITY {
                return None;
            }
        }
        for global in addresses {
            let Some(port) = self.free_port(&Flow { address: global, ..flow }, shared_with_router) else { continue };
            self.by_global.insert(Flow { address: global, port, ..flow }, flow);
            self.by_local.insert(flow, Entry { global, port, expires: now + lifetime });
            return Some((global, port));
        }
        None
    }

    /// The global address for an inside host, made when there is none.
    pub fn address_for(
        &mut self,
        now: Instant,
        local: Ipv4Addr,
        addresses: &mut impl Iterator<Item = Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        if let Some((global, expires)) = self.addresses.get_mut(&local).filter(|(_, expires)| *expires > now) {
            *expires = now + ADDRESS_LIFETIME;
            return Some(*global);
        }
        self.addresses.retain(|_, (_, expires)| *expires > now);
        if self.addresses.len() >= CAPACITY {
            return None;
        }
        let taken: std::collections::BTreeSet<Ipv4Addr> = self.addresses.values().map(|(global, _)| *global).collect();
        let global = addresses.find(|address| !taken.contains(address))?;
        self.addresses.insert(local, (global, now + ADDRESS_LIFETIME));
        Some(global)
    }

    /// The inside end of a flow as the outside sees it; keeps the translation alive.
    pub fn inbound_port(&mut self, now: Instant, flow: &Flow, lifetime: Duration) -> Option<(Ipv4Addr, u16)> {
        let local = *self.by_global.get(flow)?;
        let entry = self.by_local.get_mut(&local).filter(|entry| entry.expires > now)?;
        entry.expires = now + lifetime;
        Some((local.address, local.port))
    }

    /// The inside host behind a global address; keeps the translation alive.
    pub fn inbound_address(&mut self, now: Instant, global: Ipv4Addr) -> Option<Ipv4Addr> {
        let found = self.addresses.iter_mut().find(|(_, (address, expires))| *address == global && *expires > now)?;
        found.1.1 = now + ADDRESS_LIFETIME;
        Some(*found.0)
    }

    /// Drops what has expired.
    pub fn expire(&mut self, now: Instant) {
        let by_global = &mut self.by_global;
        self.by_local.retain(|flow, entry| {
            let keep = entry.expires > now;
            if !keep {
                by_global.remove(&Flow { address: entry.global, port: entry.port, ..*flow });
            }
            keep
        });
        self.addresses.retain(|_, (_, expires)| *expires > now);
    }

    /// The global end of a flow that has a translation.
    pub fn known_global(&self, now: Instant, flow: &Flow) -> Option<(Ipv4Addr, u16)> {
        let entry = self.by_local.get(flow).filter(|entry| entry.expires > now)?;
        Some((entry.global, entry.port))
    }

    /// The inside end of a flow as the outside sees it.
    pub fn known_local(&self, flow: &Flow) -> Option<(Ipv4Addr, u16)> {
        self.by_global.get(flow).map(|local| (local.address, local.port))
    }

    /// The global address of an inside host that has one of its own.
    pub fn known_address(&self, local: Ipv4Addr) -> Option<Ipv4Addr> {
        self.addresses.get(&local).map(|(global, _)| *global)
    }

    /// The inside host behind a global address.
    pub fn known_local_address(&self, global: Ipv4Addr) -> Option<Ipv4Addr> {
        self.addresses.iter().find(|(_, (address, _))| *address == global).map(|(local, _)| *local)
    }

    /// The translations that have not expired.
    pub fn iter(&self, now: Instant) -> impl Iterator<Item = Translation> {
        let flows =
            self.by_local.iter().filter(move |(_, entry)| entry.expires > now).map(|(flow, entry)| Translation {
                protocol: Some(flow.protocol),
                inside_local: (flow.address, flow.port),
                inside_global: (entry.global, entry.port),
                outside: Some((flow.outside, flow.outside_port)),
            });
        let addresses =
            self.addresses.iter().filter(move |(_, (_, expires))| *expires > now).map(|(local, (global, _))| {
                Translation { protocol: None, inside_local: (*local, 0), inside_global: (*global, 0), outside: None }
            });
        flows.chain(addresses)
    }

    /// The port the flow has if nobody else uses it towards the same outside end, else the next free one of its group.
    fn free_port(&mut self, wanted: &Flow, shared_with_router: bool) -> Option<u16> {
        let taken = |port: u16| {
            let of_router = shared_with_router && wanted.protocol == protocol::UDP && ROUTER_PORTS.contains(&port);
            of_router || self.by_global.contains_key(&Flow { port, ..*wanted })
        };
        if !taken(wanted.port) {
            return Some(wanted.port);
        }
        let index = PORT_GROUPS.iter().position(|group| group.contains(&wanted.port)).unwrap_or(0);
        let (first, last) = (*PORT_GROUPS[index].start(), *PORT_GROUPS[index].end());
        let start = self.next_port[index].max(first);
        let port = (start..=last).chain(first..start).find(|&port| !taken(port))?;
        self.next_port[index] = if port == last { first } else { port + 1 };
        Some(port)
    }
}
