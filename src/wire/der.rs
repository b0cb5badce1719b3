//! As much DER (X.690) as the names in certificates need.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// The attribute types of RFC 4519 that names are made of, by the octets of their object identifier.
const ATTRIBUTES: [(&[u8], &str); 11] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 4], "SN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "E"),
    // IOS puts the host name of the router here (PKCS #9 unstructuredName).
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2], "unstructuredName"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
];

/// A distinguished name as text, `C=DE, O=Example, CN=r1`, in the order it has on the wire; `None` when the octets are
/// no such name.
pub fn distinguished_name(octets: &[u8]) -> Option<String> {
    let (SEQUENCE, mut sets, []) = element(octets)? else { return None };
    let mut parts = Vec::new();
    while !sets.is_empty() {
        let (SET, mut attributes, rest) = element(sets)? else { return None };
        sets = rest;
        let mut joined = Vec::new();
        while !attributes.is_empty() {
            let (SEQUENCE, attribute, rest) = element(attributes)? else { return None };
            attributes = rest;
            let (OBJECT_IDENTIFIER, kind, value) = element(attribute)? else { return None };
            let (_, value, []) = element(value)? else { return None };
            let name = ATTRIBUTES.iter().find(|(known, _)| *known == kind).map(|(_, name)| (*name).to_owned());
            let name = name.unwrap_or_else(|| hex::encode(kind));
            let value =
                std::str::from_utf8(value).map_or_else(|_| hex::encode(value), |text| text.escape_debug().to_string());
            joined.push(format!("{name}={value}"));
        }
        parts.push(joined.join("+"));
    }
    Some(parts.join(", "))
}

/// The names of the subject and the issuer of a certificate (RFC 5280 4.1); `None` when the octets are none.
pub fn certificate_names(octets: &[u8]) -> Option<(String, String)> {
    const VERSION: u8 = 0xa0;
    const INTEGER: u8 = 0x02;
    let (SEQUENCE, certificate, []) = element(octets)? else { return None };
    let (SEQUENCE, mut signed, _) = element(certificate)? else { return None };
    if let (VERSION, _, behind) = element(signed)? {
        signed = behind;
    }
    let (INTEGER, _serial, behind) = element(signed)? else { return None };
    let (SEQUENCE, _algorithm, issuer) = element(behind)? else { return None };
    let (SEQUENCE, _, validity) = element(issuer)? else { return None };
    let (SEQUENCE, _, subject) = element(validity)? else { return None };
    let (SEQUENCE, _, key) = element(subject)? else { return None };
    let issuer = distinguished_name(&issuer[..issuer.len() - validity.len()])?;
    let subject = distinguished_name(&subject[..subject.len() - key.len()])?;
    Some((subject, issuer))
}

/// Tag, content and what follows of the first element; `None` when it is cut short or has a form DER does not allow.
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = octets.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_a_name() {
        let name = hex::decode(
            "3029310b3009060355040613024445310c300a060355040a0c0341424d310c300a06035504030c037275\
                                31",
        )
        .unwrap();
        assert_eq!(distinguished_name(&name).as_deref(), Some("C=DE, O=ABM, CN=ru1"));
        assert_eq!(distinguished_name(&name[1..]), None);
        assert_eq!(distinguished_name(&[0x30, 0]).as_deref(), Some(""));
    }

    /// The signed part of a certificate up to its key, and whether a version stands before it.
    fn certificate(version: bool) -> Vec<u8> {
        let of = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
        let name = |text: &str| {
            let attribute = [of(OBJECT_IDENTIFIER, &[0x55, 4, 3]), of(0x0c, text.as_bytes())].concat();
            of(SEQUENCE, &of(SET, &of(SEQUENCE, &attribute)))
        };
        let version = if version { of(0xa0, &of(2, &[2])) } else { Vec::new() };
        let parts =
            [version, of(2, &[7]), of(SEQUENCE, &[]), name("ca"), of(SEQUENCE, &[]), name("r1"), of(SEQUENCE, &[])];
        of(SEQUENCE, &[of(SEQUENCE, &parts.concat()), of(SEQUENCE, &[])].concat())
    }

    #[test]
    fn reads_whose_certificate_it_is() {
        let names = Some(("CN=r1".to_owned(), "CN=ca".to_owned()));
        assert_eq!(certificate_names(&certificate(true)), names);
        assert_eq!(certificate_names(&certificate(false)), names);
        assert_eq!(certificate_names(&certificate(true)[..20]), None);
    }

    proptest! {
        #[test]
        fn any_octets_end(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = distinguished_name(&octets);
            let _ = certificate_names(&octets);
            let _ = certificate_names(&[&[0x30, octets.len() as u8 + 2, 0x30, octets.len() as u8], &octets[..]].concat());
            let _ = distinguished_name(&[&[0x30, octets.len() as u8], &octets[..]].concat());
        }
    }
}
