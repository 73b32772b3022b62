//! moto and ministack as one AWS: which of them keeps what, and what both lack or do unlike AWS.
//!
//! moto keeps EC2, KMS, IAM, logs, secrets, databases, clusters and node groups. ministack keeps buckets, caches, launch
//! templates (moto shows for ever the tags that they were made with), and what stands in a cluster besides nodes. What they
//! take and do not show again is kept here and added to their answers: no more than that, so that whatever is asked of AWS in
//! another shape than it has is still refused by a server.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::proxy::{Answer, Request, header, read_answer};

/// The two servers.
pub(crate) struct Servers {
    moto: String,
    ministack: String,
    memory: Mutex<Memory>,
}

/// What is asked for and not shown again, by the path of what it belongs to; and tags, by the ARN of what bears them.
#[derive(Default)]
struct Memory {
    beside: BTreeMap<String, Map<String, Value>>,
    tags: BTreeMap<String, BTreeMap<String, Option<String>>>,
    /// Subnets of moto, and those that stand for them in ministack.
    subnets: Vec<(String, String)>,
    /// What is asked of the insights of a database server, by its name.
    insights: BTreeMap<String, BTreeMap<&'static str, String>>,
}

/// What moto drops of a database server: as it is asked for, and as it is shown.
const INSIGHTS: [(&str, &str); 4] = [
    ("DatabaseInsightsMode", "DatabaseInsightsMode"),
    ("EnablePerformanceInsights", "PerformanceInsightsEnabled"),
    ("PerformanceInsightsKMSKeyId", "PerformanceInsightsKMSKeyId"),
    ("PerformanceInsightsRetentionPeriod", "PerformanceInsightsRetentionPeriod"),
];

/// What of a cluster and of a node group moto drops.
const DROPPED: [&str; 8] = [
    "accessConfig",
    "deletionProtection",
    "launchTemplate",
    "nodeRepairConfig",
    "updateConfig",
    "upgradePolicy",
    "version",
    "zonalShiftConfig",
];

/// What is listed in the end: the service, and the path or the action. Endpoints and NAT gateways are shown for a while after
/// they are deleted.
const LISTED: [(&str, &str); 16] = [
    ("ec2", "/?Action=DescribeAddresses"),
    ("ec2", "/?Action=DescribeFlowLogs"),
    ("ec2", "/?Action=DescribeInternetGateways"),
    ("ec2", "/?Action=DescribeLaunchTemplates"),
    ("ec2", "/?Action=DescribeRouteTables"),
    ("ec2", "/?Action=DescribeSecurityGroups"),
    ("ec2", "/?Action=DescribeSubnets"),
    ("ec2", "/?Action=DescribeVpcs"),
    ("eks", "/clusters"),
    ("elasticache", "/?Action=DescribeCacheSubnetGroups"),
    ("elasticache", "/?Action=DescribeReplicationGroups"),
    ("iam", "/?Action=ListRoles"),
    ("rds", "/?Action=DescribeDBInstances"),
    ("rds", "/?Action=DescribeDBParameterGroups"),
    ("rds", "/?Action=DescribeDBSubnetGroups"),
    ("s3", "/"),
];

impl Servers {
    pub(crate) fn new(moto: &str, ministack: &str) -> Self {
        let authority = |url: &str| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { moto: authority(moto), ministack: authority(ministack), memory: Mutex::default() }
    }

    pub(crate) fn ask(&self, request: &Request) -> Answer {
        let path = request.path.split('?').next().unwrap_or_default().replace("%3A", ":").replace("%2F", "/");
        if path.starts_with("/clusters") {
            return self.shown(self.eks(request, &path));
        }
        if let Some(arn) = path.strip_prefix("/tags/") {
            return self.tag(request, arn);
        }
        if path == "/addons/supported-versions" {
            return versions(request);
        }
        let body = String::from_utf8_lossy(&request.body);
        let scope = header(&request.head, "authorization").unwrap_or_default();
        let target = header(&request.head, "x-amz-target").unwrap_or_default();
        if scope.contains("/elasticache/") {
            return self.with_subnets(request);
        }
        if scope.contains("/rds/") {
            return self.with_insights(request);
        }
        let is_index = target.contains("ResourceGroupsTaggingAPI");
        let is_template =
            body.contains("LaunchTemplate&") || body.contains("LaunchTemplateVersion") || body.contains("=lt-");
        if scope.contains("/s3/")
            || target.contains("CloudApiService")
            || (is_index && (body.contains("elasticache") || body.contains("s3")))
            || (scope.contains("/ec2/") && (is_template || body.contains("Action=DescribeLaunchTemplates")))
        {
            return send(&self.ministack, request);
        }
        send(&self.moto, &understood(request))
    }

