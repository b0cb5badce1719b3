//! The negotiation as text a reviewer can read, the same for equal runs.
//!
//! No time, cookie, SPI, nonce, message id or retransmission appears; SPIs have names by the order in which they were
//! first seen. Messages are grouped by exchange, in the order the exchanges began.

mod payload;
mod vendor;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::decode::{Content, IkeMessage, Observed, Protection};
use crate::wire::isakmp::{Cookie, ExchangeType, MessageId, Version};

/// Names for what changes from run to run, and for the ends.
#[derive(Debug, Default)]
pub struct Names {
    ends: HashMap<IpAddr, String>,
    spis: Vec<Vec<u8>>,
}

impl Names {
    /// Names for the ends of the negotiation, by address; other addresses appear as they are.
    pub fn new(ends: impl IntoIterator<Item = (IpAddr, String)>) -> Self {
        Self { ends: ends.into_iter().collect(), spis: Vec::new() }
    }

    fn end(&self, address: SocketAddr) -> String {
        self.ends.get(&address.ip()).cloned().unwrap_or_else(|| address.ip().to_string())
    }

    fn known_spi(&self, octets: &[u8]) -> bool {
        self.spis.iter().any(|spi| spi == octets)
    }

    /// `SPI a`, `SPI b`, ... in the order they are first asked for.
    fn spi(&mut self, octets: &[u8]) -> String {
        let index = self.spis.iter().position(|spi| spi == octets).unwrap_or_else(|| {
            self.spis.push(octets.to_vec());
            self.spis.len() - 1
        });
        let letter = char::from(b'a' + (index % 26) as u8);
        match index / 26 {
            0 => format!("SPI {letter}"),
            round => format!("SPI {letter}{round}"),
        }
    }
}

/// A transcript that grows with each packet.
#[derive(Debug)]
pub struct Transcript {
    names: Names,
    exchanges: Vec<Exchange>,
    by_key: HashMap<(Cookie, Option<(ExchangeType, MessageId)>), usize>,
    phase_one: usize,
    /// Ends, SPI and whether in UDP, in the order first seen. Packets are not counted: how many are lost while a tunnel comes
    /// up differs from run to run.
    flows: Vec<(String, String, bool)>,
    /// The kinds of packets inside each flow.
    inner: HashMap<(String, String, bool), Vec<String>>,
    damaged: Vec<String>,
}

#[derive(Debug)]
struct Exchange {
    title: String,
    messages: Vec<Vec<String>>,
}

