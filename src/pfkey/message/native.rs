//! Numbers in the byte order of the machine: PF_KEY is C structures, not a wire format.

use crate::wire::{ParseError, Reader};

/// Reads numbers in the machine's byte order.
pub(super) trait ReadNative {
    fn native_u16(&mut self, field: &str) -> Result<u16, ParseError>;
    fn native_u32(&mut self, field: &str) -> Result<u32, ParseError>;
    fn native_u64(&mut self, field: &str) -> Result<u64, ParseError>;
}

impl ReadNative for Reader<'_> {
    fn native_u16(&mut self, field: &str) -> Result<u16, ParseError> {
        self.array(field).map(u16::from_ne_bytes)
    }

    fn native_u32(&mut self, field: &str) -> Result<u32, ParseError> {
        self.array(field).map(u32::from_ne_bytes)
    }

    fn native_u64(&mut self, field: &str) -> Result<u64, ParseError> {
        self.array(field).map(u64::from_ne_bytes)
    }
}

/// Appends numbers in the machine's byte order.
pub(super) trait WriteNative {
    fn put_u16(&mut self, number: u16);
    fn put_u32(&mut self, number: u32);
    fn put_u64(&mut self, number: u64);
    fn put_zeros(&mut self, count: usize);
}

impl WriteNative for Vec<u8> {
    fn put_u16(&mut self, number: u16) {
        self.extend_from_slice(&number.to_ne_bytes());
    }

    fn put_u32(&mut self, number: u32) {
        self.extend_from_slice(&number.to_ne_bytes());
    }

    fn put_u64(&mut self, number: u64) {
        self.extend_from_slice(&number.to_ne_bytes());
    }

    fn put_zeros(&mut self, count: usize) {
        self.resize(self.len() + count, 0);
    }
}
