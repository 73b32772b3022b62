//! `AWS::EC2::FlowLog`: [CreateFlowLogs](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html),
//! which answers with success and lists what failed, and its neighbours.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    DestinationFileFormat, DestinationOptionsRequest, FlowLog as Model, FlowLogsResourceType, LogDestinationType,
    ResourceType, TrafficType,
};
use landfall_core::Result;
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};

use super::{PAGE, asked, id, known, listed, outcome, outputs, retagged, specified, tags_of, token, unsuccessful};
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, incomplete};
use crate::driver::wanted::{Shown, Wanted};

/// `AWS::EC2::FlowLog`.
#[derive(Debug)]
pub(in crate::driver) struct FlowLog;

#[async_trait]
impl Kept for FlowLog {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::FlowLog"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "DeliverCrossAccountRole",
            "DeliverLogsPermissionArn",
            "DestinationOptions",
            "LogDestination",
            "LogDestinationType",
            "LogFormat",
            "LogGroupName",
            "MaxAggregationInterval",
            "ResourceId",
            "ResourceType",
            "TrafficType",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let asked = asked(call, which, "flow-log-id", &[]);
        let found = listed!(asked, call.api.ec2.describe_flow_logs(), set_filter, PAGE, "ec2:DescribeFlowLogs");
        Ok(found.iter().map(shown).collect())
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .ec2
            .create_flow_logs()
            .resource_ids(desired.required("ResourceId")?)
            .resource_type(FlowLogsResourceType::from(desired.required("ResourceType")?.as_str()))
            .set_traffic_type(desired.text("TrafficType").map(|text| TrafficType::from(text.as_str())))
            .set_log_destination_type(
                desired.text("LogDestinationType").map(|text| LogDestinationType::from(text.as_str())),
            )
            .set_log_destination(desired.text("LogDestination"))
            .set_log_group_name(desired.text("LogGroupName"))
            .set_log_format(desired.text("LogFormat"))
            .set_deliver_logs_permission_arn(desired.text("DeliverLogsPermissionArn"))
            .set_deliver_cross_account_role(desired.text("DeliverCrossAccountRole"))
            .set_max_aggregation_interval(desired.number("MaxAggregationInterval"))
            .set_destination_options(desired.map("DestinationOptions").map(options))
            .set_client_token(token(at))
            .set_tag_specifications(specified(ResourceType::VpcFlowLog, &desired.tags("Tags")));
        let made = create.send().await.map_err(failed("ec2:CreateFlowLogs"))?;
        unsuccessful("ec2:CreateFlowLogs", made.unsuccessful())?;
        let id = made.flow_log_ids().first().ok_or_else(|| incomplete("flowLogIdSet"))?;
        Ok(outcome(call, self, &known(at, id)).await)
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        retagged(call, self, at, desired, changed).await?;
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let delete = call.api.ec2.delete_flow_logs().flow_log_ids(id(at));
        let answer = delete.send().await.map_err(failed("ec2:DeleteFlowLogs"))?;
        unsuccessful("ec2:DeleteFlowLogs", answer.unsuccessful())?;
        Ok(Started::gone(id(at)))
    }
}

fn options(wanted: &Properties) -> DestinationOptionsRequest {
    DestinationOptionsRequest::builder()
        .set_file_format(wanted.text("FileFormat").map(|text| DestinationFileFormat::from(text.as_str())))
        .set_hive_compatible_partitions(wanted.flag("HiveCompatiblePartitions"))
        .set_per_hour_partition(wanted.flag("PerHourPartition"))
        .build()
}

/// Whether it delivers counts for nothing here: what keeps it from that, such as a role that is new, passes by itself, and
/// making it again would not help.
fn shown(log: &Model) -> Seen {
    let mut properties = Properties::new();
    properties.show("DeliverCrossAccountRole", log.deliver_cross_account_role());
    properties.show("DeliverLogsPermissionArn", log.deliver_logs_permission_arn());
    properties.show("LogDestination", log.log_destination());
    properties.show("LogDestinationType", log.log_destination_type().map(LogDestinationType::as_str));
    properties.show("LogFormat", log.log_format());
    properties.show("LogGroupName", log.log_group_name());
    properties.show("MaxAggregationInterval", log.max_aggregation_interval());
    properties.show("ResourceId", log.resource_id());
    properties.show("ResourceType", log.resource_id().and_then(sort));
    properties.show("TrafficType", log.traffic_type().map(TrafficType::as_str));
    if let Some(options) = log.destination_options() {
        let mut shown = Properties::new();
        shown.show("FileFormat", options.file_format().map(DestinationFileFormat::as_str));
        shown.show("HiveCompatiblePartitions", options.hive_compatible_partitions());
        shown.show("PerHourPartition", options.per_hour_partition());
        properties.show("DestinationOptions", Some(shown));
    }
    properties.show_tags("Tags", tags_of(log.tags()));
    let outputs = outputs([("Id", log.flow_log_id())]);
    Seen { id: log.flow_log_id().unwrap_or_default().to_owned(), properties, outputs, health: Health::Ready }
}

/// What sort of thing is watched, which the API does not repeat.
fn sort(id: &str) -> Option<&'static str> {
    let sorts = [
        ("vpc-", "VPC"),
        ("subnet-", "Subnet"),
        ("eni-", "NetworkInterface"),
        ("tgw-attach-", "TransitGatewayAttachment"),
        ("tgw-", "TransitGateway"),
        ("nat-", "RegionalNatGateway"),
    ];
    sorts.into_iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, sort)| sort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_log_shows_what_it_was_made_of() {
        let model = Model::builder()
            .flow_log_id("fl-1")
            .resource_id("tgw-attach-1")
            .traffic_type(TrafficType::All)
            .deliver_logs_status("FAILED")
            .build();
        let seen = shown(&model);
        assert_eq!(seen.properties.text("ResourceType").as_deref(), Some("TransitGatewayAttachment"));
        assert_eq!(seen.properties.text("TrafficType").as_deref(), Some("ALL"));
        assert_eq!(seen.health, Health::Ready);
    }

    #[test]
    fn options_go_to_the_api_and_come_back() {
        let wanted = landfall_core::properties! {
            "FileFormat" => "parquet", "HiveCompatiblePartitions" => true, "PerHourPartition" => false,
        };
        let sent = options(&wanted);
        let back = aws_sdk_ec2::types::DestinationOptionsResponse::builder()
            .set_file_format(sent.file_format)
            .set_hive_compatible_partitions(sent.hive_compatible_partitions)
            .set_per_hour_partition(sent.per_hour_partition)
            .build();
        let seen = shown(&Model::builder().destination_options(back).build());
        assert_eq!(seen.properties.map("DestinationOptions"), Some(&wanted));
    }
}
