//! A run told again from the event logs of its folder.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::CellReport;
use crate::diag::Diagnostic;
use crate::evidence::artifacts::EVENTS;
use crate::evidence::log::{Damage, EventLog, LogError};
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
        let file = File::open(path).map_err(LogError::from)?;
        let (log, damage) = EventLog::read(BufReader::new(file))?;
        let name = &log.header.cell;
        let cell = log.header.scenario.cell(name).map_err(ReadingError::Scenario)?;
        let cell = cell.ok_or_else(|| ReadingError::Cell(name.clone()))?;
        Ok(Self { cell, log, damage })
    }

    /// The cell judged anew; `folder` is where its evidence is.
    pub fn report(&self, folder: &Path) -> CellReport {
        CellReport::of_log(&self.cell, &self.log, folder)
    }
}

/// Every event log at or below a folder, in the order of their paths; what lies below one is of earlier attempts. Links are
/// not followed.
///
/// # Errors
///
/// When a folder cannot be read.
pub fn event_logs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    find(folder, MAX_DEPTH, &mut found)?;
    found.sort();
    Ok(found)
}

fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut below = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            below.push(entry.path());
        } else if kind.is_file() && entry.file_name() == EVENTS {
            found.push(entry.path());
            return Ok(());
        }
    }
    below.iter().try_for_each(|folder| find(folder, depth - 1, found))
}
