//! What this machine has that implementations need.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};

use crate::implementations::{DataPath, Way};
use crate::lab::probe::Lack;

/// What implementations find on this machine. Probed once, inside the sandbox.
#[derive(Clone, Debug)]
pub struct Host {
    /// Where programs are that the user has told, by their names.
    pub programs: BTreeMap<String, PathBuf>,
    /// Folders that packages are unpacked in, instead of being installed: programs are looked for there first.
    /// IKE_INTEROP_PREFIX names them, separated by colons.
    pub prefixes: Vec<PathBuf>,
    /// Where other programs are looked for, after the folders an implementation knows itself.
    pub path: Vec<PathBuf>,
    /// Whether `/dev/net/tun` can be opened.
    pub tun: Result<(), Lack>,
    /// Whether the kernel takes ESP SAs.
    pub kernel_esp: Result<(), Lack>,
    /// Whether the kernel has PF_KEY sockets.
    pub pf_key: Result<(), Lack>,
    /// Whether one process can answer system calls of another (seccomp_unotify(2)).
    pub system_call_notification: Result<(), Lack>,
    /// What programs have said of themselves, by their command lines.
    pub(crate) said: Arc<Mutex<BTreeMap<String, Result<String, String>>>>,
}

impl Host {
    /// Looks at this machine. The network namespace it runs in is left as it was.
    pub fn probe() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let prefixes = std::env::var_os("IKE_INTEROP_PREFIX").unwrap_or_default();
        Self {
            programs: BTreeMap::new(),
            prefixes: std::env::split_paths(&prefixes).filter(|prefix| !prefix.as_os_str().is_empty()).collect(),
            path: std::env::split_paths(&path).collect(),
            tun: probe_tun(Path::new("/dev/net/tun")),
            kernel_esp: xfrm::probe().map_err(|error| Lack {
                reason: format!("the kernel takes no ESP SA: {error}"),
                remedy: "as root: modprobe -a xfrm_user esp4 (CONFIG_XFRM_USER, CONFIG_INET_ESP); or a virtual machine that has them, as in ci/kernel".to_owned(),
            }),
            pf_key: probe_pf_key().map_err(|error| Lack {
                reason: format!("the kernel has no PF_KEY: {error}"),
                remedy: "as root: modprobe af_key (CONFIG_NET_KEY)".to_owned(),
            }),
            system_call_notification: probe_system_call_notification(),
            said: Arc::default(),
        }
    }

    /// A machine that has nothing.
    #[cfg(test)]
    pub(crate) fn bare() -> Self {
        let lacking = || Err(Lack { reason: "no".to_owned(), remedy: "another machine".to_owned() });
        Self {
            programs: BTreeMap::new(),
            prefixes: Vec::new(),
            path: Vec::new(),
            tun: lacking(),
            kernel_esp: lacking(),
            pf_key: lacking(),
            system_call_notification: lacking(),
            said: Arc::default(),
        }
    }

    /// What `program` prints to standard output when it is run with `arguments`, or why it cannot be run.
    pub(super) fn output_of(&self, program: &Path, arguments: &[&str]) -> Result<String, String> {
        self.output_with(program, arguments, &BTreeMap::new())
    }

    /// The same with further environment variables.
    pub(super) fn output_with(
        &self,
        program: &Path,
        arguments: &[&str],
        environment: &BTreeMap<String, String>,
    ) -> Result<String, String> {
        let line = format!("{} {}", program.display(), arguments.join(" "));
        self.once(&format!("{line} {environment:?}"), || {
            let mut command = Command::new(program);
            let output = command.args(arguments).envs(environment).stdin(Stdio::null()).output();
            let output = output.map_err(|error| format!("{line}: {error}"))?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        })
    }

    /// What `ask` gave the first time it was asked for `question`: programs do not change while cells run.
    pub(super) fn once(&self, question: &str, ask: impl FnOnce() -> Result<String, String>) -> Result<String, String> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.entry(question.to_owned()).or_insert_with(ask).clone()
    }

    /// ESP of the kernel that is steered over netlink.
    pub(super) fn kernel(&self) -> Way {
        Way::taking(DataPath::Kernel, [&self.kernel_esp])
    }

    /// ESP of the implementation's own, behind a TUN device.
    pub(super) fn tun(&self) -> Way {
        Way::taking(DataPath::Tun, [&self.tun])
    }

    /// The ways of an implementation that speaks PF_KEY: to the kernel, or to our key engine.
    pub(super) fn by_pf_key(&self) -> Vec<Way> {
        vec![
            Way::taking(DataPath::Kernel, [&self.pf_key, &self.kernel_esp]),
            Way::taking(DataPath::KeyEngine, [&self.system_call_notification]),
        ]
    }

    /// Where the user says that `name` is, or else the first file of that name in `folders` below a prefix, in `folders`
    /// themselves or on the path.
    pub fn find(&self, name: &str, folders: &[&str]) -> Option<PathBuf> {
        if let Some(told) = self.programs.get(name) {
            return Some(told.clone());
        }
        let below = |prefix: &PathBuf| {
            let prefix = prefix.clone();
            folders.iter().map(move |folder| prefix.join(folder.trim_start_matches('/')))
        };
        let unpacked = self.prefixes.iter().flat_map(below);
        let installed = folders.iter().map(PathBuf::from).chain(self.path.iter().cloned());
        unpacked.chain(installed).map(|folder| folder.join(name)).find(|file| file.is_file())
    }
}

