//! The `ike-interop` command.

use std::process::ExitCode;

/// Messages are decoded by one thread and often freed by another, for which the system's allocator takes twice the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ike_interop::cli::main()
}
