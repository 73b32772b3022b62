//! The plan as text, in three zooms: headline, resources, attributes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::attributes::{attribute, value, wrapped};
use super::build::place;
use super::{Attribute, Change, Drift, Plan, Reason, Risk, Span, Step, Undo};

/// How text is marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// Text alone: for files, pipes and logs.
    #[default]
    Plain,
    /// With colours for a terminal (ANSI codes).
    Colour,
}

/// Lines are no longer than this, as far as single words allow.
pub(super) const WIDTH: usize = 120;

/// From this many changes without a story of their own, the table says them declaration by declaration.
const MANY: usize = 40;

impl Plan {
    /// The plan in at most six lines: how much, how dangerous, how long, and what must be agreed to.
    #[must_use]
    pub fn headline(&self, style: Style) -> String {
        let counts = self.counts();
        let mut text = format!("{} on {}: ", self.stack, place(&self.target));
        match self.steps.len() {
            0 => text.push_str("nothing to do"),
            1 => text.push_str("1 change"),
            many => {
                let _ = write!(text, "{many} changes");
            }
        }
        let _ = match (self.unchanged, self.steps.len()) {
            (0, _) => writeln!(text),
            (1, 0) => writeln!(text, ", 1 resource is as declared"),
            (many, 0) => writeln!(text, ", {many} resources are as declared"),
            (unchanged, _) => writeln!(text, ", {unchanged} unchanged"),
        };
        if !counts.is_empty() {
            let counts = counts.iter().map(|(change, count)| {
                let (symbol, word) = words(*change);
                style.paint(colour(*change), &format!("{symbol} {count} {word}"))
            });
            let _ = writeln!(text, "  {}", counts.collect::<Vec<_>>().join("   "));
        }
        let mut risks: BTreeMap<Risk, usize> = BTreeMap::new();
        self.steps.iter().for_each(|step| *risks.entry(step.risk).or_default() += 1);
        risks.remove(&Risk::None);
        if !risks.is_empty() {
            let risks = risks
                .iter()
                .map(|(risk, count)| style.paint(risk_colour(*risk), &format!("{count} {}", risk_word(*risk))));
            let _ = writeln!(text, "  risks: {}", risks.collect::<Vec<_>>().join(", "));
        }
        if !self.operations.is_empty() {
            let [low, typical, high] = [self.usual.low, self.usual.typical, self.usual.high].map(duration);
            let _ = writeln!(text, "  usually {typical} ({low} to {high})");
        }
        if !self.drift.is_empty() {
            let resources: std::collections::BTreeSet<_> = self.drift.iter().map(|drift| &drift.address).collect();
            let places = match resources.len() {
                1 => "1 resource differs".to_owned(),
                many => format!("{many} resources differ"),
            };
            let _ = writeln!(text, "  drift: {places} from what was last applied");
        }
        let blocked = self.blocked().len();
        if blocked > 0 {
            let what = if blocked == 1 { "1 change needs".to_owned() } else { format!("{blocked} changes need") };
            let line = format!("  {what} consent before this can be applied; plan {}", self.hash());
            let _ = writeln!(text, "{}", style.paint(Colour::Red, &line));
        }
        text
    }

    /// One line for each change, most dangerous first, with the reasons of those that are more than a first creation or
    /// a part of destroying everything. When these are many, one line has all those of a declaration: its address,
    /// without the last part, and those parts. What loses data always has a line of its own.
    #[must_use]
    pub fn table(&self, style: Style) -> String {
        let many = self.steps.iter().filter(|step| step.is_plain()).count() >= MANY;
        let groups = if many { Groups::of(&self.steps) } else { Groups::default() };
        let widths = Widths::of(self.steps.iter().filter(|step| !many || !step.is_plain()));
        self.listing(style, |text, step| {
            if many && step.is_plain() {
                groups.line(text, step, style);
                return;
            }
            line(text, step, widths, style);
            if !matches!(step.reasons[..], [Reason::Declared(_) | Reason::Destroy]) {
                reasons(text, step);
            }
        })
    }

