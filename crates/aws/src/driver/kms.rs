//! KMS: keys and their aliases.
//!
//! Sources: [CreateKey](https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html) and its neighbours. A key is
//! read by four calls, for no call reads two keys; aliases are listed a hundred to a page.

use async_trait::async_trait;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState, KeyUsageType, OriginType, Tag};
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};
use landfall_core::{Code, Result};

use super::each::each;
use super::error::failed;
use super::kept::{Call, Kept, Seen, Started, Which, incomplete};
use super::tagging;
use super::wanted::{Shown, Wanted, retag, touches};

/// What KMS calls the only policy of a key.
const POLICY: &str = "default";

/// `AWS::KMS::Key`.
#[derive(Debug)]
pub(super) struct Key;

#[async_trait]
impl Kept for Key {
    fn type_name(&self) -> &'static str {
        "AWS::KMS::Key"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "BypassPolicyLockoutSafetyCheck",
            "Description",
            "EnableKeyRotation",
            "Enabled",
            "KeyPolicy",
            "KeySpec",
            "KeyUsage",
            "MultiRegion",
            "Origin",
            "PendingWindowInDays",
            "RotationPeriodInDays",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let mut ids: Vec<String> = which.ids().into_iter().map(str::to_owned).collect();
        if matches!(which, Which::Marked) || which.unknown().next().is_some() {
            ids.extend(tagging::marked(call.api, call.cx.stack, "kms", "key").await?);
            ids.sort();
            ids.dedup();
        }
        each(ids, |id| key(call, id)).await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let mut create = call
            .api
            .kms
            .create_key()
            .set_policy(desired.document("KeyPolicy"))
            .set_description(desired.text("Description"))
            .set_key_spec(desired.text("KeySpec").map(|text| KeySpec::from(text.as_str())))
            .set_key_usage(desired.text("KeyUsage").map(|text| KeyUsageType::from(text.as_str())))
            .set_origin(desired.text("Origin").map(|text| OriginType::from(text.as_str())))
            .set_multi_region(desired.flag("MultiRegion"))
            .bypass_policy_lockout_safety_check(desired.flag("BypassPolicyLockoutSafetyCheck").unwrap_or_default());
        for (key, value) in desired.tags("Tags") {
            create = create.tags(tag(&key, &value)?);
        }
        let made = create.send().await.map_err(failed("kms:CreateKey"))?;
        let made = made.key_metadata.ok_or_else(|| incomplete("KeyMetadata"))?;
        let seen = shown(&made, Properties::new());
        let rest = async {
            if desired.flag("EnableKeyRotation") == Some(true) {
                rotate(call, &made.key_id, desired).await?;
            }
            if desired.flag("Enabled") == Some(false) {
                let disable = call.api.kms.disable_key().key_id(&made.key_id);
                disable.send().await.map_err(failed("kms:DisableKey"))?;
            }
            Ok::<_, landfall_core::Error>(())
        };
        Ok(if rest.await.is_ok() { Started::done(seen) } else { Started::unfinished(seen) })
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let id = at.id.clone().unwrap_or_default();
        let kms = &call.api.kms;
        if touches(changed, "Enabled") && desired.flag("Enabled") != Some(false) {
            kms.enable_key().key_id(&id).send().await.map_err(failed("kms:EnableKey"))?;
        }
        if touches(changed, "Description") {
            let description = desired.text("Description").unwrap_or_default();
            let update = kms.update_key_description().key_id(&id).description(description);
            update.send().await.map_err(failed("kms:UpdateKeyDescription"))?;
        }
        if touches(changed, "KeyPolicy")
            && let Some(policy) = desired.document("KeyPolicy")
        {
            let bypass = desired.flag("BypassPolicyLockoutSafetyCheck").unwrap_or_default();
            let put = kms.put_key_policy().key_id(&id).policy_name(POLICY).policy(policy);
            let put = put.bypass_policy_lockout_safety_check(bypass);
            put.send().await.map_err(failed("kms:PutKeyPolicy"))?;
        }
        if touches(changed, "EnableKeyRotation") || touches(changed, "RotationPeriodInDays") {
            if desired.flag("EnableKeyRotation") == Some(true) {
                rotate(call, &id, desired).await?;
            } else {
                kms.disable_key_rotation().key_id(&id).send().await.map_err(failed("kms:DisableKeyRotation"))?;
            }
        }
        if touches(changed, "Tags") {
            let (set, gone) = retag(&tags(call, &id).await?, &desired.tags("Tags"));
            if !set.is_empty() {
                let set = set.iter().map(|(key, value)| tag(key, value)).collect::<Result<Vec<_>>>()?;
                kms.tag_resource().key_id(&id).set_tags(Some(set)).send().await.map_err(failed("kms:TagResource"))?;
            }
            if !gone.is_empty() {
                let untag = kms.untag_resource().key_id(&id).set_tag_keys(Some(gone));
                untag.send().await.map_err(failed("kms:UntagResource"))?;
            }
        }
        if touches(changed, "Enabled") && desired.flag("Enabled") == Some(false) {
            kms.disable_key().key_id(&id).send().await.map_err(failed("kms:DisableKey"))?;
        }
        call.settled(self, at).await
    }

    /// A key is scheduled for its end; until then its deletion can be cancelled by hand. Its alias is another resource.
    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let id = at.id.clone().unwrap_or_default();
        match call.api.kms.schedule_key_deletion().key_id(&id).send().await.map_err(failed("kms:ScheduleKeyDeletion")) {
            Ok(_) => Ok(Started::gone(id)),
            // It is scheduled already.
            Err(error)
                if error.code() == Code::Conflict
                    && error.cloud_answer().is_some_and(|answer| answer.message.contains("pending deletion")) =>
            {
                Ok(Started::gone(id))
            }
            Err(error) => Err(error),
        }
    }
}

