//! What the access lists see of a packet.

use crate::ios::acl::PacketKey;
use crate::wire::ipv4::{Ipv4Packet, protocol};

/// The fields of `packet` that access lists look at.
///
/// A packet too short for the header of its protocol has no ports, so it meets no condition on them.
pub(super) fn packet_key(packet: &Ipv4Packet) -> PacketKey {
    let key = PacketKey::new(packet.protocol, packet.source, packet.destination);
    if packet.fragment_offset != 0 {
        return PacketKey { later_fragment: true, ..key };
    }
    match (packet.protocol, packet.payload.as_slice()) {
        (protocol::TCP | protocol::UDP, &[a, b, c, d, ref rest @ ..]) => {
            // Data offset and flags stand at octets 12 and 13 of a TCP header; ACK is 0x10, RST 0x04.
            let established = packet.protocol == protocol::TCP && rest.get(9).is_some_and(|flags| flags & 0x14 != 0);
            let key = key.with_ports(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            PacketKey { established, ..key }
        }
        (protocol::ICMP, &[message, code, ..]) => PacketKey { icmp: Some((message, code)), ..key },
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn key(protocol: u8, payload: &[u8]) -> PacketKey {
        packet_key(&Ipv4Packet::new(protocol, Ipv4Addr::LOCALHOST, Ipv4Addr::BROADCAST, payload.to_vec()))
    }

    #[test]
    fn ports_flags_and_icmp_types_are_seen() {
        let syn = [0, 22, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02];
        let ack = [0, 22, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10];
        assert_eq!((key(6, &syn).source_port, key(6, &syn).destination_port), (Some(22), Some(256)));
        assert!(!key(6, &syn).established && key(6, &ack).established);
        assert_eq!(key(1, &[8, 0, 0, 0]).icmp, Some((8, 0)));
        assert_eq!(key(17, &[1, 2, 3]).source_port, None);
        assert_eq!(key(50, &[0; 8]).source_port, None);
    }
}
