//! Layouts against recorded outputs of real routers, and of a whole configuration.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::crypto::{Cipher, Hash};
use crate::diag::Source;
use crate::ike::event::{Progress, Role};
use crate::ios::Release;
use crate::wire::isakmp::{AuthenticationMethod, OakleyCipher, OakleyHash};

const CONFIG: &str = "\
hostname R1
crypto isakmp policy 10
 encr aes 256
 authentication pre-share
 group 14
crypto isakmp policy 20
 encr 3des
 hash md5
 authentication pre-share
 group 2
 lifetime 3600
crypto isakmp key s3cret address 198.51.100.1
crypto isakmp key other address 0.0.0.0
crypto isakmp keepalive 10
crypto ipsec transform-set TSET esp-aes 256 esp-sha512-hmac
crypto ipsec transform-set OLD esp-3des esp-md5-hmac
 mode transport
crypto dynamic-map DYN 5
 set transform-set TSET
crypto map CMAP 10 ipsec-isakmp
 description to the branch
 set peer 198.51.100.1
 set transform-set TSET OLD
 set pfs group14
 match address 101
crypto map CMAP 20 ipsec-isakmp
 set peer 198.51.100.2
 set transform-set TSET
crypto map CMAP 65000 ipsec-isakmp dynamic DYN
interface GigabitEthernet0/0
 ip address 203.0.113.1 255.255.255.0
 crypto map CMAP
interface GigabitEthernet0/1
 ip address 192.168.102.1 255.255.255.0
interface GigabitEthernet0/2
 shutdown
ip route 0.0.0.0 0.0.0.0 203.0.113.2
ip route 10.9.0.0 255.255.0.0 203.0.113.3
access-list 10 permit 10.0.0.0 0.255.255.255
access-list 10 permit 192.0.2.1
access-list 101 permit ip 192.168.102.0 0.0.0.255 192.168.101.0 0.0.0.255
access-list 101 permit tcp host 192.168.102.9 any eq www
";

fn config() -> RunningConfig {
    let (config, doubts) = RunningConfig::parse(&Source::new("r1.ios", CONFIG));
    assert!(doubts.iter().all(|doubt| doubt.severity != crate::diag::Severity::Error), "{doubts:?}");
    config
}

fn state(config: &RunningConfig) -> State<'_> {
    let interface = |name: &str, address: Option<&str>, state| Interface {
        name: name.to_owned(),
        address: address.map(|address| address.parse().unwrap()),
        state,
    };
    let route = |network: &str, kind, next_hop: Option<&str>, interface: Option<&str>| Route {
        network: network.parse().unwrap(),
        kind,
        distance: u8::from(kind == RouteKind::Static),
        next_hop: next_hop.map(|hop| hop.parse().unwrap()),
        interface: interface.map(str::to_owned),
    };
    State {
        now: Instant::from_start(Duration::from_secs(3600)),
        config,
        flows: vec![flow(), idle_flow()],
        interfaces: vec![
            interface("GigabitEthernet0/0", Some("203.0.113.1"), InterfaceState::Up),
            interface("GigabitEthernet0/1", Some("192.168.102.1"), InterfaceState::Down),
            interface("GigabitEthernet0/2", None, InterfaceState::AdministrativelyDown),
        ],
        routes: vec![
            route("0.0.0.0/0", RouteKind::Static, Some("203.0.113.2"), None),
            route("10.9.0.0/16", RouteKind::Static, Some("203.0.113.3"), None),
            route("203.0.113.0/24", RouteKind::Connected, None, Some("GigabitEthernet0/0")),
            route("192.168.101.0/24", RouteKind::Static, Some("198.51.100.1"), None),
        ],
        matches: BTreeMap::from([(("101".to_owned(), 10), 7), (("10".to_owned(), 20), 1)]),
    }
}

fn network(third: u8) -> Selector {
    Selector::subnet(Ipv4Addr::new(192, 168, third, 0), Ipv4Addr::new(255, 255, 255, 0))
}

