//! The payloads of ISAKMP messages (RFC 2408 3.7 to 3.16, RFC 3947 3.2 and 5.2, draft-dukes-ike-mode-cfg).

use serde::{Deserialize, Serialize};

use super::attribute::Attribute;
use super::numbers::{ConfigType, IdType, NotifyType, PayloadType, ProtocolId};
use super::sa::SaPayload;
use crate::wire::reader::{ParseError, ParseErrorKind, Reader};

/// One payload: the reserved octet of its generic header, and its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Zero unless the sender is broken, or the octets were decrypted with the wrong key.
    pub reserved: u8,
    /// What the payload says.
    pub body: Body,
}

/// The body of a payload, by its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// SA.
    Sa(SaPayload),
    /// KE: the Diffie-Hellman public value.
    KeyExchange(#[serde(with = "hex::serde")] Vec<u8>),
    /// ID.
    Id(IdPayload),
    /// CERT.
    Certificate(CertificatePayload),
    /// CERTREQ.
    CertificateRequest(CertificatePayload),
    /// HASH.
    Hash(#[serde(with = "hex::serde")] Vec<u8>),
    /// SIG.
    Signature(#[serde(with = "hex::serde")] Vec<u8>),
    /// NONCE.
    Nonce(#[serde(with = "hex::serde")] Vec<u8>),
    /// N.
    Notify(NotifyPayload),
    /// D.
    Delete(DeletePayload),
    /// VID.
    VendorId(#[serde(with = "hex::serde")] Vec<u8>),
    /// ATTR.
    Attributes(AttributesPayload),
    /// NAT-D under any of its three numbers.
    NatDiscovery {
        /// The number it has: `NatDiscovery`, `NatDiscoveryDraft` or `NatDiscoveryIos`.
        kind: PayloadType,
        /// HASH(CKY-I | CKY-R | IP | port).
        #[serde(with = "hex::serde")]
        hash: Vec<u8>,
    },
    /// A payload of another type, as it stands.
    Opaque {
        /// Its type.
        kind: PayloadType,
        /// Its body.
        #[serde(with = "hex::serde")]
        body: Vec<u8>,
    },
}

/// An identification payload (RFC 2407 4.6.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IdPayload {
    /// How `data` is to be read.
    pub kind: IdType,
    /// IP protocol, 0 for any.
    pub protocol: u8,
    /// Port, 0 for any.
    pub port: u16,
    /// The identification.
    #[serde(with = "hex::serde")]
    pub data: Vec<u8>,
}

/// A certificate or a request for one (RFC 2408 3.9, 3.10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatePayload {
    /// Certificate encoding; 4 is X.509 signature.
    pub encoding: u8,
    /// The certificate, or the name of the authority asked for.
    #[serde(with = "hex::serde")]
    pub data: Vec<u8>,
}

/// A notification (RFC 2408 3.14).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyPayload {
    /// Domain of interpretation; 1 for IPsec.
    pub doi: u32,
    /// What the notification is about.
    pub protocol: ProtocolId,
    /// The SPI, or both cookies.
    #[serde(with = "hex::serde")]
    pub spi: Vec<u8>,
    /// What it says.
    pub kind: NotifyType,
    /// Its data.
    #[serde(with = "hex::serde")]
    pub data: Vec<u8>,
}

/// A delete (RFC 2408 3.15).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletePayload {
    /// Domain of interpretation; 1 for IPsec.
    pub doi: u32,
    /// What is deleted.
    pub protocol: ProtocolId,
    /// Octets of each SPI.
    pub spi_size: u8,
    /// The SPIs of the sender's inbound SAs; each `spi_size` octets.
    pub spis: Vec<Vec<u8>>,
}

/// An attributes payload of a transaction exchange (draft-dukes-ike-mode-cfg 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributesPayload {
    /// Request, reply, set or acknowledgement.
    pub kind: ConfigType,
    /// The reserved octet behind it.
    pub reserved: u8,
    /// Joins a reply to its request.
    pub identifier: u16,
    /// The attributes in the order they stand.
    pub attributes: Vec<Attribute>,
}

impl From<Body> for Payload {
    fn from(body: Body) -> Self {
        Self { reserved: 0, body }
    }
}

