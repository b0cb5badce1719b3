//! Reads configuration text line by line: which mode a line is in, what it does, what is to be said about it.
//!
//! The mode stack decides what a line means, as on the router; indentation is only asked where a line's mode has commands
//! this table does not know. A line that fits nothing in its sub-mode is tried in global configuration mode, which
//! leaves the sub-mode. \[R\]

mod block;
mod outcome;
mod pasted;

use std::collections::BTreeSet;

use super::commands::{self, Args, Command, Edit, Mode, OPEN_FAMILIES, Run, Subject};
use super::grammar::{self, Fit, Mismatch, Pattern};
use super::lexer::{Line, lines};
use super::model::RunningConfig;
use super::span::Span;
use crate::diag::{Diagnostic, Severity, Source};
use block::Block;
pub use outcome::{Outcome, ReadLine, Reading};
use pasted::{is_preamble, without_prompt};

/// The longest command line taken, in bytes. IOS itself takes 254 characters at the console. \[R\]
const LONGEST: usize = 4096;

/// A level of the mode stack.
#[derive(Clone, Copy, Debug)]
struct Frame {
    mode: Mode,
    subject: Subject,
    /// The indentation of the line that opened it.
    indent: usize,
    /// Which diagnostic tells of the unmodelled block, for [`Mode::Other`].
    note: Option<usize>,
    /// Whether the line that opened it was unknown, so that only indentation says what belongs to it.
    guessed: bool,
}

pub(super) struct Reader<'config> {
    config: &'config mut RunningConfig,
    source: Source,
    number: usize,
    stack: Vec<Frame>,
    block: Option<Block>,
    /// Nothing but comments and EXEC commands so far.
    fresh: bool,
    /// The diagnostic that tells of lines after `end`.
    after_end: Option<usize>,
    /// The reasons for which lines were ignored so far; only the first of each is a warning.
    told: BTreeSet<&'static str>,
    /// What the last line's command says although it takes the line.
    reply: &'static str,
    reading: Reading,
}

/// A command that fits a line, and the mode whose command it is.
struct Found {
    command: &'static Command,
    fit: Fit,
}

impl<'config> Reader<'config> {
    /// Reads `source` into `config`, from global configuration mode on.
    pub(super) fn read(config: &'config mut RunningConfig, source: &Source) -> Reading {
        let number = config.sources.add(source.clone());
        let global = Frame { mode: Mode::Global, subject: Subject::None, indent: 0, note: None, guessed: false };
        let mut reader = Reader {
            config,
            source: source.clone(),
            number,
            stack: vec![global],
            block: None,
            fresh: true,
            after_end: None,
            told: BTreeSet::new(),
            reply: "",
            reading: Reading::default(),
        };
        for line in lines(&source.text) {
            let mode = reader.frame().mode;
            let told = reader.reading.diagnostics.len();
            reader.reply = "";
            let outcome = reader.line(&line);
            let refusals = &reader.reading.diagnostics[told..];
            let refusal = refusals.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
            let reply = match refusal {
                Some(diagnostic) => refusal_text(diagnostic, &line, reader.config, mode),
                None => reader.reply.to_owned(),
            };
            reader.reading.lines.push(ReadLine { number: line.number, range: line.range, outcome, mode, reply });
        }
        reader.reading
    }

    fn frame(&self) -> Frame {
        self.stack.last().copied().unwrap_or(Frame {
            mode: Mode::Exec,
            subject: Subject::None,
            indent: 0,
            note: None,
            guessed: false,
        })
    }

    fn line(&mut self, line: &Line<'_>) -> Outcome {
        if let Some(block) = self.block.take()
            && let Some(outcome) = self.in_block(block, line)
        {
            return outcome;
        }
        let Some(first) = line.tokens.first() else {
            return Outcome::Blank;
        };
        if first.text.starts_with('!') {
            return Outcome::Comment;
        }
        if line.range.len() > LONGEST {
            let title = format!("the line is longer than {LONGEST} bytes: it is left out");
            let diagnostic = Diagnostic::error(&self.source, line.range.clone(), title, "no command is that long");
            self.reading.diagnostics.push(diagnostic);
            return Outcome::Rejected;
        }
        let unprompted = without_prompt(line);
        let line = unprompted.as_ref().unwrap_or(line);
        let Some(first) = line.tokens.first() else {
            return Outcome::Comment;
        };
        match first.text.to_ascii_lowercase().as_str() {
            "end" if line.tokens.len() == 1 => {
                self.stack.clear();
                return Outcome::Modelled;
            }
            "exit" | "exi" | "ex" if line.tokens.len() == 1 => return self.exit(line),
            "do" if line.tokens.len() > 1 => {
                self.say(Severity::Note, line, "EXEC command: no effect on the configuration", "");
                return Outcome::NoEffect;
            }
            "banner" | "bann" | "banne" | "ban" if self.frame().mode != Mode::Exec => return self.banner(line),
            _ => {}
        }
        if is_preamble(line) {
            self.say(Severity::Note, line, "no effect here", "a heading that `show running-config` prints");
            return Outcome::NoEffect;
        }
        self.command(line)
    }

