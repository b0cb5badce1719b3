//! Every recorded capture is decoded, and tshark, where it is installed and given the same keys, must see the same: payloads
//! in their order, identities, traffic selectors, and what was inside ESP.
//!
//! Captures under `fixtures/captures` are always read. More are read from a corpus folder (`IKE_INTEROP_CORPUS`, or
//! `../shared/corpus` beside the checkout) where there is one.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use ike_interop::evidence::capture;
use ike_interop::evidence::decode::{Content, Decoder, IkeMessage, Ikev2Message, KeyTable, Opened, Protection};
use ike_interop::wire::ikev2;
use ike_interop::wire::isakmp::{Body, IdType};
use libtest_mimic::{Arguments, Failed, Trial};

/// Messages that tshark 4.0 opens with a wrong IV: it reads their first payload type and stops.
const TSHARK_STOPS_EARLY: [(&str, u64); 1] = [("wireshark-ikev1-certs-keyed.pcap", 8)];

/// Captures of which tshark opens less: it takes the first of several keys of one SPI and does not try the others.
const TSHARK_TRIES_ONE_KEY: [&str; 1] = ["tcpdump-esp-in-esp-3des-keyed.pcap"];

/// An identity of one octet whose type is an address: tshark reads the octets behind it.
const TSHARK_READS_BEYOND: [&str; 1] = ["tcpdump-ikev2-id-normal.pcap"];

/// The keyed captures whose keys are not in `fixtures/captures/wireshark`, by the table of `KEYS.tsv` they are in.
const TABLES: [(&str, &str); 3] =
    [("ikev1", "ikev1_decryption_table"), ("ikev2", "ikev2_decryption_table"), ("esp", "esp_sa")];

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
    let profile = match profile(root, &corpus) {
        Ok(profile) => profile,
        Err(error) => {
            eprintln!("the tables of keys cannot be written: {error}");
            return ExitCode::FAILURE;
        }
    };
    let trials = captures.into_iter().map(|(name, path)| {
        let profile = profile.clone();
        Trial::test(format!("capture::{name}"), move || decode_and_compare(&path, &profile, tshark))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// A Wireshark profile folder with the keys of the fixtures and of the corpus.
fn profile(root: &Path, corpus: &Path) -> std::io::Result<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("captures-profile");
    fs::create_dir_all(&folder)?;
    let more = fs::read_to_string(corpus.join("captures/KEYS.tsv")).unwrap_or_default();
    for (kind, table) in TABLES {
        let mut text = fs::read_to_string(root.join("fixtures/captures/wireshark").join(table))?;
        for line in more.lines() {
            if let [_, of, _, value] = line.split('\t').collect::<Vec<_>>()[..]
                && of == kind
            {
                text.push_str(&format!("{value}\n"));
            }
        }
        fs::write(folder.join(table), text)?;
    }
    fs::write(
        folder.join("preferences"),
        "esp.enable_encryption_decode: TRUE\nesp.enable_authentication_check: TRUE\nesp.do_esp_sequence_analysis: FALSE\n",
    )?;
    Ok(folder)
}

fn keys(profile: &Path) -> Result<KeyTable, Failed> {
    let mut keys = KeyTable::default();
    let text = |table: &str| fs::read_to_string(profile.join(table));
    keys.read_ikev1_table(&text("ikev1_decryption_table")?)?;
    keys.read_ikev2_table(&text("ikev2_decryption_table")?)?;
    keys.read_esp_table(&text("esp_sa")?)?;
    Ok(keys)
}

/// What one frame holds, by whichever of the two decoders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Payload types in order, with 2 and 3 for the proposals and transforms of an SA.
    payloads: Vec<u8>,
    /// Identities of the types tshark prints as text, by its fields: IPv4 addresses, their masks, host names, mail
    /// addresses.
    identities: [Vec<String>; 4],
    /// First addresses of IPv4 traffic selectors.
    selectors: Vec<String>,
    /// The ICMP type inside ESP.
    icmp: Vec<u8>,
    /// Whether the payloads were found to be damaged.
    damaged: bool,
}

impl Seen {
    fn identity(&mut self, kind: IdType, data: &[u8]) {
        let addresses =
            || data.chunks_exact(4).map(|octets| Ipv4Addr::from([octets[0], octets[1], octets[2], octets[3]]));
        let mut put = |place: usize, text: String| self.identities[place].push(text);
        match (kind, data.len()) {
            (IdType::Ipv4Address, 4) => put(0, addresses().map(|address| address.to_string()).collect()),
            (IdType::Ipv4Subnet, 8) => {
                // Address and mask are of different fields.
                addresses().enumerate().for_each(|(place, address)| put(place, address.to_string()));
            }
            // Of octets that are no text tshark prints as much as it can.
            (IdType::Fqdn, _) if !data.contains(&0) => put(2, String::from_utf8_lossy(data).into_owned()),
            (IdType::UserFqdn, _) if !data.contains(&0) => put(3, String::from_utf8_lossy(data).into_owned()),
            _ => {}
        }
    }
}

