//! charon's `list-sas` as the contract's types.

use std::time::Duration;

use super::config::{cipher_name, group_name, integrity_name, key_bits, prf_name};
use super::vici::Message;
use crate::crypto::{Cipher, Group, Hash};
use crate::implementations::sa::{
    Endpoint, IpsecSa, IpsecState, IsakmpSa, IsakmpState, IsakmpTransform, Mode, NatFindings, SaState, Traffic,
};
use crate::wire::Spi;
use crate::wire::isakmp::Cookie;

/// Adds what one `list-sa` event tells: an IKE_SA under its connection's name, with its CHILD_SAs.
///
/// Says what is missing or malformed in it.
pub(super) fn add(state: &mut SaState, event: &Message) -> Result<(), String> {
    for (name, ike_sa) in event.sections() {
        state.phase1.push(phase1(name, ike_sa)?);
        for (_, child) in ike_sa.section("child-sas").into_iter().flat_map(Message::sections) {
            // A quick mode under way has no SPI of the other side yet.
            if child.text("spi-in").is_some() {
                state.phase2.push(phase2(child)?);
            }
        }
    }
    Ok(())
}

fn phase1(name: &str, sa: &Message) -> Result<IsakmpSa, String> {
    let cipher = sa.text("encr-alg").and_then(|cipher| cipher_of(&cipher, sa.text("encr-keysize")));
    Ok(IsakmpSa {
        name: name.to_owned(),
        state: match required(sa, "state")?.as_str() {
            "CREATED" | "CONNECTING" => IsakmpState::Connecting,
            "ESTABLISHED" => IsakmpState::Established,
            "REKEYING" | "REKEYED" => IsakmpState::Rekeying,
            "DELETING" | "DESTROYING" => IsakmpState::Deleting,
            other => IsakmpState::Other(other.to_owned()),
        },
        initiator: sa.flag("initiator"),
        local: endpoint(sa, "local")?,
        remote: endpoint(sa, "remote")?,
        cookies: Some((cookie(sa, "initiator-spi")?, cookie(sa, "responder-spi")?)),
        transform: IsakmpTransform {
            cipher,
            hash: sa.text("prf-alg").and_then(|prf| Hash::ALL.iter().copied().find(|hash| prf_name(*hash) == prf)),
            group: sa.text("dh-group").and_then(|group| group_of(&group)),
        },
        nat: NatFindings { local: sa.flag("nat-local"), remote: sa.flag("nat-remote"), pretended: sa.flag("nat-fake") },
        age: sa.text("established").and_then(|age| age.parse().ok()).map(Duration::from_secs),
    })
}

fn phase2(child: &Message) -> Result<IpsecSa, String> {
    let integrity = child.text("integ-alg");
    Ok(IpsecSa {
        name: required(child, "name")?,
        state: match required(child, "state")?.as_str() {
            "CREATED" | "INSTALLING" => IpsecState::Negotiating,
            "INSTALLED" | "UPDATING" => IpsecState::Installed,
            "REKEYING" | "REKEYED" => IpsecState::Rekeying,
            "DELETING" | "DELETED" | "DESTROYING" => IpsecState::Deleting,
            other => IpsecState::Other(other.to_owned()),
        },
        spi_in: spi(child, "spi-in")?,
        spi_out: spi(child, "spi-out")?,
        cipher: child.text("encr-alg").and_then(|cipher| cipher_of(&cipher, child.text("encr-keysize"))),
        integrity: integrity.and_then(|name| Hash::ALL.iter().copied().find(|hash| integrity_name(*hash) == name)),
        pfs: child.text("dh-group").and_then(|group| group_of(&group)),
        mode: match child.text("mode").as_deref() {
            Some("TRANSPORT") => Mode::Transport,
            _ => Mode::Tunnel,
        },
        udp_encapsulation: child.flag("encap"),
        local: child.list("local-ts"),
        remote: child.list("remote-ts"),
        received: traffic(child, "in"),
        sent: traffic(child, "out"),
    })
}

fn endpoint(sa: &Message, side: &str) -> Result<Endpoint, String> {
    let address = required(sa, &format!("{side}-host"))?;
    let port = required(sa, &format!("{side}-port"))?;
    Ok(Endpoint {
        address: address.parse().map_err(|_| format!("`{address}` is no IPv4 address"))?,
        port: port.parse().map_err(|_| format!("`{port}` is no port"))?,
        identity: sa.text(&format!("{side}-id")).filter(|identity| identity != "%any"),
    })
}

fn cookie(sa: &Message, name: &str) -> Result<Cookie, String> {
    let text = required(sa, name)?;
    let mut octets = [0; 8];
    hex::decode_to_slice(&text, &mut octets).map_err(|_| format!("`{text}` is no cookie"))?;
    Ok(Cookie(octets))
}

