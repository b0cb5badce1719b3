//! From a scenario to the addresses of its lab and the machines in it.

use crate::ios::Release;
use crate::ios::config::InterfaceName;
use crate::ios::router::Router;
use crate::lab::internet::{self, Impairment, NatConfig};
use crate::lab::topology::{Plan, Stub};
use crate::scenario::Scenario;

/// MTU of every link.
const MTU: u32 = 1500;

/// The router of a scenario, as it is switched on.
pub(super) fn router(scenario: &Scenario, release: Release, seed: u64) -> Router {
    Router::new(scenario.router.running.clone(), release, seed)
}

/// The router's interfaces on the network behind it.
pub(super) fn inside(scenario: &Scenario) -> Vec<InterfaceName> {
    let mut inside = scenario.addresses.inside.clone();
    inside.sort();
    inside.dedup();
    inside
}

/// The addresses, with the hardware addresses of the router's own interfaces.
pub(super) fn addresses(scenario: &Scenario, router: &Router) -> Plan {
    let addresses = &scenario.addresses;
    let right = addresses.right.iter().zip(&addresses.inside);
    Plan {
        left: addresses.left.iter().copied().map(Stub::from).collect(),
        dut: addresses.dut.into(),
        cisco: addresses.cisco.into(),
        right: right.map(|(host, name)| Stub { gateway_mac: router.mac(name), ..Stub::from(*host) }).collect(),
        protected: scenario.tunnel.traffic.iter().map(|pair| pair.remote).collect(),
        mtu: MTU,
    }
}

pub(super) fn internet(scenario: &Scenario, plan: &Plan, router: &Router) -> internet::Config {
    let mut config = plan.internet();
    if let Some(mac) = router.mac(&scenario.addresses.outside) {
        config.cisco.peer_mac = mac;
    }
    config.nat = scenario.nat.map(|nat| NatConfig::behind(nat.address));
    config.unrouted = scenario.tunnel.traffic.iter().flat_map(|pair| [pair.local, pair.remote]).collect();
    config.impairments = scenario.impairments.iter().copied().map(Impairment::from).collect();
    config
}
