//! Block ciphers in CBC mode and AES-GCM, chosen at run time.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U12;
use aes_gcm::aead::{AeadInOut, inout::InOutBuf};
use cipher::array::Array;
use cipher::{
    BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, BlockSizeUser, InnerIvInit, KeyInit,
};
use des::{Des, TdesEde3};

use super::Cipher;

/// Why a cipher refused its input. All lengths are in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The key is not of the cipher's length.
    #[error("{cipher} takes a key of {expected} octets, found {found}")]
    KeyLength {
        /// The cipher that was to be keyed.
        cipher: Cipher,
        /// What it takes.
        expected: usize,
        /// What it was given.
        found: usize,
    },
    /// The IV is not one block.
    #[error("the IV of {cipher} has {expected} octets, found {found}")]
    IvLength {
        /// The cipher.
        cipher: Cipher,
        /// One block.
        expected: usize,
        /// What it was given.
        found: usize,
    },
    /// CBC works on whole blocks.
    #[error("{found} octets are no multiple of the {block}-octet block of {cipher}")]
    NotWholeBlocks {
        /// The cipher.
        cipher: Cipher,
        /// The length of its block.
        block: usize,
        /// The length of the data.
        found: usize,
    },
    /// The cipher has no such mode: GCM and null are no block ciphers in CBC mode, and the CBC ciphers are no AEAD.
    #[error("{cipher} has no {mode} mode")]
    NoSuchMode {
        /// The cipher.
        cipher: Cipher,
        /// `CBC` or `GCM`.
        mode: &'static str,
    },
}

/// The ICV of an AEAD did not match: wrong key, or the packet was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the integrity check value does not match")]
pub struct AuthenticationFailed;

impl Cipher {
    /// Length of the key in octets, DES parity bits included, GCM salt not.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Des => 8,
            Self::TripleDes => 24,
            Self::Aes128 | Self::Aes128Gcm => 16,
            Self::Aes192 | Self::Aes192Gcm => 24,
            Self::Aes256 | Self::Aes256Gcm => 32,
            Self::Null => 0,
        }
    }

    /// Octets of salt taken from the keying material behind the key (RFC 4106 8.1).
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 4 } else { 0 }
    }

    /// Length in octets of the block the plaintext is padded to; 1 where any length will do.
    pub const fn block_len(self) -> usize {
        match self {
            Self::Des | Self::TripleDes => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm | Self::Null => 1,
        }
    }

    /// Length in octets of the IV that an ESP packet carries.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => 8,
            Self::Null => 0,
            _ => self.block_len(),
        }
    }

    /// Length in octets of the cipher's own ICV; 0 where integrity is another algorithm's work.
    pub const fn icv_len(self) -> usize {
        if self.is_aead() { 16 } else { 0 }
    }

    /// Whether it encrypts and authenticates in one.
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm)
    }

    fn check_key(self, key: &[u8]) -> Result<(), CipherError> {
        if key.len() == self.key_len() {
            return Ok(());
        }
        Err(CipherError::KeyLength { cipher: self, expected: self.key_len(), found: key.len() })
    }
}

/// A keyed block cipher in CBC mode. It neither pads nor holds an IV.
///
/// DES keys are taken as they are: parity is not looked at, and weak keys, which RFC 2409 Appendix A would have IKE refuse
/// and which come up once in 2^52 negotiations, are not refused.
#[derive(Clone)]
pub struct Cbc {
    cipher: Cipher,
    keyed: KeyedCbc,
}

#[derive(Clone)]
enum KeyedCbc {
    Des(Des),
    TripleDes(TdesEde3),
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
}

/// One body for every block cipher.
macro_rules! with_block_cipher {
    ($keyed:expr, $cipher:ident => $body:expr) => {
        match $keyed {
            KeyedCbc::Des($cipher) => $body,
            KeyedCbc::TripleDes($cipher) => $body,
            KeyedCbc::Aes128($cipher) => $body,
            KeyedCbc::Aes192($cipher) => $body,
            KeyedCbc::Aes256($cipher) => $body,
        }
    };
}

