//! The typed configuration.

mod interface;
mod interface_name;
mod ipsec;
mod isakmp;

use std::fmt;
use std::net::Ipv4Addr;

pub use interface::{
    Interface, InterfaceAddress, Nat, NatPool, NatRule, NatSelection, NatSide, NatTarget, NatTransport, RouteMapEntry,
    StaticRoute, TunnelMode, TunnelProtection, TunnelSettings,
};
pub use interface_name::InterfaceName;
pub use ipsec::{
    CryptoMap, CryptoMapEntry, DfBit, DynamicMap, DynamicMapEntry, EntryKind, Ipsec, IpsecProfile, MapPeer,
    MapSettings, ReplayWindow, ReverseRoute, Transform, TransformMode, TransformSet, VolumeLifetime,
};
pub use isakmp::{
    Authentication, ClientAddressing, ClientGroup, ClientSettings, DhGroup, Identity, IdentityKind, Isakmp, IsakmpPeer,
    IsakmpPolicy, IsakmpProfile, Keepalive, KeepaliveMode, KeyPeer, Keyring, LocalAddress, MatchIdentity, PeerHost,
    PreSharedKey, key_for_address, key_for_hostname,
};

use super::{Span, Spanned};
use crate::diag::Source;
use crate::ios::acl::{AccessList, Action, PacketKey};

/// A secret as the configuration holds it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Readable, type 0 or no type.
    Plain(String),
    /// Encrypted with the given type (`6`, `7`, `5` ...), not readable here.
    Encrypted(u8, String),
}

impl Secret {
    /// The bytes of the secret; `None` when only its encrypted form is known.
    pub fn plain(&self) -> Option<&str> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Encrypted(..) => None,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(_) => formatter.write_str("Plain(..)"),
            Self::Encrypted(kind, _) => write!(formatter, "Encrypted({kind}, ..)"),
        }
    }
}

/// `username NAME [privilege N] password | secret ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The privilege level; 1 by default.
    pub privilege: u8,
    /// The password; a type 0 `secret` is readable too.
    pub password: Option<Secret>,
    /// Whether the keyword was `secret`.
    pub is_secret: bool,
    /// The line.
    pub span: Span,
}

/// `ip local pool NAME FIRST [LAST]`: addresses for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPool {
    /// The name.
    pub name: String,
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address.
    pub last: Ipv4Addr,
    /// The line.
    pub span: Span,
}

/// How a log line begins: `service timestamps log | debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timestamps {
    /// No time stamp.
    None,
    /// `uptime`.
    Uptime,
    /// `datetime [msec] [localtime] [show-timezone] [year]`.
    Datetime {
        /// `msec`.
        msec: bool,
        /// `localtime`.
        localtime: bool,
        /// `show-timezone`.
        show_timezone: bool,
        /// `year`.
        year: bool,
    },
}

/// The `service timestamps` of both kinds of line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Of syslog messages. Absent lines mean `datetime msec`, what every release of the last twenty years writes itself.
    pub log: Spanned<Timestamps>,
    /// Of debug lines.
    pub debug: Spanned<Timestamps>,
    /// `service sequence-numbers`.
    pub sequence_numbers: Spanned<bool>,
}

impl Default for Service {
    fn default() -> Self {
        let datetime = Timestamps::Datetime { msec: true, localtime: false, show_timezone: false, year: false };
        Self {
            log: Spanned::implied(datetime),
            debug: Spanned::implied(datetime),
            sequence_numbers: Spanned::implied(false),
        }
    }
}

/// `logging`, as far as it decides where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logging {
    /// `logging console`; on by default.
    pub console: Spanned<bool>,
    /// `logging buffered`: the size of the buffer in bytes, 4096 when the line gives none. \[R\]
    pub buffered: Option<Spanned<u32>>,
    /// `logging host`, in the order written.
    pub hosts: Vec<Spanned<Ipv4Addr>>,
}

impl Default for Logging {
    fn default() -> Self {
        Self { console: Spanned::implied(true), buffered: None, hosts: Vec::new() }
    }
}

/// A running configuration: what the simulated router has been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningConfig {
    /// `hostname`; `Router` by default.
    pub hostname: Spanned<String>,
    /// `ip domain name`.
    pub domain_name: Option<Spanned<String>>,
    /// `service`.
    pub service: Service,
    /// `logging`.
    pub logging: Logging,
    /// Interfaces in the order they first appear.
    pub interfaces: Vec<Interface>,
    /// `ip route`, in the order written.
    pub routes: Vec<StaticRoute>,
    /// Access lists in the order they first appear.
    pub access_lists: Vec<AccessList>,
    /// Address translation.
    pub nat: Nat,
    /// `route-map`, by name and sequence in the order written.
    pub route_maps: Vec<RouteMapEntry>,
    /// Phase 1.
    pub isakmp: Isakmp,
    /// Phase 2.
    pub ipsec: Ipsec,
    /// `username`, in the order written.
    pub users: Vec<User>,
    /// `ip local pool`, in the order written.
    pub local_pools: Vec<LocalPool>,
    /// `aaa new-model`.
    pub aaa_new_model: Spanned<bool>,
    /// The texts the spans point into, in the order they were read.
    pub sources: Sources,
}

/// The texts of a configuration; like [`Span`]s they take no part in comparisons.
#[derive(Clone, Debug, Default)]
pub struct Sources(Vec<Source>);

impl PartialEq for Sources {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Sources {}

impl Sources {
    /// Adds a text; its number is what spans into it carry.
    pub fn add(&mut self, source: Source) -> usize {
        self.0.push(source);
        self.0.len() - 1
    }

    /// The texts in the order they were read.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.0.iter()
    }

