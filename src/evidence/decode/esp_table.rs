//! The keys of ESP SAs.

use std::collections::VecDeque;
use std::net::IpAddr;

use foldhash::HashMap;

use super::sealed::{BlockCipher, Opener, SealCipher, SealError, SealIntegrity};
use crate::crypto::{Cipher, CounterMode, Hash, IcvLength, SaKeys, Secret};
use crate::ike::EspSuite;
use crate::wire::Spi;

/// What opens the packets of an ESP SA. The keys stand here as they were given, which takes a tenth of the memory that
/// their expanded form does.
#[derive(Clone, Debug)]
pub struct EspKeys {
    source: AddressPattern,
    destination: AddressPattern,
    cipher: SealCipher,
    key: Secret,
    integrity: SealIntegrity,
    integrity_key: Secret,
    /// Which it is of all keys that were added to a table.
    number: u64,
}

impl EspKeys {
    /// Keys for what `source` sends to `destination`. Counter modes have their salt behind the key.
    ///
    /// # Errors
    ///
    /// When a key does not have the length its algorithm takes.
    pub fn new(
        (source, destination): (AddressPattern, AddressPattern),
        cipher: SealCipher,
        key: &[u8],
        integrity: SealIntegrity,
        integrity_key: &[u8],
    ) -> Result<Self, SealError> {
        cipher.takes(key)?;
        let (key, integrity_key) = (Secret::from(key), Secret::from(integrity_key));
        Ok(Self { source, destination, cipher, key, integrity, integrity_key, number: 0 })
    }

    /// A number that no other keys of the table have, nor had.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The algorithms with their keys.
    pub(super) fn opener(&self) -> Option<Opener> {
        Opener::new(self.cipher, &self.key, self.integrity, &self.integrity_key).ok()
    }
}

/// Which addresses an SA is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressPattern {
    /// Every address.
    Any,
    /// This address.
    One(IpAddr),
    /// A network: address and length of the prefix.
    Network(IpAddr, u8),
}

impl AddressPattern {
    fn matches(self, address: IpAddr) -> bool {
        let shifted =
            |bits: u128, width: u8, length: u8| bits.checked_shr(u32::from(width - length.min(width))).unwrap_or(0);
        match (self, address) {
            (Self::Any, _) => true,
            (Self::One(own), address) => own == address,
            (Self::Network(IpAddr::V4(own), length), IpAddr::V4(address)) => {
                shifted(own.to_bits().into(), 32, length) == shifted(address.to_bits().into(), 32, length)
            }
            (Self::Network(IpAddr::V6(own), length), IpAddr::V6(address)) => {
                shifted(own.to_bits(), 128, length) == shifted(address.to_bits(), 128, length)
            }
            (Self::Network(..), _) => false,
        }
    }
}

/// Keys of ESP SAs by SPI. Some are derived while a capture is read, and what opens a packet does not depend on those that came
/// later, whenever it is opened.
#[derive(Clone, Debug, Default)]
pub(super) struct EspTable {
    /// Those for any SPI have none.
    by_spi: HashMap<Option<Spi>, Vec<EspKeys>>,
    /// Keys that were given: the first so many that were added.
    given: u64,
    /// Keys that were ever added.
    added: u64,
    /// The SPIs of keys that were derived from secrets, in that order, each with the number of its keys.
    derived: VecDeque<(Spi, u64)>,
}

/// Derived keys that are in use; for the next, those derived first go out of use.
const MAX_DERIVED: u64 = 4096;

/// Derived keys that are kept out of use, for packets that came before that and are opened late.
const KEPT: u64 = 4 * MAX_DERIVED;

/// How much of a table was there when a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct KeysKnown(u64);

