//! An IP protocol as it is, in and out of the kernel's IP stack: ESP, or UDP beside the kernel's own.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{RecvFlags, SendFlags, recv, sendto};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::lab::LabError;
use crate::lab::sys::watch;

/// The longest IP packet.
const LONGEST: usize = 65_535;

/// A raw socket for one protocol on one address of the calling process' network namespace.
#[derive(Debug)]
pub struct RawSocket {
    socket: AsyncFd<OwnedFd>,
}

impl RawSocket {
    /// Opens the socket for the IP protocol with this number on `local`. What other sockets get of the protocol, they get all the same.
    ///
    /// # Errors
    /// When raw sockets are refused or the address is not there.
    pub fn open_here(local: Ipv4Addr, protocol: u8) -> Result<Self, LabError> {
        let open = || {
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(protocol))))?;
            socket.bind(&SockAddr::from(SocketAddrV4::new(local, 0)))?;
            socket.set_nonblocking(true)?;
            watch(OwnedFd::from(socket))
        };
        let socket = open().map_err(|source| {
            LabError::new(format!("opening a raw socket for the IP protocol {protocol} on {local}"), source)
        })?;
        Ok(Self { socket })
    }

    /// Waits for the next packet, and gives it with its IPv4 header. Cancel safe.
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

    /// Sends `payload` behind an IPv4 header the kernel makes.
    ///
    /// # Errors
    /// When there is no route, or the packet is too long.
    pub async fn send(&self, destination: Ipv4Addr, payload: &[u8]) -> io::Result<()> {
        let address = SocketAddrV4::new(destination, 0);
        loop {
            let mut ready = self.socket.writable().await?;
            let sent = ready.try_io(|socket| Ok(sendto(socket.get_ref(), payload, SendFlags::empty(), &address)?));
            if let Ok(result) = sent {
                return result.map(|_| ());
            }
        }
    }
}
