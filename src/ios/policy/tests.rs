use std::net::SocketAddrV4;
use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::crypto::{Cipher, Group, Hash};
use crate::diag::{Severity, Source};
use crate::ike::event::OfferedTransform;
use crate::ike::{Lifetimes, Policy as _, Selector, Selectors};
use crate::ios::acl::ProxyPair;
use crate::wire::isakmp::{
    Attribute, EncapsulationMode, EspAuthentication, EspTransform, IdType, IpsecAttribute, ProtocolId,
};

const HUB: &str = "\
hostname R1
crypto isakmp policy 20
 encr aes 256
 hash sha256
 authentication pre-share
 group 14
 lifetime 3600
crypto isakmp policy 10
 encr 3des
 authentication pre-share
 group 2
crypto isakmp policy 30
 encr aes
 authentication pre-share
 group 19
crypto isakmp key wide address 0.0.0.0
crypto isakmp key net address 192.0.2.0 255.255.255.0
crypto isakmp key host address 192.0.2.10
crypto isakmp keepalive 10 3 periodic
crypto ipsec transform-set AES esp-aes esp-sha-hmac
crypto ipsec transform-set DES3 esp-3des esp-md5-hmac
crypto ipsec transform-set HOST esp-aes 256 esp-sha-hmac
 mode transport
crypto ipsec transform-set OLD ah-sha-hmac esp-des
crypto ipsec security-association lifetime seconds 1800
crypto dynamic-map DYN 5
 set transform-set DES3
crypto map CMAP 5 ipsec-isakmp
 set peer 192.0.2.10
 set transform-set AES
crypto map CMAP 10 ipsec-isakmp
 set peer 192.0.2.10
 set transform-set OLD AES HOST
 set pfs group14
 match address 101
crypto map CMAP 20 ipsec-isakmp
 set peer 192.0.2.10
 set security-association lifetime seconds 900
 set transform-set DES3 HOST
 match address WEB
crypto map CMAP 99 ipsec-isakmp dynamic DYN
interface GigabitEthernet0/0
 ip address 198.51.100.1 255.255.255.0
 crypto map CMAP
interface GigabitEthernet0/1
 ip address 10.2.0.1 255.255.255.0
access-list 101 deny   ip 10.2.0.0 0.0.0.255 10.1.9.0 0.0.0.255
access-list 101 permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.255.255
ip access-list extended WEB
 permit tcp host 10.2.0.80 eq 80 any
 permit ip host 198.51.100.1 host 192.0.2.10
";

/// A configuration in which every line is understood.
pub(in crate::ios) fn config(text: &str) -> RunningConfig {
    let (config, diagnostics) = RunningConfig::parse(&Source::new("hub.ios", text));
    let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    config
}

