//! EC2: networks, who may speak to whom in them, and what machines are launched from.
//!
//! Source: [the API's reference](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Operations.html). Objects are
//! read by filters and never by the calls' own lists of ids, which fail as a whole when one is not there. A filter takes
//! [200 values](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html).

mod endpoint;
mod flow_log;
mod gateways;
mod launch_template;
mod routes;
mod rule;
mod security_group;
mod subnet;
mod template_data;
mod vpc;

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification, UnsuccessfulItem};
use landfall_core::driver::Health;
use landfall_core::resource::{Claim, Identity, Properties, RESERVED_PREFIX, StackId, TagStyle, Value};
use landfall_core::{Code, Error, Result, Retry};

pub(super) use endpoint::VpcEndpoint;
pub(super) use flow_log::FlowLog;
pub(super) use gateways::{Address, Attachment, InternetGateway, NatGateway};
pub(super) use launch_template::LaunchTemplate;
pub(super) use routes::{Association, Route, RouteTable};
pub(super) use security_group::{EgressRule, IngressRule, SecurityGroup};
pub(super) use subnet::Subnet;
pub(super) use vpc::Vpc;

use super::error::{failed, item};
use super::kept::{Call, Kept, Seen, Started, Which};
use super::wanted::{Shown, Wanted, retag, touches};

/// How many values a filter takes.
const VALUES: usize = 200;
/// How many objects are asked for at once. Some listings have a smaller page.
const PAGE: i32 = 1000;

/// All pages of a listing, for each of the given filters.
macro_rules! listed {
    ($asked:expr, $list:expr, $filters:ident, $page:expr, $action:literal) => {{
        let mut all = Vec::new();
        for filters in $asked {
            let pages = $list.$filters(Some(filters)).into_paginator().page_size($page).items().send();
            let found: Vec<_> = pages.try_collect().await.map_err($crate::driver::error::failed($action))?;
            all.extend(found);
        }
        all
    }};
}
use listed;

fn filter<T: Into<String>>(name: impl Into<String>, values: impl IntoIterator<Item = T>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().map(Into::into).collect())).build()
}

/// The filters of each call that it takes to read these objects: by the filter `id` where the id is known, else by the
/// filters that belong to the paths of the tuple, or by the marks for a type without one.
///
/// Values are asked for with `or` within a filter, so that a few more objects may answer than are meant.
fn asked(call: &Call<'_>, which: Which<'_>, id: &str, tuple: &[(&str, &str)]) -> Vec<Vec<Filter>> {
    match which {
        Which::Marked if call.of.tags == TagStyle::None => Vec::new(),
        _ => questions(call.cx.stack, which, id, tuple),
    }
}

fn questions(stack: &StackId, which: Which<'_>, id: &str, tuple: &[(&str, &str)]) -> Vec<Vec<Filter>> {
    let stack = || filter(format!("tag:{RESERVED_PREFIX}stack"), [stack.to_string()]);
    if matches!(which, Which::Marked) {
        return vec![vec![stack()]];
    }
    let mut all: Vec<_> = which.ids().chunks(VALUES).map(|ids| vec![filter(id, ids.iter().copied())]).collect();
    let unknown: Vec<&Identity> = which.unknown().collect();
    for some in unknown.chunks(VALUES) {
        if tuple.is_empty() {
            let addresses: BTreeSet<String> = some.iter().map(|at| at.address.to_string()).collect();
            all.push(vec![stack(), filter(format!("tag:{RESERVED_PREFIX}address"), addresses)]);
            continue;
        }
        let parts = tuple.iter().map(|(path, name)| {
            let values: BTreeSet<&str> = some.iter().filter_map(|at| claimed(at, path)).collect();
            (!values.is_empty()).then(|| filter(*name, values))
        });
        all.extend(parts.collect::<Option<Vec<_>>>());
    }
    all
}

