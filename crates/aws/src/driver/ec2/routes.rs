//! Route tables, their routes, and the subnets that follow them.
//!
//! Sources: [CreateRoute](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRoute.html),
//! [DescribeRouteTables](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRouteTables.html), which shows
//! routes and associations with their table, and their neighbours.

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    ResourceType, Route as RouteModel, RouteOrigin, RouteTable as Model, RouteTableAssociation,
    RouteTableAssociationStateCode as State,
};
use landfall_core::Result;
use landfall_core::driver::Health;
use landfall_core::resource::{Identity, Properties};

use super::{
    VALUES, asked, begun, claimed, filter, id, known, listed, outcome, outputs, retagged, specified, tags_of, token,
    visible,
};
use crate::driver::error::failed;
use crate::driver::kept::{Call, Kept, Seen, Started, Which, incomplete};
use crate::driver::wanted::{Shown, Wanted};

/// The most tables that one page holds.
const PAGE: i32 = 100;

/// `AWS::EC2::RouteTable`.
#[derive(Debug)]
pub(in crate::driver) struct RouteTable;

#[async_trait]
impl Kept for RouteTable {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::RouteTable"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["VpcId"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        Ok(tables(call, asked(call, which, "route-table-id", &[])).await?.iter().map(table).collect())
    }

    async fn create(&self, call: &Call<'_>, at: &Identity, desired: &Properties) -> Result<Started> {
        let create = call
            .api
            .ec2
            .create_route_table()
            .vpc_id(desired.required("VpcId")?)
            .set_client_token(token(at))
            .set_tag_specifications(specified(ResourceType::RouteTable, &desired.tags("Tags")));
        let made = create.send().await.map_err(failed("ec2:CreateRouteTable"))?;
        Ok(begun(table(&made.route_table.ok_or_else(|| incomplete("routeTable"))?)))
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
        let delete = call.api.ec2.delete_route_table().route_table_id(id(at));
        delete.send().await.map_err(failed("ec2:DeleteRouteTable"))?;
        Ok(Started::gone(id(at)))
    }
}

async fn tables(call: &Call<'_>, asked: Vec<Vec<aws_sdk_ec2::types::Filter>>) -> Result<Vec<Model>> {
    Ok(listed!(asked, call.api.ec2.describe_route_tables(), set_filters, PAGE, "ec2:DescribeRouteTables"))
}

fn table(table: &Model) -> Seen {
    let mut properties = Properties::new();
    properties.show("VpcId", table.vpc_id());
    properties.show_tags("Tags", tags_of(table.tags()));
    let outputs = outputs([("RouteTableId", table.route_table_id())]);
    Seen { id: table.route_table_id().unwrap_or_default().to_owned(), properties, outputs, health: Health::Ready }
}

/// `AWS::EC2::Route`, to IPv4 addresses. Its id is the table and the destination, with `|` between them.
#[derive(Debug)]
pub(in crate::driver) struct Route;

/// Sets the target of a route, which has one, on a builder of either call.
macro_rules! to {
    ($builder:expr, $desired:expr) => {
        $builder
            .set_carrier_gateway_id($desired.text("CarrierGatewayId"))
            .set_core_network_arn($desired.text("CoreNetworkArn"))
            .set_gateway_id($desired.text("GatewayId"))
            .set_instance_id($desired.text("InstanceId"))
            .set_local_gateway_id($desired.text("LocalGatewayId"))
            .set_nat_gateway_id($desired.text("NatGatewayId"))
            .set_network_interface_id($desired.text("NetworkInterfaceId"))
            .set_transit_gateway_id($desired.text("TransitGatewayId"))
            .set_vpc_endpoint_id($desired.text("VpcEndpointId"))
            .set_vpc_peering_connection_id($desired.text("VpcPeeringConnectionId"))
    };
}

