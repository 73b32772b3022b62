//! Whatever happens to the bytes of a ledger is noticed before any cloud is called, and the right bytes put it right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use bytes::Bytes;
use common::{World, codes};
use landfall::Code;
use landfall::ledger::{Put, Store, is_entry_key};
use landfall::prelude::*;
use sha2::{Digest, Sha256};

/// A store whose content can be damaged.
#[derive(Clone, Debug, Default)]
struct Shelf(Arc<Mutex<BTreeMap<String, Bytes>>>);

impl Shelf {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.0.lock().unwrap()
    }

    /// Keys of all entries, the oldest first.
    fn entries(&self) -> Vec<String> {
        self.objects().keys().rev().filter(|key| is_entry_key(key)).cloned().collect()
    }
}

#[async_trait]
impl Store for Shelf {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        let mut objects = self.objects();
        if objects.contains_key(key) {
            return Ok(Put::Exists);
        }
        objects.insert(key.to_owned(), bytes);
        Ok(Put::Created)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        Ok(self.objects().get(key).cloned())
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        let objects = self.objects();
        Ok(objects.keys().find(|key| key.starts_with(prefix) && is_entry_key(key)).cloned())
    }

    fn is_real(&self) -> bool {
        false
    }
}

/// A platform that has converged a few times, and the bytes of its ledger.
struct Battery {
    world: World,
    shelf: Shelf,
    good: BTreeMap<String, Bytes>,
    platform: Platform,
    calls: usize,
}

fn declared(environment: &str, owner: &str) -> PlatformBuilder {
    let mut platform = Platform::builder("battery", environment, Aws::new("eu-west-1"));
    platform.tag("Owner", owner);
    platform.bucket("files", BucketSpec::new());
    platform
}

impl Battery {
    async fn new(seed: u64, environment: &str, releases: usize) -> Self {
        let shelf = Shelf::default();
        let world = World { ledger: Ledger::new(Arc::new(shelf.clone())), ..World::new(seed) };
        for release in 0..releases {
            let platform = world.place(declared(environment, &format!("o{release}")), &format!("{seed}-{release}"));
            platform.converge().await.unwrap();
        }
        // Whoever comes next wants something else, so that the whole ledger is read.
        let platform = world.place(declared(environment, "next"), "next");
        let (good, calls) = (shelf.objects().clone(), world.cloud.log().len());
        Self { world, shelf, good, platform, calls }
    }

    /// What converging says of these bytes. The cloud is not called, nothing is written, and the right bytes are put back.
    async fn refuses(&self, change: impl FnOnce(&mut BTreeMap<String, Bytes>), expected: &[Code], what: &str) {
        let damaged = {
            let mut objects = self.shelf.objects();
            change(&mut objects);
            objects.clone()
        };
        assert_ne!(damaged, self.good, "{what}: something is damaged");
        let error = self.platform.converge().await.expect_err(what);
        assert!(codes(&error).iter().all(|code| expected.contains(code)), "{what}: {error}");
        assert!(error.to_string().contains("; next: "), "{what}: {error}");
        assert_eq!(self.world.cloud.log().len(), self.calls, "{what}: no cloud call");
        assert_eq!(*self.shelf.objects(), damaged, "{what}: nothing is written");
        self.shelf.objects().clone_from(&self.good);
    }

    /// With the right bytes everything is as before: the last release finds nothing to do.
    async fn recovers(&self, environment: &str, releases: usize) {
        assert_eq!(*self.shelf.objects(), self.good);
        let mutations = self.world.cloud.mutations();
        let last = self.world.place(declared(environment, &format!("o{}", releases - 1)), "last");
        last.converge().await.unwrap();
        assert!(last.plan().await.unwrap().is_empty());
        assert_eq!(self.world.cloud.mutations(), mutations);
    }
}

/// Numbers without order that are the same in each run (SplitMix64).
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn pick(state: &mut u64, count: usize) -> usize {
    usize::try_from(random(state) % u64::try_from(count).unwrap()).unwrap()
}

/// An entry of a later version, whose checksum is right.
fn of_format(format: u32, bytes: &Bytes) -> Bytes {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (_, body) = text.split_once('\n').unwrap();
    let sum = Sha256::new().chain_update(format.to_string()).chain_update("\n").chain_update(body).finalize();
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("landfall-ledger {format} {sum}\n{body}").into()
}

#[tokio::test]
async fn an_entry_that_is_cut_off_anywhere_is_noticed() {
    let battery = Battery::new(1, "dev", 1).await;
    let entries = battery.shelf.entries();
    for key in [&entries[entries.len() / 2], &entries[entries.len() - 1]] {
        let bytes = battery.good[key].clone();
        for length in 0..bytes.len() {
            let cut = |objects: &mut BTreeMap<String, Bytes>| {
                objects.insert(key.clone(), bytes.slice(..length));
            };
            battery.refuses(cut, &[Code::LedgerDamaged], &format!("{key} cut to {length} of {}", bytes.len())).await;
        }
    }
    battery.recovers("dev", 1).await;
}

