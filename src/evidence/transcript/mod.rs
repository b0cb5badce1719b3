//! The negotiation as text a reviewer can read, the same for equal runs.
//!
//! No time, cookie, SPI, nonce, message id or mapped port appears; SPIs have names by the order in which the text has
//! them. Messages are grouped by exchange, in the order the exchanges began. Lines that begin with `=` say what follows from
//! the messages: which transform was chosen of which, what was refused, whether the exchange came to its end. What happens
//! an unforeseeable number of times (retransmissions, DPD, packets of an SA) is told once; NAT keepalives, which come when
//! there is nothing else to send, are told where packets are counted.
//!
//! Memory is bounded however long the capture: past [`MAX_EXCHANGES`] the older half of what is held becomes text, which
//! [`Transcript::take_finished`] hands out.

mod config;
mod exchange;
mod flows;
mod identity;
mod ikev2;
mod keepalives;
mod lines;
mod names;
mod nat;
mod payload;
mod sa;
mod vendor;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use exchange::{Exchange, Key};
use flows::{Carrier, FlowKey, Flows};
use foldhash::HashMap;
use keepalives::Keepalives;
use lines::{Lines, put};
pub use names::Names;
use names::SpiLetters;
use nat::NatDiscovery;

use super::decode::{Content, IkeMessage, Ikev2Message, Inside, Observed, Protection};
use crate::wire::Spi;
use crate::wire::isakmp::{
    Body, Cookie, ExchangeType, Flags, IdPayload, MessageId, NotifyPayload, NotifyType, Payload, Version,
};

/// Exchanges that are held until their text is wanted.
pub const MAX_EXCHANGES: usize = 2048;

/// Octets of text that are held until it is wanted.
const MAX_HELD: usize = 1 << 24;

/// Whatever is remembered by peer or cookie is forgotten past this.
const MAX_REMEMBERED: usize = 16_384;

/// Damaged packets that are told one by one.
const MAX_DAMAGED: usize = 256;

/// A transcript that grows with each packet.
#[derive(Debug, Default)]
pub struct Transcript {
    names: Names,
    /// Whether packet numbers and counts appear.
    packets: bool,
    exchanges: VecDeque<Exchange>,
    /// Octets of text that are held in `exchanges`.
    held: usize,
    /// Exchanges that have become text.
    flushed: usize,
    by_key: HashMap<Key, usize>,
    conversations: HashMap<Cookie, Conversation>,
    /// How often each two ends began a phase 1.
    phases: HashMap<[IpAddr; 2], usize>,
    /// How often each pair of quick mode identities was negotiated.
    pairs: HashMap<Vec<Vec<u8>>, usize>,
    /// Exchanges that are told once however often they come, by their text, with the exchange that stands for them.
    told: HashMap<String, usize>,
    flows: Flows,
    keepalives: Keepalives,
    damaged: Vec<String>,
    more_damaged: u64,
    finished: String,
    /// The text of the message before.
    scratch: String,
    /// The names of SPIs in what is finished.
    letters: SpiLetters,
}

/// What is known of one phase 1 SA.
#[derive(Clone, Copy, Debug)]
struct Conversation {
    number: usize,
    initiator: IpAddr,
}

impl Transcript {
    /// An empty transcript that uses these names.
    pub fn new(names: Names) -> Self {
        Self { names, ..Self::default() }
    }

    /// The same with the numbers of packets, and with how often each was seen; two runs differ in these.
    pub fn with_packets(mut self) -> Self {
        self.packets = true;
        self
    }

    /// Takes the next packet. `inside` is what an ESP packet held, when its key is known.
    pub fn add(&mut self, observed: &Observed<'_>, inside: Option<&Inside>) {
        if let Some(spi) = observed.ah {
            self.add_flow(flow(observed, spi, Carrier::Ah), None, None);
        }
        match &observed.content {
            Content::Ike(message) => {
                let key = key(message);
                if !message.named.retransmission {
                    self.add_ike(observed, message, key);
                } else if let Some(exchange) = self.exchange_at(&key) {
                    exchange.repeated(message.named.name);
                }
            }
            Content::IkeV2(read) => self.add_ikev2(observed, read),
            Content::Esp { spi, sequence, in_udp, .. } => {
                let carrier = if *in_udp { Carrier::EspInUdp } else { Carrier::Esp };
                self.add_flow(flow(observed, *spi, carrier), Some(*sequence), inside);
            }
            Content::Malformed(error) => {
                if self.damaged.len() >= MAX_DAMAGED {
                    self.more_damaged += 1;
                    return;
                }
                let (from, to) = self.ends(observed);
                let number = if self.packets { format!(" (packet {})", observed.number) } else { String::new() };
                self.damaged.push(format!("{from} > {to}: {error}{number}"));
            }
            Content::Keepalive => self.keepalives.add(observed),
            Content::Other { .. } => {}
        }
    }

