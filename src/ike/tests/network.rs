//! Networks that lose, repeat, reorder and translate.

use std::time::Duration;

use rstest::rstest;

use crate::ike::event::{EventKind, PairEnd, RetransmitCause, SaEnd};
use crate::ike::personality::{NatSupport, NatVersion, Retransmission};
use crate::ike::rig::{A, B, Network, Pair};
use crate::ike::{Input, PeerSettings, Personality, RequestFailure, RequestId};
use crate::time::Instant;
use crate::wire::isakmp::{EncapsulationMode, PayloadType as P};

fn ten_seconds_apart() -> Personality {
    let linux = Personality::linux();
    let retransmission = Retransmission {
        waits: vec![Duration::from_secs(10); 5],
        responder: true,
        duplicate_guard: Duration::from_secs(1),
        ..linux.retransmission
    };
    Personality { retransmission, ..linux }
}

#[test]
fn a_lossy_network_delays_or_fails_cleanly() {
    let mut up = 0;
    for seed in 0..60 {
        let mut pair = Pair::new(seed);
        pair.network = Network { loss: 0.3, duplication: 0.3, reordering: 0.3, ..Network::default() };
        let request = pair.request();
        pair.ask(request);
        pair.run(Duration::from_secs(400));
        pair.network = Network::default();
        pair.run(Duration::from_secs(200));
        match &pair.a.failed[..] {
            [] if pair.b.removed == [PairEnd::Unconfirmed] => {
                // Message 3 was lost each time; what A still holds goes as soon as it is used.
                for (ours, _) in pair.a.pairs.clone().values() {
                    pair.input(false, Input::UnknownSpi { local: B, peer: A, spi: ours.outbound.spi });
                }
                pair.run(Duration::from_secs(1));
                pair.assert_pairs(0);
            }
            [] => {
                up += 1;
                pair.assert_pairs(1);
            }
            [(RequestId(1), RequestFailure::Phase1Timeout | RequestFailure::Phase2Timeout)] => {
                assert!(pair.a.pairs.is_empty() && pair.b.pairs.is_empty(), "seed {seed}");
            }
            failed => panic!("seed {seed}: {failed:?}"),
        }
    }
    assert!(up >= 50, "only {up} of 60 came up");
}

#[test]
fn duplicates_and_reordering_alone_never_fail() {
    for seed in 0..40 {
        let mut pair = Pair::new(seed);
        pair.network = Network { duplication: 0.5, reordering: 0.5, ..Network::default() };
        let request = pair.request();
        pair.ask(request);
        pair.run(Duration::from_secs(100));
        pair.assert_pairs(1);
        assert_eq!(pair.b.engine.counts().0, 1, "seed {seed}: a repeated message 1 begins no second SA");
    }
}

#[test]
fn a_dead_peer_is_given_up_after_five_repeats() {
    let mut pair = Pair::speaking(ten_seconds_apart(), ten_seconds_apart(), 1);
    pair.network.loss = 1.0;
    let request = pair.request();
    pair.ask(request);
    pair.run(Duration::from_secs(59));
    let sent: Vec<u64> = pair.wire.iter().map(|crossed| crossed.at.since_start().as_secs()).collect();
    assert_eq!(sent, [0, 10, 20, 30, 40, 50]);
    assert!(pair.a.failed.is_empty());
    pair.run(Duration::from_secs(2));
    assert_eq!(pair.a.failed, [(RequestId(1), RequestFailure::Phase1Timeout)]);
    assert!(pair.a.saw(|event| *event == EventKind::SaDeleted { reason: SaEnd::RetransmissionsExhausted }));
    assert_eq!(pair.a.engine.counts().0, 1, "still remembered");
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.a.engine.counts().0, 0);
    assert!(pair.a.saw(|event| *event == EventKind::SaPurged));
}

/// The back-off that ike-scan measured on IOS 12.1 to 15.0 (real-cisco-on-the-wire 7).
#[test]
fn a_responder_repeats_message_2_ten_seconds_apart() {
    let mut pair = Pair::speaking(ten_seconds_apart(), ten_seconds_apart(), 1);
    let request = pair.request();
    pair.ask(request);
    let message1 = pair.wire[0].octets.clone();
    let mut scanned = Pair::speaking(ten_seconds_apart(), ten_seconds_apart(), 2);
    scanned.network.loss = 1.0;
    scanned.inject(true, format!("{B}:500").parse().unwrap(), format!("{A}:500").parse().unwrap(), message1);
    scanned.run(Duration::from_secs(100));
    let sent: Vec<u64> = scanned.wire.iter().map(|crossed| crossed.at.since_start().as_secs()).collect();
    assert_eq!(sent, [0, 10, 20, 30, 40, 50]);
    assert!(scanned.wire.iter().all(|crossed| crossed.octets == scanned.wire[0].octets));
}

/// Loses the `lost`th datagram alone; whatever it is, the pair comes up.
#[rstest]
fn any_single_loss_is_repaired(
    #[values(0, 1, 2, 3, 4, 5, 6, 7, 8)] lost: usize,
    #[values(true, false)] responder: bool,
) {
    let mut personality = ten_seconds_apart();
    personality.retransmission.responder = responder;
    let mut pair = Pair::speaking(personality.clone(), personality, 1);
    pair.lose(lost);
    let request = pair.request();
    pair.ask(request);
    pair.run(Duration::from_secs(25));
    pair.assert_pairs(1);
    assert!(
        pair.a.saw(|event| matches!(event, EventKind::Retransmitted { .. }))
            || pair.b.saw(|event| matches!(event, EventKind::Retransmitted { .. }))
    );
}

