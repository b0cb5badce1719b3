//! Names for messages by their place in an exchange: `main-mode-4`, `quick-mode-1`, `informational`.

use std::fmt;
use std::hash::BuildHasher;
use std::str::FromStr;

use foldhash::HashMap;
use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};

use crate::wire::isakmp::{Cookie, ExchangeType, Header, MessageId};

/// The name of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageName {
    /// The exchange it belongs to.
    pub exchange: ExchangeType,
    /// Its place in the exchange, from 1; retransmissions do not count.
    pub index: u16,
}

/// A text that names no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no message: expected main-mode-1 to -6, aggressive-mode-1 to -3, quick-mode-1 to -3, transaction-N or informational"
)]
pub struct UnknownMessage(String);

const EXCHANGES: [(ExchangeType, &str, u16); 4] = [
    (ExchangeType::Main, "main-mode", 6),
    (ExchangeType::Aggressive, "aggressive-mode", 3),
    (ExchangeType::Quick, "quick-mode", 4),
    (ExchangeType::Transaction, "transaction", 16),
];

impl fmt::Display for MessageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.exchange, self.index) {
            (ExchangeType::Informational, 1) => formatter.write_str("informational"),
            (exchange, index) => match EXCHANGES.iter().find(|(known, ..)| *known == exchange) {
                Some((_, word, _)) => write!(formatter, "{word}-{index}"),
                None => write!(formatter, "{exchange}-{index}"),
            },
        }
    }
}

impl FromStr for MessageName {
    type Err = UnknownMessage;

    fn from_str(text: &str) -> Result<Self, UnknownMessage> {
        if text == "informational" {
            return Ok(Self { exchange: ExchangeType::Informational, index: 1 });
        }
        let unknown = || UnknownMessage(text.to_owned());
        let (word, index) = text.rsplit_once('-').ok_or_else(unknown)?;
        let (exchange, _, last) = EXCHANGES.iter().find(|(_, known, _)| *known == word).ok_or_else(unknown)?;
        let index = index.parse().ok().filter(|index| (1..=*last).contains(index)).ok_or_else(unknown)?;
        Ok(Self { exchange: *exchange, index })
    }
}

impl TryFrom<String> for MessageName {
    type Error = UnknownMessage;

    fn try_from(text: String) -> Result<Self, UnknownMessage> {
        text.parse()
    }
}

impl From<MessageName> for String {
    fn from(name: MessageName) -> Self {
        name.to_string()
    }
}

/// What a message is, told from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name.
    pub name: MessageName,
    /// Whether the same octets were seen before in this exchange.
    pub retransmission: bool,
}

/// Names messages as they pass, without any key: distinct messages of an exchange count up, repeated ones keep their name.
///
/// Memory is bounded: past [`MessageNamer::MAX_EXCHANGES`] the half not seen for longest is forgotten.
#[derive(Clone, Debug, Default)]
pub struct MessageNamer {
    exchanges: HashMap<(Cookie, ExchangeType, MessageId), Exchange>,
    clock: u64,
}

#[derive(Clone, Debug, Default)]
struct Exchange {
    /// A digest of each distinct message, in order.
    seen: Vec<u64>,
    last_seen: u64,
}

impl MessageNamer {
    /// Exchanges that are remembered.
    pub const MAX_EXCHANGES: usize = 4096;
    /// Distinct messages of one exchange that are remembered.
    const MAX_MESSAGES: usize = 64;

    /// Names the message with this header; `octets` are the whole message.
    pub fn name(&mut self, header: &Header, octets: &[u8]) -> Named {
        self.clock += 1;
        let key = (header.initiator_cookie, header.exchange, header.message_id);
        if self.exchanges.len() >= Self::MAX_EXCHANGES && !self.exchanges.contains_key(&key) {
            let mut times: Vec<u64> = self.exchanges.values().map(|exchange| exchange.last_seen).collect();
            let (_, middle, _) = times.select_nth_unstable(Self::MAX_EXCHANGES / 2);
            let middle = *middle;
            self.exchanges.retain(|_, exchange| exchange.last_seen >= middle);
        }
        let exchange = self.exchanges.entry(key).or_default();
        exchange.last_seen = self.clock;
        let digest = fingerprint(octets);
        let (position, retransmission) = match exchange.seen.iter().position(|seen| *seen == digest) {
            Some(position) => (position, true),
            None => {
                if exchange.seen.len() < Self::MAX_MESSAGES {
                    exchange.seen.push(digest);
                }
                (exchange.seen.len() - 1, false)
            }
        };
        Named { name: MessageName { exchange: header.exchange, index: position as u16 + 1 }, retransmission }
    }
}

/// A number by which octets are known again, the same in every run.
pub(crate) fn fingerprint(octets: &[u8]) -> u64 {
    FixedState::default().hash_one(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::isakmp::{Flags, PayloadType, Version};

    #[test]
    fn counts_distinct_messages_and_knows_repeats() {
        let header = Header {
            initiator_cookie: Cookie([1; 8]),
            responder_cookie: Cookie::ZERO,
            next_payload: PayloadType::Sa,
            version: Version::V1,
            exchange: ExchangeType::Main,
            flags: Flags::NONE,
            message_id: MessageId(0),
            length: 28,
        };
        let mut namer = MessageNamer::default();
        let names: Vec<String> = [b"one", b"two", b"one", b"six"]
            .map(|octets| namer.name(&header, octets))
            .map(|named| format!("{} {}", named.name, named.retransmission))
            .to_vec();
        assert_eq!(names, ["main-mode-1 false", "main-mode-2 false", "main-mode-1 true", "main-mode-3 false"]);
        let quick = Header { exchange: ExchangeType::Quick, message_id: MessageId(7), ..header };
        assert_eq!(namer.name(&quick, b"one").name.to_string(), "quick-mode-1");
    }

    #[test]
    fn names_round_trip() {
        for text in ["main-mode-6", "quick-mode-2", "aggressive-mode-3", "transaction-9", "informational"] {
            assert_eq!(text.parse::<MessageName>().unwrap().to_string(), text);
        }
        assert!("main-mode-7".parse::<MessageName>().is_err());
        assert!("mm1".parse::<MessageName>().is_err());
    }
}
