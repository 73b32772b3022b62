//! Properties as Cloud Control takes them: whole for a create, as JSON Patch for an update.
//!
//! Sources: [Updating a resource](https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/resource-operations-update.html)
//! and RFC 6902. The service reads the object, applies the patch to what it read, and hands the result to the type's update
//! handler. What a type never shows (its write-only properties) is not in what was read, so that an update which does not name
//! it would take it away: it is set again with every patch. What is in a map and was not declared stays, because it may be the
//! cloud's own.

use landfall_core::resource::{Properties, Value};
use secrecy::ExposeSecret as _;
use serde_json::{Value as Json, json};

/// A patch: what was asked for, and what is set again because the cloud does not show it.
#[derive(Debug, Default)]
pub(super) struct Patch {
    asked: Vec<Json>,
    again: Vec<(String, Json)>,
}

impl Patch {
    /// What makes the object, as it is shown now, what is wanted at the changed paths.
    pub(super) fn new(now: &Properties, desired: &Properties, changed: &[String]) -> Self {
        let mut patch = Self::default();
        for path in changed {
            patch.at(&mut String::new(), path, now, desired);
        }
        if !patch.asked.is_empty() {
            patch.hidden(&mut String::new(), now, desired);
        }
        patch
    }

    /// Whether nothing was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    /// As the service takes it.
    pub(super) fn document(&self) -> String {
        let again = self.again.iter().map(|(pointer, value)| set(pointer, value.clone()));
        Json::from(self.asked.iter().cloned().chain(again).collect::<Vec<_>>()).to_string()
    }

    /// Leaves out what was to be set again and which the service says, in this message, can only be set by a create. Whether
    /// there was any.
    pub(super) fn without(&mut self, message: &str) -> bool {
        let before = self.again.len();
        let named = |pointer: &str| {
            let listed = message.split(|letter: char| !(letter.is_alphanumeric() || "/_-*~".contains(letter)));
            let mut listed = listed.filter_map(|word| word.strip_prefix("/properties"));
            listed.any(|listed| pointer == listed || below(pointer, listed) || below(listed, pointer))
        };
        self.again.retain(|(pointer, _)| !named(pointer));
        self.again.len() < before
    }

    /// What is asked for at a dotted path. Keys may have dots in them: the longest that fits is meant.
    fn at(&mut self, pointer: &mut String, path: &str, now: &Properties, desired: &Properties) {
        let fits = |key: &&String| path.strip_prefix(key.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('.'));
        let Some(key) = now.keys().chain(desired.keys()).filter(fits).max_by_key(|key| key.len()) else { return };
        let rest = path[key.len()..].strip_prefix('.');
        deeper(pointer, key, |pointer| match (rest, now.get(key), desired.get(key)) {
            (Some(rest), Some(Value::Map(now)), Some(Value::Map(desired))) => self.at(pointer, rest, now, desired),
            (_, now, desired) => self.ask(pointer, now, desired),
        });
    }

    fn ask(&mut self, pointer: &mut String, now: Option<&Value>, desired: Option<&Value>) {
        let done = |known: &Json| known["path"].as_str().is_some_and(|at| at == pointer || below(pointer, at));
        if self.asked.iter().any(done) {
            return;
        }
        let now = now.filter(|value| **value != Value::Null);
        match (now, desired.filter(|value| **value != Value::Null)) {
            (Some(_), None) => self.asked.push(json!({ "op": "remove", "path": *pointer })),
            (None, None) => {}
            // A policy has no parts of the cloud's own.
            (Some(Value::Map(now)), Some(Value::Map(desired))) if !desired.contains_key("Statement") => {
                for (key, desired) in desired {
                    deeper(pointer, key, |pointer| self.ask(pointer, now.get(key), Some(desired)));
                }
            }
            (now, Some(desired)) if now != Some(desired) => {
                let mut value = plain(desired);
                if pointer == "/Tags" {
                    keep_tags_of_the_cloud(&mut value, now);
                }
                self.asked.push(set(pointer, value));
            }
            _ => {}
        }
    }

