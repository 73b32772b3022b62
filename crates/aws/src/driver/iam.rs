//! IAM: roles, and policies within them.
//!
//! Sources: [CreateRole](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html) and its neighbours.
//! A few roles are read one by one, with `iam:GetRole`, `iam:ListAttachedRolePolicies`, `iam:ListRolePolicies` and
//! `iam:GetRolePolicy`. Many, and all in a census, are read from two lists with a thousand roles to a page:
//! [GetAccountAuthorizationDetails](https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html)
//! holds tags and policies, and [ListRoles](https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListRoles.html) what the
//! former lacks, description and session duration. Neither can be narrowed down to some roles by a permission, so that a
//! caller who may not read them has each role read alone; a census cannot do without them.
//!
//! A role that declares `Policies` or `ManagedPolicyArns` owns all of its policies of that sort: a change of the list takes
//! away what is not in it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_iam::types::{EntityType, Role as Described, RoleDetail, Tag};
use futures_util::future::try_join;
use landfall_core::driver::Health;
use landfall_core::resource::{Claim, Identity, Properties, Value};
use landfall_core::{Code, Result};
use percent_encoding::percent_decode_str;

use super::each::each;
use super::error::failed;
use super::kept::{Call, Kept, Seen, Started, Which, incomplete};
use super::wanted::{Shown, Wanted, retag, touches};

/// Up to so many roles are read one by one.
const HANDFUL: usize = 4;
/// The largest page.
const PAGE: i32 = 1_000;
/// How long a session lasts where nothing is said, in seconds.
const SESSION: i32 = 3_600;

/// `AWS::IAM::Role`.
#[derive(Debug)]
pub(super) struct Role;

#[async_trait]
impl Kept for Role {
    fn type_name(&self) -> &'static str {
        "AWS::IAM::Role"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "Path",
            "PermissionsBoundary",
            "Policies",
            "RoleName",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let Which::These(these) = which else { return all(call).await };
        let mut names: Vec<String> = these.iter().map(name).filter(|name| !name.is_empty()).collect();
        names.sort();
        names.dedup();
        if names.len() > HANDFUL {
            match all(call).await {
                Ok(mut roles) => {
                    roles.retain(|role| names.contains(&role.id));
                    return Ok(roles);
                }
                Err(error) if error.code() == Code::PermissionDenied => {}
                Err(error) => return Err(error),
            }
        }
        each(names, |name| one(call, name)).await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .iam
            .create_role()
            .role_name(desired.required("RoleName")?)
            .assume_role_policy_document(trust(desired)?)
            .set_path(desired.text("Path"))
            .set_description(desired.text("Description"))
            .set_max_session_duration(desired.number("MaxSessionDuration"))
            .set_permissions_boundary(desired.text("PermissionsBoundary"))
            .set_tags(Some(tags(desired.tags("Tags"))?));
        let made = create.send().await.map_err(failed("iam:CreateRole"))?;
        let made = made.role.ok_or_else(|| incomplete("Role"))?;
        let rest = async {
            for policy in desired.texts("ManagedPolicyArns").unwrap_or_default() {
                attach(call, &made.role_name, policy).await?;
            }
            for policy in desired.maps("Policies") {
                put(call, &made.role_name, policy).await?;
            }
            Ok::<_, landfall_core::Error>(())
        };
        let rest = rest.await;
        let seen = shown(Parts::from(made));
        Ok(if rest.is_ok() { Started::done(seen) } else { Started::unfinished(seen) })
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let role = name(at);
        let iam = &call.api.iam;
        if touches(changed, "AssumeRolePolicyDocument") {
            let update = iam.update_assume_role_policy().role_name(&role).policy_document(trust(desired)?);
            update.send().await.map_err(failed("iam:UpdateAssumeRolePolicy"))?;
        }
        if touches(changed, "Description") || touches(changed, "MaxSessionDuration") {
            let update = iam
                .update_role()
                .role_name(&role)
                .description(desired.text("Description").unwrap_or_default())
                .max_session_duration(desired.number("MaxSessionDuration").unwrap_or(SESSION));
            update.send().await.map_err(failed("iam:UpdateRole"))?;
        }
        if touches(changed, "PermissionsBoundary") {
            boundary(call, &role, desired.text("PermissionsBoundary")).await?;
        }
        if touches(changed, "ManagedPolicyArns") {
            let wanted = desired.texts("ManagedPolicyArns").unwrap_or_default();
            let now = attached(call, &role).await?;
            for policy in wanted.iter().filter(|policy| !now.contains(policy)) {
                attach(call, &role, policy.clone()).await?;
            }
            for policy in now.into_iter().filter(|policy| !wanted.contains(policy)) {
                detach(call, &role, policy).await?;
            }
        }
        if touches(changed, "Policies") {
            let wanted = desired.maps("Policies");
            let now = inline(call, &role).await?;
            for policy in &wanted {
                put(call, &role, policy).await?;
            }
            let named = |name: &String| wanted.iter().any(|policy| policy.text("PolicyName").as_ref() == Some(name));
            for policy in now.into_iter().filter(|policy| !named(policy)) {
                remove(call, &role, policy).await?;
            }
        }
        if touches(changed, "Tags") {
            let list = iam.list_role_tags().role_name(&role).into_paginator().items().send();
            let now: Vec<Tag> = list.try_collect().await.map_err(failed("iam:ListRoleTags"))?;
            let now: Vec<_> = now.into_iter().map(|tag| (tag.key, tag.value)).collect();
            let (set, gone) = retag(&now, &desired.tags("Tags"));
            if !set.is_empty() {
                let tag = iam.tag_role().role_name(&role).set_tags(Some(tags(set)?));
                tag.send().await.map_err(failed("iam:TagRole"))?;
            }
            if !gone.is_empty() {
                let untag = iam.untag_role().role_name(&role).set_tag_keys(Some(gone));
                untag.send().await.map_err(failed("iam:UntagRole"))?;
            }
        }
        call.settled(self, at).await
    }

    /// A role can be deleted when it has no policies any more. Instance profiles are not made here, and one that holds the
    /// role refuses.
    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let role = name(at);
        for policy in attached(call, &role).await? {
            absent(detach(call, &role, policy).await)?;
        }
        for policy in inline(call, &role).await? {
            absent(remove(call, &role, policy).await)?;
        }
        call.api.iam.delete_role().role_name(&role).send().await.map_err(failed("iam:DeleteRole"))?;
        Ok(Started::gone(role))
    }
}

