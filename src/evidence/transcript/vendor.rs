//! Vendor IDs by name.

use std::sync::LazyLock;

use super::lines::put;
use crate::wire::isakmp::Cookie;

/// Octets 0 to 7 of the vendor ID by which IOS knows another IOS are its sender's cookie XOR this
/// (cisco-ios-facts 1.2 \[I\], verified on every capture at hand).
const IOS_MASK: [u8; 8] = [0xf5, 0xc7, 0xa7, 0x1d, 0x00, 0x01, 0x00, 0x00];

/// Vendor IDs in hexadecimal, whole or as a prefix, with the name to print (cisco-ios-facts 1.1 \[S\], RFC 3947, RFC 3706,
/// and for strongSwan and its kin the octets they are seen to send; those of Microsoft and of draft-stenberg are the MD5
/// of their names, `MS-Negotiation Discovery Capable` among them, and NetScreen's is so called by Wireshark).
const KNOWN: [(&str, &str); 27] = [
    ("12f5f28c457168a9702d9fe274cc", "Cisco Unity"),
    ("afcad71368a1f1c96b8696fc7757", "DPD (RFC 3706)"),
    ("09002689dfd6b712", "XAUTH"),
    ("4a131c81070358455c5728f20e95452f", "NAT-T (RFC 3947)"),
    ("8f8d83826d246b6fc7a8a6a428c11de8", "NAT-T (draft-08)"),
    ("439b59f8ba676c4c7737ae22eab8f582", "NAT-T (draft-07)"),
    ("4d1e0e136deafa34c4f3ea9f02ec7285", "NAT-T (draft-06)"),
    ("80d0bb3def54565ee84645d4c85ce3ee", "NAT-T (draft-05)"),
    ("9909b64eed937c6573de52ace952fa6b", "NAT-T (draft-04)"),
    ("7d9419a65310ca6f2c179d9215529d56", "NAT-T (draft-03)"),
    ("90cb80913ebb696e086381b5ec427b1f", "NAT-T (draft-02, newline)"),
    ("cd60464335df21f87cfdb2fc68b6a448", "NAT-T (draft-02)"),
    ("16f6ca16e4a4066d83821a0f0aeaa862", "NAT-T (draft-01)"),
    ("4485152d18b6bbcd0be8a8469579ddcc", "NAT-T (draft-00)"),
    ("4048b7d56ebce88525e7de7f00d6c2d3", "IKE fragmentation"),
    ("1f07f70eaa6514d3b0fa96542a50", "Cisco VPN 3000 or ASA"),
    ("f6f7efc7f5aeb8cb158cb9d094ba69e7", "Altiga client"),
    ("126e1f577291153b20485f7f155b4bc8", "vpnc"),
    ("882fe56d6fd20dbc2251613b2ebe5beb", "strongSwan"),
    ("f14b94b7bff1fef02773b8c49feded26", "racoon"),
    ("8299031757a36082c6a621de", "FortiGate"),
    ("1e2b516905991c7d7c96fcbfb587e461", "Microsoft NT5 ISAKMPOAKLEY"),
    ("26244d38eddb61b3172a36e3d0cfb819", "Microsoft initial contact"),
    ("fb1de3cdf341b7ea16b7e5be0855f120", "Microsoft negotiation discovery"),
    ("27bab5dc01ea0760ea4e3190ac27c0d0", "NAT-T (draft-stenberg-01)"),
    ("6105c422e76847e43f9684801292aecd", "NAT-T (draft-stenberg-02)"),
    ("699369228741c6d4ca094c93e242c9de19e7b7c6", "NetScreen"),
];

/// [`KNOWN`] as octets.
static KNOWN_OCTETS: LazyLock<Vec<(Vec<u8>, &str)>> = LazyLock::new(|| {
    KNOWN.iter().filter_map(|(digits, name)| hex::decode(digits).ok().map(|octets| (octets, *name))).collect()
});

/// Appends the name of a vendor ID from the side with `sender` as its cookie; its octets in hexadecimal when it has none.
pub(super) fn put_name(text: &mut String, octets: &[u8], sender: Cookie) {
    if octets.len() == 16 && octets.iter().zip(IOS_MASK).map(|(octet, mask)| octet ^ mask).eq(sender.0) {
        return text.push_str("IOS (made from its own cookie)");
    }
    let known = KNOWN_OCTETS.iter().find_map(|(known, name)| Some((name, octets.strip_prefix(&known[..])?)));
    match known {
        Some((name, [])) => text.push_str(name),
        Some((name, rest)) => put(text, format_args!("{name} {}", hex::encode(rest))),
        None if octets.len() >= 4 && octets.iter().all(|octet| (b' '..=b'~').contains(octet)) => {
            put(text, format_args!("\"{}\"", String::from_utf8_lossy(octets).escape_debug()));
        }
        None => text.push_str(&hex::encode(octets)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_one_is_octets() {
        assert_eq!(KNOWN_OCTETS.len(), KNOWN.len());
    }

    #[test]
    fn knows_the_cookie_vendor_id_of_ios() {
        let cookie = Cookie([0xe4, 0x7a, 0x59, 0x1f, 0xd0, 0x57, 0x58, 0x7f]);
        let octets = hex::decode("11bdfe02d056587f2c18125972c32401").unwrap();
        let name = |octets: &[u8], sender| {
            let mut text = String::new();
            put_name(&mut text, octets, sender);
            text
        };
        assert_eq!(name(&octets, cookie), "IOS (made from its own cookie)");
        assert_eq!(name(&octets, Cookie::ZERO), "11bdfe02d056587f2c18125972c32401");
        assert_eq!(name(&hex::decode("12f5f28c457168a9702d9fe274cc0100").unwrap(), cookie), "Cisco Unity 0100");
    }
}
