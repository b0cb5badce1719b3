//! The run as Markdown of a bounded size, as the summary of a GitHub job shows it: a matrix of all cells, and what failed.

use std::fmt::Write;

use super::junit::details;
use super::project::Project;
use super::{CellReport, CellResult, Summary};

/// The longest details of one cell, in octets.
const MAX_DETAILS: usize = 20_000;

/// Names of cells in one line.
const NAMES: usize = 3;

/// What two signs in one place mean.
const TWINS: &str = " Two signs are a scenario as it is written, and with its fix.";

/// Room for the sentence that something was left out.
const RESERVE: usize = 200;

/// The run in at most `most` octets.
pub(super) fn markdown(cells: &[CellReport], project: &Project, most: usize) -> String {
    if most < RESERVE {
        return String::new();
    }
    let counts = Summary::of(cells.iter().map(|cell| cell.result));
    let mut out = Bounded { text: String::new(), most: most - RESERVE, left_out: 0 };
    out.add(&format!("## ike-interop: {}\n\n", counts.line()));
    matrices(cells, &mut out);
    failures(cells, project, &mut out);
    others(cells, &mut out);
    out.finish()
}

/// A text that takes no section by which it would become too long.
struct Bounded {
    text: String,
    most: usize,
    left_out: usize,
}

impl Bounded {
    fn add(&mut self, section: &str) {
        match self.text.len() + section.len() <= self.most {
            true => self.text.push_str(section),
            false => self.left_out += 1,
        }
    }

    fn finish(mut self) -> String {
        if self.left_out > 0 {
            let sentence = "of this summary are left out, for GitHub takes no longer one; report.html has them";
            let _ = writeln!(self.text, "\n{} parts {sentence}.", self.left_out);
        }
        self.text
    }
}

/// A table for each folder of scenarios, with its own columns of implementations and releases.
fn matrices(cells: &[CellReport], out: &mut Bounded) {
    let mut folders: Vec<(&str, Vec<&CellReport>)> = Vec::new();
    for cell in cells {
        let folder = cell.scenario.rsplit_once('/').map_or("", |(folder, _)| folder);
        match folders.iter_mut().find(|(name, _)| *name == folder) {
            Some((_, cells)) => cells.push(cell),
            None => folders.push((folder, vec![cell])),
        }
    }
    for (folder, cells) in folders {
        out.add(&matrix(folder, &cells));
    }
    let seen = CellResult::ALL.into_iter().filter(|result| cells.iter().any(|cell| cell.result == *result));
    let legend: Vec<String> = seen.map(|result| format!("{} {}", symbol(result), result.word())).collect();
    let twins = if cells.iter().any(|cell| cell.twin.is_some()) { TWINS } else { "" };
    out.add(&format!("{}.{twins}\n\n", legend.join(", ")));
}

fn matrix(folder: &str, cells: &[&CellReport]) -> String {
    let mut columns: Vec<(String, String)> = Vec::new();
    let mut sorted: Vec<&&CellReport> = cells.iter().collect();
    let first = |cell: &CellReport| cells.iter().position(|other| other.implementation == cell.implementation);
    sorted.sort_by_key(|cell| (first(cell), cell.release));
    for cell in sorted {
        let column = (cell.implementation.to_string(), cell.release.to_string());
        if columns.last() != Some(&column) {
            columns.push(column);
        }
    }
    let mut text = format!("| {} |", if folder.is_empty() { "scenario" } else { folder });
    for (implementation, release) in &columns {
        let _ = write!(text, " {}<br>{} |", escaped(implementation), escaped(release));
    }
    let _ = writeln!(text, "\n| --- |{}", " :-: |".repeat(columns.len()));
    let mut scenarios: Vec<&str> = cells.iter().map(|cell| cell.scenario.as_str()).collect();
    scenarios.dedup();
    for scenario in scenarios {
        let _ = write!(text, "| {} |", escaped(scenario.rsplit_once('/').map_or(scenario, |(_, name)| name)));
        for (implementation, release) in &columns {
            let here = cells.iter().filter(|cell| {
                cell.scenario == scenario
                    && cell.implementation.word() == implementation
                    && cell.release.word() == release
            });
            let symbols: Vec<&str> = here.map(|cell| symbol(cell.result)).collect();
            let _ = write!(text, " {} |", symbols.join(" "));
        }
        text.push('\n');
    }
    text.push('\n');
    text
}

