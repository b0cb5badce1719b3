//! The sandbox: user, mount, pid, network, IPC and UTS namespaces of the run's own, of which nothing is left when it ends.
//!
//! Three processes: the one the user started waits, passes SIGINT and SIGTERM on and ends with the worker's status. Its
//! child is process 1 of the new pid namespace and only reaps; it dies with its parent, and with it the kernel ends every
//! process inside, and so every namespace and mount. The worker, process 2, is the one that goes on: what it spawns is its
//! own to wait for, and orphans go to process 1.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::{fs, io, process};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use rustix::thread::UnshareFlags;

use crate::diag::Diagnostic;
use crate::lab::namespace;
use crate::lab::sys::interface;
use crate::lab::sys::process::{Fork, check_single_threaded, fork_single_threaded, unshare};
use crate::lab::sys::signal::Blocked;

/// The sandbox this process is in.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox {
    rootless: bool,
    outer_pid: Option<i32>,
}

impl Sandbox {
    /// Whether it has a user namespace of its own.
    pub fn rootless(&self) -> bool {
        self.rootless
    }

    /// The command that opens a shell inside from another terminal.
    pub fn join_command(&self) -> Option<String> {
        let user = if self.rootless { "-U --preserve-credentials " } else { "" };
        Some(format!("nsenter -t {} {user}-m -n -i -u -p", self.outer_pid?))
    }
}

/// Why the sandbox could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The process already has more than one thread, or cannot be forked.
    #[error("cannot start the sandbox's first process: {0}")]
    Fork(#[source] io::Error),
    /// The system refuses user namespaces to this user.
    #[error("this system lets an ordinary user make no user namespace: {0}")]
    UserNamespace(#[source] io::Error),
    /// The user namespace came without rights over itself.
    #[error("the user namespace is powerless: {doing} failed: {source}")]
    Powerless {
        /// The first thing that was refused.
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Mount, pid, network, IPC or UTS namespaces were refused.
    #[error("no mount, pid, network, IPC and UTS namespaces: {0}")]
    Namespaces(#[source] io::Error),
    /// A mount of the sandbox failed.
    #[error("cannot mount {what}: {source}")]
    Mount {
        /// What was to be mounted where.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The loopback interface could not be set up.
    #[error("cannot set the loopback interface up: {0}")]
    Loopback(#[source] io::Error),
}

impl SandboxError {
    /// What to do about it, from what the system's switches say now.
    pub fn remedy(&self) -> String {
        match self {
            Self::Fork(_) => "raise the limit of processes (ulimit -u); start no thread before".to_owned(),
            Self::UserNamespace(_) | Self::Powerless { .. } => user_namespace_remedy(),
            Self::Namespaces(_) => {
                "run as root with CAP_SYS_ADMIN and CAP_NET_ADMIN; in a container: --privileged, or \
                                    --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined"
                    .to_owned()
            }
            Self::Mount { .. } => "in a container: --privileged, or --security-opt systempaths=unconfined with \
                                   --security-opt apparmor=unconfined"
                .to_owned(),
            Self::Loopback(_) => "run as root with CAP_NET_ADMIN".to_owned(),
        }
    }

    /// The error as it is shown; the command line ends with status 3 after it.
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::plain(self.to_string()).with_help(self.remedy())
    }
}

/// Enters the sandbox. To be called on the first line of `main`, before any thread exists.
///
/// It returns in the worker, a new process; the calling process never returns from it unless the sandbox cannot be made.
///
/// # Errors
/// Typed, with a remedy: see [`SandboxError`].
pub fn enter() -> Result<Sandbox, SandboxError> {
    check_single_threaded().map_err(SandboxError::Fork)?;
    let signals = Blocked::new(&[libc::SIGINT, libc::SIGTERM, libc::SIGCHLD]).map_err(SandboxError::Fork)?;
    let rootless = match leave_namespaces() {
        Ok(rootless) => rootless,
        Err(error) => {
            signals.restore();
            return Err(error);
        }
    };
    // The reading end tells process 1 whether its parent still lives: in a new pid namespace getppid says 0 either way.
    let (alive, kept_open) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|error| SandboxError::Fork(error.into()))?;
    match fork_single_threaded().map_err(SandboxError::Fork)? {
        Fork::Parent(init) => {
            drop(alive);
            wait_for(init, &signals, kept_open)
        }
        Fork::Child => drop(kept_open),
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| SandboxError::Fork(e.into()))?;
    if parent_is_gone(&alive) {
        process::exit(128 + libc::SIGKILL);
    }
    match fork_single_threaded().map_err(SandboxError::Fork)? {
        Fork::Parent(worker) => wait_for(worker, &signals, alive),
        Fork::Child => {}
    }
    drop(alive);
    signals.restore();
    // The old /proc still names processes by their outer ids.
    let outer_pid = fs::read_link("/proc/self").ok().and_then(|pid| pid.to_str()?.parse().ok());
    mount_private()?;
    interface::set_up("lo").map_err(SandboxError::Loopback)?;
    Ok(Sandbox { rootless, outer_pid })
}

/// Unshares everything, with a user namespace where the process may not do so without; says whether it needed one.
fn leave_namespaces() -> Result<bool, SandboxError> {
    let kinds =
        UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWNET | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    if uid.is_root() {
        match unshare(kinds) {
            Ok(()) => return Ok(false),
            // Root without capabilities, as in a plain container.
            Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => {}
            Err(error) => return Err(SandboxError::Namespaces(error)),
        }
    }
    unshare(UnshareFlags::NEWUSER).map_err(SandboxError::UserNamespace)?;
    for (file, text) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {} 1", uid.as_raw())),
        ("/proc/self/gid_map", format!("0 {} 1", gid.as_raw())),
    ] {
        fs::write(file, text).map_err(|source| SandboxError::Powerless { doing: "mapping the user", source })?;
    }
    // AppArmor and SELinux let the user namespace be made and then refuse what it is for.
    unshare(kinds).map_err(|source| SandboxError::Powerless { doing: "making namespaces in it", source })?;
    Ok(true)
}

/// Waits for `child`, reaping whatever else is handed over, and ends with its status.
///
/// SIGINT and SIGTERM from another process are passed on; the terminal sends its own to all of the group. `lifeline` is held
/// open, and so tells the other side whether this process is alive.
fn wait_for(child: Pid, signals: &Blocked, lifeline: OwnedFd) -> ! {
    loop {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == child => {
                    drop(lifeline);
                    process::exit(exit_code(status));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) | Err(_) => break,
            }
        }
        let signal = signals.wait();
        if signal.from_process {
            let passed_on = match signal.number {
                libc::SIGINT => Signal::INT,
                libc::SIGTERM => Signal::TERM,
                _ => continue,
            };
            // The child may be gone already; then its status is next.
            let _ = rustix::process::kill_process(child, passed_on);
        }
    }
}

