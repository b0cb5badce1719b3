//! One cell: stands the lab up, runs the implementation against the router, and writes down what happens.

mod plan;
mod recorder;
mod router;
mod stay;
mod steps;

pub use stay::{Place, Stay, stay};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use crate::evidence::log::{Beginning, CellHeader, EventLog, Happening, Link};
use crate::implementations::{CellContext, ConfigFiles, DataPath, Failure, Implementation, Options, Retransmission};
use crate::ios::console::{self, Console};
use crate::ios::router::Router;
use crate::lab::forwarder::{Forwarder, Observed};
use crate::lab::frame_port::{Direction, FramePort, PortOptions};
use crate::lab::internet::{Command, Side};
use crate::lab::process::{Line, Stream};
use crate::lab::topology::{self, Topology};
use crate::lab::{Clock, LabError};
use crate::scenario::{Cell, Scenario};
use recorder::Recorder;
use router::{RouterDriver, Typed};
use steps::Stage;

/// How long the negotiation of one pair of selectors may take before it is given up from outside.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a whole cell may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What a cell is run with.
pub struct CellRun<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// Its implementation.
    pub implementation: &'a dyn Implementation,
    /// The implementation's program.
    pub program: &'a Path,
    /// Where further programs are that the user has told, by their names.
    pub programs: &'a BTreeMap<String, PathBuf>,
    /// Its version.
    pub version: &'a str,
    /// How its ESP travels.
    pub data_path: DataPath,
    /// A folder for its configuration files; it exists.
    pub folder: &'a Path,
    /// The seed of every random choice of router and internet.
    pub seed: u64,
    /// Whether it fails when it turns out that the implementation cannot run it.
    pub strict: bool,
    /// Told what the cell is about to do, for who watches.
    pub doing: &'a dyn Fn(&str),
}

/// Why a cell could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// The kernel refused something.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The implementation did not start.
    #[error(transparent)]
    Implementation(#[from] Failure),
    /// Its folder or runtime could not be made.
    #[error("cannot prepare the cell: {0}")]
    Prepare(#[from] std::io::Error),
    /// The log could not be made.
    #[error(transparent)]
    Log(#[from] crate::evidence::log::LogError),
}

/// Runs a cell from its first namespace to its last, and gives all that happened. A failure of the harness itself is the
/// last thing that happened then.
///
/// To be called on a runtime of one thread that outlives the cell's processes.
///
/// # Errors
///
/// Never for what the implementation or the router does; see [`CellError`].
pub async fn run(run: &CellRun<'_>, beginning: Beginning) -> Result<EventLog, CellError> {
    let clock = Clock::start();
    let recorder = Recorder::new(clock);
    let header = CellHeader::new(run.cell, run.version, clock.wall_start(), beginning);
    recorder.now(Happening::Started(Box::new(header)));
    let result = tokio::time::timeout(LIMIT, LocalSet::new().run_until(perform(run, clock, &recorder))).await;
    match result {
        Ok(Ok(())) => {}
        // What only the running program could tell, such as an algorithm that its libraries lack.
        Ok(Err(CellError::Implementation(Failure::Unsupported(unsupported)))) => {
            let (reason, remedy) = (unsupported.to_string(), String::new());
            recorder.now(Happening::Skipped { reason, remedy, strict: run.strict });
        }
        Ok(Err(error)) => recorder.now(Happening::HarnessFailed { reason: error.to_string() }),
        Err(_) => {
            recorder.now(Happening::HarnessFailed { reason: format!("the cell took longer than {LIMIT:?}") });
        }
    }
    recorder.phase("teardown");
    recorder.now(Happening::Ended);
    Ok(EventLog::new(recorder.take())?)
}

/// A task that ends with this value.
struct Guarded<T>(JoinHandle<T>);

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn perform(run: &CellRun<'_>, clock: Clock, recorder: &Recorder) -> Result<(), CellError> {
    (run.doing)("the lab stands up");
    let lab = Lab::stand_up(run, clock, recorder).await?;
    (run.doing)(&format!("{} starts", run.implementation.name()));
    let mut stage = lab.start(run).await?;
    recorder.phase("implementation started");
    stage.perform(run.doing).await;
    recorder.phase("steps");
    (run.doing)("both sides are asked what they have");
    conclude(stage).await;
    lab.take_down().await;
    recorder.phase("concluded");
    Ok(())
}

/// The five namespaces with the internet and the router at work; the implementation is not there yet.
struct Lab {
    topology: Topology,
    /// Open as long as the internet is to work.
    changes: mpsc::UnboundedSender<Command>,
    forwarding: Guarded<[FramePort; 2]>,
    /// Open as long as the router is to work.
    console: mpsc::Sender<Typed>,
    routing: Guarded<Option<[FramePort; 2]>>,
    log: mpsc::UnboundedSender<Line>,
    recorder: Recorder,
    clock: Clock,
    _writing: Guarded<()>,
}

impl Lab {
    async fn stand_up(run: &CellRun<'_>, clock: Clock, recorder: &Recorder) -> Result<Self, CellError> {
        let scenario = &*run.cell.scenario;
        let router = plan::router(scenario, run.cell.release, run.seed);
        let plan = plan::addresses(scenario, &router);
        let internet = plan::internet(scenario, &plan, &router);
        let topology = Topology::build(plan).await?;
        recorder.phase("topology");
        let (changes, commands) = mpsc::unbounded_channel();
        let forwarder = Forwarder::open(&topology, internet, clock)?;
        let forwarding = Guarded(spawn_local(forward(forwarder, commands, recorder.clone())));
        let (console, typed) = mpsc::channel(4);
        let routing = drive_router(scenario, router, &topology, typed, clock, recorder)?;
        let (log, lines) = mpsc::unbounded_channel();
        Ok(Self {
            topology,
            changes,
            forwarding,
            console,
            routing: Guarded(spawn_local(routing)),
            log,
            recorder: recorder.clone(),
            clock,
            _writing: Guarded(spawn_local(write_down(lines, recorder.clone()))),
        })
    }

    /// Starts the implementation, which answers from then on.
    async fn start<'a>(&'a self, run: &'a CellRun<'_>) -> Result<Stage<'a>, CellError> {
        let scenario = &*run.cell.scenario;
        let native = native_files(run);
        let context = CellContext {
            program: run.program,
            programs: run.programs,
            namespace: &self.topology.dut,
            folder: run.folder,
            tunnel: &scenario.tunnel,
            native: native.as_ref(),
            options: Options { data_path: run.data_path, retransmission: Retransmission::default() },
            clock: self.clock,
            log: self.log.clone(),
            patience: PATIENCE,
        };
        let running = run.implementation.start(&context).await?;
        Ok(Stage {
            scenario,
            topology: &self.topology,
            running,
            console: self.console.clone(),
            recorder: self.recorder.clone(),
            clock: self.clock,
        })
    }

    /// Lets the internet forward what has come in by now, and ends it and the router.
    async fn take_down(mut self) {
        drop(self.changes);
        let internet = (&mut self.forwarding.0).await;
        drop(self.console);
        let router = (&mut self.routing.0).await;
        for (who, panicked) in [("internet", internet.is_err()), ("router", router.is_err())] {
            if panicked {
                self.recorder.now(Happening::HarnessFailed { reason: format!("the {who} panicked") });
            }
        }
        FramePort::close(internet.into_iter().chain(router.into_iter().flatten()).flatten());
    }
}

