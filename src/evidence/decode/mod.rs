//! From packets to messages: what each datagram is, decrypted as far as keys are known.

mod derivation;
mod esp;
mod ike;
mod ikev2;
mod keys;
mod reassembly;
mod sealed;
mod tables;

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

pub use esp::PacketKind;
pub use ike::{HashCheck, IkeMessage, Protection};
pub use ikev2::Ikev2Message;
pub use keys::{AddressPattern, EspKeys, Ikev2Keys, KeyTable, Secrets};
pub use sealed::{BlockCipher, Opener, SealCipher, SealError, SealIntegrity};
pub use tables::KeyFileError;

use super::capture::{CapturedPacket, LinkPacket, network_packet};
use crate::wire::ipv4::protocol;
use crate::wire::isakmp::{Header, Version};
use crate::wire::natt::{self, Port4500};
use crate::wire::{ParseError, Reader, Spi};

/// ESP in ESP in ESP: deeper than that nobody nests.
const MAX_DEPTH: usize = 4;

/// A packet of a capture and what it is.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// Number of the packet in its capture, from 1.
    pub number: u64,
    /// Nanoseconds on the capture's clock.
    pub at: u64,
    /// Where it came from; port 0 where the protocol has none.
    pub source: SocketAddr,
    /// Where it went.
    pub destination: SocketAddr,
    /// The SPI of the AH header it came behind.
    pub ah: Option<Spi>,
    /// What it is.
    pub content: Content<'a>,
}

/// What a packet is.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// An IKEv1 message.
    Ike(Box<IkeMessage>),
    /// An IKEv2 message.
    IkeV2(Box<Ikev2Message>),
    /// An ESP packet.
    Esp {
        /// Its SPI.
        spi: Spi,
        /// Its sequence number.
        sequence: u32,
        /// Whether it came in UDP.
        in_udp: bool,
        /// The packet as it stands, SPI first.
        octets: Cow<'a, [u8]>,
    },
    /// A NAT keepalive (RFC 3948 2.3).
    Keepalive,
    /// A packet of ours that is neither IKE nor ESP.
    Other {
        /// Its IP protocol.
        protocol: u8,
        /// What follows the IP header.
        payload: Cow<'a, [u8]>,
    },
    /// Something on an IKE or ESP port that cannot be read.
    Malformed(ParseError),
}

/// Tells what packets are, one after the other. Memory is bounded however long the capture.
#[derive(Debug, Default)]
pub struct Decoder {
    keys: KeyTable,
    ike: ike::IkeDecoder,
    ikev2: ikev2::Ikev2Decoder,
    esp: esp::EspDecoder,
    fragments: reassembly::Reassembler,
    plain: Vec<u8>,
}

/// A packet from inside ESP.
#[derive(Clone, Debug)]
pub struct Opened<'a> {
    /// The packet; with ESP in ESP the one inside all.
    pub packet: LinkPacket<'a>,
    /// The ends of each ESP packet that was inside another, outermost first.
    pub nested: Vec<(IpAddr, IpAddr)>,
}

impl Opened<'_> {
    /// The same with octets of its own.
    pub fn into_owned(self) -> Opened<'static> {
        Opened { packet: self.packet.into_owned(), nested: self.nested }
    }
}

impl fmt::Display for Opened<'_> {
    /// In a few words, the same for every packet of its kind.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (source, destination) in &self.nested {
            write!(formatter, "ESP {source} > {destination}, in it ")?;
        }
        PacketKind::of(&self.packet).fmt(formatter)
    }
}

impl Decoder {
    /// A decoder that knows these keys.
    pub fn new(keys: KeyTable) -> Self {
        Self { keys, ..Self::default() }
    }

