//! openiked: known to `doctor`, and run by the tests of the key engine.
//!
//! It speaks IKEv2 only, so that no cell runs it until the router does. On Linux it speaks PF_KEY: to the kernel, or to our
//! key engine ([`crate::pfkey::daemon`]). Things to know about it:
//!
//! - It separates privileges: its children become the user `_iked`, which takes root, or a user namespace with more than
//!   one user.
//! - It gives PF_KEY a millisecond to answer.
//! - On Linux it knows HMAC-SHA-1 and no HMAC-SHA-2 for ESP: the algorithm's name in `linux/pfkeyv2.h` is not the one it
//!   asks for.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::implementations::{
    Availability, BoxFuture, Capabilities, Capability, CellContext, ConfigFiles, DataPath, Failure, Host,
    Implementation, Options, Running, Unsupported, Way,
};
use crate::lab::probe::Lack;
use crate::scenario::Tunnel;

/// Where iked is installed.
const FOLDERS: &[&str] = &["/usr/sbin", "/usr/local/sbin"];

/// The user that iked's children become.
const USER: &str = "_iked";

/// openiked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Openiked;

impl Openiked {
    fn ikev2_only(self) -> Unsupported {
        Unsupported {
            implementation: self.name().to_owned(),
            what: "IKEv1".to_owned(),
            why: "it speaks IKEv2 only, and the router IKEv1 so far".to_owned(),
        }
    }
}

impl Implementation for Openiked {
    fn name(&self) -> &str {
        "openiked"
    }

    fn availability(&self, host: &Host) -> Availability {
        let unfit = |reason: String, remedy: &str| Availability::Unfit { reason, remedy: remedy.to_owned() };
        let missing = |reason: String, remedy: &str| Availability::Missing { reason, remedy: remedy.to_owned() };
        let Some(path) = host.find("iked", FOLDERS) else {
            let remedy = "apt-get install --no-install-recommends openiked, and run as root or with mapped sub-ids";
            return missing("openiked's iked is not installed".to_owned(), remedy);
        };
        if !has_user(&read("/etc/passwd"), USER) {
            return missing(
                format!("there is no user {USER}, which its children become"),
                "install openiked's package",
            );
        }
        if !maps_users(&read("/proc/self/uid_map")) {
            let reason = format!("its children become the user {USER}, and this user namespace has one user");
            return unfit(reason, "run as root, or below `unshare --map-root-user --map-auto`, which maps sub-ids");
        }
        let data_path = match Way::first(&self.ways(host)) {
            Ok(data_path) => data_path,
            Err(Lack { reason, remedy }) => return unfit(reason, &remedy),
        };
        match Command::new(&path).arg("-V").stdin(Stdio::null()).output() {
            // `OpenIKED 7.2`, on standard error
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                let version = text.split_whitespace().last().unwrap_or("unknown").to_owned();
                Availability::Ready { version, path, data_path }
            }
            Err(error) => missing(format!("{} -V: {error}", path.display()), "reinstall it"),
        }
    }

    fn ways(&self, host: &Host) -> Vec<Way> {
        host.by_pf_key()
    }

    /// None: all of them are IKEv1's.
    fn capabilities(&self, _: &Host) -> Capabilities {
        Capabilities::default()
    }

    fn why_not(&self, _: &Capability) -> Option<&'static str> {
        Some("it speaks IKEv2 only")
    }

    fn supports(&self, _: &Tunnel, _: DataPath) -> Result<(), Unsupported> {
        Err(self.ikev2_only())
    }

    /// Nothing: what a tunnel says in neutral words is of IKEv1.
    fn configure(&self, _: &Tunnel, _: &Options) -> ConfigFiles {
        ConfigFiles::new()
    }

    fn start<'a>(&'a self, _: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>> {
        Box::pin(async move { Err(self.ikev2_only().into()) })
    }
}

/// The file's text; empty when it cannot be read.
fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn has_user(passwd: &str, user: &str) -> bool {
    passwd.lines().any(|line| line.split(':').next() == Some(user))
}

/// Whether a uid map (user_namespaces(7)) has more than one user.
fn maps_users(map: &str) -> bool {
    map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum::<u64>() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_maps() {
        assert!(has_user("root:x:0:0::/root:/bin/sh\n_iked:x:103:106::/:/usr/sbin/nologin\n", USER));
        assert!(!has_user("_ikedx:x:103:106::/:/usr/sbin/nologin\n", USER));
        assert!(maps_users("         0          0 4294967295\n"));
        assert!(maps_users("0 1000 1\n1 100000 65536\n"));
        assert!(!maps_users("         0       1000          1\n"));
        assert!(!maps_users(""));
    }
}
