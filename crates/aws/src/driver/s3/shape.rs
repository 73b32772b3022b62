//! The parts of a bucket: from CloudFormation's schema to S3's, and back.

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, CorsRule, ExpirationStatus, LifecycleExpiration,
    LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter, LoggingEnabled, NoncurrentVersionExpiration,
    NoncurrentVersionTransition, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Transition, TransitionStorageClass,
};
use landfall_core::Result;
use landfall_core::map;
use landfall_core::resource::{Properties, Value};

use crate::driver::kept::incomplete;
use crate::driver::wanted::{Shown, Wanted};

/// Refuses what would silently not be set, before the first call.
pub(super) fn check(desired: &Properties) -> Result<()> {
    let part = |path: &str| desired.map(path).into_iter();
    for access in part("PublicAccessBlockConfiguration") {
        access.only(&["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"])?;
    }
    for ownership in part("OwnershipControls") {
        ownership.only(&["Rules"])?;
    }
    for encryption in part("BucketEncryption") {
        encryption.only(&["ServerSideEncryptionConfiguration"])?;
        for rule in encryption.maps("ServerSideEncryptionConfiguration") {
            rule.only(&["BucketKeyEnabled", "ServerSideEncryptionByDefault"])?;
        }
    }
    for versioning in part("VersioningConfiguration") {
        versioning.only(&["Status"])?;
    }
    for lifecycle in part("LifecycleConfiguration") {
        lifecycle.only(&["Rules"])?;
        for rule in lifecycle.maps("Rules") {
            rule.only(&[
                "AbortIncompleteMultipartUpload",
                "ExpirationInDays",
                "ExpiredObjectDeleteMarker",
                "Id",
                "NoncurrentVersionExpiration",
                "NoncurrentVersionTransitions",
                "ObjectSizeGreaterThan",
                "ObjectSizeLessThan",
                "Prefix",
                "Status",
                "TagFilters",
                "Transitions",
            ])?;
            for transition in rule.maps("Transitions") {
                transition.only(&["StorageClass", "TransitionInDays"])?;
            }
        }
    }
    for cors in part("CorsConfiguration") {
        cors.only(&["CorsRules"])?;
    }
    for logging in part("LoggingConfiguration") {
        logging.only(&["DestinationBucketName", "LogFilePrefix"])?;
    }
    Ok(())
}

pub(super) fn access(wanted: &Properties) -> PublicAccessBlockConfiguration {
    PublicAccessBlockConfiguration::builder()
        .set_block_public_acls(wanted.flag("BlockPublicAcls"))
        .set_block_public_policy(wanted.flag("BlockPublicPolicy"))
        .set_ignore_public_acls(wanted.flag("IgnorePublicAcls"))
        .set_restrict_public_buckets(wanted.flag("RestrictPublicBuckets"))
        .build()
}

pub(super) fn shown_access(found: &PublicAccessBlockConfiguration) -> Value {
    let mut shown = Properties::new();
    shown.show("BlockPublicAcls", found.block_public_acls());
    shown.show("BlockPublicPolicy", found.block_public_policy());
    shown.show("IgnorePublicAcls", found.ignore_public_acls());
    shown.show("RestrictPublicBuckets", found.restrict_public_buckets());
    Value::Map(shown)
}

pub(super) fn ownership(wanted: &Properties) -> Result<OwnershipControls> {
    let mut all = OwnershipControls::builder();
    for rule in wanted.maps("Rules") {
        let ownership = ObjectOwnership::from(rule.required("ObjectOwnership")?.as_str());
        let rule = OwnershipControlsRule::builder().object_ownership(ownership).build();
        all = all.rules(rule.map_err(|_| incomplete("ObjectOwnership"))?);
    }
    all.build().map_err(|_| incomplete("OwnershipControls.Rules"))
}

pub(super) fn shown_ownership(found: &OwnershipControls) -> Value {
    let rules = found.rules().iter().map(|rule| map! { "ObjectOwnership" => rule.object_ownership().as_str() });
    map! { "Rules" => rules.collect::<Value>() }
}

