//! Quantities with their units in the type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Code, Error, Result};

/// Storage in gibibytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GiB(pub u32);

impl fmt::Display for GiB {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} GiB", self.0)
    }
}

macro_rules! quantity {
    ($(#[$meta:meta])* $name:ident, $parse:ident, $print:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u64);

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                $parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$print(self.0))
            }
        }
    };
}

quantity!(
    /// CPU, as Kubernetes writes it: `500m` or `2`. Kept in thousandths of a core.
    Cpu, parse_cpu, print_cpu
);
quantity!(
    /// Memory, as Kubernetes writes it: `4Gi`, `512Mi`. Kept in bytes.
    Memory, parse_memory, print_memory
);
quantity!(
    /// A span of time: `30s`, `5m`, `250ms`, `1h`. Kept in milliseconds.
    Span, parse_span, print_span
);

impl Cpu {
    /// From thousandths of a core.
    #[must_use]
    pub const fn millis(millis: u64) -> Self {
        Self(millis)
    }

    /// In thousandths of a core.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

impl Memory {
    /// From mebibytes.
    #[must_use]
    pub const fn mebibytes(mebibytes: u64) -> Self {
        Self(mebibytes * 1024 * 1024)
    }

    /// From gibibytes.
    #[must_use]
    pub const fn gibibytes(gibibytes: u64) -> Self {
        Self::mebibytes(gibibytes * 1024)
    }

    /// In bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl Span {
    /// From seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds * 1000)
    }

    /// As a standard duration.
    #[must_use]
    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

fn bad(what: &str, text: &str, example: &str) -> Error {
    Error::new(Code::InvalidQuantity, format!("not {what}: {text}")).hint(format!("write it like {example}"))
}

fn parse_cpu(text: &str) -> Result<u64> {
    let error = || bad("an amount of CPU", text, "500m or 2");
    if let Some(millis) = text.strip_suffix('m') {
        return millis.parse().map_err(|_| error());
    }
    let cores: f64 = text.parse().map_err(|_| error())?;
    let millis = cores * 1000.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked against its range just before"
    )]
    if (0.0..=1e12).contains(&millis) && (millis - millis.round()).abs() < 1e-6 {
        Ok(millis.round() as u64)
    } else {
        Err(error())
    }
}

fn print_cpu(millis: u64) -> String {
    if millis % 1000 == 0 { (millis / 1000).to_string() } else { format!("{millis}m") }
}

const MEMORY: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

fn parse_memory(text: &str) -> Result<u64> {
    let error = || bad("an amount of memory", text, "4Gi or 512Mi");
    let (number, unit) = MEMORY
        .iter()
        .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|number| (number, *unit)))
        .unwrap_or((text, 1));
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(error)
}

fn print_memory(bytes: u64) -> String {
    MEMORY
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes % unit == 0)
        .map_or_else(|| bytes.to_string(), |(suffix, unit)| format!("{}{suffix}", bytes / unit))
}

const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

fn parse_span(text: &str) -> Result<u64> {
    let error = || bad("a span of time", text, "30s or 5m");
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
    let (number, suffix) = text.split_at(digits);
    let (_, unit) = SPANS.iter().find(|(known, _)| *known == suffix).ok_or_else(error)?;
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(*unit)).ok_or_else(error)
}

fn print_span(millis: u64) -> String {
    SPANS
        .iter()
        .rev()
        .find(|(_, unit)| millis >= *unit && millis % unit == 0)
        .map_or_else(|| "0s".into(), |(suffix, unit)| format!("{}{suffix}", millis / unit))
}

/// A rate with its unit: `1000/min`, `50/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// Per what.
    pub per: Per,
}

/// The unit of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Per {
    /// Per second.
    Second,
    /// Per minute.
    Minute,
    /// Per hour.
    Hour,
}

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((count, per)) = text.split_once('/') else {
            return Err(Error::new(Code::RateWithoutUnit, format!("a rate needs a unit: {text}"))
                .hint(format!("write {text}/min or {text}/s")));
        };
        let per = match per.trim() {
            "s" | "sec" | "second" => Per::Second,
            "min" | "minute" => Per::Minute,
            "h" | "hour" => Per::Hour,
            _ => return Err(bad("a rate", text, "1000/min")),
        };
        let count = count.trim().parse().map_err(|_| bad("a rate", text, "1000/min"))?;
        Ok(Self { count, per })
    }
}

impl TryFrom<String> for Rate {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Per::Second => "s",
            Per::Minute => "min",
            Per::Hour => "h",
        };
        write!(f, "{}/{per}", self.count)
    }
}

/// A range of node or replica counts; `min ≤ max` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Range {
    min: u32,
    max: u32,
}

impl Range {
    /// A range.
    ///
    /// # Errors
    /// [`Code::InvalidValue`] when `min > max` or `max` is zero.
    pub fn new(min: u32, max: u32) -> Result<Self> {
        if min > max || max == 0 {
            return Err(Error::new(Code::InvalidValue, format!("a range needs min ≤ max and max ≥ 1: {min}..={max}")));
        }
        Ok(Self { min, max })
    }

    /// The lower end.
    #[must_use]
    pub fn min(self) -> u32 {
        self.min
    }

    /// The upper end.
    #[must_use]
    pub fn max(self) -> u32 {
        self.max
    }
}

impl TryFrom<(u32, u32)> for Range {
    type Error = Error;

    fn try_from((min, max): (u32, u32)) -> Result<Self> {
        Self::new(min, max)
    }
}

impl From<Range> for (u32, u32) {
    fn from(range: Range) -> Self {
        (range.min, range.max)
    }
}

/// A day of the calendar, `2026-11-23`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// A day from its numbers; for tables, so it does not check them.
    #[must_use]
    pub const fn new(year: u16, month: u8, day: u8) -> Self {
        Self { year, month, day }
    }

    /// The day a moment falls on, in UTC.
    #[must_use]
    pub fn of(moment: std::time::SystemTime) -> Self {
        use std::time::UNIX_EPOCH;
        let days = moment.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
        // The civil calendar from a count of days: eras of 400 years, years that start in March.
        let shifted = days + 719_468;
        let era = shifted / 146_097;
        let day_of_era = shifted % 146_097;
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        Self {
            year: u16::try_from(year).unwrap_or(u16::MAX),
            month: u8::try_from(month).unwrap_or(1),
            day: u8::try_from(day).unwrap_or(1),
        }
    }
}

impl FromStr for Date {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = || bad("a date", text, "2026-11-23");
        let mut parts = text.split('-');
        let mut next = |width: usize, range: std::ops::RangeInclusive<u16>| {
            let part = parts.next().filter(|part| part.len() == width).ok_or_else(error)?;
            part.parse::<u16>().ok().filter(|number| range.contains(number)).ok_or_else(error)
        };
        let (year, month, day) = (next(4, 1970..=9999)?, next(2, 1..=12)?, next(2, 1..=31)?);
        if parts.next().is_some() {
            return Err(error());
        }
        Ok(Self { year, month: u8::try_from(month).unwrap_or(1), day: u8::try_from(day).unwrap_or(1) })
    }
}

impl TryFrom<String> for Date {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Date> for String {
    fn from(date: Date) -> Self {
        date.to_string()
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
