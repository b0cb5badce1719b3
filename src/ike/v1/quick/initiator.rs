//! Quick mode as initiator: messages 1 and 3 go out, 2 is waited for.

use crate::crypto::KeyPair;
use crate::ike::context::Context;
use crate::ike::event::{EventKind, NodeEnd, QuickInput, QuickState, QuickVerdict};
use crate::ike::io::{Output, RequestFailure};
use crate::ike::keys::IvChain;
use crate::ike::policy::QuickChoice;
use crate::ike::proposal::phase2::{self, Alternative, read_lifetimes};
use crate::ike::sa::{Mode, QuickRequest};
use crate::ike::selector::{Selector, Selectors};
use crate::ike::v1::association::Association;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::informational::told;
use crate::ike::v1::message::{Envelope, Incoming, Payloads, open};
use crate::ike::v1::quick::{Negotiated, enable_outbound, ids, install, peer_spi};
use crate::ike::v1::session::Session;
use crate::wire::Reader;
use crate::wire::Spi;
use crate::wire::isakmp::{
    Attribute, Body, EncapsulationMode, ExchangeType, MessageId, NotifyType, PayloadType, SaPayload,
};

/// Waits for message 2.
#[derive(Debug)]
pub(crate) struct ExpectAnswer {
    pub request: QuickRequest,
    /// Our inbound SPI.
    pub spi: Spi,
    message_id: MessageId,
    encapsulation: EncapsulationMode,
    ni_b: Vec<u8>,
    pair: Option<KeyPair>,
    iv: IvChain,
}

/// What came of message 2.
#[derive(Debug)]
pub(crate) enum Answered {
    /// The pair is installed and this is message 3.
    Confirmed(Vec<u8>),
    /// The peer's answer is authentic but none to our offer; the quick mode is over.
    Misfit,
}

/// Begins the exchange: makes message 1 and sends it.
pub(crate) fn begin(
    session: &Session,
    sa: &Association,
    cx: &mut Context<'_>,
    request: QuickRequest,
    message_id: MessageId,
    on_existing: bool,
) -> (ExpectAnswer, Vec<u8>) {
    sa.tell(cx, EventKind::QuickStarted { message_id, on_existing });
    let spi = cx.shared.spi();
    let encapsulation = encapsulation(session, request.mode);
    let offer = phase2::offer(&request, spi, encapsulation, &cx.shared.personality);
    let ni_b = cx.shared.nonce();
    let pair = request.pfs.map(|group| KeyPair::generate(group, &mut cx.shared.rng));
    let mut bodies = vec![Body::Sa(offer), Body::Nonce(ni_b.clone())];
    bodies.extend(pair.as_ref().map(|pair| Body::KeyExchange(pair.public().to_vec())));
    bodies.push(Body::Id(request.selectors.local.to_id()));
    bodies.push(Body::Id(request.selectors.remote.to_id()));
    sa.tell(cx, EventKind::SpiAllocated { message_id, protocol: crate::wire::isakmp::ProtocolId::Esp, spi: spi.0 });
    let envelope = Envelope { id: sa.id, exchange: ExchangeType::Quick, message_id };
    let hash = |rest: &[u8]| session.keys.skeyid_a.hash_1(message_id, rest);
    let (first_iv, padding) = (session.first_iv(message_id), cx.shared.personality.padding);
    let (octets, iv) = envelope.seal_hashed(bodies, hash, &session.encryption, &first_iv, padding);
    sa.send(cx, &octets);
    let (from, to) = (QuickState::Ready, QuickState::FirstSent);
    sa.tell(cx, EventKind::QuickStateChanged { message_id, input: QuickInput::Initiated, from, to });
    (ExpectAnswer { request, spi, message_id, encapsulation, ni_b, pair, iv }, octets)
}

