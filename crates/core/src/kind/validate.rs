//! Problems of declarations that show without asking a cloud: names, references, ranges, contradictions, secrets.

mod plain_secret;
mod platform;
mod service;

use super::{Kind, MachineSize, NodePoolSpec, Ref};
use crate::resource::{RESERVED_DOMAIN, RESERVED_PREFIX};
use crate::stack::{Declarations, Declared, Stack};
use crate::{Code, Error, Problems, Result};

/// The longest name of a declaration. Clouds put project, environment and part around it and allow 63 or fewer.
const NAME_LIMIT: usize = 30;

/// Everything wrong with the declarations of a stack that shows without a cloud, all at once. `machine` says what one
/// node of a pool offers; pools it does not know are left to the cloud's own check.
///
/// ```
/// use landfall_core::kind::{ClusterSpec, Ref, validate};
/// use landfall_core::resource::StackId;
/// use landfall_core::stack::{Declared, Stack};
/// use landfall_core::{Code, Error, units::Date};
///
/// let mut stack = Stack::new(StackId::new("inferloop", "dev"), Date::new(2026, 11, 23));
/// stack.clusters.insert("prod".into(), Declared::new(ClusterSpec::new(&Ref::named("core"), "1.35"), None));
/// let problems = validate(&stack, &|_| Err(Error::new(Code::UnknownMachine, "no machines here")));
/// assert_eq!(problems.finish().unwrap_err().code(), Code::UnknownReference);
/// ```
#[must_use]
pub fn validate(stack: &Stack, machine: &dyn Fn(&NodePoolSpec) -> Result<MachineSize>) -> Problems {
    let mut report = Report { stack, problems: Problems::default() };
    names(&mut report);
    tags(&mut report);
    platform::check(&mut report);
    service::check(&mut report, machine);
    report.problems
}

/// The problems so far, and the stack they are about.
struct Report<'a> {
    stack: &'a Stack,
    problems: Problems,
}

impl Report<'_> {
    /// Adds a problem with a field of a declaration.
    fn add<S>(&mut self, declared: &Declared<S>, field: &str, error: Error) {
        self.problems.push(match declared.position(field) {
            Some(position) => error.position(position.clone()),
            None => error,
        });
    }

    /// Adds an [`Code::InvalidValue`] unless the condition holds.
    fn require<S>(&mut self, holds: bool, declared: &Declared<S>, field: &str, message: String, hint: &str) {
        if !holds {
            self.add(declared, field, Error::new(Code::InvalidValue, message).hint(hint));
        }
    }

    /// Checks that a reference leads to a declaration of this platform. `who` names the referrer, such as
    /// `cluster prod`.
    fn reference<S, K: Kind>(
        &mut self,
        declared: &Declared<S>,
        field: &str,
        who: &str,
        of: &Ref<K>,
        known: &Declarations<K>,
    ) {
        let ours = self.stack.id.to_string();
        if let Some(owner) = of.owner().filter(|owner| *owner != ours) {
            let message = format!("{who} refers to a {} of the platform {owner}: {}", K::NAME, of.name());
            let hint = format!("declare the {} with this platform and use what it returns", K::NAME);
            self.add(declared, field, Error::new(Code::ForeignReference, message).hint(hint));
        } else if !known.contains_key(of.name()) {
            let message = format!("{who} refers to a {} that is not declared: {}", K::NAME, of.name());
            let hint = suggestion(K::NAME, of.name(), known.keys());
            self.add(declared, field, Error::new(Code::UnknownReference, message).hint(hint));
        }
    }
}

/// What to type instead of a name that leads to nothing.
fn suggestion<'n>(kind: &str, wrong: &str, known: impl Iterator<Item = &'n String> + Clone) -> String {
    let nearest = known
        .clone()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(_, name)| is_near(wrong, name))
        .min();
    if let Some((_, name)) = nearest {
        return format!("did you mean {name}");
    }
    let all: Vec<_> = known.map(String::as_str).collect();
    if all.is_empty() {
        format!("declare a {kind} with the builder first")
    } else {
        format!("name one of: {}", all.join(", "))
    }
}

/// Whether a name is another one with a slip or two in it.
fn is_near(wrong: &str, name: &str) -> bool {
    strsim::damerau_levenshtein(wrong, name) <= 1.max(name.len() / 3)
}

