//! Whatever clients send and the network brings, the engine stands and stays consistent.

use std::time::Duration;

use proptest::prelude::*;

use super::rig::*;
use crate::pfkey::message::tests::any_message;
use crate::pfkey::message::*;
use crate::pfkey::{Input, Output, SocketId};

#[derive(Clone, Debug)]
enum Deed {
    Message(u64, Message),
    Octets(u64, Vec<u8>),
    Open(u64),
    Close(u64),
    Inner([u8; 4]),
    Esp(Vec<u8>),
    Pass(u64),
}

/// Messages that mostly make sense, about few SAs and policies, so that they meet.
fn sensible() -> impl Strategy<Value = Message> {
    let kinds = vec![
        MessageType::GetSpi,
        MessageType::Add,
        MessageType::Update,
        MessageType::Delete,
        MessageType::Get,
        MessageType::Dump,
        MessageType::Flush,
        MessageType::Register,
    ];
    let seconds = prop::option::of(1..50_u64);
    let sas = (prop::sample::select(kinds), 0x100..0x108_u32, 0..3_u32, any::<bool>(), seconds).prop_map(
        |(kind, spi, reqid, inbound, seconds)| {
            let (source, destination) = if inbound { (PEER, LOCAL) } else { (LOCAL, PEER) };
            let message = instead(keyed(kind, source, destination, spi), sa2(IpsecMode::Tunnel, reqid));
            let limit = |add_time| Extension::LifetimeHard(Lifetime { add_time, ..Lifetime::default() });
            seconds.map(limit).into_iter().fold(message, Message::with)
        },
    );
    let kinds = vec![
        MessageType::SpdAdd,
        MessageType::SpdUpdate,
        MessageType::SpdDelete,
        MessageType::SpdDump,
        MessageType::SpdGet,
        MessageType::SpdDelete2,
        MessageType::SpdFlush,
    ];
    let directions = vec![Direction::Inbound, Direction::Outbound, Direction::Forward];
    let policies =
        (prop::sample::select(kinds), prop::sample::select(directions), 0..3_u8, 0..4_u8, 0..3_u32, 0..40_u32)
            .prop_map(|(kind, direction, net, level, reqid, id)| {
                let mut message = tunnel(direction, [10, 1, 0], [10, 2, net], level.into(), reqid);
                message.header.kind = kind;
                let Extension::Policy(policy) = &mut message.extensions[0] else { unreachable!() };
                policy.id = id;
                message
            });
    prop_oneof![4 => sas, 3 => policies, 1 => any_message()]
}

fn deed() -> impl Strategy<Value = Deed> {
    let socket = 0..4_u64;
    prop_oneof![
        20 => (socket.clone(), sensible()).prop_map(|(socket, message)| Deed::Message(socket, message)),
        1 => (socket.clone(), prop::collection::vec(any::<u8>(), 0..200)).prop_map(|(socket, octets)| Deed::Octets(socket, octets)),
        2 => socket.clone().prop_map(Deed::Open),
        1 => socket.prop_map(Deed::Close),
        4 => any::<[u8; 4]>().prop_map(Deed::Inner),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Deed::Esp),
        3 => (0..40_u64).prop_map(Deed::Pass),
    ]
}

/// What an SA or policy is known by in a dump.
fn dumped(rig: &mut Rig, message: &Message) -> Vec<Message> {
    let mut heard: Vec<Message> = rig.say(SocketId(0), message).into_iter().map(|(_, message)| message).collect();
    assert_eq!(heard.last().map(|last| last.header.sequence), Some(0));
    heard.retain(|message| message.header.errno == 0);
    heard
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_stands(deeds in prop::collection::vec(deed(), 1..80)) {
        let mut rig = Rig::new();
        rig.feed(Input::Opened(SocketId(0)));
        for deed in deeds {
            match deed {
                Deed::Message(socket, message) => {
                    rig.received.clear();
                    rig.feed(Input::Message { socket: SocketId(socket), octets: &message.to_bytes() });
                }
                Deed::Octets(socket, octets) => rig.feed(Input::Message { socket: SocketId(socket), octets: &octets }),
                Deed::Open(socket) => rig.feed(Input::Opened(SocketId(socket))),
                Deed::Close(socket) if socket != 0 => rig.feed(Input::Closed(SocketId(socket))),
                Deed::Close(_) => {}
                Deed::Inner([a, b, c, d]) => {
                    rig.inner(&ping([10, 1, 0, a].into(), [10, 2 + b % 2, c % 4, d].into()));
                }
                Deed::Esp(octets) => rig.feed(Input::Esp { source: PEER, octets: &octets }),
                Deed::Pass(seconds) => rig.pass(Duration::from_secs(seconds)),
            }
            prop_assert!(rig.engine.next_timeout().is_none_or(|at| at > rig.now), "a timeout that has passed");
        }
        // A promiscuous socket would hear its own question.
        rig.feed(Input::Closed(SocketId(0)));
        rig.feed(Input::Opened(SocketId(0)));
        let spis: Vec<_> = rig.engine.associations().map(|sa| (sa.spi, sa.destination)).collect();
        let shown = dumped(&mut rig, &message(MessageType::Dump));
        let seen = |message: &Message| Some((message.sa()?.spi, message.destination()?.ipv4()?));
        prop_assert_eq!(shown.iter().filter_map(seen).collect::<Vec<_>>(), spis);
        let policies: Vec<_> = rig.engine.policies().map(|policy| policy.id).collect();
        let shown = dumped(&mut rig, &spd(MessageType::SpdDump));
        prop_assert_eq!(shown.iter().filter_map(|message| Some(message.policy()?.id)).collect::<Vec<_>>(), policies);
        prop_assert!(!rig.outputs.iter().any(|output| matches!(output, Output::Inner(_))), "chance opened a packet");
    }
}
