//! Phase 1: whether both sides hold the same ISAKMP SA, or why the router refused one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::facts::{Cookies, Until};
use super::{Failure, artifact};
use crate::evidence::frames::LoggedFrame;
use crate::ike::event::{EventKind, InitiationFailure, PolicyMismatch, PolicyOutcome};
use crate::implementations::sa::IsakmpState;
use crate::scenario::expect::{Phase1Expect, Phase1Refusal};
use crate::scenario::tunnel::Phase1Proposal;
use crate::wire::isakmp::{ExchangeType, OakleyAttribute, OakleyCipher, OakleyHash};

/// Judges phase 1 at a moment; with `dut`, by what the implementation says too.
pub(super) fn judge(expect: Phase1Expect, until: Until<'_>, dut: bool, failures: &mut Vec<Failure>) {
    match expect {
        Phase1Expect::Established => established(until, dut, failures),
        Phase1Expect::None => {
            no_sa("no ISAKMP SA, and no negotiation", until, dut, failures);
            if until.cisco_sent_ike() {
                let found = "it sent IKE messages";
                failures.push(Failure::new("phase 1, the wire", "the router is silent", found, artifact::TRANSCRIPT));
            }
        }
        Phase1Expect::Rejected(reason) => {
            no_sa("no ISAKMP SA", until, dut, failures);
            rejected(reason, until, failures);
        }
    }
}

fn established(until: Until<'_>, dut: bool, failures: &mut Vec<Failure>) {
    let router = until.router_isakmp();
    if router.len() != 1 {
        let found = match router.len() {
            0 if until.router_completed_phase1() => "it had one, and it is gone".to_owned(),
            0 => format!("none; {}", furthest(until)),
            more => format!("{more}"),
        };
        failures.push(Failure::new("phase 1, the router", "one ISAKMP SA", found, artifact::CISCO_LOG));
    }
    if !until.wire_completed_phase1() {
        failures.push(Failure::new(
            "phase 1, the wire",
            "all messages of the exchange",
            furthest(until),
            artifact::TRANSCRIPT,
        ));
    }
    if !dut {
        return;
    }
    let ours = dut_isakmp(until);
    if ours.len() != 1 {
        let found = if ours.is_empty() { "none".to_owned() } else { ours.len().to_string() };
        failures.push(Failure::new("phase 1, the implementation", "one ISAKMP SA", found, artifact::DUT_LOG));
    } else if let Some(told) = ours[0]
        && router.len() == 1
        && !router.contains(&told)
    {
        failures.push(Failure::new(
            "phase 1, both sides",
            format!("one ISAKMP SA with the cookies of the router's, {}", cookies(&router)),
            cookies(&BTreeSet::from([told])),
            artifact::TRANSCRIPT,
        ));
    }
}

fn no_sa(expected: &str, until: Until<'_>, dut: bool, failures: &mut Vec<Failure>) {
    if until.router_completed_phase1() {
        let found = "it authenticated the implementation";
        failures.push(Failure::new("phase 1, the router", expected, found, artifact::CISCO_LOG));
    }
    if dut && !dut_isakmp(until).is_empty() {
        let found = "it holds an established ISAKMP SA";
        failures.push(Failure::new("phase 1, the implementation", expected, found, artifact::DUT_LOG));
    }
}

/// Whether the router refused for this reason and no other.
fn rejected(reason: Phase1Refusal, until: Until<'_>, failures: &mut Vec<Failure>) {
    let refusals = refusals(until);
    let wanted = BTreeSet::from([reason]);
    if refusals != wanted {
        let found = match refusals.is_empty() {
            true => format!("it refused nothing; {}", furthest(until)),
            false => refusals.iter().map(|refusal| refusal.word()).collect::<Vec<_>>().join(" and "),
        };
        let expected = format!("it refuses: {reason}");
        failures.push(Failure::new("phase 1, the router", expected, found, artifact::CISCO_LOG));
    }
    // The wire has to bear it out: a refused offer has no main mode 2, a wrong key no encrypted answer.
    let cisco = IpAddr::V4(until.facts.log.header.cisco);
    let answered = |wanted: &dyn Fn(&LoggedFrame<'_>) -> bool| {
        until.dut_frames().any(|frame| {
            let from_cisco = frame.observed.as_ref().is_some_and(|observed| observed.source.ip() == cisco);
            let phase1 = frame.ike().is_some_and(|message| {
                matches!(message.header.exchange, ExchangeType::Main | ExchangeType::Aggressive)
            });
            from_cisco && phase1 && wanted(frame)
        })
    };
    let (expected, against) = match reason {
        Phase1Refusal::Policy | Phase1Refusal::NoPsk => ("no answer to the offer", answered(&|_| true)),
        Phase1Refusal::Psk => {
            let encrypted = |frame: &LoggedFrame<'_>| frame.ike().is_some_and(|ike| ike.header.flags.encrypted());
            let by_router = until.ike().any(|event| matches!(event.kind, EventKind::ExchangeStarted(_)));
            ("no authentication by the router", !by_router && answered(&encrypted))
        }
    };
    if against {
        failures.push(Failure::new("phase 1, the wire", expected, furthest(until), artifact::TRANSCRIPT));
    }
}