    /// Tells what a captured packet is; `None` when it is no IP packet, or a fragment whose rest is still missing.
    pub fn packet<'a>(&mut self, packet: &CapturedPacket<'a>) -> Option<Observed<'a>> {
        match network_packet(packet.link, packet.octets) {
            Ok(Some(inner)) => {
                let inner = self.fragments.take(inner)?;
                Some(self.ip_packet(packet.number, packet.timestamp, inner))
            }
            Ok(None) => None,
            Err(error) => Some(Observed {
                number: packet.number,
                at: packet.timestamp,
                source: SocketAddr::new(IpAddr::from([0; 4]), 0),
                destination: SocketAddr::new(IpAddr::from([0; 4]), 0),
                ah: None,
                content: Content::Malformed(error),
            }),
        }
    }

    /// Packets of which some fragments came and others did not (yet): nothing of them was told.
    pub fn incomplete(&self) -> u64 {
        self.fragments.incomplete()
    }

    /// The packet inside an ESP packet; `None` when it is none, or its key is not known or does not fit.
    pub fn open(&mut self, observed: &Observed<'_>) -> Option<Opened<'_>> {
        let Content::Esp { spi, octets, .. } = &observed.content else { return None };
        if !self.keys.opens_esp() {
            return None;
        }
        let ends = (observed.source.ip(), observed.destination.ip());
        let mut nested = Vec::new();
        let mut packet = self.esp.open(&self.keys, ends, *spi, octets, &mut self.plain)?;
        if packet.protocol != protocol::ESP {
            return Some(Opened { packet, nested });
        }
        let mut plain = Vec::new();
        while packet.protocol == protocol::ESP && nested.len() < MAX_DEPTH {
            let ends = (packet.source, packet.destination);
            let Content::Esp { spi, octets, .. } = esp_packet(packet.payload.clone(), false) else { break };
            let Some(inside) = self.esp.open(&self.keys, ends, spi, &octets, &mut plain) else { break };
            nested.push(ends);
            packet = inside.into_owned();
        }
        Some(Opened { packet: packet.into_owned(), nested })
    }

    fn ip_packet<'a>(&mut self, number: u64, at: u64, mut packet: LinkPacket<'a>) -> Observed<'a> {
        let mut ports = (0, 0);
        let mut ah = None;
        if packet.protocol == protocol::AH
            && let Ok((spi, next, length)) = ah_header(&packet.payload)
        {
            ah = Some(spi);
            packet.protocol = next;
            let end = packet.payload.len();
            packet.payload = part(packet.payload, length..end);
        }
        let content = match packet.protocol {
            protocol::UDP => match udp(&packet.payload) {
                Ok((source_port, destination_port, payload)) => {
                    ports = (source_port, destination_port);
                    self.datagram(ports, payload, packet.payload)
                }
                Err(error) => Content::Malformed(error),
            },
            protocol::ESP => esp_packet(packet.payload, false),
            protocol => Content::Other { protocol, payload: packet.payload },
        };
        Observed {
            number,
            at,
            source: SocketAddr::new(packet.source, ports.0),
            destination: SocketAddr::new(packet.destination, ports.1),
            ah,
            content,
        }
    }

    /// `payload` is where the datagram's payload lies in `octets`, which start with the UDP header.
    fn datagram<'a>(&mut self, ports: (u16, u16), payload: Range<usize>, octets: Cow<'a, [u8]>) -> Content<'a> {
        let at_port = |port| ports.0 == port || ports.1 == port;
        if at_port(500) {
            return self.ike(&octets[payload]);
        }
        if !at_port(4500) {
            return Content::Other { protocol: protocol::UDP, payload: octets };
        }
        match natt::classify(&octets[payload.clone()]) {
            Port4500::Ike(message) => self.ike(message),
            Port4500::Keepalive => Content::Keepalive,
            Port4500::Esp(_) | Port4500::Malformed(_) => esp_packet(part(octets, payload), true),
        }
    }

    fn ike(&mut self, octets: &[u8]) -> Content<'static> {
        match Header::parse(&mut Reader::new(octets)) {
            Ok(header) if header.version.major() == Version::V2.major() => {
                Content::IkeV2(Box::new(self.ikev2.message(header, octets, &self.keys)))
            }
            Ok(header) => Content::Ike(Box::new(self.ike.message(header, octets, &mut self.keys))),
            Err(error) => Content::Malformed(error),
        }
    }
}

/// A part of octets, borrowed where they are.
fn part(octets: Cow<'_, [u8]>, range: Range<usize>) -> Cow<'_, [u8]> {
    match octets {
        Cow::Borrowed(octets) => Cow::Borrowed(octets.get(range).unwrap_or_default()),
        Cow::Owned(octets) => Cow::Owned(octets.get(range).unwrap_or_default().to_vec()),
    }
}

/// Ports of a datagram and where its payload lies. The checksum is not looked at: a capture on the sending host has none
/// yet.
fn udp(octets: &[u8]) -> Result<(u16, u16, Range<usize>), ParseError> {
    const HEADER: usize = 8;
    let mut reader = Reader::new(octets);
    let source_port = reader.u16("UDP > source port")?;
    let destination_port = reader.u16("UDP > destination port")?;
    let length = usize::from(reader.u16("UDP > length")?);
    reader.u16("UDP > checksum")?;
    let length = length.saturating_sub(HEADER).min(reader.remaining());
    Ok((source_port, destination_port, HEADER..HEADER + length))
}

/// SPI, next header and length of an AH header (RFC 4302 2).
fn ah_header(octets: &[u8]) -> Result<(Spi, u8, usize), ParseError> {
    let mut reader = Reader::new(octets);
    let next = reader.u8("AH > next header")?;
    let length = (usize::from(reader.u8("AH > length")?) + 2) * 4;
    reader.u16("AH > reserved")?;
    let spi = Spi(reader.u32("AH > SPI")?);
    reader.take(length.saturating_sub(8), "AH > sequence number and ICV")?;
    Ok((spi, next, length.max(8)))
}

fn esp_packet(octets: Cow<'_, [u8]>, in_udp: bool) -> Content<'_> {
    match Reader::new(&octets).array("ESP > SPI and sequence number") {
        Ok([s0, s1, s2, s3, n0, n1, n2, n3]) => {
            let (spi, sequence) = (Spi(u32::from_be_bytes([s0, s1, s2, s3])), u32::from_be_bytes([n0, n1, n2, n3]));
            Content::Esp { spi, sequence, in_udp, octets }
        }
        Err(error) => Content::Malformed(error),
    }
}
