//! What is not about crypto: interfaces, routes \[S:LOG-XE1\], access lists \[S:LOG-XE1\], the configuration, the
//! version (modelled).

use std::net::Ipv4Addr;

use pnet::ipnetwork::Ipv4Network;

use super::{Route, RouteKind, State, line, uptime};
use crate::ios::acl::{AccessList, AclKind};
use crate::ios::console::Settings;
use crate::ios::event::InterfaceState;
use crate::ios::releases::Behaviour;

/// `show debugging` \[S:LOG-XE3\].
pub(super) fn debugging(settings: &Settings) -> String {
    let mut out = String::new();
    if settings.debug_isakmp || settings.debug_ipsec {
        line!(out, "Cryptographic Subsystem:");
        if settings.debug_isakmp {
            line!(out, "  Crypto ISAKMP debugging is on");
        }
        if settings.debug_ipsec {
            line!(out, "  Crypto IPSEC debugging is on");
        }
    }
    out
}

/// `show ip interface brief` \[R; the words S:NOTES-KR\].
pub(super) fn interface_brief(state: &State<'_>) -> String {
    let mut out = String::new();
    line!(out, "Interface                  IP-Address      OK? Method Status                Protocol");
    for interface in &state.interfaces {
        let address = interface.address.map_or("unassigned".to_owned(), |address| address.to_string());
        let method = if interface.address.is_some() { "NVRAM" } else { "unset" };
        let (status, protocol) = match interface.state {
            InterfaceState::AdministrativelyDown => ("administratively down", "down"),
            InterfaceState::Down => ("down", "down"),
            InterfaceState::Up => ("up", "up"),
        };
        line!(out, "{:<27}{address:<16}YES {method:<7}{status:<22}{protocol:<8}", interface.name);
    }
    out
}

/// `show ip route`: the codes and the layout of 15.x and XE \[S:LOG-XE1\]; 12.x without local routes \[R\].
pub(super) fn routes(behaviour: &Behaviour, state: &State<'_>) -> String {
    let mut out = String::new();
    out += codes(behaviour);
    line!(out);
    let default = state.routes.iter().find(|route| route.network.prefix() == 0).and_then(|route| route.next_hop);
    match default {
        Some(hop) => line!(out, "Gateway of last resort is {hop} to network 0.0.0.0"),
        None => line!(out, "Gateway of last resort is not set"),
    }
    line!(out);
    let mut entries: Vec<Entry<'_>> = state.routes.iter().map(|route| Entry { route, local: None }).collect();
    if behaviour.show.local_routes {
        entries.extend(locals(state));
    }
    entries.sort_by_key(|entry| (major(entry.network()), entry.network().ip(), entry.network().prefix()));
    let mut rest = entries.as_slice();
    while let Some(first) = rest.first() {
        let of = major(first.network());
        let (group, after) = rest.split_at(rest.iter().take_while(|entry| major(entry.network()) == of).count());
        rest = after;
        group_of(&mut out, behaviour, of, group);
    }
    out
}

/// A line of the table: a route, or the address of a connected interface.
struct Entry<'a> {
    route: &'a Route,
    local: Option<Ipv4Addr>,
}

impl Entry<'_> {
    fn network(&self) -> Ipv4Network {
        self.local.map_or(self.route.network, Ipv4Network::from)
    }
}

/// The local routes: the own address in each connected network.
fn locals<'a>(state: &'a State<'_>) -> impl Iterator<Item = Entry<'a>> {
    state.routes.iter().filter_map(|route| {
        let name = route.interface.as_deref().filter(|_| route.kind == RouteKind::Connected)?;
        let own = state.interfaces.iter().find(|interface| interface.name == name)?.address;
        // The address of a loopback is a network of its own already.
        own.filter(|own| route.network.contains(*own) && route.network.prefix() < 32)
            .map(|own| Entry { route, local: Some(own) })
    })
}

/// The classful network a route lies in, under which it stands.
fn major(network: Ipv4Network) -> (Ipv4Addr, u8) {
    let class = match network.ip().octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    };
    let length = if network.prefix() == 0 { 0 } else { class.min(network.prefix()) };
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    (Ipv4Addr::from_bits(network.ip().to_bits() & mask), length)
}

