//! A Redis-compatible cache on ElastiCache: in the data subnets, encrypted with its own key, over TLS only, with a
//! password that Secrets Manager draws and keeps.

use landfall_core::kind::{Cache, CacheEngine, CacheOutputs, CacheSpec, DependencyKind, Eviction};
use landfall_core::resource::{Address, Value};
use landfall_core::scope::{Native, Scope};
use landfall_core::units::Date;
use landfall_core::{Code, Error, Problems, Result, list, map, properties};

use crate::database::log_group;
use crate::name::{self, Rule};
use crate::{Aws, data_tier, key, server_size};

const SUBNET_GROUP: Rule = Rule::new("a cache subnet group", 255);
const REPLICATION_GROUP: Rule = Rule::new("a replication group", 40);

pub(crate) const PORT: u16 = 6379;
const KEY: &str = "key";

/// Versions of each engine: version, parameter group family, and the last day of standard support where one is announced.
const VERSIONS: [(CacheEngine, &str, &str, Option<Date>); 9] = [
    (CacheEngine::Redis, "6.2", "redis6.x", Some(Date::new(2027, 1, 31))),
    (CacheEngine::Redis, "7.0", "redis7", None),
    (CacheEngine::Redis, "7.1", "redis7", None),
    (CacheEngine::Valkey, "7.2", "valkey7", None),
    (CacheEngine::Valkey, "8.0", "valkey8", None),
    (CacheEngine::Valkey, "8.1", "valkey8", None),
    (CacheEngine::Valkey, "8.2", "valkey8", None),
    (CacheEngine::Valkey, "9.0", "valkey9", None),
    (CacheEngine::Valkey, "9.1", "valkey9", None),
];

impl Cache for Aws {
    fn expand_cache(&self, spec: &CacheSpec, scope: &mut Scope<'_>) -> Result<CacheOutputs> {
        let mut problems = Problems::default();
        problems.extend(check(spec));
        let family = problems.take(family(spec, scope.stack().today));
        let class = problems.take(server_size::CACHE.choose(&spec.size, scope.region()));
        let zones = if spec.replicas > 0 { 2 } else { 1 };
        let subnets = problems.take(data_tier::subnets(scope, &spec.network, zones));
        problems.finish()?;
        let (Some(family), Some(class), Some(subnets)) = (family, class, subnets) else {
            return Err(Error::internal("a lost problem"));
        };

        let identifier = name::of_part(scope, "server", REPLICATION_GROUP)?;
        let logs = format!("/aws/vendedlogs/elasticache/{identifier}");
        let key = key::add(
            scope,
            KEY,
            &format!("Data of the cache {}", scope.name()),
            &[
                key::User::Through("elasticache"),
                key::User::Through("secretsmanager"),
                key::User::LogGroup(format!("{logs}/*")),
            ],
        )?;
        let password = data_tier::drawn_secret(
            scope,
            "password",
            &format!("Password of the cache {}", scope.name()),
            key.attribute("Arn"),
        )?;
        let subnet_group = scope.native(
            "subnet-group",
            "AWS::ElastiCache::SubnetGroup",
            properties! {
                "CacheSubnetGroupName" => name::of_part(scope, "subnet-group", SUBNET_GROUP)?,
                "Description" => format!("Data subnets of {}", spec.network.name()),
                "SubnetIds" => subnets,
            },
        )?;
        let parameter_group = scope.native(
            "parameter-group",
            "AWS::ElastiCache::ParameterGroup",
            properties! {
                "CacheParameterGroupFamily" => family,
                "Description" => format!("Parameters of {}", scope.name()),
                "Properties" => map! { "maxmemory-policy" => policy(spec.eviction) },
            },
        )?;
        let security_group = data_tier::security_group(scope, DependencyKind::Cache, &spec.network, PORT)?;
        let deliveries = ["slow-log", "engine-log"]
            .map(|log| {
                let group = log_group(scope, &format!("log-{log}"), &format!("{logs}/{log}"), key.attribute("Arn"))?;
                Ok(delivery(log, &group))
            })
            .into_iter()
            .collect::<Result<Vec<_>>>()?;

        let mut properties = properties! {
            "ReplicationGroupId" => identifier,
            "ReplicationGroupDescription" => format!("{} of {}", scope.name(), scope.stack().id),
            "Engine" => engine(spec.engine),
            "EngineVersion" => &spec.version,
            "AutoMinorVersionUpgrade" => true,
            "CacheNodeType" => class,
            "NumCacheClusters" => u32::from(spec.replicas) + 1,
            "AutomaticFailoverEnabled" => spec.replicas > 0,
            "MultiAZEnabled" => spec.replicas > 0,
            "Port" => u32::from(PORT),
            "CacheSubnetGroupName" => subnet_group.id(),
            "CacheParameterGroupName" => parameter_group.id(),
            "SecurityGroupIds" => list![security_group.attribute("GroupId")],
            "AtRestEncryptionEnabled" => true,
            "KmsKeyId" => key.attribute("Arn"),
            "TransitEncryptionEnabled" => true,
            "AuthToken" => Value::Stored { secret: Box::new(password.id()), key: String::new() },
            "SnapshotRetentionLimit" => u32::from(spec.snapshot_days),
            "PreferredMaintenanceWindow" => "sun:03:00-sun:04:00",
            "LogDeliveryConfigurations" => deliveries,
        };
        if spec.snapshot_days > 0 {
            properties.insert("SnapshotWindow".into(), "01:00-02:00".into());
        }
        let server = scope.native("server", "AWS::ElastiCache::ReplicationGroup", properties)?;

        let mut outputs = CacheOutputs::new(server.address().clone(), server.id());
        outputs.host = server.attribute("PrimaryEndPoint.Address");
        outputs.port = server.attribute("PrimaryEndPoint.Port");
        outputs.secret = password.id();
        Ok(outputs)
    }
}

