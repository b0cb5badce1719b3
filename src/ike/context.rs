//! What every exchange works with: the instant, the owner, and what all SAs of an engine share.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};

use rand::Rng;
use rand::rngs::StdRng;

use super::event::{Datagram, Event, EventKind, PairEnd, SaRef};
use super::io::Output;
use super::pairs::{Pair, Pairs};
use super::personality::Personality;
use super::policy::Policy;
use super::registry::Registry;
use crate::crypto::Hash;
use crate::time::Instant;
use crate::wire::isakmp::{Cookie, Header, MessageId, ProtocolId};
use crate::wire::{Reader, Spi};

/// How much an engine holds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// ISAKMP SAs of which the peer began phase 1 and has not completed it.
    pub half_open: usize,
    /// ISAKMP SAs in all.
    pub isakmp_sas: usize,
    /// Pairs of IPsec SAs.
    pub pairs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { half_open: 256, isakmp_sas: 4096, pairs: 16384 }
    }
}

/// What all SAs of an engine share.
pub(crate) struct Shared {
    pub personality: Personality,
    pub rng: StdRng,
    pub outputs: VecDeque<Output>,
    pub registry: Registry,
    pub pairs: Pairs,
    pub limits: Limits,
    next_connection: u32,
    device: [u8; 16],
}

/// What one call of the engine works with.
pub(crate) struct Context<'a> {
    pub now: Instant,
    pub shared: &'a mut Shared,
    pub policy: &'a mut dyn Policy,
}

impl Shared {
    pub fn new(personality: Personality, mut rng: StdRng) -> Self {
        let mut device = [0; 16];
        rng.fill_bytes(&mut device);
        Self {
            next_connection: personality.first_connection,
            personality,
            rng,
            outputs: VecDeque::new(),
            registry: Registry::default(),
            pairs: Pairs::default(),
            limits: Limits::default(),
            device,
        }
    }

    /// The connection id of an SA whose keys are derived.
    pub fn next_connection(&mut self) -> u32 {
        self.next_connection += 1;
        self.next_connection - 1
    }

    /// Random octets.
    pub fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        self.rng.fill_bytes(&mut octets);
        octets
    }

    /// A cookie for an SA with `peer`; its first half stays the same where the personality says so.
    pub fn cookie(&mut self, local: Ipv4Addr, peer: Ipv4Addr) -> Cookie {
        let mut octets: [u8; 8] = self.random();
        if self.personality.stable_cookies {
            let stable = Hash::Sha1.digest(&[&self.device, &local.octets(), &peer.octets()]);
            octets[..4].copy_from_slice(&stable[..4]);
        }
        if octets[4..] == [0; 4] {
            octets[7] = 1;
        }
        Cookie(octets)
    }

    /// A nonce.
    pub fn nonce(&mut self) -> Vec<u8> {
        let mut nonce = vec![0; self.personality.nonce_len];
        self.rng.fill_bytes(&mut nonce);
        nonce
    }

    /// A message id.
    pub fn message_id(&mut self) -> MessageId {
        MessageId(u32::from_be_bytes(self.random()).max(1))
    }

    /// An inbound SPI that is free and not reserved.
    pub fn spi(&mut self) -> Spi {
        loop {
            let spi = Spi::random(&mut self.rng);
            if !self.pairs.contains(spi) {
                return spi;
            }
        }
    }
}

impl Context<'_> {
    pub fn tell(&mut self, local: SocketAddrV4, remote: SocketAddrV4, sa: Option<SaRef>, kind: EventKind) {
        self.output(Output::Event(Event { local, remote, sa, kind }));
    }

    pub fn output(&mut self, output: Output) {
        self.shared.outputs.push_back(output);
    }

    /// Removes a pair and says so; the ISAKMP SA in the event is the one that caused it.
    pub fn remove_pair(&mut self, inbound: Spi, reason: PairEnd, sa: Option<SaRef>) -> Option<Pair> {
        let pair = self.shared.pairs.remove(inbound)?;
        let (local, remote) = pair.sa.endpoints();
        let outbound = pair.sa.outbound.spi;
        let kind = EventKind::PairRemoved {
            pair: pair.sa.number,
            protocol: ProtocolId::Esp,
            inbound_spi: inbound.0,
            outbound_spi: outbound.0,
            reason,
        };
        self.tell(local, remote, sa, kind);
        self.output(Output::Remove { inbound, outbound, reason });
        Some(pair)
    }
}

/// What an event says of a datagram.
pub(crate) fn describe(octets: &[u8]) -> Option<Datagram> {
    let header = Header::parse(&mut Reader::new(octets)).ok()?;
    Some(Datagram {
        exchange: header.exchange,
        message_id: header.message_id,
        encrypted: header.flags.encrypted(),
        length: octets.len() as u32,
    })
}
