//! UDP datagrams (RFC 768).

use std::net::Ipv4Addr;

use super::ipv4::{Ipv4Packet, checksum, protocol};
use super::reader::{ParseError, ParseErrorKind, Reader};

/// A UDP datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpDatagram {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl UdpDatagram {
    /// Reads a datagram that fills the payload of an IP packet between the two addresses.
    ///
    /// A checksum of zero is not checked (RFC 768).
    ///
    /// # Errors
    ///
    /// When length or checksum are wrong.
    pub fn parse(octets: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> Result<Self, ParseError> {
        let mut reader = Reader::new(octets);
        let source_port = reader.u16("UDP > source port")?;
        let destination_port = reader.u16("UDP > destination port")?;
        let length = reader.u16("UDP > length")?;
        let sum = reader.u16("UDP > checksum")?;
        if usize::from(length) < 8 || usize::from(length) > octets.len() {
            let kind = ParseErrorKind::BadLength { expected: "8 up to the octets received", found: length.into() };
            return Err(ParseError { offset: 4, path: "UDP > length".to_owned(), kind });
        }
        let datagram = &octets[..usize::from(length)];
        let pseudo = Ipv4Packet::pseudo_header(source, destination, protocol::UDP, length);
        if sum != 0 && checksum(&[&pseudo, datagram]) != 0 {
            let kind = ParseErrorKind::BadValue { expected: "the checksum of the datagram", found: sum.into() };
            return Err(ParseError { offset: 6, path: "UDP > checksum".to_owned(), kind });
        }
        Ok(Self { source_port, destination_port, payload: datagram[8..].to_vec() })
    }

    /// The datagram as octets with its checksum.
    pub fn to_bytes(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
        let length = (8 + self.payload.len()) as u16;
        let mut out = Vec::with_capacity(8 + self.payload.len());
        out.extend_from_slice(&self.source_port.to_be_bytes());
        out.extend_from_slice(&self.destination_port.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&self.payload);
        let pseudo = Ipv4Packet::pseudo_header(source, destination, protocol::UDP, length);
        let sum = match checksum(&[&pseudo, &out]) {
            0 => 0xffff,
            sum => sum,
        };
        out[6..8].copy_from_slice(&sum.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_cover_the_addresses() {
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let datagram = UdpDatagram { source_port: 500, destination_port: 4500, payload: vec![1, 2, 3] };
        let octets = datagram.to_bytes(a, b);
        assert_eq!(UdpDatagram::parse(&octets, a, b).unwrap(), datagram);
        assert!(UdpDatagram::parse(&octets, a, Ipv4Addr::new(192, 0, 2, 9)).is_err());
        assert!(UdpDatagram::parse(&octets[..7], a, b).is_err());
    }
}
