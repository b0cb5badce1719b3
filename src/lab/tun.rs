//! A TUN device: IP packets to and from the kernel's routing.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use tokio::io::unix::AsyncFd;

use crate::lab::LabError;
use crate::lab::namespace::Namespace;
use crate::lab::sys::{interface, watch};

/// The longest IP packet.
const LONGEST: usize = 65_535;

/// An interface whose other end is this value. It disappears when dropped.
///
/// Address, MTU, routes and `up` are set like any interface's, by [`crate::lab::link::Links`].
#[derive(Debug)]
pub struct Tun {
    device: AsyncFd<OwnedFd>,
    name: String,
}

impl Tun {
    /// Whether `/dev/net/tun` is there and ours to open.
    ///
    /// # Errors
    /// When it is not.
    pub fn usable() -> io::Result<()> {
        open_device().map(drop)
    }

    /// Makes the interface `name` in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When `/dev/net/tun` is not there or may not be opened, or `name` is taken.
    pub fn open_here(name: &str) -> Result<Self, LabError> {
        Self::watch(name, attach(name).map_err(|source| LabError::new(format!("making the TUN {name}"), source))?)
    }

    /// Makes the interface `name` in `namespace`.
    ///
    /// # Errors
    /// As [`Self::open_here`].
    pub fn open(namespace: &Namespace, name: &str) -> Result<Self, LabError> {
        Self::watch(name, namespace.on_thread(|| attach(name))?)
    }

    fn watch(name: &str, device: File) -> Result<Self, LabError> {
        let device = watch(device).map_err(|source| LabError::new(format!("watching {name}"), source))?;
        Ok(Self { device, name: name.to_owned() })
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits for the next IP packet the kernel routes out of the interface. Cancel safe.
    ///
    /// # Errors
    /// When the device is gone.
    pub async fn recv(&self) -> io::Result<Vec<u8>> {
        let mut packet = vec![0; LONGEST];
        loop {
            let mut ready = self.device.readable().await?;
            if let Ok(result) = ready.try_io(|device| Ok(rustix::io::read(device.get_ref(), &mut packet[..])?)) {
                packet.truncate(result?);
                packet.shrink_to_fit();
                return Ok(packet);
            }
        }
    }

    /// Hands an IP packet to the kernel, as if it had come in by the interface.
    ///
    /// # Errors
    /// When the interface is down, or it is no IP packet.
    pub async fn send(&self, packet: &[u8]) -> io::Result<()> {
        loop {
            let mut ready = self.device.writable().await?;
            if let Ok(result) = ready.try_io(|device| Ok(rustix::io::write(device.get_ref(), packet)?)) {
                return result.map(drop);
            }
        }
    }
}

/// Opens the device and makes it the interface `name` here.
fn attach(name: &str) -> io::Result<File> {
    let device = open_device()?;
    interface::attach_tun(device.as_fd(), name)?;
    Ok(device)
}

fn open_device() -> io::Result<File> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun");
    opened.map_err(|error| io::Error::new(error.kind(), format!("/dev/net/tun: {error}")))
}
