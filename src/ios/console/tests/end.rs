//! Deletes, dead peer detection, retransmission, refused datagrams, XAUTH.

use super::story::{NOTIFY_ID, QUICK_ID};
use super::*;
use crate::ike::event::*;
use crate::wire::isakmp::*;

const INFORMATIONAL: ExchangeType = ExchangeType::Informational;

fn established() -> Story {
    Story::initiator().main_mode().quick_mode()
}

fn informational_in(story: Story) -> Story {
    story
        .received(INFORMATIONAL, NOTIFY_ID)
        .tell(EventKind::NodeCreated { message_id: NOTIFY_ID, exchange: INFORMATIONAL })
        .payload(PayloadType::Hash, NOTIFY_ID)
}

#[test]
fn the_peer_deletes_an_ipsec_sa() {
    assert_traces!("delete-ipsec-sa", {
        let deletion = Deletion { message_id: NOTIFY_ID, protocol: ProtocolId::Esp, spis: vec![0x7312_56eb] };
        let removed = EventKind::PairRemoved {
            pair: 1,
            protocol: ProtocolId::Esp,
            inbound_spi: 0x63a2_78d7,
            outbound_spi: 0x7312_56eb,
            reason: PairEnd::DeletedByPeer,
        };
        informational_in(established().then())
            .tell(EventKind::DeleteReceived(deletion))
            .tell(EventKind::NodeDeleted { message_id: NOTIFY_ID, reason: NodeEnd::Informational })
            .tell(removed)
            .tell(EventKind::DeleteNotSent { spi: 0x63a2_78d7 })
    });
}

#[test]
fn the_peer_deletes_phase_1() {
    assert_traces!("delete-phase-1", {
        let deletion = Deletion { message_id: NOTIFY_ID, protocol: ProtocolId::Isakmp, spis: vec![] };
        informational_in(established().then())
            .tell(EventKind::DeleteReceived(deletion))
            .tell(EventKind::SaDeleted { reason: SaEnd::DeletedByPeer })
            .tell(EventKind::NodeDeleted { message_id: NOTIFY_ID, reason: NodeEnd::Informational })
            .state(Phase1Input::Phase1Deleted, Phase1State::Complete, Phase1State::Deleted)
            .tell(EventKind::PeerUnlocked { peer: 1, holders: 0, cause: UnlockCause::SaDeleted })
            .tell(EventKind::NodeDeleted { message_id: QUICK_ID, reason: NodeEnd::SaGone })
            .tell(EventKind::NodePurged { message_id: QUICK_ID })
            .tell(EventKind::SaPurged)
    });
}

fn liveness(kind: NotifyType) -> Notify {
    Notify {
        message_id: NOTIFY_ID,
        kind,
        protocol: ProtocolId::Isakmp,
        spi: vec![0xaa; 16],
        data: vec![0, 0, 0x12, 0x34],
        about: None,
    }
}

#[test]
fn the_peer_is_alive() {
    assert_traces!("dpd-alive", {
        let complete = Phase1State::Complete;
        let story = established()
            .then()
            .tell(EventKind::NodeCreated { message_id: NOTIFY_ID, exchange: INFORMATIONAL })
            .tell(EventKind::NotifySent(liveness(NotifyType::RUThere)))
            .sent(INFORMATIONAL, NOTIFY_ID)
            .tell(EventKind::NodePurged { message_id: NOTIFY_ID })
            .state(Phase1Input::LivenessTimer, complete, complete);
        informational_in(story)
            .tell(EventKind::NotifyReceived { notify: liveness(NotifyType::RUThereAck), authenticated: true })
            .tell(EventKind::NodeDeleted { message_id: NOTIFY_ID, reason: NodeEnd::Informational })
            .state(Phase1Input::NotifyIn, complete, complete)
    });
}

#[test]
fn the_peer_is_dead() {
    assert_traces!("dpd-dead", {
        established()
            .then()
            .tell(EventKind::LivenessMissed { count: 1, of: 5 })
            .tell(EventKind::LivenessMissed { count: 5, of: 5 })
            .tell(EventKind::PeerDead)
            .tell(EventKind::SaDeleted { reason: SaEnd::PeerDead })
            .state(Phase1Input::Phase1Deleted, Phase1State::Complete, Phase1State::Deleted)
    });
}

