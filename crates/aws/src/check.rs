//! What only AWS can say about declarations before anything is asked of it. Everything that is wrong is reported at once.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use landfall_core::kind::{ClusterSpec, NetworkSpec, NodePoolSpec, Tier};
use landfall_core::resource::{Address, RESERVED_PREFIX};
use landfall_core::stack::{Declared, Stack};
use landfall_core::{Code, Error, Problems, Result};

use crate::{cluster, machine, name, network, region, subnet, version};

/// Retentions that CloudWatch Logs knows, in days.
const RETENTIONS: [u32; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];
/// AWS allows 50 tags; the marks, the name, and what the services add by themselves need room too.
const MOST_TAGS: usize = 40;
/// The disk of a node holds the system and its images.
const SMALLEST_DISK: u32 = 20;

/// Everything that is wrong with the stack on AWS in this region.
pub(crate) fn stack(region: &str, stack: &Stack) -> Vec<Error> {
    let mut problems = Vec::new();
    match region::known(region) {
        Ok(()) => {}
        // Without a region nothing can be said of zones and machines.
        Err(error) => problems.push(error),
    }
    let known = problems.is_empty();
    let mut check = Check { region, stack, known, problems };
    check.names();
    check.tags();
    for (name, network) in &stack.networks {
        check.network(name, network);
    }
    check.overlaps();
    for (name, cluster) in &stack.clusters {
        check.cluster(name, cluster);
    }
    for (name, pool) in &stack.node_pools {
        check.node_pool(name, pool);
    }
    check.problems
}

struct Check<'a> {
    region: &'a str,
    stack: &'a Stack,
    known: bool,
    problems: Vec<Error>,
}

