//! The names of implementations, and which of them there are.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::diag::Diagnostic;
use crate::scenario::decode::closest;
use crate::scenario::text;

/// The name of an implementation, such as `strongswan`, `strongswan-5.9` or `my-ike`. A clone costs next to nothing.
///
/// It is a part of cell names, folders and files: lower-case letters, digits, `-`, `_` and `.`, 32 at most, the first a letter.
/// Which names there are, [`Names`] knows.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImplementationName(Arc<str>);

/// The longest name, in octets.
const LONGEST: usize = 32;

/// A text that cannot name an implementation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be the name of an implementation: expected at most {LONGEST} lower-case letters, digits, `-`, `_` and `.`, \
     a letter first"
)]
pub struct BadImplementationName(String);

impl ImplementationName {
    /// The name as scenarios write it.
    pub fn word(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImplementationName {
    type Err = BadImplementationName;

    fn from_str(text: &str) -> Result<Self, BadImplementationName> {
        let fits = |character| matches!(character, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
        if text.len() <= LONGEST && text.starts_with(|first: char| first.is_ascii_lowercase()) && text.chars().all(fits)
        {
            Ok(Self(text.into()))
        } else {
            Err(BadImplementationName(text.to_owned()))
        }
    }
}

impl fmt::Display for ImplementationName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for ImplementationName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for ImplementationName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// An implementation that scenarios may name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: ImplementationName,
    /// What it is, in one sentence.
    #[serde(default)]
    pub about: String,
    /// Whether scenarios whose matrix names no implementation run with it.
    #[serde(default)]
    pub usual: bool,
    /// It runs in every scenario whose matrix has this implementation.
    #[serde(default)]
    pub beside: Option<ImplementationName>,
    /// What it is another version of: that one's configuration files and expected log lines are its own too, where a
    /// scenario has none for it.
    #[serde(default)]
    pub kin: Option<ImplementationName>,
}

impl Named {
    /// An implementation that runs where it is named.
    pub fn new(name: ImplementationName, about: impl Into<String>) -> Self {
        Self { name, about: about.into(), usual: false, beside: None, kin: None }
    }
}

/// The implementations that scenarios may name, in the order cells have them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names(Vec<Named>);

impl Names {
    /// These, in this order.
    pub fn new(named: impl IntoIterator<Item = Named>) -> Self {
        Self(named.into_iter().collect())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Named> {
        self.0.iter()
    }

    /// Those a scenario runs with whose matrix names none.
    pub fn usual(&self) -> Vec<ImplementationName> {
        self.0.iter().filter(|named| named.usual).map(|named| named.name.clone()).collect()
    }

    /// Adds one at the end.
    pub(crate) fn add(&mut self, named: Named) {
        self.0.push(named);
    }

    /// Makes exactly these the usual ones.
    pub(crate) fn set_usual(&mut self, usual: &[ImplementationName]) {
        for named in &mut self.0 {
            named.usual = usual.contains(&named.name);
        }
    }

    /// What a scenario runs with whose matrix has `wanted`: these or the usual ones, and those that run beside one of them,
    /// in their order and each once.
    pub(crate) fn row(&self, wanted: &[ImplementationName]) -> Vec<ImplementationName> {
        let mut row: Vec<ImplementationName> = Vec::new();
        for named in &self.0 {
            let own = if wanted.is_empty() { named.usual } else { wanted.contains(&named.name) };
            // What one runs beside comes before it in the order.
            if own || named.beside.as_ref().is_some_and(|beside| row.contains(beside)) {
                row.push(named.name.clone());
            }
        }
        row
    }

    /// Gives each implementation that has nothing in `map` what the one has that it is another version of.
    pub(crate) fn inherit<T: Clone>(&self, map: &mut BTreeMap<ImplementationName, T>) {
        for named in &self.0 {
            let Some(kin) = &named.kin else { continue };
            if !map.contains_key(&named.name)
                && let Some(value) = map.get(kin).cloned()
            {
                map.insert(named.name.clone(), value);
            }
        }
    }

    /// The place of `name` in the order; `None` when there is no such implementation.
    pub fn position(&self, name: &ImplementationName) -> Option<usize> {
        self.0.iter().position(|named| named.name == *name)
    }

    /// Refuses a name that no implementation has.
    pub fn known(&self, name: &ImplementationName) -> Result<(), UnknownImplementation> {
        match self.position(name) {
            Some(_) => Ok(()),
            None => Err(UnknownImplementation {
                name: name.clone(),
                valid: self.0.iter().map(|named| named.name.clone()).collect(),
            }),
        }
    }
}

/// A name that no implementation has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown implementation `{name}`: {}", self.label())]
pub struct UnknownImplementation {
    /// The name.
    pub name: ImplementationName,
    /// Those there are.
    pub valid: Vec<ImplementationName>,
}

impl UnknownImplementation {
    /// What is wrong, without what would be right.
    pub(crate) fn title(&self) -> String {
        format!("unknown implementation `{}`", self.name)
    }

    /// What would be right.
    pub(crate) fn label(&self) -> String {
        let valid: Vec<&str> = self.valid.iter().map(ImplementationName::word).collect();
        format!("expected one of {}", valid.join(", "))
    }

    /// The name that was probably meant, or where names come from.
    pub(crate) fn help(&self) -> String {
        let valid: Vec<&str> = self.valid.iter().map(ImplementationName::word).collect();
        match closest(self.name.word(), &valid) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`ike-interop doctor` lists all implementations".to_owned(),
        }
    }

    /// For a name that stands in no file.
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::plain(self.to_string()).with_help(self.help())
    }
}

impl<'de> Deserialize<'de> for ImplementationName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parsed(deserializer)
    }
}

