use landfall_core::{map, properties};

use crate::bench::Bench;

fn policy(comment: &str) -> landfall_core::resource::Value {
    map! {
        "Version" => "2012-10-17",
        "Statement" => landfall_core::list![map! {
            "Sid" => comment,
            "Effect" => "Allow",
            "Principal" => map! { "AWS" => "arn:aws:iam::123456789012:root" },
            "Action" => "kms:*",
            "Resource" => "*",
        }],
    }
}

#[tokio::test]
async fn a_key_is_made_rotated_changed_and_scheduled_for_its_end() {
    let Some(bench) = Bench::new("kms-key").await else { return };
    let wanted = properties! {
        "Description" => "volumes",
        "EnableKeyRotation" => true,
        "PendingWindowInDays" => 30,
        "KeyPolicy" => policy("Root"),
    };
    let changes = properties! {
        "Description" => "volumes of the cluster",
        "EnableKeyRotation" => false,
        "KeyPolicy" => policy("Administrators"),
        "Tags" => bench.retagged("key"),
    };
    bench.lives("key", "AWS::KMS::Key", wanted, changes).await;
}

#[tokio::test]
async fn an_alias_points_to_one_key_and_then_to_another() {
    let Some(bench) = Bench::new("kms-alias").await else { return };
    let one = bench.make("one", "AWS::KMS::Key", properties! { "Description" => "one" }).await;
    let two = bench.make("two", "AWS::KMS::Key", properties! { "Description" => "two" }).await;
    let wanted = properties! { "AliasName" => "alias/kms-alias/it", "TargetKeyId" => one.id() };
    bench.lives("alias", "AWS::KMS::Alias", wanted, properties! { "TargetKeyId" => two.id() }).await;
}
