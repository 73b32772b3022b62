//! The bucket that a ledger is kept in, made by whoever starts first.
//!
//! Sources: [CreateBucket](https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html) and the calls for the parts of
//! a bucket. It belongs to no stack, for it is there before the first one and holds the ledgers of any number; so a tag of its
//! own tells it apart, which is in the create call. Starters may be many: each looks, makes what is not there, and sets what is
//! not as it should be. All of that may happen twice and at the same time, and comes to the same bucket.
//!
//! Every call names the account that owns the bucket, but for the create, which refuses a name that another account has.

use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_s3::operation::get_bucket_lifecycle_configuration::GetBucketLifecycleConfigurationOutput;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    ExpirationStatus, LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration, ObjectOwnership,
    OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag,
    TransitionStorageClass, VersioningConfiguration,
};
use futures_util::future::{Either, select, try_join, try_join3};
use landfall_core::clock::Clock as _;
use landfall_core::ledger::{Ledger, s3};
use landfall_core::resource::RESERVED_PREFIX;
use landfall_core::{Code, Error, Result, Retry};

use super::{NAMELESS, in_words, is, set_or_not};
use crate::LedgerBucket;
use crate::driver::api::Api;
use crate::driver::connection::{Shared, unable};
use crate::driver::error::failed;
use crate::driver::kept::incomplete;
use crate::driver::{Connection, connection};

/// The id of the rule for old versions.
const RULE: &str = "landfall-ledger";
/// How long versions that are not current any more are kept, in days. No entry is ever written a second time, so there are
/// none unless somebody else writes or deletes here.
const KEPT: i32 = 90;
/// How long one look at the bucket, with all that it leads to, may take.
const ATTEMPT: Duration = Duration::from_secs(15);
const ATTEMPTS: u32 = 7;
/// Doubles each time.
const PAUSE: Duration = Duration::from_millis(250);

#[async_trait]
impl s3::Provider for Shared {
    async fn key(&self) -> Result<s3::Key> {
        let credentials = self.provide_credentials().await.map_err(|error| unable(&error))?;
        Ok(s3::Key {
            id: credentials.access_key_id().to_owned(),
            secret: credentials.secret_access_key().into(),
            session_token: credentials.session_token().map(Into::into),
        })
    }
}

impl Connection {
    /// A ledger in a bucket of this connection's account and region, which is made when it is not there: private, versioned,
    /// encrypted, without ACLs, and with a rule that keeps versions which are not current any more for 90 days. Entries
    /// themselves never expire. Any number of processes may ask at the same time, and all get the same ledger.
    ///
    /// A bucket made so bears the tag `landfall:ledger`. One that bears it and lacks some of these settings gets them. One of
    /// this account without it is never changed: it is used when it is private and versioned, and refused otherwise.
    ///
    /// The ledger signs with the credentials of this connection, new ones when they expire, and never with those of another
    /// account.
    ///
    /// The caller needs the permissions of [`Aws::ledger_policy`](crate::Aws::ledger_policy).
    ///
    /// Cancel safe: what was made stays, and the next call goes on from there.
    ///
    /// ```no_run
    /// # async fn keep(connection: &landfall_aws::live::Connection) -> landfall_core::Result<()> {
    /// let ledger = connection.ledger("inferloop-ledgers-123456789012").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Code::InvalidName`] and [`Code::InvalidValue`] for names that cannot be meant, before any call. [`Code::ForeignResource`]
    /// when the bucket is another account's, and when it is this account's, bears no such tag, and is not private or not
    /// versioned. [`Code::InvalidValue`] when a rule of the bucket would take entries away. [`Code::WrongTarget`] when it is in
    /// another region. [`Code::PermissionDenied`], [`Code::Unavailable`] and the like when S3 says so.
    pub async fn ledger(&self, bucket: impl Into<LedgerBucket>) -> Result<Ledger> {
        let bucket = bucket.into();
        let target = self.target();
        let credentials = s3::Credentials::provider(self.credentials.clone());
        let options = s3::Options::new(&bucket.name, &target.region, credentials)
            .prefix(&bucket.prefix)
            .expected_owner(&target.account);
        let ledger = Ledger::s3(connection::at(options, self.api.s3_place.as_ref())?)?;
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            match self.attempt(&bucket).await {
                Ok(()) => return Ok(ledger),
                Err(error) if error.retry_class() == Retry::Never || attempt == ATTEMPTS => {
                    return Err(self.api.explained(error).await);
                }
                Err(_) => self.clock.sleep(pause).await,
            }
            pause *= 2;
            attempt += 1;
        }
    }

    async fn attempt(&self, bucket: &LedgerBucket) -> Result<()> {
        let made = std::pin::pin!(made(&self.api, bucket));
        match select(made, self.clock.sleep(ATTEMPT)).await {
            Either::Left((made, _)) => made.map_err(|error| in_words(&self.target().region, &bucket.name, error)),
            Either::Right(_) => {
                let message = format!("no answer about the ledger's bucket within {} s", ATTEMPT.as_secs());
                Err(Error::new(Code::Unavailable, format!("{message}: {}", bucket.name))
                    .retry(Retry::Transient)
                    .hint("check the network, the region and the endpoints given for it"))
            }
        }
    }
}

