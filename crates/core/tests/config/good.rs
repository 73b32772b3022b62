//! Files that load: the plan's as it was written, and the examples.

use landfall_core::config::{self, Loaded, Origin, Source};
use landfall_core::kind::{Dependency, DependencyKind, Disruption, Isolation, ServiceType};
use landfall_core::units::{Cpu, Memory, Per, Rate, Span};
use landfall_core::{Code, Error};

use crate::{defaults, load, repository};

const PLAN: &str = include_str!("plan-textnlp.yaml");

fn codes(warnings: &[Error]) -> Vec<Code> {
    warnings.iter().map(Error::code).collect()
}

fn example(name: &str, environment: Option<&str>) -> Loaded {
    let path = repository(&format!("examples/config/{name}/deployment-config.yaml"));
    config::load(&[Source::read(path, environment).unwrap()], &defaults()).unwrap()
}

#[test]
fn the_plans_example_loads_as_written_with_its_warnings() {
    let loaded = load(PLAN).unwrap();
    assert_eq!(codes(&loaded.warnings), [Code::LegacyApiVersion, Code::Contradiction, Code::RateWithoutUnit]);
    assert_eq!(loaded.warnings[2].next_step(), Some("write rateLimit: 1000/min"));

    let (name, textnlp) = &loaded.services[0];
    let spec = &textnlp.spec;
    assert_eq!(name, "textnlp");
    assert_eq!(spec.cluster.name(), "main");
    assert_eq!(spec.service_type, ServiceType::Api);
    assert_eq!(spec.namespace.as_deref(), Some("inferloop"));
    assert_eq!((spec.replicas, spec.port), (3, Some(8000)));
    assert_eq!(
        (spec.resources.cpu, spec.resources.memory, spec.resources.gpu),
        (Cpu::millis(2000), Memory::gibibytes(4), 1)
    );
    assert_eq!(spec.image, "registry.example.com/textnlp:1.0.0");
    let dependency = |name: &str, kind, path: Option<&str>| Dependency {
        name: name.into(),
        kind,
        target: None,
        shared: true,
        path: path.map(Into::into),
    };
    assert_eq!(
        spec.dependencies,
        [
            dependency("postgres", DependencyKind::Database, None),
            dependency("redis", DependencyKind::Cache, None),
            dependency("model-storage", DependencyKind::Storage, Some("/models/textnlp")),
        ]
    );
    let ingress = spec.ingress.as_ref().unwrap();
    assert_eq!(ingress.path, "/api/textnlp");
    assert_eq!(ingress.rate_limit, Some(Rate { count: 1000, per: Per::Minute }));
    let mesh = spec.mesh.unwrap();
    assert_eq!((mesh.retries, mesh.timeout), (3, Some(Span::seconds(30))));
    assert_eq!(spec.metrics.as_ref().unwrap().path, "/metrics");
    assert!((spec.tracing.unwrap().sampling_rate - 0.1).abs() < f64::EPSILON);

    assert_eq!(textnlp.origin.as_ref().unwrap().to_string(), "deployment-config.yaml:2:1");
    let at = |field: &str| textnlp.position(field).unwrap().to_string();
    assert_eq!(at("resources.cpu"), "deployment-config.yaml:12:12");
    assert_eq!(at("ingress.rate_limit"), "deployment-config.yaml:31:18");
    assert_eq!(at("dependencies.2.path"), "deployment-config.yaml:25:13");
    assert_eq!(at("mesh.timeout"), "deployment-config.yaml:35:16");
}

#[test]
fn the_examples_load_without_a_warning() {
    for (name, services) in
        [("tabular", vec!["tabular"]), ("textnlp", vec!["textnlp"]), ("syndoc", vec!["syndoc", "syndoc-worker"])]
    {
        for environment in [None, Some("dev"), Some("prod")] {
            let loaded = example(name, environment);
            assert_eq!(codes(&loaded.warnings), [], "{name}");
            assert_eq!(loaded.services.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), services);
        }
    }
}

#[test]
fn the_upgraded_example_means_what_the_plans_means() {
    let (plan, upgraded) = (load(PLAN).unwrap(), example("textnlp", None));
    let (mut plan, upgraded) = (plan.services[0].1.spec.clone(), &upgraded.services[0].1.spec);
    // What the upgrade adds or leaves out on purpose.
    plan.namespace = None;
    plan.image.clone_from(&upgraded.image);
    plan.labels.clone_from(&upgraded.labels);
    plan.environment.clone_from(&upgraded.environment);
    plan.disruption = Some(Disruption::MaxUnavailable(1));
    assert_eq!(&plan, upgraded);
}

