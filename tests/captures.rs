//! Every recorded capture is decoded, and tshark, where it is installed, must see the same payloads in the same order.
//!
//! Captures under `fixtures/captures` are always read. More are read from a corpus folder (`IKE_INTEROP_CORPUS`, or
//! `../shared/corpus` beside the checkout) where there is one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ike_interop::evidence::capture::CaptureReader;
use ike_interop::evidence::decode::{Content, Decoder, KeyTable, Protection};
use ike_interop::wire::isakmp::{Body, Payload};
use libtest_mimic::{Arguments, Failed, Trial};

/// Messages that tshark 4.0 opens with a wrong IV: it reads their first payload type and stops.
const TSHARK_STOPS_EARLY: [(&str, u64); 1] = [("wireshark-ikev1-certs-keyed.pcap", 8)];

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::env::var_os("IKE_INTEROP_CORPUS").map_or_else(|| root.join("../shared/corpus"), PathBuf::from);
    let mut captures = BTreeMap::new();
    for folder in [corpus.join("captures"), root.join("fixtures/captures")] {
        let Ok(entries) = fs::read_dir(&folder) else {
            println!("skipped: the captures of {}, which is not there", folder.display());
            continue;
        };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path
                .extension()
                .is_some_and(|extension| ["pcap", "pcapng", "cap"].iter().any(|known| extension == *known))
            {
                captures.insert(path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path);
            }
        }
    }
    let tshark = Command::new("tshark").arg("--version").output().is_ok();
    if !tshark {
        println!("skipped: the comparison with tshark, which is not installed");
    }
    let keys = keys(root, &corpus);
    let trials = captures.into_iter().map(|(name, path)| {
        let keys = keys.clone();
        Trial::test(format!("capture::{name}"), move || decode_and_compare(&path, &keys, tshark))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn keys(root: &Path, corpus: &Path) -> String {
    let mut table = fs::read_to_string(root.join("fixtures/captures/keys.csv")).unwrap_or_default();
    for line in fs::read_to_string(corpus.join("captures/KEYS.tsv")).unwrap_or_default().lines() {
        if let [_, "ikev1", _, value] = line.split('\t').collect::<Vec<_>>()[..] {
            table.push_str(value);
            table.push('\n');
        }
    }
    table
}

fn decode_and_compare(path: &Path, key_table: &str, tshark: bool) -> Result<(), Failed> {
    let mut keys = KeyTable::default();
    keys.read_ikev1_table(key_table)?;
    let mut reader = CaptureReader::new(BufReader::new(File::open(path)?))?;
    let mut decoder = Decoder::new(keys);
    let mut frames = BTreeMap::new();
    let mut sealed = 0;
    while let Some(packet) = reader.next_packet()? {
        let Some(observed) = decoder.packet(&packet) else { continue };
        match observed.content {
            Content::Ike(message) => {
                if matches!(message.protection, Protection::Sealed(_)) {
                    sealed += 1;
                }
                let kinds = message.payloads.iter().flat_map(payload_numbers).collect();
                frames.insert(observed.number, (kinds, message.error.is_some()));
            }
            Content::IkeV2(message) => {
                let kinds = message.payloads.iter().map(|payload| u8::from(payload.kind)).collect();
                frames.insert(observed.number, (kinds, message.error.is_some()));
            }
            _ => {}
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.contains("ikev1") && name.contains("keyed") && sealed > 0 {
        return Err(format!("{sealed} messages of {name} stay sealed although their key is known").into());
    }
    if tshark { compare(path, key_table, &frames) } else { Ok(()) }
}

/// The payload's type, and with an SA those of its proposals and transforms, as tshark lists them.
fn payload_numbers(payload: &Payload) -> Vec<u8> {
    let mut numbers = vec![u8::from(payload.body.payload_type())];
    if let Body::Sa(sa) = &payload.body {
        for proposal in &sa.proposals {
            numbers.push(2);
            numbers.extend(proposal.transforms.iter().map(|_| 3));
        }
    }
    numbers
}

fn compare(path: &Path, key_table: &str, frames: &BTreeMap<u64, (Vec<u8>, bool)>) -> Result<(), Failed> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-Y", "isakmp", "-T", "fields", "-E", "separator=;"]);
    for field in ["frame.number", "isakmp.typepayload", "isakmp.version", "_ws.malformed"] {
        command.args(["-e", field]);
    }
    for entry in key_table.lines() {
        let (cookie, key) = entry.split_once(',').ok_or("a key without a comma")?;
        command.args(["-o", &format!("uat:ikev1_decryption_table:{cookie},{key}")]);
    }
    let output = command.arg("-r").arg(path).output()?;
    if !output.status.success() {
        return Err(format!("tshark: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut problems = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let [number, kinds, version, malformed] = line.split(';').collect::<Vec<_>>()[..] else {
            return Err(format!("tshark printed `{line}`").into());
        };
        let number: u64 = number.parse()?;
        let theirs: Vec<u8> = kinds.split(',').filter_map(|kind| kind.parse().ok()).collect();
        // Proposals and transforms of IKEv2 lie inside its SA payload, which is not opened here.
        let v2 = version == "0x20";
        let theirs: Vec<u8> = theirs.into_iter().filter(|kind| !v2 || *kind > 3).collect();
        match frames.get(&number) {
            // Where both stop at damage, how far each came is its own affair.
            Some((_, true)) if !malformed.is_empty() => {}
            Some((ours, _)) if *ours == theirs => {}
            Some((ours, false)) if TSHARK_STOPS_EARLY.contains(&(&*name, number)) && ours.starts_with(&theirs) => {}
            Some((ours, damaged)) => {
                problems.push(format!("frame {number}: tshark {theirs:?}, here {ours:?}, damaged {damaged}"));
            }
            None if theirs.is_empty() || !malformed.is_empty() => {}
            None => problems.push(format!("frame {number}: tshark {theirs:?}, here nothing")),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}
