//! How long an SA lives, in seconds and in kilobytes.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Instant;

/// Limits of one kind; `None` where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Seconds since the SA was made.
    pub seconds: Option<u64>,
    /// Kilobytes of 1024 octets that passed it.
    pub kilobytes: Option<u64>,
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
    /// Time.
    Seconds,
    /// Volume.
    Kilobytes,
}

impl fmt::Display for LifetimeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Seconds => "seconds",
            Self::Kilobytes => "kilobytes",
        })
    }
}

impl Limits {
    /// Which limit an SA made at `created` has reached by `now` with `bytes` passed; time before volume.
    pub(super) fn reached(&self, created: Instant, now: Instant, bytes: u64) -> Option<LifetimeKind> {
        if self.ends(created).is_some_and(|end| now >= end) {
            return Some(LifetimeKind::Seconds);
        }
        self.volume_reached(bytes).then_some(LifetimeKind::Kilobytes)
    }

    /// Whether `bytes` reach the volume limit.
    pub(super) fn volume_reached(&self, bytes: u64) -> bool {
        self.kilobytes.is_some_and(|kilobytes| bytes >= kilobytes.saturating_mul(1024))
    }

    /// The instant at which the time limit is reached.
    pub(super) fn ends(&self, created: Instant) -> Option<Instant> {
        self.seconds.map(|seconds| created + Duration::from_secs(seconds))
    }

    /// What is left of each limit: whole seconds and whole kilobytes, zero when reached.
    pub(super) fn remaining(&self, created: Instant, now: Instant, bytes: u64) -> Self {
        Self {
            seconds: self.ends(created).map(|end| end.saturating_since(now).as_secs()),
            kilobytes: self.kilobytes.map(|kilobytes| kilobytes.saturating_mul(1024).saturating_sub(bytes) / 1024),
        }
    }
}