fn flow() -> Flow {
    Flow {
        interface: "GigabitEthernet0/0".to_owned(),
        map: "CMAP".to_owned(),
        local_address: "203.0.113.1".parse().unwrap(),
        local: network(102),
        remote: network(101),
        peer: Some("198.51.100.1:500".parse().unwrap()),
        encapsulated: 199,
        decapsulated: 198,
        send_errors: 1,
        receive_errors: 2,
        replay_errors: 1,
        path_mtu: 1500,
        ip_mtu: 1500,
        plaintext_mtu: 1438,
        pairs: vec![pair()],
    }
}

fn pair() -> Pair {
    Pair {
        number: 1,
        suite: EspSuite { cipher: Cipher::Aes256, integrity: Some(Hash::Sha512) },
        mode: Mode::Tunnel,
        udp: false,
        inbound_spi: 0x1890_6f9d,
        outbound_spi: 0x48ba_c7d3,
        pfs: Some(Group::Modp2048),
        seconds: Some(1454),
        inbound_kilobytes: Some(4_224_103),
        outbound_kilobytes: Some(4_224_104),
        encrypted: 199,
        decrypted: 198,
        replay_window: Some(64),
        age: 2146,
    }
}

fn idle_flow() -> Flow {
    Flow {
        local: Selector::host("192.168.102.9".parse().unwrap()).with(6, 0),
        remote: Selector::ANY.with(6, 80),
        encapsulated: 0,
        decapsulated: 0,
        send_errors: 15,
        receive_errors: 0,
        replay_errors: 0,
        plaintext_mtu: 1500,
        pairs: vec![],
        ..flow()
    }
}

fn sa(connection: u32, role: Role, local: &str, remote: &str) -> IsakmpSa {
    let agreed = Agreed {
        cipher: OakleyCipher::Aes,
        key_length: Some(256),
        hash: OakleyHash::Sha1,
        method: AuthenticationMethod::PreSharedKey,
        group: 14,
        expires: Instant::from_start(Duration::from_secs(3600 + 84303)),
    };
    let remote: SocketAddrV4 = remote.parse().unwrap();
    IsakmpSa {
        serial: connection.into(),
        connection,
        local: local.parse().unwrap(),
        remote,
        role,
        progress: Progress::QuickIdle,
        deleted: false,
        agreed: Some(agreed),
        nat: false,
        peer_identity: Some(remote.ip().to_string()),
        established: Some(Instant::ZERO),
    }
}

fn console(release: Release, sas: impl IntoIterator<Item = IsakmpSa>) -> Console {
    let mut console = Console::new(release, "R1", Default::default());
    console.memory.isakmp = IsakmpTable::of(sas);
    console
}

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ios-show").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines without blanks at their ends, which recordings lose, and without empty ones at both ends of the text.
fn trimmed(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

#[test]
fn isakmp_sas_stand_as_recorded() {
    let remote = "100.0.10.2:500";
    let mut deleted = sa(29188, Role::Responder, remote, "100.12.82.2:500");
    deleted.deleted = true;
    let sas = [
        IsakmpSa { serial: 3, ..sa(29609, Role::Initiator, "100.13.220.2:500", remote) },
        IsakmpSa { serial: 2, ..deleted },
        IsakmpSa { serial: 1, ..sa(29362, Role::Responder, remote, "100.11.106.2:500") },
    ];
    let config = config();
    let shown = console(Release::Xe16, sas).show(&state(&config), &Show::IsakmpSa { detail: false });
    let recorded = fixture("iosxe-show_crypto_isakmp_sa--isakmp.txt");
    let ipv4 = |text: &str| trimmed(text.split("IPv6").next().unwrap());
    assert_eq!(ipv4(&shown), ipv4(&recorded));
    assert!(shown.ends_with("\nIPv6 Crypto ISAKMP SA\n\n"));
}

#[test]
fn isakmp_sas_in_detail_stand_as_recorded() {
    let mut one = sa(29493, Role::Responder, "100.0.10.2:500", "100.12.134.2:500");
    let agreed = one.agreed.as_mut().unwrap();
    (agreed.group, agreed.expires) = (16, Instant::from_start(Duration::from_secs(3600 + 72)));
    let config = config();
    let shown = console(Release::Xe16, [one]).show(&state(&config), &Show::IsakmpSa { detail: true });
    let recorded = fixture("iosxe-show_crypto_isakmp_sa_detail--isakmp_no_ipv6.txt");
    let rows = |text: &str| -> Vec<String> {
        let from = text.find("29493").unwrap();
        text[from..].lines().take(1).map(|line| line.trim_end().to_owned()).collect()
    };
    assert_eq!(rows(&shown), rows(&recorded));
    for line in recorded.lines().filter(|line| line.starts_with("C-id")) {
        assert!(shown.contains(line), "{line}");
    }
    let recorded = fixture("gnj-show-crypto-isakmp-sa-detail.txt");
    let mut one = sa(1001, Role::Responder, "192.168.2.2:500", "192.168.1.1:500");
    one.agreed.as_mut().unwrap().expires = Instant::from_start(Duration::from_secs(3600 + 86393));
    let shown = console(Release::V15, [one]).show(&state(&config), &Show::IsakmpSa { detail: true });
    for line in recorded.lines() {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "{line}\n{shown}");
    }
}

