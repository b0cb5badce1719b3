//! Programs inside a namespace: started with folders of their own, read line by line, ended with everything they started.

use std::ffi::{CString, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Child;
use tokio::sync::mpsc;

use crate::lab::LabError;
use crate::lab::clock::Clock;
use crate::lab::namespace::Namespace;
use crate::lab::process::entry::Entry;
use crate::time::Instant;

mod entry;

/// A longer line is delivered in pieces of this many octets.
const LONGEST_LINE: usize = 16 << 10;

/// Lines that wait to be taken; a program that writes more waits, as it would on a full pipe.
const LINES_WAITING: usize = 4096;

/// A program to run, and what it finds when it starts.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The executable, by path or by name in PATH.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables set on top of the environment of the harness.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it starts; the harness' own folder when `None`.
    pub working_folder: Option<PathBuf>,
    /// Folders it finds empty, each a tmpfs only it and its children see. `/run` and `/tmp` always are.
    pub private_folders: Vec<PathBuf>,
    /// What it finds elsewhere than it is; laid over the private folders.
    pub binds: Vec<Bind>,
    /// Uses the terminal, and the process group, of the harness; no lines are delivered.
    pub interactive: bool,
}

/// A host's folder or file that a program finds at `target`.
///
/// `target` must exist, unless it lies in a private folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Where it is.
    pub source: PathBuf,
    /// Where the program finds it.
    pub target: PathBuf,
}

impl Program {
    /// `executable` with `arguments`.
    pub fn new<A: Into<OsString>>(executable: impl Into<PathBuf>, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { executable: executable.into(), arguments, ..Self::default() }
    }

    /// With the variable `name` set.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// With `source` laid over `target`.
    pub fn bind(mut self, source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.binds.push(Bind { source: source.into(), target: target.into() });
        self
    }

    /// With `folder` where it is, should a private folder hide it.
    pub fn keeping(self, folder: &Path) -> Self {
        let hides = |private: &Path| folder.starts_with(private);
        let hidden = ["/run", "/tmp"].map(Path::new).into_iter().any(hides)
            || self.private_folders.iter().any(|private| hides(private));
        if hidden && self.binds.iter().all(|bind| bind.target != folder) { self.bind(folder, folder) } else { self }
    }

    /// With `folder` empty and private.
    pub fn private(mut self, folder: impl Into<PathBuf>) -> Self {
        self.private_folders.push(folder.into());
        self
    }
}

/// Which of a program's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line a program wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When it was read.
    pub at: Instant,
    /// Where it was written.
    pub stream: Stream,
    /// Its text without the line end; octets that are no UTF-8 are replaced.
    pub text: String,
}

/// The lines of both outputs, in the order they were read. It ends when the program and all it started closed them.
pub type Lines = mpsc::Receiver<Line>;

/// A program that ran to its end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// All it wrote.
    pub lines: Vec<Line>,
}

impl Finished {
    /// All it wrote to `stream`, a line end after each line.
    pub fn text(&self, stream: Stream) -> String {
        self.lines.iter().filter(|line| line.stream == stream).map(|line| format!("{}\n", line.text)).collect()
    }
}

/// A running program. Dropped, it is killed with its whole process group.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
    grouped: bool,
}

impl Process {
    /// Starts `program` in `namespace`, in a mount namespace of its own.
    ///
    /// To be called on a thread that outlives the program: it is killed when the thread that started it ends.
    ///
    /// # Errors
    /// When the program or one of its folders is not there; the step that failed is named.
    pub fn spawn(namespace: &Namespace, program: &Program, clock: Clock) -> Result<(Self, Lines), LabError> {
        Self::start(program, Entry::own_mounts(namespace, program)?, clock)
    }

    /// Starts `program` where this one runs: in its network namespace, with the files it sees.
    ///
    /// The program's private folders and binds are not used.
    ///
    /// # Errors
    /// As [`Self::spawn`], or when this program has ended.
    pub fn spawn_beside(&self, program: &Program, clock: Clock) -> Result<(Self, Lines), LabError> {
        Self::start(program, Entry::beside(program, self.pid)?, clock)
    }

