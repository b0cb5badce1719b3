//! Phase 2 proposals (RFC 2407 4.4 and 4.5).

use crate::crypto::{Cipher, Group, Hash};
use crate::ike::event::OfferedTransform;
use crate::ike::personality::{AnswerNumbers, OfferLayout, Personality, Phase2Attribute};
use crate::ike::proposal::phase1::position;
use crate::ike::sa::{EspSuite, Lifetimes, Mode, QuickRequest};
use crate::wire::Spi;
use crate::wire::isakmp::{
    Attribute, EncapsulationMode, EspAuthentication, EspTransform, IpsecAttribute, LifeType, Proposal, ProtocolId,
    SaPayload, Transform,
};

/// Alternatives of one offer that are looked at; no sane peer has more.
const MAX_ALTERNATIVES: usize = 256;

/// The attributes of a phase 2 transform, whatever their order and format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Attributes {
    encapsulation: Option<EncapsulationMode>,
    authentication: Option<EspAuthentication>,
    key_length: Option<u16>,
    group: Option<u16>,
    lifetimes: Lifetimes,
}

/// One choice an offer leaves: a transform for each protocol of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alternative {
    /// Number of the proposal.
    pub number: u8,
    /// Index of its first protocol in the SA payload.
    pub proposal: usize,
    /// Index of the transform within that.
    pub transform: usize,
    /// The peer's SPI as it stands.
    pub spi: Vec<u8>,
    /// The transforms, one for each protocol.
    pub transforms: Vec<OfferedTransform>,
}

impl OfferedTransform {
    pub(crate) fn read(protocol: ProtocolId, transform: &Transform) -> Self {
        Self { protocol, number: transform.number, id: transform.id, attributes: transform.attributes.clone() }
    }

    /// The algorithms; `None` when it is no ESP transform or one the data path cannot do.
    pub fn suite(&self) -> Option<EspSuite> {
        if self.protocol != ProtocolId::Esp {
            return None;
        }
        let attributes = self.attributes();
        // RFC 3602 5.3: without the attribute it is 128.
        let bits = attributes.key_length.unwrap_or(128);
        let cipher = match (EspTransform::from(self.id), bits) {
            (EspTransform::Des, _) => Cipher::Des,
            (EspTransform::TripleDes, _) => Cipher::TripleDes,
            (EspTransform::Null, _) => Cipher::Null,
            (EspTransform::Aes, 128) => Cipher::Aes128,
            (EspTransform::Aes, 192) => Cipher::Aes192,
            (EspTransform::Aes, 256) => Cipher::Aes256,
            (EspTransform::AesGcm16, 128) => Cipher::Aes128Gcm,
            (EspTransform::AesGcm16, 192) => Cipher::Aes192Gcm,
            (EspTransform::AesGcm16, 256) => Cipher::Aes256Gcm,
            _ => return None,
        };
        let integrity = match attributes.authentication {
            None => None,
            Some(EspAuthentication::HmacMd5) => Some(Hash::Md5),
            Some(EspAuthentication::HmacSha1) => Some(Hash::Sha1),
            Some(EspAuthentication::HmacSha256) => Some(Hash::Sha256),
            Some(EspAuthentication::HmacSha384) => Some(Hash::Sha384),
            Some(EspAuthentication::HmacSha512) => Some(Hash::Sha512),
            Some(_) => return None,
        };
        let useful = cipher.is_aead() != integrity.is_some() || (!cipher.is_aead() && cipher != Cipher::Null);
        useful.then_some(EspSuite { cipher, integrity })
    }

    /// The encapsulation as it stands; tunnel where the transform leaves it open (RFC 2407 4.5).
    pub fn encapsulation(&self) -> EncapsulationMode {
        self.attributes().encapsulation.unwrap_or(EncapsulationMode::Tunnel)
    }

    /// Tunnel or transport, whether in UDP or not; `None` for an unknown encapsulation.
    pub fn mode(&self) -> Option<Mode> {
        match self.encapsulation() {
            EncapsulationMode::Tunnel | EncapsulationMode::UdpTunnel | EncapsulationMode::UdpTunnelDraft => {
                Some(Mode::Tunnel)
            }
            EncapsulationMode::Transport | EncapsulationMode::UdpTransport | EncapsulationMode::UdpTransportDraft => {
                Some(Mode::Transport)
            }
            EncapsulationMode::Unknown(_) => None,
        }
    }

    /// Whether ESP is to be carried in UDP.
    pub fn in_udp(&self) -> bool {
        !matches!(self.encapsulation(), EncapsulationMode::Tunnel | EncapsulationMode::Transport)
    }

