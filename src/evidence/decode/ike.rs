//! IKEv1 messages, named and decrypted.

use foldhash::HashMap;

use super::derivation::{Derivation, DerivedKeys};
use super::keys::{KeyTable, Secrets};
use crate::crypto::{Cipher, Group, Hash};
use crate::ike::keys::{EncryptionKey, IvChain};
use crate::ike::naming::{MessageNamer, Named, fingerprint};
use crate::wire::ParseError;
use crate::wire::isakmp::{
    AuthenticationMethod, Body, Contents, Cookie, ExchangeType, Header, Message, MessageId, OakleyAttribute,
    OakleyCipher, OakleyHash, Payload, SaPayload, decode_payloads,
};

/// Phase 1 SAs that are followed at a time; past that the half not seen for longest is forgotten.
const MAX_CONVERSATIONS: usize = 1024;

/// Exchanges under one phase 1 SA whose IV chains are kept.
const MAX_CHAINS: usize = 256;

/// No public value of a group that IKE has is longer.
const MAX_PUBLIC_VALUE: usize = 1024;

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
    /// How its two ends are authenticated, once the responder has chosen.
    pub authentication: Option<AuthenticationMethod>,
    /// Whether its HASH_I or HASH_R is right, when it has one and a pre-shared key was given.
    pub check: Option<HashCheck>,
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

/// Whether a HASH payload is what it should be under a pre-shared key that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCheck {
    /// Whether the initiator made it (HASH_I) or the responder (HASH_R).
    pub by_initiator: bool,
    /// Whether one of the pre-shared keys gives it.
    pub right: bool,
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
    /// The responder's choice.
    chosen: Option<Chosen>,
    /// g^xi and g^xr in the order they came.
    public_values: Vec<Vec<u8>>,
    key: Option<EncryptionKey>,
    /// IV of the next phase 1 message.
    phase_one: Option<IvChain>,
    /// IV of the next message of each exchange of phase 2.
    phase_two: Vec<((ExchangeType, MessageId), IvChain)>,
    /// The IV of each message that was decrypted, by its fingerprint: repeated ones are told the same way.
    opened: Vec<(u64, IvChain)>,
    /// What keys are derived from; kept only when there is a secret to derive from.
    derivation: Option<Box<Derivation>>,
}

impl IkeDecoder {
    /// Names a message and decrypts it when its key is known; `octets` are the whole message. Keys of ESP SAs that can be
    /// derived from it and the secrets are added to `derived`.
    pub(super) fn message(
        &mut self,
        header: Header,
        octets: &[u8],
        keys: &KeyTable,
        derived: &mut Vec<DerivedKeys>,
    ) -> IkeMessage {
        self.clock += 1;
        let named = self.namer.name(&header, octets);
        if self.conversations.len() >= MAX_CONVERSATIONS && !self.conversations.contains_key(&header.initiator_cookie) {
            forget_older_half(&mut self.conversations, |conversation| conversation.last_seen);
        }
        let conversation = self.conversations.entry(header.initiator_cookie).or_default();
        conversation.last_seen = self.clock;
        if conversation.derivation.is_none() && !keys.secrets().is_empty() {
            conversation.derivation = Some(Box::default());
        }
        let (payloads, protection, error) = conversation.read(&header, octets, keys);
        let mut check = None;
        if !named.retransmission {
            conversation.learn(&payloads);
            check = conversation.derive(&header, named.name.index, &payloads, keys.secrets(), derived);
        }
        let hash = conversation.chosen.map(|chosen| chosen.hash);
        let authentication = conversation.chosen.map(|chosen| chosen.authentication);
        IkeMessage { header, named, payloads, protection, error, hash, authentication, check }
    }
}

/// Makes room at once for many: looking for the oldest each time would cost as much as all of them.
pub(super) fn forget_older_half<K, V>(map: &mut HashMap<K, V>, last_seen: impl Fn(&V) -> u64) {
    let mut times: Vec<u64> = map.values().map(&last_seen).collect();
    let middle = times.len() / 2;
    if let Some((_, middle, _)) = (!times.is_empty()).then(|| times.select_nth_unstable(middle)) {
        let middle = *middle;
        map.retain(|_, value| last_seen(value) >= middle);
    }
}