    fn command(&mut self, line: &Line<'_>) -> Outcome {
        let negated =
            line.tokens.len() > 1 && ["no", "default"].contains(&line.tokens[0].text.to_ascii_lowercase().as_str());
        let words = if negated { line.without_first(1) } else { line.clone() };
        let frame = self.frame();
        if frame.mode == Mode::Exec || self.fresh && !negated {
            match find(Mode::Exec, &words, negated) {
                Ok(found) => return self.run(found, &words, line, negated),
                Err(_) if frame.mode == Mode::Exec => return self.after_end(line),
                Err(_) => {}
            }
        }
        let local = find(frame.mode, &words, negated);
        self.fresh &= local.is_err();
        let global = (frame.mode != Mode::Global).then(|| find(Mode::Global, &words, negated));
        let local = match local {
            // `ip route 10.0.0.0 ...` is no cut `ip route-cache` of an interface.
            Ok(found) if found.command.is_without_effect() && is_closer(global.as_ref(), &found) => None,
            Ok(found) => return self.run(found, &words, line, negated),
            Err(mismatch) => Some(mismatch),
        };
        let deeper = line.indent > frame.indent;
        match global {
            Some(Ok(found)) if !(deeper && found.command.is_without_effect()) => {
                self.leave();
                self.run(found, &words, line, negated)
            }
            Some(Err(mismatch)) if !deeper && frame.mode == Mode::Other && (frame.guessed || mismatch.depth() > 0) => {
                self.leave();
                self.refuse(line, &words, &mismatch)
            }
            _ if matches!(frame.mode, Mode::Other | Mode::Ikev2Keyring | Mode::Ikev2Peer | Mode::CertificateChain) => {
                self.extend_note(&frame, line);
                Outcome::NoEffect
            }
            Some(Ok(_)) => {
                self.say(Severity::Note, line, "no effect here", "known, but nothing the simulated router acts upon");
                Outcome::NoEffect
            }
            Some(Err(global)) => {
                let local = local.filter(|local| local.depth() >= global.depth());
                self.refuse(line, &words, &local.unwrap_or(global))
            }
            None => local.map_or(Outcome::Ignored, |mismatch| self.refuse(line, &words, &mismatch)),
        }
    }

    /// Does what a command does.
    fn run(&mut self, found: Found, words: &Line<'_>, line: &Line<'_>, negated: bool) -> Outcome {
        let args = Args { args: &found.fit.args, negated, source: self.number, line: line.range.clone() };
        let run = found.command.run;
        match run {
            Run::Model(change) => {
                let (_, outcome) = self.edit(|edit| change(edit, &args));
                outcome
            }
            Run::Enter(mode, change) => {
                let (subject, outcome) = self.edit(|edit| change(edit, &args));
                if let Some(subject) = subject {
                    self.enter(mode, subject, line.indent);
                }
                outcome
            }
            Run::NoEffect => {
                self.say(Severity::Note, line, "no effect here", "known, but nothing the simulated router acts upon");
                Outcome::NoEffect
            }
            Run::NoEffectMode(mode) => {
                self.say(Severity::Note, line, "no effect here", "known, but nothing the simulated router acts upon");
                if !negated {
                    self.enter(mode, Subject::None, line.indent);
                }
                Outcome::NoEffect
            }
            Run::NotSimulated(_) | Run::NotSimulatedMode(..) if negated => {
                self.say(Severity::Note, line, "no effect here", "what it turns off is not simulated");
                Outcome::NoEffect
            }
            Run::NotSimulated(why) | Run::NotSimulatedMode(_, why) => {
                let severity = if self.told.insert(why) { Severity::Warning } else { Severity::Note };
                self.say(severity, line, "not simulated: the line is ignored", why);
                if let Run::NotSimulatedMode(mode, _) = run {
                    self.enter(mode, Subject::None, line.indent);
                }
                Outcome::Ignored
            }
            Run::HexBlock => {
                self.block = Some(Block::Hex);
                self.extend_note(&self.frame(), words);
                Outcome::Opaque
            }
            Run::Configure => {
                self.after_end = None;
                if self.stack.is_empty() {
                    let global =
                        Frame { mode: Mode::Global, subject: Subject::None, indent: 0, note: None, guessed: false };
                    self.stack.push(global);
                }
                Outcome::Modelled
            }
        }
    }

