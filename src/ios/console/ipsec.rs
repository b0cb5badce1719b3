//! The blocks of `debug crypto ipsec` (cisco-ios-facts 9.1 \[S:LOG-XE3\], 9.2 \[S:LOG-123\], 2.2).

use std::net::Ipv4Addr;

use super::dress::Fact;
use super::{Scribe, names};
use crate::ike::Event;
use crate::ike::event::{InstalledPair, OfferedTransform};
use crate::ios::event::SaRequest;
use crate::ios::policy::EntryName;
use crate::wire::isakmp::{EncapsulationMode, IdPayload};

const SEEN: Fact = Fact::seen("LOG-XE3 LOG-123");
const SEEN_XE: Fact = Fact::seen("LOG-XE3");
const SEEN_123: Fact = Fact::seen("LOG-123");

/// "Any protocol" as newer releases print it in proxies \[S:LOG-XE3\].
const ANY_PROTOCOL: u16 = 256;

/// What a quick mode offers.
#[derive(Clone, Copy)]
pub(super) struct Offer<'a> {
    pub transforms: &'a [OfferedTransform],
    pub local_proxy: &'a IdPayload,
    pub remote_proxy: &'a IdPayload,
}

impl Offer<'_> {
    fn mode(self) -> &'static str {
        let encapsulation = self.transforms.iter().find_map(|transform| names::asked(transform).encapsulation);
        mode_word(encapsulation.map(EncapsulationMode::from))
    }

    fn keysize(self) -> u16 {
        self.transforms.iter().find_map(|transform| names::asked(transform).key_length).unwrap_or(0)
    }
}

/// `(Tunnel)`; with UDP `(Tunnel-UDP)` \[R\].
fn mode_word(mode: Option<EncapsulationMode>) -> &'static str {
    match mode {
        Some(EncapsulationMode::Transport) => "Transport",
        Some(EncapsulationMode::UdpTunnel | EncapsulationMode::UdpTunnelDraft) => "Tunnel-UDP",
        Some(EncapsulationMode::UdpTransport | EncapsulationMode::UdpTransportDraft) => "Transport-UDP",
        _ => "Tunnel",
    }
}

/// What a `(key eng. msg.)` block says.
struct KeyEngineMessage<'a> {
    direction: &'static str,
    local: Ipv4Addr,
    remote: Ipv4Addr,
    port: u16,
    local_proxy: &'a IdPayload,
    remote_proxy: &'a IdPayload,
    transform: String,
    mode: &'static str,
    seconds: u32,
    kilobytes: u32,
    spi: u32,
    connection: u32,
    keysize: u16,
    flags: u32,
}

impl KeyEngineMessage<'_> {
    /// The block with two blanks before its first line, four before the others; blanks at line ends as in LOG-XE3.
    fn block(&self, scribe: &Scribe) -> String {
        let ends = endpoints(scribe, self.local, self.remote, self.port);
        // 12.x has a blank behind the endpoints and the local proxy [R: LOG-123 has lost its blanks].
        let blank = if scribe.behaviour.debug.proxy_protocol_256 { "" } else { " " };
        format!(
            "  (key eng. msg.) {} {ends},{blank}\n    local_proxy= {},{blank}\n    remote_proxy= {},\n    protocol= ESP, \
             transform= {} ({}), \n    lifedur= {}s and {}kb, \n    spi= 0x{:X}({}), conn_id= {}, keysize= {}, \
             flags= 0x{:X}",
            self.direction,
            proxy(scribe, self.local_proxy),
            proxy(scribe, self.remote_proxy),
            self.transform,
            self.mode,
            self.seconds,
            self.kilobytes,
            self.spi,
            self.spi,
            self.connection,
            self.keysize,
            self.flags,
        )
    }
}

/// `local= L:500, remote= X:500`; without ports in 12.x.
fn endpoints(scribe: &Scribe, local: Ipv4Addr, remote: Ipv4Addr, port: u16) -> String {
    if scribe.behaviour.debug.proxy_protocol_256 {
        format!("local= {local}:{port}, remote= {remote}:{port}")
    } else {
        format!("local= {local}, remote= {remote}")
    }
}

/// `192.168.1.0/255.255.255.0/256/0` \[S:LOG-XE3\] or `192.168.1.0/255.255.255.0/0/0 (type=4)` \[S:LOG-123\].
fn proxy(scribe: &Scribe, id: &IdPayload) -> String {
    let (address, mask) = names::proxy_address(id);
    let port = id.port;
    if scribe.behaviour.debug.proxy_protocol_256 {
        let protocol = if id.protocol == 0 { ANY_PROTOCOL } else { id.protocol.into() };
        format!("{address}/{mask}/{protocol}/{port}")
    } else {
        format!("{address}/{mask}/{}/{port} (type={})", id.protocol, u8::from(id.kind))
    }
}

