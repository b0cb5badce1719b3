//! Informational exchanges (RFC 2409 5.7): notifies and deletes of the peer.

use crate::ike::context::Context;
use crate::ike::event::{Deletion, EventKind, NodeEnd, Notify, PairEnd, Phase1Input, Phase1State, SaEnd};
use crate::ike::proposal::phase2::read_lifetimes;
use crate::ike::v1::association::Association;
use crate::ike::v1::established::Established;
use crate::ike::v1::failure::Failure;
use crate::ike::v1::liveness::about_liveness;
use crate::ike::v1::main::responder::forget_older;
use crate::ike::v1::message::Incoming;
use crate::wire::isakmp::{
    Attribute, Body, DeletePayload, ExchangeType, MessageId, NotifyPayload, NotifyType, OakleyAttribute, PayloadType,
    ProtocolId,
};
use crate::wire::{Reader, Spi};

/// A notify as events tell it.
pub(crate) fn told(message_id: MessageId, notify: &NotifyPayload) -> Notify {
    Notify {
        message_id,
        kind: notify.kind,
        protocol: notify.protocol,
        spi: notify.spi.clone(),
        data: notify.data.clone(),
        about: None,
    }
}

/// Whether a notify says that something failed (RFC 2408 3.14.1: types below 16384).
pub(crate) fn is_error(kind: NotifyType) -> bool {
    u16::from(kind) < 16384
}

impl Established {
    /// Takes an informational message.
    pub(super) fn informational(&mut self, incoming: &Incoming<'_>, sa: &mut Association, cx: &mut Context<'_>) {
        let message_id = incoming.header().message_id;
        if self.exchanges.contains_key(&message_id) {
            let (exchange, since_answer, answered) = (ExchangeType::Informational, Default::default(), false);
            return sa.tell(cx, EventKind::DuplicateReceived { exchange, message_id, since_answer, answered });
        }
        let exchange = ExchangeType::Informational;
        let created = |cx: &mut Context<'_>| sa.tell(cx, EventKind::NodeCreated { message_id, exchange });
        let opened = match self.session.open_first(incoming, sa, cx, created) {
            Ok(opened) => opened,
            Err(failure) => return sa.tell_failure(cx, incoming, &failure),
        };
        self.liveness.heard(cx.now);
        sa.follow_behind_nat(cx, incoming, &self.session.nat);
        let mut input = None;
        for payload in &opened.payloads {
            match &payload.body {
                Body::Notify(notify) => {
                    self.notified(sa, cx, message_id, notify);
                    input = input.or(Some(Phase1Input::NotifyIn));
                }
                Body::Delete(delete) => {
                    sa.processing(cx, PayloadType::Delete, message_id);
                    self.deleted(sa, cx, message_id, delete);
                    input = input.or(Some(Phase1Input::DeleteIn));
                }
                _ => {}
            }
        }
        sa.tell(cx, EventKind::NodeDeleted { message_id, reason: NodeEnd::Informational });
        if let Some(input) = input {
            sa.moved(cx, input, Phase1State::Complete);
        }
        self.remember(cx, incoming);
    }

    fn notified(&mut self, sa: &Association, cx: &mut Context<'_>, message_id: MessageId, notify: &NotifyPayload) {
        let mut event = told(message_id, notify);
        if is_error(notify.kind) {
            event.about = self.refused_quick(notify);
        }
        let about = event.about;
        sa.tell(cx, EventKind::NotifyReceived { notify: event, authenticated: true });
        match notify.kind {
            NotifyType::RUThere if notify.spi == sa.id.to_bytes() => {
                let answer = about_liveness(sa, NotifyType::RUThereAck, notify.data.clone());
                self.session.notify(sa, cx, answer, None);
            }
            NotifyType::RUThereAck => {
                if let Ok(sequence) = <[u8; 4]>::try_from(&notify.data[..]) {
                    self.liveness.acknowledged(cx.now, u32::from_be_bytes(sequence));
                }
            }
            NotifyType::InitialContact => {
                let identity = self.session.identity.clone();
                for inbound in forget_older(sa, cx, &identity) {
                    self.session.delete_esp(sa, cx, &[inbound]);
                }
            }
            NotifyType::ResponderLifetime => self.lifetime_changed(sa, cx, notify),
            NotifyType::InvalidSpi if about.is_none() => {
                let named = [&notify.spi, &notify.data].into_iter().filter_map(|octets| spi(octets));
                for outbound in named {
                    if let Some(inbound) = cx.shared.pairs.by_outbound(*sa.remote.ip(), outbound) {
                        cx.remove_pair(inbound, PairEnd::DeletedByPeer, Some(sa.reference()));
                    }
                }
            }
            kind => {
                if let Some(quick) = about {
                    self.refused(sa, cx, quick, kind);
                }
            }
        }
    }

