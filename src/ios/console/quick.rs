//! The lines of quick mode (cisco-ios-facts 9.1, 9.2, 9.5 to 9.7).

use super::dress::{Dress, Fact};
use super::{Console, Scribe, ipsec, names, remember};
use crate::ike::Event;
use crate::ike::event::{
    EventKind, InstalledPair, NodeEnd, OfferedTransform, QuickInput, QuickRefusal, QuickState, QuickVerdict,
};
use crate::wire::isakmp::{ExchangeType, MessageId};

const SEEN: Fact = Fact::seen("LOG-XE1 LOG-XE2 LOG-XE3 LOG-12x LOG-123");
const SEEN_XE: Fact = Fact::seen("LOG-XE1 LOG-XE2 LOG-XE3");
const SEEN_123: Fact = Fact::seen("LOG-123");

impl Console {
    /// Renders an event of quick mode; `false` when it is none.
    pub(super) fn quick(&mut self, scribe: &mut Scribe, event: &Event) -> bool {
        match &event.kind {
            EventKind::NodeCreated { message_id, exchange } => node_created(scribe, *message_id, *exchange),
            EventKind::NodeDeleted { message_id, reason } => self.node_deleted(scribe, *message_id, *reason),
            EventKind::NodePurged { message_id } => {
                let id = scribe.id(*message_id);
                scribe.isakmp(Dress::SA, SEEN, format!("purging node {id}"));
            }
            EventKind::QuickStarted { message_id, on_existing } => {
                self.memory.quick_started = Some(*message_id);
                if *on_existing {
                    outstanding(scribe, event);
                }
                let id = scribe.id(*message_id);
                scribe.isakmp(Dress::SA, SEEN, format!("beginning Quick Mode exchange, M-ID of {id}"));
            }
            EventKind::QuickTransformChecked { proposal, transform, acceptable, .. } => {
                transform_checked(scribe, *proposal, transform, *acceptable);
            }
            EventKind::QuickJudged { transforms, local_proxy, remote_proxy, verdict, .. } => {
                let offer = ipsec::Offer { transforms, local_proxy, remote_proxy };
                judged(scribe, event, offer, verdict);
            }
            EventKind::NoProposalAccepted { .. } => {
                let (local, remote) = (event.local.ip(), event.remote.ip());
                let text = format!("phase 2 SA policy not acceptable! (local {local} remote {remote})");
                scribe.isakmp(Dress::ERROR_WIDE, Fact::seen("LOG-XE1 NOTES"), text);
            }
            EventKind::SpiAllocated { message_id, .. } => self.spi_allocated(scribe, *message_id),
            EventKind::QuickStateChanged { message_id, input, from, to } => {
                self.quick_state_changed(scribe, event, *message_id, *input, *from, *to);
            }
            EventKind::SaInstalled(pair) => self.installed(scribe, event, pair),
            EventKind::OutboundEnabled { spi, .. } => {
                ipsec::queue_event(scribe);
                scribe.ipsec(SEEN_XE, "IPSEC(key_engine_enable_outbound): rec'd enable notify from ISAKMP");
                if self.behaviour.debug.creating_lines {
                    let text = format!("IPSEC(key_engine_enable_outbound): enable SA with spi {spi}/50");
                    scribe.ipsec(Fact::recalled(""), text);
                }
            }
            EventKind::PairRemoved { pair, inbound_spi, outbound_spi, .. } => {
                let installed = self.memory.pairs.remove(pair);
                ipsec::pair_removed(scribe, event, installed.as_ref(), *inbound_spi, *outbound_spi);
            }
            _ => return false,
        }
        true
    }

    fn node_deleted(&self, scribe: &mut Scribe, message_id: MessageId, reason: NodeEnd) {
        let id = scribe.id(message_id);
        let (error, fact, reason) = match reason {
            NodeEnd::Done => (false, SEEN, self.behaviour.debug.quick_done_reason),
            NodeEnd::DoneAwaited => (false, SEEN_XE, "QM done (await)"),
            NodeEnd::Rejected => (true, SEEN_XE, "QM rejected"),
            NodeEnd::Refused => (true, SEEN_XE, "Delete Larval"),
            NodeEnd::Informational => (false, SEEN, "Informational (in) state 1"),
            NodeEnd::Config => (false, Fact::recalled("FACTS-8.4"), "Done with xauth request/reply exchange"),
            NodeEnd::Timeout => (true, Fact::MODELLED, "Phase 2 err count exceeded"),
            NodeEnd::SaGone => (false, Fact::seen("LOG-12x"), "IKE deleted"),
            NodeEnd::Error => (true, Fact::MODELLED, "Processing error"),
        };
        let (dress, word) = if error { (Dress::ERROR, "TRUE") } else { (Dress::SA, "FALSE") };
        scribe.isakmp(dress, fact, format!("deleting node {id} error {word} reason \"{reason}\""));
    }

