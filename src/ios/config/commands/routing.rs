//! Static routes and route maps.

use pnet::ipnetwork::{Ipv4Network, ipv4_mask_to_prefix};

use super::super::grammar::Element::{Int, Ip, Kw, Many, OneOf, Opt, Rest, Word};
use super::super::model::{RouteMapEntry, StaticRoute};
use super::{Args, Command, Edit, INTERFACE, Mode, Run, Subject, command};
use crate::ios::acl::Action;

const GLOBAL: &[Mode] = &[Mode::Global];
const ROUTE_MAP: &[Mode] = &[Mode::RouteMap];

pub(super) const COMMANDS: &[Command] = &[
    command(
        GLOBAL,
        &[
            Kw("ip"),
            Kw("route"),
            Ip("network"),
            Ip("mask"),
            OneOf(&[&[Ip("next-hop")], &[INTERFACE, Opt(&[Ip("next-hop")])]]),
            Many(&[OneOf(&[
                &[Int("distance", 1, 255)],
                &[Kw("permanent")],
                &[Kw("name"), Word("name")],
                &[Kw("tag"), Int("tag", 1, 4_294_967_295)],
                &[Kw("track"), Int("track", 1, 1000)],
            ])]),
        ],
        4,
        Run::Model(route),
    ),
    command(
        GLOBAL,
        &[Kw("ip"), Kw("route"), Kw("vrf"), Rest("text")],
        4,
        Run::NotSimulated("there is one routing table, without VRFs"),
    ),
    command(
        GLOBAL,
        &[
            Kw("route-map"),
            Word("name"),
            Opt(&[OneOf(&[&[Kw("permit")], &[Kw("deny")]]), Opt(&[Int("sequence", 0, 65_535)])]),
        ],
        2,
        Run::Enter(Mode::RouteMap, route_map),
    ),
    command(ROUTE_MAP, &[Kw("description"), Rest("text")], 1, Run::NoEffect),
    command(
        ROUTE_MAP,
        &[Kw("match"), Kw("ip"), Kw("address"), Word("acl"), Many(&[Word("acl")])],
        3,
        Run::Model(match_ip_address),
    ),
    command(
        ROUTE_MAP,
        &[Kw("match"), Kw("ip"), Kw("address"), Kw("prefix-list"), Rest("text")],
        4,
        Run::Model(other_match),
    ),
    command(
        ROUTE_MAP,
        &[
            Kw("match"),
            OneOf(&[
                &[Kw("as-path")],
                &[Kw("community")],
                &[Kw("interface")],
                &[Kw("length")],
                &[Kw("metric")],
                &[Kw("tag")],
                &[Kw("source-protocol")],
                &[Kw("route-type")],
                &[Kw("ip"), OneOf(&[&[Kw("next-hop")], &[Kw("route-source")]])],
                &[Kw("ipv6")],
            ]),
            Rest("text"),
        ],
        2,
        Run::Model(other_match),
    ),
    command(ROUTE_MAP, &[Kw("set"), Rest("text")], 1, Run::NoEffect),
    command(ROUTE_MAP, &[Kw("continue"), Opt(&[Rest("text")])], 1, Run::NoEffect),
];

fn route(edit: &mut Edit<'_>, args: &Args<'_>) {
    let (Some(address), Some(mask)) = (args.ip("network"), args.ip("mask")) else {
        return;
    };
    let network = ipv4_mask_to_prefix(mask.value).and_then(|length| Ipv4Network::new(address.value, length));
    let Some(network) = network.ok().filter(|network| network.network() == address.value) else {
        let range = address.span.range().start..mask.span.range().end;
        return edit.reject(range, "%Inconsistent address and mask", "expected a network and its subnet mask");
    };
    if args.has("track") {
        edit.warn(args.range("track"), "object tracking is not simulated", "the route is always there");
    }
    let route = StaticRoute {
        network,
        interface: args.interface().map(|name| name.value),
        next_hop: args.ip("next-hop").map(|address| address.value),
        distance: args.int("distance").map_or(1, |distance| distance.value),
        permanent: args.has("permanent"),
        name: args.text("name").map(|name| name.value),
        span: args.line_span(),
    };
    let routes = &mut edit.config.routes;
    let any_way = route.interface.is_none() && route.next_hop.is_none();
    routes.retain(|known| {
        let same_way = known.interface == route.interface && known.next_hop == route.next_hop;
        known.network != network || !(same_way || args.negated && any_way)
    });
    if !args.negated {
        routes.push(route);
    }
}

fn route_map(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.text("name")?.value;
    let sequence = args.int::<u16>("sequence").map(|sequence| sequence.value);
    let entries = &mut edit.config.route_maps;
    if args.negated {
        entries.retain(|entry| entry.name != name || sequence.is_some_and(|sequence| entry.sequence != sequence));
        return None;
    }
    let sequence = sequence.unwrap_or(10);
    let action = if args.has("deny") { Action::Deny } else { Action::Permit };
    let place = entries.iter().position(|entry| entry.name == name && entry.sequence == sequence);
    if let Some(place) = place {
        entries[place].action = action;
        return Some(Subject::RouteMap(place));
    }
    entries.push(RouteMapEntry {
        name,
        action,
        sequence,
        match_acls: Vec::new(),
        other_matches: Vec::new(),
        span: args.line_span(),
    });
    Some(Subject::RouteMap(entries.len() - 1))
}

fn entry<'edit>(edit: &'edit mut Edit<'_>) -> Option<&'edit mut RouteMapEntry> {
    match edit.subject {
        Subject::RouteMap(place) => edit.config.route_maps.get_mut(place),
        _ => None,
    }
}

fn match_ip_address(edit: &mut Edit<'_>, args: &Args<'_>) {
    let names: Vec<_> = args.texts("acl").collect();
    let Some(entry) = entry(edit) else {
        return;
    };
    if args.negated && names.is_empty() {
        entry.match_acls.clear();
    }
    for name in names {
        entry.match_acls.retain(|known| *known != name);
        if !args.negated {
            entry.match_acls.push(name);
        }
    }
}

fn other_match(edit: &mut Edit<'_>, args: &Args<'_>) {
    let mut words: Vec<&str> = args.args.iter().skip(1).filter(|arg| arg.name != "text").map(|arg| arg.name).collect();
    let text = args.text("text").map(|text| text.value);
    words.extend(text.as_deref());
    let condition = words.join(" ");
    if let Some(entry) = entry(edit) {
        entry.other_matches.retain(|known| !(*known == condition || args.negated && known.starts_with(&condition)));
        if !args.negated {
            entry.other_matches.push(condition);
        }
    }
}
