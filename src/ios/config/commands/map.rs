//! Crypto maps, dynamic maps and the `match` and `set` lines they share with IPsec profiles.

use super::super::grammar::Element::{self, Host, Int, Ip, Kw, Many, OneOf, Opt, Rest, Word};
use super::super::model::{
    ClientSettings, CryptoMap, CryptoMapEntry, DhGroup, DynamicMap, DynamicMapEntry, EntryKind, MapPeer, MapSettings,
    ReverseRoute,
};
use super::super::span::Spanned;
use super::ipsec::{DF_BITS, LIFETIME, REPLAY, df_bit_of, lifetime_kilobytes, lifetime_seconds, replay_window};
use super::isakmp_modes::set_client;
use super::{Args, Command, Edit, INTERFACE, Mode, Run, Subject, command, find_or_add, toggle};

const GLOBAL: &[Mode] = &[Mode::Global];
const MAPS: &[Mode] = &[Mode::CryptoMap, Mode::DynamicMap];
const ALL: &[Mode] = &[Mode::CryptoMap, Mode::DynamicMap, Mode::IpsecProfile];
const PROFILE: &[Mode] = &[Mode::IpsecProfile];

const PFS_GROUPS: Element = OneOf(&[
    &[Kw("group1")],
    &[Kw("group2")],
    &[Kw("group5")],
    &[Kw("group14")],
    &[Kw("group15")],
    &[Kw("group16")],
    &[Kw("group19")],
    &[Kw("group20")],
    &[Kw("group21")],
    &[Kw("group24")],
]);

pub(super) const COMMANDS: &[Command] = &[
    command(
        GLOBAL,
        &[
            Kw("crypto"),
            Kw("map"),
            Word("name"),
            Int("sequence", 1, 65_535),
            Opt(&[OneOf(&[
                &[Kw("ipsec-isakmp"), Opt(&[Kw("dynamic"), Word("dynamic"), Opt(&[Kw("discover")])])],
                &[Kw("ipsec-manual")],
                &[Kw("gdoi")],
            ])]),
        ],
        3,
        Run::Enter(Mode::CryptoMap, map),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("map"), Word("name"), Kw("local-address"), INTERFACE],
        4,
        Run::Model(local_address),
    ),
    command(
        GLOBAL,
        &[
            Kw("crypto"),
            Kw("map"),
            Word("name"),
            OneOf(&[
                &[Kw("client"), Kw("authentication"), Kw("list"), Word("list")],
                &[Kw("isakmp"), Kw("authorization"), Kw("list"), Word("list")],
                &[Kw("client"), Kw("configuration"), Kw("address"), OneOf(&[&[Kw("respond")], &[Kw("initiate")]])],
            ]),
        ],
        4,
        Run::Model(map_client),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("map"), Word("name"), Kw("isakmp-profile"), Word("profile")],
        4,
        Run::Model(map_isakmp_profile),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("map"), Word("name"), Kw("redundancy"), Rest("text")],
        4,
        Run::NotSimulated("stateful failover is not simulated"),
    ),
    command(
        GLOBAL,
        &[Kw("crypto"), Kw("dynamic-map"), Word("name"), Int("sequence", 1, 65_535)],
        3,
        Run::Enter(Mode::DynamicMap, dynamic_map),
    ),
    command(ALL, &[Kw("description"), Rest("text")], 1, Run::Model(description)),
    command(MAPS, &[Kw("match"), Kw("address"), Word("acl")], 2, Run::Model(match_address)),
    command(
        MAPS,
        &[
            Kw("set"),
            Kw("peer"),
            OneOf(&[&[Ip("address")], &[Host("host")]]),
            Opt(&[Kw("dynamic")]),
            Opt(&[Kw("default")]),
        ],
        3,
        Run::Model(set_peer),
    ),
    command(
        ALL,
        &[Kw("set"), Kw("transform-set"), Word("name"), Many(&[Word("name")])],
        2,
        Run::Model(set_transform_set),
    ),
    command(ALL, &[Kw("set"), Kw("pfs"), Opt(&[PFS_GROUPS])], 2, Run::Model(set_pfs)),
    command(ALL, &[Kw("set"), Kw("security-association"), Kw("lifetime"), LIFETIME], 3, Run::Model(set_lifetime)),
    command(ALL, &[Kw("set"), Kw("security-association"), Kw("replay"), REPLAY], 3, Run::Model(set_replay)),
    command(
        ALL,
        &[Kw("set"), Kw("security-association"), Kw("idle-time"), Int("seconds", 60, 86_400), Opt(&[Kw("default")])],
        3,
        Run::Model(set_idle_time),
    ),
    command(ALL, &[Kw("set"), Kw("security-association"), Kw("level"), Kw("per-host")], 3, Run::Model(set_per_host)),
    command(ALL, &[Kw("set"), Kw("security-association"), Kw("dfbit"), DF_BITS], 3, Run::Model(set_df_bit)),
    command(ALL, &[Kw("set"), Kw("security-association"), Kw("ecn"), Rest("text")], 3, Run::NoEffect),
    command(ALL, &[Kw("set"), Kw("isakmp-profile"), Word("profile")], 2, Run::Model(set_isakmp_profile)),
    command(ALL, &[Kw("set"), Kw("ikev2-profile"), Word("profile")], 2, Run::Model(set_ikev2_profile)),
    command(
        ALL,
        &[
            Kw("reverse-route"),
            Opt(&[OneOf(&[
                &[Kw("static")],
                &[Kw("remote-peer"), Ip("address"), Opt(&[Kw("gateway")]), Opt(&[Kw("static")])],
            ])]),
        ],
        1,
        Run::Model(reverse_route),
    ),
    command(PROFILE, &[Kw("responder-only")], 1, Run::Model(responder_only)),
    command(MAPS, &[Kw("qos"), Kw("pre-classify")], 2, Run::NoEffect),
    command(MAPS, &[Kw("set"), Kw("nat"), Kw("demux")], 3, Run::NotSimulated("one client behind each NAT address")),
    command(
        MAPS,
        &[Kw("set"), Kw("ip"), Kw("access-group"), Rest("text")],
        3,
        Run::NotSimulated("traffic inside the tunnel is not filtered by it"),
    ),
    command(MAPS, &[Kw("set"), Kw("group"), Word("name")], 2, Run::NotSimulated("GDOI is not simulated")),
    command(
        MAPS,
        &[Kw("set"), Kw("session-key"), Rest("text")],
        2,
        Run::NotSimulated("manually keyed SAs are not simulated"),
    ),
    command(
        ALL,
        &[
            Kw("set"),
            OneOf(&[&[Kw("identity")], &[Kw("mixed-mode")], &[Kw("reverse-route")], &[Kw("security-policy")]]),
            Opt(&[Rest("text")]),
        ],
        2,
        Run::NotSimulated("the tunnel works without it"),
    ),
];

