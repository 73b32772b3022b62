//! Single values: truth values, numbers, quantities and checked text.

use std::marker::PhantomData;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::decode::{Decode, describe, wrong};
use super::node::{Node, Value};
use super::report::{Finding, Report, assignment, quote};
use crate::units::{Cpu, Memory, Per, Rate, Span};
use crate::{Code, Error};

impl Decode for bool {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let meant = match (node.text().map(str::to_ascii_lowercase).as_deref(), &node.value) {
            (Some("true"), Value::Scalar { text, plain: true }) if text == "true" => return Some(true),
            (Some("false"), Value::Scalar { text, plain: true }) if text == "false" => return Some(false),
            (Some("true" | "yes" | "on" | "y" | "1" | "enabled"), _) => "true",
            (Some("false" | "no" | "off" | "n" | "0" | "disabled"), _) => "false",
            _ => return wrong(node, "true or false", report),
        };
        let (found, at) = describe(node, report);
        let message = format!("{} takes true or false, found {found}", report.field());
        report.error(Finding::new(
            Code::WrongType,
            at,
            message,
            format!("write {}", assignment(report.field(), meant)),
        ));
        None
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
    }
}

/// A whole number of a range.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<const MIN: u32, const MAX: u32>(pub(super) u32);

impl<const MIN: u32, const MAX: u32> Decode for Whole<MIN, MAX> {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        whole(node, MIN, MAX, false, report).map(Self)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A whole number that may also stand in quotes, as Kubernetes writes the number of accelerators.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count(pub(super) u32);

const MAX_COUNT: u32 = 64;

impl Decode for Count {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        whole(node, 0, MAX_COUNT, true, report).map(Self)
    }

    fn schema() -> Json {
        json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": MAX_COUNT },
            { "type": "string", "pattern": "^[0-9]{1,2}$" },
        ] })
    }
}

fn whole(node: &Node, min: u32, max: u32, quoted: bool, report: &mut Report<'_>) -> Option<u32> {
    let wanted = "a whole number";
    let (text, plain) = match &node.value {
        Value::Scalar { text, plain } if !node.is_nothing() => (text.as_str(), *plain),
        _ => return wrong(node, wanted, report),
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let octal = text.len() > 1 && text.starts_with('0');
    let read = text.parse::<u64>().ok().filter(|_| digits && !octal && (plain || quoted));
    let Some(number) = read else {
        let meant = other_number(text).filter(|number| (u64::from(min)..=u64::from(max)).contains(number));
        let (found, at) = describe(node, report);
        let hint = match meant {
            Some(number) => format!("write {}", assignment(report.field(), &number.to_string())),
            None if digits || text.starts_with('-') => return out_of_range(node, &format!("{min} to {max}"), report),
            None => report.example(),
        };
        let message = format!("{} takes {wanted} in plain digits, found {found}", report.field());
        report.error(Finding::new(Code::WrongType, at, message, hint));
        return None;
    };
    match u32::try_from(number) {
        Ok(number) if (min..=max).contains(&number) => Some(number),
        _ => out_of_range(node, &format!("{min} to {max}"), report),
    }
}

fn out_of_range<T>(node: &Node, range: &str, report: &mut Report<'_>) -> Option<T> {
    let message = format!("{} goes from {range}: {}", report.field(), quote(node.text().unwrap_or_default()));
    let hint = report.example().replacen("write ", "write one of this range, such as ", 1);
    report.error(Finding::new(Code::InvalidValue, node.at, message, hint));
    None
}

/// What text that is not plain digits means as a whole number elsewhere.
fn other_number(text: &str) -> Option<u64> {
    let text = text.trim().replace(['_', ','], "");
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok();
    }
    let number: f64 = text.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked against its range just before"
    )]
    let whole = (number.fract() == 0.0 && (0.0..=1e15).contains(&number)).then_some(number as u64);
    whole
}

/// A share, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share(pub(super) f64);

