//! The payloads of IKEv1 messages as lines, without anything that changes from run to run.

use super::identity::{identity, identity_data};
use super::nat::NatDiscovery;
use super::{Names, config, sa, vendor};
use crate::evidence::decode::IkeMessage;
use crate::wire::der;
use crate::wire::isakmp::{
    AuthenticationMethod, Body, CertificateEncoding, CertificatePayload, Cookie, ExchangeType, NotifyPayload,
    NotifyType, Payload, PayloadType, ProtocolId,
};

/// What the lines of a message need to know about it.
pub(super) struct Context<'a> {
    pub(super) message: &'a IkeMessage,
    /// Whether the initiator of phase 1 sent it.
    pub(super) by_initiator: bool,
    /// The NAT-D hashes that would say that there is no NAT; `None` while the hash is not known.
    pub(super) nat: Option<NatDiscovery>,
}

impl Context<'_> {
    /// What a payload of phase 1 is sealed with by itself, outside of the encryption of the message (RFC 2409 5.2 and 5.3).
    fn sealed_with(&self, payload: PayloadType) -> Option<&'static str> {
        if !matches!(self.message.header.exchange, ExchangeType::Main | ExchangeType::Aggressive) {
            return None;
        }
        match (self.message.authentication?, payload) {
            (AuthenticationMethod::RsaEncryption, PayloadType::Id | PayloadType::Nonce)
            | (AuthenticationMethod::RevisedRsaEncryption, PayloadType::Nonce) => Some("the receiver's public key"),
            (
                AuthenticationMethod::RevisedRsaEncryption,
                PayloadType::Id | PayloadType::KeyExchange | PayloadType::Certificate,
            ) => Some("a key made of the nonce"),
            _ => None,
        }
    }

    /// Cookie of the side that sent the message.
    fn sender(&self) -> Cookie {
        let header = &self.message.header;
        if self.by_initiator { header.initiator_cookie } else { header.responder_cookie }
    }
}

/// The payloads of a message as lines; two blanks of indentation a level.
pub(super) fn lines(context: &Context<'_>, names: &mut Names) -> Vec<String> {
    let mut lines = Vec::new();
    let mut ids = 0;
    for payload in &context.message.payloads {
        if payload.reserved != 0 {
            lines.push(format!("reserved octet {:#04x} in {}", payload.reserved, payload.body.payload_type()));
        }
        if let Some(with) = context.sealed_with(payload.body.payload_type()) {
            let name = match &payload.body {
                Body::Id(_) => {
                    ids += 1;
                    id_name(context, ids).to_owned()
                }
                body => body.payload_type().to_string(),
            };
            lines.push(format!("{name} encrypted with {with}, {} octets", payload.body.to_bytes().len()));
            continue;
        }
        match &payload.body {
            Body::Sa(sa) => sa::lines(sa, names, &mut lines),
            Body::Attributes(attributes) => config::lines("ATTR", attributes, &mut lines),
            Body::Id(id) => {
                ids += 1;
                lines.push(format!("{} {}", id_name(context, ids), identity(id)));
            }
            _ => lines.push(line(payload, context, names)),
        }
    }
    lines
}

/// Whether a notification says that something is refused (RFC 2408 3.14.1: errors are below 16384).
pub(super) fn refuses(notify: &NotifyPayload) -> bool {
    u16::from(notify.kind) < 16384
}

