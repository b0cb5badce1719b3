//! A running charon and its control.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::load::{LoadError, Loaded};
use super::settings::Section;
use super::vici::{Client, Message, ViciError};
use super::{STRONGSWAN_CONF, SWANCTL_CONF, Strongswan, config, load, log, sas};
use crate::implementations::{
    BoxFuture, CellContext, ConfigFiles, DataPath, Failure, Implementation, Phase, Running, SaState, Unsupported,
};
use crate::lab::process::{Line, Lines, Process, Program};
use crate::scenario::tunnel::Tunnel;

/// The program's name in failures.
const CHARON: &str = "charon";

/// Where charon finds its configuration: a name that the AppArmor profile of Debian and Ubuntu lets it read.
const CONFIG_INSIDE: &str = "/run/charon.conf";

/// How long charon may take to start. It takes 15 ms on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a command that sends nothing may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);

/// How long charon may take to say goodbye and end.
const STOP_LIMIT: Duration = Duration::from_secs(3);

/// The last thing charon does before it works: its VICI socket listens then.
const READY_MARK: &str = "spawning ";

/// What charon says at its start when it goes on without something it needs: a port that is taken, a plugin or the TUN
/// device that is missing.
const UNFIT_MARKS: &[&str] = &["could not open IPv4 socket", "': failed to load", "failed to create TUN device"];

/// In lines about the driver's own questions, which are not part of what happened.
const OWN_MARK: &str = "[CFG] vici client ";

/// How many lines of its log a failure quotes.
const LINES_QUOTED: usize = 30;

/// A charon that answers over VICI.
pub(super) struct Charon {
    process: Process,
    log: Log,
    connections: Vec<Loaded>,
    patience: Duration,
}

impl Charon {
    /// Starts charon in the cell, waits until it answers and loads the connections.
    pub(super) async fn start(driver: &Strongswan, cell: &CellContext<'_>) -> Result<Self, Failure> {
        let files = match cell.native {
            Some(native) => with_required(native, cell.options.data_path)?,
            None => driver.configure(cell.tunnel, &cell.options),
        };
        let connections = Section::parse(&files, SWANCTL_CONF)?;
        cell.write_files(CHARON, &files)?;
        let program = Program::new(cell.program, [] as [&str; 0])
            .env("STRONGSWAN_CONF", CONFIG_INSIDE)
            .bind(cell.folder.join(STRONGSWAN_CONF), CONFIG_INSIDE);
        let program = driver.prefix.iter().fold(program, |program, prefix| program.keeping(prefix));
        let program = driver.environment.iter().fold(program, |program, (name, value)| program.env(name, value));
        let (process, lines) = Process::spawn(cell.namespace, &program, cell.clock)
            .map_err(|error| Failure::Spawn { program: CHARON.to_owned(), source: std::io::Error::other(error) })?;
        let log = Log::follow(lines, cell.log.clone());
        let mut charon = Self { process, log, connections: Vec::new(), patience: cell.patience };
        match charon.get_ready(driver, cell, &connections).await {
            Ok(()) => Ok(charon),
            Err(failure) => {
                // Its ports and its TUN device are free again when this returns; how it ended is no news.
                let _ = charon.process.terminate(STOP_LIMIT).await;
                Err(failure)
            }
        }
    }

    async fn get_ready(
        &mut self,
        driver: &Strongswan,
        cell: &CellContext<'_>,
        connections: &Section,
    ) -> Result<(), Failure> {
        self.until_ready().await?;
        self.connections = self.load(driver, cell, connections).await?;
        Ok(())
    }

    async fn until_ready(&mut self) -> Result<(), Failure> {
        let start = tokio::select! {
            start = timeout(START_LIMIT, self.log.until_started()) => start.unwrap_or(Start::Awaited),
            _ = self.process.wait() => Start::Awaited,
        };
        match start {
            Start::Ready => return Ok(()),
            Start::Unfit(line) => return Err(Failure::Unfit { program: CHARON.to_owned(), line }),
            Start::Awaited => {}
        }
        if let Some(ended) = self.ended().await {
            return Err(ended);
        }
        Err(Failure::NotReady { program: CHARON.to_owned(), waited: START_LIMIT, last_lines: self.log.last_lines() })
    }

