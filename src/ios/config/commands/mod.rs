//! The commands the router knows: one table of patterns with what each does, grouped by subject.
//!
//! Abbreviation, `no`, ambiguity, the caret and the list of supported commands all come from this table; nothing else
//! knows how a command is written. Patterns follow facts 11.1.

mod access_list;
mod interface;
mod ipsec;
mod isakmp;
mod isakmp_modes;
mod map;
mod nat;
mod quiet;
mod routing;
mod system;

use std::net::Ipv4Addr;
use std::ops::Range;

use super::grammar::{self, Arg, Element, Value};
use super::model::{InterfaceName, LocalAddress, PeerHost, RunningConfig, Secret};
use super::span::{Span, Spanned};
use crate::diag::Severity;

use Element::{InterfaceKind, InterfaceName as Interface, InterfaceNumber, OneOf};

/// Where in the configuration a line stands, and so which commands it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Privileged EXEC, after `end` and before `configure terminal`.
    Exec,
    /// `configure terminal`.
    Global,
    /// `interface`.
    Interface,
    /// `crypto isakmp policy`.
    IsakmpPolicy,
    /// `crypto isakmp profile`.
    IsakmpProfile,
    /// `crypto isakmp peer`.
    IsakmpPeer,
    /// `crypto isakmp client configuration group`.
    ClientGroup,
    /// `crypto keyring`.
    Keyring,
    /// `crypto ipsec transform-set`.
    TransformSet,
    /// `crypto ipsec profile`.
    IpsecProfile,
    /// `crypto map NAME SEQ`.
    CryptoMap,
    /// `crypto dynamic-map NAME SEQ`.
    DynamicMap,
    /// `ip access-list standard`.
    StandardAcl,
    /// `ip access-list extended`.
    ExtendedAcl,
    /// `route-map`.
    RouteMap,
    /// `crypto pki certificate chain`.
    CertificateChain,
    /// `crypto ikev2 keyring`, read over.
    Ikev2Keyring,
    /// `peer` in an IKEv2 keyring, read over.
    Ikev2Peer,
    /// Any other sub-mode, whose commands the simulated router does not know.
    Other,
}

impl Mode {
    /// What stands between the host name and `#` in the prompt. \[R\]
    pub fn prompt(self) -> &'static str {
        match self {
            Self::Exec => "",
            Self::Global => "(config)",
            Self::Interface => "(config-if)",
            Self::IsakmpPolicy => "(config-isakmp)",
            Self::IsakmpProfile => "(conf-isa-prof)",
            Self::IsakmpPeer => "(config-isakmp-peer)",
            Self::ClientGroup => "(config-isakmp-group)",
            Self::Keyring => "(conf-keyring)",
            Self::TransformSet => "(cfg-crypto-trans)",
            Self::IpsecProfile => "(ipsec-profile)",
            Self::CryptoMap | Self::DynamicMap => "(config-crypto-map)",
            Self::StandardAcl => "(config-std-nacl)",
            Self::ExtendedAcl => "(config-ext-nacl)",
            Self::RouteMap => "(config-route-map)",
            Self::CertificateChain => "(config-cert-chain)",
            Self::Ikev2Keyring => "(config-ikev2-keyring)",
            Self::Ikev2Peer => "(config-ikev2-keyring-peer)",
            Self::Other => "(config-other)",
        }
    }
}

/// The item a sub-mode edits, by its place in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    None,
    Interface(usize),
    Policy(usize),
    Profile(usize),
    Peer(usize),
    Group(usize),
    Keyring(usize),
    TransformSet(usize),
    IpsecProfile(usize),
    MapEntry(usize, usize),
    DynamicEntry(usize, usize),
    AccessList(usize),
    RouteMap(usize),
}

