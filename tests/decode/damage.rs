//! Files that are damaged or no captures: what is wrong is said, and where, and what came before it is shown.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use crate::packets::{self, pcap, pcapng};
use crate::{Decoded, command, decode, fixture, transcript};

const CAPTURE: &str = "cisco-ios-ikev1-mainmode-psk.pcap";

/// What is said about a capture whose first `whole` packets can be read.
fn said(capture: &[u8], whole: usize) -> String {
    let packets = packets::of(CAPTURE);
    let before = decode(&pcap(101, &packets[..whole]), &[]).transcript;
    let Decoded { status, transcript, said } = decode(capture, &[]);
    assert_eq!(status, 2, "{said}");
    assert_eq!(transcript, before, "what comes before the damage is shown");
    said
}

#[test]
fn a_capture_that_ends_too_early() {
    let packets = packets::of(CAPTURE);
    let capture = pcap(101, &packets);
    let third: usize = 24 + packets[..2].iter().map(|packet| 16 + packet.len()).sum::<usize>();
    insta::assert_snapshot!(said(&capture[..third + 50], 2), @"error: standard input: the capture is damaged at octet 388, behind packet 2: the file ends after 34 of 312 octets of a packet; what comes before it is shown");
    insta::assert_snapshot!(said(&capture[..third + 7], 2), @"error: standard input: the capture is damaged at octet 388, behind packet 2: the file ends after 7 of 16 octets of a packet's header; what comes before it is shown");
    insta::assert_snapshot!(said(&capture[..20], 0), @"error: standard input: the capture is damaged at octet 0, behind packet 0: the file ends after 16 of 20 octets of the pcap header behind its magic number");
    // Between two packets nobody can tell that there were more.
    assert_eq!(decode(&capture[..third], &[]).status, 0);
}

#[test]
fn lengths_that_cannot_be() {
    let packets = packets::of(CAPTURE);
    let third: usize = 24 + packets[..2].iter().map(|packet| 16 + packet.len()).sum::<usize>();
    let mut capture = pcap(101, &packets);
    capture[third + 8..third + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    insta::assert_snapshot!(said(&capture, 2), @"error: standard input: the capture is damaged at octet 388, behind packet 2: a packet of 2147483647 octets; what comes before it is shown");
    // A packet of no octets holds nothing, and what follows is read.
    let mut with_empty = packets.clone();
    with_empty.insert(2, Vec::new());
    let decoded = decode(&pcap(1, &with_empty), &[]);
    assert_eq!(decoded.status, 0);
}

#[test]
fn blocks_of_pcapng_that_cannot_be() {
    let packets = packets::of(CAPTURE);
    for big_endian in [false, true] {
        let whole = pcapng(101, &packets, big_endian);
        let number = |number: u32| if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
        // The third packet: behind the section, the interface, two packets and three blocks of another kind.
        let block = |packet: &Vec<u8>| 12 + 20 + packet.len().next_multiple_of(4);
        let third = 28 + 20 + packets[..2].iter().map(block).sum::<usize>() + 3 * 24;
        assert_eq!(whole[third..third + 4], number(6));
        let damaged = |at: usize, value: u32| {
            let mut capture = whole.clone();
            capture[at..at + 4].copy_from_slice(&number(value));
            said(&capture, 2)
        };
        let length = block(&packets[2]) as u32;
        insta::allow_duplicates! {
            insta::assert_snapshot!(damaged(third + 4, length + 2), @"error: standard input: the capture is damaged at octet 516, behind packet 2: a block of 346 octets; what comes before it is shown");
            insta::assert_snapshot!(damaged(third + 4, 8), @"error: standard input: the capture is damaged at octet 516, behind packet 2: a block of 8 octets; what comes before it is shown");
            insta::assert_snapshot!(damaged(third + 4, 0x7fff_fff0), @"error: standard input: the capture is damaged at octet 516, behind packet 2: a block of 2147483632 octets; what comes before it is shown");
            insta::assert_snapshot!(damaged(third + length as usize - 4, length + 4), @"error: standard input: the capture is damaged at octet 516, behind packet 2: a block of 344 octets that says 348 at its end; what comes before it is shown");
            insta::assert_snapshot!(damaged(third + 8, 7), @"error: standard input: the capture is damaged at octet 516, behind packet 2: a packet of interface 7, which was not described; what comes before it is shown");
            insta::assert_snapshot!(damaged(third + 20, length), @"error: standard input: the capture is damaged at octet 516, behind packet 2: a packet of 344 octets in a block of 332; what comes before it is shown");
            insta::assert_snapshot!(said(&whole[..third + 30], 2), @"error: standard input: the capture is damaged at octet 516, behind packet 2: the file ends after 22 of 336 octets of a block; what comes before it is shown");
        }
    }
}

#[test]
fn files_that_are_no_captures() {
    let no_capture = |octets: &[u8]| {
        let Decoded { status, transcript, said } = decode(octets, &[]);
        assert_eq!((status, &*transcript), (2, ""));
        said
    };
    insta::assert_snapshot!(no_capture(b""), @"error: standard input: not a capture: expected pcap or pcapng, found an empty file");
    insta::assert_snapshot!(no_capture(b"crypto isakmp policy 10\n"), @"error: standard input: not a capture: expected pcap or pcapng, found a file that starts with `cryp`");
    insta::assert_snapshot!(no_capture(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), @"error: standard input: not a capture: expected pcap or pcapng, found a file compressed with gzip; decompress it first");
    insta::assert_snapshot!(no_capture(&[0x28, 0xb5, 0x2f, 0xfd, 4]), @"error: standard input: not a capture: expected pcap or pcapng, found a file compressed with zstd; decompress it first");
    insta::assert_snapshot!(no_capture(&[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]), @"error: standard input: the capture is damaged at octet 0, behind packet 0: no byte order mark in the section header");
}

#[test]
fn files_that_cannot_be_read() {
    let unreadable = |path: &str| {
        let output = command(&[path]).output().unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]));
        String::from_utf8(output.stderr).unwrap()
    };
    insta::assert_snapshot!(unreadable("no-such.pcap"), @"error: no-such.pcap: cannot read the capture: No such file or directory (os error 2)");
    insta::assert_snapshot!(unreadable("/"), @"error: /: cannot read the capture: Is a directory (os error 21)");
}

#[test]
fn a_file_is_as_good_as_standard_input() {
    let path = fixture(CAPTURE);
    let output = command(&[path.to_str().unwrap(), "--packets"]).output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
    let piped = transcript(&fs::read(&path).unwrap(), &["--packets"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), piped);
}

#[test]
fn payloads_that_are_damaged_are_told_where_they_stand() {
    for name in [
        "malformed-ikev1-payload-bad-length.pcap",
        "malformed-isakmp-delete-segfault.pcap",
        "malformed-udpencap-oobr.pcap",
    ] {
        insta::assert_snapshot!(name, transcript(&fs::read(fixture(name)).unwrap(), &["--packets"]));
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    // More than a pipe holds: 400 negotiations, each of its own cookie.
    let mut negotiations = Vec::new();
    for round in 0..400_u16 {
        for mut packet in packets::of(CAPTURE) {
            packet[28..30].copy_from_slice(&round.to_be_bytes());
            negotiations.push(packet);
        }
    }
    let mut child = command(&["-"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let capture = pcap(101, &negotiations);
    let writer = std::thread::spawn(move || {
        // Its end may come before that of the capture.
        let _ = stdin.write_all(&capture);
    });
    let mut first = [0; 20];
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(&first, b"== phase 1: main mod");
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}
