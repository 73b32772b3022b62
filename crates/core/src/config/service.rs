//! From the fields of a file to a [`ServiceSpec`]: defaults, and what the fields mean together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Defaults;
use super::decode::Located;
use super::model::{self, API_VERSION, ApiVersion, Config, KIND};
use super::node::Node;
use super::report::{Finding, Report, quote};
use super::source::Mark;
use crate::Code;
use crate::error::Position;
use crate::kind::{
    Autoscaling, Dependency, DependencyKind, Disruption, Ingress, Metrics, ServiceMesh, ServiceSpec, ServiceType,
    Tracing,
};
use crate::stack::Declared;

/// A service and what the load needs to compare it with others.
pub(super) struct Read {
    pub(super) name: String,
    pub(super) name_at: Mark,
    /// The namespace that the file names.
    pub(super) namespace: Option<(String, Mark)>,
    pub(super) declared: Declared<ServiceSpec>,
}

/// Whether a document is of another sort altogether; then that is its one error, and not each of its fields.
pub(super) fn is_foreign(document: &Node, report: &mut Report<'_>) -> bool {
    let text = |key: &str| document.get(key).and_then(|entry| Some((entry.value.text()?, entry.value.at)));
    let (Some((group, at)), Some((kind, _))) = (text("apiVersion"), text("kind")) else { return false };
    if kind == KIND || group.starts_with("landfall.dev/") {
        return false;
    }
    let message = format!("the document is no {KIND}: {} {}", quote(group), quote(kind));
    let hint = format!("write apiVersion: {API_VERSION} and kind: {KIND}, or move the document to another file");
    report.error(Finding::new(Code::UnknownApiVersion, at, message, hint));
    true
}

pub(super) fn shared_namespace(namespace: &str, service: &str, at: Mark) -> Finding {
    let message = format!("a namespace that several services share keeps them no longer apart: {}", quote(namespace));
    let hint = format!("remove the line: {service} then has a namespace of its own");
    Finding::new(Code::Contradiction, at, message, hint)
}

/// Reads one document; `None` when it has no name. What is wrong is in the report.
pub(super) fn read(config: &Config, start: Mark, defaults: &Defaults, report: &mut Report<'_>) -> Option<Read> {
    let legacy =
        config.api_version.as_ref().filter(|version| version.value == ApiVersion::Legacy && config.kind.is_some());
    if let Some(version) = legacy {
        let message = "apiVersion v1 is the core group of Kubernetes";
        let hint = format!("write apiVersion: {API_VERSION}");
        report.warn(Finding::new(Code::LegacyApiVersion, version.at, message, hint));
    }
    let metadata = &config.metadata.as_ref()?.value;
    let name = metadata.name.as_ref()?;
    let mut reading = Reading { fields: BTreeMap::new(), report };
    let spec = config.spec.as_ref().map(|spec| &spec.value);
    let service = spec.and_then(|spec| spec.service.as_ref());

    let mut built = ServiceSpec::new(&defaults.cluster, "");
    if let Some(namespace) = &metadata.namespace {
        reading.keep("namespace", namespace);
        built.namespace = Some(namespace.value.0.clone());
        if legacy.is_some() && namespace.value.0 != name.value.0 {
            reading.report.warn(shared_namespace(&namespace.value.0, &name.value.0, namespace.at));
        }
    }
    for (key, label) in metadata.labels.iter().flat_map(|labels| &labels.value.0) {
        reading.keep(&format!("labels.{key}"), label);
        built.labels.insert(key.clone(), label.value.0.clone());
    }
    if let Some(service) = service {
        reading.service(&service.value, &mut built);
    }
    if built.image.is_empty() {
        match &defaults.image {
            Some(template) => built.image = template.replace("{name}", &name.value.0),
            None => {
                let at = service.map_or(name.at, |service| service.at);
                let hint =
                    "add image: registry.example.com/textnlp:1.4.0, or give the builder an image for all services";
                let message = "a field is missing: spec.service.image";
                reading.report.error(Finding::new(Code::MissingField, at, message, hint));
            }
        }
    }
    if let (Some(port), ServiceType::Api) = (defaults.port, built.service_type)
        && !reading.fields.contains_key("port")
    {
        built.port = Some(port);
    }
    if let Some(spec) = spec {
        reading.dependencies(spec.dependencies.as_ref(), &mut built);
        if let Some(networking) = &spec.networking {
            reading.networking(&networking.value, &mut built);
        }
        if let Some(monitoring) = &spec.monitoring {
            reading.monitoring(&monitoring.value, &mut built);
        }
    }
    let fields = Arc::new(reading.fields);
    let declared = Declared { spec: built, origin: Some(report.position(start)), fields };
    let namespace = metadata.namespace.as_ref().map(|namespace| (namespace.value.0.clone(), namespace.at));
    Some(Read { name: name.value.0.clone(), name_at: name.at, namespace, declared })
}

