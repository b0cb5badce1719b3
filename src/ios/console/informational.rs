//! The lines of notifies, deletes, dead peer detection, retransmission, mode config and the end of an SA
//! (cisco-ios-facts 2.2, 2.3, 3.5, 4.2, 6.1, 8.4, 9.7).

use super::dress::{Dress, Fact};
use super::phase1::{role_letter, state_lines, state_words};
use super::{Console, Scribe, names, peer_pointer, remember};
use crate::ike::Event;
use crate::ike::event::{
    ConfigMessage, Deletion, EventKind, Malformation, Notify, Phase1Input, Phase1State, Refusal, RetransmitCause,
    SaEnd, UnlockCause,
};
use crate::wire::isakmp::{ConfigType, ExchangeType, MessageId, NotifyType, PayloadType, ProtocolId, XauthAttribute};

/// Where a responder is that refuses the first message.
pub(super) const REFUSING: Phase1State = Phase1State::ResponderMain(1);

/// Errors an SA may have.
const MAX_ERRORS: u32 = 5;

const SEEN: Fact = Fact::seen("LOG-XE1 LOG-XE2 LOG-12x LOG-123");
const SEEN_XE: Fact = Fact::seen("LOG-XE1 LOG-XE2");
const SEEN_12X: Fact = Fact::seen("LOG-12x");
const RETRANSMIT: Fact = Fact::seen("ITCERT STP");
const DPD: Fact = Fact::recalled("FACTS-6.1");
const RECALLED_CONFIG: Fact = Fact::recalled("FACTS-8.4");

impl Console {
    /// Renders everything that is neither phase 1 nor quick mode.
    pub(super) fn informational(&mut self, scribe: &mut Scribe, event: &Event) {
        let peer = event.remote.ip();
        match &event.kind {
            EventKind::NotifyReceived { notify, authenticated: true } => notify_received(scribe, event, notify),
            EventKind::NotifyReceived { authenticated: false, .. } => self.unprotected_notify(scribe, event),
            EventKind::NotifySent(notify) => notify_sent(scribe, notify),
            EventKind::DeleteReceived(deletion) => self.delete_received(scribe, deletion),
            EventKind::DeleteNotSent { spi } => {
                let local = event.local.ip();
                let what = "ignoring request to send delete notify (no ISAKMP sa)";
                let text = format!("{what} src {local} dst {peer} for SPI 0x{spi:X}");
                scribe.isakmp(Dress::ERROR_ZERO, Fact::seen("LOG-XE2"), text);
            }
            EventKind::LifetimeChanged { protocol, seconds, .. } => lifetime_changed(scribe, *protocol, *seconds),
            EventKind::Retransmitted { exchange, message_id, attempt, of, cause } => {
                retransmitted(scribe, event, (*exchange, *message_id), (*attempt, *of), *cause);
            }
            EventKind::DuplicateReceived { exchange, since_answer, answered, .. } => {
                let phase = phase_of(*exchange);
                let text = format!("phase {phase} packet is a duplicate of a previous packet.");
                scribe.isakmp(Dress::SA_WIDE, Fact::seen("ITCERT"), text);
                if *answered {
                    let text = format!("retransmitting due to retransmit phase {phase}");
                    scribe.isakmp(Dress::SA_WIDE, Fact::seen("ITCERT"), text);
                } else {
                    let millis = since_answer.as_millis();
                    let since = format!("(time since last transmission {millis})");
                    let text = format!("retransmission skipped for phase {phase} {since}");
                    scribe.isakmp(Dress::SA_WIDE, Fact::recalled("FACTS-2.2"), text);
                }
            }
            EventKind::DatagramRefused(refusal) => refused(scribe, event, refusal),
            EventKind::MalformedMessage { why, .. } => self.malformed(scribe, event, why),
            EventKind::UnexpectedMessage { .. } => {
                let state = self.state_of(scribe);
                let text = format!("Unknown Input IKE_MESG_FROM_PEER, IKE_MM_EXCH:  state = {state}");
                scribe.isakmp(Dress::SA, Fact::MODELLED, text);
            }
            EventKind::HashMismatch { message_id, method } => {
                let text = if *message_id == MessageId(0) {
                    let method = u16::from(*method);
                    format!("%CRYPTO-6-IKMP_AUTH_FAIL: Authentication method {method} failed with host {peer}")
                } else {
                    format!("%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Quick mode failed with peer at {peer}")
                };
                // The text is seen, that it comes here is a guess (cisco-ios-facts 4.2).
                scribe.syslog(Fact::inferred("CARTS"), text);
            }
            EventKind::ChoiceNotOffered { attribute } => {
                let what = format!("Remote peer {peer} responded with attribute {attribute} not offered or changed");
                scribe.syslog(Fact::seen("CARTS"), format!("%CRYPTO-6-IKMP_SA_NOT_OFFERED: {what}"));
            }
            EventKind::LivenessMissed { count, of } => {
                scribe.isakmp(Dress::PAREN, DPD, format!("DPD incrementing error counter ({count}/{of})"));
            }
            EventKind::PeerDead => scribe.isakmp(Dress::PAREN, DPD, format!("peer {peer} not responding!")),
            EventKind::ConfigReceived(message) => config_received(scribe, event, message),
            EventKind::ConfigSent(message) => config_sent(scribe, event, message),
            EventKind::SaDeleted { reason } => self.sa_deleted(scribe, event, *reason),
            EventKind::PeerUnlocked { peer, holders, cause } => {
                self.peer_unlocked(scribe, event, *peer, *holders, *cause);
            }
            EventKind::SaPurged => {
                let (serial, pointer) = (scribe.serial(), scribe.sa_pointer());
                self.memory.states.remove(&serial);
                self.memory.errors.remove(&serial);
                scribe.isakmp(Dress::SA, SEEN, format!("purging SA., sa={pointer:X}, delme={pointer:X}"));
            }
            _ => {}
        }
    }

