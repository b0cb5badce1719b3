//! Two routers back to back, with hosts behind them, that bring a tunnel up by themselves.

use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::ike::event::{EventKind, QuickRefusal};
use crate::ios::Release;
use crate::ios::event::DropReason;
use crate::ios::policy::tests::config;
use crate::ios::router::network::{End, Network};
use crate::ios::router::tests::two_routers_of;
use crate::time::Instant;
use crate::wire::icmp::{IcmpMessage, unreachable};
use crate::wire::ipv4::{Ipv4Packet, protocol};
use crate::wire::udp::UdpDatagram;

/// Of R1 and R2; `N` is the router's number, `M` the other's.
const SITE: &str = "\
hostname RN
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 2
crypto isakmp key s3cret address 192.0.2.M
crypto ipsec transform-set TS esp-aes esp-sha-hmac
crypto map CMAP 10 ipsec-isakmp
 set peer 192.0.2.M
 set transform-set TS
 match address 101
interface GigabitEthernet0/0
 ip address 192.0.2.N 255.255.255.0
 crypto map CMAP
interface GigabitEthernet0/1
 ip address 10.N.0.1 255.255.255.0
ip route 10.M.0.0 255.255.0.0 192.0.2.M
access-list 101 permit ip 10.N.0.0 0.0.0.255 10.M.0.0 0.0.0.255
";

pub(in crate::ios::router) fn site(number: u8) -> String {
    let other = 3 - number;
    SITE.replace(".N", &format!(".{number}")).replace(".M", &format!(".{other}")).replace("RN", &format!("R{number}"))
}

/// R1 and R2 with `changes` made to the text of both, in the order router, from, to.
fn sites(changes: &[(u8, &str, &str)]) -> Network {
    sites_as(Release::V15, changes)
}

fn sites_as(release: Release, changes: &[(u8, &str, &str)]) -> Network {
    let text = |number| {
        let mine = changes.iter().filter(|(of, ..)| *of == number);
        mine.fold(site(number), |text, (_, from, to)| {
            assert!(text.contains(from), "{from} is not in\n{text}");
            text.replace(from, to)
        })
    };
    two_routers_of(release, config(&text(1)), config(&text(2)))
}

/// The protocols of the packets on the wire between the routers, each once, in the order they were first seen.
fn crossed(network: &Network) -> Vec<u8> {
    let mut seen = Vec::new();
    for packet in network.packets(1) {
        if !seen.contains(&packet.protocol) {
            seen.push(packet.protocol);
        }
    }
    seen
}

fn told(network: &Network, router: usize, wanted: impl Fn(&RouterEvent) -> bool) -> usize {
    network.events.iter().filter(|(_, of, event)| *of == router && wanted(event)).count()
}

fn refusal(network: &Network, router: usize) -> Option<QuickRefusal> {
    network.events.iter().find_map(|(_, of, event)| match event {
        RouterEvent::ProposalRefused(refused) if *of == router => Some(refused.refusal),
        _ => None,
    })
}

/// Brings the tunnel up with a ping that is lost and one that is not.
fn up(network: &mut Network) {
    assert!(!network.ping(0, "10.2.0.10", 1, 56), "the first packet is lost");
    assert!(network.ping(0, "10.2.0.10", 2, 56), "{:#?}", network.events);
}

#[rstest]
#[case(Release::V12_3T)]
#[case(Release::V12_4)]
#[case(Release::V15)]
#[case(Release::Xe16)]
#[case(Release::Xe17)]
fn traffic_raises_a_tunnel_and_crosses_in_esp(#[case] release: Release) {
    let mut network = sites_as(release, &[]);
    up(&mut network);
    assert!(network.ping(1, "10.1.0.10", 3, 1400), "from the other side");
    assert_eq!(crossed(&network), [protocol::UDP, protocol::ESP]);
    for router in &network.routers {
        let [flow] = router.flows() else { panic!("{:#?}", router.flows()) };
        assert_eq!(flow.counters.encapsulated, flow.counters.decapsulated);
        assert_eq!(router.tunnels().len(), 1);
    }
    assert_eq!(network.routers[0].flows()[0].counters.send_errors, 1);
    assert_eq!(told(&network, 0, |event| matches!(event, RouterEvent::SaRequest(_))), 1);
    let dress: Vec<_> = network.packets(1).iter().map(|packet| (packet.protocol, packet.ttl, packet.tos)).collect();
    assert!(dress.iter().all(|dress| matches!(dress, (17, 255, 0xc0) | (50, 255, 0))), "{dress:?}");
}

