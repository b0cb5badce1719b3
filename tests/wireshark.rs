//! Wireshark as the judge of a cell's capture and keys. Skipped where tshark is missing.

use std::path::Path;
use std::process::Command;

use ike_interop::evidence::artifacts;
use ike_interop::evidence::log::EventLog;

/// A run of `tunnel/plain` between the engines of the harness, as an event log.
const LOG: &str = "fixtures/events/tunnel-plain.jsonl";

#[test]
fn tshark_opens_what_the_harness_wrote() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: there is no tshark");
        return;
    }
    let file = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(LOG)).unwrap();
    let (log, _) = EventLog::read(&file[..]).unwrap();
    let folder = std::env::temp_dir().join(format!("ike-interop-wireshark-{}", std::process::id()));
    artifacts::write(&folder, &log).unwrap();
    let output = Command::new("tshark")
        .env("WIRESHARK_CONFIG_DIR", folder.join("wireshark"))
        .arg("-r")
        .arg(folder.join("capture.pcapng"))
        .args(["-Y", "frame.interface_name == \"internet:dut\"", "-T", "fields"])
        .args([
            "-e",
            "isakmp.id.data.ipv4_addr",
            "-e",
            "isakmp.id.data.ipv4_subnet",
            "-e",
            "icmp.type",
            "-e",
            "frame.comment",
        ])
        .output()
        .unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let column = |column: usize| lines.iter().map(move |line| line.get(column).copied().unwrap_or_default());
    assert!(column(0).any(|ids| ids.contains("192.0.2.10")), "the phase 1 identity is decrypted:\n{text}");
    assert!(column(0).any(|ids| ids == "10.1.0.0,10.2.0.0"), "the quick mode identities are decrypted:\n{text}");
    assert!(column(2).any(|icmp| icmp == "8"), "the ping in ESP is decrypted:\n{text}");
    assert!(column(3).any(|comment| comment.starts_with("main-mode-1: SA")), "packets have names:\n{text}");
}
