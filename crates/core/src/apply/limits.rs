//! Client-side limits on requests, in the three shapes that clouds use.
//!
//! Requests are limited, not resources: any number of resources may be in flight. The handle is cheap to clone, and all
//! platforms of one process that share it are fair to each other and to the account.
//!
//! A documented limit is what an account has alone. When a cloud refuses, others use it too, and the rate falls to what
//! has passed since the cloud last had nothing left; it then grows again, slowly first. What is not used meanwhile is not
//! lost: the cloud's bucket keeps it. A refusal of few requests says nothing of the rate and does not change it; while
//! nothing passes at all, single requests ask less and less often. The second half of a burst goes out at twice the rate,
//! so that few requests are on their way when the first one is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::resource::{Api, Verb};

/// How many requests of one sort a cloud lets through.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Limit {
    /// A bucket of tokens that refills all the time: EC2 has one for each action, Azure Resource Manager one for each
    /// principal and class of verb.
    Bucket {
        /// How many tokens it holds.
        burst: f64,
        /// How many come back each second.
        per_second: f64,
    },
    /// A number of requests in each minute that starts with the clock's minute: Compute Engine.
    MinuteWindow {
        /// How many.
        requests: u32,
    },
    /// There is a limit, and nobody knows it: it is found out, and the rate grows by a fifth each second until then.
    Unknown,
    /// No limit of ours.
    None,
}

/// Which requests share a limit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LimitKey {
    /// The API family.
    pub api: Api,
    /// The account, subscription or project, with the region.
    pub principal: String,
    /// The action (`ec2:CreateSubnet`), or the class of verb (`read`, `write`, `delete`) where the cloud counts those.
    pub class: String,
}

impl LimitKey {
    /// The key of one call: by action on AWS, by class of verb elsewhere.
    ///
    /// Sources: the EC2 API throttling page (per action, account and region), the Azure Resource Manager request limits
    /// page (per subscription, principal and class of verb), the Compute Engine rate quotas page (per project and method
    /// group).
    #[must_use]
    pub fn of(api: Api, principal: &str, action: &str, verb: Verb) -> Self {
        let class = match (api, verb) {
            (Api::Aws, _) => action.to_owned(),
            (_, Verb::Read) => "read".to_owned(),
            (_, Verb::Create | Verb::Update) => "write".to_owned(),
            (_, Verb::Delete) => "delete".to_owned(),
        };
        Self { api, principal: principal.to_owned(), class }
    }

    /// The limit that the cloud's own documentation gives.
    #[must_use]
    pub fn documented(&self) -> Limit {
        let read = self.class == "read"
            || ["Describe", "List", "Get"].iter().any(|word| self.class.contains(&format!(":{word}")));
        match self.api {
            Api::Aws if self.class == "ec2:CreateVpcEndpoint" => Limit::Bucket { burst: 4.0, per_second: 0.3 },
            Api::Aws if read => Limit::Bucket { burst: 100.0, per_second: 20.0 },
            Api::Aws => Limit::Bucket { burst: 50.0, per_second: 5.0 },
            Api::Azure if read => Limit::Bucket { burst: 250.0, per_second: 25.0 },
            Api::Azure => Limit::Bucket { burst: 200.0, per_second: 10.0 },
            Api::Gcp => Limit::MinuteWindow { requests: 1_500 },
            Api::Kubernetes => Limit::Bucket { burst: 300.0, per_second: 50.0 },
            Api::Postgres => Limit::None,
        }
    }
}

/// All limiters of a process.
#[derive(Clone, Debug, Default)]
pub struct Limits(Arc<Mutex<BTreeMap<LimitKey, Limiter>>>);

#[derive(Debug)]
struct Limiter {
    limit: Limit,
    /// Tokens of a bucket, or requests left in the window.
    left: f64,
    /// When `left` was counted.
    at: Duration,
    /// Nothing is let through before this moment, because the cloud said so.
    closed_until: Duration,
    /// Tokens that come back each second, as far as is known.
    rate: f64,
    /// When the next request of a burst may go.
    next: Duration,
    /// How long it was closed after the last refusal.
    pause: Duration,
    /// Whether the next request is to find out if the cloud takes any again.
    probing: bool,
    /// Whether fewer requests came than were let through: then a refusal says nothing of the rate.
    slack: bool,
    /// Since the cloud last had nothing left, if it ever did.
    since: Option<Since>,
}

