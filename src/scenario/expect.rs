//! What a scenario expects to happen.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::ImplementationName;
use crate::scenario::text::{self, texts, words};
use crate::scenario::tunnel::{Phase1Proposal, Phase2Proposal, TrafficPair};

/// What must be true when the steps are done. What is left out expects a tunnel that works: both phases established,
/// nothing in clear, nothing to diagnose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// How phase 1 ended.
    pub phase1: Phase1Expect,
    /// How phase 2 ended; `none` unless given when phase 1 is not to be established.
    pub phase2: Phase2Expect,
    /// What was agreed upon, where that is of interest.
    pub algorithms: Algorithms,
    /// Whether packets of the protected networks crossed the internet outside ESP.
    pub plaintext: Plaintext,
    /// What the router says.
    pub cisco: CiscoExpect,
    /// What the implementation says.
    pub dut: DutExpect,
    /// The findings, exactly these: a code, a list of codes, or `none`.
    #[serde(deserialize_with = "text::none_or_many")]
    #[schemars(schema_with = "diagnosis_schema")]
    pub diagnosis: Vec<Diagnosis>,
}

impl Expect {
    /// Whether the negotiation or the protection of the traffic is expected to fail.
    pub fn is_failure(&self) -> bool {
        self.phase1 != Phase1Expect::Established
            || matches!(self.phase2, Phase2Expect::None | Phase2Expect::Rejected(_))
            || self.plaintext == Plaintext::Leaks
    }
}

/// What must be true in the middle of the steps. What is left out is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Midway {
    /// How phase 1 has ended so far.
    pub phase1: Option<Phase1Expect>,
    /// How phase 2 has ended so far.
    pub phase2: Option<Phase2Expect>,
    /// What the router has said so far, and shows now.
    pub cisco: CiscoExpect,
}

/// How phase 1 ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase1Expect {
    /// Both sides hold an ISAKMP SA.
    #[default]
    Established,
    /// No negotiation took place: the router answered no phase 1 message.
    None,
    /// The router refused.
    Rejected(Phase1Refusal),
}

words! {
    /// Why the router refuses phase 1.
    Phase1Refusal, "reason to refuse phase 1", {
        Policy = "policy": "No transform offered is one of the router's ISAKMP policies.",
        Psk = "psk": "The router has another pre-shared key for the peer.",
        NoPsk = "no-psk": "The router has no pre-shared key for the peer.",
    }
}

/// How phase 2 ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase2Expect {
    /// There is a pair of IPsec SAs for each pair of networks under `tunnel.traffic`.
    #[default]
    Established,
    /// There is this number of pairs of IPsec SAs.
    Pairs(u16),
    /// There are pairs of IPsec SAs for exactly these networks, from the implementation's side.
    #[serde(deserialize_with = "text::some")]
    Selectors(Vec<TrafficPair>),
    /// No quick mode took place.
    None,
    /// The router refused.
    Rejected(Phase2Refusal),
}

words! {
    /// Why the router refuses phase 2.
    Phase2Refusal, "reason to refuse phase 2", {
        ProxyIdentities = "proxy-identities": "The identities are not the mirror of a permit line of the crypto ACL, nor inside one.",
        TransformSet = "transform-set": "No transform offered is one of the crypto map's transform sets.",
        Pfs = "pfs": "The crypto map demands a Diffie-Hellman exchange that was not offered.",
        Encapsulation = "encapsulation": "The transform sets have another mode, tunnel or transport.",
        CryptoMap = "crypto-map": "No crypto map on the interface has an entry for the peer.",
    }
}

/// The algorithms agreed upon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Algorithms {
    /// Those of the ISAKMP SA.
    pub phase1: Option<Phase1Proposal>,
    /// Those of every IPsec SA.
    pub phase2: Option<Phase2Proposal>,
}

words! {
    /// Whether packets with an address of the protected networks crossed the internet outside ESP.
    #[derive(Default)]
    Plaintext, "expectation about plaintext", {
        #[default]
        None = "none": "No packet did.",
        Allowed = "allowed": "Not looked at.",
        Leaks = "leaks": "At least one packet did, from or to a protected network.",
    }
}

/// What the router says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CiscoExpect {
    /// Texts that must each be in a line of its log, `debug crypto isakmp` and `debug crypto ipsec` being on.
    pub log: Vec<LogPattern>,
    /// Texts that must be in no line of its log.
    pub log_absent: Vec<LogPattern>,
    /// By `show` command, texts that must be in a line of what it answers.
    pub show: BTreeMap<String, LogPatterns>,
}

