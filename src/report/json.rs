//! `results.json`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{CellReport, CellResult, Summary};

/// The version of the file's form.
const VERSION: u32 = 1;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Results<'a> {
    version: u32,
    summary: Summary,
    cells: Vec<ResultCell<'a>>,
}

/// One cell of `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultCell<'a> {
    /// The cell's name.
    pub name: Cow<'a, str>,
    /// Its scenario's name.
    pub scenario: Cow<'a, str>,
    /// Its implementation.
    pub implementation: Cow<'a, str>,
    /// The router's release.
    pub release: Cow<'a, str>,
    /// `broken` or `fixed`, when the scenario has a fix.
    pub twin: Option<Cow<'a, str>>,
    /// What became of it.
    pub result: CellResult,
    /// Why.
    pub reason: Option<Cow<'a, str>>,
    /// How long it took in seconds.
    pub duration_s: f64,
    /// The codes of what was found wrong with the configurations.
    pub findings: Vec<Cow<'a, str>>,
    /// The folder of its evidence.
    pub artifacts: Option<Cow<'a, str>>,
}

/// Why a `results.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// It is not of that form.
    #[error("it is no results.json: {0}")]
    Form(#[from] serde_json::Error),
    /// Another version of this program wrote it.
    #[error("it has version {0}; this program reads version {VERSION}")]
    Version(u32),
}

/// The run as `results.json` holds it.
pub fn results_json(cells: &[CellReport]) -> String {
    let summary = Summary::of(cells.iter().map(|cell| cell.result));
    let cells = cells.iter().map(ResultCell::from).collect();
    let results = Results { version: VERSION, summary, cells };
    // Strings, numbers and lists of them: there is nothing in it that JSON cannot say.
    serde_json::to_string_pretty(&results).unwrap_or_default() + "\n"
}

/// Reads a `results.json`.
///
/// # Errors
///
/// When it is none, or one of another version.
pub fn read_results(text: &str) -> Result<Vec<ResultCell<'static>>, ResultsError> {
    let results: Results<'static> = serde_json::from_str(text)?;
    if results.version != VERSION {
        return Err(ResultsError::Version(results.version));
    }
    Ok(results.cells)
}

impl<'a> From<&'a CellReport> for ResultCell<'a> {
    fn from(cell: &'a CellReport) -> Self {
        let findings = cell.verdict.iter().flat_map(|verdict| &verdict.findings);
        Self {
            name: Cow::Borrowed(&cell.name),
            scenario: Cow::Borrowed(&cell.scenario),
            implementation: Cow::Borrowed(cell.implementation.word()),
            release: Cow::Borrowed(cell.release.word()),
            twin: cell.twin.map(|twin| Cow::Borrowed(twin.word())),
            result: cell.result,
            reason: cell.reason.as_deref().map(Cow::Borrowed),
            duration_s: (cell.duration.as_secs_f64() * 1000.0).round() / 1000.0,
            findings: findings.map(|finding| Cow::Borrowed(finding.code.word())).collect(),
            artifacts: cell.artifacts.as_deref().map(|folder| folder.to_string_lossy()),
        }
    }
}
