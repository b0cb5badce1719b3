//! What `whack --status` and `whack --trafficstatus` tell, as the contract's types.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::config::{cipher_named, group_named, hash_named};
use crate::implementations::sa::{
    Endpoint, IpsecSa, IpsecState, IsakmpSa, IsakmpState, IsakmpTransform, Mode, NatFindings, SaState, Traffic,
};
use crate::wire::Spi;

/// A connection, as far as its SAs inherit from it.
#[derive(Default)]
struct Connection<'a> {
    local: Side<'a>,
    remote: Side<'a>,
    /// `AES_CBC_256-HMAC_SHA1-MODP1536`, of its newest ISAKMP SA.
    ike: Option<&'a str>,
    /// `AES_CBC_128-HMAC_SHA1_96`, of its newest IPsec SA, and the group of its own exchange.
    esp: Option<(&'a str, &'a str)>,
}

#[derive(Default)]
struct Side<'a> {
    address: Option<Ipv4Addr>,
    network: &'a str,
    identity: Option<&'a str>,
}

/// A state: an SA that is there or being negotiated.
struct State<'a> {
    connection: &'a str,
    port: u16,
    /// `STATE_QUICK_I2`
    name: &'a str,
    /// `IPsec SA established`
    meaning: &'a str,
    /// Out and in.
    spis: Option<(Spi, Spi)>,
}

/// The SAs that `status` and `traffic` tell of.
pub(super) fn read(status: &str, traffic: &str) -> SaState {
    let mut connections: BTreeMap<&str, Connection<'_>> = BTreeMap::new();
    let mut states: BTreeMap<u64, State<'_>> = BTreeMap::new();
    for line in status.lines().filter_map(|line| line.strip_prefix("000 ")) {
        if let Some((number, rest)) = numbered(line) {
            read_state(&mut states, number, rest);
        } else if let Some((name, rest)) = quoted(line)
            && let Some(rest) = rest.strip_prefix(": ")
        {
            read_connection(connections.entry(name).or_default(), rest);
        }
    }
    let octets = octets(traffic);
    let mut all = SaState::default();
    let unknown = Connection::default();
    for (number, state) in &states {
        let connection = connections.get(state.connection).unwrap_or(&unknown);
        match state.name.contains("QUICK") {
            false => all.phase1.extend(phase1(state, connection)),
            true => all.phase2.extend(phase2(state, connection, octets.get(number).copied())),
        }
    }
    all
}

/// `#2: rest`.
fn numbered(line: &str) -> Option<(u64, &str)> {
    let (number, rest) = line.strip_prefix('#')?.split_once(": ")?;
    Some((number.parse().ok()?, rest))
}

/// `"name"rest`; the name may be followed by the number of an instance.
fn quoted(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix('"')?.split_once('"')
}

fn read_connection<'a>(connection: &mut Connection<'a>, line: &'a str) {
    if let Some((local, remote)) = line.split_once("...") {
        // The networks are on the outer ends of the line.
        let remote = remote.split(';').next().unwrap_or(remote);
        let (local_network, local_host) = local.split_once("===").unwrap_or((local, local));
        let (remote_host, remote_network) = remote.split_once("===").unwrap_or((remote, remote));
        let (local_address, remote_address) = (address(local_host), address(remote_host));
        let network = |text: &'a str, host: &str| if text == host { leading_address(text) } else { text };
        connection.local.network = network(local_network, local_host);
        connection.remote.network = network(remote_network, remote_host);
        connection.local.address = local_address;
        connection.remote.address = remote_address;
        return;
    }
    let value = |text: &'a str, key: &str| {
        let rest = &text[text.find(key)? + key.len()..];
        Some(rest.split(';').next().unwrap_or(rest).trim())
    };
    if let Some(identity) = value(line, "our id=") {
        connection.local.identity = Some(identity);
        connection.remote.identity = value(line, "their id=");
    }
    if let Some(algorithms) = value(line, " algorithm newest: ") {
        match line.trim_start().starts_with("ESP") {
            true => connection.esp = Some((algorithms, value(line, "pfsgroup=").unwrap_or_default())),
            false => connection.ike = Some(algorithms),
        }
    }
}