#[test]
fn a_quick_mode_that_is_never_confirmed_leaves_nothing() {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.network.loss = 0.0;
    let request = pair.request();
    pair.ask(request);
    pair.run(Duration::from_millis(25));
    assert_eq!(pair.b.pairs.len(), 2, "message 2 of the second quick mode is out");
    pair.network.loss = 1.0;
    pair.run(Duration::from_secs(200));
    assert_eq!(pair.b.pairs.len(), 1);
    assert_eq!(pair.b.removed, [PairEnd::Unconfirmed]);
    assert!(pair.b.saw(|event| matches!(event, EventKind::Retransmitted { cause: RetransmitCause::Timer, .. })));
}

fn behind_nat(port_shift: u16, seed: u64) -> Pair {
    let mut pair = Pair::new(seed);
    pair.network.nat = Some("203.0.113.7".parse().unwrap());
    pair.network.port_shift = port_shift;
    pair
}

#[rstest]
fn an_initiator_behind_a_nat_floats(#[values(0, 1000)] port_shift: u16) {
    let mut pair = behind_nat(port_shift, 1);
    pair.a.owner.settings = PeerSettings { nat_keepalive: Some(Duration::from_secs(20)), ..PeerSettings::default() };
    pair.connect();
    let ports: Vec<(u16, u16)> = pair.wire.iter().map(|crossed| (crossed.from.port(), crossed.to.port())).collect();
    let (before, after) = (500 + port_shift, 4500 + port_shift);
    assert_eq!(ports[..4], [(before, 500), (500, before), (before, 500), (500, before)]);
    assert_eq!(ports[4..6], [(after, 4500), (4500, after)]);
    let (a, b) = (pair.a.pairs.values().next().unwrap().0.clone(), pair.b.pairs.values().next().unwrap().0.clone());
    let (a_udp, b_udp) = (a.udp.unwrap(), b.udp.unwrap());
    assert_eq!(a_udp.remote, format!("{B}:4500").parse().unwrap());
    assert_eq!(b_udp.remote, format!("203.0.113.7:{after}").parse().unwrap());
    assert_eq!(a.outbound, b.inbound);
    assert!(pair.b.saw(|event| matches!(event, EventKind::PortFloated { .. })));
    pair.run(Duration::from_secs(60));
    assert!(pair.a.keepalives >= 3, "{}", pair.a.keepalives);
    assert_eq!(pair.b.keepalives, 0);
}

#[test]
fn the_responder_follows_a_mapping_that_changes() {
    let mut pair = behind_nat(0, 1);
    pair.connect();
    pair.network.port_shift = 77;
    let request = pair.request();
    pair.ask(request);
    pair.run(Duration::from_secs(2));
    let remotes: Vec<u16> = pair.b.pairs.values().map(|(pair, _)| pair.udp.unwrap().remote.port()).collect();
    assert_eq!(remotes, [4577, 4577], "the older pair follows");
}

#[test]
fn forced_encapsulation_looks_like_a_nat_to_both() {
    let mut pair = Pair::new(1);
    pair.a.owner.settings.force_udp = true;
    pair.connect();
    pair.assert_pairs(1);
    for side in [&pair.a, &pair.b] {
        assert_eq!(side.pairs.values().next().unwrap().0.udp.unwrap().local.port(), 4500);
    }
}

#[rstest]
#[case(NatSupport::draft(NatVersion::Draft02Newline), P::NatDiscoveryDraft, EncapsulationMode::UdpTunnelDraft)]
#[case(NatSupport::RFC3947, P::NatDiscovery, EncapsulationMode::UdpTunnel)]
fn the_draft_both_speak_is_used(#[case] support: NatSupport, #[case] payload: P, #[case] mode: EncapsulationMode) {
    let older = Personality { nat_traversal: vec![support], ..Personality::linux() };
    let mut pair = Pair::speaking(Personality::linux(), older, 1);
    pair.network.nat = Some("203.0.113.7".parse().unwrap());
    pair.connect();
    assert_eq!(pair.a.pairs.len(), 1, "{:?}", pair.a.failed);
    assert_eq!(pair.payloads(2)[2..], [payload, payload]);
    let crate::wire::isakmp::Body::Sa(sa) = &pair.decrypt(6)[1].body else { panic!() };
    let offered = sa.proposals[0].transforms[0].attributes.iter().find(|attribute| attribute.kind == 4).unwrap();
    assert_eq!(offered.number(), Some(u16::from(mode).into()));
}

#[test]
fn without_nat_traversal_nothing_floats() {
    let plain = Personality { nat_traversal: vec![], ..Personality::linux() };
    let mut pair = Pair::speaking(Personality::linux(), plain, 1);
    pair.network.nat = Some("203.0.113.7".parse().unwrap());
    pair.connect();
    assert!(pair.wire.iter().all(|crossed| crossed.from.port() == 500));
    assert!(pair.a.pairs.values().next().unwrap().0.udp.is_none());
    assert_eq!(pair.payloads(2), [P::KeyExchange, P::Nonce]);
}

#[test]
fn the_clock_of_the_rig_is_virtual() {
    let pair = Pair::new(1);
    assert_eq!(pair.now, Instant::ZERO);
}
