//! Packets that wait for an SA.

use std::time::Duration;

use super::rig::*;
use crate::pfkey::message::*;
use crate::pfkey::{DropReason, KeyEvent, Output, Settings, SocketId};

const LEFT: [u8; 3] = [10, 1, 0];
const RIGHT: [u8; 3] = [10, 2, 0];

/// A daemon, and a policy whose packets need an SA.
fn rig(settings: Settings) -> (Rig, SocketId) {
    let mut rig = Rig::with(settings);
    let racoon = rig.daemon();
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
    rig.received.clear();
    (rig, racoon)
}

fn settings() -> Settings {
    Settings::new(vec![LOCAL], 1)
}

fn dropped(rig: &Rig) -> Option<&DropReason> {
    match rig.events.last() {
        Some(KeyEvent::Dropped(reason)) => Some(reason),
        _ => None,
    }
}

#[test]
fn a_packet_asks_for_its_sa_and_waits() {
    let (mut rig, racoon) = rig(settings());
    rig.inner(&ping(INNER, FAR));
    let (to, acquire) = rig.received.pop().unwrap();
    assert_eq!((to, acquire.header.kind, acquire.header.pid), (racoon, MessageType::Acquire, 0));
    assert_eq!((acquire.source().unwrap().ipv4(), acquire.destination().unwrap().ipv4()), (Some(LOCAL), Some(PEER)));
    let policy = acquire.policy().unwrap();
    assert_eq!((policy.id, policy.direction, policy.kind), (9, Direction::Outbound, PolicyType::Ipsec));
    rig.received.clear();
    rig.inner(&ping(INNER, FAR));
    assert_eq!((rig.received.len(), rig.sent().len()), (0, 0));
    let mut add = keyed(MessageType::Add, LOCAL, PEER, 0x1234);
    add.header.sequence = acquire.header.sequence;
    rig.done(racoon, &add);
    let sent = rig.sent();
    assert_eq!(sent.len(), 2);
    assert!(matches!(&sent[0], Output::Esp { destination, octets } if *destination == PEER && octets.len() == 132));
    rig.pass(Duration::from_secs(100));
    assert!(!rig.events.iter().any(|event| matches!(event, KeyEvent::AcquireFailed { .. })));
}

#[test]
fn only_so_many_packets_wait() {
    let (mut rig, racoon) = rig(Settings { waiting_packets: 3, ..settings() });
    (0..5).for_each(|_| rig.inner(&ping(INNER, FAR)));
    assert!(matches!(dropped(&rig), Some(DropReason::TooManyWaiting(_))));
    rig.done(racoon, &keyed(MessageType::Add, LOCAL, PEER, 0x1234));
    assert_eq!(rig.sent().len(), 3);
}

#[test]
fn without_a_daemon_nobody_is_asked() {
    let mut rig = Rig::new();
    let setkey = rig.open();
    rig.done(setkey, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
    rig.inner(&ping(INNER, FAR));
    assert!(matches!(dropped(&rig), Some(DropReason::NobodyToAsk(_))));
    assert_eq!(rig.engine.next_timeout(), None);
    let racoon = rig.daemon();
    rig.received.clear();
    rig.inner(&ping(INNER, FAR));
    assert_eq!(rig.received.pop().unwrap().0, racoon);
}

#[test]
fn what_nobody_makes_is_forgotten_and_asked_for_again() {
    let (mut rig, racoon) = rig(settings());
    rig.inner(&ping(INNER, FAR));
    rig.received.clear();
    rig.pass(Duration::from_secs(30));
    let (to, expire) = rig.received.pop().unwrap();
    assert_eq!((to, expire.header.kind, expire.sa().unwrap().spi.0), (racoon, MessageType::Expire, 0));
    assert_eq!(rig.events.last(), Some(&KeyEvent::AcquireFailed { sequence: 1, lost: 1 }));
    rig.inner(&ping(INNER, FAR));
    let (_, again) = rig.received.pop().unwrap();
    assert_eq!((again.header.kind, again.header.sequence), (MessageType::Acquire, 2));
}

#[test]
fn a_daemon_may_say_that_it_cannot() {
    let (mut rig, racoon) = rig(settings());
    rig.inner(&ping(INNER, FAR));
    let mut failed = message(MessageType::Acquire);
    (failed.header.sequence, failed.header.errno) = (1, 2);
    assert_eq!(rig.say(racoon, &failed), []);
    assert_eq!(rig.events.last(), Some(&KeyEvent::AcquireFailed { sequence: 1, lost: 1 }));
    rig.inner(&ping(INNER, FAR));
    assert!(matches!(dropped(&rig), Some(DropReason::AcquireFailed(_))));
    assert!(rig.received.is_empty());
    rig.pass(Duration::from_secs(30));
    rig.received.clear();
    rig.inner(&ping(INNER, FAR));
    assert_eq!(rig.received.pop().unwrap().1.header.kind, MessageType::Acquire);
    // Neither of these is about anything.
    for (sequence, errno) in [(0, 2), (2, 0), (77, 2)] {
        (failed.header.sequence, failed.header.errno) = (sequence, errno);
        assert_eq!(rig.say(racoon, &failed), []);
    }
}

#[test]
fn unique_policies_are_asked_for_one_by_one() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Unique, 1));
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, [10, 3, 0], Level::Unique, 2));
    rig.received.clear();
    rig.inner(&ping(INNER, FAR));
    rig.inner(&ping(INNER, [10, 3, 0, 1].into()));
    let asked: Vec<u32> = rig.received.iter().map(|(_, acquire)| acquire.policy().unwrap().id).collect();
    assert_eq!(asked, [9, 17]);
    rig.done(racoon, &instead(keyed(MessageType::Add, LOCAL, PEER, 0x1002), sa2(IpsecMode::Tunnel, 2)));
    assert_eq!(rig.sent().len(), 1);
    rig.inner(&ping(INNER, FAR));
    assert_eq!(rig.sent().len(), 0);
}

#[test]
fn a_policy_for_everybody_does_not_exhaust_the_memory() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    let request =
        IpsecRequest { protocol: 50, mode: IpsecMode::Transport, level: Level::Require, reqid: 0, ends: None };
    let mut everybody = policy(Direction::Outbound, LEFT, RIGHT, PolicyType::Ipsec, vec![request]);
    let Extension::Destination(address) = &mut everybody.extensions[2] else { panic!() };
    address.prefix_len = 0;
    rig.done(racoon, &everybody);
    rig.received.clear();
    for number in 0..5000_u16 {
        let [high, low] = number.to_be_bytes();
        rig.inner(&ping(INNER, [20, 0, high, low].into()));
    }
    assert_eq!(rig.received.len(), 4096);
    assert!(matches!(dropped(&rig), Some(DropReason::TooManyWaiting(_))));
    rig.pass(Duration::from_secs(30));
    rig.received.clear();
    rig.inner(&ping(INNER, FAR));
    assert_eq!(rig.received.len(), 1);
}