#[async_trait]
impl Kept for Route {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::Route"
    }

    fn settable(&self) -> &'static [&'static str] {
        &[
            "CarrierGatewayId",
            "CoreNetworkArn",
            "DestinationCidrBlock",
            "GatewayId",
            "InstanceId",
            "LocalGatewayId",
            "NatGatewayId",
            "NetworkInterfaceId",
            "RouteTableId",
            "TransitGatewayId",
            "VpcEndpointId",
            "VpcPeeringConnectionId",
        ]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let ids: std::collections::BTreeSet<&str> =
            which.identities().iter().filter_map(|at| place(at).map(|(table, _)| table)).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let asked = ids.chunks(VALUES).map(|some| vec![filter("route-table-id", some.iter().copied())]);
        let found = tables(call, asked.collect()).await?;
        Ok(found
            .iter()
            .flat_map(|table| {
                table.routes().iter().filter_map(|one| route(table.route_table_id().unwrap_or_default(), one))
            })
            .collect())
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let (table, destination) = (desired.required("RouteTableId")?, desired.required("DestinationCidrBlock")?);
        let create = call.api.ec2.create_route().route_table_id(&table).destination_cidr_block(&destination);
        to!(create, desired).send().await.map_err(failed("ec2:CreateRoute"))?;
        let made = RouteModel::builder().destination_cidr_block(destination).build();
        route(&table, &made).map(begun).ok_or_else(|| incomplete("destinationCidrBlock"))
    }

    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        _changed: &[String],
    ) -> Result<Started> {
        let replace = call
            .api
            .ec2
            .replace_route()
            .route_table_id(desired.required("RouteTableId")?)
            .destination_cidr_block(desired.required("DestinationCidrBlock")?);
        to!(replace, desired).send().await.map_err(failed("ec2:ReplaceRoute"))?;
        Ok(outcome(call, self, at).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let (table, destination) = place(at).unwrap_or_default();
        let delete = call.api.ec2.delete_route().route_table_id(table).destination_cidr_block(destination);
        delete.send().await.map_err(failed("ec2:DeleteRoute"))?;
        Ok(Started::gone(id(at)))
    }
}

/// The table and the destination of a route's identity.
fn place(at: &Identity) -> Option<(&str, &str)> {
    match &at.id {
        Some(id) => id.split_once('|'),
        None => Some((claimed(at, "RouteTableId")?, claimed(at, "DestinationCidrBlock")?)),
    }
}

/// A route that somebody made or that came with the table. One whose target is gone (`blackhole`) is there all the same.
fn route(table: &str, route: &RouteModel) -> Option<Seen> {
    if matches!(route.origin(), Some(RouteOrigin::EnableVgwRoutePropagation | RouteOrigin::Advertisement)) {
        return None;
    }
    let destination = route.destination_cidr_block()?;
    // Endpoints are shown among the gateways.
    let (endpoint, gateway): (Vec<_>, Vec<_>) = route.gateway_id().into_iter().partition(|id| id.starts_with("vpce-"));
    let mut properties = Properties::new();
    properties.show("CarrierGatewayId", route.carrier_gateway_id());
    properties.show("CoreNetworkArn", route.core_network_arn());
    properties.show("DestinationCidrBlock", Some(destination));
    properties.show("GatewayId", gateway.first().copied());
    properties.show("InstanceId", route.instance_id());
    properties.show("LocalGatewayId", route.local_gateway_id());
    properties.show("NatGatewayId", route.nat_gateway_id());
    properties.show("NetworkInterfaceId", route.network_interface_id());
    properties.show("RouteTableId", Some(table));
    properties.show("TransitGatewayId", route.transit_gateway_id());
    properties.show("VpcEndpointId", endpoint.first().copied());
    properties.show("VpcPeeringConnectionId", route.vpc_peering_connection_id());
    let id = format!("{table}|{destination}");
    let outputs = outputs([("Id", Some(&id)), ("CidrBlock", Some(destination))]);
    Some(Seen { id, properties, outputs, health: Health::Ready })
}

/// `AWS::EC2::SubnetRouteTableAssociation`.
#[derive(Debug)]
pub(in crate::driver) struct Association;

#[async_trait]
impl Kept for Association {
    fn type_name(&self) -> &'static str {
        "AWS::EC2::SubnetRouteTableAssociation"
    }

    fn settable(&self) -> &'static [&'static str] {
        &["RouteTableId", "SubnetId"]
    }

    async fn read(&self, call: &Call<'_>, which: Which<'_>) -> Result<Vec<Seen>> {
        let id = "association.route-table-association-id";
        let found = tables(call, asked(call, which, id, &[("SubnetId", "association.subnet-id")])).await?;
        Ok(found.iter().flat_map(Model::associations).filter_map(association).collect())
    }

    async fn create(&self, call: &Call<'_>, _at: &Identity, desired: &Properties) -> Result<Started> {
        let associate = call
            .api
            .ec2
            .associate_route_table()
            .subnet_id(desired.required("SubnetId")?)
            .route_table_id(desired.required("RouteTableId")?);
        let made = associate.send().await.map_err(failed("ec2:AssociateRouteTable"))?;
        let made = RouteTableAssociation::builder()
            .route_table_association_id(made.association_id.ok_or_else(|| incomplete("associationId"))?)
            .set_association_state(made.association_state)
            .subnet_id(desired.required("SubnetId")?)
            .build();
        association(&made).map(begun).ok_or_else(|| incomplete("associationState"))
    }

    /// A subnet that follows another table already is brought to this one.
    async fn update(
        &self,
        call: &Call<'_>,
        at: &Identity,
        desired: &Properties,
        _changed: &[String],
    ) -> Result<Started> {
        let seen = visible(call, self, at).await?;
        let table = desired.required("RouteTableId")?;
        if seen.properties.text("RouteTableId").as_deref() == Some(&table) {
            return Ok(begun(seen));
        }
        let replace = call.api.ec2.replace_route_table_association().association_id(&seen.id).route_table_id(table);
        let made = replace.send().await.map_err(failed("ec2:ReplaceRouteTableAssociation"))?;
        let id = made.new_association_id.ok_or_else(|| incomplete("newAssociationId"))?;
        Ok(outcome(call, self, &known(at, &id)).await)
    }

    async fn delete(&self, call: &Call<'_>, at: &Identity) -> Result<Started> {
        let disassociate = call.api.ec2.disassociate_route_table().association_id(id(at));
        disassociate.send().await.map_err(failed("ec2:DisassociateRouteTable"))?;
        Ok(Started::gone(id(at)))
    }
}

