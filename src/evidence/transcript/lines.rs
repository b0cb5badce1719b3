//! Lines of text, written where they will stand.

use std::fmt::{Arguments, Write};

/// Adds lines to the text of a message, each behind the end of the one before and the same indentation.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t mut String,
    before: &'static str,
    added: usize,
}

impl<'t> Lines<'t> {
    /// Lines to follow what `text` holds.
    pub(super) fn new(text: &'t mut String, before: &'static str) -> Self {
        Self { text, before, added: 0 }
    }

    /// Adds a line.
    pub(super) fn add(&mut self, line: Arguments<'_>) {
        put(self.begin(), line);
    }

    /// Begins a line: what is added to the text from here on.
    pub(super) fn begin(&mut self) -> &mut String {
        self.text.push('\n');
        self.text.push_str(self.before);
        self.added += 1;
        self.text
    }

    /// Whether no line was added.
    pub(super) fn is_empty(&self) -> bool {
        self.added == 0
    }
}

/// Appends to a text.
pub(super) fn put(text: &mut String, what: Arguments<'_>) {
    // A string takes whatever it is given.
    let _ = text.write_fmt(what);
}
