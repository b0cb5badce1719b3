//! What a negotiation and a packet cost: `cargo bench --bench crypto`.

use std::net::Ipv4Addr;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use ike_interop::crypto::{Cipher, Group, Hash, KeyPair, SaKeys, Secret};
use ike_interop::esp::{Mode, SaParameters, SecurityAssociation, Spi, Transform};
use ike_interop::time::Instant;
use ike_interop::wire::ipv4::{Ipv4Packet, protocol};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn main() {
    divan::main();
}

/// g^x: half of a side's work.
#[divan::bench(args = Group::ALL)]
fn key_pair(group: Group) -> KeyPair {
    KeyPair::generate(group, &mut StdRng::seed_from_u64(1))
}

/// g^xy: the other half.
#[divan::bench(args = Group::ALL)]
fn shared_secret(bencher: Bencher, group: Group) {
    let pair = |seed| KeyPair::generate(group, &mut StdRng::seed_from_u64(seed));
    let (ours, theirs) = (pair(1), pair(2));
    bencher.bench(|| ours.shared(black_box(theirs.public())));
}

const TRANSFORMS: &[Transform] = &[
    Transform::new(Cipher::Null, Some(Hash::Sha1)),
    Transform::new(Cipher::Des, Some(Hash::Md5)),
    Transform::new(Cipher::TripleDes, Some(Hash::Sha1)),
    Transform::new(Cipher::Aes128, None),
    Transform::new(Cipher::Aes128, Some(Hash::Md5)),
    Transform::new(Cipher::Aes128, Some(Hash::Sha1)),
    Transform::new(Cipher::Aes256, Some(Hash::Sha256)),
    Transform::new(Cipher::Aes256, Some(Hash::Sha512)),
    Transform::new(Cipher::Aes128Gcm, None),
    Transform::new(Cipher::Aes256Gcm, None),
];

/// Octets of the inner packet.
const LENGTH: usize = 1400;

fn sa(transform: Transform, replay_window: u32) -> SecurityAssociation {
    let keys = SaKeys {
        encryption: Secret::new((0..).take(transform.encryption_key_len()).collect()),
        integrity: Secret::new((0..).take(transform.integrity_key_len()).collect()),
    };
    let ends = (Ipv4Addr::new(192, 0, 2, 10), Ipv4Addr::new(198, 51, 100, 1));
    let parameters = SaParameters::new(Spi(0x1000), ends.0, ends.1, transform, keys);
    let parameters = SaParameters { mode: Mode::Tunnel, replay_window, ..parameters };
    SecurityAssociation::new(Instant::ZERO, parameters).expect("the keys have the lengths the transform asks for")
}

fn packet() -> Vec<u8> {
    let ends = (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1));
    Ipv4Packet::new(protocol::UDP, ends.0, ends.1, vec![0x5a; LENGTH - Ipv4Packet::HEADER_LEN]).to_bytes()
}

#[divan::bench(args = TRANSFORMS)]
fn encapsulate(bencher: Bencher, transform: &Transform) {
    let (mut sa, packet, mut rng) = (sa(*transform, 64), packet(), StdRng::seed_from_u64(1));
    bencher
        .counter(BytesCount::new(LENGTH))
        .bench_local(|| sa.encapsulate(Instant::ZERO, black_box(&packet), &mut rng));
}

/// Without a window, so that one packet can pass again and again.
#[divan::bench(args = TRANSFORMS)]
fn decapsulate(bencher: Bencher, transform: &Transform) {
    let mut sa = sa(*transform, 0);
    let esp = sa.encapsulate(Instant::ZERO, &packet(), &mut StdRng::seed_from_u64(1)).expect("the first packet passes");
    bencher.counter(BytesCount::new(LENGTH)).bench_local(|| sa.decapsulate(Instant::ZERO, black_box(&esp)));
}
