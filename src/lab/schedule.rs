//! Runs many cells at a time.
//!
//! Each worker is a thread with a runtime of its own that runs one cell after the other: the processes of a cell die with
//! the thread that started them, and no two cells share anything but the sandbox.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::watch;

use crate::evidence::artifacts;
use crate::evidence::log::{Attempt, Beginning, Configs, EventLog, Reviewed};
use crate::implementations::{DataPath, Implementation};
use crate::lab::cell::{self, CellError, CellRun};
use crate::scenario::Cell;

/// A cell that can be run here.
#[derive(Clone)]
pub struct Job {
    /// The cell.
    pub cell: Cell,
    /// Its implementation.
    pub implementation: Arc<dyn Implementation>,
    /// The implementation's program.
    pub program: PathBuf,
    /// Where further programs are that the user has told, by their names.
    pub programs: BTreeMap<String, PathBuf>,
    /// Its version.
    pub version: String,
    /// How its ESP travels.
    pub data_path: DataPath,
    /// Where its configuration files go; made when the cell begins.
    pub folder: PathBuf,
    /// The seed of the run; see [`cell_seed`].
    pub seed: u64,
    /// The file that declares implementations, where the run was given one.
    pub config: Option<PathBuf>,
    /// Whether it fails when it turns out that the implementation cannot run it.
    pub strict: bool,
    /// What both sides run with.
    pub configs: Configs,
    /// The transcript to hold against it.
    pub reviewed: Option<Reviewed>,
}

/// What happens while cells run.
pub enum Progress<T> {
    /// The cell of this name began.
    Started(String),
    /// The cell of this name is about to do something.
    Doing(String, String),
    /// A cell ended, and this was made of it.
    Finished(T),
}

/// Breaks a run off. Clones are of the same run.
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Stop {
    /// Breaks the run off: no further cell begins, and those that run end where they are.
    pub fn pull(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was broken off.
    pub fn is_pulled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is broken off.
    async fn pulled(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|pulled| *pulled).await;
    }
}

/// Does `jobs`, `at_once` at a time. What `work` makes of each, on the worker's thread, goes to `tell` on this one, together
/// with what it says of it meanwhile; nothing becomes of a job that was broken off. No further one is begun once `tell` breaks
/// or `stop` is pulled.
pub fn run<T: Send>(
    jobs: Vec<Job>,
    at_once: usize,
    stop: &Stop,
    work: impl Fn(&Job, &dyn Fn(&str)) -> Option<T> + Sync,
    mut tell: impl FnMut(Progress<T>) -> ControlFlow<()>,
) {
    let workers = at_once.clamp(1, jobs.len().max(1));
    let queue = Mutex::new(VecDeque::from(jobs));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front().filter(|_| !stop.is_pulled());
    let (progress, told) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let progress = progress.clone();
            let (next, work) = (&next, &work);
            scope.spawn(move || {
                // This thread is told of everything until the last worker ends.
                let send = |event| drop(progress.send(event));
                while let Some(job) = next() {
                    let name = &job.cell.name;
                    send(Progress::Started(name.clone()));
                    if let Some(done) = work(&job, &|what| send(Progress::Doing(name.clone(), what.to_owned()))) {
                        send(Progress::Finished(done));
                    }
                }
            });
        }
        drop(progress);
        for event in told {
            if tell(event).is_break() {
                queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
        }
    });
}

/// Runs one cell on this thread, when attempts at it came before; `doing` is told what it is about to do. `None` when it was
/// broken off.
///
/// # Errors
///
/// When there is no evidence of it; see [`CellError`].
pub fn run_one(
    job: &Job,
    earlier: &[Attempt],
    stop: &Stop,
    doing: &dyn Fn(&str),
) -> Result<Option<EventLog>, CellError> {
    if earlier.is_empty() {
        // What an earlier run left is about other things.
        match std::fs::remove_dir_all(&job.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => std::fs::create_dir_all(&job.folder)?,
        }
    } else {
        artifacts::set_aside(&job.folder, earlier.len())?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = CellRun {
        cell: &job.cell,
        implementation: &*job.implementation,
        program: &job.program,
        programs: &job.programs,
        version: &job.version,
        data_path: job.data_path,
        folder: &job.folder,
        seed: cell_seed(job.seed, &job.cell.name),
        strict: job.strict,
        doing,
    };
    let ran = runtime.block_on(async {
        tokio::select! {
            log = cell::run(&run, job.beginning(earlier)) => Some(log),
            () = stop.pulled() => None,
        }
    });
    if ran.is_none() {
        // Nobody waits for what it had begun.
        runtime.shutdown_background();
    }
    ran.transpose()
}

impl Job {
    /// What is known of the cell before the attempt that follows `earlier` ones.
    pub fn beginning(&self, earlier: &[Attempt]) -> Beginning {
        Beginning {
            seed: self.seed,
            config: self.config.clone(),
            configs: self.configs.clone(),
            reviewed: self.reviewed.clone(),
            earlier: earlier.to_vec(),
        }
    }
}

/// The seed of a cell of a run with `seed`: another for each name, the same each time.
pub fn cell_seed(seed: u64, cell: &str) -> u64 {
    let digest = crate::crypto::Hash::Sha256.digest(&[&seed.to_be_bytes(), cell.as_bytes()]);
    digest.iter().take(8).fold(0, |seed, octet| seed << 8 | u64::from(*octet))
}