#[test]
fn what_the_list_does_not_name_stays_in_clear() {
    let mut network = sites(&[(
        1,
        "ip address 10.1.0.1 255.255.255.0",
        "ip address 10.1.0.1 255.255.255.0\n ip address 10.1.5.1 255.255.255.0 secondary",
    )]);
    network.hosts[0].address = "10.1.5.10/24".parse().unwrap();
    network.hosts[0].gateway = "10.1.5.1".parse().unwrap();
    assert!(network.ping(0, "10.2.0.10", 1, 56));
    assert_eq!(crossed(&network), [protocol::ICMP]);
}

#[test]
fn deny_entries_lead_to_the_next_map_entry_or_to_the_clear() {
    let deny = |n: u8, m: u8| {
        format!("access-list 101 deny icmp 10.{n}.0.0 0.0.0.255 10.{m}.0.0 0.0.0.255\naccess-list 101 permit")
    };
    let mut network = sites(&[(1, "access-list 101 permit", &deny(1, 2)), (2, "access-list 101 permit", &deny(2, 1))]);
    assert!(network.ping(0, "10.2.0.10", 1, 56));
    assert_eq!(crossed(&network), [protocol::ICMP]);
}

#[test]
fn every_entry_of_the_list_has_its_own_pair() {
    let more = |n: u8, m: u8| {
        (
            format!("\n ip address 10.{n}.0.1 255.255.255.0"),
            format!("\n ip address 10.{n}.0.1 255.255.255.0\n ip address 10.{n}.7.1 255.255.255.0 secondary"),
            format!(
                "access-list 101 permit ip 10.{n}.7.0 0.0.0.255 10.{m}.0.0 0.0.0.255\naccess-list 101 permit ip 10.{n}.0.0 0.0.0.255 10.{m}.7.0 0.0.0.255\naccess-list 101 permit ip 10.{n}.0.0"
            ),
        )
    };
    let (first, second) = (more(1, 2), more(2, 1));
    let mut network = sites(&[
        (1, &first.0, &first.1),
        (1, "access-list 101 permit ip 10.1.0.0", &first.2),
        (2, &second.0, &second.1),
        (2, "access-list 101 permit ip 10.2.0.0", &second.2),
    ]);
    up(&mut network);
    network.hosts[0].address = "10.1.7.10/24".parse().unwrap();
    network.hosts[0].gateway = "10.1.7.1".parse().unwrap();
    assert!(!network.ping(0, "10.2.0.10", 3, 56));
    assert!(network.ping(0, "10.2.0.10", 4, 56));
    assert_eq!(network.routers[0].tunnels().len(), 2);
    let begun = |event: &RouterEvent| matches!(event, RouterEvent::Ike(event) if matches!(event.kind, EventKind::ExchangeStarted(_)));
    assert_eq!(told(&network, 0, begun), 1, "one phase 1");
}

#[test]
fn a_narrower_proposal_is_taken_and_a_wider_one_is_not() {
    let narrow = [(1, "0.0.0.255 10.2.0.0 0.0.0.255", "0.0.0.127 10.2.0.0 0.0.0.255")];
    let mut network = sites(&narrow);
    up(&mut network);
    let pair = &network.routers[1].tunnels()[0].pair;
    assert_eq!(pair.selectors.remote.mask(), Some("255.255.255.128".parse().unwrap()));
    let mut network = sites(&narrow);
    assert!(!network.ping(1, "10.1.0.10", 1, 56));
    assert!(!network.ping(1, "10.1.0.10", 2, 56));
    assert_eq!(refusal(&network, 0), Some(QuickRefusal::ProxyIdentities));
    assert_eq!(crossed(&network), [protocol::UDP]);
}

