//! Quick mode as responder: messages 1 and 3 are taken, 2 goes out.

use crate::crypto::{Group, KeyPair};
use crate::ike::context::Context;
use crate::ike::event::{EventKind, NodeEnd, QuickInput, QuickRefusal, QuickState, QuickVerdict};
use crate::ike::keys::IvChain;
use crate::ike::personality::{NotifySpi, RefusalAnswer};
use crate::ike::policy::{QuickChoice, QuickOffer};
use crate::ike::proposal::phase2::{self, Alternative, lifetime_attributes};
use crate::ike::sa::Lifetimes;
use crate::ike::selector::{Selector, Selectors};
use crate::ike::v1::association::Association;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::message::{Envelope, Incoming, Payloads, open};
use crate::ike::v1::quick::{Negotiated, enable_outbound, ids, install, peer_spi};
use crate::ike::v1::session::Session;
use crate::wire::Spi;
use crate::wire::isakmp::{
    Body, ExchangeType, IdPayload, MessageId, NotifyPayload, NotifyType, PayloadType, ProtocolId,
};

/// Waits for message 3.
#[derive(Debug)]
pub(crate) struct ExpectConfirmation {
    /// Our inbound SPI.
    pub inbound: Spi,
    message_id: MessageId,
    ni_b: Vec<u8>,
    nr_b: Vec<u8>,
    iv: IvChain,
}

/// What came of message 1.
#[derive(Debug)]
pub(crate) enum Begun {
    /// The inbound half is installed; message 2 is out.
    Answered {
        /// The next state.
        wait: ExpectConfirmation,
        /// Message 2.
        octets: Vec<u8>,
    },
    /// The offer is refused.
    Refused,
}

/// The proxies of an offer.
struct Proxies {
    /// As they stand, or as they follow from the addresses.
    local: IdPayload,
    remote: IdPayload,
}

/// What of an offer is taken.
struct Accepted {
    alternative: Alternative,
    choice: QuickChoice,
    pfs: Option<Group>,
    selectors: Selectors,
}

/// Takes message 1: refuses it, or installs the pair, makes and sends message 2.
pub(crate) fn begin(
    session: &Session,
    incoming: &Incoming<'_>,
    sa: &Association,
    cx: &mut Context<'_>,
) -> Result<Begun, Failure> {
    let message_id = incoming.header().message_id;
    let created = |cx: &mut Context<'_>| {
        sa.tell(cx, EventKind::NodeCreated { message_id, exchange: ExchangeType::Quick });
    };
    let opened = session.open_first(incoming, sa, cx, created)?;
    let payloads = opened.payloads();
    let begun = judge(session, sa, cx, message_id, payloads).and_then(|accepted| match accepted {
        Some(accepted) => answer(session, sa, cx, message_id, payloads, &opened.next_iv, accepted),
        None => Ok(Begun::Refused),
    });
    match &begun {
        Ok(Begun::Answered { .. }) => {}
        Ok(Begun::Refused) => refuse(session, sa, cx, message_id, payloads),
        Err(_) => sa.tell(cx, EventKind::NodeDeleted { message_id, reason: NodeEnd::Error }),
    }
    begun
}

impl ExpectConfirmation {
    /// Takes message 3: the outbound half may be used.
    pub fn handle(
        &self,
        session: &Session,
        incoming: &Incoming<'_>,
        sa: &Association,
        cx: &mut Context<'_>,
    ) -> Result<(), Failure> {
        let message_id = self.message_id;
        let opened = open(incoming.message, &session.encryption, &self.iv)?;
        let (hash, _) = opened.hash_and_rest()?;
        if session.keys.skeyid_a.hash_3(message_id, &self.ni_b, &self.nr_b) != *hash {
            let method = session.agreed.authentication;
            sa.tell(cx, EventKind::HashMismatch { message_id, method });
            return Err(Failure::HashMismatch);
        }
        sa.tell(cx, EventKind::HashVerified { message_id });
        sa.tell(cx, EventKind::NodeDeleted { message_id, reason: NodeEnd::DoneAwaited });
        moved(sa, cx, message_id, QuickInput::MessageReceived, QuickState::SecondSent, QuickState::Complete);
        enable_outbound(sa, cx, self.inbound);
        Ok(())
    }
}

