//! IKEv2 messages as lines.

use std::net::SocketAddr;
use std::sync::Arc;

use super::exchange::Key;
use super::identity::{identity_data, quoted};
use super::lines::{Lines, put};
use super::nat::NatDiscovery;
use super::payload::put_certificate;
use super::{Names, config, put_ports, vendor};
use crate::crypto::Hash;
use crate::evidence::decode::{Ikev2Message, Observed, Protection};
use crate::wire::ikev2::{
    Body, Configuration, Notify, NotifyType, Payload, PayloadType, Proposal, ProtocolId, Selector,
};
use crate::wire::isakmp::{Attribute, AttributesPayload, CertificateEncoding, Cookie, ExchangeType, IdType, MessageId};

/// The exchange a message belongs to: all of IKE_AUTH is one, however many round trips EAP makes of it.
pub(super) fn key(read: &Ikev2Message) -> Key {
    let header = &read.message.header;
    let begun_by_initiator = read.message.by_initiator() != read.message.is_response();
    let id = if header.exchange == ExchangeType::IkeAuth { MessageId(1) } else { header.message_id };
    (header.initiator_cookie, Some((header.exchange, id, begun_by_initiator)))
}

/// The exchange that stands for all that say nothing but that their sender lives, or of which nothing can be read.
pub(super) fn liveness_key(key: Key) -> Key {
    (key.0, key.1.map(|(exchange, _, begun_by_initiator)| (exchange, MessageId(u32::MAX), begun_by_initiator)))
}

/// Whether a response only refuses: one of its notifies is an error, and there is nothing but notifies.
pub(super) fn only_refuses(read: &Ikev2Message) -> bool {
    read.message.is_response()
        && payloads(read).iter().all(|payload| payload.kind == PayloadType::Notify)
        && notifies(read).any(|notify| u16::from(notify.kind) < 16384)
}

/// Whether a message says nothing but that its sender lives, as far as it can be read.
pub(super) fn is_silent(read: &Ikev2Message) -> bool {
    read.inner.is_empty() && read.message.header.exchange == ExchangeType::Informational2
}

/// Appends the line above the payloads.
pub(super) fn put_head(text: &mut String, observed: &Observed<'_>, read: &Ikev2Message, from: &str, to: &str) {
    let way = if read.message.is_response() { "response" } else { "request" };
    put(text, format_args!("{} {way} {from} > {to}", read.message.header.exchange));
    put_ports(text, observed);
    match &read.protection {
        Protection::Clear => {}
        Protection::Decrypted(_) if read.wrong_icv => text.push_str(" encrypted, with a wrong ICV"),
        Protection::Decrypted(_) => text.push_str(" encrypted"),
        Protection::Sealed(octets) => put(text, format_args!(" encrypted, {octets} octets")),
    }
}

/// The payloads of a message as lines, those inside SK in its place.
pub(super) fn lines(observed: &Observed<'_>, read: &Ikev2Message, names: &mut Names, lines: &mut Lines<'_>) {
    let nat = nat_detection(read, observed.source, observed.destination);
    for payload in &read.message.payloads {
        match payload.body() {
            Ok(Body::Encrypted(_)) => {}
            Ok(Body::EncryptedFragment(fragment)) => {
                lines.add(format_args!("SKF {} of {}", fragment.number, fragment.total));
            }
            _ => payload_lines(payload, &nat, names, lines),
        }
    }
    for payload in &read.inner {
        payload_lines(payload, &nat, names, lines);
    }
    if lines.is_empty() && matches!(read.protection, Protection::Decrypted(_)) {
        lines.add(format_args!("no payload"));
    }
    let errors = read.message.error.iter().chain(&read.inner_error);
    errors.for_each(|error| lines.add(format_args!("damaged: {error}")));
}