impl Cbc {
    /// Keys the cipher.
    pub fn new(cipher: Cipher, key: &[u8]) -> Result<Self, CipherError> {
        cipher.check_key(key)?;
        let keyed = match cipher {
            Cipher::Des => KeyedCbc::Des(keyed(key)),
            Cipher::TripleDes => KeyedCbc::TripleDes(keyed(key)),
            Cipher::Aes128 => KeyedCbc::Aes128(keyed(key)),
            Cipher::Aes192 => KeyedCbc::Aes192(keyed(key)),
            Cipher::Aes256 => KeyedCbc::Aes256(keyed(key)),
            Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm | Cipher::Null => {
                return Err(CipherError::NoSuchMode { cipher, mode: "CBC" });
            }
        };
        Ok(Self { cipher, keyed })
    }

    /// Encrypts whole blocks in place.
    pub fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        self.check(iv, data)?;
        with_block_cipher!(&self.keyed, cipher => encrypt_cbc(cipher, iv, data));
        Ok(())
    }

    /// Decrypts whole blocks in place.
    pub fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CipherError> {
        self.check(iv, data)?;
        with_block_cipher!(&self.keyed, cipher => decrypt_cbc(cipher, iv, data));
        Ok(())
    }

    /// The cipher that was keyed.
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    fn check(&self, iv: &[u8], data: &[u8]) -> Result<(), CipherError> {
        let (cipher, block) = (self.cipher, self.cipher.block_len());
        if iv.len() != block {
            return Err(CipherError::IvLength { cipher, expected: block, found: iv.len() });
        }
        if !data.len().is_multiple_of(block) {
            return Err(CipherError::NotWholeBlocks { cipher, block, found: data.len() });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Cbc {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Cbc({})", self.cipher)
    }
}

fn keyed<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect("the key's length was compared with the cipher's")
}

fn encrypt_cbc<C: BlockCipherEncrypt + BlockSizeUser>(cipher: &C, iv: &[u8], data: &mut [u8]) {
    let iv = iv.try_into().expect("the IV's length was compared with the block's");
    let (blocks, _) = Array::slice_as_chunks_mut(data);
    cbc::Encryptor::<&C>::inner_iv_init(cipher, iv).encrypt_blocks(blocks);
}

fn decrypt_cbc<C: BlockCipherDecrypt + BlockSizeUser>(cipher: &C, iv: &[u8], data: &mut [u8]) {
    let iv = iv.try_into().expect("the IV's length was compared with the block's");
    let (blocks, _) = Array::slice_as_chunks_mut(data);
    cbc::Decryptor::<&C>::inner_iv_init(cipher, iv).decrypt_blocks(blocks);
}

/// Keyed AES-GCM with a 12-octet nonce and a 16-octet ICV, as ESP uses it (RFC 4106).
#[derive(Clone)]
pub struct Gcm(KeyedGcm);

#[derive(Clone)]
enum KeyedGcm {
    Aes128(AesGcm<Aes128, U12>),
    Aes192(AesGcm<Aes192, U12>),
    Aes256(AesGcm<Aes256, U12>),
}

impl Gcm {
    /// Keys the cipher; the salt belongs to the nonce, not to the key.
    pub fn new(cipher: Cipher, key: &[u8]) -> Result<Self, CipherError> {
        cipher.check_key(key)?;
        Ok(Self(match cipher {
            Cipher::Aes128Gcm => KeyedGcm::Aes128(keyed(key)),
            Cipher::Aes192Gcm => KeyedGcm::Aes192(keyed(key)),
            Cipher::Aes256Gcm => KeyedGcm::Aes256(keyed(key)),
            _ => return Err(CipherError::NoSuchMode { cipher, mode: "GCM" }),
        }))
    }

    /// Encrypts in place; returns the ICV over `aad` and the ciphertext.
    pub fn seal(&self, nonce: &[u8; 12], aad: &[u8], data: &mut [u8]) -> [u8; 16] {
        let (nonce, data) = (nonce.into(), InOutBuf::from(data));
        let icv = match &self.0 {
            KeyedGcm::Aes128(cipher) => cipher.encrypt_inout_detached(nonce, aad, data),
            KeyedGcm::Aes192(cipher) => cipher.encrypt_inout_detached(nonce, aad, data),
            KeyedGcm::Aes256(cipher) => cipher.encrypt_inout_detached(nonce, aad, data),
        };
        icv.expect("GCM refuses only more than 64 GiB").into()
    }

