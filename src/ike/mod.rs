//! The IKE protocol as a pure state machine.

pub mod keys;
pub mod naming;
