//! The tunnel a scenario wants, in neutral words. Each implementation writes its own configuration from it.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::crypto::{Cipher, Group, Hash, UnknownName};
use crate::scenario::text::{self, texts, words};
use crate::scenario::units::{Kilobytes, Span};
use crate::wire::ipv4::Ipv4Prefix;

/// An IKEv1 tunnel with a pre-shared key, as the implementation under test is to bring it up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// The implementation's outer address.
    #[serde(deserialize_with = "text::address")]
    pub local: Ipv4Addr,
    /// The Cisco's outer address.
    #[serde(deserialize_with = "text::address")]
    pub remote: Ipv4Addr,
    /// The pre-shared key.
    pub psk: Psk,
    /// What to negotiate for the ISAKMP SA.
    pub phase1: Phase1,
    /// What to negotiate for each pair of IPsec SAs.
    pub phase2: Phase2,
    /// What to protect, one quick mode each; never empty.
    #[serde(deserialize_with = "text::some")]
    pub traffic: Vec<TrafficPair>,
    /// Whether ESP goes into UDP.
    #[serde(default)]
    pub nat_traversal: NatTraversal,
    /// The phase 1 identities, where they are not the outer addresses.
    #[serde(default)]
    pub identities: Identities,
    /// Dead peer detection, if wanted.
    #[serde(default)]
    pub dpd: Option<Dpd>,
}

/// A pre-shared key. It is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Psk(String);

impl Psk {
    /// The key made of the octets of `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key's text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for Psk {
    type Err = BadPsk;

    fn from_str(text: &str) -> Result<Self, BadPsk> {
        if text.is_empty() || text.contains(|character: char| !matches!(character, '!'..='~')) || text.contains('?') {
            return Err(BadPsk);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A text that IOS would not take as a pre-shared key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key that cannot be typed on the router: expected printable ASCII without blanks and `?`")]
pub struct BadPsk;

impl fmt::Debug for Psk {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Psk(redacted)")
    }
}

words! {
    /// The phase 1 exchange (RFC 2409 5).
    #[derive(Default)]
    Exchange, "phase 1 exchange", {
        #[default]
        Main = "main": "Main mode: six messages, identities protected.",
        Aggressive = "aggressive": "Aggressive mode: three messages.",
    }
}

/// What to negotiate for the ISAKMP SA.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase1 {
    /// Main or aggressive mode.
    #[serde(default)]
    pub exchange: Exchange,
    /// The transforms, best first; never empty.
    #[serde(deserialize_with = "text::some")]
    pub proposals: Vec<Phase1Proposal>,
    /// The lifetime to propose; 24 hours, as IOS has it, unless given.
    #[serde(default = "day", deserialize_with = "text::lifetime")]
    pub lifetime: Span,
}

/// What to negotiate for a pair of IPsec SAs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Phase2 {
    /// The transforms, best first; never empty.
    #[serde(deserialize_with = "text::some")]
    pub proposals: Vec<Phase2Proposal>,
    /// The group of a second Diffie-Hellman exchange; `None` is no perfect forward secrecy.
    #[serde(default, deserialize_with = "text::pfs")]
    #[schemars(schema_with = "text::pfs_schema")]
    pub pfs: Option<Group>,
    /// The lifetime in time to propose; one hour, as IOS has it, unless given.
    #[serde(default = "hour", deserialize_with = "text::lifetime")]
    pub lifetime: Span,
    /// The lifetime in data to propose; `None` proposes none.
    #[serde(default)]
    pub volume: Option<Kilobytes>,
}

fn day() -> Span {
    Span::from_secs(86_400)
}

fn hour() -> Span {
    Span::from_secs(3600)
}

/// One ISAKMP transform, written `aes256-sha1-modp1536`. The authentication method is always the pre-shared key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Phase1Proposal {
    /// The encryption of the ISAKMP SA; never GCM or null.
    pub cipher: Cipher,
    /// The hash, which is also the PRF.
    pub hash: Hash,
    /// The Diffie-Hellman group.
    pub group: Group,
}

