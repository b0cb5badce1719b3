//! SAs that packets wait for.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::association::{Association, Ends};
use super::refusal::Refusal;
use super::show::unasked;
use super::sockets::Audience;
use super::{DropReason, KeyEngine, KeyEvent, algorithm};
use crate::esp::{Flow, Severity, Spi};
use crate::pfkey::message::{Address, Direction, Extension, Header, Message, MessageType, Policy, PolicyType, SaType};
use crate::time::Instant;

/// How many packets wait in all, and how many SAs are asked for at a time: a transport policy for everybody needs one for
/// each destination.
const MOST_WAITING: usize = 4096;

/// An SA that was asked for. Nobody is asked again before it lives on or is forgotten.
#[derive(Debug)]
struct Acquire {
    sequence: u32,
    /// When it is forgotten.
    until: Instant,
    /// Whether a client said that the SA cannot be had.
    failed: bool,
    waiting: VecDeque<Vec<u8>>,
}

/// All SAs that were asked for.
#[derive(Debug, Default)]
pub(super) struct Acquires {
    by_ends: HashMap<Ends, Acquire>,
    by_sequence: HashMap<u32, Ends>,
    timers: BTreeSet<(Instant, Ends)>,
    last_sequence: u32,
    /// Packets that wait, of all together.
    waiting: usize,
}

impl Acquires {
    fn insert(&mut self, ends: Ends, until: Instant) -> u32 {
        self.last_sequence = self.last_sequence.checked_add(1).unwrap_or(1);
        let sequence = self.last_sequence;
        self.by_ends.insert(ends, Acquire { sequence, until, failed: false, waiting: VecDeque::new() });
        self.by_sequence.insert(sequence, ends);
        self.timers.insert((until, ends));
        sequence
    }

    fn remove(&mut self, ends: &Ends) -> Option<Acquire> {
        let acquire = self.by_ends.remove(ends)?;
        self.by_sequence.remove(&acquire.sequence);
        self.timers.remove(&(acquire.until, *ends));
        self.waiting -= acquire.waiting.len();
        Some(acquire)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(until, _)| *until)
    }
}

impl KeyEngine {
    /// Lets a packet wait for the SA between `ends`, and asks for it unless that was done.
    pub(super) fn wait(&mut self, now: Instant, ends: Ends, policy: (u32, u32), flow: Flow, packet: &[u8]) {
        let full = self.acquires.waiting >= MOST_WAITING;
        if !self.acquires.by_ends.contains_key(&ends) {
            if !self.sockets.any_registered(SaType::Esp) {
                return self.drop_packet(DropReason::NobodyToAsk(flow));
            }
            if full || self.acquires.by_ends.len() >= MOST_WAITING {
                return self.drop_packet(DropReason::TooManyWaiting(flow));
            }
            self.ask(now, ends, policy);
        }
        let most = self.settings.waiting_packets;
        let reason = match self.acquires.by_ends.get_mut(&ends) {
            Some(acquire) if acquire.failed => DropReason::AcquireFailed(flow),
            Some(acquire) if acquire.waiting.len() < most && !full => {
                acquire.waiting.push_back(packet.to_vec());
                self.acquires.waiting += 1;
                return;
            }
            _ => DropReason::TooManyWaiting(flow),
        };
        self.drop_packet(reason);
    }

    /// SADB_ACQUIRE to the clients (RFC 2367 3.1.6), with the policy by which racoon and openiked find what to negotiate.
    fn ask(&mut self, now: Instant, ends: Ends, (policy, priority): (u32, u32)) {
        let sequence = self.acquires.insert(ends, now + self.settings.acquire_lifetime);
        let header = Header { sequence, ..unasked(MessageType::Acquire, SaType::Esp) };
        let message = Message::new(header)
            .with(Extension::Source(Address::host(ends.source)))
            .with(Extension::Destination(Address::host(ends.destination)))
            .with(Extension::Policy(Policy {
                kind: PolicyType::Ipsec,
                direction: Direction::Outbound,
                id: policy,
                priority,
                requests: Vec::new(),
            }))
            .with(Extension::Proposal(algorithm::proposal()));
        self.send(Audience::Registered(SaType::Esp), &message);
        self.event(KeyEvent::Acquire { policy, source: ends.source, destination: ends.destination, sequence });
    }

    /// An SA was made: what was asked for, by its ends or by the number of the acquire, need not be waited for any more.
    pub(super) fn acquired(&mut self, now: Instant, ends: Ends, sequence: u32) {
        let numbered = self.acquires.by_sequence.get(&sequence).copied();
        let numbered = numbered.filter(|other| other.destination == ends.destination && *other != ends);
        for ends in [Some(ends), numbered].into_iter().flatten() {
            for packet in self.acquires.remove(&ends).map(|acquire| acquire.waiting).unwrap_or_default() {
                self.outbound(now, &packet);
            }
        }
    }

    /// SADB_ACQUIRE from a client: the SA cannot be had (RFC 2367 3.1.6). There is no answer.
    pub(super) fn acquire_failed(&mut self, message: &Message) -> Result<(), Refusal> {
        let Header { sequence, errno, .. } = message.header;
        if sequence == 0 || errno == 0 {
            return Ok(());
        }
        let ends = self.acquires.by_sequence.get(&sequence);
        if let Some(acquire) = ends.and_then(|ends| self.acquires.by_ends.get_mut(ends)) {
            acquire.failed = true;
            let lost = std::mem::take(&mut acquire.waiting).len();
            self.acquires.waiting -= lost;
            self.event(KeyEvent::AcquireFailed { sequence, lost });
        }
        Ok(())
    }

    /// Forgets what nobody made in time. Linux tells of it as of a larval SA whose SPI is 0, and racoon gives its negotiation
    /// up then.
    pub(super) fn expire_acquires(&mut self, now: Instant) {
        while let Some((_, ends)) = self.acquires.timers.first().copied().filter(|(until, _)| *until <= now) {
            let Some(acquire) = self.acquires.remove(&ends) else { continue };
            let never = Association::larval(now, Spi(0), ends, false, Duration::ZERO);
            self.tell_expiry(&never, Severity::Hard);
            if !acquire.failed {
                let lost = acquire.waiting.len();
                self.event(KeyEvent::AcquireFailed { sequence: acquire.sequence, lost });
            }
        }
    }
}