    fn edit<T>(&mut self, change: impl FnOnce(&mut Edit<'_>) -> T) -> (T, Outcome) {
        let subject = self.frame().subject;
        let mut edit = Edit { config: self.config, subject, remarks: Vec::new(), reply: "" };
        let value = change(&mut edit);
        let mut outcome = Outcome::Modelled;
        self.reply = edit.reply;
        for remark in edit.remarks {
            if remark.severity == Severity::Error {
                outcome = Outcome::Rejected;
            }
            let diagnostic = Diagnostic::error(&self.source, remark.range, remark.title, remark.label);
            let diagnostic = Diagnostic { help: remark.help, ..diagnostic.with_severity(remark.severity) };
            self.reading.diagnostics.push(diagnostic);
        }
        (value, outcome)
    }

    fn enter(&mut self, mode: Mode, subject: Subject, indent: usize) {
        let nested = matches!((self.frame().mode, mode), (Mode::Ikev2Keyring | Mode::Ikev2Peer, Mode::Ikev2Peer));
        if !nested {
            self.leave();
        } else if self.frame().mode == Mode::Ikev2Peer {
            self.stack.pop();
        }
        let note = matches!(mode, Mode::Other | Mode::Ikev2Keyring | Mode::Ikev2Peer | Mode::CertificateChain)
            .then(|| self.reading.diagnostics.len().saturating_sub(1));
        self.stack.push(Frame { mode, subject, indent, note, guessed: false });
    }

    /// Back to global configuration mode.
    fn leave(&mut self) {
        self.stack.truncate(1);
    }

    fn exit(&mut self, line: &Line<'_>) -> Outcome {
        let frame = self.frame();
        match frame.mode {
            // How deep an unknown sub-mode is, only the indentation tells: `exit` of a mode inside it is not ours.
            Mode::Other if line.indent > frame.indent + 1 => {
                self.extend_note(&frame, line);
                Outcome::NoEffect
            }
            Mode::Global => {
                let label = "here a real router leaves configuration mode and refuses what follows";
                self.say(Severity::Warning, line, "one `exit` too many", label);
                Outcome::Ignored
            }
            _ => {
                self.stack.pop();
                Outcome::Modelled
            }
        }
    }

    /// A line after `end`, where only EXEC commands are taken. One diagnostic tells of all such lines in a row.
    fn after_end(&mut self, line: &Line<'_>) -> Outcome {
        let title = "% Invalid input detected at '^' marker.";
        if let Some(Diagnostic { place: Some((_, range)), .. }) =
            self.after_end.and_then(|place| self.reading.diagnostics.get_mut(place))
        {
            range.end = line.range.end;
            return Outcome::Rejected;
        }
        let label = "the configuration ended with `end`: in EXEC mode the router refuses configuration lines";
        let diagnostic = Diagnostic::error(&self.source, line.range.clone(), title, label);
        self.after_end = Some(self.reading.diagnostics.len());
        self.reading
            .diagnostics
            .push(diagnostic.with_help("take the `end` out, or write `configure terminal` after it"));
        Outcome::Rejected
    }

    /// Says that a line fits nothing.
    fn refuse(&mut self, line: &Line<'_>, words: &Line<'_>, mismatch: &Mismatch) -> Outcome {
        let mode = self.frame().mode.prompt();
        if is_unknown(mismatch) {
            if find(Mode::Exec, words, false).is_ok() {
                let label = "an EXEC command: in configuration mode it needs `do` before it";
                self.say(Severity::Warning, line, "not a configuration command: ignored", label);
            } else {
                let title = "not known to the simulated router: the line is ignored";
                let range = words.tokens.get(mismatch.depth()).map_or(line.range.clone(), |token| token.range.clone());
                let diagnostic = Diagnostic::error(&self.source, range, title, format!("no such command in {mode}"));
                self.reading.diagnostics.push(diagnostic.with_severity(Severity::Warning));
                if self.frame().mode == Mode::Global {
                    self.enter(Mode::Other, Subject::None, line.indent);
                    if let Some(frame) = self.stack.last_mut() {
                        frame.guessed = true;
                    }
                }
            }
            return Outcome::Ignored;
        }
        let (range, title, expected) = match mismatch {
            Mismatch::Invalid { token, expected, .. } => {
                let range = words.tokens.get(*token).map_or(line.range.clone(), |token| token.range.clone());
                (range, "% Invalid input detected at '^' marker.".to_owned(), list(expected))
            }
            Mismatch::Ambiguous { token, keywords } => {
                let range = words.tokens.get(*token).map_or(line.range.clone(), |token| token.range.clone());
                let whole = self.source.text.get(line.range.clone()).unwrap_or_default();
                let keywords: Vec<_> = keywords.iter().map(|keyword| (*keyword).to_owned()).collect();
                (range, format!("% Ambiguous command:  \"{whole}\""), list(&keywords))
            }
            Mismatch::Incomplete { expected, .. } => {
                (line.range.end..line.range.end, "% Incomplete command.".to_owned(), list(expected))
            }
        };
        let diagnostic = Diagnostic::error(&self.source, range, title, format!("expected {expected}"));
        self.reading.diagnostics.push(diagnostic.with_help(format!("in mode {mode}; the line is left out")));
        Outcome::Rejected
    }

    fn say(&mut self, severity: Severity, line: &Line<'_>, title: &str, label: &str) {
        let diagnostic = Diagnostic::error(&self.source, line.range.clone(), title, label).with_severity(severity);
        self.reading.diagnostics.push(diagnostic);
    }

    /// Stretches the diagnostic of an unmodelled block over one more of its lines.
    fn extend_note(&mut self, frame: &Frame, line: &Line<'_>) {
        let note = frame.note.and_then(|note| self.reading.diagnostics.get_mut(note));
        if let Some(Diagnostic { place: Some((_, range)), .. }) = note {
            range.end = range.end.max(line.range.end);
        }
    }
}

/// What IOS prints under a line it refuses; the caret stands under the word, behind the prompt.
fn refusal_text(diagnostic: &Diagnostic, line: &Line<'_>, config: &RunningConfig, mode: Mode) -> String {
    let title = &diagnostic.title;
    let caret = diagnostic.place.as_ref().filter(|_| title.contains("'^'")).map(|(source, range)| {
        let before = source.text.get(line.range.start..range.start).unwrap_or_default();
        let prompt = config.hostname.chars().count() + mode.prompt().len() + 1;
        let column = prompt + line.indent + before.chars().count();
        format!("{:column$}^\n", "")
    });
    format!("{}{title}\n\n", caret.unwrap_or_default())
}

impl Command {
    /// Whether neither the model nor the mode changes.
    fn is_without_effect(&self) -> bool {
        matches!(self.run, Run::NoEffect | Run::NotSimulated(_) | Run::HexBlock)
    }
}

/// Whether a global command says what was meant better than one without effect: fewer keywords cut, or more of them.
fn is_closer(global: Option<&Result<Found, Mismatch>>, local: &Found) -> bool {
    let Some(Ok(global)) = global else {
        return false;
    };
    let more = global.fit.keywords() > local.fit.keywords() && !global.command.is_without_effect();
    global.fit.cut < local.fit.cut || global.fit.cut == local.fit.cut && more
}

/// The command of `mode` that fits the words.
fn find(mode: Mode, words: &Line<'_>, negated: bool) -> Result<Found, Mismatch> {
    let commands: Vec<&'static Command> = commands::commands_of(mode).collect();
    let patterns: Vec<Pattern> = commands
        .iter()
        .map(|command| Pattern { elements: command.pattern, needed_by_no: command.needed_by_no })
        .collect();
    let fit = grammar::recognise(&patterns, words, negated)?;
    Ok(Found { command: commands[fit.row], fit })
}

/// Whether IOS might have a command that this table has not, so that nothing can be said about the word.
fn is_unknown(mismatch: &Mismatch) -> bool {
    match mismatch {
        Mismatch::Invalid { token: 0, .. } => true,
        Mismatch::Invalid { path, token, .. } => {
            path.len() == *token && OPEN_FAMILIES.contains(&path.join(" ").as_str())
        }
        Mismatch::Ambiguous { .. } | Mismatch::Incomplete { .. } => false,
    }
}

fn list(words: &[String]) -> String {
    match words {
        [] => "nothing more".to_owned(),
        _ => words.join(", "),
    }
}

impl RunningConfig {
    /// Reads a configuration. What cannot be used is told in the diagnostics, each line at its place; it never fails.
    ///
    /// Errors are lines IOS would refuse, warnings are lines that are ignored here and doubts about the whole, notes are
    /// lines without effect here.
    pub fn parse(source: &Source) -> (Self, Vec<Diagnostic>) {
        let (config, reading) = Self::read(source);
        (config, reading.diagnostics)
    }

    /// Reads a configuration, and tells of every line what became of it.
    pub fn read(source: &Source) -> (Self, Reading) {
        let mut config = Self::default();
        let reading = config.apply(source);
        (config, reading)
    }

    /// Changes the configuration as `configure terminal` and these lines would.
    pub fn apply(&mut self, source: &Source) -> Reading {
        Reader::read(self, source)
    }

    /// The words a span covers; empty for a default.
    pub fn text(&self, span: Span) -> &str {
        self.sources.text(span)
    }
}
