//! What bears the stack's marks, by the index of tags that all services share.
//!
//! Source: [GetResources](https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html), a
//! hundred to a page. The index is behind the services by seconds, which the types' lag allows for.

use aws_sdk_resourcegroupstagging::types::TagFilter;
use landfall_core::Result;
use landfall_core::resource::{RESERVED_PREFIX, StackId};

use super::api::Api;
use super::error::failed;

/// The names (the ARN's part after the type of resource) of everything of this sort, such as `key` of `kms`, that bears the
/// stack's marks.
pub(super) async fn marked(api: &Api, stack: &StackId, service: &str, sort: &str) -> Result<Vec<String>> {
    let filter = TagFilter::builder().key(format!("{RESERVED_PREFIX}stack")).values(stack.to_string()).build();
    let all: Vec<_> = api
        .tagging
        .get_resources()
        .resource_type_filters(service)
        .tag_filters(filter)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(failed("tag:GetResources"))?;
    Ok(all.iter().filter_map(|one| name_of(one.resource_arn()?, sort).map(str::to_owned)).collect())
}

/// The tags that the index knows of one thing; `None` when it does not know the thing, or knows it without any.
pub(super) async fn tags(api: &Api, arn: &str) -> Result<Option<Vec<(String, String)>>> {
    let get = api.tagging.get_resources().resource_arn_list(arn);
    let answer = get.send().await.map_err(failed("tag:GetResources"))?;
    let known = answer.resource_tag_mapping_list().iter().find(|one| one.resource_arn() == Some(arn));
    let tags = known.map(|one| one.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect());
    Ok(tags.filter(|tags: &Vec<_>| !tags.is_empty()))
}

/// What names a thing of this sort in its ARN. Buckets alone have no sort: their names stand there bare.
fn name_of<'a>(arn: &'a str, sort: &str) -> Option<&'a str> {
    let rest = arn.splitn(6, ':').last()?;
    if sort.is_empty() {
        return Some(rest).filter(|rest| !rest.contains([':', '/']));
    }
    rest.strip_prefix(sort)?.strip_prefix([':', '/'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_comes_after_the_sort() {
        for (arn, sort, name) in [
            ("arn:aws:kms:eu-west-1:123456789012:key/1-2", "key", Some("1-2")),
            ("arn:aws:logs:eu-west-1:123456789012:log-group:/aws/eks/main", "log-group", Some("/aws/eks/main")),
            ("arn:aws:rds:eu-west-1:123456789012:pg:main", "pg", Some("main")),
            ("arn:aws:rds:eu-west-1:123456789012:pg-cluster:main", "pg", None),
            ("arn:aws:s3:::files", "bucket", None),
            ("arn:aws:s3:::files", "", Some("files")),
            ("arn:aws:s3:eu-west-1:123456789012:accesspoint/files", "", None),
        ] {
            assert_eq!(name_of(arn, sort), name, "{arn}");
        }
    }
}