    /// Verifies the ICV, then decrypts in place; data that fail are left as they are.
    pub fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        icv: &[u8; 16],
    ) -> Result<(), AuthenticationFailed> {
        let (nonce, data, icv) = (nonce.into(), InOutBuf::from(data), icv.into());
        match &self.0 {
            KeyedGcm::Aes128(cipher) => cipher.decrypt_inout_detached(nonce, aad, data, icv),
            KeyedGcm::Aes192(cipher) => cipher.decrypt_inout_detached(nonce, aad, data, icv),
            KeyedGcm::Aes256(cipher) => cipher.decrypt_inout_detached(nonce, aad, data, icv),
        }
        .map_err(|_| AuthenticationFailed)
    }
}

impl std::fmt::Debug for Gcm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gcm").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::crypto::vectors::{corpus, octets};

    const CBC_CIPHERS: [Cipher; 5] = [Cipher::Des, Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256];
    const GCM_CIPHERS: [Cipher; 3] = [Cipher::Aes128Gcm, Cipher::Aes192Gcm, Cipher::Aes256Gcm];

    const SP_800_38A: &str = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
                              30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";

    /// FIPS 81 table C1; NIST's TDES CBC example; RFC 3602 4 cases 1 and 4; SP 800-38A F.2.1, F.2.3, F.2.5.
    #[rstest]
    #[case(
        Cipher::Des,
        "0123456789abcdef",
        "1234567890abcdef",
        "4e6f77206973207468652074696d6520666f7220616c6c20",
        "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"
    )]
    #[case(
        Cipher::TripleDes,
        "0123456789abcdef23456789abcdef01456789abcdef0123",
        "f69f2445df4f9b17",
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
        "2079c3d53aa763e193b79e2569ab5262516570481f25b50f73c0bda85c8e0da7"
    )]
    #[case(
        Cipher::Aes128,
        "06a9214036b8a15b512e03d534120006",
        "3dafba429d9eb430b422da802c9fac41",
        "53696e676c6520626c6f636b206d7367",
        "e353779c1079aeb82708942dbe77181a"
    )]
    #[case(
        Cipher::Aes128,
        "56e47a38c5598974bc46903dba290349",
        "8ce82eefbea0da3c44699ed7db51b7d9",
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf",
        "c30e32ffedc0774e6aff6af0869f71aa0f3af07a9a31a9c684db207eb0ef8e4e35907aa632c3ffdf868bb7b29d3d46ad83ce9f9a102ee99d49a53e87f4c3da55"
    )]
    #[case(
        Cipher::Aes128,
        "2b7e151628aed2a6abf7158809cf4f3c",
        "000102030405060708090a0b0c0d0e0f",
        SP_800_38A,
        "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
    )]
    #[case(
        Cipher::Aes192,
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        "000102030405060708090a0b0c0d0e0f",
        SP_800_38A,
        "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd"
    )]
    #[case(
        Cipher::Aes256,
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "000102030405060708090a0b0c0d0e0f",
        SP_800_38A,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"
    )]
    fn cbc_of_the_standards(
        #[case] cipher: Cipher,
        #[case] key: &str,
        #[case] iv: &str,
        #[case] plain: &str,
        #[case] encrypted: &str,
    ) {
        let (cbc, iv) = (Cbc::new(cipher, &hex::decode(key).unwrap()).unwrap(), hex::decode(iv).unwrap());
        let mut data = hex::decode(plain).unwrap();
        cbc.encrypt(&iv, &mut data).unwrap();
        assert_eq!(hex::encode(&data), encrypted);
        cbc.decrypt(&iv, &mut data).unwrap();
        assert_eq!(hex::encode(&data), plain);
    }

    #[test]
    fn cbc_of_the_corpus() {
        let Some(file) = corpus("vectors/cipher-hmac-prf.json") else { return };
        let mut checked = 0;
        for vector in file["vectors"].as_array().unwrap().iter().filter(|vector| vector["kind"] == "crypter") {
            let key = octets(&vector["key"]);
            let cipher = match (vector["alg"].as_str().unwrap(), key.len()) {
                ("ENCR_3DES", _) => Cipher::TripleDes,
                ("ENCR_AES_CBC", 16) => Cipher::Aes128,
                ("ENCR_AES_CBC", 24) => Cipher::Aes192,
                ("ENCR_AES_CBC", 32) => Cipher::Aes256,
                other => panic!("{other:?}"),
            };
            let (cbc, iv) = (Cbc::new(cipher, &key).unwrap(), octets(&vector["iv"]));
            let mut data = octets(&vector["plain"]);
            cbc.encrypt(&iv, &mut data).unwrap();
            assert_eq!(data, octets(&vector["cipher"]), "{}", vector["name"]);
            checked += 1;
        }
        assert!(checked >= 4, "{checked} vectors");
    }

    const GCM_PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";

    /// The GCM specification's test cases 4, 10 and 16: 60 octets with associated data.
    #[rstest]
    #[case(
        Cipher::Aes128Gcm,
        "feffe9928665731c6d6a8f9467308308",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
        "5bc94fbc3221a5db94fae95ae7121a47"
    )]
    #[case(
        Cipher::Aes192Gcm,
        "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        "2519498e80f1478f37ba55bd6d27618c"
    )]
    #[case(
        Cipher::Aes256Gcm,
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )]
    fn gcm_of_the_specification(#[case] cipher: Cipher, #[case] key: &str, #[case] encrypted: &str, #[case] icv: &str) {
        let gcm = Gcm::new(cipher, &hex::decode(key).unwrap()).unwrap();
        let nonce = hex::decode("cafebabefacedbaddecaf888").unwrap().try_into().unwrap();
        let aad = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let mut data = hex::decode(GCM_PLAIN).unwrap();
        let computed = gcm.seal(&nonce, &aad, &mut data);
        assert_eq!((hex::encode(&data), hex::encode(computed)), (encrypted.to_owned(), icv.to_owned()));

        let sealed = data.clone();
        let mut wrong = computed;
        wrong[15] ^= 1;
        assert_eq!(gcm.open(&nonce, &aad, &mut data, &wrong), Err(AuthenticationFailed));
        assert_eq!(gcm.open(&nonce, b"other", &mut data, &computed), Err(AuthenticationFailed));
        assert_eq!(data, sealed);
        gcm.open(&nonce, &aad, &mut data, &computed).unwrap();
        assert_eq!(hex::encode(&data), GCM_PLAIN);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let key_length = Cbc::new(Cipher::TripleDes, &[0; 16]).unwrap_err();
        assert_eq!(key_length.to_string(), "3des takes a key of 24 octets, found 16");
        assert_eq!(Cbc::new(Cipher::Null, &[]).unwrap_err().to_string(), "null has no CBC mode");
        assert_eq!(Gcm::new(Cipher::Aes128, &[0; 16]).unwrap_err().to_string(), "aes128 has no GCM mode");
        let cbc = Cbc::new(Cipher::Aes128, &[0; 16]).unwrap();
        assert_eq!(cbc.encrypt(&[0; 8], &mut []).unwrap_err().to_string(), "the IV of aes128 has 16 octets, found 8");
        assert_eq!(
            cbc.decrypt(&[0; 16], &mut [0; 17]).unwrap_err().to_string(),
            "17 octets are no multiple of the 16-octet block of aes128"
        );
    }

    #[test]
    fn weak_and_badly_paired_des_keys_are_taken() {
        let weak = Cbc::new(Cipher::Des, &[1; 8]).unwrap();
        let parity_set = Cbc::new(Cipher::Des, &[0; 8]).unwrap();
        let (mut one, mut other) = ([7; 16], [7; 16]);
        weak.encrypt(&[0; 8], &mut one).unwrap();
        parity_set.encrypt(&[0; 8], &mut other).unwrap();
        assert_eq!(one, other);
    }

    proptest! {
        #[test]
        fn what_was_encrypted_decrypts(blocks in 0..20usize, seed: [u8; 32]) {
            for cipher in CBC_CIPHERS {
                let cbc = Cbc::new(cipher, &seed[..cipher.key_len()]).unwrap();
                let iv = &seed[..cipher.block_len()];
                let plain = vec![seed[5]; blocks * cipher.block_len()];
                let mut data = plain.clone();
                cbc.encrypt(iv, &mut data).unwrap();
                prop_assert_eq!(data == plain, blocks == 0);
                cbc.decrypt(iv, &mut data).unwrap();
                prop_assert_eq!(&data, &plain);
            }
        }

        #[test]
        fn gcm_round_trips_at_any_length(plain in proptest::collection::vec(any::<u8>(), 0..100), seed: [u8; 32]) {
            for cipher in GCM_CIPHERS {
                let gcm = Gcm::new(cipher, &seed[..cipher.key_len()]).unwrap();
                let mut data = plain.clone();
                let icv = gcm.seal(&[3; 12], &seed, &mut data);
                gcm.open(&[3; 12], &seed, &mut data, &icv).unwrap();
                prop_assert_eq!(&data, &plain);
            }
        }
    }
}
