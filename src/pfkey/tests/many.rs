//! Many SAs, and dumps while they change.

use std::time::Duration;

use super::rig::*;
use crate::pfkey::message::*;
use crate::pfkey::{Input, Output};

const COUNT: u32 = 10_000;

fn spis(heard: &[(crate::pfkey::SocketId, Message)]) -> Vec<u32> {
    heard.iter().map(|(_, message)| message.sa().unwrap().spi.0).collect()
}

#[test]
fn ten_thousand_sas() {
    let mut rig = Rig::new();
    let socket = rig.daemon();
    let hard = |add_time| Extension::LifetimeHard(Lifetime { add_time, ..Lifetime::default() });
    for spi in 0..COUNT {
        let (source, destination) = if spi % 2 == 0 { (LOCAL, PEER) } else { (PEER, LOCAL) };
        rig.done(socket, &keyed(MessageType::Add, source, destination, 0x1000 + spi).with(hard(u64::from(spi) + 1)));
    }
    let dump = rig.say(socket, &message(MessageType::Dump));
    assert_eq!(spis(&dump), (0x1000..0x1000 + COUNT).collect::<Vec<_>>());
    assert_eq!((dump[0].1.header.sequence, dump[9_999].1.header.sequence), (1, 0));
    rig.pass(Duration::from_secs(u64::from(COUNT) / 2));
    assert_eq!(rig.engine.associations().count(), COUNT as usize / 2);
    rig.done(socket, &between(MessageType::Delete, LOCAL, PEER).with(sa(0x1000 + COUNT - 2)));
    assert_eq!(rig.say(socket, &message(MessageType::Dump)).len(), COUNT as usize / 2 - 1);
    rig.done(socket, &message(MessageType::Flush));
    assert_eq!((rig.engine.associations().count(), rig.engine.next_timeout()), (0, None));
}

/// A dump shows what there was when it was asked for, whatever happens while it is read.
#[test]
fn a_dump_under_change_is_whole() {
    let mut rig = Rig::new();
    let (reader, writer) = (rig.open(), rig.open());
    for spi in 0x1000..0x1064 {
        rig.done(writer, &keyed(MessageType::Add, LOCAL, PEER, spi));
    }
    let now = rig.now;
    let dump = message(MessageType::Dump).to_bytes();
    rig.engine.handle(now, Input::Message { socket: reader, octets: &dump });
    let mut shown = Vec::new();
    let mut take = |output: Output| {
        if let Output::Message { socket, octets } = output {
            let message = Message::parse(&octets).unwrap();
            if socket == reader && message.header.kind == MessageType::Dump {
                shown.push(message);
            }
        }
    };
    for spi in 0x1000..0x1064 {
        take(rig.engine.poll().unwrap());
        let delete = between(MessageType::Delete, LOCAL, PEER).with(sa(spi)).to_bytes();
        rig.engine.handle(now, Input::Message { socket: writer, octets: &delete });
        let add = keyed(MessageType::Add, LOCAL, PEER, spi + 0x1000).to_bytes();
        rig.engine.handle(now, Input::Message { socket: writer, octets: &add });
    }
    while let Some(output) = rig.engine.poll() {
        take(output);
    }
    let seen: Vec<u32> = shown.iter().map(|message| message.sa().unwrap().spi.0).collect();
    assert_eq!(seen, (0x1000..0x1064).collect::<Vec<_>>());
    let numbers: Vec<u32> = shown.iter().map(|message| message.header.sequence).collect();
    assert_eq!(numbers, (1..100).chain([0]).collect::<Vec<_>>());
    assert_eq!(spis(&rig.say(reader, &message(MessageType::Dump))), (0x2000..0x2064).collect::<Vec<_>>());
}
