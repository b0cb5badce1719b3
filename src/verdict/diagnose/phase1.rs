//! Findings about phase 1.

use super::{Case, Finding, listed};
use crate::ike::event::{EventKind, InitiationFailure, KeyMoment, PolicyMismatch, PolicyOutcome};
use crate::ios::config::{IsakmpPolicy, KeyPeer, PreSharedKey, Span, key_for_address};
use crate::scenario::Diagnosis;
use crate::wire::isakmp::ExchangeType;

use crate::verdict::phase1::wrong_key;

/// Every transform was refused, and not for want of a key.
pub(super) fn policy(case: &Case<'_>) -> Option<Finding> {
    let refused = case.until.ike().any(|event| matches!(event.kind, EventKind::NoPolicyAccepted));
    if !refused || case.until.router_completed_phase1() || lacks_key(case) {
        return None;
    }
    // For each policy the transforms that came furthest: what differs last is the smallest change.
    let mut nearest: Vec<(u32, Vec<PolicyMismatch>)> = Vec::new();
    for event in case.until.ike() {
        let EventKind::PolicyCompared { priority, outcome: PolicyOutcome::Refused(mismatch), .. } = &event.kind else {
            continue;
        };
        match nearest.iter_mut().find(|(known, _)| known == priority) {
            None => nearest.push((*priority, vec![*mismatch])),
            Some((_, best)) if depth(best[0]) < depth(*mismatch) => *best = vec![*mismatch],
            Some((_, best)) if depth(best[0]) == depth(*mismatch) && !best.contains(mismatch) => best.push(*mismatch),
            Some(_) => {}
        }
    }
    let ours: Vec<String> = case.scenario.tunnel.phase1.proposals.iter().map(ToString::to_string).collect();
    let mut lines = Vec::new();
    let mut told = Vec::new();
    for (priority, mismatches) in &nearest {
        let policy = case.config.isakmp.policies.iter().find(|policy| u32::from(policy.priority) == *priority);
        told.push(format!("policy {priority} wants {}", wanted(mismatches)));
        let Some(policy) = policy else { continue };
        let span = span_of(policy, mismatches[0]);
        lines.extend(case.router_line(span, wanted(mismatches)));
    }
    lines.extend(case.our_line("/tunnel/phase1/proposals", "what we offer"));
    let message = match told.is_empty() {
        true => format!("The router has no ISAKMP policy to hold our offer of {} against", listed(&ours)),
        false => format!("The router takes none of our ISAKMP transforms, {}: its {}", listed(&ours), listed(&told)),
    };
    Some(Finding { code: Diagnosis::IsakmpPolicyMismatch, message, lines })
}

/// In which order IOS compares, by what it prints.
fn depth(mismatch: PolicyMismatch) -> u8 {
    match mismatch {
        PolicyMismatch::Encryption { .. } => 0,
        PolicyMismatch::KeyLength { .. } => 1,
        PolicyMismatch::Hash { .. } => 2,
        PolicyMismatch::Group { .. } => 3,
        PolicyMismatch::Authentication { .. } => 4,
        PolicyMismatch::NoPreSharedKey => 5,
    }
}

fn wanted(mismatches: &[PolicyMismatch]) -> String {
    fn offered<T: std::fmt::Display>(offered: Option<T>) -> String {
        offered.map_or_else(|| "none".to_owned(), |offered| offered.to_string())
    }
    let words = |mismatch: &PolicyMismatch| match mismatch {
        PolicyMismatch::Encryption { offered: we, configured } => (format!("encryption {configured}"), offered(*we)),
        PolicyMismatch::KeyLength { offered: we, configured } => (format!("a key of {configured} bits"), offered(*we)),
        PolicyMismatch::Hash { offered: we, configured } => (format!("hash {configured}"), offered(*we)),
        PolicyMismatch::Group { offered: we, configured } => (
            format!("Diffie-Hellman group {configured}"),
            we.map_or_else(|| "none".to_owned(), |we| format!("group {we}")),
        ),
        PolicyMismatch::Authentication { offered: we, configured } => {
            (format!("authentication {configured}"), offered(*we))
        }
        PolicyMismatch::NoPreSharedKey => ("a pre-shared key".to_owned(), "none".to_owned()),
    };
    let mut offers: Vec<String> = mismatches.iter().map(|mismatch| words(mismatch).1).collect();
    offers.dedup();
    format!("{}, and we offer {}", words(&mismatches[0]).0, listed(&offers))
}

