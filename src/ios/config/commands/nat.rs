//! `ip nat`.

use pnet::ipnetwork::{Ipv4Network, ipv4_mask_to_prefix};

use super::super::grammar::Element::{self, Int, Ip, Kw, Many, OneOf, Opt, Rest, Word};
use super::super::model::{LocalAddress, NatPool, NatRule, NatSelection, NatTarget, NatTransport};
use super::super::span::Spanned;
use super::{Args, Command, Edit, INTERFACE, Mode, Run, command};

const GLOBAL: &[Mode] = &[Mode::Global];

const TARGET: Element = OneOf(&[&[Kw("interface"), INTERFACE], &[Kw("pool"), Word("pool")]]);

const STATIC_OPTIONS: Element = Many(&[OneOf(&[
    &[Kw("extendable")],
    &[Kw("no-alias")],
    &[Kw("no-payload")],
    &[Kw("reversible")],
    &[Kw("route-map"), Word("route-map")],
    &[Kw("vrf"), Word("vrf")],
    &[Kw("redundancy"), Word("redundancy")],
])]);

const GLOBAL_ADDRESS: Element = OneOf(&[&[Ip("global")], &[Kw("interface"), INTERFACE]]);

pub(super) const COMMANDS: &[Command] = &[
    command(
        GLOBAL,
        &[
            Kw("ip"),
            Kw("nat"),
            Kw("inside"),
            Kw("source"),
            OneOf(&[&[Kw("list"), Word("list")], &[Kw("route-map"), Word("route-map")]]),
            TARGET,
            Many(&[OneOf(&[
                &[Kw("overload")],
                &[Kw("reversible")],
                &[Kw("match-in-vrf")],
                &[Kw("oer")],
                &[Kw("vrf"), Word("vrf")],
            ])]),
        ],
        5,
        Run::Model(dynamic),
    ),
    command(
        GLOBAL,
        &[
            Kw("ip"),
            Kw("nat"),
            Kw("inside"),
            Kw("source"),
            Kw("static"),
            OneOf(&[
                &[Ip("local"), GLOBAL_ADDRESS],
                &[
                    OneOf(&[&[Kw("tcp")], &[Kw("udp")]]),
                    Ip("local"),
                    Int("local-port", 1, 65_535),
                    GLOBAL_ADDRESS,
                    Int("global-port", 1, 65_535),
                ],
                &[Kw("network"), Ip("local"), Ip("global"), OneOf(&[&[Ip("mask")], &[Word("length")]])],
            ]),
            STATIC_OPTIONS,
        ],
        6,
        Run::Model(fixed),
    ),
    command(
        GLOBAL,
        &[Kw("ip"), Kw("nat"), Kw("inside"), Kw("source"), Kw("static"), Kw("esp"), Rest("text")],
        6,
        Run::NotSimulated("ESP through NAT needs no rule here"),
    ),
    command(
        GLOBAL,
        &[
            Kw("ip"),
            Kw("nat"),
            Kw("pool"),
            Word("name"),
            Ip("first"),
            Ip("last"),
            OneOf(&[&[Kw("netmask"), Ip("mask")], &[Kw("prefix-length"), Int("length", 1, 32)]]),
            Opt(&[Kw("type"), Word("type")]),
        ],
        4,
        Run::Model(pool),
    ),
    command(
        GLOBAL,
        &[Kw("ip"), Kw("nat"), Kw("inside"), Kw("destination"), Rest("text")],
        4,
        Run::NotSimulated(NOT_DONE),
    ),
    command(GLOBAL, &[Kw("ip"), Kw("nat"), Kw("outside"), Rest("text")], 3, Run::NotSimulated(NOT_DONE)),
    command(GLOBAL, &[Kw("ip"), Kw("nat"), Kw("source"), Rest("text")], 3, Run::NotSimulated(NOT_DONE)),
    command(GLOBAL, &[Kw("ip"), Kw("nat"), Kw("translation"), Rest("text")], 3, Run::NoEffect),
    command(GLOBAL, &[Kw("ip"), Kw("nat"), Kw("service"), Rest("text")], 3, Run::NoEffect),
    command(GLOBAL, &[Kw("ip"), Kw("nat"), Kw("log"), Rest("text")], 3, Run::NoEffect),
    command(GLOBAL, &[Kw("ip"), Kw("nat"), Kw("settings"), Rest("text")], 3, Run::NoEffect),
];

