//! The security association payload with its proposals and transforms (RFC 2408 3.4 to 3.6).

use serde::{Deserialize, Serialize};

use super::attribute::Attribute;
use super::numbers::ProtocolId;
use crate::wire::reader::{ParseError, ParseErrorKind, Reader};

const PROPOSAL: u8 = 2;
const TRANSFORM: u8 = 3;
const LAST: u8 = 0;

/// The body of an SA payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaPayload {
    /// Domain of interpretation; 1 for IPsec.
    pub doi: u32,
    /// Situation; 1 for identity only.
    pub situation: u32,
    /// The proposals in the order they stand.
    pub proposals: Vec<Proposal>,
}

/// One proposal of an SA payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// Reserved octet of the generic header.
    pub reserved: u8,
    /// Proposal number; proposals of one number belong together.
    pub number: u8,
    /// What is proposed.
    pub protocol: ProtocolId,
    /// The sender's SPI; empty in phase 1.
    #[serde(with = "hex::serde")]
    pub spi: Vec<u8>,
    /// The alternatives in the order they stand.
    pub transforms: Vec<Transform>,
}

/// One transform of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transform {
    /// Reserved octet of the generic header.
    pub reserved: u8,
    /// Transform number.
    pub number: u8,
    /// Transform id: KEY_IKE (1) in phase 1, an `EspTransform` or `AhTransform` in phase 2.
    pub id: u8,
    /// The reserved octets behind the id.
    pub reserved2: u16,
    /// Its attributes in the order they stand.
    pub attributes: Vec<Attribute>,
}

impl SaPayload {
    /// An SA payload of the IPsec DOI, identity only.
    pub fn ipsec(proposals: Vec<Proposal>) -> Self {
        Self { doi: 1, situation: 1, proposals }
    }

    /// Reads the body of an SA payload that fills `reader`.
    ///
    /// # Errors
    ///
    /// When a length does not fit, a chain names another payload, or a transform count is not the number of transforms.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let doi = reader.u32("DOI")?;
        let situation = reader.u32("situation")?;
        let proposals = chain(reader, PROPOSAL, "proposal", Proposal::parse)?;
        Ok(Self { doi, situation, proposals })
    }

    /// Appends the body of the payload.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.doi.to_be_bytes());
        out.extend_from_slice(&self.situation.to_be_bytes());
        for (index, proposal) in self.proposals.iter().enumerate() {
            let next = if index + 1 == self.proposals.len() { LAST } else { PROPOSAL };
            item(out, next, proposal.reserved, |out| proposal.emit(out));
        }
    }

    /// The body as octets, as HASH_I and HASH_R need it (SAi_b).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.emit(&mut out);
        out
    }
}

impl Proposal {
    fn parse(reserved: u8, reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let number = reader.u8("number")?;
        let protocol = reader.u8("protocol")?.into();
        let spi_size = reader.u8("SPI size")?;
        let count = reader.u8("transform count")?;
        let spi = reader.take(usize::from(spi_size), "SPI")?.to_vec();
        let transforms = chain(reader, TRANSFORM, "transform", Transform::parse)?;
        if transforms.len() != usize::from(count) {
            let kind =
                ParseErrorKind::BadValue { expected: "the number of transforms that follow", found: count.into() };
            return Err(reader.error("transform count", kind));
        }
        Ok(Self { reserved, number, protocol, spi, transforms })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.number, self.protocol.into(), self.spi.len() as u8, self.transforms.len() as u8]);
        out.extend_from_slice(&self.spi);
        for (index, transform) in self.transforms.iter().enumerate() {
            let next = if index + 1 == self.transforms.len() { LAST } else { TRANSFORM };
            item(out, next, transform.reserved, |out| transform.emit(out));
        }
    }
}

impl Transform {
    /// A transform with zero reserved fields.
    pub fn new(number: u8, id: impl Into<u8>, attributes: Vec<Attribute>) -> Self {
        Self { reserved: 0, number, id: id.into(), reserved2: 0, attributes }
    }

    fn parse(reserved: u8, reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            reserved,
            number: reader.u8("number")?,
            id: reader.u8("transform id")?,
            reserved2: reader.u16("reserved")?,
            attributes: Attribute::parse_all(reader)?,
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.number, self.id]);
        out.extend_from_slice(&self.reserved2.to_be_bytes());
        self.attributes.iter().for_each(|attribute| attribute.emit(out));
    }
}

/// Reads a chain of generic-header items of one type that fills `reader`.
fn chain<'a, T>(
    reader: &mut Reader<'a>,
    own_type: u8,
    name: &str,
    parse: impl Fn(u8, &mut Reader<'a>) -> Result<T, ParseError>,
) -> Result<Vec<T>, ParseError> {
    let mut items = Vec::new();
    if reader.is_empty() {
        return Ok(items);
    }
    loop {
        let here = || format!("{name} {}", items.len() + 1);
        let next = reader.u8("next payload").map_err(|error| error.within(here()))?;
        let reserved = reader.u8("reserved").map_err(|error| error.within(here()))?;
        let length = usize::from(reader.u16("length").map_err(|error| error.within(here()))?);
        let Some(body) = length.checked_sub(4) else {
            let kind = ParseErrorKind::BadLength { expected: "4 or more", found: length };
            return Err(reader.error("length", kind).within(here()));
        };
        let mut inner = reader.sub(body, "body").map_err(|error| error.within(here()))?;
        let item = parse(reserved, &mut inner).map_err(|error| error.within(here()))?;
        items.push(item);
        match next {
            LAST => break,
            next if next == own_type => {}
            next => {
                let kind = ParseErrorKind::BadValue { expected: "0 or the same type again", found: next.into() };
                return Err(reader.error("next payload", kind).within(format!("{name} {}", items.len())));
            }
        }
    }
    reader.expect_empty(name)?;
    Ok(items)
}

/// Appends a generic header and what `emit` appends behind it.
pub(super) fn item(out: &mut Vec<u8>, next: u8, reserved: u8, emit: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[next, reserved, 0, 0]);
    emit(out);
    let length = (out.len() - start) as u16;
    out[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
}
