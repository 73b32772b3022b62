//! The fields of `deployment-config.yaml`, in the order in which they are written.
//!
//! This is the one description of the format: reading, messages, examples and the JSON Schema follow from it.

use super::decode::{Located, Table, choices, sections};
use super::node::Node;
use super::report::{Finding, Report, quote};
use super::rules::{EnvironmentName, FileName, HostName, Image, Label, LabelKey, Name, SecretName, Target, UrlPath};
use super::scalar::{Count, Plain, Share, Text, Whole};
use crate::Code;
use crate::kind::{DependencyKind, Isolation, ServiceType};
use crate::units::{Cpu, Memory, Rate, Span};

/// The group and version of this format.
pub(super) const API_VERSION: &str = "landfall.dev/v1";
/// The kind of this format.
pub(super) const KIND: &str = "ServiceConfig";

sections! {
    /// A service and how it is deployed.
    Config {
        /// Group and version of this format.
        "apiVersion" api_version: ApiVersion = "landfall.dev/v1" required;
        /// What the document describes.
        "kind" kind: KindName = "ServiceConfig" required;
        /// What the service is called.
        "metadata" metadata: Metadata = "{ name: textnlp }" required;
        /// How the service is deployed.
        "spec" spec: Spec = "";
    }

    /// What a service is called.
    Metadata {
        /// The service's name: lower-case letters, digits and hyphens.
        "name" name: Text<Name> = "textnlp" required;
        /// The namespace; the service's own name unless told otherwise.
        "namespace" namespace: Text<Name> = "textnlp";
        /// Labels, such as team and owner, for cost reports.
        "labels" labels: Table<LabelKey, Text<Label>> = "{ team: nlp }";
    }

    /// How a service is deployed.
    Spec {
        /// What runs, how often, and what each replica needs.
        "service" service: Service = "";
        /// What the service depends on. An overlay merges the list by `name`.
        "dependencies" dependencies: Vec<Located<Dependency>> = "[{ name: postgres, type: database }]";
        /// How the service is reached.
        "networking" networking: Networking = "";
        /// How the service is watched.
        "monitoring" monitoring: Monitoring = "";
    }

    /// What runs, how often, and what each replica needs.
    Service {
        /// The sort of workload: an `api` answers calls, a `worker` takes work from a queue. By default `api`.
        "type" service_type: ServiceType = "api";
        /// The container image, by digest in production. By default what the platform's builder says.
        "image" image: Text<Image> = "registry.example.com/textnlp:1.4.0";
        /// The port it listens on; a worker has none by default, an api the builder's, else 8000.
        "port" port: Whole<1, 65535> = "8000";
        /// The number of replicas, 1 by default. With autoscaling, write autoscaling.minReplicas instead.
        "replicas" replicas: Whole<0, 10000> = "3";
        /// What each replica needs; half a core and 512Mi by default.
        "resources" resources: Resources = "{ cpu: 500m, memory: 1Gi }";
        /// Lets an autoscaler choose the number of replicas.
        "autoscaling" autoscaling: Autoscaling = "{ minReplicas: 3, maxReplicas: 10 }";
        /// How many replicas may be away at once when nodes are drained.
        "disruption" disruption: Disruption = "{ maxUnavailable: 1 }";
        /// Whether replicas may be interrupted, and so may run on spot nodes. By default false.
        "interruptible" interruptible: bool = "true";
        /// Plain environment variables. Secrets belong into `secrets`.
        "environment" environment: Table<EnvironmentName, Plain> = "{ LOG_LEVEL: info }";
        /// Secrets mounted as files: file name to the name of a secret given to the platform's builder.
        "secrets" secrets: Table<FileName, Text<SecretName>> = "{ api-key: textnlp-api-key }";
        /// Paths on which it says that it is well.
        "probes" probes: Probes = "{ ready: /health/ready, live: /health/live }";
    }

    /// What each replica needs.
    Resources {
        /// CPU: cores, or thousandths of a core with `m`.
        "cpu" cpu: Cpu = "500m";
        /// Memory, in Ki, Mi, Gi or Ti.
        "memory" memory: Memory = "4Gi";
        /// Whole accelerators. By default 0.
        "gpu" gpu: Count = "1";
    }

    /// When and how far to scale out.
    Autoscaling {
        /// Whether it is on. By default true.
        "enabled" enabled: bool = "true";
        /// The least replicas; by default those of `replicas`, else 1.
        "minReplicas" min_replicas: Whole<1, 10000> = "3";
        /// The most replicas.
        "maxReplicas" max_replicas: Whole<1, 10000> = "10" required;
        /// Scale out above this use of the CPU asked for, in percent. By default 70.
        "cpuPercent" cpu_percent: Whole<1, 100> = "70";
    }

    /// How many replicas may be away at once: one of the two.
    Disruption {
        /// At least this many stay.
        "minAvailable" min_available: Whole<0, 10000> = "2";
        /// At most this many are away.
        "maxUnavailable" max_unavailable: Whole<0, 10000> = "1";
    }

    /// Paths on which a service says that it is well.
    Probes {
        /// Path that answers when it can take calls. By default `/health/ready`.
        "ready" ready: Text<UrlPath> = "/health/ready";
        /// Path that answers while it is alive. By default `/health/live`.
        "live" live: Text<UrlPath> = "/health/live";
    }

    /// Something a service depends on.
    Dependency {
        /// The name by which the service knows it.
        "name" name: Text<Name> = "postgres" required;
        /// What it is.
        "type" kind: DependencyKind = "database" required;
        /// The declaration that provides it; by default the one of its type with this name, else the only one of its type.
        "target" target: Text<Target> = "main";
        /// Whether it is shared with other services. By default true.
        "shared" shared: bool = "true";
        /// The part of a storage that is this service's.
        "path" path: Text<UrlPath> = "/models/textnlp";
    }

    /// How a service is reached.
    Networking {
        /// How it is reached from outside.
        "ingress" ingress: Ingress = "{ path: /api/textnlp }";
        /// How it takes part in the mesh.
        "serviceMesh" service_mesh: ServiceMesh = "{ retries: 3, timeout: 30s }";
        /// Who may call it inside the cluster: its `dependants` and the gateway, or everything (`open`). By default `dependants`.
        "isolation" isolation: Isolation = "dependants";
    }

    /// How a service is reached from outside.
    Ingress {
        /// Whether it is on. By default true.
        "enabled" enabled: bool = "true";
        /// The path prefix on the gateway.
        "path" path: Text<UrlPath> = "/api/textnlp" required;
        /// The host, when it is not the platform's.
        "host" host: Text<HostName> = "api.example.com";
        /// How many calls are let through, with the unit: `/s`, `/min` or `/h`.
        "rateLimit" rate_limit: Rate = "1000/min";
    }

    /// How a service takes part in the mesh.
    ServiceMesh {
        /// Whether it is on. By default true.
        "enabled" enabled: bool = "true";
        /// How often a failed call is repeated. By default 2.
        "retries" retries: Whole<0, 20> = "3";
        /// How long a call may take.
        "timeout" timeout: Span = "30s";
    }

    /// How a service is watched.
    Monitoring {
        /// Where its metrics are.
        "metrics" metrics: Metrics = "{ path: /metrics }";
        /// How much of its calls to trace.
        "tracing" tracing: Tracing = "{ samplingRate: 0.1 }";
    }

    /// Where a service's metrics are.
    Metrics {
        /// Whether there are any. By default true.
        "enabled" enabled: bool = "true";
        /// The path. By default `/metrics`.
        "path" path: Text<UrlPath> = "/metrics";
        /// The port, when it is not the service's.
        "port" port: Whole<1, 65535> = "9090";
    }

    /// How much of a service's calls to trace.
    Tracing {
        /// Whether it is on. By default true.
        "enabled" enabled: bool = "true";
        /// The share of calls, 0 to 1. By default 0.1.
        "samplingRate" sampling_rate: Share = "0.1";
    }
}

