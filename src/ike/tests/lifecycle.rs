//! What becomes of SAs: deleted, renewed, expired, found dead.

use std::time::Duration;

use crate::ike::event::{EventKind, NodeEnd, PairEnd, SaEnd};
use crate::ike::policy::DeadPeerDetection;
use crate::ike::rig::{B, Pair};
use crate::ike::{Input, Lifetimes, Mode, Personality, RequestFailure, RequestId};
use crate::wire::Spi;
use crate::wire::isakmp::{Attribute, Body, NotifyType, PayloadType as P};

const DPD: DeadPeerDetection =
    DeadPeerDetection { idle: Duration::from_secs(10), retry: Duration::from_secs(2), attempts: 5, periodic: true };

fn first_inbound(pair: &Pair) -> Spi {
    *pair.a.pairs.keys().next().unwrap()
}

fn notify_kinds(side: &crate::ike::rig::Side) -> Vec<NotifyType> {
    let kind = |event: &EventKind| match event {
        EventKind::NotifyReceived { notify, .. } => Some(notify.kind),
        _ => None,
    };
    side.events.iter().filter_map(|(_, event)| kind(&event.kind)).collect()
}

#[test]
fn a_deleted_pair_goes_on_both_sides() {
    let mut pair = Pair::new(1);
    pair.connect();
    let inbound = first_inbound(&pair);
    pair.input(true, Input::DeletePair { inbound });
    pair.run(Duration::from_secs(1));
    pair.assert_pairs(0);
    assert_eq!((&pair.a.removed[..], &pair.b.removed[..]), (&[PairEnd::Cleared][..], &[PairEnd::DeletedByPeer][..]));
    assert_eq!(pair.payloads(9), [P::Hash, P::Delete]);
    let Body::Delete(delete) = &pair.decrypt(9)[1].body else { panic!() };
    assert_eq!(delete.spis, [inbound.to_bytes()]);
    assert_eq!(pair.b.engine.counts(), (1, 0), "phase 1 stays");
}

#[test]
fn clearing_everything_leaves_nothing() {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.input(false, Input::Clear { peer: None, isakmp: true, ipsec: true });
    pair.run(Duration::from_secs(1));
    pair.assert_pairs(0);
    assert!(pair.a.saw(|event| *event == EventKind::SaDeleted { reason: SaEnd::DeletedByPeer }));
    assert!(pair.b.saw(|event| *event == EventKind::SaDeleted { reason: SaEnd::Cleared }));
    pair.run(Duration::from_secs(100));
    assert_eq!((pair.a.engine.counts(), pair.b.engine.counts()), ((0, 0), (0, 0)));
    pair.connect();
    pair.assert_pairs(1);
}

#[test]
fn clearing_another_peer_changes_nothing() {
    let mut pair = Pair::new(1);
    pair.connect();
    let peer = Some("203.0.113.99".parse().unwrap());
    pair.input(true, Input::Clear { peer, isakmp: true, ipsec: true });
    pair.run(Duration::from_secs(1));
    pair.assert_pairs(1);
}

#[test]
fn without_an_isakmp_sa_a_delete_cannot_be_sent() {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.input(true, Input::Clear { peer: None, isakmp: true, ipsec: false });
    pair.run(Duration::from_secs(1));
    pair.assert_pairs(1);
    let inbound = first_inbound(&pair);
    pair.input(true, Input::DeletePair { inbound });
    assert!(pair.a.saw(|event| *event == EventKind::DeleteNotSent { spi: inbound.0 }));
    assert!(pair.a.pairs.is_empty());
    assert_eq!(pair.b.pairs.len(), 1);
}

#[test]
fn liveness_is_asked_and_answered() {
    let mut pair = Pair::new(1);
    pair.a.owner.settings.dpd = Some(DPD);
    pair.connect();
    pair.run(Duration::from_secs(100));
    let asked = notify_kinds(&pair.b).iter().filter(|kind| **kind == NotifyType::RUThere).count();
    let answered = notify_kinds(&pair.a).iter().filter(|kind| **kind == NotifyType::RUThereAck).count();
    assert!((9..=10).contains(&asked), "{asked}");
    assert_eq!(asked, answered);
    pair.assert_pairs(1);
}

#[test]
fn liveness_on_demand_asks_only_where_there_is_traffic() {
    let mut pair = Pair::new(1);
    pair.a.owner.settings.dpd = Some(DeadPeerDetection { periodic: false, ..DPD });
    pair.connect();
    pair.run(Duration::from_secs(100));
    assert!(notify_kinds(&pair.b).iter().all(|kind| *kind != NotifyType::RUThere));
    pair.input(true, Input::Traffic { peer: B, inbound: false });
    pair.run(Duration::from_secs(100));
    assert_eq!(notify_kinds(&pair.b).iter().filter(|kind| **kind == NotifyType::RUThere).count(), 1);
    pair.input(true, Input::Traffic { peer: B, inbound: true });
    pair.input(true, Input::Traffic { peer: B, inbound: false });
    pair.run(Duration::from_secs(9));
    assert_eq!(notify_kinds(&pair.b).iter().filter(|kind| **kind == NotifyType::RUThere).count(), 1, "heard of lately");
}

