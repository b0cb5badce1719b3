//! `ike-interop decode` as a user runs it: keys, damage, every framing, and memory that does not grow with the capture.

mod damage;
mod framing;
mod keys;
mod memory;
mod packets;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of `decode` gave.
#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    status: i32,
    transcript: String,
    /// What went to standard error.
    said: String,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures").join(name)
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ike-interop"));
    command.arg("decode").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Decodes the octets of a capture, given on standard input.
fn decode(capture: &[u8], arguments: &[&str]) -> Decoded {
    let mut child = command(&[&["-"], arguments].concat()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // What is refused at its first octets is not read to its end.
    let _ = stdin.write_all(capture);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    Decoded {
        status: output.status.code().unwrap(),
        transcript: String::from_utf8(output.stdout).unwrap(),
        said: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Decodes a capture that is whole and gives its transcript.
fn transcript(capture: &[u8], arguments: &[&str]) -> String {
    let decoded = decode(capture, arguments);
    assert_eq!((decoded.status, &*decoded.said), (0, ""), "{}", decoded.transcript);
    decoded.transcript
}

/// What reviewers read of recorded devices: Cisco routers of several generations, and others under NAT-T and IPv6.
#[test]
fn transcripts_of_recorded_devices() {
    let keys = fixture("wireshark");
    for name in [
        "cisco-ios-esp-over-ah-tunnel.cap",
        "cisco-ios-ikev1-aggressive-psk.pcap",
        "cisco-ios-ikev1-mainmode-psk.pcap",
        "cisco-iosxe-ikev1-mainmode-rsaencr-keyed.pcap",
        "fortigate-paloalto-ikev1-ipv6-esp.pcap",
        "strongswan-ikev1-mainmode-psk-esp.pcap",
        "tcpdump-openswan-ikev1-natt-4500.pcap",
    ] {
        let capture = fs::read(fixture(name)).unwrap();
        insta::assert_snapshot!(name, transcript(&capture, &["--keys", keys.to_str().unwrap(), "--packets"]));
    }
}
