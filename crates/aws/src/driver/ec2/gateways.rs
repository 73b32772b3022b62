//! Ways in and out of a VPC: internet gateways and their attachments, elastic addresses, NAT gateways.
//!
//! Sources: [CreateNatGateway](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html),
//! [NatGateway](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html) for its states,
//! [AllocateAddress](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html),
//! [AttachInternetGateway](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html), and their
//! neighbours.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    Address as AddressModel, AttachmentStatus, ConnectivityType, DomainType, InternetGateway as GatewayModel,
    InternetGatewayAttachment, NatGateway as NatModel, NatGatewayState, ResourceType,
};
use landfall_core::Result;
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};

use super::{
    PAGE, asked, begun, claimed, filter, id, known, listed, outcome, outputs, retagged, specified, tags_of, token,
};
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, incomplete};
use crate::driver::wanted::{Shown, Wanted};

/// `AWS::EC2::InternetGateway`.
#[derive(Debug)]
pub(in crate::driver) struct InternetGateway;

#[async_trait]
impl Kept for InternetGateway {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::InternetGateway"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let asked = asked(call, which, "internet-gateway-id", &[]);
        let list = call.api.ec2.describe_internet_gateways();
        let found = listed!(asked, list.clone(), set_filters, PAGE, "ec2:DescribeInternetGateways");
        Ok(found.iter().map(gateway).collect())
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let tags = specified(ResourceType::InternetGateway, &desired.tags("Tags"));
        let create = call.api.ec2.create_internet_gateway().set_tag_specifications(tags);
        let made = create.send().await.map_err(failed("ec2:CreateInternetGateway"))?;
        Ok(begun(gateway(&made.internet_gateway.ok_or_else(|| incomplete("internetGateway"))?)))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        retagged(call, self, at, desired, changed).await?;
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let delete = call.api.ec2.delete_internet_gateway().internet_gateway_id(id(at));
        delete.send().await.map_err(failed("ec2:DeleteInternetGateway"))?;
        Ok(Started::gone(id(at)))
    }
}

fn gateway(gateway: &GatewayModel) -> Seen {
    let mut properties = Properties::new();
    properties.show_tags("Tags", tags_of(gateway.tags()));
    let outputs = outputs([("InternetGatewayId", gateway.internet_gateway_id())]);
    Seen {
        id: gateway.internet_gateway_id().unwrap_or_default().to_owned(),
        properties,
        outputs,
        health: Health::Ready,
    }
}

/// `AWS::EC2::VPCGatewayAttachment`, of internet gateways. Its id is `IGW|` and the VPC.
#[derive(Debug)]
pub(in crate::driver) struct Attachment;

const ATTACHED: &str = "IGW|";

#[async_trait]
impl Kept for Attachment {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::VPCGatewayAttachment"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["InternetGatewayId", "VpcId"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let vpcs: std::collections::BTreeSet<&str> = which.identities().iter().filter_map(vpc).collect();
        let vpcs: Vec<&str> = vpcs.into_iter().collect();
        let asked = vpcs.chunks(super::VALUES).map(|some| vec![filter("attachment.vpc-id", some.iter().copied())]);
        let list = call.api.ec2.describe_internet_gateways();
        let found = listed!(asked, list.clone(), set_filters, PAGE, "ec2:DescribeInternetGateways");
        Ok(found
            .iter()
            .flat_map(|gateway| gateway.attachments().iter().filter_map(|attachment| attached(gateway, attachment)))
            .collect())
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let vpc = desired.required("VpcId")?;
        let attach = call.api.ec2.attach_internet_gateway().vpc_id(&vpc);
        let attach = attach.internet_gateway_id(desired.required("InternetGatewayId")?);
        attach.send().await.map_err(failed("ec2:AttachInternetGateway"))?;
        Ok(outcome(call, self, &known(at, &format!("{ATTACHED}{vpc}"))).await)
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        _desired: &Properties,
        _changed: &[String],
    ) -> Result<Started> {
        // Both properties are its identity.
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let gateway = match claimed(at, "InternetGatewayId") {
            Some(gateway) => Some(gateway.to_owned()),
            None => call.again(self, at).await?.and_then(|seen| seen.properties.text("InternetGatewayId")),
        };
        let Some(gateway) = gateway else { return Ok(Started::gone(id(at))) };
        let detach = call.api.ec2.detach_internet_gateway().internet_gateway_id(gateway);
        let detach = detach.vpc_id(vpc(at).unwrap_or_default());
        detach.send().await.map_err(failed("ec2:DetachInternetGateway"))?;
        Ok(Started::gone(id(at)))
    }
}

