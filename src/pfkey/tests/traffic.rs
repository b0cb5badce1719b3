//! Packets through policies and SAs.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use rstest::rstest;

use super::rig::*;
use crate::pfkey::message::*;
use crate::pfkey::{DropReason, Input, KeyEvent, Output, Settings, SocketId};
use crate::wire::ipv4::{Ipv4Packet, protocol};
use crate::wire::udp::UdpDatagram;

const LEFT: [u8; 3] = [10, 1, 0];
const RIGHT: [u8; 3] = [10, 2, 0];
const OTHER: [u8; 3] = [10, 3, 0];
const OTHER_FAR: Ipv4Addr = Ipv4Addr::new(10, 3, 0, 1);

fn dropped(rig: &Rig) -> &DropReason {
    match rig.events.last() {
        Some(KeyEvent::Dropped(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// The SPI of the one ESP packet that was sent.
fn spi(rig: &mut Rig) -> Option<u32> {
    let sent = rig.sent();
    assert!(sent.len() <= 1);
    sent.into_iter().next().map(|output| match output {
        Output::Esp { octets, .. } | Output::EspInUdp { octets, .. } => {
            u32::from_be_bytes(octets[..4].try_into().unwrap())
        }
        other => panic!("{other:?}"),
    })
}

/// A policy for inbound packets, which travel from left to right here, through a tunnel from LOCAL to PEER.
fn inbound(level: Level, reqid: u32) -> Message {
    let mut message = tunnel(Direction::Outbound, LEFT, RIGHT, level, reqid);
    let Extension::Policy(policy) = &mut message.extensions[0] else { panic!() };
    policy.direction = Direction::Inbound;
    message
}

/// A sender with an outbound SA and a receiver with the same one, inbound.
fn pair(add: &Message) -> (Rig, Rig, SocketId) {
    let (mut ours, mut theirs) = (Rig::new(), Rig::with(Settings::new(vec![PEER], 2)));
    let socket = ours.daemon();
    ours.done(socket, add);
    ours.done(socket, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
    let socket = theirs.daemon();
    theirs.done(socket, add);
    ours.outputs.clear();
    theirs.outputs.clear();
    (ours, theirs, socket)
}

fn esp(rig: &mut Rig) -> Vec<u8> {
    rig.inner(&ping(INNER, FAR));
    match rig.sent().pop() {
        Some(Output::Esp { octets, .. } | Output::EspInUdp { octets, .. }) => octets,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_one_engine_sends_another_opens() {
    let (mut ours, mut theirs, socket) = pair(&keyed(MessageType::Add, LOCAL, PEER, 0x1234));
    theirs.done(socket, &inbound(Level::Require, 0));
    theirs.outputs.clear();
    let octets = esp(&mut ours);
    theirs.feed(Input::Esp { source: LOCAL, octets: &octets });
    assert_eq!(theirs.outputs, [Output::Inner(ping(INNER, FAR).to_bytes())]);
    theirs.feed(Input::Esp { source: LOCAL, octets: &octets });
    assert!(matches!(dropped(&theirs), DropReason::Inbound { .. }), "a replay");
    let counted = theirs.engine.associations().next().unwrap();
    assert_eq!((counted.packets, counted.bytes, counted.inbound), (1, 84, true));
}

#[test]
fn what_comes_through_a_tunnel_needs_a_policy_that_fits() {
    let add = instead(keyed(MessageType::Add, LOCAL, PEER, 0x1234), sa2(IpsecMode::Tunnel, 0));
    let (mut ours, mut theirs, socket) = pair(&add);
    let mut opens = |theirs: &mut Rig| {
        let octets = esp(&mut ours);
        theirs.feed(Input::Esp { source: LOCAL, octets: &octets });
        theirs.outputs.iter().any(|output| matches!(output, Output::Inner(_)))
    };
    assert!(!opens(&mut theirs));
    assert!(matches!(dropped(&theirs), DropReason::InboundPolicy { .. }));
    // Of another SA.
    theirs.done(socket, &inbound(Level::Unique, 5));
    assert!(!opens(&mut theirs));
    // Between other ends.
    theirs.done(socket, &spd(MessageType::SpdFlush));
    theirs.done(socket, &tunnel(Direction::Inbound, LEFT, RIGHT, Level::Require, 0));
    assert!(!opens(&mut theirs));
    theirs.done(socket, &spd(MessageType::SpdFlush));
    theirs.done(socket, &policy(Direction::Inbound, LEFT, RIGHT, PolicyType::Discard, Vec::new()));
    assert!(!opens(&mut theirs));
    // For what passes through.
    let mut forward = inbound(Level::Require, 0);
    let Extension::Policy(policy) = &mut forward.extensions[0] else { panic!() };
    policy.direction = Direction::Forward;
    theirs.done(socket, &forward);
    assert!(opens(&mut theirs));
}

/// What a router sees of racoon with two networks and `require`: the second network's packets come out of the first SA.
#[test]
fn require_takes_any_sa_between_the_ends() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, OTHER, Level::Require, 0));
    rig.done(racoon, &keyed(MessageType::Add, LOCAL, PEER, 0x1001));
    rig.received.clear();
    rig.inner(&ping(INNER, OTHER_FAR));
    assert_eq!((spi(&mut rig), rig.received.len()), (Some(0x1001), 0));
}

/// Without an SA all levels ask for one, with its reqid where they have one, and the packet waits: in clear it could not
/// leave through the tunnel, whatever `use` says.
#[rstest]
#[case(Level::Default, 7, 0)]
#[case(Level::Use, 7, 0)]
#[case(Level::Require, 7, 0)]
#[case(Level::Unique, 7, 7)]
fn every_level_waits_for_its_sa(#[case] level: Level, #[case] reqid: u32, #[case] wanted: u32) {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, level, reqid));
    rig.received.clear();
    rig.inner(&ping(INNER, FAR));
    assert!(rig.outputs.iter().all(|output| !matches!(output, Output::Inner(_))));
    let (to, acquire) = rig.received.pop().unwrap();
    assert_eq!((to, acquire.header.kind), (racoon, MessageType::Acquire));
    let sequence = acquire.header.sequence;
    let other = instead(keyed(MessageType::Add, LOCAL, PEER, 0x1001), sa2(IpsecMode::Tunnel, wanted + 1));
    rig.done(racoon, &other);
    assert_eq!(spi(&mut rig), None, "an SA of another reqid");
    let mut add = instead(keyed(MessageType::Add, LOCAL, PEER, 0x1002), sa2(IpsecMode::Tunnel, wanted));
    add.header.sequence = sequence;
    rig.done(racoon, &add);
    assert_eq!(spi(&mut rig), Some(0x1002));
}

/// Whatever the level, an inbound packet must have come through an SA that the policy could have asked for.
#[rstest]
#[case(Level::Default, 0, true)]
#[case(Level::Use, 0, true)]
#[case(Level::Require, 0, true)]
#[case(Level::Unique, 5, true)]
#[case(Level::Unique, 6, false)]
fn every_level_lets_in_what_it_asked_for(#[case] level: Level, #[case] reqid: u32, #[case] admitted: bool) {
    let add = instead(keyed(MessageType::Add, LOCAL, PEER, 0x1234), sa2(IpsecMode::Tunnel, 5));
    let mut ours = Rig::new();
    let socket = ours.daemon();
    ours.done(socket, &add);
    ours.done(socket, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Unique, 5));
    let mut theirs = Rig::with(Settings::new(vec![PEER], 2));
    let socket = theirs.daemon();
    theirs.done(socket, &add);
    theirs.done(socket, &inbound(level, reqid));
    let octets = esp(&mut ours);
    theirs.feed(Input::Esp { source: LOCAL, octets: &octets });
    assert_eq!(theirs.outputs.iter().any(|output| matches!(output, Output::Inner(_))), admitted);
}

#[test]
fn a_policy_that_protects_nothing_asks_for_nothing() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    rig.done(racoon, &policy(Direction::Outbound, LEFT, RIGHT, PolicyType::None, Vec::new()));
    rig.done(racoon, &policy(Direction::Outbound, LEFT, OTHER, PolicyType::Discard, Vec::new()));
    rig.done(racoon, &keyed(MessageType::Add, LOCAL, PEER, 0x1001));
    rig.received.clear();
    rig.inner(&ping(INNER, FAR));
    assert!(matches!(dropped(&rig), DropReason::NoPolicy(_)), "it is not for the tunnel: {:?}", dropped(&rig));
    rig.inner(&ping(INNER, OTHER_FAR));
    assert!(matches!(dropped(&rig), DropReason::Discarded { .. }));
    assert_eq!((spi(&mut rig), rig.received.len()), (None, 0));
}

/// An SA's packet for networks that need no protection is let in, and one for networks to be discarded is not.
#[test]
fn an_inbound_policy_may_let_in_or_discard_what_an_sa_brought() {
    let add = keyed(MessageType::Add, LOCAL, PEER, 0x1234);
    for (kind, admitted) in [(PolicyType::None, true), (PolicyType::Discard, false)] {
        let (mut ours, mut theirs, socket) = pair(&add);
        theirs.done(socket, &policy(Direction::Inbound, LEFT, RIGHT, kind, Vec::new()));
        let octets = esp(&mut ours);
        theirs.feed(Input::Esp { source: LOCAL, octets: &octets });
        assert_eq!(theirs.outputs.iter().any(|output| matches!(output, Output::Inner(_))), admitted, "{kind}");
    }
}

#[test]
fn unique_takes_its_own_sa_only() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Unique, 1));
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, OTHER, Level::Unique, 2));
    for reqid in [1, 2] {
        let add = keyed(MessageType::Add, LOCAL, PEER, 0x1000 + reqid);
        rig.done(racoon, &instead(add, sa2(IpsecMode::Tunnel, reqid)));
    }
    rig.inner(&ping(INNER, FAR));
    assert_eq!(spi(&mut rig), Some(0x1001));
    rig.inner(&ping(INNER, OTHER_FAR));
    assert_eq!(spi(&mut rig), Some(0x1002));
    // An SA of reqid 1 is none for a policy without (Linux, `xfrm_state_find`).
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, [10, 4, 0], Level::Require, 0));
    rig.inner(&ping(INNER, [10, 4, 0, 1].into()));
    assert_eq!(spi(&mut rig), None);
}

