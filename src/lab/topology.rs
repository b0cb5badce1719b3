//! The five namespaces of a cell and the four links between them.
//!
//! ```text
//! left eth0 --- inside dut outside --- dut internet cisco --- outside cisco inside --- eth0 right
//! ```
//!
//! `left`, `dut` and `right` have the kernel's addresses; in `internet` and `cisco` user space owns both ends. The kernel's
//! neighbours are entered beforehand, so that nobody waits for ARP, and nothing is on the links that was not asked for.

use std::net::Ipv4Addr;

use futures_util::future::{try_join, try_join4, try_join5};

use crate::lab::LabError;
use crate::lab::internet::{self, Attachment};
use crate::lab::link::{Links, NextHop, VethEnd};
use crate::lab::namespace::Namespace;
use crate::wire::ethernet::MacAddress;
use crate::wire::ipv4::Ipv4Prefix;

/// A network with one host and its gateway.
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

impl Stub {
    /// Addresses for a host and its gateway inside `prefix`, or its first 256 addresses when it is larger.
    ///
    /// The gateway is the first usable address and the host the tenth, or the second where there are fewer. The one address
    /// of a /32 is the host's, behind a link-local gateway. Of 0.0.0.0/0, 10.255.255.0/24 is taken.
    pub fn within(prefix: Ipv4Prefix) -> Self {
        let network = match prefix {
            Ipv4Prefix::ANY => Ipv4Addr::new(10, 255, 255, 0),
            _ => prefix.network(),
        };
        let prefix_len = prefix.length().max(24);
        let nth = |n| Ipv4Addr::from_bits(network.to_bits() | n);
        let (gateway, host) = match prefix_len {
            32 => (Ipv4Addr::new(169, 254, 0, 1), network),
            31 => (nth(0), nth(1)),
            29 | 30 => (nth(1), nth(2)),
            _ => (nth(1), nth(10)),
        };
        Self { host, gateway, prefix_len, gateway_mac: None }
    }

    /// The network.
    pub fn prefix(self) -> Ipv4Prefix {
        Ipv4Prefix::containing(self.host, self.prefix_len)
    }

    fn gateway_is_on_link(self) -> bool {
        self.prefix().contains(self.gateway)
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

impl Uplink {
    /// `address` in its /24, with a gateway that is neither it nor one of `taken`.
    pub fn in_slash_24(address: Ipv4Addr, taken: &[Ipv4Addr]) -> Self {
        let network = address.to_bits() & !0xff;
        // IOS configurations and people both tend to take 1 for the router, so the internet takes the last ones first.
        let gateway = (1..=254).rev().map(|host| Ipv4Addr::from_bits(network | host));
        let gateway = gateway.into_iter().find(|gateway| *gateway != address && !taken.contains(gateway));
        Self { address, prefix_len: 24, gateway: gateway.unwrap_or(address) }
    }

    /// Its network.
    pub fn prefix(self) -> Ipv4Prefix {
        Ipv4Prefix::containing(self.address, self.prefix_len)
    }
}

/// All addresses of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The networks behind the implementation; none for a tunnel that ends on the implementation's own address.
    pub left: Vec<Stub>,
    /// The implementation's way out.
    pub dut: Uplink,
    /// The router's way out. The kernel uses it only where both are in one network.
    pub cisco: Uplink,
    /// The networks behind the router; their gateway is the router's inside address.
    pub right: Vec<Stub>,
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
        }
    }
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
            configure_host(&mut at_left, &plan.left, mac::DUT_INSIDE),
            configure_dut(&mut at_dut, dut, plan),
            at_internet.wait_up(&[TO_DUT, TO_CISCO]),
            at_cisco.wait_up(&[OUTSIDE, INSIDE]),
            configure_host(&mut at_right, &plan.right, mac::CISCO_INSIDE),
        )
        .await?;
        Ok(topology)
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
    if let Some(stub) = stubs.first() {
        let next_hop = if stub.gateway_is_on_link() {
            NextHop::Gateway(stub.gateway)
        } else {
            NextHop::OnLink(index, stub.gateway)
        };
        links.add_route(Ipv4Prefix::ANY, next_hop, None).await?;
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
    for stub in &plan.left {
        let own_prefix_len = if stub.gateway_is_on_link() { stub.prefix_len } else { 32 };
        links.add_address(inside, stub.gateway, own_prefix_len).await?;
        links.add_neighbour(inside, stub.host, mac::LEFT).await?;
    }
    links.add_address(outside, plan.dut.address, plan.dut.prefix_len).await?;
    links.add_neighbour(outside, plan.dut.gateway, mac::INTERNET_DUT).await?;
    if plan.dut.prefix().contains(plan.cisco.address) {
        links.add_neighbour(outside, plan.cisco.address, mac::INTERNET_DUT).await?;
    }
    links.wait_up(&[INSIDE, OUTSIDE]).await?;
    for stub in plan.left.iter().filter(|stub| !stub.gateway_is_on_link()) {
        links.add_route(stub.prefix(), NextHop::Interface(inside), None).await?;
    }
    links.add_route(Ipv4Prefix::ANY, NextHop::Gateway(plan.dut.gateway), None).await
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.1.0.0/24", "10.1.0.10", "10.1.0.1", 24)]
    #[case("10.1.0.0/25", "10.1.0.10", "10.1.0.1", 25)]
    #[case("10.0.0.0/8", "10.0.0.10", "10.0.0.1", 24)]
    #[case("10.1.0.8/29", "10.1.0.10", "10.1.0.9", 29)]
    #[case("10.1.0.8/30", "10.1.0.10", "10.1.0.9", 30)]
    #[case("10.1.0.8/31", "10.1.0.9", "10.1.0.8", 31)]
    #[case("10.1.0.8/32", "10.1.0.8", "169.254.0.1", 32)]
    #[case("0.0.0.0/0", "10.255.255.10", "10.255.255.1", 24)]
    fn picks_addresses(#[case] prefix: Ipv4Prefix, #[case] host: Ipv4Addr, #[case] gateway: Ipv4Addr, #[case] len: u8) {
        let stub = Stub::within(prefix);
        assert_eq!((stub.host, stub.gateway, stub.prefix_len), (host, gateway, len));
        assert!(prefix.contains(stub.host));
    }

    #[test]
    fn the_gateway_is_nobody_elses_address() {
        let [a, b] = [Ipv4Addr::new(192, 0, 2, 254), Ipv4Addr::new(192, 0, 2, 253)];
        assert_eq!(Uplink::in_slash_24(a, &[b]).gateway, Ipv4Addr::new(192, 0, 2, 252));
        assert_eq!(Uplink::in_slash_24(b, &[]).gateway, a);
    }
}
