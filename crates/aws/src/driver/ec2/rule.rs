//! A rule of a security group, as CloudFormation's schema writes it and as the API does.
//!
//! Source: [IpPermission](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html) and
//! [SecurityGroupRule](https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html). The API names the
//! protocols that it knows and writes the others as numbers, and ranges as networks; a rule for all protocols has no ports.

use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRule, UserIdGroupPair};
use landfall_core::resource::Properties;
use landfall_core::{Code, Error, Result};

use crate::driver::wanted::{Shown, Wanted};

/// Which way a rule lets traffic through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Way {
    /// The property that names a security group at the other end.
    pub(super) fn group(self) -> &'static str {
        match self {
            Self::In => "SourceSecurityGroupId",
            Self::Out => "DestinationSecurityGroupId",
        }
    }

    /// The property that names a prefix list at the other end.
    pub(super) fn prefix_list(self) -> &'static str {
        match self {
            Self::In => "SourcePrefixListId",
            Self::Out => "DestinationPrefixListId",
        }
    }
}

/// What traffic is let through: everything but the description, which can change in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) protocol: String,
    /// For ICMP the type and the code; −1 is any.
    pub(super) ports: (i32, i32),
    pub(super) peer: Peer,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Ipv4(String),
    Ipv6(String),
    PrefixList(String),
    /// A security group, and the account that it is in where it was named.
    Group(String, Option<String>),
}

/// What the API writes for ports that mean nothing.
const ANY: i32 = -1;

impl Rule {
    /// A rule as it is declared.
    pub(super) fn wanted(way: Way, wanted: &Properties) -> Result<Self> {
        let peers = [
            wanted.text("CidrIp").map(|range| Peer::Ipv4(network(&range))),
            wanted.text("CidrIpv6").map(|range| Peer::Ipv6(network(&range))),
            wanted.text(way.prefix_list()).map(Peer::PrefixList),
            wanted.text(way.group()).map(|id| Peer::Group(id, wanted.text("SourceSecurityGroupOwnerId"))),
        ];
        let mut peers = peers.into_iter().flatten();
        let (Some(peer), None) = (peers.next(), peers.next()) else {
            return Err(Error::new(
                Code::InvalidRequest,
                format!("a rule names none or more than one at its other end: {:?}", wanted.keys()),
            )
            .hint(format!("set one of CidrIp, CidrIpv6, {}, {}", way.prefix_list(), way.group())));
        };
        let protocol = protocol(&wanted.required("IpProtocol")?);
        let port = |name: &str| wanted.number(name).unwrap_or(ANY);
        let ports = if has_ports(&protocol) { (port("FromPort"), port("ToPort")) } else { (ANY, ANY) };
        Ok(Self { protocol, ports, peer })
    }

    /// A rule as it is declared within a group, which is compared with what the API shows of the group.
    pub(super) fn inline(way: Way, wanted: &Properties) -> Result<Self> {
        let rule = Self::wanted(way, wanted)?;
        let mut shown = Properties::new();
        rule.show(way, None, &mut shown);
        let other = shown.iter().find(|(name, value)| {
            wanted.text(name).is_some_and(|text| {
                value.as_str().map_or_else(
                    || wanted.number(name) != value.as_i64().and_then(|number| i32::try_from(number).ok()),
                    |value| text != value,
                )
            })
        });
        match other {
            None => Ok(rule),
            Some((name, value)) => Err(Error::new(
                Code::InvalidRequest,
                format!(
                    "a rule is not written as EC2 shows it, so that it would always differ: {name}: {}",
                    wanted.text(name).unwrap_or_default()
                ),
            )
            .hint(format!("write {}, or leave ports out for all protocols", value.to_json()))),
        }
    }

    /// The rules of a group in the API's grouped form, with their descriptions.
    pub(super) fn grouped(permission: &IpPermission) -> Vec<(Self, Option<String>)> {
        let ipv4 = permission.ip_ranges().iter();
        let ipv4 = ipv4.filter_map(|range| Some((Peer::Ipv4(range.cidr_ip.clone()?), range.description.clone())));
        let ipv6 = permission.ipv6_ranges().iter();
        let ipv6 = ipv6.filter_map(|range| Some((Peer::Ipv6(range.cidr_ipv6.clone()?), range.description.clone())));
        let lists = permission.prefix_list_ids().iter();
        let lists =
            lists.filter_map(|list| Some((Peer::PrefixList(list.prefix_list_id.clone()?), list.description.clone())));
        let groups = permission.user_id_group_pairs().iter().filter_map(|pair| {
            Some((Peer::Group(pair.group_id.clone()?, pair.user_id.clone()), pair.description.clone()))
        });
        let protocol = protocol(permission.ip_protocol().unwrap_or("-1"));
        let ports = ports(&protocol, permission.from_port(), permission.to_port());
        ipv4.chain(ipv6)
            .chain(lists)
            .chain(groups)
            .map(|(peer, description)| (Self { protocol: protocol.clone(), ports, peer }, description))
            .collect()
    }

