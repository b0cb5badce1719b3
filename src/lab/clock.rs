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

    /// Waits until `wake`, or for ever when a machine wants nothing of the clock.
    pub async fn wait_until(&self, wake: Option<Instant>) {
        match wake {
            Some(at) => tokio::time::sleep_until(self.deadline(at)).await,
            None => std::future::pending().await,
        }
    }

    /// The instant of a kernel time stamp that was taken in the recent past, `stamp` after the Unix epoch.
    ///
    /// The stamp's age is measured on the wall clock now, so that a wall clock set during the run moves only the frames
    /// that were waiting at that moment.
    pub fn at_stamp(&self, stamp: Duration) -> Instant {
        let reading = Reading::closest(|| Reading {
            before: self.start.elapsed(),
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            after: self.start.elapsed(),
        });
        reading.instant_of(stamp)
    }
}

/// The wall clock between two readings of the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Reading {
    before: Duration,
    wall: Duration,
    after: Duration,
}

impl Reading {
    /// How far apart the two may be for the reading to be taken as it is.
    const CLOSE: Duration = Duration::from_micros(5);

    /// How often a reading is tried.
    const TRIES: usize = 16;

    /// A reading in whose middle the thread was not stopped, which on a busy machine can take as long as several messages
    /// of a negotiation; the closest of several when the machine is never that quiet.
    fn closest(read: impl FnMut() -> Self) -> Self {
        let mut readings = std::iter::repeat_with(read).take(Self::TRIES);
        let mut best = Self { before: Duration::ZERO, wall: Duration::ZERO, after: Duration::MAX };
        while best.width() > Self::CLOSE
            && let Some(reading) = readings.next()
        {
            if reading.width() < best.width() {
                best = reading;
            }
        }
        best
    }

    fn width(&self) -> Duration {
        self.after.saturating_sub(self.before)
    }

    fn instant_of(&self, stamp: Duration) -> Instant {
        Instant::from_start(self.before.saturating_sub(self.wall.saturating_sub(stamp)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Duration = Duration::from_secs(1_800_000_000);

    /// A reading at `since_start`, in whose middle the thread stood still before and after it read the wall clock.
    fn reading(since_start: u64, stopped_before: u64, stopped_after: u64) -> Reading {
        let [before, stopped_before, stopped_after] =
            [since_start, stopped_before, stopped_after].map(Duration::from_micros);
        let wall = before + stopped_before;
        Reading { before, wall: EPOCH + wall, after: wall + stopped_after }
    }

    #[test]
    fn a_thread_that_was_stopped_reads_again() {
        let mut readings = [reading(1000, 0, 9000), reading(20_000, 9000, 0), reading(40_000, 1, 2)].into_iter();
        let closest = Reading::closest(|| readings.next().unwrap());
        assert_eq!(closest.instant_of(EPOCH + Duration::from_micros(900)).since_start(), Duration::from_micros(899));
    }

    #[test]
    fn on_a_machine_that_is_never_quiet_the_closest_reading_counts() {
        let mut round = 0;
        let closest = Reading::closest(|| {
            round += 1;
            reading(round * 1000, 0, if round == 7 { 6 } else { 500 })
        });
        assert_eq!((round, closest.before), (Reading::TRIES as u64, Duration::from_micros(7000)));
    }

    #[test]
    fn a_stamp_of_now_is_now() {
        let clock = Clock::start();
        let before = clock.now();
        let stamp = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (at, after) = (clock.at_stamp(stamp), clock.now());
        assert!(at + Duration::from_micros(500) >= before && at <= after, "{before:?} {at:?} {after:?}");
    }
}
