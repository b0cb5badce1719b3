//! `ike-interop schema`: the JSON schemas of the scenario file and of `results.json`.

use std::io::{self, Write};
use std::process::ExitCode;

use super::SUCCESS;
use crate::implementations::Registry;
use crate::report;
use crate::scenario;

/// Print the JSON schema of the scenario file, for editors.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The schema of `results.json` instead.
    #[arg(long)]
    results: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let schema = match arguments.results {
        true => report::results_schema(),
        false => scenario::schema(Registry::built_in().names()),
    };
    // A closed pipe is the reader's wish.
    let _ = writeln!(io::stdout(), "{schema:#}");
    SUCCESS.into()
}
