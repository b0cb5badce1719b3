//! What a pre-shared key and a Diffie-Hellman secret open.
//!
//! A pre-shared key alone decrypts nothing: the keys come from SKEYID *and* g^xy. It gives SKEYID, and so tells whether
//! HASH_I and HASH_R are right, which aggressive mode sends in clear. With g^xy, or the private exponent of one side, every
//! key follows: that of phase 1, and those of the ESP SAs (with PFS the second exchange needs its own secret).

use foldhash::HashMap;

use super::ike::{Chosen, HashCheck};
use super::keys::Secrets;
use crate::crypto::{Group, KeyPair, SaKeys, Secret};
use crate::ike::EspSuite;
use crate::ike::event::OfferedTransform;
use crate::ike::keys::{PhaseOneExchange, QuickModeExchange, SkeyId, SkeyIdD};
use crate::wire::Spi;
use crate::wire::isakmp::{
    AuthenticationMethod, Body, Cookie, ExchangeType, Header, MessageId, Payload, ProtocolId, SaPayload,
};

/// Quick modes under one phase 1 SA that are followed at a time.
const MAX_QUICK_MODES: usize = 64;

/// What was seen of a phase 1 SA and of the quick modes under it.
#[derive(Debug, Default)]
pub(super) struct Derivation {
    responder_cookie: Cookie,
    sai_b: Option<Vec<u8>>,
    ni_b: Option<Vec<u8>>,
    nr_b: Option<Vec<u8>>,
    /// IDii as aggressive mode sends it, apart from its HASH.
    idii_b: Option<Vec<u8>>,
    skeyid_d: Option<SkeyIdD>,
    quick: HashMap<MessageId, Quick>,
}

/// What the first message of a quick mode said.
#[derive(Debug)]
struct Quick {
    offer: SaPayload,
    ni_b: Vec<u8>,
    g_xi: Option<Vec<u8>>,
}

/// Keys of phase 1 that the secrets give.
pub(super) struct Candidate {
    pub(super) key: Secret,
    pub(super) skeyid_d: SkeyIdD,
}

/// Keys of an ESP SA that were derived from the secrets.
#[derive(Debug)]
pub(super) struct DerivedKeys {
    pub(super) spi: Spi,
    pub(super) suite: EspSuite,
    pub(super) keys: SaKeys,
}

impl Derivation {
    /// Takes from a message of phase 1 what SKEYID and the HASH payloads are made of.
    pub(super) fn learn(&mut self, header: &Header, index: u16, payloads: &[Payload]) {
        if !in_phase_one(header) {
            return;
        }
        if header.responder_cookie != Cookie::ZERO {
            self.responder_cookie = header.responder_cookie;
        }
        for payload in payloads {
            match &payload.body {
                Body::Sa(_) if index == 1 => self.sai_b = Some(payload.body.to_bytes()),
                Body::Id(_) if index == 1 => self.idii_b = Some(payload.body.to_bytes()),
                Body::Nonce(nonce) if index % 2 == 1 => self.ni_b = Some(nonce.clone()),
                Body::Nonce(nonce) => self.nr_b = Some(nonce.clone()),
                _ => {}
            }
        }
    }

    /// Whether the HASH of a phase 1 message is right under one of the pre-shared keys.
    pub(super) fn check(
        &self,
        header: &Header,
        index: u16,
        chosen: Chosen,
        public_values: &[Vec<u8>],
        payloads: &[Payload],
        secrets: &Secrets,
    ) -> Option<HashCheck> {
        let ([g_xi, g_xr], Some(sai_b)) = (public_values, &self.sai_b) else { return None };
        if !in_phase_one(header) || secrets.psks.is_empty() || !pre_shared(chosen.authentication) {
            return None;
        }
        let by_initiator = index % 2 == 1;
        let hash = payloads.iter().find_map(|payload| match &payload.body {
            Body::Hash(hash) => Some(hash),
            _ => None,
        })?;
        let id = payloads.iter().find(|payload| matches!(payload.body, Body::Id(_))).map(|id| id.body.to_bytes());
        let id = id.or_else(|| self.idii_b.clone().filter(|_| by_initiator))?;
        let (cky_i, cky_r) = (header.initiator_cookie, self.responder_cookie);
        let exchange = PhaseOneExchange { cky_i, cky_r, g_xi, g_xr, sai_b };
        let (ni_b, nr_b) = (self.ni_b.as_ref()?, self.nr_b.as_ref()?);
        let right = secrets.psks.iter().any(|psk| {
            let skeyid = SkeyId::pre_shared_key(chosen.hash, psk, ni_b, nr_b);
            let computed = match by_initiator {
                true => skeyid.hash_i(&exchange, &id),
                false => skeyid.hash_r(&exchange, &id),
            };
            computed[..] == hash[..]
        });
        Some(HashCheck { by_initiator, right })
    }

