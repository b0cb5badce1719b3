//! A Wireshark profile with the keys of a cell: `WIRESHARK_CONFIG_DIR=wireshark wireshark dut.pcapng`, or the folder
//! copied to `~/.config/wireshark/profiles/` under any name and chosen there.
//!
//! It opens IKE and ESP, and adds the link, and the comment with the message's name and what the router decided, to the
//! columns of the packet list.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::log::{EventLog, Happening};
use crate::crypto::{Cipher, Hash, IcvLength, Secret};
use crate::ike::KeyRecord;
use crate::wire::isakmp::Cookie;

/// What is set beside the keys. ESP is tried with every key by its SPI, and its ICV is checked.
const PREFERENCES: &str = r#"# What ike-interop sets; everything else is as Wireshark has it.
esp.enable_encryption_decode: TRUE
esp.enable_authentication_check: TRUE
gui.column.format:
	"No.", "%m",
	"Time", "%t",
	"Link", "%Cus:frame.interface_name:0:R",
	"Source", "%s",
	"Destination", "%d",
	"Protocol", "%p",
	"Message", "%Cus:frame.comment:0:R",
	"Info", "%i"
"#;

/// The keys, in the form of Wireshark's tables.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// A line an ISAKMP SA: initiator cookie and encryption key.
    ikev1: String,
    /// A line an IKE SA of IKEv2: SPIs, SK_ei, SK_er, cipher, SK_ai, SK_ar, integrity.
    ikev2: String,
    /// A line an ESP SA.
    esp: String,
}

/// The keys of an IKE SA of IKEv2 (RFC 7296 2.14).
#[derive(Clone, Debug)]
pub struct Ikev2Keys {
    /// SPI of the initiator.
    pub initiator: Cookie,
    /// SPI of the responder.
    pub responder: Cookie,
    /// What encrypts both directions.
    pub cipher: Cipher,
    /// What authenticates both directions; `None` when the cipher does.
    pub integrity: Option<Hash>,
    /// SK_ei and SK_er; with a GCM, the salt is at the end of each (RFC 5282 7.1).
    pub encryption: [Secret; 2],
    /// SK_ai and SK_ar.
    pub authentication: [Secret; 2],
}

impl Profile {
    /// A profile with every key of a log.
    pub fn of(log: &EventLog) -> Self {
        let mut profile = Self::default();
        for what in log.happenings() {
            if let Happening::Keys { record } = what {
                profile.add(record);
            }
        }
        profile
    }

    /// Adds what a record of a key log holds.
    pub fn add(&mut self, record: &KeyRecord) {
        // Nothing that is written to memory fails; so below.
        let _ = match record {
            KeyRecord::Isakmp { id, key, .. } => {
                writeln!(self.ikev1, "{},{}", hex::encode(id.initiator.0), hex::encode(key.as_bytes()))
            }
            // Any addresses: behind a NAT an SA has others on each link, and its SPI tells it well enough.
            KeyRecord::Esp { spi, suite, icv_length, keys, .. } => writeln!(
                self.esp,
                r#""IPv4","*","*","0x{:08x}","{}","{}","{}","{}""#,
                spi.0,
                esp_cipher(suite.cipher),
                prefixed(keys.encryption.as_bytes()),
                suite.integrity.map_or("NULL", |hash| esp_integrity(hash, *icv_length)),
                prefixed(keys.integrity.as_bytes()),
            ),
        };
    }

    /// Adds the keys of an IKE SA of IKEv2.
    pub fn add_ikev2(&mut self, keys: &Ikev2Keys) {
        let ([sk_ei, sk_er], [sk_ai, sk_ar]) = (&keys.encryption, &keys.authentication);
        let digits = |key: &Secret| hex::encode(key.as_bytes());
        let _ = writeln!(
            self.ikev2,
            r#"{},{},{},{},"{}",{},{},"{}""#,
            hex::encode(keys.initiator.0),
            hex::encode(keys.responder.0),
            digits(sk_ei),
            digits(sk_er),
            ikev2_cipher(keys.cipher),
            digits(sk_ai),
            digits(sk_ar),
            keys.integrity.map_or("NONE [RFC4306]", ikev2_integrity),
        );
    }

    /// Writes the profile's folder.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(folder.join("ikev1_decryption_table"), &self.ikev1)?;
        fs::write(folder.join("ikev2_decryption_table"), &self.ikev2)?;
        fs::write(folder.join("esp_sa"), &self.esp)?;
        fs::write(folder.join("preferences"), PREFERENCES)
    }
}

fn prefixed(key: &[u8]) -> String {
    if key.is_empty() { String::new() } else { format!("0x{}", hex::encode(key)) }
}

/// The words of the table of ESP SAs (Wireshark's epan/dissectors/packet-ipsec.c). GCM of 16 octets is `AES-GCM [RFC4106]`
/// there up to release 3.4, and has its length in the name since.
fn esp_cipher(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Des => "DES-CBC [RFC2405]",
        Cipher::TripleDes => "TripleDES-CBC [RFC2451]",
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => "AES-CBC [RFC3602]",
        Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm => "AES-GCM with 16 octet ICV [RFC4106]",
        Cipher::Null => "NULL",
    }
}

/// SHA-384 and SHA-512 have no name there for 96 bits: such a packet is shown without its ICV being checked.
fn esp_integrity(hash: Hash, icv_length: IcvLength) -> &'static str {
    match (hash, icv_length) {
        (Hash::Md5, _) => "HMAC-MD5-96 [RFC2403]",
        (Hash::Sha1, _) => "HMAC-SHA-1-96 [RFC2404]",
        (Hash::Sha256, IcvLength::Standard) => "HMAC-SHA-256-128 [RFC4868]",
        (Hash::Sha256, IcvLength::Bits96) => "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]",
        (Hash::Sha384 | Hash::Sha512, IcvLength::Bits96) => "ANY 96 bit authentication [no checking]",
        (Hash::Sha384, IcvLength::Standard) => "HMAC-SHA-384-192 [RFC4868]",
        (Hash::Sha512, IcvLength::Standard) => "HMAC-SHA-512-256 [RFC4868]",
    }
}

/// The words of the table of IKEv2 (Wireshark's epan/dissectors/packet-isakmp.c), which has no DES.
fn ikev2_cipher(cipher: Cipher) -> &'static str {
    match cipher {
        Cipher::Des => "DES [RFC2405]",
        Cipher::TripleDes => "3DES [RFC2451]",
        Cipher::Aes128 => "AES-CBC-128 [RFC3602]",
        Cipher::Aes192 => "AES-CBC-192 [RFC3602]",
        Cipher::Aes256 => "AES-CBC-256 [RFC3602]",
        Cipher::Aes128Gcm => "AES-GCM-128 with 16 octet ICV [RFC5282]",
        Cipher::Aes192Gcm => "AES-GCM-192 with 16 octet ICV [RFC5282]",
        Cipher::Aes256Gcm => "AES-GCM-256 with 16 octet ICV [RFC5282]",
        Cipher::Null => "NULL [RFC2410]",
    }
}

fn ikev2_integrity(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "HMAC_MD5_96 [RFC2403]",
        Hash::Sha1 => "HMAC_SHA1_96 [RFC2404]",
        Hash::Sha256 => "HMAC_SHA2_256_128 [RFC4868]",
        Hash::Sha384 => "HMAC_SHA2_384_192 [RFC4868]",
        Hash::Sha512 => "HMAC_SHA2_512_256 [RFC4868]",
    }
}

#[cfg(test)]
mod tests;
