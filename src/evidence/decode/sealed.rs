//! What stands sealed in ESP packets and in the SK payloads of IKEv2: `associated data | IV | ciphertext | ICV`, opened with
//! whatever algorithms Wireshark's tables have names for.
//!
//! Both protocols authenticate alike: a separate MAC covers all that stands before the ICV, an AEAD the associated data and
//! the ciphertext. With ESP the associated data are SPI and sequence number, with IKEv2 the message up to the IV.

use crate::crypto::{Cbc, Cipher, CipherError, CounterKey, CounterKeyError, CounterMode, Gcm, Hash, Hmac};

/// A cipher as tables of keys name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealCipher {
    /// A block cipher in CBC mode, or none at all.
    Block(BlockCipher),
    /// A counter mode of AES and the octets of its ICV.
    Counter(CounterMode, usize),
}

/// A cipher whose key length, where it has more than one, is told by the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockCipher {
    /// None.
    Null,
    /// DES.
    Des,
    /// 3DES.
    TripleDes,
    /// AES.
    Aes,
}

impl SealCipher {
    /// Whether keys of this length are the cipher's.
    pub(super) fn takes(self, key: &[u8]) -> Result<(), SealError> {
        match (self, key.len()) {
            (Self::Block(BlockCipher::Null), _)
            | (Self::Block(BlockCipher::Des), 8)
            | (Self::Block(BlockCipher::TripleDes), 24)
            | (Self::Block(BlockCipher::Aes), 16 | 24 | 32) => Ok(()),
            // What is wrong with it says the cipher itself.
            _ => Opener::new(self, key, SealIntegrity::None, &[]).map(|_| ()),
        }
    }
}

/// What authenticates beside the cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealIntegrity {
    /// Nothing: no ICV, or the cipher's own.
    None,
    /// An HMAC, truncated to so many octets.
    Hmac(Hash, usize),
    /// So many octets that are not looked at.
    Unchecked(usize),
}

