//! `show crypto isakmp sa` and `peers` \[S:SHOW-1, SHOW-2, LOG-XE1, GENIE\]; without headings, as 12.3 has it, \[R\].

use std::net::{Ipv4Addr, SocketAddrV4};

use super::table::{IsakmpSa, IsakmpTable};
use super::{State, line, uptime};
use crate::ike::event::Role;
use crate::ios::console::names;
use crate::ios::releases::Behaviour;
use crate::wire::isakmp::{AuthenticationMethod, OakleyCipher, OakleyHash};

/// Destination is the responder and source the initiator, on both routers.
fn ends(sa: &IsakmpSa) -> (Ipv4Addr, Ipv4Addr) {
    match sa.role {
        Role::Initiator => (*sa.remote.ip(), *sa.local.ip()),
        Role::Responder => (*sa.local.ip(), *sa.remote.ip()),
    }
}

fn status(sa: &IsakmpSa) -> &'static str {
    if sa.deleted { "ACTIVE (deleted)" } else { "ACTIVE" }
}

/// A deleted SA stands as MM_NO_STATE \[S:GENIE\].
fn state(sa: &IsakmpSa) -> &'static str {
    if sa.deleted { "MM_NO_STATE" } else { names::progress(sa.progress) }
}

/// `show crypto isakmp sa`.
pub(super) fn sas(behaviour: &Behaviour, table: &IsakmpTable) -> String {
    let mut out = String::new();
    if !behaviour.show.isakmp_headings {
        line!(out, "dst             src             state          conn-id slot status");
        for sa in table.iter() {
            let ((dst, src), connection) = (ends(sa), sa.connection);
            line!(out, "{dst:<16}{src:<16}{:<15}{connection:>7}{:>5} {}", state(sa), 0, status(sa));
        }
        line!(out);
        return out;
    }
    line!(out, "IPv4 Crypto ISAKMP SA");
    line!(out, "dst             src             state          conn-id status");
    for sa in table.iter() {
        let ((dst, src), connection) = (ends(sa), sa.connection);
        line!(out, "{dst:<16}{src:<16}{:<15}{connection:>7} {}", state(sa), status(sa));
    }
    line!(out);
    line!(out, "IPv6 Crypto ISAKMP SA");
    line!(out);
    out
}

/// `show crypto isakmp sa detail`. The letter D stands only where keepalives are configured \[S:SHOW-1 against GENIE\].
pub(super) fn sas_in_detail(behaviour: &Behaviour, state: &State<'_>, table: &IsakmpTable) -> String {
    let mut out = String::new();
    line!(out, "Codes: C - IKE configuration mode, D - Dead Peer Detection");
    line!(out, "       K - Keepalives, N - NAT-traversal");
    line!(out, "       T - cTCP encapsulation, X - IKE Extended Authentication");
    line!(out, "       psk - Preshared key, rsig - RSA signature");
    line!(out, "       renc - RSA encryption");
    if behaviour.show.isakmp_headings {
        line!(out, "IPv4 Crypto ISAKMP SA");
        line!(out);
    }
    line!(out, "C-id  Local           Remote          I-VRF  Status Encr Hash   Auth DH Lifetime Cap.");
    line!(out);
    for sa in table.iter() {
        let (local, remote) = (sa.local.ip(), sa.remote.ip());
        let [cipher, hash, method, group] = words(sa);
        let remaining = uptime(sa.remaining(state.now).as_secs());
        let capabilities = capabilities(state, sa);
        line!(
            out,
            "{:<6}{local:<16}{remote:<16}       ACTIVE {cipher:<5}{hash:<7}{method:<5}{group:<3}{remaining:<9}\
             {capabilities:<4}",
            sa.connection
        );
        let number = sa.connection.saturating_sub(behaviour.phase1.first_connection.saturating_sub(1));
        line!(out, "       Engine-id:Conn-id =  SW:{number}");
        line!(out);
    }
    if behaviour.show.isakmp_headings {
        line!(out, "IPv6 Crypto ISAKMP SA");
        line!(out);
    }
    out
}

/// Cipher, hash, authentication and group as `show` abbreviates them.
pub(super) fn words(sa: &IsakmpSa) -> [String; 4] {
    let Some(agreed) = sa.agreed else { return [const { String::new() }; 4] };
    let cipher = match agreed.cipher {
        OakleyCipher::Des => "des",
        OakleyCipher::TripleDes => "3des",
        OakleyCipher::Aes => "aes",
        _ => "",
    };
    let hash = match agreed.hash {
        OakleyHash::Md5 => "md5",
        OakleyHash::Sha1 => "sha",
        OakleyHash::Sha256 => "sha256",
        OakleyHash::Sha384 => "sha384",
        OakleyHash::Sha512 => "sha512",
        _ => "",
    };
    let method = match agreed.method {
        AuthenticationMethod::RsaSignature => "rsig",
        AuthenticationMethod::RsaEncryption => "renc",
        _ => "psk",
    };
    [cipher.to_owned(), hash.to_owned(), method.to_owned(), agreed.group.to_string()]
}

/// D for configured keepalives, N for a NAT between.
pub(super) fn capabilities(state: &State<'_>, sa: &IsakmpSa) -> String {
    let dpd = if state.config.isakmp.keepalive.is_some() { "D" } else { "" };
    let nat = if sa.nat { "N" } else { "" };
    format!("{dpd}{nat}")
}

/// `show crypto isakmp peers`: one entry per peer \[S:SHOW-1, GENIE\].
pub(super) fn peers(table: &IsakmpTable) -> String {
    let mut out = String::new();
    let mut told: Vec<SocketAddrV4> = Vec::new();
    for sa in table.iter().filter(|sa| sa.is_active()) {
        if told.contains(&sa.remote) {
            continue;
        }
        told.push(sa.remote);
        let (peer, port, local) = (sa.remote.ip(), sa.remote.port(), sa.local.ip());
        line!(out, "Peer: {peer} Port: {port} Local: {local}");
        if let Some(identity) = &sa.peer_identity {
            line!(out, " Phase1 id: {identity}");
        }
    }
    out
}