pub(super) fn encryption(wanted: &Properties) -> Result<ServerSideEncryptionConfiguration> {
    let mut all = ServerSideEncryptionConfiguration::builder();
    for rule in wanted.maps("ServerSideEncryptionConfiguration") {
        let by_default = rule.map("ServerSideEncryptionByDefault").map(|wanted| {
            ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::from(wanted.required("SSEAlgorithm")?.as_str()))
                .set_kms_master_key_id(wanted.text("KMSMasterKeyID"))
                .build()
                .map_err(|_| incomplete("SSEAlgorithm"))
        });
        all = all.rules(
            ServerSideEncryptionRule::builder()
                .set_bucket_key_enabled(rule.flag("BucketKeyEnabled"))
                .set_apply_server_side_encryption_by_default(by_default.transpose()?)
                .build(),
        );
    }
    all.build().map_err(|_| incomplete("ServerSideEncryptionConfiguration"))
}

pub(super) fn shown_encryption(found: &ServerSideEncryptionConfiguration) -> Value {
    let rules = found.rules().iter().map(|rule| {
        let mut shown = Properties::new();
        shown.show("BucketKeyEnabled", rule.bucket_key_enabled());
        let by_default = rule.apply_server_side_encryption_by_default().map(|found| {
            let mut shown = Properties::new();
            shown.show("SSEAlgorithm", Some(found.sse_algorithm().as_str()));
            shown.show("KMSMasterKeyID", found.kms_master_key_id());
            Value::Map(shown)
        });
        shown.show("ServerSideEncryptionByDefault", by_default);
        Value::Map(shown)
    });
    map! { "ServerSideEncryptionConfiguration" => rules.collect::<Value>() }
}

pub(super) fn lifecycle(wanted: &Properties) -> Result<BucketLifecycleConfiguration> {
    let rules = wanted.maps("Rules").into_iter().map(rule).collect::<Result<_>>()?;
    let all = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
    all.map_err(|_| incomplete("LifecycleConfiguration.Rules"))
}

fn rule(wanted: &Properties) -> Result<LifecycleRule> {
    let mut expiration = LifecycleExpiration::builder();
    expiration = expiration.set_days(wanted.number("ExpirationInDays"));
    expiration = expiration.set_expired_object_delete_marker(wanted.flag("ExpiredObjectDeleteMarker"));
    let expires = wanted.value("ExpirationInDays").or(wanted.value("ExpiredObjectDeleteMarker")).is_some();
    let old = wanted.map("NoncurrentVersionExpiration").map(|wanted| {
        NoncurrentVersionExpiration::builder()
            .set_noncurrent_days(wanted.number("NoncurrentDays"))
            .set_newer_noncurrent_versions(wanted.number("NewerNoncurrentVersions"))
            .build()
    });
    let uploads = wanted.map("AbortIncompleteMultipartUpload").map(|wanted| {
        AbortIncompleteMultipartUpload::builder()
            .set_days_after_initiation(wanted.number("DaysAfterInitiation"))
            .build()
    });
    let mut all = LifecycleRule::builder()
        .set_id(wanted.text("Id"))
        .status(ExpirationStatus::from(wanted.required("Status")?.as_str()))
        .filter(filter(wanted)?)
        .set_expiration(expires.then(|| expiration.build()))
        .set_noncurrent_version_expiration(old)
        .set_abort_incomplete_multipart_upload(uploads);
    for transition in wanted.maps("Transitions") {
        all = all.transitions(
            Transition::builder()
                .set_days(transition.number("TransitionInDays"))
                .set_storage_class(class(transition))
                .build(),
        );
    }
    for transition in wanted.maps("NoncurrentVersionTransitions") {
        all = all.noncurrent_version_transitions(
            NoncurrentVersionTransition::builder()
                .set_noncurrent_days(transition.number("TransitionInDays"))
                .set_newer_noncurrent_versions(transition.number("NewerNoncurrentVersions"))
                .set_storage_class(class(transition))
                .build(),
        );
    }
    all.build().map_err(|_| incomplete("LifecycleConfiguration.Rules.Status"))
}

fn class(transition: &Properties) -> Option<TransitionStorageClass> {
    transition.text("StorageClass").map(|text| TransitionStorageClass::from(text.as_str()))
}