/// What the policy answers, and what it told of refusals.
fn ask<T>(text: &str, question: impl FnOnce(&mut IosPolicy<'_>) -> T) -> (T, Vec<ProposalRefused>) {
    let config = config(text);
    let interfaces = [CryptoInterface {
        name: "GigabitEthernet0/0".to_owned(),
        map: "CMAP".to_owned(),
        address: Ipv4Addr::new(198, 51, 100, 1),
    }];
    let (mut refusals, mut last_request) = (Vec::new(), 0);
    let mut policy = IosPolicy {
        config: &config,
        release: Release::V15,
        interfaces: &interfaces,
        refusals: &mut refusals,
        last_request: &mut last_request,
    };
    (question(&mut policy), refusals)
}

fn peer(address: &str) -> Peer {
    Peer { local: Ipv4Addr::new(198, 51, 100, 1), remote: SocketAddrV4::new(address.parse().unwrap(), 500) }
}

fn subnet(text: &str) -> Selector {
    let network: pnet::ipnetwork::Ipv4Network = text.parse().unwrap();
    match network.prefix() {
        32 => Selector::host(network.ip()),
        _ => Selector::subnet(network.ip(), network.mask()),
    }
}

fn esp(id: EspTransform, bits: Option<u16>, hash: EspAuthentication, mode: EncapsulationMode) -> OfferedTransform {
    let mut attributes = vec![
        Attribute::basic(IpsecAttribute::Encapsulation, mode),
        Attribute::basic(IpsecAttribute::Authentication, hash),
    ];
    attributes.extend(bits.map(|bits| Attribute::basic(IpsecAttribute::KeyLength, bits)));
    OfferedTransform { protocol: ProtocolId::Esp, number: 1, id: id.into(), attributes }
}

fn aes() -> OfferedTransform {
    esp(EspTransform::Aes, Some(128), EspAuthentication::HmacSha1, EncapsulationMode::Tunnel)
}

fn offer(local: &str, remote: &str) -> QuickOffer {
    QuickOffer {
        peer: peer("192.0.2.10"),
        selectors: Selectors { local: subnet(local), remote: subnet(remote) },
        proposal: 1,
        transforms: vec![aes()],
        pfs: Some(Group::Modp2048),
        udp: false,
    }
}

fn choose(offer: QuickOffer) -> Result<QuickChoice, Box<ProposalRefused>> {
    let (answer, mut refusals) = ask(HUB, |policy| policy.choose(&offer));
    answer.map_err(|refusal| {
        let told = refusals.pop().unwrap();
        assert_eq!(told.refusal, refusal);
        Box::new(told)
    })
}

#[test]
fn isakmp_policies_come_by_priority_without_the_groups_we_cannot_do() {
    let (policies, _) = ask(HUB, |policy| policy.isakmp_policies(&peer("192.0.2.10")));
    assert_eq!(policies.iter().map(|policy| policy.priority).collect::<Vec<_>>(), [10, 20]);
    assert_eq!(
        (policies[0].cipher, policies[0].hash, policies[0].group),
        (Cipher::TripleDes, Hash::Sha1, Group::Modp1024)
    );
    assert_eq!(policies[1].lifetime, Some(Duration::from_secs(3600)));
    let (built_in, _) = ask("hostname R1\n", |policy| policy.isakmp_policies(&peer("192.0.2.10")));
    assert_eq!(built_in.first().map(|policy| policy.priority), Some(65507));
    let (none, _) = ask("no crypto isakmp default policy\n", |policy| policy.isakmp_policies(&peer("192.0.2.10")));
    assert_eq!(none, []);
}

#[rstest]
#[case("192.0.2.10", "host")]
#[case("192.0.2.11", "net")]
#[case("203.0.113.1", "wide")]
fn the_key_with_the_longest_mask_wins(#[case] address: &str, #[case] expected: &str) {
    let (key, _) = ask(HUB, |policy| policy.pre_shared_key(&peer(address)));
    let key = key.unwrap();
    assert_eq!((key.key.as_bytes(), key.keyring.as_str()), (expected.as_bytes(), ""));
}

#[test]
fn keyrings_of_profiles_serve_where_no_global_key_does() {
    let text = "\
crypto keyring RING
 local-address GigabitEthernet0/0
 pre-shared-key address 192.0.2.10 key ringkey
crypto isakmp profile PROF
 keyring RING
 match identity address 192.0.2.10 255.255.255.255
 self-identity fqdn hub.example
interface GigabitEthernet0/0
 ip address 198.51.100.1 255.255.255.0
";
    let (key, _) = ask(text, |policy| policy.pre_shared_key(&peer("192.0.2.10")));
    let key = key.unwrap();
    assert_eq!((key.key.as_bytes(), key.keyring.as_str()), (&b"ringkey"[..], "RING"));
    assert_eq!(ask(text, |policy| policy.pre_shared_key(&peer("192.0.2.11"))).0, None);
    let id = IdPayload { kind: IdType::Ipv4Address, protocol: 17, port: 500, data: vec![192, 0, 2, 10] };
    let (verdict, _) = ask(text, |policy| policy.judge_identity(&peer("192.0.2.10"), &id));
    assert_eq!(verdict, IdentityVerdict::Accepted { profile: Some("PROF".to_owned()) });
}

#[test]
fn identity_and_liveness_follow_the_configuration() {
    let (identity, _) = ask(HUB, |policy| policy.identity(&peer("192.0.2.10")));
    assert_eq!(identity, Identity::Address(Ipv4Addr::new(198, 51, 100, 1)));
    let text = "hostname R1\nip domain name example.net\ncrypto isakmp identity hostname\n";
    let (identity, _) = ask(text, |policy| policy.identity(&peer("192.0.2.10")));
    assert_eq!(identity, Identity::Fqdn("R1.example.net".to_owned()));
    let (settings, _) = ask(HUB, |policy| policy.settings(&peer("192.0.2.10")));
    let dpd = settings.dpd.unwrap();
    assert_eq!((dpd.idle.as_secs(), dpd.retry.as_secs(), dpd.attempts, dpd.periodic), (10, 3, 5, true));
}

#[test]
fn incomplete_entries_and_unusable_sets_are_left_out() {
    let config = config(HUB);
    let entries = entries(&config, "CMAP");
    let names: Vec<String> = entries.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(names, ["CMAP, 10", "CMAP, 20", "CMAP, 99 (DYN, 5)"]);
    assert_eq!(entries[0].transform_sets.len(), 2, "AH is not for this data path");
    for entry in &entries {
        assert_eq!(entry.name.to_string().parse(), Ok(entry.name.clone()));
    }
    assert!("CMAP".parse::<EntryName>().is_err());
}

#[rstest]
#[case::mirror("10.2.0.0/24", "10.1.0.0/16")]
#[case::inside("10.2.0.0/25", "10.1.3.0/24")]
#[case::host("10.2.0.7/32", "10.1.3.4/32")]
fn the_mirror_or_less_is_taken(#[case] local: &str, #[case] remote: &str) {
    let choice = choose(offer(local, remote)).unwrap();
    assert_eq!((choice.entry.as_str(), choice.interface.as_str()), ("CMAP, 10", "GigabitEthernet0/0"));
    assert_eq!(choice.lifetimes, Lifetimes { seconds: Some(1800), kilobytes: Some(4_608_000) });
}

/// A dynamic entry would take these, if its transform set were offered.
#[rstest]
#[case::wider("10.2.0.0/23", "10.1.0.0/16")]
#[case::elsewhere("10.3.0.0/24", "10.1.0.0/16")]
#[case::denied("10.2.0.0/24", "10.1.9.0/24")]
fn more_than_the_mirror_is_not(#[case] local: &str, #[case] remote: &str) {
    let refused = choose(offer(local, remote)).unwrap_err();
    assert_eq!(refused.refusal, QuickRefusal::Transform);
    assert_eq!(refused.entry.as_deref(), Some("CMAP, 99 (DYN, 5)"));
    let des3 = esp(EspTransform::TripleDes, None, EspAuthentication::HmacMd5, EncapsulationMode::Tunnel);
    let choice = choose(QuickOffer { transforms: vec![des3], ..offer(local, remote) }).unwrap();
    assert_eq!(choice.entry, "CMAP, 99 (DYN, 5)");
}

/// The hub without its dynamic entry.
fn choose_static(text: &str, offer: &QuickOffer) -> ProposalRefused {
    let text = text.replace("crypto map CMAP 99 ipsec-isakmp dynamic DYN\n", "");
    let (answer, mut refusals) = ask(&text, |policy| policy.choose(offer));
    answer.unwrap_err();
    refusals.pop().unwrap()
}

#[test]
fn refusals_name_the_lines_that_disagree() {
    let lines = |refused: &ProposalRefused| refused.lines.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
    let wider = choose_static(HUB, &offer("10.2.0.0/23", "10.1.4.0/24"));
    assert_eq!(wider.refusal, QuickRefusal::ProxyIdentities);
    assert_eq!(lines(&wider)[0], "access-list 101 permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.255.255");
    let number = HUB.lines().position(|line| line == wider.lines[0].text).unwrap(); // from 1, less the dynamic entry
    assert_eq!((wider.lines[0].source.as_str(), wider.lines[0].number), ("hub.ios", number));

    let denied = choose_static(HUB, &offer("10.2.0.0/24", "10.1.9.0/24"));
    assert_eq!(lines(&denied)[0], "access-list 101 deny   ip 10.2.0.0 0.0.0.255 10.1.9.0 0.0.0.255");

    let null = esp(EspTransform::Aes, Some(256), EspAuthentication::HmacMd5, EncapsulationMode::Tunnel);
    let transform = choose_static(HUB, &QuickOffer { transforms: vec![null], ..offer("10.2.0.0/24", "10.1.0.0/16") });
    assert_eq!(transform.refusal, QuickRefusal::Transform);
    assert_eq!(lines(&transform)[0], "crypto ipsec transform-set AES esp-aes esp-sha-hmac");

    for (pfs, offered) in [(None, None), (Some(Group::Modp1024), Some(2))] {
        let refused = choose_static(HUB, &QuickOffer { pfs, ..offer("10.2.0.0/24", "10.1.0.0/16") });
        assert_eq!(refused.refusal, QuickRefusal::Pfs { offered, configured: 14 });
        assert_eq!(lines(&refused), ["set pfs group14"]);
    }

    let stranger = QuickOffer { peer: peer("192.0.2.99"), ..offer("10.2.0.0/24", "10.1.0.0/16") };
    let refused = choose_static(HUB, &stranger);
    assert_eq!((refused.refusal, refused.entry.as_deref()), (QuickRefusal::ProxyIdentities, None));
    assert_eq!(lines(&refused)[0], "set peer 192.0.2.10");

    let mut elsewhere = offer("10.2.0.0/24", "10.1.0.0/16");
    elsewhere.peer.local = Ipv4Addr::new(10, 2, 0, 1);
    let refused = choose_static(HUB, &elsewhere);
    assert_eq!(refused.refusal, QuickRefusal::NoPolicy);
    assert_eq!(lines(&refused), ["interface GigabitEthernet0/1"]);
}

#[test]
fn protocols_and_ports_must_match_too() {
    let web = |port| {
        let mut offer = offer("10.2.0.80/32", "0.0.0.0/0");
        offer.selectors.local = offer.selectors.local.with(6, port);
        offer.selectors.remote = offer.selectors.remote.with(6, 0);
        offer.transforms =
            vec![esp(EspTransform::TripleDes, None, EspAuthentication::HmacMd5, EncapsulationMode::Tunnel)];
        offer
    };
    let (taken, _) = ask(HUB, |policy| policy.choose(&web(80)));
    assert_eq!(taken.unwrap().entry, "CMAP, 20");
    assert_eq!(choose_static(HUB, &web(443)).refusal, QuickRefusal::ProxyIdentities);
    assert_eq!(choose_static(HUB, &web(0)).refusal, QuickRefusal::ProxyIdentities);
}

#[test]
fn the_mode_must_fit_the_set() {
    let between = || {
        let mut offer = offer("198.51.100.1/32", "192.0.2.10/32");
        let aes256 = |mode| esp(EspTransform::Aes, Some(256), EspAuthentication::HmacSha1, mode);
        offer.transforms = vec![aes256(EncapsulationMode::Transport)];
        (offer, aes256(EncapsulationMode::UdpTunnel))
    };
    let (transport, in_tunnel) = between();
    assert_eq!(choose(transport.clone()).unwrap().entry, "CMAP, 20");
    assert_eq!(choose(QuickOffer { transforms: vec![in_tunnel], ..transport.clone() }).unwrap().entry, "CMAP, 20");
    let only_tunnel = HUB.replace("\n mode transport", "");
    assert_eq!(choose_static(&only_tunnel, &transport).refusal, QuickRefusal::Encapsulation);
}

#[test]
fn requests_carry_what_the_entry_says() {
    let config = config(HUB);
    let entry = entry(&config, &"CMAP, 10".parse().unwrap()).unwrap();
    let acl = entry.acl.unwrap();
    let pair = acl.entries().nth(1).unwrap().proxies().unwrap();
    let (local, remote) = (Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(192, 0, 2, 10));
    let request = entry.request(&config, RequestId(1), "Gi0/0", local, remote, selectors(&pair)).unwrap();
    assert_eq!(request.suites.iter().map(ToString::to_string).collect::<Vec<_>>(), ["aes128-sha1", "aes256-sha1"]);
    assert_eq!((request.pfs, request.mode), (Some(Group::Modp2048), crate::ike::Mode::Tunnel));
    assert_eq!(request.selectors.local.to_id().kind, IdType::Ipv4Subnet);
    assert_eq!(proxy_pair(&request.selectors), Some(pair));
    let host = ProxyPair::between("10.2.0.7/32".parse().unwrap(), "0.0.0.0/0".parse().unwrap());
    assert_eq!(selectors(&host).local.to_id().kind, IdType::Ipv4Address);
    assert_eq!(selectors(&host).remote.to_id().data, [0; 8]);
}
