//! Datagrams that are wrong, by accident or on purpose.

use std::net::SocketAddrV4;
use std::time::Duration;

use proptest::prelude::*;

use crate::ike::event::{EventKind, Malformation, Refusal};
use crate::ike::rig::{A, B, Pair};
use crate::ike::{Input, Limits, RequestFailure, RequestId};
use crate::wire::isakmp::{Body, ExchangeType, Message};

#[test]
fn garbage_is_told_and_changes_nothing() {
    let mut pair = Pair::new(1);
    pair.connect();
    let before = pair.b.engine.counts();
    for octets in [vec![], vec![0; 27], vec![0xff; 28], vec![0; 300]] {
        pair.inject(true, format!("{B}:500").parse().unwrap(), format!("{A}:500").parse().unwrap(), octets);
    }
    assert_eq!(pair.b.engine.counts(), before);
    assert_eq!(pair.b.count(|event| matches!(event, EventKind::DatagramRefused(Refusal::Malformed(_)))), 3);
    assert_eq!(pair.b.count(|event| matches!(event, EventKind::DatagramRefused(Refusal::UnsupportedVersion(0xff)))), 1);
    pair.assert_pairs(1);
}

/// What crosses the wire while a pair is made, and while it is deleted again.
fn recorded() -> Vec<Vec<u8>> {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.input(true, Input::Clear { peer: None, isakmp: true, ipsec: true });
    pair.run(Duration::from_secs(1));
    pair.wire.into_iter().map(|crossed| crossed.octets).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Damaged copies of real messages reach both sides at any moment; the pair that stands stays as it is.
    #[test]
    fn damaged_messages_never_disturb_a_pair(
        seed in 0_u64..1000,
        damage in proptest::collection::vec((0_usize..11, 0_usize..400, any::<u8>(), any::<bool>(), any::<bool>()), 1..60),
    ) {
        let messages = recorded();
        let mut pair = Pair::new(seed);
        pair.connect();
        let mut own: Vec<Vec<u8>> = pair.wire.iter().map(|crossed| crossed.octets.clone()).collect();
        own.extend(messages.iter().skip(9).cloned());
        for (index, position, value, to_b, foreign) in damage {
            let source = if foreign { &messages } else { &own };
            let Some(mut octets) = source.get(index % source.len()).cloned() else { continue };
            let position = position % octets.len();
            octets[position] ^= value | 1;
            let (local, remote) = if to_b { (B, A) } else { (A, B) };
            let at = |address| SocketAddrV4::new(address, 500);
            pair.inject(to_b, at(local), at(remote), octets);
            pair.run(Duration::from_millis(7));
        }
        pair.assert_pairs(1);
        pair.run(Duration::from_secs(200));
        pair.assert_pairs(1);
        let request = pair.request();
        pair.ask(request);
        pair.run(Duration::from_secs(2));
        pair.assert_pairs(2);
    }

    /// The same while phase 1 is going on: it comes up all the same, because no damaged message changes a state.
    #[test]
    fn damaged_messages_never_stop_a_negotiation(
        seed in 0_u64..1000,
        damage in proptest::collection::vec((0_usize..9, 16_usize..400, 1_u8.., any::<bool>()), 1..30),
    ) {
        let mut pair = Pair::new(seed);
        let request = pair.request();
        pair.ask(request);
        for (index, position, value, to_b) in damage {
            let octets = pair.wire.get(index).filter(|crossed| (*crossed.from.ip() == A) == to_b);
            if let Some(mut octets) = octets.map(|crossed| crossed.octets.clone()) {
                // A message 2 or 4 in clear can be forged by anybody who sees the cookies: what is not protected is left.
                let position = position % octets.len();
                // Likewise the notify of message 5: HASH_I covers the ID only.
                let unprotected = index == 4 && position >= 28 + 48;
                if octets[19] & 1 == 0 || position < 28 || unprotected {
                    continue;
                }
                octets[position] ^= value;
                let (local, remote) = if to_b { (B, A) } else { (A, B) };
                pair.inject(to_b, SocketAddrV4::new(local, 500), SocketAddrV4::new(remote, 500), octets);
            }
            pair.run(Duration::from_millis(9));
        }
        pair.run(Duration::from_secs(60));
        pair.assert_pairs(1);
    }

    #[test]
    fn any_octets_are_survived(octets in proptest::collection::vec(any::<u8>(), 0..300), exchange in 0_u8..40) {
        let mut pair = Pair::new(1);
        pair.connect();
        let mut octets = octets;
        if octets.len() >= 28 {
            octets[..16].copy_from_slice(&pair.wire[8].octets[..16]);
            octets[17] = 0x10;
            octets[18] = exchange;
            let length = octets.len() as u32;
            octets[24..28].copy_from_slice(&length.to_be_bytes());
        }
        for to_b in [true, false] {
            let (local, remote) = if to_b { (B, A) } else { (A, B) };
            pair.inject(to_b, SocketAddrV4::new(local, 500), SocketAddrV4::new(remote, 500), octets.clone());
        }
        pair.run(Duration::from_secs(1));
        pair.assert_pairs(1);
    }
}

