//! An ISAKMP SA of which phase 1 is complete: the exchanges under it, its lifetime, and whether the peer lives.

use std::collections::BTreeMap;

use crate::crypto::{Digest, Hash};
use crate::ike::context::Context;
use crate::ike::event::{EventKind, NodeEnd, PairEnd, Refusal, RetransmitCause, SaEnd};
use crate::ike::io::{Output, RequestFailure};
use crate::ike::policy::PeerSettings;
use crate::ike::resend::{Alarm, Resend};
use crate::ike::sa::QuickRequest;
use crate::ike::v1::association::Association;
use crate::ike::v1::liveness::Liveness;
use crate::ike::v1::message::Incoming;
use crate::ike::v1::quick::initiator::{self, Answered, ExpectAnswer};
use crate::ike::v1::quick::responder::{self, Begun, ExpectConfirmation};
use crate::ike::v1::session::Session;
use crate::ike::vendor::PeerFeatures;
use crate::time::Instant;
use crate::wire::Spi;
use crate::wire::isakmp::{
    Attribute, ExchangeType, LifeType, MessageId, NotifyPayload, NotifyType, OakleyAttribute, ProtocolId,
};

/// Exchanges of one SA that are remembered; the oldest that is over makes room for a new one.
const MAX_EXCHANGES: usize = 128;

/// An ISAKMP SA of which phase 1 is complete.
#[derive(Debug)]
pub(crate) struct Established {
    pub session: Session,
    /// Set when the SA is to end.
    pub ended: Option<SaEnd>,
    pub(super) exchanges: BTreeMap<MessageId, Exchange>,
    pub(super) expires: Option<Instant>,
    pub(super) liveness: Liveness,
    settings: PeerSettings,
    keepalive: Option<Instant>,
    /// Inbound SPIs that the peer's INITIAL-CONTACT made stale.
    stale: Vec<Spi>,
}

/// A phase 2 exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub wait: Wait,
    /// The message sent last.
    resend: Option<Resend>,
    /// The message processed last.
    processed: Option<Digest>,
    /// When it is forgotten, once it is over.
    purge: Option<Instant>,
}

/// What an exchange waits for.
#[derive(Debug)]
pub(crate) enum Wait {
    /// Quick mode message 2.
    Answer(Box<ExpectAnswer>),
    /// Quick mode message 3.
    Confirmation(Box<ExpectConfirmation>),
    /// Nothing: it is over and only remembered.
    Nothing,
}

impl Established {
    pub fn new(
        session: Session,
        sa: &Association,
        cx: &mut Context<'_>,
        features: &PeerFeatures,
        stale: Vec<Spi>,
    ) -> Self {
        let settings = cx.policy.settings(&sa.peer());
        let behind_nat = session.nat.support.is_some() && session.nat.local;
        let keepalive = settings.nat_keepalive.filter(|_| behind_nat).map(|interval| cx.now + interval);
        Self {
            ended: None,
            exchanges: BTreeMap::new(),
            expires: session.agreed.lifetime.map(|lifetime| cx.now + lifetime),
            liveness: Liveness::new(settings.dpd.filter(|_| features.dpd), cx.now, cx.shared.random()),
            settings,
            keepalive,
            stale,
            session,
        }
    }

    /// What is to be said as soon as phase 1 is complete.
    pub fn completed(&mut self, sa: &Association, cx: &mut Context<'_>) {
        if let Some(own) = self.session.agreed.cut
            && cx.shared.personality.phase1_lifetime_notify
        {
            // real-cisco-on-the-wire 5a [S]: right behind message 6, SPI = both cookies, seconds and their duration.
            let seconds = u32::try_from(own.as_secs()).unwrap_or(u32::MAX);
            let mut data = Vec::new();
            Attribute::basic(OakleyAttribute::LifeType, LifeType::Seconds).emit(&mut data);
            Attribute::duration(OakleyAttribute::LifeDuration, seconds).emit(&mut data);
            let notify = NotifyPayload {
                doi: 1,
                protocol: ProtocolId::Isakmp,
                spi: sa.id.to_bytes().to_vec(),
                kind: NotifyType::ResponderLifetime,
                data,
            };
            self.session.notify(sa, cx, notify, None);
        }
        for inbound in std::mem::take(&mut self.stale) {
            self.session.delete_esp(sa, cx, &[inbound]);
        }
    }

