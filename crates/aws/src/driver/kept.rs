//! How one native type is kept: what its file of calls says, and what is done the same way for every type.

use std::fmt::Debug;

use async_trait::async_trait;
use landfall_core::driver::{Context, Driver, Found, Health, Observation, Observed, Operation, Progress};
use landfall_core::resource::{Claim, Identity, Marks, Ownership, Properties, ResourceType, TagStyle, Verb};
use landfall_core::{Code, Error, Result, Retry};

use super::api::Api;
use super::secrets;

/// The calls by which the API keeps objects of one native type. Properties are in CloudFormation's schema.
#[async_trait]
pub(super) trait Kept: Debug + Send + Sync {
    /// The native type's name.
    fn type_name(&self) -> &'static str;

    /// The properties that these calls can set, besides the tags. A declaration with another one is refused.
    fn settable(&self) -> &'static [&'static str];

    /// Reads objects, in as few calls as the API allows. What does not exist is left out; a failure is an error, and never
    /// an omission. More may be returned than was asked for.
    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>>;

    /// Makes one, with its marks in the first call.
    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started>;

    /// Changes one in place: the properties whose paths are in `changed`.
    async fn update(&self, call: &Call<'_>, at: &Identity, desired: &Properties, changed: &[String])
    -> Result<Started>;

    /// Deletes one. What does not exist any more is no error; neither need it be told here, an error with
    /// [`Code::NotFound`] is taken for it.
    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started>;

    /// How an operation with a handle is getting on, for what the object's own state does not say, such as that an update
    /// has failed. `None` leaves it to the object's state.
    async fn follow(&self, _call: &Call<'_>, _operation: &Operation) -> Result<Option<Progress>> {
        Ok(None)
    }
}

/// What a call is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) api: &'a Api,
    pub(super) of: &'a ResourceType,
    pub(super) cx: &'a Context<'a>,
}

/// Which objects are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    /// These, by id where it is known and else by the claim.
    These(&'a [Identity]),
    /// All that bear the marks of the stack.
    Marked,
}

/// An object as a read shows it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: String,
    /// In CloudFormation's schema, the tags among them, and nothing that the cloud made up where nothing was declared
    /// that a comparison would take for drift. No secrets.
    pub(super) properties: Properties,
    /// By the names in the type's table, dotted ones as they stand there; the identifier among them.
    pub(super) outputs: Properties,
    pub(super) health: Health,
}

/// What came of a mutating call.
#[derive(Clone, Debug)]
pub(super) struct Started {
    /// The object's id.
    pub(super) id: String,
    pub(super) handle: Option<String>,
    pub(super) progress: Progress,
}

impl Started {
    /// All is done, and the object is as this shows.
    pub(super) fn done(seen: Seen) -> Self {
        Self { id: seen.id, handle: None, progress: Progress::Done(seen.outputs) }
    }

    /// The object is there, and the rest takes an update.
    pub(super) fn unfinished(seen: Seen) -> Self {
        Self { id: seen.id, handle: None, progress: Progress::Unfinished(seen.outputs) }
    }

    /// The cloud is at work; `phase` is its own word for it.
    pub(super) fn running(id: impl Into<String>, phase: impl Into<String>) -> Self {
        Self { id: id.into(), handle: None, progress: running(phase) }
    }

    /// A delete is done.
    pub(super) fn gone(id: impl Into<String>) -> Self {
        Self { id: id.into(), handle: None, progress: Progress::Done(Properties::new()) }
    }

    /// By what [`Kept::follow`] asks for it.
    pub(super) fn handle(mut self, handle: impl Into<String>) -> Self {
        self.handle = Some(handle.into());
        self
    }
}

/// The cloud is at work.
pub(super) fn running(phase: impl Into<String>) -> Progress {
    Progress::Running { phase: phase.into(), message: String::new() }
}

impl<'a> Which<'a> {
    /// The ids that are known, each once.
    pub(super) fn ids(self) -> Vec<&'a str> {
        let mut ids: Vec<&str> = self.identities().iter().filter_map(|one| one.id.as_deref()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Those whose id is not known.
    pub(super) fn unknown(self) -> impl Iterator<Item = &'a Identity> {
        self.identities().iter().filter(|one| one.id.is_none())
    }

