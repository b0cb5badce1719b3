//! The rows themselves.

use std::time::Duration;

use super::{
    Answer, Behaviour, DebugText, DefaultPolicy, Defaults, Family, NatTraversal, Phase1, Phase2, ShowText, Timers,
    VendorId as V,
};
use crate::crypto::{Cipher, Group, Hash};
use crate::ios::Release;
use crate::wire::isakmp::AuthenticationMethod;

/// 12.3T: NAT-T of the drafts, Unity in message 3, `ISAKMP (0:1): text`.
pub(super) const V12_3T: Behaviour = Behaviour {
    release: Release::V12_3T,
    debug: DebugText {
        family: Family::Classic,
        signed_ids: true,
        slot_prefix: true,
        skeyid_line: true,
        sending_line: false,
        lifetime_lines: false,
        key_search_line: true,
        status_on_one_line: false,
        gets_spi_line: false,
        paranoid_empty_line: false,
        quick_done_reason: "",
        install_await: false,
        creating_lines: true,
        proxy_protocol_256: false,
        split_id_block: false,
        peer_index_error: false,
    },
    show: ShowText {
        isakmp_headings: false,
        sibling_flags: None,
        flow_prefix: "",
        plaintext_mtu: false,
        mtu_idb: false,
        pfs_line: false,
        double_status: false,
        session_ids: false,
        map_says_ipv4: false,
        map_responder_only: false,
        local_routes: false,
        version: "Cisco IOS Software, 3700 Software (C3725-ADVENTERPRISEK9-M), Version 12.3(14)T7, RELEASE SOFTWARE (fc2)",
        platform: "Cisco 3725",
    },
    phase1: Phase1 {
        nat_traversal: NatTraversal::Draft07,
        main3: &[V::Unity, V::DeadPeerDetection, V::IosCookie, V::Xauth],
        first_connection: 1,
        ..PHASE1
    },
    phase2: PHASE2,
    defaults: Defaults { policies: &OLD_POLICIES, transform_set: false, ..DEFAULTS },
    timers: TIMERS,
};

/// 12.4 mainline, late.
pub(super) const V12_4: Behaviour = Behaviour {
    release: Release::V12_4,
    debug: DebugText {
        family: Family::Colon,
        signed_ids: true,
        slot_prefix: true,
        skeyid_line: false,
        sending_line: false,
        lifetime_lines: false,
        key_search_line: false,
        status_on_one_line: true,
        gets_spi_line: true,
        paranoid_empty_line: true,
        quick_done_reason: "No Error",
        install_await: false,
        creating_lines: true,
        proxy_protocol_256: false,
        split_id_block: false,
        peer_index_error: false,
    },
    show: ShowText {
        isakmp_headings: true,
        sibling_flags: None,
        flow_prefix: "SW:",
        plaintext_mtu: false,
        mtu_idb: true,
        pfs_line: true,
        double_status: false,
        session_ids: false,
        map_says_ipv4: false,
        map_responder_only: false,
        local_routes: false,
        version: "Cisco IOS Software, 3700 Software (C3725-ADVENTERPRISEK9-M), Version 12.4(25d), RELEASE SOFTWARE (fc1)",
        platform: "Cisco 3725",
    },
    phase1: PHASE1,
    phase2: PHASE2,
    defaults: Defaults { policies: &OLD_POLICIES, transform_set: false, ..DEFAULTS },
    timers: TIMERS,
};

/// 15.x.
pub(super) const V15: Behaviour = Behaviour {
    release: Release::V15,
    debug: DebugText {
        family: Family::Colon,
        signed_ids: false,
        slot_prefix: false,
        skeyid_line: false,
        sending_line: true,
        lifetime_lines: true,
        key_search_line: false,
        status_on_one_line: false,
        gets_spi_line: true,
        paranoid_empty_line: false,
        quick_done_reason: "No Error",
        install_await: true,
        creating_lines: false,
        proxy_protocol_256: true,
        split_id_block: false,
        peer_index_error: false,
    },
    show: ShowText {
        isakmp_headings: true,
        sibling_flags: Some("80000040"),
        flow_prefix: "SW:",
        plaintext_mtu: true,
        mtu_idb: true,
        pfs_line: true,
        double_status: true,
        session_ids: true,
        map_says_ipv4: false,
        map_responder_only: true,
        local_routes: true,
        version: "Cisco IOS Software, IOSv Software (VIOS-ADVENTERPRISEK9-M), Version 15.9(3)M2, RELEASE SOFTWARE (fc1)",
        platform: "Cisco IOSv",
    },
    phase1: PHASE1,
    phase2: Phase2 { connection_base: 0, ..PHASE2 },
    defaults: DEFAULTS,
    timers: TIMERS,
};