#[test]
fn messages_are_sent_again() {
    assert_traces!("retransmission", {
        let again =
            |exchange, message_id, cause| EventKind::Retransmitted { exchange, message_id, attempt: 2, of: 5, cause };
        let duplicate = |answered| EventKind::DuplicateReceived {
            exchange: ExchangeType::Main,
            message_id: MessageId(0),
            since_answer: std::time::Duration::from_millis(420),
            answered,
        };
        Story::responder()
            .exchanged_keys()
            .then()
            .tell(duplicate(false))
            .tell(duplicate(true))
            .tell(again(ExchangeType::Main, MessageId(0), RetransmitCause::Duplicate))
            .tell(again(ExchangeType::Main, MessageId(0), RetransmitCause::Timer))
            .progress(Progress::QuickIdle)
            .tell(again(ExchangeType::Quick, QUICK_ID, RetransmitCause::Timer))
    });
}

#[test]
fn a_lifetime_is_cut() {
    assert_traces!("responder-lifetime", {
        let notify = Notify {
            message_id: NOTIFY_ID,
            kind: NotifyType::ResponderLifetime,
            protocol: ProtocolId::Isakmp,
            spi: vec![0xaa; 16],
            data: vec![],
            about: None,
        };
        let changed = EventKind::LifetimeChanged { protocol: ProtocolId::Isakmp, seconds: Some(3600), kilobytes: None };
        informational_in(established().then())
            .tell(EventKind::NotifyReceived { notify, authenticated: true })
            .tell(changed)
    });
}

#[test]
fn datagrams_are_refused() {
    let mut story = Story::initiator().begun().then();
    for refusal in [
        Refusal::Malformed("payload 1: length".to_owned()),
        Refusal::NoSa,
        Refusal::NotEncrypted,
        Refusal::NotAuthenticated,
        Refusal::ConfigPending,
        Refusal::UnsupportedExchange(ExchangeType::Unknown(243)),
        Refusal::UnsupportedVersion(0x20),
        Refusal::AggressiveDisabled,
        Refusal::NotConfigured,
        Refusal::TooManyHalfOpen,
        Refusal::Unprotected,
    ] {
        story = story.tell(EventKind::DatagramRefused(refusal));
    }
    let notify = liveness(NotifyType::NoProposalChosen);
    let story = story
        .tell(EventKind::NotifyReceived { notify, authenticated: false })
        .tell(EventKind::UnexpectedMessage { expected: "MM2 (SA)".to_owned(), found: "MM1 (SA)".to_owned() })
        .tell(EventKind::ChoiceNotOffered { attribute: "hash".to_owned() })
        .tell(EventKind::HashMismatch { message_id: MessageId(0), method: AuthenticationMethod::PreSharedKey })
        .tell(EventKind::HashMismatch { message_id: QUICK_ID, method: AuthenticationMethod::PreSharedKey });
    assert_traces!("refused-datagrams", story);
}

#[test]
fn xauth_runs() {
    assert_traces!("xauth", {
        let message = |kind| ConfigMessage {
            message_id: NOTIFY_ID,
            kind,
            identifier: 1,
            attributes: vec![
                Attribute::variable(XauthAttribute::XauthUserName, *b"anna"),
                Attribute::variable(XauthAttribute::XauthUserPassword, []),
            ],
        };
        Story::responder()
            .main_mode()
            .then()
            .progress(Progress::Xauth)
            .tell(EventKind::NodeCreated { message_id: NOTIFY_ID, exchange: ExchangeType::Transaction })
            .tell(EventKind::ConfigSent(message(ConfigType::Request)))
            .sent(ExchangeType::Transaction, NOTIFY_ID)
            .received(ExchangeType::Transaction, NOTIFY_ID)
            .tell(EventKind::ConfigReceived(message(ConfigType::Reply)))
            .tell(EventKind::NodeDeleted { message_id: NOTIFY_ID, reason: NodeEnd::Config })
            .state(Phase1Input::ConfigIn(ConfigType::Reply), Phase1State::XauthRequestSent, Phase1State::XauthChecking)
    });
}
