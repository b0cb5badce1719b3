//! The event log of a cell: everything that happened, in one order, one JSON object a line.
//!
//! Verdict, transcript, captures and reports are made from it alone, now or later.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::snapshot::{Weight, contents};
use crate::diag::Source;
use crate::ike::KeyRecord;
use crate::implementations::SaState;
use crate::ios::Release;
use crate::ios::console::Mark;
use crate::ios::event::RouterEvent;
use crate::lab::internet;
use crate::scenario::{Cell, Written};
use crate::time::Instant;

/// The version of the log's format, which its first entry tells.
pub const VERSION: u32 = 3;

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
    Started(Box<CellHeader>),
    /// The cell cannot run on this machine; nothing but the end follows.
    Skipped {
        /// Why.
        reason: String,
        /// What to do about it; empty when nothing can be done.
        remedy: String,
        /// Whether every cell was to run, so that this one counts as failed.
        strict: bool,
    },
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
        /// How its text is known.
        mark: Mark,
        /// Where its text is from, by the keys of the facts' sources; empty when it is modelled.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        source: Cow<'static, str>,
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
    /// It was asked for them, and has no way to tell.
    SasUntold,
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
    /// The seed of the run, from which that of the cell's every random choice is made.
    pub seed: u64,
    /// The file that declares implementations, where the run was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// Nanoseconds from the epoch to the cell's first instant.
    pub epoch: u64,
    /// The implementation's outer address.
    pub dut: Ipv4Addr,
    /// The router's outer address.
    pub cisco: Ipv4Addr,
    /// The scenario, by whose expectations the cell is judged.
    pub scenario: Written,
    /// What both sides ran with.
    pub configs: Configs,
    /// The transcript that was the reviewed one when the cell ran, if there was one and it was to be looked at.
    pub reviewed: Option<Reviewed>,
    /// The attempts before this one, none of which went as expected.
    pub earlier: Vec<Attempt>,
}

/// An attempt that did not go as expected and was followed by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// How long it took.
    pub took: Duration,
    /// Whether the harness itself failed.
    pub broken: bool,
    /// What was not as expected, each in one line; never empty.
    pub failures: Vec<String>,
}

/// The text of each configuration file by its path, `cisco/running-config.ios` among them.
pub type Configs = BTreeMap<String, String>;

/// A transcript somebody has looked at and found right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewed {
    /// The file it is in.
    pub file: PathBuf,
    /// The file's text: the transcript behind insta's header.
    pub text: String,
    /// The lightest change by which the cell fails.
    #[serde(default)]
    pub fails_from: Weight,
}

impl Reviewed {
    /// The transcript.
    pub fn transcript(&self) -> &str {
        contents(&self.text)
    }

    /// The file.
    pub fn source(&self) -> Source {
        Source::new(self.file.clone(), self.text.as_str())
    }

    /// Where in the file's text that line of the transcript begins, counted from 1.
    pub fn begin_of(&self, line: usize) -> usize {
        let transcript = self.transcript();
        let before: usize = transcript.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        self.text.len() - transcript.len() + before
    }
}

/// What a run knows of a cell before it begins.
#[derive(Clone, Debug, Default)]
pub struct Beginning {
    /// The seed of the run.
    pub seed: u64,
    /// The file that declares implementations, where one was given.
    pub config: Option<PathBuf>,
    /// What both sides run with.
    pub configs: Configs,
    /// The transcript to hold against it.
    pub reviewed: Option<Reviewed>,
    /// The attempts before.
    pub earlier: Vec<Attempt>,
}