/// IOS-XE 16.
pub(super) const XE16: Behaviour = Behaviour {
    release: Release::Xe16,
    debug: DebugText {
        family: Family::Xe,
        signed_ids: false,
        slot_prefix: false,
        skeyid_line: false,
        sending_line: true,
        lifetime_lines: true,
        key_search_line: false,
        status_on_one_line: false,
        gets_spi_line: true,
        paranoid_empty_line: false,
        quick_done_reason: "No Error",
        install_await: true,
        creating_lines: false,
        proxy_protocol_256: true,
        split_id_block: true,
        peer_index_error: true,
    },
    show: ShowText {
        isakmp_headings: true,
        sibling_flags: Some("FFFFFFFF80000048"),
        flow_prefix: "CSR:",
        plaintext_mtu: true,
        mtu_idb: true,
        pfs_line: true,
        double_status: true,
        session_ids: true,
        map_says_ipv4: true,
        map_responder_only: true,
        local_routes: true,
        version: "Cisco IOS XE Software, Version 16.07.01",
        platform: "cisco CSR1000V (VXE)",
    },
    phase1: PHASE1,
    phase2: PHASE2,
    defaults: DEFAULTS,
    timers: TIMERS,
};

/// IOS-XE 17: as 16, but weak groups and ciphers are refused \[S:LOG-XE1\].
pub(super) const XE17: Behaviour = Behaviour {
    release: Release::Xe17,
    show: ShowText { version: "Cisco IOS XE Software, Version 17.03.04a", ..XE16.show },
    defaults: Defaults { pfs_group: Group::Modp2048, refuses_weak: true, ..DEFAULTS },
    ..XE16
};

const PHASE1: Phase1 = Phase1 {
    nat_traversal: NatTraversal::Rfc3947,
    main1: &[V::NatTraversal],
    main2: &[V::ChosenNatTraversal],
    main3: &[V::DeadPeerDetection, V::IosCookie, V::Xauth],
    main4: &[V::Unity, V::DeadPeerDetection, V::IosCookie, V::Xauth],
    nonce_len: 20,
    pad_when_aligned: true,
    stable_cookies: true,
    renumber_from_one: true,
    refusal: Answer::Notify,
    garbage: Answer::Silence,
    announce_lifetime: true,
    first_connection: 1001,
};

const PHASE2: Phase2 = Phase2 { refusal: Answer::NotifyCookiesAndSpi, announce_lifetime: true, connection_base: 2000 };

const DEFAULTS: Defaults = Defaults {
    policies: &NEW_POLICIES,
    pfs_group: Group::Modp768,
    keepalive_retry: 2,
    keepalive_attempts: 5,
    transform_set: true,
    refuses_weak: false,
};

const TIMERS: Timers = Timers {
    retransmit: Duration::from_secs(10),
    retransmits: 5,
    duplicate_guard: Duration::from_secs(1),
    node_purge: Duration::from_secs(50),
    sa_purge: Duration::from_secs(60),
    request: Duration::from_secs(30),
    requests: 2,
    rekey_margin: Duration::from_secs(30),
    rekey_overlap: Duration::from_secs(30),
};

/// The one suite before 12.4(20)T \[S:GENIE family\].
const OLD_POLICIES: [DefaultPolicy; 1] =
    [policy(65535, Cipher::Des, Hash::Sha1, AuthenticationMethod::RsaSignature, Group::Modp768)];

/// The eight since 12.4(20)T: the first two \[S:GENIE\], the others \[R\].
const NEW_POLICIES: [DefaultPolicy; 8] = [
    policy(65507, Cipher::Aes128, Hash::Sha1, AuthenticationMethod::RsaSignature, Group::Modp1536),
    policy(65508, Cipher::Aes128, Hash::Sha1, AuthenticationMethod::PreSharedKey, Group::Modp1536),
    policy(65509, Cipher::Aes128, Hash::Md5, AuthenticationMethod::RsaSignature, Group::Modp1536),
    policy(65510, Cipher::Aes128, Hash::Md5, AuthenticationMethod::PreSharedKey, Group::Modp1536),
    policy(65511, Cipher::TripleDes, Hash::Sha1, AuthenticationMethod::RsaSignature, Group::Modp1024),
    policy(65512, Cipher::TripleDes, Hash::Sha1, AuthenticationMethod::PreSharedKey, Group::Modp1024),
    policy(65513, Cipher::TripleDes, Hash::Md5, AuthenticationMethod::RsaSignature, Group::Modp1024),
    policy(65514, Cipher::TripleDes, Hash::Md5, AuthenticationMethod::PreSharedKey, Group::Modp1024),
];

const fn policy(
    priority: u32,
    cipher: Cipher,
    hash: Hash,
    authentication: AuthenticationMethod,
    group: Group,
) -> DefaultPolicy {
    DefaultPolicy { priority, cipher, hash, authentication, group, lifetime: 86400 }
}
