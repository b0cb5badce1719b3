//! AES in the counter modes of IPsec, opened with ICVs of every length their RFCs allow. Nothing here seals: the harness
//! itself negotiates AES-GCM with a full ICV only, which is [`Gcm`](super::Gcm); a decoder of captures meets all of them.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U8, U11, U12, U16};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit, Nonce, Tag};
use ccm::Ccm;
use cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr32BE;
use subtle::ConstantTimeEq;

use super::{AuthenticationFailed, Secret};

/// A counter mode of AES.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CounterMode {
    /// AES-CTR, which does not authenticate (RFC 3686, RFC 5930).
    Ctr,
    /// AES-CCM (RFC 4309, RFC 5282).
    Ccm,
    /// AES-GCM (RFC 4106, RFC 5282).
    Gcm,
}

impl CounterMode {
    /// Octets of salt (CTR: nonce) behind the key.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::Ccm => 3,
            Self::Ctr | Self::Gcm => 4,
        }
    }

    /// Octets of IV that a message carries.
    pub const IV_LEN: usize = 8;
}

/// A key of a counter mode with its salt and the length of its ICV.
#[derive(Clone, Debug)]
pub struct CounterKey {
    mode: CounterMode,
    key: Secret,
    salt: Secret,
    icv_len: usize,
}

/// Why a key of a counter mode was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CounterKeyError {
    /// AES has no key of that length.
    #[error("{mode:?} takes an AES key of 16, 24 or 32 octets and {} of salt, found {found} octets", mode.salt_len())]
    KeyLength {
        /// The mode.
        mode: CounterMode,
        /// Octets that were given.
        found: usize,
    },
    /// The mode has no ICV of that length.
    #[error("{mode:?} has no ICV of {found} octets")]
    IcvLength {
        /// The mode.
        mode: CounterMode,
        /// Octets that were wanted.
        found: usize,
    },
}

impl CounterKey {
    /// Takes a key with its salt behind it, as IKE derives them.
    ///
    /// # Errors
    ///
    /// When AES has no such key, or the mode no such ICV: CTR has none at all, CCM and GCM one of 8, 12 or 16 octets.
    pub fn new(mode: CounterMode, key_and_salt: &[u8], icv_len: usize) -> Result<Self, CounterKeyError> {
        let found = key_and_salt.len();
        let key_len = found.checked_sub(mode.salt_len()).filter(|length| matches!(length, 16 | 24 | 32));
        let Some(key_len) = key_len else { return Err(CounterKeyError::KeyLength { mode, found }) };
        if !matches!((mode, icv_len), (CounterMode::Ctr, 0) | (CounterMode::Ccm | CounterMode::Gcm, 8 | 12 | 16)) {
            return Err(CounterKeyError::IcvLength { mode, found: icv_len });
        }
        let (key, salt) = key_and_salt.split_at(key_len);
        Ok(Self { mode, key: key.into(), salt: salt.into(), icv_len })
    }

    /// The mode.
    pub fn mode(&self) -> CounterMode {
        self.mode
    }

    /// Octets of ICV behind the ciphertext.
    pub fn icv_len(&self) -> usize {
        self.icv_len
    }

