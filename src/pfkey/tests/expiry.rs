//! Lifetimes of SAs and policies under a virtual clock.

use std::time::Duration;

use super::rig::*;
use crate::esp::{LifetimeKind, Severity};
use crate::pfkey::KeyEvent;
use crate::pfkey::message::*;
use crate::time::Instant;

const LEFT: [u8; 3] = [10, 1, 0];
const RIGHT: [u8; 3] = [10, 2, 0];

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn expiries(rig: &Rig) -> Vec<(Severity, LifetimeKind)> {
    let expiry = |event: &KeyEvent| match event {
        KeyEvent::SaExpired { severity, kind, .. } => Some((*severity, *kind)),
        _ => None,
    };
    rig.events.iter().filter_map(expiry).collect()
}

#[test]
fn a_larval_sa_that_gets_no_keys_goes() {
    let mut rig = Rig::new();
    let (racoon, setkey) = (rig.daemon(), rig.open());
    let spi = rig.done(setkey, &between(MessageType::GetSpi, PEER, LOCAL)).sa().unwrap().spi;
    rig.pass(Duration::from_millis(29_999));
    assert_eq!(rig.engine.associations().count(), 1);
    rig.received.clear();
    rig.pass(Duration::from_millis(1));
    let (to, expire) = rig.received.pop().unwrap();
    assert!(rig.received.is_empty());
    assert_eq!((to, expire.header.kind, expire.sa().unwrap().spi), (racoon, MessageType::Expire, spi));
    assert!(expire.lifetime_hard().is_some() && expire.lifetime_soft().is_none());
    assert_eq!(rig.refused(racoon, &keyed(MessageType::Update, PEER, LOCAL, spi.0)), Errno::NoSuchSa);
    assert_eq!((rig.engine.associations().count(), rig.engine.next_timeout()), (0, None));
}

#[test]
fn a_larval_sa_that_gets_keys_stays() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    let spi = rig.done(racoon, &between(MessageType::GetSpi, PEER, LOCAL)).sa().unwrap().spi;
    rig.pass(seconds(10));
    rig.done(racoon, &keyed(MessageType::Update, PEER, LOCAL, spi.0));
    rig.pass(seconds(1000));
    assert_eq!(rig.engine.associations().map(|sa| sa.state).collect::<Vec<_>>(), [SaState::Mature]);
}

#[test]
fn lifetimes_of_time_are_told_to_those_who_registered() {
    let mut rig = Rig::new();
    let (racoon, setkey) = (rig.daemon(), rig.open());
    let limit = |add_time| Lifetime { add_time, ..Lifetime::default() };
    let add = keyed(MessageType::Add, LOCAL, PEER, 0x1234)
        .with(Extension::LifetimeHard(limit(3600)))
        .with(Extension::LifetimeSoft(limit(2880)));
    rig.pass(seconds(5));
    rig.done(setkey, &add);
    rig.received.clear();
    rig.pass(seconds(2880));
    let (to, soft) = rig.received.pop().unwrap();
    assert_eq!((to, soft.header.kind, soft.header.pid, soft.header.sequence), (racoon, MessageType::Expire, 0, 0));
    assert_eq!(soft.sa().unwrap().state, SaState::Dying);
    assert_eq!(soft.lifetime_soft(), Some(&limit(2880)));
    assert_eq!(soft.lifetime_hard(), None);
    assert_eq!(soft.lifetime_current().unwrap().add_time, 1_000_005);
    rig.pass(seconds(719));
    assert_eq!(rig.engine.associations().count(), 1);
    rig.pass(seconds(1));
    let (_, hard) = rig.received.pop().unwrap();
    assert_eq!((hard.sa().unwrap().state, hard.lifetime_hard()), (SaState::Dead, Some(&limit(3600))));
    assert_eq!((rig.engine.associations().count(), rig.received.len()), (0, 0));
    assert_eq!(expiries(&rig), [(Severity::Soft, LifetimeKind::Seconds), (Severity::Hard, LifetimeKind::Seconds)]);
}

