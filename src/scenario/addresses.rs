//! The addresses of the lab, derived from the tunnel where the scenario does not give them.

use std::fmt;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::str::FromStr;

use crate::diag::{Diagnostic, Source};
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
            None => Some(Host {
                address: InterfaceAddress { address: tunnel.local, network: outer },
                gateway: last_but(tunnel.local),
            }),
        };
        let cisco_gateway = lab.cisco_gateway.unwrap_or_else(|| last_but(tunnel.remote));
        if dut.is_none() {
            errors.push(no_gateway(source, node.place(&[Key::Name("lab"), Key::Name("dut")])));
        }
        match dut {
            Some(dut) if errors.is_empty() => Ok(Self { left, right, dut, cisco_gateway }),
            _ => Err(errors),
        }
    }
}

/// The `n`th address of a network that has so many.
fn nth(network: Ipv4Prefix, n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(network.network().to_bits() | n)
}

/// The last address of the /24 around `address` that a host may have, or the one before when that is `address` itself.
fn last_but(address: Ipv4Addr) -> Ipv4Addr {
    let network = Ipv4Prefix::containing(address, 24);
    nth(network, if nth(network, 254) == address { 253 } else { 254 })
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

    #[test]
    fn a_network_inside_another_needs_no_host_of_its_own() {
        let networks = ["10.1.0.0/24", "10.1.0.0/24", "10.1.0.0/16", "10.2.0.0/24"].map(|text| text.parse().unwrap());
        let hosts: Vec<_> = derive_hosts(&networks).unwrap().iter().map(|host| host.address.to_string()).collect();
        assert_eq!(hosts, ["10.1.0.10/24", "10.2.0.10/24"]);
        assert_eq!(derive_hosts(&["0.0.0.0/0".parse().unwrap()]), None);
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
