//! tshark as the judge: it opens what the engines send with every cipher they speak. Skipped where it is not installed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::crypto::Group;
use crate::esp::{SaParameters, SecurityAssociation, Transform};
use crate::evidence::artifacts;
use crate::evidence::decode::{Content, KeyTable};
use crate::evidence::frames::{LoggedFrame, frames};
use crate::evidence::log::Entry;
use crate::ike::rig::Pair;
use crate::scenario::tunnel::{Phase1Proposal, Phase2Proposal};
use crate::time::Instant;
use crate::verdict::rig;
use crate::wire::ipv4::{Ipv4Packet, protocol};

const HASHES: [Hash; 5] = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512];
const BLOCK_CIPHERS: [Cipher; 5] = [Cipher::Des, Cipher::TripleDes, Cipher::Aes128, Cipher::Aes192, Cipher::Aes256];
const GCM: [Cipher; 3] = [Cipher::Aes128Gcm, Cipher::Aes192Gcm, Cipher::Aes256Gcm];

/// A tunnel with these algorithms, run between two engines under the virtual clock.
struct Run {
    algorithms: String,
    cookie: String,
    spis: Vec<String>,
    entries: Vec<Entry>,
}

impl Run {
    fn new(seed: u64, phase1: (Cipher, Hash), phase2: (Cipher, Option<Hash>)) -> Self {
        let mut cell = rig::cell("tunnel/plain", false);
        rig::change(&mut cell, |scenario| {
            let ((cipher, hash), group) = (phase1, Group::Modp1024);
            scenario.tunnel.phase1.proposals = vec![Phase1Proposal { cipher, hash, group }];
            scenario.tunnel.phase2.proposals = vec![Phase2Proposal { cipher: phase2.0, integrity: phase2.1 }];
        });
        let ready = rig::engines(&cell);
        let mut pair = Pair::new(seed);
        pair.a.owner = ready.a.owner;
        pair.b.owner = ready.b.owner;
        let entries = rig::run(&cell, pair);
        let keys = || {
            entries.iter().filter_map(|entry| match &entry.what {
                Happening::Keys { record } => Some(&**record),
                _ => None,
            })
        };
        let cookie = keys().find_map(|record| match record {
            KeyRecord::Isakmp { id, .. } => Some(hex::encode(id.initiator.0)),
            KeyRecord::Esp { .. } => None,
        });
        let spis = keys().filter_map(|record| match record {
            KeyRecord::Esp { spi, .. } => Some(format!("0x{:08x}", spi.0)),
            KeyRecord::Isakmp { .. } => None,
        });
        let algorithms = format!("{phase1:?}, {phase2:?}");
        let cookie = cookie.unwrap_or_else(|| panic!("{algorithms}: no phase 1"));
        Self { cookie, spis: spis.collect(), entries: entries.clone(), algorithms }
    }
}

/// Every phase 2 transform, each with another of phase 1.
fn runs() -> Vec<Run> {
    let phase1: Vec<_> = BLOCK_CIPHERS.iter().flat_map(|cipher| HASHES.iter().map(|hash| (*cipher, *hash))).collect();
    let block = BLOCK_CIPHERS.iter().chain(&[Cipher::Null]);
    let block = block.flat_map(|cipher| HASHES.iter().map(|hash| (*cipher, Some(*hash))));
    let phase2 = block.chain(GCM.map(|cipher| (cipher, None)));
    let numbered = phase2.zip(phase1.iter().cycle()).zip(100..);
    numbered.map(|((phase2, phase1), seed)| Run::new(seed, *phase1, phase2)).collect()
}

