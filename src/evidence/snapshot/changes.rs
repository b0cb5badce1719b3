//! What a difference between two transcripts means.
//!
//! A change is *major* when the negotiation came to something else: a message or an exchange more or less, other
//! algorithms chosen, other identities or selectors, another notification, other traffic inside ESP. It is *minor* when both
//! ends merely said the same in another way: vendor IDs, payloads that announce, the order of things, an offer of which
//! the same was chosen.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use similar::{DiffTag, TextDiff};

use super::outline::{Line, Node, Outline, Section};
use super::payload::{Role, payloads};

/// How much a change matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// The same negotiation, said in another way.
    #[default]
    Minor,
    /// Another negotiation.
    Major,
}

impl Weight {
    /// The word reports use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

/// One difference between two transcripts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// How much it matters.
    pub weight: Weight,
    /// Where it is: `quick mode 2`.
    pub place: String,
    /// What it is: `the chosen transform was ESP_AES, is ESP_3DES`.
    pub what: String,
    /// The line of the reviewed transcript where it begins, from 1; the one before it, when there is something new.
    pub line: usize,
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}", self.weight.word(), self.place, self.what)
    }
}

/// The heaviest of `changes`; `None` when there are none.
pub fn heaviest(changes: &[Change]) -> Option<Weight> {
    changes.iter().map(|change| change.weight).max()
}

/// What changed from the `reviewed` transcript to the one `found`, major changes first; empty when nothing but blank lines did.
///
/// A text that is no transcript is a major change by itself: nothing can be said about it.
pub fn changes(reviewed: &str, found: &str) -> Vec<Change> {
    let mut changes = Changes::default();
    match (Outline::parse(reviewed), Outline::parse(found)) {
        (Ok(old), Ok(new)) if old == new => {}
        (Ok(old), Ok(new)) => changes.outlines(&old, &new),
        (Err(error), _) => {
            let place = Place { words: "the reviewed text".to_owned(), line: error.line };
            changes.major(&place, format!("is no transcript: {error}"));
        }
        (_, Err(error)) => changes.major(&Place::top("the text of this run"), format!("is no transcript: {error}")),
    }
    let mut list = changes.into_list();
    if !list.is_empty() {
        let differing = differing_lines(reviewed, found);
        for change in &mut list {
            let exact = differing.iter().find(|line| **line >= change.line);
            change.line = exact.copied().unwrap_or(change.line);
        }
    }
    list
}

/// The lines of the reviewed text that are others in the text found, or behind which there are others, in order.
fn differing_lines(reviewed: &str, found: &str) -> Vec<usize> {
    let diff = TextDiff::from_lines(reviewed, found);
    let differing = diff.ops().iter().filter(|operation| operation.tag() != DiffTag::Equal);
    let lines = differing.flat_map(|operation| {
        let old = operation.old_range();
        if old.is_empty() { old.start.max(1)..old.start.max(1) + 1 } else { old.start + 1..old.end + 1 }
    });
    lines.collect()
}

/// Where a change is: in words, and the line of the reviewed transcript at or behind which it is to be looked for.
#[derive(Clone, Debug)]
pub(super) struct Place {
    words: String,
    line: usize,
}

impl Place {
    /// Anywhere.
    fn top(words: impl Into<String>) -> Self {
        Self { words: words.into(), line: 1 }
    }

    /// The same in words, at that line.
    pub(super) fn at(&self, line: Line) -> Self {
        Self { line: line.0, ..self.clone() }
    }
}

/// Changes as they are found, and which SPI of the one transcript is which of the other.
#[derive(Debug, Default)]
pub(super) struct Changes {
    list: Vec<Change>,
    differs: bool,
    spis: BTreeMap<String, String>,
}

impl Changes {
    pub(super) fn push(&mut self, weight: Weight, place: &Place, what: String) {
        self.list.push(Change { weight, place: place.words.clone(), what, line: place.line });
    }

    pub(super) fn major(&mut self, place: &Place, what: String) {
        self.push(Weight::Major, place, what);
    }

