//! The addresses of the lab, derived from the tunnel where the scenario does not give them.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::str::FromStr;

use crate::diag::{Diagnostic, Source};
use crate::ios::config::{InterfaceName, RunningConfig};
use crate::scenario::file::{HostFile, LabFile};
use crate::scenario::node::{Key, Node};
use crate::scenario::steps::Endpoint;
use crate::scenario::text::texts;
use crate::scenario::tunnel::Tunnel;
use crate::wire::ipv4::Ipv4Prefix;

/// The addresses of the lab.
///
/// ```text
/// left (host) --- dut (implementation) --- internet --- cisco (IOS router) --- right (host)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The host behind the implementation; its gateways are the implementation's inner addresses. Never empty.
    pub left: Vec<Host>,
    /// The implementation's outer address; its gateway is the internet.
    pub dut: Host,
    /// The router's outer address; its gateway is the internet.
    pub cisco: Host,
    /// The router's interface with that address.
    pub outside: InterfaceName,
    /// The host behind the router; its gateways are the router's inner addresses. Never empty.
    pub right: Vec<Host>,
    /// For each of these addresses, the router's interface that leads to it.
    pub inside: Vec<InterfaceName>,
}

/// An address on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// The address and the network of the link.
    pub address: InterfaceAddress,
    /// The next hop to everything else.
    pub gateway: Ipv4Addr,
}

/// An address with the prefix length of the link it is on, written `10.1.0.10/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// The network of the link.
    pub network: Ipv4Prefix,
}

/// A text that is no address on a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address on a link: expected one such as 10.1.0.10/24")]
pub struct InterfaceAddressError(String);

impl FromStr for InterfaceAddress {
    type Err = InterfaceAddressError;

    fn from_str(text: &str) -> Result<Self, InterfaceAddressError> {
        let error = || InterfaceAddressError(text.to_owned());
        let (address, len) = text.split_once('/').ok_or_else(error)?;
        let address: Ipv4Addr = address.parse().map_err(|_| error())?;
        let len: u8 = len.parse().ok().filter(|len| *len <= 32).ok_or_else(error)?;
        let network = Ipv4Prefix::containing(address, len);
        let is_host = len >= 31 || (address != network.network() && address != network.last());
        if is_host { Ok(Self { address, network }) } else { Err(error()) }
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.network.length())
    }
}

impl Addresses {
    /// The address of an end of a ping; `None` when no host has it.
    pub fn resolve(&self, endpoint: Endpoint) -> Option<Ipv4Addr> {
        match endpoint {
            Endpoint::Left => self.left.first().map(|host| host.address.address),
            Endpoint::Right => self.right.first().map(|host| host.address.address),
            Endpoint::Address(wanted) => {
                self.left.iter().chain(&self.right).map(|host| host.address.address).find(|address| *address == wanted)
            }
        }
    }

    /// Whether `address` is one of the left host's.
    pub fn is_left(&self, address: Ipv4Addr) -> bool {
        self.left.iter().any(|host| host.address.address == address)
    }

    /// Takes what `lab` gives, and derives the rest from the tunnel and the router's configuration.
    pub(crate) fn derive(
        lab: &LabFile,
        tunnel: &Tunnel,
        router: &RunningConfig,
        source: &Source,
        node: &Node,
    ) -> Result<Self, Vec<Diagnostic>> {
        let place = Place { source, node };
        let left = left(&lab.left, tunnel, place);
        let dut = match &lab.dut {
            Some(given) => complete(given).ok_or_else(|| vec![no_gateway(source, place.of(&["lab", "dut"]))]),
            None => Ok(Host {
                address: InterfaceAddress { address: tunnel.local, network: Ipv4Prefix::containing(tunnel.local, 24) },
                gateway: last_but(Ipv4Prefix::containing(tunnel.local, 24), tunnel.local),
            }),
        };
        let outer = outside(lab, tunnel, router, place);
        let right = match &outer {
            Ok((_, name)) => right(&lab.right, tunnel, router, name, place),
            Err(_) => Err(Vec::new()),
        };
        match (left, dut, outer, right) {
            (Ok(left), Ok(dut), Ok((cisco, outside)), Ok(right)) => {
                let (right, inside) = right.into_iter().unzip();
                Ok(Self { left, dut, cisco, outside, right, inside })
            }
            (left, dut, outer, right) => {
                let errors = [left.err(), dut.err(), outer.err(), right.err()];
                Err(errors.into_iter().flatten().flatten().collect())
            }
        }
    }
}

