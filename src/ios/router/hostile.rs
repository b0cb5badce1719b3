//! Datagrams on the ports of IKE that are wrong, by accident or on purpose: each is told and counted, and nobody else notices.

use std::time::Duration;

use proptest::prelude::*;
use rand::Rng;
use rstest::rstest;

use super::crypto::tests::site;
use super::network::Network;
use super::tests::{name, two_routers_of};
use super::*;
use crate::ike::event::{EventKind, Refusal};
use crate::ios::console::{Console, Settings};
use crate::ios::policy::tests::config;
use crate::wire::icmp::IcmpMessage;
use crate::wire::ipv4::protocol;
use crate::wire::isakmp::{ExchangeType, Flags, Header};
use crate::wire::natt;
use crate::wire::udp::UdpDatagram;

/// R2, to which everything is sent.
const TARGET: usize = 1;

fn network() -> Network {
    two_routers_of(Release::V15, config(&site(1)), config(&site(2)))
}

/// The same once the tunnel is up.
fn established() -> Network {
    let mut network = network();
    network.ping(0, "10.2.0.10", 1, 56);
    assert!(network.ping(0, "10.2.0.10", 2, 56));
    network
}

/// The ISAKMP messages between the routers.
fn messages(network: &Network) -> Vec<Vec<u8>> {
    let udp = network.packets(1).into_iter().filter(|packet| packet.protocol == protocol::UDP);
    udp.map(|packet| packet.payload[8..].to_vec()).collect()
}

/// Those of a negotiation between the same routers that nobody here remembers.
fn strange() -> Vec<Vec<u8>> {
    let mut network = Network::default();
    for number in [1, 2] {
        network.router(Router::new(config(&site(number)), Release::V15, 40 + u64::from(number)));
    }
    let host = network.host("10.1.0.10/24", "10.1.0.1");
    network.wire(&[network::End::Host(host), network::End::Router(0, name("Gi0/1"))]);
    network.wire(&[network::End::Router(0, name("Gi0/0")), network::End::Router(1, name("Gi0/0"))]);
    network.ping(0, "10.2.0.1", 1, 56);
    let messages = messages(&network);
    assert_eq!(messages.len(), 9);
    messages
}

/// R2 receives a datagram that says it is from R1.
fn send(network: &mut Network, port: u16, payload: &[u8]) {
    let (source, destination) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    let payload = if port == 4500 { natt::with_marker(payload) } else { payload.to_vec() };
    let datagram = UdpDatagram { source_port: port, destination_port: port, payload }.to_bytes(source, destination);
    let packet = Ipv4Packet { identification: 9, ..Ipv4Packet::new(protocol::UDP, source, destination, datagram) };
    for fragment in packet.fragment(1500) {
        let frame = network.frame_to(TARGET, "Gi0/0", &fragment);
        network.deliver(TARGET, &name("Gi0/0"), &frame);
    }
}

/// What R2's console printed as syslog since the `from`th event.
fn syslog(network: &Network, from: usize) -> Vec<String> {
    let quiet = Settings { debug_isakmp: false, debug_ipsec: false, ..Settings::default() };
    let mut console = Console::new(Release::V15, "R2", quiet);
    let mut lines = Vec::new();
    for (index, (at, of, event)) in network.events.iter().enumerate().filter(|(_, (_, of, _))| *of == TARGET) {
        let printed = console.render(*at, event);
        if index >= from {
            lines.extend(printed.into_iter().map(|line| line.text));
        }
        assert_eq!(*of, TARGET);
    }
    lines
}

/// What R2 shows of its sessions.
fn shown(network: &mut Network) -> String {
    let mut console = Console::new(Release::V15, "R2", Settings::default());
    for (at, _, event) in network.events.iter().filter(|(_, of, _)| *of == TARGET) {
        console.render(*at, event);
    }
    let (now, router) = (network.now, &mut network.routers[TARGET]);
    ["show crypto isakmp sa", "show crypto ipsec sa"].map(|command| router.execute(now, &mut console, command)).concat()
}

fn header(octets: &mut [u8], change: impl FnOnce(&mut Header)) {
    let mut header = Header::parse(&mut crate::wire::Reader::new(octets)).unwrap();
    change(&mut header);
    let mut emitted = Vec::new();
    header.emit(&mut emitted);
    octets[..Header::LEN].copy_from_slice(&emitted);
}

fn changed(mut octets: Vec<u8>, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    header(&mut octets, change);
    octets
}

