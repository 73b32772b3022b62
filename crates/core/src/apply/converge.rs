//! Plan, apply, converge: who may work, on what, and what is left to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::cancel::{Cancel, Urgency};
use super::lease::Until;
use super::limits::{LimitKey, Limits};
use super::look::absence;
use super::report::Report;
use super::run::run;
use super::scene::Scene;
use crate::clock::{Clock, drive};
use crate::driver::{Drivers, Found, Target};
use crate::event::{EventKind, Events, counted};
use crate::graph::{Blueprint, Expanded, Graph};
use crate::ledger::{Converged, Head, Ledger, Recheck, Record, Session, State};
use crate::plan::{self, Mode, Plan, Seen, SpecNow};
use crate::resource::{Catalog, IdentityClass, Reference, ResourceType, StackId, TargetField, Value, Verb};
use crate::scope::AllOutputs;
use crate::{Code, Error, Result};

/// How the engine behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who this process is to the other replicas; unique for each.
    pub holder: String,
    /// After how much time without a sign of life the lease may be taken over.
    pub time_to_live: Duration,
    /// How long one call to the cloud may take: a third of the time to live at most, however much is asked for.
    pub call_timeout: Duration,
    /// Asks running work to stop.
    pub cancel: Cancel,
    /// Which generation of the configuration this is; 0 is older than all that have a number.
    pub generation: u64,
    /// Whether to deploy this generation although a newer one was deployed.
    pub rollback: bool,
}

impl Options {
    /// The defaults: taken over after 30 s of silence, calls of at most 10 s.
    #[must_use]
    pub fn new(holder: impl Into<String>) -> Self {
        Self {
            holder: holder.into(),
            time_to_live: Duration::from_secs(30),
            call_timeout: Duration::from_secs(10),
            cancel: Cancel::new(),
            generation: 0,
            rollback: false,
        }
    }
}

/// Everything that plan, apply and converge need. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(super) setup: Arc<Setup>,
    /// The hash of the graph that is wanted.
    pub(super) wanted: Arc<str>,
    /// How it is made under other names, for objects that were moved.
    pub(super) blueprint: Option<Arc<Blueprint>>,
}

/// What this process may have left behind in the cloud without a word in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspect {
    Nothing,
    /// Calls that were under way when it lost the lease.
    LateCalls,
}

/// How long an index of tags may not know a new object, where the cloud says nothing of it.
const INDEX_LAG: Duration = Duration::from_secs(120);
/// How often one converge counts the cloud again after creates whose answers were lost.
const ROUNDS: u32 = 3;

/// What an [`Engine`] is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The stack.
    pub stack: StackId,
    /// What is wanted.
    pub expanded: Expanded,
    /// The declarations' specs now, for reasons.
    pub specs: BTreeMap<String, SpecNow>,
    /// The ledger.
    pub ledger: Ledger,
    /// The clouds' drivers.
    pub drivers: Arc<dyn Drivers>,
    /// The account and region that the drivers reach.
    pub target: Target,
    /// Limits on requests.
    pub limits: Limits,
    /// Who is told what happens.
    pub events: Events,
    /// The clock of the drivers.
    pub clock: Arc<dyn Clock>,
    /// All native types.
    pub catalog: Catalog,
    /// Values that must not be written or shown, wherever a cloud repeats them.
    pub secrets: Vec<SecretString>,
    /// How to behave.
    pub options: Options,
}

/// What a completed apply hands out.
#[derive(Debug)]
#[non_exhaustive]
pub struct Applied {
    /// What the declarations hand out; `None` after a destroy.
    pub outputs: Option<AllOutputs>,
    /// What was done.
    pub report: Report,
}

impl Engine {
    /// An engine of these parts.
    #[must_use]
    pub fn new(mut setup: Setup) -> Self {
        let Options { time_to_live, call_timeout, .. } = &mut setup.options;
        // No call starts that could outlive the lease: with calls as long as the lease, none would start at all.
        *call_timeout = (*time_to_live / 3).min(*call_timeout);
        let wanted = setup.expanded.graph.hash().into();
        Self { setup: Arc::new(setup), wanted, blueprint: None }
    }

    /// The same engine, which can expand its declarations for objects that were made under other names.
    #[must_use]
    pub fn with_blueprint(mut self, blueprint: Blueprint) -> Self {
        self.blueprint = Some(Arc::new(blueprint));
        self
    }

    /// Another engine that wants the same. The hash of the graph is not made again.
    pub(crate) fn another(&self, setup: Setup) -> Self {
        Self { setup: Arc::new(setup), wanted: self.wanted.clone(), blueprint: self.blueprint.clone() }
    }

