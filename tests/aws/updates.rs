//! Changes of clusters, node groups and add-ons as EKS makes them, and neither server does: one at a time, with an id by which
//! it tells how they are getting on, and at last made or failed. Also which versions of add-ons there are.
//!
//! Shapes are those of the API's model (2017-11-01). The words of refusals are EKS's own where people have quoted them.

use serde_json::{Map, Value, json};

use crate::proxy::{Answer, Request};
use crate::servers::{refused, said};

/// What is under way, and what has been.
#[derive(Default)]
pub(crate) struct Updates {
    /// How often a change is looked at before it is made: with none, it is made at once.
    looks: usize,
    ends: Vec<End>,
    /// What is done when the next change has been accepted.
    then: Option<Box<dyn FnOnce() + Send>>,
    all: Vec<Update>,
}

/// How a change ends that is not made.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// It fails: the code, the message, and what it is about.
    Failed(&'static str, &'static str, &'static str),
    /// It is said to be made, and nothing shows it.
    Unshown,
}

#[derive(Clone)]
struct Update {
    id: String,
    /// The path of what it is a change of.
    of: String,
    sort: &'static str,
    params: Vec<(&'static str, String)>,
    left: usize,
    end: Option<End>,
    request: Request,
    over: bool,
}

/// What a cluster is asked to be otherwise, and what EKS calls that.
const SORTS: [(&str, &str); 6] = [
    ("logging", "LoggingUpdate"),
    ("resourcesVpcConfig", "EndpointAccessUpdate"),
    ("accessConfig", "AccessConfigUpdate"),
    ("upgradePolicy", "UpgradePolicyUpdate"),
    ("deletionProtection", "DeletionProtectionUpdate"),
    ("zonalShiftConfig", "ZonalShiftConfigUpdate"),
];

/// What is told of a change besides its sort: as it is asked for, and as it is told.
const PARAMS: [(&str, &str); 5] = [
    ("version", "Version"),
    ("releaseVersion", "ReleaseVersion"),
    ("addonVersion", "AddonVersion"),
    ("configurationValues", "ConfigurationValues"),
    ("logging", "ClusterLogging"),
];

impl Updates {
    /// From now on a change takes so many looks.
    pub(crate) fn take(&mut self, looks: usize) {
        self.looks = looks;
    }

    /// The next change ends so.
    pub(crate) fn end(&mut self, end: End) {
        self.ends.push(end);
    }

    /// Does this as soon as a change has been accepted.
    pub(crate) fn then(&mut self, then: impl FnOnce() + Send + 'static) {
        self.then = Some(Box::new(then));
    }

    /// Every change that was accepted: of what, which sort, and its version when it has one.
    pub(crate) fn accepted(&self) -> Vec<String> {
        let told = |update: &Update| {
            let version = update.params.iter().find(|(name, _)| name.ends_with("ersion"));
            let version = version.map_or_else(String::new, |(_, value)| format!(" {value}"));
            format!("{} {}{version}", update.of, update.sort)
        };
        self.all.iter().map(told).collect()
    }

    /// Whether something is changed there that shows in its state. EKS goes on saying `ACTIVE` of a cluster whose
    /// configuration it changes.
    pub(crate) fn is_updating(&self, of: &str) -> bool {
        let shows = |one: &Update| one.sort == "VersionUpdate" || of.matches('/').count() > 2;
        self.all.iter().any(|one| one.of == of && !one.over && shows(one))
    }

