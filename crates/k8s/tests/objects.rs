//! What services and meshes become: whole objects, and what holds for all of them.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, unreachable_pub, reason = "helpers of tests")]

mod sample;

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::graph::Expanded;
use landfall_core::kind::{Isolation, Mtls, ServiceSpec};
use landfall_core::resource::{Resource, Value};
use landfall_core::secret::Secret;
use landfall_core::stack::Stack;
use sample::{Around, all, expanded, inferloop, objects};

/// Objects of one kind, with their addresses.
fn of_kind<'e>(expanded: &'e Expanded, kind: &str) -> Vec<&'e Resource> {
    expanded.graph.iter().filter(|resource| resource.type_name.ends_with(&format!("/{kind}"))).collect()
}

fn at<'r>(resource: &'r Resource, path: &str) -> Option<&'r Value> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    resource.properties.get(first)?.at(rest)
}

fn text<'r>(resource: &'r Resource, path: &str) -> &'r str {
    at(resource, path).and_then(Value::as_str).unwrap_or_default()
}

fn printed(stack: &Stack, declaration: &str) -> String {
    let chosen = objects(stack).into_iter().filter(|(address, _)| address.contains(declaration));
    chosen.map(|(address, object)| format!("# {address}\n{:#}\n", object.to_json())).collect()
}

fn one_service(mesh: Around, change: impl FnOnce(&mut ServiceSpec)) -> Expanded {
    let mut stack = inferloop(mesh);
    change(&mut stack.services.get_mut("textnlp").unwrap().spec);
    expanded(&stack)
}

fn deployment(expanded: &Expanded) -> &Resource {
    of_kind(expanded, "Deployment").into_iter().find(|found| found.address.name() == "textnlp").unwrap()
}

#[test]
fn the_example_of_the_plan_with_istio() {
    insta::assert_snapshot!(printed(&inferloop(Around::Istio(Mtls::Strict)), "/textnlp/"));
}

#[test]
fn what_linkerd_has_otherwise() {
    let linkerd = objects(&inferloop(Around::Linkerd(Mtls::Strict)));
    let istio: BTreeMap<_, _> = objects(&inferloop(Around::Istio(Mtls::Strict))).into_iter().collect();
    let other = linkerd.into_iter().filter(|(address, object)| istio.get(address) != Some(object));
    let other = other.filter(|(address, _)| !address.contains("deployment"));
    insta::assert_snapshot!(
        other.map(|(address, object)| format!("# {address}\n{:#}\n", object.to_json())).collect::<String>()
    );
}

#[test]
fn what_services_of_a_namespace_share() {
    let stack = inferloop(Around::Istio(Mtls::Strict));
    insta::assert_snapshot!(printed(&stack, "/prod/inferloop") + &printed(&stack, "/mesh/"));
}

#[test]
fn a_worker_and_a_scaled_service() {
    let stack = inferloop(Around::Nothing);
    insta::assert_snapshot!(printed(&stack, "/syndoc/") + &printed(&stack, "tabular/autoscaler"));
}

#[test]
fn everything_stands_on_its_cluster_and_after_its_namespace() {
    for (name, stack) in all() {
        let expanded = expanded(&stack);
        let cluster = &expanded.outputs.clusters["prod"].native;
        for resource in expanded.graph.iter().filter(|resource| resource.type_name.contains("/v")) {
            assert_eq!(resource.cluster.as_ref(), Some(cluster), "{name} {}", resource.address);
            let namespace = at(resource, "metadata.namespace").and_then(Value::as_str);
            // Each cluster is born with that one.
            if let Some(namespace) = namespace.filter(|namespace| *namespace != "kube-system") {
                let homes = of_kind(&expanded, "Namespace");
                let home = homes.iter().find(|home| text(home, "metadata.name") == namespace).unwrap();
                assert!(resource.dependencies().contains(&home.address), "{name} {}", resource.address);
            }
        }
    }
}

#[test]
fn objects_have_names_of_their_own() {
    for (name, stack) in all() {
        let mut seen = BTreeSet::new();
        for (address, object) in objects(&stack) {
            let key = ["kind", "apiVersion", "metadata.namespace", "metadata.name"]
                .map(|path| object.at(path).and_then(Value::as_str).unwrap_or_default().to_owned());
            assert!(seen.insert(key), "{name} {address}");
        }
    }
}

