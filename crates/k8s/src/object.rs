//! Kubernetes objects as values.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::Result;
use landfall_core::resource::{Address, Properties, Resource, Value};
use landfall_core::scope::{Native, Scope};
use landfall_core::{map, properties};

/// Labels or annotations whose values are known.
pub(crate) type Labels = BTreeMap<String, String>;

/// One Kubernetes object, to be added to a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// The native type, such as `apps/v1/Deployment`.
    type_name: &'static str,
    metadata: Properties,
    body: Properties,
}

impl Object {
    /// An object of the cluster, without a namespace.
    pub(crate) fn new(type_name: &'static str, name: &str) -> Self {
        Self { type_name, metadata: properties! { "name" => name }, body: Properties::new() }
    }

    /// Puts it into a namespace.
    pub(crate) fn within(mut self, namespace: &str) -> Self {
        self.metadata.insert("namespace".into(), namespace.into());
        self
    }

    /// Adds labels.
    pub(crate) fn labels(mut self, labels: &Labels) -> Self {
        extend(&mut self.metadata, "labels", labels.iter().map(|(key, value)| (key.clone(), value.into())));
        self
    }

    /// Adds annotations.
    pub(crate) fn annotations(mut self, annotations: impl IntoIterator<Item = (String, Value)>) -> Self {
        extend(&mut self.metadata, "annotations", annotations);
        self
    }

    /// Sets a field beside the metadata, such as `spec`.
    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.body.insert(field.into(), value.into());
        self
    }

    /// The whole object in the schema of the Kubernetes API.
    pub(crate) fn into_properties(self) -> Properties {
        // A group and version, or the version alone: "apps/v1/Deployment", "v1/Service".
        let (api_version, kind) = self.type_name.rsplit_once('/').unwrap_or(("v1", self.type_name));
        let mut all = self.body;
        all.insert("apiVersion".into(), api_version.into());
        all.insert("kind".into(), kind.into());
        all.insert("metadata".into(), self.metadata.into());
        all
    }
}

/// A cluster, to which an expansion adds objects.
#[derive(Debug)]
pub(crate) struct Objects<'s, 'a> {
    scope: &'s mut Scope<'a>,
    cluster: Address,
}

impl<'s, 'a> Objects<'s, 'a> {
    /// The cluster at this address.
    pub(crate) fn new(scope: &'s mut Scope<'a>, cluster: Address) -> Self {
        Self { scope, cluster }
    }

    /// What is known of the stack.
    pub(crate) fn scope(&self) -> &Scope<'a> {
        self.scope
    }

    /// Adds an object that waits for others.
    pub(crate) fn add(&mut self, part: &str, object: Object, after: &[&Address]) -> Result<Address> {
        let set = wait(&self.cluster, after);
        let added = self.scope.native_with(part, object.type_name, object.into_properties(), set)?;
        Ok(added.address().clone())
    }

    /// Adds an object that several declarations share, once; see [`Scope::shared`]. `name` is the cluster's.
    pub(crate) fn share(
        &mut self,
        kind: &str,
        name: &str,
        part: &str,
        object: Object,
        after: &[&Address],
    ) -> Result<Address> {
        let set = wait(&self.cluster, after);
        let added: Native = self.scope.shared(kind, name, part, object.type_name, object.into_properties(), set)?;
        Ok(added.address().clone())
    }
}

fn wait(cluster: &Address, after: &[&Address]) -> impl FnOnce(&mut Resource) + use<> {
    let after: BTreeSet<Address> = after.iter().map(|address| (*address).clone()).collect();
    let cluster = cluster.clone();
    move |resource| {
        resource.cluster = Some(cluster);
        resource.depends_on.extend(after);
    }
}

/// A selector of equal labels.
pub(crate) fn match_labels(labels: &Labels) -> Value {
    map! { "matchLabels" => text_map(labels) }
}

/// Known texts as a value.
pub(crate) fn text_map(texts: &Labels) -> Value {
    Value::Map(texts.iter().map(|(key, value)| (key.clone(), value.into())).collect())
}

/// One label or annotation, for where a map of them is wanted.
pub(crate) fn one(key: &str, value: &str) -> Labels {
    Labels::from([(key.to_owned(), value.to_owned())])
}

fn extend(metadata: &mut Properties, place: &str, pairs: impl IntoIterator<Item = (String, Value)>) {
    let pairs: Properties = pairs.into_iter().collect();
    if pairs.is_empty() {
        return;
    }
    if let Value::Map(map) = metadata.entry(place.to_owned()).or_insert_with(|| Value::Map(Properties::new())) {
        map.extend(pairs);
    }
}