/// Why keys do not fit their algorithms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// A block cipher refused its key.
    #[error(transparent)]
    Block(#[from] CipherError),
    /// AES has no key of that length.
    #[error("AES takes a key of 16, 24 or 32 octets, found {0}")]
    AesKey(usize),
    /// A counter mode refused its key.
    #[error(transparent)]
    Counter(#[from] CounterKeyError),
}

/// Algorithms with their keys.
#[derive(Clone, Debug)]
pub struct Opener {
    cipher: Keyed,
    integrity: Mac,
}

#[derive(Clone, Debug)]
enum Keyed {
    Null,
    Cbc(Box<Cbc>),
    Gcm { gcm: Box<Gcm>, salt: [u8; 4] },
    Counter(CounterKey),
}

#[derive(Clone, Debug)]
enum Mac {
    None,
    Hmac(Box<Hmac>, usize),
    Unchecked(usize),
}

/// What was sealed cannot be opened: another key, damaged, or cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotOpened;

impl Opener {
    /// Keys the algorithms. Counter modes have their salt behind the key.
    ///
    /// # Errors
    ///
    /// When a key does not have the length its algorithm takes.
    pub fn new(
        cipher: SealCipher,
        key: &[u8],
        integrity: SealIntegrity,
        integrity_key: &[u8],
    ) -> Result<Self, SealError> {
        let cipher = match cipher {
            SealCipher::Block(BlockCipher::Null) => Keyed::Null,
            SealCipher::Block(BlockCipher::Des) => Keyed::Cbc(Box::new(Cbc::new(Cipher::Des, key)?)),
            SealCipher::Block(BlockCipher::TripleDes) => Keyed::Cbc(Box::new(Cbc::new(Cipher::TripleDes, key)?)),
            SealCipher::Block(BlockCipher::Aes) => {
                let cipher = match key.len() {
                    16 => Cipher::Aes128,
                    24 => Cipher::Aes192,
                    32 => Cipher::Aes256,
                    other => return Err(SealError::AesKey(other)),
                };
                Keyed::Cbc(Box::new(Cbc::new(cipher, key)?))
            }
            SealCipher::Counter(mode, icv_len) => {
                let counter = CounterKey::new(mode, key, icv_len)?;
                match (mode, icv_len, key.split_last_chunk::<4>()) {
                    (CounterMode::Gcm, 16, Some((key, salt))) => {
                        let cipher = match key.len() {
                            16 => Cipher::Aes128Gcm,
                            24 => Cipher::Aes192Gcm,
                            _ => Cipher::Aes256Gcm,
                        };
                        Keyed::Gcm { gcm: Box::new(Gcm::new(cipher, key)?), salt: *salt }
                    }
                    _ => Keyed::Counter(counter),
                }
            }
        };
        let integrity = match integrity {
            SealIntegrity::None => Mac::None,
            SealIntegrity::Hmac(hash, length) => Mac::Hmac(Box::new(Hmac::new(hash, integrity_key)), length),
            SealIntegrity::Unchecked(length) => Mac::Unchecked(length),
        };
        Ok(Self { cipher, integrity })
    }

    /// Whether a wrong key is told from the right one.
    pub(super) fn authenticates(&self) -> bool {
        matches!(self.integrity, Mac::Hmac(..))
            || match &self.cipher {
                Keyed::Gcm { .. } => true,
                Keyed::Counter(key) => key.mode() != CounterMode::Ctr,
                Keyed::Null | Keyed::Cbc(_) => false,
            }
    }

    /// Opens `message`, whose first `aad` octets are the associated data, into `plain`, padding included.
    pub(super) fn open(&self, message: &[u8], aad: usize, plain: &mut Vec<u8>) -> Result<(), NotOpened> {
        self.verify(message)?;
        self.open_unverified(message, aad, plain)
    }

    /// Whether the separate MAC, where there is one, is right.
    fn verify(&self, message: &[u8]) -> Result<(), NotOpened> {
        let Mac::Hmac(hmac, length) = &self.integrity else { return Ok(()) };
        let (protected, mac) = message.split_at_checked(message.len().wrapping_sub(*length)).ok_or(NotOpened)?;
        if hmac.verify(&[protected], mac) { Ok(()) } else { Err(NotOpened) }
    }

    /// As [`open`](Self::open), whatever a separate MAC says.
    pub(super) fn open_unverified(&self, message: &[u8], aad: usize, plain: &mut Vec<u8>) -> Result<(), NotOpened> {
        let mac_len = match &self.integrity {
            Mac::None => 0,
            Mac::Hmac(_, length) | Mac::Unchecked(length) => *length,
        };
        let (protected, _) = message.split_at_checked(message.len().wrapping_sub(mac_len)).ok_or(NotOpened)?;
        let (aad, sealed) = protected.split_at_checked(aad).ok_or(NotOpened)?;
        let (iv_len, icv_len) = match &self.cipher {
            Keyed::Null => (0, 0),
            Keyed::Cbc(cbc) => (cbc.cipher().block_len(), 0),
            Keyed::Gcm { .. } => (CounterMode::IV_LEN, 16),
            Keyed::Counter(key) => (CounterMode::IV_LEN, key.icv_len()),
        };
        let (iv, sealed) = sealed.split_at_checked(iv_len).ok_or(NotOpened)?;
        let (sealed, icv) = sealed.split_at_checked(sealed.len().wrapping_sub(icv_len)).ok_or(NotOpened)?;
        plain.clear();
        plain.extend_from_slice(sealed);
        match &self.cipher {
            Keyed::Null => Ok(()),
            Keyed::Cbc(cbc) => cbc.decrypt(iv, plain).map_err(|_| NotOpened),
            Keyed::Gcm { gcm, salt } => {
                let mut nonce = [0; 12];
                nonce[..4].copy_from_slice(salt);
                nonce[4..].copy_from_slice(iv);
                let icv = icv.try_into().map_err(|_| NotOpened)?;
                gcm.open(&nonce, aad, plain, icv).map_err(|_| NotOpened)
            }
            Keyed::Counter(key) => {
                let iv = iv.try_into().map_err(|_| NotOpened)?;
                key.open(iv, aad, plain, icv).map_err(|_| NotOpened)
            }
        }
    }
}