fn decode_and_compare(path: &Path, profile: &Path, tshark: bool) -> Result<(), Failed> {
    let file = fs::read(path)?;
    let mut decoder = Decoder::new(keys(profile)?);
    let mut opener = decoder.esp_opener();
    let mut frames = BTreeMap::new();
    let mut sealed = 0;
    for packet in capture::packets(&file) {
        let Some(observed) = decoder.packet(&packet?) else { continue };
        let seen = match &observed.content {
            Content::Ike(message) => {
                sealed += usize::from(matches!(message.protection, Protection::Sealed(_)));
                of_ikev1(message)
            }
            Content::IkeV2(read) => {
                sealed += usize::from(matches!(read.protection, Protection::Sealed(_)));
                of_ikev2(read)
            }
            Content::Esp { .. } => match opener.open(&observed) {
                Some(opened) => of_esp(&opened),
                None => {
                    sealed += 1;
                    continue;
                }
            },
            _ => continue,
        };
        frames.insert(observed.number, seen);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.contains("keyed") && sealed > 0 {
        return Err(format!("{sealed} messages of {name} stay sealed although their key is known").into());
    }
    if tshark { compare(path, profile, &frames) } else { Ok(()) }
}

fn of_ikev1(message: &IkeMessage) -> Seen {
    let mut seen = Seen { damaged: message.error.is_some(), ..Seen::default() };
    for payload in &message.payloads {
        seen.payloads.push(payload.body.payload_type().into());
        match &payload.body {
            Body::Sa(sa) => {
                for proposal in &sa.proposals {
                    seen.payloads.push(2);
                    seen.payloads.extend(proposal.transforms.iter().map(|_| 3));
                }
            }
            Body::Id(id) => seen.identity(id.kind, &id.data),
            _ => {}
        }
    }
    seen
}

fn of_ikev2(read: &Ikev2Message) -> Seen {
    let damaged = read.message.error.is_some() || read.inner_error.is_some();
    let mut seen = Seen { damaged, ..Seen::default() };
    for payload in read.message.payloads.iter().chain(&read.inner) {
        seen.payloads.push(payload.kind.into());
        match payload.body() {
            Ok(ikev2::Body::Sa(proposals)) => {
                for proposal in proposals {
                    seen.payloads.push(2);
                    seen.payloads.extend(proposal.transforms.iter().map(|_| 3));
                }
            }
            Ok(ikev2::Body::Id(kind, data)) => seen.identity(kind, data),
            Ok(ikev2::Body::Selectors(selectors)) => {
                let first = selectors.iter().filter_map(|selector| selector.addresses.first_chunk::<4>());
                seen.selectors.extend(first.map(|address| Ipv4Addr::from(*address).to_string()));
            }
            Ok(_) => {}
            Err(_) => seen.damaged = true,
        }
    }
    seen
}

fn of_esp(opened: &Opened<'_>) -> Seen {
    let icmp = match (opened.packet.protocol, opened.packet.payload.first()) {
        (1, Some(kind)) => vec![*kind],
        _ => Vec::new(),
    };
    Seen { icmp, ..Seen::default() }
}

fn compare(path: &Path, profile: &Path, frames: &BTreeMap<u64, Seen>) -> Result<(), Failed> {
    let mut command = Command::new("tshark");
    command.env("WIRESHARK_CONFIG_DIR", profile).args(["-n", "-Y", "isakmp or esp", "-T", "fields"]);
    command.args(["-E", "separator=;"]);
    for field in [
        "frame.number",
        "isakmp.typepayload",
        "isakmp.id.data.ipv4_addr",
        "isakmp.id.data.ipv4_subnet",
        "isakmp.id.data.fqdn",
        "isakmp.id.data.user_fqdn",
        "isakmp.ts.start_ipv4",
        "icmp.type",
        "_ws.malformed",
    ] {
        command.args(["-e", field]);
    }
    let output = command.arg("-r").arg(path).output()?;
    if !output.status.success() {
        return Err(format!("tshark: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut problems = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let fields: Vec<&str> = line.split(';').collect();
        let [number, payloads, address, network, host, mail, selectors, icmp, malformed] = fields[..] else {
            return Err(format!("tshark printed `{line}`").into());
        };
        let number: u64 = number.parse()?;
        let list = |text: &str| text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let numbers = |text: &str| text.split(',').filter_map(|number| number.parse().ok()).collect::<Vec<u8>>();
        let theirs = Seen {
            payloads: numbers(payloads),
            identities: [address, network, host, mail].map(list),
            selectors: list(selectors),
            icmp: numbers(icmp),
            damaged: !malformed.is_empty(),
        };
        match frames.get(&number) {
            // Where both stop at damage, how far each came is its own affair.
            Some(ours) if ours.damaged && theirs.damaged => {}
            Some(ours) if Seen { damaged: false, ..ours.clone() } == Seen { damaged: false, ..theirs.clone() } => {}
            Some(ours)
                if TSHARK_STOPS_EARLY.contains(&(&*name, number)) && ours.payloads.starts_with(&theirs.payloads) => {}
            Some(ours) if TSHARK_READS_BEYOND.contains(&&*name) && ours.payloads == theirs.payloads => {}
            Some(_) if TSHARK_TRIES_ONE_KEY.contains(&&*name) && theirs.icmp.is_empty() => {}
            None if theirs == Seen::default() || theirs.damaged => {}
            ours => problems.push(format!("frame {number}: tshark {theirs:?}, here {ours:?}")),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}
