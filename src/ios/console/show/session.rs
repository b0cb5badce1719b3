//! `show crypto session` \[S:GENIE, NTC; the words UP-IDLE and UP-NO-IKE R\].

use std::net::{Ipv4Addr, SocketAddrV4};

use super::table::{IsakmpSa, IsakmpTable};
use super::{Flow, State, isakmp, line, uptime};
use crate::ike::{Addresses, Selector};
use crate::ios::releases::Behaviour;

/// The sessions, one per interface and peer.
pub(super) fn show(
    behaviour: &Behaviour,
    state: &State<'_>,
    table: &IsakmpTable,
    remote: Option<Ipv4Addr>,
    detail: bool,
) -> String {
    let mut out = String::new();
    line!(out, "Crypto session current status");
    if detail {
        line!(out);
        line!(out, "Code: C - IKE Configuration mode, D - Dead Peer Detection     ");
        line!(out, "K - Keepalives, N - NAT-traversal, T - cTCP encapsulation     ");
        line!(out, "X - IKE Extended Authentication, F - IKE Fragmentation");
        line!(out, "R - IKE Auto Reconnect, U - IKE Dynamic Route Update");
        line!(out, "S - SIP VPN");
    }
    line!(out);
    let mut sessions: Vec<(&str, SocketAddrV4)> = Vec::new();
    for flow in &state.flows {
        let Some(peer) = flow.peer.filter(|peer| remote.is_none_or(|remote| *peer.ip() == remote)) else { continue };
        if !sessions.iter().any(|(interface, of)| *interface == flow.interface && of.ip() == peer.ip()) {
            sessions.push((&flow.interface, peer));
        }
    }
    for (interface, peer) in sessions {
        let of_session = |flow: &&Flow| flow.interface == interface && flow.peer.is_some_and(|of| of.ip() == peer.ip());
        let session = Session {
            behaviour,
            state,
            interface,
            peer,
            flows: state.flows.iter().filter(of_session).collect(),
            sas: table.iter().filter(|sa| !sa.deleted && sa.remote.ip() == peer.ip()).collect(),
        };
        session.show(&mut out, detail);
    }
    out
}

struct Session<'a> {
    behaviour: &'a Behaviour,
    state: &'a State<'a>,
    interface: &'a str,
    peer: SocketAddrV4,
    flows: Vec<&'a Flow>,
    sas: Vec<&'a IsakmpSa>,
}

impl Session<'_> {
    fn status(&self) -> &'static str {
        let phase2 = self.flows.iter().any(|flow| !flow.pairs.is_empty());
        let phase1 = self.sas.iter().any(|sa| sa.is_active());
        match (phase1, phase2) {
            (true, true) => "UP-ACTIVE",
            (true, false) => "UP-IDLE",
            (false, true) => "UP-NO-IKE",
            (false, false) if !self.sas.is_empty() => "DOWN-NEGOTIATING",
            (false, false) => "DOWN",
        }
    }

    fn show(&self, out: &mut String, detail: bool) {
        let status = self.status();
        line!(*out, "Interface: {}", self.interface);
        let oldest = self.flows.iter().flat_map(|flow| &flow.pairs).map(|pair| pair.age).max();
        if let Some(age) = oldest.filter(|_| detail) {
            line!(*out, "Uptime: {}", uptime(age));
        }
        line!(*out, "Session status: {status:<14}");
        let (peer, port) = (self.peer.ip(), self.peer.port());
        if detail {
            line!(*out, "Peer: {peer} port {port} fvrf: (none) ivrf: (none)");
            let identity = self.sas.iter().find_map(|sa| sa.peer_identity.as_deref());
            match identity {
                Some(identity) => line!(*out, "      Phase1_id: {identity}\n      Desc: (none)"),
                // Without an SA the two stand the other way round [S:NTC].
                None => line!(*out, "      Desc: (none)\n      Phase1_id: (none)"),
            }
        } else {
            line!(*out, "Peer: {peer} port {port} ");
        }
        for sa in &self.sas {
            self.phase1(out, sa, detail);
        }
        for flow in &self.flows {
            self.phase2(out, flow, detail);
        }
        line!(*out);
    }

    fn phase1(&self, out: &mut String, sa: &IsakmpSa, detail: bool) {
        let version = if self.behaviour.show.session_ids {
            line!(*out, "  Session ID: 0  ");
            "IKEv1"
        } else {
            "IKE"
        };
        let (local, remote) = (sa.local, sa.remote);
        let active = if sa.is_active() { "Active" } else { "Inactive" };
        line!(
            *out,
            "  {version} SA: local {}/{} remote {}/{} {active} ",
            local.ip(),
            local.port(),
            remote.ip(),
            remote.port()
        );
        if detail && sa.is_active() {
            let letters = isakmp::capabilities(self.state, sa);
            let letters = if letters.is_empty() { "(none)" } else { &letters };
            let left = uptime(sa.remaining(self.state.now).as_secs());
            line!(*out, "          Capabilities:{letters} connid:{} lifetime:{left}", sa.connection);
        } else if detail {
            line!(*out, "          Capabilities:(none) connid:0 lifetime:0");
        }
    }

    fn phase2(&self, out: &mut String, flow: &Flow, detail: bool) {
        let protocol = match flow.local.protocol {
            0 => "ip".to_owned(),
            number => number.to_string(),
        };
        line!(*out, "  IPSEC FLOW: permit {protocol} {} {} ", side(&flow.local), side(&flow.remote));
        line!(*out, "        Active SAs: {}, origin: crypto map", 2 * flow.pairs.len());
        if !detail {
            return;
        }
        let newest = flow.pairs.first();
        let life = |kilobytes: Option<Option<u32>>| match (kilobytes, newest) {
            (Some(kilobytes), Some(pair)) => {
                let kilobytes = kilobytes.map_or("KB Vol Rekey Disabled".to_owned(), |left| left.to_string());
                format!("{kilobytes}/{}", pair.seconds.unwrap_or(0))
            }
            _ => "0/0".to_owned(),
        };
        let inbound = life(newest.map(|pair| pair.inbound_kilobytes));
        let outbound = life(newest.map(|pair| pair.outbound_kilobytes));
        let (got, dropped) = (flow.decapsulated, flow.receive_errors);
        line!(*out, "        Inbound:  #pkts dec'ed {got} drop {dropped} life (KB/Sec) {inbound}");
        let (sent, dropped) = (flow.encapsulated, flow.send_errors);
        line!(*out, "        Outbound: #pkts enc'ed {sent} drop {dropped} life (KB/Sec) {outbound}");
    }
}

/// `host 10.0.0.1` or `10.1.0.0/255.255.0.0`, with `port N` behind it \[R\].
fn side(selector: &Selector) -> String {
    let address = match selector.addresses {
        Addresses::Host(address) => format!("host {address}"),
        Addresses::Subnet { mask: Ipv4Addr::BROADCAST, .. } => format!("host {}", selector.first()),
        Addresses::Subnet { mask, .. } => format!("{}/{mask}", selector.first()),
        Addresses::Range { first, last } => format!("range {first} {last}"),
    };
    match selector.port {
        0 => address,
        port => format!("{address} port {port}"),
    }
}
