//! Packet sockets: binding, options and receiving with the kernel's time stamp.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;
use std::{io, mem};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// A received frame's metadata.
pub(in crate::lab) struct Header {
    /// Octets of the frame on the wire; more than the buffer holds when it was cut.
    pub(in crate::lab) len: usize,
    /// PACKET_HOST, PACKET_OUTGOING, ...
    pub(in crate::lab) packet_type: u8,
    /// The wall clock when the kernel took the frame.
    pub(in crate::lab) stamp: Option<Duration>,
}

/// A packet socket that receives nothing until it is bound.
pub(in crate::lab) fn open() -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking().cloexec(), Some(Protocol::from(0)))?;
    set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1)?;
    Ok(socket)
}

/// Binds to every protocol on the interface with this index.
pub(in crate::lab) fn bind(socket: &Socket, index: u32) -> io::Result<()> {
    // SAFETY: sockaddr_ll fits in the storage, and the length given is its own.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, len| {
            let address = storage.cast::<libc::sockaddr_ll>();
            (*address).sll_family = libc::AF_PACKET as u16;
            (*address).sll_protocol = (libc::ETH_P_ALL as u16).to_be();
            (*address).sll_ifindex = index.cast_signed();
            *len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })?
    };
    socket.bind(&address)
}

/// Takes frames for any hardware address.
pub(in crate::lab) fn promiscuous(socket: &Socket, index: u32) -> io::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: index.cast_signed(),
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &request)
}

/// Leaves out the frames that go out of the interface.
pub(in crate::lab) fn ignore_outgoing(socket: &Socket) -> io::Result<()> {
    set(socket.as_fd(), libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1)
}

/// Asks for a receive buffer of `octets`, beyond the system's limit where that is allowed.
pub(in crate::lab) fn receive_buffer(socket: &Socket, octets: u32) -> io::Result<()> {
    let octets = octets.cast_signed();
    set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &octets)
        .or_else(|_| set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &octets))
}

/// Sets DF on what `socket` sends, whatever is known of the path; or clears it and lets the first hop cut.
pub(in crate::lab) fn set_dont_fragment(socket: &Socket, dont_fragment: bool) -> io::Result<()> {
    let value = if dont_fragment { libc::IP_PMTUDISC_PROBE } else { libc::IP_PMTUDISC_DONT };
    set(socket.as_fd(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, &value)
}

/// Frames lost since the last call because the receive buffer was full.
pub(in crate::lab) fn take_drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut len = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` octets to `statistics`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut statistics).cast(),
            &raw mut len,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(statistics.tp_drops) }
}

/// Receives one frame into `buffer`.
pub(in crate::lab) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Header> {
    /// Room for control messages, aligned as the kernel wants it.
    #[repr(C, align(8))]
    struct Control([u8; 64]);

    let mut control = Control([0; 64]);
    // SAFETY: both are plain data, for which zeroes are valid.
    let (mut address, mut message): (libc::sockaddr_ll, libc::msghdr) = unsafe { (mem::zeroed(), mem::zeroed()) };
    let mut slice = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    message.msg_name = (&raw mut address).cast();
    message.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = control.0.len();
    // SAFETY: every pointer in `message` is to a live buffer of the length beside it.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_TRUNC | libc::MSG_DONTWAIT) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    Ok(Header { len, packet_type: address.sll_pkttype, stamp: stamp(&message) })
}

fn stamp(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the kernel filled in the control buffer; the CMSG macros stay within msg_controllen, and the time stamp is
    // read only from a message that is large enough for it.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            let wanted = (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_TIMESTAMPNS;
            if wanted && (*header).cmsg_len >= libc::CMSG_LEN(size_of::<libc::timespec>() as u32) as usize {
                let time = libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned();
                return Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?));
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    None
}

fn set<T>(socket: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads size_of::<T>() octets of `value`; every T used here is plain data.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (value as *const T).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
