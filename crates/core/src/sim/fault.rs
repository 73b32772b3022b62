//! Faults on order: which call goes wrong, and how.

use std::time::Duration;

use crate::resource::{Address, Verb};

/// A call that shall go wrong.
///
/// ```
/// use landfall_core::sim::{Fault, FaultKind, On};
///
/// // The third call of the host, and the two after it, are throttled.
/// let fault = Fault::new(On::CallsFrom(3), FaultKind::Throttled { retry_after: None }).times(3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) on: On,
    pub(super) kind: FaultKind,
    pub(super) times: u32,
}

/// Which calls a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum On {
    /// The host's calls from this number on, counted from 1.
    CallsFrom(u64),
    /// Calls of this verb about this address. Polls and observations are reads.
    Address(Address, Verb),
    /// Calls of this verb about this native type.
    Type(String, Verb),
    /// Calls of this verb.
    Verb(Verb),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Refused before it acts: too many calls.
    Throttled {
        /// How long the cloud asks to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// Refused before it acts: the service is unavailable.
    Unavailable,
    /// The answer is lost.
    OutcomeUnknown {
        /// Whether the call acts nevertheless.
        acted: bool,
    },
    /// Refused: the caller may not do this.
    PermissionDenied,
    /// Refused: a quota is used up.
    Quota,
    /// Refused: the cloud has none left of what is asked for.
    NoCapacity,
    /// Accepted; fails in the time that it would have taken to succeed.
    ProvisioningFailed {
        /// The cloud's reason.
        message: String,
    },
    /// Accepted; takes so many times as long as it would have.
    Slow(u32),
    /// Refused before it acts: too many calls, in words that mean something else.
    Disguised,
    /// No answer ever comes.
    NoAnswer {
        /// Whether the call acts nevertheless.
        acted: bool,
    },
    /// The cloud answers with an error of its own, which says nothing about what was done.
    ServerError {
        /// Whether the call acts nevertheless.
        acted: bool,
    },
    /// The answer cannot be read.
    Garbage {
        /// Whether the call acts nevertheless.
        acted: bool,
    },
    /// A change acts, and the answer comes from a replica that does not know the object.
    ActedThenNotFound,
    /// A read of many answers only some.
    Partial,
    /// A page of a census ends early, often with nothing on it, and says where the next one begins.
    ShortPage,
    /// A read comes from a replica that is behind by up to the type's lag.
    Stale,
    /// A create makes the object with what it is found by, and the rest takes an update, as on APIs that need several calls.
    Unfinished,
    /// The request takes so much longer to arrive.
    Delayed(Duration),
}

impl Fault {
    /// A fault that strikes once.
    #[must_use]
    pub fn new(on: On, kind: FaultKind) -> Self {
        Self { on, kind, times: 1 }
    }

    /// Strikes so many times.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }
}

/// A call as faults look at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub(super) number: u64,
    pub(super) verb: Verb,
    /// All that one call is about have the same type, except in a census, which is about none.
    pub(super) type_name: Option<&'a str>,
    pub(super) addresses: &'a [Address],
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The fault that strikes this call: the one that was ordered first.
    pub(super) fn strike(&mut self, subject: Subject<'_>) -> Option<FaultKind> {
        let at = self.0.iter().position(|fault| fault.times > 0 && fault.on.strikes(subject))?;
        self.0[at].times -= 1;
        let kind = self.0[at].kind.clone();
        self.0.retain(|fault| fault.times > 0);
        Some(kind)
    }
}

impl On {
    fn strikes(&self, subject: Subject<'_>) -> bool {
        match self {
            Self::CallsFrom(number) => subject.number >= *number,
            Self::Address(address, verb) => subject.verb == *verb && subject.addresses.contains(address),
            Self::Type(name, verb) => subject.verb == *verb && subject.type_name == Some(name),
            Self::Verb(verb) => subject.verb == *verb,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(number: u64, verb: Verb, addresses: &[Address]) -> Subject<'_> {
        Subject { number, verb, type_name: Some("AWS::EC2::VPC"), addresses }
    }

    #[test]
    fn a_fault_strikes_what_it_names_and_as_often_as_it_says() {
        let address = [Address::new("aws", "network", "core", "vpc").unwrap()];
        let mut faults = Faults::default();
        faults.add(Fault::new(On::Address(address[0].clone(), Verb::Create), FaultKind::Unavailable).times(2));
        faults.add(Fault::new(On::CallsFrom(4), FaultKind::Quota));
        assert_eq!(faults.strike(subject(1, Verb::Delete, &address)), None);
        assert_eq!(faults.strike(subject(2, Verb::Create, &[])), None);
        assert_eq!(faults.strike(subject(3, Verb::Create, &address)), Some(FaultKind::Unavailable));
        assert_eq!(faults.strike(subject(5, Verb::Create, &address)), Some(FaultKind::Unavailable));
        assert_eq!(faults.strike(subject(6, Verb::Create, &address)), Some(FaultKind::Quota));
        assert_eq!(faults.strike(subject(7, Verb::Create, &address)), None);
    }
}