impl Check<'_> {
    fn names(&mut self) {
        let id = &self.stack.id;
        for part in [&id.project, &id.environment] {
            let legal = part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && part.starts_with(|c: char| c.is_ascii_lowercase())
                && !part.ends_with('-')
                && !part.contains("--");
            if !legal {
                let message = format!("a name in AWS has a-z, 0-9 and single hyphens and starts with a letter: {part}");
                self.problems
                    .push(Error::new(Code::InvalidName, message).hint("rename the project or the environment"));
            }
        }
        // What has a role has the shortest of the names that this file knows.
        let rules = [(!self.stack.clusters.is_empty()).then_some(name::CLUSTER), Some(name::ROLE)];
        for rule in rules.into_iter().flatten() {
            if let Err(error) = name::name(id, &[], rule) {
                self.problems.push(error);
            }
        }
    }

    fn tags(&mut self) {
        let tags = &self.stack.tags;
        let mut push = |code, message: String, hint: &str| self.problems.push(Error::new(code, message).hint(hint));
        if tags.len() > MOST_TAGS {
            let message = format!("AWS allows 50 tags, of which Landfall and AWS need ten: {}", tags.len());
            push(Code::InvalidTag, message, "use at most 40 tags");
        }
        let mut lower: BTreeMap<String, &str> = BTreeMap::new();
        for (key, value) in tags {
            if key.to_lowercase().starts_with(RESERVED_PREFIX) {
                push(Code::ReservedTag, format!("tags with this prefix are Landfall's own: {key}"), "rename the tag");
            }
            if key.to_lowercase().starts_with("aws:") {
                push(Code::InvalidTag, format!("tags with this prefix are AWS's own: {key}"), "rename the tag");
            }
            if key.is_empty() || key.chars().count() > 127 || !key.chars().all(in_tags) {
                let message = format!("a tag's key has 1 to 127 letters, digits, spaces and _.:/=+-@: {key}");
                push(Code::InvalidTag, message, "shorten the key or remove the other characters");
            }
            if value.is_empty() || value.chars().count() > 255 || !value.chars().all(in_tags) {
                let message = format!("a tag's value has 1 to 255 letters, digits, spaces and _.:/=+-@: {key}={value}");
                push(Code::InvalidTag, message, "shorten the value or remove the other characters");
            }
            // IAM takes keys that differ in case alone for the same.
            if let Some(other) = lower.insert(key.to_lowercase(), key) {
                let message = format!("IAM takes these two tags for one: {other} and {key}");
                push(Code::InvalidTag, message, "keep one of them");
            }
        }
    }

    fn network(&mut self, name: &str, declared: &Declared<NetworkSpec>) {
        let spec = &declared.spec;
        let mut found = Found::new(self, "network", name, "vpc", declared);
        found.add("cidr", range(spec.cidr));
        if found.check.known {
            let zones = region::zones(found.check.region, spec.zones, &spec.zone_names);
            found.add("zones", zones.map(|_| ()));
        }
        found.add("cidr", subnet::fits(spec.cidr, network::zone_count(spec), &spec.tiers));
        if spec.tiers.is_empty() {
            found.add(
                "tiers",
                invalid("a network needs at least one tier", "use Tier::Public, Tier::Private or Tier::Data"),
            );
        }
        let wants_nat = spec.nat != landfall_core::kind::Nat::None && spec.tiers.contains(&Tier::Private);
        if wants_nat && !spec.tiers.contains(&Tier::Public) {
            let hint = "add Tier::Public, or use Nat::None";
            found.add("nat", invalid("NAT gateways stand in public subnets, and there are none", hint));
        }
        if spec.flow_logs {
            found.add("flow_log_days", retention(spec.flow_log_days));
        }
    }

    fn overlaps(&mut self) {
        let networks: Vec<_> = self.stack.networks.iter().collect();
        for (index, (name, network)) in networks.iter().enumerate() {
            for (other, earlier) in &networks[..index] {
                let (one, two) = (network.spec.cidr.trunc(), earlier.spec.cidr.trunc());
                if one.contains(&two) || two.contains(&one) {
                    let message = format!("the range overlaps that of the network {other}: {one} and {two}");
                    let error = Error::new(Code::CidrOverlap, message).hint("give each network a range of its own");
                    Found::new(self, "network", name, "vpc", network).add("cidr", Err(error));
                }
            }
        }
    }

    fn cluster(&mut self, name: &str, declared: &Declared<ClusterSpec>) {
        let (spec, stack) = (&declared.spec, self.stack);
        let mut found = Found::new(self, "cluster", name, "cluster", declared);
        found.add("version", version::supported(&spec.version, stack.today).map(|_| ()));
        for range in &spec.public_access {
            found.add("public_access", public(*range));
        }
        for principal in &spec.administrators {
            found.add("administrators", administrator(principal));
        }
        found.add("log_days", retention(spec.log_days));
        let used = stack.services.values().any(|service| service.spec.cluster.name() == name)
            || stack.meshes.values().any(|mesh| mesh.spec.cluster.name() == name);
        if used && spec.administrators.is_empty() {
            let message = format!("nobody may use the cluster, not even the one who makes it: {name}");
            let hint = "name the role that Landfall runs as with .administrators([\"arn:aws:iam::…:role/…\"])";
            found.add("administrators", invalid(message, hint));
        }
        if let Some(network) = stack.networks.get(spec.network.name()) {
            let network = &network.spec;
            if !network.tiers.contains(&Tier::Private) || network::zone_count(network) < 2 {
                let message = format!("EKS needs private subnets in two zones at least: {}", spec.network.name());
                found.add("network", invalid(message, "use .zones(3) and all tiers for the network"));
            }
            // Endpoints declared natively may stand in for NAT.
            let endpoints = stack.natives.values().any(|native| native.spec.type_name == "AWS::EC2::VPCEndpoint");
            if !network::has_nat(network) && !endpoints {
                let message = format!("nodes could not reach EKS and the image registry: {}", spec.network.name());
                found.add(
                    "network",
                    invalid(message, "use Nat::One or Nat::PerZone, or declare VPC endpoints natively"),
                );
            }
        }
        let pools: Vec<_> = stack.node_pools.values().filter(|pool| pool.spec.cluster.name() == name).collect();
        let region = found.check.region;
        if !pools.is_empty() && !pools.iter().any(|pool| cluster::runs_anything(&pool.spec, region, stack.today)) {
            let message = format!("no pool of the cluster always has a node that takes any pod, as DNS needs: {name}");
            let hint = "give one pool without taints and accelerators at least one node";
            found.add("", Err(Error::new(Code::Capacity, message).hint(hint)));
        }
    }

    fn node_pool(&mut self, name: &str, declared: &Declared<NodePoolSpec>) {
        let (spec, today) = (&declared.spec, self.stack.today);
        let mut found = Found::new(self, "node-pool", name, "node-group", declared);
        if found.check.known {
            let size = machine::size(found.check.region, spec, today);
            found.add("machine", size.map(|_| ()));
        }
        if spec.disk.0 < SMALLEST_DISK {
            let message = format!("the disk of a node has at least {SMALLEST_DISK} GiB: {}", spec.disk);
            found.add("disk", invalid(message, "use .disk(GiB(100))"));
        }
        for key in spec.labels.keys().chain(spec.taints.iter().map(|taint| &taint.key)) {
            if key.starts_with("eks.amazonaws.com/") || key.starts_with("landfall.dev/") {
                let message = format!("labels and taints with this prefix are not free to use: {key}");
                found.add("labels", invalid(message, "rename it"));
            }
        }
    }
}

