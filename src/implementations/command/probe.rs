//! Asking a program what an implementation can do.

use std::io::Read;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::Command;
use crate::implementations::declared::file::Probe;
use crate::implementations::{Capability, Host, Unanswered};

/// How long a program may take to say whether there is a capability.
const LIMIT: Duration = Duration::from_secs(10);

/// The exit status that means that a capability is not there, as in the QUIC interop runner.
const UNSUPPORTED: i32 = 127;

/// The most that is read of what it prints, in octets.
const MOST: u64 = 1 << 16;

impl Command {
    /// Whether the declaration leaves it to the probe to have `capability`. It says nothing about what it does not know.
    pub(super) fn may_have(&self, capability: &Capability) -> bool {
        let known = Capability::all().any(|known| known == capability);
        !known || self.capabilities.has(capability)
    }

    /// Asks the program of `probe` whether there is `capability`.
    pub(super) fn ask(&self, probe: &Probe, capability: &Capability, host: &Host) -> Result<bool, Unanswered> {
        let unanswered =
            |why: String| Unanswered { implementation: self.name.to_string(), capability: capability.to_string(), why };
        let values = minijinja::context! { capability => capability.word() };
        let words = probe.command.0.iter().map(|word| word.render(&values)).collect::<Result<Vec<_>, _>>();
        let words = words.map_err(unanswered)?;
        let program = words.first().and_then(|program| self.locate(program, &host.path));
        let program = program.ok_or_else(|| unanswered(format!("there is no {}", words.concat())))?;
        let (status, text) = run(&program, &words[1..], &self.folder)
            .map_err(|error| unanswered(format!("{}: {error}", program.display())))?;
        let Some(status) = status else {
            return Err(unanswered(format!("{} took longer than {LIMIT:?}", program.display())));
        };
        let unsupported = match &probe.unsupported {
            Some(pattern) => pattern.0.is_match(&text),
            None => status.code() == Some(UNSUPPORTED),
        };
        match (unsupported, status.success()) {
            (true, _) => Ok(false),
            (false, true) => Ok(true),
            (false, false) => {
                let said =
                    text.lines().last().map_or("it said nothing".to_owned(), |line| format!("it said last: {line}"));
                Err(unanswered(format!("{} ended with {status}; {said}", program.display())))
            }
        }
    }
}

/// Runs a program to its end, or kills it at the limit. It gives its status, if it ended by itself, and all it printed.
fn run(program: &Path, arguments: &[String], folder: &Path) -> std::io::Result<(Option<ExitStatus>, String)> {
    let (reader, writer) = std::io::pipe()?;
    let mut child = std::process::Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()?;
    let reading = std::thread::spawn(move || {
        let mut octets = Vec::new();
        // What cannot be read was not said.
        let _ = reader.take(MOST).read_to_end(&mut octets);
        String::from_utf8_lossy(&octets).into_owned()
    });
    let status = until(&mut child, LIMIT)?;
    if status.is_none() {
        child.kill()?;
        child.wait()?;
        return Ok((None, String::new()));
    }
    Ok((status, reading.join().unwrap_or_default()))
}

/// Waits until it has ended, or for `limit`.
fn until(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let ended = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let deadline = Instant::now() + limit;
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now()));
        match poll(&mut [PollFd::new(&ended, PollFlags::IN)], left.ok().as_ref()) {
            Ok(_) => return child.try_wait(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
