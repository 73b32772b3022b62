//! S3: buckets and their policies.
//!
//! Sources: [CreateBucket](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html) and its neighbours. A bucket
//! is read by eight calls, for no call reads two parts of it; the first says whether it is there. Every call names the account
//! that owns the bucket, so that a name which somebody else has taken is never mistaken for ours.
//!
//! The marks are in the create call, and in the one right after it for stores behind an endpoint of the caller's that do not
//! know tags there. On such a store alone a death between the two leaves a bucket without marks. It is found again by its
//! name, is reported as not ours, and nothing is done to it until somebody tags or deletes it; it is empty.
//!
//! In `us-east-1` a create of a bucket that the account has already succeeds. There we look first.

mod ledger;
mod shape;

use async_trait::async_trait;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketLoggingStatus, BucketNamespace, BucketVersioningStatus, CorsConfiguration,
    CreateBucketConfiguration, ObjectOwnership, Tag, Tagging, VersioningConfiguration,
};
use futures_util::future::{try_join, try_join4};
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};
use landfall_core::{Code, Error, Result, Retry};

use super::each::each;
use super::error::failed;
use super::kept::{Call, Kept, Seen, Started, Which, incomplete};
use super::tagging;
use super::wanted::{Shown, Wanted, touches};

/// The one region that is not named at a create.
const NAMELESS: &str = "us-east-1";

/// What is set after a create, in this order.
const PARTS: &[&str] = &[
    "Tags",
    "PublicAccessBlockConfiguration",
    "OwnershipControls",
    "BucketEncryption",
    "VersioningConfiguration",
    "LifecycleConfiguration",
    "CorsConfiguration",
    "LoggingConfiguration",
];

/// `AWS::S3::Bucket`.
#[derive(Debug)]
pub(super) struct Bucket;

#[async_trait]
impl Kept for Bucket {
    fn type_name(&self) -> &'static str {
        "AWS::S3::Bucket"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "BucketEncryption",
            "BucketName",
            "BucketNamespace",
            "CorsConfiguration",
            "LifecycleConfiguration",
            "LoggingConfiguration",
            "OwnershipControls",
            "PublicAccessBlockConfiguration",
            "VersioningConfiguration",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let names = match which {
            Which::These(_) => which.named(),
            Which::Marked => tagging::marked(call.api, call.cx.stack, "s3", "").await?,
        };
        each(names, |name| bucket(call, name)).await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("BucketName")?;
        shape::check(desired)?;
        let region = call.api.target.region.as_str();
        if region == NAMELESS && tags(call, &name).await?.is_some() {
            return Err(Error::new(Code::AlreadyExists, format!("the account has the bucket already: {name}")));
        }
        let configuration = CreateBucketConfiguration::builder()
            .set_location_constraint((region != NAMELESS).then(|| BucketLocationConstraint::from(region)))
            .set_tags(Some(tag_set(&desired.tags("Tags"))?));
        let create = call
            .api
            .s3
            .create_bucket()
            .bucket(&name)
            .create_bucket_configuration(configuration.build())
            .set_bucket_namespace(desired.text("BucketNamespace").map(|text| BucketNamespace::from(text.as_str())))
            .set_object_ownership(
                desired
                    .text("OwnershipControls.Rules.0.ObjectOwnership")
                    .map(|text| ObjectOwnership::from(text.as_str())),
            );
        create.send().await.map_err(failed("s3:CreateBucket")).map_err(|error| elsewhere(call, &name, error))?;
        let seen = Seen {
            outputs: outputs(call, &name),
            id: name.clone(),
            properties: Properties::new(),
            health: Health::Ready,
        };
        for part in PARTS.iter().filter(|part| desired.contains_key(**part)) {
            if set(call, &name, desired, part).await.is_err() {
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
        let name = desired.required("BucketName")?;
        shape::check(desired)?;
        for part in PARTS.iter().filter(|part| touches(changed, part)) {
            set(call, &name, desired, part).await.map_err(|error| elsewhere(call, &name, error))?;
        }
        call.settled(self, at).await
    }

    /// Only an empty bucket goes: what is in it is the user's.
    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        let delete = call.api.s3.delete_bucket().bucket(&name).expected_bucket_owner(owner(call));
        match delete.send().await.map_err(failed("s3:DeleteBucket")) {
            Ok(_) => Ok(Started::gone(name)),
            Err(error) if is(&error, "BucketNotEmpty") => Err(error.retry(Retry::Never).hint(
                "delete the bucket's objects, their old versions and its unfinished uploads, then converge again",
            )),
            Err(error) => Err(elsewhere(call, &name, error)),
        }
    }
}