#[test]
fn an_expansion_is_the_same_each_time() {
    for (_, stack) in all() {
        assert_eq!(expanded(&stack).graph.hash(), expanded(&stack).graph.hash());
    }
}

#[test]
fn pods_pass_the_restricted_standard_and_reach_nothing_undeclared() {
    for (name, stack) in all() {
        let expanded = expanded(&stack);
        let policies: BTreeSet<&str> =
            of_kind(&expanded, "NetworkPolicy").iter().map(|policy| text(policy, "metadata.name")).collect();
        assert!(policies.contains("default-deny"), "{name}");
        for deployment in of_kind(&expanded, "Deployment") {
            let whose = format!("{name} {}", deployment.address);
            let pod = "spec.template.spec";
            let container = format!("{pod}.containers.0");
            let is = |path: &str, wanted: Value| assert_eq!(at(deployment, path), Some(&wanted), "{whose} {path}");
            is(&format!("{pod}.automountServiceAccountToken"), false.into());
            is(&format!("{pod}.securityContext.runAsNonRoot"), true.into());
            is(&format!("{pod}.securityContext.runAsUser"), 10001.into());
            is(&format!("{pod}.securityContext.seccompProfile.type"), "RuntimeDefault".into());
            is(&format!("{container}.securityContext.allowPrivilegeEscalation"), false.into());
            is(&format!("{container}.securityContext.readOnlyRootFilesystem"), true.into());
            is(&format!("{container}.securityContext.capabilities.drop.0"), "ALL".into());
            is(&format!("{container}.imagePullPolicy"), "Always".into());
            assert!(policies.contains(text(deployment, "metadata.name")), "{whose}");
            for amount in ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"] {
                assert!(at(deployment, &format!("{container}.resources.{amount}")).is_some(), "{whose} {amount}");
            }
            let labels = at(deployment, "spec.template.metadata.labels").unwrap().as_map().unwrap();
            let selector = at(deployment, "spec.selector.matchLabels").unwrap().as_map().unwrap();
            assert!(selector.iter().all(|pair| labels.get_key_value(pair.0) == Some(pair)), "{whose}");
        }
    }
}

#[test]
fn the_number_of_replicas_has_one_owner() {
    for (name, stack) in all() {
        let expanded = expanded(&stack);
        let scaled: BTreeSet<&str> = of_kind(&expanded, "HorizontalPodAutoscaler")
            .iter()
            .map(|autoscaler| text(autoscaler, "spec.scaleTargetRef.name"))
            .collect();
        for deployment in of_kind(&expanded, "Deployment") {
            let ours = at(deployment, "spec.replicas").is_some();
            assert_ne!(ours, scaled.contains(text(deployment, "metadata.name")), "{name} {}", deployment.address);
        }
    }
}

#[test]
fn a_namespace_stays_when_one_of_its_services_goes() {
    let mut stack = inferloop(Around::Istio(Mtls::Strict));
    let namespaces = |stack: &Stack| -> BTreeMap<String, String> {
        let expanded = expanded(stack);
        let found = of_kind(&expanded, "Namespace");
        found.iter().map(|found| (text(found, "metadata.name").to_owned(), found.address.to_string())).collect()
    };
    let before = namespaces(&stack);
    assert_eq!(before.len(), 3, "istio-system, inferloop and syndoc: {before:?}");
    stack.services.remove("tabular");
    assert_eq!(namespaces(&stack), before);
}

#[test]
fn the_mesh_comes_before_what_is_in_it() {
    for mesh in [Around::Istio(Mtls::Strict), Around::Linkerd(Mtls::Strict)] {
        let expanded = expanded(&inferloop(mesh));
        let place = |address: &str| {
            expanded.graph.order().position(|(resource, _)| resource.address.as_str() == address).unwrap()
        };
        let policy = match mesh {
            Around::Istio(_) => "aws/mesh/mesh/mutual-tls",
            _ => "aws/mesh/mesh/namespace",
        };
        assert!(place(policy) < place("aws/namespace/prod/inferloop"));
        assert!(place("aws/namespace/prod/inferloop") < place("aws/service/textnlp/deployment"));
    }
}

