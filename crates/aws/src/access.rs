//! What a service may reach on AWS: a role for its pods alone, and its part of each thing it depends on.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use landfall_core::kind::{
    Access, AccessOutputs, ClusterOutputs, DatabaseOutputs, Dependency, DependencyKind, POSTGRES_DATABASE,
    POSTGRES_ROLE, Ref, ServiceSpec,
};
use landfall_core::resource::Value;
use landfall_core::scope::{Native, Scope};
use landfall_core::{Code, Error, Problems, Result, join, map, properties};

use crate::{Aws, cache, data_tier, database, iam, key};

/// PostgreSQL cuts identifiers off after this many bytes.
const LONGEST_IDENTIFIER: usize = 63;

/// Where the EKS pod identity agent answers on each node.
/// Source: the EKS user guide's page on setting up the pod identity agent.
const AGENT: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 23);

impl Access for Aws {
    fn expand_access(&self, spec: &ServiceSpec, scope: &mut Scope<'_>) -> Result<AccessOutputs> {
        let mut grants = Grants::new(spec, scope)?;
        let mut problems = Problems::default();
        for dependency in &spec.dependencies {
            problems.take(grants.dependency(dependency, scope));
        }
        for (file, name) in &spec.secrets {
            problems.take(grants.given_secret(file, name, scope));
        }
        problems.finish()?;
        grants.finish(spec, scope)
    }
}

/// What the dependencies seen so far grant.
struct Grants<'a> {
    cluster: &'a ClusterOutputs,
    outputs: AccessOutputs,
    /// The service's part of each server, by the server's name: two dependencies may lead to the same one.
    databases: BTreeMap<String, OwnDatabase>,
    /// The key of the service's own secrets, once there is one.
    key: Option<Native>,
    /// ARNs of the secrets that the service reads.
    secrets: Vec<Value>,
    /// ARNs of the keys that encrypt these.
    keys: Vec<Value>,
    /// Statements on buckets.
    buckets: Vec<Value>,
}

/// A service's own database, role and password on a server.
#[derive(Clone)]
struct OwnDatabase {
    password: Value,
    key: Value,
    role: Value,
    database: Value,
}

impl<'a> Grants<'a> {
    fn new(spec: &ServiceSpec, scope: &Scope<'a>) -> Result<Self> {
        Ok(Self {
            cluster: scope.cluster(&spec.cluster)?,
            outputs: AccessOutputs::default(),
            databases: BTreeMap::new(),
            key: None,
            secrets: Vec::new(),
            keys: Vec::new(),
            buckets: Vec::new(),
        })
    }

    fn dependency(&mut self, dependency: &Dependency, scope: &mut Scope<'_>) -> Result<()> {
        let target = scope.stack().target_of(dependency);
        match dependency.kind {
            // Services call each other inside the cluster, where no cloud has a say.
            DependencyKind::Service => Ok(()),
            DependencyKind::Database => self.database(dependency, found(dependency, target)?, scope),
            DependencyKind::Cache => self.cache(dependency, found(dependency, target)?, scope),
            DependencyKind::Storage => self.bucket(dependency, found(dependency, target)?, scope),
            _ => Err(Error::new(
                Code::UnknownReference,
                format!("this sort of dependency cannot be declared on AWS yet: {}", dependency.name),
            )
            .hint("remove the dependency, and pass the queue's address as an environment variable")),
        }
    }

    /// A role and a logical database of its own on the server, both with the service's name.
    fn database(&mut self, dependency: &Dependency, target: &str, scope: &mut Scope<'_>) -> Result<()> {
        let server = scope.database(&Ref::named(target))?;
        if let Some(own) = self.databases.get(target).cloned() {
            self.uses(dependency, server, &own);
            return Ok(());
        }
        let name = identifier(scope.name())?;
        let part = |what: &str| format!("{}-{what}", dependency.name);
        let key = self.own_key(scope)?;
        let password = data_tier::drawn_secret(
            scope,
            &part("password"),
            &format!("Password of {} on the database {target}", scope.name()),
            key.clone(),
        )?;
        let role = scope.native(
            &part("role"),
            POSTGRES_ROLE,
            properties! {
                "Server" => server.host.clone(),
                "Name" => &name,
                "Password" => Value::Stored { secret: Box::new(password.id()), key: String::new() },
            },
        )?;
        let database = scope.native(
            &part("database"),
            POSTGRES_DATABASE,
            properties! { "Server" => server.host.clone(), "Name" => &name, "Owner" => role.id() },
        )?;
        let own = OwnDatabase { password: password.id(), key, role: role.id(), database: database.id() };
        self.uses(dependency, server, &own);
        self.databases.insert(target.to_owned(), own);
        Ok(())
    }