#[test]
fn an_overlay_changes_what_it_names_and_every_value_knows_its_layer() {
    let loaded = example("textnlp", Some("prod"));
    let spec = &loaded.services[0].1.spec;
    let autoscaling = spec.autoscaling.unwrap();
    assert_eq!((spec.replicas, autoscaling.max_replicas, autoscaling.cpu_percent), (3, 12, 60));
    assert_eq!(spec.dependencies.len(), 3);
    assert!(spec.dependencies[0].shared && !spec.dependencies[1].shared);
    assert_eq!(spec.ingress.as_ref().unwrap().path, "/api/textnlp");

    let effective = loaded.effective();
    let layer = |field: &str| match &effective.get("textnlp", field).unwrap().origin {
        Origin::File(position) => position.file.rsplit('/').next().unwrap().to_owned(),
        other => other.to_string(),
    };
    assert_eq!(layer("replicas"), "deployment-config.prod.yaml");
    assert_eq!(layer("dependencies.1.shared"), "deployment-config.prod.yaml");
    assert_eq!(layer("dependencies.1.kind"), "deployment-config.yaml");
    assert_eq!(layer("ingress.path"), "deployment-config.yaml");
    assert_eq!(layer("disruption.max_unavailable"), "deployment-config.yaml");
    assert_eq!(layer("cluster"), "builder");
    assert_eq!(layer("isolation"), "default");
}

#[test]
fn the_effective_configuration_is_a_table_and_json() {
    let base = Source::new("deployment-config.yaml", PLAN);
    let overlay =
        Source::new("deployment-config.prod.yaml", "spec:\n  service:\n    environment: { API_TOKEN: canary }\n");
    let loaded = config::load(&[base.overlay(overlay)], &defaults().port(9000)).unwrap();
    let effective = loaded.effective();
    assert!(!effective.to_string().contains("canary"));
    insta::assert_snapshot!(effective.to_string());
    let json = serde_json::to_value(&effective).unwrap();
    let port = json.as_array().unwrap().iter().find(|setting| setting["field"] == "port").unwrap();
    assert_eq!(port, &serde_json::json!({ "service": "textnlp", "field": "port", "value": 9000, "origin": "builder" }));
}

#[test]
fn sections_can_be_switched_off_by_an_overlay() {
    let off = "spec: { networking: { ingress: { enabled: false }, serviceMesh: null }, monitoring: { tracing: { enabled: false } } }";
    let base = Source::new("base.yaml", PLAN).overlay(Source::new("off.yaml", off));
    let loaded = config::load(&[base], &defaults()).unwrap();
    let service = &loaded.services[0].1;
    assert_eq!((service.spec.ingress.as_ref(), service.spec.mesh, service.spec.tracing), (None, None, None));
    assert!(service.spec.metrics.is_some());
    assert_eq!(service.position("ingress").unwrap().to_string(), "off.yaml:1:43");
}

#[test]
fn overlays_find_their_service_by_name_in_a_file_of_several() {
    let loaded = example("syndoc", None);
    assert_eq!(loaded.services[1].1.spec.service_type, ServiceType::Worker);
    assert_eq!(loaded.services[1].1.spec.port, None);
    let base = Source::read(repository("examples/config/syndoc/deployment-config.yaml"), None).unwrap();
    let overlay =
        Source::new("o.yaml", "metadata: { name: syndoc-worker }\nspec: { service: { interruptible: false } }");
    let loaded = config::load(&[base.overlay(overlay)], &defaults()).unwrap();
    assert!(!loaded.services[1].1.spec.interruptible);
}