/// Where the problems of one declaration go.
struct Found<'c, 'a, S> {
    check: &'c mut Check<'a>,
    address: Option<Address>,
    declared: &'c Declared<S>,
}

impl<'c, 'a, S> Found<'c, 'a, S> {
    fn new(check: &'c mut Check<'a>, kind: &str, name: &str, part: &str, declared: &'c Declared<S>) -> Self {
        let address = match Address::new("aws", kind, name, part) {
            Ok(address) => Some(address),
            Err(error) => {
                check.problems.push(error);
                None
            }
        };
        Self { check, address, declared }
    }

    /// Keeps the problem, if it is one, with the place of the field it is about.
    fn add(&mut self, field: &str, result: Result<()>) {
        let Err(mut error) = result else { return };
        if let Some(address) = &self.address {
            error = error.at(address);
        }
        if let Some(position) = self.declared.position(field) {
            error = error.position(position.clone());
        }
        self.check.problems.push(error);
    }
}

fn range(cidr: Ipv4Net) -> Result<()> {
    let mut problems = Problems::default();
    if cidr != cidr.trunc() {
        let message = format!("a range starts at its first address: {cidr}");
        problems.push(Error::new(Code::InvalidValue, message).hint(format!("write {}", cidr.trunc())));
    }
    if cidr.prefix_len() < 16 {
        let message = format!("a VPC has a range between /16 and /28: {cidr}");
        problems.push(Error::new(Code::InvalidValue, message).hint(format!("write {}/16", cidr.network())));
    }
    if !is_private(cidr) {
        let message = format!("a network's range is private: {cidr}");
        let hint = "use a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10";
        problems.push(Error::new(Code::InvalidValue, message).hint(hint));
    }
    problems.finish()
}

fn is_private(cidr: Ipv4Net) -> bool {
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
        .iter()
        .filter_map(|range| range.parse::<Ipv4Net>().ok())
        .any(|range| range.contains(&cidr))
}

fn public(range: Ipv4Net) -> Result<()> {
    if range.prefix_len() == 0 {
        let message = format!("the API would be open to everybody: {range}");
        return invalid(message, "name the ranges that need it, such as 203.0.113.0/24, or leave it private");
    }
    if is_private(range) {
        let message =
            format!("EKS takes public ranges only here; private addresses reach the API from within: {range}");
        return invalid(message, "name the public addresses that calls come from");
    }
    Ok(())
}

fn administrator(arn: &str) -> Result<()> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let legal = match parts[..] {
        ["arn", partition, "iam", "", account, resource] => {
            partition.starts_with("aws")
                && account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && (resource.starts_with("role/") || resource.starts_with("user/"))
        }
        _ => false,
    };
    if legal {
        return Ok(());
    }
    let hint = "write the role itself, such as arn:aws:iam::123456789012:role/deployer, not a session of it";
    invalid(format!("not the ARN of an IAM role or user: {arn}"), hint)
}

fn retention(days: u32) -> Result<()> {
    if RETENTIONS.contains(&days) {
        return Ok(());
    }
    let next = RETENTIONS.iter().find(|known| **known > days).unwrap_or(&RETENTIONS[RETENTIONS.len() - 1]);
    invalid(format!("CloudWatch Logs does not know this number of days: {days}"), format!("use {next}"))
}

fn in_tags(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Result<()> {
    Err(Error::new(Code::InvalidValue, message).hint(hint))
}