/// One ESP transform, written `aes128-sha1`, `null-sha1` or, with integrity of its own, `aes128gcm16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Phase2Proposal {
    /// The encryption.
    pub cipher: Cipher,
    /// The hash of the HMAC; `None` exactly when the cipher is a GCM.
    pub integrity: Option<Hash>,
}

/// A text that is no proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// Not three words in phase 1.
    #[error("`{0}` is no phase 1 proposal: expected cipher-hash-group, such as aes256-sha1-modp1536")]
    Phase1Shape(String),
    /// Not one or two words in phase 2.
    #[error("`{0}` is no phase 2 proposal: expected cipher-hash, such as aes128-sha1, or aes128gcm16")]
    Phase2Shape(String),
    /// One of the words is unknown.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// GCM or null in phase 1.
    #[error("`{0}` is for ESP only: IKEv1 encrypts with one of des, 3des, aes128, aes192, aes256")]
    NotForIke(Cipher),
    /// A GCM with a hash.
    #[error("`{0}` brings its own integrity: leave the hash out")]
    IntegrityTwice(Cipher),
    /// Anything else without a hash.
    #[error("`{0}` does not protect integrity: expected a hash too, such as {0}-sha1")]
    NoIntegrity(Cipher),
}

impl FromStr for Phase1Proposal {
    type Err = ProposalError;

    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let mut words = text.split('-');
        let (Some(cipher), Some(hash), Some(group), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(ProposalError::Phase1Shape(text.to_owned()));
        };
        let proposal = Self { cipher: cipher.parse()?, hash: hash.parse()?, group: group.parse()? };
        match proposal.cipher {
            Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm | Cipher::Null => {
                Err(ProposalError::NotForIke(proposal.cipher))
            }
            Cipher::Des | Cipher::TripleDes | Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => Ok(proposal),
        }
    }
}

impl fmt::Display for Phase1Proposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}-{}", self.cipher, self.hash, self.group)
    }
}

impl FromStr for Phase2Proposal {
    type Err = ProposalError;

    fn from_str(text: &str) -> Result<Self, ProposalError> {
        let (cipher, integrity) = match text.split_once('-') {
            None => (text, None),
            Some((_, rest)) if rest.contains('-') => return Err(ProposalError::Phase2Shape(text.to_owned())),
            Some((cipher, hash)) => (cipher, Some(hash)),
        };
        if cipher.is_empty() {
            return Err(ProposalError::Phase2Shape(text.to_owned()));
        }
        let cipher: Cipher = cipher.parse()?;
        let integrity: Option<Hash> = integrity.map(str::parse).transpose()?;
        let own_integrity = matches!(cipher, Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm);
        match integrity {
            Some(_) if own_integrity => Err(ProposalError::IntegrityTwice(cipher)),
            None if !own_integrity => Err(ProposalError::NoIntegrity(cipher)),
            _ => Ok(Self { cipher, integrity }),
        }
    }
}

impl fmt::Display for Phase2Proposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.integrity {
            Some(hash) => write!(formatter, "{}-{hash}", self.cipher),
            None => write!(formatter, "{}", self.cipher),
        }
    }
}

/// A pair of traffic selectors, from the implementation's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrafficPair {
    /// The network behind the implementation.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(schema_with = "text::prefix_schema")]
    pub local: Ipv4Prefix,
    /// The network behind the Cisco.
    #[serde(deserialize_with = "text::parsed")]
    #[schemars(schema_with = "text::prefix_schema")]
    pub remote: Ipv4Prefix,
    /// The only IP protocol protected; `None` is any.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// The only port on our side; needs TCP or UDP.
    #[serde(default)]
    pub local_port: Option<u16>,
    /// The only port on the Cisco's side; needs TCP or UDP.
    #[serde(default)]
    pub remote_port: Option<u16>,
}

impl TrafficPair {
    /// Everything between two networks.
    pub fn between(local: Ipv4Prefix, remote: Ipv4Prefix) -> Self {
        Self { local, remote, protocol: None, local_port: None, remote_port: None }
    }
}

