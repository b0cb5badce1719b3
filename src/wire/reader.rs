//! A cursor over received bytes whose errors say what was read and where.

use std::fmt;

/// Why bytes could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} at octet {offset}: {kind}")]
pub struct ParseError {
    /// Offset of the field from the start of the message.
    pub offset: usize,
    /// The field, outermost structure first, as in `SA > proposal 1 > transform 2 > attribute`.
    pub path: String,
    /// What was wrong with it.
    pub kind: ParseErrorKind,
}

impl ParseError {
    /// The same error inside `outer`.
    pub fn within(mut self, outer: impl fmt::Display) -> Self {
        self.path = format!("{outer} > {}", self.path);
        self
    }
}

/// What was wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Fewer octets than the field needs.
    #[error("{needed} octets needed, {left} left")]
    Truncated {
        /// Octets the field needs.
        needed: usize,
        /// Octets that were left.
        left: usize,
    },
    /// A length field that cannot be.
    #[error("length {found} where {expected} was expected")]
    BadLength {
        /// What the length could have been, in words.
        expected: &'static str,
        /// The length on the wire.
        found: usize,
    },
    /// A value that cannot be.
    #[error("value {found} where {expected} was expected")]
    BadValue {
        /// What the value could have been, in words.
        expected: &'static str,
        /// The value on the wire.
        found: u64,
    },
    /// Octets behind the last structure.
    #[error("{0} octets left over")]
    Trailing(usize),
}

/// A cursor over received bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    data: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, offset: 0 }
    }

    /// A cursor at the start of `data`, which itself starts `offset` octets into the message.
    pub fn at(data: &'a [u8], offset: usize) -> Self {
        Self { data, offset }
    }

    /// Takes `count` octets, named `field` in the error.
    #[inline]
    pub fn take(&mut self, count: usize, field: &str) -> Result<&'a [u8], ParseError> {
        let Some((taken, rest)) = self.data.split_at_checked(count) else {
            return Err(self.error(field, ParseErrorKind::Truncated { needed: count, left: self.data.len() }));
        };
        self.data = rest;
        self.offset += count;
        Ok(taken)
    }

    /// Takes an array of `N` octets.
    #[inline]
    pub fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N], ParseError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, field)?);
        Ok(array)
    }

    /// Takes one octet.
    #[inline]
    pub fn u8(&mut self, field: &str) -> Result<u8, ParseError> {
        self.array::<1>(field).map(|[octet]| octet)
    }

    /// Takes a 16-bit number in network order.
    #[inline]
    pub fn u16(&mut self, field: &str) -> Result<u16, ParseError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// Takes a 32-bit number in network order.
    #[inline]
    pub fn u32(&mut self, field: &str) -> Result<u32, ParseError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// Takes `count` octets as a cursor of their own.
    pub fn sub(&mut self, count: usize, field: &str) -> Result<Reader<'a>, ParseError> {
        let offset = self.offset;
        Ok(Reader { data: self.take(count, field)?, offset })
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let (taken, rest) = self.data.split_at(self.data.len());
        self.offset += taken.len();
        self.data = rest;
        taken
    }

    /// Fails when something is left.
    pub fn expect_empty(&self, field: &str) -> Result<(), ParseError> {
        match self.data.len() {
            0 => Ok(()),
            left => Err(self.error(field, ParseErrorKind::Trailing(left))),
        }
    }

    /// Octets left.
    pub fn remaining(&self) -> usize {
        self.data.len()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Offset of the next octet from the start of the message.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// An error about `field` at the current offset.
    pub fn error(&self, field: &str, kind: ParseErrorKind) -> ParseError {
        ParseError { offset: self.offset, path: field.to_owned(), kind }
    }
}
