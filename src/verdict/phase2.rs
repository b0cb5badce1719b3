//! Phase 2: whether both sides hold the same pairs of IPsec SAs for the right traffic, or why the router refused them.

use std::net::Ipv4Addr;

use super::facts::Until;
use super::{Failure, artifact};
use crate::ike::Selector;
use crate::ike::event::{EventKind, InstalledPair, QuickRefusal, QuickVerdict};
use crate::implementations::sa::{IpsecSa, IpsecState};
use crate::scenario::Scenario;
use crate::scenario::expect::{Phase2Expect, Phase2Refusal};
use crate::scenario::tunnel::{Phase2Proposal, Protocol, TrafficPair};
use crate::wire::Spi;
use crate::wire::ipv4::Ipv4Prefix;
use crate::wire::isakmp::{IdPayload, NotifyType};

/// Judges phase 2 at a moment; with `dut`, by what the implementation says too.
pub(super) fn judge(
    expect: &Phase2Expect,
    scenario: &Scenario,
    until: Until<'_>,
    dut: bool,
    failures: &mut Vec<Failure>,
) {
    match expect {
        Phase2Expect::Established => {
            selectors(&scenario.tunnel.traffic, until, failures);
            agreement(until, dut, failures);
        }
        Phase2Expect::Selectors(wanted) => {
            selectors(wanted, until, failures);
            agreement(until, dut, failures);
        }
        Phase2Expect::Pairs(count) => {
            let found = until.router_pairs().len();
            if found != usize::from(*count) {
                let expected = format!("{count} pairs of IPsec SAs");
                failures.push(Failure::new("phase 2, the router", expected, found.to_string(), artifact::CISCO_LOG));
            }
            agreement(until, dut, failures);
        }
        Phase2Expect::None => {
            nothing(until, dut, failures);
            if !until.wire_quick().is_empty() {
                let found = "quick mode messages";
                failures.push(Failure::new("phase 2, the wire", "no quick mode", found, artifact::TRANSCRIPT));
            }
        }
        Phase2Expect::Rejected(reason) => {
            nothing(until, dut, failures);
            rejected(*reason, until, failures);
        }
    }
}

/// Whether the router's pairs are for exactly this traffic.
fn selectors(wanted: &[TrafficPair], until: Until<'_>, failures: &mut Vec<Failure>) {
    let pairs = until.router_pairs();
    let missing =
        wanted.iter().filter(|traffic| !pairs.iter().any(|pair| Traffic::of_router(pair) == Some((*traffic).into())));
    for traffic in missing {
        let found = match pairs.is_empty() {
            true => "no pair".to_owned(),
            false => {
                let others: Vec<String> = pairs.iter().map(|pair| router_words(pair)).collect();
                format!("pairs for {}", others.join(", "))
            }
        };
        let expected = format!("a pair of IPsec SAs for {traffic}");
        failures.push(Failure::new("phase 2, the router", expected, found, artifact::CISCO_LOG));
    }
    let known = |pair: &InstalledPair| wanted.iter().any(|traffic| Traffic::of_router(pair) == Some(traffic.into()));
    for pair in pairs.iter().filter(|pair| !known(pair)) {
        let expected = "pairs of IPsec SAs for the traffic wanted only";
        failures.push(Failure::new("phase 2, the router", expected, router_words(pair), artifact::CISCO_LOG));
    }
}

/// Whether the implementation and the wire agree with the router about its pairs.
fn agreement(until: Until<'_>, dut: bool, failures: &mut Vec<Failure>) {
    let pairs = until.router_pairs();
    let complete = until.wire_quick().values().filter(|count| **count >= 3).count();
    if complete < pairs.len() {
        let expected = format!("three messages of each of {} quick modes", pairs.len());
        failures.push(Failure::new("phase 2, the wire", expected, format!("{complete}"), artifact::TRANSCRIPT));
    }
    if !dut {
        return;
    }
    // A pair that a newer one is replacing is still a pair on the router, until it is deleted.
    let held = |sa: &&IpsecSa| matches!(sa.state, IpsecState::Installed | IpsecState::Rekeying);
    let ours: Vec<&IpsecSa> = until.sas().into_iter().flat_map(|sas| &sas.phase2).filter(held).collect();
    for pair in &pairs {
        let crossed = |sa: &&&IpsecSa| sa.spi_in.0 == pair.outbound_spi && sa.spi_out.0 == pair.inbound_spi;
        let Some(sa) = ours.iter().find(crossed) else {
            let expected = format!(
                "the router's pair: in {}, out {} for {}",
                Spi(pair.outbound_spi),
                Spi(pair.inbound_spi),
                router_words(pair)
            );
            failures.push(Failure::new("phase 2, the implementation", expected, dut_words(&ours), artifact::DUT_LOG));
            continue;
        };
        let traffic = Traffic::of_dut(sa);
        if traffic.is_none() || traffic != Traffic::of_router(pair) {
            let found = format!("{} === {}", sa.local.join(" "), sa.remote.join(" "));
            let what = "phase 2, the implementation's selectors";
            failures.push(Failure::new(what, router_words(pair), found, artifact::DUT_LOG));
        }
    }
    let known = |sa: &&&IpsecSa| !pairs.iter().any(|pair| sa.spi_in.0 == pair.outbound_spi);
    for sa in ours.iter().filter(known) {
        let found = format!("one in {}, out {}", sa.spi_in, sa.spi_out);
        let expected = "no pairs that the router does not hold";
        failures.push(Failure::new("phase 2, the implementation", expected, found, artifact::DUT_LOG));
    }
}

