//! A declaration that is renamed keeps its objects: they go by another address, and nothing is deleted or made anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;

use common::{MOMENTS, World, codes};
use landfall::Code;
use landfall::plan::{Change, Reason, Style};
use landfall::prelude::*;
use landfall::units::Date;

/// The names of one release.
#[derive(Clone, Copy)]
struct Names {
    network: &'static str,
    cluster: &'static str,
    pool: &'static str,
    database: &'static str,
    cache: &'static str,
    bucket: &'static str,
    mesh: &'static str,
    service: &'static str,
    log: &'static str,
}

const OLD: Names = Names {
    network: "core",
    cluster: "main",
    pool: "general",
    database: "postgres",
    cache: "redis",
    bucket: "files",
    mesh: "istio",
    service: "chat",
    log: "news",
};

const NEW: Names = Names {
    network: "backbone",
    cluster: "prime",
    pool: "workers",
    database: "ledgers",
    cache: "sessions",
    bucket: "models",
    mesh: "weave",
    service: "talk",
    log: "bulletins",
};

const KINDS: [&str; 9] =
    ["network", "cluster", "node-pool", "database", "cache", "bucket", "mesh", "service", "native"];

impl Names {
    fn all(self) -> [&'static str; 9] {
        let Self { network, cluster, pool, database, cache, bucket, mesh, service, log } = self;
        [network, cluster, pool, database, cache, bucket, mesh, service, log]
    }
}

fn platform(names: Names) -> PlatformBuilder {
    let mut platform = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    platform.today(Date::new(2026, 11, 23)).tag("CostCenter", "engineering");
    let network = platform.network(names.network, NetworkSpec::new("10.20.0.0/16".parse().unwrap()));
    let cluster = platform.cluster(
        names.cluster,
        ClusterSpec::new(&network, "1.35").administrators(["arn:aws:iam::123456789012:role/platform"]),
    );
    platform.node_pool(names.pool, NodePoolSpec::new(&cluster).at_least(4, GiB(16)).nodes(Range::new(3, 10).unwrap()));
    platform.database(names.database, DatabaseSpec::postgres(&network, "17"));
    platform.cache(names.cache, CacheSpec::valkey(&network));
    platform.bucket(names.bucket, BucketSpec::new());
    platform.mesh(names.mesh, MeshSpec::istio(&cluster));
    platform.service(
        names.service,
        ServiceSpec::new(&cluster, "registry.inferloop.io/chat:1.4.0")
            .depends_on(DependencyKind::Database, names.database)
            .depends_on(DependencyKind::Cache, names.cache)
            .depends_on(DependencyKind::Storage, names.bucket),
    );
    platform.native(names.log, "AWS::Logs::LogGroup", landfall::properties! { "LogGroupName" => "/inferloop/news" });
    platform
}

fn moved(mut platform: PlatformBuilder, from: Names, to: Names) -> PlatformBuilder {
    for ((kind, from), to) in KINDS.iter().zip(from.all()).zip(to.all()) {
        platform.moved(&format!("{kind}/{from}"), &format!("{kind}/{to}"));
    }
    platform
}

/// Ids of all objects and, without the address, their properties.
fn objects(world: &World) -> BTreeMap<String, String> {
    let text = |object: landfall::sim::SimObject| {
        let json = serde_json::to_value(&object.properties).unwrap();
        (object.id, without_address(json).to_string())
    };
    world.cloud.objects().into_iter().map(text).collect()
}

