//! `results.json`.

use std::borrow::Cow;
use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};

use super::{CellReport, CellResult, Summary};
use crate::evidence::snapshot::Change;

/// The version of the file's form.
const VERSION: u32 = 1;

/// What became of the cells of a run of ike-interop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "ike-interop results", deny_unknown_fields)]
struct Results<'a> {
    /// The version of the file's form.
    #[schemars(extend("const" = VERSION))]
    version: u32,
    /// How many cells had each result.
    summary: Summary,
    /// Every cell, in the order of scenario, implementation, release and twin.
    cells: Vec<ResultCell<'a>>,
}

/// One cell: a scenario with an implementation against a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Cell", deny_unknown_fields)]
pub struct ResultCell<'a> {
    /// The cell's name: `phase2/acl-not-mirrored/strongswan/15.x`, with `:fixed` at the end for the fixed twin.
    pub name: Cow<'a, str>,
    /// Its scenario's name.
    pub scenario: Cow<'a, str>,
    /// Its implementation.
    pub implementation: Cow<'a, str>,
    /// The router's release.
    pub release: Cow<'a, str>,
    /// Which twin it is, when the scenario has a fix.
    #[schemars(extend("enum" = ["broken", "fixed", null]))]
    pub twin: Option<Cow<'a, str>>,
    /// What became of it.
    pub result: CellResult,
    /// Why, in one line; null for a plain pass.
    pub reason: Option<Cow<'a, str>>,
    /// How long it took in seconds, all attempts together.
    #[schemars(range(min = 0.0))]
    pub duration_s: f64,
    /// The codes of what was found wrong with the configurations.
    pub findings: Vec<Cow<'a, str>>,
    /// In what its transcript differs from the reviewed one, major changes first, whether it failed by that or not.
    #[serde(default)]
    pub changes: Vec<ResultChange<'a>>,
    /// The folder of its evidence, as seen from the folder of this file; null when there is none.
    pub artifacts: Option<Cow<'a, str>>,
}

/// One difference between a transcript and the reviewed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Change", deny_unknown_fields)]
pub struct ResultChange<'a> {
    /// How much it matters: `major` is another negotiation, `minor` the same one said in another way.
    #[schemars(extend("enum" = ["major", "minor"]))]
    pub weight: Cow<'a, str>,
    /// Where it is: `quick mode 2`.
    pub place: Cow<'a, str>,
    /// What it is: `the chosen transform was ESP_AES, is ESP_3DES`.
    pub what: Cow<'a, str>,
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

/// The run as the `results.json` in `out` holds it.
pub fn results_json(cells: &[CellReport], out: &Path) -> String {
    let summary = Summary::of(cells.iter().map(|cell| cell.result));
    let cells = cells.iter().map(|cell| ResultCell::new(cell, out)).collect();
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

/// The JSON schema (draft 2020-12) of `results.json`. The doc comments of the types are its descriptions.
pub fn results_schema() -> serde_json::Value {
    SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<Results<'_>>().to_value()
}

impl<'a> ResultCell<'a> {
    fn new(cell: &'a CellReport, out: &Path) -> Self {
        let findings = cell.verdict.iter().flat_map(|verdict| &verdict.findings);
        let changes = cell.verdict.iter().flat_map(|verdict| &verdict.changes);
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
            changes: changes.map(ResultChange::new).collect(),
            artifacts: cell.artifacts_below(out).map(|folder| folder.to_string_lossy()),
        }
    }
}

impl<'a> ResultChange<'a> {
    fn new(change: &'a Change) -> Self {
        Self {
            weight: Cow::Borrowed(change.weight.word()),
            place: Cow::Borrowed(&change.place),
            what: Cow::Borrowed(&change.what),
        }
    }
}
