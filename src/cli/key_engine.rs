//! `ike-interop key-engine`: a PF_KEY key engine as a process of its own. Cells start it; people need not.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{SUCCESS, UNEXPECTED};
use crate::pfkey::daemon;

/// Be the PF_KEY key engine of this network namespace, as cells have it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Its settings, as JSON.
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,

    /// Where commands come under it.
    #[arg(long, value_name = "SOCKET")]
    control: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return UNEXPECTED.into();
        }
    };
    match runtime.block_on(daemon::run(&arguments.settings, &arguments.control)) {
        Ok(()) => SUCCESS.into(),
        Err(error) => {
            eprintln!("error: {error}");
            UNEXPECTED.into()
        }
    }
}
