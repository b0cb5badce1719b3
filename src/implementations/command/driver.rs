//! A running daemon, steered by command lines beside it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::log::{Following, Log};
use super::values::{CONFIG_INSIDE, values, with_pair};
use super::{Command, bound, render, status};
use crate::implementations::declared::file::{DataPathWord, PhaseWord, RefusedFile, Why};
use crate::implementations::declared::text::CommandLine;
use crate::implementations::{
    BoxFuture, CellContext, ConfigFiles, DataPath, Failure, Phase, Refusal, Running, SaState, key_engine,
};
use crate::lab::Clock;
use crate::lab::process::{self, Process, Program, Stream};
use crate::scenario::Tunnel;

/// How long a command that negotiates nothing may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(10);

/// How long a daemon may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long to wait before a command that asks whether a daemon is ready is run again.
const READY_INTERVAL: Duration = Duration::from_millis(50);

/// A daemon that runs.
pub(super) struct Daemon {
    command: Command,
    process: Process,
    /// What the daemon and its commands run under, for one that speaks PF_KEY where the kernel does not.
    engine: Option<Engine>,
    following: Following,
    log: Log,
    tunnel: Tunnel,
    /// What stands in templates.
    values: minijinja::Value,
    environment: Vec<(String, String)>,
    path: Vec<PathBuf>,
    clock: Clock,
    patience: Duration,
}

/// The key engine, and its lines on their way into the log.
struct Engine {
    process: Process,
    following: Following,
}

/// What a line says about a negotiation.
enum Told {
    Established,
    Refused(Phase, Refusal),
}

impl Daemon {
    /// Starts the daemon in the cell, waits until it is ready and sets it up.
    pub(super) async fn start(command: &Command, cell: &CellContext<'_>) -> Result<Self, Failure> {
        let name = command.name.word();
        let values = values(cell.tunnel, &cell.options);
        let files = match cell.native {
            Some(native) => native.clone(),
            None => {
                let fill = |(name, template)| Ok((String::clone(name), render(template, &values)?));
                command.templates.iter().map(fill).collect::<Result<ConfigFiles, Failure>>()?
            }
        };
        cell.write_files(name, &files)?;
        let environment = command.file.environment.iter().map(|(variable, value)| {
            let value = value.render(&values).map_err(|why| configuration(name, &format!("{variable}: {why}")))?;
            Ok((variable.clone(), value))
        });
        let environment = environment.collect::<Result<Vec<_>, Failure>>()?;
        let words = fill(name, &command.file.command, &values)?;
        let log = Log::new(cell.log.clone());
        let engine = start_engine(command, cell, &log).await?;
        let mut program = under(&engine, cell.program, &words[1..]);
        program.environment.extend(environment.iter().map(|(name, value)| (name.into(), value.into())));
        let spawned = match &engine {
            Some(engine) => engine.process.spawn_beside(&program, cell.clock),
            None => Process::spawn(cell.namespace, &surroundings(command, cell, program), cell.clock),
        };
        let (process, lines) = spawned
            .map_err(|error| Failure::Spawn { program: name.to_owned(), source: std::io::Error::other(error) })?;
        let mut daemon = Self {
            command: command.clone(),
            process,
            engine,
            following: log.follow(lines),
            log,
            tunnel: cell.tunnel.clone(),
            values,
            environment,
            path: search_path(),
            clock: cell.clock,
            patience: cell.patience,
        };
        match daemon.get_ready().await {
            Ok(()) => Ok(daemon),
            Err(failure) => {
                // Its ports are free again when this returns; how it ended is no news.
                let _ = daemon.process.terminate(STOP_LIMIT).await;
                if let Some(engine) = daemon.engine {
                    let _ = engine.process.terminate(STOP_LIMIT).await;
                }
                Err(failure)
            }
        }
    }

    async fn get_ready(&mut self) -> Result<(), Failure> {
        if let Some(ready) = self.command.file.ready.clone() {
            let limit = ready.within.0;
            match timeout(limit, self.until_ready(&ready)).await {
                Ok(outcome) => outcome?,
                Err(_) => {
                    let last_lines = self.log.last_lines();
                    return Err(Failure::NotReady { program: self.name(), waited: limit, last_lines });
                }
            }
        }
        for line in self.command.file.setup.clone() {
            self.perform(&line, true).await?;
        }
        Ok(())
    }