fn probe_tun(device: &Path) -> Result<(), Lack> {
    OpenOptions::new().read(true).write(true).open(device).map(drop).map_err(|error| Lack {
        reason: format!("{}: {error}", device.display()),
        remedy: match error.kind() {
            ErrorKind::NotFound => "load the kernel module `tun`, or give the container the device",
            ErrorKind::PermissionDenied => "as root: chmod 0666 /dev/net/tun",
            _ => "see the kernel's log",
        }
        .to_owned(),
    })
}

/// Opens a socket of RFC 2367's version 2.
fn probe_pf_key() -> io::Result<()> {
    Socket::new(Domain::from(libc::AF_KEY), Type::RAW, Some(Protocol::from(2))).map(drop)
}

fn probe_system_call_notification() -> Result<(), Lack> {
    const ACTIONS: &str = "/proc/sys/kernel/seccomp/actions_avail";
    let lack = |reason: String, remedy: &str| Err(Lack { reason, remedy: remedy.to_owned() });
    match std::fs::read_to_string(ACTIONS) {
        Ok(actions) if actions.split_whitespace().any(|action| action == "user_notif") => Ok(()),
        Ok(_) => lack("the kernel has no seccomp user notification".to_owned(), "run a kernel of version 5.0 or later"),
        Err(error) => lack(format!("{ACTIONS}: {error}"), "run a kernel with CONFIG_SECCOMP_FILTER"),
    }
}

/// Asking the kernel for an ESP SA over NETLINK_XFRM (linux/xfrm.h).
mod xfrm {
    use std::io::{self, Read, Write};

    use socket2::{Domain, Protocol, Socket, Type};

    const AF_INET: u16 = 2;
    const NETLINK_XFRM: i32 = 6;
    const NLMSG_ERROR: u16 = 2;
    const NLM_F_REQUEST: u16 = 1;
    const NLM_F_ACK: u16 = 4;
    const XFRM_MSG_NEWSA: u16 = 16;
    const XFRM_MSG_DELSA: u16 = 17;
    const XFRMA_ALG_AUTH: u16 = 1;
    const XFRMA_ALG_CRYPT: u16 = 2;
    const ESP: u8 = 50;
    const SPI: u32 = 0x7072_6f62;

