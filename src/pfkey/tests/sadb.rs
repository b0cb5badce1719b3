//! The messages about SAs.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

use super::rig::*;
use crate::crypto::Secret;
use crate::pfkey::message::*;
use crate::pfkey::{Input, KeyEvent, Output, SocketId};
use crate::wire::Spi;

fn receivers(heard: &[(SocketId, Message)]) -> Vec<SocketId> {
    heard.iter().map(|(to, _)| *to).collect()
}

#[test]
fn racoon_makes_a_pair_as_responder() {
    let mut rig = Rig::new();
    let (racoon, setkey) = (rig.daemon(), rig.open());
    let heard = rig.say(racoon, &between(MessageType::GetSpi, PEER, LOCAL).with(sa2(IpsecMode::Tunnel, 0)));
    assert_eq!(receivers(&heard), [racoon]);
    let larval = &heard[0].1;
    let spi = larval.sa().unwrap().spi;
    assert_eq!((larval.sa().unwrap().state, larval.header.sequence, larval.header.pid), (SaState::Larval, 7, 42));
    assert!(spi >= Spi(0x100));
    assert_eq!(rig.refused(racoon, &keyed(MessageType::Add, PEER, LOCAL, spi.0)), Errno::Exists);
    let heard = rig.say(racoon, &keyed(MessageType::Update, PEER, LOCAL, spi.0));
    assert_eq!(receivers(&heard), [racoon, setkey]);
    let told = &heard[0].1;
    assert_eq!(told.sa().unwrap().state, SaState::Mature);
    assert!(told.key_auth().is_none() && told.key_encrypt().is_none());
    rig.done(racoon, &keyed(MessageType::Add, LOCAL, PEER, 0x1234));
    assert_eq!(rig.outputs.iter().filter(|output| matches!(output, Output::Keys(_))).count(), 2);
    assert_eq!(rig.events.iter().filter(|event| matches!(event, KeyEvent::SaAdded(_))).count(), 2);
}

#[test]
fn openiked_starts() {
    let mut rig = Rig::new();
    let iked = rig.open();
    let mut flush = message(MessageType::Flush);
    flush.header.sa_type = SaType::Unspecified;
    rig.done(iked, &flush);
    for sa_type in [SaType::Esp, SaType::Ah] {
        let mut register = message(MessageType::Register);
        register.header.sa_type = sa_type;
        let answer = rig.done(iked, &register);
        let Extension::SupportedEncrypt(ciphers) = &answer.extensions[1] else { panic!() };
        let aes = ciphers.iter().find(|cipher| cipher.id == u8::from(EncryptAlgorithm::AesCbc)).unwrap();
        assert_eq!((aes.min_bits, aes.max_bits), (128, 256));
        assert_eq!(rig.refused(iked, &register), Errno::Exists);
    }
    // It reserves without saying the mode, and says it with the keys: GCM's salt behind the key, and no integrity.
    let range = Extension::SpiRange(SpiRange { min: 0x100, max: 0xffff_ffff });
    let larval = rig.done(iked, &between(MessageType::GetSpi, PEER, LOCAL).with(range));
    let spi = larval.sa().unwrap().spi;
    let gcm = Sa {
        spi,
        replay: 64,
        state: SaState::Mature,
        auth: AuthAlgorithm::None,
        encrypt: EncryptAlgorithm::AesGcm16,
        flags: 0,
    };
    let update = between(MessageType::Update, PEER, LOCAL)
        .with(Extension::Sa(gcm))
        .with(sa2(IpsecMode::Tunnel, 0))
        .with(Extension::KeyEncrypt(Key::new(Secret::new(vec![1; 36]))));
    let told = rig.done(iked, &update);
    assert_eq!((told.sa().unwrap().replay, told.sa2().unwrap().mode), (32, IpsecMode::Tunnel));
    assert_eq!(rig.engine.associations().count(), 1);
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
    let mut flush = message(MessageType::Flush);
    flush.header.sa_type = SaType::Ah;
    rig.done(socket, &flush);
    assert_eq!(rig.engine.associations().count(), 1);
    rig.done(socket, &message(MessageType::Flush));
    assert_eq!(rig.engine.associations().count(), 0);
}

