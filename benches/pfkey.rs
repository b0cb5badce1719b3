//! What the key engine costs: `cargo bench --bench pfkey`.
//!
//! `add_sas` and `delete_sas` give SAs a second; `outbound` and `inbound` the throughput of whole packets through policies and
//! SAs. `gateway_outbound` passes the same packets through the built-in gateway, and the `bare` ones through an SA of the data
//! path with nothing around it: the engine should be as fast.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use ike_interop::crypto::{Cipher, Group, Hash, SaKeys, Secret};
use ike_interop::esp::{SaParameters, Sad, SecurityAssociation, Spi, Transform};
use ike_interop::gateway::machine::{self, Gateway};
use ike_interop::gateway::settings::{self, NatTraversal, Phase1Suite};
use ike_interop::ike::{Addresses, EspSuite, Lifetimes, Selector, Selectors};
use ike_interop::pfkey::message::*;
use ike_interop::pfkey::{Input, KeyEngine, Output, Settings, SocketId};
use ike_interop::time::Instant;
use ike_interop::wire::ipv4::{Ipv4Packet, protocol};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn main() {
    divan::main();
}

const LOCAL: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PEER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const SOCKET: SocketId = SocketId(1);
/// SAs of one round.
const SAS: u32 = 10_000;
/// Octets of the inner packet.
const LENGTH: usize = 1400;

fn header(kind: MessageType, sa_type: SaType) -> Header {
    Header { kind, errno: 0, sa_type, sequence: 1, pid: 1 }
}

fn named(kind: MessageType, spi: u32) -> Message {
    let sa = Sa {
        spi: Spi(spi),
        replay: 0,
        state: SaState::Mature,
        auth: AuthAlgorithm::Sha1Hmac,
        encrypt: EncryptAlgorithm::AesCbc,
        flags: 0,
    };
    Message::new(header(kind, SaType::Esp))
        .with(Extension::Sa(sa))
        .with(Extension::Sa2(Sa2 { mode: IpsecMode::Tunnel, sequence: 0, reqid: 0 }))
        .with(Extension::Source(Address::host(LOCAL)))
        .with(Extension::Destination(Address::host(PEER)))
}

fn add(spi: u32) -> Vec<u8> {
    let hour = Lifetime { add_time: 3600, ..Lifetime::default() };
    named(MessageType::Add, spi)
        .with(Extension::KeyEncrypt(Key::new(Secret::new(vec![1; 16]))))
        .with(Extension::KeyAuth(Key::new(Secret::new(vec![2; 20]))))
        .with(Extension::LifetimeHard(hour))
        .with(Extension::LifetimeSoft(hour))
        .to_bytes()
}

fn policy(direction: Direction) -> Vec<u8> {
    let host = |address| SocketAddr::V4(SocketAddrV4::new(address, 0));
    let request = IpsecRequest {
        protocol: protocol::ESP.into(),
        mode: IpsecMode::Tunnel,
        level: Level::Require,
        reqid: 0,
        ends: Some((host(LOCAL), host(PEER))),
    };
    let policy = Policy { kind: PolicyType::Ipsec, direction, id: 0, priority: 1, requests: vec![request] };
    let net = |third| Address { protocol: 255, prefix_len: 24, address: host(Ipv4Addr::new(10, third, 0, 0)) };
    Message::new(header(MessageType::SpdAdd, SaType::Unspecified))
        .with(Extension::Policy(policy))
        .with(Extension::Source(net(1)))
        .with(Extension::Destination(net(2)))
        .to_bytes()
}

fn engine(local: Ipv4Addr) -> KeyEngine {
    let mut engine = KeyEngine::new(Settings::new(vec![local], 1));
    engine.handle(Instant::ZERO, Input::Opened(SOCKET));
    engine
}

fn say(engine: &mut KeyEngine, messages: &[Vec<u8>]) {
    for octets in messages {
        engine.handle(Instant::ZERO, Input::Message { socket: SOCKET, octets });
        while let Some(output) = engine.poll() {
            black_box(output);
        }
    }
}

fn packet() -> Vec<u8> {
    let ends = (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1));
    Ipv4Packet::new(protocol::UDP, ends.0, ends.1, vec![0x5a; LENGTH - Ipv4Packet::HEADER_LEN]).to_bytes()
}

/// An engine with one SA and its policies; the SA is outbound or inbound by what its own address is.
fn with_sa(local: Ipv4Addr) -> KeyEngine {
    let mut engine = engine(local);
    say(&mut engine, &[add(0x1000), policy(Direction::Outbound), policy(Direction::Inbound)]);
    engine
}

/// The same SA without an engine around it.
fn bare_sa() -> SecurityAssociation {
    let keys = SaKeys { encryption: Secret::new(vec![1; 16]), integrity: Secret::new(vec![2; 20]) };
    let transform = Transform::new(Cipher::Aes128, Some(Hash::Sha1));
    let parameters = SaParameters { replay_window: 0, ..SaParameters::new(Spi(0x1000), LOCAL, PEER, transform, keys) };
    SecurityAssociation::new(Instant::ZERO, parameters).expect("the keys have the lengths the transform asks for")
}

fn esp() -> Vec<u8> {
    bare_sa().encapsulate(Instant::ZERO, &packet(), &mut StdRng::seed_from_u64(1)).expect("the first packet passes")
}

