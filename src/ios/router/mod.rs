//! The router: one machine from frames to frames, with a virtual clock.
//!
//! It does what stands between the wires of an IOS box: ARP, routing, packet filters, address translation, crypto maps,
//! ESP and IKE. Whoever drives it passes the instant with each input, sends the frames it gives and wakes it at
//! [`Router::next_timeout`]; it owns no socket, thread, file or clock, and the same seed and inputs give the same frames.
//!
//! A packet passes these stations \[order R: Cisco's "NAT order of operation"\]:
//!
//! | from outside | from inside |
//! | --- | --- |
//! | input access list | input access list |
//! | decryption, or refusal of what should have been encrypted | routing |
//! | translation of the destination | translation of the source |
//! | routing | crypto map of the interface it leaves by |
//! | output access list | output access list, on what is sent: ESP where it was encrypted |
//!
//! What was decrypted is not shown to the input access list a second time, as since 12.3(8)T. \[R\]

mod arp;
mod console;
mod crypto;
mod filter;
mod forward;
mod icmp;
mod ike;
mod interface;
mod local;
mod nat;
mod neighbour;
mod reassembly;
mod route;

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use pnet::ipnetwork::Ipv4Network;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Release;
use super::config::{InterfaceName, Reading, RunningConfig};
use super::event::{DropReason, RouterEvent};
use super::policy::{EntryName, entry, proxy_pair};
use crate::diag::Source;
use crate::esp::Sad;
use crate::ike::{Engine, KeyRecord};
use crate::time::Instant;
use crate::wire::ethernet::MacAddress;
use crate::wire::ipv4::Ipv4Packet;
use arp::ArpCache;
use crypto::Requests;
use icmp::UnreachableLimit;
use interface::{Port, PortId};
use nat::NatTable;
use reassembly::Reassembler;
use route::RoutingTable;

pub use crypto::{FlowCounters, ProtectedFlow, Tunnel};
pub use interface::InterfaceCounters;
pub use nat::Translation;
pub use route::{Route, RouteSource};

/// What happens to the router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A frame came in.
    Frame {
        /// By which interface. Sub-interfaces are wires of their own here: their frames carry no VLAN tag.
        interface: &'a InterfaceName,
        /// From the destination MAC address to the end of the payload.
        octets: &'a [u8],
    },
    /// A link got or lost its carrier.
    Link {
        /// Which.
        interface: &'a InterfaceName,
        /// Whether there is a carrier now.
        up: bool,
    },
    /// The instant of [`Router::next_timeout`] has come. Harmless at any other time.
    Timeout,
}

/// What the router does, in the order it does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A frame goes out.
    Frame {
        /// By which interface.
        interface: InterfaceName,
        /// From the destination MAC address to the end of the payload, without padding or checksum.
        octets: Vec<u8>,
    },
    /// Something happened that somebody may want to read.
    Event(RouterEvent),
    /// Keys that decrypt what crosses the wire.
    Keys(KeyRecord),
}

/// Time to live of the router's own packets, ESP included. [S: real-cisco-on-the-wire 2]
const OWN_TTL: u8 = 255;

/// A simulated IOS router.
///
/// After each [`Router::handle`] call [`Router::poll`] until it gives nothing more.
pub struct Router {
    config: RunningConfig,
    release: Release,
    now: Instant,
    chassis: u8,
    ports: Vec<Port>,
    routes: RoutingTable,
    arp: ArpCache,
    reassembler: Reassembler,
    nat: NatTable,
    engine: Engine,
    sad: Sad,
    tunnels: Vec<Tunnel>,
    flows: Vec<ProtectedFlow>,
    requests: Requests,
    last_request: u64,
    current_peers: BTreeMap<EntryName, Ipv4Addr>,
    rng: StdRng,
    identification: u16,
    unreachables: UnreachableLimit,
    drops: BTreeMap<DropReason, u64>,
    outputs: VecDeque<Output>,
}

impl Router {
    /// A router that runs `config` as `release`. Every random choice comes from `seed`; its low octet also stands in the
    /// MAC addresses, so give routers that share a link different ones.
    pub fn new(config: RunningConfig, release: Release, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        // IOS counts its own packets up from a small number. [S: real-cisco-on-the-wire 2]
        let identification = rng.random_range(1..200);
        let mut personality = release.personality();
        if !config.ipsec.nat_transparency.value {
            personality.nat_traversal.clear();
        }
        let mut router = Self {
            config,
            release,
            now: Instant::ZERO,
            chassis: seed as u8,
            ports: Vec::new(),
            routes: RoutingTable::default(),
            arp: ArpCache::default(),
            reassembler: Reassembler::default(),
            nat: NatTable::default(),
            engine: Engine::new(personality, StdRng::from_rng(&mut rng)),
            sad: Sad::new(),
            tunnels: Vec::new(),
            flows: Vec::new(),
            requests: Requests::default(),
            last_request: 0,
            current_peers: BTreeMap::new(),
            rng,
            identification,
            unreachables: UnreachableLimit::default(),
            drops: BTreeMap::new(),
            outputs: VecDeque::new(),
        };
        router.reconfigure();
        router.tell(RouterEvent::Restarted);
        if router.ike_runs() {
            router.tell(RouterEvent::IsakmpSwitched { on: true });
        }
        router
    }

