//! Access lists: what a packet or a quick-mode proposal meets in them, as pure functions.
//!
//! The same list serves three masters on IOS: a packet filter (`ip access-group`), the selection for address translation
//! (`ip nat inside source list`) and the traffic a crypto map protects (`match address`). For the last one its permit
//! entries are also the proxy identities of quick mode; see [`ProxyPair`].

mod matching;
mod names;
mod proxy;

pub use matching::{AddressMatch, IcmpMatch, PacketKey, PortMatch, Protocol};
pub(in crate::ios) use names::{icmp_keyword, port_keyword};
pub use names::{icmp_name, icmp_number, port_name, port_number, protocol_name, protocol_number};
pub use proxy::{Cover, NotExpressible, ProxyPair};

use super::config::Span;

/// Standard lists look at the source alone, extended ones at protocol, both addresses and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AclKind {
    /// `access-list 1-99 | 1300-1999`, `ip access-list standard`.
    Standard,
    /// `access-list 100-199 | 2000-2699`, `ip access-list extended`.
    Extended,
}

impl AclKind {
    /// The kind a list of that number has; `None` when the number names no IP list (facts 11.2).
    pub fn of_number(number: u32) -> Option<Self> {
        match number {
            1..=99 | 1300..=1999 => Some(Self::Standard),
            100..=199 | 2000..=2699 => Some(Self::Extended),
            _ => None,
        }
    }

    /// The keyword: `standard` or `extended`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Extended => "extended",
        }
    }
}

/// What an entry does with what it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `permit`: forward, translate or protect.
    Permit,
    /// `deny`: drop, leave untranslated or unprotected.
    Deny,
}

impl Action {
    /// The keyword: `permit` or `deny`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

/// One access list, numbered or named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessList {
    /// The name, or the number in decimal. Case counts.
    pub name: String,
    /// Standard or extended.
    pub kind: AclKind,
    /// Entries and remarks in the order they are tested and shown.
    pub lines: Vec<AclLine>,
    /// The first line that named the list.
    pub span: Span,
}

/// A line of an access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AclLine {
    /// `remark ...`: no effect.
    Remark(String),
    /// `permit ...` or `deny ...`.
    Ace(Ace),
}

/// An access control entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ace {
    /// The sequence number, 10, 20, 30 ... unless written.
    pub sequence: u32,
    /// What it does with what it matches.
    pub action: Action,
    /// The IP protocol; [`Protocol::Any`] for `ip` and in standard lists.
    pub protocol: Protocol,
    /// The source address.
    pub source: AddressMatch,
    /// The source port, for TCP and UDP.
    pub source_ports: PortMatch,
    /// The destination address; `any` in standard lists.
    pub destination: AddressMatch,
    /// The destination port, for TCP and UDP.
    pub destination_ports: PortMatch,
    /// The ICMP type and code, for ICMP.
    pub icmp: Option<IcmpMatch>,
    /// `established`: only TCP segments with ACK or RST set.
    pub established: bool,
    /// `log` or `log-input`: a match is written to the log.
    pub log: bool,
    /// The words of the entry.
    pub span: Span,
}

/// What a list says to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'acl> {
    /// Permit or deny.
    pub action: Action,
    /// The entry that decided; `None` for the implicit `deny` at the end of every list.
    pub ace: Option<&'acl Ace>,
}

impl AccessList {
    /// An empty list.
    pub fn new(name: impl Into<String>, kind: AclKind, span: Span) -> Self {
        Self { name: name.into(), kind, lines: Vec::new(), span }
    }

    /// Adds an entry; `sequence` places it, else it goes ten after the last one.
    ///
    /// An entry with a sequence number already taken replaces the old one, one that says the same as an entry already
    /// there is dropped, as IOS does without a message. \[R\]
    pub fn insert(&mut self, mut ace: Ace, sequence: Option<u32>) {
        if self.entries().any(|other| other.says_the_same(&ace)) {
            return;
        }
        let last = self.entries().last().map_or(0, |ace| ace.sequence);
        ace.sequence = sequence.unwrap_or(last.saturating_add(10));
        let place =
            self.lines.iter().position(|line| matches!(line, AclLine::Ace(other) if other.sequence >= ace.sequence));
        match place {
            Some(place) if matches!(&self.lines[place], AclLine::Ace(other) if other.sequence == ace.sequence) => {
                self.lines[place] = AclLine::Ace(ace);
            }
            Some(place) => self.lines.insert(place, AclLine::Ace(ace)),
            None => self.lines.push(AclLine::Ace(ace)),
        }
    }

    /// Removes the entries for which `unwanted` holds; whether there was one.
    pub fn remove(&mut self, unwanted: impl Fn(&Ace) -> bool) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| !matches!(line, AclLine::Ace(ace) if unwanted(ace)));
        self.lines.len() != before
    }

    /// The entries in the order they are tested.
    pub fn entries(&self) -> impl Iterator<Item = &Ace> {
        self.lines.iter().filter_map(|line| match line {
            AclLine::Ace(ace) => Some(ace),
            AclLine::Remark(_) => None,
        })
    }

    /// Whether the list holds no entry. IOS then filters nothing, as if the list did not exist. \[R\]
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// The first entry that matches `packet` decides; none is a deny.
    pub fn evaluate(&self, packet: &PacketKey) -> Decision<'_> {
        let ace = self.entries().find(|ace| ace.matches(packet));
        Decision { action: ace.map_or(Action::Deny, |ace| ace.action), ace }
    }

    /// The number of a numbered list.
    pub fn number(&self) -> Option<u32> {
        self.name.parse().ok().filter(|&number| AclKind::of_number(number).is_some())
    }
}

impl Ace {
    /// `permit ip any any`, for building others from.
    pub fn permit_any(span: Span) -> Self {
        Self {
            sequence: 10,
            action: Action::Permit,
            protocol: Protocol::Any,
            source: AddressMatch::ANY,
            source_ports: PortMatch::Any,
            destination: AddressMatch::ANY,
            destination_ports: PortMatch::Any,
            icmp: None,
            established: false,
            log: false,
            span,
        }
    }

    /// Whether `packet` meets every condition of the entry.
    ///
    /// A later fragment has no ports: a permit entry matches it on addresses and protocol alone, a deny entry that asks
    /// for ports does not match. \[R\]
    pub fn matches(&self, packet: &PacketKey) -> bool {
        if !(self.protocol.matches(packet.protocol)
            && self.source.matches(packet.source)
            && self.destination.matches(packet.destination))
        {
            return false;
        }
        if packet.later_fragment && self.has_upper_layer_conditions() {
            return self.action == Action::Permit;
        }
        self.source_ports.matches(packet.source_port)
            && self.destination_ports.matches(packet.destination_port)
            && self.icmp.is_none_or(|icmp| icmp.matches(packet.icmp))
            && (!self.established || packet.established)
    }

    /// The entry as it reads from the other end: source and destination exchanged.
    pub fn mirror(&self) -> Self {
        Self {
            source: self.destination,
            source_ports: self.destination_ports.clone(),
            destination: self.source,
            destination_ports: self.source_ports.clone(),
            ..self.clone()
        }
    }

    /// Whether both entries have the same words, their sequence numbers and `log` aside.
    pub fn says_the_same(&self, other: &Self) -> bool {
        Self { sequence: 0, log: false, ..self.clone() } == Self { sequence: 0, log: false, ..other.clone() }
    }

    fn has_upper_layer_conditions(&self) -> bool {
        self.source_ports != PortMatch::Any
            || self.destination_ports != PortMatch::Any
            || self.icmp.is_some()
            || self.established
    }
}

#[cfg(test)]
mod tests;
