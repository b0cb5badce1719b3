//! Every scenario is a test by its own name: all its cells, with whatever implementations this machine has.
//!
//! A scenario whose cells all lack their implementation is ignored, and says so.

use std::path::Path;
use std::process::ExitCode;

use ike_interop::cli;
use ike_interop::implementations::Registry;
use ike_interop::lab::sandbox;
use ike_interop::report::{CellReport, CellResult, Terminal};
use ike_interop::run::{Runner, Settings, Snapshots, proposals_wanted};
use ike_interop::scenario::{self, Cell};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    // The built-in implementation, for one, is this very program, started anew in its namespace.
    if cli::started_by_cell() {
        return cli::main();
    }
    // Before any thread is there.
    if let Err(error) = sandbox::enter() {
        eprintln!("{}", error.diagnostic());
        return cli::UNFIT_MACHINE.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scenarios = match scenario::load_tree(&[root.join("scenarios")], Registry::built_in().names()) {
        Ok(scenarios) => scenarios,
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            return cli::BAD_INPUT.into();
        }
    };
    let trials = scenarios.into_iter().map(|scenario| {
        let cells = scenario::cells(std::slice::from_ref(&scenario));
        Trial::test(format!("scenario::{}", scenario.name), move || run(cells))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Runs the cells of one scenario; fails with the report a run prints.
fn run(cells: Vec<Cell>) -> Result<(), Failed> {
    let settings = Settings {
        jobs: 3,
        out: Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenarios"),
        config: None,
        seed: 1,
        fail_fast: false,
        retries: 0,
        snapshots: Snapshots::All,
        propose: proposals_wanted(),
        strict: std::env::var_os("IKE_INTEROP_STRICT").is_some(),
    };
    let mut runner = Runner::new(settings, Registry::built_in());
    let reports: Vec<CellReport> = runner.run(cells, |_| ());
    runner.keep_transcripts()?;
    if reports.iter().any(|report| report.result.fails_the_run()) {
        let mut text = Terminal::new(Vec::new(), false);
        text.conclude(&reports)?;
        return Err(String::from_utf8_lossy(&text.into_inner()).into_owned().into());
    }
    if reports.iter().all(|report| report.result == CellResult::Skip) {
        println!("skipped: {}", reports.iter().find_map(|report| report.reason.clone()).unwrap_or_default());
    }
    Ok(())
}
