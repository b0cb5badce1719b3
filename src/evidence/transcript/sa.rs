//! SA payloads: proposals attribute by attribute, and which of them an answer chose.

use std::fmt;

use super::Names;
use super::lines::{Lines, put};
use crate::wire::isakmp::{
    AhTransform, Attribute, AttributeValue, AuthenticationMethod, EncapsulationMode, EspAuthentication, EspTransform,
    IpcompTransform, IpsecAttribute, LifeType, OakleyAttribute, OakleyCipher, OakleyHash, Proposal, ProtocolId,
    SaPayload, Transform,
};

/// The payload as lines.
pub(super) fn lines(sa: &SaPayload, names: &mut Names, lines: &mut Lines<'_>) {
    lines.begin().push_str("SA");
    if sa.doi != 1 || sa.situation != 1 {
        lines.add(format_args!("  DOI {}, situation {}", sa.doi, sa.situation));
    }
    for proposal in &sa.proposals {
        let line = lines.begin();
        put(line, format_args!("  proposal {} {}", proposal.number, proposal.protocol));
        if !proposal.spi.is_empty() {
            put(line, format_args!(", {}", names.spi(&proposal.spi)));
        }
        for transform in &proposal.transforms {
            let line = lines.begin();
            put(line, format_args!("    transform {} ", transform.number));
            put_transform(line, proposal, transform);
        }
    }
}

/// Which of the offered transforms the answer of `from` chose, a line a proposal, and what it changed in them.
pub(super) fn choice(offered: &SaPayload, answer: &SaPayload, from: &str, lines: &mut Lines<'_>) {
    for chosen in &answer.proposals {
        let line = lines.begin();
        put(line, format_args!("{from} "));
        put_choice(line, offered, chosen);
    }
}

fn put_choice(line: &mut String, offered: &SaPayload, chosen: &Proposal) {
    let Some(transform) = chosen.transforms.first() else {
        return put(line, format_args!("answers with an empty {} proposal", chosen.protocol));
    };
    let of_protocol = || offered.proposals.iter().filter(|proposal| proposal.protocol == chosen.protocol);
    let total: usize = of_protocol().map(|proposal| proposal.transforms.len()).sum();
    let candidates = || of_protocol().flat_map(|proposal| proposal.transforms.iter().map(move |own| (proposal, own)));
    let number = |(proposal, own): &(&Proposal, &Transform)| (proposal.number, own.number);
    let same = |(_, own): &(&Proposal, &Transform)| mean_the_same(chosen, own, transform);
    let exact = candidates().find(|found| number(found) == (chosen.number, transform.number) && same(found));
    let Some((proposal, own)) = exact.or_else(|| candidates().find(same)) else {
        return put(line, format_args!("answers with a transform that is none of the {total} offered"));
    };
    match of_protocol().count() {
        1 => put(line, format_args!("chooses transform {} of {total}", own.number)),
        _ => put(line, format_args!("chooses proposal {}, transform {} of {total}", proposal.number, own.number)),
    }
    if !lifetimes(chosen, own).eq(lifetimes(chosen, transform)) {
        line.push_str(", with ");
        put_lifetimes(line, chosen, transform);
        line.push_str(" instead of ");
        put_lifetimes(line, chosen, own);
    }
    if chosen.transforms.len() > 1 {
        put(line, format_args!(", and {} more", chosen.transforms.len() - 1));
    }
}

/// Whether two transforms mean the same: all attributes but the lifetimes are equal, in any order and format.
fn mean_the_same(proposal: &Proposal, one: &Transform, other: &Transform) -> bool {
    let essence = |transform| {
        let mut attributes: Vec<(u16, Vec<u8>)> =
            essential(proposal, transform).map(|attribute| (attribute.kind, significant(attribute))).collect();
        attributes.sort();
        attributes
    };
    one.id == other.id && (essential(proposal, one).eq(essential(proposal, other)) || essence(one) == essence(other))
}

/// All attributes but the lifetimes.
fn essential<'t>(proposal: &Proposal, transform: &'t Transform) -> impl Iterator<Item = &'t Attribute> {
    let (kind, duration) = life_kinds(proposal);
    transform.attributes.iter().filter(move |attribute| attribute.kind != kind && attribute.kind != duration)
}

fn significant(attribute: &Attribute) -> Vec<u8> {
    match &attribute.value {
        AttributeValue::Basic(number) => number.to_be_bytes().into_iter().skip_while(|octet| *octet == 0).collect(),
        AttributeValue::Variable(octets) => octets.iter().copied().skip_while(|octet| *octet == 0).collect(),
    }
}

/// A transform by its id and attributes.
fn put_transform(text: &mut String, proposal: &Proposal, transform: &Transform) {
    put_id(text, proposal, transform);
    let mut separator = ": ";
    for attribute in essential(proposal, transform) {
        text.push_str(std::mem::replace(&mut separator, ", "));
        put_attribute(text, proposal, attribute);
    }
    for lifetime in lifetimes(proposal, transform) {
        put(text, format_args!("{}{lifetime}", std::mem::replace(&mut separator, ", ")));
    }
    if separator == ": " {
        text.push_str(separator);
    }
}

