//! The bodies of IKEv2 payloads (RFC 7296 3.3 to 3.15, RFC 7383 2.5), as views of their octets.

use std::fmt;

use super::numbers::{
    AuthMethod, ConfigType, Encryption, Integrity, NotifyType, PayloadType, Prf, ProtocolId, SelectorType,
    TransformType,
};
use super::{Payload, Reader};
use crate::wire::isakmp::{Attribute, IdType};
use crate::wire::reader::{ParseError, ParseErrorKind};

/// What a payload says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// SA: the proposals in the order they stand.
    Sa(Vec<Proposal<'a>>),
    /// KE: the group and the public value.
    KeyExchange(u16, &'a [u8]),
    /// IDi or IDr.
    Id(IdType, &'a [u8]),
    /// CERT or CERTREQ: encoding and data.
    Certificate(u8, &'a [u8]),
    /// AUTH: method and data.
    Authentication(AuthMethod, &'a [u8]),
    /// Nonce.
    Nonce(&'a [u8]),
    /// N.
    Notify(Notify<'a>),
    /// D.
    Delete(Delete<'a>),
    /// VID.
    VendorId(&'a [u8]),
    /// TSi or TSr.
    Selectors(Vec<Selector<'a>>),
    /// CP.
    Configuration(Configuration<'a>),
    /// EAP: code and the whole packet.
    Eap(u8, &'a [u8]),
    /// SK: IV, ciphertext and ICV.
    Encrypted(&'a [u8]),
    /// SKF.
    EncryptedFragment(Fragment<'a>),
    /// Any other, as it stands.
    Opaque(&'a [u8]),
}

/// One proposal of an SA payload (RFC 7296 3.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal<'a> {
    /// Its number, from 1.
    pub number: u8,
    /// What is proposed.
    pub protocol: ProtocolId,
    /// The sender's SPI; empty in IKE_SA_INIT.
    pub spi: &'a [u8],
    /// The transforms in the order they stand; those of one type are alternatives.
    pub transforms: Vec<Transform>,
}

/// One transform of a proposal (RFC 7296 3.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// Type and id.
    pub id: TransformId,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

/// A transform's type and id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransformId {
    /// Encryption.
    Encryption(Encryption),
    /// Pseudo-random function.
    Prf(Prf),
    /// Integrity.
    Integrity(Integrity),
    /// Diffie-Hellman group by its number.
    Group(u16),
    /// Extended sequence numbers, 1 is yes.
    ExtendedSequence(u16),
    /// A type this table does not name, and the id.
    Other(u8, u16),
}

/// A notification (RFC 7296 3.10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify<'a> {
    /// What it is about.
    pub protocol: ProtocolId,
    /// The SPI, where there is one.
    pub spi: &'a [u8],
    /// What it says.
    pub kind: NotifyType,
    /// Its data.
    pub data: &'a [u8],
}

/// A delete (RFC 7296 3.11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// What is deleted.
    pub protocol: ProtocolId,
    /// The SPIs; none with IKE.
    pub spis: Vec<&'a [u8]>,
}

/// A traffic selector (RFC 7296 3.13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector<'a> {
    /// How the addresses are to be read.
    pub kind: SelectorType,
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// First and last port.
    pub ports: (u16, u16),
    /// First address, then last.
    pub addresses: &'a [u8],
}

/// A configuration payload (RFC 7296 3.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration<'a> {
    /// Request, reply, set or acknowledgement.
    pub kind: ConfigType,
    /// The attributes in the order they stand.
    pub attributes: Vec<ConfigAttribute<'a>>,
}

/// An attribute of a configuration payload; always with a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigAttribute<'a> {
    /// Its number.
    pub kind: u16,
    /// Its value.
    pub value: &'a [u8],
}

/// A fragment of an encrypted message (RFC 7383 2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Its number, from 1.
    pub number: u16,
    /// How many there are.
    pub total: u16,
    /// IV, ciphertext and ICV.
    pub sealed: &'a [u8],
}

impl Payload {
    /// What the payload says.
    ///
    /// # Errors
    ///
    /// When the body does not have the form its type demands.
    pub fn body(&self) -> Result<Body<'_>, ParseError> {
        let mut reader = Reader::at(&self.octets, self.offset);
        let body = parse(self.kind, &mut reader).and_then(|body| reader.expect_empty("body").map(|()| body));
        body.map_err(|error| error.within(self.kind))
    }
}

fn parse<'a>(kind: PayloadType, reader: &mut Reader<'a>) -> Result<Body<'a>, ParseError> {
    Ok(match kind {
        PayloadType::Sa => Body::Sa(proposals(reader)?),
        PayloadType::KeyExchange => {
            let group = reader.u16("group")?;
            reader.u16("reserved")?;
            Body::KeyExchange(group, reader.rest())
        }
        PayloadType::IdInitiator | PayloadType::IdResponder => {
            let kind = reader.u8("type")?.into();
            reader.take(3, "reserved")?;
            Body::Id(kind, reader.rest())
        }
        PayloadType::Certificate | PayloadType::CertificateRequest => {
            Body::Certificate(reader.u8("encoding")?, reader.rest())
        }
        PayloadType::Authentication => {
            let method = reader.u8("method")?.into();
            reader.take(3, "reserved")?;
            Body::Authentication(method, reader.rest())
        }
        PayloadType::Nonce => Body::Nonce(reader.rest()),
        PayloadType::Notify => {
            let protocol = reader.u8("protocol")?.into();
            let spi_size = reader.u8("SPI size")?;
            let kind = reader.u16("notify type")?.into();
            let spi = reader.take(usize::from(spi_size), "SPI")?;
            Body::Notify(Notify { protocol, spi, kind, data: reader.rest() })
        }
        PayloadType::Delete => Body::Delete(delete(reader)?),
        PayloadType::VendorId => Body::VendorId(reader.rest()),
        PayloadType::SelectorInitiator | PayloadType::SelectorResponder => Body::Selectors(selectors(reader)?),
        PayloadType::Configuration => Body::Configuration(configuration(reader)?),
        PayloadType::Eap => {
            let packet = reader.rest();
            Body::Eap(packet.first().copied().unwrap_or(0), packet)
        }
        PayloadType::Encrypted => Body::Encrypted(reader.rest()),
        PayloadType::EncryptedFragment => {
            let (number, total) = (reader.u16("fragment number")?, reader.u16("total fragments")?);
            if number == 0 || number > total {
                let kind = ParseErrorKind::BadValue { expected: "1 to the total of fragments", found: number.into() };
                return Err(reader.error("fragment number", kind));
            }
            Body::EncryptedFragment(Fragment { number, total, sealed: reader.rest() })
        }
        PayloadType::None | PayloadType::Unknown(_) => Body::Opaque(reader.rest()),
    })
}

fn proposals<'a>(reader: &mut Reader<'a>) -> Result<Vec<Proposal<'a>>, ParseError> {
    let mut proposals = Vec::new();
    while !reader.is_empty() {
        let place = format!("proposal {}", proposals.len() + 1);
        let mut inner = item(reader).map_err(|error| error.within(&place))?;
        proposals.push(proposal(&mut inner).map_err(|error| error.within(&place))?);
    }
    Ok(proposals)
}

fn proposal<'a>(reader: &mut Reader<'a>) -> Result<Proposal<'a>, ParseError> {
    let number = reader.u8("number")?;
    let protocol = reader.u8("protocol")?.into();
    let spi_size = reader.u8("SPI size")?;
    let count = reader.u8("transform count")?;
    let spi = reader.take(usize::from(spi_size), "SPI")?;
    let mut transforms = Vec::new();
    while !reader.is_empty() {
        let place = format!("transform {}", transforms.len() + 1);
        let mut inner = item(reader).map_err(|error| error.within(&place))?;
        transforms.push(transform(&mut inner).map_err(|error| error.within(&place))?);
    }
    if transforms.len() != usize::from(count) {
        let kind = ParseErrorKind::BadValue { expected: "the number of transforms that follow", found: count.into() };
        return Err(reader.error("transform count", kind));
    }
    Ok(Proposal { number, protocol, spi, transforms })
}

