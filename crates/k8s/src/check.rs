//! Problems of declarations that only Kubernetes knows of.

use landfall_core::kind::{ServiceSpec, Version};
use landfall_core::resource::RESERVED_DOMAIN;
use landfall_core::stack::{Declared, Stack};
use landfall_core::units::Per;
use landfall_core::{Code, Error};

use crate::mesh::Provider;
use crate::name::{LABEL_LIMIT, is_dns_label, is_host};
use crate::service::{Membership, membership, namespace_of};
use crate::{GATEWAY_NAMESPACE, MONITORING_NAMESPACE};

/// The first version whose API has every field that is written here.
const OLDEST: Version = Version { major: 1, minor: 30 };

/// Everything that Kubernetes would refuse, or take and never run.
pub(crate) fn check(stack: &Stack) -> Vec<Error> {
    let mut problems = Problems(Vec::new());
    let id = stack.id.to_string();
    if id.len() > LABEL_LIMIT {
        let message = format!("project and environment make a label of more than {LABEL_LIMIT} characters: {id}");
        problems.0.push(Error::new(Code::NameTooLong, message).hint("shorten one of them"));
    }
    for (name, service) in &stack.services {
        check_names(&mut problems, name, service);
        check_files(&mut problems, name, service);
        check_endpoints(&mut problems, name, service);
        check_version(&mut problems, stack, name, service);
        match membership(stack, &service.spec) {
            Err(error) => problems.add(service, "mesh", error),
            Ok(mesh) => check_mesh(&mut problems, name, service, mesh.filter(|_| service.spec.mesh.is_some())),
        }
    }
    problems.0
}

struct Problems(Vec<Error>);

impl Problems {
    fn add(&mut self, service: &Declared<ServiceSpec>, field: &str, error: Error) {
        self.0.push(match service.position(field) {
            Some(position) => error.position(position.clone()),
            None => error,
        });
    }
}

fn check_names(problems: &mut Problems, name: &str, service: &Declared<ServiceSpec>) {
    let namespace = namespace_of(name, &service.spec);
    if name.len() > LABEL_LIMIT {
        let message = format!("a service has a name of at most {LABEL_LIMIT} characters: {name}");
        problems.add(service, "name", Error::new(Code::NameTooLong, message).hint("shorten it"));
    } else if !is_dns_label(name) {
        let message = format!("a service has a name of lower-case letters, digits and hyphens: {name}");
        problems.add(service, "name", Error::new(Code::InvalidName, message).hint("write such as textnlp-api"));
    }
    if service.spec.namespace.is_some() && !is_dns_label(namespace) {
        let message =
            format!("a namespace has lower-case letters, digits and hyphens, at most {LABEL_LIMIT}: {namespace}");
        problems.add(service, "namespace", Error::new(Code::InvalidName, message).hint("write such as inferloop"));
    }
    let taken = ["default", "istio-system", "linkerd", "linkerd-cni", GATEWAY_NAMESPACE, MONITORING_NAMESPACE];
    if taken.contains(&namespace) || namespace.starts_with("kube-") {
        let message = format!("service {name} is in a namespace that is not for services: {namespace}");
        let error = Error::new(Code::NameTaken, message).hint("name another one, or rename the service");
        problems.add(service, "namespace", error);
    }
}

fn check_files(problems: &mut Problems, name: &str, service: &Declared<ServiceSpec>) {
    for file in service.spec.secrets.keys() {
        let sound = !file.is_empty()
            && file.len() <= 253
            && file.as_str() != "."
            && !file.contains("..")
            && file.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !sound {
            let message = format!("service {name} mounts a secret under what is not a file name: {file}");
            let error =
                Error::new(Code::InvalidName, message).hint("use letters, digits, hyphens, dots and underscores");
            problems.add(service, &format!("secrets.{file}"), error);
        }
    }
    for key in service.spec.environment.keys() {
        let sound = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !sound {
            let message = format!("service {name} has a variable that no shell could name: {key}");
            let error = Error::new(Code::InvalidName, message).hint("use letters, digits and underscores");
            problems.add(service, &format!("environment.{key}"), error);
        }
    }
    for key in service.spec.labels.keys().filter(|key| key.contains(RESERVED_DOMAIN)) {
        let message = format!("service {name} has a label in the domain of ownership marks: {key}");
        let error = Error::new(Code::ReservedTag, message).hint("choose another key");
        problems.add(service, &format!("labels.{key}"), error);
    }
}

