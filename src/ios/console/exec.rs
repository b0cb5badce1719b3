//! EXEC commands: keywords cut as IOS lets them be, the caret where IOS puts it.
//!
//! [`parse`] says what a line asks for; the router does it. Words and their order are those of the command references;
//! a command is here when the simulated router can answer it.

use std::net::Ipv4Addr;

use super::show::Show;
use super::{Console, Settings};
use crate::ios::config::grammar::{self, Arg, Element, Fit, Mismatch, Pattern, Value};
use crate::ios::config::lexer::Line;

use Element::{Int, InterfaceKind, InterfaceName as Interface, InterfaceNumber, Ip, Kw, OneOf, Opt, Rest, Word};

/// What a line at the prompt asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Show something, through a filter.
    Show(Show, Option<Filter>),
    /// Delete SAs.
    Clear(Clear),
    /// Switch debug messages.
    Debug {
        /// Which; `None` for all.
        what: Option<Debug>,
        /// On or off.
        on: bool,
    },
    /// Send ICMP echoes.
    Ping(Ping),
    /// Enter configuration mode.
    ConfigureTerminal,
    /// Restart the router.
    Reload,
    /// Known, and without effect on the simulated router: `terminal length 0`, `write memory`.
    NoEffect,
}

/// `clear`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clear {
    /// `clear crypto sa`: IPsec SAs, all or those with a peer or of a crypto map.
    IpsecSas {
        /// Only with this peer.
        peer: Option<Ipv4Addr>,
        /// Only of this crypto map.
        map: Option<String>,
    },
    /// `clear crypto sa counters`.
    Counters,
    /// `clear crypto isakmp`: ISAKMP SAs, all or the one of a connection id.
    IsakmpSas {
        /// Only this one.
        connection: Option<u32>,
    },
    /// `clear crypto session`: both, all or those with a peer.
    Session {
        /// Only with this peer.
        remote: Option<Ipv4Addr>,
    },
    /// `clear ip nat translation *`.
    Translations,
    /// `clear access-list counters`.
    AccessListCounters,
}

/// What can be debugged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debug {
    /// `crypto isakmp`.
    Isakmp,
    /// `crypto ipsec`.
    Ipsec,
}

/// `ping`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// To where.
    pub destination: Ipv4Addr,
    /// From where; by default the address of the interface the packets leave by.
    pub source: Option<PingSource>,
    /// How many echoes; 5 by default.
    pub repeat: u32,
    /// Octets of each packet, IP header included; 100 by default.
    pub size: u16,
    /// Seconds to wait for each answer; 2 by default.
    pub timeout: u16,
    /// `df-bit`.
    pub dont_fragment: bool,
}

/// Where a ping comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PingSource {
    /// An own address.
    Address(Ipv4Addr),
    /// The address of an interface.
    Interface(String),
}

/// What stands behind `|`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is done with lines that match.
    pub kind: FilterKind,
    /// What is looked for: words with `|` between them, `^` and `$` for the ends of a line.
    pub pattern: String,
}

/// What a filter does with lines that match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// `include`: only they remain.
    Include,
    /// `exclude`: they go.
    Exclude,
    /// `begin`: all from the first of them on.
    Begin,
    /// `section`: they and the indented lines under them.
    Section,
}

type Make = fn(&Args) -> Command;