#[test]
fn what_no_sa_can_be_made_of_is_refused() {
    let mut rig = Rig::new();
    let socket = rig.open();
    let add = keyed(MessageType::Add, LOCAL, PEER, 0x1234);
    let Some(Extension::Sa(good)) = add.extensions.iter().find(|other| matches!(other, Extension::Sa(_))) else {
        panic!()
    };
    let with_sa = |change: &dyn Fn(&mut Sa)| {
        let mut sa = *good;
        change(&mut sa);
        instead(add.clone(), Extension::Sa(sa))
    };
    let key = |octets: usize| Key::new(Secret::new(vec![1; octets]));
    let typed = |sa_type| Message { header: Header { sa_type, ..add.header }, ..add.clone() };
    let without = |kind| {
        let mut message = add.clone();
        message.extensions.retain(|other| other.kind() != kind);
        message
    };
    let v6 = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 0, 0, 0));
    let v6 = Extension::Destination(Address { protocol: 0, prefix_len: 128, address: v6 });
    let cases = [
        (with_sa(&|sa| sa.encrypt = EncryptAlgorithm::BlowfishCbc), Errno::NotImplemented),
        (with_sa(&|sa| sa.auth = AuthAlgorithm::AesXcbcMac), Errno::NotImplemented),
        (with_sa(&|sa| sa.encrypt = EncryptAlgorithm::None), Errno::Invalid),
        (with_sa(&|sa| sa.encrypt = EncryptAlgorithm::AesGcm16), Errno::Invalid),
        (with_sa(&|sa| sa.spi = Spi(0xff)), Errno::Invalid),
        (instead(add.clone(), Extension::KeyEncrypt(key(15))), Errno::Invalid),
        (instead(add.clone(), Extension::KeyAuth(key(16))), Errno::Invalid),
        (instead(add.clone(), sa2(IpsecMode::Beet, 0)), Errno::Invalid),
        (add.clone().with(Extension::NatTType(1)), Errno::Invalid),
        (instead(add.clone(), v6), Errno::FamilyNotSupported),
        (typed(SaType::Ah), Errno::ProtocolNotSupported),
        (typed(SaType::IpComp), Errno::ProtocolNotSupported),
        (typed(SaType::Unspecified), Errno::Invalid),
        (typed(SaType::Unknown(77)), Errno::Invalid),
        (without(ExtensionType::Sa), Errno::Invalid),
        (without(ExtensionType::AddressSource), Errno::Invalid),
        (without(ExtensionType::AddressDestination), Errno::Invalid),
        (without(ExtensionType::KeyEncrypt), Errno::Invalid),
        (without(ExtensionType::KeyAuth), Errno::Invalid),
        (message(MessageType::Migrate), Errno::NotSupported),
        (message(MessageType::Expire), Errno::NotSupported),
        (message(MessageType::Unknown(99)), Errno::Invalid),
    ];
    for (case, errno) in cases {
        assert_eq!(rig.refused(socket, &case), errno, "{case:?}");
    }
    assert_eq!(rig.engine.associations().count(), 0);
    rig.done(socket, &add);
}

#[test]
fn spis_come_from_the_range() {
    let mut rig = Rig::new();
    let socket = rig.open();
    let range = |min, max| between(MessageType::GetSpi, PEER, LOCAL).with(Extension::SpiRange(SpiRange { min, max }));
    let mut spis: Vec<u32> = (0..4).map(|_| rig.done(socket, &range(0x200, 0x203)).sa().unwrap().spi.0).collect();
    spis.sort_unstable();
    assert_eq!(spis, [0x200, 0x201, 0x202, 0x203]);
    assert_eq!(rig.refused(socket, &range(0x200, 0x203)), Errno::NoEntry);
    assert_eq!(rig.refused(socket, &range(0x204, 0x203)), Errno::Invalid);
    assert_eq!(rig.refused(socket, &range(0xff, 0x203)), Errno::Invalid);
    let largest = rig.done(socket, &range(u32::MAX, u32::MAX)).sa().unwrap().spi;
    assert_eq!(largest, Spi(u32::MAX));
}

#[test]
fn malformed_messages_are_answered_where_that_is_possible() {
    let mut rig = Rig::new();
    let (socket, other) = (rig.open(), rig.open());
    let mut long = message(MessageType::Dump).to_bytes();
    long.extend([0; 8]);
    rig.feed(Input::Message { socket, octets: &long });
    let (to, answer) = rig.received.pop().unwrap();
    assert_eq!((to, answer.header.kind), (socket, MessageType::Dump));
    assert_eq!(Errno::from(answer.header.errno), Errno::MessageSize);
    rig.feed(Input::Message { socket, octets: &long[..15] });
    rig.feed(Input::Message { socket: SocketId(99), octets: &long });
    rig.feed(Input::Closed(other));
    rig.feed(Input::Message { socket: other, octets: &long });
    assert!(rig.received.is_empty());
    assert_eq!(rig.events.iter().filter(|event| matches!(event, KeyEvent::Refused { .. })).count(), 2);
}

#[test]
fn a_promiscuous_socket_hears_all() {
    let mut rig = Rig::new();
    let (listener, socket) = (rig.open(), rig.open());
    let promisc = |sa_type: u8| {
        let mut message = message(MessageType::Promisc);
        message.header.sa_type = sa_type.into();
        message
    };
    rig.done(listener, &promisc(1));
    let get = between(MessageType::Get, LOCAL, PEER).with(sa(0x1234));
    let heard = rig.say(socket, &get);
    assert_eq!(receivers(&heard), [listener, listener, socket]);
    assert_eq!(heard[0].1, get);
    rig.done(listener, &promisc(0));
    assert_eq!(receivers(&rig.say(socket, &get)), [socket]);
    assert_eq!(rig.refused(listener, &promisc(2)), Errno::Invalid);
}

#[test]
fn the_same_seed_gives_the_same_spis() {
    let spi = |rig: &mut Rig| {
        let socket = rig.open();
        rig.done(socket, &between(MessageType::GetSpi, PEER, LOCAL)).sa().unwrap().spi
    };
    let (mut one, mut two) = (Rig::new(), Rig::new());
    assert_eq!((spi(&mut one), spi(&mut one)), (spi(&mut two), spi(&mut two)));
}