    /// Plans without writing anything, anywhere.
    ///
    /// # Errors
    /// What the ledger, the cloud or the planner objects to.
    pub async fn plan(&self, mode: Mode) -> Result<Plan> {
        self.driven(async {
            let loaded = self.setup.ledger.load(&self.setup.stack).await?;
            self.check_target(&loaded.state)?;
            let engine = self.knowing(loaded.state.types());
            let scene = engine.scene(loaded.state.into(), mode)?;
            let seen = engine.look(&scene.state, mode, None).await?;
            engine.make_plan(&scene, &loaded.head, &seen, mode)
        })
        .await
    }

    /// Applies a plan: all of it and nothing else, or nothing when the world moved since it was made.
    ///
    /// # Errors
    /// [`Code::StalePlan`] with what moved, [`Code::Protected`] when consent is missing, [`Code::Cancelled`], the root
    /// causes of what failed, or what is wrong with the ledger.
    pub async fn apply(&self, plan: Plan) -> Result<Applied> {
        self.working(async {
            plan.check_consents()?;
            let Some(mut session) = self.lease(Until::Mine).await? else {
                return Err(Error::internal("no lease and no outputs"));
            };
            let result = self.apply_in(&mut session, &plan).await;
            self.hand_back(session, result).await
        })
        .await
    }

    /// Makes the world as it is declared, or finds that it is so already. Of any number of replicas that converge at
    /// once, one works and the others return its outputs.
    ///
    /// When nothing changed it reads the ledger's head and calls no cloud.
    ///
    /// # Errors
    /// As [`Engine::apply`]; [`Code::LostLedger`] when the ledger is empty and the cloud holds our resources.
    pub async fn converge(&self) -> Result<AllOutputs> {
        self.working(async {
            if let Some(peek) = self.setup.ledger.peek(&self.setup.stack).await?
                && let Some(converged) = peek.converged()
                && !self.must_recheck(converged, converged.recheck)
                && let Some(outputs) = self.settled(converged)
            {
                return Ok(outputs);
            }
            let mut suspect = Suspect::Nothing;
            loop {
                match self.turn(&mut suspect).await {
                    // Another replica took over, or deploys something else: its work is waited for like anybody's.
                    Err(error) if matches!(error.code(), Code::LeaseLost | Code::LeaseHeld) => {}
                    ended => return ended,
                }
            }
        })
        .await
    }

    /// Waits for the lease and does the work, or for another replica that does it.
    async fn turn(&self, suspect: &mut Suspect) -> Result<AllOutputs> {
        let until = if *suspect == Suspect::Nothing { Until::Settled } else { Until::Mine };
        let Some(mut session) = self.lease(until).await? else {
            // Another replica did the work while this one waited.
            return self.read_outputs().await;
        };
        let state = session.state();
        if *suspect == Suspect::Nothing
            && let Some(converged) = &state.converged
            && !self.must_recheck(converged, !state.recheck.is_no())
            && let Some(outputs) = self.settled(converged)
        {
            // Said once more: the newest entry is what everybody looks at first.
            let recheck = matches!(state.recheck, Recheck::Due | Recheck::Doubted);
            let said = Record::Converged(Box::new(Converged { recheck, ..converged.clone() }));
            session.release(vec![said]).await?;
            return Ok(outputs);
        }
        let result = self.converge_in(&mut session, suspect).await;
        let applied = self.hand_back(session, result).await?;
        // Where nothing is declared, nothing is handed out.
        Ok(applied.outputs.unwrap_or_default())
    }

    /// What the declarations hand out, as the last converge recorded it.
    ///
    /// # Errors
    /// [`Code::NotFound`] when nothing has converged yet, or what is wrong with the ledger.
    pub async fn outputs(&self) -> Result<AllOutputs> {
        self.driven(async {
            let loaded = self.setup.ledger.load(&self.setup.stack).await?;
            loaded.state.converged.map(|converged| converged.outputs).ok_or_else(|| {
                Error::new(Code::NotFound, format!("nothing has converged yet: {}", self.setup.stack))
                    .hint("call converge first")
            })
        })
        .await
    }

    /// Everything in the cloud that bears this stack's marks, read from the cloud alone.
    ///
    /// # Errors
    /// What the cloud answers.
    pub async fn census(&self) -> Result<Vec<Found>> {
        self.driven(self.count(&mut None)).await
    }

    /// The ledger's fold.
    ///
    /// # Errors
    /// What is wrong with the ledger.
    pub async fn state(&self) -> Result<State> {
        self.driven(async { Ok(self.setup.ledger.load(&self.setup.stack).await?.state) }).await
    }

