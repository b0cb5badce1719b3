//! Wireshark's tables of keys: `ikev1_decryption_table`, `ikev2_decryption_table` and `esp_sa`, as Wireshark, strongSwan's
//! `save-keys` plugin and this harness write them into a Wireshark profile folder.
//!
//! A line is a record of fields separated by commas; text fields stand between quotation marks with `\x22` for octets that
//! need it, octets are hexadecimal. Empty lines and lines that begin with `#` say nothing.

use std::borrow::Cow;
use std::net::IpAddr;

use super::esp_table::{AddressPattern, EspKeys};
use super::keys::{Ikev2Keys, KeyTable};
use super::sealed::{BlockCipher, Opener, SealCipher, SealIntegrity};
use crate::crypto::{CounterMode, Hash, Secret};
use crate::wire::Spi;
use crate::wire::isakmp::Cookie;

/// Why a table of keys could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: expected {expected}, found `{found}`")]
pub struct KeyFileError {
    /// The line, from 1.
    pub line: usize,
    /// The column of the field, from 1.
    pub column: usize,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// Ciphers of `ikev2_decryption_table` without the RFC behind them; AES tells its key length.
const IKEV2_CIPHERS: [(&str, SealCipher); 8] = [
    ("3DES", SealCipher::Block(BlockCipher::TripleDes)),
    ("NULL", SealCipher::Block(BlockCipher::Null)),
    ("AES-CBC-", SealCipher::Block(BlockCipher::Aes)),
    ("AES-CTR-", SealCipher::Counter(CounterMode::Ctr, 0)),
    ("AES-CCM-", SealCipher::Counter(CounterMode::Ccm, 16)),
    ("AES-GCM-", SealCipher::Counter(CounterMode::Gcm, 16)),
    ("DES-CBC", SealCipher::Block(BlockCipher::Des)),
    ("DES", SealCipher::Block(BlockCipher::Des)),
];

const IKEV2_INTEGRITY: [(&str, SealIntegrity); 9] = [
    ("NONE", SealIntegrity::None),
    ("HMAC_MD5_96", SealIntegrity::Hmac(Hash::Md5, 12)),
    ("HMAC_SHA1_96", SealIntegrity::Hmac(Hash::Sha1, 12)),
    ("HMAC_MD5_128", SealIntegrity::Hmac(Hash::Md5, 16)),
    ("HMAC_SHA1_160", SealIntegrity::Hmac(Hash::Sha1, 20)),
    ("HMAC_SHA2_256_96", SealIntegrity::Hmac(Hash::Sha256, 12)),
    ("HMAC_SHA2_256_128", SealIntegrity::Hmac(Hash::Sha256, 16)),
    ("HMAC_SHA2_384_192", SealIntegrity::Hmac(Hash::Sha384, 24)),
    ("HMAC_SHA2_512_256", SealIntegrity::Hmac(Hash::Sha512, 32)),
];

const ESP_CIPHERS: [(&str, SealCipher); 9] = [
    ("NULL", SealCipher::Block(BlockCipher::Null)),
    ("DES-CBC", SealCipher::Block(BlockCipher::Des)),
    ("TripleDES-CBC", SealCipher::Block(BlockCipher::TripleDes)),
    ("AES-CBC", SealCipher::Block(BlockCipher::Aes)),
    ("AES-CTR", SealCipher::Counter(CounterMode::Ctr, 0)),
    ("AES-GCM", SealCipher::Counter(CounterMode::Gcm, 16)),
    ("AES-GCM with 8 octet ICV", SealCipher::Counter(CounterMode::Gcm, 8)),
    ("AES-GCM with 12 octet ICV", SealCipher::Counter(CounterMode::Gcm, 12)),
    ("AES-GCM with 16 octet ICV", SealCipher::Counter(CounterMode::Gcm, 16)),
];

const ESP_INTEGRITY: [(&str, SealIntegrity); 7] = [
    ("NULL", SealIntegrity::None),
    ("HMAC-MD5-96", SealIntegrity::Hmac(Hash::Md5, 12)),
    ("HMAC-SHA-1-96", SealIntegrity::Hmac(Hash::Sha1, 12)),
    ("HMAC-SHA-256-96", SealIntegrity::Hmac(Hash::Sha256, 12)),
    ("HMAC-SHA-256-128", SealIntegrity::Hmac(Hash::Sha256, 16)),
    ("HMAC-SHA-384-192", SealIntegrity::Hmac(Hash::Sha384, 24)),
    ("HMAC-SHA-512-256", SealIntegrity::Hmac(Hash::Sha512, 32)),
];

impl KeyTable {
    /// Adds the lines of `ikev1_decryption_table`: initiator cookie and encryption key.
    ///
    /// # Errors
    ///
    /// At the first line that is not of that form.
    pub fn read_ikev1_table(&mut self, text: &str) -> Result<(), KeyFileError> {
        for record in records(text) {
            let record = record?;
            record.count(2, "an initiator cookie and an encryption key")?;
            let cookie = record.cookie(0)?;
            let key = record.octets(1, "an encryption key")?;
            self.add_isakmp(cookie, Secret::new(key));
        }
        Ok(())
    }

