//! Cells from a test suite of your own, with `#[test]` or rstest as it is.
//!
//! ```no_run
//! use ike_interop::testing::run_cell;
//!
//! #[rstest::rstest]
//! fn we_still_interoperate(
//!     #[values("builtin", "strongswan")] implementation: &str,
//!     #[values("12.4", "15.x", "xe16")] release: &str,
//! ) {
//!     let cell = run_cell("scenarios/tunnel/plain.yaml", implementation, release).unwrap();
//!     if let Some(reason) = cell.skipped() {
//!         eprintln!("skipped: {reason}");
//!         return;
//!     }
//!     cell.assert_passed();
//!     cell.assert_transcript();
//! }
//! ```
//!
//! An implementation that an `ike-interop.toml` beside the scenario, or in a folder above it, declares is named as any other.
//!
//! A cell needs a sandbox, which only a process without threads can enter, and a test runner has threads. So each cell is
//! run by a process of its own, the `ike-interop` program, and judged here from the event log it leaves. The program is, in
//! this order:
//!
//! 1. what [`CellTest::program`] names; in a package with a `src/bin/ike-interop.rs` of one line,
//!    `fn main() -> std::process::ExitCode { ike_interop::cli::main() }`, that is `env!("CARGO_BIN_EXE_ike-interop")`, of the
//!    version its lock file says;
//! 2. what the environment variable `IKE_INTEROP` names;
//! 3. `ike-interop` where cargo puts the programs of the package under test;
//! 4. `ike-interop` on the search path, as `cargo install` leaves it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cli;
use crate::cli::config::Config;
use crate::diag::Diagnostic;
use crate::evidence::artifacts::{self, EVENTS};
use crate::evidence::frames::transcript_of;
use crate::evidence::log::{Damage, EventLog, LogError};
use crate::evidence::snapshot::{self, Change, Weight};
use crate::ios::release::UnknownRelease;
use crate::report::{CellReport, CellResult, Terminal};
use crate::scenario::{self, Cell, Twin};
use crate::verdict::Verdict;

/// The environment variable that names the program.
const VARIABLE: &str = "IKE_INTEROP";
/// The program.
const PROGRAM: &str = "ike-interop";

/// Runs a scenario with one implementation against one release: of a scenario with a fix, the twin without it.
///
/// # Errors
///
/// See [`CellTest::run`].
pub fn run_cell(
    scenario: impl AsRef<Path>,
    implementation: impl Into<String>,
    release: impl Into<String>,
) -> Result<RanCell, TestingError> {
    CellTest::new(scenario, implementation, release).run()
}

/// A cell to be run.
#[derive(Clone, Debug)]
pub struct CellTest {
    scenario: PathBuf,
    implementation: String,
    release: String,
    fixed: bool,
    program: Option<PathBuf>,
    config: Config,
    seed: u64,
}

impl CellTest {
    /// A scenario file, the name of an implementation and a release, as a scenario's matrix has them.
    pub fn new(scenario: impl AsRef<Path>, implementation: impl Into<String>, release: impl Into<String>) -> Self {
        let scenario = scenario.as_ref().to_owned();
        Self {
            scenario,
            implementation: implementation.into(),
            release: release.into(),
            fixed: false,
            program: None,
            config: Config::default(),
            seed: 1,
        }
    }

    /// The twin with the scenario's fix.
    pub fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// Run by this program.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// With the implementations that this file declares, instead of the `ike-interop.toml` beside the scenario or above it.
    pub fn config(mut self, file: impl Into<PathBuf>) -> Self {
        self.config.config = Some(file.into());
        self
    }

