//! When to repeat a failed call: back-off with full jitter, and what the cloud asks for as a floor.

use std::time::Duration;

use crate::{Error, Retry};

/// The first back-off is at most this long.
const BASE: Duration = Duration::from_millis(500);
/// No back-off is longer than this, unless the cloud asks for it.
const CAP: Duration = Duration::from_secs(30);
/// The back-off of what is not ready yet grows from this.
const SLOW_BASE: Duration = Duration::from_secs(2);

/// Seeded numbers for jitter: the same run draws the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: &str) -> Self {
        // FNV-1a: any text gives a state that is not zero.
        Self(
            seed.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
                | 1,
        )
    }

    /// A duration from zero up to `limit`.
    pub(crate) fn up_to(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        #[expect(clippy::cast_precision_loss, reason = "53 bits are enough for jitter")]
        let share = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        limit.mul_f64(share)
    }
}

/// How long to wait before the next try of a call that failed with this error; `None` when repeating is no use.
///
/// Full jitter over a limit that doubles with each attempt; what the cloud asked for comes on top as a floor.
pub(crate) fn back_off(error: &Error, attempt: u32, jitter: &mut Jitter) -> Option<Duration> {
    let grown = |base: Duration| base.saturating_mul(1 << attempt.min(16)).min(CAP);
    match error.retry_class() {
        Retry::Never => None,
        Retry::Throttled(Some(floor)) => Some(floor + jitter.up_to(grown(BASE))),
        Retry::Throttled(None) | Retry::Transient | Retry::Unknown => Some(jitter.up_to(grown(BASE))),
        Retry::NotReady => Some(SLOW_BASE + jitter.up_to(grown(SLOW_BASE))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn the_clouds_wish_is_a_floor() {
        let error = Error::new(Code::Throttled, "slow down").retry(Retry::Throttled(Some(Duration::from_secs(7))));
        let mut jitter = Jitter::new("seed");
        for attempt in 0..40 {
            let wait = back_off(&error, attempt, &mut jitter).unwrap();
            assert!(wait >= Duration::from_secs(7) && wait <= Duration::from_secs(37), "{wait:?}");
        }
    }

    #[test]
    fn jitter_fills_the_whole_range_and_is_the_same_each_time() {
        let draw = || {
            let mut jitter = Jitter::new("inferloop-dev");
            (0..1_000).map(|_| jitter.up_to(Duration::from_secs(1))).collect::<Vec<_>>()
        };
        let drawn = draw();
        assert_eq!(drawn, draw());
        assert!(drawn.iter().any(|wait| *wait < Duration::from_millis(10)));
        assert!(drawn.iter().any(|wait| *wait > Duration::from_millis(990)));
        assert!(drawn.iter().all(|wait| *wait < Duration::from_secs(1)));
    }

    #[test]
    fn what_can_never_work_is_not_repeated() {
        let error = Error::new(Code::PermissionDenied, "no");
        assert_eq!(back_off(&error, 0, &mut Jitter::new("seed")), None);
    }
}
