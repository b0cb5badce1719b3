//! `ike-interop key-engine`: a PF_KEY key engine as a process of its own. Cells start it; people need not.

use std::process::ExitCode;

use super::served::Served;
use crate::pfkey::daemon;

/// Be the PF_KEY key engine of this network namespace, as cells have it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    served: Served,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.served.run(daemon::run)
}
