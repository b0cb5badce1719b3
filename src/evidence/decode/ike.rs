//! IKEv1 messages, named and decrypted.

use std::collections::HashMap;

use super::keys::KeyTable;
use crate::crypto::{Cipher, Hash};
use crate::ike::keys::{EncryptionKey, IvChain};
use crate::ike::naming::{MessageNamer, Named};
use crate::wire::ParseError;
use crate::wire::isakmp::{
    Body, Contents, Cookie, ExchangeType, Header, Message, MessageId, OakleyAttribute, OakleyCipher, OakleyHash,
    Payload, SaPayload, decode_payloads,
};

/// Phase 1 SAs that are followed at a time; past that the one not seen for longest is forgotten.
const MAX_CONVERSATIONS: usize = 1024;

/// Exchanges under one phase 1 SA whose IV chains are kept.
const MAX_CHAINS: usize = 256;

/// An IKEv1 message of a capture.
#[derive(Clone, Debug)]
pub struct IkeMessage {
    /// Its header.
    pub header: Header,
    /// Its name, and whether it was seen before.
    pub named: Named,
    /// Its payloads as far as they could be read.
    pub payloads: Vec<Payload>,
    /// Whether they were encrypted, and whether they could be decrypted.
    pub protection: Protection,
    /// What stopped the reading of the payloads.
    pub error: Option<ParseError>,
    /// The hash of the phase 1 SA, once the responder has chosen.
    pub hash: Option<Hash>,
}

/// How the payloads of a message were protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    Clear,
    /// Encrypted, and decrypted here; the padding that followed the payloads.
    Decrypted(Vec<u8>),
    /// Encrypted with a key that is not known, or with another than the one that is; octets of ciphertext.
    Sealed(usize),
}

/// Follows conversations so that IVs are known when an encrypted message comes.
#[derive(Debug, Default)]
pub(super) struct IkeDecoder {
    namer: MessageNamer,
    conversations: HashMap<Cookie, Conversation>,
    clock: u64,
}

/// What was seen of one phase 1 SA.
#[derive(Debug, Default)]
struct Conversation {
    last_seen: u64,
    /// Cipher and hash of the responder's choice.
    chosen: Option<(OakleyCipher, OakleyHash)>,
    /// g^xi and g^xr in the order they came.
    public_values: Vec<Vec<u8>>,
    key: Option<EncryptionKey>,
    /// IV of the next phase 1 message.
    phase_one: Option<IvChain>,
    /// IV of the next message of each exchange of phase 2.
    phase_two: HashMap<(ExchangeType, MessageId), IvChain>,
    /// Decrypted messages, to tell repeated ones the same way: ciphertext to plaintext.
    opened: HashMap<Vec<u8>, Vec<u8>>,
}

impl IkeDecoder {
    /// Names a message and decrypts it when its key is known; `octets` are the whole message.
    pub(super) fn message(&mut self, header: Header, octets: &[u8], keys: &KeyTable) -> IkeMessage {
        self.clock += 1;
        let named = self.namer.name(&header, octets);
        if self.conversations.len() >= MAX_CONVERSATIONS && !self.conversations.contains_key(&header.initiator_cookie) {
            let oldest = self.conversations.iter().min_by_key(|(_, conversation)| conversation.last_seen);
            oldest.map(|(cookie, _)| *cookie).map(|cookie| self.conversations.remove(&cookie));
        }
        let conversation = self.conversations.entry(header.initiator_cookie).or_default();
        conversation.last_seen = self.clock;
        let (payloads, protection, error) = match Message::parse(octets) {
            Ok(Message { contents: Contents::Clear(payloads, _), .. }) => (payloads, Protection::Clear, None),
            Ok(Message { contents: Contents::Encrypted(ciphertext), .. }) => {
                match conversation.open(&header, &ciphertext, keys) {
                    Some(plaintext) => {
                        let chain = decode_payloads(header.next_payload, &plaintext, Header::LEN);
                        match chain.payloads.first() {
                            Some(first) if first.reserved == 0 => {
                                (chain.payloads, Protection::Decrypted(chain.rest), chain.error)
                            }
                            // What another key encrypted looks like nothing, whatever this one makes of it.
                            _ => (Vec::new(), Protection::Sealed(ciphertext.len()), None),
                        }
                    }
                    None => (Vec::new(), Protection::Sealed(ciphertext.len()), None),
                }
            }
            Err(error) => {
                let body = octets.get(Header::LEN..).unwrap_or_default();
                if header.flags.encrypted() {
                    (Vec::new(), Protection::Sealed(body.len()), Some(error))
                } else {
                    let chain = decode_payloads(header.next_payload, body, Header::LEN);
                    (chain.payloads, Protection::Clear, Some(error))
                }
            }
        };
        if !named.retransmission {
            conversation.learn(&payloads);
        }
        let hash = conversation.chosen.and_then(|(_, hash)| hash_of(hash));
        IkeMessage { header, named, payloads, protection, error, hash }
    }
}

