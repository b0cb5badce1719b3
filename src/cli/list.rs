//! `ike-interop list`: the cells, without running them.

use std::io::{self, Write};
use std::process::ExitCode;

use super::selecting::Selecting;
use super::{BAD_INPUT, SUCCESS, refuse};

/// List the cells that would run, a name a line.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    selecting: Selecting,

    /// With the title of each scenario.
    #[arg(long)]
    titles: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let selecting = &arguments.selecting;
    let cells = match selecting.registry().and_then(|registry| selecting.cells(registry.names())) {
        Ok(cells) => cells,
        Err(errors) => {
            refuse(&errors);
            return BAD_INPUT.into();
        }
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    for cell in &cells {
        let written = match arguments.titles {
            true => writeln!(out, "{}  {}", cell.name, cell.scenario.title),
            false => writeln!(out, "{}", cell.name),
        };
        // A closed pipe (`| head`) is the reader's wish.
        if written.is_err() {
            break;
        }
    }
    SUCCESS.into()
}
