//! Bytes to types and back, nothing else. Parsing never panics and never allocates by an unchecked length.
//!
//! Every type keeps what it was parsed from, reserved octets and unknown values included, so that emitting it gives the
//! same bytes again; and every type can be built wrong on purpose, because a test peer must be able to send that.

pub mod der;
pub mod ethernet;
pub mod icmp;
pub mod ikev2;
pub mod ipv4;
pub mod isakmp;
pub mod natt;
mod numbers;
mod reader;
mod spi;
pub mod udp;

pub(crate) use numbers::wire_enum;
pub use reader::{ParseError, ParseErrorKind, Reader};
pub use spi::Spi;