/// The ARN of the key that encrypts a cache's password, for those who may read it.
///
/// # Errors
/// [`Code::InvalidName`] never, in practice: the cache has an address already.
pub(crate) fn key_of(cache: &CacheOutputs) -> Result<Value> {
    let at = &cache.native;
    Ok(Native::at(Address::new(at.cloud(), at.kind(), at.name(), KEY)?).attribute("Arn"))
}

fn engine(engine: CacheEngine) -> &'static str {
    match engine {
        CacheEngine::Redis => "redis",
        // Valkey is what ElastiCache goes on with.
        _ => "valkey",
    }
}

fn policy(eviction: Eviction) -> &'static str {
    match eviction {
        Eviction::None => "noeviction",
        Eviction::LeastRecentlyUsed => "allkeys-lru",
        Eviction::LeastRecentlyUsedExpiring => "volatile-lru",
        Eviction::LeastFrequentlyUsed => "allkeys-lfu",
    }
}

fn delivery(log: &str, group: &Native) -> Value {
    map! {
        "LogType" => log,
        "LogFormat" => "json",
        "DestinationType" => "cloudwatch-logs",
        "DestinationDetails" => map! { "CloudWatchLogsDetails" => map! { "LogGroup" => group.id() } },
    }
}

fn check(spec: &CacheSpec) -> Vec<Error> {
    let mut problems = Vec::new();
    if spec.replicas > 5 {
        let message = format!("ElastiCache has at most 5 replicas of a primary: {}", spec.replicas);
        problems.push(Error::new(Code::InvalidValue, message).hint("use 0 to 5"));
    }
    if spec.snapshot_days > 35 {
        let message = format!("ElastiCache keeps snapshots for at most 35 days: {}", spec.snapshot_days);
        problems.push(Error::new(Code::InvalidValue, message).hint("use 0 to 35"));
    }
    problems
}

