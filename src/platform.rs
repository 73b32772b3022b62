//! The handle that a service keeps.

use landfall_core::apply::{Cancel, Engine, Rebuilt, Report, Residue};
use landfall_core::driver::Found;
use landfall_core::event::{Events, Listener};
use landfall_core::graph::Graph;
use landfall_core::ledger::Past;
use landfall_core::plan::{Mode, Plan, Reverse};
use landfall_core::rehearse::{self, Rehearsal};
use landfall_core::resource::Catalog;
use landfall_core::sim::SimCloud;
use landfall_core::{Error, Result, cloud};

use crate::{Outputs, PlatformBuilder};

/// A declared platform: plan it, apply it, converge it, ask what it hands out.
///
/// Cheap to clone, and the clones are one platform. It keeps no thread, no task and no connection of its own.
#[derive(Clone, Debug)]
pub struct Platform {
    pub(crate) engine: Engine,
    pub(crate) simulated: Option<SimCloud>,
    pub(crate) warnings: std::sync::Arc<Vec<Error>>,
}

impl Platform {
    /// Starts declaring a platform: a project and an environment, which together name its stack, on one cloud.
    #[must_use]
    pub fn builder(project: &str, environment: &str, cloud: impl cloud::Cloud + 'static) -> PlatformBuilder {
        PlatformBuilder::new(project, environment, cloud)
    }

    /// What would change, and why. Reads the ledger and the cloud; writes nothing, anywhere.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// What the ledger, the cloud or the planner objects to.
    pub async fn plan(&self) -> Result<Plan> {
        self.engine.plan(Mode::Converge).await
    }

    /// The plan that deletes everything this stack owns.
    ///
    /// # Errors
    /// As [`Platform::plan`].
    pub async fn plan_destroy(&self) -> Result<Plan> {
        self.engine.plan(Mode::Destroy).await
    }

    /// What taking a plan back would do, and what it would not bring back: for reading, before the plan is applied.
    ///
    /// # Errors
    /// [`Code::UnknownType`](crate::Code::UnknownType) when the plan is of another cloud.
    pub fn plan_back(&self, plan: &Plan) -> Result<Reverse> {
        plan.reverse(self.catalog())
    }

    /// A page of what happened to the stack, in words and the newest first: up to `limit` entries of the ledger with
    /// numbers below `before`. `None` starts with the newest.
    ///
    /// # Errors
    /// What is wrong with the ledger.
    pub async fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<Past>> {
        self.engine.history(before, limit).await
    }

    /// The plan that leads back to what had converged at this entry of the ledger, or last before it. It is applied like
    /// any other, and asks for consent like any other; data that is gone does not come back.
    ///
    /// The declarations do not change by it: the next converge makes what they say again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> landfall::Result<()> {
    /// use landfall::prelude::*;
    ///
    /// let (cloud, ledger) = (landfall::aws::simulated("eu-west-1", 1, landfall::sim::Time::Virtual), Ledger::memory());
    /// let release = |owner: &str| {
    ///     let mut platform = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    ///     platform.simulate(&cloud).ledger(ledger.clone()).tag("Owner", owner);
    ///     platform.bucket("files", BucketSpec::new());
    ///     platform.build()
    /// };
    /// release("blue")?.converge().await?;
    /// let newer = release("green")?;
    /// newer.converge().await?;
    ///
    /// let history = newer.history(None, 100).await?;
    /// let converged: Vec<_> = history.iter().filter(|past| past.converged.is_some()).collect();
    /// let plan = newer.plan_to(converged[1].number).await?;
    /// newer.apply(plan).await?;
    /// assert!(release("blue")?.plan().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Code::NotFound`](crate::Code::NotFound) when there is no such entry or nothing had converged by then,
    /// [`Code::MissingSecret`](crate::Code::MissingSecret) when a secret has another value than then, and as [`Platform::plan`].
    pub async fn plan_to(&self, entry: u64) -> Result<Plan> {
        self.engine.plan_to(entry).await
    }

    /// Applies a reviewed plan: all of it and nothing else, or nothing when the world moved since it was made.
    ///
    /// Cancel-safe: dropping the future leaves a ledger that the next run continues from.
    ///
    /// # Errors
    /// [`Code::StalePlan`](crate::Code::StalePlan), [`Code::Protected`](crate::Code::Protected), [`Code::Superseded`](crate::Code::Superseded), [`Code::Cancelled`](crate::Code::Cancelled), or the root causes of what failed.
    pub async fn apply(&self, plan: Plan) -> Result<Report> {
        Ok(self.engine.apply(plan).await?.report)
    }

    /// Makes the world as it is declared, or finds that it is so already, and returns what it hands out.
    ///
    /// Any number of replicas may call it at once: one works, the others wait and return the same outputs. When nothing
    /// changed it reads the head of the ledger and calls no cloud. Cancel-safe like [`Platform::apply`].
    ///
    /// # Errors
    /// As [`Platform::apply`]; [`Code::LostLedger`](crate::Code::LostLedger) when the ledger is empty and the cloud holds our resources.
    pub async fn converge(&self) -> Result<Outputs> {
        self.engine.converge().await.map(Outputs::new)
    }

