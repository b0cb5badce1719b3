//! The SAs as a client sees them, larval ones included, over the database that passes their packets.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::SaSummary;
use super::refusal::Refusal;
use crate::crypto::SaKeys;
use crate::esp::{self, Limits, Mode, SaId, SaParameters, Sad, SecurityAssociation, Spi, Transform, UdpEncapsulation};
use crate::pfkey::message::{Address, AuthAlgorithm, EncryptAlgorithm, Errno, Key, Lifetime, SaState};
use crate::time::Instant;

/// An SA of one engine; never given twice, and greater than those of all older ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AssociationId(u64);

/// Between whom an SA is, and for whom: what an outbound packet's SA is looked for by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ends {
    pub source: Ipv4Addr,
    pub destination: Ipv4Addr,
    pub tunnel: bool,
    pub reqid: u32,
}

/// ESP in UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nat {
    pub source_port: u16,
    pub destination_port: u16,
    pub original_address: Option<Address>,
}

impl Nat {
    fn ports(self) -> UdpEncapsulation {
        UdpEncapsulation { source_port: self.source_port, destination_port: self.destination_port }
    }
}

/// What a client said of an SA.
#[derive(Clone, Debug)]
pub(super) struct Association {
    pub spi: Spi,
    pub ends: Ends,
    /// Packets of the anti-replay window.
    pub replay: u8,
    pub flags: u32,
    pub auth: AuthAlgorithm,
    pub encrypt: EncryptAlgorithm,
    pub key_auth: Option<Key>,
    pub key_encrypt: Option<Key>,
    pub soft: Lifetime,
    pub hard: Lifetime,
    pub nat: Option<Nat>,
    pub state: SaState,
    pub inbound: bool,
    pub created: Instant,
    /// The SA that passes packets; a larval one has none.
    pub data: Option<SaId>,
    /// Where the peer was seen last, when that is not where the SA says.
    pub seen_at: Option<SocketAddrV4>,
    pub larval_until: Option<Instant>,
}

impl Association {
    /// An SA without keys.
    pub(super) fn larval(now: Instant, spi: Spi, ends: Ends, inbound: bool, lifetime: Duration) -> Self {
        Self {
            spi,
            ends,
            replay: 0,
            flags: 0,
            auth: AuthAlgorithm::None,
            encrypt: EncryptAlgorithm::None,
            key_auth: None,
            key_encrypt: None,
            soft: Lifetime::default(),
            hard: Lifetime::default(),
            nat: None,
            state: SaState::Larval,
            inbound,
            created: now,
            data: None,
            seen_at: None,
            larval_until: Some(now + lifetime),
        }
    }

    pub(super) fn mode(&self) -> Mode {
        if self.ends.tunnel { Mode::Tunnel } else { Mode::Transport }
    }

    /// The lifetime as the data path has it.
    pub(super) fn lifetime(&self) -> esp::Lifetime {
        esp::Lifetime { soft: limits(&self.soft), hard: limits(&self.hard) }
    }

    /// The SA as the data path has it.
    fn parameters(&self, transform: Transform, keys: SaKeys) -> SaParameters {
        SaParameters {
            mode: self.mode(),
            udp: self.nat.map(Nat::ports),
            lifetime: self.lifetime(),
            replay_window: self.replay.into(),
            check_padding: false,
            ..SaParameters::new(self.spi, self.ends.source, self.ends.destination, transform, keys)
        }
    }
}

/// Zero is no limit.
fn limits(lifetime: &Lifetime) -> Limits {
    let limit = |value: u64| (value != 0).then_some(value);
    Limits {
        seconds: limit(lifetime.add_time),
        use_seconds: limit(lifetime.use_time),
        bytes: limit(lifetime.bytes),
        packets: limit(lifetime.allocations.into()),
    }
}

/// The SAs.
#[derive(Debug, Default)]
pub(super) struct Associations {
    entries: BTreeMap<AssociationId, Association>,
    by_spi: HashMap<(Ipv4Addr, Spi), AssociationId>,
    by_data: HashMap<SaId, AssociationId>,
    /// The SAs that take packets, oldest first.
    outbound: HashMap<Ends, Vec<AssociationId>>,
    larval: BTreeSet<(Instant, AssociationId)>,
    next_id: u64,
    /// The SAs that have keys.
    pub(super) sad: Sad,
}

impl Associations {
    /// Takes a larval SA in.
    pub(super) fn insert_larval(&mut self, association: Association) -> AssociationId {
        let id = AssociationId(self.next_id);
        self.next_id += 1;
        self.by_spi.insert((association.ends.destination, association.spi), id);
        self.larval.extend(association.larval_until.map(|end| (end, id)));
        self.entries.insert(id, association);
        id
    }

