use super::network::{End, Network};
use super::*;
use crate::ios::config::{Interface, InterfaceAddress, Span, Spanned, StaticRoute};
use crate::wire::ethernet::{Frame, ethertype};
use crate::wire::icmp::{IcmpMessage, unreachable};
use crate::wire::ipv4::protocol;

pub(super) fn name(text: &str) -> InterfaceName {
    InterfaceName::parse(text).unwrap()
}

/// A configuration of interfaces and routes to next hops.
pub(super) fn config(interfaces: &[(&str, &str)], routes: &[(&str, &str)]) -> RunningConfig {
    let interface = |(interface, address): &(&str, &str)| Interface {
        address: Some(Spanned::implied(InterfaceAddress::Static(address.parse().unwrap()))),
        ..Interface::new(name(interface), Span::NONE)
    };
    let route = |(network, next_hop): &(&str, &str)| StaticRoute {
        network: network.parse().unwrap(),
        interface: None,
        next_hop: Some(next_hop.parse().unwrap()),
        distance: 1,
        permanent: false,
        name: None,
        span: Span::NONE,
    };
    RunningConfig {
        interfaces: interfaces.iter().map(interface).collect(),
        routes: routes.iter().map(route).collect(),
        ..RunningConfig::default()
    }
}

/// left host -- R1 -- R2 -- right host; wires 0, 1 and 2.
pub(super) fn two_routers(first: RunningConfig, second: RunningConfig) -> Network {
    two_routers_of(Release::V15, first, second)
}

pub(super) fn two_routers_of(release: Release, first: RunningConfig, second: RunningConfig) -> Network {
    let mut network = Network::default();
    let r1 = network.router(Router::new(first, release, 1));
    let r2 = network.router(Router::new(second, release, 2));
    let left = network.host("10.1.0.10/24", "10.1.0.1");
    let right = network.host("10.2.0.10/24", "10.2.0.1");
    network.wire(&[End::Host(left), End::Router(r1, name("Gi0/1"))]);
    network.wire(&[End::Router(r1, name("Gi0/0")), End::Router(r2, name("Gi0/0"))]);
    network.wire(&[End::Router(r2, name("Gi0/1")), End::Host(right)]);
    network
}

pub(super) fn left() -> RunningConfig {
    config(&[("Gi0/0", "192.0.2.1/24"), ("Gi0/1", "10.1.0.1/24")], &[("10.2.0.0/24", "192.0.2.2")])
}

pub(super) fn right() -> RunningConfig {
    config(&[("Gi0/0", "192.0.2.2/24"), ("Gi0/1", "10.2.0.1/24")], &[("10.1.0.0/24", "192.0.2.1")])
}

fn plain() -> Network {
    two_routers(left(), right())
}

#[test]
fn hosts_reach_each_other_through_two_routers() {
    let mut network = plain();
    assert!(network.ping(0, "10.2.0.10", 1, 56));
    let seen = network.packets(1);
    assert_eq!(seen.iter().map(|packet| packet.ttl).collect::<Vec<_>>(), [63, 63]);
    assert!(network.ping(0, "10.2.0.10", 2, 4000), "in fragments");
}

#[test]
fn a_router_answers_echoes_to_any_of_its_addresses() {
    let mut network = plain();
    for (sequence, address) in (1..).zip(["10.1.0.1", "192.0.2.1", "192.0.2.2", "10.2.0.1"]) {
        assert!(network.ping(0, address, sequence, 100), "{address}");
        let answer = network.hosts[0].received.last().unwrap();
        assert_eq!(answer.source.to_string(), address);
    }
    assert_eq!(network.hosts[0].received[0].ttl, 255);
    assert!(network.ping(0, "10.1.0.1", 9, 5000), "reassembled and fragmented");
}

#[test]
fn what_has_no_route_or_no_time_left_comes_back() {
    let mut network = plain();
    assert!(!network.ping(0, "172.16.0.1", 1, 56));
    assert!(matches!(network.icmp(0)[..], [IcmpMessage::Unreachable { code: unreachable::HOST, .. }]));
    let echo = IcmpMessage::EchoRequest { identifier: 1, sequence: 1, data: vec![] };
    let (a, b) = ("10.1.0.10".parse().unwrap(), "10.2.0.10".parse().unwrap());
    let short = Ipv4Packet { ttl: 2, ..Ipv4Packet::new(protocol::ICMP, a, b, echo.to_bytes()) };
    network.send(0, short);
    network.run_for(Duration::from_secs(1));
    let answer = network.hosts[0].received.last().unwrap().clone();
    assert_eq!(answer.source.to_string(), "192.0.2.2");
    assert!(matches!(network.icmp(0)[1], IcmpMessage::TimeExceeded { .. }));
    assert_eq!(network.routers[1].dropped(DropReason::TtlExpired), 1);
}

#[test]
fn too_large_packets_are_cut_or_sent_back() {
    let mut narrow = left();
    narrow.interfaces[0].ip_mtu = Some(Spanned::implied(1400));
    let mut network = two_routers(narrow, right());
    assert!(network.ping(0, "10.2.0.10", 1, 1472));
    let sizes: Vec<usize> = network.packets(1).iter().map(Ipv4Packet::total_length).collect();
    assert_eq!(sizes[..2], [1396, 124]);
    let (a, b) = ("10.1.0.10".parse().unwrap(), "10.2.0.10".parse().unwrap());
    let whole = Ipv4Packet { dont_fragment: true, ..Ipv4Packet::new(protocol::UDP, a, b, vec![0; 1480]) };
    network.send(0, whole);
    network.run_for(Duration::from_secs(1));
    let answers = network.icmp(0);
    assert!(
        matches!(answers.last(), Some(IcmpMessage::Unreachable { code: 4, mtu: 1400, original }) if original.len() == 28)
    );
}

