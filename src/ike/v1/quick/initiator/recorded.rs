//! Our initiator in the place of the recorded one, against what real responders answered.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rstest::rstest;

use super::*;
use crate::ike::context::Shared;
use crate::ike::event::Role;
use crate::ike::rig::{SUITE, owner};
use crate::ike::v1::quick::recorded::Recording;
use crate::ike::{EspSa, Lifetimes, Output, Personality, RequestId};
use crate::time::Instant;
use crate::wire::isakmp::Message;

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
    let recording = Recording::named(name);
    let session = &recording.session;
    let [first, second, third] = &recording.messages;
    let parsed = [first, second].map(|octets| Message::parse(octets).unwrap());
    let message_id = parsed[0].header.message_id;

    // What the recorded initiator put into message 1.
    let opened = open(&parsed[0], &session.encryption, &session.first_iv(message_id)).unwrap();
    let ni_b = opened.payloads().nonce().unwrap().clone();
    let spi = Spi(u32::from_str_radix(recording.text(6, "esp_spi"), 16).unwrap());
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

    let sa = recording.association(Role::Initiator);
    let mut shared = Shared::new(Personality::linux(), StdRng::seed_from_u64(1));
    let mut owner = owner([10, 0, 3, 1].into(), selectors);
    let mut cx = Context { now: Instant::ZERO, shared: &mut shared, policy: &mut owner };
    let incoming = Incoming { local: sa.local, remote: sa.remote, message: &parsed[1], octets: second };
    let answered = wait.handle(session, &incoming, &sa, &mut cx).unwrap();
    let Answered::Confirmed(octets) = answered else { panic!("{:?}", shared.outputs) };
    assert_eq!(hex::encode(octets), hex::encode(third));

    let install = |output: &Output| match output {
        Output::Install(pair) => Some(pair.clone()),
        _ => None,
    };
    let pair = shared.outputs.iter().find_map(install).unwrap();
    let keymat = |esp: &EspSa| hex::encode([esp.keys.encryption.as_bytes(), esp.keys.integrity.as_bytes()].concat());
    let (inbound, outbound) = (pair.inbound.spi.0, pair.outbound.spi.0);
    let recorded = recording.text(7, &format!("KEYMAT_inbound_to_responder(spi={outbound:08x})"));
    assert_eq!(keymat(&pair.outbound), recorded);
    let recorded = recording.text(7, &format!("KEYMAT_inbound_to_initiator(spi={inbound:08x})"));
    assert_eq!(keymat(&pair.inbound), recorded);
    assert!(selectors.contains(&pair.selectors));
    assert_eq!(pair.lifetimes, Lifetimes { seconds: Some(3600), kilobytes });
}
