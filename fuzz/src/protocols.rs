//! ESP, PF_KEY and VICI.

use std::net::Ipv4Addr;

use ike_interop::crypto::{Cipher, Hash, SaKeys, Secret};
use ike_interop::esp::{EspError, Mode, SaParameters, Sad, SecurityAssociation, Transform};
use ike_interop::implementations::strongswan::vici;
use ike_interop::pfkey::message::{Header, Message, MessageType};
use ike_interop::pfkey::{Input, KeyEngine, Output, Settings, SocketId};
use ike_interop::time::Instant;
use ike_interop::wire::Spi;
use ike_interop::wire::natt::{self, Port4500};
use rand::SeedableRng;
use rand::rngs::StdRng;

const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// A datagram on port 4500, as which it is told apart, and ESP: opened as it came, and opened after it was sealed.
pub fn esp(octets: &[u8]) {
    match natt::classify(octets) {
        Port4500::Ike(ike) => assert_eq!(natt::with_marker(ike), octets),
        Port4500::Keepalive => assert_eq!(octets, natt::KEEPALIVE),
        Port4500::Esp(esp) => assert_eq!(esp, octets),
        Port4500::Malformed(short) => assert!(short.len() < 4),
    }
    // Without an ICV what is inside is looked at whatever the octets are.
    let transforms = [
        Transform::new(Cipher::Null, None),
        Transform::new(Cipher::Aes128, None),
        Transform::new(Cipher::Aes128, Some(Hash::Sha1)),
        Transform::new(Cipher::Aes256Gcm, None),
    ];
    for transform in transforms {
        open(transform, octets);
    }
}

fn open(transform: Transform, octets: &[u8]) {
    let spi = Spi(0x1234_5678);
    let sa = |mode| {
        let keys = SaKeys {
            encryption: Secret::new(vec![0x11; transform.encryption_key_len()]),
            integrity: Secret::new(vec![0x22; transform.integrity_key_len()]),
        };
        let parameters = SaParameters { mode, ..SaParameters::new(spi, PEER, LOCAL, transform, keys) };
        SecurityAssociation::new(Instant::ZERO, parameters).expect("the keys fit the transform")
    };
    let mut sad = Sad::new();
    sad.insert_inbound(sa(Mode::Tunnel)).expect("the SPI is free");
    let _ = sad.decapsulate(Instant::ZERO, octets);
    let _ = sad.decapsulate(Instant::ZERO, &[&spi.to_bytes(), octets].concat());
    let mut rng = StdRng::seed_from_u64(1);
    let Ok(sealed) = sa(Mode::Transport).seal(Instant::ZERO, octets, 17, &mut rng) else { return };
    assert_eq!(sealed.len(), transform.esp_len(octets.len()));
    let mut receiver = sa(Mode::Transport);
    let opened = receiver.decapsulate(Instant::ZERO, &sealed).expect("it was sealed with the same keys");
    assert_eq!((&*opened.payload, opened.next_header), (octets, 17));
    if transform.authenticates() {
        let again = receiver.decapsulate(Instant::ZERO, &sealed);
        assert!(matches!(again, Err(EspError::Replay { .. })), "{again:?}");
    }
}

/// Messages that a client writes into a PF_KEY socket, one behind the other; then all of it as a packet and as ESP.
pub fn pfkey(octets: &[u8]) {
    let mut engine = KeyEngine::new(Settings::new(vec![LOCAL], 1));
    let socket = SocketId(1);
    let mut now = Instant::ZERO;
    for id in [socket, SocketId(2)] {
        engine.handle(now, Input::Opened(id));
    }
    let mut rest = octets;
    while !rest.is_empty() {
        let units = rest.get(4..6).map_or(0, |length| usize::from(u16::from_ne_bytes([length[0], length[1]])));
        let length = if units == 0 { rest.len() } else { (units * 8).min(rest.len()) };
        let message;
        (message, rest) = rest.split_at(length);
        put_message(&mut engine, now, socket, message);
    }
    let inner = Input::Inner(octets);
    let esp = Input::Esp { source: PEER, octets };
    let remote = std::net::SocketAddrV4::new(PEER, 4500);
    let in_udp = Input::EspInUdp { local: std::net::SocketAddrV4::new(LOCAL, 4500), remote, octets };
    for input in [inner, esp, in_udp] {
        engine.handle(now, input);
        while engine.poll().is_some() {}
    }
    for _ in 0..64 {
        let Some(wake) = engine.next_timeout() else { break };
        now = now.max(wake);
        engine.handle(now, Input::Timeout);
        while engine.poll().is_some() {}
        assert!(engine.next_timeout().is_none_or(|next| next > now), "a timer that has fired stays due");
    }
}

fn put_message(engine: &mut KeyEngine, now: Instant, socket: SocketId, octets: &[u8]) {
    let parsed = Message::parse(octets);
    if let Ok(message) = &parsed {
        let emitted = message.to_bytes();
        assert_eq!(emitted.len(), octets.len());
        assert_eq!(Message::parse(&emitted).as_ref(), Ok(message));
    }
    let held = engine.associations().count() + engine.policies().count();
    engine.handle(now, Input::Message { socket, octets });
    let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll()).collect();
    // A dump, heard by two sockets.
    assert!(outputs.len() <= 16 + 4 * held, "{} outputs with {held} SAs and policies", outputs.len());
    let answered = outputs.iter().any(|output| matches!(output, Output::Message { socket: to, .. } if *to == socket));
    let header = match &parsed {
        Ok(message) => Some(message.header),
        Err(error) => error.header,
    };
    // Nobody answers a daemon that says what became of an acquire.
    let silent = header.is_none_or(|Header { kind, .. }| kind == MessageType::Acquire);
    assert!(answered || silent, "{parsed:?} was not answered");
}

/// A VICI message: what is read is written so that it reads the same.
pub fn vici(octets: &[u8]) {
    let Ok(message) = vici::Message::decode(octets) else { return };
    let mut emitted = Vec::new();
    // Names that were no UTF-8 were replaced and may have grown too long.
    if message.encode(&mut emitted).is_ok() {
        assert_eq!(vici::Message::decode(&emitted), Ok(message));
    }
}
