//! Why a message did not lead to the next state.

use crate::crypto::GroupError;
use crate::ike::event::{Malformation, SaEnd};
use crate::wire::ParseError;
use crate::wire::isakmp::PayloadType;

/// Why a message did not lead to the next state. The state stays, except where the SA is to end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The message is of no use.
    #[error("the message is malformed: {0:?}")]
    Malformed(Malformation),
    /// It is another message than the one waited for.
    #[error("expected {expected}")]
    Unexpected {
        /// What is waited for.
        expected: &'static str,
    },
    /// Its body should have been encrypted.
    #[error("the message is not encrypted")]
    NotEncrypted,
    /// The HASH is wrong.
    #[error("the HASH is wrong")]
    HashMismatch,
    /// None of the transforms fits; the SA ends.
    #[error("none of the transforms fits")]
    NoProposalChosen,
    /// The responder chose what was not offered.
    #[error("{attribute} differs from what was offered")]
    NotOffered {
        /// The attribute that differs.
        attribute: String,
    },
    /// There is no key any more for the peer; the SA ends.
    #[error("no pre-shared key for the peer")]
    NoPreSharedKey,
    /// The peer has proved the key but may not be who it says it is; the SA ends.
    #[error("the peer's identity is refused")]
    IdentityRefused,
}

impl Failure {
    /// Why the SA ends by it, if it does.
    pub fn ends_sa(&self) -> Option<SaEnd> {
        match self {
            Self::NoProposalChosen => Some(SaEnd::PolicyNotAccepted),
            Self::NoPreSharedKey | Self::IdentityRefused => Some(SaEnd::AuthenticationFailed),
            Self::Malformed(_)
            | Self::Unexpected { .. }
            | Self::NotEncrypted
            | Self::HashMismatch
            | Self::NotOffered { .. } => None,
        }
    }

    /// A payload is missing.
    pub fn missing(payload: PayloadType) -> Self {
        Self::Malformed(Malformation::Missing(payload))
    }

    /// A payload holds a value that cannot be.
    pub fn bad_value(text: impl Into<String>) -> Self {
        Self::Malformed(Malformation::BadValue(text.into()))
    }
}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Self::Malformed(Malformation::Chain(error.to_string()))
    }
}

impl From<Malformation> for Failure {
    fn from(malformation: Malformation) -> Self {
        Self::Malformed(malformation)
    }
}

impl From<GroupError> for Failure {
    fn from(error: GroupError) -> Self {
        Self::bad_value(format!("KE: {error}"))
    }
}
