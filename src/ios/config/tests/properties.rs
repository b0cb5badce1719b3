//! Whatever is read: nothing panics, no line is lost, what is printed reads back the same.

use proptest::prelude::*;

use super::super::commands::{COMMANDS, Command, Run};
use super::super::grammar::Element;
use super::super::*;
use super::fixtures;
use crate::diag::Source;

/// Words that commands are made of, and some that break them.
const WORDS: &[&str] = &[
    "0",
    "1",
    "10",
    "101",
    "255",
    "65535",
    "99999999999999999999",
    "0.0.0.0",
    "10.0.0.1",
    "255.255.255.0",
    "0.0.0.255",
    "255.255.255.255",
    "!",
    "!x",
    "#",
    "^C",
    "?",
    "access-group",
    "access-list",
    "address",
    "aes",
    "any",
    "aggressive-mode",
    "authentication",
    "banner",
    "certificate",
    "chain",
    "clear",
    "client",
    "configuration",
    "copy",
    "crypto",
    "default",
    "deny",
    "df-bit",
    "disable",
    "do",
    "dynamic",
    "dynamic-map",
    "encr",
    "end",
    "eq",
    "esp",
    "esp-aes",
    "esp-sha-hmac",
    "established",
    "exit",
    "extended",
    "Gi0/0",
    "group",
    "group14",
    "hash",
    "host",
    "hostname",
    "icmp",
    "in",
    "inside",
    "interface",
    "ip",
    "ipsec",
    "ipsec-isakmp",
    "isakmp",
    "keepalive",
    "key",
    "keyring",
    "kilobytes",
    "lifetime",
    "list",
    "local-address",
    "log",
    "map",
    "match",
    "mode",
    "motd",
    "nat",
    "no",
    "NAME",
    "outside",
    "overload",
    "peer",
    "permit",
    "pfs",
    "pki",
    "policy",
    "pool",
    "pre-share",
    "profile",
    "quit",
    "range",
    "remark",
    "reverse-route",
    "route",
    "route-map",
    "router",
    "seconds",
    "security-association",
    "self-identity",
    "sequence",
    "set",
    "sha",
    "shutdown",
    "source",
    "standard",
    "static",
    "tcp",
    "transform-set",
    "transport",
    "tunnel",
    "Tunnel",
    "udp",
    "username",
    "é",
];

fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![8 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => "\\PC{0,8}"];
    (0..3_usize, prop::collection::vec(word, 0..9)).prop_map(|(indent, words)| " ".repeat(indent) + &words.join(" "))
}

fn made_up() -> impl Strategy<Value = String> {
    prop::collection::vec(line(), 0..25).prop_map(|lines| lines.join("\n"))
}

/// Choices, one after the other, made beforehand so that a failing case can be made smaller.
struct Choices<'choices>(std::slice::Iter<'choices, u16>);

impl Choices<'_> {
    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % limit.max(1)
    }

    fn pick<'word>(&mut self, words: &[&'word str]) -> &'word str {
        words[self.below(words.len())]
    }
}

/// A line that fits a pattern, mostly: numbers in range, masks where masks belong.
fn sentence(elements: &[Element], choices: &mut Choices<'_>, words: &mut Vec<String>) {
    for element in elements {
        match *element {
            Element::Kw(keyword) => words.push(keyword.to_owned()),
            Element::Word(_) => words.push(choices.pick(&["A", "B", "101", "1", "VPN", "any"]).to_owned()),
            Element::Host(_) => words.push(choices.pick(&["hub.example.com", "hub"]).to_owned()),
            Element::Secret(_) => words.push(choices.pick(&["s3cret", "6", "!x", "address"]).to_owned()),
            Element::Int(_, low, high) => {
                let span = usize::try_from((high - low).min(60_000)).unwrap();
                words.push((low + choices.below(span + 1) as u64).to_string());
            }
            Element::Ip(name) if name.contains("mask") => {
                words
                    .push(choices.pick(&["255.255.255.0", "255.255.255.252", "255.255.255.255", "0.0.0.0"]).to_owned());
            }
            Element::Ip("wildcard") => {
                words.push(choices.pick(&["0.0.0.255", "0.0.0.0", "255.255.255.0", "0.255.0.255"]).to_owned());
            }
            Element::Ip(_) => {
                words.push(choices.pick(&["10.0.0.1", "10.0.0.0", "192.0.2.1", "0.0.0.0", "10.0.0.9"]).to_owned());
            }
            Element::InterfaceName(_) => words.push(choices.pick(&["Gi0/0", "Tunnel1", "fa0/1.5"]).to_owned()),
            Element::InterfaceKind(_) => words.push(choices.pick(&["Tunnel", "lo"]).to_owned()),
            Element::InterfaceNumber(_) => words.push(choices.pick(&["0", "1"]).to_owned()),
            Element::TcpPort(_) => words.push(choices.pick(&["80", "telnet", "0", "bgp"]).to_owned()),
            Element::UdpPort(_) => words.push(choices.pick(&["500", "isakmp", "syslog", "65535"]).to_owned()),
            Element::Icmp(_) => words.push(choices.pick(&["echo", "unreachable", "ttl-exceeded"]).to_owned()),
            Element::Rest(_) => words.push(choices.pick(&["some text", "! odd", "x"]).to_owned()),
            Element::Opt(inner) if choices.below(2) == 0 => sentence(inner, choices, words),
            Element::OneOf(ways) => sentence(ways[choices.below(ways.len())], choices, words),
            Element::Many(inner) => (0..choices.below(4)).for_each(|_| sentence(inner, choices, words)),
            Element::Opt(_) => {}
        }
    }
}

