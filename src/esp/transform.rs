//! What an SA does to a payload: the lengths and the cryptography, without addresses, windows or lifetimes.

use std::fmt;

use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{EspError, SaError, Spi};
use crate::crypto::{Cbc, Cipher, Gcm, Hash, Hmac, IcvLength, SaKeys};

/// Whether ESP carries a packet or a packet's payload (RFC 4303 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A whole IPv4 packet behind a new header.
    Tunnel,
    /// The payload of a packet behind that packet's header.
    Transport,
}

/// The algorithms of an ESP SA. Neither a cipher nor an integrity algorithm is required of it, although RFC 4303 3.2
/// forbids to have neither: a test peer must be able to do so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transform {
    /// The cipher; AES-GCM authenticates as well.
    pub cipher: Cipher,
    /// The hash whose HMAC authenticates the packet.
    pub integrity: Option<Hash>,
    /// To what length that HMAC is truncated.
    #[serde(default)]
    pub icv_length: IcvLength,
}

/// SPI and sequence number.
const HEADER: usize = 8;
/// Pad length and next header.
const TRAILER: usize = 2;

impl Transform {
    /// The two algorithms, with the ICV length of the RFCs.
    pub const fn new(cipher: Cipher, integrity: Option<Hash>) -> Self {
        Self { cipher, integrity, icv_length: IcvLength::Standard }
    }

    /// Octets of encryption key, GCM's salt included.
    pub const fn encryption_key_len(self) -> usize {
        self.cipher.key_len() + self.cipher.salt_len()
    }

    /// Octets of integrity key.
    pub fn integrity_key_len(self) -> usize {
        self.integrity.map_or(0, Hash::digest_len)
    }

    /// Octets of ICV.
    pub fn icv_len(self) -> usize {
        self.cipher.icv_len() + self.integrity.map_or(0, |hash| self.icv_length.octets(hash))
    }

    /// Whether packets are authenticated.
    pub const fn authenticates(self) -> bool {
        self.cipher.is_aead() || self.integrity.is_some()
    }

    /// To a multiple of how many octets payload, padding and trailer are filled up (RFC 4303 2.4).
    pub fn alignment(self) -> usize {
        self.cipher.block_len().max(4)
    }

    /// Length of the ESP packet, SPI to ICV, that carries `payload` octets.
    pub fn esp_len(self, payload: usize) -> usize {
        HEADER + self.cipher.iv_len() + (payload + TRAILER).next_multiple_of(self.alignment()) + self.icv_len()
    }

    /// The longest payload whose ESP packet has no more than `esp` octets; `None` when not even an empty one has.
    pub fn max_payload(self, esp: usize) -> Option<usize> {
        let encrypted = esp.checked_sub(HEADER + self.cipher.iv_len() + self.icv_len())?;
        (encrypted - encrypted % self.alignment()).checked_sub(TRAILER)
    }
}

impl fmt::Display for Transform {
    /// As scenarios write it: `aes128-sha1`, `aes256gcm16`, `3des-md5`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.cipher)?;
        self.integrity.map_or(Ok(()), |hash| write!(formatter, "-{hash}"))?;
        match self.icv_length {
            IcvLength::Bits96 if self.integrity.is_some_and(|hash| hash.digest_len() > 20) => {
                formatter.write_str("-96")
            }
            _ => Ok(()),
        }
    }
}

/// A transform with its keys.
#[derive(Clone, Debug)]
pub(super) struct KeyedTransform {
    transform: Transform,
    protection: Protection,
}

#[derive(Clone, Debug)]
enum Protection {
    /// Encrypted and authenticated in one.
    Gcm { gcm: Gcm, salt: [u8; 4] },
    /// Each on its own, where there is one.
    Separate { cbc: Option<Cbc>, hmac: Option<Hmac> },
}

/// What an ESP packet held.
pub(super) struct Opened {
    pub payload: Vec<u8>,
    pub next_header: u8,
}

