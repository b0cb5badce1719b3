//! ESP as an IP protocol of its own, in and out of the kernel's IP stack.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, SendFlags, recv, sendto};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::lab::LabError;
use crate::lab::sys::watch;

/// The IP protocol number of ESP.
const ESP: i32 = 50;

/// The longest IP packet.
const LONGEST: usize = 65_535;

/// A raw socket for ESP on one address of the calling process' network namespace.
#[derive(Debug)]
pub struct EspSocket {
    socket: AsyncFd<OwnedFd>,
}

impl EspSocket {
    /// Opens the socket on `local`.
    ///
    /// # Errors
    /// When raw sockets are refused or the address is not there.
    pub fn open_here(local: Ipv4Addr) -> Result<Self, LabError> {
        let open = || {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(ESP)))?;
            socket.bind(&SockAddr::from(SocketAddrV4::new(local, 0)))?;
            socket.set_nonblocking(true)?;
            watch(OwnedFd::from(socket))
        };
        let socket =
            open().map_err(|source| LabError::new(format!("opening a raw socket for ESP on {local}"), source))?;
        Ok(Self { socket })
    }

    /// Waits for the next ESP packet, and gives it with its IPv4 header. Cancel safe.
    ///
    /// # Errors
    /// When the socket is broken.
    pub async fn recv(&self) -> io::Result<Vec<u8>> {
        let mut packet = vec![0; LONGEST];
        loop {
            let mut ready = self.socket.readable().await?;
            let received = ready.try_io(|socket| Ok(recv(socket.get_ref(), &mut packet[..], RecvFlags::empty())?.0));
            if let Ok(result) = received {
                packet.truncate(result?);
                return Ok(packet);
            }
        }
    }

    /// Sends an ESP packet, SPI first, behind an IPv4 header the kernel makes.
    ///
    /// # Errors
    /// When there is no route, or the packet is too long.
    pub async fn send(&self, destination: Ipv4Addr, esp: &[u8]) -> io::Result<()> {
        let address = SocketAddrV4::new(destination, 0);
        loop {
            let mut ready = self.socket.writable().await?;
            let sent = ready.try_io(|socket| Ok(sendto(socket.get_ref(), esp, SendFlags::empty(), &address)?));
            if let Ok(result) = sent {
                return result.map(|_| ());
            }
        }
    }
}
