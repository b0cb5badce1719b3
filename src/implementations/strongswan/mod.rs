//! strongSwan: a real charon, steered over VICI.
//!
//! charon runs rootless in the cell's namespaces, with a private `/run` for its socket and pid file, and with
//! kernel-libipsec as its data path where the kernel has no ESP. Things to know about that plugin:
//!
//! - It always asks for UDP encapsulation: its source NAT-D payload is random, so IKE floats to port 4500 and the Cisco
//!   believes charon to be behind a NAT that is not there.
//! - It needs an address of its own within every local selector, on any interface, for the route it installs; without one
//!   quick mode fails with "error installing route". A gateway has none in the /32 of a host behind it.
//! - It cannot protect the Cisco's outer address itself: the route into the TUN device would catch its own ESP.
//! - When it cannot open `/dev/net/tun`, charon 5.9.8 goes on without it and crashes; that is checked before the start.

mod config;
mod driver;
mod load;
mod log;
mod sas;
pub mod settings;
pub mod vici;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::implementations::capabilities::said_of;
use crate::implementations::{
    Availability, BoxFuture, Capabilities, Capability, CellContext, ConfigFiles, DataPath, Failure, Host,
    Implementation, Options, Running, Unsupported, Way,
};
use crate::lab::probe::Lack;
use crate::scenario::Tunnel;
use crate::wire::ipv4::Ipv4Prefix;

/// Where distributions put charon.
const FOLDERS: &[&str] = &["/usr/lib/ipsec", "/usr/libexec/ipsec", "/usr/lib/strongswan", "/usr/libexec/strongswan"];

/// Where an installation from source, or an unpacked package, has charon and its plugins below its prefix.
const PREFIX_FOLDERS: &[&str] = &[
    "libexec/ipsec",
    "lib/ipsec",
    "libexec/strongswan",
    "lib/strongswan",
    "usr/libexec/ipsec",
    "usr/lib/ipsec",
    "usr/libexec/strongswan",
    "usr/lib/strongswan",
];

/// The plugins that do not come with charon itself in Debian and Ubuntu, and the package each is in.
const PACKAGES: &[(&str, &str)] = &[
    ("vici", "strongswan-swanctl"),
    ("openssl", "libstrongswan-standard-plugins"),
    ("kernel-libipsec", "libcharon-extra-plugins"),
];

/// What charon can do with these plugins.
const CAPABILITIES: &[&str] = &[
    "main-mode",
    "aggressive-mode",
    "ike-*",
    "esp-*",
    "pfs-*",
    "nat-traversal-auto",
    "nat-traversal-force",
    "identity-*",
    "several-*",
    "selector-*",
    "dpd",
    "volume-lifetime",
];

/// Why not the rest.
const LACKING: &[(&str, &str)] = &[(
    "nat-traversal-off",
    "charon has no switch for it: it always announces NAT traversal, and kernel-libipsec always uses it",
)];

/// The files of the two configurations.
const STRONGSWAN_CONF: &str = "strongswan.conf";
const SWANCTL_CONF: &str = "swanctl.conf";

/// The strongSwan driver.
#[derive(Clone, Debug)]
pub struct Strongswan {
    name: String,
    /// What it was installed below; the system's own when `None`.
    prefix: Option<PathBuf>,
    /// Environment variables for charon.
    environment: BTreeMap<String, String>,
}

impl Default for Strongswan {
    fn default() -> Self {
        Self { name: "strongswan".to_owned(), prefix: None, environment: BTreeMap::new() }
    }
}

impl Strongswan {
    /// The strongSwan called `name` that was installed below `prefix`.
    pub fn below(name: &str, prefix: &Path, environment: &BTreeMap<String, String>) -> Self {
        Self { name: name.to_owned(), prefix: Some(prefix.to_owned()), environment: environment.clone() }
    }

    fn charon(&self, host: &Host) -> Option<PathBuf> {
        match &self.prefix {
            None => host.find("charon", FOLDERS),
            Some(prefix) => {
                PREFIX_FOLDERS.iter().map(|folder| prefix.join(folder).join("charon")).find(|file| file.is_file())
            }
        }
    }

    /// Where its plugins may be: beside charon in Debian, below `lib` in an installation from source.
    fn plugin_folders(&self, charon: &Path) -> Vec<PathBuf> {
        let beside = charon.parent().map(|folder| folder.join("plugins"));
        let below = self
            .prefix
            .iter()
            .flat_map(|prefix| PREFIX_FOLDERS.iter().map(|folder| prefix.join(folder).join("plugins")));
        beside.into_iter().chain(below).collect()
    }

    /// The first plugin that the data path needs and that is not there.
    fn absent_plugin(&self, charon: &Path, data_path: DataPath) -> Option<Lack> {
        let folders = self.plugin_folders(charon);
        let installed =
            |plugin: &str| folders.iter().any(|folder| folder.join(format!("libstrongswan-{plugin}.so")).is_file());
        let needed = config::plugins(data_path);
        let (plugin, package) = PACKAGES.iter().find(|(plugin, _)| needed.contains(plugin) && !installed(plugin))?;
        let remedy = match self.prefix {
            None => format!("apt-get install --no-install-recommends {package}"),
            Some(_) => format!("build it with --enable-{plugin}"),
        };
        Some(Lack { reason: format!("charon's plugin {plugin} is not installed"), remedy })
    }
}

