//! Problems of declarations that only Kubernetes knows of, one test each.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, unreachable_pub, reason = "helpers of tests")]

mod sample;

use landfall_core::Code;
use landfall_core::cloud::Workloads;
use landfall_core::kind::{Metrics, Mtls, ServiceSpec, ServiceType};
use landfall_core::stack::Stack;
use landfall_k8s::Kubernetes;
use sample::{Around, inferloop};

fn codes(stack: &Stack) -> Vec<Code> {
    let problems = Kubernetes::new().check(stack);
    assert!(problems.iter().all(|problem| problem.next_step().is_some()), "{problems:?}");
    problems.iter().map(landfall_core::Error::code).collect()
}

fn spoil(mesh: Around, change: impl FnOnce(&mut ServiceSpec)) -> Vec<Code> {
    let mut stack = inferloop(mesh);
    change(&mut stack.services.get_mut("textnlp").unwrap().spec);
    codes(&stack)
}

const ISTIO: Around = Around::Istio(Mtls::Strict);
const LINKERD: Around = Around::Linkerd(Mtls::Strict);

#[test]
fn samples_have_no_problem() {
    for (name, stack) in sample::all() {
        assert_eq!(codes(&stack), [], "{name}");
    }
}

#[test]
fn names_are_dns_labels() {
    let mut stack = inferloop(ISTIO);
    let service = stack.services.remove("syndoc").unwrap();
    stack.services.insert("2nd".into(), service.clone());
    stack.services.insert("n".repeat(64), service);
    assert_eq!(codes(&stack), [Code::InvalidName, Code::NameTooLong]);
}

#[test]
fn namespaces_are_dns_labels_of_our_own() {
    assert_eq!(spoil(ISTIO, |spec| spec.namespace = Some("In_ferloop".into())), [Code::InvalidName]);
    for taken in ["default", "kube-system", "istio-system", "linkerd", "gateway", "monitoring"] {
        assert_eq!(spoil(ISTIO, |spec| spec.namespace = Some(taken.into())), [Code::NameTaken], "{taken}");
    }
}

#[test]
fn project_and_environment_fit_a_label() {
    let mut stack = inferloop(ISTIO);
    stack.id.project = "p".repeat(62);
    assert_eq!(codes(&stack), [Code::NameTooLong]);
}

#[test]
fn files_and_variables_have_names() {
    assert_eq!(spoil(ISTIO, |spec| *spec = spec.clone().secret("../token", "hub")), [Code::InvalidName]);
    assert_eq!(spoil(ISTIO, |spec| *spec = spec.clone().environment("1-X", "y")), [Code::InvalidName]);
}

#[test]
fn labels_of_ownership_are_reserved() {
    let found = spoil(ISTIO, |spec| {
        spec.labels.insert("landfall.dev/stack".into(), "other".into());
    });
    assert_eq!(found, [Code::ReservedTag]);
}

#[test]
fn paths_start_with_a_slash() {
    assert_eq!(spoil(ISTIO, |spec| spec.probe.ready = "ready".into()), [Code::InvalidValue]);
    assert_eq!(spoil(ISTIO, |spec| spec.metrics.as_mut().unwrap().path = "metrics".into()), [Code::InvalidValue]);
}

#[test]
fn metrics_need_a_port() {
    let found = spoil(Around::Nothing, |spec| {
        (spec.service_type, spec.port, spec.ingress) = (ServiceType::Worker, None, None);
        spec.metrics = Some(Metrics { path: "/metrics".into(), port: None });
    });
    assert_eq!(found, [Code::Contradiction]);
}

#[test]
fn hosts_are_host_names() {
    let found = spoil(ISTIO, |spec| spec.ingress.as_mut().unwrap().host = Some("https://api".into()));
    assert_eq!(found, [Code::InvalidName]);
}

#[test]
fn old_clusters_lack_fields() {
    let mut stack = inferloop(ISTIO);
    stack.clusters.get_mut("prod").unwrap().spec.version = "1.28".into();
    assert_eq!(codes(&stack), [Code::UnsupportedVersion; 3]);
}

#[test]
fn proxies_have_ports_of_their_own() {
    assert_eq!(spoil(ISTIO, |spec| spec.port = Some(15001)), [Code::InvalidValue]);
    assert_eq!(spoil(LINKERD, |spec| spec.port = Some(4143)), [Code::InvalidValue]);
    assert_eq!(spoil(Around::Nothing, |spec| spec.port = Some(15001)), []);
}

#[test]
fn a_rate_limit_needs_somebody_to_keep_it() {
    let limit = |spec: &mut ServiceSpec, rate: &str| {
        spec.ingress.as_mut().unwrap().rate_limit = Some(rate.parse().unwrap());
    };
    assert_eq!(spoil(Around::Nothing, |spec| limit(spec, "1000/min")), [Code::Contradiction]);
    assert_eq!(spoil(ISTIO, |spec| limit(spec, "10/h")), []);
    assert_eq!(spoil(LINKERD, |spec| limit(spec, "10/h")), [Code::InvalidValue]);
}
