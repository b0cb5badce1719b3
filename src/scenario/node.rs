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
pub(crate) fn parse(source: &Source) -> Result<Node, Diagnostic> {
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
        serde_yaml::from_str_with_options(&source.text, options).map_err(|error| diagnose(source, &error))?;
    Ok(locate(raw, &source.text))
}

fn diagnose(source: &Source, error: &serde_yaml::Error) -> Diagnostic {
    use serde_yaml::Error;

    let error = error.without_snippet();
    let start = error.location().map_or(0, |location| start_of(&location, &source.text));
    let end = source.text[start..].chars().next().map_or(start, |first| start + first.len_utf8());
    let at = |title: String, label: &str| Diagnostic::error(source, start..end, title, label);
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            let word = start..(start + key.len()).min(source.text.len());
            let span = if source.text.get(word.clone()) == Some(key.as_str()) { word } else { start..end };
            Diagnostic::error(source, span, format!("duplicate key `{key}`"), "given a second time here")
        }
        Error::MultipleDocuments { .. } => at("more than one YAML document".to_owned(), "expected the end of the file")
            .with_help("a file holds one scenario: give each its own"),
        Error::NullIntoString { .. } | Error::Unexpected { .. } => at("bad key".to_owned(), "expected a word"),
        Error::Budget { .. } => at("the file is too large or too deep for a scenario".to_owned(), "gave up here")
            .with_help(format!("at most {MAX_NODES} values, nested {MAX_DEPTH} deep, aliases counted at each use")),
        other => {
            let text = other.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            at("bad YAML".to_owned(), &message)
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

    #[test]
    fn probe() {
        let text = "title: ö 12.4\nm: [\"12.4\", 15.x, xe16, 012, 1e999, ~, ]\nempty:\npsk: 0x10 # hi\nq: 'a b'\nb: |\n  x\n  y\nn: !!str 12\nyes: no\na: &a {x: 1}\nc: *a\nd: {<<: *a, y: 2}\ne:\n  - ping: {a: 1}\n  - two\n";
        let source = Source::new("x.yaml", text);
        let node = parse(&source).unwrap();
        fn show(node: &Node, text: &str, depth: usize) {
            let pad = "  ".repeat(depth);
            match &node.value {
                Value::Null => println!("{pad}null {:?} {:?}", node.span, &text[node.span.clone()]),
                Value::Scalar(s) => println!("{pad}{s:?} {:?} {:?}", node.span, &text[node.span.clone()]),
                Value::Sequence(items) => {
                    println!("{pad}seq {:?} {:?}", node.span, &text[node.span.clone()]);
                    items.iter().for_each(|i| show(i, text, depth + 1));
                }
                Value::Mapping(items) => {
                    println!("{pad}map {:?} {:?}", node.span, &text[node.span.clone()]);
                    items.iter().for_each(|i| {
                        println!("{pad} key {:?} {:?}", i.key, &text[i.key_span.clone()]);
                        show(&i.value, text, depth + 2)
                    });
                }
            }
        }
        show(&node, text, 0);
        for bad in [
            "a: 1\na: 2\n",
            "a: [1, 2\n",
            "a: b: c\n",
            "",
            "a: *x\n",
            "a: !foo 1\n",
            "---\na: 1\n---\nb: 1\n",
            "\ta: 1\n",
            "? [a]\n: 1\n",
            "a: \"x\n",
            "- 1\n b",
            "a: {b: 1, b: 2}",
            "a: 1\n}\n",
            "{[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
            "!!binary a: !!binary x",
            "null: 1",
            "1: 1",
        ] {
            println!("== {bad:?}");
            match parse(&Source::new("x.yaml", bad)) {
                Ok(n) => println!("{n:?}"),
                Err(e) => println!("{e}"),
            }
        }
    }
}
