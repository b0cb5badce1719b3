//! PF_KEY's algorithms and ours.

use super::refusal::Refusal;
use crate::crypto::{Cipher, Hash, IcvLength, SaKeys, Secret};
use crate::esp::Transform;
use crate::pfkey::message::{
    Algorithm, AuthAlgorithm, Combination, EncryptAlgorithm, Errno, Key, Lifetime, Proposal, Sa,
};

/// The integrity algorithms a client is told of, with Linux's figures.
pub(super) fn supported_auth() -> Vec<Algorithm> {
    let hmac =
        |(auth, bits): (AuthAlgorithm, u16)| Algorithm { id: auth.into(), iv_len: 0, min_bits: bits, max_bits: bits };
    let table = [
        (AuthAlgorithm::Null, 0),
        (AuthAlgorithm::Md5Hmac, 128),
        (AuthAlgorithm::Sha1Hmac, 160),
        (AuthAlgorithm::Sha256Hmac, 256),
        (AuthAlgorithm::Sha384Hmac, 384),
        (AuthAlgorithm::Sha512Hmac, 512),
    ];
    table.map(hmac).to_vec()
}

/// The encryption algorithms a client is told of. Linux's PF_KEY lists AES-GCM and then refuses it; this engine takes it,
/// with the salt behind the key as everywhere else.
pub(super) fn supported_encrypt() -> Vec<Algorithm> {
    let cipher = |(encrypt, iv_len, min_bits, max_bits): (EncryptAlgorithm, u8, u16, u16)| Algorithm {
        id: encrypt.into(),
        iv_len,
        min_bits,
        max_bits,
    };
    let table = [
        (EncryptAlgorithm::Null, 0, 0, 0),
        (EncryptAlgorithm::DesCbc, 8, 64, 64),
        (EncryptAlgorithm::TripleDesCbc, 8, 192, 192),
        (EncryptAlgorithm::AesCbc, 8, 128, 256),
        (EncryptAlgorithm::AesGcm16, 8, 160, 288),
    ];
    table.map(cipher).to_vec()
}

/// What an acquired SA may be made of: every cipher with every hash, for a day.
pub(super) fn proposal() -> Proposal {
    let hour = 60 * 60;
    let mut combinations = Vec::new();
    for encrypt in supported_encrypt() {
        let aead = EncryptAlgorithm::from(encrypt.id) == EncryptAlgorithm::AesGcm16;
        let auths = if aead { Vec::new() } else { supported_auth() };
        let none = aead.then_some(Algorithm { id: AuthAlgorithm::None.into(), iv_len: 0, min_bits: 0, max_bits: 0 });
        combinations.extend(auths.into_iter().chain(none).map(|auth| Combination {
            auth: auth.id.into(),
            encrypt: encrypt.id.into(),
            flags: 0,
            auth_bits: (auth.min_bits, auth.max_bits),
            encrypt_bits: (encrypt.min_bits, encrypt.max_bits),
            soft: Lifetime { add_time: 20 * hour, use_time: 7 * hour, ..Lifetime::default() },
            hard: Lifetime { add_time: 24 * hour, use_time: 8 * hour, ..Lifetime::default() },
        }));
    }
    Proposal { replay: 32, combinations }
}

/// Transform and keys of an ESP SA.
pub(super) fn transform(
    sa: &Sa,
    auth: Option<&Key>,
    encrypt: Option<&Key>,
    sha256_icv: IcvLength,
) -> Result<(Transform, SaKeys), Refusal> {
    let integrity = match sa.auth {
        AuthAlgorithm::None | AuthAlgorithm::Null => None,
        AuthAlgorithm::Md5Hmac => Some(Hash::Md5),
        AuthAlgorithm::Sha1Hmac => Some(Hash::Sha1),
        AuthAlgorithm::Sha256Hmac => Some(Hash::Sha256),
        AuthAlgorithm::Sha384Hmac => Some(Hash::Sha384),
        AuthAlgorithm::Sha512Hmac => Some(Hash::Sha512),
        other => return Err(Refusal::new(Errno::NotImplemented, format!("integrity algorithm {other}"))),
    };
    let octets = encrypt.map_or(0, |key| key.key.len());
    let cipher = cipher(sa.encrypt, octets)?;
    let icv_length = if integrity == Some(Hash::Sha256) { sha256_icv } else { IcvLength::Standard };
    let key = |key: Option<&Key>| key.map_or_else(|| Secret::new(Vec::new()), |key| key.key.clone());
    // A key that no algorithm asks for is not used.
    let integrity_key = key(auth.filter(|_| integrity.is_some()));
    let keys = SaKeys { encryption: key(encrypt.filter(|_| cipher != Cipher::Null)), integrity: integrity_key };
    Ok((Transform { cipher, integrity, icv_length }, keys))
}

/// The cipher of a number and a key of so many octets.
fn cipher(algorithm: EncryptAlgorithm, key: usize) -> Result<Cipher, Refusal> {
    Ok(match (algorithm, key) {
        (EncryptAlgorithm::Null, _) => Cipher::Null,
        (EncryptAlgorithm::DesCbc, _) => Cipher::Des,
        (EncryptAlgorithm::TripleDesCbc, _) => Cipher::TripleDes,
        (EncryptAlgorithm::AesCbc, 16) => Cipher::Aes128,
        (EncryptAlgorithm::AesCbc, 24) => Cipher::Aes192,
        (EncryptAlgorithm::AesCbc, 32) => Cipher::Aes256,
        (EncryptAlgorithm::AesGcm16, 20) => Cipher::Aes128Gcm,
        (EncryptAlgorithm::AesGcm16, 28) => Cipher::Aes192Gcm,
        (EncryptAlgorithm::AesGcm16, 36) => Cipher::Aes256Gcm,
        (EncryptAlgorithm::AesCbc | EncryptAlgorithm::AesGcm16, _) => {
            return Err(Refusal::invalid(format!("{algorithm} has no key of {key} octets")));
        }
        (EncryptAlgorithm::None, _) => return Err(Refusal::invalid("ESP without an encryption algorithm")),
        _ => return Err(Refusal::new(Errno::NotImplemented, format!("encryption algorithm {algorithm}"))),
    })
}
