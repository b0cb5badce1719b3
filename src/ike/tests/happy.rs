//! What must work.

use rstest::rstest;

use crate::crypto::{Cipher, Group, Hash};
use crate::ike::event::{EventKind, Phase1State, QuickState};
use crate::ike::rig::{Pair, policy};
use crate::ike::{EspSuite, RequestId};
use crate::wire::isakmp::PayloadType as P;

fn phase1(pair: &mut Pair, cipher: Cipher, hash: Hash, group: Group) {
    for side in [&mut pair.a, &mut pair.b] {
        side.owner.policies = vec![policy(cipher, hash, group)];
    }
}

#[test]
fn nine_messages_make_a_pair() {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.assert_pairs(1);
    assert_eq!(pair.wire.len(), 9);
    let expected: [&[P]; 9] = [
        &[P::Sa, P::VendorId, P::VendorId, P::VendorId],
        &[P::Sa, P::VendorId, P::VendorId],
        &[P::KeyExchange, P::Nonce, P::NatDiscovery, P::NatDiscovery],
        &[P::KeyExchange, P::Nonce, P::NatDiscovery, P::NatDiscovery],
        &[P::Id, P::Hash, P::Notify],
        &[P::Id, P::Hash],
        &[P::Hash, P::Sa, P::Nonce, P::Id, P::Id],
        &[P::Hash, P::Sa, P::Nonce, P::Id, P::Id],
        &[P::Hash],
    ];
    for (index, expected) in expected.iter().enumerate() {
        assert_eq!(pair.payloads(index), *expected, "message {}", index + 1);
    }
    for side in [&pair.a, &pair.b] {
        assert!(side.saw(|event| matches!(event, EventKind::StateChanged { to: Phase1State::Complete, .. })));
        assert!(side.saw(|event| matches!(event, EventKind::QuickStateChanged { to: QuickState::Complete, .. })));
    }
}

#[rstest]
fn every_phase1_cipher_and_hash(
    #[values(Cipher::Des, Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256)] cipher: Cipher,
    #[values(Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512)] hash: Hash,
) {
    let mut pair = Pair::new(2);
    phase1(&mut pair, cipher, hash, Group::Modp768);
    pair.connect();
    pair.assert_pairs(1);
    assert_eq!(pair.payloads(6), [P::Hash, P::Sa, P::Nonce, P::Id, P::Id]);
}

#[rstest]
fn every_group_in_both_phases(
    #[values(Group::Modp768, Group::Modp1024, Group::Modp1536, Group::Modp2048, Group::Modp3072, Group::Modp4096)]
    group: Group,
) {
    let mut pair = Pair::new(3);
    phase1(&mut pair, Cipher::Aes128, Hash::Sha1, group);
    pair.b.owner.entries[0].pfs = Some(group);
    let mut request = pair.request();
    request.pfs = Some(group);
    pair.ask(request);
    pair.run(std::time::Duration::from_secs(2));
    pair.assert_pairs(1);
    assert_eq!(pair.a.pairs.values().next().unwrap().0.pfs, Some(group));
    assert_eq!(pair.payloads(6), [P::Hash, P::Sa, P::Nonce, P::KeyExchange, P::Id, P::Id]);
    assert_eq!(pair.payloads(7), [P::Hash, P::Sa, P::Nonce, P::KeyExchange, P::Id, P::Id]);
}

#[rstest]
fn every_esp_suite(
    #[values(
        Cipher::Des,
        Cipher::TripleDes,
        Cipher::Aes128,
        Cipher::Aes192,
        Cipher::Aes256,
        Cipher::Aes128Gcm,
        Cipher::Aes256Gcm,
        Cipher::Null
    )]
    cipher: Cipher,
    #[values(Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512)] hash: Hash,
) {
    let suite = EspSuite { cipher, integrity: (!cipher.is_aead()).then_some(hash) };
    let mut pair = Pair::new(4);
    pair.b.owner.entries[0].suites = vec![suite];
    let mut request = pair.request();
    request.suites = vec![suite];
    pair.ask(request);
    pair.run(std::time::Duration::from_secs(2));
    pair.assert_pairs(1);
    assert_eq!(pair.a.pairs.values().next().unwrap().0.suite, suite);
}

#[test]
fn several_requests_share_one_phase1() {
    let mut pair = Pair::new(5);
    for id in 1..=3 {
        let mut request = pair.request();
        request.id = RequestId(id);
        pair.ask(request);
    }
    pair.run(std::time::Duration::from_secs(2));
    pair.assert_pairs(3);
    let mut request = pair.request();
    request.id = RequestId(4);
    pair.ask(request);
    pair.run(std::time::Duration::from_secs(2));
    pair.assert_pairs(4);
    assert_eq!(pair.wire.len(), 6 + 4 * 3);
    assert_eq!(pair.a.engine.counts(), (1, 4));
    assert!(pair.a.saw(|event| matches!(event, EventKind::QuickStarted { on_existing: true, .. })));
}

#[test]
fn the_same_seed_gives_the_same_octets() {
    let wire = |seed| {
        let mut pair = Pair::new(seed);
        pair.connect();
        pair.wire
    };
    assert_eq!(wire(7), wire(7));
    assert_ne!(wire(7), wire(8));
}
