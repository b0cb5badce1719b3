//! The five namespaces of a cell and the four links between them.
//!
//! ```text
//! left eth0 --- inside dut outside --- dut internet cisco --- outside cisco inside --- eth0 right
//! ```
//!
//! `left`, `dut` and `right` have the kernel's addresses; in `internet` and `cisco` user space owns both ends. The kernel's
//! neighbours are entered beforehand, so that nobody waits for ARP, and nothing is on the links that was not asked for.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use futures_util::future::{try_join, try_join4, try_join5};

use crate::lab::LabError;
use crate::lab::internet::{self, Attachment};
use crate::lab::link::{Links, NextHop, VethEnd};
use crate::lab::namespace::Namespace;
use crate::scenario::Host;
use crate::wire::ethernet::MacAddress;
use crate::wire::ipv4::Ipv4Prefix;

/// A host's address, and its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stub {
    /// The host's address.
    pub host: Ipv4Addr,
    /// The gateway's; it may lie outside the network, and is then reached straight out of the interface.
    pub gateway: Ipv4Addr,
    /// Bits of the network's prefix.
    pub prefix_len: u8,
    /// The gateway's hardware address, where it is not that of its end of the link.
    pub gateway_mac: Option<MacAddress>,
}

impl From<Host> for Stub {
    fn from(Host { address, gateway }: Host) -> Self {
        Self { host: address.address, gateway, prefix_len: address.network.length(), gateway_mac: None }
    }
}

impl Stub {
    /// Its network.
    pub fn prefix(self) -> Ipv4Prefix {
        Ipv4Prefix::containing(self.host, self.prefix_len)
    }
}

/// How the implementation or the router is attached to the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uplink {
    /// Its address.
    pub address: Ipv4Addr,
    /// Bits of the prefix of its network.
    pub prefix_len: u8,
    /// The internet's address in that network.
    pub gateway: Ipv4Addr,
}

impl From<Host> for Uplink {
    fn from(Host { address, gateway }: Host) -> Self {
        Self { address: address.address, prefix_len: address.network.length(), gateway }
    }
}

impl Uplink {
    /// Its network.
    pub fn prefix(self) -> Ipv4Prefix {
        Ipv4Prefix::containing(self.address, self.prefix_len)
    }
}

/// All addresses of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The addresses of the host behind the implementation.
    pub left: Vec<Stub>,
    /// The implementation's way out.
    pub dut: Uplink,
    /// The router's way out. The kernel uses it only where both are in one network.
    pub cisco: Uplink,
    /// The addresses of the host behind the router; their gateways are the router's inside addresses.
    pub right: Vec<Stub>,
    /// Networks behind the router that are reached through the tunnel or not at all: the implementation's machine sends
    /// nothing there in clear.
    pub protected: Vec<Ipv4Prefix>,
    /// MTU of every link, in octets.
    pub mtu: u32,
}

impl Plan {
    /// The internet that fits these addresses: no NAT, no impairments.
    pub fn internet(&self) -> internet::Config {
        let attachment = |uplink: Uplink, mac, peer_mac| Attachment {
            mac,
            address: uplink.gateway,
            subnet: uplink.prefix(),
            peer: uplink.address,
            peer_mac,
        };
        internet::Config {
            dut: attachment(self.dut, mac::INTERNET_DUT, mac::DUT_OUTSIDE),
            cisco: attachment(self.cisco, mac::INTERNET_CISCO, mac::CISCO_OUTSIDE),
            nat: None,
            impairments: Vec::new(),
            mtu: internet::PathMtu::default(),
            unrouted: Vec::new(),
        }
    }

    /// The left host as the kernel gets it.
    fn left_host(&self) -> Vec<Stub> {
        attachable(&self.left, self.dut.address, &self.right)
    }

    /// The right host as the kernel gets it.
    fn right_host(&self) -> Vec<Stub> {
        attachable(&self.right, self.cisco.address, &self.left)
    }
}

/// The stubs without those whose address is the gateway machine's own outer one, as in a tunnel that ends there; and, where
/// the network would hide that machine's outer address or the far side, with a prefix length of 32.
fn attachable(stubs: &[Stub], outer: Ipv4Addr, far: &[Stub]) -> Vec<Stub> {
    let stubs = stubs.iter().filter(|stub| stub.host != outer).map(|stub| {
        let network = stub.prefix();
        let hides = network.contains(outer) || far.iter().any(|far| network.contains(far.host));
        let plain = network.contains(stub.gateway) && !hides;
        Stub { prefix_len: if plain { stub.prefix_len } else { 32 }, ..*stub }
    });
    stubs.collect()
}

