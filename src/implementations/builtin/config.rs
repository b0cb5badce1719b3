//! The neutral tunnel as the gateway's settings.

use std::time::Duration;

use crate::crypto::Secret;
use crate::gateway::settings::{NatTraversal, Phase1Suite, Settings};
use crate::ike::{EspSuite, Lifetimes, Selector, Selectors};
use crate::implementations::{Options, Retransmission};
use crate::scenario::tunnel::{self, TrafficPair, Tunnel};
use crate::scenario::units::Span;
use crate::wire::ipv4::Ipv4Prefix;

/// Every run of the gateway draws the same cookies, nonces and keys: a capture can be compared with another's.
const SEED: u64 = 0x6275_696c_7469_6e00;

pub(super) fn settings(tunnel: &Tunnel, options: &Options) -> Settings {
    let phase1 = tunnel.phase1.proposals.iter();
    let phase2 = tunnel.phase2.proposals.iter();
    Settings {
        local: tunnel.local,
        remote: tunnel.remote,
        pre_shared_key: Secret::from(tunnel.psk.text().as_bytes()),
        phase1: phase1
            .map(|proposal| Phase1Suite { cipher: proposal.cipher, hash: proposal.hash, group: proposal.group })
            .collect(),
        phase1_seconds: seconds(tunnel.phase1.lifetime),
        phase2: phase2.map(|proposal| EspSuite { cipher: proposal.cipher, integrity: proposal.integrity }).collect(),
        pfs: tunnel.phase2.pfs,
        phase2_lifetimes: Lifetimes {
            seconds: Some(seconds(tunnel.phase2.lifetime)),
            kilobytes: tunnel.phase2.volume.map(|volume| u32::try_from(volume.0).unwrap_or(u32::MAX)),
        },
        traffic: tunnel.traffic.iter().map(selectors).collect(),
        nat_traversal: match tunnel.nat_traversal {
            tunnel::NatTraversal::Auto => NatTraversal::Auto,
            tunnel::NatTraversal::Force => NatTraversal::Force,
            tunnel::NatTraversal::Off => NatTraversal::Off,
        },
        retransmit_ms: waits(&options.retransmission).map(|wait| wait.as_millis() as u64).collect(),
        seed: SEED,
    }
}

fn waits(retransmission: &Retransmission) -> impl Iterator<Item = Duration> {
    let (first, factor) = (retransmission.first, retransmission.factor);
    (0..retransmission.times).map(move |time| first.mul_f64(factor.powi(time.cast_signed())))
}

fn seconds(span: Span) -> u32 {
    u32::try_from(span.0.as_secs()).unwrap_or(u32::MAX)
}

fn selectors(pair: &TrafficPair) -> Selectors {
    let protocol = pair.protocol.map_or(0, |protocol| protocol.0);
    let side = |prefix: Ipv4Prefix, port: Option<u16>| {
        let addresses = match prefix.length() {
            32 => Selector::host(prefix.network()),
            _ => Selector::subnet(prefix.network(), prefix.mask()),
        };
        addresses.with(protocol, port.unwrap_or(0))
    };
    Selectors { local: side(pair.local, pair.local_port), remote: side(pair.remote, pair.remote_port) }
}
