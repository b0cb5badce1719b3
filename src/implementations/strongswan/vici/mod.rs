//! The Versatile IKE Control Interface, charon's control protocol.
//!
//! Packets with a 32-bit length travel over a stream socket: requests and their replies, and events that were registered
//! for. The protocol is described in strongSwan's `src/libcharon/plugins/vici/README.md`.

mod client;
mod message;

pub use client::{Client, ViciError};
pub use message::{Entry, Message, MessageError};
