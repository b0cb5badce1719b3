//! What an implementation can do, as a closed list: what is not in it, it cannot do.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::crypto::{Cipher, Group, Hash};
use crate::scenario::tunnel::{Exchange, Identity, NatTraversal, Tunnel};

/// Something a tunnel may ask of an implementation, by its word: `main-mode`, `ike-aes256`, `esp-sha1`, `pfs-modp1024`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability(String);

/// Every capability a tunnel may ask for.
static VOCABULARY: LazyLock<BTreeSet<Capability>> = LazyLock::new(|| {
    let mut words: Vec<String> = Exchange::ALL.iter().map(|exchange| exchange_word(*exchange)).collect();
    for cipher in Cipher::ALL {
        if !matches!(cipher, Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm | Cipher::Null) {
            words.push(format!("ike-{cipher}"));
        }
        words.push(format!("esp-{cipher}"));
    }
    for hash in Hash::ALL {
        words.extend([format!("ike-{hash}"), format!("esp-{hash}")]);
    }
    for group in Group::ALL {
        words.extend([format!("ike-{group}"), format!("pfs-{group}")]);
    }
    words.extend(NatTraversal::ALL.iter().map(|how| format!("nat-traversal-{how}")));
    words.extend(["address", "fqdn", "user-fqdn", "key-id"].map(|kind| format!("identity-{kind}")));
    words.extend([SEVERAL_PROPOSALS, SEVERAL_SELECTORS, PROTOCOL, PORTS, DPD, VOLUME].map(str::to_owned));
    words.into_iter().map(Capability).collect()
});

const SEVERAL_PROPOSALS: &str = "several-proposals";
const SEVERAL_SELECTORS: &str = "several-selectors";
const PROTOCOL: &str = "selector-protocol";
const PORTS: &str = "selector-ports";
const DPD: &str = "dpd";
const VOLUME: &str = "volume-lifetime";

impl Capability {
    /// Its word.
    pub fn word(&self) -> &str {
        &self.0
    }

