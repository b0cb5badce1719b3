//! How a run is told: on the terminal, as JSON, as JUnit XML.

mod json;
mod junit;
mod progress;
mod terminal;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use json::{ResultCell, ResultsError, read_results, results_json};
pub use junit::junit_xml;
pub use progress::Progress;
pub use terminal::{Terminal, wants_colour};

use crate::ios::Release;
use crate::scenario::{Cell, ImplementationName, KnownFailure, Twin};
use crate::verdict::{Outcome, Verdict};

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellResult {
    /// All was as expected.
    Pass,
    /// Something was not, or a known failure passed.
    Fail,
    /// It cannot run on this machine.
    Skip,
    /// It failed, as the scenario says it is known to.
    Known,
    /// It passed, but not at the first attempt.
    Flaky,
    /// The harness itself failed.
    Error,
}

impl CellResult {
    /// Every result, in the order summaries have them.
    pub const ALL: [Self; 6] = [Self::Pass, Self::Fail, Self::Skip, Self::Known, Self::Flaky, Self::Error];

    /// The word reports use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Known => "known",
            Self::Flaky => "flaky",
            Self::Error => "error",
        }
    }

    /// Whether the run as a whole fails by it.
    pub fn fails_the_run(self) -> bool {
        matches!(self, Self::Fail | Self::Error)
    }
}

/// A cell that cannot run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Why.
    pub reason: String,
    /// What to do about it; empty when nothing can be done.
    pub remedy: String,
}

/// A cell that is done with.
#[derive(Clone, Debug)]
pub struct CellReport {
    /// Its name.
    pub name: String,
    /// Its scenario's name.
    pub scenario: String,
    /// The implementation it ran with.
    pub implementation: ImplementationName,
    /// The release it ran against.
    pub release: Release,
    /// Which twin it is, when the scenario has two.
    pub twin: Option<Twin>,
    /// What became of it.
    pub result: CellResult,
    /// Why, in one line; `None` for a plain pass.
    pub reason: Option<String>,
    /// What to do about it when it was skipped.
    pub remedy: Option<String>,
    /// How long it took, all attempts together.
    pub duration: Duration,
    /// The verdict on the last attempt; `None` when it did not run.
    pub verdict: Option<Verdict>,
    /// Where its evidence was written.
    pub artifacts: Option<PathBuf>,
}

impl CellReport {
    /// A cell that ran, with the verdict on its last attempt; `attempts` counts from 1.
    pub fn judged(
        cell: &Cell,
        verdict: Verdict,
        attempts: u32,
        duration: Duration,
        artifacts: Option<PathBuf>,
    ) -> Self {
        let (result, reason) = outcome(&verdict, attempts, cell.known_failure());
        let (verdict, remedy) = (Some(verdict), None);
        Self { result, reason, remedy, duration, verdict, artifacts, ..Self::of(cell) }
    }

    /// A cell that cannot run here.
    pub fn skipped(cell: &Cell, skip: Skip) -> Self {
        let remedy = (!skip.remedy.is_empty()).then_some(skip.remedy);
        Self { result: CellResult::Skip, reason: Some(skip.reason), remedy, ..Self::of(cell) }
    }

    /// A cell whose log could not even be made.
    pub fn broken(cell: &Cell, reason: impl Into<String>, duration: Duration) -> Self {
        Self { result: CellResult::Error, reason: Some(reason.into()), duration, ..Self::of(cell) }
    }

    fn of(cell: &Cell) -> Self {
        Self {
            name: cell.name.clone(),
            scenario: cell.scenario.name.clone(),
            implementation: cell.implementation.clone(),
            release: cell.release,
            twin: cell.twin,
            result: CellResult::Pass,
            reason: None,
            remedy: None,
            duration: Duration::ZERO,
            verdict: None,
            artifacts: None,
        }
    }
}

/// The result of a judged cell: a known failure that passes is a failure, so that the list of them stays true.
fn outcome(verdict: &Verdict, attempts: u32, known: Option<&KnownFailure>) -> (CellResult, Option<String>) {
    let first = verdict.failures.first();
    let first =
        first.map(|failure| format!("{}: expected {}, found {}", failure.what, failure.expected, failure.found));
    match (verdict.result, known) {
        (Outcome::Error, _) => (CellResult::Error, first),
        (Outcome::Pass, Some(known)) => {
            let reason = format!("listed under known_failures ({}), and it passed: take it off the list", known.reason);
            (CellResult::Fail, Some(reason))
        }
        (Outcome::Fail, Some(known)) => (CellResult::Known, Some(known.reason.clone())),
        (Outcome::Pass, None) if attempts > 1 => (CellResult::Flaky, Some(format!("it passed at attempt {attempts}"))),
        (Outcome::Pass, None) => (CellResult::Pass, None),
        (Outcome::Fail, None) => (CellResult::Fail, first),
    }
}

/// How many cells had each result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Passed at the first attempt.
    pub pass: usize,
    /// Failed.
    pub fail: usize,
    /// Could not run here.
    pub skip: usize,
    /// Failed as known.
    pub known: usize,
    /// Passed at a later attempt.
    pub flaky: usize,
    /// The harness failed.
    pub error: usize,
}

impl Summary {
    /// Counts the results.
    pub fn of(results: impl IntoIterator<Item = CellResult>) -> Self {
        let mut summary = Self::default();
        for result in results {
            *match result {
                CellResult::Pass => &mut summary.pass,
                CellResult::Fail => &mut summary.fail,
                CellResult::Skip => &mut summary.skip,
                CellResult::Known => &mut summary.known,
                CellResult::Flaky => &mut summary.flaky,
                CellResult::Error => &mut summary.error,
            } += 1;
        }
        summary
    }

    /// Whether all went as expected.
    pub fn is_success(&self) -> bool {
        self.fail == 0 && self.error == 0
    }

    /// The line that ends a run: `12 passed, 0 failed, 3 skipped`, and the other counts that are not zero. A flaky cell
    /// has passed.
    pub fn line(&self) -> String {
        let mut line = format!("{} passed, {} failed, {} skipped", self.pass + self.flaky, self.fail, self.skip);
        for (count, word) in [(self.known, "known"), (self.flaky, "flaky"), (self.error, "error")] {
            if count > 0 {
                line.push_str(&format!(", {count} {word}"));
            }
        }
        line
    }
}
