//! The routing table: connected, static and reverse routes.

use std::net::Ipv4Addr;

use pnet::ipnetwork::Ipv4Network;

use super::interface::{Port, PortId};
use crate::ios::config::StaticRoute;

/// How often a static route may lead to another one before the search gives up.
const MAX_RECURSION: usize = 8;

/// Where a route came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteSource {
    /// The network of an interface that is up, distance 0.
    Connected,
    /// `ip route`, distance 1 unless written.
    Static,
    /// `reverse-route` of a crypto map, distance 1. \[R: facts 5.2\]
    Reverse,
}

/// A route that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads.
    pub network: Ipv4Network,
    /// Where it came from.
    pub source: RouteSource,
    /// The administrative distance: of several routes to one network the nearest counts.
    pub distance: u8,
    /// The next hop, when it has one.
    pub next_hop: Option<Ipv4Addr>,
    pub(super) port: Option<PortId>,
}

/// Where a packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    /// Through which interface.
    pub port: PortId,
    /// To which neighbour on it.
    pub neighbour: Ipv4Addr,
}

/// The routes in use, longest prefix first, then by rising distance.
#[derive(Clone, Debug, Default)]
pub(super) struct RoutingTable {
    routes: Vec<Route>,
}

impl RoutingTable {
    /// The table that the interfaces, the written routes and the reverse routes (network and next hop) give.
    ///
    /// A static route counts only while its interface is up or its next hop can be reached by another route, as IOS
    /// installs it. Of several routes to one network the one of the lowest distance counts; of equal ones the first
    /// written (IOS would share the load by a hash of the addresses).
    pub fn new(ports: &[Port], statics: &[StaticRoute], reverse: &[(Ipv4Network, Ipv4Addr)]) -> Self {
        let mut table = Self::default();
        for (index, port) in ports.iter().enumerate().filter(|(_, port)| port.is_up()) {
            for network in &port.addresses {
                table.insert(Route {
                    network: base(*network),
                    source: RouteSource::Connected,
                    distance: 0,
                    next_hop: None,
                    port: Some(PortId(index)),
                });
            }
        }
        let mut waiting: Vec<Route> = statics.iter().filter_map(|route| written(ports, route)).collect();
        waiting.extend(reverse.iter().map(|(network, next_hop)| Route {
            network: base(*network),
            source: RouteSource::Reverse,
            distance: 1,
            next_hop: Some(*next_hop),
            port: None,
        }));
        // A next hop may be reached by a route further down: try again until no route becomes usable any more.
        loop {
            let before = waiting.len();
            waiting.retain(|route| {
                let usable = match (route.port, route.next_hop) {
                    (Some(_), _) => true,
                    (None, Some(next_hop)) => table.route(next_hop).is_some_and(|via| {
                        !route.network.contains(next_hop) || via.network.prefix() > route.network.prefix()
                    }),
                    (None, None) => false,
                };
                if usable {
                    table.insert(route.clone());
                }
                !usable
            });
            if waiting.len() == before {
                return table;
            }
        }
    }

    /// Where a packet to `destination` leaves; `None` when no route leads there.
    pub fn lookup(&self, destination: Ipv4Addr) -> Option<Hop> {
        let mut neighbour = destination;
        for _ in 0..MAX_RECURSION {
            let route = self.route(neighbour)?;
            let via = route.next_hop.unwrap_or(neighbour);
            if let Some(port) = route.port {
                return Some(Hop { port, neighbour: via });
            }
            neighbour = via;
        }
        None
    }

    /// The best route to `destination`.
    pub fn route(&self, destination: Ipv4Addr) -> Option<&Route> {
        self.routes.iter().find(|route| route.network.contains(destination))
    }

    /// Every route in use, longest prefix first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    fn insert(&mut self, route: Route) {
        if let Some(same) = self.routes.iter_mut().find(|other| other.network == route.network) {
            if route.distance < same.distance {
                *same = route;
            }
            return;
        }
        let place = self.routes.partition_point(|other| other.network.prefix() >= route.network.prefix());
        self.routes.insert(place, route);
    }
}

fn base(network: Ipv4Network) -> Ipv4Network {
    Ipv4Network::new(network.network(), network.prefix()).unwrap_or(network)
}

