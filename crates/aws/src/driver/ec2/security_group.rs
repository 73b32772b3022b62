//! Security groups, and rules of theirs that are resources of their own.
//!
//! Sources: [CreateSecurityGroup](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html) and its
//! neighbours. A new group lets everything out; a group that is declared with rules for the way out has these and no others,
//! and one without any keeps that rule, as CloudFormation has it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_ec2::types::{IpPermission, ResourceType, SecurityGroup as Model, SecurityGroupRule};
use landfall_core::driver::Health;
use landfall_core::plan::unlike;
use landfall_core::resource::{Claim, Identity, Properties, Value};
use landfall_core::{Code, Error, Result, Retry};

use super::rule::{Peer, Rule, Way};
use super::{
    PAGE, VALUES, asked, begun, claimed, filter, id, known, listed, outcome, outputs, retagged, specified, tags_of,
    visible,
};
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, incomplete};
use crate::driver::wanted::{Shown, Wanted, touches};

/// `AWS::EC2::SecurityGroup`.
#[derive(Debug)]
pub(in crate::driver) struct SecurityGroup;

#[async_trait]
impl Kept for SecurityGroup {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::SecurityGroup"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["GroupDescription", "GroupName", INGRESS, EGRESS, "VpcId"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let asked = asked(call, which, "group-id", &[("VpcId", "vpc-id"), ("GroupName", "group-name")]);
        let list = call.api.ec2.describe_security_groups();
        let found = listed!(asked, list.clone(), set_filters, PAGE, "ec2:DescribeSecurityGroups");
        Ok(found.iter().map(shown).collect())
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        // What could never be added is refused before anything is made.
        let (ingress, egress) = (wanted(Way::In, desired)?, wanted(Way::Out, desired)?);
        let (name, vpc) = (desired.required("GroupName")?, desired.text("VpcId"));
        let create = call
            .api
            .ec2
            .create_security_group()
            .group_name(&name)
            .description(desired.required("GroupDescription")?)
            .set_vpc_id(vpc.clone())
            .set_tag_specifications(specified(ResourceType::SecurityGroup, &desired.tags("Tags")));
        let made = create.send().await.map_err(failed("ec2:CreateSecurityGroup"))?;
        let id = made.group_id.ok_or_else(|| incomplete("groupId"))?;
        let rest = async {
            let now = if egress.is_some() { rules(call, &[&id]).await? } else { Vec::new() };
            change(call, &id, Way::In, &[], &ingress.unwrap_or_default()).await?;
            if let Some(egress) = egress {
                change(call, &id, Way::Out, &now, &egress).await?;
            }
            self.settled(call, &known(at, &id), desired).await
        };
        match rest.await {
            Ok(started) => Ok(started),
            Err(_) => {
                Ok(Started::unfinished(shown(&Model::builder().group_id(id).group_name(name).set_vpc_id(vpc).build())))
            }
        }
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let (ingress, egress) = (wanted(Way::In, desired)?, wanted(Way::Out, desired)?);
        retagged(call, self, at, desired, changed).await?;
        if touches(changed, INGRESS) || touches(changed, EGRESS) {
            let now = rules(call, &[id(at)]).await?;
            if touches(changed, INGRESS) {
                change(call, id(at), Way::In, &now, &ingress.unwrap_or_default()).await?;
            }
            if touches(changed, EGRESS) {
                let all = Rule { protocol: "-1".to_owned(), ports: (-1, -1), peer: Peer::Ipv4("0.0.0.0/0".to_owned()) };
                change(call, id(at), Way::Out, &now, &egress.unwrap_or_else(|| vec![(all, None)])).await?;
            }
        }
        self.settled(call, at, desired).await
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let delete = call.api.ec2.delete_security_group().group_id(id(at));
        delete.send().await.map_err(failed("ec2:DeleteSecurityGroup"))?;
        Ok(Started::gone(id(at)))
    }
}

impl SecurityGroup {
    /// A read that is behind shows no rule of a new group, not even the one that it has by itself, so that what was changed
    /// by such a read must show before it counts.
    async fn settled(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let seen = visible(call, self, at).await?;
        let unlike = unlike(call.of, desired, &seen.properties);
        match [INGRESS, EGRESS].into_iter().find(|name| unlike.contains(*name)) {
            None => Ok(begun(seen)),
            Some(name) => {
                let message = format!("its rules do not show as they were set, or not yet: {name}");
                Err(Error::new(Code::Conflict, message).retry(Retry::NotReady))
            }
        }
    }
}

const INGRESS: &str = "SecurityGroupIngress";
const EGRESS: &str = "SecurityGroupEgress";

/// A rule, and what it is for.
type Described = (Rule, Option<String>);

