//! Runs cells on this machine, judges them and writes their evidence down.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

use crate::evidence::artifacts;
use crate::evidence::frames::transcript_of;
use crate::evidence::log::{Beginning, CellHeader, Configs, EventLog, Happening};
use crate::evidence::snapshot;
use crate::implementations::{Availability, DataPath, Host, Implementation, Options, Registry, Retransmission};
use crate::lab::schedule::{self, Job, Progress, cell_seed};
use crate::report::{CellReport, CellResult};
use crate::scenario::{Cell, ImplementationName};

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
            |job| this.perform(job),
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

    /// What a cell is run with, or a report of why it cannot run here.
    fn prepare(&mut self, cell: Cell) -> Result<Job, Box<CellReport>> {
        let Some(implementation) = self.registry.driver(&cell.implementation) else {
            let reason = format!("there is no implementation {}", cell.implementation);
            return Err(Box::new(CellReport::broken(&cell, reason)));
        };
        let host = &self.host;
        let seed = cell_seed(self.settings.seed, &cell.name);
        let available = self
            .available
            .entry(cell.implementation.clone())
            .or_insert_with(|| implementation.availability(host))
            .clone();
        let strict = self.settings.strict;
        let (version, program, data_path) = match available {
            Availability::Ready { version, path, data_path } => (version, path, data_path),
            // What could be there: a strict run fails without it.
            Availability::Missing { reason, remedy } => {
                return Err(self.skip(&cell, seed, Happening::Skipped { reason, remedy, strict }));
            }
            Availability::Unfit { reason, remedy } => {
                return Err(self.skip(&cell, seed, Happening::Skipped { reason, remedy, strict: false }));
            }
        };
        if let Err(unsupported) = implementation.supports(&cell.scenario.tunnel, data_path) {
            let (reason, remedy) = (unsupported.to_string(), String::new());
            return Err(self.skip(&cell, seed, Happening::Skipped { reason, remedy, strict }));
        }
        let reviewed = match self.settings.snapshots {
            Snapshots::Check => snapshot::reviewed(&cell, &implementation.filed_under(data_path)),
            Snapshots::Accept | Snapshots::Off => Ok(None),
        };
        let reviewed = reviewed.map_err(|error| {
            Box::new(CellReport::broken(&cell, format!("cannot read the reviewed transcript: {error}")))
        })?;
        let configs = configs(&cell, &*implementation, data_path);
        let folder = artifacts::folder(&self.settings.out, &cell.name);
        Ok(Job { cell, implementation, program, version, data_path, folder, seed, configs, reviewed })
    }

    /// Writes down that a cell cannot run here, so that its log alone says so.
    fn skip(&self, cell: &Cell, seed: u64, skipped: Happening) -> Box<CellReport> {
        let beginning = Beginning { attempt: 1, ..Beginning::default() };
        let log = EventLog::brief(CellHeader::new(cell, "", seed, SystemTime::now(), beginning), skipped);
        let folder = artifacts::folder(&self.settings.out, &cell.name);
        // What an earlier run left there is no evidence of this one; that there is nothing to remove is as good.
        let _ = std::fs::remove_dir_all(&folder);
        Box::new(self.report(cell, &log, &folder))
    }

    /// Runs a cell until it goes as expected, at most as often as it may, and judges it.
    fn perform(&self, job: &Job) -> CellReport {
        let mut before = Duration::ZERO;
        let mut attempt = 1;
        loop {
            let log = schedule::run_one(job, attempt, before).unwrap_or_else(|error| {
                let (configs, reviewed) = (job.configs.clone(), job.reviewed.clone());
                let beginning = Beginning { configs, reviewed, attempt, before };
                let header = CellHeader::new(&job.cell, &job.version, job.seed, SystemTime::now(), beginning);
                EventLog::brief(header, Happening::HarnessFailed { reason: error.to_string() })
            });
            let report = self.report(&job.cell, &log, &job.folder);
            if !report.result.fails_the_run() || attempt > self.settings.retries {
                self.keep(job, &log, report.result);
                return report;
            }
            before = log.duration();
            attempt += 1;
        }
    }

    /// Keeps the transcript of a cell that passed, when it is to become the reviewed one.
    fn keep(&self, job: &Job, log: &EventLog, result: CellResult) {
        let passed = matches!(result, CellResult::Pass | CellResult::Flaky);
        if passed && self.settings.snapshots == Snapshots::Accept {
            self.transcripts.lock().unwrap_or_else(PoisonError::into_inner).push(Passed {
                cell: job.cell.clone(),
                implementation: job.implementation.filed_under(job.data_path),
                transcript: transcript_of(log),
            });
        }
    }

    /// Judges a cell by its log, and writes its folder.
    fn report(&self, cell: &Cell, log: &EventLog, folder: &Path) -> CellReport {
        match artifacts::write(folder, log) {
            Ok(()) => CellReport::of_log(cell, log, folder),
            Err(error) => CellReport::broken(cell, format!("cannot write {}: {error}", folder.display())),
        }
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

/// What both sides run with.
fn configs(cell: &Cell, implementation: &dyn Implementation, data_path: DataPath) -> Configs {
    let scenario = &cell.scenario;
    let options = Options { data_path, retransmission: Retransmission::default() };
    let files = match scenario.native.get(&cell.implementation) {
        Some(files) => files.iter().map(|(name, source)| (name.clone(), source.text.to_string())).collect(),
        None => implementation.configure(&scenario.tunnel, &options),
    };
    let files = files.into_iter().map(|(name, text)| (format!("{}/{name}", implementation.name()), text));
    files.chain([("cisco/running-config.ios".to_owned(), scenario.router.config.text.to_string())]).collect()
}