    /// Everything: for each change its reasons and, property by property, what differs.
    #[must_use]
    pub fn details(&self, style: Style) -> String {
        self.listing(style, |text, step| {
            line(text, step, Widths::default(), style);
            reasons(text, step);
            step.cost(text);
            let collapses = |shown: &&Attribute| {
                let forces = shown.replaces && step.change != Change::Create;
                shown.unknown && !forces && !shown.secret
            };
            let (unknown, known): (Vec<&Attribute>, Vec<&Attribute>) = step.attributes.iter().partition(collapses);
            known.into_iter().for_each(|shown| attribute(text, shown, step.change, style));
            if !unknown.is_empty() {
                let paths: Vec<&str> = unknown.iter().map(|attribute| attribute.path.as_str()).collect();
                wrapped(text, "      (known after apply) ", &paths.join(", "));
            }
        })
    }

    /// All steps under the headings of their risks, then drift and consents.
    fn listing(&self, style: Style, show: impl Fn(&mut String, &Step)) -> String {
        let mut text = String::new();
        let mut last = None;
        for step in &self.steps {
            if last != Some(step.risk) {
                let gap = if last.is_some() { "\n" } else { "" };
                let _ = writeln!(text, "{gap}{}", style.paint(risk_colour(step.risk), heading(step.risk)));
                last = Some(step.risk);
            }
            show(&mut text, step);
        }
        self.sections(&mut text, style);
        text
    }

    /// Drift and consents.
    fn sections(&self, text: &mut String, style: Style) {
        if !self.drift.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(
                text,
                "{gap}{}",
                style.paint(Colour::Yellow, "drift: the cloud differs from what was last applied")
            );
            for Drift { address, path, expected, found } in &self.drift {
                if path.is_empty() {
                    let _ = writeln!(text, "  ! {address} is gone");
                    continue;
                }
                let (expected, found) = (value(expected.as_ref()), value(found.as_ref()));
                let single = format!("  ! {address} {path}: applied {expected}, found {found}");
                if single.chars().count() <= WIDTH {
                    let _ = writeln!(text, "{single}");
                } else {
                    let _ = writeln!(text, "  ! {address} {path}\n      applied {expected}\n      found   {found}");
                }
            }
        }
        let blocked = self.blocked();
        if !blocked.is_empty() {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ =
                writeln!(text, "{gap}{}", style.paint(Colour::Red, "consent needed: these hold data or are protected"));
            let hash = self.hash();
            let plan = crate::ledger::Consent { address: blocked[0].address.clone(), id: String::new(), plan: hash };
            for step in blocked {
                let id = step.id.clone().unwrap_or_default();
                let consent = crate::ledger::Consent { address: step.address.clone(), id, ..plan.clone() };
                let _ = writeln!(text, "  {} {} (id {})", words(step.change).1, step.address, consent.id);
                let crate::ledger::Consent { address, id, plan } = &consent;
                let _ = writeln!(text, "    plan.consent(Consent {{");
                let _ = writeln!(text, "        address: \"{address}\".parse()?,\n        id: {id:?}.into(),");
                let _ = writeln!(text, "        plan: \"{plan}\".into(),\n    }})?");
            }
        }
    }
}

impl Step {
    /// What it takes away for a while, and for good.
    pub(super) fn cost(&self, text: &mut String) {
        if let Some(Span { low, typical, high }) = self.outage {
            let [low, typical, high] = [low, typical, high].map(duration);
            let _ = writeln!(text, "      away for {typical} ({low} to {high})");
        }
        let _ = match (self.undo, self.change) {
            (Undo::Reversible, _) => Ok(()),
            (Undo::ReversibleWithLoss, _) => writeln!(text, "      can be taken back by people, for a while only"),
            (Undo::Irreversible, Change::Update | Change::Adopt) => {
                writeln!(text, "      cannot be taken back: the cloud changes this one way only")
            }
            (Undo::Irreversible, _) => writeln!(text, "      cannot be taken back: its data is gone"),
        };
    }

