//! The router's console: typed events in, IOS text out.
//!
//! Nothing here decides anything. [`Console::render`] turns one event into the lines a router of that release prints
//! for it, and each line says how its text is known ([`Mark`]) and from where. The texts are message formats read from
//! logs of real routers (cisco-ios-facts 9 and its sources), not copied programs.

mod dress;
pub mod exec;
mod informational;
mod ipsec;
mod names;
mod phase1;
mod quick;
pub mod show;
mod syslog;
mod vendor;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::dress::{Dress, Fact};
use self::show::IsakmpTable;
use super::releases::Behaviour;
use super::{Release, RouterEvent};
use crate::ike;
use crate::ike::event::{InstalledPair, Phase1State, Role, SaRef};
use crate::time::Instant;
use crate::wire::isakmp::{Cookie, MessageId};

/// SAs and pairs the console remembers anything about; beyond, the oldest is forgotten.
const REMEMBERED: usize = 4096;

/// One message of the router: a debug message, a syslog message or an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it was printed.
    pub at: Instant,
    /// What prints it.
    pub category: Category,
    /// Its text. Some messages hold line breaks, and some end with one, which leaves an empty line behind them.
    pub text: String,
    /// How the text is known.
    pub mark: Mark,
    /// Where it is from, by the keys of cisco-ios-facts 0; empty when it is modelled.
    pub source: Cow<'static, str>,
}

/// What prints a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// `debug crypto isakmp`.
    IsakmpDebug,
    /// `debug crypto ipsec`.
    IpsecDebug,
    /// A `%FACILITY-SEVERITY-MNEMONIC` message.
    Syslog,
    /// An answer to a command.
    Answer,
}

/// How a text is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// Seen in a real log of this message family.
    Seen,
    /// Inferred, mostly from a real log of another message family.
    Inferred,
    /// Recalled from Cisco documentation or field knowledge.
    Recalled,
    /// Made up, so that the event leaves a trace.
    Modelled,
}

impl Mark {
    /// Every mark, in the order of their worth.
    pub const ALL: [Self; 4] = [Self::Seen, Self::Inferred, Self::Recalled, Self::Modelled];

    /// What it says of a text, as the end of a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Seen => "seen in logs of real routers",
            Self::Inferred => "inferred from logs of real routers",
            Self::Recalled => "recalled from documentation or field knowledge",
            Self::Modelled => "made up, so that the event leaves a trace",
        }
    }
}

/// How debug and syslog messages are stamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timestamps {
    /// `no service timestamps`.
    None,
    /// `service timestamps debug uptime`: `00:00:12: `.
    Uptime,
    /// `service timestamps debug datetime`: `*Mar  1 00:00:12: `. The star says that the clock was never set.
    Datetime,
    /// `service timestamps debug datetime msec`: `*Mar  1 00:00:12.345: `.
    DatetimeMsec,
}

/// What the configuration and the operator say of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The stamp before debug and syslog messages.
    pub timestamps: Timestamps,
    /// `debug crypto isakmp`.
    pub debug_isakmp: bool,
    /// `debug crypto ipsec`.
    pub debug_ipsec: bool,
    /// `crypto logging session`.
    pub logging_session: bool,
    /// Names of the ISAKMP profiles, which are scanned for XAUTH.
    pub profiles: Vec<String>,
}

impl Default for Settings {
    /// Both debugs on: a console that is read afterwards has no operator to ask for them.
    fn default() -> Self {
        Self {
            timestamps: Timestamps::DatetimeMsec,
            debug_isakmp: true,
            debug_ipsec: true,
            logging_session: false,
            profiles: Vec::new(),
        }
    }
}

/// The console of one router.
#[derive(Clone, Debug)]
pub struct Console {
    behaviour: &'static Behaviour,
    hostname: String,
    settings: Settings,
    memory: Memory,
}

/// What later lines repeat of earlier events.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// Who began what is being begun, while there is no SA yet.
    beginning: Option<Role>,
    /// Vendor ID lines of the datagram being processed, which messages 1 and 2 get twice.
    vendor_lines: Vec<(Dress, Fact, String)>,
    /// The last state of each phase 1 machine.
    states: BTreeMap<u64, Phase1State>,
    /// Errors counted on each SA.
    errors: BTreeMap<u64, u32>,
    /// An SA none of whose peer's transforms was acceptable.
    refused: Option<u64>,
    /// The delete line of an SA, which is printed twice.
    deleting: Option<(u64, Fact, String)>,
    /// The quick mode we began last.
    quick_started: Option<MessageId>,
    /// The pair whose IPSEC lines are still due.
    installing: Option<InstalledPair>,
    /// The pairs that exist.
    pairs: BTreeMap<u32, InstalledPair>,
    /// The ISAKMP SAs, for `show`.
    isakmp: IsakmpTable,
}

impl Console {
    /// The console of a router of that `release`.
    pub fn new(release: Release, hostname: impl Into<String>, settings: Settings) -> Self {
        Self { behaviour: release.behaviour(), hostname: hostname.into(), settings, memory: Memory::default() }
    }

