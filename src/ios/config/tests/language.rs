//! How lines are understood: cut keywords, carets, modes, comments, banners, certificates.

use rstest::rstest;

use super::super::*;
use super::parse;
use crate::crypto::{Cipher, Hash};
use crate::diag::{Severity, Source};

/// The first error or warning of a text, as `line:column title`.
fn first_told(text: &str) -> String {
    let (_, diagnostics) = RunningConfig::parse(&Source::new("test.ios", text));
    let told = diagnostics.iter().find(|diagnostic| diagnostic.severity != Severity::Note).expect("something is told");
    let (source, range) = told.place.as_ref().expect("it has a place");
    let (line, column) = source.line_column(range.start);
    format!("{line}:{column} {}", told.title)
}

#[test]
fn keywords_may_be_cut() {
    let whole = "hostname R1
crypto isakmp policy 10
 encryption aes 256
 hash sha256
 authentication pre-share
 group 14
interface GigabitEthernet0/0
 ip address 10.0.0.1 255.255.255.0
 no shutdown
 crypto map M
ip access-list extended A
 permit tcp any host 10.0.0.9 eq telnet
";
    let cut = "hostn R1
cry isa pol 10
enc aes 256
ha sha256
auth pre
gr 14
int gi 0/0
ip add 10.0.0.1 255.255.255.0
no shut
cry map M
ip access-l ex A
perm tc an ho 10.0.0.9 eq tel
";
    assert_eq!(parse(whole).0.show(), parse(cut).0.show());
    assert_eq!(parse(&cut.to_uppercase()).0.isakmp, parse(whole).0.isakmp);
}

#[rstest]
#[case("crypto isakmp policy 10\n group 33\n", "2:8 % Invalid input detected at '^' marker.")]
#[case("crypto isakmp policy 0\n", "1:22 % Invalid input detected at '^' marker.")]
#[case("crypto isakmp policy 10\n lifetime 86401\n", "2:11 % Invalid input detected at '^' marker.")]
#[case("crypto isakmp policy 10\n encr aes 512\n", "2:11 % Invalid input detected at '^' marker.")]
#[case(
    "interface GigabitEthernet0/0\n ip address 10.0.0.1 255.0.255.0\n",
    "2:22 Bad mask 0xFF00FF00 for address 10.0.0.1"
)]
#[case("interface GigabitEthernet0/0\n ip address 10.0.0.0 255.255.255.0\n", "2:13 Bad mask /24 for address 10.0.0.0")]
#[case("ip route 10.0.0.1 255.255.255.0 192.0.2.1\n", "1:10 %Inconsistent address and mask")]
#[case("crypto isakmp policy\n", "1:21 % Incomplete command.")]
#[case("crypto map CMAP 10\n", "1:19 % Incomplete command.")]
#[case("i\n", "1:1 % Ambiguous command:  \"i\"")]
#[case("crypto is policy 10\n group 14\ncrypto i\n", "3:8 % Ambiguous command:  \"crypto i\"")]
#[case("access-list 101 permit ip any any any\n", "1:35 % Invalid input detected at '^' marker.")]
#[case("ip access-list extended 50\n", "1:25 % Invalid access list name.")]
#[case("frobnicate\n", "1:1 not known to the simulated router: the line is ignored")]
#[case("crypto frobnicate\n", "1:8 not known to the simulated router: the line is ignored")]
#[case("interface Gi0/0\n frobnicate\n", "2:2 not known to the simulated router: the line is ignored")]
#[case("show ip route\n", "")]
#[case("hostname R1\nshow ip route\n", "2:1 not a configuration command: ignored")]
#[case("hostname R1\nend\nhostname R2\n", "3:1 % Invalid input detected at '^' marker.")]
#[case("hostname R1\nexit\n", "2:1 one `exit` too many")]
fn what_is_wrong_is_told_at_its_place(#[case] text: &str, #[case] told: &str) {
    if told.is_empty() {
        assert_eq!(parse(text).1, [""; 0]);
    } else {
        assert_eq!(first_told(text), told);
    }
}

