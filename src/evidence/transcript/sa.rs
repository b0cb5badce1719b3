//! SA payloads: proposals attribute by attribute, and which of them an answer chose.

use super::Names;
use crate::wire::isakmp::{
    AhTransform, Attribute, AttributeValue, AuthenticationMethod, EncapsulationMode, EspAuthentication, EspTransform,
    IpcompTransform, IpsecAttribute, LifeType, OakleyAttribute, OakleyCipher, OakleyHash, Proposal, ProtocolId,
    SaPayload, Transform,
};

/// The payload as lines.
pub(super) fn lines(sa: &SaPayload, names: &mut Names, lines: &mut Vec<String>) {
    lines.push("SA".to_owned());
    if sa.doi != 1 || sa.situation != 1 {
        lines.push(format!("  DOI {}, situation {}", sa.doi, sa.situation));
    }
    for proposal in &sa.proposals {
        let spi = if proposal.spi.is_empty() { String::new() } else { format!(", {}", names.spi(&proposal.spi)) };
        lines.push(format!("  proposal {} {}{spi}", proposal.number, proposal.protocol));
        for transform in &proposal.transforms {
            lines.push(format!("    transform {} {}", transform.number, transform_text(proposal, transform)));
        }
    }
}

/// Which of the offered transforms the answer chose, a line a proposal, and what it changed in them.
pub(super) fn choice(offered: &SaPayload, answer: &SaPayload) -> Vec<String> {
    answer.proposals.iter().map(|chosen| proposal_choice(offered, chosen)).collect()
}

fn proposal_choice(offered: &SaPayload, chosen: &Proposal) -> String {
    let Some(transform) = chosen.transforms.first() else {
        return format!("answers with an empty {} proposal", chosen.protocol);
    };
    let of_protocol = || offered.proposals.iter().filter(|proposal| proposal.protocol == chosen.protocol);
    let total: usize = of_protocol().map(|proposal| proposal.transforms.len()).sum();
    let candidates = || of_protocol().flat_map(|proposal| proposal.transforms.iter().map(move |own| (proposal, own)));
    let number = |(proposal, own): &(&Proposal, &Transform)| (proposal.number, own.number);
    let same = |(_, own): &(&Proposal, &Transform)| {
        own.id == transform.id && essence(chosen, own) == essence(chosen, transform)
    };
    let exact = candidates().find(|found| same(found) && number(found) == (chosen.number, transform.number));
    let Some((proposal, own)) = exact.or_else(|| candidates().find(same)) else {
        return format!("answers with a transform that is none of the {total} offered");
    };
    let mut text = match of_protocol().count() {
        1 => format!("chooses transform {} of {total}", own.number),
        _ => format!("chooses proposal {}, transform {} of {total}", proposal.number, own.number),
    };
    let (offered, answered) = (lifetimes(chosen, own), lifetimes(chosen, transform));
    if offered != answered {
        let words = |lifetimes: Vec<String>| match lifetimes.is_empty() {
            true => "no lifetime".to_owned(),
            false => lifetimes.join(", "),
        };
        text.push_str(&format!(", with {} instead of {}", words(answered), words(offered)));
    }
    if chosen.transforms.len() > 1 {
        text.push_str(&format!(", and {} more", chosen.transforms.len() - 1));
    }
    text
}

/// What must be equal for two transforms to mean the same: all attributes but the lifetimes, in any order and format.
fn essence(proposal: &Proposal, transform: &Transform) -> Vec<(u16, Vec<u8>)> {
    let (kind, duration) = life_kinds(proposal);
    let mut attributes: Vec<(u16, Vec<u8>)> = transform
        .attributes
        .iter()
        .filter(|attribute| attribute.kind != kind && attribute.kind != duration)
        .map(|attribute| (attribute.kind, significant(attribute)))
        .collect();
    attributes.sort();
    attributes
}

fn significant(attribute: &Attribute) -> Vec<u8> {
    match &attribute.value {
        AttributeValue::Basic(number) => number.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect(),
        AttributeValue::Variable(octets) => octets.iter().copied().skip_while(|octet| *octet == 0).collect(),
    }
}

/// A transform by its id and attributes.
pub(super) fn transform_text(proposal: &Proposal, transform: &Transform) -> String {
    let mut parts = attributes(proposal, transform);
    parts.extend(lifetimes(proposal, transform));
    format!("{}: {}", id_text(proposal, transform), parts.join(", "))
}

/// A transform as the SA that is made of it, without its lifetimes.
pub(super) fn algorithms(proposal: &Proposal, transform: &Transform) -> String {
    let id = id_text(proposal, transform);
    std::iter::once(id).chain(attributes(proposal, transform)).collect::<Vec<_>>().join(", ")
}