    /// With this seed of every random choice of router and internet.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs the cell and waits for its end.
    ///
    /// # Errors
    ///
    /// When there is no such cell, no program to run it with, or this machine cannot run cells at all. That the
    /// implementation is not there is no error: see [`RanCell::skipped`].
    pub fn run(&self) -> Result<RanCell, TestingError> {
        let cell = self.cell()?;
        let program = match &self.program {
            Some(program) => program.clone(),
            None => find_program(env::var_os(VARIABLE), env::current_exe().ok(), env::var_os("PATH"))?,
        };
        let out = Folder::new()?;
        let output = self
            .command(&program, &cell.name, &out.0)
            .output()
            .map_err(|source| TestingError::Start { program: program.clone(), source })?;
        let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let folder = artifacts::folder(&out.0, &cell.name);
        let (log, damage) = match File::open(folder.join(EVENTS)) {
            Ok(file) => {
                let read = EventLog::read(BufReader::new(file));
                read.map_err(|source| TestingError::Log { program: program.clone(), source })?
            }
            Err(_) if output.status.code() == Some(i32::from(cli::UNFIT_MACHINE)) => {
                return Err(TestingError::Unfit { said: said() });
            }
            Err(_) => return Err(TestingError::NoLog { program, status: output.status.to_string(), said: said() }),
        };
        if let Some(damage) = damage {
            return Err(TestingError::Damaged { program, damage });
        }
        let report = CellReport::of_log(&cell, &log, &folder);
        let scenario = self.scenario.clone();
        Ok(RanCell { report, transcript: transcript_of(&log), log, scenario, _out: out })
    }

    /// What runs the cell. The CI job the test is part of is not its own: it is nobody's shard, and tells GitHub nothing.
    fn command(&self, program: &Path, cell: &str, out: &Path) -> Command {
        let mut command = Command::new(program);
        command.arg("run").arg(&self.scenario).arg(cell);
        command.args(self.config.config.iter().flat_map(|file| [OsStr::new("--config"), file.as_os_str()]));
        command.args(["--seed", &self.seed.to_string(), "--jobs", "1", "--shard", "1/1", "--out"]).arg(out);
        command.env_remove("GITHUB_ACTIONS");
        command
    }

    /// The cell that is meant.
    fn cell(&self) -> Result<Cell, TestingError> {
        let release = self.release.parse().map_err(TestingError::Release)?;
        let files = std::slice::from_ref(&self.scenario);
        let registry = self.config.registry(files).map_err(TestingError::Declarations)?;
        let scenarios = scenario::load_tree(files, registry.names()).map_err(TestingError::Scenario)?;
        let twin = |cell: &Cell| (cell.twin == Some(Twin::Fixed)) == self.fixed;
        let mut cells = scenario::cells(&scenarios).into_iter();
        let wanted =
            |cell: &Cell| cell.implementation.word() == self.implementation && cell.release == release && twin(cell);
        cells.find(wanted).ok_or_else(|| TestingError::NoCell {
            scenario: self.scenario.clone(),
            implementation: self.implementation.clone(),
            release: self.release.clone(),
            fixed: if self.fixed { ", fixed" } else { "" },
        })
    }
}

/// Why a cell could not be run. A test that unwraps it fails with the same words as one that prints it.
#[derive(thiserror::Error)]
pub enum TestingError {
    /// The scenario cannot be used.
    #[error("the scenario cannot be used:\n{}", told(.0))]
    Scenario(Vec<Diagnostic>),
    /// The file that declares implementations cannot be used.
    #[error("the implementations declared cannot be used:\n{}", told(.0))]
    Declarations(Vec<Diagnostic>),
    /// There is no such release.
    #[error(transparent)]
    Release(UnknownRelease),
    /// The scenario has no such cell.
    #[error("{} has no cell with {implementation} against {release}{fixed}: see its matrix, or `ike-interop list`", scenario.display())]
    NoCell {
        /// The scenario.
        scenario: PathBuf,
        /// The implementation asked for.
        implementation: String,
        /// The release asked for.
        release: String,
        /// Which twin.
        fixed: &'static str,
    },
    /// There is no program to run it with.
    #[error(
        "there is no program `ike-interop` beside the tests nor on the search path: `cargo install ike-interop`, or name it in \
         the environment variable IKE_INTEROP"
    )]
    NoProgram,
    /// The program could not be started.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine cannot run cells.
    #[error("this machine cannot run cells:\n{said}")]
    Unfit {
        /// What the program says of it, with the remedy.
        said: String,
    },
    /// The program left no log.
    #[error("{} ended with {status} and left no event log:\n{said}", program.display())]
    NoLog {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// What it wrote to its standard error.
        said: String,
    },
    /// The log cannot be read, perhaps because the program has another version than this library.
    #[error("the event log that {} left cannot be read: {source}", program.display())]
    Log {
        /// The program.
        program: PathBuf,
        /// Why.
        source: LogError,
    },
    /// The log is damaged: the program was killed, or the disk is full.
    #[error("the event log that {} left is damaged: {damage}", program.display())]
    Damaged {
        /// The program.
        program: PathBuf,
        /// Where, and how.
        damage: Damage,
    },
    /// There is no folder for the evidence.
    #[error("cannot make a folder for the evidence: {0}")]
    Folder(#[from] io::Error),
}