/// The text at this path of the tuple by which an object is claimed.
fn claimed<'a>(at: &'a Identity, path: &str) -> Option<&'a str> {
    let Claim::Tuple(values) = &at.claim else { return None };
    values.iter().find(|(name, _)| name == path)?.1.as_str()
}

/// The token by which a create is known when it is sent again.
fn token(at: &Identity) -> Option<String> {
    match &at.claim {
        Claim::Token(token) => Some(token.clone()),
        _ => None,
    }
}

/// The identity of what has just been made.
fn known(at: &Identity, id: &str) -> Identity {
    Identity { id: Some(id.to_owned()), ..at.clone() }
}

fn tags_of(tags: &[Tag]) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())))
}

fn to_tags(tags: &[(String, String)]) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The tags of a create. `None` without any, for an empty list is refused.
fn specified(of: ResourceType, tags: &[(String, String)]) -> Option<Vec<TagSpecification>> {
    let tags = (!tags.is_empty()).then(|| to_tags(tags))?;
    Some(vec![TagSpecification::builder().resource_type(of).set_tags(Some(tags)).build()])
}

/// Brings the tags of an object from what they are to what is wanted.
async fn tag(call: &Call<'_>, id: &str, now: &[(String, String)], wanted: &[(String, String)]) -> Result<()> {
    let (set, gone) = retag(now, wanted);
    if !set.is_empty() {
        let create = call.api.ec2.create_tags().resources(id).set_tags(Some(to_tags(&set)));
        create.send().await.map_err(failed("ec2:CreateTags"))?;
    }
    if !gone.is_empty() {
        let keys = gone.iter().map(|key| Tag::builder().key(key).build()).collect();
        let delete = call.api.ec2.delete_tags().resources(id).set_tags(Some(keys));
        delete.send().await.map_err(failed("ec2:DeleteTags"))?;
    }
    Ok(())
}

/// Changes the tags in the property `Tags` when they are among what changed; answers the object as it was.
async fn retagged(
    call: &Call<'_>,
    kept: &dyn Kept,
    at: &Identity,
    desired: &Properties,
    changed: &[String],
) -> Result<Seen> {
    let seen = visible(call, kept, at).await?;
    if touches(changed, "Tags") {
        tag(call, &seen.id, &seen.properties.tags("Tags"), &desired.tags("Tags")).await?;
    }
    Ok(seen)
}

/// An object that is about to be changed. That it cannot be seen passes, for it is there.
async fn visible(call: &Call<'_>, kept: &dyn Kept, at: &Identity) -> Result<Seen> {
    let seen = call.again(kept, at).await?;
    seen.ok_or_else(|| {
        let message = format!("it cannot be seen, or not yet: {}", at.id.as_deref().unwrap_or_default());
        Error::new(Code::Conflict, message).retry(Retry::NotReady)
    })
}

/// What became of a create or a change that is made: done when the object shows itself ready, else still under way, for
/// whoever polls.
async fn outcome(call: &Call<'_>, kept: &dyn Kept, at: &Identity) -> Started {
    match call.again(kept, at).await {
        Ok(Some(seen)) => begun(seen),
        // The change is made; only how it went is not known.
        Ok(None) | Err(_) => Started::running(at.id.clone().unwrap_or_default(), "not visible yet"),
    }
}

/// What an object is after a call that was accepted.
fn begun(seen: Seen) -> Started {
    match &seen.health {
        Health::Ready => Started::done(seen),
        Health::Busy(phase) => Started::running(seen.id, phase.clone()),
        Health::Failed(_) | Health::Deleting => Started::running(seen.id, "settling"),
    }
}

fn id(at: &Identity) -> &str {
    at.id.as_deref().unwrap_or_default()
}

/// A list of texts that has changed: what to add and what to take away. Empty lists are `None`.
fn moved(now: Option<&[String]>, wanted: Option<Vec<String>>) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let (now, wanted) = (now.unwrap_or_default(), wanted.unwrap_or_default());
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let more = wanted.iter().filter(|one| !now.contains(one)).cloned().collect();
    let fewer = now.iter().filter(|one| !wanted.contains(one)).cloned().collect();
    (some(more), some(fewer))
}