    /// Adds the lines of `ikev2_decryption_table`: both SPIs, SK_ei, SK_er, encryption algorithm, SK_ai, SK_ar and integrity
    /// algorithm.
    ///
    /// # Errors
    ///
    /// At the first line that is not of that form, or whose keys do not fit the algorithms.
    pub fn read_ikev2_table(&mut self, text: &str) -> Result<(), KeyFileError> {
        for record in records(text) {
            let record = record?;
            record.count(8, "two SPIs, SK_ei, SK_er, a cipher, SK_ai, SK_ar and an integrity algorithm")?;
            let cipher = record.ikev2_cipher(4)?;
            let integrity = record.integrity(7, &IKEV2_INTEGRITY)?;
            let opener = |encryption: usize, mac: usize| {
                let (key, mac) = (record.octets_or_none(encryption)?, record.octets_or_none(mac)?);
                let opener = Opener::new(cipher, &key, integrity, &mac);
                opener.map_err(|error| record.error(encryption, format!("a key of the cipher: {error}")))
            };
            let keys = Ikev2Keys { initiator: opener(2, 5)?, responder: opener(3, 6)? };
            self.add_ikev2(record.cookie(0)?, record.cookie(1)?, keys);
        }
        Ok(())
    }

    /// Adds the lines of `esp_sa`: `IPv4` or `IPv6`, source, destination, SPI, encryption algorithm and key, integrity
    /// algorithm and key, and perhaps the length of the sequence number.
    ///
    /// # Errors
    ///
    /// At the first line that is not of that form, or whose keys do not fit the algorithms.
    pub fn read_esp_table(&mut self, text: &str) -> Result<(), KeyFileError> {
        for record in records(text) {
            let record = record?;
            record.count(8, "protocol, source, destination, SPI, cipher, key, integrity algorithm and key")?;
            if !matches!(record.field(0), "IPv4" | "IPv6" | "Any") {
                return Err(record.error(0, "IPv4 or IPv6"));
            }
            let cipher = record.named(4, &ESP_CIPHERS)?;
            let integrity = record.integrity(6, &ESP_INTEGRITY)?;
            let (key, mac) = (record.octets_or_none(5)?, record.octets_or_none(7)?);
            let ends = (record.address(1)?, record.address(2)?);
            let keys = EspKeys::new(ends, cipher, &key, integrity, &mac)
                .map_err(|error| record.error(5, format!("a key of the cipher: {error}")))?;
            self.add_esp(record.spi(3)?, keys);
        }
        Ok(())
    }
}

/// A line of a table.
struct Record<'t> {
    line: usize,
    text: &'t str,
    /// Where each field starts in the text, and what it says.
    fields: Vec<(usize, Cow<'t, str>)>,
}

fn records(text: &str) -> impl Iterator<Item = Result<Record<'_>, KeyFileError>> {
    text.lines().enumerate().filter_map(|(index, line)| {
        let said = line.trim();
        (!said.is_empty() && !said.starts_with('#')).then(|| Record::parse(index + 1, line))
    })
}

impl<'t> Record<'t> {
    fn parse(line: usize, text: &'t str) -> Result<Self, KeyFileError> {
        let mut record = Self { line, text, fields: Vec::with_capacity(8) };
        let mut rest = text;
        loop {
            rest = rest.trim_start();
            let start = text.len() - rest.len();
            let (quoted, behind) = match rest.strip_prefix('"') {
                None => ("", rest),
                Some(inside) => inside.split_once('"').ok_or_else(|| {
                    let expected = "a quotation mark at the end of the field".to_owned();
                    KeyFileError { line, column: record.column(start), expected, found: inside.to_owned() }
                })?,
            };
            let (unquoted, following) = match behind.split_once(',') {
                Some((unquoted, following)) => (unquoted, Some(following)),
                None => (behind, None),
            };
            let field = match (quoted.trim(), unquoted.trim()) {
                (field, "") | ("", field) => unescaped(field),
                _ => Cow::Owned(unescaped(format!("{quoted}{unquoted}").trim()).into_owned()),
            };
            record.fields.push((start, field));
            match following {
                Some(following) => rest = following,
                None => return Ok(record),
            }
        }
    }

    /// The column of a place in the text, from 1.
    fn column(&self, place: usize) -> usize {
        self.text[..place].chars().count() + 1
    }