#[tokio::test]
async fn ten_thousand_flipped_bits_are_noticed() {
    let battery = Battery::new(2, "dev", 1).await;
    let entries = battery.shelf.entries();
    let mut state = 0x1a4d_fa11;
    for round in 0..10_000 {
        let key = &entries[pick(&mut state, entries.len())];
        let mut bytes = battery.good[key].to_vec();
        let (at, bit) = (pick(&mut state, bytes.len()), pick(&mut state, 8));
        bytes[at] ^= 1 << bit;
        let flip = |objects: &mut BTreeMap<String, Bytes>| {
            objects.insert(key.clone(), bytes.into());
        };
        battery.refuses(flip, &[Code::LedgerDamaged], &format!("round {round}: bit {bit} of byte {at} of {key}")).await;
    }
    battery.recovers("dev", 1).await;
}

#[tokio::test]
async fn empty_foreign_and_newer_entries_are_told_apart() {
    let battery = Battery::new(3, "dev", 2).await;
    let foreign = Battery::new(3, "prod", 2).await;
    let entries = battery.shelf.entries();
    for (index, key) in entries.iter().enumerate() {
        let set = |bytes: Bytes| {
            let key = key.clone();
            move |objects: &mut BTreeMap<String, Bytes>| {
                objects.insert(key, bytes);
            }
        };
        battery.refuses(set(Bytes::new()), &[Code::LedgerDamaged], &format!("{key} is empty")).await;
        let other = foreign.good[&foreign.shelf.entries()[index]].clone();
        battery.refuses(set(other), &[Code::LedgerForeign], &format!("{key} is another stack's")).await;
        let newer = of_format(2, &battery.good[key]);
        battery.refuses(set(newer), &[Code::LedgerNewer], &format!("{key} is newer")).await;
        assert_eq!(of_format(1, &battery.good[key]), battery.good[key], "the checksum is made as the ledger makes it");
    }
    // The whole ledger of another stack, under this one's keys.
    let all = |objects: &mut BTreeMap<String, Bytes>| {
        for (key, other) in entries.iter().zip(foreign.shelf.entries()) {
            objects.insert(key.clone(), foreign.good[&other].clone());
        }
    };
    battery.refuses(all, &[Code::LedgerForeign], "all of it is another stack's").await;
    battery.recovers("dev", 2).await;
}

#[tokio::test]
async fn two_ledgers_spliced_at_any_entry_are_noticed() {
    // Two histories of one stack, as after a restore from two backups.
    let (battery, twin) = (Battery::new(4, "dev", 2).await, Battery::new(5, "dev", 2).await);
    let (entries, others) = (battery.shelf.entries(), twin.shelf.entries());
    for cut in 1..entries.len().min(others.len()) {
        let splice = |objects: &mut BTreeMap<String, Bytes>| {
            for key in &others[..cut] {
                objects.insert(key.clone(), twin.good[key].clone());
            }
        };
        battery.refuses(splice, &[Code::LedgerDamaged], &format!("spliced before entry {}", cut + 1)).await;
    }
    battery.recovers("dev", 2).await;
}

#[tokio::test]
async fn replayed_entries_are_noticed() {
    let battery = Battery::new(6, "dev", 4).await;
    let entries = battery.shelf.entries();
    let newest = entries.len();
    let key = |number: usize| {
        let prefix = entries[0].rsplit_once('/').unwrap().0;
        format!("{prefix}/{:020}.json", u64::MAX - u64::try_from(number).unwrap())
    };
    assert_eq!(key(newest), entries[newest - 1]);
    assert!(newest > 20, "{newest}");
    for (old, entry) in entries.iter().enumerate().skip(newest - 20) {
        let bytes = battery.good[entry].clone();
        // In the place of each of the newest five, and as the next ones.
        for number in newest - 4..=newest + 3 {
            if number == old + 1 {
                continue;
            }
            let replay = |objects: &mut BTreeMap<String, Bytes>| {
                objects.insert(key(number), bytes.clone());
            };
            battery.refuses(replay, &[Code::LedgerDamaged], &format!("entry {} as entry {number}", old + 1)).await;
        }
    }
    battery.recovers("dev", 4).await;
}

#[tokio::test]
async fn a_hole_is_noticed_and_a_missing_end_is_an_older_truth() {
    let battery = Battery::new(7, "dev", 2).await;
    let entries = battery.shelf.entries();
    for key in &entries[..entries.len() - 1] {
        let remove = |objects: &mut BTreeMap<String, Bytes>| {
            objects.remove(key);
        };
        battery.refuses(remove, &[Code::LedgerDamaged], &format!("{key} is gone")).await;
    }
    battery.recovers("dev", 2).await;

    // Without its newest entries it is a ledger that was interrupted: the next run looks, and changes nothing.
    let mutations = battery.world.cloud.mutations();
    for missing in 1..=3 {
        let kept = battery.good.clone();
        battery.shelf.objects().clone_from(&kept);
        for key in &entries[entries.len() - missing..] {
            battery.shelf.objects().remove(key);
        }
        let heir = battery.world.place(declared("dev", "o1"), &format!("heir {missing}"));
        heir.converge().await.unwrap();
        assert!(battery.world.cloud.log().len() > battery.calls, "it looks");
        let later = battery.world.cloud.mutations() - mutations;
        assert!(later <= u64::try_from(missing).unwrap() * 2, "what was done is at most said once more: {later}");
        assert!(heir.plan().await.unwrap().is_empty());
        battery.world.check_census(&heir).await;
    }

    // Without any entry the cloud says that something is missing.
    let mutations = battery.world.cloud.mutations();
    battery.shelf.objects().clear();
    let error = battery.platform.converge().await.unwrap_err();
    assert_eq!(codes(&error), [Code::LostLedger], "{error}");
    assert_eq!(battery.world.cloud.mutations(), mutations);
}
