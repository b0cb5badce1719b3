//! What `doctor` finds, as `--json` prints it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::implementations::{Availability, Capability, Host, Implementation, Registry, Way};
use crate::lab::probe::Lack;
use crate::scenario::names::Named;

/// The version of this shape. It counts up when something is renamed or taken away.
const VERSION: u32 = 1;

/// What can run on a machine.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Findings {
    /// 1, the version of this shape.
    version: u32,
    /// Whether this machine can run the lab at all.
    pub(super) ready: bool,
    /// What it has of what the lab and implementations use.
    pub(super) machine: Vec<Part>,
    /// Every implementation that scenarios can name, in the order cells have them.
    pub(super) implementations: Vec<Row>,
}

/// Something that a machine has or has not.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Part {
    /// What it is: `TUN device`.
    pub(super) name: String,
    /// What it is good for.
    pub(super) used_for: String,
    /// Whether cells cannot run without it.
    pub(super) required: bool,
    /// Whether it is there.
    pub(super) ready: bool,
    /// Why it is not.
    pub(super) reason: Option<String>,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

/// An implementation.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row {
    /// The word that scenarios and `-i` use.
    pub(super) name: String,
    /// What it is.
    pub(super) about: String,
    /// Whether it can run here.
    pub(super) state: State,
    /// Its version; null when it is not found, or was not asked because it could not run.
    pub(super) version: Option<String>,
    /// Its program.
    pub(super) path: Option<String>,
    /// The ways its ESP may take here, the best first. Cells take the first that is ready.
    pub(super) data_paths: Vec<DataPathFound>,
    /// What tunnels may ask for and it cannot do: such cells are skipped.
    pub(super) lacks: Vec<Lacking>,
    /// Why it cannot run.
    pub(super) reason: Option<String>,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

/// Whether an implementation can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It can.
    Ready,
    /// It could, and is not installed, or not all of it. A strict run fails without it.
    Missing,
    /// It cannot, whatever is installed from the distribution. Every run skips it.
    Unfit,
}

/// A way of ESP.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DataPathFound {
    /// `tun`: in user space behind a TUN device; `kernel`: the kernel's; `key engine`: ike-interop's own, by PF_KEY; `none`.
    pub(super) name: String,
    /// Whether it can be taken here.
    pub(super) ready: bool,
    /// Why not.
    pub(super) reason: Option<String>,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

/// Something that an implementation cannot do.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Lacking {
    /// The capability's word, as in `capabilities` of `ike-interop.toml`.
    pub(super) capability: String,
    /// Why not, where that is known.
    pub(super) why: Option<String>,
}

impl Findings {
    /// What was found of the machine and, looking at `host`, of the implementations of `registry`.
    pub(super) fn new(machine: Vec<Part>, host: &Host, registry: &Registry) -> Self {
        Self {
            version: VERSION,
            ready: machine.iter().all(|part| part.ready || !part.required),
            machine,
            implementations: registry.iter().map(|(named, driver)| row(named, driver, host)).collect(),
        }
    }
}

impl Part {
    /// `name`, which is good for `used_for` and was looked for with that result.
    pub(super) fn new(name: &str, used_for: &str, result: Result<(), Lack>) -> Self {
        let (reason, remedy) = result.clone().err().map(split).unzip();
        let remedy = remedy.flatten();
        Self {
            name: name.to_owned(),
            used_for: used_for.to_owned(),
            required: false,
            ready: result.is_ok(),
            reason,
            remedy,
        }
    }