    /// Takes an SA with keys in. A larval one of its destination and SPI goes.
    ///
    /// # Errors
    ///
    /// When it cannot be made of its keys, or its SPI is used to another of our addresses.
    pub(super) fn insert(
        &mut self,
        now: Instant,
        mut association: Association,
        transform: Transform,
        keys: SaKeys,
    ) -> Result<AssociationId, Refusal> {
        let sa = SecurityAssociation::new(now, association.parameters(transform, keys));
        let sa = sa.map_err(|error| Refusal::invalid(error.to_string()))?;
        if let Some(larval) = self.find(association.ends.destination, association.spi) {
            self.remove(larval);
        }
        let data = if association.inbound {
            self.sad.insert_inbound(sa).map_err(|error| Refusal::new(Errno::Exists, error.to_string()))?
        } else {
            self.sad.insert_outbound(sa)
        };
        (association.state, association.data, association.larval_until) = (SaState::Mature, Some(data), None);
        association.created = now;
        let (ends, inbound) = (association.ends, association.inbound);
        let id = self.insert_larval(association);
        self.by_data.insert(data, id);
        if !inbound {
            self.outbound.entry(ends).or_default().push(id);
        }
        Ok(id)
    }

    /// Gives an SA that has keys other ports and lifetimes. Whatever it has reached is told again.
    pub(super) fn change(&mut self, id: AssociationId, nat: Option<Nat>, soft: Lifetime, hard: Lifetime) {
        let Some(association) = self.entries.get_mut(&id) else { return };
        let Some(data) = association.data else { return };
        (association.nat, association.soft, association.hard) = (nat, soft, hard);
        (association.seen_at, association.state) = (None, SaState::Mature);
        let (destination, lifetime) = (association.ends.destination, association.lifetime());
        // Neither can fail: the SA is there as long as the association is.
        let _ = self.sad.set_lifetime(data, lifetime);
        let _ = self.sad.with_sa(data, |sa| {
            sa.move_peer(destination, nat.map(Nat::ports));
            Ok(())
        });
    }

    /// Takes an SA out.
    pub(super) fn remove(&mut self, id: AssociationId) -> Option<Association> {
        let association = self.entries.remove(&id)?;
        self.by_spi.remove(&(association.ends.destination, association.spi));
        if let Some(end) = association.larval_until {
            self.larval.remove(&(end, id));
        }
        if let Some(data) = association.data {
            self.by_data.remove(&data);
            self.sad.remove(data);
        }
        if let Some(between) = self.outbound.get_mut(&association.ends) {
            between.retain(|other| *other != id);
            if between.is_empty() {
                self.outbound.remove(&association.ends);
            }
        }
        Some(association)
    }

    /// The next larval SA whose time is over.
    pub(super) fn expired_larval(&self, now: Instant) -> Option<AssociationId> {
        self.larval.first().filter(|(end, _)| *end <= now).map(|(_, id)| *id)
    }

    /// When the next lifetime ends, that of larval SAs included.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        [self.larval.first().map(|(end, _)| *end), self.sad.next_timeout()].into_iter().flatten().min()
    }

    pub(super) fn find(&self, destination: Ipv4Addr, spi: Spi) -> Option<AssociationId> {
        self.by_spi.get(&(destination, spi)).copied()
    }

    pub(super) fn of_data(&self, data: SaId) -> Option<AssociationId> {
        self.by_data.get(&data).copied()
    }

    /// The SA that an ESP packet names.
    pub(super) fn inbound(&self, esp: &[u8]) -> Option<(AssociationId, &Association)> {
        let spi = Spi(u32::from_be_bytes(*esp.first_chunk()?));
        let id = self.of_data(self.sad.inbound(spi)?)?;
        Some((id, self.get(id)?))
    }

    /// The SA that takes a packet: as Linux, the newest of those that are not dying; a dying one if there is no other.
    pub(super) fn choose(&self, ends: &Ends) -> Option<AssociationId> {
        let between = self.outbound.get(ends)?;
        let mature = |id: &&AssociationId| self.get(**id).is_some_and(|sa| sa.state == SaState::Mature);
        between.iter().rev().find(mature).or_else(|| between.last()).copied()
    }

    pub(super) fn get(&self, id: AssociationId) -> Option<&Association> {
        self.entries.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: AssociationId) -> Option<&mut Association> {
        self.entries.get_mut(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AssociationId, &Association)> {
        self.entries.iter().map(|(id, association)| (*id, association))
    }

    pub(super) fn summary(&self, association: &Association) -> SaSummary {
        let counters = association.data.and_then(|data| self.sad.get(data)).map(SecurityAssociation::counters);
        let counters = counters.unwrap_or_default();
        SaSummary {
            spi: association.spi,
            source: association.ends.source,
            destination: association.ends.destination,
            mode: association.mode(),
            reqid: association.ends.reqid,
            state: association.state,
            inbound: association.inbound,
            packets: counters.packets,
            bytes: counters.bytes,
        }
    }
}