impl CellHeader {
    /// The header of a cell that begins at `started`; `version` is the implementation's, empty when it is not there.
    pub fn new(cell: &Cell, version: &str, started: SystemTime, beginning: Beginning) -> Self {
        let epoch = started.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            version: VERSION,
            cell: cell.name.clone(),
            implementation: (cell.implementation.to_string(), version.to_owned()),
            release: cell.release,
            seed: beginning.seed,
            config: beginning.config,
            epoch: u64::try_from(epoch.as_nanos()).unwrap_or(u64::MAX),
            dut: cell.scenario.tunnel.local,
            cisco: cell.scenario.tunnel.remote,
            scenario: (*cell.scenario.written).clone(),
            configs: beginning.configs,
            reviewed: beginning.reviewed,
            earlier: beginning.earlier,
        }
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> usize {
        self.earlier.len() + 1
    }
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

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file could not be read.
    #[error("cannot read the event log: {0}")]
    Io(#[from] io::Error),
    /// There is nothing in it.
    #[error("the event log is empty")]
    Empty,
    /// The log does not begin with its header.
    #[error("it is no event log: its first line is not the header of a cell")]
    NoHeader,
    /// Another version of this program wrote it.
    #[error("the event log has version {found}; this program reads version {VERSION}")]
    Version {
        /// The version it has.
        found: u64,
    },
}

/// A line of a log that is no entry. What stands before it can be used.
#[derive(Debug, thiserror::Error)]
#[error("line {line} of the event log is no entry, from column {column}: {reason}")]
pub struct Damage {
    /// The line, from 1.
    pub line: usize,
    /// The octet of the line at which it ceases to be one, from 1.
    pub column: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Damage {
    fn new(line: usize, error: &serde_json::Error) -> Self {
        let words = error.to_string();
        // Each line is read by itself: for the reader of the error it is always the first.
        let reason = words.rsplit_once(" at line ").map_or(words.as_str(), |(reason, _)| reason).to_owned();
        Self { line, column: error.column(), reason }
    }
}

/// The longest line of a log that is read, in octets; a header with its scenario and configurations has some 50,000.
const MAX_LINE: u64 = 64 << 20;

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
            return Err(LogError::Version { found: header.version.into() });
        }
        Ok(Self { header: (**header).clone(), entries })
    }

    /// The log of a cell in which one thing happened at once, and nothing else.
    pub fn brief(header: CellHeader, what: Happening) -> Self {
        let started = Happening::Started(Box::new(header.clone()));
        let entries = [started, what, Happening::Ended].map(|what| Entry { at: Instant::ZERO, what });
        Self { header, entries: entries.into() }
    }

    /// Reads the header of a log, and nothing more.
    ///
    /// # Errors
    ///
    /// When it cannot be read, does not begin with a header, or another version wrote it.
    pub fn head(input: impl BufRead) -> Result<CellHeader, LogError> {
        let mut line = Vec::new();
        input.take(MAX_LINE).read_until(b'\n', &mut line)?;
        check_version(&line)?;
        let first: Entry = serde_json::from_slice(&line).map_err(|_| LogError::NoHeader)?;
        Ok(Self::new(vec![first])?.header)
    }

    /// Reads a log, up to its first damaged line.
    ///
    /// # Errors
    ///
    /// When it cannot be read, does not begin with a header, or another version wrote it.
    pub fn read(mut input: impl BufRead) -> Result<(Self, Option<Damage>), LogError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut line = Vec::new();
        let damage = loop {
            line.clear();
            if Read::by_ref(&mut input).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                break None;
            }
            if entries.is_empty() {
                check_version(&line)?;
            }
            match serde_json::from_slice(&line) {
                Ok(entry) => entries.push(entry),
                Err(_) if entries.is_empty() => return Err(LogError::NoHeader),
                Err(error) => break Some(Damage::new(entries.len() + 1, &error)),
            }
        };
        if entries.is_empty() {
            return Err(LogError::Empty);
        }
        Ok((Self::new(entries)?, damage))
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

    /// How long the cell took, all attempts together.
    pub fn duration(&self) -> Duration {
        self.header.earlier.iter().fold(self.own_duration(), |sum, attempt| sum.saturating_add(attempt.took))
    }

    /// How long this attempt took.
    pub fn own_duration(&self) -> Duration {
        self.entries.last().map(|entry| entry.at.since_start()).unwrap_or_default()
    }

    /// Why the cell could not run, what to do about it, and whether it counts as failed; `None` when it ran.
    pub fn skipped(&self) -> Option<(&str, &str, bool)> {
        self.happenings().find_map(|what| match what {
            Happening::Skipped { reason, remedy, strict } => Some((reason.as_str(), remedy.as_str(), *strict)),
            _ => None,
        })
    }

    /// What happened, without the times.
    pub fn happenings(&self) -> impl Iterator<Item = &Happening> {
        self.entries.iter().map(|entry| &entry.what)
    }
}

/// A log of another version may not even parse; its version is looked at before anything else.
fn check_version(first: &[u8]) -> Result<(), LogError> {
    if first.is_empty() {
        return Err(LogError::Empty);
    }
    let header: serde_json::Value = serde_json::from_slice(first).map_err(|_| LogError::NoHeader)?;
    match header.get("version").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(VERSION) => Err(LogError::Version { found }),
        Some(_) => Ok(()),
        None => Err(LogError::NoHeader),
    }
}