    /// The same, without which cells cannot run.
    pub(super) fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

fn row(named: &Named, driver: &dyn Implementation, host: &Host) -> Row {
    let has = driver.capabilities(host);
    let lacking = |capability: &Capability| Lacking {
        capability: capability.word().to_owned(),
        why: driver.why_not(capability).map(str::to_owned),
    };
    let blank = Row {
        name: named.name.to_string(),
        about: named.about.clone(),
        state: State::Ready,
        version: None,
        path: None,
        data_paths: driver.ways(host).into_iter().map(way).collect(),
        lacks: Capability::all().filter(|capability| !has.has(capability)).map(lacking).collect(),
        reason: None,
        remedy: None,
    };
    let not = |state, reason: String, remedy: String| {
        let (reason, remedy) = split(Lack { reason, remedy });
        (state, Some(reason), remedy)
    };
    let (state, reason, remedy) = match driver.availability(host) {
        Availability::Ready { version, path, .. } => {
            return Row { version: Some(version), path: Some(path.display().to_string()), ..blank };
        }
        Availability::Missing { reason, remedy } => not(State::Missing, reason, remedy),
        Availability::Unfit { reason, remedy } => not(State::Unfit, reason, remedy),
    };
    Row { state, reason, remedy, ..blank }
}

fn way(way: Way) -> DataPathFound {
    let (reason, remedy) = way.lack.clone().map(split).unzip();
    DataPathFound { name: way.data_path.to_string(), ready: way.lack.is_none(), reason, remedy: remedy.flatten() }
}

/// An empty remedy is none.
fn split(lack: Lack) -> (String, Option<String>) {
    (lack.reason, Some(lack.remedy).filter(|remedy| !remedy.is_empty()))
}

impl Row {
    /// What it lacks, in few words: a family of capabilities of which it has none goes by its beginning.
    pub(super) fn lacks_in_short(&self) -> String {
        let lacks: Vec<&str> = self.lacks.iter().map(|lacking| &*lacking.capability).collect();
        if lacks.len() == Capability::all().count() {
            return "IKEv1".to_owned();
        }
        let family = |word: &str| word.split_once('-').map_or_else(|| word.to_owned(), |(family, _)| family.to_owned());
        let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
        for capability in Capability::all() {
            *sizes.entry(family(capability.word())).or_default() += 1;
        }
        let mut lacking: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for word in lacks {
            lacking.entry(family(word)).or_default().push(word);
        }
        let short = lacking.into_iter().flat_map(|(family, words)| match words.len() {
            1 => vec![words[0].to_owned()],
            all if sizes.get(&family) == Some(&all) => vec![format!("{family}-*")],
            _ => words.into_iter().map(str::to_owned).collect(),
        });
        short.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::implementations::{
        BoxFuture, Capabilities, CellContext, ConfigFiles, DataPath, Failure, Options, Running, Unsupported,
    };
    use crate::scenario::Tunnel;

    /// An implementation that says what it is made to say.
    struct Puppet {
        availability: Availability,
        ways: Vec<Way>,
        capabilities: Capabilities,
        why: &'static str,
    }

    impl Implementation for Puppet {
        fn name(&self) -> &str {
            "puppet"
        }

        fn availability(&self, _: &Host) -> Availability {
            self.availability.clone()
        }

        fn ways(&self, _: &Host) -> Vec<Way> {
            self.ways.clone()
        }

        fn capabilities(&self, _: &Host) -> Capabilities {
            self.capabilities.clone()
        }

        fn why_not(&self, _: &Capability) -> Option<&'static str> {
            Some(self.why)
        }

        fn supports(&self, _: &Tunnel, _: DataPath) -> Result<(), Unsupported> {
            Ok(())
        }

        fn configure(&self, _: &Tunnel, _: &Options) -> ConfigFiles {
            ConfigFiles::new()
        }

        fn start<'a>(&'a self, _: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>> {
            unreachable!("it is only looked at")
        }
    }

    fn lack(reason: &str, remedy: &str) -> Lack {
        Lack { reason: reason.to_owned(), remedy: remedy.to_owned() }
    }

    fn ready(version: &str, path: &str, data_path: DataPath) -> Availability {
        Availability::Ready { version: version.to_owned(), path: path.into(), data_path }
    }

