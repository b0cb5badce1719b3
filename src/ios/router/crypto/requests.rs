//! Requests for SAs that packets wait for, and their timers.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::ike::{QuickRequest, RequestId, Selectors};
use crate::ios::event::SaRequest;
use crate::ios::policy::EntryName;
use crate::time::Instant;

/// A request under way.
#[derive(Clone, Debug)]
pub struct Request {
    /// The entry it is for.
    pub entry: EntryName,
    /// The traffic.
    pub selectors: Selectors,
    /// What the engine was asked.
    pub quick: QuickRequest,
    /// The same, as it is told.
    pub told: SaRequest,
    /// How often the timer has fired.
    pub fired: u32,
    /// When it fires next.
    due: Instant,
}

/// Requests under way at the same time.
const MAX_REQUESTS: usize = 256;

/// The requests under way, at most one for each entry and traffic.
#[derive(Clone, Debug, Default)]
pub(in crate::ios::router) struct Requests {
    requests: Vec<Request>,
}

impl Requests {
    /// Whether SAs for that traffic were asked for already.
    pub fn pending(&self, entry: &EntryName, selectors: &Selectors) -> bool {
        self.requests.iter().any(|request| request.entry == *entry && request.selectors == *selectors)
    }

    /// Notes a request; `false` when there are too many.
    pub fn begin(
        &mut self,
        now: Instant,
        wait: Duration,
        entry: EntryName,
        quick: QuickRequest,
        told: SaRequest,
    ) -> bool {
        if self.requests.len() >= MAX_REQUESTS {
            return false;
        }
        let selectors = quick.selectors;
        self.requests.push(Request { entry, selectors, quick, told, fired: 0, due: now + wait });
        true
    }

    /// SAs for that traffic are there.
    pub fn settle(&mut self, entry: &EntryName, selectors: &Selectors) {
        self.requests.retain(|request| request.entry != *entry || request.selectors != *selectors);
    }

    /// The request of that number.
    pub fn get(&self, id: RequestId) -> Option<&Request> {
        self.requests.iter().find(|request| request.quick.id == id)
    }

    /// The requests of an entry go to another peer from the next time on.
    pub fn redirect(&mut self, entry: &EntryName, peer: Ipv4Addr) {
        for request in self.requests.iter_mut().filter(|request| request.entry == *entry) {
            (request.quick.peer, request.told.remote) = (peer, peer);
        }
    }

    /// The next request whose timer has fired, with the count of this time; one that has fired `limit` times is given up
    /// and comes out a last time.
    pub fn due(&mut self, now: Instant, wait: Duration, limit: u32) -> Option<(Request, bool)> {
        let at = self.requests.iter().position(|request| request.due <= now)?;
        let request = &mut self.requests[at];
        request.fired += 1;
        request.due = now + wait;
        if request.fired >= limit {
            return Some((self.requests.remove(at), true));
        }
        Some((request.clone(), false))
    }

    /// Drops the requests of an interface.
    pub fn forget(&mut self, interface: &str) {
        self.requests.retain(|request| request.quick.interface != interface);
    }

    /// When the next timer fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.requests.iter().map(|request| request.due).min()
    }
}
