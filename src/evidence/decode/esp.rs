//! ESP packets, opened with the keys of their SAs.

use std::collections::hash_map::Entry;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

use super::esp_table::{EspKeys, EspTable};
use super::ike::forget_older_half;
use super::sealed::Opener;
use super::{Content, Observed};
use crate::evidence::capture::{LinkPacket, LinkType, network_packet};
use crate::wire::Spi;
use crate::wire::ipv4::protocol;

/// SPI and sequence number.
const HEADER: usize = 8;

/// IPv6 in IPv4, the next header of tunnel mode.
const IPV6: u8 = 41;

/// SAs whose keys are kept in the form that opens packets; past that the half not used for longest is forgotten.
const MAX_OPENERS: usize = 1024;

/// ESP in ESP in ESP: deeper than that nobody nests.
const MAX_DEPTH: usize = 4;

/// Opens ESP packets with the keys a [`Decoder`](super::Decoder) knows. It may do so on another thread, and later than the
/// decoder goes on: the keys are those that were known when the packet came.
#[derive(Debug)]
pub struct EspOpener {
    keys: Arc<RwLock<EspTable>>,
    expanded: Expanded,
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

    /// What it is, without its octets.
    pub fn inside(&self) -> Inside {
        Inside { nested: self.nested.clone(), kind: PacketKind::of(&self.packet) }
    }
}

/// What was inside an ESP packet, the same for every packet of its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The ends of each ESP packet that was inside another, outermost first.
    pub nested: Vec<(IpAddr, IpAddr)>,
    /// The packet inside all.
    pub kind: PacketKind,
}

impl fmt::Display for Inside {
    /// In a few words: `ESP 192.0.2.1 > 192.0.2.2, in it ICMP echo request 10.1.0.10 > 10.2.0.10`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (source, destination) in &self.nested {
            write!(formatter, "ESP {source} > {destination}, in it ")?;
        }
        self.kind.fmt(formatter)
    }
}

impl EspOpener {
    pub(super) fn new(keys: Arc<RwLock<EspTable>>) -> Self {
        Self { keys, expanded: Expanded::default(), plain: Vec::new() }
    }

    /// The packet inside an ESP packet; `None` when it is none, or its key is not known or does not fit.
    pub fn open(&mut self, observed: &Observed<'_>) -> Option<Opened<'_>> {
        let Content::Esp { spi, octets, known, .. } = &observed.content else { return None };
        if known.is_none() {
            return None;
        }
        // Only the decoder writes, and what it has written is whole.
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let ends = (observed.source.ip(), observed.destination.ip());
        let mut nested = Vec::new();
        let candidates = keys.at(*known, *spi, ends);
        let mut packet = self.expanded.open(candidates, ends, octets, &mut self.plain)?;
        if packet.protocol != protocol::ESP {
            return Some(Opened { packet, nested });
        }
        let mut plain = Vec::new();
        while packet.protocol == protocol::ESP && nested.len() < MAX_DEPTH {
            let ends = (packet.source, packet.destination);
            let Some(spi) = packet.payload.first_chunk::<4>() else { break };
            let candidates = keys.at(*known, Spi(u32::from_be_bytes(*spi)), ends);
            let Some(inside) = self.expanded.open(candidates, ends, &packet.payload, &mut plain) else { break };
            nested.push(ends);
            packet = inside.into_owned();
        }
        Some(Opened { packet: packet.into_owned(), nested })
    }
}

/// Keys in the form that opens packets.
#[derive(Debug, Default)]
struct Expanded {
    /// By the number of the keys.
    openers: HashMap<u64, Used>,
    clock: u64,
}

#[derive(Debug)]
struct Used {
    opener: Opener,
    last: u64,
}

impl Expanded {
    /// The plaintext of an ESP packet without its padding, and the protocol of it.
    fn open<'p, 'k>(
        &mut self,
        candidates: impl Iterator<Item = &'k EspKeys>,
        ends: (IpAddr, IpAddr),
        octets: &[u8],
        plain: &'p mut Vec<u8>,
    ) -> Option<LinkPacket<'p>> {
        let mut next_header = None;
        for keys in candidates {
            let Some(opener) = self.opener(keys) else { continue };
            if opener.open(octets, HEADER, plain).is_ok() {
                next_header = strip_padding(plain, !opener.authenticates());
                if next_header.is_some() {
                    break;
                }
            }
        }
        match next_header? {
            protocol::IPIP | IPV6 => network_packet(LinkType::Raw, plain).ok().flatten(),
            // Transport mode: the addresses are those outside.
            protocol => Some(LinkPacket {
                source: ends.0,
                destination: ends.1,
                protocol,
                fragment: None,
                payload: (&plain[..]).into(),
            }),
        }
    }

