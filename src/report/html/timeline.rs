//! What happened in a cell on one line of time: the messages between both ends, and beside them what each side said.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use crate::evidence::artifacts::{decision, describe};
use crate::evidence::decode::{Content, Protection};
use crate::evidence::frames::LoggedFrame;
use crate::evidence::log::{EventLog, Happening, Link, StepOutcome};
use crate::evidence::transcript::{Names, Transcript};
use crate::ike::naming::MessageName;
use crate::ios::console::Mark;
use crate::scenario::Cell;
use crate::time::Instant;
use crate::wire::ethernet::Frame;
use crate::wire::ipv4::{Ipv4Packet, protocol};
use crate::wire::isakmp::{Cookie, ExchangeType, MessageId};

/// Messages of a cell that are shown.
const MAX_MESSAGES: usize = 150;

/// Lines of each side's log that are shown.
const MAX_LINES: usize = 1000;

/// The longest line that is shown whole, in characters.
const MAX_LINE: usize = 400;

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Each message or step, with what was said until the next.
    pub rows: Vec<Row>,
    /// Messages that are not shown.
    pub more_messages: usize,
    /// Lines of the implementation's log that are not shown.
    pub more_dut: usize,
    /// Lines of the router's console that are not shown.
    pub more_cisco: usize,
}

/// A message or step, and what was said from then on.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// When it began.
    pub at: Duration,
    /// What; nothing before the first message.
    pub anchor: Option<Anchor>,
    /// What the implementation wrote.
    pub dut: Vec<Said>,
    /// What the router's console printed.
    pub cisco: Vec<Said>,
    /// What router and internet decided.
    pub notes: Vec<Said>,
}

/// A line of a log.
#[derive(Clone, Debug)]
pub struct Said {
    /// When.
    pub at: Duration,
    /// The line.
    pub text: String,
    /// How a line of the router is known.
    pub mark: Option<Mark>,
}

/// What a row is about.
#[derive(Clone, Debug)]
pub enum Anchor {
    /// A packet from one end to the other.
    Message(Message),
    /// A step of the scenario ended, and how.
    Step(String),
    /// The router was asked something.
    Show(String),
}

/// A packet between both ends.
#[derive(Clone, Debug)]
pub struct Message {
    /// Whether the implementation sent it.
    pub by_dut: bool,
    /// What it is, in a few words.
    pub name: String,
    /// What kind of packet it is.
    pub kind: Kind,
    /// What became of it.
    pub fate: Fate,
    /// How long it was on its way, when it arrived.
    pub took: Option<Duration>,
    /// Whether it was sent before.
    pub again: bool,
    /// Its payloads.
    pub payloads: String,
}

/// What kind of packet a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IKE in clear.
    Ike,
    /// IKE, encrypted.
    Encrypted,
    /// ESP.
    Esp,
    /// Anything in clear that is no IKE.
    Clear,
}

/// What became of a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrived as it was sent.
    Arrived,
    /// It never arrived.
    Lost,
    /// It arrived otherwise than it was sent.
    Changed,
    /// It arrived so often.
    Repeated(u32),
}

