//! What is done to the tunnel, and to its messages on the way.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::ike::naming::MessageName;
use crate::scenario::expect::Midway;
use crate::scenario::text::{self, texts, words};
use crate::scenario::units::Span;

/// One step of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(transform = allow_bare_ping)]
pub enum Step {
    /// The implementation brings the tunnel up, and the step ends when it is up or has failed.
    Initiate,
    /// A host pings the other.
    Ping(Ping),
    /// Time passes.
    Wait(Span),
    /// A command is typed on the router's console, in privileged EXEC mode.
    Cisco(String),
    /// Things must be so by now.
    Expect(Box<Midway>),
}

/// A ping with nothing said about it may stand as a word alone.
fn allow_bare_ping(schema: &mut Schema) {
    if let Some(choices) = schema.get_mut("oneOf").and_then(|choices| choices.as_array_mut()) {
        choices.push(serde_json::json!({ "type": "string", "const": "ping", "description": "From left to right." }));
    }
}

/// ICMP echo requests between the hosts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ping {
    /// Who asks.
    pub from: Endpoint,
    /// Who is asked.
    pub to: Endpoint,
    /// What comes of it.
    pub expect: PingResult,
    /// The number of requests, 1 to 100.
    pub count: u16,
    /// The size of the IPv4 packet in octets, 28 to 9000.
    pub size: u16,
    /// Whether the packet must not be fragmented.
    pub df: bool,
    /// How long to wait for the answer to each request.
    pub timeout: Span,
}

impl Default for Ping {
    fn default() -> Self {
        Self {
            from: Endpoint::Left,
            to: Endpoint::Right,
            expect: PingResult::default(),
            count: 3,
            size: 84,
            df: false,
            timeout: Span::from_secs(1),
        }
    }
}

/// A host of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// The host behind the implementation, at its first address.
    Left,
    /// The host behind the router, at its first address.
    Right,
    /// Whichever host has this address.
    Address(Ipv4Addr),
}

/// A text that names no host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no host: expected left, right or the address of one of them")]
pub struct UnknownEndpoint(String);

impl FromStr for Endpoint {
    type Err = UnknownEndpoint;

    fn from_str(text: &str) -> Result<Self, UnknownEndpoint> {
        match text {
            "left" => Ok(Self::Left),
            "right" => Ok(Self::Right),
            address => address.parse().map(Self::Address).map_err(|_| UnknownEndpoint(text.to_owned())),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => formatter.write_str("left"),
            Self::Right => formatter.write_str("right"),
            Self::Address(address) => write!(formatter, "{address}"),
        }
    }
}

words! {
    /// What comes of a ping.
    #[derive(Default)]
    PingResult, "result of a ping", {
        #[default]
        Replied = "replied": "At least one request is answered.",
        All = "all": "Every request is answered.",
        Lost = "lost": "No request is answered.",
    }
}

/// What the internet does to messages. Actions apply to the first so many of a name, one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Impairment {
    /// The message is lost.
    Drop(Impaired),
    /// The message arrives twice.
    Duplicate(Impaired),
    /// The message arrives late.
    Delay(Delayed),
    /// The message arrives after the next one.
    Reorder(Impaired),
    /// The message arrives damaged.
    Corrupt(Impaired),
}

/// Which messages are impaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impaired {
    /// The message; its retransmissions count as further ones.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(schema_with = "message_schema")]
    pub message: MessageName,
    /// How often: the first `times` of them.
    #[serde(default = "once")]
    pub times: u16,
}

/// Which messages come late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delayed {
    /// The message; its retransmissions count as further ones.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(schema_with = "message_schema")]
    pub message: MessageName,
    /// How often: the first `times` of them.
    #[serde(default = "once")]
    pub times: u16,
    /// How late.
    pub by: Span,
}

fn once() -> u16 {
    1
}

/// The schema of a message's name.
fn message_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "description": "A message by its place in its exchange, such as main-mode-4.",
        "pattern": "^(main-mode-[1-6]|aggressive-mode-[1-3]|quick-mode-[1-4]|transaction-[0-9]+|informational)$",
    })
}

/// A NAT between the implementation and the internet, which translates ports too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// The address the implementation is seen with behind it.
    #[serde(deserialize_with = "text::address")]
    pub address: Ipv4Addr,
}

texts! {
    Endpoint, "Endpoint", "left, right or the address of one of them.", "^(left|right|[0-9]+(\\.[0-9]+){3})$";
}
