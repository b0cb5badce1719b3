//! Socket addresses, and the extension that holds one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use super::native::{ReadNative, WriteNative};
use crate::wire::{ParseError, ParseErrorKind, Reader};

/// `AF_INET` of Linux.
const INET: u16 = 2;
/// `AF_INET6` of Linux.
const INET6: u16 = 10;
/// `sizeof(struct sockaddr_in)`.
const SOCKADDR_IN: usize = 16;
/// `sizeof(struct sockaddr_in6)`.
const SOCKADDR_IN6: usize = 28;

/// An address extension (RFC 2367 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The upper protocol: 255 or 0 for any.
    pub protocol: u8,
    /// How many bits of the address count.
    pub prefix_len: u8,
    /// Address and port; port 0 is any.
    pub address: SocketAddr,
}

impl Address {
    /// A host for any protocol and port, as the SAs of Linux have it.
    pub fn host(address: Ipv4Addr) -> Self {
        Self { protocol: 0, prefix_len: 32, address: SocketAddr::V4(SocketAddrV4::new(address, 0)) }
    }

    /// The address, when it is one of IPv4.
    pub fn ipv4(&self) -> Option<Ipv4Addr> {
        match self.address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    /// The body of the extension, with its padding.
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, ParseError> {
        let protocol = body.u8("protocol")?;
        let prefix_len = body.u8("prefix length")?;
        body.take(2, "reserved")?;
        let address = parse_socket_address(body)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        if prefix_len > longest {
            let kind = ParseErrorKind::BadValue { expected: "32 or 128 at most", found: prefix_len.into() };
            return Err(body.error("prefix length", kind));
        }
        if address.is_ipv6() {
            body.take(SOCKADDR_IN6.next_multiple_of(8) - SOCKADDR_IN6, "padding")?;
        }
        Ok(Self { protocol, prefix_len, address })
    }

    pub(super) fn emit(&self, octets: &mut Vec<u8>) {
        octets.extend_from_slice(&[self.protocol, self.prefix_len, 0, 0]);
        emit_socket_address(self.address, octets);
    }
}

/// A `sockaddr_in` or `sockaddr_in6`.
pub(super) fn parse_socket_address(reader: &mut Reader<'_>) -> Result<SocketAddr, ParseError> {
    let at = reader.clone();
    match reader.native_u16("address family")? {
        INET => {
            let port = reader.u16("port")?;
            let address: [u8; 4] = reader.array("address")?;
            reader.take(SOCKADDR_IN - 8, "sin_zero")?;
            Ok(SocketAddr::V4(SocketAddrV4::new(address.into(), port)))
        }
        INET6 => {
            let port = reader.u16("port")?;
            let flow = reader.u32("flow label")?;
            let address: [u8; 16] = reader.array("address")?;
            let scope = reader.native_u32("scope")?;
            Ok(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(address), port, flow, scope)))
        }
        other => {
            let kind = ParseErrorKind::BadValue { expected: "2 (IPv4) or 10 (IPv6)", found: other.into() };
            Err(at.error("address family", kind))
        }
    }
}

pub(super) fn emit_socket_address(address: SocketAddr, octets: &mut Vec<u8>) {
    match address {
        SocketAddr::V4(address) => {
            octets.put_u16(INET);
            octets.extend_from_slice(&address.port().to_be_bytes());
            octets.extend_from_slice(&address.ip().octets());
            octets.put_zeros(SOCKADDR_IN - 8);
        }
        SocketAddr::V6(address) => {
            octets.put_u16(INET6);
            octets.extend_from_slice(&address.port().to_be_bytes());
            octets.extend_from_slice(&address.flowinfo().to_be_bytes());
            octets.extend_from_slice(&address.ip().octets());
            octets.put_u32(address.scope_id());
        }
    }
}
