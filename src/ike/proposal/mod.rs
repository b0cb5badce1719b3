//! Proposals: how ours are made, how the peer's are read and compared.

pub(crate) mod phase1;
pub(crate) mod phase2;
