//! IPv4 headers (RFC 791) and prefixes.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::reader::{ParseError, ParseErrorKind, Reader};

/// IP protocol numbers this crate meets.
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// GRE.
    pub const GRE: u8 = 47;
    /// ESP.
    pub const ESP: u8 = 50;
    /// AH.
    pub const AH: u8 = 51;
    /// IPv4 in IPv4, the next header of tunnel mode.
    pub const IPIP: u8 = 4;
}

/// The Internet checksum (RFC 1071) over `parts` as if they stood one behind the other; all but the last must have an
/// even length.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    !(sum as u16)
}

/// An IPv4 packet: header fields and payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv4Packet {
    /// Type of service octet: DSCP and ECN.
    pub tos: u8,
    /// Identification.
    pub identification: u16,
    /// The flag that must be zero (RFC 791 3.1).
    pub reserved: bool,
    /// Don't fragment.
    pub dont_fragment: bool,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Offset of this fragment in units of eight octets.
    pub fragment_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Options, padded to four octets.
    pub options: Vec<u8>,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Ipv4Packet {
    /// Octets of a header without options.
    pub const HEADER_LEN: usize = 20;

    /// A whole packet with the given payload: TOS 0, identification 0, DF clear, TTL 64.
    pub fn new(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr, payload: Vec<u8>) -> Self {
        Self {
            tos: 0,
            identification: 0,
            reserved: false,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            source,
            destination,
            options: Vec::new(),
            payload,
        }
    }

    /// Reads a packet; octets behind its total length (Ethernet padding) are dropped.
    ///
    /// # Errors
    ///
    /// When version, header length, total length or header checksum are wrong.
    pub fn parse(octets: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(octets);
        let version_and_length = reader.u8("IPv4 > version")?;
        let header_length = usize::from(version_and_length & 0xf) * 4;
        if version_and_length >> 4 != 4 {
            let kind = ParseErrorKind::BadValue { expected: "4", found: u64::from(version_and_length >> 4) };
            return Err(ParseError { offset: 0, path: "IPv4 > version".to_owned(), kind });
        }
        let bad_length = |offset, field: &str, expected, found| ParseError {
            offset,
            path: format!("IPv4 > {field}"),
            kind: ParseErrorKind::BadLength { expected, found },
        };
        if header_length < Self::HEADER_LEN {
            return Err(bad_length(0, "header length", "20 or more", header_length));
        }
        let tos = reader.u8("IPv4 > type of service")?;
        let total_length = usize::from(reader.u16("IPv4 > total length")?);
        if total_length < header_length || total_length > octets.len() {
            return Err(bad_length(2, "total length", "header length up to the octets received", total_length));
        }
        if checksum(&[&octets[..header_length]]) != 0 {
            let found = u64::from(u16::from_be_bytes([octets[10], octets[11]]));
            let kind = ParseErrorKind::BadValue { expected: "the checksum of the header", found };
            return Err(ParseError { offset: 10, path: "IPv4 > checksum".to_owned(), kind });
        }
        let identification = reader.u16("IPv4 > identification")?;
        let fragment = reader.u16("IPv4 > fragment offset")?;
        let ttl = reader.u8("IPv4 > time to live")?;
        let protocol = reader.u8("IPv4 > protocol")?;
        reader.u16("IPv4 > checksum")?;
        Ok(Self {
            tos,
            identification,
            reserved: fragment & 0x8000 != 0,
            dont_fragment: fragment & 0x4000 != 0,
            more_fragments: fragment & 0x2000 != 0,
            fragment_offset: fragment & 0x1fff,
            ttl,
            protocol,
            source: Ipv4Addr::from(reader.array::<4>("IPv4 > source")?),
            destination: Ipv4Addr::from(reader.array::<4>("IPv4 > destination")?),
            options: reader.take(header_length - Self::HEADER_LEN, "IPv4 > options")?.to_vec(),
            payload: reader.take(total_length - header_length, "IPv4 > payload")?.to_vec(),
        })
    }

    /// The packet as octets with a right checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header_length = Self::HEADER_LEN + self.options.len();
        let mut out = Vec::with_capacity(header_length + self.payload.len());
        let flags = [self.reserved, self.dont_fragment, self.more_fragments];
        let flags = flags.into_iter().fold(0, |flags, flag| flags << 1 | u16::from(flag));
        let fragment = flags << 13 | self.fragment_offset & 0x1fff;
        out.extend_from_slice(&[0x40 | (header_length / 4) as u8 & 0xf, self.tos]);
        out.extend_from_slice(&(self.total_length() as u16).to_be_bytes());
        out.extend_from_slice(&self.identification.to_be_bytes());
        out.extend_from_slice(&fragment.to_be_bytes());
        out.extend_from_slice(&[self.ttl, self.protocol, 0, 0]);
        out.extend_from_slice(&self.source.octets());
        out.extend_from_slice(&self.destination.octets());
        out.extend_from_slice(&self.options);
        let sum = checksum(&[&out]);
        out[10..12].copy_from_slice(&sum.to_be_bytes());
        out.extend_from_slice(&self.payload);
        out
    }

    /// Octets of the whole packet.
    pub fn total_length(&self) -> usize {
        Self::HEADER_LEN + self.options.len() + self.payload.len()
    }

    /// Whether it is a part of a larger packet.
    pub fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Cuts the packet into fragments of at most `mtu` octets (RFC 791 3.2); the packet itself when it fits.
    ///
    /// Options are copied into every fragment. An `mtu` below 68, which no IPv4 link has, counts as 68.
    pub fn fragment(&self, mtu: usize) -> Vec<Self> {
        if self.total_length() <= mtu {
            return vec![self.clone()];
        }
        let room = (mtu.max(68) - Self::HEADER_LEN - self.options.len()) / 8 * 8;
        let count = self.payload.len().div_ceil(room);
        let pieces = self.payload.chunks(room).enumerate().map(|(index, piece)| Self {
            more_fragments: self.more_fragments || index + 1 < count,
            fragment_offset: self.fragment_offset + (index * room / 8) as u16,
            payload: piece.to_vec(),
            ..self.clone()
        });
        pieces.collect()
    }

    /// Sum over the pseudo header, for checksums of UDP and TCP over `length` octets.
    pub fn pseudo_header(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: u16) -> [u8; 12] {
        let mut header = [0; 12];
        header[..4].copy_from_slice(&source.octets());
        header[4..8].copy_from_slice(&destination.octets());
        header[9] = protocol;
        header[10..].copy_from_slice(&length.to_be_bytes());
        header
    }
}

