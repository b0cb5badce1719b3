//! From files to scenarios, or to diagnostics that point into them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Source, Unreadable};
use crate::scenario::decode::decode;
use crate::scenario::expect::{Phase1Expect, Phase2Expect};
use crate::scenario::file::ScenarioFile;
use crate::scenario::node::{self, Entry, Key, Node, Value};
use crate::scenario::written::{Beside, Written};
use crate::scenario::{Addresses, Names, Router, Scenario, check, config};

/// The longest file that is read, in octets; a running-config of a large router has some 200,000.
pub(crate) const MAX_FILE: u64 = 4 << 20;

/// The folder below which scenarios take their names.
pub const ROOT: &str = "scenarios";

/// Reads one scenario and the files it names. Its name is its path below the nearest folder called `scenarios`, or its
/// file name when there is none. Implementations are those of `names`.
pub fn load(path: &Path, names: &Names) -> Result<Scenario, Vec<Diagnostic>> {
    load_named(path, name_of(path, None), names)
}

/// Reads every scenario at or below `paths`, in the order of their names. All that is wrong anywhere is returned.
pub fn load_tree(paths: &[PathBuf], names: &Names) -> Result<Vec<Arc<Scenario>>, Vec<Diagnostic>> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut errors = Vec::new();
    for path in paths {
        let mut found = Vec::new();
        if let Err(more) = find(path, &mut found) {
            errors.extend(more);
        } else if found.is_empty() {
            errors.push(
                Diagnostic::plain(format!("no scenario below {}", path.display()))
                    .with_help("scenarios are files that end in .yaml"),
            );
        }
        for file in found {
            let name = name_of(&file, path.is_dir().then_some(path));
            match files.get(&name) {
                Some(other) if !same_file(other, &file) => errors.push(Diagnostic::plain(format!(
                    "two scenarios are called `{name}`: {} and {}",
                    other.display(),
                    file.display()
                ))),
                _ => {
                    files.insert(name, file);
                }
            }
        }
    }
    let mut scenarios = Vec::new();
    for (name, path) in files {
        match load_named(&path, name, names) {
            Ok(scenario) => scenarios.push(Arc::new(scenario)),
            Err(more) => errors.extend(more),
        }
    }
    if errors.is_empty() { Ok(scenarios) } else { Err(errors) }
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn find(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), Vec<Diagnostic>> {
    let unreadable = |error: io::Error| vec![Diagnostic::plain(format!("cannot read {}: {error}", path.display()))];
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let path = entry.path();
        if kind.is_dir() {
            find(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            found.push(path);
        }
    }
    Ok(())
}

fn name_of(path: &Path, below: Option<&PathBuf>) -> String {
    let words = |path: &Path| {
        let parts = path.components().filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        });
        parts.collect::<Vec<_>>()
    };
    let stem = path.with_extension("");
    let full = words(&fs::canonicalize(path).map(|path| path.with_extension("")).unwrap_or_else(|_| stem.clone()));
    if let Some(root) = full[..full.len().saturating_sub(1)].iter().rposition(|part| part == ROOT) {
        return full[root + 1..].join("/");
    }
    match below.and_then(|below| stem.strip_prefix(below).ok()) {
        Some(rest) => words(rest).join("/"),
        None => full.last().cloned().unwrap_or_default(),
    }
}

fn load_named(path: &Path, name: String, names: &Names) -> Result<Scenario, Vec<Diagnostic>> {
    let source = read(path).map_err(|error| vec![error.diagnostic(path)])?;
    interpret(source, name, Beside::folder(path.parent().unwrap_or(Path::new(""))), names)
}

pub(crate) fn read(path: &Path) -> Result<Source, Unreadable> {
    Source::read(path, MAX_FILE)
}