impl fmt::Debug for TestingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

fn told(errors: &[Diagnostic]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A cell that was run, with its evidence. The folder of it is removed in the end, unless the test has failed by then.
#[derive(Debug)]
pub struct RanCell {
    report: CellReport,
    transcript: String,
    log: EventLog,
    scenario: PathBuf,
    _out: Folder,
}

impl RanCell {
    /// What became of it, and why.
    pub fn report(&self) -> &CellReport {
        &self.report
    }

    /// The verdict; `None` when the cell did not run.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.report.verdict.as_ref()
    }

    /// Why the cell could not run here; `None` when it did.
    pub fn skipped(&self) -> Option<&str> {
        let skipped = self.report.result == CellResult::Skip;
        skipped.then(|| self.report.reason.as_deref().unwrap_or_default())
    }

    /// The negotiation as text.
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    /// All that happened.
    pub fn log(&self) -> &EventLog {
        &self.log
    }

    /// The folder of the evidence: captures, logs, keys.
    pub fn folder(&self) -> &Path {
        self.report.artifacts.as_deref().unwrap_or(Path::new(""))
    }

    /// How the transcript differs from the reviewed one beside the scenario; empty when there is none.
    pub fn changes(&self) -> &[Change] {
        self.verdict().map_or(&[], |verdict| &verdict.changes)
    }

    /// That all was as the scenario expects, whatever the transcript: phases, traffic, logs and diagnosis.
    ///
    /// # Panics
    ///
    /// When it was not, with what a run prints; and when the cell was skipped.
    #[track_caller]
    pub fn assert_passed(&self) {
        let passed = match self.verdict() {
            Some(verdict) if self.report.result == CellResult::Fail => verdict.passed_but_for_the_transcript(),
            _ => matches!(self.report.result, CellResult::Pass | CellResult::Known | CellResult::Flaky),
        };
        assert!(passed, "{}", self.words());
    }

    /// That the transcript is the reviewed one beside the scenario.
    ///
    /// # Panics
    ///
    /// When it is another, with what changed; and when none was reviewed. What was found waits beside it then, for
    /// `ike-interop review` or `cargo insta review`.
    #[track_caller]
    pub fn assert_transcript(&self) {
        self.assert_no_change(Weight::Minor);
    }

    /// As [`Self::assert_transcript`], but only major changes count: another negotiation, not the same in other words.
    ///
    /// # Panics
    ///
    /// When it is another negotiation, and when none was reviewed.
    #[track_caller]
    pub fn assert_same_negotiation(&self) {
        self.assert_no_change(Weight::Major);
    }

    #[track_caller]
    fn assert_no_change(&self, from: Weight) {
        let cell = &self.report.name;
        let Some(reviewed) = &self.log.header.reviewed else {
            panic!(
                "no transcript of {cell} has been reviewed: look at this one, and keep it with `ike-interop run {} {cell} \
                 --snapshots accept`\n\n{}",
                self.scenario.display(),
                self.transcript
            );
        };
        let lines: String = self.changes().iter().map(|change| format!("  {change}\n")).collect();
        assert!(
            snapshot::heaviest(self.changes()).is_none_or(|heaviest| heaviest < from),
            "the transcript of {cell} is not the one reviewed in {}:\n{lines}\n{}\nwhat is right is kept with `ike-interop \
             review {}`",
            reviewed.file.display(),
            snapshot::diff(reviewed.transcript(), &self.transcript),
            self.scenario.display()
        );
    }

    /// The report as a run prints it.
    fn words(&self) -> String {
        let mut text = Terminal::new(Vec::new(), false);
        // Nothing that is written to memory fails.
        let _ = text.conclude(std::slice::from_ref(&self.report));
        String::from_utf8_lossy(&text.into_inner()).into_owned()
    }
}

