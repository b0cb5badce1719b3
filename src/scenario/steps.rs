//! What is done to the tunnel, and to its messages on the way.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::expect::Midway;
use crate::scenario::text::{self, texts, words};
use crate::scenario::units::Span;

/// One step of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
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

/// What the internet does to messages, counted from the first of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Impairment {
    /// The message is lost.
    Drop(Impaired),
    /// The message arrives twice.
    Duplicate(Impaired),
    /// The message arrives late.
    Delay(Delayed),
}

/// Which messages are impaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impaired {
    /// The message.
    pub message: Message,
    /// How often: the first `times` of them.
    #[serde(default = "once")]
    pub times: u16,
}

/// Which messages come late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Delayed {
    /// The message.
    pub message: Message,
    /// How often: the first `times` of them.
    #[serde(default = "once")]
    pub times: u16,
    /// How late.
    pub by: Span,
}

fn once() -> u16 {
    1
}

words! {
    /// A message of the negotiation, by its place in its exchange (RFC 2409 5). Retransmissions count as further ones.
    Message, "message", {
        MainMode1 = "main-mode-1": "The initiator's SA payload.",
        MainMode2 = "main-mode-2": "The responder's SA payload.",
        MainMode3 = "main-mode-3": "The initiator's KE and nonce.",
        MainMode4 = "main-mode-4": "The responder's KE and nonce.",
        MainMode5 = "main-mode-5": "The initiator's identity, encrypted.",
        MainMode6 = "main-mode-6": "The responder's identity, encrypted.",
        AggressiveMode1 = "aggressive-mode-1": "The initiator's SA, KE, nonce and identity.",
        AggressiveMode2 = "aggressive-mode-2": "The responder's SA, KE, nonce, identity and hash.",
        AggressiveMode3 = "aggressive-mode-3": "The initiator's hash.",
        QuickMode1 = "quick-mode-1": "The initiator's IPsec proposal.",
        QuickMode2 = "quick-mode-2": "The responder's choice.",
        QuickMode3 = "quick-mode-3": "The initiator's last hash.",
    }
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
