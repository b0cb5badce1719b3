//! Network namespaces with an owner: dropped, they are gone.

use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io, thread};

use netns_rs::{Env, NetNs};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::lab::LabError;
use crate::lab::sys::interface;

/// Where namespaces are kept by name, in the sandbox's own /run; `ip netns` looks there.
pub(in crate::lab) const FOLDER: &str = "/run/netns";

struct Folder;

impl Env for Folder {
    fn persist_dir(&self) -> PathBuf {
        FOLDER.into()
    }
}

/// A network namespace that lives as long as this value.
///
/// IPv6 is off on its links, so that no router solicitation or duplicate address detection appears there, and loopback is
/// up.
pub struct Namespace {
    name: String,
    inner: Option<NetNs<Folder>>,
}

impl Namespace {
    /// A new namespace, named `label` and a number no other in this process has.
    ///
    /// # Errors
    /// When the kernel refuses: outside of a sandbox, for one.
    pub fn new(label: &str) -> Result<Self, LabError> {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let name = format!("{label}-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let inner = NetNs::new_with_env(&name, Folder)
            .map_err(|error| LabError::new(format!("making the network namespace {name}"), io::Error::other(error)))?;
        let namespace = Self { name, inner: Some(inner) };
        namespace.on_thread(|| {
            // For the links to come. For `all` the kernel wants a lock that many namespaces made at once fight for.
            set_sysctl("net/ipv6/conf/default/disable_ipv6", "1").or_else(absent)?;
            // These are inherited from the host, whose administrator may have set them.
            set_sysctl("net/ipv4/conf/all/rp_filter", "0")?;
            set_sysctl("net/ipv4/conf/default/rp_filter", "0")?;
            interface::set_up("lo")
        })?;
        Ok(namespace)
    }

    /// The name `ip netns` knows it by inside the sandbox.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that keeps it.
    pub fn path(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// Runs `f` on a fresh thread inside this namespace.
    ///
    /// Sockets that `f` opens stay in the namespace wherever they are used later. The thread ends with `f`, so nothing
    /// else can come to run in the namespace by mistake.
    ///
    /// # Errors
    /// What `f` returned, or that it panicked, which ends that thread only.
    pub fn on_thread<T: Send>(&self, f: impl FnOnce() -> io::Result<T> + Send) -> Result<T, LabError> {
        let entered = || {
            move_into_link_name_space(self.as_fd(), Some(LinkNameSpaceType::Network))?;
            f()
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name(self.name.clone()).spawn_scoped(scope, || {
                panic::catch_unwind(AssertUnwindSafe(entered))
                    .unwrap_or_else(|_| Err(io::Error::other("a thread inside the namespace panicked")))
            })?;
            thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread inside the namespace ended early")))
        })
        .map_err(|source| LabError::new(format!("in the network namespace {}", self.name), source))
    }

    /// Writes kernel settings, each a path below `/proc/sys` and its value.
    ///
    /// # Errors
    /// When one cannot be written.
    pub fn set_sysctls(&self, settings: &[(&str, &str)]) -> Result<(), LabError> {
        self.on_thread(|| settings.iter().try_for_each(|(path, value)| set_sysctl(path, value)))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_ref().expect("only drop takes it").file().as_fd()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take()
            && let Err(error) = inner.remove()
        {
            eprintln!("the network namespace {} stays until the run ends: {error}", self.name);
        }
    }
}

fn set_sysctl(path: &str, value: &str) -> io::Result<()> {
    let path = Path::new("/proc/sys").join(path);
    fs::write(&path, value).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// A kernel without IPv6 has none of its settings.
fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
