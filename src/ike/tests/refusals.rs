//! What is refused, and what both sides know of it then.

use std::time::Duration;

use rstest::rstest;

use crate::crypto::{Cipher, Group, Hash};
use crate::ike::event::{
    EventKind, Malformation, NodeEnd, PolicyMismatch, PolicyOutcome, QuickRefusal, QuickVerdict, RetransmitCause, SaEnd,
};
use crate::ike::personality::RefusalAnswer;
use crate::ike::rig::{A, B, Pair, SUITE, policy, selectors};
use crate::ike::{EspSuite, Identity, Mode, Personality, RequestFailure, RequestId, Selector};
use crate::wire::isakmp::{AuthenticationMethod, NotifyType, PayloadType as P};

const NO_PROPOSAL_CHOSEN: u16 = 14;

fn outcomes(pair: &Pair) -> Vec<PolicyOutcome> {
    let outcome = |event: &EventKind| match event {
        EventKind::PolicyCompared { outcome, .. } => Some(*outcome),
        _ => None,
    };
    pair.b.events.iter().filter_map(|(_, event)| outcome(&event.kind)).collect()
}

#[rstest]
#[case(policy(Cipher::TripleDes, Hash::Sha1, Group::Modp1024), "Encryption")]
#[case(policy(Cipher::Aes256, Hash::Sha1, Group::Modp1024), "KeyLength")]
#[case(policy(Cipher::Aes128, Hash::Md5, Group::Modp1024), "Hash")]
#[case(policy(Cipher::Aes128, Hash::Sha1, Group::Modp1536), "Group")]
fn the_first_attribute_that_differs_is_named(#[case] theirs: crate::ike::IsakmpPolicy, #[case] attribute: &str) {
    let mut pair = Pair::new(1);
    pair.b.owner.policies = vec![theirs];
    pair.connect();
    let [PolicyOutcome::Refused(mismatch)] = outcomes(&pair)[..] else { panic!("{:?}", outcomes(&pair)) };
    assert!(format!("{mismatch:?}").starts_with(attribute), "{mismatch:?}");
    assert!(pair.b.saw(|event| *event == EventKind::NoPolicyAccepted));
    assert_eq!(pair.a.failed, [(RequestId(1), RequestFailure::Phase1Refused)]);
    assert_eq!(pair.wire.len(), 2, "message 1 and the notify");
    pair.run(Duration::from_secs(60));
    assert_eq!((pair.a.engine.counts(), pair.b.engine.counts()), ((0, 0), (0, 0)), "both forget");
}

#[test]
fn later_transforms_and_policies_are_tried() {
    let mut pair = Pair::new(1);
    let good = policy(Cipher::TripleDes, Hash::Md5, Group::Modp768);
    pair.a.owner.policies.push(good);
    pair.b.owner.policies = vec![policy(Cipher::Aes256, Hash::Sha1, Group::Modp2048), good];
    pair.connect();
    pair.assert_pairs(1);
    assert_eq!(outcomes(&pair).len(), 4, "transform 1 against both, transform 2 against both");
}

#[test]
fn without_a_key_no_policy_fits() {
    let mut pair = Pair::new(1);
    pair.b.owner.key = None;
    pair.connect();
    assert_eq!(outcomes(&pair), [PolicyOutcome::Refused(PolicyMismatch::NoPreSharedKey)]);
    assert_eq!(pair.a.failed, [(RequestId(1), RequestFailure::Phase1Refused)]);
}

#[test]
fn signatures_are_compared_but_not_taken() {
    let mut pair = Pair::new(1);
    let rsa = AuthenticationMethod::RsaSignature;
    pair.b.owner.policies[0].authentication = rsa;
    pair.connect();
    let offered = Some(AuthenticationMethod::PreSharedKey);
    let mismatch = PolicyMismatch::Authentication { offered, configured: rsa };
    assert_eq!(outcomes(&pair), [PolicyOutcome::Refused(mismatch)]);
    assert!(pair.a.pairs.is_empty());
}

#[test]
fn an_initiator_without_key_or_policy_sends_nothing() {
    let mut pair = Pair::new(1);
    pair.a.owner.key = None;
    pair.connect();
    pair.a.owner.policies.clear();
    pair.connect();
    let reasons: Vec<RequestFailure> = pair.a.failed.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [RequestFailure::NoPreSharedKey, RequestFailure::NoPolicy]);
    assert!(pair.wire.is_empty());
    assert_eq!(pair.a.engine.counts(), (0, 0));
}

#[test]
fn a_silent_refusal_ends_with_the_schedule() {
    let silent = Personality { phase1_refusal: RefusalAnswer::Silent, ..Personality::linux() };
    let mut pair = Pair::speaking(Personality::linux(), silent, 1);
    pair.b.owner.policies.clear();
    pair.connect();
    pair.run(Duration::from_secs(200));
    assert_eq!(pair.a.failed, [(RequestId(1), RequestFailure::Phase1Timeout)]);
    assert_eq!(pair.wire.len(), 6, "message 1 and five repeats");
    assert!(pair.a.saw(|event| *event == EventKind::SaDeleted { reason: SaEnd::RetransmissionsExhausted }));
}

#[test]
fn a_wrong_key_shows_as_damage_and_is_not_answered() {
    for seed in 0..20 {
        let mut pair = Pair::new(seed);
        pair.b.owner.key = Some("other".to_owned());
        pair.connect();
        assert_eq!(pair.wire.len(), 6, "message 5, and once more at 4 s");
        let damage = |event: &EventKind| {
            matches!(
                event,
                EventKind::MalformedMessage {
                    why: Malformation::ReservedNotZero(_) | Malformation::Chain(_) | Malformation::Missing(_),
                    ..
                }
            )
        };
        assert_eq!(pair.b.count(damage), 2);
        pair.run(Duration::from_secs(300));
        assert_eq!(pair.a.failed, [(RequestId(1), RequestFailure::Phase1Timeout)]);
        assert_eq!((pair.a.engine.counts(), pair.b.engine.counts()), ((0, 0), (0, 0)));
    }
}

