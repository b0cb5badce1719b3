//! What differs between releases: one row each, and what is made of a row.
//!
//! The router's state machine and its console ask the row; there is no `if release` elsewhere. A value whose doc
//! comment or row says \[R\] (recalled) or "unknown" is an assumption, kept here so that it can be switched.

mod personality;
mod rows;

use std::time::Duration;

use crate::crypto::{Cipher, Group, Hash};
use crate::wire::isakmp::AuthenticationMethod;

use super::Release;

/// How a release dresses its debug lines (cisco-ios-facts 9.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// 12.2 and 12.3: `ISAKMP (0:2): text` \[S:LOG-123\].
    Classic,
    /// 12.4 and 15.x: `ISAKMP:(1001):text` \[S:LOG-12x, NOTES\].
    Colon,
    /// IOS-XE 16 and 17: `ISAKMP: (1001):text`, `ISAKMP-PAK:`, `ISAKMP-ERROR:` \[S:LOG-XE1, LOG-XE2, LOG-XE3\].
    Xe,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Behaviour {
    /// Which release.
    pub release: Release,
    /// The text of debug lines.
    pub debug: DebugText,
    /// The text of `show` outputs.
    pub show: ShowText,
    /// Phase 1 on the wire.
    pub phase1: Phase1,
    /// Phase 2 on the wire.
    pub phase2: Phase2,
    /// What holds where the configuration says nothing.
    pub defaults: Defaults,
    /// Timers.
    pub timers: Timers,
}

/// What differs in debug lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugText {
    /// The dress.
    pub family: Family,
    /// Whether message ids and node ids are printed as signed numbers: 12.x yes \[S:LOG-123, LOG-12x\], XE no
    /// \[S:LOG-XE3\], 15.x unsigned \[R\].
    pub signed_ids: bool,
    /// How the connection id stands in `ISAKMP (id): received packet`: `0:1001` in 12.4, `1001` in 15.x
    /// \[S:LOG-12x, NOTES\].
    pub slot_prefix: bool,
    /// Whether `SKEYID state generated` is printed: 12.3 \[S:LOG-123\]; 12.4 and XE not \[S:LOG-12x, LOG-XE1\], 15.x
    /// \[R\].
    pub skeyid_line: bool,
    /// Whether `Sending an IKE IPv4 Packet.` follows each packet: XE \[S:LOG-XE1\]; 12.x not \[S:LOG-12x, LOG-123\];
    /// 15.x does \[R\].
    pub sending_line: bool,
    /// Whether the lines from `Acceptable atts` to `Started lifetime timer` follow an accepted transform: 15.x and XE
    /// \[S:NOTES, LOG-XE1\]; 12.x not \[S:LOG-12x, LOG-123\].
    pub lifetime_lines: bool,
    /// Whether `Looking for a matching key for X in default : success` comes before a key that is found \[S:LOG-123\].
    pub key_search_line: bool,
    /// Whether `SA authentication status:` and `authenticated` stand on one line \[S:LOG-12x\].
    pub status_on_one_line: bool,
    /// Whether the QM line about SPIs is `QM Initiator gets spi` \[S:LOG-12x, LOG-XE1\]; 12.3 has none as initiator
    /// \[S:LOG-123\].
    pub gets_spi_line: bool,
    /// Whether `peer does not do paranoid keepalives.` leaves an empty line behind it \[S:LOG-12x\].
    pub paranoid_empty_line: bool,
    /// The reason a quick mode ends with as initiator: `No Error` \[S:LOG-XE1\], empty in 12.3 \[S:LOG-123\].
    pub quick_done_reason: &'static str,
    /// Whether quick mode passes IKE_QM_IPSEC_INSTALL_AWAIT: XE \[S:LOG-XE*\], 15.x \[R\], 12.x no \[S:LOG-123\].
    pub install_await: bool,
    /// Whether SAs are installed with `Creating IPSec SAs` (12.3 \[S:LOG-123\], 12.4 \[R\]) and not with the install
    /// callback.
    pub creating_lines: bool,
    /// Whether proxies are printed as `addr/mask/256/0` and endpoints with their port (XE \[S:LOG-XE3\], 15.x \[R\]),
    /// and not `addr/mask/0/0 (type=4)` \[S:LOG-123\].
    pub proxy_protocol_256: bool,
    /// Whether XE's `ID payload` block comes in three messages \[S:LOG-XE2\].
    pub split_id_block: bool,
    /// Whether the release prints `Failed to find peer index node to update peer_info_list` \[S:LOG-XE3\].
    pub peer_index_error: bool,
}

