//! The keys a decoder knows, and Wireshark's tables of them.

use std::collections::HashMap;

use crate::crypto::{SaKeys, Secret};
use crate::ike::{EspSuite, KeyRecord};
use crate::wire::Spi;
use crate::wire::isakmp::Cookie;

/// Keys by what they open.
#[derive(Clone, Debug, Default)]
pub struct KeyTable {
    /// Phase 1 encryption keys by initiator cookie.
    isakmp: HashMap<Cookie, Secret>,
    /// ESP keys by SPI.
    esp: HashMap<Spi, (EspSuite, SaKeys)>,
}

/// Why a table of keys could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}, found `{found}`")]
pub struct KeyFileError {
    /// The line, from 1.
    pub line: usize,
    /// What a line should hold.
    pub expected: &'static str,
    /// What it holds.
    pub found: String,
}

impl KeyTable {
    /// Adds the encryption key of a phase 1 SA.
    pub fn add_isakmp(&mut self, initiator: Cookie, key: Secret) {
        self.isakmp.insert(initiator, key);
    }

    /// Adds the keys of an ESP SA.
    pub fn add_esp(&mut self, spi: Spi, suite: EspSuite, keys: SaKeys) {
        self.esp.insert(spi, (suite, keys));
    }

    /// Adds what a record of a key log holds.
    pub fn add(&mut self, record: &KeyRecord) {
        match record {
            KeyRecord::Isakmp { id, key, .. } => self.add_isakmp(id.initiator, key.clone()),
            KeyRecord::Esp { spi, suite, keys, .. } => self.add_esp(*spi, *suite, keys.clone()),
        }
    }

    /// The encryption key of the phase 1 SA that this initiator cookie names.
    pub fn isakmp(&self, initiator: Cookie) -> Option<&Secret> {
        self.isakmp.get(&initiator)
    }

    /// The keys of the ESP SA with this SPI.
    pub fn esp(&self, spi: Spi) -> Option<&(EspSuite, SaKeys)> {
        self.esp.get(&spi)
    }

    /// Adds the lines of Wireshark's `ikev1_decryption_table`: initiator cookie and encryption key in hexadecimal,
    /// separated by a comma, each perhaps quoted.
    ///
    /// # Errors
    ///
    /// At the first line that is neither empty, nor a comment, nor of that form.
    pub fn read_ikev1_table(&mut self, text: &str) -> Result<(), KeyFileError> {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = line.split_once(',').and_then(|(cookie, key)| {
                let unquoted = |text: &str| hex::decode(text.trim().trim_matches('"')).ok();
                let cookie: [u8; 8] = unquoted(cookie)?.try_into().ok()?;
                Some((Cookie(cookie), unquoted(key).filter(|key| !key.is_empty())?))
            });
            let Some((cookie, key)) = entry else {
                let expected = "an initiator cookie of 16 hexadecimal digits, a comma and a key";
                return Err(KeyFileError { line: index + 1, expected, found: line.to_owned() });
            };
            self.add_isakmp(cookie, Secret::new(key));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_wiresharks_table() {
        let mut keys = KeyTable::default();
        keys.read_ikev1_table("# comment\n\n2c3809ffa77581e2,04077516\n\"fafaeb49382a763c\",\"735b\"\n").unwrap();
        let cookie = Cookie([0x2c, 0x38, 0x09, 0xff, 0xa7, 0x75, 0x81, 0xe2]);
        assert_eq!(keys.isakmp(cookie).unwrap().as_bytes(), [4, 7, 0x75, 0x16]);
        assert_eq!(keys.read_ikev1_table("xyz,12").unwrap_err().line, 1);
    }
}