    /// As `driven`, and ends at once when the caller asks for it, wherever the work stands.
    pub(super) async fn working<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        let cancel = &self.setup.options.cancel;
        self.driven(async {
            let mut future = std::pin::pin!(future);
            std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
                Poll::Pending => cancel
                    .poll_beyond(Some(Urgency::StartNothing), cx.waker())
                    .map(|_| Err(Error::new(Code::Cancelled, "the caller asked to stop").hint("run converge again"))),
                ready => ready,
            })
            .await
        })
        .await
    }

    pub(super) async fn driven<T>(&self, future: impl Future<Output = T>) -> T {
        drive(self.setup.clock.clone(), future).await
    }

    async fn converge_in(&self, session: &mut Session, suspect: &mut Suspect) -> Result<Applied> {
        self.check_target(session.state())?;
        self.check_generation(session.state())?;
        if *suspect == Suspect::LateCalls {
            session.commit(vec![Record::Recheck]).await?;
            // What left with this process when it woke arrives before it looks.
            self.rest(self.longest_flight(), &mut Some(session)).await?;
            *suspect = Suspect::Nothing;
        }
        if session.state().is_empty() && !self.count(&mut Some(session)).await?.is_empty() {
            // Unless it is the work of whoever has taken over meanwhile.
            session.renew().await?;
            return Err(self.lost_ledger());
        }
        let engine = self.knowing(session.state().types());
        let mut report = Report::default();
        if session.state().recheck == Recheck::Doubted {
            // Whoever made it may have died a moment ago.
            report.repeated = Some(self.setup.clock.now());
        }
        for round in 1.. {
            let scene = engine.scene(session.snapshot(), Mode::Converge)?;
            let seen = engine.look(&scene.state, Mode::Converge, Some(session)).await?;
            let plan = engine.make_plan(&scene, session.head(), &seen, Mode::Converge)?;
            // What is not needed any more makes room.
            drop((scene, seen));
            plan.check_consents()?;
            let made = engine.make(session, &plan, suspect).await?;
            // What the first look missed, the next one sees.
            let stale = made.is_stale() && round < ROUNDS;
            report.add(if stale { made } else { made.into_result()? });
            if stale {
                continue;
            }
            let Some(repeated) = report.repeated.take_if(|_| round < ROUNDS) else {
                let counted = report.repeated.is_none();
                return engine.conclude(session, &plan, report, counted).await;
            };
            // What may have been made twice is counted, and the surplus removed, before anybody relies on it.
            let shown = repeated + self.longest_doubt();
            self.rest(shown.saturating_sub(self.setup.clock.now()), &mut Some(session)).await?;
        }
        Err(Error::internal("rounds without an end"))
    }

    async fn apply_in(&self, session: &mut Session, plan: &Plan) -> Result<Applied> {
        self.check_target(session.state())?;
        if plan.stack != self.setup.stack || plan.target != self.setup.target {
            return Err(Error::new(Code::WrongTarget, format!("the plan was made for another target: {}", plan.stack)));
        }
        plan.check_base(session.state(), session.head())?;
        if plan.graph != Graph::default().hash() {
            self.check_generation(session.state())?;
        }
        let types = plan.operations.iter().map(|operation| operation.type_name.as_str());
        let engine = self.knowing(session.state().types().chain(types));
        let report = engine.make(session, plan, &mut Suspect::Nothing).await?.into_result()?;
        engine.conclude(session, plan, report, false).await
    }

    /// Makes the changes of a plan. The report says which of them failed.
    async fn make(&self, session: &mut Session, plan: &Plan, suspect: &mut Suspect) -> Result<Report> {
        let usually = plan.usual.typical;
        self.tell(&EventKind::Planned { changes: counted(&plan.counts()), unchanged: plan.unchanged, usually });
        let generation = self.setup.options.generation;
        let destroys = plan.graph == Graph::default().hash();
        let mut first: Vec<_> = plan.moves.iter().cloned().map(Record::Moved).collect();
        if !destroys && session.state().generation != generation {
            // Before the first change, so that an older replica that takes over from a dead newer one knows.
            first.push(Record::Generation { number: generation });
        }
        self.preflight(plan).await?;
        if session.renew_due().is_zero() {
            session.renew().await?;
        }
        if !first.is_empty() {
            session.commit(first).await?;
        }
        let report = run(self.setup.clone(), session, plan).await;
        // What is late has an intent that is open: whoever has the lease next looks for it.
        if report.late && !self.may_write(&report) {
            *suspect = Suspect::LateCalls;
        }
        Ok(report)
    }

    /// Whether the lease is still there to write with, and the caller has time for it.
    fn may_write(&self, report: &Report) -> bool {
        let kept = report.stopped.as_ref().is_none_or(|error| error.code() == Code::Cancelled);
        kept && self.setup.options.cancel.asked() != Some(Urgency::ReturnNow)
    }

    /// Writes down that everything is as the plan wanted it, and what the declarations hand out; and whether the cloud was
    /// `counted` when an index of tags knew all that may have been made twice.
    async fn conclude(&self, session: &mut Session, plan: &Plan, report: Report, counted: bool) -> Result<Applied> {
        if plan.graph == Graph::default().hash() {
            return Ok(Applied { outputs: None, report });
        }
        let generation = self.setup.options.generation;
        let recheck = match session.state().recheck {
            Recheck::Due => true,
            Recheck::Doubted => !counted,
            Recheck::No | Recheck::UnderWay => false,
        };
        let state = session.state();
        let renamed = self.under(&state.former)?;
        let (outputs, specs) = match &plan.restores {
            Some(then) => {
                let resolve = |reference: &Reference| self.recorded(state, reference);
                (then.outputs_now(&resolve)?, then.converged.specs.clone())
            }
            None => (
                self.resolve_outputs(&renamed.as_ref().unwrap_or(&self.setup.expanded).outputs, state)?,
                self.setup.specs.iter().map(|(name, now)| (name.clone(), now.json.clone())).collect(),
            ),
        };
        let converged = Converged { graph: plan.graph.clone(), generation, outputs: outputs.clone(), specs, recheck };
        session.release(vec![Record::Converged(Box::new(converged))]).await?;
        let resources = session.state().resources.len();
        self.tell(&EventKind::Converged { resources, mutations: report.mutations });
        Ok(Applied { outputs: Some(outputs), report })
    }

    async fn read_outputs(&self) -> Result<AllOutputs> {
        let loaded = self.setup.ledger.load(&self.setup.stack).await?;
        loaded.state.converged.as_ref().and_then(|converged| self.settled(converged)).ok_or_else(|| {
            Error::new(Code::LeaseHeld, "another replica converged to something else meanwhile").hint("converge again")
        })
    }

    /// The recorded outputs, if this process has nothing to add: all is as it wants it, or a newer generation of the
    /// configuration converged and this one must not change anything back.
    pub(super) fn settled(&self, converged: &Converged) -> Option<AllOutputs> {
        let &Options { generation, rollback, .. } = &self.setup.options;
        if converged.generation > generation && !rollback {
            self.tell(&EventKind::Superseded { generation, deployed: converged.generation });
        } else if converged.graph != *self.wanted || converged.generation != generation {
            return None;
        }
        self.tell(&EventKind::Converged { resources: self.setup.expanded.graph.len(), mutations: 0 });
        Some(converged.outputs.clone())
    }

    /// Whether this process counts the cloud once more, although nothing is wanted. An older generation changes nothing.
    pub(super) fn must_recheck(&self, converged: &Converged, due: bool) -> bool {
        let &Options { generation, rollback, .. } = &self.setup.options;
        due && (converged.generation <= generation || rollback)
    }

    pub(super) fn check_generation(&self, state: &State) -> Result<()> {
        let (mine, deployed) = (self.setup.options.generation, state.generation);
        if deployed <= mine || self.setup.options.rollback {
            return Ok(());
        }
        Err(Error::new(
            Code::Superseded,
            format!("this is generation {mine}, and a newer one is being deployed: {deployed}"),
        )
        .hint("let a replica of the newer generation finish; to go back on purpose set rollback"))
    }

    pub(super) fn make_plan(&self, scene: &Scene, head: &Head, seen: &Seen, mode: Mode) -> Result<Plan> {
        plan::plan(&plan::Input {
            stack: &self.setup.stack,
            target: &self.setup.target,
            head,
            expanded: scene.expanded.as_ref().unwrap_or(&self.setup.expanded),
            specs: scene.specs.as_ref().unwrap_or(&self.setup.specs),
            moves: &scene.moves,
            state: &scene.state,
            seen,
            consents: &[],
            mode,
        })
    }

    pub(super) fn check_target(&self, state: &State) -> Result<()> {
        match &state.target {
            Some(pinned) if *pinned != self.setup.target => Err(Error::new(
                Code::WrongTarget,
                format!(
                    "the stack is pinned to account {} in {}, and the credentials reach account {} in {}",
                    pinned.account, pinned.region, self.setup.target.account, self.setup.target.region
                ),
            )
            .hint("use credentials and a region of the pinned target, or a ledger of its own for the other one")),
            _ => Ok(()),
        }
    }

    /// How long a call may be on its way, and what it did out of sight of a look by name or id.
    fn longest_flight(&self) -> Duration {
        let lags = self
            .setup
            .expanded
            .graph
            .iter()
            .filter_map(|resource| self.setup.catalog.get(&resource.type_name).ok().map(|of| of.lag));
        absence(lags.max().unwrap_or_default() + self.setup.options.call_timeout)
    }

    /// How long a call may be on its way, and what it made out of sight of a search by tags.
    fn longest_doubt(&self) -> Duration {
        let lags = self.setup.expanded.graph.iter().filter_map(|resource| {
            let of = self.setup.catalog.get(&resource.type_name).ok()?;
            (of.identity == IdentityClass::Tagged && !of.lag.is_zero()).then(|| of.lag.max(INDEX_LAG))
        });
        absence(lags.max().unwrap_or_default() + self.setup.options.call_timeout)
    }

    fn lost_ledger(&self) -> Error {
        Error::new(
            Code::LostLedger,
            format!("the ledger is empty, and the cloud holds resources of this stack: {}", self.setup.stack),
        )
        .hint("point the ledger at the store it was in; if that is lost, call rebuild, which changes nothing in the cloud")
    }

    fn resolve_outputs(&self, outputs: &AllOutputs, state: &State) -> Result<AllOutputs> {
        let internal = |error: serde_json::Error| Error::internal("outputs do not survive JSON").because(error);
        let json = serde_json::to_value(outputs).map_err(internal)?;
        let resolved = Value::from_json(json).resolve(&|value| match value {
            Value::Reference(reference) => self.recorded(state, reference),
            Value::Target(field) => Some(self.setup.target_field(*field)),
            _ => None,
        });
        serde_json::from_value(resolved.to_json()).map_err(internal)
    }

    /// What the ledger says of an output.
    fn recorded(&self, state: &State, reference: &Reference) -> Option<Value> {
        let held = state.resources.get(&reference.target)?;
        let of = self.setup.catalog.get(&held.type_name).ok()?;
        let name = if reference.attribute.is_empty() { of.identifier } else { &reference.attribute };
        crate::driver::output(&held.outputs, name).cloned()
    }

    pub(super) fn tell(&self, kind: &EventKind) {
        self.setup.events.send(self.setup.clock.now(), kind);
    }

    /// The graph that is wanted.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.setup.expanded.graph
    }

    /// Everything the engine is made of.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }
}

