//! Data attributes (RFC 2408 3.3).

use serde::{Deserialize, Serialize};

use crate::wire::reader::{ParseError, Reader};

/// A data attribute. Its kind is a number whose meaning depends on where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// The attribute type without the format bit.
    pub kind: u16,
    /// Its value in the format it has on the wire.
    pub value: AttributeValue,
}

/// The value of an attribute in either format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Type/value: two octets.
    Basic(u16),
    /// Type/length/value.
    Variable(#[serde(with = "hex::serde")] Vec<u8>),
}

const BASIC: u16 = 0x8000;

impl Attribute {
    /// An attribute in the two-octet format.
    pub fn basic(kind: impl Into<u16>, value: impl Into<u16>) -> Self {
        Self { kind: kind.into(), value: AttributeValue::Basic(value.into()) }
    }

    /// An attribute in the format with a length.
    pub fn variable(kind: impl Into<u16>, value: impl Into<Vec<u8>>) -> Self {
        Self { kind: kind.into(), value: AttributeValue::Variable(value.into()) }
    }

    /// A duration as IOS writes it: two octets when it fits, otherwise four octets with a length
    /// (cisco-ios-facts 3.1 [S:LOG-XE1, LOG-XE2]).
    pub fn duration(kind: impl Into<u16>, value: u32) -> Self {
        match u16::try_from(value) {
            Ok(short) => Self::basic(kind, short),
            Err(_) => Self::variable(kind, value.to_be_bytes()),
        }
    }

    /// The value as a number; `None` when it has more than eight octets.
    pub fn number(&self) -> Option<u64> {
        match &self.value {
            AttributeValue::Basic(value) => Some(u64::from(*value)),
            AttributeValue::Variable(octets) if octets.len() <= 8 => {
                Some(octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
            }
            AttributeValue::Variable(_) => None,
        }
    }

    /// Reads the attributes that fill `reader`.
    ///
    /// # Errors
    ///
    /// When the last one is cut short.
    pub fn parse_all(reader: &mut Reader<'_>) -> Result<Vec<Self>, ParseError> {
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            attributes.push(Self::parse(reader)?);
        }
        Ok(attributes)
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let format_and_kind = reader.u16("attribute > type")?;
        let kind = format_and_kind & !BASIC;
        let value = reader.u16("attribute > value or length")?;
        if format_and_kind & BASIC != 0 {
            return Ok(Self { kind, value: AttributeValue::Basic(value) });
        }
        let octets = reader.take(usize::from(value), "attribute > value")?;
        Ok(Self { kind, value: AttributeValue::Variable(octets.to_vec()) })
    }

    /// Appends the attribute. A value of more than 65535 octets gets a length that lies.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match &self.value {
            AttributeValue::Basic(value) => {
                out.extend_from_slice(&(self.kind | BASIC).to_be_bytes());
                out.extend_from_slice(&value.to_be_bytes());
            }
            AttributeValue::Variable(octets) => {
                out.extend_from_slice(&self.kind.to_be_bytes());
                out.extend_from_slice(&(octets.len() as u16).to_be_bytes());
                out.extend_from_slice(octets);
            }
        }
    }
}
