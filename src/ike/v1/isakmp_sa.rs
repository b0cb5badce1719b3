//! The ISAKMP SA: its states, what leads from one to the next, and what happens when nothing does.

use crate::crypto::{Digest, Hash};
use crate::ike::context::Context;
use crate::ike::event::{
    EventKind, Phase1Input, Phase1State, Progress, Refusal, RetransmitCause, Role, SaEnd, UnlockCause,
};
use crate::ike::io::{Output, RequestFailure};
use crate::ike::resend::{Alarm, Resend};
use crate::ike::sa::QuickRequest;
use crate::ike::v1::association::Association;
use crate::ike::v1::established::Established;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::informational::{is_error, told};
use crate::ike::v1::main::shared::PHASE1;
use crate::ike::v1::main::{initiator, responder};
use crate::ike::v1::message::Incoming;
use crate::time::Instant;
use crate::wire::isakmp::{Body, ExchangeType, NotifyType, PayloadType};

/// Requests that may wait for one SA.
const MAX_QUEUE: usize = 64;

/// Where an ISAKMP SA is. Each state holds only what is known then.
#[derive(Debug)]
pub(crate) enum State {
    /// Initiator, waits for message 2.
    InitiatorSa(initiator::ExpectSa),
    /// Initiator, waits for message 4.
    InitiatorKe(Box<initiator::ExpectKe>),
    /// Initiator, waits for message 6.
    InitiatorAuth(Box<initiator::ExpectAuth>),
    /// Responder, waits for message 3.
    ResponderKe(responder::ExpectKe),
    /// Responder, waits for message 5.
    ResponderAuth(Box<responder::ExpectAuth>),
    /// Phase 1 is complete.
    Established(Box<Established>),
    /// Deleted; only remembered.
    Deleted,
    /// Just created; message 1 is being made or judged.
    Fresh,
}

/// What a message leads to.
#[derive(Debug)]
pub(crate) struct Transition {
    /// The next state.
    pub next: State,
    /// The message to send.
    pub reply: Option<Reply>,
}

/// A message to send.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The message.
    pub octets: Vec<u8>,
    /// Whether it is sent again while no answer comes.
    pub timed: bool,
    /// Where the machine moves when it is out.
    pub then: Option<Phase1State>,
}

/// One ISAKMP SA.
#[derive(Debug)]
pub(crate) struct IsakmpSa {
    pub association: Association,
    pub state: State,
    /// Requests that wait for phase 1.
    queue: Vec<QuickRequest>,
    /// The phase 1 message sent last.
    resend: Option<Resend>,
    /// The phase 1 messages that were processed.
    processed: Vec<Digest>,
    /// Why it was deleted.
    end: Option<SaEnd>,
    /// When a half-open SA is given up, or a deleted one forgotten.
    deadline: Option<Instant>,
}

impl IsakmpSa {
    /// Begins phase 1 as initiator.
    ///
    /// # Errors
    ///
    /// Why it cannot be begun.
    pub fn initiate(
        mut association: Association,
        cx: &mut Context<'_>,
        request: QuickRequest,
    ) -> Result<Self, (RequestFailure, Association)> {
        let transition = match initiator::begin(&mut association, cx) {
            Ok(transition) => transition,
            Err(failure) => return Err((failure, association)),
        };
        let mut sa = Self::new(association);
        sa.queue.push(request);
        sa.apply(cx, transition);
        Ok(sa)
    }

    /// Takes message 1 as responder.
    pub fn respond(association: Association, cx: &mut Context<'_>, incoming: &Incoming<'_>) -> Self {
        let mut sa = Self::new(association);
        sa.deadline = Some(cx.now + cx.shared.personality.ageing.half_open);
        match responder::begin(incoming, &mut sa.association, cx) {
            Ok(transition) => {
                sa.processed.push(fingerprint(incoming.octets));
                sa.apply(cx, transition);
            }
            Err(failure) => sa.failed(cx, incoming, failure),
        }
        sa
    }

    fn new(association: Association) -> Self {
        Self {
            association,
            state: State::Fresh,
            queue: Vec::new(),
            resend: None,
            processed: Vec::new(),
            end: None,
            deadline: None,
        }
    }

