//! The permissions that a platform needs, as an IAM policy: from the verbs of its native types, no wider than IAM can say.
//!
//! Whatever has a name is granted by the name, with a star for what the planner appends to a replacement; whatever has none (most
//! of EC2, KMS keys) is granted by the tag that says whose it is: asked for in the request that makes it, and on the object
//! afterwards. What only reads and cannot be narrowed down is granted on everything.
//!
//! Source: the [Service Authorization Reference](https://docs.aws.amazon.com/service-authorization/latest/reference/).

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::graph::Graph;
use landfall_core::resource::{
    Api, Catalog, Properties, RESERVED_PREFIX, ResourceType, StackId, TargetField, Value, Verb,
};
use serde_json::{Value as Json, json};

use crate::{Aws, region, types};

/// What is asked for besides the verbs of types: by the census, by messages of what is not permitted, by the checks before the
/// first change.
const ALWAYS: &[&str] = &[
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeRegions",
    "iam:GetAccountSummary",
    "rds:DescribeDBEngineVersions",
    "rds:DescribeOrderableDBInstanceOptions",
    "servicequotas:GetServiceQuota",
    "sts:DecodeAuthorizationMessage",
    "tag:GetResources",
];

/// Services that make a role of their own when they are first used in an account.
const LINKED: &[&str] = &[
    "eks.amazonaws.com",
    "eks-nodegroup.amazonaws.com",
    "elasticache.amazonaws.com",
    "rds.amazonaws.com",
    "spot.amazonaws.com",
];

/// Reads, and a few calls more, that name no resource.
const UNSCOPED: &[&str] = &[
    "ec2:RunInstances",
    "eks:DescribeAddonVersions",
    "eks:ListClusters",
    "elasticache:DescribeEvents",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListRoles",
    "kms:ListAliases",
    "kms:ListKeys",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "rds:DescribeEvents",
    "s3:ListAllMyBuckets",
    "secretsmanager:GetRandomPassword",
    "secretsmanager:ListSecrets",
];

/// What a create of EC2 makes, and what it is made in: sorts of resources in ARNs.
const EC2_CREATES: &[(&str, &str, &[&str])] = &[
    ("ec2:AllocateAddress", "elastic-ip", &[]),
    ("ec2:CreateFlowLogs", "vpc-flow-log", &["vpc"]),
    ("ec2:CreateInternetGateway", "internet-gateway", &[]),
    ("ec2:CreateLaunchTemplate", "launch-template", &[]),
    ("ec2:CreateNatGateway", "natgateway", &["elastic-ip", "subnet"]),
    ("ec2:CreateRouteTable", "route-table", &["vpc"]),
    ("ec2:CreateSecurityGroup", "security-group", &["vpc"]),
    ("ec2:CreateSubnet", "subnet", &["vpc"]),
    ("ec2:CreateVpc", "vpc", &[]),
    ("ec2:CreateVpcEndpoint", "vpc-endpoint", &["route-table", "security-group", "subnet", "vpc"]),
];

/// Sorts of resources of EC2 that carry the marks.
const EC2_SORTS: &[&str] = &[
    "elastic-ip",
    "internet-gateway",
    "launch-template",
    "natgateway",
    "route-table",
    "security-group",
    "subnet",
    "vpc",
    "vpc-endpoint",
    "vpc-flow-log",
];

/// How far a statement reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reach {
    sid: String,
    resources: Vec<String>,
    condition: Option<Condition>,
}