/// The rules of one way as they are declared; `None` when the property is not.
fn wanted(way: Way, desired: &Properties) -> Result<Option<Vec<Described>>> {
    let name = match way {
        Way::In => INGRESS,
        Way::Out => EGRESS,
    };
    if desired.value(name).is_none() {
        return Ok(None);
    }
    let rules = desired.maps(name).into_iter();
    rules.map(|rule| Ok((Rule::inline(way, rule)?, rule.text("Description")))).collect::<Result<_>>().map(Some)
}

fn shown(group: &Model) -> Seen {
    let mut properties = Properties::new();
    properties.show("GroupDescription", group.description());
    properties.show("GroupName", group.group_name());
    properties.show("VpcId", group.vpc_id());
    for (way, name, permissions) in
        [(Way::In, INGRESS, group.ip_permissions()), (Way::Out, EGRESS, group.ip_permissions_egress())]
    {
        let rules = permissions.iter().flat_map(Rule::grouped).map(|(rule, description)| {
            let mut shown = Properties::new();
            rule.show(way, description.as_deref(), &mut shown);
            Value::Map(shown)
        });
        properties.insert(name.to_owned(), rules.collect());
    }
    properties.show_tags("Tags", tags_of(group.tags()));
    let outputs = outputs([("GroupId", group.group_id()), ("VpcId", group.vpc_id())]);
    Seen { id: group.group_id().unwrap_or_default().to_owned(), properties, outputs, health: Health::Ready }
}

/// All rules of these groups.
async fn rules(call: &Call<'_>, groups: &[&str]) -> Result<Vec<SecurityGroupRule>> {
    let asked = groups.chunks(VALUES).map(|some| vec![filter("group-id", some.iter().copied())]);
    let list = call.api.ec2.describe_security_group_rules();
    Ok(listed!(asked, list.clone(), set_filters, PAGE, "ec2:DescribeSecurityGroupRules"))
}

/// Brings the rules of one way from what they are to what is wanted: what is missing is let through before what is too much
/// is shut out.
async fn change(call: &Call<'_>, group: &str, way: Way, now: &[SecurityGroupRule], wanted: &[Described]) -> Result<()> {
    let Difference { missing, renamed, surplus } = Difference::new(way, now, wanted);
    let ec2 = &call.api.ec2;
    if !missing.is_empty() {
        authorize(call, group, way, permissions(missing)).await?;
    }
    if !renamed.is_empty() {
        let all = permissions(renamed);
        match way {
            Way::In => {
                let update = ec2.update_security_group_rule_descriptions_ingress().group_id(group);
                let update = update.set_ip_permissions(Some(all));
                update.send().await.map_err(failed("ec2:UpdateSecurityGroupRuleDescriptionsIngress"))?;
            }
            Way::Out => {
                let update = ec2.update_security_group_rule_descriptions_egress().group_id(group);
                let update = update.set_ip_permissions(Some(all));
                update.send().await.map_err(failed("ec2:UpdateSecurityGroupRuleDescriptionsEgress"))?;
            }
        }
    }
    if !surplus.is_empty() {
        revoke(call, group, way, surplus.into_iter().map(str::to_owned).collect()).await?;
    }
    Ok(())
}

fn permissions(rules: Vec<&Described>) -> Vec<IpPermission> {
    rules.into_iter().map(|(rule, description)| rule.permission(description.clone())).collect()
}

/// What it takes to bring rules to what is wanted.
#[derive(Debug, PartialEq)]
struct Difference<'a> {
    missing: Vec<&'a Described>,
    /// Rules that are there with another description.
    renamed: Vec<&'a Described>,
    /// The ids of rules that are not wanted.
    surplus: Vec<&'a str>,
}

impl<'a> Difference<'a> {
    fn new(way: Way, now: &'a [SecurityGroupRule], wanted: &'a [Described]) -> Self {
        let now: Vec<(&SecurityGroupRule, Rule)> = now
            .iter()
            .filter(|rule| rule.is_egress() == Some(way == Way::Out))
            .filter_map(|rule| Some((rule, Rule::single(rule)?)))
            .collect();
        let mut all = Self { missing: Vec::new(), renamed: Vec::new(), surplus: Vec::new() };
        for one in wanted {
            match now.iter().find(|(_, rule)| one.0.is(rule)) {
                None => all.missing.push(one),
                Some((rule, _)) => {
                    if rule.description().unwrap_or_default() != one.1.as_deref().unwrap_or_default() {
                        all.renamed.push(one);
                    }
                }
            }
        }
        let surplus = now.iter().filter(|(_, rule)| !wanted.iter().any(|(wanted, _)| wanted.is(rule)));
        all.surplus = surplus.filter_map(|(rule, _)| rule.security_group_rule_id()).collect();
        all
    }
}