/// The timeline of a cell of which `frames` are the log's frames.
pub fn timeline(cell: &Cell, log: &EventLog, frames: &[LoggedFrame<'_>]) -> Timeline {
    let mut messages = Messages::of(cell, log, frames);
    let mut rows = vec![Row::default()];
    let mut told = Timeline::default();
    let mut shown = 0;
    for (index, entry) in log.entries.iter().enumerate() {
        let at = entry.at.since_start();
        let said = |text: &str, mark| Said { at, text: shortened(text), mark };
        let last = rows.len() - 1;
        let row = &mut rows[last];
        match &entry.what {
            Happening::Frame { .. } => {
                let Some(message) = messages.sent.remove(&index) else { continue };
                if shown >= MAX_MESSAGES {
                    told.more_messages += 1;
                    continue;
                }
                shown += 1;
                rows.push(Row { at, anchor: Some(Anchor::Message(message)), ..Row::default() });
            }
            Happening::Step { index, step, outcome } => {
                let text = format!("step {}: {step}: {}", index + 1, outcome_words(outcome));
                rows.push(Row { at, anchor: Some(Anchor::Step(text)), ..Row::default() });
            }
            Happening::Show { command, text } => {
                let lines: Vec<Said> = text.trim_end().lines().map(|line| said(line, None)).collect();
                told.more_cisco += keep(lines, &mut rows, at, command);
            }
            Happening::Console { text, mark, .. } => {
                for line in text.trim_end().split('\n') {
                    row.cisco.push(said(line, Some(*mark)));
                }
            }
            Happening::Log { text, .. } => row.dut.push(said(text, None)),
            Happening::HarnessFailed { reason } => row.notes.push(said(&format!("the harness: {reason}"), None)),
            what => row.notes.extend(decision(what).map(|text| said(&text, None))),
        }
    }
    told.more_dut += bound(rows.iter_mut().map(|row| &mut row.dut));
    told.more_cisco += bound(rows.iter_mut().map(|row| &mut row.cisco));
    if rows[0].dut.is_empty() && rows[0].cisco.is_empty() && rows[0].notes.is_empty() {
        rows.remove(0);
    }
    told.rows = rows;
    told
}

/// Gives the answer to a command its row; tells how many of its lines are left out.
fn keep(mut lines: Vec<Said>, rows: &mut Vec<Row>, at: Duration, command: &str) -> usize {
    let more = lines.len().saturating_sub(MAX_LINES);
    lines.truncate(MAX_LINES);
    rows.push(Row { at, anchor: Some(Anchor::Show(command.to_owned())), cisco: lines, ..Row::default() });
    more
}

/// Leaves the first and the last half of what may be shown; the middle is told in one line.
fn bound<'a>(logs: impl Iterator<Item = &'a mut Vec<Said>>) -> usize {
    let logs: Vec<&mut Vec<Said>> = logs.collect();
    let whole: usize = logs.iter().map(|lines| lines.len()).sum();
    if whole <= MAX_LINES {
        return 0;
    }
    let (first, last) = (MAX_LINES / 2, whole - MAX_LINES / 2);
    let mut number = 0;
    for lines in logs {
        lines.retain(|_| {
            number += 1;
            number <= first || number > last
        });
    }
    last - first
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_LINE) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}

fn outcome_words(outcome: &StepOutcome) -> String {
    match outcome {
        StepOutcome::Done => "done".to_owned(),
        StepOutcome::Refused { reason } => format!("came to nothing, {reason}"),
        StepOutcome::Pinged { sent, replied, errors, .. } => {
            let errors: String = errors.iter().map(|error| format!("; {error}")).collect();
            format!("{sent} requests, {replied} replies{errors}")
        }
        StepOutcome::Unexpected { expected, found } => format!("expected {expected}, found {found}"),
        StepOutcome::Failed { reason } => format!("could not be done, {reason}"),
    }
}

/// The packets both ends sent, by the entry of the log in which the internet received them.
struct Messages {
    sent: HashMap<usize, Message>,
}

/// A packet on its way, by what no NAT changes of it.
struct OnItsWay {
    entry: usize,
    at: Instant,
    by_dut: bool,
    content: Vec<u8>,
    arrived: u32,
}

impl Messages {
    fn of(cell: &Cell, log: &EventLog, frames: &[LoggedFrame<'_>]) -> Self {
        let mut texts = Texts::new(cell, log, frames);
        let mut sent = HashMap::new();
        let mut ways: Vec<OnItsWay> = Vec::new();
        for frame in frames {
            let Some(observed) = &frame.observed else { continue };
            let by_dut = (frame.link == Link::Dut) != frame.outbound;
            let content = content(frame.octets);
            if !frame.outbound {
                let Some(kind) = kind(&observed.content) else { continue };
                let again = frame.ike().is_some_and(|message| message.named.retransmission);
                let (name, payloads) = (name(frame), texts.take(frame));
                let (fate, took) = (Fate::Lost, None);
                sent.insert(frame.entry, Message { by_dut, name, kind, fate, took, again, payloads });
                ways.push(OnItsWay { entry: frame.entry, at: frame.at, by_dut, content, arrived: 0 });
                continue;
            }
            let Some((way, changed)) = arrival(&mut ways, by_dut, &content) else { continue };
            way.arrived += 1;
            if let Some(message) = sent.get_mut(&way.entry) {
                message.took.get_or_insert(frame.at.saturating_since(way.at));
                message.fate = match (way.arrived, changed) {
                    (1, false) => Fate::Arrived,
                    (1, true) => Fate::Changed,
                    (times, _) => Fate::Repeated(times),
                };
            }
        }
        Self { sent }
    }
}

/// The packet that arrives: one that has not arrived yet, else one that was changed on its way, else one that has.
fn arrival<'a>(ways: &'a mut [OnItsWay], by_dut: bool, content: &[u8]) -> Option<(&'a mut OnItsWay, bool)> {
    let same = |way: &OnItsWay| way.by_dut == by_dut && way.content == content;
    let like = |way: &OnItsWay| way.by_dut == by_dut && way.content.len() == content.len();
    let waiting = |way: &OnItsWay| way.arrived == 0;
    // Of equal ones the last was sent because those before it were lost.
    if let Some(at) = ways.iter().rposition(|way| waiting(way) && same(way)) {
        return Some((&mut ways[at], false));
    }
    if let Some(at) = ways.iter().rposition(same) {
        return Some((&mut ways[at], false));
    }
    let at = ways.iter().position(|way| waiting(way) && like(way))?;
    Some((&mut ways[at], true))
}