    fn add_flow(&mut self, key: FlowKey, sequence: Option<u32>, inside: Option<&Inside>) {
        if self.flows.are_full() {
            // The negotiation of an SA is told before its packets.
            self.tell_older(self.exchanges.len());
            let mut lines = String::new();
            self.flows.make_room(&mut lines, &self.names, self.packets);
            self.letters.put_into(&mut self.finished, &lines);
        }
        self.flows.add(key, sequence, inside, &mut self.names);
    }

    /// Whether there is text that is final and has not been taken yet.
    pub fn has_finished(&self) -> bool {
        !self.finished.is_empty()
    }

    /// The text that is final and has not been taken yet.
    pub fn take_finished(&mut self) -> String {
        std::mem::take(&mut self.finished)
    }

    /// The transcript as text, without what was taken already.
    pub fn text(&self) -> String {
        let mut lines = String::new();
        self.exchanges.iter().for_each(|exchange| exchange.write(&mut lines, self.packets));
        self.flows.write(&mut lines, &self.names, self.packets);
        if self.packets {
            self.keepalives.write(&mut lines, &self.names);
        }
        let mut out = self.finished.clone();
        self.letters.clone().put_into(&mut out, &lines);
        if !self.damaged.is_empty() {
            section(&mut out, "damaged");
        }
        for damaged in &self.damaged {
            out.push_str(&format!("{damaged}\n"));
        }
        if self.more_damaged > 0 {
            out.push_str(&format!("and {} more\n", self.more_damaged));
        }
        out
    }

    /// The lines of each message of the exchanges that are held, by its packet number and as the text has them.
    pub fn messages(&self) -> BTreeMap<u64, String> {
        let mut letters = self.letters.clone();
        let mut messages = BTreeMap::new();
        for exchange in &self.exchanges {
            for (number, lines) in exchange.messages() {
                let mut text = String::new();
                letters.put_into(&mut text, lines);
                messages.insert(number, text);
            }
        }
        messages
    }

    fn ends(&mut self, observed: &Observed<'_>) -> (Arc<str>, Arc<str>) {
        (self.names.end_text(observed.source.ip()), self.names.end_text(observed.destination.ip()))
    }

    fn add_ike(&mut self, observed: &Observed<'_>, message: &IkeMessage, key: Key) {
        self.make_room();
        let header = &message.header;
        let (from, to) = self.ends(observed);
        let conversation = self.conversation(observed, message);
        let discovers = message.payloads.iter().any(|payload| matches!(payload.body, Body::NatDiscovery { .. }));
        let hash = message.hash.filter(|_| discovers);
        let nat = hash.map(|hash| NatDiscovery::new(hash, header, observed.source, observed.destination));
        let context = payload::Context { message, by_initiator: conversation.initiator == observed.source.ip(), nat };
        let index = self.index_of(&key);
        let mut text = self.empty_text();
        put_head(&mut text, observed, message, &from, &to);
        payload::lines(&context, &mut self.names, &mut Lines::new(&mut text, "  "));
        if let Some(error) = &message.error {
            put(&mut text, format_args!("\n  damaged: {error}"));
        }
        self.decisions(index, message, &context, (&from, &to), &mut Lines::new(&mut text, "  = "));
        if told_once(message) && index.is_none() {
            if let Some(exchange) = self.told.get(&text).and_then(|index| self.exchanges.get_mut(index - self.flushed))
            {
                exchange.again += 1;
                self.scratch = text;
                return;
            }
            self.told.insert(text.clone(), self.flushed + self.exchanges.len());
        }
        let index = match index {
            Some(index) => index,
            None => {
                let title = self.title(&key, message, conversation.number);
                self.begin(key, header.exchange, title)
            }
        };
        let exchange = &mut self.exchanges[index];
        exchange.learn(&message.payloads);
        self.held += exchange.push(message.named.name, observed.number, &text);
        self.scratch = text;
    }

    fn add_ikev2(&mut self, observed: &Observed<'_>, read: &Ikev2Message) {
        self.make_room();
        let (mut key, exchange) = (ikev2::key(read), read.message.header.exchange);
        let silent = ikev2::is_silent(read);
        if silent && !self.by_key.contains_key(&key) {
            key = ikev2::liveness_key(key);
        }
        if read.named.retransmission {
            if let Some(exchange) = self.exchange_at(&key) {
                exchange.repeated(read.named.name);
            }
            return;
        }
        let (from, to) = self.ends(observed);
        let mut text = self.empty_text();
        ikev2::put_head(&mut text, observed, read, &from, &to);
        ikev2::lines(observed, read, &mut self.names, &mut Lines::new(&mut text, "  "));
        let index = self.index_of(&key);
        let asked = index.map_or(&[][..], |index| &self.exchanges[index].asked);
        let decisions = &mut Lines::new(&mut text, "  = ");
        ikev2::decisions(observed, read, asked, (&from, &to), &mut self.names, decisions);
        let index = index.unwrap_or_else(|| self.begin(key, exchange, format!("{exchange} (IKEv2)")));
        let exchange = &mut self.exchanges[index];
        exchange.answered = read.message.is_response();
        exchange.refused = ikev2::only_refuses(read);
        if !read.message.is_response() {
            exchange.asked = ikev2::payloads(read).to_vec();
        }
        if !silent || !exchange.has(&text) {
            self.held += exchange.push(read.named.name, observed.number, &text);
        }
        self.scratch = text;
    }

