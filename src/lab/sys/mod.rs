//! The system calls that no safe crate wraps: the only unsafe code of the lab.
#![expect(
    unsafe_code,
    reason = "fork, signal sets, packet sockets, interface ioctls, seccomp and pre_exec have no safe wrapper"
)]

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

pub(in crate::lab) mod interface;
pub(in crate::lab) mod packet;
pub(in crate::lab) mod process;
pub(in crate::lab) mod seccomp;
pub(in crate::lab) mod signal;

/// Has the current tokio runtime watch a file descriptor.
pub(in crate::lab) fn watch(descriptor: impl Into<OwnedFd>) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open, and stays the same descriptor, for as long as the AsyncFd owns it.
    Ok(unsafe { AsyncFd::register(descriptor.into()) }?)
}