/// What failed, folded up.
fn failures(cells: &[CellReport], project: &Project, out: &mut Bounded) {
    let failed: Vec<_> = cells.iter().filter(|cell| cell.result.fails_the_run()).collect();
    if failed.is_empty() {
        return;
    }
    out.add("### Not as expected\n\n");
    for cell in failed {
        let mut text = details(cell, project);
        if text.is_empty() {
            text = format!("{}\n", cell.reason.as_deref().unwrap_or_default());
        }
        if text.len() > MAX_DETAILS {
            let mut end = MAX_DETAILS;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push_str("\n...\n");
        }
        if let Some(folder) = &cell.artifacts {
            let _ = writeln!(text, "evidence: {}", project.name(folder));
        }
        let _ = writeln!(text, "again: {}", cell.again());
        let reason = cell.reason.as_deref().unwrap_or_default();
        out.add(&format!(
            "<details><summary>{} <code>{}</code>: {}</summary>\n\n<pre>\n{}</pre>\n\n</details>\n\n",
            symbol(cell.result),
            escaped(&cell.name),
            escaped(reason),
            escaped(&text),
        ));
    }
}

/// What did not fail the run and deserves a word, by what there is to say.
fn others(cells: &[CellReport], out: &mut Bounded) {
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for cell in cells {
        let Some(words) = remark(cell) else { continue };
        match groups.iter_mut().find(|(known, _)| *known == words) {
            Some((_, names)) => names.push(&cell.name),
            None => groups.push((words, vec![&cell.name])),
        }
    }
    if groups.is_empty() {
        return;
    }
    out.add("### Worth a look\n\n");
    for (words, names) in groups {
        let some = names.iter().take(NAMES).map(|name| format!("<code>{}</code>", escaped(name)));
        let some = some.collect::<Vec<_>>().join(", ");
        let more = match names.len().saturating_sub(NAMES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        out.add(&format!("- {}: {some}{more}\n", escaped(&words)));
    }
}

fn remark(cell: &CellReport) -> Option<String> {
    let reason = cell.reason.as_deref().unwrap_or_default();
    let words = match cell.result {
        CellResult::Fail | CellResult::Error => return None,
        CellResult::Pass => {
            let changes = cell.verdict.iter().flat_map(|verdict| &verdict.changes);
            let changes: Vec<String> = changes.map(ToString::to_string).collect();
            if changes.is_empty() {
                return None;
            }
            format!("another transcript than the reviewed one, {}", changes.join("; "))
        }
        CellResult::Skip => match &cell.remedy {
            Some(remedy) => format!("skipped, {reason} (remedy: {remedy})"),
            None => format!("skipped, {reason}"),
        },
        CellResult::Known => format!("known to fail, {reason}"),
        CellResult::Flaky => {
            let first = cell.earlier.first().and_then(|attempt| attempt.failures.first());
            format!("flaky, {reason}, before that {}", first.map_or("it failed", String::as_str))
        }
    };
    Some(format!("{} {words}", symbol(cell.result)))
}

fn symbol(result: CellResult) -> &'static str {
    match result {
        CellResult::Pass => "✅",
        CellResult::Fail => "❌",
        CellResult::Skip => "➖",
        CellResult::Known => "🟡",
        CellResult::Flaky => "🔁",
        CellResult::Error => "💥",
    }
}

/// Text that is no markup, neither HTML nor Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '~' | '\\' => {
                let _ = write!(out, "&#{};", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out
}
