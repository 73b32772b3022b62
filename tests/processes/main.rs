//! Many operating system processes on one ledger and one cloud: started together, killed, stopped and woken.
//!
//! The cloud is a folder that all of them see, the ledger another folder or moto's S3. Each process is this test binary
//! once more, told by its environment to be a replica. `LANDFALL_TEST_ROUNDS=50` has the full number of rounds.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "rounds are counted, and what they took is told")]

mod cloud;
mod replica;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use landfall::clock::{Clock as _, SystemClock};
use replica::{Orders, Outcome};

/// How a process learns that it is a replica.
const ORDERS: &str = "LANDFALL_TEST_ORDERS";

#[test]
#[ignore = "the other tests start it as a process of its own"]
fn replica_process() {
    if let Some(orders) = variable(ORDERS) {
        replica::run(&serde_json::from_str(&orders).unwrap());
    }
}

#[expect(clippy::disallowed_methods, reason = "it is how a process is told what it is, and where servers are")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where the ledgers are.
#[derive(Clone, Debug)]
enum Place {
    Folder,
    #[cfg_attr(not(feature = "s3"), expect(dead_code, reason = "S3 is a feature"))]
    Bucket(String),
}

/// One cloud and one ledger, gone with the test unless it failed.
struct World {
    folder: PathBuf,
    bucket: Option<(String, String)>,
    time_to_live: Duration,
}

impl World {
    fn new(place: &Place, time_to_live: Duration) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("landfall-processes-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(&name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let bucket = match place {
            Place::Folder => None,
            Place::Bucket(url) => Some((url.clone(), name)),
        };
        Self { folder, bucket, time_to_live }
    }

    fn orders(&self, name: &str, asks: bool) -> Orders {
        Orders {
            name: name.to_owned(),
            world: self.folder.clone(),
            bucket: self.bucket.clone(),
            time_to_live: u64::try_from(self.time_to_live.as_millis()).unwrap(),
            asks,
        }
    }

    fn start(&self, name: &str, asks: bool) -> Process {
        Process::start(self.orders(name, asks))
    }

    /// Laws 1, 2 and 7: one object for each address, the ledger knows them all and nothing else, and another converge
    /// changes nothing. Returns what is handed out.
    fn check(&self) -> Outcome {
        let place = self.folder.display();
        let before = mutations(&self.folder);
        let outcome = self.start("judge", false).end();
        assert!(matches!(outcome, Outcome::Outputs(_)), "{place}: {outcome:?}");
        assert_eq!(mutations(&self.folder), before, "{place}: the last converge changed something");
        let engine = self.orders("reader", false).engine();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let residue = runtime.block_on(engine.residue()).unwrap();
        assert_eq!(residue.orphans().count(), 0, "{place}: {residue:?}");
        let state = runtime.block_on(engine.state()).unwrap();
        assert!(state.intents.is_empty() && state.deposed.is_empty(), "{place}: {state:?}");
        let known: BTreeSet<_> = state.resources.iter().map(|(at, held)| (at.to_string(), held.id.clone())).collect();
        let real = cloud::objects(&self.folder).into_iter().map(|one| (one.marks.address.to_string(), one.id));
        let real: BTreeSet<_> = real.collect();
        assert_eq!(known, real, "{place}");
        assert_eq!(known.len(), engine.graph().len());
        outcome
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// The mutating calls that were begun.
fn mutations(folder: &Path) -> Vec<String> {
    cloud::journal(folder).into_iter().filter(|line| line.contains(" begins ")).collect()
}

/// The addresses of creates that were begun and have not acted.
fn on_their_way(folder: &Path) -> BTreeSet<String> {
    let journal = cloud::journal(folder);
    let of = |moment: &str| -> BTreeSet<String> {
        let lines = journal.iter().filter_map(|line| line.split_once(&format!(" {moment} Create ")));
        lines.map(|(_, address)| address.to_owned()).collect()
    };
    of("begins").difference(&of("acted")).cloned().collect()
}

/// A replica. It is killed when it is forgotten.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    orders: Orders,
}

