//! A TOML text as the tree of nodes that scenarios are read through, so that both tell their errors in one way.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diag::{Diagnostic, Source};
use crate::scenario::node::{Entry, Node, Value};

/// Reads the TOML document of `source`. All that is wrong with it is told.
pub(super) fn parse(source: &Source) -> Result<Node, Vec<Diagnostic>> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    if errors.is_empty() {
        return Ok(Node { span: 0..0, value: mapping(table.get_ref()) });
    }
    let tell = |error: &toml::de::Error| {
        let span = error.span().unwrap_or(0..0);
        Diagnostic::error(source, span, "bad TOML", error.message())
    };
    let mut told: Vec<Diagnostic> = errors.iter().map(tell).collect();
    // Every array that the end of the file leaves open is an error, each at that same place.
    told.dedup();
    Err(told)
}

fn mapping(table: &DeTable<'_>) -> Value {
    let mut entries: Vec<Entry> = table
        .iter()
        .map(|(key, value)| Entry { key: key.get_ref().to_string(), key_span: key.span(), value: node(value) })
        .collect();
    // The parser's map is in the order of the keys; a reader goes from the top.
    entries.sort_by_key(|entry| entry.key_span.start);
    Value::Mapping(entries)
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    let (span, value) = (value.span(), value.get_ref());
    let value = match value {
        DeValue::String(text) => Value::Scalar(text.to_string()),
        DeValue::Integer(number) => Value::Scalar(number.as_str().to_owned()),
        DeValue::Float(number) => Value::Scalar(number.as_str().to_owned()),
        DeValue::Boolean(truth) => Value::Scalar(truth.to_string()),
        DeValue::Datetime(moment) => Value::Scalar(moment.to_string()),
        DeValue::Array(items) => Value::Sequence(items.iter().map(node).collect()),
        DeValue::Table(table) => mapping(table),
    };
    Node { span, value }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::node::Key;

    #[test]
    fn places_are_those_of_the_text() {
        let text = "[implementation.\"my-5.9\"]\nkind = \"command\" # é\nlist = [1, true, { a = 'b' }]\n";
        let tree = parse(&Source::new("x.toml", text)).unwrap();
        let at = |path: &[Key<'_>]| &text[tree.place(path)];
        let name = [Key::Name("implementation"), Key::Name("my-5.9")];
        assert_eq!(at(&[name[0], name[1], Key::Name("kind")]), "\"command\"");
        assert_eq!(at(&[name[0], name[1], Key::Name("list"), Key::Index(1)]), "true");
        assert_eq!(at(&[name[0], name[1], Key::Name("list"), Key::Index(2), Key::Name("a")]), "'b'");
        assert_eq!(at(&[name[0], name[1]]), "\"my-5.9\"");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            if let Err(errors) = parse(&Source::new("x.toml", text)) {
                prop_assert!(!errors.is_empty());
                errors.iter().for_each(|error| drop(error.render(false)));
            }
        }
    }
}
