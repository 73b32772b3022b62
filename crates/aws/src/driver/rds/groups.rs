//! Groups of subnets, and groups of parameters.
//!
//! A parameter that takes a restart is set at the next one. Nothing is restarted for it here: that is the database's own
//! matter, which restarts when it is given another group.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_rds::types::{ApplyMethod, DbParameterGroup, DbSubnetGroup, Parameter};
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties, Value};
use landfall_core::{Error, Result};

use super::{tag, tag_list, tags};
use crate::driver::each::each;
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which};
use crate::driver::wanted::{Shown, Wanted, plain, touches};

/// How many parameters one call changes.
const CHUNK: usize = 20;

/// `AWS::RDS::DBSubnetGroup`.
#[derive(Debug)]
pub(in crate::driver) struct SubnetGroup;

#[async_trait]
impl Kept for SubnetGroup {
    fn type_name(&self) -> &'static str {
        "AWS::RDS::DBSubnetGroup"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["DBSubnetGroupDescription", "DBSubnetGroupName", "SubnetIds"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let describe = |name: Option<String>| async {
            let describe = call.api.rds.describe_db_subnet_groups().set_db_subnet_group_name(name);
            let all = describe.into_paginator().items().send().try_collect();
            all.await.map_err(failed("rds:DescribeDBSubnetGroups"))
        };
        each(found(which, describe).await?, async |group: DbSubnetGroup| {
            let tags = tags(call, group.db_subnet_group_arn().unwrap_or_default()).await?;
            Ok(Some(shown_subnets(&group, which, tags)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("DBSubnetGroupName")?;
        let create = call
            .api
            .rds
            .create_db_subnet_group()
            .db_subnet_group_name(&name)
            .db_subnet_group_description(desired.required("DBSubnetGroupDescription")?)
            .set_subnet_ids(desired.texts("SubnetIds"))
            .set_tags(Some(tag_list(desired.tags("Tags"))));
        create.send().await.map_err(failed("rds:CreateDBSubnetGroup"))?;
        Ok(Started::done(made("DBSubnetGroup", name, call.api.arn("rds", "subgrp:"))))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        if touches(changed, "SubnetIds") || touches(changed, "DBSubnetGroupDescription") {
            let modify = call
                .api
                .rds
                .modify_db_subnet_group()
                .db_subnet_group_name(&name)
                .set_db_subnet_group_description(desired.text("DBSubnetGroupDescription"))
                .set_subnet_ids(desired.texts("SubnetIds"));
            modify.send().await.map_err(failed("rds:ModifyDBSubnetGroup"))?;
        }
        if touches(changed, "Tags") {
            tag(call, &call.api.arn("rds", &format!("subgrp:{name}")), &desired.tags("Tags")).await?;
        }
        call.settled(self, at).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        let delete = call.api.rds.delete_db_subnet_group().db_subnet_group_name(&name);
        delete.send().await.map_err(failed("rds:DeleteDBSubnetGroup"))?;
        Ok(Started::gone(name))
    }
}

fn shown_subnets(group: &DbSubnetGroup, which: Which<'_>, tags: Vec<(String, String)>) -> Seen {
    let name = group.db_subnet_group_name().unwrap_or_default();
    let mut properties = Properties::new();
    properties.show("DBSubnetGroupName", Some(which.spelled(name)));
    properties.show("DBSubnetGroupDescription", group.db_subnet_group_description());
    let subnets: Vec<String> =
        group.subnets().iter().filter_map(|subnet| subnet.subnet_identifier().map(str::to_owned)).collect();
    properties.show_texts("SubnetIds", &subnets);
    properties.show_tags("Tags", tags);
    let mut outputs = Properties::new();
    outputs.show("DBSubnetGroupName", Some(name));
    outputs.show("DBSubnetGroupArn", group.db_subnet_group_arn());
    let health = match group.subnet_group_status() {
        None | Some("Complete") => Health::Ready,
        Some(other) => Health::Busy(other.to_owned()),
    };
    Seen { id: name.to_owned(), properties, outputs, health }
}

/// `AWS::RDS::DBParameterGroup`.
#[derive(Debug)]
pub(in crate::driver) struct ParameterGroup;

#[async_trait]
impl Kept for ParameterGroup {
    fn type_name(&self) -> &'static str {
        "AWS::RDS::DBParameterGroup"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["DBParameterGroupName", "Description", "Family", "Parameters"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let describe = |name: Option<String>| async {
            let describe = call.api.rds.describe_db_parameter_groups().set_db_parameter_group_name(name);
            let all = describe.into_paginator().items().send().try_collect();
            all.await.map_err(failed("rds:DescribeDBParameterGroups"))
        };
        each(found(which, describe).await?, async |group: DbParameterGroup| {
            let tags = tags(call, group.db_parameter_group_arn().unwrap_or_default()).await?;
            if matches!(which, Which::Marked) && tags.is_empty() {
                return Ok(None);
            }
            let set = parameters(call, group.db_parameter_group_name().unwrap_or_default(), Some("user")).await?;
            Ok(Some(shown_parameters(&group, which, &set, tags)))
        })
        .await
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let name = desired.required("DBParameterGroupName")?;
        let create = call
            .api
            .rds
            .create_db_parameter_group()
            .db_parameter_group_name(&name)
            .db_parameter_group_family(desired.required("Family")?)
            .description(desired.required("Description")?)
            .set_tags(Some(tag_list(desired.tags("Tags"))));
        create.send().await.map_err(failed("rds:CreateDBParameterGroup"))?;
        let made = made("DBParameterGroup", name, call.api.arn("rds", "pg:"));
        let set = desired.map("Parameters").is_none_or(Properties::is_empty)
            || set_parameters(call, &made.id, desired).await.is_ok();
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
        if touches(changed, "Parameters") {
            set_parameters(call, &name, desired).await?;
        }
        if touches(changed, "Tags") {
            tag(call, &call.api.arn("rds", &format!("pg:{name}")), &desired.tags("Tags")).await?;
        }
        call.settled(self, at).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let name = at.id.clone().unwrap_or_default();
        let delete = call.api.rds.delete_db_parameter_group().db_parameter_group_name(&name);
        delete.send().await.map_err(failed("rds:DeleteDBParameterGroup"))?;
        Ok(Started::gone(name))
    }
}

/// The groups that are asked for, each by a call with its name, or all: an account has fifty of a sort, unless it asks for
/// more, and the index of tags does not know of what was made a moment ago.
async fn found<T, F>(which: Which<'_>, describe: impl Fn(Option<String>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<Vec<T>>>,
{
    if let Which::Marked = which {
        return describe(None).await;
    }
    let mut names: Vec<String> = which.named().iter().map(|name| name.to_ascii_lowercase()).collect();
    names.dedup();
    let all = each(names, |name| async { describe(Some(name)).await.map(Some) }).await?;
    Ok(all.into_iter().flatten().collect())
}

/// A group that has just been made; `arn` is its ARN without the name.
fn made(sort: &str, name: String, arn: String) -> Seen {
    let id = name.to_ascii_lowercase();
    let mut outputs = Properties::new();
    outputs.show(&format!("{sort}Name"), Some(id.as_str()));
    outputs.show(&format!("{sort}Arn"), Some(format!("{arn}{id}")));
    Seen { id, properties: Properties::new(), outputs, health: Health::Ready }
}

fn shown_parameters(
    group: &DbParameterGroup,
    which: Which<'_>,
    set: &[Parameter],
    tags: Vec<(String, String)>,
) -> Seen {
    let name = group.db_parameter_group_name().unwrap_or_default();
    let mut properties = Properties::new();
    properties.show("DBParameterGroupName", Some(which.spelled(name)));
    properties.show("Description", group.description());
    properties.show("Family", group.db_parameter_group_family());
    let values = set.iter().filter_map(|one| Some((one.parameter_name()?.to_owned(), one.parameter_value()?.into())));
    properties.show("Parameters", Some(values.collect::<Properties>()).filter(|values| !values.is_empty()));
    properties.show_tags("Tags", tags);
    let mut outputs = Properties::new();
    outputs.show("DBParameterGroupName", Some(name));
    outputs.show("DBParameterGroupArn", group.db_parameter_group_arn());
    Seen { id: name.to_owned(), properties, outputs, health: Health::Ready }
}

/// A group's parameters: all, or those from one source, of which `user` is whoever has set them.
async fn parameters(call: &Call<'_>, name: &str, source: Option<&str>) -> Result<Vec<Parameter>> {
    let describe = call.api.rds.describe_db_parameters().db_parameter_group_name(name);
    let describe = describe.set_source(source.map(str::to_owned)).into_paginator().items().send();
    describe.try_collect().await.map_err(failed("rds:DescribeDBParameters"))
}

/// Makes the parameters of a group as they are wanted: sets those that differ, resets those that nobody wants any more.
async fn set_parameters(call: &Call<'_>, name: &str, desired: &Properties) -> Result<()> {
    let (set, reset) = differing(&parameters(call, name, None).await?, &wanted(desired)?);
    for chunk in set.chunks(CHUNK) {
        let modify = call.api.rds.modify_db_parameter_group().db_parameter_group_name(name);
        let modify = modify.set_parameters(Some(chunk.to_vec()));
        modify.send().await.map_err(failed("rds:ModifyDBParameterGroup"))?;
    }
    for chunk in reset.chunks(CHUNK) {
        let reset = call.api.rds.reset_db_parameter_group().db_parameter_group_name(name);
        let reset = reset.reset_all_parameters(false).set_parameters(Some(chunk.to_vec()));
        reset.send().await.map_err(failed("rds:ResetDBParameterGroup"))?;
    }
    Ok(())
}

/// The wanted parameters by name. The schema takes them as a map, or as the JSON text of one.
fn wanted(desired: &Properties) -> Result<BTreeMap<String, String>> {
    let parsed = match desired.value("Parameters") {
        None => return Ok(BTreeMap::new()),
        Some(Value::Text(text)) => serde_json::from_str(text).ok().map(Value::from_json),
        Some(value) => Some(value.clone()),
    };
    let Some(Value::Map(map)) = parsed else {
        let message = "the parameters are neither a map nor the JSON text of one: Parameters";
        return Err(Error::new(landfall_core::Code::InvalidRequest, message).hint("write them as a map"));
    };
    Ok(map.iter().filter_map(|(name, value)| Some((name.clone(), plain(value)?))).collect())
}

/// Parameters to set and parameters to reset. One that takes a restart waits for it; any other acts at once.
fn differing(now: &[Parameter], wanted: &BTreeMap<String, String>) -> (Vec<Parameter>, Vec<Parameter>) {
    let method = |name: &str| {
        let known = now.iter().find(|one| one.parameter_name() == Some(name));
        match known.and_then(Parameter::apply_type) {
            Some("dynamic") => ApplyMethod::Immediate,
            _ => ApplyMethod::PendingReboot,
        }
    };
    let ours = |one: &&Parameter| one.source() == Some("user");
    let set = wanted
        .iter()
        .filter(|(name, value)| {
            let same = |one: &Parameter| {
                one.parameter_name() == Some(name.as_str()) && one.parameter_value() == Some(value.as_str())
            };
            !now.iter().filter(ours).any(same)
        })
        .map(|(name, value)| {
            Parameter::builder().parameter_name(name).parameter_value(value).apply_method(method(name)).build()
        })
        .collect();
    let reset = now
        .iter()
        .filter(ours)
        .filter_map(Parameter::parameter_name)
        .filter(|name| !wanted.contains_key(*name))
        .map(|name| Parameter::builder().parameter_name(name).apply_method(method(name)).build())
        .collect();
    (set, reset)
}

#[cfg(test)]
mod tests {
    use landfall_core::{Code, map, properties};

    use super::*;

    fn parameter(name: &str, value: &str, source: &str, apply_type: &str) -> Parameter {
        let one = Parameter::builder().parameter_name(name).parameter_value(value);
        one.source(source).apply_type(apply_type).build()
    }

    #[test]
    fn only_what_differs_is_set_and_only_what_is_ours_is_reset() {
        let now = [
            parameter("log_statement", "ddl", "user", "dynamic"),
            parameter("work_mem", "4096", "user", "dynamic"),
            parameter("max_connections", "100", "engine-default", "static"),
            parameter("shared_buffers", "1024", "system", "static"),
            parameter("huge_pages", "on", "user", "static"),
        ];
        let wanted = properties! {
            "Parameters" => map! {
                "log_statement" => "ddl", "work_mem" => 8192, "max_connections" => "100", "unheard.of" => "1",
            },
        };
        let (set, reset) = differing(&now, &super::wanted(&wanted).unwrap());
        let told = |all: &[Parameter]| {
            let one = |one: &Parameter| {
                let method = one.apply_method().map(|method| method.as_str().to_owned());
                (one.parameter_name().unwrap().to_owned(), one.parameter_value().map(str::to_owned), method.unwrap())
            };
            all.iter().map(one).collect::<Vec<_>>()
        };
        let expected = |name: &str, value: Option<&str>, method: &str| {
            (name.to_owned(), value.map(str::to_owned), method.to_owned())
        };
        assert_eq!(
            told(&set),
            [
                expected("max_connections", Some("100"), "pending-reboot"),
                expected("unheard.of", Some("1"), "pending-reboot"),
                expected("work_mem", Some("8192"), "immediate"),
            ],
            "a default that is declared is set, so that it stays when the default changes"
        );
        assert_eq!(told(&reset), [expected("huge_pages", None, "pending-reboot")]);
    }

    #[test]
    fn parameters_may_be_json_text_and_nothing_else() {
        let text = wanted(&properties! { "Parameters" => "{\"work_mem\": \"4096\"}" }).unwrap();
        assert_eq!(text, BTreeMap::from([("work_mem".to_owned(), "4096".to_owned())]));
        assert_eq!(wanted(&properties! { "Parameters" => 5 }).unwrap_err().code(), Code::InvalidRequest);
    }
}
