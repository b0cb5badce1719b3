//! Who is where on a link, and what waits for an answer to ARP (RFC 826).

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::time::Instant;
use crate::wire::ethernet::MacAddress;

/// Between two requests.
const RETRY: Duration = Duration::from_secs(1);
/// Requests before a neighbour is held to be absent.
const TRIES: u8 = 3;
/// Packets that wait for one neighbour; a further one is lost.
const MAX_WAITING: usize = 16;
/// Neighbours known or asked for; past it those learnt are forgotten.
const MAX_NEIGHBOURS: usize = 256;

/// The neighbours on one link, and the `T`s that wait for one.
#[derive(Debug)]
pub(super) struct Neighbours<T> {
    fixed: (Ipv4Addr, MacAddress),
    known: HashMap<Ipv4Addr, MacAddress>,
    asking: HashMap<Ipv4Addr, Asking<T>>,
}

#[derive(Debug)]
struct Asking<T> {
    tries: u8,
    again: Instant,
    waiting: Vec<T>,
}

/// What to do with a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextHop<T> {
    /// Send it there.
    Known(MacAddress, T),
    /// It waits: ask for the neighbour.
    Ask,
    /// It waits, or was one too many: somebody has asked.
    Asked,
}

impl<T> Neighbours<T> {
    /// A link where one neighbour is known for good.
    pub(super) fn new(address: Ipv4Addr, mac: MacAddress) -> Self {
        Self { fixed: (address, mac), known: HashMap::new(), asking: HashMap::new() }
    }

    /// Where `packet` is to go, or that it waits.
    pub(super) fn resolve(&mut self, now: Instant, address: Ipv4Addr, packet: T) -> NextHop<T> {
        if address == self.fixed.0 {
            return NextHop::Known(self.fixed.1, packet);
        }
        if let Some(mac) = self.known.get(&address) {
            return NextHop::Known(*mac, packet);
        }
        if let Some(asking) = self.asking.get_mut(&address) {
            if asking.waiting.len() < MAX_WAITING {
                asking.waiting.push(packet);
            }
            return NextHop::Asked;
        }
        if self.asking.len() >= MAX_NEIGHBOURS {
            return NextHop::Asked;
        }
        self.asking.insert(address, Asking { tries: 1, again: now + RETRY, waiting: vec![packet] });
        NextHop::Ask
    }

    /// A neighbour showed itself; what waited for it. Only those are remembered that were asked for.
    pub(super) fn learn(&mut self, address: Ipv4Addr, mac: MacAddress) -> Vec<T> {
        let Some(asking) = self.asking.remove(&address) else {
            self.known.entry(address).and_modify(|known| *known = mac);
            return Vec::new();
        };
        if self.known.len() >= MAX_NEIGHBOURS {
            self.known.clear();
        }
        self.known.insert(address, mac);
        asking.waiting
    }

    /// Whom to ask for again, and what waited in vain.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<Ipv4Addr>, Vec<T>) {
        let mut due: Vec<_> =
            self.asking.iter().filter(|(_, asking)| asking.again <= now).map(|(address, _)| *address).collect();
        due.sort_unstable();
        let (mut again, mut given_up) = (Vec::new(), Vec::new());
        for address in due {
            match self.asking.get_mut(&address) {
                Some(asking) if asking.tries < TRIES => {
                    asking.tries += 1;
                    asking.again = now + RETRY;
                    again.push(address);
                }
                _ => given_up.extend(self.asking.remove(&address).into_iter().flat_map(|asking| asking.waiting)),
            }
        }
        (again, given_up)
    }

    /// When [`Self::due`] has something next.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.asking.values().map(|asking| asking.again).min()
    }
}
