//! Where the static routes and connected networks of a configuration send a packet.

use std::net::Ipv4Addr;

use super::super::model::{Interface, RunningConfig};

/// The interface a packet to `destination` leaves by: the longest match among connected networks and static routes.
///
/// `None` when nothing leads there, or only what a routing protocol or DHCP would add at run time.
pub(super) fn egress(config: &RunningConfig, destination: Ipv4Addr) -> Option<&Interface> {
    connected(config, destination).or_else(|| {
        let routes = config.routes.iter().filter(|route| route.network.contains(destination));
        let route = routes.min_by_key(|route| (std::cmp::Reverse(route.network.prefix()), route.distance))?;
        match &route.interface {
            Some(name) => config.interface(name),
            None => connected(config, route.next_hop?),
        }
    })
}

/// Whether the way to `destination` may be learnt at run time, so that nothing can be said about it.
pub(super) fn may_be_learnt(config: &RunningConfig) -> bool {
    config.interfaces.iter().any(|interface| interface.address.is_some() && interface.primary().is_none())
}

/// The interface whose network holds `address`.
pub(super) fn connected(config: &RunningConfig, address: Ipv4Addr) -> Option<&Interface> {
    let up = config.interfaces.iter().filter(|interface| !interface.shutdown.value);
    up.flat_map(|interface| interface.addresses().map(move |network| (network, interface)))
        .filter(|(network, _)| network.contains(address))
        .max_by_key(|(network, _)| network.prefix())
        .map(|(_, interface)| interface)
}
