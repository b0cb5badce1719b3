//! Programs that find a key engine where the kernel has none.
//!
//! They run unmodified: a seccomp filter stops the few system calls that are meant for the kernel's IPsec, and the engine's
//! process, which holds the filter's listener, answers them (seccomp_unotify(2)). No privilege is needed for it beyond
//! those of a user namespace's root.
//!
//! | call | what becomes of it |
//! | --- | --- |
//! | `socket(PF_KEY, ..)` | a socket whose other end is the engine's |
//! | `setsockopt(IP_IPSEC_POLICY)`, `(IPV6_IPSEC_POLICY)` | success: the engine protects nothing that the process itself sends |
//! | `setsockopt(UDP_ENCAP)` | success: the socket gets no more ESP in UDP (RFC 3948), for the engine reads it elsewhere |
//! | `recvfrom` that peeks or must not wait | waits until the engine has answered all that was sent before |
//! | `poll` of one descriptor | the same |
//!
//! The last two are there because the kernel answers a PF_KEY message before `send` returns, and daemons count on it: racoon
//! gives up when the answer to its `SADB_REGISTER` is not there at once, openiked when `poll` has waited a millisecond.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use socket2::{SockFilter, SockRef};
use tokio::io::unix::AsyncFd;

use crate::lab::LabError;
use crate::lab::packet_pair::{self, PacketEnd};
use crate::lab::sys::seccomp::{self, Call, Condition, Rule, Verdict};
use crate::lab::sys::watch;

const IP_IPSEC_POLICY: u32 = 16;
const IPV6_IPSEC_POLICY: u32 = 34;
const UDP_ENCAP: u32 = 100;
/// The value of `UDP_ENCAP` for ESP in UDP as in RFC 3948.
const UDP_ENCAP_ESPINUDP: i32 = 2;
/// The one protocol of `PF_KEY`: RFC 2367's version.
const PF_KEY_V2: u64 = 2;
/// The bits of a socket's type that are no flags.
const SOCKET_TYPE: u64 = 0xf;

const RULES: &[Rule] = &[
    Rule { call: libc::SYS_socket, conditions: &[Condition::Is(0, libc::AF_KEY as u32)], verdict: Verdict::Ask },
    Rule {
        call: libc::SYS_setsockopt,
        conditions: &[Condition::Is(1, libc::IPPROTO_IP as u32), Condition::Is(2, IP_IPSEC_POLICY)],
        verdict: Verdict::Succeed,
    },
    Rule {
        call: libc::SYS_setsockopt,
        conditions: &[Condition::Is(1, libc::IPPROTO_IPV6 as u32), Condition::Is(2, IPV6_IPSEC_POLICY)],
        verdict: Verdict::Succeed,
    },
    Rule {
        call: libc::SYS_setsockopt,
        conditions: &[Condition::Is(1, libc::IPPROTO_UDP as u32), Condition::Is(2, UDP_ENCAP)],
        verdict: Verdict::Ask,
    },
    Rule {
        call: libc::SYS_recvfrom,
        conditions: &[Condition::HasAny(3, (libc::MSG_PEEK | libc::MSG_DONTWAIT) as u32)],
        verdict: Verdict::Ask,
    },
    // What the C library makes of poll(), on newer architectures and on others.
    Rule { call: libc::SYS_ppoll, conditions: &[Condition::Is(1, 1)], verdict: Verdict::Ask },
    #[cfg(target_arch = "x86_64")]
    Rule { call: libc::SYS_poll, conditions: &[Condition::Is(1, 1)], verdict: Verdict::Ask },
];

/// Puts the calling thread, and all it will start, under the engine that listens at `control`.
///
/// # Errors
/// When the engine does not answer, or the kernel refuses the filter; under an engine already, for one.
pub fn submit_to(control: &Path) -> Result<(), LabError> {
    let doing = || format!("asking the key engine at {}", control.display());
    let mut engine = UnixStream::connect(control).map_err(|source| LabError::new(doing(), source))?;
    let listener = seccomp::install(RULES).map_err(|source| LabError::new("installing a seccomp filter", source))?;
    let mut handing_over = || {
        let descriptors = [listener.as_fd()];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&engine, &[io::IoSlice::new(b"?")], &mut control, SendFlags::NOSIGNAL)?;
        engine.read_exact(&mut [0])
    };
    handing_over().map_err(|source| LabError::new(doing(), source))
}

/// What a process under the engine did.
#[derive(Debug)]
pub enum Intercepted {
    /// It opened a PF_KEY socket; this is the other end.
    KeySocket(PacketEnd),
    /// It means this socket to carry ESP in UDP as well. What is no IKE does not reach it from now on.
    Encapsulating(EncapsulatingSocket),
    /// It looks whether it has got something, and waits for [`Interception::proceed`].
    Looking(Waiting),
}

/// A call that waits.
#[derive(Debug)]
#[must_use = "the process waits for ever"]
pub struct Waiting(u64);

/// A UDP socket of a process under the engine.
#[derive(Debug)]
pub struct EncapsulatingSocket(OwnedFd);

impl EncapsulatingSocket {
    /// Where it is bound to; `None` until it is.
    pub fn local(&self) -> Option<SocketAddrV4> {
        let address = SockRef::from(&self.0).local_addr().ok()?.as_socket_ipv4()?;
        (address.port() != 0).then_some(address)
    }
}

/// The system calls of a process that came under the engine, and of all it starts.
#[derive(Debug)]
pub struct Interception {
    listener: AsyncFd<OwnedFd>,
}

