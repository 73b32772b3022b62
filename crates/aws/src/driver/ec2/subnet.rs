//! `AWS::EC2::Subnet`: [CreateSubnet](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html), and
//! [ModifySubnetAttribute](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifySubnetAttribute.html), which
//! changes one attribute to a call.

use async_trait::async_trait;
use aws_sdk_ec2::types::{HostnameType, ResourceType, Subnet as Model, SubnetState};
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};
use landfall_core::{Error, Result};

use super::vpc::flag;
use super::{PAGE, asked, begun, id, listed, outcome, retagged, specified, tags_of};
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, incomplete};
use crate::driver::wanted::{Shown, Wanted, touches};

const NAMES: &str = "PrivateDnsNameOptionsOnLaunch";

/// Truth values that are off in a new subnet, and that one call changes each.
const ATTRIBUTES: [&str; 5] = [
    "AssignIpv6AddressOnCreation",
    "EnableDns64",
    "MapPublicIpOnLaunch",
    "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord",
    "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord",
];

/// `AWS::EC2::Subnet`.
#[derive(Debug)]
pub(in crate::driver) struct Subnet;

#[async_trait]
impl Kept for Subnet {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::Subnet"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "AssignIpv6AddressOnCreation",
            "AvailabilityZone",
            "AvailabilityZoneId",
            "CidrBlock",
            "EnableDns64",
            "MapPublicIpOnLaunch",
            "OutpostArn",
            NAMES,
            "VpcId",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let asked = asked(call, which, "subnet-id", &[("VpcId", "vpc-id"), ("CidrBlock", "cidr-block")]);
        let found = listed!(asked, call.api.ec2.describe_subnets(), set_filters, PAGE, "ec2:DescribeSubnets");
        Ok(found.iter().map(shown).collect())
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .ec2
            .create_subnet()
            .vpc_id(desired.required("VpcId")?)
            .cidr_block(desired.required("CidrBlock")?)
            .set_availability_zone(desired.text("AvailabilityZone"))
            .set_availability_zone_id(desired.text("AvailabilityZoneId"))
            .set_outpost_arn(desired.text("OutpostArn"))
            .set_tag_specifications(specified(ResourceType::Subnet, &desired.tags("Tags")));
        let made = create.send().await.map_err(failed("ec2:CreateSubnet"))?;
        let seen = shown(&made.subnet.ok_or_else(|| incomplete("subnet"))?);
        let rest = async {
            for name in ATTRIBUTES {
                let now = seen.properties.flag(name).unwrap_or_default();
                if desired.flag(name).is_some_and(|wanted| wanted != now) {
                    switch(call, &seen.id, name, !now).await?;
                }
            }
            let now = seen.properties.text(HOSTNAME_TYPE);
            match desired.text(HOSTNAME_TYPE) {
                Some(wanted) if Some(&wanted) != now.as_ref() => hostname_type(call, &seen.id, &wanted).await,
                _ => Ok::<_, Error>(()),
            }
        };
        match rest.await {
            Ok(()) => Ok(begun(seen)),
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
        let now = retagged(call, self, at, desired, changed).await?.properties;
        // A change of the whole property is a change of each of its parts.
        let touched = |name: &str| {
            let whole = name.split_once('.').is_some_and(|(outer, _)| changed.iter().any(|path| path == outer));
            whole || touches(changed, name)
        };
        // What is as it should be is not set again: some attributes have no meaning for some subnets.
        for name in ATTRIBUTES.into_iter().filter(|name| touched(name)) {
            let wanted = desired.flag(name).unwrap_or_default();
            if now.flag(name).unwrap_or_default() != wanted {
                switch(call, id(at), name, wanted).await?;
            }
        }
        let wanted = desired.text(HOSTNAME_TYPE).unwrap_or_else(|| "ip-name".to_owned());
        if touched(HOSTNAME_TYPE) && now.text(HOSTNAME_TYPE).is_some_and(|now| now != wanted) {
            hostname_type(call, id(at), &wanted).await?;
        }
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        call.api.ec2.delete_subnet().subnet_id(id(at)).send().await.map_err(failed("ec2:DeleteSubnet"))?;
        Ok(Started::gone(id(at)))
    }
}

const HOSTNAME_TYPE: &str = "PrivateDnsNameOptionsOnLaunch.HostnameType";

