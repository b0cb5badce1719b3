//! Packets and IKE messages by themselves.

use ike_interop::wire::ethernet::{ArpPacket, Frame};
use ike_interop::wire::icmp::IcmpMessage;
use ike_interop::wire::ipv4::{Ipv4Packet, protocol};
use ike_interop::wire::isakmp::{Header, Message, decode_payloads, emit_payloads};
use ike_interop::wire::udp::UdpDatagram;
use ike_interop::wire::{Reader, ikev2};

/// An ISAKMP message, and a chain of payloads whose first type is the first octet: what is read is written the same.
pub fn isakmp(octets: &[u8]) {
    if let Ok(message) = Message::parse(octets) {
        assert_eq!(message.to_bytes(), octets);
    }
    let Some((first, octets)) = octets.split_first() else { return };
    let chain = decode_payloads((*first).into(), octets, Header::LEN);
    let (_, mut emitted) = emit_payloads(&chain.payloads);
    emitted.extend_from_slice(&chain.rest);
    match chain.error {
        None => assert_eq!(emitted, octets),
        // The last payload that could be read names one that is missing now.
        Some(_) => assert_eq!(emitted.len(), octets.len()),
    }
}

/// An IKEv2 message: its payloads are its octets, one behind the other.
pub fn ikev2(octets: &[u8]) {
    let Ok(header) = Header::parse(&mut Reader::new(octets)) else { return };
    let message = ikev2::Message::parse(header, octets);
    let mut end = Header::LEN;
    for payload in &message.payloads {
        assert_eq!(payload.offset, end + 4);
        end = payload.offset + payload.octets.len();
        assert_eq!(payload.octets, octets[payload.offset..end]);
        if let Err(error) = payload.body() {
            assert!(!error.to_string().is_empty());
        }
    }
    if message.error.is_none() {
        assert!(end <= header.length as usize && header.length as usize <= octets.len());
    }
}

/// An Ethernet frame and what it holds down to ICMP and UDP.
pub fn packet(octets: &[u8]) {
    if let Ok(frame) = Frame::parse(octets) {
        assert_eq!(frame.to_bytes(), octets);
        let _ = ArpPacket::parse(frame.payload).map(|arp| arp.to_bytes());
        ip_packet(frame.payload);
    }
    ip_packet(octets);
}

fn ip_packet(octets: &[u8]) {
    let Ok(packet) = Ipv4Packet::parse(octets) else { return };
    let emitted = packet.to_bytes();
    // Of the two zeros of one's complement either is a right checksum.
    if octets[10..12] != [0xff; 2] {
        assert_eq!(emitted, octets[..emitted.len()]);
    }
    assert_eq!(Ipv4Packet::parse(&emitted).as_ref(), Ok(&packet));
    match packet.protocol {
        protocol::ICMP => {
            if let Ok(message) = IcmpMessage::parse(&packet.payload) {
                assert_eq!(IcmpMessage::parse(&message.to_bytes()), Ok(message));
            }
        }
        protocol::UDP => {
            if let Ok(datagram) = UdpDatagram::parse(&packet.payload, packet.source, packet.destination) {
                let octets = datagram.to_bytes(packet.source, packet.destination);
                assert_eq!(UdpDatagram::parse(&octets, packet.source, packet.destination), Ok(datagram));
            }
        }
        _ => {}
    }
}
