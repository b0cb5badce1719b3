//! Policies, keys, profiles, crypto maps: what is missing, undefined, not simulated or hidden.

use std::net::Ipv4Addr;

use super::super::model::{
    Authentication, CryptoMap, CryptoMapEntry, DhGroup, EntryKind, IsakmpPolicy, KeyPeer, MapSettings, PeerHost,
    PreSharedKey, TransformMode, TransformSet, key_for_address, key_for_hostname,
};
use super::super::span::{Span, Spanned};
use super::Lint;
use crate::crypto::{Cipher, Hash};
use crate::ios::acl::{AccessList, Ace, AclKind, Action, AddressMatch, Cover};

impl Lint<'_> {
    pub(super) fn crypto(&mut self) {
        let config = self.config;
        self.policies();
        for key in &config.isakmp.keys {
            self.key(key, true);
        }
        for keyring in &config.isakmp.keyrings {
            for key in &keyring.keys {
                self.key(key, false);
            }
        }
        self.isakmp_profiles();
        for set in &config.ipsec.transform_sets {
            self.transform_set(set);
        }
        for map in &config.ipsec.maps {
            self.map(map);
        }
        for map in &config.ipsec.dynamic_maps {
            for entry in &map.entries {
                let name = format!("dynamic map {} {}", map.name, entry.sequence);
                self.settings(&name, &entry.settings, entry.span);
                self.crypto_acl(&entry.settings);
            }
        }
        for profile in &config.ipsec.profiles {
            self.settings(&format!("IPsec profile {}", profile.name), &profile.settings, profile.span);
        }
        for interface in &config.interfaces {
            let Some(map) = &interface.crypto_map else {
                continue;
            };
            if config.crypto_map(map).is_none() {
                let title = format!("crypto map `{map}` does not exist");
                self.warn(map.span, title, "nothing is protected on this interface");
            } else if !config.isakmp.enabled.value {
                let title = "ISAKMP is disabled: the crypto map cannot negotiate";
                self.warn(config.isakmp.enabled.span, title, "IKE is not answered and not begun");
            }
        }
    }

    /// Whether anything could start or answer a negotiation.
    fn crypto_in_use(&self) -> bool {
        self.config
            .interfaces
            .iter()
            .any(|interface| interface.crypto_map.is_some() || interface.tunnel.protection.is_some())
    }

    fn policies(&mut self) {
        let isakmp = &self.config.isakmp;
        if isakmp.policies.is_empty() && self.crypto_in_use() {
            let label = "without `crypto isakmp policy` the built-in policies are offered";
            self.note(Span::NONE, format!("no ISAKMP policy is configured: {label}"), label);
        }
        for (place, policy) in isakmp.policies.iter().enumerate() {
            let priority = policy.priority;
            if policy.authentication.value != Authentication::PreShared {
                let word = policy.authentication.word();
                let title = format!("policy {priority} authenticates by {word}, which is not simulated");
                let implied = policy.authentication.is_implied();
                let span = if implied { policy.span } else { policy.authentication.span };
                let label =
                    if implied { "no `authentication` line: rsa-sig is the default" } else { "no peer matches it" };
                self.warn(span, title, label).help = Some("write `authentication pre-share`".to_owned());
            }
            self.group(&format!("policy {priority}"), policy.group);
            let same = |other: &&IsakmpPolicy| {
                let other = IsakmpPolicy { priority, ..(*other).clone() };
                other == *policy
            };
            if let Some(earlier) = isakmp.policies[..place].iter().find(same) {
                let title = format!("policy {priority} says the same as policy {}", earlier.priority);
                self.note(policy.span, title, "it is never reached");
            }
        }
    }

    fn group(&mut self, what: &str, group: Spanned<DhGroup>) {
        if let DhGroup::Unsupported(number) = group.value {
            let title = format!("{what}: Diffie-Hellman group {number} is not simulated");
            self.warn(group.span, title, "expected 1, 2, 5, 14, 15 or 16");
        }
    }

    fn key(&mut self, key: &PreSharedKey, global: bool) {
        if key.key.plain().is_none() {
            let label = "write the key itself; only the router that encrypted it can read this";
            self.warn(key.key.span, "an encrypted key cannot be used", label);
        }
        let KeyPeer::Address(network) = key.peer.value else {
            return;
        };
        let config = self.config;
        let somebody = !config.ipsec.dynamic_maps.is_empty()
            || config.isakmp.profiles.iter().any(|profile| profile.virtual_template.is_some())
            || self.peers().any(|(peer, _)| network.contains(peer))
            || self.peers().next().is_none() && self.crypto_in_use();
        if global && !somebody && network.prefix() > 0 {
            let title = format!("no crypto map entry or tunnel has a peer in {network}: the key is of no use");
            self.warn(key.peer.span, title, "expected an address that a `set peer` or `tunnel destination` names");
        }
    }

    /// Every peer address the configuration names, and where.
    fn peers(&self) -> impl Iterator<Item = (Ipv4Addr, Span)> {
        let config = self.config;
        let entries = config.ipsec.maps.iter().flat_map(|map| &map.entries).flat_map(|entry| &entry.settings.peers);
        let of_maps = entries.filter_map(|peer| Some((peer.host.address()?, peer.span)));
        let tunnels = config.interfaces.iter().filter_map(|interface| interface.tunnel.destination.as_ref());
        of_maps.chain(tunnels.filter_map(|peer| Some((peer.address()?, peer.span))))
    }

    fn isakmp_profiles(&mut self) {
        let config = self.config;
        for profile in &config.isakmp.profiles {
            for keyring in &profile.keyrings {
                if config.keyring(keyring).is_none() {
                    let title = format!("keyring `{keyring}` does not exist");
                    self.warn(keyring.span, title, "the profile finds no key in it");
                }
            }
            if profile.match_identity.is_empty() {
                let title = format!("ISAKMP profile {} has no `match identity`", profile.name);
                self.warn(profile.span, title, "no peer is ever served by it");
            }
        }
        for keyring in &config.isakmp.keyrings {
            let used = config
                .isakmp
                .profiles
                .iter()
                .any(|profile| profile.keyrings.iter().any(|name| name.value == keyring.name));
            if !used {
                self.warn(
                    keyring.span,
                    format!("keyring {} is named by no profile", keyring.name),
                    "its keys are never used",
                );
            }
        }
    }

    fn transform_set(&mut self, set: &TransformSet) {
        for transform in set.unsupported() {
            let title = format!("transform set {}: {} is not simulated", set.name, transform.words());
            self.warn(transform.span, title, "the set matches no proposal");
        }
        match set.esp() {
            None if set.ah().is_none() && set.unsupported().next().is_none() => {
                self.warn(set.span, format!("transform set {} protects nothing", set.name), "expected ESP or AH");
            }
            Some((Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm, Some(_))) => {
                let title = format!("transform set {}: GCM brings its own integrity check", set.name);
                self.warn(set.span, title, "expected no HMAC beside it");
            }
            Some((Cipher::Null, None)) => {
                let title = format!("transform set {} neither encrypts nor authenticates", set.name);
                self.warn(set.span, title, "expected an HMAC beside esp-null");
            }
            Some((cipher, None)) if !is_gcm(cipher) && set.ah().is_none() => {
                let title = format!("transform set {} does not authenticate", set.name);
                self.warn(set.span, title, "most peers refuse ESP without an HMAC");
            }
            _ => {}
        }
    }

    fn map(&mut self, map: &CryptoMap) {
        let config = self.config;
        let on_interface = config
            .interfaces
            .iter()
            .any(|interface| interface.crypto_map.as_ref().is_some_and(|name| name.value == map.name));
        if !on_interface {
            let title = format!("crypto map {} is on no interface", map.name);
            self.warn(map.span, title, "it protects nothing").help =
                Some(format!("write `crypto map {}` under the outgoing interface", map.name));
        }
        if let Some(local) = &map.local_address
            && config.interface_address(local).is_none()
        {
            self.warn(local.span, format!("{local} has no address"), "the map's local address is not known");
        }
        for entry in &map.entries {
            self.entry(map, entry);
        }
        self.hidden_entries(map);
    }

    fn entry(&mut self, map: &CryptoMap, entry: &CryptoMapEntry) {
        let name = format!("crypto map {} {}", map.name, entry.sequence);
        match &entry.kind {
            EntryKind::Dynamic(dynamic) if self.config.dynamic_map(dynamic).is_none() => {
                self.warn(dynamic.span, format!("dynamic map `{dynamic}` does not exist"), "the entry accepts nobody");
                return;
            }
            EntryKind::Dynamic(_) | EntryKind::Manual | EntryKind::Gdoi => return,
            EntryKind::Isakmp => {}
        }
        let settings = &entry.settings;
        let mut missing: Vec<&str> = Vec::new();
        for (word, absent) in [
            ("set peer", settings.peers.is_empty()),
            ("match address", settings.acl.is_none()),
            ("set transform-set", settings.transform_sets.is_empty()),
        ] {
            if absent {
                missing.push(word);
            }
        }
        if !missing.is_empty() {
            let label = format!("it lacks `{}`", missing.join("`, `"));
            self.warn(entry.span, format!("{name} is incomplete and stays disabled"), label);
        }
        self.settings(&name, settings, entry.span);
        self.crypto_acl(settings);
        let profile = settings.isakmp_profile.as_ref().or(map.isakmp_profile.as_ref());
        for peer in &settings.peers {
            self.peer_has_key(&peer.host, peer.span, profile.map(|name| name.value.as_str()));
        }
    }

    /// A peer that a pre-shared key policy cannot authenticate.
    fn peer_has_key(&mut self, peer: &PeerHost, span: Span, profile: Option<&str>) {
        let config = self.config;
        let policies = &config.isakmp.policies;
        if !policies.is_empty()
            && policies.iter().all(|policy| policy.authentication.value != Authentication::PreShared)
        {
            return;
        }
        let rings: Vec<&[PreSharedKey]> = match profile.and_then(|name| config.isakmp_profile(name)) {
            Some(profile) if !profile.keyrings.is_empty() => profile
                .keyrings
                .iter()
                .filter_map(|name| config.keyring(name))
                .map(|ring| ring.keys.as_slice())
                .collect(),
            _ => vec![config.isakmp.keys.as_slice()],
        };
        let in_any_ring = config.isakmp.keyrings.iter().map(|ring| ring.keys.as_slice());
        let has_key = |keys: &[PreSharedKey]| match peer {
            PeerHost::Address(address) => key_for_address(keys, *address).is_some(),
            PeerHost::Name(name) => {
                key_for_hostname(keys, name).is_some()
                    || keys.iter().any(|key| !matches!(key.peer.value, KeyPeer::Hostname(_)))
            }
        };
        if rings.iter().any(|keys| has_key(keys)) {
            return;
        }
        let title = format!("there is no pre-shared key for peer {peer}");
        let elsewhere = in_any_ring.into_iter().any(has_key);
        let label = match elsewhere {
            true => {
                "a keyring has one, but the entry leads to no profile that names it: IKE may be answered, not begun"
            }
            false => "IKE cannot begin",
        };
        self.warn(span, title, label).help = Some(format!("write `crypto isakmp key KEY address {peer}`"));
    }

    /// What maps, dynamic maps and profiles have in common.
    fn settings(&mut self, name: &str, settings: &MapSettings, span: Span) {
        let config = self.config;
        for set in &settings.transform_sets {
            if config.transform_set(set).is_none() {
                self.warn(set.span, format!("transform set `{set}` does not exist"), format!("{name} cannot offer it"));
            }
        }
        if settings.transform_sets.is_empty() && name.starts_with("IPsec profile") {
            let label = "without `set transform-set` newer releases use their built-in set, older ones nothing";
            self.note(span, format!("{name} has no transform set"), label);
        }
        if let Some(group) = settings.pfs {
            self.group(name, group);
        }
        if let Some(profile) = &settings.isakmp_profile
            && config.isakmp_profile(profile).is_none()
        {
            self.warn(profile.span, format!("ISAKMP profile `{profile}` does not exist"), format!("{name} names it"));
        }
        if let Some(profile) = &settings.ikev2_profile {
            self.warn(
                profile.span,
                "IKEv2 is not simulated",
                format!("{name} would negotiate with IKEv2 on a real router"),
            );
        }
    }

    /// The access list of a crypto map entry.
    fn crypto_acl(&mut self, settings: &MapSettings) {
        let Some(name) = &settings.acl else {
            return;
        };
        let Some(list) = self.config.access_list(name).filter(|list| !list.is_empty()) else {
            let title = format!("access list `{name}` does not exist or is empty");
            self.warn(name.span, title, "the entry matches no traffic and stays disabled");
            return;
        };
        if list.kind == AclKind::Standard {
            let title = format!("access list {name} is a standard one: it cannot say where traffic goes");
            self.warn(name.span, title, "expected an extended access list");
        }
        if list.entries().all(|ace| ace.action == Action::Deny) {
            self.warn(name.span, format!("access list {name} permits nothing"), "nothing is ever protected");
        }
        for ace in list.entries().filter(|ace| ace.action == Action::Permit) {
            self.crypto_ace(ace);
        }
        self.transport_mode(settings, list);
    }

    fn crypto_ace(&mut self, ace: &Ace) {
        if self.mask_for_wildcard(ace) {
            return;
        }
        if let Err(why) = ace.proxies() {
            let title = format!("`{}` cannot be negotiated", ace.words());
            self.warn(ace.span, title, why.to_string());
        } else if ace.source == AddressMatch::ANY && ace.destination == AddressMatch::ANY {
            let label = "everything that leaves the interface must go through this tunnel, or is dropped";
            self.warn(ace.span, "a crypto map that protects `any any`", label);
        }
    }

    /// A subnet mask where a wildcard belongs (facts 11.2).
    pub(super) fn mask_for_wildcard(&mut self, ace: &Ace) -> bool {
        let looks_like_mask = |side: AddressMatch| {
            let wildcard = side.wildcard().to_bits();
            wildcard.leading_ones() > 0
                && wildcard != u32::MAX
                && wildcard.leading_ones() + wildcard.trailing_zeros() == 32
        };
        let Some(side) = [ace.source, ace.destination].into_iter().find(|side| looks_like_mask(*side)) else {
            return false;
        };
        let wildcard = Ipv4Addr::from_bits(!side.wildcard().to_bits());
        let title = format!("{} looks like a subnet mask, but an access list wants a wildcard", side.wildcard());
        let label = format!("the router reads it as `{side}`");
        self.warn(ace.span, title, label).help = Some(format!("write {wildcard} instead of {}", side.wildcard()));
        true
    }

    fn transport_mode(&mut self, settings: &MapSettings, list: &AccessList) {
        let sets = settings.transform_sets.iter().filter_map(|name| self.config.transform_set(name));
        let required = sets.map(|set| set.mode).find(|mode| mode.value == TransformMode::TransportRequire);
        let networks = list.entries().any(|ace| !ace.source.wildcard().is_unspecified());
        if let Some(mode) = required
            && networks
        {
            let title = "transport mode is required, but the access list protects networks";
            self.warn(mode.span, title, "traffic that does not end on the peers needs tunnel mode");
        }
    }

    /// Entries that an earlier entry of the same map keeps traffic or peers from.
    fn hidden_entries(&mut self, map: &CryptoMap) {
        for (place, entry) in map.entries.iter().enumerate() {
            for earlier in &map.entries[..place] {
                if let EntryKind::Dynamic(name) = &earlier.kind
                    && entry.kind == EntryKind::Isakmp
                {
                    let title =
                        format!("dynamic entry {} comes before static entry {}", earlier.sequence, entry.sequence);
                    let label = "its peer may be taken by the dynamic entry";
                    self.warn(name.span, title, label).help =
                        Some("give the dynamic entry the highest number".to_owned());
                }
                if entry.settings.peers != earlier.settings.peers {
                    self.hidden_aces(earlier, entry);
                }
            }
        }
    }

    fn hidden_aces(&mut self, earlier: &CryptoMapEntry, later: &CryptoMapEntry) {
        let list = |entry: &CryptoMapEntry| {
            let complete = !entry.settings.peers.is_empty();
            entry.settings.acl.as_ref().filter(|_| complete).and_then(|name| self.config.access_list(name))
        };
        let (Some(first), Some(second)) = (list(earlier), list(later)) else {
            return;
        };
        for ace in second.entries().filter(|ace| ace.action == Action::Permit) {
            let Ok(pair) = ace.proxies() else {
                continue;
            };
            if let Cover::Exact(taking) | Cover::Inside(taking) = first.cover(&pair) {
                let title = format!("entry {} takes this traffic before entry {}", earlier.sequence, later.sequence);
                self.warn(ace.span, title, format!("`{}` of access list {} holds it", taking.words(), first.name));
            }
        }
    }
}

fn is_gcm(cipher: Cipher) -> bool {
    matches!(cipher, Cipher::Aes128Gcm | Cipher::Aes192Gcm | Cipher::Aes256Gcm)
}

impl TransformSet {
    /// Whether the simulated router can do the set: every transform known, and something protected.
    pub fn is_supported(&self) -> bool {
        let integrity: Option<Hash> = self.ah().or(self.esp().and_then(|(_, hmac)| hmac));
        self.unsupported().next().is_none() && (self.esp().is_some() || integrity.is_some())
    }
}