#[test]
fn a_workload_waits_for_its_identity_and_its_nodes() {
    let expanded = expanded(&inferloop(Around::Nothing));
    let waits: BTreeSet<String> = deployment(&expanded).depends_on.iter().map(ToString::to_string).collect();
    for address in [
        "aws/access/textnlp/role",
        "aws/node-pool/gpu/pool",
        "aws/service/textnlp/network-policy",
        "aws/service/textnlp/secret-provider",
        "aws/isolation/prod/inferloop",
    ] {
        assert!(waits.contains(address), "{address} in {waits:?}");
    }
    assert!(!waits.contains("aws/node-pool/general/pool"), "no replica of it runs there");
}

#[test]
fn accelerators_bring_toleration_and_selector() {
    let with = one_service(Around::Nothing, |_| {});
    let pod = at(deployment(&with), "spec.template.spec").unwrap();
    assert_eq!(pod.at("tolerations.0.key"), Some(&"nvidia.com/gpu".into()));
    assert_eq!(pod.at("nodeSelector").unwrap().as_map().unwrap()["inferloop.io/pool"], "gpu".into());
    let without = one_service(Around::Nothing, |spec| spec.resources.gpu = 0);
    let pod = at(deployment(&without), "spec.template.spec").unwrap();
    assert_eq!((pod.at("tolerations"), pod.at("nodeSelector")), (None, None));
}

#[test]
fn spot_accelerators_are_for_the_interruptible() {
    let mut stack = inferloop(Around::Nothing);
    let spot = stack.node_pools["gpu"].spec.clone().spot(true);
    stack.node_pools.insert("gpu-spot".into(), sample::declared(spot));
    let rule = "spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution";
    let steady = expanded(&stack);
    let values = at(deployment(&steady), &format!("{rule}.nodeSelectorTerms.0.matchExpressions.0.values"));
    assert_eq!(values, Some(&["gpu-spot"].into()), "it has the taint of all accelerators, which is tolerated");
    stack.services.get_mut("textnlp").unwrap().spec.interruptible = true;
    let loose = expanded(&stack);
    assert_eq!(at(deployment(&loose), rule), None);
    let selector = at(deployment(&loose), "spec.template.spec.nodeSelector").unwrap().as_map().unwrap();
    assert_eq!(selector.keys().collect::<Vec<_>>(), [landfall_core::kind::ACCELERATED.0], "all that both pools have");
}

#[test]
fn only_the_interruptible_run_on_spot_nodes() {
    let steady = one_service(Around::Nothing, |spec| spec.resources.gpu = 0);
    let affinity = at(deployment(&steady), "spec.template.spec.affinity.nodeAffinity").unwrap();
    let rule = affinity.at("requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.0.matchExpressions.0");
    assert_eq!(rule.unwrap().at("operator"), Some(&"NotIn".into()));
    assert_eq!(rule.unwrap().at("values"), Some(&["spot"].into()), "taints keep it off the others");
    let loose = one_service(Around::Nothing, |spec| {
        spec.resources.gpu = 0;
        spec.interruptible = true;
    });
    let pod = at(deployment(&loose), "spec.template.spec").unwrap();
    assert_eq!(pod.at("affinity.nodeAffinity"), None);
    assert_eq!(pod.at("tolerations.0.key"), Some(&"inferloop.io/batch".into()));
}

#[test]
fn open_services_let_the_whole_cluster_in() {
    let open = one_service(Around::Istio(Mtls::Strict), |spec| spec.isolation = Isolation::Open);
    assert!(of_kind(&open, "AuthorizationPolicy").iter().all(|policy| policy.address.name() != "textnlp"));
    let policy = of_kind(&open, "NetworkPolicy").into_iter().find(|policy| policy.address.name() == "textnlp").unwrap();
    assert_eq!(at(policy, "spec.ingress.0.from.0.namespaceSelector"), Some(&landfall_core::map! {}));
}

#[test]
fn plain_callers_are_known_to_nobody() {
    let permissive = expanded(&inferloop(Around::Istio(Mtls::Permissive)));
    assert!(of_kind(&permissive, "AuthorizationPolicy").is_empty());
    assert_eq!(text(of_kind(&permissive, "PeerAuthentication")[0], "spec.mtls.mode"), "PERMISSIVE");
}

