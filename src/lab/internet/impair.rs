//! What a bad path does to chosen messages.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ike::naming::{MessageName, MessageNamer};
use crate::lab::internet::{Event, Side};
use crate::scenario;
use crate::wire::Reader;
use crate::wire::ipv4::{Ipv4Packet, checksum, protocol};
use crate::wire::isakmp::Header;
use crate::wire::natt::{self, Port4500};

/// The UDP port of IKE.
const IKE_PORT: u16 = 500;
/// The UDP port of IKE and ESP behind a NAT (RFC 3948).
const NATT_PORT: u16 = 4500;
/// Octets of a UDP header.
const UDP_HEADER: usize = 8;

/// What a packet is to the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Traffic {
    /// An ISAKMP message.
    Ike(MessageName),
    /// ESP, in UDP or not.
    Esp,
    /// Anything else.
    Other,
}

/// Which packets an impairment wants. Written as a message name, `ike`, `esp` or `any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The message with this name, and its retransmissions.
    Message(MessageName),
    /// Every ISAKMP message.
    Ike,
    /// Every ESP packet, in UDP or not.
    Esp,
    /// Every packet.
    Any,
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no message: expected one such as main-mode-4, quick-mode-1 or informational, or ike, esp or any")]
pub struct UnknownPattern(String);

/// What is done to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It is lost.
    Drop,
    /// It arrives twice.
    Duplicate,
    /// It arrives so much later.
    Delay(Duration),
    /// It arrives behind the next packet of its direction, or a second late where none comes.
    Reorder,
    /// A bit of its last octet is turned, and the checksums around it made to fit.
    Corrupt,
}

/// What is done to which packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impairment {
    /// Which.
    pub pattern: Pattern,
    /// Only those that came from this side.
    pub from: Option<Side>,
    /// What is done.
    pub action: Action,
    /// To how many of them, from the first on; `None` for all.
    pub times: Option<u16>,
}

impl From<scenario::Impairment> for Impairment {
    fn from(impairment: scenario::Impairment) -> Self {
        use scenario::Impairment::{Corrupt, Delay, Drop, Duplicate, Reorder};
        let (message, times, action) = match impairment {
            Drop(drop) => (drop.message, drop.times, Action::Drop),
            Duplicate(duplicate) => (duplicate.message, duplicate.times, Action::Duplicate),
            Reorder(reorder) => (reorder.message, reorder.times, Action::Reorder),
            Corrupt(corrupt) => (corrupt.message, corrupt.times, Action::Corrupt),
            Delay(delay) => (delay.message, delay.times, Action::Delay(delay.by.0)),
        };
        Self { pattern: Pattern::Message(message), from: None, action, times: Some(times) }
    }
}

impl FromStr for Pattern {
    type Err = UnknownPattern;

    fn from_str(text: &str) -> Result<Self, UnknownPattern> {
        match text {
            "ike" => Ok(Self::Ike),
            "esp" => Ok(Self::Esp),
            "any" => Ok(Self::Any),
            name => name.parse().map(Self::Message).map_err(|_| UnknownPattern(text.to_owned())),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(name) => name.fmt(formatter),
            Self::Ike => formatter.write_str("ike"),
            Self::Esp => formatter.write_str("esp"),
            Self::Any => formatter.write_str("any"),
        }
    }
}

impl Pattern {
    fn wants(self, traffic: Traffic) -> bool {
        match (self, traffic) {
            (Self::Any, _) | (Self::Ike, Traffic::Ike(_)) | (Self::Esp, Traffic::Esp) => true,
            (Self::Message(wanted), Traffic::Ike(name)) => wanted == name,
            _ => false,
        }
    }
}

/// Decides on every packet, in the order they come.
#[derive(Debug)]
pub(super) struct Impairer {
    impairments: Vec<(Impairment, Option<u16>)>,
    namer: MessageNamer,
}

impl Impairer {
    pub(super) fn new(impairments: Vec<Impairment>) -> Self {
        let mut impairer = Self { impairments: Vec::new(), namer: MessageNamer::default() };
        impairments.into_iter().for_each(|impairment| impairer.add(impairment));
        impairer
    }

    pub(super) fn add(&mut self, impairment: Impairment) {
        self.impairments.push((impairment, impairment.times));
    }

