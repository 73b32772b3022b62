//! Faults by chance: drawn from the seed for each call, so that the same seed gives the same run.

use std::time::Duration;

use super::Moment;
use super::fault::FaultKind;
use super::random::Random;
use crate::resource::Verb;

/// How much goes wrong by itself. Numbers are chances in thousandths, per call.
///
/// ```
/// use landfall_core::sim::{Chaos, SimCloud};
///
/// let cloud = SimCloud::empty(7);
/// cloud.set_chaos(Chaos::drawn(7));
/// cloud.set_chaos(Chaos::NONE); // from here on all is well again
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chaos {
    /// A call is refused: too many.
    pub throttled: u32,
    /// It is refused for the same reason, in words that mean something else.
    pub disguised: u32,
    /// The service is unavailable.
    pub unavailable: u32,
    /// The answer is lost: a time-out, a reset, a 500, garbage or "not found", and half of the calls act.
    pub lost: u32,
    /// A request takes up to nine seconds to arrive.
    pub delayed: u32,
    /// A change takes four times as long as it would.
    pub slow: u32,
    /// The cloud has no capacity.
    pub no_capacity: u32,
    /// A change is accepted and fails.
    pub failing: u32,
    /// A read of many answers only some.
    pub partial: u32,
    /// A page of a census ends early, or is empty, and more follow, each of a later moment.
    pub short_page: u32,
    /// A read comes from a replica that is behind by up to the type's lag: what is new is missing, what is gone is there.
    pub stale: u32,
    /// A call to the ledger's store fails before it acts.
    pub store_down: u32,
    /// A call to the ledger's store acts, and its answer is lost, or says that another's object is there.
    pub store_lost: u32,
    /// A listing of the ledger's store is behind.
    pub store_stale: u32,
    /// The host dies during a call.
    pub crash: u32,
    /// The host is paused during a call.
    pub pause: u32,
    /// The longest pause.
    pub longest_pause: Duration,
    /// A create takes several calls.
    pub unfinished: u32,
    /// How long permissions may take until they are known everywhere.
    pub permission_lag: Duration,
    /// How long reads by tags may lag behind, where that is longer than the type's own lag.
    pub index_lag: Duration,
}

/// What happens to a host at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    Dies(Moment),
    Pauses(Moment, Duration),
}

/// What goes wrong with a call to the ledger's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreFault {
    Down,
    /// Concurrent conditional writes: S3 answers 409 `ConditionalRequestConflict` and has written nothing.
    Conflict,
    Silent {
        acted: bool,
    },
    /// It acts and the connection breaks.
    Lost,
    /// It acts, the client beneath repeats it, and the answer is about the repetition.
    Own,
    Stale,
}

impl Chaos {
    /// All is well.
    pub const NONE: Self = Self {
        throttled: 0,
        disguised: 0,
        unavailable: 0,
        lost: 0,
        delayed: 0,
        slow: 0,
        no_capacity: 0,
        failing: 0,
        partial: 0,
        short_page: 0,
        stale: 0,
        store_down: 0,
        store_lost: 0,
        store_stale: 0,
        crash: 0,
        pause: 0,
        longest_pause: Duration::ZERO,
        unfinished: 0,
        permission_lag: Duration::ZERO,
        index_lag: Duration::ZERO,
    };

    /// A mix that hangs on the seed: some faults are absent, some rare, some frequent. Which are absent matters as much
    /// as which are there, for one fault may hide what another shows.
    #[must_use]
    pub fn drawn(seed: u64) -> Self {
        let mut random = Random::of(seed, &["chaos"]);
        let mut draw = |most: u64| match random.next() % 4 {
            0 | 1 => 0,
            2 => u32::try_from(random.next() % (most / 4 + 1)).unwrap_or_default(),
            _ => u32::try_from(random.next() % (most + 1)).unwrap_or_default(),
        };
        Self {
            throttled: draw(300),
            disguised: draw(100),
            unavailable: draw(200),
            lost: draw(200),
            delayed: draw(200),
            slow: draw(200),
            no_capacity: draw(60),
            failing: draw(30),
            partial: draw(300),
            stale: draw(500),
            store_down: draw(100),
            store_lost: draw(100),
            store_stale: draw(100),
            crash: draw(60),
            pause: draw(30),
            longest_pause: Duration::from_secs(draw(300).into()),
            permission_lag: Duration::from_secs(draw(420).into()),
            index_lag: Duration::from_secs(draw(120).into()),
            unfinished: draw(300),
            short_page: draw(300),
        }
    }

