//! Groups of subnets, and groups of parameters.
//!
//! CloudFormation's schema gives a group of parameters no name, and the API wants one. It follows from the stack, the address
//! and the generation, so that a create that is repeated meets the group that it made before; the marks say whose that is.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_elasticache::types::{CacheParameterGroup, CacheSubnetGroup, Parameter, ParameterNameValue};
use landfall_core::Result;
use landfall_core::driver::Health;
use landfall_core::graph::hex;
use landfall_core::resource::{Identity, Properties, StackId};
use sha2::{Digest, Sha256};

use super::{tag, tag_list, tags};
use crate::driver::each::each;
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which};
use crate::driver::tagging;
use crate::driver::wanted::{Shown, Wanted, plain, touches};

/// How many parameters one call changes.
const CHUNK: usize = 20;
/// How much of the stack's and the address's own words a name shows.
const LONGEST_WORDS: usize = 200;

/// `AWS::ElastiCache::SubnetGroup`.
#[derive(Debug)]
pub(in crate::driver) struct SubnetGroup;

#[async_trait]
impl Kept for SubnetGroup {
    fn type_name(&self) -> &'static str {
        "AWS::ElastiCache::SubnetGroup"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["CacheSubnetGroupName", "Description", "SubnetIds"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let names = match which {
            Which::These(_) => which.named().iter().map(|name| name.to_ascii_lowercase()).collect(),
            Which::Marked => tagging::marked(call.api, call.cx.stack, "elasticache", "subnetgroup").await?,
        };
        each(names, async |name: String| {
            let describe = call.api.elasticache.describe_cache_subnet_groups().cache_subnet_group_name(&name);
            let answer = describe.send().await.map_err(failed("elasticache:DescribeCacheSubnetGroups"))?;
            let Some(group) = answer.cache_subnet_groups().first() else { return Ok(None) };
            let tags = tags(call, group.arn().unwrap_or_default()).await?;
            Ok(Some(shown_subnets(group, which, tags)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("CacheSubnetGroupName")?;
        let create = call
            .api
            .elasticache
            .create_cache_subnet_group()
            .cache_subnet_group_name(&name)
            .cache_subnet_group_description(desired.required("Description")?)
            .set_subnet_ids(desired.texts("SubnetIds"))
            .set_tags(Some(tag_list(desired.tags("Tags"))));
        create.send().await.map_err(failed("elasticache:CreateCacheSubnetGroup"))?;
        Ok(Started::done(made("CacheSubnetGroupName", name.to_ascii_lowercase())))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        if touches(changed, "SubnetIds") || touches(changed, "Description") {
            let modify = call
                .api
                .elasticache
                .modify_cache_subnet_group()
                .cache_subnet_group_name(&name)
                .set_cache_subnet_group_description(desired.text("Description"))
                .set_subnet_ids(desired.texts("SubnetIds"));
            modify.send().await.map_err(failed("elasticache:ModifyCacheSubnetGroup"))?;
        }
        if touches(changed, "Tags") {
            tag(call, &call.api.arn("elasticache", &format!("subnetgroup:{name}")), &desired.tags("Tags")).await?;
        }
        call.settled(self, at).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        let delete = call.api.elasticache.delete_cache_subnet_group().cache_subnet_group_name(&name);
        delete.send().await.map_err(failed("elasticache:DeleteCacheSubnetGroup"))?;
        Ok(Started::gone(name))
    }
}

fn shown_subnets(group: &CacheSubnetGroup, which: Which<'_>, tags: Vec<(String, String)>) -> Seen {
    let name = group.cache_subnet_group_name().unwrap_or_default();
    let mut seen = made("CacheSubnetGroupName", name.to_owned());
    seen.properties.show("CacheSubnetGroupName", Some(which.spelled(name)));
    seen.properties.show("Description", group.cache_subnet_group_description());
    let subnets: Vec<String> =
        group.subnets().iter().filter_map(|subnet| subnet.subnet_identifier().map(str::to_owned)).collect();
    seen.properties.show_texts("SubnetIds", &subnets);
    seen.properties.show_tags("Tags", tags);
    seen
}

/// `AWS::ElastiCache::ParameterGroup`.
#[derive(Debug)]
pub(in crate::driver) struct ParameterGroup;

#[async_trait]
impl Kept for ParameterGroup {
    fn type_name(&self) -> &'static str {
        "AWS::ElastiCache::ParameterGroup"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["CacheParameterGroupFamily", "Description", "Properties"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let names = match which {
            Which::These(_) => {
                let own = which.unknown().map(|at| name_of(call.cx.stack, at));
                let mut names: Vec<String> = which.named().into_iter().chain(own).collect();
                names.sort();
                names.dedup();
                names
            }
            Which::Marked => tagging::marked(call.api, call.cx.stack, "elasticache", "parametergroup").await?,
        };
        each(names, async |name: String| {
            let describe = call.api.elasticache.describe_cache_parameter_groups().cache_parameter_group_name(&name);
            let answer = describe.send().await.map_err(failed("elasticache:DescribeCacheParameterGroups"))?;
            let Some(group) = answer.cache_parameter_groups().first() else { return Ok(None) };
            let set = set_by_users(call, &name).await?;
            let tags = tags(call, group.arn().unwrap_or_default()).await?;
            Ok(Some(shown_parameters(group, &set, tags)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let name = name_of(call.cx.stack, at);
        let create = call
            .api
            .elasticache
            .create_cache_parameter_group()
            .cache_parameter_group_name(&name)
            .cache_parameter_group_family(desired.required("CacheParameterGroupFamily")?)
            .description(desired.required("Description")?)
            .set_tags(Some(tag_list(desired.tags("Tags"))));
        create.send().await.map_err(failed("elasticache:CreateCacheParameterGroup"))?;
        let made = made("CacheParameterGroupName", name);
        let set = modify(call, &made.id, &[], &wanted(desired)).await.is_ok();
        Ok(if set { Started::done(made) } else { Started::unfinished(made) })
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        if touches(changed, "Properties") {
            modify(call, &name, &set_by_users(call, &name).await?, &wanted(desired)).await?;
        }
        if touches(changed, "Tags") {
            tag(call, &call.api.arn("elasticache", &format!("parametergroup:{name}")), &desired.tags("Tags")).await?;
        }
        call.settled(self, at).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        let delete = call.api.elasticache.delete_cache_parameter_group().cache_parameter_group_name(&name);
        delete.send().await.map_err(failed("elasticache:DeleteCacheParameterGroup"))?;
        Ok(Started::gone(name))
    }
}

/// The name of the group of parameters of one address: its words, as far as a name may hold them, and a digest that no other
/// address, stack or generation has.
fn name_of(stack: &StackId, at: &Identity) -> String {
    let text = format!("{stack}/{}@{}", at.address, at.generation);
    let digest = hex(&Sha256::digest(text.as_bytes())[..8]);
    let words = format!("{stack}-{}", at.address).to_ascii_lowercase();
    let words: Vec<&str> = words.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let words: String = words.join("-").chars().take(LONGEST_WORDS).collect();
    // It begins with a letter, whatever the stack is called.
    format!("landfall-{}-{digest}", words.trim_end_matches('-'))
}

fn made(property: &str, name: String) -> Seen {
    let mut outputs = Properties::new();
    outputs.show(property, Some(name.as_str()));
    Seen { id: name, properties: Properties::new(), outputs, health: Health::Ready }
}

fn shown_parameters(group: &CacheParameterGroup, set: &[Parameter], tags: Vec<(String, String)>) -> Seen {
    let mut seen = made("CacheParameterGroupName", group.cache_parameter_group_name().unwrap_or_default().to_owned());
    seen.properties.show("CacheParameterGroupFamily", group.cache_parameter_group_family());
    seen.properties.show("Description", group.description());
    let values = set.iter().filter_map(|one| Some((one.parameter_name()?.to_owned(), one.parameter_value()?.into())));
    seen.properties.show("Properties", Some(values.collect::<Properties>()).filter(|values| !values.is_empty()));
    seen.properties.show_tags("Tags", tags);
    seen
}

/// The parameters of a group that somebody has set.
async fn set_by_users(call: &Call<'_>, name: &str) -> Result<Vec<Parameter>> {
    let describe = call.api.elasticache.describe_cache_parameters().cache_parameter_group_name(name).source("user");
    let pages: Vec<_> =
        describe.into_paginator().send().try_collect().await.map_err(failed("elasticache:DescribeCacheParameters"))?;
    let all = pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default());
    Ok(all.filter(|one| one.source() == Some("user")).collect())
}

fn wanted(desired: &Properties) -> BTreeMap<String, String> {
    let map = desired.map("Properties").into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), plain(value)?))).collect()
}

/// Makes the parameters of a group as they are wanted.
async fn modify(call: &Call<'_>, name: &str, now: &[Parameter], wanted: &BTreeMap<String, String>) -> Result<()> {
    let (set, reset) = differing(now, wanted);
    for chunk in set.chunks(CHUNK) {
        let modify = call.api.elasticache.modify_cache_parameter_group().cache_parameter_group_name(name);
        let modify = modify.set_parameter_name_values(Some(chunk.to_vec()));
        modify.send().await.map_err(failed("elasticache:ModifyCacheParameterGroup"))?;
    }
    for chunk in reset.chunks(CHUNK) {
        let reset = call.api.elasticache.reset_cache_parameter_group().cache_parameter_group_name(name);
        let reset = reset.reset_all_parameters(false).set_parameter_name_values(Some(chunk.to_vec()));
        reset.send().await.map_err(failed("elasticache:ResetCacheParameterGroup"))?;
    }
    Ok(())
}

/// Parameters to set and parameters to reset.
fn differing(
    now: &[Parameter],
    wanted: &BTreeMap<String, String>,
) -> (Vec<ParameterNameValue>, Vec<ParameterNameValue>) {
    let is = |name: &str, value: &str| {
        now.iter().any(|one| one.parameter_name() == Some(name) && one.parameter_value() == Some(value))
    };
    let set = wanted
        .iter()
        .filter(|(name, value)| !is(name, value))
        .map(|(name, value)| ParameterNameValue::builder().parameter_name(name).parameter_value(value).build())
        .collect();
    let reset = now
        .iter()
        .filter_map(|one| Some((one.parameter_name()?, one.parameter_value())))
        .filter(|(name, _)| !wanted.contains_key(*name))
        .map(|(name, value)| {
            // The API has a reset name the value as well, and does not look at it.
            ParameterNameValue::builder().parameter_name(name).set_parameter_value(value.map(str::to_owned)).build()
        })
        .collect();
    (set, reset)
}

#[cfg(test)]
mod tests {
    use landfall_core::resource::Claim;

    use super::*;

    #[test]
    fn a_name_is_its_addresss_own_and_keeps_the_rules() {
        let name = |stack: &str, address: &str, generation| {
            let at = Identity {
                address: address.parse().unwrap(),
                type_name: String::new(),
                generation,
                id: None,
                claim: Claim::Marks,
                cluster: None,
            };
            name_of(&StackId::new(stack, "dev"), &at)
        };
        let first = name("inferloop", "aws/cache/redis/parameter-group", 0);
        assert!(first.starts_with("landfall-inferloop-dev-aws-cache-redis-parameter-group-"), "{first}");
        assert_eq!(first, name("inferloop", "aws/cache/redis/parameter-group", 0));
        for other in [
            name("inferloop", "aws/cache/redis/parameter-group", 1),
            name("inferloop", "aws/cache/other/parameter-group", 0),
            name("1-2-3", "aws/cache/redis/parameter-group", 0),
            name(&"s".repeat(300), "aws/cache/redis/parameter-group", 0),
        ] {
            assert_ne!(first, other);
            assert!(other.len() <= 255 && !other.contains("--") && !other.ends_with('-'), "{other}");
            assert!(
                other.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
            );
        }
    }

    #[test]
    fn only_what_differs_is_set_and_what_nobody_wants_is_reset() {
        let one = |name: &str, value: &str| Parameter::builder().parameter_name(name).parameter_value(value).build();
        let now = [one("maxmemory-policy", "allkeys-lru"), one("timeout", "5"), one("maxmemory-samples", "3")];
        let wanted = [("maxmemory-policy", "noeviction"), ("timeout", "5")];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let (set, reset) = differing(&now, &wanted);
        let names = |all: &[ParameterNameValue]| -> Vec<String> {
            all.iter().map(|one| one.parameter_name().unwrap().to_owned()).collect()
        };
        assert_eq!(names(&set), ["maxmemory-policy"]);
        assert_eq!(set[0].parameter_value(), Some("noeviction"));
        assert_eq!(names(&reset), ["maxmemory-samples"]);
    }
}