/// Hardware addresses, the same in every cell so that captures compare.
pub mod mac {
    use crate::wire::ethernet::MacAddress;

    /// `eth0` of left.
    pub const LEFT: MacAddress = MacAddress([0x02, 0, 0, 0, 0x01, 0x01]);
    /// `inside` of dut.
    pub const DUT_INSIDE: MacAddress = MacAddress([0x02, 0, 0, 0, 0x02, 0x01]);
    /// `outside` of dut.
    pub const DUT_OUTSIDE: MacAddress = MacAddress([0x02, 0, 0, 0, 0x02, 0x02]);
    /// `dut` of internet.
    pub const INTERNET_DUT: MacAddress = MacAddress([0x02, 0, 0, 0, 0x03, 0x01]);
    /// `cisco` of internet.
    pub const INTERNET_CISCO: MacAddress = MacAddress([0x02, 0, 0, 0, 0x03, 0x02]);
    /// `outside` of cisco.
    pub const CISCO_OUTSIDE: MacAddress = MacAddress([0x02, 0, 0, 0, 0x04, 0x01]);
    /// `inside` of cisco.
    pub const CISCO_INSIDE: MacAddress = MacAddress([0x02, 0, 0, 0, 0x04, 0x02]);
    /// `eth0` of right.
    pub const RIGHT: MacAddress = MacAddress([0x02, 0, 0, 0, 0x05, 0x01]);
}

/// The only interface of a host.
pub const ETH0: &str = "eth0";
/// The interface of `dut` or `cisco` that leads to its host.
pub const INSIDE: &str = "inside";
/// The interface of `dut` or `cisco` that leads to the internet.
pub const OUTSIDE: &str = "outside";
/// The interface of `internet` that leads to the implementation.
pub const TO_DUT: &str = "dut";
/// The interface of `internet` that leads to the router.
pub const TO_CISCO: &str = "cisco";

/// The namespaces of a cell. Dropped, they and their links are gone.
pub struct Topology {
    /// The host behind the implementation.
    pub left: Namespace,
    /// Where the implementation runs; it forwards.
    pub dut: Namespace,
    /// Between them.
    pub internet: Namespace,
    /// Where the router runs.
    pub cisco: Namespace,
    /// The host behind the router.
    pub right: Namespace,
    /// The addresses.
    pub plan: Plan,
}

impl Topology {
    /// Makes the namespaces and links of `plan`, and waits until every link carries frames.
    ///
    /// # Errors
    /// When the kernel refuses something, or addresses of the plan collide.
    pub async fn build(plan: Plan) -> Result<Self, LabError> {
        let [left, dut, internet, cisco, right] = make_namespaces()?;
        let topology = Self { left, dut, internet, cisco, right, plan };
        let Self { left, dut, internet, cisco, right, plan } = &topology;
        let mut at_left = Links::open(left)?;
        let mut at_dut = Links::open(dut)?;
        let mut at_internet = Links::open(internet)?;
        let mut at_cisco = Links::open(cisco)?;
        let mut at_right = Links::open(right)?;

        let end = |namespace, interface, mac| VethEnd { namespace, interface, mac };
        try_join4(
            at_left.add_veth(end(left, ETH0, mac::LEFT), end(dut, INSIDE, mac::DUT_INSIDE), plan.mtu),
            at_dut.add_veth(end(dut, OUTSIDE, mac::DUT_OUTSIDE), end(internet, TO_DUT, mac::INTERNET_DUT), plan.mtu),
            at_cisco.add_veth(
                end(cisco, OUTSIDE, mac::CISCO_OUTSIDE),
                end(internet, TO_CISCO, mac::INTERNET_CISCO),
                plan.mtu,
            ),
            at_right.add_veth(end(right, ETH0, mac::RIGHT), end(cisco, INSIDE, mac::CISCO_INSIDE), plan.mtu),
        )
        .await?;
        try_join5(
            configure_host(&mut at_left, &plan.left_host(), mac::DUT_INSIDE),
            configure_dut(&mut at_dut, dut, plan),
            at_internet.wait_up(&[TO_DUT, TO_CISCO]),
            at_cisco.wait_up(&[OUTSIDE, INSIDE]),
            configure_host(&mut at_right, &plan.right_host(), mac::CISCO_INSIDE),
        )
        .await?;
        Ok(topology)
    }

    /// The namespace whose kernel has `address`; `None` for the router's, the internet's and everybody else's.
    pub fn owner(&self, address: Ipv4Addr) -> Option<&Namespace> {
        let has = |stubs: &[Stub]| stubs.iter().any(|stub| stub.host == address);
        if has(&self.plan.left_host()) {
            Some(&self.left)
        } else if address == self.plan.dut.address {
            Some(&self.dut)
        } else if has(&self.plan.right_host()) {
            Some(&self.right)
        } else {
            None
        }
    }
}

