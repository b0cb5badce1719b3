//! A running racoon and its control.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Type};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::log::{Established, Told};
use super::{CONNECTION, IPSEC_TOOLS_CONF, PSK_TXT, RACOON_CONF, Racoon, beside, config, sas};
use crate::implementations::sa::{Endpoint, IsakmpSa, IsakmpState, IsakmpTransform, NatFindings};
use crate::implementations::{
    BoxFuture, CellContext, ConfigFiles, DataPath, Failure, Implementation, Phase, Refusal, Running, SaState,
    key_engine,
};
use crate::lab::process::{self, Finished, Line, Lines, Process, Program, Stream};
use crate::lab::{Clock, LabError, Namespace};
use crate::scenario::tunnel::{TrafficPair, Tunnel};
use crate::wire::ipv4::{Ipv4Packet, Ipv4Prefix, protocol};

/// The program's names in failures.
const RACOON: &str = "racoon";
const SETKEY: &str = "setkey";

/// How long racoon may take to start. It takes some 20 ms on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a command that negotiates nothing may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);

/// How long racoon may take to say goodbye and end: it looks once a second whether its SAs are gone.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// The folder that native files name; the driver lays them elsewhere, because a host without racoon has no such folder.
const USUAL_FOLDER: &str = "/etc/racoon";

/// A racoon that listens for IKE, and the key engine it may run under.
pub(super) struct Daemon {
    racoon: Process,
    engine: Option<Process>,
    tools: Tools,
    told: watch::Receiver<Told>,
    forwarding: Vec<JoinHandle<()>>,
    tunnel: Tunnel,
    trigger: Option<Trigger>,
    patience: Duration,
    clock: Clock,
}

/// The programs beside racoon.
struct Tools {
    setkey: PathBuf,
    racoonctl: Option<PathBuf>,
}

