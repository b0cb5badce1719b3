//! The engine: SAs, policies and sockets in one machine.

mod acquire;
mod algorithm;
mod association;
mod event;
mod io;
mod policy;
mod refusal;
mod sadb;
mod show;
mod sockets;
mod spd;
mod traffic;

use std::collections::VecDeque;

use rand::SeedableRng;
use rand::rngs::StdRng;

use acquire::Acquires;
use association::Associations;
use policy::Policies;
use refusal::Refusal;
use sockets::{Audience, Sockets};

pub use event::{DropReason, KeyEvent, SaSummary};
pub use io::{Input, Output, Settings, SocketId};
pub use policy::{Requirement, SecurityPolicy, Treatment};

use super::message::{Errno, Header, Message, MessageType};
use crate::time::Instant;

/// How many SAs, and how many policies, there may be: a client that never deletes does not exhaust the memory.
const MOST: usize = 1 << 20;

/// What stands behind PF_KEY sockets: security associations, policies, and the data path through them.
///
/// After each [`KeyEngine::handle`] call [`KeyEngine::poll`] until it gives nothing more. The same seed and inputs give the
/// same octets.
#[derive(Debug)]
pub struct KeyEngine {
    settings: Settings,
    rng: StdRng,
    sockets: Sockets,
    associations: Associations,
    policies: Policies,
    acquires: Acquires,
    last_reqid: u32,
    outputs: VecDeque<Output>,
}

impl KeyEngine {
    /// An engine without SAs and policies.
    pub fn new(settings: Settings) -> Self {
        Self {
            rng: StdRng::seed_from_u64(settings.seed),
            settings,
            sockets: Sockets::default(),
            associations: Associations::default(),
            policies: Policies::default(),
            acquires: Acquires::default(),
            last_reqid: spd::MANUAL_REQID_MAX,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input at `now`, which never goes back.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Opened(socket) => self.sockets.open(socket),
            Input::Closed(socket) => self.sockets.close(socket),
            Input::Message { socket, octets } => self.message(now, socket, octets),
            Input::Inner(packet) => self.outbound(now, packet),
            Input::Esp { source, octets } => self.inbound(now, source, None, octets),
            Input::EspInUdp { remote, octets, .. } => self.inbound(now, *remote.ip(), Some(remote), octets),
            Input::Timeout => {}
        }
        self.expire(now);
    }

    /// The next thing the engine does, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is wanted, unless something else is handled before.
    pub fn next_timeout(&self) -> Option<Instant> {
        let timeouts = [self.associations.next_timeout(), self.policies.next_timeout(), self.acquires.next_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// The policies, each direction in the order it is asked.
    pub fn policies(&self) -> impl Iterator<Item = &SecurityPolicy> {
        self.policies.iter()
    }

    /// The SAs, larval ones included, oldest first.
    pub fn associations(&self) -> impl Iterator<Item = SaSummary> {
        self.associations.iter().map(|(_, association)| self.associations.summary(association))
    }

    fn message(&mut self, now: Instant, socket: SocketId, octets: &[u8]) {
        if !self.sockets.is_open(socket) {
            return;
        }
        self.sockets.overhear(socket, octets, &mut self.outputs);
        let (header, refusal) = match Message::parse(octets) {
            Ok(message) => match self.answer(now, socket, &message) {
                Ok(()) => return,
                Err(refusal) => (Some(message.header), refusal),
            },
            Err(error) => (error.header, Refusal::new(error.errno, error.to_string())),
        };
        let Refusal { errno, reason } = refusal;
        self.event(KeyEvent::Refused { socket, kind: header.map(|header| header.kind), errno, reason });
        if let Some(header) = header {
            self.send(Audience::One(socket), &Message::failure(header, errno));
        }
    }

    fn answer(&mut self, now: Instant, socket: SocketId, message: &Message) -> Result<(), Refusal> {
        match message.header.kind {
            MessageType::GetSpi => self.get_spi(now, socket, message),
            MessageType::Update => self.update(now, message),
            MessageType::Add => self.add(now, message),
            MessageType::Delete => self.delete(message),
            MessageType::Get => self.get(socket, message),
            MessageType::Acquire => self.acquire_failed(message),
            MessageType::Register => self.register(socket, message),
            MessageType::Flush => self.flush(message),
            MessageType::Dump => self.dump(socket, message),
            MessageType::Promisc => self.promisc(socket, message),
            MessageType::SpdAdd | MessageType::SpdSetIdx => self.spd_add(now, message, false),
            MessageType::SpdUpdate => self.spd_add(now, message, true),
            MessageType::SpdDelete => self.spd_delete(message),
            MessageType::SpdDelete2 => self.spd_delete_by_id(message),
            MessageType::SpdGet => self.spd_get(socket, message),
            MessageType::SpdDump => self.spd_dump(socket, message),
            MessageType::SpdFlush => self.spd_flush(message),
            MessageType::Unknown(number) => Err(Refusal::invalid(format!("message type {number}"))),
            kind => {
                Err(Refusal::new(Errno::NotSupported, format!("{kind} is not for clients to send, or not supported")))
            }
        }
    }

    /// Ends what has reached its lifetime.
    fn expire(&mut self, now: Instant) {
        self.expire_associations(now);
        self.expire_policies(now);
        self.expire_acquires(now);
    }

    fn send(&mut self, audience: Audience, message: &Message) {
        self.sockets.send(audience, message, &mut self.outputs);
    }

    fn event(&mut self, event: KeyEvent) {
        self.outputs.push_back(Output::Event(event));
    }

    fn drop_packet(&mut self, reason: DropReason) {
        self.event(KeyEvent::Dropped(reason));
    }
}

/// Numbers the messages of a dump as Linux does: 1, 2, 3, and the last one 0.
fn number_dump(request: Header, mut messages: Vec<Message>) -> Vec<Message> {
    for (message, number) in messages.iter_mut().zip(1..) {
        message.header.sequence = number;
    }
    match messages.last_mut() {
        Some(last) => last.header.sequence = 0,
        None => messages.push(Message::failure(Header { sequence: 0, ..request }, Errno::NoEntry)),
    }
    messages
}
