//! IAM policies and roles as values.

use landfall_core::resource::{TargetField, Value};
use landfall_core::scope::{Native, Scope};
use landfall_core::{Result, join, map, properties};

use crate::name;

/// A policy document of these statements.
pub(crate) fn policy(statements: impl IntoIterator<Item = Value>) -> Value {
    map! { "Version" => "2012-10-17", "Statement" => Value::List(statements.into_iter().collect()) }
}

/// A statement that allows `actions` on `resources`: one ARN, or a list of them.
pub(crate) fn allow(actions: &[&str], resources: impl Into<Value>) -> Value {
    map! { "Effect" => "Allow", "Action" => actions.to_vec(), "Resource" => resources.into() }
}

/// [`allow`] under a condition, such as `{"StringEquals": {"aws:SourceAccount": …}}`.
pub(crate) fn allow_if(actions: &[&str], resources: impl Into<Value>, condition: Value) -> Value {
    map! {
        "Effect" => "Allow", "Action" => actions.to_vec(), "Resource" => resources.into(), "Condition" => condition,
    }
}

/// A statement of a resource's own policy: allows `actions` on the resource to `principal`.
pub(crate) fn grant(sid: &str, principal: Value, actions: &[&str], condition: Option<Value>) -> Value {
    let mut statement = properties! {
        "Sid" => sid, "Effect" => "Allow", "Principal" => principal, "Action" => actions.to_vec(), "Resource" => "*",
    };
    statement.extend(condition.map(|condition| ("Condition".to_owned(), condition)));
    statement.into()
}

/// The condition that a service acts for this account and for nobody else's.
pub(crate) fn for_this_account() -> Value {
    map! { "StringEquals" => map! { "aws:SourceAccount" => TargetField::Account } }
}

/// The condition that a service acts for exactly this resource of this account.
pub(crate) fn for_source(arn: Value) -> Value {
    map! {
        "StringEquals" => map! { "aws:SourceAccount" => TargetField::Account },
        "ArnLike" => map! { "aws:SourceArn" => arn },
    }
}

/// Lets a service of the cloud, such as `ec2.amazonaws.com`, assume a role.
pub(crate) fn trust_service(service: &str, condition: Option<Value>) -> Value {
    let mut statement = properties! {
        "Effect" => "Allow", "Principal" => map! { "Service" => service }, "Action" => "sts:AssumeRole",
    };
    statement.extend(condition.map(|condition| ("Condition".to_owned(), condition)));
    policy([statement.into()])
}

/// Lets the pods of one service account of one cluster assume a role, through EKS Pod Identity. EKS sets the session
/// tags that the condition compares, so that no other association of the account can use the role.
pub(crate) fn trust_pods(cluster: Value, namespace: &str, service_account: &str) -> Value {
    policy([map! {
        "Effect" => "Allow",
        "Principal" => map! { "Service" => "pods.eks.amazonaws.com" },
        "Action" => ["sts:AssumeRole", "sts:TagSession"],
        "Condition" => map! {
            "StringEquals" => map! {
                "aws:SourceAccount" => TargetField::Account,
                "aws:RequestTag/eks-cluster-name" => cluster,
                "aws:RequestTag/kubernetes-namespace" => namespace,
                "aws:RequestTag/kubernetes-service-account" => service_account,
            },
        },
    }])
}

/// The ARN of a policy that AWS keeps, such as `AmazonEKSClusterPolicy` or `service-role/AmazonEBSCSIDriverPolicy`.
pub(crate) fn managed_policy(path: &str) -> Value {
    join!["arn:", TargetField::Partition, ":iam::aws:policy/", path]
}

/// `arn:PARTITION:service:REGION:ACCOUNT:resource` in the target's own region.
pub(crate) fn arn(service: &str, resource: impl Into<Value>) -> Value {
    let mut parts = vec![
        "arn:".into(),
        TargetField::Partition.into(),
        format!(":{service}:").into(),
        TargetField::Region.into(),
        ":".into(),
        TargetField::Account.into(),
        ":".into(),
    ];
    match resource.into() {
        Value::Join(more) => parts.extend(more),
        one => parts.push(one),
    }
    Value::Join(parts)
}

/// What a role may do.
#[derive(Debug, Default)]
pub(crate) struct Rights {
    /// Policies that AWS keeps, by their path.
    pub(crate) managed: Vec<&'static str>,
    /// Policies of its own: name and document.
    pub(crate) inline: Vec<(&'static str, Value)>,
}

/// Adds a role to the expansion. Its name holds the region, because roles are unique in the whole account.
///
/// # Errors
/// As [`Scope::native`] and [`name::name`].
pub(crate) fn role(
    scope: &mut Scope<'_>,
    part: &str,
    description: &str,
    trust: Value,
    rights: Rights,
) -> Result<Native> {
    let address = scope.address(part)?;
    let segments = [address.kind(), address.name(), part, scope.region()];
    let name = name::name(&scope.stack().id, &segments, name::ROLE).map_err(|error| error.at(&address))?;
    let mut properties = properties! {
        "RoleName" => name, "Description" => description, "AssumeRolePolicyDocument" => trust,
    };
    if !rights.managed.is_empty() {
        let arns: Value = rights.managed.into_iter().map(managed_policy).collect();
        properties.insert("ManagedPolicyArns".into(), arns);
    }
    if !rights.inline.is_empty() {
        let policies: Value = rights
            .inline
            .into_iter()
            .map(|(name, document)| map! { "PolicyName" => name, "PolicyDocument" => document })
            .collect();
        properties.insert("Policies".into(), policies);
    }
    scope.native(part, "AWS::IAM::Role", properties)
}