/// Asks both sides what they have in the end, and ends the implementation.
async fn conclude(mut stage: Stage<'_>) {
    stage.settle().await;
    let wanted = stage.scenario.expect.cisco.show.keys().map(String::as_str);
    let shows: Vec<&str> =
        ALWAYS_SHOWN.iter().copied().chain(wanted.filter(|wanted| !ALWAYS_SHOWN.contains(wanted))).collect();
    for command in shows {
        if let Err(reason) = stage.type_on_console(command).await {
            stage.recorder.now(Happening::HarnessFailed { reason });
        }
    }
    match stage.running.sas().await {
        Ok(state) => stage.recorder.now(Happening::Sas { state: Box::new(state) }),
        Err(Failure::Untold { .. }) => stage.recorder.now(Happening::SasUntold),
        Err(failure) => stage.recorder.now(Happening::HarnessFailed { reason: failure.to_string() }),
    }
    let recorder = stage.recorder.clone();
    if let Err(failure) = stage.running.stop().await {
        recorder.now(Happening::HarnessFailed { reason: failure.to_string() });
    }
}

/// What the router is asked in the end of every cell.
const ALWAYS_SHOWN: [&str; 2] = ["show crypto isakmp sa", "show crypto ipsec sa"];

async fn write_down(mut lines: mpsc::UnboundedReceiver<Line>, recorder: Recorder) {
    while let Some(line) = lines.recv().await {
        recorder.at(line.at, Happening::Log { stderr: line.stream == Stream::Stderr, text: line.text });
    }
}

/// Forwards between the two sides, and writes down every frame that crosses the internet's links.
async fn forward(
    mut forwarder: Forwarder,
    mut commands: mpsc::UnboundedReceiver<Command>,
    recorder: Recorder,
) -> [FramePort; 2] {
    let writing = recorder.clone();
    let observe = move |observed| match observed {
        Observed::Frame { side, direction, at, bytes } => {
            let outbound = direction == Direction::Out;
            writing.at(at, Happening::Frame { link: link(side), outbound, octets: bytes });
        }
        Observed::Event { at, event } => writing.at(at, Happening::Internet { event: Box::new(event) }),
    };
    if let Err(error) = forwarder.run(&mut commands, observe).await {
        recorder.now(Happening::HarnessFailed { reason: error.to_string() });
    }
    match forwarder.lost() {
        Ok(0) => {}
        Ok(count) => recorder.now(Happening::FramesLost { count }),
        Err(error) => recorder.now(Happening::HarnessFailed { reason: error.to_string() }),
    }
    forwarder.into_ports()
}

fn link(side: Side) -> Link {
    match side {
        Side::Dut => Link::Dut,
        Side::Cisco => Link::Cisco,
    }
}

fn drive_router(
    scenario: &Scenario,
    machine: Router,
    topology: &Topology,
    typed: mpsc::Receiver<Typed>,
    clock: Clock,
    recorder: &Recorder,
) -> Result<impl Future<Output = Option<[FramePort; 2]>> + 'static, LabError> {
    let (release, hostname) = (machine.release(), machine.config().hostname.value.clone());
    let port = |interface| FramePort::open(&topology.cisco, interface, PortOptions::default(), clock);
    let driver = RouterDriver {
        machine,
        outside: (scenario.addresses.outside.clone(), port(topology::OUTSIDE)?),
        inside: (plan::inside(scenario), port(topology::INSIDE)?),
        typed,
        console: Console::new(release, hostname, console::Settings::default()),
        recorder: recorder.clone(),
        clock,
    };
    let recorder = recorder.clone();
    Ok(async move {
        let ended = driver.run().await;
        ended
            .inspect_err(|error| {
                recorder.now(Happening::HarnessFailed { reason: format!("the router stopped: {error}") });
            })
            .ok()
    })
}

fn native_files(run: &CellRun<'_>) -> Option<ConfigFiles> {
    let files = run.cell.scenario.native.get(&run.cell.implementation)?;
    Some(files.iter().map(|(name, source)| (name.clone(), source.text.to_string())).collect())
}