/// Whether a bucket of this name is there and is as it should be, after what was lacking was made.
async fn made(api: &Api, bucket: &LedgerBucket) -> Result<()> {
    let tags = match tags(api, bucket).await {
        Ok(Some(tags)) => tags,
        Ok(None) => {
            create(api, bucket).await?;
            vec![tag()?]
        }
        // So S3 speaks of a bucket of another account, too. Only its name being taken tells the one from the other.
        Err(error) if error.code() == Code::PermissionDenied => {
            return match create(api, bucket).await {
                Err(taken) if is(&taken, "BucketAlreadyExists") => Err(taken),
                _ => Err(error),
            };
        }
        Err(error) => return Err(error),
    };
    let found = found(api, bucket).await?;
    if let Some(rule) = found.rules().iter().find(|rule| takes_away(rule, &bucket.prefix)) {
        let id = rule.id().unwrap_or("one without an id");
        return Err(Error::new(
            Code::InvalidValue,
            format!("a lifecycle rule of {} would take the ledger's entries away: {id}", bucket.name),
        )
        .hint("limit the rule to another prefix than the ledger's, or take it away"));
    }
    let lacking = found.lacking(bucket);
    if tags.iter().any(|tag| tag.key() == key()) {
        for part in lacking {
            set(api, bucket, &found, part).await.map_err(|error| match error.code() {
                // It was there a moment ago: not everything in S3 knows it yet.
                Code::NotFound => error.retry(Retry::NotReady),
                _ => error,
            })?;
        }
        return Ok(());
    }
    let words: Vec<&str> = lacking.into_iter().filter_map(Part::needed).collect();
    if words.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Code::ForeignResource,
        format!(
            "the account has a bucket of this name that is not as a ledger needs it, {}: {}",
            words.join(", "),
            bucket.name
        ),
    )
    .hint(format!("put that right, or tag the bucket {}=true, and it is done for you, or choose another name", key())))
}

/// What of a bucket matters to a ledger.
struct Found {
    access: Option<PublicAccessBlockConfiguration>,
    ownership: Option<OwnershipControls>,
    encryption: Option<ServerSideEncryptionConfiguration>,
    versioning: Option<BucketVersioningStatus>,
    lifecycle: Option<GetBucketLifecycleConfigurationOutput>,
}

/// What can be lacking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Access,
    Ownership,
    Encryption,
    Versioning,
    Lifecycle,
}

impl Part {
    /// What is said of a bucket that lacks it; nothing when a ledger can do without it.
    fn needed(self) -> Option<&'static str> {
        match self {
            Self::Access => Some("public access is not blocked"),
            Self::Ownership => Some("ACLs are not switched off"),
            Self::Encryption => Some("it is not encrypted by default with the key asked for"),
            Self::Versioning => Some("versioning is off"),
            Self::Lifecycle => None,
        }
    }
}