#[test]
fn peers_stand_as_recorded() {
    let sas = [
        IsakmpSa { serial: 2, ..sa(1002, Role::Responder, "1.1.1.1:500", "1.1.1.2:500") },
        IsakmpSa { serial: 1, ..sa(1001, Role::Responder, "1.1.1.3:500", "1.1.1.2:600") },
    ];
    let config = config();
    let shown = console(Release::Xe16, sas).show(&state(&config), &Show::IsakmpPeers);
    assert_eq!(trimmed(&shown), trimmed(&fixture("iosxe-show_crypto_isakmp_peer--0.txt")));
}

/// The flow of the recorded Tunnel1, whose map a tunnel interface made.
fn recorded_tunnel() -> Flow {
    let gre = |address: &str| Selector::host(address.parse().unwrap()).with(47, 0);
    let pair = Pair {
        number: 62,
        suite: EspSuite { cipher: Cipher::Aes256, integrity: Some(Hash::Sha1) },
        mode: Mode::Transport,
        udp: true,
        inbound_spi: 0xabcd_1234,
        outbound_spi: 0x1234_abcd,
        pfs: None,
        seconds: Some(3205),
        inbound_kilobytes: Some(4_332_650),
        outbound_kilobytes: Some(4_332_649),
        replay_window: Some(1024),
        ..pair()
    };
    Flow {
        interface: "Tunnel1".to_owned(),
        map: "Tunnel1-head-0".to_owned(),
        local_address: "1.2.3.4".parse().unwrap(),
        local: gre("1.2.3.4"),
        remote: gre("2.2.2.2"),
        peer: Some("2.2.2.2:4500".parse().unwrap()),
        encapsulated: 4_981_028,
        decapsulated: 4_112_421,
        send_errors: 0,
        receive_errors: 0,
        replay_errors: 0,
        plaintext_mtu: 1442,
        pairs: vec![pair],
        ..flow()
    }
}

/// Every line of the recorded block but those that tell connection ids of another platform, byte for byte.
#[test]
fn ipsec_sas_in_detail_stand_as_recorded() {
    let config = config();
    let state = State { flows: vec![recorded_tunnel()], ..state(&config) };
    let show = Show::IpsecSa { peer: None, interface: None, detail: true };
    let shown = console(Release::V15, []).show(&state, &show);
    let recorded = fixture("ntc-ios_show_crypto_ipsec_sa_detail.txt");
    let (block, _) = recorded.split_once("\ninterface: Tunnel2").unwrap();
    let comparable = |text: &str| -> Vec<String> {
        let lines = trimmed(text).lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        // The recorded map is on a tunnel, whose packets leave by another interface.
        lines.into_iter().filter(|line| !line.contains("conn id:") && !line.contains("ip mtu idb")).collect()
    };
    assert_eq!(comparable(&shown), comparable(block));
    let label = |text: &str, label: &str| text.lines().filter(|line| line.starts_with(label)).count();
    for start in ["        conn id: ", "     plaintext mtu 1442, path mtu 1500, ip mtu 1500, ip mtu idb "] {
        assert_eq!(label(&shown, start), label(block, start), "{start}");
    }
}