    /// Takes an input at `now`, which never goes back.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Frame { interface, octets } => self.receive_frame(interface, octets),
            Input::Link { interface, up } => self.set_carrier(interface, up),
            Input::Timeout => self.handle_timeout(),
        }
    }

    /// The next thing the router does, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is wanted, unless something else is handled before.
    pub fn next_timeout(&self) -> Option<Instant> {
        let timeouts = [
            self.arp.next_timeout(),
            self.reassembler.next_timeout(),
            self.engine.next_timeout(),
            self.requests.next_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// What it has been told.
    pub fn config(&self) -> &RunningConfig {
        &self.config
    }

    /// Which IOS it is.
    pub fn release(&self) -> Release {
        self.release
    }

    /// How many packets were dropped for that reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(&reason).copied().unwrap_or(0)
    }

    /// The interfaces in the order of the configuration, with what they carried.
    pub fn interfaces(&self) -> impl Iterator<Item = (&InterfaceName, InterfaceCounters)> {
        self.ports.iter().map(|port| (&port.name, port.counters))
    }

    /// The hardware address of an interface.
    pub fn mac(&self, interface: &InterfaceName) -> Option<MacAddress> {
        self.ports.iter().find(|port| port.name == *interface).map(|port| port.mac)
    }

    /// The dynamic translations in use.
    pub fn translations(&self) -> impl Iterator<Item = Translation> {
        self.nat.iter(self.now)
    }

    /// The routes in use, longest prefix first, with the interface they leave by when they name one.
    pub fn routes(&self) -> impl Iterator<Item = (&Route, Option<&InterfaceName>)> {
        self.routes.iter().map(|route| (route, route.port.map(|id| &self.port(id).name)))
    }

    /// The neighbours that have answered ARP: interface, address, MAC address and how long ago.
    pub fn neighbours(&self) -> impl Iterator<Item = (&InterfaceName, Ipv4Addr, MacAddress, Duration)> {
        let age = |learned: Instant| self.now - learned;
        self.arp.iter().map(move |(id, address, mac, learned)| (&self.port(id).name, address, mac, age(learned)))
    }

    /// Changes the configuration as `configure terminal`, these lines and `end` would, and tells of every line what became
    /// of it. Poll afterwards, as after [`Router::handle`].
    pub fn configure(&mut self, now: Instant, lines: &Source) -> Reading {
        self.now = self.now.max(now);
        let ran = self.ike_runs();
        let reading = self.config.apply(lines);
        self.reconfigure();
        if self.ike_runs() != ran {
            self.tell(RouterEvent::IsakmpSwitched { on: !ran });
        }
        self.forsake_unmapped();
        self.tell(RouterEvent::Configured { from: "console".to_owned() });
        reading
    }

    /// Makes everything anew that is derived from the configuration.
    fn reconfigure(&mut self) {
        let ports = interface::ports(&self.config, self.chassis, &self.ports);
        let before = std::mem::replace(&mut self.ports, ports);
        if before.iter().zip(&self.ports).any(|(old, new)| old.name != new.name) {
            self.arp = ArpCache::default();
        }
        for old in before {
            let changed = |port: &Port| port.name == old.name && port.state() != old.state();
            if let Some(at) = self.ports.iter().position(changed) {
                self.interface_changed(PortId(at));
            }
        }
        self.reroute();
    }

    fn reroute(&mut self) {
        self.routes = RoutingTable::new(&self.ports, &self.config.routes, &self.reverse_routes());
    }

    /// `reverse-route`: while a pair is up, its remote network is reached by way of the peer. \[R: facts 5.2\]
    fn reverse_routes(&self) -> Vec<(Ipv4Network, Ipv4Addr)> {
        let routes = self.tunnels.iter().filter_map(|tunnel| {
            let settings = entry(&self.config, &tunnel.entry)?.settings;
            let reverse = settings.reverse_route.as_ref()?;
            let network = proxy_pair(&tunnel.pair.selectors)?.remote;
            Some((network, reverse.remote_peer.unwrap_or(tunnel.pair.remote)))
        });
        routes.collect()
    }

    fn set_carrier(&mut self, interface: &InterfaceName, up: bool) {
        let Some(id) = self.port_named(interface) else { return };
        let before = self.port(id).state();
        self.ports[id.0].carrier = up;
        if self.port(id).state() != before {
            self.interface_changed(id);
            self.reroute();
        }
    }

    fn interface_changed(&mut self, id: PortId) {
        self.arp.clear(id);
        let port = self.port(id);
        let event = RouterEvent::InterfaceChanged { interface: port.name.to_string(), state: port.state() };
        self.tell(event);
    }

    fn tell(&mut self, event: RouterEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Counts a packet that goes no further, and says so.
    fn drop_packet(&mut self, port: Option<PortId>, packet: &Ipv4Packet, reason: DropReason) {
        *self.drops.entry(reason).or_default() += 1;
        self.tell(RouterEvent::PacketDropped {
            interface: port.map(|id| self.port(id).name.to_string()),
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            reason,
        });
    }

    fn handle_timeout(&mut self) {
        self.neighbours_due();
        self.reassembler.handle_timeout(self.now);
        self.requests_due();
        self.ike(crate::ike::Input::Timeout);
    }

    fn port(&self, id: PortId) -> &Port {
        &self.ports[id.0]
    }

    fn port_named(&self, name: &InterfaceName) -> Option<PortId> {
        self.ports.iter().position(|port| port.name == *name).map(PortId)
    }

    /// The interface that has `address`, if it is up.
    fn port_with(&self, address: Ipv4Addr) -> Option<PortId> {
        self.ports.iter().position(|port| port.is_up() && port.owns(address)).map(PortId)
    }

    /// The identification of the next packet of the router's own.
    fn next_identification(&mut self) -> u16 {
        self.identification = self.identification.wrapping_add(1);
        self.identification
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod network;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
