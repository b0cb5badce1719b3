//! Interfaces, static routes, address translation.

use std::net::Ipv4Addr;

use pnet::ipnetwork::Ipv4Network;

use super::{InterfaceName, LocalAddress};
use crate::ios::acl::Action;
use crate::ios::config::{Span, Spanned};

/// How an interface comes by its primary address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceAddress {
    /// `ip address A M`: the address with its prefix, host bits kept.
    Static(Ipv4Network),
    /// `ip address dhcp`.
    Dhcp,
    /// `ip address negotiated`: by PPP.
    Negotiated,
    /// `ip unnumbered IF`: the address of another interface.
    Unnumbered(InterfaceName),
}

/// Which side of address translation an interface is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatSide {
    /// `ip nat inside`.
    Inside,
    /// `ip nat outside`.
    Outside,
}

impl NatSide {
    /// The keyword.
    pub fn word(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }
}

/// `tunnel mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelMode {
    /// `gre ip`, the default.
    Gre,
    /// `gre multipoint`: DMVPN; kept, not acted upon.
    GreMultipoint,
    /// `ipsec ipv4`: a virtual tunnel interface.
    IpsecIpv4,
    /// `ipip`: kept, not acted upon.
    IpIp,
}

impl TunnelMode {
    /// The words after `tunnel mode`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Gre => "gre ip",
            Self::GreMultipoint => "gre multipoint",
            Self::IpsecIpv4 => "ipsec ipv4",
            Self::IpIp => "ipip",
        }
    }
}

/// `tunnel protection ipsec profile P`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelProtection {
    /// The IPsec profile.
    pub profile: String,
    /// `shared`: several tunnels with one source share the SAs.
    pub shared: bool,
}

/// The tunnel lines of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TunnelSettings {
    /// `tunnel source A | IF`.
    pub source: Option<Spanned<LocalAddress>>,
    /// `tunnel destination A | H`.
    pub destination: Option<Spanned<super::PeerHost>>,
    /// `tunnel mode`; GRE by default.
    pub mode: Option<Spanned<TunnelMode>>,
    /// `tunnel protection`.
    pub protection: Option<Spanned<TunnelProtection>>,
    /// `tunnel key`.
    pub key: Option<Spanned<u32>>,
}

/// `interface NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The canonical name.
    pub name: InterfaceName,
    /// `description`.
    pub description: Option<String>,
    /// The primary address; `None` is `no ip address`.
    pub address: Option<Spanned<InterfaceAddress>>,
    /// `ip address A M secondary`, in the order written.
    pub secondary: Vec<Spanned<Ipv4Network>>,
    /// `shutdown`. A text that says neither leaves the interface up, as `show running-config` of a used port does.
    pub shutdown: Spanned<bool>,
    /// `mtu` in bytes.
    pub mtu: Option<Spanned<u16>>,
    /// `ip mtu` in bytes.
    pub ip_mtu: Option<Spanned<u16>>,
    /// `ip tcp adjust-mss` in bytes.
    pub tcp_mss: Option<Spanned<u16>>,
    /// `ip access-group N in`.
    pub access_group_in: Option<Spanned<String>>,
    /// `ip access-group N out`.
    pub access_group_out: Option<Spanned<String>>,
    /// `ip nat inside | outside`.
    pub nat: Option<Spanned<NatSide>>,
    /// `crypto map NAME`.
    pub crypto_map: Option<Spanned<String>>,
    /// `encapsulation dot1q N` of a sub-interface.
    pub vlan: Option<Spanned<u16>>,
    /// The tunnel lines.
    pub tunnel: TunnelSettings,
    /// The line that opened it.
    pub span: Span,
}

impl Interface {
    /// An interface without an address, up.
    pub fn new(name: InterfaceName, span: Span) -> Self {
        Self {
            name,
            description: None,
            address: None,
            secondary: Vec::new(),
            shutdown: Spanned::implied(false),
            mtu: None,
            ip_mtu: None,
            tcp_mss: None,
            access_group_in: None,
            access_group_out: None,
            nat: None,
            crypto_map: None,
            vlan: None,
            tunnel: TunnelSettings::default(),
            span,
        }
    }

    /// The primary address, when it is written in the configuration.
    pub fn primary(&self) -> Option<Ipv4Network> {
        match self.address.as_ref()?.value {
            InterfaceAddress::Static(network) => Some(network),
            _ => None,
        }
    }

    /// Every written address, the primary one first.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Network> {
        self.primary().into_iter().chain(self.secondary.iter().map(|secondary| secondary.value))
    }
}

/// `ip route NETWORK MASK [IF] [NEXTHOP] [DISTANCE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// The destination, host bits zero.
    pub network: Ipv4Network,
    /// The outgoing interface, when written.
    pub interface: Option<InterfaceName>,
    /// The next hop, when written.
    pub next_hop: Option<Ipv4Addr>,
    /// The administrative distance, 1 to 255; 1 by default.
    pub distance: u8,
    /// `permanent`.
    pub permanent: bool,
    /// `name N`.
    pub name: Option<String>,
    /// The line.
    pub span: Span,
}

/// `ip nat pool NAME FIRST LAST netmask M | prefix-length L`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatPool {
    /// The name.
    pub name: String,
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address.
    pub last: Ipv4Addr,
    /// The prefix length of the mask.
    pub prefix_length: u8,
    /// The line.
    pub span: Span,
}

/// Which packets an `ip nat inside source` rule translates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatSelection {
    /// `list ACL`.
    List(Spanned<String>),
    /// `route-map NAME`.
    RouteMap(Spanned<String>),
}

/// What a dynamic translation turns the source into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatTarget {
    /// `interface IF`: its primary address.
    Interface(Spanned<InterfaceName>),
    /// `pool NAME`.
    Pool(Spanned<String>),
}

/// The transport protocol of a port translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatTransport {
    /// `tcp`.
    Tcp,
    /// `udp`.
    Udp,
}

/// `ip nat inside source ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatRule {
    /// `list | route-map ... interface | pool ... [overload]`.
    Dynamic {
        /// Which packets.
        selection: NatSelection,
        /// Their new source.
        target: NatTarget,
        /// `overload`: ports are translated too. An interface target always overloads.
        overload: bool,
    },
    /// `static LOCAL GLOBAL`.
    Static {
        /// The inside local address.
        local: Ipv4Addr,
        /// The inside global address.
        global: LocalAddress,
        /// `static tcp | udp LOCAL PORT GLOBAL PORT`: protocol, local port, global port.
        ports: Option<(NatTransport, u16, u16)>,
        /// `route-map NAME`.
        route_map: Option<Spanned<String>>,
        /// `extendable`.
        extendable: bool,
    },
    /// `static network LOCAL GLOBAL MASK`.
    StaticNetwork {
        /// The inside local network.
        local: Ipv4Network,
        /// The inside global network.
        global: Ipv4Network,
    },
}

/// Address translation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// `ip nat inside source`, in the order written.
    pub rules: Vec<Spanned<NatRule>>,
    /// `ip nat pool`, in the order written.
    pub pools: Vec<NatPool>,
}

/// `route-map NAME permit | deny SEQ`, as far as `match ip address` goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMapEntry {
    /// The name.
    pub name: String,
    /// Permit or deny.
    pub action: Action,
    /// The sequence number.
    pub sequence: u16,
    /// `match ip address ACL [ACL ...]`: any of them.
    pub match_acls: Vec<Spanned<String>>,
    /// The other `match` lines without that word, which the simulated router does not evaluate.
    pub other_matches: Vec<String>,
    /// The line that opened it.
    pub span: Span,
}
