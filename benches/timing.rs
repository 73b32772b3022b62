//! How long an apply takes beside what the cloud itself takes: virtual time, so the same on every machine.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall::apply::{Cancel, Limit, LimitKey, Limits};
use landfall::clock::drive;
use landfall::graph::Graph;
use landfall::ledger::Ledger;
use landfall::resource::{Address, Api, Resource, Usual, Verb};

use crate::cloud::{Bucket, Cloud, Habits, stack, thing};
use crate::measure::{block, float, milliseconds, say};
use crate::shapes;

/// What a put to an object store takes.
pub(crate) const PUT: Duration = Duration::from_millis(50);

/// Many short calls side by side.
pub(crate) fn wide(size: usize) {
    measured(&format!("wide.{size}"), 200, &shapes::graph("flat", size), 1);
}

/// Short calls one after the other.
pub(crate) fn levels(size: usize) {
    measured(&format!("levels.{size}"), 200, &shapes::graph("chain", size), size);
}

/// Ten layers of short calls.
pub(crate) fn layers(size: usize) {
    measured(&format!("layers.{size}"), 200, &shapes::graph("layered", size), 10);
}

fn measured(name: &str, call: u64, graph: &Graph, levels: usize) {
    let cloud = Cloud::new(Habits { round_trip: milliseconds(call), ..Habits::default() });
    let ledger = cloud.ledger(PUT);
    let took = converge(&cloud, &ledger, graph.clone(), &Limits::new());
    let path = cloud.critical_path(graph).as_secs_f64();
    say(&format!("{name}.makespan"), took, "virtual-s");
    say(&format!("{name}.ratio"), took / path, "x");
    say(&format!("{name}.puts"), ledger.writes() as f64, "puts");
    say(&format!("{name}.puts-a-level"), ledger.writes() as f64 / float(levels), "puts");
    say(&format!("{name}.added"), (took - path) / float(levels) / PUT.as_secs_f64(), "puts-a-level");
}

fn converge(cloud: &Cloud, ledger: &Ledger, graph: Graph, limits: &Limits) -> f64 {
    let engine = cloud.engine_with(ledger, graph, limits, &Cancel::new());
    let began = cloud.clock().now();
    block(engine.converge()).unwrap();
    (cloud.clock().now() - began).as_secs_f64()
}

