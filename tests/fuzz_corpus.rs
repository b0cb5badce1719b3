//! Every parser against every seed of `fuzz/seeds` and the fixtures, whole, cut short and damaged: none of them may panic, or
//! take long. The fuzzers themselves are run by `fuzz/run`.
//!
//! Which damage is done depends on a seed alone, which is printed; `IKE_INTEROP_FUZZ_SEED` is another one.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::fs;
use std::io;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use fuzz::{TARGETS, Target};
use libtest_mimic::{Arguments, Failed, Trial};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::time::{ClockId, clock_gettime};

/// No input may keep its parser busy for longer, in a build without optimization.
const LONGEST: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let seed = match std::env::var("IKE_INTEROP_FUZZ_SEED").map(|text| text.parse()) {
        Err(_) => 1,
        Ok(Ok(seed)) => seed,
        Ok(Err(error)) => {
            eprintln!("IKE_INTEROP_FUZZ_SEED is no number: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("IKE_INTEROP_FUZZ_SEED={seed}");
    let mut trials = Vec::new();
    for target in TARGETS {
        match inputs(target) {
            Ok(inputs) if inputs.is_empty() => {
                eprintln!("there is no input for {}", target.name);
                return ExitCode::FAILURE;
            }
            Ok(inputs) => trials.extend(inputs.into_iter().map(|(name, path)| {
                Trial::test(format!("{}::{name}", target.name), move || replay(target, &fs::read(path)?, seed))
            })),
            Err(error) => {
                eprintln!("the inputs of {} cannot be read: {error}", target.name);
                return ExitCode::FAILURE;
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The inputs of a parser, by their paths in the project: its seeds, and what `fuzz/fixtures` names.
fn inputs(target: &Target) -> io::Result<Vec<(String, PathBuf)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let seeds = root.join("fuzz/seeds").join(target.name);
    if seeds.is_dir() {
        find(&seeds, "", &mut files)?;
    }
    for line in include_str!("../fuzz/fixtures").lines() {
        if let [name, folder, ending] = line.split_whitespace().collect::<Vec<_>>()[..]
            && name == target.name
        {
            find(&root.join(folder), ending, &mut files)?;
        }
    }
    files.sort();
    let named = files.into_iter().map(|path| (path.strip_prefix(root).unwrap_or(&path).display().to_string(), path));
    Ok(named.collect())
}

/// Files below a folder whose names end so.
fn find(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, ending, files)?;
        } else if path.to_string_lossy().ends_with(ending) {
            files.push(path);
        }
    }
    Ok(())
}

/// Puts an input to its parser: as it is, cut short, and with one octet changed.
fn replay(target: &Target, input: &[u8], seed: u64) -> Result<(), Failed> {
    put(target, input, "as it is")?;
    let cuts = input.len().min(target.mutations);
    for index in 0..cuts {
        let length = input.len() * index / cuts;
        put(target, &input[..length], &format!("the first {length} octets"))?;
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let mut damaged = input.to_vec();
    for _ in 0..cuts {
        let (at, value) = (rng.random_range(0..input.len()), rng.random());
        damaged[at] = value;
        put(target, &damaged, &format!("octet {at} is {value:#04x}"))?;
        damaged[at] = input[at];
    }
    Ok(())
}

/// Fails when the parser panics or takes too long; the octets are kept then, to become a seed.
fn put(target: &Target, octets: &[u8], what: &str) -> Result<(), Failed> {
    let before = clock_gettime(ClockId::ThreadCPUTime);
    let result = panic::catch_unwind(|| (target.run)(octets));
    let after = clock_gettime(ClockId::ThreadCPUTime);
    let took =
        Duration::try_from(after).unwrap_or_default().saturating_sub(Duration::try_from(before).unwrap_or_default());
    let why = match result {
        Err(_) => "it panics".to_owned(),
        Ok(()) if took > LONGEST => format!("it takes {took:?}"),
        Ok(()) => return Ok(()),
    };
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", target.name));
    fs::write(&kept, octets)?;
    Err(format!("{what}: {why}; the octets are in {}", kept.display()).into())
}