    /// What goes wrong with a call to the cloud.
    pub(super) fn fault(&self, random: &mut Random, verb: Verb) -> Option<FaultKind> {
        let mut strikes = |chance: u32| random.next() % 1000 < u64::from(chance);
        let read = verb == Verb::Read;
        if strikes(self.throttled) {
            let floor = Duration::from_secs(random.next() % 5);
            return Some(FaultKind::Throttled { retry_after: (floor > Duration::ZERO).then_some(floor) });
        }
        if strikes(self.disguised) {
            return Some(FaultKind::Disguised);
        }
        if strikes(self.unavailable) {
            return Some(FaultKind::Unavailable);
        }
        if strikes(self.lost) {
            let acted = random.next().is_multiple_of(2);
            return Some(match random.next() % 5 {
                0 => FaultKind::NoAnswer { acted },
                1 => FaultKind::ServerError { acted },
                2 => FaultKind::Garbage { acted },
                3 if verb == Verb::Create && acted => FaultKind::ActedThenNotFound,
                _ => FaultKind::OutcomeUnknown { acted },
            });
        }
        if !read && strikes(self.no_capacity) {
            return Some(FaultKind::NoCapacity);
        }
        if verb == Verb::Create && strikes(self.failing) {
            return Some(FaultKind::ProvisioningFailed { message: "it did not stabilise".into() });
        }
        if read && strikes(self.partial) {
            return Some(FaultKind::Partial);
        }
        if read && strikes(self.stale) {
            return Some(FaultKind::Stale);
        }
        if strikes(self.delayed) {
            return Some(FaultKind::Delayed(random.between(Duration::ZERO, Duration::from_secs(9))));
        }
        if read && strikes(self.short_page) {
            return Some(FaultKind::ShortPage);
        }
        if !read && strikes(self.slow) {
            return Some(FaultKind::Slow(4));
        }
        if verb == Verb::Create && strikes(self.unfinished) {
            return Some(FaultKind::Unfinished);
        }
        None
    }

    pub(super) fn blow(&self, random: &mut Random) -> Option<Blow> {
        let mut strikes = |chance: u32| random.next() % 1000 < u64::from(chance);
        let (dies, pauses) = (strikes(self.crash), strikes(self.pause));
        let moment = Moment::ALL[usize::try_from(random.next() % 3).unwrap_or_default()];
        if dies {
            return Some(Blow::Dies(moment));
        }
        pauses.then(|| Blow::Pauses(moment, random.between(Duration::ZERO, self.longest_pause)))
    }

    pub(super) fn store_fault(&self, random: &mut Random) -> Option<StoreFault> {
        let mut strikes = |chance: u32| random.next() % 1000 < u64::from(chance);
        if strikes(self.store_down) {
            return Some(if random.next().is_multiple_of(2) { StoreFault::Down } else { StoreFault::Conflict });
        }
        if strikes(self.store_lost) {
            return Some(match random.next() % 4 {
                0 => StoreFault::Silent { acted: false },
                1 => StoreFault::Silent { acted: true },
                2 => StoreFault::Lost,
                _ => StoreFault::Own,
            });
        }
        strikes(self.store_stale).then_some(StoreFault::Stale)
    }
}

impl Default for Chaos {
    fn default() -> Self {
        Self::NONE
    }
}
