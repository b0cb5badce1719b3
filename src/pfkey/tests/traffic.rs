//! Packets through policies and SAs.

use std::time::Duration;

use super::rig::*;
use crate::pfkey::message::*;
use crate::pfkey::{DropReason, Input, KeyEvent, Output};

const LEFT: [u8; 3] = [10, 1, 0];
const RIGHT: [u8; 3] = [10, 2, 0];

#[test]
fn a_packet_asks_for_its_sa_and_waits() {
    let mut rig = Rig::new();
    let racoon = rig.daemon();
    rig.done(racoon, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
    rig.inner(&ping(INNER, FAR));
    let (to, acquire) = rig.received.pop().unwrap();
    assert_eq!((to, acquire.header.kind, acquire.header.pid), (racoon, MessageType::Acquire, 0));
    assert_eq!(acquire.destination().unwrap().ipv4(), Some(PEER));
    assert_eq!(acquire.policy().unwrap().id, 9);
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
fn what_one_engine_sends_another_opens() {
    let (mut ours, mut theirs) = (Rig::new(), Rig::with(crate::pfkey::Settings::new(vec![PEER], 2)));
    for rig in [&mut ours, &mut theirs] {
        let socket = rig.open();
        rig.done(socket, &keyed(MessageType::Add, LOCAL, PEER, 0x1234));
        rig.done(socket, &tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0));
        let mut inbound = tunnel(Direction::Outbound, LEFT, RIGHT, Level::Require, 0);
        let Extension::Policy(policy) = &mut inbound.extensions[0] else { panic!() };
        policy.direction = Direction::Inbound;
        rig.done(socket, &inbound);
        rig.outputs.clear();
    }
    ours.inner(&ping(INNER, FAR));
    let Some(Output::Esp { octets, .. }) = ours.sent().pop() else { panic!() };
    theirs.feed(Input::Esp { source: LOCAL, octets: &octets });
    assert_eq!(theirs.outputs, [Output::Inner(ping(INNER, FAR).to_bytes())]);
    theirs.feed(Input::Esp { source: LOCAL, octets: &octets });
    let dropped = theirs.events.last().unwrap();
    assert!(matches!(dropped, KeyEvent::Dropped(DropReason::Inbound { .. })), "{dropped}");
}
