//! Runs cells on this machine, judges them and writes their evidence down.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use crate::evidence::artifacts;
use crate::evidence::frames::transcript_of;
use crate::evidence::log::{Attempt, Beginning, CellHeader, Configs, EventLog, Happening, Reviewed};
use crate::evidence::snapshot::{Shelf, Weight};
use crate::implementations::{
    Availability, DataPath, Host, Implementation, Options, Prover, Registry, Retransmission, Unsupported,
};
use crate::ios::Release;
use crate::lab::schedule::{self, Job, Progress, Stop};
use crate::report::CellReport;
use crate::scenario::{Cell, ImplementationName, Step};
use crate::verdict::Verdict;

/// What becomes of transcripts that differ from the reviewed ones. A cell without a reviewed one never fails by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Snapshots {
    /// A cell whose transcript differs in anything fails.
    #[default]
    All,
    /// A cell whose transcript tells of another negotiation fails: other messages, algorithms, selectors or notifications.
    Major,
    /// They are not looked at.
    Off,
    /// The transcripts of cells that pass become the reviewed ones.
    Accept,
}

impl Snapshots {
    /// The lightest change by which a cell fails; `None` when none is looked for.
    fn fails_from(self) -> Option<Weight> {
        match self {
            Self::All => Some(Weight::Minor),
            Self::Major => Some(Weight::Major),
            Self::Off | Self::Accept => None,
        }
    }
}

/// Whether transcripts that differ are to be laid beside the reviewed ones, as insta decides it: INSTA_UPDATE says so, or
/// this is no CI job.
pub fn proposals_wanted() -> bool {
    let variable = |name: &str| std::env::var(name).ok();
    proposals(variable("INSTA_UPDATE").as_deref(), variable("CI").as_deref(), variable("TF_BUILD").is_some())
}

fn proposals(update: Option<&str>, ci: Option<&str>, azure: bool) -> bool {
    match (update, ci) {
        (Some("no"), _) => false,
        (None | Some("" | "auto"), Some("" | "0" | "false")) => true,
        (None | Some("" | "auto"), Some(_)) => false,
        (None | Some("" | "auto"), None) => !azure,
        (Some(_), _) => true,
    }
}

/// How many cells run at a time when nothing else is asked for: more than there are processors, since most of a cell is
/// waiting.
pub fn usual_jobs() -> usize {
    3 * std::thread::available_parallelism().map_or(1, usize::from)
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
    /// The file that declares implementations, where one was given: only to be said again.
    pub config: Option<PathBuf>,
    /// No further cell is begun after one that did not go as expected.
    pub fail_fast: bool,
    /// How often a cell that did not go as expected is tried again.
    pub retries: u32,
    /// What becomes of transcripts.
    pub snapshots: Snapshots,
    /// Transcripts that differ are laid beside the reviewed ones, to be looked at.
    pub propose: bool,
    /// A cell fails when its implementation is not installed. One that this machine could not run even then is skipped.
    pub strict: bool,
}

/// A machine that runs cells.
pub struct Runner {
    host: Host,
    prover: Prover,
    registry: Registry,
    settings: Settings,
    available: HashMap<ImplementationName, Availability>,
    stop: Stop,
    /// The transcript of each cell that went as expected otherwise, and `None` for the others.
    transcripts: Mutex<BTreeMap<Shelf, BTreeMap<Release, Option<String>>>>,
}

impl Runner {
    /// Looks at this machine. To be called inside the sandbox. The cells it is given later must be of `registry`.
    pub fn new(settings: Settings, registry: Registry) -> Self {
        let (host, prover) = (registry.probe_host(), Prover::new(settings.seed));
        let (available, stop, transcripts) = (HashMap::new(), Stop::default(), Mutex::default());
        Self { host, prover, registry, settings, available, stop, transcripts }
    }

