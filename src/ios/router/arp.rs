//! The ARP cache: who has which MAC address on which interface, and what waits to know it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::interface::PortId;
use crate::time::Instant;
use crate::wire::ethernet::MacAddress;

/// How long an answer is believed: `arp timeout`, four hours. \[R\]
const LIFETIME: Duration = Duration::from_secs(4 * 3600);

/// How long a request waits for its answer before it is repeated.
const RETRY: Duration = Duration::from_secs(1);

/// Requests sent before what waits is dropped.
const TRIES: u8 = 3;

/// Packets that may wait for one neighbour.
const QUEUE: usize = 16;

/// Neighbours the cache holds; beyond, the one learned first goes.
const CAPACITY: usize = 2048;

/// Neighbours that may be waited for at the same time.
const MAX_INCOMPLETE: usize = 256;

/// What is known of a neighbour.
#[derive(Clone, Debug)]
enum Neighbour {
    Incomplete { waiting: Vec<Vec<u8>>, tries: u8, again: Instant },
    Complete { mac: MacAddress, learned: Instant },
}

/// What became of a packet whose neighbour is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It waits, and the neighbour must be asked for.
    Ask,
    /// It waits behind others.
    Queued,
    /// There was no room.
    Dropped,
}

/// What a time-out of the cache asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Neighbours to ask for once more.
    pub ask: Vec<(PortId, Ipv4Addr)>,
    /// Interface and number of packets that waited in vain.
    pub dropped: Vec<(PortId, usize)>,
}

/// The cache.
#[derive(Clone, Debug, Default)]
pub(super) struct ArpCache {
    neighbours: BTreeMap<(PortId, Ipv4Addr), Neighbour>,
}

impl ArpCache {
    /// Leaves `packet` until `neighbour` has answered.
    pub fn wait(&mut self, now: Instant, port: PortId, neighbour: Ipv4Addr, packet: Vec<u8>) -> Wait {
        match self.neighbours.get_mut(&(port, neighbour)) {
            Some(Neighbour::Incomplete { waiting, .. }) if waiting.len() < QUEUE => {
                waiting.push(packet);
                return Wait::Queued;
            }
            Some(Neighbour::Incomplete { .. }) => return Wait::Dropped,
            Some(Neighbour::Complete { .. }) | None => {}
        }
        let incomplete = self.neighbours.values().filter(|entry| matches!(entry, Neighbour::Incomplete { .. }));
        if incomplete.count() >= MAX_INCOMPLETE {
            return Wait::Dropped;
        }
        let entry = Neighbour::Incomplete { waiting: vec![packet], tries: 1, again: now + RETRY };
        self.insert((port, neighbour), entry);
        Wait::Ask
    }

    /// Notes that `address` has `mac`; the packets that waited for it. A neighbour nobody asked for is taken up only
    /// when it asks for us (`asked`), as RFC 826 has it.
    pub fn learn(
        &mut self,
        now: Instant,
        port: PortId,
        address: Ipv4Addr,
        mac: MacAddress,
        asked: bool,
    ) -> Vec<Vec<u8>> {
        let entry = Neighbour::Complete { mac, learned: now };
        match self.neighbours.get_mut(&(port, address)) {
            Some(known) => match std::mem::replace(known, entry) {
                Neighbour::Incomplete { waiting, .. } => waiting,
                Neighbour::Complete { .. } => Vec::new(),
            },
            None => {
                if asked {
                    self.insert((port, address), entry);
                }
                Vec::new()
            }
        }
    }

    /// Forgets the neighbours of an interface.
    pub fn clear(&mut self, port: PortId) {
        self.neighbours.retain(|(of, _), _| *of != port);
    }

    /// Repeats requests and drops what waited in vain.
    pub fn handle_timeout(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        self.neighbours.retain(|(port, address), entry| match entry {
            Neighbour::Incomplete { waiting, tries, again } if *again <= now => {
                if *tries >= TRIES {
                    due.dropped.push((*port, waiting.len()));
                    return false;
                }
                *tries += 1;
                *again = now + RETRY;
                due.ask.push((*port, *address));
                true
            }
            Neighbour::Incomplete { .. } => true,
            Neighbour::Complete { learned, .. } => now - *learned < LIFETIME,
        });
        due
    }

