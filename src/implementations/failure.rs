//! Why an implementation did not do what it was asked to, in types.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::diag::Diagnostic;
use crate::wire::isakmp::NotifyType;

/// Why starting, steering or asking an implementation failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The program could not be started.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The daemon ended, though nobody asked it to.
    #[error("{program} ended by itself ({status}){}", quoted_lines(last_lines))]
    DaemonExited {
        /// The program.
        program: String,
        /// Its exit status, as text.
        status: String,
        /// What it said last, oldest first.
        last_lines: Vec<String>,
    },
    /// The daemon runs, but does not answer.
    #[error("{program} was not ready after {}{}", seconds(waited), quoted_lines(last_lines))]
    NotReady {
        /// The program.
        program: String,
        /// How long it had.
        waited: Duration,
        /// What it said last, oldest first.
        last_lines: Vec<String>,
    },
    /// The daemon runs, but without something it needs.
    #[error("{program} started unfit: {line}")]
    Unfit {
        /// The program.
        program: String,
        /// What it said about it.
        line: String,
    },
    /// The control channel broke, or something came over it that makes no sense.
    #[error("cannot steer {program}: {reason}{}", quoted_lines(last_lines))]
    Control {
        /// The program.
        program: String,
        /// What went wrong.
        reason: String,
        /// What it said last, oldest first.
        last_lines: Vec<String>,
    },
    /// The daemon does not take its configuration.
    #[error("{program} does not take its configuration: {reason}")]
    Configuration {
        /// The program.
        program: String,
        /// Its own words.
        reason: String,
    },
    /// A configuration file given by the user cannot be read.
    #[error("{0}")]
    Native(Box<Diagnostic>),
    /// This build of the implementation lacks what the tunnel needs.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// It has no way to tell its SAs.
    #[error("{program} does not tell its SAs")]
    Untold {
        /// The program.
        program: String,
    },
    /// The negotiation ended without SAs.
    #[error("{phase} did not come up: {refusal}")]
    Refused {
        /// The phase that failed.
        phase: Phase,
        /// What was being negotiated, in the implementation's name for it.
        connection: String,
        /// Why.
        refusal: Refusal,
        /// The implementation's log of the negotiation.
        lines: Vec<String>,
    },
    /// The negotiation did not end within its time.
    #[error("no end of the negotiation after {}{}", seconds(waited), quoted_lines(lines))]
    TimedOut {
        /// How long it had.
        waited: Duration,
        /// The implementation's log of the negotiation.
        lines: Vec<String>,
    },
}

/// A phase of IKEv1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Main or aggressive mode.
    One,
    /// Quick mode.
    Two,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::One => "phase 1",
            Self::Two => "phase 2",
        })
    }
}

/// Why a negotiation failed, as the implementation tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The Cisco sent an error notify.
    Notify(NotifyType),
    /// No answer came.
    NoAnswer {
        /// The message that stayed unanswered, in the implementation's words.
        unanswered: Option<String>,
        /// How often it was sent again.
        retransmissions: u32,
    },
    /// What came could not be decrypted or authenticated, as with different pre-shared keys. The line says what.
    Authentication(String),
    /// The Cisco answered with something that was not asked for. The line says what.
    Unacceptable(String),
    /// The implementation's own system failed it: no route, no key, no memory. The line says what.
    Local(String),
    /// The Cisco refused. The line says how.
    Refused(String),
    /// The Cisco deleted the SA.
    Deleted,
    /// The implementation does not say why.
    Unexplained,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notify(kind) => write!(formatter, "the Cisco sent the notify {kind}"),
            Self::NoAnswer { unanswered, retransmissions } => {
                let message = unanswered.as_deref().unwrap_or("the last message");
                write!(formatter, "no answer to {message}, sent again {retransmissions} times")
            }
            Self::Authentication(line) => write!(formatter, "authentication failed: {line}"),
            Self::Unacceptable(line) => write!(formatter, "the Cisco's answer is not acceptable: {line}"),
            Self::Local(line) => write!(formatter, "our own side failed: {line}"),
            Self::Refused(line) => write!(formatter, "the Cisco refused: {line}"),
            Self::Deleted => formatter.write_str("the Cisco deleted the SA"),
            Self::Unexplained => formatter.write_str("the implementation does not say why"),
        }
    }
}

/// What an implementation cannot do, or not on this data path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{implementation} cannot do {what}: {why}")]
pub struct Unsupported {
    /// The implementation.
    pub implementation: String,
    /// What the tunnel asks for.
    pub what: String,
    /// Why it cannot.
    pub why: String,
}

/// Why an implementation does not say what it can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("asked whether it has {capability}, {implementation} does not answer: {why}")]
pub struct Unanswered {
    /// The implementation.
    pub implementation: String,
    /// What it was asked for.
    pub capability: String,
    /// What happened instead.
    pub why: String,
}

impl From<Box<Diagnostic>> for Failure {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self::Native(diagnostic)
    }
}

fn seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn quoted_lines(lines: &[String]) -> String {
    match lines {
        [] => "; it said nothing".to_owned(),
        _ => format!("; it said last:\n  {}", lines.join("\n  ")),
    }
}