/// Which objects a rule is for: all, what meets the one condition, or what meets all of several.
fn filter(wanted: &Properties) -> Result<LifecycleRuleFilter> {
    let size = |path: &str| wanted.text(path).and_then(|text| text.parse::<i64>().ok());
    let (larger, smaller) = (size("ObjectSizeGreaterThan"), size("ObjectSizeLessThan"));
    let prefix = wanted.text("Prefix").filter(|prefix| !prefix.is_empty());
    let tags = wanted.tags("TagFilters").into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags = tags.collect::<Result<Vec<_>, _>>().map_err(|_| incomplete("TagFilters"))?;
    let conditions = [prefix.is_some(), larger.is_some(), smaller.is_some()].into_iter().filter(|one| *one).count();
    let filter = LifecycleRuleFilter::builder();
    Ok(match (conditions + tags.len(), tags.first()) {
        (0, _) => filter.prefix("").build(),
        (1, tag) => filter
            .set_prefix(prefix)
            .set_object_size_greater_than(larger)
            .set_object_size_less_than(smaller)
            .set_tag(tag.cloned())
            .build(),
        _ => {
            let all = LifecycleRuleAndOperator::builder()
                .set_prefix(prefix)
                .set_object_size_greater_than(larger)
                .set_object_size_less_than(smaller)
                .set_tags((!tags.is_empty()).then_some(tags));
            filter.and(all.build()).build()
        }
    })
}

pub(super) fn shown_lifecycle(found: &[LifecycleRule]) -> Value {
    map! { "Rules" => found.iter().map(shown_rule).collect::<Value>() }
}

fn shown_rule(found: &LifecycleRule) -> Value {
    let mut shown = Properties::new();
    shown.show("Id", found.id());
    shown.show("Status", Some(found.status().as_str()));
    if let Some(filter) = found.filter() {
        let all = filter.and();
        let text = |number: i64| number.to_string();
        let prefix = filter.prefix().or(all.and_then(LifecycleRuleAndOperator::prefix));
        shown.show("Prefix", prefix.filter(|prefix| !prefix.is_empty()));
        let larger =
            filter.object_size_greater_than().or(all.and_then(LifecycleRuleAndOperator::object_size_greater_than));
        shown.show("ObjectSizeGreaterThan", larger.map(text));
        let smaller = filter.object_size_less_than().or(all.and_then(LifecycleRuleAndOperator::object_size_less_than));
        shown.show("ObjectSizeLessThan", smaller.map(text));
        let tags = filter.tag().into_iter().chain(all.map(LifecycleRuleAndOperator::tags).unwrap_or_default());
        shown.show_tags("TagFilters", tags.map(|tag| (tag.key(), tag.value())));
    }
    if let Some(expiration) = found.expiration() {
        shown.show("ExpirationInDays", expiration.days());
        shown.show("ExpiredObjectDeleteMarker", expiration.expired_object_delete_marker());
    }
    if let Some(old) = found.noncurrent_version_expiration() {
        let mut inner = Properties::new();
        inner.show("NoncurrentDays", old.noncurrent_days());
        inner.show("NewerNoncurrentVersions", old.newer_noncurrent_versions());
        shown.show("NoncurrentVersionExpiration", Some(inner));
    }
    if let Some(uploads) = found.abort_incomplete_multipart_upload() {
        let mut inner = Properties::new();
        inner.show("DaysAfterInitiation", uploads.days_after_initiation());
        shown.show("AbortIncompleteMultipartUpload", Some(inner));
    }
    if !found.transitions().is_empty() {
        let all = found.transitions().iter().map(|transition| {
            let mut inner = Properties::new();
            inner.show("TransitionInDays", transition.days());
            inner.show("StorageClass", transition.storage_class().map(TransitionStorageClass::as_str));
            Value::Map(inner)
        });
        shown.show("Transitions", Some(all.collect::<Value>()));
    }
    if !found.noncurrent_version_transitions().is_empty() {
        let all = found.noncurrent_version_transitions().iter().map(|transition| {
            let mut inner = Properties::new();
            inner.show("TransitionInDays", transition.noncurrent_days());
            inner.show("NewerNoncurrentVersions", transition.newer_noncurrent_versions());
            inner.show("StorageClass", transition.storage_class().map(TransitionStorageClass::as_str));
            Value::Map(inner)
        });
        shown.show("NoncurrentVersionTransitions", Some(all.collect::<Value>()));
    }
    Value::Map(shown)
}

