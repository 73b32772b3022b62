//! Export of a stack as a CloudFormation template.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::graph::{Graph, hex};
use landfall_core::resource::{Address, Api, Catalog, Reference, Resource, TargetField, Value};
use landfall_core::{Code, Error, Result};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

/// CloudFormation takes at most this many resources in one template.
const MAX_RESOURCES: usize = 500;
/// CloudFormation takes at most this many parameters in one template.
const MAX_PARAMETERS: usize = 200;
/// CloudFormation resolves at most this many dynamic references in one template.
const MAX_DYNAMIC_REFERENCES: usize = 60;
/// CloudFormation takes templates of at most this many bytes, and those above 51 200 bytes only from a bucket.
const MAX_BYTES: usize = 1 << 20;
/// Types that CloudFormation can take a last snapshot of before it deletes them.
const SNAPSHOTS: [&str; 2] = ["AWS::RDS::DBInstance", "AWS::ElastiCache::ReplicationGroup"];

/// The AWS resources of a graph as a CloudFormation template.
///
/// - References become `Ref` and `Fn::GetAtt`, joined texts `Fn::Sub`, the target's account, region and partition pseudo
///   parameters.
/// - A secret that the cloud keeps becomes a dynamic reference; a secret of the caller becomes a parameter with `NoEcho`,
///   so that no template ever holds one.
/// - What holds data is kept when the stack is deleted: as a snapshot where CloudFormation can take one, else as it is.
/// - Kubernetes objects and the logical databases and roles within PostgreSQL servers have no CloudFormation type of
///   their own. They are left out, and their addresses stand in the template's `Metadata` under `Landfall.LeftOut`.
///
/// Logical ids follow from addresses alone, so that adding a resource renames no other.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::borrow::Cow;
/// use landfall_core::graph::Graph;
/// use landfall_core::properties;
/// use landfall_core::resource::{Address, Catalog, Resource, ResourceType};
///
/// let topic = ResourceType { name: Cow::Borrowed("AWS::SNS::Topic"), ..ResourceType::DEFAULT };
/// let address: Address = "aws/native/alarms/resource".parse()?;
/// let resource = Resource::new(address.clone(), "AWS::SNS::Topic", properties! { "TopicName" => "alarms" });
/// let graph = Graph::new(BTreeMap::from([(address, resource)]))?;
///
/// let template = landfall_aws::template(&graph, &Catalog::new([topic]))?;
/// let (id, topic) = template["Resources"].as_object().and_then(|all| all.iter().next()).expect("one resource");
/// assert!(id.starts_with("NativeAlarmsResource"));
/// assert_eq!(topic["Properties"]["TopicName"], "alarms");
/// # Ok::<(), landfall_core::Error>(())
/// ```
///
/// # Errors
/// [`Code::TooLarge`] when the stack exceeds what CloudFormation takes in one template, [`Code::UnknownType`],
/// [`Code::UnknownReference`] when an AWS resource refers to one that is left out.
pub fn template(graph: &Graph, catalog: &Catalog) -> Result<Json> {
    let mut writer = Writer { graph, ids: BTreeMap::new(), parameters: BTreeMap::new(), dynamic_references: 0 };
    let mut left_out = Vec::new();
    for resource in graph.iter() {
        if catalog.get(&resource.type_name).map_err(|error| error.at(&resource.address))?.api == Api::Aws {
            writer.ids.insert(&resource.address, logical_id(&resource.address));
        } else {
            left_out.push(resource.address.as_str());
        }
    }
    check("resources", writer.ids.len(), MAX_RESOURCES)?;

    let mut resources = Map::new();
    for resource in graph.iter() {
        let Some(id) = writer.ids.get(&resource.address).cloned() else { continue };
        let holds_data = catalog.get(&resource.type_name).is_ok_and(|of| of.holds_data);
        let written = writer.resource(resource, holds_data).map_err(|error| error.at(&resource.address))?;
        resources.insert(id, written);
    }
    check("parameters", writer.parameters.len(), MAX_PARAMETERS)?;
    check("dynamic references", writer.dynamic_references, MAX_DYNAMIC_REFERENCES)?;

    let mut template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Exported by Landfall",
        "Metadata": { "Landfall": { "LeftOut": left_out } },
        "Resources": resources,
    });
    if !writer.parameters.is_empty() {
        template["Parameters"] = writer.parameters.into_values().collect::<Map<_, _>>().into();
    }
    check("bytes", template.to_string().len(), MAX_BYTES)?;
    Ok(template)
}