fn written(ports: &[Port], route: &StaticRoute) -> Option<Route> {
    let port = match &route.interface {
        Some(name) => {
            let index = ports.iter().position(|port| port.name == *name);
            match index {
                Some(index) if ports[index].is_up() => Some(PortId(index)),
                _ => return None,
            }
        }
        None => None,
    };
    Some(Route {
        network: base(route.network),
        source: RouteSource::Static,
        distance: route.distance,
        next_hop: route.next_hop,
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ios::config::{InterfaceName, Span};
    use crate::ios::router::interface::InterfaceCounters;
    use crate::wire::ethernet::MacAddress;

    fn port(name: &str, address: &str, up: bool) -> Port {
        Port {
            name: InterfaceName::parse(name).unwrap(),
            mac: MacAddress([0; 6]),
            admin_up: up,
            carrier: true,
            addresses: vec![address.parse().unwrap()],
            mtu: 1500,
            access_group_in: None,
            access_group_out: None,
            nat: None,
            crypto_map: None,
            counters: InterfaceCounters::default(),
        }
    }

    fn route(network: &str, interface: Option<&str>, next_hop: Option<&str>, distance: u8) -> StaticRoute {
        StaticRoute {
            network: network.parse().unwrap(),
            interface: interface.map(|name| InterfaceName::parse(name).unwrap()),
            next_hop: next_hop.map(|address| address.parse().unwrap()),
            distance,
            permanent: false,
            name: None,
            span: Span::NONE,
        }
    }

    fn hop(table: &RoutingTable, destination: &str) -> Option<(usize, String)> {
        table.lookup(destination.parse().unwrap()).map(|hop| (hop.port.0, hop.neighbour.to_string()))
    }

    #[test]
    fn the_longest_prefix_wins_then_the_lowest_distance() {
        let ports = [port("Gi0/0", "192.0.2.1/24", true), port("Gi0/1", "10.1.0.1/24", true)];
        let statics = [
            route("0.0.0.0/0", None, Some("192.0.2.254"), 1),
            route("10.2.0.0/16", None, Some("10.1.0.9"), 5),
            route("10.2.0.0/16", None, Some("10.1.0.8"), 200),
            route("10.2.3.0/24", Some("Gi0/0"), None, 1),
        ];
        let table = RoutingTable::new(&ports, &statics, &[]);
        assert_eq!(hop(&table, "10.1.0.77"), Some((1, "10.1.0.77".into())));
        assert_eq!(hop(&table, "10.2.0.1"), Some((1, "10.1.0.9".into())));
        assert_eq!(hop(&table, "10.2.3.4"), Some((0, "10.2.3.4".into())));
        assert_eq!(hop(&table, "8.8.8.8"), Some((0, "192.0.2.254".into())));
    }

    #[test]
    fn a_floating_route_takes_over_when_the_interface_goes_down() {
        let statics =
            [route("0.0.0.0/0", None, Some("192.0.2.254"), 1), route("0.0.0.0/0", None, Some("10.1.0.9"), 250)];
        let up = [port("Gi0/0", "192.0.2.1/24", true), port("Gi0/1", "10.1.0.1/24", true)];
        let down = [port("Gi0/0", "192.0.2.1/24", false), port("Gi0/1", "10.1.0.1/24", true)];
        assert_eq!(hop(&RoutingTable::new(&up, &statics, &[]), "9.9.9.9"), Some((0, "192.0.2.254".into())));
        assert_eq!(hop(&RoutingTable::new(&down, &statics, &[]), "9.9.9.9"), Some((1, "10.1.0.9".into())));
    }

    #[test]
    fn next_hops_are_followed_and_loops_are_not() {
        let ports = [port("Gi0/0", "192.0.2.1/24", true)];
        let statics = [
            route("10.9.0.0/16", None, Some("172.16.0.1"), 1),
            route("172.16.0.0/16", None, Some("192.0.2.7"), 1),
            route("10.5.0.0/16", None, Some("10.6.0.1"), 1),
            route("10.6.0.0/16", None, Some("10.5.0.1"), 1),
            route("10.7.0.0/16", None, Some("10.7.0.1"), 1),
        ];
        let table =
            RoutingTable::new(&ports, &statics, &[("10.8.0.0/16".parse().unwrap(), "192.0.2.8".parse().unwrap())]);
        assert_eq!(hop(&table, "10.9.1.1"), Some((0, "192.0.2.7".into())));
        assert_eq!(hop(&table, "10.8.1.1"), Some((0, "192.0.2.8".into())));
        assert_eq!(hop(&table, "10.5.1.1"), None);
        assert_eq!(hop(&table, "10.7.1.1"), None);
    }
}