fn id_text(proposal: &Proposal, transform: &Transform) -> String {
    match proposal.protocol {
        ProtocolId::Isakmp if transform.id == 1 => "KEY_IKE".to_owned(),
        ProtocolId::Esp => EspTransform::from(transform.id).to_string(),
        ProtocolId::Ah => AhTransform::from(transform.id).to_string(),
        ProtocolId::Ipcomp => IpcompTransform::from(transform.id).to_string(),
        _ => transform.id.to_string(),
    }
}

fn attributes(proposal: &Proposal, transform: &Transform) -> Vec<String> {
    let (kind, duration) = life_kinds(proposal);
    let others = transform.attributes.iter().filter(|attribute| attribute.kind != kind && attribute.kind != duration);
    let isakmp = proposal.protocol == ProtocolId::Isakmp;
    others.map(|attribute| if isakmp { oakley(attribute) } else { ipsec(attribute) }).collect()
}

fn life_kinds(proposal: &Proposal) -> (u16, u16) {
    match proposal.protocol {
        ProtocolId::Isakmp => (OakleyAttribute::LifeType.into(), OakleyAttribute::LifeDuration.into()),
        _ => (IpsecAttribute::LifeType.into(), IpsecAttribute::LifeDuration.into()),
    }
}

/// Each lifetime with its unit: a duration belongs to the life type before it.
fn lifetimes(proposal: &Proposal, transform: &Transform) -> Vec<String> {
    let (kind, duration) = life_kinds(proposal);
    let mut unit = LifeType::Seconds;
    let mut texts = Vec::new();
    for attribute in &transform.attributes {
        if attribute.kind == kind {
            unit = LifeType::from(short(attribute));
        } else if attribute.kind == duration {
            texts.push(format!("{} {unit}", value(attribute)));
        }
    }
    texts
}

/// The lifetimes a RESPONDER-LIFETIME notify carries (RFC 2407 4.6.3.1).
pub(super) fn responder_lifetime(data: &[u8]) -> String {
    let attributes = Attribute::parse_all(&mut crate::wire::Reader::new(data)).unwrap_or_default();
    let pairs = attributes.chunks(2).map(|pair| match pair {
        [unit, duration] => format!("{} {}", value(duration), LifeType::from(short(unit))),
        _ => "half a lifetime".to_owned(),
    });
    pairs.collect::<Vec<_>>().join(", ")
}

fn oakley(attribute: &Attribute) -> String {
    match OakleyAttribute::from(attribute.kind) {
        OakleyAttribute::Encryption => OakleyCipher::from(short(attribute)).to_string(),
        OakleyAttribute::Hash => OakleyHash::from(short(attribute)).to_string(),
        OakleyAttribute::Authentication => AuthenticationMethod::from(short(attribute)).to_string(),
        OakleyAttribute::Unknown(kind) => format!("attribute {kind} {}", value(attribute)),
        kind => format!("{kind} {}", value(attribute)),
    }
}

fn ipsec(attribute: &Attribute) -> String {
    match IpsecAttribute::from(attribute.kind) {
        IpsecAttribute::Encapsulation => EncapsulationMode::from(short(attribute)).to_string(),
        IpsecAttribute::Authentication => EspAuthentication::from(short(attribute)).to_string(),
        IpsecAttribute::Unknown(kind) => format!("attribute {kind} {}", value(attribute)),
        kind => format!("{kind} {}", value(attribute)),
    }
}

fn short(attribute: &Attribute) -> u16 {
    attribute.number().and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

fn value(attribute: &Attribute) -> String {
    match (&attribute.value, attribute.number()) {
        (_, Some(number)) => number.to_string(),
        (AttributeValue::Variable(octets), None) => hex::encode(octets),
        (AttributeValue::Basic(number), None) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transform(number: u8, cipher: u16, life: u32) -> Transform {
        let attributes = vec![
            Attribute::basic(OakleyAttribute::Encryption, cipher),
            Attribute::basic(OakleyAttribute::LifeType, 1_u16),
            Attribute::duration(OakleyAttribute::LifeDuration, life),
        ];
        Transform::new(number, 1, attributes)
    }

    fn payload(transforms: Vec<Transform>) -> SaPayload {
        let proposal = Proposal { reserved: 0, number: 1, protocol: ProtocolId::Isakmp, spi: Vec::new(), transforms };
        SaPayload::ipsec(vec![proposal])
    }

    #[test]
    fn says_what_was_chosen() {
        let offered = payload(vec![transform(1, 7, 3600), transform(2, 5, 3600), transform(3, 5, 3600)]);
        let chosen = |number, cipher, life| choice(&offered, &payload(vec![transform(number, cipher, life)]));
        assert_eq!(chosen(3, 5, 3600), ["chooses transform 3 of 3"]);
        // Renumbered, as some do: it is told by what it says.
        assert_eq!(chosen(9, 7, 3600), ["chooses transform 1 of 3"]);
        assert_eq!(chosen(1, 7, 86_400), ["chooses transform 1 of 3, with 86400 seconds instead of 3600 seconds"]);
        assert_eq!(chosen(1, 1, 3600), ["answers with a transform that is none of the 3 offered"]);
    }
}
