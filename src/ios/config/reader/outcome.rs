//! What became of each line.

use std::ops::Range;

use super::super::commands::Mode;
use crate::diag::Diagnostic;

/// What became of a line of configuration text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing on it.
    Blank,
    /// A comment.
    Comment,
    /// It changed the configuration, or said what already was.
    Modelled,
    /// Known, without effect on the simulated router.
    NoEffect,
    /// Of effect on a real router, but not simulated or not known: ignored, with a warning.
    Ignored,
    /// Refused, as IOS would: an error.
    Rejected,
    /// Part of a banner or a certificate.
    Opaque,
}

/// A line of configuration text and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLine {
    /// One-based.
    pub number: usize,
    /// From the first to the last word.
    pub range: Range<usize>,
    /// What became of it.
    pub outcome: Outcome,
    /// The mode it was read in.
    pub mode: Mode,
    /// What IOS says to it at the console, line ends included; empty when it just takes it.
    pub reply: String,
}

/// What reading a text gave besides the configuration.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Every line of the text, in order.
    pub lines: Vec<ReadLine>,
    /// What there is to say, in the order of the lines.
    pub diagnostics: Vec<Diagnostic>,
}
