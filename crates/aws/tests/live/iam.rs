//! Roles on moto, which knows the policies that AWS keeps. It keeps no description where an update of a role leaves it out,
//! which the driver never does.

use landfall_core::driver::{Observation, Progress};
use landfall_core::plan::unlike;
use landfall_core::resource::{Identity, Ownership, Properties, Value};
use landfall_core::{list, map, properties};

use crate::bench::Bench;

fn document(action: &str) -> Value {
    map! {
        "Version" => "2012-10-17",
        "Statement" => list![map! { "Effect" => "Allow", "Action" => action, "Resource" => "arn:aws:s3:::a+b/100%/*" }],
    }
}

fn trust(service: &str) -> Value {
    map! {
        "Version" => "2012-10-17",
        "Statement" => list![map! {
            "Effect" => "Allow", "Principal" => map! { "Service" => service }, "Action" => "sts:AssumeRole",
        }],
    }
}

fn managed(name: &str) -> String {
    format!("arn:aws:iam::aws:policy/{name}")
}

fn inline(name: &str, action: &str) -> Value {
    map! { "PolicyName" => name, "PolicyDocument" => document(action) }
}

fn role(name: &str) -> Properties {
    properties! {
        "RoleName" => name,
        "Description" => "Lets nodes join",
        "AssumeRolePolicyDocument" => trust("ec2.amazonaws.com"),
        "ManagedPolicyArns" => [managed("AmazonEKSWorkerNodePolicy"), managed("AmazonEKS_CNI_Policy")],
        "Policies" => list![inline("read", "s3:GetObject"), inline("write", "s3:PutObject")],
    }
}

#[tokio::test]
async fn a_role_gets_its_policies_changes_them_and_loses_them_before_it_goes() {
    let Some(bench) = Bench::new("iam-role").await else { return };
    let mut wanted = role("iam-role");
    wanted.extend(properties! {
        "Path" => "/landfall/",
        "MaxSessionDuration" => 7_200,
        "PermissionsBoundary" => managed("PowerUserAccess"),
    });
    let changes = properties! {
        "Description" => "Lets nodes join and pull images",
        "AssumeRolePolicyDocument" => trust("eks.amazonaws.com"),
        "ManagedPolicyArns" => [managed("AmazonEKSWorkerNodePolicy"), managed("AmazonEC2ContainerRegistryPullOnly")],
        "MaxSessionDuration" => 3_600,
        "PermissionsBoundary" => managed("ReadOnlyAccess"),
        "Policies" => list![inline("write", "s3:DeleteObject"), inline("list", "s3:ListBucket")],
        "Tags" => bench.retagged("role"),
    };
    bench.lives("role", "AWS::IAM::Role", wanted, changes).await;
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_taken_from_a_role() {
    let Some(bench) = Bench::new("iam-less").await else { return };
    let mut wanted = role("iam-less");
    wanted.insert("PermissionsBoundary".into(), managed("PowerUserAccess").into());
    let mut made = bench.make("role", "AWS::IAM::Role", wanted).await;
    let gone = properties! {
        "ManagedPolicyArns" => Value::Null, "PermissionsBoundary" => Value::Null, "Policies" => Value::Null,
    };
    bench.change(&mut made, gone).await;
    let seen = bench.look(&made).await.unwrap();
    for name in ["ManagedPolicyArns", "PermissionsBoundary", "Policies"] {
        assert_eq!(seen.properties.get(name), None, "{name}");
    }
    bench.unmake(&made).await;
}

#[tokio::test]
async fn many_roles_are_read_from_the_lists_as_each_is_read_alone() {
    let Some(bench) = Bench::new("iam-many").await else { return };
    let mut all = Vec::new();
    for index in 0..6 {
        let properties = role(&format!("iam-many-{index}"));
        all.push(bench.make(&format!("role-{index}"), "AWS::IAM::Role", properties).await);
    }
    let absent = Identity { id: Some("iam-many-9".into()), ..all[0].identity.clone() };
    let these: Vec<_> = all.iter().map(|made| made.identity.clone()).chain([absent]).collect();
    let seen = all[0].observe(&bench, &these).await;
    for (made, seen) in all.iter().zip(&seen) {
        let Observation::Present(seen) = seen else { panic!("{} is not there", made.id()) };
        assert_eq!(seen.properties, bench.look(made).await.unwrap().properties);
        assert!(unlike(made.of(), &made.desired, &seen.properties).is_empty());
    }
    assert!(matches!(seen[6], Observation::Absent), "{:?}", seen[6]);
    for made in &all {
        bench.unmake(made).await;
    }
}

#[tokio::test]
async fn policies_of_the_same_name_in_two_roles_are_two() {
    let Some(bench) = Bench::new("iam-policy").await else { return };
    let plain =
        |name: &str| properties! { "RoleName" => name, "AssumeRolePolicyDocument" => trust("ec2.amazonaws.com") };
    let one = bench.make("one", "AWS::IAM::Role", plain("iam-policy-1")).await;
    let two = bench.make("two", "AWS::IAM::Role", plain("iam-policy-2")).await;
    let policy = |role: &str, action: &str| {
        properties! { "RoleName" => role, "PolicyName" => "files", "PolicyDocument" => document(action) }
    };
    let first = bench.make("first", "AWS::IAM::RolePolicy", policy(one.id(), "s3:GetObject")).await;
    let second = bench.make("second", "AWS::IAM::RolePolicy", policy(two.id(), "s3:PutObject")).await;
    let seen = first.observe(&bench, &[first.identity.clone(), second.identity.clone()]).await;
    for (made, seen) in [&first, &second].into_iter().zip(seen) {
        let Observation::Present(seen) = seen else { panic!("{} is not there", made.id()) };
        assert!(unlike(made.of(), &made.desired, &seen.properties).is_empty(), "{:?}", seen.properties);
    }
    bench.unmake(&second).await;
    let mut first = first;
    bench.change(&mut first, properties! { "PolicyDocument" => document("s3:ListBucket") }).await;
    bench.holds(&first).await;
    for made in [&first, &one, &two] {
        bench.unmake(made).await;
    }
}

#[tokio::test]
async fn a_role_whose_policy_is_missing_is_begun_and_finished_by_an_update() {
    let Some(bench) = Bench::new("iam-begun").await else { return };
    let mut wanted = role("iam-begun");
    wanted.insert("ManagedPolicyArns".into(), [managed("NobodyHasThis")].into());
    let mut made = bench.wanted("role", "AWS::IAM::Role", wanted);
    let begun = made.begin(&bench).await;
    assert!(matches!(begun.progress, Progress::Unfinished(_)), "{:?}", begun.progress);
    let seen = bench.look(&made).await.unwrap();
    assert!(matches!(seen.owner, Ownership::Ours(_)), "it bears the marks from its first call on");
    let all: Properties = made.desired.clone();
    bench.change(&mut made, all.into_iter().chain(role("iam-begun")).collect()).await;
    bench.holds(&made).await;
    bench.unmake(&made).await;
}