    /// What is wanted and not shown, and is not asked for already.
    fn hidden(&mut self, pointer: &mut String, now: &Properties, desired: &Properties) {
        for (key, desired) in desired {
            deeper(pointer, key, |pointer| match (now.get(key), desired) {
                (Some(Value::Map(now)), Value::Map(desired)) => self.hidden(pointer, now, desired),
                (None | Some(Value::Null), desired) if !is_zero(desired) => {
                    let is =
                        |known: &Json| known["path"].as_str().is_some_and(|at| at == pointer || below(pointer, at));
                    if !self.asked.iter().any(is) {
                        self.again.push((pointer.clone(), plain(desired)));
                    }
                }
                _ => {}
            });
        }
    }
}

/// Properties as text, with the secrets in it, for the wire alone.
pub(super) fn sent(properties: &Properties) -> String {
    plain_map(properties).to_string()
}

fn set(pointer: &str, value: Json) -> Json {
    json!({ "op": "add", "path": pointer, "value": value })
}

/// Whether one pointer leads to a part of what the other one leads to.
fn below(pointer: &str, other: &str) -> bool {
    pointer.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
}

fn deeper(pointer: &mut String, key: &str, visit: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
    visit(pointer);
    pointer.truncate(length);
}

/// The cloud's own tags (`aws:`) can neither be set nor taken away.
fn keep_tags_of_the_cloud(value: &mut Json, now: Option<&Value>) {
    let own = |tag: &&Value| tag.at("Key").and_then(Value::as_str).is_some_and(|key| key.starts_with("aws:"));
    let now = now.and_then(Value::as_list).unwrap_or_default().iter().filter(own);
    if let Json::Array(tags) = value {
        tags.extend(now.map(plain));
    }
}

/// Clouds leave out what is at its zero value, so that it is no secret of theirs.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Integer(0) => true,
        Value::Number(number) => *number == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        _ => false,
    }
}

fn plain(value: &Value) -> Json {
    match value {
        Value::Secret(secret) => secret.value().map(|value| value.expose_secret().to_owned()).into(),
        Value::List(list) => list.iter().map(plain).collect(),
        Value::Map(map) => plain_map(map),
        other => other.to_json(),
    }
}

/// Schemas know no nulls: what is null is not there.
fn plain_map(map: &Properties) -> Json {
    let there = map.iter().filter(|(_, value)| **value != Value::Null);
    there.map(|(name, value)| (name.clone(), plain(value))).collect()
}

#[cfg(test)]
mod tests {
    use landfall_core::secret::Secret;
    use landfall_core::{list, map, properties};

    use super::*;

    fn patch(now: &Properties, desired: &Properties, changed: &[&str]) -> Json {
        let changed: Vec<String> = changed.iter().map(|path| (*path).to_owned()).collect();
        serde_json::from_str(&Patch::new(now, desired, &changed).document()).unwrap()
    }

    #[test]
    fn a_patch_sets_what_differs_at_the_changed_paths_and_nothing_beside_them() {
        let now = properties! {
            "Arn" => "arn:aws:sqs:eu-west-1:123456789012:jobs",
            "DelaySeconds" => 0,
            "VisibilityTimeout" => 30,
            "Network" => map! { "Family" => "ipv4", "Range" => "10.0.0.0/16" },
        };
        let desired = properties! {
            "DelaySeconds" => 5,
            "VisibilityTimeout" => 60,
            "Network" => map! { "Range" => "10.1.0.0/16" },
        };
        // What the cloud has filled in beside what is declared can often not be changed, and is not touched.
        let expected = json!([
            { "op": "add", "path": "/DelaySeconds", "value": 5 },
            { "op": "add", "path": "/Network/Range", "value": "10.1.0.0/16" },
        ]);
        assert_eq!(patch(&now, &desired, &["DelaySeconds", "Network.Range"]), expected);
        assert_eq!(patch(&now, &desired, &["DelaySeconds", "Network"]), expected);
        assert_eq!(patch(&now, &desired, &["DelaySeconds", "Network", "Network.Range"]), expected);
    }