#[rstest]
#[case::transform(2, "esp-aes esp-sha-hmac", "esp-aes esp-md5-hmac", QuickRefusal::Transform)]
#[case::pfs(2, " match address", " set pfs group2\n match address", QuickRefusal::Pfs { offered: None, configured: 2 })]
#[case::mode(
    2,
    "esp-aes esp-sha-hmac\n",
    "esp-aes esp-sha-hmac\n mode transport require\n",
    QuickRefusal::Encapsulation
)]
#[case::list(2, "permit ip 10.2", "permit ip 10.9", QuickRefusal::ProxyIdentities)]
#[case::peer(2, "set peer 192.0.2.1", "set peer 192.0.2.77", QuickRefusal::ProxyIdentities)]
#[case::no_map(
    2,
    "255.255.255.0\n crypto map CMAP\n",
    "255.255.255.0\ninterface GigabitEthernet0/2\n ip address 10.77.0.1 255.255.255.0\n crypto map CMAP\n",
    QuickRefusal::NoPolicy
)]
fn quick_mode_is_refused(#[case] router: u8, #[case] from: &str, #[case] to: &str, #[case] expected: QuickRefusal) {
    let mut network = sites(&[(router, from, to)]);
    assert!(!network.ping(0, "10.2.0.10", 1, 56));
    network.run_for(Duration::from_secs(5));
    assert_eq!(refusal(&network, 1), Some(expected), "{:#?}", network.events);
    assert!(network.routers.iter().all(|router| router.tunnels().is_empty()));
    let refused = |event: &RouterEvent| matches!(event, RouterEvent::Ike(event) if matches!(event.kind, EventKind::NotifyReceived { .. }));
    assert!(told(&network, 0, refused) >= 1, "the initiator is told");
}

#[test]
fn with_pfs_on_both_sides_it_comes_up() {
    let pfs = (" match address", " set pfs group2\n match address");
    let mut network = sites(&[(1, pfs.0, pfs.1), (2, pfs.0, pfs.1)]);
    up(&mut network);
    assert_eq!(network.routers[1].tunnels()[0].pair.pfs, Some(crate::crypto::Group::Modp1024));
}

#[test]
fn a_request_is_repeated_after_thirty_seconds_and_given_up_after_sixty() {
    let mut network = sites(&[
        (1, "set peer 192.0.2.2", "set peer 192.0.2.99"),
        (1, "s3cret address 192.0.2.2", "s3cret address 192.0.2.99"),
    ]);
    assert!(!network.ping(0, "10.2.0.10", 1, 56));
    network.run_for(Duration::from_secs(70));
    let requests: Vec<_> = network
        .events
        .iter()
        .filter_map(|(at, router, event)| match event {
            RouterEvent::SaRequest(_) if *router == 0 => Some((at.since_start().as_secs(), "request")),
            RouterEvent::RequestTimerFired { count: 1, .. } => Some((at.since_start().as_secs(), "first")),
            RouterEvent::RequestTimerFired { .. } => Some((at.since_start().as_secs(), "second")),
            RouterEvent::RequestAbandoned { .. } => Some((at.since_start().as_secs(), "abandoned")),
            _ => None,
        })
        .collect();
    assert_eq!(requests, [(0, "request"), (30, "first"), (30, "request"), (60, "second"), (60, "abandoned")]);
}

#[test]
fn a_wrong_key_brings_nothing_up() {
    let mut network = sites(&[(2, "s3cret", "other")]);
    assert!(!network.ping(0, "10.2.0.10", 1, 56));
    network.run_for(Duration::from_secs(10));
    assert!(network.routers[0].tunnels().is_empty());
    assert_eq!(crossed(&network), [protocol::UDP]);
}

#[test]
fn ike_is_refused_where_no_map_is_applied() {
    let mut network = sites(&[(2, " crypto map CMAP\n", "")]);
    assert!(!network.ping(0, "10.2.0.10", 1, 56));
    let refused = network.packets(1).iter().any(|packet| {
        packet.protocol == protocol::ICMP
            && matches!(
                IcmpMessage::parse(&packet.payload),
                Ok(IcmpMessage::Unreachable { code: unreachable::PORT, .. })
            )
    });
    assert!(refused);
    let mut network = sites(&[(2, "hostname R2", "hostname R2\nno crypto isakmp enable")]);
    assert!(!network.ping(0, "10.2.0.10", 1, 56));
    assert!(network.routers[1].tunnels().is_empty());
}