const BAD: &str = "%CRYPTO-4-IKMP_BAD_MESSAGE: IKE message from 192.0.2.1 failed its sanity check or is malformed";
const NO_SA: &str = "%CRYPTO-4-IKMP_NO_SA: IKE message from 192.0.2.1 has no SA and is not an initialization offer";
const UNKNOWN: &str = "%CRYPTO-6-IKMP_UNK_EXCHANGE: IKE peer at 192.0.2.1 sent a message with an unknown exchange, 77";
const NOT_ENCRYPTED: &str =
    "%CRYPTO-6-IKMP_NOT_ENCRYPTED: IKE packet from 192.0.2.1 was not encrypted and it should've been.";

fn random(length: usize) -> Vec<u8> {
    let mut octets = vec![0; length];
    StdRng::seed_from_u64(7).fill_bytes(&mut octets);
    octets
}

/// Datagrams made of the messages of the tunnel that stands (`own`) and of one that nobody knows (`strange`); the syslog line
/// each leaves \[S: cisco-ios-facts 6.3\], and whether it counts as malformed.
#[rstest]
fn a_bad_datagram_is_told_and_counted_and_changes_nothing(#[values(500, 4500)] port: u16) {
    let mut network = established();
    let (own, strange) = (messages(&network), strange());
    let cases: Vec<(&str, Vec<u8>, &str, u64)> = vec![
        ("nothing", vec![], BAD, 1),
        ("a header cut short", strange[0][..27].to_vec(), BAD, 1),
        ("a header alone", strange[0][..28].to_vec(), BAD, 1),
        ("a message cut short", strange[0][..strange[0].len() - 1].to_vec(), BAD, 1),
        ("a length below the header's", changed(strange[0].clone(), |header| header.length = 27), BAD, 1),
        ("a length above the datagram's", changed(strange[0].clone(), |header| header.length += 1), BAD, 1),
        ("the longest length", changed(strange[0].clone(), |header| header.length = u32::MAX), BAD, 1),
        (
            "a chain that goes on",
            {
                let mut octets = strange[0].clone();
                octets[28] = 13;
                octets[30..32].copy_from_slice(&[0xff, 0xff]);
                octets
            },
            BAD,
            1,
        ),
        (
            "a payload of no length",
            {
                let mut octets = strange[0].clone();
                octets[30..32].copy_from_slice(&[0, 0]);
                octets
            },
            BAD,
            1,
        ),
        ("IKEv2", changed(strange[0].clone(), |header| header.version = crate::wire::isakmp::Version::V2), BAD, 1),
        (
            "an unknown exchange",
            changed(strange[0].clone(), |header| header.exchange = ExchangeType::from(77)),
            UNKNOWN,
            0,
        ),
        ("message 3 of nobody's", strange[2].clone(), NO_SA, 0),
        ("quick mode of nobody's", strange[6].clone(), NO_SA, 0),
        ("random octets", random(200), BAD, 1),
        ("many random octets", random(20_000), BAD, 1),
        (
            "quick mode in clear",
            changed(own[6].clone(), |header| (header.flags, header.next_payload) = (Flags::NONE, 0.into())),
            NOT_ENCRYPTED,
            0,
        ),
        ("quick mode cut short", own[6][..own[6].len() - 8].to_vec(), BAD, 1),
    ];
    let before = shown(&mut network);
    for (what, octets, line, malformed) in cases {
        let (events, drops) = (network.events.len(), network.routers[TARGET].dropped(DropReason::Malformed));
        let sent = network.wires[1].seen.len();
        send(&mut network, port, &octets);
        assert_eq!(syslog(&network, events), [line], "{what}");
        assert_eq!(network.routers[TARGET].dropped(DropReason::Malformed) - drops, malformed, "{what}");
        assert_eq!(network.wires[1].seen.len(), sent, "{what}: it is not answered");
        assert_eq!(shown(&mut network), before, "{what}");
    }
    let negotiated = messages(&network).len();
    assert!(network.ping(0, "10.2.0.10", 3, 56));
    assert_eq!(messages(&network).len(), negotiated, "the same tunnel carries it");
}

/// On port 4500 a datagram without the marker is ESP, a keepalive, or nothing.
#[test]
fn what_is_no_ike_on_port_4500_is_told_apart() {
    let mut network = established();
    let before = shown(&mut network);
    let raw = |network: &mut Network, payload: &[u8]| {
        let (source, destination) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let datagram = UdpDatagram { source_port: 4500, destination_port: 4500, payload: payload.to_vec() };
        let packet = Ipv4Packet::new(protocol::UDP, source, destination, datagram.to_bytes(source, destination));
        let frame = network.frame_to(TARGET, "Gi0/0", &packet);
        let events = network.events.len();
        network.deliver(TARGET, &name("Gi0/0"), &frame);
        syslog(network, events)
    };
    assert!(raw(&mut network, &natt::KEEPALIVE).is_empty());
    let drops = network.routers[TARGET].dropped(DropReason::Malformed);
    assert!(raw(&mut network, &[]).is_empty() && raw(&mut network, &[0; 3]).is_empty());
    assert_eq!(network.routers[TARGET].dropped(DropReason::Malformed), drops + 2);
    let invalid_spi = raw(&mut network, &random(60));
    assert!(invalid_spi[0].starts_with("%CRYPTO-4-RECVD_PKT_INV_SPI"), "{invalid_spi:?}");
    assert_eq!(shown(&mut network), before);
}

