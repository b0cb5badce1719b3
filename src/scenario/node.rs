//! A scenario file as a tree of nodes that know where they stand in the text.
//!
//! Scalars are kept as they were written, not as YAML would type them: `12.4` stays a release and `0123` a key.

use std::fmt;
use std::ops::Range;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Location, Spanned};

use crate::diag::{Diagnostic, Source};

/// Nesting beyond which a file is refused. The deepest legal scenario needs nine levels.
const MAX_DEPTH: usize = 32;
/// Nodes, aliases counted as often as they are used, beyond which a file is refused.
const MAX_NODES: usize = 20_000;

/// One value of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where it stands; for a mapping or a sequence where it starts.
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Scalar(String),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One step of a path into the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'a> {
    Name(&'a str),
    Index(usize),
}

/// A key of a mapping and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

impl Node {
    /// The value under `key`, when this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The place of the node at the end of `path`, or of the last that there is on the way to it.
    pub(crate) fn place(&self, path: &[Key]) -> Range<usize> {
        let mut node = self;
        let mut place = self.span.clone();
        for key in path {
            match (key, &node.value) {
                (Key::Name(name), Value::Mapping(_)) => match node.entry(name) {
                    Some(entry) => (node, place) = (&entry.value, entry.key_span.clone()),
                    None => break,
                },
                (Key::Index(index), Value::Sequence(items)) => match items.get(*index) {
                    Some(item) => (node, place) = (item, item.start()),
                    None => break,
                },
                _ => break,
            }
        }
        match &node.value {
            Value::Scalar(_) if !node.span.is_empty() => node.span.clone(),
            _ => place,
        }
    }

    /// The place that a JSON pointer (RFC 6901) names, or the last that there is on the way to it.
    pub(crate) fn pointed(&self, pointer: &str) -> Range<usize> {
        let names = pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"));
        let names: Vec<String> = names.collect();
        let keys = names.iter().map(|name| name.parse().map_or(Key::Name(name), Key::Index));
        self.place(&keys.collect::<Vec<Key<'_>>>())
    }

    /// The place of the key at the end of a path of keys, or of the last that there is on the way to it.
    pub(crate) fn key(&self, path: &[&str]) -> Range<usize> {
        let mut node = self;
        let mut place = self.span.clone();
        for name in path {
            let Some(entry) = node.entry(name) else { break };
            (node, place) = (&entry.value, entry.key_span.clone());
        }
        place
    }

    /// What to point at for an item of a list: its first key, if it has any.
    fn start(&self) -> Range<usize> {
        match &self.value {
            Value::Mapping(entries) if self.span.is_empty() => {
                entries.first().map_or(self.span.clone(), |entry| entry.key_span.clone())
            }
            _ => self.span.clone(),
        }
    }

    /// Takes the value under `key` out of a mapping.
    pub(crate) fn take(&mut self, key: &str) -> Option<Entry> {
        match &mut self.value {
            Value::Mapping(entries) => {
                entries.iter().position(|entry| entry.key == key).map(|index| entries.remove(index))
            }
            _ => None,
        }
    }
}

/// Lays `over` upon `base`: mappings merge key by key, anything else replaces what was there.
pub(crate) fn merge(base: &mut Node, over: Node) {
    if let (Value::Mapping(entries), Value::Mapping(_)) = (&mut base.value, &over.value) {
        let Value::Mapping(new) = over.value else { return };
        for entry in new {
            match entries.iter_mut().find(|old| old.key == entry.key) {
                Some(old) => {
                    old.key_span = entry.key_span;
                    merge(&mut old.value, entry.value);
                }
                None => entries.push(entry),
            }
        }
    } else {
        *base = over;
    }
}

/// Reads the one YAML document of `source`.
pub(crate) fn parse(source: &Source) -> Result<Node, Vec<Diagnostic>> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::PassThrough,
    };
    let raw: Spanned<Raw> =
        serde_yaml::from_str_with_options(&source.text, options).map_err(|error| vec![diagnose(source, &error)])?;
    Ok(locate(raw, &source.text))
}

