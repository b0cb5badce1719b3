//! The extensions that describe an SA.

use super::native::{ReadNative, WriteNative};
use super::numbers::{AuthAlgorithm, EncryptAlgorithm, IpsecMode, SaState};
use crate::crypto::Secret;
use crate::wire::Spi;
use crate::wire::{ParseError, Reader};

/// `sadb_sa` (RFC 2367 2.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sa {
    /// The SPI.
    pub spi: Spi,
    /// The anti-replay window: packets for Linux, octets of a bit map for KAME.
    pub replay: u8,
    /// The state.
    pub state: SaState,
    /// The integrity algorithm.
    pub auth: AuthAlgorithm,
    /// The encryption algorithm.
    pub encrypt: EncryptAlgorithm,
    /// `SADB_SAFLAGS_*`.
    pub flags: u32,
}

impl Sa {
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            spi: Spi(body.u32("SPI")?),
            replay: body.u8("replay window")?,
            state: body.u8("state")?.into(),
            auth: body.u8("integrity algorithm")?.into(),
            encrypt: body.u8("encryption algorithm")?.into(),
            flags: body.native_u32("flags")?,
        })
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&self.spi.to_bytes());
        octets.extend_from_slice(&[self.replay, self.state.into(), self.auth.into(), self.encrypt.into()]);
        octets.put_u32(self.flags);
    }
}

/// `sadb_x_sa2`: what KAME adds to an SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sa2 {
    /// The mode.
    pub mode: IpsecMode,
    /// The sequence number of ESP sent last; nothing when it is set.
    pub sequence: u32,
    /// Which policies' packets it is for; 0 for those that name no SA.
    pub reqid: u32,
}

impl Sa2 {
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let mode = body.u8("mode")?.into();
        body.take(3, "reserved")?;
        Ok(Self { mode, sequence: body.native_u32("sequence")?, reqid: body.native_u32("reqid")? })
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&[self.mode.into(), 0, 0, 0]);
        octets.put_u32(self.sequence);
        octets.put_u32(self.reqid);
    }
}

/// `sadb_lifetime` (RFC 2367 2.3.2): limits, where 0 is none; or what was used up, where the times are seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// Packets for Linux, connections for the RFC.
    pub allocations: u32,
    /// Octets.
    pub bytes: u64,
    /// Seconds since it was made; or when that was.
    pub add_time: u64,
    /// Seconds since it was first used; or when that was.
    pub use_time: u64,
}

impl Lifetime {
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            allocations: body.native_u32("allocations")?,
            bytes: body.native_u64("bytes")?,
            add_time: body.native_u64("addtime")?,
            use_time: body.native_u64("usetime")?,
        })
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        octets.put_u32(self.allocations);
        for number in [self.bytes, self.add_time, self.use_time] {
            octets.put_u64(number);
        }
    }
}

/// `sadb_key` (RFC 2367 2.3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its length.
    pub bits: u16,
    /// The octets it takes; the last may be used in part.
    pub key: Secret,
}

impl Key {
    /// A key of whole octets, 8191 at most.
    pub fn new(key: Secret) -> Self {
        Self { bits: (key.len() * 8) as u16, key }
    }

    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let bits = body.native_u16("bits")?;
        body.take(2, "reserved")?;
        let len = usize::from(bits).div_ceil(8);
        let key = Secret::from(body.take(len, "key")?);
        body.take(len.next_multiple_of(8) - len, "padding")?;
        Ok(Self { bits, key })
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        octets.put_u16(self.bits);
        octets.put_u16(0);
        octets.extend_from_slice(&self.key);
    }
}

/// `sadb_ident` (RFC 2367 2.3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// 1 prefix, 2 FQDN, 3 user at FQDN.
    pub kind: u16,
    /// A number that may help to find it.
    pub id: u64,
    /// The text with its terminating zero, padded with zeros to a multiple of 8 octets.
    pub text: Vec<u8>,
}

impl Identity {
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let kind = body.native_u16("type")?;
        body.take(2, "reserved")?;
        Ok(Self { kind, id: body.native_u64("id")?, text: body.rest().to_vec() })
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        octets.put_u16(self.kind);
        octets.put_u16(0);
        octets.put_u64(self.id);
        octets.extend_from_slice(&self.text);
    }
}

/// `sadb_spirange` (RFC 2367 2.3.9): the SPIs that may be reserved, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpiRange {
    /// The least.
    pub min: u32,
    /// The greatest.
    pub max: u32,
}

impl SpiRange {
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let range = Self { min: body.native_u32("least SPI")?, max: body.native_u32("greatest SPI")? };
        body.take(4, "reserved")?;
        Ok(range)
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        for number in [self.min, self.max, 0] {
            octets.put_u32(number);
        }
    }
}