    /// Takes a change on, or refuses it.
    pub(crate) fn begin(
        &mut self,
        request: &Request,
        of: &str,
        asked: &Map<String, Value>,
        now: &str,
        cluster: &str,
    ) -> Result<(String, bool), Answer> {
        let name = of.rsplit('/').next().unwrap_or_default();
        let is_cluster = of.matches('/').count() == 2;
        let sort = sort(&request.path, asked)?;
        if let Some(running) = self.all.iter().find(|one| one.of == of && !one.over) {
            let what = if is_cluster { "cluster" } else { "resource" };
            let message =
                format!("Cannot {sort} because {what} {name} currently has update {} in progress", running.id);
            return Err(refused(409, "ResourceInUseException", &message));
        }
        if let Some(wanted) = asked.get("version").and_then(Value::as_str) {
            let message = if is_cluster {
                format!("Unsupported Kubernetes minor version update from {now} to {wanted}")
            } else {
                format!("The nodes' version {wanted} is later than their cluster's: {cluster}")
            };
            if if is_cluster { minor(wanted) != minor(now) + 1 } else { minor(wanted) > minor(cluster) } {
                return Err(refused(400, "InvalidParameterException", &message));
            }
        }
        if let Some(wanted) = asked.get("addonVersion").and_then(Value::as_str)
            && !fitting(cluster).iter().any(|(version, _)| version == wanted)
        {
            return Err(refused(400, "InvalidParameterException", "Addon version specified is not supported"));
        }
        let id = format!("00000000-0000-4000-8000-{:012}", self.all.len());
        let params = PARAMS.iter().filter_map(|(name, told)| {
            let value = asked.get(*name)?;
            Some((*told, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        });
        let end = if self.ends.is_empty() { None } else { Some(self.ends.remove(0)) };
        let at_once = self.looks == 0 && end.is_none();
        self.all.push(Update {
            id: id.clone(),
            of: of.to_owned(),
            sort,
            params: params.collect(),
            left: self.looks,
            end,
            request: request.clone(),
            over: at_once,
        });
        if let Some(then) = self.then.take() {
            then();
        }
        Ok((id, at_once))
    }

    /// A look at what is changed, or at the change. What is to be made now, if it is, with the id of the change: it is over
    /// when it [was made](Self::made), so that nobody hears of it before a look shows it.
    pub(crate) fn look(&mut self, is_meant: impl Fn(&str, &str) -> bool) -> Option<(String, Request)> {
        let one = self.all.iter_mut().find(|one| !one.over && is_meant(&one.of, &one.id))?;
        let being_made = one.left == 0 && one.end.is_none();
        one.left = one.left.saturating_sub(1);
        if being_made || one.left > 0 {
            return None;
        }
        one.over = one.end.is_some();
        (!one.over).then(|| (one.id.clone(), one.request.clone()))
    }

    /// A change was made.
    pub(crate) fn made(&mut self, id: &str) {
        self.all.iter_mut().filter(|one| one.id == id).for_each(|one| one.over = true);
    }

    /// What is told of a change.
    pub(crate) fn told(&self, id: &str) -> Option<Answer> {
        let one = self.all.iter().find(|one| one.id == id)?;
        let params: Vec<Value> =
            one.params.iter().map(|(name, value)| json!({ "type": name, "value": value })).collect();
        let mut update = json!({
            "id": id, "status": "InProgress", "type": one.sort, "params": params, "createdAt": 1.764e9, "errors": [],
        });
        match &one.end {
            _ if !one.over => {}
            Some(End::Failed(code, message, id)) => {
                update["status"] = json!("Failed");
                update["errors"] = json!([{ "errorCode": code, "errorMessage": message, "resourceIds": [id] }]);
            }
            _ => update["status"] = json!("Successful"),
        }
        Some(said(200, &json!({ "update": update })))
    }
}

/// What EKS calls a change. A cluster has one sort of it at a time.
fn sort(path: &str, asked: &Map<String, Value>) -> Result<&'static str, Answer> {
    match path.rsplit('/').next() {
        Some("updates" | "update-version") => return Ok("VersionUpdate"),
        Some("update") => return Ok("AddonUpdate"),
        _ if path.contains("/node-groups/") => return Ok("ConfigUpdate"),
        _ => {}
    }
    let sorts: Vec<_> = SORTS.iter().filter(|(name, _)| asked.contains_key(*name)).collect();
    let within = asked.get("resourcesVpcConfig").and_then(Value::as_object);
    let network = |name: &&String| ["subnetIds", "securityGroupIds"].contains(&name.as_str());
    let networks = within.map_or(0, |within| within.keys().filter(network).count());
    match &sorts[..] {
        [(_, sort)] if networks == 0 => Ok(sort),
        [_] if within.is_some_and(|within| within.len() == networks) => Ok("VpcConfigUpdate"),
        _ => Err(refused(400, "InvalidParameterException", "Only one type of update can be allowed.")),
    }
}

fn minor(version: &str) -> u32 {
    version.split_once('.').and_then(|(_, minor)| minor.parse().ok()).unwrap_or_default()
}

/// The versions of each add-on that go with a version of Kubernetes, the latest first, and which of them is the default one.
fn fitting(cluster: &str) -> [(String, bool); 3] {
    let version = |minor: u32, patch: u32| format!("v1.{minor}.{patch}-eksbuild.1");
    let minor = minor(cluster);
    [(version(minor, 2), false), (version(minor, 1), true), (version(minor.saturating_sub(1), 1), false)]
}

/// The versions of an add-on.
pub(crate) fn versions(request: &Request) -> Answer {
    let query = request.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let asked: std::collections::BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let cluster = asked.get("kubernetesVersion").map(AsRef::as_ref).unwrap_or_default();
    let versions = fitting(cluster).map(|(version, default)| {
        let fits = json!([{ "clusterVersion": cluster, "platformVersions": ["*"], "defaultVersion": default }]);
        json!({ "addonVersion": version, "architecture": ["amd64", "arm64"], "compatibilities": fits })
    });
    let addon = json!({ "addonName": asked.get("addonName"), "type": "networking", "addonVersions": versions });
    said(200, &json!({ "addons": [addon] }))
}