impl Decode for Share {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let (text, plain) = match &node.value {
            Value::Scalar { text, plain } if !node.is_nothing() => (text.as_str(), *plain),
            _ => return wrong(node, "a number from 0 to 1", report),
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let decimal = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && !text.starts_with('.');
        match number(text) {
            Some(share) if plain && decimal && (0.0..=1.0).contains(&share) => return Some(Self(share)),
            _ => {}
        }
        let percent = text.strip_suffix('%').map(str::trim).and_then(number);
        let meant = match (percent, number(text)) {
            (Some(percent), _) => Some(percent / 100.0),
            (None, Some(share)) if (0.0..=1.0).contains(&share) => Some(share),
            (None, Some(percent)) => Some(percent / 100.0),
            (None, None) => None,
        };
        let Some(meant) = meant.filter(|meant| (0.0..=1.0).contains(meant)) else {
            return match number(text) {
                Some(_) => out_of_range(node, "0 to 1", report),
                None => wrong(node, "a number from 0 to 1", report),
            };
        };
        let (found, at) = describe(node, report);
        let message = format!("{} takes a number from 0 to 1, found {found}", report.field());
        let hint = format!("write {}", assignment(report.field(), &meant.to_string()));
        report.error(Finding::new(Code::InvalidValue, at, message, hint));
        None
    }

    fn schema() -> Json {
        json!({ "type": "number", "minimum": 0, "maximum": 1 })
    }
}

macro_rules! quantities {
    ($($type:ty, $wanted:literal, $schema:expr;)*) => {$(
        impl Decode for $type {
            fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
                quantity(node, $wanted, report)
            }

            fn schema() -> Json {
                $schema
            }
        }
    )*};
}

quantities! {
    Cpu, "an amount of CPU", json!({ "anyOf": [
        { "type": "string", "pattern": r"^([0-9]+m|[0-9]+(\.[0-9]{1,3})?)$" },
        { "type": "number", "minimum": 0 },
    ] });
    Memory, "an amount of memory", json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti)$" });
    Span, "a span of time", json!({ "type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$" });
}

fn quantity<T: FromStr<Err = Error>>(node: &Node, wanted: &str, report: &mut Report<'_>) -> Option<T> {
    let Some(text) = node.text().filter(|_| !node.is_nothing()) else { return wrong(node, wanted, report) };
    match text.parse() {
        Ok(quantity) => Some(quantity),
        Err(error) => {
            report.error(Finding::new(error.code(), node.at, error.message(), error.next_step().unwrap_or_default()));
            None
        }
    }
}

/// A bare number is read as a rate by the minute, with a warning: gateways count so.
impl Decode for Rate {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let bare = node.text().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let rate = match bare.and_then(|text| text.parse().ok()) {
            Some(count) => {
                let rate = Self { count, per: Per::Minute };
                let hint = format!("write {}", assignment(report.field(), &rate.to_string()));
                let message = format!("a rate without a unit, read as {count} per minute");
                report.warn(Finding::new(Code::RateWithoutUnit, node.at, message, hint));
                rate
            }
            None => quantity::<Self>(node, "a rate", report)?,
        };
        if rate.count == 0 {
            let hint = "remove the line for no limit, or the whole ingress to let nobody in";
            report.error(Finding::new(Code::InvalidValue, node.at, "a rate of zero lets nothing through", hint));
            return None;
        }
        Some(rate)
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[1-9][0-9]*/(s|sec|second|min|minute|h|hour)$" })
    }
}

/// What a text must be.
pub(super) trait Rule {
    /// In words, such as "a path that starts with /".
    const WANTED: &'static str;
    /// As a regular expression, for the schema.
    const PATTERN: &'static str;
    /// The code of an error about it.
    const CODE: Code = Code::InvalidValue;
    /// Whether reports must not show what stands there.
    const SECRET: bool = false;

    /// Whether the text follows the rule; else what was probably meant, when that can be told.
    fn check(text: &str) -> Result<(), Option<String>>;
}

/// Text that follows a rule.
#[derive(Clone, Debug)]
pub(super) struct Text<R>(pub(super) String, PhantomData<R>);

