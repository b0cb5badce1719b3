//! Stages that many threads go through with pieces of work, each stage in the order of the pieces.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// A stage: what only the piece whose turn it is may work with.
#[derive(Debug)]
pub(super) struct Turns<T> {
    stage: Mutex<Stage<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Stage<T> {
    /// The piece whose turn it is.
    next: u64,
    over: bool,
    state: T,
}

impl<T> Turns<T> {
    pub(super) fn new(state: T) -> Self {
        Self { stage: Mutex::new(Stage { next: 0, over: false, state }), changed: Condvar::new() }
    }

    /// Waits until all pieces before this one have had their turn, and works; `None` when the stage is over.
    pub(super) fn take<R>(&self, piece: u64, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let waits = |stage: &mut Stage<T>| !stage.over && stage.next != piece;
        let mut stage = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        if stage.over {
            return None;
        }
        let result = work(&mut stage.state);
        stage.next += 1;
        drop(stage);
        self.changed.notify_all();
        Some(result)
    }

    /// Says that no piece has a turn any more.
    pub(super) fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    pub(super) fn into_state(self) -> T {
        self.stage.into_inner().unwrap_or_else(PoisonError::into_inner).state
    }

    /// A thread that panics in its turn leaves the stage [over](EndsWith), so that nobody works with what it left behind.
    fn lock(&self) -> MutexGuard<'_, Stage<T>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a stage when its thread panics: the turn of its piece would never pass.
pub(super) struct EndsWith<'a, T>(pub(super) &'a Turns<T>);

impl<T> Drop for EndsWith<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn every_piece_has_its_turn_in_order_in_each_stage() {
        const PIECES: u64 = 1000;
        let (first, second) = (Turns::new(Vec::new()), Turns::new(Vec::new()));
        let claimed = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let piece = claimed.fetch_add(1, Ordering::Relaxed);
                        if piece >= PIECES {
                            return;
                        }
                        first.take(piece, |order| order.push(piece));
                        second.take(piece, |order| order.push(piece));
                    }
                });
            }
        });
        let all: Vec<u64> = (0..PIECES).collect();
        assert_eq!((first.into_state(), second.into_state()), (all.clone(), all));
    }

    #[test]
    fn whoever_waits_is_told_when_a_stage_is_over() {
        let turns = Turns::new(());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| turns.take(1, |()| ()));
            turns.end();
            assert_eq!(waiting.join().unwrap(), None);
        });
        let turns = Turns::new(());
        thread::scope(|scope| {
            let waiting = scope.spawn(|| turns.take(1, |()| ()));
            let panics = scope.spawn(|| {
                let _end = EndsWith(&turns);
                turns.take(0, |()| panic!("on purpose"))
            });
            assert!(panics.join().is_err());
            assert_eq!(waiting.join().unwrap(), None);
        });
    }
}
