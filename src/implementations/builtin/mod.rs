//! The implementation that is part of this program: the [`gateway`], run as a child process and steered over its socket.

mod config;
mod driver;
mod sas;

use crate::gateway;
use crate::implementations::capabilities::said_of;
use crate::implementations::{
    Availability, BoxFuture, Capabilities, Capability, CellContext, ConfigFiles, DataPath, Failure, Host,
    Implementation, Options, Running, Unsupported, Way,
};
use crate::lab::probe::Lack;
use crate::scenario::Tunnel;

/// The program that runs: this one, whatever its file is called and wherever it lies.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// The gateway's configuration file.
const SETTINGS: &str = "gateway.json";

/// What the gateway can do.
const CAPABILITIES: &[&str] = &[
    "main-mode",
    "ike-*",
    "esp-*",
    "pfs-*",
    "nat-traversal-*",
    "identity-address",
    "several-*",
    "selector-*",
    "volume-lifetime",
];

/// Why not the rest.
const LACKING: &[(&str, &str)] = &[
    ("aggressive-mode", "its engine speaks main mode only"),
    ("identity-*", "it is known by its address, and knows the Cisco by that"),
    ("dpd", "it does not look after its peer"),
];

/// The built-in implementation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Builtin;

impl Implementation for Builtin {
    fn name(&self) -> &str {
        "builtin"
    }

    fn availability(&self, host: &Host) -> Availability {
        match Way::first(&self.ways(host)) {
            Ok(data_path) => Availability::Ready {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                path: OWN_PROGRAM.into(),
                data_path,
            },
            Err(Lack { reason, remedy }) => Availability::Missing { reason, remedy },
        }
    }

    fn ways(&self, _: &Host) -> Vec<Way> {
        vec![Way::taking(DataPath::Tun, [])]
    }

    fn capabilities(&self, _: &Host) -> Capabilities {
        Capabilities::of(CAPABILITIES)
    }

    fn why_not(&self, capability: &Capability) -> Option<&'static str> {
        said_of(capability, LACKING)
    }

    fn supports(&self, _: &Tunnel, _: DataPath) -> Result<(), Unsupported> {
        Ok(())
    }

    fn configure(&self, tunnel: &Tunnel, options: &Options) -> ConfigFiles {
        let settings: gateway::Settings = config::settings(tunnel, options);
        let text = serde_json::to_string_pretty(&settings).unwrap_or_else(|error| error.to_string());
        ConfigFiles::from([(SETTINGS.to_owned(), text)])
    }

    fn start<'a>(&'a self, cell: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>> {
        Box::pin(async move { Ok(Box::new(driver::Gateway::start(self, cell).await?) as Box<dyn Running>) })
    }
}
