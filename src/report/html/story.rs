//! A cell as its page tells it: bounded, whatever its log holds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use super::timeline::{Timeline, timeline};
use crate::diag::Source;
use crate::evidence::frames::{frames, transcript_of_frames};
use crate::evidence::log::EventLog;
use crate::evidence::snapshot;
use crate::scenario::{Cell, Scenario};
use crate::verdict::Verdict;

/// The longest text of a page that is not a log, in octets: configurations, transcripts.
const MAX_TEXT: usize = 60_000;

/// What a page tells of one cell beside its result.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// The scenario's title.
    pub title: String,
    /// What it is about.
    pub about: String,
    /// Where that is specified.
    pub references: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// The scenario's file.
    pub file: String,
    /// The implementation's version; empty when it was not there.
    pub version: String,
    /// The seed of the run.
    pub seed: u64,
    /// The file that declares implementations, where the run was given one.
    pub config: Option<PathBuf>,
    /// Which attempt this was.
    pub attempt: usize,
    /// When it began, in milliseconds since the epoch.
    pub began: u64,
    /// The configurations, the router's first, then the scenario, then the implementation's.
    pub configs: Vec<Config>,
    /// What happened.
    pub timeline: Timeline,
    /// The negotiation as text.
    pub transcript: String,
    /// From the reviewed transcript to this one, when they differ.
    pub difference: Option<String>,
}

/// A configuration with the lines that disagree marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether it is the router's.
    pub cisco: bool,
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Lines from 1, and what is to say of them.
    pub marks: Vec<(usize, String)>,
}

impl Story {
    /// The story of a cell that was judged so; of one that could not run when there is no verdict.
    pub fn new(cell: &Cell, log: &EventLog, verdict: Option<&Verdict>) -> Self {
        let (scenario, header) = (&*cell.scenario, &log.header);
        let mut story = Self {
            title: scenario.title.clone(),
            about: scenario.about.trim().to_owned(),
            references: scenario.references.clone(),
            tags: scenario.tags.clone(),
            file: scenario.source.path.display().to_string(),
            version: header.implementation.1.clone(),
            seed: header.seed,
            config: header.config.clone(),
            attempt: header.attempt(),
            began: header.epoch / 1_000_000,
            configs: configs(scenario, &header.configs, verdict),
            ..Self::default()
        };
        if verdict.is_some() {
            let frames = frames(log);
            let transcript = transcript_of_frames(log, &frames);
            let reviewed = header.reviewed.as_ref();
            let differs = reviewed.filter(|reviewed| reviewed.transcript().trim_end() != transcript.trim_end());
            story.difference = differs.map(|reviewed| bounded(snapshot::diff(reviewed.transcript(), &transcript)));
            story.transcript = bounded(transcript);
            story.timeline = timeline(cell, log, &frames);
        }
        story
    }
}

fn configs(scenario: &Scenario, files: &BTreeMap<String, String>, verdict: Option<&Verdict>) -> Vec<Config> {
    let config = |cisco, source: &Source| Config {
        cisco,
        name: source.path.display().to_string(),
        text: bounded(source.text.to_string()),
        marks: marks(source, verdict),
    };
    let mut configs = vec![config(true, &scenario.router.config), config(false, &scenario.source)];
    let ours = files.iter().filter(|(name, _)| !name.starts_with("cisco/"));
    configs.extend(ours.map(|(name, text)| Config {
        cisco: false,
        name: name.clone(),
        text: bounded(text.clone()),
        marks: Vec::new(),
    }));
    configs
}

/// The lines of a text that the findings name.
fn marks(source: &Source, verdict: Option<&Verdict>) -> Vec<(usize, String)> {
    let lines = |range: &Range<usize>| {
        let last = range.end.saturating_sub(1).max(range.start);
        source.line_column(range.start).0..=source.line_column(last).0
    };
    let mut marks = Vec::new();
    for finding in verdict.iter().flat_map(|verdict| &verdict.findings) {
        for line in finding.lines.iter().filter(|line| line.source == *source) {
            for (nth, number) in lines(&line.range).enumerate() {
                let label = if nth == 0 { format!("{}: {}", finding.code, line.label) } else { String::new() };
                marks.push((number, label));
            }
        }
    }
    marks.sort();
    marks
}

/// A text that is not too long for a page; what is left out is told.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let left_out = text.len() - MAX_TEXT;
        let mut end = MAX_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(&format!("\n... and {left_out} octets more\n"));
    }
    text
}
