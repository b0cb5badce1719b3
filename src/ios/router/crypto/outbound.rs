//! Packets on their way out by an interface with a crypto map.

use std::net::Ipv4Addr;

use super::super::filter::packet_key;
use super::super::interface::PortId;
use super::super::{OWN_TTL, Router};
use super::takes;
use crate::esp::{DontFragment, OuterHeader, TypeOfService};
use crate::ike::{self, RequestId, Selectors};
use crate::ios::acl::{Action, PacketKey, ProxyPair};
use crate::ios::config::DfBit;
use crate::ios::event::{DropReason, RouterEvent, SaRequest};
use crate::ios::policy::{CryptoInterface, EntryName, MapEntry, entries, entry, selectors};
use crate::wire::icmp::unreachable;
use crate::wire::ipv4::Ipv4Packet;

/// What a crypto map wants with a packet.
enum Wish {
    /// No entry protects it.
    Clear,
    /// An entry does, by this pair (its place among the tunnels).
    Protect(usize),
    /// An entry does, but there is no pair for that traffic yet.
    Negotiate(EntryName, Selectors),
    /// An entry does, whose pair is installed but not yet confirmed by quick mode message 3: its outbound half waits for
    /// the enable notify of ISAKMP \[S: facts 9.1\], and nothing is asked for meanwhile \[I\].
    Unconfirmed,
    /// An entry does, whose access list entry cannot be negotiated: several ports, a wildcard with holes. \[R: facts 5.2\]
    Impossible,
}

impl Router {
    /// Protects a packet that came by `from` and leaves by `id`, where the crypto map of `id` says so: sends it, drops it or
    /// gives it back to be sent in clear. `original` is the packet before translation.
    pub(in crate::ios::router) fn protect(
        &mut self,
        from: Option<PortId>,
        id: PortId,
        packet: Ipv4Packet,
        original: &Ipv4Packet,
    ) -> Option<Ipv4Packet> {
        let Some(interface) = self.crypto_interface(id) else { return Some(packet) };
        match self.wish(&interface, &packet_key(&packet)) {
            Wish::Clear => return Some(packet),
            Wish::Protect(tunnel) => self.encrypt(from, tunnel, &packet, original),
            Wish::Negotiate(name, selectors) => {
                // The first packets are lost while the SAs come up. [S: every log]
                self.flow(&name, selectors).send_errors += 1;
                self.drop_packet(from, &packet, DropReason::NegotiatingSa);
                self.negotiate(&interface, &name, selectors);
            }
            Wish::Unconfirmed | Wish::Impossible => self.drop_packet(from, &packet, DropReason::NegotiatingSa),
        }
        None
    }

    /// Walks the entries by sequence number: the first that permits the packet protects it, a deny leads to the next entry
    /// \[R: facts 5.2\]. A dynamic entry protects only what a peer has negotiated.
    fn wish(&self, interface: &CryptoInterface, key: &PacketKey) -> Wish {
        for entry in entries(&self.config, &interface.map) {
            let negotiated = self.tunnel_for(interface, &entry.name, key);
            let Some(list) = entry.acl.filter(|_| !entry.is_dynamic()) else {
                match negotiated {
                    Some(tunnel) => return Wish::Protect(tunnel),
                    None => continue,
                }
            };
            let decision = list.evaluate(key);
            let Some(ace) = decision.ace.filter(|_| decision.action == Action::Permit) else { continue };
            if let Some(tunnel) = negotiated {
                return Wish::Protect(tunnel);
            }
            if self.newest_pair(interface, &entry.name, key, false).is_some() {
                return Wish::Unconfirmed;
            }
            let Ok(proxies) = ace.proxies() else { return Wish::Impossible };
            let proxies = if entry.settings.per_host.value { per_host(proxies, key) } else { proxies };
            return Wish::Negotiate(entry.name, selectors(&proxies));
        }
        Wish::Clear
    }

    /// The newest pair of an entry that may be used and takes the packet.
    fn tunnel_for(&self, interface: &CryptoInterface, entry: &EntryName, key: &PacketKey) -> Option<usize> {
        self.newest_pair(interface, entry, key, true)
    }

    fn newest_pair(
        &self,
        interface: &CryptoInterface,
        entry: &EntryName,
        key: &PacketKey,
        enabled: bool,
    ) -> Option<usize> {
        self.tunnels.iter().rposition(|tunnel| {
            tunnel.enabled == enabled
                && tunnel.entry == *entry
                && tunnel.pair.interface == interface.name
                && takes(&tunnel.pair.selectors, key)
        })
    }

    /// Asks IKE for SAs, unless it is being asked: `IPSEC(sa_request)`.
    fn negotiate(&mut self, interface: &CryptoInterface, name: &EntryName, selectors: Selectors) {
        if self.requests.pending(name, &selectors) {
            return;
        }
        let config = &self.config;
        let Some(entry) = entries(config, &interface.map).into_iter().find(|entry| entry.name == *name) else { return };
        let Some(peer) = self.current_peer(&entry) else { return };
        self.last_request += 1;
        let id = RequestId(self.last_request);
        let Some(quick) = entry.request(config, id, &interface.name, interface.address, peer, selectors) else {
            return;
        };
        let told = told(name, &quick);
        let wait = self.release.behaviour().timers.request;
        if self.requests.begin(self.now, wait, name.clone(), quick.clone(), told.clone()) {
            self.tell(RouterEvent::SaRequest(told));
            self.ike(ike::Input::RequestSa(quick));
        }
    }