#[test]
fn what_should_be_protected_is_not_taken_in_clear() {
    let mut network = sites(&[(1, " crypto map CMAP\n", "")]);
    assert!(!network.ping(0, "10.2.0.10", 1, 56));
    assert_eq!(told(&network, 1, |event| matches!(event, RouterEvent::PacketNotIpsec { .. })), 1);
    assert_eq!(network.hosts[1].received, []);
    assert!(network.ping(0, "192.0.2.2", 2, 56), "not named by the list");
}

#[test]
fn translation_before_encryption_keeps_traffic_out_of_the_tunnel() {
    let nat = [
        (1, " crypto map CMAP\n", " crypto map CMAP\n ip nat outside\n"),
        (1, " ip address 10.1.0.1 255.255.255.0\n", " ip address 10.1.0.1 255.255.255.0\n ip nat inside\n"),
        (
            1,
            "access-list 101 permit",
            "ip nat inside source list NAT interface GigabitEthernet0/0 overload\nip access-list extended NAT\n permit ip 10.1.0.0 0.0.0.255 any\naccess-list 101 permit",
        ),
    ];
    let mut network = sites(&nat);
    assert!(network.ping(0, "10.2.0.10", 1, 56));
    assert_eq!(crossed(&network), [protocol::ICMP], "in clear, and the far side takes it for a stranger's");
    let exempt = (1, "NAT\n permit", "NAT\n deny ip 10.1.0.0 0.0.0.255 10.2.0.0 0.0.0.255\n permit");
    let mut network = sites(&[nat[0], nat[1], nat[2], exempt]);
    up(&mut network);
    assert_eq!(crossed(&network), [protocol::UDP, protocol::ESP]);
}

#[test]
fn what_grows_too_large_is_cut_first_or_sent_back() {
    let mut network = sites(&[]);
    up(&mut network);
    network.wires[1].seen.clear();
    assert!(network.ping(0, "10.2.0.10", 3, 1472));
    let sizes: Vec<usize> = network.packets(1).iter().map(Ipv4Packet::total_length).collect();
    assert!(sizes.len() == 4 && sizes.iter().all(|size| *size <= 1500), "{sizes:?}");
    assert!(network.packets(1).iter().all(|packet| !packet.is_fragment()), "cut before encryption");
    let (a, b) = ("10.1.0.10".parse().unwrap(), "10.2.0.10".parse().unwrap());
    let whole = Ipv4Packet { dont_fragment: true, ..Ipv4Packet::new(protocol::UDP, a, b, vec![0; 1480]) };
    network.send(0, whole.clone());
    network.run_for(Duration::from_secs(1));
    let Some(IcmpMessage::Unreachable { code: 4, mtu, .. }) = network.icmp(0).pop() else { panic!("no answer") };
    assert_eq!(mtu, 1438, "plaintext mtu of AES and SHA-1");
    let fits = Ipv4Packet { payload: vec![0; 1418], ..whole };
    network.send(0, fits);
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.hosts[1].received.last().unwrap().payload.len(), 1418);
    assert!(network.packets(1).last().unwrap().dont_fragment, "copied");
}

#[test]
fn fragmentation_after_encryption_and_the_df_bit_obey() {
    let after = "hostname R1\ncrypto ipsec fragmentation after-encryption\ncrypto ipsec df-bit clear";
    let mut network = sites(&[(1, "hostname R1", after)]);
    up(&mut network);
    network.wires[1].seen.clear();
    let (a, b) = ("10.1.0.10".parse().unwrap(), "10.2.0.10".parse().unwrap());
    let whole = Ipv4Packet { dont_fragment: true, ..Ipv4Packet::new(protocol::UDP, a, b, vec![7; 1480]) };
    network.send(0, whole);
    network.run_for(Duration::from_secs(1));
    let seen = network.packets(1);
    assert!(seen[0].more_fragments && seen[0].protocol == protocol::ESP, "{seen:?}");
    assert_eq!(network.hosts[1].received.last().unwrap().payload, vec![7; 1480]);
}