/// The logical id of an address: its words, and a hash that keeps `a-b/c` and `a/b-c` apart.
fn logical_id(address: &Address) -> String {
    let words = format!("{}/{}", address.declaration(), address.part());
    let readable: String = words.split(['/', '-']).map(capitalised).collect();
    unique(&readable, address.as_str())
}

fn unique(readable: &str, whole: &str) -> String {
    let hash = hex(&Sha256::digest(whole.as_bytes())[..4]);
    let readable: String = readable.chars().filter(char::is_ascii_alphanumeric).take(200).collect();
    format!("{readable}{hash}")
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn check(what: &str, count: usize, limit: usize) -> Result<()> {
    if count <= limit {
        return Ok(());
    }
    Err(Error::new(Code::TooLarge, format!("CloudFormation takes at most {limit} {what} in a template: {count}"))
        .hint("split the platform into several, or let Landfall apply it, which has no such limit"))
}

struct Writer<'a> {
    graph: &'a Graph,
    ids: BTreeMap<&'a Address, String>,
    /// Parameters by the name of the secret they stand for: their id and declaration.
    parameters: BTreeMap<String, (String, Json)>,
    dynamic_references: usize,
}

impl Writer<'_> {
    fn resource(&mut self, resource: &Resource, holds_data: bool) -> Result<Json> {
        let mut written = Map::new();
        written.insert("Type".into(), json!(resource.type_name));
        let mut properties = Map::new();
        for (name, value) in &resource.properties {
            if *value != Value::Null {
                properties.insert(name.clone(), self.value(value)?);
            }
        }
        if !properties.is_empty() {
            written.insert("Properties".into(), properties.into());
        }
        let depends_on = self.depends_on(resource);
        if !depends_on.is_empty() {
            written.insert("DependsOn".into(), json!(depends_on));
        }
        if holds_data {
            let policy = match resource.protected {
                true if SNAPSHOTS.contains(&resource.type_name.as_str()) => "Snapshot",
                true => "Retain",
                false => "Delete",
            };
            written.insert("DeletionPolicy".into(), json!(policy));
            written.insert("UpdateReplacePolicy".into(), json!(policy));
        }
        Ok(written.into())
    }

    /// What has to be said besides the references: CloudFormation waits for all that a property leads to by itself.
    fn depends_on(&self, resource: &Resource) -> Vec<&str> {
        let mut waiting = BTreeSet::new();
        for value in resource.properties.values() {
            value.visit_references(&mut |reference| {
                waiting.insert(reference.target.clone());
            });
        }
        let mut reached = BTreeSet::new();
        while let Some(next) = waiting.pop_first() {
            // What is left out of the template carries no order.
            if self.ids.contains_key(&next) && reached.insert(next.clone()) {
                waiting.extend(self.graph.get(&next).map(Resource::dependencies).unwrap_or_default());
            }
        }
        let missing = resource.depends_on.iter().filter(|needed| !reached.contains(*needed));
        missing.filter_map(|needed| self.ids.get(needed)).map(String::as_str).collect()
    }

    fn value(&mut self, value: &Value) -> Result<Json> {
        Ok(match value {
            Value::Null => json!({ "Ref": "AWS::NoValue" }),
            Value::Bool(value) => json!(value),
            Value::Integer(value) => json!(value),
            Value::Number(value) => json!(value),
            Value::Text(text) => json!(text),
            Value::List(list) => list.iter().map(|value| self.value(value)).collect::<Result<_>>()?,
            Value::Map(map) => {
                let known = map.iter().filter(|(_, value)| **value != Value::Null);
                Json::Object(known.map(|(key, value)| Ok((key.clone(), self.value(value)?))).collect::<Result<_>>()?)
            }
            Value::Reference(Reference { target, attribute }) if attribute.is_empty() => {
                json!({ "Ref": self.id(target)? })
            }
            Value::Reference(Reference { target, attribute }) => json!({ "Fn::GetAtt": [self.id(target)?, attribute] }),
            Value::Target(field) => json!({ "Ref": pseudo_parameter(*field) }),
            Value::Secret(secret) => json!({ "Ref": self.parameter(secret.name()) }),
            Value::Join(_) | Value::Stored { .. } => {
                let mut text = Substitution::default();
                self.write(value, &mut text)?;
                text.finish()
            }
        })
    }

    fn write(&mut self, value: &Value, text: &mut Substitution) -> Result<()> {
        match value {
            Value::Text(part) => text.literal(part),
            Value::Integer(number) => text.literal(&number.to_string()),
            Value::Bool(value) => text.literal(&value.to_string()),
            Value::Reference(Reference { target, attribute }) if attribute.is_empty() => {
                text.variable(self.id(target)?);
            }
            Value::Reference(Reference { target, attribute }) => {
                text.variable(&format!("{}.{attribute}", self.id(target)?));
            }
            Value::Target(field) => text.variable(pseudo_parameter(*field)),
            Value::Secret(secret) => {
                let parameter = self.parameter(secret.name());
                text.variable(&parameter);
            }
            Value::Join(parts) => parts.iter().try_for_each(|part| self.write(part, text))?,
            Value::Stored { secret, key } => {
                self.dynamic_references += 1;
                text.literal("{{resolve:secretsmanager:");
                self.write(secret, text)?;
                text.literal(":SecretString");
                if !key.is_empty() {
                    text.literal(&format!(":{key}"));
                }
                text.literal("}}");
            }
            Value::Null | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                return Err(Error::internal("a joined text has a part that is no text"));
            }
        }
        Ok(())
    }

    fn id(&self, target: &Address) -> Result<&str> {
        self.ids.get(target).map(String::as_str).ok_or_else(|| {
            Error::new(Code::UnknownReference, format!("a template cannot refer to what is left out of it: {target}"))
                .hint("let Landfall apply the stack, or remove the reference")
        })
    }

    fn parameter(&mut self, secret: &str) -> String {
        let (id, _) = self.parameters.entry(secret.to_owned()).or_insert_with(|| {
            let readable: String = secret.split(|c: char| !c.is_ascii_alphanumeric()).map(capitalised).collect();
            let declaration = json!({
                "Type": "String",
                "NoEcho": true,
                "Description": format!("The secret that Landfall knows as {secret}"),
            });
            (unique(&format!("Secret{readable}"), secret), declaration)
        });
        id.clone()
    }
}