impl KeyedTransform {
    pub(super) fn new(transform: Transform, keys: &SaKeys) -> Result<Self, SaError> {
        let Transform { cipher, integrity, .. } = transform;
        if let Some(integrity) = integrity.filter(|_| cipher.is_aead()) {
            return Err(SaError::TwoIntegrities { cipher, integrity });
        }
        let (expected, found) = (transform.encryption_key_len(), keys.encryption.len());
        if found != expected {
            return Err(SaError::EncryptionKey { cipher, expected, found });
        }
        let (expected, found) = (transform.integrity_key_len(), keys.integrity.len());
        if found != expected {
            return Err(SaError::IntegrityKey { integrity, expected, found });
        }
        let protection = match keys.encryption.split_last_chunk() {
            Some((key, &salt)) if cipher.is_aead() => Protection::Gcm { gcm: Gcm::new(cipher, key)?, salt },
            _ => {
                let cbc = (cipher != Cipher::Null).then(|| Cbc::new(cipher, &keys.encryption)).transpose()?;
                let hmac = integrity.map(|hash| Hmac::new(hash, &keys.integrity));
                Protection::Separate { cbc, hmac }
            }
        };
        Ok(Self { transform, protection })
    }

    pub(super) fn transform(&self) -> Transform {
        self.transform
    }

