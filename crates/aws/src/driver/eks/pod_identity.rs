//! Pod identity associations: which role the pods of a service account have.
//!
//! Source: [CreatePodIdentityAssociation](https://docs.aws.amazon.com/eks/latest/APIReference/API_CreatePodIdentityAssociation.html)
//! and its neighbours. An association is found by its namespace and service account, of which each has one.

use async_trait::async_trait;
use aws_sdk_eks::types::PodIdentityAssociation as Described;
use landfall_core::driver::Health;
use landfall_core::resource::{Claim, Identity, Properties, Value};
use landfall_core::{Code, Error, Result};

use super::super::each::each;
use super::super::error::failed;
use super::super::kept::{Call, Kept, Seen, Started, Which, incomplete};
use super::super::wanted::{Shown, Wanted, touches};
use super::{in_clusters, pairs, permitted, tag, token};

/// `AWS::EKS::PodIdentityAssociation`. Its id is its ARN.
#[derive(Debug)]
pub(in super::super) struct PodIdentityAssociation;

#[async_trait]
impl Kept for PodIdentityAssociation {
    fn type_name(&self) -> &'static str {
        "AWS::EKS::PodIdentityAssociation"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["ClusterName", "DisableSessionTags", "Namespace", "Policy", "RoleArn", "ServiceAccount", "TargetRoleArn"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let mut all: Vec<(String, String)> = which.ids().into_iter().filter_map(place).collect();
        let unknown: Vec<_> = which.unknown().filter_map(claimed).collect();
        let found = each(unknown, async |(cluster, namespace, account): (String, String, String)| {
            let ids = listed(call, &cluster, Some(namespace), Some(account)).await?;
            Ok(Some(ids.into_iter().map(|id| (cluster.clone(), id)).collect::<Vec<_>>()))
        });
        all.extend(found.await?.concat());
        if matches!(which, Which::Marked) {
            all.extend(in_clusters(call, async |cluster: String| listed(call, &cluster, None, None).await).await?);
        }
        all.sort();
        all.dedup();
        each(all, async |(cluster, id): (String, String)| {
            let seen = describe(call, &cluster, &id).await;
            Ok(permitted(call.cx.stack, which, &cluster, seen)?.map(|seen| shown(&seen)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .eks
            .create_pod_identity_association()
            .set_client_request_token(token(call, at))
            .cluster_name(desired.required("ClusterName")?)
            .namespace(desired.required("Namespace")?)
            .service_account(desired.required("ServiceAccount")?)
            .role_arn(desired.required("RoleArn")?)
            .set_disable_session_tags(desired.flag("DisableSessionTags"))
            .set_target_role_arn(desired.text("TargetRoleArn"))
            .set_policy(desired.document("Policy"))
            .set_tags(Some(desired.tags("Tags").into_iter().collect()));
        let made = create.send().await.map_err(failed("eks:CreatePodIdentityAssociation"))?;
        Ok(Started::done(shown(&made.association.ok_or_else(|| incomplete("association"))?)))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let (cluster, id) = at.id.as_deref().and_then(place).ok_or_else(|| unreadable(at))?;
        if ["DisableSessionTags", "Policy", "RoleArn", "TargetRoleArn"].iter().any(|name| touches(changed, name)) {
            let update = call
                .api
                .eks
                .update_pod_identity_association()
                .cluster_name(&cluster)
                .association_id(&id)
                .role_arn(desired.required("RoleArn")?)
                .disable_session_tags(desired.flag("DisableSessionTags").unwrap_or_default())
                .set_target_role_arn(desired.text("TargetRoleArn"))
                .set_policy(desired.document("Policy"));
            update.send().await.map_err(failed("eks:UpdatePodIdentityAssociation"))?;
        }
        if touches(changed, "Tags") {
            let now = describe(call, &cluster, &id).await?;
            tag(call, now.association_arn(), now.tags(), &desired.tags("Tags")).await?;
        }
        call.settled(self, at).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let arn = at.id.clone().unwrap_or_default();
        let (cluster, id) = place(&arn).ok_or_else(|| unreadable(at))?;
        let delete = call.api.eks.delete_pod_identity_association().cluster_name(cluster).association_id(id);
        delete.send().await.map_err(failed("eks:DeletePodIdentityAssociation"))?;
        Ok(Started::gone(arn))
    }
}

/// The cluster and the association's own id, from its ARN: `…:podidentityassociation/CLUSTER/ID`.
fn place(arn: &str) -> Option<(String, String)> {
    let (cluster, id) = arn.splitn(6, ':').last()?.strip_prefix("podidentityassociation/")?.split_once('/')?;
    Some((cluster.to_owned(), id.to_owned()))
}

/// Cluster, namespace and service account.
fn claimed(at: &Identity) -> Option<(String, String, String)> {
    let Claim::Tuple(values) = &at.claim else { return None };
    let value = |name: &str| {
        let (_, value) = values.iter().find(|(path, _)| path == name)?;
        value.as_str().map(str::to_owned)
    };
    Some((value("ClusterName")?, value("Namespace")?, value("ServiceAccount")?))
}

fn unreadable(at: &Identity) -> Error {
    let id = at.id.as_deref().unwrap_or_default();
    Error::new(Code::InvalidRequest, format!("not the ARN of a pod identity association: {id}"))
        .hint("give the association's ARN as its id")
}

async fn listed(
    call: &Call<'_>,
    cluster: &str,
    namespace: Option<String>,
    account: Option<String>,
) -> Result<Vec<String>> {
    let list = call.api.eks.list_pod_identity_associations().cluster_name(cluster);
    let list = list.set_namespace(namespace).set_service_account(account).into_paginator().items().send();
    let all: Vec<_> = list.try_collect().await.map_err(failed("eks:ListPodIdentityAssociations"))?;
    Ok(all.into_iter().filter_map(|one| one.association_id).collect())
}

async fn describe(call: &Call<'_>, cluster: &str, id: &str) -> Result<Described> {
    let describe = call.api.eks.describe_pod_identity_association().cluster_name(cluster).association_id(id);
    let described = describe.send().await.map_err(failed("eks:DescribePodIdentityAssociation"))?;
    described.association.ok_or_else(|| incomplete("association"))
}

fn shown(association: &Described) -> Seen {
    let arn = association.association_arn().unwrap_or_default();
    let mut properties = Properties::new();
    properties.show("ClusterName", association.cluster_name());
    properties.show("Namespace", association.namespace());
    properties.show("ServiceAccount", association.service_account());
    properties.show("RoleArn", association.role_arn());
    properties.show("DisableSessionTags", association.disable_session_tags());
    properties.show("TargetRoleArn", association.target_role_arn());
    properties.show("Policy", association.policy());
    properties.show_tags("Tags", pairs(association.tags()));
    let outputs = [("AssociationArn", Some(arn)), ("AssociationId", association.association_id())];
    let outputs = outputs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?))));
    Seen { id: arn.to_owned(), properties, outputs: outputs.collect(), health: Health::Ready }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_the_cluster_and_the_association() {
        let arn = "arn:aws:eks:eu-west-1:123456789012:podidentityassociation/main/a-1";
        assert_eq!(place(arn), Some(("main".to_owned(), "a-1".to_owned())));
        for other in ["a-1", "arn:aws:eks:eu-west-1:123456789012:addon/main/coredns/1"] {
            assert_eq!(place(other), None);
        }
    }
}