/// One bucket with all its parts; `None` when there is none.
async fn bucket(call: &Call<'_>, name: String) -> Result<Option<Seen>> {
    let Some(tags) = tags(call, &name).await? else { return Ok(None) };
    let s3 = &call.api.s3;
    let owner = owner(call);
    let access = async {
        let get = s3.get_public_access_block().bucket(&name).expected_bucket_owner(owner);
        let answer = get.send().await.map_err(failed("s3:GetBucketPublicAccessBlock"));
        set_or_not(answer, "NoSuchPublicAccessBlockConfiguration")
    };
    let ownership = async {
        let get = s3.get_bucket_ownership_controls().bucket(&name).expected_bucket_owner(owner);
        let answer = get.send().await.map_err(failed("s3:GetBucketOwnershipControls"));
        set_or_not(answer, "OwnershipControlsNotFoundError")
    };
    let encryption = async {
        let get = s3.get_bucket_encryption().bucket(&name).expected_bucket_owner(owner);
        let answer = get.send().await.map_err(failed("s3:GetEncryptionConfiguration"));
        set_or_not(answer, "ServerSideEncryptionConfigurationNotFoundError")
    };
    let versioning = async {
        let get = s3.get_bucket_versioning().bucket(&name).expected_bucket_owner(owner);
        get.send().await.map_err(failed("s3:GetBucketVersioning"))
    };
    let lifecycle = async {
        let get = s3.get_bucket_lifecycle_configuration().bucket(&name).expected_bucket_owner(owner);
        let answer = get.send().await.map_err(failed("s3:GetLifecycleConfiguration"));
        set_or_not(answer, "NoSuchLifecycleConfiguration")
    };
    let cors = async {
        let get = s3.get_bucket_cors().bucket(&name).expected_bucket_owner(owner);
        set_or_not(get.send().await.map_err(failed("s3:GetBucketCORS")), "NoSuchCORSConfiguration")
    };
    let logging = async {
        let get = s3.get_bucket_logging().bucket(&name).expected_bucket_owner(owner);
        get.send().await.map_err(failed("s3:GetBucketLogging"))
    };
    let ((access, ownership, encryption, versioning), (lifecycle, (cors, logging))) =
        try_join(try_join4(access, ownership, encryption, versioning), try_join(lifecycle, try_join(cors, logging)))
            .await?;

    let mut properties = Properties::new();
    properties.show("BucketName", Some(name.as_str()));
    properties.show_tags("Tags", tags);
    let access = access.and_then(|answer| answer.public_access_block_configuration);
    properties.show("PublicAccessBlockConfiguration", access.as_ref().map(shape::shown_access));
    let ownership = ownership.and_then(|answer| answer.ownership_controls);
    properties.show("OwnershipControls", ownership.as_ref().map(shape::shown_ownership));
    let encryption = encryption.and_then(|answer| answer.server_side_encryption_configuration);
    properties.show("BucketEncryption", encryption.as_ref().map(shape::shown_encryption));
    let status = versioning.status().map(BucketVersioningStatus::as_str);
    properties.show("VersioningConfiguration", status.map(|status| landfall_core::map! { "Status" => status }));
    properties.show("LifecycleConfiguration", lifecycle.as_ref().map(|answer| shape::shown_lifecycle(answer.rules())));
    properties.show("CorsConfiguration", cors.as_ref().map(|answer| shape::shown_cors(answer.cors_rules())));
    properties.show("LoggingConfiguration", logging.logging_enabled().map(shape::shown_logging));
    Ok(Some(Seen { outputs: outputs(call, &name), id: name, properties, health: Health::Ready }))
}