/// One key; `None` for one that is on its way out.
async fn key(call: &Call<'_>, id: String) -> Result<Option<Seen>> {
    let kms = &call.api.kms;
    let described = kms.describe_key().key_id(&id).send().await.map_err(failed("kms:DescribeKey"))?;
    let metadata = described.key_metadata.ok_or_else(|| incomplete("KeyMetadata"))?;
    if matches!(metadata.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)) {
        return Ok(None);
    }
    let policy = kms.get_key_policy().key_id(&id).policy_name(POLICY);
    let rotation = kms.get_key_rotation_status().key_id(&id);
    let policy = policy.send().await.map_err(failed("kms:GetKeyPolicy"))?;
    let mut properties = Properties::new();
    properties.show_document("KeyPolicy", policy.policy());
    let symmetric = matches!(metadata.key_spec, None | Some(KeySpec::SymmetricDefault));
    if symmetric && metadata.origin != Some(OriginType::External) {
        let rotation = rotation.send().await.map_err(failed("kms:GetKeyRotationStatus"))?;
        properties.show("EnableKeyRotation", Some(rotation.key_rotation_enabled()));
    }
    properties.show_tags("Tags", tags(call, &id).await?);
    Ok(Some(shown(&metadata, properties)))
}

fn shown(metadata: &KeyMetadata, mut properties: Properties) -> Seen {
    properties.show("Description", metadata.description());
    properties.show("Enabled", Some(metadata.enabled()));
    properties.show("KeySpec", metadata.key_spec().map(KeySpec::as_str));
    properties.show("KeyUsage", metadata.key_usage().map(KeyUsageType::as_str));
    properties.show("MultiRegion", metadata.multi_region());
    properties.show("Origin", metadata.origin().map(OriginType::as_str));
    let mut outputs = Properties::new();
    outputs.show("KeyId", Some(metadata.key_id()));
    outputs.show("Arn", metadata.arn());
    let health = match metadata.key_state() {
        Some(KeyState::Creating | KeyState::Updating) => Health::Busy("Creating".to_owned()),
        Some(KeyState::Unavailable) => Health::Failed("its key store is not connected".to_owned()),
        _ => Health::Ready,
    };
    Seen { id: metadata.key_id().to_owned(), properties, outputs, health }
}

async fn rotate(call: &Call<'_>, id: &str, desired: &Properties) -> Result<()> {
    let enable = call.api.kms.enable_key_rotation().key_id(id);
    let enable = enable.set_rotation_period_in_days(desired.number("RotationPeriodInDays"));
    enable.send().await.map_err(failed("kms:EnableKeyRotation"))?;
    Ok(())
}

async fn tags(call: &Call<'_>, id: &str) -> Result<Vec<(String, String)>> {
    let list = call.api.kms.list_resource_tags().key_id(id).into_paginator().items().send();
    let all: Vec<Tag> = list.try_collect().await.map_err(failed("kms:ListResourceTags"))?;
    Ok(all.into_iter().map(|tag| (tag.tag_key, tag.tag_value)).collect())
}

fn tag(key: &str, value: &str) -> Result<Tag> {
    Tag::builder().tag_key(key).tag_value(value).build().map_err(|_| incomplete("a tag"))
}

/// `AWS::KMS::Alias`.
#[derive(Debug)]
pub(super) struct Alias;

#[async_trait]
impl Kept for Alias {
    fn type_name(&self) -> &'static str {
        "AWS::KMS::Alias"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["AliasName", "TargetKeyId"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        if which.identities().is_empty() {
            return Ok(Vec::new());
        }
        let list = call.api.kms.list_aliases().into_paginator().items().send();
        let all: Vec<_> = list.try_collect().await.map_err(failed("kms:ListAliases"))?;
        Ok(all
            .into_iter()
            .filter_map(|alias| {
                let name = alias.alias_name?;
                let mut properties = Properties::new();
                properties.show("AliasName", Some(name.as_str()));
                properties.show("TargetKeyId", alias.target_key_id);
                let mut outputs = Properties::new();
                outputs.show("AliasName", Some(name.as_str()));
                Some(Seen { id: name, properties, outputs, health: Health::Ready })
            })
            .collect())
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("AliasName")?;
        let create = call.api.kms.create_alias().alias_name(&name).target_key_id(desired.required("TargetKeyId")?);
        create.send().await.map_err(failed("kms:CreateAlias"))?;
        Ok(Started::done(alias(name)))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        _at: &Identity,
        desired: &Properties,
        _changed: &[String],
    ) -> Result<Started> {
        let name = desired.required("AliasName")?;
        let update = call.api.kms.update_alias().alias_name(&name).target_key_id(desired.required("TargetKeyId")?);
        update.send().await.map_err(failed("kms:UpdateAlias"))?;
        Ok(Started::done(alias(name)))
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        call.api.kms.delete_alias().alias_name(&name).send().await.map_err(failed("kms:DeleteAlias"))?;
        Ok(Started::gone(name))
    }
}

fn alias(name: String) -> Seen {
    let mut outputs = Properties::new();
    outputs.show("AliasName", Some(name.as_str()));
    Seen { id: name, properties: Properties::new(), outputs, health: Health::Ready }
}