fn group_of(out: &mut String, behaviour: &Behaviour, (address, class): (Ipv4Addr, u8), group: &[Entry<'_>]) {
    let whole = |entry: &Entry<'_>| entry.network().prefix() <= class;
    if let [only] = group
        && whole(only)
    {
        let letter = letter(only);
        let star = if only.network().prefix() == 0 { "*" } else { " " };
        let column = if behaviour.show.local_routes { "    " } else { "   " };
        line!(*out, "{letter}{star}{column}{} {}", only.network(), way(only));
        return;
    }
    let mut masks: Vec<u8> = group.iter().map(|entry| entry.network().prefix()).collect();
    masks.sort_unstable();
    masks.dedup();
    let indent = if behaviour.show.local_routes { "      " } else { "     " };
    let subnets = group.len();
    match masks.as_slice() {
        [one] => line!(*out, "{indent}{address}/{one} is subnetted, {subnets} subnets"),
        _ => line!(*out, "{indent}{address}/{class} is variably subnetted, {subnets} subnets, {} masks", masks.len()),
    }
    for entry in group {
        let column = if behaviour.show.local_routes { "        " } else { "       " };
        line!(*out, "{}{column}{} {}", letter(entry), entry.network(), way(entry));
    }
}

fn letter(entry: &Entry<'_>) -> char {
    match (entry.local, entry.route.kind) {
        (Some(_), _) => 'L',
        (None, RouteKind::Connected) => 'C',
        (None, RouteKind::Static) => 'S',
    }
}

fn way(entry: &Entry<'_>) -> String {
    let route = entry.route;
    match (route.next_hop, &route.interface) {
        (Some(hop), Some(interface)) => format!("[{}/0] via {hop}, {interface}", route.distance),
        (Some(hop), None) => format!("[{}/0] via {hop}", route.distance),
        (None, Some(interface)) => format!("is directly connected, {interface}"),
        (None, None) => "is directly connected".to_owned(),
    }
}

fn codes(behaviour: &Behaviour) -> &'static str {
    if behaviour.show.local_routes {
        "Codes: L - local, C - connected, S - static, R - RIP, M - mobile, B - BGP\n       \
         D - EIGRP, EX - EIGRP external, O - OSPF, IA - OSPF inter area \n       \
         N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2\n       \
         E1 - OSPF external type 1, E2 - OSPF external type 2\n       \
         i - IS-IS, su - IS-IS summary, L1 - IS-IS level-1, L2 - IS-IS level-2\n       \
         ia - IS-IS inter area, * - candidate default, U - per-user static route\n       \
         o - ODR, P - periodic downloaded static route, H - NHRP, l - LISP\n       \
         a - application route\n       \
         + - replicated route, % - next hop override\n"
    } else {
        "Codes: C - connected, S - static, R - RIP, M - mobile, B - BGP\n       \
         D - EIGRP, EX - EIGRP external, O - OSPF, IA - OSPF inter area \n       \
         N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2\n       \
         E1 - OSPF external type 1, E2 - OSPF external type 2\n       \
         i - IS-IS, su - IS-IS summary, L1 - IS-IS level-1, L2 - IS-IS level-2\n       \
         ia - IS-IS inter area, * - candidate default, U - per-user static route\n       \
         o - ODR, P - periodic downloaded static route\n"
    }
}

/// The access lists, or the one of that name.
pub(super) fn access_lists(state: &State<'_>, name: Option<&str>) -> String {
    let mut out = String::new();
    for list in state.config.access_lists.iter().filter(|list| name.is_none_or(|name| list.name == name)) {
        let kind = match list.kind {
            AclKind::Standard => "Standard",
            AclKind::Extended => "Extended",
        };
        line!(out, "{kind} IP access list {}", list.name);
        for ace in list.entries() {
            let matches = match state.matches.get(&(list.name.clone(), ace.sequence)) {
                None | Some(0) => String::new(),
                Some(1) => " (1 match)".to_owned(),
                Some(matches) => format!(" ({matches} matches)"),
            };
            line!(out, "    {} {}{matches}", ace.sequence, words(list, ace));
        }
    }
    out
}

fn words(list: &AccessList, ace: &crate::ios::acl::Ace) -> String {
    match list.kind {
        AclKind::Extended => ace.words(),
        AclKind::Standard => {
            let wildcard = ace.source.wildcard();
            let source = match (ace.source.address(), wildcard) {
                (address, Ipv4Addr::UNSPECIFIED) => address.to_string(),
                (_, Ipv4Addr::BROADCAST) => "any".to_owned(),
                (address, wildcard) => format!("{address}, wildcard bits {wildcard}"),
            };
            format!("{} {source}", ace.action.word())
        }
    }
}

/// `show running-config` \[R for its first lines\].
pub(super) fn running_config(state: &State<'_>) -> String {
    let config = state.config.show();
    format!("Building configuration...\n\nCurrent configuration : {} bytes\n{config}\n", config.len())
}

/// A short `show version`, modelled.
pub(super) fn version(behaviour: &Behaviour, state: &State<'_>) -> String {
    let mut out = String::new();
    let hostname = &state.config.hostname.value;
    line!(out, "{}", behaviour.show.version);
    line!(out, "Simulated by ike-interop; no Cisco software runs here.");
    line!(out);
    line!(out, "{hostname} uptime is {}", uptime(state.now.since_start().as_secs()));
    line!(out, "{} processor", behaviour.show.platform);
    line!(out, "{} interfaces", state.interfaces.len());
    line!(out);
    line!(out, "Configuration register is 0x2102");
    out
}
