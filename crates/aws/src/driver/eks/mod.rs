//! EKS: clusters, node groups, add-ons, access entries and pod identity associations.
//!
//! Sources: the [EKS API](https://docs.aws.amazon.com/eks/latest/APIReference/API_Operations.html). No call describes two
//! objects, and the lists hold names alone: a census walks through the clusters of the region.
//!
//! EKS makes one change of an object at a time. A change has an id, by which
//! [DescribeUpdate](https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeUpdate.html) tells how it is getting on,
//! and while it runs every other one is refused.

mod access;
mod addon;
mod cluster;
mod node_group;
mod pod_identity;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_eks::types::{ErrorCode, Update, UpdateStatus};
use landfall_core::driver::{Operation, Progress};
use landfall_core::resource::{Claim, Identity, IdentityClass, Properties, ResourceType, StackId, Value};
use landfall_core::{Code, Error, Result};

pub(super) use access::AccessEntry;
pub(super) use addon::Addon;
pub(super) use cluster::Cluster;
pub(super) use node_group::NodeGroup;
pub(super) use pod_identity::PodIdentityAssociation;

use super::each::each;
use super::error::failed;
use super::kept::{Call, Started, Which, incomplete};
use super::wanted::retag;

/// The handle of what has no id of its own: the object's own state tells how it is getting on.
const STATE: &str = "state";

/// The token of a create: the same each time, as for types that are found again by their token.
fn token(call: &Call<'_>, at: &Identity) -> Option<String> {
    let of = ResourceType { identity: IdentityClass::Token, ..ResourceType::DEFAULT };
    match Claim::of(&of, call.cx.stack, &at.address, at.generation, &Properties::new()) {
        Claim::Token(token) => Some(token),
        _ => None,
    }
}

/// The two names of what stands in a cluster, as the claim has them, the cluster first. An id holds them with a separator
/// between them, in the order that `order` puts right.
fn names(at: &Identity, separator: char, order: impl Fn(String, String) -> (String, String)) -> (String, String) {
    if let Some((first, second)) = at.id.as_deref().and_then(|id| id.split_once(separator)) {
        return order(first.to_owned(), second.to_owned());
    }
    match &at.claim {
        Claim::Name(parts) if parts.len() == 2 => (parts[0].clone(), parts[1].clone()),
        _ => Default::default(),
    }
}

/// The clusters of the region.
async fn clusters(call: &Call<'_>) -> Result<Vec<String>> {
    let list = call.api.eks.list_clusters().into_paginator().items().send();
    list.try_collect().await.map_err(failed("eks:ListClusters"))
}

