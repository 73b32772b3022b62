//! Secrets Manager: secrets.
//!
//! Sources: [CreateSecret](https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html) and its
//! neighbours. A secret is read by `DescribeSecret`, for `ListSecrets` may be five minutes behind; a census takes from the list
//! only which secrets to look at. The value is never read here, and a drawn one stands in the one call that sets it.
//!
//! A deleted secret can be restored for thirty days, in which nobody else gets its name. It counts as absent; a create under
//! its name restores it when it bears the marks of the same address, and everything is set anew, the value as well.

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{
    Filter, FilterNameStringType, ReplicaRegionType, ReplicationStatusType, StatusType, Tag,
};
use landfall_core::driver::Health;
use landfall_core::graph::hex;
use landfall_core::resource::{Identity, Marks, Properties, RESERVED_PREFIX, Value};
use landfall_core::{Code, Error, Result};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::each::each;
use super::error::failed;
use super::kept::{Call, Kept, Seen, Started, Which, incomplete};
use super::wanted::{Shown, Wanted, retag, touches};

/// For how long a deleted secret can be restored.
const RECOVERY_DAYS: i64 = 30;
/// The key that encrypts secrets for which none is given.
const DEFAULT_KEY: &str = "alias/aws/secretsmanager";

/// `AWS::SecretsManager::Secret`.
#[derive(Debug)]
pub(super) struct Secret;

