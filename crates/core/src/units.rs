//! Quantities with their units in the type.
//!
//! Each has one spelling that it prints and reads back: `500m` of CPU, `4Gi` of memory, `30s`, `1000/min`. Text that only
//! looks like a quantity is refused with the spelling that was probably meant.
//!
//! ```
//! use landfall_core::units::{Cpu, Memory, Rate, Span};
//!
//! # fn main() -> landfall_core::Result<()> {
//! assert_eq!("0.5".parse::<Cpu>()?, Cpu::millis(500));
//! assert_eq!("4Gi".parse::<Memory>()?, Memory::gibibytes(4));
//! assert_eq!("90s".parse::<Span>()?, Span::seconds(90));
//! assert_eq!("1000/min".parse::<Rate>()?.count, 1000);
//!
//! let error = "4GB".parse::<Memory>().unwrap_err();
//! assert_eq!(error.next_step(), Some("write 4Gi"));
//! # Ok(())
//! # }
//! ```

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

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$print(self.0))
            }
        }

        as_text!($name);
    };
}

/// Serialises a type as the text that it prints and reads.
macro_rules! as_text {
    ($name:ident) => {
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
    };
}

quantity!(
    /// CPU, as Kubernetes writes it: `500m` or `2`. Kept in thousandths of a core.
    ///
    /// ```
    /// use landfall_core::units::Cpu;
    ///
    /// # fn main() -> landfall_core::Result<()> {
    /// assert_eq!("1.5".parse::<Cpu>()?.as_millis(), 1500);
    /// assert_eq!(Cpu::millis(1500).to_string(), "1500m");
    /// assert_eq!("500 m".parse::<Cpu>().unwrap_err().next_step(), Some("write 500m"));
    /// # Ok(())
    /// # }
    /// ```
    Cpu, parse_cpu, print_cpu
);
quantity!(
    /// Memory in binary units, as Kubernetes writes them: `4Gi`, `512Mi`. Kept in bytes.
    ///
    /// Decimal units (`4G`) and bare numbers of bytes are refused: who writes them has almost always meant the binary ones.
    ///
    /// ```
    /// use landfall_core::units::Memory;
    ///
    /// # fn main() -> landfall_core::Result<()> {
    /// assert_eq!("1.5Gi".parse::<Memory>()?, Memory::mebibytes(1536));
    /// assert_eq!("4G".parse::<Memory>().unwrap_err().next_step(), Some("write 4Gi"));
    /// # Ok(())
    /// # }
    /// ```
    Memory, parse_memory, print_memory
);
quantity!(
    /// A span of time: `250ms`, `30s`, `5m`, `1h`, `7d`. Kept in milliseconds.
    ///
    /// ```
    /// use landfall_core::units::Span;
    ///
    /// # fn main() -> landfall_core::Result<()> {
    /// assert_eq!("5m".parse::<Span>()?, Span::seconds(300));
    /// assert_eq!("1.5h".parse::<Span>()?.to_string(), "90m");
    /// assert_eq!("30".parse::<Span>().unwrap_err().next_step(), Some("write 30s for seconds or 30ms for milliseconds"));
    /// # Ok(())
    /// # }
    /// ```
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
        Self(mebibytes.saturating_mul(MEBIBYTE))
    }

    /// From gibibytes.
    #[must_use]
    pub const fn gibibytes(gibibytes: u64) -> Self {
        Self(gibibytes.saturating_mul(1024 * MEBIBYTE))
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
        Self(seconds.saturating_mul(1000))
    }

    /// As a standard duration.
    #[must_use]
    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }
}

/// A rate with its unit: `1000/min`, `50/s`.
///
/// ```
/// use landfall_core::Code;
/// use landfall_core::units::{Per, Rate};
///
/// # fn main() -> landfall_core::Result<()> {
/// assert_eq!("50/s".parse::<Rate>()?, Rate { count: 50, per: Per::Second });
/// assert_eq!("1000".parse::<Rate>().unwrap_err().code(), Code::RateWithoutUnit);
/// # Ok(())
/// # }
/// ```
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
        let (number, unit) = split(text.trim());
        let Some(count) = number.parse().ok().filter(|_| !number.is_empty()) else {
            return Err(bad("a rate", text, "write it like 1000/min"));
        };
        if unit.is_empty() {
            return Err(Error::new(Code::RateWithoutUnit, format!("a rate needs a unit: {}", quote(text)))
                .hint(format!("write {number}/min or {number}/s")));
        }
        match PERS.iter().find(|(written, _)| *written == unit) {
            Some((_, per)) => Ok(Self { count, per: *per }),
            None => {
                let hint = match unit.to_ascii_lowercase().trim_start_matches(['/', ' ']) {
                    "rpm" | "per minute" | "per min" | "m" | "minutes" | "mins" => format!("write {number}/min"),
                    "rps" | "qps" | "per second" | "per sec" | "seconds" | "secs" => format!("write {number}/s"),
                    "rph" | "per hour" | "hours" | "hr" => format!("write {number}/h"),
                    _ => format!("write {number}/s, {number}/min or {number}/h"),
                };
                Err(bad("a rate", text, &hint))
            }
        }
    }
}

