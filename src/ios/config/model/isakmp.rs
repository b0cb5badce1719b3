//! Phase 1: `crypto isakmp`, `crypto keyring`.

use std::fmt;
use std::net::Ipv4Addr;

use pnet::ipnetwork::Ipv4Network;

use super::{InterfaceName, Secret};
use crate::crypto::{Cipher, Group, Hash};
use crate::ios::config::{Span, Spanned};

/// Everything under `crypto isakmp`, and the keyrings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Isakmp {
    /// `crypto isakmp enable`: on unless `no crypto isakmp enable`.
    pub enabled: Spanned<bool>,
    /// `crypto isakmp default policy`: whether the built-in policies stand in when none is configured. \[R\]
    pub default_policies: Spanned<bool>,
    /// `crypto isakmp policy N`, by rising priority number, the order they are tried in.
    pub policies: Vec<IsakmpPolicy>,
    /// `crypto isakmp key`, in the order written.
    pub keys: Vec<PreSharedKey>,
    /// `crypto isakmp identity`: by default the address.
    pub identity: Spanned<IdentityKind>,
    /// `crypto isakmp keepalive`; without it DPD is answered but never asked.
    pub keepalive: Option<Spanned<Keepalive>>,
    /// `crypto isakmp nat keepalive`: seconds between NAT keepalives; none without it.
    pub nat_keepalive: Option<Spanned<u16>>,
    /// `crypto isakmp invalid-spi-recovery`: off by default.
    pub invalid_spi_recovery: Spanned<bool>,
    /// `crypto isakmp aggressive-mode disable`: aggressive mode is allowed by default.
    pub aggressive_mode: Spanned<bool>,
    /// `crypto isakmp fragmentation`: off by default.
    pub fragmentation: Spanned<bool>,
    /// `crypto isakmp xauth timeout`: seconds.
    pub xauth_timeout: Option<Spanned<u16>>,
    /// `crypto isakmp peer`, in the order written.
    pub peers: Vec<IsakmpPeer>,
    /// `crypto keyring`, in the order written.
    pub keyrings: Vec<Keyring>,
    /// `crypto isakmp profile`, in the order written.
    pub profiles: Vec<IsakmpProfile>,
    /// `crypto isakmp client configuration group`, in the order written.
    pub client_groups: Vec<ClientGroup>,
    /// `crypto isakmp client configuration address-pool local NAME`.
    pub client_address_pool: Option<Spanned<String>>,
}

impl Default for Isakmp {
    fn default() -> Self {
        Self {
            enabled: Spanned::implied(true),
            default_policies: Spanned::implied(true),
            policies: Vec::new(),
            keys: Vec::new(),
            identity: Spanned::implied(IdentityKind::Address),
            keepalive: None,
            nat_keepalive: None,
            invalid_spi_recovery: Spanned::implied(false),
            aggressive_mode: Spanned::implied(true),
            fragmentation: Spanned::implied(false),
            xauth_timeout: None,
            peers: Vec::new(),
            keyrings: Vec::new(),
            profiles: Vec::new(),
            client_groups: Vec::new(),
            client_address_pool: None,
        }
    }
}

/// A Diffie-Hellman group as the configuration numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DhGroup {
    /// A group the simulated router can compute.
    Supported(Group),
    /// One IOS knows and the simulated router does not: 19, 20, 21, 24.
    Unsupported(u16),
}

impl DhGroup {
    /// The group of that number.
    pub fn from_number(number: u16) -> Self {
        Group::from_number(number).map_or(Self::Unsupported(number), Self::Supported)
    }

    /// Its IANA number.
    pub fn number(self) -> u16 {
        match self {
            Self::Supported(group) => group.number(),
            Self::Unsupported(number) => number,
        }
    }

    /// The group, when the simulated router can compute it.
    pub fn supported(self) -> Option<Group> {
        match self {
            Self::Supported(group) => Some(group),
            Self::Unsupported(_) => None,
        }
    }
}

impl fmt::Display for DhGroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(formatter)
    }
}

/// How an ISAKMP policy has the peer prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authentication {
    /// `rsa-sig`, the default.
    RsaSignature,
    /// `rsa-encr`.
    RsaEncryption,
    /// `pre-share`.
    PreShared,
    /// `ecdsa-sig`.
    EcdsaSignature,
}

impl Authentication {
    /// The keyword.
    pub fn word(self) -> &'static str {
        match self {
            Self::RsaSignature => "rsa-sig",
            Self::RsaEncryption => "rsa-encr",
            Self::PreShared => "pre-share",
            Self::EcdsaSignature => "ecdsa-sig",
        }
    }
}

