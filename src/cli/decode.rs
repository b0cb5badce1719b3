//! `ike-interop decode`: a capture as a transcript.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::{BAD_INPUT, SUCCESS};
use crate::evidence::capture::CaptureReader;
use crate::evidence::decode::{Decoder, KeyTable};
use crate::evidence::transcript::{Names, Transcript};

/// Show a capture (pcap or pcapng) as a transcript of the negotiation; with keys, decrypted.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The capture to read.
    capture: PathBuf,

    /// Phase 1 keys: Wireshark's `ikev1_decryption_table`, a line of initiator cookie and encryption key each.
    #[arg(long, value_name = "FILE")]
    ikev1_keys: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let keys = match keys(arguments) {
        Ok(keys) => keys,
        Err(message) => {
            eprintln!("error: {message}");
            return BAD_INPUT.into();
        }
    };
    let opened =
        File::open(&arguments.capture).map_err(Into::into).and_then(|file| CaptureReader::new(BufReader::new(file)));
    let mut reader = match opened {
        Ok(reader) => reader,
        Err(error) => {
            eprintln!("error: {}: {error}", arguments.capture.display());
            return BAD_INPUT.into();
        }
    };
    let mut decoder = Decoder::new(keys);
    let mut transcript = Transcript::new(Names::default());
    let damage = loop {
        match reader.next_packet() {
            Ok(Some(packet)) => {
                if let Some(observed) = decoder.packet(&packet) {
                    let inner = decoder.inner(&observed);
                    transcript.add(&observed, inner);
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    // A closed pipe (`| head`) is the reader's wish, not an error.
    let _ = io::stdout().write_all(transcript.text().as_bytes());
    match damage {
        None => SUCCESS.into(),
        Some(error) => {
            eprintln!("error: {}: {error}; what comes before it is shown", arguments.capture.display());
            BAD_INPUT.into()
        }
    }
}

fn keys(arguments: &Arguments) -> Result<KeyTable, String> {
    let mut keys = KeyTable::default();
    if let Some(path) = &arguments.ikev1_keys {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        keys.read_ikev1_table(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(keys)
}