/// More than IOS puts together is dropped as fragments, before it is a datagram.
#[test]
fn the_longest_datagram_is_not_put_together() {
    let mut network = established();
    let events = network.events.len();
    send(&mut network, 500, &random(65_000));
    assert!(syslog(&network, events).is_empty());
    network.run_for(Duration::from_secs(10));
    assert!(network.ping(0, "10.2.0.10", 3, 56));
}

/// A first message with a cookie of its own.
fn first_message(template: &[u8], number: u32) -> Vec<u8> {
    let mut octets = template.to_vec();
    octets[..4].copy_from_slice(&number.to_be_bytes());
    octets
}

/// IOS admits so many negotiations at a time (`crypto call admission limit`, whose refusal is `IKE_DENY_SA_REQ`); here it is 256.
/// \[R\]
#[test]
fn a_flood_of_first_messages_takes_bounded_memory_and_passes() {
    let mut network = established();
    let before = shown(&mut network);
    let template = strange().swap_remove(0);
    let mut denied = 0_u64;
    for number in 1..=100_000 {
        let seen = network.wires[1].seen.len();
        send(&mut network, 500, &first_message(&template, number));
        let refused = |(_, of, event): &(Instant, usize, RouterEvent)| {
            let full = EventKind::DatagramRefused(Refusal::TooManyHalfOpen);
            *of == TARGET && matches!(event, RouterEvent::Ike(event) if event.kind == full)
        };
        if network.events.last().is_some_and(refused) {
            denied += 1;
            assert_eq!(network.wires[1].seen.len(), seen, "who is denied gets no answer");
        }
        // What was told is the test's own memory.
        if number > 300 {
            network.events.pop();
            network.events.pop();
        }
    }
    assert_eq!(denied, 100_000 - 256);
    let (isakmp, pairs) = network.routers[TARGET].engine.counts();
    assert_eq!((isakmp, pairs), (257, 1));
    assert!(network.ping(0, "10.2.0.10", 3, 56), "the tunnel that stands carries on");
    network.run_for(Duration::from_secs(300));
    assert_eq!(network.routers[TARGET].engine.counts(), (1, 1), "they are given up and forgotten");
    assert_eq!(shown(&mut network).lines().count(), before.lines().count());
}

/// First messages of whom nothing is configured leave nothing behind.
#[test]
fn a_flood_from_strangers_leaves_nothing() {
    let mut network = established();
    let template = strange().swap_remove(0);
    for number in 0..2000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let (source, destination) = (Ipv4Addr::new(203, 0, 113 + high, low), Ipv4Addr::new(192, 0, 2, 2));
        let payload = first_message(&template, number);
        let datagram = UdpDatagram { source_port: 500, destination_port: 500, payload }.to_bytes(source, destination);
        let packet = Ipv4Packet::new(protocol::UDP, source, destination, datagram);
        let frame = network.frame_to(TARGET, "Gi0/0", &packet);
        network.deliver(TARGET, &name("Gi0/0"), &frame);
    }
    network.run_for(Duration::from_secs(200));
    assert_eq!(network.routers[TARGET].engine.counts(), (1, 1));
    assert!(network.ping(0, "10.2.0.10", 3, 56));
}

/// What somebody sends who does not know the keys.
#[derive(Clone, Debug)]
enum Junk {
    Octets(Vec<u8>),
    /// A message of a negotiation that nobody knows, cut, with an octet changed and at the end of it more.
    Strange {
        message: usize,
        cut: usize,
        at: usize,
        value: u8,
        more: Vec<u8>,
    },
    /// Behind a header that is right for nobody.
    Headed {
        cookies: [u8; 16],
        next: u8,
        exchange: u8,
        flags: u8,
        body: Vec<u8>,
    },
    /// For the SA that is being negotiated, in an exchange of phase 2.
    Early {
        exchange: u8,
        id: u32,
        body: Vec<u8>,
    },
}