fn read_state<'a>(states: &mut BTreeMap<u64, State<'a>>, number: u64, line: &'a str) {
    let Some((connection, rest)) = quoted(line) else { return };
    if let Some((port, rest)) = rest.split_once(" STATE_") {
        let port = port.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(500);
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let meaning = rest.trim_start_matches('(').split(')').next().unwrap_or_default();
        states.insert(number, State { connection, port, name, meaning, spis: None });
    } else if let Some(state) = states.get_mut(&number) {
        let mut spis = rest.split_whitespace().filter_map(|word| {
            let (spi, _) = word.strip_prefix("esp.")?.split_once('@')?;
            u32::from_str_radix(spi, 16).ok().map(Spi)
        });
        state.spis = spis.next().zip(spis.next());
    }
}

fn phase1(state: &State<'_>, connection: &Connection<'_>) -> Option<IsakmpSa> {
    let endpoint = |side: &Side<'_>, port| {
        Some(Endpoint { address: side.address?, port, identity: side.identity.map(str::to_owned) })
    };
    let mut algorithms = connection.ike.unwrap_or_default().split('-');
    let transform = IsakmpTransform {
        cipher: algorithms.next().and_then(cipher_named),
        hash: algorithms.next().and_then(hash_named),
        group: algorithms.next().and_then(group_named),
    };
    let floated = state.port == 4500;
    Some(IsakmpSa {
        name: state.connection.to_owned(),
        state: match state.meaning {
            meaning if meaning.contains("IKE SA established") => IsakmpState::Established,
            _ => IsakmpState::Connecting,
        },
        initiator: state.name.contains("_I"),
        local: endpoint(&connection.local, if floated { 4500 } else { 500 })?,
        remote: endpoint(&connection.remote, state.port)?,
        cookies: None,
        transform,
        nat: NatFindings::default(),
        age: None,
    })
}

/// `None` until both SPIs are there.
fn phase2(state: &State<'_>, connection: &Connection<'_>, octets: Option<(u64, u64)>) -> Option<IpsecSa> {
    let (spi_out, spi_in) = state.spis?;
    let (esp, pfs) = connection.esp.unwrap_or_default();
    let (cipher, integrity) = esp.split_once('-').unwrap_or((esp, ""));
    let (received, sent) = octets.unwrap_or_default();
    Some(IpsecSa {
        name: state.connection.to_owned(),
        state: match state.meaning {
            meaning if meaning.contains("IPsec SA established") => IpsecState::Installed,
            _ => IpsecState::Negotiating,
        },
        spi_in,
        spi_out,
        cipher: cipher_named(cipher),
        integrity: hash_named(integrity),
        pfs: group_named(pfs.trim_matches(['<', '>'])),
        mode: Mode::Tunnel,
        udp_encapsulation: state.port == 4500,
        local: vec![connection.local.network.to_owned()],
        remote: vec![connection.remote.network.to_owned()],
        received: Traffic { packets: 0, octets: received },
        sent: Traffic { packets: 0, octets: sent },
    })
}

/// The octets received and sent by each state, from `006 #2: "cisco-1", type=ESP, ..., inBytes=84, outBytes=84, ...`.
fn octets(traffic: &str) -> BTreeMap<u64, (u64, u64)> {
    let of = |line: &str| {
        let (number, rest) = numbered(line.strip_prefix("006 ")?)?;
        let value = |key: &str| rest.split(", ").find_map(|word| word.strip_prefix(key)?.parse().ok());
        Some((number, (value("inBytes=")?, value("outBytes=")?)))
    };
    traffic.lines().filter_map(of).collect()
}

fn address(host: &str) -> Option<Ipv4Addr> {
    leading_address(host).parse().ok()
}