    /// The keys that each combination of the secrets would give, until one was [accepted](Self::accept).
    pub(super) fn candidates(
        &self,
        header: &Header,
        chosen: Chosen,
        public_values: &[Vec<u8>],
        secrets: &Secrets,
    ) -> Vec<Candidate> {
        let ([g_xi, g_xr], Some(cipher), None) = (public_values, chosen.negotiated_cipher(), &self.skeyid_d) else {
            return Vec::new();
        };
        let (Some(ni_b), Some(nr_b)) = (&self.ni_b, &self.nr_b) else { return Vec::new() };
        let (cky_i, cky_r) = (header.initiator_cookie, self.responder_cookie);
        let mut candidates = Vec::new();
        for g_xy in shared_secrets(chosen.group, g_xi, g_xr, secrets) {
            let skeyids = match chosen.authentication {
                method if pre_shared(method) => {
                    secrets.psks.iter().map(|psk| SkeyId::pre_shared_key(chosen.hash, psk, ni_b, nr_b)).collect()
                }
                AuthenticationMethod::RsaEncryption | AuthenticationMethod::RevisedRsaEncryption => Vec::new(),
                _ => vec![SkeyId::signature(chosen.hash, ni_b, nr_b, &g_xy)],
            };
            for skeyid in skeyids {
                let keys = skeyid.derive(&g_xy, cky_i, cky_r);
                if let Ok(key) = keys.skeyid_e.encryption_key(cipher) {
                    candidates.push(Candidate { key: key.secret().clone(), skeyid_d: keys.skeyid_d });
                }
            }
        }
        candidates
    }

    /// Takes the candidate that proved right.
    pub(super) fn accept(&mut self, candidate: Candidate) {
        self.skeyid_d = Some(candidate.skeyid_d);
    }

    /// Derives the keys of the ESP SAs that a quick mode makes.
    pub(super) fn esp_keys(
        &mut self,
        message_id: MessageId,
        payloads: &[Payload],
        secrets: &Secrets,
        derived: &mut Vec<DerivedKeys>,
    ) {
        let Some(skeyid_d) = &self.skeyid_d else { return };
        let (mut sa, mut nonce, mut public) = (None, None, None);
        for payload in payloads {
            match &payload.body {
                Body::Sa(body) => sa = Some(body),
                Body::Nonce(body) => nonce = Some(body),
                Body::KeyExchange(body) => public = Some(body),
                _ => {}
            }
        }
        let (Some(sa), Some(nonce)) = (sa, nonce) else { return };
        let Some(quick) = self.quick.get(&message_id) else {
            if self.quick.len() >= MAX_QUICK_MODES {
                self.quick.clear();
            }
            let quick = Quick { offer: sa.clone(), ni_b: nonce.clone(), g_xi: public.cloned() };
            self.quick.insert(message_id, quick);
            return;
        };
        for chosen in sa.proposals.iter().filter(|proposal| proposal.protocol == ProtocolId::Esp) {
            let Some(transform) = chosen.transforms.first() else { continue };
            let read = OfferedTransform {
                protocol: ProtocolId::Esp,
                number: transform.number,
                id: transform.id,
                attributes: transform.attributes.clone(),
            };
            let Some(suite) = read.suite() else { continue };
            let own = quick.offer.proposals.iter().filter(|proposal| proposal.protocol == ProtocolId::Esp);
            let own = own.clone().find(|proposal| proposal.number == chosen.number).or_else(|| own.clone().next());
            let shared: Vec<Option<Secret>> = match (&quick.g_xi, public) {
                (Some(g_xi), Some(g_xr)) => {
                    let group = read.group().and_then(Group::from_number);
                    shared_secrets(group, g_xi, g_xr, secrets).into_iter().map(Some).collect()
                }
                _ => vec![None],
            };
            for secret in &shared {
                for spi in own.into_iter().chain([chosen]).filter_map(|proposal| proposal.spi.first_chunk::<4>()) {
                    let spi = Spi(u32::from_be_bytes(*spi));
                    let exchange = QuickModeExchange {
                        g_qm_xy: secret.as_ref().map(Secret::as_bytes),
                        protocol: ProtocolId::Esp,
                        spi: spi.0,
                        ni_b: &quick.ni_b,
                        nr_b: nonce,
                    };
                    let keys = skeyid_d.sa_keys(&exchange, suite.cipher, suite.integrity);
                    derived.push(DerivedKeys { spi, suite, keys });
                }
            }
        }
        self.quick.remove(&message_id);
    }
}

/// The shared secrets that may belong to two public values: those given, and what the private exponent of either gives.
fn shared_secrets(group: Option<Group>, g_xi: &[u8], g_xr: &[u8], secrets: &Secrets) -> Vec<Secret> {
    let mut found: Vec<Secret> = secrets.shared.iter().filter(|secret| secret.len() == g_xi.len()).cloned().collect();
    let Some(group) = group else { return found };
    for private in &secrets.private {
        let Ok(pair) = KeyPair::from_private(group, private) else { continue };
        let peer = match pair.public() {
            public if public == g_xi => g_xr,
            public if public == g_xr => g_xi,
            _ => continue,
        };
        found.extend(pair.shared(peer));
    }
    found
}

fn pre_shared(method: AuthenticationMethod) -> bool {
    matches!(
        method,
        AuthenticationMethod::PreSharedKey
            | AuthenticationMethod::XauthInitPreShared
            | AuthenticationMethod::XauthRespPreShared
    )
}

fn in_phase_one(header: &Header) -> bool {
    header.message_id.0 == 0 && matches!(header.exchange, ExchangeType::Main | ExchangeType::Aggressive)
}
