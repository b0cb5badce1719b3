//! What is typed on the router's console, and the state that `show` looks at.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use super::Router;
use super::crypto::{ISAKMP_PORT, Tunnel};
use super::route::RouteSource;
use crate::diag::Source;
use crate::ike;
use crate::ios::acl::Action;
use crate::ios::console::Console;
use crate::ios::console::exec::{Clear, Command};
use crate::ios::console::show::{Flow, Interface, Pair, Route, RouteKind, State};
use crate::ios::policy::{CryptoInterface, EntryName, MapEntry, entries, selectors};
use crate::time::Instant;

/// Octets ESP with AES and SHA-1 adds to a packet in tunnel mode at most, which is what IOS reckons with before SAs say it
/// better (`plaintext mtu 1438` of 1500 \[S:SHOW-1\]).
const UNKNOWN_OVERHEAD: usize = 62;

impl Router {
    /// Does what a line typed at `console` asks for and gives the answer. Lines behind the first are typed one after the
    /// other in the mode the first leads to, as in `configure terminal`.
    pub fn execute(&mut self, now: Instant, console: &mut Console, typed: &str) -> String {
        let (line, rest) = typed.split_once('\n').unwrap_or((typed, ""));
        let command = match console.parse(line.trim()) {
            Ok(command) => command,
            Err(answer) => return answer,
        };
        match command {
            Command::Show(show, filter) => {
                let text = console.show(&self.show_state(now), &show);
                filter.map_or(text.clone(), |filter| filter.apply(&text))
            }
            Command::Clear(clear) => {
                self.clear(now, &clear);
                String::new()
            }
            Command::Debug { what, on } => console.settings_mut().switch_debug(what, on),
            Command::ConfigureTerminal => {
                let reading = self.configure(now, &Source::new("console", rest));
                let complaints = reading.diagnostics.iter().map(|diagnostic| format!("{}\n", diagnostic.title));
                complaints.collect()
            }
            // Those ask for time or for another router; what they would do is told and not pretended. (modelled)
            Command::Ping(_) | Command::Reload => "% This router does not do that\n".to_owned(),
            Command::NoEffect => String::new(),
        }
    }

    fn clear(&mut self, now: Instant, clear: &Clear) {
        self.now = self.now.max(now);
        let both = |peer, isakmp, ipsec| ike::Input::Clear { peer, isakmp, ipsec };
        match clear {
            Clear::IpsecSas { peer, map: None } => self.ike(both(*peer, false, true)),
            Clear::IpsecSas { peer, map: Some(map) } => {
                let of_map =
                    |tunnel: &&Tunnel| tunnel.entry.map == *map && peer.is_none_or(|peer| tunnel.pair.remote == peer);
                let pairs: Vec<_> = self.tunnels.iter().filter(of_map).map(|tunnel| tunnel.pair.inbound.spi).collect();
                pairs.into_iter().for_each(|inbound| self.ike(ike::Input::DeletePair { inbound }));
            }
            // A connection id is known to the engine alone, which clears by peer.
            Clear::IsakmpSas { .. } => self.ike(both(None, true, false)),
            Clear::Session { remote } => self.ike(both(*remote, true, true)),
            Clear::Counters => self.flows.iter_mut().for_each(|flow| flow.counters = Default::default()),
            Clear::Translations => self.nat = Default::default(),
            Clear::AccessListCounters => {}
        }
    }