    fn spi_allocated(&self, scribe: &mut Scribe, message_id: MessageId) {
        let role = if self.memory.quick_started == Some(message_id) { "Initiator" } else { "Responder" };
        if self.behaviour.debug.gets_spi_line {
            let fact = Fact::seen("LOG-XE1 LOG-XE2 LOG-XE3 LOG-12x");
            scribe.isakmp(Dress::SA, fact, format!("QM {role} gets spi"));
        } else if role == "Responder" {
            scribe.isakmp(Dress::SA, Fact::recalled(""), "asking for 1 spis from ipsec");
        }
    }

    fn quick_state_changed(
        &mut self,
        scribe: &mut Scribe,
        event: &Event,
        message_id: MessageId,
        input: QuickInput,
        from: QuickState,
        to: QuickState,
    ) {
        let waits_for_install = self.behaviour.debug.install_await;
        if !waits_for_install && to == QuickState::AwaitingInstall {
            return;
        }
        let id = scribe.id(message_id);
        let skipped = !waits_for_install && from == QuickState::AwaitingInstall;
        // Without a wait for the installation the machine steps over it: as initiator [S:LOG-123], as responder [R].
        let (fact, input, from) = match to {
            QuickState::Complete if skipped => {
                (SEEN_123, names::quick_input(QuickInput::MessageReceived), QuickState::FirstSent)
            }
            _ if skipped => {
                (Fact::recalled("FACTS-9.0"), "IKE_MESG_FROM_IPSEC, IKE_SPI_REPLY", QuickState::AwaitingSpi)
            }
            _ => (SEEN, names::quick_input(input), from),
        };
        scribe.isakmp(Dress::SA, fact, format!("Node {id}, Input = {input}"));
        let (old, new) = (names::quick_state(from), names::quick_state(to));
        scribe.isakmp(Dress::SA, fact, format!("Old State = {old}  New State = {new}"));
        if let Some(pair) = self.memory.installing.take_if(|pair| pair.message_id == message_id) {
            ipsec::initialize_sas(scribe, event, &pair);
        }
    }

    fn installed(&mut self, scribe: &mut Scribe, event: &Event, pair: &InstalledPair) {
        remember(&mut self.memory.pairs, pair.pair, pair.clone());
        if self.behaviour.debug.creating_lines {
            creating(scribe, event, pair);
            self.memory.installing = Some(pair.clone());
            return;
        }
        ipsec::create_sas(scribe, event, pair);
        if self.behaviour.debug.peer_index_error {
            scribe.isakmp(Dress::ERROR_ZERO, SEEN_XE, "Failed to find peer index node to update peer_info_list");
        }
        let callback = "Received IPSec Install callback... proceeding with the negotiation";
        scribe.isakmp(Dress::SA, SEEN_XE, callback);
        let (spi, interface) = (pair.inbound_spi, &pair.interface);
        let text = format!("Successfully installed IPSEC SA (SPI:0x{spi:X}) on {interface}");
        scribe.isakmp(Dress::SA, SEEN_XE, text);
    }
}

/// `to QM_IDLE      ` whatever the SA's state, `to CONF_XAUTH   ` for a transaction \[R\].
fn node_created(scribe: &mut Scribe, message_id: MessageId, exchange: ExchangeType) {
    let id = scribe.id(message_id);
    match exchange {
        ExchangeType::Transaction => {
            let text = format!("set new node {id} to CONF_XAUTH   ");
            scribe.isakmp(Dress::ORDINARY, Fact::recalled("FACTS-8.4"), text);
        }
        _ => scribe.isakmp(Dress::ORDINARY, SEEN, format!("set new node {id} to QM_IDLE      ")),
    }
}

/// A quick mode on an SA that is already up.
fn outstanding(scribe: &mut Scribe, event: &Event) {
    let fact = Fact::seen("LOG-XE1");
    let (local, remote) = (event.local, event.remote);
    let ends = format!("local {} port {}, remote {} port {}", local.ip(), local.port(), remote.ip(), remote.port());
    scribe.isakmp(Dress::SA, fact, format!("SA has outstanding requests  ({ends})"));
    scribe.isakmp(Dress::SA, fact, "sitting IDLE. Starting QM immediately (QM_IDLE      )");
}