fn nothing(until: Until<'_>, dut: bool, failures: &mut Vec<Failure>) {
    if until.router_installed_any() {
        let found = "it installed some";
        failures.push(Failure::new("phase 2, the router", "no IPsec SAs", found, artifact::CISCO_LOG));
    }
    let ours: Vec<&IpsecSa> = until.sas().into_iter().flat_map(|sas| sas.installed()).collect();
    if dut && !ours.is_empty() {
        failures.push(Failure::new("phase 2, the implementation", "no IPsec SAs", dut_words(&ours), artifact::DUT_LOG));
    }
}

/// Whether the router refused for this reason and said so on the wire.
fn rejected(reason: Phase2Refusal, until: Until<'_>, failures: &mut Vec<Failure>) {
    let furthest = until.quick_refusals().map(|(_, refusal)| refusal).max_by_key(|refusal| progress(*refusal));
    if furthest.map(refusal) != Some(reason) {
        let found = match furthest {
            Some(found) => refusal(found).to_string(),
            None if until.wire_quick().is_empty() => "no quick mode took place".to_owned(),
            None => "it refused nothing".to_owned(),
        };
        let expected = format!("it refuses: {reason}");
        failures.push(Failure::new("phase 2, the router", expected, found, artifact::CISCO_LOG));
    }
    let accepted = until
        .ike()
        .any(|event| matches!(&event.kind, EventKind::QuickJudged { verdict: QuickVerdict::Accepted { .. }, .. }));
    if accepted {
        let (expected, found) = ("it accepts no proposal", "it accepted one");
        failures.push(Failure::new("phase 2, the router", expected, found, artifact::CISCO_LOG));
    }
    let notifies = until.wire_notifies();
    if !notifies.contains(&NotifyType::NoProposalChosen) {
        let found = match notifies.is_empty() {
            true => "no notify of the router's".to_owned(),
            false => notifies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let expected = "the router's NO_PROPOSAL_CHOSEN, encrypted";
        failures.push(Failure::new("phase 2, the wire", expected, found, artifact::TRANSCRIPT));
    }
}

fn refusal(refusal: QuickRefusal) -> Phase2Refusal {
    match refusal {
        QuickRefusal::ProxyIdentities => Phase2Refusal::ProxyIdentities,
        QuickRefusal::Transform => Phase2Refusal::TransformSet,
        QuickRefusal::Encapsulation => Phase2Refusal::Encapsulation,
        QuickRefusal::Pfs { .. } => Phase2Refusal::Pfs,
        QuickRefusal::NoPolicy => Phase2Refusal::CryptoMap,
    }
}

/// How far a proposal came before it was refused: of several, the one that came furthest is the reason.
pub(super) fn progress(refusal: QuickRefusal) -> u8 {
    match refusal {
        QuickRefusal::NoPolicy => 0,
        QuickRefusal::ProxyIdentities => 1,
        QuickRefusal::Transform => 2,
        QuickRefusal::Encapsulation => 3,
        QuickRefusal::Pfs { .. } => 4,
    }
}

/// The algorithms of every pair of IPsec SAs, by the router and by what the implementation tells.
pub(super) fn algorithms(expect: Option<Phase2Proposal>, until: Until<'_>, failures: &mut Vec<Failure>) {
    let Some(expect) = expect else { return };
    let what = "phase 2, the algorithms";
    let pairs = until.router_pairs();
    if pairs.is_empty() {
        let found = "the router holds no pair";
        failures.push(Failure::new(what, expect.to_string(), found, artifact::CISCO_LOG));
    }
    for pair in pairs {
        for spi in [pair.inbound_spi, pair.outbound_spi] {
            let suite = until.facts.suite(Spi(spi));
            if suite.map(|suite| (suite.cipher, suite.integrity)) != Some((expect.cipher, expect.integrity)) {
                let found = suite.map_or("an SA without keys".to_owned(), |suite| suite.to_string());
                failures.push(Failure::new(what, expect.to_string(), found, artifact::CISCO_LOG));
            }
        }
    }
    for sa in until.sas().into_iter().flat_map(|sas| sas.installed()) {
        let Some(cipher) = sa.cipher else { continue };
        let told = Phase2Proposal { cipher, integrity: sa.integrity };
        if told != expect {
            let what = format!("{what} the implementation tells");
            failures.push(Failure::new(what, expect.to_string(), told.to_string(), artifact::DUT_LOG));
        }
    }
}

/// The traffic of a pair of SAs, from the implementation's side, in a form all witnesses can be brought to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Traffic {
    local: Side,
    remote: Side,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Side {
    first: Ipv4Addr,
    last: Ipv4Addr,
    protocol: u8,
    port: u16,
}

impl Traffic {
    fn of_router(pair: &InstalledPair) -> Option<Self> {
        let side = |id: &IdPayload| Selector::from_id(id).ok().map(Side::from);
        Some(Self { local: side(&pair.remote_proxy)?, remote: side(&pair.local_proxy)? })
    }

    /// `None` when the implementation prints several selectors a side, or one that cannot be read.
    fn of_dut(sa: &IpsecSa) -> Option<Self> {
        let ([local], [remote]) = (&sa.local[..], &sa.remote[..]) else { return None };
        Some(Self { local: printed(local)?, remote: printed(remote)? })
    }
}

impl From<Selector> for Side {
    fn from(selector: Selector) -> Self {
        let (first, last) = (selector.first(), selector.last());
        Self { first, last, protocol: selector.protocol, port: selector.port }
    }
}

impl From<&TrafficPair> for Traffic {
    fn from(pair: &TrafficPair) -> Self {
        let protocol = pair.protocol.map_or(0, |protocol| protocol.0);
        let side = |prefix: Ipv4Prefix, port: Option<u16>| Side {
            first: prefix.network(),
            last: prefix.last(),
            protocol,
            port: port.unwrap_or(0),
        };
        Self { local: side(pair.local, pair.local_port), remote: side(pair.remote, pair.remote_port) }
    }
}

/// A selector as implementations print it: `10.1.0.0/24`, `192.0.2.10/32[gre]`, `10.1.0.0/24[tcp/80]`.
fn printed(text: &str) -> Option<Side> {
    let (network, upper) = match text.split_once('[') {
        Some((network, upper)) => (network, Some(upper.strip_suffix(']')?)),
        None => (text, None),
    };
    let prefix: Ipv4Prefix = match network.contains('/') {
        true => network.parse().ok()?,
        false => Ipv4Prefix::host(network.parse().ok()?),
    };
    let (protocol, port) = match upper {
        None => (0, 0),
        Some(upper) => {
            let (protocol, port) = upper.split_once('/').unwrap_or((upper, "0"));
            (protocol.parse::<Protocol>().ok()?.0, port.parse().ok()?)
        }
    };
    Some(Side { first: prefix.network(), last: prefix.last(), protocol, port })
}

fn router_words(pair: &InstalledPair) -> String {
    format!("{} === {}", selector_words(&pair.remote_proxy), selector_words(&pair.local_proxy))
}

/// A selector as scenarios write networks: `10.1.0.0/24`.
pub(super) fn selector_words(id: &IdPayload) -> String {
    let selector = match Selector::from_id(id) {
        Ok(selector) => selector,
        Err(error) => return error.to_string(),
    };
    match selector.mask().and_then(|mask| Ipv4Prefix::from_mask(selector.first(), mask)) {
        Some(prefix) if selector.protocol == 0 && selector.port == 0 => prefix.to_string(),
        _ => selector.to_string(),
    }
}

fn dut_words(sas: &[&IpsecSa]) -> String {
    match sas {
        [] => "no pair".to_owned(),
        sas => sas.iter().map(|sa| format!("in {}, out {}", sa.spi_in, sa.spi_out)).collect::<Vec<_>>().join("; "),
    }
}