/// What happened since a cloud had nothing left: what has passed since then is what came back meanwhile.
#[derive(Clone, Copy, Debug)]
struct Since {
    began: Duration,
    /// How many requests were let through since then and not refused.
    passed: f64,
    /// The last time that it had nothing left.
    empty: Duration,
    /// How many were let through since that.
    recent: f64,
    /// The rate at that moment, and right after it.
    before: f64,
    after: f64,
    /// Whether that was measured, and not guessed.
    measured: bool,
}

/// How much faster than it refills the second half of a burst is used up.
const BURST_PACE: f64 = 2.0;
/// What a refusal leaves of a rate when too little has passed to measure it.
const CUT: f64 = 0.7;
/// What is left of a measured rate, because the measure counts requests that are still on their way.
const MARGIN: f64 = 0.99;
/// So many requests must have passed for a measure.
const MEASURED: f64 = 8.0;
/// What passed before so many others says nothing of the rate now.
const LONG_AGO: f64 = 256.0;
/// By how much each request lets a rate grow that was never refused: it grows by a fifth each second.
const GROWTH: f64 = 0.2;
/// A limit that nobody knows begins with so many requests at once and as many each second.
const UNKNOWN: f64 = 10.0;
/// What comes of one request is waited for so long before more follow.
const PROBE: Duration = Duration::from_millis(250);
/// So many seconds' worth of tokens are left when fewer requests come than are let through.
const SPARE: f64 = 0.6;
/// The longest pause between two requests that find out if the cloud takes any again.
const LONGEST: Duration = Duration::from_secs(5);
/// The slowest that a rate falls to: a request every ten seconds.
const SLOWEST: f64 = 0.1;

impl Limits {
    /// Limits as the clouds document them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Uses another limit for these requests than the documented one.
    pub fn set(&self, key: LimitKey, limit: Limit) {
        self.lock().insert(key, Limiter::new(limit));
    }

    /// Lets one request through, or says how long to wait before asking again.
    ///
    /// # Errors
    /// The time until a request of this sort may go.
    pub fn take(&self, key: &LimitKey, now: Duration) -> Result<(), Duration> {
        let mut limiters = self.lock();
        match limiters.get_mut(key) {
            Some(limiter) => limiter.take(now),
            None => limiters.entry(key.clone()).or_insert_with(|| Limiter::new(key.documented())).take(now),
        }
    }

    /// The cloud refused a request of this sort: whatever was left is gone, nothing goes before `after`, and from then on
    /// they go more slowly.
    pub fn refused(&self, key: &LimitKey, now: Duration, after: Duration) {
        let mut limiters = self.lock();
        limiters.entry(key.clone()).or_insert_with(|| Limiter::new(key.documented())).refused(now, after);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<LimitKey, Limiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiter {
    fn new(limit: Limit) -> Self {
        let (left, rate) = match limit {
            Limit::Bucket { burst, per_second } => (burst, per_second),
            Limit::MinuteWindow { requests } => (f64::from(requests), 0.0),
            Limit::Unknown => (UNKNOWN, UNKNOWN),
            Limit::None => (f64::INFINITY, 0.0),
        };
        let [at, closed_until, next, pause] = [Duration::ZERO; 4];
        Self { limit, left, at, closed_until, rate, next, pause, probing: false, slack: false, since: None }
    }

    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if now < self.closed_until {
            return Err(self.closed_until - now);
        }
        self.refill(now);
        let Some(burst) = self.burst() else { return self.take_any(now) };
        // A wait that rounds to nothing would be asked for again and again while time stands still.
        let wait = |seconds: f64| Duration::from_secs_f64(seconds).max(Duration::from_millis(1));
        if self.left < 1.0 {
            return Err(wait((1.0 - self.left) / self.rate));
        }
        if self.left <= burst / 2.0 && now < self.next {
            return Err(self.next - now);
        }
        self.slack = match self.since {
            None => self.left > burst / 2.0 + 1.0,
            // As much as comes back while it is closed for a moment is no slack.
            Some(_) => self.slack || self.left > 2.0 + self.rate * SPARE,
        };
        self.left -= 1.0;
        self.next = now + wait(1.0 / (BURST_PACE * self.rate));
        if std::mem::take(&mut self.probing) {
            self.closed_until = now + PROBE;
        }
        self.grow();
        Ok(())
    }

    /// Of a window, or where there is no limit.
    fn take_any(&mut self, now: Duration) -> Result<(), Duration> {
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs((minute(now) + 1) * 60).saturating_sub(now))
    }

