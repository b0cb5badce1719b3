//! Phase 2: transform sets, global `crypto ipsec` settings, crypto maps, IPsec profiles.

use std::fmt;

use super::{ClientSettings, DhGroup, InterfaceName, PeerHost};
use crate::crypto::{Cipher, Hash};
use crate::ios::config::{Span, Spanned};

/// One transform of a set, as `crypto ipsec transform-set` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transform {
    /// `ah-md5-hmac` and its sisters.
    Ah(Hash),
    /// `esp-des`, `esp-3des`, `esp-aes [KEY]`, `esp-gcm [KEY]`, `esp-null`.
    EspCipher(Cipher),
    /// `esp-md5-hmac` and its sisters.
    EspHmac(Hash),
    /// `esp-gmac [KEY]`, with the key length in bits: known to IOS, not to the simulated router.
    EspGmac(u16),
    /// `esp-seal`: known to IOS, not to the simulated router.
    EspSeal,
    /// `comp-lzs`: known to IOS, not to the simulated router.
    CompLzs,
}

impl Transform {
    /// The words of the configuration: `esp-aes 256`. AES with 128 bits is `esp-aes`.
    pub fn words(self) -> String {
        match self {
            Self::Ah(hash) => format!("ah-{}-hmac", hmac_word(hash)),
            Self::EspHmac(hash) => format!("esp-{}-hmac", hmac_word(hash)),
            Self::EspCipher(cipher) => match cipher {
                Cipher::Des => "esp-des",
                Cipher::TripleDes => "esp-3des",
                Cipher::Aes128 => "esp-aes",
                Cipher::Aes192 => "esp-aes 192",
                Cipher::Aes256 => "esp-aes 256",
                Cipher::Aes128Gcm => "esp-gcm",
                Cipher::Aes192Gcm => "esp-gcm 192",
                Cipher::Aes256Gcm => "esp-gcm 256",
                Cipher::Null => "esp-null",
            }
            .to_owned(),
            Self::EspGmac(128) => "esp-gmac".to_owned(),
            Self::EspGmac(bits) => format!("esp-gmac {bits}"),
            Self::EspSeal => "esp-seal".to_owned(),
            Self::CompLzs => "comp-lzs".to_owned(),
        }
    }

    /// The word of `show crypto ipsec sa` and `show crypto map`, which has the key length inside: `esp-256-aes`.
    /// \[S: facts 10.1\]
    pub fn show_word(self) -> String {
        match self {
            Self::EspCipher(Cipher::Aes192) => "esp-192-aes".to_owned(),
            Self::EspCipher(Cipher::Aes256) => "esp-256-aes".to_owned(),
            Self::EspCipher(Cipher::Aes192Gcm) => "esp-gcm 192".to_owned(),
            Self::EspCipher(Cipher::Aes256Gcm) => "esp-gcm 256".to_owned(),
            other => other.words(),
        }
    }
}

fn hmac_word(hash: Hash) -> &'static str {
    match hash {
        Hash::Md5 => "md5",
        Hash::Sha1 => "sha",
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
}

/// `mode tunnel`, the default, or `mode transport`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransformMode {
    /// `tunnel`.
    Tunnel,
    /// `transport`: falls back to tunnel for traffic that does not end on the peers. \[R\]
    Transport,
    /// `transport require`: never falls back.
    TransportRequire,
}

impl TransformMode {
    /// The words after `mode`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Tunnel => "tunnel",
            Self::Transport => "transport",
            Self::TransportRequire => "transport require",
        }
    }
}

/// `crypto ipsec transform-set NAME T1 [T2 [T3 [T4]]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformSet {
    /// The name.
    pub name: Spanned<String>,
    /// The transforms in the order written, one to four.
    pub transforms: Vec<Spanned<Transform>>,
    /// Tunnel or transport.
    pub mode: Spanned<TransformMode>,
    /// The line.
    pub span: Span,
}

impl TransformSet {
    /// The hash of its AH transform.
    pub fn ah(&self) -> Option<Hash> {
        self.transforms.iter().find_map(|transform| match transform.value {
            Transform::Ah(hash) => Some(hash),
            _ => None,
        })
    }

