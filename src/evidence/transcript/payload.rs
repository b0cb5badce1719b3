//! Payloads as lines, without anything that changes from run to run.

use std::net::Ipv4Addr;

use super::Names;
use super::vendor;
use crate::evidence::decode::IkeMessage;
use crate::wire::ipv4::Ipv4Prefix;
use crate::wire::isakmp::{
    AhTransform, Attribute, AttributeValue, AuthenticationMethod, Body, Cookie, EncapsulationMode, EspAuthentication,
    EspTransform, ExchangeType, IdPayload, IdType, IpsecAttribute, LifeType, NotifyPayload, NotifyType,
    OakleyAttribute, OakleyCipher, OakleyHash, Payload, Proposal, ProtocolId, SaPayload, Transform, XauthAttribute,
};

/// What the lines of a message need to know about it.
pub(super) struct Context<'a> {
    pub(super) message: &'a IkeMessage,
    /// Cookie of the side that sent the message.
    pub(super) sender: Cookie,
    /// NAT-D hash of each address and port that could be meant, with the text to print for it.
    pub(super) nat_discovery: Vec<(Vec<u8>, String)>,
}

/// The payloads of a message as lines; two blanks of indentation a level.
pub(super) fn lines(context: &Context<'_>, names: &mut Names) -> Vec<String> {
    let mut lines = Vec::new();
    let mut ids = 0;
    for payload in &context.message.payloads {
        if payload.reserved != 0 {
            lines.push(format!("reserved octet {:#04x} in {}", payload.reserved, payload.body.payload_type()));
        }
        match &payload.body {
            Body::Sa(sa) => sa_lines(sa, names, &mut lines),
            Body::Id(id) => {
                ids += 1;
                lines.push(format!("{} {}", id_name(context.message, ids), identity(id)));
            }
            _ => lines.push(line(payload, context, names)),
        }
    }
    lines
}

fn line(payload: &Payload, context: &Context<'_>, names: &mut Names) -> String {
    match &payload.body {
        Body::KeyExchange(value) => format!("KE {} octets", value.len()),
        Body::Nonce(value) => format!("NONCE {} octets", value.len()),
        Body::Hash(value) => format!("HASH {} octets", value.len()),
        Body::Signature(value) => format!("SIG {} octets", value.len()),
        Body::VendorId(octets) => format!("VID {}", vendor::name(octets, context.sender)),
        Body::NatDiscovery { kind, hash } => {
            match context.nat_discovery.iter().find(|(expected, _)| expected == hash) {
                Some((_, whose)) => format!("{kind} of {whose}"),
                None => format!("{kind} of another address"),
            }
        }
        Body::Notify(notify) => notify_line(notify, context, names),
        Body::Delete(delete) => {
            let spis: Vec<String> = delete.spis.iter().map(|spi| spi_name(spi, context, names)).collect();
            format!("D {} {}", delete.protocol, spis.join(", "))
        }
        Body::Attributes(attributes) => {
            let list: Vec<String> = attributes
                .attributes
                .iter()
                .map(|attribute| format!("{} {}", XauthAttribute::from(attribute.kind), value(attribute)))
                .collect();
            format!("ATTR {}: {}", attributes.kind, list.join(", "))
        }
        Body::Certificate(certificate) => {
            format!("CERT encoding {}, {} octets", certificate.encoding, certificate.data.len())
        }
        Body::CertificateRequest(request) => {
            format!("CERTREQ encoding {}, {} octets", request.encoding, request.data.len())
        }
        Body::Opaque { kind, body } => format!("payload {kind} {} octets", body.len()),
        Body::Sa(_) | Body::Id(_) => payload.body.payload_type().to_string(),
    }
}

/// IDii, IDir, IDci or IDcr, by the exchange and the place in it.
fn id_name(message: &IkeMessage, nth: usize) -> &'static str {
    match (message.header.exchange, nth, message.named.name.index % 2) {
        (ExchangeType::Quick, 1, _) => "IDci",
        (ExchangeType::Quick, _, _) => "IDcr",
        (_, _, 1) => "IDii",
        _ => "IDir",
    }
}