#[test]
fn the_newest_sa_takes_the_packets_and_a_dying_one_only_without_another() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
    let add = |spi, soft| {
        let soft = Extension::LifetimeSoft(Lifetime { add_time: soft, ..Lifetime::default() });
        keyed(MessageType::Add, LOCAL, PEER, spi).with(soft)
    };
    let next = |rig: &mut Rig| {
        rig.inner(&ping(INNER, FAR));
        spi(rig)
    };
    rig.done(racoon, &add(0x1001, 100));
    rig.pass(Duration::from_secs(1));
    rig.done(racoon, &add(0x1002, 10));
    assert_eq!(next(&mut rig), Some(0x1002));
    rig.pass(Duration::from_secs(10));
    assert_eq!(next(&mut rig), Some(0x1001));
    rig.done(racoon, &between(MessageType::Delete, LOCAL, PEER).with(sa(0x1001)));
    assert_eq!(next(&mut rig), Some(0x1002));
    rig.done(racoon, &between(MessageType::Delete, LOCAL, PEER).with(sa(0x1002)));
    assert_eq!(next(&mut rig), None);
}

#[test]
fn the_lowest_priority_is_asked_first() {
    let mut rig = Rig::new();
    let socket = rig.daemon();
    rig.done(socket, &keyed(MessageType::Add, LOCAL, PEER, 0x1001));
    rig.done(socket, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
    let wide = |kind, priority| {
        let mut message = policy(Direction::Outbound, LEFT, RIGHT, kind, Vec::new());
        let [Extension::Policy(policy), _, Extension::Destination(address)] = &mut message.extensions[..] else {
            panic!()
        };
        (policy.priority, address.prefix_len) = (priority, 8);
        message
    };
    rig.done(socket, &wide(PolicyType::Discard, 0x8000_0000));
    rig.inner(&ping(INNER, FAR));
    assert_eq!(spi(&mut rig), Some(0x1001));
    rig.inner(&ping(INNER, OTHER_FAR));
    assert!(matches!(dropped(&rig), DropReason::Discarded { policy: 17, .. }));
    let mut update = wide(PolicyType::Discard, 0x7fff_ffff);
    update.header.kind = MessageType::SpdUpdate;
    assert_eq!(rig.done(socket, &update).policy().unwrap().id, 17);
    rig.inner(&ping(INNER, FAR));
    assert_eq!(spi(&mut rig), None);
    rig.inner(&ping([192, 168, 0, 1].into(), FAR));
    assert!(matches!(dropped(&rig), DropReason::NoPolicy(_)));
    rig.feed(Input::Inner(&[0x60; 40]));
    assert_eq!(dropped(&rig), &DropReason::NotIpv4);
}

fn with_nat(message: Message, source_port: u16, destination_port: u16) -> Message {
    message
        .with(Extension::NatTType(2))
        .with(Extension::NatTSourcePort(source_port))
        .with(Extension::NatTDestinationPort(destination_port))
}

#[test]
fn esp_in_udp_takes_the_ports_of_the_sa() {
    let add = with_nat(keyed(MessageType::Add, LOCAL, PEER, 0x1234), 4500, 61001);
    let (mut ours, mut theirs, socket) = pair(&add);
    theirs.done(socket, &inbound(Level::Require, 0));
    ours.inner(&ping(INNER, FAR));
    let Some(Output::EspInUdp { local, remote, octets }) = ours.sent().pop() else { panic!() };
    assert_eq!((local, remote), (SocketAddrV4::new(LOCAL, 4500), SocketAddrV4::new(PEER, 61001)));
    theirs.feed(Input::Esp { source: LOCAL, octets: &octets });
    assert!(matches!(dropped(&theirs), DropReason::WrongEncapsulation { udp: false, .. }));
    // It did not touch the window: the same packet passes where it belongs.
    theirs.outputs.clear();
    theirs.received.clear();
    theirs.feed(Input::EspInUdp { local: remote, remote: local, octets: &octets });
    assert_eq!((theirs.outputs.len(), theirs.received.len()), (1, 0));

    // The NAT maps the sender anew: the daemon is told once.
    let moved = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 5), 1025);
    for _ in 0..2 {
        let octets = esp(&mut ours);
        theirs.feed(Input::EspInUdp { local: remote, remote: moved, octets: &octets });
    }
    assert_eq!(theirs.outputs.len(), 3);
    let (to, told) = theirs.received.pop().unwrap();
    assert!(theirs.received.is_empty());
    assert_eq!((to, told.header.kind), (socket, MessageType::NatTNewMapping));
    assert_eq!((told.source().unwrap().ipv4(), told.nat_t_source_port()), (Some(LOCAL), Some(&4500)));
    assert_eq!((told.destination().unwrap().ipv4(), told.nat_t_destination_port()), (Some(*moved.ip()), Some(&1025)));

    // An UPDATE leads the packets to other ports.
    let socket = ours.open();
    ours.done(socket, &with_nat(keyed(MessageType::Update, LOCAL, PEER, 0x1234), 4500, 4501));
    ours.inner(&ping(INNER, FAR));
    assert!(matches!(ours.sent()[..], [Output::EspInUdp { remote, .. }] if remote.port() == 4501));
    let shown = ours.done(socket, &between(MessageType::Get, LOCAL, PEER).with(sa(0x1234)));
    assert_eq!(shown.nat_t_destination_port(), Some(&4501));
}

