//! `ike-interop decode` as a user runs it: keys, damage, every framing, and memory that does not grow with the capture.

mod damage;
mod framing;
mod keys;
mod memory;
mod packets;

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
