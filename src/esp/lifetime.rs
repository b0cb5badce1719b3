//! How long an SA lives: in seconds, octets and packets.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// Limits of one kind; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds since the SA was made.
    pub seconds: Option<u64>,
    /// Seconds since the first packet passed it (RFC 2367 2.3.2, `usetime`).
    pub use_seconds: Option<u64>,
    /// Octets that passed it, counted as [`Counters::bytes`](super::Counters::bytes).
    pub bytes: Option<u64>,
    /// Packets that passed it.
    pub packets: Option<u64>,
}

/// The lifetime of an SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// When a successor is to be negotiated.
    pub soft: Limits,
    /// When the SA must not be used any more.
    pub hard: Limits,
}

/// Which of the two lifetimes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The SA works on; a successor is due.
    Soft,
    /// The SA is dead.
    Hard,
}

/// What a lifetime is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifetimeKind {
    /// Time since the SA was made.
    Seconds,
    /// Time since its first packet.
    UseSeconds,
    /// Volume.
    Bytes,
    /// Packets.
    Packets,
}

impl fmt::Display for LifetimeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Seconds => "seconds",
            Self::UseSeconds => "seconds of use",
            Self::Bytes => "octets",
            Self::Packets => "packets",
        })
    }
}

/// What an SA has used up of its lifetime.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spent {
    pub created: Instant,
    pub first_used: Option<Instant>,
    pub bytes: u64,
    pub packets: u64,
}

impl Limits {
    /// Which limit is reached by `now`; time before volume.
    pub(super) fn reached(&self, spent: &Spent, now: Instant) -> Option<LifetimeKind> {
        self.time_ends(spent)
            .filter(|(end, _)| now >= *end)
            .map(|(_, kind)| kind)
            .or_else(|| self.volume_reached(spent))
    }

    /// Which limit of volume is reached.
    pub(super) fn volume_reached(&self, spent: &Spent) -> Option<LifetimeKind> {
        let reached = |limit: Option<u64>, passed| limit.is_some_and(|limit| passed >= limit);
        if reached(self.bytes, spent.bytes) {
            return Some(LifetimeKind::Bytes);
        }
        reached(self.packets, spent.packets).then_some(LifetimeKind::Packets)
    }

    /// The instant at which the first limit of time is reached, and which one that is.
    pub(super) fn time_ends(&self, spent: &Spent) -> Option<(Instant, LifetimeKind)> {
        let after = |start: Option<Instant>, seconds: Option<u64>| Some(start? + Duration::from_secs(seconds?));
        let made = after(Some(spent.created), self.seconds).map(|end| (end, LifetimeKind::Seconds));
        let used = after(spent.first_used, self.use_seconds).map(|end| (end, LifetimeKind::UseSeconds));
        [made, used].into_iter().flatten().min()
    }

    /// What is left of each limit: whole seconds, octets and packets; zero when reached.
    pub(super) fn remaining(&self, spent: &Spent, now: Instant) -> Self {
        let left =
            |start: Instant, seconds: u64| (start + Duration::from_secs(seconds)).saturating_since(now).as_secs();
        Self {
            seconds: self.seconds.map(|seconds| left(spent.created, seconds)),
            use_seconds: self.use_seconds.map(|seconds| spent.first_used.map_or(seconds, |used| left(used, seconds))),
            bytes: self.bytes.map(|bytes| bytes.saturating_sub(spent.bytes)),
            packets: self.packets.map(|packets| packets.saturating_sub(spent.packets)),
        }
    }
}
