//! What this machine can do for the lab, tried out rather than guessed from versions.

use std::fmt;
use std::io;

use rtnetlink::sys::protocols::NETLINK_XFRM;
use rtnetlink::sys::{Socket as NetlinkSocket, SocketAddr};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::process::DumpableBehavior;
use rustix::thread::UnshareFlags;
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::LabError;
use crate::lab::link::{Links, VethEnd};
use crate::lab::namespace::Namespace;
use crate::lab::sandbox::{Sandbox, SandboxError};
use crate::lab::sys::packet;
use crate::lab::sys::process::{before_exec, unshare};
use crate::lab::tun;
use crate::wire::ethernet::MacAddress;

/// Something that a part of the lab, or an implementation, needs of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// User namespaces: the lab without root.
    UserNamespaces,
    /// veth pairs: every link of the lab.
    Veth,
    /// Packet sockets: the router, the internet and the captures.
    PacketSockets,
    /// TUN devices: the data path of builtin, vpnc and strongSwan's kernel-libipsec.
    Tun,
    /// ESP in the kernel by XFRM: libreswan, and strongSwan's kernel-netlink.
    KernelEsp,
    /// PF_KEY sockets in the kernel: setkey and racoon without the harness' own engine.
    PfKey,
}

impl Feature {
    /// All of them, the lab's own needs first.
    pub const ALL: [Self; 6] =
        [Self::UserNamespaces, Self::Veth, Self::PacketSockets, Self::Tun, Self::KernelEsp, Self::PfKey];
}

impl fmt::Display for Feature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::UserNamespaces => "user namespaces",
            Self::Veth => "veth links",
            Self::PacketSockets => "packet sockets",
            Self::Tun => "TUN devices",
            Self::KernelEsp => "kernel ESP",
            Self::PfKey => "kernel PF_KEY",
        })
    }
}

/// Why a feature is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// What was tried and what came of it.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// Tries every feature, in the sandbox and within a tokio runtime.
///
/// # Errors
/// When not even a network namespace can be made.
pub async fn probe(sandbox: &Sandbox) -> Result<Vec<(Feature, Result<(), Lack>)>, LabError> {
    let (here, there) = (Namespace::new("probe")?, Namespace::new("probe")?);
    let mut results = Vec::new();
    for feature in Feature::ALL {
        let result = match feature {
            Feature::UserNamespaces => user_namespaces(*sandbox),
            Feature::Veth => veth(&here, &there).await,
            Feature::PacketSockets => {
                here.on_thread(|| packet::open().map(drop)).map_err(|error| lack(&error, MODULE_PACKET))
            }
            Feature::Tun => here.on_thread(|| tun::attach("probe").map(drop)).map_err(|error| tun_lack(&error)),
            Feature::KernelEsp => here.on_thread(add_esp_state).map_err(|error| lack(&error, MODULE_ESP)),
            Feature::PfKey => here.on_thread(open_pf_key).map_err(|error| lack(&error, MODULE_PF_KEY)),
        };
        results.push((feature, result));
    }
    Ok(results)
}

const MODULE_PACKET: &str = "load the kernel module af_packet (CONFIG_PACKET)";
const MODULE_VETH: &str = "load the kernel module veth (CONFIG_VETH)";
const MODULE_ESP: &str = "as root outside of any container: modprobe esp4 (CONFIG_XFRM_USER, CONFIG_INET_ESP)";
const MODULE_PF_KEY: &str =
    "none needed: the harness serves PF_KEY itself; or, as root: modprobe af_key (CONFIG_NET_KEY)";

fn user_namespaces(sandbox: Sandbox) -> Result<(), Lack> {
    // A sandbox without root is the proof itself.
    if sandbox.rootless() {
        return Ok(());
    }
    // Root may always; what counts is what an ordinary user may.
    let mut command = std::process::Command::new("true");
    before_exec(&mut command, || Ok(enter_as_nobody()?));
    command.status().map(drop).map_err(|error| {
        let error = SandboxError::UserNamespace(error);
        Lack { reason: error.to_string(), remedy: error.remedy() }
    })
}

/// What the sandbox does, in a process that gives up being root first. Only calls the kernel.
fn enter_as_nobody() -> Result<(), Errno> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    // Who changed its user may not write its own maps until it is dumpable again.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    let unshare = |kinds| unshare(kinds).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
    unshare(UnshareFlags::NEWUSER)?;
    for (path, text) in
        [(c"/proc/self/setgroups", "deny"), (c"/proc/self/uid_map", "0 65534 1"), (c"/proc/self/gid_map", "0 65534 1")]
    {
        let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, text.as_bytes())?;
    }
    unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET)
}

