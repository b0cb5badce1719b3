//! The reports of a real run, as a person and as other programs look at them: the page in headless Chromium, `results.json`
//! against its schema, and everything made again from the event logs.
//!
//! What is not installed is skipped with the reason, unless `IKE_INTEROP_STRICT` is set.

mod browser;
mod page;
#[path = "../terminal/mod.rs"]
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};
use terminal::Terminal;

/// Three scenarios of which one has twins and one loses a message, with the built-in implementation.
const CELLS: [&str; 3] = ["phase1/lost-main-mode-4", "phase2/acl-not-mirrored", "tunnel/plain"];

fn program(arguments: &[&str]) -> Output {
    program_with(arguments, &[])
}

fn program_with(arguments: &[&str], variables: &[(&str, &Path)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ike-interop"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).env("NO_COLOR", "1");
    // What the test itself runs under is nothing the program is to speak to.
    for variable in ["GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "CI_NODE_INDEX", "CI_NODE_TOTAL", "JOB_COMPLETION_INDEX"]
    {
        command.env_remove(variable);
    }
    command.envs(variables.iter().copied()).output().unwrap()
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The folder of a run, made once; `None` where no lab can stand.
fn run() -> Option<&'static Path> {
    static RUN: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let out = folder("run");
        let arguments = ["run", "-i", "builtin", "--ios", "12.4,15.x", "--out", out.to_str()?];
        let output = program(&[&arguments[..], &CELLS].concat());
        if output.status.code() == Some(3) {
            skipped(&format!("no lab can stand here: {}", told(&output)));
            return None;
        }
        assert!(output.status.success(), "{}", told(&output));
        Some(out)
    };
    RUN.get_or_init(make).as_deref()
}

fn skipped(why: &str) {
    assert!(std::env::var_os("IKE_INTEROP_STRICT").is_none(), "{why}");
    eprintln!("skipped: {why}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Two folders hold the same reports, but for their own name.
fn same_reports(one: &Path, other: &Path) {
    let read = |folder: &Path, name: &str| {
        let inside = folder.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap_or(folder).display().to_string();
        fs::read_to_string(folder.join(name)).unwrap().replace(&inside, "OUT")
    };
    for name in ["results.json", "junit.xml", "report.html"] {
        assert!(read(one, name) == read(other, name), "{name} differs");
    }
}

#[test]
fn everything_is_made_again_from_the_event_logs_alone() {
    let Some(run) = run() else { return };
    let again = folder("again");
    copy(&run.join("cells"), &again.join("cells"));
    let mut made = Vec::new();
    let cells = ["tunnel/plain/builtin/12.4", "phase2/acl-not-mirrored/builtin/15.x-fixed"];
    for name in ["transcript.txt", "capture.pcapng", "cisco.log", "dut.log", "configs/cisco/running-config.ios"] {
        for cell in cells {
            let file = Path::new("cells").join(cell).join(name);
            made.push(fs::read(again.join(&file)).unwrap());
            fs::remove_file(again.join(file)).unwrap();
        }
    }
    let output = program(&["report", again.to_str().unwrap()]);
    assert!(output.status.success(), "{}", told(&output));
    let mut made = made.into_iter();
    for name in ["transcript.txt", "capture.pcapng", "cisco.log", "dut.log", "configs/cisco/running-config.ios"] {
        for cell in cells {
            let file = again.join("cells").join(cell).join(name);
            assert_eq!(fs::read(&file).unwrap(), made.next().unwrap(), "{}", file.display());
        }
    }
    same_reports(&again, run);
}

#[test]
fn shards_are_merged_into_the_whole() {
    let Some(run) = run() else { return };
    let [one, two] = ["one", "two"].map(|name| folder(&format!("shard-{name}")));
    copy(&run.join("cells/phase1"), &one.join("cells/phase1"));
    copy(&run.join("cells/phase2"), &two.join("cells/phase2"));
    copy(&run.join("cells/tunnel"), &two.join("cells/tunnel"));
    let whole = folder("whole");
    let paths = [&one, &two, &whole].map(|path| path.to_str().unwrap().to_owned());
    let output = program(&["merge", &paths[0], &paths[1], "--out", &paths[2]]);
    assert!(output.status.success(), "{}", told(&output));
    same_reports(&whole, run);
    // A shard that was run again counts once.
    let output = program(&["merge", &paths[0], &paths[1], &paths[0], "--out", &paths[2]]);
    assert!(output.status.success() && !told(&output).contains("more than once"), "{}", told(&output));
    let twice = folder("shard-twice");
    copy(&one, &twice);
    let output = program(&["merge", &paths[0], twice.to_str().unwrap(), &paths[1], "--out", &paths[2]]);
    let twice = "phase1/lost-main-mode-4/builtin/12.4 and phase1/lost-main-mode-4/builtin/15.x were run more than once";
    assert!(told(&output).contains(twice), "{}", told(&output));
    assert_eq!(fs::read(whole.join("results.json")).unwrap(), fs::read(run.join("results.json")).unwrap());
}

#[test]
fn logs_that_cannot_be_used_are_told_and_the_others_used() {
    let Some(run) = run() else { return };
    let out = folder("damaged");
    copy(&run.join("cells"), &out.join("cells"));
    let log = |cell: &str| out.join("cells").join(cell).join("events.jsonl");
    let cut = log("tunnel/plain/builtin/12.4");
    let text = fs::read(&cut).unwrap();
    fs::write(&cut, &text[..text.len() / 2]).unwrap();
    let other = log("tunnel/plain/builtin/15.x");
    let text = fs::read_to_string(&other).unwrap();
    fs::write(&other, text.replacen("\"version\":3", "\"version\":7777777777", 1)).unwrap();
    fs::write(log("phase1/lost-main-mode-4/builtin/12.4"), b"\x89PNG\r\n\x1a\n").unwrap();
    fs::write(log("phase1/lost-main-mode-4/builtin/15.x"), b"").unwrap();
    // What no XML file may hold, and what ends its sections, is no damage.
    let odd = log("phase2/acl-not-mirrored/builtin/12.4");
    let line =
        r#"{"at":1,"kind":"log","stderr":true,"text":"\u0000\u0001\u001b[31m]]> <![CDATA[ & \ufffe \ud83d\ude00"}"#;
    let text = fs::read_to_string(&odd).unwrap();
    fs::write(&odd, text.replacen('\n', &format!("\n{line}\n"), 1)).unwrap();
    let output = program(&["report", out.to_str().unwrap()]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("15.x/events.jsonl: the event log has version 7777777777; this program reads version 3"),
        "{told}"
    );
    assert!(told.contains("lost-main-mode-4/builtin/12.4/events.jsonl: it is no event log"), "{told}");
    assert!(told.contains("lost-main-mode-4/builtin/15.x/events.jsonl: the event log is empty"), "{told}");
    let damage = told.lines().find(|line| line.ends_with("what stands before it is used")).expect("the damage");
    assert!(damage.contains(" is no entry, from column ") && !damage.contains(" at line "), "{damage}");
    let results: Value = serde_json::from_slice(&fs::read(out.join("results.json")).unwrap()).unwrap();
    assert_eq!(results["cells"].as_array().unwrap().len(), 5);
    assert_eq!(results["summary"]["error"], 1, "the cell of which half is known");
    assert_eq!(results["summary"]["pass"], 4);
    fits_its_schema(&out.join("results.json"));
}

#[test]
fn what_earlier_runs_left_in_the_folder_is_not_told() {
    let Some(run) = run() else { return };
    let out = folder("run-again");
    copy(run, &out);
    let path = out.to_str().unwrap();
    let results = || fs::read_to_string(out.join("results.json")).unwrap();
    let output = program(&["run", "tunnel/plain", "-i", "builtin", "--ios", "15.x", "--out", path]);
    assert!(output.status.success(), "{}", told(&output));
    let of_run = results();
    assert_eq!(of_run.matches("\"name\"").count(), 1, "{of_run}");
    let output = program(&["report", path]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("7 cells of earlier runs lie there too, and are not told"), "{}", told(&output));
    assert_eq!(results(), of_run);
    // What the list cannot tell is told, and what should be there too.
    fs::write(out.join("run.json"), r#"{ "version": 9 }"#).unwrap();
    let output = program(&["report", path]);
    assert!(told(&output).contains("run.json: the list of the run's cells has version 9"), "{}", told(&output));
    assert_eq!((output.status.code(), results().matches("\"name\"").count()), (Some(2), 8));
    fs::write(out.join("run.json"), r#"{ "version": 1, "shard": null, "cells": ["a/b/builtin/12.4"] }"#).unwrap();
    let output = program(&["report", path]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("1 of its 1 cells had: there is no event log of a/b/builtin/12.4"));
}

#[test]
fn shards_that_are_not_there_are_told() {
    if run().is_none() {
        return;
    }
    let (parts, whole) = (folder("parts"), folder("parts-whole"));
    let paths = [&parts, &whole].map(|path| path.to_str().unwrap().to_owned());
    let part = |index: usize| {
        let (out, shard) = (format!("{}/{index}", paths[0]), format!("{index}/4"));
        let output = program(&["run", "tunnel/plain", "-i", "builtin", "--shard", &shard, "--out", &out]);
        assert!(output.status.success(), "{}", told(&output));
    };
    [1, 2, 4].into_iter().for_each(part);
    let merge = || program(&["merge", &paths[0], "--out", &paths[1]]);
    let output = merge();
    assert!(told(&output).contains("shard 3 of 4 is not among what is merged"), "{}", told(&output));
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    // Nor does a folder in which a job left nothing keep the others from being told.
    let nothing = folder("parts-nothing");
    let output = program(&["merge", &paths[0], nothing.to_str().unwrap(), "--out", &paths[1]]);
    assert!(output.status.code() == Some(2) && told(&output).contains("there is no event log below"), "{output:?}");
    fits_its_schema(&whole.join("results.json"));
    part(3);
    let output = merge();
    assert!(output.status.success() && told(&output).contains("3 passed"), "{}", told(&output));
    // One of them again, into the whole: the last run of a cell counts, whatever is read first.
    let cell = |folder: &Path| folder.join("cells/tunnel/plain/builtin/15.x/events.jsonl");
    let output =
        program(&["run", "tunnel/plain", "-i", "builtin", "--ios", "15.x", "--out", &format!("{}/5", paths[0])]);
    assert!(output.status.success(), "{}", told(&output));
    let again = fs::read(cell(&parts.join("5"))).unwrap();
    for _ in 0..2 {
        let output = program(&["merge", &paths[0], &paths[1], "--out", &paths[1]]);
        assert!(output.status.success() && told(&output).contains("3 passed"), "{}", told(&output));
        assert!(fs::read(cell(&whole)).unwrap() == again, "another run of the cell");
    }
}

/// A scenario of its own that cannot go as it expects.
fn failing(name: &str) -> PathBuf {
    let folder = folder(name);
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tunnel");
    fs::copy(original.join("plain.ios"), folder.join("plain.ios")).unwrap();
    let text = fs::read_to_string(original.join("plain.yaml")).unwrap();
    let wrong = text.replace("log_absent: [not acceptable]", "log_absent: [never said, atts are acceptable]");
    assert_ne!(text, wrong);
    fs::write(folder.join("plain.yaml"), wrong).unwrap();
    folder
}

#[test]
fn what_earlier_attempts_left_is_kept_and_told() {
    if run().is_none() {
        return;
    }
    let (scenario, out) = (failing("retried").join("plain.yaml"), folder("retries"));
    let paths = [&scenario, &out].map(|path| path.to_str().unwrap().to_owned());
    let selection = ["-i", "builtin", "--ios", "15.x", "--retries", "2", "--seed", "7"];
    let output = program(&[&["run", &paths[0], "--out", &paths[1]][..], &selection].concat());
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let cell = out.join("cells/plain/builtin/15.x");
    for attempt in ["", "attempts/1", "attempts/2"] {
        for file in ["events.jsonl", "capture.pcapng", "dut.log", "configs/cisco/running-config.ios"] {
            assert!(cell.join(attempt).join(file).is_file(), "{attempt} {file}");
        }
    }
    let junit = fs::read_to_string(out.join("junit.xml")).unwrap();
    let line = fs::read_to_string(&scenario).unwrap().lines().position(|line| line.contains("never said")).unwrap();
    let place = format!("retried/plain.yaml:{}:30", line + 1);
    assert!(junit.contains(&place), "{place}: {junit}");
    assert_eq!(junit.matches("<rerunFailure ").count(), 2, "{junit}");
    assert!(junit.contains(&format!("run {} plain/builtin/15.x --seed 7", paths[0])), "{junit}");
    let output = program(&["report", &paths[1]]);
    assert!(!told(&output).contains("more than once"), "{}", told(&output));
    assert_eq!(fs::read_to_string(out.join("junit.xml")).unwrap(), junit);
    // They go with their cell.
    let whole = folder("retries-merged");
    let output = program(&["merge", &paths[1], "--out", whole.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    for file in ["events.jsonl", "transcript.txt", "configs/cisco/running-config.ios"] {
        let [one, other] = [&out, &whole].map(|out| out.join("cells/plain/builtin/15.x/attempts/2").join(file));
        assert_eq!(fs::read(one).unwrap(), fs::read(other).unwrap(), "{file}");
    }
}

#[test]
fn the_command_that_is_told_runs_the_cell_again() {
    if run().is_none() {
        return;
    }
    let scenario = failing("it's a lab/tunnel").join("plain.yaml");
    let out = folder("pasted");
    let program_folder = Path::new(env!("CARGO_BIN_EXE_ike-interop")).parent().unwrap();
    let path = format!("{}:{}", program_folder.display(), std::env::var("PATH").unwrap());
    let shell = |line: &str| {
        let line = format!("{line} --out '{}'", out.display());
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(out.parent().unwrap()).env("PATH", &path).env("NO_COLOR", "1");
        command.env_remove("GITHUB_ACTIONS").output().unwrap()
    };
    let mut line = "ike-interop run \"it's a lab\" -i builtin --ios 15.x --seed 7".to_owned();
    for _ in 0..2 {
        let output = shell(&line);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{line}: {told}");
        assert!(told.contains("1 cell, ") && told.contains("FAIL  tunnel/plain/builtin/15.x"), "{line}: {told}");
        line =
            told.lines().find_map(|line| line.trim().strip_prefix("again: ")).expect("the command").trim().to_owned();
    }
    assert!(scenario.is_file());
}

#[test]
fn a_job_of_github_is_told_what_it_shows() {
    if run().is_none() {
        return;
    }
    let (scenario, out) = (failing("github").join("plain.yaml"), folder("github-out"));
    let summary = out.join("summary.md");
    fs::write(&summary, "of another command\n").unwrap();
    let paths = [&scenario, &out].map(|path| path.to_str().unwrap().to_owned());
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let github = [
        ("GITHUB_ACTIONS", Path::new("true")),
        ("GITHUB_STEP_SUMMARY", &summary),
        ("GITHUB_WORKSPACE", root.parent().unwrap().parent().unwrap()),
    ];
    let arguments = ["run", &paths[0], "--out", &paths[1], "-i", "builtin", "--ios", "12.4,15.x"];
    let output = program_with(&arguments, &github);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let log = String::from_utf8(output.stdout).unwrap();
    let line = fs::read_to_string(&scenario).unwrap().lines().position(|line| line.contains("never said")).unwrap();
    let annotation = format!(
        "::error file=target/tmp/report/github/plain.yaml,line={},col=30,title=plain%3A the router's log (2 cells)::expected no \
         line with `atts are acceptable`%0Afound ",
        line + 1
    );
    assert_eq!(log.matches(&annotation).count(), 1, "{annotation} {log}");
    let group = log.split_once("::group::FAIL  plain/builtin/12.4\n").expect("a group").1;
    let inside = group.split_once("::endgroup::\n").expect("its end").0;
    assert!(inside.contains("again:    ike-interop run"), "{inside}");
    let told_before = fs::read_to_string(&summary).unwrap();
    assert!(
        told_before.starts_with("of another command\n## ike-interop: 0 passed, 2 failed, 0 skipped\n"),
        "{told_before}"
    );
    // Told again, it is summarized and not annotated.
    let output = program_with(&["report", &paths[1]], &github);
    assert!(!told(&output).contains("::error"), "{}", told(&output));
    assert_eq!(fs::read_to_string(&summary).unwrap().matches("## ike-interop: ").count(), 2);
    // Elsewhere nothing of it is said.
    let output = program(&["report", &paths[1]]);
    assert!(!told(&output).contains("::"), "{}", told(&output));
}

/// A run of [`CELLS`] with one job on a terminal of its own; `None` where that cannot be.
fn run_on_terminal(out: &Path, columns: u16) -> Option<Terminal> {
    run()?;
    let line = format!(
        "{} run {} -i builtin --ios 12.4,15.x -j 1 --out {}",
        env!("CARGO_BIN_EXE_ike-interop"),
        CELLS.join(" "),
        out.display()
    );
    let terminal = Terminal::start(&line, 20, columns);
    if terminal.is_none() {
        skipped("there is no script (Debian: bsdutils)");
    }
    terminal
}

#[test]
fn a_terminal_shows_what_runs_and_is_left_clean() {
    for (columns, running, counts) in [
        (100, "s phase1/lost-main-mode-4/builtin/12.4  step 1 of 2, initiate", "0/8, 0 passed, 0 failed, 0 skipped"),
        (40, "s phase1/los", "] 0/8"),
    ] {
        let Some(terminal) = run_on_terminal(&folder("terminal"), columns) else { return };
        let screen = terminal.until(running);
        assert!(screen.contains(counts), "{screen}");
        let bar = screen.trim_end().lines().last().unwrap();
        assert!(bar.starts_with("[>") && bar.len() < usize::from(columns), "{screen}");
        terminal.until("] 1/8");
        let (status, screen) = terminal.end();
        assert_eq!(status, Some(0), "{screen}");
        assert!(!screen.contains('[') && !screen.contains("step"), "{screen}");
        assert!(screen.contains("PASS  tunnel/plain/builtin/15.x"), "{screen}");
        assert_eq!(screen.trim_end().lines().last(), Some("8 passed, 0 failed, 0 skipped"), "{screen}");
    }
}

#[test]
fn an_interrupted_run_writes_what_has_ended() {
    let out = folder("interrupted");
    let Some(mut terminal) = run_on_terminal(&out, 40) else { return };
    terminal.until("] 2/8");
    terminal.press("\u{3}");
    let (status, screen) = terminal.end();
    assert_eq!(status, Some(130), "{screen}");
    let results: Value = serde_json::from_slice(&fs::read(out.join("results.json")).unwrap()).unwrap();
    let ended = results["cells"].as_array().unwrap().len();
    assert!((2..8).contains(&ended), "{screen}");
    assert!(screen.contains(&format!("interrupted: {ended} of 8 cells")), "{screen}");
    assert!(!screen.contains('[') && !screen.contains("0s ") && !screen.contains('^'), "{screen}");
    let logs = program(&["report", out.to_str().unwrap()]);
    let gap = format!("the run ended before {} of its 8 cells had: there is no event log of ", 8 - ended);
    assert!(logs.status.code() == Some(1) && told(&logs).contains(&gap), "{}", told(&logs));
    assert_eq!(results, serde_json::from_slice::<Value>(&fs::read(out.join("results.json")).unwrap()).unwrap());
}

#[test]
fn folders_without_event_logs_are_refused() {
    let empty = folder("empty");
    let empty = empty.to_str().unwrap();
    for (arguments, words) in [
        (&["report", "/nonexistent/run"][..], "cannot read the folder /nonexistent/run"),
        (&["report", empty][..], "there is no event log below"),
        (&["merge", empty, "--out", "/nonexistent/whole"][..], "there is no event log below"),
        (&["merge", "--out", empty][..], "required arguments"),
        (&["merge", empty][..], "--out"),
    ] {
        let output = program(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(words), "{arguments:?}: {}", told(&output));
    }
}

/// What a validator of JSON schemas says of a file; `None` where there is none.
fn validate(file: &Path) -> Option<Output> {
    static SCHEMA: OnceLock<PathBuf> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let schema = folder("schema").join("results.schema.json");
        fs::write(&schema, program(&["schema", "--results"]).stdout).unwrap();
        schema
    });
    let mut validator = Command::new("python3");
    validator.args(["-W", "ignore", "-m", "jsonschema", "-i"]).arg(file).arg(schema);
    validator.output().ok().filter(|output| !told(output).contains("No module named jsonschema"))
}

/// Holds a `results.json` against its schema; tells whether that could be done.
fn fits_its_schema(results: &Path) -> bool {
    match validate(results) {
        Some(output) => assert!(output.status.success(), "{}", told(&output)),
        None => {
            skipped("there is no python3 with jsonschema");
            return false;
        }
    }
    true
}

#[test]
fn results_json_fits_its_schema() {
    let Some(run) = run() else { return };
    let results = run.join("results.json");
    if !fits_its_schema(&results) {
        return;
    }
    // And the schema can refuse.
    let good: Value = serde_json::from_slice(&fs::read(&results).unwrap()).unwrap();
    for (pointer, value) in [
        ("/version", json!(2)),
        ("/cells/0/result", json!("perhaps")),
        ("/cells/0/twin", json!("third")),
        ("/cells/0/duration_s", json!(-1)),
        ("/summary", json!({ "pass": 1 })),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let file = folder("bad-results").join("bad.json");
        fs::write(&file, bad.to_string()).unwrap();
        assert!(!validate(&file).unwrap().status.success(), "{pointer} may be {}", bad.pointer(pointer).unwrap());
    }
}
