//! SAs that packets wait for.

use std::collections::VecDeque;

use super::association::Ends;
use super::refusal::Refusal;
use super::show::unasked;
use super::sockets::Audience;
use super::{DropReason, KeyEngine, KeyEvent, algorithm};
use crate::esp::Flow;
use crate::pfkey::message::{Address, Direction, Extension, Header, Message, MessageType, Policy, PolicyType, SaType};
use crate::time::Instant;

/// An SA that was asked for. Nobody is asked again before it lives on or is forgotten.
#[derive(Debug)]
pub(super) struct Acquire {
    pub sequence: u32,
    /// When it is forgotten.
    pub until: Instant,
    /// Whether a client said that the SA cannot be had.
    failed: bool,
    waiting: VecDeque<Vec<u8>>,
}

impl KeyEngine {
    /// Lets a packet wait for the SA between `ends`, and asks for it unless that was done.
    pub(super) fn wait(&mut self, now: Instant, ends: Ends, policy: (u32, u32), flow: Flow, packet: &[u8]) {
        if !self.acquires.contains_key(&ends) {
            if !self.sockets.any_registered(SaType::Esp) {
                return self.drop_packet(DropReason::NobodyToAsk(flow));
            }
            self.ask(now, ends, policy);
        }
        let most = self.settings.waiting_packets;
        let reason = match self.acquires.get_mut(&ends) {
            Some(acquire) if acquire.failed => DropReason::AcquireFailed(flow),
            Some(acquire) if acquire.waiting.len() < most => return acquire.waiting.push_back(packet.to_vec()),
            _ => DropReason::TooManyWaiting(flow),
        };
        self.drop_packet(reason);
    }

    /// SADB_ACQUIRE to the clients (RFC 2367 3.1.6), with the policy by which racoon and openiked find what to negotiate.
    fn ask(&mut self, now: Instant, ends: Ends, (policy, priority): (u32, u32)) {
        self.last_acquire = self.last_acquire.checked_add(1).unwrap_or(1);
        let sequence = self.last_acquire;
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
        let until = now + self.settings.acquire_lifetime;
        self.acquires.insert(ends, Acquire { sequence, until, failed: false, waiting: VecDeque::new() });
    }

    /// An SA was made: what was asked for, by its ends or by the number of the acquire, need not be waited for any more.
    pub(super) fn acquired(&mut self, now: Instant, ends: Ends, sequence: u32) {
        let answers = |(other, acquire): (&Ends, &Acquire)| {
            let same = *other == ends || (acquire.sequence == sequence && other.destination == ends.destination);
            same.then_some(*other)
        };
        let answered: Vec<Ends> = self.acquires.iter().filter_map(answers).collect();
        for ends in answered {
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
        if let Some(acquire) = self.acquires.values_mut().find(|acquire| acquire.sequence == sequence) {
            acquire.failed = true;
            let lost = std::mem::take(&mut acquire.waiting).len();
            self.event(KeyEvent::AcquireFailed { sequence, lost });
        }
        Ok(())
    }

    /// Forgets what nobody made in time.
    pub(super) fn expire_acquires(&mut self, now: Instant) {
        let over = |(ends, acquire): (&Ends, &Acquire)| (acquire.until <= now).then_some(*ends);
        while let Some(ends) = self.acquires.iter().find_map(over) {
            if let Some(acquire) = self.acquires.remove(&ends).filter(|acquire| !acquire.failed) {
                let lost = acquire.waiting.len();
                self.event(KeyEvent::AcquireFailed { sequence: acquire.sequence, lost });
            }
        }
    }
}
