//! `show crypto ipsec sa` \[S:SHOW-1, SHOW-2, LOG-XE1; detail S:NTC; 12.3 S:LOG-123\].

use super::{Flow, Pair, line, proxy, suite_words};
use crate::crypto::Cipher;
use crate::ike::Mode;
use crate::ios::releases::Behaviour;

/// The blocks of `flows`, by interface. A block stands for every flow, also one without SAs.
pub(super) fn show<'a>(behaviour: &Behaviour, flows: impl Iterator<Item = &'a Flow>, detail: bool) -> String {
    let mut out = String::new();
    let mut before: Option<(&str, &str)> = None;
    for flow in flows {
        let of = (flow.interface.as_str(), flow.map.as_str());
        if before != Some(of) {
            line!(out);
            line!(out, "interface: {}", flow.interface);
            line!(out, "    Crypto map tag: {}, local addr {}", flow.map, flow.local_address);
            before = Some(of);
        }
        block(&mut out, behaviour, flow, detail);
    }
    out
}

fn block(out: &mut String, behaviour: &Behaviour, flow: &Flow, detail: bool) {
    let text = behaviour.show;
    let peer = flow.peer.map_or("0.0.0.0 port 500".to_owned(), |peer| format!("{} port {}", peer.ip(), peer.port()));
    line!(*out);
    line!(*out, "   protected vrf: (none)");
    line!(*out, "   local  ident (addr/mask/prot/port): ({})", proxy(&flow.local));
    line!(*out, "   remote ident (addr/mask/prot/port): ({})", proxy(&flow.remote));
    line!(*out, "   current_peer {peer}");
    line!(*out, "     PERMIT, flags={{origin_is_acl,}}");
    counters(out, flow, detail);
    line!(*out);
    let remote = flow.peer.map_or_else(|| "0.0.0.0".to_owned(), |peer| peer.ip().to_string());
    line!(*out, "     local crypto endpt.: {}, remote crypto endpt.: {remote}", flow.local_address);
    let plaintext = if text.plaintext_mtu { format!("plaintext mtu {}, ", flow.plaintext_mtu) } else { String::new() };
    let idb = if text.mtu_idb { format!(", ip mtu idb {}", flow.interface) } else { String::new() };
    line!(*out, "     {plaintext}path mtu {}, ip mtu {}{idb}", flow.path_mtu, flow.ip_mtu);
    let newest = flow.pairs.first();
    let spi = newest.map_or(0, |pair| pair.outbound_spi);
    line!(*out, "     current outbound spi: 0x{spi:X}({spi})");
    if text.pfs_line {
        let group = newest.and_then(|pair| pair.pfs);
        let (yes, group) = group.map_or(('N', "none".to_owned()), |group| ('Y', format!("group{}", group.number())));
        line!(*out, "     PFS (Y/N): {yes}, DH group: {group}");
    }
    for direction in [Direction::Inbound, Direction::Outbound] {
        let name = direction.name();
        line!(*out);
        line!(*out, "     {name} esp sas:");
        for pair in &flow.pairs {
            sa(out, behaviour, flow, pair, direction, detail);
        }
        line!(*out);
        line!(*out, "     {name} ah sas:");
        line!(*out);
        line!(*out, "     {name} pcp sas:");
    }
}

fn counters(out: &mut String, flow: &Flow, detail: bool) {
    let (sent, got) = (flow.encapsulated, flow.decapsulated);
    line!(*out, "    #pkts encaps: {sent}, #pkts encrypt: {sent}, #pkts digest: {sent}");
    line!(*out, "    #pkts decaps: {got}, #pkts decrypt: {got}, #pkts verify: {got}");
    line!(*out, "    #pkts compressed: 0, #pkts decompressed: 0");
    line!(*out, "    #pkts not compressed: 0, #pkts compr. failed: 0");
    line!(*out, "    #pkts not decompressed: 0, #pkts decompress failed: 0");
    if !detail {
        line!(*out, "    #send errors {}, #recv errors {}", flow.send_errors, flow.receive_errors);
        return;
    }
    let failed = flow.receive_errors.saturating_sub(flow.replay_errors);
    line!(*out, "    #pkts no sa (send) {}, #pkts invalid sa (rcv) 0", flow.send_errors);
    line!(*out, "    #pkts encaps failed (send) 0, #pkts decaps failed (rcv) {failed}");
    line!(*out, "    #pkts invalid prot (recv) 0, #pkts verify failed: 0");
    line!(*out, "    #pkts invalid identity (recv) 0, #pkts invalid len (rcv) 0");
    line!(*out, "    #pkts replay rollover (send): 0, #pkts replay rollover (rcv) 0");
    line!(*out, "    ##pkts replay failed (rcv): {}", flow.replay_errors);
    line!(*out, "    #pkts tagged (send): 0, #pkts untagged (rcv): 0");
    line!(*out, "    #pkts not tagged (send): 0, #pkts not untagged (rcv): 0");
    line!(*out, "    #pkts internal err (send): 0, #pkts internal err (recv) 0");
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

fn sa(out: &mut String, behaviour: &Behaviour, flow: &Flow, pair: &Pair, direction: Direction, detail: bool) {
    let text = behaviour.show;
    let (inbound, outbound) = behaviour.ipsec_connections(pair.number);
    let (spi, connection, kilobytes) = match direction {
        Direction::Inbound => (pair.inbound_spi, inbound, pair.inbound_kilobytes),
        Direction::Outbound => (pair.outbound_spi, outbound, pair.outbound_kilobytes),
    };
    let mode = match pair.mode {
        Mode::Tunnel => "Tunnel",
        Mode::Transport => "Transport",
    };
    let udp = if pair.udp { " UDP-Encaps" } else { "" };
    let flow_id = format!("{}{}", text.flow_prefix, connection.saturating_sub(behaviour.phase2.connection_base));
    let sibling = text.sibling_flags.map_or_else(String::new, |flags| format!(" sibling_flags {flags},"));
    let kilobytes = kilobytes.map_or("KB Vol Rekey Disabled".to_owned(), |left| left.to_string());
    let seconds = pair.seconds.unwrap_or(0);
    line!(*out, "      spi: 0x{spi:X}({spi})");
    line!(*out, "        transform: {},", suite_words(pair.suite));
    line!(*out, "        in use settings ={{{mode}{udp}, }}");
    line!(*out, "        conn id: {connection}, flow_id: {flow_id},{sibling} crypto map: {}", flow.map);
    line!(*out, "        sa timing: remaining key lifetime (k/sec): ({kilobytes}/{seconds})");
    line!(*out, "        IV size: {} bytes", iv_size(pair.suite.cipher));
    let window = match pair.replay_window {
        Some(size) if detail => format!("Y  replay window size: {size}"),
        Some(_) => "Y".to_owned(),
        None => "N".to_owned(),
    };
    line!(*out, "        replay detection support: {window}");
    line!(*out, "        Status: ACTIVE{}", if text.double_status { "(ACTIVE)" } else { "" });
}

/// Octets of the IV in each packet.
fn iv_size(cipher: Cipher) -> usize {
    match cipher {
        Cipher::Aes128 | Cipher::Aes192 | Cipher::Aes256 => 16,
        Cipher::Null => 0,
        _ => 8,
    }
}
