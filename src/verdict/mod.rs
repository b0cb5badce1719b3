//! Expectations against evidence, and what is wrong with a pair of configurations.
//!
//! [`judge`] and [`diagnose()`] are pure functions of an event log and the scenario it is of: a verdict can be made again
//! from the file alone, and no two runs over the same log differ. A check never looks at one witness where there are
//! three: what the router believes, what the implementation believes and what crossed the wire must agree.

mod diagnose;
mod facts;
mod invariants;
mod phase1;
mod phase2;
#[cfg(test)]
pub(crate) mod rig;
mod said;
mod steps;
#[cfg(test)]
mod tests;
mod traffic;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

pub use diagnose::{ConfigMark, Finding};

use crate::diag::{Diagnostic, Severity, Source};
use crate::evidence::frames::transcript_of_frames;
use crate::evidence::log::EventLog;
use crate::evidence::snapshot::{self, Change};
use crate::scenario::{Cell, Diagnosis, Scenario};
use facts::Facts;

/// Where a cell's evidence lies, by the file names of its folder.
pub mod artifact {
    /// Everything that happened, in one order.
    pub use crate::evidence::artifacts::EVENTS;
    /// The negotiation as text.
    pub const TRANSCRIPT: &str = "transcript.txt";
    /// Every frame of the internet's links.
    pub const CAPTURE: &str = "capture.pcapng";
    /// The router's console.
    pub const CISCO_LOG: &str = "cisco.log";
    /// What the implementation wrote.
    pub const DUT_LOG: &str = "dut.log";
}

/// Whether a cell went as its scenario expects.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// In one word.
    pub result: Outcome,
    /// What was not as expected, in the order it was looked at.
    pub failures: Vec<Failure>,
    /// What is wrong with the configurations.
    pub findings: Vec<Finding>,
    /// How the transcript differs from the reviewed one, whether that is a failure or not.
    pub changes: Vec<Change>,
}

/// What the failure is called that another transcript than the reviewed is.
const TRANSCRIPT: &str = "transcript";

/// What the failure is called that something else is wrong with the configurations than the scenario expects.
const DIAGNOSIS: &str = "diagnosis";

impl Verdict {
    /// Whether all was as expected, whatever the transcript is held against.
    pub fn passed_but_for_the_transcript(&self) -> bool {
        self.result != Outcome::Error && self.failures.iter().all(Failure::is_transcript)
    }

    /// What is wrong with the configurations when the scenario expects something else: why all the rest failed.
    pub fn unexpected_findings(&self) -> &[Finding] {
        match self.failures.iter().any(|failure| failure.what == DIAGNOSIS) {
            true => &self.findings,
            false => &[],
        }
    }

    /// What is wrong with the configurations, as the scenario expects.
    pub fn expected_findings(&self) -> &[Finding] {
        &self.findings[self.unexpected_findings().len()..]
    }
}

/// A verdict in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// All was as expected.
    Pass,
    /// Something was not.
    Fail,
    /// The harness itself failed, so the cell cannot be judged.
    Error,
}

/// Something that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was looked at: `phase 2, the router`.
    pub what: String,
    /// What the scenario expects of it.
    pub expected: String,
    /// What the evidence says.
    pub found: String,
    /// The file of the cell's folder to look into.
    pub place: &'static str,
    /// Where the scenario, or the reviewed transcript, asks for it.
    pub asked: Option<(Source, Range<usize>)>,
    /// That place as a JSON pointer into the scenario, below what is being judged.
    pointer: String,
}

impl Failure {
    fn new(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        place: &'static str,
    ) -> Self {
        let (what, expected, found) = (what.into(), expected.into(), found.into());
        Self { what, expected, found, place, asked: None, pointer: String::new() }
    }

    /// Asked for by the list item or the value of that name.
    fn asked_by(mut self, name: impl fmt::Display) -> Self {
        let name = name.to_string().replace('~', "~0").replace('/', "~1");
        self.pointer = format!("/{name}{}", self.pointer);
        self
    }

    /// Whether it is that the transcript is another than the reviewed one; [`Verdict::changes`] tells in what.
    pub fn is_transcript(&self) -> bool {
        self.what == TRANSCRIPT
    }

    /// The failure in one line.
    pub fn line(&self) -> String {
        let first = |text: &str| match text.trim_end().split_once('\n') {
            Some((first, _)) => format!("{first} ..."),
            None => text.trim_end().to_owned(),
        };
        format!("{}: expected {}, found {}", self.what, first(&self.expected), first(&self.found))
    }
}

/// The failures of a cell as they are found.
struct Failures<'a> {
    cell: &'a Cell,
    list: Vec<Failure>,
}

impl Failures<'_> {
    /// Takes what `judge` finds, asked for at or below that place of the scenario.
    fn of(&mut self, pointer: &str, judge: impl FnOnce(&mut Vec<Failure>)) {
        let mut found = Vec::new();
        judge(&mut found);
        for failure in &mut found {
            if failure.asked.is_none() {
                failure.asked = self.cell.place(&format!("{pointer}{}", failure.pointer));
            }
        }
        self.list.append(&mut found);
    }
}