/// The spellings of a rate's unit; the first of each is the one that is printed.
const PERS: [(&str, Per); 7] = [
    ("/s", Per::Second),
    ("/sec", Per::Second),
    ("/second", Per::Second),
    ("/min", Per::Minute),
    ("/minute", Per::Minute),
    ("/h", Per::Hour),
    ("/hour", Per::Hour),
];

as_text!(Rate);

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
///
/// ```
/// use landfall_core::units::Range;
///
/// # fn main() -> landfall_core::Result<()> {
/// assert_eq!(Range::new(0, 4)?.max(), 4);
/// assert!(Range::new(4, 3).is_err());
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// use landfall_core::units::Date;
///
/// # fn main() -> landfall_core::Result<()> {
/// assert!("2026-11-23".parse::<Date>()? < Date::new(2027, 1, 1));
/// assert!("2026-02-30".parse::<Date>().is_err());
/// # Ok(())
/// # }
/// ```
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
        let part = |range: std::ops::Range<usize>| {
            text.get(range).filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<u16>().ok()
        };
        let separated = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
        let read = (part(0..4), part(5..7), part(8..10));
        let (Some(year @ 1970..), Some(month @ 1..=12), Some(day @ 1..), true) = (read.0, read.1, read.2, separated)
        else {
            return Err(bad("a date", text, "write it like 2026-11-23"));
        };
        let last = days_of_month(year, month);
        if day > last {
            return Err(bad("a date", text, &format!("that month ends with {year:04}-{month:02}-{last:02}")));
        }
        Ok(Self { year, month: u8::try_from(month).unwrap_or(1), day: u8::try_from(day).unwrap_or(1) })
    }
}

as_text!(Date);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

const MEBIBYTE: u64 = 1 << 20;
const MEMORY: [(&str, u64); 4] = [("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

fn parse_cpu(text: &str) -> Result<u64> {
    let (number, unit) = split(text);
    let millis = match unit {
        "" => scaled(number, 1000),
        "m" => scaled(number, 1),
        _ => None,
    };
    millis.ok_or_else(|| {
        let (number, unit) = split(text.trim());
        let hint = match unit.trim().to_ascii_lowercase().as_str() {
            "m" | "mc" | "millis" | "millicores" if scaled(number, 1).is_some() => format!("write {number}m"),
            "c" | "core" | "cores" | "cpu" | "cpus" | "vcpu" | "vcpus" if scaled(number, 1000).is_some() => {
                format!("write {number}")
            }
            "" if decimals(number) => "write whole thousandths of a core, like 1m".to_owned(),
            _ => "write it like 500m or 2".to_owned(),
        };
        bad("an amount of CPU", text, &hint)
    })
}

fn print_cpu(millis: u64) -> String {
    if millis.is_multiple_of(1000) { (millis / 1000).to_string() } else { format!("{millis}m") }
}

fn parse_memory(text: &str) -> Result<u64> {
    let (number, unit) = split(text);
    let bytes = MEMORY.iter().find(|(known, _)| *known == unit).and_then(|(_, factor)| kibibytes(number, *factor));
    bytes.ok_or_else(|| {
        let (number, unit) = split(text.trim());
        let unit = unit.trim().to_ascii_lowercase();
        let meant = MEMORY.iter().find(|(known, _)| unit.starts_with(&known.to_ascii_lowercase()[..1]));
        let hint = match (meant, number.parse::<u64>()) {
            (Some((known, factor)), _) if kibibytes(number, *factor).is_some() => format!("write {number}{known}"),
            (None, Ok(bytes)) if unit.is_empty() && bytes >= MEBIBYTE && bytes.is_multiple_of(1024) => {
                format!("write {}", print_memory(bytes))
            }
            (None, Ok(count @ 1..)) if unit.is_empty() && count < 64 => format!("write {count}Gi or {count}Mi"),
            (None, Ok(count @ 64..=65_536)) if unit.is_empty() => format!("write {count}Mi"),
            (Some((known, factor)), _) if *known == "Ki" && scaled(number, *factor).is_some() => {
                "write whole kibibytes, like 1Ki".to_owned()
            }
            _ => "write it like 4Gi or 512Mi".to_owned(),
        };
        bad("an amount of memory", text, &hint)
    })
}

/// Bytes that [`print_memory`] can print: there is no smaller unit.
fn kibibytes(number: &str, factor: u64) -> Option<u64> {
    scaled(number, factor).filter(|bytes| bytes.is_multiple_of(1024))
}

fn print_memory(bytes: u64) -> String {
    match MEMORY.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => format!("{}Ki", bytes / 1024),
    }
}

fn parse_span(text: &str) -> Result<u64> {
    let (number, unit) = split(text);
    let millis = SPANS.iter().find(|(known, _)| *known == unit).and_then(|(_, factor)| scaled(number, *factor));
    millis.ok_or_else(|| {
        let (number, unit) = split(text.trim());
        let hint = match unit.trim().to_ascii_lowercase().as_str() {
            _ if !decimals(number) => "write it like 30s or 5m".to_owned(),
            "" => format!("write {number}s for seconds or {number}ms for milliseconds"),
            "s" | "sec" | "secs" | "second" | "seconds" => format!("write {number}s"),
            "m" | "min" | "mins" | "minute" | "minutes" => format!("write {number}m"),
            "ms" | "msec" | "millis" | "milliseconds" => format!("write {number}ms"),
            "h" | "hr" | "hrs" | "hour" | "hours" => format!("write {number}h"),
            "d" | "day" | "days" => format!("write {number}d"),
            _ => sum_of_spans(text).map_or_else(
                || "write it like 30s or 5m; the units are ms, s, m, h and d".to_owned(),
                |millis| format!("write it in one unit: {}", print_span(millis)),
            ),
        };
        bad("a span of time", text, &hint)
    })
}

fn print_span(millis: u64) -> String {
    match SPANS.iter().find(|(_, factor)| millis >= *factor && millis.is_multiple_of(*factor)) {
        Some((unit, factor)) => format!("{}{unit}", millis / factor),
        None => "0s".to_owned(),
    }
}

/// What `1h30m` adds up to.
fn sum_of_spans(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let (number, after) = split(rest);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, following) = after.split_at(letters);
        let (_, factor) = SPANS.iter().find(|(known, _)| *known == unit)?;
        sum = sum.checked_add(scaled(number, *factor)?)?;
        rest = following.trim_start();
    }
    Some(sum)
}