    /// Begins a quick mode.
    pub fn begin_quick(&mut self, sa: &Association, cx: &mut Context<'_>, request: QuickRequest, on_existing: bool) {
        if !self.make_room() {
            return cx.output(Output::Failed { request: request.id, reason: RequestFailure::TooMany });
        }
        let message_id = self.free_message_id(cx);
        let (wait, octets) = initiator::begin(&self.session, sa, cx, request, message_id, on_existing);
        let resend = Some(Resend::timed(octets, cx.now, &cx.shared.personality.retransmission));
        let exchange = Exchange { wait: Wait::Answer(Box::new(wait)), resend, processed: None, purge: None };
        self.exchanges.insert(message_id, exchange);
    }

    /// Takes a message of an exchange other than phase 1.
    pub fn handle(&mut self, incoming: &Incoming<'_>, sa: &mut Association, cx: &mut Context<'_>) {
        let header = incoming.header();
        match header.exchange {
            ExchangeType::Quick | ExchangeType::Informational if !header.flags.encrypted() => {
                sa.tell(cx, EventKind::DatagramRefused(Refusal::NotEncrypted));
            }
            ExchangeType::Quick => self.quick(incoming, sa, cx),
            ExchangeType::Informational => self.informational(incoming, sa, cx),
            exchange => sa.tell(cx, EventKind::DatagramRefused(Refusal::UnsupportedExchange(exchange))),
        }
    }

    /// Does what is due.
    pub fn timeout(&mut self, sa: &mut Association, cx: &mut Context<'_>) {
        let now = cx.now;
        if self.expires.is_some_and(|expires| expires <= now) {
            self.session.delete_isakmp(sa, cx);
            self.ended = Some(SaEnd::Expired);
            return;
        }
        if let (Some(due), Some(interval)) = (self.keepalive, self.settings.nat_keepalive)
            && due <= now
        {
            self.keepalive = Some(now + interval);
            sa.tell(cx, EventKind::NatKeepaliveSent);
            cx.output(Output::Keepalive { local: sa.local, remote: sa.remote });
        }
        let due: Vec<MessageId> = self
            .exchanges
            .iter()
            .filter(|(_, exchange)| exchange.due().is_some_and(|due| due <= now))
            .map(key)
            .collect();
        for message_id in due {
            self.exchange_timeout(message_id, sa, cx);
        }
        if self.liveness.timeout(&self.session, sa, cx) {
            self.ended = Some(SaEnd::PeerDead);
        }
    }

