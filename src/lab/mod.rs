//! The only room that touches the kernel: sandbox, namespaces, links, processes, taps, captures.

use std::io;

pub mod cell;
pub mod clock;
pub mod forwarder;
pub mod frame_port;
pub mod interception;
pub mod internet;
pub mod link;
pub mod namespace;
pub mod packet_pair;
pub mod ping;
pub mod probe;
pub mod process;
pub mod raw_socket;
pub mod sandbox;
pub mod schedule;
pub mod server;
mod sys;
pub mod topology;
pub mod tun;
pub mod tunnel_device;

pub use clock::Clock;
pub use namespace::Namespace;
pub use topology::Topology;

/// Something the lab asked of the kernel and did not get.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct LabError {
    /// What was being done, to which object.
    pub doing: String,
    /// What the kernel said.
    pub source: io::Error,
}

impl LabError {
    /// `source` happened while `doing` that.
    pub fn new(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { doing: doing.into(), source: source.into() }
    }
}
