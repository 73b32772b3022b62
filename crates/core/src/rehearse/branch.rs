//! One branch: a world in which one call goes wrong, its resume, and the judgement.

use std::collections::BTreeMap;
use std::time::Duration;

use super::law::{self, End, Law};
use super::options::{Branch, Options};
use super::report::{LeftBehind, Open};
use super::world::World;
use crate::apply::Engine;
use crate::ledger::State;
use crate::plan::{Mode, Plan};
use crate::{Error, Result};

/// What came of a branch.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) branch: Branch,
    /// The laws that were checked, with what breaks them.
    pub(super) laws: BTreeMap<Law, Vec<String>>,
    /// From the mishap to the end of the resume.
    pub(super) recovery: Duration,
    /// How much longer all of it took than the undisturbed run.
    pub(super) lost: Duration,
    pub(super) left: Option<LeftBehind>,
}

pub(super) async fn run(engine: &Engine, options: &Options, branch: Branch, end: &End) -> Judged {
    let world = World::new(engine, branch.seed);
    let judged = Judged { branch, laws: BTreeMap::new(), recovery: Duration::ZERO, lost: Duration::ZERO, left: None };
    let mut trial = Trial { world, judged, end };
    // What cannot even be judged breaks the law that the run gets to its end.
    if let Err(error) = trial.go(options).await {
        trial.judge(Law::Resumes, [error.to_string()]);
    }
    trial.judged
}

struct Trial<'a> {
    world: World,
    judged: Judged,
    end: &'a End,
}

impl Trial<'_> {
    async fn go(&mut self, options: &Options) -> Result<()> {
        let branch = self.judged.branch;
        branch.mishap.order(&self.world.cloud, branch.call);
        let doomed = self.world.engine(&self.world.cloud, "doomed");
        let ended = self.world.cloud.run(doomed.converge()).await;
        drop(doomed);
        let interrupted = self.world.now();
        if ended.is_none() {
            self.post_mortem().await?;
        } else if branch.mishap.is_kill() {
            return Err(Error::internal("the process outlived the call at which it was to be killed"));
        }
        if let Some((call, mishap)) = branch.again {
            mishap.order(&self.world.cloud, self.world.cloud.calls() + call);
        }

        let outputs = self.world.converge("heir").await?;
        self.judge(Law::Resumes, []);
        self.judged.recovery = self.world.now().saturating_sub(interrupted);
        self.judged.lost = self.world.now().saturating_sub(self.end.took);
        let mut differing = law::differences(&self.world.content(), &self.end.content);
        if outputs != self.end.outputs {
            differing.push("the outputs differ".to_owned());
        }
        self.judge(Law::SameEnd, differing);
        self.judge(Law::AtMostOne, law::doubles(&self.world));
        let state = self.state().await?;
        self.judge(Law::LedgerIsTrue, law::discrepancies(&self.world, &state));

        let mutations = self.world.cloud.mutations();
        self.world.converge("next").await?;
        // A converge that finds nothing new asks the ledger alone; a plan looks at every object.
        let plan = self.engine("inspector").plan(Mode::Converge).await?;
        let mut changes: Vec<_> = plan.steps.iter().map(|step| format!("it would change {}", step.address)).collect();
        if self.world.cloud.mutations() > mutations {
            changes.push(format!("mutating calls: {}", self.world.cloud.mutations() - mutations));
        }
        self.judge(Law::RunAfterChangesNothing, changes);
        if options.destroying {
            self.destroy().await?;
        }
        Ok(())
    }

    /// What there is at the moment of death, before anybody resumes.
    async fn post_mortem(&mut self) -> Result<()> {
        let state = self.state().await?;
        self.judge(Law::NoOrphan, law::orphans(&self.world, &state));
        self.judge(Law::AtMostOne, law::doubles(&self.world));
        let content = self.world.content();
        let open = state.intents.values().map(|intent| {
            let found = content.get(&intent.slot.address.to_string()).and_then(|all| all.first());
            Open {
                address: intent.slot.address.clone(),
                type_name: intent.type_name.clone(),
                verb: intent.verb,
                id: found.map(|(_, id, _)| id.clone()),
            }
        });
        self.judged.left = Some(LeftBehind {
            branch: self.judged.branch,
            objects: content.len(),
            open: open.collect(),
            at: self.world.now(),
        });
        Ok(())
    }

    async fn destroy(&mut self) -> Result<()> {
        let engine = self.engine("destroyer");
        let plan = engine.plan(Mode::Destroy).await?;
        let plan = plan.consents_needed().into_iter().try_fold(plan, Plan::consent)?;
        engine.apply(plan).await?;
        let mut left: Vec<_> = self.world.content().into_keys().collect();
        left.extend(self.state().await?.all().map(|(slot, _)| format!("{slot} in the ledger")));
        self.judge(Law::DestroyLeavesNothing, left);
        Ok(())
    }

    /// The ledger's fold, read by a process that is no part of the run.
    async fn state(&self) -> Result<State> {
        self.engine("witness").state().await
    }

    /// An engine of another process, whose calls do not count for the run.
    fn engine(&self, name: &str) -> Engine {
        self.world.engine(&self.world.cloud.host(name), name)
    }

    fn judge(&mut self, law: Law, broken: impl IntoIterator<Item = String>) {
        self.judged.laws.entry(law).or_default().extend(broken);
    }
}