fn junk() -> impl Strategy<Value = Junk> {
    let octets = |most| proptest::collection::vec(any::<u8>(), 0..most);
    prop_oneof![
        octets(300).prop_map(Junk::Octets),
        (1_usize..9, any::<usize>(), any::<usize>(), any::<u8>(), octets(40))
            .prop_map(|(message, cut, at, value, more)| Junk::Strange { message, cut, at, value, more }),
        (any::<[u8; 16]>(), 0_u8..24, 0_u8..40, 0_u8..8, octets(200))
            .prop_map(|(cookies, next, exchange, flags, body)| Junk::Headed { cookies, next, exchange, flags, body }),
        (prop::sample::select(vec![5_u8, 6, 32]), 1_u32.., octets(120)).prop_map(|(exchange, id, body)| Junk::Early {
            exchange,
            id,
            body
        }),
    ]
}

impl Junk {
    /// The datagram, with what it needs of the negotiation that is going on.
    fn octets(self, own: &[Vec<u8>], strange: &[Vec<u8>]) -> Vec<u8> {
        let with_length = |mut octets: Vec<u8>| {
            let length = octets.len() as u32;
            octets[24..28].copy_from_slice(&length.to_be_bytes());
            octets
        };
        match self {
            Self::Octets(octets) => octets,
            Self::Strange { message, cut, at, value, more } => {
                let mut octets = strange[message].clone();
                let at = at % octets.len();
                octets[at] = value;
                octets.truncate(octets.len().saturating_sub(cut % 64));
                [octets, more].concat()
            }
            Self::Headed { mut cookies, next, exchange, flags, body } => {
                // With a responder's cookie: without one it could be a first message that is right.
                cookies[15] |= 1;
                let rest = [next, 0x10, exchange, flags, 0, 0, 0, 0, 0, 0, 0, 0];
                with_length([&cookies[..], &rest, &body].concat())
            }
            Self::Early { exchange, id, body } => {
                let Some(cookies) = own.iter().rev().find(|octets| octets[8..16] != [0; 8]) else { return body };
                let rest = [[8, 0x10, exchange, 1], id.to_be_bytes(), [0; 4]].concat();
                with_length([&cookies[..16], &rest, &body].concat())
            }
        }
    }
}

/// What a negotiation came to, at either end.
fn outcome(network: &Network) -> Vec<Vec<(Ipv4Addr, String)>> {
    let tunnels = |router: &Router| {
        let words = |tunnel: &Tunnel| {
            let pair = &tunnel.pair;
            (pair.remote, format!("{:?} {:?} {:?}", pair.selectors, pair.suite, pair.mode))
        };
        router.tunnels().iter().map(words).collect()
    };
    network.routers.iter().map(tunnels).collect()
}

/// Main and quick mode, with junk for both ends before every message.
fn negotiate(junk: Vec<(Junk, bool, bool)>, strange: &[Vec<u8>]) -> Network {
    let mut network = network();
    // Raised by R1; the packet that raises it is lost. The first millisecond brings it there.
    let echo = IcmpMessage::EchoRequest { identifier: 1, sequence: 1, data: vec![] }.to_bytes();
    let (source, destination) = (Ipv4Addr::new(10, 1, 0, 10), Ipv4Addr::new(10, 2, 0, 10));
    network.send(0, Ipv4Packet::new(protocol::ICMP, source, destination, echo));
    let steps = 40;
    let mut junk = junk.into_iter();
    for _ in 0..steps {
        network.run_for(Duration::from_millis(1));
        for (junk, to_r2, natt) in junk.by_ref().take(2) {
            let octets = junk.octets(&messages(&network), strange);
            let (target, source) = if to_r2 { (1, 1) } else { (0, 2) };
            let (source, destination) = (Ipv4Addr::new(192, 0, 2, source), Ipv4Addr::new(192, 0, 2, 3 - source));
            let port = if natt { 4500 } else { 500 };
            let payload = if natt { natt::with_marker(&octets) } else { octets };
            let datagram = UdpDatagram { source_port: port, destination_port: port, payload };
            let packet = Ipv4Packet::new(protocol::UDP, source, destination, datagram.to_bytes(source, destination));
            let frame = network.frame_to(target, "Gi0/0", &packet);
            network.deliver(target, &name("Gi0/0"), &frame);
        }
    }
    network.run_for(Duration::from_secs(1));
    network
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_negotiation_among_junk_comes_to_the_same(
        junk in proptest::collection::vec((junk(), any::<bool>(), any::<bool>()), 1..80),
    ) {
        let strange = strange();
        let undisturbed = negotiate(Vec::new(), &strange);
        let expected = outcome(&undisturbed);
        prop_assert_eq!((expected[0].len(), expected[1].len()), (1, 1));
        let mut network = negotiate(junk, &strange);
        prop_assert_eq!(outcome(&network), expected, "{:#?}", network.events);
        prop_assert!(network.ping(0, "10.2.0.10", 7, 56));
        network.run_for(Duration::from_secs(300));
        for (router, same) in network.routers.iter().zip(&undisturbed.routers) {
            prop_assert_eq!(router.engine.counts(), same.engine.counts());
        }
    }
}
