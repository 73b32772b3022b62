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

#[cfg(test)]
mod tests {
    use super::super::fixture::{Bench, Made};
    use super::super::{Fault, FaultKind, On};
    use crate::driver::{Health, Observation, Progress};
    use crate::resource::{Properties, Value, Verb};
    use crate::{Code, Retry, map, properties};

    fn object(namespace: &str, name: &str) -> Properties {
        let mut metadata = map! { "name" => name };
        if let (Value::Map(map), false) = (&mut metadata, namespace.is_empty()) {
            map.insert("namespace".into(), namespace.into());
        }
        properties! { "metadata" => metadata }
    }

    async fn cluster(bench: &Bench) -> Made {
        bench.make("cluster", "AWS::EKS::Cluster", properties! { "Name" => "prod" }).await
    }

    #[tokio::test]
    async fn objects_need_a_cluster_that_answers() {
        let bench = Bench::new(1);
        let space = object("", "shop");
        let at = bench.identity("namespace", "v1/Namespace", &space);
        let error = bench.create(&at, &space).await.unwrap_err();
        assert_eq!((error.code(), error.retry_class()), (Code::Unavailable, Retry::Transient));
        // The cloud says that there is no such cluster, so there is nothing in it.
        assert!(matches!(bench.observe(&at).await, Observation::Absent));

        let of = properties! { "Name" => "prod" };
        let operation = bench.create(&bench.identity("cluster", "AWS::EKS::Cluster", &of), &of).await.unwrap();
        assert_eq!(bench.create(&at, &space).await.unwrap_err().code(), Code::Unavailable);
        assert!(matches!(bench.observe(&at).await, Observation::Unknown(_)));
        bench.finish(&operation).await;
        let made = bench.create(&at, &space).await.unwrap();
        assert!(matches!(made.progress, Progress::Done(_)));
        assert_eq!(bench.create(&at, &space).await.unwrap_err().code(), Code::AlreadyExists);
    }

    #[tokio::test]
    async fn a_namespace_comes_first_and_takes_its_content_along() {
        let bench = Bench::new(1);
        cluster(&bench).await;
        let map = object("shop", "web");
        let at = bench.identity("config", "v1/ConfigMap", &map);
        assert_eq!(bench.create(&at, &map).await.unwrap_err().code(), Code::NotFound);
        bench.make("born", "v1/ConfigMap", object("kube-system", "web")).await;
        let space = bench.make("namespace", "v1/Namespace", object("", "shop")).await;
        bench.make("config", "v1/ConfigMap", map).await;
        assert!(matches!(bench.observe(&at).await, Observation::Present(_)));
        // Names are unique in their namespace only, ids with them.
        assert_eq!(bench.cloud.edit("web", "data", Value::Null).unwrap_err().code(), Code::Conflict);
        let born = bench.cloud.objects().into_iter().find(|object| object.id == "web").unwrap();
        bench.cloud.edit(&born, "data.key", "value").unwrap();
        assert!(!bench.present(&at).await.properties.contains_key("data"));
        bench.unmake(&space).await;
        assert!(matches!(bench.observe(&at).await, Observation::Absent));
        assert_eq!(bench.cloud.objects().len(), 2);
    }

    #[tokio::test]
    async fn pods_wait_for_nodes() {
        let bench = Bench::new(1);
        cluster(&bench).await;
        let web = object("default", "web");
        let at = bench.identity("web", "apps/v1/Deployment", &web);
        let operation = bench.create(&at, &web).await.unwrap();
        bench.sleep(std::time::Duration::from_secs(600)).await;
        let Progress::Running { phase, message } = bench.poll(&operation).await else { panic!("it has no nodes") };
        assert_eq!((phase.as_str(), message.as_str()), ("Pending", "0/1 nodes are available"));
        assert_eq!(bench.present(&operation.identity).await.health, Health::Busy("Pending".into()));
        let image = properties! { "metadata" => web["metadata"].clone(), "spec" => map! { "replicas" => 3 } };
        bench.update(&operation.identity, &image, &["spec.replicas"]).await.unwrap();

        let nodes = properties! { "ClusterName" => "prod", "NodegroupName" => "general" };
        bench.make("nodes", "AWS::EKS::Nodegroup", nodes).await;
        assert!(matches!(bench.poll(&operation).await, Progress::Done(_)));
        // A workload of no pods never waited.
        let mut idle = object("default", "idle");
        idle.insert("spec".into(), map! { "replicas" => 0 });
        bench.make("idle", "apps/v1/Deployment", idle).await;
    }

