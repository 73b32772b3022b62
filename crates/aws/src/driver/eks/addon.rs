//! Add-ons.
//!
//! Sources: [CreateAddon](https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAddon.html),
//! [UpdateAddon](https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateAddon.html) and
//! [DescribeAddonVersions](https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeAddonVersions.html). Where no
//! version is declared, an add-on is made in the default version for the cluster's; an update keeps the version that is
//! there, unless it does not go with the cluster's any more.

use async_trait::async_trait;
use aws_sdk_eks::types::{
    Addon as Described, AddonInfo, AddonIssueCode, AddonNamespaceConfigRequest, AddonPodIdentityAssociations,
    AddonStatus, ResolveConflicts,
};
use landfall_core::driver::{Health, Operation, Progress};
use landfall_core::resource::{Identity, Properties};
use landfall_core::{Code, Error, Result, map};

use super::super::each::each;
use super::super::error::failed;
use super::super::kept::{Call, Kept, Seen, Started, Which, incomplete};
use super::super::wanted::{Shown, Wanted, touches};
use super::{Part, STATE, change, cluster, found, issue, names, pairs, permitted, places, state, tag, token, updating};

/// `AWS::EKS::Addon`. Its id is `cluster|addon`.
#[derive(Debug)]
pub(in super::super) struct Addon;

/// What one update sets, all at once.
const CHANGING: &[&str] =
    &["AddonVersion", "ConfigurationValues", "PodIdentityAssociations", "ResolveConflicts", "ServiceAccountRoleArn"];

