//! Attributes of mode config and XAUTH by name (draft-dukes-ike-mode-cfg, draft-beaulieu-ike-xauth, and Cisco Unity's).

use super::identity::{ipv4, ipv6, quoted, subnet};
use super::lines::Lines;
use crate::wire::isakmp::{Attribute, AttributeValue, AttributesPayload, ConfigType, XauthAttribute};

/// The payload under its name: on one line when it only asks, otherwise an attribute a line.
pub(super) fn lines(name: &str, payload: &AttributesPayload, lines: &mut Lines<'_>) {
    let attributes: Vec<(String, Option<String>)> = payload
        .attributes
        .iter()
        .map(|attribute| {
            // What is acknowledged has no value again, which the basic form writes as 0 (draft-dukes-ike-mode-cfg 3.3).
            let none = payload.kind == ConfigType::Ack && matches!(attribute.value, AttributeValue::Basic(0));
            (XauthAttribute::from(attribute.kind).to_string(), value(attribute).filter(|_| !none))
        })
        .collect();
    if attributes.iter().all(|(_, value)| value.is_none()) {
        let names: Vec<String> = attributes.into_iter().map(|(name, _)| name).collect();
        return lines.add(format_args!("{name} {}: {}", payload.kind, names.join(", ")));
    }
    lines.add(format_args!("{name} {}", payload.kind));
    for (name, value) in attributes {
        match value {
            Some(value) => lines.add(format_args!("  {name} {value}")),
            None => lines.add(format_args!("  {name}")),
        }
    }
}

/// The value of an attribute by its kind; `None` when it is empty, as in a request.
fn value(attribute: &Attribute) -> Option<String> {
    let kind = XauthAttribute::from(attribute.kind);
    let octets = match &attribute.value {
        AttributeValue::Basic(number) => return Some(number_text(kind, *number)),
        AttributeValue::Variable(octets) if octets.is_empty() => return None,
        AttributeValue::Variable(octets) => &octets[..],
    };
    let text = match kind {
        XauthAttribute::Ip4Address
        | XauthAttribute::Ip4Netmask
        | XauthAttribute::Ip4Dns
        | XauthAttribute::Ip4Nbns
        | XauthAttribute::Ip4Dhcp
            if octets.len() == 4 =>
        {
            ipv4(octets).map(|address| address.to_string())
        }
        XauthAttribute::Ip6Address | XauthAttribute::Ip6Dns | XauthAttribute::Ip6Dhcp | XauthAttribute::Ip6Subnet
            if matches!(octets.len(), 16 | 17) =>
        {
            let length = octets.get(16).map_or(String::new(), |length| format!("/{length}"));
            ipv6(octets).map(|address| format!("{address}{length}"))
        }
        XauthAttribute::Ip4Subnet if octets.len() == 8 => {
            ipv4(octets).zip(ipv4(&octets[4..])).map(|(a, b)| subnet(a, b))
        }
        XauthAttribute::SplitInclude | XauthAttribute::LocalLan => networks(octets),
        // A transcript is passed around; whoever needs the password has the key to the capture.
        XauthAttribute::XauthUserPassword | XauthAttribute::XauthPasscode => Some("(not shown)".to_owned()),
        XauthAttribute::ApplicationVersion
        | XauthAttribute::Banner
        | XauthAttribute::DefaultDomain
        | XauthAttribute::SplitDns
        | XauthAttribute::BackupServers
        | XauthAttribute::DdnsHostname
        | XauthAttribute::XauthUserName
        | XauthAttribute::XauthMessage
        | XauthAttribute::XauthChallenge
        | XauthAttribute::XauthDomain => quoted(octets),
        _ => attribute.number().and_then(|number| u16::try_from(number).ok()).map(|number| number_text(kind, number)),
    };
    Some(text.unwrap_or_else(|| hex::encode(octets)))
}

fn number_text(kind: XauthAttribute, number: u16) -> String {
    match (kind, number) {
        (XauthAttribute::XauthStatus, 0) => "FAIL".to_owned(),
        (XauthAttribute::XauthStatus, 1) => "OK".to_owned(),
        (XauthAttribute::XauthType, 0) => "generic".to_owned(),
        (XauthAttribute::XauthType, 1) => "RADIUS-CHAP".to_owned(),
        (XauthAttribute::XauthType, 2) => "OTP".to_owned(),
        (XauthAttribute::XauthType, 3) => "S/KEY".to_owned(),
        (XauthAttribute::AddressExpiry, seconds) => format!("{seconds} seconds"),
        // The basic form cannot be empty: a request writes 0.
        (_, number) => number.to_string(),
    }
}

/// The entries of a split tunnel: network, mask, protocol, source and destination port, 14 octets each.
fn networks(octets: &[u8]) -> Option<String> {
    if !octets.len().is_multiple_of(14) {
        return None;
    }
    let entries = octets.chunks_exact(14).map(|entry| {
        let network = subnet(ipv4(entry)?, ipv4(&entry[4..])?);
        Some(match &entry[8..] {
            [0, 0, 0, 0, 0, 0] => network,
            [0, protocol, rest @ ..] | [protocol, 0, rest @ ..] => {
                let ports = rest.chunks_exact(2).map(|port| u16::from_be_bytes([port[0], port[1]]).to_string());
                format!("{network} protocol {protocol} ports {}", ports.collect::<Vec<_>>().join(" "))
            }
            other => format!("{network} {}", hex::encode(other)),
        })
    });
    entries.collect::<Option<Vec<_>>>().map(|entries| entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: ConfigType, attributes: Vec<Attribute>) -> Vec<String> {
        let mut text = String::new();
        let payload = AttributesPayload { kind, reserved: 0, identifier: 7, attributes };
        lines("ATTR", &payload, &mut Lines::new(&mut text, ""));
        text.lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_request_is_one_line_and_a_reply_says_each_value() {
        let request = vec![Attribute::variable(1_u16, []), Attribute::variable(28672_u16, [])];
        assert_eq!(text(ConfigType::Request, request), ["ATTR CFG_REQUEST: IP4_ADDRESS, BANNER"]);
        let reply = vec![
            Attribute::variable(1_u16, [10, 1, 0, 1]),
            Attribute::variable(28676_u16, [10, 1, 0, 0, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0]),
            Attribute::variable(28672_u16, *b"hi\n"),
            Attribute::variable(16522_u16, *b"secret"),
            Attribute::basic(16527_u16, 1_u16),
        ];
        let expected = [
            "ATTR CFG_REPLY",
            "  IP4_ADDRESS 10.1.0.1",
            "  SPLIT_INCLUDE 10.1.0.0/16",
            "  BANNER \"hi\\n\"",
            "  XAUTH_USER_PASSWORD (not shown)",
            "  XAUTH_STATUS OK",
        ];
        assert_eq!(text(ConfigType::Reply, reply), expected);
        let status = |number: u16| vec![Attribute::basic(16527_u16, number)];
        assert_eq!(text(ConfigType::Ack, status(0)), ["ATTR CFG_ACK: XAUTH_STATUS"]);
        assert_eq!(text(ConfigType::Set, status(0)), ["ATTR CFG_SET", "  XAUTH_STATUS FAIL"]);
    }

    #[test]
    fn what_has_no_known_form_is_hexadecimal() {
        let attributes = vec![Attribute::variable(28676_u16, [1, 2, 3]), Attribute::variable(999_u16, [9; 9])];
        assert_eq!(
            text(ConfigType::Reply, attributes),
            ["ATTR CFG_REPLY", "  SPLIT_INCLUDE 010203", "  999 090909090909090909"]
        );
    }
}