impl Conversation {
    fn read(
        &mut self,
        header: &Header,
        octets: &[u8],
        keys: &KeyTable,
    ) -> (Vec<Payload>, Protection, Option<ParseError>) {
        match Message::parse(octets) {
            Ok(Message { contents: Contents::Clear(payloads, _), .. }) => (payloads, Protection::Clear, None),
            Ok(Message { contents: Contents::Encrypted(ciphertext), .. }) => {
                let sealed = Protection::Sealed(ciphertext.len());
                self.find_keys(header, &ciphertext, keys);
                let Some(plaintext) = self.open(header, &ciphertext, keys) else { return (Vec::new(), sealed, None) };
                let chain = decode_payloads(header.next_payload, &plaintext, Header::LEN);
                match chain.payloads.first() {
                    Some(first) if first.reserved == 0 => {
                        (chain.payloads, Protection::Decrypted(chain.rest), chain.error)
                    }
                    // What another key encrypted looks like nothing, whatever this one makes of it.
                    _ => (Vec::new(), sealed, None),
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
        }
    }

    /// Takes from a phase 1 message in clear what later IVs are made of.
    fn learn(&mut self, payloads: &[Payload]) {
        for payload in payloads {
            match &payload.body {
                // The responder's SA comes second and holds its choice alone.
                Body::Sa(sa) if sa.proposals.iter().all(|proposal| proposal.spi.is_empty()) => {
                    self.chosen = chosen(sa).or(self.chosen);
                }
                Body::KeyExchange(value) if self.public_values.len() < 2 && value.len() <= MAX_PUBLIC_VALUE => {
                    self.public_values.push(value.clone());
                }
                _ => {}
            }
        }
    }

    /// Checks HASH_I and HASH_R, and derives the keys of ESP SAs.
    fn derive(
        &mut self,
        header: &Header,
        index: u16,
        payloads: &[Payload],
        secrets: &Secrets,
        derived: &mut Vec<DerivedKeys>,
    ) -> Option<HashCheck> {
        let derivation = self.derivation.as_mut()?;
        derivation.learn(header, index, payloads);
        let chosen = self.chosen?;
        if header.exchange == ExchangeType::Quick {
            derivation.esp_keys(header.message_id, payloads, secrets, derived);
        }
        derivation.check(header, index, chosen, &self.public_values, payloads, secrets)
    }

    /// Finds the keys among those the secrets give: the right one makes payloads of the first encrypted message.
    fn find_keys(&mut self, header: &Header, ciphertext: &[u8], keys: &KeyTable) -> Option<()> {
        let (derivation, chosen) = (self.derivation.as_mut()?, self.chosen?);
        let [g_xi, g_xr] = self.public_values.as_slice() else { return None };
        let logged = keys.isakmp(header.initiator_cookie);
        for candidate in derivation.candidates(header, chosen, &self.public_values, keys.secrets()) {
            if logged.is_some_and(|logged| *logged != candidate.key) {
                continue;
            }
            let cipher = chosen.negotiated_cipher()?;
            let key = EncryptionKey::from_log(cipher, chosen.hash, &candidate.key).ok()?;
            let mut iv = key.phase_one_iv(g_xi, g_xr);
            if header.message_id.0 != 0 {
                iv = key.phase_two_iv(&iv, header.message_id);
            }
            let mut plaintext = ciphertext.to_vec();
            let decrypted = key.decrypt(&iv, &mut plaintext).is_ok();
            let chain = decode_payloads(header.next_payload, &plaintext, Header::LEN);
            if decrypted && chain.error.is_none() && chain.payloads.iter().all(|payload| payload.reserved == 0) {
                self.key = Some(key);
                derivation.accept(candidate);
                return Some(());
            }
        }
        None
    }

    fn open(&mut self, header: &Header, ciphertext: &[u8], keys: &KeyTable) -> Option<Vec<u8>> {
        if self.key.is_none() {
            let chosen = self.chosen?;
            let key = keys.isakmp(header.initiator_cookie)?;
            self.key = EncryptionKey::from_log(chosen.cipher(key.len())?, chosen.hash, key).ok();
        }
        let key = self.key.as_ref()?;
        if self.phase_one.is_none() {
            let [g_xi, g_xr] = self.public_values.as_slice() else { return None };
            self.phase_one = Some(key.phase_one_iv(g_xi, g_xr));
        }
        let phase_one = self.phase_one.as_mut()?;
        let fingerprint = fingerprint(ciphertext);
        let mut plaintext = ciphertext.to_vec();
        if let Some((_, iv)) = self.opened.iter().find(|(known, _)| *known == fingerprint) {
            key.decrypt(iv, &mut plaintext).ok()?;
            return Some(plaintext);
        }
        let in_phase_one = matches!(header.exchange, ExchangeType::Main | ExchangeType::Aggressive);
        let iv = if in_phase_one && header.message_id.0 == 0 {
            let next = key.decrypt(phase_one, &mut plaintext).ok()?;
            std::mem::replace(phase_one, next)
        } else {
            let id = (header.exchange, header.message_id);
            let place = self.phase_two.iter().position(|(known, _)| *known == id);
            let iv = match place {
                Some(place) => self.phase_two[place].1.clone(),
                None => key.phase_two_iv(phase_one, header.message_id),
            };
            let next = key.decrypt(&iv, &mut plaintext).ok()?;
            match place {
                Some(place) => self.phase_two[place].1 = next,
                None => push_within(&mut self.phase_two, (id, next)),
            }
            iv
        };
        push_within(&mut self.opened, (fingerprint, iv));
        Some(plaintext)
    }
}

/// Adds to what is kept of a phase 1 SA, within bounds.
fn push_within<T>(kept: &mut Vec<T>, new: T) {
    if kept.len() >= MAX_CHAINS {
        kept.clear();
    }
    kept.push(new);
}

/// What the responder chose for phase 1, as far as decrypting needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    cipher: OakleyCipher,
    key_length: Option<usize>,
    pub(super) hash: Hash,
    pub(super) authentication: AuthenticationMethod,
    pub(super) group: Option<Group>,
}

impl Chosen {
    /// The cipher; how long its key is, where it has more than one length, is told by the key's octets.
    fn cipher(self, key_length: usize) -> Option<Cipher> {
        match (self.cipher, key_length) {
            (OakleyCipher::Des, _) => Some(Cipher::Des),
            (OakleyCipher::TripleDes, _) => Some(Cipher::TripleDes),
            (OakleyCipher::Aes, 16) => Some(Cipher::Aes128),
            (OakleyCipher::Aes, 24) => Some(Cipher::Aes192),
            (OakleyCipher::Aes, 32) => Some(Cipher::Aes256),
            _ => None,
        }
    }

    /// The cipher with the key length that was negotiated.
    pub(super) fn negotiated_cipher(self) -> Option<Cipher> {
        self.cipher(self.key_length.unwrap_or(16))
    }
}

fn chosen(sa: &SaPayload) -> Option<Chosen> {
    let attributes = &sa.proposals.first()?.transforms.first()?.attributes;
    let value = |wanted: OakleyAttribute| {
        let attribute = attributes.iter().find(|attribute| attribute.kind == u16::from(wanted))?;
        u16::try_from(attribute.number()?).ok()
    };
    Some(Chosen {
        cipher: value(OakleyAttribute::Encryption)?.into(),
        key_length: value(OakleyAttribute::KeyLength).map(|bits| usize::from(bits / 8)),
        hash: hash_of(value(OakleyAttribute::Hash)?.into())?,
        authentication: value(OakleyAttribute::Authentication)?.into(),
        group: value(OakleyAttribute::Group).and_then(Group::from_number),
    })
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
