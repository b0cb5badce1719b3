//! Traffic selectors of quick mode: what IDci and IDcr say (RFC 2409 5.5, RFC 2407 4.6.2).

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::wire::isakmp::{IdPayload, IdType};

/// The addresses of one side, in the form they have on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Addresses {
    /// ID_IPV4_ADDR.
    Host(Ipv4Addr),
    /// ID_IPV4_ADDR_SUBNET. The mask stands as the peer sent it.
    Subnet {
        /// An address of the network, host bits included as the peer sent them.
        address: Ipv4Addr,
        /// The mask.
        mask: Ipv4Addr,
    },
    /// ID_IPV4_ADDR_RANGE.
    Range {
        /// The first address.
        first: Ipv4Addr,
        /// The last address.
        last: Ipv4Addr,
    },
}

/// One side of the traffic an SA pair protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Selector {
    /// The addresses.
    pub addresses: Addresses,
    /// The IP protocol; 0 is any.
    pub protocol: u8,
    /// The port; 0 is any.
    pub port: u16,
}

/// Both sides of the traffic an SA pair protects, from our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Selectors {
    /// Behind or at our address.
    pub local: Selector,
    /// Behind or at the peer's address.
    pub remote: Selector,
}

/// An ID payload that is no IPv4 traffic selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// A name, an IPv6 address or an unknown type.
    #[error("expected ID_IPV4_ADDR, ID_IPV4_ADDR_SUBNET or ID_IPV4_ADDR_RANGE, found {0}")]
    Type(IdType),
    /// The data has not the length of its type.
    #[error("{kind} takes {expected} octets, found {found}")]
    Length {
        /// The type.
        kind: IdType,
        /// Octets its data should have.
        expected: usize,
        /// Octets it has.
        found: usize,
    },
}

impl Selector {
    /// Everything: 0.0.0.0/0, any protocol.
    pub const ANY: Self = Self::subnet(Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);

    /// All protocols of one address.
    pub const fn host(address: Ipv4Addr) -> Self {
        Self { addresses: Addresses::Host(address), protocol: 0, port: 0 }
    }

    /// All protocols of a network.
    pub const fn subnet(address: Ipv4Addr, mask: Ipv4Addr) -> Self {
        Self { addresses: Addresses::Subnet { address, mask }, protocol: 0, port: 0 }
    }

    /// The same addresses, for one IP protocol and port; 0 is any.
    #[must_use]
    pub const fn with(self, protocol: u8, port: u16) -> Self {
        Self { protocol, port, ..self }
    }

    /// Reads IDci or IDcr.
    ///
    /// # Errors
    ///
    /// When it is no IPv4 address, network or range.
    pub fn from_id(id: &IdPayload) -> Result<Self, SelectorError> {
        let length = |expected| SelectorError::Length { kind: id.kind, expected, found: id.data.len() };
        let one = || <[u8; 4]>::try_from(&id.data[..]).map(Ipv4Addr::from).map_err(|_| length(4));
        let two = || {
            let octets = <[u8; 8]>::try_from(&id.data[..]).map_err(|_| length(8))?;
            let [a, b, c, d, e, f, g, h] = octets;
            Ok((Ipv4Addr::from([a, b, c, d]), Ipv4Addr::from([e, f, g, h])))
        };
        let addresses = match id.kind {
            IdType::Ipv4Address => Addresses::Host(one()?),
            IdType::Ipv4Subnet => two().map(|(address, mask)| Addresses::Subnet { address, mask })?,
            IdType::Ipv4Range => two().map(|(first, last)| Addresses::Range { first, last })?,
            kind => return Err(SelectorError::Type(kind)),
        };
        Ok(Self { addresses, protocol: id.protocol, port: id.port })
    }

    /// The selector as IDci or IDcr.
    pub fn to_id(self) -> IdPayload {
        let (kind, data) = match self.addresses {
            Addresses::Host(address) => (IdType::Ipv4Address, address.octets().to_vec()),
            Addresses::Subnet { address, mask } => (IdType::Ipv4Subnet, [address.octets(), mask.octets()].concat()),
            Addresses::Range { first, last } => (IdType::Ipv4Range, [first.octets(), last.octets()].concat()),
        };
        IdPayload { kind, protocol: self.protocol, port: self.port, data }
    }

    /// The first address.
    pub fn first(&self) -> Ipv4Addr {
        match self.addresses {
            Addresses::Host(address) | Addresses::Range { first: address, .. } => address,
            Addresses::Subnet { address, mask } => Ipv4Addr::from_bits(address.to_bits() & mask.to_bits()),
        }
    }