impl Process {
    /// Starts it; it waits for a word.
    fn start(orders: Orders) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "replica_process", "--test-threads", "1"])
            .env(ORDERS, serde_json::to_string(&orders).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut process = Self { child, input, output, orders };
        assert_eq!(process.says().as_deref(), Some("ready"));
        process
    }

    /// What it says next; `None` at its end.
    fn says(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            if let Some((_, said)) = line.split_once('@') {
                return Some(said.trim().to_owned());
            }
            line.clear();
        }
        None
    }

    fn go(&mut self) {
        // One that was killed meanwhile does not hear it.
        let _ = self.input.write_all(b"go\n");
    }

    /// Lets it run to its end, which must be a good one.
    fn end(mut self) -> Outcome {
        self.go();
        self.ended()
    }

    fn ended(mut self) -> Outcome {
        while self.says().is_some() {
            self.go();
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}: {status}", self.orders.name);
        serde_json::from_slice(&std::fs::read(self.orders.result()).unwrap()).unwrap()
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Small numbers that hang on a seed alone.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn pause(duration: Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { SystemClock::new().sleep(duration).await });
}

/// How long a lease lasts that is taken over when its holder is killed.
const SHORT: Duration = Duration::from_secs(4);

/// One round: so many processes at a barrier, on an empty ledger; half of them are killed at one instant, when there is
/// one. Returns how long it took from the barrier on.
fn round(place: &Place, processes: usize, kill_within: Option<Duration>, seed: u64) -> Duration {
    let clock = SystemClock::new();
    let world = World::new(place, kill_within.map_or(Duration::from_secs(30), |_| SHORT));
    let mut all: Vec<_> = (0..processes).map(|number| world.start(&format!("pod-{number}"), false)).collect();
    let start = clock.now();
    for process in &mut all {
        process.go();
    }
    if let Some(span) = kill_within {
        let mut dice = Dice(seed);
        pause(Duration::from_micros(dice.below(u64::try_from(span.as_micros()).unwrap())));
        for _ in 0..processes / 2 {
            let victim = usize::try_from(dice.below(all.len() as u64)).unwrap();
            // Forgotten is killed.
            drop(all.swap_remove(victim));
        }
    }
    let outcomes: Vec<_> = all.into_iter().map(Process::ended).collect();
    let took = clock.now().saturating_sub(start);
    let expected = world.check();
    for outcome in outcomes {
        assert_eq!(outcome, expected, "seed {seed}: {}", world.folder.display());
    }
    took
}