/// The labels of every line, in order, of a recording whose indentation was lost.
#[test]
fn ipsec_sas_have_the_labels_of_the_recording() {
    let recorded = fixture("gnj-show-crypto-ipsec-sa-peer.txt");
    let config = config();
    let peer = Some("198.51.100.1".parse().unwrap());
    let state = State { flows: vec![flow()], ..state(&config) };
    let show = Show::IpsecSa { peer, interface: None, detail: false };
    let shown = console(Release::V12_4, []).show(&state, &show);
    let label = |line: &str| -> String {
        let words = line.trim().split(|c: char| c.is_ascii_digit()).next().unwrap_or_default();
        words.split(": ").next().unwrap_or_default().to_owned()
    };
    let labels = |text: &str| -> Vec<String> {
        // The recording left the empty lists of AH and compression out.
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(label).filter(|label| !label.ends_with("ah sas:") && !label.ends_with("pcp sas:")).collect()
    };
    assert_eq!(labels(&shown), labels(&recorded));
}

#[test]
fn sessions_stand_as_recorded() {
    let config = config();
    let gre = |address: &str| Selector::host(address.parse().unwrap()).with(47, 0);
    let tunnel = |local: &str, remote: &str| Flow {
        interface: "Tunnel13".to_owned(),
        local_address: local.parse().unwrap(),
        local: gre(local),
        remote: gre(remote),
        peer: Some(SocketAddrV4::new(remote.parse().unwrap(), 500)),
        ..flow()
    };
    let at = state(&config);
    let brief = State { flows: vec![tunnel("11.0.1.2", "11.0.1.1")], ..at.clone() };
    let sas = [sa(1042, Role::Initiator, "11.0.1.2:500", "11.0.1.1:500")];
    let shown = console(Release::V15, sas).show(&brief, &Show::Session { remote: None, detail: false });
    assert_eq!(shown.trim_end_matches('\n'), fixture("ios-show_crypto_session--0.txt").trim_end_matches('\n'));

    let pair = Pair {
        seconds: Some(3060),
        inbound_kilobytes: None,
        outbound_kilobytes: None,
        age: 3 * 86400 + 18 * 3600 + 59,
        ..pair()
    };
    let flow = Flow {
        encapsulated: 772_730,
        decapsulated: 449_282,
        send_errors: 0,
        receive_errors: 0,
        pairs: vec![pair],
        ..tunnel("11.0.2.2", "11.0.2.1")
    };
    let mut one = sa(1042, Role::Initiator, "11.0.2.2:500", "11.0.2.1:500");
    one.agreed.as_mut().unwrap().expires = at.now + Duration::from_secs(5 * 3600 + 50 * 60 + 3);
    let detail = State { flows: vec![flow], ..at };
    let shown = console(Release::V15, [one]).show(&detail, &Show::Session { remote: None, detail: true });
    // The recorded session has an ISAKMP profile.
    let recorded = fixture("ios-show_crypto_session_detail--0.txt").replace("Profile: GS-GRE:ISAKMP\n", "");
    assert_eq!(shown.trim_end_matches('\n'), recorded.trim_end_matches('\n'));
}