/// The VPC of an attachment's identity.
fn vpc(at: &Identity) -> Option<&str> {
    at.id.as_deref().and_then(|id| id.strip_prefix(ATTACHED)).or_else(|| claimed(at, "VpcId"))
}

fn attached(gateway: &GatewayModel, attachment: &InternetGatewayAttachment) -> Option<Seen> {
    let health = match attachment.state() {
        Some(AttachmentStatus::Detached) => return None,
        Some(AttachmentStatus::Detaching) => Health::Deleting,
        Some(AttachmentStatus::Attaching) => Health::Busy("attaching".to_owned()),
        // For an internet gateway the API says `available`.
        _ => Health::Ready,
    };
    let mut properties = Properties::new();
    properties.show("VpcId", attachment.vpc_id());
    properties.show("InternetGatewayId", gateway.internet_gateway_id());
    let id = format!("{ATTACHED}{}", attachment.vpc_id()?);
    let outputs = outputs([("Id", Some(&id)), ("AttachmentType", Some("IGW"))]);
    Some(Seen { id, properties, outputs, health })
}

/// `AWS::EC2::EIP`.
#[derive(Debug)]
pub(in crate::driver) struct Address;

#[async_trait]
impl Kept for Address {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::EIP"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["Address", "Domain", "IpamPoolId", "NetworkBorderGroup", "PublicIpv4Pool"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let mut all = Vec::new();
        for filters in asked(call, which, "allocation-id", &[]) {
            // This listing has no pages.
            let list = call.api.ec2.describe_addresses().set_filters(Some(filters));
            let found = list.send().await.map_err(failed("ec2:DescribeAddresses"))?;
            all.extend(found.addresses().iter().map(address));
        }
        Ok(all)
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let allocate = call
            .api
            .ec2
            .allocate_address()
            .domain(desired.text("Domain").map_or(DomainType::Vpc, |text| DomainType::from(text.as_str())))
            .set_address(desired.text("Address"))
            .set_ipam_pool_id(desired.text("IpamPoolId"))
            .set_network_border_group(desired.text("NetworkBorderGroup"))
            .set_public_ipv4_pool(desired.text("PublicIpv4Pool"))
            .set_tag_specifications(specified(ResourceType::ElasticIp, &desired.tags("Tags")));
        let made = allocate.send().await.map_err(failed("ec2:AllocateAddress"))?;
        let made = AddressModel::builder()
            .allocation_id(made.allocation_id.ok_or_else(|| incomplete("allocationId"))?)
            .set_public_ip(made.public_ip)
            .build();
        Ok(begun(address(&made)))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        retagged(call, self, at, desired, changed).await?;
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let release = call.api.ec2.release_address().allocation_id(id(at));
        release.send().await.map_err(failed("ec2:ReleaseAddress"))?;
        Ok(Started::gone(id(at)))
    }
}

fn address(address: &AddressModel) -> Seen {
    let mut properties = Properties::new();
    properties.show("Domain", address.domain().map(DomainType::as_str));
    properties.show("InstanceId", address.instance_id().filter(|id| !id.is_empty()));
    properties.show("NetworkBorderGroup", address.network_border_group());
    properties.show("PublicIpv4Pool", address.public_ipv4_pool());
    properties.show_tags("Tags", tags_of(address.tags()));
    let outputs = outputs([("AllocationId", address.allocation_id()), ("PublicIp", address.public_ip())]);
    Seen { id: address.allocation_id().unwrap_or_default().to_owned(), properties, outputs, health: Health::Ready }
}

/// `AWS::EC2::NatGateway`, with one address in one zone.
#[derive(Debug)]
pub(in crate::driver) struct NatGateway;

#[async_trait]
impl Kept for NatGateway {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::NatGateway"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["AllocationId", "ConnectivityType", "PrivateIpAddress", "SubnetId"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let asked = asked(call, which, "nat-gateway-id", &[]);
        let found = listed!(asked, call.api.ec2.describe_nat_gateways(), set_filter, PAGE, "ec2:DescribeNatGateways");
        Ok(found.iter().filter_map(nat).collect())
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .ec2
            .create_nat_gateway()
            .subnet_id(desired.required("SubnetId")?)
            .set_allocation_id(desired.text("AllocationId"))
            .set_connectivity_type(desired.text("ConnectivityType").map(|text| ConnectivityType::from(text.as_str())))
            .set_private_ip_address(desired.text("PrivateIpAddress"))
            .set_client_token(token(at))
            .set_tag_specifications(specified(ResourceType::Natgateway, &desired.tags("Tags")));
        let made = create.send().await.map_err(failed("ec2:CreateNatGateway"))?;
        let made = made.nat_gateway.ok_or_else(|| incomplete("natGateway"))?;
        Ok(match nat(&made) {
            Some(seen) => begun(seen),
            None => Started::running(made.nat_gateway_id.unwrap_or_default(), "deleted"),
        })
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        retagged(call, self, at, desired, changed).await?;
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let delete = call.api.ec2.delete_nat_gateway().nat_gateway_id(id(at));
        delete.send().await.map_err(failed("ec2:DeleteNatGateway"))?;
        Ok(Started::running(id(at), "deleting"))
    }
}