/// An identity as an operator writes it, with protocol and port when they are given.
fn identity(id: &IdPayload) -> String {
    let address = |octets: &[u8]| octets.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
    let text = match (id.kind, id.data.len()) {
        (IdType::Ipv4Address, 4) => address(&id.data).map(|address| address.to_string()),
        (IdType::Ipv4Subnet, 8) => address(&id.data).zip(address(&id.data[4..])).map(|(network, mask)| {
            match Ipv4Prefix::from_mask(network, mask) {
                Some(prefix) if prefix.network() == network => prefix.to_string(),
                _ => format!("{network} mask {mask}"),
            }
        }),
        (IdType::Ipv4Range, 8) => {
            address(&id.data).zip(address(&id.data[4..])).map(|(first, last)| format!("{first}-{last}"))
        }
        (IdType::Fqdn | IdType::UserFqdn | IdType::KeyId, _) => {
            std::str::from_utf8(&id.data).ok().map(|text| format!("\"{}\"", text.escape_default()))
        }
        _ => None,
    };
    let text = text.unwrap_or_else(|| hex::encode(&id.data));
    match (id.protocol, id.port) {
        (0, 0) => format!("{} {text}", id.kind),
        (protocol, port) => format!("{} {text}, protocol {protocol}, port {port}", id.kind),
    }
}

fn sa_lines(sa: &SaPayload, names: &mut Names, lines: &mut Vec<String>) {
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

fn transform_text(proposal: &Proposal, transform: &Transform) -> String {
    let id = match proposal.protocol {
        ProtocolId::Isakmp if transform.id == 1 => "KEY_IKE".to_owned(),
        ProtocolId::Esp => EspTransform::from(transform.id).to_string(),
        ProtocolId::Ah => AhTransform::from(transform.id).to_string(),
        _ => transform.id.to_string(),
    };
    let isakmp = proposal.protocol == ProtocolId::Isakmp;
    let attributes: Vec<String> = transform
        .attributes
        .iter()
        .filter_map(|attribute| if isakmp { oakley(attribute) } else { ipsec(attribute) })
        .collect();
    let life = lifetimes(transform, isakmp);
    format!("{id}: {}", attributes.into_iter().chain(life).collect::<Vec<_>>().join(", "))
}

/// Each lifetime with its unit: a duration belongs to the life type before it.
fn lifetimes(transform: &Transform, isakmp: bool) -> Vec<String> {
    let (kind, duration) = if isakmp {
        (u16::from(OakleyAttribute::LifeType), u16::from(OakleyAttribute::LifeDuration))
    } else {
        (u16::from(IpsecAttribute::LifeType), u16::from(IpsecAttribute::LifeDuration))
    };
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

fn oakley(attribute: &Attribute) -> Option<String> {
    Some(match OakleyAttribute::from(attribute.kind) {
        OakleyAttribute::Encryption => OakleyCipher::from(short(attribute)).to_string(),
        OakleyAttribute::Hash => OakleyHash::from(short(attribute)).to_string(),
        OakleyAttribute::Authentication => AuthenticationMethod::from(short(attribute)).to_string(),
        OakleyAttribute::LifeType | OakleyAttribute::LifeDuration => return None,
        kind => format!("{kind} {}", value(attribute)),
    })
}

fn ipsec(attribute: &Attribute) -> Option<String> {
    Some(match IpsecAttribute::from(attribute.kind) {
        IpsecAttribute::Encapsulation => EncapsulationMode::from(short(attribute)).to_string(),
        IpsecAttribute::Authentication => EspAuthentication::from(short(attribute)).to_string(),
        IpsecAttribute::LifeType | IpsecAttribute::LifeDuration => return None,
        kind => format!("{kind} {}", value(attribute)),
    })
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

fn notify_line(notify: &NotifyPayload, context: &Context<'_>, names: &mut Names) -> String {
    let mut text = format!("N {} about {}", notify.kind, notify.protocol);
    if !notify.spi.is_empty() {
        text.push_str(&format!(", {}", spi_name(&notify.spi, context, names)));
    }
    let data = match notify.kind {
        _ if notify.data.is_empty() => return text,
        NotifyType::ResponderLifetime => responder_lifetime(&notify.data),
        NotifyType::RUThere | NotifyType::RUThereAck => "a sequence number".to_owned(),
        _ if names.known_spi(&notify.data) => names.spi(&notify.data),
        _ => format!("{} octets", notify.data.len()),
    };
    format!("{text}: {data}")
}

fn responder_lifetime(data: &[u8]) -> String {
    let attributes = Attribute::parse_all(&mut crate::wire::Reader::new(data)).unwrap_or_default();
    let pairs = attributes.chunks(2).map(|pair| match pair {
        [unit, duration] => format!("{} {}", value(duration), LifeType::from(short(unit))),
        _ => "half a lifetime".to_owned(),
    });
    pairs.collect::<Vec<_>>().join(", ")
}

fn spi_name(spi: &[u8], context: &Context<'_>, names: &mut Names) -> String {
    let header = &context.message.header;
    if spi == [header.initiator_cookie.0, header.responder_cookie.0].concat() {
        return "CKY-I and CKY-R".to_owned();
    }
    names.spi(spi)
}
