//! CloudWatch Logs: log groups.
//!
//! Sources: [CreateLogGroup](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html),
//! [DescribeLogGroups](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html), which
//! takes fifty names at once, and their neighbours.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::{LogGroup as Group, LogGroupClass};
use landfall_core::Result;
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};

use super::each::each;
use super::error::failed;
use super::kept::{Call, Kept, Seen, Started, Which};
use super::tagging;
use super::wanted::{Shown, Wanted, retag, touches};

/// How many names one call takes.
const PAGE: usize = 50;

/// `AWS::Logs::LogGroup`.
#[derive(Debug)]
pub(super) struct LogGroup;

#[async_trait]
impl Kept for LogGroup {
    fn type_name(&self) -> &'static str {
        "AWS::Logs::LogGroup"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["KmsKeyId", "LogGroupClass", "LogGroupName", "RetentionInDays"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let mut names: Vec<String> = match which {
            Which::These(_) => which.names().filter_map(|parts| parts.last().cloned()).collect(),
            Which::Marked => tagging::marked(call.api, call.cx.stack, "logs", "log-group").await?,
        };
        names.sort();
        names.dedup();
        let mut groups = Vec::new();
        for page in names.chunks(PAGE) {
            let list = call.api.logs.describe_log_groups().set_log_group_identifiers(Some(page.to_vec()));
            let list = list.into_paginator().items().send().try_collect().await;
            let found: Vec<Group> = list.map_err(failed("logs:DescribeLogGroups"))?;
            groups
                .extend(found.into_iter().filter(|group| page.iter().any(|name| group.log_group_name() == Some(name))));
        }
        each(groups, async |group: Group| {
            let tags = tags(call, group.log_group_name().unwrap_or_default()).await?;
            Ok(Some(shown(&group, tags)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("LogGroupName")?;
        let create = call
            .api
            .logs
            .create_log_group()
            .log_group_name(&name)
            .set_kms_key_id(desired.text("KmsKeyId"))
            .set_log_group_class(desired.text("LogGroupClass").map(|text| LogGroupClass::from(text.as_str())))
            .set_tags(Some(desired.tags("Tags").into_iter().collect()));
        create.send().await.map_err(failed("logs:CreateLogGroup"))?;
        let mut outputs = Properties::new();
        outputs.show("LogGroupName", Some(name.as_str()));
        outputs.show("Arn", Some(format!("{}:*", arn(call, &name))));
        let seen = Seen { id: name.clone(), properties: Properties::new(), outputs, health: Health::Ready };
        match retain(call, &name, desired).await {
            Ok(()) => Ok(Started::done(seen)),
            Err(_) => Ok(Started::unfinished(seen)),
        }
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let name = desired.required("LogGroupName")?;
        let logs = &call.api.logs;
        if touches(changed, "RetentionInDays") {
            retain(call, &name, desired).await?;
        }
        if touches(changed, "KmsKeyId") {
            match desired.text("KmsKeyId") {
                Some(key) => {
                    let associate = logs.associate_kms_key().log_group_name(&name).kms_key_id(key);
                    associate.send().await.map_err(failed("logs:AssociateKmsKey"))?;
                }
                None => {
                    let disassociate = logs.disassociate_kms_key().log_group_name(&name);
                    disassociate.send().await.map_err(failed("logs:DisassociateKmsKey"))?;
                }
            }
        }
        if touches(changed, "Tags") {
            let (set, gone) = retag(&tags(call, &name).await?, &desired.tags("Tags"));
            let arn = arn(call, &name);
            if !set.is_empty() {
                let tag = logs.tag_resource().resource_arn(&arn).set_tags(Some(set.into_iter().collect()));
                tag.send().await.map_err(failed("logs:TagResource"))?;
            }
            if !gone.is_empty() {
                let untag = logs.untag_resource().resource_arn(&arn).set_tag_keys(Some(gone));
                untag.send().await.map_err(failed("logs:UntagResource"))?;
            }
        }
        call.settled(self, at).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        call.api.logs.delete_log_group().log_group_name(&name).send().await.map_err(failed("logs:DeleteLogGroup"))?;
        Ok(Started::gone(name))
    }
}

fn shown(group: &Group, tags: Vec<(String, String)>) -> Seen {
    let name = group.log_group_name().unwrap_or_default();
    let mut properties = Properties::new();
    properties.show("LogGroupName", Some(name));
    properties.show("RetentionInDays", group.retention_in_days());
    properties.show("KmsKeyId", group.kms_key_id());
    properties.show("LogGroupClass", group.log_group_class().map(LogGroupClass::as_str));
    properties.show_tags("Tags", tags);
    let mut outputs = Properties::new();
    outputs.show("LogGroupName", Some(name));
    outputs.show("Arn", group.arn());
    Seen { id: name.to_owned(), properties, outputs, health: Health::Ready }
}

async fn retain(call: &Call<'_>, name: &str, desired: &Properties) -> Result<()> {
    let logs = &call.api.logs;
    match desired.number("RetentionInDays") {
        Some(days) => {
            let put = logs.put_retention_policy().log_group_name(name).retention_in_days(days);
            put.send().await.map_err(failed("logs:PutRetentionPolicy"))?;
        }
        None => {
            let delete = logs.delete_retention_policy().log_group_name(name);
            delete.send().await.map_err(failed("logs:DeleteRetentionPolicy"))?;
        }
    }
    Ok(())
}

async fn tags(call: &Call<'_>, name: &str) -> Result<Vec<(String, String)>> {
    let list = call.api.logs.list_tags_for_resource().resource_arn(arn(call, name));
    let tags: HashMap<String, String> =
        list.send().await.map_err(failed("logs:ListTagsForResource"))?.tags.unwrap_or_default();
    Ok(tags.into_iter().collect())
}

/// The group's ARN as the calls for tags want it, without the `:*` at its end.
fn arn(call: &Call<'_>, name: &str) -> String {
    call.api.arn("logs", &format!("log-group:{name}"))
}