/// The commands. Keywords are whole here; on the line they may be cut.
const COMMANDS: &[(&[Element], Make)] = &[
    (&[Kw("show"), Kw("access-lists"), Opt(&[Word("name")])], |args| show(Show::AccessLists(args.text("name")))),
    (&[Kw("show"), Kw("ip"), Kw("access-lists"), Opt(&[Word("name")])], |args| {
        show(Show::AccessLists(args.text("name")))
    }),
    (&[Kw("show"), Kw("crypto"), Kw("engine"), Kw("connections"), Kw("active")], |_| show(Show::EngineConnections)),
    (
        &[
            Kw("show"),
            Kw("crypto"),
            Kw("ipsec"),
            Kw("sa"),
            Opt(&[Kw("peer"), Ip("peer")]),
            INTERFACE,
            Opt(&[Kw("detail")]),
        ],
        |args| {
            let (peer, interface) = (args.ip("peer"), args.interface());
            show(Show::IpsecSa { peer, interface, detail: args.has("detail") })
        },
    ),
    (&[Kw("show"), Kw("crypto"), Kw("ipsec"), Kw("transform-set"), Opt(&[Word("name")])], |args| {
        show(Show::TransformSets(args.text("name")))
    }),
    (&[Kw("show"), Kw("crypto"), Kw("isakmp"), Kw("default"), Kw("policy")], |_| show(Show::IsakmpDefaultPolicies)),
    (&[Kw("show"), Kw("crypto"), Kw("isakmp"), Kw("key")], |_| show(Show::IsakmpKeys)),
    (&[Kw("show"), Kw("crypto"), Kw("isakmp"), Kw("peers")], |_| show(Show::IsakmpPeers)),
    (&[Kw("show"), Kw("crypto"), Kw("isakmp"), Kw("policy")], |_| show(Show::IsakmpPolicies)),
    (&[Kw("show"), Kw("crypto"), Kw("isakmp"), Kw("sa"), Opt(&[Kw("detail")])], |args| {
        show(Show::IsakmpSa { detail: args.has("detail") })
    }),
    (&[Kw("show"), Kw("crypto"), Kw("map"), Opt(&[Kw("tag"), Word("name")])], |args| {
        show(Show::CryptoMap(args.text("name")))
    }),
    (&[Kw("show"), Kw("crypto"), Kw("session"), Opt(&[Kw("remote"), Ip("peer")]), Opt(&[Kw("detail")])], |args| {
        show(Show::Session { remote: args.ip("peer"), detail: args.has("detail") })
    }),
    (&[Kw("show"), Kw("debugging")], |_| show(Show::Debugging)),
    (&[Kw("show"), Kw("ip"), Kw("interface"), Kw("brief")], |_| show(Show::InterfaceBrief)),
    (&[Kw("show"), Kw("ip"), Kw("route")], |_| show(Show::Route)),
    (&[Kw("show"), Kw("running-config")], |_| show(Show::RunningConfig)),
    (&[Kw("show"), Kw("version")], |_| show(Show::Version)),
    (&[Kw("clear"), Kw("access-list"), Kw("counters")], |_| Command::Clear(Clear::AccessListCounters)),
    (&[Kw("clear"), Kw("crypto"), Kw("isakmp"), Opt(&[Int("connection", 0, u32::MAX as u64)])], |args| {
        Command::Clear(Clear::IsakmpSas { connection: args.number("connection") })
    }),
    (&[Kw("clear"), Kw("crypto"), Kw("sa"), Kw("counters")], |_| Command::Clear(Clear::Counters)),
    (
        &[Kw("clear"), Kw("crypto"), Kw("sa"), Opt(&[OneOf(&[&[Kw("peer"), Ip("peer")], &[Kw("map"), Word("name")]])])],
        |args| Command::Clear(Clear::IpsecSas { peer: args.ip("peer"), map: args.text("name") }),
    ),
    (&[Kw("clear"), Kw("crypto"), Kw("session"), Opt(&[Kw("remote"), Ip("peer")])], |args| {
        Command::Clear(Clear::Session { remote: args.ip("peer") })
    }),
    (&[Kw("clear"), Kw("ip"), Kw("nat"), Kw("translation"), Kw("*")], |_| Command::Clear(Clear::Translations)),
    (&[Kw("debug"), Kw("crypto"), OneOf(&[&[Kw("isakmp")], &[Kw("ipsec")]])], |args| debug(args, true)),
    (&[Kw("undebug"), Kw("all")], |_| Command::Debug { what: None, on: false }),
    (&[Kw("undebug"), Kw("crypto"), OneOf(&[&[Kw("isakmp")], &[Kw("ipsec")]])], |args| debug(args, false)),
    (&[Kw("no"), Kw("debug"), Kw("all")], |_| Command::Debug { what: None, on: false }),
    (&[Kw("no"), Kw("debug"), Kw("crypto"), OneOf(&[&[Kw("isakmp")], &[Kw("ipsec")]])], |args| debug(args, false)),
    (
        &[
            Kw("ping"),
            Opt(&[Kw("ip")]),
            Ip("destination"),
            Element::Many(&[OneOf(&[
                &[
                    Kw("source"),
                    OneOf(&[
                        &[Ip("source")],
                        &[Interface("interface")],
                        &[InterfaceKind("kind"), InterfaceNumber("number")],
                    ]),
                ],
                &[Kw("repeat"), Int("repeat", 1, 2_147_483_647)],
                &[Kw("size"), Int("size", 36, 18024)],
                &[Kw("timeout"), Int("timeout", 0, 3600)],
                &[Kw("df-bit")],
            ])]),
        ],
        ping,
    ),
    (&[Kw("configure"), Kw("terminal")], |_| Command::ConfigureTerminal),
    (&[Kw("reload")], |_| Command::Reload),
    (&[Kw("terminal"), Rest("rest")], |_| Command::NoEffect),
    (&[Kw("write"), Opt(&[Kw("memory")])], |_| Command::NoEffect),
    (&[Kw("copy"), Kw("running-config"), Kw("startup-config")], |_| Command::NoEffect),
    (&[Kw("enable")], |_| Command::NoEffect),
    (&[OneOf(&[&[Kw("exit")], &[Kw("logout")], &[Kw("end")], &[Kw("disable")]])], |_| Command::NoEffect),
];

