//! `AWS::EC2::VPC`: [CreateVpc](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html).
//!
//! Its two attributes for names are set and read one to a call and one VPC to a call, so that they are read only for VPCs
//! that are asked for, and not for all that bear the marks.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Tenancy, Vpc as Model, VpcAttributeName, VpcState};
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};
use landfall_core::{Error, Result};

use super::{PAGE, VALUES, asked, filter, id, known, listed, outcome, retagged, specified, tags_of};
use crate::driver::each::each;
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, incomplete};
use crate::driver::wanted::{Shown, Wanted, touches};

const HOSTNAMES: &str = "EnableDnsHostnames";
const SUPPORT: &str = "EnableDnsSupport";

/// `AWS::EC2::VPC`.
#[derive(Debug)]
pub(in crate::driver) struct Vpc;

#[async_trait]
impl Kept for Vpc {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::VPC"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["CidrBlock", HOSTNAMES, SUPPORT, "InstanceTenancy"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let asked = asked(call, which, "vpc-id", &[]);
        let found: Vec<Model> = listed!(asked, call.api.ec2.describe_vpcs(), set_filters, PAGE, "ec2:DescribeVpcs");
        let ids: Vec<&str> = found.iter().filter_map(Model::vpc_id).collect();
        let defaults = defaults(call, &ids).await?;
        let seen: Vec<Seen> = found.iter().map(|vpc| shown(vpc, &defaults)).collect();
        if matches!(which, Which::Marked) {
            return Ok(seen);
        }
        each(seen, |seen| with_attributes(call, seen)).await
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .ec2
            .create_vpc()
            .cidr_block(desired.required("CidrBlock")?)
            .set_instance_tenancy(desired.text("InstanceTenancy").map(|text| Tenancy::from(text.as_str())))
            .set_tag_specifications(specified(ResourceType::Vpc, &desired.tags("Tags")));
        let made = create.send().await.map_err(failed("ec2:CreateVpc"))?.vpc.ok_or_else(|| incomplete("vpc"))?;
        let seen = shown(&made, &Defaults::new());
        // A new VPC has the first and lacks the second.
        let rest = async {
            if desired.flag(SUPPORT) == Some(false) {
                support(call, &seen.id, false).await?;
            }
            if desired.flag(HOSTNAMES) == Some(true) {
                hostnames(call, &seen.id, true).await?;
            }
            Ok::<_, Error>(())
        };
        match rest.await {
            Ok(()) => Ok(outcome(call, self, &known(at, &seen.id)).await),
            Err(_) => Ok(Started::unfinished(seen)),
        }
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        retagged(call, self, at, desired, changed).await?;
        let (wants_support, wants_hostnames) =
            (desired.flag(SUPPORT).unwrap_or(true), desired.flag(HOSTNAMES).unwrap_or(false));
        // Host names need the support, so that the one comes after it and goes before it.
        if touches(changed, SUPPORT) && wants_support {
            support(call, id(at), true).await?;
        }
        if touches(changed, HOSTNAMES) {
            hostnames(call, id(at), wants_hostnames).await?;
        }
        if touches(changed, SUPPORT) && !wants_support {
            support(call, id(at), false).await?;
        }
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        call.api.ec2.delete_vpc().vpc_id(id(at)).send().await.map_err(failed("ec2:DeleteVpc"))?;
        Ok(Started::gone(id(at)))
    }
}

/// What EC2 makes with each VPC, by the VPC's id: the security group and the network ACL.
type Defaults = BTreeMap<String, (Option<String>, Option<String>)>;

async fn defaults(call: &Call<'_>, vpcs: &[&str]) -> Result<Defaults> {
    let asked = |name: &'static str, value: &'static str| {
        vpcs.chunks(VALUES).map(move |ids| vec![filter("vpc-id", ids.iter().copied()), filter(name, [value])])
    };
    let groups = call.api.ec2.describe_security_groups();
    let groups =
        listed!(asked("group-name", "default"), groups.clone(), set_filters, PAGE, "ec2:DescribeSecurityGroups");
    let acls = call.api.ec2.describe_network_acls();
    let acls = listed!(asked("default", "true"), acls.clone(), set_filters, PAGE, "ec2:DescribeNetworkAcls");
    let mut all = Defaults::new();
    for group in groups {
        all.entry(group.vpc_id.unwrap_or_default()).or_default().0 = group.group_id;
    }
    for acl in acls {
        all.entry(acl.vpc_id.unwrap_or_default()).or_default().1 = acl.network_acl_id;
    }
    Ok(all)
}

