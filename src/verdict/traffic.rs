//! What crossed the internet: nothing of ours in clear, and ESP that the negotiated keys open.

use std::net::{IpAddr, Ipv4Addr};

use super::facts::Until;
use super::{Failure, artifact};
use crate::evidence::decode::Content;
use crate::evidence::frames::LoggedFrame;
use crate::evidence::log::{Happening, Link, StepOutcome};
use crate::scenario::Scenario;
use crate::scenario::expect::Plaintext;
use crate::scenario::tunnel::TrafficPair;
use crate::wire::ipv4::{Ipv4Prefix, protocol};

/// A packet that crossed in clear.
pub(super) struct Clear<'a> {
    pub(super) frame: &'a LoggedFrame<'a>,
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) protocol: u8,
}

/// Packets outside ESP and IKE with an address of the protected networks, in order.
///
/// Where a protected network holds the tunnel's own ends, or is everything, an address alone says nothing: there both
/// addresses must be protected ones.
pub(super) fn clear<'a>(scenario: &Scenario, until: Until<'a>) -> impl Iterator<Item = Clear<'a>> {
    let traffic = scenario.tunnel.traffic.clone();
    let ends = [scenario.tunnel.local, scenario.tunnel.remote];
    until.frames().filter_map(move |frame| {
        let observed = frame.observed.as_ref()?;
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (observed.source.ip(), observed.destination.ip()) else {
            return None;
        };
        let protocol = match &observed.content {
            Content::Other { protocol, .. } => *protocol,
            Content::Ike(_) | Content::IkeV2(_) | Content::Esp { .. } | Content::Keepalive => return None,
            // Between the tunnel's ends that is damaged IKE; from a protected host it is plaintext all the same.
            Content::Malformed(_) => protocol::UDP,
        };
        let leaks = traffic.iter().any(|pair| leaks(pair, &ends, source, destination));
        leaks.then_some(Clear { frame, source, destination, protocol })
    })
}

fn leaks(pair: &TrafficPair, ends: &[Ipv4Addr], source: Ipv4Addr, destination: Ipv4Addr) -> bool {
    let telling = |prefix: Ipv4Prefix| prefix != Ipv4Prefix::ANY && !ends.iter().any(|end| prefix.contains(*end));
    let alone = |prefix: Ipv4Prefix| telling(prefix) && (prefix.contains(source) || prefix.contains(destination));
    let both = (pair.local.contains(source) && pair.remote.contains(destination))
        || (pair.remote.contains(source) && pair.local.contains(destination));
    alone(pair.local) || alone(pair.remote) || (both && !ends.contains(&source) && !ends.contains(&destination))
}

/// Whether packets of the protected networks crossed outside ESP.
pub(super) fn plaintext(scenario: &Scenario, until: Until<'_>, failures: &mut Vec<Failure>) {
    let first = clear(scenario, until).next();
    match (scenario.expect.plaintext, first) {
        (Plaintext::None, Some(leak)) => {
            let count = clear(scenario, until).filter(|other| other.frame.link == leak.frame.link).count();
            let found = format!(
                "{count} on the {} link, the first from {} to {}, protocol {}",
                link(leak.frame.link),
                leak.source,
                leak.destination,
                leak.protocol
            );
            let expected = "no packet of the protected networks outside ESP";
            failures.push(Failure::new("plaintext", expected, found, artifact::CAPTURE));
        }
        (Plaintext::Leaks, None) => {
            let expected = "at least one packet of a protected network outside ESP";
            failures.push(Failure::new("plaintext", expected, "none", artifact::CAPTURE));
        }
        (Plaintext::None | Plaintext::Allowed, _) | (Plaintext::Leaks, Some(_)) => {}
    }
}

/// Whether the router's keys open every ESP packet, what is inside belongs there, and a reply to a ping really went both
/// ways inside ESP.
pub(super) fn esp(scenario: &Scenario, until: Until<'_>, failures: &mut Vec<Failure>) {
    let sealed: Vec<_> = until.esp().filter(|(frame, _)| frame.inner.is_none()).collect();
    if let Some((frame, spi)) = sealed.first() {
        let found = format!("{} are not, the first on the {} link with SPI {spi}", sealed.len(), link(frame.link));
        let expected = "every ESP packet is opened by the keys the router negotiated";
        failures.push(Failure::new("ESP on the wire", expected, found, artifact::CAPTURE));
    }
    let fits = |source: Ipv4Addr, destination: Ipv4Addr| {
        scenario.tunnel.traffic.iter().any(|pair| {
            (pair.local.contains(source) && pair.remote.contains(destination))
                || (pair.remote.contains(source) && pair.local.contains(destination))
        })
    };
    let inside = until.esp().filter_map(|(frame, _)| {
        let packet = &frame.inner.as_ref()?.packet;
        match (packet.source, packet.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some((frame, source, destination)),
            _ => None,
        }
    });
    let inside: Vec<_> = inside.collect();
    if let Some((_, source, destination)) = inside.iter().find(|(_, source, destination)| !fits(*source, *destination))
    {
        let found = format!("one from {source} to {destination}");
        let expected = "only packets between the protected networks inside ESP";
        failures.push(Failure::new("ESP on the wire", expected, found, artifact::CAPTURE));
    }
    let replied = until.happenings().any(
        |what| matches!(what, Happening::Step { outcome: StepOutcome::Pinged { replied, .. }, .. } if *replied > 0),
    );
    if replied && scenario.expect.plaintext != Plaintext::Leaks {
        for (outbound, direction) in [(false, "to the router"), (true, "from the router")] {
            if !inside.iter().any(|(frame, ..)| frame.link == Link::Dut && frame.outbound == outbound) {
                let expected = format!("pings and replies inside ESP, and so ESP {direction}");
                failures.push(Failure::new("ESP on the wire", expected, "none", artifact::CAPTURE));
            }
        }
    }
}

fn link(link: Link) -> &'static str {
    match link {
        Link::Dut => "implementation's",
        Link::Cisco => "router's",
    }
}