    /// Decrypts in place; with CCM and GCM only when the ICV is right. `icv` has [`icv_len`](Self::icv_len) octets.
    ///
    /// # Errors
    ///
    /// When the ICV does not match; the data are then worthless.
    pub fn open(&self, iv: [u8; 8], aad: &[u8], data: &mut [u8], icv: &[u8]) -> Result<(), AuthenticationFailed> {
        match self.mode {
            CounterMode::Ctr => {
                let mut block = [0; 16];
                block[..4].copy_from_slice(&self.salt);
                block[4..12].copy_from_slice(&iv);
                block[15] = 1;
                apply_counter(&self.key, block, data);
                Ok(())
            }
            CounterMode::Ccm => {
                let nonce = [&self.salt[..], &iv].concat();
                match (self.key.len(), self.icv_len) {
                    (16, 8) => open::<Ccm<Aes128, U8, U11>>(&self.key, &nonce, aad, data, icv),
                    (16, 12) => open::<Ccm<Aes128, U12, U11>>(&self.key, &nonce, aad, data, icv),
                    (16, _) => open::<Ccm<Aes128, U16, U11>>(&self.key, &nonce, aad, data, icv),
                    (24, 8) => open::<Ccm<Aes192, U8, U11>>(&self.key, &nonce, aad, data, icv),
                    (24, 12) => open::<Ccm<Aes192, U12, U11>>(&self.key, &nonce, aad, data, icv),
                    (24, _) => open::<Ccm<Aes192, U16, U11>>(&self.key, &nonce, aad, data, icv),
                    (_, 8) => open::<Ccm<Aes256, U8, U11>>(&self.key, &nonce, aad, data, icv),
                    (_, 12) => open::<Ccm<Aes256, U12, U11>>(&self.key, &nonce, aad, data, icv),
                    (_, _) => open::<Ccm<Aes256, U16, U11>>(&self.key, &nonce, aad, data, icv),
                }
            }
            CounterMode::Gcm => {
                let nonce = [&self.salt[..], &iv].concat();
                // The ICV of the plaintext is made again, because a short one is the head of the full one.
                let mut block = [0; 16];
                block[..12].copy_from_slice(&nonce);
                block[15] = 2;
                apply_counter(&self.key, block, data);
                let mut again = data.to_vec();
                let full = match self.key.len() {
                    16 => seal::<AesGcm<Aes128, U12>>(&self.key, &nonce, aad, &mut again),
                    24 => seal::<AesGcm<Aes192, U12>>(&self.key, &nonce, aad, &mut again),
                    _ => seal::<AesGcm<Aes256, U12>>(&self.key, &nonce, aad, &mut again),
                }?;
                let head = full.get(..self.icv_len).ok_or(AuthenticationFailed)?;
                if bool::from(head.ct_eq(icv)) { Ok(()) } else { Err(AuthenticationFailed) }
            }
        }
    }
}

fn open<A: AeadInOut + KeyInit>(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    data: &mut [u8],
    icv: &[u8],
) -> Result<(), AuthenticationFailed> {
    let failed = |_| AuthenticationFailed;
    let cipher = A::new_from_slice(key).map_err(failed)?;
    let nonce = <&Nonce<A>>::try_from(nonce).map_err(|_| AuthenticationFailed)?;
    let icv = <&Tag<A>>::try_from(icv).map_err(|_| AuthenticationFailed)?;
    cipher.decrypt_inout_detached(nonce, aad, InOutBuf::from(data), icv).map_err(|_| AuthenticationFailed)
}

/// The full ICV of `data`, which are encrypted on the way.
fn seal<A: AeadInOut + KeyInit>(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    data: &mut [u8],
) -> Result<Vec<u8>, AuthenticationFailed> {
    let cipher = A::new_from_slice(key).map_err(|_| AuthenticationFailed)?;
    let nonce = <&Nonce<A>>::try_from(nonce).map_err(|_| AuthenticationFailed)?;
    let icv = cipher.encrypt_inout_detached(nonce, aad, InOutBuf::from(data)).map_err(|_| AuthenticationFailed)?;
    Ok(icv.to_vec())
}

fn apply_counter(key: &[u8], block: [u8; 16], data: &mut [u8]) {
    match key.len() {
        16 => counter_of::<Aes128>(key, block, data),
        24 => counter_of::<Aes192>(key, block, data),
        _ => counter_of::<Aes256>(key, block, data),
    }
}