    pub(super) fn minor(&mut self, place: &Place, what: String) {
        self.push(Weight::Minor, place, what);
    }

    /// Changes told so far.
    pub(super) fn told(&self) -> usize {
        self.list.len()
    }

    fn into_list(mut self) -> Vec<Change> {
        if self.list.is_empty() && self.differs {
            self.minor(
                &Place::top("everywhere"),
                "only names and numbers differ, none of which means anything by itself".to_owned(),
            );
        }
        // One thing at many places, such as NAT traversal in every message, is one change.
        let mut merged: Vec<Change> = Vec::new();
        for change in self.list {
            match merged.iter_mut().find(|known| known.weight == change.weight && known.what == change.what) {
                Some(known) if known.place == change.place => {}
                Some(known) => {
                    known.place.push_str(", ");
                    known.place.push_str(&change.place);
                }
                None => merged.push(change),
            }
        }
        merged.sort_by_key(|change| std::cmp::Reverse(change.weight));
        merged
    }

    fn outlines(&mut self, old: &Outline, new: &Outline) {
        self.differs = true;
        let matching = match_up(&old.sections, &new.sections, same_section, |one, other| {
            (one.title == other.title).then(|| likeness(&one.blocks, &other.blocks))
        });
        for (old_index, new_index) in &matching.pairs {
            let (one, other) = (&old.sections[*old_index], &new.sections[*new_index]);
            self.sections(one, other, &ordinal(&old.sections, *old_index));
        }
        for index in &matching.missing {
            let place = Place { words: named(&old.sections, *index), line: old.sections[*index].line.0 };
            self.major(&place, "is missing".to_owned());
        }
        for index in &matching.extra {
            // Most that is new comes at the end.
            let place = Place { words: named(&new.sections, *index), line: old.end() };
            self.major(&place, format!("is new: {}", in_short(&new.sections[*index])));
        }
        if matching.reordered() {
            self.minor(&Place::top("the exchanges"), "began in another order".to_owned());
        }
    }

    /// Two exchanges that belong together; `which` tells it from others of its title, and is empty when it is the only one.
    fn sections(&mut self, old: &Section, new: &Section, which: &str) {
        let whole = which.trim_start_matches(" of ");
        let words = |block: &Node| match is_flow(block) {
            true => format!("{} {}", old.title, masked(&block.text)),
            false if block.kind() == "=" => format!("the end of {}", if which.is_empty() { &old.title } else { whole }),
            false => format!("{}{which}", block.kind().replace('-', " ")),
        };
        let akin = |one: &Node, other: &Node| {
            let same = match is_flow(one) {
                true => masked(&one.text) == masked(&other.text),
                false => one.kind() == other.kind(),
            };
            same.then(|| likeness(&one.below, &other.below))
        };
        let matching = match_up(&old.blocks, &new.blocks, same_tree, akin);
        let answered = [old, new].iter().all(|section| negotiating(section).nth(1).is_some());
        for (old_index, new_index) in &matching.pairs {
            let (one, other) = (&old.blocks[*old_index], &new.blocks[*new_index]);
            let place = Place { words: words(one), line: one.line.0 };
            self.heads(&place, one, other);
            let role = match negotiating(old).position(|index| index == *old_index) {
                _ if is_flow(one) => Role::Inside,
                None | Some(0) => Role::Offer { answered },
                Some(_) => Role::Choice,
            };
            payloads(self, &place, role, &one.below, &other.below);
        }
        for index in &matching.missing {
            let lost = &old.blocks[*index];
            self.major(&Place { words: words(lost), line: lost.line.0 }, "is missing".to_owned());
        }
        for index in &matching.extra {
            self.major(&Place { words: words(&new.blocks[*index]), line: old.line.0 }, "is new".to_owned());
        }
        if matching.reordered() {
            let what = if old.blocks.iter().any(is_flow) { "the flows" } else { "the messages" };
            let place = Place { words: format!("{}{which}", old.title), line: old.line.0 };
            self.minor(&place, format!("{what} come in another order"));
        }
    }

