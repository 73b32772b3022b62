//! Findings of a load: all errors and warnings of all files, in the order in which they stand there.

use std::fmt::Write as _;

use super::snippet::{self, Label};
use super::source::{Mark, Page};
use crate::error::Position;
use crate::{Code, Error, Problems, Result};

/// More findings than this of one file are counted but not told.
const MAX_FINDINGS: usize = 50;

/// How grave a problem is, for [`report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but hardly means what it says.
    Warning,
}

/// Problems as text for a person: for each its code, message, the lines of the file, and what to type next.
///
/// ```
/// use landfall_core::config::{self, Defaults, Severity, Source};
/// use landfall_core::kind::Ref;
///
/// let source = Source::new("deployment-config.yaml", "apiVersion: landfall.dev/v1\nkind: ServiceConfig\nmetadata:\n  nam: web\n");
/// let error = config::load(&[source], &Defaults::new(&Ref::named("main"))).unwrap_err();
/// let text = config::report(Severity::Error, error.problems());
/// assert!(text.contains(" --> deployment-config.yaml:4:3"));
/// assert!(text.contains("= next: write name, as in name: textnlp"));
/// ```
#[must_use]
pub fn report<'a>(severity: Severity, problems: impl IntoIterator<Item = &'a Error>) -> String {
    let word = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut text = String::new();
    for problem in problems {
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = writeln!(text, "{word}[{}]: {}", problem.code(), problem.message());
        let detail = problem.details().unwrap_or_default();
        let gutter = detail.lines().next().map_or(1, |line| line.find("-->").unwrap_or(1));
        match (problem.details(), problem.origin()) {
            (Some(detail), _) => {
                let _ = writeln!(text, "{detail}");
            }
            (None, Some(position)) => {
                let _ = writeln!(text, " --> {position}");
            }
            (None, None) => {}
        }
        if let Some(hint) = problem.next_step() {
            let _ = writeln!(text, "{:gutter$} = next: {hint}", "");
        }
    }
    text
}

/// One thing found in a file.
pub(super) struct Finding {
    code: Code,
    at: Mark,
    message: String,
    hint: String,
    also: Option<(Mark, &'static str)>,
    secret: bool,
}

impl Finding {
    pub(super) fn new(code: Code, at: Mark, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, at, message: message.into(), hint: hint.into(), also: None, secret: false }
    }

    /// Shows another place of the files too.
    pub(super) fn also(mut self, at: Mark, why: &'static str) -> Self {
        self.also = Some((at, why));
        self
    }

    /// Keeps the value out of the report.
    pub(super) fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    fn into_error(self, pages: &[Page<'_>]) -> Error {
        let Self { code, at, message, hint, also, secret } = self;
        let mut labels = vec![Label { at, underline: '^', text: "", secret }];
        labels.extend(also.map(|(at, text)| Label { at, underline: '-', text, secret }));
        let error = Error::new(code, message).hint(hint).detail(snippet::render(pages, &labels));
        match pages.get(at.page) {
            Some(page) => error.position(page.position(at.start)),
            None => error,
        }
    }
}

/// Where in the tree of fields the reader is: the field's name, an example of its value, and its place.
struct Step {
    name: String,
    /// Whether it is an item of a list, which has a number for its name.
    item: bool,
    example: &'static str,
    at: Mark,
}

/// What a load has found so far.
pub(super) struct Report<'a> {
    pub(super) pages: Vec<Page<'a>>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    steps: Vec<Step>,
}

impl<'a> Report<'a> {
    pub(super) fn new(pages: Vec<Page<'a>>) -> Self {
        Self { pages, errors: Vec::new(), warnings: Vec::new(), steps: Vec::new() }
    }

    pub(super) fn error(&mut self, finding: Finding) {
        push(&mut self.errors, finding);
    }