    fn uses(&mut self, dependency: &Dependency, server: &DatabaseOutputs, own: &OwnDatabase) {
        self.variable(dependency, "HOST", server.host.clone());
        self.variable(dependency, "PORT", server.port.clone());
        self.variable(dependency, "SSLMODE", "require".into());
        self.variable(dependency, "DATABASE", own.database.clone());
        self.variable(dependency, "USER", own.role.clone());
        self.outputs.egress_ports.push((dependency.name.clone(), database::PORT));
        self.reads(format!("{}-password", dependency.name), own.password.clone(), own.key.clone());
    }

    /// The cache's password, and a prefix that the service puts before its keys.
    fn cache(&mut self, dependency: &Dependency, target: &str, scope: &Scope<'_>) -> Result<()> {
        let cache = scope.cache(&Ref::named(target))?;
        self.variable(dependency, "HOST", cache.host.clone());
        self.variable(dependency, "PORT", cache.port.clone());
        self.variable(dependency, "TLS", "true".into());
        self.variable(dependency, "PREFIX", format!("{}:", scope.name()).into());
        self.outputs.egress_ports.push((dependency.name.clone(), cache::PORT));
        self.reads(format!("{}-auth-token", dependency.name), cache.secret.clone(), cache::key_of(cache)?);
        Ok(())
    }

