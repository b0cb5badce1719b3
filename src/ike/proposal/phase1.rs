//! Phase 1 proposals (RFC 2409 4 and Appendix A).

use std::time::Duration;

use crate::crypto::{Cipher, Group, Hash};
use crate::ike::event::{EventKind, PolicyMismatch, PolicyOutcome};
use crate::ike::personality::{AnswerNumbers, Personality};
use crate::ike::policy::IsakmpPolicy;
use crate::wire::isakmp::{
    Attribute, AuthenticationMethod, LifeType, OakleyAttribute, OakleyCipher, OakleyHash, Proposal, ProtocolId,
    SaPayload, Transform,
};

/// The only transform id of phase 1.
const KEY_IKE: u8 = 1;
/// What is told as our lifetime when a policy has none.
const UNLIMITED: u32 = 0;

/// What two peers have agreed on for the ISAKMP SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub cipher: Cipher,
    pub hash: Hash,
    pub group: Group,
    pub authentication: AuthenticationMethod,
    /// The shorter of both lifetimes.
    pub lifetime: Option<Duration>,
    /// Our lifetime where it is shorter than what the initiator offered, which it should be told.
    pub cut: Option<Duration>,
}

/// The attributes of a phase 1 transform, whatever their order and format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Oakley {
    cipher: Option<OakleyCipher>,
    key_length: Option<u16>,
    hash: Option<OakleyHash>,
    group: Option<u16>,
    authentication: Option<AuthenticationMethod>,
    seconds: Option<u32>,
}

/// The transform a responder takes.
pub(crate) struct Chosen {
    /// What is agreed on.
    pub agreed: Agreed,
    /// The SA payload of the answer.
    pub answer: SaPayload,
}

impl Oakley {
    fn read(attributes: &[Attribute]) -> Self {
        let mut oakley = Self::default();
        let mut life_type = LifeType::Seconds;
        for attribute in attributes {
            let Some(number) = attribute.number() else { continue };
            let short = u16::try_from(number).unwrap_or(u16::MAX);
            match OakleyAttribute::from(attribute.kind) {
                OakleyAttribute::Encryption => oakley.cipher = Some(short.into()),
                OakleyAttribute::KeyLength => oakley.key_length = Some(short),
                OakleyAttribute::Hash => oakley.hash = Some(short.into()),
                OakleyAttribute::Group => oakley.group = Some(short),
                OakleyAttribute::Authentication => oakley.authentication = Some(short.into()),
                OakleyAttribute::LifeType => life_type = short.into(),
                OakleyAttribute::LifeDuration if life_type == LifeType::Seconds => {
                    oakley.seconds = Some(u32::try_from(number).unwrap_or(u32::MAX));
                }
                _ => {}
            }
        }
        oakley
    }

    /// Compares in the order encryption, key length, hash, group, authentication (cisco-ios-facts 3.2 \[I\]). A lifetime is
    /// no reason to refuse \[S\].
    fn compare(&self, policy: &IsakmpPolicy, has_key: bool) -> Result<(), PolicyMismatch> {
        let Some((cipher, key_length)) = cipher_number(policy.cipher) else {
            let configured = OakleyCipher::Unknown(0);
            return Err(PolicyMismatch::Encryption { offered: self.cipher, configured });
        };
        if self.cipher != Some(cipher) {
            return Err(PolicyMismatch::Encryption { offered: self.cipher, configured: cipher });
        }
        // RFC 3602 5.3: without the attribute it is 128.
        let offered = if cipher == OakleyCipher::Aes { self.key_length.or(Some(128)) } else { self.key_length };
        if let Some(configured) = key_length
            && offered != Some(configured)
        {
            return Err(PolicyMismatch::KeyLength { offered: self.key_length, configured });
        }
        let hash = hash_number(policy.hash);
        if self.hash != Some(hash) {
            return Err(PolicyMismatch::Hash { offered: self.hash, configured: hash });
        }
        let group = policy.group.number();
        if self.group != Some(group) {
            return Err(PolicyMismatch::Group { offered: self.group, configured: group });
        }
        if self.authentication != Some(policy.authentication) {
            let configured = policy.authentication;
            return Err(PolicyMismatch::Authentication { offered: self.authentication, configured });
        }
        // Without a key a policy that needs one fails even where its attributes match (cisco-ios-facts 3.5 [I/R]).
        if policy.authentication == AuthenticationMethod::PreSharedKey && !has_key {
            return Err(PolicyMismatch::NoPreSharedKey);
        }
        Ok(())
    }