    fn refused(&mut self, now: Duration, after: Duration) {
        self.refill(now);
        self.left = self.left.min(0.0);
        let known = now < self.closed_until;
        self.closed_until = self.closed_until.max(now + after);
        if self.burst().is_none() {
            return;
        }
        let fresh = Since {
            began: now,
            passed: 0.0,
            empty: now,
            recent: 0.0,
            before: self.rate,
            after: self.rate,
            measured: false,
        };
        let mut since = self.since.unwrap_or(fresh);
        since.passed = (since.passed - 1.0).max(0.0);
        since.recent = (since.recent - 1.0).max(0.0);
        if !known {
            self.probing = true;
            if self.since.is_some() && since.recent == 0.0 {
                // Nothing at all has passed since the last time: that is no rate, and it is asked less and less often.
                self.pause = (self.pause * 2).clamp(after, after.max(LONGEST));
                self.closed_until = self.closed_until.max(now + self.pause);
                self.since = Some(since);
                return;
            }
            self.pause = after;
            if std::mem::take(&mut self.slack) {
                self.since = Some(Since { after: self.rate, ..fresh });
                return;
            }
        }
        if !known && self.since.is_some() {
            if since.passed > LONG_AGO {
                (since.began, since.passed) = (since.empty, since.recent);
            }
            (since.empty, since.recent, since.before) = (now, 0.0, self.rate);
        }
        let lasted = since.empty.saturating_sub(since.began).as_secs_f64();
        since.measured = since.passed >= MEASURED && lasted > 0.0;
        since.after = if since.measured {
            (since.passed / lasted * MARGIN).min(since.before)
        } else if lasted > 0.0 {
            (since.passed.max(1.0) / lasted).min(since.before * CUT)
        } else {
            since.before * CUT
        };
        since.after = since.after.max(SLOWEST);
        self.rate = since.after;
        self.since = Some(since);
    }

    /// One more was let through: the rate grows, at first so slowly that one in a hundred is refused.
    fn grow(&mut self) {
        let most = if let Limit::Bucket { per_second, .. } = self.limit { per_second } else { f64::INFINITY };
        let grown = match &mut self.since {
            None => self.rate + GROWTH,
            Some(since) => {
                since.passed += 1.0;
                since.recent += 1.0;
                let slowly = if since.measured { 1e-4 } else { 1e-2 };
                since.after * (1.0 + since.recent * slowly + (since.recent / 400.0).powi(3))
            }
        };
        self.rate = grown.min(most);
    }

    /// How many tokens a bucket holds.
    fn burst(&self) -> Option<f64> {
        match self.limit {
            Limit::Bucket { burst, .. } => Some(burst),
            Limit::Unknown => Some(self.rate.max(UNKNOWN)),
            Limit::MinuteWindow { .. } | Limit::None => None,
        }
    }

    fn refill(&mut self, now: Duration) {
        if let Some(burst) = self.burst() {
            let passed = now.saturating_sub(self.at).as_secs_f64();
            self.left = (self.left + passed * self.rate).min(burst);
        } else if let Limit::MinuteWindow { requests } = self.limit {
            if minute(now) > minute(self.at) {
                self.left = f64::from(requests);
            }
        } else {
            self.left = f64::INFINITY;
        }
        self.at = self.at.max(now);
    }
}