    /// What breaks this runner's run off.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Runs `cells` and gives a report of each that ended, in their order; `tell` hears of each as it goes on.
    pub fn run(&mut self, cells: Vec<Cell>, mut tell: impl FnMut(&Progress<CellReport>)) -> Vec<CellReport> {
        let order: HashMap<String, usize> =
            cells.iter().enumerate().map(|(place, cell)| (cell.name.clone(), place)).collect();
        let mut reports = Vec::new();
        let mut jobs = Vec::new();
        for cell in cells {
            if self.stop.is_pulled() {
                break;
            }
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
            &self.stop,
            |job, doing| this.perform(job, doing),
            |progress| {
                tell(&progress);
                let Progress::Finished(report) = progress else { return ControlFlow::Continue(()) };
                let stop = fail_fast && report.result.fails_the_run();
                reports.push(report);
                if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        reports.sort_by_key(|report| order.get(&report.name).copied());
        reports
    }

    /// What a cell is run with, or a report of why it cannot run here.
    fn prepare(&mut self, cell: Cell) -> Result<Job, Box<CellReport>> {
        let Some(implementation) = self.registry.driver(&cell.implementation) else {
            let reason = format!("there is no implementation {}", cell.implementation);
            return Err(self.at_once(&cell, Happening::HarnessFailed { reason }));
        };
        let host = &self.host;
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
                return Err(self.at_once(&cell, Happening::Skipped { reason, remedy, strict }));
            }
            Availability::Unfit { reason, remedy } => {
                return Err(self.at_once(&cell, Happening::Skipped { reason, remedy, strict: false }));
            }
        };
        let lacking = self.prover.lacking(&*implementation, &self.host, &cell.scenario.tunnel);
        let unsupported = |what: String, why: &str| {
            let (implementation, why) = (cell.implementation.to_string(), why.to_owned());
            let reason = Unsupported { implementation, what, why }.to_string();
            Err(self.at_once(&cell, Happening::Skipped { reason, remedy: String::new(), strict }))
        };
        let lacking = match lacking {
            Ok(lacking) => lacking,
            Err(unproved) => {
                return Err(self.at_once(&cell, Happening::HarnessFailed { reason: unproved.to_string() }));
            }
        };
        if let Err(unsupported) = implementation.supports(&cell.scenario.tunnel, data_path) {
            let (reason, remedy) = (unsupported.to_string(), String::new());
            return Err(self.at_once(&cell, Happening::Skipped { reason, remedy, strict }));
        }
        if let Some(capability) = lacking {
            let why = implementation.why_not(&capability).unwrap_or("it does not have that capability");
            return unsupported(capability.to_string(), why);
        }
        if data_path == DataPath::None && cell.scenario.steps.iter().any(|step| matches!(step, Step::Ping(_))) {
            return unsupported("what this scenario does".to_owned(), "it sends traffic, and there is no data path");
        }
        let programs = self.host.programs.clone();
        let shelf = Shelf::of(&cell, &implementation.filed_under(data_path));
        let reviewed = self.reviewed(&shelf, cell.release).map_err(|error| {
            let reason = format!("cannot read the reviewed transcript: {error}");
            self.at_once(&cell, Happening::HarnessFailed { reason })
        })?;
        let configs = configs(&cell, &*implementation, data_path);
        let folder = artifacts::folder(&self.settings.out, &cell.name);
        let (seed, config) = (self.settings.seed, self.settings.config.clone());
        Ok(Job {
            cell,
            implementation,
            program,
            programs,
            version,
            data_path,
            folder,
            seed,
            config,
            strict,
            configs,
            reviewed,
        })
    }

    /// Writes down why a cell cannot run here, so that its log alone says so.
    fn at_once(&self, cell: &Cell, why: Happening) -> Box<CellReport> {
        let (seed, config) = (self.settings.seed, self.settings.config.clone());
        let beginning = Beginning { seed, config, ..Beginning::default() };
        let header = CellHeader::new(cell, "", SystemTime::now(), beginning);
        let log = EventLog::brief(header, why);
        let folder = artifacts::folder(&self.settings.out, &cell.name);
        // What an earlier run left there is no evidence of this one; that there is nothing to remove is as good.
        let _ = std::fs::remove_dir_all(&folder);
        Box::new(self.report(cell, &log, &folder))
    }