    /// `incrementing error counter on sa`, counted per SA.
    pub(super) fn count_error(&mut self, scribe: &mut Scribe, what: &str) {
        let serial = scribe.serial();
        let count = self.memory.errors.get(&serial).copied().unwrap_or(0).saturating_add(1).min(MAX_ERRORS);
        remember(&mut self.memory.errors, serial, count);
        let text = format!("incrementing error counter on sa, attempt {count} of {MAX_ERRORS}: {what}");
        scribe.isakmp(Dress::PAREN, Fact::recalled("FACTS-3.5"), text);
    }

    fn state_of(&self, scribe: &Scribe) -> String {
        names::phase1_state(self.memory.states.get(&scribe.serial()).copied().unwrap_or(Phase1State::Ready))
    }

    fn unprotected_notify(&self, scribe: &mut Scribe, event: &Event) {
        let recalled = Fact::recalled("FACTS-3.5");
        scribe.isakmp(Dress::SA_WIDE, recalled, "Notify has no hash. Rejected.");
        let state = self.state_of(scribe);
        let unknown = format!("Unknown Input IKE_MESG_FROM_PEER, IKE_INFO_NOTIFY: state = {state}");
        scribe.isakmp(Dress::PAREN, recalled, unknown);
        let failed = "%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Informational mode failed with peer at";
        scribe.syslog(Fact::seen("CARTS"), format!("{failed} {}", event.remote.ip()));
    }

    fn delete_received(&self, scribe: &mut Scribe, deletion: &Deletion) {
        let id = scribe.id(deletion.message_id);
        scribe.isakmp(Dress::SA_WIDE, SEEN, format!("processing DELETE payload. message ID = {id}"));
        self.paranoid(scribe);
        if deletion.protocol == ProtocolId::Isakmp {
            return;
        }
        for spi in &deletion.spis {
            if self.behaviour.debug.install_await {
                let text = format!("Enqueued KEY_MGR_DELETE_SAS for IPSEC SA (SPI:0x{spi:X})");
                scribe.isakmp(Dress::SA, Fact::seen("LOG-XE2"), text);
            } else {
                scribe.ipsec(Fact::seen("LOG-123"), "IPSEC(key_engine_delete_sas): rec'd delete notify from ISAKMP");
            }
        }
    }

