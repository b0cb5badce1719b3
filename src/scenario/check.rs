//! What the types of a scenario file cannot say: whether its parts fit together.

use std::ops::Range;
use std::time::Duration;

use crate::diag::{Diagnostic, Source};
use crate::scenario::expect::{Phase1Expect, Phase2Expect};
use crate::scenario::file::ScenarioFile;
use crate::scenario::node::{Key, Node};
use crate::scenario::steps::{Impairment, PingResult, Step};
use crate::scenario::tunnel::TrafficPair;
use crate::scenario::{Expect, ImplementationName, Names, Scenario};
use crate::wire::ipv4::Ipv4Prefix;

/// The longest a `wait` step may take.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Collects errors about places in one file.
struct Findings<'a> {
    source: &'a Source,
    node: &'a Node,
    errors: Vec<Diagnostic>,
}

impl<'a> Findings<'a> {
    fn new(source: &'a Source, node: &'a Node) -> Self {
        Self { source, node, errors: Vec::new() }
    }

    fn error(&mut self, path: &[Key<'_>], title: impl Into<String>, label: impl Into<String>) {
        self.errors.push(Diagnostic::error(self.source, self.node.place(path), title, label));
    }
}

/// Refuses implementations that there are not.
pub(crate) fn implementations(
    file: &ScenarioFile,
    source: &Source,
    node: &Node,
    names: &Names,
) -> Result<(), Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let mut check = |name: &ImplementationName, place: Range<usize>| {
        if let Err(unknown) = names.known(name) {
            errors.push(Diagnostic::error(source, place, unknown.title(), unknown.label()).with_help(unknown.help()));
        }
    };
    let place = |path: &[Key<'_>]| node.place(path);
    for (index, name) in file.matrix.implementation.iter().enumerate() {
        check(name, place(&[Key::Name("matrix"), Key::Name("implementation"), Key::Index(index)]));
    }
    for name in file.native.keys() {
        check(name, node.key(&["native", name.word()]));
    }
    for name in file.expect.dut.log.keys() {
        check(name, node.key(&["expect", "dut", "log", name.word()]));
    }
    for (index, known) in file.known_failures.iter().enumerate() {
        let path = [Key::Name("known_failures"), Key::Index(index), Key::Name("implementation")];
        known.implementation.iter().for_each(|name| check(name, place(&path)));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Checks what can be told from the file alone.
pub(crate) fn file(file: &ScenarioFile, source: &Source, node: &Node) -> Vec<Diagnostic> {
    let mut findings = Findings::new(source, node);
    if file.title.trim().is_empty() || file.title.contains('\n') {
        findings.error(&[Key::Name("title")], "a title that is not one line", "expected one line of text");
    }
    for (index, tag) in file.tags.iter().enumerate() {
        if tag.is_empty() || tag.contains(|character: char| character.is_whitespace() || character == ',') {
            let path = [Key::Name("tags"), Key::Index(index)];
            findings.error(&path, format!("`{tag}` is no tag"), "expected one word without commas");
        }
    }
    if file.tunnel.local == file.tunnel.remote {
        let path = [Key::Name("tunnel"), Key::Name("remote")];
        findings.error(&path, "both ends have one address", "expected another than `tunnel.local`");
    }
    if let Some(dut) = file.lab.dut
        && dut.address.address != file.tunnel.local
    {
        let path = ["lab", "dut", "address"].map(Key::Name);
        findings.error(&path, "not the implementation's address", format!("expected {}/LEN", file.tunnel.local));
    }
    traffic(&mut findings, &file.tunnel.traffic);
    for (index, step) in file.steps.iter().enumerate() {
        self::step(&mut findings, index, step);
    }
    for (index, impairment) in file.impair.iter().enumerate() {
        let (word, times) = match impairment {
            Impairment::Drop(drop) => ("drop", drop.times),
            Impairment::Duplicate(duplicate) => ("duplicate", duplicate.times),
            Impairment::Delay(delay) => ("delay", delay.times),
            Impairment::Reorder(reorder) => ("reorder", reorder.times),
            Impairment::Corrupt(corrupt) => ("corrupt", corrupt.times),
        };
        if times == 0 {
            let path = [Key::Name("impair"), Key::Index(index), Key::Name(word), Key::Name("times")];
            findings.error(&path, "an impairment that never happens", "expected 1 or more");
        }
    }
    for implementation in file.expect.dut.log.keys().filter(|name| !file.matrix.implementation.contains(name)) {
        let path = ["expect", "dut", "log", implementation.word()].map(Key::Name);
        findings.error(
            &path,
            format!("the matrix is without {implementation}"),
            "expected one of `matrix.implementation`",
        );
    }
    for command in file.expect.cisco.show.keys().filter(|command| !command.starts_with("show ")) {
        let path = ["expect", "cisco", "show", command].map(Key::Name);
        findings.error(&path, format!("`{command}` shows nothing"), "expected a show command");
    }
    for (index, known) in file.known_failures.iter().enumerate() {
        let runs = known.implementation.as_ref().is_none_or(|name| file.matrix.implementation.contains(name))
            && known.ios.is_none_or(|release| file.matrix.ios.contains(&release));
        if !runs {
            let path = [Key::Name("known_failures"), Key::Index(index)];
            findings.error(
                &path,
                "no cell of the matrix is this one",
                "expected an implementation and a release of `matrix`",
            );
        }
    }
    expectations(&mut findings, &file.expect);
    findings.errors
}

fn traffic(findings: &mut Findings<'_>, pairs: &[TrafficPair]) {
    for (index, pair) in pairs.iter().enumerate() {
        let path = |name| [Key::Name("tunnel"), Key::Name("traffic"), Key::Index(index), Key::Name(name)];
        // All traffic there is may go through a tunnel: that network overlaps every other.
        if pair.local.overlaps(pair.remote) && pair.local != Ipv4Prefix::ANY && pair.remote != Ipv4Prefix::ANY {
            let title = format!("{} and {} overlap", pair.local, pair.remote);
            findings.error(&path("remote"), title, "expected a network apart from `local`");
        }
        let ports = [("local_port", pair.local_port), ("remote_port", pair.remote_port)];
        for (name, _) in ports.into_iter().filter(|(_, port)| port.is_some()) {
            if !pair.protocol.is_some_and(|protocol| protocol.has_ports()) {
                findings.error(
                    &path(name),
                    "a port without a protocol that has ports",
                    "expected `protocol: tcp` or udp beside it",
                );
            }
        }
        if pairs[..index].contains(pair) {
            let path = &path("local")[..3];
            findings.error(path, format!("{pair} a second time"), "expected other networks");
        }
    }
}

fn step(findings: &mut Findings<'_>, index: usize, step: &Step) {
    let path = |word| [Key::Name("steps"), Key::Index(index), Key::Name(word)];
    let ping_path = |name| [Key::Name("steps"), Key::Index(index), Key::Name("ping"), Key::Name(name)];
    match step {
        Step::Ping(ping) => {
            if !(1..=100).contains(&ping.count) {
                findings.error(&ping_path("count"), format!("{} requests", ping.count), "expected 1 to 100");
            }
            if !(28..=9000).contains(&ping.size) {
                let title = format!("a packet of {} octets", ping.size);
                findings.error(&ping_path("size"), title, "expected 28 (an IPv4 and an ICMP header) to 9000");
            }
            if ping.timeout.0.is_zero() || ping.timeout.0 > MAX_WAIT {
                findings.error(&ping_path("timeout"), format!("a timeout of {}", ping.timeout), "expected 1ms to 1h");
            }
        }
        Step::Wait(span) if span.0.is_zero() || span.0 > MAX_WAIT => {
            findings.error(&path("wait"), format!("a wait of {span}"), "expected 1ms to 1h");
        }
        Step::Cisco(command) if command.trim().is_empty() || command.contains('\n') => {
            findings.error(&path("cisco"), "no console command", "expected one line, such as clear crypto sa");
        }
        Step::Initiate | Step::Wait(_) | Step::Cisco(_) | Step::Expect(_) => {}
    }
}

fn expectations(findings: &mut Findings<'_>, expect: &Expect) {
    let phase2_works =
        matches!(expect.phase2, Phase2Expect::Established | Phase2Expect::Pairs(_) | Phase2Expect::Selectors(_));
    let path = [Key::Name("expect"), Key::Name("phase2")];
    if expect.phase1 != Phase1Expect::Established && expect.phase2 != Phase2Expect::None {
        findings.error(&path, "phase 2 without phase 1", "expected `phase2: none`");
    }
    if expect.phase2 == Phase2Expect::Pairs(0) {
        findings.error(&path, "phase 2 with no SAs", "expected 1 or more, or `phase2: none`");
    }
    if expect.algorithms.phase2.is_some() && !phase2_works {
        let path = ["expect", "algorithms", "phase2"].map(Key::Name);
        findings.error(&path, "algorithms of SAs that are not to be", "expected phase 2 to be established");
    }
}

/// Checks the whole of a scenario.
pub(crate) fn scenario(scenario: &Scenario, node: &Node) -> Vec<Diagnostic> {
    let mut findings = Findings::new(&scenario.source, node);
    for (index, step) in scenario.steps.iter().enumerate() {
        let Step::Ping(ping) = step else { continue };
        let path = |name| [Key::Name("steps"), Key::Index(index), Key::Name("ping"), Key::Name(name)];
        let ends =
            [("from", ping.from), ("to", ping.to)].map(|(name, end)| (name, end, scenario.addresses.resolve(end)));
        for (name, end, _) in ends.iter().filter(|(.., address)| address.is_none()) {
            let hosts = scenario.addresses.left.iter().chain(&scenario.addresses.right);
            let hosts: Vec<String> = hosts.map(|host| host.address.address.to_string()).collect();
            let label = format!("expected left, right or one of {}", hosts.join(", "));
            findings.error(&path(name), format!("no host has the address {end}"), label);
        }
        if let [(_, _, Some(from)), (_, _, Some(to))] = ends
            && scenario.addresses.is_left(from) == scenario.addresses.is_left(to)
        {
            findings.error(&path("to"), "a ping that does not cross the tunnel", "expected a host of the other side");
        }
    }
    findings.errors
}

/// Whether something of the scenario is expected to go wrong.
fn is_negative(scenario: &Scenario) -> bool {
    let lost = |step: &Step| matches!(step, Step::Ping(ping) if ping.expect == PingResult::Lost);
    scenario.expect.is_failure() || !scenario.expect.diagnosis.is_empty() || scenario.steps.iter().any(lost)
}

/// Refuses a failure that has no fix: it would pass as well when nothing runs at all.
pub(crate) fn unfixed(scenario: &Scenario, node: &Node) -> Result<(), Vec<Diagnostic>> {
    if !is_negative(scenario) {
        return Ok(());
    }
    let place = match node.entry("expect").or_else(|| node.entry("steps")) {
        Some(entry) => entry.key_span.clone(),
        None => node.span.clone(),
    };
    let error = Diagnostic::error(&scenario.source, place, "a failure without a fix", "expected `fix:` beside this")
        .with_help("give the smallest change that makes the tunnel work: the fixed twin is run too, and shows that nothing else was wrong");
    Err(vec![error])
}

/// Refuses a fix after which something is still expected to go wrong.
pub(crate) fn fixed(scenario: &Scenario, node: &Node, fix: Range<usize>) -> Result<(), Vec<Diagnostic>> {
    if !is_negative(scenario) {
        return Ok(());
    }
    let place = node.entry("expect").map_or(fix, |entry| entry.key_span.clone());
    Err(vec![Diagnostic::error(
        &scenario.source,
        place,
        "a fix that does not make the tunnel work",
        "expected both phases established, pings replied, no plaintext and no diagnosis",
    )])
}
