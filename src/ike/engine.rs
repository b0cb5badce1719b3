//! The engine: one per IKE endpoint. It owns all ISAKMP SAs of that endpoint and leads datagrams to them.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use rand::rngs::StdRng;

use super::event::{Event, EventKind, Refusal};
use super::io::{Input, Output, RequestFailure};
use super::personality::Personality;
use super::policy::Policy;
use crate::time::Instant;
use crate::wire::isakmp::Message;

/// An IKE endpoint without sockets and clock.
///
/// After each [`Engine::handle`] call [`Engine::poll`] until it gives nothing more, then wait for a datagram or for
/// [`Engine::next_timeout`].
pub struct Engine {
    personality: Personality,
    #[expect(dead_code, reason = "phase 1 draws from it")]
    rng: StdRng,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An endpoint that speaks like `personality`. The same seed and inputs give the same octets.
    pub fn new(personality: Personality, rng: StdRng) -> Self {
        Self { personality, rng, outputs: VecDeque::new() }
    }

    /// Takes an input at `now`, which never goes back. Questions go to `policy`.
    pub fn handle(&mut self, now: Instant, input: Input, policy: &mut dyn Policy) {
        let _ = (now, policy);
        match input {
            Input::Datagram { local, remote, octets } => self.datagram(local, remote, &octets),
            Input::RequestSa(request) => {
                self.outputs.push_back(Output::Failed { request: request.id, reason: RequestFailure::NoPolicy });
            }
            _ => {}
        }
    }

    /// The next thing to do, oldest first.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Timeout`] is wanted, unless something else is handled before.
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// How the engine speaks.
    pub fn personality(&self) -> &Personality {
        &self.personality
    }

    fn datagram(&mut self, local: SocketAddrV4, remote: SocketAddrV4, octets: &[u8]) {
        let refusal = match Message::parse(octets) {
            Ok(_) => Refusal::NoSa,
            Err(error) => Refusal::Malformed(error.to_string()),
        };
        let kind = EventKind::DatagramRefused(refusal);
        self.outputs.push_back(Output::Event(Event { local, remote, sa: None, kind }));
    }
}
