//! The one error type: what, where, whose fault, whether to retry, what is left behind and what to type next.

use std::fmt;

use crate::resource::Address;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$section:meta])* $name:ident = $text:literal, $explanation:literal;)*) => {
        /// Stable code of an error. Codes never change their meaning; new ones are added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $explanation] $name,)*
        }

        impl Code {
            /// All codes, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is printed, such as `LF1001`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// One sentence saying what the code means.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => $explanation,)* }
            }
        }
    };
}

codes! {
    // 0xxx: the library itself.
    Internal = "LF0001", "A bug in Landfall; nothing was changed because of it.";
    Many = "LF0002", "Several problems, each with its own code.";
    Cancelled = "LF0003", "The caller asked to stop.";
    // 1xxx: declarations (kinds, builder).
    InvalidName = "LF1001", "A name does not follow the rules for names.";
    NameTooLong = "LF1002", "A name would exceed the cloud's limit.";
    NameTaken = "LF1003", "Two things of one kind have the same name, or the name is used by something else.";
    UnknownReference = "LF1004", "A reference leads to nothing that was declared.";
    ForeignReference = "LF1005", "A reference leads to something of another platform.";
    Cycle = "LF1006", "Declarations depend on each other in a circle.";
    InvalidValue = "LF1007", "A value is out of its range or does not fit the others.";
    CidrOverlap = "LF1101", "Two address ranges overlap.";
    CidrTooSmall = "LF1102", "An address range is too small for the subnets asked for.";
    UnknownRegion = "LF1103", "The cloud has no such region.";
    UnknownZone = "LF1104", "The region has no such zone.";
    UnsupportedVersion = "LF1105", "The version is unknown or out of support.";
    UnknownMachine = "LF1106", "The cloud has no such machine type, or none fits the request.";
    RetiredMachine = "LF1107", "The cloud has retired this machine type.";
    NoGpuPool = "LF1108", "A service wants an accelerator that no node pool has.";
    DisruptionBudget = "LF1109", "The disruption budget can never be met.";
    PlainSecret = "LF1110", "A plain field holds what looks like a secret.";
    MissingSecret = "LF1111", "A secret is named that was not given.";
    ReservedTag = "LF1112", "A tag uses the prefix that Landfall keeps for its ownership marks.";
    InvalidTag = "LF1113", "A tag breaks the cloud's rules for tags.";
    Capacity = "LF1114", "The declared pools cannot hold the declared services.";
    // 2xxx: deployment-config.yaml.
    Syntax = "LF2001", "The file is not valid YAML.";
    UnknownField = "LF2002", "The field is not known here.";
    DuplicateField = "LF2003", "The field stands twice.";
    MissingField = "LF2004", "A required field is missing.";
    WrongType = "LF2005", "The value has the wrong type.";
    InvalidQuantity = "LF2006", "The quantity cannot be read.";
    UnknownVariant = "LF2007", "The value is none of the known ones.";
    TooLarge = "LF2008", "The file is too large, too deep or expands too far.";
    UnknownApiVersion = "LF2009", "The file's apiVersion or kind is not known.";
    LegacyApiVersion = "LF2010", "The file uses an apiVersion that collides with the core API group.";
    RateWithoutUnit = "LF2011", "A rate has no unit.";
    Contradiction = "LF2012", "Two fields contradict each other.";
    AmbiguousValue = "LF2013", "Other readers of YAML take the value for something else.";
    Unreadable = "LF2014", "The file cannot be read.";
    // 3xxx: planning.
    Protected = "LF3001", "The change would destroy protected data.";
    StalePlan = "LF3002", "The world moved since the plan was made.";
    ForeignResource = "LF3003", "A resource of that name exists and is not ours.";
    WrongTarget = "LF3004", "The account, project, region or cluster is not the one this stack is pinned to.";
    LostLedger = "LF3005", "The ledger is empty but the cloud holds resources with this stack's marks.";
    Unresolved = "LF3006", "A resource's presence could not be determined.";
    UnknownType = "LF3007", "The native type is in no catalogue.";
    Superseded = "LF3008", "A newer generation of the configuration was deployed.";
    // 4xxx: applying and the clouds.
    Throttled = "LF4001", "The cloud refused the call because of too many calls.";
    Unavailable = "LF4002", "The cloud or the network failed for a while.";
    OutcomeUnknown = "LF4003", "The call may or may not have acted.";
    PermissionDenied = "LF4004", "The caller may not do this.";
    Quota = "LF4005", "A quota of the account is used up.";
    NoCapacity = "LF4006", "The cloud has no capacity of this sort left.";
    Conflict = "LF4007", "The resource is in a state that does not allow the call now.";
    AlreadyExists = "LF4008", "A resource of that name exists.";
    NotFound = "LF4009", "The resource does not exist.";
    InvalidRequest = "LF4010", "The cloud refused the request as invalid.";
    ProvisioningFailed = "LF4011", "The cloud accepted the request and failed later.";
    DeadlineExceeded = "LF4012", "An operation took longer than its deadline; it may still finish.";
    DependencyViolation = "LF4013", "Something still depends on the resource.";
    ApplyFailed = "LF4014", "Some changes of the plan failed; the others were made.";
    RehearsalFailed = "LF4015", "A rehearsal in the simulated cloud broke a law.";
    // 5xxx: the ledger.
    LedgerUnavailable = "LF5001", "The ledger's store cannot be reached.";
    LedgerDamaged = "LF5002", "The ledger's content is damaged.";
    LedgerForeign = "LF5003", "The ledger belongs to another stack.";
    LedgerNewer = "LF5004", "The ledger was written by a newer version of Landfall.";
    LedgerUnconditional = "LF5005", "The ledger's store ignores put-if-absent.";
    LeaseLost = "LF5006", "Another holder has taken the lease.";
    LeaseHeld = "LF5007", "Another holder has the lease.";
    LedgerSealed = "LF5008", "The ledger is encrypted with a key that was not given.";
    LedgerInUse = "LF5009", "The ledger holds resources, and was asked to be written anew.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether and how a failed call may be repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Repeating it gives the same error.
    #[default]
    Never,
    /// Too many calls: repeat after at least this time, or after a back-off when the cloud named none.
    Throttled(Option<std::time::Duration>),
    /// A passing fault before the call acted: repeat after a back-off.
    Transient,
    /// The call may have acted: look before repeating.
    Unknown,
    /// The resource or something beneath it is not ready for the call: repeat, slowly, until the deadline.
    NotReady,
}