fn names(report: &mut Report<'_>) {
    let stack = report.stack;
    for (what, name) in [("project", &stack.id.project), ("environment", &stack.id.environment)] {
        if let Some(error) = bad_name(what, name) {
            report.problems.push(error);
        }
    }
    fn all<S>(report: &mut Report<'_>, kind: &str, declarations: &Declarations<S>) {
        for (name, declared) in declarations {
            if let Some(error) = bad_name(kind, name) {
                report.add(declared, "name", error);
            }
        }
    }
    all(report, "network", &stack.networks);
    all(report, "cluster", &stack.clusters);
    all(report, "node pool", &stack.node_pools);
    all(report, "database", &stack.databases);
    all(report, "cache", &stack.caches);
    all(report, "bucket", &stack.buckets);
    all(report, "mesh", &stack.meshes);
    all(report, "service", &stack.services);
    all(report, "native resource", &stack.natives);
}

fn bad_name(what: &str, name: &str) -> Option<Error> {
    if !is_name(name) {
        let message = format!("the name of a {what} has lower-case letters, digits and single hyphens: {name}");
        let fixed: String = name
            .to_lowercase()
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("-");
        let fixed = fixed.trim_start_matches(|c: char| !c.is_ascii_lowercase());
        let hint = if fixed.is_empty() { "start with a letter".to_owned() } else { format!("write {fixed}") };
        return Some(Error::new(Code::InvalidName, message).hint(hint));
    }
    (name.len() > NAME_LIMIT).then(|| {
        let message =
            format!("the name of a {what} has at most {NAME_LIMIT} characters, this one {}: {name}", name.len());
        Error::new(Code::NameTooLong, message).hint(format!("shorten it by {}", name.len() - NAME_LIMIT))
    })
}

/// Whether a name can stand in host names, labels and names of every cloud.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && !name.contains("--")
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn tags(report: &mut Report<'_>) {
    let stack = report.stack;
    for (key, value) in &stack.tags {
        report.problems.extend(bad_tag("the platform", key, value));
    }
    for (name, pool) in &stack.node_pools {
        for (key, value) in &pool.spec.labels {
            if let Some(error) = bad_tag(&format!("node pool {name}"), key, value) {
                report.add(pool, &format!("labels.{key}"), error);
            }
        }
    }
    for (name, service) in &stack.services {
        for (key, value) in &service.spec.labels {
            if let Some(error) = bad_tag(&format!("service {name}"), key, value) {
                report.add(service, &format!("labels.{key}"), error);
            }
        }
    }
}