/// The user and group `nobody`.
const NOBODY: u32 = 65_534;

async fn veth(here: &Namespace, there: &Namespace) -> Result<(), Lack> {
    let links = Links::open(here).map_err(|error| lack(&error, MODULE_VETH))?;
    let end = |namespace, last| VethEnd { namespace, interface: "probe0", mac: MacAddress([2, 0, 0, 0, 0, last]) };
    links.add_veth(end(here, 1), end(there, 2), 1500).await.map_err(|error| lack(&error, MODULE_VETH))
}

fn tun_lack(error: &LabError) -> Lack {
    let remedy = match error.source.kind() {
        io::ErrorKind::PermissionDenied => "as root: chmod 0666 /dev/net/tun; or run as root",
        io::ErrorKind::NotFound => {
            "as root: modprobe tun; in a container: --device /dev/net/tun, or mknod /dev/net/tun c 10 200"
        }
        _ => "load the kernel module tun (CONFIG_TUN)",
    };
    lack(error, remedy)
}

fn lack(error: &LabError, remedy: &str) -> Lack {
    Lack { reason: error.source.to_string(), remedy: remedy.to_owned() }
}

fn open_pf_key() -> io::Result<()> {
    /// PF_KEY_V2 of RFC 2367.
    const PF_KEY_V2: i32 = 2;
    Socket::new(Domain::from(libc::AF_KEY), Type::RAW, Some(Protocol::from(PF_KEY_V2))).map(drop)
}

/// Adds an ESP security association to the kernel as a key daemon would: AES-CBC with HMAC-SHA1 in tunnel mode.
fn add_esp_state() -> io::Result<()> {
    let mut socket = NetlinkSocket::new(NETLINK_XFRM)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&new_sa_request(), 0)?;
    let (answer, _) = socket.recv_from_full()?;
    // struct nlmsghdr, then the error number of NLMSG_ERROR; zero is the acknowledgement.
    let errno = answer.get(16..20).and_then(|octets| octets.try_into().ok()).map(i32::from_ne_bytes);
    match errno {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
        None => Err(Errno::PROTO.into()),
    }
}

/// An XFRM_MSG_NEWSA request (linux/xfrm.h).
fn new_sa_request() -> Vec<u8> {
    const NLM_F_REQUEST_ACK: u16 = 0x5;
    const XFRM_MSG_NEWSA: u16 = 0x10;
    const XFRMA_ALG_AUTH: u16 = 1;
    const XFRMA_ALG_CRYPT: u16 = 2;
    const USERSA_INFO: usize = 224;
    let mut info = vec![0_u8; USERSA_INFO];
    // id: destination, SPI, protocol; then the source address behind it.
    info[56..60].copy_from_slice(&[192, 0, 2, 2]);
    info[72..76].copy_from_slice(&0x1000_u32.to_be_bytes());
    info[76] = 50;
    info[80..84].copy_from_slice(&[192, 0, 2, 1]);
    // Limits: without them the association expires at once.
    info[96..128].fill(0xff);
    // After limits, counters and statistics: sequence and request id, then family, mode (tunnel) and replay window.
    info[212..214].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    info[214] = 1;
    info[215] = 32;
    let mut body = info;
    body.extend(algorithm(XFRMA_ALG_AUTH, "hmac(sha1)", 20));
    body.extend(algorithm(XFRMA_ALG_CRYPT, "cbc(aes)", 16));
    let mut message = Vec::new();
    message.extend_from_slice(&(16 + body.len() as u32).to_ne_bytes());
    message.extend_from_slice(&XFRM_MSG_NEWSA.to_ne_bytes());
    message.extend_from_slice(&NLM_F_REQUEST_ACK.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&body);
    message
}

/// struct xfrm_algo in its attribute, with a key of `octets`.
fn algorithm(kind: u16, name: &str, octets: u8) -> Vec<u8> {
    let mut attribute = Vec::new();
    attribute.extend_from_slice(&(4 + 68 + u16::from(octets)).to_ne_bytes());
    attribute.extend_from_slice(&kind.to_ne_bytes());
    let mut field = [0; 64];
    field[..name.len()].copy_from_slice(name.as_bytes());
    attribute.extend_from_slice(&field);
    attribute.extend_from_slice(&(u32::from(octets) * 8).to_ne_bytes());
    attribute.extend(0..octets);
    attribute
}
