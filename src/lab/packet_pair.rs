//! A pair of sockets for whole messages: one end for a process that believes it talks to the kernel, one for us.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
    sockopt::set_socket_send_buffer_size,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::lab::sys::watch;

/// The longest message that is taken: the length of a PF_KEY message counts eight octets in 16 bits.
const LONGEST: usize = 8 * 65_535;

/// Room for messages the other end has not read, as the kernel grants it; more wait here.
const SEND_BUFFER: usize = 2 << 20;

/// Our end. Messages keep their borders and their order.
#[derive(Debug)]
pub struct PacketEnd {
    socket: AsyncFd<OwnedFd>,
    waiting: VecDeque<Vec<u8>>,
}

/// Makes a pair; the second end is what the other process gets, and does not block when `nonblocking`.
///
/// # Errors
/// When there are too many descriptors.
pub(in crate::lab) fn pair(nonblocking: bool) -> io::Result<(PacketEnd, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    rustix::io::ioctl_fionbio(&theirs, nonblocking)?;
    set_socket_send_buffer_size(&ours, SEND_BUFFER)?;
    Ok((PacketEnd { socket: watch(ours)?, waiting: VecDeque::new() }, theirs))
}

impl PacketEnd {
    /// Ready when there is a message to take, or the end of all. Sends what waited for room, as far as there is room now.
    ///
    /// # Errors
    /// When the other end is gone.
    pub fn poll_readable(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(message) = self.waiting.front() {
            match self.socket.poll_write_ready(context)? {
                Poll::Ready(mut ready) => match send(self.socket.get_ref(), message, SendFlags::NOSIGNAL) {
                    Ok(_) => drop(self.waiting.pop_front()),
                    Err(Errno::AGAIN) => ready.clear_ready(),
                    Err(error) => return Poll::Ready(Err(error.into())),
                },
                Poll::Pending => break,
            }
        }
        ready!(self.socket.poll_read_ready(context))?.retain_ready();
        Poll::Ready(Ok(()))
    }

    /// The next message, without waiting for one; `None` when the other process has closed its end.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when there is none yet; then [`Self::poll_readable`] waits for the next.
    pub fn take(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        buffer.resize(LONGEST, 0);
        let mut receive = |socket: &OwnedFd| Ok(recv(socket, &mut buffer[..], RecvFlags::DONTWAIT)?.0);
        let mut received = self.socket.try_io(Interest::READABLE, &mut receive);
        if matches!(&received, Err(error) if error.kind() == ErrorKind::WouldBlock) {
            // The runtime may not have heard yet of a message that is there.
            received = receive(self.socket.get_ref());
        }
        match received {
            Ok(0) => Ok(None),
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a message; when the other end has no room for it now, it is sent by [`Self::poll_readable`].
    pub fn send(&mut self, message: Vec<u8>) {
        if !self.waiting.is_empty() {
            return self.waiting.push_back(message);
        }
        // An end that is gone shows when it is read.
        if send(self.socket.get_ref(), &message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) == Err(Errno::AGAIN) {
            self.waiting.push_back(message);
        }
    }
}
