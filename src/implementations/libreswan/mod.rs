//! libreswan: a real pluto, steered by whack.
//!
//! pluto has no data path of its own: it needs the kernel's ESP. Its distribution packages exclude strongSwan's, so the
//! package may be unpacked under a prefix, whose files are then laid where pluto wants them. Things to know about it:
//!
//! - It looks for its helpers in `/usr/libexec/ipsec` and nowhere else, and it does not start without a key database.
//! - IKEv1 must be allowed (`ikev1-policy=accept`), and groups 1 and 2 and DES are not compiled in.
//! - An error notify that is not protected, and one about a quick mode, it logs and ignores; the negotiation then ends when
//!   nobody answers.
//! - Its script installs a route only where there is none to the far network. The lab's table keeps such networks from
//!   leaving in clear, so that a script of ours does it, and with the user's own files libreswan's is told to (`ROUTE=yes`).
//! - It tells the SPIs of its IPsec SAs, but not the cookies of its ISAKMP SAs.

mod algorithms;
mod config;
mod driver;
mod log;
mod status;

use std::path::{Path, PathBuf};

use crate::implementations::capabilities::said_of;
use crate::implementations::{
    Availability, BoxFuture, Capabilities, Capability, CellContext, ConfigFiles, DataPath, Failure, Host,
    Implementation, Options, Running, Unsupported, Way,
};
use crate::lab::probe::Lack;
use crate::scenario::Tunnel;

/// Its program.
const PLUTO: &str = "pluto";

/// Where distributions put pluto, and where it looks for its helpers.
const FOLDER: &str = "/usr/libexec/ipsec";

/// The configuration files, and the script that sets routes.
const IPSEC_CONF: &str = "ipsec.conf";
const IPSEC_SECRETS: &str = "ipsec.secrets";
const UPDOWN: &str = "updown";

/// Where pluto finds the cell's folder.
const CONFIG_INSIDE: &str = "/run/libreswan";

/// What every pluto can do, whatever its algorithms are.
const CAPABILITIES: &[&str] =
    &["main-mode", "aggressive-mode", "nat-traversal-*", "identity-*", "several-*", "selector-*", "dpd"];

/// Why not the rest.
const LACKING: &[(&str, &str)] = &[
    ("ike-des", "it has been removed from libreswan"),
    ("esp-des", "it has been removed from libreswan"),
    ("volume-lifetime", "libreswan does not negotiate it"),
    ("ike-*", "this libreswan is built without it"),
    ("esp-*", "this libreswan is built without it"),
    ("pfs-*", "this libreswan is built without it"),
];

/// The libreswan driver.
#[derive(Clone, Copy, Debug, Default)]
pub struct Libreswan;

impl Implementation for Libreswan {
    fn name(&self) -> &str {
        "libreswan"
    }

    fn availability(&self, host: &Host) -> Availability {
        if let Err(Lack { reason, remedy }) = &host.kernel_esp {
            let reason = format!("it has no data path of its own, and {reason}");
            return Availability::Unfit { reason, remedy: remedy.clone() };
        }
        let missing = |reason: String, remedy: &str| Availability::Missing { reason, remedy: remedy.to_owned() };
        let Some(path) = host.find(PLUTO, &[FOLDER]) else {
            let remedy = "apt-get install libreswan, or unpack the package and name the folder in IKE_INTEROP_PREFIX";
            return missing("libreswan's pluto is not installed".to_owned(), remedy);
        };
        if certutil(host).is_none() {
            let reason = "certutil, which makes pluto's key database, is not installed".to_owned();
            return missing(reason, "apt-get install libnss3-tools");
        }
        match host.output_of(&path, &["--version"]) {
            Ok(text) if !text.trim().is_empty() => {
                let version = text.split_whitespace().nth(1).unwrap_or("unknown").to_owned();
                Availability::Ready { version, path, data_path: DataPath::Kernel }
            }
            Ok(_) => missing(
                format!("{} does not start: a library it needs is not installed", path.display()),
                "install the libraries its package depends on",
            ),
            Err(reason) => missing(reason, "reinstall it"),
        }
    }

    fn ways(&self, host: &Host) -> Vec<Way> {
        vec![host.kernel()]
    }

    /// pluto lists its algorithms when it tests itself; where it cannot, they are those of Debian's libreswan 4.10.
    fn capabilities(&self, host: &Host) -> Capabilities {
        let said = host.find(PLUTO, &[FOLDER]).and_then(|pluto| algorithms::said_by(&pluto, host).ok());
        let algorithms = said.as_deref().map(algorithms::listed).filter(|listed| !listed.is_empty());
        Capabilities::of(CAPABILITIES).and(algorithms.unwrap_or_else(|| algorithms::listed(algorithms::OF_4_10)))
    }

    fn why_not(&self, capability: &Capability) -> Option<&'static str> {
        said_of(capability, LACKING)
    }

    fn supports(&self, _: &Tunnel, _: DataPath) -> Result<(), Unsupported> {
        Ok(())
    }

    fn configure(&self, tunnel: &Tunnel, options: &Options) -> ConfigFiles {
        ConfigFiles::from([
            (IPSEC_CONF.to_owned(), config::connections(tunnel, &options.retransmission)),
            (IPSEC_SECRETS.to_owned(), config::secrets(tunnel)),
            (UPDOWN.to_owned(), config::UPDOWN_SCRIPT.to_owned()),
        ])
    }

    fn start<'a>(&'a self, cell: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>> {
        Box::pin(async move { Ok(Box::new(driver::Pluto::start(self, cell).await?) as Box<dyn Running>) })
    }
}

fn certutil(host: &Host) -> Option<PathBuf> {
    host.find("certutil", &["/usr/bin"])
}

/// The folder a package was unpacked in, when `pluto` is not where an installed one is.
fn prefix_of(pluto: &Path) -> Option<&Path> {
    let prefix = pluto.parent()?.ancestors().nth(Path::new(FOLDER).components().count() - 1)?;
    (prefix != Path::new("/") && prefix.join(FOLDER.trim_start_matches('/')) == pluto.parent()?).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/usr/libexec/ipsec/pluto", None)]
    #[case("/srv/target/libreswan/usr/libexec/ipsec/pluto", Some("/srv/target/libreswan"))]
    #[case("/opt/bin/pluto", None)]
    fn the_prefix_of_an_unpacked_package(#[case] pluto: &str, #[case] expected: Option<&str>) {
        assert_eq!(prefix_of(Path::new(pluto)), expected.map(Path::new));
    }

    #[test]
    fn without_kernel_esp_it_cannot_run_whatever_is_installed() {
        let host = Host { tun: Ok(()), ..Host::bare() };
        assert!(matches!(Libreswan.availability(&host), Availability::Unfit { .. }));
        let host = Host { kernel_esp: Ok(()), ..host };
        // Installed or not, the kernel is no longer the obstacle.
        assert!(!matches!(Libreswan.availability(&host), Availability::Unfit { .. }));
    }
}