impl<R: Rule> Decode for Text<R> {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let text = match node.text() {
            Some(text) if !node.is_nothing() => text,
            _ => return wrong(node, R::WANTED, report),
        };
        if let Err(meant) = R::check(text) {
            let hint = match meant {
                Some(meant) => format!("write {}", assignment(report.field(), &meant)),
                None => report.example(),
            };
            let finding = if R::SECRET {
                Finding::new(R::CODE, node.at, format!("{} takes {}", report.field(), R::WANTED), hint).secret()
            } else {
                let message = format!("{} takes {}: {}", report.field(), R::WANTED, quote(text));
                Finding::new(R::CODE, node.at, message, hint)
            };
            report.error(finding);
            return None;
        }
        note_ambiguity(node, report);
        Some(Self(text.to_owned(), PhantomData))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": R::PATTERN })
    }
}

/// Any text, kept as it is written: the value of an environment variable. It may hold a secret, so no message shows it.
#[derive(Clone, Debug)]
pub(super) struct Plain(pub(super) String);

impl Decode for Plain {
    fn decode(node: &Node, report: &mut Report<'_>) -> Option<Self> {
        let found = match &node.value {
            Value::Scalar { text, plain } if !node.is_nothing() => {
                let usual = matches!(text.as_str(), "true" | "false") || is_decimal(text);
                if *plain && !usual {
                    note_ambiguity(node, report);
                }
                return Some(Self(text.clone()));
            }
            Value::Scalar { .. } | Value::Removed => "nothing",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        };
        let at = report.place().unwrap_or(node.at);
        let hint = format!("write {}: \"\" for empty text", report.field());
        let message = format!("{} takes text, found {found}", report.field());
        report.error(Finding::new(Code::WrongType, at, message, hint).secret());
        None
    }

    fn schema() -> Json {
        json!({ "type": ["string", "number", "boolean"] })
    }
}

/// Text that other readers of YAML take for something else is read as text, and said to be.
fn note_ambiguity(node: &Node, report: &mut Report<'_>) {
    let Value::Scalar { text, plain: true } = &node.value else { return };
    let Some(other) = other_reading(text) else { return };
    let message = format!("read as the text \"{}\"; other readers of YAML take it for {other}", quote(text));
    let hint = format!("write {}", assignment(report.field(), &format!("\"{}\"", quote(text))));
    report.warn(Finding::new(Code::AmbiguousValue, node.at, message, hint));
}

/// What YAML 1.1 or 1.2 make of plain text, when it is not text.
fn other_reading(text: &str) -> Option<&'static str> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => return Some("true"),
        "false" | "no" | "off" | "n" => return Some("false"),
        ".inf" | "-.inf" | "+.inf" | ".nan" => return Some("a number"),
        _ => {}
    }
    if text.len() > 1 && text.starts_with('0') && digits(text) {
        return Some("an octal number");
    }
    let number = text.replace('_', "");
    let starts_like_one = number.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    if starts_like_one && (number.parse::<f64>().is_ok() || other_number(&number).is_some()) {
        return Some("a number");
    }
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() > 1 && parts.iter().all(|part| digits(part)) {
        return Some("a number in base 60");
    }
    text.parse::<crate::units::Date>().is_ok().then_some("a date")
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let octal = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    !octal && all(whole) && all(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_others_read_otherwise_is_known() {
        for text in
            ["no", "Yes", "on", "1e3", "0x1F", "017", "1_000", ".5", "12:30:45", "2026-11-23", ".inf", "-1", "3.0"]
        {
            assert!(other_reading(text).is_some(), "{text}");
        }
        for text in ["nope", "v1", "1.2.3", "10.0.0.1", "a:b", "textnlp", "infinity", "nan", "e3", "/api", "1000/min"] {
            assert_eq!(other_reading(text), None, "{text}");
        }
        for (text, plain) in [("4", true), ("-4", true), ("0.5", true), ("007", false), ("1.", false), ("1e3", false)] {
            assert_eq!(is_decimal(text), plain, "{text}");
        }
    }
}
