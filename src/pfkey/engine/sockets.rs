//! The sockets, and who receives what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Output, SocketId};
use crate::pfkey::message::{Message, SaType};

/// Who receives a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// One socket.
    One(SocketId),
    /// Every socket that registered for this SA type; for any type when it is unspecified.
    Registered(SaType),
    /// Every open socket.
    All,
}

#[derive(Debug, Default)]
struct Socket {
    registered: BTreeSet<SaType>,
    promiscuous: bool,
}

impl Socket {
    fn hears(&self, sa_type: SaType) -> bool {
        match sa_type {
            SaType::Unspecified => !self.registered.is_empty(),
            other => self.registered.contains(&other) || self.registered.contains(&SaType::Unspecified),
        }
    }
}

/// The open sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets(BTreeMap<SocketId, Socket>);

impl Sockets {
    pub(super) fn open(&mut self, id: SocketId) {
        self.0.entry(id).or_default();
    }

    pub(super) fn close(&mut self, id: SocketId) {
        self.0.remove(&id);
    }

    pub(super) fn is_open(&self, id: SocketId) -> bool {
        self.0.contains_key(&id)
    }

    /// Registers a socket; false when it has done so before.
    pub(super) fn register(&mut self, id: SocketId, sa_type: SaType) -> bool {
        self.0.get_mut(&id).is_some_and(|socket| socket.registered.insert(sa_type))
    }

    pub(super) fn set_promiscuous(&mut self, id: SocketId, promiscuous: bool) {
        if let Some(socket) = self.0.get_mut(&id) {
            socket.promiscuous = promiscuous;
        }
    }

    /// Whether somebody makes SAs of this type.
    pub(super) fn any_registered(&self, sa_type: SaType) -> bool {
        self.0.values().any(|socket| socket.hears(sa_type))
    }

    /// Sends a message. A promiscuous socket gets a copy of what is for others.
    pub(super) fn send(&self, audience: Audience, message: &Message, outputs: &mut VecDeque<Output>) {
        let octets = message.to_bytes();
        let receives = |id: SocketId, socket: &Socket| match audience {
            Audience::One(one) => one == id,
            Audience::Registered(sa_type) => socket.hears(sa_type),
            Audience::All => true,
        };
        for (id, socket) in &self.0 {
            if receives(*id, socket) || socket.promiscuous {
                outputs.push_back(Output::Message { socket: *id, octets: octets.clone() });
            }
        }
    }

    /// Shows the promiscuous sockets what another one sent.
    pub(super) fn overhear(&self, sender: SocketId, octets: &[u8], outputs: &mut VecDeque<Output>) {
        for (id, _) in self.0.iter().filter(|(id, socket)| socket.promiscuous && **id != sender) {
            outputs.push_back(Output::Message { socket: *id, octets: octets.to_vec() });
        }
    }
}
