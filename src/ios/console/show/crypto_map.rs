//! `show crypto map` \[S:NOTES-KR, LOG-123; tab layout and the incomplete entry S:GENIE\] and
//! `show crypto ipsec transform-set` \[R for spacing\].

use super::{State, line};
use crate::ios::config::{
    CryptoMap, CryptoMapEntry, EntryKind, MapSettings, TransformMode, TransformSet, VolumeLifetime,
};
use crate::ios::releases::Behaviour;

/// The crypto maps, or the one of that name.
pub(super) fn maps(behaviour: &Behaviour, state: &State<'_>, name: Option<&str>) -> String {
    let mut out = String::new();
    let maps: Vec<_> = state.config.ipsec.maps.iter().filter(|map| name.is_none_or(|name| map.name == name)).collect();
    if maps.is_empty() {
        line!(out, "No crypto maps found.");
    }
    for map in maps {
        for entry in &map.entries {
            self::entry(&mut out, behaviour, state, map, entry);
        }
        line!(out, "\tInterfaces using crypto map {}:", map.name);
        let using = |of: &crate::ios::config::Interface| of.crypto_map.as_ref().is_some_and(|on| on.value == map.name);
        for interface in state.config.interfaces.iter().filter(|interface| using(interface)) {
            line!(out, "\t\t{}", interface.name);
        }
        line!(out);
    }
    out
}

fn entry(out: &mut String, behaviour: &Behaviour, state: &State<'_>, map: &CryptoMap, entry: &CryptoMapEntry) {
    let settings = &entry.settings;
    let version = if behaviour.show.map_says_ipv4 { "IPv4 " } else { "" };
    let kind = match &entry.kind {
        EntryKind::Isakmp | EntryKind::Dynamic(_) => "ipsec-isakmp",
        EntryKind::Manual => "ipsec-manual",
        EntryKind::Gdoi => "gdoi",
    };
    line!(*out, "Crypto Map {version}\"{}\" {} {kind}", map.name, entry.sequence);
    if let EntryKind::Dynamic(dynamic) = &entry.kind {
        line!(*out, "\tDynamic map template tag: {}", dynamic.value);
        line!(*out);
        return;
    }
    let incomplete = settings.peers.is_empty() || settings.acl.is_none();
    if incomplete {
        line!(*out, "\tWARNING: This crypto map is in an incomplete state!");
        line!(*out, "\t\t(missing peer or access-list definitions)");
    }
    if let Some(description) = &settings.description {
        line!(*out, "\tDescription: {description}");
    }
    for peer in &settings.peers {
        line!(*out, "\tPeer = {}", peer.value.host);
    }
    if behaviour.show.map_says_ipv4 {
        line!(*out, "\tAccess-List SS dynamic: False");
    }
    acl(out, state, settings);
    if let Some(current) = current_peer(state, map, settings).filter(|_| !incomplete) {
        line!(*out, "\tCurrent peer: {current}");
    }
    lifetimes(out, state, settings);
    if behaviour.show.map_says_ipv4 {
        line!(*out, "\tDualstack (Y/N): N");
        line!(*out);
    }
    if behaviour.show.map_responder_only {
        line!(*out, "\tResponder-Only (Y/N): N");
    }
    match &settings.pfs {
        Some(group) => {
            line!(*out, "\tPFS (Y/N): Y");
            line!(*out, "\tDH group:  group{}", group.value);
        }
        None => line!(*out, "\tPFS (Y/N): N"),
    }
    if behaviour.show.map_responder_only {
        line!(*out, "\tMixed-mode : Disabled");
    }
    line!(*out, "\tTransform sets={{ ");
    for name in &settings.transform_sets {
        match state.config.transform_set(&name.value) {
            Some(set) => line!(*out, "\t\t{}:  {{ {} }} , ", name.value, words(set)),
            None => line!(*out, "\t\t{}:  {{  }} , ", name.value),
        }
    }
    line!(*out, "\t}}");
}

/// The access list with its entries, each as a numbered list would have it \[S:NOTES-KR\].
fn acl(out: &mut String, state: &State<'_>, settings: &MapSettings) {
    let Some(name) = &settings.acl else {
        line!(*out, "\tNo matching address list set.");
        return;
    };
    line!(*out, "\tExtended IP access list {}", name.value);
    for ace in state.config.access_list(&name.value).into_iter().flat_map(|list| list.entries()) {
        line!(*out, "\t    access-list {} {}", name.value, ace.words());
    }
}

/// The peer of the flows of the entry's map that is one of the entry's; the first one before anything happened.
fn current_peer(state: &State<'_>, map: &CryptoMap, settings: &MapSettings) -> Option<String> {
    let of_entry = |peer: &std::net::Ipv4Addr| settings.peers.iter().any(|of| of.value.host.address() == Some(*peer));
    let flows = state.flows.iter().filter(|flow| flow.map == map.name && !flow.pairs.is_empty());
    let live = flows.filter_map(|flow| flow.peer).map(|peer| *peer.ip()).find(of_entry);
    live.map(|peer| peer.to_string()).or_else(|| Some(settings.peers.first()?.value.host.to_string()))
}

fn lifetimes(out: &mut String, state: &State<'_>, settings: &MapSettings) {
    let ipsec = &state.config.ipsec;
    let seconds = settings.lifetime_seconds.as_ref().unwrap_or(&ipsec.lifetime_seconds).value;
    match settings.lifetime_kilobytes.as_ref().unwrap_or(&ipsec.lifetime_kilobytes).value {
        VolumeLifetime::Kilobytes(kilobytes) => {
            line!(*out, "\tSecurity association lifetime: {kilobytes} kilobytes/{seconds} seconds");
        }
        VolumeLifetime::Unlimited => line!(*out, "\tSecurity association lifetime: {seconds} seconds"),
    }
}

/// `esp-256-aes esp-sha512-hmac `, each transform with a blank behind it.
fn words(set: &TransformSet) -> String {
    set.transforms.iter().map(|transform| transform.value.show_word() + " ").collect()
}

/// The transform sets, or the one of that name; the built-in one comes first.
pub(super) fn transform_sets(behaviour: &Behaviour, state: &State<'_>, name: Option<&str>) -> String {
    let mut out = String::new();
    let wanted = |of: &str| name.is_none_or(|name| name == of);
    if behaviour.defaults.transform_set && wanted("default") && state.config.transform_set("default").is_none() {
        line!(out, "Transform set default: {{ esp-aes esp-sha-hmac  }} ");
        line!(out, "   will negotiate = {{ Transport,  }}, ");
        line!(out);
    }
    for set in state.config.ipsec.transform_sets.iter().filter(|set| wanted(&set.name.value)) {
        let mode = match set.mode.value {
            TransformMode::Tunnel => "Tunnel",
            TransformMode::Transport | TransformMode::TransportRequire => "Transport",
        };
        line!(out, "Transform set {}: {{ {} }} ", set.name.value, words(set));
        line!(out, "   will negotiate = {{ {mode},  }}, ");
        line!(out);
    }
    out
}
