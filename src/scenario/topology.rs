//! The addresses of the lab, derived from the tunnel where the scenario does not give them.

use std::net::Ipv4Addr;
use std::ops::Range;

use crate::diag::{Diagnostic, Source};
use crate::scenario::file::{HostFile, LabFile};
use crate::scenario::node::{Key, Node};
use crate::scenario::prefix::{InterfaceAddress, Ipv4Prefix};
use crate::scenario::steps::Endpoint;
use crate::scenario::tunnel::Tunnel;

/// The addresses of the lab.
///
/// ```text
/// left (host) --- dut (implementation) --- internet --- cisco (IOS router) --- right (host)
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The host behind the implementation; its gateways are the implementation's inner addresses. Never empty.
    pub left: Vec<Host>,
    /// The host behind the router; its gateways are the router's inner addresses, as the running-config has them.
    /// Never empty.
    pub right: Vec<Host>,
    /// The implementation's outer address; its gateway is the internet.
    pub dut: Host,
    /// The internet's address on the router's outside link.
    pub cisco_gateway: Ipv4Addr,
}

/// An address on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// The address and the network of the link.
    pub address: InterfaceAddress,
    /// The next hop to everything else.
    pub gateway: Ipv4Addr,
}

impl Topology {
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

    pub(crate) fn derive(
        lab: &LabFile,
        tunnel: &Tunnel,
        source: &Source,
        node: &Node,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut side = |name: &'static str, given: &[HostFile], key: &'static str, networks: Vec<Ipv4Prefix>| {
            let hosts = if given.is_empty() { derive_hosts(&networks) } else { given.iter().map(complete).collect() };
            if hosts.is_none() && given.is_empty() {
                let span = node.place(&[Key::Name("tunnel"), Key::Name("traffic"), Key::Index(0), Key::Name(key)]);
                errors.push(
                    Diagnostic::error(source, span, "no host can be derived from this network", "expected a /1 to /32")
                        .with_help(format!("give the host's address as `lab: {{{name}: [{{address: A/LEN}}]}}`")),
                );
            } else if hosts.is_none() {
                errors.push(no_gateway(source, node.place(&[Key::Name("lab"), Key::Name(name)])));
            }
            hosts.unwrap_or_default()
        };
        let left = side("left", &lab.left, "local", tunnel.traffic.iter().map(|pair| pair.local).collect());
        let right = side("right", &lab.right, "remote", tunnel.traffic.iter().map(|pair| pair.remote).collect());

        let outer = Ipv4Prefix::containing(tunnel.local, 24);
        let dut = match &lab.dut {
            Some(given) => complete(given),
            None => outer
                .last_host(tunnel.local)
                .map(|gateway| Host { address: InterfaceAddress { address: tunnel.local, network: outer }, gateway }),
        };
        let cisco_gateway =
            lab.cisco_gateway.or_else(|| Ipv4Prefix::containing(tunnel.remote, 24).last_host(tunnel.remote));
        match (dut, cisco_gateway) {
            (Some(dut), Some(cisco_gateway)) if errors.is_empty() => Ok(Self { left, right, dut, cisco_gateway }),
            (dut, _) => {
                if dut.is_none() {
                    errors.push(no_gateway(source, node.place(&[Key::Name("lab"), Key::Name("dut")])));
                }
                Err(errors)
            }
        }
    }
}

fn no_gateway(source: &Source, span: Range<usize>) -> Diagnostic {
    Diagnostic::error(source, span, "no room for a gateway beside this address", "expected a /1 to /30, or a gateway")
}

/// The hosts in these networks: one each, unless one network covers another.
fn derive_hosts(networks: &[Ipv4Prefix]) -> Option<Vec<Host>> {
    let mut hosts: Vec<Host> = Vec::new();
    for network in networks {
        if !hosts.iter().any(|host| network.contains(host.address.address)) {
            hosts.push(derive_host(*network)?);
        }
    }
    Some(hosts)
}

/// The gateway is the first address and the host the tenth, where there are so many. For a single address, which is
/// then the host's, the link is the /24 around it.
fn derive_host(network: Ipv4Prefix) -> Option<Host> {
    let (link, host) = match network.prefix_len() {
        0 => return None,
        1..=28 => (network, network.nth(10)?),
        29..=30 => (network, network.nth(2)?),
        _ => (Ipv4Prefix::containing(network.address(), 24), network.address()),
    };
    let gateway = link.nth(1).filter(|first| *first != host).or_else(|| link.nth(2))?;
    Some(Host { address: InterfaceAddress { address: host, network: link }, gateway })
}

/// A host as given, with the first other address of its network for a gateway unless given.
fn complete(given: &HostFile) -> Option<Host> {
    let InterfaceAddress { address, network } = given.address;
    let first = match network.prefix_len() {
        0 | 31.. => None,
        _ => network.nth(1).filter(|first| *first != address).or_else(|| network.nth(2)),
    };
    Some(Host { address: given.address, gateway: given.gateway.or(first)? })
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

    #[test]
    fn a_network_inside_another_needs_no_host_of_its_own() {
        let networks = ["10.1.0.0/24", "10.1.0.0/24", "10.1.0.0/16", "10.2.0.0/24"].map(|text| text.parse().unwrap());
        let hosts: Vec<_> = derive_hosts(&networks).unwrap().iter().map(|host| host.address.to_string()).collect();
        assert_eq!(hosts, ["10.1.0.10/24", "10.2.0.10/24"]);
        assert_eq!(derive_hosts(&["0.0.0.0/0".parse().unwrap()]), None);
    }
}