/// What differs in `show` outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShowText {
    /// Whether `show crypto isakmp sa` has the IPv4 and IPv6 headings (12.4 and later \[S:SHOW-1\]) and not the slot
    /// column \[R\].
    pub isakmp_headings: bool,
    /// What `show crypto ipsec sa` prints behind `sibling_flags`: XE eight digits more \[S:GENIE\] than 15.x
    /// \[S:SHOW-1\]; `None` leaves the field out (12.x \[R\]).
    pub sibling_flags: Option<&'static str>,
    /// What stands before the number in `flow_id`: `SW:` \[S:SHOW-1\], `CSR:` \[S:GENIE\], nothing in 12.3
    /// \[S:LOG-123\]; 12.4 `SW:` \[R\].
    pub flow_prefix: &'static str,
    /// Whether `plaintext mtu` is printed: 15.x and XE \[S:SHOW-1\]; the 12.x-like sample has none \[S:GNJ\].
    pub plaintext_mtu: bool,
    /// Whether `ip mtu idb` is printed behind the MTUs: 12.4 and later \[S:GNJ, SHOW-1\], 12.3 not \[S:LOG-123\].
    pub mtu_idb: bool,
    /// Whether `PFS (Y/N)` is printed: likewise.
    pub pfs_line: bool,
    /// Whether the SA entries carry a `Status: ACTIVE(ACTIVE)` with the second word \[S:SHOW-1, GNJ\]; 12.3 \[R\].
    pub double_status: bool,
    /// Whether `show crypto session` says `IKEv1 SA:` with a session id \[S:GENIE\] or `IKE SA:` without \[S:GENIE\].
    pub session_ids: bool,
    /// Whether `show crypto map` says `Crypto Map IPv4 "NAME"` \[S:GENIE\] or `Crypto Map "NAME"` \[S:NOTES-KR\].
    pub map_says_ipv4: bool,
    /// Whether the lines `Responder-Only` and `Mixed-mode` stand in `show crypto map` \[S:NOTES-KR\]; 12.x \[R\].
    pub map_responder_only: bool,
    /// Whether `show ip route` has local routes: 15.x and XE \[S:LOG-XE1\], 12.x not \[R\].
    pub local_routes: bool,
    /// The first line of `show version`, modelled.
    pub version: &'static str,
    /// The platform name in `show version`, modelled.
    pub platform: &'static str,
}

/// The kinds of NAT traversal a release speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NatTraversal {
    /// RFC 3947 first, then drafts 07, 03 and 02 \[S:PCAP-MM\].
    Rfc3947,
    /// Drafts 07, 03 and 02, NAT-D under payload number 15 \[S:PCAP-PL\].
    Draft07,
}

/// A vendor ID that IOS sends (cisco-ios-facts 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VendorId {
    /// The kinds of NAT traversal, best first.
    NatTraversal,
    /// The one kind of NAT traversal chosen.
    ChosenNatTraversal,
    /// Unity 1.0.
    Unity,
    /// DPD 1.0.
    DeadPeerDetection,
    /// The one made of the sender's cookie.
    IosCookie,
    /// XAUTH.
    Xauth,
}

/// How a refusal is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// Not at all.
    Silence,
    /// A notify without SPI.
    Notify,
    /// A notify with both cookies as SPI.
    NotifyCookies,
    /// A notify with both cookies as SPI and the peer's ESP SPI as data.
    NotifyCookiesAndSpi,
    /// A notify with the peer's ESP SPI as SPI.
    NotifySpi,
}