    /// What both list, without any mark being asked for.
    pub(crate) fn listings(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for server in [&self.moto, &self.ministack] {
            for (service, action) in LISTED {
                let scope = format!(
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-west-1/{service}/aws4_request"
                );
                let head = vec![("authorization".to_owned(), scope), ("host".to_owned(), server.clone())];
                let (path, body) = action.split_once('?').map_or((action, ""), |(path, body)| (path, body));
                let request = Request { method: "GET".to_owned(), path: path.to_owned(), head, body: Vec::new() };
                let request = if body.is_empty() { request } else { query(&request, body) };
                let answer = send(server, &request);
                all.push((
                    format!("{service} {action} of {server}"),
                    String::from_utf8_lossy(&answer.body).into_owned(),
                ));
            }
        }
        all
    }

    /// The properties of each object of a type that ministack's Cloud Control lists.
    pub(crate) fn resources(&self, type_name: &str) -> Vec<String> {
        let scope = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-west-1/cloudcontrolapi/aws4_request";
        let head = [
            ("authorization", scope),
            ("content-type", "application/x-amz-json-1.0"),
            ("host", &self.ministack),
            ("x-amz-target", "CloudApiService.ListResources"),
        ];
        let head = head.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let body = json!({ "TypeName": type_name }).to_string().into_bytes();
        let request = Request { method: "POST".to_owned(), path: "/".to_owned(), head, body };
        let answer: Value = serde_json::from_slice(&send(&self.ministack, &request).body).unwrap();
        let all = answer["ResourceDescriptions"].as_array().unwrap().iter();
        all.map(|one| one["Properties"].as_str().unwrap().to_owned()).collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is asked of EKS.
    fn eks(&self, request: &Request, path: &str) -> Answer {
        let asked: Map<String, Value> = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let verb = request.method.as_str();
        match (verb, &parts[..]) {
            ("POST", ["clusters"]) => {
                let answer = send(&self.moto, request);
                if answer.status < 300 {
                    let name = text("name");
                    send(&self.ministack, request);
                    self.remember(&format!("/clusters/{name}"), &asked);
                    // EKS makes a group for the cluster and its nodes; moto does not.
                    let group = self.cluster_group(request, &name, &asked);
                    let group = json!({ "clusterSecurityGroupId": group }).as_object().cloned().unwrap_or_default();
                    self.remember_all(&format!("/clusters/{name}"), group);
                }
                answer
            }
            ("DELETE", ["clusters", _]) => {
                let answer = send(&self.moto, request);
                if answer.status < 300 {
                    send(&self.ministack, request);
                    let group =
                        self.memory().beside.remove(path).and_then(|mut all| all.remove("clusterSecurityGroupId"));
                    let group = group.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
                    send(&self.moto, &query(&scoped(request), &format!("Action=DeleteSecurityGroup&GroupId={group}")));
                }
                answer
            }
            // Neither server knows a change by its id, and moto makes changes at once.
            ("GET", ["clusters", .., "updates", id]) => update(id),
            ("POST", [.., "updates" | "update-version"]) => {
                self.remember(path.rsplit_once('/').unwrap_or_default().0, &asked);
                update("version")
            }
            ("POST", [.., "node-groups"]) => {
                let answer = send(&self.moto, request);
                if answer.status < 300 {
                    self.remember(&format!("{path}/{}", text("nodegroupName")), &asked);
                }
                answer
            }
            ("POST", [.., "update-config"]) => {
                let of = path.rsplit_once('/').unwrap_or_default().0;
                let answer = send(&self.moto, &self.whole(request, of, asked.clone()));
                if answer.status < 300 {
                    self.remember(of, &asked);
                }
                answer
            }
            ("DELETE", [.., "node-groups", _]) => {
                self.memory().beside.remove(path);
                send(&self.moto, request)
            }
            // Of a cluster that is just gone moto says 500.
            ("GET", [.., "node-groups"]) => match send(&self.moto, request) {
                answer if answer.status == 500 => not_found(),
                answer => answer,
            },
            (_, ["clusters", _, "addons" | "access-entries" | "pod-identity-associations", ..]) => {
                send(&self.ministack, request)
            }
            _ => send(&self.moto, request),
        }
    }

    /// A change of a cluster with what is not changed in its network: moto forgets that.
    fn whole(&self, request: &Request, of: &str, mut asked: Map<String, Value>) -> Request {
        if let Some(Value::Object(network)) = asked.get_mut("resourcesVpcConfig") {
            let look = Request { method: "GET".to_owned(), path: of.to_owned(), body: Vec::new(), ..request.clone() };
            let now: Value = serde_json::from_slice(&send(&self.moto, &look).body).unwrap_or_default();
            let now = now["cluster"]["resourcesVpcConfig"].as_object().cloned().unwrap_or_default();
            network.extend(now.into_iter().filter(|(name, _)| !network.contains_key(name)).collect::<Vec<_>>());
        }
        Request { body: Value::Object(asked).to_string().into_bytes(), ..request.clone() }
    }

    fn remember(&self, path: &str, asked: &Map<String, Value>) {
        let dropped = asked.iter().filter(|(name, _)| DROPPED.contains(&name.as_str()));
        self.remember_all(path, dropped.map(|(name, value)| (name.clone(), value.clone())).collect());
    }

    fn remember_all(&self, path: &str, all: Map<String, Value>) {
        self.memory().beside.entry(path.to_owned()).or_default().extend(all);
    }

    /// The group of a cluster, in the VPC of its subnets.
    fn cluster_group(&self, request: &Request, name: &str, asked: &Map<String, Value>) -> String {
        let subnet = asked["resourcesVpcConfig"]["subnetIds"][0].as_str().unwrap_or_default().to_owned();
        let subnets =
            send(&self.moto, &query(&scoped(request), &format!("Action=DescribeSubnets&SubnetId.1={subnet}")));
        let vpc = element(&subnets, "vpcId").into_iter().next().unwrap_or_default();
        let create =
            format!("Action=CreateSecurityGroup&GroupName=eks-cluster-sg-{name}&GroupDescription=EKS&VpcId={vpc}");
        element(&send(&self.moto, &query(&scoped(request), &create)), "groupId").into_iter().next().unwrap_or_default()
    }

    /// An answer of EKS with what the servers have dropped.
    fn shown(&self, answer: Answer) -> Answer {
        let Ok(Value::Object(mut body)) = serde_json::from_slice(&answer.body) else { return answer };
        let memory = self.memory();
        for (kind, value) in &mut body {
            let Value::Object(object) = value else { continue };
            let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let path = match kind.as_str() {
                "cluster" => format!("/clusters/{}", text("name")),
                "nodegroup" => format!("/clusters/{}/node-groups/{}", text("clusterName"), text("nodegroupName")),
                _ => String::new(),
            };
            for (name, value) in memory.beside.get(&path).into_iter().flatten() {
                match name.as_str() {
                    "clusterSecurityGroupId" => object["resourcesVpcConfig"][name] = value.clone(),
                    _ => _ = object.insert(name.clone(), value.clone()),
                }
            }
            // The ARNs of what was associated, which ministack answers with as it was told.
            if let Some(associations) = object.get_mut("podIdentityAssociations") {
                *associations = json!([]);
            }
            let arns = ["arn", "nodegroupArn", "addonArn", "accessEntryArn", "associationArn"];
            let arn = arns.iter().find_map(|name| object.get(*name)?.as_str()).unwrap_or_default().to_owned();
            for (key, value) in memory.tags.get(&arn).into_iter().flatten() {
                let tags = object.entry("tags").or_insert_with(|| json!({}));
                match (value, tags.as_object_mut()) {
                    (Some(value), Some(tags)) => _ = tags.insert(key.clone(), json!(value)),
                    (None, Some(tags)) => _ = tags.remove(key),
                    _ => {}
                }
            }
        }
        Answer { body: Value::Object(body).to_string().into_bytes(), ..answer }
    }

    /// moto changes no tags but a cluster's, and ministack goes on showing those of the create.
    fn tag(&self, request: &Request, arn: &str) -> Answer {
        let mut memory = self.memory();
        let tags = memory.tags.entry(arn.to_owned()).or_default();
        if request.method == "DELETE" {
            let query = request.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
            tags.extend(url::form_urlencoded::parse(query.as_bytes()).map(|(_, key)| (key.into_owned(), None)));
        } else {
            let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let all = asked["tags"].as_object().cloned().unwrap_or_default();
            tags.extend(all.into_iter().map(|(key, value)| (key, value.as_str().map(str::to_owned))));
        }
        said(200, &json!({}))
    }

    /// Asks moto, which shows nothing of a database server's insights.
    fn with_insights(&self, request: &Request) -> Answer {
        let asked: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let answer = send(&self.moto, request);
        let mut memory = self.memory();
        if answer.status < 300
            && let Some(name) = asked.get("DBInstanceIdentifier")
        {
            let all = memory.insights.entry(name.to_lowercase()).or_default();
            all.extend(INSIGHTS.iter().filter_map(|(name, shown)| Some((*shown, asked.get(*name)?.clone()))));
        }
        let mut text = String::from_utf8_lossy(&answer.body).into_owned();
        for (name, all) in &memory.insights {
            let identifier = format!("<DBInstanceIdentifier>{name}</DBInstanceIdentifier>");
            let beside: String = all.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
            text = text.replace(&identifier, &format!("{identifier}{beside}"));
        }
        Answer { body: text.into_bytes(), ..answer }
    }

    /// Asks ministack, which knows no subnet of moto's: others stand for them on the way there, and they for these on the
    /// way back.
    fn with_subnets(&self, request: &Request) -> Answer {
        let mut body = String::from_utf8_lossy(&request.body).into_owned();
        let mut memory = self.memory();
        if memory.subnets.is_empty() && body.contains("=subnet-") {
            let all = element(&send(&self.ministack, &query(&scoped(request), "Action=DescribeSubnets")), "subnetId");
            memory.subnets = all.into_iter().map(|subnet| (String::new(), subnet)).collect();
        }
        let asked: Vec<String> =
            body.split(['=', '&']).filter(|part| part.starts_with("subnet-")).map(str::to_owned).collect();
        for subnet in asked {
            if memory.subnets.iter().all(|(known, _)| *known != subnet)
                && let Some(free) = memory.subnets.iter_mut().find(|(known, _)| known.is_empty())
            {
                free.0 = subnet;
            }
        }
        for (ours, theirs) in memory.subnets.iter().filter(|(ours, _)| !ours.is_empty()) {
            body = body.replace(ours, theirs);
        }
        let answer = send(&self.ministack, &Request { body: body.into_bytes(), ..request.clone() });
        let mut text = String::from_utf8_lossy(&answer.body).into_owned();
        for (ours, theirs) in memory.subnets.iter().filter(|(ours, _)| !ours.is_empty()) {
            text = text.replace(theirs, ours);
        }
        Answer { body: text.into_bytes(), ..answer }
    }
}

/// A request as moto understands it: it has no filter of endpoints by their ids, and answers 500. Without the filter it
/// shows more than was asked for, which a driver passes over.
fn understood(request: &Request) -> Request {
    let text = String::from_utf8_lossy(&request.body).into_owned();
    if !text.contains("Action=DescribeVpcEndpoints") || !text.contains("=vpc-endpoint-id") {
        return request.clone();
    }
    let kept: Vec<&str> = text.split('&').filter(|pair| !pair.starts_with("Filter.")).collect();
    Request { body: kept.join("&").into_bytes(), ..request.clone() }
}

/// A request to EC2, by whoever made the other one.
fn scoped(request: &Request) -> Request {
    let mut request = request.clone();
    for (_, value) in request.head.iter_mut().filter(|(name, _)| name == "authorization") {
        *value = value.replace("/eks/", "/ec2/").replace("/elasticache/", "/ec2/");
    }
    request
}

/// A request to the same service, in a protocol of queries.
fn query(request: &Request, body: &str) -> Request {
    let scope = header(&request.head, "authorization").unwrap_or_default();
    let versions = [("/iam/", "2010-05-08"), ("/rds/", "2014-10-31"), ("/elasticache/", "2015-02-02")];
    let version =
        versions.iter().find(|(service, _)| scope.contains(service)).map_or("2016-11-15", |(_, version)| version);
    let body = format!("{body}&Version={version}").into_bytes();
    let mut head: Vec<_> = request.head.iter().filter(|(name, _)| name != "content-type").cloned().collect();
    head.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    Request { method: "POST".to_owned(), path: "/".to_owned(), head, body }
}

/// The texts of all elements of this name.
fn element(answer: &Answer, name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let tag = format!("<{name}>");
    let parts = text.split(&tag).skip(1);
    parts.filter_map(|part| Some(part.split_once('<')?.0.to_owned())).collect()
}

fn said(status: u16, body: &Value) -> Answer {
    let head = vec![("content-type".to_owned(), "application/json".to_owned())];
    Answer { status, head, body: body.to_string().into_bytes() }
}

/// Neither server knows versions of add-ons.
fn versions(request: &Request) -> Answer {
    let query = request.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let asked: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let fits = json!([{ "clusterVersion": asked.get("kubernetesVersion"), "defaultVersion": true }]);
    let versions = json!([{ "addonVersion": "v1.2.3-eksbuild.1", "compatibilities": fits }]);
    said(200, &json!({ "addons": [{ "addonName": asked.get("addonName"), "addonVersions": versions }] }))
}

fn update(id: &str) -> Answer {
    said(200, &json!({ "update": { "id": id, "status": "Successful", "type": "ConfigUpdate" } }))
}

fn not_found() -> Answer {
    let mut answer = said(404, &json!({ "message": "No cluster found." }));
    answer.head.push(("x-amzn-errortype".to_owned(), "ResourceNotFoundException".to_owned()));
    answer
}

fn send(server: &str, request: &Request) -> Answer {
    let stream = TcpStream::connect(server).unwrap();
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.path);
    for (name, value) in &request.head {
        if !["connection", "content-length", "transfer-encoding", "expect"].contains(&name.as_str()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    head.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", request.body.len()));
    (&stream).write_all(head.as_bytes()).unwrap();
    (&stream).write_all(&request.body).unwrap();
    read_answer(&stream, request.method == "HEAD")
}
