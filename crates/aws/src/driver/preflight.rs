//! Whether a plan can be made, looked at before its first change: the region, quotas at the plan's peak, names, machine
//! types, versions.
//!
//! Sources: [GetServiceQuota](https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html),
//! [DescribeInstanceTypeOfferings](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypeOfferings.html),
//! [DescribeClusterVersions](https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeClusterVersions.html),
//! [DescribeOrderableDBInstanceOptions](https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeOrderableDBInstanceOptions.html).
//!
//! All questions are asked at once. One that nobody answers (no permission to ask, a service that does not know or takes too
//! long) finds no problem; the create will tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::types::{Filter, InstanceTypeOffering, LocationType};
use futures_util::future::{BoxFuture, Either, join_all, select};
use landfall_core::clock::Clock;
use landfall_core::driver::{Ahead, Context, Driver, Observation};
use landfall_core::resource::{Address, Claim, Identity, IdentityClass, Ownership, Properties, ResourceType, Value};
use landfall_core::{Code, Error, Result};

use super::api::Api;
use super::error::failed;
use super::wanted::Wanted;

/// The families of machines that share a quota of virtual processors: how their types begin, and the quotas' codes for
/// machines on demand and for spot ones.
const PROCESSORS: &[(&[&str], &str, &str)] = &[
    (&["g", "vt"], "L-DB2E81BA", "L-3819A6DF"),
    (&["p"], "L-417A185B", "L-7212CCBC"),
    (&["inf"], "L-1945791B", "L-B5D1601B"),
    (&["trn"], "L-2C3B7624", "L-6B0D517C"),
    (&["a", "c", "d", "h", "i", "m", "r", "t", "z"], "L-1216C47A", "L-34B43A08"),
];

/// How long an answer is waited for: less than a lease lasts.
const LONGEST: Duration = Duration::from_secs(15);

type Question<'a> = BoxFuture<'a, Result<Vec<Error>>>;

/// Every problem that is found.
pub(super) async fn problems(api: &Api, types: &[ResourceType], clock: &dyn Clock, ahead: &Ahead) -> Vec<Error> {
    let mut questions: Vec<Question<'_>> = vec![Box::pin(region(api))];
    for (type_name, peak) in &ahead.peaks {
        if let Some(of) = types.iter().find(|of| of.name == *type_name) {
            questions.push(Box::pin(quota(api, of, *peak)));
        }
    }
    let made = |name: &'static str| ahead.creates.iter().filter(move |(_, type_name, _)| type_name == name);
    let groups: Vec<Group> = made("AWS::EKS::Nodegroup").map(|(at, _, wanted)| Group::of(at, wanted, ahead)).collect();
    if !groups.is_empty() {
        questions.push(Box::pin(machines(api, groups)));
    }
    for (address, _, wanted) in made("AWS::EKS::Cluster") {
        if let Some(version) = wanted.text("Version") {
            questions.push(Box::pin(kubernetes(api, address, version)));
        }
    }
    for (address, _, wanted) in made("AWS::RDS::DBInstance") {
        questions.push(Box::pin(database(api, address, wanted)));
    }
    let answers = join_all(questions.into_iter().map(|question| within(clock, question))).await;
    answers.into_iter().flatten().filter_map(Result::ok).flatten().collect()
}

/// The answer, when it comes in time.
async fn within<T>(clock: &dyn Clock, question: impl Future<Output = T>) -> Option<T> {
    match select(std::pin::pin!(question), clock.sleep(LONGEST)).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}

