//! What talks to a cloud for native resources.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, Either, select, try_join_all};

use crate::resource::{Address, Identity, Marks, Ownership, Properties, StackId, Value, Verb};
use crate::{Code, Error, Result, Retry};

/// How one cloud keeps native resources of one or more types. Any call may happen twice; none sleeps or retries.
///
/// Reads take many at once: the APIs answer a page of ids for the price of one, and everything that waits on a type
/// shares a call. All identities of one call have the same type.
#[async_trait]
pub trait Driver: Debug + Send + Sync {
    /// Looks at objects, one observation for each identity in the same order.
    ///
    /// - By id where it is known, else by the claim.
    /// - *Absent* only when the cloud said so; any failure is *unknown* or an error.
    async fn observe(&self, cx: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>>;

    /// Everything of these types that bears the stack's marks, read from the cloud alone.
    async fn census(&self, cx: &Context<'_>, types: &[String]) -> Result<Vec<Found>>;

    /// Starts making an object. `desired` is fully resolved and holds the marks where the type carries them.
    ///
    /// An object of the same name or tuple is [`crate::Code::AlreadyExists`]; the caller looks whose it is. What the API
    /// makes in several calls is [`Progress::Unfinished`] after the first one, which carries the marks.
    async fn create(&self, cx: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation>;

    /// Starts changing an object in place. `changed` lists the property paths that differ, or all that can change in
    /// place when the object was only begun. Where that takes several calls one after the other, it starts the first that is
    /// not done yet and is [`Progress::Unfinished`].
    async fn update(
        &self,
        cx: &Context<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Operation>;

    /// Starts deleting. Deleting what does not exist succeeds.
    async fn delete(&self, cx: &Context<'_>, at: &Identity) -> Result<Operation>;

    /// Asks how operations are getting on, one answer each in the same order.
    async fn poll(&self, cx: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>>;
}

/// Which driver keeps which type.
pub trait Drivers: Debug + Send + Sync {
    /// The driver for a native type.
    ///
    /// # Errors
    /// [`crate::Code::UnknownType`] when no driver keeps it.
    fn driver(&self, type_name: &str) -> Result<Arc<dyn Driver>>;

    /// All native types that can bear marks, for a census.
    fn census_types(&self) -> Vec<String>;

    /// The clock that waits go by.
    fn clock(&self) -> Arc<dyn crate::clock::Clock>;

    /// Looks, before the first change of a plan, whether all of it can be made: quotas, versions, machine types, regions. It
    /// only reads. Each problem that it finds is one that a create would meet later; none means go.
    ///
    /// # Errors
    /// When it could not be found out. What one check cannot find out is no problem.
    fn preflight<'a>(&'a self, _cx: &'a Context<'a>, _ahead: &'a Ahead) -> BoxFuture<'a, Result<Vec<Error>>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// What a plan is about to make.
#[derive(Clone, Debug, Default)]
pub struct Ahead {
    /// Each object: where it stands in the stack, its native type, and its properties with references unresolved.
    pub creates: Vec<(Address, String, Properties)>,
    /// For each of their types, how many more objects than now there may be at one moment of the plan.
    pub peaks: BTreeMap<String, usize>,
}

/// What every call is told besides its subject.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The stack whose marks count as ours.
    pub stack: &'a StackId,
    /// The account, region and so on that the stack is pinned to.
    pub target: &'a Target,
    /// How long the call may take.
    pub timeout: Duration,
}

/// Where a stack is applied. Pinned by the ledger's first entry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Target {
    /// The cloud, such as `aws`.
    pub cloud: String,
    /// The partition, such as `aws` or `aws-cn`; empty where the cloud has none.
    pub partition: String,
    /// The account, subscription or project.
    pub account: String,
    /// The region.
    pub region: String,
}

/// What was seen of one object.
#[derive(Clone, Debug)]
pub enum Observation {
    /// It exists.
    Present(Box<Observed>),
    /// The cloud says it does not exist. Inside the type's lag window that proves nothing.
    Absent,
    /// It could not be found out.
    Unknown(Error),
}

/// An object as the cloud describes it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The cloud's id.
    pub id: String,
    /// Its properties in the published schema.
    pub properties: Properties,
    /// Its outputs, the identifier among them.
    pub outputs: Properties,
    /// Whose it is.
    pub owner: Ownership,
    /// Whether it is usable.
    pub health: Health,
}

/// Whether an object is usable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is.
    Ready,
    /// The cloud is still working on it; the cloud's own word for the phase.
    Busy(String),
    /// It failed; the cloud's reason.
    Failed(String),
    /// It is being deleted.
    Deleting,
}

/// An object found by its marks alone.
#[derive(Clone, Debug)]
pub struct Found {
    /// The native type's name.
    pub type_name: String,
    /// The cloud's id.
    pub id: String,
    /// What its marks say.
    pub marks: Marks,
    /// The object, as an observation would describe it.
    pub observed: Observed,
}

/// A change that the cloud accepted.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What it changes; the id is filled in.
    pub identity: Identity,
    /// What is done.
    pub verb: Verb,
    /// What the cloud calls the operation, where it has a name of its own.
    pub handle: Option<String>,
    /// How far it is.
    pub progress: Progress,
}

/// How far an operation is.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Under way: the cloud's own word for the phase, and its last message.
    Running {
        /// Such as `CREATING`.
        phase: String,
        /// The cloud's last word, empty when it said none.
        message: String,
    },
    /// Done. Outputs hold the identifier; empty after a delete.
    Done(Properties),
    /// The object is there, with these outputs, and the rest of what was asked for takes another call: an update with the
    /// same properties. APIs that make a thing in several calls answer so after each of them but the last.
    Unfinished(Properties),
    /// It failed after it was accepted. An error that says that repeating helps ([`Error::retry_class`]) has the call repeated,
    /// and one that says that a create's object exists already has it looked at, as when the call itself says so.
    Failed(Error),
}

impl Operation {
    /// An operation that is done at once.
    #[must_use]
    pub fn done(identity: Identity, verb: Verb, outputs: Properties) -> Self {
        Self { identity, verb, handle: None, progress: Progress::Done(outputs) }
    }
}

/// Reads an output by its dotted name, such as `Endpoint.Address`.
#[must_use]
pub fn output<'a>(outputs: &'a Properties, name: &str) -> Option<&'a Value> {
    outputs.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        outputs.get(first)?.at(rest)
    })
}