fn check_endpoints(problems: &mut Problems, name: &str, service: &Declared<ServiceSpec>) {
    let spec = &service.spec;
    let metrics = spec.metrics.as_ref();
    let paths = [
        ("probe.ready", Some(&spec.probe.ready)),
        ("probe.live", Some(&spec.probe.live)),
        ("metrics.path", metrics.map(|metrics| &metrics.path)),
    ];
    for (field, path) in paths {
        if let Some(path) = path.filter(|path| !path.starts_with('/')) {
            let message = format!("service {name} has a path that does not start with a slash: {path}");
            let error = Error::new(Code::InvalidValue, message).hint(format!("write /{path}"));
            problems.add(service, field, error);
        }
    }
    if metrics.is_some_and(|metrics| metrics.port.is_none()) && spec.port.is_none() {
        let message = format!("service {name} has metrics and no port to read them from");
        let error = Error::new(Code::Contradiction, message).hint("set metrics.port, such as 9090");
        problems.add(service, "metrics", error);
    }
    if let Some(host) = spec.ingress.as_ref().and_then(|ingress| ingress.host.as_ref()).filter(|host| !is_host(host)) {
        let message = format!("service {name} has a host that is not a host name: {host}");
        let error = Error::new(Code::InvalidName, message).hint("write such as api.inferloop.io");
        problems.add(service, "ingress.host", error);
    }
}

fn check_version(problems: &mut Problems, stack: &Stack, name: &str, service: &Declared<ServiceSpec>) {
    let cluster = stack.clusters.get(service.spec.cluster.name());
    let version = cluster.and_then(|cluster| cluster.spec.version.parse::<Version>().ok());
    if let Some(version) = version.filter(|version| *version < OLDEST) {
        let message = format!("service {name} needs Kubernetes {OLDEST} or newer, its cluster has: {version}");
        let error =
            Error::new(Code::UnsupportedVersion, message).hint(format!("raise the cluster's version to {OLDEST}"));
        problems.add(service, "cluster", error);
    }
}

fn check_mesh(problems: &mut Problems, name: &str, service: &Declared<ServiceSpec>, mesh: Option<Membership<'_>>) {
    let spec = &service.spec;
    let rate = spec.ingress.as_ref().and_then(|ingress| ingress.rate_limit);
    let Some(Membership { provider, .. }) = mesh else {
        if let Some(rate) = rate {
            let message =
                format!("service {name} has a rate limit and takes part in no mesh that could keep it: {rate}");
            let error = Error::new(Code::Contradiction, message)
                .hint("declare a mesh on the cluster and let the service take part, or leave the limit out");
            problems.add(service, "ingress.rate_limit", error);
        }
        return;
    };
    let ports = [("port", spec.port), ("metrics.port", spec.metrics.as_ref().and_then(|metrics| metrics.port))];
    for (field, port) in ports {
        if let Some(port) = port.filter(|port| provider.takes(*port)) {
            let message = format!("service {name} listens on a port that the mesh's proxy takes for itself: {port}");
            problems.add(service, field, Error::new(Code::InvalidValue, message).hint("choose another, such as 8000"));
        }
    }
    if let Some(rate) = rate
        && provider == Provider::Linkerd
    {
        let second = match rate.per {
            Per::Second => 1,
            Per::Minute => 60,
            Per::Hour => 3600,
        };
        let least = second * u64::from(spec.replicas.max(1));
        if u64::from(rate.count) < least {
            let message = format!("service {name} has a rate limit below one call a second and replica: {rate}");
            let error = Error::new(Code::InvalidValue, message)
                .hint(format!("Linkerd counts whole calls a second: write {}/s or more, or use Istio", spec.replicas));
            problems.add(service, "ingress.rate_limit", error);
        }
    }
}
