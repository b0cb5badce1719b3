use std::net::Ipv4Addr;

use pnet::ipnetwork::Ipv4Network;
use proptest::prelude::*;

use super::*;

fn network(text: &str) -> Ipv4Network {
    text.parse().unwrap()
}

fn permit(source: &str, destination: &str) -> Ace {
    Ace {
        source: AddressMatch::network(network(source)),
        destination: AddressMatch::network(network(destination)),
        ..Ace::permit_any(Span::NONE)
    }
}

fn list(entries: impl IntoIterator<Item = Ace>) -> AccessList {
    let mut list = AccessList::new("VPN", AclKind::Extended, Span::NONE);
    for ace in entries {
        list.insert(ace, None);
    }
    list
}

#[test]
fn a_subnet_mask_in_place_of_a_wildcard_zeroes_the_address() {
    let mistaken = AddressMatch::new(Ipv4Addr::new(192, 168, 3, 0), Ipv4Addr::new(255, 255, 255, 0));
    assert_eq!(mistaken.to_string(), "0.0.0.0 255.255.255.0");
    assert!(mistaken.matches(Ipv4Addr::new(9, 9, 9, 0)));
    assert!(!mistaken.matches(Ipv4Addr::new(192, 168, 3, 1)));
    assert_eq!(mistaken.as_network(), None);
}

#[test]
fn the_first_match_decides_and_none_is_a_deny() {
    let deny = Ace { action: Action::Deny, ..permit("10.2.0.7/32", "0.0.0.0/0") };
    let list = list([deny, permit("10.2.0.0/24", "10.1.0.0/24")]);
    let from =
        |last: u8| PacketKey::new(6, Ipv4Addr::new(10, 2, 0, last), Ipv4Addr::new(10, 1, 0, 1)).with_ports(5, 80);
    assert_eq!(list.evaluate(&from(7)).ace.map(|ace| ace.sequence), Some(10));
    assert_eq!(list.evaluate(&from(7)).action, Action::Deny);
    assert_eq!(list.evaluate(&from(8)).ace.map(|ace| ace.sequence), Some(20));
    assert_eq!(list.evaluate(&from(8).reversed()), Decision { action: Action::Deny, ace: None });
}

#[test]
fn later_fragments_have_no_ports() {
    let telnet = PortMatch::Eq(vec![23]);
    let ace = Ace { protocol: Protocol::TCP, destination_ports: telnet, ..Ace::permit_any(Span::NONE) };
    let address = Ipv4Addr::new(10, 0, 0, 1);
    let fragment = PacketKey { later_fragment: true, ..PacketKey::new(6, address, address) };
    assert!(ace.matches(&fragment));
    assert!(!Ace { action: Action::Deny, ..ace.clone() }.matches(&fragment));
    assert!(!ace.matches(&PacketKey { protocol: 17, ..fragment }));
}

#[test]
fn proposals_are_taken_exact_or_narrower_never_wider() {
    let list = list([
        Ace { action: Action::Deny, ..permit("10.2.0.0/24", "10.1.0.192/26") },
        permit("10.2.0.0/24", "10.1.0.0/25"),
        permit("10.2.0.0/24", "10.1.0.128/25"),
    ]);
    let cover = |remote: &str| list.cover(&ProxyPair::between(network("10.2.0.0/24"), network(remote)));
    assert!(matches!(cover("10.1.0.0/25"), Cover::Exact(ace) if ace.sequence == 20));
    assert!(matches!(cover("10.1.0.64/26"), Cover::Inside(ace) if ace.sequence == 20));
    assert!(matches!(cover("10.1.0.0/24"), Cover::Denied(ace) if ace.sequence == 10));
    assert!(matches!(cover("10.1.0.200/32"), Cover::Denied(_)));
    assert_eq!(cover("10.9.0.0/24"), Cover::Outside);
    let wider = super::tests::list([permit("10.2.0.0/24", "10.1.0.0/25")]);
    assert_eq!(wider.cover(&ProxyPair::between(network("10.2.0.0/24"), network("10.1.0.0/24"))), Cover::Outside);
}

