//! Runs cells on this machine, judges them and writes their evidence down.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::evidence::artifacts::{self, Configs};
use crate::evidence::frames::transcript_of;
use crate::evidence::snapshot::{self, Comparison};
use crate::implementations::{Availability, Host, Options, Registry, Retransmission};
use crate::lab::schedule::{self, Ended, Job, Progress, cell_seed};
use crate::report::{CellReport, CellResult, Skip};
use crate::scenario::{Cell, ImplementationName};
use crate::verdict::{self, Failure, Outcome, Verdict, artifact};

/// What becomes of transcripts that differ from the reviewed ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Snapshots {
    /// A cell whose transcript differs from the reviewed one fails; one without a reviewed one does not.
    #[default]
    Check,
    /// The transcripts of cells that pass become the reviewed ones.
    Accept,
    /// They are not looked at.
    Off,
}

/// How cells are run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Cells that run at a time.
    pub jobs: usize,
    /// Where the evidence goes, a folder for each cell.
    pub out: PathBuf,
    /// The seed of every random choice of router and internet.
    pub seed: u64,
    /// No further cell is begun after one that did not go as expected.
    pub fail_fast: bool,
    /// How often a cell that did not go as expected is tried again.
    pub retries: u32,
    /// What becomes of transcripts.
    pub snapshots: Snapshots,
    /// A cell fails when its implementation is not installed. One that this machine could not run even then is skipped.
    pub strict: bool,
}

/// A cell that passed.
struct Passed {
    cell: Cell,
    /// What its transcript is filed under.
    implementation: String,
    transcript: String,
}

/// A machine that runs cells.
pub struct Runner {
    host: Host,
    registry: Registry,
    settings: Settings,
    available: HashMap<ImplementationName, Availability>,
    /// Transcripts of cells that passed, to be accepted in the end.
    transcripts: Mutex<Vec<Passed>>,
}

impl Runner {
    /// Looks at this machine. To be called inside the sandbox. The cells it is given later must be of `registry`.
    pub fn new(settings: Settings, registry: Registry) -> Self {
        Self { host: Host::probe(), registry, settings, available: HashMap::new(), transcripts: Mutex::default() }
    }

    /// Runs `cells` and gives a report of each in their order; `tell` hears of each as it begins and ends.
    ///
    /// # Errors
    ///
    /// When reviewed transcripts cannot be written.
    pub fn run(
        &mut self,
        cells: Vec<Cell>,
        mut tell: impl FnMut(&Progress<CellReport>),
    ) -> io::Result<Vec<CellReport>> {
        let order: HashMap<String, usize> =
            cells.iter().enumerate().map(|(place, cell)| (cell.name.clone(), place)).collect();
        let mut reports = Vec::new();
        let mut jobs = Vec::new();
        for cell in cells {
            match self.prepare(cell) {
                Ok(job) => jobs.push(job),
                Err(report) => {
                    let progress = Progress::Finished(*report);
                    tell(&progress);
                    if let Progress::Finished(report) = progress {
                        reports.push(report);
                    }
                }
            }
        }
        let (this, fail_fast) = (&*self, self.settings.fail_fast);
        schedule::run(
            jobs,
            self.settings.jobs,
            |job, ended| this.finish(job, ended),
            |progress| {
                tell(&progress);
                match progress {
                    Progress::Started(_) => ControlFlow::Continue(()),
                    Progress::Finished(report) => {
                        let stop = fail_fast && report.result.fails_the_run();
                        reports.push(report);
                        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                    }
                }
            },
        );
        reports.sort_by_key(|report| order.get(&report.name).copied());
        self.accept()?;
        Ok(reports)
    }

    /// What a cell is run with, or why it cannot run here.
    fn prepare(&mut self, cell: Cell) -> Result<Job, Box<CellReport>> {
        let Some(implementation) = self.registry.driver(&cell.implementation) else {
            let reason = format!("there is no implementation {}", cell.implementation);
            return Err(Box::new(CellReport::broken(&cell, reason, Duration::ZERO)));
        };
        let host = &self.host;
        let available = self
            .available
            .entry(cell.implementation.clone())
            .or_insert_with(|| implementation.availability(host))
            .clone();
        let (version, program, data_path) = match available {
            Availability::Ready { version, path, data_path } => (version, path, data_path),
            Availability::Missing { reason, remedy } => return Err(self.lacking(&cell, Skip { reason, remedy })),
            Availability::Unfit { reason, remedy } => {
                return Err(Box::new(CellReport::skipped(&cell, Skip { reason, remedy })));
            }
        };
        if let Err(unsupported) = implementation.supports(&cell.scenario.tunnel, data_path) {
            return Err(self.lacking(&cell, Skip { reason: unsupported.to_string(), remedy: String::new() }));
        }
        let folder = self.settings.out.join("cells").join(cell.name.replace(':', "-"));
        let seed = cell_seed(self.settings.seed, &cell.name);
        Ok(Job { cell, implementation, program, version, data_path, folder, seed })
    }

