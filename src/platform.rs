//! The handle that a service keeps.

use landfall_core::apply::{Cancel, Engine, Report};
use landfall_core::driver::Found;
use landfall_core::event::{Events, Listener};
use landfall_core::graph::Graph;
use landfall_core::plan::{Mode, Plan};
use landfall_core::resource::Catalog;
use landfall_core::sim::SimCloud;
use landfall_core::{Code, Error, Result, cloud};

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

    /// Applies a reviewed plan: all of it and nothing else, or nothing when the world moved since it was made.
    ///
    /// Cancel-safe: dropping the future leaves a ledger that the next run continues from.
    ///
    /// # Errors
    /// [`Code::StalePlan`], [`Code::Protected`], [`Code::Cancelled`], or the root causes of what failed.
    pub async fn apply(&self, plan: Plan) -> Result<Report> {
        Ok(self.engine.apply(plan).await?.report)
    }

    /// Makes the world as it is declared, or finds that it is so already, and returns what it hands out.
    ///
    /// Any number of replicas may call it at once: one works, the others wait and return the same outputs. When nothing
    /// changed it reads the head of the ledger and calls no cloud. Cancel-safe like [`Platform::apply`].
    ///
    /// # Errors
    /// As [`Platform::apply`]; [`Code::LostLedger`] when the ledger is empty and the cloud holds our resources.
    pub async fn converge(&self) -> Result<Outputs> {
        self.engine.converge().await.map(Outputs::new)
    }

    /// Applies the plan of [`Platform::plan_destroy`] and proves by a census that nothing is left.
    ///
    /// # Errors
    /// As [`Platform::apply`]; [`Code::Unresolved`] when something that bears our marks is still there.
    pub async fn destroy(&self, plan: Plan) -> Result<Report> {
        let report = self.apply(plan).await?;
        let left = self.census().await?;
        if left.is_empty() {
            return Ok(report);
        }
        let names: Vec<_> = left.iter().map(|found| format!("{} {}", found.type_name, found.id)).collect();
        Err(Error::new(Code::Unresolved, format!("still in the cloud with our marks: {}", names.join(", ")))
            .hint("destroy again"))
    }

    /// What the last converge handed out, from the ledger alone.
    ///
    /// # Errors
    /// [`Code::NotFound`] when nothing has converged yet.
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