/// Collects where each field of the spec comes from.
struct Reading<'r, 'p> {
    fields: BTreeMap<String, Position>,
    report: &'r mut Report<'p>,
}

impl Reading<'_, '_> {
    fn keep<T>(&mut self, path: &str, located: &Located<T>) {
        self.fields.insert(path.to_owned(), self.report.position(located.at));
    }

    /// Takes over a value that a file gives.
    fn set<T, S>(&mut self, path: &str, located: Option<&Located<T>>, to: &mut S, convert: impl FnOnce(&T) -> S) {
        if let Some(located) = located {
            self.keep(path, located);
            *to = convert(&located.value);
        }
    }

    /// Whether a section that may be switched off is on.
    fn is_on(&mut self, path: &str, section: Mark, enabled: Option<&Located<bool>>) -> bool {
        let at = enabled.map_or(section, |enabled| enabled.at);
        self.fields.insert(path.to_owned(), self.report.position(at));
        enabled.is_none_or(|enabled| enabled.value)
    }

    fn contradiction(&mut self, at: Mark, message: String, hint: &str, other: Mark) {
        self.report.error(Finding::new(Code::Contradiction, at, message, hint).also(other, "against this"));
    }

    fn service(&mut self, service: &model::Service, built: &mut ServiceSpec) {
        self.set("service_type", service.service_type.as_ref(), &mut built.service_type, |value| *value);
        if built.service_type == ServiceType::Worker {
            built.port = None;
        }
        self.set("image", service.image.as_ref(), &mut built.image, |image| image.0.clone());
        self.set("port", service.port.as_ref(), &mut built.port, |port| u16::try_from(port.0).ok());
        self.set("replicas", service.replicas.as_ref(), &mut built.replicas, |replicas| replicas.0);
        self.set("interruptible", service.interruptible.as_ref(), &mut built.interruptible, |value| *value);
        if let Some(resources) = &service.resources {
            let model::Resources { cpu, memory, gpu } = &resources.value;
            self.set("resources.cpu", cpu.as_ref(), &mut built.resources.cpu, |cpu| *cpu);
            self.set("resources.memory", memory.as_ref(), &mut built.resources.memory, |memory| *memory);
            self.set("resources.gpu", gpu.as_ref(), &mut built.resources.gpu, |gpu| gpu.0);
        }
        if let Some(autoscaling) = &service.autoscaling {
            self.autoscaling(autoscaling, service, built);
        }
        if let Some(disruption) = &service.disruption {
            self.disruption(disruption, built);
        }
        for (key, value) in service.environment.iter().flat_map(|environment| &environment.value.0) {
            self.keep(&format!("environment.{key}"), value);
            built.environment.insert(key.clone(), value.value.0.clone());
        }
        for (file, secret) in service.secrets.iter().flat_map(|secrets| &secrets.value.0) {
            self.keep(&format!("secrets.{file}"), secret);
            built.secrets.insert(file.clone(), secret.value.0.clone());
        }
        if let Some(probes) = &service.probes {
            let model::Probes { ready, live } = &probes.value;
            self.set("probe.ready", ready.as_ref(), &mut built.probe.ready, |path| path.0.clone());
            self.set("probe.live", live.as_ref(), &mut built.probe.live, |path| path.0.clone());
        }
    }

