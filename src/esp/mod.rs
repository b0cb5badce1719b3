//! The ESP data path: security associations, encapsulation, replay window. Pure.
//!
//! [`SecurityAssociation`] turns inner packets into ESP and back (RFC 4303, IPv4, 32-bit sequence numbers) and counts;
//! [`Sad`] holds many of them, finds the inbound one by its SPI and tells when one expires; [`Spd`] says which packet is
//! to be protected at all. Time and randomness come in with each call.

mod error;
mod lifetime;
mod packet;
mod replay;
mod sa;
mod sad;
mod selector;
mod spd;

mod transform;
mod udp_encap;

pub use crate::wire::Spi;
pub use error::{EspError, SaError};
pub use lifetime::{Lifetime, LifetimeKind, Limits, Severity};
pub use packet::{DontFragment, OuterHeader, TypeOfService};
pub use replay::ReplayWindow;
pub use sa::{Counters, Decapsulated, SaParameters, SecurityAssociation};
pub use sad::{Expiry, SaId, Sad};
pub use selector::{Flow, Selector};
pub use spd::{BundleId, Policy, PolicyAction, Spd};
pub use transform::{Mode, Transform};
pub use udp_encap::UdpEncapsulation;

#[cfg(test)]
mod tests;