    /// The request timers: asked once more after 30 s, given up when it has fired twice (facts 2.2).
    pub(in crate::ios::router) fn requests_due(&mut self) {
        let timers = self.release.behaviour().timers;
        while let Some((request, given_up)) = self.requests.due(self.now, timers.request, timers.requests) {
            let told = request.told.clone();
            self.tell(RouterEvent::RequestTimerFired { request: told.clone(), count: request.fired });
            if given_up {
                self.tell(RouterEvent::RequestAbandoned { request: told });
                self.next_peer(&request.entry, request.quick.peer);
                continue;
            }
            self.tell(RouterEvent::SaRequest(told));
            self.ike(ike::Input::RequestSa(request.quick));
        }
    }

    /// A request came to nothing: with a peer that does not answer, the next one of the entry's is taken \[R: facts 6.1\]. The
    /// request itself is repeated by its timer. \[S:LOG-XE1\]
    pub(in crate::ios::router) fn request_failed(&mut self, id: RequestId, reason: ike::RequestFailure) {
        use ike::RequestFailure as Why;
        if !matches!(reason, Why::Phase1Timeout | Why::Phase1Refused | Why::Phase2Timeout | Why::SaGone) {
            return;
        }
        let Some(request) = self.requests.get(id) else { return };
        let (entry, failed) = (request.entry.clone(), request.quick.peer);
        if let Some(next) = self.next_peer(&entry, failed) {
            self.requests.redirect(&entry, next);
        }
    }

    /// Turns to the peer behind `failed` among those of an entry; `None` when it has no other.
    fn next_peer(&mut self, name: &EntryName, failed: Ipv4Addr) -> Option<Ipv4Addr> {
        let entry = entry(&self.config, name)?;
        let peers: Vec<Ipv4Addr> = entry.peers().collect();
        let at = peers.iter().position(|peer| *peer == failed)?;
        let next = peers[(at + 1) % peers.len()];
        self.current_peers.insert(name.clone(), next);
        (next != failed).then_some(next)
    }

    /// The peer of an entry that is tried now.
    pub(in crate::ios::router) fn current_peer(&self, entry: &MapEntry<'_>) -> Option<Ipv4Addr> {
        let chosen = self.current_peers.get(&entry.name).copied();
        chosen.filter(|peer| entry.peers().any(|other| other == *peer)).or_else(|| entry.peers().next())
    }

    /// Encapsulates a packet and sends it.
    ///
    /// Before encryption IOS looks whether the result would be larger than the path takes, and cuts the packet first
    /// (`crypto ipsec fragmentation before-encryption`, the default); one that must not be cut goes back with the size that
    /// fits. \[R\]
    fn encrypt(&mut self, from: Option<PortId>, tunnel: usize, packet: &Ipv4Packet, original: &Ipv4Packet) {
        let tunnel = self.tunnels[tunnel].clone();
        let df_bit = self.df_bit(&tunnel.entry);
        let plaintext_mtu = self.sad.get(tunnel.outbound).and_then(|sa| sa.plaintext_mtu(tunnel.path_mtu));
        let plaintext_mtu = plaintext_mtu.unwrap_or(68).max(68);
        let fits = packet.total_length() <= plaintext_mtu;
        if !fits && packet.dont_fragment && df_bit != DfBit::Clear {
            self.flow(&tunnel.entry, tunnel.pair.selectors).send_errors += 1;
            self.drop_packet(from, packet, DropReason::TooBig);
            self.send_unreachable(from, original, unreachable::FRAGMENTATION_NEEDED, plaintext_mtu);
            return;
        }
        let before = self.config.ipsec.fragment_before_encryption.value && tunnel.pair.mode == ike::Mode::Tunnel;
        let pieces = if before { packet.fragment(plaintext_mtu) } else { vec![packet.clone()] };
        for piece in pieces {
            let outer = OuterHeader {
                ttl: OWN_TTL,
                identification: self.next_identification(),
                dont_fragment: match df_bit {
                    DfBit::Copy => DontFragment::Copy,
                    DfBit::Set => DontFragment::Set,
                    DfBit::Clear => DontFragment::Clear,
                },
                type_of_service: TypeOfService::Copy,
            };
            let (now, rng) = (self.now, &mut self.rng);
            let sealed = self.sad.with_sa(tunnel.outbound, |sa| sa.encapsulate_packet(now, &piece, outer, rng));
            match sealed {
                Ok(esp) => {
                    self.flow(&tunnel.entry, tunnel.pair.selectors).encapsulated += 1;
                    self.transmit_protected(from, esp);
                }
                Err(_) => {
                    // Used up: the engine has been told, and a new pair is on its way.
                    self.flow(&tunnel.entry, tunnel.pair.selectors).send_errors += 1;
                    self.drop_packet(from, &piece, DropReason::NegotiatingSa);
                }
            }
        }
        self.ike(ike::Input::Traffic { peer: tunnel.pair.remote, inbound: false });
        self.volume_due();
    }
}

/// `set security-association level per-host`: the packet's addresses instead of the entry's networks. \[R: facts 5.2\]
fn per_host(proxies: ProxyPair, key: &PacketKey) -> ProxyPair {
    ProxyPair { local: key.source.into(), remote: key.destination.into(), ..proxies }
}

/// A request as it is told.
fn told(name: &EntryName, quick: &ike::QuickRequest) -> SaRequest {
    let suite = quick.suites.first();
    SaRequest {
        map: name.map.clone(),
        sequence: name.sequence.into(),
        local: quick.local,
        remote: quick.peer,
        local_proxy: quick.selectors.local.to_id(),
        remote_proxy: quick.selectors.remote.to_id(),
        cipher: suite.map(|suite| suite.cipher),
        integrity: suite.and_then(|suite| suite.integrity),
        transport: quick.mode == ike::Mode::Transport,
        seconds: quick.lifetimes.seconds.unwrap_or(0),
        kilobytes: quick.lifetimes.kilobytes.unwrap_or(0),
    }
}