fn transform(reader: &mut Reader<'_>) -> Result<Transform, ParseError> {
    let kind = reader.u8("type")?;
    reader.u8("reserved")?;
    let id = reader.u16("id")?;
    let id = match TransformType::from(kind) {
        TransformType::Encryption => TransformId::Encryption(id.into()),
        TransformType::Prf => TransformId::Prf(id.into()),
        TransformType::Integrity => TransformId::Integrity(id.into()),
        TransformType::Group => TransformId::Group(id),
        TransformType::ExtendedSequence => TransformId::ExtendedSequence(id),
        TransformType::Unknown(kind) => TransformId::Other(kind, id),
    };
    Ok(Transform { id, attributes: Attribute::parse_all(reader)? })
}

/// A proposal or transform with its header of four octets: last or more, reserved, length.
fn item<'a>(reader: &mut Reader<'a>) -> Result<Reader<'a>, ParseError> {
    reader.u16("last substructure")?;
    let length = usize::from(reader.u16("length")?);
    match length.checked_sub(4) {
        Some(length) => reader.sub(length, "body"),
        None => Err(reader.error("length", ParseErrorKind::BadLength { expected: "4 or more", found: length })),
    }
}

fn delete<'a>(reader: &mut Reader<'a>) -> Result<Delete<'a>, ParseError> {
    let protocol = reader.u8("protocol")?.into();
    let spi_size = usize::from(reader.u8("SPI size")?);
    let count = usize::from(reader.u16("SPI count")?);
    if count * spi_size != reader.remaining() || (spi_size == 0 && count != 0) {
        let kind = ParseErrorKind::BadLength { expected: "SPI count times SPI size", found: reader.remaining() };
        return Err(reader.error("SPIs", kind));
    }
    let mut spis = Vec::new();
    while !reader.is_empty() {
        spis.push(reader.take(spi_size, "SPI")?);
    }
    Ok(Delete { protocol, spis })
}