fn exit_code(status: WaitStatus) -> i32 {
    status.exit_status().or_else(|| Some(128 + status.terminating_signal()?)).unwrap_or(1)
}

fn parent_is_gone(alive: &OwnedFd) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut poll = [PollFd::new(alive, PollFlags::empty())];
    rustix::event::poll(&mut poll, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Cuts the mounts off from the outside, and lays a /proc and an empty /run of our own over the outer ones.
fn mount_private() -> Result<(), SandboxError> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |errno: Errno| SandboxError::Mount { what, source: errno.into() }
    };
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(failed("everything privately"))?;
    let plain = MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("proc", "/proc", "proc", plain | MountFlags::NOEXEC, None).map_err(failed("proc on /proc"))?;
    rustix::mount::mount("tmpfs", "/run", "tmpfs", plain, c"mode=755").map_err(failed("tmpfs on /run"))?;
    let folder = Path::new(namespace::FOLDER);
    fs::create_dir_all(folder).map_err(|source| SandboxError::Mount { what: folder.display().to_string(), source })?;
    // Shared, so that a namespace removed here is let go by the mount namespaces of the processes too.
    rustix::mount::mount_bind(folder, folder).map_err(failed("the folder of namespaces"))?;
    rustix::mount::mount_change(folder, MountPropagationFlags::SHARED).map_err(failed("the folder of namespaces"))
}

fn user_namespace_remedy() -> String {
    let switch = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let mut ways = Vec::new();
    if switch("/proc/sys/kernel/unprivileged_userns_clone").as_deref() == Some("0") {
        ways.push("sysctl -w kernel.unprivileged_userns_clone=1");
    }
    if switch("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").is_some_and(|value| value != "0") {
        ways.push("sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    }
    if switch("/proc/sys/user/max_user_namespaces").as_deref() == Some("0") {
        ways.push("sysctl -w user.max_user_namespaces=10000");
    }
    if ways.is_empty() {
        ways.push("in a container: --security-opt seccomp=unconfined");
    }
    format!("as root: {}; or run as root", ways.join(" and "))
}
