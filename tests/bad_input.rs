//! Bad input: each a typed error with its code, its place and what to do, before anything runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::inferloop;
use landfall::Code;
use landfall::kind::{Disruption, Ingress, Resources, ServiceSpec};
use landfall::prelude::*;
use landfall::units::Date;

/// The codes that a platform is refused with; every problem says what to do and where it comes from.
#[track_caller]
fn refused(builder: PlatformBuilder) -> Vec<Code> {
    let error = builder.build().expect_err("it is refused");
    for problem in error.problems() {
        assert!(problem.next_step().is_some(), "no next step: {problem}");
        assert!(problem.origin().is_some() || problem.address().is_some(), "no place: {problem}");
    }
    common::codes(&error)
}

fn empty() -> PlatformBuilder {
    let mut builder = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    builder.today(Date::new(2026, 11, 23));
    builder
}

fn cidr(text: &str) -> NetworkSpec {
    NetworkSpec::new(text.parse().unwrap())
}

#[test]
fn overlapping_networks() {
    let mut builder = inferloop();
    builder.network("other", cidr("10.20.128.0/17"));
    assert_eq!(refused(builder), [Code::CidrOverlap]);
}

#[test]
fn a_network_too_small_for_its_subnets() {
    let mut builder = empty();
    builder.network("core", cidr("10.0.0.0/27"));
    assert_eq!(refused(builder), [Code::CidrTooSmall]);
}

#[test]
fn an_unknown_region() {
    let mut builder = Platform::builder("inferloop", "dev", Aws::new("eu-wset-1"));
    builder.network("core", cidr("10.0.0.0/16"));
    let error = builder.build().unwrap_err();
    assert_eq!(error.problems()[0].code(), Code::UnknownRegion);
    assert!(error.problems()[0].next_step().unwrap().contains("eu-west-1"), "{error}");
}

#[test]
fn an_unknown_zone() {
    let mut builder = empty();
    builder.network("core", cidr("10.0.0.0/16").zone_names(["eu-west-1a", "eu-west-1x"]));
    assert_eq!(refused(builder), [Code::UnknownZone]);
}

#[test]
fn a_retired_machine_type() {
    let mut builder = inferloop();
    builder.node_pool("old", NodePoolSpec::new(&Ref::named("main")).machine("p2.xlarge"));
    assert_eq!(refused(builder), [Code::RetiredMachine]);
}

#[test]
fn an_unknown_machine_type() {
    let mut builder = inferloop();
    builder.node_pool("odd", NodePoolSpec::new(&Ref::named("main")).machine("m5.xlrage"));
    assert_eq!(refused(builder), [Code::UnknownMachine]);
}

#[test]
fn the_plans_own_kubernetes_version() {
    let mut builder = empty();
    let network = builder.network("core", cidr("10.0.0.0/16"));
    builder.cluster("main", ClusterSpec::new(&network, "1.28"));
    assert_eq!(refused(builder), [Code::UnsupportedVersion]);
}

#[test]
fn a_name_too_long() {
    let mut builder = empty();
    builder.network(&"n".repeat(80), cidr("10.0.0.0/16"));
    let codes = refused(builder);
    assert!(codes.iter().all(|code| [Code::NameTooLong, Code::InvalidName].contains(code)), "{codes:?}");
}

#[test]
fn a_name_taken() {
    let mut builder = inferloop();
    builder.bucket("model-storage", BucketSpec::new());
    assert_eq!(refused(builder), [Code::NameTaken]);
}

#[test]
fn services_that_depend_on_each_other() {
    let mut builder = inferloop();
    let service = || ServiceSpec::new(&Ref::named("main"), "registry.inferloop.io/loop:1");
    builder.service("chicken", service().depends_on(DependencyKind::Service, "egg"));
    builder.service("egg", service().depends_on(DependencyKind::Service, "chicken"));
    assert_eq!(refused(builder), [Code::Cycle]);
}

#[test]
fn a_reference_to_another_platforms_network() {
    let mut other = Platform::builder("inferloop", "prod", Aws::new("eu-west-1"));
    let foreign = other.network("core", cidr("10.0.0.0/16"));
    let mut builder = inferloop();
    builder.database("reporting", DatabaseSpec::postgres(&foreign, "17"));
    assert_eq!(refused(builder), [Code::ForeignReference]);
}

#[test]
fn a_reference_to_nothing() {
    let mut builder = inferloop();
    builder.database("reporting", DatabaseSpec::postgres(&Ref::named("croe"), "17"));
    assert_eq!(refused(builder), [Code::UnknownReference]);
}

#[test]
fn a_secret_in_a_plain_field() {
    let mut builder = inferloop();
    let service = ServiceSpec::new(&Ref::named("main"), "registry.inferloop.io/leaky:1");
    builder.service("leaky", service.environment("STRIPE_API_KEY", "sk_live_4242424242424242"));
    assert_eq!(refused(builder), [Code::PlainSecret]);
}

#[test]
fn a_gpu_service_without_a_gpu_pool() {
    let mut builder = empty();
    let network = builder.network("core", cidr("10.0.0.0/16"));
    let cluster = ClusterSpec::new(&network, "1.35").administrators(["arn:aws:iam::123456789012:role/platform"]);
    let cluster = builder.cluster("main", cluster);
    builder.node_pool("general", NodePoolSpec::new(&cluster));
    let mut service = ServiceSpec::new(&cluster, "registry.inferloop.io/textnlp:1");
    service = service.resources(Resources { cpu: "1".parse().unwrap(), memory: "2Gi".parse().unwrap(), gpu: 1 });
    builder.service("textnlp", service);
    assert_eq!(refused(builder), [Code::NoGpuPool]);
}

#[test]
fn a_disruption_budget_that_can_never_be_met() {
    let mut builder = inferloop();
    let mut service = ServiceSpec::new(&Ref::named("main"), "registry.inferloop.io/stiff:1").replicas(2);
    service.disruption = Some(Disruption::MinAvailable(2));
    builder.service("stiff", service);
    assert_eq!(refused(builder), [Code::DisruptionBudget]);
}

#[test]
fn a_glob_in_an_ingress_path() {
    let mut builder = inferloop();
    let mut service = ServiceSpec::new(&Ref::named("main"), "registry.inferloop.io/globbed:1");
    service.ingress = Some(Ingress { path: "/api/globbed/*".into(), host: None, rate_limit: None });
    builder.service("globbed", service);
    assert_eq!(refused(builder), [Code::InvalidValue]);
}

#[test]
fn a_tag_with_our_prefix() {
    let mut builder = inferloop();
    builder.tag("landfall:stack", "mine");
    let error = builder.build().unwrap_err();
    assert_eq!(common::codes(&error), [Code::ReservedTag]);
}

#[test]
fn everything_at_once() {
    let mut builder = empty();
    let network = builder.network("core", cidr("10.0.0.0/16"));
    builder.network("other", cidr("10.0.0.0/20"));
    let cluster = builder.cluster("main", ClusterSpec::new(&network, "1.28"));
    builder.node_pool("old", NodePoolSpec::new(&cluster).machine("p2.xlarge"));
    builder.database("main", DatabaseSpec::postgres(&Ref::named("nowhere"), "17"));
    let codes = refused(builder);
    for code in [Code::CidrOverlap, Code::UnsupportedVersion, Code::RetiredMachine, Code::UnknownReference] {
        assert!(codes.contains(&code), "{code} is missing: {codes:?}");
    }
}