/// Puts one alternative after the other to the policy and takes the first it accepts.
fn judge(
    session: &Session,
    sa: &Association,
    cx: &mut Context<'_>,
    message_id: MessageId,
    payloads: Payloads<'_>,
) -> Result<Option<Accepted>, Failure> {
    let offer = payloads.sa()?;
    let proxies = Proxies::read(sa, &payloads)?;
    sa.processing(cx, PayloadType::Sa, message_id);
    for alternative in phase2::alternatives(offer) {
        let usable = check_form(session, sa, cx, message_id, &alternative);
        let pfs = alternative.transforms[0].group().and_then(Group::from_number);
        let (verdict, accepted) = match (usable, proxies.selectors()) {
            (false, _) => (Err(QuickRefusal::Transform), None),
            (true, None) => (Err(QuickRefusal::ProxyIdentities), None),
            (true, Some(selectors)) => {
                let offer = QuickOffer {
                    peer: sa.peer(),
                    selectors,
                    proposal: alternative.number,
                    transforms: alternative.transforms.clone(),
                    pfs,
                    udp: alternative.transforms[0].in_udp(),
                };
                (cx.policy.choose(&offer), Some(selectors))
            }
        };
        let told = match &verdict {
            Ok(choice) => QuickVerdict::Accepted { policy: choice.entry.clone() },
            Err(refusal) => QuickVerdict::Refused(*refusal),
        };
        sa.tell(
            cx,
            EventKind::QuickJudged {
                message_id,
                proposal: alternative.number,
                transforms: alternative.transforms.clone(),
                local_proxy: proxies.local.clone(),
                remote_proxy: proxies.remote.clone(),
                verdict: told,
            },
        );
        if let (Ok(choice), Some(selectors)) = (verdict, accepted) {
            return Ok(Some(Accepted { alternative, choice, pfs, selectors }));
        }
    }
    Ok(None)
}

/// Looks at the form of every transform of an alternative; whether SAs can be made of it.
fn check_form(
    session: &Session,
    sa: &Association,
    cx: &mut Context<'_>,
    message_id: MessageId,
    alternative: &Alternative,
) -> bool {
    let traversable = session.nat.support.is_some();
    let mut all = true;
    for transform in &alternative.transforms {
        let acceptable = transform.usable() && (!transform.in_udp() || traversable);
        all &= acceptable;
        let (proposal, transform) = (alternative.number, transform.clone());
        sa.tell(cx, EventKind::QuickTransformChecked { message_id, proposal, transform, acceptable });
    }
    all && alternative.transforms.len() == 1
}

/// Makes message 2 and the pair. The inbound half is installed before the message is sent (cisco-ios-facts 9.1 \[S\]).
fn answer(
    session: &Session,
    sa: &Association,
    cx: &mut Context<'_>,
    message_id: MessageId,
    payloads: Payloads<'_>,
    iv: &IvChain,
    accepted: Accepted,
) -> Result<Begun, Failure> {
    let Accepted { alternative, choice, pfs, selectors } = accepted;
    let transform = &alternative.transforms[0];
    let outbound = peer_spi(&alternative.spi)?;
    sa.processing(cx, PayloadType::Nonce, message_id);
    let ni_b = payloads.nonce()?.clone();
    let (g_qm_xy, ke) = key_exchange(sa, cx, message_id, &payloads, pfs)?;
    for _ in payloads.all(PayloadType::Id) {
        sa.processing(cx, PayloadType::Id, message_id);
    }
    let (suite, mode) =
        transform.suite().zip(transform.mode()).ok_or_else(|| Failure::bad_value("a transform that cannot be used"))?;
    let inbound = cx.shared.spi();
    let protocol = ProtocolId::Esp;
    sa.tell(cx, EventKind::SpiAllocated { message_id, protocol, spi: inbound.0 });
    moved(sa, cx, message_id, QuickInput::MessageReceived, QuickState::Ready, QuickState::AwaitingSpi);
    moved(sa, cx, message_id, QuickInput::SpiObtained, QuickState::AwaitingSpi, QuickState::AwaitingInstall);

    let nr_b = cx.shared.nonce();
    let sa_payload = phase2::answer(payloads.sa()?, &alternative, inbound, &cx.shared.personality);
    let mut bodies = vec![Body::Sa(sa_payload), Body::Nonce(nr_b.clone())];
    bodies.extend(ke);
    bodies.extend(payloads.all(PayloadType::Id).cloned());
    bodies.extend(lifetime_notify(sa, cx, message_id, inbound, choice.lifetimes, transform.lifetimes()));
    let lifetimes = choice.lifetimes.min(transform.lifetimes());
    let negotiated = Negotiated {
        message_id,
        initiator: false,
        request: None,
        choice,
        transform,
        suite,
        mode,
        pfs,
        lifetimes,
        selectors,
        inbound,
        outbound,
        ni_b: &ni_b,
        nr_b: &nr_b,
        g_qm_xy: g_qm_xy.as_deref(),
    };
    install(session, sa, cx, negotiated);
    let envelope = Envelope { id: sa.id, exchange: ExchangeType::Quick, message_id };
    let hash = |rest: &[u8]| session.keys.skeyid_a.hash_2(message_id, &ni_b, rest);
    let padding = cx.shared.personality.padding;
    let (octets, iv) = envelope.seal_hashed(bodies, hash, &session.encryption, iv, padding);
    sa.send(cx, &octets);
    moved(sa, cx, message_id, QuickInput::Installed, QuickState::AwaitingInstall, QuickState::SecondSent);
    Ok(Begun::Answered { wait: ExpectConfirmation { inbound, message_id, ni_b, nr_b, iv }, octets })
}

