//! The same negotiation in every framing is the same transcript.

use rstest::rstest;

use crate::packets::{self, ETHERNET, pcap, pcapng};
use crate::{Decoded, decode, transcript};

/// Two real Cisco routers.
const CAPTURE: &str = "cisco-ios-ikev1-mainmode-psk.pcap";

fn expected() -> String {
    let expected = transcript(&pcap(101, &packets::of(CAPTURE)), &["--packets"]);
    assert!(expected.contains("VID IOS (made from its own cookie)") && expected.contains("= complete"), "{expected}");
    expected
}

/// The packets behind these octets each.
fn behind(header: &[u8]) -> Vec<Vec<u8>> {
    packets::of(CAPTURE).iter().map(|packet| [header, packet].concat()).collect()
}

const MAC: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

#[rstest]
#[case::null(0, &[2, 0, 0, 0])]
#[case::loopback(108, &[0, 0, 0, 2])]
#[case::ethernet(1, &[&MAC[..], &[8, 0]].concat())]
#[case::vlan(1, &[&MAC[..], &[0x81, 0, 0, 7, 8, 0]].concat())]
#[case::qinq(1, &[&MAC[..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 9, 8, 0]].concat())]
#[case::old_qinq(1, &[&MAC[..], &[0x91, 0, 0, 7, 0x81, 0, 0, 9, 8, 0]].concat())]
#[case::pppoe(1, &[&MAC[..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 0, 0, 0x21]].concat())]
#[case::ppp(9, &[0, 0x21])]
#[case::ppp_with_address(9, &[0xff, 3, 0, 0x21])]
#[case::raw(101, &[])]
#[case::raw_of_bsd(12, &[])]
#[case::raw_ipv4(228, &[])]
#[case::cooked(113, &[&[0, 4, 0, 1, 0, 6][..], &[0; 8], &[8, 0]].concat())]
#[case::cooked_vlan(113, &[&[0, 4, 0, 1, 0, 6][..], &[0; 8], &[0x81, 0, 0, 7, 8, 0]].concat())]
#[case::cooked2(276, &[&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6][..], &[0; 8]].concat())]
fn every_link_type(#[case] link: u16, #[case] header: &[u8]) {
    let packets = behind(header);
    let expected = expected();
    assert_eq!(transcript(&pcap(link.into(), &packets), &["--packets"]), expected);
    // The upper half says whether a checksum follows, and how long it is.
    assert_eq!(transcript(&pcap(0x5400_0000 | u32::from(link), &packets), &["--packets"]), expected);
    for big_endian in [false, true] {
        assert_eq!(transcript(&pcapng(link, &packets, big_endian), &["--packets"]), expected);
    }
}

#[rstest]
#[case::big_endian([0xa1, 0xb2, 0xc3, 0xd4])]
#[case::nanoseconds([0x4d, 0x3c, 0xb2, 0xa1])]
#[case::big_endian_nanoseconds([0xa1, 0xb2, 0x3c, 0x4d])]
fn every_form_of_pcap(#[case] magic: [u8; 4]) {
    let mut capture = pcap(101, &packets::of(CAPTURE));
    if magic[0] == 0xa1 {
        capture[4..24].copy_from_slice(&[0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 101]);
        let mut at = 24;
        while at < capture.len() {
            let length = u32::from_le_bytes(capture[at + 8..at + 12].try_into().unwrap());
            capture[at..at + 16].chunks_exact_mut(4).for_each(<[u8]>::reverse);
            at += 16 + length as usize;
        }
    }
    capture[..4].copy_from_slice(&magic);
    assert_eq!(transcript(&capture, &["--packets"]), expected());
}

#[test]
fn what_is_of_no_known_link_or_no_ip_is_passed_over() {
    let arp = [&MAC[..], &[8, 6], &[0; 28]].concat();
    let dns =
        [&MAC[..], &[8, 0], &packets::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 17, &[0x80, 1, 0, 53, 0, 8, 0, 0])].concat();
    for capture in [pcap(147, &packets::of(CAPTURE)[..2]), pcap(1, &[arp, dns])] {
        let Decoded { status, transcript, said } = decode(&capture, &[]);
        assert_eq!((status, &*transcript), (0, ""));
        insta::allow_duplicates! {
            insta::assert_snapshot!(said, @"note: no IKE, ESP or AH found; packets in the capture: 2");
        }
    }
    // Padding of a short Ethernet frame is no part of its packet.
    let mut padded = behind(&[&MAC[..], &[8, 0]].concat());
    padded.iter_mut().for_each(|frame| frame.extend_from_slice(&[0xee; 9]));
    assert_eq!(transcript(&pcap(1, &padded), &["--packets"]), expected());
    assert_eq!(padded[0].len(), ETHERNET + packets::of(CAPTURE)[0].len() + 9);
}

