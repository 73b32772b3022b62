//! The JSON Schema of `deployment-config.yaml`, for editors.

use serde_json::{Map, Value as Json, json};

use super::decode::Decode as _;
use super::model::Config;

/// The JSON Schema (draft 7) of `deployment-config.yaml`, made from the same description that the reader follows.
///
/// A file that follows it loads without an error about a single field, and an editor that knows it completes fields and
/// shows what they mean. It is also a file of this repository; name it in the first line of a configuration:
/// `# yaml-language-server: $schema=…/deployment-config.schema.json`.
///
/// ```
/// let schema = landfall_core::config::schema();
/// assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
/// assert_eq!(schema["additionalProperties"], false);
/// ```
#[must_use]
pub fn schema() -> Json {
    let mut schema = Config::schema();
    if let Some(root) = schema.as_object_mut() {
        root.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
        root.insert("title".into(), "deployment-config.yaml".into());
    }
    schema
}

/// A field of a section.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) about: &'static [&'static str],
    pub(super) example: &'static str,
    pub(super) required: bool,
    pub(super) schema: Json,
}

/// The schema of a section with these fields and no others.
pub(super) fn section(about: &[&str], fields: Vec<Field>) -> Json {
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let properties: Map<String, Json> =
        fields.into_iter().map(|field| (field.name.to_owned(), described(field))).collect();
    let mut schema = json!({
        "type": "object",
        "description": sentence(about),
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// The sections that have a field of this name, such as `spec.service`.
pub(super) fn places(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    find(&Config::schema(), name, "", &mut found);
    found
}

fn find(schema: &Json, name: &str, path: &str, found: &mut Vec<String>) {
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        if key == name && !path.is_empty() {
            found.push(path.to_owned());
        }
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        find(schema, name, &path, found);
    }
}

fn described(field: Field) -> Json {
    let Field { about, example, mut schema, .. } = field;
    let single =
        schema["properties"].is_null() && schema["items"].is_null() && schema["additionalProperties"].is_null();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".into(), sentence(about).into());
        if single && !example.is_empty() {
            schema.insert("examples".into(), json!([serde_json::from_str(example).unwrap_or_else(|_| json!(example))]));
        }
    }
    schema
}

fn sentence(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/deployment-config.schema.json");

    #[test]
    fn the_committed_schema_is_current() {
        let committed: Json = serde_json::from_str(&std::fs::read_to_string(COMMITTED).unwrap()).unwrap();
        let rewrite = "cargo test -p landfall-core --lib rewrite_the_committed_schema -- --ignored";
        assert!(committed == schema(), "the schema has changed; write it anew with: {rewrite}");
    }

    #[test]
    #[ignore = "writes the file that the test above compares with"]
    fn rewrite_the_committed_schema() {
        std::fs::write(COMMITTED, serde_json::to_string_pretty(&schema()).unwrap() + "\n").unwrap();
    }

    #[test]
    fn every_section_is_closed_and_every_field_says_what_it_means() {
        fn check(schema: &Json, path: &str) {
            for (key, field) in schema["properties"].as_object().into_iter().flatten() {
                assert!(field["description"].as_str().is_some_and(|text| text.ends_with('.')), "{path}.{key}");
                check(field, &format!("{path}.{key}"));
                check(&field["items"], &format!("{path}.{key}[]"));
            }
            if schema["properties"].is_object() {
                assert_eq!(schema["additionalProperties"], json!(false), "{path}");
            }
        }
        check(&schema(), "");
    }

    #[test]
    fn a_field_in_the_wrong_place_is_found() {
        assert_eq!(places("rateLimit"), ["spec.networking.ingress"]);
        assert!(places("nonsense").is_empty());
    }
}
