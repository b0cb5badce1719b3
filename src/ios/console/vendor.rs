//! The lines of a received vendor ID (cisco-ios-facts 1.6 \[S, the mismatch rule I\]).

use super::dress::{Dress, Fact};
use crate::ike::event::VendorMeaning;
use crate::wire::isakmp::Cookie;

/// Unity 1.0 \[S:PCAP-MM\].
const UNITY: [u8; 16] = *b"\x12\xf5\xf2\x8c\x45\x71\x68\xa9\x70\x2d\x9f\xe2\x74\xcc\x01\x00";

/// DPD 1.0 \[S:PCAP-MM\].
const DPD: [u8; 16] = *b"\xaf\xca\xd7\x13\x68\xa1\xf1\xc9\x6b\x86\x96\xfc\x77\x57\x01\x00";

/// What the first half of the IOS vendor ID is XORed with to give the sender's cookie \[I, verified on ten samples\].
const IOS_MASK: [u8; 8] = *b"\xf5\xc7\xa7\x1d\x00\x01\x00\x00";

/// Where the major version of Unity and DPD stands; IOS looks there in every vendor ID.
const MAJOR: usize = 14;

const SEEN: Fact = Fact::seen("LOG-XE1 LOG-XE2 LOG-12x LOG-123");

/// The lines for one vendor ID, undressed. `behind` is what stands behind it in the message: IOS reads the major
/// version of a vendor ID that is too short from there.
pub(super) fn lines(
    octets: &[u8],
    behind: &[u8],
    meaning: VendorMeaning,
    peer_cookie: Cookie,
) -> Vec<(Dress, Fact, String)> {
    let mut lines = vec![(Dress::SA_WIDE, SEEN, "processing vendor id payload".to_owned())];
    let mut say = |dress: Dress, fact: Fact, text: String| lines.push((dress, fact, text));
    if is_ios(octets, peer_cookie) {
        say(Dress::SA_WIDE, SEEN, "speaking to another IOS box!".to_owned());
        return lines;
    }
    if octets == UNITY || octets == DPD {
        let name = if octets == UNITY { "Unity" } else { "DPD" };
        say(Dress::SA_WIDE, SEEN, format!("vendor ID is {name}"));
        return lines;
    }
    match octets.iter().chain(behind).nth(MAJOR).copied().unwrap_or_default() {
        1 => say(Dress::SA, Fact::seen("LOG-12x"), "vendor ID seems Unity/DPD but hash mismatch".to_owned()),
        major => say(Dress::SA_WIDE, SEEN, format!("vendor ID seems Unity/DPD but major {major} mismatch")),
    }
    match meaning {
        VendorMeaning::Xauth => say(Dress::SA_WIDE, SEEN, "vendor ID is XAUTH".to_owned()),
        VendorMeaning::NatTraversalRfc => {
            say(Dress::SA_WIDE, Fact::seen("LOG-XE1 LOG-XE2"), "vendor ID is NAT-T RFC 3947".to_owned());
        }
        VendorMeaning::NatTraversalDraft(draft @ (2 | 3 | 7)) => {
            say(Dress::SA_WIDE, SEEN, format!("vendor ID is NAT-T v{draft}"));
        }
        VendorMeaning::Fragmentation => {
            say(Dress::SA_WIDE, Fact::seen("FACTS-1.6"), "processing IKE frag vendor id payload".to_owned());
            say(Dress::SA, Fact::seen("FACTS-1.6"), "Support for IKE Fragmentation not enabled".to_owned());
        }
        _ => {}
    }
    lines
}

/// Whether a vendor ID is the one an IOS router makes of its own cookie (cisco-ios-facts 1.2 \[I\]).
pub(super) fn is_ios(octets: &[u8], cookie: Cookie) -> bool {
    let made_of_cookie = || octets.iter().zip(IOS_MASK).zip(cookie.0).all(|((octet, mask), own)| octet ^ mask == own);
    octets.len() == 16 && made_of_cookie()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vendor ID and cookie of the captures (real-cisco-on-the-wire 1).
    #[test]
    fn recognises_the_ios_vendor_ids_of_the_captures() {
        for (cookie, vendor_id) in [
            ("e47a591fd057587f", "11bdfe02d056587f2c18125972c32401"),
            ("a00b8ef0902bb8ec", "55cc29ed902ab8ec53b1df867c610929"),
            ("2ca4eb67438cfda9", "d9634c7a438dfda970f20bcb0c1ac1c7"),
            ("41e1543e49b37958", "b426f32349b27958a827fee9f3849e8d"),
        ] {
            let vendor_id = hex::decode(vendor_id).unwrap();
            assert!(is_ios(&vendor_id, Cookie::from(cookie.to_owned())));
            assert!(!is_ios(&vendor_id, Cookie([1; 8])));
        }
    }

    /// The numbers every log shows (cisco-ios-facts 1.6).
    #[test]
    fn the_major_version_is_read_at_offset_14() {
        let major = |octets: &str, behind: &[u8], meaning| {
            let octets = hex::decode(octets).unwrap();
            lines(&octets, behind, meaning, Cookie::ZERO).into_iter().map(|(.., text)| text).collect::<Vec<_>>()
        };
        let rfc = major("4a131c81070358455c5728f20e95452f", &[], VendorMeaning::NatTraversalRfc);
        assert_eq!(rfc[1..], ["vendor ID seems Unity/DPD but major 69 mismatch", "vendor ID is NAT-T RFC 3947"]);
        let draft = major("7d9419a65310ca6f2c179d9215529d56", &[], VendorMeaning::NatTraversalDraft(3));
        assert_eq!(draft[1], "vendor ID seems Unity/DPD but major 157 mismatch");
        let xauth = major("09002689dfd6b712", &[20, 0, 0, 24, 1, 2, 149, 3], VendorMeaning::Xauth);
        assert_eq!(xauth[1], "vendor ID seems Unity/DPD but major 149 mismatch");
        let altiga = major("1f07f70eaa6514d3b0fa96542a500100", &[], VendorMeaning::Unknown);
        assert_eq!(altiga[1], "vendor ID seems Unity/DPD but hash mismatch");
    }
}
