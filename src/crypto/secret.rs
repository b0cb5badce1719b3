//! Key material that is wiped when it is dropped.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Secret octets: wiped on drop, compared in constant time, never shown by `Debug`.
///
/// Serialized as hexadecimal, because the evidence of a run holds the keys its captures are decrypted with.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the octets over.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets in the clear.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Secret {
    fn from(octets: &[u8]) -> Self {
        Self::new(octets.to_vec())
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({} octets)", self.0.len())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(hex::encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        hex::decode(&*text).map(Self::new).map_err(de::Error::custom)
    }
}

/// The keys of one SA in one direction, as IKE hands them to the data path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaKeys {
    /// The encryption key; for AES-GCM the key followed by its 4-octet salt (RFC 4106 8.1). Empty for the null cipher.
    pub encryption: Secret,
    /// The integrity key; empty where the SA has no integrity algorithm of its own.
    pub integrity: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_its_length_only_and_serializes_as_hex() {
        let secret = Secret::new(vec![0xab, 0xcd, 0x01]);
        assert_eq!(format!("{secret:?}"), "Secret(3 octets)");
        let text = serde_json::to_string(&secret).unwrap();
        assert_eq!(text, "\"abcd01\"");
        assert_eq!(serde_json::from_str::<Secret>(&text).unwrap(), secret);
        assert!(serde_json::from_str::<Secret>("\"abc\"").is_err());
    }

    #[test]
    fn differs_in_length_or_content() {
        assert_ne!(Secret::new(vec![1, 2]), Secret::new(vec![1, 2, 3]));
        assert_ne!(Secret::new(vec![1, 2]), Secret::new(vec![1, 3]));
        assert_eq!(Secret::new(vec![1, 2]), Secret::from(&[1, 2][..]));
    }
}
