//! Findings about the data path behind a tunnel that is up: routes and address translation.

use super::{Case, ConfigMark, Finding, listed};
use crate::evidence::log::Link;
use crate::ios::acl::{Action, PacketKey};
use crate::ios::config::{NatRule, NatSelection, Span, Spanned};
use crate::ios::event::{DropReason, RouterEvent};
use crate::scenario::Diagnosis;
use crate::verdict::traffic::clear;
use crate::wire::ipv4::protocol;

/// The router dropped packets for our networks, because it has no route there: the crypto map acts on the interface a route
/// leads to, and is never asked.
pub(super) fn no_route(case: &Case<'_>) -> Option<Finding> {
    let traffic = &case.scenario.tunnel.traffic;
    let lost = case.until.router().find_map(|event| match event {
        RouterEvent::PacketDropped { destination, reason: DropReason::NoRoute, .. } => {
            traffic.iter().find(|pair| pair.local.contains(*destination)).map(|pair| (pair.local, *destination))
        }
        _ => None,
    });
    let (network, destination) = lost?;
    let routes: Vec<String> = case.config.routes.iter().map(|route| route.network.to_string()).collect();
    let outside = &case.scenario.addresses.outside;
    let message = format!(
        "The router has no route to {destination}, and so drops what is for {network} before the crypto map on {outside} \
         sees it: it has routes to {}",
        listed(&routes)
    );
    let mut lines: Vec<ConfigMark> = case
        .config
        .routes
        .iter()
        .filter_map(|route| case.router_line(route.span, format!("does not lead to {network}")))
        .collect();
    if lines.is_empty() {
        let interface = case.outside().map_or(Span::NONE, |interface| interface.span);
        lines.extend(case.router_line(interface, format!("no route leads to {network} by this interface")));
    }
    lines.extend(case.our_line("/tunnel/traffic", "our network"));
    Some(Finding { code: Diagnosis::NoRoute, message, lines })
}

/// A packet for our network left the router in clear with another source than its own: NAT comes before the crypto map, and
/// the crypto ACL did not know the packet any more.
pub(super) fn nat_before_crypto(case: &Case<'_>) -> Option<Finding> {
    let traffic = &case.scenario.tunnel.traffic;
    let leaked = clear(case.scenario, case.until).find_map(|leak| {
        let from_router = leak.frame.link == Link::Cisco && !leak.frame.outbound;
        let pair = traffic.iter().find(|pair| pair.local.contains(leak.destination))?;
        (from_router && !pair.remote.contains(leak.source)).then_some((leak.source, leak.destination, pair))
    });
    let (source, destination, pair) = leaked?;
    let hosts = case.scenario.addresses.right.iter().map(|host| host.address.address);
    let host = hosts.into_iter().find(|host| pair.remote.contains(*host))?;
    let packet = PacketKey::new(protocol::ICMP, host, destination);
    let (rule, permits) =
        case.config.nat.rules.iter().find_map(|rule| Some((rule, translates(case, rule, &packet)?)))?;
    let mut lines: Vec<ConfigMark> =
        case.router_line(rule.span, format!("makes {host} into {source}")).into_iter().collect();
    for span in permits {
        lines.extend(case.router_line(span, format!("permits {} to {} too", pair.remote, pair.local)));
    }
    for name in case.serving().into_iter().filter_map(|settings| settings.acl.as_ref()) {
        let aces = case.config.access_list(name).into_iter().flat_map(|list| list.entries());
        for ace in aces.filter(|ace| ace.action == Action::Permit && ace.matches(&packet)) {
            lines.extend(case.router_line(ace.span, format!("would match {host}, but not {source}")));
        }
    }
    let message = format!(
        "The router's NAT makes packets from {} to {} into packets from {source} before the crypto map sees them, so \
         they leave in clear",
        pair.remote, pair.local
    );
    Some(Finding { code: Diagnosis::NatBeforeCrypto, message, lines })
}

/// Whether a rule translates a packet: the lines that say so, or `None` when it does not.
fn translates(case: &Case<'_>, rule: &Spanned<NatRule>, packet: &PacketKey) -> Option<Vec<Span>> {
    match &rule.value {
        NatRule::Dynamic { selection: NatSelection::List(name), .. } => {
            let decision = case.config.access_list(name)?.evaluate(packet);
            (decision.action == Action::Permit).then(|| decision.ace.map(|ace| ace.span).into_iter().collect())
        }
        NatRule::Dynamic { selection: NatSelection::RouteMap(name), .. } => {
            case.config.route_map_permits(name, packet).then(|| vec![name.span])
        }
        NatRule::Static { local, ports: None, .. } => (*local == packet.source).then(Vec::new),
        NatRule::Static { .. } => None,
        NatRule::StaticNetwork { local, .. } => local.contains(packet.source).then(Vec::new),
    }
}
