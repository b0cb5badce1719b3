//! Ciphers, hashes and Diffie-Hellman groups under the names IKE and IPsec give them.

mod names;

pub use names::{Cipher, Group, Hash, UnknownName};
