//! From packets to messages: what each datagram is, decrypted as far as keys are known.

mod esp;
mod ike;
mod keys;
mod reassembly;

use std::net::{IpAddr, SocketAddr};

pub use ike::{IkeMessage, Protection};
pub use keys::{KeyFileError, KeyTable};

use super::capture::{CapturedPacket, LinkPacket, network_packet};
use crate::wire::ipv4::protocol;
use crate::wire::isakmp::{Header, Version};
use crate::wire::natt::{self, Port4500};
use crate::wire::{ParseError, Reader, Spi, ikev2};

/// A packet of a capture and what it is.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Number of the packet in its capture, from 1.
    pub number: u64,
    /// Nanoseconds on the capture's clock.
    pub at: u64,
    /// Where it came from; port 0 where the protocol has none.
    pub source: SocketAddr,
    /// Where it went.
    pub destination: SocketAddr,
    /// What it is.
    pub content: Content,
}

/// What a packet is.
#[derive(Clone, Debug)]
pub enum Content {
    /// An IKEv1 message.
    Ike(Box<IkeMessage>),
    /// An IKEv2 message.
    IkeV2(ikev2::Message),
    /// An ESP packet.
    Esp {
        /// Its SPI.
        spi: Spi,
        /// Its sequence number.
        sequence: u32,
        /// Whether it came in UDP.
        in_udp: bool,
        /// The packet as it stands, SPI first.
        octets: Vec<u8>,
    },
    /// A NAT keepalive (RFC 3948 2.3).
    Keepalive,
    /// A packet of ours that is neither IKE nor ESP.
    Other {
        /// Its IP protocol.
        protocol: u8,
        /// What follows the IP header.
        payload: Vec<u8>,
    },
    /// Something on an IKE or ESP port that cannot be read.
    Malformed(ParseError),
}

/// Tells what packets are, one after the other. Memory is bounded however long the capture.
#[derive(Debug, Default)]
pub struct Decoder {
    keys: KeyTable,
    ike: ike::IkeDecoder,
    fragments: reassembly::Reassembler,
    esp: esp::EspOpener,
}

impl Decoder {
    /// A decoder that knows these keys.
    pub fn new(keys: KeyTable) -> Self {
        Self { keys, ..Self::default() }
    }

    /// Tells what a captured packet is; `None` when it is no IP packet, or a fragment whose rest is still missing.
    pub fn packet(&mut self, packet: &CapturedPacket) -> Option<Observed> {
        match network_packet(packet.link, &packet.octets) {
            Ok(Some(inner)) => {
                let inner = self.fragments.take(inner)?;
                Some(self.ip_packet(packet.number, packet.timestamp, &inner))
            }
            Ok(None) => None,
            Err(error) => Some(Observed {
                number: packet.number,
                at: packet.timestamp,
                source: SocketAddr::new(IpAddr::from([0; 4]), 0),
                destination: SocketAddr::new(IpAddr::from([0; 4]), 0),
                content: Content::Malformed(error),
            }),
        }
    }

    /// The packet inside an ESP packet; `None` when it is none, or its key is not known or does not fit.
    pub fn inner_packet(&mut self, observed: &Observed) -> Option<LinkPacket> {
        let Content::Esp { spi, octets, .. } = &observed.content else { return None };
        self.esp.open(*spi, octets, &self.keys)
    }

    /// What is inside an ESP packet, in a few words that are the same for every packet of its kind.
    pub fn inner(&mut self, observed: &Observed) -> Option<String> {
        self.inner_packet(observed).map(|packet| esp::describe(&packet))
    }

    fn ip_packet(&mut self, number: u64, at: u64, packet: &LinkPacket) -> Observed {
        let mut ports = (0, 0);
        let content = match packet.protocol {
            protocol::UDP => match udp(&packet.payload) {
                Ok((source_port, destination_port, payload)) => {
                    ports = (source_port, destination_port);
                    self.datagram(ports, payload, packet)
                }
                Err(error) => Content::Malformed(error),
            },
            protocol::ESP => esp_packet(&packet.payload, false),
            _ => Content::Other { protocol: packet.protocol, payload: packet.payload.clone() },
        };
        Observed {
            number,
            at,
            source: SocketAddr::new(packet.source, ports.0),
            destination: SocketAddr::new(packet.destination, ports.1),
            content,
        }
    }

    fn datagram(&mut self, ports: (u16, u16), payload: &[u8], packet: &LinkPacket) -> Content {
        let at_port = |port| ports.0 == port || ports.1 == port;
        if at_port(500) {
            return self.ike(payload);
        }
        if !at_port(4500) {
            return Content::Other { protocol: protocol::UDP, payload: packet.payload.clone() };
        }
        match natt::classify(payload) {
            Port4500::Ike(octets) => self.ike(octets),
            Port4500::Esp(octets) => esp_packet(octets, true),
            Port4500::Keepalive => Content::Keepalive,
            Port4500::Malformed(octets) => esp_packet(octets, true),
        }
    }

    fn ike(&mut self, octets: &[u8]) -> Content {
        match Header::parse(&mut Reader::new(octets)) {
            Ok(header) if header.version.major() == Version::V2.major() => {
                Content::IkeV2(ikev2::Message::parse(header, octets))
            }
            Ok(header) => Content::Ike(Box::new(self.ike.message(header, octets, &self.keys))),
            Err(error) => Content::Malformed(error),
        }
    }
}

/// Ports and payload of a datagram whose checksum is not looked at: a capture on the sending host has none yet.
fn udp(octets: &[u8]) -> Result<(u16, u16, &[u8]), ParseError> {
    let mut reader = Reader::new(octets);
    let source_port = reader.u16("UDP > source port")?;
    let destination_port = reader.u16("UDP > destination port")?;
    let length = usize::from(reader.u16("UDP > length")?);
    reader.u16("UDP > checksum")?;
    let payload = reader.take(length.saturating_sub(8).min(reader.remaining()), "UDP > payload")?;
    Ok((source_port, destination_port, payload))
}

fn esp_packet(octets: &[u8], in_udp: bool) -> Content {
    let mut reader = Reader::new(octets);
    let mut fields = || Ok((Spi(reader.u32("ESP > SPI")?), reader.u32("ESP > sequence number")?));
    match fields() {
        Ok((spi, sequence)) => Content::Esp { spi, sequence, in_udp, octets: octets.to_vec() },
        Err(error) => Content::Malformed(error),
    }
}