    /// A cell that lacks something it could have: a strict run fails it.
    fn lacking(&self, cell: &Cell, skip: Skip) -> Box<CellReport> {
        let mut report = CellReport::skipped(cell, skip);
        if self.settings.strict {
            report.result = CellResult::Fail;
        }
        Box::new(report)
    }

    /// Judges a cell that ended, and tries it again when it is to be.
    fn finish(&self, job: &Job, mut ended: Ended) -> CellReport {
        let mut duration = Duration::ZERO;
        let mut attempts = 1;
        loop {
            duration += ended.duration;
            let report = self.judge(job, ended, attempts, duration);
            if !report.result.fails_the_run() || attempts > self.settings.retries {
                return report;
            }
            attempts += 1;
            ended = schedule::run_one(job);
        }
    }

    fn judge(&self, job: &Job, ended: Ended, attempts: u32, duration: Duration) -> CellReport {
        let cell = &job.cell;
        let log = match ended.log {
            Ok(log) => log,
            Err(error) => return CellReport::broken(cell, error.to_string(), duration),
        };
        let mut verdict = verdict::judge(cell, &log);
        let transcript = transcript_of(&log);
        let implementation = job.implementation.filed_under(job.data_path);
        self.compare(cell, &implementation, &transcript, &mut verdict);
        if let Err(error) = artifacts::write(&job.folder, &log, &configs(job)) {
            let reason = format!("cannot write {}: {error}", job.folder.display());
            return CellReport::broken(cell, reason, duration);
        }
        if verdict.result == Outcome::Pass {
            self.transcripts.lock().unwrap_or_else(PoisonError::into_inner).push(Passed {
                cell: cell.clone(),
                implementation,
                transcript,
            });
        }
        CellReport::judged(cell, verdict, attempts, duration, Some(job.folder.clone()))
    }

    /// Holds the transcript against the reviewed one.
    fn compare(&self, cell: &Cell, implementation: &str, transcript: &str, verdict: &mut Verdict) {
        if self.settings.snapshots != Snapshots::Check || verdict.result == Outcome::Error {
            return;
        }
        let (expected, found) = match snapshot::compare(cell, implementation, transcript) {
            Ok(Comparison::Match | Comparison::Missing) => return,
            Ok(Comparison::Changed { file, diff }) => (format!("as reviewed in {}", file.display()), diff),
            Err(error) => ("a reviewed transcript that can be read".to_owned(), error.to_string()),
        };
        verdict.failures.push(Failure { what: "transcript".to_owned(), expected, found, place: artifact::TRANSCRIPT });
        verdict.result = Outcome::Fail;
    }

    /// Makes the transcripts the reviewed ones, one for all releases where they agree.
    fn accept(&self) -> io::Result<()> {
        if self.settings.snapshots != Snapshots::Accept {
            return Ok(());
        }
        let transcripts = std::mem::take(&mut *self.transcripts.lock().unwrap_or_else(PoisonError::into_inner));
        let mut groups: BTreeMap<_, Vec<Passed>> = BTreeMap::new();
        for passed in transcripts {
            let Cell { scenario, twin, .. } = &passed.cell;
            let key = (scenario.name.clone(), passed.implementation.clone(), twin.map(|twin| twin.to_string()));
            groups.entry(key).or_default().push(passed);
        }
        for group in groups.values() {
            let whole = group.len() == group[0].cell.scenario.releases.len();
            let shared = whole && group.iter().all(|passed| passed.transcript == group[0].transcript);
            for Passed { cell, implementation, transcript } in group {
                snapshot::accept(cell, implementation, transcript, shared)?;
            }
        }
        Ok(())
    }
}

/// What both sides ran with.
fn configs(job: &Job) -> Configs {
    let scenario = &job.cell.scenario;
    let options = Options { data_path: job.data_path, retransmission: Retransmission::default() };
    let written = job.implementation.configure(&scenario.tunnel, &options);
    let native = scenario.native.get(&job.cell.implementation);
    let files = match native {
        Some(files) => files.iter().map(|(name, source)| (name.clone(), source.text.to_string())).collect(),
        None => written,
    };
    let files = files.into_iter().map(|(name, text)| (format!("{}/{name}", job.implementation.name()), text));
    files.chain([("cisco/running-config.ios".to_owned(), scenario.router.config.text.to_string())]).collect()
}
