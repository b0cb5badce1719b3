//! What this machine can do for the lab itself, tried out rather than guessed from versions. What implementations need
//! besides is told by [`crate::implementations::Host`].

use std::fmt;

use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::UnshareFlags;

use crate::lab::LabError;
use crate::lab::link::{Links, VethEnd};
use crate::lab::namespace::Namespace;
use crate::lab::sandbox::{Sandbox, SandboxError};
use crate::lab::sys::packet;
use crate::lab::sys::process::{before_exec, unshare};
use crate::wire::ethernet::MacAddress;

/// Something that a part of the lab needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// User namespaces: the lab without root.
    UserNamespaces,
    /// veth pairs: every link of the lab.
    Veth,
    /// Packet sockets: the router, the internet and the captures.
    PacketSockets,
}

impl Feature {
    /// All of them, the lab's own needs first.
    pub const ALL: [Self; 3] = [Self::UserNamespaces, Self::Veth, Self::PacketSockets];
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UserNamespaces => "user namespaces",
            Self::Veth => "veth links",
            Self::PacketSockets => "packet sockets",
        })
    }
}

/// Why something that a part of the program needs of the machine is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What was tried and what came of it.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// Tries every feature, in the sandbox and within a tokio runtime.
///
/// # Errors
/// When not even a network namespace can be made.
pub async fn probe(sandbox: &Sandbox) -> Result<Vec<(Feature, Result<(), Lack>)>, LabError> {
    let (here, there) = (Namespace::new("probe")?, Namespace::new("probe")?);
    let mut results = Vec::new();
    for feature in Feature::ALL {
        let result = match feature {
            Feature::UserNamespaces => user_namespaces(*sandbox),
            Feature::Veth => veth(&here, &there).await,
            Feature::PacketSockets => {
                here.on_thread(|| packet::open().map(drop)).map_err(|error| lack(&error, MODULE_PACKET))
            }
        };
        results.push((feature, result));
    }
    Ok(results)
}

const MODULE_PACKET: &str = "load the kernel module af_packet (CONFIG_PACKET)";
const MODULE_VETH: &str = "load the kernel module veth (CONFIG_VETH)";

fn user_namespaces(sandbox: Sandbox) -> Result<(), Lack> {
    // A sandbox without root is the proof itself.
    if sandbox.rootless() {
        return Ok(());
    }
    // Root may always; what counts is what an ordinary user may.
    let mut command = std::process::Command::new("true");
    before_exec(&mut command, || Ok(enter_as_nobody()?));
    command.status().map(drop).map_err(|error| {
        let error = SandboxError::UserNamespace(error);
        Lack { reason: error.to_string(), remedy: error.remedy() }
    })
}

/// What the sandbox does, in a process that gives up being root first. Only calls the kernel.
fn enter_as_nobody() -> Result<(), Errno> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    // Who changed its user may not write its own maps until it is dumpable again.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let unshare = |kinds| unshare(kinds).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
    unshare(UnshareFlags::NEWUSER)?;
    for (path, text) in
        [(c"/proc/self/setgroups", "deny"), (c"/proc/self/uid_map", "0 65534 1"), (c"/proc/self/gid_map", "0 65534 1")]
    {
        let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, text.as_bytes())?;
    }
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET)
}

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

async fn veth(here: &Namespace, there: &Namespace) -> Result<(), Lack> {
    let links = Links::open(here).map_err(|error| lack(&error, MODULE_VETH))?;
    let end = |namespace, last| VethEnd { namespace, interface: "probe0", mac: MacAddress([2, 0, 0, 0, 0, last]) };
    links.add_veth(end(here, 1), end(there, 2), 1500).await.map_err(|error| lack(&error, MODULE_VETH))
}

fn lack(error: &LabError, remedy: &str) -> Lack {
    Lack { reason: error.source.to_string(), remedy: remedy.to_owned() }
}
