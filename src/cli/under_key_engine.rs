//! `ike-interop under-key-engine`: a command that finds a key engine of ours where the kernel has none. Cells start it.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use super::UNEXPECTED;
use crate::lab::interception;

/// Run a command whose PF_KEY sockets lead to the key engine of this network namespace.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The key engine's control socket.
    #[arg(long, value_name = "SOCKET")]
    control: PathBuf,

    /// The command.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    if let Err(error) = interception::submit_to(&arguments.control) {
        eprintln!("error: {error}");
        return UNEXPECTED.into();
    }
    let [program, rest @ ..] = &arguments.command[..] else { return UNEXPECTED.into() };
    let error = Command::new(program).args(rest).exec();
    eprintln!("error: cannot start {}: {error}", program.display());
    UNEXPECTED.into()
}