/// What the implementation says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DutExpect {
    /// By implementation, texts that must each be in a line of its log.
    pub log: BTreeMap<ImplementationName, LogPatterns>,
}

/// One pattern or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct LogPatterns(#[serde(deserialize_with = "text::one_or_many")] pub Vec<LogPattern>);

impl JsonSchema for LogPatterns {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LogPatterns".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        text::one_or_many_schema::<LogPattern>(generator)
    }
}

/// A text looked for within a line, in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPattern(String);

impl LogPattern {
    /// The pattern as written.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether `line` holds the parts between the `*` in this order.
    pub fn matches(&self, line: &str) -> bool {
        let mut rest = line;
        self.0.split('*').all(|part| match rest.find(part) {
            Some(start) => {
                rest = &rest[start + part.len()..];
                true
            }
            None => false,
        })
    }
}

impl fmt::Display for LogPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A text that is no pattern for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It would be found in every line.
    #[error("a pattern that every line matches: expected a text to look for")]
    Empty,
    /// It can be found in none.
    #[error("a pattern of several lines: expected a text within one line")]
    Lines,
}

impl FromStr for LogPattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Self, BadPattern> {
        if text.contains(['\n', '\r']) {
            return Err(BadPattern::Lines);
        }
        if text.chars().all(|character| character == '*' || character.is_whitespace()) {
            return Err(BadPattern::Empty);
        }
        Ok(Self(text.to_owned()))
    }
}

texts! {
    LogPattern, "LogPattern", "A text looked for within a line, in which * stands for anything.", "[^\\s*]";
}

words! {
    /// What is wrong with a pair of configurations.
    Diagnosis, "diagnosis", {
        IsakmpPolicyMismatch = "isakmp-policy-mismatch": "No phase 1 transform of ours is an ISAKMP policy of the router.",
        PskMismatch = "psk-mismatch": "The pre-shared keys differ.",
        PskMissing = "psk-missing": "The router has no pre-shared key for our address.",
        AclNotMirrored = "acl-not-mirrored": "The traffic we propose is not within what the router's crypto ACL protects.",
        TransformSetMismatch = "transform-set-mismatch": "No phase 2 transform of ours is in a transform set of the crypto map.",
        PfsMismatch = "pfs-mismatch": "The crypto map demands perfect forward secrecy with a group we do not offer.",
        CryptoMapNotApplied = "crypto-map-not-applied": "No interface towards us carries the crypto map.",
        PeerMismatch = "peer-mismatch": "No entry of the crypto map has our address as its peer.",
        IkeBlocked = "ike-blocked": "An access list of the router drops our IKE messages.",
        EspBlocked = "esp-blocked": "An access list of the router drops our ESP packets.",
        NoRoute = "no-route": "The router has no route to our network, so nothing comes back to the crypto map.",
        NatBeforeCrypto = "nat-before-crypto": "The router's NAT rewrites what the crypto ACL should have matched.",
        OutsideSelectors = "outside-selectors": "We send packets through an SA that was negotiated for other networks.",
    }
}

/// The schema of a code or a list of codes or `none`.
fn diagnosis_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let one = generator.subschema_for::<Diagnosis>();
    schemars::json_schema!({ "anyOf": [{ "const": "none" }, one, { "type": "array", "items": one }] })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("no offers accepted!", true)]
    #[case("Proposed key length*policy", true)]
    #[case("policy*Proposed", false)]
    #[case("length does not match policy", true)]
    #[case("(0):*key*length*", true)]
    #[case("offers  accepted", false)]
    fn patterns(#[case] pattern: &str, #[case] found: bool) {
        let lines =
            ["ISAKMP-ERROR: (0):no offers accepted!", "ISAKMP-ERROR: (0):Proposed key length does not match policy"];
        let pattern: LogPattern = pattern.parse().unwrap();
        assert_eq!(lines.iter().any(|line| pattern.matches(line)), found);
    }

    #[test]
    fn useless_patterns_are_refused() {
        assert_eq!(" * ".parse::<LogPattern>(), Err(BadPattern::Empty));
        assert_eq!("a\nb".parse::<LogPattern>(), Err(BadPattern::Lines));
    }
}
