//! Main mode with a pre-shared key (RFC 2409 5.4): a state for each wait, and what both roles share.

pub(crate) mod initiator;
pub(crate) mod responder;
pub(crate) mod shared;