#[test]
fn metrics_have_their_own_path_and_port() {
    let expanded = one_service(Around::Nothing, |spec| {
        let metrics = spec.metrics.as_mut().unwrap();
        (metrics.path, metrics.port) = ("/internal/metrics".into(), Some(9100));
    });
    let monitor = of_kind(&expanded, "PodMonitor").into_iter().find(|found| found.address.name() == "textnlp").unwrap();
    assert_eq!(text(monitor, "spec.podMetricsEndpoints.0.path"), "/internal/metrics");
    assert_eq!(text(monitor, "spec.podMetricsEndpoints.0.port"), "metrics");
    let annotations = at(deployment(&expanded), "spec.template.metadata.annotations").unwrap().as_map().unwrap();
    assert_eq!(annotations["prometheus.io/path"], "/internal/metrics".into());
    assert_eq!(annotations["prometheus.io/port"], "9100".into());
}

#[test]
fn variables_of_the_user_win() {
    let expanded = one_service(Around::Nothing, |spec| {
        *spec = spec.clone().environment("OTEL_TRACES_SAMPLER_ARG", "1").environment("LOG_LEVEL", "debug");
    });
    let variables = at(deployment(&expanded), "spec.template.spec.containers.0.env").unwrap().as_list().unwrap();
    let value = |name: &str| {
        let found = variables.iter().find(|variable| variable.at("name") == Some(&name.into())).unwrap();
        found.at("value").unwrap().clone()
    };
    assert_eq!(value("OTEL_TRACES_SAMPLER_ARG"), "1".into());
    assert_eq!(value("OTEL_TRACES_SAMPLER"), "parentbased_traceidratio".into());
    assert_eq!(value("LOG_LEVEL"), "debug".into());
    assert!(matches!(value("POSTGRES_PORT"), Value::Join(_)), "text, whatever the port turns out to be");
}

#[test]
fn no_secret_is_in_an_object() {
    let mut stack = inferloop(Around::Istio(Mtls::Strict));
    stack.secrets.insert("hub".into(), Secret::new("hub", "canary-value".into(), &"key".into()));
    let spec = &mut stack.services.get_mut("textnlp").unwrap().spec;
    *spec = spec.clone().secret("hub-token", "hub");
    for (address, object) in objects(&stack) {
        assert!(!object.to_json().to_string().contains("canary"), "{address}");
    }
}

/// The plug-ins of a platform whose pool of accelerators is changed, and its deployments that wait for one.
fn device_plugins(change: impl FnOnce(&mut Stack)) -> (Vec<Resource>, Vec<String>) {
    let mut stack = inferloop(Around::Nothing);
    change(&mut stack);
    let expanded = expanded(&stack);
    let plugins: Vec<Resource> = of_kind(&expanded, "DaemonSet").into_iter().cloned().collect();
    let waits = |of: &Resource| plugins.iter().any(|plugin| of.dependencies().contains(&plugin.address));
    let waiting = expanded.graph.iter().filter(|of| waits(of)).map(|of| of.address.to_string()).collect();
    (plugins, waiting)
}

#[test]
fn a_cluster_with_accelerators_gets_their_device_plug_in_once() {
    let (plugins, waiting) = device_plugins(|stack| {
        let more = stack.node_pools["gpu"].clone();
        stack.node_pools.insert("more".into(), more);
    });
    let [plugin] = &plugins[..] else { panic!("{plugins:?}") };
    insta::assert_snapshot!(format!("# {}\n{:#}\n", plugin.address, Value::Map(plugin.properties.clone()).to_json()));
    // Those that ask for none run without it.
    assert_eq!(waiting, ["aws/service/textnlp/deployment"]);
}

#[test]
fn a_device_plug_in_needs_no_service_and_goes_with_the_pool() {
    assert_eq!(device_plugins(|stack| stack.services.clear()).0.len(), 1);
    let (plugins, _) = device_plugins(|stack| {
        stack.services.clear();
        stack.node_pools.remove("gpu");
    });
    assert!(plugins.is_empty());
}

#[test]
fn nodes_that_bring_their_device_plug_in_get_no_second_one() {
    let (plugins, waiting) = device_plugins(|stack| {
        let gpu = &mut stack.node_pools.get_mut("gpu").unwrap().spec;
        gpu.labels.insert(sample::BRINGS_PLUGIN.into(), "true".into());
    });
    assert!(plugins.is_empty() && waiting.is_empty());
}