fn minute(moment: Duration) -> u64 {
    moment.as_secs() / 60
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_never_nothing() {
        let mut limiter = Limiter::new(Limit::Bucket { burst: 10.0, per_second: 10.0 });
        limiter.left = 1.0 - f64::EPSILON;
        assert!(limiter.take(Duration::ZERO).unwrap_err() >= Duration::from_millis(1));
    }

    fn key(api: Api, action: &str, verb: Verb) -> LimitKey {
        LimitKey::of(api, "123456789012/eu-west-1", action, verb)
    }

    fn passed(limits: &Limits, key: &LimitKey, at: u64) -> usize {
        std::iter::repeat_with(|| limits.take(key, Duration::from_secs(at))).take_while(Result::is_ok).count()
    }

    /// How many are let through in these milliseconds, each as soon as it may go.
    fn passed_between(limits: &Limits, key: &LimitKey, from: u64, until: u64) -> usize {
        let (mut now, until) = (Duration::from_millis(from), Duration::from_millis(until));
        let mut passed = 0;
        while now <= until {
            match limits.take(key, now) {
                Ok(()) => passed += 1,
                Err(wait) => now += wait,
            }
        }
        passed
    }

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_its_rate() {
        let limits = Limits::new();
        let key = key(Api::Aws, "ec2:CreateSubnet", Verb::Create);
        assert_eq!(passed(&limits, &key, 0), 25, "half of it at once");
        assert_eq!(limits.take(&key, Duration::ZERO), Err(Duration::from_millis(100)));
        let rest = passed_between(&limits, &key, 0, 10_000);
        assert!((25 + 49..=25 + 50).contains(&rest), "the other half, and what came back meanwhile: {rest}");
        assert!((49..=50).contains(&passed_between(&limits, &key, 10_001, 20_000)));
        assert_eq!(passed(&limits, &key, 1_000), 25, "it never holds more than its burst");
    }

    #[test]
    fn actions_have_buckets_of_their_own_on_aws_and_share_one_on_azure() {
        let limits = Limits::new();
        passed(&limits, &key(Api::Aws, "ec2:CreateSubnet", Verb::Create), 0);
        assert!(limits.take(&key(Api::Aws, "ec2:CreateVpc", Verb::Create), Duration::ZERO).is_ok());
        passed(&limits, &key(Api::Azure, "virtualNetworks/write", Verb::Create), 0);
        assert!(limits.take(&key(Api::Azure, "managedClusters/write", Verb::Update), Duration::ZERO).is_err());
    }

    /// Seconds that so many calls take against a server that takes them or not, and the share of requests that it refused.
    /// Each call takes a tenth of a second.
    fn simulated(limit: Limit, calls: u32, mut takes: impl FnMut(Duration) -> bool) -> (f64, f64) {
        const ROUND_TRIP: Duration = Duration::from_millis(100);
        let mut limiter = Limiter::new(limit);
        let mut arriving = std::collections::VecDeque::new();
        let (mut now, mut waiting, mut done, mut refused) = (Duration::ZERO, calls, 0, 0);
        while done < calls {
            if waiting > 0 && limiter.take(now).is_ok() {
                waiting -= 1;
                arriving.push_back(now + ROUND_TRIP);
                continue;
            }
            now += Duration::from_millis(1);
            while let Some(arrived) = arriving.front().copied().filter(|arrives| *arrives <= now) {
                arriving.pop_front();
                if takes(arrived) {
                    done += 1;
                } else {
                    refused += 1;
                    waiting += 1;
                    limiter.refused(now, Duration::from_millis(200));
                }
            }
        }
        (now.as_secs_f64(), f64::from(refused) / f64::from(refused + calls))
    }

    /// Makespan beside what a server's bucket allows, and the share of requests that were refused.
    fn against(limit: Limit, (burst, per_second): (f64, f64), calls: u32) -> (f64, f64) {
        let (mut left, mut at) = (burst, Duration::ZERO);
        let (took, refused) = simulated(limit, calls, |arrived| {
            left = (left + (arrived - at).as_secs_f64() * per_second).min(burst);
            at = arrived;
            let takes = left >= 1.0;
            left -= if takes { 1.0 } else { 0.0 };
            takes
        });
        (took * per_second / (f64::from(calls) - burst), refused)
    }

    #[test]
    fn a_limit_that_nobody_else_uses_is_used_up_and_never_broken() {
        for limit in [(50.0, 5.0), (200.0, 10.0), (4.0, 0.3)] {
            let (ratio, refused) = against(Limit::Bucket { burst: limit.0, per_second: limit.1 }, limit, 400);
            assert!(ratio <= 1.02 && refused == 0.0, "{limit:?}: {ratio}, {refused}");
        }
    }

    #[test]
    fn a_limit_that_others_use_too_is_felt_for() {
        // What is beyond the half of a burst that goes out at once is refused once.
        for (share, most) in [(0.9, 0.01), (0.7, 0.01), (0.5, 0.02), (0.2, 0.07)] {
            for calls in [300, 3_000] {
                let (ratio, refused) =
                    against(Limit::Bucket { burst: 50.0, per_second: 5.0 }, (50.0 * share, 5.0 * share), calls);
                assert!(ratio <= 1.03 && refused <= most, "{share} {calls}: {ratio}, {refused}");
            }
        }
    }

    #[test]
    fn a_limit_that_nobody_knows_is_found_out() {
        for limit in [(50.0, 5.0), (20.0, 1.0), (200.0, 10.0)] {
            for calls in [300, 3_000] {
                let (ratio, refused) = against(Limit::Unknown, limit, calls);
                assert!(ratio <= 1.04 && refused <= 0.05, "{limit:?} {calls}: {ratio}, {refused}");
            }
        }
        let (limits, key) = (Limits::new(), key(Api::Aws, "new:Create", Verb::Create));
        limits.set(key.clone(), Limit::Unknown);
        assert!(passed_between(&limits, &key, 0, 16_000) > 1_000);
    }

    #[test]
    fn a_cloud_that_takes_nothing_for_a_while_is_no_slower_afterwards() {
        // 1 500 in each minute, as on Compute Engine, and nobody knows it.
        let (mut left, mut minute) = (1_500, 0);
        let (took, refused) = simulated(Limit::Unknown, 3_000, |arrived| {
            if super::minute(arrived) > minute {
                (left, minute) = (1_500, super::minute(arrived));
            }
            let takes = left > 0;
            left -= i32::from(takes);
            takes
        });
        assert!(took <= 240.0 && refused <= 0.04, "{took}, {refused}");
    }

    #[test]
    fn few_requests_are_not_slowed_down_by_a_refusal() {
        let limits = Limits::new();
        let key = key(Api::Aws, "ec2:CreateSubnet", Verb::Create);
        for minute in 1..10 {
            let times = [0, 10, 20, 30].map(|second| Duration::from_secs(minute * 60 + second));
            times.iter().for_each(|now| limits.take(&key, *now).unwrap());
            limits.refused(&key, times[3], Duration::from_millis(200));
        }
        let passed = passed_between(&limits, &key, 600_000, 660_000);
        assert!(passed >= 340, "{passed}");
    }

    #[test]
    fn a_rate_grows_back_when_the_others_are_gone() {
        let limits = Limits::new();
        let key = key(Api::Aws, "ec2:CreateSubnet", Verb::Create);
        for second in 1..6 {
            passed_between(&limits, &key, second * 1_000 - 700, second * 1_000 - 1);
            limits.refused(&key, Duration::from_secs(second), Duration::ZERO);
        }
        let slow = passed_between(&limits, &key, 6_000, 16_000);
        passed_between(&limits, &key, 16_001, 900_000);
        let fast = passed_between(&limits, &key, 900_001, 910_001);
        assert!(slow <= 20 && fast >= 49, "{slow}, {fast}");
    }

    #[test]
    fn a_minute_window_opens_again_at_the_full_minute() {
        let limits = Limits::new();
        let key = key(Api::Gcp, "compute.networks.insert", Verb::Create);
        assert_eq!(passed(&limits, &key, 50), 1_500);
        assert_eq!(limits.take(&key, Duration::from_secs(50)), Err(Duration::from_secs(10)));
        assert_eq!(passed(&limits, &key, 60), 1_500);
    }

    #[test]
    fn a_refusal_closes_the_limit_for_as_long_as_the_cloud_says() {
        let limits = Limits::new();
        let key = key(Api::Aws, "eks:CreateCluster", Verb::Create);
        limits.refused(&key, Duration::from_secs(1), Duration::from_secs(5));
        assert_eq!(limits.take(&key, Duration::from_secs(2)), Err(Duration::from_secs(4)));
        assert!(limits.take(&key, Duration::from_secs(7)).is_ok());
    }
}
