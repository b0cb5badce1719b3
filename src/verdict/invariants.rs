//! What must be true of every cell.

use super::facts::{Facts, Until};
use super::{Failure, artifact};
use crate::evidence::log::Happening;
use crate::scenario::{Scenario, Step};

/// What a process prints when it dies of its own fault.
const PANICS: &[&str] = &[
    "panicked at",
    "segmentation fault",
    "sigsegv",
    "stack smashing detected",
    "killing ourself, received critical signal",
    "assertion failed",
    "addresssanitizer",
];

/// Whether the harness did its part: nothing failed in it, and it saw every frame until the end.
pub(super) fn harness(facts: &Facts<'_>) -> Vec<Failure> {
    let mut failures = Vec::new();
    for what in facts.log.happenings() {
        match what {
            Happening::HarnessFailed { reason } => {
                failures.push(Failure::new("the harness", "the cell is run to its end", reason, artifact::EVENTS));
            }
            Happening::FramesLost { count } => failures.push(Failure::new(
                "the capture",
                "every frame is seen",
                format!("{count} frames were lost; with fewer cells at once (-j) this is less likely"),
                artifact::EVENTS,
            )),
            _ => {}
        }
    }
    if !matches!(facts.log.entries.last().map(|entry| &entry.what), Some(Happening::Ended)) {
        failures.push(Failure::new("the event log", "an end", "it stops in the middle", artifact::EVENTS));
    }
    failures
}

/// A negative cell must not pass because nothing ran: who is to begin must have sent something.
pub(super) fn both_ran(scenario: &Scenario, facts: &Facts<'_>, failures: &mut Vec<Failure>) {
    let initiates = scenario.steps.iter().any(|step| matches!(step, Step::Initiate));
    if initiates && !facts.whole().dut_sent_ike() {
        let expected = "the implementation sends IKE messages";
        failures.push(Failure::new("the implementation", expected, "it sent none", artifact::DUT_LOG));
    }
}

/// Whether any process died with a panic.
pub(super) fn no_panic(until: Until<'_>, failures: &mut Vec<Failure>) {
    let panicked = |line: &str| {
        let line = line.to_lowercase();
        PANICS.iter().any(|panic| line.contains(panic))
    };
    if let Some(line) = until.dut_log().find(|line| panicked(line)) {
        failures.push(Failure::new("the implementation", "it does not crash", line, artifact::DUT_LOG));
    }
    if let Some(line) = until.console().find(|line| panicked(line)) {
        failures.push(Failure::new("the router", "it does not crash", line, artifact::CISCO_LOG));
    }
}
