//! What users and programs write as text.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use ike_interop::diag::{Diagnostic, Source};
use ike_interop::evidence::decode::KeyTable;
use ike_interop::implementations::strongswan::settings::Section;
use ike_interop::implementations::{Registry, declared};
use ike_interop::ios::config::RunningConfig;
use ike_interop::scenario::{Written, cells};

/// Whether what is wrong is told, each with a place in the text or without one, and can be shown.
fn told(errors: &[Diagnostic]) {
    for error in errors {
        assert!(!error.title.is_empty());
        assert!(!error.to_string().is_empty());
    }
}

/// A running-config: every line has an outcome, and what is printed reads back the same.
pub fn running_config(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let source = Source::new("router.ios", &*text);
    let (config, reading) = RunningConfig::read(&source);
    assert_eq!(reading.lines.len(), text.split_inclusive('\n').count());
    told(&reading.diagnostics);
    told(&config.lint());
    let _ = config.summary();
    let printed = config.show();
    let (again, _) = RunningConfig::parse(&Source::new("printed", printed.as_str()));
    assert_eq!(again.show(), printed);
    assert!(again == config, "what is printed is another configuration:\n{printed}");
}

/// The files of the catalogue by the names that its scenarios have for them.
static CATALOGUE: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("scenarios"));
    let catalogue = catalogue.find(|folder| folder.is_dir()).expect("the project has scenarios");
    let mut files = BTreeMap::new();
    for topic in catalogue.read_dir().into_iter().flatten().flatten() {
        for entry in topic.path().read_dir().into_iter().flatten().flatten() {
            if let Ok(text) = std::fs::read_to_string(entry.path()) {
                files.insert(entry.file_name().to_string_lossy().into_owned(), text);
            }
        }
    }
    files
});

/// A scenario file, with the files of the catalogue beside it: it is read, or all that is wrong with it is told.
pub fn scenario(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let written = Written {
        name: "any".to_owned(),
        path: "any.yaml".into(),
        text: text.to_owned(),
        files: CATALOGUE.clone(),
        implementations: Registry::built_in().names().clone(),
    };
    match written.scenario() {
        Ok(scenario) => assert!(!cells(&[Arc::new(scenario)]).is_empty()),
        Err(errors) => {
            assert!(!errors.is_empty());
            told(&errors);
        }
    }
}

/// An `ike-interop.toml`, with no file beside it.
pub fn declared(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    if let Err(errors) = declared::interpret(&Source::new("ike-interop.toml", text), Path::new("/nowhere")) {
        assert!(!errors.is_empty());
        told(&errors);
    }
}

/// Settings as strongSwan writes them: what is read is written so that it reads the same.
pub fn strongswan_settings(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let parse = |text: &str| {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        Section::parse(
            &BTreeMap::from([file("main.conf", text), file("other.conf", "other { key = value\n }")]),
            "main.conf",
        )
    };
    match parse(text) {
        Ok(section) => {
            let emitted = section.to_string();
            let again = parse(&emitted).unwrap_or_else(|error| panic!("{error}"));
            assert!(again == section, "what is written is something else:\n{emitted}");
        }
        Err(error) => told(&[*error]),
    }
}

/// The three tables of keys that Wireshark has.
pub fn key_tables(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let mut keys = KeyTable::default();
    for read in [keys.read_ikev1_table(text), keys.read_ikev2_table(text), keys.read_esp_table(text)] {
        if let Err(error) = read {
            assert!(error.line >= 1 && error.line <= text.lines().count());
            assert!(error.column >= 1);
        }
    }
}