impl Found {
    fn rules(&self) -> &[LifecycleRule] {
        self.lifecycle.as_ref().map(|answer| answer.rules()).unwrap_or_default()
    }

    fn lacking(&self, bucket: &LedgerBucket) -> Vec<Part> {
        let access = self.access.as_ref().is_some_and(|access| {
            [
                access.block_public_acls(),
                access.block_public_policy(),
                access.ignore_public_acls(),
                access.restrict_public_buckets(),
            ] == [Some(true); 4]
        });
        let enforced = |rule: &OwnershipControlsRule| *rule.object_ownership() == ObjectOwnership::BucketOwnerEnforced;
        let ownership = self.ownership.as_ref().is_some_and(|controls| controls.rules().iter().all(enforced));
        let defaults = self.encryption.iter().flat_map(|encryption| encryption.rules());
        let encryption = defaults.filter_map(|rule| rule.apply_server_side_encryption_by_default()).any(|default| {
            bucket.key.is_none()
                || (*default.sse_algorithm() == ServerSideEncryption::AwsKms
                    && default.kms_master_key_id() == bucket.key.as_deref())
        });
        let versioning = self.versioning == Some(BucketVersioningStatus::Enabled);
        let lifecycle = self.rules().iter().any(|rule| {
            *rule.status() == ExpirationStatus::Enabled
                && rule.noncurrent_version_expiration().is_some()
                && reach(rule) == Some("")
        });
        let parts = [
            (Part::Access, access),
            (Part::Ownership, ownership),
            (Part::Encryption, encryption),
            (Part::Versioning, versioning),
            (Part::Lifecycle, lifecycle),
        ];
        parts.into_iter().filter(|(_, there)| !there).map(|(part, _)| part).collect()
    }
}

/// Whether a rule deletes objects below the prefix, or puts them where they cannot be read at once.
fn takes_away(rule: &LifecycleRule, prefix: &str) -> bool {
    let expires =
        rule.expiration().is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some());
    let archives = rule.transitions().iter().any(|transition| {
        matches!(
            transition.storage_class(),
            Some(TransitionStorageClass::Glacier | TransitionStorageClass::DeepArchive)
        )
    });
    let meet = reach(rule).is_some_and(|at| at.starts_with(prefix) || prefix.starts_with(at));
    *rule.status() == ExpirationStatus::Enabled && (expires || archives) && meet
}

/// The prefix of what a rule is about; nothing when it is about objects with tags, which entries have not.
fn reach(rule: &LifecycleRule) -> Option<&str> {
    let filter = rule.filter();
    let and = filter.and_then(|filter| filter.and());
    let tagged = filter.is_some_and(|filter| filter.tag().is_some()) || and.is_some_and(|and| !and.tags().is_empty());
    #[expect(deprecated, reason = "rules of before there were filters have their prefix there")]
    let of_old = rule.prefix();
    let at = filter.and_then(|filter| filter.prefix()).or(and.and_then(|and| and.prefix())).or(of_old);
    (!tagged).then_some(at.unwrap_or_default())
}

