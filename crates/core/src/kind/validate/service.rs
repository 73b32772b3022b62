//! Problems of services: numbers, what they depend on, how they are reached, and whether nodes can hold them.

mod capacity;

use std::collections::BTreeMap;

use super::{Report, plain_secret, suggestion};
use crate::kind::{
    Dependency, DependencyKind, Disruption, Ingress, MachineSize, NodePoolSpec, ServiceSpec, ServiceType,
};
use crate::stack::Declared;
use crate::{Code, Error, Result};

pub(super) fn check(report: &mut Report<'_>, machine: &dyn Fn(&NodePoolSpec) -> Result<MachineSize>) {
    for (name, service) in &report.stack.services {
        let who = format!("service {name}");
        report.reference(service, "cluster", &who, &service.spec.cluster, &report.stack.clusters);
        check_numbers(report, &who, service);
        check_disruption(report, &who, service);
        check_secrets(report, &who, service);
        check_dependencies(report, &who, service);
        check_ingress(report, &who, service);
        check_mesh(report, &who, service);
    }
    check_routes(report);
    capacity::check(report, machine);
}

fn check_numbers(report: &mut Report<'_>, who: &str, service: &Declared<ServiceSpec>) {
    let spec = &service.spec;
    let message = format!("{who} has at least one replica, not: {}", spec.replicas);
    report.require(spec.replicas >= 1, service, "replicas", message, "remove the service to have none of it");
    if let Some(autoscaling) = spec.autoscaling {
        let message =
            format!("{who} scales out to fewer than its {} replicas: {}", spec.replicas, autoscaling.max_replicas);
        let hint = "make max_replicas at least as large as replicas";
        let field = "autoscaling.max_replicas";
        report.require(autoscaling.max_replicas >= spec.replicas, service, field, message, hint);
        let message = format!("{who} scales at a percentage from 1 to 100, not: {}", autoscaling.cpu_percent);
        let sound = (1..=100).contains(&autoscaling.cpu_percent);
        report.require(sound, service, "autoscaling.cpu_percent", message, "70 leaves room for new replicas to start");
    }
    let message = format!("{who} asks for no CPU: {}", spec.resources.cpu);
    report.require(spec.resources.cpu.as_millis() > 0, service, "resources.cpu", message, "write such as 500m");
    let message = format!("{who} asks for no memory: {}", spec.resources.memory);
    report.require(spec.resources.memory.as_bytes() > 0, service, "resources.memory", message, "write such as 512Mi");
    if let Some(tracing) = spec.tracing {
        let message = format!("{who} traces a share of calls from 0 to 1, not: {}", tracing.sampling_rate);
        let sound = (0.0..=1.0).contains(&tracing.sampling_rate);
        report.require(sound, service, "tracing.sampling_rate", message, "0.1 is one call in ten");
    }
    let metrics = spec.metrics.as_ref().and_then(|metrics| metrics.port);
    for (field, port) in [("port", spec.port), ("metrics.port", metrics)] {
        report.require(
            port != Some(0),
            service,
            field,
            format!("{who} has a port from 1 to 65535, not: 0"),
            "write 8000",
        );
    }
    let message = format!("{who} has no image");
    let hint = "name one, such as registry.example/team/name@sha256:…";
    let sound = !spec.image.is_empty() && !spec.image.contains(char::is_whitespace);
    report.require(sound, service, "image", message, hint);
}

fn check_disruption(report: &mut Report<'_>, who: &str, service: &Declared<ServiceSpec>) {
    let replicas = service.spec.replicas;
    let (message, hint) = match service.spec.disruption {
        Some(Disruption::MinAvailable(stay)) if stay >= replicas => (
            format!("{who} keeps all of its {replicas} replicas, so no node of theirs can ever be drained: {stay}"),
            match replicas {
                0 | 1 => "raise replicas to 2, or leave the budget out".to_owned(),
                many => format!("write min_available {} or fewer, or max_unavailable 1", many - 1),
            },
        ),
        Some(Disruption::MaxUnavailable(0)) => (
            format!("{who} lets no replica be away, so no node of theirs can ever be drained: 0"),
            "write max_unavailable 1".to_owned(),
        ),
        _ => return,
    };
    report.add(service, "disruption", Error::new(Code::DisruptionBudget, message).hint(hint));
}

