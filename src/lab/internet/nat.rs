//! A NAT that hides one side behind an address and translates ports (RFC 4787: endpoint-independent mapping,
//! address-dependent filtering).

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::lab::internet::Event;
use crate::lab::internet::impair::{address_and_port, adjust_checksum, adjust_udp_checksum};
use crate::time::Instant;
use crate::wire::icmp::IcmpMessage;
use crate::wire::ipv4::{Ipv4Packet, checksum, protocol};

/// Mappings at once; past it the one not used for longest goes.
const MAX_MAPPINGS: usize = 1024;
/// Remote addresses that one mapping lets in.
const MAX_REMOTES: usize = 64;
/// The first port given out.
const FIRST_PORT: u16 = 50_001;

/// What a NAT is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// The address everything behind it is seen with.
    pub public: Ipv4Addr,
    /// A mapping that nothing was sent by for so long is forgotten. Home routers take from 30 seconds on (RFC 4787 4.3
    /// asks for two minutes).
    pub idle_timeout: Duration,
    /// Whether it lets ESP through by address alone, for as many peers as there are behind it: one.
    pub esp_passthrough: bool,
}

impl NatConfig {
    /// Behind `public`, forgetting after 60 seconds, ESP only in UDP.
    pub fn behind(public: Ipv4Addr) -> Self {
        Self { public, idle_timeout: Duration::from_secs(60), esp_passthrough: false }
    }
}

/// Why the NAT let a packet not through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatRefusal {
    /// The protocol has no ports to translate.
    NoPorts,
    /// Nothing behind it has a mapping that lets this sender in.
    NotTranslated,
}

#[derive(Debug)]
pub(super) struct Nat {
    config: NatConfig,
    mappings: HashMap<(u8, Ipv4Addr, u16), Mapping>,
    by_port: HashMap<(u8, u16), (Ipv4Addr, u16)>,
    next_port: u16,
    /// Who sent ESP last, and to whom.
    esp: Option<(Ipv4Addr, Ipv4Addr)>,
}

#[derive(Debug)]
struct Mapping {
    port: u16,
    remotes: Vec<Ipv4Addr>,
    used: Instant,
}

/// Which half of a packet's endpoints is translated.
#[derive(Clone, Copy)]
enum Half {
    Source,
    Destination,
}

impl Nat {
    pub(super) fn new(config: NatConfig) -> Self {
        Self { config, mappings: HashMap::new(), by_port: HashMap::new(), next_port: FIRST_PORT, esp: None }
    }

    pub(super) fn public(&self) -> Ipv4Addr {
        self.config.public
    }

    /// Forgets every mapping; ports are not used again soon.
    pub(super) fn rebind(&mut self) {
        self.mappings.clear();
        self.by_port.clear();
        self.esp = None;
    }

    /// Translates a packet from behind the NAT; tells of a new mapping.
    pub(super) fn outbound(&mut self, now: Instant, packet: &mut Ipv4Packet) -> Result<Option<Event>, NatRefusal> {
        if packet.protocol == protocol::ESP && self.config.esp_passthrough {
            self.esp = Some((packet.source, packet.destination));
            packet.source = self.config.public;
            return Ok(None);
        }
        if let Some(error) = quoted_error(packet) {
            return self.outbound_error(packet, error).map(|()| None);
        }
        let inside = port(packet, Half::Source).ok_or(NatRefusal::NoPorts)?;
        let (port, new) = self.map(now, packet.protocol, packet.source, inside, packet.destination);
        let event = new.then_some(Event::Mapped {
            protocol: packet.protocol,
            inside: (packet.source, inside),
            outside: (self.config.public, port),
        });
        rewrite(packet, Half::Source, self.config.public, port);
        Ok(event)
    }

    /// Translates a packet to the public address back.
    pub(super) fn inbound(&mut self, now: Instant, packet: &mut Ipv4Packet) -> Result<(), NatRefusal> {
        if packet.protocol == protocol::ESP {
            let (inside, _) =
                self.esp.filter(|(_, remote)| *remote == packet.source).ok_or(NatRefusal::NotTranslated)?;
            packet.destination = inside;
            return Ok(());
        }
        if let Some(error) = quoted_error(packet) {
            return self.inbound_error(now, packet, error);
        }
        let outside = port(packet, Half::Destination).ok_or(NatRefusal::NoPorts)?;
        let (address, inside) = self.find(now, packet.protocol, outside, Some(packet.source))?;
        rewrite(packet, Half::Destination, address, inside);
        Ok(())
    }

