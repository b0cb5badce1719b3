//! Where in a configuration text a value came from.

use std::fmt;
use std::ops::{Deref, Range};

/// A byte range in one of the texts a [`RunningConfig`](super::RunningConfig) was made from.
///
/// Two spans always compare equal: a span says where, never what, so configurations compare by what they hold.
#[derive(Clone, Copy)]
pub struct Span {
    source: u32,
    start: u32,
    end: u32,
}

/// The source number of a value no line has set.
const NOWHERE: u32 = u32::MAX;

impl Span {
    /// The span of a default: no line set it.
    pub const NONE: Self = Self { source: NOWHERE, start: 0, end: 0 };

    /// The bytes `range` of the text number `source`.
    pub fn new(source: usize, range: Range<usize>) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { source: narrow(source), start: narrow(range.start), end: narrow(range.end) }
    }

    /// Whether no line set the value.
    pub fn is_none(self) -> bool {
        self.source == NOWHERE
    }

    /// The number of the text, counted from zero; `None` for a default.
    pub fn source(self) -> Option<usize> {
        (!self.is_none()).then_some(self.source as usize)
    }

    /// The byte range in that text; empty for a default.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

impl Default for Span {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            formatter.write_str("default")
        } else {
            write!(formatter, "{}:{}..{}", self.source, self.start, self.end)
        }
    }
}

/// A value and the words it was read from. It compares by the value alone.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The words it was read from; [`Span::NONE`] for a default.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, read from `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// `value` as a default, set by no line.
    pub fn implied(value: T) -> Self {
        Self { value, span: Span::NONE }
    }

    /// Whether no line set the value.
    pub fn is_implied(&self) -> bool {
        self.span.is_none()
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Spanned<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}

impl<T: fmt::Display> fmt::Display for Spanned<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(formatter)
    }
}
