//! Abbreviations, refusals, filters, ping.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

#[rstest]
#[case("sh cry isa sa", Show::IsakmpSa { detail: false })]
#[case("show crypto isakmp sa detail", Show::IsakmpSa { detail: true })]
#[case("sh cry ips sa", Show::IpsecSa { peer: None, interface: None, detail: false })]
#[case(
    "sh cry ips sa peer 192.0.2.1 det",
    Show::IpsecSa { peer: Some(Ipv4Addr::new(192, 0, 2, 1)), interface: None, detail: true }
)]
#[case(
    "show crypto ipsec sa interface gi0/0",
    Show::IpsecSa { peer: None, interface: Some("GigabitEthernet0/0".to_owned()), detail: false }
)]
#[case(
    "show crypto ipsec sa interface GigabitEthernet 0/0 detail",
    Show::IpsecSa { peer: None, interface: Some("GigabitEthernet0/0".to_owned()), detail: true }
)]
#[case("sh cry sess", Show::Session { remote: None, detail: false })]
#[case("sh cry map tag CMAP", Show::CryptoMap(Some("CMAP".to_owned())))]
#[case("sh ip int br", Show::InterfaceBrief)]
#[case("sh ip ro", Show::Route)]
#[case("sh access-l 101", Show::AccessLists(Some("101".to_owned())))]
#[case("sh run", Show::RunningConfig)]
#[case("SHOW VERSION", Show::Version)]
#[case("sh cry eng conn act", Show::EngineConnections)]
#[case("  show   crypto isakmp  policy  ", Show::IsakmpPolicies)]
fn shows_are_understood(#[case] line: &str, #[case] expected: Show) {
    assert_eq!(parse(line, 3), Ok(Command::Show(expected, None)));
}

#[rstest]
#[case("clear cry sa", Command::Clear(Clear::IpsecSas { peer: None, map: None }))]
#[case("clear crypto sa peer 192.0.2.1", Command::Clear(Clear::IpsecSas { peer: Some(Ipv4Addr::new(192, 0, 2, 1)), map: None }))]
#[case("clear crypto sa map CMAP", Command::Clear(Clear::IpsecSas { peer: None, map: Some("CMAP".to_owned()) }))]
#[case("clear crypto sa counters", Command::Clear(Clear::Counters))]
#[case("clear crypto isakmp", Command::Clear(Clear::IsakmpSas { connection: None }))]
#[case("clear cry isa 1001", Command::Clear(Clear::IsakmpSas { connection: Some(1001) }))]
#[case("clear cry session", Command::Clear(Clear::Session { remote: None }))]
#[case("clear ip nat tr *", Command::Clear(Clear::Translations))]
#[case("debug cry isa", Command::Debug { what: Some(Debug::Isakmp), on: true })]
#[case("un all", Command::Debug { what: None, on: false })]
#[case("no debug crypto ipsec", Command::Debug { what: Some(Debug::Ipsec), on: false })]
#[case("conf t", Command::ConfigureTerminal)]
#[case("reload", Command::Reload)]
#[case("term len 0", Command::NoEffect)]
#[case("wr", Command::NoEffect)]
fn others_are_understood(#[case] line: &str, #[case] expected: Command) {
    assert_eq!(parse(line, 3), Ok(expected));
}

#[test]
fn pings_are_understood() {
    let plain =
        Ping { destination: address("10.1.0.1"), source: None, repeat: 5, size: 100, timeout: 2, dont_fragment: false };
    assert_eq!(parse("ping 10.1.0.1", 3), Ok(Command::Ping(plain.clone())));
    let full = Ping {
        source: Some(PingSource::Interface("Loopback0".to_owned())),
        repeat: 10,
        size: 1500,
        timeout: 1,
        dont_fragment: true,
        ..plain.clone()
    };
    assert_eq!(parse("ping ip 10.1.0.1 sou lo0 rep 10 size 1500 df-bit timeout 1", 3), Ok(Command::Ping(full)));
    let from = Ping { source: Some(PingSource::Address(address("10.2.0.1"))), ..plain };
    assert_eq!(parse("ping 10.1.0.1 source 10.2.0.1", 3), Ok(Command::Ping(from)));
}

#[rstest]
#[case("show cryptic isakmp sa", "        ^\n% Invalid input detected at '^' marker.\n\n")]
#[case("show crypto isakmp sa now", "                         ^\n% Invalid input detected at '^' marker.\n\n")]
#[case("show crypto is", "% Incomplete command.\n\n")]
#[case("show crypto i sa", "% Ambiguous command:  \"show crypto i sa\"\n")]
#[case("frobnicate", "% Unknown command or computer name, or unable to find computer address\n")]
#[case("frobnicate now", "   ^\n% Invalid input detected at '^' marker.\n\n")]
#[case("", "")]
#[case("! a remark", "")]
#[case("ping 10.1.0.1 size 5", "                      ^\n% Invalid input detected at '^' marker.\n\n")]
#[case("conf t | include x", "          ^\n% Invalid input detected at '^' marker.\n\n")]
#[case("show run | grep x", "            ^\n% Invalid input detected at '^' marker.\n\n")]
fn refusals_read_as_on_the_router(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(parse(line, 3).unwrap_err(), expected, "{line}");
}

#[test]
fn filters_pick_lines() {
    let text = "crypto map M 10\n set peer A\n!\ninterface Gi0/0\n crypto map M\nend\n";
    let through = |line: &str| match parse(line, 3) {
        Ok(Command::Show(Show::RunningConfig, Some(filter))) => filter.apply(text),
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(through("sh run | inc crypto"), "crypto map M 10\n crypto map M\n");
    assert_eq!(through("show run | i ^crypto|end$"), "crypto map M 10\nend\n");
    assert_eq!(through("show run | exclude map"), " set peer A\n!\ninterface Gi0/0\nend\n");
    assert_eq!(through("show run | begin ^interface"), "interface Gi0/0\n crypto map M\nend\n");
    assert_eq!(through("show run | sec ^crypto"), "crypto map M 10\n set peer A\n");
}

#[test]
fn pings_report_as_on_the_router() {
    let Ok(Command::Ping(ping)) = parse("ping 192.168.102.1 source gi3", 3) else { panic!() };
    let echoes = [Echo::Lost, Echo::Answered(1), Echo::Answered(2), Echo::Answered(2), Echo::Answered(3)];
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("ping", ping.report(Some(address("192.168.101.1")), &echoes));
    });
    let none = ping.report(None, &[Echo::Unreachable, Echo::Lost]);
    assert!(none.ends_with("U.\nSuccess rate is 0 percent (0/2)\n"), "{none}");
}

#[test]
fn debugs_are_switched() {
    let mut settings = Settings { debug_isakmp: false, debug_ipsec: false, ..Settings::default() };
    assert_eq!(settings.switch_debug(Some(Debug::Isakmp), true), "Crypto ISAKMP debugging is on\n");
    assert!(settings.debug_isakmp && !settings.debug_ipsec);
    assert_eq!(settings.switch_debug(None, false), "All possible debugging has been turned off\n");
    assert!(!settings.debug_isakmp);
}

proptest! {
    /// Whatever is typed gets an answer.
    #[test]
    fn any_line_is_answered(line in "\\PC{0,80}") {
        let _ = parse(&line, 3);
    }

    #[test]
    fn any_words_are_answered(words in prop::collection::vec("(show|cry|ip|isakmp|sa|ping|10\\.0\\.0\\.1|source|\\||inc|é)", 0..8)) {
        let _ = parse(&words.join(" "), 3);
    }
}
