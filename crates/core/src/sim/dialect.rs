//! What each cloud says in its own words: errors and phases.

use std::time::Duration;

use crate::error::CloudAnswer;
use crate::resource::{Api, ResourceType, Verb};
use crate::{Code, Error, Remains, Retry};

/// Something that a cloud has to say about a call.
#[derive(Clone, Debug)]
pub(super) enum Fact<'a> {
    Throttled(Option<Duration>),
    /// Too many calls, in words that mean something else.
    Disguised,
    Unavailable,
    /// An error of the cloud's own.
    ServerError,
    /// Not to be read.
    Garbage,
    /// The caller may do this, and not everybody knows it yet.
    NotYetPermitted(&'a str),
    /// The connection broke before an answer came.
    Reset,
    PermissionDenied,
    Quota(&'a str),
    NoCapacity,
    /// The request cannot be right.
    Invalid(String),
    AlreadyExists(&'a str),
    /// The object itself or one it names.
    NotFound(&'a str),
    /// What is named exists and cannot be used yet; its phase.
    NotReady(&'a str, &'a str),
    /// The object is in a phase that does not allow the call.
    Busy(&'a str),
    /// Another object uses it.
    InUse(&'a str),
    /// Its own protection is on.
    Guarded(&'a str),
    /// The token came with other properties before.
    TokenMismatch,
    /// The token's object is gone.
    TokenSpent(&'a str),
    /// Accepted and failed.
    ProvisioningFailed(&'a str),
}

/// An error as this type's API words it.
pub(super) fn error(of: &ResourceType, verb: Verb, request: &str, fact: &Fact<'_>) -> Error {
    let action = of.verbs.of(verb).first().copied();
    let during = match action {
        Some(action) => action.to_owned(),
        // A census is about many types.
        None if of.name.is_empty() => "census".to_owned(),
        None => format!("{} of {}", verb_word(verb), of.name),
    };
    let (word, message) = match of.api {
        Api::Kubernetes => kubernetes(fact, &of.name),
        Api::Postgres => postgres(fact),
        Api::Azure => azure(fact),
        Api::Gcp => google(fact),
        _ => amazon(fact, of, &during),
    };
    let (code, retry, what, hint) = meaning(fact, verb);
    let mut error = Error::new(code, format!("{what}: {}", subject(fact, of))).during(during).retry(retry);
    if !matches!(fact, Fact::Reset | Fact::Garbage) {
        error = error.answer(CloudAnswer { code: word.to_owned(), message, request: Some(request.to_owned()) });
    }
    if !hint.is_empty() {
        error = error.hint(hint);
    }
    error.leaves(match fact {
        Fact::Reset | Fact::Garbage | Fact::ServerError if verb != Verb::Read => Remains::Unknown,
        Fact::ProvisioningFailed(_) => Remains::Something,
        _ => Remains::Nothing,
    })
}

fn meaning(fact: &Fact<'_>, verb: Verb) -> (Code, Retry, &'static str, &'static str) {
    match fact {
        Fact::Throttled(after) => (Code::Throttled, Retry::Throttled(*after), "too many calls", ""),
        Fact::Disguised => (Code::Throttled, Retry::Throttled(None), "too many calls", ""),
        Fact::Unavailable => (Code::Unavailable, Retry::Transient, "the service is unavailable", ""),
        Fact::ServerError if verb == Verb::Read => (Code::Unavailable, Retry::Transient, "the service failed", ""),
        Fact::ServerError => (Code::OutcomeUnknown, Retry::Unknown, "the service failed", ""),
        Fact::Garbage if verb == Verb::Read => (Code::Unavailable, Retry::Transient, "the answer is not readable", ""),
        Fact::Garbage => (Code::OutcomeUnknown, Retry::Unknown, "the answer is not readable", ""),
        Fact::NotYetPermitted(_) => {
            (Code::PermissionDenied, Retry::NotReady, "a permission is not known everywhere yet", "")
        }
        // A read that is lost is simply read again.
        Fact::Reset if verb == Verb::Read => (Code::Unavailable, Retry::Transient, "the connection broke", ""),
        Fact::Reset => (Code::OutcomeUnknown, Retry::Unknown, "the connection broke before an answer", ""),
        Fact::PermissionDenied => {
            (Code::PermissionDenied, Retry::Never, "the caller may not do this", "grant the action that is named")
        }
        Fact::Quota(_) => (Code::Quota, Retry::Never, "a quota is used up", "ask the cloud for a higher quota"),
        Fact::NoCapacity => {
            (Code::NoCapacity, Retry::Never, "the cloud has no capacity left", "try another zone or machine type")
        }
        Fact::Invalid(_) => (Code::InvalidRequest, Retry::Never, "the cloud refused the request", ""),
        Fact::AlreadyExists(_) => (Code::AlreadyExists, Retry::Never, "a resource of that name exists", ""),
        Fact::NotFound(_) => (Code::NotFound, Retry::Never, "the resource does not exist", ""),
        Fact::NotReady(..) => (Code::Conflict, Retry::NotReady, "what it stands on is not ready", ""),
        Fact::Busy(_) => (Code::Conflict, Retry::NotReady, "the resource is being worked on", ""),
        Fact::InUse(_) => (Code::DependencyViolation, Retry::NotReady, "something still uses the resource", ""),
        Fact::Guarded(_) => (
            Code::Conflict,
            Retry::Never,
            "the resource is protected from deletion",
            "switch its protection off in an apply of its own first",
        ),
        Fact::TokenMismatch => {
            (Code::InvalidRequest, Retry::Never, "the token was used with other properties", "use a new token")
        }
        Fact::TokenSpent(_) => {
            (Code::Conflict, Retry::Never, "the token's resource was deleted meanwhile", "use a new token")
        }
        Fact::ProvisioningFailed(_) => (Code::ProvisioningFailed, Retry::Never, "the cloud failed to make it", ""),
    }
}

fn subject(fact: &Fact<'_>, of: &ResourceType) -> String {
    match fact {
        Fact::Invalid(what) => what.clone(),
        Fact::AlreadyExists(what)
        | Fact::NotFound(what)
        | Fact::NotYetPermitted(what)
        | Fact::InUse(what)
        | Fact::Quota(what)
        | Fact::Guarded(what)
        | Fact::ProvisioningFailed(what)
        | Fact::TokenSpent(what) => (*what).to_owned(),
        Fact::NotReady(what, phase) => format!("{what} is {phase}"),
        Fact::Busy(phase) => (*phase).to_owned(),
        _ => of.name.to_string(),
    }
}

/// Codes as the services' API references list them under "Errors".
fn amazon(fact: &Fact<'_>, of: &ResourceType, action: &str) -> (&'static str, String) {
    let service = service(of);
    match fact {
        Fact::Throttled(_) => match service {
            "EC2" => ("RequestLimitExceeded", "Request limit exceeded.".into()),
            "IAM" | "RDS" | "ElastiCache" => ("Throttling", "Rate exceeded".into()),
            "S3" => ("SlowDown", "Please reduce your request rate.".into()),
            _ => ("ThrottlingException", "Rate exceeded".into()),
        },
        Fact::Unavailable => match service {
            "EC2" => ("Unavailable", "The server is overloaded and can't handle the request.".into()),
            "EKS" => ("ServerException", "These errors are usually caused by a server-side issue.".into()),
            _ => ("ServiceUnavailable", "The request has failed due to a temporary failure of the server.".into()),
        },
        Fact::PermissionDenied => match service {
            "EC2" => ("UnauthorizedOperation", "You are not authorized to perform this operation.".into()),
            "IAM" | "RDS" | "ElastiCache" | "S3" => ("AccessDenied", format!("not authorized to perform: {action}")),
            _ => ("AccessDeniedException", format!("not authorized to perform: {action}")),
        },
        Fact::Quota(name) => match service {
            "EC2" => ("VpcLimitExceeded", format!("The maximum number has been reached: {name}")),
            "EKS" => ("ResourceLimitExceededException", format!("limit exceeded: {name}")),
            "IAM" => ("LimitExceeded", format!("Cannot exceed quota for {name}")),
            "RDS" => ("InstanceQuotaExceeded", format!("Cannot exceed quota for {name}")),
            _ => ("ServiceQuotaExceededException", format!("quota exceeded: {name}")),
        },
        Fact::NoCapacity => match service {
            "RDS" => ("InsufficientDBInstanceCapacity", "Cannot create a database instance.".into()),
            "ElastiCache" => ("InsufficientCacheClusterCapacity", "There is not enough capacity.".into()),
            _ => ("InsufficientInstanceCapacity", "There is no capacity available that matches your request.".into()),
        },
        Fact::Invalid(what) => match service {
            "EC2" | "RDS" | "ElastiCache" => ("InvalidParameterValue", what.clone()),
            "IAM" => ("ValidationError", what.clone()),
            _ => ("InvalidParameterException", what.clone()),
        },
        Fact::AlreadyExists(what) => {
            let word = match service {
                "EC2" => match of.name.rsplit("::").next().unwrap_or_default() {
                    "Subnet" => "InvalidSubnet.Conflict",
                    "SecurityGroup" => "InvalidGroup.Duplicate",
                    "SecurityGroupIngress" | "SecurityGroupEgress" => "InvalidPermission.Duplicate",
                    "Route" => "RouteAlreadyExists",
                    "LaunchTemplate" => "InvalidLaunchTemplateName.AlreadyExistsException",
                    _ => "Resource.AlreadyAssociated",
                },
                "IAM" => "EntityAlreadyExists",
                "EKS" => "ResourceInUseException",
                "RDS" => "DBInstanceAlreadyExists",
                "ElastiCache" => "ReplicationGroupAlreadyExists",
                "S3" => "BucketAlreadyExists",
                "Logs" => "ResourceAlreadyExistsException",
                "SecretsManager" => "ResourceExistsException",
                _ => "AlreadyExistsException",
            };
            (word, format!("already exists: {what}"))
        }
        Fact::NotFound(what) => {
            let word = match service {
                "EC2" => match what.split_once('-').map_or("", |(prefix, _)| prefix) {
                    "vpc" => "InvalidVpcID.NotFound",
                    "subnet" => "InvalidSubnetID.NotFound",
                    "sg" => "InvalidGroup.NotFound",
                    "rtb" => "InvalidRouteTableID.NotFound",
                    "igw" => "InvalidInternetGatewayID.NotFound",
                    "nat" => "NatGatewayNotFound",
                    "eipalloc" => "InvalidAllocationID.NotFound",
                    "lt" => "InvalidLaunchTemplateId.NotFound",
                    "vpce" => "InvalidVpcEndpointId.NotFound",
                    _ => "InvalidParameterValue",
                },
                "IAM" => "NoSuchEntity",
                "RDS" => "DBInstanceNotFound",
                "ElastiCache" => "ReplicationGroupNotFoundFault",
                "S3" => "NoSuchBucket",
                "KMS" => "NotFoundException",
                _ => "ResourceNotFoundException",
            };
            (word, format!("does not exist: {what}"))
        }
        Fact::NotReady(_, phase) | Fact::Busy(phase) => {
            let word = match service {
                "EC2" => "IncorrectState",
                "RDS" => "InvalidDBInstanceState",
                "ElastiCache" => "InvalidReplicationGroupState",
                "IAM" => "ConcurrentModification",
                "KMS" => "KMSInvalidStateException",
                _ => "ResourceInUseException",
            };
            (word, format!("the operation is not allowed in state: {phase}"))
        }
        Fact::InUse(user) => {
            let word = match service {
                "IAM" => "DeleteConflict",
                "EKS" => "ResourceInUseException",
                "RDS" => "InvalidDBSubnetGroupStateFault",
                "ElastiCache" => "CacheSubnetGroupInUse",
                _ => "DependencyViolation",
            };
            (word, format!("has a dependency and cannot be deleted: {user}"))
        }
        Fact::Guarded(property) => match service {
            "RDS" => ("InvalidParameterCombination", "Cannot delete protected DB Instance".into()),
            "EKS" => ("InvalidRequestException", "Cluster deletion protection is enabled".into()),
            _ => ("OperationNotPermitted", format!("protected from deletion by {property}")),
        },
        Fact::TokenMismatch => {
            ("IdempotentParameterMismatch", "The request uses the same client token as a previous request.".into())
        }
        Fact::TokenSpent(id) => ("IdempotentInstanceTerminated", format!("the client token's resource is gone: {id}")),
        Fact::ProvisioningFailed(message) => ("CreateFailed", (*message).to_owned()),
        // hashicorp/terraform-provider-aws#2942 tells of throttling that calls itself an invalid parameter.
        Fact::Disguised => ("InvalidParameterValue", "Rate exceeded".into()),
        // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        Fact::ServerError => ("InternalError", "An internal error has occurred.".into()),
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
        Fact::NotYetPermitted(role) => {
            ("InvalidParameterException", format!("The role defined cannot be assumed: {role}"))
        }
        Fact::Reset | Fact::Garbage => ("", String::new()),
    }
}

/// Reasons of a Kubernetes `Status`.
fn kubernetes(fact: &Fact<'_>, type_name: &str) -> (&'static str, String) {
    let sort = type_name.rsplit('/').next().unwrap_or_default().to_lowercase();
    match fact {
        Fact::Throttled(_) | Fact::Disguised => ("TooManyRequests", "the server has received too many requests".into()),
        Fact::PermissionDenied => ("Forbidden", format!("{sort}s is forbidden")),
        Fact::Quota(name) => ("Forbidden", format!("exceeded quota: {name}")),
        Fact::AlreadyExists(what) => ("AlreadyExists", format!("{sort}s \"{what}\" already exists")),
        Fact::NotFound(what) => ("NotFound", format!("\"{what}\" not found")),
        Fact::Invalid(what) => ("Invalid", what.clone()),
        Fact::NotReady(..) | Fact::Busy(_) | Fact::InUse(_) | Fact::Guarded(_) => {
            ("Conflict", "the object is being deleted or changed".into())
        }
        Fact::ProvisioningFailed(message) => ("ProgressDeadlineExceeded", (*message).to_owned()),
        _ => ("ServiceUnavailable", "the server is currently unable to handle the request".into()),
    }
}

/// `SQLSTATE` codes.
fn postgres(fact: &Fact<'_>) -> (&'static str, String) {
    match fact {
        Fact::AlreadyExists(what) => ("42710", format!("\"{what}\" already exists")),
        Fact::NotFound(what) => ("42704", format!("\"{what}\" does not exist")),
        Fact::PermissionDenied => ("42501", "permission denied".into()),
        Fact::Throttled(_) | Fact::Disguised | Fact::Quota(_) => ("53300", "too many connections".into()),
        Fact::Invalid(what) => ("22023", what.clone()),
        Fact::Busy(_) | Fact::InUse(_) => ("55006", "is being accessed by other users".into()),
        _ => ("08006", "connection failure".into()),
    }
}

/// Error codes of Azure Resource Manager.
fn azure(fact: &Fact<'_>) -> (&'static str, String) {
    match fact {
        Fact::Throttled(_) => ("TooManyRequests", "The request is being throttled.".into()),
        Fact::Disguised => ("OperationNotAllowed", "The server rejected the request: too many requests.".into()),
        Fact::ServerError => ("InternalServerError", "Encountered internal server error.".into()),
        Fact::NotYetPermitted(role) => {
            ("PrincipalNotFound", format!("Principal does not exist in the directory: {role}"))
        }
        Fact::PermissionDenied => ("AuthorizationFailed", "The client does not have authorization.".into()),
        Fact::Quota(name) => ("QuotaExceeded", format!("Operation could not be completed: {name}")),
        Fact::NoCapacity => ("SkuNotAvailable", "The requested size is currently not available.".into()),
        Fact::Invalid(what) => ("InvalidRequestContent", what.clone()),
        Fact::AlreadyExists(what) => ("Conflict", format!("already exists: {what}")),
        Fact::NotFound(what) => ("ResourceNotFound", format!("was not found: {what}")),
        Fact::NotReady(_, phase) | Fact::Busy(phase) => {
            ("AnotherOperationInProgress", format!("another operation is in progress: {phase}"))
        }
        Fact::InUse(user) => ("InUse", format!("cannot be deleted because it is in use by {user}")),
        Fact::Guarded(_) => ("ScopeLocked", "the scope is locked".into()),
        Fact::ProvisioningFailed(message) => ("ProvisioningFailed", (*message).to_owned()),
        _ => ("ServiceUnavailable", "The service is unavailable.".into()),
    }
}

/// Status names of Google Cloud APIs (`google.rpc.Code`).
fn google(fact: &Fact<'_>) -> (&'static str, String) {
    match fact {
        Fact::Throttled(_) => ("RESOURCE_EXHAUSTED", "rate limit exceeded".into()),
        Fact::Disguised => ("PERMISSION_DENIED", "rateLimitExceeded".into()),
        Fact::ServerError => ("INTERNAL", "internal error encountered".into()),
        Fact::Quota(name) => ("RESOURCE_EXHAUSTED", format!("quota exceeded: {name}")),
        Fact::PermissionDenied => ("PERMISSION_DENIED", "the caller does not have permission".into()),
        Fact::NoCapacity => ("ZONE_RESOURCE_POOL_EXHAUSTED", "the zone does not have enough resources".into()),
        Fact::Invalid(what) => ("INVALID_ARGUMENT", what.clone()),
        Fact::AlreadyExists(what) => ("ALREADY_EXISTS", format!("already exists: {what}")),
        Fact::NotFound(what) => ("NOT_FOUND", format!("not found: {what}")),
        Fact::NotReady(_, phase) | Fact::Busy(phase) => ("FAILED_PRECONDITION", format!("is in state {phase}")),
        Fact::InUse(user) => ("FAILED_PRECONDITION", format!("is already being used by {user}")),
        Fact::Guarded(property) => ("FAILED_PRECONDITION", format!("{property} is set")),
        Fact::ProvisioningFailed(message) => ("INTERNAL", (*message).to_owned()),
        _ => ("UNAVAILABLE", "the service is currently unavailable".into()),
    }
}

/// The cloud's word for what it does, and its last message. `elapsed` and `total` are of the whole operation.
pub(super) fn phase(of: &ResourceType, verb: Verb, elapsed: Duration, total: Duration) -> (&'static str, &'static str) {
    let late = elapsed.saturating_mul(100) >= total.saturating_mul(85);
    match (of.api, service(of), verb) {
        (Api::Kubernetes, _, Verb::Delete) => ("Terminating", ""),
        (Api::Kubernetes, ..) => ("Progressing", "waiting for the rollout to finish"),
        (Api::Azure, _, Verb::Create) => ("Creating", ""),
        (Api::Azure, _, Verb::Update) => ("Updating", ""),
        (Api::Azure, ..) => ("Deleting", ""),
        (Api::Gcp, _, Verb::Create) => ("PROVISIONING", ""),
        (Api::Gcp, _, Verb::Update) => ("RECONCILING", ""),
        (Api::Gcp, ..) => ("STOPPING", ""),
        (_, "RDS", Verb::Create) if late => ("backing-up", "the first backup is being made"),
        (_, "RDS" | "ElastiCache", Verb::Create) => ("creating", ""),
        (_, "RDS" | "ElastiCache", Verb::Update) => ("modifying", ""),
        (_, "RDS" | "ElastiCache", _) => ("deleting", ""),
        (_, "EC2", Verb::Create) => ("pending", ""),
        (_, "EC2", Verb::Update) => ("modifying", ""),
        (_, "EC2", _) => ("deleting", ""),
        (_, _, Verb::Create) => ("CREATING", ""),
        (_, _, Verb::Update) => ("UPDATING", ""),
        _ => ("DELETING", ""),
    }
}

/// The service within a cloud: `EC2` of `AWS::EC2::VPC`.
pub(super) fn service(of: &ResourceType) -> &str {
    of.name.split("::").nth(1).unwrap_or_default()
}

fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "read",
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Delete => "delete",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &'static str, api: Api) -> ResourceType {
        ResourceType { name: name.into(), api, ..ResourceType::DEFAULT }
    }

    #[test]
    fn each_cloud_has_its_own_words_and_the_meaning_is_one() {
        let words = [
            ("AWS::EC2::VPC", Api::Aws, "RequestLimitExceeded"),
            ("AWS::IAM::Role", Api::Aws, "Throttling"),
            ("AWS::EKS::Cluster", Api::Aws, "ThrottlingException"),
            ("v1/Namespace", Api::Kubernetes, "TooManyRequests"),
            ("Microsoft.Network/virtualNetworks", Api::Azure, "TooManyRequests"),
            ("container.projects.locations.clusters", Api::Gcp, "RESOURCE_EXHAUSTED"),
        ];
        let after = Some(Duration::from_secs(3));
        for (name, api, word) in words {
            let error = error(&of(name, api), Verb::Create, "r-1", &Fact::Throttled(after));
            assert_eq!(error.code(), Code::Throttled);
            assert_eq!(error.retry_class(), Retry::Throttled(after));
            let answer = error.cloud_answer().unwrap();
            assert_eq!((answer.code.as_str(), answer.request.as_deref()), (word, Some("r-1")));
        }
    }

    #[test]
    fn a_lost_answer_is_unknown_to_a_change_and_transient_to_a_read() {
        let of = of("AWS::EC2::VPC", Api::Aws);
        let change = error(&of, Verb::Create, "r-1", &Fact::Reset);
        assert_eq!((change.code(), change.retry_class()), (Code::OutcomeUnknown, Retry::Unknown));
        assert_eq!(change.remains(), Remains::Unknown);
        assert!(change.cloud_answer().is_none());
        let read = error(&of, Verb::Read, "r-1", &Fact::Reset);
        assert_eq!((read.code(), read.retry_class()), (Code::Unavailable, Retry::Transient));
    }
}