fn check_secrets(report: &mut Report<'_>, who: &str, service: &Declared<ServiceSpec>) {
    for (file, name) in &service.spec.secrets {
        if !report.stack.secrets.contains_key(name) {
            let message = format!("{who} mounts a secret that was not given: {name}");
            let hint = match suggestion("secret", name, report.stack.secrets.keys()) {
                hint if hint.starts_with("declare") => format!("give it to the builder: .secret(\"{name}\", …)"),
                hint => hint,
            };
            report.add(service, &format!("secrets.{file}"), Error::new(Code::MissingSecret, message).hint(hint));
        }
    }
    for (key, value) in &service.spec.environment {
        if let Some(sort) = plain_secret::sort_of_variable(key, value) {
            let message = format!("a variable of {who} holds what looks like {sort}: {key}");
            let file = key.to_lowercase().replace('_', "-");
            let hint =
                format!("give the value to the builder as a secret and mount it: .secret(\"{file}\", \"{file}\")");
            report.add(service, &format!("environment.{key}"), Error::new(Code::PlainSecret, message).hint(hint));
        }
    }
}

fn check_dependencies(report: &mut Report<'_>, who: &str, service: &Declared<ServiceSpec>) {
    for (index, dependency) in service.spec.dependencies.iter().enumerate() {
        let field = format!("dependencies.{index}");
        let name = &dependency.name;
        if service.spec.dependencies[..index].iter().any(|before| before.name == *name) {
            let message = format!("{who} has two dependencies of one name: {name}");
            report.add(service, &field, Error::new(Code::NameTaken, message).hint("give them different names"));
        }
        if let Some(error) = super::bad_name("dependency", name) {
            report.add(service, &field, error);
        }
        match report.stack.target_of(dependency) {
            None => {
                let error = unresolved(report, who, dependency);
                report.add(service, &field, error);
            }
            Some(target) => {
                if let Some(error) = mistyped(who, dependency, target) {
                    report.add(service, &field, error);
                }
                check_reach(report, who, service, &field, dependency, target);
            }
        }
    }
}

/// A name of the service's own stands for the only declaration of its kind. One that is nearly that declaration's name is
/// more likely a slip, and would become the name of a database.
fn mistyped(who: &str, dependency: &Dependency, target: &str) -> Option<Error> {
    let name = &dependency.name;
    if dependency.target.is_some() || name == target || !super::is_near(name, target) {
        return None;
    }
    let message = format!("{who} depends on what is not declared, and nearly the name of {target}: {name}");
    let hint = format!("write name: {target}, or add target: {target} if the name is meant so");
    Some(Error::new(Code::UnknownReference, message).hint(hint))
}

fn unresolved(report: &Report<'_>, who: &str, dependency: &Dependency) -> Error {
    let stack = report.stack;
    let wanted = dependency.target.as_ref().unwrap_or(&dependency.name);
    let message = format!("{who} depends on what is not declared: {wanted}");
    let hint = match dependency.kind {
        DependencyKind::Database => suggestion("database", wanted, stack.databases.keys()),
        DependencyKind::Cache => suggestion("cache", wanted, stack.caches.keys()),
        DependencyKind::Storage => suggestion("bucket", wanted, stack.buckets.keys()),
        DependencyKind::Service => suggestion("service", wanted, stack.services.keys()),
        DependencyKind::Queue => {
            "declare the queue as a native resource and hand its address over as a variable".to_owned()
        }
    };
    Error::new(Code::UnknownReference, message).hint(hint)
}

/// Whether the network lets a service reach what it depends on.
fn check_reach(
    report: &mut Report<'_>,
    who: &str,
    service: &Declared<ServiceSpec>,
    field: &str,
    dependency: &Dependency,
    target: &str,
) {
    let stack = report.stack;
    let home = stack.clusters.get(service.spec.cluster.name()).map(|cluster| &cluster.spec.network);
    let network = match dependency.kind {
        DependencyKind::Database => stack.databases.get(target).map(|database| &database.spec.network),
        DependencyKind::Cache => stack.caches.get(target).map(|cache| &cache.spec.network),
        _ => None,
    };
    if let (Some(home), Some(network)) = (home, network)
        && home != network
    {
        let message = format!("{who} cannot reach {target}, which stands in another network: {network:?}");
        let hint = format!("put both in one network, such as {home:?}");
        report.add(service, field, Error::new(Code::Contradiction, message).hint(hint));
    }
    if dependency.kind != DependencyKind::Service {
        return;
    }
    let Some(called) = stack.services.get(target) else { return };
    if called.spec.cluster != service.spec.cluster {
        let message = format!("{who} cannot call {target}, which runs in another cluster: {:?}", called.spec.cluster);
        let error = Error::new(Code::Contradiction, message).hint("run both in one cluster");
        report.add(service, field, error);
    }
    if called.spec.port.is_none() || called.spec.service_type == ServiceType::Worker {
        let message = format!("{who} depends on a worker, which is not called: {target}");
        let error = Error::new(Code::Contradiction, message).hint("make it an api with a port, or drop the dependency");
        report.add(service, field, error);
    }
}

