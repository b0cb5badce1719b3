//! Which implementations there are.

use std::sync::Arc;

use crate::implementations::{Implementation, builtin, libreswan, openiked, racoon, strongswan};
use crate::scenario::names::{ImplementationName, Named, Names};

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
}

/// What can be named without being declared, in the order cells have them. A further driver is a further row.
const BUILT_IN: &[Row] = &[
    Row {
        name: "builtin",
        about: "The implementation that is part of this program.",
        usual: true,
        driver: || Arc::new(builtin::Builtin),
    },
    Row { name: "strongswan", about: "strongSwan's charon.", usual: true, driver: || Arc::new(strongswan::Strongswan) },
    Row { name: "libreswan", about: "libreswan's pluto.", usual: true, driver: || Arc::new(libreswan::Libreswan) },
    Row {
        name: "racoon",
        about: "racoon and setkey, of ipsec-tools.",
        usual: false,
        driver: || Arc::new(racoon::Racoon),
    },
    Row {
        name: "openiked",
        about: "openiked, which speaks IKEv2 only.",
        usual: false,
        driver: || Arc::new(openiked::Openiked),
    },
];

/// The implementations that can be named, with the driver of each.
#[derive(Clone)]
pub struct Registry {
    names: Names,
    /// In the order of the names.
    drivers: Vec<Arc<dyn Implementation>>,
}

impl Registry {
    /// Those that are part of this program.
    pub fn built_in() -> Self {
        let named = |row: &Row| {
            // The test below reads every name of the table.
            let name = row.name.parse().ok()?;
            Some((Named { name, about: row.about.to_owned(), usual: row.usual }, (row.driver)()))
        };
        let (names, drivers): (Vec<_>, Vec<_>) = BUILT_IN.iter().filter_map(named).unzip();
        Self { names: Names::new(names), drivers }
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
}