impl Body {
    /// The type by which the payload before it names it.
    pub fn payload_type(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::Sa,
            Self::KeyExchange(_) => PayloadType::KeyExchange,
            Self::Id(_) => PayloadType::Id,
            Self::Certificate(_) => PayloadType::Certificate,
            Self::CertificateRequest(_) => PayloadType::CertificateRequest,
            Self::Hash(_) => PayloadType::Hash,
            Self::Signature(_) => PayloadType::Signature,
            Self::Nonce(_) => PayloadType::Nonce,
            Self::Notify(_) => PayloadType::Notify,
            Self::Delete(_) => PayloadType::Delete,
            Self::VendorId(_) => PayloadType::VendorId,
            Self::Attributes(_) => PayloadType::Attributes,
            Self::NatDiscovery { kind, .. } | Self::Opaque { kind, .. } => *kind,
        }
    }

    /// Reads the body of a payload of type `kind` that fills `reader`.
    ///
    /// # Errors
    ///
    /// When the body does not have the form its type demands.
    pub fn parse(kind: PayloadType, reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(match kind {
            PayloadType::Sa => Self::Sa(SaPayload::parse(reader)?),
            PayloadType::KeyExchange => Self::KeyExchange(reader.rest().to_vec()),
            PayloadType::Id => Self::Id(IdPayload::parse(reader)?),
            PayloadType::Certificate => Self::Certificate(CertificatePayload::parse(reader)?),
            PayloadType::CertificateRequest => Self::CertificateRequest(CertificatePayload::parse(reader)?),
            PayloadType::Hash => Self::Hash(reader.rest().to_vec()),
            PayloadType::Signature => Self::Signature(reader.rest().to_vec()),
            PayloadType::Nonce => Self::Nonce(reader.rest().to_vec()),
            PayloadType::Notify => Self::Notify(NotifyPayload::parse(reader)?),
            PayloadType::Delete => Self::Delete(DeletePayload::parse(reader)?),
            PayloadType::VendorId => Self::VendorId(reader.rest().to_vec()),
            PayloadType::Attributes => Self::Attributes(AttributesPayload::parse(reader)?),
            PayloadType::NatDiscovery | PayloadType::NatDiscoveryDraft | PayloadType::NatDiscoveryIos => {
                Self::NatDiscovery { kind, hash: reader.rest().to_vec() }
            }
            kind => Self::Opaque { kind, body: reader.rest().to_vec() },
        })
    }

    /// Appends the body.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Self::Sa(sa) => sa.emit(out),
            Self::Id(id) => id.emit(out),
            Self::Certificate(certificate) | Self::CertificateRequest(certificate) => {
                out.push(certificate.encoding);
                out.extend_from_slice(&certificate.data);
            }
            Self::Notify(notify) => notify.emit(out),
            Self::Delete(delete) => delete.emit(out),
            Self::Attributes(attributes) => attributes.emit(out),
            Self::KeyExchange(octets)
            | Self::Hash(octets)
            | Self::Signature(octets)
            | Self::Nonce(octets)
            | Self::VendorId(octets)
            | Self::NatDiscovery { hash: octets, .. }
            | Self::Opaque { body: octets, .. } => out.extend_from_slice(octets),
        }
    }

    /// The body as octets, as HASH_I and HASH_R need it (IDii_b).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.emit(&mut out);
        out
    }
}

impl IdPayload {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            kind: reader.u8("type")?.into(),
            protocol: reader.u8("protocol")?,
            port: reader.u16("port")?,
            data: reader.rest().to_vec(),
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.into(), self.protocol]);
        out.extend_from_slice(&self.port.to_be_bytes());
        out.extend_from_slice(&self.data);
    }

    /// The body as octets (IDii_b, IDir_b, IDci, IDcr).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.emit(&mut out);
        out
    }
}

impl CertificatePayload {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self { encoding: reader.u8("encoding")?, data: reader.rest().to_vec() })
    }
}

impl NotifyPayload {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let doi = reader.u32("DOI")?;
        let protocol = reader.u8("protocol")?.into();
        let spi_size = reader.u8("SPI size")?;
        let kind = reader.u16("notify type")?.into();
        let spi = reader.take(usize::from(spi_size), "SPI")?.to_vec();
        Ok(Self { doi, protocol, spi, kind, data: reader.rest().to_vec() })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.doi.to_be_bytes());
        out.extend_from_slice(&[self.protocol.into(), self.spi.len() as u8]);
        out.extend_from_slice(&u16::from(self.kind).to_be_bytes());
        out.extend_from_slice(&self.spi);
        out.extend_from_slice(&self.data);
    }
}

impl DeletePayload {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let doi = reader.u32("DOI")?;
        let protocol = reader.u8("protocol")?.into();
        let spi_size = reader.u8("SPI size")?;
        let count = usize::from(reader.u16("SPI count")?);
        let needed = count * usize::from(spi_size);
        if needed != reader.remaining() || (spi_size == 0 && count != 0) {
            let kind = ParseErrorKind::BadLength { expected: "SPI count times SPI size", found: reader.remaining() };
            return Err(reader.error("SPIs", kind));
        }
        let mut spis = Vec::new();
        while !reader.is_empty() {
            spis.push(reader.take(usize::from(spi_size), "SPI")?.to_vec());
        }
        Ok(Self { doi, protocol, spi_size, spis })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.doi.to_be_bytes());
        out.extend_from_slice(&[self.protocol.into(), self.spi_size]);
        out.extend_from_slice(&(self.spis.len() as u16).to_be_bytes());
        self.spis.iter().for_each(|spi| out.extend_from_slice(spi));
    }
}

impl AttributesPayload {
    fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            kind: reader.u8("type")?.into(),
            reserved: reader.u8("reserved")?,
            identifier: reader.u16("identifier")?,
            attributes: Attribute::parse_all(reader)?,
        })
    }

    fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.kind.into(), self.reserved]);
        out.extend_from_slice(&self.identifier.to_be_bytes());
        self.attributes.iter().for_each(|attribute| attribute.emit(out));
    }
}