/// Drivers without the verbs that change anything. Planning is handed this type and nothing else.
///
/// ```compile_fail
/// fn write(reader: &landfall_core::driver::Reader) {
///     reader.create();
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Reader(Arc<dyn Drivers>);

impl Reader {
    /// A reader of these drivers.
    #[must_use]
    pub fn new(drivers: Arc<dyn Drivers>) -> Self {
        Self(drivers)
    }

    /// Looks at objects of one type. See [`Driver::observe`].
    ///
    /// # Errors
    /// What the driver answers.
    pub async fn observe(&self, cx: &Context<'_>, type_name: &str, these: &[Identity]) -> Result<Vec<Observation>> {
        let driver = self.0.driver(type_name)?;
        self.bounded(cx, driver.observe(cx, these)).await
    }

    /// Everything that bears the stack's marks. See [`Driver::census`].
    ///
    /// # Errors
    /// What the drivers answer.
    pub async fn census(&self, cx: &Context<'_>) -> Result<Vec<Found>> {
        let asked = by_driver(&*self.0, self.0.census_types())?;
        let answers = asked.iter().map(|(driver, types)| self.bounded(cx, driver.census(cx, types)));
        Ok(try_join_all(answers).await?.into_iter().flatten().collect())
    }

    /// A driver that never answers must not keep its caller for ever.
    async fn bounded<T>(&self, cx: &Context<'_>, call: impl Future<Output = Result<T>>) -> Result<T> {
        match select(std::pin::pin!(call), self.0.clock().sleep(cx.timeout)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let message = format!("no answer within {} s", cx.timeout.as_secs());
                Err(Error::new(Code::Unavailable, message).retry(Retry::Transient))
            }
        }
    }
}

/// A driver and the native types it is asked about.
type Asked = (Arc<dyn Driver>, Vec<String>);

fn by_driver(drivers: &dyn Drivers, types: Vec<String>) -> Result<Vec<Asked>> {
    let mut all: Vec<Asked> = Vec::new();
    for type_name in types {
        let driver = drivers.driver(&type_name)?;
        match all.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &driver)) {
            Some((_, list)) => list.push(type_name),
            None => all.push((driver, vec![type_name])),
        }
    }
    Ok(all)
}
