//! What is shown, computed from events alone: no clock, no terminal.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use landfall_core::event::{Event, EventKind};
use landfall_core::plan::Change;
use landfall_core::resource::{Address, Verb};

/// How many awaited things a screen shows.
const ROWS: usize = 12;
/// How wide the overall bar is, in characters.
const BAR: usize = 32;
/// How long lines may be silent while something is awaited, in milliseconds.
const HEARTBEAT: u64 = 30_000;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    lasts: bool,
}

impl Line {
    /// A line that stays on a terminal too.
    pub(super) fn lasting(text: String) -> Self {
        Self { text, lasts: true }
    }

    /// A line for readers without a terminal: a screen shows the same in its rows and counters.
    fn passing(text: String) -> Self {
        Self { text, lasts: false }
    }

    /// Whether it stays on a terminal.
    pub(super) fn lasts(&self) -> bool {
        self.lasts
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is known of a run so far. Times are milliseconds on the platform's clock.
#[derive(Debug, Default)]
pub(super) struct View {
    now: u64,
    /// Operations of the plan, as far as one was announced.
    planned: usize,
    done: usize,
    failed: usize,
    skipped: usize,
    /// When the plan is usually through.
    expected_end: u64,
    awaited: BTreeMap<(Address, Verb), Awaited>,
    lease: Option<Lease>,
    stopping: bool,
    /// When lines last spoke of what is awaited, or began to have something to await.
    heartbeat: Option<u64>,
}

/// A call that has not ended.
#[derive(Debug)]
struct Awaited {
    began: u64,
    usually: (u64, u64, u64),
    /// The cloud's last word.
    word: String,
}

/// A lease that somebody else has.
#[derive(Debug)]
struct Lease {
    holder: String,
    still: u64,
}

impl View {
    /// Takes an event in and says what is to be written because of it.
    pub(super) fn on(&mut self, event: &Event) -> Vec<Line> {
        self.now = self.now.max(event.at);
        let mut lines: Vec<Line> = self.change(&event.kind).into_iter().collect();
        lines.extend(self.beat());
        lines
    }

    /// Takes in that time went by without an event.
    pub(super) fn tick(&mut self, now: Duration) -> Option<Line> {
        self.now = self.now.max(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        self.beat()
    }

    /// The rows of a terminal's screen: what is awaited, longest to go first, then how far the whole is.
    pub(super) fn screen(&self) -> Vec<String> {
        let mut rows = Vec::new();
        if let Some(Lease { holder, still }) = &self.lease {
            rows.push(format!("waiting for the lease of {holder}, which has stood still for {}", span(*still)));
        }
        let awaited = self.by_urgency();
        let width = awaited.iter().take(ROWS).map(|((address, _), _)| address.as_str().len()).max().unwrap_or(0);
        for ((address, verb), call) in awaited.iter().take(ROWS) {
            let time = format!("{} of {}", span(self.now.saturating_sub(call.began)), about(call.usually.1));
            let late = if self.is_late(call) { ", longer than usual" } else { "" };
            let word = if call.word.is_empty() { String::new() } else { format!("  {}", call.word) };
            rows.push(format!("  {:width$}  {} {time}{late}{word}", address.as_str(), doing(*verb)));
        }
        if awaited.len() > ROWS {
            rows.push(format!("  and {} more", awaited.len() - ROWS));
        }
        if self.planned > 0 && (self.done < self.planned || !awaited.is_empty()) {
            rows.push(self.progress());
        }
        rows
    }

    /// Changes the state and says the line of the event itself.
    fn change(&mut self, kind: &EventKind) -> Option<Line> {
        if !matches!(kind, EventKind::WaitingForLease { .. }) {
            self.lease = None;
        }
        match kind {
            EventKind::WaitingForLease { holder, still } => {
                let first = self.lease.is_none();
                let holder = one_line(holder);
                let line = first.then(|| Line::passing(format!("waiting for the lease of {holder}")));
                self.lease = Some(Lease { holder, still: *still });
                line
            }
            EventKind::LeaseTaken { epoch } => Some(Line::passing(format!("took the lease, epoch {epoch}"))),
            EventKind::Resolving { open } => {
                Some(Line::lasting(format!("looking into {} of an interrupted run", count(*open, "call"))))
            }
            EventKind::Planned { changes, unchanged, usually } => Some(self.plan(changes, *unchanged, *usually)),
            EventKind::Started { address, verb, usually, .. } => {
                let call = Awaited { began: self.now, usually: *usually, word: String::new() };
                self.awaited.insert((address.clone(), *verb), call);
                None
            }
            EventKind::Waiting { address, verb, phase, message, since, usually, .. } => {
                let word = [one_line(phase), one_line(message)].into_iter().filter(|text| !text.is_empty());
                let call = Awaited {
                    began: self.now.saturating_sub(*since),
                    usually: *usually,
                    word: word.collect::<Vec<_>>().join(": "),
                };
                self.awaited.insert((address.clone(), *verb), call);
                None
            }
            EventKind::Retrying { address, verb, error, after } => {
                let error = one_line(error);
                if let Some(call) = self.awaited.get_mut(&(address.clone(), *verb)) {
                    call.word = format!("{error}, trying again in {}", span(*after));
                }
                Some(Line::passing(format!("retrying to {} {address} in {}: {error}", to_do(*verb), span(*after))))
            }
            EventKind::Finished { address, verb, took } => {
                self.awaited.remove(&(address.clone(), *verb));
                self.done += 1;
                Some(Line::passing(format!("{} {address} in {}", was_done(*verb), span(*took))))
            }
            EventKind::Failed { address, verb, error } => {
                self.awaited.remove(&(address.clone(), *verb));
                self.failed += 1;
                Some(Line::lasting(format!("failed to {} {address}: {}", to_do(*verb), one_line(error))))
            }
            EventKind::Skipped { address, because } => {
                self.skipped += 1;
                Some(Line::passing(format!("skipped {address}: {because} failed")))
            }
            EventKind::Cancelling { in_flight } => {
                self.stopping = true;
                let calls = count(*in_flight, "call");
                Some(Line::lasting(format!("stopping: nothing new is started, {calls} still in flight")))
            }
            EventKind::Converged { resources, mutations } => {
                self.awaited.clear();
                self.planned = 0;
                let resources = count(*resources, "resource");
                Some(Line::lasting(match mutations {
                    0 => format!("converged: {resources} are as declared, nothing was changed"),
                    1 => format!("converged: {resources} are as declared, 1 mutating call was made"),
                    _ => format!("converged: {resources} are as declared, {mutations} mutating calls were made"),
                }))
            }
            EventKind::BackingOff { attempts, wait } => {
                let attempts = count(*attempts as usize, "attempt");
                let wait = span(*wait);
                Some(Line::lasting(format!("{attempts} came to nothing, the next one begins in {wait}")))
            }
            EventKind::Superseded { generation, deployed } => Some(Line::lasting(format!(
                "this is generation {generation}, and generation {deployed} was deployed: nothing is changed back"
            ))),
            // A newer core may tell of more than this reporter knows.
            _ => None,
        }
    }

    fn plan(&mut self, changes: &[(Change, usize)], unchanged: usize, usually: u64) -> Line {
        let operations = |change: &Change| match change {
            Change::ReplaceCreateFirst | Change::ReplaceDeleteFirst => 2,
            // Most of it is in the ledger alone.
            Change::Move => 0,
            _ => 1,
        };
        self.planned = changes.iter().map(|(change, count)| operations(change) * count).sum();
        (self.done, self.failed, self.skipped) = (0, 0, 0);
        self.expected_end = self.now.saturating_add(usually);
        if changes.is_empty() {
            return Line::lasting(format!("planned: nothing to change, {} as declared", count(unchanged, "resource")));
        }
        let parts: Vec<_> = changes.iter().map(|(change, count)| format!("{count} to {}", planned(*change))).collect();
        Line::lasting(format!("planned: {}, {unchanged} unchanged; usually takes {}", parts.join(", "), about(usually)))
    }

    /// The line that breaks a long silence.
    fn beat(&mut self) -> Option<Line> {
        if self.awaited.is_empty() && self.lease.is_none() {
            self.heartbeat = None;
            return None;
        }
        let last = *self.heartbeat.get_or_insert_with(|| {
            // What was begun before the first event we saw has been awaited since then.
            self.awaited.values().map(|call| call.began).min().unwrap_or(self.now)
        });
        if self.now.saturating_sub(last) < HEARTBEAT {
            return None;
        }
        self.heartbeat = Some(self.now);
        let Some(((address, verb), call)) = self.by_urgency().first().copied() else {
            let Lease { holder, still } = self.lease.as_ref()?;
            let still = span(*still);
            return Some(Line::passing(format!(
                "still waiting for the lease of {holder}, which has stood still for {still}"
            )));
        };
        let (low, _, high) = call.usually;
        let late = if self.is_late(call) { ", longer than usual" } else { "" };
        let mut text = format!("still {} {address} after {}", doing(*verb), span(self.now.saturating_sub(call.began)));
        text += &format!(" (usually {} to {}{late})", about(low), about(high));
        if !call.word.is_empty() {
            text += &format!(", the cloud says {}", call.word);
        }
        if self.awaited.len() > 1 {
            text += &format!("; {} more awaited", self.awaited.len() - 1);
        }
        text += &format!("; {}", self.counter());
        Some(Line::passing(text))
    }

    /// What is awaited: first what takes longer than usual, then what is expected to end last.
    fn by_urgency(&self) -> Vec<(&(Address, Verb), &Awaited)> {
        let mut calls: Vec<_> = self.awaited.iter().collect();
        calls.sort_by_key(|(key, call)| {
            let end = call.began.saturating_add(call.usually.1);
            (!self.is_late(call), std::cmp::Reverse(end), *key)
        });
        calls
    }

    fn is_late(&self, call: &Awaited) -> bool {
        self.now.saturating_sub(call.began) > call.usually.2
    }

    fn progress(&self) -> String {
        let total = self.total();
        let ended = self.done + self.failed + self.skipped;
        let filled = (ended * BAR).checked_div(total).unwrap_or(0).min(BAR);
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(BAR - filled));
        let slowest = self.awaited.values().map(|call| call.began.saturating_add(call.usually.1)).max().unwrap_or(0);
        let end = if self.stopping { slowest } else { slowest.max(self.expected_end) };
        let left = match end.saturating_sub(self.now) {
            0 => "longer than usual".to_owned(),
            left => format!("about {} left", about(left)),
        };
        let stopping = if self.stopping { "stopping, " } else { "" };
        format!("[{bar}] {}, {stopping}{left}", self.counter())
    }

    fn counter(&self) -> String {
        let mut text = format!("{} of {} done", self.done, self.total());
        for (count, word) in [(self.failed, "failed"), (self.skipped, "skipped")] {
            if count > 0 {
                text += &format!(", {count} {word}");
            }
        }
        text
    }

    /// Operations of the run; at least those we know of, for a listener that came after the plan.
    fn total(&self) -> usize {
        self.planned.max(self.done + self.failed + self.skipped + self.awaited.len())
    }
}

/// A span of time with at most two units, such as `4 min 30 s`.
fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    let pair = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => pair(seconds / 60, "min", seconds % 60, "s"),
        _ => pair(seconds / 3600, "h", seconds % 3600 / 60, "min"),
    }
}