fn pseudo_parameter(field: TargetField) -> &'static str {
    match field {
        TargetField::Account => "AWS::AccountId",
        TargetField::Region => "AWS::Region",
        TargetField::Partition => "AWS::Partition",
    }
}

/// The text of an `Fn::Sub`.
#[derive(Default)]
struct Substitution {
    text: String,
    /// Literal text since the last variable: a `${` may come together from two parts, so it is escaped as a whole.
    literal: String,
    has_variables: bool,
}

impl Substitution {
    fn literal(&mut self, part: &str) {
        self.literal.push_str(part);
    }

    fn variable(&mut self, name: &str) {
        self.has_variables = true;
        self.flush();
        self.text.push_str("${");
        self.text.push_str(name);
        self.text.push('}');
    }

    fn flush(&mut self) {
        self.text.push_str(&std::mem::take(&mut self.literal).replace("${", "${!"));
    }

    fn finish(mut self) -> Json {
        if !self.has_variables {
            return json!(self.literal);
        }
        self.flush();
        json!({ "Fn::Sub": self.text })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_core::cloud::Cloud;
    use landfall_core::graph::expand;
    use landfall_core::resource::{Properties, ResourceType};
    use landfall_core::secret::Secret;
    use landfall_core::{join, map, properties};

    use super::*;
    use crate::{Aws, testing};

    fn at(part: &str) -> Address {
        format!("aws/native/{part}/resource").parse().unwrap()
    }

    fn reference(part: &str, attribute: &str) -> Value {
        Value::Reference(Reference { target: at(part), attribute: attribute.into() })
    }

    fn catalog() -> Catalog {
        let of = |name: &'static str, api, holds_data| ResourceType {
            name: name.into(),
            api,
            holds_data,
            ..ResourceType::DEFAULT
        };
        Catalog::new([
            of("AWS::SNS::Topic", Api::Aws, false),
            of("AWS::RDS::DBInstance", Api::Aws, true),
            of("AWS::S3::Bucket", Api::Aws, true),
            of("apps/v1/Deployment", Api::Kubernetes, false),
        ])
    }

