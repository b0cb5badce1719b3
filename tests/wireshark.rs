//! Wireshark and `decode` as the judges of a cell's captures and keys. tshark's part is skipped where it is missing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ike_interop::evidence::artifacts;
use ike_interop::evidence::log::EventLog;

/// A run of `tunnel/plain` between the engines of the harness, as an event log.
const PLAIN: &str = "tunnel-plain.jsonl";

/// strongSwan 5.9.8 with lifetimes of seconds and DPD, of which the frames and keys were kept: both phases are negotiated
/// anew, the old SAs deleted, and in the end `clear crypto sa` and `clear crypto isakmp` typed.
const RENEWED: &str = "renewed-strongswan.jsonl";

/// The folder of a cell, which goes in the end.
struct Evidence(PathBuf);

impl Evidence {
    fn of(log: &str) -> Self {
        let file = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events").join(log)).unwrap();
        let (log, damage) = EventLog::read(&file[..]).unwrap();
        assert!(damage.is_none());
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("wireshark-{}-{next}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        artifacts::write(&folder, &log).unwrap();
        Self(folder)
    }

    /// The fields of each packet of a capture by which tshark tells what is in it; `None` where there is no tshark.
    fn packets(&self, capture: &str, profile: &Path, fields: &[&str]) -> Option<Vec<Vec<String>>> {
        if Command::new("tshark").arg("--version").output().is_err() {
            eprintln!("skipped: there is no tshark");
            return None;
        }
        let mut command = Command::new("tshark");
        command.env("WIRESHARK_CONFIG_DIR", profile).arg("-r").arg(self.0.join(capture)).args(["-T", "fields"]);
        let output = command.args(fields.iter().flat_map(|field| ["-e", field])).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        Some(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn tshark_opens_what_the_harness_wrote() {
    let evidence = Evidence::of(PLAIN);
    let fields = ["isakmp.id.data.ipv4_addr", "isakmp.id.data.ipv4_subnet", "icmp.type", "frame.comment"];
    for (capture, interface) in [("dut.pcapng", "internet:dut"), ("cisco.pcapng", "internet:cisco")] {
        let fields = [&fields[..], &["frame.interface_name"]].concat();
        let Some(packets) = evidence.packets(capture, &evidence.0.join("wireshark"), &fields) else { return };
        let column = |column: usize| packets.iter().map(move |packet| &*packet[column]);
        assert!(column(0).any(|ids| ids == "192.0.2.10"), "the phase 1 identity is decrypted: {packets:?}");
        assert!(column(0).any(|ids| ids == "198.51.100.1"), "that of the router too: {packets:?}");
        let selectors = column(1).filter(|subnets| *subnets == "10.1.0.0,10.2.0.0").count();
        // Their addresses and their masks are of two fields.
        let either = column(0).filter(|subnets| *subnets == "10.1.0.0,10.2.0.0").count();
        assert_eq!(selectors.max(either), 2, "the quick mode identities are decrypted both times: {packets:?}");
        assert!(column(2).any(|icmp| icmp == "8"), "the ping in ESP is decrypted: {packets:?}");
        assert!(column(3).any(|comment| comment.starts_with("main-mode-1: SA")), "packets have names: {packets:?}");
        assert!(column(4).all(|name| name == interface), "{packets:?}");
    }
}

/// A folder of keys is a profile wherever it lies, and each link's capture is opened to the last message: none looks damaged
/// because the other link's copy of a message came between.
#[test]
fn tshark_sees_what_is_renewed_deleted_and_asked_for_in_each_links_capture() {
    let evidence = Evidence::of(RENEWED);
    let moved = evidence.0.join("elsewhere/any name");
    fs::create_dir_all(moved.parent().unwrap()).unwrap();
    fs::rename(evidence.0.join("wireshark"), &moved).unwrap();
    let fields = ["frame.comment", "isakmp.notify.msgtype", "isakmp.delete.protoid", "_ws.malformed", "esp.icv_bad"];
    for capture in ["dut.pcapng", "cisco.pcapng"] {
        let Some(packets) = evidence.packets(capture, &moved, &fields) else { return };
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for packet in &packets {
            let [comment, notify, delete, malformed, bad] = &packet[..] else { panic!("{packet:?}") };
            assert_eq!(malformed, "", "{capture}: {packet:?}");
            assert!(["", "0", "False"].contains(&&**bad), "a wrong ICV: {packet:?}");
            let payloads = comment.split(['\\', '\n']).next().unwrap_or_default();
            let words: &[(&str, &str, &str)] = &[
                (notify, "36136", "N R_U_THERE"),
                (notify, "36137", "N R_U_THERE_ACK"),
                (notify, "24576", "N RESPONDER_LIFETIME"),
                (notify, "24578", "N INITIAL_CONTACT"),
                (delete, "1", "D ISAKMP"),
                (delete, "3", "D ESP"),
            ];
            for (found, number, name) in words {
                let named = payloads.split([':', ',']).any(|payload| payload.trim() == *name);
                assert_eq!(found == number, named, "{capture}: {packet:?}");
                *counts.entry((*name).to_owned()).or_default() += usize::from(named);
            }
        }
        let counts: Vec<(&str, usize)> = counts.iter().map(|(name, count)| (&**name, *count)).collect();
        let expected = [
            ("D ESP", 4),
            ("D ISAKMP", 3),
            ("N INITIAL_CONTACT", 1),
            ("N RESPONDER_LIFETIME", 2),
            ("N R_U_THERE", 7),
            ("N R_U_THERE_ACK", 7),
        ];
        assert_eq!(counts, expected, "{capture}");
    }
}

/// The exchanges of a transcript, in an order of their own.
fn sections(transcript: &str) -> Vec<&str> {
    let mut sections: Vec<&str> = transcript.split("\n\n").map(str::trim).collect();
    sections.sort_unstable();
    sections
}

/// What `decode` makes of the captures and keys a cell leaves is what the cell itself tells.
#[test]
fn decode_of_a_cells_captures_is_its_transcript() {
    for log in [PLAIN, RENEWED] {
        let evidence = Evidence::of(log);
        let transcript = fs::read_to_string(evidence.0.join("transcript.txt")).unwrap();
        for capture in ["capture.pcapng", "dut.pcapng", "cisco.pcapng"] {
            let mut decode = Command::new(env!("CARGO_BIN_EXE_ike-interop"));
            decode.arg("decode").arg(evidence.0.join(capture)).arg("--keys").arg(evidence.0.join("wireshark"));
            let output = decode.args(["--name", "192.0.2.10=dut", "--name", "198.51.100.1=cisco"]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let decoded = String::from_utf8(output.stdout).unwrap();
            if capture == "cisco.pcapng" {
                // What crosses on the way begins in the other order there.
                assert_eq!(sections(&decoded), sections(&transcript), "{log}");
            } else {
                assert_eq!(decoded.trim_end(), transcript.trim_end(), "{log}, {capture}");
            }
        }
    }
    let evidence = Evidence::of(RENEWED);
    insta::assert_snapshot!(fs::read_to_string(evidence.0.join("transcript.txt")).unwrap());
}