impl fmt::Display for TrafficPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |formatter: &mut fmt::Formatter<'_>, prefix: Ipv4Prefix, port: Option<u16>| match port {
            Some(port) => write!(formatter, "{prefix}:{port}"),
            None => write!(formatter, "{prefix}"),
        };
        side(formatter, self.local, self.local_port)?;
        formatter.write_str(" === ")?;
        side(formatter, self.remote, self.remote_port)?;
        match self.protocol {
            Some(protocol) => write!(formatter, " ({protocol})"),
            None => Ok(()),
        }
    }
}

/// An IP protocol number (IANA), written as a number or as one of `icmp`, `tcp`, `udp`, `gre`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

/// A text that names no IP protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no IP protocol: expected icmp, tcp, udp, gre or 1 to 255")]
pub struct UnknownProtocol(String);

const PROTOCOL_WORDS: &[(&str, u8)] = &[("icmp", 1), ("tcp", 6), ("udp", 17), ("gre", 47)];

impl Protocol {
    /// Whether the protocol has ports.
    pub fn has_ports(self) -> bool {
        matches!(self.0, 6 | 17)
    }
}

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        let known = PROTOCOL_WORDS.iter().find(|(word, _)| *word == text).map(|(_, number)| *number);
        match known.or_else(|| text.parse().ok()) {
            None | Some(0) => Err(UnknownProtocol(text.to_owned())),
            Some(number) => Ok(Self(number)),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOL_WORDS.iter().find(|(_, number)| *number == self.0) {
            Some((word, _)) => formatter.write_str(word),
            None => write!(formatter, "{}", self.0),
        }
    }
}

words! {
    /// Whether ESP goes into UDP port 4500 (RFC 3948).
    #[derive(Default)]
    NatTraversal, "NAT traversal", {
        #[default]
        Auto = "auto": "When the NAT-D payloads show a NAT (RFC 3947).",
        Force = "force": "Always, as though a NAT had been seen.",
        Off = "off": "Never; NAT traversal is not announced.",
    }
}

/// The phase 1 identities; `None` is the outer address of that side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identities {
    /// What the implementation says it is.
    #[serde(default)]
    pub local: Option<Identity>,
    /// What it expects the Cisco to say.
    #[serde(default)]
    pub remote: Option<Identity>,
}

/// A phase 1 identity (RFC 2407 4.6.2), written `192.0.2.10`, `fqdn:NAME`, `user-fqdn:NAME` or `key-id:TEXT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// ID_IPV4_ADDR.
    Address(Ipv4Addr),
    /// ID_FQDN.
    Fqdn(String),
    /// ID_USER_FQDN.
    UserFqdn(String),
    /// ID_KEY_ID, the octets of the text.
    KeyId(String),
}

impl FromStr for Identity {
    type Err = UnknownIdentity;

    fn from_str(text: &str) -> Result<Self, UnknownIdentity> {
        let unknown = || UnknownIdentity(text.to_owned());
        let named = match text.split_once(':') {
            None => return text.parse().map(Self::Address).map_err(|_| unknown()),
            Some((_, "")) => return Err(unknown()),
            Some(named) => named,
        };
        match named {
            ("fqdn", name) => Ok(Self::Fqdn(name.to_owned())),
            ("user-fqdn", name) => Ok(Self::UserFqdn(name.to_owned())),
            ("key-id", name) => Ok(Self::KeyId(name.to_owned())),
            _ => Err(unknown()),
        }
    }
}

/// A text that is no phase 1 identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no identity: expected an IPv4 address, fqdn:NAME, user-fqdn:NAME or key-id:TEXT")]
pub struct UnknownIdentity(String);

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(formatter, "{address}"),
            Self::Fqdn(name) => write!(formatter, "fqdn:{name}"),
            Self::UserFqdn(name) => write!(formatter, "user-fqdn:{name}"),
            Self::KeyId(text) => write!(formatter, "key-id:{text}"),
        }
    }
}

