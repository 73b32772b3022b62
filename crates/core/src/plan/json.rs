//! The plan as JSON, for programs.

use serde_json::{Value as Json, json};

use super::Plan;
use super::diff::mask;
use crate::resource::Value;

impl Plan {
    /// The plan as JSON, with its hash, its counts and the consents it needs. `format` says which version of the structure
    /// it has. Secrets are names: neither values nor fingerprints are in it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let mut shown = self.clone();
        for operation in &mut shown.operations {
            let mut properties = Value::Map(std::mem::take(&mut operation.properties));
            operation.secrets.iter().for_each(|path| mask(&mut properties, path));
            if let Value::Map(properties) = properties {
                operation.properties = properties;
            }
        }
        let mut json = json!(shown);
        nameless(&mut json);
        if let Json::Object(map) = &mut json {
            map.insert("hash".to_owned(), self.hash().into());
            map.insert("counts".to_owned(), json!(self.counts()));
            map.insert("consents_needed".to_owned(), json!(self.consents_needed()));
        }
        json
    }
}

/// Takes the fingerprints out of secrets.
fn nameless(json: &mut Json) {
    match json {
        Json::Array(list) => list.iter_mut().for_each(nameless),
        Json::Object(map) => {
            if let Some(Json::Array(secret)) = map.get_mut("$secret") {
                secret.truncate(1);
            }
            map.values_mut().for_each(nameless);
        }
        _ => {}
    }
}