    fn paranoid(&self, scribe: &mut Scribe) {
        let empty_line = if self.behaviour.debug.paranoid_empty_line { "\n" } else { "" };
        scribe.isakmp(Dress::SA, SEEN, format!("peer does not do paranoid keepalives.{empty_line}"));
    }

    /// What a message that decrypts to nothing sensible leaves behind; the syslog line \[S:NOTES\], the others \[R\].
    fn malformed(&mut self, scribe: &mut Scribe, event: &Event, why: &Malformation) {
        let recalled = Fact::recalled("FACTS-4.2");
        if let Malformation::ReservedNotZero(payload) = why {
            let text = match payload {
                PayloadType::Id if self.behaviour.debug.lifetime_lines => "reserved not zero on ID payload!".to_owned(),
                payload => format!("reserved not zero on payload {}!", u8::from(*payload)),
            };
            scribe.isakmp(Dress::ORDINARY, recalled, text);
        }
        bad_message(scribe, event, Fact::seen("NOTES"));
        let what = if self.behaviour.debug.lifetime_lines { "PAYLOAD_MALFORMED" } else { "reset_retransmission" };
        self.count_error(scribe, what);
    }

    fn sa_deleted(&mut self, scribe: &mut Scribe, event: &Event, reason: SaEnd) {
        let (fact, words) = end_words(reason);
        if reason != SaEnd::DeletedByPeer {
            // A delete from the peer has said it already.
            self.paranoid(scribe);
        }
        let role = scribe.sa.map_or('R', |sa| role_letter(sa.role));
        let state = scribe.sa.map_or_else(String::new, |sa| names::padded_progress(sa.progress));
        let text = format!("deleting SA reason \"{words}\" state ({role}) {state} (peer {})", event.remote.ip());
        scribe.isakmp(Dress::SA, fact, &text);
        if reason == SaEnd::PolicyNotAccepted {
            self.repeat_vendor_lines(scribe);
            scribe.isakmp(Dress::PAREN, Fact::recalled("FACTS-3.5"), "FSM action returned error: 2");
            self.memory.refused = Some(scribe.serial());
        }
        self.memory.deleting = Some((scribe.serial(), fact, text));
    }

    fn peer_unlocked(&mut self, scribe: &mut Scribe, event: &Event, peer: u64, holders: u32, cause: UnlockCause) {
        let serial = scribe.serial();
        if let Some((_, fact, text)) = self.memory.deleting.take_if(|(of, ..)| *of == serial) {
            scribe.isakmp(Dress::SA, fact, text + " ");
        }
        let (by, fact) = match cause {
            UnlockCause::SaDeleted => ("isadb_mark_sa_deleted()", SEEN_12X),
            UnlockCause::InitiationFailed => ("isadb_unlock_peer_delete_sa()", SEEN_XE),
        };
        let pointer = peer_pointer(peer);
        let text = format!("Unlocking peer struct 0x{pointer:X} for {by}, count {holders}");
        scribe.isakmp(Dress::ORDINARY, fact, text);
        if holders == 0 {
            let text = format!("Deleting peer node by peer_reap for {}: {pointer:X}", event.remote.ip());
            scribe.isakmp(Dress::ORDINARY, Fact::seen("LOG-XE1 LOG-XE2 LOG-12x"), text);
        }
        if self.memory.refused.take_if(|of| *of == serial).is_some() {
            let input = Phase1Input::MessageReceived(ExchangeType::Main);
            state_lines(scribe, Fact::recalled("FACTS-3.5"), input, (REFUSING, Phase1State::Deleted));
        }
    }
}