fn family(spec: &CacheSpec, today: Date) -> Result<&'static str> {
    let name = engine(spec.engine);
    let known = VERSIONS.iter().filter(|(of, ..)| *of == spec.engine);
    let supported: Vec<&str> =
        known.clone().filter(|(.., end)| end.is_none_or(|end| today <= end)).map(|(_, version, ..)| *version).collect();
    let message = match known.clone().find(|(_, version, ..)| *version == spec.version) {
        Some((_, _, _, Some(end))) if *end < today => {
            format!("ElastiCache ended standard support of {name} {} on this day: {end}", spec.version)
        }
        Some((_, _, family, _)) => return Ok(family),
        None => format!("ElastiCache has no such version of {name}: {}", spec.version),
    };
    Err(Error::new(Code::UnsupportedVersion, message).hint(format!("use one of {}", supported.join(", "))))
}

#[cfg(test)]
mod tests {
    use landfall_core::kind::NetworkSpec;
    use serde_json::json;

    use super::*;
    use crate::testing;

    fn expand(spec: CacheSpec) -> Result<landfall_core::graph::Expanded> {
        let mut stack = testing::stack();
        testing::declare(&mut stack.caches, "redis", spec);
        testing::expanded(&stack)
    }

    fn valkey() -> CacheSpec {
        CacheSpec::valkey(&testing::network())
    }

    #[test]
    fn a_cache_is_made_for_production() {
        let mut stack = testing::stack();
        testing::declare(&mut stack.caches, "redis", valkey());
        testing::declare(&mut stack.services, "tabular", testing::service().depends_on(DependencyKind::Cache, "redis"));
        insta::assert_snapshot!(testing::natives(&testing::expanded(&stack).unwrap(), "cache/redis"));
    }

    #[test]
    fn without_replicas_nothing_takes_over_and_one_zone_is_enough() {
        let mut stack = testing::stack();
        let range = "10.1.0.0/16".parse().unwrap();
        testing::declare(&mut stack.networks, "small", NetworkSpec::new(range).zones(1));
        let network = landfall_core::kind::Ref::named("small");
        testing::declare(&mut stack.caches, "redis", CacheSpec::redis(&network).replicas(0));
        let expanded = testing::expanded(&stack).unwrap();
        let property = |name| testing::property(&expanded, "aws/cache/redis/server", name);
        assert_eq!(property("NumCacheClusters"), json!(1));
        assert_eq!(property("AutomaticFailoverEnabled"), json!(false));
        assert_eq!(property("MultiAZEnabled"), json!(false));

        testing::declare(&mut stack.caches, "redis", CacheSpec::redis(&network).replicas(1));
        assert_eq!(testing::expanded(&stack).unwrap_err().code(), Code::InvalidValue);
    }

    #[test]
    fn eviction_is_a_parameter_and_the_version_names_its_family() {
        let spec = CacheSpec::redis(&testing::network()).version("6.2").eviction(Eviction::LeastFrequentlyUsed);
        let expanded = expand(spec).unwrap();
        let property = |name| testing::property(&expanded, "aws/cache/redis/parameter-group", name);
        assert_eq!(property("Properties"), json!({ "maxmemory-policy": "allkeys-lfu" }));
        assert_eq!(property("CacheParameterGroupFamily"), json!("redis6.x"));
    }

    #[test]
    fn wrong_values_are_refused() {
        let code = |spec| expand(spec).unwrap_err().code();
        assert_eq!(code(valkey().version("7.1")), Code::UnsupportedVersion);
        assert_eq!(code(CacheSpec::redis(&testing::network()).version("5.0.6")), Code::UnsupportedVersion);
        assert_eq!(code(valkey().replicas(6)), Code::InvalidValue);
        assert_eq!(code(valkey().snapshot_days(36)), Code::InvalidValue);
        let old = CacheSpec::redis(&testing::network()).version("6.2");
        assert_eq!(family(&old, Date::new(2027, 2, 1)).unwrap_err().code(), Code::UnsupportedVersion);
    }
}
