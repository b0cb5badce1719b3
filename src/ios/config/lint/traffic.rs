//! The way of a packet through interfaces, filters, routes and address translation to the crypto map.

use super::super::model::{
    CryptoMap, CryptoMapEntry, EntryKind, Interface, LocalAddress, MapPeer, NatRule, NatSelection, NatSide, NatTarget,
    PeerHost, RunningConfig,
};
use super::super::span::Spanned;
use super::Lint;
use super::path::{connected, egress, may_be_learnt};
use crate::ios::acl::{AccessList, Ace, Action, PacketKey, ProxyPair};

impl Lint<'_> {
    pub(super) fn traffic(&mut self) {
        let config = self.config;
        for (place, interface) in config.interfaces.iter().enumerate() {
            self.interface(interface, &config.interfaces[..place]);
        }
        self.wildcards_of_filters();
        self.routes();
        self.nat();
        for interface in &config.interfaces {
            let Some(map) = interface.crypto_map.as_ref().and_then(|name| config.crypto_map(name)) else {
                continue;
            };
            self.ike_passes(interface, map);
            for (ace, pair) in protected(config, map) {
                self.leaves_by(interface, ace, &pair);
                self.untranslated(interface, ace, &pair);
            }
        }
    }

    fn interface(&mut self, interface: &Interface, earlier: &[Interface]) {
        let config = self.config;
        for acl in [&interface.access_group_in, &interface.access_group_out].into_iter().flatten() {
            if config.access_list(acl).is_none_or(AccessList::is_empty) {
                let title = format!("access list `{acl}` does not exist or is empty");
                self.warn(acl.span, title, "everything passes");
            }
        }
        if let Some(map) = &interface.crypto_map {
            if interface.shutdown.value {
                let title = format!("{} is shut down: its crypto map does nothing", interface.name);
                self.warn(interface.shutdown.span, title, "expected `no shutdown`");
            }
            if interface.address.is_none() {
                let title = format!("{} has a crypto map but no IP address", interface.name);
                self.warn(map.span, title, "no packet leaves by it");
            }
        }
        self.tunnel(interface);
        let Some(address) = &interface.address else {
            return;
        };
        for network in interface.addresses() {
            let overlapping = earlier.iter().find(|other| {
                other.addresses().any(|known| known.contains(network.network()) || network.contains(known.network()))
            });
            if let Some(other) = overlapping {
                let title = format!("{}/{} overlaps with {}", network.network(), network.prefix(), other.name);
                self.warn(address.span, title, "a real router refuses the address");
            }
        }
    }

    fn tunnel(&mut self, interface: &Interface) {
        let Some(protection) = &interface.tunnel.protection else {
            return;
        };
        if self.config.ipsec_profile(&protection.profile).is_none() {
            let title = format!("IPsec profile `{}` does not exist", protection.profile);
            self.warn(protection.span, title, "the tunnel is not protected");
        }
        match &interface.tunnel.source {
            None => {
                self.warn(interface.span, format!("{} has no `tunnel source`", interface.name), "it stays down");
            }
            Some(source) => {
                if let LocalAddress::Interface(name) = &source.value
                    && self.config.interface(name).is_none()
                {
                    self.warn(source.span, format!("{name} does not exist"), "the tunnel has no source and stays down");
                }
            }
        }
    }

    /// Subnet masks in access lists that no crypto map uses; those of crypto maps are told of with the map.
    fn wildcards_of_filters(&mut self) {
        let config = self.config;
        let entries = config.ipsec.maps.iter().flat_map(|map| &map.entries).map(|entry| &entry.settings);
        let dynamic = config.ipsec.dynamic_maps.iter().flat_map(|map| &map.entries).map(|entry| &entry.settings);
        let in_maps: Vec<&str> =
            entries.chain(dynamic).filter_map(|settings| Some(settings.acl.as_ref()?.value.as_str())).collect();
        for list in config.access_lists.iter().filter(|list| !in_maps.contains(&list.name.as_str())) {
            for ace in list.entries() {
                self.mask_for_wildcard(ace);
            }
        }
    }

    fn routes(&mut self) {
        let config = self.config;
        for route in &config.routes {
            if let Some(name) = route.interface.as_ref().filter(|name| !name.is_null())
                && config.interface(name).is_none()
            {
                self.warn(route.span, format!("{name} does not exist"), "the route leads nowhere");
            } else if let (None, Some(next_hop)) = (&route.interface, route.next_hop)
                && egress(config, next_hop).is_none()
                && !may_be_learnt(config)
                && !config.interfaces.is_empty()
            {
                self.warn(
                    route.span,
                    format!("no interface leads to the next hop {next_hop}"),
                    "the route is not used",
                );
            }
        }
    }

    fn nat(&mut self) {
        let config = self.config;
        let side = |wanted: NatSide| {
            config.interfaces.iter().any(|interface| interface.nat.is_some_and(|side| side.value == wanted))
        };
        if let Some(rule) = config.nat.rules.first() {
            for wanted in [NatSide::Inside, NatSide::Outside] {
                if !side(wanted) {
                    let title = format!("no interface has `ip nat {}`", wanted.word());
                    self.warn(rule.span, title, "nothing is translated");
                }
            }
        }
        for rule in &config.nat.rules {
            let NatRule::Dynamic { selection, target, .. } = &rule.value else {
                continue;
            };
            match selection {
                NatSelection::List(list) if config.access_list(list).is_none() => {
                    self.warn(list.span, format!("access list `{list}` does not exist"), "nothing is translated");
                }
                NatSelection::RouteMap(name) if !config.route_maps.iter().any(|entry| entry.name == name.value) => {
                    self.warn(name.span, format!("route map `{name}` does not exist"), "nothing is translated");
                }
                _ => {}
            }
            match target {
                NatTarget::Pool(pool) if !config.nat.pools.iter().any(|known| known.name == pool.value) => {
                    self.warn(pool.span, format!("NAT pool `{pool}` does not exist"), "nothing is translated");
                }
                NatTarget::Interface(name) if config.interface(name).is_none() => {
                    self.warn(name.span, format!("{} does not exist", name.value), "nothing is translated");
                }
                _ => {}
            }
        }
    }

    /// IKE and ESP of the peers against the inbound filter of the interface that carries the map.
    fn ike_passes(&mut self, interface: &Interface, map: &CryptoMap) {
        let config = self.config;
        let local = map.local_address.as_ref().and_then(|name| config.interface_address(name));
        let (Some(acl), Some(local)) =
            (&interface.access_group_in, local.or(config.interface_address(&interface.name)))
        else {
            return;
        };
        let peers = map.entries.iter().flat_map(|entry| &entry.settings.peers);
        for peer in peers.filter_map(|peer| peer.host.address()) {
            let ike = PacketKey::new(17, peer, local).with_ports(500, 500);
            let esp = PacketKey::new(50, peer, local);
            for (what, packet) in [("IKE (UDP 500)", ike), ("ESP", esp)] {
                if config.filter(acl, &packet) == Action::Deny {
                    let title = format!("access list {acl} drops {what} from peer {peer}");
                    self.warn(acl.span, title, format!("nothing of the tunnel comes in on {}", interface.name));
                }
            }
        }
    }

    /// Whether protected traffic leaves by the interface that carries the map.
    fn leaves_by(&mut self, interface: &Interface, ace: &Ace, pair: &ProxyPair) {
        let config = self.config;
        if may_be_learnt(config) || config.routes.is_empty() && connected(config, pair.remote.ip()).is_none() {
            return;
        }
        let maps = |name: &Interface| name.crypto_map == interface.crypto_map;
        match egress(config, pair.remote.ip()) {
            None => {
                let title = format!("no route leads to {}", pair.remote);
                self.warn(ace.span, title, "the packets are dropped before the crypto map sees them");
            }
            Some(other) if !maps(other) => {
                let title =
                    format!("packets to {} leave by {}, which does not have this crypto map", pair.remote, other.name);
                self.warn(ace.span, title, format!("they are not protected: the map is on {}", interface.name));
            }
            Some(_) => {}
        }
    }

    /// Address translation comes before the crypto map: what it translates no longer matches the crypto access list.
    fn untranslated(&mut self, interface: &Interface, ace: &Ace, pair: &ProxyPair) {
        let config = self.config;
        if interface.nat.is_none_or(|side| side.value != NatSide::Outside) {
            return;
        }
        for rule in &config.nat.rules {
            let NatRule::Dynamic { selection, .. } = &rule.value else {
                continue;
            };
            let taking = match selection {
                NatSelection::List(name) => config.access_list(name).and_then(|list| takes(list, pair)),
                NatSelection::RouteMap(name) => route_map_takes(config, name, pair),
            };
            let Some(taking) = taking else {
                continue;
            };
            let words = taking.words();
            let title = format!("address translation takes {pair} before the crypto map");
            let label = format!("`{words}` of the NAT list translates it, so the crypto access list no longer matches");
            let deny = Ace { action: Action::Deny, ..ace.clone() }.words();
            self.warn(ace.span, title, label).help = Some(format!("put `{deny}` first in the NAT list"));
        }
    }
}

