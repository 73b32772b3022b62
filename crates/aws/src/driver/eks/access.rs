//! Access entries: who may use the Kubernetes API of a cluster, and how far.
//!
//! Sources: [CreateAccessEntry](https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html) and
//! [AssociateAccessPolicy](https://docs.aws.amazon.com/eks/latest/APIReference/API_AssociateAccessPolicy.html), which also
//! changes how far a policy reaches that is associated already.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_eks::types::{
    AccessEntry as Described, AccessScope, AccessScopeType, AssociatedAccessPolicy as Associated,
};
use landfall_core::Result;
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties, Value};

use super::super::each::each;
use super::super::error::failed;
use super::super::kept::{Call, Kept, Seen, Started, Which, incomplete};
use super::super::wanted::{Shown, Wanted, touches};
use super::{names, pairs, permitted, places, tag, token};

/// `AWS::EKS::AccessEntry`. Its id is `principal|cluster`.
#[derive(Debug)]
pub(in super::super) struct AccessEntry;

#[async_trait]
impl Kept for AccessEntry {
    fn type_name(&self) -> &'static str {
        "AWS::EKS::AccessEntry"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["AccessPolicies", "ClusterName", "KubernetesGroups", "PrincipalArn", "Type", "Username"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let all = places(call, which, place, async |cluster: String| {
            let list = call.api.eks.list_access_entries().cluster_name(cluster).into_paginator().items().send();
            list.try_collect().await.map_err(failed("eks:ListAccessEntries"))
        })
        .await?;
        each(all, async |(cluster, principal): (String, String)| {
            let seen = async {
                let entry = describe(call, &cluster, &principal).await?;
                let policies = associated(call, &cluster, &principal).await?;
                Ok(shown(&entry, &policies))
            };
            permitted(call.cx.stack, which, &cluster, seen.await)
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let (cluster, principal) = (desired.required("ClusterName")?, desired.required("PrincipalArn")?);
        let create = call
            .api
            .eks
            .create_access_entry()
            .set_client_request_token(token(call, at))
            .cluster_name(&cluster)
            .principal_arn(&principal)
            .set_kubernetes_groups(desired.texts("KubernetesGroups"))
            .set_username(desired.text("Username"))
            .set_type(desired.text("Type"))
            .set_tags(Some(desired.tags("Tags").into_iter().collect()));
        let made = create.send().await.map_err(failed("eks:CreateAccessEntry"))?;
        let seen = shown(&made.access_entry.ok_or_else(|| incomplete("accessEntry"))?, &[]);
        for policy in desired.maps("AccessPolicies") {
            if associate(call, &cluster, &principal, policy).await.is_err() {
                return Ok(Started::unfinished(seen));
            }
        }
        Ok(Started::done(seen))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let (cluster, principal) = place(at);
        let eks = &call.api.eks;
        if touches(changed, "KubernetesGroups") || touches(changed, "Username") {
            // What is not said stays as it is, so that no groups are said as none.
            let none = touches(changed, "KubernetesGroups").then(Vec::new);
            let groups = desired.texts("KubernetesGroups").or(none);
            let update = eks
                .update_access_entry()
                .cluster_name(&cluster)
                .principal_arn(&principal)
                .set_kubernetes_groups(groups)
                .set_username(desired.text("Username"));
            update.send().await.map_err(failed("eks:UpdateAccessEntry"))?;
        }
        if touches(changed, "AccessPolicies") {
            let now = associated(call, &cluster, &principal).await?;
            let (set, gone) = differences(&now, &desired.maps("AccessPolicies"));
            for policy in set {
                associate(call, &cluster, &principal, policy).await?;
            }
            for policy in gone {
                let away = eks.disassociate_access_policy().cluster_name(&cluster).principal_arn(&principal);
                away.policy_arn(policy).send().await.map_err(failed("eks:DisassociateAccessPolicy"))?;
            }
        }
        if touches(changed, "Tags") {
            let now = describe(call, &cluster, &principal).await?;
            tag(call, now.access_entry_arn(), now.tags(), &desired.tags("Tags")).await?;
        }
        call.settled(self, at).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let (cluster, principal) = place(at);
        let delete = call.api.eks.delete_access_entry().cluster_name(&cluster).principal_arn(&principal);
        delete.send().await.map_err(failed("eks:DeleteAccessEntry"))?;
        Ok(Started::gone(format!("{principal}|{cluster}")))
    }
}

/// The cluster, and the principal.
fn place(at: &Identity) -> (String, String) {
    names(at, '|', |principal, cluster| (cluster, principal))
}

async fn describe(call: &Call<'_>, cluster: &str, principal: &str) -> Result<Described> {
    let describe = call.api.eks.describe_access_entry().cluster_name(cluster).principal_arn(principal);
    let described = describe.send().await.map_err(failed("eks:DescribeAccessEntry"))?;
    described.access_entry.ok_or_else(|| incomplete("accessEntry"))
}

async fn associated(call: &Call<'_>, cluster: &str, principal: &str) -> Result<Vec<Associated>> {
    let list = call.api.eks.list_associated_access_policies().cluster_name(cluster).principal_arn(principal);
    let list = list.into_paginator().items().send();
    list.try_collect().await.map_err(failed("eks:ListAssociatedAccessPolicies"))
}

async fn associate(call: &Call<'_>, cluster: &str, principal: &str, policy: &Properties) -> Result<()> {
    let associate = call.api.eks.associate_access_policy().cluster_name(cluster).principal_arn(principal);
    let associate = associate.policy_arn(policy.required("PolicyArn")?).access_scope(scope(policy));
    associate.send().await.map_err(failed("eks:AssociateAccessPolicy"))?;
    Ok(())
}

fn scope(policy: &Properties) -> AccessScope {
    AccessScope::builder()
        .set_type(policy.text("AccessScope.Type").map(|text| AccessScopeType::from(text.as_str())))
        .set_namespaces(policy.texts("AccessScope.Namespaces"))
        .build()
}

/// The policies to associate, and those to take away.
fn differences<'a>(now: &[Associated], wanted: &[&'a Properties]) -> (Vec<&'a Properties>, Vec<String>) {
    let reach = |scope: &AccessScope| {
        let namespaces: BTreeSet<String> = scope.namespaces().iter().cloned().collect();
        (scope.r#type().cloned(), namespaces)
    };
    let same = |one: &Associated, policy: &Properties| {
        one.policy_arn() == policy.text("PolicyArn").as_deref()
            && one.access_scope().map(reach) == Some(reach(&scope(policy)))
    };
    let set = wanted.iter().filter(|policy| !now.iter().any(|one| same(one, policy))).copied().collect();
    let listed = |arn: &str| wanted.iter().any(|policy| policy.text("PolicyArn").as_deref() == Some(arn));
    let gone = now.iter().filter_map(Associated::policy_arn).filter(|arn| !listed(arn));
    (set, gone.map(str::to_owned).collect())
}

fn shown(entry: &Described, policies: &[Associated]) -> Seen {
    let (cluster, principal) = (entry.cluster_name().unwrap_or_default(), entry.principal_arn().unwrap_or_default());
    let mut properties = Properties::new();
    properties.show("ClusterName", Some(cluster));
    properties.show("PrincipalArn", Some(principal));
    properties.show("Type", entry.r#type());
    properties.show("Username", entry.username().filter(|name| !name.is_empty()));
    properties.show_texts("KubernetesGroups", entry.kubernetes_groups());
    let all = policies.iter().map(|policy| {
        let mut reach = Properties::new();
        let scope = policy.access_scope();
        reach.show("Type", scope.and_then(|scope| scope.r#type()).map(AccessScopeType::as_str));
        reach.show_texts("Namespaces", scope.map(AccessScope::namespaces).unwrap_or_default());
        let mut within = Properties::new();
        within.show("PolicyArn", policy.policy_arn());
        within.show("AccessScope", Some(Value::Map(reach)));
        Value::Map(within)
    });
    let all: Vec<Value> = all.collect();
    properties.show("AccessPolicies", Some(Value::List(all)).filter(|_| !policies.is_empty()));
    properties.show_tags("Tags", pairs(entry.tags()));
    let id = format!("{principal}|{cluster}");
    let mut outputs = Properties::new();
    outputs.show("Id", Some(id.as_str()));
    outputs.show("AccessEntryArn", entry.access_entry_arn());
    Seen { id, properties, outputs, health: Health::Ready }
}
