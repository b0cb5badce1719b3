//! The algorithms by name, as scenarios write them (`aes256`, `sha1`, `modp1536`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that names no algorithm of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {kind}: expected one of {valid}")]
pub struct UnknownName {
    /// The word that was found.
    pub word: String,
    /// What it should have been: `cipher`, `hash`, `group`.
    pub kind: &'static str,
    /// The words that are known, separated by commas.
    pub valid: String,
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($(#[$item_doc:meta])* $item:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$item_doc])* #[serde(rename = $word)] $item,)+
        }

        impl $name {
            /// Every value, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$item,)+];

            /// The word scenarios use for it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$item => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(word: &str) -> Result<Self, UnknownName> {
                Self::ALL.iter().copied().find(|value| value.word() == word).ok_or_else(|| UnknownName {
                    word: word.to_owned(),
                    kind: $kind,
                    valid: Self::ALL.iter().map(|value| value.word()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

named! {
    /// An encryption algorithm. GCM and null exist for ESP only.
    Cipher, "cipher", {
        /// DES-CBC, 56-bit key (RFC 2405).
        Des = "des",
        /// 3DES-CBC, 168-bit key (RFC 2451).
        TripleDes = "3des",
        /// AES-CBC with a 128-bit key (RFC 3602).
        Aes128 = "aes128",
        /// AES-CBC with a 192-bit key.
        Aes192 = "aes192",
        /// AES-CBC with a 256-bit key.
        Aes256 = "aes256",
        /// AES-GCM with a 128-bit key and a 16-octet ICV (RFC 4106).
        Aes128Gcm = "aes128gcm16",
        /// AES-GCM with a 192-bit key and a 16-octet ICV.
        Aes192Gcm = "aes192gcm16",
        /// AES-GCM with a 256-bit key and a 16-octet ICV.
        Aes256Gcm = "aes256gcm16",
        /// No encryption (RFC 2410).
        Null = "null",
    }
}

named! {
    /// A hash, which in IKE also names the PRF and in ESP the HMAC made of it.
    Hash, "hash", {
        /// MD5, 16 octets.
        Md5 = "md5",
        /// SHA-1, 20 octets.
        Sha1 = "sha1",
        /// SHA-256, 32 octets.
        Sha256 = "sha256",
        /// SHA-384, 48 octets.
        Sha384 = "sha384",
        /// SHA-512, 64 octets.
        Sha512 = "sha512",
    }
}

named! {
    /// A Diffie-Hellman MODP group (RFC 2409 6, RFC 3526).
    Group, "Diffie-Hellman group", {
        /// Group 1.
        Modp768 = "modp768",
        /// Group 2.
        Modp1024 = "modp1024",
        /// Group 5.
        Modp1536 = "modp1536",
        /// Group 14.
        Modp2048 = "modp2048",
        /// Group 15.
        Modp3072 = "modp3072",
        /// Group 16.
        Modp4096 = "modp4096",
    }
}

impl Group {
    /// The number IANA gave the group.
    pub fn number(self) -> u16 {
        match self {
            Self::Modp768 => 1,
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Modp4096 => 16,
        }
    }

    /// The group of that number, if it is one of the table.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|group| group.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for cipher in Cipher::ALL {
            assert_eq!(cipher.word().parse::<Cipher>().unwrap(), *cipher);
        }
        let error = "modp999".parse::<Group>().unwrap_err().to_string();
        assert!(error.contains("expected one of modp768, modp1024"), "{error}");
    }
}