const NOT_DONE: &str = "only `ip nat inside source` is simulated";

fn dynamic(edit: &mut Edit<'_>, args: &Args<'_>) {
    let selection = if let Some(list) = args.text("list") {
        NatSelection::List(list)
    } else if let Some(route_map) = args.text("route-map") {
        NatSelection::RouteMap(route_map)
    } else {
        return;
    };
    let rules = &mut edit.config.nat.rules;
    rules.retain(|rule| !matches!(&rule.value, NatRule::Dynamic { selection: known, .. } if *known == selection));
    if args.negated {
        return;
    }
    let target = if let Some(pool) = args.text("pool") {
        NatTarget::Pool(pool)
    } else if let Some(interface) = args.interface() {
        NatTarget::Interface(interface)
    } else {
        return;
    };
    let overload = args.has("overload") || matches!(target, NatTarget::Interface(_));
    rules.push(Spanned::new(NatRule::Dynamic { selection, target, overload }, args.line_span()));
    warn_of_vrf(edit, args);
}

fn warn_of_vrf(edit: &mut Edit<'_>, args: &Args<'_>) {
    if args.has("vrf") {
        edit.warn(args.range("vrf"), "VRFs are not simulated", "the rule applies to all traffic");
    }
}

fn fixed(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Some(local) = args.ip("local") else {
        return;
    };
    let rule = if args.has("network") {
        let Some(rule) = network_rule(edit, args) else {
            return;
        };
        rule
    } else {
        let global = match args.ip("global") {
            Some(address) => LocalAddress::Address(address.value),
            None => match args.interface() {
                Some(interface) => LocalAddress::Interface(interface.value),
                None => return,
            },
        };
        let transport = if args.has("tcp") { NatTransport::Tcp } else { NatTransport::Udp };
        let ports = args.int("local-port").zip(args.int("global-port"));
        NatRule::Static {
            local: local.value,
            global,
            ports: ports.map(|(local, global)| (transport, local.value, global.value)),
            route_map: args.text("route-map"),
            extendable: args.has("extendable"),
        }
    };
    let rules = &mut edit.config.nat.rules;
    rules.retain(|known| known.value != rule);
    if !args.negated {
        rules.push(Spanned::new(rule, args.line_span()));
        warn_of_vrf(edit, args);
    }
}

fn network_rule(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<NatRule> {
    let (local, global) = (args.ip("local")?, args.ip("global")?);
    let written = args.text("length").and_then(|text| text.strip_prefix('/')?.parse::<u8>().ok());
    let length = args.ip("mask").and_then(|mask| ipv4_mask_to_prefix(mask.value).ok()).or(written);
    let network = |address| Ipv4Network::new(address, length?).ok();
    let Some((local, global)) = network(local.value).zip(network(global.value)) else {
        edit.reject(args.line.clone(), "% Invalid input detected at '^' marker.", "expected a subnet mask or /length");
        return None;
    };
    Some(NatRule::StaticNetwork { local, global })
}

fn pool(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Some(name) = args.text("name") else {
        return;
    };
    if args.negated {
        return edit.config.nat.pools.retain(|pool| pool.name != name.value);
    }
    let (Some(first), Some(last)) = (args.ip("first"), args.ip("last")) else {
        return;
    };
    let length = args.int("length").map(|length| length.value);
    let from_mask = args.ip("mask").and_then(|mask| ipv4_mask_to_prefix(mask.value).ok());
    let Some(prefix_length) = from_mask.or(length).filter(|length| *length > 0) else {
        return edit.reject(args.range("mask"), "%Pool mask is invalid", "expected a subnet mask without holes");
    };
    let one_network = Ipv4Network::new(first.value, prefix_length).is_ok_and(|network| network.contains(last.value));
    if first.value > last.value || !one_network {
        let range = first.span.range().start..last.span.range().end;
        return edit.reject(range, "%Pool addresses do not fit the mask", "expected a rising range in one network");
    }
    edit.config.nat.pools.retain(|pool| pool.name != name.value);
    let pool =
        NatPool { name: name.value, first: first.value, last: last.value, prefix_length, span: args.line_span() };
    edit.config.nat.pools.push(pool);
}