    /// The mapping of an endpoint behind the NAT, made when there is none that still lives.
    fn map(&mut self, now: Instant, protocol: u8, address: Ipv4Addr, inside: u16, remote: Ipv4Addr) -> (u16, bool) {
        let key = (protocol, address, inside);
        let idle_timeout = self.config.idle_timeout;
        if let Some(mapping) = self.mappings.get_mut(&key) {
            if now - mapping.used <= idle_timeout {
                mapping.used = now;
                if !mapping.remotes.contains(&remote) && mapping.remotes.len() < MAX_REMOTES {
                    mapping.remotes.push(remote);
                }
                return (mapping.port, false);
            }
            self.forget(key);
        }
        if self.mappings.len() >= MAX_MAPPINGS {
            let oldest = self.mappings.iter().min_by_key(|(key, mapping)| (mapping.used, **key)).map(|(key, _)| *key);
            oldest.into_iter().for_each(|key| self.forget(key));
        }
        while self.by_port.contains_key(&(protocol, self.next_port)) {
            self.advance_port();
        }
        let port = self.next_port;
        self.advance_port();
        self.mappings.insert(key, Mapping { port, remotes: vec![remote], used: now });
        self.by_port.insert((protocol, port), (address, inside));
        (port, true)
    }

    fn advance_port(&mut self) {
        self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
    }

    fn forget(&mut self, key: (u8, Ipv4Addr, u16)) {
        if let Some(mapping) = self.mappings.remove(&key) {
            self.by_port.remove(&(key.0, mapping.port));
        }
    }

    /// The endpoint behind a public port that lets `remote` in. What comes in does not keep a mapping alive (RFC 4787 4.3).
    fn find(
        &self,
        now: Instant,
        protocol: u8,
        outside: u16,
        remote: Option<Ipv4Addr>,
    ) -> Result<(Ipv4Addr, u16), NatRefusal> {
        let (address, inside) = *self.by_port.get(&(protocol, outside)).ok_or(NatRefusal::NotTranslated)?;
        let mapping = self.mappings.get(&(protocol, address, inside)).ok_or(NatRefusal::NotTranslated)?;
        let alive = now - mapping.used <= self.config.idle_timeout;
        let welcome = remote.is_none_or(|remote| mapping.remotes.contains(&remote));
        if alive && welcome { Ok((address, inside)) } else { Err(NatRefusal::NotTranslated) }
    }

    /// An error from behind the NAT quotes a packet to the inside endpoint: there the public one belongs.
    fn outbound_error(&mut self, packet: &mut Ipv4Packet, mut error: QuotedError) -> Result<(), NatRefusal> {
        let (address, inside) = error.endpoint(Half::Destination).ok_or(NatRefusal::NoPorts)?;
        let mapping = self.mappings.get(&(error.protocol(), address, inside)).ok_or(NatRefusal::NotTranslated)?;
        error.rewrite(Half::Destination, self.config.public, mapping.port);
        packet.source = self.config.public;
        packet.payload = error.message.to_bytes();
        Ok(())
    }

    /// An error from the internet quotes a packet from the public endpoint: there the inside one belongs.
    fn inbound_error(
        &mut self,
        now: Instant,
        packet: &mut Ipv4Packet,
        mut error: QuotedError,
    ) -> Result<(), NatRefusal> {
        let (address, inside) = match error.endpoint(Half::Source) {
            Some((_, outside)) => self.find(now, error.protocol(), outside, None)?,
            None => {
                let (inside, _) = self.esp.filter(|_| error.protocol() == protocol::ESP).ok_or(NatRefusal::NoPorts)?;
                (inside, 0)
            }
        };
        error.rewrite(Half::Source, address, inside);
        packet.destination = address;
        packet.payload = error.message.to_bytes();
        Ok(())
    }
}

/// An ICMP error and the packet it quotes.
struct QuotedError {
    message: IcmpMessage,
}

