//! A network on AWS: a VPC cut into public, private and data subnets.
//!
//! Each private subnet has a route table of its own whatever the number of NAT gateways is, so that going from one gateway
//! to one per zone changes routes in place. Data subnets share a route table without any route out of the VPC. S3 is
//! reached from private and data subnets through a gateway endpoint, which costs nothing and never leaves AWS.
//!
//! Zones are the first ones of the region unless they are named. EKS keeps no control plane in one zone of us-east-1,
//! us-west-1 and ca-central-1 each, and which letter that zone has differs between accounts: name the zones there.
//!
//! The VPC's default security group cannot be changed through CloudFormation's schema; nothing of ours is put into it.

use landfall_core::kind::{Nat, Network, NetworkOutputs, NetworkSpec, Subnet, Tier};
use landfall_core::resource::{Address, TargetField, Value};
use landfall_core::scope::{Native, Scope};
use landfall_core::{Result, join, list, map, properties};

use crate::iam::Rights;
use crate::key::User;
use crate::{Aws, iam, key, region, subnet};

impl Network for Aws {
    fn expand_network(&self, spec: &NetworkSpec, scope: &mut Scope<'_>) -> Result<NetworkOutputs> {
        let zones = region::zones(scope.region(), spec.zones, &spec.zone_names)?;
        let cidr = spec.cidr.trunc();
        let vpc = scope.native(
            "vpc",
            "AWS::EC2::VPC",
            properties! {
                "CidrBlock" => cidr.to_string(),
                "EnableDnsSupport" => true,
                "EnableDnsHostnames" => true,
                "InstanceTenancy" => "default",
            },
        )?;
        let mut parts = Parts { spec, vpc, zones, subnets: Vec::new() };
        parts.subnets(scope)?;
        let attachment = parts.internet(scope)?;
        let tables = parts.private(scope, attachment.as_ref())?;
        parts.data(scope, tables)?;
        if spec.flow_logs {
            parts.flow_logs(scope)?;
        }
        Ok(NetworkOutputs::new(parts.vpc.id(), cidr, parts.subnets))
    }
}

/// The parts of a network that nodes need before they can reach anything: their way out, and to S3.
///
/// # Errors
/// As [`region::zones`].
pub(crate) fn ways_out(name: &str, spec: &NetworkSpec, scope: &Scope<'_>) -> Result<Vec<Address>> {
    let address = |part: &str| Address::new(scope.cloud(), "network", name, part);
    let mut all = vec![address("endpoint-s3")?];
    for zone in region::zones(scope.region(), spec.zones, &spec.zone_names)? {
        let suffix = region::suffix(scope.region(), &zone);
        all.push(address(&format!("association-private-{suffix}"))?);
        if has_nat(spec) {
            all.push(address(&format!("route-private-{suffix}-internet"))?);
        }
    }
    Ok(all)
}

/// How many zones a network has: those named count, and the number only without names.
pub(crate) fn zone_count(spec: &NetworkSpec) -> u8 {
    if spec.zone_names.is_empty() { spec.zones } else { u8::try_from(spec.zone_names.len()).unwrap_or(u8::MAX) }
}

/// Whether private subnets reach the internet: gateways stand in public subnets.
pub(crate) fn has_nat(spec: &NetworkSpec) -> bool {
    spec.nat != Nat::None && spec.tiers.contains(&Tier::Private) && spec.tiers.contains(&Tier::Public)
}

struct Parts<'a> {
    spec: &'a NetworkSpec,
    vpc: Native,
    zones: Vec<String>,
    subnets: Vec<Subnet>,
}

