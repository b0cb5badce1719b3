//! Hashes, and the HMACs made of them: IKE's PRF (RFC 2409 4) and the integrity algorithms of ESP.

use std::fmt;
use std::ops::Deref;

use hmac::{KeyInit, Mac};
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::Hash;

/// The output of a hash or an HMAC; wiped on drop, because many of them are keys. Equality takes constant time.
#[derive(Clone)]
pub struct Digest {
    octets: [u8; 64],
    len: usize,
}

impl Digest {
    fn new(octets: &[u8]) -> Self {
        let mut digest = Self { octets: [0; 64], len: octets.len() };
        digest.octets[..octets.len()].copy_from_slice(octets);
        digest
    }
}

impl Deref for Digest {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.octets[..self.len]
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Digest {}

impl PartialEq<[u8]> for Digest {
    fn eq(&self, other: &[u8]) -> bool {
        (**self).ct_eq(other).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({} octets)", self.len)
    }
}

impl Hash {
    /// Length of the output in octets.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of the parts, one after the other.
    pub fn digest(self, parts: &[&[u8]]) -> Digest {
        match self {
            Self::Md5 => digest_of::<Md5>(parts),
            Self::Sha1 => digest_of::<Sha1>(parts),
            Self::Sha256 => digest_of::<Sha256>(parts),
            Self::Sha384 => digest_of::<Sha384>(parts),
            Self::Sha512 => digest_of::<Sha512>(parts),
        }
    }

    /// The HMAC of the parts, one after the other, under a key of any length: IKE's `prf(key, parts)` where none else is
    /// negotiated (RFC 2409 4).
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Digest {
        Hmac::new(self, key).compute(parts)
    }
}

fn digest_of<D: sha2::Digest>(parts: &[&[u8]]) -> Digest {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    Digest::new(&state.finalize())
}

/// An HMAC whose key has been absorbed: each computation starts from a copy of that state.
#[derive(Clone)]
pub struct Hmac(Keyed);

#[derive(Clone)]
enum Keyed {
    Md5(hmac::Hmac<Md5>),
    Sha1(hmac::Hmac<Sha1>),
    Sha256(hmac::Hmac<Sha256>),
    Sha384(hmac::Hmac<Sha384>),
    Sha512(hmac::Hmac<Sha512>),
}

impl Hmac {
    /// Absorbs a key of any length.
    pub fn new(hash: Hash, key: &[u8]) -> Self {
        Self(match hash {
            Hash::Md5 => Keyed::Md5(keyed(key)),
            Hash::Sha1 => Keyed::Sha1(keyed(key)),
            Hash::Sha256 => Keyed::Sha256(keyed(key)),
            Hash::Sha384 => Keyed::Sha384(keyed(key)),
            Hash::Sha512 => Keyed::Sha512(keyed(key)),
        })
    }

    /// The whole HMAC of the parts, one after the other.
    pub fn compute(&self, parts: &[&[u8]]) -> Digest {
        match &self.0 {
            Keyed::Md5(state) => hmac_of(state.clone(), parts),
            Keyed::Sha1(state) => hmac_of(state.clone(), parts),
            Keyed::Sha256(state) => hmac_of(state.clone(), parts),
            Keyed::Sha384(state) => hmac_of(state.clone(), parts),
            Keyed::Sha512(state) => hmac_of(state.clone(), parts),
        }
    }

    /// Whether `icv` is the HMAC of the parts, truncated to `icv`'s own length. Constant time; never true of an empty or
    /// an overlong `icv`.
    pub fn verify(&self, parts: &[&[u8]], icv: &[u8]) -> bool {
        let computed = self.compute(parts);
        !icv.is_empty() && computed.get(..icv.len()).is_some_and(|prefix| prefix.ct_eq(icv).into())
    }
}

impl fmt::Debug for Hmac {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hmac").finish_non_exhaustive()
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 2)")
}

fn hmac_of<M: Mac>(mut state: M, parts: &[&[u8]]) -> Digest {
    for part in parts {
        state.update(part);
    }
    Digest::new(&state.finalize().into_bytes())
}

/// To how many octets ESP truncates an HMAC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IcvLength {
    /// As the RFCs say: MD5 and SHA-1 96 bits (RFC 2403, 2404), SHA-2 half its output (RFC 4868).
    #[default]
    Standard,
    /// 96 bits whatever the hash: SHA-256 as in draft-ietf-ipsec-ciph-sha-256-00, and as Linux's PF_KEY has it still.
    Bits96,
}

impl IcvLength {
    /// Whether it is the RFCs'.
    pub fn is_standard(&self) -> bool {
        *self == Self::Standard
    }

