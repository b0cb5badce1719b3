//! A process of this program's own that serves a cell: what its verbs have in common.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{SUCCESS, UNEXPECTED};
use crate::lab::server::ServerError;

/// How a cell starts it.
#[derive(Debug, clap::Args)]
pub(super) struct Served {
    /// Its settings, as JSON.
    #[arg(long, value_name = "FILE")]
    settings: PathBuf,

    /// Where its control socket is made.
    #[arg(long, value_name = "SOCKET")]
    control: PathBuf,
}

impl Served {
    /// Is what `serve` is, with the settings and the control socket, until it is told to end.
    pub(super) fn run(&self, serve: impl AsyncFnOnce(&Path, &Path) -> Result<(), ServerError>) -> ExitCode {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("error: cannot start: {error}");
                return UNEXPECTED.into();
            }
        };
        match runtime.block_on(serve(&self.settings, &self.control)) {
            Ok(()) => SUCCESS.into(),
            Err(error) => {
                eprintln!("error: {error}");
                UNEXPECTED.into()
            }
        }
    }
}