    /// When something is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let exchanges = self.exchanges.values().filter_map(Exchange::due).min();
        [self.expires, self.keepalive, self.liveness.next_timeout(), exchanges].into_iter().flatten().min()
    }

    /// Protected traffic went to or came from the peer.
    pub fn traffic(&mut self, now: Instant, inbound: bool) {
        if inbound { self.liveness.heard(now) } else { self.liveness.wanted(now) }
    }

    /// The SA goes: what is under way fails.
    pub fn end_exchanges(self, sa: &Association, cx: &mut Context<'_>, failure: RequestFailure) {
        for (message_id, exchange) in self.exchanges {
            match exchange.wait {
                Wait::Answer(wait) => cx.output(Output::Failed { request: wait.request.id, reason: failure }),
                Wait::Confirmation(wait) => {
                    cx.remove_pair(wait.inbound, PairEnd::Unconfirmed, Some(sa.reference()));
                }
                Wait::Nothing => {}
            }
            sa.tell(cx, EventKind::NodeDeleted { message_id, reason: NodeEnd::SaGone });
        }
    }

    /// The peer refuses a quick mode of ours with an error notify; returns which.
    pub(super) fn refused(&mut self, sa: &Association, cx: &mut Context<'_>, message_id: MessageId, kind: NotifyType) {
        let Some(exchange) = self.exchanges.get_mut(&message_id) else { return };
        let Wait::Answer(wait) = std::mem::replace(&mut exchange.wait, Wait::Nothing) else { return };
        exchange.over(cx);
        sa.tell(cx, EventKind::NodeDeleted { message_id, reason: NodeEnd::Refused });
        let reason = RequestFailure::Phase2Refused(kind.into());
        cx.output(Output::Failed { request: wait.request.id, reason });
    }

    /// The quick mode of ours that an error notify is about: the one whose SPI it carries, else the oldest.
    pub(super) fn refused_quick(&self, notify: &NotifyPayload) -> Option<MessageId> {
        let waiting = || {
            self.exchanges.iter().filter_map(|(id, exchange)| match &exchange.wait {
                Wait::Answer(wait) => Some((id, wait, exchange.resend.as_ref()?.sent)),
                _ => None,
            })
        };
        let carries = |spi: Spi| notify.spi.ends_with(&spi.to_bytes()) || notify.data.starts_with(&spi.to_bytes());
        let named = waiting().find(|(_, wait, _)| carries(wait.spi));
        named.or_else(|| waiting().min_by_key(|(.., sent)| *sent)).map(|(id, ..)| *id)
    }

    /// Remembers an exchange of the peer that is over, so that its duplicates are known.
    pub(super) fn remember(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>) {
        self.make_room();
        let mut exchange =
            Exchange { wait: Wait::Nothing, resend: None, processed: Some(fingerprint(incoming.octets)), purge: None };
        exchange.over(cx);
        self.exchanges.insert(incoming.header().message_id, exchange);
    }

    fn quick(&mut self, incoming: &Incoming<'_>, sa: &mut Association, cx: &mut Context<'_>) {
        let message_id = incoming.header().message_id;
        let Some(exchange) = self.exchanges.get_mut(&message_id) else {
            return self.begin_quick_of_peer(incoming, sa, cx);
        };
        let fingerprint = fingerprint(incoming.octets);
        if exchange.processed.as_ref() == Some(&fingerprint) {
            return exchange.duplicate(sa, cx, message_id);
        }
        let outcome = match &exchange.wait {
            Wait::Answer(wait) => wait.handle(&self.session, incoming, sa, cx).map(Some),
            Wait::Confirmation(wait) => wait.handle(&self.session, incoming, sa, cx).map(|()| None),
            Wait::Nothing => {
                let (expected, found) = ("nothing: the quick mode is over".to_owned(), incoming.describe(sa.role));
                return sa.tell(cx, EventKind::UnexpectedMessage { expected, found });
            }
        };
        match outcome {
            Ok(answered) => {
                exchange.processed = Some(fingerprint);
                let finished = std::mem::replace(&mut exchange.wait, Wait::Nothing);
                exchange.over(cx);
                exchange.resend = match answered {
                    Some(Answered::Confirmed(octets)) => Some(Resend::untimed(octets, cx.now)),
                    Some(Answered::Misfit) | None => None,
                };
                drop(finished);
                self.liveness.heard(cx.now);
                sa.follow_behind_nat(cx, incoming, &self.session.nat);
            }
            Err(failure) => sa.tell_failure(cx, incoming, &failure),
        }
    }

    fn begin_quick_of_peer(&mut self, incoming: &Incoming<'_>, sa: &mut Association, cx: &mut Context<'_>) {
        if !self.make_room() || cx.shared.pairs.len() >= cx.shared.limits.pairs {
            return sa.tell(cx, EventKind::DatagramRefused(Refusal::TooManyHalfOpen));
        }
        let message_id = incoming.header().message_id;
        let begun = responder::begin(&self.session, incoming, sa, cx);
        let exchange = match begun {
            Ok(Begun::Answered { wait, octets }) => {
                let resend = Some(Resend::timed(octets, cx.now, &cx.shared.personality.retransmission));
                let processed = Some(fingerprint(incoming.octets));
                Exchange { wait: Wait::Confirmation(Box::new(wait)), resend, processed, purge: None }
            }
            Ok(Begun::Refused) => {
                let mut exchange = Exchange {
                    wait: Wait::Nothing,
                    resend: None,
                    processed: Some(fingerprint(incoming.octets)),
                    purge: None,
                };
                exchange.over(cx);
                exchange
            }
            Err(failure) => return sa.tell_failure(cx, incoming, &failure),
        };
        self.exchanges.insert(message_id, exchange);
        self.liveness.heard(cx.now);
        sa.follow_behind_nat(cx, incoming, &self.session.nat);
    }

    fn exchange_timeout(&mut self, message_id: MessageId, sa: &Association, cx: &mut Context<'_>) {
        let Some(exchange) = self.exchanges.get_mut(&message_id) else { return };
        if exchange.purge.is_some_and(|purge| purge <= cx.now) {
            self.exchanges.remove(&message_id);
            return sa.tell(cx, EventKind::NodePurged { message_id });
        }
        let schedule = cx.shared.personality.retransmission.clone();
        let Some(resend) = &mut exchange.resend else { return };
        match resend.alarm(cx.now, &schedule) {
            Alarm::Quiet => {}
            Alarm::Again => {
                let (exchange, attempt) = (ExchangeType::Quick, resend.attempt);
                let (of, cause) = (schedule.waits.len() as u32, RetransmitCause::Timer);
                sa.tell(cx, EventKind::Retransmitted { exchange, message_id, attempt, of, cause });
                sa.transmit(cx, &resend.octets);
            }
            Alarm::Exhausted => {
                match std::mem::replace(&mut exchange.wait, Wait::Nothing) {
                    Wait::Answer(wait) => {
                        let reason = RequestFailure::Phase2Timeout;
                        cx.output(Output::Failed { request: wait.request.id, reason });
                    }
                    Wait::Confirmation(wait) => {
                        cx.remove_pair(wait.inbound, PairEnd::Unconfirmed, Some(sa.reference()));
                        self.session.delete_esp(sa, cx, &[wait.inbound]);
                    }
                    Wait::Nothing => {}
                }
                exchange.over(cx);
                sa.tell(cx, EventKind::NodeDeleted { message_id, reason: NodeEnd::Timeout });
            }
        }
    }

    /// Makes room for one more exchange; `false` when all that are remembered are under way.
    fn make_room(&mut self) -> bool {
        if self.exchanges.len() < MAX_EXCHANGES {
            return true;
        }
        let over = self.exchanges.iter().filter_map(|(id, exchange)| Some((exchange.purge?, *id))).min();
        over.is_some_and(|(_, id)| self.exchanges.remove(&id).is_some())
    }

    fn free_message_id(&self, cx: &mut Context<'_>) -> MessageId {
        loop {
            let message_id = cx.shared.message_id();
            if !self.exchanges.contains_key(&message_id) {
                return message_id;
            }
        }
    }
}