    /// The length of `hash`'s ICV in octets.
    pub const fn octets(self, hash: Hash) -> usize {
        match (self, hash) {
            (Self::Bits96, _) | (_, Hash::Md5 | Hash::Sha1) => 12,
            (Self::Standard, _) => hash.digest_len() / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::crypto::vectors::{corpus, octets};

    /// RFC 1321 A.5 and FIPS 180-4: the hash of "abc".
    #[rstest]
    #[case(Hash::Md5, "900150983cd24fb0d6963f7d28e17f72")]
    #[case(Hash::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d")]
    #[case(Hash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    #[case(
        Hash::Sha384,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
    )]
    #[case(
        Hash::Sha512,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    )]
    fn hashes_abc(#[case] hash: Hash, #[case] expected: &str) {
        assert_eq!(hex::encode(&*hash.digest(&[b"a", b"", b"bc"])), expected);
        assert_eq!(expected.len(), 2 * hash.digest_len());
    }

    const HI_THERE: &[u8] = b"Hi There";
    const WHAT: &[u8] = b"what do ya want for nothing?";
    const LARGER: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";

    /// RFC 2202 2 and 3, RFC 4231 4.2, 4.3 and 4.7.
    #[rstest]
    #[case(Hash::Md5, &[0x0b; 16], HI_THERE, "9294727a3638bb1c13f48ef8158bfc9d")]
    #[case(Hash::Md5, b"Jefe", WHAT, "750c783e6ab0b503eaa86e310a5db738")]
    #[case(Hash::Md5, &[0xaa; 16], &[0xdd; 50], "56be34521d144c88dbb8c733f0e8b3f6")]
    #[case(Hash::Md5, &[0xaa; 80], LARGER, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd")]
    #[case(Hash::Sha1, &[0x0b; 20], HI_THERE, "b617318655057264e28bc0b6fb378c8ef146be00")]
    #[case(Hash::Sha1, b"Jefe", WHAT, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")]
    #[case(Hash::Sha1, &[0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3")]
    #[case(Hash::Sha1, &[0xaa; 80], LARGER, "aa4ae5e15272d00e95705637ce8a3b55ed402112")]
    #[case(Hash::Sha256, &[0x0b; 20], HI_THERE, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")]
    #[case(Hash::Sha256, b"Jefe", WHAT, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")]
    #[case(Hash::Sha256, &[0xaa; 131], LARGER, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")]
    #[case(Hash::Sha384, &[0x0b; 20], HI_THERE,
        "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6")]
    #[case(
        Hash::Sha384,
        b"Jefe",
        WHAT,
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"
    )]
    #[case(Hash::Sha384, &[0xaa; 131], LARGER,
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952")]
    #[case(Hash::Sha512, &[0x0b; 20], HI_THERE,
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854")]
    #[case(
        Hash::Sha512,
        b"Jefe",
        WHAT,
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
    )]
    #[case(Hash::Sha512, &[0xaa; 131], LARGER,
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598")]
    fn hmac_of_the_rfcs(#[case] hash: Hash, #[case] key: &[u8], #[case] data: &[u8], #[case] expected: &str) {
        assert_eq!(hex::encode(&*hash.hmac(key, &[data])), expected);
        let (head, tail) = data.split_at(3);
        let keyed = Hmac::new(hash, key);
        for _ in 0..2 {
            assert_eq!(hex::encode(&*keyed.compute(&[head, tail])), expected);
        }
    }

    #[test]
    fn hmac_of_the_corpus() {
        let Some(file) = corpus("vectors/cipher-hmac-prf.json") else { return };
        let mut checked = 0;
        for vector in file["vectors"].as_array().unwrap() {
            let algorithm = vector["alg"].as_str().unwrap();
            let Some(words) = algorithm.strip_prefix("AUTH_HMAC_").or(algorithm.strip_prefix("PRF_HMAC_")) else {
                continue;
            };
            let hash = match words.strip_prefix("SHA2_").unwrap_or(words).split('_').next().unwrap() {
                "MD5" => Hash::Md5,
                "SHA1" => Hash::Sha1,
                "256" => Hash::Sha256,
                "384" => Hash::Sha384,
                "512" => Hash::Sha512,
                other => panic!("{other} in {algorithm}"),
            };
            let expected = octets(vector.get("mac").or(vector.get("seed_out")).or(vector.get("out")).unwrap());
            let (key, data) = (octets(&vector["key"]), octets(vector.get("data").or(vector.get("seed")).unwrap()));
            assert!(Hmac::new(hash, &key).verify(&[&data], &expected), "{}", vector["name"]);
            checked += 1;
        }
        assert!(checked > 20, "{checked} vectors");
    }

    #[test]
    fn icv_lengths() {
        let standard = Hash::ALL.iter().map(|&hash| IcvLength::Standard.octets(hash)).collect::<Vec<_>>();
        assert_eq!(standard, [12, 12, 16, 24, 32]);
        assert!(Hash::ALL.iter().all(|&hash| IcvLength::Bits96.octets(hash) == 12));
    }

    #[test]
    fn verifies_prefixes_only_of_sensible_length() {
        let keyed = Hmac::new(Hash::Sha1, b"key");
        let whole = keyed.compute(&[b"data"]);
        assert!(keyed.verify(&[b"data"], &whole[..12]));
        assert!(!keyed.verify(&[b"data"], &[]));
        assert!(!keyed.verify(&[b"data"], &[&whole[..], &[0]].concat()));
        assert!(!keyed.verify(&[b"date"], &whole[..12]));
    }

    proptest! {
        #[test]
        fn one_flipped_bit_is_noticed(data in proptest::collection::vec(any::<u8>(), 1..100), bit in 0..96usize) {
            for &hash in Hash::ALL {
                let keyed = Hmac::new(hash, b"a key");
                let mut icv = keyed.compute(&[&data])[..12].to_vec();
                prop_assert!(keyed.verify(&[&data], &icv));
                icv[bit / 8] ^= 1 << (bit % 8);
                prop_assert!(!keyed.verify(&[&data], &icv));
            }
        }
    }
}
