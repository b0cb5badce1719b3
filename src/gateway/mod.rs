//! The built-in Linux implementation: IKE and ESP behind UDP sockets and a tunnel device.
//!
//! [`machine::Gateway`] decides, without sockets and clock; [`daemon`] is the process around it, which is controlled over a
//! socket ([`control`]) like any other daemon.

pub mod control;
pub mod daemon;
mod log;
pub mod machine;
mod policy;
pub mod settings;

pub use settings::Settings;