#[test]
fn transport_mode_behind_a_nat_renews_the_checksum() {
    let add = with_nat(instead(keyed(MessageType::Add, LOCAL, PEER, 0x1234), sa2(IpsecMode::Transport, 0)), 4500, 4500);
    let (mut ours, mut theirs, _) = pair(&add);
    let socket = ours.open();
    let request =
        IpsecRequest { protocol: 50, mode: IpsecMode::Transport, level: Level::Default, reqid: 0, ends: None };
    let net = |address: Ipv4Addr| [address.octets()[0], address.octets()[1], address.octets()[2]];
    ours.done(socket, &policy(Direction::Outbound, net(LOCAL), net(PEER), PolicyType::Ipsec, vec![request]));
    let datagram = UdpDatagram { source_port: 53, destination_port: 53, payload: b"question".to_vec() };
    let packet = Ipv4Packet::new(protocol::UDP, LOCAL, PEER, datagram.to_bytes(LOCAL, PEER));
    ours.inner(&packet);
    let Some(Output::EspInUdp { octets, .. }) = ours.sent().pop() else { panic!() };
    // It comes from the NAT's address, for which the checksum is not right.
    let nat = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 5), 1025);
    theirs.feed(Input::EspInUdp { local: SocketAddrV4::new(PEER, 4500), remote: nat, octets: &octets });
    let Some(Output::Inner(opened)) = theirs.outputs.pop() else { panic!("{:?}", theirs.events) };
    let opened = Ipv4Packet::parse(&opened).unwrap();
    assert_eq!((opened.source, opened.destination), (*nat.ip(), PEER));
    assert_eq!(UdpDatagram::parse(&opened.payload, *nat.ip(), PEER).unwrap(), datagram);
}

/// Linux's PF_KEY cuts HMAC-SHA-256 to 96 bits: nothing passes to a peer that has the 128 of RFC 4868.
#[test]
fn sha256_is_cut_as_linux_cuts_it_unless_asked_otherwise() {
    let sent = |settings: Settings| {
        let mut rig = Rig::with(settings);
        let socket = rig.open();
        let sha256 = Sa {
            spi: crate::wire::Spi(0x1234),
            replay: 4,
            state: SaState::Mature,
            auth: AuthAlgorithm::Sha256Hmac,
            encrypt: EncryptAlgorithm::AesCbc,
            flags: 0,
        };
        let add = instead(keyed(MessageType::Add, LOCAL, PEER, 0x1234), Extension::Sa(sha256));
        let key = Key::new(crate::crypto::Secret::new(vec![0x22; 32]));
        rig.done(socket, &instead(add, Extension::KeyAuth(key)));
        rig.done(socket, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
        esp(&mut rig).len()
    };
    let linux = Settings::new(vec![LOCAL], 1);
    let standard = Settings { sha256_icv: crate::crypto::IcvLength::Standard, ..linux.clone() };
    assert_eq!((sent(linux), sent(standard)), (132, 136));
}
