//! What `setkey -D` prints, as the contract's types.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::log::Pair;
use crate::crypto::{Cipher, Hash};
use crate::implementations::sa::{IpsecSa, IpsecState, Mode, Traffic};
use crate::wire::Spi;

/// An SA of the dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Dumped {
    source: Option<Ipv4Addr>,
    spi: Spi,
    transport: bool,
    udp: bool,
    cipher: Option<Cipher>,
    integrity: Option<Hash>,
    state: String,
    traffic: Traffic,
}

/// SAs by the source of their outer header and their SPI: each side chooses its own, and both may choose the same.
pub(super) type Dump = HashMap<(Ipv4Addr, Spi), Dumped>;

/// The SAs of `setkey -D`. What is not understood is left out: the format grows from release to release.
pub(super) fn dumped(text: &str) -> Dump {
    let mut all = HashMap::new();
    let mut current = Dumped::default();
    let mut finish = |sa: Dumped| {
        if let Some(source) = sa.source {
            all.insert((source, sa.spi), sa);
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

/// A pair of SAs; `None` when it is not there any more.
pub(super) fn pair(pair: &Pair, dumped: &Dump, local: Ipv4Addr, remote: Ipv4Addr) -> Option<IpsecSa> {
    let (received, sent) = (dumped.get(&(remote, pair.inbound))?, dumped.get(&(local, pair.outbound))?);
    let (local, remote) = pair.selectors.clone().unzip();
    Some(IpsecSa {
        name: super::CONNECTION.to_owned(),
        state: match (&*received.state, &*sent.state) {
            ("mature", "mature") => IpsecState::Installed,
            ("larval", _) | (_, "larval") => IpsecState::Negotiating,
            ("dying", _) | (_, "dying") => IpsecState::Rekeying,
            ("mature", other) | (other, _) => IpsecState::Other(other.to_owned()),
        },
        spi_in: pair.inbound,
        spi_out: pair.outbound,
        cipher: sent.cipher,
        integrity: sent.integrity,
        pfs: None,
        mode: if sent.transport { Mode::Transport } else { Mode::Tunnel },
        udp_encapsulation: sent.udp,
        local: local.into_iter().collect(),
        remote: remote.into_iter().collect(),
        received: received.traffic,
        sent: sent.traffic,
    })
}

/// The commands for `setkey -c` that delete these SAs.
pub(super) fn deletions(dumped: &Dump, local: Ipv4Addr, remote: Ipv4Addr) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What setkey 0.9.1 prints under the key engine, the first pair plain and the second in UDP.
    const DUMP: &str = "\
198.51.100.1 192.0.2.10 
\tesp mode=tunnel spi=63993272(0x03d075b8) reqid=16385(0x00004001)
\tE: aes-cbc  efe8df05 ad3d1d4c a54848f2 402419d5
\tA: hmac-sha1  519b1325 fc6a6a09 3bc7ce9c 441aeef7 741e6931
\tseq=0x00000000 replay=4 flags=0x00000000 state=mature 
\tcreated: Nov 25 11:07:43 2026\tcurrent: Nov 25 11:07:43 2026
\tdiff: 0(s)\thard: 3600(s)\tsoft: 2880(s)
\tlast:                     \thard: 0(s)\tsoft: 0(s)
\tcurrent: 252(bytes)\thard: 0(bytes)\tsoft: 0(bytes)
\tallocated: 3\thard: 0\tsoft: 0
\tsadb_seq=1 pid=41 refcnt=0
192.0.2.10[4500] 198.51.100.1[4500] 
\tesp-udp mode=tunnel spi=2032975957(0x792cc055) reqid=0(0x00000000)
\tE: 3des-cbc  41057a45 898a4ae9 395c4c78 df060f82 41057a45 898a4ae9
\tA: hmac-md5  94226455 50574e5c 37eb6b2d 7507decf
\tseq=0x00000000 replay=4 flags=0x00000000 state=dying 
\tallocated: 0\thard: 0\tsoft: 0
No policy for this one.
";

    #[test]
    fn a_dump_is_read() {
        let dumped = dumped(DUMP);
        let (inbound, outbound) = (Spi(0x03d0_75b8), Spi(0x792c_c055));
        let ends = ("10.1.0.0/24".to_owned(), "10.2.0.0/24".to_owned());
        let (us, them) = ("192.0.2.10".parse().unwrap(), "198.51.100.1".parse().unwrap());
        let sa = pair(&Pair { inbound, outbound, selectors: Some(ends) }, &dumped, us, them).unwrap();
        assert_eq!((sa.cipher, sa.integrity, sa.mode), (Some(Cipher::TripleDes), Some(Hash::Md5), Mode::Tunnel));
        assert_eq!((sa.received, sa.sent), (Traffic { packets: 3, octets: 252 }, Traffic::default()));
        assert_eq!((sa.state, sa.udp_encapsulation), (IpsecState::Rekeying, true));
        assert_eq!((sa.local, sa.remote), (vec!["10.1.0.0/24".to_owned()], vec!["10.2.0.0/24".to_owned()]));
        assert_eq!(pair(&Pair { inbound, outbound: Spi(0x100), selectors: None }, &dumped, us, them), None);
        let commands = deletions(&dumped, us, them);
        let expected =
            "delete 192.0.2.10 198.51.100.1 esp 0x792cc055;\ndelete 198.51.100.1 192.0.2.10 esp 0x3d075b8;\n";
        assert_eq!(commands, expected);
    }

    proptest::proptest! {
        #[test]
        fn any_dump_is_taken(text: String) {
            dumped(&text);
        }
    }
}