    fn agree(&self, policy: &IsakmpPolicy) -> Agreed {
        let offered = self.seconds.map(|seconds| Duration::from_secs(seconds.into()));
        let own = policy.lifetime;
        Agreed {
            cipher: policy.cipher,
            hash: policy.hash,
            group: policy.group,
            authentication: policy.authentication,
            lifetime: match (own, offered) {
                (Some(own), Some(offered)) => Some(own.min(offered)),
                (own, offered) => own.or(offered),
            },
            cut: own.filter(|own| offered.is_some_and(|offered| *own < offered)),
        }
    }
}

/// The SA payload that offers `policies`, one transform each; `None` when there is nothing to offer.
pub(crate) fn offer(policies: &[IsakmpPolicy], personality: &Personality) -> Option<SaPayload> {
    let transforms: Vec<Transform> = policies
        .iter()
        .filter(|policy| can_negotiate(policy))
        .zip(personality.first_number..=u8::MAX)
        .map(|(policy, number)| Transform::new(number, KEY_IKE, attributes(policy, personality)))
        .collect();
    if transforms.is_empty() {
        return None;
    }
    let number = personality.first_number;
    let proposal = Proposal { reserved: 0, number, protocol: ProtocolId::Isakmp, spi: Vec::new(), transforms };
    Some(SaPayload::ipsec(vec![proposal]))
}

/// Whether the engine can go through with a policy.
pub(crate) fn can_negotiate(policy: &IsakmpPolicy) -> bool {
    policy.authentication == AuthenticationMethod::PreSharedKey && cipher_number(policy.cipher).is_some()
}

/// Takes the first transform of the offer that fits a policy, transform by transform, policy by policy
/// (cisco-ios-facts 3.2 [S:LOG-12x]). Each comparison is reported.
pub(crate) fn choose(
    offer: &SaPayload,
    policies: &[IsakmpPolicy],
    has_key: bool,
    personality: &Personality,
    mut report: impl FnMut(EventKind),
) -> Option<Chosen> {
    for (proposal_index, transform_index, transform) in transforms(offer) {
        let oakley = Oakley::read(&transform.attributes);
        let more = transform_index + 1 < offer.proposals[proposal_index].transforms.len();
        for policy in policies {
            let compared = oakley.compare(policy, has_key);
            report(comparison(transform, policy, more, &oakley, compared));
            if compared.is_ok() && can_negotiate(policy) {
                let agreed = oakley.agree(policy);
                return Some(Chosen { agreed, answer: answer(offer, proposal_index, transform_index, personality) });
            }
        }
    }
    None
}

/// Checks the one transform of a responder's answer against what was offered.
///
/// # Errors
///
/// The first attribute in which it differs from our first policy.
pub(crate) fn check_answer(
    answer: &SaPayload,
    offered: &[IsakmpPolicy],
    mut report: impl FnMut(EventKind),
) -> Result<Agreed, String> {
    let mut all = transforms(answer);
    let (Some((_, _, transform)), None) = (all.next(), all.next()) else {
        return Err("number of transforms".to_owned());
    };
    let oakley = Oakley::read(&transform.attributes);
    let mut first_mismatch = None;
    for policy in offered.iter().filter(|policy| can_negotiate(policy)) {
        let compared = oakley.compare(policy, true);
        report(comparison(transform, policy, false, &oakley, compared));
        match compared {
            Ok(()) => return Ok(Agreed { cut: None, ..oakley.agree(policy) }),
            Err(mismatch) => first_mismatch = first_mismatch.or(Some(mismatch)),
        }
    }
    Err(first_mismatch.map_or("transform", attribute_name).to_owned())
}

fn transforms(sa: &SaPayload) -> impl Iterator<Item = (usize, usize, &Transform)> {
    sa.proposals
        .iter()
        .enumerate()
        .filter(|(_, proposal)| proposal.protocol == ProtocolId::Isakmp)
        .flat_map(|(index, proposal)| proposal.transforms.iter().enumerate().map(move |(inner, t)| (index, inner, t)))
        .filter(|(.., transform)| transform.id == KEY_IKE)
}

fn answer(offer: &SaPayload, proposal: usize, transform: usize, personality: &Personality) -> SaPayload {
    let mut chosen = offer.proposals[proposal].clone();
    let mut only = chosen.transforms.swap_remove(transform);
    if personality.answer_numbers == AnswerNumbers::ByPosition {
        chosen.number = position(proposal);
        only.number = position(transform);
    }
    chosen.transforms = vec![only];
    SaPayload { proposals: vec![chosen], ..*offer }
}

/// A place in an offer as a number, from 1.
pub(crate) fn position(index: usize) -> u8 {
    u8::try_from(index + 1).unwrap_or(u8::MAX)
}

