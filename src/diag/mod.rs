//! User-facing diagnostics: what was expected, what was found and where, in rustc's look.

mod reading;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

pub use reading::Unreadable;

/// A text a user wrote, with the name to show for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it, or a name such as `scenario.yaml (cisco.config)` for text inside another file.
    pub path: PathBuf,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// A source named `path` that holds `text`.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// One-based line and column (in characters) of the byte `offset`; the end of the text when it lies beyond.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..boundary(&self.text, offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The input cannot be used.
    Error,
    /// The input can be used, but part of it has no effect or is doubtful.
    Warning,
    /// Worth knowing.
    Note,
}

/// One finding about a user's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: String,
    /// Where: the source and the byte range in it; `None` when there is no text to point at.
    pub place: Option<(Source, Range<usize>)>,
    /// What was expected, shown under the marked text.
    pub label: String,
    /// What to do next.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error at `span` of `source`.
    pub fn error(source: &Source, span: Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            title: title.into(),
            place: Some((source.clone(), span)),
            label: label.into(),
            help: None,
        }
    }

    /// An error that has no place in a text.
    pub fn plain(title: impl Into<String>) -> Self {
        Self { severity: Severity::Error, title: title.into(), place: None, label: String::new(), help: None }
    }

    /// The same diagnostic with another severity.
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The same diagnostic with a word on what to do next.
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The diagnostic as text with the marked line; with terminal colours when `colour`.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut group = annotate_snippets::Group::with_title(level.primary_title(self.title.as_str()));
        let path;
        if let Some((source, span)) = &self.place {
            path = source.path.display().to_string();
            let (lines, number, span) = lines_of(&source.text, span);
            group = group.element(
                Snippet::source(lines)
                    .line_start(number)
                    .path(path.as_str())
                    .annotation(AnnotationKind::Primary.span(span).label(self.label.as_str())),
            );
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group]).to_string()
    }
}

/// The whole lines that a span lies in, the number of the first, and the span within them, on the bounds of characters. The
/// text may be long and what is told of it much: only these are looked at closely.
fn lines_of<'a>(text: &'a str, span: &Range<usize>) -> (&'a str, usize, Range<usize>) {
    let start = boundary(text, span.start.min(span.end));
    let end = (span.end..text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
    let first = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let last = text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1);
    let number = text.as_bytes()[..first].iter().filter(|octet| **octet == b'\n').count() + 1;
    (&text[first..last], number, start - first..end - first)
}

/// The start of the character that the byte `offset` is in; the end of the text when it lies beyond.
fn boundary(text: &str, offset: usize) -> usize {
    (0..=offset.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_line_and_column() {
        let source = Source::new("hub.ios", "hostname R1\ncrypto isakmp policy 10\n group 33\n");
        let start = source.text.find("33").unwrap();
        assert_eq!(source.line_column(start), (3, 8));
        let text = Diagnostic::error(&source, start..start + 2, "% Invalid input detected", "expected <1-24>")
            .with_help("in mode config-isakmp")
            .to_string();
        assert!(text.contains("hub.ios:3:8"), "{text}");
        assert!(text.contains("expected <1-24>"), "{text}");
        assert!(text.contains("in mode config-isakmp"), "{text}");
    }

    #[test]
    fn a_span_may_lie_anywhere() {
        let source = Source::new("x", "einß\nzwei öß\n\ndrei");
        for start in 0..30 {
            for end in start..30 {
                let text = Diagnostic::error(&source, start..end, "here", "this").to_string();
                let (line, _) = source.line_column(start);
                assert!(text.contains(&format!("x:{line}:")), "{start}..{end}: {text}");
            }
        }
        assert_eq!(
            Diagnostic::error(&source, 12..13, "here", "this").to_string(),
            "error: here\n --> x:2:6\n  |\n2 | zwei öß\n  |      ^ this"
        );
    }

    #[test]
    fn a_long_text_is_told_of_quickly() {
        let source = Source::new("x", "unknown line\n".repeat(100_000));
        let started = std::time::Instant::now();
        for line in 0..1000 {
            let start = line * 13;
            let text = Diagnostic::error(&source, start..start + 7, "unknown", "").to_string();
            assert!(text.contains(&format!("x:{}:1", line + 1)));
        }
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
    }
}
