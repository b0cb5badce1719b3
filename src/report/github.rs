//! A run inside a job of GitHub Actions: annotations at the lines of scenarios that ask for what failed, and the job's summary.
//!
//! Annotations are workflow commands on standard output. GitHub shows ten of each kind for a step, so what fails in the same way
//! with several releases is one annotation, and the last says how many more there are.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::project::Project;
use super::{CellReport, CellResult, summary};

/// Annotations of one kind that GitHub shows of a step.
const SHOWN: usize = 10;

/// The longest expected or found value of an annotation, in characters.
const MAX_VALUE: usize = 1000;

/// What a job's step may write to its summary, in octets; GitHub shows none of it when it is more.
const MAX_SUMMARY: usize = 1 << 20;

/// A job of GitHub Actions.
#[derive(Clone, Debug)]
pub struct Github {
    summary: Option<PathBuf>,
}

impl Github {
    /// The job this process is in, if it is in one.
    pub fn of_environment() -> Option<Self> {
        let is_job = env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let summary = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty());
        is_job.then(|| Self { summary: summary.map(PathBuf::from) })
    }

    /// Adds the run to the job's summary.
    ///
    /// # Errors
    ///
    /// When the summary cannot be written.
    pub fn summarize(&self, cells: &[CellReport], project: &Project) -> io::Result<()> {
        let Some(path) = &self.summary else { return Ok(()) };
        // What other commands of the step have written counts too.
        let written = fs::metadata(path).map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX));
        let text = summary::markdown(cells, project, MAX_SUMMARY.saturating_sub(written));
        OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
    }
}

/// An annotation of several cells.
struct Annotation<'a> {
    kind: &'static str,
    title: String,
    place: Option<(String, usize, usize)>,
    message: String,
    cells: Vec<&'a CellReport>,
}

/// The annotations of a run: errors for what fails it, warnings for what does not but deserves a look, and a notice of what was
/// skipped.
pub fn annotations(cells: &[CellReport], project: &Project) -> String {
    let mut list: Vec<Annotation<'_>> = Vec::new();
    for cell in cells {
        let Some(annotation) = error(cell, project).or_else(|| warning(cell, project)) else { continue };
        let alike = list.iter_mut().find(|known| {
            (known.kind, &known.title, &known.place, &known.message)
                == (annotation.kind, &annotation.title, &annotation.place, &annotation.message)
        });
        match alike {
            Some(known) => known.cells.push(cell),
            None => list.push(annotation),
        }
    }
    let mut text = String::new();
    for kind in ["error", "warning"] {
        let of_kind: Vec<_> = list.iter().filter(|annotation| annotation.kind == kind).collect();
        let shown = if of_kind.len() > SHOWN { SHOWN - 1 } else { of_kind.len() };
        of_kind[..shown].iter().for_each(|annotation| text.push_str(&annotation.command()));
        if of_kind.len() > shown {
            let message = format!("{} more are in the summary of the job and in its log", of_kind.len() - shown);
            text.push_str(&command(kind, &[], &message));
        }
    }
    text.push_str(&skipped(cells));
    text
}

fn error<'a>(cell: &'a CellReport, project: &Project) -> Option<Annotation<'a>> {
    if !cell.result.fails_the_run() {
        return None;
    }
    let failure = cell.verdict.as_ref().and_then(|verdict| verdict.failures.first());
    let (title, place, message) = match failure {
        Some(failure) => {
            let place = failure.asked.as_ref().map(|(source, range)| {
                let (line, column) = source.line_column(range.start);
                (project.name(&source.path), line, column)
            });
            let why = cell.verdict.as_ref().is_some_and(|verdict| !verdict.unexpected_findings().is_empty());
            let why = if why { format!("{}\n", cut(&cell.cause())) } else { String::new() };
            let message = format!("{why}expected {}\nfound {}", cut(&failure.expected), cut(&failure.found));
            (format!("{}: {}", cell.scenario, failure.what), place, message)
        }
        None => (cell.scenario.clone(), top_of_scenario(cell, project), cell.reason.clone().unwrap_or_default()),
    };
    Some(Annotation { kind: "error", title, place, message, cells: vec![cell] })
}