#[test]
fn a_refused_line_leaves_the_rest_alone() {
    let (config, told) = parse("crypto isakmp policy 10\n encr aes\n group 33\n hash md5\n");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("expected 1, 14, 15, 16, 19, 2, 20, 21, 24, 5"), "{}", told[0]);
    let policy = &config.isakmp.policies[0];
    assert_eq!((policy.encryption.value, policy.hash.value, policy.group.number()), (Cipher::Aes128, Hash::Md5, 1));
}

#[test]
fn the_mode_stack_decides_not_the_indentation() {
    let (config, told) = parse(
        "interface Tunnel1
ip address 10.0.0.1 255.255.255.252
ip mtu 1400
   crypto isakmp policy 10
lifetime 3600
ip route 10.9.0.0 255.255.0.0 Tunnel 1
interface FastEthernet0/0
\tip nat outside
exit
ip nat inside source list 1 interface fa0/0 overload
",
    );
    assert_eq!(told, [""; 0]);
    assert_eq!(config.interfaces[0].ip_mtu.unwrap().value, 1400);
    assert_eq!(config.isakmp.policies[0].lifetime.value, 3600);
    assert_eq!(config.routes[0].interface.as_ref().unwrap().to_string(), "Tunnel1");
    assert_eq!(config.interfaces[1].nat.unwrap().value, NatSide::Outside);
    assert_eq!(config.nat.rules.len(), 1);
}

/// `ip route` under an interface is no cut `ip route-cache`.
#[test]
fn a_whole_global_keyword_wins_over_a_cut_one_without_effect() {
    let (config, told) =
        parse("interface Gi0/0\n ip address 10.0.0.1 255.255.255.0\nip route 0.0.0.0 0.0.0.0 10.0.0.2\n");
    assert_eq!(told, [""; 0]);
    assert_eq!(config.routes.len(), 1);
}

#[test]
fn modes_without_a_model_keep_their_lines() {
    let (config, told) = parse(
        "router bgp 65000
 neighbor 10.0.0.1 remote-as 65001
 !
 address-family ipv4
  network 10.0.0.0
  exit
 exit-address-family
!
line vty 0 4
 login local
 logging synchronous
 exit
crypto ikev2 keyring K
 peer P
  hostname not-the-router
  address 10.0.0.1
ip domain name example.com
",
    );
    assert_eq!(config.domain_name.unwrap().value, "example.com");
    assert_eq!(config.hostname.value, "Router");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("routing protocols are not simulated"));
    assert!(told[1].contains("IKEv2 is not simulated"));
}

#[test]
fn comments_prompts_and_do_change_nothing() {
    let (config, told) = parse(
        "Building configuration...\r
Current configuration : 1234 bytes\r
! a comment\r
R1#configure terminal\r
R1(config)#hostname R1 ! the hub\r
R1(config)# crypto isakmp policy 10\r
R1(config-isakmp)#do show clock\r
R1(config-isakmp)#  group 5   ! group 2 is too short\r
R1(config-isakmp)#\r
R1(config-isakmp)#crypto isakmp key !s3cret! address 0.0.0.0\r
R1(config)#end\r
R1#write memory\r
",
    );
    assert_eq!(told, [""; 0]);
    assert_eq!(config.hostname.value, "R1");
    assert_eq!(config.isakmp.policies[0].group.number(), 5);
    assert_eq!(config.isakmp.keys[0].key.plain(), Some("!s3cret!"));
}

#[rstest]
#[case("banner motd ^C\nhostname EVIL\ninterface Gi0/0\n^C\nhostname R1\n", 4)]
#[case("banner motd # hostname EVIL #\nhostname R1\n", 1)]
#[case("banner exec x\n line two\nhostname EVILx\nhostname R1\n", 3)]
#[case("banner login \u{3}hello\n\u{3}\nhostname R1\n", 2)]
fn a_banner_ends_at_its_own_delimiter(#[case] text: &str, #[case] opaque: usize) {
    let (config, reading) = RunningConfig::read(&Source::new("test.ios", text));
    assert_eq!(config.hostname.value, "R1");
    assert_eq!(reading.lines.iter().filter(|line| line.outcome == Outcome::Opaque).count(), opaque);
}