#[test]
fn a_flood_of_first_messages_is_bounded() {
    let messages = recorded();
    let mut pair = Pair::new(3);
    pair.connect();
    for number in 0_u32..1000 {
        let mut octets = messages[0].clone();
        octets[..4].copy_from_slice(&number.to_be_bytes());
        pair.inject(true, SocketAddrV4::new(B, 500), SocketAddrV4::new(A, 500), octets);
    }
    assert_eq!(pair.b.engine.counts().0, 257);
    assert!(pair.b.saw(|event| *event == EventKind::DatagramRefused(Refusal::TooManyHalfOpen)));
    pair.run(Duration::from_secs(100));
    assert_eq!(pair.b.engine.counts().0, 1, "they are given up and forgotten");
    pair.assert_pairs(1);
}

#[test]
fn messages_out_of_place_are_named() {
    let mut pair = Pair::new(1);
    pair.connect();
    let wire = pair.wire.clone();
    let mut fresh = Pair::new(1);
    let request = fresh.request();
    fresh.ask(request);
    let (to_a, to_b) = ((A, B), (B, A));
    // Message 4 where message 2 is waited for.
    let mut octets = wire[3].octets.clone();
    octets[..8].copy_from_slice(&fresh.wire[0].octets[..8]);
    fresh.inject(false, SocketAddrV4::new(to_a.0, 500), SocketAddrV4::new(to_a.1, 500), octets);
    assert!(fresh.a.saw(|event| matches!(event, EventKind::UnexpectedMessage { expected, found }
        if expected == "MM2 (SA)" && found == "MM4 (KE, NONCE, NAT-D, NAT-D)")));
    // Quick mode where message 3 is waited for.
    fresh.run(Duration::from_millis(25));
    let mut octets = wire[6].octets.clone();
    octets[..16].copy_from_slice(&fresh.wire[1].octets[..16]);
    fresh.inject(true, SocketAddrV4::new(to_b.0, 500), SocketAddrV4::new(to_b.1, 500), octets);
    assert!(fresh.b.saw(|event| *event == EventKind::DatagramRefused(Refusal::NotAuthenticated)));
    // Quick mode in clear, and a message of an SA nobody has.
    fresh.run(Duration::from_secs(1));
    let mut octets = fresh.wire[6].octets.clone();
    octets[19] = 0;
    octets[16] = 0;
    fresh.inject(true, SocketAddrV4::new(to_b.0, 500), SocketAddrV4::new(to_b.1, 500), octets.clone());
    assert!(fresh.b.saw(|event| *event == EventKind::DatagramRefused(Refusal::NotEncrypted)));
    octets[3] ^= 1;
    fresh.inject(true, SocketAddrV4::new(to_b.0, 500), SocketAddrV4::new(to_b.1, 500), octets);
    assert!(fresh.b.saw(|event| *event == EventKind::DatagramRefused(Refusal::NoSa)));
    // Aggressive mode, and IKEv2.
    let mut octets = wire[0].octets.clone();
    octets[0] ^= 1;
    octets[18] = 4;
    fresh.inject(true, SocketAddrV4::new(to_b.0, 500), SocketAddrV4::new(to_b.1, 500), octets.clone());
    let aggressive = Refusal::UnsupportedExchange(ExchangeType::Aggressive);
    assert!(fresh.b.saw(|event| *event == EventKind::DatagramRefused(aggressive.clone())));
    octets[17] = 0x20;
    fresh.inject(true, SocketAddrV4::new(to_b.0, 500), SocketAddrV4::new(to_b.1, 500), octets);
    assert!(fresh.b.saw(|event| *event == EventKind::DatagramRefused(Refusal::UnsupportedVersion(0x20))));
    fresh.assert_pairs(1);
}

#[test]
fn a_key_exchange_or_nat_d_of_the_wrong_length_is_refused() {
    let mut pair = Pair::new(1);
    let request = pair.request();
    pair.ask(request);
    pair.run(Duration::from_millis(45));
    let good = Message::parse(&pair.wire[2].octets).unwrap();
    let at = |address| SocketAddrV4::new(address, 500);
    for (index, text) in [(0, "KE: a public value of modp1024 has 128 octets, found 127"), (2, "NAT-D of 19 octets")] {
        let mut payloads = good.payloads().to_vec();
        match &mut payloads[index].body {
            Body::KeyExchange(octets) | Body::NatDiscovery { hash: octets, .. } => octets.truncate(octets.len() - 1),
            other => panic!("{other:?}"),
        }
        let octets = Message::clear(good.header, payloads).to_bytes();
        pair.inject(true, at(B), at(A), octets);
        assert!(
            pair.b.saw(|event| matches!(event, EventKind::MalformedMessage { why: Malformation::BadValue(found), .. }
                if found.starts_with(text))),
            "{:?}",
            pair.b.events
        );
    }
    pair.run(Duration::from_secs(2));
    pair.assert_pairs(1);
}

#[test]
fn no_more_pairs_than_the_limit() {
    let mut pair = Pair::new(1);
    let limits = Limits { pairs: 2, ..Limits::default() };
    pair.b.limit(limits);
    for id in 0..4 {
        let mut request = pair.request();
        request.id = RequestId(id);
        pair.ask(request);
    }
    pair.run(Duration::from_secs(300));
    pair.assert_pairs(2);
    assert!(pair.a.failed.iter().all(|(_, reason)| *reason == RequestFailure::Phase2Timeout));
    pair.a.limit(limits);
    let request = pair.request();
    pair.ask(request);
    assert_eq!(pair.a.failed.last(), Some(&(RequestId(1), RequestFailure::TooMany)));
}
