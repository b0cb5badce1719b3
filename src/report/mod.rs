//! How a run is told: on the terminal, to GitHub, as JSON, JUnit XML and HTML.

mod github;
mod html;
mod json;
mod junit;
mod progress;
mod project;
mod reading;
mod roster;
mod summary;
mod terminal;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use github::{Github, annotations};
pub use html::{Story, report_html};
pub use json::{ResultCell, ResultChange, ResultsError, read_results, results_json, results_schema};
pub use junit::junit_xml;
pub use progress::Progress;
pub use project::Project;
pub use reading::{Evidence, Reading, ReadingError, Run};
pub use roster::{ROSTER, Roster, RosterError};
pub use terminal::{Terminal, wants_colour};

use crate::evidence::log::{Attempt, EventLog};
use crate::ios::Release;
use crate::scenario::{Cell, ImplementationName, KnownFailure, ROOT, Twin};
use crate::verdict::{Failure, Outcome, Verdict, judge};

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Result")]
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

    /// What it says of a cell, in one sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Pass => "All was as expected.",
            Self::Fail => "Something was not as expected, or a known failure passed.",
            Self::Skip => "It cannot run on this machine.",
            Self::Known => "It failed, as the scenario says it is known to.",
            Self::Flaky => "It passed, but not at the first attempt.",
            Self::Error => "The harness itself failed.",
        }
    }

    /// Whether the run as a whole fails by it.
    pub fn fails_the_run(self) -> bool {
        matches!(self, Self::Fail | Self::Error)
    }
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
    /// The attempts before the last, none of which went as expected.
    pub earlier: Vec<Attempt>,
    /// The file of the reviewed transcript it was held against, and the line at which they begin to differ, from 1.
    pub reviewed: Option<(PathBuf, usize)>,
    /// The verdict on the last attempt; `None` when it did not run.
    pub verdict: Option<Verdict>,
    /// Where its evidence was written.
    pub artifacts: Option<PathBuf>,
    /// What its page tells; `None` when there is no log to tell from.
    pub story: Option<Box<Story>>,
}

impl CellReport {
    /// A cell by its log alone; `artifacts` is the folder of its evidence.
    pub fn of_log(cell: &Cell, log: &EventLog, artifacts: &Path) -> Self {
        let of = Self {
            duration: log.duration(),
            earlier: log.header.earlier.clone(),
            artifacts: Some(artifacts.to_owned()),
            ..Self::of(cell)
        };
        if let Some((reason, remedy, strict)) = log.skipped() {
            let result = if strict { CellResult::Fail } else { CellResult::Skip };
            let remedy = (!remedy.is_empty()).then(|| remedy.to_owned());
            let story = Some(Box::new(Story::new(cell, log, None)));
            return Self { result, reason: Some(reason.to_owned()), remedy, story, ..of };
        }
        let verdict = judge(cell, log);
        let (result, reason) = outcome(&verdict, log.header.attempt(), cell.known_failure());
        let story = Some(Box::new(Story::new(cell, log, Some(&verdict))));
        let reviewed = log.header.reviewed.as_ref().map(|reviewed| {
            let line = verdict.changes.first().map_or(1, |change| change.line);
            (reviewed.file.clone(), reviewed.source().line_column(reviewed.begin_of(line)).0)
        });
        Self { result, reason, reviewed, verdict: Some(verdict), story, ..of }
    }

    /// A cell of which not even the log could be written.
    pub fn broken(cell: &Cell, reason: impl Into<String>) -> Self {
        Self { result: CellResult::Error, reason: Some(reason.into()), ..Self::of(cell) }
    }

    /// Why it failed, in a line: what is wrong with the configurations and was not expected, or else its reason.
    fn cause(&self) -> String {
        let findings = self.verdict.as_ref().map_or(&[][..], Verdict::unexpected_findings);
        let findings: Vec<String> =
            findings.iter().map(|finding| format!("{} ({})", finding.message, finding.code)).collect();
        match findings.is_empty() {
            true => self.reason.clone().unwrap_or_default(),
            false => findings.join("; "),
        }
    }