/// Says what differs, and only that.
fn same(one: &BTreeMap<String, String>, two: &BTreeMap<String, String>) {
    let differing: Vec<_> = one
        .iter()
        .filter(|(id, text)| two.get(*id) != Some(text))
        .map(|(id, text)| format!("{id}: {text}, was {:?}", two.get(id)))
        .chain(two.keys().filter(|id| !one.contains_key(*id)).map(|id| format!("{id} is gone")))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn without_address(mut json: serde_json::Value) -> serde_json::Value {
    match &mut json {
        serde_json::Value::Array(list) => {
            list.retain(|tag| tag.get("Key").is_none_or(|key| key != "landfall:address"));
            list.iter_mut().for_each(|value| *value = without_address(value.take()));
        }
        serde_json::Value::Object(map) => {
            map.remove("landfall.dev/address");
            map.remove("landfall:address");
            map.values_mut().for_each(|value| *value = without_address(value.take()));
        }
        _ => {}
    }
    json
}

#[tokio::test]
async fn a_whole_platform_is_renamed_and_every_object_stays() {
    let world = World::new(1);
    let new = NEW;
    let before = world.place(platform(OLD), "before").converge().await.unwrap();
    let (objects_before, calls) = (objects(&world), world.cloud.log().len());

    let after = world.place(moved(platform(new), OLD, new), "after");
    let plan = after.plan().await.unwrap();
    let other: Vec<_> = plan.steps.iter().filter(|step| step.change != Change::Move).collect();
    assert!(other.is_empty() && plan.blocked().is_empty(), "{}", plan.details(Style::Plain));
    assert!(plan.steps.iter().all(|step| matches!(step.reasons[..], [Reason::Moved(_)])), "{:?}", plan.steps);
    let outputs = after.converge().await.unwrap();

    let mutating = |name: &str| ["create", "delete"].contains(&name);
    let log = world.cloud.log();
    assert!(log[calls..].iter().all(|call| !mutating(&call.name)), "only tags are changed");
    same(&objects(&world), &objects_before);
    assert_eq!(
        outputs.all().clusters["prime"].endpoint,
        before.all().clusters["main"].endpoint,
        "what is handed out goes by the new names"
    );
    assert_eq!(outputs.all().clusters["prime"].network.name(), "backbone");
    let marks = |name: &str| {
        let marked = |object: &&landfall::sim::SimObject| {
            serde_json::to_string(&object.properties).unwrap().contains(&format!("aws/cluster/{name}/"))
        };
        world.cloud.objects().iter().filter(marked).count()
    };
    assert!(marks("prime") > 5, "marks follow");

    // A replica of the release before, which knows nothing of the move, changes nothing and finds what it declares.
    let mutations = world.cloud.mutations();
    let straggler = world.place(platform(OLD), "straggler");
    assert!(straggler.plan().await.unwrap().is_empty(), "{}", straggler.plan().await.unwrap().details(Style::Plain));
    let old = straggler.converge().await.unwrap();
    assert_eq!(old.all().clusters["main"].endpoint, before.all().clusters["main"].endpoint);
    assert_eq!(world.cloud.mutations(), mutations);

    // Nothing is left to do, also without the call, and everything can move back.
    let mutations = world.cloud.mutations();
    world.place(platform(new), "later").converge().await.unwrap();
    assert!(world.place(platform(new), "later").plan().await.unwrap().is_empty());
    assert_eq!(world.cloud.mutations(), mutations);
    let back = world.place(moved(platform(OLD), new, OLD), "back");
    back.converge().await.unwrap();
    same(&objects(&world), &objects_before);
    assert!(world.place(platform(OLD), "end").plan().await.unwrap().is_empty());
    assert!(back.residue().await.unwrap().orphans().next().is_none());
}

#[tokio::test]
async fn data_moves_without_consent_and_deleting_it_still_needs_some() {
    let world = World::new(2);
    world.place(platform(OLD), "before").converge().await.unwrap();
    let names = Names { database: "ledgers", ..OLD };
    let mut renamed = platform(names);
    renamed.moved("database/postgres", "database/ledgers");
    let plan = world.place(renamed, "after").plan().await.unwrap();
    assert!(plan.blocked().is_empty(), "{}", plan.details(Style::Plain));
    assert!(!plan.steps.iter().any(|step| step.change == Change::Delete || step.change == Change::Create));

    // Without the move it is a deletion of data.
    let error = world.place(platform(names), "careless").converge().await.unwrap_err();
    assert!(codes(&error).contains(&Code::Protected), "{error}");
}

#[tokio::test]
async fn a_plan_tells_moves_in_words() {
    let world = World::new(9);
    world.place(small("core", "files"), "before").converge().await.unwrap();
    let mut builder = small("core", "models");
    builder.moved("bucket/files", "bucket/models");
    let platform = world.place(builder, "after");
    let plan = platform.plan().await.unwrap();
    insta::assert_snapshot!("move", format!("{}\n{}", plan.headline(Style::Plain), plan.details(Style::Plain)));
    insta::assert_snapshot!("move_back", platform.plan_back(&plan).unwrap().table(Style::Plain));
    platform.apply(plan).await.unwrap();
    let history = platform.history(None, 20).await.unwrap();
    let words: Vec<_> =
        history.iter().map(|past| format!("{} {}: {}", past.number, past.holder, past.words.join("; "))).collect();
    assert!(words.iter().any(|line| line.contains("moved bucket/files to bucket/models")), "{words:?}");
}

fn small(network: &str, bucket: &str) -> PlatformBuilder {
    let mut platform = Platform::builder("small", "dev", Aws::new("eu-west-1"));
    platform.network(network, NetworkSpec::new("10.30.0.0/16".parse().unwrap()).zones(2).nat(Nat::One));
    platform.bucket(bucket, BucketSpec::new());
    platform
}

fn renamed() -> PlatformBuilder {
    let mut platform = small("backbone", "models");
    platform.moved("network/core", "network/backbone").moved("bucket/files", "bucket/models");
    platform
}

#[tokio::test]
async fn a_move_that_is_killed_at_any_call_is_finished_by_the_next_run() {
    let clean = World::new(3);
    clean.place(small("core", "files"), "before").converge().await.unwrap();
    let first = clean.cloud.calls();
    clean.place(renamed(), "after").converge().await.unwrap();
    let (objects_clean, last) = (objects(&clean), clean.cloud.calls());
    assert!(last > first + 20, "{first} to {last}");

    for moment in MOMENTS {
        for call in (first + 1..=last).step_by(3) {
            let world = World::new(3);
            world.place(small("core", "files"), "before").converge().await.unwrap();
            world.cloud.crash_at(call, moment);
            assert!(world.converge_or_die(world.place(renamed(), "doomed")).await, "call {call} is made");
            world.cloud.restart();
            let heir = world.place(renamed(), "heir");
            heir.converge().await.unwrap_or_else(|error| panic!("killed at {call}, {moment:?}: {error:?}"));
            assert_eq!(objects(&world), objects_clean, "killed at {call}, {moment:?}");
            let mutations = world.cloud.mutations();
            heir.converge().await.unwrap();
            assert!(heir.plan().await.unwrap().is_empty());
            assert_eq!(world.cloud.mutations(), mutations, "killed at {call}, {moment:?}");
        }
    }
}

#[tokio::test]
async fn what_was_half_made_under_the_old_name_is_not_doubled() {
    let clean = World::new(4);
    clean.place(small("core", "files"), "clean").converge().await.unwrap();
    let (count, calls) = (clean.cloud.objects().len(), clean.cloud.calls());
    for call in (2..calls).step_by(7) {
        let world = World::new(4);
        world.cloud.crash_at(call, landfall::sim::Moment::Acted);
        world.converge_or_die(world.place(small("core", "files"), "doomed")).await;
        world.cloud.restart();
        let heir = world.place(renamed(), "heir");
        match heir.converge().await {
            Ok(_) => {}
            // What may hold data and was begun under the old address alone asks before it goes.
            Err(error) => {
                assert!(codes(&error).iter().all(|code| *code == Code::Protected), "killed at {call}: {error:?}");
                let plan = common::consented(heir.plan().await.unwrap());
                heir.apply(plan).await.unwrap();
            }
        }
        assert!(heir.plan().await.unwrap().is_empty(), "killed at {call}");
        assert_eq!(world.cloud.objects().len(), count, "killed at {call}");
        assert_eq!(heir.residue().await.unwrap().orphans().count(), 0, "killed at {call}");
    }
}

#[tokio::test]
async fn moves_follow_on_each_other_and_on_a_new_stack_do_nothing() {
    let chain = |last: &str| {
        let mut platform = small("core", last);
        platform.moved("bucket/files", "bucket/models");
        if last == "weights" {
            platform.moved("bucket/models", "bucket/weights");
        }
        platform
    };
    let id = |world: &World| {
        let objects = world.cloud.objects();
        objects.into_iter().find(|object| object.type_name == "AWS::S3::Bucket").unwrap().id
    };
    // From any release to the newest.
    for releases in [vec!["files", "models", "weights"], vec!["files", "weights"], vec!["models", "weights"]] {
        let world = World::new(5);
        let mut ids = Vec::new();
        for name in releases {
            let builder = if name == "files" { small("core", name) } else { chain(name) };
            world.place(builder, name).converge().await.unwrap();
            ids.push(id(&world));
        }
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    }
    let fresh = World::new(6);
    fresh.place(chain("weights"), "fresh").converge().await.unwrap();
    assert!(id(&fresh).contains("weights"), "a new stack has new names: {}", id(&fresh));
}

#[tokio::test]
async fn a_move_that_makes_no_sense_is_refused_with_a_way_out() {
    let refused = |moves: &[(&str, &str)], expected: Code| {
        let mut platform = small("core", "files");
        for (from, to) in moves {
            platform.moved(from, to);
        }
        let error = platform.build().unwrap_err();
        let problem = error.problems().into_iter().find(|problem| problem.code() == expected);
        let problem = problem.unwrap_or_else(|| panic!("{moves:?}: {error}"));
        assert!(problem.to_string().contains("; next: "), "{problem}");
    };
    refused(&[("bucket", "bucket/files")], Code::InvalidName);
    refused(&[("bucket/Old", "bucket/files")], Code::InvalidName);
    refused(&[("database/old", "bucket/files")], Code::InvalidValue);
    refused(&[("bucket/files", "bucket/models")], Code::NameTaken);
    refused(&[("bucket/old", "bucket/models")], Code::UnknownReference);
    refused(&[("bucket/old", "bucket/files"), ("bucket/older", "bucket/files")], Code::NameTaken);
    refused(&[("bucket/a", "bucket/b"), ("bucket/b", "bucket/a")], Code::Cycle);

    // Both are there.
    let world = World::new(7);
    let mut both = small("core", "files");
    both.bucket("models", BucketSpec::new());
    world.place(both, "both").converge().await.unwrap();
    let mutations = world.cloud.mutations();
    let mut one = small("core", "models");
    one.moved("bucket/files", "bucket/models");
    let error = world.place(one, "one").converge().await.unwrap_err();
    assert_eq!(codes(&error), [Code::NameTaken], "{error}");
    assert_eq!(world.cloud.mutations(), mutations);

    // A name that objects still have is declared again.
    let world = World::new(8);
    world.place(small("core", "files"), "before").converge().await.unwrap();
    world.place(renamed(), "after").converge().await.unwrap();
    let mut again = small("backbone", "models");
    again.bucket("files", BucketSpec::new());
    let error = world.place(again, "again").converge().await.unwrap_err();
    assert_eq!(codes(&error), [Code::NameTaken], "{error}");
}
