//! The JSON schema of `ike-interop.toml`, for editors.

use serde_json::{Value, json};

use super::file::ConfigFile;
use crate::implementations::capabilities::Capability;

/// The JSON schema (draft 2020-12) of `ike-interop.toml`. The doc comments of the types are its descriptions.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(ConfigFile).to_value();
    let words: Vec<&str> = Capability::all().map(Capability::word).collect();
    let item = json!({ "anyOf": [{ "enum": words }, { "type": "string", "pattern": "^[a-z0-9-]*\\*$" }] });
    let kinds = schema["$defs"]["DeclarationFile"]["oneOf"].as_array_mut();
    for kind in kinds.into_iter().flatten() {
        if let Some(capabilities) = kind["properties"].get_mut("capabilities") {
            capabilities["items"] = item.clone();
        }
    }
    schema
}
