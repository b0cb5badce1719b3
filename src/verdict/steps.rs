//! How each step ended, and what must be true in the middle of them.

use super::facts::Facts;
use super::{Failure, artifact, phase1, phase2, said};
use crate::evidence::log::{Happening, StepOutcome};
use crate::scenario::expect::{Midway, Phase1Expect, Phase2Expect};
use crate::scenario::{PingResult, Scenario, Step};

pub(super) fn judge(scenario: &Scenario, facts: &Facts<'_>, failures: &mut Vec<Failure>) {
    for (index, step) in scenario.steps.iter().enumerate() {
        let what = format!("step {}, {}", index + 1, words(step));
        let ended = facts.log.happenings().find_map(|happening| match happening {
            Happening::Step { index: found, outcome, .. } if *found == index => Some(outcome),
            _ => None,
        });
        let Some(outcome) = ended else {
            let failure = Failure::new(what, "it is carried out", "it was not", artifact::EVENTS);
            failures.push(failure.asked_by(index));
            continue;
        };
        if let Some(failure) = self::outcome(scenario, step, &what, outcome) {
            failures.push(failure.asked_by(index));
        }
        if let Step::Expect(midway) = step {
            self::midway(midway, scenario, facts, index, failures);
        }
    }
}

fn outcome(scenario: &Scenario, step: &Step, what: &str, outcome: &StepOutcome) -> Option<Failure> {
    let failure = |expected: String, found: String, place| Some(Failure::new(what, expected, found, place));
    match (step, outcome) {
        (Step::Initiate, StepOutcome::Done) if must_be_refused(scenario) => failure(
            "the negotiation comes to nothing".to_owned(),
            "the implementation says that it succeeded".to_owned(),
            artifact::DUT_LOG,
        ),
        (Step::Initiate, StepOutcome::Refused { reason }) if must_succeed(scenario) => {
            failure("the negotiation succeeds".to_owned(), reason.clone(), artifact::TRANSCRIPT)
        }
        (_, StepOutcome::Done) | (Step::Initiate, StepOutcome::Refused { .. }) => None,
        (Step::Ping(ping), StepOutcome::Pinged { sent, replied, errors, .. }) => {
            let (as_expected, expected) = match ping.expect {
                PingResult::Replied => (*replied > 0, "at least one reply"),
                PingResult::All => (*replied == ping.count, "a reply to every request"),
                PingResult::Lost => (*replied == 0 && *sent > 0, "requests, and no reply"),
            };
            let mut found = format!("{sent} requests, {replied} replies");
            for error in errors {
                found.push_str("; ");
                found.push_str(error);
            }
            if as_expected { None } else { failure(expected.to_owned(), found, artifact::CAPTURE) }
        }
        (_, StepOutcome::Pinged { .. }) => {
            failure("an outcome of this step".to_owned(), "that of a ping".to_owned(), artifact::EVENTS)
        }
        (_, StepOutcome::Unexpected { expected, found }) => failure(expected.clone(), found.clone(), artifact::EVENTS),
        (_, StepOutcome::Refused { reason } | StepOutcome::Failed { reason }) => {
            failure("it is carried out".to_owned(), reason.clone(), artifact::EVENTS)
        }
    }
}

/// Whether every negotiation of the scenario must come to nothing.
fn must_be_refused(scenario: &Scenario) -> bool {
    let expect = &scenario.expect;
    let changes = scenario.steps.iter().any(|step| matches!(step, Step::Cisco(_)));
    !changes
        && (expect.phase1 != Phase1Expect::Established
            || matches!(expect.phase2, Phase2Expect::None | Phase2Expect::Rejected(_)))
}

/// Whether every negotiation must succeed for all pairs of networks.
fn must_succeed(scenario: &Scenario) -> bool {
    let expect = &scenario.expect;
    let changes = scenario.steps.iter().any(|step| matches!(step, Step::Cisco(_)));
    let wanted = scenario.tunnel.traffic.len();
    let all = match &expect.phase2 {
        Phase2Expect::Established => true,
        Phase2Expect::Pairs(pairs) => usize::from(*pairs) >= wanted,
        Phase2Expect::Selectors(selectors) => selectors.len() >= wanted,
        Phase2Expect::None | Phase2Expect::Rejected(_) => false,
    };
    !changes && expect.phase1 == Phase1Expect::Established && all
}

/// Judges the log until the step.
fn midway(midway: &Midway, scenario: &Scenario, facts: &Facts<'_>, index: usize, failures: &mut Vec<Failure>) {
    let Some(until) = facts.step(index) else { return };
    // What the implementation holds is known here only when it was asked since the step before.
    let asked = until.happenings().collect::<Vec<_>>();
    let previous = asked.iter().rposition(|what| matches!(what, Happening::Step { .. })).unwrap_or(0);
    let dut = asked[previous..].iter().any(|what| matches!(what, Happening::Sas { .. }));
    let mut found = Vec::new();
    let mut of = |key: &str, judge: &dyn Fn(&mut Vec<Failure>)| {
        let mut these = Vec::new();
        judge(&mut these);
        found.extend(these.into_iter().map(|failure: Failure| failure.asked_by(key)));
    };
    if let Some(expect) = midway.phase1 {
        of("phase1", &|failures| phase1::judge(expect, until, dut, failures));
    }
    if let Some(expect) = &midway.phase2 {
        of("phase2", &|failures| phase2::judge(expect, scenario, until, dut, failures));
    }
    of("cisco", &|failures| said::cisco(&midway.cisco, until, failures));
    failures.extend(found.into_iter().map(|failure| {
        let what = format!("step {}, expect: {}", index + 1, failure.what);
        Failure { what, ..failure }.asked_by("expect").asked_by(index)
    }));
}

/// A step in a few words.
pub(super) fn words(step: &Step) -> String {
    match step {
        Step::Initiate => "initiate".to_owned(),
        Step::Ping(ping) => format!("ping {} > {}", ping.from, ping.to),
        Step::Wait(span) => format!("wait {span}"),
        Step::Cisco(command) => format!("cisco `{command}`"),
        Step::Expect(_) => "expect".to_owned(),
    }
}