    /// A rule in the API's single form.
    pub(super) fn single(rule: &SecurityGroupRule) -> Option<Self> {
        let group = rule.referenced_group_info();
        let peers = [
            rule.cidr_ipv4.clone().map(Peer::Ipv4),
            rule.cidr_ipv6.clone().map(Peer::Ipv6),
            rule.prefix_list_id.clone().map(Peer::PrefixList),
            group.and_then(|group| Some(Peer::Group(group.group_id.clone()?, group.user_id.clone()))),
        ];
        let protocol = protocol(rule.ip_protocol().unwrap_or("-1"));
        let ports = ports(&protocol, rule.from_port(), rule.to_port());
        Some(Self { ports, protocol, peer: peers.into_iter().flatten().next()? })
    }

    /// Whether both let the same traffic through. An account that only one of them names does not count.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same = match (&self.peer, &other.peer) {
            (Peer::Group(one, first), Peer::Group(two, second)) => {
                one == two && (first.is_none() || second.is_none() || first == second)
            }
            (one, two) => one == two,
        };
        same && self.protocol == other.protocol && self.ports == other.ports
    }

    pub(super) fn show(&self, way: Way, description: Option<&str>, properties: &mut Properties) {
        properties.show("IpProtocol", Some(self.protocol.as_str()));
        properties.show("FromPort", Some(self.ports.0));
        properties.show("ToPort", Some(self.ports.1));
        properties.show("Description", description);
        match &self.peer {
            Peer::Ipv4(range) => properties.show("CidrIp", Some(range)),
            Peer::Ipv6(range) => properties.show("CidrIpv6", Some(range)),
            Peer::PrefixList(id) => properties.show(way.prefix_list(), Some(id)),
            Peer::Group(id, owner) => {
                properties.show(way.group(), Some(id));
                if way == Way::In {
                    properties.show("SourceSecurityGroupOwnerId", owner.as_ref());
                }
            }
        }
    }

    /// For the calls that add it or change its description.
    pub(super) fn permission(&self, description: Option<String>) -> IpPermission {
        let permission = IpPermission::builder().ip_protocol(&self.protocol);
        let permission =
            if self.protocol == "-1" { permission } else { permission.from_port(self.ports.0).to_port(self.ports.1) };
        match &self.peer {
            Peer::Ipv4(range) => {
                permission.ip_ranges(IpRange::builder().cidr_ip(range).set_description(description).build())
            }
            Peer::Ipv6(range) => {
                permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(range).set_description(description).build())
            }
            Peer::PrefixList(id) => permission
                .prefix_list_ids(PrefixListId::builder().prefix_list_id(id).set_description(description).build()),
            Peer::Group(id, owner) => permission.user_id_group_pairs(
                UserIdGroupPair::builder().group_id(id).set_user_id(owner.clone()).set_description(description).build(),
            ),
        }
        .build()
    }
}

/// A protocol as the API writes it, by the [assigned numbers](https://www.iana.org/assignments/protocol-numbers).
fn protocol(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "all" => "-1",
        "1" => "icmp",
        "6" => "tcp",
        "17" => "udp",
        "58" => "icmpv6",
        other => other,
    }
    .to_owned()
}

fn has_ports(protocol: &str) -> bool {
    ["tcp", "udp", "icmp", "icmpv6"].contains(&protocol)
}

fn ports(protocol: &str, from: Option<i32>, to: Option<i32>) -> (i32, i32) {
    if has_ports(protocol) { (from.unwrap_or(ANY), to.unwrap_or(ANY)) } else { (ANY, ANY) }
}

