//! Looking before planning: what must be looked at, in as few calls as the APIs allow.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join, join_all};

use crate::driver::{Context, Found, Observation, Reader};
use crate::ledger::{Slot, State};
use crate::resource::Identity;
use crate::{Error, Problems, Result};

/// How many objects one call asks for: the page size of most APIs.
const PAGE: usize = 100;

/// What the cloud says of everything that the ledger leads to.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Each object that was looked at. An object that is held and was not looked at is taken to be as recorded.
    pub by_slot: BTreeMap<Slot, Observation>,
    /// What bears the stack's marks, when that was asked for.
    pub found: Vec<Found>,
}

/// Everything to look at before planning, by native type: objects held, replaced, and those of open intents.
#[must_use]
pub fn observations_needed(state: &State) -> BTreeMap<String, Vec<Identity>> {
    let mut seen = BTreeSet::new();
    let mut needed: BTreeMap<String, Vec<Identity>> = BTreeMap::new();
    let held = state.resources.iter().map(|(address, held)| held.identity(address));
    let deposed = state.deposed.iter().map(|(slot, held)| held.identity(&slot.address));
    let open = state.intents.values().map(crate::ledger::Intent::identity);
    for mut identity in held.chain(deposed).chain(open) {
        identity.cluster = identity.cluster.map(|cluster| state.first_address(&cluster));
        if seen.insert(Slot::new(&identity.address, identity.generation)) {
            needed.entry(identity.type_name.clone()).or_default().push(identity);
        }
    }
    needed
}

/// Looks at everything that the ledger leads to: all types at once, a hundred objects a call.
///
/// An open create that is *absent* must be absent for good: whoever gives the reader waits out the type's lag.
///
/// # Errors
/// Every call that failed.
pub async fn look(reader: &Reader, cx: &Context<'_>, state: &State) -> Result<Seen> {
    let needed = observations_needed(state);
    let pages = needed.iter().flat_map(|(of, all)| all.chunks(PAGE).map(move |page| (of, page)));
    let answers = join_all(pages.map(|(of, page)| async move { (of, page, reader.observe(cx, of, page).await) })).await;
    let mut problems = Problems::default();
    let mut seen = Seen::default();
    for (of, page, answer) in answers {
        let Some(observations) = problems.take(answer) else { continue };
        if observations.len() != page.len() {
            let (asked, got) = (page.len(), observations.len());
            problems.push(Error::internal(format!("{asked} objects were looked at, {got} were answered: {of}")));
            continue;
        }
        for (identity, observation) in page.iter().zip(observations) {
            seen.by_slot.insert(Slot::new(&identity.address, identity.generation), observation);
        }
    }
    problems.finish()?;
    Ok(seen)
}

/// [`look`], and with it a census of everything that bears the stack's marks.
///
/// # Errors
/// As [`look`].
pub async fn look_with_census(reader: &Reader, cx: &Context<'_>, state: &State) -> Result<Seen> {
    let (seen, found) = join(look(reader, cx, state), reader.census(cx)).await;
    Ok(Seen { found: found?, ..seen? })
}
