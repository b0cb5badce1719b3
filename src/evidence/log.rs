//! The event log of a cell: everything that happened, in one order, one JSON object a line.
//!
//! Verdict, transcript, captures and reports are made from it alone, now or later.

use std::io::{self, BufRead, Write};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::ike::KeyRecord;
use crate::implementations::SaState;
use crate::ios::Release;
use crate::ios::event::RouterEvent;
use crate::lab::internet;
use crate::time::Instant;

/// The version of the log's format, which its first entry tells.
pub const VERSION: u32 = 1;

/// One thing that happened, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened, by the cell's clock.
    pub at: Instant,
    /// What happened.
    #[serde(flatten)]
    pub what: Happening,
}

/// What can happen in a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Happening {
    /// The cell began; always first.
    Started(CellHeader),
    /// A frame crossed one of the internet's two links.
    Frame {
        /// The link.
        link: Link,
        /// Sent by the internet, otherwise received by it.
        outbound: bool,
        /// The Ethernet frame.
        #[serde(with = "hex::serde")]
        octets: Vec<u8>,
    },
    /// Frames were lost to the capture, by which the cell cannot be judged then.
    FramesLost {
        /// How many.
        count: u64,
    },
    /// Something happened to a packet on its way: it was impaired as the scenario asks, translated or not forwarded.
    Internet {
        /// What.
        event: Box<internet::Event>,
    },
    /// Something happened in the router.
    Router {
        /// What.
        event: Box<RouterEvent>,
    },
    /// The router's console printed a line.
    Console {
        /// The line without time stamp and line end.
        text: String,
    },
    /// The router answered a `show` command.
    Show {
        /// The command.
        command: String,
        /// The answer.
        text: String,
    },
    /// Keys that open what crosses the wire, as the router knows them.
    Keys {
        /// The keys.
        record: Box<KeyRecord>,
    },
    /// The implementation wrote a line.
    Log {
        /// Whether to its standard error.
        stderr: bool,
        /// The line.
        text: String,
    },
    /// What the implementation believes to have.
    Sas {
        /// Its SAs.
        state: Box<SaState>,
    },
    /// A step of the scenario ended.
    Step {
        /// Its place among the steps, from 0.
        index: usize,
        /// The step in words.
        step: String,
        /// How it ended.
        outcome: StepOutcome,
    },
    /// A phase of the harness's own work ended, for the timing of runs.
    Phase {
        /// Its name.
        name: String,
    },
    /// The harness could not go on.
    HarnessFailed {
        /// Why.
        reason: String,
    },
    /// The cell ended; always last in a whole log.
    Ended,
}

/// What a log is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellHeader {
    /// [`VERSION`].
    pub version: u32,
    /// The cell's name.
    pub cell: String,
    /// The implementation, and its version as it tells it.
    pub implementation: (String, String),
    /// The router's release.
    pub release: Release,
    /// The seed of every random choice of router and internet.
    pub seed: u64,
    /// Nanoseconds from the epoch to the cell's first instant.
    pub epoch: u64,
    /// The implementation's outer address.
    pub dut: Ipv4Addr,
    /// The router's outer address.
    pub cisco: Ipv4Addr,
}

/// A link of the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Link {
    /// To the implementation.
    Dut,
    /// To the router.
    Cisco,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum StepOutcome {
    /// It was done.
    Done,
    /// The negotiation it began came to nothing.
    Refused {
        /// What the implementation says of it.
        reason: String,
    },
    /// Echo requests were sent.
    Pinged {
        /// How many.
        sent: u16,
        /// How many were answered.
        replied: u16,
        /// Whether that is what the step expects.
        expected: bool,
        /// ICMP errors that came back instead, in words.
        errors: Vec<String>,
    },
    /// Something in the middle was not as expected.
    Unexpected {
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// It could not be done.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Why a log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file could not be read.
    #[error("cannot read the event log: {0}")]
    Io(#[from] io::Error),
    /// A line is no entry.
    #[error("line {line} of the event log is no entry: {reason}")]
    Entry {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// The log does not begin with its header.
    #[error("the event log does not begin with a header")]
    NoHeader,
    /// Another version of this program wrote it.
    #[error("the event log has version {found}; this program reads version {VERSION}")]
    Version {
        /// The version it has.
        found: u32,
    },
}

/// A whole event log in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct EventLog {
    /// What it is about.
    pub header: CellHeader,
    /// All entries, the header's included, in the order they happened.
    pub entries: Vec<Entry>,
}

impl EventLog {
    /// A log of these entries.
    ///
    /// # Errors
    ///
    /// When the first is not the header of a version this program knows.
    pub fn new(entries: Vec<Entry>) -> Result<Self, LogError> {
        let Some(Entry { what: Happening::Started(header), .. }) = entries.first() else {
            return Err(LogError::NoHeader);
        };
        if header.version != VERSION {
            return Err(LogError::Version { found: header.version });
        }
        Ok(Self { header: header.clone(), entries })
    }

    /// Reads a log.
    ///
    /// # Errors
    ///
    /// When it cannot be read, a line is no entry, or another version wrote it.
    pub fn read(input: impl BufRead) -> Result<Self, LogError> {
        let mut entries = Vec::new();
        for (index, line) in input.lines().enumerate() {
            let line = line?;
            if index == 0 {
                check_version(&line)?;
            }
            let entry = serde_json::from_str(&line).map_err(|reason| LogError::Entry { line: index + 1, reason })?;
            entries.push(entry);
        }
        Self::new(entries)
    }

    /// Writes the log.
    ///
    /// # Errors
    ///
    /// When the output cannot be written.
    pub fn write(&self, mut output: impl Write) -> io::Result<()> {
        for entry in &self.entries {
            serde_json::to_writer(&mut output, entry)?;
            output.write_all(b"\n")?;
        }
        output.flush()
    }

    /// What happened, without the times.
    pub fn happenings(&self) -> impl Iterator<Item = &Happening> {
        self.entries.iter().map(|entry| &entry.what)
    }
}

/// A log of another version may not even parse; its version is looked at before anything else.
fn check_version(first: &str) -> Result<(), LogError> {
    let header: serde_json::Value = serde_json::from_str(first).map_err(|_| LogError::NoHeader)?;
    match header.get("version").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(VERSION) => {
            Err(LogError::Version { found: u32::try_from(found).unwrap_or(u32::MAX) })
        }
        Some(_) => Ok(()),
        None => Err(LogError::NoHeader),
    }
}
