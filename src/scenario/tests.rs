//! Scenario files, good and bad, through the loader.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::diag::{Diagnostic, Severity};
use crate::implementations::Registry;
use crate::scenario::load::interpret;
use crate::scenario::written::Beside;

const CONFIG: &str =
    "hostname R1\ninterface GigabitEthernet0/0\n ip address 198.51.100.1 255.255.255.0\n crypto map VPN\n";

/// A scenario that is right, and as short as one can be.
const MINIMAL: &str = "\
title: A tunnel
cisco:
  config: |
    hostname R1
    interface GigabitEthernet0/0
     ip address 198.51.100.1 255.255.255.0
    interface GigabitEthernet0/1
     ip address 10.2.0.1 255.255.255.0
tunnel:
  local: 192.0.2.10
  remote: 198.51.100.1
  psk: s3cret
  phase1: { proposals: [aes256-sha1-modp1536] }
  phase2: { proposals: [aes128-sha1] }
  traffic: [{ local: 10.1.0.0/24, remote: 10.2.0.0/24 }]
";

fn read(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    let beside = Beside::folder(Path::new("/nonexistent"));
    interpret(Source::new("tunnel.yaml", text), "tunnel".to_owned(), beside, &names())
}

fn implementation(name: &str) -> ImplementationName {
    name.parse().unwrap()
}

/// The implementations scenarios may name.
fn names() -> Names {
    Registry::built_in().names().clone()
}

fn rendered(errors: &[Diagnostic]) -> String {
    errors.iter().map(|error| error.render(false) + "\n").collect()
}

/// The minimal scenario with one piece of text replaced.
fn with(from: &str, to: &str) -> String {
    assert_eq!(MINIMAL.matches(from).count(), 1, "{from:?} must be in the minimal scenario once");
    MINIMAL.replace(from, to)
}

/// The minimal scenario with text appended.
fn and(more: &str) -> String {
    format!("{MINIMAL}{more}")
}

#[test]
fn what_is_left_out_has_defaults() {
    let scenario = read(MINIMAL).unwrap();
    assert_eq!(scenario.implementations, names().usual());
    assert_eq!(scenario.releases, Release::USUAL);
    assert_eq!(scenario.steps, [Step::Initiate, Step::Ping(Ping::default())]);
    assert_eq!(scenario.expect, Expect::default());
    assert_eq!(scenario.tunnel.phase1.lifetime, Span::from_secs(86_400));
    assert_eq!(scenario.tunnel.phase2.lifetime, Span::from_secs(3600));
    assert_eq!(scenario.tunnel.phase2.pfs, None);
    assert_eq!(scenario.addresses.left[0].address.to_string(), "10.1.0.10/24");
    assert_eq!(scenario.addresses.right[0].address.to_string(), "10.2.0.10/24");
    assert_eq!(scenario.addresses.right[0].gateway.to_string(), "10.2.0.1");
    assert_eq!(scenario.addresses.dut.address.to_string(), "192.0.2.10/24");
    assert_eq!(scenario.addresses.dut.gateway.to_string(), "192.0.2.254");
    assert_eq!(scenario.addresses.cisco.address.to_string(), "198.51.100.1/24");
    assert_eq!(scenario.addresses.cisco.gateway.to_string(), "198.51.100.254");
    assert_eq!(scenario.addresses.outside.to_string(), "GigabitEthernet0/0");
    assert_eq!(scenario.addresses.inside[0].to_string(), "GigabitEthernet0/1");
    assert!(scenario.fixed.is_none());
    assert!(scenario.router.config.text.starts_with("hostname R1\n"));
}

