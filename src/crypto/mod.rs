//! Ciphers, hashes and Diffie-Hellman groups under the names IKE and IPsec give them.
//!
//! The primitives are RustCrypto's; this room gives them their IKE names, their lengths and types that can be chosen at
//! run time. Nothing here pads, frames or negotiates.

mod aead;
mod cipher;
mod group;
mod hash;
mod names;
mod secret;
#[cfg(test)]
pub(crate) mod vectors;

pub use aead::{CounterKey, CounterKeyError, CounterMode};
pub use cipher::{AuthenticationFailed, Cbc, CipherError, Gcm};
pub use group::{GroupError, KeyPair};
pub use hash::{Digest, Hmac, IcvLength};
pub use names::{Cipher, Group, Hash, UnknownName};
pub use secret::{SaKeys, Secret};