    /// Whether nothing is to be said of it but that it is: declared for the first time, or gone with everything else.
    fn is_plain(&self) -> bool {
        matches!(self.reasons[..], [Reason::Declared(_) | Reason::Destroy])
            && matches!(self.change, Change::Create | Change::Delete)
            && self.risk != Risk::DataLoss
    }
}

/// Plain steps of one risk, change and declaration, by the first of them.
#[derive(Default)]
struct Groups<'a> {
    parts: BTreeMap<&'a str, Vec<&'a str>>,
    width: usize,
}

impl<'a> Groups<'a> {
    fn of(steps: &'a [Step]) -> Self {
        let mut first: BTreeMap<(Risk, &str, &str), &str> = BTreeMap::new();
        let mut groups = Self::default();
        for step in steps.iter().filter(|step| step.is_plain()) {
            let declaration = declaration(step);
            let key = (step.risk, words(step.change).1, declaration);
            let head = *first.entry(key).or_insert(step.address.as_str());
            groups.parts.entry(head).or_default().push(step.address.part());
            groups.width = groups.width.max(declaration.len());
        }
        groups
    }

    /// The line of a whole group when its first step comes, and nothing for the others.
    fn line(&self, text: &mut String, step: &Step, style: Style) {
        let Some(parts) = self.parts.get(step.address.as_str()) else { return };
        let (symbol, word) = words(step.change);
        let plain = format!("{symbol:>3} {word:<8}");
        let declaration = format!(" {:<width$}  ", declaration(step), width = self.width);
        let mut line = String::new();
        wrapped(&mut line, &format!("{plain}{declaration}"), &parts.join(", "));
        text.push_str(&line.replacen(&plain, &style.paint(colour(step.change), &plain), 1));
    }
}

/// An address without its part.
fn declaration(step: &Step) -> &str {
    let text = step.address.as_str();
    text.rsplit_once('/').map_or(text, |(declaration, _)| declaration)
}

/// Widths of the table's columns.
#[derive(Clone, Copy, Default)]
pub(super) struct Widths {
    address: usize,
    type_name: usize,
}

impl Widths {
    pub(super) fn of<'a>(steps: impl Iterator<Item = &'a Step>) -> Self {
        steps.fold(Self::default(), |widths, step| Self {
            address: widths.address.max(step.address.as_str().len()),
            type_name: widths.type_name.max(step.type_name.len()),
        })
    }
}

pub(super) fn line(text: &mut String, step: &Step, widths: Widths, style: Style) {
    let (symbol, word) = words(step.change);
    let verb = style.paint(colour(step.change), &format!("{symbol:>3} {word:<8}"));
    let id = match (&step.id, step.change) {
        (None, _) | (_, Change::Move | Change::Update | Change::Settle | Change::Protection) => String::new(),
        (Some(id), _) => format!("  (id {id})"),
    };
    let first = format!(
        "{:<address$}  {:<of$}",
        step.address.as_str(),
        step.type_name,
        address = widths.address,
        of = widths.type_name
    );
    let _ = writeln!(text, "{verb} {}", format!("{first}{id}").trim_end());
}

/// The chains of reasons, each on a line of its own from its nearest cause to its first; broken where it gets too long.
fn reasons(text: &mut String, step: &Step) {
    let mut current = String::new();
    for reason in &step.reasons {
        let next = format!(" <- {}", reason_text(reason));
        if current.chars().count() + next.chars().count() > WIDTH {
            let _ = writeln!(text, "{current}");
            current = "        ".to_owned();
        } else if current.is_empty() {
            current = "     ".to_owned();
        }
        current.push_str(&next);
        if reason.is_root() {
            let _ = writeln!(text, "{current}");
            current.clear();
        }
    }
    if !current.is_empty() {
        let _ = writeln!(text, "{current}");
    }
}