#[async_trait]
impl Kept for Secret {
    fn type_name(&self) -> &'static str {
        "AWS::SecretsManager::Secret"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["Description", "GenerateSecretString", "KmsKeyId", "Name", "ReplicaRegions", "SecretString"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let ids = match which {
            Which::These(_) => which.named(),
            Which::Marked => marked(call).await?,
        };
        each(ids, async |id: String| {
            let secret = describe(call, &id).await?;
            Ok(secret.deleted_date().is_none().then(|| shown(call, &secret)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("Name")?;
        let value = value(call, desired).await?;
        let create = call
            .api
            .secrets
            .create_secret()
            .name(&name)
            .client_request_token(token(call, at))
            .set_description(desired.text("Description"))
            .set_kms_key_id(desired.text("KmsKeyId"))
            .set_secret_string(value.map(|value| value.expose_secret().to_owned()))
            .set_tags(Some(tags(desired.tags("Tags"))))
            .set_add_replica_regions(Some(replicas(desired)).filter(|all| !all.is_empty()));
        match create.send().await.map_err(failed("secretsmanager:CreateSecret")) {
            Ok(made) => {
                let id = made.arn.ok_or_else(|| incomplete("ARN"))?;
                if desired.maps("ReplicaRegions").is_empty() {
                    return Ok(Started::done(made_one(id)));
                }
                Ok(Started::running(id, "replicating"))
            }
            Err(error) if error.code() == Code::AlreadyExists || says(&error, "scheduled for deletion") => {
                restored(call, at, &name, error).await
            }
            Err(error) => Err(error),
        }
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let id = at.id.clone().unwrap_or_default();
        let secrets = &call.api.secrets;
        let draws = ["GenerateSecretString", "SecretString"].iter().any(|property| touches(changed, property));
        let mut update = secrets.update_secret().secret_id(&id);
        if touches(changed, "Description") {
            update = update.description(desired.text("Description").unwrap_or_default());
        }
        if touches(changed, "KmsKeyId") {
            update = update.kms_key_id(desired.text("KmsKeyId").unwrap_or_else(|| DEFAULT_KEY.to_owned()));
        }
        if draws {
            update = update.set_secret_string(value(call, desired).await?.map(|value| value.expose_secret().into()));
        }
        if draws || touches(changed, "Description") || touches(changed, "KmsKeyId") {
            update.send().await.map_err(failed("secretsmanager:UpdateSecret"))?;
        }
        if touches(changed, "Tags") || touches(changed, "ReplicaRegions") {
            let now = describe(call, &id).await?;
            if touches(changed, "Tags") {
                let (set, gone) = retag(&pairs(&now), &desired.tags("Tags"));
                if !set.is_empty() {
                    let tag = secrets.tag_resource().secret_id(&id).set_tags(Some(tags(set)));
                    tag.send().await.map_err(failed("secretsmanager:TagResource"))?;
                }
                if !gone.is_empty() {
                    let untag = secrets.untag_resource().secret_id(&id).set_tag_keys(Some(gone));
                    untag.send().await.map_err(failed("secretsmanager:UntagResource"))?;
                }
            }
            if touches(changed, "ReplicaRegions") {
                replicate(call, &id, now.replication_status(), &replicas(desired)).await?;
                return Ok(Started::running(id, "replicating"));
            }
        }
        call.settled(self, at).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let id = at.id.clone().unwrap_or_default();
        let now = describe(call, &id).await?;
        if now.deleted_date().is_some() {
            return Ok(Started::gone(id));
        }
        // A secret with copies in other regions is not deleted.
        replicate(call, &id, now.replication_status(), &[]).await?;
        let delete = call.api.secrets.delete_secret().secret_id(&id).recovery_window_in_days(RECOVERY_DAYS);
        delete.send().await.map_err(failed("secretsmanager:DeleteSecret"))?;
        Ok(Started::gone(id))
    }
}

/// The token of a create, shaped like a UUID: the same for the same object, so that repeating the create makes no second one.
/// It is the id of the secret's first version as well.
fn token(call: &Call<'_>, at: &Identity) -> String {
    let text = format!("{}/{}@{}", call.cx.stack, at.address, at.generation);
    let digest = hex(&Sha256::digest(text.as_bytes())[..16]);
    let part = |from, to| digest.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// The value that is wanted: the one given, or a new one as it is to be drawn. It goes into the call that sets it.
async fn value(call: &Call<'_>, desired: &Properties) -> Result<Option<SecretString>> {
    if let Some(value) = desired.secret("SecretString") {
        return Ok(Some(value));
    }
    let Some(wanted) = desired.map("GenerateSecretString") else { return Ok(None) };
    wanted.only(&[
        "ExcludeCharacters",
        "ExcludeLowercase",
        "ExcludeNumbers",
        "ExcludePunctuation",
        "ExcludeUppercase",
        "GenerateStringKey",
        "IncludeSpace",
        "PasswordLength",
        "RequireEachIncludedType",
        "SecretStringTemplate",
    ])?;
    let draw = call
        .api
        .secrets
        .get_random_password()
        .set_exclude_characters(wanted.text("ExcludeCharacters"))
        .set_exclude_lowercase(wanted.flag("ExcludeLowercase"))
        .set_exclude_numbers(wanted.flag("ExcludeNumbers"))
        .set_exclude_punctuation(wanted.flag("ExcludePunctuation"))
        .set_exclude_uppercase(wanted.flag("ExcludeUppercase"))
        .set_include_space(wanted.flag("IncludeSpace"))
        .set_password_length(wanted.number("PasswordLength").map(i64::from))
        .set_require_each_included_type(wanted.flag("RequireEachIncludedType"));
    let drawn = draw.send().await.map_err(failed("secretsmanager:GetRandomPassword"))?;
    let drawn = SecretString::from(drawn.random_password.ok_or_else(|| incomplete("RandomPassword"))?);
    in_template(wanted, drawn).map(Some)
}

/// The drawn password by itself, or under its key in the JSON text that is given for it.
fn in_template(wanted: &Properties, drawn: SecretString) -> Result<SecretString> {
    let (template, key) = match (wanted.text("SecretStringTemplate"), wanted.text("GenerateStringKey")) {
        (Some(template), Some(key)) => (template, key),
        (None, None) => return Ok(drawn),
        _ => {
            let message =
                "GenerateSecretString has one of SecretStringTemplate and GenerateStringKey without the other";
            return Err(Error::new(Code::InvalidRequest, message).hint("give both, or neither for the bare password"));
        }
    };
    let Ok(serde_json::Value::Object(mut all)) = serde_json::from_str(&template) else {
        let message = "GenerateSecretString.SecretStringTemplate is no JSON object";
        return Err(Error::new(Code::InvalidRequest, message)
            .hint("write the keys that stand beside the password as a JSON object"));
    };
    all.insert(key, drawn.expose_secret().into());
    Ok(SecretString::from(serde_json::Value::Object(all).to_string()))
}

/// Brings back what waits for its deletion under this name, when it is what the same address had before. Otherwise it is the
/// error by which the create was refused.
async fn restored(call: &Call<'_>, at: &Identity, name: &str, error: Error) -> Result<Started> {
    let found = describe(call, name).await?;
    if found.deleted_date().is_none() {
        return Err(error);
    }
    let marks = Marks::read(call.of, &shown(call, &found).properties);
    let ours = marks.is_some_and(|marks| marks.stack == call.cx.stack.to_string() && marks.address == at.address);
    if !ours {
        let message = format!("a secret of this name waits for its deletion and is not ours: {name}");
        let refused = Error::new(Code::ForeignResource, message)
            .hint("choose another name, or delete that secret for good with `--force-delete-without-recovery`")
            .during("secretsmanager:CreateSecret");
        return Err(error.cloud_answer().cloned().into_iter().fold(refused, Error::answer));
    }
    let id = found.arn.ok_or_else(|| incomplete("ARN"))?;
    call.api.secrets.restore_secret().secret_id(&id).send().await.map_err(failed("secretsmanager:RestoreSecret"))?;
    Ok(Started::unfinished(made_one(id)))
}

/// Copies the secret to the regions that lack it or have it under another key, and takes it away elsewhere.
async fn replicate(
    call: &Call<'_>,
    id: &str,
    now: &[ReplicationStatusType],
    wanted: &[ReplicaRegionType],
) -> Result<()> {
    let same = |one: &ReplicationStatusType, other: &ReplicaRegionType| {
        one.region() == other.region() && (other.kms_key_id().is_none() || one.kms_key_id() == other.kms_key_id())
    };
    let gone: Vec<String> = now
        .iter()
        .filter(|one| !wanted.iter().any(|other| same(one, other)))
        .filter_map(|one| one.region().map(str::to_owned))
        .collect();
    let new: Vec<_> = wanted.iter().filter(|other| !now.iter().any(|one| same(one, other))).cloned().collect();
    let secrets = &call.api.secrets;
    if !gone.is_empty() {
        let remove = secrets.remove_regions_from_replication().secret_id(id).set_remove_replica_regions(Some(gone));
        remove.send().await.map_err(failed("secretsmanager:RemoveRegionsFromReplication"))?;
    }
    if !new.is_empty() {
        let add = secrets.replicate_secret_to_regions().secret_id(id).set_add_replica_regions(Some(new));
        add.send().await.map_err(failed("secretsmanager:ReplicateSecretToRegions"))?;
    }
    Ok(())
}

async fn describe(call: &Call<'_>, id: &str) -> Result<DescribeSecretOutput> {
    let describe = call.api.secrets.describe_secret().secret_id(id);
    describe.send().await.map_err(failed("secretsmanager:DescribeSecret"))
}

/// The ARNs of the secrets that may bear the stack's marks. The filters match prefixes, which the caller's look sorts out.
async fn marked(call: &Call<'_>) -> Result<Vec<String>> {
    let filter = |key, value: String| Filter::builder().key(key).values(value).build();
    let list = call
        .api
        .secrets
        .list_secrets()
        .filters(filter(FilterNameStringType::TagKey, format!("{RESERVED_PREFIX}stack")))
        .filters(filter(FilterNameStringType::TagValue, call.cx.stack.to_string()))
        .into_paginator()
        .send();
    let pages: Vec<_> = list.try_collect().await.map_err(failed("secretsmanager:ListSecrets"))?;
    let all = pages.into_iter().flat_map(|page| page.secret_list.unwrap_or_default());
    Ok(all.filter_map(|one| one.arn).collect())
}

fn made_one(id: String) -> Seen {
    let mut outputs = Properties::new();
    outputs.show("Id", Some(id.as_str()));
    Seen { id, properties: Properties::new(), outputs, health: Health::Ready }
}

fn shown(call: &Call<'_>, secret: &DescribeSecretOutput) -> Seen {
    let mut properties = Properties::new();
    properties.show("Name", secret.name());
    properties.show("Description", secret.description());
    properties.show("KmsKeyId", secret.kms_key_id());
    // A copy of a secret of another region bears that one's tags, and is nobody's by itself.
    if secret.primary_region().is_none_or(|region| region == call.api.target.region) {
        properties.show_tags("Tags", pairs(secret));
    }
    let status = secret.replication_status();
    if !status.is_empty() {
        let all = status.iter().map(|one| {
            let mut shown = Properties::new();
            shown.show("Region", one.region());
            shown.show("KmsKeyId", one.kms_key_id());
            Value::Map(shown)
        });
        properties.show("ReplicaRegions", Some(all.collect::<Value>()));
    }
    let id = secret.arn().unwrap_or_default().to_owned();
    Seen { properties, health: health(status), ..made_one(id) }
}

fn health(status: &[ReplicationStatusType]) -> Health {
    let failed = status.iter().find(|one| one.status() == Some(&StatusType::Failed));
    if let Some(one) = failed {
        let why = one.status_message().unwrap_or("no reason given");
        return Health::Failed(format!("the copy in {}: {why}", one.region().unwrap_or_default()));
    }
    if status.iter().any(|one| one.status() == Some(&StatusType::InProgress)) {
        return Health::Busy("replicating".to_owned());
    }
    Health::Ready
}

fn replicas(desired: &Properties) -> Vec<ReplicaRegionType> {
    let all = desired.maps("ReplicaRegions").into_iter();
    all.map(|one| {
        ReplicaRegionType::builder().set_region(one.text("Region")).set_kms_key_id(one.text("KmsKeyId")).build()
    })
    .collect()
}

fn pairs(secret: &DescribeSecretOutput) -> Vec<(String, String)> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    secret.tags().iter().map(|tag| (text(tag.key()), text(tag.value()))).collect()
}

fn tags(pairs: Vec<(String, String)>) -> Vec<Tag> {
    pairs.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn says(error: &Error, text: &str) -> bool {
    error.cloud_answer().is_some_and(|answer| answer.message.contains(text))
}

#[cfg(test)]
mod tests {
    use landfall_core::properties;

    use super::*;

    #[test]
    fn a_drawn_password_stands_alone_or_under_its_key() {
        let drawn = || SecretString::from("drawn\"");
        let bare = in_template(&properties! { "PasswordLength" => 48 }, drawn()).unwrap();
        assert_eq!(bare.expose_secret(), "drawn\"");
        let template = "{\"username\": \"admin\"}";
        let wanted = properties! { "SecretStringTemplate" => template, "GenerateStringKey" => "password" };
        let inside = in_template(&wanted, drawn()).unwrap();
        assert_eq!(inside.expose_secret(), "{\"password\":\"drawn\\\"\",\"username\":\"admin\"}");
        for wanted in [
            properties! { "SecretStringTemplate" => template },
            properties! { "SecretStringTemplate" => "admin", "GenerateStringKey" => "password" },
        ] {
            let error = in_template(&wanted, drawn()).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest);
            assert!(!error.to_string().contains("drawn"), "{error}");
        }
    }

    #[test]
    fn a_copy_that_failed_is_told_with_the_reason_and_one_under_way_is_awaited() {
        let one = |status| ReplicationStatusType::builder().region("eu-central-1").status(status);
        let failed = one(StatusType::Failed).status_message("the name is taken there").build();
        assert_eq!(health(&[failed]), Health::Failed("the copy in eu-central-1: the name is taken there".to_owned()));
        assert_eq!(health(&[one(StatusType::InProgress).build()]), Health::Busy("replicating".to_owned()));
        assert_eq!(health(&[one(StatusType::InSync).build()]), Health::Ready);
    }
}
