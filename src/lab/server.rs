//! What the processes of this program's own that serve a cell have in common: the gateway and the key engine.

use std::io;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use tokio::net::UnixListener;

use crate::lab::LabError;

/// The line such a process writes when everything is open and it answers.
pub const READY: &str = "ready";

/// Room for the headers of ESP in UDP with the largest padding and ICV.
pub const TUNNEL_MTU: u32 = 1400;

/// Why such a process could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its configuration file cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A socket or a signal handler could not be made.
    #[error("cannot open {what}: {source}")]
    Open {
        /// Which.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// The tunnel device or a raw socket could not be set up.
    #[error(transparent)]
    Lab(#[from] LabError),
}

impl ServerError {
    /// `what` could not be opened, as the system says.
    pub fn open(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Open { what, source }
    }
}

/// The settings in the file at `path`, in JSON.
///
/// # Errors
/// When it cannot be read or holds something else.
pub fn settings<T: DeserializeOwned>(path: &Path) -> Result<T, ServerError> {
    let invalid = |reason: String| ServerError::Settings { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))
}

/// The socket at `control`, over which it is told what to do.
///
/// # Errors
/// When there is something already, or no folder for it.
pub fn listen(control: &Path) -> Result<UnixListener, ServerError> {
    UnixListener::bind(control).map_err(ServerError::open(control.display().to_string()))
}
