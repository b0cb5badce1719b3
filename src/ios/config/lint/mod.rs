//! Doubts about a configuration as a whole: what refers to nothing, what is hidden, what takes the traffic before the
//! crypto map sees it.
//!
//! Every finding is a warning at the words it is about: IOS takes all of these configurations, mostly without a word, and
//! the tunnel then does not come up.

mod crypto;
mod path;
mod traffic;

use super::model::RunningConfig;
use super::span::Span;
use crate::diag::{Diagnostic, Severity, Source};

/// The findings under construction.
struct Lint<'config> {
    config: &'config RunningConfig,
    found: Vec<Diagnostic>,
}

impl Lint<'_> {
    fn warn(&mut self, span: Span, title: impl Into<String>, label: impl Into<String>) -> &mut Diagnostic {
        self.say(Severity::Warning, span, title, label)
    }

    fn note(&mut self, span: Span, title: impl Into<String>, label: impl Into<String>) {
        self.say(Severity::Note, span, title, label);
    }

    fn say(
        &mut self,
        severity: Severity,
        span: Span,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        let diagnostic = match self.config.place(span) {
            Some((source, range)) => Diagnostic::error(&source, range, title, label),
            None => Diagnostic::plain(title),
        };
        self.found.push(diagnostic.with_severity(severity));
        let last = self.found.len() - 1;
        &mut self.found[last]
    }
}

impl RunningConfig {
    /// What in this configuration will probably not do what its author wanted, in the order of the text.
    pub fn lint(&self) -> Vec<Diagnostic> {
        let mut lint = Lint { config: self, found: Vec::new() };
        lint.crypto();
        lint.traffic();
        let place = |diagnostic: &Diagnostic| diagnostic.place.as_ref().map(|(_, range)| range.start);
        lint.found.sort_by_key(place);
        lint.found
    }
}

/// The configuration, and everything there is to say about its text: lines refused, ignored and without effect, then doubts
/// about the whole.
pub fn check_config(source: &Source) -> (RunningConfig, Vec<Diagnostic>) {
    let (config, mut diagnostics) = RunningConfig::parse(source);
    diagnostics.extend(config.lint());
    (config, diagnostics)
}
