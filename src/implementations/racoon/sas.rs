//! What `setkey -D` and `setkey -DP` print, as the contract's types.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use crate::crypto::{Cipher, Hash};
use crate::implementations::sa::{IpsecSa, IpsecState, Mode, Traffic};
use crate::wire::Spi;

/// An SA of the dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dumped {
    source: Option<Ipv4Addr>,
    spi: Spi,
    reqid: u32,
    transport: bool,
    udp: bool,
    cipher: Option<Cipher>,
    integrity: Option<Hash>,
    state: String,
    traffic: Traffic,
}

/// The SAs of `setkey -D`. What is not understood is left out: the format grows from release to release.
pub(super) fn dumped(text: &str) -> HashMap<Spi, Dumped> {
    let mut all = HashMap::new();
    let mut current = Dumped::default();
    let mut finish = |sa: Dumped| {
        if sa.spi != Spi::default() {
            all.insert(sa.spi, sa);
        }
    };
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (line.starts_with(char::is_whitespace), words.next()) {
            (false, Some(source)) => {
                finish(std::mem::take(&mut current));
                current.source = address(source);
            }
            (true, Some(kind @ ("esp" | "esp-udp"))) => {
                current.udp = kind == "esp-udp";
                for word in words {
                    match word.split_once('=') {
                        Some(("mode", mode)) => current.transport = mode == "transport",
                        Some(("spi", spi)) => current.spi = number(spi).map_or(Spi::default(), Spi),
                        Some(("reqid", reqid)) => current.reqid = number(reqid).unwrap_or(0),
                        _ => {}
                    }
                }
            }
            (true, Some("E:")) => {
                let name = words.next().unwrap_or_default();
                current.cipher = cipher(name, digits(words));
            }
            (true, Some("A:")) => current.integrity = words.next().and_then(integrity),
            (true, Some("current:")) => {
                let octets =
                    words.next().and_then(|word| word.strip_suffix("(bytes)")).and_then(|word| word.parse().ok());
                current.traffic.octets = octets.unwrap_or(current.traffic.octets);
            }
            (true, Some("allocated:")) => {
                current.traffic.packets = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            }
            (true, Some(_)) => {
                if let Some(state) = line.split_whitespace().find_map(|word| word.strip_prefix("state=")) {
                    current.state = state.to_owned();
                }
            }
            (_, None) => {}
        }
    }
    finish(current);
    all
}

/// The selectors of the outbound policies of `setkey -DP` by the number of the SA they demand; of the last policy for
/// those that demand none in particular.
pub(super) fn selectors(text: &str) -> HashMap<u32, (String, String)> {
    let mut all = HashMap::new();
    let mut ends: Option<(String, String)> = None;
    let mut outbound = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if !line.starts_with(char::is_whitespace) {
            // The prefix of a host is left out, and the ports are always there: `10.1.0.0/24[any] 10.2.0.5[80] tcp`.
            let end = |word: &str| word.replace("[any]", "");
            ends = words.next().zip(words.next()).map(|(source, destination)| (end(source), end(destination)));
            continue;
        }
        match words.next() {
            Some(direction @ ("out" | "in" | "fwd")) => outbound = direction == "out",
            Some(request) if outbound && request.contains('/') => {
                let level = request.rsplit('/').next().unwrap_or_default();
                let reqid = level.split_once([':', '#']).and_then(|(_, number)| number.parse().ok()).unwrap_or(0);
                all.extend(ends.clone().map(|ends| (reqid, ends)));
            }
            _ => {}
        }
    }
    all
}

/// A pair of SAs; `None` when it is not there any more.
pub(super) fn pair(
    (inbound, outbound): (Spi, Spi),
    dumped: &HashMap<Spi, Dumped>,
    selectors: &HashMap<u32, (String, String)>,
) -> Option<IpsecSa> {
    let (received, sent) = (dumped.get(&inbound)?, dumped.get(&outbound)?);
    let (local, remote) = selectors.get(&sent.reqid).cloned().unwrap_or_default();
    let printed = |end: String| if end.is_empty() { Vec::new() } else { vec![end] };
    Some(IpsecSa {
        name: super::CONNECTION.to_owned(),
        state: match (&*received.state, &*sent.state) {
            ("mature", "mature") => IpsecState::Installed,
            ("larval", _) | (_, "larval") => IpsecState::Negotiating,
            ("dying", _) | (_, "dying") => IpsecState::Rekeying,
            ("mature", other) | (other, _) => IpsecState::Other(other.to_owned()),
        },
        spi_in: inbound,
        spi_out: outbound,
        cipher: sent.cipher,
        integrity: sent.integrity,
        pfs: None,
        mode: if sent.transport { Mode::Transport } else { Mode::Tunnel },
        udp_encapsulation: sent.udp,
        local: printed(local),
        remote: printed(remote),
        received: received.traffic,
        sent: sent.traffic,
    })
}

/// The commands for `setkey -c` that delete these SAs.
pub(super) fn deletions(dumped: &HashMap<Spi, Dumped>, local: Ipv4Addr, remote: Ipv4Addr) -> String {
    let one = |sa: &Dumped| match sa.source {
        Some(source) if source == local => format!("delete {local} {remote} esp {:#x};\n", sa.spi.0),
        _ => format!("delete {remote} {local} esp {:#x};\n", sa.spi.0),
    };
    let mut lines: Vec<String> = dumped.values().filter(|sa| sa.state != "larval").map(one).collect();
    lines.sort();
    lines.concat()
}

/// `192.0.2.10` or `192.0.2.10[4500]`.
fn address(word: &str) -> Option<Ipv4Addr> {
    word.split('[').next()?.parse().ok()
}

/// `123(0x0000007b)`.
fn number(word: &str) -> Option<u32> {
    word.split('(').next()?.parse().ok()
}

/// How many hexadecimal digits the words have.
fn digits<'a>(words: impl Iterator<Item = &'a str>) -> usize {
    words.map(str::len).sum()
}

fn cipher(name: &str, digits: usize) -> Option<Cipher> {
    match (name, digits) {
        ("des-cbc", _) => Some(Cipher::Des),
        ("3des-cbc", _) => Some(Cipher::TripleDes),
        ("aes-cbc" | "rijndael-cbc", 32) => Some(Cipher::Aes128),
        ("aes-cbc" | "rijndael-cbc", 48) => Some(Cipher::Aes192),
        ("aes-cbc" | "rijndael-cbc", 64) => Some(Cipher::Aes256),
        ("null", _) => Some(Cipher::Null),
        _ => None,
    }
}

fn integrity(name: &str) -> Option<Hash> {
    match name {
        "hmac-md5" => Some(Hash::Md5),
        "hmac-sha1" => Some(Hash::Sha1),
        "hmac-sha256" => Some(Hash::Sha256),
        "hmac-sha384" => Some(Hash::Sha384),
        "hmac-sha512" => Some(Hash::Sha512),
        _ => None,
    }
}
