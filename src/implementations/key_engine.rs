//! The key engine of a cell ([`crate::pfkey::daemon`]), for implementations that speak PF_KEY: they run unmodified under it
//! where the kernel has no PF_KEY or no ESP.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use crate::implementations::{CellContext, ConfigFiles, Failure};
use crate::lab::LabError;
use crate::lab::link::Links;
use crate::lab::process::{Lines, Process, Program};
use crate::lab::server::READY;
use crate::pfkey::daemon::DaemonSettings;

/// The program's name in failures.
const KEY_ENGINE: &str = "the key engine";

/// This program, which is the key engine too.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// Where its files are, in its own mount namespace.
const SETTINGS: &str = "key-engine.json";
const SOCKET: &str = "/run/key-engine.sock";

/// Every run of the key engine at an address draws the same SPIs and IVs: a capture can be compared with another's.
const SEED: u64 = 0x7261_636f_6f6e_0000;

/// How long it may take to start. It takes some 20 ms on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Starts the key engine in the cell, where the cell's folder is at `config` and everything else as `surroundings` has it;
/// what is started beside it finds the same. It gives the lines it writes from then on.
///
/// # Errors
/// When it cannot be started or does not get ready.
pub(super) async fn start(
    cell: &CellContext<'_>,
    config: &str,
    surroundings: Program,
) -> Result<(Process, Lines), Failure> {
    let settings = DaemonSettings { local: cell.tunnel.local, seed: SEED ^ u64::from(u32::from(cell.tunnel.local)) };
    let text = serde_json::to_string_pretty(&settings).unwrap_or_else(|error| error.to_string());
    cell.write_files(KEY_ENGINE, &ConfigFiles::from([(SETTINGS.to_owned(), text)]))?;
    let settings = format!("{config}/{SETTINGS}");
    let program = Program::new(OWN_PROGRAM, ["key-engine", "--settings", &settings, "--control", SOCKET]);
    let Program { private_folders, binds, .. } = surroundings;
    let program = Program { private_folders, binds, ..program };
    let (mut engine, mut lines) = Process::spawn(cell.namespace, &program, cell.clock)
        .map_err(|error| Failure::Spawn { program: KEY_ENGINE.to_owned(), source: std::io::Error::other(error) })?;
    let mut last_lines = Vec::new();
    let ready = async {
        while let Some(line) = lines.recv().await {
            if line.text == READY {
                return true;
            }
            last_lines.push(line.text);
        }
        false
    };
    let program = KEY_ENGINE.to_owned();
    match timeout(START_LIMIT, ready).await {
        Ok(true) => Ok((engine, lines)),
        Ok(false) => {
            let status = engine.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(Failure::DaemonExited { program, status, last_lines })
        }
        Err(_) => Err(Failure::NotReady { program, waited: START_LIMIT, last_lines }),
    }
}

/// `executable` with `arguments`, to be started beside a key engine and under it.
pub(super) fn under(executable: &Path, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Program {
    let wrapper = ["under-key-engine", "--control", SOCKET, "--"].map(OsString::from).into_iter();
    let command = std::iter::once(executable.into()).chain(arguments.into_iter().map(Into::into));
    Program::new(OWN_PROGRAM, wrapper.chain(command))
}

/// Has the kernel route what is to be protected, where it is the kernel's own PF_KEY: it looks for a policy where a packet
/// is about to leave, and the lab's own routes keep the far networks from leaving at all. From here on the policies do that.
///
/// # Errors
/// When a route cannot be added.
pub(super) async fn lead_to_policies(cell: &CellContext<'_>) -> Result<(), Failure> {
    let failed =
        |error: LabError| Failure::Spawn { program: "the routes".to_owned(), source: std::io::Error::other(error) };
    let links = Links::open(cell.namespace).map_err(failed)?;
    let remote = cell.tunnel.remote;
    let networks: BTreeSet<_> = cell.tunnel.traffic.iter().map(|pair| pair.remote).collect();
    // The links cannot change threads, and the cell's task does not.
    let adding = tokio::task::spawn_local(async move {
        let next_hop = links.next_hop(remote).await?;
        for network in networks.into_iter().filter(|network| network.length() > 0) {
            links.add_route(network, next_hop, None).await?;
        }
        Ok(())
    });
    let added = adding.await.map_err(|error| LabError::new("adding routes", std::io::Error::other(error)));
    added.and_then(|added| added).map_err(failed)
}
