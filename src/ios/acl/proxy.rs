//! Access lists as the proxy identities of quick mode.

use std::fmt;

use pnet::ipnetwork::Ipv4Network;

use super::{AccessList, Ace, Action, PortMatch, Protocol};

/// The two proxy identities of a quick mode, as the router sees them.
///
/// On the wire they are IDci and IDcr; the responder's local one is IDcr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProxyPair {
    /// The IP protocol; zero for any.
    pub protocol: u8,
    /// The addresses behind this router, host bits zero.
    pub local: Ipv4Network,
    /// The local port; zero for any.
    pub local_port: u16,
    /// The addresses behind the peer, host bits zero.
    pub remote: Ipv4Network,
    /// The remote port; zero for any.
    pub remote_port: u16,
}

/// Why an entry cannot be said in one pair of quick-mode identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotExpressible {
    /// The wildcard has holes.
    #[error("its wildcard is not contiguous, which no subnet identity can say")]
    Wildcard,
    /// `range`, `lt`, `gt`, `neq` or several ports.
    #[error("it names more than one port, and an identity carries a single one")]
    Ports,
    /// An ICMP type or `established`.
    #[error("it looks at more than protocol, addresses and ports")]
    UpperLayer,
}

/// What a crypto access list says to a proposed pair (facts 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover<'acl> {
    /// A permit entry is the mirror of the proposal.
    Exact(&'acl Ace),
    /// The proposal lies inside a permit entry.
    Inside(&'acl Ace),
    /// The proposal touches a deny entry before any permit entry holds it.
    Denied(&'acl Ace),
    /// No permit entry holds it: it is wider than every entry, or outside.
    Outside,
}

impl ProxyPair {
    /// Everything between two networks.
    pub fn between(local: Ipv4Network, remote: Ipv4Network) -> Self {
        Self { protocol: 0, local: canonical(local), local_port: 0, remote: canonical(remote), remote_port: 0 }
    }

    /// The pair as the peer sees it.
    pub fn mirrored(self) -> Self {
        Self {
            protocol: self.protocol,
            local: self.remote,
            local_port: self.remote_port,
            remote: self.local,
            remote_port: self.local_port,
        }
    }

    /// Whether `other` lies inside this pair or equals it.
    pub fn contains(&self, other: &Self) -> bool {
        (self.protocol == 0 || self.protocol == other.protocol)
            && (self.local_port == 0 || self.local_port == other.local_port)
            && (self.remote_port == 0 || self.remote_port == other.remote_port)
            && other.local.is_subnet_of(self.local)
            && other.remote.is_subnet_of(self.remote)
    }
}

impl fmt::Display for ProxyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |network: Ipv4Network, port: u16| match port {
            0 => network.to_string(),
            port => format!("{network}:{port}"),
        };
        if self.protocol != 0 {
            write!(formatter, "{} ", Protocol::Number(self.protocol))?;
        }
        write!(formatter, "{} <-> {}", side(self.local, self.local_port), side(self.remote, self.remote_port))
    }
}

impl Ace {
    /// The identities the router proposes for the entry: the entry itself, never the packet's addresses (facts 5.1, 5.2).
    ///
    /// # Errors
    ///
    /// When one pair of identities cannot say it; such an entry is of no use in a crypto map. \[R\]
    pub fn proxies(&self) -> Result<ProxyPair, NotExpressible> {
        if self.icmp.is_some() || self.established {
            return Err(NotExpressible::UpperLayer);
        }
        Ok(ProxyPair {
            protocol: self.protocol.number(),
            local: self.source.as_network().ok_or(NotExpressible::Wildcard)?,
            local_port: self.source_ports.single().ok_or(NotExpressible::Ports)?,
            remote: self.destination.as_network().ok_or(NotExpressible::Wildcard)?,
            remote_port: self.destination_ports.single().ok_or(NotExpressible::Ports)?,
        })
    }

    /// Whether all traffic of `pair` matches the entry.
    pub fn contains(&self, pair: &ProxyPair) -> bool {
        (self.protocol == Protocol::Any || self.protocol.number() == pair.protocol)
            && self.source.contains(pair.local)
            && self.destination.contains(pair.remote)
            && holds_port(&self.source_ports, pair.local_port)
            && holds_port(&self.destination_ports, pair.remote_port)
            && self.icmp.is_none()
            && !self.established
    }

    /// Whether some traffic of `pair` matches the entry.
    pub fn overlaps(&self, pair: &ProxyPair) -> bool {
        (self.protocol == Protocol::Any || pair.protocol == 0 || self.protocol.number() == pair.protocol)
            && self.source.overlaps(pair.local)
            && self.destination.overlaps(pair.remote)
            && (pair.local_port == 0 || holds_port(&self.source_ports, pair.local_port))
            && (pair.remote_port == 0 || holds_port(&self.destination_ports, pair.remote_port))
    }
}

impl AccessList {
    /// What the list, as a crypto map's `match address`, says to a peer's proposal.
    ///
    /// The exact mirror and anything inside a permit entry are accepted, wider and foreign proposals are not
    /// \[S: facts 5.2\]; a deny entry that the proposal touches first refuses it \[R\], but not the exact mirror: an
    /// initiator proposes its permit entry itself, whatever it denies before \[I\].
    pub fn cover(&self, pair: &ProxyPair) -> Cover<'_> {
        let exact = |ace: &&Ace| ace.action == Action::Permit && ace.proxies().as_ref() == Ok(pair);
        if let Some(ace) = self.entries().find(exact) {
            return Cover::Exact(ace);
        }
        for ace in self.entries() {
            match ace.action {
                Action::Permit if ace.contains(pair) => return Cover::Inside(ace),
                Action::Deny if ace.overlaps(pair) => return Cover::Denied(ace),
                _ => {}
            }
        }
        Cover::Outside
    }
}

fn holds_port(ports: &PortMatch, port: u16) -> bool {
    match port {
        0 => *ports == PortMatch::Any,
        port => ports.matches(Some(port)),
    }
}

fn canonical(network: Ipv4Network) -> Ipv4Network {
    Ipv4Network::new(network.network(), network.prefix()).unwrap_or(network)
}
