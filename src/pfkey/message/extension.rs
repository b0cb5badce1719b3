//! One extension of a message.

use super::address::Address;
use super::association::{Identity, Key, Lifetime, Sa, Sa2, SpiRange};
use super::native::{ReadNative, WriteNative};
use super::numbers::ExtensionType;
use super::policy::Policy;
use super::supported::{Algorithm, Proposal, emit_supported, parse_supported};
use crate::wire::{ParseError, ParseErrorKind, Reader};

/// An extension. Reserved fields and padding are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// The SA.
    Sa(Sa),
    /// What was used up of its lifetime.
    LifetimeCurrent(Lifetime),
    /// When it dies.
    LifetimeHard(Lifetime),
    /// When a successor is wanted.
    LifetimeSoft(Lifetime),
    /// Source.
    Source(Address),
    /// Destination.
    Destination(Address),
    /// Inner source.
    Proxy(Address),
    /// Integrity key.
    KeyAuth(Key),
    /// Encryption key.
    KeyEncrypt(Key),
    /// Identity of the source.
    IdentitySource(Identity),
    /// Identity of the destination.
    IdentityDestination(Identity),
    /// What an SA may be made of.
    Proposal(Proposal),
    /// Integrity algorithms there are.
    SupportedAuth(Vec<Algorithm>),
    /// Encryption algorithms there are.
    SupportedEncrypt(Vec<Algorithm>),
    /// SPIs that may be reserved.
    SpiRange(SpiRange),
    /// A policy.
    Policy(Policy),
    /// Mode, reqid and sequence.
    Sa2(Sa2),
    /// How ESP travels in UDP: 2 is RFC 3948.
    NatTType(u8),
    /// Source port of ESP in UDP.
    NatTSourcePort(u16),
    /// Destination port of ESP in UDP.
    NatTDestinationPort(u16),
    /// The peer's address before the NAT.
    NatTOriginalAddress(Address),
    /// One that is carried along and not looked into.
    Other {
        /// Its type.
        kind: ExtensionType,
        /// What stands behind type and length; with these a multiple of 8 octets.
        octets: Vec<u8>,
    },
}

/// Length and type.
pub(super) const HEADER_LEN: usize = 4;

impl Extension {
    /// Its type.
    pub fn kind(&self) -> ExtensionType {
        match self {
            Self::Sa(_) => ExtensionType::Sa,
            Self::LifetimeCurrent(_) => ExtensionType::LifetimeCurrent,
            Self::LifetimeHard(_) => ExtensionType::LifetimeHard,
            Self::LifetimeSoft(_) => ExtensionType::LifetimeSoft,
            Self::Source(_) => ExtensionType::AddressSource,
            Self::Destination(_) => ExtensionType::AddressDestination,
            Self::Proxy(_) => ExtensionType::AddressProxy,
            Self::KeyAuth(_) => ExtensionType::KeyAuth,
            Self::KeyEncrypt(_) => ExtensionType::KeyEncrypt,
            Self::IdentitySource(_) => ExtensionType::IdentitySource,
            Self::IdentityDestination(_) => ExtensionType::IdentityDestination,
            Self::Proposal(_) => ExtensionType::Proposal,
            Self::SupportedAuth(_) => ExtensionType::SupportedAuth,
            Self::SupportedEncrypt(_) => ExtensionType::SupportedEncrypt,
            Self::SpiRange(_) => ExtensionType::SpiRange,
            Self::Policy(_) => ExtensionType::Policy,
            Self::Sa2(_) => ExtensionType::Sa2,
            Self::NatTType(_) => ExtensionType::NatTType,
            Self::NatTSourcePort(_) => ExtensionType::NatTSourcePort,
            Self::NatTDestinationPort(_) => ExtensionType::NatTDestinationPort,
            Self::NatTOriginalAddress(_) => ExtensionType::NatTOriginalAddress,
            Self::Other { kind, .. } => *kind,
        }
    }