/// Where errors about the addresses point.
#[derive(Clone, Copy)]
struct Place<'a> {
    source: &'a Source,
    node: &'a Node,
}

impl Place<'_> {
    fn of(self, path: &[&str]) -> Range<usize> {
        let path: Vec<_> = path.iter().map(|name| Key::Name(name)).collect();
        self.node.place(&path)
    }

    fn of_pair(self, index: usize, side: &str) -> Range<usize> {
        self.node.place(&[Key::Name("tunnel"), Key::Name("traffic"), Key::Index(index), Key::Name(side)])
    }
}

/// The hosts behind the implementation: one in each of its networks, unless one network covers another.
fn left(given: &[HostFile], tunnel: &Tunnel, place: Place<'_>) -> Result<Vec<Host>, Vec<Diagnostic>> {
    if !given.is_empty() {
        let hosts: Option<Vec<Host>> = given.iter().map(complete).collect();
        return hosts.ok_or_else(|| vec![no_gateway(place.source, place.of(&["lab", "left"]))]);
    }
    let mut hosts: Vec<Host> = Vec::new();
    for (index, pair) in tunnel.traffic.iter().enumerate() {
        if hosts.iter().any(|host| pair.local.contains(host.address.address)) {
            continue;
        }
        hosts.push(derive_host(pair.local).ok_or_else(|| {
            let span = place.of_pair(index, "local");
            let title = "no host can be derived from this network";
            vec![
                Diagnostic::error(place.source, span, title, "expected a /1 to /32")
                    .with_help("give the host's address as `lab: {left: [{address: A/LEN}]}`"),
            ]
        })?);
    }
    Ok(hosts)
}

/// The router's way to the internet: the interface with the tunnel's remote address, and the next hop of a route out
/// of it, or its network's last address when there is none.
fn outside(
    lab: &LabFile,
    tunnel: &Tunnel,
    router: &RunningConfig,
    place: Place<'_>,
) -> Result<(Host, InterfaceName), Vec<Diagnostic>> {
    let found = links(router).find(|(link, _)| link.address == tunnel.remote);
    let Some((address, name)) = found else {
        let known: Vec<String> = links(router).map(|(link, _)| link.address.to_string()).collect();
        let label = match known.as_slice() {
            [] => "expected an interface with an address in the running-config".to_owned(),
            known => format!("expected one of {}", known.join(", ")),
        };
        let title = format!("no interface of the router has the address {}", tunnel.remote);
        return Err(vec![Diagnostic::error(place.source, place.of(&["tunnel", "remote"]), title, label)]);
    };
    let mut routes: Vec<_> = router.routes.iter().collect();
    routes.sort_by_key(|route| route.network.prefix());
    let mut hops = routes.iter().filter_map(|route| route.next_hop);
    let hop = hops.find(|hop| address.network.contains(*hop) && *hop != address.address);
    let gateway = lab.cisco_gateway.or(hop).unwrap_or_else(|| last_but(address.network, address.address));
    Ok((Host { address, gateway }, name.clone()))
}

