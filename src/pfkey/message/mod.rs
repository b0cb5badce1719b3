//! PF_KEY messages (RFC 2367, with the policy and NAT traversal extensions of KAME and Linux).
//!
//! [`Message::parse`] takes any octets and never panics; what it gives back and [`Message::to_bytes`] are inverse of each
//! other. Reserved fields and padding are not looked at, because setkey and racoon leave what stood in memory there.

mod address;
mod association;
mod extension;
mod native;
mod numbers;
mod policy;
mod supported;

use native::{ReadNative, WriteNative};

pub use address::Address;
pub use association::{Identity, Key, Lifetime, Sa, Sa2, SpiRange};
pub use extension::Extension;
pub use numbers::{
    AuthAlgorithm, Direction, EncryptAlgorithm, Errno, ExtensionType, IpsecMode, Level, MessageType, PolicyType,
    SaState, SaType,
};
pub use policy::{IpsecRequest, Policy};
pub use supported::{Algorithm, Combination, Proposal};

use crate::wire::{ParseError, ParseErrorKind, Reader};

/// The version of PF_KEY.
const VERSION: u8 = 2;

/// `sadb_msg` without version and length (RFC 2367 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What is asked for or told.
    pub kind: MessageType,
    /// Why it failed; 0 when it did not.
    pub errno: u8,
    /// Which SAs it is about.
    pub sa_type: SaType,
    /// The asker's number for it, or that of an acquire; counts up to 0 in dumps.
    pub sequence: u32,
    /// The asker's process id; 0 when the kernel speaks of itself.
    pub pid: u32,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its header.
    pub header: Header,
    /// Its extensions in their order; none of the types Linux knows is there twice.
    pub extensions: Vec<Extension>,
}

/// Why octets are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct MessageError {
    /// The header, where it could be read: the answer goes with it.
    pub header: Option<Header>,
    /// What Linux says of it.
    pub errno: Errno,
    /// What is wrong, and where.
    pub error: ParseError,
}

impl Header {
    /// Octets of `sadb_msg`.
    pub const LEN: usize = 16;

    /// The header, and how long it says that the message is, in octets.
    fn parse(reader: &mut Reader<'_>) -> Result<(Self, usize), ParseError> {
        let at = reader.clone();
        let version = reader.u8("version")?;
        let kind = reader.u8("message type")?.into();
        let errno = reader.u8("errno")?;
        let sa_type = reader.u8("SA type")?.into();
        let length = usize::from(reader.native_u16("message length")?) * 8;
        reader.take(2, "reserved")?;
        let header =
            Self { kind, errno, sa_type, sequence: reader.native_u32("sequence")?, pid: reader.native_u32("pid")? };
        if version != VERSION {
            return Err(at.error("version", ParseErrorKind::BadValue { expected: "2", found: version.into() }));
        }
        Ok((header, length))
    }

    fn emit(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&[VERSION, self.kind.into(), self.errno, self.sa_type.into()]);
        octets.put_u32(0);
        octets.put_u32(self.sequence);
        octets.put_u32(self.pid);
    }
}

impl Message {
    /// A message without extensions.
    pub fn new(header: Header) -> Self {
        Self { header, extensions: Vec::new() }
    }

    /// The answer that says why `header`'s message failed: no more than a header (RFC 2367 2.1).
    pub fn failure(header: Header, errno: Errno) -> Self {
        Self::new(Header { errno: errno.into(), ..header })
    }

    /// The message with one extension more.
    #[must_use]
    pub fn with(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Parses one message, which must be all of `octets`.
    ///
    /// # Errors
    ///
    /// When it is too short, of another version, longer or shorter than it says, or has an extension of a known type that
    /// is malformed or there twice.
    pub fn parse(octets: &[u8]) -> Result<Self, MessageError> {
        let mut reader = Reader::new(octets);
        let invalid = |header, error| MessageError { header, errno: Errno::Invalid, error };
        let (header, length) = Header::parse(&mut reader).map_err(|error| invalid(None, error))?;
        if length != octets.len() {
            let kind = ParseErrorKind::BadLength { expected: "that of the message", found: length };
            let error = ParseError { offset: 4, path: "message length".to_owned(), kind };
            return Err(MessageError { header: Some(header), errno: Errno::MessageSize, error });
        }
        let mut extensions: Vec<Extension> = Vec::new();
        while !reader.is_empty() {
            let at = reader.clone();
            let extension = Extension::parse(&mut reader).map_err(|error| invalid(Some(header), error))?;
            let kind = extension.kind();
            let known = !matches!(kind, ExtensionType::Unknown(_));
            if known && extensions.iter().any(|other| other.kind() == kind) {
                let twice = ParseErrorKind::BadValue { expected: "each extension once", found: u16::from(kind).into() };
                return Err(invalid(Some(header), at.error("extension type", twice)));
            }
            extensions.push(extension);
        }
        Ok(Self { header, extensions })
    }

    /// The message as it stands in the socket.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(256);
        self.header.emit(&mut octets);
        for extension in &self.extensions {
            extension.emit(&mut octets);
        }
        let length = (octets.len() / 8) as u16;
        octets[4..6].copy_from_slice(&length.to_ne_bytes());
        octets
    }
}

macro_rules! find {
    ($($(#[$doc:meta])* $name:ident: $kind:ident => $found:ty,)+) => {
        impl Message {
            $($(#[$doc])*
            pub fn $name(&self) -> Option<&$found> {
                self.extensions.iter().find_map(|extension| match extension {
                    Extension::$kind(found) => Some(found),
                    _ => None,
                })
            })+
        }
    };
}

find! {
    /// Its SA extension.
    sa: Sa => Sa,
    /// What was used up of the lifetime.
    lifetime_current: LifetimeCurrent => Lifetime,
    /// The hard lifetime.
    lifetime_hard: LifetimeHard => Lifetime,
    /// The soft lifetime.
    lifetime_soft: LifetimeSoft => Lifetime,
    /// The source address.
    source: Source => Address,
    /// The destination address.
    destination: Destination => Address,
    /// The integrity key.
    key_auth: KeyAuth => Key,
    /// The encryption key.
    key_encrypt: KeyEncrypt => Key,
    /// The SPIs that may be reserved.
    spi_range: SpiRange => SpiRange,
    /// The policy.
    policy: Policy => Policy,
    /// Mode, reqid and sequence.
    sa2: Sa2 => Sa2,
    /// How ESP travels in UDP.
    nat_t_type: NatTType => u8,
    /// Its source port in UDP.
    nat_t_source_port: NatTSourcePort => u16,
    /// Its destination port in UDP.
    nat_t_destination_port: NatTDestinationPort => u16,
    /// The peer's address before the NAT.
    nat_t_original_address: NatTOriginalAddress => Address,
}

#[cfg(test)]
pub(super) mod tests;
