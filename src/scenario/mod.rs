//! What is to be run: the scenario file as types, its matrix of cells, its JSON schema.

pub mod addresses;
mod cells;
mod check;
mod config;
pub(crate) mod decode;
pub mod expect;
mod file;
mod load;
pub mod names;
pub(crate) mod node;
mod schema;
pub mod steps;
pub(crate) mod text;
pub mod tunnel;
pub mod units;
mod written;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use addresses::{Addresses, Host, InterfaceAddress};
pub use cells::{Cell, Selection, Shard, UnknownShard, cells};
pub use expect::{Diagnosis, Expect};
pub use file::{KnownFailure, Twin};
pub(crate) use load::MAX_FILE;
pub use load::{ROOT, load, load_tree};
pub use names::{ImplementationName, Names};
pub use schema::schema;
pub use steps::{Endpoint, Impairment, Nat, Ping, PingResult, Step};
pub use text::UnknownWord;
pub use tunnel::Tunnel;
pub use units::{Kilobytes, Span};
pub use written::Written;

use crate::diag::Source;
pub use crate::ios::Release;
use crate::ios::config::RunningConfig;

/// A scenario that was read and checked: every file it names has been read too.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its path below the `scenarios` folder without the extension: `phase2/acl-not-mirrored`.
    pub name: String,
    /// The file it was read from.
    pub source: Source,
    /// The texts it was made of.
    pub written: Arc<Written>,
    /// What it shows, in one line.
    pub title: String,
    /// Who sees this, and why it happens; may be empty.
    pub about: String,
    /// Where it is specified or described.
    pub references: Vec<String>,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// The implementations it runs with, in the order of [`Names`]; never empty, [`Names::usual`] by default.
    pub implementations: Vec<ImplementationName>,
    /// The releases it runs against, in the order of [`Release::ALL`]; never empty, [`Release::USUAL`] by default.
    pub releases: Vec<Release>,
    /// The router.
    pub router: Router,
    /// The tunnel wanted.
    pub tunnel: Tunnel,
    /// The addresses of the lab.
    pub addresses: Addresses,
    /// The NAT before the implementation, if there is one.
    pub nat: Option<Nat>,
    /// What the internet does to messages.
    pub impairments: Vec<Impairment>,
    /// Configuration files to use as they are, by implementation and file name.
    pub native: BTreeMap<ImplementationName, BTreeMap<String, Source>>,
    /// What to do; never empty.
    pub steps: Vec<Step>,
    /// What must be true in the end.
    pub expect: Expect,
    /// Cells known to fail.
    pub known_failures: Vec<KnownFailure>,
    /// The same with its fix laid over it, when it has one. This one has no further fix.
    pub fixed: Option<Arc<Scenario>>,
}

impl Scenario {
    /// Where in the scenario's file the value at a JSON pointer (RFC 6901) stands, or else the nearest key above it:
    /// `/expect/cisco/log/0`.
    pub fn place(&self, pointer: &str) -> Option<std::ops::Range<usize>> {
        let tree = node::parse(&self.source).ok()?;
        Some(tree.pointed(pointer))
    }
}

/// The router of a scenario.
#[derive(Clone, Debug)]
pub struct Router {
    /// The text of its running-config, with the scenario's changes made.
    pub config: Source,
    /// What that text means, under the scenario's hostname when the text has none.
    pub running: RunningConfig,
}

#[cfg(test)]
mod tests;
