//! Command lines that users are given: those of the ready workflows and of the README are what the program takes.

use std::collections::BTreeSet;
use std::path::Path;

use clap::Parser;
use clap::error::ErrorKind;
use regex::Regex;
use serde_json::Value;

use super::Arguments;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every shell script of a workflow: what stands below a key that both systems use for scripts.
fn scripts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                match (key.as_str(), value) {
                    ("run" | "script" | "before_script", Value::String(script)) => found.push(script.clone()),
                    ("run" | "script" | "before_script", Value::Array(lines)) => {
                        found.extend(lines.iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    _ => scripts(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| scripts(item, found)),
        _ => {}
    }
}

/// The command lines of `script` that start this program, without the shell's variables.
fn own_commands(script: &str) -> Vec<Vec<String>> {
    let variables = Regex::new(r#"\$\{\{[^}]*\}\}|"?\$\{?[A-Za-z_]+\}?"?"#).unwrap();
    let script = variables.replace_all(&script.replace("\\\n", " "), "1").into_owned();
    let commands = script.split(['\n', ';', '&', '|']);
    let words = commands.map(|command| command.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    words.filter(|words| words.first().is_some_and(|word| word.rsplit('/').next() == Some("ike-interop"))).collect()
}

/// Checks `commands` and gives their verbs.
fn verbs(commands: Vec<Vec<String>>) -> BTreeSet<String> {
    let verb = |words: Vec<String>| match Arguments::try_parse_from(&words) {
        Err(error) if error.kind() != ErrorKind::DisplayHelp => panic!("{}: {error}", words.join(" ")),
        _ => words[1].clone(),
    };
    commands.into_iter().map(verb).collect()
}

#[test]
fn ready_workflows_call_the_program_as_it_is() {
    for file in ["ci/workflows/github.yml", "ci/workflows/gitlab.yml"] {
        let workflow: Value = serde_yaml::from_str(&read(file)).unwrap();
        let mut found = Vec::new();
        scripts(&workflow, &mut found);
        let verbs = verbs(found.iter().flat_map(|script| own_commands(script)).collect());
        assert_eq!(verbs, BTreeSet::from(["doctor", "merge", "run"].map(str::to_owned)), "{file}");
    }
}

#[test]
fn the_readme_calls_the_program_as_it_is() {
    let spans = Regex::new(r"`(ike-interop [^`]+)`").unwrap();
    let readme = read("README.md").replace('\n', " ");
    let commands: Vec<_> = spans.captures_iter(&readme).flat_map(|span| own_commands(&span[1])).collect();
    assert!(verbs(commands).contains("doctor"));
}

#[test]
fn a_command_line_of_another_program_is_refused() {
    assert_eq!(
        own_commands("cargo install ike-interop\nbin/ike-interop run --shard ${{ x }}/$N && true"),
        [["bin/ike-interop", "run", "--shard", "1/1"]]
    );
    let wrong = own_commands("ike-interop run --shards 1/4");
    assert!(std::panic::catch_unwind(|| verbs(wrong)).is_err());
}
