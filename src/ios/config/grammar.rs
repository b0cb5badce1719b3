//! How a line is held against command patterns: cut keywords, values in range, what was expected where it failed.
//!
//! The patterns of a mode are tried all at once, word by word. That gives what IOS gives: a keyword may be cut as long as
//! one continuation fits, the caret stands under the first word nothing fits, and `?` is the list of what would have.

use std::net::Ipv4Addr;
use std::ops::Range;

use super::lexer::{Line, Token};
use super::model::InterfaceName;
use crate::ios::acl;

/// A piece of a command pattern.
#[derive(Clone, Copy, Debug)]
pub(in crate::ios) enum Element {
    /// A keyword, in any case, cut or whole.
    Kw(&'static str),
    /// Any word but a comment.
    Word(&'static str),
    /// A host name: a word that is no address gone wrong.
    Host(&'static str),
    /// Any word at all, for keys and passwords.
    Secret(&'static str),
    /// A decimal number within bounds.
    Int(&'static str, u64, u64),
    /// An IPv4 address, mask or wildcard.
    Ip(&'static str),
    /// An interface as one word.
    InterfaceName(&'static str),
    /// The first of the two words an interface may be written as.
    InterfaceKind(&'static str),
    /// The second.
    InterfaceNumber(&'static str),
    /// A TCP port, by number or keyword.
    TcpPort(&'static str),
    /// A UDP port, by number or keyword.
    UdpPort(&'static str),
    /// An ICMP message keyword.
    Icmp(&'static str),
    /// Everything to the end of the line, at least one word.
    Rest(&'static str),
    /// These or nothing.
    Opt(&'static [Self]),
    /// One of these.
    OneOf(&'static [&'static [Self]]),
    /// These any number of times, also none.
    Many(&'static [Self]),
}

impl Element {
    /// How `?` shows it.
    pub(in crate::ios) fn usage(self) -> String {
        match self {
            Self::Kw(word) => word.to_owned(),
            Self::Word(_) | Self::Host(_) | Self::Secret(_) => "WORD".to_owned(),
            Self::Int(_, low, high) => format!("<{low}-{high}>"),
            Self::Ip(_) => "A.B.C.D".to_owned(),
            Self::InterfaceName(_) | Self::InterfaceKind(_) => "INTERFACE".to_owned(),
            Self::InterfaceNumber(_) => "interface number".to_owned(),
            Self::TcpPort(_) | Self::UdpPort(_) => "<0-65535> or port name".to_owned(),
            Self::Icmp(_) => "ICMP message name".to_owned(),
            Self::Rest(_) => "LINE".to_owned(),
            Self::Opt(inner) => format!("[{}]", usage(inner)),
            Self::OneOf(ways) => {
                format!("{{{}}}", ways.iter().map(|way| usage(way)).collect::<Vec<_>>().join(" | "))
            }
            Self::Many(inner) => format!("[{} ...]", usage(inner)),
        }
    }
}

/// A whole pattern as the manual shows it.
pub(in crate::ios) fn usage(pattern: &[Element]) -> String {
    pattern.iter().map(|element| element.usage()).collect::<Vec<_>>().join(" ")
}

/// A value or keyword a pattern took from the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ios) struct Arg {
    /// The name the pattern gives the value, or the whole keyword.
    pub(in crate::ios) name: &'static str,
    /// What it is.
    pub(in crate::ios) value: Value,
    /// Its bytes in the whole text.
    pub(in crate::ios) range: Range<usize>,
}

/// What an [`Arg`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ios) enum Value {
    /// A keyword was there.
    Keyword,
    /// A number.
    Int(u64),
    /// An address.
    Ip(Ipv4Addr),
    /// A word or the rest of the line.
    Text(String),
}

/// A pattern that fits a line.
#[derive(Clone, Debug)]
pub(in crate::ios) struct Fit {
    /// Which of the patterns.
    pub(in crate::ios) row: usize,
    /// What it took, in the order of the line.
    pub(in crate::ios) args: Vec<Arg>,
    /// How many keywords were cut.
    pub(in crate::ios) cut: usize,
}

impl Fit {
    /// How many keywords it took.
    pub(super) fn keywords(&self) -> usize {
        keywords(&self.args).len()
    }
}

/// Why no pattern fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ios) enum Mismatch {
    /// Nothing fits this word.
    Invalid {
        /// The index of the word.
        token: usize,
        /// The keywords that lead to it, whole.
        path: Vec<&'static str>,
        /// What would have fitted.
        expected: Vec<String>,
    },
    /// The word begins several keywords.
    Ambiguous {
        /// The index of the word.
        token: usize,
        /// The keywords it begins.
        keywords: Vec<&'static str>,
    },
    /// The line ends too early.
    Incomplete {
        /// What could follow.
        expected: Vec<String>,
        /// How many words the line has.
        words: usize,
    },
}

impl Mismatch {
    /// How many words were understood.
    pub(in crate::ios) fn depth(&self) -> usize {
        match self {
            Self::Invalid { token, .. } | Self::Ambiguous { token, .. } => *token,
            Self::Incomplete { words, .. } => *words,
        }
    }
}

/// A pattern to try: its elements, and how many of them a `no` form needs; zero when it has none.
#[derive(Clone, Copy, Debug)]
pub(in crate::ios) struct Pattern {
    pub(in crate::ios) elements: &'static [Element],
    pub(in crate::ios) needed_by_no: usize,
}

/// A pattern on its way through a line: what is still to come, innermost last.
#[derive(Clone, Debug)]
struct Thread {
    row: usize,
    todo: Vec<&'static [Element]>,
    args: Vec<Arg>,
}

/// Where all threads stand before a word.
#[derive(Default)]
struct Frontier {
    /// The element that must fit the next word, and the thread as it is afterwards.
    heads: Vec<(&'static Element, Thread)>,
    /// The threads that could end here.
    finished: Vec<Thread>,
}

/// The pattern that fits the words of `line`; with `negated` a `no` stood before them.
pub(in crate::ios) fn recognise(patterns: &[Pattern], line: &Line<'_>, negated: bool) -> Result<Fit, Mismatch> {
    let mut threads: Vec<Thread> = patterns
        .iter()
        .enumerate()
        .filter(|(_, pattern)| !negated || pattern.needed_by_no > 0)
        .filter(|(_, pattern)| can_begin(pattern.elements, line.tokens.first()))
        .map(|(row, pattern)| Thread { row, todo: vec![pattern.elements], args: Vec::new() })
        .collect();
    let mut whole_line: Vec<Thread> = Vec::new();
    for (index, token) in line.tokens.iter().enumerate() {
        let path = threads.first().map(|thread| keywords(&thread.args)).unwrap_or_default();
        let frontier = frontier(threads, patterns, negated);
        let (fitting, rests) = advance(&frontier, token, index, line)?;
        whole_line.extend(rests);
        if fitting.is_empty() {
            let mut expected = expected(&frontier.heads);
            if !frontier.finished.is_empty() {
                expected.push("the end of the line".to_owned());
            }
            let finished = if whole_line.is_empty() && token.text.starts_with('!') {
                frontier.finished // a remark after the command
            } else {
                whole_line
            };
            return best(finished).ok_or(Mismatch::Invalid { token: index, path, expected });
        }
        threads = fitting;
    }
    let frontier = frontier(threads, patterns, negated);
    whole_line.extend(frontier.finished);
    best(whole_line)
        .ok_or_else(|| Mismatch::Incomplete { expected: expected(&frontier.heads), words: line.tokens.len() })
}

/// Whether a pattern that begins with a keyword is worth trying.
fn can_begin(elements: &[Element], first: Option<&Token<'_>>) -> bool {
    match (elements.first(), first) {
        (Some(Element::Kw(keyword)), Some(token)) => is_cut(keyword, token.text),
        _ => true,
    }
}

/// The threads that go on after `token`, and those that took the rest of the line.
fn advance(
    frontier: &Frontier,
    token: &Token<'_>,
    index: usize,
    line: &Line<'_>,
) -> Result<(Vec<Thread>, Vec<Thread>), Mismatch> {
    let word = token.text;
    let keywords =
        || frontier.heads.iter().filter_map(|(head, _)| if let Element::Kw(key) = head { Some(*key) } else { None });
    let exact = keywords().any(|keyword| keyword.eq_ignore_ascii_case(word));
    let mut cut: Vec<&'static str> = keywords().filter(|keyword| is_cut(keyword, word)).collect();
    cut.sort_unstable();
    cut.dedup();
    if !exact && cut.len() > 1 {
        return Err(Mismatch::Ambiguous { token: index, keywords: cut });
    }
    let (mut fitting, mut rests) = (Vec::new(), Vec::new());
    for (head, thread) in &frontier.heads {
        let taken = match **head {
            Element::Kw(keyword) if exact => keyword.eq_ignore_ascii_case(word).then_some((keyword, Value::Keyword)),
            Element::Kw(keyword) => is_cut(keyword, word).then_some((keyword, Value::Keyword)),
            Element::Rest(name) if cut.is_empty() && !exact => {
                let range = token.range.start..line.range.end;
                let text = line_text(line, index);
                rests.push(taking(thread, Arg { name, value: Value::Text(text), range }));
                None
            }
            Element::Rest(_) => None,
            Element::Int(..) | Element::Ip(_) => value(head, word),
            _ if exact => None,
            _ => value(head, word),
        };
        if let Some((name, value)) = taken {
            fitting.push(taking(thread, Arg { name, value, range: token.range.clone() }));
        }
    }
    Ok((fitting, rests))
}

fn frontier(threads: Vec<Thread>, patterns: &[Pattern], negated: bool) -> Frontier {
    let mut frontier = Frontier::default();
    for thread in threads {
        expand(thread, patterns, negated, &mut frontier);
    }
    frontier
}

/// Follows a thread through everything that may be absent until it waits for a word.
fn expand(mut thread: Thread, patterns: &[Pattern], negated: bool, frontier: &mut Frontier) {
    while thread.todo.last().is_some_and(|elements| elements.is_empty()) {
        thread.todo.pop();
    }
    let pattern = patterns[thread.row];
    let left = thread.todo.first().map_or(0, |elements| elements.len());
    let begun = pattern.elements.len() - left;
    let whole = thread.todo.len() <= 1;
    let enough_for_no = negated && (begun > pattern.needed_by_no || whole && begun == pattern.needed_by_no);
    if enough_for_no && !thread.todo.is_empty() && !thread.args.is_empty() {
        frontier.finished.push(thread.clone());
    }
    let Some((first, rest)) = thread.todo.last().and_then(|elements| elements.split_first()) else {
        frontier.finished.push(thread);
        return;
    };
    let after = |then: Option<&'static [Element]>, again: bool| {
        let mut next = thread.clone();
        if !again && let Some(top) = next.todo.last_mut() {
            *top = rest;
        }
        next.todo.extend(then);
        next
    };
    match first {
        Element::Opt(inner) => {
            expand(after(Some(inner), false), patterns, negated, frontier);
            expand(after(None, false), patterns, negated, frontier);
        }
        Element::OneOf(ways) => {
            for way in *ways {
                expand(after(Some(way), false), patterns, negated, frontier);
            }
        }
        Element::Many(inner) => {
            expand(after(Some(inner), true), patterns, negated, frontier);
            expand(after(None, false), patterns, negated, frontier);
        }
        _ => frontier.heads.push((first, after(None, false))),
    }
}

/// The value an element takes from a word.
fn value(element: &Element, word: &str) -> Option<(&'static str, Value)> {
    let text = |name, word: &str| Some((name, Value::Text(word.to_owned())));
    match *element {
        Element::Word(name) => (!word.starts_with('!')).then(|| text(name, word))?,
        Element::Host(name) => {
            let letters = word.bytes().any(|byte| !byte.is_ascii_digit() && byte != b'.');
            (letters && !word.starts_with('!')).then(|| text(name, word))?
        }
        Element::Secret(name) => text(name, word),
        Element::Int(name, low, high) => {
            let number = decimal(word).filter(|number| (low..=high).contains(number))?;
            Some((name, Value::Int(number)))
        }
        Element::Ip(name) => Some((name, Value::Ip(word.parse().ok()?))),
        Element::InterfaceName(name) => text(name, &InterfaceName::parse(word)?.to_string()),
        Element::InterfaceKind(name) => text(name, InterfaceName::kind_of(word)?),
        Element::InterfaceNumber(name) => text(name, InterfaceName::number_of(word)?),
        Element::TcpPort(name) => Some((name, Value::Int(port(word, false)?))),
        Element::UdpPort(name) => Some((name, Value::Int(port(word, true)?))),
        Element::Icmp(name) => text(name, acl::icmp_keyword(word)?),
        _ => None,
    }
}

/// A number in decimal digits alone.
fn decimal(word: &str) -> Option<u64> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?
}

fn port(word: &str, udp: bool) -> Option<u64> {
    match decimal(word) {
        Some(number) => u16::try_from(number).ok().map(u64::from),
        None => acl::port_keyword(word, udp).map(u64::from),
    }
}

fn taking(thread: &Thread, arg: Arg) -> Thread {
    let mut next = thread.clone();
    next.args.push(arg);
    next
}

/// Among patterns that fit, the one with the most keywords; the first of the table among equals.
fn best(threads: Vec<Thread>) -> Option<Fit> {
    let weight = |thread: &Thread| keywords(&thread.args).len();
    let best =
        threads.into_iter().rev().max_by(|one, other| weight(one).cmp(&weight(other)).then(other.row.cmp(&one.row)))?;
    let cut = best.args.iter().filter(|arg| arg.value == Value::Keyword && arg.range.len() < arg.name.len()).count();
    Some(Fit { row: best.row, args: best.args, cut })
}

fn keywords(args: &[Arg]) -> Vec<&'static str> {
    args.iter().filter(|arg| arg.value == Value::Keyword).map(|arg| arg.name).collect()
}

/// Whether `word` is the beginning of `keyword`.
fn is_cut(keyword: &str, word: &str) -> bool {
    keyword.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The words from `index` on, with the white space between them as written.
fn line_text(line: &Line<'_>, index: usize) -> String {
    let mut text = String::new();
    let mut end = None;
    for token in &line.tokens[index..] {
        if let Some(end) = end {
            text.extend(std::iter::repeat_n(' ', token.range.start.saturating_sub(end)));
        }
        text.push_str(token.text);
        end = Some(token.range.end);
    }
    text
}

/// What could have stood there, for the reader of the message.
fn expected(heads: &[(&'static Element, Thread)]) -> Vec<String> {
    let mut words: Vec<String> = heads.iter().map(|(head, _)| head.usage()).collect();
    words.sort();
    words.dedup();
    words
}
