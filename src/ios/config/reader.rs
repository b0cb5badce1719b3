//! Reads configuration text line by line: which mode a line is in, what it does, what is to be said about it.
//!
//! The mode stack decides what a line means, as on the router; indentation is only asked where a line's mode has commands
//! this table does not know. A line that fits nothing in its sub-mode is tried in global configuration mode, which
//! leaves the sub-mode. \[R\]

use std::collections::BTreeSet;
use std::ops::Range;

use super::commands::{self, Args, Command, Edit, Mode, OPEN_FAMILIES, Run, Subject};
use super::grammar::{self, Fit, Mismatch, Pattern};
use super::lexer::{Line, lines};
use super::model::RunningConfig;
use super::span::Span;
use crate::diag::{Diagnostic, Severity, Source};

/// What became of a line of configuration text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing on it.
    Blank,
    /// A comment.
    Comment,
    /// It changed the configuration, or said what already was.
    Modelled,
    /// Known, without effect on the simulated router.
    NoEffect,
    /// Of effect on a real router, but not simulated or not known: ignored, with a warning.
    Ignored,
    /// Refused, as IOS would: an error.
    Rejected,
    /// Part of a banner or a certificate.
    Opaque,
}

/// A line of configuration text and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadLine {
    /// One-based.
    pub number: usize,
    /// From the first to the last word.
    pub range: Range<usize>,
    /// What became of it.
    pub outcome: Outcome,
    /// The mode it was read in.
    pub mode: Mode,
}

/// What reading a text gave besides the configuration.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Every line of the text, in order.
    pub lines: Vec<ReadLine>,
    /// What there is to say, in the order of the lines.
    pub diagnostics: Vec<Diagnostic>,
}

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

/// A block whose lines are no commands.
enum Block {
    /// Until a line holds the delimiter; the text so far is for a client group's banner.
    Banner { delimiter: String, text: Vec<String>, of_group: bool },
    /// Until `quit`.
    Hex,
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
            reading: Reading::default(),
        };
        for line in lines(&source.text) {
            let mode = reader.frame().mode;
            let outcome = reader.line(&line);
            reader.reading.lines.push(ReadLine { number: line.number, range: line.range, outcome, mode });
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
        let mut edit = Edit { config: self.config, subject, remarks: Vec::new() };
        let value = change(&mut edit);
        let mut outcome = Outcome::Modelled;
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
            Mode::Other if line.indent > frame.indent + 1 => Outcome::NoEffect,
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

    /// `banner motd ^C ... ^C`, on one line or many; the delimiter is what the text begins with.
    fn banner(&mut self, line: &Line<'_>) -> Outcome {
        let of_group = self.frame().mode == Mode::ClientGroup;
        let first = usize::from(!of_group) + 1;
        let negated_or_bare = line.tokens.get(first).is_none();
        let Some(begin) = line.tokens.get(first).map(|token| token.range.start) else {
            debug_assert!(negated_or_bare);
            return self.command(line);
        };
        let text = &self.source.text[begin..line.range.end];
        let Some(letter) = text.chars().next() else {
            return self.command(line);
        };
        let delimiter = if text.starts_with("^C") { "^C".to_owned() } else { letter.to_string() };
        let body = text[delimiter.len()..].to_owned();
        if !of_group {
            self.say(Severity::Note, line, "no effect here", "the simulated router shows no banner");
            self.leave();
        }
        if let Some(end) = body.find(&delimiter) {
            self.keep_banner(of_group, &body[..end]);
            return Outcome::Opaque;
        }
        let after = self.source.text.get(line.range.end..).unwrap_or_default();
        if !after.contains(&delimiter) {
            let range = begin..begin + delimiter.len();
            let title = format!("the banner has no end: its delimiter `{delimiter}` does not come again");
            let diagnostic = Diagnostic::error(
                &self.source,
                range,
                title,
                "a real router would take all that follows for the banner",
            );
            self.reading.diagnostics.push(diagnostic);
            return Outcome::Rejected;
        }
        self.block = Some(Block::Banner { delimiter, text: vec![body], of_group });
        Outcome::Opaque
    }

    fn keep_banner(&mut self, of_group: bool, text: &str) {
        let text = text.trim().to_owned();
        if of_group {
            self.edit(|edit| edit.client_group().map(|group| group.banner = Some(text)));
        }
    }

    /// A line while a block is open; `None` when the block has ended before it.
    fn in_block(&mut self, block: Block, line: &Line<'_>) -> Option<Outcome> {
        match block {
            Block::Banner { delimiter, mut text, of_group } => {
                let start = line.range.start - line.range.start.min(line.indent);
                let whole = self.source.text.get(start..line.range.end).unwrap_or_default();
                match whole.find(&delimiter) {
                    Some(end) => {
                        text.push(whole[..end].to_owned());
                        self.keep_banner(of_group, &text.join("\n"));
                    }
                    None => {
                        text.push(whole.to_owned());
                        self.block = Some(Block::Banner { delimiter, text, of_group });
                    }
                }
                Some(Outcome::Opaque)
            }
            Block::Hex => {
                let mut words = line.tokens.iter().map(|token| token.text);
                let hex = words.clone().all(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit()));
                self.extend_note(&self.frame(), line);
                if hex {
                    self.block = Some(Block::Hex);
                    return Some(if line.tokens.is_empty() { Outcome::Blank } else { Outcome::Opaque });
                }
                if words.next().is_some_and(|word| word.eq_ignore_ascii_case("quit")) {
                    return Some(Outcome::Opaque);
                }
                self.say(
                    Severity::Warning,
                    line,
                    "a certificate ends without `quit`",
                    "expected hexadecimal or `quit`",
                );
                None
            }
        }
    }
}

impl Command {
    /// Whether neither the model nor the mode changes.
    fn is_without_effect(&self) -> bool {
        matches!(self.run, Run::NoEffect | Run::NotSimulated(_) | Run::HexBlock)
    }
}

/// Whether a global command fits with fewer keywords cut.
fn is_closer(global: Option<&Result<Found, Mismatch>>, local: &Found) -> bool {
    matches!(global, Some(Ok(global)) if global.fit.cut < local.fit.cut)
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

/// The line without the prompt of a pasted session, `R1(config)#` or `R1#`; `None` when it has none.
fn without_prompt<'text>(line: &Line<'text>) -> Option<Line<'text>> {
    let first = line.tokens.first()?;
    let end = first.text.find(['#', '>'])?;
    let name = &first.text[..end];
    let (host, mode) = name.split_once('(').unwrap_or((name, ")"));
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_host || !mode.ends_with(')') {
        return None;
    }
    let mut line = line.clone();
    let first = line.tokens.first_mut()?;
    first.text = &first.text[end + 1..];
    first.range.start += end + 1;
    let empty = usize::from(first.text.is_empty());
    Some(line.without_first(empty))
}

/// A heading of `show running-config`.
fn is_preamble(line: &Line<'_>) -> bool {
    let mut words = line.tokens.iter().map(|token| token.text);
    match (words.next(), words.next()) {
        (Some("Building"), Some(second)) => second.starts_with("configuration"),
        (Some("Current"), Some(second)) => second == "configuration",
        (Some("Using"), Some(second)) => second.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
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