fn check_ingress(report: &mut Report<'_>, who: &str, service: &Declared<ServiceSpec>) {
    let Some(ingress) = &service.spec.ingress else { return };
    if service.spec.port.is_none() || service.spec.service_type == ServiceType::Worker {
        let message = format!("{who} is a worker, which is not called, and has a path: {}", ingress.path);
        let error = Error::new(Code::Contradiction, message).hint("make it an api with a port, or drop the ingress");
        report.add(service, "ingress", error);
    }
    let bare = ingress.path.trim_end_matches('*').trim_end_matches('/');
    let fixed = format!("/{}", bare.trim_start_matches('/'));
    let sound = ingress.path.starts_with('/')
        && !ingress.path.contains("//")
        && ingress.path.bytes().all(|b| b.is_ascii_graphic() && !b"*?#%\\\"".contains(&b));
    let message = format!("{who} has a path prefix that starts with / and has no pattern, not: {}", ingress.path);
    report.require(
        sound,
        service,
        "ingress.path",
        message,
        &format!("a prefix covers what is below it: write {fixed}"),
    );
    if let Some(rate) = ingress.rate_limit {
        let message = format!("{who} lets no call through: {rate}");
        report.require(
            rate.count > 0,
            service,
            "ingress.rate_limit",
            message,
            "write such as 1000/min, or leave it out",
        );
    }
}

/// Two services with one path: nobody could tell which is meant.
fn check_routes(report: &mut Report<'_>) {
    let mut owners: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (name, service) in &report.stack.services {
        let Some(Ingress { path, host, .. }) = &service.spec.ingress else { continue };
        // A host has one edge, wherever its services run; without one each cluster has its own.
        let edge = host.as_deref().unwrap_or(service.spec.cluster.name());
        let path = path.trim_end_matches('/');
        if let Some(first) = owners.insert((edge, path), name) {
            let message = format!("services {first} and {name} have the same path: {path}");
            let error =
                Error::new(Code::Contradiction, message).hint(format!("give one of them its own, such as /api/{name}"));
            report.add(service, "ingress.path", error);
        }
    }
}