    /// The cipher and the HMAC of its ESP transforms; `esp-null` with an HMAC alone. `None` when it has no ESP at all.
    pub fn esp(&self) -> Option<(Cipher, Option<Hash>)> {
        let cipher = self.transforms.iter().find_map(|transform| match transform.value {
            Transform::EspCipher(cipher) => Some(cipher),
            _ => None,
        });
        let hmac = self.transforms.iter().find_map(|transform| match transform.value {
            Transform::EspHmac(hash) => Some(hash),
            _ => None,
        });
        if cipher.is_none() && hmac.is_none() {
            return None;
        }
        Some((cipher.unwrap_or(Cipher::Null), hmac))
    }

    /// The transforms the simulated router cannot do.
    pub fn unsupported(&self) -> impl Iterator<Item = Spanned<Transform>> {
        self.transforms.iter().copied().filter(|transform| {
            matches!(transform.value, Transform::EspGmac(_) | Transform::EspSeal | Transform::CompLzs)
        })
    }

    /// The words after the name: `esp-aes 256 esp-sha-hmac`, as the configuration and `debug` print them.
    pub fn words(&self) -> String {
        self.transforms.iter().map(|transform| transform.words()).collect::<Vec<_>>().join(" ")
    }

    /// The words as `show` prints them: `esp-256-aes esp-sha-hmac`.
    pub fn show_words(&self) -> String {
        self.transforms.iter().map(|transform| transform.show_word()).collect::<Vec<_>>().join(" ")
    }
}

/// The volume lifetime of IPsec SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VolumeLifetime {
    /// That many kilobytes.
    Kilobytes(u32),
    /// `disable`: no volume limit.
    Unlimited,
}

impl fmt::Display for VolumeLifetime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kilobytes(kilobytes) => kilobytes.fmt(formatter),
            Self::Unlimited => formatter.write_str("disable"),
        }
    }
}

/// What happens to the don't-fragment bit of the outer header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DfBit {
    /// Cleared.
    Clear,
    /// Set.
    Set,
    /// Copied from the inner header; the default.
    Copy,
}

impl DfBit {
    /// The keyword.
    pub fn word(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Set => "set",
            Self::Copy => "copy",
        }
    }
}

/// The replay window of IPsec SAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplayWindow {
    /// That many packets: 64, 128, 256, 512 or 1024.
    Size(u16),
    /// `replay disable`: no check.
    Disabled,
}

/// Global `crypto ipsec` settings and the transform sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipsec {
    /// `transform-set`, in the order written.
    pub transform_sets: Vec<TransformSet>,
    /// `security-association lifetime seconds`; 3600 by default. \[S: facts 5.5\]
    pub lifetime_seconds: Spanned<u32>,
    /// `security-association lifetime kilobytes`; 4608000 by default. \[S: facts 5.5\]
    pub lifetime_kilobytes: Spanned<VolumeLifetime>,
    /// `security-association replay`; 64 packets by default. \[R\]
    pub replay: Spanned<ReplayWindow>,
    /// `security-association idle-time` in seconds.
    pub idle_time: Option<Spanned<u32>>,
    /// `df-bit`; copy by default.
    pub df_bit: Spanned<DfBit>,
    /// `fragmentation before-encryption | after-encryption`; whether before. \[R: the default is before\]
    pub fragment_before_encryption: Spanned<bool>,
    /// `nat-transparency udp-encapsulation`; on by default. \[R\]
    pub nat_transparency: Spanned<bool>,
    /// `profile`, in the order written.
    pub profiles: Vec<IpsecProfile>,
    /// `crypto map`, in the order their names first appear.
    pub maps: Vec<CryptoMap>,
    /// `crypto dynamic-map`, in the order their names first appear.
    pub dynamic_maps: Vec<DynamicMap>,
    /// `crypto logging session`: tunnels going up and down are written to the log.
    pub logging_session: Spanned<bool>,
}

impl Default for Ipsec {
    fn default() -> Self {
        Self {
            transform_sets: Vec::new(),
            lifetime_seconds: Spanned::implied(3600),
            lifetime_kilobytes: Spanned::implied(VolumeLifetime::Kilobytes(4_608_000)),
            replay: Spanned::implied(ReplayWindow::Size(64)),
            idle_time: None,
            df_bit: Spanned::implied(DfBit::Copy),
            fragment_before_encryption: Spanned::implied(true),
            nat_transparency: Spanned::implied(true),
            profiles: Vec::new(),
            maps: Vec::new(),
            dynamic_maps: Vec::new(),
            logging_session: Spanned::implied(false),
        }
    }
}