/// Judges a cell by its log.
pub fn judge(cell: &Cell, log: &EventLog) -> Verdict {
    let facts = Facts::new(log);
    let scenario = &*cell.scenario;
    let findings = diagnose::findings(scenario, &facts);
    let broken = invariants::harness(&facts);
    if !broken.is_empty() {
        return Verdict { result: Outcome::Error, failures: broken, findings, changes: Vec::new() };
    }
    let mut failures = Failures { cell, list: Vec::new() };
    let (expect, end, whole) = (&scenario.expect, facts.end(), facts.whole());
    failures.of("/steps", |failures| invariants::both_ran(scenario, &facts, failures));
    // An implementation without a way to tell its SAs is judged by the wire, the router and the traffic.
    let dut = end.sas().is_some();
    failures.of("/expect/phase1", |failures| phase1::judge(expect.phase1, end, dut, failures));
    failures.of("/expect/phase2", |failures| phase2::judge(&expect.phase2, scenario, end, dut, failures));
    let algorithms = &expect.algorithms;
    failures.of("/expect/algorithms/phase1", |failures| phase1::algorithms(algorithms.phase1, end, failures));
    failures.of("/expect/algorithms/phase2", |failures| phase2::algorithms(algorithms.phase2, end, failures));
    failures.of("/steps", |failures| steps::judge(scenario, &facts, failures));
    failures.of("/expect/plaintext", |failures| traffic::plaintext(scenario, whole, failures));
    failures.of("/tunnel/traffic", |failures| traffic::esp(scenario, whole, failures));
    failures.of("/expect/cisco", |failures| said::cisco(&expect.cisco, whole, failures));
    let dut_log = expect.dut.log.get(&cell.implementation);
    failures.of(&format!("/expect/dut/log/{}", cell.implementation), |failures| said::dut(dut_log, whole, failures));
    failures.of("", |failures| invariants::no_panic(whole, failures));
    failures.of("/expect/diagnosis", |failures| diagnosis(&expect.diagnosis, &findings, failures));
    let mut changes = Vec::new();
    // How a known failure looks is nobody's concern.
    if cell.known_failure().is_none() {
        failures.of("", |failures| changes = transcript(&facts, failures));
    }
    let failures = failures.list;
    let result = if failures.is_empty() { Outcome::Pass } else { Outcome::Fail };
    Verdict { result, failures, findings, changes }
}

/// What is wrong with the two configurations, by the evidence of a run; empty when nothing is.
pub fn diagnose(scenario: &Scenario, log: &EventLog) -> Vec<Finding> {
    diagnose::findings(scenario, &Facts::new(log))
}

/// Holds the transcript against the reviewed one, and gives what changed.
fn transcript(facts: &Facts<'_>, failures: &mut Vec<Failure>) -> Vec<Change> {
    let Some(reviewed) = &facts.log.header.reviewed else { return Vec::new() };
    let transcript = transcript_of_frames(facts.log, &facts.frames);
    let changes = snapshot::changes(reviewed.transcript(), &transcript);
    if snapshot::heaviest(&changes) >= Some(reviewed.fails_from) {
        let expected = format!("as reviewed in {}", reviewed.file.display());
        let found = changes.iter().map(Change::to_string).collect::<Vec<_>>().join("\n");
        let begin = reviewed.begin_of(changes.first().map_or(1, |change| change.line));
        let asked = Some((reviewed.source(), begin..begin));
        failures.push(Failure { asked, ..Failure::new(TRANSCRIPT, expected, found, artifact::TRANSCRIPT) });
    }
    changes
}

fn diagnosis(expected: &[Diagnosis], findings: &[Finding], failures: &mut Vec<Failure>) {
    let expected: BTreeSet<Diagnosis> = expected.iter().copied().collect();
    let found: BTreeSet<Diagnosis> = findings.iter().map(|finding| finding.code).collect();
    if expected != found {
        let words = |codes: &BTreeSet<Diagnosis>| match codes.is_empty() {
            true => "none".to_owned(),
            false => codes.iter().map(|code| code.word()).collect::<Vec<_>>().join(", "),
        };
        failures.push(Failure::new(DIAGNOSIS, words(&expected), words(&found), artifact::TRANSCRIPT));
    }
}

impl Finding {
    /// The finding as diagnostics, one for each line that disagrees; the message stands on the first.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let title = |index: usize| match index {
            0 => format!("{} ({})", self.message, self.code),
            _ => format!("{}, the other side", self.code),
        };
        if self.lines.is_empty() {
            return vec![Diagnostic::plain(title(0)).with_severity(Severity::Warning)];
        }
        let lines = self.lines.iter().enumerate().map(|(index, line)| {
            let severity = if index == 0 { Severity::Warning } else { Severity::Note };
            Diagnostic::error(&line.source, line.range.clone(), title(index), line.label.as_str())
                .with_severity(severity)
        });
        lines.collect()
    }
}