#[test]
fn a_banner_without_end_is_told_and_swallows_nothing() {
    let (config, told) = parse("banner motd ^C\nhello\nhostname R1\n");
    assert_eq!(config.hostname.value, "R1");
    assert!(told[0].contains("the banner has no end"), "{}", told[0]);
}

#[test]
fn a_certificate_is_swallowed_whole() {
    let (config, told) = parse(
        "crypto pki certificate chain TP
 certificate self-signed 01
  3082032E 30820216 A0030201
  231B
  \tquit
 certificate 02
  ABCD
hostname R1
",
    );
    assert_eq!(config.hostname.value, "R1");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("a certificate ends without `quit`"), "{}", told[0]);
}

#[test]
fn a_client_group_keeps_its_banner() {
    let (config, _) = parse("crypto isakmp client configuration group G\n key k\n banner ^C one\ntwo ^C\n pool P\n");
    let group = config.client_group("G").unwrap();
    assert_eq!(group.banner.as_deref(), Some("one\ntwo"));
    assert_eq!(group.pool.as_ref().unwrap().value, "P");
}

#[test]
fn keys_take_their_mask_and_type() {
    let (config, told) = parse(
        "crypto isakmp key one address 192.0.2.1
crypto isakmp key 0 two address 192.0.2.0 255.255.255.0 no-xauth
crypto isakmp key 6 AQWXRTY address 198.51.100.1
crypto isakmp key four address 0.0.0.0 0.0.0.0
crypto isakmp key five hostname hub.example.com
",
    );
    assert_eq!(told, [""; 0]);
    let key = |address: [u8; 4]| key_for_address(&config.isakmp.keys, address.into()).unwrap().key.value.clone();
    assert_eq!(key([192, 0, 2, 1]).plain(), Some("one"));
    assert_eq!(key([192, 0, 2, 7]).plain(), Some("two"));
    assert_eq!(key([198, 51, 100, 1]), Secret::Encrypted(6, "AQWXRTY".to_owned()));
    assert_eq!(key([203, 0, 113, 1]).plain(), Some("four"));
    assert_eq!(key_for_hostname(&config.isakmp.keys, "hub.example.com").unwrap().key.plain(), Some("five"));
    assert!(config.isakmp.keys[1].no_xauth);
}

#[test]
fn defaults_are_those_of_ios() {
    let (config, _) = parse("crypto isakmp policy 10\ncrypto map M 10 ipsec-isakmp\n set pfs\n");
    let policy = &config.isakmp.policies[0];
    assert_eq!((policy.encryption.value, policy.hash.value), (Cipher::Des, Hash::Sha1));
    assert_eq!((policy.authentication.value, policy.group.number()), (Authentication::RsaSignature, 1));
    assert_eq!(policy.lifetime.value, 86_400);
    assert_eq!(config.ipsec.lifetime_seconds.value, 3600);
    assert_eq!(config.ipsec.lifetime_kilobytes.value, VolumeLifetime::Kilobytes(4_608_000));
    assert_eq!(config.ipsec.replay.value, ReplayWindow::Size(64));
    assert!(config.isakmp.enabled.value && config.ipsec.nat_transparency.value);
    assert_eq!(config.ipsec.maps[0].entries[0].settings.pfs.unwrap().number(), 1);
}

/// The table says what is supported; each usage names a mode and is not empty.
#[test]
fn the_supported_commands_are_listed() {
    let usages = supported();
    assert!(usages.len() > 120, "{}", usages.len());
    let wanted = (Mode::IsakmpPolicy, "encryption {des | 3des | aes [{128 | 192 | 256}]}".to_owned());
    assert!(usages.contains(&wanted), "{usages:#?}");
}
