//! What a plan is bound to: its hash, the consents it needs, the ledger it was made from.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::{Change, Counts, Plan, Reason, Step};
use crate::graph::{Hashing, Line, hex};
use crate::ledger::{Consent, Head, Held, State};
use crate::resource::Address;
use crate::{Code, Error, Problems, Result};

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.steps.is_empty()
    }

    /// How many changes of each sort there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        self.steps.iter().for_each(|step| *counts.entry(step.change).or_default() += 1);
        counts
    }

    /// The hash of everything that the plan does: 64 hexadecimal digits.
    ///
    /// It does not depend on the order of keys, on consents, on where in which file something was declared, on how drift
    /// reads, or on how far the ledger's entries are numbered: the same change of the same objects has the same hash, so
    /// that consent holds when the plan is made once more.
    #[must_use]
    pub fn hash(&self) -> String {
        let Self { format, stack, target, base: _, graph, moves, steps, operations, unchanged, drift, .. } = self;
        let mut hasher = Hashing::default();
        hasher.add(&(format, stack, target, graph, unchanged));
        moves.iter().for_each(|moved| hasher.add(moved));
        hasher.add(&self.base_resources);
        for step in steps {
            // What is not named here follows from what is.
            let Step { address, type_name, change, id, attributes, reasons, risk, needs_consent, .. } = step;
            let reasons: Vec<Json> = reasons.iter().map(hashed).collect();
            hasher.add(&(address, type_name, change, id, attributes, reasons, risk, needs_consent));
        }
        operations.iter().for_each(|operation| hasher.add(operation));
        drift.iter().for_each(|drift| hasher.add(&(&drift.address, &drift.path)));
        hasher.finish()
    }

    /// What must be agreed to, whether it was agreed to or not.
    #[must_use]
    pub fn consents_needed(&self) -> Vec<Consent> {
        let needing: Vec<&Step> = self.steps.iter().filter(|step| step.needs_consent).collect();
        if needing.is_empty() {
            return Vec::new();
        }
        let plan = self.hash();
        needing.into_iter().map(|step| consent_for(step, &plan)).collect()
    }

    /// The steps that need consent and have none. While there are any, the plan cannot be applied.
    #[must_use]
    pub fn blocked(&self) -> Vec<&Step> {
        let needing: Vec<&Step> = self.steps.iter().filter(|step| step.needs_consent).collect();
        if needing.is_empty() {
            return needing;
        }
        let plan = self.hash();
        needing.into_iter().filter(|step| !self.consents.contains(&consent_for(step, &plan))).collect()
    }

    /// Agrees to one loss.
    ///
    /// # Errors
    /// [`Code::StalePlan`] when the consent was given for another plan, [`Code::InvalidValue`] when the plan destroys no
    /// protected object of this address and id.
    pub fn consent(mut self, consent: Consent) -> Result<Self> {
        let hash = self.hash();
        if consent.plan != hash {
            let message = format!("the consent was given for another plan: {}", consent.plan);
            return Err(Error::new(Code::StalePlan, message)
                .at(&consent.address)
                .hint(format!("read the plan again and consent to its hash: {hash}")));
        }
        if !self.steps.iter().any(|step| step.needs_consent && consent_for(step, &hash) == consent) {
            let message = format!("the plan destroys no protected object of this id: {}", consent.id);
            return Err(Error::new(Code::InvalidValue, message)
                .at(&consent.address)
                .hint("take address and id from the plan's list of consents needed"));
        }
        if !self.consents.contains(&consent) {
            self.consents.push(consent);
            self.consents.sort_by(|one, two| (&one.address, &one.id).cmp(&(&two.address, &two.id)));
        }
        Ok(self)
    }

    /// Refuses while consent is missing.
    ///
    /// # Errors
    /// [`Code::Protected`] for each step that needs consent and has none, with the call that gives it.
    pub fn check_consents(&self) -> Result<()> {
        let blocked = self.blocked();
        if blocked.is_empty() {
            return Ok(());
        }
        let plan = self.hash();
        let mut problems = Problems::default();
        for step in blocked {
            let consent = consent_for(step, &plan);
            let what = if step.change == Change::Delete { "delete" } else { "replace" };
            let mut error =
                Error::new(Code::Protected, format!("the plan would {what} a protected object: {}", consent.id))
                    .at(&consent.address)
                    .hint(format!("to agree, call {}", call(&consent)));
            if let Some(origin) = &step.origin {
                error = error.position(origin.clone());
            }
            problems.push(error);
        }
        problems.finish()
    }

    /// Refuses when the ledger says something else of the stack's resources than it did when the plan was made. Entries
    /// that say nothing of resources (leases, renewals, consents) do not count.
    ///
    /// # Errors
    /// [`Code::StalePlan`] with the addresses that moved.
    pub fn check_base(&self, now: &State, head: &Head) -> Result<()> {
        if *head == self.base {
            return Ok(());
        }
        let moved = if self.moves.is_empty() {
            moved(&self.base_resources, &digests(now))
        } else {
            match now.after(&self.moves) {
                Ok(now) => moved(&self.base_resources, &digests(&now)),
                Err(_) => self.moves.iter().map(|moved| format!("{} came", moved.to)).collect(),
            }
        };
        if moved.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::StalePlan, format!("since the plan was made the ledger moved: {}", moved.join(", ")))
            .hint("plan again and read what is left to do"))
    }
}

