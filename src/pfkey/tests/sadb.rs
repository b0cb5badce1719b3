//! The messages about SAs.

use super::rig::*;
use crate::pfkey::message::*;
use crate::pfkey::{KeyEvent, Output};
use crate::wire::Spi;

#[test]
fn racoon_makes_a_pair_as_responder() {
    let mut rig = Rig::new();
    let (racoon, setkey) = (rig.daemon(), rig.open());
    let larval = rig.done(racoon, &between(MessageType::GetSpi, PEER, LOCAL).with(sa2(IpsecMode::Tunnel, 0)));
    let spi = larval.sa().unwrap().spi;
    assert_eq!((larval.sa().unwrap().state, larval.header.sequence, larval.header.pid), (SaState::Larval, 7, 42));
    assert!(spi >= Spi(0x100));
    let heard = rig.say(racoon, &keyed(MessageType::Update, PEER, LOCAL, spi.0));
    assert_eq!(heard.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [racoon, setkey]);
    let told = &heard[0].1;
    assert_eq!(told.sa().unwrap().state, SaState::Mature);
    assert!(told.key_auth().is_none() && told.key_encrypt().is_none());
    rig.done(racoon, &keyed(MessageType::Add, LOCAL, PEER, 0x1234));
    assert_eq!(rig.outputs.iter().filter(|output| matches!(output, Output::Keys(_))).count(), 2);
    assert_eq!(rig.events.iter().filter(|event| matches!(event, KeyEvent::SaAdded(_))).count(), 2);
}

#[test]
fn unknown_and_double_sas_are_refused() {
    let mut rig = Rig::new();
    let socket = rig.open();
    let named = |kind| between(kind, LOCAL, PEER).with(sa(0x1234));
    for kind in [MessageType::Get, MessageType::Delete] {
        assert_eq!(rig.refused(socket, &named(kind)), Errno::NoSuchSa);
    }
    assert_eq!(rig.refused(socket, &keyed(MessageType::Update, LOCAL, PEER, 0x1234)), Errno::NoSuchSa);
    assert_eq!(rig.refused(socket, &message(MessageType::Dump)), Errno::NoEntry);
    let add = keyed(MessageType::Add, LOCAL, PEER, 0x1234);
    rig.done(socket, &add);
    assert_eq!(rig.refused(socket, &add), Errno::Exists);
    rig.done(socket, &instead(add, sa(0x1235)));
    let got = rig.done(socket, &named(MessageType::Get));
    assert_eq!(got.key_encrypt().unwrap().key.as_bytes(), [0x11; 16]);
    let dump = rig.say(socket, &message(MessageType::Dump));
    let shown = |(_, message): &(_, Message)| (message.header.sequence, message.sa().unwrap().spi.0);
    assert_eq!(dump.iter().map(shown).collect::<Vec<_>>(), [(1, 0x1234), (0, 0x1235)]);
    rig.done(socket, &named(MessageType::Delete));
    assert_eq!(rig.refused(socket, &named(MessageType::Get)), Errno::NoSuchSa);
    rig.done(socket, &message(MessageType::Flush));
    assert_eq!(rig.engine.associations().count(), 0);
}