fn line(payload: &Payload, context: &Context<'_>, names: &mut Names) -> String {
    match &payload.body {
        Body::KeyExchange(value) => format!("KE {} octets", value.len()),
        Body::Nonce(value) => format!("NONCE {} octets", value.len()),
        Body::Hash(value) => format!("HASH {} octets", value.len()),
        Body::Signature(value) => format!("SIG {} octets", value.len()),
        Body::VendorId(octets) => format!("VID {}", vendor::name(octets, context.sender())),
        Body::NatDiscovery { kind, hash } => match &context.nat {
            Some(nat) => format!("{kind} of {}", nat.whose(hash)),
            None => format!("{kind} {} octets", hash.len()),
        },
        Body::Notify(notify) => notify_line(notify, context, names),
        Body::Delete(delete) => {
            let spis: Vec<String> = delete.spis.iter().map(|spi| spi_name(spi, context, names)).collect();
            format!("D {} {}", delete.protocol, spis.join(", "))
        }
        Body::Certificate(certificate) => {
            format!("CERT {}, {} octets", CertificateEncoding::from(certificate.encoding), certificate.data.len())
        }
        Body::CertificateRequest(request) => certificate_request(request),
        Body::Opaque {
            kind: kind @ (PayloadType::NatOriginalAddress | PayloadType::NatOriginalAddressDraft),
            body,
        } => {
            // The type and three reserved octets stand before the address (RFC 3947 5.2).
            match body.split_first_chunk::<4>() {
                Some(([id, ..], data)) => format!("{kind} {} {}", *id, identity_data((*id).into(), data)),
                None => format!("{kind} {}", hex::encode(body)),
            }
        }
        Body::Opaque { kind, body } => format!("payload {kind} {} octets", body.len()),
        Body::Sa(_) | Body::Id(_) | Body::Attributes(_) => payload.body.payload_type().to_string(),
    }
}

fn certificate_request(request: &CertificatePayload) -> String {
    let encoding = CertificateEncoding::from(request.encoding);
    match der::distinguished_name(&request.data) {
        _ if request.data.is_empty() => format!("CERTREQ {encoding}, any authority"),
        Some(name) => format!("CERTREQ {encoding}, {name}"),
        None => format!("CERTREQ {encoding}, {} octets", request.data.len()),
    }
}

/// IDii, IDir, IDci or IDcr, by the exchange and the place in it.
fn id_name(context: &Context<'_>, nth: usize) -> &'static str {
    match (context.message.header.exchange, nth, context.by_initiator) {
        (ExchangeType::Quick, 1, _) => "IDci",
        (ExchangeType::Quick, _, _) => "IDcr",
        (_, _, true) => "IDii",
        (_, _, false) => "IDir",
    }
}

fn notify_line(notify: &NotifyPayload, context: &Context<'_>, names: &mut Names) -> String {
    let mut text = format!("N {} about {}", notify.kind, notify.protocol);
    if notify.doi != 1 {
        text.push_str(&format!(" (DOI {})", notify.doi));
    }
    if !notify.spi.is_empty() {
        text.push_str(&format!(", {}", spi_name(&notify.spi, context, names)));
    }
    let data = match notify.kind {
        _ if notify.data.is_empty() => return text,
        NotifyType::ResponderLifetime => sa::responder_lifetime(&notify.data),
        NotifyType::RUThere | NotifyType::RUThereAck => "a sequence number".to_owned(),
        NotifyType::ReplayStatus if notify.data == [0, 0, 0, 0] => "replay detection off".to_owned(),
        NotifyType::ReplayStatus if notify.data == [0, 0, 0, 1] => "replay detection on".to_owned(),
        _ if names.known_spi(&notify.data) => names.spi(&notify.data),
        _ => format!("{} octets", notify.data.len()),
    };
    format!("{text}: {data}")
}

fn spi_name(spi: &[u8], context: &Context<'_>, names: &mut Names) -> String {
    let header = &context.message.header;
    if spi == [header.initiator_cookie.0, header.responder_cookie.0].concat() {
        return "CKY-I and CKY-R".to_owned();
    }
    if spi.iter().all(|octet| *octet == 0) {
        return format!("an SPI of {} zero octets", spi.len());
    }
    if spi.len() == 16 {
        return "the cookies of another SA".to_owned();
    }
    names.spi(spi)
}

/// Remembers what an answer of quick mode chose for the SAs of both its SPIs.
pub(super) fn learn_transforms(
    offered: &crate::wire::isakmp::SaPayload,
    answer: &crate::wire::isakmp::SaPayload,
    names: &mut Names,
) {
    for chosen in &answer.proposals {
        let Some(transform) = chosen.transforms.first() else { continue };
        if chosen.protocol == ProtocolId::Isakmp {
            continue;
        }
        let text = sa::algorithms(chosen, transform);
        names.set_transform(&chosen.spi, &text);
        let own = offered.proposals.iter().filter(|proposal| proposal.protocol == chosen.protocol);
        let own = own.clone().find(|proposal| proposal.number == chosen.number).or_else(|| own.clone().next());
        if let Some(own) = own {
            names.set_transform(&own.spi, &text);
        }
    }
}
