//! The outline of IKEv2 messages (RFC 7296 3): the chain of payloads, their bodies left as they stand.

use super::isakmp::Header;
use super::numbers::wire_enum;
use super::reader::{ParseError, ParseErrorKind, Reader};

wire_enum! {
    /// IKEv2 payload types (RFC 7296 3.2, RFC 7383).
    PayloadType, u8, "u8", {
        /// End of the chain.
        None = 0 => "NONE",
        /// Security association.
        Sa = 33 => "SA",
        /// Key exchange.
        KeyExchange = 34 => "KE",
        /// Identification, initiator.
        IdInitiator = 35 => "IDi",
        /// Identification, responder.
        IdResponder = 36 => "IDr",
        /// Certificate.
        Certificate = 37 => "CERT",
        /// Certificate request.
        CertificateRequest = 38 => "CERTREQ",
        /// Authentication.
        Authentication = 39 => "AUTH",
        /// Nonce.
        Nonce = 40 => "NONCE",
        /// Notify.
        Notify = 41 => "N",
        /// Delete.
        Delete = 42 => "D",
        /// Vendor ID.
        VendorId = 43 => "VID",
        /// Traffic selector, initiator.
        SelectorInitiator = 44 => "TSi",
        /// Traffic selector, responder.
        SelectorResponder = 45 => "TSr",
        /// Encrypted and authenticated.
        Encrypted = 46 => "SK",
        /// Configuration.
        Configuration = 47 => "CP",
        /// Extensible authentication.
        Eap = 48 => "EAP",
        /// Encrypted and authenticated fragment.
        EncryptedFragment = 53 => "SKF",
    }
}

/// A payload of an IKEv2 message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Its type.
    pub kind: PayloadType,
    /// Whether who does not know it must refuse the message.
    pub critical: bool,
    /// Its body.
    pub body: Vec<u8>,
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
        let body = octets.get(Header::LEN..).unwrap_or_default();
        let mut reader = Reader::at(body, Header::LEN);
        let mut payloads = Vec::new();
        let mut next = PayloadType::from(u8::from(header.next_payload));
        let mut error = None;
        while next != PayloadType::None {
            match payload(next, &mut reader) {
                Ok((payload, following)) => {
                    let last = matches!(next, PayloadType::Encrypted | PayloadType::EncryptedFragment);
                    payloads.push(payload);
                    next = if last { PayloadType::None } else { following };
                }
                Err(problem) => {
                    error = Some(problem.within(next));
                    break;
                }
            }
        }
        Self { header, payloads, error }
    }
}

fn payload(kind: PayloadType, reader: &mut Reader<'_>) -> Result<(Payload, PayloadType), ParseError> {
    let next = reader.u8("next payload")?.into();
    let critical = reader.u8("critical")? & 0x80 != 0;
    let length = usize::from(reader.u16("length")?);
    let Some(body_length) = length.checked_sub(4) else {
        return Err(reader.error("length", ParseErrorKind::BadLength { expected: "4 or more", found: length }));
    };
    Ok((Payload { kind, critical, body: reader.take(body_length, "body")?.to_vec() }, next))
}
