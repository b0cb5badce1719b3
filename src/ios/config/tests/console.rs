//! Changes at the console: what `no` undoes, what is replaced, what IOS answers.

use rstest::rstest;

use super::super::*;
use super::parse;
use crate::diag::Source;

const TUNNEL: &str = "hostname R1
crypto isakmp policy 10
 encr aes 256
 hash sha256
 authentication pre-share
 group 14
 lifetime 3600
crypto isakmp key s3cret address 192.0.2.10
crypto isakmp keepalive 10 3 periodic
crypto ipsec security-association lifetime seconds 7200
crypto ipsec transform-set TSET esp-aes 256 esp-sha-hmac
 mode transport
crypto map CMAP 10 ipsec-isakmp
 set peer 192.0.2.10
 set peer 192.0.2.11
 set transform-set TSET
 set pfs group14
 match address VPN
interface GigabitEthernet0/0
 description outside
 ip address 198.51.100.1 255.255.255.0
 ip address 198.51.101.1 255.255.255.0 secondary
 ip nat outside
 ip access-group 110 in
 crypto map CMAP
ip nat inside source list 1 interface GigabitEthernet0/0 overload
ip route 0.0.0.0 0.0.0.0 198.51.100.254
ip access-list extended VPN
 permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255
 permit ip 10.3.0.0 0.0.0.255 10.1.0.0 0.0.0.255
access-list 1 permit 10.2.0.0 0.0.0.255
";

fn changed(lines: &str) -> (RunningConfig, Reading) {
    let (mut config, told) = parse(TUNNEL);
    assert_eq!(told, [""; 0]);
    let reading = config.apply(&Source::new("console", lines));
    (config, reading)
}

/// A change, and what the printed configuration lacks and has afterwards.
#[rstest]
#[case("crypto isakmp policy 10\n no encryption\n no hash\n", &[" encr aes 256", " hash sha256"], &[" group 14"])]
#[case("crypto isakmp policy 10\n default lifetime\n", &[" lifetime 3600"], &[])]
#[case("no crypto isakmp policy 10\n", &["crypto isakmp policy 10"], &[])]
#[case("no crypto isakmp key s3cret address 192.0.2.10\n", &["crypto isakmp key"], &[])]
#[case("crypto isakmp key other address 192.0.2.10\n", &["s3cret"], &["crypto isakmp key other address 192.0.2.10"])]
#[case("no crypto isakmp keepalive\n", &["keepalive"], &[])]
#[case("no crypto isakmp enable\n", &[], &["no crypto isakmp enable"])]
#[case("no crypto ipsec security-association lifetime seconds\n", &["lifetime seconds"], &[])]
#[case("no crypto ipsec transform-set TSET\n", &["crypto ipsec transform-set TSET"], &[" set transform-set TSET"])]
#[case("crypto ipsec transform-set TSET esp-3des esp-md5-hmac\n", &["esp-aes"], &["TSET esp-3des esp-md5-hmac"])]
#[case("crypto map CMAP 10\n no set peer 192.0.2.10\n", &[" set peer 192.0.2.10"], &[" set peer 192.0.2.11"])]
#[case("crypto map CMAP 10\n no set pfs\n no match address\n", &["pfs", "match address"], &["crypto map CMAP 10"])]
#[case("no crypto map CMAP 10\n", &["crypto map CMAP 10"], &[" crypto map CMAP"])]
#[case("no crypto map CMAP\n", &["ipsec-isakmp"], &[])]
#[case("interface Gi0/0\n no crypto map\n", &[" crypto map CMAP\n"], &[])]
#[case("interface Gi0/0\n shutdown\n", &[], &[" shutdown"])]
#[case("interface Gi0/0\n no description\n no ip nat outside\n", &["description", "ip nat outside"], &[])]
#[case("interface Gi0/0\n no ip access-group 110 in\n", &["access-group"], &[])]
#[case("interface Gi0/0\n no ip address 198.51.101.1 255.255.255.0 secondary\n", &["secondary"], &["198.51.100.1"])]
#[case("interface Gi0/0\n no ip address\n", &[" ip address 198"], &[" no ip address"])]
#[case("no interface Gi0/0\n", &["interface GigabitEthernet0/0\n"], &[])]
#[case("no ip route 0.0.0.0 0.0.0.0 198.51.100.254\n", &["ip route"], &[])]
#[case("no ip nat inside source list 1\n", &["ip nat inside source"], &[])]
#[case("ip access-list extended VPN\n no 10\n", &["10.2.0.0 0.0.0.255 10.1.0.0"], &[" 20 permit ip 10.3.0.0 0.0.0.255"])]
#[case("ip access-list extended VPN\n 5 deny ip any any\n", &[], &[" 5 deny ip any any\n 10 permit"])]
#[case(
    "ip access-list extended VPN\n no permit ip 10.3.0.0 0.0.0.255 10.1.0.0 0.0.0.255\n",
    &["10.3.0.0"],
    &[" permit ip 10.2.0.0"]
)]
#[case("ip access-list resequence VPN 100 5\n", &[], &[" 100 permit ip 10.2.0.0 0.0.0.255", " 105 permit"])]
#[case("no ip access-list extended VPN\n", &["access-list extended"], &[" match address VPN"])]
#[case("no access-list 1 permit 10.9.9.9\n", &["access-list 1"], &[])]
#[case("no hostname\n", &["hostname R1"], &["hostname Router"])]
fn a_change_is_applied(#[case] lines: &str, #[case] gone: &[&str], #[case] there: &[&str]) {
    let (config, reading) = changed(lines);
    let printed = config.show();
    let errors: Vec<_> =
        reading.diagnostics.iter().filter(|told| told.severity == crate::diag::Severity::Error).collect();
    assert!(errors.is_empty(), "{}", errors[0]);
    for words in gone {
        assert!(!printed.contains(words), "`{words}` is still in\n{printed}");
    }
    for words in there {
        assert!(printed.contains(words), "`{words}` is not in\n{printed}");
    }
}

#[test]
fn every_item_points_at_the_text_it_came_from() {
    let (config, _) = changed("crypto isakmp policy 10\n group 5\n");
    let policy = &config.isakmp.policies[0];
    let (source, range) = config.place(policy.group.span).unwrap();
    assert_eq!((source.path.to_str(), &source.text[range]), (Some("console"), "group 5"));
    let (source, range) = config.place(policy.encryption.span).unwrap();
    assert_eq!((source.path.to_str(), &source.text[range]), (Some("test.ios"), "encr aes 256"));
}

#[test]
fn the_console_answers_as_ios_does() {
    let (_, reading) = changed(
        "crypto map CMAP 20 ipsec-isakmp
 set peer 300.1.1.1
crypto isakmp policy
cry i
 lifetime 5
",
    );
    let replies: Vec<&str> = reading.lines.iter().map(|line| line.reply.as_str()).collect();
    assert_eq!(
        replies,
        [
            "% NOTE: This new crypto map will remain disabled until a peer\n        and a valid access list have been configured.\n",
            "                                ^\n% Invalid input detected at '^' marker.\n\n",
            "% Incomplete command.\n\n",
            "% Ambiguous command:  \"cry i\"\n\n",
            "",
        ]
    );
    assert_eq!(reading.lines[1].mode.prompt(), "(config-crypto-map)");
}

#[test]
fn a_primary_address_goes_after_the_secondary_ones() {
    let (config, reading) = changed("interface Gi0/0\n no ip address 198.51.100.1 255.255.255.0\n");
    assert_eq!(reading.lines[1].reply, "Must delete secondary before deleting primary\n\n");
    assert!(config.interfaces[0].primary().is_some());
}
