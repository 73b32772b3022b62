//! moto and ministack as one AWS: which of them keeps what, and what both lack or do unlike AWS.
//!
//! moto keeps EC2, KMS, IAM, logs, secrets, databases, clusters and node groups. ministack keeps buckets, caches, launch
//! templates (moto shows for ever the tags that they were made with), and what stands in a cluster besides nodes. What they
//! take and do not show again is kept here and added to their answers: no more than that, so that whatever is asked of AWS in
//! another shape than it has is still refused by a server.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::proxy::{Answer, Request, header, read_answer};
use crate::updates::{Updates, versions};

/// The two servers.
pub(crate) struct Servers {
    moto: String,
    ministack: String,
    memory: Mutex<Memory>,
    updates: Mutex<Updates>,
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
const DROPPED: [&str; 9] = [
    "accessConfig",
    "deletionProtection",
    "launchTemplate",
    "nodeRepairConfig",
    "releaseVersion",
    "updateConfig",
    "upgradePolicy",
    "version",
    "zonalShiftConfig",
];

/// What names the account of a request to moto.
pub(crate) const ACCOUNT: &str = "x-moto-account-id";

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
        Self {
            moto: authority(moto),
            ministack: authority(ministack),
            memory: Mutex::default(),
            updates: Mutex::default(),
        }
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
            // moto loses a group of subnets that is modified and resets no parameter: such groups are told by their names.
            let alone = body.contains("alone-");
            if alone {
                return self.with_subnets(request);
            }
            for list in ["DBSubnetGroup", "DBParameterGroup"] {
                if body.contains(&format!("Action=Describe{list}s")) && !body.contains(&format!("{list}Name=")) {
                    return self.both_lists(request, list);
                }
            }
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
                let answer = send(server, &listing(server, service, action));
                all.push((
                    format!("{service} {action} of {server}"),
                    String::from_utf8_lossy(&answer.body).into_owned(),
                ));
            }
        }
        all
    }

    /// What both servers list.
    fn both_lists(&self, request: &Request, list: &str) -> Answer {
        let text = |answer: &Answer| String::from_utf8_lossy(&answer.body).into_owned();
        let (answer, other) = (send(&self.moto, request), text(&self.with_subnets(request)));
        let (open, close) = (format!("<{list}s>"), format!("</{list}s>"));
        let more = other.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |(more, _)| more);
        let all = match text(&answer) {
            all if all.contains(&close) => all.replace(&close, &format!("{more}{close}")),
            all => all.replace(&format!("<{list}s/>"), &format!("{open}{more}{close}")),
        };
        Answer { body: all.into_bytes(), ..answer }
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

    /// Has moto begin an account, one after the other: it is busy with nothing else for some seconds then, and what asks
    /// meanwhile may wait longer than it does.
    pub(crate) fn begin(&self, account: &str) {
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        for (service, action) in LISTED {
            let mut request = listing(&self.moto, service, action);
            request.head.push((ACCOUNT.to_owned(), account.to_owned()));
            send(&self.moto, &request);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The changes that EKS makes.
    pub(crate) fn updates(&self) -> MutexGuard<'_, Updates> {
        self.updates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A change that is asked for: made at once, or taken on.
    fn change(&self, request: &Request, path: &str, asked: &Map<String, Value>) -> Answer {
        let of = path.rsplit_once('/').unwrap_or_default().0;
        let cluster: String = of.split('/').take(3).collect::<Vec<_>>().join("/");
        let version = |of: &str| {
            let look = Request { method: "GET".to_owned(), path: of.to_owned(), body: Vec::new(), ..request.clone() };
            let body: Value = serde_json::from_slice(&self.shown(send(&self.moto, &look)).body).unwrap_or_default();
            ["cluster", "nodegroup"].iter().find_map(|kind| Some(body[*kind]["version"].as_str()?.to_owned()))
        };
        let (now, cluster) = (version(of).unwrap_or_default(), version(&cluster).unwrap_or_default());
        let begun = self.updates().begin(request, of, asked, &now, &cluster);
        match begun {
            Err(refused) => refused,
            Ok((_, true)) => self.make(request, path, asked),
            Ok((id, false)) => self.updates().told(&id).unwrap_or_else(not_found),
        }
    }

    /// A look at what is changed, or at a change, which it may bring to its end.
    fn look(&self, is_meant: impl Fn(&str, &str) -> bool) {
        let due = self.updates().look(is_meant);
        if let Some((id, request)) = due {
            let path = request.path.clone();
            let asked = serde_json::from_slice(&request.body).unwrap_or_default();
            let made = self.make(&request, &path, &asked);
            assert!(made.status < 300, "{path}: {}", String::from_utf8_lossy(&made.body));
            self.updates().made(&id);
        }
    }

    /// Has a change made by a server, or remembers it where none can.
    fn make(&self, request: &Request, path: &str, asked: &Map<String, Value>) -> Answer {
        let (of, verb) = path.rsplit_once('/').unwrap_or_default();
        match verb {
            "update" => send(&self.ministack, request),
            "update-config" => {
                let answer = send(&self.moto, &self.whole(request, of, asked.clone()));
                if answer.status < 300 {
                    self.remember(of, asked);
                }
                answer
            }
            _ => {
                self.remember(of, asked);
                update("version")
            }
        }
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
            // Neither server knows a change by its id.
            ("GET", ["clusters", .., "updates", id]) => {
                self.look(|_, known| known == *id);
                self.updates().told(id).unwrap_or_else(|| update(id))
            }
            ("POST", [.., "updates" | "update-version" | "update-config"] | ["clusters", _, "addons", _, "update"]) => {
                self.change(request, path, &asked)
            }
            ("POST", [.., "node-groups"]) => {
                let answer = send(&self.moto, request);
                if answer.status < 300 {
                    self.remember(&format!("{path}/{}", text("nodegroupName")), &asked);
                }
                answer
            }
            ("GET", ["clusters", _] | ["clusters", _, "node-groups" | "addons", _]) => {
                self.look(|of, _| of == path);
                send(if parts.get(2) == Some(&"addons") { &self.ministack } else { &self.moto }, request)
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

    /// A change of a cluster with what is not changed in its network and of its logs: moto forgets that.
    fn whole(&self, request: &Request, of: &str, mut asked: Map<String, Value>) -> Request {
        let look = Request { method: "GET".to_owned(), path: of.to_owned(), body: Vec::new(), ..request.clone() };
        let now: Value = serde_json::from_slice(&send(&self.moto, &look).body).unwrap_or_default();
        if let Some(Value::Object(network)) = asked.get_mut("resourcesVpcConfig") {
            let now = now["cluster"]["resourcesVpcConfig"].as_object().cloned().unwrap_or_default();
            network.extend(now.into_iter().filter(|(name, _)| !network.contains_key(name)).collect::<Vec<_>>());
        }
        if let Some(logging) = asked.get_mut("logging") {
            let of = |logging: &Value, enabled: bool| -> BTreeSet<String> {
                let setups = logging["clusterLogging"].as_array().cloned().unwrap_or_default();
                let setups = setups.into_iter().filter(|setup| setup["enabled"] == enabled);
                let types = setups.flat_map(|setup| setup["types"].as_array().cloned().unwrap_or_default());
                types.filter_map(|one| one.as_str().map(str::to_owned)).collect()
            };
            let on = of(&now["cluster"]["logging"], true);
            let on: BTreeSet<_> = &(&on | &of(logging, true)) - &of(logging, false);
            *logging = json!({ "clusterLogging": [{ "types": on, "enabled": true }] });
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
                "addon" => format!("/clusters/{}/addons/{}", text("clusterName"), text("addonName")),
                _ => String::new(),
            };
            if self.updates().is_updating(&path) {
                object.insert("status".to_owned(), json!("UPDATING"));
            }
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
            let off = all.get("PerformanceInsightsEnabled").is_some_and(|value| value == "false");
            // What belongs to insights is shown while they are on.
            let shown = all
                .iter()
                .filter(|(name, _)| !off || !name.starts_with("PerformanceInsights") || name.ends_with("Enabled"));
            let beside: String = shown.map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
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

/// What asks a server to list something.
fn listing(server: &str, service: &str, action: &str) -> Request {
    let scope = format!("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-west-1/{service}/aws4_request");
    let head = vec![("authorization".to_owned(), scope), ("host".to_owned(), server.to_owned())];
    let (path, body) = action.split_once('?').map_or((action, ""), |(path, body)| (path, body));
    let request = Request { method: "GET".to_owned(), path: path.to_owned(), head, body: Vec::new() };
    if body.is_empty() { request } else { query(&request, body) }
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
        *value = value.replace("/eks/", "/ec2/").replace("/elasticache/", "/ec2/").replace("/rds/", "/ec2/");
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

pub(crate) fn said(status: u16, body: &Value) -> Answer {
    let head = vec![("content-type".to_owned(), "application/json".to_owned())];
    Answer { status, head, body: body.to_string().into_bytes() }
}

fn update(id: &str) -> Answer {
    said(200, &json!({ "update": { "id": id, "status": "Successful", "type": "ConfigUpdate" } }))
}

fn not_found() -> Answer {
    refused(404, "ResourceNotFoundException", "No cluster found.")
}

/// A refusal in EKS's form.
pub(crate) fn refused(status: u16, code: &str, message: &str) -> Answer {
    let mut answer = said(status, &json!({ "message": message }));
    answer.head.push(("x-amzn-errortype".to_owned(), code.to_owned()));
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
