//! A lab that stays up while somebody works in it.

use tokio::sync::mpsc;
use tokio::task::LocalSet;

use super::recorder::Recorder;
use super::steps::Stage;
use super::{CellError, CellRun, Lab};
use crate::evidence::log::Happening;
use crate::lab::process::{Process, Program};
use crate::lab::{Clock, LabError};

/// A namespace of the lab that a command can run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The host behind the implementation.
    Left,
    /// The implementation's machine.
    Dut,
    /// Between the two.
    Internet,
    /// The host behind the router.
    Right,
}

/// What is done in the lab.
pub enum Stay {
    /// A command runs; a shell when it is empty.
    Command {
        /// Where.
        place: Place,
        /// The command and its arguments.
        command: Vec<String>,
    },
    /// Lines are typed on the router's console, and its answers printed.
    Console(mpsc::UnboundedReceiver<String>),
}

/// Stands the lab of a cell up, brings the tunnel up when `initiate`, does `what` and gives the command's exit status.
///
/// # Errors
///
/// When the lab cannot be stood up or the command not be started. A tunnel that does not come up is told and no error.
pub async fn stay(run: &CellRun<'_>, initiate: bool, what: Stay) -> Result<i32, CellError> {
    let clock = Clock::start();
    let recorder = Recorder::new(clock);
    let work = async {
        let lab = Lab::stand_up(run, clock, &recorder).await?;
        let mut stage = lab.start(run).await?;
        if initiate {
            match stage.running.initiate().await {
                Ok(()) => eprintln!("the tunnel is up"),
                Err(failure) => eprintln!("the tunnel is not up: {failure}"),
            }
        }
        let status = match what {
            Stay::Command { place, command } => in_namespace(&stage, place, command).await?,
            Stay::Console(lines) => at_console(&stage, &recorder, lines).await,
        };
        if let Err(failure) = stage.running.stop().await {
            eprintln!("{failure}");
        }
        Ok(status)
    };
    LocalSet::new().run_until(work).await
}

async fn in_namespace(stage: &Stage<'_>, place: Place, command: Vec<String>) -> Result<i32, LabError> {
    let namespace = match place {
        Place::Left => &stage.topology.left,
        Place::Dut => &stage.topology.dut,
        Place::Internet => &stage.topology.internet,
        Place::Right => &stage.topology.right,
    };
    let mut words = command.into_iter();
    let shell = || std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    let executable = words.next().unwrap_or_else(shell);
    let arguments: Vec<String> = words.collect();
    let beside = match place {
        Place::Dut => stage.running.beside(executable.as_ref(), &arguments),
        Place::Left | Place::Internet | Place::Right => None,
    };
    let (mut process, _) = match beside {
        Some((process, program)) => process.spawn_beside(&Program { interactive: true, ..program }, stage.clock)?,
        None => {
            let program = Program { interactive: true, ..Program::new(executable, arguments) };
            Process::spawn(namespace, &program, stage.clock)?
        }
    };
    let status = process.wait().await.map_err(|source| LabError::new("waiting for the command", source))?;
    Ok(status.code().unwrap_or(1))
}

/// Types each line, and prints what the console says until the next.
async fn at_console(stage: &Stage<'_>, recorder: &Recorder, mut lines: mpsc::UnboundedReceiver<String>) -> i32 {
    while let Some(line) = lines.recv().await {
        match stage.type_on_console(&line).await {
            Ok(text) => println!("{text}"),
            Err(reason) => {
                eprintln!("{reason}");
                return 1;
            }
        }
        for entry in recorder.take() {
            if let Happening::Console { text, .. } = entry.what {
                println!("{text}");
            }
        }
    }
    0
}