/// The pieces of an IPv4 packet, `size` octets of payload each.
fn fragments(packet: &[u8], identification: u16, size: usize) -> Vec<Vec<u8>> {
    let payload = &packet[20..];
    let pieces = payload.chunks(size).enumerate().map(|(index, piece)| {
        let more = if (index + 1) * size < payload.len() { 0x2000 } else { 0 };
        let mut fragment = [&packet[..20], piece].concat();
        fragment[2..4].copy_from_slice(&(20 + piece.len() as u16).to_be_bytes());
        fragment[4..6].copy_from_slice(&identification.to_be_bytes());
        fragment[6..8].copy_from_slice(&(more | (index * size / 8) as u16).to_be_bytes());
        fragment
    });
    pieces.collect()
}

#[rstest]
#[case::in_order(false)]
#[case::last_first(true)]
fn fragments_are_joined(#[case] reversed: bool) {
    let mut pieces = Vec::new();
    for (number, packet) in packets::of(CAPTURE).iter().enumerate() {
        let mut of_packet = fragments(packet, number as u16 + 1, 64);
        assert!(of_packet.len() > 1);
        if reversed {
            of_packet.reverse();
        }
        pieces.extend(of_packet);
    }
    let whole = transcript(&pcap(101, &packets::of(CAPTURE)), &[]);
    assert_eq!(transcript(&pcap(101, &pieces), &[]), whole);
    // Without one piece its message cannot be told, and nothing is made up.
    pieces.remove(1);
    let Decoded { status, transcript: without, said } = decode(&pcap(101, &pieces), &[]);
    assert_eq!(status, 0);
    insta::allow_duplicates! {
        insta::assert_snapshot!(said, @"note: of some packets only a part came, and they are not shown, for want of their other fragments: 1");
    }
    assert!(!without.contains("damaged") && without.len() < whole.len(), "{without}");
}

/// The packet in IPv6, behind an extension header of each kind when asked, between addresses that end as the IPv4 ones do.
fn ipv6(packet: &[u8], extensions: bool) -> Vec<u8> {
    let address = |octets: &[u8]| [&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0][..], octets].concat();
    let (source, destination) = (address(&packet[12..16]), address(&packet[16..20]));
    let (first, chain): (u8, Vec<u8>) = match extensions {
        // Hop-by-hop, destination options, an atomic fragment (RFC 6946): each names the next.
        true => (0, [[60, 0, 1, 4, 0, 0, 0, 0], [44, 0, 1, 4, 0, 0, 0, 0], [packet[9], 0, 0, 0, 0, 0, 0, 7]].concat()),
        false => (packet[9], Vec::new()),
    };
    let payload = [&chain[..], &packet[20..]].concat();
    let [high, low] = (payload.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0, high, low, first, 64][..], &source, &destination, &payload].concat()
}

#[rstest]
#[case::plain(false)]
#[case::with_extension_headers(true)]
fn ipv6_is_as_good(#[case] extensions: bool) {
    // One without NAT-D, which is made of the addresses.
    let packets = packets::of("cisco-iosxe-ikev1-mainmode-psk-keyed.pcap");
    let v6: Vec<Vec<u8>> = packets.iter().map(|packet| ipv6(packet, extensions)).collect();
    let ends = [&packets[0][12..16], &packets[0][16..20]].map(|octets| <[u8; 4]>::try_from(octets).unwrap());
    let names = |v6: bool| {
        let name = |octets: [u8; 4], name: &str| match v6 {
            true => format!(
                "2001:db8::{:x}:{:x}={name}",
                u16::from_be_bytes([octets[0], octets[1]]),
                u16::from_be_bytes([octets[2], octets[3]])
            ),
            false => format!("{}={name}", std::net::Ipv4Addr::from(octets)),
        };
        [name(ends[0], "branch"), name(ends[1], "head office")]
    };
    let named = |capture: &[u8], names: [String; 2]| transcript(capture, &["--name", &names[0], "--name", &names[1]]);
    let expected = named(&pcap(101, &packets), names(false));
    assert!(expected.contains("main-mode-1 branch > head office"), "{expected}");
    assert_eq!(named(&pcap(101, &v6), names(true)), expected);
    let ethernet: Vec<Vec<u8>> = v6.iter().map(|packet| [&MAC[..], &[0x86, 0xdd], packet].concat()).collect();
    assert_eq!(named(&pcap(1, &ethernet), names(true)), expected);
}
