//! An IPv4 network in CIDR notation.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An IPv4 network: an address whose host bits are zero, and a prefix length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv4Prefix {
    address: Ipv4Addr,
    len: u8,
}

/// A text or an address that is no IPv4 network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// No `/`, or no address before it.
    #[error("`{0}` is no IPv4 prefix: expected an address and a length, such as 10.1.0.0/24")]
    Syntax(String),
    /// The length is no number from 0 to 32.
    #[error("`{0}` is no prefix length: expected 0 to 32")]
    Length(String),
    /// Bits beyond the prefix length are set.
    #[error("`{found}` has host bits set: expected the network {network}")]
    HostBits {
        /// What was written.
        found: String,
        /// The network that address lies in.
        network: Ipv4Prefix,
    },
}

impl Ipv4Prefix {
    /// The network `address`/`len`; refused when a host bit is set or `len` is beyond 32.
    pub fn new(address: Ipv4Addr, len: u8) -> Result<Self, PrefixError> {
        if len > 32 {
            return Err(PrefixError::Length(len.to_string()));
        }
        let network = Self::containing(address, len);
        if network.address != address {
            return Err(PrefixError::HostBits { found: format!("{address}/{len}"), network });
        }
        Ok(network)
    }

    /// The network of `len` bits (at most 32) that `address` lies in.
    pub fn containing(address: Ipv4Addr, len: u8) -> Self {
        let len = len.min(32);
        Self { address: Ipv4Addr::from_bits(address.to_bits() & mask_bits(len)), len }
    }

    /// The one address `address`, as a /32.
    pub fn host(address: Ipv4Addr) -> Self {
        Self { address, len: 32 }
    }

    /// The network address.
    pub fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The prefix length, 0 to 32.
    pub fn prefix_len(self) -> u8 {
        self.len
    }

    /// The subnet mask, 255.255.255.0 for a /24.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask_bits(self.len))
    }

    /// The last address of the network, its broadcast address.
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !mask_bits(self.len))
    }

    /// Whether `address` lies in the network.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask_bits(self.len) == self.address.to_bits()
    }

    /// Whether the whole of `other` lies in the network (a network covers itself).
    pub fn covers(self, other: Self) -> bool {
        self.len <= other.len && self.contains(other.address)
    }

    /// The `n`th address of the network, counted from its network address; `None` beyond its end.
    pub fn nth(self, n: u32) -> Option<Ipv4Addr> {
        let address = Ipv4Addr::from_bits(self.address.to_bits().checked_add(n)?);
        self.contains(address).then_some(address)
    }

    /// The last address a host may have, unless that is `taken`: then the one before.
    pub(crate) fn last_host(self, taken: Ipv4Addr) -> Option<Ipv4Addr> {
        let last = self.last().to_bits().checked_sub(1).map(Ipv4Addr::from_bits).filter(|_| self.len <= 30)?;
        if last != taken { Some(last) } else { last.to_bits().checked_sub(1).map(Ipv4Addr::from_bits) }
    }
}

impl fmt::Display for Ipv4Prefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.len)
    }
}

impl FromStr for Ipv4Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, len) = text.split_once('/').ok_or_else(|| PrefixError::Syntax(text.to_owned()))?;
        let address: Ipv4Addr = address.parse().map_err(|_| PrefixError::Syntax(text.to_owned()))?;
        let digits = !len.is_empty() && len.bytes().all(|byte| byte.is_ascii_digit());
        let len: u8 = len.parse().ok().filter(|_| digits).ok_or_else(|| PrefixError::Length(len.to_owned()))?;
        Self::new(address, len)
    }
}

/// An address with the prefix length of the link it is on, written `10.1.0.10/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: Ipv4Addr,
    /// The network of the link.
    pub network: Ipv4Prefix,
}

/// A text that is no address on a link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address on a link: expected one such as 10.1.0.10/24")]
pub struct InterfaceAddressError(String);

impl FromStr for InterfaceAddress {
    type Err = InterfaceAddressError;

    fn from_str(text: &str) -> Result<Self, InterfaceAddressError> {
        let error = || InterfaceAddressError(text.to_owned());
        let (address, len) = text.split_once('/').ok_or_else(error)?;
        let address: Ipv4Addr = address.parse().map_err(|_| error())?;
        let network: Ipv4Prefix = match format!("{address}/{len}").parse() {
            Ok(network) => network,
            Err(PrefixError::HostBits { network, .. }) => network,
            Err(_) => return Err(error()),
        };
        let is_host = network.prefix_len() >= 31 || (address != network.address() && address != network.last());
        if is_host { Ok(Self { address, network }) } else { Err(error()) }
    }
}

impl fmt::Display for InterfaceAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.network.len)
    }
}

fn mask_bits(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn host_bits_are_refused_with_the_network_meant() {
        let error = "10.1.0.7/24".parse::<Ipv4Prefix>().unwrap_err();
        assert_eq!(error.to_string(), "`10.1.0.7/24` has host bits set: expected the network 10.1.0.0/24");
        for text in ["", "10.1.0.0", "10.1.0/24", "10.1.0.0/33", "10.1.0.0/+4", "10.1.0.0/", "x/24"] {
            assert!(text.parse::<Ipv4Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_edges_of_the_address_space() {
        let any: Ipv4Prefix = "0.0.0.0/0".parse().unwrap();
        let top: Ipv4Prefix = "255.255.255.255/32".parse().unwrap();
        assert!(any.covers(top) && !top.covers(any));
        assert_eq!((any.mask(), any.last()), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        assert_eq!((top.nth(0), top.nth(1)), (Some(Ipv4Addr::BROADCAST), None));
    }

    #[test]
    fn addresses_on_links() {
        let address: InterfaceAddress = "10.1.0.10/24".parse().unwrap();
        assert_eq!(address.network.to_string(), "10.1.0.0/24");
        assert_eq!(address.to_string(), "10.1.0.10/24");
        for text in ["10.1.0.0/24", "10.1.0.255/24", "10.1.0.10", "10.1.0.10/33", "/24"] {
            assert!(text.parse::<InterfaceAddress>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn display_parses_back(bits: u32, len in 0u8..=32) {
            let prefix = Ipv4Prefix::containing(Ipv4Addr::from_bits(bits), len);
            prop_assert_eq!(prefix.to_string().parse::<Ipv4Prefix>().unwrap(), prefix);
            prop_assert!(prefix.contains(Ipv4Addr::from_bits(bits)));
            prop_assert!(prefix.contains(prefix.last()));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text: String) {
            let _ = text.parse::<Ipv4Prefix>();
        }
    }
}
