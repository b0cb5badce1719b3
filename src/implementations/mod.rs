//! How to run each implementation under test: the contract, and a folder for each implementation.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::lab::process::{Line, Process, Program};
use crate::lab::{Clock, Namespace};
use crate::scenario::Tunnel;

pub mod builtin;
pub mod capabilities;
pub mod command;
mod data_path;
pub mod declared;
pub mod failure;
pub mod host;
mod key_engine;
pub mod libreswan;
pub mod openiked;
pub mod prover;
pub mod racoon;
pub mod registry;
pub mod sa;
pub mod strongswan;

pub use capabilities::{Capabilities, Capability};
pub use data_path::{DataPath, Way};
pub use failure::{Failure, Phase, Refusal, Unanswered, Unsupported};
pub use host::Host;
pub use prover::Prover;
pub use registry::Registry;
pub use sa::SaState;

/// A future in a box: what an `async fn` of a trait gives when the trait is used as `dyn`.
///
/// Implementations are chosen at run time and those of the user's own are declared in a file, so an enum over them would
/// not do, and the language has no `async fn` in `dyn` traits. Writing `Box::pin(async move { .. })` in a driver needs no
/// dependency, and the one allocation for a call that starts a daemon costs nothing.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The text of each configuration file, by its path below the implementation's configuration folder.
pub type ConfigFiles = BTreeMap<String, String>;

/// An implementation of IKE and ESP that can be run in a cell.
pub trait Implementation: Send + Sync {
    /// The word scenarios and reports use for it.
    fn name(&self) -> &str;

    /// Whether it can run on `host`, or what is missing.
    fn availability(&self, host: &Host) -> Availability;

    /// The ways its ESP may take on `host`, the best first, whether or not it is installed.
    fn ways(&self, host: &Host) -> Vec<Way>;

    /// All it can do as it is found on `host`, whatever the tunnel; [`Self::supports`] is about what goes together.
    ///
    /// Where what is found does not tell, it is what the driver knows of the versions it was written for.
    fn capabilities(&self, host: &Host) -> Capabilities;

    /// Why it does not have `capability`, where there is more to say than that.
    fn why_not(&self, _capability: &Capability) -> Option<&'static str> {
        None
    }

    /// Whether it has `capability`. Asked for one that nobody has, it must say that it has not.
    ///
    /// # Errors
    /// When it does not answer.
    fn has(&self, capability: &Capability, host: &Host) -> Result<bool, Unanswered> {
        Ok(self.capabilities(host).has(capability))
    }

    /// Whether it can bring up `tunnel` over that data path, as far as that does not follow from its capabilities.
    fn supports(&self, tunnel: &Tunnel, data_path: DataPath) -> Result<(), Unsupported>;

    /// `tunnel` in its own language, exactly as [`Self::start`] uses it.
    fn configure(&self, tunnel: &Tunnel, options: &Options) -> ConfigFiles;

    /// What its reviewed transcripts are filed under: its name, unless it negotiates differently on that data path.
    fn filed_under(&self, _data_path: DataPath) -> String {
        self.name().to_owned()
    }

    /// Starts it in the cell and waits until it answers. It negotiates nothing yet, but answers the Cisco's first message.
    fn start<'a>(&'a self, cell: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>>;
}

/// An implementation that runs. Dropped, it is killed.
pub trait Running: Send {
    /// Negotiates every pair of selectors of the tunnel and waits for the end.
    ///
    /// # Errors
    /// [`Failure::Refused`] and [`Failure::TimedOut`] are the outcomes of a negotiation; the others mean that it did not
    /// take place. When phase 1 is up, all pairs are tried and the first failure is given.
    fn initiate(&mut self) -> BoxFuture<'_, Result<(), Failure>>;

    /// The SAs it believes to have.
    fn sas(&mut self) -> BoxFuture<'_, Result<SaState, Failure>>;

    /// Deletes all SAs, telling the Cisco, and goes on running.
    fn terminate(&mut self) -> BoxFuture<'_, Result<(), Failure>>;

    /// Has a command run where it runs, seeing what it sees: the process to start it beside, and the program to start. `None`
    /// when its network namespace is all that matters.
    fn beside(&self, _executable: &Path, _arguments: &[String]) -> Option<(&Process, Program)> {
        None
    }

    /// Ends it, in its own orderly way first.
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), Failure>>;
}

/// Whether an implementation can run on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Ready {
        /// Its version, as it tells it.
        version: String,
        /// Its program.
        path: PathBuf,
        /// How its ESP travels here.
        data_path: DataPath,
    },
    /// It could run here, and lacks something: it is not installed, for the most part.
    Missing {
        /// What is missing.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// It cannot run here, whatever is installed: the kernel lacks something, or the distribution has no package of it. A
    /// strict run skips its cells, where it fails those of an implementation that is [`Self::Missing`].
    Unfit {
        /// What the machine lacks.
        reason: String,
        /// What to do about it, which is another machine for the most part.
        remedy: String,
    },
}

/// What a cell settles beyond the tunnel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// How ESP travels, as [`Availability::Ready`] says.
    pub data_path: DataPath,
    /// When unanswered messages are sent again.
    pub retransmission: Retransmission,
}

/// When a message that gets no answer is sent again, and when that is given up.
///
/// The defaults send after 0.4, 1.0 and 1.9 s and give up after 3.25 s: three losses in a row are survived, and a cell
/// that gets no answer is over soon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retransmission {
    /// The time before the first retransmission.
    pub first: Duration,
    /// By what each waiting time is longer than the one before.
    pub factor: f64,
    /// How many retransmissions there are.
    pub times: u32,
}

impl Retransmission {
    /// The time from the first transmission until it is given up.
    pub fn total(&self) -> Duration {
        let waits = (0..=self.times).map(|time| self.factor.powi(time.cast_signed()));
        self.first.mul_f64(waits.sum())
    }
}

impl Default for Retransmission {
    fn default() -> Self {
        Self { first: Duration::from_millis(400), factor: 1.5, times: 3 }
    }
}

/// What an implementation is given to run with.
pub struct CellContext<'a> {
    /// Its program, as [`Availability::Ready`] says.
    pub program: &'a Path,
    /// Where further programs are that the user has told, by their names.
    pub programs: &'a BTreeMap<String, PathBuf>,
    /// The network namespace it runs in.
    pub namespace: &'a Namespace,
    /// A folder of this cell alone, for its configuration files; it exists.
    pub folder: &'a Path,
    /// What to bring up.
    pub tunnel: &'a Tunnel,
    /// The user's own configuration files, to be used in place of what [`Implementation::configure`] gives.
    pub native: Option<&'a ConfigFiles>,
    /// What the cell settles beyond the tunnel.
    pub options: Options,
    /// The run's clock.
    pub clock: Clock,
    /// Where every line it writes goes.
    pub log: mpsc::UnboundedSender<Line>,
    /// How long a negotiation of one pair of selectors may take before it is given up from outside.
    pub patience: Duration,
}

impl CellContext<'_> {
    /// Writes `files` below the cell's folder. They hold keys: racoon and iked read none that others might read.
    fn write_files(&self, program: &str, files: &ConfigFiles) -> Result<(), Failure> {
        for (name, text) in files {
            let path = self.folder.join(name);
            let write = || {
                path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
                file.write_all(text.as_bytes())
            };
            write().map_err(|error| Failure::Configuration {
                program: program.to_owned(),
                reason: format!("cannot write {}: {error}", path.display()),
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unanswered_message_is_given_up_after_the_sum_of_the_waits() {
        assert_eq!(Retransmission::default().total(), Duration::from_millis(3250));
    }
}
