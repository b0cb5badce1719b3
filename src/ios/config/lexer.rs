//! Configuration text as lines of words, each with its byte range.

use std::ops::Range;

/// A word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ios) struct Token<'text> {
    /// The word.
    pub(in crate::ios) text: &'text str,
    /// Its bytes in the whole text.
    pub(in crate::ios) range: Range<usize>,
}

/// One line of the text, without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ios) struct Line<'text> {
    /// One-based.
    pub(in crate::ios) number: usize,
    /// Columns of white space before the first word; a tab counts as one.
    pub(in crate::ios) indent: usize,
    /// From the first to the last word.
    pub(in crate::ios) range: Range<usize>,
    /// The words.
    pub(in crate::ios) tokens: Vec<Token<'text>>,
}

impl<'text> Line<'text> {
    /// The line `text`, which begins at the byte `start` of the whole.
    pub(in crate::ios) fn new(text: &'text str, start: usize, number: usize) -> Self {
        let mut tokens: Vec<Token<'text>> = Vec::new();
        let mut begin = None;
        for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
            match (is_blank(letter), begin) {
                (false, None) => begin = Some(at),
                (true, Some(from)) => {
                    tokens.push(Token { text: &text[from..at], range: start + from..start + at });
                    begin = None;
                }
                _ => {}
            }
        }
        let first = tokens.first().map_or(start, |token| token.range.start);
        let last = tokens.last().map_or(start, |token| token.range.end);
        let indent = text[..first - start].chars().count();
        Self { number, indent, range: first..last, tokens }
    }

    /// The same line without its first `count` words.
    pub(in crate::ios) fn without_first(&self, count: usize) -> Self {
        let tokens = self.tokens.get(count..).unwrap_or_default().to_vec();
        let start = tokens.first().map_or(self.range.end, |token| token.range.start);
        Self { number: self.number, indent: self.indent, range: start..self.range.end, tokens }
    }
}

/// Every line of `text`, ended by LF or CR LF.
pub(in crate::ios) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut start = 0;
    text.split_inclusive('\n').enumerate().map(move |(index, whole)| {
        let line = Line::new(whole.trim_end_matches(['\n', '\r']), start, index + 1);
        start += whole.len();
        line
    })
}

/// White space, also the kinds that mail programs and web pages leave in pasted text.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_bytes() {
        let text = "\u{feff}hostname R1\r\n\r\n interface\tGi0/0  \n\u{a0}ip address";
        let lines: Vec<_> = lines(text).collect();
        let words: Vec<Vec<&str>> =
            lines.iter().map(|line| line.tokens.iter().map(|token| token.text).collect()).collect();
        assert_eq!(words, [vec!["hostname", "R1"], vec![], vec!["interface", "Gi0/0"], vec!["ip", "address"]]);
        for line in &lines {
            for token in &line.tokens {
                assert_eq!(&text[token.range.clone()], token.text);
            }
        }
        assert_eq!(lines[2].indent, 1);
        assert_eq!(&text[lines[2].range.clone()], "interface\tGi0/0");
        assert_eq!(lines[3].number, 4);
    }
}
