//! The payloads of IKEv1 messages as lines, without anything that changes from run to run.

use std::sync::Arc;

use super::identity::{identity, identity_data};
use super::lines::{Lines, put};
use super::nat::NatDiscovery;
use super::{Names, config, sa, vendor};
use crate::evidence::decode::IkeMessage;
use crate::wire::der;
use crate::wire::isakmp::{
    AuthenticationMethod, Body, CertificateEncoding, CertificatePayload, Cookie, ExchangeType, NotifyPayload,
    NotifyType, PayloadType, ProtocolId,
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
pub(super) fn lines(context: &Context<'_>, names: &mut Names, lines: &mut Lines<'_>) {
    let mut ids = 0;
    for payload in &context.message.payloads {
        let kind = payload.body.payload_type();
        if payload.reserved != 0 {
            lines.add(format_args!("reserved octet {:#04x} in {kind}", payload.reserved));
        }
        ids += usize::from(kind == PayloadType::Id);
        if let Some(with) = context.sealed_with(kind) {
            let octets = payload.body.to_bytes().len();
            match kind {
                PayloadType::Id => {
                    lines.add(format_args!("{} encrypted with {with}, {octets} octets", id_name(context, ids)));
                }
                kind => lines.add(format_args!("{kind} encrypted with {with}, {octets} octets")),
            }
            continue;
        }
        match &payload.body {
            Body::Sa(sa) => sa::lines(sa, names, lines),
            Body::Attributes(attributes) => config::lines("ATTR", attributes, lines),
            Body::Id(id) => lines.add(format_args!("{} {}", id_name(context, ids), identity(id))),
            body => put_line(lines.begin(), body, context, names),
        }
    }
}

/// Whether a notification says that something is refused (RFC 2408 3.14.1: errors are below 16384).
pub(super) fn refuses(notify: &NotifyPayload) -> bool {
    u16::from(notify.kind) < 16384
}

fn put_line(line: &mut String, body: &Body, context: &Context<'_>, names: &mut Names) {
    match body {
        Body::KeyExchange(value) => put(line, format_args!("KE {} octets", value.len())),
        Body::Nonce(value) => put(line, format_args!("NONCE {} octets", value.len())),
        Body::Hash(value) => put(line, format_args!("HASH {} octets", value.len())),
        Body::Signature(value) => put(line, format_args!("SIG {} octets", value.len())),
        Body::VendorId(octets) => {
            line.push_str("VID ");
            vendor::put_name(line, octets, context.sender());
        }
        Body::NatDiscovery { kind, hash } => match &context.nat {
            Some(nat) => put(line, format_args!("{kind} of {}", nat.whose(hash))),
            None => put(line, format_args!("{kind} {} octets", hash.len())),
        },
        Body::Notify(notify) => put_notify(line, notify, context, names),
        Body::Delete(delete) => {
            put(line, format_args!("D {} ", delete.protocol));
            for (index, spi) in delete.spis.iter().enumerate() {
                line.push_str(if index == 0 { "" } else { ", " });
                put_spi(line, spi, context, names);
            }
        }
        Body::Certificate(certificate) => {
            put(line, format_args!("CERT {}", CertificateEncoding::from(certificate.encoding)));
            put_certificate(line, &certificate.data);
        }
        Body::CertificateRequest(request) => line.push_str(&certificate_request(request)),
        Body::Opaque {
            kind: kind @ (PayloadType::NatOriginalAddress | PayloadType::NatOriginalAddressDraft),
            body,
        } => {
            // The type and three reserved octets stand before the address (RFC 3947 5.2).
            match body.split_first_chunk::<4>() {
                Some(([id, ..], data)) => {
                    put(line, format_args!("{kind} {} {}", *id, identity_data((*id).into(), data)));
                }
                None => put(line, format_args!("{kind} {}", hex::encode(body))),
            }
        }
        Body::Opaque { kind, body } => put(line, format_args!("payload {kind} {} octets", body.len())),
        Body::Sa(_) | Body::Id(_) | Body::Attributes(_) => put(line, format_args!("{}", body.payload_type())),
    }
}

/// Whose certificate it is, or how long where it is none that can be read.
pub(super) fn put_certificate(line: &mut String, octets: &[u8]) {
    match der::certificate_names(octets) {
        Some((subject, issuer)) => put(line, format_args!(" of {subject}, issued by {issuer}")),
        None => put(line, format_args!(", {} octets", octets.len())),
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

fn put_notify(line: &mut String, notify: &NotifyPayload, context: &Context<'_>, names: &mut Names) {
    put(line, format_args!("N {} about {}", notify.kind, notify.protocol));
    if notify.doi != 1 {
        put(line, format_args!(" (DOI {})", notify.doi));
    }
    if !notify.spi.is_empty() {
        line.push_str(", ");
        put_spi(line, &notify.spi, context, names);
    }
    match notify.kind {
        _ if notify.data.is_empty() => {}
        NotifyType::ResponderLifetime => put(line, format_args!(": {}", sa::responder_lifetime(&notify.data))),
        NotifyType::RUThere | NotifyType::RUThereAck => line.push_str(": a sequence number"),
        NotifyType::ReplayStatus if notify.data == [0, 0, 0, 0] => line.push_str(": replay detection off"),
        NotifyType::ReplayStatus if notify.data == [0, 0, 0, 1] => line.push_str(": replay detection on"),
        _ if names.known_spi(&notify.data) => put(line, format_args!(": {}", names.spi(&notify.data))),
        _ => put(line, format_args!(": {} octets", notify.data.len())),
    }
}

fn put_spi(line: &mut String, spi: &[u8], context: &Context<'_>, names: &mut Names) {
    let header = &context.message.header;
    match spi {
        [initiator @ .., _, _, _, _, _, _, _, _]
            if *initiator == header.initiator_cookie.0 && spi[8..] == header.responder_cookie.0 =>
        {
            line.push_str("CKY-I and CKY-R");
        }
        spi if spi.iter().all(|octet| *octet == 0) => {
            put(line, format_args!("an SPI of {} zero octets", spi.len()));
        }
        spi if spi.len() == 16 => line.push_str("the cookies of another SA"),
        spi => put(line, format_args!("{}", names.spi(spi))),
    }
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
        let text = Arc::from(sa::algorithms(chosen, transform));
        names.set_transform(&chosen.spi, &text);
        let own = offered.proposals.iter().filter(|proposal| proposal.protocol == chosen.protocol);
        let own = own.clone().find(|proposal| proposal.number == chosen.number).or_else(|| own.clone().next());
        if let Some(own) = own {
            names.set_transform(&own.spi, &text);
        }
    }
}
