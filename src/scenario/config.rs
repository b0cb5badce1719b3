//! The router's running-config: where it is read from, and the small changes a scenario makes to it.

use crate::diag::{Diagnostic, Severity, Source};
use crate::ios::config::RunningConfig;
use crate::scenario::Router;
use crate::scenario::file::{CiscoFile, Edit};
use crate::scenario::node::{Key, Node};
use crate::scenario::written::Beside;

const CONFIG: &[Key<'_>] = &[Key::Name("cisco"), Key::Name("config")];

/// Reads the running-config, makes the changes and understands it. Lines that IOS would refuse are errors.
pub(crate) fn router(
    cisco: &CiscoFile,
    source: &Source,
    node: &Node,
    beside: &Beside<'_>,
) -> Result<Router, Vec<Diagnostic>> {
    let inline = cisco.config.contains('\n');
    let mut config = if inline {
        Source::new(format!("{} (cisco.config)", source.path.display()), cisco.config.as_str())
    } else {
        beside.read(&cisco.config, source, || node.place(CONFIG))?
    };
    if !cisco.replace.is_empty() {
        let text = edited(&config, &cisco.replace, source, node)?;
        let path = if inline { config.path } else { format!("{} (changed)", config.path.display()).into() };
        config = Source::new(path, text);
    }
    let (mut running, mut errors) = RunningConfig::parse(&config);
    errors.retain(|told| told.severity == Severity::Error);
    if let Some(wanted) = &cisco.hostname {
        if running.hostname.is_implied() {
            running.hostname.value.clone_from(wanted);
        } else if running.hostname.value != *wanted {
            let found = &running.hostname.value;
            let place = node.place(&[Key::Name("cisco"), Key::Name("hostname")]);
            let title = format!("the running-config names the router `{found}`");
            errors.push(Diagnostic::error(source, place, title, format!("expected {found}, or nothing")));
        }
    }
    if errors.is_empty() { Ok(Router { config, running }) } else { Err(errors) }
}

fn edited(config: &Source, edits: &[Edit], source: &Source, node: &Node) -> Result<String, Vec<Diagnostic>> {
    let mut lines: Vec<String> = config.text.lines().map(str::to_owned).collect();
    let mut errors = Vec::new();
    for (index, edit) in edits.iter().enumerate() {
        let found: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].trim() == edit.line.trim()).collect();
        let place = || node.place(&[Key::Name("cisco"), Key::Name("replace"), Key::Index(index), Key::Name("line")]);
        match found[..] {
            [at] => {
                let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
                let with: Vec<String> = edit.with.lines().map(|line| format!("{indent}{line}")).collect();
                lines.splice(at..=at, with);
            }
            [] => {
                let known: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
                let mut error = Diagnostic::error(
                    source,
                    place(),
                    format!("no line `{}` in {}", edit.line.trim(), config.path.display()),
                    "expected a whole line of the running-config",
                );
                if let Some(near) = crate::scenario::decode::closest(edit.line.trim(), &known) {
                    error = error.with_help(format!("did you mean `{near}`?"));
                }
                errors.push(error);
            }
            [first, second, ..] => errors.push(Diagnostic::error(
                source,
                place(),
                format!("line `{}` is there more than once", edit.line.trim()),
                format!("expected one, found it in lines {} and {}", first + 1, second + 1),
            )),
        }
    }
    if errors.is_empty() { Ok(lines.into_iter().map(|line| line + "\n").collect()) } else { Err(errors) }
}
