//! The security association database.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{Decapsulated, EspError, Lifetime, LifetimeKind, SaError, SecurityAssociation, Severity, Spi};
use crate::time::Instant;

/// An SA of one database; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SaId(pub u32);

/// An SA has reached the end of a lifetime. A hard end leaves the SA in the database, useless, until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// The SA.
    pub id: SaId,
    /// Its SPI.
    pub spi: Spi,
    /// Which lifetime.
    pub severity: Severity,
    /// What it was measured in.
    pub kind: LifetimeKind,
}

/// Security associations of both directions. Inbound ones are found by their SPI, which is unique among them; outbound
/// ones by their id, for their SPIs were chosen by many peers and may be alike.
///
/// Call [`poll_expiry`](Self::poll_expiry) at [`next_timeout`](Self::next_timeout) and after packets have passed.
#[derive(Debug, Default)]
pub struct Sad {
    entries: BTreeMap<SaId, Entry>,
    inbound: HashMap<Spi, SaId>,
    reserved: HashSet<Spi>,
    timers: BTreeSet<(Instant, SaId, Severity)>,
    volume: VecDeque<(SaId, Severity, LifetimeKind)>,
    next_id: u32,
}

#[derive(Debug)]
struct Entry {
    sa: SecurityAssociation,
    inbound: bool,
    /// When its soft and its hard limit of time are reached, as they stand among the timers.
    ends: [Option<Instant>; 2],
    /// The worst end that was queued or told already.
    told: Option<Severity>,
}

impl Sad {
    /// An empty database.
    pub fn new() -> Self {
        Self::default()
    }

    /// A random SPI that no inbound SA has, kept for the SA under negotiation until it is inserted or released.
    pub fn reserve_spi(&mut self, rng: &mut (impl CryptoRng + ?Sized)) -> Spi {
        loop {
            let spi = Spi::random(rng);
            if !self.inbound.contains_key(&spi) && self.reserved.insert(spi) {
                return spi;
            }
        }
    }

    /// Gives back an SPI whose negotiation came to nothing.
    pub fn release_spi(&mut self, spi: Spi) {
        self.reserved.remove(&spi);
    }

    /// Takes an inbound SA in.
    ///
    /// # Errors
    ///
    /// [`SaError::SpiInUse`] when another inbound SA has its SPI.
    pub fn insert_inbound(&mut self, sa: SecurityAssociation) -> Result<SaId, SaError> {
        let spi = sa.spi();
        if self.inbound.contains_key(&spi) {
            return Err(SaError::SpiInUse(spi));
        }
        self.reserved.remove(&spi);
        let id = self.insert(sa, true);
        self.inbound.insert(spi, id);
        Ok(id)
    }

    /// Takes an outbound SA in.
    pub fn insert_outbound(&mut self, sa: SecurityAssociation) -> SaId {
        self.insert(sa, false)
    }

    fn insert(&mut self, sa: SecurityAssociation, inbound: bool) -> SaId {
        let id = SaId(self.next_id);
        self.next_id += 1;
        self.entries.insert(id, Entry { sa, inbound, ends: [None; 2], told: None });
        self.set_timers(id);
        id
    }

    /// Takes an SA out.
    pub fn remove(&mut self, id: SaId) -> Option<SecurityAssociation> {
        let Entry { sa, inbound, ends, .. } = self.entries.remove(&id)?;
        for timer in timers_of(id, ends) {
            self.timers.remove(&timer);
        }
        if inbound {
            self.inbound.remove(&sa.spi());
        }
        Some(sa)
    }

    /// Lets an inbound ESP packet, SPI to ICV, pass the SA of its SPI.
    ///
    /// # Errors
    ///
    /// [`EspError::UnknownSpi`] when there is no such SA, [`EspError::TooShort`] when there is no SPI, and those of
    /// [`SecurityAssociation::decapsulate`].
    pub fn decapsulate(&mut self, now: Instant, esp: &[u8]) -> Result<(SaId, Decapsulated), EspError> {
        let spi = esp.first_chunk().ok_or(EspError::TooShort { expected: 8, found: esp.len() })?;
        let spi = Spi(u32::from_be_bytes(*spi));
        let id = self.inbound(spi).ok_or(EspError::UnknownSpi(spi))?;
        self.with_sa(id, |sa| sa.decapsulate(now, esp)).map(|decapsulated| (id, decapsulated))
    }

