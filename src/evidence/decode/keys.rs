//! The keys a decoder knows.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::sealed::{BlockCipher, Opener, SealCipher, SealError, SealIntegrity};
use crate::crypto::{Cipher, CounterMode, Hash, IcvLength, SaKeys, Secret};
use crate::ike::{EspSuite, KeyRecord};
use crate::wire::Spi;
use crate::wire::isakmp::Cookie;

/// Keys by what they open.
#[derive(Clone, Debug, Default)]
pub struct KeyTable {
    /// Phase 1 encryption keys by initiator cookie.
    isakmp: HashMap<Cookie, Secret>,
    /// SK_e and SK_a of both directions by both SPIs.
    ikev2: HashMap<(Cookie, Cookie), Ikev2Keys>,
    /// ESP keys by SPI; those for any SPI have none.
    esp: HashMap<Option<Spi>, Vec<EspKeys>>,
    /// The SPIs of SAs whose keys were derived from the secrets, in that order.
    derived: VecDeque<Spi>,
    /// ESP keys that were ever added.
    added: u64,
    secrets: Secrets,
}

/// SAs whose derived keys are kept; for the next those derived first are forgotten.
const MAX_DERIVED: usize = 4096;

/// What keys can be derived from, when the capture holds the rest.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Pre-shared keys.
    pub psks: Vec<Secret>,
    /// Shared secrets of Diffie-Hellman exchanges, g^xy, as long as the prime.
    pub shared: Vec<Secret>,
    /// Private exponents of Diffie-Hellman exchanges, of either side.
    pub private: Vec<Secret>,
}

impl Secrets {
    /// Whether nothing can be derived.
    pub fn is_empty(&self) -> bool {
        self.psks.is_empty() && self.shared.is_empty() && self.private.is_empty()
    }
}

/// What opens the messages of an IKE SA.
#[derive(Clone, Debug)]
pub struct Ikev2Keys {
    /// Opens what the initiator sent (SK_ei, SK_ai).
    pub initiator: Opener,
    /// Opens what the responder sent (SK_er, SK_ar).
    pub responder: Opener,
}

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
        Opener::new(cipher, key, integrity, integrity_key)?;
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

impl KeyTable {
    /// Adds the encryption key of a phase 1 SA.
    pub fn add_isakmp(&mut self, initiator: Cookie, key: Secret) {
        self.isakmp.insert(initiator, key);
    }

    /// Adds the keys of an IKE SA of IKEv2.
    pub fn add_ikev2(&mut self, initiator: Cookie, responder: Cookie, keys: Ikev2Keys) {
        self.ikev2.insert((initiator, responder), keys);
    }

    /// Adds the keys of an ESP SA; `None` as SPI is any.
    pub fn add_esp(&mut self, spi: Option<Spi>, keys: EspKeys) {
        self.added += 1;
        // Most SPIs have the keys of one SA.
        self.esp.entry(spi).or_insert_with(|| Vec::with_capacity(1)).push(EspKeys { number: self.added, ..keys });
    }

    /// Adds the keys of an ESP SA that this crate negotiated, whatever its addresses: a NAT changes them.
    ///
    /// # Errors
    ///
    /// When the keys do not fit the suite.
    pub fn add_negotiated_esp(
        &mut self,
        spi: Spi,
        suite: EspSuite,
        icv_length: IcvLength,
        keys: &SaKeys,
    ) -> Result<(), SealError> {
        let cipher = match suite.cipher {
            Cipher::Null => SealCipher::Block(BlockCipher::Null),
            Cipher::Des => SealCipher::Block(BlockCipher::Des),
            Cipher::TripleDes => SealCipher::Block(BlockCipher::TripleDes),
            Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => SealCipher::Block(BlockCipher::Aes),
            Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm => SealCipher::Counter(CounterMode::Gcm, 16),
        };
        // IKE does not tell how long an ICV is, and a peer that cuts SHA-256 to 96 bits negotiates it as any other does.
        let in_doubt = icv_length.is_standard() && suite.integrity == Some(Hash::Sha256);
        for icv_length in std::iter::once(icv_length).chain(in_doubt.then_some(IcvLength::Bits96)) {
            let hmac = |hash: Hash| SealIntegrity::Hmac(hash, icv_length.octets(hash));
            let integrity = suite.integrity.map_or(SealIntegrity::None, hmac);
            let ends = (AddressPattern::Any, AddressPattern::Any);
            self.add_esp(Some(spi), EspKeys::new(ends, cipher, &keys.encryption, integrity, &keys.integrity)?);
        }
        Ok(())
    }

    /// Adds the keys of an ESP SA that were derived from the secrets. As many can be derived as the capture is long, so that
    /// only the last are kept.
    pub(super) fn add_derived_esp(&mut self, spi: Spi, suite: EspSuite, keys: &SaKeys) {
        // The keys were cut to the lengths of the suite.
        if self.add_negotiated_esp(spi, suite, IcvLength::Standard, keys).is_err() {
            return;
        }
        self.derived.push_back(spi);
        if self.derived.len() > MAX_DERIVED
            && let Some(oldest) = self.derived.pop_front()
        {
            self.esp.remove(&Some(oldest));
        }
    }

    /// Adds what a record of a key log holds. Keys that do not fit their algorithms open nothing, and are left out.
    pub fn add(&mut self, record: &KeyRecord) {
        match record {
            KeyRecord::Isakmp { id, key, .. } => self.add_isakmp(id.initiator, key.clone()),
            KeyRecord::Esp { spi, suite, icv_length, keys, .. } => {
                let _ = self.add_negotiated_esp(*spi, *suite, *icv_length, keys);
            }
        }
    }

    /// Adds what keys can be derived from.
    pub fn add_secrets(&mut self, secrets: Secrets) {
        self.secrets.psks.extend(secrets.psks);
        self.secrets.shared.extend(secrets.shared);
        self.secrets.private.extend(secrets.private);
    }

    /// The encryption key of the phase 1 SA that this initiator cookie names.
    pub fn isakmp(&self, initiator: Cookie) -> Option<&Secret> {
        self.isakmp.get(&initiator)
    }

    /// The keys of an IKE SA of IKEv2.
    pub fn ikev2(&self, initiator: Cookie, responder: Cookie) -> Option<&Ikev2Keys> {
        self.ikev2.get(&(initiator, responder))
    }

    /// What may open an ESP packet with this SPI between these ends.
    pub(super) fn esp(&self, spi: Spi, ends: (IpAddr, IpAddr)) -> impl Iterator<Item = &EspKeys> {
        let named = self.esp.get(&Some(spi)).into_iter().flatten();
        let any = self.esp.get(&None).into_iter().flatten();
        named.chain(any).filter(move |keys| keys.source.matches(ends.0) && keys.destination.matches(ends.1))
    }

    /// Whether there is any ESP key.
    pub(super) fn opens_esp(&self) -> bool {
        !self.esp.is_empty()
    }

    /// What keys can be derived from.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }
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
}
