//! What a status command prints, as the contract's types.

use regex::Captures;

use crate::implementations::declared::text::Pattern;
use crate::implementations::sa::{
    Endpoint, IpsecSa, IpsecState, IsakmpSa, IsakmpState, IsakmpTransform, Mode, NatFindings, SaState, Traffic,
};
use crate::scenario::Tunnel;
use crate::wire::Spi;
use crate::wire::isakmp::Cookie;

/// The groups the patterns must have, and those they may have.
pub(super) const PHASE1_GROUPS: (&[&str], &[&str]) = (&["initiator_cookie", "responder_cookie"], &[]);
pub(super) const PHASE2_GROUPS: (&[&str], &[&str]) =
    (&["spi_in", "spi_out"], &["local", "remote", "packets_in", "packets_out", "octets_in", "octets_out"]);

/// Reads every SA that the patterns find in `text`.
///
/// Says which piece of it is no cookie, SPI or number.
pub(super) fn state(
    tunnel: &Tunnel,
    name: &str,
    phase1: &Pattern,
    phase2: &Pattern,
    text: &str,
) -> Result<SaState, String> {
    Ok(SaState {
        phase1: phase1.0.captures_iter(text).map(|found| isakmp(tunnel, name, &found)).collect::<Result<_, _>>()?,
        phase2: phase2.0.captures_iter(text).map(|found| ipsec(tunnel, name, &found)).collect::<Result<_, _>>()?,
    })
}

fn isakmp(tunnel: &Tunnel, name: &str, found: &Captures<'_>) -> Result<IsakmpSa, String> {
    let end = |address| Endpoint { address, port: 500, identity: None };
    Ok(IsakmpSa {
        name: name.to_owned(),
        state: IsakmpState::Established,
        initiator: true,
        local: end(tunnel.local),
        remote: end(tunnel.remote),
        cookies: Some((cookie(found, "initiator_cookie")?, cookie(found, "responder_cookie")?)),
        transform: IsakmpTransform::default(),
        nat: NatFindings::default(),
        age: None,
    })
}

fn ipsec(tunnel: &Tunnel, name: &str, found: &Captures<'_>) -> Result<IpsecSa, String> {
    // A tunnel of one pair of selectors leaves nothing to tell.
    let only = match tunnel.traffic.as_slice() {
        [pair] => Some(pair),
        _ => None,
    };
    let network = |group: &str, only: Option<String>| match found.name(group) {
        Some(text) => vec![text.as_str().trim().to_owned()],
        None => only.into_iter().collect(),
    };
    let traffic = |direction: &str| -> Result<Traffic, String> {
        Ok(Traffic {
            packets: count(found, &format!("packets_{direction}"))?,
            octets: count(found, &format!("octets_{direction}"))?,
        })
    };
    Ok(IpsecSa {
        name: name.to_owned(),
        state: IpsecState::Installed,
        spi_in: spi(found, "spi_in")?,
        spi_out: spi(found, "spi_out")?,
        cipher: None,
        integrity: None,
        pfs: None,
        mode: Mode::Tunnel,
        udp_encapsulation: false,
        local: network("local", only.map(|pair| pair.local.to_string())),
        remote: network("remote", only.map(|pair| pair.remote.to_string())),
        received: traffic("in")?,
        sent: traffic("out")?,
    })
}

fn group<'a>(found: &'a Captures<'_>, name: &str) -> Result<&'a str, String> {
    found.name(name).map(|text| text.as_str().trim()).ok_or_else(|| format!("an SA without `{name}`"))
}

fn cookie(found: &Captures<'_>, name: &str) -> Result<Cookie, String> {
    let text = group(found, name)?;
    let mut octets = [0; 8];
    let digits: String = text.chars().filter(|character| !matches!(character, ':' | ' ')).collect();
    hex::decode_to_slice(digits.trim_start_matches("0x"), &mut octets).map_err(|_| format!("`{text}` is no cookie"))?;
    Ok(Cookie(octets))
}

fn spi(found: &Captures<'_>, name: &str) -> Result<Spi, String> {
    let text = group(found, name)?;
    u32::from_str_radix(text.trim_start_matches("0x"), 16).map(Spi).map_err(|_| format!("`{text}` is no SPI"))
}

fn count(found: &Captures<'_>, name: &str) -> Result<u64, String> {
    match found.name(name) {
        None => Ok(0),
        Some(text) => text.as_str().trim().parse().map_err(|_| format!("`{}` is no number", text.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::implementations::command::values::sample_tunnel;

    const PHASE1: &str = r"IKE (?P<initiator_cookie>\S+)\.(?P<responder_cookie>\S+)";
    const PHASE2: &str =
        r"ESP in (?P<spi_in>\S+) (?P<packets_in>\S+) out (?P<spi_out>\S+)( (?P<local>\S+) > (?P<remote>\S+))?";

    fn read(text: &str, pairs: usize) -> Result<SaState, String> {
        let mut tunnel = sample_tunnel();
        tunnel.traffic.truncate(pairs);
        state(&tunnel, "my-ike", &PHASE1.parse().unwrap(), &PHASE2.parse().unwrap(), text)
    }

    #[test]
    fn sas_are_read_wherever_they_stand() {
        let text = "IKE 0x0102030405060708.0a:0b:0c:0d:0e:0f:10:11 up\nESP in c0ffee 3 out 0x0badcafe\nESP in 1 0 out 2 10.9.0.0/24 > 10.8.0.0/24\n";
        let state = read(text, 1).unwrap();
        assert!(state.phase1_established());
        assert_eq!(state.phase1[0].cookies.map(|(ours, _)| ours), Some(Cookie([1, 2, 3, 4, 5, 6, 7, 8])));
        let pairs: Vec<_> = state.installed().collect();
        assert_eq!((pairs[0].spi_in, pairs[0].spi_out), (Spi(0xc0_ffee), Spi(0x0bad_cafe)));
        assert_eq!(pairs[0].received.packets, 3);
        assert_eq!(
            (pairs[0].local.as_slice(), pairs[1].local.as_slice()),
            (&["10.1.0.0/24".to_owned()][..], &["10.9.0.0/24".to_owned()][..])
        );
        assert!(read(text, 2).unwrap().phase2[0].local.is_empty(), "of two pairs it could be either");
        assert_eq!(read("nothing here", 1), Ok(SaState::default()));
    }

    #[rstest]
    #[case("IKE 01.02", "`01` is no cookie")]
    #[case("ESP in xyz 1 out 2", "`xyz` is no SPI")]
    #[case("ESP in 1 many out 2", "`many` is no number")]
    #[case("ESP in 1ffffffff 1 out 2", "`1ffffffff` is no SPI")]
    fn what_makes_no_sense_is_named(#[case] text: &str, #[case] why: &str) {
        assert_eq!(read(text, 1).unwrap_err(), why);
    }
}
