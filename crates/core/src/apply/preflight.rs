//! A look, before the first change of a plan, whether all of it can be made.

use super::converge::Engine;
use crate::plan::Plan;
use crate::{Problems, Result};

impl Engine {
    /// Looks whether everything that the plan creates can be made, as far as the cloud tells beforehand.
    ///
    /// # Errors
    /// All problems at once, or why they could not be looked for. Nothing was changed.
    pub async fn preflight(&self, plan: &Plan) -> Result<()> {
        let ahead = plan.ahead();
        if ahead.creates.is_empty() {
            return Ok(());
        }
        let cx = self.setup.context();
        let found = self.again(&mut None, || self.setup.drivers.preflight(&cx, &ahead)).await?;
        let mut problems = Problems::default();
        problems.extend(found.into_iter().map(|problem| {
            let step = plan.steps.iter().find(|step| Some(&step.address) == problem.address());
            match step.and_then(|step| step.origin.clone()) {
                Some(origin) => problem.position(origin),
                None => problem,
            }
        }));
        problems.finish()
    }
}