impl ExpectAnswer {
    /// Takes message 2, installs the pair, makes and sends message 3.
    pub fn handle(
        &self,
        session: &Session,
        incoming: &Incoming<'_>,
        sa: &Association,
        cx: &mut Context<'_>,
    ) -> Result<Answered, Failure> {
        let message_id = self.message_id;
        let opened = open(incoming.message, &session.encryption, &self.iv)?;
        sa.processing(cx, PayloadType::Hash, message_id);
        let (hash, rest) = opened.hash_and_rest()?;
        if session.keys.skeyid_a.hash_2(message_id, &self.ni_b, rest) != *hash {
            let method = session.agreed.authentication;
            sa.tell(cx, EventKind::HashMismatch { message_id, method });
            return Err(Failure::HashMismatch);
        }
        sa.tell(cx, EventKind::HashVerified { message_id });
        let nr_b = match self.accept(session, sa, cx, opened.payloads()) {
            Ok(nr_b) => nr_b,
            Err(failure) => {
                self.give_up(sa, cx, incoming, &failure);
                return Ok(Answered::Misfit);
            }
        };
        let hash = session.keys.skeyid_a.hash_3(message_id, &self.ni_b, &nr_b);
        let envelope = Envelope { id: sa.id, exchange: ExchangeType::Quick, message_id };
        let padding = cx.shared.personality.padding;
        let bodies = vec![Body::Hash(hash.to_vec())];
        let (octets, _) = envelope.seal(bodies, &session.encryption, &opened.next_iv, padding);
        sa.send(cx, &octets);
        sa.tell(cx, EventKind::NodeDeleted { message_id, reason: NodeEnd::Done });
        let (from, to) = (QuickState::AwaitingInstall, QuickState::Complete);
        sa.tell(cx, EventKind::QuickStateChanged { message_id, input: QuickInput::Installed, from, to });
        enable_outbound(sa, cx, self.spi);
        Ok(Answered::Confirmed(octets))
    }

    /// Checks the answer against the offer and installs the pair; returns the responder's nonce.
    fn accept(
        &self,
        session: &Session,
        sa: &Association,
        cx: &mut Context<'_>,
        payloads: Payloads<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let message_id = self.message_id;
        sa.processing(cx, PayloadType::Sa, message_id);
        let answer = self.check_sa(sa, cx, payloads.sa()?)?;
        let selectors = self.selectors(&payloads)?;
        let choice = QuickChoice {
            entry: self.request.entry.clone(),
            interface: self.request.interface.clone(),
            lifetimes: self.request.lifetimes,
        };
        sa.tell(
            cx,
            EventKind::QuickJudged {
                message_id,
                proposal: answer.number,
                transforms: answer.transforms.clone(),
                local_proxy: selectors.local.to_id(),
                remote_proxy: selectors.remote.to_id(),
                verdict: QuickVerdict::Accepted { policy: choice.entry.clone() },
            },
        );
        sa.processing(cx, PayloadType::Nonce, message_id);
        let nr_b = payloads.nonce()?.clone();
        let g_qm_xy = match &self.pair {
            Some(pair) => {
                sa.processing(cx, PayloadType::KeyExchange, message_id);
                Some(pair.shared(payloads.key_exchange()?)?)
            }
            None => None,
        };
        for _ in payloads.all(PayloadType::Id) {
            sa.processing(cx, PayloadType::Id, message_id);
        }
        let transform = &answer.transforms[0];
        let lifetimes = self.responder_lifetime(sa, cx, &payloads);
        let lifetimes = self.request.lifetimes.min(transform.lifetimes()).min(lifetimes);
        let (from, to) = (QuickState::FirstSent, QuickState::AwaitingInstall);
        sa.tell(cx, EventKind::QuickStateChanged { message_id, input: QuickInput::MessageReceived, from, to });
        let suite = transform.suite().ok_or_else(|| Failure::bad_value("an ESP transform nobody knows"))?;
        let negotiated = Negotiated {
            message_id,
            initiator: true,
            request: Some(&self.request),
            choice,
            transform,
            suite,
            mode: self.request.mode,
            pfs: self.request.pfs,
            lifetimes,
            selectors,
            inbound: self.spi,
            outbound: peer_spi(&answer.spi)?,
            ni_b: &self.ni_b,
            nr_b: &nr_b,
            g_qm_xy: g_qm_xy.as_deref(),
        };
        install(session, sa, cx, negotiated);
        Ok(nr_b)
    }