    /// What is asked for by name: the parts of the name, as the type's table lists them. The id counts where a type's id is
    /// its name, which the caller knows.
    pub(super) fn names(self) -> impl Iterator<Item = &'a [String]> {
        self.identities().iter().filter_map(|one| match &one.claim {
            Claim::Name(names) => Some(names.as_slice()),
            _ => None,
        })
    }

    /// The names, each once, of types whose id is their name: the id where it is known, else the last part of the name.
    pub(super) fn named(self) -> Vec<String> {
        let name = |one: &Identity| match (&one.id, &one.claim) {
            (Some(id), _) => Some(id.clone()),
            (None, Claim::Name(parts)) => parts.last().cloned(),
            _ => None,
        };
        let mut names: Vec<String> = self.identities().iter().filter_map(name).collect();
        names.sort();
        names.dedup();
        names
    }

    /// A name as it was asked for, of types whose API answers with names in lower case whatever it was given.
    pub(super) fn spelled(self, found: &str) -> String {
        let asked = self.names().filter_map(|parts| parts.last()).find(|name| name.eq_ignore_ascii_case(found));
        asked.map_or_else(|| found.to_owned(), Clone::clone)
    }

    pub(super) fn identities(self) -> &'a [Identity] {
        match self {
            Self::These(these) => these,
            Self::Marked => &[],
        }
    }
}

impl Call<'_> {
    /// The object of this identity, read once more.
    pub(super) async fn again(&self, kept: &dyn Kept, at: &Identity) -> Result<Option<Seen>> {
        let all = kept.read(self, Which::These(std::slice::from_ref(at))).await?;
        Ok(all.into_iter().find(|seen| self.means(at, seen)))
    }

    /// What became of a change that is done when the call returns.
    pub(super) async fn settled(&self, kept: &dyn Kept, at: &Identity) -> Result<Started> {
        match self.again(kept, at).await? {
            Some(seen) => Ok(Started::done(seen)),
            None => Ok(Started::running(at.id.clone().unwrap_or_default(), "not visible yet")),
        }
    }

    /// Whether an identity means this object.
    fn means(&self, at: &Identity, seen: &Seen) -> bool {
        if let Some(id) = &at.id {
            return *id == seen.id;
        }
        let value = |path: &str| {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            seen.properties.get(first).and_then(|value| value.at(rest)).cloned().unwrap_or_default()
        };
        match &at.claim {
            Claim::Name(names) => {
                let landfall_core::resource::IdentityClass::Named(paths) = self.of.identity else { return false };
                paths.len() == names.len()
                    && paths.iter().zip(names).all(|(path, name)| value(path).as_str().unwrap_or_default() == name)
            }
            Claim::Tuple(values) => values.iter().all(|(path, wanted)| value(path) == *wanted),
            Claim::Token(_) | Claim::Marks => self.marks(seen).is_some_and(|marks| {
                marks.stack == self.cx.stack.to_string()
                    && marks.address == at.address
                    && marks.generation == at.generation
            }),
        }
    }

    fn marks(&self, seen: &Seen) -> Option<Marks> {
        Marks::read(self.of, &seen.properties)
    }

    fn owner(&self, seen: &Seen) -> Ownership {
        match self.marks(seen) {
            Some(marks) if marks.stack == self.cx.stack.to_string() => Ownership::Ours(marks),
            None if self.of.tags == TagStyle::None => Ownership::Inherited,
            _ => Ownership::Foreign,
        }
    }

    fn observed(&self, seen: Seen) -> Observed {
        let owner = self.owner(&seen);
        Observed { id: seen.id, properties: seen.properties, outputs: seen.outputs, owner, health: seen.health }
    }
}

/// The driver of one native type.
#[derive(Debug)]
pub(super) struct Keeper<K> {
    kept: K,
    of: ResourceType,
    api: Api,
}

impl<K: Kept> Keeper<K> {
    pub(super) fn new(kept: K, of: ResourceType, api: Api) -> Self {
        Self { kept, of, api }
    }

    fn call<'a>(&'a self, cx: &'a Context<'a>) -> Call<'a> {
        Call { api: &self.api, of: &self.of, cx }
    }

    /// Refuses what would silently not be set.
    fn check(&self, desired: &Properties) -> Result<()> {
        let tags = match self.of.tags {
            TagStyle::List(property) | TagStyle::Map(property) => property,
            TagStyle::Specifications(_) => "TagSpecifications",
            _ => "",
        };
        let settable = self.kept.settable();
        let unknown = desired.keys().find(|name| *name != tags && !settable.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some(name) => Err(Error::new(
                Code::InvalidRequest,
                format!("a property of {} that its driver cannot set: {name}", self.of.name),
            )
            .hint(format!("leave it out; it sets {}", settable.join(", ")))),
        }
    }

    /// Before anything is changed: the account and the region are those that the stack is pinned to.
    fn pinned(&self, cx: &Context<'_>) -> Result<()> {
        self.api.check_target(cx.target)
    }

    fn operation(&self, at: &Identity, verb: Verb, started: Started) -> Operation {
        let mut identity = at.clone();
        if !started.id.is_empty() {
            identity.id = Some(started.id);
        }
        let progress = match started.progress {
            Progress::Failed(error) => Progress::Failed(error.at(&at.address)),
            other => other,
        };
        Operation { identity, verb, handle: started.handle, progress }
    }

    fn judged(&self, call: &Call<'_>, operation: &Operation, seen: Option<&Seen>) -> Progress {
        let verb = operation.verb;
        match (seen.map(|seen| (&seen.health, seen)), verb) {
            (None, Verb::Delete) => Progress::Done(Properties::new()),
            // It was accepted, so that a read which does not show it is behind.
            (None, _) => running("not visible yet"),
            (Some((Health::Deleting, _)), Verb::Delete) => running("deleting"),
            (Some((Health::Deleting, _)), _) => Progress::Failed(
                Error::new(Code::Conflict, "somebody deletes it".to_owned()).at(&operation.identity.address),
            ),
            (Some((Health::Failed(reason), _)), _) => Progress::Failed(
                Error::new(Code::ProvisioningFailed, reason.clone())
                    .during(call.of.verbs.of(verb).first().copied().unwrap_or_default())
                    .at(&operation.identity.address),
            ),
            (Some((Health::Busy(phase), _)), _) => running(phase.clone()),
            (Some((Health::Ready, _)), Verb::Delete) => running("not deleting yet"),
            (Some((Health::Ready, seen)), _) => Progress::Done(seen.outputs.clone()),
        }
    }
}