#[test]
fn bad_esp_is_told_by_its_fault() {
    let mut network = sites(&[]);
    up(&mut network);
    let good = network
        .packets(1)
        .into_iter()
        .rfind(|packet| packet.protocol == protocol::ESP && packet.destination.octets()[3] == 2)
        .unwrap();
    let before = network.hosts[1].received.len();
    let arrive = |network: &mut Network, packet: &Ipv4Packet| {
        let octets = network.frame_to(1, "Gi0/0", packet);
        network.deliver(1, &crate::ios::router::tests::name("Gi0/0"), &octets);
    };
    arrive(&mut network, &good);
    assert_eq!(
        told(&network, 1, |event| matches!(event, RouterEvent::ReplayError { sequence: 1, .. })),
        1,
        "{:?}",
        network.events.last()
    );
    let mut changed = good.clone();
    changed.payload[7] = 9;
    arrive(&mut network, &changed);
    assert_eq!(told(&network, 1, |event| matches!(event, RouterEvent::MacError { sequence: 9, .. })), 1);
    let mut unknown = good.clone();
    unknown.payload[0] ^= 0x55;
    arrive(&mut network, &unknown);
    assert_eq!(told(&network, 1, |event| matches!(event, RouterEvent::InvalidSpi { protocol: 50, .. })), 1);
    arrive(&mut network, &Ipv4Packet { payload: vec![1, 2, 3], ..good.clone() });
    assert_eq!(network.routers[1].dropped(DropReason::Malformed), 1);
    network.run_for(Duration::from_secs(1));
    assert_eq!(network.hosts[1].received.len(), before);
    assert_eq!(network.routers[1].flows()[0].counters.receive_errors, 2);
    assert!(network.ping(0, "10.2.0.10", 9, 56), "and it goes on");
}

#[test]
fn a_packet_inside_must_fit_the_proxies() {
    let mut network = sites(&[]);
    up(&mut network);
    let router = &mut network.routers[0];
    let (outbound, now) = (router.tunnels[0].outbound, router.now);
    let (a, b) = ("10.1.9.9".parse().unwrap(), "10.2.0.10".parse().unwrap());
    let inner = Ipv4Packet::new(protocol::UDP, a, b, vec![0; 20]);
    let outer = crate::esp::OuterHeader::with_ttl(255);
    let rng = &mut router.rng;
    let packet = router.sad.with_sa(outbound, |sa| sa.encapsulate_packet(now, &inner, outer, rng)).unwrap();
    let octets = network.frame_to(1, "Gi0/0", &packet);
    network.deliver(1, &crate::ios::router::tests::name("Gi0/0"), &octets);
    assert_eq!(
        told(&network, 1, |event| matches!(event, RouterEvent::InvalidIdentity { source, .. } if *source == a)),
        1
    );
}

#[test]
fn access_lists_see_ipsec_and_not_what_it_carries() {
    let list = "crypto map CMAP\n ip access-group IN in\nip access-list extended IN\n permit esp any any\n permit udp any any eq isakmp\n";
    let mut network = sites(&[(2, "crypto map CMAP\ninterface", &format!("{list}interface"))]);
    up(&mut network);
    let closed = list.replace(" permit esp any any\n", "");
    let mut network = sites(&[(2, "crypto map CMAP\ninterface", &format!("{closed}interface"))]);
    assert!(!network.ping(0, "10.2.0.10", 1, 56));
    assert!(!network.ping(0, "10.2.0.10", 2, 56));
    assert!(network.routers[1].dropped(DropReason::AccessList) >= 1);
    assert_eq!(network.routers[1].tunnels().len(), 1, "IKE passed");
}

#[test]
fn a_dynamic_map_serves_whoever_calls_and_routes_back() {
    let dynamic = "crypto dynamic-map DYN 5\n set transform-set TS\n reverse-route\ncrypto map CMAP 10 ipsec-isakmp dynamic DYN\n";
    let text = site(2);
    let entry = &text[text.find("crypto map CMAP 10").unwrap()..text.find("interface").unwrap()];
    let mut network = sites(&[
        (2, entry, dynamic),
        (2, "ip route 10.1.0.0 255.255.0.0 192.0.2.1\n", ""),
        (2, "address 192.0.2.1", "address 0.0.0.0"),
    ]);
    assert!(!network.ping(1, "10.1.0.10", 1, 56), "a dynamic entry does not begin");
    up(&mut network);
    assert!(network.ping(1, "10.1.0.10", 5, 56));
    assert!(network.routers[1].routes().any(|(route, _)| route.source == crate::ios::router::RouteSource::Reverse));
}