/// Any text; the schema of a scenario lists the names there are in its place.
impl JsonSchema for ImplementationName {
    fn schema_name() -> Cow<'static, str> {
        "ImplementationName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("strongswan", true)]
    #[case("strongswan-5.9", true)]
    #[case("my_ike2", true)]
    #[case("a23456789012345678901234567890ab", true)]
    #[case("a23456789012345678901234567890abc", false)]
    #[case("", false)]
    #[case("5.9", false)]
    #[case("..", false)]
    #[case("strongSwan", false)]
    #[case("a/b", false)]
    #[case("a:fixed", false)]
    #[case("a@b", false)]
    #[case("ä", false)]
    fn what_can_be_a_name(#[case] text: &str, #[case] can: bool) {
        let name = text.parse::<ImplementationName>();
        assert_eq!(name.is_ok(), can, "{name:?}");
        assert_eq!(name.map_or(String::new(), |name| name.to_string()), if can { text } else { "" });
    }

    #[test]
    fn an_unknown_name_is_told_with_the_one_that_was_meant() {
        let named = |name: &str, usual| Named { usual, ..Named::new(name.parse().unwrap(), "") };
        let names = Names::new([named("builtin", true), named("strongswan", true), named("my-ike", false)]);
        assert_eq!(names.usual().iter().map(ImplementationName::word).collect::<Vec<_>>(), ["builtin", "strongswan"]);
        let unknown = names.known(&"strongswann".parse().unwrap()).unwrap_err();
        let told = unknown.diagnostic();
        assert_eq!(told.title, "unknown implementation `strongswann`: expected one of builtin, strongswan, my-ike");
        assert_eq!(told.help.as_deref(), Some("did you mean `strongswan`?"));
        let unknown = names.known(&"x".parse().unwrap()).unwrap_err();
        assert_eq!(unknown.help(), "`ike-interop doctor` lists all implementations");
    }

    #[rstest]
    #[case(&[], "builtin strongswan strongswan-5_9")]
    #[case(&["strongswan"], "strongswan strongswan-5_9")]
    #[case(&["my-ike", "builtin", "builtin"], "builtin my-ike")]
    #[case(&["strongswan-5_9"], "strongswan-5_9")]
    fn what_runs_beside_another_runs_wherever_that_does(#[case] wanted: &[&str], #[case] row: &str) {
        let name = |name: &str| name.parse::<ImplementationName>().unwrap();
        let plain = |word: &str, usual| Named { usual, ..Named::new(name(word), "") };
        let version = Named {
            beside: Some(name("strongswan")),
            kin: Some(name("strongswan")),
            ..Named::new(name("strongswan-5_9"), "")
        };
        let names = Names::new([plain("builtin", true), plain("strongswan", true), plain("my-ike", false), version]);
        let wanted: Vec<_> = wanted.iter().map(|word| name(word)).collect();
        assert_eq!(names.row(&wanted).iter().map(ImplementationName::word).collect::<Vec<_>>().join(" "), row);
        let mut map = BTreeMap::from([(name("strongswan"), 1)]);
        names.inherit(&mut map);
        assert_eq!(map.get(&name("strongswan-5_9")), Some(&1));
        map.insert(name("strongswan-5_9"), 2);
        names.inherit(&mut map);
        assert_eq!(map[&name("strongswan-5_9")], 2, "its own comes first");
    }
}
