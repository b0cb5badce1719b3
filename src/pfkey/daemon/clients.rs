//! The commands under the engine: their PF_KEY sockets and the calls they make.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::{Context, Poll};

use super::super::SocketId;
use crate::lab::interception::{EncapsulatingSocket, Intercepted, Interception, Waiting};
use crate::lab::packet_pair::PacketEnd;

/// What a command did.
#[derive(Debug)]
pub(super) enum Deed {
    /// It opened a PF_KEY socket.
    Opened(SocketId),
    /// It sent something over it, or closed it.
    Sent(SocketId),
    /// It means a UDP socket to carry ESP.
    Encapsulating(EncapsulatingSocket),
    /// It looks for answers, and waits for [`Clients::proceed`].
    Looking {
        /// Whose call it is.
        at: usize,
        /// The call.
        waiting: Waiting,
    },
}

/// The commands under the engine.
#[derive(Debug, Default)]
pub(super) struct Clients {
    sockets: BTreeMap<SocketId, PacketEnd>,
    opened: u64,
    /// By the order they came; the number of one stays the same.
    interceptions: BTreeMap<usize, Interception>,
    came: usize,
}

impl Clients {
    /// A command comes under the engine.
    pub(super) fn add(&mut self, interception: Interception) {
        self.interceptions.insert(self.came, interception);
        self.came += 1;
    }

    /// Waits for the next deed. Cancel safe.
    pub(super) async fn next(&mut self) -> Deed {
        poll_fn(|context| self.poll(context)).await
    }

    /// Lets a call be carried out.
    pub(super) fn proceed(&self, at: usize, waiting: Waiting) {
        if let Some(interception) = self.interceptions.get(&at) {
            interception.proceed(waiting);
        }
    }

    /// Every open socket.
    pub(super) fn sockets(&self) -> Vec<SocketId> {
        self.sockets.keys().copied().collect()
    }

    /// The next message of a socket, into `buffer`; `Some(None)` when it was closed, `None` when there is none yet.
    pub(super) fn take<'a>(&mut self, socket: SocketId, buffer: &'a mut Vec<u8>) -> Option<Option<&'a [u8]>> {
        match self.sockets.get_mut(&socket)?.take(buffer) {
            Ok(Some(length)) => Some(buffer.get(..length)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Ok(None) | Err(_) => {
                self.sockets.remove(&socket);
                Some(None)
            }
        }
    }

    /// Lets a command receive a message; one that has closed the socket gets no more.
    pub(super) fn send(&mut self, socket: SocketId, message: Vec<u8>) {
        if let Some(end) = self.sockets.get_mut(&socket) {
            end.send(message);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Deed> {
        for (id, end) in &mut self.sockets {
            // A socket that is broken says so when it is read.
            if end.poll_readable(context).is_ready() {
                return Poll::Ready(Deed::Sent(*id));
            }
        }
        let mut gone = Vec::new();
        let mut deed = None;
        for (at, interception) in &self.interceptions {
            match interception.poll_next(context) {
                Poll::Ready(Ok(Some(intercepted))) => {
                    deed = Some((*at, intercepted));
                    break;
                }
                Poll::Ready(Ok(None) | Err(_)) => gone.push(*at),
                Poll::Pending => {}
            }
        }
        gone.iter().for_each(|at| drop(self.interceptions.remove(at)));
        deed.map_or(Poll::Pending, |(at, intercepted)| Poll::Ready(self.done(at, intercepted)))
    }

    fn done(&mut self, at: usize, intercepted: Intercepted) -> Deed {
        match intercepted {
            Intercepted::KeySocket(end) => {
                self.opened += 1;
                let id = SocketId(self.opened);
                self.sockets.insert(id, end);
                Deed::Opened(id)
            }
            Intercepted::Encapsulating(socket) => Deed::Encapsulating(socket),
            Intercepted::Looking(waiting) => Deed::Looking { at, waiting },
        }
    }
}
