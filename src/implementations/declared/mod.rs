//! Implementations that a user declares in `ike-interop.toml`, without Rust.

pub(crate) mod file;
mod schema;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use file::{Beside, CommandFile, ConfigFile, VersionFile};

pub use schema::schema;

use crate::diag::{Diagnostic, Source};
use crate::implementations::command::Command;
use crate::implementations::registry::Kind;
use crate::implementations::{Implementation, Registry};
use crate::scenario::decode::{closest, decode};
use crate::scenario::names::{ImplementationName, Named};
use crate::scenario::node::{Entry, Key, Node, Value};

/// What the file is called.
pub const FILE_NAME: &str = "ike-interop.toml";

/// The longest file that is read, in octets.
const MAX_FILE: u64 = 1 << 20;

/// The file for scenarios at `path`: beside them, or in the nearest folder above that has one.
pub fn find(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    path.ancestors().map(|folder| folder.join(FILE_NAME)).find(|file| file.is_file())
}

/// The implementations there are with what the file at `path` declares.
///
/// # Errors
///
/// All that is wrong with the file and the templates it names, with the place of each.
pub fn load(path: &Path) -> Result<Registry, Vec<Diagnostic>> {
    let source = Source::read(path, MAX_FILE).map_err(|error| vec![error.diagnostic(path)])?;
    let folder = path.parent().unwrap_or(Path::new(""));
    // Daemons start in folders of their own: every path is absolute from here on.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    interpret(&source, &folder)
}

/// Where a declaration stands, and what its paths are relative to.
pub(crate) struct Place<'a> {
    pub(crate) source: &'a Source,
    pub(crate) node: &'a Node,
    pub(crate) folder: &'a Path,
    pub(crate) programs: &'a BTreeMap<String, PathBuf>,
}

impl Place<'_> {
    /// An error about the value at a path of keys.
    pub(crate) fn error(&self, path: &[Key<'_>], title: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.source, self.node.place(path), title, label)
    }
}