/// Of a call on many things, which is about one: an item that failed is the call's error.
fn unsuccessful(action: &'static str, items: &[UnsuccessfulItem]) -> Result<()> {
    match items.iter().find_map(UnsuccessfulItem::error) {
        Some(error) => Err(item(action, error.code().unwrap_or_default(), error.message().unwrap_or_default())),
        None => Ok(()),
    }
}

/// Outputs of text.
fn outputs<const N: usize>(all: [(&str, Option<&str>); N]) -> Properties {
    let mut outputs = Properties::new();
    all.into_iter().for_each(|(name, value)| outputs.show(name, value.map(Value::from)));
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts<const N: usize>(all: [&str; N]) -> Vec<String> {
        all.map(str::to_owned).to_vec()
    }

    fn identity(number: usize, id: Option<String>) -> Identity {
        let range = Value::from(format!("10.0.{number}.0/24"));
        Identity {
            address: format!("aws/test/it/subnet-{number}").parse().unwrap(),
            type_name: "AWS::EC2::Subnet".to_owned(),
            generation: 0,
            id,
            claim: Claim::Tuple(vec![("VpcId".to_owned(), "vpc-1".into()), ("CidrBlock".to_owned(), range)]),
            cluster: None,
        }
    }

    fn shape(questions: &[Vec<Filter>]) -> Vec<Vec<(&str, usize)>> {
        let one = |filter: &'_ Filter| filter.values().len();
        let all = questions.iter();
        all.map(|filters| filters.iter().map(|filter| (filter.name().unwrap(), one(filter))).collect()).collect()
    }

    #[test]
    fn two_hundred_objects_are_read_by_one_call() {
        let stack = StackId::new("ec2", "test");
        let known = (0..450).map(|number| identity(number, Some(format!("subnet-{number}"))));
        let all: Vec<Identity> = known.chain((450..700).map(|number| identity(number, None))).collect();
        let tuple = [("VpcId", "vpc-id"), ("CidrBlock", "cidr-block")];
        let by_tuple = questions(&stack, Which::These(&all), "subnet-id", &tuple);
        let ids = |count| vec![("subnet-id", count)];
        let tuples = |count| vec![("vpc-id", 1), ("cidr-block", count)];
        assert_eq!(shape(&by_tuple), [ids(200), ids(200), ids(50), tuples(200), tuples(50)]);
        let by_marks = questions(&stack, Which::These(&all[450..]), "subnet-id", &[]);
        let marks = |count| vec![("tag:landfall:stack", 1), ("tag:landfall:address", count)];
        assert_eq!(shape(&by_marks), [marks(200), marks(50)]);
        assert_eq!(shape(&questions(&stack, Which::Marked, "subnet-id", &tuple)), [[("tag:landfall:stack", 1)]]);
        assert!(questions(&stack, Which::These(&[]), "subnet-id", &tuple).is_empty(), "nothing asks for everything");
    }

    #[test]
    fn what_moved_is_added_and_taken_away() {
        let now = texts(["a", "b"]);
        assert_eq!(moved(Some(&now), Some(texts(["b", "c"]))), (Some(texts(["c"])), Some(texts(["a"]))));
        assert_eq!(moved(Some(&now), None), (None, Some(now.clone())));
        assert_eq!(moved(None, Some(now.clone())), (Some(now.clone()), None));
        assert_eq!(moved(Some(&now), Some(now.clone())), (None, None));
    }

    #[test]
    fn a_create_without_tags_specifies_none() {
        assert_eq!(specified(ResourceType::Vpc, &[]), None);
        let some = specified(ResourceType::Vpc, &[("Team".to_owned(), "one".to_owned())]).unwrap();
        assert_eq!(some.len(), 1);
        assert_eq!(tags_of(some[0].tags()).collect::<Vec<_>>(), [("Team", "one")]);
    }
}
