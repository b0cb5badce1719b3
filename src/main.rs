//! The `ike-interop` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ike_interop::cli::main()
}
