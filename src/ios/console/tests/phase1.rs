//! Phase 1: success in both roles, NAT, every refusal.

use std::path::Path;

use super::*;
use crate::ike::event::*;
use crate::wire::isakmp::*;

#[test]
fn success_as_responder() {
    assert_traces!("main-mode-responder", Story::responder().main_mode());
}

#[test]
fn success_as_initiator() {
    assert_traces!("main-mode-initiator", Story::initiator().main_mode());
}

#[test]
fn nat_is_found() {
    assert_traces!("nat-discovery", {
        let peer_behind =
            Story::responder().exchanged_keys().then().nat_discovery(true, false).nat_discovery(true, false);
        let us_behind = peer_behind.nat_discovery(false, false).nat_discovery(false, true);
        let before = "198.51.100.1:500".parse().unwrap();
        us_behind.floated().tell(EventKind::PortFloated { before }).authenticated()
    });
}

#[test]
fn no_policy_fits() {
    assert_traces!("policy-mismatch", Story::responder().offered().refused_policy());
}

/// Each attribute has its own words, two transforms are told one after the other.
#[test]
fn every_attribute_can_be_refused() {
    let mismatches = [
        PolicyMismatch::Encryption { offered: Some(OakleyCipher::Aes), configured: OakleyCipher::TripleDes },
        PolicyMismatch::KeyLength { offered: Some(256), configured: 128 },
        PolicyMismatch::Hash { offered: Some(OakleyHash::Sha1), configured: OakleyHash::Md5 },
        PolicyMismatch::Group { offered: Some(14), configured: 2 },
        PolicyMismatch::Authentication {
            offered: Some(AuthenticationMethod::PreSharedKey),
            configured: AuthenticationMethod::RsaSignature,
        },
        PolicyMismatch::NoPreSharedKey,
    ];
    let mut story = Story::responder().offered().then();
    for (transform, mismatch) in (1..).zip(mismatches) {
        story = story.compared(transform, transform < 6, 3600, PolicyOutcome::Refused(mismatch));
    }
    let texts = texts(Release::V15, &story);
    let refusals: Vec<_> =
        texts.iter().filter(|text| text.starts_with("ISAKMP:(0):") && !text.contains("Checking")).collect();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_debug_snapshot!("every-refusal", refusals);
    });
}

#[test]
fn the_pre_shared_key_is_wrong() {
    assert_traces!("psk-mismatch", {
        let retransmitted = |attempt| EventKind::Retransmitted {
            exchange: ExchangeType::Main,
            message_id: MessageId(0),
            attempt,
            of: 5,
            cause: RetransmitCause::Timer,
        };
        let malformed = EventKind::MalformedMessage {
            exchange: ExchangeType::Main,
            message_id: MessageId(0),
            why: Malformation::ReservedNotZero(PayloadType::Id),
        };
        let five = Phase1State::ResponderMain(5);
        Story::responder()
            .exchanged_keys()
            .then()
            .tell(malformed)
            .tell(retransmitted(1))
            .tell(retransmitted(5))
            .tell(EventKind::SaDeleted { reason: SaEnd::RetransmissionsExhausted })
            .tell(EventKind::PeerUnlocked { peer: 1, holders: 0, cause: UnlockCause::SaDeleted })
            .state(Phase1Input::Phase1Deleted, five, Phase1State::Deleted)
            .tell(EventKind::SaPurged)
    });
}

#[test]
fn there_is_no_key_to_begin_with() {
    assert_traces!("no-key-initiator", {
        let by = KeyName::Address("198.51.100.1".parse().unwrap());
        Story::initiator()
            .begun()
            .then()
            .tell(EventKind::KeyLookup { moment: KeyMoment::Initiation, by, found_in: None })
            .tell(EventKind::PeerUnlocked { peer: 1, holders: 0, cause: UnlockCause::InitiationFailed })
            .tell(EventKind::SaPurged)
            .tell(EventKind::NodePurged { message_id: MessageId(1512984860) })
            .tell(EventKind::InitiationFailed(InitiationFailure::NoPreSharedKey))
    });
}

/// The recorded debug of a router that accepts a longer lifetime, byte for byte but for its author's remarks.
#[test]
fn accepting_a_longer_lifetime_reads_as_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ios-show/gnj-debug-crypto-isakmp-lifetime.txt");
    let recorded = std::fs::read_to_string(path).unwrap();
    let recorded: Vec<_> = recorded.lines().map(|line| line.split(" <--").next().unwrap()).collect();
    let outcome = PolicyOutcome::Accepted { own_lifetime: 600, offered_lifetime: Some(1200), lifetime: 600 };
    let attributes = vec![
        Attribute::basic(OakleyAttribute::Encryption, OakleyCipher::Aes),
        Attribute::basic(OakleyAttribute::KeyLength, 256_u16),
        Attribute::basic(OakleyAttribute::Hash, OakleyHash::Sha1),
        Attribute::basic(OakleyAttribute::Group, 5_u16),
        Attribute::basic(OakleyAttribute::Authentication, AuthenticationMethod::PreSharedKey),
        Attribute::basic(OakleyAttribute::LifeType, LifeType::Seconds),
        Attribute::duration(OakleyAttribute::LifeDuration, 1200),
    ];
    let compared = EventKind::PolicyCompared { transform: 1, priority: 10, attributes, more: false, outcome };
    let story = Story::responder().offered().then().tell(compared);
    let rendered = texts(Release::V15, &story);
    // Behind it come the vendor IDs once more.
    let rendered: Vec<_> = rendered.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
    assert_eq!(rendered[..recorded.len()], recorded);
}

/// The recorded refusals, byte for byte where the recorder did not shorten them.
#[test]
fn refusals_read_as_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ios-show/gnj-debug-crypto-error-messages.txt");
    let recorded = std::fs::read_to_string(path).unwrap();
    let story = Story::responder().offered().refused_policy();
    let rendered = texts(Release::V15, &story);
    let wanted = "ISAKMP:(0):Proposed key length does not match policy";
    assert!(recorded.contains(wanted) && rendered.iter().any(|line| line == wanted));
    let wanted = "ISAKMP:(0): phase 1 SA policy not acceptable! (local 203.0.113.1 remote 198.51.100.1)";
    let as_recorded = wanted.replace("203.0.113.1", "<ip>").replace("198.51.100.1", "<ip>");
    assert!(recorded.contains(&as_recorded) && rendered.iter().any(|line| line == wanted));
    let refused = Story::responder().main_mode().quick_mode_refused(None, QuickRefusal::ProxyIdentities);
    let rendered = texts(Release::V15, &refused);
    for wanted in
        ["map_db_find_best did not find matching map", "IPSEC(ipsec_process_proposal): proxy identities not supported"]
    {
        assert!(recorded.contains(wanted) && rendered.iter().any(|line| line == wanted), "{wanted}");
    }
}
