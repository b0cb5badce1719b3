//! What happens between fork and exec. All of it is prepared before the fork: the child only calls the kernel.

use std::ffi::{CString, OsStr};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags};
use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::{Program, c_string, namespace_of};
use crate::lab::LabError;
use crate::lab::namespace::Namespace;
use crate::lab::sys::process::{before_exec, unshare};

/// The way of a new process into its namespaces.
pub(super) struct Entry {
    network: OwnedFd,
    mounts: Mounts,
    working_folder: CString,
    labels: Vec<String>,
    report: Option<PipeWriter>,
}

enum Mounts {
    /// Those of another process, whose root is found there.
    Of { namespace: OwnedFd, root: PathBuf },
    /// A copy of ours with changes.
    Own { private: Vec<Private>, binds: Vec<Laid> },
}

/// A tmpfs.
struct Private {
    target: CString,
    options: &'static std::ffi::CStr,
    make: Vec<CString>,
}

/// A bind mount.
struct Laid {
    source: CString,
    target: CString,
    /// The folders to make for it, and whether the target itself is a file to make.
    make: Vec<CString>,
    make_file: bool,
    tree: Option<OwnedFd>,
}

/// Tells which step failed in the child.
pub(super) struct FailureReport {
    labels: Vec<String>,
    reader: PipeReader,
}

impl Entry {
    /// Into `namespace`, with a copy of our mounts changed as `program` wants it.
    pub(super) fn own_mounts(namespace: &Namespace, program: &Program) -> Result<Self, LabError> {
        let prepare = || -> io::Result<Mounts> {
            let mut folders = vec![PathBuf::from("/run"), PathBuf::from("/tmp")];
            folders.extend(program.private_folders.iter().cloned());
            let private =
                (0..folders.len()).map(|at| Private::new(&folders[at], &folders[..at])).collect::<Result<_, _>>()?;
            let binds = program.binds.iter().map(|bind| Laid::new(&bind.source, &bind.target, &folders));
            Ok(Mounts::Own { private, binds: binds.collect::<Result<_, _>>()? })
        };
        let mounts = prepare().map_err(|source| failed(program, source))?;
        let network = namespace.as_fd().try_clone_to_owned().map_err(|source| failed(program, source))?;
        Self::new(network, program, mounts)
    }

    /// Where the process `pid` is, with its mounts.
    pub(super) fn beside(program: &Program, pid: Pid) -> Result<Self, LabError> {
        let of = |kind| namespace_of(pid, kind).map_err(|source| failed(program, source));
        let root = format!("/proc/{}/root", pid.as_raw_nonzero()).into();
        Self::new(of("net")?, program, Mounts::Of { namespace: of("mnt")?, root })
    }

    fn new(network: OwnedFd, program: &Program, mounts: Mounts) -> Result<Self, LabError> {
        let prepare = || -> io::Result<Self> {
            let working_folder = match &program.working_folder {
                Some(folder) => folder.clone(),
                None => visible(std::env::current_dir()?, &mounts),
            };
            let mut labels = vec!["entering the namespaces".to_owned()];
            if let Mounts::Own { private, binds } = &mounts {
                labels.extend(binds.iter().map(|bind| format!("reading {}", bind.source.to_string_lossy())));
                labels.extend(private.iter().map(|one| format!("a private {}", one.target.to_string_lossy())));
                labels.extend(binds.iter().map(|bind| format!("binding to {}", bind.target.to_string_lossy())));
            }
            labels.push(format!("changing to {}", working_folder.display()));
            Ok(Self { network, mounts, working_folder: c_string(&working_folder)?, labels, report: None })
        };
        prepare().map_err(|source| failed(program, source))
    }

    /// What to ask which step failed, after the start failed.
    pub(super) fn failure_report(&mut self) -> io::Result<FailureReport> {
        let (reader, writer) = io::pipe()?;
        self.report = Some(writer);
        Ok(FailureReport { labels: self.labels.clone(), reader })
    }

    /// Has `command` go this way.
    pub(super) fn install(mut self, command: &mut std::process::Command) {
        before_exec(command, move || {
            let mut step = 0;
            let result = self.enter(&mut step);
            if result.is_err()
                && let Some(report) = &self.report
            {
                // Without the report the error itself still arrives.
                let _ = rustix::io::write(report, &[step]);
            }
            Ok(result?)
        });
    }