/// `192.0.2.10` of `192.0.2.10[@office]:17/1701`.
fn leading_address(host: &str) -> &str {
    let end = host.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(host.len());
    &host[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{Cipher, Group, Hash};

    /// What pluto 4.10 answered with a tunnel up.
    const STATUS: &str = r#"000 using kernel interface: xfrm
000 Connection list:
000  
000 "cisco-1": 10.1.0.0/24===192.0.2.10...198.51.100.1===10.2.0.0/24; erouted; eroute owner: #2
000 "cisco-1":     oriented; my_ip=unset; their_ip=unset; my_updown=ipsec _updown;
000 "cisco-1":   policy: IKEv1+PSK+ENCRYPT+TUNNEL+UP+IKE_FRAG_ALLOW+ESN_NO+ESN_YES;
000 "cisco-1":   our idtype: ID_IPV4_ADDR; our id=192.0.2.10; their idtype: ID_IPV4_ADDR; their id=198.51.100.1
000 "cisco-1":   IKEv1 algorithm newest: AES_CBC_256-HMAC_SHA1-MODP1536
000 "cisco-1":   ESP algorithm newest: AES_CBC_128-HMAC_SHA1_96; pfsgroup=<N/A>
000  
000 #1: "cisco-1":500 STATE_MAIN_I4 (IKE SA established); REPLACE in 27900s; newest; lastdpd=-1s(seq in:0 out:0); idle;
000 #2: "cisco-1":500 STATE_QUICK_I2 (IPsec SA established); REPLACE in 2660s; newest; eroute owner; ISAKMP SA #1; idle;
000 #2: "cisco-1" esp.f904e534@198.51.100.1 esp.bf5f5a21@192.0.2.10 tun.0@198.51.100.1 tun.0@192.0.2.10 Traffic: ESPin=0B ESPout=0B ESPmax=2^63B 
000  "#;

    const TRAFFIC: &str = r#"006 #2: "cisco-1", type=ESP, add_time=1795602479, inBytes=84, outBytes=168, maxBytes=2^63B, id='198.51.100.1'"#;

    #[test]
    fn both_phases_are_read() {
        let state = read(STATUS, TRAFFIC);
        assert!(state.phase1_established());
        let sa = &state.phase1[0];
        assert!(sa.initiator);
        assert_eq!((sa.remote.port, sa.remote.identity.as_deref()), (500, Some("198.51.100.1")));
        let expected =
            IsakmpTransform { cipher: Some(Cipher::Aes256), hash: Some(Hash::Sha1), group: Some(Group::Modp1536) };
        assert_eq!((sa.transform, sa.cookies), (expected, None));
        let pair = state.installed().next().unwrap();
        assert_eq!((pair.spi_in, pair.spi_out), (Spi(0xbf5f_5a21), Spi(0xf904_e534)));
        assert_eq!((pair.cipher, pair.integrity, pair.pfs), (Some(Cipher::Aes128), Some(Hash::Sha1), None));
        assert_eq!(
            (&pair.local[..], &pair.remote[..]),
            (&["10.1.0.0/24".to_owned()][..], &["10.2.0.0/24".to_owned()][..])
        );
        assert_eq!((pair.received.octets, pair.sent.octets), (84, 168));
    }

    #[test]
    fn a_host_is_its_own_network() {
        let line = r#"000 "x": 192.0.2.10[@office]...198.51.100.1<198.51.100.1>; erouted; eroute owner: #0"#;
        let states = "000 #7: \"x\":4500 STATE_QUICK_R1 (sent Quick Mode reply); idle;\n\
                      000 #7: \"x\" esp.1@198.51.100.1 esp.2@192.0.2.10";
        let state = read(&format!("{line}\n{states}"), "");
        let pair = &state.phase2[0];
        assert_eq!((pair.state.clone(), pair.udp_encapsulation), (IpsecState::Negotiating, true));
        assert_eq!((&pair.local[0][..], &pair.remote[0][..]), ("192.0.2.10", "198.51.100.1"));
    }

    #[test]
    fn nothing_and_nonsense_are_no_sas() {
        for text in
            ["", "000 #1", "000 #x: \"a\"", "000 #1: \"a\":500 STATE_MAIN_I1", "000 \"a\": ...", "000 #2: \"a\" esp.@"]
        {
            assert_eq!(read(text, text), SaState::default(), "{text}");
        }
    }
}
