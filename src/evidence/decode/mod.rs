//! From packets to messages: what each datagram is, decrypted as far as keys are known.

mod derivation;
mod esp;
mod esp_table;
mod ike;
mod ikev2;
mod keys;
mod reassembly;
mod sealed;
mod tables;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

pub use esp::{EspOpener, Inside, Opened, PacketKind};
pub use esp_table::{AddressPattern, EspKeys, KeysKnown};
pub use ike::{HashCheck, IkeMessage, Protection};
pub use ikev2::Ikev2Message;
pub use keys::{Ikev2Keys, KeyTable, Secrets};
pub use sealed::{BlockCipher, Opener, SealCipher, SealError, SealIntegrity};
pub use tables::KeyFileError;

use esp_table::EspTable;

use super::capture::{CapturedPacket, LinkPacket, network_packet};
use crate::wire::ipv4::protocol;
use crate::wire::isakmp::{Header, Version};
use crate::wire::natt::{self, Port4500};
use crate::wire::{ParseError, Reader, Spi};

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
        /// The keys that may open it.
        known: KeysKnown,
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
    /// All but those of ESP.
    keys: KeyTable,
    esp_keys: Arc<RwLock<EspTable>>,
    /// How many of them there are.
    known: KeysKnown,
    ike: ike::IkeDecoder,
    ikev2: ikev2::Ikev2Decoder,
    fragments: reassembly::Reassembler,
}

impl Decoder {
    /// A decoder that knows these keys.
    pub fn new(mut keys: KeyTable) -> Self {
        let esp_keys = std::mem::take(&mut keys.esp);
        Self { keys, known: esp_keys.known(), esp_keys: Arc::new(RwLock::new(esp_keys)), ..Self::default() }
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

    /// What opens the ESP packets this decoder tells of.
    pub fn esp_opener(&self) -> EspOpener {
        EspOpener::new(Arc::clone(&self.esp_keys))
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
            protocol::ESP => self.esp_packet(packet.payload, false),
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
            Port4500::Esp(_) | Port4500::Malformed(_) => self.esp_packet(part(octets, payload), true),
        }
    }

    fn ike(&mut self, octets: &[u8]) -> Content<'static> {
        match Header::parse(&mut Reader::new(octets)) {
            Ok(header) if header.version.major() == Version::V2.major() => {
                Content::IkeV2(Box::new(self.ikev2.message(header, octets, &self.keys)))
            }
            Ok(header) => {
                let mut derived = Vec::new();
                let message = self.ike.message(header, octets, &self.keys, &mut derived);
                if !derived.is_empty() {
                    let mut table = self.esp_keys.write().unwrap_or_else(PoisonError::into_inner);
                    derived.iter().for_each(|new| table.add_derived(new.spi, new.suite, &new.keys));
                    self.known = table.known();
                }
                Content::Ike(Box::new(message))
            }
            Err(error) => Content::Malformed(error),
        }
    }

    fn esp_packet<'a>(&self, octets: Cow<'a, [u8]>, in_udp: bool) -> Content<'a> {
        match Reader::new(&octets).array("ESP > SPI and sequence number") {
            Ok([s0, s1, s2, s3, n0, n1, n2, n3]) => {
                let (spi, sequence) = (Spi(u32::from_be_bytes([s0, s1, s2, s3])), u32::from_be_bytes([n0, n1, n2, n3]));
                Content::Esp { spi, sequence, in_udp, octets, known: self.known }
            }
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