#[async_trait]
impl<K: Kept> Driver for Keeper<K> {
    async fn observe(&self, cx: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>> {
        let call = self.call(cx);
        let all = match self.kept.read(&call, Which::These(these)).await {
            Ok(all) => all,
            Err(error) => return Err(self.api.explained(error).await),
        };
        Ok(these
            .iter()
            .map(|at| match all.iter().find(|seen| call.means(at, seen)) {
                Some(seen) => Observation::Present(Box::new(call.observed(seen.clone()))),
                None => Observation::Absent,
            })
            .collect())
    }

    async fn census(&self, cx: &Context<'_>, _types: &[String]) -> Result<Vec<Found>> {
        let call = self.call(cx);
        let all = match self.kept.read(&call, Which::Marked).await {
            Ok(all) => all,
            Err(error) => return Err(self.api.explained(error).await),
        };
        let stack = cx.stack.to_string();
        Ok(all
            .into_iter()
            .filter_map(|seen| {
                let marks = call.marks(&seen).filter(|marks| marks.stack == stack)?;
                let id = seen.id.clone();
                Some(Found { type_name: self.of.name.to_string(), id, marks, observed: call.observed(seen) })
            })
            .collect())
    }

    async fn create(&self, cx: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation> {
        self.check(desired)?;
        self.pinned(cx)?;
        let call = self.call(cx);
        let desired = secrets::fetched(&self.api, desired).await?;
        match self.kept.create(&call, at, &desired).await {
            Ok(started) => Ok(self.operation(at, Verb::Create, started)),
            Err(error) => Err(self.api.explained(error).await),
        }
    }

    async fn update(
        &self,
        cx: &Context<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Operation> {
        self.check(desired)?;
        self.pinned(cx)?;
        let call = self.call(cx);
        let desired = secrets::fetched(&self.api, desired).await?;
        match self.kept.update(&call, at, &desired, changed).await {
            Ok(started) => Ok(self.operation(at, Verb::Update, started)),
            Err(error) => Err(self.api.explained(error).await),
        }
    }

    async fn delete(&self, cx: &Context<'_>, at: &Identity) -> Result<Operation> {
        self.pinned(cx)?;
        match self.kept.delete(&self.call(cx), at).await {
            Ok(started) => Ok(self.operation(at, Verb::Delete, started)),
            Err(error) if error.code() == Code::NotFound => {
                Ok(Operation::done(at.clone(), Verb::Delete, Properties::new()))
            }
            Err(error) => Err(self.api.explained(error).await),
        }
    }

    async fn poll(&self, cx: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        let call = self.call(cx);
        let identities: Vec<Identity> = these.iter().map(|operation| operation.identity.clone()).collect();
        let all = match self.kept.read(&call, Which::These(&identities)).await {
            Ok(all) => all,
            Err(error) => return Err(self.api.explained(error).await),
        };
        let mut answers = Vec::with_capacity(these.len());
        for operation in these {
            let followed = match &operation.handle {
                Some(_) => self.kept.follow(&call, operation).await?,
                None => None,
            };
            answers.push(followed.unwrap_or_else(|| {
                let seen = all.iter().find(|seen| call.means(&operation.identity, seen));
                self.judged(&call, operation, seen)
            }));
        }
        Ok(answers)
    }
}

/// The cloud's answer lacks what it always has.
pub(super) fn incomplete(what: &str) -> Error {
    Error::new(Code::OutcomeUnknown, format!("the answer lacks what it always has: {what}")).retry(Retry::Unknown)
}
