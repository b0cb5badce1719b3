//! Crypto maps at work: which packets are protected, the SAs that do it, and the identities they are shown under.

mod inbound;
mod outbound;
mod requests;

use std::net::{Ipv4Addr, SocketAddrV4};

use super::Router;
use super::interface::PortId;
use crate::esp::{Limits, SaId, SecurityAssociation};
use crate::ike::{PairParameters, Selectors};
use crate::ios::config::DfBit;
use crate::ios::event::RouterEvent;
use crate::ios::policy::{CryptoInterface, EntryName, entry};
use crate::wire::Spi;
use crate::{esp, ike};

pub(super) use requests::Requests;

/// Kilobytes left at which an SA is renewed. \[R: facts 5.5\]
const VOLUME_MARGIN: u64 = 256;

/// A pair of SAs in use.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// As it was negotiated.
    pub pair: ike::SaPair,
    /// The crypto map entry it belongs to.
    pub entry: EntryName,
    /// Its inbound SA in the router's database.
    pub inbound: SaId,
    /// Its outbound SA in the router's database.
    pub outbound: SaId,
    /// Whether packets may leave by it.
    pub enabled: bool,
    /// The largest packet the path to the peer takes, in octets, as far as it is known.
    pub path_mtu: usize,
}

/// Packets of one protected flow, as `show crypto ipsec sa` counts them: they go on counting when SAs are renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowCounters {
    /// Packets encapsulated, encrypted and digested.
    pub encapsulated: u64,
    /// Packets decapsulated, decrypted and verified.
    pub decapsulated: u64,
    /// Packets that should have been protected and were not sent.
    pub send_errors: u64,
    /// Protected packets that could not be opened.
    pub receive_errors: u64,
}

/// A flow that a crypto map entry protects, and what passed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedFlow {
    /// The entry.
    pub entry: EntryName,
    /// The traffic.
    pub selectors: Selectors,
    /// What passed.
    pub counters: FlowCounters,
}

/// Flows counted at the same time; a peer that makes up proxies without end does not fill the memory.
const MAX_FLOWS: usize = 1024;

impl Router {
    /// The interfaces that are up and have a crypto map, with the address peers know the map by.
    pub(super) fn crypto_interfaces(&self) -> Vec<CryptoInterface> {
        let with_map = self.ports.iter().filter(|port| port.is_up()).filter_map(|port| {
            let map = self.config.crypto_map(port.crypto_map.as_ref()?)?;
            let elsewhere = map.local_address.as_ref().and_then(|name| self.config.interface_address(&name.value));
            let address = elsewhere.or_else(|| port.primary())?;
            Some(CryptoInterface { name: port.name.to_string(), map: map.name.clone(), address })
        });
        with_map.collect()
    }

    /// Whether IKE runs: `crypto isakmp enable`, and a crypto map on some interface. [S: facts 6.3, `ISAKMP is ON`]
    pub(super) fn ike_runs(&self) -> bool {
        let applied = |map: &String| self.config.crypto_map(map).is_some();
        self.config.isakmp.enabled.value && self.ports.iter().any(|port| port.crypto_map.as_ref().is_some_and(applied))
    }

    /// Takes a negotiated pair into use; its outbound half from [`Router::enable_outbound`] on.
    pub(super) fn install(&mut self, pair: ike::SaPair) {
        let Ok(name) = pair.entry.parse::<EntryName>() else { return };
        let PairParameters { mut inbound, mut outbound } = pair.esp_parameters();
        let volume = |margin| Limits {
            bytes: pair.lifetimes.kilobytes.map(|kilobytes| u64::from(kilobytes).saturating_sub(margin) * 1024),
            ..Limits::default()
        };
        let lifetime = esp::Lifetime { soft: volume(VOLUME_MARGIN), hard: volume(0) };
        (inbound.lifetime, outbound.lifetime) = (lifetime, lifetime);
        inbound.replay_window = entry(&self.config, &name).map_or(64, |entry| entry.replay_window(&self.config));
        // IOS looks at the length of the padding only. [I: it accepts what other stacks fill in]
        inbound.check_padding = false;
        let made = (SecurityAssociation::new(self.now, inbound), SecurityAssociation::new(self.now, outbound));
        let (Ok(inbound), Ok(outbound)) = made else { return };
        let Ok(inbound) = self.sad.insert_inbound(inbound) else { return };
        let outbound = self.sad.insert_outbound(outbound);
        let path_mtu = self.ports.iter().find(|port| port.name.to_string() == pair.interface).map_or(1500, |p| p.mtu);
        let first = self.tunnels.iter().all(|tunnel| tunnel.pair.remote != pair.remote);
        self.flow(&name, pair.selectors);
        let peer = session_peer(&pair);
        self.tunnels.push(Tunnel { pair, entry: name, inbound, outbound, enabled: false, path_mtu });
        if first {
            self.session_changed(peer, true);
        }
        self.reroute();
    }

    /// Lets packets leave by a pair.
    pub(super) fn enable_outbound(&mut self, inbound: Spi) {
        let Some(tunnel) = self.tunnels.iter_mut().find(|tunnel| tunnel.pair.inbound.spi == inbound) else { return };
        tunnel.enabled = true;
        let (entry, selectors) = (tunnel.entry.clone(), tunnel.pair.selectors);
        self.requests.settle(&entry, &selectors);
    }

