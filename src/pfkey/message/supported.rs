//! The extensions that list algorithms.

use super::native::{ReadNative, WriteNative};
use super::numbers::{AuthAlgorithm, EncryptAlgorithm};
use crate::wire::{ParseError, Reader};

/// `sadb_alg`: an algorithm there is (RFC 2367 2.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithm {
    /// Its number among integrity or encryption algorithms.
    pub id: u8,
    /// Octets of IV.
    pub iv_len: u8,
    /// The shortest key.
    pub min_bits: u16,
    /// The longest key.
    pub max_bits: u16,
}

/// `sadb_supported` without its extension header.
pub(super) fn parse_supported(body: &mut Reader<'_>) -> Result<Vec<Algorithm>, ParseError> {
    body.take(4, "reserved")?;
    let mut algorithms = Vec::new();
    while !body.is_empty() {
        algorithms.push(Algorithm {
            id: body.u8("algorithm")?,
            iv_len: body.u8("IV length")?,
            min_bits: body.native_u16("least bits")?,
            max_bits: body.native_u16("most bits")?,
        });
        body.take(2, "reserved")?;
    }
    Ok(algorithms)
}

pub(super) fn emit_supported(algorithms: &[Algorithm], octets: &mut Vec<u8>) {
    octets.put_u32(0);
    for algorithm in algorithms {
        octets.extend_from_slice(&[algorithm.id, algorithm.iv_len]);
        octets.put_u16(algorithm.min_bits);
        octets.put_u16(algorithm.max_bits);
        octets.put_u16(0);
    }
}

/// `sadb_prop`: what an acquired SA may be made of (RFC 2367 2.3.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// The anti-replay window.
    pub replay: u8,
    /// The combinations, the best first.
    pub combinations: Vec<Combination>,
}

/// `sadb_comb`: one combination of algorithms and lifetimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Combination {
    /// The integrity algorithm.
    pub auth: AuthAlgorithm,
    /// The encryption algorithm.
    pub encrypt: EncryptAlgorithm,
    /// `SADB_SAFLAGS_*`.
    pub flags: u16,
    /// Shortest and longest integrity key in bits.
    pub auth_bits: (u16, u16),
    /// Shortest and longest encryption key in bits.
    pub encrypt_bits: (u16, u16),
    /// The soft lifetime.
    pub soft: super::Lifetime,
    /// The hard lifetime.
    pub hard: super::Lifetime,
}

impl Proposal {
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let replay = body.u8("replay window")?;
        body.take(3, "reserved")?;
        let mut combinations = Vec::new();
        while !body.is_empty() {
            combinations.push(Combination::parse(body)?);
        }
        Ok(Self { replay, combinations })
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&[self.replay, 0, 0, 0]);
        for combination in &self.combinations {
            combination.emit(octets);
        }
    }
}

impl Combination {
    fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let (auth, encrypt) = (body.u8("integrity algorithm")?.into(), body.u8("encryption algorithm")?.into());
        let flags = body.native_u16("flags")?;
        let auth_bits = (body.native_u16("least bits")?, body.native_u16("most bits")?);
        let encrypt_bits = (body.native_u16("least bits")?, body.native_u16("most bits")?);
        body.take(4, "reserved")?;
        let (mut soft, mut hard) = (super::Lifetime::default(), super::Lifetime::default());
        soft.allocations = body.native_u32("soft allocations")?;
        hard.allocations = body.native_u32("hard allocations")?;
        soft.bytes = body.native_u64("soft bytes")?;
        hard.bytes = body.native_u64("hard bytes")?;
        soft.add_time = body.native_u64("soft addtime")?;
        hard.add_time = body.native_u64("hard addtime")?;
        soft.use_time = body.native_u64("soft usetime")?;
        hard.use_time = body.native_u64("hard usetime")?;
        Ok(Self { auth, encrypt, flags, auth_bits, encrypt_bits, soft, hard })
    }

    fn emit(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&[self.auth.into(), self.encrypt.into()]);
        octets.put_u16(self.flags);
        for bits in [self.auth_bits.0, self.auth_bits.1, self.encrypt_bits.0, self.encrypt_bits.1] {
            octets.put_u16(bits);
        }
        let (soft, hard) = (&self.soft, &self.hard);
        for number in [0, soft.allocations, hard.allocations] {
            octets.put_u32(number);
        }
        for number in [soft.bytes, hard.bytes, soft.add_time, hard.add_time, soft.use_time, hard.use_time] {
            octets.put_u64(number);
        }
    }
}
