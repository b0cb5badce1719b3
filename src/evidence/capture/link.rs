//! From the octets of a capture to the IP packet in them.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::ParseError;
use crate::wire::ethernet::ethertype;
use crate::wire::ipv4::Ipv4Packet;
use crate::wire::{ParseErrorKind, Reader};

/// What the octets of a captured packet start with (the LINKTYPE registry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// BSD loopback: four octets of address family.
    Null,
    /// Ethernet.
    Ethernet,
    /// An IPv4 or IPv6 packet.
    Raw,
    /// PPP, with or without its address and control octets.
    Ppp,
    /// Linux cooked.
    LinuxCooked,
    /// Linux cooked, version 2.
    LinuxCooked2,
    /// Any other.
    Unknown(u16),
}

impl From<u16> for LinkType {
    fn from(number: u16) -> Self {
        match number {
            0 | 108 => Self::Null,
            1 => Self::Ethernet,
            9 => Self::Ppp,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            113 => Self::LinuxCooked,
            276 => Self::LinuxCooked2,
            other => Self::Unknown(other),
        }
    }
}

/// An IP packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPacket<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Protocol of the payload; behind extension headers with IPv6.
    pub protocol: u8,
    /// Identification and offset of a fragment, and whether more follow; `None` for a whole packet.
    pub fragment: Option<(u32, usize, bool)>,
    /// What follows the IP header.
    pub payload: Cow<'a, [u8]>,
}

impl LinkPacket<'_> {
    /// The same packet with octets of its own.
    pub fn into_owned(self) -> LinkPacket<'static> {
        LinkPacket { payload: Cow::Owned(self.payload.into_owned()), ..self }
    }
}

/// The IP packet in `octets`; `None` when they carry something else (ARP, say).
///
/// # Errors
///
/// When a header is malformed.
#[inline]
pub fn network_packet(link: LinkType, octets: &[u8]) -> Result<Option<LinkPacket<'_>>, ParseError> {
    let mut reader = Reader::new(octets);
    match link {
        LinkType::Ethernet => {
            reader.take(12, "Ethernet > addresses")?;
            tagged(reader)
        }
        LinkType::Raw => ip_of_version(reader),
        LinkType::Null => {
            reader.u32("loopback > family")?;
            ip_of_version(reader)
        }
        LinkType::Ppp => {
            // Address and control may stand before the protocol (RFC 1662 3.1).
            if octets.starts_with(&[0xff, 0x03]) {
                reader.u16("PPP > address and control")?;
            }
            ppp(reader)
        }
        LinkType::LinuxCooked => {
            reader.take(14, "cooked header")?;
            tagged(reader)
        }
        LinkType::LinuxCooked2 => {
            let kind = reader.u16("cooked header > protocol")?;
            reader.take(18, "cooked header")?;
            behind_type(kind, reader)
        }
        LinkType::Unknown(_) => Ok(None),
    }
}