    /// Runs in the child. `step` counts as the labels do.
    fn enter(&mut self, step: &mut u8) -> Result<(), Errno> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        move_into_link_name_space(self.network.as_fd(), Some(LinkNameSpaceType::Network))?;
        match &mut self.mounts {
            Mounts::Of { namespace, .. } => {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
            }
            Mounts::Own { private, binds } => change_mounts(private, binds, step)?,
        }
        *step += 1;
        rustix::process::chdir(self.working_folder.as_c_str())
    }
}

impl FailureReport {
    /// The step that failed; `None` when it was the exec itself. To be asked when the command is dropped, and with it
    /// our writing end of the report.
    pub(super) fn step(&mut self) -> Option<&str> {
        let mut step = [0];
        self.reader.read_exact(&mut step).ok()?;
        self.labels.get(usize::from(step[0])).map(String::as_str)
    }
}

impl Private {
    fn new(folder: &Path, before: &[PathBuf]) -> io::Result<Self> {
        let options = if folder == Path::new("/tmp") { c"mode=1777" } else { c"mode=755" };
        Ok(Self { target: c_string(folder)?, options, make: folders_to_make(folder, before)? })
    }
}

impl Laid {
    fn new(source: &Path, target: &Path, private: &[PathBuf]) -> io::Result<Self> {
        let is_file = !std::fs::metadata(source)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", source.display())))?
            .is_dir();
        let mut make = folders_to_make(target, private)?;
        let make_file = is_file && make.pop().is_some();
        Ok(Self { source: c_string(source)?, target: c_string(target)?, make, make_file, tree: None })
    }
}

/// The folder, or the root where a private folder hides it: the harness may well have been started below `/tmp`.
fn visible(folder: PathBuf, mounts: &Mounts) -> PathBuf {
    let hides = |one: &Private| folder.starts_with(OsStr::from_bytes(one.target.as_bytes()));
    match mounts {
        Mounts::Own { private, .. } if private.iter().any(hides) => PathBuf::from("/"),
        Mounts::Of { root, .. } if !root.join(folder.strip_prefix("/").unwrap_or(&folder)).is_dir() => {
            PathBuf::from("/")
        }
        _ => folder,
    }
}

/// The folders between a private folder and `target`, itself included, outermost first.
fn folders_to_make(target: &Path, private: &[PathBuf]) -> io::Result<Vec<CString>> {
    let Some(above) =
        private.iter().filter(|folder| target.starts_with(folder)).max_by_key(|folder| folder.as_os_str().len())
    else {
        return Ok(Vec::new());
    };
    let mut folders: Vec<_> =
        target.ancestors().take_while(|folder| folder != above).map(c_string).collect::<Result<_, _>>()?;
    folders.reverse();
    Ok(folders)
}

fn change_mounts(private: &[Private], binds: &mut [Laid], step: &mut u8) -> Result<(), Errno> {
    unshare(UnshareFlags::NEWNS).map_err(|error| errno(&error))?;
    // Nothing we mount goes out, but what is unmounted outside goes here too: else we would keep namespaces alive.
    rustix::mount::mount_change(c"/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    // All sources first: a private folder may come to lie over one.
    for bind in binds.iter_mut() {
        *step += 1;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        bind.tree = Some(rustix::mount::open_tree(CWD, bind.source.as_c_str(), flags)?);
    }
    for one in private {
        *step += 1;
        make(&one.make)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount(c"tmpfs", one.target.as_c_str(), c"tmpfs", flags, one.options)?;
    }
    for bind in binds {
        *step += 1;
        make(&bind.make)?;
        if bind.make_file {
            let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
            rustix::fs::open(bind.target.as_c_str(), flags, Mode::from_raw_mode(0o644))?;
        }
        if let Some(tree) = &bind.tree {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            rustix::mount::move_mount(tree, c"", CWD, bind.target.as_c_str(), flags)?;
        }
    }
    Ok(())
}

fn make(folders: &[CString]) -> Result<(), Errno> {
    for folder in folders {
        match rustix::fs::mkdir(folder.as_c_str(), Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

fn failed(program: &Program, source: io::Error) -> LabError {
    LabError::new(format!("starting {}", program.executable.display()), source)
}
