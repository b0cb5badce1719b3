//! Crypto map entries that can be used, static and dynamic alike.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use pnet::ipnetwork::Ipv4Network;

use crate::ike::{Addresses, EspSuite, Lifetimes, Mode, QuickRequest, RequestId, Selector, Selectors};
use crate::ios::acl::{AccessList, ProxyPair};
use crate::ios::config::{
    DfBit, DhGroup, EntryKind, MapSettings, ReplayWindow, RunningConfig, Span, TransformMode, TransformSet,
    VolumeLifetime,
};

/// Which entry: `CMAP, 10`, and `CMAP, 10 (DYN, 5)` for an entry of a dynamic map that stands there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    /// The crypto map.
    pub map: String,
    /// The sequence number in it.
    pub sequence: u16,
    /// The dynamic map and the sequence number in it.
    pub dynamic: Option<(String, u16)>,
}

/// A text that names no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no crypto map entry: expected a map and a sequence number, as in `CMAP, 10`")]
pub struct UnknownEntry(pub String);

impl fmt::Display for EntryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {}", self.map, self.sequence)?;
        match &self.dynamic {
            Some((map, sequence)) => write!(formatter, " ({map}, {sequence})"),
            None => Ok(()),
        }
    }
}

impl FromStr for EntryName {
    type Err = UnknownEntry;

    fn from_str(text: &str) -> Result<Self, UnknownEntry> {
        let pair = |text: &str| {
            let (map, sequence) = text.rsplit_once(", ")?;
            Some((map.to_owned(), sequence.parse().ok()?))
        };
        let parsed = match text.strip_suffix(')').and_then(|text| text.split_once(" (")) {
            Some((of, dynamic)) => pair(of).zip(pair(dynamic)).map(|(of, dynamic)| (of, Some(dynamic))),
            None => pair(text).map(|of| (of, None)),
        };
        let ((map, sequence), dynamic) = parsed.ok_or_else(|| UnknownEntry(text.to_owned()))?;
        Ok(Self { map, sequence, dynamic })
    }
}

/// An entry with all it needs to be used.
#[derive(Clone, Debug)]
pub struct MapEntry<'config> {
    /// Which.
    pub name: EntryName,
    /// Its `match` and `set` lines.
    pub settings: &'config MapSettings,
    /// What it protects; `None` in a dynamic entry that takes what the peer proposes.
    pub acl: Option<&'config AccessList>,
    /// Its transform sets that the router can do, in the order of preference.
    pub transform_sets: Vec<&'config TransformSet>,
    /// The line that opened it.
    pub span: Span,
}

/// The entries of a crypto map that can be used, in the order they are tried.
///
/// An entry without peer, access list or transform set is ignored. [S: facts 11.2; the transform set \[R\]] So are those for
/// IKEv2, `ipsec-manual` and `gdoi`.
pub fn entries<'config>(config: &'config RunningConfig, map: &str) -> Vec<MapEntry<'config>> {
    let Some(map) = config.crypto_map(map) else { return Vec::new() };
    let mut found = Vec::new();
    for of in &map.entries {
        let name = |dynamic| EntryName { map: map.name.clone(), sequence: of.sequence, dynamic };
        match &of.kind {
            EntryKind::Isakmp => {
                let entry = usable(config, name(None), &of.settings, of.span);
                found.extend(entry.filter(|entry| entry.acl.is_some() && entry.peers().next().is_some()));
            }
            EntryKind::Dynamic(dynamic) => {
                let templates = config.dynamic_map(&dynamic.value).into_iter().flat_map(|map| &map.entries);
                found.extend(templates.filter_map(|template| {
                    let name = name(Some((dynamic.value.clone(), template.sequence)));
                    usable(config, name, &template.settings, template.span)
                }));
            }
            EntryKind::Manual | EntryKind::Gdoi => {}
        }
    }
    found
}

/// The entry of that name, if it can be used.
pub fn entry<'config>(config: &'config RunningConfig, name: &EntryName) -> Option<MapEntry<'config>> {
    entries(config, &name.map).into_iter().find(|entry| entry.name == *name)
}

fn usable<'config>(
    config: &'config RunningConfig,
    name: EntryName,
    settings: &'config MapSettings,
    span: Span,
) -> Option<MapEntry<'config>> {
    let acl = match &settings.acl {
        // A list that does not exist or is empty makes the entry incomplete.
        Some(acl) => Some(config.access_list(&acl.value).filter(|list| !list.is_empty())?),
        None => None,
    };
    let sets = settings.transform_sets.iter().filter_map(|set| config.transform_set(&set.value));
    let transform_sets: Vec<_> = sets.filter(|set| suite(set).is_some()).collect();
    if transform_sets.is_empty() || settings.ikev2_profile.is_some() {
        return None;
    }
    Some(MapEntry { name, settings, acl, transform_sets, span })
}

