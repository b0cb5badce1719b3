//! `ike-interop schema`: the JSON schemas of the files that people write, and of what programs may read.

use std::io::{self, Write};
use std::process::ExitCode;

use super::config::Config;
use super::{BAD_INPUT, SUCCESS, doctor, refuse};
use crate::implementations::declared;
use crate::report;
use crate::scenario;

/// Print the JSON schema of the scenario file, or of `ike-interop.toml`, for editors, or of what this program prints.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The schema of `results.json` instead.
    #[arg(long, conflicts_with_all = ["toml", "doctor"])]
    results: bool,

    /// The schema of `ike-interop.toml` instead.
    #[arg(long, conflicts_with = "doctor")]
    toml: bool,

    /// The schema of `doctor --json` instead.
    #[arg(long)]
    doctor: bool,

    #[command(flatten)]
    config: Config,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let schema = if arguments.results {
        report::results_schema()
    } else if arguments.toml {
        declared::schema()
    } else if arguments.doctor {
        doctor::schema()
    } else {
        // With the implementations that are declared here, so that an editor offers their names too.
        match arguments.config.registry::<&str>(&[]) {
            Ok(registry) => scenario::schema(registry.names()),
            Err(errors) => {
                refuse(&errors);
                return BAD_INPUT.into();
            }
        }
    };
    // A closed pipe is the reader's wish.
    let _ = writeln!(io::stdout(), "{schema:#}");
    SUCCESS.into()
}
