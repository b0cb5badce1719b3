//! The texts of `ike-interop.toml` that are checked when they are read: templates, patterns, command lines.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};
use regex::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer};

use crate::scenario::text::texts;

/// A text in which `{{ tunnel.local }}` and the like stand for values.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Template(Arc<str>);

/// A text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a template: {0}")]
pub(crate) struct BadTemplate(String);

impl Template {
    /// The text with its values; the reason when one of them is not there.
    pub(crate) fn render(&self, values: &minijinja::Value) -> Result<String, String> {
        environment().render_str(&self.0, values).map_err(|error| reason(&error))
    }

    /// The text itself, when no value stands in it.
    pub(crate) fn plain(&self) -> Option<&str> {
        (!self.0.contains('{')).then_some(&*self.0)
    }

    /// Whether the value called `name` stands in it.
    pub(crate) fn uses(&self, name: &str) -> bool {
        let environment = environment();
        let parsed = environment.template_from_str(&self.0);
        parsed.is_ok_and(|template| template.undeclared_variables(false).contains(name))
    }
}

/// Templates are strict: a name that means nothing is an error, no empty text.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    // The delimiters are the usual ones, which are valid.
    if let Ok(syntax) = syntax {
        environment.set_syntax(syntax);
    }
    environment
}

/// What is wrong with a template, in one line and without its place.
pub(crate) fn reason(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

impl FromStr for Template {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        match environment().template_from_str(text) {
            Ok(_) => Ok(Self(text.into())),
            Err(error) => Err(BadTemplate(reason(&error))),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0)
    }
}

/// A regular expression.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(pub(crate) Regex);

/// A text that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a regular expression: {0}")]
pub(crate) struct BadPattern(String);

/// What an expression may take when it is compiled, in octets.
const LARGEST_PATTERN: usize = 1 << 20;

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        let built = RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build();
        built.map(Self).map_err(|error| {
            // The last line says what is wrong; those before it draw the expression.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            BadPattern(last.trim_start_matches("error: ").to_owned())
        })
    }
}

/// A program and its arguments, each a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine(pub(crate) Vec<Template>);

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<Template>::deserialize(deserializer)?;
        if words.is_empty() {
            Err(de::Error::custom("an empty list: expected a program and its arguments"))
        } else {
            Ok(Self(words))
        }
    }
}

impl JsonSchema for CommandLine {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CommandLine".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let word = generator.subschema_for::<Template>();
        json_schema!({
            "type": "array",
            "items": word,
            "minItems": 1,
            "description": "A program and its arguments. It runs in the implementation's namespaces, without a shell.",
        })
    }
}

texts! {
    Template, "Template", "A text; {{ tunnel.local }} and the like stand for values (minijinja).", "";
    Pattern, "Pattern", "A regular expression, looked for anywhere in a text.", "";
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("(", "not a regular expression: unclosed group")]
    #[case("a{1000}{1000}{1000}", "not a regular expression: Compiled regex exceeds size limit")]
    fn patterns_that_are_none(#[case] text: &str, #[case] why: &str) {
        let error = text.parse::<Pattern>().unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }

    #[rstest]
    #[case("{{ a", "not a template: syntax error: ")]
    #[case("{% for x in y %}", "not a template: syntax error: ")]
    fn templates_that_are_none(#[case] text: &str, #[case] why: &str) {
        let error = text.parse::<Template>().unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }

    #[test]
    fn templates_are_strict_and_know_their_values() {
        let template: Template = "-f {{ config }}/x".parse().unwrap();
        assert_eq!(template.render(&minijinja::context! { config => "/run" }).unwrap(), "-f /run/x");
        assert!(template.render(&minijinja::context! {}).unwrap_err().contains("undefined"));
        assert!(template.uses("config") && !template.uses("pair"));
        assert_eq!((template.plain(), "a".parse::<Template>().unwrap().plain()), (None, Some("a")));
    }
}
