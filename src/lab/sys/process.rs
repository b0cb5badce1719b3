//! Making processes.

use std::{io, process};

use rustix::process::Pid;

/// Which of the two processes one is after a fork.
pub(in crate::lab) enum Fork {
    /// The new process.
    Child,
    /// The process that forked, and the new one's id.
    Parent(Pid),
}

/// Forks a process that has one thread only.
///
/// With more threads the child could find a lock taken for ever, so that is refused.
pub(in crate::lab) fn fork_single_threaded() -> io::Result<Fork> {
    check_single_threaded()?;
    // SAFETY: there is no other thread whose locks or half-written data the child could see.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Pid::from_raw(pid).map_or(Fork::Child, Fork::Parent))
}

/// An error when this process has more than one thread.
pub(in crate::lab) fn check_single_threaded() -> io::Result<()> {
    match std::fs::read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        threads => Err(io::Error::other(format!("expected one thread, found {threads}"))),
    }
}

/// Leaves the calling thread's namespaces for new ones of the kinds in `flags`.
pub(in crate::lab) fn unshare(flags: rustix::thread::UnshareFlags) -> io::Result<()> {
    // SAFETY: FILES is never among the flags, so no file descriptor table is split under another thread's feet.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Has `prepare` run in the child between fork and exec.
///
/// `prepare` must not allocate, lock or panic: it may call the kernel, and read what was prepared before.
pub(in crate::lab) fn before_exec(
    command: &mut process::Command,
    prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    use std::os::unix::process::CommandExt;
    // SAFETY: every caller keeps to the rule above.
    unsafe { command.pre_exec(prepare) };
}
