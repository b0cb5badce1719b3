//! The run's clock, and how the kernel's time stamps are put on it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::Instant;

/// The monotonic clock, counted from the start of a run.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: std::time::Instant,
    wall_start: SystemTime,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: std::time::Instant::now(), wall_start: SystemTime::now() }
    }

    /// The present instant.
    pub fn now(&self) -> Instant {
        Instant::from_start(self.start.elapsed())
    }

    /// The wall clock's time when the run started, for captures and reports.
    pub fn wall_start(&self) -> SystemTime {
        self.wall_start
    }

    /// The same moment on tokio's clock, to sleep until it.
    pub fn deadline(&self, at: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + at.since_start())
    }

    /// The instant of a kernel time stamp that was taken in the recent past, `stamp` after the Unix epoch.
    ///
    /// The stamp's age is measured on the wall clock now, so that a wall clock set during the run moves only the frames
    /// that were waiting at that moment.
    pub fn at_stamp(&self, stamp: Duration) -> Instant {
        let age = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(stamp);
        Instant::from_start(self.start.elapsed().saturating_sub(age))
    }
}