/// The ESP algorithms of a transform set; `None` when it has AH or another transform the data path cannot do.
pub(super) fn suite(set: &TransformSet) -> Option<EspSuite> {
    if set.ah().is_some() || set.unsupported().next().is_some() {
        return None;
    }
    set.esp().map(|(cipher, integrity)| EspSuite { cipher, integrity })
}

impl MapEntry<'_> {
    /// Whether it is of a dynamic map.
    pub fn is_dynamic(&self) -> bool {
        self.name.dynamic.is_some()
    }

    /// Its peers, in the order they are tried: the default one first. Names are not resolved.
    pub fn peers(&self) -> impl Iterator<Item = Ipv4Addr> {
        let default = self.settings.peers.iter().filter(|peer| peer.value.default);
        let others = self.settings.peers.iter().filter(|peer| !peer.value.default);
        default.chain(others).filter_map(|peer| peer.value.host.address())
    }

    /// Whether it is for `peer`; a dynamic entry without peers is for everybody. \[R: facts 5.2\]
    pub fn serves(&self, peer: Ipv4Addr) -> bool {
        (self.is_dynamic() && self.settings.peers.is_empty()) || self.peers().any(|other| other == peer)
    }

    /// Its lifetimes, or the global ones.
    pub fn lifetimes(&self, config: &RunningConfig) -> Lifetimes {
        let seconds = self.settings.lifetime_seconds.as_ref().unwrap_or(&config.ipsec.lifetime_seconds);
        let volume = self.settings.lifetime_kilobytes.as_ref().unwrap_or(&config.ipsec.lifetime_kilobytes);
        let kilobytes = match volume.value {
            VolumeLifetime::Kilobytes(kilobytes) => Some(kilobytes),
            VolumeLifetime::Unlimited => None,
        };
        Lifetimes { seconds: Some(seconds.value), kilobytes }
    }

    /// The packets of its replay window; 0 is none.
    pub fn replay_window(&self, config: &RunningConfig) -> u32 {
        match self.settings.replay.as_ref().unwrap_or(&config.ipsec.replay).value {
            ReplayWindow::Size(packets) => packets.into(),
            ReplayWindow::Disabled => 0,
        }
    }

    /// What happens to the don't-fragment bit.
    pub fn df_bit(&self, config: &RunningConfig) -> DfBit {
        self.settings.df_bit.as_ref().unwrap_or(&config.ipsec.df_bit).value
    }

    /// The request for SAs that protect `selectors` with `peer`; `None` when its group is one the router cannot compute.
    pub fn request(
        &self,
        config: &RunningConfig,
        id: RequestId,
        interface: &str,
        local: Ipv4Addr,
        peer: Ipv4Addr,
        selectors: Selectors,
    ) -> Option<QuickRequest> {
        let pfs = match self.settings.pfs.map(|pfs| pfs.value) {
            None => None,
            Some(DhGroup::Supported(group)) => Some(group),
            Some(DhGroup::Unsupported(_)) => return None,
        };
        // A set in transport mode falls back to tunnel for traffic that does not end on the peers. [R: facts 5.5]
        let ends_here =
            selectors.local.addresses == Addresses::Host(local) && selectors.remote.addresses == Addresses::Host(peer);
        let first = self.transform_sets.first().map(|set| set.mode.value)?;
        let mode = if ends_here && first != TransformMode::Tunnel { Mode::Transport } else { Mode::Tunnel };
        Some(QuickRequest {
            id,
            entry: self.name.to_string(),
            interface: interface.to_owned(),
            local,
            peer,
            selectors,
            suites: self.transform_sets.iter().filter_map(|set| suite(set)).collect(),
            mode,
            pfs,
            lifetimes: self.lifetimes(config),
        })
    }
}

/// Proxy identities as quick mode carries them: a single address as ID_IPV4_ADDR, all else as a subnet
/// [S: facts 5.1, LOG-123, PB].
pub fn selectors(pair: &ProxyPair) -> Selectors {
    let side = |network: Ipv4Network, port| {
        let side = match network.prefix() {
            32 => Selector::host(network.ip()),
            _ => Selector::subnet(network.network(), network.mask()),
        };
        side.with(pair.protocol, port)
    };
    Selectors { local: side(pair.local, pair.local_port), remote: side(pair.remote, pair.remote_port) }
}

/// What a peer proposes, as access lists see it; `None` when no access list entry could say it: ranges, masks with holes,
/// or different protocols on both sides.
pub fn proxy_pair(selectors: &Selectors) -> Option<ProxyPair> {
    let network = |selector: &Selector| {
        let network = Ipv4Network::with_netmask(selector.first(), selector.mask()?).ok()?;
        Ipv4Network::new(network.network(), network.prefix()).ok()
    };
    if selectors.local.protocol != selectors.remote.protocol {
        return None;
    }
    Some(ProxyPair {
        protocol: selectors.local.protocol,
        local: network(&selectors.local)?,
        local_port: selectors.local.port,
        remote: network(&selectors.remote)?,
        remote_port: selectors.remote.port,
    })
}
