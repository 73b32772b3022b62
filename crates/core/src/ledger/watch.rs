//! Waiting for a lease that somebody else has.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{AcquireOptions, Lease, Ledger, Loaded, Peek, Record, Session, codec};
use crate::Result;
use crate::resource::StackId;

/// How often the head is looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// Watches the head of a ledger whose lease somebody else has: one read a second.
///
/// # Expected flow
/// Call [`Watch::next`] until it says what the caller waits for: [`Watched::Converged`] may be all that was wanted;
/// after [`Watched::Released`] or [`Watched::Expired`] try [`Watch::acquire`], and go on when it gives nothing.
///
/// # Guarantees
/// A lease counts as expired when this watch itself has seen the head stand still for the lease's time to live, by its
/// own clock. What others' clocks say decides nothing. Even then the take-over is a put that only one can win.
///
/// Every future of it may be dropped at any time.
#[derive(Debug)]
pub struct Watch {
    ledger: Ledger,
    stack: StackId,
    options: AcquireOptions,
    lease: Lease,
    number: u64,
    /// When the head was first seen where it is.
    seen: Duration,
    next_look: Duration,
    /// Whether the head's content has not been looked at.
    unread: bool,
    /// Whether the head had moved at the last look.
    moving: bool,
}

/// What a look at the head showed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Watched {
    /// The head has stood still for so long.
    Still(Duration),
    /// The holder is at work.
    Moved,
    /// Everything is as the graph named in this entry wants it. The lease may or may not be free.
    Converged(Box<Peek>),
    /// The lease is free.
    Released,
    /// The holder has given no sign of life for the lease's time to live.
    Expired,
}

impl Watch {
    pub(super) fn new(ledger: &Ledger, stack: &StackId, options: &AcquireOptions, loaded: &Loaded) -> Self {
        let now = ledger.clock().now();
        Self {
            ledger: ledger.clone(),
            stack: stack.clone(),
            options: options.clone(),
            lease: loaded.state.lease.clone(),
            number: loaded.head.number,
            seen: now,
            // Waiters that start together look at different times.
            next_look: now + INTERVAL.mul_f64(fraction(&options.holder)),
            unread: false,
            moving: false,
        }
    }

    /// Who has the lease; `None` when it is free.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.lease.holder.as_deref()
    }

    /// The epoch of the lease.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.lease.epoch
    }

    /// The number of the newest entry that was seen.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.number
    }

    /// How long the head has been seen to stand still.
    #[must_use]
    pub fn still(&self) -> Duration {
        self.ledger.clock().now().saturating_sub(self.seen)
    }

    /// Waits until the next look is due, and looks.
    ///
    /// # Errors
    /// Those of [`Ledger::peek`]. A store that cannot be reached does not end the watch: call again.
    pub async fn next(&mut self) -> Result<Watched> {
        let now = self.ledger.clock().now();
        let expiry = self.seen + self.time_to_live();
        let look = if expiry > now { self.next_look.min(expiry) } else { self.next_look };
        if look > now {
            self.ledger.clock().sleep(look - now).await;
        }
        self.next_look = self.ledger.clock().now() + INTERVAL;
        let number = self.ledger.newest(&self.stack).await?.unwrap_or_default();
        if number < self.number {
            return Err(codec::damaged(self.number, format!("it is gone, the newest is entry: {number}")));
        }
        let moved = number != self.number;
        if moved {
            // Counted from after the read: the put may have begun while the read was under way.
            (self.number, self.seen, self.unread) = (number, self.ledger.clock().now(), true);
        }
        // While the holder writes again and again, its entries are not read: one read a second must do.
        let read = self.unread && !(moved && self.moving);
        self.moving = moved;
        if read {
            return self.read().await;
        }
        Ok(match self.still() {
            _ if moved => Watched::Moved,
            _ if self.lease.holder.is_none() => Watched::Released,
            still if still >= self.time_to_live() => Watched::Expired,
            still => Watched::Still(still),
        })
    }

    /// Tries to take the lease, if it is free or has expired where this watch has seen it; `None` when it is neither or
    /// somebody was faster: go on watching.
    ///
    /// # Errors
    /// As [`Ledger::acquire`].
    pub async fn acquire(&mut self) -> Result<Option<Box<Session>>> {
        let loaded = self.ledger.load(&self.stack).await?;
        let lease = &loaded.state.lease;
        let expired = loaded.head.number == self.number && self.still() >= Duration::from_millis(lease.time_to_live);
        if (expired || lease.holder.is_none())
            && let Some(session) = self.ledger.take(&self.stack, &self.options, loaded).await?
        {
            return Ok(Some(session));
        }
        Ok(None)
    }

    fn time_to_live(&self) -> Duration {
        Duration::from_millis(self.lease.time_to_live)
    }

    async fn read(&mut self) -> Result<Watched> {
        let peek = self.ledger.peek_at(&self.stack, self.number).await?;
        self.unread = false;
        if peek.entry.epoch != self.lease.epoch {
            self.lease = match lease(&peek) {
                Some(lease) => lease,
                // The entry that took it is further back.
                None => self.ledger.load(&self.stack).await?.state.lease,
            };
        }
        if peek.is_released() {
            self.lease.holder = None;
        }
        Ok(match peek.converged().is_some() {
            true => Watched::Converged(Box::new(peek)),
            false if self.lease.holder.is_none() => Watched::Released,
            false => Watched::Moved,
        })
    }
}

/// The lease that an entry takes.
fn lease(peek: &Peek) -> Option<Lease> {
    peek.entry.records.iter().rev().find_map(|record| match record {
        Record::Lease { holder, epoch, time_to_live } => {
            Some(Lease { epoch: *epoch, holder: Some(holder.clone()), time_to_live: *time_to_live })
        }
        _ => None,
    })
}

/// A number from 0 up to 1 that depends on a name alone.
fn fraction(name: &str) -> f64 {
    let hash = Sha256::digest(name.as_bytes());
    f64::from(u16::from_be_bytes([hash[0], hash[1]])) / f64::from(u16::MAX)
}
