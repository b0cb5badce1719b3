//! What the types of a declaration cannot say: whether its parts fit together, and whether its templates can be filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use super::values::{sample_options, sample_tunnel, values, with_pair};
use super::{Command, render, status};
use crate::diag::{Diagnostic, Source};
use crate::implementations::declared::Place;
use crate::implementations::declared::file::CommandFile;
use crate::implementations::declared::text::{CommandLine, Pattern};
use crate::implementations::{Capabilities, Capability, DataPath};
use crate::scenario::decode::closest;
use crate::scenario::node::Key;

/// The longest template that is read, in octets.
const MAX_TEMPLATE: u64 = 1 << 20;

/// Checks `file`, and gives what it can do and its templates.
pub(super) fn file(
    file: &CommandFile,
    place: &Place<'_>,
) -> Result<(Capabilities, BTreeMap<String, Source>), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let capabilities = capabilities(file, place, &mut errors);
    let mut templates = BTreeMap::new();
    for (name, path) in &file.config {
        let at = ["config", name].map(Key::Name);
        if !is_below(Path::new(name)) {
            errors.push(place.error(&at, format!("`{name}` is no file below a folder"), "expected a relative path"));
            continue;
        }
        let path = place.folder.join(path);
        match Source::read(&path, MAX_TEMPLATE) {
            Ok(template) => drop(templates.insert(name.clone(), template)),
            Err(error) => {
                let title = format!("cannot read {}: {error}", path.display());
                errors.push(place.error(&at, title, "expected a template beside this file"));
            }
        }
    }
    for (target, source) in &file.binds {
        let target = target.to_string_lossy();
        let at = ["binds", &target].map(Key::Name);
        if !target.starts_with('/') {
            errors.push(place.error(
                &at,
                format!("`{target}` is not absolute"),
                "expected a path such as /run/my-ike.conf",
            ));
        } else if !templates.contains_key(source)
            && !file.config.contains_key(source)
            && !place.folder.join(source).exists()
        {
            let title = format!("`{source}` is neither a file of `config` nor there");
            errors.push(place.error(&at, title, "expected what is to be found there"));
        }
    }
    for (index, folder) in file.private.iter().enumerate().filter(|(_, folder)| !folder.is_absolute()) {
        let at = [Key::Name("private"), Key::Index(index)];
        errors.push(place.error(
            &at,
            format!("`{}` is not absolute", folder.display()),
            "expected a folder such as /etc/my-ike",
        ));
    }
    if let Some(ready) = &file.ready
        && ready.pattern.is_some() == ready.command.is_some()
    {
        let at = [Key::Name("ready")];
        errors.push(place.error(&at, "ready by one thing", "expected either `pattern` or `command`"));
    }
    if let Some(status) = &file.status {
        groups(&status.phase1, "phase1", status::PHASE1_GROUPS, place, &mut errors);
        groups(&status.phase2, "phase2", status::PHASE2_GROUPS, place, &mut errors);
    }
    if file.command.0.first().is_some_and(|program| program.plain().is_none()) {
        let at = [Key::Name("command"), Key::Index(0)];
        errors.push(place.error(&at, "a program that depends on the cell", "expected a name or a path"));
    }
    if errors.is_empty() { Ok((capabilities, templates)) } else { Err(errors) }
}

fn is_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_))) && path.file_name().is_some()
}

fn capabilities(file: &CommandFile, place: &Place<'_>, errors: &mut Vec<Diagnostic>) -> Capabilities {
    let Some(patterns) = &file.capabilities else { return Capabilities::all() };
    let mut all = Capabilities::default();
    for (index, pattern) in patterns.iter().enumerate() {
        let matching = Capabilities::matching(pattern);
        if matching.is_empty() {
            let words: Vec<&str> = Capability::all().map(Capability::word).collect();
            let at = [Key::Name("capabilities"), Key::Index(index)];
            let label = "expected a capability, or the beginning of some and a `*`";
            let error = place.error(&at, format!("unknown capability `{pattern}`"), label);
            errors.push(match closest(pattern.trim_end_matches('*'), &words) {
                Some(near) => error.with_help(format!("did you mean `{near}`?")),
                None => error.with_help(format!("there are {}", words.join(", "))),
            });
        }
        all = all.and(matching);
    }
    all
}

/// Checks the groups of a pattern of `status` against those it must and may have.
fn groups(
    pattern: &Pattern,
    key: &str,
    (must, may): (&[&str], &[&str]),
    place: &Place<'_>,
    errors: &mut Vec<Diagnostic>,
) {
    let at = ["status", key].map(Key::Name);
    let found: BTreeSet<&str> = pattern.0.capture_names().flatten().collect();
    for missing in must.iter().filter(|group| !found.contains(*group)) {
        errors.push(place.error(&at, format!("no group `{missing}`"), format!("expected (?P<{missing}>...) in it")));
    }
    for unknown in found.iter().filter(|group| !must.contains(group) && !may.contains(group)) {
        let label = format!("expected one of {}", [must, may].concat().join(", "));
        errors.push(place.error(&at, format!("unknown group `{unknown}`"), label));
    }
}

/// Fills every template in with the values of a tunnel that has everything, over each data path it may get.
pub(super) fn rendering(command: &Command, place: &Place<'_>) -> Vec<Diagnostic> {
    let over = |data_path: &DataPath| rendering_over(*data_path, command, place);
    let mut all = command.file.data_path.data_paths().iter().map(over);
    // What is wrong over one is wrong over the others for the most part.
    all.find(|errors| !errors.is_empty()).unwrap_or_default()
}

fn rendering_over(data_path: DataPath, command: &Command, place: &Place<'_>) -> Vec<Diagnostic> {
    let mut errors = Vec::new();
    let (file, tunnel) = (&command.file, sample_tunnel());
    let values = values(&tunnel, &sample_options(data_path));
    for template in command.templates.values() {
        errors.extend(render(template, &values).err().map(|error| *error));
    }
    let mut line = |path: &[Key<'_>], line: &CommandLine, values: &minijinja::Value| {
        for (index, word) in line.0.iter().enumerate() {
            if let Err(why) = word.render(values) {
                let at = [path, &[Key::Index(index)]].concat();
                errors.push(place.error(&at, "this template cannot be filled in", why));
            }
        }
    };
    line(&[Key::Name("command")], &file.command, &values);
    let pair = with_pair(&values, &tunnel, 0);
    line(&["initiate", "command"].map(Key::Name), &file.initiate.command, &pair);
    for (index, command) in file.setup.iter().enumerate() {
        line(&[Key::Name("setup"), Key::Index(index)], command, &values);
    }
    let some = [
        (["ready", "command"].map(Key::Name).to_vec(), file.ready.as_ref().and_then(|ready| ready.command.as_ref())),
        (["status", "command"].map(Key::Name).to_vec(), file.status.as_ref().map(|status| &status.command)),
        (vec![Key::Name("terminate")], file.terminate.as_ref()),
        (vec![Key::Name("stop")], file.stop.as_ref()),
    ];
    for (path, command) in some {
        command.into_iter().for_each(|command| line(&path, command, &values));
    }
    if let Some(version) = &file.version {
        line(&["version", "command"].map(Key::Name), &version.command, &minijinja::context! {});
    }
    if let Some(probe) = &file.probe {
        let values = minijinja::context! { capability => "main-mode" };
        line(&["probe", "command"].map(Key::Name), &probe.command, &values);
    }
    for (name, value) in &file.environment {
        if let Err(why) = value.render(&values) {
            let at = ["environment", name].map(Key::Name);
            errors.push(place.error(&at, "this template cannot be filled in", why));
        }
    }
    errors
}