    fn resource(part: &str, type_name: &str, properties: Properties) -> (Address, Resource) {
        (at(part), Resource::new(at(part), type_name, properties))
    }

    fn export(resources: impl IntoIterator<Item = (Address, Resource)>) -> Result<Json> {
        template(&Graph::new(resources.into_iter().collect()).unwrap(), &catalog())
    }

    #[test]
    fn every_value_has_its_cloudformation_form() {
        let secret = Secret::new("api-key", "canary".into(), &"key".into());
        let template = export([
            resource("a", "AWS::SNS::Topic", Properties::new()),
            resource(
                "b",
                "AWS::SNS::Topic",
                properties! {
                    "Ref" => reference("a", ""),
                    "Attribute" => reference("a", "Endpoint.Address"),
                    "Account" => TargetField::Account,
                    "Joined" => join!["arn:", TargetField::Partition, ":", join![reference("a", ""), "/${x}"]],
                    "Plain" => join!["a${", "b"],
                    "Apart" => join!["$", "{x}", TargetField::Region],
                    "Stored" => Value::Stored { secret: Box::new(reference("a", "")), key: "password".into() },
                    "Secret" => secret,
                    "Nothing" => Value::Null,
                    "Inner" => map! { "Nothing" => Value::Null, "Number" => 1 },
                },
            ),
        ])
        .unwrap();
        let (a, b) = (logical_id(&at("a")), logical_id(&at("b")));
        assert_eq!(
            template["Resources"][&b]["Properties"],
            json!({
                "Ref": { "Ref": a },
                "Attribute": { "Fn::GetAtt": [a, "Endpoint.Address"] },
                "Account": { "Ref": "AWS::AccountId" },
                "Joined": { "Fn::Sub": format!("arn:${{AWS::Partition}}:${{{a}}}/${{!x}}") },
                "Plain": "a${b",
                "Apart": { "Fn::Sub": "${!x}${AWS::Region}" },
                "Stored": { "Fn::Sub": format!("{{{{resolve:secretsmanager:${{{a}}}:SecretString:password}}}}") },
                "Secret": { "Ref": unique("SecretApiKey", "api-key") },
                "Inner": { "Number": 1 },
            })
        );
        assert_eq!(template["Parameters"][unique("SecretApiKey", "api-key")]["NoEcho"], true);
        assert!(!template.to_string().contains("canary"));
    }

    #[test]
    fn logical_ids_keep_similar_addresses_apart() {
        let one: Address = "aws/network/a-b/c".parse().unwrap();
        let other: Address = "aws/network/a/b-c".parse().unwrap();
        assert_ne!(logical_id(&one), logical_id(&other));
        assert!(logical_id(&one).starts_with("NetworkABC"));
        let long: Address = format!("aws/network/{}/{}", "n".repeat(200), "p".repeat(200)).parse().unwrap();
        assert!(logical_id(&long).len() <= 255);
    }

