//! What router and implementation say: their logs and the answers to `show`.

use super::facts::Until;
use super::{Failure, artifact};
use crate::scenario::expect::{CiscoExpect, LogPattern, LogPatterns};

/// The router's log and `show` answers.
pub(super) fn cisco(expect: &CiscoExpect, until: Until<'_>, failures: &mut Vec<Failure>) {
    let what = "the router's log";
    for (index, pattern) in missing(&expect.log, || until.console()) {
        let found = nearest(pattern, until.console());
        let failure = Failure::new(what, format!("a line with `{pattern}`"), found, artifact::CISCO_LOG);
        failures.push(failure.asked_by(index).asked_by("log"));
    }
    for (index, pattern) in expect.log_absent.iter().enumerate() {
        if let Some(line) = until.console().find(|line| pattern.matches(line)) {
            let failure = Failure::new(what, format!("no line with `{pattern}`"), line, artifact::CISCO_LOG);
            failures.push(failure.asked_by(index).asked_by("log_absent"));
        }
    }
    for (command, patterns) in &expect.show {
        let what = format!("`{command}`");
        let asked = |failure: Failure| failure.asked_by(command).asked_by("show");
        let Some(answer) = until.show(command) else {
            let failure = Failure::new(what, "an answer", "the command was never typed", artifact::CISCO_LOG);
            failures.push(asked(failure));
            continue;
        };
        for (index, pattern) in missing(&patterns.0, || answer.lines()) {
            let found = if answer.trim().is_empty() { "an empty answer".to_owned() } else { answer.to_owned() };
            let failure = Failure::new(&what, format!("a line with `{pattern}`"), found, artifact::CISCO_LOG);
            failures.push(asked(failure.asked_by(index)));
        }
    }
}

/// The implementation's log.
pub(super) fn dut(expect: Option<&LogPatterns>, until: Until<'_>, failures: &mut Vec<Failure>) {
    for (index, pattern) in missing(expect.map_or(&[][..], |patterns| &patterns.0), || until.dut_log()) {
        let found = nearest(pattern, until.dut_log());
        let what = "the implementation's log";
        let failure = Failure::new(what, format!("a line with `{pattern}`"), found, artifact::DUT_LOG);
        failures.push(failure.asked_by(index));
    }
}

/// The patterns that no line matches, each with its place among them.
fn missing<'p, 'l, I: Iterator<Item = &'l str>>(
    patterns: &'p [LogPattern],
    lines: impl Fn() -> I,
) -> impl Iterator<Item = (usize, &'p LogPattern)> {
    patterns.iter().enumerate().filter(move |(_, pattern)| !lines().any(|line| pattern.matches(line)))
}

/// The line that has most words of the pattern: it often says what has changed.
fn nearest<'l>(pattern: &LogPattern, lines: impl Iterator<Item = &'l str>) -> String {
    let words: Vec<&str> = pattern.text().split([' ', '*']).filter(|word| word.len() > 2).collect();
    let shared = |line: &str| words.iter().filter(|word| line.contains(**word)).count();
    let mut count = 0;
    let mut best: Option<(usize, &str)> = None;
    for line in lines {
        count += 1;
        let score = shared(line);
        if score > best.map_or(0, |(most, _)| most) {
            best = Some((score, line));
        }
    }
    match best {
        Some((score, line)) if score * 2 >= words.len() => format!("none of {count} lines; nearest: `{line}`"),
        _ => format!("none of {count} lines"),
    }
}