/// Dead peer detection (RFC 3706).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dpd {
    /// How long the peer may be silent before it is asked.
    #[serde(deserialize_with = "text::lifetime")]
    pub delay: Span,
    /// How long it may stay silent before it is declared dead.
    #[serde(deserialize_with = "text::lifetime")]
    pub timeout: Span,
}

texts! {
    Psk, "Psk", "A pre-shared key: printable ASCII without blanks and `?`.", "^[!-~]+$";
    Phase1Proposal, "Phase1Proposal", "cipher-hash-group, such as aes256-sha1-modp1536.",
        "^(des|3des|aes(128|192|256))-(md5|sha1|sha256|sha384|sha512)-modp(768|1024|1536|2048|3072|4096)$";
    Phase2Proposal, "Phase2Proposal", "cipher-hash, such as aes128-sha1, or aes128gcm16.",
        "^((des|3des|aes(128|192|256)|null)-(md5|sha1|sha256|sha384|sha512)|aes(128|192|256)gcm16)$";
    Protocol, "Protocol", "icmp, tcp, udp, gre or a protocol number.", "^(icmp|tcp|udp|gre|[0-9]{1,3})$";
    Identity, "Identity", "An IPv4 address, fqdn:NAME, user-fqdn:NAME or key-id:TEXT.",
        "^([0-9]+(\\.[0-9]+){3}|(fqdn|user-fqdn|key-id):.+)$";
    Span, "Span", "A whole number and a unit: 500ms, 30s, 5m, 8h, 1d.", "^[0-9]+(ms|s|m|h|d)$";
    Kilobytes, "Kilobytes", "A whole number and a unit: 4608000kB, 100MB, 4GB.", "^[0-9]+(kB|MB|GB)$";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("aes256-sha1-modp1536", Cipher::Aes256, Hash::Sha1, Group::Modp1536)]
    #[case("3des-md5-modp1024", Cipher::TripleDes, Hash::Md5, Group::Modp1024)]
    fn phase1_proposals(#[case] text: &str, #[case] cipher: Cipher, #[case] hash: Hash, #[case] group: Group) {
        let proposal: Phase1Proposal = text.parse().unwrap();
        assert_eq!(proposal, Phase1Proposal { cipher, hash, group });
        assert_eq!(proposal.to_string(), text);
    }

    #[rstest]
    #[case("aes128-sha1", Cipher::Aes128, Some(Hash::Sha1))]
    #[case("3des-md5", Cipher::TripleDes, Some(Hash::Md5))]
    #[case("null-sha1", Cipher::Null, Some(Hash::Sha1))]
    #[case("aes128gcm16", Cipher::Aes128Gcm, None)]
    fn phase2_proposals(#[case] text: &str, #[case] cipher: Cipher, #[case] integrity: Option<Hash>) {
        let proposal: Phase2Proposal = text.parse().unwrap();
        assert_eq!(proposal, Phase2Proposal { cipher, integrity });
        assert_eq!(proposal.to_string(), text);
    }

    #[rstest]
    #[case("aes256-sha1", "expected cipher-hash-group")]
    #[case("aes256-sha1-modp1536-modp1024", "expected cipher-hash-group")]
    #[case("aes257-sha1-modp1536", "expected one of des, 3des")]
    #[case("aes128gcm16-sha1-modp1536", "for ESP only")]
    fn bad_phase1_proposals(#[case] text: &str, #[case] why: &str) {
        let error = text.parse::<Phase1Proposal>().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[rstest]
    #[case("aes128", "aes128-sha1")]
    #[case("aes128gcm16-sha1", "leave the hash out")]
    #[case("aes128-sha1-modp1024", "expected cipher-hash")]
    #[case("", "expected cipher-hash")]
    #[case("aes128-", "is no hash")]
    fn bad_phase2_proposals(#[case] text: &str, #[case] why: &str) {
        let error = text.parse::<Phase2Proposal>().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Psk::new("s3cret")), "Psk(redacted)");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text: String) {
            let _ = text.parse::<Phase1Proposal>();
            let _ = text.parse::<Phase2Proposal>();
            let _ = text.parse::<Identity>();
            let _ = text.parse::<Protocol>();
        }
    }
}
