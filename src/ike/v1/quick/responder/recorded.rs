//! Our responder in the place of the recorded ones, and offers such as real initiators make them.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rstest::rstest;

use super::*;
use crate::crypto::Cipher;
use crate::ike::context::Shared;
use crate::ike::event::Role;
use crate::ike::rig::{MapEntry, SUITE, owner};
use crate::ike::v1::quick::recorded::Recording;
use crate::ike::{Output, SaPair};
use crate::ios::Release;
use crate::time::Instant;
use crate::wire::isakmp::{IdType, Message, MessageId, Payload, Proposal, Transform};

const CSR: &str = "main-rsa-enc-11e79c308ebbd717";

struct Answer {
    begun: Result<Begun, Failure>,
    outputs: Vec<Output>,
}

impl Answer {
    fn pair(&self) -> Option<&SaPair> {
        self.outputs.iter().find_map(|output| match output {
            Output::Install(pair) => Some(&**pair),
            _ => None,
        })
    }

    fn refusal(&self) -> Option<QuickRefusal> {
        self.outputs.iter().rev().find_map(|output| match output {
            Output::Event(event) => match &event.kind {
                EventKind::QuickJudged { verdict: QuickVerdict::Refused(refusal), .. } => Some(*refusal),
                _ => None,
            },
            _ => None,
        })
    }
}

/// Gives message 1 to a router that accepts everything with its own lifetimes.
fn give(recording: &Recording, octets: &[u8]) -> Answer {
    let sa = recording.association(Role::Responder);
    let mut shared = Shared::new(Release::Xe16.personality(), StdRng::seed_from_u64(1));
    let everything = Selectors { local: Selector::ANY, remote: Selector::ANY };
    let mut owner = owner([10, 0, 3, 2].into(), everything);
    owner.entries[0] = MapEntry { name: "MAP 10".to_owned(), ..owner.entries[0].clone() };
    let mut cx = Context { now: Instant::ZERO, shared: &mut shared, policy: &mut owner };
    let message = Message::parse(octets).unwrap();
    let incoming = Incoming { local: sa.local, remote: sa.remote, message: &message, octets };
    let begun = begin(&recording.session, &incoming, &sa, &mut cx);
    Answer { begun, outputs: shared.outputs.into_iter().collect() }
}

/// The recorded message 1 with its payloads changed, under a message id of its own.
fn changed(recording: &Recording, change: impl FnOnce(&mut Vec<Body>)) -> Vec<u8> {
    let session = &recording.session;
    let message = Message::parse(&recording.messages[0]).unwrap();
    let opened = open(&message, &session.encryption, &session.first_iv(message.header.message_id)).unwrap();
    let mut bodies: Vec<Body> = opened.payloads.into_iter().skip(1).map(|payload: Payload| payload.body).collect();
    change(&mut bodies);
    let message_id = MessageId(7);
    let id = recording.association(Role::Initiator).id;
    let envelope = Envelope { id, exchange: ExchangeType::Quick, message_id };
    let hash = |rest: &[u8]| session.keys.skeyid_a.hash_1(message_id, rest);
    let padding = crate::ike::personality::Padding::WhenNeeded;
    envelope.seal_hashed(bodies, hash, &session.encryption, &session.first_iv(message_id), padding).0
}

fn sa_of(bodies: &mut [Body]) -> &mut Vec<Proposal> {
    match &mut bodies[0] {
        Body::Sa(sa) => &mut sa.proposals,
        other => panic!("{other:?}"),
    }
}

/// Message 2 of the CSR and ours: the same payloads, the same SA but for the SPI, the same notify, the same length.
#[test]
fn message_2_is_like_that_of_the_csr() {
    let recording = Recording::named(CSR);
    let answer = give(&recording, &recording.messages[0]);
    let Ok(Begun::Answered { octets: ours, .. }) = &answer.begun else { panic!("{:?}", answer.begun) };
    let first = Message::parse(&recording.messages[0]).unwrap();
    let session = &recording.session;
    let iv = open(&first, &session.encryption, &session.first_iv(first.header.message_id)).unwrap().next_iv;
    let [ours_opened, real_opened] = [ours, &recording.messages[1]]
        .map(|octets| open(&Message::parse(octets).unwrap(), &session.encryption, &iv).unwrap());
    let spi = |payloads: &[Payload]| match &payloads[1].body {
        Body::Sa(sa) => sa.proposals[0].spi.clone(),
        other => panic!("{other:?}"),
    };
    let blotted = |payloads: Vec<Payload>| -> Vec<String> {
        let spi = hex::encode(spi(&payloads));
        payloads
            .iter()
            .map(|payload| match &payload.body {
                Body::Hash(octets) => format!("HASH of {}", octets.len()),
                Body::Nonce(octets) => format!("NONCE of {}", octets.len()),
                body => hex::encode(body.to_bytes()).replace(&spi, "<spi>"),
            })
            .collect()
    };
    assert_eq!(blotted(ours_opened.payloads), blotted(real_opened.payloads));
    assert_eq!(ours.len(), recording.messages[1].len());
}

