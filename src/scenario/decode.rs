//! From nodes to types by serde, with the place of every error.

use std::fmt::{self, Display};
use std::ops::Range;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, Unexpected, VariantAccess,
    Visitor,
};

use crate::diag::{Diagnostic, Source};
use crate::scenario::node::{Entry, Node, Value};

/// Reads a `T` from the tree of `source`.
pub(crate) fn decode<T: DeserializeOwned>(source: &Source, node: &Node) -> Result<T, Vec<Diagnostic>> {
    T::deserialize(Decoder { node, owner: &node.span }).map_err(|error| {
        let span = error.span.unwrap_or_else(|| node.span.clone());
        let mut diagnostic = Diagnostic::error(source, span, error.title, error.label);
        diagnostic.help = error.help;
        vec![diagnostic]
    })
}

/// The word of `valid` that `word` is most likely a slip of the pen for.
pub(crate) fn closest<'a>(word: &str, valid: &[&'a str]) -> Option<&'a str> {
    similar::get_close_matches(word, valid, 1, 0.6).first().copied()
}

#[derive(Debug)]
struct DecodeError {
    span: Option<Range<usize>>,
    title: String,
    label: String,
    help: Option<String>,
}

impl DecodeError {
    fn new(title: String, label: String) -> Self {
        Self { span: None, title, label, help: None }
    }

    fn unknown(what: &str, word: &str, valid: &'static [&'static str]) -> Self {
        let label = match valid {
            [] => "nothing is allowed here".to_owned(),
            valid => format!("expected one of {}", valid.join(", ")),
        };
        let help = closest(word, valid).map(|near| format!("did you mean `{near}`?"));
        Self { help, ..Self::new(format!("unknown {what} `{word}`"), label) }
    }

    fn at(mut self, span: &Range<usize>) -> Self {
        self.span.get_or_insert_with(|| span.clone());
        self
    }
}

impl Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.title, self.label)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    /// A message of the form `what was found: expected what` is split into title and label.
    fn custom<T: Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once(": expected ") {
            Some((title, label)) => Self::new(title.to_owned(), format!("expected {label}")),
            None => Self::new(message, String::new()),
        }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match unexpected {
            Unexpected::Str(text) => format!("`{text}`"),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Map => "a mapping".to_owned(),
            Unexpected::Unit => "nothing".to_owned(),
            Unexpected::UnitVariant => "a word alone".to_owned(),
            other => other.to_string(),
        };
        Self::new(format!("found {found}"), format!("expected {expected}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown("key", field, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::unknown("word", variant, expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("missing key `{field}`"), format!("expected the key `{field}` below this"))
    }
}

/// A node, and what an error about the whole of a collection points at: the key it belongs to.
#[derive(Clone, Copy)]
struct Decoder<'a> {
    node: &'a Node,
    owner: &'a Range<usize>,
}

impl<'a> Decoder<'a> {
    fn place(self) -> &'a Range<usize> {
        match &self.node.value {
            Value::Scalar(_) if !self.node.span.is_empty() => &self.node.span,
            Value::Mapping(entries) if self.owner.is_empty() => {
                entries.first().map_or(self.owner, |entry| &entry.key_span)
            }
            _ => self.owner,
        }
    }

    fn mismatch(self, expected: &dyn de::Expected) -> DecodeError {
        let found = match &self.node.value {
            Value::Null => Unexpected::Unit,
            Value::Scalar(text) => Unexpected::Str(text),
            Value::Sequence(_) => Unexpected::Seq,
            Value::Mapping(_) => Unexpected::Map,
        };
        de::Error::invalid_type(found, expected)
    }

    fn number<T: std::str::FromStr>(self) -> Result<T, DecodeError> {
        let number = match &self.node.value {
            Value::Scalar(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.mismatch(&"a whole number that is not too large").at(self.place()))
    }

    fn sequence<V: Visitor<'a>>(self, items: &'a [Node], visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(Items { items: items.iter() }).map_err(|error| error.at(self.place()))
    }

    fn mapping<V: Visitor<'a>>(self, entries: &'a [Entry], visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(Entries { entries: entries.iter(), current: None }).map_err(|error| error.at(self.place()))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            visitor.$visit(self.number()?).map_err(|error: DecodeError| error.at(self.place()))
        })+
    };
}

