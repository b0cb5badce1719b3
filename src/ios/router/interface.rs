//! The interfaces as the data plane sees them, made anew from the configuration whenever it changes.

use std::net::Ipv4Addr;

use pnet::ipnetwork::Ipv4Network;

use crate::ios::config::{Interface, InterfaceName, NatSide, RunningConfig, Span};
use crate::ios::event::InterfaceState;
use crate::wire::ethernet::MacAddress;

/// Which interface of the router, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PortId(pub usize);

/// Octets of IP packet an Ethernet interface carries when the configuration does not say.
const DEFAULT_MTU: usize = 1500;

/// Frames and packets an interface has carried, as `show interfaces` counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Frames received.
    pub packets_in: u64,
    /// Octets received, Ethernet header included.
    pub octets_in: u64,
    /// Frames sent.
    pub packets_out: u64,
    /// Octets sent, Ethernet header included.
    pub octets_out: u64,
    /// Frames received that could not be read.
    pub input_errors: u64,
    /// Frames received for others or of protocols the router does not speak.
    pub ignored: u64,
    /// Packets that waited for a neighbour's MAC address in vain, or found no room to wait.
    pub output_drops: u64,
}

/// One interface.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub name: InterfaceName,
    pub mac: MacAddress,
    /// Not `shutdown`.
    pub admin_up: bool,
    /// Whether there is a carrier.
    pub carrier: bool,
    /// Written addresses, primary first, host bits kept.
    pub addresses: Vec<Ipv4Network>,
    /// The largest IP packet it takes, in octets.
    pub mtu: usize,
    pub access_group_in: Option<String>,
    pub access_group_out: Option<String>,
    pub nat: Option<NatSide>,
    pub crypto_map: Option<String>,
    pub counters: InterfaceCounters,
}

impl Port {
    /// Whether packets can pass.
    pub fn is_up(&self) -> bool {
        self.state() == InterfaceState::Up
    }

    /// Up, down or shut down.
    pub fn state(&self) -> InterfaceState {
        match (self.admin_up, self.carrier) {
            (false, _) => InterfaceState::AdministrativelyDown,
            (true, false) => InterfaceState::Down,
            (true, true) => InterfaceState::Up,
        }
    }

    /// Whether it has a link: loopbacks and the null interface have none.
    pub fn has_link(&self) -> bool {
        !self.name.is_loopback() && !self.name.is_null()
    }

    /// The address it speaks from.
    pub fn primary(&self) -> Option<Ipv4Addr> {
        self.addresses.first().map(|network| network.ip())
    }

    /// The address that `neighbour` knows it by: the one in the same network, else the primary one.
    pub fn address_towards(&self, neighbour: Ipv4Addr) -> Option<Ipv4Addr> {
        let near = self.addresses.iter().find(|network| network.contains(neighbour));
        near.map(|network| network.ip()).or_else(|| self.primary())
    }

    /// The one neighbour a point-to-point link has, as far as its network says: the other address of a /30 or /31.
    pub fn sole_neighbour(&self) -> Option<Ipv4Addr> {
        let point_to_point = matches!(self.name.kind(), "ATM" | "Async" | "Dialer" | "Multilink" | "Serial" | "Tunnel");
        let network = self.addresses.first().filter(|_| point_to_point)?;
        let own = network.ip().to_bits();
        match network.prefix() {
            30 => Some(Ipv4Addr::from_bits(own ^ 3)),
            31 => Some(Ipv4Addr::from_bits(own ^ 1)),
            _ => None,
        }
    }

    /// Whether `address` is one of its own.
    pub fn owns(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|network| network.ip() == address)
    }

    /// Whether `address` means everybody on the link.
    pub fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        address.is_broadcast()
            || self.addresses.iter().any(|network| {
                network.prefix() < 31 && (network.broadcast() == address || network.network() == address)
            })
    }
}

/// The interfaces of `config`, with what `before` knew of carriers and counters.
///
/// MAC addresses are Cisco's 00:1d:a1 with the place of the interface behind it and 40 in between, so that they are the
/// same in every run and differ between the interfaces of a router; `chassis` tells routers on one link apart.
pub(super) fn ports(config: &RunningConfig, chassis: u8, before: &[Port]) -> Vec<Port> {
    let port = |(index, interface): (usize, &Interface)| {
        let old = before.iter().find(|port| port.name == interface.name);
        let primary = config.interface_address(&interface.name);
        let mut addresses: Vec<Ipv4Network> = interface.addresses().collect();
        if let (true, Some(borrowed)) = (addresses.is_empty(), primary) {
            addresses.push(Ipv4Network::from(borrowed));
        }
        let frame = interface.mtu.as_ref().map_or(DEFAULT_MTU, |mtu| usize::from(mtu.value));
        Port {
            name: interface.name.clone(),
            mac: MacAddress([0x00, 0x1d, 0xa1, 0x40, chassis, index as u8]),
            admin_up: !interface.shutdown.value,
            carrier: old.is_none_or(|port| port.carrier),
            addresses,
            mtu: interface.ip_mtu.as_ref().map_or(frame, |mtu| usize::from(mtu.value).min(frame)).max(68),
            access_group_in: interface.access_group_in.as_ref().map(|group| group.value.clone()),
            access_group_out: interface.access_group_out.as_ref().map(|group| group.value.clone()),
            nat: interface.nat.as_ref().map(|side| side.value),
            crypto_map: interface.crypto_map.as_ref().map(|map| map.value.clone()),
            counters: old.map(|port| port.counters).unwrap_or_default(),
        }
    };
    let mut ports: Vec<Port> = config.interfaces.iter().enumerate().map(port).collect();
    // A route may name Null0, which exists without an `interface` line.
    let named = config.routes.iter().filter_map(|route| route.interface.as_ref());
    for null in named.filter(|name| name.is_null()) {
        if ports.iter().all(|port| port.name != *null) {
            let interface = Interface::new(null.clone(), Span::NONE);
            ports.push(port((ports.len(), &interface)));
        }
    }
    ports
}
