//! Ethernet frames and ARP (RFC 826).

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::reader::{ParseError, ParseErrorKind, Reader};

/// A MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MacAddress(pub [u8; 6]);

impl MacAddress {
    /// Everybody on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it names a group of stations.
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

/// EtherTypes this crate meets.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// An 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
}

/// An Ethernet II frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// To whom.
    pub destination: MacAddress,
    /// From whom.
    pub source: MacAddress,
    /// What it carries.
    pub ethertype: u16,
    /// The rest, padding included.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// When it is shorter than a header.
    pub fn parse(octets: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(octets);
        Ok(Self {
            destination: MacAddress(reader.array("Ethernet > destination")?),
            source: MacAddress(reader.array("Ethernet > source")?),
            ethertype: reader.u16("Ethernet > type")?,
            payload: reader.rest(),
        })
    }

    /// The frame as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.destination.0[..], &self.source.0, &self.ethertype.to_be_bytes(), self.payload].concat()
    }
}

/// An ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpPacket {
    /// A reply, otherwise a request.
    pub reply: bool,
    /// Who sends it.
    pub sender_mac: MacAddress,
    /// The address the sender has.
    pub sender_address: Ipv4Addr,
    /// Who is asked or answered; zero in a request.
    pub target_mac: MacAddress,
    /// The address asked for, or the asker's.
    pub target_address: Ipv4Addr,
}

impl ArpPacket {
    /// Reads an ARP packet.
    ///
    /// # Errors
    ///
    /// When it is too short, or not a request or reply for IPv4 over Ethernet.
    pub fn parse(octets: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(octets);
        let fixed: [u8; 6] = reader.array("ARP > hardware and protocol")?;
        if fixed != [0, 1, 8, 0, 6, 4] {
            let found = u64::from(u16::from_be_bytes([fixed[0], fixed[1]]));
            let kind = ParseErrorKind::BadValue { expected: "IPv4 over Ethernet", found };
            return Err(ParseError { offset: 0, path: "ARP > hardware and protocol".to_owned(), kind });
        }
        let operation = reader.u16("ARP > operation")?;
        if !(1..=2).contains(&operation) {
            let kind = ParseErrorKind::BadValue { expected: "1 or 2", found: operation.into() };
            return Err(ParseError { offset: 6, path: "ARP > operation".to_owned(), kind });
        }
        Ok(Self {
            reply: operation == 2,
            sender_mac: MacAddress(reader.array("ARP > sender")?),
            sender_address: Ipv4Addr::from(reader.array::<4>("ARP > sender address")?),
            target_mac: MacAddress(reader.array("ARP > target")?),
            target_address: Ipv4Addr::from(reader.array::<4>("ARP > target address")?),
        })
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![0, 1, 8, 0, 6, 4, 0, if self.reply { 2 } else { 1 }];
        out.extend_from_slice(&self.sender_mac.0);
        out.extend_from_slice(&self.sender_address.octets());
        out.extend_from_slice(&self.target_mac.0);
        out.extend_from_slice(&self.target_address.octets());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arp_inside_a_frame_round_trips() {
        let arp = ArpPacket {
            reply: false,
            sender_mac: MacAddress([2, 0, 0, 0, 0, 1]),
            sender_address: Ipv4Addr::new(192, 0, 2, 1),
            target_mac: MacAddress([0; 6]),
            target_address: Ipv4Addr::new(192, 0, 2, 2),
        };
        let body = arp.to_bytes();
        let frame = Frame {
            destination: MacAddress::BROADCAST,
            source: arp.sender_mac,
            ethertype: ethertype::ARP,
            payload: &body,
        };
        let octets = frame.to_bytes();
        assert_eq!(Frame::parse(&octets).unwrap(), frame);
        assert_eq!(ArpPacket::parse(Frame::parse(&octets).unwrap().payload).unwrap(), arp);
        assert!(ArpPacket::parse(&body[..20]).is_err());
    }
}