/// So many rounds, several at once as long as not too many processes run.
fn rounds(place: &Place, processes: usize, kill_within: Option<Duration>, bounded: u64) {
    let count = variable("LANDFALL_TEST_ROUNDS").map_or(bounded, |text| text.parse().unwrap());
    let next = AtomicU64::new(0);
    let lanes = (32 / processes).clamp(1, 5);
    let mut took: Vec<Duration> = std::thread::scope(|scope| {
        let lane = || {
            let mut took = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= count {
                    return took;
                }
                took.push(round(place, processes, kill_within, seed));
            }
        };
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    took.sort();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    let taken_over = kill_within.map_or(0, |_| took.iter().filter(|took| **took >= SHORT).count());
    println!(
        "{place:?}, {processes} processes, {}: {count} rounds, {taken_over} with a take-over, median {} ms, longest {} ms",
        if kill_within.is_some() { "half of them killed" } else { "none killed" },
        median.as_millis(),
        longest.as_millis(),
    );
}

/// How many rounds of 64 processes run without being asked for more: on moto one takes ten seconds.
fn few(place: &Place) -> u64 {
    if matches!(place, Place::Folder) { 3 } else { 1 }
}

fn provision_once(place: &Place) {
    rounds(place, 2, None, 10);
    rounds(place, 8, None, 10);
    rounds(place, 64, None, few(place));
}

fn survive_kills(place: &Place) {
    // About as long as the work takes: kills come before it, in all of its parts, and after it.
    let work = |processes: u64| match place {
        Place::Folder => Duration::from_millis(150 + 10 * processes),
        Place::Bucket(_) => Duration::from_millis(600 + 40 * processes),
    };
    rounds(place, 2, Some(work(2)), 10);
    rounds(place, 8, Some(work(8)), 10);
    rounds(place, 64, Some(work(64)), few(place));
}

/// The moments at which a holder that is alone asks: before and after each call to the ledger, and during each create.
fn moments(place: &Place) -> Vec<String> {
    let world = World::new(place, Duration::from_secs(30));
    let mut process = world.start("alone", true);
    let mut moments = Vec::new();
    process.go();
    while let Some(moment) = process.says() {
        moments.push(moment);
        process.go();
    }
    moments
}

/// The holder is stopped at this moment, another process takes over and finishes, and the holder is woken. Returns whether
/// it had the lease when it was stopped; `None` when the moment did not come: how many records share a put depends on what
/// is ready at once.
fn stop_and_wake(place: &Place, moment: &str) -> Option<bool> {
    let world = World::new(place, Duration::from_secs(3));
    let mut holder = world.start("holder", true);
    holder.go();
    loop {
        if holder.says()? == moment {
            break;
        }
        holder.go();
    }
    holder.signal("STOP");
    let on_their_way = on_their_way(&world.folder);
    let outcome = world.start("second", false).end();
    assert!(matches!(outcome, Outcome::Outputs(_)), "{moment}: {outcome:?}");
    let begun = mutations(&world.folder);
    let entries = entries(&world);
    let held = entries.first().is_some_and(|(_, writer)| writer.starts_with("holder#"));

    // It still waits for the word, which it may have only now: a signal is sent before it is delivered, and a holder that
    // heard the word would run on until then, into the middle of a call.
    holder.go();
    holder.signal("CONT");
    let woken = holder.ended();
    // Of an object that nothing but its marks tells apart there is a second one by then, made by a call that was on its way:
    // the holder takes the lease anew and removes it.
    let surplus = |line: &String| {
        line.strip_prefix("holder begins Delete ").is_some_and(|address| on_their_way.contains(address))
    };
    let late: Vec<_> =
        mutations(&world.folder).split_off(begun.len()).into_iter().filter(|one| !surplus(one)).collect();
    assert!(late.is_empty(), "{moment}: the woken holder began {late:?}");
    for (number, writer) in self::entries(&world).split_off(entries.len()) {
        // It may take the free lease again, see that all is done, and give it back; that is a lease of its own.
        assert!(writer != "holder#1" || !held, "{moment}: a stale commit, entry {number}");
    }
    assert_eq!(woken, outcome, "{moment}");
    assert_eq!(world.check(), outcome, "{moment}");
    Some(held)
}

/// Number and writer of each entry, oldest first.
fn entries(world: &World) -> Vec<(u64, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let orders = world.orders("reader", false);
    let engine = orders.engine();
    let stack = &engine.setup().stack;
    let mut all = runtime.block_on(orders.ledger().history(stack, None, usize::MAX)).unwrap();
    all.reverse();
    all.into_iter().map(|entry| (entry.number, entry.writer)).collect()
}

fn stop_everywhere(place: &Place) {
    let moments = moments(place);
    let next = AtomicU64::new(0);
    let stopped: BTreeMap<String, bool> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut stopped = Vec::new();
                    loop {
                        let at = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                        let Some(moment) = moments.get(at) else { return stopped };
                        stopped.extend(stop_and_wake(place, moment).map(|held| (moment.clone(), held)));
                    }
                })
            })
            .collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    let holding = stopped.values().filter(|held| **held).count();
    println!("{place:?}: stopped at {} moments, at {holding} of them with the lease: 0 stale commits", stopped.len());
    assert!(stopped.len() + 4 >= moments.len() && holding > 8, "of {moments:?} only {stopped:?}");
}

#[test]
fn processes_that_start_together_provision_once() {
    provision_once(&Place::Folder);
}

#[test]
fn processes_of_which_half_are_killed_provision_once() {
    survive_kills(&Place::Folder);
}

#[test]
fn a_holder_that_wakes_after_a_take_over_commits_nothing() {
    stop_everywhere(&Place::Folder);
}

/// The same on moto's S3, which `.ci/stores` starts.
#[cfg(feature = "s3")]
mod s3 {
    use super::*;

    fn place() -> Option<Place> {
        let url = variable("LANDFALL_TEST_S3");
        if url.is_none() {
            // Not by a macro whose output is captured: whoever reads the log must see it.
            let mut log = std::io::stderr();
            let _ = writeln!(log, "PASSED OVER: LANDFALL_TEST_S3 names no server; `bash .ci/stores` starts it");
        }
        url.map(Place::Bucket)
    }

    #[test]
    fn processes_that_start_together_provision_once() {
        place().iter().for_each(provision_once);
    }

    #[test]
    fn processes_of_which_half_are_killed_provision_once() {
        place().iter().for_each(survive_kills);
    }

    #[test]
    fn a_holder_that_wakes_after_a_take_over_commits_nothing() {
        place().iter().for_each(stop_everywhere);
    }
}