impl Daemon {
    /// Starts the key engine if there is to be one, sets the policies, starts racoon and waits until it listens.
    pub(super) async fn start(driver: &Racoon, cell: &CellContext<'_>) -> Result<Self, Failure> {
        let files = match cell.native {
            Some(native) => with_required(native, cell.tunnel)?,
            None => driver.configure(cell.tunnel, &cell.options),
        };
        cell.write_files(RACOON, &files)?;
        let beside = |name| beside(cell.program, name, cell.programs);
        let setkey = beside(SETKEY).ok_or_else(|| Failure::Spawn {
            program: SETKEY.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        let tools = Tools { setkey, racoonctl: beside("racoonctl") };
        let mut forwarding = Vec::new();
        let engine = match cell.options.data_path {
            DataPath::KeyEngine => {
                let surroundings = with_files(cell, &tools, Program::default());
                let (engine, lines) = key_engine::start(cell, config::FOLDER_INSIDE, surroundings).await?;
                forwarding.push(tokio::spawn(forward(lines, cell.log.clone())));
                Some(engine)
            }
            DataPath::Kernel | DataPath::Tun | DataPath::None => None,
        };
        if let Err(failure) = set_policies(cell, engine.as_ref(), &tools).await {
            if let Some(engine) = engine {
                // Its ports are free again when this returns; how it ended is no news.
                let _ = engine.terminate(STOP_LIMIT).await;
            }
            return Err(failure);
        }
        if engine.is_none() {
            key_engine::lead_to_policies(cell).await?;
        }
        let configuration = format!("{}/{RACOON_CONF}", config::FOLDER_INSIDE);
        let program = at(engine.is_some(), cell.program, ["-F", "-f", &configuration]);
        let started = start_here(cell, engine.as_ref(), &tools, program);
        let (racoon, lines) = started.map_err(|error| spawn(RACOON, error))?;
        let (telling, told) = watch::channel(Told::default());
        forwarding.push(tokio::spawn(follow(lines, cell.log.clone(), telling)));
        let trigger = match tools.racoonctl {
            None => Some(Trigger::open(cell.namespace).map_err(|error| spawn("a raw socket", error))?),
            Some(_) => None,
        };
        let (tunnel, patience, clock) = (cell.tunnel.clone(), cell.patience, cell.clock);
        let mut daemon = Self { racoon, engine, tools, told, forwarding, tunnel, trigger, patience, clock };
        match daemon.until_ready().await {
            Ok(()) => Ok(daemon),
            Err(failure) => {
                let _ = daemon.end().await;
                Err(failure)
            }
        }
    }

    async fn until_ready(&mut self) -> Result<(), Failure> {
        // Each policy of the dump ends with a line that has its id.
        let policies = self.setkey(&["-DP"]).await?.matches("spid=").count();
        let ready = tokio::select! {
            heard = timeout(START_LIMIT, self.told.wait_for(|told| told.listens && told.policies >= policies)) => matches!(heard, Ok(Ok(_))),
            _ = self.racoon.wait() => false,
        };
        if ready {
            return Ok(());
        }
        match self.ended().await {
            Some(ended) => Err(ended),
            None => Err(Failure::NotReady {
                program: RACOON.to_owned(),
                waited: START_LIMIT,
                last_lines: self.told.borrow().last_lines(),
            }),
        }
    }

    async fn initiate_all(&mut self) -> Result<(), Failure> {
        let mut first_failure = None;
        for pair in self.tunnel.traffic.clone() {
            match self.initiate_pair(&pair).await {
                Ok(()) => {}
                Err(failure @ Failure::Refused { phase: Phase::Two, .. }) => {
                    first_failure.get_or_insert(failure);
                }
                Err(failure) => return Err(first_failure.unwrap_or(failure)),
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn initiate_pair(&mut self, pair: &TrafficPair) -> Result<(), Failure> {
        let (pairs, failures) = {
            let told = self.told.borrow();
            (told.pairs.len(), told.failures.len())
        };
        if let Some(trigger) = &self.trigger {
            trigger.fire(pair).map_err(|error| self.control(&error))?;
        } else {
            let [local, remote, protocol] = config::ends(pair);
            let asked = self.racoonctl(["establish-sa", "esp", "inet", &local, &remote, &protocol]).await?;
            if !asked.status.success() {
                let refusal =
                    Refusal::Local(format!("racoonctl establish-sa {local} {remote} {protocol}: {}", said(&asked)));
                return Err(self.refused(Phase::Two, pair, refusal));
            }
        }
        let mut hearing = self.told.clone();
        let settled = async {
            let told = hearing.wait_for(|told| told.pairs.len() > pairs || told.failures.len() > failures).await;
            told.map(|told| told.failures.get(failures).cloned())
        };
        let outcome = match timeout(self.patience, settled).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => return Err(self.control_failure("its log ended").await),
            Err(_) => {
                let lines = self.told.borrow().last_lines();
                return Err(Failure::TimedOut { waited: self.patience, lines });
            }
        };
        outcome.map_or(Ok(()), |(phase, refusal)| Err(self.refused(phase, pair, refusal)))
    }

    async fn state(&mut self) -> Result<SaState, Failure> {
        let dumped = sas::dumped(&self.setkey(&["-D"]).await?);
        let (local, remote) = (self.tunnel.local, self.tunnel.remote);
        let told = self.told.borrow();
        Ok(SaState {
            phase1: told.isakmp.iter().map(|sa| isakmp(&self.tunnel, sa)).collect(),
            phase2: told.pairs.iter().filter_map(|pair| sas::pair(pair, &dumped, local, remote)).collect(),
        })
    }

    /// racoon tells the peer of an SA that somebody else deletes, and of its ISAKMP SA when racoonctl deletes that.
    async fn terminate_all(&mut self) -> Result<(), Failure> {
        let (local, remote) = (self.tunnel.local, self.tunnel.remote);
        let dumped = sas::dumped(&self.setkey(&["-D"]).await?);
        let deletions = sas::deletions(&dumped, local, remote);
        if !deletions.is_empty() {
            let shell = format!("printf '{deletions}' | '{}' -c", self.tools.setkey.display());
            self.finish("/bin/sh".as_ref(), &["-c", &shell]).await?;
        }
        if self.tools.racoonctl.is_some() && !self.told.borrow().isakmp.is_empty() {
            let (local, remote) = (local.to_string(), remote.to_string());
            self.racoonctl(["delete-sa", "isakmp", "inet", &local, &remote]).await?;
            let gone = self.told.wait_for(|told| told.isakmp.is_empty());
            if timeout(COMMAND_LIMIT, gone).await.is_err() {
                return Err(self.control(&"its ISAKMP SA is still there"));
            }
        }
        Ok(())
    }

    async fn end(mut self) -> Result<(), Failure> {
        let exited = self.racoon.try_wait().ok().flatten().map(|status| self.exited(&status.to_string()));
        let Self { racoon, engine, forwarding, .. } = self;
        let control = |error: std::io::Error| Failure::Control {
            program: RACOON.to_owned(),
            reason: error.to_string(),
            last_lines: Vec::new(),
        };
        racoon.terminate(STOP_LIMIT).await.map_err(control)?;
        if let Some(engine) = engine {
            engine.terminate(STOP_LIMIT).await.map_err(control)?;
        }
        for log in forwarding {
            // A child of racoon's that keeps the pipe open is not waited for.
            let _ = timeout(COMMAND_LIMIT, log).await;
        }
        exited.map_or(Ok(()), Err)
    }

    async fn racoonctl<const N: usize>(&mut self, arguments: [&str; N]) -> Result<Finished, Failure> {
        let Some(racoonctl) = self.tools.racoonctl.clone() else { return Err(self.control(&"there is no racoonctl")) };
        let all: Vec<&str> = ["-s", config::SOCKET_INSIDE].into_iter().chain(arguments).collect();
        self.finish(&racoonctl, &all).await
    }

    /// What setkey prints.
    async fn setkey(&mut self, arguments: &[&str]) -> Result<String, Failure> {
        let setkey = self.tools.setkey.clone();
        let finished = self.finish(&setkey, arguments).await?;
        Ok(finished.text(Stream::Stdout))
    }

    /// Runs a tool where racoon runs.
    async fn finish(&mut self, program: &Path, arguments: &[&str]) -> Result<Finished, Failure> {
        let program = at(self.engine.is_some(), program, arguments.iter().copied());
        let where_racoon_is = self.engine.as_ref().unwrap_or(&self.racoon);
        match process::run_beside(where_racoon_is, &program, COMMAND_LIMIT, self.clock).await {
            Ok(finished) => Ok(finished),
            Err(error) => Err(self.control_failure(&error.to_string()).await),
        }
    }

    fn refused(&self, phase: Phase, pair: &TrafficPair, refusal: Refusal) -> Failure {
        Failure::Refused { phase, connection: pair.to_string(), refusal, lines: self.told.borrow().last_lines() }
    }

    fn control(&self, reason: &dyn std::fmt::Display) -> Failure {
        let last_lines = self.told.borrow().last_lines();
        Failure::Control { program: RACOON.to_owned(), reason: reason.to_string(), last_lines }
    }

    fn exited(&self, status: &str) -> Failure {
        let last_lines = self.told.borrow().last_lines();
        Failure::DaemonExited { program: RACOON.to_owned(), status: status.to_owned(), last_lines }
    }

    /// What a broken control means: racoon has ended, or it has not.
    async fn control_failure(&mut self, reason: &str) -> Failure {
        match self.ended().await {
            Some(ended) => ended,
            None => self.control(&reason),
        }
    }

    async fn ended(&mut self) -> Option<Failure> {
        let status = timeout(Duration::from_millis(500), self.racoon.wait()).await.ok()?;
        Some(self.exited(&status.map_or_else(|error| error.to_string(), |status| status.to_string())))
    }
}

impl Running for Daemon {
    fn initiate(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.initiate_all())
    }

    fn sas(&mut self) -> BoxFuture<'_, Result<SaState, Failure>> {
        Box::pin(self.state())
    }

    fn terminate(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.terminate_all())
    }

    fn beside(&self, executable: &Path, arguments: &[String]) -> Option<(&Process, Program)> {
        let program = at(self.engine.is_some(), executable, arguments.iter().map(String::as_str));
        Some((self.engine.as_ref().unwrap_or(&self.racoon), program))
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(self.end())
    }
}

/// A socket whose packets have the kernel, or the key engine, ask racoon for SAs, where no racoonctl can.
struct Trigger(socket2::Socket);

impl Trigger {
    fn open(namespace: &Namespace) -> Result<Self, LabError> {
        namespace.on_thread(|| {
            let socket = socket2::Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
            socket.set_header_included_v4(true)?;
            Ok(Self(socket))
        })
    }

