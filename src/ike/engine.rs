//! The engine: one per IKE endpoint. It owns all ISAKMP SAs of that endpoint and leads inputs to them.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use rand::rngs::StdRng;

use super::context::{Context, Limits, Shared};
use super::event::{
    Datagram, EventKind, InitiationFailure, PairEnd, Phase1State, Progress, Refusal, Role, SaEnd, UnlockCause,
};
use super::io::{Input, Output, RequestFailure};
use super::personality::Personality;
use super::policy::Policy;
use super::sa::{IsakmpSaId, QuickRequest, UdpEncapsulation};
use super::v1::association::Association;
use super::v1::isakmp_sa::IsakmpSa;
use super::v1::message::Incoming;
use crate::time::Instant;
use crate::wire::isakmp::{
    Cookie, ExchangeType, Header, Message, MessageId, NotifyPayload, NotifyType, PayloadType, ProtocolId, Version,
};
use crate::wire::{Reader, Spi};

/// The port of IKE.
const PORT: u16 = 500;

/// An IKE endpoint without sockets and clock.
///
/// After each [`Engine::handle`] call [`Engine::poll`] until it gives nothing more, then wait for a datagram or for
/// [`Engine::next_timeout`].
pub struct Engine {
    shared: Shared,
    sas: BTreeMap<u64, IsakmpSa>,
}

impl Engine {
    /// An endpoint that speaks like `personality`. The same seed and inputs give the same octets.
    pub fn new(personality: Personality, rng: StdRng) -> Self {
        Self { shared: Shared::new(personality, rng), sas: BTreeMap::new() }
    }

    /// The same engine with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.shared.limits = limits;
        self
    }

    /// Takes an input at `now`, which never goes back. Questions go to `policy`.
    pub fn handle(&mut self, now: Instant, input: Input, policy: &mut dyn Policy) {
        let mut cx = Context { now, shared: &mut self.shared, policy };
        let mut sas = Sas { sas: &mut self.sas };
        match input {
            Input::Datagram { local, remote, octets } => sas.datagram(&mut cx, local, remote, &octets),
            Input::Timeout => sas.timeout(&mut cx),
            Input::RequestSa(request) => sas.request(&mut cx, request),
            Input::DeletePair { inbound } => sas.end_pair(&mut cx, inbound, PairEnd::Cleared),
            Input::Clear { peer, isakmp, ipsec } => sas.clear(&mut cx, peer, isakmp, ipsec),
            Input::VolumeReached { inbound, hard: true } => sas.end_pair(&mut cx, inbound, PairEnd::Expired),
            Input::VolumeReached { inbound, hard: false } => sas.renew(&mut cx, inbound),
            Input::Traffic { peer, inbound } => sas.traffic(&cx, peer, inbound),
            Input::UnknownSpi { local, peer, spi } => sas.unknown_spi(&mut cx, local, peer, spi),
            Input::Moved { inbound, remote } => sas.moved(&mut cx, inbound, remote),
        }
        sas.delete_doomed(&mut cx);
    }

    /// The next thing to do, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.shared.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is wanted, unless something else is handled before.
    pub fn next_timeout(&self) -> Option<Instant> {
        let sas = self.sas.values().filter_map(IsakmpSa::next_timeout).min();
        [sas, self.shared.pairs.next_timeout()].into_iter().flatten().min()
    }

    /// How the engine speaks.
    pub fn personality(&self) -> &Personality {
        &self.shared.personality
    }

    /// How many ISAKMP SAs there are, those that are only remembered included, and how many pairs of IPsec SAs.
    pub fn counts(&self) -> (usize, usize) {
        (self.sas.len(), self.shared.pairs.len())
    }
}

/// The SAs of an engine while it handles an input.
struct Sas<'a> {
    sas: &'a mut BTreeMap<u64, IsakmpSa>,
}