    /// The lines with which two messages begin: ends, ports, protection.
    fn heads(&mut self, place: &Place, old: &Node, new: &Node) {
        self.same_spis(place, &old.text, &new.text);
        let (one, other) = (masked(&old.text), masked(&new.text));
        if one == other {
            return;
        }
        // What is sealed shows its length only.
        let unsized_head = |text: &str| match text.rsplit_once(", ") {
            Some((head, size)) if size.starts_with(|first: char| first.is_ascii_digit()) => head.to_owned(),
            _ => text.to_owned(),
        };
        let weight = if unsized_head(&one) == unsized_head(&other) { Weight::Minor } else { Weight::Major };
        let rest = |node: &Node| if is_flow(node) { masked(&node.text) } else { masked(node.rest()) };
        self.push(weight, place, format!("was `{}`, is `{}`", rest(old), rest(new)));
    }

    /// Holds the SPIs of two lines that belong together against those of all lines before.
    pub(super) fn same_spis(&mut self, place: &Place, old: &str, new: &str) {
        for (one, other) in spis(old).zip(spis(new)) {
            let known = self.spis.get(one);
            if known.is_none() && !self.spis.values().any(|known| known == other) {
                self.spis.insert(one.to_owned(), other.to_owned());
            } else if known.is_none_or(|known| known != other) {
                self.major(place, format!("the SPI of another SA is named: {old}, now {new}"));
            }
        }
    }
}

/// Which of two lists belong together.
#[derive(Debug, Default)]
pub(super) struct Matching {
    /// Places in the old and the new list, in the order of the old.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Of the old list alone.
    pub(super) missing: Vec<usize>,
    /// Of the new list alone.
    pub(super) extra: Vec<usize>,
}

impl Matching {
    /// Whether what belongs together stands in another order.
    pub(super) fn reordered(&self) -> bool {
        !self.pairs.is_sorted_by_key(|(_, new)| *new)
    }
}

/// Matches what is equal first, each with the first left, then each of the rest with the most alike, the first of those.
pub(super) fn match_up<T>(
    old: &[T],
    new: &[T],
    equal: impl Fn(&T, &T) -> bool,
    alike: impl Fn(&T, &T) -> Option<usize>,
) -> Matching {
    let mut partners: Vec<Option<usize>> = vec![None; old.len()];
    let mut taken = vec![false; new.len()];
    let free = |taken: &[bool]| (0..new.len()).filter(|index| !taken[*index]).collect::<Vec<_>>();
    for (index, one) in old.iter().enumerate() {
        if let Some(partner) = free(&taken).into_iter().find(|other| equal(one, &new[*other])) {
            partners[index] = Some(partner);
            taken[partner] = true;
        }
    }
    for (index, one) in old.iter().enumerate().filter(|(index, _)| partners[*index].is_none()).collect::<Vec<_>>() {
        let likes = free(&taken).into_iter().filter_map(|other| Some((alike(one, &new[other])?, other)));
        // The first of the most alike.
        if let Some((_, partner)) = likes.max_by_key(|(likeness, other)| (*likeness, std::cmp::Reverse(*other))) {
            partners[index] = Some(partner);
            taken[partner] = true;
        }
    }
    Matching {
        pairs: partners.iter().enumerate().filter_map(|(old, new)| Some((old, (*new)?))).collect(),
        missing: (0..old.len()).filter(|index| partners[*index].is_none()).collect(),
        extra: free(&taken),
    }
}

/// How many lines two lists have in common.
fn likeness(old: &[Node], new: &[Node]) -> usize {
    let mut lines = Vec::new();
    new.iter().for_each(|node| collect(node, &mut lines));
    let mut mine = Vec::new();
    old.iter().for_each(|node| collect(node, &mut mine));
    let found = mine.iter().filter(|line| match lines.iter().position(|other| other == *line) {
        Some(index) => {
            lines.swap_remove(index);
            true
        }
        None => false,
    });
    found.count()
}