    /// The objects beneath the dependency's path, or beneath the service's name when there is none.
    fn bucket(&mut self, dependency: &Dependency, target: &str, scope: &Scope<'_>) -> Result<()> {
        let bucket = scope.bucket(&Ref::named(target))?;
        let path = dependency.path.as_deref().map(|path| path.trim_matches('/')).filter(|path| !path.is_empty());
        let prefix = path.unwrap_or(scope.name());
        if prefix.contains(['*', '?', '$']) {
            // In a policy these stand for other text, so that the grant would be wider than it looks.
            return Err(Error::new(Code::InvalidValue, format!("a path in a bucket cannot hold *, ? or $: {prefix}"))
                .hint("name the folder as it is, such as models/textnlp"));
        }
        self.buckets.push(iam::allow(
            &["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            join![bucket.id.clone(), format!("/{prefix}/*")],
        ));
        self.buckets.push(iam::allow_if(
            &["s3:ListBucket"],
            bucket.id.clone(),
            map! { "StringLike" => map! { "s3:prefix" => [format!("{prefix}/"), format!("{prefix}/*")] } },
        ));
        self.buckets.push(iam::allow(&["kms:Decrypt", "kms:GenerateDataKey"], bucket.key.clone()));
        self.variable(dependency, "BUCKET", bucket.name.clone());
        self.variable(dependency, "PREFIX", format!("{prefix}/").into());
        Ok(())
    }

    /// A secret that was given to the builder, kept where the pods can mount it.
    fn given_secret(&mut self, file: &str, name: &str, scope: &mut Scope<'_>) -> Result<()> {
        let Some(secret) = scope.stack().secrets.get(name) else {
            return Err(Error::new(
                Code::MissingSecret,
                format!("the service mounts a secret that was not given: {name}"),
            )
            .hint(format!("give it to the builder: .secret(\"{name}\", value)")));
        };
        let key = self.own_key(scope)?;
        let part = format!("given-{}", segment(file));
        let properties = properties! {
            "Name" => data_tier::secret_name(scope, &part)?,
            "Description" => format!("{file} of {}", scope.name()),
            "KmsKeyId" => key.clone(),
            "SecretString" => secret.clone(),
        };
        let kept = scope.native(&part, "AWS::SecretsManager::Secret", properties)?;
        self.reads(file.to_owned(), kept.id(), key);
        Ok(())
    }

    fn reads(&mut self, file: String, secret: Value, key: Value) {
        self.outputs.secret_files.insert(file, secret.clone());
        if !self.secrets.contains(&secret) {
            self.secrets.push(secret);
        }
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }

    fn variable(&mut self, dependency: &Dependency, what: &str, value: Value) {
        let prefix = dependency.name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        self.outputs.environment.insert(format!("{prefix}_{what}"), value);
    }

    fn own_key(&mut self, scope: &mut Scope<'_>) -> Result<Value> {
        if self.key.is_none() {
            let description = format!("Secrets of the service {}", scope.name());
            self.key = Some(key::add(scope, "key", &description, &[key::User::Through("secretsmanager")])?);
        }
        self.key.as_ref().map(|key| key.attribute("Arn")).ok_or_else(|| Error::internal("a key that was just added"))
    }

    /// The role, when there is anything to grant: a service that needs nothing of the cloud has no identity there.
    fn finish(mut self, spec: &ServiceSpec, scope: &mut Scope<'_>) -> Result<AccessOutputs> {
        let mut inline = Vec::new();
        if !self.secrets.is_empty() {
            self.outputs.secret_provider = "aws".to_owned();
            let read = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"];
            inline.push((
                "secrets",
                iam::policy([
                    iam::allow(&read, Value::List(self.secrets)),
                    iam::allow(&["kms:Decrypt"], Value::List(self.keys)),
                ]),
            ));
        }
        if !self.buckets.is_empty() {
            inline.push(("buckets", iam::policy(self.buckets)));
        }
        if inline.is_empty() {
            return Ok(self.outputs);
        }
        let namespace = spec.namespace.as_deref().unwrap_or(scope.name());
        let cluster = self.cluster.name.clone();
        let role = iam::role(
            scope,
            "role",
            &format!("Pods of the service {}", scope.name()),
            iam::trust_pods(cluster.clone(), namespace, scope.name()),
            iam::Rights { inline, ..iam::Rights::default() },
        )?;
        let association = scope.native(
            "pod-identity",
            "AWS::EKS::PodIdentityAssociation",
            properties! {
                "ClusterName" => cluster,
                "Namespace" => namespace,
                "ServiceAccount" => scope.name(),
                "RoleArn" => role.attribute("Arn"),
            },
        )?;
        // The address at which the pod identity agent hands out credentials on each node, and the association without
        // which it hands out none.
        self.outputs.egress_addresses.push(("credentials".to_owned(), AGENT.into(), 80));
        self.outputs.wait_for.push(association.address().clone());
        Ok(self.outputs)
    }
}

fn found<'a>(dependency: &Dependency, target: Option<&'a str>) -> Result<&'a str> {
    target.ok_or_else(|| {
        let wanted = dependency.target.as_deref().unwrap_or(&dependency.name);
        Error::new(Code::UnknownReference, format!("a dependency leads to nothing that was declared: {wanted}"))
            .hint("declare it with the builder, or name the declaration as the dependency's target")
    })
}

/// The service's name as PostgreSQL takes it without quotes.
fn identifier(service: &str) -> Result<String> {
    let name = service.replace('-', "_");
    if name.len() <= LONGEST_IDENTIFIER {
        return Ok(name);
    }
    Err(Error::new(Code::NameTooLong, format!("PostgreSQL names have at most 63 characters: {name}"))
        .hint("give the service a shorter name"))
}

/// A file's name as a segment of an address.
fn segment(file: &str) -> String {
    let lower = file.to_ascii_lowercase();
    lower.replace(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit(), "-")
}

#[cfg(test)]
mod tests {
    use landfall_core::graph::Expanded;
    use landfall_core::kind::{BucketSpec, CacheSpec};
    use landfall_core::secret::Secret;
    use landfall_core::stack::Stack;
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn stack() -> Stack {
        let mut stack = testing::stack();
        testing::declare(&mut stack.databases, "postgres", testing::database());
        testing::declare(&mut stack.caches, "redis", CacheSpec::valkey(&testing::network()));
        testing::declare(&mut stack.buckets, "model-storage", BucketSpec::new());
        stack.secrets.insert("api-key".into(), Secret::new("api-key", "canary".into(), &"key".into()));
        stack
    }

    fn with(spec: ServiceSpec) -> Result<Expanded> {
        let mut stack = stack();
        testing::declare(&mut stack.services, "text-nlp", spec);
        testing::expanded(&stack)
    }

    fn dependency(name: &str, kind: DependencyKind, path: Option<&str>) -> Dependency {
        Dependency { name: name.into(), kind, target: None, shared: true, path: path.map(str::to_owned) }
    }

    fn depending(dependencies: impl IntoIterator<Item = Dependency>) -> Result<Expanded> {
        let mut spec = testing::service();
        spec.dependencies = dependencies.into_iter().collect();
        with(spec)
    }

    #[test]
    fn a_service_gets_its_part_of_each_dependency() {
        let mut spec = testing::service().secret("api.key", "api-key");
        spec.dependencies = vec![
            dependency("postgres", DependencyKind::Database, None),
            dependency("redis", DependencyKind::Cache, None),
            dependency("model-storage", DependencyKind::Storage, Some("/models/textnlp")),
        ];
        let expanded = with(spec).unwrap();
        insta::assert_snapshot!(testing::natives(&expanded, "access/text-nlp"));
        let outputs = serde_json::to_string_pretty(&expanded.outputs.access["text-nlp"]).unwrap();
        assert!(!outputs.contains("canary"));
        insta::assert_snapshot!("outputs", outputs);
    }

    #[test]
    fn a_service_that_needs_nothing_of_the_cloud_has_no_identity_there() {
        let mut stack = stack();
        testing::declare(&mut stack.services, "first", testing::service());
        testing::declare(
            &mut stack.services,
            "second",
            testing::service().depends_on(DependencyKind::Service, "first"),
        );
        let expanded = testing::expanded(&stack).unwrap();
        assert_eq!(testing::natives(&expanded, "access/first"), "");
        assert_eq!(testing::natives(&expanded, "access/second"), "");
    }

    #[test]
    fn two_dependencies_on_one_database_share_its_part() {
        let mut reading = dependency("reports", DependencyKind::Database, None);
        reading.target = Some("postgres".into());
        let expanded = depending([dependency("postgres", DependencyKind::Database, None), reading]).unwrap();
        let databases = expanded.graph.iter().filter(|resource| resource.type_name == POSTGRES_DATABASE).count();
        assert_eq!(databases, 1);
        let environment = &expanded.outputs.access["text-nlp"].environment;
        assert_eq!(environment["REPORTS_DATABASE"], environment["POSTGRES_DATABASE"]);
    }

    #[test]
    fn objects_outside_the_path_stay_out_of_reach() {
        let expanded = depending([dependency("model-storage", DependencyKind::Storage, None)]).unwrap();
        let policies = testing::property(&expanded, "aws/access/text-nlp/role", "Policies");
        let statements = &policies[0]["PolicyDocument"]["Statement"];
        assert_eq!(statements[0]["Resource"]["$join"][1], json!("/text-nlp/*"));
        assert_eq!(statements[1]["Condition"], json!({ "StringLike": { "s3:prefix": ["text-nlp/", "text-nlp/*"] } }));
        let wide = depending([dependency("model-storage", DependencyKind::Storage, Some("/models/*"))]);
        assert_eq!(wide.unwrap_err().code(), Code::InvalidValue);
    }

    #[test]
    fn what_is_not_there_is_reported_at_once() {
        let mut spec = testing::service().secret("token", "nobody-gave-it");
        let mut nowhere = dependency("postgres", DependencyKind::Database, None);
        nowhere.target = Some("nowhere".into());
        spec.dependencies = vec![nowhere, dependency("jobs", DependencyKind::Queue, None)];
        let error = with(spec).unwrap_err();
        let codes: Vec<_> = error.problems().iter().map(|problem| problem.code()).collect();
        assert_eq!(codes, [Code::UnknownReference, Code::UnknownReference, Code::MissingSecret]);
    }
}
