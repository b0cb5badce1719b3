//! The IKE protocol as a pure state machine.

pub mod event;
pub mod keys;
pub mod naming;

pub use event::{Event, EventKind};