#[test]
fn protocol_and_ports_are_part_of_the_proposal() {
    let web = Ace {
        protocol: Protocol::TCP,
        destination_ports: PortMatch::Eq(vec![80]),
        ..permit("10.2.0.0/24", "10.1.0.0/24")
    };
    let pair = web.proxies().unwrap();
    assert_eq!((pair.protocol, pair.local_port, pair.remote_port), (6, 0, 80));
    assert!(web.contains(&pair));
    assert!(!web.contains(&ProxyPair { remote_port: 81, ..pair }));
    assert!(!web.contains(&ProxyPair { remote_port: 0, ..pair }));
    assert!(!web.contains(&ProxyPair { protocol: 0, remote_port: 0, ..pair }));
    assert!(permit("10.2.0.0/24", "10.1.0.0/24").contains(&pair));
    assert_eq!(pair.to_string(), "tcp 10.2.0.0/24 <-> 10.1.0.0/24:80");
    let range = Ace { destination_ports: PortMatch::Range(1, 9), ..web.clone() };
    assert_eq!(range.proxies(), Err(NotExpressible::Ports));
    let holes = Ace { source: AddressMatch::new(Ipv4Addr::new(10, 0, 0, 0), Ipv4Addr::new(0, 255, 0, 255)), ..web };
    assert_eq!(holes.proxies(), Err(NotExpressible::Wildcard));
}

#[test]
fn entries_keep_their_order_by_sequence() {
    let mut list = list([permit("10.0.0.0/8", "0.0.0.0/0"), permit("11.0.0.0/8", "0.0.0.0/0")]);
    list.insert(permit("12.0.0.0/8", "0.0.0.0/0"), Some(15));
    list.insert(permit("13.0.0.0/8", "0.0.0.0/0"), Some(20));
    list.insert(permit("12.0.0.0/8", "0.0.0.0/0"), None);
    let sequences: Vec<u32> = list.entries().map(|ace| ace.sequence).collect();
    assert_eq!(sequences, [10, 15, 20]);
    assert_eq!(list.entries().last().unwrap().source.to_string(), "13.0.0.0 0.255.255.255");
    assert!(list.remove(|ace| ace.sequence == 15));
    assert!(!list.remove(|ace| ace.sequence == 15));
}

/// A condition on 256 addresses, with any wildcard in the last octet.
fn address_match() -> impl Strategy<Value = AddressMatch> {
    any::<(u8, u8)>().prop_map(|(address, wildcard)| {
        AddressMatch::new(Ipv4Addr::new(10, 0, 0, address), Ipv4Addr::new(0, 0, 0, wildcard))
    })
}

/// A network among the same addresses.
fn small_network() -> impl Strategy<Value = Ipv4Network> {
    (any::<u8>(), 24..=32_u8).prop_map(|(address, length)| {
        let network = Ipv4Network::new(Ipv4Addr::new(10, 0, 0, address), length).unwrap();
        Ipv4Network::new(network.network(), length).unwrap()
    })
}

fn port_match() -> impl Strategy<Value = PortMatch> {
    let port = 0..6_u16;
    prop_oneof![
        Just(PortMatch::Any),
        prop::collection::vec(port.clone(), 1..3).prop_map(PortMatch::Eq),
        prop::collection::vec(port.clone(), 1..3).prop_map(PortMatch::Neq),
        port.clone().prop_map(PortMatch::Lt),
        port.clone().prop_map(PortMatch::Gt),
        (port.clone(), port).prop_map(|(one, other)| PortMatch::Range(one.min(other), one.max(other))),
    ]
}

fn ace() -> impl Strategy<Value = Ace> {
    let protocol = prop_oneof![Just(Protocol::Any), Just(Protocol::TCP), Just(Protocol::UDP)];
    let action = prop_oneof![Just(Action::Permit), Just(Action::Deny)];
    (action, protocol, address_match(), port_match(), address_match(), port_match()).prop_map(
        |(action, protocol, source, source_ports, destination, destination_ports)| {
            let any_port = protocol == Protocol::Any;
            let ports = |ports| if any_port { PortMatch::Any } else { ports };
            Ace {
                action,
                protocol,
                source,
                source_ports: ports(source_ports),
                destination,
                destination_ports: ports(destination_ports),
                ..Ace::permit_any(Span::NONE)
            }
        },
    )
}

