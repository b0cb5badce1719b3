//! What is to be run: the scenario file as types, its matrix of cells, its JSON schema.

pub mod prefix;
pub mod tunnel;
pub mod units;

pub use prefix::Ipv4Prefix;
pub use tunnel::Tunnel;

pub use crate::ios::release::Release;
