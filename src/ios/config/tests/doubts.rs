//! Doubts about configurations that IOS takes without a word.

use rstest::rstest;

use super::super::*;
use crate::diag::{Severity, Source};

const SOUND: &str = "hostname R1
crypto isakmp policy 10
 encr aes 256
 authentication pre-share
 group 14
crypto isakmp key s3cret address 192.0.2.10
crypto ipsec transform-set TSET esp-aes 256 esp-sha-hmac
crypto map CMAP 10 ipsec-isakmp
 set peer 192.0.2.10
 set transform-set TSET
 match address VPN
interface GigabitEthernet0/0
 ip address 198.51.100.1 255.255.255.0
 ip nat outside
 ip access-group OUTSIDE in
 crypto map CMAP
interface GigabitEthernet0/1
 ip address 10.2.0.1 255.255.255.0
 ip nat inside
ip nat inside source list NAT interface GigabitEthernet0/0 overload
ip route 0.0.0.0 0.0.0.0 198.51.100.254
ip access-list extended VPN
 permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255
ip access-list extended NAT
 deny ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255
 permit ip 10.2.0.0 0.0.0.255 any
ip access-list extended OUTSIDE
 permit udp any any eq isakmp
 permit esp any any
";

fn doubts(text: &str) -> Vec<String> {
    let source = Source::new("test.ios", text);
    let told = check_config(&source).1.into_iter().filter(|told| told.severity != Severity::Note);
    told.map(|told| {
        let (source, range) = told.place.as_ref().expect("a doubt has a place");
        format!("{}: {}: {}", source.line_column(range.start).0, told.title, told.label)
    })
    .collect()
}

#[test]
fn a_sound_configuration_raises_none() {
    assert_eq!(doubts(SOUND), [""; 0]);
}

#[rstest]
#[case(" authentication pre-share\n", "", "policy 10 authenticates by rsa-sig, which is not simulated")]
#[case(" group 14\n", " group 19\n", "policy 10: Diffie-Hellman group 19 is not simulated")]
#[case("address 192.0.2.10\n", "address 192.0.2.99\n", "there is no pre-shared key for peer 192.0.2.10")]
#[case("address 192.0.2.10\n", "address 192.0.2.99\n", "no crypto map entry or tunnel has a peer in 192.0.2.99/32")]
#[case("key s3cret", "key 6 AAAA", "an encrypted key cannot be used")]
#[case(" set peer 192.0.2.10\n", "", "crypto map CMAP 10 is incomplete and stays disabled: it lacks `set peer`")]
#[case(" match address VPN\n", "", "it lacks `match address`")]
#[case("match address VPN", "match address vpn", "access list `vpn` does not exist or is empty")]
#[case("set transform-set TSET", "set transform-set T", "transform set `T` does not exist")]
#[case("esp-aes 256 esp-sha-hmac", "esp-gcm 256 esp-sha-hmac", "GCM brings its own integrity check")]
#[case("esp-aes 256 esp-sha-hmac", "esp-seal esp-sha-hmac", "esp-seal is not simulated")]
#[case(" crypto map CMAP\n", "", "crypto map CMAP is on no interface")]
#[case(" crypto map CMAP\n", " crypto map cmap\n", "crypto map `cmap` does not exist")]
#[case(
    " permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255\nip",
    " permit ip 10.2.0.0 255.255.255.0 10.1.0.0 0.0.0.255\nip",
    "255.255.255.0 looks like a subnet mask, but an access list wants a wildcard: the router reads it as `0.0.0.0 255.255.255.0`"
)]
#[case(
    " permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255\nip",
    " permit tcp any range 1 9 any\nip",
    "cannot be negotiated"
)]
#[case(" permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255\nip", " permit ip any any\nip", "protects `any any`")]
#[case(" permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255\nip", " deny ip any any\nip", "permits nothing")]
#[case(
    " deny ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255\n",
    "",
    "address translation takes 10.2.0.0/24 <-> 10.1.0.0/24 before the crypto map"
)]
#[case("permit esp any any\n", "permit ahp any any\n", "access list OUTSIDE drops ESP from peer 192.0.2.10")]
#[case(
    "0.0.0.0 0.0.0.0 198.51.100.254",
    "10.1.0.0 255.255.255.0 10.2.0.254",
    "packets to 10.1.0.0/24 leave by GigabitEthernet0/1, which does not have this crypto map"
)]
#[case("0.0.0.0 0.0.0.0 198.51.100.254", "10.9.0.0 255.255.255.0 198.51.100.254", "no route leads to 10.1.0.0/24")]
#[case("198.51.100.254\n", "203.0.113.1\n", "no interface leads to the next hop 203.0.113.1")]
#[case(" ip nat inside\n", "", "no interface has `ip nat inside`")]
#[case("list NAT", "list Nat", "access list `Nat` does not exist")]
#[case(
    "ip address 10.2.0.1 255.255.255.0",
    "ip address 198.51.100.9 255.255.255.128",
    "overlaps with GigabitEthernet0/0"
)]
#[case(
    "ip address 198.51.100.1 255.255.255.0\n",
    "ip address 198.51.100.1 255.255.255.0\n shutdown\n",
    "GigabitEthernet0/0 is shut down: its crypto map does nothing"
)]
#[case("hostname R1\n", "hostname R1\nno crypto isakmp enable\n", "ISAKMP is disabled")]
#[case(
    "interface GigabitEthernet0/0\n",
    "crypto map CMAP 20 ipsec-isakmp\n set peer 192.0.2.20\n set transform-set TSET\n match address VPN\ncrypto isakmp key k address 192.0.2.20\ninterface GigabitEthernet0/0\n",
    "entry 10 takes this traffic before entry 20"
)]
#[case(
    "interface GigabitEthernet0/0\n",
    "crypto dynamic-map D 1\n set transform-set TSET\ncrypto map CMAP 5 ipsec-isakmp dynamic D\ninterface GigabitEthernet0/0\n",
    "dynamic entry 5 comes before static entry 10"
)]
#[case(
    "interface GigabitEthernet0/0\n",
    "crypto map CMAP 99 ipsec-isakmp dynamic D\ninterface GigabitEthernet0/0\n",
    "dynamic map `D` does not exist"
)]
fn one_change_raises_a_doubt(#[case] from: &str, #[case] to: &str, #[case] doubt: &str) {
    assert!(SOUND.contains(from), "{from}");
    let told = doubts(&SOUND.replacen(from, to, 1));
    assert!(told.iter().any(|told| told.contains(doubt)), "expected `{doubt}` among {told:#?}");
}