#[test]
fn lifetimes_of_octets_packets_and_use() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
    let add = |spi, hard, soft| {
        let add = keyed(MessageType::Add, LOCAL, PEER, spi);
        add.with(Extension::LifetimeHard(hard)).with(Extension::LifetimeSoft(soft))
    };
    let none = Lifetime::default();
    let send = |rig: &mut Rig| {
        rig.inner(&ping(INNER, FAR));
        rig.sent().len()
    };
    // A ping has 84 octets.
    rig.done(racoon, &add(0x1001, Lifetime { bytes: 252, ..none }, Lifetime { bytes: 168, ..none }));
    assert_eq!((0..3).map(|_| send(&mut rig)).collect::<Vec<_>>(), [1, 1, 1]);
    let bytes = [(Severity::Soft, LifetimeKind::Bytes), (Severity::Hard, LifetimeKind::Bytes)];
    assert_eq!(expiries(&rig), bytes);
    assert_eq!((send(&mut rig), rig.engine.associations().count()), (0, 0));
    rig.events.clear();

    // The packet that waits is the first.
    rig.done(racoon, &add(0x1002, Lifetime { allocations: 2, ..none }, none));
    assert_eq!((rig.sent().len(), send(&mut rig)), (1, 1));
    assert_eq!(expiries(&rig), [(Severity::Hard, LifetimeKind::Packets)]);
    rig.events.clear();

    rig.done(racoon, &add(0x1003, Lifetime { use_time: 60, ..none }, none));
    rig.pass(seconds(100));
    assert_eq!(send(&mut rig), 1);
    rig.pass(seconds(59));
    assert_eq!(expiries(&rig), []);
    rig.pass(seconds(1));
    assert_eq!(expiries(&rig), [(Severity::Hard, LifetimeKind::UseSeconds)]);
}

#[test]
fn an_update_gives_another_lifetime() {
    let mut rig = Rig::new();
    let socket = rig.open();
    let hard = |add_time| Extension::LifetimeHard(Lifetime { add_time, ..Lifetime::default() });
    rig.done(socket, &keyed(MessageType::Add, LOCAL, PEER, 0x1234).with(hard(100)));
    rig.pass(seconds(50));
    rig.done(socket, &keyed(MessageType::Update, LOCAL, PEER, 0x1234).with(hard(200)));
    rig.pass(seconds(149));
    assert_eq!(rig.engine.associations().count(), 1);
    rig.pass(seconds(1));
    assert_eq!(rig.engine.associations().count(), 0);
}

#[test]
fn an_update_revives_a_dying_sa() {
    let mut rig = Rig::new();
    let socket = rig.daemon();
    let soft = |add_time| Extension::LifetimeSoft(Lifetime { add_time, ..Lifetime::default() });
    let states = |rig: &Rig| rig.engine.associations().map(|sa| sa.state).collect::<Vec<_>>();
    rig.done(socket, &keyed(MessageType::Add, LOCAL, PEER, 0x1234).with(soft(10)));
    rig.pass(seconds(10));
    assert_eq!(states(&rig), [SaState::Dying]);
    let update = keyed(MessageType::Update, LOCAL, PEER, 0x1234);
    assert_eq!(rig.refused(socket, &update.clone().with(Extension::NatTType(2))), Errno::Invalid);
    rig.done(socket, &update.clone().with(soft(20)));
    assert_eq!(states(&rig), [SaState::Mature]);
    rig.pass(seconds(10));
    assert_eq!((states(&rig), expiries(&rig).len()), (vec![SaState::Dying], 2));
    // Without lifetimes it has none.
    rig.done(socket, &update);
    assert_eq!((states(&rig), rig.engine.next_timeout()), (vec![SaState::Mature], None));
}

#[test]
fn policies_end_after_their_time_and_when_they_are_not_used() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    let limit = |add_time, use_time| Extension::LifetimeHard(Lifetime { add_time, use_time, ..Lifetime::default() });
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0).with(limit(100, 0)));
    rig.done(racoon, &tunnel(Direction::Inbound, RIGHT, LEFT, Level::Require, 0).with(limit(0, 60)));
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, [10, 3, 0], Level::Require, 0).with(limit(0, 70)));
    rig.done(racoon, &keyed(MessageType::Add, LOCAL, PEER, 0x1234));
    rig.received.clear();
    let ids = |rig: &Rig| rig.engine.policies().map(|policy| policy.id).collect::<Vec<_>>();
    rig.pass(seconds(50));
    rig.inner(&ping(INNER, [10, 3, 0, 1].into()));
    rig.pass(seconds(10));
    assert_eq!(ids(&rig), [9, 25]);
    let (to, expire) = rig.received.pop().unwrap();
    assert_eq!((to, expire.header.kind, expire.policy().unwrap().id), (racoon, MessageType::SpdExpire, 16));
    rig.pass(seconds(40));
    assert_eq!(ids(&rig), [25]);
    rig.pass(seconds(19));
    assert_eq!(ids(&rig), [25]);
    rig.pass(seconds(1));
    assert_eq!((ids(&rig), rig.now), (vec![], Instant::from_start(seconds(120))));
    assert_eq!(rig.engine.next_timeout(), None);
}
