//! How fast `ike-interop decode` is, and how much memory it takes, beside tshark on the same capture with the same keys.
//!
//! `cargo bench --bench decode [-- MEGABYTES]` makes captures under `target/tmp` of three mixes, all with keys: the recorded
//! handshakes of `fixtures/captures` again and again with other cookies, and between them ESP packets, many, some or none.
//! tshark is timed as it starts (on a capture of no packet), with its line a packet, and with every field (`-V`), which is
//! what a transcript is made of. Each figure is the best of a few runs, because a busy machine only ever adds to it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ike_interop::crypto::{Cipher, Hash, SaKeys, Secret};
use ike_interop::esp::{SaParameters, SecurityAssociation, Transform};
use ike_interop::evidence::capture;
use ike_interop::time;
use ike_interop::wire::Spi;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// What a capture consists of.
struct Mix {
    name: &'static str,
    /// ESP packets behind each handshake.
    packets: usize,
    /// Lengths of the packets inside ESP.
    lengths: &'static [usize],
}

const MIXES: [Mix; 3] = [
    Mix { name: "data", packets: 5000, lengths: &[1400] },
    // An acknowledgement, a middling packet and a full one.
    Mix { name: "short-lived SAs", packets: 120, lengths: &[52, 576, 1400] },
    Mix { name: "negotiations alone", packets: 0, lengths: &[] },
];

/// Runs of which the best counts: at least so many, and for so many seconds.
const RUNS: usize = 5;
const SECONDS: f64 = 2.0;

fn main() -> io::Result<()> {
    let megabytes = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(100);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("decode-bench");
    fs::create_dir_all(&folder)?;
    let tshark = Command::new("tshark").arg("--version").output().is_ok();
    if tshark {
        let empty = folder.join("empty.pcap");
        fs::write(&empty, PCAP_HEADER)?;
        let (seconds, memory) = measure(&mut judge(&empty, &[]), RUNS)?;
        println!("tshark, no packet {seconds:8.3} s {memory}");
    }
    for mix in &MIXES {
        for size in [megabytes / 10, megabytes] {
            let (capture, profile) = make(&folder, size, mix)?;
            println!("{size} MB, {}", mix.name);
            for keys in [false, true] {
                let name = if keys { "with keys" } else { "without keys" };
                let mut own = Command::new(env!("CARGO_BIN_EXE_ike-interop"));
                own.arg("decode").arg(&capture);
                if keys {
                    own.arg("--keys").arg(&profile);
                }
                let (seconds, memory) = measure(&mut own, RUNS)?;
                println!("  decode, {name:24} {seconds:8.3} s {memory}");
                if !tshark || size < megabytes {
                    continue;
                }
                let forms: &[(&str, &[&str])] = match keys {
                    false => &[("a line a packet", &[]), ("every field", &["-V"])],
                    true => &[("a line a packet, keys", &[])],
                };
                for (form, arguments) in forms {
                    let mut judge = judge(&capture, arguments);
                    if keys {
                        judge.env("WIRESHARK_CONFIG_DIR", &profile);
                    }
                    let (theirs, memory) = measure(&mut judge, if keys { 1 } else { RUNS })?;
                    let ratio = theirs / seconds;
                    println!("  tshark, {form:24} {theirs:8.3} s {memory}, {ratio:.1} times as long");
                }
            }
            fs::remove_file(capture)?;
        }
    }
    Ok(())
}

fn judge(capture: &Path, arguments: &[&str]) -> Command {
    let mut judge = Command::new("tshark");
    judge.arg("-n").args(arguments).arg("-r").arg(capture);
    judge
}

/// Runs a command at least so many times with its output thrown away: seconds of the best run, and its peak memory where GNU
/// time is installed.
fn measure(command: &mut Command, least: usize) -> io::Result<(f64, String)> {
    let time = Path::new("/usr/bin/time");
    let mut timed = Command::new(time);
    let command = match time.exists() {
        true => {
            timed.args(["-f", "%M"]).arg(command.get_program()).args(command.get_args());
            timed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            &mut timed
        }
        false => command,
    };
    let (mut seconds, mut report) = (f64::INFINITY, String::new());
    let (start, mut runs) = (Instant::now(), 0);
    while runs < least || least > 1 && start.elapsed().as_secs_f64() < SECONDS {
        runs += 1;
        let before = Instant::now();
        let output = command.stdout(Stdio::null()).output()?;
        seconds = seconds.min(before.elapsed().as_secs_f64());
        report = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(io::Error::other(report));
        }
    }
    let kilobytes = report.lines().last().and_then(|line| line.trim().parse::<u64>().ok());
    Ok((seconds, kilobytes.map_or_else(String::new, |kilobytes| format!("{:6} MB", kilobytes / 1024))))
}