#[test]
fn a_dead_peer_is_buried_with_its_pairs() {
    let mut pair = Pair::new(1);
    pair.a.owner.settings.dpd = Some(DPD);
    pair.connect();
    pair.network.loss = 1.0;
    pair.run(Duration::from_secs(30));
    assert_eq!(pair.a.count(|event| matches!(event, EventKind::LivenessMissed { of: 5, .. })), 5);
    assert!(pair.a.saw(|event| *event == EventKind::PeerDead));
    assert_eq!(pair.a.removed, [PairEnd::PeerDead]);
    assert!(pair.a.pairs.is_empty());
}

#[test]
fn the_initiator_renews_before_the_end() {
    let mut pair = Pair::new(1);
    let mut request = pair.request();
    request.lifetimes.seconds = Some(300);
    pair.ask(request);
    pair.run(Duration::from_secs(239));
    pair.assert_pairs(1);
    let old = first_inbound(&pair);
    pair.run(Duration::from_secs(10));
    pair.assert_pairs(2);
    pair.run(Duration::from_secs(40));
    pair.assert_pairs(1);
    assert_ne!(first_inbound(&pair), old);
    assert_eq!((&pair.a.removed[..], &pair.b.removed[..]), (&[PairEnd::Replaced][..], &[PairEnd::DeletedByPeer][..]));
    pair.run(Duration::from_secs(3600));
    pair.assert_pairs(1);
    assert_eq!(pair.a.removed.len(), pair.b.removed.len());
}

#[test]
fn a_pair_that_is_not_renewed_expires() {
    let mut personality = Personality::linux();
    personality.rekeying.phase2_margin = None;
    let mut pair = Pair::speaking(personality.clone(), personality, 1);
    let mut request = pair.request();
    request.lifetimes.seconds = Some(300);
    pair.ask(request);
    pair.run(Duration::from_secs(301));
    pair.assert_pairs(0);
    assert_eq!((&pair.a.removed[..], &pair.b.removed[..]), (&[PairEnd::DeletedByPeer][..], &[PairEnd::Expired][..]));
}

/// Whether either side has found the ISAKMP SA's lifetime over and told the other.
fn expired(pair: &Pair) -> bool {
    let ended = |side: &crate::ike::rig::Side, reason| side.saw(|event| *event == EventKind::SaDeleted { reason });
    ended(&pair.b, SaEnd::Expired) && ended(&pair.a, SaEnd::DeletedByPeer)
}

#[test]
fn an_expired_isakmp_sa_is_made_anew_when_needed() {
    let mut pair = Pair::new(1);
    pair.a.owner.policies[0].lifetime = Some(Duration::from_secs(100));
    pair.connect();
    pair.run(Duration::from_secs(101));
    assert!(expired(&pair));
    pair.assert_pairs(1);
    let request = pair.request();
    pair.ask(request);
    pair.run(Duration::from_secs(2));
    pair.assert_pairs(2);
}

#[test]
fn volume_renews_and_ends() {
    let mut pair = Pair::new(1);
    pair.connect();
    let old = first_inbound(&pair);
    pair.input(true, Input::VolumeReached { inbound: old, hard: false });
    pair.run(Duration::from_secs(2));
    pair.assert_pairs(2);
    pair.input(true, Input::VolumeReached { inbound: old, hard: true });
    pair.run(Duration::from_secs(2));
    pair.assert_pairs(1);
    assert_eq!(pair.a.removed, [PairEnd::Expired]);
}

#[test]
fn both_renewing_at_once_ends_with_usable_pairs() {
    let mut pair = Pair::new(1);
    pair.connect();
    let (a, b) = (first_inbound(&pair), *pair.b.pairs.keys().next().unwrap());
    let mut back = pair.request();
    (back.local, back.peer) = (back.peer, back.local);
    back.selectors = back.selectors.mirrored();
    pair.input(true, Input::VolumeReached { inbound: a, hard: false });
    pair.input(false, Input::VolumeReached { inbound: b, hard: false });
    pair.input(false, Input::RequestSa(back));
    pair.run(Duration::from_secs(100));
    assert!(!pair.a.pairs.is_empty());
    pair.assert_pairs(pair.a.pairs.len());
}