/// SADB_ADD, answers included.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn add_sas(bencher: Bencher) {
    let messages: Vec<Vec<u8>> = (0..SAS).map(|spi| add(0x1000 + spi)).collect();
    bencher
        .counter(ItemsCount::new(SAS))
        .with_inputs(|| engine(LOCAL))
        .bench_local_refs(|engine| say(engine, black_box(&messages)));
}

/// SADB_DELETE, answers included.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn delete_sas(bencher: Bencher) {
    let adds: Vec<Vec<u8>> = (0..SAS).map(|spi| add(0x1000 + spi)).collect();
    let deletes: Vec<Vec<u8>> = (0..SAS).map(|spi| named(MessageType::Delete, 0x1000 + spi).to_bytes()).collect();
    let filled = || {
        let mut engine = engine(LOCAL);
        say(&mut engine, &adds);
        engine
    };
    bencher
        .counter(ItemsCount::new(SAS))
        .with_inputs(filled)
        .bench_local_refs(|engine| say(engine, black_box(&deletes)));
}

/// SADB_DUMP of all of them.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn dump_sas(bencher: Bencher) {
    let adds: Vec<Vec<u8>> = (0..SAS).map(|spi| add(0x1000 + spi)).collect();
    let mut engine = engine(LOCAL);
    say(&mut engine, &adds);
    let dump = [Message::new(header(MessageType::Dump, SaType::Esp)).to_bytes()];
    bencher.counter(ItemsCount::new(SAS)).bench_local(|| say(&mut engine, black_box(&dump)));
}

#[divan::bench]
fn outbound(bencher: Bencher) {
    let (mut engine, packet) = (with_sa(LOCAL), packet());
    assert!(matches!(pass(&mut engine, Input::Inner(&packet)), Some(Output::Esp { .. })));
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| pass(&mut engine, Input::Inner(black_box(&packet))));
}

/// A gateway between the same ends for the same packets and algorithms.
fn gateway(local: Ipv4Addr, remote: Ipv4Addr, nets: [u8; 2]) -> Gateway {
    let net = |third| {
        let (address, mask) = (Ipv4Addr::new(10, third, 0, 0), Ipv4Addr::new(255, 255, 255, 0));
        Selector { addresses: Addresses::Subnet { address, mask }, protocol: 0, port: 0 }
    };
    Gateway::new(settings::Settings {
        local,
        remote,
        pre_shared_key: Secret::from(&b"s3cret"[..]),
        phase1: vec![Phase1Suite { cipher: Cipher::Aes128, hash: Hash::Sha1, group: Group::Modp1024 }],
        phase1_seconds: 3600,
        phase2: vec![EspSuite { cipher: Cipher::Aes128, integrity: Some(Hash::Sha1) }],
        pfs: None,
        phase2_lifetimes: Lifetimes { seconds: Some(3600), kilobytes: None },
        traffic: vec![Selectors { local: net(nets[0]), remote: net(nets[1]) }],
        nat_traversal: NatTraversal::Off,
        retransmit_ms: vec![1000],
        seed: 1,
    })
}

/// The initiator of a pair of gateways that have an SA.
fn gateway_with_sa() -> Gateway {
    let mut sides = [gateway(LOCAL, PEER, [1, 2]), gateway(PEER, LOCAL, [2, 1])];
    sides[0].handle(Instant::ZERO, machine::Input::Initiate);
    let mut side = 0;
    for _ in 0..20 {
        while let Some(output) = sides[side].poll() {
            if let machine::Output::Datagram { local, remote, octets } = output {
                let received = machine::Input::Datagram { local: remote, remote: local, octets: &octets };
                sides[1 - side].handle(Instant::ZERO, received);
            }
        }
        side = 1 - side;
    }
    let [initiator, _] = sides;
    initiator
}

#[divan::bench]
fn gateway_outbound(bencher: Bencher) {
    let (mut gateway, packet) = (gateway_with_sa(), packet());
    while gateway.poll().is_some() {}
    let mut pass = |packet| {
        gateway.handle(Instant::ZERO, machine::Input::Inner(packet));
        gateway.poll()
    };
    assert!(matches!(pass(&packet), Some(machine::Output::Esp { .. })));
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| pass(black_box(&packet)));
}

#[divan::bench]
fn bare_outbound(bencher: Bencher) {
    let (mut sad, packet, mut rng) = (Sad::new(), packet(), StdRng::seed_from_u64(1));
    let id = sad.insert_outbound(bare_sa());
    bencher
        .counter(BytesCount::new(LENGTH))
        .bench_local(|| sad.encapsulate(Instant::ZERO, id, black_box(&packet), &mut rng));
}

/// Without a window, so that one packet can pass again and again.
#[divan::bench]
fn inbound(bencher: Bencher) {
    let (mut engine, esp) = (with_sa(PEER), esp());
    let input = Input::Esp { source: LOCAL, octets: &esp };
    assert!(matches!(pass(&mut engine, input), Some(Output::Inner(_))));
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| pass(&mut engine, black_box(input)));
}

#[divan::bench]
fn bare_inbound(bencher: Bencher) {
    let (mut sad, esp) = (Sad::new(), esp());
    sad.insert_inbound(bare_sa()).expect("the first SA has no other's SPI");
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| sad.decapsulate(Instant::ZERO, black_box(&esp)));
}

fn pass(engine: &mut KeyEngine, input: Input<'_>) -> Option<Output> {
    engine.handle(Instant::ZERO, input);
    engine.poll()
}