    /// Takes a message that belongs to the SA.
    pub fn handle(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>) {
        if incoming.header().exchange == ExchangeType::Main {
            return self.main_mode(cx, incoming);
        }
        match &mut self.state {
            State::Established(established) => established.handle(incoming, &mut self.association, cx),
            State::Deleted => self.association.refuse_unknown(cx, incoming),
            _ => self.early(cx, incoming),
        }
        self.end_if_told(cx);
    }

    /// Wants a pair of IPsec SAs: at once, or when phase 1 is complete.
    pub fn request(&mut self, cx: &mut Context<'_>, request: QuickRequest) {
        match &mut self.state {
            State::Established(established) => established.begin_quick(&self.association, cx, request, true),
            _ if self.queue.len() < MAX_QUEUE => self.queue.push(request),
            _ => cx.output(Output::Failed { request: request.id, reason: RequestFailure::TooMany }),
        }
    }

    /// Does what is due.
    pub fn timeout(&mut self, cx: &mut Context<'_>) {
        match &mut self.state {
            State::Established(established) => {
                established.timeout(&mut self.association, cx);
                self.end_if_told(cx);
            }
            State::Deleted => {}
            _ => self.half_open_timeout(cx),
        }
    }

    /// When something is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let resend = self.resend.as_ref().and_then(|resend| resend.due);
        let established = match &self.state {
            State::Established(established) => established.next_timeout(),
            _ => None,
        };
        let deadline = self.deadline.filter(|_| resend.is_none());
        [deadline, resend, established].into_iter().flatten().min()
    }

    /// The SA with what it has been agreed on, once phase 1 is complete.
    pub fn established(&mut self) -> Option<(&mut Established, &mut Association)> {
        match &mut self.state {
            State::Established(established) => Some((established, &mut self.association)),
            _ => None,
        }
    }

    /// Whether phase 1 is going on.
    pub fn half_open(&self) -> bool {
        !matches!(self.state, State::Established(_) | State::Deleted)
    }

    /// Whether the SA was deleted because its peer is dead.
    pub fn dead_peer(&self) -> bool {
        self.end == Some(SaEnd::PeerDead)
    }

    /// Whether the SA is deleted and its time of being remembered is over.
    pub fn forgettable(&self, now: Instant) -> bool {
        matches!(self.state, State::Deleted) && self.deadline.is_none_or(|deadline| deadline <= now)
    }

    /// Deletes the SA: what waits for it fails, it is remembered for a while.
    pub fn delete(&mut self, cx: &mut Context<'_>, reason: SaEnd) {
        let state = std::mem::replace(&mut self.state, State::Deleted);
        if matches!(state, State::Deleted) {
            return;
        }
        let failure = request_failure(reason);
        for request in std::mem::take(&mut self.queue) {
            cx.output(Output::Failed { request: request.id, reason: failure });
        }
        self.resend = None;
        self.end = Some(reason);
        let association = &mut self.association;
        association.tell(cx, EventKind::SaDeleted { reason });
        association.moved(cx, Phase1Input::Phase1Deleted, Phase1State::Deleted);
        let holders = cx.shared.registry.delete(association.serial);
        let peer = association.peer_number;
        association.tell(cx, EventKind::PeerUnlocked { peer, holders, cause: UnlockCause::SaDeleted });
        if let State::Established(established) = state {
            established.end_exchanges(association, cx, failure);
        }
        self.deadline = Some(cx.now + cx.shared.personality.ageing.sa);
    }

    fn main_mode(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>) {
        if matches!(self.state, State::Deleted) {
            return self.association.refuse_unknown(cx, incoming);
        }
        let fingerprint = fingerprint(incoming.octets);
        if let Some(position) = self.processed.iter().position(|known| *known == fingerprint) {
            return self.duplicate(cx, position + 1 == self.processed.len());
        }
        let before = (self.association.state, self.association.progress, self.association.id);
        let sa = &mut self.association;
        let result = match &self.state {
            State::InitiatorSa(state) => state.handle(incoming, sa, cx),
            State::InitiatorKe(state) => state.handle(incoming, sa, cx),
            State::InitiatorAuth(state) => state.handle(incoming, sa, cx),
            State::ResponderKe(state) => state.handle(incoming, sa, cx),
            State::ResponderAuth(state) => state.handle(incoming, sa, cx),
            State::Established(_) => Err(Failure::Unexpected { expected: "quick mode or informational" }),
            State::Deleted | State::Fresh => return,
        };
        match result {
            Ok(transition) => {
                self.processed.push(fingerprint);
                self.apply(cx, transition);
            }
            Err(failure) => {
                (self.association.state, self.association.progress, self.association.id) = before;
                self.failed(cx, incoming, failure);
            }
        }
    }

    fn apply(&mut self, cx: &mut Context<'_>, transition: Transition) {
        self.state = transition.next;
        self.resend = None;
        if let Some(reply) = transition.reply {
            self.association.send(cx, &reply.octets);
            if let Some(then) = reply.then {
                self.association.moved(cx, Phase1Input::Completed, then);
            }
            self.resend = Some(match reply.timed {
                true => Resend::timed(reply.octets, cx.now, &cx.shared.personality.retransmission),
                false => Resend::untimed(reply.octets, cx.now),
            });
        }
        if matches!(self.state, State::Established(_)) {
            self.complete(cx);
        }
    }

    /// Phase 1 is complete: what waited for it begins.
    fn complete(&mut self, cx: &mut Context<'_>) {
        self.deadline = None;
        let queue = std::mem::take(&mut self.queue);
        let State::Established(established) = &mut self.state else { return };
        let sa = &mut self.association;
        if sa.role == Role::Initiator {
            sa.moved(cx, Phase1Input::Completed, Phase1State::Complete);
        }
        sa.progress = Progress::QuickIdle;
        for request in queue {
            established.begin_quick(sa, cx, request, false);
        }
        sa.moved(cx, Phase1Input::Phase1Completed, Phase1State::Complete);
        established.completed(sa, cx);
    }

    /// The peer repeats a message: our answer is sent again, unless it just was.
    fn duplicate(&mut self, cx: &mut Context<'_>, last: bool) {
        let schedule = &cx.shared.personality.retransmission;
        let (guard, of) = (schedule.duplicate_guard, schedule.waits.len() as u32);
        let resend = self.resend.as_mut().filter(|_| last);
        let since_answer = resend.as_ref().map_or_else(Default::default, |resend| cx.now - resend.sent);
        let answered = resend.is_some() && since_answer >= guard;
        let (exchange, message_id) = (ExchangeType::Main, PHASE1);
        let sa = &self.association;
        sa.tell(cx, EventKind::DuplicateReceived { exchange, message_id, since_answer, answered });
        if let Some(resend) = resend.filter(|_| answered) {
            resend.sent = cx.now;
            let (attempt, cause) = (resend.attempt, RetransmitCause::Duplicate);
            sa.tell(cx, EventKind::Retransmitted { exchange, message_id, attempt, of, cause });
            sa.transmit(cx, &resend.octets);
        }
    }

    fn half_open_timeout(&mut self, cx: &mut Context<'_>) {
        let schedule = cx.shared.personality.retransmission.clone();
        let alarm = self.resend.as_mut().map_or(Alarm::Quiet, |resend| resend.alarm(cx.now, &schedule));
        match alarm {
            Alarm::Quiet => {}
            Alarm::Again => {
                let Some(resend) = &self.resend else { return };
                let (exchange, message_id) = (ExchangeType::Main, PHASE1);
                let (attempt, of, cause) = (resend.attempt, schedule.waits.len() as u32, RetransmitCause::Timer);
                let sa = &self.association;
                sa.tell(cx, EventKind::Retransmitted { exchange, message_id, attempt, of, cause });
                sa.transmit(cx, &resend.octets);
            }
            Alarm::Exhausted => return self.delete(cx, SaEnd::RetransmissionsExhausted),
        }
        let waiting = self.resend.as_ref().is_some_and(|resend| resend.due.is_some());
        if !waiting && self.deadline.is_some_and(|deadline| deadline <= cx.now) {
            self.delete(cx, SaEnd::RetransmissionsExhausted);
        }
    }

    /// A message of another exchange came before phase 1 is complete.
    fn early(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>) {
        let exchange = incoming.header().exchange;
        let refusal = match exchange {
            ExchangeType::Informational => return self.clear_informational(cx, incoming),
            ExchangeType::Quick => Refusal::NotAuthenticated,
            ExchangeType::Transaction => Refusal::ConfigPending,
            exchange => Refusal::UnsupportedExchange(exchange),
        };
        self.association.tell(cx, EventKind::DatagramRefused(refusal));
    }

    /// A notify in clear: told, and believed only where the personality does.
    fn clear_informational(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>) {
        let Ok(payloads) = incoming.clear("a notify in clear") else {
            let refusal = Refusal::NotAuthenticated;
            return self.association.tell(cx, EventKind::DatagramRefused(refusal));
        };
        let message_id = incoming.header().message_id;
        let mut refused = false;
        for body in payloads.all(PayloadType::Notify) {
            let Body::Notify(notify) = body else { continue };
            refused |= is_error(notify.kind);
            let notify = told(message_id, notify);
            self.association.tell(cx, EventKind::NotifyReceived { notify, authenticated: false });
        }
        if refused && cx.shared.personality.believes_clear_refusals && self.association.role == Role::Initiator {
            self.delete(cx, SaEnd::PolicyNotAccepted);
        }
    }

    fn failed(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>, failure: Failure) {
        let sa = &self.association;
        let (exchange, message_id) = (incoming.header().exchange, incoming.header().message_id);
        let personality = &cx.shared.personality;
        let answers = [personality.garbage_answer, personality.phase1_refusal];
        match &failure {
            Failure::Malformed(why) => {
                sa.tell(cx, EventKind::MalformedMessage { exchange, message_id, why: why.clone() });
                if incoming.header().flags.encrypted() {
                    sa.refuse_in_clear(cx, answers[0], NotifyType::PayloadMalformed);
                }
            }
            Failure::Unexpected { expected } => {
                let (expected, found) = ((*expected).to_owned(), incoming.describe(sa.role));
                sa.tell(cx, EventKind::UnexpectedMessage { expected, found });
            }
            Failure::NotEncrypted => {
                sa.tell(cx, EventKind::DatagramRefused(Refusal::NotEncrypted));
            }
            Failure::NotOffered { attribute } => {
                sa.tell(cx, EventKind::ChoiceNotOffered { attribute: attribute.clone() });
            }
            Failure::NoProposalChosen => sa.refuse_in_clear(cx, answers[1], NotifyType::NoProposalChosen),
            Failure::IdentityRefused if sa.role == Role::Initiator => {}
            Failure::IdentityRefused => sa.refuse_in_clear(cx, answers[1], NotifyType::AuthenticationFailed),
            Failure::HashMismatch => sa.refuse_in_clear(cx, answers[0], NotifyType::InvalidHashInformation),
            Failure::NoPreSharedKey => {}
        }
        if let Some(reason) = failure.ends_sa() {
            self.delete(cx, reason);
        }
    }

    /// Ends the SA when what it is asks for it.
    fn end_if_told(&mut self, cx: &mut Context<'_>) {
        if let State::Established(established) = &mut self.state
            && let Some(reason) = established.ended.take()
        {
            self.delete(cx, reason);
        }
    }
}

/// What a message is known again by.
fn fingerprint(octets: &[u8]) -> Digest {
    Hash::Sha1.digest(&[octets])
}

fn request_failure(reason: SaEnd) -> RequestFailure {
    match reason {
        SaEnd::RetransmissionsExhausted => RequestFailure::Phase1Timeout,
        SaEnd::PolicyNotAccepted => RequestFailure::Phase1Refused,
        SaEnd::AuthenticationFailed | SaEnd::XauthFailed => RequestFailure::Phase1Authentication,
        SaEnd::InitiationFailed => RequestFailure::NoPolicy,
        SaEnd::DeletedByPeer
        | SaEnd::Cleared
        | SaEnd::PeerDead
        | SaEnd::Expired
        | SaEnd::Replaced
        | SaEnd::InitialContact
        | SaEnd::ConfigurationChanged => RequestFailure::SaGone,
    }
}