/// What opens a mode.
fn opener(mode: Mode) -> &'static str {
    match mode {
        Mode::Interface => "interface Gi0/0",
        Mode::IsakmpPolicy => "crypto isakmp policy 10",
        Mode::IsakmpProfile => "crypto isakmp profile P",
        Mode::IsakmpPeer => "crypto isakmp peer address 10.0.0.1",
        Mode::ClientGroup => "crypto isakmp client configuration group G",
        Mode::Keyring => "crypto keyring K",
        Mode::TransformSet => "crypto ipsec transform-set A esp-aes",
        Mode::IpsecProfile => "crypto ipsec profile B",
        Mode::CryptoMap => "crypto map A 10 ipsec-isakmp",
        Mode::DynamicMap => "crypto dynamic-map A 10",
        Mode::StandardAcl => "ip access-list standard 1",
        Mode::ExtendedAcl => "ip access-list extended VPN",
        Mode::RouteMap => "route-map A permit 10",
        _ => "!",
    }
}

/// Lines made from the table of commands.
fn from_the_table() -> impl Strategy<Value = String> {
    let kept = |command: &&Command| matches!(command.run, Run::Model(_) | Run::Enter(..));
    let commands: Vec<&'static Command> = COMMANDS.iter().flat_map(|group| group.iter()).filter(kept).collect();
    prop::collection::vec(prop::collection::vec(any::<u16>(), 24), 1..30).prop_map(move |lines| {
        let mut text = String::new();
        for numbers in &lines {
            let mut choices = Choices(numbers.iter());
            let command = commands[choices.below(commands.len())];
            let mode = command.modes[choices.below(command.modes.len())];
            let no = command.needed_by_no > 0 && choices.below(5) == 0;
            let mut words = Vec::new();
            sentence(command.pattern, &mut choices, &mut words);
            text += &format!("{}\n {}{}\n", opener(mode), if no { "no " } else { "" }, words.join(" "));
        }
        text
    })
}

/// A fixture with lines left out, doubled, exchanged with made-up ones, cut or put elsewhere.
fn mutated() -> impl Strategy<Value = String> {
    let texts: Vec<String> = fixtures().iter().map(|source| source.text.to_string()).collect();
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, line()), 1..12);
    (prop::sample::select(texts), edits).prop_map(|(text, edits)| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (index, what, new) in edits {
            let at = index.index(lines.len());
            match what {
                0 if lines.len() > 1 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[at].clone()),
                2 => lines[at] = new,
                3 => {
                    let end = lines[at].char_indices().nth(at % 20).map_or(0, |(end, _)| end);
                    lines[at].truncate(end);
                }
                _ => {
                    let moved = lines.remove(at);
                    let place = lines.len() / 2;
                    lines.insert(place, moved);
                }
            }
        }
        lines.join("\n")
    })
}

/// Every line has an outcome, and whatever did not change the configuration is told of.
fn no_line_is_lost(text: &str) -> RunningConfig {
    let source = Source::new("test.ios", text);
    let (config, reading) = RunningConfig::read(&source);
    assert_eq!(reading.lines.len(), text.split_inclusive('\n').count());
    for line in &reading.lines {
        let told = |told: &crate::diag::Diagnostic| {
            told.place.as_ref().is_some_and(|(_, range)| range.start <= line.range.end && line.range.start <= range.end)
        };
        let silent = matches!(line.outcome, Outcome::Blank | Outcome::Comment | Outcome::Modelled | Outcome::Opaque);
        assert!(silent || reading.diagnostics.iter().any(told), "line {} of\n{text}", line.number);
    }
    let _ = config.summary();
    let _ = config.lint().iter().map(ToString::to_string).count();
    config
}

fn reads_back_the_same(config: &RunningConfig) {
    let printed = config.show();
    let (again, _) = RunningConfig::parse(&Source::new("printed", printed.as_str()));
    assert_eq!(again.show(), printed);
    assert!(again == *config, "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text_is_read(text in "\\PC*(\r?\n\\PC*){0,8}") {
        no_line_is_lost(&text);
    }

    #[test]
    fn made_up_lines_are_read_and_printed(text in made_up()) {
        reads_back_the_same(&no_line_is_lost(&text));
    }

    #[test]
    fn every_command_is_read_and_printed(text in from_the_table()) {
        let (_, reading) = RunningConfig::read(&Source::new("test.ios", text.as_str()));
        for pair in reading.lines.windows(2) {
            let opened = pair[0].outcome != Outcome::Rejected;
            let unknown = matches!(pair[1].outcome, Outcome::Ignored | Outcome::NoEffect);
            prop_assert!(!(opened && unknown), "line {} of\n{text}", pair[1].number);
        }
        reads_back_the_same(&no_line_is_lost(&text));
    }

    #[test]
    fn mutated_configurations_are_read_and_printed(text in mutated()) {
        reads_back_the_same(&no_line_is_lost(&text));
    }

    #[test]
    fn a_change_at_the_console_reads_back_the_same(text in mutated(), change in made_up()) {
        let mut config = RunningConfig::parse(&Source::new("test.ios", text.as_str())).0;
        config.apply(&Source::new("console", change.as_str()));
        reads_back_the_same(&config);
    }
}

#[test]
fn a_line_too_long_is_refused() {
    let text = format!("crypto map M 10 ipsec-isakmp\n set transform-set {}\n", "a ".repeat(100_000));
    let (_, reading) = RunningConfig::read(&Source::new("test.ios", text.as_str()));
    assert_eq!(reading.lines[1].outcome, Outcome::Rejected);
}