/// What a command does.
#[derive(Clone, Copy)]
pub(super) enum Run {
    /// Changes the model.
    Model(fn(&mut Edit<'_>, &Args<'_>)),
    /// Changes the model and, unless it gives `None`, goes into a sub-mode.
    Enter(Mode, fn(&mut Edit<'_>, &Args<'_>) -> Option<Subject>),
    /// Known, without effect on the simulated router.
    NoEffect,
    /// The same, and goes into a sub-mode.
    NoEffectMode(Mode),
    /// Known and of effect on a real router, but not simulated: why that may matter.
    NotSimulated(&'static str),
    /// The same, and goes into a sub-mode.
    NotSimulatedMode(Mode, &'static str),
    /// What follows up to `quit` is a block of hexadecimal.
    HexBlock,
    /// Goes from EXEC to configuration mode.
    Configure,
}

/// A row of the table.
#[derive(Clone, Copy)]
pub(super) struct Command {
    /// Where it may stand.
    pub(super) modes: &'static [Mode],
    /// What it looks like.
    pub(super) pattern: &'static [Element],
    /// How many elements of the pattern a `no` form needs; zero when there is none.
    pub(super) needed_by_no: usize,
    /// What it does.
    pub(super) run: Run,
}

/// A row for one mode.
const fn command(modes: &'static [Mode], pattern: &'static [Element], needed_by_no: usize, run: Run) -> Command {
    Command { modes, pattern, needed_by_no, run }
}

/// Every command.
pub(super) const COMMANDS: &[&[Command]] = &[
    system::COMMANDS,
    interface::COMMANDS,
    routing::COMMANDS,
    nat::COMMANDS,
    access_list::COMMANDS,
    isakmp::COMMANDS,
    isakmp_modes::COMMANDS,
    ipsec::COMMANDS,
    map::COMMANDS,
    quiet::COMMANDS,
];

/// Keywords under which IOS has more commands than this table: a word it does not know there is an unknown command, not
/// a wrong value.
pub(super) const OPEN_FAMILIES: &[&str] = &[
    "crypto",
    "crypto ca",
    "crypto ca certificate",
    "crypto ipsec",
    "crypto isakmp",
    "crypto isakmp client configuration",
    "crypto key",
    "crypto logging",
    "crypto map",
    "crypto pki",
    "crypto pki certificate",
    "ip",
    "ip access-list",
    "ip nat",
    "ip nat inside",
    "ip tcp",
    "match",
    "match identity",
    "set",
    "set security-association",
    "tunnel",
];

/// An interface in one word or two.
const INTERFACE: Element =
    OneOf(&[&[Interface("interface")], &[InterfaceKind("interface-kind"), InterfaceNumber("interface-number")]]);

/// The commands of a mode, in the order of the table.
pub(super) fn commands_of(mode: Mode) -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().flat_map(|group| group.iter()).filter(move |command| command.modes.contains(&mode))
}

/// Every command the model keeps, as `(mode, usage)`, for the manual.
pub fn supported() -> Vec<(Mode, String)> {
    let kept = |command: &&Command| matches!(command.run, Run::Model(_) | Run::Enter(..));
    let mut usages: Vec<(Mode, String)> = COMMANDS
        .iter()
        .flat_map(|group| group.iter())
        .filter(kept)
        .flat_map(|command| command.modes.iter().map(|mode| (*mode, grammar::usage(command.pattern))))
        .collect();
    usages.sort();
    usages
}

/// Something to tell about a line.
#[derive(Clone, Debug)]
pub(super) struct Remark {
    pub(super) severity: Severity,
    pub(super) range: Range<usize>,
    pub(super) title: String,
    pub(super) label: String,
    pub(super) help: Option<String>,
}

/// The configuration while a line changes it.
pub(super) struct Edit<'config> {
    /// What is changed.
    pub(super) config: &'config mut RunningConfig,
    /// What the sub-mode edits.
    pub(super) subject: Subject,
    /// What there is to say; an error means that the line was refused.
    pub(super) remarks: Vec<Remark>,
    /// What IOS says at the console although it takes the line.
    pub(super) reply: &'static str,
}

impl Edit<'_> {
    /// Refuses the line.
    fn reject(&mut self, range: Range<usize>, title: impl Into<String>, label: impl Into<String>) {
        self.remark(Severity::Error, range, title, label);
    }

    /// Takes the line, with a doubt.
    fn warn(&mut self, range: Range<usize>, title: impl Into<String>, label: impl Into<String>) {
        self.remark(Severity::Warning, range, title, label);
    }

    fn remark(&mut self, severity: Severity, range: Range<usize>, title: impl Into<String>, label: impl Into<String>) {
        self.remarks.push(Remark { severity, range, title: title.into(), label: label.into(), help: None });
    }
}

/// What a pattern took from a line.
pub(super) struct Args<'args> {
    pub(super) args: &'args [Arg],
    /// Whether the line began with `no` or `default`.
    pub(super) negated: bool,
    /// The number of the text.
    pub(super) source: usize,
    /// The whole line.
    pub(super) line: Range<usize>,
}