    /// From the reviewed transcript to this one, when the cell failed by that alone: where more failed, that tells more.
    fn difference(&self) -> Option<&str> {
        let verdict = self.verdict.as_ref()?;
        if verdict.failures.is_empty() || !verdict.passed_but_for_the_transcript() {
            return None;
        }
        self.story.as_deref()?.difference.as_deref()
    }

    /// What a later attempt remembers of this one, which took so long.
    pub fn attempt(&self, took: Duration) -> Attempt {
        let failures = self.verdict.iter().flat_map(|verdict| &verdict.failures);
        let mut failures: Vec<String> = failures.map(Failure::line).collect();
        if failures.is_empty() {
            failures.extend(self.reason.clone());
        }
        Attempt { took, broken: self.result == CellResult::Error, failures }
    }

    /// The command that runs it again.
    pub fn again(&self) -> String {
        let mut command = "ike-interop run ".to_owned();
        let story = self.story.as_deref();
        // A scenario of the catalogue is found by its name.
        let elsewhere = story.filter(|story| story.file != format!("scenarios/{}.yaml", self.scenario));
        if let Some(story) = elsewhere {
            command.push_str(&format!("{} ", quoted(&where_named(&story.file, &self.scenario))));
        }
        command.push_str(&quoted(&self.name));
        if let Some(config) = story.and_then(|story| story.config.as_ref()) {
            command.push_str(&format!(" --config {}", quoted(&config.to_string_lossy())));
        }
        if let Some(story) = story.filter(|story| story.seed != USUAL_SEED) {
            command.push_str(&format!(" --seed {}", story.seed));
        }
        command
    }

    /// The folder of its evidence as seen from the run's own folder.
    pub fn artifacts_below(&self, out: &Path) -> Option<&Path> {
        let folder = self.artifacts.as_deref()?;
        Some(folder.strip_prefix(out).unwrap_or(folder))
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
            earlier: Vec::new(),
            reviewed: None,
            verdict: None,
            artifacts: None,
            story: None,
        }
    }
}

/// What to run for the scenario in that file to be called so: the file itself, or the folder below which that is its path.
fn where_named(file: &str, scenario: &str) -> String {
    let path = Path::new(file);
    let named_by_itself = path.ancestors().skip(1).any(|folder| folder.file_name().is_some_and(|name| name == ROOT));
    let stem = path.with_extension("");
    if named_by_itself || !scenario.contains('/') || !stem.ends_with(scenario) {
        return file.to_owned();
    }
    let levels = Path::new(scenario).components().count();
    match stem.ancestors().nth(levels) {
        Some(folder) if folder != Path::new("") => folder.display().to_string(),
        _ => ".".to_owned(),
    }
}

/// Words as a shell takes them.
fn quoted(words: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_./:@%+=,-".contains(letter);
    match !words.is_empty() && words.chars().all(plain) {
        true => words.to_owned(),
        false => format!("'{}'", words.replace('\'', r"'\''")),
    }
}

/// The seed of a run that is given none.
pub const USUAL_SEED: u64 = 1;

/// The files of what a run tells of all its cells together.
const REPORTS: [&str; 3] = ["results.json", "junit.xml", "report.html"];

/// Writes what a run tells of all its cells together: `results.json`, `junit.xml` and `report.html`.
///
/// # Errors
///
/// When a file cannot be written.
pub fn write_files(out: &Path, cells: &[CellReport], project: &Project) -> io::Result<()> {
    fs::create_dir_all(out)?;
    let junit = junit_xml(cells, project).map_err(io::Error::other)?;
    let page = report_html(cells, out).map_err(io::Error::other)?;
    for (name, text) in REPORTS.into_iter().zip([results_json(cells, out), junit, page]) {
        fs::write(out.join(name), text)?;
    }
    Ok(())
}

/// The result of a judged cell: a known failure that passes is a failure, so that the list of them stays true.
fn outcome(verdict: &Verdict, attempts: usize, known: Option<&KnownFailure>) -> (CellResult, Option<String>) {
    let first = verdict.failures.first().map(Failure::line);
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
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
