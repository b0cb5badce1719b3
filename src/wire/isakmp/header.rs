//! The ISAKMP header (RFC 2408 3.1).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::numbers::{ExchangeType, PayloadType};
use crate::wire::reader::{ParseError, ParseErrorKind, Reader};

/// A cookie: eight octets that name one side of a phase 1 SA; zero while unknown.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Cookie(pub [u8; 8]);

impl Cookie {
    /// The responder's cookie before it has answered.
    pub const ZERO: Self = Self([0; 8]);
}

impl fmt::Display for Cookie {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(formatter, "{octet:02x}"))
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Cookie({self})")
    }
}

impl From<Cookie> for String {
    fn from(cookie: Cookie) -> Self {
        cookie.to_string()
    }
}

impl From<String> for Cookie {
    /// Reads 16 hexadecimal digits; anything else is the zero cookie.
    fn from(text: String) -> Self {
        let mut octets = [0; 8];
        if hex::decode_to_slice(&text, &mut octets).is_err() {
            octets = [0; 8];
        }
        Self(octets)
    }
}

/// The message id; zero in phase 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub u32);

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:08x}", self.0)
    }
}

/// The version octet, major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u8);

impl Version {
    /// IKEv1.
    pub const V1: Self = Self(0x10);
    /// IKEv2 (RFC 7296 3.1).
    pub const V2: Self = Self(0x20);

    /// The major version.
    pub fn major(self) -> u8 {
        self.0 >> 4
    }

    /// The minor version.
    pub fn minor(self) -> u8 {
        self.0 & 0xf
    }
}

/// The flags octet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// What follows the header is encrypted.
    pub const ENCRYPTED: Self = Self(0x01);
    /// The sender waits for a confirmation.
    pub const COMMIT: Self = Self(0x02);
    /// The message is authenticated but not encrypted.
    pub const AUTHENTICATION_ONLY: Self = Self(0x04);

    /// Whether what follows the header is encrypted.
    pub fn encrypted(self) -> bool {
        self.0 & Self::ENCRYPTED.0 != 0
    }
}

/// The ISAKMP header, 28 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// CKY-I.
    pub initiator_cookie: Cookie,
    /// CKY-R.
    pub responder_cookie: Cookie,
    /// Type of the first payload.
    pub next_payload: PayloadType,
    /// The version octet.
    pub version: Version,
    /// The exchange the message belongs to.
    pub exchange: ExchangeType,
    /// The flags octet.
    pub flags: Flags,
    /// The exchange of phase 2 it belongs to; zero in phase 1.
    pub message_id: MessageId,
    /// Length of the whole message in octets as the header says.
    pub length: u32,
}

impl Header {
    /// Octets of a header.
    pub const LEN: usize = 28;

    /// Reads a header. The length field is checked against nothing but the header's own size.
    ///
    /// # Errors
    ///
    /// When there are fewer than 28 octets, or the length field is below 28.
    pub fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let header = Self {
            initiator_cookie: Cookie(reader.array("header > initiator cookie")?),
            responder_cookie: Cookie(reader.array("header > responder cookie")?),
            next_payload: reader.u8("header > next payload")?.into(),
            version: Version(reader.u8("header > version")?),
            exchange: reader.u8("header > exchange type")?.into(),
            flags: Flags(reader.u8("header > flags")?),
            message_id: MessageId(reader.u32("header > message id")?),
            length: reader.u32("header > length")?,
        };
        if (header.length as usize) < Self::LEN {
            let kind = ParseErrorKind::BadLength { expected: "28 or more", found: header.length as usize };
            return Err(ParseError { offset: 24, path: "header > length".to_owned(), kind });
        }
        Ok(header)
    }

    /// Appends the header as it stands, its length field included.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.initiator_cookie.0);
        out.extend_from_slice(&self.responder_cookie.0);
        out.extend_from_slice(&[self.next_payload.into(), self.version.0, self.exchange.into(), self.flags.0]);
        out.extend_from_slice(&self.message_id.0.to_be_bytes());
        out.extend_from_slice(&self.length.to_be_bytes());
    }
}
