//! `interface` and its sub-mode.

use std::net::Ipv4Addr;

use pnet::ipnetwork::{Ipv4Network, ipv4_mask_to_prefix};

use super::super::grammar::Element::{Host, Int, Ip, Kw, OneOf, Opt, Rest, Word};
use super::super::model::{self, InterfaceAddress, NatSide, TunnelMode, TunnelProtection};
use super::super::span::Spanned;
use super::{Args, Command, Edit, INTERFACE, Mode, Run, Subject, command, find_or_add, toggle};

const GLOBAL: &[Mode] = &[Mode::Global];
const INTERFACE_MODE: &[Mode] = &[Mode::Interface];

pub(super) const COMMANDS: &[Command] = &[
    command(
        GLOBAL,
        &[
            Kw("interface"),
            INTERFACE,
            Opt(&[OneOf(&[&[Kw("point-to-point")], &[Kw("multipoint")], &[Kw("type"), Word("type")]])]),
        ],
        2,
        Run::Enter(Mode::Interface, interface),
    ),
    command(
        GLOBAL,
        &[Kw("interface"), Kw("range"), Rest("text")],
        3,
        Run::NotSimulatedMode(Mode::Other, "write one `interface` for each port"),
    ),
    command(INTERFACE_MODE, &[Kw("description"), Rest("text")], 1, Run::Model(description)),
    command(INTERFACE_MODE, &[Kw("shutdown")], 1, Run::Model(shutdown)),
    command(
        INTERFACE_MODE,
        &[
            Kw("ip"),
            Kw("address"),
            OneOf(&[
                &[Ip("address"), Ip("mask"), Opt(&[Kw("secondary")])],
                &[Kw("dhcp"), Opt(&[Rest("text")])],
                &[Kw("negotiated"), Opt(&[Rest("text")])],
            ]),
        ],
        2,
        Run::Model(ip_address),
    ),
    command(INTERFACE_MODE, &[Kw("ip"), Kw("unnumbered"), INTERFACE, Opt(&[Kw("poll")])], 2, Run::Model(ip_unnumbered)),
    command(INTERFACE_MODE, &[Kw("mtu"), Int("bytes", 64, 17_940)], 1, Run::Model(mtu)),
    command(INTERFACE_MODE, &[Kw("ip"), Kw("mtu"), Int("bytes", 68, 17_940)], 2, Run::Model(ip_mtu)),
    command(
        INTERFACE_MODE,
        &[Kw("ip"), Kw("tcp"), Kw("adjust-mss"), Int("bytes", 500, 1460)],
        3,
        Run::Model(adjust_mss),
    ),
    command(
        INTERFACE_MODE,
        &[Kw("ip"), Kw("access-group"), Word("acl"), OneOf(&[&[Kw("in")], &[Kw("out")]])],
        2,
        Run::Model(access_group),
    ),
    command(INTERFACE_MODE, &[Kw("ip"), Kw("nat"), OneOf(&[&[Kw("inside")], &[Kw("outside")]])], 3, Run::Model(nat)),
    command(
        INTERFACE_MODE,
        &[Kw("ip"), Kw("nat"), Kw("enable")],
        3,
        Run::NotSimulated("NAT virtual interfaces are not simulated"),
    ),
    command(
        INTERFACE_MODE,
        &[Kw("crypto"), Kw("map"), Word("name"), Opt(&[Kw("redundancy"), Rest("text")])],
        2,
        Run::Model(crypto_map),
    ),
    command(
        INTERFACE_MODE,
        &[Kw("crypto"), Kw("ipsec"), OneOf(&[&[Kw("df-bit")], &[Kw("fragmentation")]]), Rest("text")],
        3,
        Run::NotSimulated("the global setting applies to every interface here"),
    ),
    command(
        INTERFACE_MODE,
        &[Kw("encapsulation"), Kw("dot1Q"), Int("vlan", 1, 4094), Opt(&[Kw("native")])],
        1,
        Run::Model(dot1q),
    ),
    command(
        INTERFACE_MODE,
        &[Kw("tunnel"), Kw("source"), OneOf(&[&[Ip("address")], &[INTERFACE]])],
        2,
        Run::Model(tunnel_source),
    ),
    command(
        INTERFACE_MODE,
        &[Kw("tunnel"), Kw("destination"), OneOf(&[&[Ip("address")], &[Host("host")]])],
        2,
        Run::Model(tunnel_destination),
    ),
    command(
        INTERFACE_MODE,
        &[
            Kw("tunnel"),
            Kw("mode"),
            OneOf(&[
                &[Kw("gre"), OneOf(&[&[Kw("ip")], &[Kw("multipoint")]])],
                &[Kw("ipsec"), Kw("ipv4")],
                &[Kw("ipip")],
            ]),
        ],
        2,
        Run::Model(tunnel_mode),
    ),
    command(
        INTERFACE_MODE,
        &[
            Kw("tunnel"),
            Kw("protection"),
            Kw("ipsec"),
            Kw("profile"),
            Word("profile"),
            Opt(&[OneOf(&[&[Kw("shared")], &[Kw("ikev2-profile"), Word("ikev2-profile")]])]),
        ],
        2,
        Run::Model(tunnel_protection),
    ),
    command(INTERFACE_MODE, &[Kw("tunnel"), Kw("key"), Int("key", 0, 4_294_967_295)], 2, Run::Model(tunnel_key)),
];