    /// The last address.
    pub fn last(&self) -> Ipv4Addr {
        match self.addresses {
            Addresses::Host(address) | Addresses::Range { last: address, .. } => address,
            Addresses::Subnet { address, mask } => Ipv4Addr::from_bits(address.to_bits() | !mask.to_bits()),
        }
    }

    /// The mask: of a host 255.255.255.255, of a range `None`.
    pub fn mask(&self) -> Option<Ipv4Addr> {
        match self.addresses {
            Addresses::Host(_) => Some(Ipv4Addr::BROADCAST),
            Addresses::Subnet { mask, .. } => Some(mask),
            Addresses::Range { .. } => None,
        }
    }

    /// Whether `other` lies inside: its addresses, its protocol and its port.
    pub fn contains(&self, other: &Self) -> bool {
        let contiguous = |selector: &Self| {
            selector.mask().is_none_or(|mask| (!mask.to_bits()).wrapping_add(1) & !mask.to_bits() == 0)
        };
        let addresses = if contiguous(self) && contiguous(other) {
            self.first() <= other.first() && other.last() <= self.last()
        } else {
            self.addresses == other.addresses
        };
        let protocol = self.protocol == 0 || self.protocol == other.protocol;
        let port = self.port == 0 || self.port == other.port;
        addresses && protocol && port
    }

    /// Whether a packet's address, protocol and port lie inside.
    pub fn matches(&self, address: Ipv4Addr, protocol: u8, port: u16) -> bool {
        self.contains(&Self::host(address).with(protocol, port))
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses {
            Addresses::Host(address) => write!(formatter, "{address}"),
            Addresses::Subnet { address, mask } => write!(formatter, "{address}/{mask}"),
            Addresses::Range { first, last } => write!(formatter, "{first}-{last}"),
        }?;
        match (self.protocol, self.port) {
            (0, 0) => Ok(()),
            (protocol, 0) => write!(formatter, " protocol {protocol}"),
            (protocol, port) => write!(formatter, " protocol {protocol} port {port}"),
        }
    }
}

impl Selectors {
    /// The same traffic as the peer sees it.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self { local: self.remote, remote: self.local }
    }

    /// Whether `other` lies inside on both sides.
    pub fn contains(&self, other: &Self) -> bool {
        self.local.contains(&other.local) && self.remote.contains(&other.remote)
    }
}

impl fmt::Display for Selectors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} === {}", self.local, self.remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Selector {
        let (address, mask) = text.split_once('/').unwrap();
        Selector::subnet(address.parse().unwrap(), mask.parse().unwrap())
    }

    #[test]
    fn id_payloads_round_trip() {
        for (kind, data) in [
            (IdType::Ipv4Address, vec![10, 0, 0, 1]),
            (IdType::Ipv4Subnet, vec![10, 0, 1, 0, 255, 255, 255, 0]),
            (IdType::Ipv4Range, vec![10, 0, 0, 1, 10, 0, 0, 9]),
        ] {
            let id = IdPayload { kind, protocol: 6, port: 80, data };
            assert_eq!(Selector::from_id(&id).unwrap().to_id(), id);
        }
    }

    #[test]
    fn refuses_names_and_wrong_lengths() {
        let id = |kind, data: &[u8]| IdPayload { kind, protocol: 0, port: 0, data: data.to_vec() };
        let error = Selector::from_id(&id(IdType::Fqdn, b"r1")).unwrap_err();
        assert_eq!(error, SelectorError::Type(IdType::Fqdn));
        let error = Selector::from_id(&id(IdType::Ipv4Subnet, &[10, 0, 0, 0])).unwrap_err().to_string();
        assert_eq!(error, "ID_IPV4_ADDR_SUBNET takes 8 octets, found 4");
    }

    #[test]
    fn a_network_contains_what_is_narrower() {
        let wide = subnet("10.1.0.0/255.255.0.0");
        assert!(wide.contains(&subnet("10.1.2.0/255.255.255.0")));
        assert!(wide.contains(&Selector::host(Ipv4Addr::new(10, 1, 0, 255)).with(6, 80)));
        assert!(!wide.contains(&subnet("10.0.0.0/255.254.0.0")));
        assert!(!wide.with(6, 0).contains(&wide), "any protocol is wider than one");
        assert!(!wide.with(6, 80).contains(&wide.with(6, 0)), "any port is wider than one");
        assert!(Selector::ANY.contains(&wide));
    }

    #[test]
    fn a_mask_with_holes_contains_only_itself() {
        let holes = subnet("10.0.0.1/255.0.0.255");
        assert!(holes.contains(&holes));
        assert!(!holes.contains(&Selector::host(Ipv4Addr::new(10, 5, 0, 1))));
    }
}