/// A bucket's tags; `None` when there is no such bucket.
async fn tags(api: &Api, bucket: &LedgerBucket) -> Result<Option<Vec<Tag>>> {
    let get = api.s3.get_bucket_tagging().bucket(&bucket.name).expected_bucket_owner(&api.target.account);
    match set_or_not(get.send().await.map_err(failed("s3:GetBucketTagging")), "NoSuchTagSet") {
        Ok(answer) => Ok(Some(answer.map(|answer| answer.tag_set).unwrap_or_default())),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn create(api: &Api, bucket: &LedgerBucket) -> Result<()> {
    let region = api.target.region.as_str();
    let configuration = CreateBucketConfiguration::builder()
        .set_location_constraint((region != NAMELESS).then(|| BucketLocationConstraint::from(region)))
        .tags(tag()?);
    let create = api
        .s3
        .create_bucket()
        .bucket(&bucket.name)
        .create_bucket_configuration(configuration.build())
        .object_ownership(ObjectOwnership::BucketOwnerEnforced);
    match create.send().await.map_err(failed("s3:CreateBucket")) {
        Ok(_) => Ok(()),
        // Somebody was faster: what it has become is looked at anew.
        Err(error) if is(&error, "BucketAlreadyOwnedByYou") => Err(error.retry(Retry::NotReady)),
        Err(error) => Err(error),
    }
}

async fn found(api: &Api, bucket: &LedgerBucket) -> Result<Found> {
    let (s3, name, owner) = (&api.s3, &bucket.name, &api.target.account);
    let access = async {
        let get = s3.get_public_access_block().bucket(name).expected_bucket_owner(owner).send();
        let answer = get.await.map_err(failed("s3:GetBucketPublicAccessBlock"));
        set_or_not(answer, "NoSuchPublicAccessBlockConfiguration")
    };
    let ownership = async {
        let get = s3.get_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner).send();
        set_or_not(get.await.map_err(failed("s3:GetBucketOwnershipControls")), "OwnershipControlsNotFoundError")
    };
    let encryption = async {
        let get = s3.get_bucket_encryption().bucket(name).expected_bucket_owner(owner).send();
        let answer = get.await.map_err(failed("s3:GetEncryptionConfiguration"));
        set_or_not(answer, "ServerSideEncryptionConfigurationNotFoundError")
    };
    let versioning = async {
        let get = s3.get_bucket_versioning().bucket(name).expected_bucket_owner(owner).send();
        get.await.map_err(failed("s3:GetBucketVersioning"))
    };
    let lifecycle = async {
        let get = s3.get_bucket_lifecycle_configuration().bucket(name).expected_bucket_owner(owner).send();
        set_or_not(get.await.map_err(failed("s3:GetLifecycleConfiguration")), "NoSuchLifecycleConfiguration")
    };
    let all = try_join(try_join3(access, ownership, encryption), try_join(versioning, lifecycle)).await;
    let ((access, ownership, encryption), (versioning, lifecycle)) = all.map_err(|error| match error.code() {
        Code::NotFound => error.retry(Retry::NotReady),
        _ => error,
    })?;
    Ok(Found {
        access: access.and_then(|answer| answer.public_access_block_configuration),
        ownership: ownership.and_then(|answer| answer.ownership_controls),
        encryption: encryption.and_then(|answer| answer.server_side_encryption_configuration),
        versioning: versioning.status,
        lifecycle,
    })
}

async fn set(api: &Api, bucket: &LedgerBucket, found: &Found, part: Part) -> Result<()> {
    let (s3, name, owner) = (&api.s3, &bucket.name, &api.target.account);
    match part {
        Part::Access => {
            let block = PublicAccessBlockConfiguration::builder()
                .block_public_acls(true)
                .block_public_policy(true)
                .ignore_public_acls(true)
                .restrict_public_buckets(true);
            let put = s3.put_public_access_block().bucket(name).expected_bucket_owner(owner);
            let put = put.public_access_block_configuration(block.build());
            put.send().await.map_err(failed("s3:PutBucketPublicAccessBlock"))?;
        }
        Part::Ownership => {
            let rule = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
            let controls = OwnershipControls::builder().rules(rule.map_err(|_| incomplete("ObjectOwnership"))?).build();
            let put = s3.put_bucket_ownership_controls().bucket(name).expected_bucket_owner(owner);
            let put = put.ownership_controls(controls.map_err(|_| incomplete("OwnershipControls"))?);
            put.send().await.map_err(failed("s3:PutBucketOwnershipControls"))?;
        }
        Part::Encryption => {
            let algorithm =
                if bucket.key.is_some() { ServerSideEncryption::AwsKms } else { ServerSideEncryption::Aes256 };
            let by_default = ServerSideEncryptionByDefault::builder()
                .sse_algorithm(algorithm)
                .set_kms_master_key_id(bucket.key.clone())
                .build()
                .map_err(|_| incomplete("SSEAlgorithm"))?;
            let rule = ServerSideEncryptionRule::builder()
                .apply_server_side_encryption_by_default(by_default)
                .set_bucket_key_enabled(bucket.key.is_some().then_some(true))
                .build();
            let all = ServerSideEncryptionConfiguration::builder().rules(rule).build();
            let put = s3.put_bucket_encryption().bucket(name).expected_bucket_owner(owner);
            let put = put.server_side_encryption_configuration(all.map_err(|_| incomplete("BucketEncryption"))?);
            put.send().await.map_err(failed("s3:PutEncryptionConfiguration"))?;
        }
        Part::Versioning => {
            let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let put = s3.put_bucket_versioning().bucket(name).expected_bucket_owner(owner).versioning_configuration(on);
            put.send().await.map_err(failed("s3:PutBucketVersioning"))?;
        }
        Part::Lifecycle => {
            let rule = LifecycleRule::builder()
                .id(RULE)
                .status(ExpirationStatus::Enabled)
                .filter(LifecycleRuleFilter::builder().prefix("").build())
                .noncurrent_version_expiration(NoncurrentVersionExpiration::builder().noncurrent_days(KEPT).build())
                .build()
                .map_err(|_| incomplete("LifecycleRule"))?;
            // The call replaces all, so that the others are repeated.
            let mut rules: Vec<_> = found.rules().iter().filter(|rule| rule.id() != Some(RULE)).cloned().collect();
            rules.push(rule);
            let all = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
            let size = found.lifecycle.as_ref().and_then(|now| now.transition_default_minimum_object_size().cloned());
            let put = s3.put_bucket_lifecycle_configuration().bucket(name).expected_bucket_owner(owner);
            let put = put
                .lifecycle_configuration(all.map_err(|_| incomplete("LifecycleConfiguration"))?)
                .set_transition_default_minimum_object_size(size);
            put.send().await.map_err(failed("s3:PutLifecycleConfiguration"))?;
        }
    }
    Ok(())
}

/// The key of the tag that such a bucket bears.
fn key() -> String {
    format!("{RESERVED_PREFIX}ledger")
}

fn tag() -> Result<Tag> {
    Tag::builder().key(key()).value("true").build().map_err(|_| incomplete("a tag"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{LifecycleExpiration, LifecycleRuleAndOperator, Transition};

    use super::*;

    fn rule() -> aws_sdk_s3::types::builders::LifecycleRuleBuilder {
        let expiration = LifecycleExpiration::builder().days(30).build();
        LifecycleRule::builder().status(ExpirationStatus::Enabled).expiration(expiration)
    }

    fn of(prefix: &str) -> LifecycleRuleFilter {
        LifecycleRuleFilter::builder().prefix(prefix).build()
    }

    #[test]
    fn a_rule_takes_entries_away_when_it_reaches_them_and_deletes_or_archives() {
        let tag = tag().unwrap();
        let to = |class: TransitionStorageClass| {
            let to = Transition::builder().days(1).storage_class(class).build();
            LifecycleRule::builder().status(ExpirationStatus::Enabled).transitions(to)
        };
        let and = LifecycleRuleAndOperator::builder().prefix("teams").tags(tag.clone()).build();
        let markers = LifecycleExpiration::builder().expired_object_delete_marker(true).build();
        for (rule, takes) in [
            (rule(), true),
            (rule().filter(of("")), true),
            (rule().filter(of("teams/")), true),
            (rule().filter(of("teams/platform/inferloop-dev")), true),
            (rule().filter(of("logs/")), false),
            (rule().filter(LifecycleRuleFilter::builder().tag(tag).build()), false),
            (rule().filter(LifecycleRuleFilter::builder().and(and).build()), false),
            (rule().status(ExpirationStatus::Disabled), false),
            (rule().expiration(markers), false),
            (to(TransitionStorageClass::DeepArchive), true),
            (to(TransitionStorageClass::IntelligentTiering), false),
        ] {
            let rule = rule.build().unwrap();
            assert_eq!(takes_away(&rule, "teams/platform"), takes, "{rule:?}");
        }
    }
}
