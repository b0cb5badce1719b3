//! The keys a decoder knows.

use foldhash::HashMap;

use super::esp_table::{EspKeys, EspTable};
use super::sealed::Opener;
use crate::crypto::Secret;
use crate::ike::KeyRecord;
use crate::wire::Spi;
use crate::wire::isakmp::Cookie;

/// Keys by what they open.
#[derive(Clone, Debug, Default)]
pub struct KeyTable {
    /// Phase 1 encryption keys by initiator cookie.
    isakmp: HashMap<Cookie, Secret>,
    /// SK_e and SK_a of both directions by both SPIs.
    ikev2: HashMap<(Cookie, Cookie), Ikev2Keys>,
    pub(super) esp: EspTable,
    secrets: Secrets,
}

/// What keys can be derived from, when the capture holds the rest.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Pre-shared keys.
    pub psks: Vec<Secret>,
    /// Shared secrets of Diffie-Hellman exchanges, g^xy, as long as the prime.
    pub shared: Vec<Secret>,
    /// Private exponents of Diffie-Hellman exchanges, of either side.
    pub private: Vec<Secret>,
}

impl Secrets {
    /// Whether nothing can be derived.
    pub fn is_empty(&self) -> bool {
        self.psks.is_empty() && self.shared.is_empty() && self.private.is_empty()
    }
}

/// What opens the messages of an IKE SA.
#[derive(Clone, Debug)]
pub struct Ikev2Keys {
    /// Opens what the initiator sent (SK_ei, SK_ai).
    pub initiator: Opener,
    /// Opens what the responder sent (SK_er, SK_ar).
    pub responder: Opener,
}

impl KeyTable {
    /// Adds the encryption key of a phase 1 SA.
    pub fn add_isakmp(&mut self, initiator: Cookie, key: Secret) {
        self.isakmp.insert(initiator, key);
    }

    /// Adds the keys of an IKE SA of IKEv2.
    pub fn add_ikev2(&mut self, initiator: Cookie, responder: Cookie, keys: Ikev2Keys) {
        self.ikev2.insert((initiator, responder), keys);
    }

    /// Adds the keys of an ESP SA; `None` as SPI is any.
    pub fn add_esp(&mut self, spi: Option<Spi>, keys: EspKeys) {
        self.esp.add(spi, keys);
    }

    /// Adds what a record of a key log holds. Keys that do not fit their algorithms open nothing, and are left out.
    pub fn add(&mut self, record: &KeyRecord) {
        match record {
            KeyRecord::Isakmp { id, key, .. } => self.add_isakmp(id.initiator, key.clone()),
            KeyRecord::Esp { spi, suite, icv_length, keys, .. } => {
                let _ = self.esp.add_negotiated(*spi, *suite, *icv_length, keys);
            }
        }
    }

    /// Adds what keys can be derived from.
    pub fn add_secrets(&mut self, secrets: Secrets) {
        self.secrets.psks.extend(secrets.psks);
        self.secrets.shared.extend(secrets.shared);
        self.secrets.private.extend(secrets.private);
    }

    /// The encryption key of the phase 1 SA that this initiator cookie names.
    pub fn isakmp(&self, initiator: Cookie) -> Option<&Secret> {
        self.isakmp.get(&initiator)
    }

    /// The keys of an IKE SA of IKEv2.
    pub fn ikev2(&self, initiator: Cookie, responder: Cookie) -> Option<&Ikev2Keys> {
        self.ikev2.get(&(initiator, responder))
    }

    /// What keys can be derived from.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}
