//! The key schedule of IKEv1: SKEYID and what follows from it, the HASH payloads, the IVs and KEYMAT (RFC 2409 5,
//! Appendix B). Pure functions of what was exchanged, under RFC 2409's own names.
//!
//! `_b` marks the body of a payload without its generic header (RFC 2409 3.2); values of the Diffie-Hellman exchange are
//! as long as the prime.

use std::fmt;

use crate::crypto::{Cbc, Cipher, CipherError, Digest, Hash, SaKeys, Secret};
use crate::wire::isakmp::{Cookie, MessageId, ProtocolId};

/// What one phase 1 exchange is made of, as far as HASH_I and HASH_R cover it.
#[derive(Clone, Copy, Debug)]
pub struct PhaseOneExchange<'a> {
    /// The initiator's cookie.
    pub cky_i: Cookie,
    /// The responder's cookie.
    pub cky_r: Cookie,
    /// The initiator's public value, the body of its KE payload.
    pub g_xi: &'a [u8],
    /// The responder's public value.
    pub g_xr: &'a [u8],
    /// The body of the SA payload as the initiator sent it, all proposals of it.
    pub sai_b: &'a [u8],
}

/// SKEYID, which only the two peers can know.
#[derive(Clone, PartialEq, Eq)]
pub struct SkeyId {
    prf: Hash,
    secret: Secret,
}

impl SkeyId {
    /// With a pre-shared key: `prf(pre-shared-key, Ni_b | Nr_b)`.
    pub fn pre_shared_key(prf: Hash, key: &[u8], ni_b: &[u8], nr_b: &[u8]) -> Self {
        Self::new(prf, prf.hmac(key, &[ni_b, nr_b]))
    }

    /// With signatures: `prf(Ni_b | Nr_b, g^xy)`.
    pub fn signature(prf: Hash, ni_b: &[u8], nr_b: &[u8], g_xy: &[u8]) -> Self {
        Self::new(prf, prf.hmac(&Secret::new([ni_b, nr_b].concat()), &[g_xy]))
    }

    /// With public key encryption as RFC 2409 5.2 says: `prf(hash(Ni_b | Nr_b), CKY-I | CKY-R)`.
    pub fn public_key_encryption(prf: Hash, ni_b: &[u8], nr_b: &[u8], cky_i: Cookie, cky_r: Cookie) -> Self {
        Self::new(prf, prf.hmac(&prf.digest(&[ni_b, nr_b]), &[&cky_i.0, &cky_r.0]))
    }

    /// With public key encryption as Cisco does it: `prf(Ni_b | Nr_b, CKY-I | CKY-R)`, the nonces themselves as the key.
    ///
    /// **\[S\]** Every HASH of a recorded handshake with a CSR verifies this way and none the RFC's way
    /// (fixtures/vectors/ikev1-recorded-handshakes-keyed.json, `main-rsa-enc-11e79c308ebbd717`).
    pub fn public_key_encryption_cisco(prf: Hash, ni_b: &[u8], nr_b: &[u8], cky_i: Cookie, cky_r: Cookie) -> Self {
        Self::new(prf, prf.hmac(&Secret::new([ni_b, nr_b].concat()), &[&cky_i.0, &cky_r.0]))
    }

    fn new(prf: Hash, secret: Digest) -> Self {
        Self { prf, secret: Secret::from(&*secret) }
    }

    /// SKEYID_d, SKEYID_a and SKEYID_e.
    pub fn derive(&self, g_xy: &[u8], cky_i: Cookie, cky_r: Cookie) -> PhaseOneKeys {
        let Self { prf, secret } = self;
        let d = prf.hmac(secret, &[g_xy, &cky_i.0, &cky_r.0, &[0]]);
        let a = prf.hmac(secret, &[&d, g_xy, &cky_i.0, &cky_r.0, &[1]]);
        let e = prf.hmac(secret, &[&a, g_xy, &cky_i.0, &cky_r.0, &[2]]);
        PhaseOneKeys {
            skeyid_d: SkeyIdD { prf: *prf, secret: Secret::from(&*d) },
            skeyid_a: SkeyIdA { prf: *prf, secret: Secret::from(&*a) },
            skeyid_e: SkeyIdE { prf: *prf, secret: Secret::from(&*e) },
        }
    }

    /// `HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b)`.
    pub fn hash_i(&self, exchange: &PhaseOneExchange<'_>, idii_b: &[u8]) -> Digest {
        let PhaseOneExchange { cky_i, cky_r, g_xi, g_xr, sai_b } = exchange;
        self.prf.hmac(&self.secret, &[g_xi, g_xr, &cky_i.0, &cky_r.0, sai_b, idii_b])
    }

    /// `HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b)`.
    pub fn hash_r(&self, exchange: &PhaseOneExchange<'_>, idir_b: &[u8]) -> Digest {
        let PhaseOneExchange { cky_i, cky_r, g_xi, g_xr, sai_b } = exchange;
        self.prf.hmac(&self.secret, &[g_xr, g_xi, &cky_r.0, &cky_i.0, sai_b, idir_b])
    }