#[test]
fn the_shorter_lifetime_holds_and_is_announced() {
    let personality =
        Personality { phase1_lifetime_notify: true, phase2_lifetime_notify: true, ..Personality::linux() };
    let mut pair = Pair::speaking(Personality::linux(), personality, 1);
    pair.b.owner.policies[0].lifetime = Some(Duration::from_secs(300));
    pair.b.owner.entries[0].lifetimes = Lifetimes { seconds: Some(1200), kilobytes: Some(4_608_000) };
    pair.connect();
    pair.assert_pairs(1);
    assert_eq!(
        pair.a.pairs.values().next().unwrap().0.lifetimes,
        Lifetimes { seconds: Some(1200), kilobytes: Some(4_608_000) }
    );
    assert_eq!(notify_kinds(&pair.a), [NotifyType::ResponderLifetime, NotifyType::ResponderLifetime]);
    let Body::Notify(notify) = &pair.decrypt(6)[1].body else { panic!("{:?}", pair.payloads(6)) };
    assert_eq!(hex::encode(&notify.data), "800b0001800c012c", "as the CSR of real-cisco-on-the-wire 5a");
    let answer = pair.decrypt(8);
    let Body::Notify(notify) = &answer.last().unwrap().body else { panic!("{:?}", pair.payloads(8)) };
    let attributes = Attribute::parse_all(&mut crate::wire::Reader::new(&notify.data)).unwrap();
    assert_eq!(attributes.len(), 4);
    pair.run(Duration::from_secs(301));
    assert!(expired(&pair));
}

#[test]
fn initial_contact_clears_what_the_peer_has_forgotten() {
    let mut pair = Pair::new(1);
    pair.connect();
    pair.restart_a(99);
    pair.connect();
    pair.assert_pairs(1);
    assert_eq!(pair.b.removed, [PairEnd::InitialContact]);
    assert!(pair.b.saw(|event| matches!(event, EventKind::InitialContactProcessed { phase1: 1, phase2: 1 })));
    assert!(pair.b.saw(|event| *event == EventKind::SaDeleted { reason: SaEnd::InitialContact }));
}

#[test]
fn an_unknown_spi_is_reported_and_clears_the_sender() {
    let mut pair = Pair::new(1);
    pair.connect();
    let (_, outbound) = pair.a.pairs.values().map(|(pair, _)| (pair.inbound.spi, pair.outbound.spi)).next().unwrap();
    pair.input(false, Input::UnknownSpi { local: B, peer: crate::ike::rig::A, spi: outbound });
    pair.run(Duration::from_secs(1));
    assert_eq!(notify_kinds(&pair.a), [NotifyType::InvalidSpi]);
    assert!(pair.a.pairs.is_empty());
}

#[test]
fn requests_that_wait_fail_when_phase1_is_cleared() {
    let mut pair = Pair::new(1);
    pair.network.loss = 1.0;
    let request = pair.request();
    pair.ask(request);
    pair.input(true, Input::Clear { peer: Some(B), isakmp: true, ipsec: true });
    assert_eq!(pair.a.failed, [(RequestId(1), RequestFailure::SaGone)]);
}

#[test]
fn too_many_requests_are_refused() {
    let mut pair = Pair::new(1);
    pair.network.loss = 1.0;
    for id in 0..100 {
        let mut request = pair.request();
        request.id = RequestId(id);
        pair.ask(request);
    }
    assert!(pair.a.failed.iter().all(|(_, reason)| *reason == RequestFailure::TooMany));
    assert_eq!(pair.a.failed.len(), 36);
}

#[test]
fn transport_mode_and_two_networks() {
    let mut pair = Pair::new(1);
    pair.b.owner.entries[0].mode = Mode::Transport;
    let mut request = pair.request();
    request.mode = Mode::Transport;
    pair.ask(request);
    pair.run(Duration::from_secs(2));
    pair.assert_pairs(1);
    assert_eq!(pair.b.pairs.values().next().unwrap().0.mode, Mode::Transport);
    assert!(pair.b.saw(|event| matches!(event, EventKind::NodeDeleted { reason: NodeEnd::DoneAwaited, .. })));
}

#[test]
fn both_beginning_at_once_spares_what_the_other_has_begun() {
    for offset in 0..60 {
        let mut pair = Pair::new(offset);
        let request = pair.request();
        let mut back = request.clone();
        (back.local, back.peer, back.selectors) = (back.peer, back.local, back.selectors.mirrored());
        pair.a.owner.entries[0].selectors = back.selectors.mirrored();
        pair.ask(request);
        pair.run(Duration::from_millis(3 * offset));
        pair.input(false, Input::RequestSa(back));
        pair.run(Duration::from_secs(2));
        pair.assert_pairs(2);
    }
}