    async fn until_ready(&mut self, ready: &crate::implementations::declared::file::Ready) -> Result<(), Failure> {
        let mut from = 0;
        let judge = |line: &str| {
            if ready.unfit.as_ref().is_some_and(|pattern| pattern.0.is_match(line)) {
                return Some(Err(line.to_owned()));
            }
            ready.pattern.as_ref().is_some_and(|pattern| pattern.0.is_match(line)).then_some(Ok(()))
        };
        let log = self.log.clone();
        let told = log.wait_for(&mut from, judge);
        let asked = async {
            let Some(command) = &ready.command else { return std::future::pending().await };
            while self.run(command, false).await.is_ok_and(|finished| !finished.status.success()) {
                tokio::time::sleep(READY_INTERVAL).await;
            }
        };
        // The process is waited for when its output has ended, so that its last lines are there to be quoted.
        tokio::select! {
            told = told => return told.map_err(|line| Failure::Unfit { program: self.name(), line }),
            () = asked => {}
            () = self.following.closed() => {}
        }
        match self.ended().await {
            Some(failure) => Err(failure),
            None if ready.command.is_some() => Ok(()),
            None => Err(self.control("it closed its output before it was ready")),
        }
    }

    /// Runs a command beside the daemon to its end; its lines are evidence when they are `told`.
    async fn run(&self, line: &CommandLine, told: bool) -> Result<process::Finished, Failure> {
        let program = self.program(line, &self.values)?;
        let finished = process::run_beside(&self.process, &program, COMMAND_LIMIT, self.clock).await;
        let finished = finished.map_err(|error| self.control(&error.to_string()))?;
        if told {
            finished.lines.iter().for_each(|line| self.log.push(line.clone()));
        }
        Ok(finished)
    }

    /// Runs a command that must succeed, and gives what it prints to standard output.
    async fn perform(&mut self, line: &CommandLine, told: bool) -> Result<String, Failure> {
        let finished = match self.run(line, told).await {
            Ok(finished) => finished,
            Err(failure) => return Err(self.ended().await.unwrap_or(failure)),
        };
        if finished.status.success() {
            return Ok(finished.text(Stream::Stdout));
        }
        if let Some(ended) = self.ended().await {
            return Err(ended);
        }
        let words = fill(self.command.name.word(), line, &self.values)?;
        let said = finished.lines.last().map_or("it said nothing".to_owned(), |line| line.text.clone());
        Err(self.control(&format!("`{}` ended with {}: {said}", words.join(" "), finished.status)))
    }

    fn program(&self, line: &CommandLine, values: &minijinja::Value) -> Result<Program, Failure> {
        let words = fill(self.command.name.word(), line, values)?;
        let Some((program, arguments)) = words.split_first() else { return Err(self.control("an empty command line")) };
        let executable = self.command.locate(program, &self.path).unwrap_or_else(|| program.into());
        let mut program = under(&self.engine, &executable, arguments);
        program.environment.extend(self.environment.iter().map(|(name, value)| (name.into(), value.into())));
        Ok(program)
    }

    async fn initiate_all(&mut self) -> Result<(), Failure> {
        let each = self.command.file.initiate.command.0.iter().any(|word| word.uses("pair"));
        let count = if each { self.tunnel.traffic.len() } else { 1 };
        let mut first_failure = None;
        for index in 0..count {
            match self.initiate_one(index).await {
                Ok(()) => {}
                Err(failure @ Failure::Refused { phase: Phase::Two, .. }) => {
                    first_failure.get_or_insert(failure);
                }
                Err(failure) => return Err(first_failure.unwrap_or(failure)),
            }
        }
        first_failure.map_or(Ok(()), Err)
    }