    /// Lets a packet pass an outbound SA; see [`SecurityAssociation::encapsulate`].
    ///
    /// # Errors
    ///
    /// [`EspError::NoSuchSa`] when there is none of that id, and those of [`SecurityAssociation::encapsulate`].
    pub fn encapsulate(
        &mut self,
        now: Instant,
        id: SaId,
        packet: &[u8],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Vec<u8>, EspError> {
        self.with_sa(id, |sa| sa.encapsulate(now, packet, rng))
    }

    /// Lets a packet pass the SA by one of its own methods, and notices when that ends a lifetime of volume.
    ///
    /// # Errors
    ///
    /// [`EspError::NoSuchSa`] when there is none of that id, and those of the method.
    pub fn with_sa<T>(
        &mut self,
        id: SaId,
        pass: impl FnOnce(&mut SecurityAssociation) -> Result<T, EspError>,
    ) -> Result<T, EspError> {
        let entry = self.entries.get_mut(&id).ok_or(EspError::NoSuchSa)?;
        let used = entry.sa.first_used().is_some();
        let result = pass(&mut entry.sa);
        if let Some((severity, kind)) = entry.sa.volume_reached().filter(|(severity, _)| entry.told < Some(*severity)) {
            entry.told = Some(severity);
            self.volume.push_back((id, severity, kind));
        }
        if used != entry.sa.first_used().is_some() {
            self.set_timers(id);
        }
        result
    }

    /// Gives an SA another lifetime, which counts from when it was made; an end that was told already is told again when
    /// the new lifetime has it too.
    ///
    /// # Errors
    ///
    /// [`EspError::NoSuchSa`] when there is none of that id.
    pub fn set_lifetime(&mut self, id: SaId, lifetime: Lifetime) -> Result<(), EspError> {
        let entry = self.entries.get_mut(&id).ok_or(EspError::NoSuchSa)?;
        entry.sa.set_lifetime(lifetime);
        entry.told = None;
        self.set_timers(id);
        Ok(())
    }

    /// Puts the ends of an SA's limits of time that are still to be told among the timers, and takes out those that stand
    /// there.
    fn set_timers(&mut self, id: SaId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let end = |severity| entry.sa.ends(severity).map(|(end, _)| end).filter(|_| entry.told < Some(severity));
        let ends = [Severity::Soft, Severity::Hard].map(end);
        for timer in timers_of(id, entry.ends) {
            self.timers.remove(&timer);
        }
        entry.ends = ends;
        self.timers.extend(timers_of(id, ends));
    }

    /// The next end of a lifetime that has come; `None` when all were told. Each SA's soft end is told once, and not any
    /// more after its hard one.
    pub fn poll_expiry(&mut self, now: Instant) -> Option<Expiry> {
        while let Some((id, severity, kind)) = self.volume.pop_front() {
            if let Some(entry) = self.entries.get(&id) {
                return Some(Expiry { id, spi: entry.sa.spi(), severity, kind });
            }
        }
        while let Some(timer) = self.timers.first().copied().filter(|(end, ..)| *end <= now) {
            self.timers.remove(&timer);
            let (_, id, severity) = timer;
            let Some(entry) = self.entries.get_mut(&id).filter(|entry| entry.told < Some(severity)) else { continue };
            entry.told = Some(severity);
            let kind = entry.sa.ends(severity).map_or(LifetimeKind::Seconds, |(_, kind)| kind);
            return Some(Expiry { id, spi: entry.sa.spi(), severity, kind });
        }
        None
    }

    /// When the next lifetime of time ends; an instant long past while an end of volume waits to be polled.
    pub fn next_timeout(&self) -> Option<Instant> {
        if !self.volume.is_empty() {
            return Some(Instant::ZERO);
        }
        self.timers.first().map(|(end, ..)| *end)
    }

    /// The SA of that id.
    pub fn get(&self, id: SaId) -> Option<&SecurityAssociation> {
        self.entries.get(&id).map(|entry| &entry.sa)
    }

    /// The inbound SA with that SPI.
    pub fn inbound(&self, spi: Spi) -> Option<SaId> {
        self.inbound.get(&spi).copied()
    }

    /// Every SA, the oldest first, and whether it is an inbound one.
    pub fn iter(&self) -> impl Iterator<Item = (SaId, bool, &SecurityAssociation)> {
        self.entries.iter().map(|(id, entry)| (*id, entry.inbound, &entry.sa))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn timers_of(id: SaId, ends: [Option<Instant>; 2]) -> impl Iterator<Item = (Instant, SaId, Severity)> {
    let ends = ends.into_iter().zip([Severity::Soft, Severity::Hard]);
    ends.filter_map(move |(end, severity)| Some((end?, id, severity)))
}