    /// The ESP packet, SPI to ICV. `number` counts the packets under this key and becomes GCM's IV (RFC 4106 3.1); the
    /// IV of CBC is random (RFC 3602 3).
    pub(super) fn seal(
        &self,
        spi: Spi,
        number: u64,
        payload: &[u8],
        next_header: u8,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Vec<u8> {
        let transform = self.transform;
        let mut packet = Vec::with_capacity(transform.esp_len(payload.len()));
        packet.extend_from_slice(&spi.0.to_be_bytes());
        packet.extend_from_slice(&(number as u32).to_be_bytes());
        match transform.cipher.iv_len() {
            8 if transform.cipher.is_aead() => packet.extend_from_slice(&number.to_be_bytes()),
            len => {
                packet.resize(HEADER + len, 0);
                rng.fill_bytes(&mut packet[HEADER..]);
            }
        }
        let start = packet.len();
        packet.extend_from_slice(payload);
        let filled = (payload.len() + TRAILER).next_multiple_of(transform.alignment());
        let pad_len = (filled - payload.len() - TRAILER) as u8;
        packet.extend(1..=pad_len);
        packet.extend_from_slice(&[pad_len, next_header]);
        let (header, encrypted) = packet.split_at_mut(start);
        let (header, iv) = header.split_at(HEADER);
        match &self.protection {
            Protection::Gcm { gcm, salt } => {
                let icv = gcm.seal(&nonce(salt, iv), header, encrypted);
                packet.extend_from_slice(&icv);
            }
            Protection::Separate { cbc, hmac } => {
                if let Some(cbc) = cbc {
                    cbc.encrypt(iv, encrypted).expect("the IV is a block long and the plaintext was filled to blocks");
                }
                if let Some(hmac) = hmac {
                    let icv = hmac.compute(&[&packet]);
                    packet.extend_from_slice(&icv[..transform.icv_len()]);
                }
            }
        }
        packet
    }

    /// The shortest packet there can be.
    pub(super) fn min_len(&self) -> usize {
        self.transform.esp_len(0)
    }

    /// Verifies and decrypts a packet that is not shorter than [`min_len`](Self::min_len).
    pub(super) fn open(&self, packet: &[u8], sequence: u32, check_padding: bool) -> Result<Opened, EspError> {
        let transform = self.transform;
        let (protected, icv) = packet.split_at(packet.len() - transform.icv_len());
        let (header, rest) = protected.split_at(HEADER);
        let (iv, encrypted) = rest.split_at(transform.cipher.iv_len());
        let mut payload = encrypted.to_vec();
        match &self.protection {
            Protection::Gcm { gcm, salt } => {
                let icv = icv.try_into().expect("cut to the 16 octets of GCM's ICV");
                gcm.open(&nonce(salt, iv), header, &mut payload, icv)
                    .map_err(|_| EspError::IntegrityFailed { sequence })?;
            }
            Protection::Separate { cbc, hmac } => {
                if hmac.as_ref().is_some_and(|hmac| !hmac.verify(&[protected], icv)) {
                    return Err(EspError::IntegrityFailed { sequence });
                }
                if let Some(cbc) = cbc {
                    let block = transform.cipher.block_len();
                    let not_whole = |_| EspError::NotWholeBlocks { block, found: encrypted.len() };
                    cbc.decrypt(iv, &mut payload).map_err(not_whole)?;
                }
            }
        }
        strip_padding(payload, check_padding)
    }
}

/// Salt and IV (RFC 4106 4).
fn nonce(salt: &[u8; 4], iv: &[u8]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(salt);
    nonce[4..].copy_from_slice(iv);
    nonce
}

fn strip_padding(mut payload: Vec<u8>, check_content: bool) -> Result<Opened, EspError> {
    let too_short = EspError::TooShort { expected: TRAILER, found: payload.len() };
    let (Some(next_header), Some(length)) = (payload.pop(), payload.pop()) else {
        return Err(too_short);
    };
    let available = payload.len();
    let invalid = EspError::PaddingInvalid { length, available };
    let Some(kept) = available.checked_sub(usize::from(length)) else {
        return Err(invalid);
    };
    if check_content && !payload[kept..].iter().copied().eq(1..=length) {
        return Err(invalid);
    }
    payload.truncate(kept);
    Ok(Opened { payload, next_header })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_transforms() {
        assert_eq!(Transform::new(Cipher::Aes128, Some(Hash::Sha1)).to_string(), "aes128-sha1");
        assert_eq!(Transform::new(Cipher::Aes256Gcm, None).to_string(), "aes256gcm16");
        let draft = Transform { icv_length: IcvLength::Bits96, ..Transform::new(Cipher::Aes256, Some(Hash::Sha256)) };
        assert_eq!(draft.to_string(), "aes256-sha256-96");
    }

    #[test]
    fn lengths() {
        let transform = Transform::new(Cipher::Aes128, Some(Hash::Sha1));
        // 8 + 16 + (84 + 2 -> 96) + 12
        assert_eq!(transform.esp_len(84), 132);
        assert_eq!(transform.max_payload(1480), Some(1438));
        assert_eq!(transform.max_payload(51), None);
        assert_eq!(transform.max_payload(52), Some(14));
        let draft = Transform { icv_length: IcvLength::Bits96, ..Transform::new(Cipher::Null, Some(Hash::Sha256)) };
        assert_eq!(draft.icv_len(), 12);
        assert_eq!(draft.esp_len(3), 8 + 8 + 12);
    }

    proptest! {
        #[test]
        fn the_longest_payload_fits_and_one_octet_more_does_not(cipher in prop::sample::select(Cipher::ALL), esp in 0..2000_usize) {
            let transform = Transform::new(cipher, (!cipher.is_aead()).then_some(Hash::Sha256));
            match transform.max_payload(esp) {
                Some(payload) => {
                    prop_assert!(transform.esp_len(payload) <= esp);
                    prop_assert!(transform.esp_len(payload + 1) > esp);
                }
                None => prop_assert!(transform.esp_len(0) > esp),
            }
        }

        #[test]
        fn any_trailer_is_stripped_or_refused(octets in prop::collection::vec(any::<u8>(), 0..300), check: bool) {
            if let Ok(opened) = strip_padding(octets.clone(), check) {
                let length = usize::from(octets[octets.len() - 2]);
                prop_assert_eq!(opened.payload.len() + length + 2, octets.len());
            }
        }
    }
}