impl Parts<'_> {
    fn subnets(&mut self, scope: &mut Scope<'_>) -> Result<()> {
        let count = u8::try_from(self.zones.len()).unwrap_or(u8::MAX);
        for tier in [Tier::Public, Tier::Private, Tier::Data] {
            if !self.spec.tiers.contains(&tier) {
                continue;
            }
            for (position, zone) in (0..count).zip(&self.zones) {
                let suffix = region::suffix(scope.region(), zone);
                let cidr = subnet::range(self.spec.cidr, count, tier, position)?;
                let mut properties = properties! {
                    "VpcId" => self.vpc.id(),
                    // The region is the target's, so that an exported template stands in any region.
                    "AvailabilityZone" => join![TargetField::Region, suffix],
                    "CidrBlock" => cidr.to_string(),
                    "MapPublicIpOnLaunch" => false,
                };
                // Kubernetes finds the subnets for its load balancers by these tags.
                let role = match tier {
                    Tier::Public => Some("kubernetes.io/role/elb"),
                    Tier::Private => Some("kubernetes.io/role/internal-elb"),
                    Tier::Data => None,
                };
                if let Some(role) = role {
                    properties.insert("Tags".into(), list![map! { "Key" => role, "Value" => "1" }]);
                }
                let part = format!("subnet-{}-{suffix}", word(tier));
                let subnet = scope.native(&part, "AWS::EC2::Subnet", properties)?;
                self.subnets.push(Subnet { tier, zone: zone.clone(), cidr, id: subnet.id() });
            }
        }
        Ok(())
    }

    /// The internet gateway and the public route table. Nothing without a public tier.
    fn internet(&self, scope: &mut Scope<'_>) -> Result<Option<Native>> {
        if !self.spec.tiers.contains(&Tier::Public) {
            return Ok(None);
        }
        let gateway = scope.native("internet-gateway", "AWS::EC2::InternetGateway", properties! {})?;
        let attachment = scope.native(
            "internet-gateway-attachment",
            "AWS::EC2::VPCGatewayAttachment",
            properties! { "VpcId" => self.vpc.id(), "InternetGatewayId" => gateway.id() },
        )?;
        let table = self.table(scope, "routes-public")?;
        scope.native_with(
            "route-public-internet",
            "AWS::EC2::Route",
            properties! {
                "RouteTableId" => table.id(), "DestinationCidrBlock" => "0.0.0.0/0", "GatewayId" => gateway.id(),
            },
            |route| {
                route.depends_on.insert(attachment.address().clone());
            },
        )?;
        self.associate(scope, Tier::Public, &table, None)?;
        Ok(Some(attachment))
    }

    /// A route table for each private subnet, with its way out. Answers the tables.
    fn private(&self, scope: &mut Scope<'_>, attachment: Option<&Native>) -> Result<Vec<Native>> {
        if !self.spec.tiers.contains(&Tier::Private) {
            return Ok(Vec::new());
        }
        let gateways = match attachment {
            Some(attachment) if has_nat(self.spec) => self.nat_gateways(scope, attachment)?,
            _ => Vec::new(),
        };
        let mut tables = Vec::new();
        for (position, zone) in self.zones.iter().enumerate() {
            let suffix = region::suffix(scope.region(), zone);
            let table = self.table(scope, &format!("routes-private-{suffix}"))?;
            if let Some(gateway) = gateways.get(position).or(gateways.first()) {
                scope.native(
                    &format!("route-private-{suffix}-internet"),
                    "AWS::EC2::Route",
                    properties! {
                        "RouteTableId" => table.id(),
                        "DestinationCidrBlock" => "0.0.0.0/0",
                        "NatGatewayId" => gateway.id(),
                    },
                )?;
            }
            self.associate(scope, Tier::Private, &table, Some(zone))?;
            tables.push(table);
        }
        Ok(tables)
    }

    fn nat_gateways(&self, scope: &mut Scope<'_>, attachment: &Native) -> Result<Vec<Native>> {
        let public: Vec<_> = self.subnets.iter().filter(|subnet| subnet.tier == Tier::Public).collect();
        let count = if self.spec.nat == Nat::PerZone { public.len() } else { 1 };
        let mut gateways = Vec::new();
        for subnet in public.into_iter().take(count) {
            let suffix = region::suffix(scope.region(), &subnet.zone);
            let after = |resource: &mut landfall_core::resource::Resource| {
                resource.depends_on.insert(attachment.address().clone());
            };
            let address = scope.native_with(
                &format!("nat-address-{suffix}"),
                "AWS::EC2::EIP",
                properties! { "Domain" => "vpc" },
                after,
            )?;
            gateways.push(scope.native_with(
                &format!("nat-{suffix}"),
                "AWS::EC2::NatGateway",
                properties! {
                    "SubnetId" => subnet.id.clone(),
                    "AllocationId" => address.attribute("AllocationId"),
                    "ConnectivityType" => "public",
                },
                after,
            )?);
        }
        Ok(gateways)
    }

    /// The route table of the data subnets, which has no way out, and the endpoint for S3.
    fn data(&self, scope: &mut Scope<'_>, mut tables: Vec<Native>) -> Result<()> {
        if self.spec.tiers.contains(&Tier::Data) {
            let table = self.table(scope, "routes-data")?;
            self.associate(scope, Tier::Data, &table, None)?;
            tables.push(table);
        }
        if tables.is_empty() {
            return Ok(());
        }
        let service = if scope.region().starts_with("cn-") { "cn.com.amazonaws." } else { "com.amazonaws." };
        scope.native(
            "endpoint-s3",
            "AWS::EC2::VPCEndpoint",
            properties! {
                "VpcId" => self.vpc.id(),
                "ServiceName" => join![service, TargetField::Region, ".s3"],
                "VpcEndpointType" => "Gateway",
                "RouteTableIds" => tables.iter().map(Native::id).collect::<Vec<Value>>(),
            },
        )?;
        Ok(())
    }

    /// The log of all flows, in a log group of its own with a key of its own.
    fn flow_logs(&self, scope: &mut Scope<'_>) -> Result<()> {
        let name = format!("/landfall/{}/network/{}/flow-logs", scope.stack().id, scope.name());
        let key =
            key::add(scope, "flow-logs-key", "Encrypts the network's flow logs", &[User::LogGroup(name.clone())])?;
        let group = scope.native(
            "flow-logs-group",
            "AWS::Logs::LogGroup",
            properties! {
                "LogGroupName" => name,
                "RetentionInDays" => self.spec.flow_log_days,
                "KmsKeyId" => key.attribute("Arn"),
            },
        )?;
        let actions = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"];
        let role = iam::role(
            scope,
            "flow-logs-role",
            "Lets VPC write flow logs",
            iam::trust_service("vpc-flow-logs.amazonaws.com", Some(iam::for_this_account())),
            Rights {
                managed: Vec::new(),
                inline: vec![(
                    "write",
                    iam::policy([
                        iam::allow(&actions, group.attribute("Arn")),
                        iam::allow(&["logs:DescribeLogGroups"], "*"),
                    ]),
                )],
            },
        )?;
        scope.native(
            "flow-logs",
            "AWS::EC2::FlowLog",
            properties! {
                "ResourceId" => self.vpc.id(),
                "ResourceType" => "VPC",
                "TrafficType" => "ALL",
                "LogDestinationType" => "cloud-watch-logs",
                "LogGroupName" => group.id(),
                "DeliverLogsPermissionArn" => role.attribute("Arn"),
                "MaxAggregationInterval" => 600,
            },
        )?;
        Ok(())
    }

    fn table(&self, scope: &mut Scope<'_>, part: &str) -> Result<Native> {
        scope.native(part, "AWS::EC2::RouteTable", properties! { "VpcId" => self.vpc.id() })
    }

    /// Ties the subnets of a tier (in one zone, or in all) to a route table.
    fn associate(&self, scope: &mut Scope<'_>, tier: Tier, table: &Native, zone: Option<&String>) -> Result<()> {
        let chosen = self.subnets.iter().filter(|subnet| subnet.tier == tier);
        for subnet in chosen.filter(|subnet| zone.is_none_or(|zone| *zone == subnet.zone)) {
            let suffix = region::suffix(scope.region(), &subnet.zone);
            scope.native(
                &format!("association-{}-{suffix}", word(tier)),
                "AWS::EC2::SubnetRouteTableAssociation",
                properties! { "SubnetId" => subnet.id.clone(), "RouteTableId" => table.id() },
            )?;
        }
        Ok(())
    }
}

fn word(tier: Tier) -> &'static str {
    match tier {
        Tier::Public => "public",
        Tier::Private => "private",
        Tier::Data => "data",
    }
}
