//! Ids and outputs that look like the cloud's own, drawn from a seed and a name.

use super::random::Random;
use crate::driver::Target;
use crate::resource::{Api, IdentityClass, Properties, ResourceType, Shape, Value};

const HEX: &[u8] = b"0123456789abcdef";
const BASE36: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const DIGITS: &[u8] = b"0123456789";

/// What an object's id and outputs are made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make<'a> {
    pub(super) of: &'a ResourceType,
    pub(super) seed: u64,
    /// Which object it is: the same one gets the same values, however often they are made.
    pub(super) slot: &'a str,
    pub(super) target: &'a Target,
    pub(super) properties: &'a Properties,
}

impl Make<'_> {
    /// The id by which the cloud knows the object, and all outputs with the identifier among them.
    pub(super) fn all(self) -> (String, Properties) {
        let id = self.id();
        let outputs = self.of.outputs.iter().map(|output| {
            let value = match output.shape {
                Shape::Text(template) => Value::Text(self.fill(template, output.name, &id)),
                Shape::Integer(number) => Value::Integer(number),
                Shape::Property(path) => at(self.properties, path).cloned().unwrap_or_default(),
            };
            (output.name.to_owned(), value)
        });
        let mut outputs: Properties = outputs.collect();
        outputs.insert(self.of.identifier.to_owned(), Value::Text(id.clone()));
        (id, outputs)
    }

    fn id(self) -> String {
        let of = self.of;
        let shaped = of.outputs.iter().find(|output| output.name == of.identifier).map(|output| output.shape);
        match shaped {
            Some(Shape::Text(template)) => return self.fill(template, of.identifier, ""),
            Some(Shape::Integer(number)) => return number.to_string(),
            Some(Shape::Property(path)) => return at(self.properties, path).map(plain).unwrap_or_default(),
            None => {}
        }
        if let Some(Value::Text(text)) = at(self.properties, of.identifier) {
            return text.clone();
        }
        let name = self.name();
        match of.api {
            Api::Kubernetes if of.identifier == "uid" => self.fill("{uuid}", "uid", ""),
            _ => match known_id(&of.name) {
                Some(template) => self.fill(template, "id", ""),
                None if !name.is_empty() => name,
                None => {
                    let last = of.name.rsplit([':', '/', '.']).next().unwrap_or_default().to_lowercase();
                    self.fill(&format!("{last}-{{hex17}}"), "id", "")
                }
            },
        }
    }

    /// The class A name.
    fn name(self) -> String {
        let IdentityClass::Named(paths) = self.of.identity else { return String::new() };
        paths.last().and_then(|path| at(self.properties, path)).map(plain).unwrap_or_default()
    }

    fn fill(self, template: &str, output: &str, id: &str) -> String {
        let mut random = Random::of(self.seed, &["output", self.slot, output]);
        let mut text = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let Some((word, after)) = after.split_once('}') else {
                text.push('{');
                rest = after;
                break;
            };
            rest = after;
            match word {
                "account" => text.push_str(&self.target.account),
                "region" => text.push_str(&self.target.region),
                "partition" => text.push_str(&self.target.partition),
                "name" => text.push_str(&self.name()),
                "id" => text.push_str(id),
                // AWS's long ids begin with a zero to this day.
                "hex17" => text.push_str(&format!("0{}", random.text(HEX, 16))),
                "hex32" => text.push_str(&random.text(HEX, 32)),
                "uuid" => text.push_str(&random.uuid()),
                "digits" => text.push_str(&random.text(DIGITS, 12)),
                // Unique ids of IAM are in capitals, parts of host names are not.
                "base36" if text.ends_with(|c: char| c.is_ascii_uppercase()) => {
                    text.push_str(&random.text(BASE36, 17).to_uppercase());
                }
                "base36" => text.push_str(&random.text(BASE36, 12)),
                property => text.push_str(&at(self.properties, property).map(plain).unwrap_or_default()),
            }
        }
        text.push_str(rest);
        text
    }
}

/// The value at a dotted path of properties, or at a name that holds dots.
pub(super) fn at<'a>(properties: &'a Properties, path: &str) -> Option<&'a Value> {
    crate::driver::output(properties, path)
}

/// A simple value as text.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Null => String::new(),
        other => other.to_json().to_string(),
    }
}

