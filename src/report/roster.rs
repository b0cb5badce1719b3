//! Which cells a run is of: a list in its folder, without which nobody could tell them from what earlier runs left there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::REPORTS;
use crate::evidence::artifacts;
use crate::scenario::Shard;

/// The list's file in a run's folder.
pub const ROSTER: &str = "run.json";

/// The version of the file's form.
const VERSION: u64 = 1;

/// The cells of a run, whether they ended or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    version: u64,
    /// The part of a whole this run is, when it is one.
    pub shard: Option<Shard>,
    /// The cells' names.
    pub cells: BTreeSet<String>,
}

/// Why a list tells nothing of a run.
#[derive(Debug, thiserror::Error)]
pub enum RosterError {
    /// It could not be read.
    #[error("cannot read the list of the run's cells: {0}")]
    Io(#[from] io::Error),
    /// It is of another form.
    #[error("it is no list of a run's cells: {0}")]
    Form(#[from] serde_json::Error),
    /// Another version of this program wrote it.
    #[error("the list of the run's cells has version {0}; this program reads version {VERSION}")]
    Version(u64),
}

impl Roster {
    /// That of a run of these cells.
    pub fn new(cells: impl IntoIterator<Item = String>, shard: Option<Shard>) -> Self {
        Self { version: VERSION, shard, cells: cells.into_iter().collect() }
    }

    /// Reads that of the run in `folder`; there is none where no run was, or one of an older version.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be used.
    pub fn of(folder: &Path) -> Result<Option<Self>, RosterError> {
        let text = match fs::read(folder.join(ROSTER)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let value: serde_json::Value = serde_json::from_slice(&text)?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(other) if other != VERSION => Err(RosterError::Version(other)),
            _ => Ok(Some(serde_json::from_value(value)?)),
        }
    }

    /// Makes `out` the folder of the run this is the list of. Nothing is left of what an earlier run told of all its cells
    /// together, nor of these cells; other cells' evidence stays.
    ///
    /// # Errors
    ///
    /// When a file cannot be removed or written.
    pub fn begin(&self, out: &Path) -> io::Result<()> {
        fs::create_dir_all(out)?;
        for report in REPORTS {
            gone(fs::remove_file(out.join(report)))?;
        }
        for cell in &self.cells {
            gone(fs::remove_dir_all(artifacts::folder(out, cell)))?;
        }
        self.write(out)
    }

    /// Writes the list.
    ///
    /// # Errors
    ///
    /// When that is not possible.
    pub fn write(&self, out: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        fs::write(out.join(ROSTER), text + "\n")
    }
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
