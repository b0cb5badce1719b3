//! `ike-interop schema`: the JSON schemas of the scenario file and of `results.json`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::config::Config;
use super::{BAD_INPUT, SUCCESS, refuse};
use crate::implementations::declared;
use crate::report;
use crate::scenario;

/// Print the JSON schema of the scenario file, or of `ike-interop.toml`, for editors.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The schema of `results.json` instead.
    #[arg(long, conflicts_with = "toml")]
    results: bool,

    /// The schema of `ike-interop.toml` instead.
    #[arg(long)]
    toml: bool,

    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let schema = match (arguments.results, arguments.toml) {
        (true, _) => report::results_schema(),
        (false, true) => declared::schema(),
        // With the implementations that are declared here, so that an editor offers their names too.
        (false, false) => match arguments.config.registry::<&str>(&[]) {
            Ok(registry) => scenario::schema(registry.names()),
            Err(errors) => {
                refuse(&errors);
                return BAD_INPUT.into();
            }
        },
    };
    // A closed pipe is the reader's wish.
    let _ = writeln!(io::stdout(), "{schema:#}");
    SUCCESS.into()
}
