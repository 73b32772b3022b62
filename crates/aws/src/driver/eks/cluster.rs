//! Clusters.
//!
//! Sources: [CreateCluster](https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html),
//! [UpdateClusterConfig](https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateClusterConfig.html), which takes one
//! sort of change at a time, and
//! [UpdateClusterVersion](https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateClusterVersion.html), which goes one
//! minor version up. What is not declared any more is left as it is.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_eks::types::{
    AuthenticationMode, Cluster as Described, ClusterIssueCode, ClusterStatus, CreateAccessConfigRequest,
    EncryptionConfig, IpFamily, KubernetesNetworkConfigRequest, LogSetup, LogType, Logging, Provider, SupportType,
    Update, UpdateAccessConfigRequest, UpgradePolicyRequest, VpcConfigRequest, ZonalShiftConfigRequest,
};
use landfall_core::driver::{Health, Operation, Progress};
use landfall_core::resource::{Claim, Identity, Properties, Value};
use landfall_core::{Code, Error, Result, map};

use super::super::each::each;
use super::super::error::failed;
use super::super::kept::{Call, Kept, Seen, Started, Which, incomplete, running};
use super::super::wanted::{Shown, Wanted, touches};
use super::{Begun, Part, STATE, change, clusters, found, issue, only, pairs, permitted, tag, token, updating};

/// What can be set within a property.
const WITHIN: &[(&str, &[&str])] = &[
    ("AccessConfig", &["AuthenticationMode", "BootstrapClusterCreatorAdminPermissions"]),
    ("KubernetesNetworkConfig", &["IpFamily", "ServiceIpv4Cidr"]),
    (
        "ResourcesVpcConfig",
        &["EndpointPrivateAccess", "EndpointPublicAccess", "PublicAccessCidrs", "SecurityGroupIds", "SubnetIds"],
    ),
];

/// `AWS::EKS::Cluster`.
#[derive(Debug, Default)]
pub(in super::super) struct Cluster {
    begun: Begun<Change>,
}