    /// Whether there are more errors than will be told, so that words about another are wasted.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() > MAX_FINDINGS * 4
    }

    pub(super) fn warn(&mut self, finding: Finding) {
        push(&mut self.warnings, finding);
    }

    pub(super) fn position(&self, at: Mark) -> Position {
        match self.pages.get(at.page) {
            Some(page) => page.position(at.start),
            None => Position { file: String::new(), line: 1, column: 1 },
        }
    }

    /// Reads what is beneath a field.
    pub(super) fn within<T>(
        &mut self,
        name: &str,
        example: &'static str,
        at: Mark,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.steps.push(Step { name: name.to_owned(), item: false, example, at });
        let result = read(self);
        self.steps.pop();
        result
    }

    /// Reads an item of the list being read.
    pub(super) fn within_item<T>(&mut self, index: usize, at: Mark, read: impl FnOnce(&mut Self) -> T) -> T {
        let example = self.steps.last().map_or("", |step| step.example.trim_start_matches('[').trim_end_matches(']'));
        self.steps.push(Step { name: index.to_string(), item: true, example, at });
        let result = read(self);
        self.steps.pop();
        result
    }

    /// An example of a value of the map being read: what stands in the example of the map.
    pub(super) fn example_of_value(&self) -> &'static str {
        let example = self.steps.last().map_or("", |step| step.example);
        example.split_once(": ").map_or("value", |(_, value)| value.trim_end_matches(" }"))
    }

    /// The dotted path of the field being read.
    pub(super) fn path(&self) -> String {
        self.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(".")
    }

    /// The name of the field being read; empty for the document and for items of lists.
    pub(super) fn field(&self) -> &str {
        self.steps.last().filter(|step| !step.item).map_or("", |step| &step.name)
    }

    /// What is being read, as the subject of a sentence.
    pub(super) fn subject(&self) -> String {
        match &self.steps[..] {
            [] => "the document".to_owned(),
            [.., list, Step { item: true, .. }] => format!("an item of {}", list.name),
            [.., step] => step.name.clone(),
        }
    }

    /// How the field being read may be written.
    pub(super) fn example(&self) -> String {
        match self.steps.last() {
            Some(Step { item: true, example, .. }) if !example.is_empty() => format!("write - {example}"),
            Some(Step { name, example, .. }) if !example.is_empty() => format!("write {}", assignment(name, example)),
            None => "start it with `apiVersion: landfall.dev/v1` and `kind: ServiceConfig`".to_owned(),
            _ => "indent its fields beneath it, or remove the line".to_owned(),
        }
    }

    /// The place of the section being read.
    pub(super) fn place(&self) -> Option<Mark> {
        self.steps.last().map(|step| step.at)
    }

    /// The warnings, or all errors.
    pub(super) fn finish(self) -> Result<Vec<Error>> {
        let Self { pages, errors, warnings, .. } = self;
        let mut problems = Problems::default();
        problems.extend(told(errors, &pages));
        problems.finish()?;
        Ok(told(warnings, &pages))
    }
}

/// A field with a value, as it is written in a file; an item of a list has no name.
pub(super) fn assignment(name: &str, example: &str) -> String {
    if name.is_empty() { example.to_owned() } else { format!("{name}: {example}") }
}

/// Text for a message: on one line, and not longer than a person reads.
pub(super) fn quote(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(60) {
        match c {
            c if snippet::invisible(c) => {
                let _ = write!(shown, "\\u{{{:04X}}}", u32::from(c));
            }
            '\'' | '"' | '\\' => shown.push(c),
            c => shown.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

fn push(findings: &mut Vec<Finding>, finding: Finding) {
    // What stands behind an alias is read once for each use, but told once.
    let same =
        |other: &Finding| other.at == finding.at && other.code == finding.code && other.message == finding.message;
    if !findings.iter().rev().take(MAX_FINDINGS * 4).any(same) {
        findings.push(finding);
    }
}

fn told(mut findings: Vec<Finding>, pages: &[Page<'_>]) -> Vec<Error> {
    findings.sort_by_key(|finding| finding.at);
    let mut told = Vec::new();
    let mut rest = findings.into_iter().peekable();
    while let Some(page) = rest.peek().map(|finding| finding.at.page) {
        let mut of_page = Vec::new();
        while let Some(finding) = rest.next_if(|finding| finding.at.page == page) {
            of_page.push(finding);
        }
        let more = of_page.split_off(of_page.len().min(MAX_FINDINGS));
        told.extend(of_page.into_iter().map(|finding| finding.into_error(pages)));
        let count = more.len();
        if let Some(first) = more.into_iter().next() {
            told.push(Finding { message: format!("and {count} more, from here on"), ..first }.into_error(pages));
        }
    }
    told
}