    fn start(program: &Program, mut entry: Entry, clock: Clock) -> Result<(Self, Lines), LabError> {
        let doing = || format!("starting {}", program.executable.display());
        let mut command = std::process::Command::new(&program.executable);
        command.args(&program.arguments).envs(program.environment.iter().map(|(name, value)| (name, value)));
        if !program.interactive {
            use std::os::unix::process::CommandExt;
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        }
        let mut failure = entry.failure_report().map_err(|source| LabError::new(doing(), source))?;
        entry.install(&mut command);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let spawned = command.spawn();
        drop(command);
        let mut child = spawned.map_err(|source| match failure.step() {
            Some(step) => LabError::new(format!("{}: {step}", doing()), source),
            None => LabError::new(doing(), source),
        })?;
        let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let pid = pid.ok_or_else(|| LabError::new(doing(), io::Error::other("it has no process id")))?;
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(read_lines(stdout, Stream::Stdout, sender.clone(), clock));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(read_lines(stderr, Stream::Stderr, sender, clock));
        }
        Ok((Self { child, pid, grouped: !program.interactive }, lines))
    }

    /// Its process id inside the sandbox.
    pub fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Where the harness finds a file that the program sees at the absolute `path`.
    ///
    /// A socket's path of more than 107 octets cannot be connected to: bind a host folder there instead.
    pub fn file(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.id());
        Path::new(&root).join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// When the kernel does not say how it ended.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the kernel does not say how it ended.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal to it alone.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match self.child.id() {
            Some(_) => Ok(rustix::process::kill_process(self.pid, signal)?),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Ends it: SIGTERM to its group, and SIGKILL to whatever of the group is left when it has ended or `grace` is over.
    ///
    /// # Errors
    /// When the kernel does not say how it ended.
    pub async fn terminate(mut self, grace: Duration) -> io::Result<ExitStatus> {
        if self.child.id().is_some() {
            self.signal_all(Signal::TERM);
            if let Ok(status) = tokio::time::timeout(grace, self.child.wait()).await {
                self.signal_all(Signal::KILL);
                return status;
            }
        }
        self.signal_all(Signal::KILL);
        self.child.wait().await
    }

    fn signal_all(&self, signal: Signal) {
        // Nobody left is what was wanted.
        let _ = if self.grouped {
            rustix::process::kill_process_group(self.pid, signal)
        } else {
            rustix::process::kill_process(self.pid, signal)
        };
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            self.signal_all(Signal::KILL);
        }
    }
}

/// Runs `program` in `namespace` to its end; kills it when it takes longer than `limit`.
///
/// # Errors
/// As [`Process::spawn`], or [`io::ErrorKind::TimedOut`].
pub async fn run(
    namespace: &Namespace,
    program: &Program,
    limit: Duration,
    clock: Clock,
) -> Result<Finished, LabError> {
    let (process, lines) = Process::spawn(namespace, program, clock)?;
    finish(process, lines, program, limit).await
}

/// Runs `program` beside `process`, as [`Process::spawn_beside`], to its end.
///
/// # Errors
/// As [`run`].
pub async fn run_beside(
    process: &Process,
    program: &Program,
    limit: Duration,
    clock: Clock,
) -> Result<Finished, LabError> {
    let (process, lines) = process.spawn_beside(program, clock)?;
    finish(process, lines, program, limit).await
}

async fn finish(
    mut process: Process,
    mut lines: Lines,
    program: &Program,
    limit: Duration,
) -> Result<Finished, LabError> {
    let all = async {
        let mut all = Vec::new();
        while let Some(line) = lines.recv().await {
            all.push(line);
        }
        Ok(Finished { status: process.wait().await?, lines: all })
    };
    let finished: io::Result<_> =
        tokio::time::timeout(limit, all).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    finished.map_err(|source| LabError::new(format!("running {}", program.executable.display()), source))
}

async fn read_lines(output: impl AsyncRead + Unpin, stream: Stream, sender: mpsc::Sender<Line>, clock: Clock) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        let available = match output.fill_buf().await {
            Ok(available) if !available.is_empty() => available,
            _ => break,
        };
        let room = LONGEST_LINE - line.len();
        let (taken, complete) = match available.iter().take(room).position(|octet| *octet == b'\n') {
            Some(end) => (end + 1, true),
            None => (available.len().min(room), available.len() >= room),
        };
        line.extend_from_slice(&available[..taken]);
        output.consume(taken);
        if complete && sender.send(take_line(&mut line, stream, clock)).await.is_err() {
            return;
        }
    }
    if !line.is_empty() {
        // Nobody who listens is as good as a line that was read.
        let _ = sender.send(take_line(&mut line, stream, clock)).await;
    }
}

fn take_line(octets: &mut Vec<u8>, stream: Stream, clock: Clock) -> Line {
    let end = octets.iter().rposition(|octet| !matches!(octet, b'\n' | b'\r')).map_or(0, |last| last + 1);
    let text = String::from_utf8_lossy(&octets[..end]).into_owned();
    octets.clear();
    Line { at: clock.now(), stream, text }
}

fn c_string(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

/// What keeps a namespace of a process open; `kind` is its name in `/proc`.
fn namespace_of(pid: Pid, kind: &str) -> io::Result<OwnedFd> {
    Ok(fs::File::open(format!("/proc/{}/ns/{kind}", pid.as_raw_nonzero()))?.into())
}
