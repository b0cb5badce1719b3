//! A running pluto and its control.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{CONFIG_INSIDE, FOLDER, IPSEC_CONF, IPSEC_SECRETS, Libreswan, log, prefix_of, status};
use crate::implementations::{BoxFuture, CellContext, Failure, Implementation, Phase, Running, SaState};
use crate::lab::process::{Line, Lines, Process, Program};

/// The program's name in failures.
const PLUTO: &str = "pluto";

/// Where pluto puts its control socket.
const CONTROL: &str = "/run/pluto";

/// pluto's key database, in the cell's folder. It holds nothing, but pluto does not start without.
const KEY_DATABASE: &str = "nss";

/// How long pluto may take to start. It takes half a second on an idle machine, and seconds on an emulated one.
const START_LIMIT: Duration = Duration::from_secs(40);

/// How long a command that sends nothing may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// How long pluto may take to say goodbye and end.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// The last thing pluto does before it works: it has loaded the connections and listens.
const READY_MARK: &str = "loading secrets from ";

/// What pluto says of a connection that it takes; its name stands before it.
const LOADED_MARK: &str = ": added IKEv1 connection";

/// What pluto says of a connection that it does not take.
const UNFIT_MARKS: &[&str] = &[": failed to add ", "FATAL ERROR"];

/// How many lines of its log a failure quotes.
const LINES_QUOTED: usize = 30;

/// How many lines of its log are kept, more than an attempt writes.
const LINES_KEPT: usize = 1000;

/// A pluto that answers whack.
pub(super) struct Pluto {
    process: Process,
    log: Log,
    whack: PathBuf,
    connections: Vec<String>,
    patience: Duration,
}

impl Pluto {
    /// Starts pluto in the cell and waits until it has loaded the connections and listens.
    pub(super) async fn start(driver: &Libreswan, cell: &CellContext<'_>) -> Result<Self, Failure> {
        let files = match cell.native {
            Some(native) => {
                if let Some(missing) = [IPSEC_CONF, IPSEC_SECRETS].iter().find(|name| !native.contains_key(**name)) {
                    return Err(configuration(format!("expected a file {missing}")));
                }
                native.clone()
            }
            None => driver.configure(cell.tunnel, &cell.options),
        };
        cell.write_files(PLUTO, &files)?;
        make_key_database(&cell.folder.join(KEY_DATABASE)).await?;
        let (process, lines) = Process::spawn(cell.namespace, &program(cell), cell.clock).map_err(spawn)?;
        let log = Log::follow(lines, cell.log.clone());
        let whack = cell.program.with_file_name("whack");
        let mut pluto = Self { process, log, whack, connections: Vec::new(), patience: cell.patience };
        match pluto.until_ready().await {
            Ok(connections) => {
                pluto.connections = connections;
                Ok(pluto)
            }
            Err(failure) => {
                // Its ports are free again when this returns; how it ended is no news.
                let _ = pluto.process.terminate(STOP_LIMIT).await;
                Err(failure)
            }
        }
    }

    /// Waits until pluto works, and gives the connections it has loaded.
    async fn until_ready(&mut self) -> Result<Vec<String>, Failure> {
        let start = tokio::select! {
            start = timeout(START_LIMIT, self.log.until_started()) => start.unwrap_or_default(),
            _ = self.process.wait() => Start::default(),
        };
        if let Some(line) = start.refused {
            return Err(configuration(line));
        }
        if start.ready && start.loaded.is_empty() {
            return Err(configuration(format!("{IPSEC_CONF} has no IKEv1 connection with auto=add or the like")));
        }
        if start.ready {
            return Ok(start.loaded);
        }
        if let Some(ended) = self.ended().await {
            return Err(ended);
        }
        Err(Failure::NotReady { program: PLUTO.to_owned(), waited: START_LIMIT, last_lines: self.log.last_lines() })
    }