    async fn initiate_one(&mut self, index: usize) -> Result<(), Failure> {
        let initiate = self.command.file.initiate.clone();
        let program = self.program(&initiate.command, &with_pair(&self.values, &self.tunnel, index))?;
        let start = self.log.position();
        let spawned = self.process.spawn_beside(&program, self.clock);
        let (mut command, lines) = match spawned {
            Ok(spawned) => spawned,
            Err(error) => return Err(self.ended().await.unwrap_or_else(|| self.control(&error.to_string()))),
        };
        let mut written = self.log.follow(lines);
        let mut phase = Phase::One;
        let refused = self.command.file.refused.clone();
        let judge = |line: &str| {
            if initiate.phase1.as_ref().is_some_and(|pattern| pattern.0.is_match(line)) {
                phase = Phase::Two;
            }
            if initiate.established.as_ref().is_some_and(|pattern| pattern.0.is_match(line)) {
                return Some(Told::Established);
            }
            let told = refused.iter().find(|refused| refused.pattern.0.is_match(line))?;
            Some(Told::Refused(told_phase(told, phase), refusal(told.why, line)))
        };
        let log = self.log.clone();
        let negotiation = async {
            let (mut from, mut judge) = (start, judge);
            tokio::select! {
                told = log.wait_for(&mut from, &mut judge) => Ok(told),
                status = command.wait() => {
                    let status = status.map_err(|error| error.to_string())?;
                    written.until_closed().await;
                    if let Some(told) = log.look(&mut from, &mut judge) {
                        return Ok(told);
                    }
                    match (status.success(), &initiate.established) {
                        // The command has only asked for it: the line is still to come.
                        (true, Some(_)) => Ok(log.wait_for(&mut from, &mut judge).await),
                        (true, None) => Ok(Told::Established),
                        (false, _) if refused.is_empty() => {
                            Ok(Told::Refused(Phase::One, Refusal::Unexplained))
                        }
                        (false, _) => Err(format!("the command that initiates ended with {status}, and no line says why")),
                    }
                }
            }
        };
        let told = tokio::select! {
            told = timeout(self.patience, negotiation) => told,
            () = self.following.closed() => Ok(Err("its output ended".to_owned())),
        };
        let lines = self.log.since(start);
        match told {
            Ok(Ok(Told::Established)) => Ok(()),
            Ok(Ok(Told::Refused(phase, refusal))) => {
                Err(Failure::Refused { phase, connection: format!("traffic {}", index + 1), refusal, lines })
            }
            Ok(Err(reason)) => Err(self.ended().await.unwrap_or_else(|| self.control(&reason))),
            Err(_) => Err(self.ended().await.unwrap_or(Failure::TimedOut { waited: self.patience, lines })),
        }
    }

    async fn list_sas(&mut self) -> Result<SaState, Failure> {
        let Some(status) = self.command.file.status.clone() else {
            return Err(self.ended().await.unwrap_or(Failure::Untold { program: self.name() }));
        };
        let text = self.perform(&status.command, false).await?;
        status::state(&self.tunnel, self.command.name.word(), &status.phase1, &status.phase2, &text)
            .map_err(|why| self.control(&why))
    }

    async fn end(mut self) -> Result<(), Failure> {
        let asked = self.ask_to_end().await;
        let program = self.name();
        let Self { process, engine, mut following, log, .. } = self;
        let mut stopped = process.terminate(STOP_LIMIT).await;
        following.until_closed().await;
        if let Some(Engine { process, mut following }) = engine {
            stopped = stopped.and(process.terminate(STOP_LIMIT).await);
            following.until_closed().await;
        }
        asked?;
        stopped.map(drop).map_err(|error| Failure::Control {
            program,
            reason: error.to_string(),
            last_lines: log.last_lines(),
        })
    }

    /// Has the daemon end in the way that is declared, if one is; one that does not end so is left.
    async fn ask_to_end(&mut self) -> Result<(), Failure> {
        if let Some(ended) = self.ended().await {
            return Err(ended);
        }
        if let Some(stop) = self.command.file.stop.clone() {
            self.perform(&stop, true).await?;
            // SIGTERM comes after it.
            let _ = timeout(STOP_LIMIT, self.process.wait()).await;
        }
        Ok(())
    }