    async fn load(
        &mut self,
        driver: &Strongswan,
        cell: &CellContext<'_>,
        connections: &Section,
    ) -> Result<Vec<Loaded>, Failure> {
        let path = self.process.file(Path::new(config::VICI_SOCKET));
        let loading = async {
            let mut client = Client::connect(&path).await.map_err(ViciError::from)?;
            let algorithms = client.request("get-algorithms", &Message::new()).await?;
            Ok((load::load(&mut client, connections).await?, algorithms))
        };
        let (loaded, algorithms) = match timeout(COMMAND_LIMIT, loading).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(LoadError::Vici(ViciError::Failed { command, reason }))) => {
                let reason = format!("{command}: {reason}");
                return Err(Failure::Configuration { program: CHARON.to_owned(), reason });
            }
            Ok(Err(LoadError::Vici(error))) => return Err(self.control_failure(&error.to_string()).await),
            Ok(Err(error)) => {
                return Err(Failure::Configuration { program: CHARON.to_owned(), reason: error.to_string() });
            }
            Err(_) => return Err(self.control_failure("no answer while loading the configuration").await),
        };
        match cell.native {
            None => check_algorithms(driver, cell.tunnel, &algorithms)?,
            Some(_) if loaded.is_empty() => {
                let reason = format!("{SWANCTL_CONF} has no connection");
                return Err(Failure::Configuration { program: CHARON.to_owned(), reason });
            }
            Some(_) => {}
        }
        Ok(loaded)
    }

    async fn initiate_all(&mut self) -> Result<(), Failure> {
        let mut first_failure = None;
        for Loaded { connection, children } in self.connections.clone() {
            for child in children {
                match self.initiate_child(&connection, &child).await {
                    Ok(()) => {}
                    Err(failure @ Failure::Refused { phase: Phase::Two, .. }) => {
                        first_failure.get_or_insert(failure);
                    }
                    Err(failure) => return Err(first_failure.unwrap_or(failure)),
                }
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn initiate_child(&mut self, connection: &str, child: &str) -> Result<(), Failure> {
        let had_ike_sa = self.list_sas().await?.phase1.iter().any(|sa| sa.name == connection && sa.age.is_some());
        let arguments = Message::new()
            .with("ike", connection)
            .with("child", child)
            .with("timeout", self.patience.as_millis().to_string())
            .with("loglevel", "1");
        let path = self.process.file(Path::new(config::VICI_SOCKET));
        let lines = Mutex::new(Vec::new());
        let initiating = async {
            let mut client = Client::connect(&path).await?;
            let collect = |event: Message| {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.extend(event.text("msg"));
            };
            client.stream("initiate", &arguments, "control-log", collect).await
        };
        let outcome = timeout(self.patience + COMMAND_LIMIT, initiating).await;
        let lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(ViciError::Failed { reason, .. })) if reason.contains("not established after") => {
                Err(Failure::TimedOut { waited: self.patience, lines })
            }
            Ok(Err(ViciError::Failed { .. })) => Err(Failure::Refused {
                phase: log::failed_phase(&lines, had_ike_sa),
                connection: child.to_owned(),
                refusal: log::refusal(&lines),
                lines,
            }),
            Ok(Err(error)) => Err(self.control_failure(&error.to_string()).await),
            Err(_) => Err(self.control_failure("no answer to `initiate`").await),
        }
    }

    async fn list_sas(&mut self) -> Result<SaState, Failure> {
        let path = self.process.file(Path::new(config::VICI_SOCKET));
        let events = Mutex::new(Vec::new());
        let listing = async {
            let mut client = Client::connect(&path).await?;
            let collect = |event| events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            client.stream("list-sas", &Message::new(), "list-sa", collect).await
        };
        let outcome = timeout(COMMAND_LIMIT, listing).await;
        let events = events.into_inner().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(self.control_failure(&error.to_string()).await),
            Err(_) => return Err(self.control_failure("no answer to `list-sas`").await),
        }
        let mut state = SaState::default();
        match events.iter().try_for_each(|event| sas::add(&mut state, event)) {
            Ok(()) => Ok(state),
            Err(reason) => Err(self.control_failure(&format!("list-sas: {reason}")).await),
        }
    }

    async fn terminate_all(&mut self) -> Result<(), Failure> {
        let names: BTreeSet<String> = self.list_sas().await?.phase1.into_iter().map(|sa| sa.name).collect();
        let path = self.process.file(Path::new(config::VICI_SOCKET));
        for name in names {
            let arguments = Message::new().with("ike", name).with("timeout", COMMAND_LIMIT.as_millis().to_string());
            let terminating = async {
                let mut client = Client::connect(&path).await?;
                client.request("terminate", &arguments).await
            };
            match timeout(2 * COMMAND_LIMIT, terminating).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.control_failure(&error.to_string()).await),
                Err(_) => return Err(self.control_failure("no answer to `terminate`").await),
            }
        }
        Ok(())
    }

    async fn end(self) -> Result<(), Failure> {
        let Self { mut process, mut log, .. } = self;
        if let Ok(Some(status)) = process.try_wait() {
            log.until_closed().await;
            return Err(exited(&status.to_string(), &log));
        }
        let stopped = process.terminate(STOP_LIMIT).await;
        log.until_closed().await;
        match stopped {
            Ok(_) => Ok(()),
            Err(error) => Err(control(&error.to_string(), &log)),
        }
    }

    /// What a broken control channel means: charon has ended, or it has not.
    async fn control_failure(&mut self, reason: &str) -> Failure {
        match self.ended().await {
            Some(ended) => ended,
            None => control(reason, &self.log),
        }
    }

    /// The failure that charon has ended, if it has. Its socket is gone a moment before itself, on a busy machine longer.
    async fn ended(&mut self) -> Option<Failure> {
        let status = timeout(STOP_LIMIT, self.process.wait()).await.ok()?;
        self.log.until_closed().await;
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        Some(exited(&status, &self.log))
    }
}

