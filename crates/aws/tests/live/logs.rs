use landfall_core::properties;

use crate::bench::Bench;

#[tokio::test]
async fn a_log_group_keeps_what_it_is_told_for_as_long_as_it_is_told() {
    let Some(bench) = Bench::new("log-group").await else { return };
    let wanted = properties! { "LogGroupName" => "/landfall/log-group", "RetentionInDays" => 30 };
    let changes = properties! { "RetentionInDays" => 90, "Tags" => bench.retagged("group") };
    bench.lives("group", "AWS::Logs::LogGroup", wanted, changes).await;
}