fn counter_of<C>(key: &[u8], block: [u8; 16], data: &mut [u8])
where
    Ctr32BE<C>: KeyIvInit + StreamCipher,
    C: cipher::BlockCipherEncrypt + cipher::BlockSizeUser<BlockSize = U16>,
{
    let mut cipher =
        Ctr32BE::<C>::new_from_slices(key, &block).expect("the key's length was checked when it was taken");
    cipher.apply_keystream(data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Cipher, Gcm};

    /// RFC 3686 6, test vectors 2, 5 and 8.
    #[test]
    fn counter_mode_of_the_rfc() {
        let plain: Vec<u8> = (0..32).collect();
        for (key, iv, encrypted) in [
            (
                "7e24067817fae0d743d6ce1f32539163006cb6db",
                "c0543b59da48d90b",
                "5104a106168a72d9790d41ee8edad388eb2e1efc46da57c8fce630df9141be28",
            ),
            (
                "7c5cb2401b3dc33c19e7340819e0f69c678c3db8e6f6a91a0096b03b",
                "020c6eadc2cb500d",
                "453243fc609b23327edfaafa7131cd9f8490701c5ad4a79cfc1fe0ff42f4fb00",
            ),
            (
                "f6d66d6bd52d59bb0796365879eff886c66dd51a5b6a99744b50590c87a23884",
                "00faac24c1585ef15a43d875",
                "f05e231b3894612c49ee000b804eb2a9b8306b508f839d6a5530831d9344af1c",
            ),
        ] {
            // The vector of the 256-bit key gives nonce and IV in one.
            let (mut key, mut iv) = (hex::decode(key).unwrap(), hex::decode(iv).unwrap());
            if iv.len() == 12 {
                key.extend(iv.drain(..4));
            }
            let opener = CounterKey::new(CounterMode::Ctr, &key, 0).unwrap();
            let mut data = hex::decode(encrypted).unwrap();
            opener.open(iv.try_into().unwrap(), &[], &mut data, &[]).unwrap();
            assert_eq!(data, plain);
        }
    }

    /// RFC 3610 8, packet vector 1, has a nonce of 13 octets; IPsec's 11 are of the CCM specification (SP 800-38C). What can
    /// be checked here is that what the crate seals is opened, and nothing else is.
    #[test]
    fn ccm_opens_what_was_sealed() {
        let key: Vec<u8> = (0..19).collect();
        let (iv, aad) = ([7; 8], [1, 2, 3]);
        let mut data = *b"payloads of a message";
        let icv = seal::<Ccm<Aes128, U12, U11>>(&key[..16], &[&key[16..], &iv].concat(), &aad, &mut data).unwrap();
        let opener = CounterKey::new(CounterMode::Ccm, &key, 12).unwrap();
        let mut opened = data;
        opener.open(iv, &aad, &mut opened, &icv).unwrap();
        assert_eq!(&opened, b"payloads of a message");
        assert!(opener.open(iv, &[1, 2, 4], &mut data, &icv).is_err());
    }

    #[test]
    fn a_short_icv_of_gcm_is_the_head_of_the_full_one() {
        let (key, iv, aad) = ([3; 36], [7; 8], [0; 8]);
        let gcm = Gcm::new(Cipher::Aes256Gcm, &key[..32]).unwrap();
        let nonce = [&key[32..], &iv].concat().try_into().unwrap();
        let mut sealed = *b"a packet";
        let icv = gcm.seal(&nonce, &aad, &mut sealed);
        for length in [8, 12, 16] {
            let opener = CounterKey::new(CounterMode::Gcm, &key, length).unwrap();
            let mut data = sealed;
            opener.open(iv, &aad, &mut data, &icv[..length]).unwrap();
            assert_eq!(&data, b"a packet");
            let mut wrong = icv[..length].to_vec();
            wrong[0] ^= 1;
            assert!(opener.open(iv, &aad, &mut sealed.clone(), &wrong).is_err());
        }
    }

    #[test]
    fn refuses_what_the_modes_do_not_have() {
        assert!(CounterKey::new(CounterMode::Ctr, &[0; 19], 0).is_err());
        assert!(CounterKey::new(CounterMode::Ccm, &[0; 19], 10).is_err());
        assert!(CounterKey::new(CounterMode::Ctr, &[0; 20], 8).is_err());
    }
}
