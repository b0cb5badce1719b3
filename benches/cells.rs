//! How long cells take: one by one with the share of each phase, and the whole catalogue one by one and side by side.
//!
//! `cargo bench --bench cells`; with `-- alone` only the first part. Cells of implementations this machine lacks are left
//! out.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ike_interop::cli;
use ike_interop::evidence::log::{Configs, EventLog, Happening};
use ike_interop::implementations::{Availability, Host, Registry};
use ike_interop::lab::sandbox;
use ike_interop::lab::schedule::{self, Job, Stop};
use ike_interop::report::{CellResult, Summary};
use ike_interop::run::{Runner, Settings, Snapshots, usual_jobs};
use ike_interop::scenario::{self, Cell};

const ROUNDS: usize = 40;

fn main() -> ExitCode {
    // The built-in implementation, for one, is this very program, started anew in its namespace.
    if cli::started_by_cell() {
        return cli::main();
    }
    if let Err(error) = sandbox::enter() {
        eprintln!("{}", error.diagnostic());
        return cli::UNFIT_MACHINE.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let registry = Registry::built_in();
    let scenarios = match scenario::load_tree(&[root.join("scenarios")], registry.names()) {
        Ok(scenarios) => scenarios,
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            return cli::BAD_INPUT.into();
        }
    };
    let cells = scenario::cells(&scenarios);
    alone(&cells, &registry);
    if !std::env::args().any(|argument| argument == "alone") {
        catalogue(&cells);
    }
    ExitCode::SUCCESS
}

/// Durations of one phase over the rounds.
#[derive(Default)]
struct Phases(Vec<(String, Vec<Duration>)>);

impl Phases {
    fn add(&mut self, name: &str, duration: Duration) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, durations)) => durations.push(duration),
            None => self.0.push((name.to_owned(), vec![duration])),
        }
    }

    fn print(&mut self, whole: Duration) {
        for (name, durations) in &mut self.0 {
            let (median, most) = median_and_most(durations);
            let share = 100.0 * median.as_secs_f64() / whole.as_secs_f64();
            println!("  {name:44} median {median:>9.2?}  most {most:>9.2?}  {share:>5.1} %");
        }
    }
}

fn median_and_most(durations: &mut [Duration]) -> (Duration, Duration) {
    durations.sort_unstable();
    (durations[durations.len() / 2], durations[durations.len() - 1])
}

/// One builtin cell after the other, nothing beside it.
fn alone(cells: &[Cell], registry: &Registry) {
    let name = "tunnel/plain/builtin/15.x";
    let Some(cell) = cells.iter().find(|cell| cell.name == name) else {
        return eprintln!("there is no cell {name}");
    };
    let Some(implementation) = registry.driver(&cell.implementation) else { return };
    let (version, program, data_path) = match implementation.availability(&Host::probe()) {
        Availability::Ready { version, path, data_path } => (version, path, data_path),
        Availability::Missing { reason, .. } | Availability::Unfit { reason, .. } => return eprintln!("{reason}"),
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-cell");
    let seed = 1;
    let (configs, reviewed) = (Configs::new(), None);
    let job = Job {
        cell: cell.clone(),
        implementation,
        program,
        programs: BTreeMap::new(),
        version,
        data_path,
        folder,
        config: None,
        seed,
        configs,
        reviewed,
        strict: false,
    };
    let (mut whole, mut phases) = (Vec::new(), Phases::default());
    for _ in 0..ROUNDS {
        let before = Instant::now();
        let ran = schedule::run_one(&job, &[], &Stop::default(), &|_| ());
        let took = before.elapsed();
        match ran {
            Ok(log) => log.iter().for_each(|log| add_phases(log, took, &mut phases)),
            Err(error) => return eprintln!("{error}"),
        }
        whole.push(took);
    }
    let (median, most) = median_and_most(&mut whole);
    println!("{name}, {ROUNDS} times alone: median {median:.2?}, most {most:.2?}");
    phases.print(median);
}

fn add_phases(log: &EventLog, duration: Duration, phases: &mut Phases) {
    let mut last = Duration::ZERO;
    for entry in &log.entries {
        let name = match &entry.what {
            Happening::Phase { name } => name,
            Happening::Step { step, .. } => step,
            _ => continue,
        };
        let at = entry.at.since_start();
        phases.add(name, at.saturating_sub(last));
        last = at;
    }
    phases.add("namespaces dropped, runtime gone", duration.saturating_sub(last));
}

/// The whole catalogue, one cell at a time and then as `run` does it.
fn catalogue(cells: &[Cell]) {
    let one_by_one = whole_run(cells, 1);
    let side_by_side = whole_run(cells, usual_jobs());
    let share = 100.0 * side_by_side.as_secs_f64() / one_by_one.as_secs_f64();
    println!("side by side takes {share:.0} % of one by one");
    if let Some(octets) = peak_memory() {
        println!("peak memory of the harness: {} MB", octets >> 20);
    }
}

fn whole_run(cells: &[Cell], jobs: usize) -> Duration {
    let settings = Settings {
        jobs,
        out: Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-catalogue"),
        config: None,
        seed: 1,
        fail_fast: false,
        retries: 0,
        snapshots: Snapshots::Off,
        propose: false,
        strict: false,
    };
    let before = Instant::now();
    let reports = Runner::new(settings, Registry::built_in()).run(cells.to_vec(), |_| ());
    let results: Vec<CellResult> = reports.iter().map(|report| report.result).collect();
    let took = before.elapsed();
    println!("{} cells, {jobs} at a time: {took:.1?} ({})", cells.len(), Summary::of(results).line());
    took
}

/// Octets of the most memory this process has had.
fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}