const INTERFACE: Element =
    Opt(&[Kw("interface"), OneOf(&[&[Interface("interface")], &[InterfaceKind("kind"), InterfaceNumber("number")]])]);

fn show(show: Show) -> Command {
    Command::Show(show, None)
}

fn debug(args: &Args, on: bool) -> Command {
    let what = if args.has("isakmp") { Debug::Isakmp } else { Debug::Ipsec };
    Command::Debug { what: Some(what), on }
}

fn ping(args: &Args) -> Command {
    let address = args.ip("source").map(PingSource::Address);
    Command::Ping(Ping {
        // The pattern has an address there.
        destination: args.ip("destination").unwrap_or(Ipv4Addr::UNSPECIFIED),
        source: address.or_else(|| args.interface().map(PingSource::Interface)),
        repeat: args.number("repeat").unwrap_or(5),
        size: args.number("size").unwrap_or(100),
        timeout: args.number("timeout").unwrap_or(2),
        dont_fragment: args.has("df-bit"),
    })
}

/// What a pattern took from the line.
struct Args(Vec<Arg>);

impl Args {
    fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|arg| arg.name == name).map(|arg| &arg.value)
    }

    fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|arg| arg.name == keyword && arg.value == Value::Keyword)
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn ip(&self, name: &str) -> Option<Ipv4Addr> {
        self.0.iter().rev().find_map(|arg| match arg.value {
            Value::Ip(address) if arg.name == name => Some(address),
            _ => None,
        })
    }

    fn number<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        self.0.iter().rev().find_map(|arg| match arg.value {
            Value::Int(number) if arg.name == name => T::try_from(number).ok(),
            _ => None,
        })
    }

    /// An interface in one word or two.
    fn interface(&self) -> Option<String> {
        self.text("interface").or_else(|| Some(format!("{}{}", self.text("kind")?, self.text("number")?)))
    }
}

/// What `line` asks for, typed behind a prompt of `prompt` columns.
///
/// # Errors
///
/// What IOS answers to a line it does not understand, line ends included; empty for an empty line or a comment.
pub fn parse(line: &str, prompt: usize) -> Result<Command, String> {
    let (words, filter) = match line.split_once('|') {
        Some((words, filter)) => (words, Some(filter)),
        None => (line, None),
    };
    let tokens = Line::new(words, 0, 1);
    if tokens.tokens.first().is_none_or(|token| token.text.starts_with('!')) {
        return Err(String::new());
    }
    let patterns: Vec<Pattern> = COMMANDS.iter().map(|(elements, _)| Pattern { elements, needed_by_no: 0 }).collect();
    let Fit { row, args, .. } =
        grammar::recognise(&patterns, &tokens, false).map_err(|mismatch| refusal(line, &tokens, &mismatch, prompt))?;
    let command = COMMANDS[row].1(&Args(args));
    match (command, filter) {
        (command, None) => Ok(command),
        (Command::Show(what, _), Some(text)) => {
            let filter = Filter::parse(text).ok_or_else(|| caret(prompt + words.chars().count()))?;
            Ok(Command::Show(what, Some(filter)))
        }
        (_, Some(_)) => Err(caret(prompt + words.chars().count())),
    }
}

fn refusal(line: &str, tokens: &Line<'_>, mismatch: &Mismatch, prompt: usize) -> String {
    let column = |token: usize| {
        let at = tokens.tokens.get(token).map_or(tokens.range.end, |token| token.range.start);
        prompt + line.get(..at).map_or(0, |before| before.chars().count())
    };
    match mismatch {
        Mismatch::Invalid { token: 0, .. } if tokens.tokens.len() == 1 => {
            // A single word might be a host to connect to [R].
            "% Unknown command or computer name, or unable to find computer address\n".to_owned()
        }
        Mismatch::Invalid { token, .. } => caret(column(*token)),
        Mismatch::Ambiguous { .. } => format!("% Ambiguous command:  \"{}\"\n", line.trim()),
        Mismatch::Incomplete { .. } => "% Incomplete command.\n\n".to_owned(),
    }
}

/// The caret under a column and the sentence about it.
fn caret(column: usize) -> String {
    format!("{:column$}^\n% Invalid input detected at '^' marker.\n\n", "")
}