/// `None` for one that is deleted, which the API shows for an hour.
fn nat(nat: &NatModel) -> Option<Seen> {
    let health = match nat.state() {
        Some(NatGatewayState::Deleted) => return None,
        Some(NatGatewayState::Deleting) => Health::Deleting,
        Some(NatGatewayState::Failed) => {
            let code = nat.failure_code().unwrap_or("failed");
            Health::Failed(format!("{code}: {}", nat.failure_message().unwrap_or("no reason is given")))
        }
        Some(NatGatewayState::Available) | None => Health::Ready,
        Some(state) => Health::Busy(state.as_str().to_owned()),
    };
    // An address that is the only one need not say that it is the first.
    let all = nat.nat_gateway_addresses();
    let first = all.iter().find(|address| address.is_primary() == Some(true)).or(all.first());
    let mut properties = Properties::new();
    properties.show("AllocationId", first.and_then(|first| first.allocation_id()));
    properties.show("ConnectivityType", nat.connectivity_type().map(ConnectivityType::as_str));
    properties.show("PrivateIpAddress", first.and_then(|first| first.private_ip()));
    properties.show("SubnetId", nat.subnet_id());
    properties.show("VpcId", nat.vpc_id());
    properties.show_tags("Tags", tags_of(nat.tags()));
    let outputs = outputs([
        ("NatGatewayId", nat.nat_gateway_id()),
        ("EniId", first.and_then(|first| first.network_interface_id())),
    ]);
    Some(Seen { id: nat.nat_gateway_id().unwrap_or_default().to_owned(), properties, outputs, health })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::NatGatewayAddress;

    use super::*;

    fn health(state: &str) -> Option<Health> {
        let model = NatModel::builder()
            .nat_gateway_id("nat-1")
            .state(NatGatewayState::from(state))
            .failure_code("Gateway.NotAttached")
            .failure_message("Network vpc-1 has no Internet gateway attached");
        nat(&model.build()).map(|seen| seen.health)
    }

    #[test]
    fn a_nat_gateway_says_why_it_failed_and_is_gone_when_deleted() {
        assert_eq!(health("available"), Some(Health::Ready));
        assert_eq!(health("pending"), Some(Health::Busy("pending".to_owned())));
        assert_eq!(health("deleting"), Some(Health::Deleting));
        assert_eq!(health("deleted"), None);
        let reason = "Gateway.NotAttached: Network vpc-1 has no Internet gateway attached".to_owned();
        assert_eq!(health("failed"), Some(Health::Failed(reason)));
    }

    #[test]
    fn the_first_address_of_a_nat_gateway_is_its_own() {
        let address = |id: &str, first| {
            NatGatewayAddress::builder().allocation_id(id).network_interface_id("eni-1").is_primary(first).build()
        };
        let model = NatModel::builder().nat_gateway_id("nat-1").state(NatGatewayState::Available);
        let model = model.nat_gateway_addresses(address("two", false)).nat_gateway_addresses(address("one", true));
        let seen = nat(&model.build()).unwrap();
        assert_eq!(seen.properties.text("AllocationId").as_deref(), Some("one"));
        assert_eq!(seen.outputs.text("EniId").as_deref(), Some("eni-1"));
    }

    #[test]
    fn an_attachment_is_there_until_it_is_detached() {
        let model = GatewayModel::builder().internet_gateway_id("igw-1").build();
        let health = |state: &str| {
            let attachment = InternetGatewayAttachment::builder().vpc_id("vpc-1").state(AttachmentStatus::from(state));
            attached(&model, &attachment.build()).map(|seen| (seen.id, seen.health))
        };
        let id = || "IGW|vpc-1".to_owned();
        assert_eq!(health("available"), Some((id(), Health::Ready)));
        assert_eq!(health("attaching"), Some((id(), Health::Busy("attaching".to_owned()))));
        assert_eq!(health("detaching"), Some((id(), Health::Deleting)));
        assert_eq!(health("detached"), None);
    }
}