#[test]
fn sessions_without_sas_stand_as_recorded() {
    let config = config();
    let gre = |address: &str| Selector::host(address.parse().unwrap()).with(47, 0);
    let flow = Flow {
        interface: "Tunnel1201".to_owned(),
        local: gre("10.175.200.116"),
        remote: gre("10.161.255.14"),
        peer: Some("10.161.255.14:500".parse().unwrap()),
        encapsulated: 0,
        decapsulated: 0,
        send_errors: 0,
        receive_errors: 0,
        pairs: vec![],
        ..flow()
    };
    let half_open = |serial| IsakmpSa {
        serial,
        progress: Progress::MainNoState,
        peer_identity: None,
        ..sa(0, Role::Initiator, "10.175.200.116:500", "10.161.255.14:500")
    };
    let state = State { flows: vec![flow], ..state(&config) };
    let console = console(Release::V15, [half_open(1), half_open(2)]);
    let shown = console.show(&state, &Show::Session { remote: None, detail: true });
    let recorded = fixture("ntc-ios_show_crypto_session_detail.txt");
    let block = |text: &str| -> String {
        let from = text.find("Interface: Tunnel1201").unwrap();
        trimmed(text[from..].split("Interface: Tunnel1101").next().unwrap())
    };
    assert_eq!(block(&shown), block(&recorded));
}

#[test]
fn an_incomplete_map_stands_as_recorded() {
    let text = "crypto map VPN_To_Switch2 1 ipsec-isakmp\n set peer 172.20.249.12\n set transform-set default\n match \
                address 101\ncrypto ipsec transform-set default esp-aes esp-sha-hmac\n";
    let (mut config, _) = RunningConfig::parse(&Source::new("map.ios", text));
    let recorded = fixture("iosxe-show_crypto_map--1.txt");
    // The recorded one has an access list without entries and still counts as incomplete.
    config.access_lists.clear();
    let shown = console(Release::Xe16, []).show(&state(&config), &Show::CryptoMap(None));
    let shown = shown.replace("\tCurrent peer: 172.20.249.12\n", "");
    let warning =
        "\tWARNING: This crypto map is in an incomplete state!\n\t\t(missing peer or access-list definitions)\n";
    assert_eq!(trimmed(&shown), trimmed(&recorded.replace(warning, "")));
    assert!(recorded.contains(warning));
}

/// Everything of one configuration, on each release.
#[test]
fn every_command() {
    let config = config();
    let mut negotiating = sa(0, Role::Initiator, "203.0.113.1:500", "198.51.100.2:500");
    negotiating.progress = Progress::MainNoState;
    negotiating.serial = 7;
    let mut behind_nat = sa(1002, Role::Responder, "203.0.113.1:4500", "198.51.100.9:4512");
    behind_nat.nat = true;
    let sas = [sa(1001, Role::Responder, "203.0.113.1:500", "198.51.100.1:500"), behind_nat, negotiating];
    for release in Release::ALL {
        let console = console(release, sas.clone());
        let mut text = String::new();
        for (command, show) in [
            ("show access-lists", Show::AccessLists(None)),
            ("show ip access-lists 10", Show::AccessLists(Some("10".to_owned()))),
            ("show crypto engine connections active", Show::EngineConnections),
            ("show crypto ipsec sa", Show::IpsecSa { peer: None, interface: None, detail: false }),
            ("show crypto ipsec transform-set", Show::TransformSets(None)),
            ("show crypto isakmp key", Show::IsakmpKeys),
            ("show crypto isakmp peers", Show::IsakmpPeers),
            ("show crypto isakmp policy", Show::IsakmpPolicies),
            ("show crypto isakmp default policy", Show::IsakmpDefaultPolicies),
            ("show crypto isakmp sa", Show::IsakmpSa { detail: false }),
            ("show crypto isakmp sa detail", Show::IsakmpSa { detail: true }),
            ("show crypto map", Show::CryptoMap(None)),
            ("show crypto session", Show::Session { remote: None, detail: false }),
            ("show crypto session detail", Show::Session { remote: None, detail: true }),
            ("show debugging", Show::Debugging),
            ("show ip interface brief", Show::InterfaceBrief),
            ("show ip route", Show::Route),
            ("show running-config", Show::RunningConfig),
            ("show version", Show::Version),
        ] {
            text += &format!("R1#{command}\n{}", console.show(&state(&config), &show));
        }
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("show-{release}"), text);
        });
    }
}

#[test]
fn uptimes_shorten_as_recorded() {
    assert_eq!(uptime(84303), "23:25:03");
    assert_eq!(uptime(3 * 86400 + 18 * 3600), "3d18h");
    assert_eq!(uptime(49 * 86400), "7w0d");
}
