//! The IKE protocol as a pure state machine.
//!
//! An [`Engine`] is one IKE endpoint with all its peers. It takes [`Input`]s, asks its owner through [`Policy`], speaks
//! like its [`Personality`], and gives [`Output`]s: datagrams, SA pairs, keys, and [`Event`]s that say what happened. It has
//! no socket, no clock and no randomness of its own.

mod context;
mod data_path;
mod engine;
pub mod event;
mod io;
pub mod keys;
pub mod naming;
mod nat;
mod pairs;
pub mod personality;
pub mod policy;
mod proposal;
mod registry;
mod resend;
#[cfg(test)]
pub(crate) mod rig;
mod sa;
mod selector;
mod v1;
mod vendor;

pub use context::Limits;
pub use data_path::PairParameters;
pub use engine::Engine;
pub use event::{Event, EventKind};
pub use io::{Input, KeyRecord, Output, RequestFailure};
pub use personality::Personality;
pub use policy::{
    DeadPeerDetection, Identity, IdentityVerdict, IsakmpPolicy, Peer, PeerSettings, Policy, PreSharedKey, QuickChoice,
    QuickOffer,
};
pub use sa::{EspSa, EspSuite, IsakmpSaId, Lifetimes, Mode, QuickRequest, RequestId, SaPair, UdpEncapsulation};
pub use selector::{Addresses, Selector, SelectorError, Selectors};

#[cfg(test)]
mod tests;