/// Which names that are ours to choose somebody else has already. Those that hang on what is still to be made are free.
pub(super) async fn taken(
    types: &[ResourceType],
    drivers: &BTreeMap<String, Arc<dyn Driver>>,
    clock: &dyn Clock,
    cx: &Context<'_>,
    ahead: &Ahead,
) -> Vec<Error> {
    let mut named: BTreeMap<&str, Vec<Identity>> = BTreeMap::new();
    for (address, type_name, wanted) in &ahead.creates {
        let Some(of) = types.iter().find(|of| of.name == *type_name) else { continue };
        let IdentityClass::Named(paths) = of.identity else { continue };
        let Some(name) = paths.iter().map(|path| wanted.text(path)).collect::<Option<Vec<_>>>() else { continue };
        named.entry(type_name).or_default().push(Identity {
            address: address.clone(),
            type_name: type_name.clone(),
            generation: 0,
            id: None,
            claim: Claim::Name(name),
            cluster: None,
        });
    }
    let looks = named.into_iter().filter_map(|(type_name, these)| {
        let driver = drivers.get(type_name)?.clone();
        Some(async move { within(clock, look(&*driver, cx, these)).await.unwrap_or_default() })
    });
    let looks = join_all(looks).await;
    looks.into_iter().flatten().filter_map(|(identity, seen)| stands_in_the_way(&identity, seen)).collect()
}

/// All at once, and one by one where one of them keeps the others from being seen.
async fn look(driver: &dyn Driver, cx: &Context<'_>, these: Vec<Identity>) -> Vec<(Identity, Result<Observation>)> {
    if let Ok(seen) = driver.observe(cx, &these).await {
        return these.into_iter().zip(seen.into_iter().map(Ok)).collect();
    }
    join_all(these.into_iter().map(|identity| async {
        let seen = driver.observe(cx, std::slice::from_ref(&identity)).await;
        let seen = seen.and_then(|mut seen| seen.pop().ok_or_else(|| Error::internal("a look without an answer")));
        (identity, seen)
    }))
    .await
}

fn stands_in_the_way(identity: &Identity, seen: Result<Observation>) -> Option<Error> {
    let type_name = &identity.type_name;
    let problem = match seen {
        Ok(Observation::Present(seen)) if seen.owner == Ownership::Foreign => {
            let message = format!("something that is not ours has the name already ({type_name}): {}", seen.id);
            Error::new(Code::ForeignResource, message).hint("choose another name, or delete what stands there")
        }
        // The names of buckets are those of all accounts and regions.
        Err(error) if error.code() == Code::WrongTarget => error,
        Err(error) if error.code() == Code::PermissionDenied && type_name == "AWS::S3::Bucket" => {
            let Claim::Name(name) = &identity.claim else { return None };
            let message = format!("a bucket of this name exists and may not be looked at: {}", name.join("/"));
            Error::new(Code::ForeignResource, message)
                .hint("choose another name: it is another account's, unless the permission to read it is missing")
                .because(error)
        }
        _ => return None,
    };
    Some(problem.at(&identity.address))
}

/// Whether the account has enabled the region.
async fn region(api: &Api) -> Result<Vec<Error>> {
    let region = &api.target.region;
    let regions = api.ec2.describe_regions().region_names(region).all_regions(true).send().await;
    let regions = regions.map_err(failed("ec2:DescribeRegions"))?;
    let status = regions.regions().first().and_then(|region| region.opt_in_status().map(str::to_owned));
    Ok(match status.as_deref() {
        Some("not-opted-in") => vec![
            Error::new(Code::UnknownRegion, format!("the account has not enabled the region: {region}"))
                .hint("enable it in the account's settings, which takes some minutes, or choose another one"),
        ],
        _ => Vec::new(),
    })
}

/// Whether there is room for so many more of a type.
async fn quota(api: &Api, of: &ResourceType, peak: usize) -> Result<Vec<Error>> {
    let Some(quota) = of.quota else { return Ok(Vec::new()) };
    let (service, used) = match &*of.name {
        "AWS::EC2::VPC" => ("vpc", vpcs(api).await?),
        "AWS::EC2::InternetGateway" => ("vpc", internet_gateways(api).await?),
        "AWS::EC2::EIP" => ("ec2", addresses(api).await?),
        "AWS::EKS::Cluster" => ("eks", clusters(api).await?),
        "AWS::RDS::DBInstance" => ("rds", databases(api).await?),
        "AWS::IAM::Role" => return roles(api, of, peak).await,
        // Of the others an account has so many that no platform comes near, or they count per parent.
        _ => return Ok(Vec::new()),
    };
    let allowed = allowed(api, service, quota.code).await?.unwrap_or(f64::from(quota.default));
    Ok(beyond(of, quota.name, quota.code, used, peak, allowed))
}

