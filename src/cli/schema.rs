//! `ike-interop schema`: the JSON schema of the scenario file.

use std::io::{self, Write};
use std::process::ExitCode;

use super::SUCCESS;
use crate::implementations::Registry;
use crate::scenario;

/// Print the JSON schema of the scenario file, for editors.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {}

pub(super) fn run(_: &Arguments) -> ExitCode {
    let _ = writeln!(io::stdout(), "{:#}", scenario::schema(Registry::built_in().names()));
    SUCCESS.into()
}
