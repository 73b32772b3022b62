//! The way back from a plan, shown before it is applied.

use std::fmt::Write as _;

use serde::Serialize;

use super::risk::risk;
use super::text::{Style, Widths, line};
use super::undo::{span, undo};
use super::{Attribute, Change, Plan, Reason, Step, Undo};
use crate::Result;
use crate::resource::{Catalog, ResourceType};

/// What taking a plan back would do, once it is applied and if nothing else happened.
///
/// It is for reading. To go back, plan what was declared before, or [the way to an earlier entry of the
/// ledger](crate::apply::Engine::plan_to): that looks at what is there then.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Reverse {
    /// The changes that lead back, the last one of the plan first. Their `undo` says what they cost themselves.
    pub steps: Vec<Step>,
    /// Steps of the plan that no change leads back from, or only with loss.
    pub lost: Vec<Step>,
}

impl Plan {
    /// What going back would do. Pure.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> landfall_core::Result<()> {
    /// # use landfall_core::{driver::Target, graph::{Expanded, Graph}, ledger::{Head, State}, plan::{Change, Input, Mode, Seen, plan}};
    /// # use landfall_core::{properties, resource::{Address, Catalog, Resource, StackId}};
    /// # let address = Address::new("aws", "native", "news", "resource")?;
    /// # let topic = Resource::new(address.clone(), "AWS::SNS::Topic", properties! { "DisplayName" => "news" });
    /// # let catalog = Catalog::default().with_generic(["AWS::SNS::Topic"]);
    /// # let expanded = Expanded { graph: Graph::new([(address, topic)].into())?, outputs: Default::default(), catalog: catalog.clone() };
    /// # let target = Target { cloud: "aws".into(), partition: "aws".into(), account: "123456789012".into(), region: "eu-west-1".into() };
    /// # let plan = plan(&Input {
    /// #     stack: &StackId::new("shop", "dev"), target: &target, head: &Head::default(), expanded: &expanded,
    /// #     specs: &Default::default(), moves: &[], state: &State::default(), seen: &Seen::default(), consents: &[], mode: Mode::Converge,
    /// # })?;
    /// assert_eq!(plan.steps[0].change, Change::Create);
    /// assert_eq!(plan.reverse(&catalog)?.steps[0].change, Change::Delete);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Code::UnknownType`](crate::Code::UnknownType) when the catalogue lacks a type of the plan.
    pub fn reverse(&self, catalog: &Catalog) -> Result<Reverse> {
        let mut steps = Vec::new();
        for step in self.steps.iter().rev() {
            let of = catalog.get(&step.type_name).map_err(|error| error.at(&step.address))?;
            steps.extend(back(step, of));
        }
        let lost = self.steps.iter().filter(|step| step.undo != Undo::Reversible).cloned().collect();
        Ok(Reverse { steps, lost })
    }
}

impl Reverse {
    /// Whether everything can be taken back without loss.
    #[must_use]
    pub fn is_lossless(&self) -> bool {
        self.lost.is_empty()
    }

    /// A line for each change of the way back, and what it cannot bring back.
    #[must_use]
    pub fn table(&self, style: Style) -> String {
        let widths = Widths::of(self.steps.iter().chain(&self.lost));
        let mut text = String::new();
        if self.steps.is_empty() {
            text.push_str("nothing to take back\n");
        }
        self.steps.iter().for_each(|step| line(&mut text, step, widths, style));
        if !self.lost.is_empty() {
            let _ = writeln!(text, "\nwhat the way back does not bring back:");
            for step in &self.lost {
                line(&mut text, step, widths, style);
                step.cost(&mut text);
            }
        }
        text
    }
}

/// The change that takes a step back; nothing when there is nothing to do.
fn back(step: &Step, of: &ResourceType) -> Option<Step> {
    let change = match step.change {
        Change::Create => Change::Delete,
        Change::Delete => Change::Create,
        Change::Update | Change::ReplaceCreateFirst | Change::ReplaceDeleteFirst => step.change,
        Change::Move | Change::Protection => step.change,
        Change::Adopt => Change::Forget,
        Change::Forget | Change::Settle => return None,
    };
    let destroys = !matches!(change, Change::Create | Change::Update | Change::Move);
    let swapped = |attribute: &Attribute| Attribute {
        before: attribute.after.clone(),
        after: attribute.before.clone(),
        unknown: false,
        ..attribute.clone()
    };
    Some(Step {
        address: step.address.clone(),
        type_name: step.type_name.clone(),
        change,
        id: step.id.clone().filter(|_| matches!(change, Change::Update | Change::Move | Change::Protection)),
        attributes: match change {
            Change::Delete | Change::Forget => Vec::new(),
            _ => step.attributes.iter().map(swapped).collect(),
        },
        reasons: vec![Reason::Back],
        risk: if step.change == change { step.risk } else { risk(of, change, &[], false) },
        needs_consent: destroys && change != Change::Forget && change != Change::Protection && of.holds_data,
        undo: if step.change == change { step.undo } else { undo(of, change, &[]) },
        outage: match change {
            Change::ReplaceDeleteFirst => Some(span(of.delete).then(span(of.create))),
            Change::Update => step.outage,
            _ => None,
        },
        origin: None,
    })
}