impl Running for Charon {
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

/// The user's files, with what the driver needs put at the end of `strongswan.conf`, where it overrides.
fn with_required(native: &ConfigFiles, data_path: DataPath) -> Result<ConfigFiles, Failure> {
    if !native.contains_key(SWANCTL_CONF) {
        let names = native.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let reason = format!("expected a {SWANCTL_CONF}, found {names}; ipsec.conf is not read");
        return Err(Failure::Configuration { program: CHARON.to_owned(), reason });
    }
    let mut files = native.clone();
    let mut daemon = match native.contains_key(STRONGSWAN_CONF) {
        true => Section::parse(native, STRONGSWAN_CONF)?,
        false => Section::new(),
    };
    daemon.merge(config::required(data_path));
    files.insert(STRONGSWAN_CONF.to_owned(), daemon.to_string());
    Ok(files)
}

/// Whether this charon has loaded every algorithm the tunnel asks for. One it lacks would only show as a failed
/// negotiation, and a proposal it cannot fulfil must not pass for a refusal by the Cisco.
fn check_algorithms(driver: &Strongswan, tunnel: &Tunnel, algorithms: &Message) -> Result<(), Unsupported> {
    let mut needed = BTreeSet::new();
    for proposal in &tunnel.phase1.proposals {
        needed.insert(("encryption", config::cipher_name(proposal.cipher).to_owned()));
        needed.insert(("prf", config::prf_name(proposal.hash).to_owned()));
        needed.insert(("dh", config::group_name(proposal.group)));
    }
    for proposal in &tunnel.phase2.proposals {
        needed.extend(config::needs_of(proposal).into_iter().map(|(list, name)| (list, name.to_owned())));
    }
    needed.extend(tunnel.phase2.pfs.map(|group| ("dh", config::group_name(group))));
    let loaded = |list: &str, name: &str| algorithms.section(list).is_some_and(|list| list.text(name).is_some());
    match needed.into_iter().find(|(list, name)| !loaded(list, name)) {
        Some((_, name)) => Err(Unsupported {
            implementation: driver.name().to_owned(),
            what: name,
            why: "none of charon's plugins brings it; DES needs OpenSSL's legacy provider".to_owned(),
        }),
        None => Ok(()),
    }
}

fn exited(status: &str, log: &Log) -> Failure {
    Failure::DaemonExited { program: CHARON.to_owned(), status: status.to_owned(), last_lines: log.last_lines() }
}

fn control(reason: &str, log: &Log) -> Failure {
    Failure::Control { program: CHARON.to_owned(), reason: reason.to_owned(), last_lines: log.last_lines() }
}

/// How charon's start went, as its log tells.
#[derive(Clone, Debug)]
enum Start {
    /// It says nothing yet.
    Awaited,
    /// It works.
    Ready,
    /// It works without something it needs. The line says what.
    Unfit(String),
}

/// charon's log on its way to the cell's: the last lines are kept, and the line that says it is ready is waited for.
struct Log {
    tail: Arc<Mutex<VecDeque<String>>>,
    start: watch::Receiver<Start>,
    forwarder: JoinHandle<()>,
}

impl Log {
    fn follow(lines: Lines, sink: mpsc::UnboundedSender<Line>) -> Self {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let (started, start) = watch::channel(Start::Awaited);
        let forwarder = tokio::spawn(forward(lines, sink, Arc::clone(&tail), started));
        Self { tail, start, forwarder }
    }

    /// How the start went; still awaited when the log ended before it was told.
    async fn until_started(&mut self) -> Start {
        let told = self.start.wait_for(|start| !matches!(start, Start::Awaited)).await;
        told.map_or(Start::Awaited, |start| start.clone())
    }

    /// Waits until all lines are delivered, but not for a child of charon that keeps the pipe open.
    async fn until_closed(&mut self) {
        if !self.forwarder.is_finished() {
            let _ = timeout(Duration::from_millis(200), &mut self.forwarder).await;
        }
    }

    fn last_lines(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

async fn forward(
    mut lines: Lines,
    sink: mpsc::UnboundedSender<Line>,
    tail: Arc<Mutex<VecDeque<String>>>,
    started: watch::Sender<Start>,
) {
    while let Some(line) = lines.recv().await {
        if line.text.contains(OWN_MARK) {
            continue;
        }
        if matches!(*started.borrow(), Start::Awaited) {
            if UNFIT_MARKS.iter().any(|mark| line.text.contains(mark)) {
                started.send_replace(Start::Unfit(line.text.clone()));
            } else if line.text.contains(READY_MARK) {
                started.send_replace(Start::Ready);
            }
        }
        {
            let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
            if tail.len() == LINES_QUOTED {
                tail.pop_front();
            }
            tail.push_back(line.text.clone());
        }
        // A cell that no longer listens has its verdict already.
        let _ = sink.send(line);
    }
}
