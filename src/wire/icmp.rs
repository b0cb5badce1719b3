//! ICMP messages (RFC 792, RFC 1191) a router sends and answers.

use std::fmt;

use super::ipv4::{Ipv4Packet, checksum};
use super::reader::{ParseError, ParseErrorKind, Reader};

/// An ICMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IcmpMessage {
    /// Echo request.
    EchoRequest {
        /// Identifier.
        identifier: u16,
        /// Sequence number.
        sequence: u16,
        /// Data.
        data: Vec<u8>,
    },
    /// Echo reply.
    EchoReply {
        /// Identifier.
        identifier: u16,
        /// Sequence number.
        sequence: u16,
        /// Data.
        data: Vec<u8>,
    },
    /// Destination unreachable.
    Unreachable {
        /// The code, one of [`mod@unreachable`].
        code: u8,
        /// MTU of the next hop with code 4, otherwise zero.
        mtu: u16,
        /// The start of the packet it is about.
        original: Vec<u8>,
    },
    /// Time exceeded in transit.
    TimeExceeded {
        /// The start of the packet it is about.
        original: Vec<u8>,
    },
    /// Any other message.
    Other {
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
        /// What follows the checksum.
        body: Vec<u8>,
    },
}

impl fmt::Display for IcmpMessage {
    /// What it means, without what it quotes.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EchoRequest { sequence, .. } => write!(formatter, "echo request {sequence}"),
            Self::EchoReply { sequence, .. } => write!(formatter, "echo reply {sequence}"),
            Self::Unreachable { code, mtu, .. } => match *code {
                unreachable::NETWORK => formatter.write_str("network unreachable"),
                unreachable::HOST => formatter.write_str("host unreachable"),
                unreachable::PORT => formatter.write_str("port unreachable"),
                unreachable::FRAGMENTATION_NEEDED => {
                    write!(formatter, "fragmentation needed and DF set, MTU of the next hop {mtu}")
                }
                unreachable::ADMINISTRATIVELY_PROHIBITED => formatter.write_str("administratively prohibited"),
                code => write!(formatter, "destination unreachable, code {code}"),
            },
            Self::TimeExceeded { .. } => formatter.write_str("time to live exceeded"),
            Self::Other { kind, code, .. } => write!(formatter, "ICMP type {kind}, code {code}"),
        }
    }
}

/// Codes of [`IcmpMessage::Unreachable`].
pub mod unreachable {
    /// No route to the network.
    pub const NETWORK: u8 = 0;
    /// The host does not answer.
    pub const HOST: u8 = 1;
    /// Nobody listens on the port.
    pub const PORT: u8 = 3;
    /// The packet is too large and must not be cut.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// A filter forbids it.
    pub const ADMINISTRATIVELY_PROHIBITED: u8 = 13;
}

impl IcmpMessage {
    /// An unreachable or time-exceeded message quotes the header of the packet and eight octets behind it (RFC 792).
    pub fn quote(packet: &Ipv4Packet) -> Vec<u8> {
        let mut original = packet.to_bytes();
        original.truncate(Ipv4Packet::HEADER_LEN + packet.options.len() + 8);
        original
    }

    /// Reads a message that fills the payload of an IP packet.
    ///
    /// # Errors
    ///
    /// When it is too short or its checksum is wrong.
    pub fn parse(octets: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(octets);
        let kind = reader.u8("ICMP > type")?;
        let code = reader.u8("ICMP > code")?;
        let sum = reader.u16("ICMP > checksum")?;
        if checksum(&[octets]) != 0 {
            let kind = ParseErrorKind::BadValue { expected: "the checksum of the message", found: sum.into() };
            return Err(ParseError { offset: 2, path: "ICMP > checksum".to_owned(), kind });
        }
        Ok(match (kind, code) {
            (8, 0) | (0, 0) => {
                let identifier = reader.u16("ICMP > identifier")?;
                let sequence = reader.u16("ICMP > sequence")?;
                let data = reader.rest().to_vec();
                if kind == 8 {
                    Self::EchoRequest { identifier, sequence, data }
                } else {
                    Self::EchoReply { identifier, sequence, data }
                }
            }
            (3, code) => {
                reader.u16("ICMP > unused")?;
                let mtu = reader.u16("ICMP > MTU")?;
                Self::Unreachable { code, mtu, original: reader.rest().to_vec() }
            }
            (11, 0) => {
                reader.u32("ICMP > unused")?;
                Self::TimeExceeded { original: reader.rest().to_vec() }
            }
            _ => Self::Other { kind, code, body: reader.rest().to_vec() },
        })
    }

    /// The message as octets with its checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        let pair = |high: u16, low: u16| u32::from(high) << 16 | u32::from(low);
        let (kind, code, rest, tail) = match self {
            Self::EchoRequest { identifier, sequence, data } => (8, 0, Some(pair(*identifier, *sequence)), data),
            Self::EchoReply { identifier, sequence, data } => (0, 0, Some(pair(*identifier, *sequence)), data),
            Self::Unreachable { code, mtu, original } => (3, *code, Some(pair(0, *mtu)), original),
            Self::TimeExceeded { original } => (11, 0, Some(0), original),
            Self::Other { kind, code, body } => (*kind, *code, None, body),
        };
        let mut out = vec![kind, code, 0, 0];
        if let Some(rest) = rest {
            out.extend_from_slice(&rest.to_be_bytes());
        }
        out.extend_from_slice(tail);
        let sum = checksum(&[&out]);
        out[2..4].copy_from_slice(&sum.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(IcmpMessage::EchoRequest { identifier: 7, sequence: 1, data: vec![1, 2, 3] })]
    #[case(IcmpMessage::EchoReply { identifier: 7, sequence: 1, data: vec![] })]
    #[case(IcmpMessage::Unreachable { code: 4, mtu: 1400, original: vec![0x45; 28] })]
    #[case(IcmpMessage::TimeExceeded { original: vec![0x45; 28] })]
    #[case(IcmpMessage::Other { kind: 5, code: 1, body: vec![9; 8] })]
    fn round_trips(#[case] message: IcmpMessage) {
        let octets = message.to_bytes();
        assert_eq!(IcmpMessage::parse(&octets).unwrap(), message);
        assert!(IcmpMessage::parse(&[&octets[..2], &[0x12, 0x34], &octets[4..]].concat()).is_err());
    }
}
