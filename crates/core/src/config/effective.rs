//! What holds in the end, and where each value comes from.

use std::fmt;

use serde::Serialize;
use serde_json::Value as Json;

use super::snippet::names_secret;
use crate::error::Position;
use crate::kind::ServiceSpec;
use crate::stack::Declared;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// A place in a file.
    File(Position),
    /// The platform's builder.
    Builder,
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(position) => position.fmt(f),
            Self::Builder => f.write_str("builder"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One value that holds in the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Setting {
    /// The service.
    pub service: String,
    /// The field, by dotted path in the spec's JSON form, such as `resources.cpu`.
    pub field: String,
    /// The value; `"(hidden)"` where the field's name says that it is a secret.
    pub value: Json,
    /// Where it comes from.
    pub origin: Origin,
}

/// All values that hold in the end, by service and field. Prints as a table and serialises as JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Effective(Vec<Setting>);

impl Effective {
    /// The values, by service and field.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.0
    }

    /// One value of a service.
    #[must_use]
    pub fn get(&self, service: &str, field: &str) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.service == service && setting.field == field)
    }

    pub(super) fn new<'a>(
        services: impl Iterator<Item = &'a (String, Declared<ServiceSpec>)>,
        of_builder: &[&str],
    ) -> Self {
        let mut settings = Vec::new();
        for (service, declared) in services {
            let mut values = Vec::new();
            flatten(String::new(), serde_json::to_value(&declared.spec).unwrap_or_default(), &mut values);
            for (field, value) in values {
                let origin = match nearest(declared, &field) {
                    Some(position) => Origin::File(position.clone()),
                    None if of_builder.contains(&field.as_str()) => Origin::Builder,
                    None => Origin::Default,
                };
                let hidden = field.rsplit('.').next().is_some_and(names_secret) && field.starts_with("environment.");
                let value = if hidden { "(hidden)".into() } else { value };
                settings.push(Setting { service: service.clone(), field, value, origin });
            }
        }
        Self(settings)
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self
            .0
            .iter()
            .map(|Setting { field, value, origin, .. }| {
                let value = match value {
                    Json::String(text) if !text.is_empty() && !text.contains(char::is_control) => text.clone(),
                    other => other.to_string(),
                };
                (field, value, origin)
            })
            .collect();
        let wide = |width: usize, most: usize| width.min(most);
        let fields = rows.iter().map(|(field, ..)| field.chars().count()).max().unwrap_or(0);
        let values = wide(rows.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0), 48);
        let mut service = None;
        for (setting, (field, value, origin)) in self.0.iter().zip(&rows) {
            if service != Some(&setting.service) {
                writeln!(f, "{}", setting.service)?;
                service = Some(&setting.service);
            }
            writeln!(f, "  {field:fields$}  {value:values$}  {origin}")?;
        }
        Ok(())
    }
}

/// The place that says this field, or the list or choice it is part of.
fn nearest<'a>(declared: &'a Declared<ServiceSpec>, field: &str) -> Option<&'a Position> {
    let mut path = field;
    loop {
        if let Some(position) = declared.fields.get(path) {
            return Some(position);
        }
        path = &path[..path.rfind('.').filter(|_| field.starts_with("disruption."))?];
    }
}

fn flatten(path: String, value: Json, into: &mut Vec<(String, Json)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                flatten(below(&name), value, into);
            }
        }
        Json::Array(items) if !items.is_empty() => {
            for (index, value) in items.into_iter().enumerate() {
                flatten(below(&index.to_string()), value, into);
            }
        }
        value => into.push((path, value)),
    }
}
