//! strongSwan's settings format, in which `strongswan.conf` and `swanctl.conf` are written (strongswan.conf(5)).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::diag::{Diagnostic, Source};

/// Sections and includes nested deeper than this are refused.
const MAX_DEPTH: usize = 32;

/// References followed in one file, those of referenced sections included.
const MAX_REFERENCES: usize = 1000;

/// A section of a settings file, or the whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    entries: Vec<(String, Item)>,
    references: Vec<Reference>,
}

/// What stands under a name in a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `name = value`; the value may be empty.
    Value(String),
    /// `name { ... }`.
    Section(Section),
}

/// `: other.section` after a section's name: what is missing here is taken from there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reference {
    path: String,
    file: Source,
    span: Range<usize>,
}

impl Section {
    /// A section without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// The section with `name = value` set.
    pub fn with(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.set(&name.into(), value.to_string());
        self
    }

    /// The section with the subsection `name` merged in.
    pub fn with_section(mut self, name: impl Into<String>, section: Section) -> Self {
        self.merge_section(&name.into(), section);
        self
    }

    /// The value `name`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values().find_map(|(value_name, value)| (value_name == name).then_some(value))
    }

    /// The subsection `name`.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections().find_map(|(section_name, section)| (section_name == name).then_some(section))
    }

    /// The values of this section with their names, in order.
    pub fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|(name, item)| match item {
            Item::Value(value) => Some((name.as_str(), value.as_str())),
            Item::Section(_) => None,
        })
    }

    /// The subsections of this section with their names, in order.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &Section)> {
        self.entries.iter().filter_map(|(name, item)| match item {
            Item::Section(section) => Some((name.as_str(), section)),
            Item::Value(_) => None,
        })
    }

    /// Reads `entry` among `files`, which are also what its `include` patterns are looked up in.
    ///
    /// A pattern that matches none of the files includes nothing, as in strongSwan. A section given twice is merged, a
    /// value given twice is overridden, and references (`child : defaults { }`) are resolved.
    pub fn parse(files: &BTreeMap<String, String>, entry: &str) -> Result<Self, Box<Diagnostic>> {
        let mut root = Self::new();
        let text = files
            .get(entry)
            .ok_or_else(|| Diagnostic::plain(format!("there is no file `{entry}` to read strongSwan settings from")))?;
        Parser { files, source: Source::new(entry, text.as_str()), at: 0, depth: 0 }.statements(&mut root)?;
        let unresolved = root.clone();
        root.resolve(&unresolved, &mut 0)?;
        Ok(root)
    }

    /// Everything of `other` put into this section: sections are merged, values overridden.
    pub fn merge(&mut self, other: Section) {
        for (name, item) in other.entries {
            match item {
                Item::Value(value) => self.set(&name, value),
                Item::Section(section) => self.merge_section(&name, section),
            }
        }
        self.references.extend(other.references);
    }

    fn set(&mut self, name: &str, value: String) {
        let place = self.entries.iter_mut().find_map(|(entry_name, item)| match item {
            Item::Value(place) if entry_name == name => Some(place),
            _ => None,
        });
        match place {
            Some(place) => *place = value,
            None => self.entries.push((name.to_owned(), Item::Value(value))),
        }
    }

    fn merge_section(&mut self, name: &str, section: Section) {
        let place = self.entries.iter_mut().find_map(|(entry_name, item)| match item {
            Item::Section(place) if entry_name == name => Some(place),
            _ => None,
        });
        match place {
            Some(place) => place.merge(section),
            None => self.entries.push((name.to_owned(), Item::Section(section))),
        }
    }

    /// Adds what the references name and this section lacks. `root` is the whole file before any reference is resolved.
    fn resolve(&mut self, root: &Section, followed: &mut usize) -> Result<(), Box<Diagnostic>> {
        for reference in std::mem::take(&mut self.references) {
            let refuse =
                |title: &str, label: &str| Diagnostic::error(&reference.file, reference.span.clone(), title, label);
            *followed += 1;
            if *followed > MAX_REFERENCES {
                return Err(Box::new(refuse("section references go in a circle", "never ends")));
            }
            let Some(mut base) = root.at_path(&reference.path).cloned() else {
                let title = format!("there is no section `{}`", reference.path);
                return Err(Box::new(refuse(&title, "expected the full name of a section, with dots")));
            };
            base.resolve(root, followed)?;
            self.inherit(base);
        }
        for (_, item) in &mut self.entries {
            if let Item::Section(section) = item {
                section.resolve(root, followed)?;
            }
        }
        Ok(())
    }

    fn inherit(&mut self, base: Section) {
        for (name, item) in base.entries {
            let own = self.entries.iter_mut().find(|(own_name, own)| {
                *own_name == name && matches!(own, Item::Section(_)) == matches!(item, Item::Section(_))
            });
            match (own, item) {
                (Some((_, Item::Section(own))), Item::Section(section)) => own.inherit(section),
                (Some(_), _) => {}
                (None, item) => self.entries.push((name, item)),
            }
        }
    }

    fn at_path(&self, path: &str) -> Option<&Section> {
        path.split('.').try_fold(self, |section, name| section.section(name))
    }

    fn write(&self, formatter: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        for (name, item) in &self.entries {
            match item {
                Item::Value(value) => writeln!(formatter, "{:indent$}{name} = {}", "", quoted(value))?,
                Item::Section(section) => {
                    writeln!(formatter, "{:indent$}{name} {{", "")?;
                    section.write(formatter, indent + 2)?;
                    writeln!(formatter, "{:indent$}}}", "")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Section {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(formatter, 0)
    }
}

/// The value as it must be written: plain where that is read back as the same, else in quotes.
fn quoted(value: &str) -> String {
    let plain = |word: &str| !word.is_empty() && !word.contains(['#', '}', '"', '\r', '\n', '\t']);
    if value.split(' ').all(plain) {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '"' | '\\' => text.extend(['\\', character]),
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}

struct Parser<'a> {
    files: &'a BTreeMap<String, String>,
    source: Source,
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn statements(&mut self, section: &mut Section) -> Result<(), Box<Diagnostic>> {
        loop {
            self.skip_blank();
            match self.peek() {
                None => return Ok(()),
                Some('}') if self.depth > 0 => return Ok(()),
                Some(_) => self.statement(section)?,
            }
        }
    }

    fn statement(&mut self, section: &mut Section) -> Result<(), Box<Diagnostic>> {
        let start = self.at;
        let name = self.name();
        if name.is_empty() {
            return Err(self.unexpected("a name, `name = value` or `name {`"));
        }
        let blank_after_name = matches!(self.peek(), Some(' ' | '\t'));
        self.skip_blank();
        match self.peek() {
            Some('=') => {
                self.bump();
                let value = self.value()?;
                section.set(&name, value);
            }
            Some('{' | ':') => {
                let mut inner = Section { references: self.references()?, ..Section::default() };
                self.block(&mut inner, start)?;
                section.merge_section(&name, inner);
            }
            Some(_) if name == "include" && blank_after_name => self.include(section, start)?,
            _ => return Err(self.unexpected("`=`, `{` or `:` after the name")),
        }
        Ok(())
    }

    fn block(&mut self, inner: &mut Section, start: usize) -> Result<(), Box<Diagnostic>> {
        if self.peek() != Some('{') {
            return Err(self.unexpected("`{`"));
        }
        if self.depth == MAX_DEPTH {
            return Err(self.error(start..self.at, "sections are nested too deep", "one too many"));
        }
        self.bump();
        self.depth += 1;
        self.statements(inner)?;
        self.depth -= 1;
        if self.peek().is_none() {
            return Err(self.error(start..start + 1, "a section is not closed", "expected its `}` before the end"));
        }
        self.bump();
        Ok(())
    }

    fn references(&mut self) -> Result<Vec<Reference>, Box<Diagnostic>> {
        let mut references = Vec::new();
        while let Some(':' | ',') = self.peek() {
            self.bump();
            self.skip_blank();
            let start = self.at;
            let mut path = self.name();
            while self.peek() == Some('.') {
                self.bump();
                path.push('.');
                path += &self.name();
            }
            if path.is_empty() {
                return Err(self.unexpected("the name of a section to refer to"));
            }
            references.push(Reference { path, file: self.source.clone(), span: start..self.at });
            self.skip_blank();
        }
        Ok(references)
    }

    /// The parts of a value, up to the end of the line, with single spaces between them.
    fn value(&mut self) -> Result<String, Box<Diagnostic>> {
        let mut parts = Vec::new();
        loop {
            while let Some(' ' | '\t' | '\r') = self.peek() {
                self.bump();
            }
            match self.peek() {
                None | Some('\n' | '#' | '}') => return Ok(parts.join(" ")),
                Some('"') => parts.push(self.string()?),
                Some(_) => parts.push(self.take_until(&[' ', '\t', '\r', '\n', '#', '}', '"'])),
            }
        }
    }

    fn string(&mut self) -> Result<String, Box<Diagnostic>> {
        let start = self.at;
        self.bump();
        let mut text = String::new();
        while let Some(character) = self.bump() {
            match character {
                '"' => return Ok(text),
                '\r' => {}
                '\\' => match self.bump() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('\n') => {}
                    Some('\r') if self.peek() == Some('\n') => {
                        self.bump();
                    }
                    Some(other) => text.push(other),
                    None => break,
                },
                _ => text.push(character),
            }
        }
        Err(self.error(start..start + 1, "a string is not closed", "expected its `\"` before the end"))
    }

    fn include(&mut self, section: &mut Section, start: usize) -> Result<(), Box<Diagnostic>> {
        let pattern = match self.peek() {
            Some('"') => self.string()?,
            _ => self.take_until(&[' ', '\t', '\r', '\n', '#', '}']),
        };
        if self.depth == MAX_DEPTH {
            return Err(self.error(start..self.at, "includes are nested too deep", "one too many"));
        }
        let folder = self.source.path.parent().map(|folder| folder.join(&pattern).display().to_string());
        let pattern = folder.unwrap_or(pattern);
        for (path, text) in self.files.iter().filter(|(path, _)| matches(&pattern, path)) {
            let source = Source::new(path, text.as_str());
            let mut parser = Parser { files: self.files, source, at: 0, depth: self.depth + 1 };
            parser.statements(section)?;
            if parser.peek().is_some() {
                return Err(parser.unexpected("a statement"));
            }
        }
        Ok(())
    }

    fn name(&mut self) -> String {
        self.take_until(&['#', '{', '}', ':', '.', ',', '=', '"', '\r', '\n', '\t', ' '])
    }

    fn skip_blank(&mut self) {
        while let Some(character) = self.peek() {
            match character {
                ' ' | '\t' | '\r' | '\n' => {
                    self.bump();
                }
                '#' => {
                    self.take_until(&['\n']);
                }
                _ => return,
            }
        }
    }

    fn take_until(&mut self, ends: &[char]) -> String {
        let rest = &self.source.text[self.at..];
        let taken = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += taken.len();
        taken.to_owned()
    }

    fn peek(&self) -> Option<char> {
        self.source.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn unexpected(&self, expected: &str) -> Box<Diagnostic> {
        let (title, length) = match self.peek() {
            Some(found) => (format!("unexpected {found:?} in strongSwan settings"), found.len_utf8()),
            None => ("unexpected end of strongSwan settings".to_owned(), 0),
        };
        self.error(self.at..self.at + length, &title, &format!("expected {expected}"))
    }

    fn error(&self, span: Range<usize>, title: &str, label: &str) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(&self.source, span, title, label))
    }
}

/// Whether `path` matches `pattern`, in which `*` stands for any characters but `/`.
fn matches(pattern: &str, path: &str) -> bool {
    let slashes = |text: &str| text.matches('/').count();
    slashes(pattern) == slashes(path)
        && pattern.split('/').zip(path.split('/')).all(|(pattern, name)| fits(pattern, name))
}

/// The same within one folder. What stands between two `*` is taken where it comes first: no later place could do better.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let behind = |left: &str, part: &str| left.find(part).map(|at| at + part.len());
    let left = name.strip_prefix(first);
    let left = middle.split('*').try_fold(left.unwrap_or_default(), |left, part| Some(&left[behind(left, part)?..]));
    name.starts_with(first) && left.is_some_and(|left| left.ends_with(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn parse(text: &str) -> Result<Section, Box<Diagnostic>> {
        Section::parse(&BTreeMap::from([("swanctl.conf".to_owned(), text.to_owned())]), "swanctl.conf")
    }

    #[test]
    fn a_file_as_people_write_it() {
        let text = r##"# the customer's
connections {
  hub { # inline
    remote_addrs=198.51.100.1
    proposals = aes256-sha1-modp1536,  3des-md5-modp1024 # best first
    children { net { local_ts = 10.1.0.0/24 } }
  }
  hub { version = 1 }
}
secrets { ike-hub { secret = "a \"#}\" b" } empty = }
"##;
        let file = parse(text).unwrap();
        let hub = file.section("connections").unwrap().section("hub").unwrap();
        assert_eq!(hub.value("remote_addrs"), Some("198.51.100.1"));
        assert_eq!(hub.value("proposals"), Some("aes256-sha1-modp1536, 3des-md5-modp1024"));
        assert_eq!(hub.value("version"), Some("1"), "a section given twice is merged");
        assert_eq!(hub.section("children").unwrap().section("net").unwrap().value("local_ts"), Some("10.1.0.0/24"));
        let secrets = file.section("secrets").unwrap();
        assert_eq!(secrets.section("ike-hub").unwrap().value("secret"), Some("a \"#}\" b"));
        assert_eq!(secrets.value("empty"), Some(""));
        assert_eq!(parse(&file.to_string()).unwrap(), file);
    }

    #[test]
    fn references_fill_in_what_is_missing() {
        let text = "defaults { version = 1\n dpd_delay = 30\n local { auth = psk\n } }\n\
                    connections { hub : defaults { version = 2\n local { id = hub\n } } }";
        let file = parse(text).unwrap();
        let hub = file.section("connections").unwrap().section("hub").unwrap();
        assert_eq!((hub.value("version"), hub.value("dpd_delay")), (Some("2"), Some("30")));
        let local = hub.section("local").unwrap();
        assert_eq!((local.value("auth"), local.value("id")), (Some("psk"), Some("hub")));
    }

    #[test]
    fn includes_are_found_among_the_files() {
        let files = BTreeMap::from([
            ("swanctl.conf".to_owned(), "include conf.d/*.conf\nconnections { include none/*.conf\n }\n".to_owned()),
            ("conf.d/hub.conf".to_owned(), "connections { hub { version = 1\n } }".to_owned()),
            ("conf.d/old/spoke.conf".to_owned(), "connections { spoke { } }".to_owned()),
        ]);
        let file = Section::parse(&files, "swanctl.conf").unwrap();
        let names: Vec<_> = file.section("connections").unwrap().sections().map(|(name, _)| name).collect();
        assert_eq!(names, ["hub"]);
    }

    #[rstest]
    #[case("connections {\n hub {\n }\n", "swanctl.conf:1:1", "expected its `}`")]
    #[case("a { b c }", "swanctl.conf:1:7", "expected `=`, `{` or `:`")]
    #[case("a = 1\n}", "swanctl.conf:2:1", "expected a name")]
    #[case("a = \"x", "swanctl.conf:1:5", "a string is not closed")]
    #[case("a : b { }", "swanctl.conf:1:5", "there is no section `b`")]
    #[case("a : b { }\nb : a { }", "swanctl.conf:", "in a circle")]
    #[case("include swanctl.conf", "swanctl.conf:1:1", "nested too deep")]
    fn bad_files_are_pointed_at(#[case] text: &str, #[case] place: &str, #[case] why: &str) {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(place) && error.contains(why), "{error}");
    }

    fn any_section() -> impl Strategy<Value = Section> {
        let leaf = any::<String>().prop_map(|value| Item::Value(value.replace('\r', "")));
        let item = leaf.prop_recursive(3, 16, 4, |inner| {
            proptest::collection::vec(("[a-z][a-z0-9_-]{0,8}", inner), 0..4).prop_map(|items| Item::Section(of(items)))
        });
        proptest::collection::vec(("[a-z][a-z0-9_-]{0,8}", item), 0..5).prop_map(of)
    }

    fn of(items: Vec<(String, Item)>) -> Section {
        let mut section = Section::new();
        for (name, item) in items {
            section.merge(Section { entries: vec![(name, item)], references: Vec::new() });
        }
        section
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(section in any_section()) {
            let text = section.to_string();
            prop_assert_eq!(parse(&text).map_err(|error| error.to_string()), Ok(section), "{}", text);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "[a-z{}=:.,#\"\\\\ \n]{0,80}") {
            let _ = parse(&text);
        }
    }
}