fn pair() -> impl Strategy<Value = ProxyPair> {
    let protocol = prop_oneof![Just(0), Just(6), Just(17)];
    (protocol, small_network(), 0..6_u16, small_network(), 0..6_u16).prop_map(
        |(protocol, local, local_port, remote, remote_port)| {
            let port = |port| if protocol == 0 { 0 } else { port };
            ProxyPair { protocol, local, local_port: port(local_port), remote, remote_port: port(remote_port) }
        },
    )
}

fn packet() -> impl Strategy<Value = PacketKey> {
    let protocol = prop_oneof![Just(6), Just(17), Just(50)];
    (protocol, any::<u8>(), any::<u8>(), 1..6_u16, 1..6_u16).prop_map(|(protocol, from, to, source, destination)| {
        let packet = PacketKey::new(protocol, Ipv4Addr::new(10, 0, 0, from), Ipv4Addr::new(10, 0, 0, to));
        if protocol == 50 { packet } else { packet.with_ports(source, destination) }
    })
}

fn in_pair(pair: &ProxyPair, packet: &PacketKey) -> bool {
    let port = |wanted: u16, port: Option<u16>| wanted == 0 || port == Some(wanted);
    (pair.protocol == 0 || pair.protocol == packet.protocol)
        && pair.local.contains(packet.source)
        && pair.remote.contains(packet.destination)
        && port(pair.local_port, packet.source_port)
        && port(pair.remote_port, packet.destination_port)
}

proptest! {
    #[test]
    fn containing_and_overlapping_agree_with_counting(condition in address_match(), network in small_network()) {
        let matching = network.iter().filter(|address| condition.matches(*address)).count();
        prop_assert_eq!(condition.contains(network), matching == network.iter().count());
        prop_assert_eq!(condition.overlaps(network), matching > 0);
        if let Some(own) = condition.as_network() {
            prop_assert!(condition.contains(own));
            prop_assert_eq!(AddressMatch::network(own), condition);
        }
    }

    #[test]
    fn a_mirror_matches_the_answer(ace in ace(), packet in packet()) {
        prop_assert_eq!(ace.matches(&packet), ace.mirror().matches(&packet.reversed()));
        prop_assert_eq!(ace.mirror().mirror(), ace);
    }

    #[test]
    fn what_a_pair_holds_its_entry_matches(ace in ace(), pair in pair(), packet in packet()) {
        if ace.contains(&pair) && in_pair(&pair, &packet) {
            prop_assert!(ace.matches(&packet));
        }
        if ace.matches(&packet) && in_pair(&pair, &packet) {
            prop_assert!(ace.overlaps(&pair));
        }
        if let Ok(own) = ace.proxies() {
            prop_assert!(ace.contains(&own));
            prop_assert_eq!(ace.matches(&packet), in_pair(&own, &packet));
            prop_assert_eq!(ace.mirror().proxies(), Ok(own.mirrored()));
            prop_assert_eq!(ace.contains(&pair), own.contains(&pair));
        }
    }

    #[test]
    fn the_first_matching_entry_decides(entries in prop::collection::vec(ace(), 0..6), packet in packet()) {
        let list = list(entries);
        let first = list.entries().find(|ace| ace.matches(&packet));
        let decision = list.evaluate(&packet);
        prop_assert_eq!(decision.action, first.map_or(Action::Deny, |ace| ace.action));
        prop_assert_eq!(decision.ace, first);
    }

    #[test]
    fn what_a_list_covers_it_permits(entries in prop::collection::vec(ace(), 1..6), pair in pair(), packet in packet()) {
        let list = list(entries);
        if let Cover::Exact(_) | Cover::Inside(_) = list.cover(&pair)
            && in_pair(&pair, &packet)
        {
            prop_assert_eq!(list.evaluate(&packet).action, Action::Permit);
        }
    }
}