/// `crypto isakmp policy N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsakmpPolicy {
    /// The priority, 1 to 10000; the lowest is tried first.
    pub priority: u16,
    /// `encryption`; DES when no line says otherwise (facts 3.4, \[R\]).
    pub encryption: Spanned<Cipher>,
    /// `hash`; SHA-1 by default.
    pub hash: Spanned<Hash>,
    /// `authentication`; RSA signatures by default.
    pub authentication: Spanned<Authentication>,
    /// `group`; group 1 by default.
    pub group: Spanned<DhGroup>,
    /// `lifetime` in seconds; 86400 by default.
    pub lifetime: Spanned<u32>,
    /// The line that opened the policy.
    pub span: Span,
}

impl IsakmpPolicy {
    /// A policy with every value at its default (facts 3.4).
    pub fn new(priority: u16, span: Span) -> Self {
        Self {
            priority,
            encryption: Spanned::implied(Cipher::Des),
            hash: Spanned::implied(Hash::Sha1),
            authentication: Spanned::implied(Authentication::RsaSignature),
            group: Spanned::implied(DhGroup::Supported(Group::Modp768)),
            lifetime: Spanned::implied(86_400),
            span,
        }
    }
}

/// Whom a pre-shared key is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPeer {
    /// `address A [MASK]`; `0.0.0.0` alone stands for every address (facts 11.2).
    Address(Ipv4Network),
    /// `hostname H`.
    Hostname(String),
    /// `ipv6 P/LEN` or `address ipv6 P/LEN`, kept as written: the simulated router speaks IPv4.
    Ipv6(String),
}

/// A pre-shared key, global or in a keyring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreSharedKey {
    /// Whom it is for.
    pub peer: Spanned<KeyPeer>,
    /// The key.
    pub key: Spanned<Secret>,
    /// `no-xauth`: no extended authentication is asked of that peer.
    pub no_xauth: bool,
    /// The line.
    pub span: Span,
}

/// The most specific key for `peer`: the longest mask wins, a key for every address comes last (facts 4.1, \[R\]).
pub fn key_for_address(keys: &[PreSharedKey], peer: Ipv4Addr) -> Option<&PreSharedKey> {
    keys.iter()
        .filter_map(|key| match key.peer.value {
            KeyPeer::Address(network) if network.contains(peer) => Some((network.prefix(), key)),
            _ => None,
        })
        .rev()
        .max_by_key(|(length, _)| *length)
        .map(|(_, key)| key)
}

/// The key for a peer that names itself `hostname`, as aggressive mode allows (facts 4.1).
pub fn key_for_hostname<'keys>(keys: &'keys [PreSharedKey], hostname: &str) -> Option<&'keys PreSharedKey> {
    keys.iter().find(|key| matches!(&key.peer.value, KeyPeer::Hostname(name) if name.eq_ignore_ascii_case(hostname)))
}

/// What the router calls itself in phase 1: `crypto isakmp identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdentityKind {
    /// `address`: ID_IPV4_ADDR.
    Address,
    /// `hostname`: ID_FQDN, hostname and domain name.
    Hostname,
    /// `dn`: the subject of its certificate.
    DistinguishedName,
    /// `auto`.
    Auto,
}

impl IdentityKind {
    /// The keyword.
    pub fn word(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Hostname => "hostname",
            Self::DistinguishedName => "dn",
            Self::Auto => "auto",
        }
    }
}

/// When dead-peer-detection messages are sent (facts 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeepaliveMode {
    /// Only when there is traffic to send and nothing was heard; the default.
    OnDemand,
    /// Always.
    Periodic,
}

/// `crypto isakmp keepalive SECS [RETRY] [periodic]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Seconds of silence before R-U-THERE, 10 to 3600.
    pub interval: u16,
    /// Seconds between repeats, 2 to 60; 2 by default.
    pub retry: u16,
    /// On demand or periodic.
    pub mode: KeepaliveMode,
}

/// `crypto isakmp peer address A | hostname H`: what aggressive mode uses towards that peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsakmpPeer {
    /// The peer: an address or a host name.
    pub peer: PeerHost,
    /// `set aggressive-mode password`.
    pub password: Option<Spanned<Secret>>,
    /// `set aggressive-mode client-endpoint`: the identity sent.
    pub client_endpoint: Option<Spanned<Identity>>,
    /// The line that opened it.
    pub span: Span,
}

/// A peer as `set peer` names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerHost {
    /// An address.
    Address(Ipv4Addr),
    /// A host name.
    Name(String),
}

impl PeerHost {
    /// The address, when it is one.
    pub fn address(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for PeerHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Name(name) => name.fmt(formatter),
        }
    }
}

/// An identity the router is told to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `address` or `ipv4-address A`; `None` is the address of the interface.
    Address(Option<Ipv4Addr>),
    /// `fqdn [F]`; `None` is hostname and domain name.
    Fqdn(Option<String>),
    /// `user-fqdn U`.
    UserFqdn(String),
    /// `dn`.
    DistinguishedName,
}