/// Makes a scenario of a text and the files it names.
pub(crate) fn interpret(
    source: Source,
    name: String,
    beside: Beside<'_>,
    names: &Names,
) -> Result<Scenario, Vec<Diagnostic>> {
    let mut tree = node::parse(&source)?;
    let fix = tree.take("fix");
    let mut scenario = resolve(&source, &tree, name, &beside, names)?;
    let fixed = match fix {
        Some(fix) => {
            let place = fix.key_span.clone();
            let twin = twin(tree, fix, &source)?;
            let fixed = resolve(&source, &twin, scenario.name.clone(), &beside, names)?;
            check::fixed(&fixed, &twin, place)?;
            Some(fixed)
        }
        None => {
            check::unfixed(&scenario, &tree)?;
            None
        }
    };
    let (name, path, text) = (scenario.name.clone(), source.path, source.text.to_string());
    let implementations = names.clone();
    scenario.written = Arc::new(Written { name, path, text, files: beside.into_texts(), implementations });
    scenario.fixed = fixed.map(|fixed| Arc::new(Scenario { written: Arc::clone(&scenario.written), ..fixed }));
    Ok(scenario)
}

/// The tree of the fixed twin: what was expected of the broken one is gone, and the fix is laid over the rest.
fn twin(mut base: Node, fix: Entry, source: &Source) -> Result<Node, Vec<Diagnostic>> {
    let Value::Mapping(entries) = &fix.value.value else {
        return Err(vec![Diagnostic::error(
            source,
            fix.key_span,
            "a fix without keys",
            "expected the keys of a scenario that change",
        )]);
    };
    let refused = ["title", "matrix", "known_failures", "fix"];
    if let Some(entry) = entries.iter().find(|entry| refused.contains(&entry.key.as_str())) {
        let title = format!("`{}` cannot change in a fix", entry.key);
        return Err(vec![Diagnostic::error(source, entry.key_span.clone(), title, "expected it above only")]);
    }
    base.take("expect");
    if let Value::Mapping(entries) = &mut base.value
        && let Some(Entry { value: Node { value: Value::Sequence(steps), .. }, .. }) =
            entries.iter_mut().find(|entry| entry.key == "steps")
    {
        steps.retain(|step| step.entry("expect").is_none());
        for step in steps {
            if let Value::Mapping(step) = &mut step.value
                && let Some(ping) = step.iter_mut().find(|entry| entry.key == "ping")
            {
                ping.value.take("expect");
            }
        }
    }
    node::merge(&mut base, fix.value);
    Ok(base)
}

fn resolve(
    source: &Source,
    node: &Node,
    name: String,
    beside: &Beside<'_>,
    names: &Names,
) -> Result<Scenario, Vec<Diagnostic>> {
    let mut file: ScenarioFile = decode(source, node)?;
    let says_phase2 = node.entry("expect").is_some_and(|expect| expect.value.entry("phase2").is_some());
    if file.expect.phase1 != Phase1Expect::Established && !says_phase2 {
        file.expect.phase2 = Phase2Expect::None;
    }
    check::implementations(&file, source, node, names)?;
    file.matrix.implementation = names.row(&file.matrix.implementation);
    let mut errors = check::file(&file, source, node);
    names.inherit(&mut file.expect.dut.log);
    let router = config::router(&file.cisco, source, node, beside).map_err(|more| errors.extend(more)).ok();
    let derive = |router: &Router| Addresses::derive(&file.lab, &file.tunnel, &router.running, source, node);
    let addresses = router.as_ref().map(derive).transpose().map_err(|more| errors.extend(more)).ok().flatten();
    let mut native = BTreeMap::new();
    for (implementation, files) in &file.native {
        for (target, path) in files {
            let place =
                || node.place(&[Key::Name("native"), Key::Name(implementation.word()), Key::Name(target.as_str())]);
            match beside.read(path, source, place) {
                Ok(text) => {
                    native.entry(implementation.clone()).or_insert_with(BTreeMap::new).insert(target.clone(), text);
                }
                Err(more) => errors.extend(more),
            }
        }
    }
    names.inherit(&mut native);
    let (Some(router), Some(addresses), true) = (router, addresses, errors.is_empty()) else { return Err(errors) };
    let scenario = Scenario {
        name,
        source: source.clone(),
        written: Arc::default(),
        title: file.title,
        about: file.about,
        references: file.references,
        tags: file.tags,
        implementations: file.matrix.implementation,
        releases: sorted(file.matrix.ios),
        router,
        tunnel: file.tunnel,
        addresses,
        nat: file.nat,
        impairments: file.impair,
        native,
        steps: file.steps,
        expect: file.expect,
        known_failures: file.known_failures,
        fixed: None,
    };
    let errors = check::scenario(&scenario, node);
    if errors.is_empty() { Ok(scenario) } else { Err(errors) }
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list.dedup();
    list
}
