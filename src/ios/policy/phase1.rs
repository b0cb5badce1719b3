//! Phase 1: ISAKMP policies, pre-shared keys, identities.

use std::time::Duration;

use super::entry;
use crate::crypto::Secret;
use crate::ike::{self, DeadPeerDetection, IsakmpPolicy, Peer, PeerSettings, PreSharedKey};
use crate::ios::Release;
use crate::ios::config::{
    self, Authentication, DhGroup, Identity, IdentityKind, IsakmpProfile, KeepaliveMode, KeyPeer, MatchIdentity,
    RunningConfig,
};
use crate::wire::isakmp::{AuthenticationMethod, IdPayload};

/// The policies by priority; the release's own when none is configured (facts 3.4, \[R\]).
///
/// A policy whose group the router cannot compute is left out.
pub(super) fn policies(config: &RunningConfig, release: Release) -> Vec<IsakmpPolicy> {
    let isakmp = &config.isakmp;
    if isakmp.policies.is_empty() {
        if !isakmp.default_policies.value {
            return Vec::new();
        }
        let built_in = release.behaviour().defaults.policies.iter().map(|policy| IsakmpPolicy {
            priority: policy.priority,
            cipher: policy.cipher,
            hash: policy.hash,
            group: policy.group,
            authentication: policy.authentication,
            lifetime: Some(Duration::from_secs(policy.lifetime.into())),
        });
        return built_in.collect();
    }
    let configured = isakmp.policies.iter().filter_map(|policy| {
        let DhGroup::Supported(group) = policy.group.value else { return None };
        Some(IsakmpPolicy {
            priority: policy.priority.into(),
            cipher: policy.encryption.value,
            hash: policy.hash.value,
            group,
            authentication: match policy.authentication.value {
                Authentication::PreShared => AuthenticationMethod::PreSharedKey,
                Authentication::RsaSignature => AuthenticationMethod::RsaSignature,
                Authentication::RsaEncryption => AuthenticationMethod::RsaEncryption,
                Authentication::EcdsaSignature => AuthenticationMethod::Unknown(ECDSA),
            },
            lifetime: Some(Duration::from_secs(policy.lifetime.value.into())),
        })
    });
    configured.collect()
}

/// ECDSA signatures with SHA-256 on P-256 (RFC 4754).
const ECDSA: u16 = 9;

/// The key for a peer by its address: of the keyrings of the profile its crypto map entry names, else a global one, else of
/// any other profile's keyring valid on our address; the longest mask wins (facts 4.1, \[R\]).
pub(super) fn pre_shared_key(config: &RunningConfig, peer: &Peer) -> Option<PreSharedKey> {
    let global = config.isakmp.keys.iter().map(|key| ("", key));
    let (keyring, key) = profile_of(config, peer)
        .and_then(|profile| best(ring_keys(config, profile, peer), peer))
        .or_else(|| best(global, peer))
        .or_else(|| config.isakmp.profiles.iter().find_map(|profile| best(ring_keys(config, profile, peer), peer)))?;
    let text = key.key.value.plain()?;
    Some(PreSharedKey { key: Secret::new(text.as_bytes().to_vec()), keyring: keyring.to_owned() })
}

/// The profile that a crypto map entry with that peer, or its map, names.
fn profile_of<'config>(config: &'config RunningConfig, peer: &Peer) -> Option<&'config IsakmpProfile> {
    let name = config.ipsec.maps.iter().find_map(|map| {
        let served = entry::entries(config, &map.name).into_iter().find(|entry| entry.serves(peer.address()))?;
        served.settings.isakmp_profile.as_ref().or(map.isakmp_profile.as_ref())
    })?;
    config.isakmp_profile(&name.value)
}

/// The keys of a profile's keyrings that are valid on our address, each with the name of its ring.
fn ring_keys<'config>(
    config: &'config RunningConfig,
    profile: &'config IsakmpProfile,
    peer: &Peer,
) -> impl Iterator<Item = (&'config str, &'config config::PreSharedKey)> {
    let local = peer.local;
    let rings = profile.keyrings.iter().filter_map(|ring| config.keyring(&ring.value));
    let valid = rings.filter(move |ring| {
        ring.local_address.as_ref().is_none_or(|address| config.local_address(&address.value) == Some(local))
    });
    valid.flat_map(|ring| ring.keys.iter().map(|key| (ring.name.as_str(), key)))
}