impl Exchange {
    fn due(&self) -> Option<Instant> {
        let resend = self.resend.as_ref().and_then(|resend| resend.due);
        [resend, self.purge].into_iter().flatten().min()
    }

    /// The exchange is over and only remembered.
    fn over(&mut self, cx: &Context<'_>) {
        self.wait = Wait::Nothing;
        self.resend = None;
        self.purge = Some(cx.now + cx.shared.personality.ageing.node);
    }

    fn duplicate(&mut self, sa: &Association, cx: &mut Context<'_>, message_id: MessageId) {
        let schedule = &cx.shared.personality.retransmission;
        let (guard, of) = (schedule.duplicate_guard, schedule.waits.len() as u32);
        let exchange = ExchangeType::Quick;
        let since_answer = self.resend.as_ref().map_or_else(Default::default, |resend| cx.now - resend.sent);
        let answered = self.resend.is_some() && since_answer >= guard;
        sa.tell(cx, EventKind::DuplicateReceived { exchange, message_id, since_answer, answered });
        if let Some(resend) = self.resend.as_mut().filter(|_| answered) {
            resend.sent = cx.now;
            let (attempt, cause) = (resend.attempt, RetransmitCause::Duplicate);
            sa.tell(cx, EventKind::Retransmitted { exchange, message_id, attempt, of, cause });
            sa.transmit(cx, &resend.octets);
        }
    }
}

fn key<T>((message_id, _): (&MessageId, T)) -> MessageId {
    *message_id
}

fn fingerprint(octets: &[u8]) -> Digest {
    Hash::Sha1.digest(&[octets])
}