    /// The failure that the daemon has ended, if it has.
    async fn ended(&mut self) -> Option<Failure> {
        // One that has closed its output ends within a moment.
        let status = match self.process.try_wait() {
            Ok(None) if self.following.is_over() => timeout(STOP_LIMIT, self.process.wait()).await.ok()?,
            Ok(status) => Ok(status?),
            Err(error) => Err(error),
        };
        self.following.until_closed().await;
        let status = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        Some(Failure::DaemonExited { program: self.name(), status, last_lines: self.log.last_lines() })
    }

    fn control(&self, reason: &str) -> Failure {
        Failure::Control { program: self.name(), reason: reason.to_owned(), last_lines: self.log.last_lines() }
    }

    fn name(&self) -> String {
        self.command.name.to_string()
    }
}

impl Running for Daemon {
    fn initiate(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.initiate_all())
    }

    fn sas(&mut self) -> BoxFuture<'_, Result<SaState, Failure>> {
        Box::pin(self.list_sas())
    }

    fn terminate(&mut self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async {
            match self.command.file.terminate.clone() {
                Some(line) => self.perform(&line, true).await.map(drop),
                None => Err(self.control("its declaration has no `terminate`")),
            }
        })
    }

    fn beside(&self, executable: &Path, arguments: &[String]) -> Option<(&Process, Program)> {
        Some((&self.process, under(&self.engine, executable, arguments)))
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), Failure>> {
        Box::pin(self.end())
    }
}

/// Starts the key engine, where there is to be one, and has the kernel lead packets to its policies otherwise.
async fn start_engine(command: &Command, cell: &CellContext<'_>, log: &Log) -> Result<Option<Engine>, Failure> {
    match (command.file.data_path, cell.options.data_path) {
        (_, DataPath::KeyEngine) => {
            let surroundings = surroundings(command, cell, Program::default());
            let (process, lines) = key_engine::start(cell, CONFIG_INSIDE, surroundings).await?;
            Ok(Some(Engine { process, following: log.follow(lines) }))
        }
        (DataPathWord::PfKey, _) => key_engine::lead_to_policies(cell).await.map(|()| None),
        _ => Ok(None),
    }
}

/// The folders that programs are looked for in.
fn search_path() -> Vec<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect()
}

/// `program` with the files that are declared where they are looked for, and with the programs themselves, should a private
/// folder hide them.
fn surroundings(command: &Command, cell: &CellContext<'_>, program: Program) -> Program {
    let mut program = program.bind(cell.folder, CONFIG_INSIDE);
    program.private_folders.clone_from(&command.file.private);
    for (target, source) in &command.file.binds {
        program = program.bind(bound(source, &command.templates, cell.folder, &command.folder), target);
    }
    let path = search_path();
    let programs = command.program_words().filter_map(|word| command.locate(word, &path));
    programs.fold(program, |program, file| match file.parent() {
        Some(folder) => program.keeping(folder),
        None => program,
    })
}

/// `executable` with `arguments`, under the key engine if there is one.
fn under(engine: &Option<Engine>, executable: &Path, arguments: &[String]) -> Program {
    match engine {
        Some(_) => key_engine::under(executable, arguments),
        None => Program::new(executable, arguments),
    }
}

fn fill(name: &str, line: &CommandLine, values: &minijinja::Value) -> Result<Vec<String>, Failure> {
    let words = line.0.iter().map(|word| word.render(values)).collect::<Result<Vec<_>, _>>();
    words.map_err(|why| configuration(name, &why))
}

fn configuration(name: &str, reason: &str) -> Failure {
    Failure::Configuration { program: name.to_owned(), reason: reason.to_owned() }
}

fn told_phase(told: &RefusedFile, reached: Phase) -> Phase {
    match told.phase {
        Some(PhaseWord::One) => Phase::One,
        Some(PhaseWord::Two) => Phase::Two,
        None => reached,
    }
}

fn refusal(why: Why, line: &str) -> Refusal {
    let line = || line.to_owned();
    match why {
        Why::Refused => Refusal::Refused(line()),
        Why::NoAnswer => Refusal::NoAnswer { unanswered: None, retransmissions: 0 },
        Why::Authentication => Refusal::Authentication(line()),
        Why::Unacceptable => Refusal::Unacceptable(line()),
        Why::Local => Refusal::Local(line()),
        Why::Deleted => Refusal::Deleted,
    }
}