fn diagnose(source: &Source, error: &serde_yaml::Error) -> Diagnostic {
    use serde_yaml::Error;

    let error = error.without_snippet();
    let start = error.location().map_or(0, |location| start_of(&location, &source.text));
    let end = source.text[start..].chars().next().map_or(start, |first| start + first.len_utf8());
    let at = |title: String, label: &str| Diagnostic::error(source, start..end, title, label);
    let too_large = || {
        at("the file is too large or too deep for a scenario".to_owned(), "gave up here")
            .with_help(format!("at most {MAX_NODES} values, nested {MAX_DEPTH} deep, aliases counted at each use"))
    };
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            let word = start..(start + key.len()).min(source.text.len());
            let span = if source.text.get(word.clone()) == Some(key.as_str()) { word } else { start..end };
            Diagnostic::error(source, span, format!("duplicate key `{key}`"), "given a second time here")
        }
        Error::MultipleDocuments { .. } => at("more than one YAML document".to_owned(), "expected the end of the file")
            .with_help("a file holds one scenario: give each its own"),
        Error::NullIntoString { .. } | Error::Unexpected { .. } => at("bad key".to_owned(), "expected a word"),
        Error::Budget { .. } => too_large(),
        other => {
            let text = other.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            match &*message {
                // The same, found inside an alias or before values are counted.
                text if text.starts_with("budget breached") || text == "recursion limit exceeded" => too_large(),
                "recursive references require weak recursion types" => {
                    at("an alias inside of what it stands for".to_owned(), "this would never end")
                }
                text => at("bad YAML".to_owned(), text),
            }
        }
    }
}

#[derive(Debug)]
enum Raw {
    Null,
    Plain,
    Text(String),
    Sequence(Vec<Spanned<Raw>>),
    Mapping(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::Sequence(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Mapping(entries))
    }
}

fn locate(raw: Spanned<Raw>, text: &str) -> Node {
    let span = span_of(&raw.defined, text);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Plain => Value::Scalar(text[span.clone()].to_owned()),
        Raw::Text(text) => Value::Scalar(text),
        Raw::Sequence(items) => Value::Sequence(items.into_iter().map(|item| locate(item, text)).collect()),
        Raw::Mapping(entries) => Value::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    key_span: span_of(&key.defined, text),
                    key: key.value,
                    value: locate(value, text),
                })
                .collect(),
        ),
    };
    Node { span, value }
}

fn span_of(location: &Location, text: &str) -> Range<usize> {
    let start = start_of(location, text);
    let len = location.span().byte_len().and_then(|len| usize::try_from(len).ok()).unwrap_or(0);
    let mut end = start.saturating_add(len).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    start..end
}

/// The byte offset of a location. Some of the parser's errors know their line and column only.
fn start_of(location: &Location, text: &str) -> usize {
    let span = location.span();
    let mut start = match span.byte_offset().and_then(|offset| usize::try_from(offset).ok()) {
        Some(offset) => offset,
        None => text.chars().take(usize::try_from(span.offset()).unwrap_or(usize::MAX)).map(char::len_utf8).sum(),
    };
    start = start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        parse(&Source::new("x.yaml", text)).unwrap()
    }

    fn scalars(node: &Node) -> Vec<&str> {
        match &node.value {
            Value::Null => vec!["(null)"],
            Value::Scalar(text) => vec![text],
            Value::Sequence(items) => items.iter().flat_map(scalars).collect(),
            Value::Mapping(entries) => {
                entries.iter().flat_map(|entry| [vec![entry.key.as_str()], scalars(&entry.value)].concat()).collect()
            }
        }
    }

    #[test]
    fn scalars_stay_as_they_were_written() {
        let text = "[\"12.4\", 12.4, 012, 0x10, 1e999, no, 'a b', é, ~, 1_000]";
        assert_eq!(scalars(&node(text)), ["12.4", "12.4", "012", "0x10", "1e999", "no", "a b", "é", "(null)", "1_000"]);
    }

    #[test]
    fn places_are_octets_of_the_text() {
        let text = "é: [1, {b: ü, c: [x]}]\nd:\n  - e: 1\n";
        let node = node(text);
        let at = |path: &[Key<'_>]| &text[node.place(path)];
        assert_eq!(at(&[Key::Name("é"), Key::Index(1), Key::Name("b")]), "ü");
        assert_eq!(at(&[Key::Name("é"), Key::Index(1), Key::Name("c"), Key::Index(7)]), "c");
        assert_eq!(at(&[Key::Name("d"), Key::Index(0)]), "e");
    }

    #[test]
    fn aliases_and_merge_keys_are_expanded() {
        assert_eq!(scalars(&node("a: &x {p: 1}\nb: {<<: *x, q: 2}")), ["a", "p", "1", "b", "q", "2", "p", "1"]);
        let bomb = (1..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
            let below = format!("*a{}", level - 1);
            text + &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 9].join(","))
        });
        let error = parse(&Source::new("x.yaml", bomb)).unwrap_err().remove(0);
        assert!(error.title.contains("too large") || error.title.contains("bad YAML"), "{error}");
    }

    #[test]
    fn mappings_merge_and_all_else_replaces() {
        let mut base = node("{a: {b: 1, c: [1, 2]}, d: 3}");
        merge(&mut base, node("{a: {c: [9], e: 5}, d: {f: 6}}"));
        assert_eq!(scalars(&base), ["a", "b", "1", "c", "9", "e", "5", "d", "f", "6"]);
    }
}