/// Sets one part of a bucket as it is wanted, or takes it away when it is not.
async fn set(call: &Call<'_>, name: &str, desired: &Properties, part: &str) -> Result<()> {
    let s3 = &call.api.s3;
    let owner = owner(call);
    match part {
        "Tags" => {
            // The cloud's own tags must be repeated: the call replaces all.
            let mut all = tags(call, name).await?.unwrap_or_default();
            all.retain(|(key, _)| key.starts_with("aws:"));
            all.extend(desired.tags("Tags"));
            let tagging = Tagging::builder().set_tag_set(Some(tag_set(&all)?)).build();
            let put = s3.put_bucket_tagging().bucket(name).expected_bucket_owner(owner);
            let put = put.tagging(tagging.map_err(|_| incomplete("tags"))?);
            put.send().await.map_err(failed("s3:PutBucketTagging"))?;
        }
        "PublicAccessBlockConfiguration" => match desired.map(part) {
            Some(wanted) => {
                let put = s3.put_public_access_block().bucket(name).expected_bucket_owner(owner);
                let put = put.public_access_block_configuration(shape::access(wanted));
                put.send().await.map_err(failed("s3:PutBucketPublicAccessBlock"))?;
            }
            None => {
                let delete = s3.delete_public_access_block().bucket(name).expected_bucket_owner(owner);
                delete.send().await.map_err(failed("s3:PutBucketPublicAccessBlock"))?;
            }
        },
        "OwnershipControls" => match desired.map(part) {
            Some(wanted) => {
                let put = s3.put_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner);
                let put = put.ownership_controls(shape::ownership(wanted)?);
                put.send().await.map_err(failed("s3:PutBucketOwnershipControls"))?;
            }
            None => {
                let delete = s3.delete_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner);
                delete.send().await.map_err(failed("s3:PutBucketOwnershipControls"))?;
            }
        },
        "BucketEncryption" => match desired.map(part) {
            Some(wanted) => {
                let put = s3.put_bucket_encryption().bucket(name).expected_bucket_owner(owner);
                let put = put.server_side_encryption_configuration(shape::encryption(wanted)?);
                put.send().await.map_err(failed("s3:PutEncryptionConfiguration"))?;
            }
            None => {
                let delete = s3.delete_bucket_encryption().bucket(name).expected_bucket_owner(owner);
                delete.send().await.map_err(failed("s3:PutEncryptionConfiguration"))?;
            }
        },
        "VersioningConfiguration" => {
            // Once on, it can only be suspended.
            let status = desired.text("VersioningConfiguration.Status");
            let status = status.map_or(BucketVersioningStatus::Suspended, |text| text.as_str().into());
            let put = s3.put_bucket_versioning().bucket(name).expected_bucket_owner(owner);
            let put = put.versioning_configuration(VersioningConfiguration::builder().status(status).build());
            put.send().await.map_err(failed("s3:PutBucketVersioning"))?;
        }
        "LifecycleConfiguration" => match desired.map(part).map(shape::lifecycle).transpose()? {
            Some(wanted) if !wanted.rules().is_empty() => {
                let put = s3.put_bucket_lifecycle_configuration().bucket(name).expected_bucket_owner(owner);
                let put = put.lifecycle_configuration(wanted);
                put.send().await.map_err(failed("s3:PutLifecycleConfiguration"))?;
            }
            _ => {
                let delete = s3.delete_bucket_lifecycle().bucket(name).expected_bucket_owner(owner);
                delete.send().await.map_err(failed("s3:PutLifecycleConfiguration"))?;
            }
        },
        "CorsConfiguration" => match desired.map(part).map(shape::cors).transpose()? {
            Some(rules) if !rules.is_empty() => {
                let wanted = CorsConfiguration::builder().set_cors_rules(Some(rules)).build();
                let put = s3.put_bucket_cors().bucket(name).expected_bucket_owner(owner);
                let put = put.cors_configuration(wanted.map_err(|_| incomplete("CorsRules"))?);
                put.send().await.map_err(failed("s3:PutBucketCORS"))?;
            }
            _ => {
                let delete = s3.delete_bucket_cors().bucket(name).expected_bucket_owner(owner);
                delete.send().await.map_err(failed("s3:PutBucketCORS"))?;
            }
        },
        _ => {
            let wanted = desired.map(part).map(shape::logging).transpose()?;
            let put = s3.put_bucket_logging().bucket(name).expected_bucket_owner(owner);
            let put = put.bucket_logging_status(BucketLoggingStatus::builder().set_logging_enabled(wanted).build());
            put.send().await.map_err(failed("s3:PutBucketLogging"))?;
        }
    }
    Ok(())
}

/// A bucket's tags; `None` when there is no such bucket.
async fn tags(call: &Call<'_>, name: &str) -> Result<Option<Vec<(String, String)>>> {
    let get = call.api.s3.get_bucket_tagging().bucket(name).expected_bucket_owner(owner(call));
    match set_or_not(get.send().await.map_err(failed("s3:GetBucketTagging")), "NoSuchTagSet") {
        Ok(answer) => {
            let tags = answer.map(|answer| answer.tag_set).unwrap_or_default();
            Ok(Some(tags.into_iter().map(|tag| (tag.key, tag.value)).collect()))
        }
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(elsewhere(call, name, error)),
    }
}

fn tag_set(tags: &[(String, String)]) -> Result<Vec<Tag>> {
    let all = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    all.collect::<Result<_, _>>().map_err(|_| incomplete("a tag"))
}

