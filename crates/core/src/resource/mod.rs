//! Native resources: one object of a cloud's own API each, with properties in the cloud's published schema.

mod address;
mod catalog;
mod identity;
mod properties;
mod resource_type;
mod value;

pub use address::{Address, StackId};
pub use catalog::Catalog;
pub use identity::{Claim, Identity, Marks, Ownership, RESERVED_DOMAIN, RESERVED_PREFIX};
pub use properties::Properties;
pub use resource_type::{Api, IdentityClass, Output, Quota, ResourceType, Shape, TagStyle, Usual, Verb, Verbs};
pub use value::{Reference, TargetField, Value};

use std::collections::BTreeSet;

use crate::error::Position;

/// One native resource as it is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Where it stands in the stack.
    pub address: Address,
    /// The native type's name, such as `AWS::EC2::Subnet` or `apps/v1/Deployment`.
    pub type_name: String,
    /// Its properties in the cloud's own schema; values may refer to other resources.
    pub properties: Properties,
    /// What it must wait for although no property refers to it.
    pub depends_on: BTreeSet<Address>,
    /// The cluster whose API the object lives in, for Kubernetes objects.
    pub cluster: Option<Address>,
    /// Whether deleting or replacing it needs consent. True for all that holds data, unless a policy says otherwise.
    pub protected: bool,
    /// The declaration it comes from, for reasons in plans. Not part of the hash.
    pub origin: Option<Position>,
}

impl Resource {
    /// A resource with nothing but its properties.
    #[must_use]
    pub fn new(address: Address, type_name: impl Into<String>, properties: Properties) -> Self {
        Self {
            address,
            type_name: type_name.into(),
            properties,
            depends_on: BTreeSet::new(),
            cluster: None,
            protected: false,
            origin: None,
        }
    }

    /// Every address this resource waits for: those its properties refer to, those named, and its cluster.
    #[must_use]
    pub fn dependencies(&self) -> BTreeSet<Address> {
        let mut all = self.depends_on.clone();
        all.extend(self.cluster.clone());
        for value in self.properties.values() {
            value.visit_references(&mut |reference| {
                all.insert(reference.target.clone());
            });
        }
        all.remove(&self.address);
        all
    }
}
