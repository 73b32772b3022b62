//! What is looked at before the first change of a plan: quotas, machines and versions.
//!
//! moto knows the quotas of VPCs and how many roles an account may have; of the others it says what AWS says of a quota that an
//! account never asked for, so that AWS's default counts. It counts what there is. It knows which machines are sold in which
//! zone, and no versions of EKS or RDS: the proxy answers with some in its place.

use landfall::apply::Engine;
use landfall::plan::Mode;
use landfall::prelude::*;
use landfall::resource::{Address, Properties, Reference, Value};
use landfall::{Code, map, properties};

use crate::proxy::Kind;
use crate::world::{World, at_once};

type Natives = Vec<(String, &'static str, Properties)>;

async fn engine(world: &World, natives: &Natives) -> Engine {
    let declare = || {
        let mut platform = Platform::builder("ahead", "test", Aws::new("eu-west-1"));
        for (name, type_name, properties) in natives {
            platform.native(name, type_name, properties.clone());
        }
        platform
    };
    let platform = world.place(declare, "ledger").await;
    let setup = platform.engine().setup();
    at_once(setup, &setup.drivers)
}

/// Every problem of a plan for these.
async fn problems(world: &World, natives: &Natives) -> Vec<(Code, String)> {
    let engine = engine(world, natives).await;
    let plan = engine.plan(Mode::Converge).await.unwrap();
    match engine.preflight(&plan).await {
        Ok(()) => Vec::new(),
        Err(error) => error.problems().iter().map(|one| (one.code(), one.to_string())).collect(),
    }
}

/// The first so many of a type.
fn first(count: usize, type_name: &'static str) -> Natives {
    let kind = type_name.rsplit("::").next().unwrap().to_lowercase();
    let of = |number: usize| {
        let name = format!("{kind}-{number}");
        let properties = match type_name {
            "AWS::EC2::InternetGateway" => properties! {},
            "AWS::EC2::EIP" => properties! { "Domain" => "vpc" },
            "AWS::EKS::Cluster" => properties! {
                "Name" => name.as_str(),
                "RoleArn" => "arn:aws:iam::123456789012:role/cluster",
                "ResourcesVpcConfig" => map! { "SubnetIds" => ["subnet-1", "subnet-2"] },
            },
            "AWS::RDS::DBInstance" => properties! {
                "DBInstanceIdentifier" => name.as_str(),
                "Engine" => "postgres",
                "DBInstanceClass" => "db.m7g.large",
                "AllocatedStorage" => "20",
                "MasterUsername" => "administrator",
                "ManageMasterUserPassword" => true,
            },
            _ => properties! {
                "RoleName" => name.as_str(),
                "AssumeRolePolicyDocument" => map! { "Version" => "2012-10-17", "Statement" => [] as [&str; 0] },
            },
        };
        (name, type_name, properties)
    };
    (0..count).map(of).collect()
}

#[tokio::test]
async fn each_quota_that_a_plan_would_go_beyond_stops_it() {
    let Some(world) = World::alone() else { return };
    let quotas = [
        ("AWS::EC2::InternetGateway", "Internet gateways per Region (L-A4707A72)", 5),
        ("AWS::EC2::EIP", "EC2-VPC Elastic IPs (L-0263D0A3)", 5),
        ("AWS::EKS::Cluster", "Clusters (L-1194D53C)", 100),
        ("AWS::RDS::DBInstance", "DB instances (L-7B6409FD)", 40),
        ("AWS::IAM::Role", "Roles per account (L-FE177D64)", 1_000),
    ];
    let there: Natives = quotas.iter().flat_map(|(type_name, ..)| first(1, type_name)).collect();
    engine(&world, &there).await.converge().await.unwrap();
    let up_to = |more: usize| -> Natives {
        quotas.iter().flat_map(|(type_name, _, allowed)| first(allowed + more, type_name)).collect()
    };
    assert_eq!(problems(&world, &up_to(0)).await, []);
    let found = problems(&world, &up_to(1)).await;
    for (type_name, name, allowed) in quotas {
        let text = format!("the quota {name} allows {allowed}, with 1 in use and {allowed} more to come: {type_name}");
        assert!(found.iter().any(|(code, said)| *code == Code::Quota && said.contains(&text)), "{text}: {found:#?}");
    }
    assert_eq!(found.len(), quotas.len());
}

fn of(name: &str) -> Value {
    let target = Address::new("aws", "native", name, "resource").unwrap();
    Value::Reference(Reference { target, attribute: String::new() })
}

/// A node group of machines of this type in the first zone.
fn nodes(machine: &str) -> Natives {
    let subnet = properties! {
        "VpcId" => "vpc-1", "CidrBlock" => "10.0.0.0/24", "AvailabilityZone" => "eu-west-1a",
    };
    let group = properties! {
        "ClusterName" => "cluster",
        "NodegroupName" => "nodes",
        "NodeRole" => "arn:aws:iam::123456789012:role/nodes",
        "Subnets" => landfall::list![of("subnet")],
        "InstanceTypes" => [machine],
        "ScalingConfig" => map! { "MinSize" => 0, "MaxSize" => 5, "DesiredSize" => 2 },
    };
    vec![("subnet".to_owned(), "AWS::EC2::Subnet", subnet), ("nodes".to_owned(), "AWS::EKS::Nodegroup", group)]
}

#[tokio::test]
async fn a_machine_that_its_zones_do_not_sell_stops_a_plan() {
    let Some(world) = World::new() else { return };
    assert_eq!(problems(&world, &nodes("m5.xlarge")).await, []);
    let found = problems(&world, &nodes("p4d.24xlarge")).await;
    assert!(
        matches!(&found[..], [(Code::UnknownMachine, said)]
        if said.contains("(eu-west-1a): p4d.24xlarge") && said.contains("it is offered in eu-west-1c")),
        "{found:#?}"
    );
    let found = problems(&world, &nodes("g6.xlarge")).await;
    assert!(
        matches!(&found[..], [(Code::UnknownMachine, said)]
        if said.contains("choose another machine type or another region")),
        "{found:#?}"
    );
}

#[tokio::test]
async fn processors_beyond_their_quota_stop_a_plan() {
    let Some(world) = World::new() else { return };
    let four = Kind::Answered { status: 200, body: r#"{"Quota":{"QuotaCode":"L-DB2E81BA","Value":4.0}}"# };
    world.proxy.fault("GetServiceQuota", 1, four);
    let found = problems(&world, &nodes("g4dn.xlarge")).await;
    let text = "the quota of virtual processors (L-DB2E81BA) allows 4, the node groups begin with 8";
    assert!(matches!(&found[..], [(Code::Quota, said)] if said.contains(text)), "{found:#?}");
}

#[tokio::test]
async fn versions_that_the_region_does_not_offer_stop_a_plan() {
    let Some(world) = World::new() else { return };
    let body = r#"{"clusterVersions":[{"clusterVersion":"1.33"},{"clusterVersion":"1.34"}]}"#;
    world.proxy.fault("GET /", 1, Kind::Answered { status: 200, body });
    let mut cluster = first(1, "AWS::EKS::Cluster");
    cluster[0].2.insert("Version".to_owned(), "1.35".into());
    let found = problems(&world, &cluster).await;
    assert!(
        matches!(&found[..], [(Code::UnsupportedVersion, said)]
        if said.contains("1.35") && said.contains("it offers 1.33, 1.34")),
        "{found:#?}"
    );

    let database = first(1, "AWS::RDS::DBInstance");
    let none = "<DescribeDBEngineVersionsResponse><DescribeDBEngineVersionsResult><DBEngineVersions/>\
                </DescribeDBEngineVersionsResult></DescribeDBEngineVersionsResponse>";
    world.proxy.fault("DescribeDBEngineVersions", 1, Kind::Answered { status: 200, body: none });
    let found = problems(&world, &database).await;
    assert!(matches!(&found[..], [(Code::UnsupportedVersion, _)]), "{found:#?}");

    let one = "<DescribeDBEngineVersionsResponse><DescribeDBEngineVersionsResult><DBEngineVersions><DBEngineVersion>\
               <Engine>postgres</Engine><EngineVersion>17.4</EngineVersion></DBEngineVersion></DBEngineVersions>\
               </DescribeDBEngineVersionsResult></DescribeDBEngineVersionsResponse>";
    world.proxy.fault("DescribeDBEngineVersions", 1, Kind::Answered { status: 200, body: one });
    // moto sells no server of PostgreSQL but Aurora's.
    let found = problems(&world, &database).await;
    assert!(matches!(&found[..], [(Code::UnknownMachine, said)] if said.contains("db.m7g.large")), "{found:#?}");
}