    /// The lines the router prints for `event`, in order. Empty for events it prints nothing for and for debug
    /// messages that are switched off.
    pub fn render(&mut self, now: Instant, event: &RouterEvent) -> Vec<Line> {
        let mut scribe = Scribe::new(now, self.behaviour);
        match event {
            RouterEvent::Ike(event) => {
                self.memory.isakmp.observe(now, event);
                scribe.address(event);
                self.ike(&mut scribe, event);
            }
            event => self.router(&mut scribe, event),
        }
        let mut lines = scribe.lines;
        lines.retain(|line| match line.category {
            Category::IsakmpDebug => self.settings.debug_isakmp,
            Category::IpsecDebug => self.settings.debug_ipsec,
            Category::Syslog | Category::Answer => true,
        });
        lines
    }

    /// The ISAKMP SAs, as the events told of them.
    pub fn isakmp(&self) -> &IsakmpTable {
        &self.memory.isakmp
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings, to be changed by a command.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The prompt of privileged EXEC mode.
    pub fn prompt(&self) -> String {
        format!("{}#", self.hostname)
    }

    /// Changes the host name (`hostname NAME`).
    pub fn set_hostname(&mut self, hostname: impl Into<String>) {
        self.hostname = hostname.into();
    }

    /// The line with its stamp, as it stands on a terminal; without the last line break.
    pub fn stamped(&self, line: &Line) -> String {
        match line.category {
            Category::Answer => line.text.clone(),
            _ => format!("{}{}", stamp(self.settings.timestamps, line.at), line.text),
        }
    }

    fn ike(&mut self, scribe: &mut Scribe, event: &ike::Event) {
        if !self.phase1(scribe, event) && !self.quick(scribe, event) {
            self.informational(scribe, event);
        }
    }
}

/// Writes the lines of one event.
struct Scribe {
    now: Instant,
    behaviour: &'static Behaviour,
    sa: Option<SaRef>,
    lines: Vec<Line>,
}

impl Scribe {
    fn new(now: Instant, behaviour: &'static Behaviour) -> Self {
        Self { now, behaviour, sa: None, lines: Vec::new() }
    }

    fn address(&mut self, event: &ike::Event) {
        self.sa = event.sa;
    }

    /// A `debug crypto isakmp` message.
    fn isakmp(&mut self, dress: Dress, fact: Fact, text: impl AsRef<str>) {
        let connection = self.sa.map_or(0, |sa| sa.connection);
        let text = dress.put_on(self.behaviour.debug, connection, text.as_ref());
        self.push(Category::IsakmpDebug, fact, text);
    }

    /// A `debug crypto ipsec` message.
    fn ipsec(&mut self, fact: Fact, text: impl Into<String>) {
        self.push(Category::IpsecDebug, fact, text.into());
    }

    /// A syslog message.
    fn syslog(&mut self, fact: Fact, text: impl Into<String>) {
        self.push(Category::Syslog, fact, text.into());
    }

    fn push(&mut self, category: Category, fact: Fact, text: String) {
        let mark = fact.mark_in(self.behaviour.debug.family, category);
        self.lines.push(Line { at: self.now, category, text, mark, source: Cow::Borrowed(fact.source()) });
    }

    /// A message id or node id as the release prints it.
    fn id(&self, id: MessageId) -> String {
        if self.behaviour.debug.signed_ids { (id.0 as i32).to_string() } else { id.0.to_string() }
    }

    fn serial(&self) -> u64 {
        self.sa.map_or(0, |sa| sa.serial)
    }

    fn peer_cookie(&self) -> Cookie {
        self.sa.map_or(Cookie::ZERO, |sa| sa.peer_cookie())
    }

    fn initiator(&self) -> bool {
        self.sa.is_some_and(|sa| sa.role == Role::Initiator)
    }

    /// Where the SA would lie in memory: a number that is the same in all its lines.
    fn sa_pointer(&self) -> u32 {
        0x6500_0000_u32.wrapping_add((self.serial() as u32).wrapping_mul(0x1a4))
    }
}

/// Where a peer's record would lie in memory.
fn peer_pointer(peer: u64) -> u32 {
    0x6640_0000_u32.wrapping_add((peer as u32).wrapping_mul(0x2b0))
}

/// Inserts into a map that forgets its lowest key when it grows too large.
fn remember<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) {
    map.insert(key, value);
    if map.len() > REMEMBERED {
        map.pop_first();
    }
}

/// The stamp of a message at that instant. A router without a clock starts at midnight on 1 March.
fn stamp(timestamps: Timestamps, at: Instant) -> String {
    let since_start = at.since_start();
    let (seconds, millis) = (since_start.as_secs(), since_start.subsec_millis());
    let (hours, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (month, day) = date(seconds / 86400);
    let clock = format!("*{month} {day:2} {:02}:{minute:02}:{second:02}", hours % 24);
    match timestamps {
        Timestamps::None => String::new(),
        Timestamps::Uptime => format!("{hours:02}:{minute:02}:{second:02}: "),
        Timestamps::Datetime => format!("{clock}: "),
        Timestamps::DatetimeMsec => format!("{clock}.{millis:03}: "),
    }
}

/// Month and day, so many days after 1 March; February never ends a leap year here.
fn date(days: u64) -> (&'static str, u64) {
    const MONTHS: [(&str, u64); 12] = [
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
        ("Jan", 31),
        ("Feb", 28),
    ];
    let mut left = days % 365;
    for (month, length) in MONTHS {
        if left < length {
            return (month, left + 1);
        }
        left -= length;
    }
    ("Mar", 1)
}

#[cfg(test)]
mod tests;
