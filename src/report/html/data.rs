//! What the cells tell, as the page's script reads it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::story::{Config, Story};
use super::timeline::{Anchor, Fate, Kind, Message, Row, Said};
use crate::evidence::artifacts::letter;
use crate::report::CellReport;

/// All of it. Every text of a cell is a number in `texts`.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    cells: Vec<Value>,
    texts: Vec<String>,
}

/// The texts, each once.
#[derive(Default)]
struct Texts {
    numbers: HashMap<String, usize>,
    texts: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        self.numbers.insert(text.to_owned(), self.texts.len());
        self.texts.push(text.to_owned());
        self.texts.len() - 1
    }
}

impl Data {
    pub(super) fn of(cells: &[CellReport], out: &Path) -> Self {
        let mut texts = Texts::default();
        let cells = cells.iter().map(|cell| of_cell(cell, out, &mut texts)).collect();
        Self { cells, texts: texts.texts }
    }

    pub(super) fn to_json(&self) -> String {
        // Strings, numbers and lists of them: there is nothing in it that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn of_cell(cell: &CellReport, out: &Path, texts: &mut Texts) -> Value {
    let failures = cell.verdict.iter().flat_map(|verdict| &verdict.failures);
    let failures: Vec<Value> = failures
        .map(|failure| {
            let asked = failure.asked.as_ref().filter(|_| !failure.is_transcript()).map(|(source, range)| {
                let (line, column) = source.line_column(range.start);
                format!("{}:{line}:{column}", source.path.display())
            });
            let (found, transcript) = (texts.number(&failure.found), failure.is_transcript());
            json!([failure.what, failure.expected, found, failure.place, asked, transcript])
        })
        .collect();
    let changes = cell.verdict.iter().flat_map(|verdict| &verdict.changes);
    let findings = cell.verdict.iter().flat_map(|verdict| &verdict.findings);
    let findings: Vec<Value> = findings
        .map(|finding| {
            let lines = finding.lines.iter().map(|mark| {
                let (line, _) = mark.source.line_column(mark.range.start);
                let text = mark.source.text.lines().nth(line - 1).unwrap_or_default().trim();
                json!([mark.source.path.display().to_string(), line, text, mark.label])
            });
            json!({ "code": finding.code.word(), "message": finding.message, "lines": lines.collect::<Vec<_>>() })
        })
        .collect();
    let mut value = json!({
        "name": cell.name,
        "scenario": cell.scenario,
        "implementation": cell.implementation.word(),
        "release": cell.release.word(),
        "twin": cell.twin.map(|twin| twin.word()),
        "result": cell.result.word(),
        "reason": cell.reason,
        "remedy": cell.remedy,
        "seconds": (cell.duration.as_secs_f64() * 1000.0).round() / 1000.0,
        "again": cell.again(),
        "folder": cell.artifacts_below(out).map(|folder| folder.to_string_lossy()),
        "failures": failures,
        "findings": findings,
        "changes": changes.map(|change| json!([change.weight.word(), change.place, change.what])).collect::<Vec<_>>(),
    });
    if let (Some(story), Some(fields)) = (cell.story.as_deref(), value.as_object_mut())
        && let Value::Object(more) = of_story(story, texts)
    {
        fields.extend(more);
    }
    value
}

fn of_story(story: &Story, texts: &mut Texts) -> Value {
    let configs: Vec<Value> = story.configs.iter().map(|config| of_config(config, texts)).collect();
    let rows: Vec<Value> = story.timeline.rows.iter().map(|row| of_row(row, texts)).collect();
    json!({
        "title": texts.number(&story.title),
        "about": texts.number(&story.about),
        "references": story.references,
        "tags": story.tags,
        "file": texts.number(&story.file),
        "version": texts.number(&story.version),
        // A number of 64 bits is more than a script can hold.
        "seed": story.seed.to_string(),
        "attempt": story.attempt,
        "began": story.began,
        "configs": configs,
        "rows": rows,
        "more": [story.timeline.more_messages, story.timeline.more_dut, story.timeline.more_cisco],
        "transcript": texts.number(&story.transcript),
        "difference": story.difference.as_ref().map(|text| texts.number(text)),
    })
}

fn of_config(config: &Config, texts: &mut Texts) -> Value {
    json!([config.cisco, texts.number(&config.name), texts.number(&config.text), config.marks])
}

/// `[milliseconds, anchor, implementation's lines, router's lines, notes]`.
fn of_row(row: &Row, texts: &mut Texts) -> Value {
    let anchor = match &row.anchor {
        None => Value::Null,
        Some(Anchor::Message(message)) => of_message(message, texts),
        Some(Anchor::Step(text)) => json!(["step", texts.number(text)]),
        Some(Anchor::Show(command)) => json!(["show", texts.number(command)]),
    };
    let mut said = |lines: &[Said]| lines.iter().map(|said| of_said(said, row.at, texts)).collect::<Vec<Value>>();
    json!([millis(row.at), anchor, said(&row.dut), said(&row.cisco), said(&row.notes)])
}

/// `[text, milliseconds since the row began, mark]`, without what is nothing at the end.
fn of_said(said: &Said, since: Duration, texts: &mut Texts) -> Value {
    let mut fields = vec![json!(texts.number(&said.text))];
    let after = (millis(said.at) - millis(since)).round();
    let mark = said.mark.map(letter).filter(|letter| *letter != ' ');
    if after != 0.0 || mark.is_some() {
        fields.push(json!(after as i64));
    }
    fields.extend(mark.map(|mark| json!(mark)));
    Value::Array(fields)
}

/// `["message", by the implementation, name, kind, fate, milliseconds on its way, sent again, payloads]`.
fn of_message(message: &Message, texts: &mut Texts) -> Value {
    let kind = match message.kind {
        Kind::Ike => "ike",
        Kind::Encrypted => "encrypted",
        Kind::Esp => "esp",
        Kind::Clear => "clear",
    };
    let fate = match message.fate {
        Fate::Arrived => json!("arrived"),
        Fate::Lost => json!("lost"),
        Fate::Changed => json!("changed"),
        Fate::Repeated(times) => json!(times),
    };
    json!([
        "message",
        message.by_dut,
        texts.number(&message.name),
        kind,
        fate,
        message.took.map(millis),
        message.again,
        texts.number(&message.payloads),
    ])
}

/// Milliseconds with one digit behind the point.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