#[test]
fn udp_on_port_4500_that_is_nothing_is_counted() {
    let mut network = sites(&[]);
    let (a, b) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
    let datagram = UdpDatagram { source_port: 4500, destination_port: 4500, payload: vec![1, 2] };
    let packet = Ipv4Packet::new(protocol::UDP, a, b, datagram.to_bytes(a, b));
    let octets = network.frame_to(1, "Gi0/0", &packet);
    network.deliver(1, &crate::ios::router::tests::name("Gi0/0"), &octets);
    assert_eq!(network.routers[1].dropped(DropReason::Malformed), 1);
    assert_eq!(network.now, Instant::ZERO);
}

#[test]
fn a_map_taken_from_its_interface_takes_the_tunnel_along() {
    let mut network = sites(&[]);
    up(&mut network);
    let lines = crate::diag::Source::new("console", "interface GigabitEthernet0/0\n no crypto map\n");
    let reading = network.configure(0, &lines);
    assert_eq!(reading.diagnostics, []);
    network.run_for(Duration::from_secs(1));
    assert!(network.routers.iter().all(|router| router.tunnels().is_empty()), "the peer was told");
    assert_eq!(told(&network, 0, |event| matches!(event, RouterEvent::IsakmpSwitched { on: false })), 1);
    let lines = crate::diag::Source::new("console", "interface GigabitEthernet0/0\n crypto map CMAP\n");
    network.configure(0, &lines);
    assert!(!network.ping(0, "10.2.0.10", 8, 56));
    assert!(network.ping(0, "10.2.0.10", 9, 56));
}

/// left host -- R1 -- wire 1 -- NAT -- wire 3 -- R2 -- right host: the router in the middle hides R1 behind its own address.
fn behind_nat() -> Network {
    let translator = "\
interface GigabitEthernet0/0
 ip address 192.0.2.254 255.255.255.0
 ip nat outside
interface GigabitEthernet0/1
 ip address 172.16.0.254 255.255.255.0
 ip nat inside
ip nat inside source list 1 interface GigabitEthernet0/0 overload
access-list 1 permit 172.16.0.0 0.0.0.255
";
    let inside = site(1)
        .replace("ip address 192.0.2.1 ", "ip address 172.16.0.1 ")
        .replace("255.255.0.0 192.0.2.2", "255.255.0.0 172.16.0.254")
        + "ip route 0.0.0.0 0.0.0.0 172.16.0.254\ncrypto isakmp nat keepalive 20\n";
    let outside = site(2).replace("192.0.2.1", "192.0.2.254");
    let mut network = Network::default();
    let name = crate::ios::router::tests::name;
    for (seed, text) in (1..).zip([inside.as_str(), &outside, translator]) {
        network.router(Router::new(config(text), Release::V15, seed));
    }
    let left = network.host("10.1.0.10/24", "10.1.0.1");
    let right = network.host("10.2.0.10/24", "10.2.0.1");
    network.wire(&[End::Host(left), End::Router(0, name("Gi0/1"))]);
    network.wire(&[End::Router(0, name("Gi0/0")), End::Router(2, name("Gi0/1"))]);
    network.wire(&[End::Router(1, name("Gi0/1")), End::Host(right)]);
    network.wire(&[End::Router(2, name("Gi0/0")), End::Router(1, name("Gi0/0"))]);
    network
}

#[test]
fn behind_a_nat_esp_goes_in_udp() {
    let mut network = behind_nat();
    up(&mut network);
    assert!(network.ping(1, "10.1.0.10", 3, 1400), "back through the translation");
    for wire in [1, 3] {
        assert!(network.packets(wire).iter().all(|packet| packet.protocol == protocol::UDP));
    }
    let pair = &network.routers[1].tunnels()[0].pair;
    assert_eq!(pair.udp.unwrap().remote.ip().to_string(), "192.0.2.254");
    assert_eq!(pair.udp.unwrap().local.port(), 4500);
    let before = network.packets(1).len();
    network.run_for(Duration::from_secs(21));
    let keepalive = network.packets(1).split_off(before);
    assert!(keepalive.iter().any(|packet| packet.payload[8..] == [0xff]), "{keepalive:?}");
}

