use std::path::Path;
use std::time::Duration;

use super::timeline::{Anchor, Fate, Message, Row};
use super::*;
use crate::evidence::frames::transcript_of;
use crate::evidence::log::{Entry, Happening, Link, Reviewed};
use crate::evidence::snapshot::Weight;
use crate::ios::console::Mark;
use crate::scenario::Cell;
use crate::time::Instant;
use crate::verdict::rig::{cell, change, engines, log, run};

fn healthy() -> (Cell, Vec<Entry>) {
    let cell = cell("tunnel/plain", false);
    let entries = run(&cell, engines(&cell));
    (cell, entries)
}

fn report(cell: &Cell, entries: Vec<Entry>) -> CellReport {
    CellReport::of_log(cell, &log(entries), Path::new("out/cells/x"))
}

fn messages(report: &CellReport) -> Vec<&Message> {
    let rows = report.story.as_ref().unwrap().timeline.rows.iter();
    let anchors = rows.filter_map(|row| match &row.anchor {
        Some(Anchor::Message(message)) => Some(message),
        _ => None,
    });
    anchors.collect()
}

/// The JSON of a page.
fn data(page: &str) -> serde_json::Value {
    let (_, json) = page.split_once(r#"<script type="application/json" id="data">"#).unwrap();
    serde_json::from_str(json.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let (cell, entries) = healthy();
    let page = report_html(&[report(&cell, entries)], Path::new("out")).unwrap();
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    for reference in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!outside.contains(reference), "{reference}");
    }
    let data = data(&page);
    assert_eq!(data["cells"][0]["name"], "tunnel/plain/builtin/12.4");
    assert_eq!(data["cells"][0]["folder"], "cells/x", "as seen from the page's folder");
}

#[test]
fn what_changed_in_a_transcript_is_told_in_words_and_lines() {
    let (cell, entries) = healthy();
    let mut log = log(entries);
    let text = transcript_of(&log).replace("key length 256, SHA", "key length 128, SHA");
    log.header.reviewed = Some(Reviewed { file: "plain@builtin.snap".into(), text, fails_from: Weight::Minor });
    let page = report_html(&[CellReport::of_log(&cell, &log, Path::new("out/cells/x"))], Path::new("out")).unwrap();
    let data = data(&page);
    let cell = &data["cells"][0];
    let text = |number: &serde_json::Value| data["texts"][number.as_u64().unwrap() as usize].as_str().unwrap();
    let change = &cell["changes"][0];
    assert_eq!(change[0], "major");
    assert_eq!(
        (change[1].as_str(), change[2].as_str()),
        (Some("main mode 2"), Some("the chosen transform was key length 128, is key length 256"),)
    );
    let failure = &cell["failures"][0];
    assert_eq!(failure[0], "transcript");
    assert!(text(&failure[2]).starts_with("major: main mode 2: "), "{failure}");
    assert!(text(&cell["difference"]).contains("\n+      transform 1 KEY_IKE: AES-CBC, key length 256, SHA"), "{page}");
}

#[test]
fn what_failed_and_why_is_told_once_above_the_matrix() {
    let broken = cell("phase2/acl-not-mirrored", false);
    let mut pair = engines(&broken);
    let half = crate::ike::Selector::subnet("10.1.0.0".parse().unwrap(), "255.255.255.128".parse().unwrap());
    pair.b.owner.entries[0].selectors.remote = half;
    let entries = run(&broken, pair);
    let mut hopeful = broken.clone();
    change(&mut hopeful, |scenario| scenario.expect.diagnosis.clear());
    let one = report(&hopeful, entries.clone());
    let mut other = CellReport { release: crate::ios::Release::Xe16, ..one.clone() };
    other.name = "it's 100 %/x".to_owned();
    let (healthy, good) = healthy();
    let (told, more) = troubles::troubles(&[one.clone(), report(&healthy, good), other]);
    let told = serde_json::to_value(&told).unwrap();
    assert_eq!((told.as_array().unwrap().len(), more), (1, 0), "{told}");
    let why = told[0]["why"].as_str().unwrap();
    assert!(why.starts_with("We propose to protect") && why.ends_with("(acl-not-mirrored)"), "{why}");
    assert_eq!(told[0]["cells"][0]["label"], "builtin 12.4 broken");
    assert_eq!(told[0]["cells"][1]["address"], "#cell=it%27s%20100%20%25/x");
    // As the scenario expects it, it explains nothing.
    assert_eq!(report(&broken, entries).cause(), "");
    let many: Vec<CellReport> =
        (0..100).map(|number| CellReport { scenario: format!("many/{number}"), ..one.clone() }).collect();
    assert_eq!(troubles::troubles(&many).1, 70);
    assert!(report_html(&many, Path::new("out")).unwrap().contains("And 70 more of this kind"));
}