/// The key with the longest mask; of equal ones the first.
fn best<'config>(
    keys: impl Iterator<Item = (&'config str, &'config config::PreSharedKey)>,
    peer: &Peer,
) -> Option<(&'config str, &'config config::PreSharedKey)> {
    let length = |key: &config::PreSharedKey| match key.peer.value {
        KeyPeer::Address(network) if network.contains(peer.address()) => Some(network.prefix()),
        _ => None,
    };
    let matching = keys.filter_map(|(ring, key)| Some((length(key)?, ring, key)));
    let longest = matching.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    Some((longest.1, longest.2))
}

/// The profile whose `match identity` the peer's identity meets.
pub(super) fn profile_matching(config: &RunningConfig, id: &IdPayload) -> Option<String> {
    let identity = ike::Identity::from_id(id)?;
    let meets = |wanted: &MatchIdentity| match (wanted, &identity) {
        (MatchIdentity::Address(network, _), ike::Identity::Address(address)) => network.contains(*address),
        (MatchIdentity::Host(name), ike::Identity::Fqdn(found)) => name.eq_ignore_ascii_case(found),
        (MatchIdentity::HostDomain(domain), ike::Identity::Fqdn(found)) => {
            found.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
        }
        (MatchIdentity::User(name), ike::Identity::UserFqdn(found)) => name.eq_ignore_ascii_case(found),
        (MatchIdentity::UserDomain(domain), ike::Identity::UserFqdn(found)) => {
            found.split_once('@').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(domain))
        }
        (MatchIdentity::Group(group), ike::Identity::KeyId(found)) => group.as_bytes() == found,
        _ => false,
    };
    let profile = config.isakmp.profiles.iter().find(|profile| profile.match_identity.iter().any(|m| meets(&m.value)));
    profile.map(|profile| profile.name.clone())
}

/// What we call ourselves: the profile's `self-identity`, else `crypto isakmp identity`. There are no certificates here, so
/// `dn` and `auto` fall back to the address. \[R\]
pub(super) fn identity(config: &RunningConfig, peer: &Peer) -> ike::Identity {
    let of_profile = profile_of(config, peer).and_then(|profile| profile.self_identity.as_ref());
    let address = ike::Identity::Address(peer.local);
    match of_profile.map(|identity| &identity.value) {
        Some(Identity::Address(Some(address))) => ike::Identity::Address(*address),
        Some(Identity::Fqdn(Some(name))) => ike::Identity::Fqdn(name.clone()),
        Some(Identity::Fqdn(None)) => ike::Identity::Fqdn(config.fqdn()),
        Some(Identity::UserFqdn(name)) => ike::Identity::UserFqdn(name.clone()),
        Some(Identity::Address(None) | Identity::DistinguishedName) => address,
        None => match config.isakmp.identity.value {
            IdentityKind::Hostname => ike::Identity::Fqdn(config.fqdn()),
            IdentityKind::Address | IdentityKind::DistinguishedName | IdentityKind::Auto => address,
        },
    }
}

/// Dead peer detection and NAT keepalives.
pub(super) fn settings(config: &RunningConfig, release: Release) -> PeerSettings {
    let seconds = |seconds: u16| Duration::from_secs(seconds.into());
    let dpd = config.isakmp.keepalive.as_ref().map(|keepalive| DeadPeerDetection {
        idle: seconds(keepalive.interval),
        retry: seconds(keepalive.retry),
        attempts: release.behaviour().defaults.keepalive_attempts.into(),
        periodic: keepalive.mode == KeepaliveMode::Periodic,
    });
    let nat_keepalive = config.isakmp.nat_keepalive.map(|interval| seconds(interval.value));
    PeerSettings { dpd, nat_keepalive, force_udp: false }
}