/// The hosts behind the router: one in each of its networks, on the link of the interface that leads there.
fn right(
    given: &[HostFile],
    tunnel: &Tunnel,
    router: &RunningConfig,
    outside: &InterfaceName,
    place: Place<'_>,
) -> Result<Vec<(Host, InterfaceName)>, Vec<Diagnostic>> {
    let inner = || links(router).filter(|(_, name)| *name != outside);
    let known = || inner().map(|(link, _)| link.network.to_string()).collect::<Vec<_>>().join(", ");
    let mut hosts: Vec<(Host, InterfaceName)> = Vec::new();
    let mut errors = Vec::new();
    let mut error = |span, title: String| {
        let label = match known().as_str() {
            "" => "expected an inside interface in the running-config".to_owned(),
            known => format!("expected a part of {known}"),
        };
        errors.push(Diagnostic::error(place.source, span, title, label));
    };
    for (index, given) in given.iter().enumerate() {
        let address = given.address.address;
        match inner().find(|(link, _)| link.network.contains(address) && link.address != address) {
            Some((link, name)) => {
                let gateway = given.gateway.unwrap_or(link.address);
                hosts.push((Host { address: given.address, gateway }, name.clone()));
            }
            None => {
                let span = place.node.place(&[Key::Name("lab"), Key::Name("right"), Key::Index(index)]);
                error(span, format!("no inside interface of the router leads to {address}"));
            }
        }
    }
    if given.is_empty() {
        for (index, pair) in tunnel.traffic.iter().enumerate() {
            if hosts.iter().any(|(host, _)| pair.remote.contains(host.address.address)) {
                continue;
            }
            let found = inner().find_map(|(link, name)| Some((host_beside(link, pair.remote)?, name.clone())));
            match found {
                Some(host) => hosts.push(host),
                None => {
                    let title = format!("no inside interface of the router leads to {}", pair.remote);
                    error(place.of_pair(index, "remote"), title);
                }
            }
        }
    }
    if errors.is_empty() { Ok(hosts) } else { Err(errors) }
}

/// The router's interfaces that have a link and a written address on it.
fn links(router: &RunningConfig) -> impl Iterator<Item = (InterfaceAddress, &InterfaceName)> {
    let real = |name: &InterfaceName| !name.is_loopback() && !name.is_tunnel() && !name.is_null();
    router.interfaces.iter().filter(move |interface| real(&interface.name)).flat_map(|interface| {
        interface.addresses().map(|address| {
            let network = Ipv4Prefix::containing(address.ip(), address.prefix());
            (InterfaceAddress { address: address.ip(), network }, &interface.name)
        })
    })
}

/// A host on the router's link and in `network`; `None` when they have no address to spare in common.
fn host_beside(link: InterfaceAddress, network: Ipv4Prefix) -> Option<Host> {
    let common = match (link.network.covers(network), network.covers(link.network)) {
        (true, _) => network,
        (_, true) => link.network,
        _ => return None,
    };
    let candidates = match common.length() {
        ..=28 => [10, 11],
        29..=30 => [2, 1],
        31 => [0, 1],
        _ => [0, 0],
    };
    let usable = |address: &Ipv4Addr| {
        *address != link.address
            && (link.network.length() >= 31 || (*address != link.network.network() && *address != link.network.last()))
    };
    let address = candidates.map(|n| nth(common, n)).into_iter().find(usable)?;
    Some(Host { address: InterfaceAddress { address, network: link.network }, gateway: link.address })
}

/// The `n`th address of a network that has so many.
fn nth(network: Ipv4Prefix, n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(network.network().to_bits() | n)
}

/// The last address of `network` that a host may have, or the one before when that is `address` itself.
fn last_but(network: Ipv4Prefix, address: Ipv4Addr) -> Ipv4Addr {
    let broadcast = u32::from(network.length() < 31);
    let last = network.last().to_bits().saturating_sub(broadcast);
    Ipv4Addr::from_bits(if last == address.to_bits() { last.saturating_sub(1) } else { last })
}

fn no_gateway(source: &Source, span: Range<usize>) -> Diagnostic {
    Diagnostic::error(source, span, "no room for a gateway beside this address", "expected a /1 to /30, or a gateway")
}

/// The gateway is the first address and the host the tenth, where there are so many. For a single address, which is
/// then the host's, the link is the /24 around it.
fn derive_host(network: Ipv4Prefix) -> Option<Host> {
    let (link, host) = match network.length() {
        0 => return None,
        1..=28 => (network, nth(network, 10)),
        29..=30 => (network, nth(network, 2)),
        _ => (Ipv4Prefix::containing(network.network(), 24), network.network()),
    };
    let gateway = nth(link, if nth(link, 1) == host { 2 } else { 1 });
    Some(Host { address: InterfaceAddress { address: host, network: link }, gateway })
}

