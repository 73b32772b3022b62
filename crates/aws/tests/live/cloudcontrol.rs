//! Types without calls of ours, by Cloud Control on ministack; moto has no such API.
//!
//! ministack keeps what it is told under any name of a type, and knows no schema: it refuses no property, shows none but those
//! that it was given, works a request off before it answers, and takes no notice of tokens. Its ids are the property `Name` or
//! `Id` where there is one, and else made up. What AWS answers in between, and its refusals, are in `tests/aws/control.rs`.

use landfall_core::resource::Value;
use landfall_core::{Code, list, map, properties};

use crate::bench::Bench;

#[tokio::test]
async fn a_queue_is_made_changed_and_deleted() {
    let Some(bench) = Bench::ministack("control-queue").await else { return };
    let wanted = properties! {
        "QueueName" => "control-queue",
        "VisibilityTimeout" => 30,
        "SqsManagedSseEnabled" => true,
        "RedrivePolicy" => map! { "deadLetterTargetArn" => "arn:aws:sqs:eu-west-1:123456789012:dead", "maxReceiveCount" => 5 },
    };
    let changes = properties! {
        "VisibilityTimeout" => 60,
        "SqsManagedSseEnabled" => false,
        "RedrivePolicy" => Value::Null,
        "Tags" => bench.retagged("queue"),
    };
    bench.lives("queue", "AWS::SQS::Queue", wanted, changes).await;
}

#[tokio::test]
async fn a_topic_is_made_changed_and_deleted() {
    let Some(bench) = Bench::ministack("control-topic").await else { return };
    let subscription = |queue: &str| map! { "Protocol" => "sqs", "Endpoint" => queue };
    let wanted = properties! { "TopicName" => "control-topic", "Subscription" => list![subscription("one")] };
    let changes = properties! { "DisplayName" => "News / ~", "Subscription" => list![subscription("two")] };
    bench.lives("topic", "AWS::SNS::Topic", wanted, changes).await;
}

#[tokio::test]
async fn a_table_is_made_changed_and_deleted() {
    let Some(bench) = Bench::ministack("control-table").await else { return };
    let wanted = properties! {
        "TableName" => "control-table",
        "AttributeDefinitions" => list![map! { "AttributeName" => "id", "AttributeType" => "S" }],
        "KeySchema" => list![map! { "AttributeName" => "id", "KeyType" => "HASH" }],
        "BillingMode" => "PAY_PER_REQUEST",
        "PointInTimeRecoverySpecification" => map! { "PointInTimeRecoveryEnabled" => false },
    };
    let changes = properties! {
        "PointInTimeRecoverySpecification" => map! { "PointInTimeRecoveryEnabled" => true },
        "DeletionProtectionEnabled" => true,
    };
    bench.lives("table", "AWS::DynamoDB::Table", wanted, changes).await;
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_counted_and_not_taken_for_ours() {
    let Some(bench) = Bench::ministack("control-one").await else { return };
    let Some(other) = Bench::ministack("control-two").await else { return };
    let named = || properties! { "Name" => "control-schedules" };
    let theirs = other.make("group", "AWS::Scheduler::ScheduleGroup", named()).await;
    let ours = bench.wanted("group", "AWS::Scheduler::ScheduleGroup", named());
    assert_eq!(ours.refused(&bench).await, Code::AlreadyExists);
    assert!(bench.look(&ours).await.is_none(), "it bears another stack's marks");
    other.unmake(&theirs).await;
}
