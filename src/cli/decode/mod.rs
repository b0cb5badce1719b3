//! `ike-interop decode`: a capture as a transcript.

mod pieces;
mod turns;
mod work;

use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pieces::Pieces;

use super::{BAD_INPUT, SUCCESS};
use crate::crypto::Secret;
use crate::diag::{Source, Unreadable};
use crate::evidence::capture::CaptureError;
use crate::evidence::decode::{Decoder, KeyFileError, KeyTable, Secrets};
use crate::evidence::transcript::{Names, Transcript};

/// What Wireshark calls its tables of keys in a profile folder.
const TABLES: [&str; 3] = ["ikev1_decryption_table", "ikev2_decryption_table", "esp_sa"];

/// The longest table that is read, in octets: some 100,000 keys.
const MAX_TABLE: u64 = 32 << 20;

/// Show a capture (pcap or pcapng) as a transcript of the negotiation, decrypted as far as keys are given.
///
/// Without keys everything in clear is shown: all of main mode up to message 4, aggressive mode, IKE_SA_INIT, and which SAs
/// carried packets. Keys come from Wireshark's tables, which strongSwan's save-keys plugin and the output folder of a cell
/// have, or from secrets.
///
/// A pre-shared key alone decrypts nothing, with IKEv1 as with IKEv2: the keys come from it and from the Diffie-Hellman
/// secret g^xy, which never crosses the wire. What it can do alone is to say whether HASH_I and HASH_R were made with it,
/// where they can be read: in aggressive mode always, in main mode once it is decrypted. With --dh-secret (g^xy) or
/// --dh-private (the exponent of one side, which a debug log may hold) all IKEv1 keys follow: phase 1, and the ESP SAs that
/// quick mode makes; with PFS give the secret of that exchange as well.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Arguments {
    /// The capture to read; - is standard input.
    capture: PathBuf,

    /// A Wireshark profile folder with any of ikev1_decryption_table, ikev2_decryption_table and esp_sa.
    #[arg(long, value_name = "DIR")]
    keys: Vec<PathBuf>,

    /// Phase 1 keys of IKEv1: Wireshark's `ikev1_decryption_table`, a line of initiator cookie and encryption key each.
    #[arg(long, value_name = "FILE")]
    ikev1_keys: Vec<PathBuf>,

    /// Keys of IKEv2: Wireshark's `ikev2_decryption_table`.
    #[arg(long, value_name = "FILE")]
    ikev2_keys: Vec<PathBuf>,

    /// Keys of ESP: Wireshark's `esp_sa`.
    #[arg(long, value_name = "FILE")]
    esp_keys: Vec<PathBuf>,

    /// A pre-shared key, as text or as hexadecimal octets behind 0x. See above what it can do alone.
    #[arg(long, value_name = "KEY", value_parser = psk)]
    psk: Vec<Secret>,

    /// The shared secret g^xy of a Diffie-Hellman exchange, in hexadecimal.
    #[arg(long, value_name = "HEX", value_parser = octets)]
    dh_secret: Vec<Secret>,

    /// The private exponent of either side of a Diffie-Hellman exchange, in hexadecimal.
    #[arg(long, value_name = "HEX", value_parser = octets)]
    dh_private: Vec<Secret>,

    /// A name for an address, as in 192.0.2.10=branch.
    #[arg(long = "name", value_name = "ADDRESS=NAME", value_parser = name)]
    names: Vec<(IpAddr, String)>,

    /// Add the number of each packet in the capture, and how often it was repeated; two runs differ in these.
    #[arg(long)]
    packets: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match decode(arguments) {
        Ok(()) => SUCCESS.into(),
        Err(error) => {
            eprintln!("error: {error}");
            BAD_INPUT.into()
        }
    }
}

/// Why a capture could not be shown, or not to its end.
#[derive(Debug, thiserror::Error)]
enum DecodeError {
    #[error("{0}: {1}")]
    Capture(PathBuf, CaptureError),
    #[error("{0}: {1}; what comes before it is shown")]
    Damaged(PathBuf, CaptureError),
    #[error("{0}: {1}")]
    Keys(PathBuf, Unreadable),
    #[error("{0}:{1}")]
    Table(PathBuf, KeyFileError),
    #[error("{0}: expected at least one of {known}, found none", known = TABLES.join(", "))]
    NoTables(PathBuf),
    #[error("cannot write the transcript: {0}")]
    Output(io::Error),
}