/// An IPv4 network: an address whose host bits are zero, and a length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ipv4Prefix {
    network: Ipv4Addr,
    length: u8,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not of the form `10.1.0.0/24`.
    #[error("`{0}` is no prefix: expected an address and a length, as in 10.1.0.0/24")]
    Form(String),
    /// Bits behind the length are set.
    #[error("`{found}` has host bits set: expected {network}")]
    HostBits {
        /// The text.
        found: String,
        /// The network it lies in.
        network: Ipv4Prefix,
    },
}

impl Ipv4Prefix {
    /// Everything: 0.0.0.0/0.
    pub const ANY: Self = Self { network: Ipv4Addr::UNSPECIFIED, length: 0 };

    /// The network of `length` bits (32 when more) that `address` lies in.
    pub fn containing(address: Ipv4Addr, length: u8) -> Self {
        let length = length.min(32);
        Self { network: Ipv4Addr::from_bits(address.to_bits() & mask_bits(length)), length }
    }

    /// The network of one address.
    pub fn host(address: Ipv4Addr) -> Self {
        Self { network: address, length: 32 }
    }

    /// The network an address and a subnet mask make; `None` when the mask has holes.
    pub fn from_mask(address: Ipv4Addr, mask: Ipv4Addr) -> Option<Self> {
        let length = mask.to_bits().leading_ones() as u8;
        (mask_bits(length) == mask.to_bits()).then(|| Self::containing(address, length))
    }

    /// First address of the network.
    pub fn network(self) -> Ipv4Addr {
        self.network
    }

