//! What reads octets from outside, each as a function that any octets may be put to.
//!
//! The fuzzers of `fuzz_targets` and the replay in `tests/fuzz_corpus.rs` call the same functions. One returns when its
//! parser took or refused the octets as it should, and panics otherwise.

mod evidence;
mod lab;
mod protocols;
mod router;
mod texts;
mod wire;

pub use evidence::{capture, event_log, results, transcript};
pub use lab::internet;
pub use protocols::{esp, pfkey, vici};
pub use router::{console, router};
pub use texts::{declared, key_tables, running_config, scenario, strongswan_settings};
pub use wire::{ikev2, isakmp, packet};

/// A parser by its name, which is also that of its fuzzer and of its folder of seeds.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name.
    pub name: &'static str,
    /// Puts octets to it.
    pub run: fn(&[u8]),
    /// How many damaged copies of an input the replay affords.
    pub mutations: usize,
}

/// Every parser.
pub const TARGETS: &[Target] = &[
    Target { name: "isakmp", run: isakmp, mutations: 400 },
    Target { name: "ikev2", run: ikev2, mutations: 400 },
    Target { name: "packet", run: packet, mutations: 400 },
    Target { name: "esp", run: esp, mutations: 100 },
    Target { name: "capture", run: capture, mutations: 24 },
    Target { name: "pfkey", run: pfkey, mutations: 100 },
    Target { name: "vici", run: vici, mutations: 400 },
    Target { name: "router", run: router, mutations: 12 },
    Target { name: "internet", run: internet, mutations: 40 },
    Target { name: "console", run: console, mutations: 12 },
    Target { name: "running_config", run: running_config, mutations: 12 },
    Target { name: "scenario", run: scenario, mutations: 12 },
    Target { name: "declared", run: declared, mutations: 40 },
    Target { name: "strongswan_settings", run: strongswan_settings, mutations: 100 },
    Target { name: "key_tables", run: key_tables, mutations: 400 },
    Target { name: "transcript", run: transcript, mutations: 12 },
    Target { name: "event_log", run: event_log, mutations: 12 },
    Target { name: "results", run: results, mutations: 400 },
];

/// Octets that are spent piece by piece on a story.
struct Story<'a>(&'a [u8]);

impl<'a> Story<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// As many octets as the next two say, or all that are left.
    fn piece(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_be_bytes([self.octet()?, self.octet()?]));
        let (piece, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Some(piece)
    }
}
