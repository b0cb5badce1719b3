//! The scenario file as it is written.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::ios::Release;
use crate::scenario::addresses::InterfaceAddress;
use crate::scenario::expect::Expect;
use crate::scenario::names::ImplementationName;
use crate::scenario::steps::{Impairment, Nat, Step};
use crate::scenario::text::{self, words};
use crate::scenario::tunnel::Tunnel;

/// A scenario: a tunnel, a Cisco router, what to do with them and what must come of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "ike-interop scenario")]
pub(crate) struct ScenarioFile {
    /// What it shows, in one line.
    pub(crate) title: String,
    /// The story: who sees this, and why it happens.
    #[serde(default)]
    pub(crate) about: String,
    /// Where it is specified or described.
    #[serde(default)]
    pub(crate) references: Vec<String>,
    /// Words to select it by.
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// With which implementations and against which releases it runs; the usual ones unless given.
    #[serde(default)]
    pub(crate) matrix: Matrix,
    /// The router.
    pub(crate) cisco: CiscoFile,
    /// The tunnel as we want it, in neutral words; each implementation's configuration is written from it.
    pub(crate) tunnel: Tunnel,
    /// The addresses of the lab, where they are not to be derived from the tunnel.
    #[serde(default)]
    pub(crate) lab: LabFile,
    /// A NAT between the implementation and the internet.
    #[serde(default)]
    pub(crate) nat: Option<Nat>,
    /// What the internet does to messages.
    #[serde(default)]
    pub(crate) impair: Vec<Impairment>,
    /// By implementation and file name, configuration files to use as they are instead of written ones.
    #[serde(default)]
    pub(crate) native: BTreeMap<ImplementationName, BTreeMap<String, String>>,
    /// What to do, in order; `[initiate, ping]` unless given.
    #[serde(default = "default_steps", deserialize_with = "text::some")]
    pub(crate) steps: Vec<Step>,
    /// What must be true in the end.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// The smallest change that makes the tunnel work, laid over this file. The fixed twin is run too.
    #[serde(default)]
    #[expect(dead_code, reason = "the loader takes it out of the tree before this type is read; the schema needs it")]
    pub(crate) fix: Option<Fix>,
    /// Cells known to fail, each with the reason.
    #[serde(default)]
    pub(crate) known_failures: Vec<KnownFailure>,
}

fn default_steps() -> Vec<Step> {
    vec![Step::Initiate, Step::Ping(Default::default())]
}

/// With what a scenario runs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Matrix {
    /// The implementations; the usual ones unless given.
    #[serde(default, deserialize_with = "text::some")]
    pub(crate) implementation: Vec<ImplementationName>,
    /// The releases of the router.
    #[serde(default = "usual_releases", deserialize_with = "text::some")]
    pub(crate) ios: Vec<Release>,
}

impl Default for Matrix {
    fn default() -> Self {
        Self { implementation: Vec::new(), ios: usual_releases() }
    }
}

fn usual_releases() -> Vec<Release> {
    Release::USUAL.to_vec()
}

/// The router.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CiscoFile {
    /// Its name, when the running-config does not give one.
    #[serde(default)]
    pub(crate) hostname: Option<String>,
    /// Its running-config: a file beside this one, or the text itself, of several lines.
    pub(crate) config: String,
    /// Lines of the running-config to change.
    #[serde(default)]
    pub(crate) replace: Vec<Edit>,
}

/// A change to one line of a running-config.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    /// The line to change; it must be there exactly once. Blanks around it do not count.
    pub(crate) line: String,
    /// What comes in its place, indented as it was: nothing, a line or several lines.
    #[serde(default)]
    pub(crate) with: String,
}

/// The addresses of the lab.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LabFile {
    /// The host behind the implementation.
    pub(crate) left: Vec<HostFile>,
    /// The host behind the router; its default gateway is the router.
    pub(crate) right: Vec<HostFile>,
    /// The implementation's link to the internet.
    pub(crate) dut: Option<HostFile>,
    /// The internet's address on the router's outside link; the next hop of its routes unless given.
    #[serde(deserialize_with = "text::some_address")]
    pub(crate) cisco_gateway: Option<Ipv4Addr>,
}

/// An address on a link, and where the rest of the world is.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostFile {
    /// The address and the prefix length of its link, such as 10.1.0.10/24.
    pub(crate) address: InterfaceAddress,
    /// The next hop to everything else.
    #[serde(default, deserialize_with = "text::some_address")]
    pub(crate) gateway: Option<Ipv4Addr>,
}

/// A change laid over the scenario.
#[derive(Clone, Debug)]
pub(crate) struct Fix;

impl<'de> Deserialize<'de> for Fix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Fix {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fix".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}

words! {
    /// Which of the two a cell is, when its scenario has a fix.
    Twin, "twin", {
        Broken = "broken": "As the scenario is written.",
        Fixed = "fixed": "With the fix laid over it.",
    }
}

/// Cells that are known to fail. A key left out matches every cell.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownFailure {
    /// With this implementation.
    #[serde(default)]
    pub implementation: Option<ImplementationName>,
    /// Against this release.
    #[serde(default)]
    pub ios: Option<Release>,
    /// In this twin.
    #[serde(default)]
    pub twin: Option<Twin>,
    /// Why it fails.
    pub reason: String,
}