    /// The MAC address of `neighbour`, if known.
    pub fn resolve(&self, now: Instant, port: PortId, neighbour: Ipv4Addr) -> Option<MacAddress> {
        match self.neighbours.get(&(port, neighbour)) {
            Some(Neighbour::Complete { mac, learned }) if now - *learned < LIFETIME => Some(*mac),
            _ => None,
        }
    }

    /// When [`Self::handle_timeout`] is due: only requests have a time-out, answers are dropped on the way.
    pub fn next_timeout(&self) -> Option<Instant> {
        let again = self.neighbours.values().filter_map(|entry| match entry {
            Neighbour::Incomplete { again, .. } => Some(*again),
            Neighbour::Complete { .. } => None,
        });
        again.min()
    }

    /// The neighbours that have answered: interface, address, MAC address, since when.
    pub fn iter(&self) -> impl Iterator<Item = (PortId, Ipv4Addr, MacAddress, Instant)> {
        self.neighbours.iter().filter_map(|((port, address), entry)| match entry {
            Neighbour::Complete { mac, learned } => Some((*port, *address, *mac, *learned)),
            Neighbour::Incomplete { .. } => None,
        })
    }

    fn insert(&mut self, key: (PortId, Ipv4Addr), entry: Neighbour) {
        if self.neighbours.len() >= CAPACITY {
            let oldest = self.neighbours.iter().filter_map(|(key, entry)| match entry {
                Neighbour::Complete { learned, .. } => Some((*learned, *key)),
                Neighbour::Incomplete { .. } => None,
            });
            if let Some((_, oldest)) = oldest.min() {
                self.neighbours.remove(&oldest);
            }
        }
        self.neighbours.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: PortId = PortId(0);
    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);

    fn address(last: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0xc000_0200 + last)
    }

    #[test]
    fn packets_wait_for_the_answer_in_order() {
        let mut cache = ArpCache::default();
        let now = Instant::ZERO;
        assert_eq!(cache.wait(now, PORT, address(1), vec![1]), Wait::Ask);
        assert_eq!(cache.wait(now, PORT, address(1), vec![2]), Wait::Queued);
        assert_eq!(cache.learn(now, PORT, address(1), MAC, false), [vec![1], vec![2]]);
        assert_eq!(cache.resolve(now, PORT, address(1)), Some(MAC));
        assert_eq!(cache.resolve(now + LIFETIME, PORT, address(1)), None);
        assert_eq!(cache.resolve(now, PortId(1), address(1)), None);
    }

    #[test]
    fn requests_are_repeated_then_given_up() {
        let mut cache = ArpCache::default();
        cache.wait(Instant::ZERO, PORT, address(1), vec![1]);
        for second in 1..u64::from(TRIES) {
            let now = Instant::ZERO + RETRY * second as u32;
            assert_eq!(cache.next_timeout(), Some(now));
            assert_eq!(cache.handle_timeout(now).ask, [(PORT, address(1))]);
        }
        let due = cache.handle_timeout(cache.next_timeout().unwrap());
        assert_eq!(due, Due { ask: vec![], dropped: vec![(PORT, 1)] });
        assert_eq!(cache.next_timeout(), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut cache = ArpCache::default();
        for packet in 0..QUEUE + 5 {
            let wait = cache.wait(Instant::ZERO, PORT, address(0), vec![0]);
            assert_eq!(wait == Wait::Dropped, packet >= QUEUE);
        }
        for neighbour in 1..1000 {
            cache.wait(Instant::ZERO, PORT, address(neighbour), vec![0]);
        }
        for neighbour in 0..10_000 {
            cache.learn(Instant::ZERO, PORT, address(neighbour), MAC, true);
        }
        assert!(cache.neighbours.len() <= CAPACITY);
        assert_eq!(cache.wait(Instant::ZERO, PORT, address(20_000), vec![0]), Wait::Ask);
    }

    #[test]
    fn strangers_are_not_taken_up() {
        let mut cache = ArpCache::default();
        cache.learn(Instant::ZERO, PORT, address(1), MAC, false);
        assert_eq!(cache.resolve(Instant::ZERO, PORT, address(1)), None);
    }
}
