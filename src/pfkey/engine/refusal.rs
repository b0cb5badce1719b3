//! Why a client's message is refused.

use crate::pfkey::message::Errno;

/// What the client is told, and what the log says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) errno: Errno,
    pub(super) reason: String,
}

impl Refusal {
    pub(super) fn new(errno: Errno, reason: impl Into<String>) -> Self {
        Self { errno, reason: reason.into() }
    }

    pub(super) fn invalid(reason: impl Into<String>) -> Self {
        Self::new(Errno::Invalid, reason)
    }

    pub(super) fn missing(extension: &str) -> Self {
        Self::invalid(format!("it has no {extension} extension"))
    }
}