    #[test]
    fn a_patch_takes_away_what_is_not_wanted_any_more() {
        let now = properties! {
            "KmsMasterKeyId" => "alias/one",
            "Environment" => map! { "Variables" => map! { "a.b/c" => "1", "a" => "2" } },
        };
        let desired = properties! { "Environment" => map! { "Variables" => map! { "a" => "2" } } };
        let expected = json!([
            { "op": "remove", "path": "/KmsMasterKeyId" },
            { "op": "remove", "path": "/Environment/Variables/a.b~1c" },
        ]);
        assert_eq!(patch(&now, &desired, &["KmsMasterKeyId", "Environment.Variables.a.b/c", "Gone"]), expected);
        let null = properties! { "KmsMasterKeyId" => Value::Null };
        assert_eq!(patch(&now, &null, &["KmsMasterKeyId"]), json!([{ "op": "remove", "path": "/KmsMasterKeyId" }]));
        assert!(Patch::new(&desired, &desired, &["Environment".to_owned()]).is_empty());
    }

    #[test]
    fn a_patch_makes_what_its_parts_stand_in() {
        let desired = properties! { "Network" => map! { "Range" => "10.1.0.0/16", "Nothing" => Value::Null } };
        let expected = json!([{ "op": "add", "path": "/Network", "value": { "Range": "10.1.0.0/16" } }]);
        assert_eq!(patch(&properties! {}, &desired, &["Network.Range"]), expected);
    }

    #[test]
    fn a_patch_replaces_a_policy_as_a_whole() {
        let now = properties! { "Policy" => map! { "Id" => "old", "Statement" => list![map! { "Effect" => "Deny" }] } };
        let desired = properties! { "Policy" => map! { "Statement" => list![map! { "Effect" => "Deny" }] } };
        let expected = json!([{ "op": "add", "path": "/Policy", "value": { "Statement": [{ "Effect": "Deny" }] } }]);
        assert_eq!(patch(&now, &desired, &["Policy"]), expected);
    }

    #[test]
    fn a_patch_leaves_the_clouds_own_tags_and_no_others() {
        let tag = |key: &str, value: &str| map! { "Key" => key, "Value" => value };
        let now =
            properties! { "Tags" => list![tag("aws:servicecatalog:arn", "x"), tag("Team", "a"), tag("Old", "b")] };
        let desired = properties! { "Tags" => list![tag("Team", "c")] };
        let tags = json!([{ "Key": "Team", "Value": "c" }, { "Key": "aws:servicecatalog:arn", "Value": "x" }]);
        assert_eq!(patch(&now, &desired, &["Tags"]), json!([{ "op": "add", "path": "/Tags", "value": tags }]));
    }

    #[test]
    fn what_the_cloud_never_shows_is_set_again_unless_only_a_create_can_set_it() {
        let now = properties! { "Name" => "jobs", "Login" => map! { "User" => "admin" }, "Size" => 1 };
        let desired = properties! {
            "Name" => "jobs",
            "Login" => map! { "User" => "admin", "Password" => "letters" },
            "Restored" => map! { "From" => "a copy" },
            "Paused" => false,
            "Size" => 2,
        };
        let mut patch = Patch::new(&now, &desired, &["Size".to_owned()]);
        let document = |patch: &Patch| serde_json::from_str::<Json>(&patch.document()).unwrap();
        let (size, password, restored) = (
            json!({ "op": "add", "path": "/Size", "value": 2 }),
            json!({ "op": "add", "path": "/Login/Password", "value": "letters" }),
            json!({ "op": "add", "path": "/Restored", "value": { "From": "a copy" } }),
        );
        assert_eq!(document(&patch), json!([size, password, restored]));
        let refused = |of: &str| format!("Invalid patch update: createOnlyProperties [{of}] cannot be updated");
        assert!(!patch.without(&refused("/properties/Size")), "it was asked for");
        assert!(!patch.without(&refused("/properties/Log, /properties/Re")));
        assert!(patch.without(&refused("/properties/Name, /properties/Restored/From")));
        assert_eq!(document(&patch), json!([size, password]));
        assert!(Patch::new(&now, &desired, &["Name".to_owned()]).is_empty(), "nothing was asked for");
    }

    #[test]
    fn a_create_sends_no_nulls_and_its_secrets() {
        let password = Secret::new("password", "letters".into(), &"a key".into());
        let desired = properties! {
            "In" => map! { "Nothing" => Value::Null },
            "Name" => "jobs",
            "Nothing" => Value::Null,
            "Password" => Value::Secret(password),
        };
        assert_eq!(sent(&desired), r#"{"In":{},"Name":"jobs","Password":"letters"}"#);
    }
}