impl Sas<'_> {
    fn datagram(&mut self, cx: &mut Context<'_>, local: SocketAddrV4, remote: SocketAddrV4, octets: &[u8]) {
        let refuse = |cx: &mut Context<'_>, refusal| cx.tell(local, remote, None, EventKind::DatagramRefused(refusal));
        let header = match Header::parse(&mut Reader::new(octets)) {
            Ok(header) => header,
            Err(error) => return refuse(cx, Refusal::Malformed(error.to_string())),
        };
        let serial = self.find(&header, remote);
        let reference = serial.and_then(|serial| self.sas.get(&serial)).map(|sa| sa.association.reference());
        let datagram = Datagram {
            exchange: header.exchange,
            message_id: header.message_id,
            encrypted: header.flags.encrypted(),
            length: header.length,
        };
        cx.tell(local, remote, reference, EventKind::DatagramReceived(datagram));
        if header.version.major() != Version::V1.major() {
            return refuse(cx, Refusal::UnsupportedVersion(header.version.0));
        }
        let message = match Message::parse(octets) {
            Ok(message) => message,
            Err(error) => {
                let kind = EventKind::DatagramRefused(Refusal::Malformed(error.to_string()));
                return cx.tell(local, remote, reference, kind);
            }
        };
        let incoming = Incoming { local, remote, message: &message, octets };
        match serial.and_then(|serial| self.sas.get_mut(&serial)) {
            Some(sa) => sa.handle(cx, &incoming),
            None => match self.offer(cx, &incoming) {
                Ok(()) => self.respond(cx, &incoming),
                Err(refusal) => refuse(cx, refusal),
            },
        }
    }

    /// The SA a header belongs to: by our cookie, or for a repeated first message by the initiator's cookie and address.
    fn find(&self, header: &Header, remote: SocketAddrV4) -> Option<u64> {
        let belongs = |sa: &IsakmpSa| {
            let own = &sa.association;
            let (initiator, responder) = (header.initiator_cookie, header.responder_cookie);
            initiator == own.id.initiator
                && match own.role {
                    Role::Responder if responder == Cookie::ZERO => own.remote == remote,
                    Role::Responder => responder == own.id.responder,
                    // The responder's cookie comes with message 2.
                    Role::Initiator => own.id.responder == Cookie::ZERO || responder == own.id.responder,
                }
        };
        self.sas.iter().find(|(_, sa)| belongs(sa)).map(|(serial, _)| *serial)
    }

    /// Whether a message that belongs to no SA offers one.
    fn offer(&self, cx: &mut Context<'_>, incoming: &Incoming<'_>) -> Result<(), Refusal> {
        let header = incoming.header();
        if header.responder_cookie != Cookie::ZERO {
            return Err(Refusal::NoSa);
        }
        match header.exchange {
            ExchangeType::Main => {}
            ExchangeType::Quick | ExchangeType::Informational | ExchangeType::Transaction => return Err(Refusal::NoSa),
            exchange => return Err(Refusal::UnsupportedExchange(exchange)),
        }
        let first = header.next_payload == PayloadType::Sa && header.message_id == MessageId(0);
        if !first || header.flags.encrypted() || header.initiator_cookie == Cookie::ZERO {
            return Err(Refusal::NoSa);
        }
        let half_open = self.sas.values().filter(|sa| sa.half_open() && sa.association.role == Role::Responder).count();
        if half_open >= cx.shared.limits.half_open || self.sas.len() >= cx.shared.limits.isakmp_sas {
            return Err(Refusal::TooManyHalfOpen);
        }
        let peer = super::policy::Peer { local: *incoming.local.ip(), remote: incoming.remote };
        if !cx.policy.answers(&peer) {
            return Err(Refusal::NotConfigured);
        }
        Ok(())
    }

    fn respond(&mut self, cx: &mut Context<'_>, incoming: &Incoming<'_>) {
        let own = cx.shared.cookie(*incoming.local.ip(), *incoming.remote.ip());
        let id = IsakmpSaId { initiator: incoming.header().initiator_cookie, responder: own };
        let (association, duplicate) = enter(cx, incoming.local, incoming.remote, id, Role::Responder);
        association.tell(cx, EventKind::SaCreated { duplicate });
        let serial = association.serial;
        let sa = IsakmpSa::respond(association, cx, incoming);
        self.sas.insert(serial, sa);
    }

    fn request(&mut self, cx: &mut Context<'_>, request: QuickRequest) {
        let (local, peer) = (request.local, request.peer);
        if cx.shared.pairs.len() >= cx.shared.limits.pairs {
            return cx.output(Output::Failed { request: request.id, reason: RequestFailure::TooMany });
        }
        let existing = self.with_peer(local, peer, |sa| !sa.half_open());
        let own_half_open =
            || self.with_peer(local, peer, |sa| sa.half_open() && sa.association.role == Role::Initiator);
        match existing.or_else(own_half_open).and_then(|serial| self.sas.get_mut(&serial)) {
            Some(sa) => {
                sa.association.tell(cx, EventKind::SaRequested { profile: None });
                let (message_id, exchange) = (MessageId(0), ExchangeType::Quick);
                sa.association.tell(cx, EventKind::NodeCreated { message_id, exchange });
                sa.request(cx, request);
            }
            None => self.initiate(cx, request),
        }
    }

    fn initiate(&mut self, cx: &mut Context<'_>, request: QuickRequest) {
        let (local, remote) = (SocketAddrV4::new(request.local, PORT), SocketAddrV4::new(request.peer, PORT));
        cx.tell(local, remote, None, EventKind::SaRequested { profile: None });
        if self.sas.len() >= cx.shared.limits.isakmp_sas {
            return cx.output(Output::Failed { request: request.id, reason: RequestFailure::TooMany });
        }
        let own = cx.shared.cookie(request.local, request.peer);
        let id = IsakmpSaId { initiator: own, responder: Cookie::ZERO };
        let (association, duplicate) = enter(cx, local, remote, id, Role::Initiator);
        let (message_id, exchange) = (MessageId(0), ExchangeType::Quick);
        association.tell(cx, EventKind::NodeCreated { message_id, exchange });
        association.tell(cx, EventKind::SaCreated { duplicate });
        let (serial, request_id) = (association.serial, request.id);
        match IsakmpSa::initiate(association, cx, request) {
            Ok(sa) => {
                self.sas.insert(serial, sa);
            }
            Err((reason, association)) => {
                let failure = match reason {
                    RequestFailure::NoPreSharedKey => InitiationFailure::NoPreSharedKey,
                    _ => InitiationFailure::NoPolicy,
                };
                let holders = cx.shared.registry.delete(serial);
                let (peer, cause) = (association.peer_number, UnlockCause::InitiationFailed);
                association.tell(cx, EventKind::PeerUnlocked { peer, holders, cause });
                association.tell(cx, EventKind::SaPurged);
                association.tell(cx, EventKind::NodePurged { message_id });
                association.tell(cx, EventKind::InitiationFailed(failure));
                cx.shared.registry.forget(serial);
                cx.output(Output::Failed { request: request_id, reason });
            }
        }
    }

    /// The newest SA with a peer that `wanted` picks and that is not deleted.
    fn with_peer(&self, local: Ipv4Addr, peer: Ipv4Addr, wanted: impl Fn(&IsakmpSa) -> bool) -> Option<u64> {
        let fits = |sa: &IsakmpSa| {
            let own = &sa.association;
            (*own.local.ip(), *own.remote.ip()) == (local, peer) && own.state != Phase1State::Deleted && wanted(sa)
        };
        self.sas.iter().rev().find(|(_, sa)| fits(sa)).map(|(serial, _)| *serial)
    }

    fn timeout(&mut self, cx: &mut Context<'_>) {
        let due: Vec<u64> = self
            .sas
            .iter()
            .filter(|(_, sa)| sa.next_timeout().is_some_and(|due| due <= cx.now))
            .map(|(serial, _)| *serial)
            .collect();
        for serial in due {
            let Some(sa) = self.sas.get_mut(&serial) else { continue };
            sa.timeout(cx);
            if sa.association.state == Phase1State::Deleted && sa.dead_peer() {
                self.bury_pairs(cx, serial);
            }
            if self.sas.get(&serial).is_some_and(|sa| sa.forgettable(cx.now)) {
                self.forget(cx, serial);
            }
        }
        for inbound in cx.shared.pairs.due(cx.now) {
            let Some(pair) = cx.shared.pairs.get(inbound) else { continue };
            if pair.expires.is_some_and(|expires| expires <= cx.now) {
                self.end_pair(cx, inbound, PairEnd::Expired);
            } else if pair.replaced.is_some_and(|replaced| replaced <= cx.now) {
                self.end_pair(cx, inbound, PairEnd::Replaced);
            } else {
                self.renew(cx, inbound);
            }
        }
    }

    fn forget(&mut self, cx: &mut Context<'_>, serial: u64) {
        if let Some(sa) = self.sas.remove(&serial) {
            sa.association.tell(cx, EventKind::SaPurged);
            cx.shared.registry.forget(serial);
        }
    }

    /// The pairs with a peer that is dead go without a word to it.
    fn bury_pairs(&self, cx: &mut Context<'_>, serial: u64) {
        let Some(sa) = self.sas.get(&serial) else { return };
        let (local, remote) = (*sa.association.local.ip(), *sa.association.remote.ip());
        for inbound in cx.shared.pairs.pick(|pair| {
            pair.serial == serial || ((pair.sa.local, pair.sa.remote) == (local, remote) && pair.sa.udp.is_none())
        }) {
            cx.remove_pair(inbound, PairEnd::PeerDead, Some(sa.association.reference()));
        }
    }

    /// Removes a pair and tells the peer, where there is an ISAKMP SA to tell it under.
    fn end_pair(&mut self, cx: &mut Context<'_>, inbound: Spi, reason: PairEnd) {
        let Some(pair) = cx.shared.pairs.get(inbound) else { return };
        let (serial, local, peer) = (pair.serial, pair.sa.local, pair.sa.remote);
        let own = self.sas.get(&serial).filter(|sa| !sa.half_open() && sa.association.state != Phase1State::Deleted);
        let under = own.map(|_| serial).or_else(|| self.with_peer(local, peer, |sa| !sa.half_open()));
        let reference = under.and_then(|serial| self.sas.get(&serial)).map(|sa| sa.association.reference());
        let removed = cx.remove_pair(inbound, reason, reference);
        match under.and_then(|serial| self.sas.get_mut(&serial)).and_then(IsakmpSa::established) {
            Some((established, association)) => established.session.delete_esp(association, cx, &[inbound]),
            None => {
                let endpoints = removed.map(|pair| pair.sa.endpoints());
                if let Some((local, remote)) = endpoints {
                    cx.tell(local, remote, None, EventKind::DeleteNotSent { spi: inbound.0 });
                }
            }
        }
    }

    /// Renews a pair: by a quick mode like the one that made it, or as the owner says.
    fn renew(&mut self, cx: &mut Context<'_>, inbound: Spi) {
        let Some(pair) = cx.shared.pairs.get_mut(inbound) else { return };
        pair.renew = None;
        if std::mem::replace(&mut pair.renewing, true) {
            return;
        }
        let pair = pair.clone();
        let newer = cx.shared.pairs.pick(|other| {
            other.sa.number > pair.sa.number
                && (other.sa.local, other.sa.remote, other.sa.selectors)
                    == (pair.sa.local, pair.sa.remote, pair.sa.selectors)
        });
        if !newer.is_empty() {
            let until = cx.now + cx.shared.personality.rekeying.overlap;
            if let Some(pair) = cx.shared.pairs.get_mut(inbound) {
                pair.replaced = Some(until);
            }
        } else if let Some(request) = pair.request.or_else(|| cx.policy.renewal(&pair.sa)) {
            self.request(cx, request);
        }
    }

    fn clear(&mut self, cx: &mut Context<'_>, peer: Option<Ipv4Addr>, isakmp: bool, ipsec: bool) {
        if ipsec {
            for inbound in cx.shared.pairs.pick(|pair| peer.is_none_or(|peer| pair.sa.remote == peer)) {
                self.end_pair(cx, inbound, PairEnd::Cleared);
            }
        }
        if isakmp {
            for sa in self.sas.values_mut() {
                if peer.is_none_or(|peer| *sa.association.remote.ip() == peer) {
                    if let Some((established, association)) = sa.established() {
                        established.session.delete_isakmp(association, cx);
                    }
                    sa.delete(cx, SaEnd::Cleared);
                }
            }
        }
    }

    fn traffic(&mut self, cx: &Context<'_>, peer: Ipv4Addr, inbound: bool) {
        for sa in self.sas.values_mut().filter(|sa| *sa.association.remote.ip() == peer) {
            if let Some((established, _)) = sa.established() {
                established.traffic(cx.now, inbound);
            }
        }
    }

    fn unknown_spi(&mut self, cx: &mut Context<'_>, local: Ipv4Addr, peer: Ipv4Addr, spi: Spi) {
        let serial = self.with_peer(local, peer, |sa| !sa.half_open());
        let Some((established, association)) =
            serial.and_then(|serial| self.sas.get_mut(&serial)).and_then(IsakmpSa::established)
        else {
            return;
        };
        let notify = NotifyPayload {
            doi: 1,
            protocol: ProtocolId::Esp,
            spi: spi.to_bytes().to_vec(),
            kind: NotifyType::InvalidSpi,
            data: spi.to_bytes().to_vec(),
        };
        established.session.notify(association, cx, notify, None);
    }

    /// Authentic ESP came from elsewhere: the pair follows it (RFC 3948 A.1).
    fn moved(&mut self, cx: &mut Context<'_>, inbound: Spi, remote: SocketAddrV4) {
        let Some(pair) = cx.shared.pairs.get_mut(inbound) else { return };
        let Some(udp) = &mut pair.sa.udp else { return };
        if udp.remote != remote {
            *udp = UdpEncapsulation { remote, ..*udp };
            let udp = *udp;
            cx.output(Output::Rebind { inbound, udp });
        }
    }

    fn delete_doomed(&mut self, cx: &mut Context<'_>) {
        for (serial, end) in cx.shared.registry.take_doomed() {
            if let Some(sa) = self.sas.get_mut(&serial) {
                sa.delete(cx, end);
            }
        }
    }
}

/// Enters a new SA in the registry and tells of its peer.
fn enter(
    cx: &mut Context<'_>,
    local: SocketAddrV4,
    remote: SocketAddrV4,
    id: IsakmpSaId,
    role: Role,
) -> (Association, bool) {
    let entered = cx.shared.registry.enter(*local.ip(), remote, role);
    let association = Association {
        serial: entered.serial,
        connection: 0,
        id,
        role,
        progress: Progress::MainNoState,
        state: Phase1State::Ready,
        local,
        remote,
        peer_number: entered.peer,
    };
    if entered.holders == 1 {
        association.tell(cx, EventKind::PeerCreated { peer: entered.peer });
    }
    association.tell(cx, EventKind::PeerLocked { peer: entered.peer, holders: entered.holders });
    (association, entered.duplicate)
}
