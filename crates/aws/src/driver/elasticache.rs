//! ElastiCache: replication groups, and the groups of subnets and parameters that they stand on.
//!
//! Sources: [CreateReplicationGroup](https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateReplicationGroup.html)
//! and its neighbours. ElastiCache keeps names in lower case, whatever it is given: ids are in lower case here, and names are
//! shown as they were asked for.

mod groups;
mod replication;
mod shape;

use aws_sdk_elasticache::types::Tag;
use landfall_core::{Code, Result};

use super::error::failed;
use super::kept::Call;
use super::tagging;
use super::wanted::retag;

pub(super) use groups::{ParameterGroup, SubnetGroup};
pub(super) use replication::ReplicationGroup;

/// The tags of something. ElastiCache does not tell those of what is not available yet; the index that all services share
/// does, some seconds after a create.
///
/// # Errors
/// [`Code::Conflict`] as long as nobody tells: without its tags nobody knows whose it is.
async fn tags(call: &Call<'_>, arn: &str) -> Result<Vec<(String, String)>> {
    let list = call.api.elasticache.list_tags_for_resource().resource_name(arn);
    match list.send().await.map_err(failed("elasticache:ListTagsForResource")) {
        Ok(answer) => Ok(pairs(answer.tag_list())),
        Err(error) if error.code() == Code::Conflict => tagging::tags(call.api, arn).await?.ok_or(error),
        Err(error) => Err(error),
    }
}

/// Makes the tags of something as they are wanted.
async fn tag(call: &Call<'_>, arn: &str, wanted: &[(String, String)]) -> Result<()> {
    let (set, gone) = retag(&tags(call, arn).await?, wanted);
    if !set.is_empty() {
        let add = call.api.elasticache.add_tags_to_resource().resource_name(arn).set_tags(Some(tag_list(set)));
        add.send().await.map_err(failed("elasticache:AddTagsToResource"))?;
    }
    if !gone.is_empty() {
        let remove = call.api.elasticache.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(gone));
        remove.send().await.map_err(failed("elasticache:RemoveTagsFromResource"))?;
    }
    Ok(())
}

fn pairs(tags: &[Tag]) -> Vec<(String, String)> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    tags.iter().map(|tag| (text(tag.key()), text(tag.value()))).collect()
}

fn tag_list(pairs: Vec<(String, String)>) -> Vec<Tag> {
    pairs.into_iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