/// `IPSEC(sa_request)`: the data plane wants an SA.
pub(super) fn sa_request(scribe: &mut Scribe, request: &SaRequest) {
    let message = KeyEngineMessage {
        direction: "OUTBOUND",
        local: request.local,
        remote: request.remote,
        port: 500,
        local_proxy: &request.local_proxy,
        remote_proxy: &request.remote_proxy,
        transform: names::suite_words(request.cipher, request.integrity),
        mode: if request.transport { "Transport" } else { "Tunnel" },
        seconds: request.seconds,
        kilobytes: request.kilobytes,
        spi: 0,
        connection: 0,
        keysize: names::keysize(request.cipher),
        flags: 0,
    };
    let block = message.block(scribe);
    scribe.ipsec(Fact::seen("NOTES-KR LOG-123"), format!("IPSEC(sa_request): ,\n{block}"));
}

/// The request timer with the identity block \[S:NOTES-KR, typed by hand\].
pub(super) fn request_timer(scribe: &mut Scribe, request: &SaRequest, count: u32) {
    let ends = endpoints(scribe, request.local, request.remote, 0);
    let (near, far) = (proxy(scribe, &request.local_proxy), proxy(scribe, &request.remote_proxy));
    let text = format!(
        "IPSEC(key_engine): request timer fired: count = {count},\n  (identity) {ends},\n    local_proxy= {near},\n    \
         remote_proxy= {far}"
    );
    scribe.ipsec(Fact::seen("NOTES-KR"), text);
}

/// `IPSEC(key_engine): got a queue event`.
pub(super) fn queue_event(scribe: &mut Scribe) {
    scribe.ipsec(SEEN_XE, "IPSEC(key_engine): got a queue event with 1 KMI message(s)");
}

/// `IPSEC(validate_proposal_request)`; 12.3 has it once, with the block \[S:LOG-123\].
pub(super) fn validate_proposal(scribe: &mut Scribe, event: &Event, offer: Offer<'_>) {
    let message = KeyEngineMessage {
        direction: "INBOUND",
        local: *event.local.ip(),
        remote: *event.remote.ip(),
        port: 0,
        local_proxy: offer.local_proxy,
        remote_proxy: offer.remote_proxy,
        transform: names::transform_words(offer.transforms),
        mode: offer.mode(),
        seconds: 0,
        kilobytes: 0,
        spi: 0,
        connection: 0,
        keysize: offer.keysize(),
        flags: 0,
    };
    let block = message.block(scribe);
    if scribe.behaviour.debug.gets_spi_line {
        scribe.ipsec(SEEN_XE, "IPSEC(validate_proposal_request): proposal part #1");
    }
    scribe.ipsec(SEEN, format!("IPSEC(validate_proposal_request): proposal part #1,\n{block}"));
}

/// `Crypto mapdb : proxy_match` \[S:LOG-XE3\]; `protocol` is what it prints for any protocol: 0 while a proposal is
/// judged, 256 while SAs are made.
pub(super) fn proxy_match(scribe: &mut Scribe, offer: Offer<'_>, any: u16) {
    if !scribe.behaviour.debug.gets_spi_line {
        return;
    }
    let (near, far) = (names::proxy_address(offer.local_proxy).0, names::proxy_address(offer.remote_proxy).0);
    let protocol = if offer.local_proxy.protocol == 0 { any } else { offer.local_proxy.protocol.into() };
    let text = format!(
        "Crypto mapdb : proxy_match\n\tsrc addr     : {near}\n\tdst addr     : {far}\n\tprotocol     : {protocol}\n\t\
         src port     : {}\n\tdst port     : {}",
        offer.local_proxy.port, offer.remote_proxy.port,
    );
    scribe.ipsec(SEEN_XE, text);
}

/// The map entry was found and accepted; 12.3 says so in its own words \[S:LOG-123\].
pub(super) fn map_accepted(scribe: &mut Scribe, offer: Offer<'_>, policy: &str) {
    if !scribe.behaviour.debug.gets_spi_line {
        let (map, _) = map_entry(policy);
        scribe.ipsec(SEEN_123, format!("IPSEC(kei_proxy): head = {map}, map->ivrf = , kei->ivrf ="));
        return;
    }
    proxy_match(scribe, offer, 0);
    if scribe.behaviour.debug.install_await {
        let (map, sequence) = map_entry(policy);
        scribe.ipsec(SEEN_XE, format!("(ipsec_process_proposal)Map Accepted: {map}, {sequence}"));
    }
}

/// Name and sequence number of the crypto map entry that a policy names.
fn map_entry(policy: &str) -> (String, u16) {
    match policy.parse::<EntryName>() {
        Ok(entry) => (entry.map, entry.sequence),
        Err(_) => (policy.to_owned(), 0),
    }
}