/// What the message decides, by the payloads of the request it answers.
pub(super) fn decisions(
    observed: &Observed<'_>,
    read: &Ikev2Message,
    asked: &[Payload],
    ends: (&str, &str),
    names: &mut Names,
    lines: &mut Lines<'_>,
) {
    let (from, to) = ends;
    if read.message.is_response() {
        if let (Some(offered), Some(answer)) = (proposals(asked), proposals(payloads(read)))
            && let Some(choice) = choice(&offered, &answer, names)
        {
            lines.add(format_args!("{from} {choice}"));
        }
        for kind in [PayloadType::SelectorInitiator, PayloadType::SelectorResponder] {
            let of = |payloads: &[Payload]| {
                payloads.iter().find(|payload| payload.kind == kind).map(|payload| payload.octets.clone())
            };
            if let (Some(asked), Some(answered)) = (of(asked), of(payloads(read)))
                && asked != answered
            {
                lines.add(format_args!("{from} narrows {kind}"));
            }
        }
    }
    let nat = nat_detection(read, observed.source, observed.destination);
    let (mut sources, mut destination) = (Vec::new(), None);
    for notify in notifies(read) {
        match notify.kind {
            NotifyType::NatDetectionSource => sources.push(nat.whose(notify.data) == "the sender"),
            NotifyType::NatDetectionDestination => destination = Some(nat.whose(notify.data) == "the receiver"),
            kind if u16::from(kind) < 16384 => lines.add(format_args!("{from} refuses: {kind}")),
            _ => {}
        }
    }
    if !sources.is_empty() && sources.iter().all(|own| !own) {
        lines.add(format_args!("by NAT detection, {from} is behind a NAT"));
    }
    if destination == Some(false) {
        lines.add(format_args!("by NAT detection, {to} is behind a NAT"));
    }
}

/// The payloads that say what is negotiated: those inside SK where there are any.
pub(super) fn payloads(read: &Ikev2Message) -> &[Payload] {
    if read.inner.is_empty() { &read.message.payloads } else { &read.inner }
}

fn notifies(read: &Ikev2Message) -> impl Iterator<Item = Notify<'_>> {
    payloads(read).iter().filter_map(|payload| match payload.body() {
        Ok(Body::Notify(notify)) => Some(notify),
        _ => None,
    })
}

fn proposals(payloads: &[Payload]) -> Option<Vec<Proposal<'_>>> {
    payloads.iter().find_map(|payload| match payload.body() {
        Ok(Body::Sa(proposals)) => Some(proposals),
        _ => None,
    })
}

fn choice(offered: &[Proposal<'_>], answer: &[Proposal<'_>], names: &mut Names) -> Option<String> {
    let chosen = answer.first()?;
    let total = offered.len();
    let Some(own) = offered.iter().find(|own| own.number == chosen.number && own.protocol == chosen.protocol) else {
        return Some(format!("answers with a proposal that is none of the {total} offered"));
    };
    if chosen.protocol != ProtocolId::Ike {
        for spi in [own.spi, chosen.spi] {
            names.set_transform(spi, &Arc::from(format!("{} {}", chosen.protocol, transforms(chosen))));
        }
    }
    if let Some(foreign) = chosen.transforms.iter().find(|transform| !own.transforms.contains(transform)) {
        return Some(format!("chooses proposal {} of {total} with {foreign}, which was not offered", chosen.number));
    }
    Some(format!("chooses proposal {} of {total}", chosen.number))
}