/// What stands in a packet behind all that a NAT may change.
fn content(octets: &[u8]) -> Vec<u8> {
    /// Octets of a UDP header.
    const UDP_HEADER: usize = 8;
    let packet = Frame::parse(octets).ok().and_then(|frame| Ipv4Packet::parse(frame.payload).ok());
    match packet {
        Some(packet) if packet.protocol == protocol::UDP => packet.payload.get(UDP_HEADER..).unwrap_or_default().into(),
        Some(packet) => packet.payload,
        None => octets.to_vec(),
    }
}

/// What kind a packet is; those that only keep a NAT's mapping alive are not shown.
fn kind(content: &Content) -> Option<Kind> {
    match content {
        Content::Ike(message) => match message.protection {
            Protection::Clear => Some(Kind::Ike),
            Protection::Decrypted(_) | Protection::Sealed(_) => Some(Kind::Encrypted),
        },
        Content::IkeV2(_) | Content::Malformed(_) => Some(Kind::Ike),
        Content::Esp { .. } => Some(Kind::Esp),
        Content::Other { .. } => Some(Kind::Clear),
        Content::Keepalive => None,
    }
}

fn name(frame: &LoggedFrame<'_>) -> String {
    let Some(observed) = &frame.observed else { return String::new() };
    match &observed.content {
        Content::Ike(message) => message.named.name.to_string(),
        Content::Other { protocol, .. } => {
            format!("in clear, protocol {protocol}: {} > {}", observed.source.ip(), observed.destination.ip())
        }
        _ => describe(frame),
    }
}

/// The payloads of IKE messages as the transcript has them, for each message and its retransmissions.
struct Texts {
    by_number: BTreeMap<u64, String>,
    by_message: HashMap<(Cookie, ExchangeType, MessageId, MessageName), String>,
}

impl Texts {
    fn new(cell: &Cell, log: &EventLog, frames: &[LoggedFrame<'_>]) -> Self {
        let ends = [(log.header.dut, "dut"), (log.header.cisco, "cisco")];
        let nat = cell.scenario.nat.map(|nat| (nat.address, "dut (NAT)"));
        let names = ends.into_iter().chain(nat).map(|(address, name)| (IpAddr::V4(address), name.to_owned()));
        let mut transcript = Transcript::new(Names::new(names));
        for observed in frames.iter().filter(|frame| !frame.outbound).filter_map(|frame| frame.observed.as_ref()) {
            transcript.add(observed, None);
        }
        Self { by_number: transcript.messages(), by_message: HashMap::new() }
    }

    fn take(&mut self, frame: &LoggedFrame<'_>) -> String {
        let Some(observed) = &frame.observed else { return String::new() };
        let key = frame.ike().map(|message| {
            let header = &message.header;
            (header.initiator_cookie, header.exchange, header.message_id, message.named.name)
        });
        let text = self.by_number.remove(&observed.number);
        if let (Some(key), Some(text)) = (key, &text) {
            self.by_message.insert(key, text.clone());
        }
        let sent_before = || key.and_then(|key| self.by_message.get(&key).cloned());
        text.or_else(sent_before).unwrap_or_else(|| describe(frame))
    }
}
