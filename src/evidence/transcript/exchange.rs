//! The messages of one exchange.

use std::ops::Range;

use super::lines::put;
use crate::ike::naming::MessageName;
use crate::wire::ikev2;
use crate::wire::isakmp::{Body, Cookie, ExchangeType, IdPayload, MessageId, Payload, SaPayload};

/// An exchange by its initiator cookie and, outside of phase 1, its type and message id, and with IKEv2, where both sides
/// count on their own, whether the initiator of the SA began it.
pub(super) type Key = (Cookie, Option<(ExchangeType, MessageId, bool)>);

/// Messages of one exchange that are shown; no exchange of a sane peer has more.
const MAX_MESSAGES: usize = 64;

/// An exchange and its messages.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) key: Key,
    kind: ExchangeType,
    title: String,
    messages: Vec<Shown>,
    /// The lines of all messages.
    text: String,
    left_out: u64,
    /// How often the same exchange came again.
    pub(super) again: u64,
    /// What the initiator offered.
    pub(super) offered: Option<SaPayload>,
    /// IDci and IDcr as the initiator of quick mode sent them.
    pub(super) identities: Vec<IdPayload>,
    /// The payloads of the last request of IKEv2.
    pub(super) asked: Vec<ikev2::Payload>,
    /// Whether the last request of IKEv2 was answered.
    pub(super) answered: bool,
    /// Whether the answer only refused it.
    pub(super) refused: bool,
}

#[derive(Debug)]
struct Shown {
    name: MessageName,
    number: u64,
    repeated: u64,
    /// Where its lines are in the text, the last without its end.
    lines: Range<usize>,
}

impl Exchange {
    pub(super) fn new(key: Key, kind: ExchangeType, title: String) -> Self {
        Self {
            key,
            kind,
            title,
            messages: Vec::new(),
            text: String::new(),
            left_out: 0,
            again: 0,
            offered: None,
            identities: Vec::new(),
            asked: Vec::new(),
            answered: false,
            refused: false,
        }
    }

    /// Takes from the first message that has them what answers are compared with.
    pub(super) fn learn(&mut self, payloads: &[Payload]) {
        if self.offered.is_some() {
            return;
        }
        for payload in payloads {
            match &payload.body {
                Body::Sa(sa) => self.offered = Some(sa.clone()),
                Body::Id(id) if self.kind == ExchangeType::Quick => self.identities.push(id.clone()),
                _ => {}
            }
        }
    }

    /// Appends a message, which was packet `number`; how many octets are held for it.
    pub(super) fn push(&mut self, name: MessageName, number: u64, text: &str) -> usize {
        if self.messages.len() >= MAX_MESSAGES {
            self.left_out += 1;
            return 0;
        }
        let start = self.text.len();
        self.text.push_str(text);
        self.messages.push(Shown { name, number, repeated: 0, lines: start..self.text.len() });
        text.len()
    }

    /// How many octets are held for its messages.
    pub(super) fn held(&self) -> usize {
        self.text.len()
    }

    /// Whether a message of the same text is shown already, which is then counted as a repetition.
    pub(super) fn has(&mut self, text: &str) -> bool {
        let shown = self.messages.iter_mut().find(|message| self.text[message.lines.clone()] == *text);
        shown.map(|message| message.repeated += 1).is_some()
    }

    /// The lines of each message, with the number of its packet.
    pub(super) fn messages(&self) -> impl Iterator<Item = (u64, &str)> {
        self.messages.iter().map(|message| (message.number, &self.text[message.lines.clone()]))
    }

    /// Counts a retransmission.
    pub(super) fn repeated(&mut self, name: MessageName) {
        if let Some(message) = self.messages.iter_mut().find(|message| message.name == name) {
            message.repeated += 1;
        }
    }

    /// Appends the exchange as text; with `packets`, packet numbers and counts as well.
    pub(super) fn write(&self, out: &mut String, packets: bool) {
        put(out, format_args!("== {}\n", self.title));
        for message in &self.messages {
            let text = &self.text[message.lines.clone()];
            let (head, rest) = text.split_at(text.find('\n').unwrap_or(text.len()));
            out.push_str(head);
            if packets {
                let repeated = match message.repeated {
                    0 => String::new(),
                    1 => ", repeated once".to_owned(),
                    times => format!(", repeated {times} times"),
                };
                put(out, format_args!(" [packet {}{repeated}]", message.number));
            }
            out.push_str(rest);
            out.push('\n');
        }
        if self.left_out > 0 {
            put(out, format_args!("and {} more messages\n", self.left_out));
        }
        if let Some(end) = self.end() {
            put(out, format_args!("= {end}\n"));
        }
        if packets && self.again > 0 {
            match self.again {
                1 => out.push_str("and once again\n"),
                times => put(out, format_args!("and {times} times again\n")),
            }
        }
        out.push('\n');
    }

    /// Whether the exchange came to its end, for those that have one.
    fn end(&self) -> Option<String> {
        let needed = match self.kind {
            ExchangeType::Main => 6,
            ExchangeType::Aggressive | ExchangeType::Quick => 3,
            ExchangeType::Transaction => 2,
            ExchangeType::IkeSaInit
            | ExchangeType::IkeAuth
            | ExchangeType::CreateChildSa
            | ExchangeType::Informational2 => {
                let end = match (self.answered, self.refused) {
                    (true, true) => "refused",
                    (true, false) => "complete",
                    (false, _) => "unfinished, no answer",
                };
                return Some(end.to_owned());
            }
            _ => return None,
        };
        let last = self.messages.last()?.name;
        if last.index >= needed {
            return Some("complete".to_owned());
        }
        Some(format!("unfinished, nothing after {last}"))
    }
}
