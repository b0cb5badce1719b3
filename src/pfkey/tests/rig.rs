//! An engine with clients, under a virtual clock.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use crate::crypto::Secret;
use crate::pfkey::message::*;
use crate::pfkey::{Input, KeyEngine, KeyEvent, Output, Settings, SocketId};
use crate::time::Instant;
use crate::wire::Spi;
use crate::wire::ipv4::{Ipv4Packet, protocol};

pub const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
pub const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
pub const INNER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
pub const FAR: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);

/// The engine and what came out of it.
pub struct Rig {
    pub engine: KeyEngine,
    pub now: Instant,
    sockets: u64,
    pub received: Vec<(SocketId, Message)>,
    pub events: Vec<KeyEvent>,
    /// Everything else.
    pub outputs: Vec<Output>,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(Settings { wall_start: Duration::from_secs(1_000_000), ..Settings::new(vec![LOCAL], 1) })
    }

    pub fn with(settings: Settings) -> Self {
        Self {
            engine: KeyEngine::new(settings),
            now: Instant::ZERO,
            sockets: 0,
            received: Vec::new(),
            events: Vec::new(),
            outputs: Vec::new(),
        }
    }

    pub fn feed(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Message { socket, octets } => {
                    self.received.push((socket, Message::parse(&octets).unwrap()));
                }
                Output::Event(event) => self.events.push(event),
                other => self.outputs.push(other),
            }
        }
    }

    pub fn open(&mut self) -> SocketId {
        self.sockets += 1;
        self.feed(Input::Opened(SocketId(self.sockets)));
        SocketId(self.sockets)
    }

    /// A socket that is registered for ESP.
    pub fn daemon(&mut self) -> SocketId {
        let socket = self.open();
        self.ask(socket, &message(MessageType::Register));
        socket
    }

    /// Sends a message and gives back what everybody received.
    pub fn say(&mut self, socket: SocketId, message: &Message) -> Vec<(SocketId, Message)> {
        self.received.clear();
        self.feed(Input::Message { socket, octets: &message.to_bytes() });
        std::mem::take(&mut self.received)
    }

    /// Sends a message and gives back the one that the sender received.
    pub fn ask(&mut self, socket: SocketId, message: &Message) -> Message {
        let mut answers: Vec<_> = self.say(socket, message).into_iter().filter(|(to, _)| *to == socket).collect();
        assert_eq!(answers.len(), 1, "one answer to {message:?}, found {answers:?}");
        answers.remove(0).1
    }

    /// Sends a message that is not refused.
    pub fn done(&mut self, socket: SocketId, message: &Message) -> Message {
        let answer = self.ask(socket, message);
        assert_eq!(answer.header.errno, 0, "{:?}", self.events.last());
        answer
    }

    /// The error number that a message is refused with.
    pub fn refused(&mut self, socket: SocketId, message: &Message) -> Errno {
        let answer = self.ask(socket, message);
        assert!(answer.extensions.is_empty());
        Errno::from(answer.header.errno)
    }

    pub fn inner(&mut self, packet: &Ipv4Packet) {
        self.feed(Input::Inner(&packet.to_bytes()));
    }

    /// Lets time pass, stopping at every timeout on the way.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wake) = self.engine.next_timeout().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.feed(Input::Timeout);
        }
        self.now = end;
        self.feed(Input::Timeout);
    }

    /// What was sent as ESP since the last call.
    pub fn sent(&mut self) -> Vec<Output> {
        let sent = |output: &Output| matches!(output, Output::Esp { .. } | Output::EspInUdp { .. });
        let (sent, rest) = std::mem::take(&mut self.outputs).into_iter().partition(sent);
        self.outputs = rest;
        sent
    }
}

/// A message of the ESP type.
pub fn message(kind: MessageType) -> Message {
    Message::new(Header { kind, errno: 0, sa_type: SaType::Esp, sequence: 7, pid: 42 })
}

/// A message about policies.
pub fn spd(kind: MessageType) -> Message {
    let mut message = message(kind);
    message.header.sa_type = SaType::Unspecified;
    message
}

/// A message about the SAs between two hosts.
pub fn between(kind: MessageType, source: Ipv4Addr, destination: Ipv4Addr) -> Message {
    message(kind)
        .with(Extension::Source(Address { protocol: 255, ..Address::host(source) }))
        .with(Extension::Destination(Address { protocol: 255, ..Address::host(destination) }))
}

pub fn sa(spi: u32) -> Extension {
    Extension::Sa(Sa {
        spi: Spi(spi),
        replay: 4,
        state: SaState::Larval,
        auth: AuthAlgorithm::Sha1Hmac,
        encrypt: EncryptAlgorithm::AesCbc,
        flags: 0,
    })
}

pub fn sa2(mode: IpsecMode, reqid: u32) -> Extension {
    Extension::Sa2(Sa2 { mode, sequence: 0, reqid })
}

/// AES-128 and SHA-1 in tunnel mode, as racoon adds it.
pub fn keyed(kind: MessageType, source: Ipv4Addr, destination: Ipv4Addr, spi: u32) -> Message {
    between(kind, source, destination)
        .with(sa(spi))
        .with(sa2(IpsecMode::Tunnel, 0))
        .with(Extension::KeyEncrypt(Key::new(Secret::new(vec![0x11; 16]))))
        .with(Extension::KeyAuth(Key::new(Secret::new(vec![0x22; 20]))))
}

/// The same message with one extension in place of the one of its type.
pub fn instead(mut message: Message, extension: Extension) -> Message {
    message.extensions.retain(|other| other.kind() != extension.kind());
    message.with(extension)
}

fn host(address: Ipv4Addr) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(address, 0))
}

/// A policy that takes packets of a /24 to another through the tunnel, as setkey adds it.
pub fn tunnel(direction: Direction, source: [u8; 3], destination: [u8; 3], level: Level, reqid: u32) -> Message {
    let ends = match direction {
        Direction::Outbound => (host(LOCAL), host(PEER)),
        _ => (host(PEER), host(LOCAL)),
    };
    let request = IpsecRequest { protocol: 50, mode: IpsecMode::Tunnel, level, reqid, ends: Some(ends) };
    policy(direction, source, destination, PolicyType::Ipsec, vec![request])
}

pub fn policy(
    direction: Direction,
    source: [u8; 3],
    destination: [u8; 3],
    kind: PolicyType,
    requests: Vec<IpsecRequest>,
) -> Message {
    let subnet =
        |[a, b, c]: [u8; 3]| Address { protocol: 255, prefix_len: 24, address: host(Ipv4Addr::new(a, b, c, 0)) };
    spd(MessageType::SpdAdd)
        .with(Extension::Policy(Policy { kind, direction, id: 0, priority: 0x8000_0000, requests }))
        .with(Extension::Source(subnet(source)))
        .with(Extension::Destination(subnet(destination)))
}

/// A ping of 84 octets.
pub fn ping(source: Ipv4Addr, destination: Ipv4Addr) -> Ipv4Packet {
    Ipv4Packet::new(protocol::ICMP, source, destination, vec![8; 64])
}
