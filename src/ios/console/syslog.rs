//! The lines of the router's other events (cisco-ios-facts 6.3).

use super::dress::Fact;
use super::{Console, Scribe, ipsec, names};
use crate::ios::RouterEvent;
use crate::ios::event::InterfaceState;
use crate::wire::isakmp::IdPayload;

const CARTS: Fact = Fact::seen("CARTS OMT CNEWS");
const RECALLED: Fact = Fact::recalled("FACTS-6.3");

impl Console {
    /// Renders an event of the router that is none of IKE.
    pub(super) fn router(&self, scribe: &mut Scribe, event: &RouterEvent) {
        match event {
            RouterEvent::Ike(_) | RouterEvent::PacketDropped { .. } | RouterEvent::ProposalRefused(_) => {}
            RouterEvent::SaRequest(request) => ipsec::sa_request(scribe, request),
            RouterEvent::RequestTimerFired { request, count } => ipsec::request_timer(scribe, request, *count),
            RouterEvent::RequestAbandoned { request } => {
                let text = format!("IPSEC(key_engine): request timer fired, giving up on {}", request.remote);
                scribe.ipsec(Fact::MODELLED, text);
            }
            RouterEvent::PacketNotIpsec { destination, source, protocol, .. } => {
                let what = format!("(ip) vrf/dest_addr= /{destination}, src_addr= {source}, prot= {protocol}");
                let text = format!("%CRYPTO-4-RECVD_PKT_NOT_IPSEC: Rec'd packet not an IPSEC packet. {what}");
                scribe.syslog(Fact::seen("NOTES"), text);
            }
            RouterEvent::InvalidSpi { interface, destination, source, protocol, spi } => {
                let on = if self.behaviour.debug.split_id_block {
                    format!(", input interface={interface}")
                } else {
                    String::new()
                };
                let text = format!(
                    "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for \
                     destaddr={destination}, prot={protocol}, spi=0x{spi:X}({spi}), srcaddr={source}{on}"
                );
                scribe.syslog(Fact::seen("LOG-XE2 CARTS"), text);
            }
            RouterEvent::ReplayError { connection, .. } => {
                let text = format!("%CRYPTO-4-PKT_REPLAY_ERR: decrypt: replay check failed connection id={connection}");
                scribe.syslog(CARTS, text);
            }
            RouterEvent::MacError { connection, .. } => {
                let what = format!("decrypt: mac verify failed for connection id={connection}");
                scribe.syslog(RECALLED, format!("%CRYPTO-4-RECVD_PKT_MAC_ERR: {what}"));
            }
            RouterEvent::InvalidIdentity { destination, source, protocol, local_proxy, remote_proxy } => {
                let packet = format!("dest_addr= {destination}, src_addr= {source}, prot= {protocol}");
                let ident = format!("local={}, remote={}", ident(local_proxy), ident(remote_proxy));
                let what = "identity doesn't match negotiated identity";
                let text = format!("%CRYPTO-4-RECVD_PKT_INV_IDENTITY: {what} (ip) {packet} (ident) {ident}");
                scribe.syslog(RECALLED, text);
            }
            RouterEvent::DecapsulationFailed { connection, why, .. } => {
                let what = format!("decaps: {why} connection id={connection}");
                scribe.syslog(Fact::MODELLED, format!("%CRYPTO-4-RECVD_PKT_INV: {what}"));
            }
            RouterEvent::SessionStatus { up, peer, id } => {
                if self.settings.logging_session {
                    let status = if *up { "UP  " } else { "DOWN" };
                    let who = format!("Peer {}:{}       Id: {id}", peer.ip(), peer.port());
                    scribe.syslog(RECALLED, format!("%CRYPTO-5-SESSION_STATUS: Crypto tunnel is {status}.  {who}"));
                }
            }
            RouterEvent::IsakmpSwitched { on } => {
                let state = if *on { "ON" } else { "OFF" };
                scribe.syslog(Fact::seen("LOG-XE1 CNEWS"), format!("%CRYPTO-6-ISAKMP_ON_OFF: ISAKMP is {state}"));
            }
            RouterEvent::InterfaceChanged { interface, state } => interface_changed(scribe, interface, *state),
            RouterEvent::Configured { from } => {
                let text = format!("%SYS-5-CONFIG_I: Configured from console by {from}");
                scribe.syslog(Fact::seen("LOG-XE1"), text);
            }
            RouterEvent::Restarted => {
                let version = self.behaviour.show.version;
                scribe.syslog(Fact::recalled(""), format!("%SYS-5-RESTART: System restarted --\n{version}"));
            }
            RouterEvent::AccessListLogged { list, permitted, protocol, source, destination, packets } => {
                let verdict = if *permitted { "permitted" } else { "denied" };
                let (mnemonic, name) = match protocol {
                    6 => ("IPACCESSLOGP", "tcp".to_owned()),
                    17 => ("IPACCESSLOGP", "udp".to_owned()),
                    1 => ("IPACCESSLOGDP", "icmp".to_owned()),
                    other => ("IPACCESSLOGNP", other.to_string()),
                };
                let end = |(address, port): &(_, Option<u16>)| match port {
                    Some(port) => format!("{address}({port})"),
                    None => format!("{address}"),
                };
                let flow = format!("{name} {} -> {}", end(source), end(destination));
                let plural = if *packets == 1 { "" } else { "s" };
                let text = format!("%SEC-6-{mnemonic}: list {list} {verdict} {flow}, {packets} packet{plural}");
                scribe.syslog(Fact::recalled(""), text);
            }
        }
    }
}

/// `10.1.0.0/255.255.0.0/0/0` \[R\].
fn ident(id: &IdPayload) -> String {
    let (address, mask) = names::proxy_address(id);
    format!("{address}/{mask}/{}/{}", id.protocol, id.port)
}

/// `%LINK-3-UPDOWN` for the carrier, `%LINEPROTO-5-UPDOWN` for the protocol on it \[R\].
fn interface_changed(scribe: &mut Scribe, interface: &str, state: InterfaceState) {
    let recalled = Fact::recalled("");
    let (link, line) = match state {
        InterfaceState::Up => (format!("%LINK-3-UPDOWN: Interface {interface}, changed state to up"), "up"),
        InterfaceState::Down => (format!("%LINK-3-UPDOWN: Interface {interface}, changed state to down"), "down"),
        InterfaceState::AdministrativelyDown => {
            let what = format!("Interface {interface}, changed state to administratively down");
            (format!("%LINK-5-CHANGED: {what}"), "down")
        }
    };
    scribe.syslog(recalled, link);
    let what = format!("Line protocol on Interface {interface}, changed state to {line}");
    scribe.syslog(recalled, format!("%LINEPROTO-5-UPDOWN: {what}"));
}
