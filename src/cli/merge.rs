//! `ike-interop merge`: joins the parts of a run that several machines did.

use std::path::PathBuf;
use std::process::ExitCode;

/// Join the output folders of a run's shards: results, JUnit and HTML of all their cells.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folders of the shards.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,

    /// Where the whole goes.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    super::report::retell(&arguments.folders, &arguments.out)
}