/// Quick mode's own Diffie-Hellman exchange: the shared secret and our KE payload, where the transform names a group.
fn key_exchange(
    sa: &Association,
    cx: &mut Context<'_>,
    message_id: MessageId,
    payloads: &Payloads<'_>,
    pfs: Option<Group>,
) -> Result<(Option<crate::crypto::Secret>, Option<Body>), Failure> {
    let Some(group) = pfs else {
        return match payloads.has(PayloadType::KeyExchange) {
            true => Err(Failure::bad_value("a KE payload, but no group in the transform")),
            false => Ok((None, None)),
        };
    };
    sa.processing(cx, PayloadType::KeyExchange, message_id);
    let pair = KeyPair::generate(group, &mut cx.shared.rng);
    let secret = pair.shared(payloads.key_exchange()?)?;
    Ok((Some(secret), Some(Body::KeyExchange(pair.public().to_vec()))))
}

/// Our lifetimes where they are shorter than the offered ones, or in a unit that was not offered
/// (real-cisco-on-the-wire 5b \[S\]; RFC 2407 4.6.3.1).
fn lifetime_notify(
    sa: &Association,
    cx: &mut Context<'_>,
    message_id: MessageId,
    inbound: Spi,
    own: Lifetimes,
    offered: Lifetimes,
) -> Option<Body> {
    if !cx.shared.personality.phase2_lifetime_notify {
        return None;
    }
    let cut = |own: Option<u32>, offered: Option<u32>| own.filter(|own| offered.is_none_or(|offered| *own < offered));
    let lifetimes =
        Lifetimes { seconds: cut(own.seconds, offered.seconds), kilobytes: cut(own.kilobytes, offered.kilobytes) };
    if lifetimes == Lifetimes::default() {
        return None;
    }
    let mut data = Vec::new();
    lifetime_attributes(lifetimes).iter().for_each(|attribute| attribute.emit(&mut data));
    let notify = NotifyPayload {
        doi: 1,
        protocol: ProtocolId::Esp,
        spi: inbound.to_bytes().to_vec(),
        kind: NotifyType::ResponderLifetime,
        data,
    };
    sa.tell(cx, EventKind::NotifySent(crate::ike::v1::informational::told(message_id, &notify)));
    Some(Body::Notify(notify))
}

/// Says that the offer is refused: always NO-PROPOSAL-CHOSEN (cisco-ios-facts 5.3 \[S\]).
fn refuse(session: &Session, sa: &Association, cx: &mut Context<'_>, message_id: MessageId, payloads: Payloads<'_>) {
    sa.tell(cx, EventKind::NoProposalAccepted { message_id });
    if let RefusalAnswer::Notify(spi) = cx.shared.personality.phase2_refusal {
        let proposal = payloads.sa().ok().and_then(|offer| offer.proposals.first());
        let peer_spi = proposal.map_or_else(Vec::new, |proposal| proposal.spi.clone());
        let protocol = proposal.map_or(ProtocolId::Esp, |proposal| proposal.protocol);
        let cookies = sa.id.to_bytes().to_vec();
        let (spi, data) = match spi {
            NotifySpi::None => (Vec::new(), Vec::new()),
            NotifySpi::Cookies => (cookies, Vec::new()),
            NotifySpi::CookiesThenSpi => (cookies, peer_spi),
            NotifySpi::PeerSpi => (peer_spi, Vec::new()),
        };
        let kind = NotifyType::NoProposalChosen;
        session.notify(sa, cx, NotifyPayload { doi: 1, protocol, spi, kind, data }, Some(message_id));
    }
    sa.tell(cx, EventKind::NodeDeleted { message_id, reason: NodeEnd::Rejected });
    moved(sa, cx, message_id, QuickInput::MessageReceived, QuickState::Ready, QuickState::Ready);
}

fn moved(
    sa: &Association,
    cx: &mut Context<'_>,
    message_id: MessageId,
    input: QuickInput,
    from: QuickState,
    to: QuickState,
) {
    sa.tell(cx, EventKind::QuickStateChanged { message_id, input, from, to });
}

impl Proxies {
    /// IDcr is ours, IDci the peer's. Without them it is the two addresses (RFC 2409 5.5).
    fn read(sa: &Association, payloads: &Payloads<'_>) -> Result<Self, Failure> {
        Ok(match ids(payloads)? {
            Some((idci, idcr)) => Self { local: idcr.clone(), remote: idci.clone() },
            None => {
                Self { local: Selector::host(*sa.local.ip()).to_id(), remote: Selector::host(*sa.remote.ip()).to_id() }
            }
        })
    }

    /// The proxies as selectors; `None` when they are no IPv4 addresses.
    fn selectors(&self) -> Option<Selectors> {
        let (local, remote) = (Selector::from_id(&self.local).ok()?, Selector::from_id(&self.remote).ok()?);
        Some(Selectors { local, remote })
    }
}

#[cfg(test)]
mod recorded;