    #[test]
    fn only_what_no_reference_says_is_a_dependency() {
        let (address, mut third) = resource("c", "AWS::SNS::Topic", properties! { "B" => reference("b", "") });
        third.depends_on = BTreeSet::from([at("a"), at("b"), at("d"), at("e")]);
        let template = export([
            resource("a", "AWS::SNS::Topic", Properties::new()),
            resource("b", "AWS::SNS::Topic", properties! { "A" => reference("a", "") }),
            resource("d", "AWS::SNS::Topic", Properties::new()),
            resource("e", "apps/v1/Deployment", Properties::new()),
            (address.clone(), third),
        ])
        .unwrap();
        assert_eq!(template["Resources"][logical_id(&address)]["DependsOn"], json!([logical_id(&at("d"))]));
        assert_eq!(template["Metadata"]["Landfall"]["LeftOut"], json!(["aws/native/e/resource"]));
    }

    #[test]
    fn what_holds_data_outlives_the_stack() {
        let protected = |part, type_name| {
            let (address, mut resource) = resource(part, type_name, Properties::new());
            resource.protected = true;
            (address, resource)
        };
        let template = export([
            protected("a", "AWS::RDS::DBInstance"),
            protected("b", "AWS::S3::Bucket"),
            resource("c", "AWS::S3::Bucket", Properties::new()),
            resource("d", "AWS::SNS::Topic", Properties::new()),
        ])
        .unwrap();
        let policy = |part| template["Resources"][logical_id(&at(part))]["DeletionPolicy"].as_str();
        assert_eq!(
            [policy("a"), policy("b"), policy("c"), policy("d")],
            [Some("Snapshot"), Some("Retain"), Some("Delete"), None]
        );
    }

    #[test]
    fn limits_and_dangling_references_are_errors() {
        let many = (0..=MAX_RESOURCES).map(|n| resource(&format!("n{n}"), "AWS::SNS::Topic", Properties::new()));
        assert_eq!(export(many).unwrap_err().code(), Code::TooLarge);
        let dangling = export([
            resource("a", "apps/v1/Deployment", Properties::new()),
            resource("b", "AWS::SNS::Topic", properties! { "A" => reference("a", "") }),
        ]);
        assert_eq!(dangling.unwrap_err().code(), Code::UnknownReference);
    }

    #[test]
    fn generated_platforms_are_valid_and_export_the_same_twice() {
        let regions = ["eu-west-1", "us-east-1", "ap-southeast-2"];
        for (seed, region) in (0..50).zip(regions.into_iter().cycle()) {
            let stack = landfall_core::sample::stack(seed);
            let aws = Arc::new(Aws::new(region));
            assert!(aws.check(&stack).is_empty(), "{seed}: {:?}", aws.check(&stack));
            let export = || {
                let expanded = expand(&stack, &testing::clouds(aws.clone())).unwrap();
                template(&expanded.graph, &expanded.catalog).unwrap().to_string()
            };
            assert_eq!(export(), export(), "{seed}");
            let expanded = expand(&stack, &testing::clouds(aws.clone())).unwrap();
            for resource in expanded.graph.iter() {
                for value in resource.properties.values() {
                    value.visit_references(&mut |reference| {
                        let target = expanded.graph.get(&reference.target).unwrap();
                        let of = expanded.catalog.get(&target.type_name).unwrap();
                        let known = ["", of.identifier].contains(&reference.attribute.as_str())
                            || of.outputs.iter().any(|output| output.name == reference.attribute);
                        assert!(known, "{seed}: {}#{}", reference.target, reference.attribute);
                    });
                }
            }
            assert!(!export().contains("sample-value"), "{seed}");
        }
    }
}