#[test]
fn every_key_is_read() {
    let scenario = read(&and("\
about: Everything at once.
references: [RFC 2409 5.5]
tags: [ikev1, everything]
matrix: { implementation: [strongswan, builtin], ios: [xe16, \"12.4\"] }
lab:
  left: [{ address: 10.1.0.20/24 }, { address: 10.1.7.20/24, gateway: 10.1.7.9 }]
  right: [{ address: 10.2.0.20/24 }]
  dut: { address: 192.0.2.10/28, gateway: 192.0.2.14 }
  cisco_gateway: 198.51.100.2
nat: { address: 203.0.113.7 }
impair: [{ drop: { message: main-mode-4 } }, { delay: { message: quick-mode-1, times: 2, by: 300ms } }, { corrupt: { message: quick-mode-2 } }]
steps:
  - ping: { from: right, to: 10.1.7.20, count: 5, size: 1400, df: true, expect: all, timeout: 2s }
  - initiate
  - wait: 2s
  - cisco: clear crypto sa
  - expect: { phase1: established, phase2: { pairs: 2 }, cisco: { show: { show crypto isakmp sa: QM_IDLE } } }
  - ping
expect:
  phase1: established
  phase2: { selectors: [{ local: 10.1.0.0/24, remote: 10.2.0.0/24, protocol: tcp, remote_port: 80 }] }
  algorithms: { phase1: aes256-sha1-modp1536, phase2: aes128-sha1 }
  plaintext: allowed
  cisco: { log: [atts are acceptable], log_absent: [rejected], show: { show crypto ipsec sa: [ACTIVE, esp-aes] } }
  dut: { log: { strongswan: established } }
  diagnosis: none
known_failures: [{ implementation: strongswan, ios: xe16, reason: not yet }]
"))
    .unwrap_or_else(|errors| panic!("{}", rendered(&errors)));
    assert_eq!(
        scenario.implementations,
        [implementation("builtin"), implementation("strongswan")],
        "in the order of the names"
    );
    assert_eq!(scenario.releases, [Release::V12_4, Release::Xe16]);
    assert_eq!(scenario.steps.len(), 6);
    assert_eq!(scenario.steps[5], Step::Ping(Ping::default()));
    assert_eq!(scenario.addresses.left[1].gateway.to_string(), "10.1.7.9");
    assert_eq!(scenario.addresses.dut.gateway.to_string(), "192.0.2.14");
    let cells = cells(&[Arc::new(scenario)]);
    let known: Vec<_> = cells.iter().filter(|cell| cell.known_failure().is_some()).map(|cell| &cell.name).collect();
    assert_eq!(known, ["tunnel/strongswan/xe16"]);
}

#[test]
fn scalars_are_texts_whatever_yaml_takes_them_for() {
    let scenario = read(&with("s3cret", "0123")).unwrap();
    assert_eq!(scenario.tunnel.psk.text(), "0123");
    let scenario = read(&and("matrix: { ios: [12.4] }\n")).unwrap();
    assert_eq!(scenario.releases, [Release::V12_4]);
}

#[test]
fn the_fixed_twin_is_expected_to_work() {
    let text = "\
steps: [initiate, ping: { expect: lost }, expect: { phase2: none }, wait: 1s]
expect: { phase2: { rejected: proxy-identities }, diagnosis: acl-not-mirrored, cisco: { log: [nonsense] } }
fix:
  tunnel: { traffic: [{ local: 10.1.0.0/25, remote: 10.2.0.0/24 }], phase2: { pfs: modp1024 } }
  cisco: { replace: [{ line: ip address 198.51.100.1 255.255.255.0, with: \"ip address 198.51.100.1 255.255.255.0\\nno shutdown\" }] }
";
    let scenario = read(&and(text)).unwrap_or_else(|errors| panic!("{}", rendered(&errors)));
    let fixed = scenario.fixed.as_ref().unwrap();
    assert_eq!(fixed.tunnel.traffic[0].local.to_string(), "10.1.0.0/25");
    assert_eq!(fixed.tunnel.phase2.proposals, scenario.tunnel.phase2.proposals, "what the fix leaves out stays");
    assert_eq!(fixed.expect, Expect::default());
    assert_eq!(fixed.steps, [Step::Initiate, Step::Ping(Ping::default()), Step::Wait(Span::from_secs(1))]);
    assert_eq!(
        &*fixed.router.config.text,
        "hostname R1\ninterface GigabitEthernet0/0\n ip address 198.51.100.1 255.255.255.0\n no shutdown\ninterface \
         GigabitEthernet0/1\n ip address 10.2.0.1 255.255.255.0\n"
    );
    assert!(!scenario.router.config.text.contains("shutdown"));
}

#[test]
fn bad_files_are_told_with_place_and_remedy() {
    let negative = "expect: { phase2: { rejected: pfs } }\n";
    let cases: &[(&str, String)] = &[
        ("empty", String::new()),
        ("bad_yaml", with("[aes128-sha1] }", "[aes128-sha1 }")),
        ("two_documents", and("---\ntitle: Another\n")),
        ("list_at_top", "- title: x\n".to_owned()),
        ("duplicate_key", with("  psk: s3cret", "  psk: s3cret\n  psk: other")),
        ("unknown_key", with("psk: ", "pks: ")),
        ("unknown_key_at_top", and("expects: {}\n")),
        ("unknown_key_in_flow", with("phase2: { proposals", "phase2: { proposal")),
        ("missing_key", with("  psk: s3cret\n", "")),
        ("missing_section", with("title: A tunnel\n", "")),
        ("bad_address", with("192.0.2.10", "192.0.2.300")),
        ("multicast_address", with("192.0.2.10", "224.0.0.1")),
        ("host_bits", with("10.1.0.0/24", "10.1.0.7/24")),
        ("bad_cipher", with("aes128-sha1", "aes127-sha1")),
        ("proposal_of_two_words", with("aes256-sha1-modp1536", "aes256-sha1")),
        ("gcm_with_hash", with("aes128-sha1", "aes128gcm16-sha1")),
        ("empty_list", with("[aes128-sha1]", "[]")),
        ("word_for_a_list", with("[aes128-sha1]", "aes128-sha1")),
        ("mapping_for_a_word", with("s3cret", "{ a: b }")),
        ("nothing_for_a_word", with(" s3cret", "")),
        ("psk_with_blank", with("s3cret", "two words")),
        ("bad_duration", with("phase2: { ", "phase2: { lifetime: 1 hour, ")),
        ("duration_without_unit", with("phase2: { ", "phase2: { lifetime: 3600, ")),
        ("bad_volume", with("phase2: { ", "phase2: { volume: 100, ")),
        ("lifetime_of_no_whole_second", with("phase2: { ", "phase2: { lifetime: 100ms, ")),
        ("bad_pfs", with("phase2: { ", "phase2: { pfs: group2, ")),
        ("bad_exchange", with("phase1: { ", "phase1: { exchange: agressive, ")),
        ("wrong_release", and("matrix: { ios: [15.x, 17.x] }\n")),
        ("wrong_implementation", and("matrix: { implementation: [strongswann] }\n")),
        ("native_files_of_an_unknown_implementation", and("native: { strongswn: { swanctl.conf: x } }\n")),
        ("log_of_an_unknown_implementation", and("expect: { dut: { log: { bultin: x } } }\n")),
        (
            "known_failure_of_an_unknown_implementation",
            and("known_failures: [{ implementation: nobody, reason: x }]\n"),
        ),
        ("no_name_of_an_implementation", and("matrix: { implementation: [strongSwan] }\n")),
        ("unknown_step", and("steps: [initiate, iperf: { from: left }]\n")),
        ("two_steps_in_one", and("steps:\n  - initiate:\n    ping: {}\n")),
        ("initiate_with_value", and("steps: [initiate: now]\n")),
        ("bad_endpoint", and("steps: [ping: { from: middle }]\n")),
        ("endpoint_nobody_has", and("steps: [ping: { to: 10.2.0.99 }]\n")),
        ("ping_to_itself", and("steps: [ping: { from: right }]\n")),
        ("ping_too_often", and("steps: [ping: { count: 1000 }]\n")),
        ("count_not_a_number", and("steps: [ping: { count: many }]\n")),
        ("bad_boolean", and("steps: [ping: { df: yes }]\n")),
        ("bad_message", and("impair: [{ drop: { message: main-mode-7 } }]\n")),
        ("impairment_that_never_happens", and("impair: [{ reorder: { message: main-mode-1, times: 0 } }]\n")),
        ("bad_refusal", and("expect: { phase2: { rejected: proxy-identity } }\n")),
        ("bad_phase1", and("expect: { phase1: up }\n")),
        ("bad_diagnosis", and("expect: { diagnosis: [acl-not-mirored] }\n")),
        ("bad_pattern", and("expect: { cisco: { log: [\"*\"] } }\n")),
        ("no_show_command", and("expect: { cisco: { show: { clear crypto sa: x } } }\n")),
        ("phase2_without_phase1", and("expect: { phase1: none, phase2: established }\nfix: { tunnel: { psk: x } }\n")),
        ("failure_without_fix", and(negative)),
        ("empty_fix", and(&format!("{negative}fix:\n"))),
        ("fix_that_changes_the_matrix", and(&format!("{negative}fix: {{ matrix: {{ ios: [xe16] }} }}\n"))),
        ("fix_that_fails", and(&format!("{negative}fix: {{ expect: {{ plaintext: leaks }} }}\n"))),
        ("error_inside_the_fix", and(&format!("{negative}fix: {{ tunnel: {{ phase2: {{ pfs: modp2 }} }} }}\n"))),
        (
            "missing_config",
            "title: x\ncisco: { config: nowhere.ios }\n".to_owned() + &MINIMAL[MINIMAL.find("tunnel:").unwrap()..],
        ),
        ("missing_native", and("native: { strongswan: { swanctl.conf: ours/swanctl.conf } }\n")),
        (
            "line_not_in_config",
            with("cisco:\n", "cisco:\n  replace: [{ line: ip address 198.51.100.2 255.255.255.0 }]\n"),
        ),
        ("another_hostname", with("cisco:\n", "cisco:\n  hostname: R2\n")),
        ("another_dut_address", and("lab: { dut: { address: 192.0.2.11/24 } }\n")),
        ("config_that_ios_refuses", with("10.2.0.1 255.255.255.0", "10.2.0.1 255.255.0.255")),
        ("router_without_the_address", with("remote: 198.51.100.1", "remote: 198.51.100.2")),
        ("router_without_the_network", with("remote: 10.2.0.0/24", "remote: 10.3.0.0/24")),
        ("host_that_is_the_router", and("lab: { right: [{ address: 10.2.0.1/24 }] }\n")),
        ("overlapping_networks", with("10.2.0.0/24", "10.1.0.128/25")),
        ("ports_without_protocol", with("10.2.0.0/24 ", "10.2.0.0/24, remote_port: 80 ")),
        ("no_host_to_derive", with("local: 10.1.0.0/24", "local: 0.0.0.0/0")),
        ("known_failure_of_no_cell", and("matrix: { ios: [xe16] }\nknown_failures: [{ ios: 15.x, reason: x }]\n")),
        (
            "log_of_absent_implementation",
            and("matrix: { implementation: [builtin] }\nexpect: { dut: { log: { strongswan: x } } }\n"),
        ),
        ("tag_of_two_words", and("tags: [main mode]\n")),
        ("title_of_two_lines", with("A tunnel", "|\n  a\n  b")),
    ];
    let mut book = String::new();
    for (name, text) in cases {
        let errors = read(text).expect_err(name);
        for error in &errors {
            let (source, span) = error.place.as_ref().unwrap_or_else(|| panic!("{name} has no place: {error}"));
            assert!(source.text.get(span.clone()).is_some(), "{name} points outside the text");
        }
        book += &format!("# {}\n{}\n", name.replace('_', " "), rendered(&errors));
    }
    insta::assert_snapshot!("bad_files", book);
}

#[test]
fn duplicate_lines_are_not_edited() {
    let config = CONFIG.replace("hostname R1", "!\n!");
    let source = Source::new("x.yaml", "cisco: { replace: [{ line: \"!\" }] }");
    let node = node::parse(&source).unwrap();
    let cisco = file::CiscoFile {
        hostname: None,
        config,
        replace: vec![file::Edit { line: "!".to_owned(), with: String::new() }],
    };
    let errors = config::router(&cisco, &source, &node, &Beside::folder(Path::new(""))).unwrap_err();
    assert!(rendered(&errors).contains("found it in lines 1 and 2"), "{}", rendered(&errors));
}

#[test]
fn the_schema_knows_every_key() {
    let schema = schema(&names());
    let properties = schema["properties"].as_object().unwrap();
    for key in
        ["title", "cisco", "tunnel", "steps", "expect", "fix", "known_failures", "lab", "nat", "impair", "native"]
    {
        assert!(properties.contains_key(key), "{key}");
    }
    assert_eq!(schema["required"], serde_json::json!(["title", "cisco", "tunnel"]));
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["$defs"]["Fix"]["properties"].get("matrix").is_none());
    assert!(schema["$defs"]["TunnelChange"].get("required").is_none());
    assert!(schema["$defs"]["Tunnel"].get("required").is_some());
    assert_eq!(dangling(&schema, &schema), Vec::<String>::new());
}

/// Every value of the catalogue's files has its place in the schema.
#[test]
fn the_schema_describes_the_catalogue() {
    let schema = schema(&names());
    for scenario in catalogue_scenarios() {
        let tree = node::parse(&scenario.source).unwrap();
        fits(&tree, &schema, &schema).unwrap_or_else(|why| panic!("{}: {why}", scenario.name));
    }
    let source = Source::new("x.yaml", MINIMAL.replace("proposals", "proposal"));
    let why = fits(&node::parse(&source).unwrap(), &schema, &schema).unwrap_err();
    assert!(why.contains("proposal"), "{why}");
}

/// Checks the structure of a tree against a schema: keys, required keys, kinds and choices of words, not patterns.
fn fits(node: &node::Node, schema: &serde_json::Value, root: &serde_json::Value) -> Result<(), String> {
    use node::Value;
    if let Some(path) = schema["$ref"].as_str() {
        return fits(node, root.pointer(path.trim_start_matches('#')).unwrap(), root);
    }
    if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(|choices| choices.as_array()) {
        let results: Vec<_> = choices.iter().map(|choice| fits(node, choice, root)).collect();
        if results.iter().any(Result::is_ok) {
            return Ok(());
        }
        return Err(results.into_iter().filter_map(Result::err).collect::<Vec<_>>().join(" / "));
    }
    let kinds = match &schema["type"] {
        serde_json::Value::Array(kinds) => kinds.clone(),
        serde_json::Value::Null => Vec::new(),
        kind => vec![kind.clone()],
    };
    let is = |kind: &str| kinds.is_empty() || kinds.iter().any(|one| one == kind);
    match &node.value {
        Value::Null if is("null") || is("object") => Ok(()),
        Value::Scalar(text) if is("string") || is("integer") || is("boolean") => {
            let words = schema["enum"].as_array();
            let known = words.is_none_or(|words| words.iter().any(|word| word == text.as_str()))
                && schema.get("const").is_none_or(|word| word == text.as_str());
            if known { Ok(()) } else { Err(format!("`{text}` is none of the words")) }
        }
        Value::Sequence(items) if is("array") => items.iter().try_for_each(|item| fits(item, &schema["items"], root)),
        Value::Mapping(entries) if is("object") => {
            for key in schema["required"].as_array().into_iter().flatten().filter_map(|key| key.as_str()) {
                node.entry(key).ok_or_else(|| format!("`{key}` is missing"))?;
            }
            entries.iter().try_for_each(|entry| {
                let property = schema["properties"].get(&entry.key);
                match property.or_else(|| schema.get("additionalProperties").filter(|more| more.is_object())) {
                    Some(property) => fits(&entry.value, property, root).map_err(|why| format!("{}: {why}", entry.key)),
                    None => Err(format!("`{}` is no key", entry.key)),
                }
            })
        }
        other => Err(format!("{other:?} is not of {kinds:?}")),
    }
}

/// The references of a schema that lead nowhere.
fn dangling(value: &serde_json::Value, root: &serde_json::Value) -> Vec<String> {
    match value {
        serde_json::Value::Object(object) => object
            .iter()
            .flat_map(|(key, value)| match (key.as_str(), value.as_str()) {
                ("$ref", Some(path)) if root.pointer(path.trim_start_matches('#')).is_none() => vec![path.to_owned()],
                _ => dangling(value, root),
            })
            .collect(),
        serde_json::Value::Array(items) => items.iter().flat_map(|item| dangling(item, root)).collect(),
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = read(&text);
    }

    #[test]
    fn any_damage_is_read_or_refused(at in 0..MINIMAL.len(), len in 0usize..40, new in "[ -~\\n{}\\[\\]:,&*!|>'\"#öà\u{2028}]{0,12}") {
        let mut text = MINIMAL.to_owned();
        text.replace_range(at..(at + len).min(MINIMAL.len()), &new);
        if let Err(errors) = read(&text) {
            prop_assert!(!errors.is_empty());
            for error in errors {
                prop_assert!(!error.render(false).is_empty());
            }
        }
    }

    #[test]
    fn shards_part_the_cells(names in proptest::collection::vec("[a-z0-9/.:-]{1,40}", 1..50), count in 1u32..20) {
        for name in names {
            let holders = (1..=count).filter(|index| Shard::new(*index, count).unwrap().holds(&name)).count();
            prop_assert_eq!(holders, 1);
        }
    }
}

#[test]
fn any_octets_are_read_or_refused() {
    let directory = std::env::temp_dir().join(format!("ike-interop-scenario-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("octets.yaml");
    proptest!(ProptestConfig::with_cases(100), |(octets: Vec<u8>)| {
        std::fs::write(&path, &octets).unwrap();
        let _ = load(&path, &names());
    });
    std::fs::write(&path, b"title: \xff").unwrap();
    let error = rendered(&load(&path, &names()).unwrap_err());
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(error.contains("octets.yaml:1:8: octet 0xff: expected text in UTF-8"), "{error}");
}

/// The folder of the scenarios that come with the program.
fn catalogue() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn catalogue_scenarios() -> Vec<Arc<Scenario>> {
    load_tree(&[catalogue()], &names()).unwrap_or_else(|errors| panic!("{}", rendered(&errors)))
}

#[test]
fn the_catalogue_loads() {
    let scenarios = catalogue_scenarios();
    let cells = cells(&scenarios);
    let names: Vec<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
    assert!(names.contains(&"phase2/acl-not-mirrored/strongswan/15.x"));
    assert!(names.contains(&"phase2/acl-not-mirrored/strongswan/15.x:fixed"));
    assert!(names.contains(&"tunnel/plain/builtin/12.4"));
    let mut unique = names.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "a name for each cell");
    for scenario in &scenarios {
        assert!(!scenario.about.is_empty() && !scenario.tags.is_empty(), "{} is not described", scenario.name);
        for each in [Some(scenario), scenario.fixed.as_ref()].into_iter().flatten() {
            let (_, told) = crate::ios::config::RunningConfig::parse(&each.router.config);
            let doubts: Vec<_> = told.into_iter().filter(|told| told.severity != Severity::Note).collect();
            assert!(doubts.is_empty(), "{}:\n{}", scenario.name, rendered(&doubts));
        }
    }
}

#[test]
fn every_diagnosis_has_a_scenario() {
    let scenarios = catalogue_scenarios();
    for diagnosis in Diagnosis::ALL {
        assert!(scenarios.iter().any(|scenario| scenario.expect.diagnosis.contains(diagnosis)), "{diagnosis}");
    }
}

fn cell_names(cells: &[Cell]) -> Vec<&str> {
    cells.iter().map(|cell| cell.name.as_str()).collect()
}

#[test]
fn cells_are_selected_by_name_implementation_release_and_tag() {
    let all = cells(&catalogue_scenarios());
    let select = |selection: Selection| selection.select(all.clone()).unwrap();
    let by_name = |name: &str| select(Selection { names: vec![name.to_owned()], ..Selection::default() });

    assert_eq!(cell_names(&select(Selection::default())), cell_names(&all));
    assert_eq!(
        cell_names(&by_name("phase2/pfs-mismatch/builtin/12.4:fixed")),
        ["phase2/pfs-mismatch/builtin/12.4:fixed"]
    );
    assert_eq!(cell_names(&by_name("phase2/pfs-mismatch/builtin/12.4")), ["phase2/pfs-mismatch/builtin/12.4"]);
    assert_eq!(by_name("phase2/pfs-mismatch/builtin").len(), 6);
    let whole = all.iter().filter(|cell| cell.scenario.name == "phase2/pfs-mismatch").count();
    assert_eq!(by_name("phase2/pfs-mismatch").len(), whole);
    assert_eq!(by_name("phase2/pfs-mismatch/").len(), whole);
    assert!(by_name("phase2").iter().all(|cell| cell.name.starts_with("phase2/")));

    let narrow = select(Selection {
        names: vec!["tunnel/plain".to_owned(), "tunnel/aes-gcm".to_owned()],
        implementations: vec![implementation("builtin")],
        releases: vec![Release::Xe16],
        tags: vec!["smoke".to_owned(), "nothing".to_owned()],
        shard: None,
    });
    assert_eq!(cell_names(&narrow), ["tunnel/plain/builtin/xe16"]);

    for wrong in ["phase2/pfs", "phase2/pfs-mismatch/builtin/13", ""] {
        assert!(
            Selection { names: vec![wrong.to_owned()], ..Selection::default() }.select(all.clone()).is_err(),
            "{wrong}"
        );
    }
    let errors = Selection { names: vec!["phase2/pfs-mismach".to_owned()], ..Selection::default() }
        .select(all.clone())
        .unwrap_err();
    assert!(rendered(&errors).contains("did you mean `phase2/pfs-mismatch`?"), "{}", rendered(&errors));
}

#[test]
fn a_selection_of_no_cell_is_a_mistake_but_a_shard_may_be_empty() {
    let all = cells(&catalogue_scenarios());
    let nothing = Selection { tags: vec!["tunel".to_owned()], releases: vec![Release::Xe16], ..Selection::default() };
    let said = rendered(&nothing.select(all.clone()).unwrap_err());
    assert!(said.contains("no cell has the release xe16 and the tag tunel"), "{said}");
    let one = vec!["tunnel/plain/builtin/12.4".to_owned()];
    let parts = (1..=3).map(|index| {
        let shard = Some(Shard::new(index, 3).unwrap());
        Selection { names: one.clone(), shard, ..Selection::default() }.select(all.clone()).unwrap().len()
    });
    assert_eq!(parts.sum::<usize>(), 1);
}

#[test]
fn shards_of_the_catalogue_are_all_of_it() {
    let all = cells(&catalogue_scenarios());
    let mut together = Vec::new();
    for index in 1..=3 {
        let shard = Some(Shard::new(index, 3).unwrap());
        let part = Selection { shard, ..Selection::default() }.select(all.clone()).unwrap();
        assert!(part.len() > all.len() / 6, "a part of {} of {} cells", part.len(), all.len());
        together.extend(part);
    }
    together.sort_by(|one, other| one.name.cmp(&other.name));
    let mut expected = all;
    expected.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(cell_names(&together), cell_names(&expected));
    for text in ["0/3", "4/3", "1/0", "1", "a/b", "-1/2", "1/2/3"] {
        assert!(text.parse::<Shard>().is_err(), "{text}");
    }
    assert_eq!("2/3".parse::<Shard>().unwrap().to_string(), "2/3");
    assert!(
        Shard::new(1, 2).unwrap().holds("tunnel/plain/builtin/12.4")
            != Shard::new(2, 2).unwrap().holds("tunnel/plain/builtin/12.4")
    );
}

#[test]
fn trees_are_walked_and_names_come_from_paths() {
    let root = std::env::temp_dir().join(format!("ike-interop-tree-{}", std::process::id()));
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    write("scenarios/b/two.yaml", MINIMAL);
    write("scenarios/b/notes.txt", "not a scenario");
    write("scenarios/one.yml", MINIMAL);
    let loose = write("elsewhere/loose.yaml", MINIMAL);
    let broken = write("broken/first.yaml", "title: x\n");
    write("broken/second.yaml", "titel: x\n");
    std::fs::create_dir_all(root.join("empty")).unwrap();

    let tree = |paths: &[&Path]| {
        let paths: Vec<_> = paths.iter().map(|path| root.join(path)).collect();
        load_tree(&paths, &names()).map(|found| found.iter().map(|one| one.name.clone()).collect::<Vec<_>>())
    };
    let whole = tree(&[Path::new("scenarios")]);
    let part = tree(&[Path::new("scenarios/b"), Path::new("scenarios/b/two.yaml")]);
    let other = tree(&[Path::new("elsewhere")]);
    let single = load(&loose, &names()).map(|scenario| scenario.name);
    let twice = tree(&[Path::new("elsewhere"), &write("again/loose.yaml", MINIMAL)]);
    let broken = [load(&broken, &names()).map(|_| ()).unwrap_err(), tree(&[Path::new("broken")]).unwrap_err()];
    let nothing = tree(&[Path::new("empty")]).unwrap_err();
    let absent = tree(&[Path::new("absent")]).unwrap_err();
    std::fs::remove_dir_all(&root).unwrap();

    assert_eq!(whole.unwrap(), ["b/two", "one"]);
    assert_eq!(part.unwrap(), ["b/two"]);
    assert_eq!(other.unwrap(), ["loose"]);
    assert_eq!(single.unwrap(), "loose");
    assert!(rendered(&twice.unwrap_err()).contains("two scenarios are called `loose`"));
    assert_eq!((broken[0].len(), broken[1].len()), (1, 2), "all that is wrong in a tree is told");
    assert!(rendered(&nothing).contains("no scenario below"));
    assert!(rendered(&absent).contains("cannot read"));
}

#[test]
fn a_scenario_is_made_again_from_its_texts_alone() {
    for scenario in catalogue_scenarios() {
        let json = serde_json::to_string(&*scenario.written).unwrap();
        let written: Written = serde_json::from_str(&json).unwrap();
        let again = written.scenario().unwrap_or_else(|errors| panic!("{}", rendered(&errors)));
        // Tunnel, expectations, configurations and twin: everything a verdict looks at.
        assert_eq!(format!("{again:?}"), format!("{scenario:?}"));
        for cell in cells(&[Arc::clone(&scenario)]) {
            assert_eq!(cell.scenario.written, scenario.written);
            assert_eq!(written.cell(&cell.name).unwrap().unwrap().twin, cell.twin);
        }
    }
    let mut lost = catalogue_scenarios()[0].written.as_ref().clone();
    lost.files.clear();
    assert!(rendered(&lost.scenario().unwrap_err()).contains("it was not kept"));
}
