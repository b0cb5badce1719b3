//! `ike-interop gateway`: the built-in implementation as a process of its own. Cells start it; people need not.

use std::process::ExitCode;

use super::served::Served;
use crate::gateway::daemon;

/// Run the built-in implementation in this network namespace, as cells do.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    served: Served,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.served.run(daemon::run)
}