    /// The one transform of the answer, which must be one of ours.
    fn check_sa(&self, sa: &Association, cx: &mut Context<'_>, answer: &SaPayload) -> Result<Alternative, Failure> {
        let mut all = phase2::alternatives(answer);
        let (Some(alternative), true) = (all.pop(), all.is_empty()) else {
            return Err(Failure::bad_value("an answer with other than one transform"));
        };
        let [transform] = &alternative.transforms[..] else {
            return Err(Failure::bad_value("an answer with more protocols than offered"));
        };
        let fits = transform.suite().is_some_and(|suite| self.request.suites.contains(&suite))
            && transform.encapsulation() == self.encapsulation
            && transform.group() == self.request.pfs.map(|group| group.number());
        let event = EventKind::QuickTransformChecked {
            message_id: self.message_id,
            proposal: alternative.number,
            transform: transform.clone(),
            acceptable: fits,
        };
        sa.tell(cx, event);
        if !fits {
            return Err(Failure::bad_value("a transform that was not offered"));
        }
        peer_spi(&alternative.spi)?;
        Ok(alternative)
    }

    /// The traffic as the responder gives it back: what we asked for, or something inside it.
    fn selectors(&self, payloads: &Payloads<'_>) -> Result<Selectors, Failure> {
        let wanted = self.request.selectors;
        let Some((idci, idcr)) = ids(payloads)? else { return Ok(wanted) };
        let read = |id| Selector::from_id(id).map_err(|error| Failure::bad_value(error.to_string()));
        let given = Selectors { local: read(idci)?, remote: read(idcr)? };
        if wanted.contains(&given) {
            Ok(given)
        } else {
            Err(Failure::bad_value(format!("identities {given}, which lie outside {wanted}")))
        }
    }

    /// What the responder says of its own lifetimes in message 2 (RFC 2407 4.6.3.1).
    fn responder_lifetime(
        &self,
        sa: &Association,
        cx: &mut Context<'_>,
        payloads: &Payloads<'_>,
    ) -> crate::ike::sa::Lifetimes {
        let mut lifetimes = crate::ike::sa::Lifetimes::default();
        for body in payloads.all(PayloadType::Notify) {
            let Body::Notify(notify) = body else { continue };
            sa.tell(cx, EventKind::NotifyReceived { notify: told(self.message_id, notify), authenticated: true });
            let attributes = Attribute::parse_all(&mut Reader::new(&notify.data));
            if let (NotifyType::ResponderLifetime, Ok(attributes)) = (notify.kind, attributes) {
                lifetimes = lifetimes.min(read_lifetimes(&attributes));
                let (seconds, kilobytes) = (lifetimes.seconds, lifetimes.kilobytes);
                sa.tell(cx, EventKind::LifetimeChanged { protocol: notify.protocol, seconds, kilobytes });
            }
        }
        lifetimes
    }

    fn give_up(&self, sa: &Association, cx: &mut Context<'_>, incoming: &Incoming<'_>, failure: &Failure) {
        sa.tell_failure(cx, incoming, failure);
        sa.tell(cx, EventKind::NodeDeleted { message_id: self.message_id, reason: NodeEnd::Error });
        cx.output(Output::Failed { request: self.request.id, reason: RequestFailure::Phase2BadAnswer });
    }
}

/// The encapsulation mode to offer: in UDP when there is a NAT.
fn encapsulation(session: &Session, mode: Mode) -> EncapsulationMode {
    match (session.nat.support.filter(|_| session.nat.found()), mode) {
        (Some(support), Mode::Tunnel) => support.tunnel,
        (Some(support), Mode::Transport) => support.transport,
        (None, Mode::Tunnel) => EncapsulationMode::Tunnel,
        (None, Mode::Transport) => EncapsulationMode::Transport,
    }
}

#[cfg(test)]
mod recorded;