/// Phase 1 on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase1 {
    /// The kinds of NAT traversal.
    pub nat_traversal: NatTraversal,
    /// The vendor IDs of main mode message 1, behind SA.
    pub main1: &'static [VendorId],
    /// Of message 2, behind SA.
    pub main2: &'static [VendorId],
    /// Of message 3, behind the nonce: with Unity in 12.3 and early 12.4 \[S:PCAP-PL\], without later \[S:PCAP-MM\].
    pub main3: &'static [VendorId],
    /// Of message 4, behind the nonce. XE 16 sends XAUTH \[S: CSR captures\]; two XE logs do not show it
    /// \[S:LOG-XE1, LOG-XE2\].
    pub main4: &'static [VendorId],
    /// Octets of a nonce: always 20 \[S: eight captures\].
    pub nonce_len: usize,
    /// Whether an exactly fitting plaintext gets a whole block of padding \[S: CSR capture, RSA encryption\].
    pub pad_when_aligned: bool,
    /// Whether the first half of the cookie stays the same towards a peer \[S:PCAP-MM, PCAP-AM\].
    pub stable_cookies: bool,
    /// Whether a transform numbered 0 comes back as 1 \[S: CSR captures\].
    pub renumber_from_one: bool,
    /// How an offer none of whose transforms fits is answered: unknown (cisco-ios-facts 3.5); a notify \[R\].
    pub refusal: Answer,
    /// How a message 5 that decrypts to garbage is answered: not at all \[S:NOTES\], unless some release notifies
    /// \[I\].
    pub garbage: Answer,
    /// Whether a responder that cuts the lifetime says so in an informational behind message 6 \[S: CSR capture\].
    pub announce_lifetime: bool,
    /// The first connection id: 1001 since 12.4 \[S:LOG-12x\]; 12.3 counts `(0:1)` \[S:LOG-123\].
    pub first_connection: u32,
}

/// Phase 2 on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase2 {
    /// How a refused quick mode is answered; the layout of the notify is \[I\] (cisco-ios-facts 5.3).
    pub refusal: Answer,
    /// Whether a responder that cuts a lifetime says so in message 2 \[S: CSR capture\].
    pub announce_lifetime: bool,
    /// What IPsec connection ids count from: 2000 in 12.x and XE, 0 in 15.x \[S:LOG-123, GENIE, SHOW-1\].
    pub connection_base: u32,
}

/// What holds where the configuration says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// The built-in policies, in force when none is configured \[R\] (cisco-ios-facts 3.4).
    pub policies: &'static [DefaultPolicy],
    /// The group of a bare `set pfs`: 1 \[S:LOG-123\]; XE 17 refuses group 1, so 14 \[R\].
    pub pfs_group: Group,
    /// Repeats of R-U-THERE in seconds when `crypto isakmp keepalive N` says none: 2 \[R\].
    pub keepalive_retry: u8,
    /// Unanswered R-U-THEREs after which a peer is dead: 5 \[R\].
    pub keepalive_attempts: u8,
    /// Whether a transform set `default` (esp-aes esp-sha-hmac) is built in \[S:GENIE\].
    pub transform_set: bool,
    /// Whether the release refuses weak groups and ciphers at start \[S:LOG-XE1\].
    pub refuses_weak: bool,
}

/// A built-in `crypto isakmp` policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultPolicy {
    /// Its number.
    pub priority: u32,
    /// Its cipher.
    pub cipher: Cipher,
    /// Its hash.
    pub hash: Hash,
    /// Its authentication method.
    pub authentication: AuthenticationMethod,
    /// Its group.
    pub group: Group,
    /// Its lifetime in seconds.
    pub lifetime: u32,
}

/// Timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Between repeats of a message \[S:IKESCAN\].
    pub retransmit: Duration,
    /// How many repeats \[S:IKESCAN\].
    pub retransmits: u32,
    /// A duplicate sooner than this behind our answer is skipped \[R\].
    pub duplicate_guard: Duration,
    /// From the end of a phase 2 exchange to its purge \[S:LOG-XE1\].
    pub node_purge: Duration,
    /// From the deletion of a phase 1 SA to its purge \[S:LOG-123\].
    pub sa_purge: Duration,
    /// From `IPSEC(sa_request)` to the request timer \[S:NOTES-KR, LOG-XE1\].
    pub request: Duration,
    /// How often the request timer fires before the request is given up \[R\].
    pub requests: u32,
    /// How long before the end of an IPsec SA it is renewed \[R\].
    pub rekey_margin: Duration,
    /// How long the inbound SA of a renewed pair is kept \[R\].
    pub rekey_overlap: Duration,
}

impl Release {
    /// The release's row.
    pub fn behaviour(self) -> &'static Behaviour {
        match self {
            Self::V12_3T => &rows::V12_3T,
            Self::V12_4 => &rows::V12_4,
            Self::V15 => &rows::V15,
            Self::Xe16 => &rows::XE16,
            Self::Xe17 => &rows::XE17,
        }
    }
}

impl Behaviour {
    /// The connection ids of the `pair`th pair of IPsec SAs, inbound and outbound.
    pub fn ipsec_connections(&self, pair: u32) -> (u32, u32) {
        let inbound = self.phase2.connection_base.saturating_add(pair.saturating_mul(2)).saturating_sub(1);
        (inbound, inbound.saturating_add(1))
    }
}
