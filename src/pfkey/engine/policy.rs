//! The policies.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::association::Ends;
use crate::esp::{Flow, Mode, Selector};
use crate::pfkey::message::{Address, Direction, Level, Lifetime};
use crate::time::Instant;

/// What becomes of a policy's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// They are lost.
    Discard,
    /// They pass in clear.
    Bypass,
    /// They pass an SA.
    Protect(Requirement),
}

/// Through which SA a policy's packets pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Tunnel or transport.
    pub mode: Mode,
    /// `Use`, `Require` or `Unique`. A packet of level use that has no SA waits for one like all others: in clear it cannot
    /// leave through the tunnel.
    pub level: Level,
    /// The SA's reqid; 0 below level unique.
    pub reqid: u32,
    /// Source and destination of the outer header, in tunnel mode.
    pub ends: Option<(Ipv4Addr, Ipv4Addr)>,
}

impl Requirement {
    /// The ends of the SA that `flow` needs.
    pub(super) fn ends_for(&self, flow: &Flow) -> Ends {
        let (source, destination) = self.ends.unwrap_or((flow.source, flow.destination));
        Ends { source, destination, tunnel: self.mode == Mode::Tunnel, reqid: self.reqid }
    }

    /// Whether what came through an SA between `ends` may be this policy's packet. Without a reqid any SA between the
    /// tunnel's ends is right (Linux, `xfrm_state_ok`).
    pub(super) fn admits(&self, ends: &Ends) -> bool {
        let between = self.ends.is_none_or(|pair| pair == (ends.source, ends.destination));
        (self.mode == Mode::Tunnel) == ends.tunnel && (self.reqid == 0 || self.reqid == ends.reqid) && between
    }
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityPolicy {
    /// Its number: a multiple of 8, and its direction (Linux, `xfrm_gen_index`).
    pub id: u32,
    /// Its direction.
    pub direction: Direction,
    /// Its packets.
    pub selector: Selector,
    /// What becomes of them.
    pub treatment: Treatment,
    /// The lowest is asked first; of equal ones the oldest.
    pub priority: u32,
    /// Source as the client gave it.
    pub(super) source: Address,
    /// Destination as the client gave it.
    pub(super) destination: Address,
    /// `addtime` and `usetime` are looked at.
    pub(super) hard: Lifetime,
    pub(super) soft: Lifetime,
    pub(super) created: Instant,
    pub(super) last_used: Option<Instant>,
    /// When its end is looked at next.
    timer: Option<Instant>,
}

impl SecurityPolicy {
    /// A policy made at `now`.
    pub(super) fn new(now: Instant, id: u32, traffic: Traffic, priority: u32, treatment: Treatment) -> Self {
        let Traffic { direction, selector, source, destination } = traffic;
        Self {
            id,
            direction,
            selector,
            treatment,
            priority,
            source,
            destination,
            hard: Lifetime::default(),
            soft: Lifetime::default(),
            created: now,
            last_used: None,
            timer: None,
        }
    }

    /// When it ends, as things stand: so long after it was made, or after it was used last.
    fn ends(&self) -> Option<Instant> {
        let after = |start: Instant, seconds: u64| (seconds != 0).then(|| start + Duration::from_secs(seconds));
        let used = self.last_used.unwrap_or(self.created);
        [after(self.created, self.hard.add_time), after(used, self.hard.use_time)].into_iter().flatten().min()
    }
}

/// Which packets a policy is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Traffic {
    pub direction: Direction,
    pub selector: Selector,
    pub source: Address,
    pub destination: Address,
}

/// A policy's place among those of its direction.
#[derive(Debug)]
struct Rank {
    priority: u32,
    selector: Selector,
    id: u32,
}

/// All policies.
#[derive(Debug, Default)]
pub(super) struct Policies {
    by_id: HashMap<u32, SecurityPolicy>,
    by_selector: HashMap<(Direction, Selector), u32>,
    /// Inbound, outbound, forward, each in the order they are asked.
    chains: [Vec<Rank>; 3],
    timers: BTreeSet<(Instant, u32)>,
    last_number: u32,
}

impl Policies {
    /// A number for a policy of this direction.
    pub(super) fn next_id(&mut self, direction: Direction) -> u32 {
        loop {
            self.last_number = self.last_number.wrapping_add(8);
            let id = self.last_number | place(direction).unwrap_or(0) as u32;
            if id >= 8 && !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    pub(super) fn insert(&mut self, mut policy: SecurityPolicy) {
        let Some(place) = place(policy.direction) else { return };
        policy.timer = policy.ends();
        self.timers.extend(policy.timer.map(|end| (end, policy.id)));
        let SecurityPolicy { id, direction, selector, priority, .. } = policy;
        let chain = &mut self.chains[place];
        let at = chain.partition_point(|other| other.priority <= priority);
        chain.insert(at, Rank { priority, selector, id });
        self.by_selector.insert((direction, selector), id);
        self.by_id.insert(id, policy);
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<SecurityPolicy> {
        let policy = self.by_id.remove(&id)?;
        self.by_selector.remove(&(policy.direction, policy.selector));
        if let Some(place) = place(policy.direction) {
            self.chains[place].retain(|rank| rank.id != id);
        }
        if let Some(end) = policy.timer {
            self.timers.remove(&(end, id));
        }
        Some(policy)
    }

    /// Takes all out, and gives back their numbers in the order of [`iter`](Self::iter).
    pub(super) fn clear(&mut self) -> Vec<u32> {
        let ids = self.iter().map(|policy| policy.id).collect();
        *self = Self { last_number: self.last_number, ..Self::default() };
        ids
    }

    pub(super) fn get(&self, id: u32) -> Option<&SecurityPolicy> {
        self.by_id.get(&id)
    }

    /// The policy of exactly this direction and selector.
    pub(super) fn same(&self, direction: Direction, selector: &Selector) -> Option<u32> {
        self.by_selector.get(&(direction, *selector)).copied()
    }

    /// The policy that decides on a packet.
    pub(super) fn find(&mut self, now: Instant, direction: Direction, flow: &Flow) -> Option<&SecurityPolicy> {
        let rank = self.chains[place(direction)?].iter().find(|rank| rank.selector.matches(flow))?;
        let policy = self.by_id.get_mut(&rank.id)?;
        policy.last_used = Some(now);
        Some(policy)
    }

    /// The next policy whose lifetime is over.
    pub(super) fn expired(&mut self, now: Instant) -> Option<u32> {
        while let Some(timer) = self.timers.first().copied().filter(|(end, _)| *end <= now) {
            self.timers.remove(&timer);
            let (_, id) = timer;
            let Some(policy) = self.by_id.get_mut(&id) else { continue };
            policy.timer = policy.ends();
            match policy.timer {
                Some(end) if end > now => self.timers.extend([(end, id)]),
                _ => return Some(id),
            }
        }
        None
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(end, _)| *end)
    }

    /// All: inbound, outbound, forward, each in the order they are asked.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SecurityPolicy> {
        self.chains.iter().flatten().filter_map(|rank| self.by_id.get(&rank.id))
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}

/// Linux's number of a direction.
pub(super) fn place(direction: Direction) -> Option<usize> {
    match direction {
        Direction::Inbound => Some(0),
        Direction::Outbound => Some(1),
        Direction::Forward => Some(2),
        Direction::Any | Direction::Unknown(_) => None,
    }
}
