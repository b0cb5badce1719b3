//! A raw Ethernet port on an interface: frames in with the kernel's time stamps, frames out.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use socket2::{SockRef, Socket};
use tokio::io::unix::AsyncFd;

use crate::lab::LabError;
use crate::lab::clock::Clock;
use crate::lab::namespace::Namespace;
use crate::lab::sys::{interface, packet, watch};
use crate::time::Instant;
use crate::wire::ethernet::MacAddress;

/// Room beyond the MTU: the Ethernet header and a VLAN tag.
const LINK_HEADER: usize = 18;

/// What a port takes in.
#[derive(Clone, Copy, Debug)]
pub struct PortOptions {
    /// Also frames for other hardware addresses.
    pub promiscuous: bool,
    /// Also frames that leave the interface by another socket or the kernel. A port never receives what it sent itself.
    pub outgoing: bool,
    /// Receive buffer in octets; the system may grant less.
    pub receive_buffer: u32,
}

impl Default for PortOptions {
    /// What a router wants: frames that come in, for anyone.
    fn default() -> Self {
        Self { promiscuous: true, outgoing: false, receive_buffer: 8 << 20 }
    }
}

/// Which way a frame passed the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Into the namespace.
    In,
    /// Out of the namespace.
    Out,
}

/// A frame and how it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// When the kernel took it.
    pub at: Instant,
    /// Which way it went.
    pub direction: Direction,
    /// The Ethernet frame, without its check sequence.
    pub bytes: Vec<u8>,
}

/// A packet socket bound to one interface of a namespace.
#[derive(Debug)]
pub struct FramePort {
    socket: AsyncFd<OwnedFd>,
    clock: Clock,
    capacity: usize,
    mac: MacAddress,
    lost: AtomicU64,
    /// When the last frame came in.
    last: Mutex<Instant>,
}

/// A packet socket, and what is known of its interface.
struct Bound {
    socket: Socket,
    capacity: usize,
    mac: MacAddress,
}

impl Bound {
    fn open(interface: &str, options: PortOptions) -> io::Result<Self> {
        let socket = packet::open()?;
        let index = interface::index(interface)?;
        packet::receive_buffer(&socket, options.receive_buffer)?;
        if !options.outgoing {
            packet::ignore_outgoing(&socket)?;
        }
        if options.promiscuous {
            packet::promiscuous(&socket, index)?;
        }
        packet::bind(&socket, index)?;
        let capacity = interface::mtu(interface)? as usize + LINK_HEADER;
        Ok(Self { socket, capacity, mac: MacAddress(interface::hardware_address(interface)?) })
    }
}

impl FramePort {
    /// Opens a port on `interface` of `namespace`. To be called on the thread of the tokio runtime that will use it.
    ///
    /// # Errors
    /// When the interface is not there, or packet sockets are refused.
    pub fn open(namespace: &Namespace, interface: &str, options: PortOptions, clock: Clock) -> Result<Self, LabError> {
        Self::watch(namespace.on_thread(|| Bound::open(interface, options))?, interface, clock)
    }

    /// Opens a port on `interface` of the network namespace that the calling thread is in.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_here(interface: &str, options: PortOptions, clock: Clock) -> Result<Self, LabError> {
        let bound = Bound::open(interface, options)
            .map_err(|source| LabError::new(format!("opening a packet socket on {interface}"), source))?;
        Self::watch(bound, interface, clock)
    }

    fn watch(bound: Bound, interface: &str, clock: Clock) -> Result<Self, LabError> {
        let Bound { socket, capacity, mac } = bound;
        let socket = watch(socket).map_err(|source| LabError::new(format!("watching {interface}"), source))?;
        Ok(Self { socket, clock, capacity, mac, lost: AtomicU64::new(0), last: Mutex::default() })
    }

    /// The interface's hardware address.
    pub fn mac(&self) -> MacAddress {
        self.mac
    }

    /// Waits for the next frame. Cancel safe: a frame is either returned or left in the queue.
    ///
    /// # Errors
    /// When the interface went down or away, or a frame was longer than the MTU that was in force at [`Self::open`].
    pub async fn recv(&self) -> io::Result<Received> {
        loop {
            let mut ready = self.socket.readable().await?;
            if let Ok(result) = ready.try_io(|_| self.receive()) {
                return result;
            }
        }
    }

    /// The next frame, if one is waiting.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn try_recv(&self) -> io::Result<Option<Received>> {
        match self.receive() {
            Ok(frame) => Ok(Some(frame)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a whole Ethernet frame, without its check sequence.
    ///
    /// # Errors
    /// When the interface is down or the frame is too long for it.
    pub async fn send(&self, frame: &[u8]) -> io::Result<()> {
        loop {
            match SockRef::from(self.socket.get_ref()).send(frame) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.writable().await?.clear_ready();
                }
                result => return result.map(drop),
            }
        }
    }

    /// How many frames this port lost so far because nobody took them in time.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn lost(&self) -> io::Result<u64> {
        let now = u64::from(packet::take_drops(self.socket.get_ref().as_fd())?);
        Ok(self.lost.fetch_add(now, Ordering::Relaxed) + now)
    }

    /// Closes ports side by side. The kernel lets a packet socket go only when no processor can be using it any more, some
    /// ten milliseconds, and those who wait at the same time wait once.
    pub fn close(ports: impl IntoIterator<Item = Self>) {
        std::thread::scope(|scope| {
            for port in ports {
                let socket = port.socket.into_inner();
                scope.spawn(move || drop(socket));
            }
        });
    }

    fn receive(&self) -> io::Result<Received> {
        let mut bytes = vec![0; self.capacity];
        let header = packet::receive(self.socket.get_ref().as_fd(), &mut bytes)?;
        if header.len > bytes.len() {
            let message = format!("a frame of {} octets, expected at most {}", header.len, bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        bytes.truncate(header.len);
        // The socket gives frames in their order, which the conversion of their time stamps must not change.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let at = header.stamp.map_or_else(|| self.clock.now(), |stamp| self.clock.at_stamp(stamp)).max(*last);
        *last = at;
        drop(last);
        let direction = if header.packet_type == libc::PACKET_OUTGOING { Direction::Out } else { Direction::In };
        Ok(Received { at, direction, bytes })
    }
}