fn reason_text(reason: &Reason) -> String {
    let at = |position: &Option<crate::error::Position>| {
        position.as_ref().map_or_else(String::new, |position| format!(" ({position})"))
    };
    match reason {
        Reason::Declared(position) => format!("declared{}", at(position)),
        Reason::Removed => "no longer declared".to_owned(),
        Reason::Field { declaration, field, before, after: _, position } if field.is_empty() => {
            let what = if before == "null" { "is new" } else { "was removed" };
            format!("{declaration} {what}{}", at(position))
        }
        Reason::Field { declaration, field, before, after, position } => {
            format!("{declaration} {field} {} -> {}{}", bare(before), bare(after), at(position))
        }
        Reason::Forces(path) => format!("{path} forces replacement"),
        Reason::Dependency(address) => format!("{address} changes"),
        Reason::Drift(path) => format!("drift of {path}"),
        Reason::Gone => "gone from the cloud".to_owned(),
        Reason::Interrupted => "an earlier run was interrupted".to_owned(),
        Reason::Deposed => "replaced, the old object is left".to_owned(),
        Reason::Expansion => "the same declaration expands differently: another secret, or another version".to_owned(),
        Reason::Destroy => "the stack is destroyed".to_owned(),
        Reason::Back => "takes back another change".to_owned(),
        Reason::Moved(from) => format!("its declaration was renamed, it was {from}"),
        Reason::Unrecorded => "bears our marks, was not in the ledger".to_owned(),
    }
}

/// JSON text as people write it in a sentence: words without quotes, nothing for null, long things cut.
fn bare(json: &str) -> String {
    const LONGEST: usize = 40;
    let text = match json {
        "null" => "(none)",
        _ => json
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .filter(|word| !word.is_empty())
            .unwrap_or(json),
    };
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn words(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::Create => ("+", "create"),
        Change::Update => ("~", "update"),
        Change::ReplaceCreateFirst => ("+/-", "replace"),
        Change::ReplaceDeleteFirst => ("-/+", "replace"),
        Change::Delete => ("-", "delete"),
        Change::Move => (">", "move"),
        Change::Adopt => ("<", "adopt"),
        Change::Forget => (".", "forget"),
        Change::Protection => ("!", "protect"),
        Change::Settle => ("=", "settle"),
    }
}

fn risk_word(risk: Risk) -> &'static str {
    match risk {
        Risk::DataLoss => "data loss",
        Risk::Downtime => "downtime",
        Risk::Security => "security",
        Risk::Money => "money",
        Risk::None => "no risk",
    }
}

fn heading(risk: Risk) -> &'static str {
    match risk {
        Risk::DataLoss => "data loss: data goes with the object",
        Risk::Downtime => "downtime: service is interrupted",
        Risk::Security => "security: who may do or reach what",
        Risk::Money => "money: billed from or until then",
        Risk::None => "the rest",
    }
}

/// Milliseconds as people say them.
fn duration(milliseconds: u64) -> String {
    let seconds = Duration::from_millis(milliseconds).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[derive(Clone, Copy)]
pub(super) enum Colour {
    Red,
    Green,
    Yellow,
    Cyan,
    Plain,
}

fn colour(change: Change) -> Colour {
    match change {
        Change::Create => Colour::Green,
        Change::Update => Colour::Yellow,
        Change::ReplaceCreateFirst | Change::ReplaceDeleteFirst | Change::Delete => Colour::Red,
        Change::Adopt | Change::Protection | Change::Move => Colour::Cyan,
        Change::Forget | Change::Settle => Colour::Plain,
    }
}

fn risk_colour(risk: Risk) -> Colour {
    match risk {
        Risk::DataLoss | Risk::Downtime => Colour::Red,
        Risk::Security => Colour::Yellow,
        Risk::Money => Colour::Cyan,
        Risk::None => Colour::Plain,
    }
}

impl Style {
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        let code = match (self, colour) {
            (Self::Plain, _) | (_, Colour::Plain) => return text.to_owned(),
            (_, Colour::Red) => 31,
            (_, Colour::Green) => 32,
            (_, Colour::Yellow) => 33,
            (_, Colour::Cyan) => 36,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