#[test]
fn every_field_of_the_format_reaches_the_spec() {
    let text = r#"
apiVersion: landfall.dev/v1
kind: ServiceConfig
metadata: { name: full, namespace: teams, labels: { team: "nlp", cost/center: "42" } }
spec:
  service:
    type: worker
    image: ghcr.io/a/full@sha256:0000000000000000000000000000000000000000000000000000000000000000
    port: 7000
    resources: { cpu: "0.25", memory: 1.5Gi, gpu: "2" }
    autoscaling: { minReplicas: 2, maxReplicas: 5, cpuPercent: 55 }
    disruption: { minAvailable: 1 }
    interruptible: true
    environment: { A: 4, B: true, C: "no", D: 0.50, E: "1e3" }
    secrets: { api-key: full-api-key }
    probes: { ready: /r, live: /l }
  dependencies: [{ name: jobs, type: queue, target: main-queue, shared: false }]
  networking:
    ingress: { path: /full, host: full.example.com, rateLimit: 5/s }
    serviceMesh: { timeout: 250ms }
    isolation: open
  monitoring: { metrics: { path: /m, port: 9100 }, tracing: { samplingRate: 1 } }
"#;
    let loaded = load(text).unwrap();
    assert_eq!(codes(&loaded.warnings), []);
    let spec = serde_json::to_value(&loaded.services[0].1.spec).unwrap();
    assert_eq!(
        spec,
        serde_json::json!({
            "cluster": "main",
            "service_type": "worker",
            "image": "ghcr.io/a/full@sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "port": 7000,
            "namespace": "teams",
            "replicas": 2,
            "autoscaling": { "max_replicas": 5, "cpu_percent": 55 },
            "resources": { "cpu": "250m", "memory": "1536Mi", "gpu": 2 },
            "disruption": { "min_available": 1 },
            "interruptible": true,
            "dependencies": [
                { "name": "jobs", "kind": "queue", "target": "main-queue", "shared": false, "path": null },
            ],
            "environment": { "A": "4", "B": "true", "C": "no", "D": "0.50", "E": "1e3" },
            "secrets": { "api-key": "full-api-key" },
            "ingress": { "path": "/full", "host": "full.example.com", "rate_limit": "5/s" },
            "mesh": { "retries": 2, "timeout": "250ms" },
            "probe": { "ready": "/r", "live": "/l" },
            "metrics": { "path": "/m", "port": 9100 },
            "tracing": { "sampling_rate": 1.0 },
            "isolation": "open",
            "labels": { "cost/center": "42", "team": "nlp" },
        })
    );
    // A file gave every value but the cluster and the number of retries.
    let rest: Vec<_> = loaded
        .effective()
        .settings()
        .iter()
        .filter(|setting| !matches!(setting.origin, Origin::File(_)))
        .map(|s| s.field.clone())
        .collect();
    assert_eq!(rest, ["cluster", "dependencies.0.path", "mesh.retries"]);
    assert_eq!(loaded.services[0].1.spec.isolation, Isolation::Open);
}

/// What the examples of a schema's fields make together.
fn example_of(schema: &serde_json::Value) -> serde_json::Value {
    if let Some(properties) = schema["properties"].as_object() {
        return properties.iter().map(|(name, schema)| (name.clone(), example_of(schema))).collect();
    }
    if schema["items"].is_object() {
        return serde_json::json!([example_of(&schema["items"])]);
    }
    if schema["additionalProperties"].is_object() {
        return serde_json::json!({});
    }
    schema["examples"][0].clone()
}

#[test]
fn the_examples_of_the_schema_are_a_file_that_loads() {
    let mut document = example_of(&config::schema());
    // These stand in one file only by mistake.
    let service = document["spec"]["service"].as_object_mut().unwrap();
    service.remove("replicas");
    service["disruption"].as_object_mut().unwrap().remove("minAvailable");
    document["spec"]["dependencies"][0]["type"] = "storage".into();
    let loaded = load(&document.to_string()).unwrap();
    assert_eq!(codes(&loaded.warnings), []);
}

#[test]
fn a_least_file_is_a_service_with_defaults() {
    let loaded = load("apiVersion: landfall.dev/v1\nkind: ServiceConfig\nmetadata: { name: least }\n").unwrap();
    let expected = landfall_core::kind::ServiceSpec::new(&defaults().cluster, "registry.example.com/least:1.0.0");
    assert_eq!(loaded.services[0].1.spec, expected);
}

#[test]
fn aliases_and_windows_line_ends_and_a_byte_order_mark_are_read() {
    let text = "\u{FEFF}apiVersion: landfall.dev/v1\nkind: ServiceConfig\nmetadata: { name: web }\nspec:\n  service:\n    probes: { ready: &health /health, live: *health }\n";
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let loaded = load(&text).unwrap();
        let (_, web) = &loaded.services[0];
        assert_eq!((web.spec.probe.ready.as_str(), web.spec.probe.live.as_str()), ("/health", "/health"));
        assert_eq!(web.position("namespace").unwrap().to_string(), "deployment-config.yaml:1:1");
        assert_eq!(web.position("probe.live").unwrap().line, 6);
    }
}

#[test]
fn all_errors_of_all_files_come_at_once() {
    let file = |name: &str, text: &str| Source::new(name, text);
    let error = config::load(
        &[
            file("a.yaml", "apiVersion: landfall.dev/v1\nkind: ServiceConfig\nmetadata: { name: a }\nspec: { service: { replica: 3, port: no } }"),
            file("b.yaml", "a: [1"),
            file("c.yaml", PLAN).overlay(file("c.prod.yaml", "spec: { servce: null }")),
        ],
        &defaults(),
    )
    .unwrap_err();
    let found: Vec<_> = error.problems().iter().map(|p| (p.origin().unwrap().file.clone(), p.code())).collect();
    assert_eq!(
        found,
        [
            ("a.yaml".to_owned(), Code::UnknownField),
            ("a.yaml".to_owned(), Code::WrongType),
            ("b.yaml".to_owned(), Code::Syntax),
            ("c.prod.yaml".to_owned(), Code::UnknownField),
        ]
    );
}
