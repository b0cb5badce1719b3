//! Identities as an operator writes them.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::wire::der;
use crate::wire::ipv4::Ipv4Prefix;
use crate::wire::isakmp::{IdPayload, IdType};

/// An identity, with protocol and port when they are given.
pub(super) fn identity(id: &IdPayload) -> String {
    let text = identity_data(id.kind, &id.data);
    match (id.protocol, id.port) {
        (0, 0) => format!("{} {text}", id.kind),
        (protocol, port) => format!("{} {text}, protocol {protocol}, port {port}", id.kind),
    }
}

/// The data of an identity by its type; in hexadecimal where they do not have the form of it.
pub(super) fn identity_data(kind: IdType, data: &[u8]) -> String {
    let text = match (kind, data.len()) {
        (IdType::Ipv4Address, 4) => ipv4(data).map(|address| address.to_string()),
        (IdType::Ipv4Subnet, 8) => ipv4(data).zip(ipv4(&data[4..])).map(|(network, mask)| subnet(network, mask)),
        (IdType::Ipv4Range, 8) => ipv4(data).zip(ipv4(&data[4..])).map(|(first, last)| format!("{first}-{last}")),
        (IdType::Ipv6Address, 16) => ipv6(data).map(|address| address.to_string()),
        (IdType::Ipv6Subnet, 32) => ipv6(data).zip(ipv6(&data[16..])).map(|(network, mask)| {
            let (bits, length) = (mask.to_bits(), mask.to_bits().leading_ones());
            match bits.count_ones() == length {
                true => format!("{network}/{length}"),
                false => format!("{network} mask {mask}"),
            }
        }),
        (IdType::Ipv6Range, 32) => ipv6(data).zip(ipv6(&data[16..])).map(|(first, last)| format!("{first}-{last}")),
        (IdType::Fqdn | IdType::UserFqdn | IdType::KeyId, _) => quoted(data),
        (IdType::DerAsn1Dn, _) => der::distinguished_name(data),
        _ => None,
    };
    text.unwrap_or_else(|| hex::encode(data))
}

/// An IPv4 network, in prefix form where its mask is one.
pub(super) fn subnet(network: Ipv4Addr, mask: Ipv4Addr) -> String {
    match Ipv4Prefix::from_mask(network, mask) {
        Some(prefix) if prefix.network() == network => prefix.to_string(),
        _ => format!("{network} mask {mask}"),
    }
}

pub(super) fn ipv4(octets: &[u8]) -> Option<Ipv4Addr> {
    octets.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets))
}

pub(super) fn ipv6(octets: &[u8]) -> Option<Ipv6Addr> {
    octets.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets))
}

/// Text between quotation marks; `None` when the octets are none.
pub(super) fn quoted(octets: &[u8]) -> Option<String> {
    std::str::from_utf8(octets).ok().map(|text| format!("\"{}\"", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(IdType::Ipv4Address, "c0000201", "192.0.2.1")]
    #[case(IdType::Ipv4Subnet, "0a010000ffffff00", "10.1.0.0/24")]
    #[case(IdType::Ipv4Subnet, "0a010001ffffff00", "10.1.0.1 mask 255.255.255.0")]
    #[case(IdType::Ipv4Range, "0a0100010a010009", "10.1.0.1-10.1.0.9")]
    #[case(IdType::Ipv6Address, "20010db8000000000000000000000001", "2001:db8::1")]
    #[case(IdType::Ipv6Subnet, "20010db8000000000000000000000000ffffffffffffffff0000000000000000", "2001:db8::/64")]
    #[case(IdType::Fqdn, "7231", "\"r1\"")]
    #[case(IdType::KeyId, "ff00", "ff00")]
    #[case(IdType::Ipv4Address, "c00002", "c00002")]
    fn identities_of_every_kind(#[case] kind: IdType, #[case] data: &str, #[case] text: &str) {
        assert_eq!(identity_data(kind, &hex::decode(data).unwrap()), text);
    }
}
