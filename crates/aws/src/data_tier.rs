//! What databases and caches have in common: the data subnets, and a security group that only clients pass.

use landfall_core::kind::{DependencyKind, NetworkSpec, Ref, Tier};
use landfall_core::resource::Value;
use landfall_core::scope::{Native, Scope};
use landfall_core::{Code, Error, Result, list, map, properties};

use crate::name::{self, Rule};

const SECURITY_GROUP: Rule = Rule::new("a security group", 255);
const SECRET: Rule = Rule::new("a secret", 512);

/// Ids of the data subnets of a network, in at least this many zones.
///
/// # Errors
/// [`Code::InvalidValue`] when there are fewer.
pub(crate) fn subnets(scope: &Scope<'_>, network: &Ref<NetworkSpec>, zones: usize) -> Result<Value> {
    let ids = scope.network(network)?.ids(Tier::Data);
    if ids.len() >= zones {
        return Ok(Value::List(ids));
    }
    let have = ids.len();
    let name = network.name();
    Err(Error::new(
        Code::InvalidValue,
        format!("it needs data subnets in {zones} zones, and the network has {have}: {name}"),
    )
    .hint("give the network the tier Data and at least two zones"))
}

/// Adds the security group: part `security-group`. The nodes of clusters whose services depend on the declaration reach
/// `port`, nothing else does, and it reaches nothing itself.
///
/// # Errors
/// [`Code::InvalidValue`] when a client stands in another network.
pub(crate) fn security_group(
    scope: &mut Scope<'_>,
    kind: DependencyKind,
    network: &Ref<NetworkSpec>,
    port: u16,
) -> Result<Native> {
    let mut ingress = Vec::new();
    for client in scope.clients(kind, scope.name()) {
        let cluster = scope.cluster(&Ref::named(&client))?;
        if cluster.network != *network {
            return Err(Error::new(
                Code::InvalidValue,
                format!("a service depends on it from a cluster in another network: {client}"),
            )
            .hint("let the service depend on one in its own network, or declare one there"));
        }
        ingress.push(map! {
            "Description" => format!("Nodes of cluster {client}"),
            "IpProtocol" => "tcp",
            "FromPort" => u32::from(port),
            "ToPort" => u32::from(port),
            "SourceSecurityGroupId" => cluster.node_security_group.clone(),
        });
    }
    let group = name::of_part(scope, "security-group", SECURITY_GROUP)?;
    let properties = properties! {
        "GroupName" => group,
        "GroupDescription" => format!("Who reaches {} of {}", scope.name(), scope.stack().id),
        "VpcId" => scope.network(network)?.id.clone(),
        "SecurityGroupIngress" => Value::List(ingress),
        // Without a rule AWS opens everything, so the one rule there is leads nowhere.
        "SecurityGroupEgress" => list![map! {
            "Description" => "Nowhere",
            "IpProtocol" => "-1",
            "CidrIp" => "127.0.0.1/32",
        }],
    };
    scope.native("security-group", "AWS::EC2::SecurityGroup", properties)
}

/// Adds a secret of 48 letters and digits that the cloud draws, which therefore needs no escaping anywhere.
///
/// The secret is the bare password: as JSON with host and user in it, the cloud would draw a new one whenever these
/// change.
///
/// # Errors
/// As [`Scope::native`].
pub(crate) fn drawn_secret(scope: &mut Scope<'_>, part: &str, description: &str, key: Value) -> Result<Native> {
    let properties = properties! {
        "Name" => secret_name(scope, part)?,
        "Description" => description,
        "KmsKeyId" => key,
        "GenerateSecretString" => map! { "PasswordLength" => 48, "ExcludePunctuation" => true },
    };
    scope.native(part, "AWS::SecretsManager::Secret", properties)
}

/// The name of the secret that a part is. Secrets Manager appends a hyphen and six characters to ARNs and mistakes names
/// that end so for ARNs.
///
/// # Errors
/// As [`name::of_part`].
pub(crate) fn secret_name(scope: &Scope<'_>, part: &str) -> Result<String> {
    let name = name::of_part(scope, part, SECRET)?;
    let looks_like_arn = name.rsplit('-').next().is_some_and(|last| last.len() == 6);
    Ok(if looks_like_arn { format!("{name}-value") } else { name })
}
