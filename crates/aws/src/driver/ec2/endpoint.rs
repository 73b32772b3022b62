//! `AWS::EC2::VPCEndpoint`: [CreateVpcEndpoint](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html)
//! and its neighbours; states by
//! [VpcEndpoint](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html), which the API writes with a
//! small first letter although the reference does not.

use async_trait::async_trait;
use aws_sdk_ec2::types::{IpAddressType, ResourceType, VpcEndpoint as Model, VpcEndpointType};
use landfall_core::Result;
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};

use super::{
    PAGE, asked, begun, id, listed, moved, outcome, outputs, retagged, specified, tags_of, token, unsuccessful,
};
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, incomplete};
use crate::driver::wanted::{Shown, Wanted, touches};

/// `AWS::EC2::VPCEndpoint`.
#[derive(Debug)]
pub(in crate::driver) struct VpcEndpoint;

#[async_trait]
impl Kept for VpcEndpoint {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::VPCEndpoint"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "IpAddressType",
            "PolicyDocument",
            "PrivateDnsEnabled",
            "RouteTableIds",
            "SecurityGroupIds",
            "ServiceName",
            "SubnetIds",
            "VpcEndpointType",
            "VpcId",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let asked = asked(call, which, "vpc-endpoint-id", &[]);
        let list = call.api.ec2.describe_vpc_endpoints();
        let found = listed!(asked, list.clone(), set_filters, PAGE, "ec2:DescribeVpcEndpoints");
        Ok(found.iter().filter_map(shown).collect())
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .ec2
            .create_vpc_endpoint()
            .vpc_id(desired.required("VpcId")?)
            .service_name(desired.required("ServiceName")?)
            .set_vpc_endpoint_type(desired.text("VpcEndpointType").map(|text| VpcEndpointType::from(text.as_str())))
            .set_policy_document(desired.document("PolicyDocument"))
            .set_route_table_ids(desired.texts("RouteTableIds"))
            .set_subnet_ids(desired.texts("SubnetIds"))
            .set_security_group_ids(desired.texts("SecurityGroupIds"))
            .set_private_dns_enabled(desired.flag("PrivateDnsEnabled"))
            .set_ip_address_type(desired.text("IpAddressType").map(|text| IpAddressType::from(text.as_str())))
            .set_client_token(token(at))
            .set_tag_specifications(specified(ResourceType::VpcEndpoint, &desired.tags("Tags")));
        let made = create.send().await.map_err(failed("ec2:CreateVpcEndpoint"))?;
        let made = made.vpc_endpoint.ok_or_else(|| incomplete("vpcEndpoint"))?;
        Ok(match shown(&made) {
            Some(seen) => begun(seen),
            None => Started::running(made.vpc_endpoint_id.unwrap_or_default(), "deleted"),
        })
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Started> {
        let now = retagged(call, self, at, desired, changed).await?.properties;
        let part = |name: &str| match touches(changed, name) {
            true => moved(now.texts(name).as_deref(), desired.texts(name)),
            false => (None, None),
        };
        let (tables, no_tables) = part("RouteTableIds");
        let (subnets, no_subnets) = part("SubnetIds");
        let (groups, no_groups) = part("SecurityGroupIds");
        let mut modify = call
            .api
            .ec2
            .modify_vpc_endpoint()
            .vpc_endpoint_id(id(at))
            .set_add_route_table_ids(tables)
            .set_remove_route_table_ids(no_tables)
            .set_add_subnet_ids(subnets)
            .set_remove_subnet_ids(no_subnets)
            .set_add_security_group_ids(groups)
            .set_remove_security_group_ids(no_groups);
        if touches(changed, "PolicyDocument") {
            let policy = desired.document("PolicyDocument");
            modify = modify.set_reset_policy(policy.is_none().then_some(true)).set_policy_document(policy);
        }
        if touches(changed, "PrivateDnsEnabled") {
            modify = modify.private_dns_enabled(desired.flag("PrivateDnsEnabled").unwrap_or_default());
        }
        if touches(changed, "IpAddressType")
            && let Some(wanted) = desired.text("IpAddressType")
        {
            modify = modify.ip_address_type(IpAddressType::from(wanted.as_str()));
        }
        if changed.iter().any(|path| path != "Tags") {
            modify.send().await.map_err(failed("ec2:ModifyVpcEndpoint"))?;
        }
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let delete = call.api.ec2.delete_vpc_endpoints().vpc_endpoint_ids(id(at));
        let answer = delete.send().await.map_err(failed("ec2:DeleteVpcEndpoints"))?;
        unsuccessful("ec2:DeleteVpcEndpoints", answer.unsuccessful())?;
        Ok(Started::running(id(at), "deleting"))
    }
}