impl<'de> Deserializer<'de> for Decoder<'de> {
    type Error = DecodeError;

    numbers! {
        deserialize_u8 visit_u8
        deserialize_u16 visit_u16
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(text) => visitor.visit_str(text),
            Value::Sequence(items) => return self.sequence(items, visitor),
            Value::Mapping(entries) => return self.mapping(entries, visitor),
        }
        .map_err(|error: DecodeError| error.at(self.place()))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Scalar(text) if text == "true" => visitor.visit_bool(true),
            Value::Scalar(text) if text == "false" => visitor.visit_bool(false),
            _ => Err(self.mismatch(&"true or false").at(self.place())),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Scalar(text) => visitor.visit_str(text).map_err(|error: DecodeError| error.at(self.place())),
            _ => Err(self.mismatch(&"a text").at(self.place())),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Sequence(items) => self.sequence(items, visitor),
            _ => Err(self.mismatch(&"a list, such as [a, b]").at(self.place())),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Mapping(entries) => self.mapping(entries, visitor),
            Value::Null => self.mapping(&[], visitor),
            _ => Err(self.mismatch(&"keys and values").at(self.place())),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.node.value {
            Value::Mapping(entries) => self.mapping(entries, visitor),
            Value::Null => self.mapping(&[], visitor),
            _ => {
                let expected = format!("a mapping with keys of {}", fields.join(", "));
                Err(self.mismatch(&expected.as_str()).at(self.place()))
            }
        }
    }

    /// A word alone is a variant without a value, or one whose value has defaults throughout; a mapping of one key is
    /// a variant with its value.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let variant = match &self.node.value {
            Value::Scalar(word) => Variant { word, span: self.place(), value: None },
            Value::Mapping(entries) if entries.len() == 1 => {
                Variant { word: &entries[0].key, span: &entries[0].key_span, value: Some(&entries[0].value) }
            }
            Value::Mapping(entries) if entries.len() > 1 => {
                let error = DecodeError::new(
                    format!("`{}` beside `{}`", entries[1].key, entries[0].key),
                    format!("expected only one of {}", variants.join(", ")),
                );
                return Err(error.at(&entries[1].key_span));
            }
            _ => {
                let expected = format!("one of {}", variants.join(", "));
                return Err(self.mismatch(&expected.as_str()).at(self.place()));
            }
        };
        visitor.visit_enum(variant).map_err(|error| error.at(self.place()))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
}

impl<'a> de::SeqAccess<'a> for Items<'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(node) = self.items.next() else { return Ok(None) };
        seed.deserialize(Decoder { node, owner: &node.span }).map(Some)
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
}

impl<'a> de::MapAccess<'a> for Entries<'a> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        self.current = self.entries.next();
        let Some(entry) = self.current else { return Ok(None) };
        let key: StrDeserializer<'a, DecodeError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.at(&entry.key_span))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let entry =
            self.current.ok_or_else(|| <DecodeError as de::Error>::custom("a value was asked for before its key"))?;
        seed.deserialize(Decoder { node: &entry.value, owner: &entry.key_span })
            .map_err(|error| error.at(&entry.key_span))
    }
}

/// The value of a variant that stands as a word alone.
static NOTHING: Node = Node { span: 0..0, value: Value::Null };

struct Variant<'a> {
    word: &'a str,
    span: &'a Range<usize>,
    value: Option<&'a Node>,
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let word: StrDeserializer<'a, DecodeError> = self.word.into_deserializer();
        match seed.deserialize(word) {
            Ok(value) => Ok((value, self)),
            Err(error) => Err(error.at(self.span)),
        }
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.value {
            None | Some(Node { value: Value::Null, .. }) => Ok(()),
            Some(_) => Err(DecodeError::new(
                format!("`{}` with a value", self.word),
                format!("expected the word `{}` alone", self.word),
            )
            .at(self.span)),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value, DecodeError> {
        seed.deserialize(Decoder { node: self.value.unwrap_or(&NOTHING), owner: self.span })
    }

    fn tuple_variant<V: Visitor<'a>>(self, _len: usize, visitor: V) -> Result<V::Value, DecodeError> {
        Err(de::Error::invalid_type(Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        Err(de::Error::invalid_type(Unexpected::StructVariant, &visitor))
    }
}
