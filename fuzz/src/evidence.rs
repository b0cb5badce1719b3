//! Captures, event logs, transcripts and results.

use std::io;
use std::path::Path;
use std::sync::LazyLock;

use ike_interop::crypto::Secret;
use ike_interop::evidence::capture::CaptureParser;
use ike_interop::evidence::decode::{Decoder, KeyTable, Opened, Secrets};
use ike_interop::evidence::log::{EventLog, Link};
use ike_interop::evidence::snapshot::{self, Outline, Weight};
use ike_interop::evidence::transcript::{Names, Transcript};
use ike_interop::evidence::wireshark::Profile;
use ike_interop::evidence::{artifacts, frames};
use ike_interop::report::{self, CellReport, Project};

/// The keys of the recorded captures, and a pre-shared key.
static KEYS: LazyLock<KeyTable> = LazyLock::new(|| {
    let mut keys = KeyTable::default();
    let ikev1 = include_str!("../../fixtures/captures/wireshark/ikev1_decryption_table");
    let ikev2 = include_str!("../../fixtures/captures/wireshark/ikev2_decryption_table");
    keys.read_ikev1_table(ikev1).expect("a table of ours");
    keys.read_ikev2_table(ikev2).expect("a table of ours");
    keys.read_esp_table(include_str!("../../fixtures/captures/wireshark/esp_sa")).expect("a table of ours");
    let shared = vec![Secret::new(vec![0x5a; 128])];
    keys.add_secrets(Secrets { psks: vec![Secret::new(b"AAAA".to_vec())], shared, private: Vec::new() });
    keys
});

/// A capture file: read, decoded, opened and told, and the transcript reads back.
pub fn capture(octets: &[u8]) {
    let (mut parser, mut rest) = (CaptureParser::default(), octets);
    let mut decoder = Decoder::new(KEYS.clone());
    let mut opener = decoder.esp_opener();
    let mut transcript = Transcript::new(Names::new([])).with_packets();
    let mut text = String::new();
    let mut packets = 0;
    while let Ok(Some(packet)) = parser.next_packet(&mut rest, true) {
        packets += 1;
        assert_eq!(packet.number, packets);
        let Some(observed) = decoder.packet(&packet) else { continue };
        let inside = opener.open(&observed).as_ref().map(Opened::inside);
        transcript.add(&observed, inside.as_ref());
        text += &transcript.take_finished();
    }
    text += &transcript.text();
    told(&text);
}

/// Whether a transcript reads back, and has nothing in it that a terminal would obey.
fn told(transcript: &str) {
    let control = transcript.chars().find(|character| character.is_control() && *character != '\n');
    assert_eq!(control, None, "{transcript:?}");
    let outline = Outline::parse(transcript).unwrap_or_else(|error| panic!("{error} of\n{transcript}"));
    assert_eq!(outline.sections.is_empty(), transcript.trim().is_empty());
    assert_eq!(snapshot::changes(transcript, transcript), []);
}

/// An event log: read, written again, and everything that is made from one.
pub fn event_log(octets: &[u8]) {
    let Ok((log, _)) = EventLog::read(octets) else { return };
    let mut written = Vec::new();
    for entry in &log.entries {
        serde_json::to_writer(&mut written, entry).expect("an entry is JSON");
        written.push(b'\n');
    }
    let (again, damage) = EventLog::read(&*written).expect("it was written by this program");
    assert!(damage.is_none() && again == log);
    let frames = frames::frames(&log);
    told(&frames::transcript_of_frames(&log, &frames));
    artifacts::write_capture(io::sink(), &log, &frames, &[Link::Dut, Link::Cisco]).expect("nothing is written");
    for frame in &frames {
        let _ = artifacts::describe(frame);
    }
    let _ = (artifacts::cisco_log(&log), artifacts::dut_log(&log), Profile::of(&log));
    let Ok(Some(cell)) = log.header.scenario.cell(&log.header.cell) else { return };
    let reports = [CellReport::of_log(&cell, &log, Path::new("cell"))];
    report::junit_xml(&reports, &Project::new("/", "/")).expect("JUnit takes any text");
    report::report_html(&reports, Path::new("")).expect("the page takes any text");
    report::read_results(&report::results_json(&reports, Path::new(""))).expect("it was written by this program");
}

/// The file of a reviewed transcript, and another transcript behind a form feed that is held against it.
pub fn transcript(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let (reviewed, found) = text.split_once('\u{c}').unwrap_or((text, text));
    let (reviewed, found) = (snapshot::contents(reviewed), snapshot::contents(found));
    let changes = snapshot::changes(reviewed, found);
    let _ = snapshot::diff(reviewed, found);
    match Outline::parse(reviewed) {
        Ok(_) if reviewed == found => assert_eq!(changes, []),
        Ok(_) => {}
        Err(_) => assert_eq!(snapshot::heaviest(&changes), Some(Weight::Major)),
    }
}

/// A `results.json`.
pub fn results(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let _ = report::read_results(text);
}
