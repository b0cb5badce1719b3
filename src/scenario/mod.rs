//! What is to be run: the scenario file as types, its matrix of cells, its JSON schema.

mod decode;
pub mod expect;
mod file;
mod node;
pub mod prefix;
pub mod steps;
pub mod text;
pub mod tunnel;
pub mod units;

pub use file::{ImplementationName, KnownFailure, Twin};
pub use prefix::Ipv4Prefix;
pub use tunnel::Tunnel;

pub use crate::ios::Release;
