//! The JSON schema of the scenario file, for editors.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::scenario::Names;
use crate::scenario::file::ScenarioFile;
use crate::scenario::text::word_schema;

/// The JSON schema (draft 2020-12) of a scenario file that may name the implementations of `names`. The doc comments of the types are its descriptions.
pub fn schema(names: &Names) -> Value {
    let mut schema = schemars::schema_for!(ScenarioFile).to_value();
    name_implementations(&mut schema, names);
    let fix = partial_root(&schema);
    let mut pending = BTreeSet::new();
    let fix = loosened(fix, &mut pending);
    let mut done = BTreeSet::new();
    while let Some(name) = pending.pop_first() {
        if !done.insert(name.clone()) {
            continue;
        }
        let definition = loosened(schema["$defs"][&name].clone(), &mut pending);
        schema["$defs"][format!("{name}Change")] = definition;
    }
    schema["$defs"]["Fix"] = fix;
    schema
}

/// Says which implementations there are, so that an editor offers them, and what is meant when none is named.
fn name_implementations(schema: &mut Value, names: &Names) {
    let known: Vec<(&str, &str)> = names.iter().map(|named| (named.name.word(), named.about.as_str())).collect();
    schema["$defs"]["ImplementationName"] = word_schema(&known).to_value();
    schema["$defs"]["Matrix"]["properties"]["implementation"]["default"] = json!(names.usual());
    let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    for pointer in ["/properties/native", "/$defs/DutExpect/properties/log"] {
        if let Some(by_name) = schema.pointer_mut(pointer) {
            by_name["propertyNames"] = json!({ "enum": words });
        }
    }
}

/// The root without what cannot change in a fix.
fn partial_root(schema: &Value) -> Value {
    let mut properties = schema["properties"].clone();
    if let Some(properties) = properties.as_object_mut() {
        for key in ["title", "matrix", "known_failures", "fix"] {
            properties.remove(key);
        }
    }
    json!({
        "type": "object",
        "description": "The smallest change that makes the tunnel work: what is here is laid over the rest of the file.",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
    })
}

/// An object's schema with no key required, and so with those of the objects below its keys, whose names are added to
/// `pending`. Lists replace, so their items stay whole.
fn loosened(mut schema: Value, pending: &mut BTreeSet<String>) -> Value {
    let Some(object) = schema.as_object_mut() else { return schema };
    if object.get("type") != Some(&json!("object")) {
        return schema;
    }
    object.remove("required");
    for property in
        object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flat_map(|all| all.values_mut())
    {
        if let Some(reference) = property.get_mut("$ref")
            && let Some(name) = reference.as_str().and_then(|path| path.strip_prefix("#/$defs/"))
        {
            pending.insert(name.to_owned());
            *reference = json!(format!("#/$defs/{name}Change"));
        }
    }
    schema
}
