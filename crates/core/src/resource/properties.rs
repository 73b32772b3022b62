//! Properties by name.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Value;

/// Properties by name, ordered by name: a [`BTreeMap`] whose clones share what they hold until one of them is changed.
///
/// Graph, plan, calls and ledger each hold the properties of every resource; so they hold them once.
///
/// ```
/// use landfall_core::properties;
///
/// let wanted = properties! { "CidrBlock" => "10.0.0.0/16" };
/// let mut given = wanted.clone();
/// given.insert("Tenancy".to_owned(), "default".into());
/// assert_eq!((wanted.len(), given.len()), (1, 2));
/// ```
#[derive(Clone, Default)]
pub struct Properties(Option<Arc<BTreeMap<String, Value>>>);

static NONE: BTreeMap<String, Value> = BTreeMap::new();

impl Properties {
    /// No properties.
    #[must_use]
    pub const fn new() -> Self {
        Self(None)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        (**self).is_empty()
    }

    /// [`Value::resolve`] for all of them.
    #[must_use]
    pub fn resolve(&self, resolve: &dyn Fn(&Value) -> Option<Value>) -> Self {
        self.resolved(resolve).unwrap_or_else(|| self.clone())
    }

    /// [`Properties::resolve`], or nothing when that changes nothing.
    pub(super) fn resolved(&self, resolve: &dyn Fn(&Value) -> Option<Value>) -> Option<Self> {
        let mut changed = None;
        for (name, value) in self {
            if let Some(value) = value.resolved(resolve) {
                changed.get_or_insert_with(|| self.clone()).insert(name.clone(), value);
            }
        }
        changed
    }

    /// Whether both are clones of the same, none of them changed since. What is not shared may be equal still.
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        }
    }
}

impl Deref for Properties {
    type Target = BTreeMap<String, Value>;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Properties {
    /// Copies what is shared with others first.
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(self.0.get_or_insert_default())
    }
}

impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        self.is_shared_with(other) || **self == **other
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl From<BTreeMap<String, Value>> for Properties {
    fn from(map: BTreeMap<String, Value>) -> Self {
        Self((!map.is_empty()).then(|| Arc::new(map)))
    }
}

impl<const N: usize> From<[(String, Value); N]> for Properties {
    fn from(pairs: [(String, Value); N]) -> Self {
        BTreeMap::from(pairs).into()
    }
}

impl FromIterator<(String, Value)> for Properties {
    fn from_iter<I: IntoIterator<Item = (String, Value)>>(pairs: I) -> Self {
        BTreeMap::from_iter(pairs).into()
    }
}

impl Extend<(String, Value)> for Properties {
    fn extend<I: IntoIterator<Item = (String, Value)>>(&mut self, pairs: I) {
        (**self).extend(pairs);
    }
}

impl IntoIterator for Properties {
    type Item = (String, Value);
    type IntoIter = btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(Arc::unwrap_or_clone).unwrap_or_default().into_iter()
    }
}

impl<'a> IntoIterator for &'a Properties {
    type Item = (&'a String, &'a Value);
    type IntoIter = btree_map::Iter<'a, String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Properties {
    type Item = (&'a String, &'a mut Value);
    type IntoIter = btree_map::IterMut<'a, String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl Serialize for Properties {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use crate::{map, properties};

    #[test]
    fn a_clone_shares_what_it_holds_until_it_is_changed() {
        let one = properties! { "Outer" => map! { "Inner" => 1 }, "Other" => map! { "Inner" => 2 } };
        let mut two = one.clone();
        assert!(one.is_shared_with(&two));
        two.insert("New".to_owned(), true.into());
        assert!(!one.is_shared_with(&two));
        assert_eq!((one.len(), two.len()), (2, 3));
        let inner = |all: &super::Properties| all["Other"].as_map().unwrap().clone();
        assert!(inner(&one).is_shared_with(&inner(&two)), "what is within stays shared");
        two.remove("New");
        assert_eq!(one, two);
    }

    #[test]
    fn no_properties_are_equal_however_they_came_to_be_none() {
        let mut emptied = properties! { "A" => 1 };
        emptied.remove("A");
        assert_eq!(emptied, super::Properties::new());
        assert!(emptied.is_empty());
        assert_eq!(serde_json::to_string(&emptied).unwrap(), "{}");
    }
}