fn comparison(
    transform: &Transform,
    policy: &IsakmpPolicy,
    more: bool,
    oakley: &Oakley,
    compared: Result<(), PolicyMismatch>,
) -> EventKind {
    let seconds = |lifetime: Option<Duration>| {
        lifetime.map_or(UNLIMITED, |lifetime| u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX))
    };
    let outcome = match compared {
        Ok(()) => PolicyOutcome::Accepted {
            own_lifetime: seconds(policy.lifetime),
            offered_lifetime: oakley.seconds,
            lifetime: seconds(oakley.agree(policy).lifetime),
        },
        Err(mismatch) => PolicyOutcome::Refused(mismatch),
    };
    let attributes = transform.attributes.clone();
    EventKind::PolicyCompared { transform: transform.number, priority: policy.priority, attributes, more, outcome }
}

fn attribute_name(mismatch: PolicyMismatch) -> &'static str {
    match mismatch {
        PolicyMismatch::Encryption { .. } => "encryption",
        PolicyMismatch::KeyLength { .. } => "key length",
        PolicyMismatch::Hash { .. } => "hash",
        PolicyMismatch::Group { .. } => "group",
        PolicyMismatch::Authentication { .. } | PolicyMismatch::NoPreSharedKey => "authentication",
    }
}

fn attributes(policy: &IsakmpPolicy, personality: &Personality) -> Vec<Attribute> {
    let Some((cipher, key_length)) = cipher_number(policy.cipher) else { return Vec::new() };
    let lifetime = policy.lifetime.map(|lifetime| u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX));
    let attribute = |kind: &OakleyAttribute| match kind {
        OakleyAttribute::Encryption => Some(Attribute::basic(*kind, cipher)),
        OakleyAttribute::KeyLength => key_length.map(|bits| Attribute::basic(*kind, bits)),
        OakleyAttribute::Hash => Some(Attribute::basic(*kind, hash_number(policy.hash))),
        OakleyAttribute::Group => Some(Attribute::basic(*kind, policy.group.number())),
        OakleyAttribute::Authentication => Some(Attribute::basic(*kind, policy.authentication)),
        OakleyAttribute::LifeType => lifetime.map(|_| Attribute::basic(*kind, LifeType::Seconds)),
        OakleyAttribute::LifeDuration => lifetime.map(|seconds| Attribute::duration(*kind, seconds)),
        _ => None,
    };
    personality.phase1_attributes.iter().filter_map(attribute).collect()
}

/// A cipher and its key length as phase 1 numbers them; `None` for those that are for ESP only.
fn cipher_number(cipher: Cipher) -> Option<(OakleyCipher, Option<u16>)> {
    Some(match cipher {
        Cipher::Des => (OakleyCipher::Des, None),
        Cipher::TripleDes => (OakleyCipher::TripleDes, None),
        Cipher::Aes128 => (OakleyCipher::Aes, Some(128)),
        Cipher::Aes192 => (OakleyCipher::Aes, Some(192)),
        Cipher::Aes256 => (OakleyCipher::Aes, Some(256)),
        Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm | Cipher::Null => return None,
    })
}