    /// A text for the next message, in the place of the last.
    fn empty_text(&mut self) -> String {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        text
    }

    /// What the message decides, as far as that can be told from it and those before it in its exchange.
    fn decisions(
        &mut self,
        exchange: Option<usize>,
        message: &IkeMessage,
        context: &payload::Context<'_>,
        (from, to): (&str, &str),
        lines: &mut Lines<'_>,
    ) {
        let exchange = exchange.map(|index| &self.exchanges[index]);
        let answer = message.payloads.iter().find_map(|payload| match &payload.body {
            Body::Sa(sa) => Some(sa),
            _ => None,
        });
        if let Some(answer) = answer
            && let Some(offered) = exchange.and_then(|exchange| exchange.offered.as_ref())
        {
            payload::learn_transforms(offered, answer, &mut self.names);
            sa::choice(offered, answer, from, lines);
        }
        let mut answered = identities(&message.payloads).peekable();
        let asked = exchange.map_or(&[][..], |exchange| &exchange.identities);
        if message.header.exchange == ExchangeType::Quick
            && !asked.is_empty()
            && answered.peek().is_some()
            && !answered.eq(asked)
        {
            lines.add(format_args!("{from} answers with other identities"));
        }
        if let Some((sender, receiver)) = context.nat.as_ref().and_then(|nat| nat.found(&message.payloads)) {
            for (_, end) in [(sender, from), (receiver, to)].into_iter().filter(|(found, _)| *found) {
                lines.add(format_args!("by NAT-D, {end} is behind a NAT"));
            }
        }
        if let Some(check) = message.check {
            let hash = if check.by_initiator { "HASH_I" } else { "HASH_R" };
            match check.right {
                true => lines.add(format_args!("{hash} is right for the pre-shared key")),
                false => lines.add(format_args!("{hash} is not of the pre-shared key given")),
            }
        }
        for notify in notifies(&message.payloads).filter(|notify| payload::refuses(notify)) {
            lines.add(format_args!("{from} refuses: {}", notify.kind));
        }
    }

    /// The conversation of a message; the first message of one is the initiator's, and later ones of phase 1 alternate.
    fn conversation(&mut self, observed: &Observed<'_>, message: &IkeMessage) -> Conversation {
        let cookie = message.header.initiator_cookie;
        if let Some(conversation) = self.conversations.get(&cookie) {
            return *conversation;
        }
        let in_phase_one = matches!(message.header.exchange, ExchangeType::Main | ExchangeType::Aggressive);
        let by_initiator = !in_phase_one || message.named.name.index % 2 == 1;
        let (source, destination) = (observed.source.ip(), observed.destination.ip());
        let initiator = if by_initiator { source } else { destination };
        if self.conversations.len() >= MAX_REMEMBERED {
            self.conversations.clear();
            self.phases.clear();
        }
        let number = match in_phase_one {
            true => {
                let number = self.phases.entry([source.min(destination), source.max(destination)]).or_default();
                *number += 1;
                *number
            }
            false => 0,
        };
        let conversation = Conversation { number, initiator };
        self.conversations.insert(cookie, conversation);
        conversation
    }

    fn title(&mut self, key: &Key, message: &IkeMessage, phase: usize) -> String {
        let exchange = message.header.exchange;
        let under = if phase > 1 { format!(" under phase 1 ({phase})") } else { String::new() };
        let kind = match exchange {
            ExchangeType::Unknown(number) => format!("exchange type {number}"),
            exchange => exchange.to_string(),
        };
        if key.1.is_none() {
            return match phase {
                0 | 1 => format!("phase 1: {kind}"),
                nth => format!("phase 1 again ({nth}): {kind}"),
            };
        }
        if exchange != ExchangeType::Quick || !matches!(message.protection, Protection::Decrypted(_)) {
            return format!("{kind}{under}");
        }
        // Either side may renew what the other began.
        let mut pair: Vec<Vec<u8>> = identities(&message.payloads).map(IdPayload::to_bytes).collect();
        pair.sort();
        if self.pairs.len() >= MAX_REMEMBERED {
            self.pairs.clear();
        }
        let times = self.pairs.entry(pair).or_default();
        *times += 1;
        match times {
            1 => format!("{exchange}{under}"),
            nth => format!("{exchange} again ({nth}){under}"),
        }
    }