    /// Adds an ESP SA with NULL encryption and HMAC-SHA-1 between two loopback addresses, and deletes it again.
    pub(super) fn probe() -> io::Result<()> {
        let mut socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_XFRM)))?;
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
        ask(&mut socket, XFRM_MSG_NEWSA, &new_sa())?;
        ask(&mut socket, XFRM_MSG_DELSA, &sa_id())
    }

    fn ask(socket: &mut Socket, kind: u16, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(16 + body.len()).map_err(io::Error::other)?;
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        socket.write_all(&message)?;
        let mut answer = [0; 4096];
        let length = socket.read(&mut answer)?;
        let answer = &answer[..length];
        match (answer.get(4..6), answer.get(16..20)) {
            (Some(kind), Some(code)) if kind == NLMSG_ERROR.to_ne_bytes() => {
                match i32::from_ne_bytes([code[0], code[1], code[2], code[3]]) {
                    0 => Ok(()),
                    code => Err(io::Error::from_raw_os_error(-code)),
                }
            }
            _ => Err(io::Error::other(format!("{length} octets that are no netlink acknowledgement"))),
        }
    }

    /// `struct xfrm_usersa_id`: destination, SPI, family, protocol.
    fn sa_id() -> Vec<u8> {
        let mut id = address([127, 0, 0, 1]);
        id.extend(SPI.to_be_bytes());
        id.extend(AF_INET.to_ne_bytes());
        id.extend([ESP, 0]);
        id
    }

    /// `struct xfrm_usersa_info`, 224 octets, and the two algorithms.
    fn new_sa() -> Vec<u8> {
        let mut info = vec![0; 56]; // the selector: any
        info.extend(address([127, 0, 0, 1]));
        info.extend(SPI.to_be_bytes());
        info.extend([ESP, 0, 0, 0]);
        info.extend(address([127, 0, 0, 2]));
        info.extend([0xff; 32]); // soft and hard limits in octets and packets: none
        info.extend([0; 32 + 32 + 12]); // limits in time, current use, statistics
        info.extend([0; 4 + 4]); // sequence number, request id
        info.extend(AF_INET.to_ne_bytes());
        info.extend([1, 32, 0, 0, 0, 0]); // tunnel mode, replay window, flags and padding
        info.resize(224, 0);
        info.extend(algorithm(XFRMA_ALG_CRYPT, "ecb(cipher_null)", &[]));
        info.extend(algorithm(XFRMA_ALG_AUTH, "hmac(sha1)", &[0x5a; 20]));
        info
    }

    /// A netlink attribute with a `struct xfrm_algo`: 64 octets of name, the key's bits and the key.
    fn algorithm(kind: u16, name: &str, key: &[u8]) -> Vec<u8> {
        let mut value = name.as_bytes().to_vec();
        value.resize(64, 0);
        value.extend(u32::try_from(key.len() * 8).unwrap_or(0).to_ne_bytes());
        value.extend(key);
        let mut attribute = u16::try_from(4 + value.len()).unwrap_or(0).to_ne_bytes().to_vec();
        attribute.extend(kind.to_ne_bytes());
        attribute.extend(value);
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        attribute
    }

    /// `xfrm_address_t`, 16 octets.
    fn address(address: [u8; 4]) -> Vec<u8> {
        let mut octets = address.to_vec();
        octets.resize(16, 0);
        octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_and_devices_tried() {
        let programs = BTreeMap::from([("charon".to_owned(), "/opt/charon".into())]);
        let mut host = Host { programs, path: vec!["/bin".into(), "/usr/bin".into()], ..Host::bare() };
        assert_eq!(host.find("charon", &["/usr/lib/ipsec"]), Some("/opt/charon".into()));
        assert!(host.find("sh", &["/nonexistent"]).is_some());
        assert_eq!(host.find("no-such-program", &[]), None);
        host.prefixes.push("/usr".into());
        assert_eq!(host.find("sh", &["/bin"]), Some("/usr/bin/sh".into()));
        let lack = probe_tun(Path::new("/nonexistent/tun")).unwrap_err();
        assert!(lack.remedy.contains("load the kernel module"), "{lack:?}");
        assert_eq!(probe_tun(Path::new("/dev/null")), Ok(()));
    }
}
