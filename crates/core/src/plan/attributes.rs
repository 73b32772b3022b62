//! One property that differs, as text: lists by their elements, policies by their structure, secrets by their names.

use std::fmt::Write as _;

use super::alike::tags;
use super::text::{Colour, Style, WIDTH};
use super::{Attribute, Change};
use crate::resource::{Properties, RESERVED_PREFIX, Value};

impl Attribute {
    /// One that is set in place, known and no secret.
    pub(super) fn changed(path: &str, before: Value, after: Value) -> Self {
        let (before, after) = (Some(before), Some(after));
        Self { path: path.to_owned(), before, after, unknown: false, replaces: false, secret: false }
    }
}

pub(super) fn attribute(text: &mut String, shown: &Attribute, change: Change, style: Style) {
    let Attribute { path, before, after, unknown, replaces, secret } = shown;
    let forces = if *replaces && change != Change::Create {
        style.paint(Colour::Red, "  # forces replacement")
    } else {
        String::new()
    };
    if *secret {
        let symbol = style.paint(Colour::Yellow, if change == Change::Create { "+" } else { "~" });
        let _ = writeln!(text, "      {symbol} {path}: (secret){forces}");
        return;
    }
    if *unknown {
        let symbol = style.paint(Colour::Yellow, "~");
        let _ = writeln!(text, "      {symbol} {path}: {} -> (known after apply){forces}", value(before.as_ref()));
        return;
    }
    let (symbol, tint) = match (before, after) {
        (None, _) => ("+", Colour::Green),
        (_, None) => ("-", Colour::Red),
        _ => ("~", Colour::Yellow),
    };
    let symbol = style.paint(tint, symbol);
    if let (Some(Value::List(before)), Some(Value::List(after))) = (before, after) {
        let _ = writeln!(text, "      {symbol} {path}:{forces}");
        return list(text, before, after, style);
    }
    if let (Some(only), None) | (None, Some(only)) = (before, after)
        && let Some(tags) = tags(only).filter(|tags| !tags.is_empty())
    {
        return wrapped(text, &format!("      {symbol} {path}: "), &tag_words(&tags));
    }
    let single = match (before, after) {
        (None, Some(only)) | (Some(only), None) => value(Some(only)),
        _ => format!("{} -> {}", value(before.as_ref()), value(after.as_ref())),
    };
    if path.chars().count() + single.chars().count() + 10 <= WIDTH {
        let _ = writeln!(text, "      {symbol} {path}: {single}{forces}");
        return;
    }
    let _ = writeln!(text, "      {symbol} {path}:{forces}");
    for (side, symbol, tint) in [(before, "-", Colour::Red), (after, "+", Colour::Green)] {
        if let Some(side) = side {
            block(text, &style.paint(tint, symbol), side);
        }
    }
}

/// Tags as people write them; ownership marks are on everything and say nothing new.
fn tag_words(tags: &Properties) -> String {
    let own = tags.iter().filter(|(key, _)| !key.starts_with(RESERVED_PREFIX));
    let mut words: Vec<String> = own
        .map(|(key, value)| match readable(value) {
            serde_json::Value::String(text) => format!("{key}={text}"),
            other => format!("{key}={other}"),
        })
        .collect();
    if words.len() < tags.len() {
        words.push("(ownership marks)".to_owned());
    }
    words.join(", ")
}

/// Elements that came and went; those that stay are counted.
fn list(text: &mut String, before: &[Value], after: &[Value], style: Style) {
    let mut gone: Vec<&Value> = before.iter().collect();
    let mut new = Vec::new();
    for element in after {
        match gone.iter().position(|candidate| *candidate == element) {
            Some(index) => {
                gone.remove(index);
            }
            None => new.push(element),
        }
    }
    let same = after.len() - new.len();
    gone.iter().for_each(|element| block(text, &style.paint(Colour::Red, "-"), element));
    new.iter().for_each(|element| block(text, &style.paint(Colour::Green, "+"), element));
    if gone.is_empty() && new.is_empty() {
        let _ = writeln!(text, "          (another order)");
    } else if same > 0 {
        let _ = writeln!(text, "          ({same} unchanged)");
    }
}

/// A value on a line of its own, or over several lines when it is long.
fn block(text: &mut String, symbol: &str, shown: &Value) {
    let single = value(Some(shown));
    if single.chars().count() + 12 <= WIDTH {
        let _ = writeln!(text, "          {symbol} {single}");
        return;
    }
    let pretty = serde_json::to_string_pretty(&readable(shown)).unwrap_or(single);
    for (index, line) in pretty.lines().enumerate() {
        let _ = writeln!(text, "          {} {line}", if index == 0 { symbol } else { " " });
    }
}

pub(super) fn value(shown: Option<&Value>) -> String {
    shown.map_or_else(|| "(none)".to_owned(), |shown| readable(shown).to_string())
}

/// Values as people read them: secrets by name, JSON text as what it holds, references as what they lead to.
fn readable(shown: &Value) -> serde_json::Value {
    match shown {
        Value::Secret(secret) => format!("(secret {})", secret.name()).into(),
        Value::Stored { .. } => "(secret kept by the cloud)".into(),
        Value::Reference(_) | Value::Join(_) | Value::Target(_) => "(known after apply)".into(),
        Value::Text(text) if text.starts_with(['{', '[']) => {
            serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into())
        }
        Value::List(list) => list.iter().map(readable).collect(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.clone(), readable(value))).collect(),
        other => other.to_json(),
    }
}

/// Words after a label, broken between words.
pub(super) fn wrapped(text: &mut String, label: &str, words: &str) {
    let mut current = label.to_owned();
    for word in words.split(' ') {
        if current.len() > label.len() && current.chars().count() + word.chars().count() + 1 > WIDTH {
            let _ = writeln!(text, "{}", current.trim_end());
            current = " ".repeat(label.len());
        }
        current.push_str(word);
        current.push(' ');
    }
    let _ = writeln!(text, "{}", current.trim_end());
}