/// The implementations there are with what the text of such a file declares; paths in it start at `folder`.
///
/// # Errors
///
/// As [`load`].
pub fn interpret(source: &Source, folder: &Path) -> Result<Registry, Vec<Diagnostic>> {
    let mut tree = tree::parse(source)?;
    let declarations = tree.take("implementation");
    let file: ConfigFile = decode(source, &tree)?;
    let programs: BTreeMap<String, PathBuf> =
        file.programs.into_iter().map(|(name, path)| (name, folder.join(path))).collect();
    let mut errors = Vec::new();
    for (name, path) in programs.iter().filter(|(_, path)| !path.is_file()) {
        let title = format!("there is no file {}", path.display());
        errors.push(Diagnostic::error(
            source,
            tree.place(&["programs", name].map(Key::Name)),
            title,
            "expected a program",
        ));
    }
    let mut registry = Registry::built_in().with_programs(programs.clone());
    let entries = match declarations {
        None => Vec::new(),
        Some(Entry { value: Node { value: Value::Mapping(entries), .. }, .. }) => entries,
        Some(entry) => {
            let label = "expected a table for each, such as [implementation.my-ike]";
            return Err(vec![Diagnostic::error(source, entry.key_span, "no table", label)]);
        }
    };
    for entry in entries {
        match declaration(source, entry, folder, &programs, &registry) {
            Ok((named, driver)) => registry.add(named, driver),
            Err(more) => errors.extend(more),
        }
    }
    for (index, name) in file.usual.iter().enumerate() {
        if let Err(unknown) = registry.names().known(name) {
            let place = tree.place(&[Key::Name("usual"), Key::Index(index)]);
            errors.push(Diagnostic::error(source, place, unknown.title(), unknown.label()).with_help(unknown.help()));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if !file.usual.is_empty() {
        registry.set_usual(&file.usual);
    }
    Ok(registry)
}

fn declaration(
    source: &Source,
    entry: Entry,
    folder: &Path,
    programs: &BTreeMap<String, PathBuf>,
    registry: &Registry,
) -> Result<(Named, Arc<dyn Implementation>), Vec<Diagnostic>> {
    let Entry { key, key_span, value: mut node } = entry;
    let at_key = |title: String, label: &str| Diagnostic::error(source, key_span.clone(), title, label);
    let name: ImplementationName = key.parse().map_err(|error: crate::scenario::names::BadImplementationName| {
        let error = error.to_string();
        let (title, label) = error.split_once(": ").unwrap_or((&error, ""));
        vec![at_key(title.to_owned(), label)]
    })?;
    if registry.names().position(&name).is_some() || name.word() == "none" {
        let error = at_key(format!("`{name}` is taken"), "expected a name of its own");
        return Err(vec![error.with_help(format!("such as `my-{name}`; where its programs are, [programs] says"))]);
    }
    let kind = kind(source, &key, &key_span, &mut node)?;
    // The table's own place is lost with its `[header]`: what is missing in it is missing at its name.
    node.span = key_span.clone();
    let place = Place { source, node: &node, folder, programs };
    let (about, beside, kin, driver): (_, _, _, Arc<dyn Implementation>) = match kind {
        Kind::Command => {
            let file: CommandFile = decode(source, &node)?;
            let (about, beside) = (file.about.clone(), file.beside.clone());
            let driver = Command::declared(name.clone(), file, &place)?;
            (about.unwrap_or_else(|| "Declared by its command lines.".to_owned()), beside, None, Arc::new(driver))
        }
        Kind::Version { of, make } => {
            let file: VersionFile = decode(source, &node)?;
            let prefix = folder.join(&file.prefix);
            if !prefix.is_dir() {
                let path = [Key::Name("prefix")];
                return Err(vec![place.error(
                    &path,
                    format!("there is no folder {}", prefix.display()),
                    "expected a folder",
                )]);
            }
            let about = file.about.unwrap_or_else(|| format!("{of} below {}.", prefix.display()));
            let driver = make(name.word(), &prefix, &file.environment);
            (about, file.beside, Some(of), driver)
        }
    };
    let beside = match beside {
        Some(Beside::None) => None,
        Some(Beside::Implementation(other)) => {
            if let Err(unknown) = registry.names().known(&other) {
                let error = place.error(&[Key::Name("beside")], unknown.title(), unknown.label());
                return Err(vec![error.with_help(unknown.help())]);
            }
            Some(other)
        }
        None => kin.clone().or_else(|| "builtin".parse().ok()),
    };
    Ok((Named { name, about, usual: false, beside, kin }, driver))
}

/// What kind of implementation a table declares.
fn kind(source: &Source, name: &str, span: &std::ops::Range<usize>, node: &mut Node) -> Result<Kind, Vec<Diagnostic>> {
    let known = Registry::kinds();
    let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    let expected = format!("expected one of {}", words.join(", "));
    let Some(entry) = node.take("kind") else {
        let error = Diagnostic::error(
            source,
            span.clone(),
            format!("`{name}` is of no kind"),
            format!("expected `kind = ` below this, {expected}"),
        );
        // [implementation.my-5.9] without quotes is the table `9` in the table `my-5`.
        let nested = matches!(&node.value, Value::Mapping(entries) if entries.len() == 1 && matches!(entries[0].value.value, Value::Mapping(_)));
        let help = "a name with a dot in it is written in quotes: [implementation.\"my-5.9\"]";
        return Err(vec![if nested { error.with_help(help) } else { error }]);
    };
    let Value::Scalar(word) = &entry.value.value else {
        return Err(vec![Diagnostic::error(source, entry.key_span, "no kind", expected)]);
    };
    match known.into_iter().find(|(known, _)| known == word) {
        Some((_, kind)) => Ok(kind),
        None => {
            let error = Diagnostic::error(source, entry.value.span.clone(), format!("unknown kind `{word}`"), expected);
            Err(vec![match closest(word, &words) {
                Some(near) => error.with_help(format!("did you mean `{near}`?")),
                None => error,
            }])
        }
    }
}