impl Implementation for Strongswan {
    fn name(&self) -> &str {
        &self.name
    }

    /// What charon lacks of the algorithms when it runs, it is asked then: OpenSSL has DES and MD5 where its legacy provider
    /// is installed.
    fn capabilities(&self, _: &Host) -> Capabilities {
        Capabilities::of(CAPABILITIES)
    }

    fn why_not(&self, capability: &Capability) -> Option<&'static str> {
        said_of(capability, LACKING)
    }

    fn availability(&self, host: &Host) -> Availability {
        let missing = |reason: String, remedy: String| Availability::Missing { reason, remedy };
        let Some(path) = self.charon(host) else {
            if let Some(prefix) = &self.prefix {
                let reason = format!("there is no charon below {}", prefix.display());
                return missing(reason, format!("expected it in one of {}", PREFIX_FOLDERS.join(", ")));
            }
            let packages = PACKAGES.iter().map(|(_, package)| *package).collect::<Vec<_>>().join(" ");
            let remedy = format!("apt-get install --no-install-recommends strongswan-charon {packages}");
            return missing("strongSwan's charon is not installed".to_owned(), remedy);
        };
        let data_path = match Way::first(&self.ways(host)) {
            Ok(data_path) => data_path,
            Err(Lack { reason, remedy }) => return missing(reason, remedy),
        };
        match host.output_with(&path, &["--version"], &self.environment) {
            Ok(text) => {
                let version = text.split_whitespace().last().unwrap_or("unknown").to_owned();
                Availability::Ready { version, path, data_path }
            }
            Err(reason) => missing(reason, "reinstall it".to_owned()),
        }
    }

    fn ways(&self, host: &Host) -> Vec<Way> {
        let charon = self.charon(host);
        [host.kernel(), host.tun()]
            .into_iter()
            .map(|way| match (&charon, &way.lack) {
                (Some(charon), None) => Way { lack: self.absent_plugin(charon, way.data_path), ..way },
                _ => way,
            })
            .collect()
    }

    fn supports(&self, tunnel: &Tunnel, data_path: DataPath) -> Result<(), Unsupported> {
        let unsupported = |what: String, why: &str| {
            Err(Unsupported { implementation: self.name().to_owned(), what, why: why.to_owned() })
        };
        if data_path == DataPath::Kernel {
            return Ok(());
        }
        let our_host = Ipv4Prefix::host(tunnel.local);
        if let Some(pair) = tunnel.traffic.iter().find(|pair| pair.local.length() == 32 && pair.local != our_host) {
            let why = "kernel-libipsec needs an address of charon's own within the local selector";
            return unsupported(format!("a tunnel for the single host {}", pair.local.network()), why);
        }
        let cisco = Ipv4Prefix::host(tunnel.remote);
        if tunnel.traffic.iter().any(|pair| pair.remote == cisco) {
            let why = "kernel-libipsec's route would lead its own ESP into the tunnel";
            return unsupported("a tunnel to the Cisco's outer address".to_owned(), why);
        }
        Ok(())
    }

    fn configure(&self, tunnel: &Tunnel, options: &Options) -> ConfigFiles {
        let daemon = config::daemon(options.data_path, &options.retransmission);
        ConfigFiles::from([
            (STRONGSWAN_CONF.to_owned(), daemon.to_string()),
            (SWANCTL_CONF.to_owned(), config::connections(tunnel).to_string()),
        ])
    }

    fn filed_under(&self, data_path: DataPath) -> String {
        match data_path {
            // kernel-libipsec pretends a NAT; the kernel needs none.
            DataPath::Kernel => format!("{}-kernel", self.name()),
            _ => self.name().to_owned(),
        }
    }

    fn start<'a>(&'a self, cell: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>> {
        Box::pin(async move { Ok(Box::new(driver::Charon::start(self, cell).await?) as Box<dyn Running>) })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::scenario::tunnel::TrafficPair;

    #[rstest]
    #[case("10.1.0.0/24", "10.2.0.0/24", Ok(()))]
    #[case("10.1.0.0/24", "0.0.0.0/0", Ok(()))]
    #[case("192.0.2.10/32", "10.2.0.5/32", Ok(()))]
    #[case("10.1.0.5/32", "10.2.0.0/24", Err("a tunnel for the single host 10.1.0.5"))]
    #[case("10.1.0.0/24", "198.51.100.1/32", Err("a tunnel to the Cisco's outer address"))]
    fn selectors_that_the_tun_data_path_cannot_have(
        #[case] local: &str,
        #[case] remote: &str,
        #[case] expected: Result<(), &str>,
    ) {
        let mut tunnel = config::tests::tunnel();
        tunnel.traffic = vec![TrafficPair::between(local.parse().unwrap(), remote.parse().unwrap())];
        let strongswan = Strongswan::default();
        let outcome = strongswan.supports(&tunnel, DataPath::Tun);
        assert_eq!(outcome.map_err(|unsupported| unsupported.what), expected.map_err(str::to_owned));
        assert_eq!(strongswan.supports(&tunnel, DataPath::Kernel), Ok(()));
    }
}