/// The digits (with a point) at the start, and what follows them.
fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()))
}

fn decimals(number: &str) -> bool {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(fraction)
}

/// A decimal number times a factor, when that is whole and small enough.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    if !decimals(number) {
        return None;
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let fraction = fraction.trim_end_matches('0');
    let mut total = u128::from(whole.parse::<u64>().ok()?) * u128::from(factor);
    if !fraction.is_empty() {
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?).filter(|_| fraction.len() <= 18)?;
        let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(factor);
        if !part.is_multiple_of(scale) {
            return None;
        }
        total += part / scale;
    }
    u64::try_from(total).ok()
}

fn days_of_month(year: u16, month: u16) -> u16 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

fn bad(what: &str, text: &str, hint: &str) -> Error {
    Error::new(Code::InvalidQuantity, format!("not {what}: {}", quote(text))).hint(hint)
}

/// Text for a message: on one line, and not longer than a person reads.
fn quote(text: &str) -> String {
    if text.is_empty() {
        return "nothing".to_owned();
    }
    let mut shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hint<T: FromStr<Err = Error> + fmt::Debug>(text: &str) -> String {
        let error = text.parse::<T>().unwrap_err();
        assert!(matches!(error.code(), Code::InvalidQuantity | Code::RateWithoutUnit), "{error}");
        error.next_step().unwrap().to_owned()
    }

    #[test]
    fn wrong_units_of_cpu_get_the_spelling_that_was_meant() {
        assert_eq!(hint::<Cpu>("500 m"), "write 500m");
        assert_eq!(hint::<Cpu>("500M"), "write 500m");
        assert_eq!(hint::<Cpu>("2 cores"), "write 2");
        assert_eq!(hint::<Cpu>("0.0001"), "write whole thousandths of a core, like 1m");
        for text in ["", "m", "inf", "NaN", "1e3", "0x1F", "-1", "+1", ".5", "2.", "1.2.3", "99999999999999999999"] {
            assert!(text.parse::<Cpu>().is_err(), "{text}");
        }
    }

    #[test]
    fn wrong_units_of_memory_get_the_spelling_that_was_meant() {
        assert_eq!(hint::<Memory>("4G"), "write 4Gi");
        assert_eq!(hint::<Memory>("4GB"), "write 4Gi");
        assert_eq!(hint::<Memory>("4 GiB"), "write 4Gi");
        assert_eq!(hint::<Memory>("512m"), "write 512Mi");
        assert_eq!(hint::<Memory>("4"), "write 4Gi or 4Mi");
        assert_eq!(hint::<Memory>("512"), "write 512Mi");
        assert_eq!(hint::<Memory>("4294967296"), "write 4Gi");
        assert_eq!(hint::<Memory>("0.5Ki"), "write whole kibibytes, like 1Ki");
        assert_eq!(hint::<Memory>("lots"), "write it like 4Gi or 512Mi");
        assert!("99999999999Ti".parse::<Memory>().is_err());
    }

    #[test]
    fn wrong_units_of_time_get_the_spelling_that_was_meant() {
        assert_eq!(hint::<Span>("30"), "write 30s for seconds or 30ms for milliseconds");
        assert_eq!(hint::<Span>("30 sec"), "write 30s");
        assert_eq!(hint::<Span>("5min"), "write 5m");
        assert_eq!(hint::<Span>("1h30m"), "write it in one unit: 90m");
        assert_eq!(hint::<Span>("soon"), "write it like 30s or 5m");
    }

    #[test]
    fn wrong_units_of_rates_get_the_spelling_that_was_meant() {
        assert_eq!(hint::<Rate>("1000"), "write 1000/min or 1000/s");
        assert_eq!(hint::<Rate>("1000rpm"), "write 1000/min");
        assert_eq!(hint::<Rate>("1000 per second"), "write 1000/s");
        assert_eq!(hint::<Rate>("1000/day"), "write 1000/s, 1000/min or 1000/h");
        assert_eq!(hint::<Rate>("many"), "write it like 1000/min");
        assert_eq!("10/minute".parse::<Rate>().unwrap(), Rate { count: 10, per: Per::Minute });
    }

    #[test]
    fn days_are_days_of_the_calendar() {
        assert_eq!("2028-02-29".parse::<Date>().unwrap(), Date::new(2028, 2, 29));
        for text in [
            "2027-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-1-1",
            "26-01-01",
            "2026-01-011",
            "1969-12-31",
            "+026-01-01",
        ] {
            assert_eq!(text.parse::<Date>().unwrap_err().code(), Code::InvalidQuantity, "{text}");
        }
    }

    proptest! {
        #[test]
        fn quantities_read_back_what_they_print(millis in 0..u64::MAX / 1000, mebibytes in 0..1_u64 << 40, seconds in 0..1_u64 << 40) {
            prop_assert_eq!(Cpu::millis(millis).to_string().parse::<Cpu>().unwrap(), Cpu::millis(millis));
            let memory = Memory::mebibytes(mebibytes);
            prop_assert_eq!(memory.to_string().parse::<Memory>().unwrap(), memory);
            prop_assert_eq!(Span::seconds(seconds).to_string().parse::<Span>().unwrap(), Span::seconds(seconds));
        }

        #[test]
        fn what_parses_reads_back_from_its_print(text in r"[0-9]{1,6}(\.[0-9]{1,4})?(m|Ki|Mi|Gi|Ti|ms|s|h|d|/s|/min|/h)?") {
            if let Ok(value) = text.parse::<Cpu>() { prop_assert_eq!(value.to_string().parse::<Cpu>().unwrap(), value) }
            if let Ok(value) = text.parse::<Memory>() { prop_assert_eq!(value.to_string().parse::<Memory>().unwrap(), value) }
            if let Ok(value) = text.parse::<Span>() { prop_assert_eq!(value.to_string().parse::<Span>().unwrap(), value) }
            if let Ok(value) = text.parse::<Rate>() { prop_assert_eq!(value.to_string().parse::<Rate>().unwrap(), value) }
        }

        #[test]
        fn days_read_back_what_they_print(days in 0..200_000_u64) {
            let day = Date::of(std::time::UNIX_EPOCH + std::time::Duration::from_secs(days * 86_400));
            prop_assert_eq!(day.to_string().parse::<Date>().unwrap(), day);
        }

        #[test]
        fn any_text_is_a_quantity_or_an_error_with_a_next_step(text in ".*") {
            for error in [
                text.parse::<Cpu>().err(),
                text.parse::<Memory>().err(),
                text.parse::<Span>().err(),
                text.parse::<Rate>().err(),
                text.parse::<Date>().err(),
            ].into_iter().flatten() {
                prop_assert!(error.next_step().is_some() && !error.to_string().contains('\n'));
            }
        }

        #[test]
        fn quantities_go_through_json(millis in any::<u32>(), count in any::<u32>()) {
            let cpu = Cpu::millis(millis.into());
            let rate = Rate { count, per: Per::Minute };
            let json = serde_json::to_string(&(cpu, rate)).unwrap();
            prop_assert_eq!(serde_json::from_str::<(Cpu, Rate)>(&json).unwrap(), (cpu, rate));
        }
    }
}
