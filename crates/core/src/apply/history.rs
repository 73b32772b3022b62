//! The past of a stack, and the way back to it.

use super::converge::Engine;
use super::scene::Scene;
use crate::Result;
use crate::ledger::{Loaded, Past};
use crate::plan::{Mode, Plan, as_named_now, restore};

impl Engine {
    /// A page of the ledger in words, the newest entry first: up to `limit` entries with numbers below `before`. `None`
    /// starts with the newest.
    ///
    /// # Errors
    /// What is wrong with the ledger.
    pub async fn history(&self, before: Option<u64>, limit: usize) -> Result<Vec<Past>> {
        let setup = self.setup();
        self.driven(setup.ledger.past(&setup.stack, before, limit)).await
    }

    /// Plans the way to what had converged at this entry of the ledger, or last before it, whatever is declared now.
    ///
    /// It is an ordinary plan: it looks at the cloud as it is, asks for consent where data would go, and applying it is an
    /// entry like any other. Data that is gone does not come back with it, and the declarations do not change: the next
    /// converge makes what they say, unless an earlier [generation](super::Options::generation) is deployed.
    ///
    /// # Errors
    /// [`Code::NotFound`](crate::Code::NotFound) when there is no such entry or nothing had converged by then,
    /// [`Code::MissingSecret`](crate::Code::MissingSecret) when a secret has another value now, and as [`Engine::plan`].
    pub async fn plan_to(&self, entry: u64) -> Result<Plan> {
        self.driven(async {
            let setup = self.setup();
            let number = setup.ledger.converged_by(&setup.stack, entry).await?;
            let then = setup.ledger.load_to(&setup.stack, number, Loaded::default()).await?.state;
            let loaded = setup.ledger.load(&setup.stack).await?;
            self.check_target(&loaded.state)?;
            let then = as_named_now(&then, &loaded.state)?;
            let engine = self.knowing(loaded.state.types().chain(then.types()));
            let catalog = &engine.setup().catalog;
            let restored = restore(&setup.stack, catalog, &self.secrets(), &then, &loaded.state)?;
            let seen = engine.look(&loaded.state, Mode::Converge, None).await?;
            let (expanded, specs) = (Some(restored.expanded), Some(restored.specs));
            let scene = Scene { state: loaded.state.into(), moves: Vec::new(), expanded, specs };
            let mut plan = engine.make_plan(&scene, &loaded.head, &seen, Mode::Converge)?;
            plan.restores = Some(Box::new(restored.restore));
            Ok(plan)
        })
        .await
    }
}
