mod console;
mod doubts;
mod language;
mod properties;

use std::path::PathBuf;

use super::*;
use crate::diag::{Severity, Source};

/// Every configuration of the fixtures, by name.
fn fixtures() -> Vec<Source> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/ios-configs");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cfg"))
        .collect();
    paths.sort();
    let source = |path: PathBuf| Source::new(path.file_name().unwrap(), std::fs::read_to_string(&path).unwrap());
    paths.into_iter().map(source).collect()
}

fn parse(text: &str) -> (RunningConfig, Vec<String>) {
    let (config, diagnostics) = RunningConfig::parse(&Source::new("test.ios", text));
    let told = diagnostics.iter().filter(|diagnostic| diagnostic.severity != Severity::Note);
    (config, told.map(ToString::to_string).collect())
}

#[test]
fn every_line_of_every_fixture_is_accounted_for() {
    let sources = fixtures();
    assert_eq!(sources.len(), 23);
    for source in sources {
        let (_, reading) = RunningConfig::read(&source);
        assert_eq!(reading.lines.len(), source.text.lines().count(), "{}", source.path.display());
        for line in &reading.lines {
            let blank = source.text[line.range.clone()].is_empty();
            assert_eq!(blank, line.outcome == Outcome::Blank, "{}:{}", source.path.display(), line.number);
        }
    }
}

#[test]
fn a_whole_tunnel_is_read() {
    let (config, told) = parse(
        "hostname R1
crypto isakmp policy 10
 encr aes 256
 authentication pre-share
 group 14
crypto isakmp key s3cret address 192.0.2.10
crypto ipsec transform-set TSET esp-aes 256 esp-sha-hmac
crypto map CMAP 10 ipsec-isakmp
 set peer 192.0.2.10
 set transform-set TSET
 match address 101
interface GigabitEthernet0/0
 ip address 198.51.100.1 255.255.255.0
 crypto map CMAP
access-list 101 permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255
",
    );
    assert_eq!(told, [""; 0]);
    let policy = &config.isakmp.policies[0];
    assert_eq!(policy.encryption.value, crate::crypto::Cipher::Aes256);
    assert_eq!(policy.group.number(), 14);
    assert!(policy.hash.is_implied());
    let entry = &config.crypto_map("CMAP").unwrap().entries[0];
    assert_eq!(config.text(entry.settings.peers[0].span), "192.0.2.10");
    let acl = config.access_list(entry.settings.acl.as_ref().unwrap()).unwrap();
    assert_eq!(acl.entries().next().unwrap().proxies().unwrap().to_string(), "10.2.0.0/24 <-> 10.1.0.0/24");
}

#[test]
fn what_is_printed_reads_back_the_same() {
    for source in fixtures() {
        let (config, _) = RunningConfig::parse(&source);
        let printed = config.show();
        let (again, diagnostics) = RunningConfig::parse(&Source::new("printed", printed.as_str()));
        let told: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect();
        assert!(told.is_empty(), "{}: {}\n{printed}", source.path.display(), told[0]);
        assert_eq!(again.show(), printed);
        assert!(again == config, "{}:\n{printed}", source.path.display());
    }
}

/// What is told of a file: the summary, then every error and warning with its line.
fn report(source: &Source) -> String {
    let (config, reading) = RunningConfig::read(source);
    let mut text = format!("{}\n{}", reading.summary(), config.summary());
    for diagnostic in check_config(source).1 {
        if diagnostic.severity == Severity::Note {
            continue;
        }
        let place = diagnostic.place.as_ref().map(|(source, range)| source.line_column(range.start));
        let (line, column) = place.unwrap_or_default();
        let label = diagnostic.label.as_str();
        text += &format!("{line}:{column}: {:?}: {}: {label}\n", diagnostic.severity, diagnostic.title);
    }
    text
}

#[test]
fn fixtures_are_understood() {
    for source in fixtures() {
        let name = source.path.file_stem().unwrap().to_string_lossy().into_owned();
        insta::assert_snapshot!(name, report(&source));
    }
}
