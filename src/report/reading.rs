//! A run told again from the event logs of its folder.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::CellReport;
use super::roster::{Roster, RosterError};
use crate::diag::Diagnostic;
use crate::evidence::artifacts::{self, EVENTS};
use crate::evidence::log::{CellHeader, Damage, EventLog, LogError};
use crate::scenario::Cell;

/// How many folders deep event logs are looked for.
const MAX_DEPTH: usize = 16;

/// An event log, and the cell it is of.
#[derive(Debug)]
pub struct Reading {
    /// The cell, made again from the texts in the log.
    pub cell: Cell,
    /// The log, as far as it could be read.
    pub log: EventLog,
    /// What ended the reading before the log's end.
    pub damage: Option<Damage>,
}

/// Why an event log tells nothing of a cell.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// It is none, or one of another version.
    #[error(transparent)]
    Log(#[from] LogError),
    /// This program does not understand the scenario in it.
    #[error("this program does not understand the scenario in it:\n{}", rendered(.0))]
    Scenario(Vec<Diagnostic>),
    /// The scenario in it has no such cell.
    #[error("the scenario in it has no cell `{0}`")]
    Cell(String),
}

fn rendered(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Reading {
    /// Reads an event log.
    ///
    /// # Errors
    ///
    /// When it tells nothing of a cell.
    pub fn open(path: &Path) -> Result<Self, ReadingError> {
        let (log, damage) = read(path)?;
        let name = &log.header.cell;
        let cell = log.header.scenario.cell(name).map_err(ReadingError::Scenario)?;
        let cell = cell.ok_or_else(|| ReadingError::Cell(name.clone()))?;
        Ok(Self { cell, log, damage })
    }

    /// Reads an event log without the cell it is of, as far as it can be read.
    ///
    /// # Errors
    ///
    /// When it is none, or one of another version.
    pub fn log(path: &Path) -> Result<EventLog, LogError> {
        Ok(read(path)?.0)
    }

    /// Reads what an event log is about, and nothing more of it.
    ///
    /// # Errors
    ///
    /// When it is none, or one of another version.
    pub fn head(path: &Path) -> Result<CellHeader, LogError> {
        EventLog::head(BufReader::new(File::open(path)?))
    }

    /// The cell judged anew; `folder` is where its evidence is.
    pub fn report(&self, folder: &Path) -> CellReport {
        CellReport::of_log(&self.cell, &self.log, folder)
    }
}

fn read(path: &Path) -> Result<(EventLog, Option<Damage>), LogError> {
    EventLog::read(BufReader::new(File::open(path)?))
}

/// What lies below the folders of runs.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The event logs, each once, in the order of their paths. What lies below one is of earlier attempts.
    pub logs: Vec<PathBuf>,
    /// The runs that left a list of their cells, by their folders.
    pub runs: BTreeMap<PathBuf, Run>,
    /// Lists that cannot be used, by the folders they lie in: every event log there is taken for one of the run.
    pub unusable: Vec<(PathBuf, RosterError)>,
    /// What is to be said of folders in which nothing is.
    pub absent: Vec<Diagnostic>,
}

/// A run by the list of its cells.
#[derive(Debug)]
pub struct Run {
    /// The list.
    pub roster: Roster,
    /// Its cells that left no event log.
    pub missing: Vec<String>,
    /// How many cells of earlier runs have theirs in its folder.
    pub earlier: usize,
}

impl Evidence {
    /// Looks for event logs at and below folders, without those a run found in its folder. Links are not followed.
    ///
    /// # Errors
    ///
    /// When there is nothing in any of them.
    pub fn below(folders: &[PathBuf]) -> Result<Self, Vec<Diagnostic>> {
        let mut evidence = Self::default();
        for folder in folders {
            let before = (evidence.logs.len(), evidence.runs.len());
            if let Err(error) = evidence.find(folder, MAX_DEPTH) {
                let error = format!("cannot read the folder {}: {error}", folder.display());
                evidence.absent.push(Diagnostic::plain(error));
            } else if before == (evidence.logs.len(), evidence.runs.len()) && !evidence.runs.contains_key(folder) {
                let error = Diagnostic::plain(format!("there is no event log below {}", folder.display()));
                let help = format!("expected what `ike-interop run --out` wrote, with {EVENTS} files");
                evidence.absent.push(error.with_help(help));
            }
        }
        if evidence.logs.is_empty() && evidence.runs.is_empty() {
            return Err(evidence.absent);
        }
        evidence.logs.sort();
        evidence.logs.dedup();
        Ok(evidence)
    }

    fn find(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        let mut below = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && depth > 0 {
                below.push(entry.path());
            } else if kind.is_file() && entry.file_name() == EVENTS {
                self.logs.push(entry.path());
                return Ok(());
            }
        }
        let before = self.logs.len();
        below.iter().try_for_each(|folder| self.find(folder, depth - 1))?;
        match Roster::of(folder) {
            Ok(None) => {}
            Ok(Some(roster)) => self.keep(folder, roster, before),
            Err(error) => self.unusable.push((folder.to_owned(), error)),
        }
        Ok(())
    }

    /// Of the logs from there on, keeps those of the run in `folder`, and those that are not among its cells.
    fn keep(&mut self, folder: &Path, roster: Roster, from: usize) {
        let cells = artifacts::cells(folder);
        let found: Vec<PathBuf> = self.logs.drain(from..).collect();
        let (inside, outside): (Vec<PathBuf>, Vec<PathBuf>) =
            found.into_iter().partition(|log| log.starts_with(&cells));
        let mut wanted: HashMap<PathBuf, &String> =
            roster.cells.iter().map(|name| (artifacts::folder(folder, name).join(EVENTS), name)).collect();
        let (these, earlier): (Vec<PathBuf>, Vec<PathBuf>) =
            inside.into_iter().partition(|log| wanted.remove(log).is_some());
        let mut missing: Vec<String> = wanted.into_values().cloned().collect();
        missing.sort();
        self.logs.extend(these.into_iter().chain(outside));
        self.runs.insert(folder.to_owned(), Run { roster, missing, earlier: earlier.len() });
    }
}
