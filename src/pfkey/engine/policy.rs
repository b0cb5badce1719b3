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
    /// `Use`, `Require` or `Unique`.
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

/// The policies of one direction, in the order they are asked.
#[derive(Debug, Default)]
struct Chain(Vec<SecurityPolicy>);

/// All policies.
#[derive(Debug, Default)]
pub(super) struct Policies {
    chains: [Chain; 3],
    directions: HashMap<u32, Direction>,
    timers: BTreeSet<(Instant, u32)>,
    last_number: u32,
}

impl Policies {
    /// A number for a policy of this direction.
    pub(super) fn next_id(&mut self, direction: Direction) -> u32 {
        loop {
            self.last_number = self.last_number.wrapping_add(8);
            let id = self.last_number | place(direction).unwrap_or(0) as u32;
            if !self.directions.contains_key(&id) {
                return id;
            }
        }
    }

    pub(super) fn insert(&mut self, mut policy: SecurityPolicy) {
        self.directions.insert(policy.id, policy.direction);
        policy.timer = policy.ends();
        self.timers.extend(policy.timer.map(|end| (end, policy.id)));
        if let Some(Chain(chain)) = place(policy.direction).map(|place| &mut self.chains[place]) {
            let at = chain.partition_point(|other| other.priority <= policy.priority);
            chain.insert(at, policy);
        }
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<SecurityPolicy> {
        let direction = self.directions.remove(&id)?;
        let Chain(chain) = &mut self.chains[place(direction)?];
        let at = chain.iter().position(|policy| policy.id == id)?;
        let policy = chain.remove(at);
        if let Some(end) = policy.timer {
            self.timers.remove(&(end, id));
        }
        Some(policy)
    }

    pub(super) fn get(&self, id: u32) -> Option<&SecurityPolicy> {
        let direction = self.directions.get(&id)?;
        self.chain(*direction).iter().find(|policy| policy.id == id)
    }

    /// The policy of exactly this direction and selector.
    pub(super) fn same(&self, direction: Direction, selector: &Selector) -> Option<&SecurityPolicy> {
        self.chain(direction).iter().find(|policy| policy.selector == *selector)
    }

    /// The policy that decides on a packet.
    pub(super) fn find(&mut self, now: Instant, direction: Direction, flow: &Flow) -> Option<&SecurityPolicy> {
        let Chain(chain) = &mut self.chains[place(direction)?];
        let policy = chain.iter_mut().find(|policy| policy.selector.matches(flow))?;
        policy.last_used = Some(now);
        Some(policy)
    }

    /// The next policy whose lifetime is over.
    pub(super) fn expired(&mut self, now: Instant) -> Option<u32> {
        while let Some(timer) = self.timers.first().copied().filter(|(end, _)| *end <= now) {
            self.timers.remove(&timer);
            let (_, id) = timer;
            let Some(policy) = self.get_mut(id) else { continue };
            policy.timer = policy.ends();
            match policy.timer {
                Some(end) if end > now => self.timers.extend([(end, id)]),
                _ => return Some(id),
            }
        }
        None
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut SecurityPolicy> {
        let Chain(chain) = &mut self.chains[place(*self.directions.get(&id)?)?];
        chain.iter_mut().find(|policy| policy.id == id)
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(end, _)| *end)
    }

    /// All: inbound, outbound, forward, each in the order they are asked.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SecurityPolicy> {
        self.chains.iter().flat_map(|Chain(chain)| chain)
    }

    fn chain(&self, direction: Direction) -> &[SecurityPolicy] {
        place(direction).map_or(&[], |place| &self.chains[place].0)
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