/// The reason strings: `No reason` \[S:LOG-12x\], the others \[R\] or modelled.
fn end_words(reason: SaEnd) -> (Fact, &'static str) {
    let recalled = Fact::recalled("");
    match reason {
        SaEnd::DeletedByPeer => (SEEN_12X, "No reason"),
        SaEnd::Cleared => (recalled, "BY user command"),
        SaEnd::RetransmissionsExhausted => (Fact::recalled("FACTS-2.2"), "Death by retransmission P1"),
        SaEnd::PeerDead => (Fact::recalled("FACTS-6.1"), "P1 errcounter exceeded (PEERS_ALIVE_TIMER)"),
        SaEnd::PolicyNotAccepted => (Fact::recalled("FACTS-3.5"), "Phase1 SA policy proposal not accepted"),
        SaEnd::Expired => (recalled, "IKE SA Lifetime Exceeded"),
        SaEnd::InitialContact => (recalled, "Receive initial contact"),
        SaEnd::AuthenticationFailed => (Fact::MODELLED, "Authentication failed"),
        SaEnd::XauthFailed => (Fact::MODELLED, "XAuthenticate fail"),
        SaEnd::Replaced => (Fact::MODELLED, "Replaced by a newer SA"),
        SaEnd::InitiationFailed => (Fact::MODELLED, "Failed to initialize SA"),
        SaEnd::ConfigurationChanged => (Fact::MODELLED, "Configuration changed"),
    }
}

fn phase_of(exchange: ExchangeType) -> u8 {
    match exchange {
        ExchangeType::Main | ExchangeType::Aggressive => 1,
        _ => 2,
    }
}

/// A number for the SPI of a notify: of four octets itself, of two cookies the ESP SPI in its data or 0.
fn spi_of(notify: &Notify) -> u32 {
    let number = |octets: &[u8]| <[u8; 4]>::try_from(octets).map(u32::from_be_bytes).ok();
    match notify.kind {
        NotifyType::NoProposalChosen => number(&notify.spi).or_else(|| number(&notify.data)),
        _ => number(&notify.spi),
    }
    .unwrap_or(0)
}

fn notify_received(scribe: &mut Scribe, event: &Event, notify: &Notify) {
    let (name, protocol, spi) = (names::notify(notify.kind), u8::from(notify.protocol), spi_of(notify));
    let (id, pointer) = (scribe.id(notify.message_id), scribe.sa_pointer());
    let head = format!("processing NOTIFY {name} protocol {protocol}");
    let text = format!("{head}\n\tspi {spi}, message ID = {id}, sa = 0x{pointer:X}");
    scribe.isakmp(Dress::SA_WIDE, SEEN_XE, text);
    match notify.kind {
        NotifyType::RUThere | NotifyType::RUThereAck => {
            let sequence = sequence_of(notify);
            let fact = if notify.kind == NotifyType::RUThereAck { Fact::seen("FACTS-6.1") } else { DPD };
            let text = format!("{name} received from peer {}, sequence 0x{sequence:X}", event.remote.ip());
            scribe.isakmp(Dress::SA, fact, text);
        }
        _ => {
            if let Some(about) = notify.about {
                let text = format!("deleting spi {spi} message ID = {}", scribe.id(about));
                scribe.isakmp(Dress::SA, Fact::seen("LOG-XE1"), text);
            }
        }
    }
}

fn sequence_of(notify: &Notify) -> u32 {
    <[u8; 4]>::try_from(&notify.data[..]).map(u32::from_be_bytes).unwrap_or(0)
}

fn notify_sent(scribe: &mut Scribe, notify: &Notify) {
    // Not told: what is sent before there are keys (cisco-ios-facts 3.5 [R]), and INITIAL-CONTACT, told otherwise.
    if notify.message_id == MessageId(0) || scribe.sa.is_none_or(|sa| sa.connection == 0) {
        return;
    }
    let fact = if notify.kind == NotifyType::NoProposalChosen { Fact::seen("LOG-XE1") } else { DPD };
    let (name, protocol) = (names::notify(notify.kind), u8::from(notify.protocol));
    // IOS prints the address of the SPI here, not the SPI (cisco-ios-facts 9.5).
    let (id, pointer) = (scribe.id(notify.message_id), scribe.sa_pointer().wrapping_add(0x5a8));
    let head = format!("Sending NOTIFY {name} protocol {protocol}");
    scribe.isakmp(Dress::SA, fact, format!("{head}\n\tspi {pointer}, message ID = {id}"));
    if matches!(notify.kind, NotifyType::RUThere | NotifyType::RUThereAck) {
        scribe.isakmp(Dress::SA_WIDE, DPD, format!("seq. no 0x{:X}", sequence_of(notify)));
    }
}

