//! Carries out the steps of a scenario.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::recorder::Recorder;
use super::router::Typed;
use crate::evidence::log::{Entry, Happening, StepOutcome};
use crate::ike::EventKind;
use crate::implementations::{Failure, Running};
use crate::ios::event::RouterEvent;
use crate::lab::ping::{self, Ping, PingReport};
use crate::lab::{Clock, Topology};
use crate::scenario::{self, Endpoint, PingResult, Scenario, Step};

/// The time between two requests of a ping, unless the first is answered sooner. Short, because the first packet of a
/// tunnel that traffic raises is lost.
const PING_INTERVAL: Duration = Duration::from_millis(200);

/// How long the last message of a quick mode may be on its way.
const CONFIRMATION: Duration = Duration::from_secs(1);

/// How long a console command may take.
const CONSOLE_PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Stage<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) topology: &'a Topology,
    pub(super) running: Box<dyn Running>,
    pub(super) console: mpsc::Sender<Typed>,
    pub(super) recorder: Recorder,
    pub(super) clock: Clock,
}

impl Stage<'_> {
    /// Does every step; a step that cannot be done does not keep the others from being tried.
    pub(super) async fn perform(&mut self, doing: &dyn Fn(&str)) {
        let steps = &self.scenario.steps;
        for (index, step) in steps.iter().enumerate() {
            doing(&format!("step {} of {}, {}", index + 1, steps.len(), describe(step)));
            let outcome = self.step(step).await;
            self.recorder.now(Happening::Step { index, step: describe(step), outcome });
        }
    }

    async fn step(&mut self, step: &Step) -> StepOutcome {
        match step {
            Step::Initiate => match self.running.initiate().await {
                Ok(()) => {
                    self.confirmed().await;
                    StepOutcome::Done
                }
                Err(failure @ (Failure::Refused { .. } | Failure::TimedOut { .. })) => {
                    StepOutcome::Refused { reason: failure.to_string() }
                }
                Err(failure) => StepOutcome::Failed { reason: failure.to_string() },
            },
            Step::Ping(ping) => self.ping(ping).await,
            Step::Wait(span) => {
                tokio::time::sleep(span.0).await;
                StepOutcome::Done
            }
            Step::Cisco(command) => match self.type_on_console(command).await {
                Ok(_) => StepOutcome::Done,
                Err(reason) => StepOutcome::Failed { reason },
            },
            Step::Expect(midway) => {
                self.settle().await;
                for command in midway.cisco.show.keys() {
                    if let Err(reason) = self.type_on_console(command).await {
                        return StepOutcome::Failed { reason };
                    }
                }
                StepOutcome::Done
            }
        }
    }

    /// Waits until the router may use every pair it has installed. An implementation calls its tunnel up before its last
    /// message of quick mode has reached the router, and traffic that overtakes that message is lost.
    async fn confirmed(&self) {
        let confirmed = |entries: &[Entry]| {
            let count = |wanted: fn(&EventKind) -> bool| {
                let kinds = entries.iter().filter_map(|entry| match &entry.what {
                    Happening::Router { event } => match &**event {
                        RouterEvent::Ike(event) => Some(&event.kind),
                        _ => None,
                    },
                    _ => None,
                });
                kinds.filter(|kind| wanted(kind)).count()
            };
            count(|kind| matches!(kind, EventKind::SaInstalled(_)))
                <= count(|kind| matches!(kind, EventKind::OutboundEnabled { .. } | EventKind::PairRemoved { .. }))
        };
        self.recorder.wait_for(CONFIRMATION, confirmed).await;
    }

    /// Types a command and writes its answer down.
    pub(super) async fn type_on_console(&self, command: &str) -> Result<String, String> {
        let (answer, answered) = oneshot::channel();
        let gone = || "the router is gone".to_owned();
        self.console.send((command.to_owned(), answer)).await.map_err(|_| gone())?;
        let text = tokio::time::timeout(CONSOLE_PATIENCE, answered)
            .await
            .map_err(|_| format!("the router did not answer `{command}` in {CONSOLE_PATIENCE:?}"))?
            .map_err(|_| gone())?;
        self.recorder.now(Happening::Show { command: command.to_owned(), text: text.clone() });
        Ok(text)
    }

    async fn ping(&self, step: &scenario::Ping) -> StepOutcome {
        let addresses = &self.scenario.addresses;
        let (Some(source), Some(destination)) = (addresses.resolve(step.from), addresses.resolve(step.to)) else {
            let reason = format!("no host for a ping from {} to {}", step.from, step.to);
            return StepOutcome::Failed { reason };
        };
        let namespace = if addresses.is_left(source) { &self.topology.left } else { &self.topology.right };
        let request = Ping {
            source,
            destination,
            count: step.count,
            size: step.size,
            dont_fragment: step.df,
            interval: PING_INTERVAL,
            patience: step.timeout.0,
        };
        match ping::ping(namespace, request, self.clock).await {
            Ok(report) => outcome(step, &report),
            Err(error) => StepOutcome::Failed { reason: error.to_string() },
        }
    }

    /// Waits until nothing has happened for a moment, so that what is on its way has arrived.
    pub(super) async fn settle(&self) {
        const QUIET: Duration = Duration::from_millis(5);
        const LONGEST: Duration = Duration::from_secs(1);
        let deadline = self.clock.now() + LONGEST;
        let count = || self.recorder.look(<[_]>::len);
        let mut before = count();
        while self.clock.now() < deadline {
            tokio::time::sleep(QUIET).await;
            let now = count();
            if now == before {
                return;
            }
            before = now;
        }
    }
}

fn outcome(step: &scenario::Ping, report: &PingReport) -> StepOutcome {
    let replied = report.answered();
    let expected = match step.expect {
        PingResult::Replied => replied > 0,
        PingResult::All => replied == usize::from(step.count),
        PingResult::Lost => replied == 0,
    };
    let refused = report.errors.iter().map(|refusal| format!("{} says: {}", refusal.from, refusal.message));
    StepOutcome::Pinged {
        sent: report.sent,
        replied: replied as u16,
        expected,
        errors: report.unsent.iter().cloned().chain(refused).collect(),
    }
}

/// The step in words, as a report tells it.
pub(super) fn describe(step: &Step) -> String {
    let end = |endpoint: Endpoint| endpoint.to_string();
    match step {
        Step::Initiate => "initiate".to_owned(),
        Step::Ping(ping) => {
            let result = match ping.expect {
                PingResult::Replied => "replied",
                PingResult::All => "all replied",
                PingResult::Lost => "lost",
            };
            format!("ping {} > {}, {result}", end(ping.from), end(ping.to))
        }
        Step::Wait(span) => format!("wait {:?}", span.0),
        Step::Cisco(command) => format!("cisco# {command}"),
        Step::Expect(_) => "expect".to_owned(),
    }
}