    /// Takes a pair out of use.
    pub(super) fn remove(&mut self, inbound: Spi) {
        let Some(at) = self.tunnels.iter().position(|tunnel| tunnel.pair.inbound.spi == inbound) else { return };
        let tunnel = self.tunnels.remove(at);
        self.sad.remove(tunnel.inbound);
        self.sad.remove(tunnel.outbound);
        if self.tunnels.iter().all(|other| other.pair.remote != tunnel.pair.remote) {
            self.session_changed(session_peer(&tunnel.pair), false);
        }
        self.reroute();
    }

    /// The UDP encapsulation of a pair goes between other ports now.
    pub(super) fn rebind(&mut self, inbound: Spi, udp: ike::UdpEncapsulation) {
        let Some(tunnel) = self.tunnels.iter_mut().find(|tunnel| tunnel.pair.inbound.spi == inbound) else { return };
        tunnel.pair.udp = Some(udp);
        let ports = esp::UdpEncapsulation { source_port: udp.local.port(), destination_port: udp.remote.port() };
        let moved = self.sad.with_sa(tunnel.outbound, |sa| {
            sa.move_peer(*udp.remote.ip(), Some(ports));
            Ok(())
        });
        debug_assert!(moved.is_ok(), "a tunnel's SAs are in the database");
    }

    /// `crypto logging session`: a tunnel is up while a pair with the peer exists. \[R\]
    fn session_changed(&mut self, peer: SocketAddrV4, up: bool) {
        if self.config.ipsec.logging_session.value {
            let event = RouterEvent::SessionStatus { up, peer, id: peer.ip().to_string() };
            self.tell(event);
        }
    }

    /// The counters of a flow; they begin when it is seen first.
    fn flow(&mut self, entry: &EntryName, selectors: Selectors) -> &mut FlowCounters {
        let known = self.flows.iter().position(|flow| flow.entry == *entry && flow.selectors == selectors);
        let at = known.unwrap_or_else(|| {
            if self.flows.len() >= MAX_FLOWS {
                self.flows.remove(0);
            }
            let flow = ProtectedFlow { entry: entry.clone(), selectors, counters: FlowCounters::default() };
            self.flows.push(flow);
            self.flows.len() - 1
        });
        &mut self.flows[at].counters
    }

    /// Pairs whose volume is used up are told to the engine.
    pub(super) fn volume_due(&mut self) {
        while let Some(expiry) = self.sad.poll_expiry(self.now) {
            let of = |tunnel: &&Tunnel| tunnel.inbound == expiry.id || tunnel.outbound == expiry.id;
            let Some(inbound) = self.tunnels.iter().find(of).map(|tunnel| tunnel.pair.inbound.spi) else { continue };
            let hard = expiry.severity == esp::Severity::Hard;
            self.ike(ike::Input::VolumeReached { inbound, hard });
        }
    }

    /// Pairs and requests whose interface has lost their crypto map go. \[R\]
    pub(super) fn forsake_unmapped(&mut self) {
        let mapped = |interface: &str, map: &str| {
            self.ports.iter().any(|p| p.name.to_string() == interface && p.crypto_map.as_deref() == Some(map))
        };
        let lost = |tunnel: &&Tunnel| !mapped(&tunnel.pair.interface, &tunnel.entry.map);
        let inbound: Vec<Spi> = self.tunnels.iter().filter(lost).map(|tunnel| tunnel.pair.inbound.spi).collect();
        let bare = self.ports.iter().filter(|port| port.crypto_map.is_none());
        for name in bare.map(|port| port.name.to_string()).collect::<Vec<_>>() {
            self.requests.forget(&name);
        }
        for inbound in inbound {
            self.ike(ike::Input::DeletePair { inbound });
        }
    }

    /// The pairs in use, the oldest first.
    pub fn tunnels(&self) -> &[Tunnel] {
        &self.tunnels
    }

    /// The SAs in use.
    pub fn sad(&self) -> &esp::Sad {
        &self.sad
    }

    /// The protected flows seen so far.
    pub fn flows(&self) -> &[ProtectedFlow] {
        &self.flows
    }

    fn df_bit(&self, name: &EntryName) -> DfBit {
        entry(&self.config, name).map_or(self.config.ipsec.df_bit.value, |entry| entry.df_bit(&self.config))
    }

    fn crypto_interface(&self, id: PortId) -> Option<CryptoInterface> {
        self.port(id).crypto_map.as_ref()?;
        let name = self.port(id).name.to_string();
        self.crypto_interfaces().into_iter().find(|interface| interface.name == name)
    }
}

/// The peer of a pair as `%CRYPTO-5-SESSION_STATUS` names it.
fn session_peer(pair: &ike::SaPair) -> SocketAddrV4 {
    pair.udp.map_or(SocketAddrV4::new(pair.remote, ISAKMP_PORT), |udp| udp.remote)
}

/// The port of IKE.
pub(super) const ISAKMP_PORT: u16 = 500;

/// The port of IKE and ESP behind a NAT.
pub(super) const NAT_PORT: u16 = 4500;

/// Whether the traffic of a pair takes a packet, seen in the direction of the pair: from local to remote.
fn takes(selectors: &Selectors, key: &crate::ios::acl::PacketKey) -> bool {
    let side = |selector: &ike::Selector, address: Ipv4Addr, port: Option<u16>| {
        // A selector with a port takes no packet without one.
        selector.matches(address, key.protocol, port.unwrap_or(0))
    };
    side(&selectors.local, key.source, key.source_port)
        && side(&selectors.remote, key.destination, key.destination_port)
}

#[cfg(test)]
pub(super) mod tests;