/// A host as given, with the first other address of its network for a gateway unless given.
fn complete(given: &HostFile) -> Option<Host> {
    let InterfaceAddress { address, network } = given.address;
    let first = match network.length() {
        0 | 31.. => None,
        _ => Some(nth(network, if nth(network, 1) == address { 2 } else { 1 })),
    };
    Some(Host { address: given.address, gateway: given.gateway.or(first)? })
}

texts! {
    InterfaceAddress, "InterfaceAddress", "An address with the prefix length of its link, such as 10.1.0.10/24.",
        "^[0-9]+(\\.[0-9]+){3}/[0-9]{1,2}$";
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.1.0.0/24", "10.1.0.10/24", "10.1.0.1")]
    #[case("10.0.0.0/8", "10.0.0.10/8", "10.0.0.1")]
    #[case("10.1.0.16/28", "10.1.0.26/28", "10.1.0.17")]
    #[case("10.1.0.16/29", "10.1.0.18/29", "10.1.0.17")]
    #[case("10.1.0.16/30", "10.1.0.18/30", "10.1.0.17")]
    #[case("10.1.0.77/32", "10.1.0.77/24", "10.1.0.1")]
    #[case("10.1.0.1/32", "10.1.0.1/24", "10.1.0.2")]
    fn hosts(#[case] network: &str, #[case] address: &str, #[case] gateway: &str) {
        let host = derive_host(network.parse().unwrap()).unwrap();
        assert_eq!((host.address.to_string().as_str(), host.gateway.to_string().as_str()), (address, gateway));
    }

    #[rstest]
    #[case("10.2.0.1/24", "10.2.0.0/24", Some("10.2.0.10/24"))]
    #[case("10.2.0.10/24", "10.2.0.0/24", Some("10.2.0.11/24"))]
    #[case("10.2.0.1/24", "10.2.0.0/16", Some("10.2.0.10/24"))]
    #[case("10.2.0.1/16", "10.2.7.128/25", Some("10.2.7.138/16"))]
    #[case("10.2.0.1/24", "10.2.0.77/32", Some("10.2.0.77/24"))]
    #[case("10.2.0.1/24", "10.2.0.1/32", None)]
    #[case("10.2.0.1/24", "10.2.0.255/32", None)]
    #[case("10.2.0.2/30", "10.2.0.0/30", Some("10.2.0.1/30"))]
    #[case("10.2.0.1/31", "10.2.0.0/31", Some("10.2.0.0/31"))]
    #[case("10.2.0.1/24", "0.0.0.0/0", Some("10.2.0.10/24"))]
    #[case("10.2.0.1/24", "10.3.0.0/24", None)]
    fn hosts_on_the_routers_link(#[case] link: &str, #[case] network: &str, #[case] expected: Option<&str>) {
        let host = host_beside(link.parse().unwrap(), network.parse().unwrap());
        assert_eq!(host.map(|host| host.address.to_string()).as_deref(), expected);
    }

    #[rstest]
    #[case("198.51.100.0/24", "198.51.100.1", "198.51.100.254")]
    #[case("198.51.100.0/24", "198.51.100.254", "198.51.100.253")]
    #[case("198.51.100.0/30", "198.51.100.2", "198.51.100.1")]
    #[case("198.51.100.0/31", "198.51.100.1", "198.51.100.0")]
    #[case("198.51.100.0/31", "198.51.100.0", "198.51.100.1")]
    fn gateways_at_the_end_of_a_network(#[case] network: &str, #[case] taken: &str, #[case] gateway: &str) {
        assert_eq!(last_but(network.parse().unwrap(), taken.parse().unwrap()).to_string(), gateway);
    }

    #[test]
    fn addresses_on_links() {
        let address: InterfaceAddress = "10.1.0.10/24".parse().unwrap();
        assert_eq!(address.network.to_string(), "10.1.0.0/24");
        assert_eq!(address.to_string(), "10.1.0.10/24");
        for text in ["10.1.0.0/24", "10.1.0.255/24", "10.1.0.10", "10.1.0.10/33", "/24"] {
            assert!(text.parse::<InterfaceAddress>().is_err(), "{text}");
        }
    }
}