impl Conversation {
    /// Takes from a phase 1 message in clear what later IVs are made of.
    fn learn(&mut self, payloads: &[Payload]) {
        for payload in payloads {
            match &payload.body {
                // The responder's SA comes second and holds its choice alone.
                Body::Sa(sa) if sa.proposals.iter().all(|proposal| proposal.spi.is_empty()) => {
                    self.chosen = chosen(sa).or(self.chosen);
                }
                Body::KeyExchange(value) if self.public_values.len() < 2 => self.public_values.push(value.clone()),
                _ => {}
            }
        }
    }

    fn open(&mut self, header: &Header, ciphertext: &[u8], keys: &KeyTable) -> Option<Vec<u8>> {
        if let Some(plaintext) = self.opened.get(ciphertext) {
            return Some(plaintext.clone());
        }
        if self.key.is_none() {
            let (cipher, hash) = self.chosen?;
            let key = keys.isakmp(header.initiator_cookie)?;
            self.key = EncryptionKey::from_log(cipher_of(cipher, key.len())?, hash_of(hash)?, key).ok();
        }
        let key = self.key.as_ref()?;
        if self.phase_one.is_none() {
            let [g_xi, g_xr] = self.public_values.as_slice() else { return None };
            self.phase_one = Some(key.phase_one_iv(g_xi, g_xr));
        }
        let phase_one = self.phase_one.as_mut()?;
        let in_phase_one = matches!(header.exchange, ExchangeType::Main | ExchangeType::Aggressive);
        let mut plaintext = ciphertext.to_vec();
        if in_phase_one && header.message_id.0 == 0 {
            *phase_one = key.decrypt(phase_one, &mut plaintext).ok()?;
        } else {
            let id = (header.exchange, header.message_id);
            let iv = match self.phase_two.get(&id) {
                Some(iv) => iv.clone(),
                None => key.phase_two_iv(phase_one, header.message_id),
            };
            let next = key.decrypt(&iv, &mut plaintext).ok()?;
            if self.phase_two.len() >= MAX_CHAINS {
                self.phase_two.clear();
            }
            self.phase_two.insert(id, next);
        }
        if self.opened.len() >= MAX_CHAINS {
            self.opened.clear();
        }
        self.opened.insert(ciphertext.to_vec(), plaintext.clone());
        Some(plaintext)
    }
}

fn chosen(sa: &SaPayload) -> Option<(OakleyCipher, OakleyHash)> {
    let attributes = &sa.proposals.first()?.transforms.first()?.attributes;
    let value = |wanted: OakleyAttribute| {
        let attribute = attributes.iter().find(|attribute| attribute.kind == u16::from(wanted))?;
        u16::try_from(attribute.number()?).ok()
    };
    Some((value(OakleyAttribute::Encryption)?.into(), value(OakleyAttribute::Hash)?.into()))
}

fn cipher_of(cipher: OakleyCipher, key_length: usize) -> Option<Cipher> {
    match (cipher, key_length) {
        (OakleyCipher::Des, _) => Some(Cipher::Des),
        (OakleyCipher::TripleDes, _) => Some(Cipher::TripleDes),
        (OakleyCipher::Aes, 16) => Some(Cipher::Aes128),
        (OakleyCipher::Aes, 24) => Some(Cipher::Aes192),
        (OakleyCipher::Aes, 32) => Some(Cipher::Aes256),
        _ => None,
    }
}

fn hash_of(hash: OakleyHash) -> Option<Hash> {
    match hash {
        OakleyHash::Md5 => Some(Hash::Md5),
        OakleyHash::Sha1 => Some(Hash::Sha1),
        OakleyHash::Sha256 => Some(Hash::Sha256),
        OakleyHash::Sha384 => Some(Hash::Sha384),
        OakleyHash::Sha512 => Some(Hash::Sha512),
        OakleyHash::Tiger | OakleyHash::Unknown(_) => None,
    }
}