    /// Every capability there is, in the order of the words.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        VOCABULARY.iter()
    }

    /// What `tunnel` asks for.
    pub fn needed_by(tunnel: &Tunnel) -> BTreeSet<Self> {
        let mut words = vec![exchange_word(tunnel.phase1.exchange), format!("nat-traversal-{}", tunnel.nat_traversal)];
        for proposal in &tunnel.phase1.proposals {
            words.extend(
                [proposal.cipher.word(), proposal.hash.word(), proposal.group.word()].map(|word| format!("ike-{word}")),
            );
        }
        for proposal in &tunnel.phase2.proposals {
            words.push(format!("esp-{}", proposal.cipher));
            words.extend(proposal.integrity.map(|hash| format!("esp-{hash}")));
        }
        words.extend(tunnel.phase2.pfs.map(|group| format!("pfs-{group}")));
        for identity in [&tunnel.identities.local, &tunnel.identities.remote] {
            words.push(format!("identity-{}", identity.as_ref().map_or("address", identity_word)));
        }
        let several = tunnel.phase1.proposals.len() > 1 || tunnel.phase2.proposals.len() > 1;
        let ports = tunnel.traffic.iter().any(|pair| pair.local_port.is_some() || pair.remote_port.is_some());
        let more = [
            (several, SEVERAL_PROPOSALS),
            (tunnel.traffic.len() > 1, SEVERAL_SELECTORS),
            (tunnel.traffic.iter().any(|pair| pair.protocol.is_some()), PROTOCOL),
            (ports, PORTS),
            (tunnel.dpd.is_some(), DPD),
            (tunnel.phase2.volume.is_some(), VOLUME),
        ];
        words.extend(more.into_iter().filter(|(needed, _)| *needed).map(|(_, word)| word.to_owned()));
        words.into_iter().map(Self).collect()
    }

    /// A capability that nobody has, another for each seed: an implementation that claims it claims anything.
    ///
    /// It looks like the others, so that nothing but its being unknown gives it away.
    pub fn nobody_has(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        loop {
            let kind = ["ike", "esp", "pfs"][random.random_range(0..3)];
            let letters: String = (0..8).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect();
            let word = Self(format!("{kind}-{letters}"));
            if !VOCABULARY.contains(&word) {
                return word;
            }
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn exchange_word(exchange: Exchange) -> String {
    format!("{exchange}-mode")
}

fn identity_word(identity: &Identity) -> &'static str {
    match identity {
        Identity::Address(_) => "address",
        Identity::Fqdn(_) => "fqdn",
        Identity::UserFqdn(_) => "user-fqdn",
        Identity::KeyId(_) => "key-id",
    }
}

/// What an implementation can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(BTreeSet<Capability>);

impl Capabilities {
    /// All that a tunnel may ask for, and nothing else.
    pub fn all() -> Self {
        Self(VOCABULARY.clone())
    }

    /// Those that any of `patterns` names, as [`Self::matching`] reads them.
    pub fn of(patterns: &[&str]) -> Self {
        patterns.iter().fold(Self::default(), |all, pattern| all.and(Self::matching(pattern)))
    }

    /// Those that `pattern` names: one, or with a `*` at its end all whose words begin so.
    pub fn matching(pattern: &str) -> Self {
        Self(VOCABULARY.iter().filter(|capability| fits(pattern, capability.word())).cloned().collect())
    }

    /// These and those.
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Each of them, in the order of the words.
    pub fn iter(&self) -> impl Iterator<Item = &Capability> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `capability` is one of them.
    pub fn has(&self, capability: &Capability) -> bool {
        self.0.contains(capability)
    }
}

/// What a table of patterns says of `capability`: the driver's own words for what it does not have.
pub(super) fn said_of(capability: &Capability, table: &[(&str, &'static str)]) -> Option<&'static str> {
    table.iter().find(|(pattern, _)| fits(pattern, capability.word())).map(|(_, why)| *why)
}

fn fits(pattern: &str, word: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => word == pattern,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::implementations::command::values::sample_tunnel;
    use crate::implementations::{Host, Registry};

    #[test]
    fn what_a_tunnel_asks_for_is_in_the_vocabulary() {
        let needed = Capability::needed_by(&sample_tunnel());
        let unknown: Vec<_> = needed.difference(&VOCABULARY).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let words: Vec<&str> = needed.iter().map(Capability::word).collect();
        insta::assert_snapshot!(words.join(" "), @"aggressive-mode dpd esp-aes128 esp-aes128gcm16 esp-sha1 identity-address identity-key-id ike-3des ike-aes256 ike-md5 ike-modp1024 ike-modp1536 ike-sha1 nat-traversal-force pfs-modp1536 selector-ports selector-protocol several-proposals several-selectors volume-lifetime");
    }

    #[test]
    fn patterns_name_one_or_many() {
        assert_eq!(Capabilities::matching("pfs-*").0.len(), Group::ALL.len());
        assert_eq!(Capabilities::matching("dpd").0.len(), 1);
        assert!(Capabilities::matching("dp").is_empty());
        let some = Capabilities::of(&["ike-*", "main-mode"]);
        assert!(some.has(&Capability("main-mode".to_owned())) && some.has(&Capability("ike-aes128".to_owned())));
        assert!(!some.has(&Capability("aggressive-mode".to_owned())));
    }

    proptest! {
        /// The probe's premise: no driver that is part of the program claims what nobody has.
        #[test]
        fn nobody_has_a_capability_made_up(seed: u64) {
            let made_up = Capability::nobody_has(seed);
            prop_assert_eq!(&made_up, &Capability::nobody_has(seed), "the same from the same seed");
            let host = Host::bare();
            for (named, driver) in Registry::built_in().iter() {
                prop_assert!(!driver.capabilities(&host).has(&made_up), "{} claims {made_up}", named.name);
            }
        }
    }
}
