//! From a scenario to the addresses of its lab and the machines in it.

use crate::ios::Release;
use crate::ios::config::InterfaceName;
use crate::ios::router::Router;
use crate::lab::internet::{self, Action, Attachment, Impairment, NatConfig, Pattern};
use crate::lab::topology::{self, Plan, Stub, Uplink};
use crate::scenario::{self, Host, Scenario};

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

pub(super) fn addresses(scenario: &Scenario, router: &Router) -> Plan {
    let addresses = &scenario.addresses;
    let stub = |host: &Host| Stub {
        host: host.address.address,
        gateway: host.gateway,
        prefix_len: host.address.network.length(),
        gateway_mac: None,
    };
    let uplink = |host: &Host| Uplink {
        address: host.address.address,
        prefix_len: host.address.network.length(),
        gateway: host.gateway,
    };
    let right = addresses.right.iter().zip(&addresses.inside);
    Plan {
        left: addresses.left.iter().map(stub).collect(),
        dut: uplink(&addresses.dut),
        cisco: uplink(&addresses.cisco),
        right: right.map(|(host, interface)| Stub { gateway_mac: router.mac(interface), ..stub(host) }).collect(),
        mtu: MTU,
    }
}

pub(super) fn internet(scenario: &Scenario, plan: &Plan, router: &Router) -> internet::Config {
    let attachment = |uplink: &Uplink, mac, peer_mac| Attachment {
        mac,
        address: uplink.gateway,
        subnet: uplink.prefix(),
        peer: uplink.address,
        peer_mac,
    };
    let cisco_mac = router.mac(&scenario.addresses.outside).unwrap_or(topology::mac::CISCO_OUTSIDE);
    internet::Config {
        dut: attachment(&plan.dut, topology::mac::INTERNET_DUT, topology::mac::DUT_OUTSIDE),
        cisco: attachment(&plan.cisco, topology::mac::INTERNET_CISCO, cisco_mac),
        nat: scenario.nat.map(|nat| NatConfig::behind(nat.address)),
        impairments: scenario.impairments.iter().map(impairment).collect(),
    }
}

fn impairment(wanted: &scenario::Impairment) -> Impairment {
    let (message, times, action) = match wanted {
        scenario::Impairment::Drop(impaired) => (impaired.message, impaired.times, Action::Drop),
        scenario::Impairment::Duplicate(impaired) => (impaired.message, impaired.times, Action::Duplicate),
        scenario::Impairment::Delay(delayed) => (delayed.message, delayed.times, Action::Delay(delayed.by.0)),
    };
    Impairment { pattern: Pattern::Message(message), from: None, action, times: Some(times) }
}