    /// Takes the next extension, header included.
    pub(super) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let at = reader.clone();
        let length = usize::from(reader.native_u16("extension length")?) * 8;
        if length < 8 {
            let kind = ParseErrorKind::BadLength { expected: "1 or more units of 8 octets", found: length };
            return Err(at.error("extension length", kind));
        }
        let kind = reader.native_u16("extension type")?;
        if kind == 0 {
            let kind = ParseErrorKind::BadValue { expected: "an extension type above 0", found: 0 };
            return Err(at.error("extension type", kind));
        }
        let kind = ExtensionType::from(kind);
        let mut body = reader.sub(length - HEADER_LEN, "extension")?;
        let parsed = Self::parse_body(kind, &mut body).and_then(|extension| {
            body.expect_empty("end")?;
            Ok(extension)
        });
        parsed.map_err(|error| error.within(kind))
    }

    fn parse_body(kind: ExtensionType, body: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(match kind {
            ExtensionType::Sa => Self::Sa(Sa::parse(body)?),
            ExtensionType::LifetimeCurrent => Self::LifetimeCurrent(Lifetime::parse(body)?),
            ExtensionType::LifetimeHard => Self::LifetimeHard(Lifetime::parse(body)?),
            ExtensionType::LifetimeSoft => Self::LifetimeSoft(Lifetime::parse(body)?),
            ExtensionType::AddressSource => Self::Source(Address::parse(body)?),
            ExtensionType::AddressDestination => Self::Destination(Address::parse(body)?),
            ExtensionType::AddressProxy => Self::Proxy(Address::parse(body)?),
            ExtensionType::KeyAuth => Self::KeyAuth(Key::parse(body)?),
            ExtensionType::KeyEncrypt => Self::KeyEncrypt(Key::parse(body)?),
            ExtensionType::IdentitySource => Self::IdentitySource(Identity::parse(body)?),
            ExtensionType::IdentityDestination => Self::IdentityDestination(Identity::parse(body)?),
            ExtensionType::Proposal => Self::Proposal(Proposal::parse(body)?),
            ExtensionType::SupportedAuth => Self::SupportedAuth(parse_supported(body)?),
            ExtensionType::SupportedEncrypt => Self::SupportedEncrypt(parse_supported(body)?),
            ExtensionType::SpiRange => Self::SpiRange(SpiRange::parse(body)?),
            ExtensionType::Policy => Self::Policy(Policy::parse(body)?),
            ExtensionType::Sa2 => Self::Sa2(Sa2::parse(body)?),
            ExtensionType::NatTType => {
                let kind = body.u8("type")?;
                body.take(3, "reserved")?;
                Self::NatTType(kind)
            }
            ExtensionType::NatTSourcePort => Self::NatTSourcePort(parse_port(body)?),
            ExtensionType::NatTDestinationPort => Self::NatTDestinationPort(parse_port(body)?),
            ExtensionType::NatTOriginalAddress => Self::NatTOriginalAddress(Address::parse(body)?),
            kind => Self::Other { kind, octets: body.rest().to_vec() },
        })
    }

    /// Appends the extension, filled up to a multiple of 8 octets.
    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        let start = octets.len();
        octets.put_u16(0);
        octets.put_u16(self.kind().into());
        match self {
            Self::Sa(sa) => sa.emit(octets),
            Self::LifetimeCurrent(lifetime) | Self::LifetimeHard(lifetime) | Self::LifetimeSoft(lifetime) => {
                lifetime.emit(octets);
            }
            Self::Source(address)
            | Self::Destination(address)
            | Self::Proxy(address)
            | Self::NatTOriginalAddress(address) => address.emit(octets),
            Self::KeyAuth(key) | Self::KeyEncrypt(key) => key.emit(octets),
            Self::IdentitySource(identity) | Self::IdentityDestination(identity) => identity.emit(octets),
            Self::Proposal(proposal) => proposal.emit(octets),
            Self::SupportedAuth(algorithms) | Self::SupportedEncrypt(algorithms) => emit_supported(algorithms, octets),
            Self::SpiRange(range) => range.emit(octets),
            Self::Policy(policy) => policy.emit(octets),
            Self::Sa2(sa2) => sa2.emit(octets),
            Self::NatTType(kind) => octets.extend_from_slice(&[*kind, 0, 0, 0]),
            Self::NatTSourcePort(port) | Self::NatTDestinationPort(port) => {
                octets.extend_from_slice(&port.to_be_bytes());
                octets.put_u16(0);
            }
            Self::Other { octets: body, .. } => octets.extend_from_slice(body),
        }
        let length = (octets.len() - start).next_multiple_of(8);
        octets.resize(start + length, 0);
        octets[start..start + 2].copy_from_slice(&((length / 8) as u16).to_ne_bytes());
    }
}

fn parse_port(body: &mut Reader<'_>) -> Result<u16, ParseError> {
    let port = body.u16("port")?;
    body.take(2, "reserved")?;
    Ok(port)
}