    /// The text and byte range of a span; `None` for a default.
    pub fn place(&self, span: Span) -> Option<(Source, std::ops::Range<usize>)> {
        Some((self.0.get(span.source()?)?.clone(), span.range()))
    }

    /// The words a span covers; empty for a default.
    pub fn text(&self, span: Span) -> &str {
        span.source()
            .and_then(|source| self.0.get(source))
            .and_then(|source| source.text.get(span.range()))
            .unwrap_or("")
    }

    /// The one-based line a span begins on; `None` for a default.
    pub fn line(&self, span: Span) -> Option<usize> {
        let source = self.0.get(span.source()?)?;
        Some(source.line_column(span.range().start).0)
    }
}

impl Default for RunningConfig {
    fn default() -> Self {
        Self {
            hostname: Spanned::implied("Router".to_owned()),
            domain_name: None,
            service: Service::default(),
            logging: Logging::default(),
            interfaces: Vec::new(),
            routes: Vec::new(),
            access_lists: Vec::new(),
            nat: Nat::default(),
            route_maps: Vec::new(),
            isakmp: Isakmp::default(),
            ipsec: Ipsec::default(),
            users: Vec::new(),
            local_pools: Vec::new(),
            aaa_new_model: Spanned::implied(false),
            sources: Sources::default(),
        }
    }
}

impl RunningConfig {
    /// The interface of that name.
    pub fn interface(&self, name: &InterfaceName) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.name == *name)
    }

    /// The access list of that name or number.
    pub fn access_list(&self, name: &str) -> Option<&AccessList> {
        self.access_lists.iter().find(|list| list.name == name)
    }

    /// The transform set of that name.
    pub fn transform_set(&self, name: &str) -> Option<&TransformSet> {
        self.ipsec.transform_sets.iter().find(|set| set.name.value == name)
    }

    /// The crypto map of that name.
    pub fn crypto_map(&self, name: &str) -> Option<&CryptoMap> {
        self.ipsec.maps.iter().find(|map| map.name == name)
    }

    /// The dynamic crypto map of that name.
    pub fn dynamic_map(&self, name: &str) -> Option<&DynamicMap> {
        self.ipsec.dynamic_maps.iter().find(|map| map.name == name)
    }

    /// The IPsec profile of that name.
    pub fn ipsec_profile(&self, name: &str) -> Option<&IpsecProfile> {
        self.ipsec.profiles.iter().find(|profile| profile.name == name)
    }

    /// The ISAKMP profile of that name.
    pub fn isakmp_profile(&self, name: &str) -> Option<&IsakmpProfile> {
        self.isakmp.profiles.iter().find(|profile| profile.name == name)
    }

    /// The keyring of that name.
    pub fn keyring(&self, name: &str) -> Option<&Keyring> {
        self.isakmp.keyrings.iter().find(|keyring| keyring.name == name)
    }

    /// The client group of that name, else the group `default`.
    pub fn client_group(&self, name: &str) -> Option<&ClientGroup> {
        let groups = &self.isakmp.client_groups;
        groups.iter().find(|group| group.name == name).or_else(|| groups.iter().find(|group| group.name == "default"))
    }

    /// The pool of that name.
    pub fn local_pool(&self, name: &str) -> Option<&LocalPool> {
        self.local_pools.iter().find(|pool| pool.name == name)
    }

    /// The address an [`LocalAddress`] stands for.
    pub fn local_address(&self, local: &LocalAddress) -> Option<Ipv4Addr> {
        match local {
            LocalAddress::Address(address) => Some(*address),
            LocalAddress::Interface(name) => self.interface_address(name),
        }
    }

    /// The primary address of an interface, followed through `ip unnumbered` once.
    pub fn interface_address(&self, name: &InterfaceName) -> Option<Ipv4Addr> {
        match &self.interface(name)?.address.as_ref()?.value {
            InterfaceAddress::Static(network) => Some(network.ip()),
            InterfaceAddress::Unnumbered(other) => Some(self.interface(other)?.primary()?.ip()),
            InterfaceAddress::Dhcp | InterfaceAddress::Negotiated => None,
        }
    }

    /// What `ip access-group NAME` does to a packet: a list that is undefined or empty permits everything. \[R\]
    pub fn filter(&self, name: &str, packet: &PacketKey) -> Action {
        match self.access_list(name) {
            Some(list) if !list.is_empty() => list.evaluate(packet).action,
            _ => Action::Permit,
        }
    }

    /// Whether a route map takes a packet: the first entry whose lists permit it decides; none is a no.
    ///
    /// An entry without `match ip address` takes everything; one with other conditions takes nothing.
    pub fn route_map_permits(&self, name: &str, packet: &PacketKey) -> bool {
        let mut entries: Vec<_> = self.route_maps.iter().filter(|entry| entry.name == name).collect();
        entries.sort_by_key(|entry| entry.sequence);
        let matching = entries.into_iter().find(|entry| {
            entry.other_matches.is_empty()
                && (entry.match_acls.is_empty()
                    || entry.match_acls.iter().any(|acl| {
                        self.access_list(acl).is_some_and(|list| list.evaluate(packet).action == Action::Permit)
                    }))
        });
        matching.is_some_and(|entry| entry.action == Action::Permit)
    }

    /// Hostname and domain name, as `crypto isakmp identity hostname` sends them (facts 4.3, \[R\]).
    pub fn fqdn(&self) -> String {
        match &self.domain_name {
            Some(domain) => format!("{}.{domain}", self.hostname),
            None => self.hostname.value.clone(),
        }
    }

    /// The text and byte range of a span; `None` for a default.
    pub fn place(&self, span: Span) -> Option<(Source, std::ops::Range<usize>)> {
        self.sources.place(span)
    }
}
