use super::*;
use crate::ios::acl::{AccessList, Ace, AclKind, AddressMatch};
use crate::ios::config::{InterfaceName, LocalAddress, NatPool, NatSide, Span, Spanned};
use crate::ios::router::network::Network;
use crate::ios::router::tests::{left, right, two_routers};
use crate::wire::icmp::IcmpMessage;
use crate::wire::ipv4::checksum;
use crate::wire::udp::UdpDatagram;

/// R1 translates from Gi0/1 to Gi0/0 by `rule`; R2 has no route to the inside.
fn translating(rule: NatRule) -> Network {
    let mut config = left();
    config.interfaces[0].nat = Some(Spanned::implied(NatSide::Outside));
    config.interfaces[1].nat = Some(Spanned::implied(NatSide::Inside));
    let mut list = AccessList::new("1", AclKind::Standard, Span::NONE);
    let inside = AddressMatch::network("10.1.0.0/24".parse().unwrap());
    list.insert(Ace { source: inside, ..Ace::permit_any(Span::NONE) }, None);
    config.access_lists.push(list);
    config.nat.pools.push(NatPool {
        name: "P".to_owned(),
        first: "192.0.2.50".parse().unwrap(),
        last: "192.0.2.50".parse().unwrap(),
        prefix_length: 24,
        span: Span::NONE,
    });
    config.nat.rules.push(Spanned::implied(rule));
    let mut far = right();
    far.routes.clear();
    two_routers(config, far)
}

fn overload() -> NatRule {
    NatRule::Dynamic {
        selection: NatSelection::List(Spanned::implied("1".to_owned())),
        target: NatTarget::Interface(Spanned::implied(InterfaceName::parse("Gi0/0").unwrap())),
        overload: true,
    }
}

fn pool(overload: bool) -> NatRule {
    NatRule::Dynamic {
        selection: NatSelection::List(Spanned::implied("1".to_owned())),
        target: NatTarget::Pool(Spanned::implied("P".to_owned())),
        overload,
    }
}

fn udp(source: &str, from: u16, destination: &str, to: u16) -> Ipv4Packet {
    let (a, b) = (source.parse().unwrap(), destination.parse().unwrap());
    let datagram = UdpDatagram { source_port: from, destination_port: to, payload: b"abc".to_vec() };
    Ipv4Packet::new(protocol::UDP, a, b, datagram.to_bytes(a, b))
}

#[test]
fn the_interface_address_stands_for_everybody_inside() {
    let mut network = translating(overload());
    assert!(network.ping(0, "10.2.0.10", 1, 56));
    assert_eq!(network.packets(1)[0].source.to_string(), "192.0.2.1");
    assert!(network.ping(0, "10.2.0.10", 2, 4000), "fragments are put together first");
    let translation = network.routers[0].translations().next().unwrap();
    assert_eq!(translation.inside_local, ("10.1.0.10".parse().unwrap(), 7));
}

#[test]
fn flows_with_the_same_port_get_different_ones() {
    let mut config = left();
    let mut list = AccessList::new("1", AclKind::Standard, Span::NONE);
    list.insert(Ace::permit_any(Span::NONE), None);
    config.access_lists.push(list);
    config.nat.rules.push(Spanned::implied(overload()));
    let mut nat = NatTable::default();
    let mut ports = Vec::new();
    for host in 1..=3 {
        let mut packet = udp(&format!("10.1.0.{host}"), 500, "198.51.100.1", 500);
        assert_eq!(nat.outbound(Instant::ZERO, &config, &mut packet), Outbound::Translated);
        let datagram = UdpDatagram::parse(&packet.payload, packet.source, packet.destination).unwrap();
        ports.push(datagram.source_port);
        let mut answer = udp("198.51.100.1", 500, "192.0.2.1", datagram.source_port);
        assert!(nat.inbound(Instant::ZERO, &config, &mut answer));
        assert_eq!(answer.destination.to_string(), format!("10.1.0.{host}"));
        let back = UdpDatagram::parse(&answer.payload, answer.source, answer.destination).unwrap();
        assert_eq!(back.destination_port, 500);
    }
    // 500 is the router's own.
    assert_eq!(ports, [1, 2, 3]);
    let late = Instant::ZERO + Duration::from_secs(301);
    assert!(!nat.inbound(late, &config, &mut udp("198.51.100.1", 500, "192.0.2.1", 1)));
    nat.expire(late);
    assert_eq!(nat.iter(Instant::ZERO).count(), 0);
}

#[test]
fn a_pool_gives_addresses_until_it_is_empty() {
    let mut network = translating(pool(false));
    assert!(network.ping(0, "10.2.0.10", 1, 56));
    assert_eq!(network.packets(1)[0].source.to_string(), "192.0.2.50");
    network.hosts[0].address = "10.1.0.11/24".parse().unwrap();
    assert!(!network.ping(0, "10.2.0.10", 2, 56));
    assert_eq!(network.routers[0].dropped(crate::ios::event::DropReason::NoTranslation), 1);
    let mut network = translating(pool(true));
    for (sequence, host) in [(1, "10.1.0.10/24"), (2, "10.1.0.11/24")] {
        network.hosts[0].address = host.parse().unwrap();
        assert!(network.ping(0, "10.2.0.10", sequence, 56), "{host}");
    }
}

#[test]
fn static_rules_work_both_ways_and_for_single_ports() {
    let (local, global) = ("10.1.0.10".parse().unwrap(), "192.0.2.60".parse().unwrap());
    let whole = NatRule::Static {
        local,
        global: LocalAddress::Address(global),
        ports: None,
        route_map: None,
        extendable: false,
    };
    let mut network = translating(whole);
    network.hosts[1].address = "10.2.0.10/24".parse().unwrap();
    assert!(network.ping(1, "192.0.2.60", 1, 56), "from outside, by the ARP answer of the router");
    assert!(network.ping(0, "10.2.0.10", 2, 56));

    let mut config = left();
    config.nat.rules.push(Spanned::implied(NatRule::Static {
        local,
        global: LocalAddress::Interface(InterfaceName::parse("Gi0/0").unwrap()),
        ports: Some((NatTransport::Udp, 53, 5353)),
        route_map: None,
        extendable: false,
    }));
    let mut nat = NatTable::default();
    let mut query = udp("198.51.100.1", 999, "192.0.2.1", 5353);
    assert!(nat.inbound(Instant::ZERO, &config, &mut query));
    let datagram = UdpDatagram::parse(&query.payload, query.source, query.destination).unwrap();
    assert_eq!((query.destination, datagram.destination_port), (local, 53));
    assert!(!nat.inbound(Instant::ZERO, &config, &mut udp("198.51.100.1", 999, "192.0.2.1", 5354)));
}

#[test]
fn errors_about_translated_packets_find_their_way() {
    let mut network = translating(overload());
    network.send(0, udp("10.1.0.10", 4000, "192.0.2.2", 161));
    network.run_for(Duration::from_secs(1));
    let Some(IcmpMessage::Unreachable { code: 3, original, .. }) = network.icmp(0).pop() else {
        panic!("{:?}", network.icmp(0))
    };
    assert_eq!(original[12..16], [10, 1, 0, 10]);
    assert_eq!(original[20..22], 4000_u16.to_be_bytes());
    assert_eq!(checksum(&[&original[..20]]), 0);
}
