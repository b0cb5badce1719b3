use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::evidence::frames::transcript_of;
use crate::evidence::log::{Attempt, Entry, EventLog, Happening, Reviewed};
use crate::evidence::snapshot::Weight;
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
    let report = |cell: &Cell, entries: &[Entry], attempt: usize, seconds: u64| {
        let mut log = log(entries.to_vec());
        let failures = vec!["step 2, ping left > right: expected a reply, found none".to_owned()];
        let earlier = Attempt { took: Duration::from_millis(500), broken: false, failures };
        log.header.earlier = vec![earlier; attempt - 1];
        let report = CellReport::of_log(cell, &log, Path::new("target/ike-interop/x"));
        CellReport { duration: Duration::from_millis(seconds * 1000 + 234), ..report }
    };
    let skipped = |cell: &Cell| {
        let (reason, remedy) = ("charon is not installed".to_owned(), "apt-get install strongswan-charon".to_owned());
        let log = EventLog::brief(log(entries.clone()).header, Happening::Skipped { reason, remedy, strict: false });
        CellReport { artifacts: None, ..CellReport::of_log(cell, &log, Path::new("")) }
    };
    let differs = |weight: Weight, from: &str, to: &str| {
        let mut log = log(entries.clone());
        let text = transcript_of(&log);
        assert!(text.contains(from), "{text}");
        let file = "scenarios/tunnel/snapshots/plain@builtin.snap".into();
        let text = format!("---\nsource: plain.yaml\nexpression: transcript\n---\n{}", text.replace(from, to));
        log.header.reviewed = Some(Reviewed { file, text, fails_from: weight });
        CellReport::of_log(&plain, &log, Path::new("target/ike-interop/x"))
    };
    vec![
        differs(Weight::Minor, "ESP_AES: key length 128", "ESP_AES: key length 256"),
        differs(Weight::Major, "  VID NAT-T (draft-02, newline)\n", ""),
        report(&plain, &entries, 1, 0),
        report(&plain, &broken, 1, 1),
        report(&acl, &refused, 3, 2),
        report(&known, &broken, 1, 1),
        report(&known, &entries, 1, 1),
        report(&plain, &entries, 2, 1),
        skipped(&plain),
        skipped(&acl),
        CellReport::broken(&plain, "no namespaces left"),
    ]
}

fn project() -> Project {
    let root = env!("CARGO_MANIFEST_DIR");
    Project::new(root, root)
}