/// What IOS says to a new entry. \[S: facts 6.3\]
const NEW_MAP: &str = "% NOTE: This new crypto map will remain disabled until a peer
        and a valid access list have been configured.\n";

/// The `crypto map` of that name, made when there is none.
fn map_named<'edit>(edit: &'edit mut Edit<'_>, name: &str, args: &Args<'_>) -> (usize, &'edit mut CryptoMap) {
    let maps = &mut edit.config.ipsec.maps;
    let make = || CryptoMap {
        name: name.to_owned(),
        entries: Vec::new(),
        local_address: None,
        client: ClientSettings::default(),
        isakmp_profile: None,
        span: args.line_span(),
    };
    let place = find_or_add(maps, |map| map.name == name, make);
    (place, &mut maps[place])
}

fn map(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.text("name")?.value;
    let sequence = args.int::<u16>("sequence").map(|sequence| sequence.value);
    if args.negated {
        remove_map(edit, &name, sequence);
        return None;
    }
    let sequence = sequence?;
    let kind = match () {
        () if args.has("dynamic") => args.text("dynamic").map(EntryKind::Dynamic),
        () if args.has("ipsec-isakmp") => Some(EntryKind::Isakmp),
        () if args.has("ipsec-manual") => Some(EntryKind::Manual),
        () if args.has("gdoi") => Some(EntryKind::Gdoi),
        () => None,
    };
    let known =
        edit.config.crypto_map(&name).is_some_and(|map| map.entries.iter().any(|entry| entry.sequence == sequence));
    if !known && kind.is_none() {
        edit.reject(args.line.end..args.line.end, "% Incomplete command.", "expected ipsec-isakmp");
        return None;
    }
    if let Some(EntryKind::Manual | EntryKind::Gdoi) = kind {
        edit.warn(
            args.line.clone(),
            "this kind of crypto map entry is not simulated",
            "the entry protects nothing here",
        );
    }
    if !known && kind == Some(EntryKind::Isakmp) {
        edit.reply = NEW_MAP;
    }
    let (place, map) = map_named(edit, &name, args);
    let entry = map.entries.partition_point(|entry| entry.sequence < sequence);
    match kind {
        Some(kind) if !known => {
            let fresh = CryptoMapEntry { sequence, kind, settings: MapSettings::default(), span: args.line_span() };
            map.entries.insert(entry, fresh);
        }
        Some(kind) => map.entries[entry].kind = kind,
        None => {}
    }
    Some(Subject::MapEntry(place, entry))
}