pub(super) fn cors(wanted: &Properties) -> Result<Vec<CorsRule>> {
    let rules = wanted.maps("CorsRules").into_iter().map(|rule| {
        CorsRule::builder()
            .set_id(rule.text("Id"))
            .set_allowed_headers(rule.texts("AllowedHeaders"))
            .set_allowed_methods(rule.texts("AllowedMethods"))
            .set_allowed_origins(rule.texts("AllowedOrigins"))
            .set_expose_headers(rule.texts("ExposedHeaders"))
            .set_max_age_seconds(rule.number("MaxAge"))
            .build()
            .map_err(|_| incomplete("AllowedMethods or AllowedOrigins"))
    });
    rules.collect()
}

pub(super) fn shown_cors(found: &[CorsRule]) -> Value {
    let rules = found.iter().map(|rule| {
        let mut shown = Properties::new();
        shown.show("Id", rule.id());
        shown.show_texts("AllowedHeaders", rule.allowed_headers());
        shown.show_texts("AllowedMethods", rule.allowed_methods());
        shown.show_texts("AllowedOrigins", rule.allowed_origins());
        shown.show_texts("ExposedHeaders", rule.expose_headers());
        shown.show("MaxAge", rule.max_age_seconds());
        Value::Map(shown)
    });
    map! { "CorsRules" => rules.collect::<Value>() }
}

pub(super) fn logging(wanted: &Properties) -> Result<LoggingEnabled> {
    LoggingEnabled::builder()
        .target_bucket(wanted.required("DestinationBucketName")?)
        .target_prefix(wanted.text("LogFilePrefix").unwrap_or_default())
        .build()
        .map_err(|_| incomplete("DestinationBucketName"))
}

pub(super) fn shown_logging(found: &LoggingEnabled) -> Value {
    map! { "DestinationBucketName" => found.target_bucket(), "LogFilePrefix" => found.target_prefix() }
}

#[cfg(test)]
mod tests {
    use landfall_core::{Code, list, properties};

    use super::*;

    #[test]
    fn rules_say_the_same_there_and_back() {
        let tags = list![map! { "Key" => "kind", "Value" => "log" }];
        let rules = [
            map! { "Id" => "all", "Status" => "Enabled", "ExpirationInDays" => 30 },
            map! { "Id" => "one", "Status" => "Enabled", "Prefix" => "logs/", "ExpiredObjectDeleteMarker" => true },
            map! { "Id" => "tagged", "Status" => "Disabled", "TagFilters" => tags.clone(), "ExpirationInDays" => 1 },
            map! {
                "Id" => "several",
                "Status" => "Enabled",
                "Prefix" => "logs/",
                "TagFilters" => tags,
                "ObjectSizeGreaterThan" => "1024",
                "ObjectSizeLessThan" => "2048",
                "Transitions" => list![map! { "StorageClass" => "GLACIER", "TransitionInDays" => 90 }],
                "NoncurrentVersionTransitions" => list![
                    map! { "StorageClass" => "STANDARD_IA", "TransitionInDays" => 30, "NewerNoncurrentVersions" => 2 },
                ],
                "NoncurrentVersionExpiration" => map! { "NoncurrentDays" => 60, "NewerNoncurrentVersions" => 3 },
                "AbortIncompleteMultipartUpload" => map! { "DaysAfterInitiation" => 7 },
            },
        ];
        let wanted = properties! { "Rules" => Value::List(rules.to_vec()) };
        let configuration = lifecycle(&wanted).unwrap();
        assert_eq!(shown_lifecycle(configuration.rules()), Value::Map(wanted));
        let filters: Vec<_> = configuration.rules().iter().filter_map(LifecycleRule::filter).collect();
        assert_eq!(filters[0].prefix(), Some(""), "a rule for everything says so");
        assert!(filters[1].and().is_none() && filters[2].and().is_none(), "one condition stands alone");
        assert!(filters[3].prefix().is_none() && filters[3].and().is_some(), "several stand together");
    }

    #[test]
    fn what_would_not_be_set_is_refused() {
        let rule = map! { "Status" => "Enabled", "ExpirationDate" => "2030-01-01T00:00:00Z" };
        let wanted = properties! { "LifecycleConfiguration" => map! { "Rules" => list![rule] } };
        let error = check(&wanted).unwrap_err();
        assert_eq!(error.code(), Code::InvalidRequest);
        assert!(error.message().ends_with(": ExpirationDate"), "{error}");
    }
}