fn collect(node: &Node, lines: &mut Vec<String>) {
    lines.push(masked(&node.text));
    node.below.iter().for_each(|below| collect(below, lines));
}

/// Whether two lines and all below them are the same but for the names of SPIs.
pub(super) fn same_tree(one: &Node, other: &Node) -> bool {
    masked(&one.text) == masked(&other.text)
        && one.below.len() == other.below.len()
        && one.below.iter().zip(&other.below).all(|(one, other)| same_tree(one, other))
}

fn same_section(one: &Section, other: &Section) -> bool {
    one.title == other.title
        && one.blocks.len() == other.blocks.len()
        && one.blocks.iter().zip(&other.blocks).all(|(one, other)| same_tree(one, other))
}

/// A flow has ends only, where a message has its name before them.
fn is_flow(block: &Node) -> bool {
    block.text.split(' ').nth(1) == Some(">")
}

/// The messages of an exchange that hold an SA payload: the first offers, the second chooses.
fn negotiating(section: &Section) -> impl Iterator<Item = usize> + '_ {
    section.blocks.iter().enumerate().filter_map(|(index, block)| {
        block.below.iter().any(|payload| payload.kind() == "SA" && !payload.below.is_empty()).then_some(index)
    })
}

/// ` of the 2nd` and the title, when more than one exchange has it.
fn ordinal(sections: &[Section], index: usize) -> String {
    let title = &sections[index].title;
    let same = |sections: &[Section]| sections.iter().filter(|section| section.title == *title).count();
    match (same(sections), same(&sections[..=index])) {
        (1, _) => String::new(),
        (_, 1) => format!(" of the 1st {title}"),
        (_, 2) => format!(" of the 2nd {title}"),
        (_, 3) => format!(" of the 3rd {title}"),
        (_, nth) => format!(" of the {nth}th {title}"),
    }
}

fn named(sections: &[Section], index: usize) -> String {
    let which = ordinal(sections, index);
    match which.strip_prefix(" of ") {
        Some(which) => which.to_owned(),
        None => sections[index].title.clone(),
    }
}

/// What an exchange is about: its messages, and what they say beside keys and hashes.
fn in_short(section: &Section) -> String {
    let telling = |payload: &&Node| !matches!(payload.kind(), "HASH" | "NONCE" | "KE" | "VID" | "SA");
    let blocks = section.blocks.iter().map(|block| {
        let words: Vec<String> = block.below.iter().filter(telling).map(|payload| masked(&payload.text)).collect();
        let head = match block.kind() {
            "=" => block.rest().to_owned(),
            _ if is_flow(block) => masked(&block.text),
            kind => kind.replace('-', " "),
        };
        if words.is_empty() { head } else { format!("{head} ({})", words.join("; ")) }
    });
    blocks.collect::<Vec<_>>().join(", ")
}

/// The text with every SPI's name, which depends on the order of things, made the same.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = spi_in(rest) {
        out.push_str(&rest[..start]);
        out.push('*');
        rest = &rest[start + spi_length(&rest[start..])..];
    }
    out.push_str(rest);
    out
}

/// The names of the SPIs a line tells, in order.
fn spis(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = spi_in(rest)?;
        let (name, after) = rest[start..].split_at(spi_length(&rest[start..]));
        rest = after;
        Some(name)
    })
}

/// Where the next SPI's name begins.
fn spi_in(text: &str) -> Option<usize> {
    const WORD: &str = "SPI ";
    let mut from = 0;
    loop {
        let at = from + text[from..].find(WORD)?;
        let word = !text[..at].ends_with(|before: char| before.is_alphanumeric());
        if word && spi_length(&text[at + WORD.len()..]) > 0 {
            return Some(at + WORD.len());
        }
        from = at + WORD.len();
    }
}

fn spi_length(text: &str) -> usize {
    text.find(|end: char| !end.is_ascii_alphanumeric()).unwrap_or(text.len())
}