/// The role that an identity means.
fn name(at: &Identity) -> String {
    match (&at.id, &at.claim) {
        (Some(id), _) => id.clone(),
        (None, Claim::Name(parts)) => parts.last().cloned().unwrap_or_default(),
        (None, _) => String::new(),
    }
}

/// What both ways of reading a role come to.
#[derive(Debug, Default)]
struct Parts {
    name: String,
    id: Option<String>,
    arn: Option<String>,
    path: Option<String>,
    trust: Option<String>,
    description: Option<String>,
    session: Option<i32>,
    boundary: Option<String>,
    attached: Vec<String>,
    /// Names and documents.
    inline: Vec<(String, String)>,
    tags: Vec<(String, String)>,
}

impl From<Described> for Parts {
    fn from(role: Described) -> Self {
        Self {
            name: role.role_name,
            id: Some(role.role_id),
            arn: Some(role.arn),
            path: Some(role.path),
            trust: role.assume_role_policy_document,
            description: role.description,
            session: role.max_session_duration,
            boundary: role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            attached: Vec::new(),
            inline: Vec::new(),
            tags: role.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
        }
    }
}

impl From<RoleDetail> for Parts {
    fn from(role: RoleDetail) -> Self {
        let attached = role.attached_managed_policies.unwrap_or_default().into_iter();
        let inline = role.role_policy_list.unwrap_or_default().into_iter();
        Self {
            name: role.role_name.unwrap_or_default(),
            id: role.role_id,
            arn: role.arn,
            path: role.path,
            trust: role.assume_role_policy_document,
            description: None,
            session: None,
            boundary: role.permissions_boundary.and_then(|boundary| boundary.permissions_boundary_arn),
            attached: attached.filter_map(|policy| policy.policy_arn).collect(),
            inline: inline.filter_map(|policy| Some((policy.policy_name?, policy.policy_document?))).collect(),
            tags: role.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
        }
    }
}