    async fn initiate_all(&mut self) -> Result<(), Failure> {
        let mut first_failure = None;
        for connection in self.connections.clone() {
            match self.initiate_one(&connection).await {
                Ok(()) => {}
                Err(failure @ Failure::Refused { phase: Phase::Two, .. }) => {
                    first_failure.get_or_insert(failure);
                }
                Err(failure) => return Err(first_failure.unwrap_or(failure)),
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn initiate_one(&mut self, connection: &str) -> Result<(), Failure> {
        // whack is told of the quick mode alone, and not of notifies about it, which are the ISAKMP SA's.
        self.log.begin_attempt();
        let said = Mutex::new(Vec::new());
        let outcome = timeout(self.patience, self.run(&["--name", connection, "--initiate"], &said)).await;
        let mut lines = self.log.attempt();
        // What whack heard just now may still be on its way here. It puts a number before each line.
        let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
        let said = said.iter().map(|line| line.split_once(' ').map_or(line.as_str(), |(_, text)| text));
        for line in said.map(str::to_owned).collect::<Vec<_>>() {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        match outcome {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => match self.ended_already().await {
                Some(ended) => Err(ended),
                None => Err(Failure::Refused {
                    phase: log::failed_phase(&lines),
                    connection: connection.to_owned(),
                    refusal: log::refusal(&lines),
                    lines,
                }),
            },
            Ok(Err(error)) => Err(self.control_failure(&error.to_string()).await),
            Err(_) => Err(Failure::TimedOut { waited: self.patience, lines }),
        }
    }

    async fn list_sas(&mut self) -> Result<SaState, Failure> {
        let status = self.ask(&["--status"]).await?;
        let traffic = self.ask(&["--trafficstatus"]).await?;
        Ok(status::read(&status.join("\n"), &traffic.join("\n")))
    }

    async fn terminate_all(&mut self) -> Result<(), Failure> {
        for connection in self.connections.clone() {
            self.ask(&["--name", &connection, "--terminate"]).await?;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<(), Failure> {
        if let Ok(Some(status)) = self.process.try_wait() {
            self.log.until_closed().await;
            return Err(exited(&status.to_string(), &self.log));
        }
        // It tells the Cisco that it goes, and then closes the connection to whack.
        let told = self.ask(&["--shutdown"]).await;
        let left = timeout(STOP_LIMIT, self.process.wait()).await;
        let Self { process, mut log, .. } = self;
        let stopped = process.terminate(STOP_LIMIT).await;
        log.until_closed().await;
        match (told, left, stopped) {
            (_, Ok(Ok(_)), _) => Ok(()),
            (Err(failure), _, _) => Err(failure),
            (_, Ok(Err(error)), _) | (_, _, Err(error)) => Err(control(&error.to_string(), &log)),
            (Ok(_), Err(_), Ok(_)) => Err(control(&format!("it did not end in {STOP_LIMIT:?}"), &log)),
        }
    }

    /// Has whack ask pluto something that it answers at once.
    async fn ask(&mut self, arguments: &[&str]) -> Result<Vec<String>, Failure> {
        let lines = Mutex::new(Vec::new());
        match timeout(COMMAND_LIMIT, self.run(arguments, &lines)).await {
            Ok(Ok(_)) => Ok(lines.into_inner().unwrap_or_else(PoisonError::into_inner)),
            Ok(Err(error)) => Err(self.control_failure(&error.to_string()).await),
            Err(_) => Err(self.control_failure(&format!("no answer to `whack {}`", arguments.join(" "))).await),
        }
    }

    /// Runs whack to its end, collecting what it says; whether it succeeded. It needs none of pluto's namespaces: the
    /// control socket has a path from here.
    async fn run(&self, arguments: &[&str], lines: &Mutex<Vec<String>>) -> io::Result<bool> {
        use tokio::io::{AsyncBufReadExt, BufReader};
        let mut child = tokio::process::Command::new(&self.whack)
            .arg("--rundir")
            .arg(self.process.file(Path::new(CONTROL)))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(output) = child.stdout.take() {
            let mut output = BufReader::new(output).lines();
            while let Some(line) = output.next_line().await? {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        }
        Ok(child.wait().await?.success())
    }

    /// What a broken control channel means: pluto has ended, or it has not.
    async fn control_failure(&mut self, reason: &str) -> Failure {
        match self.ended().await {
            Some(ended) => ended,
            None => control(reason, &self.log),
        }
    }

    /// The failure that pluto has ended, if it does so now.
    async fn ended(&mut self) -> Option<Failure> {
        let status = timeout(Duration::from_secs(1), self.process.wait()).await.ok()?;
        self.log.until_closed().await;
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        Some(exited(&status, &self.log))
    }

    /// The failure that pluto has ended, if it has.
    async fn ended_already(&mut self) -> Option<Failure> {
        let status = self.process.try_wait().ok()??;
        self.log.until_closed().await;
        Some(exited(&status.to_string(), &self.log))
    }
}

impl Running for Pluto {
    fn initiate(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.initiate_all())
    }

    fn sas(&mut self) -> BoxFuture<'_, Result<SaState, Failure>> {
        Box::pin(self.list_sas())
    }

    fn terminate(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.terminate_all())
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(self.end())
    }
}

/// pluto as it is run in the cell.
fn program(cell: &CellContext<'_>) -> Program {
    let inside = |name: &str| format!("{CONFIG_INSIDE}/{name}");
    // The options that follow the configuration file override it.
    let arguments = [
        "--config".to_owned(),
        inside(IPSEC_CONF),
        "--nofork".to_owned(),
        "--stderrlog".to_owned(),
        "--log-no-time".to_owned(),
        "--log-no-audit".to_owned(),
        // An attempt that failed is over. pluto would begin another by itself, at a moment of its own.
        "--impair".to_owned(),
        "revival".to_owned(),
        "--rundir".to_owned(),
        CONTROL.to_owned(),
        "--secretsfile".to_owned(),
        inside(IPSEC_SECRETS),
        "--ipsecdir".to_owned(),
        CONFIG_INSIDE.to_owned(),
        "--nssdir".to_owned(),
        inside(KEY_DATABASE),
    ];
    let mut path = std::ffi::OsString::new();
    let mut program = Program::new(cell.program, arguments).bind(cell.folder, CONFIG_INSIDE);
    if let Some(prefix) = prefix_of(cell.program) {
        let helpers = Path::new(FOLDER);
        if let Some(above) = helpers.parent().filter(|_| !helpers.is_dir()) {
            program = program.private(above);
        }
        program = program.bind(prefix.join(FOLDER.trim_start_matches('/')), FOLDER).keeping(prefix);
        path.push(prefix.join("usr/sbin"));
        path.push(":");
    }
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path.push(":/usr/sbin:/sbin");
    program.env("PATH", path).env("ROUTE", "yes")
}

/// Makes an empty key database. `folder` is new with every run.
async fn make_key_database(folder: &Path) -> Result<(), Failure> {
    let make = async {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        let database = format!("sql:{}", folder.display());
        tokio::process::Command::new("certutil")
            .args(["-N", "--empty-password", "-d", &database])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
    };
    match timeout(START_LIMIT, make).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            Err(configuration(format!("certutil -N: {}", String::from_utf8_lossy(&output.stderr).trim())))
        }
        Ok(Err(error)) => Err(configuration(format!("certutil -N: {error}"))),
        Err(_) => Err(configuration(format!("certutil -N: no end after {START_LIMIT:?}"))),
    }
}

fn configuration(reason: String) -> Failure {
    Failure::Configuration { program: PLUTO.to_owned(), reason }
}

fn spawn(error: crate::lab::LabError) -> Failure {
    Failure::Spawn { program: PLUTO.to_owned(), source: io::Error::other(error) }
}

fn exited(status: &str, log: &Log) -> Failure {
    Failure::DaemonExited { program: PLUTO.to_owned(), status: status.to_owned(), last_lines: log.last_lines() }
}

fn control(reason: &str, log: &Log) -> Failure {
    Failure::Control { program: PLUTO.to_owned(), reason: reason.to_owned(), last_lines: log.last_lines() }
}

/// How pluto's start goes, as its log tells.
#[derive(Clone, Debug, Default)]
struct Start {
    /// The connections it has taken so far.
    loaded: Vec<String>,
    /// It works.
    ready: bool,
    /// It does not take a connection, or does not start. The line says why.
    refused: Option<String>,
}

/// The last lines of the log.
#[derive(Debug, Default)]
struct Heard {
    lines: VecDeque<String>,
    /// How many of them are older than the attempt under way.
    before: usize,
}

impl Heard {
    fn push(&mut self, line: String) {
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
            self.before = self.before.saturating_sub(1);
        }
        self.lines.push_back(line);
    }
}

/// pluto's log on its way to the cell's: the last lines are kept, and the line that says it is ready is waited for.
struct Log {
    heard: Arc<Mutex<Heard>>,
    start: watch::Receiver<Start>,
    forwarder: JoinHandle<()>,
}

impl Log {
    fn follow(lines: Lines, sink: mpsc::UnboundedSender<Line>) -> Self {
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (started, start) = watch::channel(Start::default());
        let forwarder = tokio::spawn(forward(lines, sink, Arc::clone(&heard), started));
        Self { heard, start, forwarder }
    }