    fn field(&self, index: usize) -> &str {
        self.fields.get(index).map_or("", |(_, text)| text)
    }

    fn error(&self, index: usize, expected: impl Into<String>) -> KeyFileError {
        let field = self.fields.get(index).or(self.fields.last());
        let column = field.map_or(1, |(place, _)| self.column(*place));
        KeyFileError { line: self.line, column, expected: expected.into(), found: self.field(index).to_owned() }
    }

    fn count(&self, least: usize, names: &str) -> Result<(), KeyFileError> {
        if self.fields.len() >= least {
            return Ok(());
        }
        let found = self.fields.iter().map(|(_, field)| &**field).collect::<Vec<_>>().join(",");
        let expected = format!("{least} fields: {names}");
        Err(KeyFileError { line: self.line, column: 1, expected, found })
    }

    fn octets_or_none(&self, index: usize) -> Result<Vec<u8>, KeyFileError> {
        let digits = self.field(index);
        let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
        hex::decode(digits).map_err(|_| self.error(index, "hexadecimal digits, two an octet"))
    }

    fn octets(&self, index: usize, what: &str) -> Result<Vec<u8>, KeyFileError> {
        match self.octets_or_none(index)? {
            octets if octets.is_empty() => Err(self.error(index, what)),
            octets => Ok(octets),
        }
    }

    fn cookie(&self, index: usize) -> Result<Cookie, KeyFileError> {
        let octets = self.octets_or_none(index)?.try_into();
        octets.map(Cookie).map_err(|_| self.error(index, "a cookie or SPI of 16 hexadecimal digits"))
    }

    /// An entry of a table by its name, with or without the RFC that Wireshark puts behind it.
    fn named<T: Copy>(&self, index: usize, table: &[(&str, T)]) -> Result<T, KeyFileError> {
        let name = without_reference(self.field(index));
        let found = table.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let known: Vec<&str> = table.iter().map(|(known, _)| *known).collect();
            self.error(index, format!("one of {}", known.join(", ")))
        })
    }

    fn integrity(&self, index: usize, table: &[(&str, SealIntegrity)]) -> Result<SealIntegrity, KeyFileError> {
        // `ANY 96 bit authentication [no checking]`; older releases write `96-bits of`.
        let bits = self.field(index).strip_prefix("ANY ").map(|rest| rest.split([' ', '-']).next().unwrap_or_default());
        match bits.map(str::parse::<usize>) {
            Some(Ok(bits)) if bits % 8 == 0 && bits <= 512 => Ok(SealIntegrity::Unchecked(bits / 8)),
            _ => self.named(index, table),
        }
    }

    /// A cipher of IKEv2, `AES-CCM-128 with 12 octet ICV`: the key tells its length, the name that of the ICV.
    fn ikev2_cipher(&self, index: usize) -> Result<SealCipher, KeyFileError> {
        let name = without_reference(self.field(index));
        let (name, icv) = match name.split_once(" with ") {
            Some((name, rest)) => (name, rest.split(' ').next().and_then(|octets| octets.parse().ok())),
            None => (name, None),
        };
        let fits = |known: &str| match known.strip_suffix('-') {
            Some(_) => name.strip_prefix(known).is_some_and(|bits| matches!(bits, "128" | "192" | "256")),
            None => known == name,
        };
        match (IKEV2_CIPHERS.iter().find(|(known, _)| fits(known)), icv) {
            (Some((_, SealCipher::Counter(mode, _))), Some(icv)) => Ok(SealCipher::Counter(*mode, icv)),
            (Some((_, cipher)), None) => Ok(*cipher),
            _ => {
                let expected = "a cipher as Wireshark names it, such as AES-CBC-256 [RFC3602] or AES-GCM-128 with 16 octet \
                                ICV [RFC5282]";
                Err(self.error(index, expected))
            }
        }
    }

    fn address(&self, index: usize) -> Result<AddressPattern, KeyFileError> {
        let text = self.field(index);
        if text == "*" || text.is_empty() {
            return Ok(AddressPattern::Any);
        }
        let network = text.split_once('/').and_then(|(address, length)| {
            let (address, length) = (address.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?);
            let width = if address.is_ipv4() { 32 } else { 128 };
            (length <= width).then_some(AddressPattern::Network(address, length))
        });
        let one = || text.parse::<IpAddr>().ok().map(AddressPattern::One);
        network.or_else(one).ok_or_else(|| self.error(index, "an address, a network such as 10.1.0.0/16, or *"))
    }

    fn spi(&self, index: usize) -> Result<Option<Spi>, KeyFileError> {
        let text = self.field(index);
        if text == "*" {
            return Ok(None);
        }
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        number.map(|spi| Some(Spi(spi))).map_err(|_| self.error(index, "an SPI such as 0x12345678, or *"))
    }
}

