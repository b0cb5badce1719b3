//! `ike-interop doctor`: what can run on this machine, and what to do about the rest.

mod findings;
mod machine;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use findings::Findings;

use super::config::Config;
use super::{BAD_INPUT, SUCCESS, UNFIT_MACHINE, refuse};
use crate::lab::sandbox;

/// The width of the tables where nobody says how wide the output is.
const USUAL_WIDTH: u16 = 120;

/// Say what can run on this machine, and what to do about the rest.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// As JSON; `ike-interop schema --doctor` prints its schema.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let registry = match arguments.config.registry::<&str>(&[]) {
        Ok(registry) => registry,
        Err(errors) => {
            refuse(&errors);
            return BAD_INPUT.into();
        }
    };
    // Everything else is looked at from inside, as a cell would see it.
    let sandbox = sandbox::enter();
    let host = registry.probe_host();
    let findings = Findings::new(machine::look(sandbox, &host), &host, &registry);
    let text = match arguments.json {
        true => serde_json::to_string_pretty(&findings).unwrap_or_default() + "\n",
        false => table::text(&findings, width()),
    };
    // A closed pipe is the reader's wish.
    let _ = io::stdout().write_all(text.as_bytes());
    if findings.ready { SUCCESS.into() } else { UNFIT_MACHINE.into() }
}

/// How wide the output is: COLUMNS says so, or the terminal.
fn width() -> u16 {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    told.or_else(|| console::Term::stdout().size_checked().map(|(_, columns)| columns)).unwrap_or(USUAL_WIDTH)
}

/// The JSON schema (draft 2020-12) of what `doctor --json` prints.
pub(super) fn schema() -> serde_json::Value {
    schemars::schema_for!(Findings).to_value()
}
