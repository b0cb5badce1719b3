//! Packets, and captures made of them.

use std::fs;

use ike_interop::evidence::capture;

use crate::fixture;

/// Octets of an Ethernet header.
pub const ETHERNET: usize = 14;

/// The IPv4 packets of a capture of Ethernet frames.
pub fn of(name: &str) -> Vec<Vec<u8>> {
    let file = fs::read(fixture(name)).unwrap();
    let packets = capture::packets(&file).map(|packet| {
        let octets = packet.unwrap().octets;
        let length = usize::from(u16::from_be_bytes([octets[ETHERNET + 2], octets[ETHERNET + 3]]));
        octets[ETHERNET..ETHERNET + length].to_vec()
    });
    let packets: Vec<_> = packets.collect();
    assert!(!packets.is_empty());
    packets
}

/// A pcap file, in the byte order of most machines, of packets that have this link type.
pub fn pcap(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = pcap_header(link);
    for packet in packets {
        record(&mut file, packet);
    }
    file
}

pub fn pcap_header(link: u32) -> Vec<u8> {
    let mut header = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    header.extend_from_slice(&link.to_le_bytes());
    header
}

/// Appends a packet as a pcap file has it.
pub fn record(file: &mut Vec<u8>, packet: &[u8]) {
    let length = (packet.len() as u32).to_le_bytes();
    file.extend_from_slice(&[[0; 4], [0; 4], length, length].concat());
    file.extend_from_slice(packet);
}

/// A pcapng file in either byte order: a section, an interface, and a block of another kind before each packet.
pub fn pcapng(link: u16, packets: &[Vec<u8>], big_endian: bool) -> Vec<u8> {
    let number = |number: u32| if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    let short = |number: u16| if big_endian { number.to_be_bytes() } else { number.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let body = [body, &vec![0; body.len().next_multiple_of(4) - body.len()]].concat();
        let length = number(body.len() as u32 + 12);
        [&number(kind)[..], &length, &body, &length].concat()
    };
    let section = [&number(0x1a2b_3c4d)[..], &short(1), &short(0), &[0xff; 8]].concat();
    let interface = [&short(link)[..], &short(0), &number(0)].concat();
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
    for packet in packets {
        let length = number(packet.len() as u32);
        let head = [[0; 4], [0; 4], [0; 4], length, length].concat();
        file.extend(block(5, &[0; 12]));
        file.extend(block(6, &[&head[..], packet].concat()));
    }
    file
}

/// An IPv4 packet without options, whose checksum nobody filled in.
pub fn ipv4(source: [u8; 4], destination: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (20 + payload.len() as u16).to_be_bytes();
    [&[0x45, 0, high, low, 0, 0, 0, 0, 64, protocol, 0, 0][..], &source, &destination, payload].concat()
}