fn check_mesh(report: &mut Report<'_>, who: &str, service: &Declared<ServiceSpec>) {
    let Some(mesh) = service.spec.mesh else { return };
    let cluster = &service.spec.cluster;
    if !report.stack.meshes.values().any(|declared| declared.spec.cluster == *cluster) {
        let message = format!("{who} takes part in a mesh, and its cluster has none: {}", cluster.name());
        let hint = "declare a mesh on the cluster with the builder, or leave the service's mesh out";
        report.add(service, "mesh", Error::new(Code::UnknownReference, message).hint(hint));
    }
    let message = format!("{who} repeats a failed call at most 10 times, not: {}", mesh.retries);
    report.require(
        mesh.retries <= 10,
        service,
        "mesh.retries",
        message,
        "each retry adds load where it hurts: write 3",
    );
    if let Some(timeout) = mesh.timeout {
        let message = format!("{who} gives a call no time: {timeout}");
        report.require(!timeout.as_duration().is_zero(), service, "mesh.timeout", message, "write such as 30s");
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::super::tests::{codes, declared, sound};
    use super::super::validate;
    use super::*;
    use crate::kind::{Autoscaling, NetworkSpec, Ref, ServiceMesh, Tracing};
    use crate::secret::Secret;
    use crate::stack::Stack;
    use crate::units::{Cpu, Memory, Span};

    fn spoil(change: impl FnOnce(&mut Stack)) -> Vec<Code> {
        let mut stack = sound();
        change(&mut stack);
        codes(&stack)
    }

    fn service(change: impl FnOnce(&mut ServiceSpec)) -> Vec<Code> {
        spoil(|stack| change(&mut stack.services.get_mut("textnlp").unwrap().spec))
    }

    fn second(stack: &mut Stack, change: impl FnOnce(&mut ServiceSpec)) {
        let mut spec = ServiceSpec::new(&Ref::named("prod"), "inferloop/tabular:1.0");
        change(&mut spec);
        stack.services.insert("tabular".into(), declared(spec));
    }

    fn ingress(path: &str) -> Option<Ingress> {
        Some(Ingress { path: path.into(), host: None, rate_limit: None })
    }

    #[test]
    fn there_is_a_replica() {
        assert_eq!(service(|spec| spec.replicas = 0), [Code::InvalidValue]);
    }

    #[test]
    fn autoscaling_goes_up_from_the_replicas() {
        let scale = |max_replicas, cpu_percent| {
            service(|spec| spec.autoscaling = Some(Autoscaling { max_replicas, cpu_percent }))
        };
        assert_eq!(scale(1, 70), [Code::InvalidValue]);
        assert_eq!(scale(2, 0), [Code::InvalidValue]);
        assert_eq!(scale(2, 101), [Code::InvalidValue]);
        assert_eq!(scale(2, 100), []);
    }

    #[test]
    fn resources_are_asked_for() {
        assert_eq!(service(|spec| spec.resources.cpu = Cpu::millis(0)), [Code::InvalidValue]);
        assert_eq!(service(|spec| spec.resources.memory = Memory::mebibytes(0)), [Code::InvalidValue]);
    }

    #[test]
    fn sampling_is_a_share() {
        for (rate, sound) in [(-0.1, false), (0.0, true), (1.0, true), (1.5, false), (f64::NAN, false)] {
            let found = service(|spec| spec.tracing = Some(Tracing { sampling_rate: rate }));
            assert_eq!(found.is_empty(), sound, "{rate}");
        }
    }

    #[test]
    fn ports_and_images_are_real() {
        assert_eq!(service(|spec| spec.port = Some(0)), [Code::InvalidValue]);
        assert_eq!(service(|spec| spec.metrics.as_mut().unwrap().port = Some(0)), [Code::InvalidValue]);
        assert_eq!(service(|spec| spec.image.clear()), [Code::InvalidValue]);
    }

    #[test]
    fn budgets_that_can_never_be_met_are_refused() {
        let budget = |disruption| service(|spec| spec.disruption = Some(disruption));
        assert_eq!(budget(Disruption::MinAvailable(2)), [Code::DisruptionBudget]);
        assert_eq!(budget(Disruption::MaxUnavailable(0)), [Code::DisruptionBudget]);
        assert_eq!(budget(Disruption::MinAvailable(1)), []);
        assert_eq!(budget(Disruption::MaxUnavailable(2)), []);
    }

    #[test]
    fn secrets_are_given() {
        let mount = |spec: &mut ServiceSpec| *spec = spec.clone().secret("token", "hub-token");
        assert_eq!(service(mount), [Code::MissingSecret]);
        let given = spoil(|stack| {
            let value = Secret::new("hub-token", SecretString::from("canary"), &SecretString::from("key"));
            stack.secrets.insert("hub-token".into(), value);
            mount(&mut stack.services.get_mut("textnlp").unwrap().spec);
        });
        assert_eq!(given, []);
    }

    #[test]
    fn plain_secrets_are_refused_and_not_shown() {
        let mut stack = sound();
        let spec = &mut stack.services.get_mut("textnlp").unwrap().spec;
        *spec = spec.clone().environment("DB_PASSWORD", "canary-value").environment("LOG_LEVEL", "info");
        assert_eq!(codes(&stack), [Code::PlainSecret]);
        let shown = format!("{:?}", validate(&stack, &super::super::tests::machine).finish());
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn dependencies_lead_somewhere() {
        let depend = |kind, name: &str| service(|spec| *spec = spec.clone().depends_on(kind, name));
        assert_eq!(depend(DependencyKind::Database, "main"), []);
        for kind in [
            DependencyKind::Database,
            DependencyKind::Cache,
            DependencyKind::Storage,
            DependencyKind::Queue,
            DependencyKind::Service,
        ] {
            assert_eq!(depend(kind, "nowhere"), [Code::UnknownReference], "{kind:?}");
        }
    }

    #[test]
    fn a_slip_in_a_name_is_no_name_of_its_own() {
        let depend = |name: &str, target: Option<&str>| {
            service(|spec| {
                *spec = spec.clone().depends_on(DependencyKind::Cache, "shared");
                spec.dependencies[0].name = name.into();
                spec.dependencies[0].target = target.map(Into::into);
            })
        };
        assert_eq!(depend("sharde", None), [Code::UnknownReference]);
        for (name, target) in [("shared", None), ("sessions", None), ("sharde", Some("shared"))] {
            assert_eq!(depend(name, target), [], "{name} {target:?}");
        }
    }

    #[test]
    fn nearest_name_is_offered() {
        let mut stack = sound();
        let spec = &mut stack.services.get_mut("textnlp").unwrap().spec;
        *spec = spec.clone().depends_on(DependencyKind::Database, "mian");
        let error = validate(&stack, &super::super::tests::machine).finish().unwrap_err();
        assert_eq!(error.next_step(), Some("did you mean main"));
    }

    #[test]
    fn dependencies_have_names_of_their_own() {
        let twice = service(|spec| {
            let once = spec.clone().depends_on(DependencyKind::Database, "main");
            *spec = once.depends_on(DependencyKind::Cache, "shared");
            spec.dependencies[1].name = "main".into();
        });
        assert_eq!(twice, [Code::NameTaken]);
        let wild = service(|spec| {
            *spec = spec.clone().depends_on(DependencyKind::Cache, "shared");
            spec.dependencies[0].name = "my cache".into();
        });
        assert_eq!(wild, [Code::InvalidName]);
    }

    #[test]
    fn dependencies_are_in_reach() {
        let apart = spoil(|stack| {
            stack.networks.insert("far".into(), declared(NetworkSpec::new("10.9.0.0/16".parse().unwrap())));
            stack.databases.get_mut("main").unwrap().spec.network = Ref::named("far");
            let spec = &mut stack.services.get_mut("textnlp").unwrap().spec;
            *spec = spec.clone().depends_on(DependencyKind::Database, "main");
        });
        assert_eq!(apart, [Code::Contradiction]);
    }

    #[test]
    fn services_call_services_of_their_cluster_that_answer() {
        let call = |change: fn(&mut ServiceSpec)| {
            spoil(|stack| {
                second(stack, change);
                let spec = &mut stack.services.get_mut("textnlp").unwrap().spec;
                *spec = spec.clone().depends_on(DependencyKind::Service, "tabular");
            })
        };
        assert_eq!(call(|_| {}), []);
        assert_eq!(call(|spec| spec.port = None), [Code::Contradiction]);
        let found = call(|spec| spec.cluster = Ref::named("other"));
        assert_eq!(found, [Code::UnknownReference, Code::Contradiction]);
    }

    #[test]
    fn paths_are_prefixes() {
        for wrong in ["api", "/api/*", "*", "", "/a b", "/a?b", "//a"] {
            assert_eq!(service(|spec| spec.ingress = ingress(wrong)), [Code::InvalidValue], "{wrong}");
        }
        assert_eq!(service(|spec| spec.ingress = ingress("/api/textnlp")), []);
    }

    #[test]
    fn workers_have_no_path() {
        let worker = service(|spec| {
            spec.service_type = ServiceType::Worker;
            spec.ingress = ingress("/api/textnlp");
        });
        assert_eq!(worker, [Code::Contradiction]);
    }

    #[test]
    fn rates_let_something_through() {
        let none = service(|spec| {
            spec.ingress = ingress("/api");
            spec.ingress.as_mut().unwrap().rate_limit = Some("0/s".parse().unwrap());
        });
        assert_eq!(none, [Code::InvalidValue]);
    }

    #[test]
    fn paths_have_one_owner() {
        let both = |host: Option<&str>| {
            spoil(|stack| {
                second(stack, |spec| spec.ingress = ingress("/api/"));
                let mut own = ingress("/api").unwrap();
                own.host = host.map(str::to_owned);
                stack.services.get_mut("textnlp").unwrap().spec.ingress = Some(own);
            })
        };
        assert_eq!(both(None), [Code::Contradiction]);
        assert_eq!(both(Some("api.inferloop.io")), []);
    }

    #[test]
    fn mesh_fields_need_a_mesh() {
        assert_eq!(spoil(|stack| stack.meshes.clear()), [Code::UnknownReference]);
    }

    #[test]
    fn retries_and_timeouts_have_limits() {
        let mesh = |retries, timeout| service(|spec| spec.mesh = Some(ServiceMesh { retries, timeout }));
        assert_eq!(mesh(11, None), [Code::InvalidValue]);
        assert_eq!(mesh(3, Some(Span::seconds(0))), [Code::InvalidValue]);
        assert_eq!(mesh(10, Some(Span::seconds(30))), []);
    }
}