/// Operator, key, values.
type Condition = (&'static str, String, Vec<String>);

impl Aws {
    /// The IAM policy that applies, changes, watches and takes away everything of this graph in this account: a document for
    /// whoever runs the platform, with nothing in it that the platform does not ask for.
    ///
    /// A managed policy holds 6 144 characters without white space; a platform with everything in it needs somewhat more, and
    /// then the statements go into two policies. The ledger's bucket is in [`Aws::ledger_policy`].
    ///
    /// Of a type that Cloud Control keeps, the calls to Cloud Control are in it, and not what the type's handlers call in the
    /// caller's name: that stands in the type's schema, under `handlers.*.permissions`, and is added by the caller:
    ///
    /// ```text
    /// aws cloudformation describe-type --type RESOURCE --type-name AWS::SQS::Queue --query Schema --output text
    /// ```
    ///
    /// ```
    /// use landfall_aws::Aws;
    /// use landfall_core::graph::Graph;
    /// use landfall_core::resource::StackId;
    /// use serde_json::json;
    ///
    /// let aws = Aws::new("eu-west-1");
    /// let mut policy = aws.policy("123456789012", &StackId::new("inferloop", "dev"), &Graph::default());
    /// let queues = json!({
    ///     "Sid": "Queues",
    ///     "Effect": "Allow",
    ///     "Action": ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags",
    ///         "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"],
    ///     "Resource": "arn:aws:sqs:eu-west-1:123456789012:inferloop-dev-*",
    /// });
    /// let lists = json!({ "Sid": "QueueLists", "Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*" });
    /// policy["Statement"].as_array_mut().unwrap().extend([queues, lists]);
    /// ```
    #[must_use]
    pub fn policy(&self, account: &str, stack: &StackId, graph: &Graph) -> Json {
        let place = Place { partition: region::partition(&self.region), region: &self.region, account, stack };
        let catalog = Catalog::new(types::all()).with_generic(graph.iter().map(|resource| &*resource.type_name));
        let mut grants = Grants::default();
        grants.add(place.everything(), ALWAYS);
        for resource in graph.iter() {
            let Ok(of) = catalog.get(&resource.type_name) else { continue };
            if of.api == Api::Aws {
                place.grant(of, &resource.properties, graph, &mut grants);
            }
        }
        grants.document()
    }
}

/// Statements in the making: the actions of each reach.
#[derive(Debug, Default)]
struct Grants(BTreeMap<Reach, BTreeSet<String>>);

impl Grants {
    fn add(&mut self, reach: Reach, actions: &[&str]) {
        self.0.entry(reach).or_default().extend(actions.iter().map(|action| (*action).to_owned()));
    }

    /// One statement for each purpose and condition, with all their actions and resources.
    fn document(self) -> Json {
        type Granted = (BTreeSet<String>, BTreeSet<String>);
        let mut merged: BTreeMap<(String, Option<Condition>), Granted> = BTreeMap::new();
        for (reach, granted) in self.0 {
            let (actions, resources) = merged.entry((reach.sid, reach.condition)).or_default();
            actions.extend(granted);
            resources.extend(reach.resources);
        }
        let statements: Vec<Json> = merged
            .into_iter()
            .map(|((sid, condition), (actions, resources))| {
                let mut statement = json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources });
                if let Some((operator, key, values)) = condition {
                    let values = if values.len() == 1 { json!(values[0]) } else { json!(values) };
                    statement["Condition"] = json!({ operator: { key: values } });
                }
                statement
            })
            .collect();
        json!({ "Version": "2012-10-17", "Statement": statements })
    }
}

/// Where things are, for ARNs.
struct Place<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
    stack: &'a StackId,
}

