//! The running configuration of the simulated router: text in, typed model out, each item with the words it came from.
//!
//! [`RunningConfig::parse`] reads what a customer sent, [`RunningConfig::apply`] what is typed at the console later. One
//! table of commands decides both (`commands`); [`supported`] lists it.

mod commands;
pub(super) mod grammar;
pub(super) mod lexer;
mod lint;
mod model;
mod print;
mod reader;
mod span;
mod summary;

pub use commands::{Mode, supported};
pub use lint::check_config;
pub use model::*;
pub use reader::{Outcome, ReadLine, Reading};
pub use span::{Span, Spanned};

#[cfg(test)]
mod tests;