    #[tokio::test]
    async fn a_rollout_may_be_overtaken_by_a_change_or_a_delete() {
        let bench = Bench::new(1);
        cluster(&bench).await;
        let nodes = properties! { "ClusterName" => "prod", "NodegroupName" => "general" };
        bench.make("nodes", "AWS::EKS::Nodegroup", nodes).await;
        let web = object("default", "web");
        let at = bench.create(&bench.identity("web", "apps/v1/Deployment", &web), &web).await.unwrap().identity;
        // The end of the first rollout comes while the second is under way, and does not end it.
        bench.cloud.fail(Fault::new(On::Verb(Verb::Update), FaultKind::Slow(100)));
        let operation = bench.update(&at, &web, &["spec"]).await.unwrap();
        bench.sleep(std::time::Duration::from_secs(120)).await;
        assert!(matches!(bench.poll(&operation).await, Progress::Running { .. }));
        let going = bench.delete(&at).await.unwrap();
        assert!(matches!(&going.progress, Progress::Running { phase, .. } if phase == "Terminating"));
        assert!(matches!(bench.finish(&going).await.0, Progress::Done(_)));
        assert!(matches!(bench.observe(&at).await, Observation::Absent));
    }

    #[tokio::test]
    async fn a_cluster_goes_with_all_that_is_in_it_but_not_with_its_nodes() {
        let bench = Bench::new(1);
        let prod = cluster(&bench).await;
        let space = bench.make("namespace", "v1/Namespace", object("", "shop")).await;
        bench.make("config", "v1/ConfigMap", object("shop", "web")).await;
        bench.cloud.add_foreign_within(&prod.id(), "v1/ConfigMap", object("shop", "theirs")).unwrap();
        let nodes = properties! { "ClusterName" => "prod", "NodegroupName" => "general" };
        let nodes = bench.make("nodes", "AWS::EKS::Nodegroup", nodes).await;
        let error = bench.delete(&prod.at).await.unwrap_err();
        assert_eq!(error.cloud_answer().unwrap().code, "ResourceInUseException");
        bench.unmake(&nodes).await;
        bench.unmake(&prod).await;
        assert!(bench.cloud.objects().is_empty());
        assert!(matches!(bench.delete(&space.at).await.unwrap().progress, Progress::Done(_)));
    }

    #[tokio::test]
    async fn a_role_of_a_database_needs_its_server() {
        let bench = Bench::new(1);
        let role = |server: &str| properties! { "Server" => server, "Name" => "textnlp" };
        let stray = role("nowhere.example");
        let at = bench.identity("stray", "PostgreSQL/Role", &stray);
        assert_eq!(bench.create(&at, &stray).await.unwrap_err().code(), Code::Unavailable);

        let database = properties! { "DBInstanceIdentifier" => "main" };
        let server = bench.make("database", "AWS::RDS::DBInstance", database).await;
        let host = server.outputs["Endpoint.Address"].as_str().unwrap();
        let made = bench.make("role", "PostgreSQL/Role", role(host)).await;
        assert_eq!(made.id(), "textnlp");
        bench.unmake(&server).await;
        assert!(matches!(bench.observe(&made.at).await, Observation::Absent));
        assert!(bench.cloud.objects().is_empty());
    }
}
