use rstest::rstest;

use super::rig::{LEFT, RIGHT, cell, change, crossing, echo, engines, log, run};
use super::*;
use crate::crypto::{Cipher, Group, Hash};
use crate::evidence::log::{Entry, Happening, StepOutcome};
use crate::ike::rig::policy;
use crate::ike::{EspSuite, KeyRecord, Selector};
use crate::ios::console::Mark;
use crate::ios::event::RouterEvent;
use crate::scenario::expect::{Phase1Expect, Phase2Expect, Phase2Refusal, Plaintext};
use crate::time::Instant;
use crate::wire::Spi;

fn healthy() -> (Cell, Vec<Entry>) {
    let cell = cell("tunnel/plain", false);
    let entries = run(&cell, engines(&cell));
    (cell, entries)
}

fn told(verdict: &Verdict) -> String {
    let failures = verdict.failures.iter();
    let lines = failures.map(|failure| format!("{}: {} / {}\n", failure.what, failure.expected, failure.found));
    let findings = verdict.findings.iter().map(|finding| format!("{}: {}\n", finding.code, finding.message));
    format!("{:?}\n{}", verdict.result, lines.chain(findings).collect::<String>())
}

/// The first failure of a healthy run that was tampered with.
fn tampered(tamper: impl FnOnce(&mut Cell, &mut Vec<Entry>)) -> String {
    let (mut cell, mut entries) = healthy();
    tamper(&mut cell, &mut entries);
    let verdict = judge(&cell, &log(entries));
    assert_ne!(verdict.result, Outcome::Pass, "{}", told(&verdict));
    told(&verdict)
}

fn insert(entries: &mut Vec<Entry>, what: Happening) {
    let at = entries.len() - 2;
    entries.insert(at, Entry { at: Instant::ZERO, what });
}

fn sas(entries: &mut [Entry]) -> &mut crate::implementations::SaState {
    let sas = entries.iter_mut().find_map(|entry| match &mut entry.what {
        Happening::Sas { state } => Some(&mut **state),
        _ => None,
    });
    sas.unwrap()
}

#[test]
fn a_healthy_run_passes_and_nothing_is_diagnosed() {
    let (cell, entries) = healthy();
    let verdict = judge(&cell, &log(entries));
    assert_eq!(verdict.result, Outcome::Pass, "{}", told(&verdict));
    assert!(verdict.findings.is_empty());
}

#[test]
fn a_failure_names_the_place_of_the_scenario_that_asks_for_it() {
    let places = |cell: &Cell, entries: &[Entry]| -> Vec<String> {
        let failures = judge(cell, &log(entries.to_vec())).failures;
        let place = |failure: Failure| {
            let (source, range) = failure.asked.unwrap();
            format!("{}: {}", failure.what, source.text[range.start..].lines().next().unwrap())
        };
        failures.into_iter().map(place).collect()
    };
    let (mut plain, mut entries) = healthy();
    change(&mut plain, |scenario| {
        let pattern = |text: &str| text.parse::<crate::scenario::expect::LogPattern>().unwrap();
        scenario.expect.cisco.log = vec![pattern("said"), pattern("is acceptable")];
        let patterns = crate::scenario::expect::LogPatterns(vec![pattern("QM_IDLE")]);
        scenario.expect.cisco.show.insert("show crypto isakmp sa".to_owned(), patterns);
    });
    insert(&mut entries, Happening::Console { text: "said".to_owned(), mark: Mark::Seen, source: "".into() });
    sas(&mut entries).phase2.clear();
    for entry in &mut entries {
        if let Happening::Step { index: 1, outcome: StepOutcome::Pinged { replied, .. }, .. } = &mut entry.what {
            *replied = 0;
        }
    }
    let wanted = [
        "phase 2, the implementation: established",
        "step 2, ping left > right: ping: { from: left, to: right, expect: all }",
        "the router's log: atts are acceptable",
        "`show crypto isakmp sa`: 198.51.100.1*192.0.2.10*QM_IDLE*ACTIVE",
    ];
    let found = places(&plain, &entries);
    assert_eq!(found, wanted);
    // What is asked of a fixed twin is asked by the fix.
    let fixed = cell("phase2/acl-not-mirrored", true);
    let found = places(&fixed, &entries);
    assert!(!found.is_empty() && found.iter().all(|place| place.contains(": fix:")), "{found:#?}");
}