    /// The octets, for the key log.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// The three keys that follow from SKEYID and g^xy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseOneKeys {
    /// Makes KEYMAT.
    pub skeyid_d: SkeyIdD,
    /// Authenticates the messages of quick mode, informational and transaction exchanges.
    pub skeyid_a: SkeyIdA,
    /// Makes the encryption key.
    pub skeyid_e: SkeyIdE,
}

/// SKEYID_d, from which the keys of the IPsec SAs are made.
#[derive(Clone, PartialEq, Eq)]
pub struct SkeyIdD {
    prf: Hash,
    secret: Secret,
}

/// What the KEYMAT of one SA in one direction is made of (RFC 2409 5.5).
#[derive(Clone, Copy, Debug)]
pub struct QuickModeExchange<'a> {
    /// The shared secret of quick mode's own Diffie-Hellman exchange, where there was one (PFS).
    pub g_qm_xy: Option<&'a [u8]>,
    /// The protocol of the SA, as its proposal says.
    pub protocol: ProtocolId,
    /// The SPI that the receiver of this direction chose.
    pub spi: u32,
    /// The initiator's nonce.
    pub ni_b: &'a [u8],
    /// The responder's nonce.
    pub nr_b: &'a [u8],
}

impl SkeyIdD {
    /// `KEYMAT = K1 | K2 | ...`, cut to `len` octets: `K1 = prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni_b | Nr_b)`, and
    /// each further one with the one before it in front.
    pub fn keymat(&self, exchange: &QuickModeExchange<'_>, len: usize) -> Secret {
        let QuickModeExchange { g_qm_xy, protocol, spi, ni_b, nr_b } = *exchange;
        let (protocol, spi) = ([u8::from(protocol)], spi.to_be_bytes());
        expand(self.prf, &self.secret, &[], &[g_qm_xy.unwrap_or_default(), &protocol, &spi, ni_b, nr_b], len)
    }

    /// The keys of an ESP SA in one direction: KEYMAT cut into the encryption key (with GCM its salt behind it) and the
    /// integrity key, which is as long as the hash's output (RFC 2407 4.5, RFC 4106 8.1, RFC 4868 2.1.1).
    pub fn sa_keys(&self, exchange: &QuickModeExchange<'_>, cipher: Cipher, integrity: Option<Hash>) -> SaKeys {
        let encryption_len = cipher.key_len() + cipher.salt_len();
        let keymat = self.keymat(exchange, encryption_len + integrity.map_or(0, Hash::digest_len));
        let (encryption, integrity) = keymat.split_at(encryption_len);
        SaKeys { encryption: Secret::from(encryption), integrity: Secret::from(integrity) }
    }

    /// The octets, for the key log.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// SKEYID_a, which authenticates everything under the ISAKMP SA.
///
/// `after_hash` is what stands behind the HASH payload in the message, generic headers included, padding not.
#[derive(Clone, PartialEq, Eq)]
pub struct SkeyIdA {
    prf: Hash,
    secret: Secret,
}

impl SkeyIdA {
    /// `HASH(1) = prf(SKEYID_a, M-ID | SA | Ni [| KE] [| IDci | IDcr])`.
    pub fn hash_1(&self, message_id: MessageId, after_hash: &[u8]) -> Digest {
        self.prf.hmac(&self.secret, &[&message_id.0.to_be_bytes(), after_hash])
    }

    /// `HASH(2) = prf(SKEYID_a, M-ID | Ni_b | SA | Nr [| KE] [| IDci | IDcr])`.
    pub fn hash_2(&self, message_id: MessageId, ni_b: &[u8], after_hash: &[u8]) -> Digest {
        self.prf.hmac(&self.secret, &[&message_id.0.to_be_bytes(), ni_b, after_hash])
    }

    /// `HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)`.
    pub fn hash_3(&self, message_id: MessageId, ni_b: &[u8], nr_b: &[u8]) -> Digest {
        self.prf.hmac(&self.secret, &[&[0], &message_id.0.to_be_bytes(), ni_b, nr_b])
    }

    /// The HASH of an informational exchange, `prf(SKEYID_a, M-ID | N/D)` (RFC 2409 5.7), and of a transaction exchange,
    /// `prf(SKEYID_a, M-ID | ATTR)` (draft-ietf-ipsec-isakmp-mode-cfg-05 3.2).
    pub fn hash_informational(&self, message_id: MessageId, after_hash: &[u8]) -> Digest {
        self.hash_1(message_id, after_hash)
    }

    /// The octets, for the key log.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// SKEYID_e, from which the encryption key of the ISAKMP SA is made.
#[derive(Clone, PartialEq, Eq)]
pub struct SkeyIdE {
    prf: Hash,
    secret: Secret,
}

impl SkeyIdE {
    /// The key of `cipher`: the head of SKEYID_e where that is long enough, else the head of `Ka = K1 | K2 | ...` with
    /// `K1 = prf(SKEYID_e, 0)`, `K2 = prf(SKEYID_e, K1)` (RFC 2409 Appendix B). Fails for GCM and null, which are no
    /// ciphers of IKEv1.
    pub fn encryption_key(&self, cipher: Cipher) -> Result<EncryptionKey, CipherError> {
        let len = cipher.key_len();
        let key = match self.secret.get(..len) {
            Some(head) => Secret::from(head),
            None => expand(self.prf, &self.secret, &[0], &[], len),
        };
        Ok(EncryptionKey { cbc: Cbc::new(cipher, &key)?, hash: self.prf, key })
    }