async fn one(call: &Call<'_>, name: String) -> Result<Option<Seen>> {
    let iam = &call.api.iam;
    let described = iam.get_role().role_name(&name).send().await.map_err(failed("iam:GetRole"))?;
    let mut role = Parts::from(described.role.ok_or_else(|| incomplete("Role"))?);
    role.attached = attached(call, &name).await?;
    for policy in inline(call, &name).await? {
        let get = iam.get_role_policy().role_name(&name).policy_name(policy);
        let policy = get.send().await.map_err(failed("iam:GetRolePolicy"))?;
        role.inline.push((policy.policy_name, policy.policy_document));
    }
    Ok(Some(shown(role)))
}

/// All roles of the account.
async fn all(call: &Call<'_>) -> Result<Vec<Seen>> {
    let iam = &call.api.iam;
    let details = async {
        let details = iam.get_account_authorization_details().filter(EntityType::Role).max_items(PAGE);
        let pages: Vec<_> = details
            .into_paginator()
            .send()
            .try_collect()
            .await
            .map_err(failed("iam:GetAccountAuthorizationDetails"))?;
        Ok::<Vec<RoleDetail>, landfall_core::Error>(
            pages.into_iter().flat_map(|page| page.role_detail_list.unwrap_or_default()).collect(),
        )
    };
    let listed = async {
        let list = iam.list_roles().max_items(PAGE).into_paginator().items().send();
        let all: Vec<Described> = list.try_collect().await.map_err(failed("iam:ListRoles"))?;
        Ok(all.into_iter().map(|role| (role.role_name.clone(), role)).collect::<BTreeMap<_, _>>())
    };
    let (details, mut listed) = try_join(details, listed).await?;
    let mut roles = Vec::new();
    let mut fresh = Vec::new();
    for detail in details {
        let mut role = Parts::from(detail);
        match listed.remove(&role.name) {
            Some(listed) => {
                role.description = listed.description;
                role.session = listed.max_session_duration;
                roles.push(shown(role));
            }
            // Made or deleted between the two calls.
            None => fresh.push(role.name),
        }
    }
    roles.extend(each(fresh, |name| one(call, name)).await?);
    Ok(roles)
}

fn shown(role: Parts) -> Seen {
    let mut properties = Properties::new();
    properties.show("RoleName", Some(role.name.as_str()));
    properties.show("Path", role.path);
    properties.show_document("AssumeRolePolicyDocument", role.trust.as_deref().map(decoded).as_deref());
    properties.show("Description", role.description);
    properties.show("MaxSessionDuration", role.session);
    properties.show("PermissionsBoundary", role.boundary);
    properties.show_texts("ManagedPolicyArns", &role.attached);
    if !role.inline.is_empty() {
        let policies = role.inline.iter().map(|(name, document)| {
            let mut policy = Properties::new();
            policy.show("PolicyName", Some(name.as_str()));
            policy.show_document("PolicyDocument", Some(&decoded(document)));
            Value::Map(policy)
        });
        properties.insert("Policies".to_owned(), policies.collect());
    }
    properties.show_tags("Tags", role.tags);
    let mut outputs = Properties::new();
    outputs.show("RoleName", Some(role.name.as_str()));
    outputs.show("Arn", role.arn);
    outputs.show("RoleId", role.id);
    Seen { id: role.name, properties, outputs, health: Health::Ready }
}

/// A document as IAM returns it: encoded as for an address, which JSON is told from by its first letter.
fn decoded(document: &str) -> String {
    if document.starts_with('%') {
        percent_decode_str(document).decode_utf8_lossy().into_owned()
    } else {
        document.to_owned()
    }
}

fn trust(desired: &Properties) -> Result<String> {
    match desired.document("AssumeRolePolicyDocument") {
        Some(document) => Ok(document),
        None => desired.required("AssumeRolePolicyDocument"),
    }
}

fn tags(all: Vec<(String, String)>) -> Result<Vec<Tag>> {
    let tags = all.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.collect::<std::result::Result<_, _>>().map_err(|_| incomplete("a tag"))
}

/// What is gone already needs no deleting.
fn absent(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if error.code() == Code::NotFound => Ok(()),
        other => other,
    }
}

async fn attached(call: &Call<'_>, role: &str) -> Result<Vec<String>> {
    let list = call.api.iam.list_attached_role_policies().role_name(role).into_paginator().items().send();
    let all: Vec<_> = list.try_collect().await.map_err(failed("iam:ListAttachedRolePolicies"))?;
    Ok(all.into_iter().filter_map(|policy| policy.policy_arn).collect())
}