/// A capture of so many megabytes, and a Wireshark profile folder with its keys.
fn make(folder: &Path, megabytes: u64, mix: &Mix) -> io::Result<(PathBuf, PathBuf)> {
    let (capture, profile) = (folder.join(format!("{megabytes}.pcap")), folder.join("profile"));
    fs::create_dir_all(&profile)?;
    let recorded = handshakes()?;
    let mut file = BufWriter::new(File::create(&capture)?);
    file.write_all(&PCAP_HEADER)?;
    let (mut written, mut ikev1, mut esp) = (0, String::new(), String::new());
    let mut rng = StdRng::seed_from_u64(1);
    for round in 0_u64.. {
        let handshake = &recorded[round as usize % recorded.len()];
        let cookie = (0xc0de_0000_0000_0000 | round).to_be_bytes();
        ikev1.push_str(&format!("{},{}\n", hex::encode(cookie), handshake.key));
        for frame in &handshake.frames {
            let mut frame = frame.clone();
            let place = frame.windows(8).position(|octets| octets == handshake.cookie).expect("every message has it");
            frame[place..place + 8].copy_from_slice(&cookie);
            written += record(&mut file, &frame)?;
        }
        let spi = Spi(0x0100_0000 + round as u32);
        let key = |octet: u8, length| vec![octet ^ round as u8; length];
        let keys = SaKeys { encryption: Secret::new(key(0x5a, 16)), integrity: Secret::new(key(0xa5, 20)) };
        esp.push_str(&format!(
            "\"IPv4\",\"*\",\"*\",\"0x{:08x}\",\"AES-CBC [RFC3602]\",\"0x{}\",\"HMAC-SHA-1-96 [RFC2404]\",\"0x{}\"\n",
            spi.0,
            hex::encode(&keys.encryption[..]),
            hex::encode(&keys.integrity[..])
        ));
        let ends = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let transform = Transform::new(Cipher::Aes128, Some(Hash::Sha1));
        let parameters = SaParameters::new(spi, ends.0, ends.1, transform, keys);
        let mut sa = SecurityAssociation::new(time::Instant::ZERO, parameters).map_err(io::Error::other)?;
        for packet in 0..mix.packets {
            let inner =
                ip([10, 1, 0, 1], [10, 2, 0, 1], 6, &vec![packet as u8; mix.lengths[packet % mix.lengths.len()] - 20]);
            let sealed = sa.encapsulate(time::Instant::ZERO, &inner, &mut rng).map_err(io::Error::other)?;
            let ethernet =
                [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], &ip(ends.0.octets(), ends.1.octets(), 50, &sealed)];
            written += record(&mut file, &ethernet.concat())?;
        }
        if written >= megabytes * 1_000_000 {
            break;
        }
    }
    // Or it would be written to the disk while it is read.
    file.into_inner()?.sync_all()?;
    fs::write(profile.join("ikev1_decryption_table"), ikev1)?;
    fs::write(profile.join("esp_sa"), esp)?;
    fs::write(
        profile.join("preferences"),
        "esp.enable_encryption_decode: TRUE\nesp.enable_authentication_check: TRUE\n",
    )?;
    Ok((capture, profile))
}

/// The header of a pcap file of Ethernet frames.
const PCAP_HEADER: [u8; 24] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];

struct Handshake {
    cookie: [u8; 8],
    /// The phase 1 key in hexadecimal.
    key: String,
    frames: Vec<Vec<u8>>,
}

/// The keyed IKEv1 handshakes of the fixtures.
fn handshakes() -> io::Result<Vec<Handshake>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let table = fs::read_to_string(folder.join("wireshark/ikev1_decryption_table"))?;
    let mut handshakes = Vec::new();
    for name in [
        "cisco-iosxe-ikev1-mainmode-psk-keyed.pcap",
        "strongswan-ikev1-mainmode-psk-keyed.pcap",
        "strongswan-ikev1-aggressive-psk-keyed.pcap",
    ] {
        let file = fs::read(folder.join(name))?;
        let frames = capture::packets(&file).map(|packet| packet.map(|packet| packet.octets.to_vec()));
        let frames: Vec<_> = frames.collect::<Result<_, _>>().map_err(io::Error::other)?;
        for line in table.lines() {
            let Some((cookie, key)) = line.split_once(',') else { continue };
            let mut octets = [0; 8];
            hex::decode_to_slice(cookie, &mut octets).map_err(io::Error::other)?;
            if frames.iter().all(|frame| frame.windows(8).any(|window| window == octets)) {
                handshakes.push(Handshake { cookie: octets, key: key.to_owned(), frames: frames.clone() });
            }
        }
    }
    if handshakes.is_empty() {
        return Err(io::Error::other("no keyed handshake in fixtures/captures"));
    }
    Ok(handshakes)
}

fn ip(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let [high, low] = length.to_be_bytes();
    let header = [0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0];
    [&header[..], &source, &destination, payload].concat()
}

/// Writes a packet; how many octets that took.
fn record(file: &mut impl Write, frame: &[u8]) -> io::Result<u64> {
    let length = (frame.len() as u32).to_le_bytes();
    file.write_all(&[0; 8])?;
    file.write_all(&length)?;
    file.write_all(&length)?;
    file.write_all(frame)?;
    Ok(16 + frame.len() as u64)
}