    /// How the start went; as far as it came when the log ended before.
    async fn until_started(&mut self) -> Start {
        let told = self.start.wait_for(|start| start.ready || start.refused.is_some()).await;
        told.map_or_else(|_| Start::default(), |start| start.clone())
    }

    /// Waits until all lines are delivered, but not for a child of pluto that keeps the pipe open.
    async fn until_closed(&mut self) {
        if !self.forwarder.is_finished() {
            let _ = timeout(Duration::from_millis(200), &mut self.forwarder).await;
        }
    }

    fn begin_attempt(&self) {
        let mut heard = self.heard();
        heard.before = heard.lines.len();
    }

    /// What was said in the attempt.
    fn attempt(&self) -> Vec<String> {
        let heard = self.heard();
        heard.lines.range(heard.before..).cloned().collect()
    }

    fn last_lines(&self) -> Vec<String> {
        let heard = self.heard();
        heard.lines.range(heard.lines.len().saturating_sub(LINES_QUOTED)..).cloned().collect()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn forward(
    mut lines: Lines,
    sink: mpsc::UnboundedSender<Line>,
    heard: Arc<Mutex<Heard>>,
    started: watch::Sender<Start>,
) {
    while let Some(line) = lines.recv().await {
        let text = &line.text;
        if !started.borrow().ready {
            if let Some((name, _)) = text.split_once(LOADED_MARK) {
                started.send_modify(|start| start.loaded.push(name.trim_matches('"').to_owned()));
            } else if UNFIT_MARKS.iter().any(|mark| text.contains(mark)) {
                started.send_modify(|start| start.refused = Some(text.clone()));
            } else if text.contains(READY_MARK) {
                started.send_modify(|start| start.ready = true);
            }
        }
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
        // A cell that no longer listens has its verdict already.
        let _ = sink.send(line);
    }
}