/// A RESPONDER-LIFETIME for phase 1 restarts the timer \[S:LOG-12x\]; for phase 2 \[R\].
fn lifetime_changed(scribe: &mut Scribe, protocol: ProtocolId, seconds: Option<u32>) {
    scribe.isakmp(Dress::SA_WIDE, SEEN_12X, "processing responder lifetime");
    if protocol != ProtocolId::Isakmp {
        return;
    }
    scribe.isakmp(Dress::SA_WIDE, SEEN_12X, "start processing isakmp responder lifetime");
    if let Some(seconds) = seconds {
        scribe.isakmp(Dress::SA_WIDE, SEEN_12X, format!("restart ike sa timer to {seconds} secs"));
    }
}

fn retransmitted(
    scribe: &mut Scribe,
    event: &Event,
    (exchange, message_id): (ExchangeType, MessageId),
    (attempt, of): (u32, u32),
    cause: RetransmitCause,
) {
    let state = scribe.sa.map_or("MM_NO_STATE".to_owned(), |sa| names::padded_progress(sa.progress));
    let phase = phase_of(exchange);
    let (fact, what) = match phase {
        1 => (RETRANSMIT, format!("retransmitting phase 1 {state}")),
        _ => (Fact::recalled("FACTS-2.2"), format!("retransmitting phase 2 {state} {} ", scribe.id(message_id))),
    };
    scribe.isakmp(Dress::SA_WIDE, fact, format!("{what}..."));
    if cause != RetransmitCause::Duplicate {
        let counted = Fact::recalled("FACTS-2.2");
        if phase == 2 {
            let text = format!("incrementing error counter on node, attempt {attempt} of {of}: retransmit phase 2");
            scribe.isakmp(Dress::PAREN, counted, text);
        }
        let text = format!("incrementing error counter on sa, attempt {attempt} of {of}: retransmit phase {phase}");
        scribe.isakmp(Dress::PAREN, counted, text);
    }
    scribe.isakmp(Dress::SA_WIDE, fact, what.trim_end());
    let (peer, own, port) = (event.remote.ip(), event.local.port(), event.remote.port());
    let sending = format!("sending packet to {peer} my_port {own} peer_port {port} {}", state_words(scribe));
    scribe.isakmp(Dress::PACKET_OUT, RETRANSMIT, sending);
    if scribe.behaviour.debug.sending_line {
        scribe.isakmp(Dress::SA, SEEN_XE, "Sending an IKE IPv4 Packet.");
    }
}

fn bad_message(scribe: &mut Scribe, event: &Event, fact: Fact) {
    let what = format!("IKE message from {} failed its sanity check or is malformed", event.remote.ip());
    scribe.syslog(fact, format!("%CRYPTO-4-IKMP_BAD_MESSAGE: {what}"));
}