impl Interception {
    /// Takes over what [`submit_to`] sends over `stream`.
    ///
    /// # Errors
    /// When something else comes.
    pub fn accept(stream: UnixStream) -> io::Result<Self> {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut octet = [0];
        recvmsg(&stream, &mut [io::IoSliceMut::new(&mut octet)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let listener = descriptor.ok_or_else(|| io::Error::other("no listener came with the request"))?;
        let listener = watch(listener)?;
        (&stream).write_all(b"!")?;
        Ok(Self { listener })
    }

    /// What is done next; `None` when every process is gone.
    ///
    /// # Errors
    /// When the listener is broken.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<io::Result<Option<Intercepted>>> {
        loop {
            let mut guard = ready!(self.listener.poll_read_ready(context))?;
            // Taking a call blocks when there is none, whatever the descriptor's flags are.
            let mut state = [PollFd::new(&self.listener, PollFlags::IN)];
            poll(&mut state, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            let state = state[0].revents();
            if state.contains(PollFlags::IN) {
                match seccomp::receive(&self.listener) {
                    Ok(call) => {
                        if let Some(intercepted) = self.judge(&call) {
                            return Poll::Ready(Ok(Some(intercepted)));
                        }
                    }
                    // Its process was interrupted or killed meanwhile.
                    Err(Errno::NOENT | Errno::INTR) => {}
                    Err(error) => return Poll::Ready(Err(error.into())),
                }
            } else if state.intersects(PollFlags::HUP | PollFlags::ERR) {
                return Poll::Ready(Ok(None));
            } else {
                guard.clear_ready();
            }
        }
    }

    /// Lets the call be carried out.
    pub fn proceed(&self, Waiting(id): Waiting) {
        // A process that was killed meanwhile wants no answer; the same holds below.
        let _ = seccomp::proceed(&self.listener, id);
    }

    fn judge(&self, call: &Call) -> Option<Intercepted> {
        match call.number {
            libc::SYS_socket => self.open(call),
            libc::SYS_setsockopt => self.encapsulate(call),
            _ => Some(Intercepted::Looking(Waiting(call.id))),
        }
    }

    /// As the kernel's `pfkey_create`: raw sockets of the one protocol.
    fn open(&self, call: &Call) -> Option<Intercepted> {
        let (kind, protocol) = (call.arguments[1], call.arguments[2]);
        let has = |flag: libc::c_int| kind & flag as u64 != 0;
        let opened = if kind & SOCKET_TYPE != libc::SOCK_RAW as u64 {
            Err(Errno::SOCKTNOSUPPORT)
        } else if protocol != PF_KEY_V2 {
            Err(Errno::PROTONOSUPPORT)
        } else {
            packet_pair::pair(has(libc::SOCK_NONBLOCK)).map_err(|error| errno(&error))
        };
        match opened {
            Ok((ours, theirs)) => {
                seccomp::answer_with(&self.listener, call.id, theirs, has(libc::SOCK_CLOEXEC)).ok()?;
                Some(Intercepted::KeySocket(ours))
            }
            Err(error) => {
                let _ = seccomp::answer(&self.listener, call.id, Err(error));
                None
            }
        }
    }

    fn encapsulate(&self, call: &Call) -> Option<Intercepted> {
        let socket = match self.socket_to_encapsulate(call) {
            Ok(Some(socket)) => socket,
            Ok(None) => {
                let _ = seccomp::proceed(&self.listener, call.id);
                return None;
            }
            Err(error) => {
                let _ = seccomp::answer(&self.listener, call.id, Err(errno(&error)));
                return None;
            }
        };
        seccomp::answer(&self.listener, call.id, Ok(())).ok()?;
        Some(Intercepted::Encapsulating(EncapsulatingSocket(socket)))
    }

    /// The socket of the call, which takes IKE only from now on; `None` when the call asks for anything but ESP in UDP.
    fn socket_to_encapsulate(&self, call: &Call) -> io::Result<Option<OwnedFd>> {
        let [descriptor, _, _, value, length, _] = call.arguments;
        let process = Pid::from_raw(call.thread).ok_or(Errno::SRCH)?;
        let mut option = [0; 4];
        if length < 4 {
            return Ok(None);
        }
        File::open(format!("/proc/{}/mem", process.as_raw_nonzero()))?.read_exact_at(&mut option, value)?;
        if i32::from_ne_bytes(option) != UDP_ENCAP_ESPINUDP {
            return Ok(None);
        }
        let process = pidfd_open(process, PidfdFlags::empty())?;
        if !seccomp::waits(&self.listener, call.id) {
            return Err(Errno::SRCH.into());
        }
        let socket = pidfd_getfd(&process, descriptor as i32, PidfdGetfdFlags::empty())?;
        take_ike_only(socket.as_fd())?;
        Ok(Some(socket))
    }
}

/// Has a UDP socket drop what does not begin with the four zero octets of a Non-ESP Marker (RFC 3948, 2.2), as the kernel
/// keeps ESP and NAT keepalives to itself.
fn take_ike_only(socket: BorrowedFd<'_>) -> io::Result<()> {
    /// The marker lies behind the UDP header.
    const MARKER: u32 = 8;
    let filter = [
        SockFilter::new((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, MARKER),
        SockFilter::new((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, 1, 0),
        SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, u32::MAX),
        SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0),
    ];
    SockRef::from(&socket).attach_filter(&filter)
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