    /// Runs a cell until it goes as expected, at most as often as it may, and judges it; `None` when the run was broken off.
    fn perform(&self, job: &Job, doing: &dyn Fn(&str)) -> Option<CellReport> {
        let mut earlier: Vec<Attempt> = Vec::new();
        loop {
            let ran = schedule::run_one(job, &earlier, &self.stop, doing).transpose();
            if ran.is_none() {
                // Half a cell is no evidence; that there is nothing to remove is as good.
                let _ = std::fs::remove_dir_all(&job.folder);
            }
            let log = ran?.unwrap_or_else(|error| {
                let header = CellHeader::new(&job.cell, &job.version, SystemTime::now(), job.beginning(&earlier));
                EventLog::brief(header, Happening::HarnessFailed { reason: error.to_string() })
            });
            let report = self.report(&job.cell, &log, &job.folder);
            if !report.result.fails_the_run() || earlier.len() >= self.settings.retries as usize {
                self.keep(job, &log, &report);
                return Some(report);
            }
            earlier.push(report.attempt(log.own_duration()));
        }
    }

    /// The reviewed transcript that a cell is held against.
    fn reviewed(&self, shelf: &Shelf, release: Release) -> io::Result<Option<Reviewed>> {
        let Some(fails_from) = self.settings.snapshots.fails_from() else { return Ok(None) };
        Ok(shelf.reviewed_file(release)?.map(|(file, text)| Reviewed { file, text, fails_from }))
    }

    /// Keeps the transcript of a cell that went as expected otherwise.
    fn keep(&self, job: &Job, log: &EventLog, report: &CellReport) {
        let known = job.cell.known_failure().is_some();
        let passed = report.verdict.as_ref().is_some_and(Verdict::passed_but_for_the_transcript) && !known;
        let transcript = passed.then(|| transcript_of(log));
        let shelf = Shelf::of(&job.cell, &job.implementation.filed_under(job.data_path));
        let mut transcripts = self.transcripts.lock().unwrap_or_else(PoisonError::into_inner);
        transcripts.entry(shelf).or_default().insert(job.cell.release, transcript);
    }

    /// Judges a cell by its log, and writes its folder.
    fn report(&self, cell: &Cell, log: &EventLog, folder: &Path) -> CellReport {
        match artifacts::write(folder, log) {
            Ok(()) => CellReport::of_log(cell, log, folder),
            Err(error) => CellReport::broken(cell, format!("cannot write {}: {error}", folder.display())),
        }
    }

    /// Makes the transcripts of what ran the reviewed ones, or lays those that differ beside them, as the settings have it.
    /// Gives the files that now wait for a decision.
    ///
    /// # Errors
    ///
    /// When a file beside the scenarios cannot be read or written.
    pub fn keep_transcripts(&self) -> io::Result<Vec<PathBuf>> {
        let mut waiting = Vec::new();
        let transcripts = std::mem::take(&mut *self.transcripts.lock().unwrap_or_else(PoisonError::into_inner));
        for (shelf, found) in transcripts {
            match self.settings.snapshots {
                Snapshots::Accept => {
                    let passed = found.into_iter().filter_map(|(release, text)| Some((release, text?)));
                    let passed: BTreeMap<_, _> = passed.collect();
                    if !passed.is_empty() {
                        shelf.accept(&passed)?;
                    }
                }
                Snapshots::All | Snapshots::Major if self.settings.propose => waiting.extend(shelf.propose(&found)?),
                Snapshots::All | Snapshots::Major | Snapshots::Off => {}
            }
        }
        Ok(waiting)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_jobs_leave_no_files_unless_told_to() {
        assert!(proposals(None, None, false));
        assert!(proposals(Some("auto"), Some("false"), true));
        assert!(!proposals(None, Some("true"), false));
        assert!(!proposals(Some(""), None, true));
        assert!(proposals(Some("new"), Some("true"), false));
        assert!(!proposals(Some("no"), None, false));
    }
}
