//! JUnit XML as GitHub's actions, GitLab and Jenkins show it: a suite for each folder of scenarios, a case for each cell.
//!
//! What goes beyond the schema of Jenkins' xUnit plugin (`junit-10.xsd`) is what others read: `file`, by which GitLab finds the
//! scenario, the properties of a case, which Jenkins' JUnit plugin keeps, and the sum of skipped cases. Files are attached the
//! way Jenkins' attachments plugin, GitLab and Azure look for them, `[[ATTACHMENT|path]]` on a line of its own.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::project::Project;
use super::{CellReport, CellResult};
use crate::evidence::log::Attempt;
use crate::verdict::{Finding, Verdict, artifact};

/// The longest transcript in a report, in octets; of longer ones the end is there.
const MAX_TRANSCRIPT: usize = 16 << 10;

/// What is attached to a cell that did not simply pass; the first is the one GitLab shows.
const ATTACHED: [&str; 4] = [artifact::TRANSCRIPT, artifact::CAPTURE, artifact::CISCO_LOG, artifact::DUT_LOG];

/// The run as JUnit XML.
///
/// # Errors
///
/// When the XML cannot be written.
pub fn junit_xml(cells: &[CellReport], project: &Project) -> Result<String, SerializeError> {
    let mut report = Report::new("ike-interop");
    let mut suites: Vec<TestSuite> = Vec::new();
    for cell in cells {
        let name = cell.scenario.rsplit_once('/').map_or("scenarios", |(folder, _)| folder);
        let at = suites.iter().position(|suite| suite.name.as_str() == name).unwrap_or_else(|| {
            suites.push(TestSuite::new(name));
            suites.len() - 1
        });
        let suite = &mut suites[at];
        suite.set_time(suite.time.unwrap_or_default().saturating_add(duration(cell)));
        suite.add_test_case(case(cell, project));
    }
    report.set_time(suites.iter().filter_map(|suite| suite.time).sum());
    report.add_test_suites(suites);
    // The two characters XML does not allow (XML 1.0, 2.2) that quick-junit lets through.
    report.to_string().map(|text| text.replace(['\u{fffe}', '\u{ffff}'], ""))
}

/// How long a cell took, in whole milliseconds, so that the sums are those of the numbers shown.
fn duration(cell: &CellReport) -> Duration {
    Duration::from_millis(u64::try_from(cell.duration.as_millis()).unwrap_or(u64::MAX))
}

fn case(cell: &CellReport, project: &Project) -> TestCase {
    let name = cell.name.strip_prefix(&cell.scenario).unwrap_or(&cell.name).trim_start_matches('/');
    let mut case = TestCase::new(name, status(cell, project));
    // Jenkins takes what stands before the last dot for the package.
    let parts = cell.scenario.split('/').map(|part| part.replace('.', "_"));
    case.set_classname(parts.collect::<Vec<_>>().join("."));
    case.set_time(duration(cell));
    if let Some(story) = cell.story.as_deref() {
        case.extra.insert("file".into(), project.name(Path::new(&story.file)).into());
    }
    for (name, value) in properties(cell) {
        case.add_property((name, value.as_str()));
    }
    case.set_system_out(output(cell, project));
    case
}

fn properties(cell: &CellReport) -> Vec<(&'static str, String)> {
    let mut properties = vec![("implementation", cell.implementation.to_string())];
    if let Some(story) = cell.story.as_deref() {
        properties.push(("version", story.version.clone()));
    }
    properties.push(("release", cell.release.to_string()));
    properties.extend(cell.twin.map(|twin| ("twin", twin.to_string())));
    if let Some(story) = cell.story.as_deref() {
        properties.push(("seed", story.seed.to_string()));
        properties.push(("tags", story.tags.join(",")));
    }
    properties.retain(|(_, value)| !value.is_empty());
    properties
}

fn status(cell: &CellReport, project: &Project) -> TestCaseStatus {
    let reason = cell.reason.as_deref().unwrap_or_default();
    let mut status = match cell.result {
        CellResult::Pass | CellResult::Flaky => TestCaseStatus::success(),
        CellResult::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        CellResult::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        CellResult::Skip | CellResult::Known => TestCaseStatus::skipped(),
    };
    status.set_message(reason).set_type(kind(cell));
    match cell.result {
        CellResult::Fail | CellResult::Error | CellResult::Known => {
            status.set_description(details(cell, project));
        }
        CellResult::Skip => {
            status.set_description(cell.remedy.as_ref().map_or_else(String::new, |remedy| format!("remedy: {remedy}")));
        }
        CellResult::Pass | CellResult::Flaky => {}
    }
    status.add_reruns(cell.earlier.iter().enumerate().map(|(index, attempt)| rerun(index + 1, attempt)));
    status
}

