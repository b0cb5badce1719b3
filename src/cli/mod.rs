//! The command line: one file per verb; parses arguments, calls the library, prints.

mod decode;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit status when every cell went as expected.
pub const SUCCESS: u8 = 0;
/// Exit status when a cell did not go as expected.
pub const UNEXPECTED: u8 = 1;
/// Exit status when the input is wrong.
pub const BAD_INPUT: u8 = 2;
/// Exit status when this machine cannot run the lab.
pub const UNFIT_MACHINE: u8 = 3;

/// A Cisco interoperability test harness for IPsec.
#[derive(Debug, Parser)]
#[command(name = "ike-interop", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Decode(decode::Arguments),
}

/// Runs the command the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.verb {
        Verb::Decode(arguments) => decode::run(&arguments),
    }
}