/// `None` for the association of a VPC or a gateway, and for one that is no more.
fn association(association: &RouteTableAssociation) -> Option<Seen> {
    let subnet = association.subnet_id()?;
    let id = association.route_table_association_id()?.to_owned();
    let state = association.association_state();
    let health = match state.and_then(|state| state.state()) {
        Some(State::Disassociated) => return None,
        Some(State::Disassociating) => Health::Deleting,
        Some(State::Failed) => {
            let reason = state.and_then(|state| state.status_message()).unwrap_or("no reason is given");
            Health::Failed(format!("the association failed: {reason}"))
        }
        Some(State::Associated) | None => Health::Ready,
        Some(state) => Health::Busy(state.as_str().to_owned()),
    };
    let mut properties = Properties::new();
    properties.show("RouteTableId", association.route_table_id());
    properties.show("SubnetId", Some(subnet));
    let outputs = outputs([("Id", Some(&id))]);
    Some(Seen { id, properties, outputs, health })
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{RouteState, RouteTableAssociationState};

    use super::*;

    #[test]
    fn a_route_without_its_target_is_still_a_route() {
        let model = RouteModel::builder().destination_cidr_block("0.0.0.0/0").nat_gateway_id("nat-1");
        let seen = route("rtb-1", &model.state(RouteState::Blackhole).build()).unwrap();
        assert_eq!((seen.id.as_str(), &seen.health), ("rtb-1|0.0.0.0/0", &Health::Ready));
        assert_eq!(seen.properties.text("NatGatewayId").as_deref(), Some("nat-1"));
    }

    #[test]
    fn a_route_to_an_endpoint_is_not_one_to_a_gateway() {
        let shown = |gateway: &str| {
            let model = RouteModel::builder().destination_cidr_block("10.1.0.0/16").gateway_id(gateway).build();
            let properties = route("rtb-1", &model).unwrap().properties;
            (properties.text("GatewayId"), properties.text("VpcEndpointId"))
        };
        assert_eq!(shown("vpce-1"), (None, Some("vpce-1".to_owned())));
        assert_eq!(shown("igw-1"), (Some("igw-1".to_owned()), None));
    }

    #[test]
    fn routes_that_gateways_propagate_are_nobodys() {
        let model = RouteModel::builder().destination_cidr_block("10.1.0.0/16").gateway_id("vgw-1");
        assert!(route("rtb-1", &model.origin(RouteOrigin::EnableVgwRoutePropagation).build()).is_none());
        let lists = RouteModel::builder().destination_prefix_list_id("pl-1").gateway_id("vpce-1").build();
        assert!(route("rtb-1", &lists).is_none(), "it has no destination of IPv4");
    }

    #[test]
    fn an_association_follows_its_state() {
        let health = |state: &str| {
            let state = RouteTableAssociationState::builder().state(State::from(state)).status_message("why").build();
            let model = RouteTableAssociation::builder().subnet_id("subnet-1").route_table_association_id("rtbassoc-1");
            association(&model.association_state(state).build()).map(|seen| seen.health)
        };
        assert_eq!(health("associated"), Some(Health::Ready));
        assert_eq!(health("associating"), Some(Health::Busy("associating".to_owned())));
        assert_eq!(health("disassociating"), Some(Health::Deleting));
        assert_eq!(health("disassociated"), None);
        assert_eq!(health("failed"), Some(Health::Failed("the association failed: why".to_owned())));
        let main = RouteTableAssociation::builder().main(true).route_table_association_id("rtbassoc-2").build();
        assert!(association(&main).is_none());
    }
}
