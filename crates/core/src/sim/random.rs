//! Chance that depends on nothing but a seed and a name, so that the order of calls changes nothing.

use std::time::Duration;

use crate::resource::Usual;

/// A small generator (`SplitMix64`), seeded for one purpose.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The generator of one purpose, named by its parts.
    pub(super) fn of(seed: u64, parts: &[&str]) -> Self {
        // FNV-1a, with a byte between the parts that no text holds.
        let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
        let hash = bytes
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut random = Self(seed);
        random.0 = random.next() ^ hash;
        random.next();
        random
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A duration from `low` up to `high`, in whole milliseconds.
    pub(super) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        let span = u64::try_from(high.saturating_sub(low).as_millis()).unwrap_or(u64::MAX - 1);
        low + Duration::from_millis(self.next() % (span + 1))
    }

    /// A duration as usual: half of them under the typical one, and few near the slowest.
    pub(super) fn around(&mut self, usual: Usual) -> Duration {
        if self.next().is_multiple_of(2) {
            return self.between(usual.low, usual.typical);
        }
        let slow = self.between(usual.typical, usual.high.max(usual.typical));
        slow.min(self.between(usual.typical, usual.high.max(usual.typical)))
    }

    /// Text of this many characters of an alphabet.
    pub(super) fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        let size = alphabet.len() as u64;
        (0..length).map(|_| char::from(alphabet[usize::try_from(self.next() % size).unwrap_or_default()])).collect()
    }

    /// A version 4 UUID.
    pub(super) fn uuid(&mut self) -> String {
        let hex = self.text(b"0123456789abcdef", 30);
        let variant = self.text(b"89ab", 1);
        format!("{}-{}-4{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_purpose_gives_the_same_values_and_another_gives_others() {
        let draw = |seed, parts: &[&str]| Random::of(seed, parts).next();
        assert_eq!(draw(1, &["a", "b"]), draw(1, &["a", "b"]));
        assert_ne!(draw(1, &["a", "b"]), draw(2, &["a", "b"]));
        assert_ne!(draw(1, &["a", "b"]), draw(1, &["ab"]));
    }

    #[test]
    fn durations_stay_within_what_is_usual_and_half_are_under_the_typical_one() {
        let usual = Usual::seconds(60, 100, 600);
        let mut random = Random::of(7, &["durations"]);
        let all: Vec<_> = (0..1000).map(|_| random.around(usual)).collect();
        assert!(all.iter().all(|took| (usual.low..=usual.high).contains(took)));
        let under = all.iter().filter(|took| **took <= usual.typical).count();
        assert!((400..600).contains(&under), "{under}");
    }

    #[test]
    fn a_uuid_looks_like_one() {
        let uuid = Random::of(7, &["uuid"]).uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.match_indices('-').map(|(at, _)| at).collect::<Vec<_>>(), [8, 13, 18, 23]);
        assert_eq!(uuid.as_bytes()[14], b'4');
    }
}
