//! What happened is told in words, what can be taken back is said before it is done, and the way back is a plan.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{World, codes, consented, inferloop, small};
use landfall::Code;
use landfall::plan::{Change, Style, Undo};
use landfall::prelude::*;

/// The entries at which everything was as declared, the oldest first.
async fn converged(platform: &Platform) -> Vec<u64> {
    let history = platform.history(None, usize::MAX).await.unwrap();
    history.iter().rev().filter(|past| past.converged.is_some()).map(|past| past.number).collect()
}

#[tokio::test]
async fn history_says_who_did_what_in_pages() {
    let world = World::new(1);
    let platform = world.place(small(), "first");
    platform.converge().await.unwrap();
    let all = platform.history(None, usize::MAX).await.unwrap();
    assert!(all.iter().all(|past| past.holder == "first" && past.epoch == 1));
    assert_eq!(all.last().unwrap().number, 1);
    let words: Vec<_> = all.iter().flat_map(|past| &past.words).collect();
    let bucket =
        |what: &str| words.iter().any(|line| line.starts_with(what) && line.contains("aws/bucket/files/bucket"));
    assert!(bucket("is about to create") && bucket("done"), "{words:?}");
    assert!(
        all[0].converged.is_some() && all[0].words.iter().any(|line| line == "gave the lease back"),
        "{:?}",
        all[0]
    );

    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = platform.history(before, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        pages.extend(page);
    }
    assert_eq!(pages, all);
}