/// The call that gives a consent, as it is written in Rust.
pub(super) fn call(consent: &Consent) -> String {
    let Consent { address, id, plan } = consent;
    format!("plan.consent(Consent {{ address: \"{address}\".parse()?, id: {id:?}.into(), plan: \"{plan}\".into() }})")
}

fn consent_for(step: &Step, plan: &str) -> Consent {
    Consent { address: step.address.clone(), id: step.id.clone().unwrap_or_default(), plan: plan.to_owned() }
}

/// A reason without the place in a file.
fn hashed(reason: &Reason) -> Json {
    match reason {
        Reason::Declared(_) => json!("declared"),
        Reason::Field { declaration, field, before, after, position: _ } => json!([declaration, field, before, after]),
        other => json!(other),
    }
}

/// For each address a digest of everything that the ledger knows of it.
pub(super) fn digests(state: &State) -> BTreeMap<Address, String> {
    #[derive(Default)]
    struct Digests<'a>(BTreeMap<&'a Address, Sha256>, Line);
    impl<'a> Digests<'a> {
        fn add(&mut self, address: &'a Address, part: &impl serde::Serialize) {
            self.0.entry(address).or_default().update(self.1.of(part));
        }
    }
    let mut all = Digests::default();
    // Where it was declared is no news.
    for (address, held) in &state.resources {
        let Held { type_name, generation, id, claim, properties, outputs, dependencies, cluster, protected, .. } = held;
        let known = ("held", type_name, generation, id, claim, properties, outputs, dependencies, cluster, protected);
        all.add(address, &known);
    }
    for (slot, held) in &state.deposed {
        all.add(&slot.address, &("deposed", slot, &held.id, &held.properties, held.protected));
    }
    for (slot, intent) in &state.intents {
        all.add(&slot.address, &("intent", slot, intent.verb, &intent.id, &intent.properties));
    }
    for slot in state.failures.keys() {
        all.add(&slot.address, &("failed", slot));
    }
    for (address, unused) in &state.generations {
        all.add(address, &("unused", unused));
    }
    all.0.into_iter().map(|(address, digest)| (address.clone(), hex(&digest.finalize()[..8]))).collect()
}

fn moved(before: &BTreeMap<Address, String>, now: &BTreeMap<Address, String>) -> Vec<String> {
    /// More than these are counted, not named.
    const NAMED: usize = 10;
    let addresses: BTreeSet<&Address> = before.keys().chain(now.keys()).collect();
    let mut moved: Vec<String> = addresses
        .into_iter()
        .filter_map(|address| match (before.get(address), now.get(address)) {
            (None, Some(_)) => Some(format!("{address} came")),
            (Some(_), None) => Some(format!("{address} went")),
            (before, now) => (before != now).then(|| format!("{address} changed")),
        })
        .collect();
    if moved.len() > NAMED {
        let more = moved.len() - NAMED;
        moved.truncate(NAMED);
        moved.push(format!("{more} more"));
    }
    moved
}