choices! {
    ServiceType {
        "api" or "web" or "http" or "server" or "deployment" => Self::Api,
        "worker" or "job" or "consumer" or "background" => Self::Worker,
    }
    DependencyKind {
        "database" or "postgres" or "postgresql" or "db" or "sql" or "rds" => Self::Database,
        "cache" or "redis" or "valkey" or "memcached" or "elasticache" => Self::Cache,
        "storage" or "bucket" or "s3" or "blob" or "gcs" or "objectstorage" => Self::Storage,
        "queue" or "sqs" or "kafka" or "rabbitmq" or "pubsub" or "topic" => Self::Queue,
        "service" => Self::Service,
    }
    Isolation { "dependants" => Self::Dependants, "open" => Self::Open }
}

/// The group and version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiVersion {
    /// [`API_VERSION`].
    V1,
    /// `v1`, which is the core group of Kubernetes.
    Legacy,
}

impl super::decode::Decode for ApiVersion {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match node.text() {
            Some(API_VERSION) => Some(Self::V1),
            Some("v1") => Some(Self::Legacy),
            Some(text) if !node.is_nothing() => {
                let message = match text.strip_prefix("landfall.dev/") {
                    Some(version) => {
                        format!("a version of the format that this library does not read: {}", quote(version))
                    }
                    None => format!("not an apiVersion of this file: {}", quote(text)),
                };
                let hint = format!("write apiVersion: {API_VERSION}");
                report.error(Finding::new(Code::UnknownApiVersion, node.at, message, hint));
                None
            }
            _ => super::decode::wrong(node, "the group and version of this format", report),
        }
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "enum": [API_VERSION] })
    }
}

/// The kind of a file: [`KIND`].
#[derive(Clone, Copy, Debug)]
pub(super) struct KindName;

impl super::decode::Decode for KindName {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        match node.text() {
            Some(KIND) => Some(Self),
            Some(text) if !node.is_nothing() => {
                let message = format!("not a kind of document that belongs here: {}", quote(text));
                let hint = format!("write kind: {KIND}; other files belong elsewhere");
                report.error(Finding::new(Code::UnknownApiVersion, node.at, message, hint));
                None
            }
            _ => super::decode::wrong(node, "the kind of the document", report),
        }
    }

    fn schema() -> serde_json::Value {
        serde_json::json!({ "enum": [KIND] })
    }
}
