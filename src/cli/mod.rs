//! The command line: one file per verb; parses arguments, calls the library, prints.

mod check;
pub mod config;
mod decode;
mod doctor;
mod gateway;
mod key_engine;
mod lab;
mod list;
mod merge;
mod report;
mod review;
mod run;
mod schema;
pub mod selecting;
mod served;
#[cfg(test)]
mod tests;
mod under_key_engine;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::diag::Diagnostic;

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
    Run(run::Arguments),
    List(list::Arguments),
    Check(check::Arguments),
    Decode(decode::Arguments),
    Review(review::Arguments),
    Lab(lab::Arguments),
    Doctor(doctor::Arguments),
    Report(report::Arguments),
    Merge(merge::Arguments),
    Schema(schema::Arguments),
    #[command(hide = true)]
    Gateway(gateway::Arguments),
    #[command(hide = true)]
    KeyEngine(key_engine::Arguments),
    #[command(hide = true)]
    UnderKeyEngine(under_key_engine::Arguments),
}

/// The verbs that cells start this very program anew with. A program that runs cells of its own has to hand them to
/// [`main`].
const INNER_VERBS: [&str; 3] = ["gateway", "key-engine", "under-key-engine"];

/// Whether a cell has started this process.
pub fn started_by_cell() -> bool {
    std::env::args().nth(1).is_some_and(|verb| INNER_VERBS.contains(&verb.as_str()))
}

/// Runs the command the process was started with.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.verb {
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Lab(arguments) => lab::run(&arguments),
        Verb::Gateway(arguments) => gateway::run(&arguments),
        Verb::KeyEngine(arguments) => key_engine::run(&arguments),
        Verb::UnderKeyEngine(arguments) => under_key_engine::run(&arguments),
        Verb::List(arguments) => list::run(&arguments),
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Decode(arguments) => decode::run(&arguments),
        Verb::Review(arguments) => review::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::Merge(arguments) => merge::run(&arguments),
        Verb::Schema(arguments) => schema::run(&arguments),
    }
}

/// Tells on standard error why the input cannot be used.
fn refuse(errors: &[Diagnostic]) {
    let choice = anstream::AutoStream::choice(&std::io::stderr());
    for error in errors {
        eprintln!("{}\n", error.render(choice != anstream::ColorChoice::Never));
    }
}
