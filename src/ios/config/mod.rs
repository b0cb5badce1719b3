//! The running configuration of the simulated router: text in, typed model out, each item with the words it came from.

mod model;
mod span;

pub use model::*;
pub use span::{Span, Spanned};