    fn opener(&mut self, keys: &EspKeys) -> Option<&Opener> {
        self.clock += 1;
        if self.openers.len() >= MAX_OPENERS && !self.openers.contains_key(&keys.number()) {
            forget_older_half(&mut self.openers, |used| used.last);
        }
        let used = match self.openers.entry(keys.number()) {
            Entry::Occupied(used) => used.into_mut(),
            Entry::Vacant(free) => free.insert(Used { opener: keys.opener()?, last: 0 }),
        };
        used.last = self.clock;
        Some(&used.opener)
    }
}

/// Cuts padding and trailer off and gives the next header; `None` when they cannot be. Without an ICV the content of the
/// padding (1, 2, 3, ...) is all that tells a wrong key.
fn strip_padding(plain: &mut Vec<u8>, check: bool) -> Option<u8> {
    let next_header = plain.pop()?;
    let length = plain.pop()?;
    let kept = plain.len().checked_sub(usize::from(length))?;
    if check && !plain[kept..].iter().copied().eq(1..=length) {
        return None;
    }
    plain.truncate(kept);
    Some(next_header)
}

/// What kind of packet it is, the same for every packet of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketKind {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    /// ICMP type and code, where the protocol has them.
    icmp: Option<(u8, u8)>,
}

impl PacketKind {
    /// The kind of `packet`.
    pub fn of(packet: &LinkPacket<'_>) -> Self {
        let icmp = match (packet.protocol, packet.fragment, &packet.payload[..]) {
            (protocol::ICMP, None | Some((_, 0, _)), [kind, code, ..]) => Some((*kind, *code)),
            _ => None,
        };
        let (source, destination) = (packet.source, packet.destination);
        Self { source, destination, protocol: packet.protocol, icmp }
    }
}

impl fmt::Display for PacketKind {
    /// In a few words: `ICMP echo request 10.1.0.10 > 10.2.0.10`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Types of ICMP messages (RFC 792).
        const ECHO_REPLY: u8 = 0;
        const UNREACHABLE: u8 = 3;
        const ECHO_REQUEST: u8 = 8;
        const TIME_EXCEEDED: u8 = 11;
        const ICMP_V6: u8 = 58;
        const NO_NEXT_HEADER: u8 = 59;
        match (self.protocol, self.icmp) {
            (protocol::ICMP, Some((kind, code))) => match (kind, code) {
                (ECHO_REQUEST, _) => formatter.write_str("ICMP echo request")?,
                (ECHO_REPLY, _) => formatter.write_str("ICMP echo reply")?,
                (UNREACHABLE, code) => write!(formatter, "ICMP unreachable, code {code}")?,
                (TIME_EXCEEDED, _) => formatter.write_str("ICMP time exceeded")?,
                (kind, code) => write!(formatter, "ICMP type {kind}, code {code}")?,
            },
            (protocol::ICMP, None) => formatter.write_str("ICMP fragment")?,
            (protocol::TCP, _) => formatter.write_str("TCP")?,
            (protocol::UDP, _) => formatter.write_str("UDP")?,
            (protocol::ESP, _) => formatter.write_str("ESP")?,
            (protocol::AH, _) => formatter.write_str("AH")?,
            (protocol::GRE, _) => formatter.write_str("GRE")?,
            (protocol::IPIP, _) => formatter.write_str("IP in IP")?,
            (ICMP_V6, _) => formatter.write_str("ICMPv6")?,
            (NO_NEXT_HEADER, _) => formatter.write_str("dummy packet")?,
            (other, _) => write!(formatter, "protocol {other}")?,
        }
        write!(formatter, " {} > {}", self.source, self.destination)
    }
}
