//! What is known of a native type without a driver: identity, replacement, secrets, permissions, durations.

use std::borrow::Cow;
use std::time::Duration;

/// Facts of one native type. Planning, simulation, permissions and exports need these and no driver.
///
/// Written as a constant table by each cloud:
///
/// ```
/// use landfall_core::resource::{Api, IdentityClass, ResourceType, TagStyle, Usual};
/// use std::borrow::Cow;
///
/// const VPC: ResourceType = ResourceType {
///     name: Cow::Borrowed("AWS::EC2::VPC"),
///     api: Api::Aws,
///     identity: IdentityClass::Tagged,
///     identifier: "VpcId",
///     replaces: &["CidrBlock"],
///     tags: TagStyle::List("Tags"),
///     create: Usual::seconds(1, 6, 17),
///     ..ResourceType::DEFAULT
/// };
/// assert!(VPC.replaces_on("CidrBlock"));
/// ```
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// The name in the cloud's published schema: `AWS::EC2::Subnet`, `apps/v1/Deployment`.
    pub name: Cow<'static, str>,
    /// The API it belongs to.
    pub api: Api,
    /// How an object of the type is found again.
    pub identity: IdentityClass,
    /// The output that a plain reference (CloudFormation's `Ref`) gives, and by which the driver addresses the object.
    pub identifier: &'static str,
    /// Outputs besides the identifier, with the shape of their values.
    pub outputs: &'static [Output],
    /// Outputs whose values change when the object is updated in place, such as a version number: what refers to them is
    /// updated too.
    pub changing: &'static [&'static str],
    /// Property paths (`Name` or `Outer.Inner`) that cannot change in place. `"*"` means all of them.
    pub replaces: &'static [&'static str],
    /// Whether the replacement may be made before the old object is deleted. A named one then gets a suffix.
    pub create_before_delete: bool,
    /// Property paths whose values are secret.
    pub secrets: &'static [&'static str],
    /// Property paths that the cloud never returns, so that they cannot drift.
    pub write_only: &'static [&'static str],
    /// Property paths that an autoscaler or another manager owns once the object exists.
    pub foreign: &'static [&'static str],
    /// Property paths of lists whose order does not count.
    pub sets: &'static [&'static str],
    /// Property paths whose change opens access: they are shown as security changes.
    pub security: &'static [&'static str],
    /// Property paths whose change in place interrupts service.
    pub downtime: &'static [&'static str],
    /// The property that makes the cloud refuse a delete while it is true; empty when the type has none.
    pub guard: &'static str,
    /// Whether it holds data that a delete would lose.
    pub holds_data: bool,
    /// Whether what a delete loses can be had back for a while.
    pub recoverable: bool,
    /// Property paths that the cloud changes one way only, such as versions and the size of a disk.
    pub one_way: &'static [&'static str],
    /// Properties that name the object it stands in: (property, type).
    pub parents: &'static [(&'static str, &'static str)],
    /// Where ownership marks and tags are written.
    pub tags: TagStyle,
    /// API actions (which are permissions as well) for each verb; the first is the call itself.
    pub verbs: Verbs,
    /// The account quota it counts against.
    pub quota: Option<Quota>,
    /// Usual duration of a create.
    pub create: Usual,
    /// Usual duration of an update.
    pub update: Usual,
    /// Usual duration of a delete.
    pub delete: Usual,
    /// How long after a create a read may still miss the object.
    pub lag: Duration,
    /// Money class of its existence, for the order of plans: whether it is billed by the hour.
    pub billed: bool,
}

impl ResourceType {
    /// What most types have in common; tables name the rest.
    pub const DEFAULT: Self = Self {
        name: Cow::Borrowed(""),
        api: Api::Aws,
        identity: IdentityClass::Tagged,
        identifier: "Id",
        outputs: &[],
        changing: &[],
        replaces: &[],
        create_before_delete: false,
        secrets: &[],
        write_only: &[],
        foreign: &[],
        sets: &[],
        security: &[],
        downtime: &[],
        guard: "",
        holds_data: false,
        recoverable: false,
        one_way: &[],
        parents: &[],
        tags: TagStyle::None,
        verbs: Verbs { create: &[], read: &[], update: &[], delete: &[] },
        quota: None,
        create: Usual::seconds(1, 1, 5),
        update: Usual::seconds(1, 1, 5),
        delete: Usual::seconds(1, 1, 5),
        lag: Duration::from_secs(10),
        billed: false,
    };

    /// Whether a change of this property path forces a replacement.
    #[must_use]
    pub fn replaces_on(&self, path: &str) -> bool {
        self.replaces == ["*"] || lists(self.replaces, path)
    }

    /// Whether a value at this path is secret.
    #[must_use]
    pub fn is_secret(&self, path: &str) -> bool {
        lists(self.secrets, path)
    }

