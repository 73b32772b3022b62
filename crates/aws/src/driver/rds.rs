//! RDS: database servers, and the groups of subnets and parameters that they stand on.
//!
//! Sources: [CreateDBInstance](https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html) and its
//! neighbours. RDS keeps names in lower case, whatever it is given: ids are in lower case here, and names are shown as they
//! were asked for.

mod groups;
mod instance;
mod shape;

use aws_sdk_rds::types::Tag;
use landfall_core::Result;

use super::error::failed;
use super::kept::Call;
use super::wanted::retag;

pub(super) use groups::{ParameterGroup, SubnetGroup};
pub(super) use instance::Instance;

/// The tags of something that does not bring them along.
async fn tags(call: &Call<'_>, arn: &str) -> Result<Vec<(String, String)>> {
    let list = call.api.rds.list_tags_for_resource().resource_name(arn);
    let answer = list.send().await.map_err(failed("rds:ListTagsForResource"))?;
    Ok(pairs(answer.tag_list()))
}

/// Makes the tags of something as they are wanted.
async fn tag(call: &Call<'_>, arn: &str, wanted: &[(String, String)]) -> Result<()> {
    let (set, gone) = retag(&tags(call, arn).await?, wanted);
    if !set.is_empty() {
        let add = call.api.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tag_list(set)));
        add.send().await.map_err(failed("rds:AddTagsToResource"))?;
    }
    if !gone.is_empty() {
        let remove = call.api.rds.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(gone));
        remove.send().await.map_err(failed("rds:RemoveTagsFromResource"))?;
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