/// A folder that goes with its owner, unless a test fails.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = target_folder().join(format!("ike-interop-tests/{}-{next}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the evidence is in {}", self.0.display());
            return;
        }
        // What stays for some reason is below the build folder and harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Cargo's folder for this build, where tests run from; else that for temporary files.
fn target_folder() -> PathBuf {
    let program = env::current_exe().ok();
    program.as_deref().and_then(build_folder).map_or_else(env::temp_dir, Path::to_owned)
}

/// `target/debug` of a test at `target/debug/deps/name-hash`.
fn build_folder(test: &Path) -> Option<&Path> {
    let folder = test.parent()?;
    folder.file_name().is_some_and(|name| name == "deps").then(|| folder.parent())?
}

fn find_program(
    named: Option<OsString>,
    test: Option<PathBuf>,
    search_path: Option<OsString>,
) -> Result<PathBuf, TestingError> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let beside = test.as_deref().and_then(build_folder).map(|folder| folder.join(PROGRAM));
    let folders = search_path.iter().flat_map(env::split_paths).collect::<Vec<_>>();
    let mut programs = beside.into_iter().chain(folders.into_iter().map(|folder| folder.join(PROGRAM)));
    programs.find(|program| program.is_file()).ok_or(TestingError::NoProgram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_where_it_may_be() {
        let root = env::temp_dir().join(format!("ike-interop-testing-{}", std::process::id()));
        let (beside, installed) = (root.join("target/debug/ike-interop"), root.join("bin/ike-interop"));
        for program in [&beside, &installed] {
            fs::create_dir_all(program.parent().unwrap()).unwrap();
            fs::write(program, "").unwrap();
        }
        let test = Some(root.join("target/debug/deps/interop-0123456789abcdef"));
        let path = Some(OsString::from(format!("/nowhere:{}", root.join("bin").display())));
        let found = |named: Option<&str>, test: &Option<PathBuf>, path: &Option<OsString>| {
            find_program(named.map(Into::into), test.clone(), path.clone()).ok()
        };
        assert_eq!(found(Some("/mine"), &test, &path), Some(PathBuf::from("/mine")));
        assert_eq!(found(None, &test, &path), Some(beside.clone()));
        assert_eq!(found(Some(""), &Some(root.join("elsewhere/interop")), &path), Some(installed));
        assert_eq!(found(None, &None, &None), None);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_cell_that_is_not_there_is_an_error() {
        let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/tunnel/plain.yaml");
        let error = |test: CellTest| test.cell().unwrap_err().to_string();
        assert!(error(CellTest::new(&scenario, "nobody", "15.x")).contains("no cell with nobody against 15.x"));
        assert!(error(CellTest::new(&scenario, "builtin", "15.x").fixed()).contains("fixed"));
        assert!(error(CellTest::new(&scenario, "builtin", "16")).contains("16"));
        assert!(error(CellTest::new("no-such.yaml", "builtin", "15.x")).contains("no-such.yaml"));
        assert_eq!(CellTest::new(&scenario, "builtin", "15.x").cell().unwrap().name, "tunnel/plain/builtin/15.x");
    }
}