fn skipped(why: &str) {
    assert!(std::env::var_os("IKE_INTEROP_STRICT").is_none(), "{why}");
    eprintln!("skipped: {why}");
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
    assert_eq!(text.lines().last(), Some("3 passed, 4 failed, 2 skipped, 1 known, 1 flaky, 1 error"));
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
fn the_command_that_runs_a_cell_again_finds_its_scenario() {
    let mut cell = cells().swap_remove(0);
    for (file, scenario, path) in [
        ("scenarios/tunnel/plain.yaml", "tunnel/plain", ""),
        ("lab/scenarios/tunnel/plain.yaml", "tunnel/plain", "lab/scenarios/tunnel/plain.yaml "),
        ("my lab/tunnel/plain.yml", "tunnel/plain", "'my lab' "),
        ("/srv/lab/tunnel/plain.yaml", "tunnel/plain", "/srv/lab "),
        ("tunnel/plain.yaml", "tunnel/plain", ". "),
        ("my lab/plain.yaml", "plain", "'my lab/plain.yaml' "),
    ] {
        cell.scenario = scenario.to_owned();
        cell.name = format!("{scenario}/builtin/12.4");
        cell.story.as_mut().unwrap().file = file.to_owned();
        assert_eq!(cell.again(), format!("ike-interop run {path}{scenario}/builtin/12.4"));
    }
    let story = cell.story.as_mut().unwrap();
    (story.config, story.seed) = (Some("my lab/ike-interop.toml".into()), 7);
    let command = "ike-interop run 'my lab/plain.yaml' plain/builtin/12.4 --config 'my lab/ike-interop.toml' --seed 7";
    assert_eq!(cell.again(), command);
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
    assert_eq!(json["summary"]["fail"], 4);
    let keys: Vec<&String> = json["cells"][4].as_object().unwrap().keys().collect();
    let mut wanted = [
        "changes",
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
    assert_eq!(json["cells"][4]["twin"], "fixed");
    assert_eq!(json["cells"][4]["findings"][0], "acl-not-mirrored");
    assert_eq!(json["cells"][3]["duration_s"], 1.234);
    assert_eq!(json["cells"][0]["changes"][0]["weight"], "major");
    assert_eq!(json["cells"][1]["changes"][0]["what"], "vendor ID NAT-T (draft-02, newline) is new");
    let again = read_results(&text).unwrap();
    assert_eq!(again.len(), cells.len());
    assert_eq!(again[0].changes[0].weight, "major");
    assert_eq!(again[3].result, CellResult::Fail);
    let other = text.replacen("\"version\": 1", "\"version\": 9", 1);
    assert_eq!(read_results(&other).unwrap_err().to_string(), "it has version 9; this program reads version 1");
}

#[test]
fn the_junit_report() {
    let mut cells = cells();
    for story in cells.iter_mut().filter_map(|cell| cell.story.as_mut()) {
        story.transcript = story.transcript.lines().take(1).map(|line| format!("{line}\n")).collect();
    }
    insta::assert_snapshot!(neutral(&junit_xml(&cells, &project()).unwrap()));
}

/// Jenkins' schema, with what is in the report for others; see [`super::junit`].
fn schema() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/junit/junit-10.xsd");
    let schema = std::fs::read_to_string(file).unwrap();
    let case = r#"<xs:attribute name="group" type="xs:string"/>"#;
    let time = r#"<xs:attribute name="time" type="xs:string"/>"#;
    let counts = r#"<xs:attribute name="errors" type="xs:string" />"#;
    let mut extended = schema.clone();
    for (place, more) in [
        (case, r#"<xs:attribute name="file" type="xs:string"/>"#),
        (counts, r#"<xs:attribute name="skipped" type="xs:string"/>"#),
        (r#"<xs:attribute name="type" type="xs:string" use="required" />"#, time),
        (r#"<xs:element ref="skipped"/>"#, r#"<xs:element ref="properties"/>"#),
    ] {
        assert_eq!(extended.matches(place).count(), 1, "{place}");
        extended = extended.replace(place, &format!("{place}{more}"));
    }
    extended
}

#[test]
fn the_junit_report_fits_the_schema_of_jenkins() {
    let folder = std::env::temp_dir().join(format!("ike-interop-junit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (xsd, file) = (folder.join("junit.xsd"), folder.join("junit.xml"));
    std::fs::write(&xsd, schema()).unwrap();
    let validate = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Command::new("xmllint").args(["--noout", "--schema"]).args([&xsd, &file]).output()
    };
    let text = junit_xml(&nasty(), &project()).unwrap();
    match validate(&text) {
        Ok(output) => {
            assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
            for (good, bad) in
                [(" type=\"attempt 1\"", ""), ("<properties>", "<properly>"), ("<skipped ", "<skipping ")]
            {
                let output = validate(&text.replacen(good, bad, 1)).unwrap();
                assert!(text.contains(good) && !output.status.success(), "{bad} in place of {good} is taken");
            }
        }
        Err(error) => skipped(&format!("there is no xmllint (Debian: libxml2-utils, see ci/setup): {error}")),
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The cells with texts in them that no XML file may have.
fn nasty() -> Vec<CellReport> {
    let mut cells = cells();
    for cell in &mut cells {
        cell.reason = cell.reason.take().map(|reason| format!("\u{1b}[31m{reason}\u{0}\u{fffe} <&]]>\""));
        for failure in cell.verdict.iter_mut().flat_map(|verdict| &mut verdict.failures) {
            failure.found.push_str("\u{8}\u{ffff}]]><!--");
        }
    }
    cells
}

/// What a library that other tools read reports with makes of it.
#[test]
fn the_junit_report_as_others_read_it() {
    const SCRIPT: &str = "
import sys
from junitparser import JUnitXml
report = JUnitXml.fromfile(sys.argv[1])
print(report.tests, 'tests', report.failures, 'failures', report.errors, 'errors', report.skipped, 'skipped')
for suite in report:
    for case in suite:
        print(suite.name, case.classname, case.name, *(f'{type(it).__name__}: {it.type}' for it in case.result))
";
    let file = std::env::temp_dir().join(format!("ike-interop-junit-{}.xml", std::process::id()));
    std::fs::write(&file, junit_xml(&nasty(), &project()).unwrap()).unwrap();
    let output = Command::new("/usr/bin/python3").args(["-c", SCRIPT]).arg(&file).output();
    std::fs::remove_file(&file).unwrap();
    let Ok(output) = output else { return skipped("there is no python3") };
    let complaint = String::from_utf8_lossy(&output.stderr);
    if complaint.contains("No module named 'junitparser'") {
        return skipped("there is no junitparser (Debian: python3-junitparser, see ci/setup)");
    }
    assert!(output.status.success(), "{complaint}");
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_annotations_of_github() {
    insta::assert_snapshot!(neutral(&annotations(&cells(), &project())));
}

#[test]
fn annotations_are_no_more_than_github_shows() {
    let broken = cells().into_iter().find(|cell| cell.result == CellResult::Error).unwrap();
    let cells: Vec<CellReport> =
        (0..30).map(|number| CellReport { scenario: format!("many/{number}"), ..broken.clone() }).collect();
    let text = annotations(&cells, &project());
    assert_eq!(text.lines().count(), 10);
    assert!(text.ends_with("::error::21 more are in the summary of the job and in its log\n"), "{text}");
}

#[test]
fn the_summary_of_a_github_job() {
    insta::assert_snapshot!(neutral(&summary::markdown(&cells(), &project(), 1 << 20)));
}

#[test]
fn the_summary_is_bounded_and_keeps_the_matrix() {
    let failed = cells().into_iter().find(|cell| cell.result == CellResult::Fail).unwrap();
    let many: Vec<CellReport> = (0..100)
        .map(|number| CellReport {
            scenario: format!("many/{number}"),
            name: format!("many/{number}/x"),
            ..failed.clone()
        })
        .collect();
    let whole = summary::markdown(&many, &project(), 1 << 20);
    assert_eq!(whole.matches("<details>").count(), 100);
    for most in [0, 100, 5000, 20_000, whole.len() - 1] {
        let text = summary::markdown(&many, &project(), most);
        assert!(text.len() <= most, "{} > {most}", text.len());
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
        if most >= 5000 {
            assert!(text.contains("| 99 | ❌ |") && text.contains("of this summary are left out"), "{text}");
        }
    }
}

#[test]
fn a_log_of_github_is_folded_and_takes_no_commands_of_others() {
    let mut cells = cells();
    let failure = &mut cells[0].verdict.as_mut().unwrap().failures[0];
    failure.found = "two lines\n  ::stop-commands::x\n##[endgroup]".to_owned();
    failure.what = "said".to_owned();
    let mut terminal = Terminal::new(Vec::new(), false).for_github(true);
    terminal.conclude(&cells[..1]).unwrap();
    insta::assert_snapshot!(neutral(&String::from_utf8(terminal.into_inner()).unwrap()));
}

#[test]
fn long_transcripts_are_cut_to_their_end() {
    let mut cells = vec![cells().swap_remove(0)];
    let lines: String = (0..5000).map(|number| format!("line {number}\n")).collect();
    cells[0].story.as_mut().unwrap().transcript = lines;
    let text = junit_xml(&cells, &project()).unwrap();
    assert!(text.len() < 20_000, "{}", text.len());
    assert!(text.contains("octets before\nline 3") && text.contains("line 4999\n"), "{text}");
}