/// `set peer A | H [dynamic] [default]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapPeer {
    /// The peer.
    pub host: PeerHost,
    /// `dynamic`: the name is resolved anew for every tunnel.
    pub dynamic: bool,
    /// `default`: the peer tried first.
    pub default: bool,
}

/// `reverse-route`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReverseRoute {
    /// `static`: the route stands without an SA.
    pub permanent: bool,
    /// `remote-peer A`: the next hop.
    pub remote_peer: Option<std::net::Ipv4Addr>,
}

/// The `match` and `set` lines of a crypto map entry, a dynamic map entry or an IPsec profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapSettings {
    /// `description`.
    pub description: Option<String>,
    /// `match address ACL`.
    pub acl: Option<Spanned<String>>,
    /// `set peer`, in the order written.
    pub peers: Vec<Spanned<MapPeer>>,
    /// `set transform-set N [N ...]`, in the order of preference.
    pub transform_sets: Vec<Spanned<String>>,
    /// `set pfs [groupN]`; plain is group 1. \[S: facts 5.1, LOG-123\]
    pub pfs: Option<Spanned<DhGroup>>,
    /// `set security-association lifetime seconds`; else the global value.
    pub lifetime_seconds: Option<Spanned<u32>>,
    /// `set security-association lifetime kilobytes`; else the global value.
    pub lifetime_kilobytes: Option<Spanned<VolumeLifetime>>,
    /// `set security-association idle-time` in seconds; else the global value.
    pub idle_time: Option<Spanned<u32>>,
    /// `set security-association replay`; else the global value.
    pub replay: Option<Spanned<ReplayWindow>>,
    /// `set security-association level per-host`: an SA pair for each pair of hosts.
    pub per_host: Spanned<bool>,
    /// `set security-association dfbit`; else the global value.
    pub df_bit: Option<Spanned<DfBit>>,
    /// `set isakmp-profile P`.
    pub isakmp_profile: Option<Spanned<String>>,
    /// `set ikev2-profile P`: kept, not acted upon.
    pub ikev2_profile: Option<Spanned<String>>,
    /// `reverse-route`.
    pub reverse_route: Option<Spanned<ReverseRoute>>,
    /// `responder-only` of a profile.
    pub responder_only: Spanned<bool>,
}

/// What kind of entry a crypto map entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// `ipsec-isakmp`.
    Isakmp,
    /// `ipsec-isakmp dynamic NAME [discover]`.
    Dynamic(Spanned<String>),
    /// `ipsec-manual`: kept, not acted upon.
    Manual,
    /// `gdoi`: kept, not acted upon.
    Gdoi,
}

/// `crypto map NAME SEQ ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CryptoMapEntry {
    /// The sequence number, 1 to 65535; the lowest is tried first.
    pub sequence: u16,
    /// Static, dynamic or of a kind the simulated router does not do.
    pub kind: EntryKind,
    /// Its `match` and `set` lines.
    pub settings: MapSettings,
    /// The line that opened it.
    pub span: Span,
}

/// A crypto map: every entry under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CryptoMap {
    /// The name.
    pub name: String,
    /// The entries by rising sequence number.
    pub entries: Vec<CryptoMapEntry>,
    /// `crypto map NAME local-address IF`: the peer sees the address of that interface.
    pub local_address: Option<Spanned<InterfaceName>>,
    /// The Easy VPN server's part.
    pub client: ClientSettings,
    /// `crypto map NAME isakmp-profile P`.
    pub isakmp_profile: Option<Spanned<String>>,
    /// The first line that named it.
    pub span: Span,
}

/// `crypto dynamic-map NAME SEQ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicMapEntry {
    /// The sequence number; the lowest is tried first.
    pub sequence: u16,
    /// Its `match` and `set` lines; peer and access list may be missing.
    pub settings: MapSettings,
    /// The line that opened it.
    pub span: Span,
}

/// A dynamic crypto map: the templates under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicMap {
    /// The name.
    pub name: String,
    /// The entries by rising sequence number.
    pub entries: Vec<DynamicMapEntry>,
    /// The first line that named it.
    pub span: Span,
}

/// `crypto ipsec profile NAME`: what `tunnel protection` applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpsecProfile {
    /// The name.
    pub name: String,
    /// Its `set` lines; access list and peers are never used.
    pub settings: MapSettings,
    /// The line that opened it.
    pub span: Span,
}