fn transform_checked(scribe: &mut Scribe, proposal: u8, transform: &OfferedTransform, acceptable: bool) {
    scribe.isakmp(Dress::SA, SEEN, format!("Checking IPSec proposal {proposal}"));
    let number = transform.number;
    scribe.isakmp(Dress::ORDINARY, SEEN, format!("transform {number}, {}", names::transform_id(transform)));
    scribe.isakmp(Dress::ATTRIBUTE, SEEN, "   attributes in transform:");
    for attribute in &transform.attributes {
        let (text, long) = names::ipsec_attribute(attribute);
        scribe.isakmp(if long { Dress::DURATION } else { Dress::ATTRIBUTE }, SEEN, text);
    }
    if acceptable {
        scribe.isakmp(Dress::SA, SEEN, "atts are acceptable.");
    } else {
        scribe.isakmp(Dress::ERROR, Fact::recalled(""), "atts not acceptable. Next payload is 0");
    }
}

fn judged(scribe: &mut Scribe, event: &Event, offer: ipsec::Offer<'_>, verdict: &QuickVerdict) {
    ipsec::validate_proposal(scribe, event, offer);
    let refusal = match verdict {
        QuickVerdict::Accepted { policy } => return ipsec::map_accepted(scribe, offer, policy),
        QuickVerdict::Refused(refusal) => refusal,
    };
    let words = names::transform_words(offer.transforms);
    // 32 [S:LOG-XE1], 256 [S:NOTES], 64 [R]; what a PFS refusal says is unknown (cisco-ios-facts 5.4).
    let (error, fact) = match refusal {
        QuickRefusal::ProxyIdentities => {
            ipsec::proxy_match(scribe, offer, 0);
            scribe.ipsec(Fact::seen("NOTES"), "map_db_find_best did not find matching map");
            let text = "IPSEC(ipsec_process_proposal): proxy identities not supported";
            scribe.ipsec(Fact::seen("NOTES"), text);
            (32, Fact::seen("LOG-XE1"))
        }
        QuickRefusal::Transform | QuickRefusal::Encapsulation => {
            ipsec::proxy_match(scribe, offer, 0);
            let text = "IPSEC(ipsec_process_proposal): transform proposal not supported for identity: ";
            scribe.ipsec(Fact::seen("NOTES NOTES-KR"), format!("{text}\n    {{{words}}}"));
            (256, Fact::seen("NOTES"))
        }
        QuickRefusal::Pfs { .. } => {
            ipsec::proxy_match(scribe, offer, 0);
            (256, Fact::MODELLED)
        }
        QuickRefusal::NoPolicy => {
            let text = format!("no IPSEC cryptomap exists for local address {}", event.local.ip());
            scribe.ipsec(Fact::recalled("FACTS-5.2"), text);
            (64, Fact::recalled("FACTS-5.3"))
        }
    };
    scribe.isakmp(Dress::ERROR_WIDE, fact, format!("IPSec policy invalidated proposal with error {error}"));
}

/// `Creating IPSec SAs` of 12.x \[S:LOG-123 as initiator, whose blanks are lost: R\]: one message whose lines begin with
/// eight blanks.
fn creating(scribe: &mut Scribe, event: &Event, pair: &InstalledPair) {
    let (local, remote) = (event.local.ip(), event.remote.ip());
    let (near, far) = (names::proxy_address(&pair.local_proxy).0, names::proxy_address(&pair.remote_proxy).0);
    let (inbound, outbound) = scribe.behaviour.ipsec_connections(pair.pair);
    let pfs = if pair.pfs.is_some() { 2 } else { 0 };
    let lifetime: String = [(pair.seconds, "seconds"), (pair.kilobytes, "kilobytes")]
        .iter()
        .filter(|(amount, _)| *amount != 0)
        .map(|(amount, unit)| format!("        lifetime of {amount} {unit}\n"))
        .collect();
    let text = format!(
        "Creating IPSec SAs\n        inbound SA from {remote} to {local} (f/i)  0/ 0\n        (proxy {far} to {near})\n        \
         has spi 0x{:X} and conn_id {inbound} and flags {:X}\n{lifetime}        has client flags 0x0\n        outbound \
         SA from {local} to {remote} (f/i) 0/ 0 (proxy {near} to {far})\n        has spi {} and conn_id {outbound} and \
         flags {:X}\n{lifetime}        has client flags 0x0",
        pair.inbound_spi,
        0x11 + pfs,
        pair.outbound_spi,
        0x19 + pfs,
    );
    scribe.isakmp(Dress::SA_WIDE, SEEN_123, text);
}