#[inline]
fn tagged(mut reader: Reader<'_>) -> Result<Option<LinkPacket<'_>>, ParseError> {
    let kind = reader.u16("Ethernet > type")?;
    behind_type(kind, reader)
}

/// What stands behind an EtherType: VLAN tags in any number, PPPoE, IP.
#[inline]
fn behind_type(mut kind: u16, mut reader: Reader<'_>) -> Result<Option<LinkPacket<'_>>, ParseError> {
    const SERVICE_TAG: u16 = 0x88a8;
    const OLD_SERVICE_TAG: u16 = 0x9100;
    const PPPOE_SESSION: u16 = 0x8864;
    while matches!(kind, ethertype::VLAN | SERVICE_TAG | OLD_SERVICE_TAG) {
        reader.u16("VLAN tag")?;
        kind = reader.u16("VLAN tag > type")?;
    }
    match kind {
        ethertype::IPV4 => ipv4(reader).map(Some),
        ethertype::IPV6 => ipv6(reader).map(Some),
        PPPOE_SESSION => {
            reader.take(6, "PPPoE header")?;
            ppp(reader)
        }
        _ => Ok(None),
    }
}

fn ppp(mut reader: Reader<'_>) -> Result<Option<LinkPacket<'_>>, ParseError> {
    match reader.u16("PPP > protocol")? {
        0x0021 => ipv4(reader).map(Some),
        0x0057 => ipv6(reader).map(Some),
        _ => Ok(None),
    }
}

fn ip_of_version(mut reader: Reader<'_>) -> Result<Option<LinkPacket<'_>>, ParseError> {
    let packet = reader.rest();
    match packet.first().map(|octet| octet >> 4) {
        Some(6) => ipv6(Reader::new(packet)).map(Some),
        _ => ipv4(Reader::new(packet)).map(Some),
    }
}

/// Like [`Ipv4Packet::parse`], but content with what a capture holds: checksums that a network card would have filled
/// in, and packets cut short by a snap length.
#[inline]
fn ipv4(mut reader: Reader<'_>) -> Result<LinkPacket<'_>, ParseError> {
    let header = reader.array::<{ Ipv4Packet::HEADER_LEN }>("IPv4 > header")?;
    let [first, _, l0, l1, i0, i1, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
    let header_length = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || header_length < Ipv4Packet::HEADER_LEN {
        let kind = ParseErrorKind::BadValue { expected: "IPv4", found: first.into() };
        return Err(ParseError { offset: 0, path: "IPv4 > version".to_owned(), kind });
    }
    let total_length = usize::from(u16::from_be_bytes([l0, l1]));
    let identification = u16::from_be_bytes([i0, i1]);
    let flags = u16::from_be_bytes([f0, f1]);
    let (source, destination) = (Ipv4Addr::from([s0, s1, s2, s3]), Ipv4Addr::from([d0, d1, d2, d3]));
    reader.take(header_length - Ipv4Packet::HEADER_LEN, "IPv4 > options")?;
    // A length of zero stands in frames that segmentation offload would still cut.
    let length = if total_length == 0 { reader.remaining() } else { total_length.saturating_sub(header_length) };
    let payload = reader.take(length.min(reader.remaining()), "IPv4 > payload")?.into();
    let (offset, more) = (usize::from(flags & 0x1fff) * 8, flags & 0x2000 != 0);
    Ok(LinkPacket {
        source: source.into(),
        destination: destination.into(),
        protocol,
        fragment: (offset != 0 || more).then_some((identification.into(), offset, more)),
        payload,
    })
}

fn ipv6(mut reader: Reader<'_>) -> Result<LinkPacket<'_>, ParseError> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;
    reader.u32("IPv6 > version")?;
    let length = usize::from(reader.u16("IPv6 > payload length")?);
    let mut next = reader.u8("IPv6 > next header")?;
    reader.u8("IPv6 > hop limit")?;
    let source = Ipv6Addr::from(reader.array::<16>("IPv6 > source")?);
    let destination = Ipv6Addr::from(reader.array::<16>("IPv6 > destination")?);
    let mut reader = reader.sub(length.min(reader.remaining()), "IPv6 > payload")?;
    let mut fragment = None;
    loop {
        match next {
            HOP_BY_HOP | ROUTING | DESTINATION => {
                next = reader.u8("IPv6 > extension > next header")?;
                let length = usize::from(reader.u8("IPv6 > extension > length")?);
                reader.take(6 + length * 8, "IPv6 > extension")?;
            }
            FRAGMENT => {
                next = reader.u8("IPv6 > fragment > next header")?;
                reader.u8("IPv6 > fragment > reserved")?;
                let offset = reader.u16("IPv6 > fragment > offset")?;
                let identification = reader.u32("IPv6 > fragment > identification")?;
                fragment = Some((identification, usize::from(offset >> 3) * 8, offset & 1 != 0));
                // What follows is a piece, which only the whole packet gives a meaning.
                break;
            }
            _ => break,
        }
    }
    Ok(LinkPacket {
        source: source.into(),
        destination: destination.into(),
        protocol: next,
        fragment,
        payload: reader.rest().into(),
    })
}
