//! What the ledger says of the past, in words.

use serde::Serialize;

use super::{Entry, Ledger, Record};
use crate::graph::Move;
use crate::resource::{StackId, Verb};
use crate::{Code, Error, Result};

/// One entry of the ledger, for people and for [going back to it](crate::apply::Engine::plan_to).
///
/// There is no time in it: clocks of different machines disagree, so that the ledger writes none down. Entries are in
/// order, and each says who wrote it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Past {
    /// The entry's number.
    pub number: u64,
    /// Who wrote it: the holder's name.
    pub holder: String,
    /// The epoch of the lease it was written under.
    pub epoch: u64,
    /// What it says, a line each, without what only keeps the lease alive.
    pub words: Vec<String>,
    /// The hash of the graph that everything was as, when this entry says that it was: an entry to go back to.
    pub converged: Option<String>,
}

impl Past {
    fn of(entry: &Entry) -> Self {
        Self {
            number: entry.number,
            holder: entry.writer.rsplit_once('#').map_or(&*entry.writer, |(holder, _)| holder).to_owned(),
            epoch: entry.epoch,
            words: entry.records.iter().filter_map(words).collect(),
            converged: entry.records.iter().find_map(|record| match record {
                Record::Converged(converged) => Some(converged.graph.clone()),
                _ => None,
            }),
        }
    }
}

impl Ledger {
    /// A page of the history in words: up to `limit` entries with numbers below `before`, the newest first. `None` starts
    /// with the newest.
    ///
    /// # Errors
    /// As [`Ledger::load`].
    pub async fn past(&self, stack: &StackId, before: Option<u64>, limit: usize) -> Result<Vec<Past>> {
        Ok(self.history(stack, before, limit).await?.iter().map(Past::of).collect())
    }

    /// The number of the newest entry up to this one that says that everything was as wanted.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is no such entry, or nothing had converged by then; else as [`Ledger::load`].
    pub(crate) async fn converged_by(&self, stack: &StackId, entry: u64) -> Result<u64> {
        /// How many entries are read at once.
        const PAGE: usize = 128;
        let newest = self.newest(stack).await?.unwrap_or_default();
        if entry == 0 || entry > newest {
            let message = format!("the ledger has no entry of this number, its newest is {newest}: {entry}");
            return Err(Error::new(Code::NotFound, message).hint("take a number from the history"));
        }
        let mut before = entry.saturating_add(1);
        while before > 1 {
            let page = self.history(stack, Some(before), PAGE).await?;
            let is_converged = |entry: &&Entry| entry.records.iter().any(|one| matches!(one, Record::Converged(_)));
            if let Some(found) = page.iter().find(is_converged) {
                return Ok(found.number);
            }
            let Some(last) = page.last() else { break };
            before = last.number;
        }
        Err(Error::new(Code::NotFound, format!("nothing had converged yet at this entry of the ledger: {entry}"))
            .hint("take an entry from the history that says that everything was as declared, or a later one"))
    }
}

/// What a record says; nothing for what only keeps the lease alive or repeats what was said.
fn words(record: &Record) -> Option<String> {
    Some(match record {
        Record::Target(target) => {
            format!("pinned the stack to {} {}/{}", target.cloud, target.account, target.region)
        }
        Record::Lease { holder, epoch, .. } => format!("{holder} took the lease, epoch {epoch}"),
        Record::Release => "gave the lease back".to_owned(),
        Record::Recheck => "asks for the cloud to be counted: a call may have acted twice".to_owned(),
        Record::Intent(intent) => {
            let verb = match intent.verb {
                Verb::Create if intent.id.is_some() => "take over",
                Verb::Create => "create",
                Verb::Update => "update",
                Verb::Delete => "delete",
                Verb::Read => "record",
            };
            format!("is about to {verb} {} ({})", intent.slot, intent.type_name)
        }
        Record::Accepted { slot, id } => format!("the cloud accepted {slot}: {id}"),
        Record::Done { slot, id, .. } => format!("done: {slot} is {id}"),
        Record::Deleted { slot } => format!("gone: {slot}"),
        Record::Failed { slot, code, message, .. } => format!("failed: {slot}: {code} {message}"),
        Record::Forgotten { slot } => format!("forgot {slot}, which stays in the cloud"),
        Record::Protection { address, protected: true } => format!("protects {address}"),
        Record::Protection { address, protected: false } => format!("no longer protects {address}"),
        Record::Consent(consent) => {
            format!("consent to lose {} {} in plan {}", consent.address, consent.id, consent.plan)
        }
        Record::Moved(Move { from, to }) => format!("moved {from} to {to}"),
        Record::Generation { number } => format!("deploys generation {number}"),
        Record::Converged(converged) => format!("everything is as declared by graph {}", converged.graph),
        Record::Renew | Record::Checkpoint(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{TestClock, TestStore, converged, done, intent, session, stack};
    use super::*;

    #[test]
    fn the_past_is_told_from_the_newest_entry_back() {
        let clock = TestClock::default();
        let ledger = TestStore::new(&clock, Duration::ZERO).ledger();
        clock.run(async {
            let mut session = session(&ledger, "a").await;
            session.commit(vec![intent(1, 0)]).await.unwrap();
            session.renew().await.unwrap();
            session.commit(vec![done(1)]).await.unwrap();
            session.release(vec![converged("g")]).await.unwrap();

            let page = ledger.past(&stack(), None, 2).await.unwrap();
            assert_eq!(page.iter().map(|past| past.number).collect::<Vec<_>>(), [5, 4]);
            assert_eq!((page[0].converged.as_deref(), page[0].holder.as_str()), (Some("g"), "a"));
            assert_eq!(page[0].words, ["everything is as declared by graph g", "gave the lease back"]);
            let page = ledger.past(&stack(), Some(4), 9).await.unwrap();
            assert_eq!(page.iter().map(|past| past.number).collect::<Vec<_>>(), [3, 2, 1]);
            assert!(page[0].words.is_empty(), "{page:?}");
            assert!(page[1].words[0].starts_with("is about to create aws/network/core/subnet-000001@0"), "{page:?}");

            assert_eq!(ledger.converged_by(&stack(), 5).await.unwrap(), 5);
            for entry in [0, 4, 6] {
                assert_eq!(ledger.converged_by(&stack(), entry).await.unwrap_err().code(), Code::NotFound, "{entry}");
            }
        });
    }
}
