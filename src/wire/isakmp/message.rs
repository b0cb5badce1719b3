//! Whole messages: a header, and a chain of payloads or octets that are still encrypted.

use super::header::Header;
use super::numbers::PayloadType;
use super::payload::{Body, Payload};
use super::sa::item;
use crate::wire::reader::{ParseError, ParseErrorKind, Reader};

/// A message as it came in a datagram, without the non-ESP marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its header.
    pub header: Header,
    /// What follows the header.
    pub contents: Contents,
    /// Octets of the datagram behind the length the header gives.
    pub trailing: Vec<u8>,
}

/// What follows the header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Payloads in clear, and what stood behind the last of them within the message.
    Clear(Vec<Payload>, Vec<u8>),
    /// Octets that the header marks as encrypted.
    Encrypted(Vec<u8>),
}

/// A chain of payloads, read as far as it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The payloads that could be read.
    pub payloads: Vec<Payload>,
    /// What follows the last payload: padding, or everything from the damage on.
    pub rest: Vec<u8>,
    /// What stopped the reading before the end of the chain.
    pub error: Option<ParseError>,
}

impl Chain {
    /// The payloads and the padding.
    ///
    /// # Errors
    ///
    /// What stopped the reading.
    pub fn complete(self) -> Result<(Vec<Payload>, Vec<u8>), ParseError> {
        match self.error {
            None => Ok((self.payloads, self.rest)),
            Some(error) => Err(error),
        }
    }
}

impl Message {
    /// Reads a datagram.
    ///
    /// # Errors
    ///
    /// When the header or a payload in clear is malformed, or the datagram is shorter than the header says.
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(datagram);
        let header = Header::parse(&mut reader)?;
        let mut body = reader.sub(header.length as usize - Header::LEN, "body")?;
        let trailing = reader.rest().to_vec();
        let contents = if header.flags.encrypted() {
            Contents::Encrypted(body.rest().to_vec())
        } else {
            let (payloads, rest) = decode_payloads(header.next_payload, body.rest(), Header::LEN).complete()?;
            Contents::Clear(payloads, rest)
        };
        Ok(Self { header, contents, trailing })
    }

    /// A message in clear with the right length and first payload type.
    pub fn clear(mut header: Header, payloads: Vec<Payload>) -> Self {
        let (first, body) = emit_payloads(&payloads);
        header.next_payload = first;
        header.length = (Header::LEN + body.len()) as u32;
        Self { header, contents: Contents::Clear(payloads, Vec::new()), trailing: Vec::new() }
    }

    /// The message as octets, with the header's own next payload and length, right or wrong.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.header.emit(&mut out);
        match &self.contents {
            Contents::Clear(payloads, rest) => {
                out.extend_from_slice(&emit_payloads(payloads).1);
                out.extend_from_slice(rest);
            }
            Contents::Encrypted(octets) => out.extend_from_slice(octets),
        }
        out.extend_from_slice(&self.trailing);
        out
    }

    /// The payloads in clear; none while the message is encrypted.
    pub fn payloads(&self) -> &[Payload] {
        match &self.contents {
            Contents::Clear(payloads, _) => payloads,
            Contents::Encrypted(_) => &[],
        }
    }
}

/// Payloads that most messages do not have more of.
const TYPICAL: usize = 8;

/// Reads the chain of payloads in `octets`, the first of type `first`, which start `offset` octets into the message.
pub fn decode_payloads(first: PayloadType, octets: &[u8], offset: usize) -> Chain {
    let mut reader = Reader::at(octets, offset);
    let mut payloads = Vec::with_capacity(TYPICAL);
    let mut next = first;
    while next != PayloadType::None {
        let before = reader.clone();
        match decode_payload(next, &mut reader) {
            Ok((payload, following)) => {
                payloads.push(payload);
                next = following;
            }
            Err(error) => {
                let rest = before.clone().rest().to_vec();
                return Chain { payloads, rest, error: Some(error.within(next)) };
            }
        }
    }
    Chain { payloads, rest: reader.rest().to_vec(), error: None }
}

fn decode_payload(kind: PayloadType, reader: &mut Reader<'_>) -> Result<(Payload, PayloadType), ParseError> {
    let next = reader.u8("next payload")?.into();
    let reserved = reader.u8("reserved")?;
    let length = usize::from(reader.u16("length")?);
    let Some(body_length) = length.checked_sub(4) else {
        return Err(reader.error("length", ParseErrorKind::BadLength { expected: "4 or more", found: length }));
    };
    let mut inner = reader.sub(body_length, "body")?;
    let body = Body::parse(kind, &mut inner)?;
    inner.expect_empty("body")?;
    Ok((Payload { reserved, body }, next))
}

/// The chain of `payloads` as octets, and the type of the first.
pub fn emit_payloads(payloads: &[Payload]) -> (PayloadType, Vec<u8>) {
    let mut out = Vec::new();
    let mut types = payloads.iter().map(|payload| payload.body.payload_type());
    let first = types.next().unwrap_or(PayloadType::None);
    for payload in payloads {
        let next = types.next().unwrap_or(PayloadType::None);
        item(&mut out, next.into(), payload.reserved, |out| payload.body.emit(out));
    }
    (first, out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::isakmp::{Attribute, OakleyAttribute};

    /// Main mode message 1 of a real IOS (real-cisco-on-the-wire 3), its four vendor IDs left out.
    const MM1: &str = "e47a591fd057587f00000000000000000110020000000000000000580000003c000000010000000100000030\
                       01010001000000280101000080010007800e0080800200028004000280030001800b0001000c000400015180";

    #[test]
    fn reads_what_a_router_sent_and_writes_it_again() {
        let octets = hex::decode(MM1).unwrap();
        let message = Message::parse(&octets).unwrap();
        let Body::Sa(sa) = &message.payloads()[0].body else { panic!("no SA: {message:?}") };
        let attributes = &sa.proposals[0].transforms[0].attributes;
        assert_eq!(attributes[0], Attribute::basic(OakleyAttribute::Encryption, 7_u16));
        assert_eq!(attributes[6].number(), Some(86400));
        assert_eq!(message.to_bytes(), octets);
    }

    #[test]
    fn says_where_a_message_is_damaged() {
        let mut octets = hex::decode(MM1).unwrap();
        octets[0x33] = 0x29;
        let error = Message::parse(&octets).unwrap_err().to_string();
        assert_eq!(error, "SA > proposal 1 > transform 1 > body at octet 52: 37 octets needed, 36 left");
    }

    proptest! {
        #[test]
        fn parse_then_emit_is_identical(mut octets in proptest::collection::vec(any::<u8>(), 28..300), first in 0_u8..22) {
            octets[16] = first;
            octets[24..28].copy_from_slice(&[0, 0, 0, 28 + (first % 5) * 40]);
            if let Ok(message) = Message::parse(&octets) {
                prop_assert_eq!(message.to_bytes(), octets);
            }
        }

        #[test]
        fn damaged_messages_are_refused_or_read_whole(position in 28_usize..88, value in any::<u8>()) {
            let mut octets = hex::decode(MM1).unwrap();
            octets[position] = value;
            if let Ok(message) = Message::parse(&octets) {
                prop_assert_eq!(message.to_bytes(), octets);
            }
        }
    }
}
