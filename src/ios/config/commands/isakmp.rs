//! `crypto isakmp` and `crypto keyring` in global configuration mode.

use pnet::ipnetwork::Ipv4Network;

use super::super::grammar::Element::{Int, Ip, Kw, Many, OneOf, Opt, Secret, Word};
use super::super::model::{
    ClientGroup, IdentityKind, IsakmpPeer, IsakmpPolicy, IsakmpProfile, Keepalive, KeepaliveMode, KeyPeer, Keyring,
    PreSharedKey,
};
use super::super::span::Spanned;
use super::{Args, Command, Edit, Mode, Run, Subject, command, find_or_add, toggle};

const GLOBAL: &[Mode] = &[Mode::Global];

pub(super) const COMMANDS: &[Command] = &[
    command(GLOBAL, &[Kw("crypto"), Kw("isakmp"), Kw("enable")], 3, Run::Model(enable)),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("isakmp"), Kw("policy"), Int("priority", 1, 10_000)],
        4,
        Run::Enter(Mode::IsakmpPolicy, policy),
    ),
    command(GLOBAL, &[Kw("crypto"), Kw("isakmp"), Kw("default"), Kw("policy")], 4, Run::Model(default_policy)),
    command(
        GLOBAL,
        &[
            Kw("crypto"),
            Kw("isakmp"),
            Kw("key"),
            OneOf(&[&[Int("key-type", 0, 7), Secret("key")], &[Secret("key")]]),
            OneOf(&[
                &[Kw("address"), Ip("address"), Opt(&[Ip("mask")])],
                &[Kw("address"), Kw("ipv6"), Word("prefix")],
                &[Kw("ipv6"), Word("prefix")],
                &[Kw("hostname"), Word("host")],
            ]),
            Opt(&[Kw("no-xauth")]),
        ],
        5,
        Run::Model(key),
    ),
    command(
        GLOBAL,
        &[
            Kw("crypto"),
            Kw("isakmp"),
            Kw("identity"),
            OneOf(&[&[Kw("address")], &[Kw("hostname")], &[Kw("dn")], &[Kw("auto")]]),
        ],
        3,
        Run::Model(identity),
    ),
    command(
        GLOBAL,
        &[
            Kw("crypto"),
            Kw("isakmp"),
            Kw("keepalive"),
            Int("interval", 10, 3600),
            Opt(&[Int("retry", 2, 60)]),
            Opt(&[OneOf(&[&[Kw("periodic")], &[Kw("on-demand")]])]),
        ],
        3,
        Run::Model(keepalive),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("isakmp"), Kw("nat"), Kw("keepalive"), Int("interval", 5, 3600)],
        4,
        Run::Model(nat_keepalive),
    ),
    command(GLOBAL, &[Kw("crypto"), Kw("isakmp"), Kw("invalid-spi-recovery")], 3, Run::Model(invalid_spi_recovery)),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("isakmp"), Kw("aggressive-mode"), Kw("disable")],
        4,
        Run::Model(aggressive_mode_disable),
    ),
    command(GLOBAL, &[Kw("crypto"), Kw("isakmp"), Kw("fragmentation")], 3, Run::Model(fragmentation)),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("isakmp"), Kw("xauth"), Kw("timeout"), Int("seconds", 5, 90)],
        4,
        Run::Model(xauth_timeout),
    ),
    command(
        GLOBAL,
        &[
            Kw("crypto"),
            Kw("isakmp"),
            Kw("peer"),
            OneOf(&[&[Kw("address"), Ip("address")], &[Kw("hostname"), Word("host")], &[Ip("address")]]),
        ],
        4,
        Run::Enter(Mode::IsakmpPeer, peer),
    ),
    command(
        GLOBAL,
        &[
            Kw("crypto"),
            Kw("isakmp"),
            Kw("profile"),
            Word("name"),
            Many(&[OneOf(&[&[Kw("accounting"), Word("list")]])]),
        ],
        4,
        Run::Enter(Mode::IsakmpProfile, profile),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("isakmp"), Kw("client"), Kw("configuration"), Kw("group"), Word("name")],
        6,
        Run::Enter(Mode::ClientGroup, client_group),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("isakmp"), Kw("client"), Kw("configuration"), Kw("address-pool"), Kw("local"), Word("pool")],
        6,
        Run::Model(client_address_pool),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("keyring"), Word("name"), Opt(&[Kw("vrf"), Word("vrf")])],
        3,
        Run::Enter(Mode::Keyring, keyring),
    ),
];

fn enable(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.isakmp.enabled, args, true);
}

fn default_policy(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.isakmp.default_policies, args, true);
}

fn invalid_spi_recovery(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.isakmp.invalid_spi_recovery, args, true);
}

fn aggressive_mode_disable(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.isakmp.aggressive_mode, args, false);
}

fn fragmentation(edit: &mut Edit<'_>, args: &Args<'_>) {
    toggle(&mut edit.config.isakmp.fragmentation, args, true);
}

fn policy(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let priority = args.int::<u16>("priority")?.value;
    let policies = &mut edit.config.isakmp.policies;
    if args.negated {
        policies.retain(|policy| policy.priority != priority);
        return None;
    }
    let place = policies.partition_point(|policy| policy.priority < priority);
    if policies.get(place).is_none_or(|policy| policy.priority != priority) {
        policies.insert(place, IsakmpPolicy::new(priority, args.line_span()));
    }
    Some(Subject::Policy(place))
}