    /// Where among those that are held the exchange is, when it is.
    fn index_of(&self, key: &Key) -> Option<usize> {
        self.by_key.get(key)?.checked_sub(self.flushed)
    }

    fn exchange_at(&mut self, key: &Key) -> Option<&mut Exchange> {
        let index = self.index_of(key)?;
        self.exchanges.get_mut(index)
    }

    /// Begins an exchange: where it is.
    fn begin(&mut self, key: Key, kind: ExchangeType, title: String) -> usize {
        let index = self.exchanges.len();
        self.by_key.insert(key, self.flushed + index);
        self.exchanges.push_back(Exchange::new(key, kind, title));
        index
    }

    /// Makes text of the older half when there is no room for another.
    fn make_room(&mut self) {
        if self.exchanges.len() < MAX_EXCHANGES && self.held < MAX_HELD {
            return;
        }
        self.tell_older(self.exchanges.len().div_ceil(2));
    }

    /// Makes text of so many exchanges.
    fn tell_older(&mut self, older: usize) {
        let mut lines = String::new();
        for exchange in self.exchanges.drain(..older) {
            self.by_key.remove(&exchange.key);
            self.held -= exchange.held();
            exchange.write(&mut lines, self.packets);
        }
        self.letters.put_into(&mut self.finished, &lines);
        self.flushed += older;
        self.told.retain(|_, index| *index >= self.flushed);
    }
}

/// Begins a section behind what there is already.
fn section(out: &mut String, title: &str) {
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
    out.push_str(&format!("== {title}\n"));
}

fn flow(observed: &Observed<'_>, spi: Spi, carrier: Carrier) -> FlowKey {
    FlowKey { source: observed.source.ip(), destination: observed.destination.ip(), spi, carrier }
}

fn key(message: &IkeMessage) -> Key {
    let header = &message.header;
    let phase_one = header.message_id == MessageId(0)
        && !matches!(header.exchange, ExchangeType::Informational | ExchangeType::Quick);
    (header.initiator_cookie, (!phase_one).then_some((header.exchange, header.message_id, false)))
}

/// Appends the line above the payloads: the message's name, its way, and what is unusual in its header.
fn put_head(text: &mut String, observed: &Observed<'_>, message: &IkeMessage, from: &str, to: &str) {
    let header = &message.header;
    put(text, format_args!("{} {from} > {to}", message.named.name));
    put_ports(text, observed);
    if header.version != Version::V1 {
        put(text, format_args!(" version {}.{}", header.version.major(), header.version.minor()));
    }
    match &message.protection {
        Protection::Clear => {}
        Protection::Decrypted(_) => text.push_str(" encrypted"),
        Protection::Sealed(octets) => put(text, format_args!(" encrypted, {octets} octets")),
    }
    let flag = |flag: Flags| header.flags.0 & flag.0 != 0;
    if flag(Flags::COMMIT) {
        text.push_str(", commit flag");
    }
    if flag(Flags::AUTHENTICATION_ONLY) {
        text.push_str(", authentication only flag");
    }
}

/// Appends the ports of a message, where they are not 500.
fn put_ports(text: &mut String, observed: &Observed<'_>) {
    let (source, destination) = (observed.source.port(), observed.destination.port());
    let port = |port: u16| match port {
        500 => "500",
        4500 => "4500",
        _ => "mapped",
    };
    match (source, destination) {
        (500, 500) => {}
        (source, destination) if source == destination => put(text, format_args!(" (UDP {})", port(source))),
        (source, destination) => put(text, format_args!(" (UDP {} to {})", port(source), port(destination))),
    }
}

/// IDci and IDcr of a message of quick mode.
fn identities(payloads: &[Payload]) -> impl Iterator<Item = &IdPayload> {
    payloads.iter().filter_map(|payload| match &payload.body {
        Body::Id(id) => Some(id),
        _ => None,
    })
}

fn notifies(payloads: &[Payload]) -> impl Iterator<Item = &NotifyPayload> {
    payloads.iter().filter_map(|payload| match &payload.body {
        Body::Notify(notify) => Some(notify),
        _ => None,
    })
}

/// Whether a message comes so often that it is told once: DPD, and what cannot be told from it.
fn told_once(message: &IkeMessage) -> bool {
    if message.header.exchange != ExchangeType::Informational || message.named.name.index != 1 {
        return false;
    }
    if matches!(message.protection, Protection::Sealed(_)) {
        return true;
    }
    let mut kinds = notifies(&message.payloads).map(|notify| notify.kind);
    kinds.next().is_some_and(|kind| matches!(kind, NotifyType::RUThere | NotifyType::RUThereAck))
        && kinds.next().is_none()
}