fn decode(arguments: &Arguments) -> Result<(), DecodeError> {
    let standard_input = arguments.capture.as_os_str() == "-";
    let path = if standard_input { &PathBuf::from("standard input") } else { &arguments.capture };
    let decoder = Decoder::new(keys(arguments)?);
    let pieces = match standard_input {
        true => Ok(Pieces::of_stream(io::stdin())),
        false => File::open(path).and_then(Pieces::of_file),
    };
    let pieces = pieces.map_err(|error| DecodeError::Capture(path.clone(), error.into()))?;
    let mut transcript = Transcript::new(Names::new(arguments.names.iter().cloned()));
    if arguments.packets {
        transcript = transcript.with_packets();
    }
    let Some(decoded) = work::decode(&pieces, decoder, transcript).map_err(DecodeError::Output)? else { return Ok(()) };
    let damage = match decoded.damage {
        Some(error) if !decoded.begun => return Err(DecodeError::Capture(path.clone(), error)),
        damage => damage,
    };
    if !decoded.told && damage.is_none() {
        eprintln!("note: no IKE, ESP or AH found; packets in the capture: {}", decoded.packets);
    }
    if decoded.incomplete > 0 {
        eprintln!(
            "note: of some packets only a part came, and they are not shown, for want of their other fragments: {}",
            decoded.incomplete
        );
    }
    if decoded.sealed && !arguments.psk.is_empty() && arguments.dh_secret.is_empty() && arguments.dh_private.is_empty()
    {
        eprintln!(
            "note: messages stay encrypted: a pre-shared key alone cannot decrypt them; give --dh-secret or --dh-private as \
             well, or the keys themselves (--keys)"
        );
    }
    damage.map_or(Ok(()), |error| Err(DecodeError::Damaged(path.clone(), error)))
}

fn keys(arguments: &Arguments) -> Result<KeyTable, DecodeError> {
    let mut keys = KeyTable::default();
    for folder in &arguments.keys {
        let found: Vec<(&str, PathBuf)> =
            TABLES.into_iter().map(|table| (table, folder.join(table))).filter(|(_, path)| path.is_file()).collect();
        if found.is_empty() {
            return Err(DecodeError::NoTables(folder.clone()));
        }
        for (table, path) in found {
            read_table(&mut keys, table, &path)?;
        }
    }
    let files = [&arguments.ikev1_keys, &arguments.ikev2_keys, &arguments.esp_keys];
    for (table, files) in TABLES.into_iter().zip(files) {
        for path in files {
            read_table(&mut keys, table, path)?;
        }
    }
    keys.add_secrets(Secrets {
        psks: arguments.psk.clone(),
        shared: arguments.dh_secret.clone(),
        private: arguments.dh_private.clone(),
    });
    Ok(keys)
}

fn read_table(keys: &mut KeyTable, table: &str, path: &Path) -> Result<(), DecodeError> {
    let source = Source::read(path, MAX_TABLE).map_err(|error| DecodeError::Keys(path.to_owned(), error))?;
    let read = match table {
        "ikev1_decryption_table" => keys.read_ikev1_table(&source.text),
        "ikev2_decryption_table" => keys.read_ikev2_table(&source.text),
        _ => keys.read_esp_table(&source.text),
    };
    read.map_err(|error| DecodeError::Table(path.to_owned(), error))
}

fn psk(text: &str) -> Result<Secret, String> {
    match text.strip_prefix("0x") {
        Some(_) => octets(text),
        None if text.is_empty() => Err("a pre-shared key is not empty".to_owned()),
        None => Ok(Secret::from(text.as_bytes())),
    }
}

fn octets(text: &str) -> Result<Secret, String> {
    let digits: String = text.strip_prefix("0x").unwrap_or(text).split_whitespace().collect();
    match hex::decode(&digits) {
        Ok(octets) if octets.is_empty() => Err("expected hexadecimal digits, found none".to_owned()),
        Ok(octets) => Ok(Secret::new(octets)),
        Err(error) => Err(format!("expected hexadecimal digits, two an octet: {error}")),
    }
}

fn name(text: &str) -> Result<(IpAddr, String), String> {
    let (address, name) = text.split_once('=').ok_or("expected an address, `=` and a name, as in 192.0.2.10=branch")?;
    let address = address.parse().map_err(|_| format!("`{address}` is no address"))?;
    match name.trim() {
        "" => Err("the name is empty".to_owned()),
        name => Ok((address, name.to_owned())),
    }
}
