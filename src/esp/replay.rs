//! The anti-replay window (RFC 4303 3.4.3).

/// Which sequence numbers an SA has received.
///
/// [`check`](Self::check) before the ICV is verified, [`update`](Self::update) after. The window is a ring of 64-bit words,
/// one more than it needs, so that moving it forward clears whole words (RFC 6479).
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    size: u32,
    newest: u32,
    words: Box<[u64]>,
}

impl ReplayWindow {
    /// The largest window, in packets.
    pub const MAX: u32 = 4096;

    /// A window of `size` packets, no more than [`MAX`](Self::MAX); 0 switches the check off. IOS knows 64, 128, 256, 512
    /// and 1024; Linux's PF_KEY 32.
    pub fn new(size: u32) -> Self {
        let size = size.min(Self::MAX);
        let words = if size == 0 { 0 } else { size.div_ceil(64) as usize + 1 };
        Self { size, newest: 0, words: vec![0; words].into() }
    }

    /// Whether a packet with this sequence number may pass. Zero, which is never sent, may not, unless the check is off.
    pub fn check(&self, sequence: u32) -> bool {
        if self.size == 0 {
            return true;
        }
        if sequence == 0 {
            return false;
        }
        if sequence > self.newest {
            return true;
        }
        self.newest - sequence < self.size && self.words[self.word(sequence)] & bit(sequence) == 0
    }

    /// Marks the sequence number of an authenticated packet; moves the window when it lies right of it.
    pub fn update(&mut self, sequence: u32) {
        if self.size == 0 {
            self.newest = self.newest.max(sequence);
            return;
        }
        if sequence > self.newest {
            let steps = (sequence / 64 - self.newest / 64).min(self.words.len() as u32);
            for step in 1..=steps {
                let word = self.word((sequence / 64 - steps + step) * 64);
                self.words[word] = 0;
            }
            self.newest = sequence;
        } else if self.newest - sequence >= self.size {
            return;
        }
        let word = self.word(sequence);
        self.words[word] |= bit(sequence);
    }

    /// The right edge: the highest sequence number that was authenticated; 0 before the first.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// Packets the window covers; 0 when the check is off.
    pub fn size(&self) -> u32 {
        self.size
    }

    fn word(&self, sequence: u32) -> usize {
        (sequence / 64) as usize % self.words.len()
    }
}

fn bit(sequence: u32) -> u64 {
    1 << (sequence % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    /// The definition, word by word: seen, or `size` or more left of the highest.
    struct Naive {
        size: u32,
        newest: u32,
        seen: HashSet<u32>,
    }

    impl Naive {
        fn accepts(&mut self, sequence: u32) -> bool {
            let left = u64::from(sequence) + u64::from(self.size) <= u64::from(self.newest);
            let fresh = sequence != 0 && !left && self.seen.insert(sequence);
            self.newest = if fresh { self.newest.max(sequence) } else { self.newest };
            fresh
        }
    }

    fn accepts(window: &mut ReplayWindow, sequence: u32) -> bool {
        let fresh = window.check(sequence);
        if fresh {
            window.update(sequence);
        }
        fresh
    }

    /// Sequence numbers as a network delivers them: mostly near each other, sometimes far ahead, at either end.
    fn arrivals() -> impl Strategy<Value = Vec<u32>> {
        let step = prop_oneof![8 => -80_i64..80, 4 => -1100_i64..1100, 1 => -10_000_i64..10_000, 1 => Just(i64::MAX)];
        let start = prop_oneof![Just(1_u32), Just(u32::MAX - 2000), any::<u32>()];
        (start, prop::collection::vec(step, 1..400)).prop_map(|(start, steps)| {
            let mut at = i64::from(start);
            let numbers = steps.iter().map(|step| {
                at = at.saturating_add(*step).clamp(0, i64::from(u32::MAX));
                u32::try_from(at).unwrap()
            });
            numbers.collect()
        })
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(size in prop_oneof![Just(1), Just(32), Just(63), Just(64), Just(128), Just(1024), 1..2000_u32],
                                      arrivals in arrivals()) {
            let mut window = ReplayWindow::new(size);
            let mut naive = Naive { size, newest: 0, seen: HashSet::new() };
            for sequence in arrivals {
                prop_assert_eq!(accepts(&mut window, sequence), naive.accepts(sequence), "{} of {}", sequence, naive.newest);
                prop_assert_eq!(window.newest(), naive.newest);
            }
        }
    }

    #[test]
    fn off_takes_everything() {
        let mut window = ReplayWindow::new(0);
        assert!([5, 5, 0, 1].iter().all(|&sequence| accepts(&mut window, sequence)));
        assert_eq!((window.newest(), window.size()), (5, 0));
    }

    #[test]
    fn edges_of_the_window() {
        let mut window = ReplayWindow::new(64);
        assert!(!accepts(&mut window, 0));
        assert!(accepts(&mut window, 64));
        assert!(accepts(&mut window, 1));
        assert!(accepts(&mut window, 65));
        assert!(!accepts(&mut window, 1));
        assert!(accepts(&mut window, u32::MAX));
        assert!(accepts(&mut window, u32::MAX - 63));
        assert!(!accepts(&mut window, u32::MAX - 64));
        assert!(!accepts(&mut window, u32::MAX));
    }

    #[test]
    fn a_packet_that_failed_its_icv_moves_nothing() {
        let window = ReplayWindow::new(64);
        assert!(window.check(1_000_000));
        assert!(window.check(1));
        assert_eq!(window.newest(), 0);
    }

    #[test]
    fn size_is_bounded() {
        assert_eq!(ReplayWindow::new(u32::MAX).size(), ReplayWindow::MAX);
    }
}
