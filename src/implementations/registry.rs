//! Which implementations there are: those that are part of this program, and those a user declares.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::implementations::{Host, Implementation, builtin, libreswan, openiked, racoon, strongswan};
use crate::scenario::names::{ImplementationName, Named, Names};

/// Makes the driver of a version that was installed below a folder of its own: by its name, that folder and its environment.
pub(crate) type MakeVersion = fn(&str, &Path, &BTreeMap<String, String>) -> Arc<dyn Implementation>;

/// An implementation that is part of this program.
struct Row {
    /// Its name.
    name: &'static str,
    /// What it is, in one sentence.
    about: &'static str,
    /// Whether scenarios whose matrix names no implementation run with it.
    usual: bool,
    /// Makes its driver.
    driver: fn() -> Arc<dyn Implementation>,
    /// Makes the driver of another version, where several can be told apart.
    version: Option<MakeVersion>,
}

/// What can be named without being declared, in the order cells have them. A further driver is a further row.
const BUILT_IN: &[Row] = &[
    Row {
        name: "builtin",
        about: "The implementation that is part of this program.",
        usual: true,
        driver: || Arc::new(builtin::Builtin),
        version: None,
    },
    Row {
        name: "strongswan",
        about: "strongSwan's charon.",
        usual: true,
        driver: || Arc::new(strongswan::Strongswan::default()),
        version: Some(|name, prefix, environment| Arc::new(strongswan::Strongswan::below(name, prefix, environment))),
    },
    Row {
        name: "libreswan",
        about: "libreswan's pluto.",
        usual: true,
        driver: || Arc::new(libreswan::Libreswan),
        version: None,
    },
    Row {
        name: "racoon",
        about: "racoon and setkey, of ipsec-tools.",
        usual: false,
        driver: || Arc::new(racoon::Racoon),
        version: None,
    },
    Row {
        name: "openiked",
        about: "openiked, which speaks IKEv2 only. It separates privileges: it needs root, or a user namespace with sub-ids.",
        usual: false,
        driver: || Arc::new(openiked::Openiked),
        version: None,
    },
];

/// What an implementation that a user declares is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Any daemon, by its command lines.
    Command,
    /// Another version of one that is part of this program.
    Version {
        /// That one.
        of: ImplementationName,
        /// Makes its driver.
        make: MakeVersion,
    },
}

/// The implementations that can be named, with the driver of each.
#[derive(Clone)]
pub struct Registry {
    names: Names,
    /// In the order of the names.
    drivers: Vec<Arc<dyn Implementation>>,
    programs: BTreeMap<String, PathBuf>,
}

impl Registry {
    /// Those that are part of this program.
    pub fn built_in() -> Self {
        let named = |row: &Row| {
            // The test below reads every name of the table.
            let name = row.name.parse().ok()?;
            Some((Named { usual: row.usual, ..Named::new(name, row.about) }, (row.driver)()))
        };
        let (names, drivers): (Vec<_>, Vec<_>) = BUILT_IN.iter().filter_map(named).unzip();
        Self { names: Names::new(names), drivers, programs: BTreeMap::new() }
    }

    /// The kinds of implementation that can be declared, by their words.
    pub(crate) fn kinds() -> Vec<(&'static str, Kind)> {
        let versions = BUILT_IN
            .iter()
            .filter_map(|row| Some((row.name, Kind::Version { of: row.name.parse().ok()?, make: row.version? })));
        std::iter::once(("command", Kind::Command)).chain(versions).collect()
    }

    /// The same, with programs that lie elsewhere than where they are looked for.
    pub(crate) fn with_programs(mut self, programs: BTreeMap<String, PathBuf>) -> Self {
        self.programs = programs;
        self
    }

    /// Adds an implementation. The caller sees to it that its name is not taken.
    pub(crate) fn add(&mut self, named: Named, driver: Arc<dyn Implementation>) {
        self.names.add(named);
        self.drivers.push(driver);
    }

    /// Has scenarios whose matrix names no implementation run with exactly these.
    pub(crate) fn set_usual(&mut self, usual: &[ImplementationName]) {
        self.names.set_usual(usual);
    }

    /// What can be named.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// The driver of the implementation of that name; `None` when there is none.
    pub fn driver(&self, name: &ImplementationName) -> Option<Arc<dyn Implementation>> {
        self.names.position(name).and_then(|place| self.drivers.get(place)).map(Arc::clone)
    }

    /// Every implementation with its driver, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&Named, &dyn Implementation)> {
        self.names.iter().zip(self.drivers.iter().map(|driver| &**driver))
    }

    /// Looks at this machine for what they need. To be called inside the sandbox.
    pub fn probe_host(&self) -> Host {
        Host { programs: self.programs.clone(), ..Host::probe() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_named_and_says_its_name() {
        let registry = Registry::built_in();
        assert_eq!(registry.iter().count(), BUILT_IN.len());
        for (named, driver) in registry.iter() {
            assert_eq!(driver.name(), named.name.word());
            assert!(registry.driver(&named.name).is_some());
        }
        assert!(registry.driver(&"nobody".parse().unwrap()).is_none());
    }

    #[test]
    fn a_version_has_the_name_it_was_given() {
        for (word, kind) in Registry::kinds() {
            if let Kind::Version { of, make } = kind {
                assert_eq!(of.word(), word);
                assert_eq!(make("other-1", Path::new("/opt"), &BTreeMap::new()).name(), "other-1");
            }
        }
    }
}