fn transforms(proposal: &Proposal<'_>) -> String {
    proposal.transforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn payload_lines(payload: &Payload, nat: &NatDiscovery, names: &mut Names, lines: &mut Lines<'_>) {
    let kind = payload.kind;
    let line = match payload.body() {
        Err(error) => format!("{kind} damaged: {error}"),
        Ok(Body::Sa(proposals)) => {
            lines.add(format_args!("SA"));
            for proposal in proposals {
                let line = lines.begin();
                put(line, format_args!("  proposal {} {}", proposal.number, proposal.protocol));
                if !proposal.spi.is_empty() {
                    put(line, format_args!(", {}", names.spi(proposal.spi)));
                }
                if !proposal.transforms.is_empty() {
                    put(line, format_args!(": {}", transforms(&proposal)));
                }
            }
            return;
        }
        Ok(Body::Configuration(configuration)) => return configuration_lines(&configuration, lines),
        Ok(Body::Selectors(selectors)) => {
            let list: Vec<String> = selectors.iter().map(selector).collect();
            format!("{kind} {}", list.join(", "))
        }
        Ok(Body::KeyExchange(group, value)) => format!("KE group {group}, {} octets", value.len()),
        Ok(Body::Id(id, data)) => format!("{kind} {} {}", id_kind(id), identity_data(id, data)),
        Ok(Body::Certificate(encoding, data)) => certificate(kind, encoding, data),
        Ok(Body::Authentication(method, data)) => format!("AUTH {method}, {} octets", data.len()),
        Ok(Body::Nonce(nonce)) => format!("NONCE {} octets", nonce.len()),
        Ok(Body::Notify(notify)) => notify_line(&notify, nat, names),
        Ok(Body::Delete(delete)) => {
            let spis: Vec<String> = delete.spis.iter().map(|spi| names.spi(spi).to_string()).collect();
            format!("D {} {}", delete.protocol, spis.join(", ")).trim_end().to_owned()
        }
        Ok(Body::VendorId(octets)) => {
            let mut line = "VID ".to_owned();
            vendor::put_name(&mut line, octets, Cookie::ZERO);
            line
        }
        Ok(Body::Eap(code, packet)) => eap(code, packet),
        Ok(Body::Encrypted(sealed)) => format!("SK {} octets", sealed.len()),
        Ok(Body::EncryptedFragment(fragment)) => format!("SKF {} of {}", fragment.number, fragment.total),
        Ok(Body::Opaque(octets)) => format!("payload {kind} {} octets", octets.len()),
    };
    let critical = if payload.critical { ", critical" } else { "" };
    lines.add(format_args!("{line}{critical}"));
}

/// IKEv2 has other names for two of the types.
fn id_kind(kind: IdType) -> String {
    match kind {
        IdType::UserFqdn => "ID_RFC822_ADDR".to_owned(),
        kind => kind.to_string(),
    }
}

fn notify_line(notify: &Notify<'_>, nat: &NatDiscovery, names: &mut Names) -> String {
    let mut text = format!("N {}", notify.kind);
    if notify.protocol != ProtocolId::None {
        text.push_str(&format!(" about {}", notify.protocol));
    }
    if !notify.spi.is_empty() {
        text.push_str(&format!(", {}", names.spi(notify.spi)));
    }
    match notify.kind {
        NotifyType::NatDetectionSource | NotifyType::NatDetectionDestination => {
            text.push_str(&format!(" of {}", nat.whose(notify.data)));
        }
        NotifyType::InvalidKePayload if notify.data.len() == 2 => {
            text.push_str(&format!(": group {} is wanted", u16::from_be_bytes([notify.data[0], notify.data[1]])));
        }
        NotifyType::AuthLifetime if notify.data.len() == 4 => {
            let seconds = notify.data.iter().fold(0_u32, |number, octet| number << 8 | u32::from(*octet));
            text.push_str(&format!(": {seconds} seconds"));
        }
        NotifyType::SignatureHashAlgorithms if notify.data.len().is_multiple_of(2) => {
            let names = notify.data.chunks_exact(2).map(|pair| signature_hash(u16::from_be_bytes([pair[0], pair[1]])));
            text.push_str(&format!(": {}", names.collect::<Vec<_>>().join(", ")));
        }
        NotifyType::InvalidKePayload if notify.data.is_empty() => text.push_str(", without the group"),
        _ if !notify.data.is_empty() => text.push_str(&format!(": {} octets", notify.data.len())),
        _ => {}
    }
    text
}

/// A hash of SIGNATURE_HASH_ALGORITHMS (RFC 7427 7, RFC 8420 4).
fn signature_hash(number: u16) -> String {
    match number {
        1 => "SHA1".to_owned(),
        2 => "SHA2-256".to_owned(),
        3 => "SHA2-384".to_owned(),
        4 => "SHA2-512".to_owned(),
        5 => "identity".to_owned(),
        other => other.to_string(),
    }
}

/// The hashes of the NAT detection notifies (RFC 7296 2.23), which are always SHA-1.
fn nat_detection(read: &Ikev2Message, source: SocketAddr, destination: SocketAddr) -> NatDiscovery {
    NatDiscovery::new(Hash::Sha1, &read.message.header, source, destination)
}

fn certificate(kind: PayloadType, encoding: u8, data: &[u8]) -> String {
    let mut line = format!("{kind} {}", CertificateEncoding::from(encoding));
    match kind {
        PayloadType::CertificateRequest if data.is_empty() => line.push_str(", any authority"),
        // A request lists the SHA-1 hashes of the keys of authorities (RFC 7296 3.7).
        PayloadType::CertificateRequest if data.len().is_multiple_of(20) => {
            put(&mut line, format_args!(", {} authorities", data.len() / 20));
        }
        _ => put_certificate(&mut line, data),
    }
    line
}

fn configuration_lines(configuration: &Configuration<'_>, lines: &mut Lines<'_>) {
    let attributes =
        configuration.attributes.iter().map(|attribute| Attribute::variable(attribute.kind, attribute.value)).collect();
    let kind = u8::from(configuration.kind).into();
    config::lines("CP", &AttributesPayload { kind, reserved: 0, identifier: 0, attributes }, lines);
}

fn eap(code: u8, packet: &[u8]) -> String {
    let name = match code {
        1 => "request",
        2 => "response",
        3 => return "EAP success".to_owned(),
        4 => return "EAP failure".to_owned(),
        code => return format!("EAP code {code}"),
    };
    // Type 1 is Identity (RFC 3748 5.1); what it says in a response is a name, not a secret.
    match packet.get(4..) {
        Some([1, identity @ ..]) if code == 2 => {
            format!("EAP response, identity {}", quoted(identity).unwrap_or_else(|| hex::encode(identity)))
        }
        Some([kind, ..]) => format!("EAP {name}, type {kind}"),
        _ => format!("EAP {name}"),
    }
}

/// A traffic selector: a prefix where the range is one, protocol and ports where they are given.
fn selector(selector: &Selector<'_>) -> String {
    let half = selector.addresses.len() / 2;
    let (first, last) = selector.addresses.split_at(half);
    let range = match half {
        4 | 16 => range(first, last),
        _ => hex::encode(selector.addresses),
    };
    let ports = match selector.ports {
        (0, 65535) => String::new(),
        (65535, 0) => ", opaque ports".to_owned(),
        (first, last) if first == last => format!(", port {first}"),
        (first, last) => format!(", ports {first}-{last}"),
    };
    match selector.protocol {
        0 => format!("{range}{ports}"),
        protocol => format!("{range}, protocol {protocol}{ports}"),
    }
}

fn range(first: &[u8], last: &[u8]) -> String {
    let bits = |octets: &[u8]| octets.iter().fold(0_u128, |bits, octet| bits << 8 | u128::from(*octet));
    let kind = if first.len() == 4 { IdType::Ipv4Address } else { IdType::Ipv6Address };
    let (from, until) = (identity_data(kind, first), identity_data(kind, last));
    let different = bits(first) ^ bits(last);
    let host_bits = 128 - different.leading_zeros();
    let host = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |bit| bit - 1);
    // A prefix: the host part is all zeros in the first address and all ones in the last.
    match different == host && bits(first) & host == 0 {
        true if different == 0 => from,
        true => format!("{from}/{}", first.len() as u32 * 8 - host_bits),
        false => format!("{from}-{until}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ikev2::SelectorType;

    #[test]
    fn selectors_as_an_operator_writes_them() {
        let text = |addresses: &[u8], protocol: u8, ports: (u16, u16)| {
            selector(&Selector { kind: SelectorType::Ipv4Range, protocol, ports, addresses })
        };
        let any = (0, 65535);
        assert_eq!(text(&[10, 1, 0, 0, 10, 1, 0, 255], 0, any), "10.1.0.0/24");
        assert_eq!(text(&[0, 0, 0, 0, 255, 255, 255, 255], 0, any), "0.0.0.0/0");
        assert_eq!(text(&[10, 1, 0, 1, 10, 1, 0, 1], 6, (80, 80)), "10.1.0.1, protocol 6, port 80");
        assert_eq!(text(&[10, 1, 0, 1, 10, 1, 0, 9], 17, (1, 9)), "10.1.0.1-10.1.0.9, protocol 17, ports 1-9");
        assert_eq!(text(&[[0; 16], [255; 16]].concat(), 0, any), "::/0");
        assert_eq!(text(&[1, 2, 3], 0, (65535, 0)), "010203, opaque ports");
    }
}