    /// The group of perfect forward secrecy as it stands.
    pub fn group(&self) -> Option<u16> {
        self.attributes().group
    }

    /// The lifetimes.
    pub fn lifetimes(&self) -> Lifetimes {
        self.attributes().lifetimes
    }

    /// Whether the engine can make SAs of it.
    pub(crate) fn usable(&self) -> bool {
        let group = self.group().is_none_or(|number| Group::from_number(number).is_some());
        self.suite().is_some() && self.mode().is_some() && group
    }

    fn attributes(&self) -> Attributes {
        let mut read = Attributes { lifetimes: read_lifetimes(&self.attributes), ..Attributes::default() };
        for attribute in &self.attributes {
            let short = attribute.number().map(|number| u16::try_from(number).unwrap_or(u16::MAX));
            match IpsecAttribute::from(attribute.kind) {
                IpsecAttribute::Encapsulation => read.encapsulation = short.map(Into::into),
                IpsecAttribute::Authentication => read.authentication = short.map(Into::into),
                IpsecAttribute::KeyLength => read.key_length = short,
                IpsecAttribute::Group => read.group = short,
                _ => {}
            }
        }
        read
    }
}

/// The lifetimes among attributes: of a transform, or of a RESPONDER-LIFETIME. Those too long for the type are cut.
pub(crate) fn read_lifetimes(attributes: &[Attribute]) -> Lifetimes {
    let mut lifetimes = Lifetimes::default();
    let mut life_type = None;
    for attribute in attributes {
        match IpsecAttribute::from(attribute.kind) {
            IpsecAttribute::LifeType => life_type = attribute.number(),
            IpsecAttribute::LifeDuration => {
                let duration = attribute.number().map(|number| u32::try_from(number).unwrap_or(u32::MAX));
                match life_type.and_then(|number| u16::try_from(number).ok()).map(LifeType::from) {
                    Some(LifeType::Seconds) => lifetimes.seconds = duration,
                    Some(LifeType::Kilobytes) => lifetimes.kilobytes = duration,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    lifetimes
}

/// The lifetimes as attributes, seconds first.
pub(crate) fn lifetime_attributes(lifetimes: Lifetimes) -> Vec<Attribute> {
    [(LifeType::Seconds, lifetimes.seconds), (LifeType::Kilobytes, lifetimes.kilobytes)]
        .into_iter()
        .filter_map(|(kind, value)| value.map(|value| (kind, value)))
        .flat_map(|(kind, value)| {
            [Attribute::basic(IpsecAttribute::LifeType, kind), Attribute::duration(IpsecAttribute::LifeDuration, value)]
        })
        .collect()
}

/// The SA payload that offers what `request` wants, with our inbound SPI.
pub(crate) fn offer(
    request: &QuickRequest,
    spi: Spi,
    encapsulation: EncapsulationMode,
    personality: &Personality,
) -> SaPayload {
    let first = personality.first_number;
    let transform = |suite: &EspSuite, number| {
        Transform::new(number, esp_transform(suite.cipher), attributes(request, suite, encapsulation, personality))
    };
    let proposal = |number, transforms| Proposal {
        reserved: 0,
        number,
        protocol: ProtocolId::Esp,
        spi: spi.to_bytes().to_vec(),
        transforms,
    };
    let numbered = request.suites.iter().zip(first..=u8::MAX);
    SaPayload::ipsec(match personality.phase2_layout {
        OfferLayout::ProposalPerSuite => {
            numbered.map(|(suite, number)| proposal(number, vec![transform(suite, first)])).collect()
        }
        OfferLayout::TransformPerSuite => {
            vec![proposal(first, numbered.map(|(suite, number)| transform(suite, number)).collect())]
        }
    })
}

/// The alternatives of an offer in its order. Protocols of one proposal number belong together (RFC 2408 4.2).
pub(crate) fn alternatives(offer: &SaPayload) -> Vec<Alternative> {
    let mut alternatives = Vec::new();
    let mut index = 0;
    while index < offer.proposals.len() {
        let first = &offer.proposals[index];
        let protocols = offer.proposals[index..].iter().take_while(|proposal| proposal.number == first.number).count();
        let bundle = &offer.proposals[index..index + protocols];
        for (transform_index, transform) in first.transforms.iter().enumerate() {
            let others = bundle[1..].iter().filter_map(|proposal| {
                proposal.transforms.first().map(|transform| OfferedTransform::read(proposal.protocol, transform))
            });
            alternatives.push(Alternative {
                number: first.number,
                proposal: index,
                transform: transform_index,
                spi: first.spi.clone(),
                transforms: std::iter::once(OfferedTransform::read(first.protocol, transform)).chain(others).collect(),
            });
            if alternatives.len() == MAX_ALTERNATIVES {
                return alternatives;
            }
        }
        index += protocols;
    }
    alternatives
}

/// The answer to `offer` that takes `chosen`, with our inbound SPI and the attributes as offered
/// (real-cisco-on-the-wire 5b \[S\]).
pub(crate) fn answer(offer: &SaPayload, chosen: &Alternative, spi: Spi, personality: &Personality) -> SaPayload {
    let mut proposal = offer.proposals[chosen.proposal].clone();
    let mut transform = proposal.transforms.swap_remove(chosen.transform);
    if personality.answer_numbers == AnswerNumbers::ByPosition {
        proposal.number = position(chosen.proposal);
        transform.number = position(chosen.transform);
    }
    proposal.spi = spi.to_bytes().to_vec();
    proposal.transforms = vec![transform];
    SaPayload { proposals: vec![proposal], ..*offer }
}

fn attributes(
    request: &QuickRequest,
    suite: &EspSuite,
    encapsulation: EncapsulationMode,
    personality: &Personality,
) -> Vec<Attribute> {
    let lifetime = |lifetimes: Lifetimes| lifetime_attributes(lifetimes);
    let attribute = |kind: &Phase2Attribute| match kind {
        Phase2Attribute::Encapsulation => vec![Attribute::basic(IpsecAttribute::Encapsulation, encapsulation)],
        Phase2Attribute::Seconds => lifetime(Lifetimes { kilobytes: None, ..request.lifetimes }),
        Phase2Attribute::Kilobytes => lifetime(Lifetimes { seconds: None, ..request.lifetimes }),
        Phase2Attribute::Authentication => suite
            .integrity
            .map(|hash| Attribute::basic(IpsecAttribute::Authentication, authentication(hash)))
            .into_iter()
            .collect(),
        Phase2Attribute::KeyLength => {
            key_length(suite.cipher).map(|bits| Attribute::basic(IpsecAttribute::KeyLength, bits)).into_iter().collect()
        }
        Phase2Attribute::Group => {
            request.pfs.map(|group| Attribute::basic(IpsecAttribute::Group, group.number())).into_iter().collect()
        }
    };
    personality.phase2_attributes.iter().flat_map(attribute).collect()
}

fn esp_transform(cipher: Cipher) -> EspTransform {
    match cipher {
        Cipher::Des => EspTransform::Des,
        Cipher::TripleDes => EspTransform::TripleDes,
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => EspTransform::Aes,
        Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm => EspTransform::AesGcm16,
        Cipher::Null => EspTransform::Null,
    }
}

fn key_length(cipher: Cipher) -> Option<u16> {
    match cipher {
        Cipher::Aes128 | Cipher::Aes128Gcm => Some(128),
        Cipher::Aes192 | Cipher::Aes192Gcm => Some(192),
        Cipher::Aes256 | Cipher::Aes256Gcm => Some(256),
        Cipher::Des | Cipher::TripleDes | Cipher::Null => None,
    }
}

fn authentication(hash: Hash) -> EspAuthentication {
    match hash {
        Hash::Md5 => EspAuthentication::HmacMd5,
        Hash::Sha1 => EspAuthentication::HmacSha1,
        Hash::Sha256 => EspAuthentication::HmacSha256,
        Hash::Sha384 => EspAuthentication::HmacSha384,
        Hash::Sha512 => EspAuthentication::HmacSha512,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::ike::sa::RequestId;
    use crate::ike::selector::{Selector, Selectors};

    const SHA1: EspSuite = EspSuite { cipher: Cipher::Aes128, integrity: Some(Hash::Sha1) };
    const MD5: EspSuite = EspSuite { cipher: Cipher::TripleDes, integrity: Some(Hash::Md5) };

    fn request(suites: Vec<EspSuite>) -> QuickRequest {
        QuickRequest {
            id: RequestId(1),
            entry: String::new(),
            interface: String::new(),
            local: Ipv4Addr::LOCALHOST,
            peer: Ipv4Addr::LOCALHOST,
            selectors: Selectors { local: Selector::ANY, remote: Selector::ANY },
            suites,
            mode: Mode::Tunnel,
            pfs: Some(Group::Modp1024),
            lifetimes: Lifetimes { seconds: Some(3600), kilobytes: Some(4_608_000) },
        }
    }

    /// The order of cisco-ios-facts 5.1 [S:LOG-XE3, LOG-123].
    #[test]
    fn an_offer_in_the_order_of_the_personality() {
        use Phase2Attribute as B;
        let personality = Personality {
            phase2_attributes: vec![
                B::Encapsulation,
                B::Seconds,
                B::Kilobytes,
                B::Authentication,
                B::KeyLength,
                B::Group,
            ],
            phase2_layout: OfferLayout::ProposalPerSuite,
            ..Personality::linux()
        };
        let offer = offer(&request(vec![SHA1, MD5]), Spi(0x1234), EncapsulationMode::Tunnel, &personality);
        assert_eq!(offer.proposals.len(), 2);
        assert_eq!(offer.proposals.iter().map(|proposal| proposal.number).collect::<Vec<_>>(), [1, 2]);
        let mut octets = Vec::new();
        offer.proposals[0].transforms[0].attributes.iter().for_each(|attribute| attribute.emit(&mut octets));
        assert_eq!(
            hex::encode(octets),
            "80040001800100018002 0e10 80010002 00020004 00465000 80050002 80060080 80030002".replace(' ', "")
        );
        assert_eq!(alternatives(&offer).iter().map(|found| found.number).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_is_offered_is_read_again() {
        for layout in [OfferLayout::ProposalPerSuite, OfferLayout::TransformPerSuite] {
            let personality = Personality { phase2_layout: layout, ..Personality::linux() };
            let request = request(vec![SHA1, MD5]);
            let offer = offer(&request, Spi(0x1234), EncapsulationMode::UdpTunnelDraft, &personality);
            let found = alternatives(&offer);
            assert_eq!(found.len(), 2);
            for (alternative, suite) in found.iter().zip(&request.suites) {
                let [transform] = &alternative.transforms[..] else { panic!("{alternative:?}") };
                assert_eq!(transform.suite(), Some(*suite));
                assert_eq!((transform.mode(), transform.in_udp()), (Some(Mode::Tunnel), true));
                assert_eq!((transform.group(), transform.lifetimes()), (Some(2), request.lifetimes));
                assert!(transform.usable());
                let answer = answer(&offer, alternative, Spi(0x9999), &personality);
                assert_eq!(answer.proposals[0].spi, Spi(0x9999).to_bytes());
                assert_eq!(answer.proposals[0].transforms[0].attributes, transform.attributes);
            }
        }
    }

    #[test]
    fn protocols_of_one_number_belong_together() {
        let mut offer = offer(&request(vec![SHA1, MD5]), Spi(0x1234), EncapsulationMode::Tunnel, &Personality::linux());
        let ah = Proposal {
            protocol: ProtocolId::Ah,
            transforms: vec![Transform::new(1, 3, vec![])],
            ..offer.proposals[0].clone()
        };
        offer.proposals.insert(0, ah);
        let found = alternatives(&offer);
        assert_eq!(found.len(), 1, "one transform of AH");
        let protocols: Vec<ProtocolId> = found[0].transforms.iter().map(|transform| transform.protocol).collect();
        assert_eq!(protocols, [ProtocolId::Ah, ProtocolId::Esp]);
        assert!(!found[0].transforms[0].usable(), "no SAs are made of AH");
    }

    #[test]
    fn what_no_data_path_can_do_is_unusable() {
        let transform = |id: u8, attributes| OfferedTransform { protocol: ProtocolId::Esp, number: 1, id, attributes };
        let sha = Attribute::basic(IpsecAttribute::Authentication, EspAuthentication::HmacSha1);
        let null = EspTransform::Null.into();
        assert!(transform(null, vec![sha.clone()]).usable());
        assert!(!transform(null, vec![]).usable(), "neither encryption nor integrity");
        assert!(!transform(EspTransform::Cast.into(), vec![sha.clone()]).usable());
        let bits = |bits: u16| Attribute::basic(IpsecAttribute::KeyLength, bits);
        let aes = EspTransform::Aes.into();
        assert!(!transform(aes, vec![sha.clone(), bits(100)]).usable());
        assert!(transform(aes, vec![bits(256)]).usable(), "esp-aes alone");
        assert!(!transform(EspTransform::AesGcm16.into(), vec![sha.clone()]).usable(), "integrity twice");
        let group = Attribute::basic(IpsecAttribute::Group, 99_u16);
        assert!(!transform(aes, vec![sha, group]).usable());
    }

    #[test]
    fn so_many_alternatives_and_no_more() {
        let mut offer = offer(&request(vec![SHA1]), Spi(0x1234), EncapsulationMode::Tunnel, &Personality::linux());
        let transform = offer.proposals[0].transforms[0].clone();
        offer.proposals[0].transforms = vec![transform; 200];
        offer.proposals = (1..=5).map(|number| Proposal { number, ..offer.proposals[0].clone() }).collect();
        assert_eq!(alternatives(&offer).len(), MAX_ALTERNATIVES);
    }
}