async fn switch(call: &Call<'_>, id: &str, name: &str, on: bool) -> Result<()> {
    let modify = call.api.ec2.modify_subnet_attribute().subnet_id(id);
    let modify = match name {
        "AssignIpv6AddressOnCreation" => modify.assign_ipv6_address_on_creation(flag(on)),
        "EnableDns64" => modify.enable_dns64(flag(on)),
        "MapPublicIpOnLaunch" => modify.map_public_ip_on_launch(flag(on)),
        "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord" => {
            modify.enable_resource_name_dns_aaaa_record_on_launch(flag(on))
        }
        _ => modify.enable_resource_name_dns_a_record_on_launch(flag(on)),
    };
    modify.send().await.map_err(failed("ec2:ModifySubnetAttribute"))?;
    Ok(())
}

async fn hostname_type(call: &Call<'_>, id: &str, wanted: &str) -> Result<()> {
    let modify = call.api.ec2.modify_subnet_attribute().subnet_id(id);
    let modify = modify.private_dns_hostname_type_on_launch(HostnameType::from(wanted));
    modify.send().await.map_err(failed("ec2:ModifySubnetAttribute"))?;
    Ok(())
}

fn shown(subnet: &Model) -> Seen {
    let mut properties = Properties::new();
    properties.show("AssignIpv6AddressOnCreation", subnet.assign_ipv6_address_on_creation());
    properties.show("AvailabilityZone", subnet.availability_zone());
    properties.show("AvailabilityZoneId", subnet.availability_zone_id());
    properties.show("CidrBlock", subnet.cidr_block());
    properties.show("EnableDns64", subnet.enable_dns64());
    properties.show("MapPublicIpOnLaunch", subnet.map_public_ip_on_launch());
    properties.show("OutpostArn", subnet.outpost_arn());
    properties.show("VpcId", subnet.vpc_id());
    if let Some(options) = subnet.private_dns_name_options_on_launch() {
        let mut names = Properties::new();
        names.show("EnableResourceNameDnsAAAARecord", options.enable_resource_name_dns_aaaa_record());
        names.show("EnableResourceNameDnsARecord", options.enable_resource_name_dns_a_record());
        names.show("HostnameType", options.hostname_type().map(HostnameType::as_str));
        properties.show(NAMES, Some(names));
    }
    properties.show_tags("Tags", tags_of(subnet.tags()));
    let health = match subnet.state() {
        Some(SubnetState::Available) | None => Health::Ready,
        Some(state @ (SubnetState::Failed | SubnetState::FailedInsufficientCapacity)) => {
            Health::Failed(format!("the subnet's state is {}", state.as_str()))
        }
        Some(state) => Health::Busy(state.as_str().to_owned()),
    };
    let outputs = super::outputs([
        ("SubnetId", subnet.subnet_id()),
        ("AvailabilityZone", subnet.availability_zone()),
        ("VpcId", subnet.vpc_id()),
        ("CidrBlock", subnet.cidr_block()),
    ]);
    Seen { id: subnet.subnet_id().unwrap_or_default().to_owned(), properties, outputs, health }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::PrivateDnsNameOptionsOnLaunch;

    use super::*;

    #[test]
    fn every_attribute_that_can_be_switched_is_shown() {
        let names = PrivateDnsNameOptionsOnLaunch::builder()
            .enable_resource_name_dns_aaaa_record(true)
            .enable_resource_name_dns_a_record(true)
            .hostname_type(HostnameType::ResourceName);
        let model = Model::builder()
            .assign_ipv6_address_on_creation(true)
            .enable_dns64(true)
            .map_public_ip_on_launch(true)
            .private_dns_name_options_on_launch(names.build());
        let seen = shown(&model.build());
        for name in ATTRIBUTES {
            assert_eq!(seen.properties.flag(name), Some(true), "{name}");
        }
        assert_eq!(seen.properties.text(HOSTNAME_TYPE).as_deref(), Some("resource-name"));
    }

    #[test]
    fn a_subnet_follows_its_state() {
        let health = |state: &str| shown(&Model::builder().state(SubnetState::from(state)).build()).health;
        assert_eq!(health("available"), Health::Ready);
        assert_eq!(health("pending"), Health::Busy("pending".to_owned()));
        let reason = "the subnet's state is failed-insufficient-capacity".to_owned();
        assert_eq!(health("failed-insufficient-capacity"), Health::Failed(reason));
    }
}