fn beyond(of: &ResourceType, name: &str, code: &str, used: usize, peak: usize, allowed: f64) -> Vec<Error> {
    #[expect(clippy::cast_precision_loss, reason = "quotas are small")]
    let needed = (used + peak) as f64;
    if needed <= allowed {
        return Vec::new();
    }
    vec![
        Error::new(
            Code::Quota,
            format!(
                "the quota {name} ({code}) allows {allowed}, with {used} in use and {peak} more to come: {}",
                of.name
            ),
        )
        .hint("ask for a higher quota in the Service Quotas console, or delete what is not used"),
    ]
}

/// What the account may have; nothing when the service does not say.
async fn allowed(api: &Api, service: &str, code: &str) -> Result<Option<f64>> {
    let quota = api.quotas.get_service_quota().service_code(service).quota_code(code).send().await;
    match quota.map_err(failed("servicequotas:GetServiceQuota")) {
        Ok(answer) => Ok(answer.quota.and_then(|quota| quota.value)),
        // An account that never asked for a quota may have no value of its own.
        Err(error) if error.code() == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn vpcs(api: &Api) -> Result<usize> {
    let all = api.ec2.describe_vpcs().into_paginator().items().send().try_collect().await;
    Ok(all.map_err(failed("ec2:DescribeVpcs"))?.len())
}

async fn internet_gateways(api: &Api) -> Result<usize> {
    let all = api.ec2.describe_internet_gateways().into_paginator().items().send().try_collect().await;
    Ok(all.map_err(failed("ec2:DescribeInternetGateways"))?.len())
}

async fn addresses(api: &Api) -> Result<usize> {
    let all = api.ec2.describe_addresses().send().await.map_err(failed("ec2:DescribeAddresses"))?;
    Ok(all.addresses().len())
}

async fn clusters(api: &Api) -> Result<usize> {
    let all = api.eks.list_clusters().into_paginator().items().send().try_collect().await;
    Ok(all.map_err(failed("eks:ListClusters"))?.len())
}

async fn databases(api: &Api) -> Result<usize> {
    let all = api.rds.describe_db_instances().into_paginator().items().send().try_collect().await;
    Ok(all.map_err(failed("rds:DescribeDBInstances"))?.len())
}

/// IAM says what is used and what is allowed in one answer.
async fn roles(api: &Api, of: &ResourceType, peak: usize) -> Result<Vec<Error>> {
    let summary = api.iam.get_account_summary().send().await.map_err(failed("iam:GetAccountSummary"))?;
    let map = summary.summary_map.unwrap_or_default();
    let number = |name: &str| {
        let known = map.iter().find(|(key, _)| key.as_str() == name).map(|(_, value)| *value);
        known.and_then(|number| u32::try_from(number).ok())
    };
    let (Some(used), Some(allowed), Some(quota)) = (number("Roles"), number("RolesQuota"), of.quota) else {
        return Ok(Vec::new());
    };
    Ok(beyond(of, quota.name, quota.code, used as usize, peak, f64::from(allowed)))
}

/// A node group that is to be made.
struct Group {
    address: Address,
    types: Vec<String>,
    /// The zones of its subnets, as far as they are made by the same plan.
    zones: BTreeSet<String>,
    /// Nodes at first.
    nodes: i32,
    spot: bool,
}

impl Group {
    fn of(address: &Address, wanted: &Properties, ahead: &Ahead) -> Self {
        let mut zones = BTreeSet::new();
        if let Some(subnets) = wanted.value("Subnets") {
            subnets.visit_references(&mut |reference| {
                let subnet = ahead.creates.iter().find(|(address, ..)| *address == reference.target);
                zones.extend(subnet.and_then(|(_, _, subnet)| subnet.text("AvailabilityZone")));
            });
        }
        Self {
            address: address.clone(),
            types: wanted.texts("InstanceTypes").unwrap_or_default(),
            zones,
            nodes: wanted.number("ScalingConfig.DesiredSize").or(wanted.number("ScalingConfig.MinSize")).unwrap_or(1),
            spot: wanted.text("CapacityType").as_deref() == Some("SPOT"),
        }
    }
}

/// Whether the zones have the machine types, and whether the account may run as many processors.
async fn machines(api: &Api, groups: Vec<Group>) -> Result<Vec<Error>> {
    let names: BTreeSet<&str> = groups.iter().flat_map(|group| group.types.iter().map(String::as_str)).collect();
    let filter =
        Filter::builder().name("instance-type").set_values(Some(names.iter().map(|name| (*name).to_owned()).collect()));
    let offered = api.ec2.describe_instance_type_offerings().location_type(LocationType::AvailabilityZone);
    let offered = offered.filters(filter.build()).into_paginator().items().send().try_collect().await;
    let offered: Vec<InstanceTypeOffering> = offered.map_err(failed("ec2:DescribeInstanceTypeOfferings"))?;
    let places = |name: &str| -> BTreeSet<&str> {
        let here = offered.iter().filter(|one| one.instance_type().is_some_and(|kind| kind.as_str() == name));
        here.filter_map(InstanceTypeOffering::location).collect()
    };
    let mut problems = Vec::new();
    for group in &groups {
        for name in &group.types {
            let places = places(name);
            let reached = group.zones.is_empty() || group.zones.iter().any(|zone| places.contains(zone.as_str()));
            if places.is_empty() || !reached {
                let zones = group.zones.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let place = if zones.is_empty() { api.target.region.clone() } else { zones };
                problems.push(
                    Error::new(
                        Code::UnknownMachine,
                        format!("no zone of the node group offers its machine type ({place}): {name}"),
                    )
                    .at(&group.address)
                    .hint(match places.len() {
                        0 => "choose another machine type or another region".to_owned(),
                        _ => format!("it is offered in {}", places.into_iter().collect::<Vec<_>>().join(", ")),
                    }),
                );
            }
        }
    }
    if problems.is_empty() {
        problems = processors(api, &groups).await.unwrap_or_default();
    }
    Ok(problems)
}

async fn processors(api: &Api, groups: &[Group]) -> Result<Vec<Error>> {
    let names: BTreeSet<&str> = groups.iter().filter_map(|group| group.types.first()).map(String::as_str).collect();
    let types = names.iter().map(|name| aws_sdk_ec2::types::InstanceType::from(*name)).collect();
    let described = api.ec2.describe_instance_types().set_instance_types(Some(types));
    let described: Vec<_> =
        described.into_paginator().items().send().try_collect().await.map_err(failed("ec2:DescribeInstanceTypes"))?;
    let of_type: BTreeMap<String, i32> = described
        .iter()
        .filter_map(|one| Some((one.instance_type()?.as_str().to_owned(), one.v_cpu_info()?.default_v_cpus()?)))
        .collect();
    let mut needed: BTreeMap<&str, i32> = BTreeMap::new();
    for group in groups {
        let Some((name, code)) = group.types.first().and_then(|name| Some((name, code_of(name, group.spot)?))) else {
            continue;
        };
        *needed.entry(code).or_default() += group.nodes * of_type.get(name).copied().unwrap_or_default();
    }
    let mut problems = Vec::new();
    for (code, needed) in needed.into_iter().filter(|(_, needed)| *needed > 0) {
        // What runs already is not counted: that would read every machine of the account.
        let Some(allowed) = allowed(api, "ec2", code).await? else { continue };
        if f64::from(needed) > allowed {
            problems.push(
                Error::new(
                    Code::Quota,
                    format!(
                        "the quota of virtual processors ({code}) allows {allowed}, the node groups begin with {needed}"
                    ),
                )
                .hint("ask for a higher quota in the Service Quotas console, or begin with fewer nodes"),
            );
        }
    }
    Ok(problems)
}

/// The quota that a machine type counts against.
fn code_of(machine: &str, spot: bool) -> Option<&'static str> {
    let family: String = machine.chars().take_while(char::is_ascii_lowercase).collect();
    let (_, demand, spots) = PROCESSORS.iter().find(|(families, ..)| {
        families.iter().any(|known| {
            if known.len() > 1 { family.starts_with(known) } else { family.starts_with(known) && !longer(&family) }
        })
    })?;
    Some(if spot { spots } else { demand })
}

/// Whether a family's name is one of those that only begin like a shorter one.
fn longer(family: &str) -> bool {
    ["inf", "trn", "vt", "dl", "hpc", "mac", "u"].iter().any(|known| family.starts_with(known))
}

/// Whether EKS has this version.
async fn kubernetes(api: &Api, address: &Address, version: String) -> Result<Vec<Error>> {
    let all = api.eks.describe_cluster_versions().into_paginator().items().send().try_collect().await;
    let all: Vec<_> = all.map_err(failed("eks:DescribeClusterVersions"))?;
    let known: BTreeSet<&str> = all.iter().filter_map(|one| one.cluster_version()).collect();
    if known.is_empty() || known.contains(version.as_str()) {
        return Ok(Vec::new());
    }
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    Ok(vec![
        Error::new(Code::UnsupportedVersion, format!("EKS does not offer this version of Kubernetes here: {version}"))
            .at(address)
            .hint(format!("it offers {known}")),
    ])
}

/// Whether RDS has this version, and sells this class with it.
async fn database(api: &Api, address: &Address, wanted: &Properties) -> Result<Vec<Error>> {
    let (Some(engine), Some(class)) = (wanted.text("Engine"), wanted.text("DBInstanceClass")) else {
        return Ok(Vec::new());
    };
    let version = wanted.value("EngineVersion").and_then(Value::as_str).map(str::to_owned);
    let known = api.rds.describe_db_engine_versions().engine(&engine).set_engine_version(version.clone()).send().await;
    let known = known.map_err(failed("rds:DescribeDBEngineVersions"))?;
    let shown = version.as_deref().unwrap_or("the newest");
    let Some(newest) = known.db_engine_versions().last() else {
        return Ok(vec![
            Error::new(Code::UnsupportedVersion, format!("RDS does not offer this version of {engine} here: {shown}"))
                .at(address)
                .hint("choose a version that `aws rds describe-db-engine-versions` lists"),
        ]);
    };
    // Orders are for whole versions, and what is wanted may be a major one.
    let whole = newest.engine_version().map(str::to_owned);
    let options = api.rds.describe_orderable_db_instance_options().engine(&engine).set_engine_version(whole);
    let options = options.db_instance_class(&class).send().await;
    let options = options.map_err(failed("rds:DescribeOrderableDBInstanceOptions"))?;
    if !options.orderable_db_instance_options().is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![
        Error::new(Code::UnknownMachine, format!("RDS does not sell {engine} {shown} on this class here: {class}"))
            .at(address)
            .hint("choose another class or another region"),
    ])
}

