//! A PF_KEY key engine in user space, for daemons that need one where the kernel has none: racoon, setkey, openiked.
//!
//! [`KeyEngine`] is what stands behind the `AF_KEY` sockets of Linux (`net/key/af_key.c`) and the part of its ESP that such a
//! daemon sees, as a pure machine: messages of the sockets, ESP and inner packets go in, and the same come out.
//! [`message`] knows the messages.
//!
//! Where RFC 2367, KAME and Linux differ, it does what Linux does, because that is what the daemons under test run on; the
//! doc comments say where.

pub mod daemon;
pub mod engine;
pub mod message;

pub use engine::{
    DropReason, Input, KeyEngine, KeyEvent, Output, SaSummary, SecurityPolicy, Settings, SocketId, Treatment,
};

#[cfg(test)]
mod tests;