/// What kind of thing it was that did not go as expected, by which viewers group.
fn kind(cell: &CellReport) -> String {
    match (cell.result, cell.verdict.as_ref().and_then(|verdict| verdict.failures.first())) {
        (CellResult::Fail | CellResult::Error, Some(failure)) => failure.what.clone(),
        (CellResult::Known, _) => "known failure".to_owned(),
        (CellResult::Fail, None) if cell.verdict.is_some() => "known failure that passes".to_owned(),
        (CellResult::Error, None) => "the harness".to_owned(),
        (CellResult::Fail | CellResult::Skip, None) => "cannot run here".to_owned(),
        (result, _) => result.word().to_owned(),
    }
}

fn rerun(number: usize, attempt: &Attempt) -> TestRerun {
    let kind = if attempt.broken { NonSuccessKind::Error } else { NonSuccessKind::Failure };
    let mut rerun = TestRerun::new(kind);
    let what = attempt.failures.first().map_or("", String::as_str);
    rerun.set_message(what).set_type(format!("attempt {number}")).set_time(attempt.took);
    rerun.set_description(attempt.failures.join("\n"));
    rerun
}

/// Everything that was not as expected, and what is wrong with the configurations.
pub(super) fn details(cell: &CellReport, project: &Project) -> String {
    let mut text = findings(cell.verdict.iter().flat_map(Verdict::unexpected_findings), project);
    for failure in cell.verdict.iter().flat_map(|verdict| &verdict.failures) {
        let value = |text: &str| text.trim_end().replace('\n', "\n            ");
        let (expected, found) = (value(&failure.expected), value(&failure.found));
        let _ = writeln!(text, "{}\n  expected  {expected}\n  found     {found}", failure.what);
        if let Some((source, range)) = failure.asked.as_ref().filter(|_| !failure.is_transcript()) {
            let (line, column) = source.line_column(range.start);
            let _ = writeln!(text, "  asked in  {}:{line}:{column}", project.name(&source.path));
        }
        if let Some(folder) = &cell.artifacts {
            let _ = writeln!(text, "  look at   {}", project.name(&folder.join(failure.place)));
        }
    }
    text.push_str(cell.difference().unwrap_or_default());
    text.push_str(&findings(cell.verdict.iter().flat_map(Verdict::expected_findings), project));
    text
}

/// What is wrong with the configurations, and where.
fn findings<'a>(findings: impl Iterator<Item = &'a Finding>, project: &Project) -> String {
    let mut text = String::new();
    for finding in findings {
        let _ = writeln!(text, "{}: {}", finding.code, finding.message);
        for mark in &finding.lines {
            let (line, column) = mark.source.line_column(mark.range.start);
            let _ = writeln!(text, "  {}:{line}:{column} {}", project.name(&mark.source.path), mark.label);
        }
    }
    text
}

/// How to run it again, its files and its transcript.
fn output(cell: &CellReport, project: &Project) -> String {
    let mut text = format!("again: {}\n", cell.again());
    let ran = cell.verdict.is_some();
    if let Some(folder) = cell.artifacts.as_deref().filter(|_| ran) {
        let _ = writeln!(text, "evidence: {}", project.name(folder));
        if cell.result != CellResult::Pass {
            for name in ATTACHED {
                let _ = writeln!(text, "[[ATTACHMENT|{}]]", project.name(&folder.join(name)));
            }
        }
    }
    let transcript = cell.story.as_deref().map_or("", |story| story.transcript.trim_end());
    if !transcript.is_empty() {
        let _ = write!(text, "\n{}\n", end_of(transcript, MAX_TRANSCRIPT));
    }
    text
}

/// The last whole lines of a text that are not longer than `most` octets together; what is left out is told.
fn end_of(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut from = text.len() - most;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let from = text[from..].find('\n').map_or(from, |end| from + end + 1);
    format!("... {from} octets before\n{}", &text[from..])
}