/// Whom a key is for; an address without mask is a host, `0.0.0.0` alone everybody (facts 11.2, \[S\]).
pub(super) fn key_peer(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Spanned<KeyPeer>> {
    if let Some(prefix) = args.text("prefix") {
        edit.warn(prefix.span.range(), "a key for an IPv6 peer is of no use here", "the simulated router speaks IPv4");
        return Some(Spanned::new(KeyPeer::Ipv6(prefix.value), prefix.span));
    }
    if let Some(host) = args.text("host") {
        return Some(Spanned::new(KeyPeer::Hostname(host.value), host.span));
    }
    let address = args.ip("address")?;
    let length = match args.ip("mask") {
        Some(mask) => match pnet::ipnetwork::ipv4_mask_to_prefix(mask.value) {
            Ok(length) => length,
            Err(_) => {
                edit.reject(mask.span.range(), "% Invalid address or mask", "expected a subnet mask without holes");
                return None;
            }
        },
        None if address.is_unspecified() => 0,
        None => 32,
    };
    let network = Ipv4Network::new(address.value, length).ok()?;
    let network = Ipv4Network::new(network.network(), length).ok()?;
    Some(Spanned::new(KeyPeer::Address(network), address.span))
}

fn key(edit: &mut Edit<'_>, args: &Args<'_>) {
    let (Some(key), Some(peer)) = (args.secret(), key_peer(edit, args)) else {
        return;
    };
    let keys = &mut edit.config.isakmp.keys;
    keys.retain(|known| known.peer != peer);
    if !args.negated {
        keys.push(PreSharedKey { peer, key, no_xauth: args.has("no-xauth"), span: args.line_span() });
    }
}

fn identity(edit: &mut Edit<'_>, args: &Args<'_>) {
    let chosen = args.choice(&[
        ("address", IdentityKind::Address),
        ("hostname", IdentityKind::Hostname),
        ("dn", IdentityKind::DistinguishedName),
        ("auto", IdentityKind::Auto),
    ]);
    edit.config.isakmp.identity = chosen.filter(|_| !args.negated).unwrap_or(Spanned::implied(IdentityKind::Address));
}

fn keepalive(edit: &mut Edit<'_>, args: &Args<'_>) {
    edit.config.isakmp.keepalive = if args.negated { None } else { keepalive_of(args) };
}

/// `keepalive N [retry] M [periodic]`, of the router or of a profile.
pub(super) fn keepalive_of(args: &Args<'_>) -> Option<Spanned<Keepalive>> {
    let keepalive = Keepalive {
        interval: args.int("interval")?.value,
        retry: args.int("retry").map_or(2, |retry| retry.value),
        mode: if args.has("periodic") { KeepaliveMode::Periodic } else { KeepaliveMode::OnDemand },
    };
    Some(Spanned::new(keepalive, args.line_span()))
}

fn nat_keepalive(edit: &mut Edit<'_>, args: &Args<'_>) {
    edit.config.isakmp.nat_keepalive = args.int("interval").filter(|_| !args.negated);
}

fn xauth_timeout(edit: &mut Edit<'_>, args: &Args<'_>) {
    edit.config.isakmp.xauth_timeout = args.int("seconds").filter(|_| !args.negated);
}

fn peer(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let peer = args.peer_host()?.value;
    let peers = &mut edit.config.isakmp.peers;
    if args.negated {
        peers.retain(|known| known.peer != peer);
        return None;
    }
    let make = || IsakmpPeer { peer: peer.clone(), password: None, client_endpoint: None, span: args.line_span() };
    Some(Subject::Peer(find_or_add(peers, |known| known.peer == peer, make)))
}

/// What IOS says to a new profile. \[R\]
const NEW_PROFILE: &str = "% A profile is deemed incomplete until it has match identity statements\n";

fn profile(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.text("name")?.value;
    let profiles = &mut edit.config.isakmp.profiles;
    if args.negated {
        profiles.retain(|profile| profile.name != name);
        return None;
    }
    let make = || IsakmpProfile::new(&name, args.line_span());
    if !profiles.iter().any(|profile| profile.name == name) {
        edit.reply = NEW_PROFILE;
    }
    Some(Subject::Profile(find_or_add(profiles, |profile| profile.name == name, make)))
}

fn client_group(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.text("name")?.value;
    let groups = &mut edit.config.isakmp.client_groups;
    if args.negated {
        groups.retain(|group| group.name != name);
        return None;
    }
    let make = || ClientGroup { name: name.clone(), span: args.line_span(), ..ClientGroup::default() };
    Some(Subject::Group(find_or_add(groups, |group| group.name == name, make)))
}

fn client_address_pool(edit: &mut Edit<'_>, args: &Args<'_>) {
    edit.config.isakmp.client_address_pool = args.text("pool").filter(|_| !args.negated);
}

fn keyring(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.text("name")?.value;
    let keyrings = &mut edit.config.isakmp.keyrings;
    if args.negated {
        keyrings.retain(|keyring| keyring.name != name);
        return None;
    }
    let make = || Keyring {
        name: name.clone(),
        vrf: args.text("vrf").map(|vrf| vrf.value),
        description: None,
        keys: Vec::new(),
        local_address: None,
        span: args.line_span(),
    };
    Some(Subject::Keyring(find_or_add(keyrings, |keyring| keyring.name == name, make)))
}
