//! `ike-interop lab`: stands a scenario's lab up and stays.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use super::config::Config;
use super::selecting::Selecting;
use super::{BAD_INPUT, SUCCESS, UNEXPECTED, UNFIT_MACHINE, refuse};
use crate::diag::Diagnostic;
use crate::implementations::{Availability, Registry};
use crate::ios::Release;
use crate::lab::cell::{self, CellRun, Stay};
use crate::lab::sandbox;
use crate::lab::schedule::cell_seed;
use crate::scenario::{Cell, ImplementationName};

/// Stand the lab of a scenario up and stay: run a command in one of its namespaces, or type on the router's console.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The scenario's file, or the name of a scenario or cell.
    scenario: String,

    /// The implementation to start.
    #[arg(short, long, value_name = "IMPL", default_value = "builtin")]
    implementation: ImplementationName,

    /// The release the router is; the scenario's first unless given.
    #[arg(long, value_name = "RELEASE")]
    ios: Option<Release>,

    /// Where to be: in a namespace, or at the router's console.
    #[arg(long = "in", value_name = "PLACE", value_enum, default_value_t = Place::Left)]
    place: Place,

    #[command(flatten)]
    config: Config,

    /// Do not bring the tunnel up first.
    #[arg(long)]
    no_initiate: bool,

    /// The command; a shell unless given. At the router's console, the lines to type.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Where one can be in a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Place {
    /// The host behind the implementation.
    Left,
    /// The implementation's machine.
    Dut,
    /// Between the two.
    Internet,
    /// The router's console, in privileged EXEC mode.
    Cisco,
    /// The host behind the router.
    Right,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let (registry, cell) = match pick(arguments) {
        Ok(picked) => picked,
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
    match stay(arguments, &registry, &cell) {
        Ok(0) => SUCCESS.into(),
        Ok(_) => UNEXPECTED.into(),
        Err(error) => {
            eprintln!("error: {error}");
            UNEXPECTED.into()
        }
    }
}

/// The first cell of the scenario that fits.
fn pick(arguments: &Arguments) -> Result<(Registry, Cell), Vec<Diagnostic>> {
    let selecting = Selecting {
        paths: vec![arguments.scenario.clone()],
        implementation: vec![arguments.implementation.clone()],
        ios: arguments.ios.into_iter().collect(),
        config: arguments.config.clone(),
        ..Selecting::default()
    };
    let registry = selecting.registry()?;
    let cell = selecting.cells(registry.names())?.into_iter().next().ok_or_else(|| {
        let what = format!("{} has no cell with {}", arguments.scenario, arguments.implementation);
        vec![Diagnostic::plain(what).with_help("see `ike-interop list`")]
    })?;
    Ok((registry, cell))
}

/// Stays until the command ends, and gives its exit status.
fn stay(arguments: &Arguments, registry: &Registry, cell: &Cell) -> Result<i32, Box<dyn std::error::Error>> {
    let implementation = registry.driver(&cell.implementation).ok_or("the cell has no implementation")?;
    let host = registry.probe_host();
    let (version, program, data_path) = match implementation.availability(&host) {
        Availability::Ready { version, path, data_path } => (version, path, data_path),
        Availability::Missing { reason, remedy } | Availability::Unfit { reason, remedy } => {
            return Err(format!("{reason}; {remedy}").into());
        }
    };
    let folder = std::path::Path::new("/run/ike-interop-lab");
    std::fs::create_dir_all(folder)?;
    let run = CellRun {
        doing: &|_| (),
        cell,
        implementation: &*implementation,
        program: &program,
        programs: &host.programs,
        version: &version,
        data_path,
        folder,
        seed: cell_seed(1, &cell.name),
        strict: true,
    };
    eprintln!("{}: standing up", cell.name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let what = match arguments.place {
        Place::Cisco if arguments.command.is_empty() => Stay::Console(typed_lines()),
        Place::Cisco => {
            let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
            arguments.command.iter().for_each(|line| drop(sender.send(line.clone())));
            Stay::Console(lines)
        }
        place => Stay::Command { place: place_name(place), command: arguments.command.clone() },
    };
    Ok(runtime.block_on(cell::stay(&run, !arguments.no_initiate, what))?)
}

fn place_name(place: Place) -> cell::Place {
    match place {
        Place::Left => cell::Place::Left,
        Place::Dut => cell::Place::Dut,
        Place::Internet => cell::Place::Internet,
        Place::Cisco | Place::Right => cell::Place::Right,
    }
}

/// The lines typed on standard input, until it ends.
fn typed_lines() -> tokio::sync::mpsc::UnboundedReceiver<String> {
    let (sender, lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        // What cannot be flushed is a prompt, which nobody sees then.
        let _ = io::stdout().flush();
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
