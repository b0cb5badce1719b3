//! Where the known-answer vectors of the tests are.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// A file of `fixtures/vectors`, which is part of the repository.
pub(crate) fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vectors").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A JSON file of `fixtures/vectors`.
pub(crate) fn fixture_json(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// Where a file of the corpus is whose licence keeps it out of the repository; says so where there is none.
pub(crate) fn corpus_path(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("IKE_INTEROP_CORPUS").map(PathBuf::from);
    let path = root.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus")).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not there (IKE_INTEROP_CORPUS names the folder of the corpus)", path.display());
    None
}

/// A JSON file of the corpus, where it is present.
pub(crate) fn corpus(name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(corpus_path(name)?).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}

/// The octets of a hexadecimal string.
pub(crate) fn octets(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap_or_else(|| panic!("{value} is no string"))).unwrap()
}
