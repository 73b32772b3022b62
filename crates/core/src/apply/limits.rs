//! Client-side limits on requests, in the three shapes that clouds use.
//!
//! Requests are limited, not resources: any number of resources may be in flight. The handle is cheap to clone, and all
//! platforms of one process that share it are fair to each other and to the account.

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
}

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

    /// The cloud refused a request of this sort: whatever was left is gone, and nothing goes before `after`.
    pub fn refused(&self, key: &LimitKey, now: Duration, after: Duration) {
        let mut limiters = self.lock();
        let limiter = limiters.entry(key.clone()).or_insert_with(|| Limiter::new(key.documented()));
        limiter.refill(now);
        limiter.left = limiter.left.min(0.0);
        limiter.closed_until = limiter.closed_until.max(now + after);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<LimitKey, Limiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limiter {
    fn new(limit: Limit) -> Self {
        let left = match limit {
            Limit::Bucket { burst, .. } => burst,
            Limit::MinuteWindow { requests } => f64::from(requests),
            Limit::None => f64::INFINITY,
        };
        Self { limit, left, at: Duration::ZERO, closed_until: Duration::ZERO }
    }

    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        if now < self.closed_until {
            return Err(self.closed_until - now);
        }
        self.refill(now);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(match self.limit {
            // A wait that rounds to nothing would be asked for again and again while time stands still.
            Limit::Bucket { per_second, .. } => {
                Duration::from_secs_f64((1.0 - self.left) / per_second).max(Duration::from_millis(1))
            }
            Limit::MinuteWindow { .. } => Duration::from_secs((minute(now) + 1) * 60).saturating_sub(now),
            Limit::None => Duration::ZERO,
        })
    }

    fn refill(&mut self, now: Duration) {
        match self.limit {
            Limit::Bucket { burst, per_second } => {
                let passed = now.saturating_sub(self.at).as_secs_f64();
                self.left = (self.left + passed * per_second).min(burst);
            }
            Limit::MinuteWindow { requests } => {
                if minute(now) > minute(self.at) {
                    self.left = f64::from(requests);
                }
            }
            Limit::None => self.left = f64::INFINITY,
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

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_its_rate() {
        let limits = Limits::new();
        let key = key(Api::Aws, "ec2:CreateSubnet", Verb::Create);
        assert_eq!(passed(&limits, &key, 0), 50);
        assert_eq!(limits.take(&key, Duration::ZERO), Err(Duration::from_millis(200)));
        assert_eq!(passed(&limits, &key, 2), 10);
        assert_eq!(passed(&limits, &key, 1_000), 50, "it never holds more than its burst");
    }

    #[test]
    fn actions_have_buckets_of_their_own_on_aws_and_share_one_on_azure() {
        let limits = Limits::new();
        passed(&limits, &key(Api::Aws, "ec2:CreateSubnet", Verb::Create), 0);
        assert!(limits.take(&key(Api::Aws, "ec2:CreateVpc", Verb::Create), Duration::ZERO).is_ok());
        passed(&limits, &key(Api::Azure, "virtualNetworks/write", Verb::Create), 0);
        assert!(limits.take(&key(Api::Azure, "managedClusters/write", Verb::Update), Duration::ZERO).is_err());
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