    /// Bits of the prefix.
    pub fn length(self) -> u8 {
        self.length
    }

    /// The subnet mask.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask_bits(self.length))
    }

    /// Last address of the network.
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !mask_bits(self.length))
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask_bits(self.length) == self.network.to_bits()
    }

    /// Whether all of `other` lies in it.
    pub fn covers(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.network)
    }

    /// Whether they share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

fn mask_bits(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

impl fmt::Display for Ipv4Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.network, self.length)
    }
}

impl fmt::Debug for Ipv4Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

impl FromStr for Ipv4Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let form = || PrefixError::Form(text.to_owned());
        let (address, length) = text.split_once('/').unwrap_or((text, "32"));
        let address: Ipv4Addr = address.parse().map_err(|_| form())?;
        let length: u8 = length.parse().ok().filter(|length| *length <= 32).ok_or_else(form)?;
        let network = Self::containing(address, length);
        if network.network != address {
            return Err(PrefixError::HostBits { found: text.to_owned(), network });
        }
        Ok(network)
    }
}

impl TryFrom<String> for Ipv4Prefix {
    type Error = PrefixError;

    fn try_from(text: String) -> Result<Self, PrefixError> {
        text.parse()
    }
}

impl From<Ipv4Prefix> for String {
    fn from(prefix: Ipv4Prefix) -> Self {
        prefix.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_the_dress_of_a_router_and_reads_it() {
        let packet = Ipv4Packet {
            tos: 0xc0,
            ttl: 255,
            ..Ipv4Packet::new(17, Ipv4Addr::new(192, 168, 12, 1), Ipv4Addr::new(192, 168, 12, 2), vec![1, 2, 3])
        };
        let octets = packet.to_bytes();
        assert_eq!(octets[..2], [0x45, 0xc0]);
        assert_eq!(Ipv4Packet::parse(&octets).unwrap(), packet);
        let mut damaged = octets;
        damaged[8] = 1;
        assert!(Ipv4Packet::parse(&damaged).unwrap_err().to_string().contains("checksum"));
    }

    #[test]
    fn prefixes_refuse_host_bits_and_say_the_network() {
        let error = "10.1.0.9/24".parse::<Ipv4Prefix>().unwrap_err();
        assert_eq!(error.to_string(), "`10.1.0.9/24` has host bits set: expected 10.1.0.0/24");
        assert!(Ipv4Prefix::ANY.contains(Ipv4Addr::new(9, 9, 9, 9)));
        assert_eq!(Ipv4Prefix::from_mask(Ipv4Addr::new(10, 1, 0, 9), Ipv4Addr::new(255, 0, 255, 0)), None);
    }

    proptest! {
        #[test]
        fn fragments_make_the_packet_again(length in 0_usize..4000, mtu in 68_usize..1600) {
            let payload: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let packet = Ipv4Packet::new(17, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, payload.clone());
            let fragments = packet.fragment(mtu);
            prop_assert!(fragments.iter().all(|fragment| fragment.total_length() <= mtu || fragments.len() == 1));
            let joined: Vec<u8> = fragments.iter().flat_map(|fragment| fragment.payload.clone()).collect();
            prop_assert_eq!(joined, payload);
            prop_assert!(!fragments.last().unwrap().more_fragments);
        }

        #[test]
        fn any_octets_parse_or_fail(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Ipv4Packet::parse(&octets);
        }

        #[test]
        fn parse_then_emit_is_identical(mut octets in proptest::collection::vec(any::<u8>(), 60..120), words in 5_u8..16) {
            octets[0] = 0x40 | words;
            let length = octets.len() as u16;
            octets[2..4].copy_from_slice(&length.to_be_bytes());
            octets[10..12].copy_from_slice(&[0, 0]);
            let sum = checksum(&[&octets[..usize::from(words) * 4]]);
            octets[10..12].copy_from_slice(&sum.to_be_bytes());
            prop_assert_eq!(Ipv4Packet::parse(&octets).unwrap().to_bytes(), octets);
        }
    }
}