fn selectors<'a>(reader: &mut Reader<'a>) -> Result<Vec<Selector<'a>>, ParseError> {
    let count = reader.u8("count")?;
    reader.take(3, "reserved")?;
    let mut selectors = Vec::new();
    while !reader.is_empty() {
        let kind = reader.u8("selector > type")?.into();
        let protocol = reader.u8("selector > protocol")?;
        let length = usize::from(reader.u16("selector > length")?);
        let Some(rest) = length.checked_sub(8) else {
            let kind = ParseErrorKind::BadLength { expected: "8 or more", found: length };
            return Err(reader.error("selector > length", kind));
        };
        let ports = (reader.u16("selector > first port")?, reader.u16("selector > last port")?);
        selectors.push(Selector { kind, protocol, ports, addresses: reader.take(rest, "selector > addresses")? });
    }
    if selectors.len() != usize::from(count) {
        let kind = ParseErrorKind::BadValue { expected: "the number of selectors that follow", found: count.into() };
        return Err(reader.error("count", kind));
    }
    Ok(selectors)
}

fn configuration<'a>(reader: &mut Reader<'a>) -> Result<Configuration<'a>, ParseError> {
    let kind = reader.u8("type")?.into();
    reader.take(3, "reserved")?;
    let mut attributes = Vec::new();
    while !reader.is_empty() {
        let kind = reader.u16("attribute > type")? & 0x7fff;
        let length = usize::from(reader.u16("attribute > length")?);
        attributes.push(ConfigAttribute { kind, value: reader.take(length, "attribute > value")? });
    }
    Ok(Configuration { kind, attributes })
}

impl fmt::Display for Transform {
    /// `ENCR AES_CBC 256`, `PRF HMAC_SHA1`, `DH 14`, `ESN no`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KEY_LENGTH: u16 = 14;
        match self.id {
            TransformId::Encryption(id) => write!(formatter, "ENCR {id}")?,
            TransformId::Prf(id) => write!(formatter, "PRF {id}")?,
            TransformId::Integrity(id) => write!(formatter, "INTEG {id}")?,
            TransformId::Group(0) => formatter.write_str("DH none")?,
            TransformId::Group(id) => write!(formatter, "DH {id}")?,
            TransformId::ExtendedSequence(0) => formatter.write_str("ESN no")?,
            TransformId::ExtendedSequence(1) => formatter.write_str("ESN yes")?,
            TransformId::ExtendedSequence(id) => write!(formatter, "ESN {id}")?,
            TransformId::Other(kind, id) => write!(formatter, "type {kind} id {id}")?,
        }
        self.attributes.iter().try_for_each(|attribute| match (attribute.kind, attribute.number()) {
            (KEY_LENGTH, Some(bits)) => write!(formatter, " {bits}"),
            (kind, Some(number)) => write!(formatter, " attribute {kind} {number}"),
            (kind, None) => write!(formatter, " attribute {kind}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Message, chain};
    use super::*;
    use crate::wire::isakmp::Header;

    #[test]
    fn reads_a_recorded_request() {
        let octets =
            std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/captures/raw-ikev2-sa-init-req.bin")).unwrap();
        let header = Header::parse(&mut Reader::new(&octets)).unwrap();
        let message = Message::parse(header, &octets);
        assert_eq!(message.error, None);
        let kinds: Vec<String> = message.payloads.iter().map(|payload| payload.kind.to_string()).collect();
        assert_eq!(kinds[..3], ["SA", "KE", "NONCE"]);
        let Body::Sa(proposals) = message.payloads[0].body().unwrap() else { panic!("no SA") };
        assert!(proposals.iter().all(|proposal| proposal.protocol == ProtocolId::Ike));
        for payload in &message.payloads {
            payload.body().unwrap();
        }
    }

    proptest! {
        #[test]
        fn any_octets_end(first in 33_u8..60, octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let (payloads, _) = chain(first.into(), &octets, 0);
            for payload in payloads {
                let _ = payload.body();
            }
        }

        /// There is nothing that writes IKEv2; what was read must be all that was there.
        #[test]
        fn payloads_lie_one_behind_the_other(first in 33_u8..54, octets in proptest::collection::vec(0_u8..12, 0..200)) {
            let (payloads, error) = chain(first.into(), &octets, 0);
            let mut rest = &octets[..];
            for payload in &payloads {
                let length = 4 + payload.octets.len();
                prop_assert_eq!(payload.offset, octets.len() - rest.len() + 4);
                prop_assert_eq!(PayloadType::from(rest[0]), payload.next);
                prop_assert_eq!(usize::from(u16::from_be_bytes([rest[2], rest[3]])), length);
                prop_assert_eq!(&rest[4..length], &payload.octets[..]);
                rest = &rest[length..];
            }
            if error.is_some() {
                prop_assert!(rest.len() < 4 || usize::from(u16::from_be_bytes([rest[2], rest[3]])) > rest.len()
                    || u16::from_be_bytes([rest[2], rest[3]]) < 4);
            }
        }

        #[test]
        fn any_body_ends(kind in 33_u8..54, octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            let payload =
                Payload { kind: kind.into(), next: PayloadType::None, critical: false, offset: 0, octets };
            let _ = payload.body();
        }
    }
}