    fn autoscaling(
        &mut self,
        section: &Located<model::Autoscaling>,
        service: &model::Service,
        built: &mut ServiceSpec,
    ) {
        let model::Autoscaling { enabled, min_replicas, max_replicas, cpu_percent } = &section.value;
        if !self.is_on("autoscaling", section.at, enabled.as_ref()) {
            return;
        }
        let mut scaling = Autoscaling { max_replicas: built.replicas, cpu_percent: 70 };
        match (&service.replicas, min_replicas) {
            (Some(replicas), Some(min)) => self.contradiction(
                replicas.at,
                "replicas and autoscaling.minReplicas both say how many replicas there are at least".to_owned(),
                "remove replicas: an autoscaler owns the number",
                min.at,
            ),
            (Some(replicas), None) => {
                let message =
                    format!("replicas beside an autoscaler is read as the least number: {}", replicas.value.0);
                let hint = format!("write it as autoscaling.minReplicas: {}", replicas.value.0.max(1));
                let finding = Finding::new(Code::Contradiction, replicas.at, message, hint);
                self.report.warn(finding.also(section.at, "owns the number"));
            }
            (None, min) => self.set("replicas", min.as_ref(), &mut built.replicas, |min| min.0),
        }
        let least = min_replicas.as_ref().map(|min| (min.value.0, min.at));
        let least = least.or_else(|| service.replicas.as_ref().map(|replicas| (replicas.value.0, replicas.at)));
        if let (Some(max), Some((least, at))) = (max_replicas, least)
            && max.value.0 < least
        {
            let message = format!("maxReplicas is less than the least number of replicas: {} < {least}", max.value.0);
            self.contradiction(max.at, message, "raise maxReplicas, or lower the other", at);
        }
        self.set("autoscaling.max_replicas", max_replicas.as_ref(), &mut scaling.max_replicas, |max| max.0);
        self.set("autoscaling.cpu_percent", cpu_percent.as_ref(), &mut scaling.cpu_percent, |percent| {
            u8::try_from(percent.0).unwrap_or(100)
        });
        built.autoscaling = Some(scaling);
    }

    fn disruption(&mut self, section: &Located<model::Disruption>, built: &mut ServiceSpec) {
        let model::Disruption { min_available, max_unavailable } = &section.value;
        match (min_available, max_unavailable) {
            (Some(min), Some(max)) => self.contradiction(
                max.at,
                "minAvailable and maxUnavailable both say how many replicas may be away".to_owned(),
                "keep one of the two",
                min.at,
            ),
            (Some(min), None) => {
                self.keep("disruption", min);
                built.disruption = Some(Disruption::MinAvailable(min.value.0));
            }
            (None, Some(max)) => {
                self.keep("disruption", max);
                built.disruption = Some(Disruption::MaxUnavailable(max.value.0));
            }
            (None, None) => {
                let message = "a field is missing: spec.service.disruption takes minAvailable or maxUnavailable";
                self.report.error(Finding::new(Code::MissingField, section.at, message, "add maxUnavailable: 1"));
            }
        }
    }