#[cfg(test)]
mod tests {
    use landfall_core::clock::drive;
    use landfall_core::sim::SimCloud;

    use super::*;

    #[test]
    fn a_machine_counts_against_its_familys_quota() {
        for (machine, spot, code) in [
            ("m5.xlarge", false, Some("L-1216C47A")),
            ("m5.xlarge", true, Some("L-34B43A08")),
            ("g4dn.xlarge", false, Some("L-DB2E81BA")),
            ("p5.48xlarge", true, Some("L-7212CCBC")),
            ("inf2.xlarge", false, Some("L-1945791B")),
            ("i4i.large", false, Some("L-1216C47A")),
            ("trn1.2xlarge", false, Some("L-2C3B7624")),
            ("t3.medium", false, Some("L-1216C47A")),
            ("u7i-12tb.224xlarge", false, None),
        ] {
            assert_eq!(code_of(machine, spot), code, "{machine}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_not_waited_for() {
        let clock = SimCloud::empty(1).clock();
        let began = clock.now();
        assert_eq!(drive(clock.clone(), within(&*clock, std::future::pending::<()>())).await, None);
        assert_eq!(clock.now() - began, LONGEST);
        assert_eq!(drive(clock.clone(), within(&*clock, async { 7 })).await, Some(7));
    }
}