/// The syslog texts of cisco-ios-facts 6.3.
fn refused(scribe: &mut Scribe, event: &Event, refusal: &Refusal) {
    let (peer, local) = (event.remote.ip(), event.local.ip());
    let seen = Fact::seen("CARTS");
    match refusal {
        Refusal::Malformed(_) => bad_message(scribe, event, seen),
        Refusal::UnsupportedVersion(_) => bad_message(scribe, event, Fact::inferred("CARTS")),
        // What comes for an SA that is only remembered is no such case.
        Refusal::NoSa if scribe.sa.is_some() => {}
        Refusal::NoSa => {
            let what = format!("IKE message from {peer} has no SA and is not an initialization offer");
            scribe.syslog(seen, format!("%CRYPTO-4-IKMP_NO_SA: {what}"));
        }
        Refusal::NotEncrypted => {
            let what = format!("IKE packet from {peer} was not encrypted and it should've been.");
            scribe.syslog(seen, format!("%CRYPTO-6-IKMP_NOT_ENCRYPTED: {what}"));
        }
        Refusal::NotAuthenticated | Refusal::ConfigPending => {
            let what = format!("Cannot accept Quick Mode exchange from {peer} if SA is not authenticated");
            scribe.syslog(seen, format!("%CRYPTO-6-IKMP_SA_NOT_AUTH: {what}"));
        }
        Refusal::UnsupportedExchange(exchange) => {
            let what = format!("IKE peer at {peer} sent a message with an unknown exchange, {}", u8::from(*exchange));
            scribe.syslog(Fact::recalled("FACTS-6.3"), format!("%CRYPTO-6-IKMP_UNK_EXCHANGE: {what}"));
        }
        Refusal::AggressiveDisabled => {
            let what = "Unable to initiate or respond to Aggressive Mode while disabled";
            scribe.syslog(seen, format!("%CRYPTO-5-IKMP_AG_MODE_DISABLED: {what}"));
        }
        Refusal::TooManyHalfOpen => {
            let what = format!("IKE denied an INCOMING SA request from {peer} to {local}");
            let text = format!("%CRYPTO-4-IKE_DENY_SA_REQ: {what} due to SYSTEM SA LIMIT REACHED");
            scribe.syslog(Fact::recalled("FACTS-6.3"), text);
        }
        Refusal::Unprotected => {
            scribe.isakmp(Dress::SA_WIDE, Fact::recalled("FACTS-3.5"), "Notify has no hash. Rejected.");
        }
        Refusal::NotConfigured => {}
    }
}

fn config_received(scribe: &mut Scribe, event: &Event, message: &ConfigMessage) {
    let (peer, id) = (event.remote.ip(), scribe.id(message.message_id));
    let text = format!("processing transaction payload from {peer}. message ID = {id}");
    scribe.isakmp(Dress::SA, RECALLED_CONFIG, text);
    let kind = match message.kind {
        ConfigType::Request => "REQUEST".to_owned(),
        ConfigType::Reply => "REPLY".to_owned(),
        ConfigType::Set => "SET".to_owned(),
        ConfigType::Ack => "ACK".to_owned(),
        kind => kind.to_string(),
    };
    scribe.isakmp(Dress::ORDINARY, RECALLED_CONFIG, format!("Config payload {kind}"));
    if message.kind == ConfigType::Request {
        scribe.isakmp(Dress::SA, RECALLED_CONFIG, "checking request:");
    }
    for name in attribute_names(message) {
        let text = match (name.starts_with("XAUTH"), message.kind) {
            (true, ConfigType::Reply) => format!("ISAKMP/xauth: reply attribute {name}_V2"),
            _ => format!("ISAKMP:    {name}"),
        };
        scribe.push(super::Category::IsakmpDebug, RECALLED_CONFIG, text);
    }
}

fn config_sent(scribe: &mut Scribe, event: &Event, message: &ConfigMessage) {
    for name in attribute_names(message) {
        let text = match (name.starts_with("XAUTH"), message.kind) {
            (true, ConfigType::Request) => format!("ISAKMP/xauth: request attribute {name}_V2"),
            _ => format!("ISAKMP:    {name}"),
        };
        scribe.push(super::Category::IsakmpDebug, RECALLED_CONFIG, text);
    }
    let verb = match message.kind {
        ConfigType::Request | ConfigType::Set => "initiating peer config to",
        _ => "responding to peer config from",
    };
    let (peer, id) = (event.remote.ip(), scribe.id(message.message_id));
    scribe.isakmp(Dress::SA_WIDE, RECALLED_CONFIG, format!("{verb} {peer}. ID = {id}"));
}

fn attribute_names(message: &ConfigMessage) -> impl Iterator<Item = String> {
    message.attributes.iter().map(|attribute| XauthAttribute::from(attribute.kind).to_string())
}