    /// RESPONDER-LIFETIME: the shorter lifetime holds (cisco-ios-facts 3.3 [S:LOG-12x]).
    fn lifetime_changed(&mut self, sa: &Association, cx: &mut Context<'_>, notify: &NotifyPayload) {
        let Ok(attributes) = Attribute::parse_all(&mut Reader::new(&notify.data)) else { return };
        let (seconds, kilobytes) = match notify.protocol {
            ProtocolId::Isakmp => (oakley_seconds(&attributes), None),
            _ => {
                let lifetimes = read_lifetimes(&attributes);
                (lifetimes.seconds, lifetimes.kilobytes)
            }
        };
        let protocol = notify.protocol;
        sa.tell(cx, EventKind::LifetimeChanged { protocol, seconds, kilobytes });
        let Some(seconds) = seconds else { return };
        let until = cx.now + std::time::Duration::from_secs(seconds.into());
        if protocol == ProtocolId::Isakmp {
            self.expires = Some(self.expires.map_or(until, |expires| expires.min(until)));
        } else if let Some(inbound) =
            spi(&notify.spi).and_then(|outbound| cx.shared.pairs.by_outbound(*sa.remote.ip(), outbound))
            && let Some(pair) = cx.shared.pairs.get_mut(inbound)
        {
            pair.expires = Some(pair.expires.map_or(until, |expires| expires.min(until)));
        }
    }

    fn deleted(&mut self, sa: &Association, cx: &mut Context<'_>, message_id: MessageId, delete: &DeletePayload) {
        let protocol = delete.protocol;
        let spis: Vec<Spi> = delete.spis.iter().filter_map(|octets| spi(octets)).collect();
        let deletion = Deletion { message_id, protocol, spis: spis.iter().map(|spi| spi.0).collect() };
        sa.tell(cx, EventKind::DeleteReceived(deletion));
        match protocol {
            ProtocolId::Isakmp if delete.spis.iter().any(|octets| octets[..] == sa.id.to_bytes()) => {
                self.ended = Some(SaEnd::DeletedByPeer);
            }
            ProtocolId::Esp => {
                for outbound in spis {
                    if let Some(inbound) = cx.shared.pairs.by_outbound(*sa.remote.ip(), outbound) {
                        cx.remove_pair(inbound, PairEnd::DeletedByPeer, Some(sa.reference()));
                    }
                }
            }
            _ => {}
        }
    }
}

impl Association {
    /// Tells why a message under an ISAKMP SA was of no use.
    pub(super) fn tell_failure(&self, cx: &mut Context<'_>, incoming: &Incoming<'_>, failure: &Failure) {
        let (exchange, message_id) = (incoming.header().exchange, incoming.header().message_id);
        match failure {
            Failure::Malformed(why) => {
                self.tell(cx, EventKind::MalformedMessage { exchange, message_id, why: why.clone() });
            }
            Failure::Unexpected { expected } => {
                let (expected, found) = ((*expected).to_owned(), incoming.describe(self.role));
                self.tell(cx, EventKind::UnexpectedMessage { expected, found });
            }
            // Told where they were found.
            _ => {}
        }
    }
}

fn spi(octets: &[u8]) -> Option<Spi> {
    <[u8; 4]>::try_from(octets).ok().map(|octets| Spi(u32::from_be_bytes(octets)))
}

fn oakley_seconds(attributes: &[Attribute]) -> Option<u32> {
    let duration =
        attributes.iter().find(|attribute| OakleyAttribute::from(attribute.kind) == OakleyAttribute::LifeDuration)?;
    duration.number().map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}