fn shown(vpc: &Model, defaults: &Defaults) -> Seen {
    let id = vpc.vpc_id().unwrap_or_default();
    let (group, acl) = defaults.get(id).cloned().unwrap_or_default();
    let mut properties = Properties::new();
    properties.show("CidrBlock", vpc.cidr_block());
    properties.show("InstanceTenancy", vpc.instance_tenancy().map(Tenancy::as_str));
    properties.show_tags("Tags", tags_of(vpc.tags()));
    let health = match vpc.state() {
        Some(VpcState::Available) | None if group.is_some() && acl.is_some() => Health::Ready,
        Some(VpcState::Available) | None => Health::Busy("defaults are not visible yet".to_owned()),
        Some(VpcState::Deleting) => Health::Deleting,
        Some(state) => Health::Busy(state.as_str().to_owned()),
    };
    let outputs = super::outputs([
        ("VpcId", vpc.vpc_id()),
        ("DefaultSecurityGroup", group.as_deref()),
        ("DefaultNetworkAcl", acl.as_deref()),
        ("CidrBlock", vpc.cidr_block()),
    ]);
    Seen { id: id.to_owned(), properties, outputs, health }
}

async fn with_attributes(call: &Call<'_>, mut seen: Seen) -> Result<Option<Seen>> {
    seen.properties.show(SUPPORT, attribute(call, &seen.id, VpcAttributeName::EnableDnsSupport).await?);
    seen.properties.show(HOSTNAMES, attribute(call, &seen.id, VpcAttributeName::EnableDnsHostnames).await?);
    Ok(Some(seen))
}

async fn attribute(call: &Call<'_>, id: &str, name: VpcAttributeName) -> Result<Option<bool>> {
    let describe = call.api.ec2.describe_vpc_attribute().vpc_id(id).attribute(name.clone());
    let answer = describe.send().await.map_err(failed("ec2:DescribeVpcAttribute"))?;
    let value = match name {
        VpcAttributeName::EnableDnsSupport => answer.enable_dns_support,
        _ => answer.enable_dns_hostnames,
    };
    Ok(value.and_then(|value| value.value))
}

async fn support(call: &Call<'_>, id: &str, on: bool) -> Result<()> {
    let modify = call.api.ec2.modify_vpc_attribute().vpc_id(id).enable_dns_support(flag(on));
    modify.send().await.map_err(failed("ec2:ModifyVpcAttribute"))?;
    Ok(())
}

async fn hostnames(call: &Call<'_>, id: &str, on: bool) -> Result<()> {
    let modify = call.api.ec2.modify_vpc_attribute().vpc_id(id).enable_dns_hostnames(flag(on));
    modify.send().await.map_err(failed("ec2:ModifyVpcAttribute"))?;
    Ok(())
}

pub(super) fn flag(on: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(on).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vpc_is_ready_with_what_ec2_makes_with_it() {
        let vpc = Model::builder().vpc_id("vpc-1").cidr_block("10.0.0.0/16");
        let all = Defaults::from([("vpc-1".to_owned(), (Some("sg-1".to_owned()), Some("acl-1".to_owned())))]);
        let pending = shown(&vpc.clone().state(VpcState::Pending).build(), &all);
        assert_eq!(pending.health, Health::Busy("pending".to_owned()));
        let vpc = vpc.state(VpcState::Available).build();
        assert!(matches!(shown(&vpc, &Defaults::new()).health, Health::Busy(_)), "its defaults are outputs");
        let ready = shown(&vpc, &all);
        assert_eq!(ready.health, Health::Ready);
        assert_eq!(ready.outputs.text("DefaultSecurityGroup").as_deref(), Some("sg-1"));
        assert_eq!(ready.outputs.text("DefaultNetworkAcl").as_deref(), Some("acl-1"));
    }
}