#[tokio::test]
async fn the_way_back_restores_what_was_declared_then() {
    let world = World::new(2);
    world.place(small(), "before").converge().await.unwrap();
    let before = world.content();
    let mut changed = small();
    changed.tag("Owner", "platform");
    changed.bucket("more", BucketSpec::new());
    let after = world.place(changed, "after");
    after.converge().await.unwrap();
    assert_ne!(world.content(), before);

    let entries = converged(&after).await;
    let plan = after.plan_to(entries[0]).await.unwrap();
    // What came since goes, and asks for consent like any data.
    let error = after.apply(plan.clone()).await.unwrap_err();
    assert!(codes(&error).iter().all(|code| *code == Code::Protected), "{error}");
    let report = after.apply(consented(plan)).await.unwrap();
    assert!(report.mutations > 0);
    assert_eq!(world.content(), before);

    let back = world.place(small(), "back");
    assert!(back.plan().await.unwrap().is_empty(), "{}", back.plan().await.unwrap().details(Style::Plain));
    let mutations = world.cloud.mutations();
    back.converge().await.unwrap();
    assert_eq!(world.cloud.mutations(), mutations);
    // An entry between two converges leads to the one before it.
    assert!(back.plan_to(entries[1] - 1).await.unwrap().is_empty());
    assert!(!back.plan_to(entries[1]).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_whole_example_needs_nothing_to_stay_where_it_is() {
    let world = World::new(3);
    let platform = world.inferloop("first");
    let outputs = platform.converge().await.unwrap();
    let entry = converged(&platform).await[0];
    let plan = platform.plan_to(entry).await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(Style::Plain));
    platform.apply(plan).await.unwrap();
    assert_eq!(platform.outputs().await.unwrap(), outputs, "what is handed out is the same");
}

#[tokio::test]
async fn what_was_deleted_since_is_made_anew_and_everything_refers_to_it() {
    let world = World::new(4);
    world.place(small(), "before").converge().await.unwrap();
    let before = world.content();
    let mut without = Platform::builder("small", "dev", Aws::new("eu-west-1"));
    without.bucket("files", BucketSpec::new());
    let without = world.place(without, "without");
    let plan = consented(without.plan().await.unwrap());
    without.apply(plan).await.unwrap();
    assert!(world.content().len() < before.len());

    let plan = without.plan_to(converged(&without).await[0]).await.unwrap();
    assert!(plan.steps.iter().all(|step| step.change == Change::Create), "{}", plan.details(Style::Plain));
    without.apply(plan).await.unwrap();
    assert_eq!(world.content().keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(world.place(small(), "back").plan().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_entry_that_leads_nowhere_is_refused() {
    let world = World::new(5);
    let platform = world.place(small(), "first");
    let refused = async |entry: u64| {
        let error = platform.plan_to(entry).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{error}");
        assert!(error.to_string().contains("; next: "), "{error}");
    };
    refused(1).await;
    platform.converge().await.unwrap();
    refused(0).await;
    refused(1).await;
    refused(1_000_000).await;
}

#[tokio::test]
async fn the_way_back_is_found_under_the_names_of_today() {
    let world = World::new(6);
    world.place(small(), "before").converge().await.unwrap();
    let renamed = || {
        let mut platform = Platform::builder("small", "dev", Aws::new("eu-west-1"));
        platform.network("core", NetworkSpec::new("10.30.0.0/16".parse().unwrap()).zones(2).nat(Nat::One));
        platform.bucket("models", BucketSpec::new());
        platform.moved("bucket/files", "bucket/models");
        platform
    };
    let platform = world.place(renamed(), "after");
    platform.converge().await.unwrap();
    let plan = platform.plan_to(converged(&platform).await[0]).await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(Style::Plain));
}

#[tokio::test]
async fn each_step_says_what_it_costs_and_what_the_way_back_would_be() {
    let world = World::new(7);
    let platform = world.inferloop("first");
    let plan = platform.plan().await.unwrap();
    assert!(plan.steps.iter().all(|step| step.undo == Undo::Reversible && step.outage.is_none()));
    let back = platform.plan_back(&plan).unwrap();
    assert!(back.is_lossless());
    assert_eq!(back.steps.len(), plan.steps.len());
    assert!(back.steps.iter().all(|step| step.change == Change::Delete));
    platform.apply(plan).await.unwrap();

    let mut newer = inferloop();
    newer.database("archive", DatabaseSpec::postgres(&Ref::named("core"), "17"));
    world.place(newer, "second").converge().await.unwrap();
    let plan = platform.plan().await.unwrap();
    let archive = plan.steps.iter().find(|step| step.type_name == "AWS::RDS::DBInstance").unwrap();
    assert_eq!((archive.change, archive.undo), (Change::Delete, Undo::Irreversible));
    let key = plan.steps.iter().find(|step| step.type_name == "AWS::KMS::Key").unwrap();
    assert_eq!(key.undo, Undo::ReversibleWithLoss);
    let back = platform.plan_back(&plan).unwrap();
    assert!(back.lost.iter().any(|step| step.address == archive.address), "{}", back.table(Style::Plain));
    assert!(plan.details(Style::Plain).contains("cannot be taken back: its data is gone"));
    assert!(back.table(Style::Plain).contains("what the way back does not bring back"), "{}", back.table(Style::Plain));
    let json = plan.to_json();
    let steps = json["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["undo"] == "irreversible"), "{json}");
}

#[tokio::test]
async fn a_replacement_is_taken_back_by_another_one() {
    let world = World::new(8);
    let with = |machine: &str, holder: &str| {
        let mut platform = Platform::builder("pools", "dev", Aws::new("eu-west-1"));
        platform.today(landfall::units::Date::new(2026, 11, 23));
        let network = platform.network("core", NetworkSpec::new("10.20.0.0/16".parse().unwrap()));
        let cluster = ClusterSpec::new(&network, "1.35").administrators(["arn:aws:iam::123456789012:role/platform"]);
        let cluster = platform.cluster("main", cluster);
        platform.node_pool("general", NodePoolSpec::new(&cluster).machine(machine).nodes(Range::new(3, 10).unwrap()));
        world.place(platform, holder)
    };
    with("m6a.xlarge", "first").converge().await.unwrap();
    let newer = with("m6i.xlarge", "second");
    let plan = newer.plan().await.unwrap();
    let replaced = plan.steps.iter().find(|step| step.type_name == "AWS::EKS::Nodegroup").unwrap();
    assert_eq!(replaced.change, Change::ReplaceCreateFirst, "{}", plan.details(Style::Plain));
    newer.converge().await.unwrap();

    let entries = converged(&newer).await;
    assert!(newer.plan_to(entries[1]).await.unwrap().is_empty(), "it is there already");
    let plan = newer.plan_to(entries[0]).await.unwrap();
    assert!(plan.steps.iter().any(|step| step.address == replaced.address && step.change == replaced.change));
    newer.apply(plan).await.unwrap();
    let older = with("m6a.xlarge", "third");
    assert!(older.plan().await.unwrap().is_empty(), "{}", older.plan().await.unwrap().details(Style::Plain));

    // And forward again, over two replacements.
    let plan = older.plan_to(entries[1]).await.unwrap();
    older.apply(plan).await.unwrap();
    let newer = with("m6i.xlarge", "fourth");
    assert!(newer.plan().await.unwrap().is_empty(), "{}", newer.plan().await.unwrap().details(Style::Plain));
}

#[tokio::test]
async fn a_native_type_that_is_not_declared_any_more_can_go_and_come_back() {
    let ledger = Ledger::memory();
    let declare = |topics: &[&str]| {
        let mut platform = Platform::builder("topics", "dev", Aws::new("eu-west-1"));
        platform.ledger(ledger.clone());
        platform.bucket("files", BucketSpec::new());
        for topic in topics {
            platform.native(topic, "AWS::SNS::Topic", landfall::properties! { "DisplayName" => *topic });
        }
        platform
    };
    let first = declare(&["news"]).build().unwrap();
    first.converge().await.unwrap();
    let cloud = first.simulated().unwrap().clone();
    let placed = |topics: &[&str]| {
        let mut platform = declare(topics);
        platform.simulate(&cloud);
        platform.build().unwrap()
    };
    let topics = || cloud.objects().iter().filter(|object| object.type_name == "AWS::SNS::Topic").count();

    let without = placed(&[]);
    let plan = consented(without.plan().await.unwrap());
    without.apply(plan).await.unwrap();
    assert_eq!(topics(), 0);
    let plan = without.plan_to(converged(&without).await[0]).await.unwrap();
    without.apply(plan).await.unwrap();
    assert_eq!(topics(), 1);
    assert!(placed(&["news"]).plan().await.unwrap().is_empty());
}
