//! Our initiator in the place of the recorded one, against what real responders answered
//! (fixtures/vectors/ikev1-recorded-handshakes-keyed.json).

use rand::SeedableRng;
use rand::rngs::StdRng;
use rstest::rstest;
use serde_json::Value;

use super::*;
use crate::crypto::vectors::{fixture_json, octets};
use crate::crypto::{Cipher, Group, Hash};
use crate::ike::context::Shared;
use crate::ike::event::{Phase1State, Progress, Role};
use crate::ike::keys::SkeyId;
use crate::ike::nat::Nat;
use crate::ike::proposal::phase1::Agreed;
use crate::ike::rig::{SUITE, owner};
use crate::ike::sa::IsakmpSaId;
use crate::ike::{Lifetimes, Output, Personality, RequestId};
use crate::time::Instant;
use crate::wire::isakmp::{AuthenticationMethod, Cookie, IdType, Message};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn session(recording: &Value, id: IsakmpSaId, phase1_iv: &[u8]) -> Session {
    let (ni_b, nr_b, g_xy) = (octets(&recording["Ni_b"]), octets(&recording["Nr_b"]), octets(&recording["g^xy"]));
    let skeyid = match recording["psk_ascii"].as_str() {
        Some(key) => SkeyId::pre_shared_key(Hash::Sha1, key.as_bytes(), &ni_b, &nr_b),
        None => SkeyId::public_key_encryption_cisco(Hash::Sha1, &ni_b, &nr_b, id.initiator, id.responder),
    };
    let keys = skeyid.derive(&g_xy, id.initiator, id.responder);
    Session {
        agreed: Agreed {
            cipher: Cipher::Aes128,
            hash: Hash::Sha1,
            group: Group::Modp1024,
            authentication: AuthenticationMethod::PreSharedKey,
            lifetime: None,
            cut: None,
        },
        encryption: keys.skeyid_e.encryption_key(Cipher::Aes128).unwrap(),
        keys,
        iv: IvChain::from_log(phase1_iv),
        identity: crate::wire::isakmp::IdPayload { kind: IdType::Ipv4Address, protocol: 0, port: 0, data: vec![] },
        nat: Nat::default(),
    }
}

fn network(address: [u8; 4], mask: [u8; 4]) -> Selector {
    Selector::subnet(address.into(), mask.into())
}

#[rstest]
#[case::strongswan_that_narrows("main-psk-59cedc5dcea558fe", Selectors { local: Selector::ANY, remote: Selector::ANY }, None)]
#[case::cisco_csr_with_its_own_volume(
    "main-rsa-enc-11e79c308ebbd717",
    Selectors {
        local: network([10, 0, 1, 0], [255, 255, 255, 0]),
        remote: network([10, 0, 2, 0], [255, 255, 255, 0]),
    },
    Some(4_608_000)
)]
fn message_3_is_the_recorded_one(#[case] name: &str, #[case] selectors: Selectors, #[case] kilobytes: Option<u32>) {
    let file = fixture_json("ikev1-recorded-handshakes-keyed.json");
    let recording = file["handshakes"].as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap();
    let cookie = |name| Cookie(octets(&recording[name]).try_into().unwrap());
    let id = IsakmpSaId { initiator: cookie("CKY_I"), responder: cookie("CKY_R") };
    let messages = recording["messages"].as_array().unwrap();
    let session = session(recording, id, &octets(&messages[5]["next_iv"]));
    let [first, second, third] = [6, 7, 8].map(|index| octets(&messages[index]["hex"]));
    let parsed = [&first, &second].map(|octets| Message::parse(octets).unwrap());
    let message_id = parsed[0].header.message_id;

    // What the recorded initiator put into message 1.
    let opened = open(&parsed[0], &session.encryption, &session.first_iv(message_id)).unwrap();
    let ni_b = opened.payloads().nonce().unwrap().clone();
    let spi = Spi(u32::from_str_radix(text(&messages[6], "esp_spi"), 16).unwrap());
    let request = QuickRequest {
        id: RequestId(1),
        entry: String::new(),
        interface: String::new(),
        local: [10, 0, 3, 1].into(),
        peer: [10, 0, 3, 2].into(),
        selectors,
        suites: vec![SUITE],
        mode: Mode::Tunnel,
        pfs: None,
        lifetimes: Lifetimes { seconds: Some(3600), kilobytes: None },
    };
    let encapsulation = EncapsulationMode::Tunnel;
    let wait = ExpectAnswer { request, spi, message_id, encapsulation, ni_b, pair: None, iv: opened.next_iv };

    let sa = Association {
        serial: 1,
        connection: 1001,
        id,
        role: Role::Initiator,
        progress: Progress::QuickIdle,
        state: Phase1State::Complete,
        local: "10.0.3.1:500".parse().unwrap(),
        remote: "10.0.3.2:500".parse().unwrap(),
        peer_number: 1,
    };
    let mut shared = Shared::new(Personality::linux(), StdRng::seed_from_u64(1));
    let mut owner = owner([10, 0, 3, 1].into(), selectors);
    let mut cx = Context { now: Instant::ZERO, shared: &mut shared, policy: &mut owner };
    let incoming = Incoming { local: sa.local, remote: sa.remote, message: &parsed[1], octets: &second };
    let answered = wait.handle(&session, &incoming, &sa, &mut cx).unwrap();
    let Answered::Confirmed(octets) = answered else { panic!("{:?}", shared.outputs) };
    assert_eq!(hex::encode(octets), hex::encode(third));

    let pair = shared
        .outputs
        .iter()
        .find_map(|output| match output {
            Output::Install(pair) => Some(pair),
            _ => None,
        })
        .unwrap();
    let keymat =
        |esp: &crate::ike::EspSa| hex::encode([esp.keys.encryption.as_bytes(), esp.keys.integrity.as_bytes()].concat());
    let recorded = |name: String| text(&messages[7], &name).to_owned();
    assert_eq!(
        keymat(&pair.outbound),
        recorded(format!("KEYMAT_inbound_to_responder(spi={:08x})", pair.outbound.spi.0))
    );
    assert_eq!(keymat(&pair.inbound), recorded(format!("KEYMAT_inbound_to_initiator(spi={:08x})", pair.inbound.spi.0)));
    assert!(selectors.contains(&pair.selectors));
    assert_eq!(pair.lifetimes, Lifetimes { seconds: Some(3600), kilobytes });
}