/// `no crypto map NAME [SEQ]`.
fn remove_map(edit: &mut Edit<'_>, name: &str, sequence: Option<u16>) {
    let maps = &mut edit.config.ipsec.maps;
    if let (Some(sequence), Some(map)) = (sequence, maps.iter_mut().find(|map| map.name == name)) {
        map.entries.retain(|entry| entry.sequence != sequence);
    }
    maps.retain(|map| map.name != name || sequence.is_some() && !map.entries.is_empty());
}

/// Changes what a line says of a whole map; `no` makes none, and one of which nothing is left goes.
fn on_map(edit: &mut Edit<'_>, args: &Args<'_>, change: impl FnOnce(&mut CryptoMap)) {
    let Some(name) = args.text("name") else {
        return;
    };
    if args.negated && edit.config.crypto_map(&name).is_none() {
        return;
    }
    let (place, map) = map_named(edit, &name, args);
    change(map);
    let bare = map.local_address.is_none() && map.isakmp_profile.is_none() && map.client == ClientSettings::default();
    if bare && map.entries.is_empty() {
        edit.config.ipsec.maps.remove(place);
    }
}

fn local_address(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_map(edit, args, |map| map.local_address = args.interface().filter(|_| !args.negated));
}

fn map_client(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_map(edit, args, |map| set_client(&mut map.client, args));
}

fn map_isakmp_profile(edit: &mut Edit<'_>, args: &Args<'_>) {
    on_map(edit, args, |map| map.isakmp_profile = args.text("profile").filter(|_| !args.negated));
}

fn dynamic_map(edit: &mut Edit<'_>, args: &Args<'_>) -> Option<Subject> {
    let name = args.text("name")?.value;
    let sequence = args.int::<u16>("sequence").map(|sequence| sequence.value);
    let maps = &mut edit.config.ipsec.dynamic_maps;
    if args.negated {
        if let (Some(sequence), Some(map)) = (sequence, maps.iter_mut().find(|map| map.name == name)) {
            map.entries.retain(|entry| entry.sequence != sequence);
        }
        maps.retain(|map| map.name != name || sequence.is_some() && !map.entries.is_empty());
        return None;
    }
    let sequence = sequence?;
    let make = || DynamicMap { name: name.clone(), entries: Vec::new(), span: args.line_span() };
    let place = find_or_add(maps, |map| map.name == name, make);
    let entries = &mut maps[place].entries;
    let entry = entries.partition_point(|entry| entry.sequence < sequence);
    if entries.get(entry).is_none_or(|entry| entry.sequence != sequence) {
        let fresh = DynamicMapEntry { sequence, settings: MapSettings::default(), span: args.line_span() };
        entries.insert(entry, fresh);
    }
    Some(Subject::DynamicEntry(place, entry))
}

/// Changes the settings the sub-mode edits.
fn with_settings(edit: &mut Edit<'_>, change: impl FnOnce(&mut MapSettings)) {
    let ipsec = &mut edit.config.ipsec;
    let settings = match edit.subject {
        Subject::MapEntry(map, entry) => {
            ipsec.maps.get_mut(map).and_then(|map| map.entries.get_mut(entry)).map(|entry| &mut entry.settings)
        }
        Subject::DynamicEntry(map, entry) => {
            ipsec.dynamic_maps.get_mut(map).and_then(|map| map.entries.get_mut(entry)).map(|entry| &mut entry.settings)
        }
        Subject::IpsecProfile(profile) => ipsec.profiles.get_mut(profile).map(|profile| &mut profile.settings),
        _ => None,
    };
    if let Some(settings) = settings {
        change(settings);
    }
}

fn description(edit: &mut Edit<'_>, args: &Args<'_>) {
    let text = args.text("text").filter(|_| !args.negated).map(|text| text.value);
    with_settings(edit, |settings| settings.description = text);
}

