//! Values that the cloud's own secret store keeps, read at the moment of the call that needs them.

use landfall_core::resource::{Properties, Value};
use landfall_core::secret::Secret;
use landfall_core::{Code, Error, Result};
use secrecy::SecretString;

use super::api::Api;
use super::error::failed;

/// The properties with each stored secret in its place.
pub(super) async fn fetched(api: &Api, desired: &Properties) -> Result<Properties> {
    let mut stored = Vec::new();
    desired.values().for_each(|value| find(value, &mut stored));
    if stored.is_empty() {
        return Ok(desired.clone());
    }
    let mut known = Vec::with_capacity(stored.len());
    for (id, key) in stored {
        let value = read(api, &id, &key).await?;
        known.push(((id, key), value));
    }
    Ok(desired.iter().map(|(name, value)| (name.clone(), put(value, &known))).collect())
}

type Known = ((String, String), Secret);

fn find(value: &Value, all: &mut Vec<(String, String)>) {
    match value {
        Value::Stored { secret, key } => {
            if let Some(id) = secret.as_str() {
                let one = (id.to_owned(), key.clone());
                if !all.contains(&one) {
                    all.push(one);
                }
            }
        }
        Value::List(list) => list.iter().for_each(|value| find(value, all)),
        Value::Map(map) => map.values().for_each(|value| find(value, all)),
        _ => {}
    }
}

fn put(value: &Value, known: &[Known]) -> Value {
    match value {
        Value::Stored { secret, key } => known
            .iter()
            .find(|((id, of), _)| secret.as_str() == Some(id) && of == key)
            .map_or_else(|| value.clone(), |(_, secret)| Value::Secret(secret.clone())),
        Value::List(list) => Value::List(list.iter().map(|value| put(value, known)).collect()),
        Value::Map(map) => Value::Map(map.iter().map(|(name, value)| (name.clone(), put(value, known))).collect()),
        other => other.clone(),
    }
}

async fn read(api: &Api, id: &str, key: &str) -> Result<Secret> {
    let answer =
        api.secrets.get_secret_value().secret_id(id).send().await.map_err(failed("secretsmanager:GetSecretValue"))?;
    let text = SecretString::from(answer.secret_string.unwrap_or_default());
    let value = if key.is_empty() { text } else { part(&text, id, key)? };
    // It is sent and not compared, so that nobody needs its fingerprint.
    Ok(Secret::new(id, value, &SecretString::from("")))
}

fn part(text: &SecretString, id: &str, key: &str) -> Result<SecretString> {
    use secrecy::ExposeSecret as _;
    let json: Option<serde_json::Value> = serde_json::from_str(text.expose_secret()).ok();
    let found = json.as_ref().and_then(|json| json.get(key)).and_then(serde_json::Value::as_str);
    found.map(SecretString::from).ok_or_else(|| {
        Error::new(Code::InvalidRequest, format!("a stored secret has no such key: {key} of {id}"))
            .hint("look at the keys of the secret's JSON text, not at its values")
    })
}