fn make_namespaces() -> Result<[Namespace; 5], LabError> {
    let [left, dut, internet, cisco, right] = std::thread::scope(|scope| {
        let labels = ["left", "dut", "internet", "cisco", "right"];
        labels.map(|label| scope.spawn(move || Namespace::new(label))).map(|thread| {
            let panicked =
                |_| Err(LabError::new("making a network namespace", std::io::Error::other("a thread panicked")));
            thread.join().unwrap_or_else(panicked)
        })
    });
    Ok([left?, dut?, internet?, cisco?, right?])
}

/// A host: an address in each of its networks, and everything else by its first gateway.
async fn configure_host(links: &mut Links, stubs: &[Stub], gateway_mac: MacAddress) -> Result<(), LabError> {
    let index = links.index(ETH0).await?;
    for stub in stubs {
        links.add_address(index, stub.host, stub.prefix_len).await?;
        links.add_neighbour(index, stub.gateway, stub.gateway_mac.unwrap_or(gateway_mac)).await?;
    }
    links.wait_up(&[ETH0]).await?;
    if let Some(first) = stubs.first() {
        links.add_route(Ipv4Prefix::ANY, NextHop::OnLink(index, first.gateway), None).await?;
    }
    Ok(())
}

/// The implementation's machine: a gateway for its hosts, and everything else by the internet.
async fn configure_dut(links: &mut Links, namespace: &Namespace, plan: &Plan) -> Result<(), LabError> {
    namespace.set_sysctls(&[
        ("net/ipv4/ip_forward", "1"),
        // It would tell hosts of shorter ways that only exist in the lab, and only one error in a second.
        ("net/ipv4/conf/all/send_redirects", "0"),
        ("net/ipv4/conf/default/send_redirects", "0"),
        ("net/ipv4/icmp_ratelimit", "0"),
    ])?;
    let (inside, outside) = try_join(links.index(INSIDE), links.index(OUTSIDE)).await?;
    let left = plan.left_host();
    let mut gateways = Vec::new();
    for stub in &left {
        if !gateways.contains(&stub.gateway) {
            links.add_address(inside, stub.gateway, stub.prefix_len).await?;
            gateways.push(stub.gateway);
        }
        links.add_neighbour(inside, stub.host, mac::LEFT).await?;
    }
    let dut = plan.dut;
    links.add_address(outside, dut.address, dut.prefix_len).await?;
    links.add_neighbour(outside, dut.gateway, mac::INTERNET_DUT).await?;
    if dut.prefix().contains(plan.cisco.address) {
        links.add_neighbour(outside, plan.cisco.address, mac::INTERNET_DUT).await?;
    }
    links.wait_up(&[INSIDE, OUTSIDE]).await?;
    for stub in left.iter().filter(|stub| stub.prefix_len == 32) {
        links.add_route(Ipv4Prefix::host(stub.host), NextHop::Interface(inside), None).await?;
    }
    let protected: BTreeSet<_> = plan.protected.iter().filter(|network| network.length() > 0).collect();
    for network in protected {
        links.add_route(*network, NextHop::Nowhere, None).await?;
    }
    links.add_route(Ipv4Prefix::ANY, NextHop::OnLink(outside, dut.gateway), None).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stub(host: &str, prefix_len: u8, gateway: &str) -> Stub {
        let [host, gateway] = [host, gateway].map(|text| text.parse().unwrap());
        Stub { host, gateway, prefix_len, gateway_mac: None }
    }

    #[test]
    fn networks_never_hide_the_far_side() {
        let uplink = |address, gateway| Uplink { address, prefix_len: 24, gateway };
        let plan = Plan {
            left: vec![
                stub("10.0.0.10", 8, "10.0.0.1"),
                stub("172.16.0.10", 24, "172.16.0.1"),
                stub("172.17.0.10", 24, "172.18.0.1"),
                stub("192.0.2.10", 24, "192.0.2.1"),
            ],
            right: vec![stub("10.2.0.10", 24, "10.2.0.1"), stub("198.51.100.20", 24, "198.51.100.1")],
            dut: uplink(Ipv4Addr::new(192, 0, 2, 10), Ipv4Addr::new(192, 0, 2, 254)),
            cisco: uplink(Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 254)),
            protected: Vec::new(),
            mtu: 1500,
        };
        let lens = |stubs: Vec<Stub>| -> Vec<_> { stubs.iter().map(|stub| stub.prefix_len).collect() };
        assert_eq!(lens(plan.left_host()), [32, 24, 32]);
        assert_eq!(lens(plan.right_host()), [24, 32]);
    }
}