fn warning<'a>(cell: &'a CellReport, project: &Project) -> Option<Annotation<'a>> {
    if cell.result == CellResult::Flaky {
        let first = cell.earlier.first().and_then(|attempt| attempt.failures.first());
        let message = format!("attempt 1: {}", first.map_or("it failed", String::as_str));
        let (title, place) = (format!("{}: flaky", cell.scenario), top_of_scenario(cell, project));
        return Some(Annotation { kind: "warning", title, place, message: cut(&message), cells: vec![cell] });
    }
    let verdict = cell.verdict.as_ref().filter(|verdict| !verdict.changes.is_empty())?;
    let title = format!("{}: another transcript than the reviewed one", cell.scenario);
    let message: Vec<String> = verdict.changes.iter().map(ToString::to_string).collect();
    let place = cell.reviewed.as_ref().map(|(file, line)| (project.name(file), *line, 1));
    Some(Annotation { kind: "warning", title, place, message: cut(&message.join("\n")), cells: vec![cell] })
}

/// What was skipped, by reason.
fn skipped(cells: &[CellReport]) -> String {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let skipped: Vec<_> = cells.iter().filter(|cell| cell.result == CellResult::Skip).collect();
    if skipped.is_empty() {
        return String::new();
    }
    for cell in &skipped {
        let remedy = cell.remedy.as_ref().map_or_else(String::new, |remedy| format!(" (remedy: {remedy})"));
        *reasons.entry(format!("{}{remedy}", cell.reason.as_deref().unwrap_or_default())).or_default() += 1;
    }
    let lines: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count}: {reason}")).collect();
    let title = format!("{} of {} cells were skipped", skipped.len(), cells.len());
    command("notice", &[("title", title)], &lines.join("\n"))
}

fn top_of_scenario(cell: &CellReport, project: &Project) -> Option<(String, usize, usize)> {
    cell.story.as_deref().map(|story| (project.name(Path::new(&story.file)), 1, 1))
}

impl Annotation<'_> {
    fn command(&self) -> String {
        let mut properties = Vec::new();
        if let Some((file, line, column)) = &self.place {
            properties.extend([("file", file.clone()), ("line", line.to_string()), ("col", column.to_string())]);
        }
        let count = self.cells.len();
        let of = if count == 1 { String::new() } else { format!(" ({count} cells)") };
        properties.push(("title", format!("{}{of}", self.title)));
        let names: Vec<&str> = self.cells.iter().map(|cell| cell.name.as_str()).collect();
        let again = self.cells.first().map_or_else(String::new, |cell| cell.again());
        let message = format!("{}\nin {}\nagain: {again}", self.message, names.join(", "));
        command(self.kind, &properties, &message)
    }
}

/// A workflow command, as the toolkit of GitHub writes it (actions/toolkit, packages/core/src/command.ts).
fn command(name: &str, properties: &[(&str, String)], message: &str) -> String {
    let message = message.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let value = |text: &str| {
        let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        text.replace(':', "%3A").replace(',', "%2C")
    };
    let properties: Vec<String> = properties.iter().map(|(name, text)| format!("{name}={}", value(text))).collect();
    let space = if properties.is_empty() { "" } else { " " };
    format!("::{name}{space}{}::{message}\n", properties.join(","))
}

/// Lines of a log in which no line is a workflow command, whatever a router or an implementation has said: GitHub looks for
/// them behind blanks too.
pub(super) fn defused(text: &str) -> String {
    let is_command = |line: &str| {
        let words = line.trim_start();
        words.starts_with("::") || words.starts_with("##[")
    };
    text.split_inclusive(['\n', '\r'])
        .map(|line| if is_command(line) { format!("\\{line}") } else { line.to_owned() })
        .collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}