    /// Whether drift at this path is none of our business.
    #[must_use]
    pub fn ignores_drift(&self, path: &str) -> bool {
        lists(self.write_only, path) || lists(self.foreign, path)
    }

    /// Whether another manager owns the property at this path once the object exists.
    #[must_use]
    pub fn is_foreign(&self, path: &str) -> bool {
        lists(self.foreign, path)
    }

    /// Whether a change at this path opens or closes access.
    #[must_use]
    pub fn is_security(&self, path: &str) -> bool {
        self.security == ["*"] || lists(self.security, path)
    }

    /// Whether a change in place at this path interrupts service.
    #[must_use]
    pub fn interrupts(&self, path: &str) -> bool {
        self.downtime == ["*"] || lists(self.downtime, path)
    }

    /// Whether a change at this path cannot be taken back by another one.
    #[must_use]
    pub fn is_one_way(&self, path: &str) -> bool {
        lists(self.one_way, path)
    }

    /// Whether the order of the list at this path does not count.
    #[must_use]
    pub fn is_set(&self, path: &str) -> bool {
        self.sets.contains(&path)
    }

    /// Usual duration of a verb.
    #[must_use]
    pub fn usual(&self, verb: Verb) -> Usual {
        match verb {
            Verb::Create => self.create,
            Verb::Update => self.update,
            Verb::Delete => self.delete,
            Verb::Read => Usual::seconds(0, 0, 1),
        }
    }
}

/// Whether `path` is one of `paths` or lies beneath one. Indices in `path` are passed over.
fn lists(paths: &[&str], path: &str) -> bool {
    paths.iter().any(|listed| {
        let mut steps = path.split('.').filter(|step| step.parse::<usize>().is_err());
        listed.split('.').all(|step| steps.next() == Some(step))
    })
}

/// The API family a type belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Api {
    /// Amazon Web Services.
    Aws,
    /// Azure Resource Manager.
    Azure,
    /// Google Cloud.
    Gcp,
    /// A PostgreSQL server of the stack.
    Postgres,
    /// A Kubernetes cluster of the stack.
    Kubernetes,
}

/// How an object is found again, and so how a create happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityClass {
    /// Class A: the caller chooses a unique name, in these properties (the last one is the name, those before it the
    /// place it is unique in).
    Named(&'static [&'static str]),
    /// Class B: the create takes a token.
    Token,
    /// Class C: a natural tuple of properties.
    Tuple(&'static [&'static str]),
    /// Class D: only tags.
    Tagged,
}

/// An output of a type.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Its name in the published schema, such as `Arn` or `Endpoint.Address`.
    pub name: &'static str,
    /// How a real value looks.
    pub shape: Shape,
}

/// How a value that the cloud chooses looks. Templates may hold `{account}`, `{region}`, `{partition}`, `{name}` (the
/// class A name), `{id}` (the identifier), `{hex17}`, `{hex32}`, `{uuid}`, `{digits}`, `{base36}` and `{Property}`.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Text made from a template.
    Text(&'static str),
    /// A whole number.
    Integer(i64),
    /// Always the value of this property of the same object.
    Property(&'static str),
}

/// Where a type carries tags and ownership marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagStyle {
    /// Nowhere: ownership follows from the parent.
    None,
    /// A list of `{Key, Value}` in this property.
    List(&'static str),
    /// A map in this property.
    Map(&'static str),
    /// `TagSpecifications` of this resource type (launch templates, …).
    Specifications(&'static str),
    /// Kubernetes: `metadata.labels` and `metadata.annotations`.
    Kubernetes,
}

/// API actions of each verb.
#[derive(Clone, Copy, Debug)]
pub struct Verbs {
    /// For creating; the first is the call.
    pub create: &'static [&'static str],
    /// For observing.
    pub read: &'static [&'static str],
    /// For updating in place.
    pub update: &'static [&'static str],
    /// For deleting.
    pub delete: &'static [&'static str],
}

impl Verbs {
    /// The actions of one verb.
    #[must_use]
    pub fn of(&self, verb: Verb) -> &'static [&'static str] {
        match verb {
            Verb::Create => self.create,
            Verb::Read => self.read,
            Verb::Update => self.update,
            Verb::Delete => self.delete,
        }
    }
}

/// What is done to a native resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Observing and census.
    Read,
    /// Creating.
    Create,
    /// Updating in place.
    Update,
    /// Deleting.
    Delete,
}

/// An account quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The cloud's code for it, such as `L-F678F1CE`.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How many an account has by default.
    pub default: u32,
}

/// How long something usually takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// Near the fastest seen.
    pub low: Duration,
    /// The median.
    pub typical: Duration,
    /// Near the slowest seen.
    pub high: Duration,
}

impl Usual {
    /// From whole seconds.
    #[must_use]
    pub const fn seconds(low: u64, typical: u64, high: u64) -> Self {
        Self { low: Duration::from_secs(low), typical: Duration::from_secs(typical), high: Duration::from_secs(high) }
    }
}