fn hash_number(hash: Hash) -> OakleyHash {
    match hash {
        Hash::Md5 => OakleyHash::Md5,
        Hash::Sha1 => OakleyHash::Sha1,
        Hash::Sha256 => OakleyHash::Sha256,
        Hash::Sha384 => OakleyHash::Sha384,
        Hash::Sha512 => OakleyHash::Sha512,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ike::rig::policy;

    const AES256: u16 = 7;

    fn offer_of(transforms: Vec<Vec<Attribute>>) -> SaPayload {
        let transforms =
            transforms.into_iter().zip(1..).map(|(attributes, number)| Transform::new(number, 1, attributes));
        let transforms = transforms.collect();
        let proposal = Proposal { reserved: 0, number: 1, protocol: ProtocolId::Isakmp, spi: vec![], transforms };
        SaPayload::ipsec(vec![proposal])
    }

    fn chosen(offer: &SaPayload, policies: &[IsakmpPolicy]) -> Option<Chosen> {
        choose(offer, policies, true, &Personality::linux(), |_| {})
    }

    fn attributes() -> Vec<Attribute> {
        vec![
            Attribute::basic(OakleyAttribute::Encryption, AES256),
            Attribute::basic(OakleyAttribute::KeyLength, 256_u16),
            Attribute::basic(OakleyAttribute::Hash, OakleyHash::Sha1),
            Attribute::basic(OakleyAttribute::Group, 5_u16),
            Attribute::basic(OakleyAttribute::Authentication, AuthenticationMethod::PreSharedKey),
            Attribute::basic(OakleyAttribute::LifeType, LifeType::Seconds),
            Attribute::variable(OakleyAttribute::LifeDuration, 28800_u32.to_be_bytes()),
        ]
    }

    #[test]
    fn attributes_are_read_in_any_order_and_format() {
        let wanted = [policy(Cipher::Aes256, Hash::Sha1, Group::Modp1536)];
        let mut order = attributes();
        for rotation in 0..order.len() {
            // A life type goes before its duration.
            let kinds: Vec<u16> = order.iter().map(|attribute| attribute.kind).collect();
            let place = |kind: OakleyAttribute| kinds.iter().position(|found| *found == u16::from(kind)).unwrap();
            if place(OakleyAttribute::LifeType) < place(OakleyAttribute::LifeDuration) {
                let offer = offer_of(vec![order.clone()]);
                let chosen = chosen(&offer, &wanted).unwrap_or_else(|| panic!("rotation {rotation}"));
                assert_eq!(chosen.agreed.lifetime, Some(Duration::from_secs(28800)));
                assert_eq!(chosen.answer, offer, "given back as offered");
            }
            order.rotate_left(1);
        }
    }

    #[test]
    fn key_lengths_as_variable_attributes_and_long_durations() {
        let mut offered = attributes();
        offered[1] = Attribute::variable(OakleyAttribute::KeyLength, [0, 0, 1, 0]);
        offered[6] = Attribute::variable(OakleyAttribute::LifeDuration, [0, 0, 0, 1, 0, 0, 0, 0]);
        let mut wanted = policy(Cipher::Aes256, Hash::Sha1, Group::Modp1536);
        wanted.lifetime = None;
        let agreed = chosen(&offer_of(vec![offered]), &[wanted]).unwrap().agreed;
        assert_eq!(agreed.lifetime, Some(Duration::from_secs(u32::MAX.into())));
    }

    #[test]
    fn an_aes_without_key_length_is_of_128_bits() {
        let mut offered = attributes();
        offered.remove(1);
        let offer = offer_of(vec![offered]);
        assert!(chosen(&offer, &[policy(Cipher::Aes256, Hash::Sha1, Group::Modp1536)]).is_none());
        assert!(chosen(&offer, &[policy(Cipher::Aes128, Hash::Sha1, Group::Modp1536)]).is_some());
    }

    #[test]
    fn numbers_in_the_answer_are_echoed_or_positions() {
        let mut offer = offer_of(vec![vec![], attributes()]);
        offer.proposals[0].number = 0;
        offer.proposals[0].transforms[1].number = 7;
        let wanted = [policy(Cipher::Aes256, Hash::Sha1, Group::Modp1536)];
        for (answer_numbers, expected) in [(AnswerNumbers::Echoed, (0, 7)), (AnswerNumbers::ByPosition, (1, 2))] {
            let personality = Personality { answer_numbers, ..Personality::linux() };
            let answer = choose(&offer, &wanted, true, &personality, |_| {}).unwrap().answer;
            assert_eq!((answer.proposals[0].number, answer.proposals[0].transforms[0].number), expected);
            assert_eq!(answer.proposals[0].transforms.len(), 1);
        }
    }

    #[test]
    fn the_shorter_lifetime_holds() {
        let mut wanted = policy(Cipher::Aes256, Hash::Sha1, Group::Modp1536);
        for (own, agreed, cut) in [(600, 600, true), (86400, 28800, false), (28800, 28800, false)] {
            wanted.lifetime = Some(Duration::from_secs(own));
            let chosen = chosen(&offer_of(vec![attributes()]), &[wanted]).unwrap();
            assert_eq!(chosen.agreed.lifetime, Some(Duration::from_secs(agreed)));
            assert_eq!(chosen.agreed.cut.is_some(), cut);
        }
    }

    #[test]
    fn an_answer_must_be_what_was_offered() {
        let offered = [policy(Cipher::Aes256, Hash::Sha1, Group::Modp1536)];
        let check = |transforms| check_answer(&offer_of(transforms), &offered, |_| {});
        assert!(check(vec![attributes()]).is_ok());
        assert_eq!(check(vec![attributes(), attributes()]).unwrap_err(), "number of transforms");
        assert_eq!(check(vec![]).unwrap_err(), "number of transforms");
        let mut other = attributes();
        other[3] = Attribute::basic(OakleyAttribute::Group, 2_u16);
        assert_eq!(check(vec![other]).unwrap_err(), "group");
    }

    #[test]
    fn proposals_of_other_protocols_are_passed_over() {
        let mut offer = offer_of(vec![attributes()]);
        offer.proposals.insert(0, Proposal { protocol: ProtocolId::Esp, ..offer.proposals[0].clone() });
        offer.proposals[1].transforms.insert(0, Transform::new(9, 2, attributes()));
        let wanted = [policy(Cipher::Aes256, Hash::Sha1, Group::Modp1536)];
        let answer = chosen(&offer, &wanted).unwrap().answer;
        assert_eq!(answer.proposals[0].protocol, ProtocolId::Isakmp);
        assert_eq!(answer.proposals[0].transforms[0].number, 1);
    }
}