/// `crypto keyring NAME`: keys that only the profiles naming the ring use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    /// The name.
    pub name: String,
    /// `vrf V`.
    pub vrf: Option<String>,
    /// `description`.
    pub description: Option<String>,
    /// `pre-shared-key`, in the order written.
    pub keys: Vec<PreSharedKey>,
    /// `local-address A | IF`: where the ring is valid.
    pub local_address: Option<Spanned<LocalAddress>>,
    /// The line that opened it.
    pub span: Span,
}

/// An address of the router, direct or through the interface that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAddress {
    /// The address.
    Address(Ipv4Addr),
    /// The primary address of an interface.
    Interface(InterfaceName),
}

impl fmt::Display for LocalAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Interface(name) => name.fmt(formatter),
        }
    }
}

/// What a peer must call itself for a profile to serve it: `match identity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchIdentity {
    /// `address A [M] [VRF]`.
    Address(Ipv4Network, Option<String>),
    /// `host H`: the whole FQDN.
    Host(String),
    /// `host domain D`: the end of the FQDN.
    HostDomain(String),
    /// `user U`: the whole user FQDN.
    User(String),
    /// `user domain D`: what follows the `@`.
    UserDomain(String),
    /// `group G`: ID_KEY_ID.
    Group(String),
}

/// `client configuration address respond | initiate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientAddressing {
    /// Mode configuration waits for the client's request.
    Respond,
    /// Mode configuration is pushed.
    Initiate,
}

impl ClientAddressing {
    /// The keyword.
    pub fn word(self) -> &'static str {
        match self {
            Self::Respond => "respond",
            Self::Initiate => "initiate",
        }
    }
}

/// The Easy VPN server's part of a profile or a crypto map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// `client authentication list L`: extended authentication is asked for.
    pub authentication_list: Option<Spanned<String>>,
    /// `isakmp authorization list L`: where client groups are looked up.
    pub authorization_list: Option<Spanned<String>>,
    /// `client configuration address respond`.
    pub respond: Option<Spanned<ClientAddressing>>,
    /// `client configuration address initiate`.
    pub initiate: Option<Spanned<ClientAddressing>>,
    /// `client configuration group G` of a profile.
    pub group: Option<Spanned<String>>,
}

/// `crypto isakmp profile NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsakmpProfile {
    /// The name.
    pub name: String,
    /// `description`.
    pub description: Option<String>,
    /// `vrf V`.
    pub vrf: Option<Spanned<String>>,
    /// `keyring K [K ...]`; several lines add up.
    pub keyrings: Vec<Spanned<String>>,
    /// `self-identity`; without it the global identity.
    pub self_identity: Option<Spanned<Identity>>,
    /// `match identity`, in the order written.
    pub match_identity: Vec<Spanned<MatchIdentity>>,
    /// `keepalive N retry M`.
    pub keepalive: Option<Spanned<Keepalive>>,
    /// `local-address A | IF`.
    pub local_address: Option<Spanned<LocalAddress>>,
    /// `virtual-template N`.
    pub virtual_template: Option<Spanned<u32>>,
    /// `initiate mode aggressive`.
    pub initiate_aggressive: Spanned<bool>,
    /// The Easy VPN server's part.
    pub client: ClientSettings,
    /// The line that opened it.
    pub span: Span,
}

impl IsakmpProfile {
    /// An empty profile.
    pub fn new(name: impl Into<String>, span: Span) -> Self {
        Self {
            name: name.into(),
            description: None,
            vrf: None,
            keyrings: Vec::new(),
            self_identity: None,
            match_identity: Vec::new(),
            keepalive: None,
            local_address: None,
            virtual_template: None,
            initiate_aggressive: Spanned::implied(false),
            client: ClientSettings::default(),
            span,
        }
    }
}

/// `crypto isakmp client configuration group NAME`: what an Easy VPN client of that group gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientGroup {
    /// The name, or `default`.
    pub name: String,
    /// `key K`: the group's pre-shared key.
    pub key: Option<Spanned<Secret>>,
    /// `pool P`: the `ip local pool` addresses come from.
    pub pool: Option<Spanned<String>>,
    /// `dns A [B]`.
    pub dns: Vec<Ipv4Addr>,
    /// `wins A [B]`.
    pub wins: Vec<Ipv4Addr>,
    /// `domain D`.
    pub domain: Option<String>,
    /// `acl N`: the access list of split tunnelling.
    pub acl: Option<Spanned<String>>,
    /// `netmask M`.
    pub netmask: Option<Ipv4Addr>,
    /// `save-password`.
    pub save_password: bool,
    /// `pfs`.
    pub pfs: bool,
    /// `include-local-lan`.
    pub include_local_lan: bool,
    /// `group-lock`.
    pub group_lock: bool,
    /// `split-dns D`, in the order written.
    pub split_dns: Vec<String>,
    /// `backup-gateway A`, in the order written.
    pub backup_gateways: Vec<String>,
    /// `max-users N`.
    pub max_users: Option<u32>,
    /// `max-logins N`.
    pub max_logins: Option<u32>,
    /// `banner`.
    pub banner: Option<String>,
    /// The line that opened it.
    pub span: Span,
}