#[test]
fn closed_ports_are_refused() {
    let mut network = plain();
    let (a, b) = ("10.1.0.10".parse().unwrap(), "10.1.0.1".parse().unwrap());
    let udp = crate::wire::udp::UdpDatagram { source_port: 4000, destination_port: 161, payload: vec![1] };
    network.send(0, Ipv4Packet::new(protocol::UDP, a, b, udp.to_bytes(a, b)));
    network.run_for(Duration::from_secs(1));
    assert!(matches!(network.icmp(0)[..], [IcmpMessage::Unreachable { code: unreachable::PORT, .. }]));
    let mut syn = vec![0x10, 0, 0, 23, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0];
    let pseudo = Ipv4Packet::pseudo_header(a, b, protocol::TCP, 20);
    let sum = crate::wire::ipv4::checksum(&[&pseudo, &syn]);
    syn[16..18].copy_from_slice(&sum.to_be_bytes());
    network.send(0, Ipv4Packet::new(protocol::TCP, a, b, syn));
    network.run_for(Duration::from_secs(1));
    let reset = network.hosts[0].received.last().unwrap();
    assert_eq!((&reset.payload[..4], &reset.payload[8..14]), (&[0, 23, 0x10, 0][..], &[0, 0, 0, 10, 0x50, 0x14][..]));
    let pseudo = Ipv4Packet::pseudo_header(b, a, protocol::TCP, 20);
    assert_eq!(crate::wire::ipv4::checksum(&[&pseudo, &reset.payload]), 0);
}

#[test]
fn unreachables_are_rationed() {
    let mut network = plain();
    for sequence in 0..10 {
        let echo = IcmpMessage::EchoRequest { identifier: 1, sequence, data: vec![] };
        let (a, b) = ("10.1.0.10".parse().unwrap(), "172.16.0.1".parse().unwrap());
        network.send(0, Ipv4Packet::new(protocol::ICMP, a, b, echo.to_bytes()));
        network.run_for(Duration::from_millis(100));
    }
    assert_eq!(network.icmp(0).len(), 2);
    assert_eq!(network.routers[0].dropped(DropReason::NoRoute), 10);
}

#[test]
fn a_link_that_goes_down_takes_its_routes_along() {
    let mut network = plain();
    assert!(network.ping(0, "10.2.0.10", 1, 56));
    network.input(0, Input::Link { interface: &name("Gi0/0"), up: false });
    assert!(!network.ping(0, "10.2.0.10", 2, 56));
    assert!(matches!(network.icmp(0).last(), Some(IcmpMessage::Unreachable { code: unreachable::HOST, .. })));
    network.input(0, Input::Link { interface: &name("Gi0/0"), up: true });
    assert!(network.ping(0, "10.2.0.10", 3, 56));
    let changes: Vec<_> =
        network.events.iter().filter(|(_, _, event)| matches!(event, RouterEvent::InterfaceChanged { .. })).collect();
    assert_eq!(changes.len(), 2);
}

#[test]
fn arp_is_answered_for_what_lies_behind_the_router() {
    let mut network = plain();
    // A host that believes the far network is on its own link.
    network.hosts[0].address = "10.1.0.10/8".parse().unwrap();
    assert!(network.ping(0, "10.2.0.10", 1, 56));
}

mod malformed {
    use proptest::prelude::*;

    use super::*;

    fn frame(payload: &[u8], ethertype: u16) -> Vec<u8> {
        let router = Router::new(left(), Release::V15, 1);
        Frame { destination: router.ports[1].mac, source: MacAddress([2; 6]), ethertype, payload }.to_bytes()
    }

    proptest! {
        #[test]
        fn any_frame_is_survived(payload in proptest::collection::vec(any::<u8>(), 0..120), kind in 0..3) {
            let ethertype = [ethertype::IPV4, ethertype::ARP, ethertype::IPV6][kind as usize];
            let mut router = Router::new(left(), Release::V15, 1);
            let octets = frame(&payload, ethertype);
            router.handle(Instant::ZERO, Input::Frame { interface: &name("Gi0/1"), octets: &octets });
            router.handle(Instant::ZERO, Input::Frame { interface: &name("Gi0/1"), octets: &payload });
        }

        #[test]
        fn any_packet_with_a_right_checksum_is_survived(
            header in proptest::collection::vec(any::<u8>(), 20),
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            to_router: bool,
        ) {
            let mut packet = Ipv4Packet::new(
                header[9],
                Ipv4Addr::new(10, 1, 0, header[15]),
                if to_router { Ipv4Addr::new(10, 1, 0, 1) } else { Ipv4Addr::new(header[16], 2, 0, 10) },
                payload,
            );
            packet.fragment_offset = if header[0] & 3 == 0 { u16::from(header[1]) } else { 0 };
            packet.more_fragments = header[2] & 3 == 0;
            packet.protocol = [1, 6, 17, 50, header[9]][usize::from(header[3] % 5)];
            let octets = frame(&packet.to_bytes(), ethertype::IPV4);
            let mut router = Router::new(left(), Release::V15, 1);
            router.handle(Instant::ZERO, Input::Frame { interface: &name("Gi0/1"), octets: &octets });
        }
    }
}