    /// Sends a packet from one network to the other.
    fn fire(&self, pair: &TrafficPair) -> std::io::Result<()> {
        let protocol = pair.protocol.map_or(protocol::UDP, |protocol| protocol.0);
        let port = |port: Option<u16>| port.unwrap_or(DISCARD).to_be_bytes();
        let [source, destination] = [port(pair.local_port), port(pair.remote_port)];
        let payload = [source, destination, 8_u16.to_be_bytes(), [0, 0]].concat();
        let packet = Ipv4Packet::new(protocol, host(pair.local), host(pair.remote), payload);
        let to = SockAddr::from(SocketAddrV4::new(packet.destination, 0));
        self.0.send_to(&packet.to_bytes(), &to).map(drop)
    }
}

/// The port of RFC 863's service, which answers nothing.
const DISCARD: u16 = 9;

/// The last host of a network, which is nobody in most: its router has the first.
fn host(prefix: Ipv4Prefix) -> Ipv4Addr {
    match prefix.length() {
        31.. => prefix.network(),
        _ => Ipv4Addr::from(u32::from(prefix.last()) - 1),
    }
}

/// Has setkey set the policies.
async fn set_policies(cell: &CellContext<'_>, engine: Option<&Process>, tools: &Tools) -> Result<(), Failure> {
    let file = format!("{}/{IPSEC_TOOLS_CONF}", config::FOLDER_INSIDE);
    let program = at(engine.is_some(), &tools.setkey, ["-f", &file]);
    let finished = match engine {
        Some(engine) => process::run_beside(engine, &program, COMMAND_LIMIT, cell.clock).await,
        None => process::run(cell.namespace, &with_files(cell, tools, program), COMMAND_LIMIT, cell.clock).await,
    };
    let finished = finished.map_err(|error| spawn(SETKEY, error))?;
    // setkey goes on after a line that the kernel refuses, and only says so.
    if finished.status.success() && finished.lines.is_empty() {
        return Ok(());
    }
    Err(Failure::Configuration { program: SETKEY.to_owned(), reason: said(&finished) })
}

fn start_here(
    cell: &CellContext<'_>,
    engine: Option<&Process>,
    tools: &Tools,
    program: Program,
) -> Result<(Process, Lines), LabError> {
    match engine {
        Some(engine) => engine.spawn_beside(&program, cell.clock),
        None => Process::spawn(cell.namespace, &with_files(cell, tools, program), cell.clock),
    }
}

/// `executable` with `arguments`, under the key engine if there is one.
fn at<'a>(under_engine: bool, executable: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Program {
    if under_engine { key_engine::under(executable, arguments) } else { Program::new(executable, arguments) }
}