/// The pair as IOS since 15.x makes it, before quick mode goes on \[S:LOG-XE3\].
pub(super) fn create_sas(scribe: &mut Scribe, event: &Event, pair: &InstalledPair) {
    queue_event(scribe);
    let offer =
        Offer { transforms: &pair.transforms, local_proxy: &pair.local_proxy, remote_proxy: &pair.remote_proxy };
    proxy_match(scribe, offer, ANY_PROTOCOL);
    let (map, sequence) = map_entry(&pair.policy);
    let found = format!("IPSEC(crypto_ipsec_create_ipsec_sas): Map found {map}, {sequence}");
    scribe.ipsec(SEEN_XE, found);
    let pointer = super::peer_pointer(pair.pair.into());
    let none = format!("IPSEC(get_old_outbound_sa_for_peer): No outbound SA found for peer {pointer:X}");
    scribe.ipsec(SEEN_XE, none);
    let ends = endpoints(scribe, *event.local.ip(), *event.remote.ip(), 0);
    let (near, far) = (proxy(scribe, &pair.local_proxy), proxy(scribe, &pair.remote_proxy));
    let identity = format!("  (identity) {ends},\n    local_proxy= {near},\n    remote_proxy= {far}");
    for sa in directions(scribe, event, pair) {
        let lifetime = format!("    sa_lifetime(k/sec)= ({}/{}),", pair.kilobytes, pair.seconds);
        let text = format!("IPSEC(create_sa): sa created,\n{}\n{lifetime}\n{identity}", sa_block(pair, sa, "sa_proto"));
        scribe.ipsec(SEEN_XE, text);
    }
}

/// The pair as 12.x makes it, once quick mode is over \[S:LOG-123\].
pub(super) fn initialize_sas(scribe: &mut Scribe, event: &Event, pair: &InstalledPair) {
    queue_event(scribe);
    let offer =
        Offer { transforms: &pair.transforms, local_proxy: &pair.local_proxy, remote_proxy: &pair.remote_proxy };
    let pfs = if pair.pfs.is_some() { 2 } else { 0 };
    for (direction, sa, flags) in ["INBOUND", "OUTBOUND"]
        .into_iter()
        .zip(directions(scribe, event, pair))
        .zip([0x11, 0x19])
        .map(|((d, s), f)| (d, s, f))
    {
        let message = KeyEngineMessage {
            direction,
            local: *event.local.ip(),
            remote: *event.remote.ip(),
            port: 0,
            local_proxy: &pair.local_proxy,
            remote_proxy: &pair.remote_proxy,
            transform: names::transform_words(&pair.transforms),
            mode: offer.mode(),
            seconds: pair.seconds,
            kilobytes: pair.kilobytes,
            spi: sa.spi,
            connection: sa.connection,
            keysize: offer.keysize(),
            flags: flags + pfs,
        };
        let block = message.block(scribe);
        scribe.ipsec(SEEN_123, format!("IPSEC(initialize_sas): ,\n{block}"));
    }
    let (map, _) = map_entry(&pair.policy);
    scribe.ipsec(SEEN_123, format!("IPSEC(kei_proxy): head = {map}, map->ivrf = , kei->ivrf ="));
    let (near, far) = (names::proxy_address(&pair.local_proxy).0, names::proxy_address(&pair.remote_proxy).0);
    let port = pair.remote_proxy.port;
    scribe.ipsec(SEEN_123, format!("IPSEC(add mtree): src {near}, dest {far}, dest_port {port}"));
    for sa in directions(scribe, event, pair) {
        let text = format!("IPSEC(create_sa): sa created,\n{}", sa_block(pair, sa, "sa_prot"));
        scribe.ipsec(SEEN_123, text);
    }
}

/// A pair is gone: both blocks of `IPSEC(delete_sa)` \[R\].
pub(super) fn pair_removed(
    scribe: &mut Scribe,
    event: &Event,
    pair: Option<&InstalledPair>,
    inbound_spi: u32,
    outbound_spi: u32,
) {
    let fact = Fact::recalled("");
    let Some(pair) = pair else {
        for spi in [inbound_spi, outbound_spi] {
            scribe.ipsec(fact, format!("IPSEC(delete_sa): deleting SA, sa_spi= 0x{spi:X}({spi})"));
        }
        return;
    };
    for sa in directions(scribe, event, pair) {
        scribe.ipsec(fact, format!("IPSEC(delete_sa): deleting SA,\n{}", sa_block(pair, sa, "sa_proto")));
    }
}

/// One direction of a pair as the `(sa)` blocks name it.
#[derive(Clone, Copy)]
struct Direction {
    destination: Ipv4Addr,
    spi: u32,
    connection: u32,
}

/// Inbound, then outbound.
fn directions(scribe: &Scribe, event: &Event, pair: &InstalledPair) -> [Direction; 2] {
    let (inbound, outbound) = scribe.behaviour.ipsec_connections(pair.pair);
    [
        Direction { destination: *event.local.ip(), spi: pair.inbound_spi, connection: inbound },
        Direction { destination: *event.remote.ip(), spi: pair.outbound_spi, connection: outbound },
    ]
}

fn sa_block(pair: &InstalledPair, sa: Direction, protocol: &str) -> String {
    let Direction { destination, spi, connection } = sa;
    let words = names::transform_words(&pair.transforms);
    format!(
        "  (sa) sa_dest= {destination}, {protocol}= 50, \n    sa_spi= 0x{spi:X}({spi}), \n    sa_trans= {words}, \
         sa_conn_id= {connection}"
    )
}