/// Every reason for which the router refused phase 1.
pub(super) fn refusals(until: Until<'_>) -> BTreeSet<Phase1Refusal> {
    let mut reasons = BTreeSet::new();
    let mut no_key = false;
    for event in until.ike() {
        match &event.kind {
            EventKind::PolicyCompared { outcome: PolicyOutcome::Refused(PolicyMismatch::NoPreSharedKey), .. } => {
                no_key = true;
            }
            EventKind::NoPolicyAccepted => {
                reasons.insert(if no_key { Phase1Refusal::NoPsk } else { Phase1Refusal::Policy });
            }
            EventKind::InitiationFailed(InitiationFailure::NoPreSharedKey) => {
                reasons.insert(Phase1Refusal::NoPsk);
            }
            kind if wrong_key(kind) => {
                reasons.insert(Phase1Refusal::Psk);
            }
            _ => {}
        }
    }
    reasons
}

/// Whether an event shows that the peer derived other keys: its phase 1 identity decrypts to garbage, or its HASH is wrong.
pub(super) fn wrong_key(kind: &EventKind) -> bool {
    match kind {
        EventKind::MalformedMessage { exchange, .. } => {
            matches!(exchange, ExchangeType::Main | ExchangeType::Aggressive)
        }
        EventKind::HashMismatch { message_id, .. } => message_id.0 == 0,
        _ => false,
    }
}

/// The algorithms of the ISAKMP SA, by the wire and by what the implementation tells.
pub(super) fn algorithms(expect: Option<Phase1Proposal>, until: Until<'_>, failures: &mut Vec<Failure>) {
    let Some(expect) = expect else { return };
    let what = "phase 1, the algorithms";
    match until.wire_phase1_choice().as_deref().map(proposal) {
        Some(Some(found)) if found == expect => {}
        Some(Some(found)) => {
            failures.push(Failure::new(what, expect.to_string(), found.to_string(), artifact::TRANSCRIPT));
        }
        Some(None) => {
            failures.push(Failure::new(what, expect.to_string(), "a choice without a name", artifact::TRANSCRIPT));
        }
        None => failures.push(Failure::new(what, expect.to_string(), "no choice on the wire", artifact::TRANSCRIPT)),
    }
    for sa in until.sas().into_iter().flat_map(|sas| &sas.phase1) {
        let told = sa.transform;
        let agrees = told.cipher.is_none_or(|cipher| cipher == expect.cipher)
            && told.hash.is_none_or(|hash| hash == expect.hash)
            && told.group.is_none_or(|group| group == expect.group);
        if sa.state == IsakmpState::Established && !agrees {
            let words = [
                told.cipher.map(|cipher| cipher.to_string()),
                told.hash.map(|hash| hash.to_string()),
                told.group.map(|group| group.to_string()),
            ];
            let found = words.into_iter().flatten().collect::<Vec<_>>().join("-");
            let what = format!("{what} the implementation tells");
            failures.push(Failure::new(what, expect.to_string(), found, artifact::DUT_LOG));
        }
    }
}

fn proposal(attributes: &[(OakleyAttribute, u64)]) -> Option<Phase1Proposal> {
    use crate::crypto::{Cipher, Group, Hash};
    let value = |wanted| {
        let found = attributes.iter().find(|(kind, _)| *kind == wanted)?;
        u16::try_from(found.1).ok()
    };
    let cipher = match (OakleyCipher::from(value(OakleyAttribute::Encryption)?), value(OakleyAttribute::KeyLength)) {
        (OakleyCipher::Des, _) => Cipher::Des,
        (OakleyCipher::TripleDes, _) => Cipher::TripleDes,
        (OakleyCipher::Aes, None | Some(128)) => Cipher::Aes128,
        (OakleyCipher::Aes, Some(192)) => Cipher::Aes192,
        (OakleyCipher::Aes, Some(256)) => Cipher::Aes256,
        _ => return None,
    };
    let hash = match OakleyHash::from(value(OakleyAttribute::Hash)?) {
        OakleyHash::Md5 => Hash::Md5,
        OakleyHash::Sha1 => Hash::Sha1,
        OakleyHash::Sha256 => Hash::Sha256,
        OakleyHash::Sha384 => Hash::Sha384,
        OakleyHash::Sha512 => Hash::Sha512,
        OakleyHash::Tiger | OakleyHash::Unknown(_) => return None,
    };
    Some(Phase1Proposal { cipher, hash, group: Group::from_number(value(OakleyAttribute::Group)?)? })
}

/// The implementation's established ISAKMP SAs; one whose cookies it does not tell is one of its own.
fn dut_isakmp(until: Until<'_>) -> Vec<Option<Cookies>> {
    let sas = until.sas().into_iter().flat_map(|sas| &sas.phase1);
    let established = sas.filter(|sa| sa.state == IsakmpState::Established);
    let mut told: Vec<_> = established.map(|sa| sa.cookies).collect();
    told.sort_unstable();
    told.dedup_by(|one, other| one.is_some() && one == other);
    told
}

fn cookies(sas: &BTreeSet<Cookies>) -> String {
    let words: Vec<String> = sas.iter().map(|(initiator, responder)| format!("{initiator} {responder}")).collect();
    words.join(", ")
}

/// The last phase 1 message that crossed the implementation's link.
fn furthest(until: Until<'_>) -> String {
    let seen = until.wire_phase1();
    match seen.values().max_by_key(|(_, count)| *count) {
        Some((ExchangeType::Main, count)) => format!("the exchange came to main mode message {count}"),
        Some((exchange, count)) => format!("the exchange came to message {count} of {exchange}"),
        None => "no phase 1 message crossed the wire".to_owned(),
    }
}