impl Setup {
    pub(super) fn target_field(&self, field: TargetField) -> Value {
        match field {
            TargetField::Account => (&self.target.account).into(),
            TargetField::Region => (&self.target.region).into(),
            TargetField::Partition => (&self.target.partition).into(),
        }
    }

    pub(super) fn limit_key(&self, of: &ResourceType, verb: Verb) -> LimitKey {
        let principal = format!("{}/{}", self.target.account, self.target.region);
        LimitKey::of(of.api, &principal, of.verbs.of(verb).first().copied().unwrap_or(&of.name), verb)
    }

    /// The text without any secret that the caller gave.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if secret.expose_secret().len() >= 4 && text.contains(secret.expose_secret()) {
                text = text.replace(secret.expose_secret(), "[redacted]");
            }
        }
        text
    }

    /// The error without any secret that the caller gave, wherever a cloud repeated it.
    pub(super) fn scrubbed(&self, error: Error) -> Error {
        error.map_texts(&|text| self.scrub(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::StackId;
    use crate::sim::SimCloud;

    fn engine(cloud: &SimCloud) -> Engine {
        let catalog = Catalog::default();
        let expanded = Expanded { graph: Graph::default(), outputs: AllOutputs::default(), catalog: catalog.clone() };
        Engine::new(Setup {
            stack: StackId::new("inferloop", "dev"),
            expanded,
            specs: BTreeMap::new(),
            ledger: cloud.ledger(),
            drivers: cloud.drivers(),
            target: cloud.target(),
            limits: Limits::new(),
            events: Events::default(),
            clock: cloud.clock(),
            catalog,
            secrets: Vec::new(),
            options: Options::new("first"),
        })
    }

    #[tokio::test]
    async fn outputs_of_something_else_are_not_handed_out() {
        let engine = engine(&SimCloud::empty(1));
        assert_eq!(engine.converge().await.unwrap(), AllOutputs::default(), "nothing is declared");
        let error = engine.driven(engine.read_outputs()).await.unwrap_err();
        assert_eq!(error.code(), Code::LeaseHeld);
    }
}