/// A range as the API writes it: without the bits beneath its prefix, and IPv6 in its short form.
fn network(range: &str) -> String {
    range.parse().map_or_else(|_| range.to_owned(), |net: ipnet::IpNet| net.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::ReferencedSecurityGroup;
    use landfall_core::properties;

    use super::*;

    fn shapes() -> Vec<Properties> {
        vec![
            properties! { "IpProtocol" => "tcp", "FromPort" => 443, "ToPort" => 443, "CidrIp" => "10.0.0.0/16" },
            properties! { "IpProtocol" => "udp", "FromPort" => 53, "ToPort" => 53, "CidrIpv6" => "2001:db8::/32" },
            properties! { "IpProtocol" => "-1", "SourcePrefixListId" => "pl-1" },
            properties! { "IpProtocol" => "-1", "FromPort" => -1, "ToPort" => -1, "CidrIp" => "0.0.0.0/0" },
            properties! { "IpProtocol" => "icmp", "FromPort" => 8, "ToPort" => -1, "CidrIp" => "10.0.0.0/16" },
            properties! { "IpProtocol" => "50", "CidrIp" => "10.0.0.0/16" },
            properties! {
                "IpProtocol" => "tcp", "FromPort" => 5432, "ToPort" => 5432, "SourceSecurityGroupId" => "sg-1",
                "SourceSecurityGroupOwnerId" => "123456789012",
            },
        ]
    }

    #[test]
    fn a_rule_comes_back_as_it_was_declared() {
        for wanted in shapes() {
            let rule = Rule::inline(Way::In, &wanted).unwrap();
            let all = Rule::grouped(&rule.permission(Some("why".to_owned())));
            assert_eq!(all, [(rule.clone(), Some("why".to_owned()))]);
            let mut shown = Properties::new();
            rule.show(Way::In, Some("why"), &mut shown);
            for (name, value) in &wanted {
                assert_eq!(shown.get(name), Some(value), "{wanted:?}");
            }
            assert_eq!(shown.text("Description").as_deref(), Some("why"));
        }
    }

    #[test]
    fn a_group_of_ranges_is_a_rule_for_each() {
        let permission = IpPermission::builder()
            .ip_protocol("tcp")
            .from_port(80)
            .to_port(80)
            .ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/16").description("one").build())
            .ip_ranges(IpRange::builder().cidr_ip("10.1.0.0/16").build())
            .ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build())
            .user_id_group_pairs(UserIdGroupPair::builder().group_id("sg-1").build())
            .build();
        let all = Rule::grouped(&permission);
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|(rule, _)| rule.protocol == "tcp" && rule.ports == (80, 80)));
        assert_eq!(all[0].1.as_deref(), Some("one"));
    }

    #[test]
    fn a_rule_is_the_same_however_it_is_written() {
        let group = ReferencedSecurityGroup::builder().group_id("sg-1").user_id("123456789012").build();
        let shown = SecurityGroupRule::builder().ip_protocol("tcp").from_port(22).to_port(22);
        let shown = Rule::single(&shown.referenced_group_info(group).build()).unwrap();
        let wanted = properties! {
            "IpProtocol" => 6, "FromPort" => "22", "ToPort" => 22, "SourceSecurityGroupId" => "sg-1",
        };
        assert!(Rule::wanted(Way::In, &wanted).unwrap().is(&shown));
        let all =
            Rule::single(&SecurityGroupRule::builder().ip_protocol("-1").cidr_ipv4("10.0.0.0/8").build()).unwrap();
        let wanted = properties! {
            "IpProtocol" => "-1", "FromPort" => 0, "ToPort" => 0, "CidrIp" => "10.1.2.3/8",
        };
        assert!(Rule::wanted(Way::Out, &wanted).unwrap().is(&all));
        assert!(!all.is(&shown));
    }

    #[test]
    fn within_a_group_a_rule_is_written_as_the_api_shows_it() {
        for (wanted, should) in [
            (properties! { "IpProtocol" => "6", "FromPort" => 1, "ToPort" => 1, "CidrIp" => "10.0.0.0/16" }, "tcp"),
            (properties! { "IpProtocol" => "-1", "FromPort" => 0, "ToPort" => 0, "CidrIp" => "10.0.0.0/16" }, "-1"),
            (properties! { "IpProtocol" => "-1", "CidrIp" => "10.0.1.1/16" }, "10.0.0.0/16"),
        ] {
            let error = Rule::inline(Way::In, &wanted).unwrap_err();
            assert_eq!(error.code(), Code::InvalidRequest);
            assert!(error.next_step().unwrap().contains(should), "{error}");
        }
    }

    #[test]
    fn a_rule_has_one_other_end() {
        for wanted in [
            properties! { "IpProtocol" => "-1" },
            properties! { "IpProtocol" => "-1", "CidrIp" => "10.0.0.0/8", "CidrIpv6" => "::/0" },
            properties! { "IpProtocol" => "-1", "SourceSecurityGroupName" => "default" },
        ] {
            assert_eq!(Rule::wanted(Way::In, &wanted).unwrap_err().code(), Code::InvalidRequest);
        }
    }
}