/// `None` for one that is deleted, which the API shows for some minutes.
fn shown(endpoint: &Model) -> Option<Seen> {
    let state = endpoint.state().map(|state| state.as_str().to_ascii_lowercase()).unwrap_or_default();
    let reason = || {
        let told = endpoint.last_error().and_then(|error| error.message()).or(endpoint.failure_reason());
        Health::Failed(format!("the endpoint is {state}: {}", told.unwrap_or("no reason is given")))
    };
    let health = match state.as_str() {
        "deleted" => return None,
        "deleting" => Health::Deleting,
        "available" | "" => Health::Ready,
        "failed" | "rejected" | "expired" => reason(),
        _ => Health::Busy(state.clone()),
    };
    let mut properties = Properties::new();
    properties.show("IpAddressType", endpoint.ip_address_type().map(IpAddressType::as_str));
    properties.show_document("PolicyDocument", endpoint.policy_document());
    properties.show("PrivateDnsEnabled", endpoint.private_dns_enabled());
    properties.show_texts("RouteTableIds", endpoint.route_table_ids());
    let groups: Vec<String> =
        endpoint.groups().iter().filter_map(|group| group.group_id().map(str::to_owned)).collect();
    properties.show_texts("SecurityGroupIds", &groups);
    properties.show("ServiceName", endpoint.service_name());
    properties.show_texts("SubnetIds", endpoint.subnet_ids());
    properties.show("VpcEndpointType", endpoint.vpc_endpoint_type().map(VpcEndpointType::as_str));
    properties.show("VpcId", endpoint.vpc_id());
    properties.show_tags("Tags", tags_of(endpoint.tags()));
    let outputs = outputs([("Id", endpoint.vpc_endpoint_id())]);
    Some(Seen { id: endpoint.vpc_endpoint_id().unwrap_or_default().to_owned(), properties, outputs, health })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{LastError, SecurityGroupIdentifier, State};
    use landfall_core::{list, map};

    use super::*;

    #[test]
    fn an_endpoint_shows_its_policy_and_who_reaches_it() {
        let group = SecurityGroupIdentifier::builder().group_id("sg-1").group_name("nodes").build();
        let model = Model::builder()
            .vpc_endpoint_id("vpce-1")
            .vpc_endpoint_type(VpcEndpointType::Interface)
            .policy_document(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*"}]}"#)
            .groups(group)
            .private_dns_enabled(true);
        let properties = shown(&model.build()).unwrap().properties;
        let policy = map! {
            "Version" => "2012-10-17",
            "Statement" => list![map! { "Effect" => "Allow", "Action" => "s3:*" }],
        };
        assert_eq!(properties.get("PolicyDocument"), Some(&policy));
        assert_eq!(properties.get("SecurityGroupIds"), Some(&["sg-1"].into()));
        assert_eq!(properties.get("PrivateDnsEnabled"), Some(&true.into()));
        assert_eq!(properties.get("RouteTableIds"), None);
    }

    #[test]
    fn states_are_read_however_they_are_written() {
        let health = |state: &str| {
            let error = LastError::builder().message("the owner said no").build();
            shown(&Model::builder().vpc_endpoint_id("vpce-1").state(State::from(state)).last_error(error).build())
                .map(|seen| seen.health)
        };
        for state in ["available", "Available"] {
            assert_eq!(health(state), Some(Health::Ready));
        }
        assert_eq!(health("pending"), Some(Health::Busy("pending".to_owned())));
        assert_eq!(health("pendingAcceptance"), Some(Health::Busy("pendingacceptance".to_owned())));
        assert_eq!(health("deleting"), Some(Health::Deleting));
        assert_eq!(health("deleted"), None);
        assert_eq!(health("rejected"), Some(Health::Failed("the endpoint is rejected: the owner said no".to_owned())));
    }
}
