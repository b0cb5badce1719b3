//! `ike-interop run`: runs cells and judges them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use tokio::signal::unix::{SignalKind, signal};

use super::selecting::Selecting;
use super::{BAD_INPUT, SUCCESS, UNEXPECTED, UNFIT_MACHINE, refuse};
use crate::diag::Diagnostic;
use crate::lab::sandbox;
use crate::lab::schedule::{self, Stop};
use crate::report::{self, CellReport, Github, Progress, Project, Roster, Summary, USUAL_SEED};
use crate::run::{Runner, Settings, Snapshots, proposals_wanted, usual_jobs};

/// Run scenarios against the simulated router, and judge what happens.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selecting: Selecting,

    /// Cells that run at a time; three for each processor unless given, since most of a cell is waiting.
    #[arg(short, long, value_name = "N")]
    jobs: Option<usize>,

    /// How often a cell that did not go as expected is tried again.
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,

    /// Where the evidence goes.
    #[arg(long, value_name = "DIR", default_value = "target/ike-interop")]
    out: PathBuf,

    /// Begin no further cell after one that did not go as expected.
    #[arg(long)]
    fail_fast: bool,

    /// Let cells fail whose implementation is not installed; those that this machine could not run even then are skipped.
    #[arg(long)]
    strict: bool,

    /// What becomes of transcripts that differ from the reviewed ones.
    #[arg(long, value_enum, default_value_t)]
    snapshots: Snapshots,

    /// The seed of every random choice of router and internet, as a run prints it.
    #[arg(long, value_name = "N", default_value_t = USUAL_SEED)]
    seed: u64,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let selecting = &arguments.selecting;
    let chosen = selecting
        .registry()
        .and_then(|registry| Ok((selecting.cells(registry.names())?, selecting.shard_wanted()?, registry)));
    let (cells, shard, registry) = match chosen {
        Ok(chosen) => chosen,
        Err(errors) => {
            refuse(&errors);
            return BAD_INPUT.into();
        }
    };
    // Before any thread is there.
    if let Err(error) = sandbox::enter() {
        refuse(&[error.diagnostic()]);
        return UNFIT_MACHINE.into();
    }
    let settings = Settings {
        jobs: arguments.jobs.unwrap_or_else(usual_jobs),
        out: arguments.out.clone(),
        seed: arguments.seed,
        config: selecting.config.config.clone(),
        fail_fast: arguments.fail_fast,
        retries: arguments.retries,
        snapshots: arguments.snapshots,
        propose: proposals_wanted(),
        strict: arguments.strict,
    };
    let cells_wanted = if cells.len() == 1 { "1 cell".to_owned() } else { format!("{} cells", cells.len()) };
    println!("{cells_wanted}, {} at a time, seed {}", settings.jobs, settings.seed);
    let wanted = cells.len();
    let roster = Roster::new(cells.iter().map(|cell| cell.name.clone()), shard);
    if let Err(error) = roster.begin(&arguments.out) {
        refuse(&[Diagnostic::plain(format!("cannot write to {}: {error}", arguments.out.display()))]);
        return UNEXPECTED.into();
    }
    let mut runner = Runner::new(settings, registry);
    let interrupted = match stop_on_signals(runner.stop()) {
        Ok(interrupted) => interrupted,
        Err(error) => {
            refuse(&[Diagnostic::plain(format!("cannot wait for signals: {error}"))]);
            return UNFIT_MACHINE.into();
        }
    };
    let mut progress = Progress::new(wanted);
    let reports = runner.run(cells, |event| match event {
        schedule::Progress::Started(name) => progress.started(name),
        schedule::Progress::Doing(name, what) => progress.doing(name, what),
        schedule::Progress::Finished(report) => progress.finished(report),
    });
    let github = Github::of_environment();
    // A closed pipe is the reader's wish.
    let _ = progress.conclude(&reports, github.is_some());
    if let Err(error) = write_reports(&arguments.out, &reports, github.as_ref()) {
        refuse(&[*error]);
        return UNEXPECTED.into();
    }
    if let Some(signal) = interrupted.get() {
        println!(
            "interrupted: {} of {wanted} cells ended before, and are in {}",
            reports.len(),
            arguments.out.display()
        );
        return ExitCode::from(128 + signal);
    }
    match runner.keep_transcripts() {
        Ok(waiting) if waiting.is_empty() => {}
        Ok(waiting) => {
            let paths = selecting.paths.iter().map(|path| format!(" {path}")).collect::<String>();
            println!("{} from the reviewed: look with `ike-interop review{paths}`", differing(waiting.len(), &reports))
        }
        Err(error) => {
            eprintln!("error: cannot write transcripts beside the scenarios: {error}");
            return UNEXPECTED.into();
        }
    }
    let summary = Summary::of(reports.iter().map(|report| report.result));
    if summary.is_success() { SUCCESS.into() } else { UNEXPECTED.into() }
}

/// Breaks the run off at SIGINT or SIGTERM, and tells which it was. A second one ends the program where it is.
fn stop_on_signals(stop: Stop) -> io::Result<Arc<OnceLock<u8>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupts, mut terminations) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let received = Arc::new(OnceLock::new());
    let first = Arc::clone(&received);
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let number: u8 = tokio::select! {
                    _ = interrupts.recv() => 2,
                    _ = terminations.recv() => 15,
                };
                if first.set(number).is_err() {
                    std::process::exit(128 + i32::from(number));
                }
                stop.pull();
            }
        });
    });
    Ok(received)
}

/// Writes the reports of a run, and tells a job of GitHub Actions what it shows.
fn write_reports(out: &Path, reports: &[CellReport], github: Option<&Github>) -> Result<(), Box<Diagnostic>> {
    let failed = |error| Diagnostic::plain(format!("cannot write to {}: {error}", out.display()));
    let project = Project::of_environment().map_err(failed)?;
    report::write_files(out, reports, &project).map_err(failed)?;
    let Some(github) = github else { return Ok(()) };
    let _ = io::stdout().write_all(report::annotations(reports, &project).as_bytes());
    let summarized = github.summarize(reports, &project);
    summarized.map_err(|error| Diagnostic::plain(format!("cannot write the job's summary: {error}")).into())
}

/// How many transcripts wait for a decision, and how many cells did not fail by them.
fn differing(waiting: usize, reports: &[CellReport]) -> String {
    let changed = |report: &&CellReport| report.verdict.as_ref().is_some_and(|verdict| !verdict.changes.is_empty());
    let passed = reports.iter().filter(changed).filter(|report| !report.result.fails_the_run()).count();
    let transcripts =
        if waiting == 1 { "1 transcript differs".to_owned() } else { format!("{waiting} transcripts differ") };
    match passed {
        0 => transcripts,
        1 => format!("{transcripts}, by which 1 cell did not fail,"),
        cells => format!("{transcripts}, by which {cells} cells did not fail,"),
    }
}