/// What stands in each cluster of the region, as its cluster and its name. A cluster that goes meanwhile is left out.
async fn in_clusters<F>(call: &Call<'_>, list: impl Fn(String) -> F) -> Result<Vec<(String, String)>>
where
    F: Future<Output = Result<Vec<String>>>,
{
    let all = each(clusters(call).await?, |cluster| {
        let names = list(cluster.clone());
        async move {
            let names = permitted(call.cx.stack, Which::Marked, &cluster, names.await)?;
            Ok(names.map(|names| names.into_iter().map(|name| (cluster.clone(), name)).collect::<Vec<_>>()))
        }
    });
    Ok(all.await?.concat())
}

/// What a look at a cluster, or at something in it, shows. A census walks through the clusters of others as well, and a policy
/// that grants no more than is needed forbids to look at them: such a one is passed over. That of the stack's own clusters
/// something may not be seen stays an error.
fn permitted<T>(stack: &StackId, which: Which<'_>, cluster: &str, seen: Result<T>) -> Result<Option<T>> {
    let others = matches!(which, Which::Marked) && !cluster.starts_with(&format!("{stack}-"));
    // Credentials that are not accepted have the same code of ours.
    let denied = |error: &Error| {
        error.code() == Code::PermissionDenied
            && error.cloud_answer().is_some_and(|answer| answer.code.starts_with("AccessDenied"))
    };
    match seen {
        Err(error) if others && denied(&error) => Ok(None),
        seen => seen.map(Some),
    }
}

/// What is to be read, as its cluster and its name, each once.
async fn places<F>(
    call: &Call<'_>,
    which: Which<'_>,
    place: impl Fn(&Identity) -> (String, String),
    list: impl Fn(String) -> F,
) -> Result<Vec<(String, String)>>
where
    F: Future<Output = Result<Vec<String>>>,
{
    let mut all = match which {
        Which::These(these) => these.iter().map(place).collect(),
        Which::Marked => in_clusters(call, list).await?,
    };
    all.retain(|(cluster, name)| !cluster.is_empty() && !name.is_empty());
    all.sort();
    all.dedup();
    Ok(all)
}

/// Tags as they are now.
fn pairs(tags: Option<&HashMap<String, String>>) -> Vec<(String, String)> {
    tags.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Makes the tags of an object as they are wanted, which is done when the call returns.
async fn tag(
    call: &Call<'_>,
    arn: Option<&str>,
    now: Option<&HashMap<String, String>>,
    wanted: &[(String, String)],
) -> Result<()> {
    let arn = arn.unwrap_or_default();
    let (set, gone) = retag(&pairs(now), wanted);
    if !set.is_empty() {
        let tag = call.api.eks.tag_resource().resource_arn(arn).set_tags(Some(set.into_iter().collect()));
        tag.send().await.map_err(failed("eks:TagResource"))?;
    }
    if !gone.is_empty() {
        let untag = call.api.eks.untag_resource().resource_arn(arn).set_tag_keys(Some(gone));
        untag.send().await.map_err(failed("eks:UntagResource"))?;
    }
    Ok(())
}

/// A change that was accepted: what it is called, or that the object's state tells how it is getting on.
fn updating(id: impl Into<String>, update: Option<&Update>) -> Started {
    let phase = update.and_then(Update::r#type).map_or("UPDATING", |sort| sort.as_str());
    Started::running(id, phase).handle(update.and_then(Update::id).unwrap_or(STATE))
}

/// How often an object is looked at that does not show a change which EKS has made: some minutes, for its intervals.
const LOOKS: u32 = 10;
/// How often the same change of an object is begun until it is as it is wanted: somebody else may change it back.
const TIMES: usize = 3;

/// The changes of each object that this process has begun, so that one that is made and never shown comes to an end, and so
/// does one that is changed back each time. Whoever comes after a crash begins anew.
#[derive(Debug)]
struct Begun<C>(Mutex<BTreeMap<String, Way<C>>>);

/// The changes on the way to what is desired.
#[derive(Debug)]
struct Way<C> {
    desired: Properties,
    changed: Vec<String>,
    changes: Vec<C>,
    /// How often the object was looked at since the last of them was made; `None` when that is over.
    looks: Option<u32>,
}

impl<C> Default for Begun<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C: PartialEq> Begun<C> {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Way<C>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is as it is wanted, or the last change has failed.
    fn end(&self, id: &str) {
        self.all().remove(id);
    }

    /// Somebody else's change goes on.
    fn pause(&self, id: &str) {
        if let Some(way) = self.all().get_mut(id) {
            way.looks = None;
        }
    }

    /// Refuses a change that was made often enough.
    fn allow(&self, id: &str, change: &C, desired: &Properties, name: impl FnOnce(&C) -> String) -> Result<()> {
        let mut all = self.all();
        let Some(way) = all.get(id).filter(|way| way.desired == *desired) else { return Ok(()) };
        if way.changes.iter().filter(|one| *one == change).count() < TIMES {
            return Ok(());
        }
        all.remove(id);
        let message = format!("it was changed {TIMES} times, and is not as it was made: {}", name(change));
        Err(Error::new(Code::Conflict, message)
            .hint("find out who changes it back, by the account's CloudTrail; then converge again"))
    }

    /// A change that EKS has accepted.
    fn begin(&self, id: &str, change: C, desired: &Properties, changed: &[String]) {
        let mut all = self.all();
        let new = || Way { desired: Properties::new(), changed: Vec::new(), changes: Vec::new(), looks: None };
        let way = all.entry(id.to_owned()).or_insert_with(new);
        if way.desired != *desired {
            *way = Way { desired: desired.clone(), ..new() };
        }
        way.changed = changed.to_vec();
        way.changes.push(change);
        way.looks = Some(0);
    }

    /// Whether an object shows the change that was begun, which EKS has made: it does when that is not the `next` one that is
    /// needed. `None` when it does; otherwise it is looked at again, and at last the change has failed.
    fn unshown(
        &self,
        id: &str,
        next: impl FnOnce(&Properties, &[String]) -> Result<Option<C>>,
        name: impl FnOnce(&C) -> String,
    ) -> Option<Progress> {
        let mut all = self.all();
        let way = all.get_mut(id)?;
        let (looks, change) = (way.looks.as_mut()?, way.changes.last()?);
        if next(&way.desired, &way.changed).ok().flatten().as_ref() != Some(change) {
            way.looks = None;
            return None;
        }
        *looks += 1;
        let name = name(change);
        if *looks < LOOKS {
            let message = format!("made, and not shown yet: {name}");
            return Some(Progress::Running { phase: "UPDATING".to_owned(), message });
        }
        all.remove(id);
        let message = format!("EKS says that it has made a change, and does not show it: {name}");
        let error = Error::new(Code::ProvisioningFailed, message).during("eks:DescribeUpdate");
        let hint = "compare it with what EKS shows, which may write the same value in another way; then converge again";
        Some(Progress::Failed(error.hint(hint)))
    }
}

/// What was found, if anything.
fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an update is an update of, besides its cluster.
enum Part<'a> {
    Cluster,
    NodeGroup(&'a str),
    Addon(&'a str),
}

/// How an operation's change is getting on; `None` when it has been made, when EKS does not know it any more, and when it
/// has no id.
async fn change(call: &Call<'_>, operation: &Operation, cluster: &str, part: Part<'_>) -> Result<Option<Progress>> {
    let Some(id) = operation.handle.as_deref().filter(|handle| *handle != STATE) else { return Ok(None) };
    let describe = call.api.eks.describe_update().name(cluster).update_id(id);
    let describe = match part {
        Part::Cluster => describe,
        Part::NodeGroup(name) => describe.nodegroup_name(name),
        Part::Addon(name) => describe.addon_name(name),
    };
    match found(describe.send().await.map_err(failed("eks:DescribeUpdate")))? {
        Some(described) => Ok(state(&described.update.ok_or_else(|| incomplete("update"))?)),
        None => Ok(None),
    }
}

/// How a change is getting on; `None` when it has been made.
fn state(update: &Update) -> Option<Progress> {
    let sort = update.r#type().map_or("an update", |sort| sort.as_str());
    let params = update.params().iter().map(|param| {
        let name = param.r#type().map_or("", |name| name.as_str());
        format!("{name} {}", param.value().unwrap_or_default()).trim().to_owned()
    });
    let params = params.collect::<Vec<_>>().join(", ");
    match update.status() {
        Some(UpdateStatus::Successful) => None,
        Some(status @ (UpdateStatus::Failed | UpdateStatus::Cancelled)) => {
            let errors = update.errors();
            let words = errors.iter().map(|error| {
                issue(error.error_code().map(ErrorCode::as_str), error.error_message(), error.resource_ids())
            });
            let words = words.collect::<Vec<_>>().join("; ");
            let quota = errors.iter().any(|error| error.error_code() == Some(&ErrorCode::EniLimitReached));
            let code = if quota { Code::Quota } else { Code::ProvisioningFailed };
            let became = if *status == UpdateStatus::Cancelled { "was cancelled" } else { "failed" };
            let message = [format!("{sort} {became}"), params, words];
            let message = message.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ");
            let error = Error::new(code, message).during("eks:DescribeUpdate");
            Some(Progress::Failed(error.hint("put right what EKS names, and converge again")))
        }
        _ => Some(Progress::Running { phase: sort.to_owned(), message: params }),
    }
}

/// What EKS says is wrong, in one line.
fn issue(code: Option<&str>, message: Option<&str>, ids: &[String]) -> String {
    let code = code.unwrap_or("Unknown");
    let message = message.filter(|message| !message.is_empty()).map_or_else(String::new, |text| format!(": {text}"));
    let ids = if ids.is_empty() { String::new() } else { format!(" ({})", ids.join(", ")) };
    format!("{code}{message}{ids}")
}

/// Refuses what would silently not be set: names within a property that the driver does not know.
fn only(desired: &Properties, property: &str, known: &[&str]) -> Result<()> {
    let within = desired.get(property).and_then(Value::as_map);
    match within.and_then(|within| within.keys().find(|name| !known.contains(&name.as_str()))) {
        None => Ok(()),
        Some(name) => {
            Err(Error::new(Code::InvalidRequest, format!("a property that the driver cannot set: {property}.{name}"))
                .hint(format!("leave it out; it sets {}", known.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_eks::types::{ErrorDetail, UpdateParam, UpdateParamType, UpdateType};
    use landfall_core::properties;

    use super::*;

    fn update(status: UpdateStatus) -> aws_sdk_eks::types::builders::UpdateBuilder {
        let param = |sort, value: &str| UpdateParam::builder().r#type(sort).value(value).build();
        Update::builder()
            .id("u-1")
            .status(status)
            .r#type(UpdateType::VersionUpdate)
            .params(param(UpdateParamType::Version, "1.34"))
            .params(param(UpdateParamType::PlatformVersion, "eks.3"))
    }

    #[test]
    fn an_update_says_what_it_does_until_it_is_done() {
        let running = state(&update(UpdateStatus::InProgress).build());
        let Some(Progress::Running { phase, message }) = running else { panic!("{running:?}") };
        assert_eq!((phase.as_str(), message.as_str()), ("VersionUpdate", "Version 1.34, PlatformVersion eks.3"));
        assert!(state(&update(UpdateStatus::Successful).build()).is_none());
    }

    #[test]
    fn an_update_that_failed_says_why_and_where() {
        let error = |code, message: &str, id: &str| {
            ErrorDetail::builder().error_code(code).error_message(message).resource_ids(id).build()
        };
        let failed = update(UpdateStatus::Failed)
            .errors(error(ErrorCode::InsufficientFreeAddresses, "One or more subnets have no addresses", "subnet-1"))
            .errors(error(ErrorCode::SecurityGroupNotFound, "", "sg-1"))
            .build();
        let Some(Progress::Failed(failed)) = state(&failed) else { panic!("it failed") };
        assert_eq!(failed.code(), Code::ProvisioningFailed);
        assert_eq!(
            failed.message(),
            "VersionUpdate failed: Version 1.34, PlatformVersion eks.3: InsufficientFreeAddresses: One or more subnets \
             have no addresses (subnet-1); SecurityGroupNotFound (sg-1)"
        );
        let quota = update(UpdateStatus::Failed).errors(error(ErrorCode::EniLimitReached, "too many", "eni-1")).build();
        assert!(matches!(state(&quota), Some(Progress::Failed(error)) if error.code() == Code::Quota));
        let cancelled = state(&update(UpdateStatus::Cancelled).build());
        assert!(matches!(cancelled, Some(Progress::Failed(error)) if error.message().contains("was cancelled")));
    }

    fn named(change: &u32) -> String {
        format!("Property{change}")
    }

    #[test]
    fn a_change_that_is_made_and_never_shown_comes_to_an_end() {
        let begun = Begun::default();
        assert!(begun.unshown("main", |_, _| Ok(Some(1)), named).is_none(), "none was begun");
        let wanted = properties! { "Version" => "1.35" };
        for _ in 0..=TIMES {
            begun.allow("main", &1, &wanted, named).unwrap();
            begun.begin("main", 1, &wanted, &["Version".to_owned()]);
            for _ in 1..LOOKS {
                let next = |desired: &Properties, changed: &[String]| {
                    assert_eq!((desired, changed), (&wanted, &["Version".to_owned()][..]));
                    Ok(Some(1))
                };
                let look = begun.unshown("main", next, named);
                let Some(Progress::Running { message, .. }) = look else { panic!("{look:?}") };
                assert_eq!(message, "made, and not shown yet: Property1");
            }
            let look = begun.unshown("main", |_, _| Ok(Some(1)), named);
            let Some(Progress::Failed(error)) = look else { panic!("{look:?}") };
            assert_eq!(error.code(), Code::ProvisioningFailed);
            assert_eq!(error.message(), "EKS says that it has made a change, and does not show it: Property1");
        }
        for next in [Ok(None), Ok(Some(2)), Err(Error::internal("cannot be compared"))] {
            begun.begin("main", 1, &properties! {}, &[]);
            assert!(begun.unshown("main", |_, _| next, named).is_none(), "another one is next");
            assert!(begun.unshown("main", |_, _| Ok(Some(1)), named).is_none(), "it is over");
        }
        begun.begin("main", 1, &wanted, &[]);
        begun.pause("main");
        assert!(begun.unshown("main", |_, _| Ok(Some(1)), named).is_none(), "somebody else changes it");
    }

    #[test]
    fn a_change_that_is_changed_back_each_time_comes_to_an_end() {
        let begun = Begun::default();
        let (one, other) = (properties! { "Version" => "1.35" }, properties! { "Version" => "1.36" });
        for change in [1, 2, 1, 2, 1] {
            begun.allow("main", &change, &one, named).unwrap();
            begun.begin("main", change, &one, &[]);
            assert!(begun.unshown("main", |_, _| Ok(Some(3 - change)), named).is_none());
        }
        begun.allow("main", &2, &one, named).unwrap();
        begun.allow("main", &1, &other, named).unwrap();
        let error = begun.allow("main", &1, &one, named).unwrap_err();
        assert_eq!(error.code(), Code::Conflict);
        assert_eq!(error.message(), "it was changed 3 times, and is not as it was made: Property1");
        begun.allow("main", &1, &one, named).unwrap();
    }

    #[test]
    fn a_census_passes_over_what_it_may_not_see_of_others_alone() {
        let stack = StackId::new("inferloop", "dev");
        let seen = |which, cluster: &str, code: &'static str| {
            let refused = failed_item(code);
            permitted::<()>(&stack, which, cluster, Err(refused)).map_err(|error| error.code())
        };
        let denied = "AccessDeniedException";
        assert_eq!(seen(Which::Marked, "billing", denied), Ok(None));
        assert_eq!(seen(Which::Marked, "inferloop-develop-main", denied), Ok(None));
        assert_eq!(seen(Which::Marked, "inferloop-dev-main", denied), Err(Code::PermissionDenied));
        assert_eq!(seen(Which::These(&[]), "billing", denied), Err(Code::PermissionDenied));
        for other in ["ExpiredTokenException", "UnrecognizedClientException"] {
            assert_eq!(seen(Which::Marked, "billing", other), Err(Code::PermissionDenied), "{other}");
        }
        assert_eq!(seen(Which::Marked, "billing", "ServerException"), Err(Code::OutcomeUnknown));
        assert_eq!(permitted(&stack, Which::Marked, "billing", Ok(1)).unwrap(), Some(1));
    }

    fn failed_item(code: &str) -> Error {
        super::super::error::item("eks:DescribeCluster", code, "")
    }

    #[test]
    fn a_change_without_a_name_is_told_by_the_state() {
        assert_eq!(updating("main", None).handle.as_deref(), Some(STATE));
        assert_eq!(updating("main", Some(&update(UpdateStatus::InProgress).build())).handle.as_deref(), Some("u-1"));
    }

    #[test]
    fn what_would_not_be_set_is_refused() {
        let desired = properties! { "AccessConfig" => landfall_core::map! { "AuthenticationMode" => "API" } };
        assert!(only(&desired, "AccessConfig", &["AuthenticationMode"]).is_ok());
        assert!(only(&desired, "Logging", &[]).is_ok());
        let refused = only(&desired, "AccessConfig", &["Mode"]).unwrap_err();
        assert_eq!(refused.message(), "a property that the driver cannot set: AccessConfig.AuthenticationMode");
    }
}