fn bad_tag(whose: &str, key: &str, value: &str) -> Option<Error> {
    let lower = key.to_lowercase();
    if [RESERVED_PREFIX, RESERVED_DOMAIN].iter().any(|prefix| lower.starts_with(prefix)) {
        let message = format!("a tag of {whose} has the prefix of ownership marks: {key}");
        return Some(Error::new(Code::ReservedTag, message).hint("choose a key without this prefix"));
    }
    plain_secret::sort_of(value).map(|sort| {
        Error::new(Code::PlainSecret, format!("a tag of {whose} holds what looks like {sort}: {key}"))
            .hint("take it out: everybody who may list resources can read tags")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Position;
    use crate::kind::{
        Accelerator, Autoscaling, BucketSpec, CacheSpec, ClusterSpec, DatabaseSpec, MeshSpec, Metrics, NetworkSpec,
        ServiceMesh, ServiceSpec,
    };
    use crate::resource::StackId;
    use crate::units::{Date, GiB, Range};

    /// A stack without problems, which each test spoils in one place.
    pub(super) fn sound() -> Stack {
        let mut stack = Stack::new(StackId::new("inferloop", "dev"), Date::new(2026, 11, 23));
        let (network, cluster) = (Ref::named("core"), Ref::named("prod"));
        stack.tags.insert("Team".into(), "data".into());
        stack.networks.insert("core".into(), declared(NetworkSpec::new("10.0.0.0/16".parse().unwrap())));
        stack.clusters.insert("prod".into(), declared(ClusterSpec::new(&network, "1.35")));
        stack.node_pools.insert("general".into(), declared(NodePoolSpec::new(&cluster).nodes(range(1, 6))));
        let gpu = NodePoolSpec::new(&cluster).at_least(8, GiB(32)).accelerator(Accelerator::L4, 1).nodes(range(0, 4));
        stack.node_pools.insert("gpu".into(), declared(gpu));
        stack.databases.insert("main".into(), declared(DatabaseSpec::postgres(&network, "17")));
        stack.caches.insert("shared".into(), declared(CacheSpec::valkey(&network)));
        stack.buckets.insert("models".into(), declared(BucketSpec::new()));
        stack.meshes.insert("istio".into(), declared(MeshSpec::istio(&cluster)));
        let mut service = ServiceSpec::new(&cluster, "inferloop/textnlp:1.0").replicas(2);
        service.autoscaling = Some(Autoscaling { max_replicas: 6, cpu_percent: 70 });
        service.mesh = Some(ServiceMesh { retries: 3, timeout: None });
        service.metrics = Some(Metrics { path: "/metrics".into(), port: None });
        stack.services.insert("textnlp".into(), declared(service));
        stack
    }

    pub(super) fn declared<S>(spec: S) -> Declared<S> {
        Declared::new(spec, Some(Position { file: "main.rs".into(), line: 7, column: 3 }))
    }

    pub(super) fn range(min: u32, max: u32) -> Range {
        Range::new(min, max).unwrap()
    }

    /// What a node offers is what was asked for.
    pub(super) fn machine(pool: &NodePoolSpec) -> Result<MachineSize> {
        match &pool.machine {
            crate::kind::Machine::AtLeast { vcpu, memory, accelerator } => {
                Ok(MachineSize { name: "m".into(), vcpu: *vcpu, memory: *memory, accelerator: *accelerator })
            }
            crate::kind::Machine::Named(name) => Err(Error::new(Code::UnknownMachine, format!("no machine: {name}"))),
        }
    }

    /// The codes of all problems, in order.
    pub(super) fn codes(stack: &Stack) -> Vec<Code> {
        match validate(stack, &machine).finish() {
            Ok(()) => Vec::new(),
            Err(error) => error.problems().iter().map(|problem| problem.code()).collect(),
        }
    }

    #[test]
    fn sound_stack_has_no_problem() {
        assert_eq!(codes(&sound()), []);
    }

    #[test]
    fn all_problems_come_at_once_with_their_place_and_a_next_step() {
        let mut stack = sound();
        stack.clusters.get_mut("prod").unwrap().spec.network = Ref::named("cor");
        stack.services.get_mut("textnlp").unwrap().spec.replicas = 0;
        let error = validate(&stack, &machine).finish().unwrap_err();
        let problems = error.problems();
        assert_eq!(problems.len(), 2, "{error}");
        assert!(problems.iter().all(|problem| problem.origin().is_some() && problem.next_step().is_some()));
        assert_eq!(problems[0].next_step(), Some("did you mean core"));
    }

    #[test]
    fn names_are_lower_case_labels() {
        for wrong in ["Core", "core_a", "-core", "core-", "a--b", "1core", "", "cöre"] {
            let mut stack = sound();
            stack.buckets.insert(wrong.into(), declared(BucketSpec::new()));
            assert_eq!(codes(&stack), [Code::InvalidName], "{wrong}");
        }
        assert_eq!(bad_name("cluster", "My_Cluster").unwrap().next_step(), Some("write my-cluster"));
    }

    #[test]
    fn names_have_a_limit() {
        let mut stack = sound();
        stack.buckets.insert("a".repeat(NAME_LIMIT), declared(BucketSpec::new()));
        assert_eq!(codes(&stack), []);
        stack.buckets.insert("a".repeat(NAME_LIMIT + 1), declared(BucketSpec::new()));
        assert_eq!(codes(&stack), [Code::NameTooLong]);
    }

    #[test]
    fn project_and_environment_are_names() {
        let mut stack = sound();
        stack.id = StackId::new("Inferloop", "dev.eu");
        assert_eq!(codes(&stack), [Code::InvalidName, Code::InvalidName]);
    }

    #[test]
    fn references_of_other_platforms_are_refused() {
        let mut stack = sound();
        stack.clusters.get_mut("prod").unwrap().spec.network = Ref::owned("core", "other-prod".into());
        assert_eq!(codes(&stack), [Code::ForeignReference]);
        stack.clusters.get_mut("prod").unwrap().spec.network = Ref::owned("core", "inferloop-dev".into());
        assert_eq!(codes(&stack), []);
    }

    #[test]
    fn reserved_tags_are_refused_in_any_case() {
        let mut stack = sound();
        stack.tags.insert("Landfall:Stack".into(), "x".into());
        stack.node_pools.get_mut("gpu").unwrap().spec.labels.insert("landfall.dev/stack".into(), "x".into());
        stack.services.get_mut("textnlp").unwrap().spec.labels.insert("landfall:address".into(), "x".into());
        assert_eq!(codes(&stack), [Code::ReservedTag; 3]);
    }

    #[test]
    fn secrets_in_tags_are_refused() {
        let mut stack = sound();
        stack.tags.insert("Note".into(), "AKIAIOSFODNN7EXAMPLE".into());
        assert_eq!(codes(&stack), [Code::PlainSecret]);
    }
}