/// The permit entries of every complete static entry of a map, as the pairs they protect.
fn protected<'config>(config: &'config RunningConfig, map: &'config CryptoMap) -> Vec<(&'config Ace, ProxyPair)> {
    let complete = |entry: &&CryptoMapEntry| {
        let known = |peer: &Spanned<MapPeer>| matches!(peer.host, PeerHost::Address(_));
        entry.kind == EntryKind::Isakmp
            && entry.settings.peers.iter().any(known)
            && entry.settings.reverse_route.is_none()
    };
    let lists =
        map.entries.iter().filter(complete).filter_map(|entry| config.access_list(entry.settings.acl.as_ref()?));
    let entries = lists.flat_map(AccessList::entries).filter(|ace| ace.action == Action::Permit);
    entries.filter_map(|ace| Some((ace, ace.proxies().ok()?))).filter(|(_, pair)| pair.remote.prefix() > 0).collect()
}

/// The permit entry of a NAT list that takes some of the pair's traffic.
fn takes<'acl>(list: &'acl AccessList, pair: &ProxyPair) -> Option<&'acl Ace> {
    let deciding = list.entries().find(|ace| match ace.action {
        Action::Permit => ace.overlaps(pair),
        Action::Deny => ace.contains(pair),
    })?;
    (deciding.action == Action::Permit).then_some(deciding)
}

fn route_map_takes<'config>(config: &'config RunningConfig, name: &str, pair: &ProxyPair) -> Option<&'config Ace> {
    let entries = config.route_maps.iter().filter(|entry| entry.name == name && entry.action == Action::Permit);
    let lists = entries.flat_map(|entry| &entry.match_acls).filter_map(|acl| config.access_list(acl));
    lists.filter_map(|list| takes(list, pair)).next()
}