fn spi(child: &Message, name: &str) -> Result<Spi, String> {
    let text = required(child, name)?;
    u32::from_str_radix(&text, 16).map(Spi).map_err(|_| format!("`{text}` is no SPI"))
}

fn traffic(child: &Message, direction: &str) -> Traffic {
    let count = |what: &str| child.text(&format!("{what}-{direction}")).and_then(|text| text.parse().ok()).unwrap_or(0);
    Traffic { packets: count("packets"), octets: count("bytes") }
}

fn required(section: &Message, name: &str) -> Result<String, String> {
    section.text(name).ok_or_else(|| format!("an SA without `{name}`"))
}

fn cipher_of(name: &str, key_size: Option<String>) -> Option<Cipher> {
    let bits = key_size.and_then(|bits| bits.parse().ok());
    Cipher::ALL.iter().copied().find(|cipher| cipher_name(*cipher) == name && key_bits(*cipher) == bits)
}

fn group_of(name: &str) -> Option<Group> {
    Group::ALL.iter().copied().find(|group| group_name(*group) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(pairs: &[(&str, &str)]) -> Message {
        pairs.iter().fold(Message::new(), |message, (name, value)| message.with(*name, *value))
    }

    /// What charon 5.9.8 answered in a tunnel between two of its kind.
    fn event() -> Message {
        let child = message(&[
            ("name", "net-1"),
            ("uniqueid", "1"),
            ("reqid", "1"),
            ("state", "INSTALLED"),
            ("mode", "TUNNEL"),
            ("protocol", "ESP"),
            ("encap", "yes"),
            ("spi-in", "1658d2fd"),
            ("spi-out", "cc22c200"),
            ("encr-alg", "AES_GCM_16"),
            ("encr-keysize", "256"),
            ("dh-group", "MODP_1024"),
            ("bytes-in", "84"),
            ("packets-in", "1"),
            ("bytes-out", "168"),
            ("packets-out", "2"),
        ])
        .with_list("local-ts", ["10.1.0.0/24"])
        .with_list("remote-ts", ["10.2.0.0/24"]);
        let ike_sa = message(&[
            ("uniqueid", "1"),
            ("version", "1"),
            ("state", "ESTABLISHED"),
            ("local-host", "192.0.2.1"),
            ("local-port", "4500"),
            ("local-id", "192.0.2.1"),
            ("remote-host", "192.0.2.2"),
            ("remote-port", "4500"),
            ("remote-id", "192.0.2.2"),
            ("initiator", "yes"),
            ("initiator-spi", "d49537a440da3db9"),
            ("responder-spi", "7bdd91aa6482a36e"),
            ("nat-remote", "yes"),
            ("nat-any", "yes"),
            ("encr-alg", "3DES_CBC"),
            ("integ-alg", "HMAC_MD5_96"),
            ("prf-alg", "PRF_HMAC_MD5"),
            ("dh-group", "MODP_1024"),
            ("established", "2"),
        ])
        .with_section("child-sas", Message::new().with_section("net-1-1", child));
        Message::new().with_section("cisco", ike_sa)
    }

    #[test]
    fn both_phases_are_read() {
        let mut state = SaState::default();
        add(&mut state, &event()).unwrap();
        assert!(state.phase1_established());
        let sa = &state.phase1[0];
        let responder = Cookie([0x7b, 0xdd, 0x91, 0xaa, 0x64, 0x82, 0xa3, 0x6e]);
        assert_eq!(sa.cookies.map(|(_, cookie)| cookie), Some(responder));
        assert_eq!(sa.remote.port, 4500);
        assert_eq!(sa.nat, NatFindings { local: false, remote: true, pretended: false });
        let expected =
            IsakmpTransform { cipher: Some(Cipher::TripleDes), hash: Some(Hash::Md5), group: Some(Group::Modp1024) };
        assert_eq!(sa.transform, expected);
        let child = state.installed().next().unwrap();
        assert_eq!((child.spi_in, child.spi_out), (Spi(0x1658_d2fd), Spi(0xcc22_c200)));
        assert_eq!((child.cipher, child.integrity, child.pfs), (Some(Cipher::Aes256Gcm), None, Some(Group::Modp1024)));
        assert_eq!(child.sent, Traffic { packets: 2, octets: 168 });
        assert_eq!(child.remote, ["10.2.0.0/24"]);
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let broken = Message::new().with_section("cisco", message(&[("state", "ESTABLISHED")]));
        assert_eq!(add(&mut SaState::default(), &broken).unwrap_err(), "an SA without `local-host`");
    }
}
