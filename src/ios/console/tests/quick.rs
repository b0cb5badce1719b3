//! Quick mode: success in both roles, every refusal on both sides.

use super::story::{NOTIFY_ID, QUICK_ID, no_proposal_chosen};
use super::*;
use crate::ike::event::*;
use crate::wire::isakmp::*;

fn established() -> Story {
    Story::responder().main_mode().then()
}

#[test]
fn success_as_responder() {
    assert_traces!("quick-mode-responder", established().quick_mode());
}

#[test]
fn success_as_initiator() {
    assert_traces!("quick-mode-initiator", Story::initiator().main_mode().then().quick_mode());
}

#[test]
fn perfect_forward_secrecy() {
    assert_traces!("quick-mode-pfs", { Story::initiator().main_mode().then().quick_mode_with(Some(1)) });
}

#[test]
fn a_second_quick_mode_begins_at_once() {
    assert_traces!("quick-mode-on-existing", { Story::initiator().main_mode().then().quick_mode_begun(true) });
}

#[test]
fn proxy_identities_are_refused() {
    assert_traces!("proxy-mismatch", { established().quick_mode_refused(None, QuickRefusal::ProxyIdentities) });
}

#[test]
fn the_transform_is_refused() {
    assert_traces!("transform-mismatch", { established().quick_mode_refused(None, QuickRefusal::Transform) });
}

#[test]
fn perfect_forward_secrecy_is_missing() {
    let refusal = QuickRefusal::Pfs { offered: None, configured: 14 };
    assert_traces!("pfs-mismatch", established().quick_mode_refused(None, refusal));
}

#[test]
fn no_map_is_applied() {
    assert_traces!("no-crypto-map", established().quick_mode_refused(None, QuickRefusal::NoPolicy));
}

#[test]
fn the_peer_refuses() {
    assert_traces!("refused-by-peer", {
        let complete = Phase1State::Complete;
        Story::initiator()
            .main_mode()
            .then()
            .received(ExchangeType::Informational, NOTIFY_ID)
            .tell(EventKind::NodeCreated { message_id: NOTIFY_ID, exchange: ExchangeType::Informational })
            .payload(PayloadType::Hash, NOTIFY_ID)
            .tell(EventKind::NotifyReceived { notify: no_proposal_chosen(Some(QUICK_ID)), authenticated: true })
            .tell(EventKind::NodeDeleted { message_id: QUICK_ID, reason: NodeEnd::Refused })
            .tell(EventKind::NodeDeleted { message_id: NOTIFY_ID, reason: NodeEnd::Informational })
            .state(Phase1Input::NotifyIn, complete, complete)
    });
}
