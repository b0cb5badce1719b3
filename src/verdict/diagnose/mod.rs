//! What is wrong with a pair of configurations: each finding rests on something that happened, and names the lines of both
//! sides that disagree. What the scenario is called or expects is not looked at.

mod data;
mod path;
mod phase1;
mod phase2;
mod selectors;

use std::net::Ipv4Addr;
use std::ops::Range;

use super::facts::{Facts, Until};
use crate::diag::Source;
use crate::ios::config::{CryptoMapEntry, EntryKind, Interface, MapSettings, RunningConfig, Span};
use crate::scenario::tunnel::TrafficPair;
use crate::scenario::{Diagnosis, Scenario};

/// Something that is wrong with a pair of configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What, as scenarios name it.
    pub code: Diagnosis,
    /// The same for a network engineer, in one sentence, with the values of both sides.
    pub message: String,
    /// The lines that disagree, the router's first.
    pub lines: Vec<ConfigMark>,
}

/// Words of a configuration or a scenario, and what to say of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigMark {
    /// The text.
    pub source: Source,
    /// The bytes of it.
    pub range: Range<usize>,
    /// What to say.
    pub label: String,
}

/// What the findings are made from.
pub(super) struct Case<'a> {
    scenario: &'a Scenario,
    /// The name of the implementation under test.
    implementation: &'a str,
    config: &'a RunningConfig,
    until: Until<'a>,
}

/// All findings, in the order a negotiation would meet them.
pub(super) fn findings(scenario: &Scenario, facts: &Facts<'_>) -> Vec<Finding> {
    let implementation = facts.log.header.implementation.0.as_str();
    let case = Case { scenario, implementation, config: &scenario.router.running, until: facts.whole() };
    let mut findings = Vec::new();
    findings.extend(path::ike_blocked(&case));
    findings.extend(path::not_applied(&case));
    findings.extend(phase1::policy(&case));
    findings.extend(phase1::psk_missing(&case));
    findings.extend(phase1::psk_mismatch(&case));
    findings.extend(phase2::refused(&case));
    findings.extend(path::esp_blocked(&case));
    findings.extend(selectors::outside(&case));
    findings.extend(data::no_route(&case));
    findings.extend(data::nat_before_crypto(&case));
    findings
}

impl<'a> Case<'a> {
    /// A mark at words of the running-config; none for defaults, which no line sets.
    fn router_line(&self, span: Span, label: impl Into<String>) -> Option<ConfigMark> {
        let (source, range) = self.config.place(span)?;
        Some(ConfigMark { source, range, label: label.into() })
    }

    /// A mark at the place of the scenario that a JSON pointer names.
    fn our_line(&self, pointer: &str, label: impl Into<String>) -> Option<ConfigMark> {
        let range = self.scenario.place(pointer)?;
        Some(ConfigMark { source: self.scenario.source.clone(), range, label: label.into() })
    }

    /// A mark at the first line of the implementation's own files that names both networks.
    fn native_line(&self, pair: &TrafficPair, label: impl Into<String>) -> Option<ConfigMark> {
        let named = self.scenario.native.iter().find(|(name, _)| name.word() == self.implementation);
        let (local, remote) = (pair.local.to_string(), pair.remote.to_string());
        let files = named.into_iter().flat_map(|(_, files)| files.values());
        files
            .into_iter()
            .find_map(|source| {
                let holds_both = |line: &&str| {
                    let mut words = line.split_whitespace();
                    !line.trim_start().starts_with('#')
                        && words.any(|word| word == local)
                        && words.any(|word| word == remote)
                };
                let line = source.text.lines().find(holds_both)?.trim();
                let start = source.text.find(line)?;
                Some((source, start..start + line.len()))
            })
            .map(|(source, range)| ConfigMark { source: source.clone(), range, label: label.into() })
    }

    /// The implementation's address as the router sees it.
    fn peer(&self) -> Ipv4Addr {
        self.scenario.nat.map_or(self.scenario.tunnel.local, |nat| nat.address)
    }

    /// The router's interface with the address we negotiate with.
    fn outside(&self) -> Option<&'a Interface> {
        self.config.interface(&self.scenario.addresses.outside)
    }

    /// The entries of the crypto map on that interface.
    fn entries(&self) -> &'a [CryptoMapEntry] {
        let map = self.outside().and_then(|interface| interface.crypto_map.as_ref());
        map.and_then(|map| self.config.crypto_map(map)).map_or(&[], |map| &map.entries)
    }

    /// The settings of the entries that serve our address, those of dynamic maps included.
    fn serving(&self) -> Vec<&'a MapSettings> {
        let mut serving = Vec::new();
        for entry in self.entries() {
            match &entry.kind {
                EntryKind::Dynamic(name) => {
                    let dynamic = self.config.dynamic_map(name).into_iter().flat_map(|map| &map.entries);
                    serving.extend(
                        dynamic
                            .map(|entry| &entry.settings)
                            .filter(|settings| settings.peers.is_empty() || self.names_us(settings)),
                    );
                }
                _ if self.names_us(&entry.settings) => serving.push(&entry.settings),
                _ => {}
            }
        }
        serving
    }

    fn names_us(&self, settings: &MapSettings) -> bool {
        settings.peers.iter().any(|peer| peer.host.address() == Some(self.peer()))
    }
}

/// A list as a sentence has it: `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
