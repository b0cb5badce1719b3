//! Putting fragments together again, within bounds (RFC 791 3.2).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::time::Instant;
use crate::wire::ipv4::Ipv4Packet;

/// How long the missing fragments of a packet are waited for. IOS virtual reassembly waits three seconds. \[R\]
const TIMEOUT: Duration = Duration::from_secs(3);

/// Packets that may be incomplete at the same time; IOS virtual reassembly has 16 by default. \[R\]
const MAX_PACKETS: usize = 16;

/// Fragments of one packet; IOS virtual reassembly takes 32. \[R\] Enough for 45,000 octets at the usual MTU.
const MAX_FRAGMENTS: usize = 32;

/// What makes fragments belong together.
type Key = (Ipv4Addr, Ipv4Addr, u8, u16);

#[derive(Clone, Debug)]
struct Partial {
    /// By offset in octets; they do not overlap.
    pieces: BTreeMap<usize, Ipv4Packet>,
    /// Octets of the whole payload, once the last fragment is here.
    length: Option<usize>,
    deadline: Instant,
}

/// Packets that are not whole yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Reassembler {
    packets: BTreeMap<Key, Partial>,
    /// Fragments dropped: overlapping, too many, too large, or left alone.
    pub dropped: u64,
}

impl Reassembler {
    /// Takes a fragment; the whole packet when it was the last one missing.
    pub fn take(&mut self, now: Instant, fragment: Ipv4Packet) -> Option<Ipv4Packet> {
        let key = (fragment.source, fragment.destination, fragment.protocol, fragment.identification);
        if !self.packets.contains_key(&key) && self.packets.len() >= MAX_PACKETS {
            self.dropped += 1;
            return None;
        }
        let partial = self.packets.entry(key).or_insert_with(|| Partial {
            pieces: BTreeMap::new(),
            length: None,
            deadline: now + TIMEOUT,
        });
        if !partial.add(fragment) {
            // An overlap or a lie about lengths: the packet cannot be trusted any more (RFC 5722 for IPv6; IOS drops
            // overlapping fragments too).
            self.dropped += 1 + self.packets.remove(&key).map_or(0, |partial| partial.pieces.len() as u64);
            return None;
        }
        if partial.is_whole() {
            return self.packets.remove(&key).and_then(Partial::join);
        }
        None
    }

    /// Gives up on packets that stayed incomplete.
    pub fn handle_timeout(&mut self, now: Instant) {
        let dropped = &mut self.dropped;
        self.packets.retain(|_, partial| {
            let keep = partial.deadline > now;
            if !keep {
                *dropped += partial.pieces.len() as u64;
            }
            keep
        });
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.packets.values().map(|partial| partial.deadline).min()
    }
}

impl Partial {
    /// Adds a fragment; whether it fits the others.
    fn add(&mut self, fragment: Ipv4Packet) -> bool {
        let start = usize::from(fragment.fragment_offset) * 8;
        let end = start + fragment.payload.len();
        if end > usize::from(u16::MAX) || (fragment.more_fragments && !fragment.payload.len().is_multiple_of(8)) {
            return false;
        }
        if self.pieces.get(&start).is_some_and(|same| *same == fragment) {
            return true;
        }
        let before = self.pieces.range(..=start).next_back();
        let after = self.pieces.range(start..).next();
        let overlaps = before.is_some_and(|(offset, piece)| offset + piece.payload.len() > start)
            || after.is_some_and(|(offset, _)| *offset < end)
            || self.pieces.contains_key(&start)
            || self.length.is_some_and(|length| end > length || !fragment.more_fragments);
        if overlaps || self.pieces.len() >= MAX_FRAGMENTS {
            return false;
        }
        if !fragment.more_fragments {
            if after.is_some() {
                return false;
            }
            self.length = Some(end);
        }
        self.pieces.insert(start, fragment);
        true
    }

    fn is_whole(&self) -> bool {
        let present: usize = self.pieces.values().map(|piece| piece.payload.len()).sum();
        self.length == Some(present)
    }

    fn join(self) -> Option<Ipv4Packet> {
        let payload = self.pieces.values().flat_map(|piece| piece.payload.iter().copied()).collect();
        let first = self.pieces.into_values().next()?;
        Some(Ipv4Packet { more_fragments: false, fragment_offset: 0, payload, ..first })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(identification: u16, length: usize) -> Ipv4Packet {
        let payload = (0..length).map(|index| (index * 7) as u8).collect();
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        Ipv4Packet { identification, ..Ipv4Packet::new(17, a, b, payload) }
    }

    #[test]
    fn overlapping_fragments_are_refused() {
        let mut reassembler = Reassembler::default();
        let fragments = packet(1, 3000).fragment(1500);
        assert_eq!(reassembler.take(Instant::ZERO, fragments[0].clone()), None);
        let overlapping = Ipv4Packet { fragment_offset: fragments[1].fragment_offset - 1, ..fragments[1].clone() };
        assert_eq!(reassembler.take(Instant::ZERO, overlapping), None);
        assert!(reassembler.packets.is_empty());
        assert_eq!(reassembler.dropped, 2);
    }

    #[test]
    fn what_stays_incomplete_is_given_up_and_bounded() {
        let mut reassembler = Reassembler::default();
        for identification in 0..100 {
            reassembler.take(Instant::ZERO, packet(identification, 3000).fragment(1500).remove(0));
        }
        assert_eq!(reassembler.packets.len(), MAX_PACKETS);
        assert_eq!(reassembler.next_timeout(), Some(Instant::ZERO + TIMEOUT));
        reassembler.handle_timeout(Instant::ZERO + TIMEOUT);
        assert!(reassembler.packets.is_empty());
        assert_eq!(reassembler.dropped, 100);
    }

    proptest! {
        #[test]
        fn any_order_and_duplicates_give_the_packet(length in 1_usize..9000, mtu in 600_usize..1500, seed: u64) {
            let whole = packet(9, length);
            let mut fragments = whole.fragment(mtu);
            let extra = fragments[seed as usize % fragments.len()].clone();
            fragments.push(extra);
            let count = fragments.len();
            for index in 0..count {
                fragments.swap(index, (seed.rotate_left(index as u32 * 7) % count as u64) as usize);
            }
            let mut reassembler = Reassembler::default();
            let results: Vec<_> =
                fragments.into_iter().filter_map(|piece| reassembler.take(Instant::ZERO, piece)).collect();
            prop_assert_eq!(&results[0], &whole);
        }

        #[test]
        fn any_fragments_are_survived(pieces in proptest::collection::vec((0_u16..40, any::<bool>(), 0_usize..200), 0..60)) {
            let mut reassembler = Reassembler::default();
            for (fragment_offset, more_fragments, length) in pieces {
                let fragment = Ipv4Packet { fragment_offset, more_fragments, ..packet(1, length) };
                if let Some(whole) = reassembler.take(Instant::ZERO, fragment) {
                    prop_assert!(!whole.is_fragment());
                }
            }
            prop_assert!(reassembler.packets.len() <= 1);
        }
    }
}