impl Transcript {
    /// An empty transcript that uses these names.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            exchanges: Vec::new(),
            by_key: HashMap::new(),
            phase_one: 0,
            flows: Vec::new(),
            inner: HashMap::new(),
            damaged: Vec::new(),
        }
    }

    /// Takes the next packet. `inner` is what an ESP packet held, in a few words, when its key is known.
    pub fn add(&mut self, observed: &Observed, inner: Option<String>) {
        let (from, to) = (self.names.end(observed.source), self.names.end(observed.destination));
        match &observed.content {
            Content::Ike(message) if message.named.retransmission => {}
            Content::Ike(message) => self.add_ike(observed, message, &from, &to),
            Content::IkeV2(message) => {
                let title = format!("{} (IKEv2), message id {}", message.header.exchange, message.header.message_id.0);
                let kinds: Vec<String> = message.payloads.iter().map(|payload| payload.kind.to_string()).collect();
                let mut lines = vec![format!("{from} > {to}"), format!("  {}", kinds.join(", "))];
                lines.extend(message.error.iter().map(|error| format!("  damaged: {error}")));
                let key = (message.header.initiator_cookie, Some((message.header.exchange, message.header.message_id)));
                self.exchange(key, title).messages.push(lines);
            }
            Content::Esp { spi, in_udp, .. } => {
                let name = self.names.spi(&spi.to_bytes());
                let key = (format!("{from} > {to}"), name, *in_udp);
                if !self.flows.contains(&key) {
                    self.flows.push(key.clone());
                }
                if let Some(inner) = inner {
                    let kinds = self.inner.entry(key).or_default();
                    if !kinds.contains(&inner) {
                        kinds.push(inner);
                    }
                }
            }
            Content::Malformed(error) => self.damaged.push(format!("{from} > {to}: {error}")),
            Content::Keepalive | Content::Other { .. } => {}
        }
    }

    fn add_ike(&mut self, observed: &Observed, message: &IkeMessage, from: &str, to: &str) {
        let header = &message.header;
        let phase_one = header.message_id == MessageId(0)
            && !matches!(header.exchange, ExchangeType::Informational | ExchangeType::Quick);
        let key = (header.initiator_cookie, (!phase_one).then_some((header.exchange, header.message_id)));
        let title = if phase_one && !self.by_key.contains_key(&key) {
            self.phase_one += 1;
            match self.phase_one {
                1 => format!("phase 1: {}", header.exchange),
                nth => format!("phase 1 again ({nth}): {}", header.exchange),
            }
        } else {
            header.exchange.to_string()
        };
        let mut head = format!("{} {from} > {to}", message.named.name);
        if observed.source.port() != 500 || observed.destination.port() != 500 {
            let port =
                |address: SocketAddr| if address.port() == 4500 { "4500".to_owned() } else { "mapped".to_owned() };
            let (source, destination) = (port(observed.source), port(observed.destination));
            match observed.source.port() == observed.destination.port() {
                true => head.push_str(&format!(" (UDP {source})")),
                false => head.push_str(&format!(" (UDP {source} to {destination})")),
            }
        }
        if header.version != Version::V1 {
            head.push_str(&format!(" version {}.{}", header.version.major(), header.version.minor()));
        }
        let mut lines = vec![head];
        match &message.protection {
            Protection::Clear => {}
            Protection::Decrypted(_) => lines[0].push_str(" encrypted"),
            Protection::Sealed(octets) => lines[0].push_str(&format!(" encrypted, {octets} octets")),
        }
        let sender = if self.sent_by_initiator(message) { header.initiator_cookie } else { header.responder_cookie };
        let context = payload::Context { message, sender, nat_discovery: nat_discovery(observed, message) };
        lines.extend(payload::lines(&context, &mut self.names).into_iter().map(|line| format!("  {line}")));
        lines.extend(message.error.iter().map(|error| format!("  damaged: {error}")));
        self.exchange(key, title).messages.push(lines);
    }

    /// In phase 1 the odd messages are the initiator's; only those carry vendor IDs made of cookies.
    fn sent_by_initiator(&self, message: &IkeMessage) -> bool {
        message.named.name.index % 2 == 1
    }

    fn exchange(&mut self, key: (Cookie, Option<(ExchangeType, MessageId)>), title: String) -> &mut Exchange {
        let next = self.exchanges.len();
        let index = *self.by_key.entry(key).or_insert(next);
        if index == next {
            self.exchanges.push(Exchange { title, messages: Vec::new() });
        }
        &mut self.exchanges[index]
    }

    /// The transcript as text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for exchange in &self.exchanges {
            out.push_str(&format!("== {}\n", exchange.title));
            for message in &exchange.messages {
                for line in message {
                    out.push_str(&format!("{line}\n"));
                }
            }
            out.push('\n');
        }
        if !self.flows.is_empty() {
            out.push_str("== ESP\n");
        }
        for key in &self.flows {
            let (ends, spi, in_udp) = key;
            let udp = if *in_udp { " in UDP" } else { "" };
            out.push_str(&format!("{ends} {spi}{udp}\n"));
            for inner in self.inner.get(key).into_iter().flatten() {
                out.push_str(&format!("  {inner}\n"));
            }
        }
        if !self.damaged.is_empty() {
            out.push_str("\n== damaged\n");
        }
        for damaged in &self.damaged {
            out.push_str(&format!("{damaged}\n"));
        }
        out
    }
}

/// HASH(CKY-I | CKY-R | IP | port) of both ends as seen on the wire (RFC 3947 3.2).
fn nat_discovery(observed: &Observed, message: &IkeMessage) -> Vec<(Vec<u8>, String)> {
    let Some(hash) = message.hash else { return Vec::new() };
    let ends = [(observed.destination, "the receiver"), (observed.source, "the sender")];
    let expected = ends.into_iter().filter_map(|(end, whose)| {
        let IpAddr::V4(address) = end.ip() else { return None };
        let parts = [
            &message.header.initiator_cookie.0[..],
            &message.header.responder_cookie.0,
            &address.octets(),
            &end.port().to_be_bytes(),
        ];
        Some((hash.digest(&parts).to_vec(), whose.to_owned()))
    });
    expected.collect()
}