fn span_of(policy: &IsakmpPolicy, mismatch: PolicyMismatch) -> Span {
    let span = match mismatch {
        PolicyMismatch::Encryption { .. } | PolicyMismatch::KeyLength { .. } => policy.encryption.span,
        PolicyMismatch::Hash { .. } => policy.hash.span,
        PolicyMismatch::Group { .. } => policy.group.span,
        PolicyMismatch::Authentication { .. } | PolicyMismatch::NoPreSharedKey => policy.authentication.span,
    };
    // A value left at its default has no line of its own.
    if span.is_none() { policy.span } else { span }
}

/// Whether the router refused a policy, or to begin, because it has no key for us.
fn lacks_key(case: &Case<'_>) -> bool {
    case.until.ike().any(|event| {
        matches!(
            event.kind,
            EventKind::PolicyCompared { outcome: PolicyOutcome::Refused(PolicyMismatch::NoPreSharedKey), .. }
                | EventKind::InitiationFailed(InitiationFailure::NoPreSharedKey)
        )
    })
}

/// The router looked for our key and found none.
pub(super) fn psk_missing(case: &Case<'_>) -> Option<Finding> {
    if !lacks_key(case) || case.until.router_completed_phase1() {
        return None;
    }
    let peer = case.peer();
    let keys: Vec<&PreSharedKey> = all_keys(case).collect();
    let owners: Vec<String> = keys.iter().map(|key| owner(&key.peer.value)).collect();
    let message = match keys.is_empty() {
        true => format!("The router has no pre-shared key at all, so none for our address {peer}"),
        false => {
            format!("The router has no pre-shared key for our address {peer}: it has keys for {}", listed(&owners))
        }
    };
    let mut lines: Vec<_> =
        keys.iter().filter_map(|key| case.router_line(key.peer.span, format!("not {peer}"))).collect();
    lines.extend(case.our_line("/tunnel/local", "our address"));
    Some(Finding { code: Diagnosis::PskMissing, message, lines })
}

fn owner(peer: &KeyPeer) -> String {
    match peer {
        KeyPeer::Address(network) if network.prefix() == 32 => network.ip().to_string(),
        KeyPeer::Address(network) => network.to_string(),
        KeyPeer::Hostname(name) | KeyPeer::Ipv6(name) => name.clone(),
    }
}

fn all_keys<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a PreSharedKey> + use<'a> {
    let isakmp = &case.config.isakmp;
    isakmp.keys.iter().chain(isakmp.keyrings.iter().flat_map(|keyring| &keyring.keys))
}

/// Keys were derived on both sides, and what they encrypted could not be read.
pub(super) fn psk_mismatch(case: &Case<'_>) -> Option<Finding> {
    let until = case.until;
    if until.router_completed_phase1() {
        return None;
    }
    let unreadable = until.ike().any(|event| wrong_key(&event.kind));
    // As initiator the router only sees that its proof is not answered.
    let unanswered = until.ike().any(|event| matches!(event.kind, EventKind::ExchangeStarted(ExchangeType::Main)))
        && until.ike().any(|event| matches!(event.kind, EventKind::IdSent { .. }));
    let found_key = until.ike().any(|event| {
        matches!(
            event.kind,
            EventKind::KeyLookup {
                moment: KeyMoment::Derivation | KeyMoment::Initiation | KeyMoment::Proposal,
                found_in: Some(_),
                ..
            }
        )
    });
    if !found_key || !(unreadable || unanswered) {
        return None;
    }
    let peer = case.peer();
    let isakmp = &case.config.isakmp;
    let rings = std::iter::once(&isakmp.keys).chain(isakmp.keyrings.iter().map(|keyring| &keyring.keys));
    let theirs = rings.filter_map(|keys| key_for_address(keys, peer)).next();
    let ours = case.scenario.tunnel.psk.text();
    let plain = theirs.and_then(|key| key.key.plain());
    // With equal keys something else is wrong, of which nothing is known here.
    if plain == Some(ours) && case.scenario.native.is_empty() {
        return None;
    }
    let how = match plain {
        Some(plain) if plain.eq_ignore_ascii_case(ours) => ": they differ in capital letters only",
        Some(plain) if plain.trim() == ours.trim() => ": they differ in blanks at the end only",
        Some(plain) if plain.len() != ours.len() => ": they have not even the same length",
        _ => "",
    };
    let message = format!("The router's pre-shared key for {peer} is not ours{how}");
    let mut lines: Vec<_> =
        theirs.and_then(|key| case.router_line(key.key.span, "the router's key")).into_iter().collect();
    lines.extend(case.our_line("/tunnel/psk", "our key"));
    Some(Finding { code: Diagnosis::PskMismatch, message, lines })
}