    /// Applies the plan of [`Platform::plan_destroy`] and proves by a census that nothing is left.
    ///
    /// # Errors
    /// As [`Platform::apply`]; [`Code::Unresolved`](crate::Code::Unresolved) when something that bears our marks is still there.
    pub async fn destroy(&self, plan: Plan) -> Result<Report> {
        let report = self.apply(plan).await?;
        self.residue().await?.check()?;
        Ok(report)
    }

    /// What still bears this stack's marks, after a crash or a destroy: read from the cloud alone, with what the ledger
    /// makes of it.
    ///
    /// # Errors
    /// What the cloud answers. A ledger that cannot be read is no error.
    pub async fn residue(&self) -> Result<Residue> {
        self.engine.residue().await
    }

    /// Writes a ledger that is lost anew, from what the cloud says. Nothing in the cloud is changed; what holds data is
    /// protected from the first entry on.
    ///
    /// It needs a ledger that says nothing of resources yet, such as an empty folder. Afterwards [`Platform::plan`] shows
    /// what is left to do: nothing, when everything is as declared. What is not declared any more shows as a deletion there,
    /// with consent where it holds data.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> landfall::Result<()> {
    /// use landfall::prelude::*;
    ///
    /// let cloud = landfall::aws::simulated("eu-west-1", 1, landfall::sim::Time::Virtual);
    /// let with = |ledger: Ledger| {
    ///     let mut platform = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    ///     platform.simulate(&cloud).ledger(ledger);
    ///     platform.bucket("files", BucketSpec::new());
    ///     platform.build()
    /// };
    /// with(Ledger::memory())?.converge().await?;
    ///
    /// let platform = with(Ledger::memory())?; // the ledger is another one, and empty
    /// println!("{}", platform.rebuild().await?);
    /// assert!(platform.plan().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Code::LedgerInUse`](crate::Code::LedgerInUse) when the ledger says anything of resources already,
    /// [`Code::Unresolved`](crate::Code::Unresolved) when two objects bear the same marks or something cannot be seen, and what the
    /// ledger or the cloud answers.
    pub async fn rebuild(&self) -> Result<Rebuilt> {
        self.engine.rebuild().await
    }

    /// Rehearses what would be made in a simulated cloud, from an empty world: the process is killed at its calls, another
    /// one resumes, and the laws judge what comes of it. Neither the platform's cloud nor its ledger is read or changed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use landfall::prelude::*;
    /// use landfall::rehearse::Options;
    ///
    /// let mut platform = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    /// platform.bucket("files", BucketSpec::new());
    /// let platform = platform.build()?;
    /// let rehearsal = platform.rehearse(&Options::new().at_most(50)).await?;
    /// println!("{rehearsal}");
    /// rehearsal.check()?;
    /// # assert!(rehearsal.branches > 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What stops a run that nothing disturbs, or [`Code::Cancelled`](crate::Code::Cancelled). Broken laws stand in the [`Rehearsal`].
    pub async fn rehearse(&self, options: &rehearse::Options) -> Result<Rehearsal> {
        rehearse::rehearse(&self.engine, options).await
    }

    /// What the last converge handed out, from the ledger alone.
    ///
    /// # Errors
    /// [`Code::NotFound`](crate::Code::NotFound) when nothing has converged yet.
    pub async fn outputs(&self) -> Result<Outputs> {
        self.engine.outputs().await.map(Outputs::new)
    }

    /// Everything in the cloud that bears this stack's marks, read from the cloud alone.
    ///
    /// # Errors
    /// What the cloud answers.
    pub async fn census(&self) -> Result<Vec<Found>> {
        self.engine.census().await
    }

    /// Everything that happens from now on, as a stream.
    #[must_use]
    pub fn events(&self) -> Listener {
        self.stream().listen()
    }

    /// Ends the streams of all listeners.
    pub fn close_events(&self) {
        self.stream().close();
    }

    /// Asks running work to stop: once to start nothing new, twice to return at once.
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.engine.setup().options.cancel.clone()
    }

    /// What was found doubtful in the declarations and did not stop the build.
    #[must_use]
    pub fn warnings(&self) -> &[Error] {
        &self.warnings
    }

    /// The native resources that are wanted.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        self.engine.graph()
    }

    /// The native types of the platform's clouds.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.engine.setup().catalog
    }

    /// The simulated cloud it stands on, when it does.
    #[must_use]
    pub fn simulated(&self) -> Option<&SimCloud> {
        self.simulated.as_ref()
    }

    /// The engine beneath, for tools that need its single steps.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    fn stream(&self) -> &Events {
        &self.engine.setup().events
    }
}

/// For tests: rehearses this platform with the default options, which end each branch with a destroy, and panics unless
/// every law holds.
///
/// # Panics
/// When the rehearsal cannot be run or a law is broken; the message is the whole report.
pub async fn assert_rehearsed(platform: &Platform) {
    let rehearsed = platform.rehearse(&rehearse::Options::new().destroying()).await;
    let report = rehearsed.as_ref().map_or_else(ToString::to_string, ToString::to_string);
    assert!(rehearsed.is_ok_and(|rehearsal| rehearsal.holds()), "{report}");
}
