//! IKEv2 messages (RFC 7296 3, RFC 7383): the chain of payloads as it stands, and a typed view of each.

mod body;
mod numbers;

pub use body::{
    Body, ConfigAttribute, Configuration, Delete, Fragment, Notify, Proposal, Selector, Transform, TransformId,
};
pub use numbers::{
    AuthMethod, ConfigType, Encryption, Integrity, NotifyType, PayloadType, Prf, ProtocolId, SelectorType,
    TransformType,
};

use super::isakmp::Header;
use super::reader::{ParseError, ParseErrorKind, Reader};

/// A payload of an IKEv2 message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Its type.
    pub kind: PayloadType,
    /// The type its generic header names next: of the payload behind it, and with SK of the first inside.
    pub next: PayloadType,
    /// Whether who does not know it must refuse the message.
    pub critical: bool,
    /// Where its body starts, in octets from the start of the message.
    pub offset: usize,
    /// Its body.
    pub octets: Vec<u8>,
}

/// An IKEv2 message as far as it is readable without keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its header; `next_payload` counts in the numbers of IKEv2.
    pub header: Header,
    /// Its payloads; an encrypted one is the last.
    pub payloads: Vec<Payload>,
    /// What stopped the reading before the end of the chain.
    pub error: Option<ParseError>,
}

impl Message {
    /// Reads a message whose header has been read; `octets` are the whole message.
    pub fn parse(header: Header, octets: &[u8]) -> Self {
        let end = octets.len().min(header.length as usize);
        let body = octets.get(Header::LEN..end).unwrap_or_default();
        let (payloads, error) = chain(u8::from(header.next_payload).into(), body, Header::LEN);
        let cut = || {
            let kind = ParseErrorKind::Truncated { needed: header.length as usize, left: octets.len() };
            ParseError { offset: octets.len(), path: "message".to_owned(), kind }
        };
        let error = error.or_else(|| (octets.len() < header.length as usize).then(cut));
        Self { header, payloads, error }
    }

    /// Whether the original initiator of the IKE SA sent it (flag I, RFC 7296 3.1).
    pub fn by_initiator(&self) -> bool {
        self.header.flags.0 & 0x08 != 0
    }

    /// Whether it is a response (flag R).
    pub fn is_response(&self) -> bool {
        self.header.flags.0 & 0x20 != 0
    }
}

/// Reads the chain of payloads in `octets`, the first of type `first`, which start `offset` octets into the message, as far
/// as it can be read. An encrypted payload ends it.
pub fn chain(first: PayloadType, octets: &[u8], offset: usize) -> (Vec<Payload>, Option<ParseError>) {
    let mut reader = Reader::at(octets, offset);
    let mut payloads: Vec<Payload> = Vec::new();
    let mut next = first;
    while next != PayloadType::None {
        match payload(next, &mut reader) {
            Ok(payload) => {
                let last = matches!(next, PayloadType::Encrypted | PayloadType::EncryptedFragment);
                next = if last { PayloadType::None } else { payload.next };
                payloads.push(payload);
            }
            Err(error) => return (payloads, Some(error.within(next))),
        }
    }
    (payloads, None)
}

fn payload(kind: PayloadType, reader: &mut Reader<'_>) -> Result<Payload, ParseError> {
    let next = reader.u8("next payload")?.into();
    let critical = reader.u8("critical")? & 0x80 != 0;
    let length = usize::from(reader.u16("length")?);
    let Some(body_length) = length.checked_sub(4) else {
        return Err(reader.error("length", ParseErrorKind::BadLength { expected: "4 or more", found: length }));
    };
    let offset = reader.offset();
    Ok(Payload { kind, next, critical, offset, octets: reader.take(body_length, "body")?.to_vec() })
}