async fn authorize(
    call: &Call<'_>,
    group: &str,
    way: Way,
    permissions: Vec<IpPermission>,
) -> Result<Vec<SecurityGroupRule>> {
    let ec2 = &call.api.ec2;
    let made = match way {
        Way::In => {
            let authorize = ec2.authorize_security_group_ingress().group_id(group);
            let authorize = authorize.set_ip_permissions(Some(permissions));
            authorize.send().await.map_err(failed("ec2:AuthorizeSecurityGroupIngress"))?.security_group_rules
        }
        Way::Out => {
            let authorize = ec2.authorize_security_group_egress().group_id(group);
            let authorize = authorize.set_ip_permissions(Some(permissions));
            authorize.send().await.map_err(failed("ec2:AuthorizeSecurityGroupEgress"))?.security_group_rules
        }
    };
    Ok(made.unwrap_or_default())
}

async fn revoke(call: &Call<'_>, group: &str, way: Way, ids: Vec<String>) -> Result<()> {
    let ec2 = &call.api.ec2;
    match way {
        Way::In => {
            let revoke = ec2.revoke_security_group_ingress().group_id(group).set_security_group_rule_ids(Some(ids));
            revoke.send().await.map_err(failed("ec2:RevokeSecurityGroupIngress"))?;
        }
        Way::Out => {
            let revoke = ec2.revoke_security_group_egress().group_id(group).set_security_group_rule_ids(Some(ids));
            revoke.send().await.map_err(failed("ec2:RevokeSecurityGroupEgress"))?;
        }
    }
    Ok(())
}

/// A rule that is a resource of its own: what both types have in common.
#[derive(Clone, Copy, Debug)]
struct Alone(Way);

impl Alone {
    async fn read(self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let mut found = Vec::new();
        for ids in which.ids().chunks(VALUES) {
            let asked = [vec![filter("security-group-rule-id", ids.iter().copied())]];
            let list = call.api.ec2.describe_security_group_rules();
            found.extend(listed!(asked, list.clone(), set_filters, PAGE, "ec2:DescribeSecurityGroupRules"));
        }
        let groups: BTreeSet<&str> = which.unknown().filter_map(|at| claimed(at, "GroupId")).collect();
        found.extend(rules(call, &groups.into_iter().collect::<Vec<_>>()).await?);
        let found = found.iter().filter(|rule| rule.is_egress() == Some(self.0 == Way::Out));
        Ok(found.filter_map(|rule| self.shown(rule, which.identities())).collect())
    }

    /// A rule as the API shows it, in the words of whoever asks for it.
    fn shown(self, shown: &SecurityGroupRule, asked: &[Identity]) -> Option<Seen> {
        let rule = Rule::single(shown)?;
        let id = shown.security_group_rule_id()?.to_owned();
        let mut properties = Properties::new();
        properties.show("GroupId", shown.group_id());
        rule.show(self.0, shown.description(), &mut properties);
        let claim = asked.iter().filter(|at| at.id.as_ref().is_none_or(|known| *known == id)).find_map(|at| {
            let Claim::Tuple(claim) = &at.claim else { return None };
            let wanted: Properties = claim.iter().cloned().collect();
            let same = wanted.text("GroupId").as_deref() == shown.group_id()
                && Rule::wanted(self.0, &wanted).is_ok_and(|wanted| wanted.is(&rule));
            same.then_some(claim)
        });
        for (name, value) in claim.into_iter().flatten() {
            match value {
                Value::Null => properties.remove(name),
                value => properties.insert(name.clone(), value.clone()),
            };
        }
        let outputs = outputs([("Id", Some(&id))]);
        Some(Seen { id, properties, outputs, health: Health::Ready })
    }

    async fn create(self, call: &Call<'_>, desired: &Properties) -> Result<Started> {
        let rule = Rule::wanted(self.0, desired)?.permission(desired.text("Description"));
        let made = authorize(call, &desired.required("GroupId")?, self.0, vec![rule]).await?;
        let made = made.iter().find_map(|rule| self.shown(rule, &[]));
        Ok(Started::done(made.ok_or_else(|| incomplete("securityGroupRuleSet"))?))
    }

    async fn update(self, call: &Call<'_>, kept: &dyn Kept, at: &Identity, desired: &Properties) -> Result<Started> {
        let group = desired.required("GroupId")?;
        let wanted = [(Rule::wanted(self.0, desired)?, desired.text("Description"))];
        let mut now = rules(call, &[&group]).await?;
        now.retain(|rule| rule.security_group_rule_id() == Some(id(at)));
        change(call, &group, self.0, &now, &wanted).await?;
        Ok(outcome(call, kept, at).await)
    }

    async fn delete(self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let group = claimed(at, "GroupId").unwrap_or_default();
        revoke(call, group, self.0, vec![id(at).to_owned()]).await?;
        Ok(Started::gone(id(at)))
    }
}

