//! Memory that does not grow with the capture. Captures are made while they are decoded: none is ever whole anywhere.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crate::packets::{self, ipv4, pcap_header, record};
use crate::{command, fixture};

/// Octets of peak memory by which a run may grow however much more it decodes: what allocators and thread stacks differ by.
const SLACK: u64 = 8 << 20;

/// `decode` that is fed and read from.
struct Running {
    child: Child,
    stdin: ChildStdin,
    /// Octets of the transcript that came.
    printed: Arc<AtomicU64>,
    reader: JoinHandle<()>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(&[&["-"], arguments].concat()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&pcap_header(101)).unwrap();
        let printed = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&printed);
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                counter.fetch_add(count as u64, Ordering::Relaxed);
            }
        });
        Self { child, stdin, printed, reader }
    }

    /// Feeds packets; the peak memory of the process so far, in octets.
    fn feed(&mut self, capture: &[u8]) {
        self.stdin.write_all(capture).unwrap();
    }

    fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Ends the capture; how many octets of transcript came before that, and in all.
    fn finish(mut self) -> (u64, u64) {
        let before = self.printed.load(Ordering::Relaxed);
        drop(self.stdin);
        let status = self.child.wait().unwrap();
        self.reader.join().unwrap();
        assert!(status.success(), "{status}");
        (before, self.printed.load(Ordering::Relaxed))
    }
}

/// Packets of 1400 octets of `sas` SAs in turn, 64 each, as octets of a capture.
fn esp(sas: u32, round: u32) -> Vec<u8> {
    let mut capture = Vec::new();
    for spi in 0..sas {
        for sequence in 0..64 {
            let mut payload = vec![spi as u8; 1380];
            payload[..4].copy_from_slice(&(0x0100_0000 + spi).to_be_bytes());
            payload[4..8].copy_from_slice(&(round * 64 + sequence + 1).to_be_bytes());
            record(&mut capture, &ipv4([192, 0, 2, 1], [198, 51, 100, 1], 50, &payload));
        }
    }
    capture
}

#[test]
fn a_gigabyte_of_esp_takes_no_more_than_its_first_part() {
    let mut decode = Running::start(&["--esp-keys", fixture("wireshark/esp_sa").to_str().unwrap()]);
    let (mut fed, mut first) = (0, None);
    let mut round = 0;
    while fed < 1_000_000_000_u64 {
        let capture = esp(16, round);
        decode.feed(&capture);
        fed += capture.len() as u64;
        round += 1;
        if fed > 20_000_000 && first.is_none() {
            first = Some(decode.peak());
        }
    }
    let (first, last) = (first.unwrap(), decode.peak());
    assert!(last <= first + SLACK, "{first} octets at first, {last} after {fed} octets of capture");
    decode.finish();
}

/// A negotiation of its own: cookies, addresses and an ESP SA each way that no other has.
fn negotiation(recorded: &[Vec<u8>], number: u32) -> Vec<u8> {
    let mut capture = Vec::new();
    let address = (10_u32 << 24 | number).to_be_bytes();
    for packet in recorded {
        let mut packet = packet.clone();
        // The octets of an address that is one of the recorded two become those of this peer's.
        let own = if packet[12..16] < packet[16..20] { 12 } else { 16 };
        packet[own..own + 4].copy_from_slice(&address);
        packet[28..32].copy_from_slice(&number.to_be_bytes());
        record(&mut capture, &packet);
    }
    for (way, ends) in [(address, [192, 0, 2, 1]), ([192, 0, 2, 1], address)].into_iter().enumerate() {
        let spi = (number << 1 | way as u32) + 0x0100_0000;
        let payload = [&spi.to_be_bytes()[..], &1_u32.to_be_bytes(), &[0xaa; 64]].concat();
        record(&mut capture, &ipv4(ends.0, ends.1, 50, &payload));
    }
    capture
}

#[test]
fn many_negotiations_are_told_while_they_come_and_then_forgotten() {
    /// More than are held of exchanges, peers, names and SAs.
    const ENOUGH: u32 = 20_000;
    const ALL: u32 = 80_000;
    let recorded = packets::of("cisco-ios-ikev1-mainmode-psk.pcap");
    let mut decode = Running::start(&["--psk", "AAAA"]);
    for number in 0..ENOUGH {
        decode.feed(&negotiation(&recorded, number));
    }
    let first = decode.peak();
    for number in ENOUGH..ALL {
        decode.feed(&negotiation(&recorded, number));
    }
    let last = decode.peak();
    assert!(last <= first + SLACK, "{first} octets after {ENOUGH} negotiations, {last} after {ALL}");
    let (before, all) = decode.finish();
    assert!(before > all / 2, "only {before} of {all} octets of the transcript came before the end of the capture");
}