fn interface(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.interface()?.value;
    let interfaces = &mut edit.config.interfaces;
    if args.negated {
        interfaces.retain(|interface| interface.name != name);
        return None;
    }
    let make = || model::Interface::new(name.clone(), args.line_span());
    Some(Subject::Interface(find_or_add(interfaces, |interface| interface.name == name, make)))
}

/// Changes the interface the sub-mode edits.
fn on_interface(edit: &mut Edit<'_>, change: impl FnOnce(&mut model::Interface)) {
    if let Subject::Interface(place) = edit.subject
        && let Some(interface) = edit.config.interfaces.get_mut(place)
    {
        change(interface);
    }
}

fn description(edit: &mut Edit<'_>, args: &Args<'_>) {
    let text = args.text("text").filter(|_| !args.negated).map(|text| text.value);
    on_interface(edit, |interface| interface.description = text);
}

fn shutdown(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| toggle(&mut interface.shutdown, args, true));
}

fn ip_address(edit: &mut Edit<'_>, args: &Args<'_>) {
    let span = args.line_span();
    let network = match host_network(edit, args) {
        Ok(network) => network,
        Err(Refused) => return,
    };
    let mut has_secondary = false;
    on_interface(edit, |interface| match network {
        Some(network) if args.negated && interface.primary() == Some(network) && !interface.secondary.is_empty() => {
            has_secondary = true;
        }
        _ if args.negated && network.is_none() => {
            interface.address = None;
            interface.secondary.clear();
        }
        Some(network) if args.has("secondary") || args.negated => {
            interface.secondary.retain(|known| known.value != network);
            if !args.negated {
                interface.secondary.push(Spanned::new(network, span));
            } else if interface.primary() == Some(network) && !args.has("secondary") {
                interface.address = None;
            }
        }
        Some(network) => interface.address = Some(Spanned::new(InterfaceAddress::Static(network), span)),
        None if args.has("dhcp") => interface.address = Some(Spanned::new(InterfaceAddress::Dhcp, span)),
        None => interface.address = Some(Spanned::new(InterfaceAddress::Negotiated, span)),
    });
    if has_secondary {
        let label = "the interface still has secondary addresses";
        edit.reject(args.line.clone(), "Must delete secondary before deleting primary", label);
    }
}

/// The line was refused, and that has been said.
struct Refused;