macro_rules! alone {
    ($(#[$doc:meta])* $name:ident, $type_name:literal, $way:expr, $settable:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(in crate::driver) struct $name;

        #[async_trait]
        impl Kept for $name {
            fn type_name(&self) -> &'static str {
                $type_name
            }

            fn settable(&self) -> &'static [&'static str] {
                $settable
            }

            async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
                Alone($way).read(call, which).await
            }

            async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
                Alone($way).create(call, desired).await
            }

            async fn update(
                &self,
                call: &Call<'_>,
                at: &Identity,
                desired: &Properties,
                _changed: &[String],
            ) -> Result<Started> {
                Alone($way).update(call, self, at, desired).await
            }

            async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
                Alone($way).delete(call, at).await
            }
        }
    };
}

alone!(
    /// `AWS::EC2::SecurityGroupIngress`.
    IngressRule,
    "AWS::EC2::SecurityGroupIngress",
    Way::In,
    &[
        "CidrIp",
        "CidrIpv6",
        "Description",
        "FromPort",
        "GroupId",
        "IpProtocol",
        "SourcePrefixListId",
        "SourceSecurityGroupId",
        "SourceSecurityGroupOwnerId",
        "ToPort",
    ]
);

alone!(
    /// `AWS::EC2::SecurityGroupEgress`.
    EgressRule,
    "AWS::EC2::SecurityGroupEgress",
    Way::Out,
    &[
        "CidrIp",
        "CidrIpv6",
        "Description",
        "DestinationPrefixListId",
        "DestinationSecurityGroupId",
        "FromPort",
        "GroupId",
        "IpProtocol",
        "ToPort",
    ]
);

#[cfg(test)]
mod tests {
    use landfall_core::properties;

    use super::*;

    fn rule(id: &str, port: i32, description: &str, egress: bool) -> SecurityGroupRule {
        SecurityGroupRule::builder()
            .security_group_rule_id(id)
            .group_id("sg-1")
            .ip_protocol("tcp")
            .from_port(port)
            .to_port(port)
            .cidr_ipv4("10.0.0.0/16")
            .description(description)
            .is_egress(egress)
            .build()
    }

    fn described(port: i32, description: &str) -> Described {
        let wanted = properties! {
            "IpProtocol" => "tcp", "FromPort" => port, "ToPort" => port, "CidrIp" => "10.0.0.0/16",
        };
        (Rule::inline(Way::In, &wanted).unwrap(), Some(description.to_owned()))
    }

    #[test]
    fn only_what_differs_is_changed() {
        let now = [
            rule("sgr-1", 1, "same", false),
            rule("sgr-2", 2, "old", false),
            rule("sgr-3", 3, "surplus", false),
            rule("sgr-4", 3, "the other way", true),
        ];
        let wanted = [described(1, "same"), described(2, "new"), described(4, "missing")];
        let difference = Difference::new(Way::In, &now, &wanted);
        assert_eq!(difference.missing, [&wanted[2]]);
        assert_eq!(difference.renamed, [&wanted[1]]);
        assert_eq!(difference.surplus, ["sgr-3"]);
    }

    #[test]
    fn no_rules_and_no_property_are_two_things() {
        assert_eq!(wanted(Way::Out, &properties! {}).unwrap(), None);
        let none: Vec<Value> = Vec::new();
        assert_eq!(wanted(Way::Out, &properties! { "SecurityGroupEgress" => none }).unwrap(), Some(Vec::new()));
    }

    #[test]
    fn a_rule_is_shown_in_the_words_of_whoever_asks() {
        let claim = |values: Properties| Identity {
            address: "aws/test/it/rule".parse().unwrap(),
            type_name: "AWS::EC2::SecurityGroupIngress".to_owned(),
            generation: 0,
            id: None,
            claim: Claim::Tuple(values.iter().map(|(name, value)| (name.clone(), value.clone())).collect()),
            cluster: None,
        };
        let shown = SecurityGroupRule::builder()
            .security_group_rule_id("sgr-1")
            .group_id("sg-1")
            .ip_protocol("-1")
            .cidr_ipv4("10.0.0.0/8")
            .is_egress(false)
            .build();
        let asked = properties! {
            "GroupId" => "sg-1", "IpProtocol" => "all", "FromPort" => Value::Null, "ToPort" => Value::Null,
            "CidrIp" => "10.1.2.3/8",
        };
        let other = Identity { id: Some("sgr-2".to_owned()), ..claim(asked.clone()) };
        let seen = Alone(Way::In).shown(&shown, &[other, claim(asked)]).unwrap();
        let expected = properties! { "GroupId" => "sg-1", "IpProtocol" => "all", "CidrIp" => "10.1.2.3/8" };
        assert_eq!(seen.properties, expected);
    }
}