#[async_trait]
impl Kept for Cluster {
    fn type_name(&self) -> &'static str {
        "AWS::EKS::Cluster"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "AccessConfig",
            "BootstrapSelfManagedAddons",
            "DeletionProtection",
            "EncryptionConfig",
            "Force",
            "KubernetesNetworkConfig",
            "Logging",
            "Name",
            "ResourcesVpcConfig",
            "RoleArn",
            "UpgradePolicy",
            "Version",
            "ZonalShiftConfig",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let mut names: Vec<String> = match which {
            Which::These(these) => these.iter().map(name).collect(),
            Which::Marked => clusters(call).await?,
        };
        names.retain(|name| !name.is_empty());
        names.sort();
        names.dedup();
        each(names, async |name: String| {
            let seen = describe(call, &name).await;
            Ok(permitted(call.cx.stack, which, &name, seen)?.map(|cluster| shown(&cluster)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        for (property, known) in WITHIN {
            only(desired, property, known)?;
        }
        let access = desired.map("AccessConfig").map(|access| {
            CreateAccessConfigRequest::builder()
                .set_authentication_mode(access.text("AuthenticationMode").map(mode))
                .set_bootstrap_cluster_creator_admin_permissions(access.flag("BootstrapClusterCreatorAdminPermissions"))
                .build()
        });
        let network = desired.map("KubernetesNetworkConfig").map(|network| {
            KubernetesNetworkConfigRequest::builder()
                .set_ip_family(network.text("IpFamily").map(|family| IpFamily::from(family.as_str())))
                .set_service_ipv4_cidr(network.text("ServiceIpv4Cidr"))
                .build()
        });
        let shift = desired.flag("ZonalShiftConfig.Enabled");
        let create = call
            .api
            .eks
            .create_cluster()
            .set_client_request_token(token(call, at))
            .name(desired.required("Name")?)
            .role_arn(desired.required("RoleArn")?)
            .resources_vpc_config(vpc(desired))
            .set_version(desired.text("Version"))
            .set_kubernetes_network_config(network)
            .set_logging(wanted_logs(desired).map(|on| logging(&on, &BTreeSet::new())))
            .set_encryption_config(encryption(desired))
            .set_access_config(access)
            .set_bootstrap_self_managed_addons(desired.flag("BootstrapSelfManagedAddons"))
            .set_upgrade_policy(support(desired).map(|of| UpgradePolicyRequest::builder().support_type(of).build()))
            .set_zonal_shift_config(shift.map(|on| ZonalShiftConfigRequest::builder().enabled(on).build()))
            .set_deletion_protection(desired.flag("DeletionProtection"))
            .set_tags(Some(desired.tags("Tags").into_iter().collect()));
        let made = create.send().await.map_err(failed("eks:CreateCluster"))?;
        let made = made.cluster.ok_or_else(|| incomplete("cluster"))?;
        Ok(Started::running(made.name().unwrap_or_default(), status(&made)))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        for (property, known) in WITHIN {
            only(desired, property, known)?;
        }
        let name = name(at);
        let now = describe(call, &name).await?;
        self.begun.pause(&name);
        if touches(changed, "Tags") {
            tag(call, now.arn(), now.tags(), &desired.tags("Tags")).await?;
        }
        if !matches!(now.status(), Some(ClusterStatus::Active | ClusterStatus::Failed)) {
            // Whoever started that is not known here; what is wanted comes after it.
            return Ok(Started::running(name, status(&now)).handle(STATE));
        }
        let Some(change) = next(&now, desired, changed)? else {
            self.begun.end(&name);
            return Ok(Started::done(shown(&now)));
        };
        self.begun.allow(&name, &change, desired, Change::property)?;
        let update = match change.clone().start(call, &name, desired.flag("Force")).await {
            // The look at the cluster was behind.
            Err(error) if said(&error, "already at the desired") => None,
            update => update?,
        };
        self.begun.begin(&name, change, desired, changed);
        Ok(updating(name, update.as_ref()))
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = name(at);
        match call.api.eks.delete_cluster().name(&name).send().await.map_err(failed("eks:DeleteCluster")) {
            Ok(_) => Ok(Started::running(name, "DELETING")),
            Err(error) if said(&error, "deletion protection") => {
                Err(error.hint("switch its deletion protection off, converge, and then remove it"))
            }
            Err(error) => Err(error),
        }
    }

    async fn follow(&self, call: &Call<'_>, operation: &Operation) -> Result<Option<Progress>> {
        let name = name(&operation.identity);
        if let Some(progress) = change(call, operation, &name, Part::Cluster).await? {
            if matches!(progress, Progress::Failed(_)) {
                self.begun.end(&name);
            }
            return Ok(Some(progress));
        }
        let Some(now) = found(describe(call, &name).await)? else { return Ok(None) };
        Ok(match now.status() {
            Some(ClusterStatus::Active) => {
                let next = |desired: &Properties, changed: &[String]| next(&now, desired, changed);
                let unshown = self.begun.unshown(&name, next, Change::property);
                unshown.or_else(|| Some(Progress::Unfinished(shown(&now).outputs)))
            }
            // The change is made, and the state lags behind.
            Some(ClusterStatus::Updating) => Some(running("UPDATING")),
            _ => None,
        })
    }
}

fn name(at: &Identity) -> String {
    match (&at.id, &at.claim) {
        (Some(id), _) => id.clone(),
        (None, Claim::Name(parts)) => parts.last().cloned().unwrap_or_default(),
        (None, _) => String::new(),
    }
}

pub(super) async fn describe(call: &Call<'_>, name: &str) -> Result<Described> {
    let described = call.api.eks.describe_cluster().name(name).send().await.map_err(failed("eks:DescribeCluster"))?;
    described.cluster.ok_or_else(|| incomplete("cluster"))
}

fn status(cluster: &Described) -> &str {
    cluster.status().map_or("CREATING", ClusterStatus::as_str)
}

/// Whether EKS's own message holds these words.
fn said(error: &Error, words: &str) -> bool {
    error.cloud_answer().is_some_and(|answer| answer.message.to_lowercase().contains(words))
}

fn mode(text: String) -> AuthenticationMode {
    AuthenticationMode::from(text.as_str())
}

fn support(desired: &Properties) -> Option<SupportType> {
    desired.text("UpgradePolicy.SupportType").map(|text| SupportType::from(text.as_str()))
}

fn vpc(desired: &Properties) -> VpcConfigRequest {
    VpcConfigRequest::builder()
        .set_subnet_ids(desired.texts("ResourcesVpcConfig.SubnetIds"))
        .set_security_group_ids(desired.texts("ResourcesVpcConfig.SecurityGroupIds"))
        .set_endpoint_public_access(desired.flag("ResourcesVpcConfig.EndpointPublicAccess"))
        .set_endpoint_private_access(desired.flag("ResourcesVpcConfig.EndpointPrivateAccess"))
        .set_public_access_cidrs(desired.texts("ResourcesVpcConfig.PublicAccessCidrs"))
        .build()
}

#[expect(deprecated, reason = "CloudFormation's schema has the resources still")]
fn encryption(desired: &Properties) -> Option<Vec<EncryptionConfig>> {
    let all = desired.maps("EncryptionConfig");
    let all = all.into_iter().map(|one| {
        let provider = one.text("Provider.KeyArn").map(|key| Provider::builder().key_arn(key).build());
        EncryptionConfig::builder().set_provider(provider).set_resources(one.texts("Resources")).build()
    });
    Some(all.collect::<Vec<_>>()).filter(|all| !all.is_empty())
}

/// The sorts of logs that are wanted, when something is said about them.
fn wanted_logs(desired: &Properties) -> Option<BTreeSet<String>> {
    desired.value("Logging.ClusterLogging.EnabledTypes")?;
    let types = desired.map("Logging.ClusterLogging")?.maps("EnabledTypes");
    Some(types.into_iter().filter_map(|one| one.text("Type")).collect())
}

fn logs(cluster: &Described) -> BTreeSet<String> {
    let setups = cluster.logging().map(Logging::cluster_logging).unwrap_or_default();
    let on = setups.iter().filter(|setup| setup.enabled() == Some(true));
    on.flat_map(LogSetup::types).map(|one| one.as_str().to_owned()).collect()
}

fn logging(on: &BTreeSet<String>, off: &BTreeSet<String>) -> Logging {
    let setup = |enabled, types: &BTreeSet<String>| {
        let types = types.iter().map(|text| LogType::from(text.as_str())).collect();
        LogSetup::builder().enabled(enabled).set_types(Some(types)).build()
    };
    let setups = [(true, on), (false, off)].into_iter().filter(|(_, types)| !types.is_empty());
    Logging::builder().set_cluster_logging(Some(setups.map(|(enabled, types)| setup(enabled, types)).collect())).build()
}

fn shown(cluster: &Described) -> Seen {
    let name = cluster.name().unwrap_or_default();
    let mut properties = Properties::new();
    properties.show("Name", Some(name));
    properties.show("Version", cluster.version());
    properties.show("RoleArn", cluster.role_arn());
    properties.show("DeletionProtection", cluster.deletion_protection());
    if let Some(vpc) = cluster.resources_vpc_config() {
        let mut within = Properties::new();
        within.show_texts("SubnetIds", vpc.subnet_ids());
        within.show_texts("SecurityGroupIds", vpc.security_group_ids());
        within.show_texts("PublicAccessCidrs", vpc.public_access_cidrs());
        within.show("EndpointPublicAccess", Some(vpc.endpoint_public_access()));
        within.show("EndpointPrivateAccess", Some(vpc.endpoint_private_access()));
        properties.show("ResourcesVpcConfig", Some(Value::Map(within)));
    }
    if let Some(network) = cluster.kubernetes_network_config() {
        let mut within = Properties::new();
        within.show("IpFamily", network.ip_family().map(IpFamily::as_str));
        within.show("ServiceIpv4Cidr", network.service_ipv4_cidr());
        within.show("ServiceIpv6Cidr", network.service_ipv6_cidr());
        properties.show("KubernetesNetworkConfig", Some(Value::Map(within)));
    }
    let types: Value = logs(cluster).into_iter().map(|one| map! { "Type" => one }).collect();
    properties.show("Logging", Some(map! { "ClusterLogging" => map! { "EnabledTypes" => types } }));
    #[expect(deprecated, reason = "CloudFormation's schema has the resources still")]
    let keys = cluster.encryption_config().iter().map(|one| {
        let mut within = Properties::new();
        let key = one.provider().and_then(Provider::key_arn);
        within.show("Provider", key.map(|key| map! { "KeyArn" => key }));
        within.show_texts("Resources", one.resources());
        Value::Map(within)
    });
    let keys: Vec<Value> = keys.collect();
    properties.show("EncryptionConfig", Some(Value::List(keys)).filter(|_| !cluster.encryption_config().is_empty()));
    let mode = cluster.access_config().and_then(|access| access.authentication_mode());
    properties.show("AccessConfig", mode.map(|mode| map! { "AuthenticationMode" => mode.as_str() }));
    let support = cluster.upgrade_policy().and_then(|policy| policy.support_type());
    properties.show("UpgradePolicy", support.map(|support| map! { "SupportType" => support.as_str() }));
    let shift = cluster.zonal_shift_config().and_then(|shift| shift.enabled());
    properties.show("ZonalShiftConfig", shift.map(|on| map! { "Enabled" => on }));
    properties.show_tags("Tags", pairs(cluster.tags()));
    let mut outputs = Properties::new();
    outputs.show("Name", Some(name));
    outputs.show("Arn", cluster.arn());
    outputs.show("Id", cluster.id());
    outputs.show("Endpoint", cluster.endpoint());
    let certificate = cluster.certificate_authority().and_then(|authority| authority.data());
    outputs.show("CertificateAuthorityData", certificate);
    let group = cluster.resources_vpc_config().and_then(|vpc| vpc.cluster_security_group_id());
    outputs.show("ClusterSecurityGroupId", group);
    let issuer = cluster.identity().and_then(|identity| identity.oidc()).and_then(|oidc| oidc.issuer());
    outputs.show("OpenIdConnectIssuerUrl", issuer);
    let key = cluster.encryption_config().first().and_then(EncryptionConfig::provider).and_then(Provider::key_arn);
    outputs.show("EncryptionConfigKeyArn", key);
    Seen { id: name.to_owned(), properties, outputs, health: health(cluster) }
}

fn health(cluster: &Described) -> Health {
    match cluster.status() {
        Some(ClusterStatus::Active) => Health::Ready,
        Some(ClusterStatus::Deleting) => Health::Deleting,
        Some(ClusterStatus::Failed) => {
            let issues = cluster.health().map(|health| health.issues()).unwrap_or_default();
            let words = issues
                .iter()
                .map(|one| issue(one.code().map(ClusterIssueCode::as_str), one.message(), one.resource_ids()));
            let words: Vec<_> = words.collect();
            Health::Failed(if words.is_empty() { "EKS gives no reason".to_owned() } else { words.join("; ") })
        }
        _ => Health::Busy(status(cluster).to_owned()),
    }
}

/// One change that EKS makes at a time.
#[derive(Clone, Debug, PartialEq)]
enum Change {
    Version(String),
    Access(AuthenticationMode),
    Endpoints { public: bool, private: bool, ranges: Option<Vec<String>> },
    Network { subnets: Vec<String>, groups: Vec<String> },
    Logs { on: BTreeSet<String>, off: BTreeSet<String> },
    Support(SupportType),
    Protection(bool),
    ZonalShift(bool),
}

/// The first change that is needed still.
fn next(now: &Described, desired: &Properties, changed: &[String]) -> Result<Option<Change>> {
    if touches(changed, "Version")
        && let Some(wanted) = desired.text("Version")
        && let Some(version) = step(now.version().unwrap_or_default(), &wanted)?
    {
        return Ok(Some(Change::Version(version)));
    }
    if touches(changed, "AccessConfig")
        && let Some(wanted) = desired.text("AccessConfig.AuthenticationMode").map(mode)
        && let Some(mode) = unlock(now.access_config().and_then(|access| access.authentication_mode()), wanted)?
    {
        return Ok(Some(Change::Access(mode)));
    }
    if touches(changed, "ResourcesVpcConfig")
        && let Some(change) = endpoints(now, desired).or_else(|| network(now, desired))
    {
        return Ok(Some(change));
    }
    if touches(changed, "Logging")
        && let Some(wanted) = wanted_logs(desired)
    {
        let now = logs(now);
        if now != wanted {
            let (on, off) = (&wanted - &now, &now - &wanted);
            return Ok(Some(Change::Logs { on, off }));
        }
    }
    if touches(changed, "UpgradePolicy")
        && let Some(wanted) = support(desired)
        && now.upgrade_policy().and_then(|policy| policy.support_type()) != Some(&wanted)
    {
        return Ok(Some(Change::Support(wanted)));
    }
    if touches(changed, "DeletionProtection")
        && let Some(wanted) = desired.flag("DeletionProtection")
        && now.deletion_protection().unwrap_or_default() != wanted
    {
        return Ok(Some(Change::Protection(wanted)));
    }
    if touches(changed, "ZonalShiftConfig")
        && let Some(wanted) = desired.flag("ZonalShiftConfig.Enabled")
        && now.zonal_shift_config().and_then(|shift| shift.enabled()).unwrap_or_default() != wanted
    {
        return Ok(Some(Change::ZonalShift(wanted)));
    }
    Ok(None)
}

/// The next version on the way from one to another: EKS goes up by one minor version at a time, and not down.
fn step(now: &str, wanted: &str) -> Result<Option<String>> {
    let parsed = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    let read = |text: &str| {
        parsed(text).ok_or_else(|| {
            Error::new(Code::UnsupportedVersion, format!("not a version of Kubernetes: {text}"))
                .hint("write it as EKS does, such as 1.35")
        })
    };
    let ((major, minor), wanted_parts) = (read(now)?, read(wanted)?);
    if (major, minor) == wanted_parts {
        return Ok(None);
    }
    if wanted_parts < (major, minor) || wanted_parts.0 != major {
        return Err(Error::new(
            Code::UnsupportedVersion,
            format!("a cluster cannot be updated from {now} to this version: {wanted}"),
        )
        .hint(format!("declare {now} or a later version of {major}.x, or make a new cluster")));
    }
    Ok(Some(format!("{major}.{}", minor + 1)))
}

/// The next authentication mode on the way: both first, then access entries alone, and never back.
fn unlock(now: Option<&AuthenticationMode>, wanted: AuthenticationMode) -> Result<Option<AuthenticationMode>> {
    use AuthenticationMode::{Api, ApiAndConfigMap, ConfigMap};
    match (now.unwrap_or(&ConfigMap), wanted) {
        (now, wanted) if *now == wanted => Ok(None),
        (ConfigMap, ApiAndConfigMap | Api) => Ok(Some(ApiAndConfigMap)),
        (ApiAndConfigMap, Api) => Ok(Some(Api)),
        (now, wanted) => Err(Error::new(
            Code::InvalidRequest,
            format!("a cluster's authentication mode cannot go from {now} to this one: {wanted}"),
        )
        .hint(format!("declare {now}, or make a new cluster"))),
    }
}

fn endpoints(now: &Described, desired: &Properties) -> Option<Change> {
    let now = now.resources_vpc_config()?;
    let flag = |name: &str| desired.flag(&format!("ResourcesVpcConfig.{name}"));
    let public = flag("EndpointPublicAccess").unwrap_or(now.endpoint_public_access());
    let private = flag("EndpointPrivateAccess").unwrap_or(now.endpoint_private_access());
    // Ranges mean nothing, and are refused, where nobody gets in from outside.
    let ranges = desired.texts("ResourcesVpcConfig.PublicAccessCidrs").filter(|_| public);
    let same = public == now.endpoint_public_access()
        && private == now.endpoint_private_access()
        && ranges.as_ref().is_none_or(|ranges| is_same(ranges, now.public_access_cidrs()));
    (!same).then_some(Change::Endpoints { public, private, ranges })
}

fn network(now: &Described, desired: &Properties) -> Option<Change> {
    let now = now.resources_vpc_config()?;
    let texts = |name: &str, now: &[String]| {
        desired.texts(&format!("ResourcesVpcConfig.{name}")).unwrap_or_else(|| now.to_vec())
    };
    let (subnets, groups) = (texts("SubnetIds", now.subnet_ids()), texts("SecurityGroupIds", now.security_group_ids()));
    let same = is_same(&subnets, now.subnet_ids()) && is_same(&groups, now.security_group_ids());
    (!same).then_some(Change::Network { subnets, groups })
}

fn is_same(one: &[String], other: &[String]) -> bool {
    one.iter().collect::<BTreeSet<_>>() == other.iter().collect()
}

impl Change {
    /// What it changes.
    fn property(&self) -> String {
        let name = match self {
            Self::Version(_) => "Version",
            Self::Access(_) => "AccessConfig",
            Self::Endpoints { .. } | Self::Network { .. } => "ResourcesVpcConfig",
            Self::Logs { .. } => "Logging",
            Self::Support(_) => "UpgradePolicy",
            Self::Protection(_) => "DeletionProtection",
            Self::ZonalShift(_) => "ZonalShiftConfig",
        };
        name.to_owned()
    }

    async fn start(self, call: &Call<'_>, name: &str, force: Option<bool>) -> Result<Option<Update>> {
        if let Self::Version(version) = self {
            let update = call.api.eks.update_cluster_version().name(name).version(version).set_force(force);
            return Ok(update.send().await.map_err(failed("eks:UpdateClusterVersion"))?.update);
        }
        let update = call.api.eks.update_cluster_config().name(name);
        let update = match self {
            Self::Version(_) => update,
            Self::Access(mode) => {
                update.access_config(UpdateAccessConfigRequest::builder().authentication_mode(mode).build())
            }
            Self::Endpoints { public, private, ranges } => update.resources_vpc_config(
                VpcConfigRequest::builder()
                    .endpoint_public_access(public)
                    .endpoint_private_access(private)
                    .set_public_access_cidrs(ranges)
                    .build(),
            ),
            Self::Network { subnets, groups } => update.resources_vpc_config(
                VpcConfigRequest::builder().set_subnet_ids(Some(subnets)).set_security_group_ids(Some(groups)).build(),
            ),
            Self::Logs { on, off } => update.logging(logging(&on, &off)),
            Self::Support(of) => update.upgrade_policy(UpgradePolicyRequest::builder().support_type(of).build()),
            Self::Protection(on) => update.deletion_protection(on),
            Self::ZonalShift(on) => update.zonal_shift_config(ZonalShiftConfigRequest::builder().enabled(on).build()),
        };
        Ok(update.send().await.map_err(failed("eks:UpdateClusterConfig"))?.update)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eks::types::{
        AccessConfigResponse, ClusterHealth, ClusterIssue, UpgradePolicyResponse, VpcConfigResponse,
        ZonalShiftConfigResponse,
    };
    use landfall_core::plan::unlike;
    use landfall_core::{list, properties};

    use super::*;

    fn wanted() -> Properties {
        properties! {
            "Name" => "main",
            "Version" => "1.35",
            "RoleArn" => "arn:aws:iam::123456789012:role/eks",
            "AccessConfig" => map! {
                "AuthenticationMode" => "API", "BootstrapClusterCreatorAdminPermissions" => false,
            },
            "BootstrapSelfManagedAddons" => false,
            "ResourcesVpcConfig" => map! {
                "SubnetIds" => ["subnet-1", "subnet-2"],
                "SecurityGroupIds" => ["sg-1"],
                "EndpointPrivateAccess" => true,
                "EndpointPublicAccess" => true,
                "PublicAccessCidrs" => ["203.0.113.0/24"],
            },
            "KubernetesNetworkConfig" => map! { "IpFamily" => "ipv4", "ServiceIpv4Cidr" => "172.20.0.0/16" },
            "Logging" => map! {
                "ClusterLogging" => map! { "EnabledTypes" => list![map! { "Type" => "audit" }, map! { "Type" => "api" }] },
            },
            "EncryptionConfig" => list![map! {
                "Provider" => map! { "KeyArn" => "arn:aws:kms:eu-west-1:123456789012:key/1" }, "Resources" => ["secrets"],
            }],
            "UpgradePolicy" => map! { "SupportType" => "EXTENDED" },
            "ZonalShiftConfig" => map! { "Enabled" => true },
            "DeletionProtection" => true,
            "Tags" => list![map! { "Key" => "Team", "Value" => "platform" }],
        }
    }

    /// The cluster that EKS would make of these properties.
    fn made(of: &Properties) -> Described {
        let vpc = vpc(of);
        let vpc = VpcConfigResponse::builder()
            .set_subnet_ids(vpc.subnet_ids)
            .set_security_group_ids(vpc.security_group_ids)
            .set_public_access_cidrs(vpc.public_access_cidrs)
            .endpoint_public_access(vpc.endpoint_public_access.unwrap_or(true))
            .endpoint_private_access(vpc.endpoint_private_access.unwrap_or_default())
            .cluster_security_group_id("sg-9")
            .build();
        let network = of.map("KubernetesNetworkConfig").unwrap();
        let network = aws_sdk_eks::types::KubernetesNetworkConfigResponse::builder()
            .ip_family(IpFamily::from(network.required("IpFamily").unwrap().as_str()))
            .service_ipv4_cidr(network.required("ServiceIpv4Cidr").unwrap())
            .build();
        let access = AccessConfigResponse::builder()
            .set_authentication_mode(of.text("AccessConfig.AuthenticationMode").map(mode));
        let off = BTreeSet::from(["scheduler".to_owned()]);
        Described::builder()
            .name("main")
            .arn("arn:aws:eks:eu-west-1:123456789012:cluster/main")
            .status(ClusterStatus::Active)
            .set_version(of.text("Version"))
            .set_role_arn(of.text("RoleArn"))
            .resources_vpc_config(vpc)
            .kubernetes_network_config(network)
            .logging(logging(&wanted_logs(of).unwrap_or_default(), &off))
            .set_encryption_config(encryption(of))
            .access_config(access.build())
            .upgrade_policy(UpgradePolicyResponse::builder().set_support_type(support(of)).build())
            .zonal_shift_config(
                ZonalShiftConfigResponse::builder().set_enabled(of.flag("ZonalShiftConfig.Enabled")).build(),
            )
            .set_deletion_protection(of.flag("DeletionProtection"))
            .set_tags(Some(of.tags("Tags").into_iter().collect()))
            .build()
    }

    fn all() -> Vec<String> {
        wanted().keys().cloned().collect()
    }

    #[test]
    fn a_cluster_is_shown_as_it_was_wanted() {
        let of = crate::types::all().into_iter().find(|of| of.name == "AWS::EKS::Cluster").unwrap();
        let seen = shown(&made(&wanted()));
        assert!(unlike(&of, &wanted(), &seen.properties).is_empty(), "{:#?}", seen.properties);
        assert_eq!(seen.health, Health::Ready);
        assert_eq!(seen.outputs["ClusterSecurityGroupId"], "sg-9".into());
        assert_eq!(seen.outputs["EncryptionConfigKeyArn"], "arn:aws:kms:eu-west-1:123456789012:key/1".into());
        assert_eq!(next(&made(&wanted()), &wanted(), &all()).unwrap(), None);
    }

    #[test]
    fn changes_come_one_after_the_other_until_nothing_differs() {
        let mut now = wanted();
        now.extend(properties! {
            "Version" => "1.33",
            "AccessConfig" => map! { "AuthenticationMode" => "CONFIG_MAP" },
            "ResourcesVpcConfig" => map! {
                "SubnetIds" => ["subnet-1", "subnet-3"],
                "SecurityGroupIds" => ["sg-1"],
                "EndpointPrivateAccess" => false,
                "EndpointPublicAccess" => true,
                "PublicAccessCidrs" => ["0.0.0.0/0"],
            },
            "Logging" => map! {
                "ClusterLogging" => map! { "EnabledTypes" => list![map! { "Type" => "api" }, map! { "Type" => "scheduler" }] },
            },
            "UpgradePolicy" => map! { "SupportType" => "STANDARD" },
            "ZonalShiftConfig" => map! { "Enabled" => false },
            "DeletionProtection" => false,
        });
        let mut changes = Vec::new();
        while let Some(change) = next(&made(&now), &wanted(), &all()).unwrap() {
            let within = |name: &str, value: Value| {
                let mut within = now["ResourcesVpcConfig"].as_map().unwrap().clone();
                within.insert(name.to_owned(), value);
                ("ResourcesVpcConfig".to_owned(), Value::Map(within))
            };
            let (name, value) = match &change {
                Change::Version(version) => ("Version".to_owned(), version.as_str().into()),
                Change::Access(mode) => ("AccessConfig".to_owned(), map! { "AuthenticationMode" => mode.as_str() }),
                Change::Endpoints { .. } => {
                    let mut wanted = wanted()["ResourcesVpcConfig"].as_map().unwrap().clone();
                    wanted.insert("SubnetIds".to_owned(), ["subnet-1", "subnet-3"].into());
                    ("ResourcesVpcConfig".to_owned(), Value::Map(wanted))
                }
                Change::Network { subnets, .. } => within("SubnetIds", subnets.clone().into()),
                Change::Logs { .. } => ("Logging".to_owned(), wanted()["Logging"].clone()),
                Change::Support(of) => ("UpgradePolicy".to_owned(), map! { "SupportType" => of.as_str() }),
                Change::Protection(on) => ("DeletionProtection".to_owned(), (*on).into()),
                Change::ZonalShift(on) => ("ZonalShiftConfig".to_owned(), map! { "Enabled" => *on }),
            };
            now.insert(name, value);
            changes.push(change);
            assert!(changes.len() < 20, "{changes:?}");
        }
        assert_eq!(
            changes,
            [
                Change::Version("1.34".into()),
                Change::Version("1.35".into()),
                Change::Access(AuthenticationMode::ApiAndConfigMap),
                Change::Access(AuthenticationMode::Api),
                Change::Endpoints { public: true, private: true, ranges: Some(vec!["203.0.113.0/24".into()]) },
                Change::Network { subnets: vec!["subnet-1".into(), "subnet-2".into()], groups: vec!["sg-1".into()] },
                Change::Logs { on: BTreeSet::from(["audit".into()]), off: BTreeSet::from(["scheduler".into()]) },
                Change::Support(SupportType::Extended),
                Change::Protection(true),
                Change::ZonalShift(true),
            ]
        );
    }

    #[test]
    fn only_what_changed_is_changed() {
        let mut now = wanted();
        now.extend(properties! { "Version" => "1.33", "DeletionProtection" => false });
        let change = next(&made(&now), &wanted(), &["DeletionProtection".to_owned()]).unwrap();
        assert_eq!(change, Some(Change::Protection(true)));
    }

    #[test]
    fn ranges_are_left_out_where_nobody_gets_in_from_outside() {
        let mut wanted = wanted();
        let mut within = wanted["ResourcesVpcConfig"].as_map().unwrap().clone();
        within.insert("EndpointPublicAccess".to_owned(), false.into());
        wanted.insert("ResourcesVpcConfig".to_owned(), Value::Map(within));
        let change = next(&made(&super::tests::wanted()), &wanted, &all()).unwrap();
        assert_eq!(change, Some(Change::Endpoints { public: false, private: true, ranges: None }));
    }

    #[test]
    fn a_version_goes_up_by_one_and_never_down() {
        assert_eq!(step("1.33", "1.33").unwrap(), None);
        assert_eq!(step("1.9", "1.11").unwrap().as_deref(), Some("1.10"));
        for (now, wanted) in [("1.35", "1.33"), ("1.35", "2.0"), ("1.35", "latest")] {
            let refused = step(now, wanted).unwrap_err();
            assert_eq!(refused.code(), Code::UnsupportedVersion);
            assert!(refused.message().ends_with(&format!(": {wanted}")), "{refused}");
        }
    }

    #[test]
    fn an_authentication_mode_is_opened_in_steps_and_never_closed() {
        use AuthenticationMode::{Api, ApiAndConfigMap, ConfigMap};
        assert_eq!(unlock(None, Api).unwrap(), Some(ApiAndConfigMap));
        assert_eq!(unlock(Some(&ApiAndConfigMap), Api).unwrap(), Some(Api));
        assert_eq!(unlock(Some(&Api), Api).unwrap(), None);
        assert_eq!(unlock(Some(&Api), ConfigMap).unwrap_err().code(), Code::InvalidRequest);
    }

    #[test]
    fn a_cluster_that_failed_says_why() {
        let failed = |health: ClusterHealth| {
            let cluster = Described::builder().status(ClusterStatus::Failed).health(health).build();
            super::health(&cluster)
        };
        let one = ClusterIssue::builder()
            .code(ClusterIssueCode::Ec2SubnetNotFound)
            .message("We cannot find the subnet")
            .resource_ids("subnet-1");
        assert_eq!(
            failed(ClusterHealth::builder().issues(one.build()).build()),
            Health::Failed("Ec2SubnetNotFound: We cannot find the subnet (subnet-1)".into())
        );
        assert!(matches!(failed(ClusterHealth::builder().build()), Health::Failed(_)));
        let pending = Described::builder().status(ClusterStatus::Creating).build();
        assert_eq!(health(&pending), Health::Busy("CREATING".into()));
    }
}