#[test]
fn texts_of_logs_and_scenarios_are_no_markup() {
    let evil = "</script><script>alert(1)</script><!--";
    let (cell, mut entries) = healthy();
    let at = entries.last().unwrap().at;
    let line = Happening::Console { text: evil.to_owned(), mark: Mark::Recalled, source: Default::default() };
    entries.insert(entries.len() - 1, Entry { at, what: line });
    let mut report = report(&cell, entries);
    report.story.as_mut().unwrap().title = evil.to_owned();
    report.scenario = format!("{evil}/x");
    let page = report_html(&[report], Path::new("out")).unwrap();
    assert_eq!(page.matches("<script").count(), 2, "the data and the page's own");
    assert!(!page.contains("<!--"));
    let data = data(&page);
    assert!(data["texts"].as_array().unwrap().iter().any(|text| text == evil), "and it is shown as it is");
}

#[test]
fn every_message_is_an_arrow_with_its_payloads() {
    let (cell, entries) = healthy();
    let report = report(&cell, entries);
    let messages = messages(&report);
    let names: Vec<&str> = messages.iter().map(|message| message.name.as_str()).take(9).collect();
    let main = ["main-mode-1", "main-mode-2", "main-mode-3", "main-mode-4", "main-mode-5", "main-mode-6"];
    assert_eq!(names[..6], main);
    assert_eq!(names[6..], ["quick-mode-1", "quick-mode-2", "quick-mode-3"]);
    assert!(messages.iter().all(|message| message.fate == Fate::Arrived));
    assert!(messages[0].by_dut && !messages[1].by_dut);
    assert!(messages[0].payloads.contains("transform 1 KEY_IKE"), "{}", messages[0].payloads);
    assert!(messages[6].payloads.contains("IDci"), "quick mode is decrypted: {}", messages[6].payloads);
}

#[test]
fn a_message_that_never_arrives_ends_on_its_way() {
    let (cell, mut entries) = healthy();
    // The first frame on the router's link is main mode 1; the router's answer stays, as in a capture that began late.
    let lost = |entry: &Entry| matches!(entry.what, Happening::Frame { link: Link::Cisco, outbound: true, .. });
    let at = entries.iter().position(lost).unwrap();
    let frame = entries.remove(at);
    let report_of = |entries: &[Entry]| report(&cell, entries.to_vec());
    let first = |report: &CellReport| messages(report)[0].fate;
    assert_eq!(first(&report_of(&entries)), Fate::Lost);
    entries.insert(at, frame.clone());
    entries.insert(at, frame.clone());
    assert_eq!(first(&report_of(&entries)), Fate::Repeated(2));
    entries.remove(at);
    if let Happening::Frame { octets, .. } = &mut entries[at].what {
        *octets.last_mut().unwrap() ^= 1;
    }
    assert_eq!(first(&report_of(&entries)), Fate::Changed);
}

#[test]
fn long_logs_are_bounded_and_say_so() {
    let (cell, mut entries) = healthy();
    let at = entries.last().unwrap().at;
    let noise = (0..50_000).map(|number| {
        let text = format!("{number} {}", "x".repeat(10_000.min(number)));
        Entry { at: at + Duration::from_micros(number as u64), what: Happening::Log { stderr: false, text } }
    });
    let end = entries.pop().unwrap();
    entries.extend(noise);
    entries.push(Entry { at: Instant::from_start(Duration::from_secs(100)), ..end });
    let report = report(&cell, entries);
    let timeline = &report.story.as_ref().unwrap().timeline;
    let shown = |row: &Row| row.dut.len();
    assert_eq!(timeline.rows.iter().map(shown).sum::<usize>(), 1000);
    assert_eq!(timeline.more_dut, 49_000);
    let page = report_html(&[report], Path::new("out")).unwrap();
    assert!(page.len() < 700_000, "{}", page.len());
}

#[test]
fn the_lines_that_disagree_are_marked_on_both_sides() {
    let broken = cell("phase2/acl-not-mirrored", false);
    let mut pair = engines(&broken);
    let half = crate::ike::Selector::subnet("10.1.0.0".parse().unwrap(), "255.255.255.128".parse().unwrap());
    pair.b.owner.entries[0].selectors.remote = half;
    let report = report(&broken, run(&broken, pair));
    let story = report.story.unwrap();
    let marked = |cisco| {
        let configs = story.configs.iter().filter(move |config| config.cisco == cisco);
        configs.flat_map(|config| config.marks.iter().map(|(line, _)| config.text.lines().nth(line - 1).unwrap()))
    };
    assert!(marked(true).any(|line| line.contains("access-list 101 permit ip")));
    assert!(marked(false).any(|line| line.contains("traffic:")));
}
