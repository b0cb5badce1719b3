//! The IPsec SA pairs an engine has negotiated: when they are renewed, replaced and removed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::sa::{QuickRequest, SaPair};
use crate::time::Instant;
use crate::wire::Spi;
use crate::wire::isakmp::IdPayload;

/// A pair and its timers.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// The pair as it was installed.
    pub sa: SaPair,
    /// Serial number of the ISAKMP SA it was negotiated under.
    pub serial: u64,
    /// The peer's identity in that.
    pub identity: IdPayload,
    /// The request that made it, when it was ours.
    pub request: Option<QuickRequest>,
    /// When it is renewed; `None` once that has begun, or never.
    pub renew: Option<Instant>,
    /// Whether its renewal has begun.
    pub renewing: bool,
    /// When it goes because a newer one took its place.
    pub replaced: Option<Instant>,
    /// When its lifetime ends.
    pub expires: Option<Instant>,
}

impl Pair {
    fn due(&self) -> Option<Instant> {
        [self.renew, self.replaced, self.expires].into_iter().flatten().min()
    }
}

/// The pairs by their inbound SPI.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    by_inbound: BTreeMap<Spi, Pair>,
    last_number: u32,
}

impl Pairs {
    /// The number of the next pair.
    pub fn next_number(&mut self) -> u32 {
        self.last_number += 1;
        self.last_number
    }

    /// Whether an inbound SPI is taken.
    pub fn contains(&self, inbound: Spi) -> bool {
        self.by_inbound.contains_key(&inbound)
    }

    /// Enters a pair.
    pub fn insert(&mut self, pair: Pair) {
        self.by_inbound.insert(pair.sa.inbound.spi, pair);
    }

    /// Removes a pair.
    pub fn remove(&mut self, inbound: Spi) -> Option<Pair> {
        self.by_inbound.remove(&inbound)
    }

    /// The pair with this inbound SPI.
    pub fn get_mut(&mut self, inbound: Spi) -> Option<&mut Pair> {
        self.by_inbound.get_mut(&inbound)
    }

    /// The pair with this inbound SPI.
    pub fn get(&self, inbound: Spi) -> Option<&Pair> {
        self.by_inbound.get(&inbound)
    }

    /// Inbound SPIs of the pairs that `wanted` picks.
    pub fn pick(&self, wanted: impl Fn(&Pair) -> bool) -> Vec<Spi> {
        self.by_inbound.iter().filter(|(_, pair)| wanted(pair)).map(|(spi, _)| *spi).collect()
    }

    /// The pair with this outbound SPI towards `peer`.
    pub fn by_outbound(&self, peer: Ipv4Addr, outbound: Spi) -> Option<Spi> {
        self.by_inbound.values().find(|pair| pair.sa.remote == peer && pair.sa.outbound.spi == outbound).map(inbound)
    }

    /// The pairs being renewed that `newer` takes the place of: same peers, same traffic, and older.
    pub fn replaced_by(&self, newer: &SaPair) -> Vec<Spi> {
        self.pick(|pair| {
            pair.renewing
                && pair.replaced.is_none()
                && pair.sa.number < newer.number
                && (pair.sa.local, pair.sa.remote, pair.sa.selectors) == (newer.local, newer.remote, newer.selectors)
        })
    }

    /// The pairs negotiated under an ISAKMP SA whose UDP encapsulation must follow the peer to `remote`; they are changed.
    pub fn follow(&mut self, serial: u64, local: SocketAddrV4, remote: SocketAddrV4) -> Vec<Spi> {
        let mut moved = Vec::new();
        for pair in self.by_inbound.values_mut().filter(|pair| pair.serial == serial) {
            if let Some(udp) = &mut pair.sa.udp {
                (udp.local, udp.remote) = (local, remote);
                moved.push(pair.sa.inbound.spi);
            }
        }
        moved
    }

    /// When the next timer of a pair fires.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.by_inbound.values().filter_map(Pair::due).min()
    }

    /// The pairs with a timer that has fired.
    pub fn due(&self, now: Instant) -> Vec<Spi> {
        self.pick(|pair| pair.due().is_some_and(|due| due <= now))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_inbound.len()
    }
}

fn inbound(pair: &Pair) -> Spi {
    pair.sa.inbound.spi
}