#[test]
fn a_log_judged_again_from_its_file_gives_the_same() {
    let (cell, entries) = healthy();
    let mut file = Vec::new();
    log(entries).write(&mut file).unwrap();
    let (again, damage) = EventLog::read(&file[..]).unwrap();
    assert!(damage.is_none());
    assert_eq!(judge(&cell, &again).result, Outcome::Pass);
    // The scenario need not be there any more.
    let cell = again.header.scenario.cell(&again.header.cell).unwrap().unwrap();
    assert_eq!(cell.name, again.header.cell);
}

#[test]
fn a_damaged_log_is_used_up_to_the_damage() {
    let (cell, entries) = healthy();
    let mut file = Vec::new();
    log(entries.clone()).write(&mut file).unwrap();
    file.truncate(file.len() - 40);
    let (again, damage) = EventLog::read(&file[..]).unwrap();
    let damage = damage.unwrap();
    assert_eq!(damage.line, again.entries.len() + 1);
    assert_eq!(again.entries, entries[..again.entries.len()]);
    assert_eq!(judge(&cell, &again).result, Outcome::Error, "what came behind it is not known");
    for (what, text) in [
        (&b"\x89PNG\r\n"[..], "its first line is not the header"),
        (b"", "the event log is empty"),
        (b"{\"at\":0,\"kind\":\"ended\"}\n", "its first line is not the header"),
        (b"{\"at\":0,\"kind\":\"started\",\"version\":99}\n", "has version 99; this program reads version 3"),
        (b"{\"at\":0,\"kind\":\"started\",\"version\":3}\n", "its first line is not the header"),
    ] {
        let error = EventLog::read(what).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn the_harness_failing_is_an_error_and_no_failure() {
    let text = tampered(|_, entries| insert(entries, Happening::FramesLost { count: 3 }));
    assert!(text.starts_with("Error") && text.contains("3 frames were lost"), "{text}");
    let text = tampered(|_, entries| insert(entries, Happening::HarnessFailed { reason: "no namespace".to_owned() }));
    assert!(text.starts_with("Error") && text.contains("no namespace"), "{text}");
    let text = tampered(|_, entries| drop(entries.pop()));
    assert!(text.starts_with("Error") && text.contains("stops in the middle"), "{text}");
}

#[test]
fn the_implementation_must_hold_what_the_router_holds() {
    let text = tampered(|_, entries| sas(entries).phase1.clear());
    assert!(text.contains("phase 1, the implementation"), "{text}");
    let text = tampered(|_, entries| sas(entries).phase1[0].cookies.as_mut().unwrap().1.0[0] ^= 1);
    assert!(text.contains("phase 1, both sides"), "{text}");
    let text = tampered(|_, entries| sas(entries).phase2[0].spi_in = Spi(77));
    assert!(text.contains("phase 2, the implementation"), "{text}");
    let text = tampered(|_, entries| sas(entries).phase2[0].local = vec!["10.1.0.0/25".to_owned()]);
    assert!(text.contains("selectors: 10.1.0.0/24 === 10.2.0.0/24 / 10.1.0.0/25 ==="), "{text}");
    let text = tampered(|_, entries| {
        let mut more = sas(entries).phase2[0].clone();
        more.spi_in = Spi(77);
        sas(entries).phase2.push(more);
    });
    assert!(text.contains("no pairs that the router does not hold"), "{text}");
    let text = tampered(|_, entries| sas(entries).phase2[0].cipher = Some(Cipher::TripleDes));
    assert!(text.contains("the algorithms the implementation tells"), "{text}");
}

#[test]
fn the_router_and_the_wire_must_bear_it_out() {
    let text = tampered(|_, entries| entries.retain(|entry| !matches!(entry.what, Happening::Router { .. })));
    assert!(text.contains("phase 1, the router: one ISAKMP SA"), "{text}");
    assert!(text.contains("phase 2, the router: a pair of IPsec SAs for 10.1.0.0/24 === 10.2.0.0/24"), "{text}");
    let text = tampered(|_, entries| entries.retain(|entry| !matches!(entry.what, Happening::Frame { .. })));
    assert!(text.contains("phase 1, the wire"), "{text}");
    assert!(text.contains("phase 2, the wire"), "{text}");
    assert!(text.contains("ESP to the router"), "{text}");
    assert!(text.contains("the implementation sends IKE messages"), "{text}");
}

#[test]
fn esp_that_the_negotiated_keys_do_not_open_is_told() {
    let text = tampered(|_, entries| {
        entries.retain(
            |entry| !matches!(&entry.what, Happening::Keys { record } if matches!(**record, KeyRecord::Esp { .. })),
        );
    });
    assert!(text.contains("every ESP packet is opened"), "{text}");
}

#[test]
fn plaintext_is_seen_on_either_link() {
    for (source, destination) in [(LEFT, RIGHT), (RIGHT, LEFT), ("198.51.100.1".parse().unwrap(), LEFT)] {
        let text = tampered(|_, entries| insert(entries, crossing(&echo(source, destination))[0].clone()));
        assert!(text.contains("plaintext: no packet"), "{text}");
    }
    let text = tampered(|cell, _| change(cell, |scenario| scenario.expect.plaintext = Plaintext::Leaks));
    assert!(text.contains("plaintext: at least one"), "{text}");
}

#[test]
fn a_tunnel_that_works_is_no_refusal() {
    let text = tampered(|cell, _| change(cell, |scenario| scenario.expect.phase1 = Phase1Expect::None));
    assert!(text.contains("it authenticated the implementation"), "{text}");
    assert!(text.contains("the router is silent"), "{text}");
    let refused = Phase2Expect::Rejected(Phase2Refusal::Pfs);
    let text = tampered(|cell, _| change(cell, |scenario| scenario.expect.phase2 = refused));
    assert!(text.contains("it refuses: pfs / it refused nothing"), "{text}");
    assert!(text.contains("NO_PROPOSAL_CHOSEN"), "{text}");
    assert!(text.contains("the negotiation comes to nothing"), "{text}");
    let text = tampered(|cell, _| change(cell, |scenario| scenario.expect.phase2 = Phase2Expect::Pairs(2)));
    assert!(text.contains("2 pairs of IPsec SAs / 1"), "{text}");
    let text = tampered(|cell, _| change(cell, |scenario| scenario.expect.phase2 = Phase2Expect::None));
    assert!(text.contains("no quick mode"), "{text}");
}

#[test]
fn other_algorithms_than_expected_are_told() {
    let text = tampered(|cell, _| {
        change(cell, |scenario| scenario.expect.algorithms.phase1 = Some("aes256-sha1-modp1024".parse().unwrap()));
    });
    assert!(text.contains("aes256-sha1-modp1024 / aes256-sha1-modp1536"), "{text}");
    let text = tampered(|cell, _| {
        change(cell, |scenario| scenario.expect.algorithms.phase2 = Some("aes128-md5".parse().unwrap()));
    });
    assert!(text.contains("aes128-md5 / aes128-sha1"), "{text}");
}

#[test]
fn every_step_must_end_as_expected() {
    let set = |entries: &mut Vec<Entry>, outcome: StepOutcome| {
        for entry in entries {
            if let Happening::Step { index: 1, outcome: found, .. } = &mut entry.what {
                *found = outcome.clone();
            }
        }
    };
    let lost = StepOutcome::Pinged { sent: 3, replied: 1, expected: true, errors: vec!["R1 says no".to_owned()] };
    let text = tampered(|_, entries| set(entries, lost));
    assert!(text.contains("a reply to every request / 3 requests, 1 replies; R1 says no"), "{text}");
    let text = tampered(|_, entries| set(entries, StepOutcome::Failed { reason: "no socket".to_owned() }));
    assert!(text.contains("no socket"), "{text}");
    let text = tampered(|_, entries| {
        entries.retain(|entry| !matches!(entry.what, Happening::Step { index: 1, .. }));
    });
    assert!(text.contains("step 2, ping left > right: it is carried out / it was not"), "{text}");
}

#[test]
fn texts_are_looked_for_in_both_logs_and_in_show() {
    let expect = |cell: &mut Cell, yaml: &str| {
        let expect: crate::scenario::Expect = serde_yaml::from_str(yaml).unwrap();
        change(cell, |scenario| {
            (scenario.expect.cisco, scenario.expect.dut) = (expect.cisco, expect.dut);
        });
    };
    let console =
        |text: &str| Happening::Console { text: text.to_owned(), mark: Mark::Modelled, source: Default::default() };
    let text = tampered(|cell, entries| {
        expect(cell, "cisco: { log: [SA has been authenticated] }");
        insert(entries, console("ISAKMP:(1001):SA has been refused"));
    });
    assert!(text.contains("nearest: `ISAKMP:(1001):SA has been refused`"), "{text}");
    let text = tampered(|cell, entries| {
        expect(cell, "cisco: { log_absent: [not acceptable] }");
        insert(entries, console("atts are not acceptable"));
    });
    assert!(text.contains("no line with `not acceptable` / atts are not acceptable"), "{text}");
    let text = tampered(|cell, _| expect(cell, "cisco: { show: { show clock: QM_IDLE } }"));
    assert!(text.contains("never typed"), "{text}");
    let text = tampered(|cell, entries| {
        expect(cell, "cisco: { show: { show clock: QM_IDLE } }");
        for (index, text) in ["QM_IDLE", "gone"].into_iter().enumerate() {
            insert(entries, Happening::Show { command: "show clock".to_owned(), text: format!("{index} {text}") });
        }
    });
    assert!(text.contains("`show clock`: a line with `QM_IDLE` / 1 gone"), "{text}");
    let text = tampered(|cell, _| expect(cell, "dut: { log: { builtin: received NO_PROPOSAL_CHOSEN } }"));
    assert!(text.contains("the implementation's log"), "{text}");
    let text = tampered(|_, entries| {
        insert(entries, Happening::Log { stderr: true, text: "thread 'main' panicked at src/x.rs".to_owned() });
    });
    assert!(text.contains("it does not crash"), "{text}");
}

#[test]
fn the_diagnosis_must_be_exactly_the_one_expected() {
    let text = tampered(|cell, _| {
        change(cell, |scenario| scenario.expect.diagnosis = vec![Diagnosis::PskMismatch]);
    });
    assert!(text.contains("diagnosis: psk-mismatch / none"), "{text}");
}

/// What the router of a refusing scenario has otherwise than we.
fn broken(name: &str) -> (Cell, Vec<Entry>) {
    let cell = cell(name, false);
    let mut pair = engines(&cell);
    let router = &mut pair.b.owner;
    match name {
        "phase1/policy-mismatch" => router.policies = vec![policy(Cipher::Aes256, Hash::Sha1, Group::Modp1024)],
        "phase1/psk-mismatch" => router.key = Some("S3cret".to_owned()),
        "phase1/psk-missing" => router.key = None,
        "phase2/acl-not-mirrored" | "phase2/peer-mismatch" => {
            let half = Selector::subnet("10.1.0.0".parse().unwrap(), "255.255.255.128".parse().unwrap());
            router.entries[0].selectors.remote = half;
        }
        "phase2/transform-set-mismatch" => {
            router.entries[0].suites = vec![EspSuite { cipher: Cipher::Aes128, integrity: Some(Hash::Md5) }];
        }
        "phase2/pfs-mismatch" => router.entries[0].pfs = Some(Group::Modp1024),
        other => panic!("{other}"),
    }
    let entries = run(&cell, pair);
    (cell, entries)
}

/// The first finding as the terminal shows it.
fn diagnosed(verdict: &Verdict) -> String {
    let lines = verdict.findings[0].diagnostics();
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    lines.join("\n").replace(env!("CARGO_MANIFEST_DIR"), "")
}

#[rstest]
#[case("phase1/policy-mismatch")]
#[case("phase1/psk-mismatch")]
#[case("phase1/psk-missing")]
#[case("phase2/acl-not-mirrored")]
#[case("phase2/peer-mismatch")]
#[case("phase2/transform-set-mismatch")]
#[case("phase2/pfs-mismatch")]
fn a_refusal_passes_for_its_own_reason_only(#[case] name: &str) {
    let (own, entries) = broken(name);
    let evidence = log(entries);
    let verdict = judge(&own, &evidence);
    assert_eq!(verdict.result, Outcome::Pass, "{}", told(&verdict));
    assert!(verdict.findings[0].lines.len() >= 2, "{:?}", verdict.findings);
    insta::assert_snapshot!(name.replace('/', "-"), diagnosed(&verdict));
    // The same evidence is no pass for a scenario that expects another refusal, nor for the fixed twin.
    for other in
        ["phase1/policy-mismatch", "phase1/psk-missing", "phase2/transform-set-mismatch", "phase2/pfs-mismatch"]
    {
        let verdict = judge(&cell(other, false), &evidence);
        assert_eq!(verdict.result == Outcome::Pass, other == name, "{name} as {other}: {}", told(&verdict));
    }
    assert_eq!(judge(&cell(name, true), &evidence).result, Outcome::Fail);
}

/// A packet for the second of two networks that came by the SA of the first.
fn stray(source: &str, own_files: bool) -> Verdict {
    let mut cell = cell("data/level-require", false);
    if !own_files {
        change(&mut cell, |scenario| scenario.native.clear());
    }
    let mut entries = run(&cell, engines(&cell));
    let proxy = |network: &str| {
        let network: crate::wire::ipv4::Ipv4Prefix = network.parse().unwrap();
        Selector::subnet(network.network(), network.mask()).to_id()
    };
    let event = RouterEvent::InvalidIdentity {
        destination: RIGHT,
        source: source.parse().unwrap(),
        protocol: 1,
        local_proxy: proxy("10.2.0.0/24"),
        remote_proxy: proxy("10.1.0.0/25"),
    };
    insert(&mut entries, Happening::Router { event: Box::new(event) });
    judge(&cell, &log(entries))
}

#[rstest]
#[case("10.1.1.10", true, "the-second-network")]
#[case("10.1.1.10", false, "the-second-network-of-the-scenario")]
#[case("10.1.0.200", true, "wider-than-negotiated")]
#[case("172.16.0.1", true, "for-no-line")]
fn packets_outside_the_selectors_of_their_sa_are_diagnosed(
    #[case] source: &str,
    #[case] own_files: bool,
    #[case] name: &str,
) {
    let verdict = stray(source, own_files);
    let codes: Vec<Diagnosis> = verdict.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Diagnosis::OutsideSelectors]);
    insta::assert_snapshot!(format!("outside-selectors-{name}"), diagnosed(&verdict));
}

/// The log that `tests/wireshark.rs` reads; written anew by `IKE_INTEROP_WRITE_FIXTURES=1`.
#[test]
fn the_recorded_run_still_passes() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events/tunnel-plain.jsonl");
    let (cell, entries) = healthy();
    if std::env::var_os("IKE_INTEROP_WRITE_FIXTURES").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        log(entries).write(std::fs::File::create(&file).unwrap()).unwrap();
    }
    let (recorded, damage) = EventLog::read(&std::fs::read(file).unwrap()[..]).unwrap();
    assert!(damage.is_none());
    assert_eq!(judge(&cell, &recorded).result, Outcome::Pass);
}