fn outputs(call: &Call<'_>, name: &str) -> Properties {
    let target = &call.api.target;
    let region = &target.region;
    let domain = crate::region::dns_suffix(region);
    let mut outputs = Properties::new();
    outputs.show("BucketName", Some(name));
    outputs.show("Arn", Some(format!("arn:{}:s3:::{name}", target.partition)));
    outputs.show("DomainName", Some(format!("{name}.s3.{domain}")));
    outputs.show("RegionalDomainName", Some(format!("{name}.s3.{region}.{domain}")));
    outputs.show("DualStackDomainName", Some(format!("{name}.s3.dualstack.{region}.{domain}")));
    outputs
}

fn owner<'a>(call: &Call<'a>) -> &'a str {
    &call.api.target.account
}

fn is(error: &Error, code: &str) -> bool {
    error.cloud_answer().is_some_and(|answer| answer.code == code)
}

/// An answer, or nothing where S3 says by this code that the part is not set.
fn set_or_not<T>(answer: Result<T>, code: &str) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if is(&error, code) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same error, or one that says in words that the bucket stands in another region, or belongs to another account. One of
/// this account's own is `BucketAlreadyOwnedByYou`.
fn elsewhere(call: &Call<'_>, name: &str, error: Error) -> Error {
    in_words(&call.api.target.region, name, error)
}

fn in_words(region: &str, name: &str, error: Error) -> Error {
    let Some(answer) = error.cloud_answer().cloned() else { return error };
    match answer.code.as_str() {
        "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" => {
            let message = format!("a bucket of this name stands in another region than {region}: {name}");
            let hint = "choose another name, or connect to the bucket's region";
            Error::new(Code::WrongTarget, message).hint(hint).answer(answer)
        }
        "BucketAlreadyExists" => {
            let message = format!("another account has a bucket of this name: {name}");
            Error::new(Code::ForeignResource, message).hint("choose another name").answer(answer)
        }
        _ => error,
    }
}

/// `AWS::S3::BucketPolicy`.
#[derive(Debug)]
pub(super) struct BucketPolicy;

#[async_trait]
impl Kept for BucketPolicy {
    fn type_name(&self) -> &'static str {
        "AWS::S3::BucketPolicy"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["Bucket", "PolicyDocument"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        each(which.named(), async |name: String| {
            let get = call.api.s3.get_bucket_policy().bucket(&name).expected_bucket_owner(owner(call));
            let answer = get.send().await.map_err(failed("s3:GetBucketPolicy"));
            let answer = answer.map_err(|error| elsewhere(call, &name, error))?;
            Ok(Some(policy(&name, answer.policy())))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("Bucket")?;
        put_policy(call, &name, desired).await?;
        Ok(Started::done(policy(&name, None)))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        _at: &Identity,
        desired: &Properties,
        _changed: &[String],
    ) -> Result<Started> {
        let name = desired.required("Bucket")?;
        put_policy(call, &name, desired).await?;
        Ok(Started::done(policy(&name, None)))
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        let delete = call.api.s3.delete_bucket_policy().bucket(&name).expected_bucket_owner(owner(call));
        delete.send().await.map_err(failed("s3:DeleteBucketPolicy"))?;
        Ok(Started::gone(name))
    }
}

async fn put_policy(call: &Call<'_>, name: &str, desired: &Properties) -> Result<()> {
    let put = call.api.s3.put_bucket_policy().bucket(name).expected_bucket_owner(owner(call));
    let put = put.set_policy(desired.document("PolicyDocument"));
    put.send().await.map_err(failed("s3:PutBucketPolicy"))?;
    Ok(())
}

fn policy(name: &str, document: Option<&str>) -> Seen {
    let mut properties = Properties::new();
    properties.show("Bucket", Some(name));
    properties.show_document("PolicyDocument", document);
    let mut outputs = Properties::new();
    outputs.show("Bucket", Some(name));
    Seen { id: name.to_owned(), properties, outputs, health: Health::Ready }
}

#[cfg(test)]
mod tests {
    use landfall_core::error::CloudAnswer;

    use super::*;

    #[test]
    fn a_bucket_elsewhere_is_said_to_be_there() {
        let said = |code: &str| {
            let answer = CloudAnswer { code: code.to_owned(), message: String::new(), request: None };
            in_words("eu-west-1", "files", Error::new(Code::InvalidRequest, "refused").answer(answer))
        };
        for code in ["PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"] {
            assert_eq!(said(code).code(), Code::WrongTarget, "{code}");
        }
        let foreign = said("BucketAlreadyExists");
        assert_eq!(foreign.code(), Code::ForeignResource);
        assert!(foreign.to_string().contains("files"), "{foreign}");
        assert_eq!(said("InvalidBucketName").code(), Code::InvalidRequest);
    }
}