    fn dependencies(&mut self, section: Option<&Located<Vec<Located<model::Dependency>>>>, built: &mut ServiceSpec) {
        let mut names = BTreeMap::new();
        for item in section.iter().flat_map(|section| &section.value) {
            let model::Dependency { name, kind, target, shared, path } = &item.value;
            let (Some(name), Some(kind)) = (name, kind) else { continue };
            if let Some(first) = names.insert(name.value.0.clone(), name.at) {
                let message = format!("two dependencies have the same name: {}", name.value.0);
                let finding = Finding::new(Code::NameTaken, name.at, message, "rename one of them, or remove it");
                self.report.error(finding.also(first, "first here"));
            }
            if let Some(path) = path.as_ref().filter(|_| kind.value != DependencyKind::Storage) {
                let message = "a path is part of a storage, and of nothing else".to_owned();
                self.contradiction(path.at, message, "remove the path, or write type: storage", kind.at);
            }
            let field = |field: &str| format!("dependencies.{}.{field}", built.dependencies.len());
            self.keep(&field("name"), name);
            self.keep(&field("kind"), kind);
            let mut dependency =
                Dependency { name: name.value.0.clone(), kind: kind.value, target: None, shared: true, path: None };
            self.set(&field("target"), target.as_ref(), &mut dependency.target, |target| Some(target.0.clone()));
            self.set(&field("shared"), shared.as_ref(), &mut dependency.shared, |shared| *shared);
            self.set(&field("path"), path.as_ref(), &mut dependency.path, |path| Some(path.0.clone()));
            built.dependencies.push(dependency);
        }
    }

    fn networking(&mut self, networking: &model::Networking, built: &mut ServiceSpec) {
        self.set("isolation", networking.isolation.as_ref(), &mut built.isolation, |isolation| *isolation);
        if let Some(section) = &networking.ingress {
            let model::Ingress { enabled, path, host, rate_limit } = &section.value;
            if self.is_on("ingress", section.at, enabled.as_ref()) {
                if built.port.is_none() {
                    let message = "ingress leads to a service without a port".to_owned();
                    let hint = "add spec.service.port, or write type: api";
                    self.report.error(Finding::new(Code::Contradiction, section.at, message, hint));
                }
                let mut ingress = Ingress { path: String::new(), host: None, rate_limit: None };
                self.set("ingress.path", path.as_ref(), &mut ingress.path, |path| path.0.clone());
                self.set("ingress.host", host.as_ref(), &mut ingress.host, |host| Some(host.0.clone()));
                self.set("ingress.rate_limit", rate_limit.as_ref(), &mut ingress.rate_limit, |rate| Some(*rate));
                built.ingress = Some(ingress);
            }
        }
        if let Some(section) = &networking.service_mesh {
            let model::ServiceMesh { enabled, retries, timeout } = &section.value;
            if self.is_on("mesh", section.at, enabled.as_ref()) {
                let mut mesh = ServiceMesh { retries: 2, timeout: None };
                self.set("mesh.retries", retries.as_ref(), &mut mesh.retries, |retries| retries.0);
                self.set("mesh.timeout", timeout.as_ref(), &mut mesh.timeout, |timeout| Some(*timeout));
                built.mesh = Some(mesh);
            }
        }
    }

    fn monitoring(&mut self, monitoring: &model::Monitoring, built: &mut ServiceSpec) {
        if let Some(section) = &monitoring.metrics {
            let model::Metrics { enabled, path, port } = &section.value;
            if self.is_on("metrics", section.at, enabled.as_ref()) {
                if built.port.is_none() && port.is_none() {
                    let message =
                        "a field is missing: a service without a port has its metrics on spec.monitoring.metrics.port";
                    self.report.error(Finding::new(Code::MissingField, section.at, message, "add port: 9090"));
                }
                let mut metrics = Metrics { path: "/metrics".to_owned(), port: None };
                self.set("metrics.path", path.as_ref(), &mut metrics.path, |path| path.0.clone());
                self.set("metrics.port", port.as_ref(), &mut metrics.port, |port| u16::try_from(port.0).ok());
                built.metrics = Some(metrics);
            }
        }
        if let Some(section) = &monitoring.tracing {
            let model::Tracing { enabled, sampling_rate } = &section.value;
            if self.is_on("tracing", section.at, enabled.as_ref()) {
                let mut tracing = Tracing { sampling_rate: 0.1 };
                self.set("tracing.sampling_rate", sampling_rate.as_ref(), &mut tracing.sampling_rate, |share| share.0);
                built.tracing = Some(tracing);
            }
        }
    }
}