/// The name before ` [RFC2404]` or ` [draft-...]`.
fn without_reference(name: &str) -> &str {
    name.split_once(" [").map_or(name, |(name, _)| name).trim()
}

/// Octets that Wireshark wrote as `\x22`.
fn unescaped(field: &str) -> Cow<'_, str> {
    if !field.contains("\\x") {
        return Cow::Borrowed(field);
    }
    let mut text = String::new();
    let mut rest = field;
    while let Some((before, after)) = rest.split_once("\\x") {
        text.push_str(before);
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                text.push(char::from(octet));
                rest = &after[2..];
            }
            None => {
                text.push_str("\\x");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_ikev1_table() {
        let mut keys = KeyTable::default();
        keys.read_ikev1_table("# comment\n\n2c3809ffa77581e2,04077516\n\"fafaeb49382a763c\",\"735b\"\n").unwrap();
        let cookie = Cookie([0x2c, 0x38, 0x09, 0xff, 0xa7, 0x75, 0x81, 0xe2]);
        assert_eq!(keys.isakmp(cookie).unwrap().as_bytes(), [4, 7, 0x75, 0x16]);
        let error = keys.read_ikev1_table("\nxyz,12").unwrap_err();
        assert_eq!((error.line, error.column, error.found.as_str()), (2, 1, "xyz"));
        assert_eq!(
            keys.read_ikev1_table("2c3809ffa77581e2").unwrap_err().to_string(),
            "1:1: expected 2 fields: an initiator cookie and an encryption key, found `2c3809ffa77581e2`"
        );
    }

    #[test]
    fn reads_every_cipher_of_the_ikev2_table() {
        let table = |cipher: &str, key: usize, integrity: &str| {
            let (key, mac) = ("ab".repeat(key), "cd".repeat(20));
            let line =
                format!("0102030405060708,1112131415161718,{key},{key},\"{cipher}\",{mac},{mac},\"{integrity}\"");
            KeyTable::default().read_ikev2_table(&line)
        };
        table("3DES [RFC2451]", 24, "HMAC_SHA1_160 [RFC4595]").unwrap();
        table("AES-CBC-256 [RFC3602]", 32, "HMAC_SHA2_256_128 [RFC4868]").unwrap();
        table("AES-CTR-192 [RFC5930]", 28, "HMAC_SHA2_512_256 [RFC4868]").unwrap();
        table("AES-CCM-128 with 12 octet ICV [RFC5282]", 19, "NONE [RFC4306]").unwrap();
        table("AES-GCM-256 with 16 octet ICV [RFC5282]", 36, "NONE [RFC4306]").unwrap();
        table("AES-CBC-128 [RFC3602]", 16, "ANY 96 bit authentication [no checking]").unwrap();
        let error = table("AES-CBC-128 [RFC3602]", 17, "NONE [RFC4306]").unwrap_err().to_string();
        assert!(error.contains("AES takes a key of 16, 24 or 32 octets, found 17"), "{error}");
        let error = table("AES-XYZ", 17, "NONE [RFC4306]").unwrap_err();
        assert_eq!((error.line, error.found.as_str()), (1, "AES-XYZ"));
    }

    #[test]
    fn reads_the_esp_table() {
        let mut keys = KeyTable::default();
        let line = |spi: &str, source: &str| {
            format!(
                r#""IPv4","{source}","*","{spi}","AES-CBC [RFC3602]","0x{}","HMAC-SHA-1-96 [RFC2404]","0x{}","32-bit""#,
                "ab".repeat(16),
                "cd".repeat(20)
            )
        };
        keys.read_esp_table(&line("0x12345678", "10.1.0.0/16")).unwrap();
        keys.read_esp_table(&line("*", "192.0.2.1")).unwrap();
        let count = |spi: u32, source: &str| {
            let destination = IpAddr::from([192, 0, 2, 9]);
            keys.esp.at(keys.esp.known(), Spi(spi), (source.parse().unwrap(), destination)).count()
        };
        assert_eq!(count(0x1234_5678, "10.1.7.7"), 1);
        assert_eq!(count(0x1234_5678, "10.2.7.7"), 0);
        assert_eq!(count(7, "192.0.2.1"), 1);
        let error = KeyTable::default().read_esp_table(&line("12x", "*")).unwrap_err();
        assert_eq!((error.column, error.found.as_str()), (16, "12x"));
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "[\"\\\\x,#0-9a-f* \n]{0,80}") {
            let mut keys = KeyTable::default();
            let _ = keys.read_ikev1_table(&text);
            let _ = keys.read_ikev2_table(&text);
            let _ = keys.read_esp_table(&text);
        }
    }
}