/// A transform as the SA that is made of it, without its lifetimes.
pub(super) fn algorithms(proposal: &Proposal, transform: &Transform) -> String {
    let mut text = String::new();
    put_id(&mut text, proposal, transform);
    for attribute in essential(proposal, transform) {
        text.push_str(", ");
        put_attribute(&mut text, proposal, attribute);
    }
    text
}

fn put_id(text: &mut String, proposal: &Proposal, transform: &Transform) {
    let id = transform.id;
    match proposal.protocol {
        ProtocolId::Isakmp if id == 1 => text.push_str("KEY_IKE"),
        ProtocolId::Esp => put(text, format_args!("{}", EspTransform::from(id))),
        ProtocolId::Ah => put(text, format_args!("{}", AhTransform::from(id))),
        ProtocolId::Ipcomp => put(text, format_args!("{}", IpcompTransform::from(id))),
        _ => put(text, format_args!("{id}")),
    }
}

fn put_attribute(text: &mut String, proposal: &Proposal, attribute: &Attribute) {
    match proposal.protocol {
        ProtocolId::Isakmp => put_oakley(text, attribute),
        _ => put_ipsec(text, attribute),
    }
}

fn life_kinds(proposal: &Proposal) -> (u16, u16) {
    match proposal.protocol {
        ProtocolId::Isakmp => (OakleyAttribute::LifeType.into(), OakleyAttribute::LifeDuration.into()),
        _ => (IpsecAttribute::LifeType.into(), IpsecAttribute::LifeDuration.into()),
    }
}

/// A lifetime with its unit.
#[derive(PartialEq, Eq)]
struct Lifetime<'a> {
    duration: Value<'a>,
    unit: LifeType,
}

impl fmt::Display for Lifetime<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.duration, self.unit)
    }
}

/// Each lifetime: a duration belongs to the life type before it.
fn lifetimes<'t>(proposal: &Proposal, transform: &'t Transform) -> impl Iterator<Item = Lifetime<'t>> {
    let (kind, duration) = life_kinds(proposal);
    let mut unit = LifeType::Seconds;
    transform.attributes.iter().filter_map(move |attribute| {
        if attribute.kind == kind {
            unit = LifeType::from(short(attribute));
        }
        (attribute.kind == duration).then(|| Lifetime { duration: value(attribute), unit })
    })
}

fn put_lifetimes(text: &mut String, proposal: &Proposal, transform: &Transform) {
    let mut lifetimes = lifetimes(proposal, transform);
    match lifetimes.next() {
        Some(first) => put(text, format_args!("{first}")),
        None => text.push_str("no lifetime"),
    }
    lifetimes.for_each(|lifetime| put(text, format_args!(", {lifetime}")));
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

fn put_oakley(text: &mut String, attribute: &Attribute) {
    match OakleyAttribute::from(attribute.kind) {
        OakleyAttribute::Encryption => put(text, format_args!("{}", OakleyCipher::from(short(attribute)))),
        OakleyAttribute::Hash => put(text, format_args!("{}", OakleyHash::from(short(attribute)))),
        OakleyAttribute::Authentication => put(text, format_args!("{}", AuthenticationMethod::from(short(attribute)))),
        OakleyAttribute::Unknown(kind) => put(text, format_args!("attribute {kind} {}", value(attribute))),
        kind => put(text, format_args!("{kind} {}", value(attribute))),
    }
}

fn put_ipsec(text: &mut String, attribute: &Attribute) {
    match IpsecAttribute::from(attribute.kind) {
        IpsecAttribute::Encapsulation => put(text, format_args!("{}", EncapsulationMode::from(short(attribute)))),
        IpsecAttribute::Authentication => put(text, format_args!("{}", EspAuthentication::from(short(attribute)))),
        IpsecAttribute::Unknown(kind) => put(text, format_args!("attribute {kind} {}", value(attribute))),
        kind => put(text, format_args!("{kind} {}", value(attribute))),
    }
}

fn short(attribute: &Attribute) -> u16 {
    attribute.number().and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

/// A value as a number, or as octets where it is longer than one.
#[derive(PartialEq, Eq)]
enum Value<'a> {
    Number(u64),
    Octets(&'a [u8]),
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Octets(octets) => formatter.write_str(&hex::encode(octets)),
        }
    }
}

fn value(attribute: &Attribute) -> Value<'_> {
    match (&attribute.value, attribute.number()) {
        (_, Some(number)) => Value::Number(number),
        (AttributeValue::Variable(octets), None) => Value::Octets(octets),
        (AttributeValue::Basic(number), None) => Value::Number((*number).into()),
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
        let chosen = |number, cipher, life| {
            let mut text = String::new();
            let answer = payload(vec![transform(number, cipher, life)]);
            choice(&offered, &answer, "r1", &mut Lines::new(&mut text, "= "));
            text
        };
        assert_eq!(chosen(3, 5, 3600), "\n= r1 chooses transform 3 of 3");
        // Renumbered, as some do: it is told by what it says.
        assert_eq!(chosen(9, 7, 3600), "\n= r1 chooses transform 1 of 3");
        assert_eq!(chosen(1, 7, 86_400), "\n= r1 chooses transform 1 of 3, with 86400 seconds instead of 3600 seconds");
        assert_eq!(chosen(1, 1, 3600), "\n= r1 answers with a transform that is none of the 3 offered");
    }
}