    /// The octets, for the key log.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// `K1 | K2 | ...` cut to `len`: `K1 = prf(key, first | seed)`, `Kn = prf(key, K(n-1) | seed)`.
fn expand(prf: Hash, key: &[u8], first: &[u8], seed: &[&[u8]], len: usize) -> Secret {
    let step = |previous: &[u8]| prf.hmac(key, &[&[previous][..], seed].concat());
    let mut octets = Vec::with_capacity(len.next_multiple_of(prf.digest_len()));
    let mut block = step(first);
    while octets.len() < len {
        octets.extend_from_slice(&block);
        block = step(&block);
    }
    octets.truncate(len);
    Secret::new(octets)
}

/// The encryption key of an ISAKMP SA. It encrypts whole blocks; how a message is padded is its sender's habit.
#[derive(Clone)]
pub struct EncryptionKey {
    cbc: Cbc,
    hash: Hash,
    key: Secret,
}

impl EncryptionKey {
    /// The key from a key log. Fails when its length is not the cipher's, and for GCM and null.
    pub fn from_log(cipher: Cipher, hash: Hash, key: &[u8]) -> Result<Self, CipherError> {
        Ok(Self { cbc: Cbc::new(cipher, key)?, hash, key: Secret::from(key) })
    }

    /// The IV of the first encrypted message of phase 1: the head of `hash(g^xi | g^xr)` (RFC 2409 Appendix B).
    pub fn phase_one_iv(&self, g_xi: &[u8], g_xr: &[u8]) -> IvChain {
        self.iv(&[g_xi, g_xr])
    }

    /// The IV of the first message of an exchange under the ISAKMP SA: the head of
    /// `hash(last phase 1 CBC output block | M-ID)`. `phase_one` stands behind the last message of phase 1, and each exchange
    /// gets a chain of its own.
    pub fn phase_two_iv(&self, phase_one: &IvChain, message_id: MessageId) -> IvChain {
        self.iv(&[phase_one.as_bytes(), &message_id.0.to_be_bytes()])
    }

    fn iv(&self, parts: &[&[u8]]) -> IvChain {
        let mut chain = IvChain { octets: [0; 16], len: self.cbc.cipher().block_len() };
        let digest = self.hash.digest(parts);
        chain.octets[..chain.len].copy_from_slice(&digest[..chain.len]);
        chain
    }

    /// Encrypts the payloads of one message in place; returns the IV of the next message of the exchange.
    pub fn encrypt(&self, iv: &IvChain, payloads: &mut [u8]) -> Result<IvChain, CipherError> {
        self.cbc.encrypt(iv.as_bytes(), payloads)?;
        Ok(iv.after(payloads))
    }

    /// Decrypts the payloads of one message in place; returns the IV of the next message of the exchange, which a caller
    /// keeps only when it accepts this one.
    pub fn decrypt(&self, iv: &IvChain, payloads: &mut [u8]) -> Result<IvChain, CipherError> {
        let next = iv.after(payloads);
        self.cbc.decrypt(iv.as_bytes(), payloads)?;
        Ok(next)
    }

    /// The cipher.
    pub fn cipher(&self) -> Cipher {
        self.cbc.cipher()
    }

    /// The octets, for the key log.
    pub fn secret(&self) -> &Secret {
        &self.key
    }
}

/// The IV of the next message of an exchange: the last ciphertext block of the message before it (RFC 2409 Appendix B).
#[derive(Clone, PartialEq, Eq)]
pub struct IvChain {
    octets: [u8; 16],
    len: usize,
}

impl IvChain {
    /// The chain from a key log; octets past the longest block are left out.
    pub fn from_log(iv: &[u8]) -> Self {
        let mut chain = Self { octets: [0; 16], len: iv.len().min(16) };
        chain.octets[..chain.len].copy_from_slice(&iv[..chain.len]);
        chain
    }

    /// The chain behind a message with this ciphertext; an empty one changes nothing.
    #[must_use]
    pub fn after(&self, ciphertext: &[u8]) -> Self {
        let mut next = self.clone();
        if let Some((_, last)) = ciphertext.split_at_checked(ciphertext.len().wrapping_sub(self.len)) {
            next.octets[..self.len].copy_from_slice(last);
        }
        next
    }

    /// The IV, one block long.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl fmt::Debug for IvChain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IvChain({})", hex::encode(self.as_bytes()))
    }
}

macro_rules! debug_without_the_secret {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        })+
    };
}

debug_without_the_secret!(SkeyId, SkeyIdD, SkeyIdA, SkeyIdE, EncryptionKey);

#[cfg(test)]
mod tests;