    /// The state as `show` looks at it.
    pub fn show_state(&self, now: Instant) -> State<'_> {
        let interfaces = self.ports.iter().map(|port| Interface {
            name: port.name.to_string(),
            address: port.primary(),
            state: port.state(),
        });
        let routes = self.routes().map(|(route, interface)| Route {
            network: route.network,
            kind: match route.source {
                RouteSource::Connected => RouteKind::Connected,
                RouteSource::Static | RouteSource::Reverse => RouteKind::Static,
            },
            distance: route.distance,
            next_hop: route.next_hop,
            interface: interface.map(ToString::to_string),
        });
        State {
            now,
            config: &self.config,
            flows: self.shown_flows(now),
            interfaces: interfaces.collect(),
            routes: routes.collect(),
            matches: BTreeMap::new(),
        }
    }

    /// Every permit entry of every map applied, also without SAs [S:GENIE, LOG-XE1], and behind them the narrower flows that
    /// peers have proposed \[R: facts 5.2\].
    fn shown_flows(&self, now: Instant) -> Vec<Flow> {
        let mut shown = Vec::new();
        for interface in self.crypto_interfaces() {
            let mut wanted: Vec<(EntryName, ike::Selectors)> = Vec::new();
            for entry in entries(&self.config, &interface.map) {
                wanted.extend(permitted(&entry).into_iter().map(|selectors| (entry.name.clone(), selectors)));
                let others = self.flows.iter().filter(|flow| flow.entry == entry.name);
                for flow in others {
                    if !wanted.iter().any(|(_, selectors)| *selectors == flow.selectors) {
                        wanted.push((entry.name.clone(), flow.selectors));
                    }
                }
            }
            shown.extend(wanted.iter().map(|(name, selectors)| self.shown_flow(now, &interface, name, *selectors)));
        }
        shown
    }

    fn shown_flow(
        &self,
        now: Instant,
        interface: &CryptoInterface,
        name: &EntryName,
        selectors: ike::Selectors,
    ) -> Flow {
        let counted = self.flows.iter().find(|flow| flow.entry == *name && flow.selectors == selectors);
        let counters = counted.map(|flow| flow.counters).unwrap_or_default();
        let tunnels: Vec<&Tunnel> = self
            .tunnels
            .iter()
            .rev()
            .filter(|tunnel| tunnel.entry == *name && tunnel.pair.selectors == selectors)
            .collect();
        let configured = || {
            let entry = crate::ios::policy::entry(&self.config, name)?;
            Some(SocketAddrV4::new(self.current_peer(&entry)?, ISAKMP_PORT))
        };
        let peer = tunnels
            .first()
            .map(|tunnel| tunnel.pair.udp.map_or(SocketAddrV4::new(tunnel.pair.remote, ISAKMP_PORT), |udp| udp.remote));
        let mtu = self.ports.iter().find(|port| port.name.to_string() == interface.name).map_or(1500, |port| port.mtu);
        let path_mtu = tunnels.first().map_or(mtu, |tunnel| tunnel.path_mtu);
        let outbound = tunnels.first().and_then(|tunnel| self.sad.get(tunnel.outbound));
        let plaintext_mtu = match outbound {
            Some(sa) => sa.plaintext_mtu(path_mtu).unwrap_or(path_mtu.saturating_sub(UNKNOWN_OVERHEAD)),
            None => path_mtu,
        };
        Flow {
            interface: interface.name.clone(),
            map: interface.map.clone(),
            local_address: interface.address,
            local: selectors.local,
            remote: selectors.remote,
            peer: peer.or_else(configured),
            encapsulated: counters.encapsulated,
            decapsulated: counters.decapsulated,
            send_errors: counters.send_errors,
            receive_errors: counters.receive_errors,
            replay_errors: tunnels
                .iter()
                .filter_map(|tunnel| self.sad.get(tunnel.inbound))
                .map(|sa| sa.counters().replays)
                .sum(),
            path_mtu,
            ip_mtu: mtu,
            plaintext_mtu,
            pairs: tunnels.into_iter().filter_map(|tunnel| self.shown_pair(now, tunnel)).collect(),
        }
    }

    fn shown_pair(&self, now: Instant, tunnel: &Tunnel) -> Option<Pair> {
        let (inbound, outbound) = (self.sad.get(tunnel.inbound)?, self.sad.get(tunnel.outbound)?);
        let age = (now - inbound.created()).as_secs();
        let short = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let left = |limits: crate::esp::Limits| limits.bytes.map(|bytes| short(bytes / 1024));
        let window = inbound.window().size();
        Some(Pair {
            number: tunnel.pair.number,
            suite: tunnel.pair.suite,
            mode: tunnel.pair.mode,
            udp: tunnel.pair.udp.is_some(),
            inbound_spi: tunnel.pair.inbound.spi.0,
            outbound_spi: tunnel.pair.outbound.spi.0,
            pfs: tunnel.pair.pfs,
            seconds: tunnel.pair.lifetimes.seconds.map(|seconds| seconds.saturating_sub(short(age))),
            inbound_kilobytes: left(inbound.remaining(now)),
            outbound_kilobytes: left(outbound.remaining(now)),
            encrypted: outbound.counters().packets,
            decrypted: inbound.counters().packets,
            replay_window: (window > 0).then_some(window),
            age,
        })
    }
}

/// The flows an entry's access list permits, as far as quick mode can say them.
fn permitted(entry: &MapEntry<'_>) -> Vec<ike::Selectors> {
    let Some(list) = entry.acl else { return Vec::new() };
    list.entries()
        .filter(|ace| ace.action == Action::Permit)
        .filter_map(|ace| ace.proxies().ok())
        .map(|pair| selectors(&pair))
        .collect()
}