    /// What a machine without kernel ESP might have.
    pub(in crate::cli::doctor) fn made_up() -> Findings {
        let no_esp =
            || lack("the kernel takes no ESP SA: Protocol not supported", "as root: modprobe -a xfrm_user esp4");
        let machine = vec![
            Part::new("sandbox", "every cell: its namespaces, which nothing outlives", Ok(())).required(),
            Part::new(
                "veth links",
                "every cell: the links",
                Err(lack("Operation not supported", "load the kernel module veth (CONFIG_VETH)")),
            )
            .required(),
            Part::new("TUN device", "ESP in user space", Ok(())),
            Part::new("kernel ESP", "libreswan, and strongswan as it is mostly used", Err(no_esp())),
        ];
        let way = |data_path, lack| Way { data_path, lack };
        let (kernel, tun) = (way(DataPath::Kernel, Some(no_esp())), way(DataPath::Tun, None));
        let puppets = [
            Puppet {
                availability: ready("0.1.0", "/proc/self/exe", DataPath::Tun),
                ways: vec![tun.clone()],
                capabilities: Capabilities::of(&[
                    "main-mode",
                    "ike-*",
                    "esp-*",
                    "pfs-*",
                    "nat-*",
                    "identity-address",
                    "several-*",
                    "selector-*",
                    "volume-lifetime",
                ]),
                why: "its engine does not do that",
            },
            Puppet {
                availability: ready("5.9.8", "/usr/lib/ipsec/charon", DataPath::Tun),
                ways: vec![kernel.clone(), tun],
                capabilities: Capabilities::all(),
                why: "",
            },
            Puppet {
                availability: Availability::Unfit { reason: no_esp().reason, remedy: no_esp().remedy },
                ways: vec![kernel.clone()],
                capabilities: Capabilities::of(&["main-mode", "aggressive-mode", "ike-aes*", "esp-aes*", "identity-*"]),
                why: "this libreswan is built without it",
            },
            Puppet {
                availability: Availability::Missing {
                    reason: "openiked's iked is not installed".to_owned(),
                    remedy: "apt-get install --no-install-recommends openiked".to_owned(),
                },
                ways: vec![kernel, way(DataPath::KeyEngine, None)],
                capabilities: Capabilities::default(),
                why: "it speaks IKEv2 only",
            },
        ];
        let names = ["builtin", "strongswan", "libreswan", "openiked"];
        let host = Host::bare();
        let rows = names.iter().zip(&puppets).map(|(name, puppet)| {
            let named = Named::new(name.parse().unwrap(), format!("{name}, made up."));
            row(&named, puppet, &host)
        });
        Findings { version: VERSION, ready: false, machine, implementations: rows.collect() }
    }

    #[test]
    fn as_json() {
        let mut found = made_up();
        found.machine.truncate(2);
        found.implementations.remove(2);
        insta::assert_snapshot!(serde_json::to_string_pretty(&found).unwrap());
    }

    #[test]
    fn the_lab_needs_what_is_required() {
        let registry = Registry::built_in();
        let of = |machine| Findings::new(machine, &Host::bare(), &registry);
        let missing = || Part::new("x", "y", Err(lack("no", "")));
        assert!(of(vec![missing()]).ready && !of(vec![missing().required()]).ready);
        let found = of(Vec::new());
        assert_eq!(found.implementations.len(), registry.iter().count());
        assert_eq!(missing().remedy, None, "an empty remedy is none");
    }

    #[test]
    fn families_go_by_their_beginning() {
        let found = made_up();
        let short: Vec<String> = found.implementations.iter().map(Row::lacks_in_short).collect();
        assert_eq!(short[0], "aggressive-mode, dpd, identity-fqdn, identity-key-id, identity-user-fqdn");
        assert_eq!(short[1], "");
        assert!(short[2].contains("pfs-*") && short[2].contains("ike-modp1024"), "{}", short[2]);
        assert_eq!(short[3], "IKEv1");
    }
}
