use std::path::Path;
use std::time::Duration;

use super::*;
use crate::evidence::log::{Entry, EventLog, Happening};
use crate::verdict::rig::{cell, change, engines, log, run};

/// One cell of each result, with real verdicts where there are some.
fn cells() -> Vec<CellReport> {
    let plain = cell("tunnel/plain", false);
    let entries = run(&plain, engines(&plain));
    let mut broken = entries.clone();
    for entry in &mut broken {
        if let Happening::Sas { state } = &mut entry.what {
            state.phase2.clear();
        }
    }
    let acl = cell("phase2/acl-not-mirrored", true);
    let mut pair = engines(&cell("phase2/acl-not-mirrored", false));
    let half = crate::ike::Selector::subnet("10.1.0.0".parse().unwrap(), "255.255.255.128".parse().unwrap());
    pair.b.owner.entries[0].selectors.remote = half;
    let refused = run(&cell("phase2/acl-not-mirrored", false), pair);
    let mut known = plain.clone();
    change(&mut known, |scenario| {
        scenario.known_failures = vec![KnownFailure {
            implementation: None,
            ios: None,
            twin: None,
            reason: "waits for a release".to_owned(),
        }];
    });
    let report = |cell: &Cell, entries: &[Entry], attempt: u32, seconds: u64| {
        let mut log = log(entries.to_vec());
        log.header.attempt = attempt;
        let report = CellReport::of_log(cell, &log, Path::new("target/ike-interop/x"));
        CellReport { duration: Duration::from_millis(seconds * 1000 + 234), ..report }
    };
    let skipped = |cell: &Cell| {
        let (reason, remedy) = ("charon is not installed".to_owned(), "apt-get install strongswan-charon".to_owned());
        let log = EventLog::brief(log(entries.clone()).header, Happening::Skipped { reason, remedy, strict: false });
        CellReport { artifacts: None, ..CellReport::of_log(cell, &log, Path::new("")) }
    };
    vec![
        report(&plain, &entries, 1, 0),
        report(&plain, &broken, 1, 1),
        report(&acl, &refused, 1, 2),
        report(&known, &broken, 1, 1),
        report(&known, &entries, 1, 1),
        report(&plain, &entries, 2, 1),
        skipped(&plain),
        skipped(&acl),
        CellReport::broken(&plain, "no namespaces left"),
    ]
}

fn neutral(text: &str) -> String {
    let text = text.replace(env!("CARGO_MANIFEST_DIR"), "");
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[test]
fn the_terminal_report() {
    let cells = cells();
    let mut terminal = Terminal::new(Vec::new(), false);
    for cell in &cells {
        terminal.finished(cell).unwrap();
    }
    terminal.conclude(&cells).unwrap();
    let text = String::from_utf8(terminal.into_inner()).unwrap();
    assert_eq!(text.lines().last(), Some("2 passed, 3 failed, 2 skipped, 1 known, 1 flaky, 1 error"));
    assert!(!text.contains('\u{1b}'), "no colour was asked for");
    insta::assert_snapshot!(neutral(&text));
}

#[test]
fn colour_changes_nothing_but_colour() {
    let cells = cells();
    let mut written = Vec::new();
    for colour in [false, true] {
        let mut terminal = Terminal::new(Vec::new(), colour);
        terminal.finished(&cells[0]).unwrap();
        written.push(String::from_utf8(terminal.into_inner()).unwrap());
    }
    assert!(written[1].contains('\u{1b}'));
    assert_eq!(anstream::adapter::strip_str(&written[1]).to_string(), written[0]);
}

#[test]
fn the_summary_of_a_good_run_is_three_counts() {
    let summary = Summary::of([CellResult::Pass, CellResult::Pass, CellResult::Skip]);
    assert_eq!(summary.line(), "2 passed, 0 failed, 1 skipped");
    assert!(summary.is_success());
    assert!(!Summary::of([CellResult::Error]).is_success());
    assert!(Summary::of([CellResult::Known]).is_success());
}

#[test]
fn results_json_has_the_documented_form() {
    let cells = cells();
    let text = results_json(&cells, Path::new("target/ike-interop"));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["summary"]["fail"], 3);
    let keys: Vec<&String> = json["cells"][2].as_object().unwrap().keys().collect();
    let mut wanted = [
        "name",
        "scenario",
        "implementation",
        "release",
        "twin",
        "result",
        "reason",
        "duration_s",
        "findings",
        "artifacts",
    ];
    wanted.sort_unstable();
    let mut keys: Vec<&str> = keys.into_iter().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, wanted);
    assert_eq!(json["cells"][2]["twin"], "fixed");
    assert_eq!(json["cells"][2]["findings"][0], "acl-not-mirrored");
    assert_eq!(json["cells"][1]["duration_s"], 1.234);
    let again = read_results(&text).unwrap();
    assert_eq!(again.len(), cells.len());
    assert_eq!(again[1].result, CellResult::Fail);
    let other = text.replacen("\"version\": 1", "\"version\": 9", 1);
    assert_eq!(read_results(&other).unwrap_err().to_string(), "it has version 9; this program reads version 1");
}

#[test]
fn junit_has_a_suite_for_each_scenario() {
    let text = junit_xml(&cells()).unwrap();
    assert_eq!(text.matches("<testsuite ").count(), 2, "{text}");
    assert!(text.contains(r#"<testsuite name="tunnel/plain" tests="7""#), "{text}");
    assert!(text.contains("failures=\"3\""), "{text}");
    assert!(text.contains("errors=\"1\""), "{text}");
    assert!(text.contains("<skipped message=\"charon is not installed\""), "{text}");
}
