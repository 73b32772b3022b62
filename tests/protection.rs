//! Data is protected by default: no delete and no replace without consent that names address, id and plan.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{World, codes, inferloop};
use landfall::Code;
use landfall::apply::{Engine, Options, Setup};
use landfall::graph::Graph;
use landfall::plan::{Mode, Plan};
use landfall::prelude::*;
use landfall::resource::Value;

/// The engine of a platform, wanting another graph.
fn wanting(
    platform: &Platform,
    change: impl FnOnce(&mut std::collections::BTreeMap<landfall::resource::Address, landfall::resource::Resource>),
) -> Engine {
    let setup = platform.engine().setup();
    let mut resources =
        setup.expanded.graph.iter().map(|resource| (resource.address.clone(), resource.clone())).collect();
    change(&mut resources);
    let mut expanded = setup.expanded.clone();
    expanded.graph = Graph::new(resources).unwrap();
    Engine::new(Setup {
        stack: setup.stack.clone(),
        expanded,
        specs: setup.specs.clone(),
        ledger: setup.ledger.clone(),
        drivers: setup.drivers.clone(),
        target: setup.target.clone(),
        limits: setup.limits.clone(),
        events: setup.events.clone(),
        clock: setup.clock.clone(),
        catalog: setup.catalog.clone(),
        secrets: Vec::new(),
        options: Options::new("changed"),
    })
}

#[tokio::test]
async fn no_replace_forcing_property_of_the_database_gets_by() {
    let world = World::new(1);
    let platform = world.inferloop("first");
    platform.converge().await.unwrap();
    let mutations = world.cloud.mutations();
    let of = platform.catalog().get("AWS::RDS::DBInstance").unwrap().clone();
    assert!(of.holds_data && of.replaces.len() > 5);
    for path in of.replaces {
        let engine = wanting(&platform, |resources| {
            let database = resources.values_mut().find(|resource| resource.type_name == of.name).unwrap();
            let name = path.split('.').next().unwrap();
            database.properties.insert(name.to_owned(), Value::from("changed"));
        });
        let error = engine.converge().await.unwrap_err();
        assert!(codes(&error).iter().all(|code| *code == Code::Protected), "{path}: {error}");
    }
    assert_eq!(world.cloud.mutations(), mutations);
}

#[tokio::test]
async fn removing_the_block_and_its_protection_together_is_refused() {
    let world = World::new(2);
    let mut builder = inferloop();
    let network = Ref::named("core");
    builder.database("archive", DatabaseSpec::postgres(&network, "17"));
    world.place(builder, "first").converge().await.unwrap();
    let mutations = world.cloud.mutations();

    let without = world.inferloop("second");
    let error = without.converge().await.unwrap_err();
    assert!(codes(&error).iter().all(|code| *code == Code::Protected), "{error}");
    let plan = without.plan().await.unwrap();
    let error = without.apply(plan.clone()).await.unwrap_err();
    assert!(codes(&error).iter().all(|code| *code == Code::Protected), "{error}");
    assert_eq!(world.cloud.mutations(), mutations, "not even what is not protected was touched");

    // Consent for another plan is no consent.
    let mut needed = plan.consents_needed();
    assert!(!needed.is_empty());
    needed[0].plan = "0".repeat(64);
    assert_eq!(plan.clone().consent(needed[0].clone()).unwrap_err().code(), Code::StalePlan);

    without.apply(common::consented(plan)).await.unwrap();
    assert!(world.content().keys().all(|address| !address.contains("archive")));
}

#[tokio::test]
async fn protection_of_what_holds_no_data_is_dropped_in_a_step_of_its_own() {
    let world = World::new(3);
    let declare = |protected: bool, present: bool| {
        let mut builder = common::small();
        if present {
            builder.native("alerts", "AWS::SNS::Topic", landfall::properties! { "TopicName" => "alerts" });
        }
        if protected {
            builder.protect("network/core");
        }
        builder
    };
    world.place(declare(true, false), "first").converge().await.unwrap();
    let destroy = |platform: Platform| async move { platform.engine().plan(Mode::Destroy).await.unwrap() };
    let blocked =
        |plan: &Plan| plan.consents_needed().iter().filter(|consent| consent.address.kind() == "network").count();
    assert!(blocked(&destroy(world.place(declare(true, false), "second")).await) > 0);
    assert!(blocked(&destroy(world.place(declare(false, false), "third")).await) > 0, "protection lives in the ledger");
    world.place(declare(false, false), "fourth").converge().await.unwrap();
    let after = destroy(world.place(declare(false, false), "fifth")).await;
    let kept: Vec<_> =
        after.consents_needed().into_iter().filter(|consent| consent.address.kind() == "network").collect();
    assert!(
        kept.iter().all(|consent| after
            .steps
            .iter()
            .any(|step| step.address == consent.address && step.risk == landfall::plan::Risk::DataLoss)),
        "{kept:?}"
    );
}

#[tokio::test]
async fn what_the_process_itself_runs_on_is_not_taken_away_without_consent() {
    let world = World::new(1);
    let mut builder = inferloop();
    builder.runs_on("service/syndoc");
    let platform = world.place(builder, "first");
    let guarded = |declaration: &str, type_name: &str| {
        let of = |one: &&landfall::resource::Resource| one.address.declaration() == declaration;
        platform.graph().iter().filter(of).any(|one| one.type_name == type_name && one.protected)
    };
    assert!(guarded("service/syndoc", "apps/v1/Deployment"), "the service");
    assert!(guarded("cluster/main", "AWS::EKS::Cluster"), "the cluster beneath it");
    assert!(guarded("network/core", "AWS::EC2::VPC"), "the network beneath the cluster");
    assert!(!guarded("service/tabular", "apps/v1/Deployment"), "what it does not stand on is as before");
    platform.converge().await.unwrap();

    // A plan of a configuration that forgets to say so: protection is in the ledger.
    let mut without = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    without.bucket("other", BucketSpec::new());
    let plan = world.place(without, "second").plan().await.unwrap();
    let needed: Vec<_> = plan.consents_needed().into_iter().map(|consent| consent.address.to_string()).collect();
    assert!(needed.iter().any(|address| address.starts_with("aws/service/syndoc/")), "{needed:?}");
    assert!(needed.contains(&"aws/network/core/vpc".to_owned()), "{needed:?}");
}