impl Filter {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_start();
        let (word, pattern) = text.split_once(char::is_whitespace)?;
        let kinds = [
            ("include", FilterKind::Include),
            ("exclude", FilterKind::Exclude),
            ("begin", FilterKind::Begin),
            ("section", FilterKind::Section),
        ];
        let (_, kind) = kinds.iter().find(|(name, _)| name.starts_with(word))?;
        Some(Self { kind: *kind, pattern: pattern.trim_end().to_owned() })
    }

    /// The lines of `text` that pass.
    pub fn apply(&self, text: &str) -> String {
        let mut out = String::new();
        let mut state = false;
        for line in text.lines() {
            let matched = self.matches(line);
            let passes = match self.kind {
                FilterKind::Include => matched,
                FilterKind::Exclude => !matched,
                FilterKind::Begin => {
                    state |= matched;
                    state
                }
                FilterKind::Section => {
                    // What is indented belongs to the line above it.
                    state = matched || state && line.starts_with(' ');
                    state
                }
            };
            if passes {
                out += line;
                out.push('\n');
            }
        }
        out
    }

    fn matches(&self, line: &str) -> bool {
        self.pattern.split('|').any(|word| {
            let (word, at_start) = word.strip_prefix('^').map_or((word, false), |word| (word, true));
            let (word, at_end) = word.strip_suffix('$').map_or((word, false), |word| (word, true));
            match (at_start, at_end) {
                (true, true) => line == word,
                (true, false) => line.starts_with(word),
                (false, true) => line.ends_with(word),
                (false, false) => line.contains(word),
            }
        })
    }
}

impl Settings {
    /// Switches debug messages and says what IOS says to that \[S:LOG-XE3, the sentences for off R\].
    pub fn switch_debug(&mut self, what: Option<Debug>, on: bool) -> String {
        let state = if on { "on" } else { "off" };
        match what {
            Some(Debug::Isakmp) => {
                self.debug_isakmp = on;
                format!("Crypto ISAKMP debugging is {state}\n")
            }
            Some(Debug::Ipsec) => {
                self.debug_ipsec = on;
                format!("Crypto IPSEC debugging is {state}\n")
            }
            None => {
                (self.debug_isakmp, self.debug_ipsec) = (on, on);
                "All possible debugging has been turned off\n".to_owned()
            }
        }
    }
}

impl Console {
    /// What `line` asks for, typed at this console's prompt.
    ///
    /// # Errors
    ///
    /// What IOS answers to a line it does not understand; see [`parse`].
    pub fn parse(&self, line: &str) -> Result<Command, String> {
        parse(line, self.prompt().chars().count())
    }
}

/// What became of one echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// Answered after so many milliseconds.
    Answered(u32),
    /// Not answered in time.
    Lost,
    /// An unreachable came instead.
    Unreachable,
}

impl Ping {
    /// What `ping` prints \[S:LOG-XE1, LOG-XE3\]; `source` is said when it was asked for, `U` for an unreachable \[R\].
    pub fn report(&self, source: Option<Ipv4Addr>, echoes: &[Echo]) -> String {
        let Self { destination, repeat, size, timeout, .. } = self;
        let from = source
            .filter(|_| self.source.is_some())
            .map_or_else(String::new, |source| format!("Packet sent with a source address of {source} \n"));
        let marks: String = echoes.iter().map(|echo| echo.mark()).collect();
        let times =
            || echoes.iter().filter_map(|echo| if let Echo::Answered(time) = echo { Some(*time) } else { None });
        let answered = times().count();
        let percent = (100 * answered).checked_div(echoes.len()).unwrap_or(0);
        let total: u64 = times().map(u64::from).sum();
        let trip = match (times().min(), total.checked_div(answered as u64), times().max()) {
            (Some(min), Some(average), Some(max)) => format!(", round-trip min/avg/max = {min}/{average}/{max} ms"),
            _ => String::new(),
        };
        format!(
            "Type escape sequence to abort.\nSending {repeat}, {size}-byte ICMP Echos to {destination}, timeout is \
             {timeout} seconds:\n{from}{}Success rate is {percent} percent ({answered}/{}){trip}\n",
            rows(&marks),
            echoes.len(),
        )
    }
}

impl Echo {
    fn mark(self) -> char {
        match self {
            Self::Answered(_) => '!',
            Self::Lost => '.',
            Self::Unreachable => 'U',
        }
    }
}

/// The marks, 70 to a line \[R\].
fn rows(marks: &str) -> String {
    let mut out = String::new();
    for (index, mark) in marks.chars().enumerate() {
        if index > 0 && index % 70 == 0 {
            out.push('\n');
        }
        out.push(mark);
    }
    out + "\n"
}

#[cfg(test)]
mod tests;
