//! Things that live in other things: Kubernetes objects in their cluster, databases and roles in their server.

use super::object::{self, Object, Phase};
use super::shape::at;
use super::world::World;
use crate::resource::{Api, Claim, Identity, Properties, ResourceType, StackId, Value};

/// Namespaces that each cluster is born with.
const BORN_WITH: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// Workloads whose pods need a node before they are ready.
const WORKLOADS: [&str; 4] = ["deployment", "statefulset", "replicaset", "job"];
/// What types of groups of nodes end with, in every cloud.
const NODES: [&str; 5] = ["nodegroup", "nodepool", "nodepools", "agentpools", "fargateprofile"];

/// Where the API of an object is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the cloud itself, or in a server that answers.
    Open,
    /// In this cluster.
    Cluster(u64),
    /// In something that cannot be reached now.
    Away,
    /// In something that the cloud says does not exist, so that the object does not exist either.
    Gone,
}

impl World {
    /// Where an object's API is found. `properties` are those it shall have, when it is being made.
    pub(super) fn place(
        &self,
        stack: &StackId,
        of: &ResourceType,
        identity: &Identity,
        properties: Option<&Properties>,
    ) -> Place {
        match of.api {
            Api::Kubernetes => self.cluster(stack, identity),
            Api::Postgres => {
                let server = properties.and_then(server).or(match &identity.claim {
                    Claim::Name(names) => names.first().map(String::as_str),
                    _ => None,
                });
                let mut hosts = server.into_iter().flat_map(|server| self.named(server)).peekable();
                match (hosts.peek().is_some(), hosts.any(usable)) {
                    (_, true) => Place::Open,
                    (true, false) => Place::Away,
                    (false, false) => Place::Gone,
                }
            }
            _ => Place::Open,
        }
    }

    /// The namespace that an object names and its cluster does not have.
    pub(super) fn missing_namespace<'a>(&self, cluster: u64, properties: &'a Properties) -> Option<&'a str> {
        let wanted = at(properties, "metadata.namespace").and_then(Value::as_str)?;
        let exists = self
            .catalog
            .iter()
            .filter(|of| last_word(&of.name) == "namespace")
            .flat_map(|of| self.of_type(&of.name))
            .any(|object| {
                object.cluster == Some(cluster)
                    && namespace(object) == Some(wanted)
                    && !matches!(object.phase, Phase::Deleting(_))
            });
        (!exists && !BORN_WITH.contains(&wanted)).then_some(wanted)
    }

    /// Whether an object is a workload whose pods find no node.
    pub(super) fn waits_for_nodes(&self, object: &Object) -> bool {
        let Some(cluster) = object.cluster.and_then(|serial| self.objects.get(&serial)) else { return false };
        if !WORKLOADS.contains(&&*last_word(&object.type_name))
            || at(&object.properties, "spec.replicas").and_then(Value::as_i64) == Some(0)
        {
            return false;
        }
        let texts = cluster.texts();
        let joins = |pool: &Object| {
            let mut leaves = Vec::new();
            pool.properties.values().for_each(|value| object::leaves(value, &mut leaves));
            usable(pool) && leaves.into_iter().any(|text| texts.contains(text))
        };
        let mut pools = self.catalog.iter().filter(|of| NODES.contains(&&*last_word(&of.name)));
        !pools.any(|of| self.of_type(&of.name).any(joins))
    }

    /// The newest cluster at the address that answers.
    fn cluster(&self, stack: &StackId, identity: &Identity) -> Place {
        let Some(address) = &identity.cluster else { return Place::Away };
        let stack = stack.to_string();
        let ours = |object: &&Object| {
            let marks = self.catalog.get(&object.type_name).ok().and_then(|of| object.marks(of));
            marks.is_none_or(|marks| marks.stack == stack)
        };
        let mut clusters = self.at_address(address.as_str()).rev().filter(ours).peekable();
        match (clusters.peek().is_some(), clusters.find(|object| usable(object))) {
            (_, Some(object)) => Place::Cluster(object.serial),
            (true, None) => Place::Away,
            (false, None) => Place::Gone,
        }
    }
}

/// The name of the namespace that an object is.
pub(super) fn namespace(object: &Object) -> Option<&str> {
    (last_word(&object.type_name) == "namespace").then_some(())?;
    at(&object.properties, "metadata.name")?.as_str()
}

/// Whether an object lives in the namespace of this name.
pub(super) fn lives_in(object: &Object, namespace: &str) -> bool {
    at(&object.properties, "metadata.namespace").and_then(Value::as_str) == Some(namespace)
}

/// The server that a database or role lives in.
pub(super) fn server(properties: &Properties) -> Option<&str> {
    properties.get("Server")?.as_str()
}

/// Whether something answers: an update in place does not stop it.
pub(super) fn usable(object: &Object) -> bool {
    matches!(object.phase, Phase::Ready | Phase::Updating(_))
}

fn last_word(type_name: &str) -> String {
    type_name.rsplit([':', '/', '.']).next().unwrap_or_default().to_lowercase()
}