/// What a failed operation left in the cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remains {
    /// Nothing was made or changed.
    #[default]
    Nothing,
    /// The resource exists, whole or in part.
    Something,
    /// It is not known; the next run finds out.
    Unknown,
}

/// A place in a file: 1-based line and column.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// The file as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Position {
    /// The place of a caller in Rust code.
    #[must_use]
    pub fn of(location: &std::panic::Location<'_>) -> Self {
        Self { file: location.file().to_owned(), line: location.line(), column: location.column() }
    }
}

/// What the cloud itself said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudAnswer {
    /// The cloud's own error code, such as `UnauthorizedOperation`.
    pub code: String,
    /// The cloud's own message.
    pub message: String,
    /// The request id to quote to the cloud's support.
    pub request: Option<String>,
}

/// What went wrong, with everything a person needs to act.
///
/// `Display` is one line that holds code, message, address, position, the cloud's answer and the next step.
///
/// ```
/// use landfall_core::{Code, Error};
///
/// let error = Error::new(Code::Quota, "no more H100 in eu-west-1: 0 of 8 left").hint("ask for a higher quota or set spot");
/// assert_eq!(error.code(), Code::Quota);
/// assert_eq!(error.to_string(), "LF4005: no more H100 in eu-west-1: 0 of 8 left; next: ask for a higher quota or set spot");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: Code,
    message: String,
    during: Option<String>,
    address: Option<Address>,
    position: Option<Position>,
    answer: Option<CloudAnswer>,
    retry: Retry,
    remains: Remains,
    hint: Option<String>,
    detail: Option<String>,
    parts: Vec<Error>,
    source: Option<std::sync::Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error. The message is lower case, has no full stop, and ends with the value it is about.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            during: None,
            address: None,
            position: None,
            answer: None,
            retry: Retry::Never,
            remains: Remains::Nothing,
            hint: None,
            detail: None,
            parts: Vec::new(),
            source: None,
        }))
    }

    /// A bug of ours.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message).hint("please report this, with the text of the error")
    }

    /// Names the operation that failed, such as `ec2:CreateSubnet`, unless one is named already.
    #[must_use]
    pub fn during(mut self, operation: impl Into<String>) -> Self {
        self.0.during.get_or_insert_with(|| operation.into());
        self
    }

    /// Names the resource it is about, unless one is named already.
    #[must_use]
    pub fn at(mut self, address: &Address) -> Self {
        self.0.address.get_or_insert_with(|| address.clone());
        self
    }

    /// Names the place in a file it comes from, unless one is named already.
    #[must_use]
    pub fn position(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Adds what the cloud said.
    #[must_use]
    pub fn answer(mut self, answer: CloudAnswer) -> Self {
        self.0.answer = Some(answer);
        self
    }

    /// Says whether the call may be repeated.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Says what is left in the cloud.
    #[must_use]
    pub fn leaves(mut self, remains: Remains) -> Self {
        self.0.remains = remains;
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds text of several lines for reports, such as a snippet of the file. Not part of `Display`.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds the error beneath.
    #[must_use]
    pub fn because(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(std::sync::Arc::new(source));
        self
    }

    /// The same error under another code and message.
    #[must_use]
    pub(crate) fn renamed(mut self, code: Code, message: String) -> Self {
        self.0.code = code;
        self.0.message = message;
        self
    }

    /// The same error with every text of it changed; of the error beneath only the text stays.
    #[must_use]
    pub(crate) fn map_texts(mut self, change: &dyn Fn(&str) -> String) -> Self {
        let inner = &mut self.0;
        inner.message = change(&inner.message);
        for text in [&mut inner.hint, &mut inner.detail, &mut inner.during].into_iter().flatten() {
            *text = change(text);
        }
        if let Some(answer) = &mut inner.answer {
            answer.message = change(&answer.message);
        }
        inner.parts = std::mem::take(&mut inner.parts).into_iter().map(|part| part.map_texts(change)).collect();
        if let Some(source) = inner.source.take() {
            inner.source = Some(std::sync::Arc::new(Hidden(change(&source.to_string()))));
        }
        self
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// The message alone, without code and hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The resource it is about.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        self.0.address.as_ref()
    }

    /// The place in a file it comes from.
    #[must_use]
    pub fn origin(&self) -> Option<&Position> {
        self.0.position.as_ref()
    }

    /// What the cloud said.
    #[must_use]
    pub fn cloud_answer(&self) -> Option<&CloudAnswer> {
        self.0.answer.as_ref()
    }

    /// Whether the call may be repeated.
    #[must_use]
    pub fn retry_class(&self) -> Retry {
        self.0.retry
    }

    /// What is left in the cloud.
    #[must_use]
    pub fn remains(&self) -> Remains {
        self.0.remains
    }

    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Text of several lines, such as a snippet of the file.
    #[must_use]
    pub fn details(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The single problems of an error with [`Code::Many`]; the error itself otherwise.
    #[must_use]
    pub fn problems(&self) -> Vec<&Self> {
        if self.0.parts.is_empty() { vec![self] } else { self.0.parts.iter().flat_map(Self::problems).collect() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { code, message, during, address, position, answer, hint, parts, remains, .. } = &*self.0;
        if !parts.is_empty() {
            write!(f, "{code}: {message}")?;
            for part in self.problems() {
                write!(f, "\n  {part}")?;
            }
            return Ok(());
        }
        if let Some(position) = position {
            write!(f, "{position}: ")?;
        }
        write!(f, "{code}: {message}")?;
        if let Some(address) = address {
            write!(f, "; at {address}")?;
        }
        if let Some(during) = during {
            write!(f, "; during {during}")?;
        }
        if let Some(CloudAnswer { code, message, request }) = answer {
            write!(f, "; the cloud said {code}: {message}")?;
            if let Some(request) = request {
                write!(f, " (request {request})")?;
            }
        }
        match remains {
            Remains::Nothing => {}
            Remains::Something => f.write_str("; the resource exists and stays")?,
            Remains::Unknown => f.write_str("; whether something was made is unknown, the next run finds out")?,
        }
        if let Some(hint) = hint {
            write!(f, "; next: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        if let Some(detail) = &self.0.detail {
            write!(f, "\n{detail}")?;
        }
        if let Some(source) = &self.0.source {
            write!(f, "\ncaused by: {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// An error beneath of which only the text is left.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Hidden(String);

/// A list of problems that grows, so that a caller sees all of them at once.
///
/// ```
/// use landfall_core::{Code, Error, Problems};
///
/// let mut problems = Problems::default();
/// problems.push(Error::new(Code::InvalidName, "name has a capital letter: Core"));
/// problems.push(Error::new(Code::CidrOverlap, "ranges overlap: 10.0.0.0/16"));
/// let error = problems.finish().unwrap_err();
/// assert_eq!(error.problems().len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Problems(Vec<Error>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, error: Error) {
        if error.0.parts.is_empty() { self.0.push(error) } else { self.0.extend(error.0.parts) }
    }

    /// Keeps the value of a result, or its error as one more problem.
    pub fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok` when there is none, the problem itself when there is one, else [`Code::Many`] with all of them.
    ///
    /// # Errors
    /// All problems pushed so far.
    pub fn finish(mut self) -> Result<()> {
        match self.0.len() {
            0 => Ok(()),
            1 => Err(self.0.remove(0)),
            many => {
                let mut error = Error::new(Code::Many, format!("{many} problems"));
                error.0.parts = self.0;
                Err(error)
            }
        }
    }
}

impl Extend<Error> for Problems {
    fn extend<T: IntoIterator<Item = Error>>(&mut self, errors: T) {
        errors.into_iter().for_each(|error| self.push(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_problems_are_one_error_that_lists_them_all() {
        let mut problems = Problems::default();
        problems.push(Error::new(Code::InvalidName, "a capital letter: Core"));
        assert!(problems.take::<()>(Err(Error::new(Code::CidrOverlap, "ranges overlap: 10.0.0.0/16"))).is_none());
        let two = problems.finish().unwrap_err();
        assert_eq!((two.code(), two.problems().len()), (Code::Many, 2));

        let mut more = Problems::default();
        more.push(two);
        more.extend([Error::new(Code::Cycle, "a circle: a, b, a").hint("cut it")]);
        let all = more.finish().unwrap_err();
        let codes: Vec<_> = all.problems().iter().map(|problem| problem.code()).collect();
        assert_eq!(codes, [Code::InvalidName, Code::CidrOverlap, Code::Cycle], "lists in lists are one list");
        assert_eq!(all.to_string().lines().count(), 4);
        assert!(all.to_string().ends_with("LF1006: a circle: a, b, a; next: cut it"));
    }

    #[test]
    fn a_single_problem_stays_what_it_is() {
        let mut problems = Problems::default();
        problems.push(Error::new(Code::Quota, "none left"));
        assert_eq!(problems.finish().unwrap_err().code(), Code::Quota);
        assert!(Problems::default().finish().is_ok());
    }
}
