//! Whether what implementations say about themselves can be believed.
//!
//! "Unsupported" is only worth something from an implementation that does not claim everything. So each is first asked for a
//! capability that nobody has, made up from the run's seed, as the QUIC interop runner does with a test case's name. One that
//! claims it is refused: its cells are errors, and none of them is ever passed or skipped on its word.

use std::collections::HashMap;

use crate::implementations::{Capability, Host, Implementation, Unanswered};
use crate::scenario::Tunnel;

/// Asks implementations what they can do, each thing once.
#[derive(Debug)]
pub struct Prover {
    seed: u64,
    answers: HashMap<(String, Capability), Result<bool, Unanswered>>,
}

/// Why an implementation's word is worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    /// It claims what nobody has.
    #[error(
        "{implementation} claims to have `{made_up}`, which was made up (seed {seed}): what it calls supported means nothing"
    )]
    ClaimsAnything {
        /// The implementation.
        implementation: String,
        /// What it was asked for.
        made_up: Capability,
        /// What that was made from.
        seed: u64,
    },
    /// It does not answer.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
}

impl Prover {
    /// One that makes things up from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, answers: HashMap::new() }
    }

    /// Whether `implementation` has all that `tunnel` asks for; the first thing it does not have, otherwise.
    ///
    /// # Errors
    /// When it claims what nobody has, or does not answer.
    pub fn lacking(
        &mut self,
        implementation: &dyn Implementation,
        host: &Host,
        tunnel: &Tunnel,
    ) -> Result<Option<Capability>, Unproved> {
        let made_up = Capability::nobody_has(self.seed);
        if self.ask(implementation, host, &made_up)? {
            let implementation = implementation.name().to_owned();
            return Err(Unproved::ClaimsAnything { implementation, made_up, seed: self.seed });
        }
        for capability in Capability::needed_by(tunnel) {
            if !self.ask(implementation, host, &capability)? {
                return Ok(Some(capability));
            }
        }
        Ok(None)
    }

    fn ask(
        &mut self,
        implementation: &dyn Implementation,
        host: &Host,
        capability: &Capability,
    ) -> Result<bool, Unanswered> {
        let question = (implementation.name().to_owned(), capability.clone());
        self.answers.entry(question).or_insert_with(|| implementation.has(capability, host)).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::implementations::command::values::sample_tunnel;
    use crate::implementations::{
        Availability, BoxFuture, Capabilities, CellContext, ConfigFiles, DataPath, Failure, Options, Registry, Running,
        Unsupported, Way,
    };

    /// An implementation that says of each capability what a function says of it.
    struct Talker {
        says: fn(&Capability) -> bool,
        asked: AtomicUsize,
    }

    impl Implementation for Talker {
        fn name(&self) -> &str {
            "talker"
        }

        fn availability(&self, _: &Host) -> Availability {
            Availability::Unfit { reason: String::new(), remedy: String::new() }
        }

        fn ways(&self, _: &Host) -> Vec<Way> {
            Vec::new()
        }

        fn capabilities(&self, _: &Host) -> Capabilities {
            Capabilities::default()
        }

        fn has(&self, capability: &Capability, _: &Host) -> Result<bool, Unanswered> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Ok((self.says)(capability))
        }

        fn supports(&self, _: &Tunnel, _: DataPath) -> Result<(), Unsupported> {
            Ok(())
        }

        fn configure(&self, _: &Tunnel, _: &Options) -> ConfigFiles {
            ConfigFiles::new()
        }

        fn start<'a>(&'a self, _: &'a CellContext<'a>) -> BoxFuture<'a, Result<Box<dyn Running>, Failure>> {
            unreachable!("it is only asked")
        }
    }

    fn talker(says: fn(&Capability) -> bool) -> Talker {
        Talker { says, asked: AtomicUsize::new(0) }
    }

    #[test]
    fn one_that_claims_anything_is_refused_with_the_seed() {
        let host = Host::probe();
        let error = Prover::new(7).lacking(&talker(|_| true), &host, &sample_tunnel()).unwrap_err();
        let made_up = Capability::nobody_has(7);
        assert_eq!(
            error.to_string(),
            format!(
                "talker claims to have `{made_up}`, which was made up (seed 7): what it calls supported means nothing"
            )
        );
        // A list of what it does not do, in place of one of what it does, is just that.
        let without_aggressive = talker(|capability| capability.word() != "aggressive-mode");
        assert!(Prover::new(7).lacking(&without_aggressive, &host, &sample_tunnel()).is_err());
    }

    #[test]
    fn what_it_lacks_is_named_and_nothing_is_asked_twice() {
        let host = Host::probe();
        let mut prover = Prover::new(1);
        let honest =
            talker(|capability| Capability::all().any(|known| known == capability) && capability.word() != "dpd");
        for _ in 0..2 {
            let lacking = prover.lacking(&honest, &host, &sample_tunnel()).unwrap();
            assert_eq!(lacking.as_ref().map(Capability::word), Some("dpd"));
        }
        let asked = honest.asked.load(Ordering::Relaxed);
        assert!(asked <= 1 + Capability::needed_by(&sample_tunnel()).len(), "asked {asked} times");
    }

    #[test]
    fn the_drivers_of_the_program_pass_with_every_seed_tried() {
        let host = Host::probe();
        for seed in 0..100 {
            for (named, driver) in Registry::built_in().iter() {
                let lacking = Prover::new(seed).lacking(driver, &host, &sample_tunnel());
                assert!(lacking.is_ok(), "{}: {lacking:?}", named.name);
            }
        }
    }

    #[test]
    fn the_gateway_lacks_aggressive_mode() {
        let registry = Registry::built_in();
        let builtin = registry.driver(&"builtin".parse().unwrap()).unwrap();
        let lacking = Prover::new(1).lacking(&*builtin, &Host::probe(), &sample_tunnel()).unwrap();
        assert_eq!(lacking.as_ref().map(Capability::word), Some("aggressive-mode"));
    }
}