#[test]
fn the_recorded_offer_of_a_test_tool_is_answered() {
    let recording = Recording::named("main-psk-59cedc5dcea558fe");
    let answer = give(&recording, &recording.messages[0]);
    let pair = answer.pair().unwrap();
    assert_eq!(pair.suite, SUITE);
    assert_eq!(pair.selectors, Selectors { local: Selector::ANY, remote: Selector::ANY });
}

#[test]
fn without_ids_the_addresses_are_protected() {
    let recording = Recording::named(CSR);
    let octets = changed(&recording, |bodies| bodies.retain(|body| !matches!(body, Body::Id(_))));
    let answer = give(&recording, &octets);
    let pair = answer.pair().unwrap();
    let hosts = Selectors { local: Selector::host([10, 0, 3, 2].into()), remote: Selector::host([10, 0, 3, 1].into()) };
    assert_eq!(pair.selectors, hosts);
}

#[test]
fn payloads_behind_the_hash_may_stand_in_any_order() {
    let recording = Recording::named(CSR);
    let octets = changed(&recording, |bodies| {
        bodies.swap(0, 1);
        bodies.push(Body::VendorId(vec![1; 16]));
        bodies.push(Body::Opaque { kind: PayloadType::NatOriginalAddress, body: vec![1, 0, 0, 0, 10, 0, 0, 1] });
    });
    assert!(give(&recording, &octets).pair().is_some());
}

#[rstest]
#[case::one_id(|bodies: &mut Vec<Body>| { bodies.pop(); }, "1 ID payloads")]
#[case::no_nonce(|bodies: &mut Vec<Body>| { bodies.remove(1); }, "Missing(Nonce)")]
#[case::a_short_nonce(|bodies: &mut Vec<Body>| { bodies[1] = Body::Nonce(vec![1; 7]); }, "NONCE of 7 octets")]
#[case::two_sa_payloads(|bodies: &mut Vec<Body>| { bodies.push(bodies[0].clone()); }, "more than one SA")]
#[case::a_key_without_group(|bodies: &mut Vec<Body>| { bodies.push(Body::KeyExchange(vec![2; 128])); }, "no group")]
#[case::a_reserved_spi(|bodies: &mut Vec<Body>| { sa_of(bodies)[0].spi = vec![0, 0, 0, 255]; }, "reserved SPI")]
#[case::a_long_spi(|bodies: &mut Vec<Body>| { sa_of(bodies)[0].spi = vec![9; 16]; }, "SPI of 16 octets")]
fn what_cannot_be_answered_is_told(#[case] change: impl FnOnce(&mut Vec<Body>), #[case] why: &str) {
    let recording = Recording::named(CSR);
    let octets = changed(&recording, change);
    let answer = give(&recording, &octets);
    let failure = format!("{}", answer.begun.as_ref().unwrap_err());
    assert!(failure.contains(why), "{failure}");
    assert!(answer.pair().is_none());
}

#[test]
fn identities_that_are_no_addresses_are_no_proxies() {
    let recording = Recording::named(CSR);
    let octets = changed(&recording, |bodies| {
        let Some(Body::Id(id)) = bodies.last_mut() else { panic!("{bodies:?}") };
        id.kind = IdType::Fqdn;
    });
    let answer = give(&recording, &octets);
    assert!(matches!(answer.begun, Ok(Begun::Refused)));
    assert_eq!(answer.refusal(), Some(QuickRefusal::ProxyIdentities));
}

#[test]
fn ah_is_refused_and_the_next_proposal_taken() {
    let recording = Recording::named(CSR);
    let with_ah = |also_esp: bool| {
        changed(&recording, |bodies| {
            let proposals = sa_of(bodies);
            let esp = proposals[0].clone();
            let ah =
                Proposal { protocol: ProtocolId::Ah, transforms: vec![Transform::new(1, 3, vec![])], ..esp.clone() };
            *proposals = vec![ah];
            if also_esp {
                proposals.push(Proposal { number: 9, ..esp });
            }
        })
    };
    let answer = give(&recording, &with_ah(false));
    assert!(matches!(answer.begun, Ok(Begun::Refused)));
    assert_eq!(answer.refusal(), Some(QuickRefusal::Transform));
    assert_eq!(give(&recording, &with_ah(true)).pair().unwrap().suite.cipher, Cipher::Aes128);
}

#[test]
fn udp_encapsulation_without_nat_traversal_is_refused() {
    let recording = Recording::named(CSR);
    let octets = changed(&recording, |bodies| {
        let attributes = &mut sa_of(bodies)[0].transforms[0].attributes;
        attributes[0] = crate::wire::isakmp::Attribute::basic(4_u16, 3_u16);
    });
    assert_eq!(give(&recording, &octets).refusal(), Some(QuickRefusal::Transform));
}

#[test]
fn a_changed_octet_breaks_the_hash() {
    let recording = Recording::named(CSR);
    let mut octets = recording.messages[0].clone();
    // The first block decrypts to HASH's header and half of the hash.
    octets[28 + 6] ^= 1;
    let answer = give(&recording, &octets);
    assert!(answer.begun.is_err());
    assert!(answer.pair().is_none());
}