/// A platform of network, cluster, nodes, database and cache with so many tenants on it, with durations as they were
/// seen on AWS.
pub(crate) fn tenants(count: usize) {
    let usual = Usual::seconds;
    // One in each row: type, usual durations, what it stands on.
    let platform: [(&'static str, Usual, &[&str]); 13] = [
        ("vpc", usual(1, 6, 17), &[]),
        ("gateway", usual(1, 5, 10), &["vpc"]),
        ("subnet", usual(1, 5, 12), &["vpc"]),
        ("route", usual(1, 2, 5), &["gateway", "subnet"]),
        ("address", usual(1, 2, 5), &[]),
        ("nat", usual(85, 115, 125), &["subnet", "address", "route"]),
        ("role", usual(1, 5, 10), &[]),
        ("cluster", usual(492, 532, 738), &["subnet", "role"]),
        ("nodes", usual(58, 123, 333), &["cluster", "role"]),
        ("group", usual(2, 5, 10), &["subnet"]),
        ("database", usual(180, 244, 296), &["group"]),
        ("cache", usual(358, 483, 555), &["group"]),
        ("addon", usual(10, 40, 90), &["nodes"]),
    ];
    let tenant: [(&'static str, Usual, &[&str]); 5] = [
        ("bucket", usual(1, 3, 10), &[]),
        ("tenant-role", usual(1, 5, 10), &["bucket"]),
        ("schema", usual(1, 2, 5), &["database"]),
        ("namespace", usual(1, 2, 3), &["cluster"]),
        ("deployment", usual(5, 40, 60), &["namespace", "nodes", "schema", "cache", "tenant-role"]),
    ];
    let mut types = Vec::new();
    for (name, create, _) in platform.iter().chain(&tenant) {
        let api = match *name {
            "schema" => Api::Postgres,
            "namespace" | "deployment" => Api::Kubernetes,
            _ => Api::Aws,
        };
        types.push(thing(name, api, *create));
    }
    let mut all = BTreeMap::new();
    let mut put = |rows: &[(&'static str, Usual, &[&str])], owner: &str| {
        for (name, _, on) in rows {
            let mut resource = Resource::new(at(owner, name), *name, landfall::properties! {});
            resource.properties.insert("Name".into(), format!("{owner}-{name}").into());
            for on in *on {
                let shared = platform.iter().any(|(name, ..)| name == on);
                let target = at(if shared { "platform" } else { owner }, on);
                resource.properties.insert((*on).to_owned(), shapes::refer(&target));
            }
            all.insert(resource.address.clone(), resource);
        }
    };
    put(&platform, "platform");
    (0..count).for_each(|number| put(&tenant, &format!("tenant-{number:03}")));
    let graph = Graph::new(all).unwrap();

    let cloud = Cloud::new(Habits { round_trip: milliseconds(100), types, ..Habits::default() });
    let ledger = cloud.ledger(PUT);
    let took = converge(&cloud, &ledger, graph.clone(), &Limits::new());
    say(&format!("tenants.{count}.makespan"), took, "virtual-s");
    say(&format!("tenants.{count}.ratio"), took / cloud.critical_path(&graph).as_secs_f64(), "x");
    say(&format!("tenants.{count}.polls"), float(cloud.polls()), "calls");
    say(&format!("tenants.{count}.puts"), ledger.writes() as f64, "puts");
}

fn at(owner: &str, name: &str) -> Address {
    Address::new("aws", "native", owner, name).unwrap()
}

/// More creates than the cloud's limit lets through at once.
pub(crate) fn limited(cloud: &'static str, calls: usize) {
    let (api, burst, rate, window) = match cloud {
        "aws" => (Api::Aws, 50.0, 5.0, false),
        "azure" => (Api::Azure, 200.0, 10.0, false),
        _ => (Api::Gcp, 1_500.0, 25.0, true),
    };
    // Alone, with others taking three of ten, and without knowing the limit.
    for (case, share, known) in [("alone", 1.0, true), ("shared", 0.7, true), ("unknown", 1.0, false)] {
        let bucket = Bucket::new(burst * share, rate * share, window);
        let types = vec![thing("limited", api, Usual::seconds(0, 0, 0))];
        let world = Cloud::new(Habits { round_trip: milliseconds(100), types, bucket: Some(bucket) });
        let limits = Limits::new();
        if !known {
            let key = LimitKey::of(api, "123456789012/eu-west-1", "limited", Verb::Create);
            limits.set(key, Limit::Unknown);
        }
        let all = (0..calls).map(|index| shapes::resource(index, "limited", "before"));
        let graph = Graph::new(all.map(|resource| (resource.address.clone(), resource)).collect()).unwrap();
        let took = converge(&world, &world.ledger(PUT), graph, &limits);
        let bound = bucket.bound(calls).as_secs_f64();
        let name = format!("bucket.{cloud}.{calls}.{case}");
        if bound > 0.0 {
            say(&format!("{name}.ratio"), took / bound, "x");
        }
        let sent = float(world.refused() + calls);
        say(&format!("{name}.refused"), float(world.refused()) / sent * 100.0, "%");
    }
}

/// Asked to stop while many calls are under way.
pub(crate) fn cancel(size: usize) {
    let cloud = Cloud::new(Habits { round_trip: Duration::from_secs(60), ..Habits::default() });
    let ledger = cloud.ledger(PUT);
    let cancel = Cancel::new();
    let engine = cloud.engine_with(&ledger, shapes::graph("flat", size), &Limits::new(), &cancel);
    let clock = cloud.clock();
    let asker = drive(clock.clone(), {
        let (clock, cloud) = (clock.clone(), cloud.clone());
        async move {
            // Shorter than the engine lets a call take.
            clock.sleep(Duration::from_secs(5)).await;
            assert_eq!(cloud.in_flight(), size);
            cancel.ask();
            cancel.ask();
            clock.now()
        }
    });
    let (result, asked) = block(async {
        let work = async {
            let result = engine.converge().await;
            (result, clock.now())
        };
        futures_util::future::join(work, asker).await
    });
    let (result, returned) = result;
    assert_eq!(result.unwrap_err().code(), landfall::Code::Cancelled);
    say(&format!("cancel.{size}.took"), (returned - asked).as_secs_f64() * 1e3, "virtual-ms");
    let state = block(drive(cloud.clock(), ledger.load(&stack()))).unwrap().state;
    say(&format!("cancel.{size}.intents"), float(state.intents.len()), "intents");
}