#[rstest]
#[case::by_the_responder(false)]
#[case::by_the_initiator(true)]
fn an_identity_is_refused(#[case] by_initiator: bool) {
    let mut pair = Pair::new(1);
    let wanted = Some(Identity::Fqdn("vpn.example.net".to_owned()));
    if by_initiator {
        pair.a.owner.accepts = wanted;
    } else {
        pair.b.owner.accepts = wanted;
    }
    pair.connect();
    let (judge, other) = if by_initiator { (&pair.a, &pair.b) } else { (&pair.b, &pair.a) };
    assert!(judge.saw(|event| matches!(event, EventKind::IdentityRefused { .. })));
    assert!(judge.saw(|event| *event == EventKind::SaDeleted { reason: SaEnd::AuthenticationFailed }));
    if by_initiator {
        assert!(other.saw(|event| *event == EventKind::SaDeleted { reason: SaEnd::DeletedByPeer }));
    }
    assert_eq!(pair.a.failed.len(), 1);
    assert!(pair.a.pairs.is_empty() && pair.b.pairs.is_empty());
}

/// Asks for something B refuses; then for what it accepts, on the same phase 1.
fn refused(change: impl Fn(&mut Pair, &mut crate::ike::QuickRequest), reason: QuickRefusal) {
    let mut pair = Pair::new(1);
    let mut request = pair.request();
    change(&mut pair, &mut request);
    pair.ask(request);
    pair.run(Duration::from_secs(2));
    let judged = |event: &EventKind| match event {
        EventKind::QuickJudged { verdict: QuickVerdict::Refused(found), .. } => Some(*found),
        _ => None,
    };
    let found: Vec<QuickRefusal> = pair.b.events.iter().filter_map(|(_, event)| judged(&event.kind)).collect();
    assert_eq!(found, [reason]);
    assert_eq!(pair.a.failed, [(RequestId(1), RequestFailure::Phase2Refused(NO_PROPOSAL_CHOSEN))]);
    assert_eq!(pair.payloads(7), [P::Hash, P::Notify]);
    let about = |event: &EventKind| matches!(event, EventKind::NotifyReceived { notify, authenticated: true } if notify.kind == NotifyType::NoProposalChosen && notify.about.is_some());
    assert!(pair.a.saw(about));
    assert!(pair.b.saw(|event| matches!(event, EventKind::NodeDeleted { reason: NodeEnd::Rejected, .. })));
    assert!(pair.a.saw(|event| matches!(event, EventKind::NodeDeleted { reason: NodeEnd::Refused, .. })));

    pair.b.owner = crate::ike::rig::owner(B, selectors().mirrored());
    let request = pair.request();
    pair.ask(request);
    pair.run(Duration::from_secs(2));
    pair.assert_pairs(1);
    assert_eq!(pair.a.engine.counts().0, 1, "phase 1 stays");
}

#[test]
fn proxies_are_refused() {
    refused(|_, request| request.selectors.local = Selector::ANY, QuickRefusal::ProxyIdentities);
}

#[test]
fn transforms_are_refused() {
    let other = EspSuite { cipher: Cipher::Aes256, integrity: Some(Hash::Md5) };
    refused(|_, request| request.suites = vec![other], QuickRefusal::Transform);
}

#[test]
fn the_mode_is_refused() {
    refused(|_, request| request.mode = Mode::Transport, QuickRefusal::Encapsulation);
}

#[rstest]
#[case(None)]
#[case(Some(Group::Modp768))]
fn the_pfs_group_is_refused(#[case] offered: Option<Group>) {
    refused(
        |pair, request| {
            pair.b.owner.entries[0].pfs = Some(Group::Modp1024);
            request.pfs = offered;
        },
        QuickRefusal::Pfs { offered: offered.map(Group::number), configured: 2 },
    );
}

#[test]
fn a_second_suite_is_taken() {
    let mut pair = Pair::new(1);
    let mut request = pair.request();
    request.suites = vec![EspSuite { cipher: Cipher::Aes256, integrity: Some(Hash::Md5) }, SUITE];
    pair.ask(request);
    pair.run(Duration::from_secs(2));
    pair.assert_pairs(1);
    assert_eq!(pair.a.pairs.values().next().unwrap().0.suite, SUITE);
}

#[test]
fn perfect_forward_secrecy_is_accepted_where_none_is_demanded() {
    let mut pair = Pair::new(1);
    let mut request = pair.request();
    request.pfs = Some(Group::Modp1024);
    pair.ask(request);
    pair.run(Duration::from_secs(2));
    pair.assert_pairs(1);
}

#[test]
fn an_address_that_answers_nobody() {
    let mut pair = Pair::new(1);
    let octets = {
        pair.connect();
        pair.wire[0].octets.clone()
    };
    let mut fresh = Pair::new(2);
    fresh.b.owner.policies.clear();
    fresh.inject(true, format!("{B}:500").parse().unwrap(), format!("{A}:500").parse().unwrap(), octets);
    assert!(fresh.b.saw(|event| *event == EventKind::NoPolicyAccepted));
    assert!(!fresh.b.saw(|event| matches!(event, EventKind::Retransmitted { cause: RetransmitCause::Timer, .. })));
}