/// Templates of the ids of types whose identifier is neither a property nor described as an output.
fn known_id(type_name: &str) -> Option<&'static str> {
    Some(match type_name {
        "AWS::EC2::VPC" => "vpc-{hex17}",
        "AWS::EC2::Subnet" => "subnet-{hex17}",
        "AWS::EC2::RouteTable" => "rtb-{hex17}",
        "AWS::EC2::Route" => "{RouteTableId}|{DestinationCidrBlock}",
        "AWS::EC2::SubnetRouteTableAssociation" => "rtbassoc-{hex17}",
        "AWS::EC2::InternetGateway" => "igw-{hex17}",
        "AWS::EC2::VPCGatewayAttachment" => "IGW|{VpcId}",
        "AWS::EC2::NatGateway" => "nat-{hex17}",
        "AWS::EC2::EIP" => "eipalloc-{hex17}",
        "AWS::EC2::SecurityGroup" => "sg-{hex17}",
        "AWS::EC2::SecurityGroupIngress" | "AWS::EC2::SecurityGroupEgress" => "sgr-{hex17}",
        "AWS::EC2::LaunchTemplate" => "lt-{hex17}",
        "AWS::EC2::VPCEndpoint" => "vpce-{hex17}",
        "AWS::EC2::FlowLog" => "fl-{hex17}",
        "AWS::EC2::NetworkAcl" => "acl-{hex17}",
        "AWS::EC2::NetworkInterface" => "eni-{hex17}",
        "AWS::EC2::Volume" => "vol-{hex17}",
        "AWS::EC2::Instance" => "i-{hex17}",
        "AWS::EC2::TransitGateway" => "tgw-{hex17}",
        "AWS::EC2::VPCPeeringConnection" => "pcx-{hex17}",
        "AWS::EC2::DHCPOptions" => "dopt-{hex17}",
        "AWS::EFS::FileSystem" => "fs-{hex17}",
        "AWS::EKS::AccessEntry" => "{PrincipalArn}|{ClusterName}",
        "AWS::EKS::Addon" => "{ClusterName}|{AddonName}",
        "AWS::EKS::Nodegroup" => "{ClusterName}/{NodegroupName}",
        "AWS::EKS::PodIdentityAssociation" => "a-{base36}",
        "AWS::KMS::Key" | "AWS::Lambda::EventSourceMapping" => "{uuid}",
        "AWS::SecretsManager::Secret" => "arn:{partition}:secretsmanager:{region}:{account}:secret:{Name}-{base36}",
        "AWS::CertificateManager::Certificate" => "arn:{partition}:acm:{region}:{account}:certificate/{uuid}",
        "AWS::SNS::Topic" => "arn:{partition}:sns:{region}:{account}:{TopicName}",
        "AWS::SQS::Queue" => "https://sqs.{region}.amazonaws.com/{account}/{QueueName}",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Output;
    use crate::{map, properties};

    fn target() -> Target {
        Target {
            cloud: "aws".into(),
            partition: "aws".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
        }
    }

    fn make(of: &ResourceType, slot: &str, properties: &Properties) -> (String, Properties) {
        Make { of, seed: 7, slot, target: &target(), properties }.all()
    }

    #[test]
    fn an_id_is_a_property_a_shape_or_what_is_known_of_the_type() {
        let vpc = ResourceType { name: "AWS::EC2::VPC".into(), identifier: "VpcId", ..ResourceType::DEFAULT };
        let (id, outputs) = make(&vpc, "a", &properties! {});
        assert!(id.starts_with("vpc-0") && id.len() == 21, "{id}");
        assert_eq!(outputs["VpcId"], Value::from(&id));
        assert_eq!(make(&vpc, "a", &properties! {}).0, id);
        assert_ne!(make(&vpc, "b", &properties! {}).0, id);

        let role = ResourceType {
            name: "AWS::IAM::Role".into(),
            identity: IdentityClass::Named(&["RoleName"]),
            identifier: "RoleName",
            outputs: &[
                Output { name: "Arn", shape: Shape::Text("arn:{partition}:iam::{account}:role/{name}") },
                Output { name: "RoleId", shape: Shape::Text("AROA{base36}") },
            ],
            ..ResourceType::DEFAULT
        };
        let (id, outputs) = make(&role, "a", &properties! { "RoleName" => "nodes" });
        assert_eq!(id, "nodes");
        assert_eq!(outputs["Arn"].as_str(), Some("arn:aws:iam::123456789012:role/nodes"));
        let unique = outputs["RoleId"].as_str().unwrap();
        assert!(unique.len() == 21 && unique.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()), "{unique}");
    }

    #[test]
    fn templates_take_nested_properties_and_the_id() {
        let of = ResourceType {
            name: "v1/Service".into(),
            api: Api::Kubernetes,
            identifier: "metadata.name",
            outputs: &[
                Output { name: "host", shape: Shape::Text("{metadata.name}.{metadata.namespace}.svc") },
                Output { name: "self", shape: Shape::Text("services/{id}") },
                Output { name: "port", shape: Shape::Integer(80) },
                Output { name: "type", shape: Shape::Property("spec.type") },
            ],
            ..ResourceType::DEFAULT
        };
        let properties = properties! {
            "metadata" => map! { "name" => "web", "namespace" => "shop" },
            "spec" => map! { "type" => "ClusterIP" },
        };
        let (id, outputs) = make(&of, "a", &properties);
        assert_eq!(id, "web");
        assert_eq!(outputs["host"].as_str(), Some("web.shop.svc"));
        assert_eq!(outputs["self"].as_str(), Some("services/web"));
        assert_eq!(outputs["port"].as_i64(), Some(80));
        assert_eq!(outputs["type"].as_str(), Some("ClusterIP"));
    }
}
