//! How the words and texts of a scenario become checked types, and how the JSON schema describes them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::Ipv4Addr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};

use crate::crypto::Group;
use crate::ios::Release;
use crate::scenario::units::{Span, UnitError};

/// An enum of words, with its `ALL`, `word`, `about`, text forms and schema.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($(#[$attribute:meta])* $item:ident = $word:literal: $about:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize, serde::Serialize)]
        pub enum $name {
            $(#[doc = $about] $(#[$attribute])* #[serde(rename = $word)] $item,)+
        }

        impl $name {
            /// Every value, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$item,)+];

            /// The word scenarios use for it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$item => $word,)+
                }
            }

            /// What it means, in one sentence.
            #[allow(dead_code, reason = "not every list of words is told in prose")]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$item => $about,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::scenario::text::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|value| value.word() == word).ok_or_else(|| {
                    $crate::scenario::text::UnknownWord {
                        word: word.to_owned(),
                        kind: $kind,
                        valid: Self::ALL.iter().map(|value| value.word()).collect(),
                    }
                })
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::scenario::text::word_schema(&[$(($word, $about),)+])
            }
        }
    };
}

/// Deserializing and a schema for a type that is read from a text by `FromStr`.
macro_rules! texts {
    ($($name:ty, $schema_name:literal, $about:literal, $pattern:literal;)+) => {
        $(impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::scenario::text::parsed(deserializer)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $schema_name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $about, "pattern": $pattern })
            }
        })+
    };
}

pub(crate) use {texts, words};

/// A word that is none of a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {kind}: expected one of {list}", list = valid.join(", "))]
pub struct UnknownWord {
    /// The word that was found.
    pub word: String,
    /// What it should have been.
    pub kind: &'static str,
    /// The words that are known.
    pub valid: Vec<&'static str>,
}

/// The schema of a choice of words, each with its meaning.
pub(crate) fn word_schema(words: &[(&str, &str)]) -> Schema {
    let choices: Vec<_> = words
        .iter()
        .map(|(word, about)| serde_json::json!({ "type": "string", "const": word, "description": about }))
        .collect();
    json_schema!({ "oneOf": choices })
}

/// Reads a `T` from a text; what its `FromStr` says is the error.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(Reader(|text: &str| text.parse().map_err(|error: T::Err| error.to_string())))
}

/// Reads a text with a function, so that its error is one about the text's place.
struct Reader<F>(F);

impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Reader<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a word")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

/// Reads an IPv4 address of one host.
pub(crate) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ipv4Addr, D::Error> {
    deserializer.deserialize_str(Reader(|text: &str| {
        let address: Ipv4Addr =
            text.parse().map_err(|_| format!("`{text}` is no IPv4 address: expected one such as 192.0.2.10"))?;
        if address.is_unspecified() || address.is_multicast() || address.is_broadcast() || address.is_loopback() {
            return Err(format!("`{address}` is no address of a host: expected one such as 192.0.2.10"));
        }
        Ok(address)
    }))
}

/// Reads an optional IPv4 address of one host.
pub(crate) fn some_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ipv4Addr>, D::Error> {
    address(deserializer).map(Some)
}

/// Reads `none` or a Diffie-Hellman group.
pub(crate) fn pfs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Group>, D::Error> {
    deserializer.deserialize_str(Reader(|text: &str| {
        if text == "none" {
            return Ok(None);
        }
        let valid = || Group::ALL.iter().map(|group| group.word()).collect::<Vec<_>>().join(", ");
        text.parse().map(Some).map_err(|_| format!("`{text}` is no PFS group: expected one of none, {}", valid()))
    }))
}

/// Reads an SA lifetime: whole seconds that fit the 32 bits of the attribute.
pub(crate) fn lifetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    deserializer.deserialize_str(Reader(|text: &str| {
        let span: Span = text.parse().map_err(|error: UnitError| error.to_string())?;
        if span.0.subsec_nanos() == 0 && (1..=u64::from(u32::MAX)).contains(&span.as_secs()) {
            Ok(span)
        } else {
            Err(format!("`{text}` is no lifetime: expected whole seconds, from 1s to {}s", u32::MAX))
        }
    }))
}

/// Reads a list that must have something in it.
pub(crate) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.is_empty() { Err(de::Error::custom("an empty list: expected at least one item")) } else { Ok(list) }
}

/// Reads one item, or a list of them.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(OneOrMany { none: false, item: PhantomData })
}

/// Reads `none`, one item, or a list of them.
pub(crate) fn none_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(OneOrMany { none: true, item: PhantomData })
}

struct OneOrMany<T> {
    none: bool,
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("one item or a list")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        if self.none && text == "none" {
            return Ok(Vec::new());
        }
        T::deserialize(de::value::StrDeserializer::new(text)).map(|item| vec![item])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element()? {
            list.push(item);
        }
        Ok(list)
    }
}

/// The schema of [`one_or_many`].
pub(crate) fn one_or_many_schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let one = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
}

/// The schema of an IPv4 network.
pub(crate) fn prefix_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "description": "An IPv4 network, such as 10.1.0.0/24.",
        "pattern": "^[0-9]+(\\.[0-9]+){3}(/[0-9]{1,2})?$",
    })
}

/// The schema of a PFS group.
pub(crate) fn pfs_schema(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<_> = std::iter::once("none").chain(Group::ALL.iter().map(|group| group.word())).collect();
    json_schema!({ "type": "string", "enum": words })
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl JsonSchema for Release {
    fn schema_name() -> Cow<'static, str> {
        "Release".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "An IOS release.", "enum": Release::ALL.map(Release::word) })
    }
}