#[async_trait]
impl Kept for Addon {
    fn type_name(&self) -> &'static str {
        "AWS::EKS::Addon"
    }

    /// An add-on goes with all that it put into the cluster: `PreserveOnDelete` is taken as no.
    fn settable(&self) -> &'static [&'static str] {
        &[
            "AddonName",
            "AddonVersion",
            "ClusterName",
            "ConfigurationValues",
            "NamespaceConfig",
            "PodIdentityAssociations",
            "PreserveOnDelete",
            "ResolveConflicts",
            "ServiceAccountRoleArn",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let all = places(call, which, place, async |cluster: String| {
            let list = call.api.eks.list_addons().cluster_name(cluster).into_paginator().items().send();
            list.try_collect().await.map_err(failed("eks:ListAddons"))
        })
        .await?;
        each(all, async |(cluster, name): (String, String)| {
            let seen = describe(call, &cluster, &name).await;
            Ok(permitted(call.cx.stack, which, &cluster, seen)?.map(|seen| shown(&seen)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        preserving(desired)?;
        let (cluster, name) = (desired.required("ClusterName")?, desired.required("AddonName")?);
        let version = match desired.text("AddonVersion") {
            Some(version) => Some(version),
            None => fitting(call, &cluster, &name, "").await?,
        };
        let namespace = desired.text("NamespaceConfig.Namespace");
        let create = call
            .api
            .eks
            .create_addon()
            .set_client_request_token(token(call, at))
            .cluster_name(cluster)
            .addon_name(name)
            .set_addon_version(version)
            .set_service_account_role_arn(desired.text("ServiceAccountRoleArn"))
            .set_resolve_conflicts(conflicts(desired))
            .set_configuration_values(configuration(desired))
            .set_pod_identity_associations(identities(desired)?)
            .set_namespace_config(namespace.map(|name| AddonNamespaceConfigRequest::builder().namespace(name).build()))
            .set_tags(Some(desired.tags("Tags").into_iter().collect()));
        let made = create.send().await.map_err(failed("eks:CreateAddon"))?;
        let made = shown(&made.addon.ok_or_else(|| incomplete("addon"))?);
        Ok(Started::running(made.id, "CREATING").handle(STATE))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        preserving(desired)?;
        let (cluster, name) = place(at);
        let now = describe(call, &cluster, &name).await?;
        if touches(changed, "Tags") {
            tag(call, now.addon_arn(), now.tags(), &desired.tags("Tags")).await?;
        }
        if !CHANGING.iter().any(|property| touches(changed, property)) {
            return Ok(Started::done(shown(&now)));
        }
        let version = match desired.text("AddonVersion") {
            Some(version) => Some(version),
            None => fitting(call, &cluster, &name, now.addon_version().unwrap_or_default()).await?,
        };
        // Associations that are not listed are taken away; when the list is absent, they are left as they are.
        let identities = match identities(desired)? {
            None if touches(changed, "PodIdentityAssociations") => Some(Vec::new()),
            identities => identities,
        };
        // What is not said stays as it is, so that nothing is said in words.
        let empty = touches(changed, "ConfigurationValues").then(|| "{}".to_owned());
        let update = call
            .api
            .eks
            .update_addon()
            .cluster_name(&cluster)
            .addon_name(&name)
            .set_addon_version(version)
            .set_service_account_role_arn(desired.text("ServiceAccountRoleArn"))
            .set_resolve_conflicts(conflicts(desired))
            .set_configuration_values(configuration(desired).or(empty))
            .set_pod_identity_associations(identities);
        let update = update.send().await.map_err(failed("eks:UpdateAddon"))?.update;
        // A change that is made at once is asked about no more: the add-on's own state tells.
        let made = update.as_ref().is_some_and(|update| state(update).is_none());
        Ok(updating(format!("{cluster}|{name}"), update.as_ref().filter(|_| !made)))
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let (cluster, name) = place(at);
        let delete = call.api.eks.delete_addon().cluster_name(&cluster).addon_name(&name);
        delete.send().await.map_err(failed("eks:DeleteAddon"))?;
        Ok(Started::running(format!("{cluster}|{name}"), "DELETING"))
    }

    async fn follow(&self, call: &Call<'_>, operation: &Operation) -> Result<Option<Progress>> {
        let (cluster, name) = place(&operation.identity);
        match change(call, operation, &cluster, Part::Addon(&name)).await? {
            Some(progress) => Ok(Some(progress)),
            None => Ok(found(describe(call, &cluster, &name).await)?.as_ref().and_then(waiting)),
        }
    }
}

/// What an add-on waits for, while it does; otherwise its health tells.
fn waiting(addon: &Described) -> Option<Progress> {
    match health(addon) {
        Health::Busy(phase) => Some(Progress::Running { phase, message: issues(addon) }),
        _ => None,
    }
}

/// The cluster, and the add-on in it.
fn place(at: &Identity) -> (String, String) {
    names(at, '|', |cluster, name| (cluster, name))
}

async fn describe(call: &Call<'_>, cluster: &str, name: &str) -> Result<Described> {
    let describe = call.api.eks.describe_addon().cluster_name(cluster).addon_name(name);
    let described = describe.send().await.map_err(failed("eks:DescribeAddon"))?;
    described.addon.ok_or_else(|| incomplete("addon"))
}

/// A delete knows no properties, and so not that something should stay.
fn preserving(desired: &Properties) -> Result<()> {
    if desired.flag("PreserveOnDelete") == Some(true) {
        let message = "what an add-on put into the cluster cannot be kept when it is deleted: PreserveOnDelete";
        return Err(Error::new(Code::InvalidRequest, message).hint("leave it out"));
    }
    Ok(())
}

fn conflicts(desired: &Properties) -> Option<ResolveConflicts> {
    desired.text("ResolveConflicts").map(|text| ResolveConflicts::from(text.as_str()))
}

fn configuration(desired: &Properties) -> Option<String> {
    desired.document("ConfigurationValues")
}

/// The associations that the add-on owns; `None` when nothing is said about them.
fn identities(desired: &Properties) -> Result<Option<Vec<AddonPodIdentityAssociations>>> {
    if desired.value("PodIdentityAssociations").is_none() {
        return Ok(None);
    }
    let all = desired.maps("PodIdentityAssociations").into_iter().map(|one| {
        let built = AddonPodIdentityAssociations::builder()
            .service_account(one.required("ServiceAccount")?)
            .role_arn(one.required("RoleArn")?)
            .build();
        built.map_err(|_| incomplete("an association"))
    });
    all.collect::<Result<Vec<_>>>().map(Some)
}

/// The version that has to be named so that an add-on goes with its cluster; `None` keeps the one that is there `now`.
async fn fitting(call: &Call<'_>, cluster: &str, name: &str, now: &str) -> Result<Option<String>> {
    let cluster = cluster::describe(call, cluster).await?;
    let list = call
        .api
        .eks
        .describe_addon_versions()
        .addon_name(name)
        .set_kubernetes_version(cluster.version)
        .into_paginator()
        .items()
        .send();
    let all: Vec<AddonInfo> = list.try_collect().await.map_err(failed("eks:DescribeAddonVersions"))?;
    Ok(chosen(&all, now))
}

/// The default version, unless the one that is there is among those that fit.
fn chosen(all: &[AddonInfo], now: &str) -> Option<String> {
    let versions = || all.iter().flat_map(AddonInfo::addon_versions);
    if versions().any(|one| one.addon_version() == Some(now)) {
        return None;
    }
    let default = versions().find(|one| one.compatibilities().iter().any(|fit| fit.default_version()));
    default.and_then(|one| one.addon_version()).map(str::to_owned)
}

fn shown(addon: &Described) -> Seen {
    let (cluster, name) = (addon.cluster_name().unwrap_or_default(), addon.addon_name().unwrap_or_default());
    let said = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
    let mut properties = Properties::new();
    properties.show("ClusterName", Some(cluster));
    properties.show("AddonName", Some(name));
    properties.show("AddonVersion", said(addon.addon_version()));
    properties.show("ServiceAccountRoleArn", said(addon.service_account_role_arn()));
    properties.show("ConfigurationValues", said(addon.configuration_values()));
    let namespace = addon.namespace_config().and_then(|config| config.namespace());
    properties.show("NamespaceConfig", namespace.map(|name| map! { "Namespace" => name }));
    properties.show_tags("Tags", pairs(addon.tags()));
    let id = format!("{cluster}|{name}");
    let mut outputs = Properties::new();
    outputs.show("Id", Some(id.as_str()));
    outputs.show("Arn", addon.addon_arn());
    Seen { id, properties, outputs, health: health(addon) }
}

fn health(addon: &Described) -> Health {
    let status = addon.status().map_or("CREATING", AddonStatus::as_str);
    match addon.status() {
        Some(AddonStatus::Active) => Health::Ready,
        Some(AddonStatus::Deleting) => Health::Deleting,
        Some(AddonStatus::CreateFailed | AddonStatus::UpdateFailed | AddonStatus::DeleteFailed) => {
            let words = issues(addon);
            Health::Failed(format!("{status}: {}", if words.is_empty() { "EKS gives no reason" } else { &words }))
        }
        // Degraded is what it is without nodes to run on, and it gets well by itself when they come.
        _ => Health::Busy(status.to_owned()),
    }
}

fn issues(addon: &Described) -> String {
    let all = addon.health().map(|health| health.issues()).unwrap_or_default();
    let words = all.iter().map(|one| issue(one.code().map(AddonIssueCode::as_str), one.message(), one.resource_ids()));
    words.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_eks::types::{AddonHealth, AddonIssue, AddonVersionInfo, Compatibility};
    use landfall_core::{list, properties};

    use super::*;

    #[test]
    fn an_update_keeps_the_version_that_fits_and_else_takes_the_default_one() {
        let version = |version: &str, default| {
            let fit = Compatibility::builder().cluster_version("1.35").default_version(default).build();
            AddonVersionInfo::builder().addon_version(version).compatibilities(fit).build()
        };
        let all =
            [AddonInfo::builder().addon_versions(version("v3", false)).addon_versions(version("v2", true)).build()];
        assert_eq!(chosen(&all, "v3"), None);
        assert_eq!(chosen(&all, "v1").as_deref(), Some("v2"));
        assert_eq!(chosen(&all, "").as_deref(), Some("v2"), "of a new one");
        assert_eq!(chosen(&[], "v1"), None);
    }

    #[test]
    fn associations_are_left_alone_unless_something_is_said_about_them() {
        assert_eq!(identities(&properties! {}).unwrap(), None);
        assert_eq!(identities(&properties! { "PodIdentityAssociations" => list![] }).unwrap(), Some(Vec::new()));
        let one = map! { "ServiceAccount" => "aws-node", "RoleArn" => "arn:aws:iam::123456789012:role/cni" };
        let all = identities(&properties! { "PodIdentityAssociations" => list![one] }).unwrap().unwrap();
        assert_eq!((all[0].service_account(), all[0].role_arn()), ("aws-node", "arn:aws:iam::123456789012:role/cni"));
        let half = properties! { "PodIdentityAssociations" => list![map! { "ServiceAccount" => "aws-node" }] };
        assert_eq!(identities(&half).unwrap_err().code(), Code::InvalidRequest);
    }

    #[test]
    fn an_add_on_without_nodes_waits_and_one_that_failed_says_why() {
        let addon = |status| {
            let issue = AddonIssue::builder()
                .code(AddonIssueCode::InsufficientNumberOfReplicas)
                .message("The add-on is unhealthy because it doesn't have the desired number of replicas")
                .build();
            let health = AddonHealth::builder().issues(issue).build();
            Described::builder().status(status).health(health).build()
        };
        let Some(Progress::Running { phase, message }) = waiting(&addon(AddonStatus::Degraded)) else {
            panic!("waits")
        };
        assert_eq!(phase, "DEGRADED");
        assert!(message.starts_with("InsufficientNumberOfReplicas: The add-on"), "{message}");
        assert!(waiting(&addon(AddonStatus::Active)).is_none());
        assert!(waiting(&addon(AddonStatus::CreateFailed)).is_none());
        let failed = health(&addon(AddonStatus::CreateFailed));
        assert!(matches!(failed, Health::Failed(why) if why.starts_with("CREATE_FAILED: Insufficient")));
    }
}
