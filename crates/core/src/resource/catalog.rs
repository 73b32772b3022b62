//! All native types that are known, by name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Api, IdentityClass, ResourceType, TagStyle};
use crate::{Code, Error, Result};

/// Native types by name. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Catalog(Arc<BTreeMap<Cow<'static, str>, Arc<ResourceType>>>);

impl Catalog {
    /// A catalogue of these types; of two with the same name the later one stays.
    #[must_use]
    pub fn new(types: impl IntoIterator<Item = ResourceType>) -> Self {
        Self(Arc::new(types.into_iter().map(|of| (of.name.clone(), Arc::new(of))).collect()))
    }

    /// The same catalogue, and for each name without an entry a generic one: CloudFormation names
    /// (`AWS::Service::Type`) are made with a token, tagged through `Tags` and found by their marks.
    #[must_use]
    pub fn with_generic<'a>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let missing: Vec<_> =
            names.into_iter().filter(|name| !self.0.contains_key(*name) && name.starts_with("AWS::")).collect();
        if missing.is_empty() {
            return self;
        }
        let mut types = (*self.0).clone();
        for name in missing {
            let name: Cow<'static, str> = name.to_owned().into();
            let generic = ResourceType {
                name: name.clone(),
                api: Api::Aws,
                identity: IdentityClass::Token,
                tags: TagStyle::List("Tags"),
                holds_data: true,
                ..ResourceType::DEFAULT
            };
            types.insert(name, Arc::new(generic));
        }
        Self(Arc::new(types))
    }

    /// The type of this name.
    ///
    /// # Errors
    /// [`Code::UnknownType`] when there is none.
    pub fn get(&self, name: &str) -> Result<&ResourceType> {
        self.0.get(name).map(AsRef::as_ref).ok_or_else(|| {
            Error::new(Code::UnknownType, format!("the native type is in no catalogue: {name}"))
                .hint("use a name of the cloud's published schema, such as AWS::SNS::Topic")
        })
    }

    /// All types, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ResourceType> {
        self.0.values().map(AsRef::as_ref)
    }
}