impl Args<'_> {
    /// The whole line.
    fn line_span(&self) -> Span {
        Span::new(self.source, self.line.clone())
    }

    fn span_of(&self, arg: &Arg) -> Span {
        Span::new(self.source, arg.range.clone())
    }

    /// Whether the keyword was there.
    fn has(&self, keyword: &str) -> bool {
        self.args.iter().any(|arg| arg.value == Value::Keyword && arg.name == keyword)
    }

    /// A value for the keyword that was there: the first of the table.
    fn choice<T: Copy>(&self, table: &[(&str, T)]) -> Option<Spanned<T>> {
        self.args.iter().filter(|arg| arg.value == Value::Keyword).find_map(|arg| {
            let (_, value) = table.iter().find(|(keyword, _)| *keyword == arg.name)?;
            Some(Spanned::new(*value, self.span_of(arg)))
        })
    }

    /// The first value of that name.
    fn arg(&self, name: &str) -> Option<&Arg> {
        self.args.iter().find(|arg| arg.name == name && arg.value != Value::Keyword)
    }

    /// Where the first value or keyword of that name is; the line when it is not there.
    fn range(&self, name: &str) -> Range<usize> {
        self.args.iter().find(|arg| arg.name == name).map_or(self.line.clone(), |arg| arg.range.clone())
    }

    /// Every text of that name.
    fn texts(&self, name: &str) -> impl Iterator<Item = Spanned<String>> {
        self.args.iter().filter(move |arg| arg.name == name).filter_map(|arg| match &arg.value {
            Value::Text(text) => Some(Spanned::new(text.clone(), self.span_of(arg))),
            _ => None,
        })
    }

    /// The first text of that name.
    fn text(&self, name: &str) -> Option<Spanned<String>> {
        self.texts(name).next()
    }

    /// The first number of that name, when it fits the type.
    fn int<T: TryFrom<u64>>(&self, name: &str) -> Option<Spanned<T>> {
        let arg = self.arg(name)?;
        match arg.value {
            Value::Int(number) => Some(Spanned::new(T::try_from(number).ok()?, self.span_of(arg))),
            _ => None,
        }
    }

    /// Every address of that name.
    fn ips(&self, name: &str) -> impl Iterator<Item = Spanned<Ipv4Addr>> {
        self.args.iter().filter(move |arg| arg.name == name).filter_map(|arg| match arg.value {
            Value::Ip(address) => Some(Spanned::new(address, self.span_of(arg))),
            _ => None,
        })
    }

    /// The first address of that name.
    fn ip(&self, name: &str) -> Option<Spanned<Ipv4Addr>> {
        self.ips(name).next()
    }

    /// The interface, written in one word or two.
    fn interface(&self) -> Option<Spanned<InterfaceName>> {
        if let Some(name) = self.text("interface") {
            return Some(Spanned::new(InterfaceName::parse(&name)?, name.span));
        }
        let (kind, number) = (self.text("interface-kind")?, self.text("interface-number")?);
        let range = kind.span.range().start..number.span.range().end;
        let name = InterfaceName::parse(&format!("{}{}", kind.value, number.value))?;
        Some(Spanned::new(name, Span::new(self.source, range)))
    }

    /// An address named `address`, or an interface.
    fn local_address(&self) -> Option<Spanned<LocalAddress>> {
        match self.ip("address") {
            Some(address) => Some(Spanned::new(LocalAddress::Address(address.value), address.span)),
            None => self.interface().map(|name| Spanned::new(LocalAddress::Interface(name.value), name.span)),
        }
    }

    /// An address named `address`, or a host named `host`.
    fn peer_host(&self) -> Option<Spanned<PeerHost>> {
        match self.ip("address") {
            Some(address) => Some(Spanned::new(PeerHost::Address(address.value), address.span)),
            None => self.text("host").map(|name| Spanned::new(PeerHost::Name(name.value), name.span)),
        }
    }

    /// The secret named `key`, with the type named `key-type` before it.
    fn secret(&self) -> Option<Spanned<Secret>> {
        let key = self.text("key")?;
        let secret = match self.int::<u8>("key-type") {
            Some(kind) if kind.value != 0 => Secret::Encrypted(kind.value, key.value),
            _ => Secret::Plain(key.value),
        };
        Some(Spanned::new(secret, key.span))
    }
}

/// The item `wanted` finds, made by `make` at the end when there is none; its place in `items`.
fn find_or_add<T>(items: &mut Vec<T>, wanted: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    items.iter().position(wanted).unwrap_or_else(|| {
        items.push(make());
        items.len() - 1
    })
}

/// A setting that is on or off: `no` is the opposite of `plain`.
fn toggle(setting: &mut Spanned<bool>, args: &Args<'_>, plain: bool) {
    *setting = Spanned::new(plain != args.negated, args.line_span());
}