fn match_address(edit: &mut Edit<'_>, args: &Args<'_>) {
    let acl = args.text("acl").filter(|_| !args.negated);
    with_settings(edit, |settings| settings.acl = acl);
}

fn set_peer(edit: &mut Edit<'_>, args: &Args<'_>) {
    let Some(host) = args.peer_host() else {
        return;
    };
    let span = host.span;
    let peer = MapPeer { host: host.value, dynamic: args.has("dynamic"), default: args.has("default") };
    with_settings(edit, |settings| {
        let known = settings.peers.iter_mut().find(|known| known.host == peer.host);
        match known {
            Some(_) if args.negated => settings.peers.retain(|known| known.host != peer.host),
            Some(known) => *known = Spanned::new(peer, span),
            None if args.negated => {}
            None => settings.peers.push(Spanned::new(peer, span)),
        }
    });
}

fn set_transform_set(edit: &mut Edit<'_>, args: &Args<'_>) {
    let names: Vec<_> = args.texts("name").collect();
    if names.len() > 6 {
        return edit.reject(
            names[6].span.range(),
            "% Invalid input detected at '^' marker.",
            "expected at most six transform sets",
        );
    }
    with_settings(edit, |settings| settings.transform_sets = if args.negated { Vec::new() } else { names });
}

/// Plain `set pfs` is group 1. \[S: facts 5.1, LOG-123\]
fn set_pfs(edit: &mut Edit<'_>, args: &Args<'_>) {
    let number = args.args.iter().find_map(|arg| arg.name.strip_prefix("group")?.parse().ok()).unwrap_or(1);
    let pfs = Spanned::new(DhGroup::from_number(number), args.line_span());
    with_settings(edit, |settings| settings.pfs = (!args.negated).then_some(pfs));
}

fn set_lifetime(edit: &mut Edit<'_>, args: &Args<'_>) {
    let (seconds, kilobytes) = (lifetime_seconds(args), lifetime_kilobytes(args));
    let only_seconds = args.has("seconds") || args.has("days");
    let only_kilobytes = args.has("kilobytes");
    with_settings(edit, |settings| {
        if args.negated {
            if !only_kilobytes {
                settings.lifetime_seconds = None;
            }
            if !only_seconds {
                settings.lifetime_kilobytes = None;
            }
        } else {
            settings.lifetime_seconds = seconds.or(settings.lifetime_seconds);
            settings.lifetime_kilobytes = kilobytes.or(settings.lifetime_kilobytes);
        }
    });
}

fn set_replay(edit: &mut Edit<'_>, args: &Args<'_>) {
    let window = replay_window(args).filter(|_| !args.negated);
    with_settings(edit, |settings| settings.replay = window);
}

fn set_idle_time(edit: &mut Edit<'_>, args: &Args<'_>) {
    let seconds = args.int("seconds").filter(|_| !args.negated);
    with_settings(edit, |settings| settings.idle_time = seconds);
}

fn set_per_host(edit: &mut Edit<'_>, args: &Args<'_>) {
    with_settings(edit, |settings| toggle(&mut settings.per_host, args, true));
}

fn set_df_bit(edit: &mut Edit<'_>, args: &Args<'_>) {
    let value = df_bit_of(args).filter(|_| !args.negated);
    with_settings(edit, |settings| settings.df_bit = value);
}

fn set_isakmp_profile(edit: &mut Edit<'_>, args: &Args<'_>) {
    let profile = args.text("profile").filter(|_| !args.negated);
    with_settings(edit, |settings| settings.isakmp_profile = profile);
}

fn set_ikev2_profile(edit: &mut Edit<'_>, args: &Args<'_>) {
    let profile = args.text("profile").filter(|_| !args.negated);
    with_settings(edit, |settings| settings.ikev2_profile = profile);
}

fn reverse_route(edit: &mut Edit<'_>, args: &Args<'_>) {
    let route =
        ReverseRoute { permanent: args.has("static"), remote_peer: args.ip("address").map(|address| address.value) };
    let route = (!args.negated).then_some(Spanned::new(route, args.line_span()));
    with_settings(edit, |settings| settings.reverse_route = route);
}

fn responder_only(edit: &mut Edit<'_>, args: &Args<'_>) {
    with_settings(edit, |settings| toggle(&mut settings.responder_only, args, true));
}