impl KeysKnown {
    /// Whether there were no keys.
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl EspTable {
    /// Adds keys; `None` as SPI is any.
    pub(super) fn add(&mut self, spi: Option<Spi>, keys: EspKeys) {
        self.put(spi, keys);
        self.given = self.added;
    }

    fn put(&mut self, spi: Option<Spi>, keys: EspKeys) {
        self.added += 1;
        // Most SPIs have the keys of one SA.
        self.by_spi.entry(spi).or_insert_with(|| Vec::with_capacity(1)).push(EspKeys { number: self.added, ..keys });
    }

    /// Adds keys that were negotiated by `suite`, whatever the addresses.
    ///
    /// # Errors
    ///
    /// When the keys do not fit the suite.
    pub(super) fn add_negotiated(
        &mut self,
        spi: Spi,
        suite: EspSuite,
        icv_length: IcvLength,
        keys: &SaKeys,
    ) -> Result<(), SealError> {
        for keys in negotiated(suite, icv_length, keys)? {
            self.add(Some(spi), keys);
        }
        Ok(())
    }

    /// Adds keys that were derived from secrets. As many can be derived as the capture is long, so that only the last are kept.
    pub(super) fn add_derived(&mut self, spi: Spi, suite: EspSuite, keys: &SaKeys) {
        // The keys were cut to the lengths of the suite.
        for keys in negotiated(suite, IcvLength::Standard, keys).unwrap_or_default() {
            self.put(Some(spi), keys);
            self.derived.push_back((spi, self.added));
        }
        while let Some((spi, number)) = self.derived.front().copied().filter(|(_, number)| number + KEPT <= self.added)
        {
            self.derived.pop_front();
            if let Some(keys) = self.by_spi.get_mut(&Some(spi)) {
                keys.retain(|keys| keys.number != number);
                if keys.is_empty() {
                    self.by_spi.remove(&Some(spi));
                }
            }
        }
    }

    /// How much is known now.
    pub(super) fn known(&self) -> KeysKnown {
        KeysKnown(self.added)
    }

    /// What of the keys known then may open an ESP packet with this SPI between these ends.
    pub(super) fn at(&self, known: KeysKnown, spi: Spi, ends: (IpAddr, IpAddr)) -> impl Iterator<Item = &EspKeys> {
        let named = self.by_spi.get(&Some(spi)).into_iter().flatten();
        let any = self.by_spi.get(&None).into_iter().flatten();
        let in_use = move |number: u64| number <= self.given || number <= known.0 && number + MAX_DERIVED > known.0;
        named
            .chain(any)
            .filter(move |keys| in_use(keys.number) && keys.source.matches(ends.0) && keys.destination.matches(ends.1))
    }
}

/// Keys for SAs of a suite, for every end: a NAT changes addresses.
fn negotiated(suite: EspSuite, icv_length: IcvLength, keys: &SaKeys) -> Result<Vec<EspKeys>, SealError> {
    let cipher = match suite.cipher {
        Cipher::Null => SealCipher::Block(BlockCipher::Null),
        Cipher::Des => SealCipher::Block(BlockCipher::Des),
        Cipher::TripleDes => SealCipher::Block(BlockCipher::TripleDes),
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => SealCipher::Block(BlockCipher::Aes),
        Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm => SealCipher::Counter(CounterMode::Gcm, 16),
    };
    // IKE does not tell how long an ICV is, and a peer that cuts SHA-256 to 96 bits negotiates it as any other does.
    let in_doubt = icv_length.is_standard() && suite.integrity == Some(Hash::Sha256);
    let lengths = std::iter::once(icv_length).chain(in_doubt.then_some(IcvLength::Bits96));
    let of_length = |icv_length: IcvLength| {
        let hmac = |hash: Hash| SealIntegrity::Hmac(hash, icv_length.octets(hash));
        let integrity = suite.integrity.map_or(SealIntegrity::None, hmac);
        let ends = (AddressPattern::Any, AddressPattern::Any);
        EspKeys::new(ends, cipher, &keys.encryption, integrity, &keys.integrity)
    };
    lengths.map(of_length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_addresses() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let network = AddressPattern::Network(address("10.1.0.0"), 16);
        assert!(network.matches(address("10.1.2.3")) && !network.matches(address("10.2.2.3")));
        assert!(!network.matches(address("::1")));
        assert!(AddressPattern::Network(address("0.0.0.0"), 0).matches(address("10.1.2.3")));
        assert!(AddressPattern::Network(address("2001:db8::"), 32).matches(address("2001:db8:1::2")));
        assert!(AddressPattern::One(address("10.1.2.3")).matches(address("10.1.2.3")));
    }
    #[test]
    fn a_packet_is_opened_with_the_keys_of_its_time() {
        let ends = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let suite = EspSuite { cipher: Cipher::Aes128, integrity: Some(Hash::Sha1) };
        let sa = SaKeys { encryption: Secret::new(vec![1; 16]), integrity: Secret::new(vec![2; 20]) };
        let mut table = EspTable::default();
        table.add_negotiated(Spi(0), suite, IcvLength::Standard, &sa).unwrap();
        let mut times = vec![table.known()];
        for number in 1..=2 * KEPT as u32 {
            table.add_derived(Spi(number), suite, &sa);
            times.push(table.known());
        }
        let opens = |time: u64, spi: u64| table.at(times[time as usize], Spi(spi as u32), ends).count() == 1;
        let now = 2 * KEPT;
        assert!(opens(0, 0) && opens(now, 0), "given keys are for ever");
        assert!(opens(now, now) && !opens(now - 1, now), "not before they are derived");
        assert!(opens(now, now - MAX_DERIVED + 1) && !opens(now, now - MAX_DERIVED), "only the last are in use");
        assert!(opens(now - MAX_DERIVED, now - MAX_DERIVED), "but packets of their time may come late");
        assert!(table.by_spi.len() as u64 <= KEPT + 1);
    }
}
