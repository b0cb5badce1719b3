//! IKEv1 (RFC 2408, RFC 2409): the ISAKMP SA and the exchanges that make it and run under it.

pub(crate) mod association;
pub(crate) mod established;
pub(crate) mod failure;
pub(crate) mod informational;
pub(crate) mod isakmp_sa;
pub(crate) mod liveness;
pub(crate) mod main;
pub(crate) mod message;
pub(crate) mod quick;
pub(crate) mod session;
