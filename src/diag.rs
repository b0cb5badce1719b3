//! User-facing diagnostics: what was expected, what was found and where, in rustc's look.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

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
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
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
            let end = span.end.min(source.text.len());
            let start = span.start.min(end);
            group = group.element(
                Snippet::source(&*source.text)
                    .path(path.as_str())
                    .annotation(AnnotationKind::Primary.span(start..end).label(self.label.as_str())),
            );
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group]).to_string()
    }
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
}