impl Place<'_> {
    fn everything(&self) -> Reach {
        Reach { sid: "Read".to_owned(), resources: vec!["*".to_owned()], condition: None }
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        let region = if service == "iam" { "" } else { self.region };
        format!("arn:{}:{service}:{region}:{}:{resource}", self.partition, self.account)
    }

    fn mark(&self) -> Vec<String> {
        vec![self.stack.to_string()]
    }

    fn on_ours(&self, sid: &str, resources: Vec<String>) -> Reach {
        let condition = ("StringEquals", format!("aws:ResourceTag/{RESERVED_PREFIX}stack"), self.mark());
        Reach { sid: sid.to_owned(), resources, condition: Some(condition) }
    }

    fn as_ours(&self, sid: &str, resources: Vec<String>) -> Reach {
        let condition = ("StringEquals", format!("aws:RequestTag/{RESERVED_PREFIX}stack"), self.mark());
        Reach { sid: sid.to_owned(), resources, condition: Some(condition) }
    }

    fn grant(&self, of: &ResourceType, properties: &Properties, graph: &Graph, grants: &mut Grants) {
        if of.verbs.create.is_empty() {
            return self.grant_by_cloud_control(grants);
        }
        let named = self.named(&of.name, properties, graph);
        for verb in [Verb::Read, Verb::Create, Verb::Update, Verb::Delete] {
            for action in of.verbs.of(verb) {
                self.grant_action(action, &of.name, properties, graph, &named, grants);
            }
        }
    }

    fn grant_action(
        &self,
        action: &str,
        type_name: &str,
        properties: &Properties,
        graph: &Graph,
        named: &[String],
        grants: &mut Grants,
    ) {
        let (service, call) = action.split_once(':').unwrap_or((action, ""));
        let sid = |what: &str| {
            let service = match service {
                "ec2" => "Ec2",
                "eks" => "Eks",
                "iam" => "Iam",
                "kms" => "Kms",
                "logs" => "Logs",
                "rds" => "Rds",
                "s3" => "S3",
                "elasticache" => "ElastiCache",
                "secretsmanager" => "Secrets",
                _ => "Other",
            };
            format!("{service}{what}")
        };
        let sorts = |sorts: &[&str]| sorts.iter().map(|sort| self.arn("ec2", &format!("{sort}/*"))).collect::<Vec<_>>();
        let attribute = action == "ec2:DescribeVpcAttribute";
        if UNSCOPED.contains(&action) || (service == "ec2" && call.starts_with("Describe") && !attribute) {
            return grants.add(self.everything(), &[action]);
        }
        match action {
            "ec2:DisassociateNatGatewayAddress" => {
                grants.add(self.on_ours(&sid("Change"), sorts(EC2_SORTS)), &[action]);
                // The gateway's own, which bears no marks.
                let resources = sorts(&["network-interface"]);
                grants.add(Reach { sid: sid("Interfaces"), resources, condition: None }, &[action]);
            }
            "ec2:CreateTags" => {
                // In the request that makes it, and on what is ours.
                let creates: Vec<String> = EC2_CREATES
                    .iter()
                    .filter_map(|(create, ..)| create.split_once(':').map(|(_, call)| call.to_owned()))
                    .collect();
                let condition = Some(("StringEquals", "ec2:CreateAction".to_owned(), creates));
                grants.add(Reach { sid: sid("TagNew"), resources: sorts(EC2_SORTS), condition }, &[action]);
                grants.add(self.on_ours(&sid("Change"), sorts(EC2_SORTS)), &[action]);
            }
            "iam:CreateServiceLinkedRole" => {
                let services = LINKED.iter().map(|service| (*service).to_owned()).collect();
                let condition = Some(("StringEquals", "iam:AWSServiceName".to_owned(), services));
                let resources = vec![self.arn("iam", "role/aws-service-role/*")];
                grants.add(Reach { sid: sid("Linked"), resources, condition }, &[action]);
            }
            "eks:CreateCluster" => {
                grants.add(self.as_ours(&sid("Create"), vec!["*".to_owned()]), &[action]);
            }
            "kms:CreateKey" => {
                grants.add(self.as_ours(&sid("Create"), vec!["*".to_owned()]), &[action]);
            }
            _ if service == "kms" => {
                grants.add(self.on_ours(&sid("Change"), vec![self.arn("kms", "key/*")]), &[action]);
                if call.contains("Alias") {
                    let reach = Reach { sid: sid("Alias"), resources: named.to_vec(), condition: None };
                    grants.add(reach, &[action]);
                }
            }
            _ if service == "ec2" => match EC2_CREATES.iter().find(|(create, ..)| *create == action) {
                Some((_, sort, within)) => {
                    grants.add(self.as_ours(&sid("Create"), sorts(&[sort])), &[action]);
                    if !within.is_empty() {
                        grants.add(self.on_ours(&sid("CreateWithin"), sorts(within)), &[action]);
                    }
                }
                None => {
                    grants.add(self.on_ours(&sid("Change"), sorts(EC2_SORTS)), &[action]);
                    if call.contains("SecurityGroup") {
                        let rules = sorts(&["security-group-rule"]);
                        grants.add(Reach { sid: sid("Rules"), resources: rules, condition: None }, &[action]);
                        self.grant_groups_of_clusters(action, type_name, properties, graph, grants);
                    }
                }
            },
            // Keys, secrets and roles that belong to another service's thing.
            "secretsmanager:CreateSecret" | "secretsmanager:TagResource" if type_name.starts_with("AWS::RDS::") => {
                let resources = vec![self.arn("secretsmanager", "secret:rds!*")];
                grants.add(Reach { sid: sid("OfDatabases"), resources, condition: None }, &[action]);
            }
            "secretsmanager:GetSecretValue" | "iam:PassRole" | "iam:GetRole" | "iam:ListAttachedRolePolicies" => {
                let resources = self.all_named(service, graph);
                grants.add(Reach { sid: sid("Named"), resources, condition: None }, &[action]);
            }
            _ => {
                let resources = self.of_service(service, type_name, named, graph);
                grants.add(Reach { sid: sid("Named"), resources, condition: None }, &[action]);
            }
        }
    }

    /// What EKS makes for a cluster bears EKS's tags and not ours.
    fn grant_groups_of_clusters(
        &self,
        action: &str,
        type_name: &str,
        properties: &Properties,
        graph: &Graph,
        grants: &mut Grants,
    ) {
        if !type_name.starts_with("AWS::EC2::SecurityGroup") {
            return;
        }
        let mut clusters = BTreeSet::new();
        for value in properties.values() {
            value.visit_references(&mut |reference| {
                let target = graph.get(&reference.target).filter(|target| target.type_name == "AWS::EKS::Cluster");
                clusters.extend(target.map(|target| self.pattern(target.properties.get("Name"))));
            });
        }
        if !clusters.is_empty() {
            let condition =
                Some(("StringLike", "aws:ResourceTag/aws:eks:cluster-name".to_owned(), clusters.into_iter().collect()));
            let resources = vec![self.arn("ec2", "security-group/*")];
            grants.add(Reach { sid: "Ec2OfClusters".to_owned(), resources, condition }, &[action]);
        }
    }

    /// Types without calls of ours. IAM cannot narrow these calls down. What the type's handlers call in the caller's name is in
    /// its schema, which is not at hand here.
    fn grant_by_cloud_control(&self, grants: &mut Grants) {
        let actions = [
            "cloudformation:CreateResource",
            "cloudformation:DeleteResource",
            "cloudformation:GetResource",
            "cloudformation:GetResourceRequestStatus",
            "cloudformation:ListResourceRequests",
            "cloudformation:ListResources",
            "cloudformation:UpdateResource",
        ];
        grants.add(Reach { sid: "CloudControl".to_owned(), ..self.everything() }, &actions);
    }

    /// The ARNs by which IAM knows an object of a type with names, with a star for what is appended to a replacement.
    fn named(&self, type_name: &str, properties: &Properties, graph: &Graph) -> Vec<String> {
        let name = |property: &str| self.pattern(properties.get(property));
        let cluster = || match properties.get("ClusterName") {
            Some(Value::Reference(reference)) => {
                self.pattern(graph.get(&reference.target).and_then(|cluster| cluster.properties.get("Name")))
            }
            other => self.pattern(other),
        };
        match type_name {
            "AWS::EKS::AccessEntry" => vec![self.arn("eks", &format!("access-entry/{}/*", cluster()))],
            "AWS::EKS::Addon" => vec![self.arn("eks", &format!("addon/{}/*", cluster()))],
            "AWS::EKS::Cluster" => vec![self.arn("eks", &format!("cluster/{}", name("Name")))],
            "AWS::EKS::Nodegroup" => vec![self.arn("eks", &format!("nodegroup/{}/*", cluster()))],
            "AWS::EKS::PodIdentityAssociation" => {
                vec![self.arn("eks", &format!("podidentityassociation/{}/*", cluster()))]
            }
            // The name is made from the stack's.
            "AWS::ElastiCache::ParameterGroup" => vec![self.arn("elasticache", "parametergroup:*")],
            "AWS::ElastiCache::ReplicationGroup" => {
                let id = name("ReplicationGroupId");
                ["cluster", "replicationgroup", "snapshot"]
                    .map(|sort| self.arn("elasticache", &format!("{sort}:{id}")))
                    .to_vec()
            }
            "AWS::ElastiCache::SubnetGroup" => {
                vec![self.arn("elasticache", &format!("subnetgroup:{}", name("CacheSubnetGroupName")))]
            }
            "AWS::IAM::Role" => vec![self.arn("iam", &format!("role/{}", name("RoleName")))],
            "AWS::KMS::Alias" => {
                let name = self.pattern(properties.get("AliasName"));
                vec![self.arn("kms", &name)]
            }
            "AWS::Logs::LogGroup" => {
                let name = name("LogGroupName");
                vec![self.arn("logs", &format!("log-group:{name}")), self.arn("logs", &format!("log-group:{name}:*"))]
            }
            "AWS::RDS::DBInstance" => {
                let id = name("DBInstanceIdentifier");
                vec![self.arn("rds", &format!("db:{id}")), self.arn("rds", &format!("snapshot:{id}"))]
            }
            "AWS::RDS::DBParameterGroup" => vec![self.arn("rds", &format!("pg:{}", name("DBParameterGroupName")))],
            "AWS::RDS::DBSubnetGroup" => vec![self.arn("rds", &format!("subgrp:{}", name("DBSubnetGroupName")))],
            "AWS::S3::Bucket" => vec![format!("arn:{}:s3:::{}", self.partition, name("BucketName"))],
            "AWS::SecretsManager::Secret" => vec![self.arn("secretsmanager", &format!("secret:{}", name("Name")))],
            _ => Vec::new(),
        }
    }

    /// The ARNs that an action of a service may be about, when it is granted for this object.
    fn of_service(&self, service: &str, type_name: &str, named: &[String], graph: &Graph) -> Vec<String> {
        let own = type_name.split("::").nth(1).is_some_and(|family| family.eq_ignore_ascii_case(service));
        let mut all = if own && !named.is_empty() { named.to_vec() } else { self.all_named(service, graph) };
        match service {
            // A server is made with its groups, and with option groups and parameter groups of AWS's own.
            "rds" if type_name == "AWS::RDS::DBInstance" => {
                all.extend(self.all_named(service, graph));
                all.extend([self.arn("rds", "og:default*"), self.arn("rds", "pg:default*")]);
            }
            "elasticache" if type_name == "AWS::ElastiCache::ReplicationGroup" => {
                all.extend(self.all_named(service, graph));
                all.push(self.arn("elasticache", "parametergroup:*"));
            }
            "eks" => all.extend(self.all_named(service, graph)),
            _ => {}
        }
        all.sort();
        all.dedup();
        all
    }

    /// The ARNs of everything of a service that this graph names.
    fn all_named(&self, service: &str, graph: &Graph) -> Vec<String> {
        let all = graph.iter().flat_map(|resource| self.named(&resource.type_name, &resource.properties, graph));
        let mut all: Vec<String> = all.filter(|arn| arn.split(':').nth(2) == Some(service)).collect();
        all.sort();
        all.dedup();
        all
    }

    /// A name as a pattern: by the stack's own prefix where it begins with it, else the whole name; a star for what is not
    /// known before an apply, and at the end for what is appended to a replacement.
    fn pattern(&self, name: Option<&Value>) -> String {
        let text = name.map_or_else(|| "*".to_owned(), |name| self.known(name));
        let prefix = format!("{}-", self.stack);
        match text.find(&prefix) {
            Some(at) if at == 0 || text[..at].ends_with(['/', '-', '_', '.']) => format!("{}{prefix}*", &text[..at]),
            _ if text.ends_with('*') => text,
            _ => format!("{text}*"),
        }
    }

    fn known(&self, value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Target(TargetField::Account) => self.account.to_owned(),
            Value::Target(TargetField::Region) => self.region.to_owned(),
            Value::Target(TargetField::Partition) => self.partition.to_owned(),
            Value::Join(parts) => parts.iter().map(|part| self.known(part)).collect(),
            _ => "*".to_owned(),
        }
    }
}
