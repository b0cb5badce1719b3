//! Banners and certificates: lines that are no commands.

use super::super::commands::Mode;
use super::super::lexer::Line;
use super::{Outcome, Reader};
use crate::diag::{Diagnostic, Severity};

/// A block whose lines are no commands.
pub(super) enum Block {
    /// Until a line holds the delimiter; the text so far is for a client group's banner.
    Banner { delimiter: String, text: Vec<String>, of_group: bool },
    /// Until `quit`.
    Hex,
}

impl Reader<'_> {
    /// `banner motd ^C ... ^C`, on one line or many; the delimiter is what the text begins with.
    pub(super) fn banner(&mut self, line: &Line<'_>) -> Outcome {
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
    pub(super) fn in_block(&mut self, block: Block, line: &Line<'_>) -> Option<Outcome> {
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