/// Address and mask of the line, when it has them; IOS refuses the addresses no host can have. \[R\]
fn host_network(edit: &mut Edit<'_>, args: &Args<'_>) -> Result<Option<Ipv4Network>, Refused> {
    let (Some(address), Some(mask)) = (args.ip("address"), args.ip("mask")) else {
        return Ok(None);
    };
    let Ok(length) = ipv4_mask_to_prefix(mask.value) else {
        let title = format!("Bad mask 0x{:X} for address {}", mask.to_bits(), address.value);
        edit.reject(mask.span.range(), title, "expected a subnet mask without holes");
        return Err(Refused);
    };
    let network = Ipv4Network::new(address.value, length).map_err(|_| Refused)?;
    let not_a_host = length < 31 && (network.network() == address.value || network.broadcast() == address.value);
    if not_a_host && !args.negated {
        let title = format!("Bad mask /{length} for address {}", address.value);
        edit.reject(address.span.range(), title, "this is the network or its broadcast address, not a host's");
        return Err(Refused);
    }
    if address.is_multicast() || address.value == Ipv4Addr::UNSPECIFIED || address.is_broadcast() {
        edit.reject(address.span.range(), "Not a valid host address", "expected a unicast address");
        return Err(Refused);
    }
    Ok(Some(network))
}

fn ip_unnumbered(edit: &mut Edit<'_>, args: &Args<'_>) {
    let other = args.interface().map(|name| Spanned::new(InterfaceAddress::Unnumbered(name.value), name.span));
    on_interface(edit, |interface| interface.address = other.filter(|_| !args.negated));
}

fn mtu(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| interface.mtu = args.int("bytes").filter(|_| !args.negated));
}

fn ip_mtu(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| interface.ip_mtu = args.int("bytes").filter(|_| !args.negated));
}

fn adjust_mss(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| interface.tcp_mss = args.int("bytes").filter(|_| !args.negated));
}

fn access_group(edit: &mut Edit<'_>, args: &Args<'_>) {
    let acl = args.text("acl").filter(|_| !args.negated);
    on_interface(edit, |interface| {
        if !args.has("out") {
            interface.access_group_in = acl.clone();
        }
        if !args.has("in") {
            interface.access_group_out = acl;
        }
    });
}

fn nat(edit: &mut Edit<'_>, args: &Args<'_>) {
    let side = args.choice(&[("inside", NatSide::Inside), ("outside", NatSide::Outside)]);
    let side = side.map(|side| Spanned::new(side.value, args.line_span()));
    on_interface(edit, |interface| {
        if !args.negated {
            interface.nat = side;
        } else if interface.nat == side {
            interface.nat = None;
        }
    });
}

fn crypto_map(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| interface.crypto_map = args.text("name").filter(|_| !args.negated));
}

fn dot1q(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| interface.vlan = args.int("vlan").filter(|_| !args.negated));
}

fn tunnel_source(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| interface.tunnel.source = args.local_address().filter(|_| !args.negated));
}

fn tunnel_destination(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| interface.tunnel.destination = args.peer_host().filter(|_| !args.negated));
}

fn tunnel_mode(edit: &mut Edit<'_>, args: &Args<'_>) {
    let mode = match () {
        () if args.has("multipoint") => TunnelMode::GreMultipoint,
        () if args.has("gre") => TunnelMode::Gre,
        () if args.has("ipsec") => TunnelMode::IpsecIpv4,
        () => TunnelMode::IpIp,
    };
    let mode = (!args.negated).then_some(Spanned::new(mode, args.line_span()));
    on_interface(edit, |interface| interface.tunnel.mode = mode);
}

fn tunnel_protection(edit: &mut Edit<'_>, args: &Args<'_>) {
    let protection = args.text("profile").filter(|_| !args.negated).map(|profile| {
        Spanned::new(TunnelProtection { profile: profile.value, shared: args.has("shared") }, args.line_span())
    });
    on_interface(edit, |interface| interface.tunnel.protection = protection);
}

fn tunnel_key(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_interface(edit, |interface| interface.tunnel.key = args.int("key").filter(|_| !args.negated));
}