fn quoted_error(packet: &Ipv4Packet) -> Option<QuotedError> {
    if packet.protocol != protocol::ICMP || packet.is_fragment() {
        return None;
    }
    let message = IcmpMessage::parse(&packet.payload).ok()?;
    let error = QuotedError { message };
    let quote = error.quote()?;
    (quote.len() >= Ipv4Packet::HEADER_LEN && error.header_len() + 8 <= quote.len()).then_some(error)
}

impl QuotedError {
    fn quote(&self) -> Option<&Vec<u8>> {
        match &self.message {
            IcmpMessage::Unreachable { original, .. } | IcmpMessage::TimeExceeded { original } => Some(original),
            _ => None,
        }
    }

    fn quote_mut(&mut self) -> Option<&mut Vec<u8>> {
        match &mut self.message {
            IcmpMessage::Unreachable { original, .. } | IcmpMessage::TimeExceeded { original } => Some(original),
            _ => None,
        }
    }

    fn header_len(&self) -> usize {
        self.quote().and_then(|quote| quote.first()).map_or(0, |first| usize::from(first & 0xf) * 4)
    }

    fn protocol(&self) -> u8 {
        self.quote().and_then(|quote| quote.get(9)).copied().unwrap_or(0)
    }

    fn endpoint(&self, half: Half) -> Option<(Ipv4Addr, u16)> {
        let quote = self.quote()?;
        let at = address_at(half);
        let address = Ipv4Addr::from(<[u8; 4]>::try_from(quote.get(at..at + 4)?).ok()?);
        let at = self.header_len() + port_at(self.protocol(), half)?;
        let port = u16::from_be_bytes(quote.get(at..at + 2)?.try_into().ok()?);
        Some((address, port))
    }

    /// Writes another endpoint into the quote and mends its header checksum.
    fn rewrite(&mut self, half: Half, address: Ipv4Addr, port: u16) {
        let header_len = self.header_len();
        let port_at = port_at(self.protocol(), half).map(|at| header_len + at);
        let Some(quote) = self.quote_mut() else { return };
        let at = address_at(half);
        quote[at..at + 4].copy_from_slice(&address.octets());
        quote[10..12].copy_from_slice(&[0, 0]);
        let sum = checksum(&[&quote[..header_len]]);
        quote[10..12].copy_from_slice(&sum.to_be_bytes());
        if let Some(field) = port_at.and_then(|at| quote.get_mut(at..at + 2)) {
            field.copy_from_slice(&port.to_be_bytes());
        }
    }
}

fn address_at(half: Half) -> usize {
    match half {
        Half::Source => 12,
        Half::Destination => 16,
    }
}

/// Where the port stands in the transport header; for ICMP the identifier is the port of both.
fn port_at(protocol: u8, half: Half) -> Option<usize> {
    match (protocol, half) {
        (protocol::UDP | protocol::TCP, Half::Source) => Some(0),
        (protocol::UDP | protocol::TCP, Half::Destination) => Some(2),
        (protocol::ICMP, _) => Some(4),
        _ => None,
    }
}

fn port(packet: &Ipv4Packet, half: Half) -> Option<u16> {
    let at = port_at(packet.protocol, half)?;
    if packet.protocol == protocol::ICMP && !matches!(packet.payload.first(), Some(0 | 8)) {
        return None;
    }
    Some(u16::from_be_bytes(packet.payload.get(at..at + 2)?.try_into().ok()?))
}

/// Gives a packet another endpoint and adjusts its transport checksum.
fn rewrite(packet: &mut Ipv4Packet, half: Half, address: Ipv4Addr, new_port: u16) {
    let (Some(at), Some(old_port)) = (port_at(packet.protocol, half), port(packet, half)) else { return };
    let field = match half {
        Half::Source => &mut packet.source,
        Half::Destination => &mut packet.destination,
    };
    let before = address_and_port(*field, old_port);
    *field = address;
    let after = address_and_port(address, new_port);
    packet.payload[at..at + 2].copy_from_slice(&new_port.to_be_bytes());
    match packet.protocol {
        protocol::UDP => adjust_udp_checksum(&mut packet.payload, &before, &after),
        protocol::TCP => adjust_checksum(&mut packet.payload, 16, &before, &after),
        // ICMP has no pseudo header: only the identifier changed.
        _ => adjust_checksum(&mut packet.payload, 2, &before[4..], &after[4..]),
    }
}