#[test]
fn pairs_are_renewed_before_they_end_and_traffic_goes_on() {
    let short = ("hostname R1", "hostname R1\ncrypto ipsec security-association lifetime seconds 120");
    let mut network = sites(&[(1, short.0, short.1)]);
    up(&mut network);
    let first = network.routers[0].tunnels()[0].pair.inbound.spi;
    for sequence in 10..40 {
        network.run_for(Duration::from_secs(10));
        assert!(network.ping(0, "10.2.0.10", sequence, 56), "after {:?}", network.now.since_start());
    }
    for router in &network.routers {
        assert!(router.tunnels().len() <= 2, "old ones go");
        assert!(router.tunnels().iter().all(|tunnel| tunnel.pair.inbound.spi != first));
        assert_eq!(router.flows().len(), 1);
    }
    assert_eq!(network.routers[0].flows()[0].counters.send_errors, 1, "nothing is lost but the first");
}

#[test]
fn pairs_are_renewed_when_their_volume_is_used_up() {
    let small = "hostname R1\ncrypto ipsec security-association lifetime kilobytes 2560";
    let mut network = sites(&[(1, "hostname R1", small)]);
    up(&mut network);
    let first = network.routers[0].tunnels()[0].pair.clone();
    assert_eq!(first.lifetimes.kilobytes, Some(2560));
    let mut lost = 0;
    for sequence in 10..200 {
        lost += u32::from(!network.ping(0, "10.2.0.10", sequence, 20_000));
    }
    assert_eq!(lost, 0);
    network.run_for(Duration::from_secs(60)); // the old pair is still served for a while
    // Both sides saw the end coming, so there may be a pair of each.
    assert!(network.routers[0].tunnels().len() <= 2);
    assert!(network.routers[0].tunnels().iter().all(|tunnel| tunnel.pair.number > first.number));
}

#[test]
fn a_peer_that_starts_anew_takes_the_old_pairs_away() {
    let mut network = sites(&[]);
    up(&mut network);
    let old = network.routers[1].tunnels()[0].pair.inbound.spi;
    network.routers[0] = Router::new(config(&site(1)), Release::V15, 257);
    assert!(!network.ping(0, "10.2.0.10", 5, 56));
    assert!(network.ping(0, "10.2.0.10", 6, 56));
    let [tunnel] = network.routers[1].tunnels() else { panic!("{:#?}", network.routers[1].tunnels()) };
    assert_ne!(tunnel.pair.inbound.spi, old);
    assert!(network.ping(1, "10.1.0.10", 7, 56));
}

#[test]
fn a_dead_peer_is_noticed() {
    let keepalive = |n: u8| format!("hostname R{n}\ncrypto isakmp keepalive 10 periodic\ncrypto logging session");
    let mut network = sites(&[(1, "hostname R1", &keepalive(1))]);
    up(&mut network);
    network.run_for(Duration::from_secs(60));
    assert_eq!(network.routers[0].tunnels().len(), 1, "alive");
    network
        .input(1, crate::ios::router::Input::Link { interface: &crate::ios::router::tests::name("Gi0/0"), up: false });
    network.run_for(Duration::from_secs(60));
    assert_eq!(network.routers[0].tunnels().len(), 0);
    let sessions: Vec<bool> = network
        .events
        .iter()
        .filter_map(|(_, _, event)| match event {
            RouterEvent::SessionStatus { up, .. } => Some(*up),
            _ => None,
        })
        .collect();
    assert_eq!(sessions, [true, false]);
}

#[test]
fn a_peer_that_does_not_answer_gives_way_to_the_next() {
    let two = " set peer 192.0.2.99\n set peer 192.0.2.2";
    let key = "crypto isakmp key s3cret address 0.0.0.0";
    let mut network = sites(&[(1, " set peer 192.0.2.2", two), (1, "crypto isakmp key s3cret address 192.0.2.2", key)]);
    for sequence in 1..15 {
        if network.ping(0, "10.2.0.10", sequence, 56) {
            return;
        }
        network.run_for(Duration::from_secs(10));
    }
    panic!("{:#?}", network.events.last());
}