async fn inline(call: &Call<'_>, role: &str) -> Result<Vec<String>> {
    let list = call.api.iam.list_role_policies().role_name(role).into_paginator().items().send();
    list.try_collect().await.map_err(failed("iam:ListRolePolicies"))
}

async fn attach(call: &Call<'_>, role: &str, policy: String) -> Result<()> {
    let attach = call.api.iam.attach_role_policy().role_name(role).policy_arn(policy);
    attach.send().await.map_err(failed("iam:AttachRolePolicy"))?;
    Ok(())
}

async fn detach(call: &Call<'_>, role: &str, policy: String) -> Result<()> {
    let detach = call.api.iam.detach_role_policy().role_name(role).policy_arn(policy);
    detach.send().await.map_err(failed("iam:DetachRolePolicy"))?;
    Ok(())
}

async fn put(call: &Call<'_>, role: &str, policy: &Properties) -> Result<()> {
    let document = policy.document("PolicyDocument").map_or_else(|| policy.required("PolicyDocument"), Ok)?;
    let put = call.api.iam.put_role_policy().role_name(role);
    let put = put.policy_name(policy.required("PolicyName")?).policy_document(document);
    put.send().await.map_err(failed("iam:PutRolePolicy"))?;
    Ok(())
}

async fn remove(call: &Call<'_>, role: &str, policy: String) -> Result<()> {
    let delete = call.api.iam.delete_role_policy().role_name(role).policy_name(policy);
    delete.send().await.map_err(failed("iam:DeleteRolePolicy"))?;
    Ok(())
}

async fn boundary(call: &Call<'_>, role: &str, policy: Option<String>) -> Result<()> {
    let iam = &call.api.iam;
    if let Some(policy) = policy {
        let put = iam.put_role_permissions_boundary().role_name(role).permissions_boundary(policy);
        put.send().await.map_err(failed("iam:PutRolePermissionsBoundary"))?;
        return Ok(());
    }
    let delete = iam.delete_role_permissions_boundary().role_name(role).send().await;
    absent(delete.map(|_| ()).map_err(failed("iam:DeleteRolePermissionsBoundary")))
}

/// `AWS::IAM::RolePolicy`. Its id is `policy|role`, as in CloudFormation's registry.
#[derive(Debug)]
pub(super) struct RolePolicy;

#[async_trait]
impl Kept for RolePolicy {
    fn type_name(&self) -> &'static str {
        "AWS::IAM::RolePolicy"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["PolicyDocument", "PolicyName", "RoleName"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let mut pairs: Vec<_> = which.identities().iter().map(place).collect();
        pairs.sort();
        pairs.dedup();
        each(pairs, async |(role, policy): (String, String)| {
            let get = call.api.iam.get_role_policy().role_name(role).policy_name(policy);
            let found = get.send().await.map_err(failed("iam:GetRolePolicy"))?;
            Ok(Some(policy_shown(&found.role_name, &found.policy_name, Some(&found.policy_document))))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let (role, policy) = (desired.required("RoleName")?, desired.required("PolicyName")?);
        put(call, &role, desired).await?;
        Ok(Started::done(policy_shown(&role, &policy, None)))
    }

    async fn update(&self, call: &Call<'_>, at: &Identity, desired: &Properties, _: &[String]) -> Result<Started> {
        self.create(call, at, desired).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let (role, policy) = place(at);
        remove(call, &role, policy).await?;
        Ok(Started::gone(at.id.clone().unwrap_or_default()))
    }
}

/// The role, and the policy within it.
fn place(at: &Identity) -> (String, String) {
    if let Some((policy, role)) = at.id.as_deref().and_then(|id| id.split_once('|')) {
        return (role.to_owned(), policy.to_owned());
    }
    match &at.claim {
        Claim::Name(parts) if parts.len() == 2 => (parts[0].clone(), parts[1].clone()),
        _ => Default::default(),
    }
}

fn policy_shown(role: &str, policy: &str, document: Option<&str>) -> Seen {
    let mut properties = Properties::new();
    properties.show("RoleName", Some(role));
    properties.show("PolicyName", Some(policy));
    properties.show_document("PolicyDocument", document.map(decoded).as_deref());
    let id = format!("{policy}|{role}");
    let outputs = Properties::from([("Id".to_owned(), Value::from(id.as_str()))]);
    Seen { id, properties, outputs, health: Health::Ready }
}