/// A folder that goes in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ike-interop-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The fields of each packet that tshark shows with a profile; `None` where there is no tshark.
fn tshark(profile: &Path, capture: &Path, fields: &[&str]) -> Option<Vec<Vec<String>>> {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: there is no tshark");
        return None;
    }
    let mut command = Command::new("tshark");
    command.env("WIRESHARK_CONFIG_DIR", profile).arg("-r").arg(capture).args(["-T", "fields"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("decryption_table") && !said.contains("esp_sa"), "a table is refused: {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

#[test]
fn tshark_opens_every_cipher() {
    let runs = runs();
    let log = rig::log(runs.iter().flat_map(|run| run.entries.clone()).collect());
    let folder = Folder::new("ciphers");
    artifacts::write(&folder.0, &log).unwrap();
    let fields = [
        "isakmp.ispi",
        "isakmp.id.data.ipv4_addr",
        "isakmp.id.data.ipv4_subnet",
        "esp.spi",
        "icmp.type",
        "esp.icv_bad",
    ];
    let Some(packets) = tshark(&folder.0.join("wireshark"), &folder.0.join("capture.pcapng"), &fields) else { return };
    // What is said of each cookie and SPI in all its packets together.
    let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for packet in &packets {
        let [cookie, address, subnet, spi, icmp, bad] = &packet[..] else { panic!("{packet:?}") };
        said.entry(cookie).or_default().extend([&**address, subnet]);
        said.entry(spi).or_default().push(icmp);
        assert!(["", "0", "False"].contains(&&**bad), "a wrong ICV: {packet:?}");
    }
    let holds =
        |key: &str, wanted: &str| said.get(key).is_some_and(|said| said.iter().any(|said| said.contains(wanted)));
    let mut sealed = Vec::new();
    for run in &runs {
        let checks = [
            ("the phase 1 identity", holds(&run.cookie, "192.0.2.10") && holds(&run.cookie, "198.51.100.1")),
            ("the quick mode identities", holds(&run.cookie, "10.1.0.0,10.2.0.0")),
            ("the pings inside ESP", run.spis.len() == 2 && run.spis.iter().all(|spi| holds(spi, "8"))),
        ];
        let failed = checks.iter().filter(|(_, opened)| !opened);
        sealed.extend(failed.map(|(what, _)| format!("{what} of {}", run.algorithms)));
    }
    assert!(sealed.is_empty(), "tshark does not open\n  {}", sealed.join("\n  "));
}

#[test]
fn tshark_opens_ikev2_with_a_line_of_ours() {
    let secret = |digits: &str| Secret::new(hex::decode(digits).unwrap());
    let cookie = |digits: &str| Cookie(hex::decode(digits).unwrap().try_into().unwrap());
    // From tests/ikev2pI2-secrets.txt of tcpdump, whose capture this is.
    let keys = Ikev2Keys {
        initiator: cookie("0001020304050607"),
        responder: cookie("c02e7a3031a03188"),
        cipher: Cipher::Aes128,
        integrity: Some(Hash::Sha1),
        encryption: [secret("3f44bf47cafd8150591deb088199fcbf"), secret("bedb67ec7dc3d00cccac42e70cd63bde")],
        authentication: [
            secret("4ea8e662b07cdd430f6944c6723e4b82d5722418"),
            secret("515b0bd22e6d76b34fdb760aa7bfad80b109b75d"),
        ],
    };
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures/tcpdump-ikev2-parentI2-keyed.pcap");
    let folder = Folder::new("ikev2");
    let opened = |profile: &Profile| {
        profile.write(&folder.0).unwrap();
        let packets = tshark(&folder.0, &capture, &["isakmp.typepayload"])?;
        // AUTH, which lies inside the encrypted payload.
        Some(packets.iter().any(|packet| packet[0].split(',').any(|kind| kind == "39")))
    };
    let mut profile = Profile::default();
    let Some(before) = opened(&profile) else { return };
    assert!(!before, "without keys nothing is opened");
    profile.add_ikev2(&keys);
    assert_eq!(opened(&profile), Some(true));
    // A line of each other algorithm is taken by Wireshark, though nothing is encrypted with it here.
    for cipher in BLOCK_CIPHERS[1..].iter().chain(&GCM).chain(&[Cipher::Null]) {
        let length = cipher.key_len() + cipher.salt_len();
        let key = || Secret::new(vec![1; length]);
        for hash in HASHES {
            let mac = || Secret::new(vec![2; hash.digest_len()]);
            let integrity = (!GCM.contains(cipher)).then_some(hash);
            let mac = || if integrity.is_some() { mac() } else { Secret::new(Vec::new()) };
            profile.add_ikev2(&Ikev2Keys {
                initiator: Cookie([hash.digest_len() as u8; 8]),
                responder: Cookie([length as u8; 8]),
                cipher: *cipher,
                integrity,
                encryption: [key(), key()],
                authentication: [mac(), mac()],
            });
        }
    }
    assert_eq!(opened(&profile), Some(true));
}

/// The run of a peer that cuts SHA-256 to 96 bits, as those do whose SAs come by Linux's PF_KEY.
fn cut_to_96_bits() -> Run {
    let mut run = Run::new(99, (Cipher::Aes256, Hash::Sha256), (Cipher::Aes256, Some(Hash::Sha256)));
    let is_esp = |octets: &[u8]| octets.get(23) == Some(&protocol::ESP);
    run.entries.retain(|entry| !matches!(&entry.what, Happening::Frame { octets, .. } if is_esp(octets)));
    let mut sealed = Vec::new();
    for entry in &mut run.entries {
        let Happening::Keys { record } = &mut entry.what else { continue };
        let KeyRecord::Esp { source, destination, spi, suite, icv_length, keys } = &mut **record else { continue };
        *icv_length = IcvLength::Bits96;
        let transform = Transform { icv_length: *icv_length, ..Transform::new(suite.cipher, suite.integrity) };
        let parameters = SaParameters::new(*spi, *source, *destination, transform, keys.clone());
        let mut sa = SecurityAssociation::new(Instant::ZERO, parameters).unwrap();
        let inner = rig::echo(rig::LEFT, rig::RIGHT).to_bytes();
        let esp = sa.encapsulate(Instant::ZERO, &inner, &mut StdRng::seed_from_u64(3)).unwrap();
        sealed.extend(rig::crossing(&Ipv4Packet::new(protocol::ESP, *source, *destination, esp)));
    }
    let last = run.entries.len() - 1;
    run.entries.splice(last..last, sealed.into_iter().map(|what| Entry { at: Instant::ZERO, what }));
    run
}

/// How many ESP packets the harness opens of a log, and how many it has.
fn opened(entries: Vec<Entry>) -> (usize, usize) {
    let log = rig::log(entries);
    let frames = frames(&log);
    let is_esp = |frame: &&LoggedFrame<'_>| {
        frame.observed.as_ref().is_some_and(|observed| matches!(observed.content, Content::Esp { .. }))
    };
    let esp: Vec<_> = frames.iter().filter(is_esp).collect();
    (esp.iter().filter(|frame| frame.inner.is_some()).count(), esp.len())
}

#[test]
fn sha256_cut_to_96_bits_is_opened_by_both() {
    let run = cut_to_96_bits();
    assert_eq!(opened(run.entries.clone()), (4, 4));
    // The router's record says what was negotiated, which tells nothing of the ICV.
    let mut negotiated = run.entries.clone();
    for entry in &mut negotiated {
        if let Happening::Keys { record } = &mut entry.what
            && let KeyRecord::Esp { icv_length, .. } = &mut **record
        {
            *icv_length = IcvLength::Standard;
        }
    }
    assert_eq!(opened(negotiated), (4, 4));
    let folder = Folder::new("sha256-96");
    artifacts::write(&folder.0, &rig::log(run.entries)).unwrap();
    let fields = ["esp.spi", "icmp.type", "esp.icv_bad"];
    let Some(packets) = tshark(&folder.0.join("wireshark"), &folder.0.join("capture.pcapng"), &fields) else { return };
    let esp: Vec<_> = packets.iter().filter(|packet| !packet[0].is_empty()).collect();
    assert_eq!(esp.len(), 4);
    assert!(esp.iter().all(|packet| packet[1] == "8" && ["", "0", "False"].contains(&&*packet[2])), "{esp:?}");
    // The lines say it to `decode` too.
    let lines = fs::read_to_string(folder.0.join("wireshark/esp_sa")).unwrap();
    let mut keys = KeyTable::default();
    keys.read_esp_table(&lines).unwrap();
    assert_eq!(lines.matches("HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]").count(), 2);
}

#[test]
fn a_record_has_its_icv_length_only_where_it_is_unusual() {
    let run = cut_to_96_bits();
    let records = run.entries.iter().filter_map(|entry| match &entry.what {
        Happening::Keys { record } => Some(record),
        _ => None,
    });
    for record in records {
        let text = serde_json::to_string(record).unwrap();
        assert_eq!(text.contains("\"icv_length\":\"bits96\""), matches!(**record, KeyRecord::Esp { .. }), "{text}");
        assert_eq!(serde_json::from_str::<KeyRecord>(&text).unwrap(), **record);
        // As logs have it that were written before.
        let before = text.replace("\"icv_length\":\"bits96\",", "");
        let read: KeyRecord = serde_json::from_str(&before).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), before);
    }
}