/// A span that is an estimate: from two minutes on, in whole minutes.
fn about(milliseconds: u64) -> String {
    const MINUTE: u64 = 60_000;
    if milliseconds < 2 * MINUTE {
        return span(milliseconds);
    }
    span(milliseconds.saturating_add(MINUTE / 2) / MINUTE * MINUTE)
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Text from elsewhere, on one line and without anything that could steer a terminal.
fn one_line(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    printable.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn planned(change: Change) -> &'static str {
    match change {
        Change::Create => "create",
        Change::Update => "update",
        Change::ReplaceCreateFirst | Change::ReplaceDeleteFirst => "replace",
        Change::Delete => "delete",
        Change::Adopt => "adopt",
        Change::Move => "move",
        Change::Forget => "forget",
        Change::Protection => "protect or release",
        _ => "change",
    }
}

fn to_do(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "record",
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
    }
}

fn doing(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "recording",
        Verb::Create => "creating",
        Verb::Update => "updating",
        Verb::Delete => "deleting",
    }
}

fn was_done(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "recorded",
        Verb::Create => "created",
        Verb::Update => "updated",
        Verb::Delete => "deleted",
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::event::VERSION;

    use super::*;

    /// The lines that a reader without a terminal gets for these events.
    fn lines(view: &mut View, events: Vec<(u64, EventKind)>) -> Vec<String> {
        let on = |(at, kind)| view.on(&Event { version: VERSION, sequence: 1, at, kind });
        events.into_iter().flat_map(on).map(|line| line.to_string()).collect()
    }

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn started(at: &str, verb: Verb, typical: u64) -> EventKind {
        EventKind::Started {
            address: address(at),
            type_name: "AWS::EC2::VPC".into(),
            verb,
            usually: (typical / 2, typical, typical * 2),
        }
    }

    fn waiting(at: &str, phase: &str, message: &str, since: u64, typical: u64) -> EventKind {
        EventKind::Waiting {
            address: address(at),
            verb: Verb::Create,
            phase: phase.into(),
            message: message.into(),
            since,
            usually: (typical / 2, typical, typical * 2),
            next_look: 10_000,
        }
    }

    fn finished(at: &str, verb: Verb, took: u64) -> EventKind {
        EventKind::Finished { address: address(at), verb, took }
    }

    #[test]
    fn each_change_is_one_line_and_each_long_wait_speaks() {
        let mut view = View::default();
        let written = lines(
            &mut view,
            vec![
                (0, EventKind::LeaseTaken { epoch: 1 }),
                (
                    0,
                    EventKind::Planned {
                        changes: vec![(Change::Create, 3), (Change::ReplaceCreateFirst, 1)],
                        unchanged: 4,
                        usually: 640_000,
                    },
                ),
                (100, started("aws/network/core/vpc", Verb::Create, 2_000)),
                (6_100, finished("aws/network/core/vpc", Verb::Create, 6_000)),
                (6_100, started("aws/cluster/main/cluster", Verb::Create, 600_000)),
                (6_100, started("aws/cluster/main/role", Verb::Create, 60_000)),
                (
                    6_500,
                    EventKind::Retrying {
                        address: address("aws/cluster/main/role"),
                        verb: Verb::Create,
                        error: "rate exceeded".into(),
                        after: 750,
                    },
                ),
                (16_100, waiting("aws/cluster/main/cluster", "CREATING", "", 10_000, 600_000)),
                (36_100, waiting("aws/cluster/main/cluster", "CREATING", "making\nendpoints", 30_000, 600_000)),
                (
                    40_000,
                    EventKind::Failed {
                        address: address("aws/cluster/main/role"),
                        verb: Verb::Create,
                        error: "LF4004: not allowed".into(),
                    },
                ),
                (
                    40_000,
                    EventKind::Skipped {
                        address: address("aws/node-pool/general/group"),
                        because: address("aws/cluster/main/role"),
                    },
                ),
                (1_300_000, waiting("aws/cluster/main/cluster", "CREATING", "", 1_293_900, 600_000)),
                (1_310_000, EventKind::Cancelling { in_flight: 1 }),
                (1_320_000, finished("aws/cluster/main/cluster", Verb::Create, 1_313_900)),
            ],
        );
        let expected = "\
took the lease, epoch 1
planned: 3 to create, 1 to replace, 4 unchanged; usually takes 11 min
created aws/network/core/vpc in 6 s
retrying to create aws/cluster/main/role in 750 ms: rate exceeded
still creating aws/cluster/main/cluster after 30 s (usually 5 min to 20 min), the cloud says CREATING: making endpoints; 1 more awaited; 1 of 5 done
failed to create aws/cluster/main/role: LF4004: not allowed
skipped aws/node-pool/general/group: aws/cluster/main/role failed
still creating aws/cluster/main/cluster after 21 min 33 s (usually 5 min to 20 min, longer than usual), the cloud says CREATING; 1 of 5 done, 1 failed, 1 skipped
stopping: nothing new is started, 1 call still in flight
created aws/cluster/main/cluster in 21 min 53 s";
        assert_eq!(written.join("\n"), expected);
    }

    #[test]
    fn waits_between_attempts_and_newer_generations_have_their_lines() {
        let mut view = View::default();
        let written = lines(
            &mut view,
            vec![
                (0, EventKind::BackingOff { attempts: 1, wait: 500 }),
                (500, EventKind::BackingOff { attempts: 4, wait: 90_000 }),
                (90_500, EventKind::Superseded { generation: 6, deployed: 7 }),
                (90_600, EventKind::Planned { changes: vec![(Change::Move, 2)], unchanged: 3, usually: 0 }),
            ],
        );
        let expected = "\
1 attempt came to nothing, the next one begins in 500 ms
4 attempts came to nothing, the next one begins in 1 min 30 s
this is generation 6, and generation 7 was deployed: nothing is changed back
planned: 2 to move, 3 unchanged; usually takes 0 ms";
        assert_eq!(written.join("\n"), expected);
        assert!(view.screen().is_empty(), "{:?}", view.screen());
    }

    #[test]
    fn a_screen_shows_what_is_awaited_and_folds_what_is_done() {
        let mut view = View::default();
        lines(
            &mut view,
            vec![
                (0, EventKind::Planned { changes: vec![(Change::Create, 4)], unchanged: 0, usually: 700_000 }),
                (0, started("aws/network/core/vpc", Verb::Create, 2_000)),
                (2_000, finished("aws/network/core/vpc", Verb::Create, 2_000)),
                (2_000, started("aws/cluster/main/cluster", Verb::Create, 600_000)),
                (2_000, started("aws/database/postgres/instance", Verb::Create, 480_000)),
                (2_000, started("aws/cluster/main/role", Verb::Create, 2_000)),
                (92_000, waiting("aws/cluster/main/cluster", "CREATING", "", 90_000, 600_000)),
            ],
        );
        let expected = "  \
  aws/cluster/main/role           creating 1 min 30 s of 2 s, longer than usual
  aws/cluster/main/cluster        creating 1 min 30 s of 10 min  CREATING
  aws/database/postgres/instance  creating 1 min 30 s of 8 min
[########------------------------] 1 of 4 done, about 10 min left";
        assert_eq!(view.screen().join("\n"), expected);
    }

    #[test]
    fn a_screen_is_never_longer_than_its_rows() {
        let mut view = View::default();
        let mut events =
            vec![(0, EventKind::Planned { changes: vec![(Change::Create, 500)], unchanged: 0, usually: 60_000 })];
        events.extend((0..500).map(|n| (1, started(&format!("aws/bucket/b{n}/bucket"), Verb::Create, 5_000))));
        lines(&mut view, events);
        let screen = view.screen();
        assert_eq!(screen.len(), ROWS + 2);
        assert_eq!(screen[ROWS], "  and 488 more");
    }

    #[test]
    fn nothing_is_left_on_the_screen_after_convergence() {
        let mut view = View::default();
        let written = lines(
            &mut view,
            vec![
                (0, EventKind::Planned { changes: vec![], unchanged: 80, usually: 0 }),
                (5, EventKind::Converged { resources: 80, mutations: 0 }),
            ],
        );
        assert_eq!(view.screen(), Vec::<String>::new());
        assert_eq!(
            written,
            [
                "planned: nothing to change, 80 resources as declared",
                "converged: 80 resources are as declared, nothing was changed"
            ]
        );
    }

    #[test]
    fn a_lease_is_waited_for_aloud() {
        let mut view = View::default();
        let held = |still| EventKind::WaitingForLease { holder: "pod-7".into(), still };
        let written = lines(
            &mut view,
            vec![
                (0, held(0)),
                (10_000, held(10_000)),
                (31_000, held(31_000)),
                (40_000, EventKind::LeaseTaken { epoch: 2 }),
            ],
        );
        assert_eq!(
            written,
            [
                "waiting for the lease of pod-7",
                "still waiting for the lease of pod-7, which has stood still for 31 s",
                "took the lease, epoch 2"
            ]
        );
    }

    #[test]
    fn a_heartbeat_comes_once_per_half_minute_however_often_events_come() {
        let mut view = View::default();
        let mut events = vec![(0, started("aws/cluster/main/cluster", Verb::Create, 600_000))];
        events.extend((1..=120).map(|second| {
            (second * 1000, waiting("aws/cluster/main/cluster", "CREATING", "", second * 1000, 600_000))
        }));
        assert_eq!(lines(&mut view, events).len(), 4);
    }

    #[test]
    fn a_clouds_message_cannot_steer_the_terminal() {
        let mut view = View::default();
        let word = "\u{1b}[2Jall\r\nfine\u{7}";
        lines(&mut view, vec![(0, waiting("aws/cluster/main/cluster", word, "", 0, 1_000))]);
        let awaited = view.awaited.values().next().unwrap();
        assert_eq!(awaited.word, "[2Jall fine");
    }

    #[test]
    fn only_what_matters_later_stays_on_a_terminal() {
        let mut view = View::default();
        let on = |view: &mut View, kind| view.on(&Event { version: VERSION, sequence: 1, at: 0, kind });
        let done = on(&mut view, finished("aws/network/core/vpc", Verb::Create, 1));
        assert!(!done[0].lasts());
        let failed = EventKind::Failed {
            address: address("aws/network/core/vpc"),
            verb: Verb::Create,
            error: "no more addresses".into(),
        };
        assert!(on(&mut view, failed)[0].lasts());
    }

    #[test]
    fn estimates_are_no_more_exact_than_they_can_be() {
        for (milliseconds, text) in
            [(90_500, "1 min 30 s"), (492_000, "8 min"), (738_000, "12 min"), (5_430_000, "1 h 31 min")]
        {
            assert_eq!(about(milliseconds), text);
        }
    }

    #[test]
    fn spans_have_at_most_two_units() {
        let spans =
            [(0, "0 ms"), (999, "999 ms"), (61_000, "1 min 1 s"), (3_600_000, "1 h"), (5_430_000, "1 h 30 min")];
        for (milliseconds, text) in spans {
            assert_eq!(span(milliseconds), text);
        }
    }
}
