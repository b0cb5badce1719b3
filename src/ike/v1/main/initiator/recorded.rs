//! Our initiator in the place of the recorded one, against what real responders sent
//! (fixtures/vectors/ikev1-recorded-handshakes-keyed.json).

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::crypto::vectors::{fixture_json, octets};
use crate::crypto::{Cipher, Group, Hash};
use crate::ike::context::Shared;
use crate::ike::event::VendorMeaning;
use crate::ike::personality::VendorId;
use crate::ike::rig::{Owner, owner, policy, selectors};
use crate::ike::sa::IsakmpSaId;
use crate::ike::{Identity, Output, Personality};
use crate::time::Instant;
use crate::wire::isakmp::{Cookie, Message};

struct Replay {
    shared: Shared,
    owner: Owner,
    sa: Association,
    messages: Vec<Vec<u8>>,
}

impl Replay {
    fn new(handshake: &Value) -> Self {
        let mut personality = Personality::linux();
        personality.initial_contact = false;
        personality.vendor_ids.main3 = vec![VendorId::IosCookie];
        let mut owner = owner([10, 0, 3, 1].into(), selectors());
        owner.key = Some(handshake["psk_ascii"].as_str().unwrap().to_owned());
        owner.identity = Identity::Address([10, 0, 3, 1].into());
        let messages = handshake["messages"].as_array().unwrap();
        let initiator = Cookie(octets(&handshake["CKY_I"]).try_into().unwrap());
        Self {
            shared: Shared::new(personality, StdRng::seed_from_u64(1)),
            owner,
            sa: Association {
                serial: 1,
                connection: 0,
                id: IsakmpSaId { initiator, responder: Cookie::ZERO },
                role: Role::Initiator,
                progress: Progress::MainNoState,
                state: Phase1State::InitiatorMain(1),
                local: "10.0.3.1:500".parse().unwrap(),
                remote: "10.0.3.2:500".parse().unwrap(),
                peer_number: 1,
            },
            messages: messages.iter().map(|message| octets(&message["hex"])).collect(),
        }
    }

    /// Gives message `number` of the recording to `take`.
    fn give<T>(
        &mut self,
        number: usize,
        take: impl FnOnce(&Incoming<'_>, &mut Association, &mut Context<'_>) -> T,
    ) -> T {
        let octets = &self.messages[number - 1];
        let message = Message::parse(octets).unwrap();
        let incoming = Incoming { local: self.sa.local, remote: self.sa.remote, message: &message, octets };
        let mut cx = Context { now: Instant::ZERO, shared: &mut self.shared, policy: &mut self.owner };
        take(&incoming, &mut self.sa, &mut cx)
    }

    fn events(&mut self) -> Vec<EventKind> {
        self.shared
            .outputs
            .drain(..)
            .filter_map(|output| match output {
                Output::Event(event) => Some(event.kind),
                _ => None,
            })
            .collect()
    }
}

fn handshake(name: &str) -> Value {
    let file = fixture_json("ikev1-recorded-handshakes-keyed.json");
    file["handshakes"].as_array().unwrap().iter().find(|handshake| handshake["name"] == name).unwrap().clone()
}

#[rstest]
#[case::cisco_csr("main-psk-2c3809ffa77581e2")]
#[case::strongswan("main-psk-59cedc5dcea558fe")]
fn message_5_is_the_recorded_one_and_message_6_is_accepted(#[case] name: &str) {
    let recording = handshake(name);
    let mut replay = Replay::new(&recording);
    let mut offered = policy(Cipher::Aes128, Hash::Sha1, Group::Modp1024);
    offered.lifetime = Some(Duration::from_secs(28800));
    let first = ExpectSa { offered: vec![offered], sai_b: octets(&recording["SAi_b"]) };

    let taken = replay.give(2, |incoming, sa, cx| first.handle(incoming, sa, cx)).unwrap();
    let State::InitiatorKe(mut second) = taken.next else { panic!("{:?}", taken.next) };
    let private = octets(&recording["initiator_dh_private_hex"]);
    second.pair = KeyPair::from_private(Group::Modp1024, &private[private.len().saturating_sub(128)..]).unwrap();
    second.ni_b = octets(&recording["Ni_b"]);
    assert_eq!(second.pair.public(), octets(&recording["g^xi"]));

    let taken = replay.give(4, |incoming, sa, cx| second.handle(incoming, sa, cx)).unwrap();
    assert_eq!(hex::encode(taken.reply.unwrap().octets), hex::encode(&replay.messages[4]));
    let State::InitiatorAuth(third) = taken.next else { panic!("{:?}", taken.next) };

    let taken = replay.give(6, |incoming, sa, cx| third.handle(incoming, sa, cx)).unwrap();
    let State::Established(mut established) = taken.next else { panic!("{:?}", taken.next) };
    assert_eq!(established.session.identity.to_bytes(), octets(&recording["IDir_b"]));
    let events = replay.events();
    if name != "main-psk-2c3809ffa77581e2" {
        return;
    }
    let own_make = |event: &EventKind| matches!(event, EventKind::VendorId { meaning: VendorMeaning::OwnMake, .. });
    assert!(events.iter().any(own_make), "the vendor ID of the CSR holds its cookie");

    replay.sa.progress = Progress::QuickIdle;
    replay.give(7, |incoming, sa, cx| established.handle(incoming, sa, cx));
    let changed = EventKind::LifetimeChanged { protocol: ProtocolId::Isakmp, seconds: Some(300), kilobytes: None };
    assert!(replay.events().contains(&changed));
    assert_eq!(established.expires, Some(Instant::from_start(Duration::from_secs(300))));
}

#[test]
fn message_6_of_a_peer_with_another_key_is_not_accepted() {
    let recording = handshake("main-psk-2c3809ffa77581e2");
    let mut replay = Replay::new(&recording);
    replay.owner.key = Some("BBBB".to_owned());
    let mut offered = policy(Cipher::Aes128, Hash::Sha1, Group::Modp1024);
    offered.lifetime = Some(Duration::from_secs(28800));
    let first = ExpectSa { offered: vec![offered], sai_b: octets(&recording["SAi_b"]) };
    let taken = replay.give(2, |incoming, sa, cx| first.handle(incoming, sa, cx)).unwrap();
    let State::InitiatorKe(second) = taken.next else { panic!("{:?}", taken.next) };
    let taken = replay.give(4, |incoming, sa, cx| second.handle(incoming, sa, cx)).unwrap();
    let State::InitiatorAuth(third) = taken.next else { panic!("{:?}", taken.next) };
    let failure = replay.give(6, |incoming, sa, cx| third.handle(incoming, sa, cx)).unwrap_err();
    assert!(matches!(failure, Failure::Malformed(_)), "{failure}");
}