/// `program` with its files where it looks for them, and with the programs themselves, should a private folder hide them.
fn with_files(cell: &CellContext<'_>, tools: &Tools, program: Program) -> Program {
    let programs = [Some(cell.program), Some(&*tools.setkey), tools.racoonctl.as_deref()];
    let folders = programs.into_iter().filter_map(|program| program?.parent());
    folders.fold(program.bind(cell.folder, config::FOLDER_INSIDE), Program::keeping)
}

/// The user's files, which find each other where the driver lays them, with what the driver needs put at the end, where it overrides.
fn with_required(native: &ConfigFiles, tunnel: &Tunnel) -> Result<ConfigFiles, Failure> {
    if let Some(missing) = [RACOON_CONF, PSK_TXT, IPSEC_TOOLS_CONF].into_iter().find(|name| !native.contains_key(*name))
    {
        let names = native.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let reason = format!("expected {missing} among the native files, found {names}");
        return Err(Failure::Configuration { program: RACOON.to_owned(), reason });
    }
    let laid = |text: &String| text.replace(USUAL_FOLDER, config::FOLDER_INSIDE);
    let mut files: ConfigFiles = native.iter().map(|(name, text)| (name.clone(), laid(text))).collect();
    if let Some(text) = files.get_mut(RACOON_CONF) {
        text.push('\n');
        text.push_str(&config::required(tunnel).to_string());
    }
    Ok(files)
}

/// Takes the key engine's lines to the cell's log.
async fn forward(mut lines: Lines, log: mpsc::UnboundedSender<Line>) {
    while let Some(line) = lines.recv().await {
        // A cell that no longer listens has its verdict already.
        let _ = log.send(line);
    }
}

/// Takes racoon's lines to the cell's log, and to what the driver knows.
async fn follow(mut lines: Lines, log: mpsc::UnboundedSender<Line>, telling: watch::Sender<Told>) {
    while let Some(line) = lines.recv().await {
        telling.send_modify(|told| told.hear(&line.text));
        // A cell that no longer listens has its verdict already.
        let _ = log.send(line);
    }
}

fn isakmp(tunnel: &Tunnel, sa: &Established) -> IsakmpSa {
    let end = |address, port| Endpoint { address, port, identity: None };
    IsakmpSa {
        name: CONNECTION.to_owned(),
        state: IsakmpState::Established,
        initiator: sa.we_began,
        local: end(tunnel.local, sa.ports.0),
        remote: end(tunnel.remote, sa.ports.1),
        cookies: Some((sa.initiator, sa.responder)),
        transform: IsakmpTransform::default(),
        nat: NatFindings::default(),
        age: None,
    }
}

fn said(finished: &Finished) -> String {
    let lines: Vec<&str> = finished.lines.iter().map(|line| line.text.as_str()).collect();
    if lines.is_empty() { finished.status.to_string() } else { lines.join("; ") }
}

fn spawn(program: &str, error: LabError) -> Failure {
    Failure::Spawn { program: program.to_owned(), source: std::io::Error::other(error) }
}