    pub(super) fn clear(&mut self) {
        self.impairments.clear();
    }

    /// What is done to the packet: the first impairment that wants it and is not used up.
    pub(super) fn decide(&mut self, from: Side, packet: &Ipv4Packet) -> Option<(Action, Event)> {
        // Every message is named, impaired or not: the names count them.
        let (message, retransmission) = self.classify(packet);
        let wants = |(impairment, left): &&mut (Impairment, Option<u16>)| {
            impairment.pattern.wants(message) && impairment.from.is_none_or(|wanted| wanted == from) && *left != Some(0)
        };
        let (impairment, left) = self.impairments.iter_mut().find(wants)?;
        *left = left.map(|left| left - 1);
        let action = impairment.action;
        Some((action, Event::Impaired { from, message, retransmission, action }))
    }

    fn classify(&mut self, packet: &Ipv4Packet) -> (Traffic, bool) {
        match contents(packet) {
            Contents::Ike(octets) => match Header::parse(&mut Reader::new(octets)) {
                Ok(header) => {
                    let named = self.namer.name(&header, octets);
                    (Traffic::Ike(named.name), named.retransmission)
                }
                Err(_) => (Traffic::Other, false),
            },
            Contents::Esp => (Traffic::Esp, false),
            Contents::Other => (Traffic::Other, false),
        }
    }
}

enum Contents<'a> {
    Ike(&'a [u8]),
    Esp,
    Other,
}

fn contents(packet: &Ipv4Packet) -> Contents<'_> {
    match packet.protocol {
        protocol::ESP => Contents::Esp,
        protocol::UDP => {
            let Some((header, data)) = packet.payload.split_first_chunk::<UDP_HEADER>() else {
                return Contents::Other;
            };
            // A NAT changes the port of one side only.
            let ports = [[header[0], header[1]], [header[2], header[3]]].map(u16::from_be_bytes);
            if ports.contains(&IKE_PORT) {
                Contents::Ike(data)
            } else if ports.contains(&NATT_PORT) {
                match natt::classify(data) {
                    Port4500::Ike(message) => Contents::Ike(message),
                    Port4500::Esp(_) => Contents::Esp,
                    Port4500::Keepalive | Port4500::Malformed(_) => Contents::Other,
                }
            } else {
                Contents::Other
            }
        }
        _ => Contents::Other,
    }
}

/// Turns the lowest bit of the last octet, and mends the UDP checksum so that the message still arrives.
pub(super) fn corrupt(packet: &mut Ipv4Packet) {
    let odd = packet.payload.len() % 2 == 1;
    let Some(last) = packet.payload.last_mut() else { return };
    let before = *last;
    *last ^= 1;
    let after = *last;
    if packet.protocol == protocol::UDP && packet.payload.len() > UDP_HEADER {
        let word = |octet: u8| if odd { [octet, 0] } else { [0, octet] };
        adjust_udp_checksum(&mut packet.payload, &word(before), &word(after));
    }
}

/// Adjusts the checksum at `at` for octets that changed from `before` to `after` (RFC 1624); both have an even length.
///
/// A checksum that was wrong stays wrong.
pub(super) fn adjust_checksum(payload: &mut [u8], at: usize, before: &[u8], after: &[u8]) {
    let Some(field) = payload.get_mut(at..at + 2) else { return };
    let inverted: Vec<u8> = before.iter().map(|octet| !octet).collect();
    let old = [!field[0], !field[1]];
    let sum = checksum(&[&old, &inverted, after]);
    let sum = if sum == 0 { 0xffff } else { sum };
    field.copy_from_slice(&sum.to_be_bytes());
}

/// [`adjust_checksum`] of a UDP datagram, whose checksum of zero is none.
pub(super) fn adjust_udp_checksum(datagram: &mut [u8], before: &[u8], after: &[u8]) {
    if datagram.get(6..8).is_some_and(|field| field != [0, 0]) {
        adjust_checksum(datagram, 6, before, after);
    }
}

/// The octets of an address and a port, for [`adjust_checksum`].
pub(super) fn address_and_port(address: Ipv4Addr, port: u16) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    let [e, f] = port.to_be_bytes();
    [a, b, c, d, e, f]
}
