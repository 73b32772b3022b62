//! What the API answers, as errors that say what is left behind and what to do.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use landfall_core::error::CloudAnswer;
use landfall_core::{Code, Error, Remains, Retry};

/// What to do where nobody is reached.
pub(super) const NETWORK: &str = "check the network, the names it resolves, and the endpoints given in the options";

/// Turns what an SDK call failed with into an error; `action` is the call's IAM action, such as `ec2:CreateVpc`.
pub(super) fn failed<E>(action: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    move |error| {
        let response = error.raw_response();
        let header = |name: &str| response.and_then(|response| response.headers().get(name)).map(str::to_owned);
        let answer = Answer {
            action,
            status: response.map(|response| response.status().as_u16()),
            code: error.code().map(str::to_owned),
            message: error.message().unwrap_or_default().to_owned(),
            request: header("x-amzn-requestid")
                .or_else(|| header("x-amzn-request-id"))
                .or_else(|| header("x-amz-request-id"))
                .or_else(|| error.meta().extra("aws_request_id").map(str::to_owned)),
            retry_after: header("retry-after").and_then(|seconds| seconds.parse().ok()),
            body: response
                .and_then(|response| response.body().bytes())
                .map(|bytes| String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned())
                .unwrap_or_default(),
        };
        match error {
            SdkError::ServiceError(_) if answer.code.is_some() => answer.error(),
            SdkError::ServiceError(_) | SdkError::ResponseError(_) => answer.unreadable(),
            SdkError::TimeoutError(_) => answer.lost("no answer came in time".to_owned()),
            SdkError::DispatchFailure(failure) => {
                let why = failure
                    .as_connector_error()
                    .map_or_else(|| "the request could not be sent".to_owned(), |error| texts(error));
                let never_sent = failure.is_user()
                    || failure.as_connector_error().is_some_and(|error| {
                        // Nobody listens there: nothing was sent.
                        texts(error).contains("onnection refused") || texts(error).contains("dns error")
                    });
                if let Some(own) = failure.as_connector_error().and_then(|error| own(error)) {
                    return own;
                }
                if never_sent || failure.is_timeout() {
                    answer.unreachable(why)
                } else {
                    answer.lost(format!("the answer was lost: {why}"))
                }
            }
            SdkError::ConstructionFailure(failure) => {
                let error = SdkError::<E, HttpResponse>::ConstructionFailure(failure);
                if let Some(own) = own(&error) {
                    return own;
                }
                answer.not_sent(texts(&error))
            }
            other => answer.lost(format!("the answer was lost: {}", texts(&other))),
        }
    }
}

/// What failed for one item of a call on many, in an answer that is no error itself.
pub(super) fn item(action: &'static str, code: &str, message: &str) -> Error {
    let answer = Answer {
        action,
        status: None,
        code: Some(code.to_owned()),
        message: message.to_owned(),
        request: None,
        retry_after: None,
        body: String::new(),
    };
    answer.error()
}

/// An error of ours beneath an error of the SDK, such as that the credentials are those of another account.
pub(super) fn own(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref::<Error>() {
            return Some(own.clone());
        }
        next = error.source();
    }
    None
}

/// The texts of an error and of those beneath it, each once.
pub(super) fn texts(error: &dyn std::error::Error) -> String {
    let mut all = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !all.iter().any(|known| known.contains(&text)) {
            all.push(text);
        }
        next = error.source();
    }
    all.join(": ")
}

/// What is known of an answer that is an error.
struct Answer {
    action: &'static str,
    status: Option<u16>,
    code: Option<String>,
    message: String,
    request: Option<String>,
    retry_after: Option<u64>,
    body: String,
}

impl Answer {
    fn reads(&self) -> bool {
        let verb = self.action.split_once(':').map_or(self.action, |(_, verb)| verb);
        ["Describe", "List", "Get", "Head", "Decode"].iter().any(|prefix| verb.starts_with(prefix))
    }

    /// The call may have acted; a read has nothing to act on.
    fn open(&self, error: Error) -> Error {
        if self.reads() {
            return error.retry(Retry::Transient).during(self.action);
        }
        error.retry(Retry::Unknown).leaves(Remains::Unknown).during(self.action)
    }

    fn lost(self, message: String) -> Error {
        let code = if self.reads() { Code::Unavailable } else { Code::OutcomeUnknown };
        self.open(Error::new(code, message))
    }

    fn unreachable(self, why: String) -> Error {
        Error::new(Code::Unavailable, format!("the API cannot be reached: {why}"))
            .retry(Retry::Transient)
            .hint(NETWORK)
            .during(self.action)
    }

    fn not_sent(self, why: String) -> Error {
        let credentials = why.contains("redential") || why.contains("identity");
        let (code, hint) = if credentials {
            (Code::PermissionDenied, "give credentials that can be had, or check where they come from")
        } else {
            (Code::InvalidRequest, "please report this, with the text of the error")
        };
        Error::new(code, format!("the request could not be made: {why}")).hint(hint).during(self.action)
    }

    /// Neither an answer nor an error of the service: a proxy's page, or half of something.
    fn unreadable(self) -> Error {
        let status = self.status.map_or_else(String::new, |status| format!("status {status}, "));
        let body: String = self.body.split_whitespace().collect::<Vec<_>>().join(" ");
        let code = if self.reads() { Code::Unavailable } else { Code::OutcomeUnknown };
        let start = body.to_lowercase();
        let error = if start.starts_with("<html") || start.starts_with("<!doctype html") {
            Error::new(code, format!("a web page came instead of the API's answer: {status}{body}"))
                .hint("look for a proxy or a firewall on the way, and have it let the API's names through")
        } else {
            Error::new(code, format!("the answer cannot be read: {status}{body}"))
        };
        self.open(error)
    }

    fn error(self) -> Error {
        let code = self.code.clone().unwrap_or_default();
        let class = Class::of(&code, &self.message, self.status.unwrap_or_default(), self.action);
        let answer = CloudAnswer { code: code.clone(), message: self.message.clone(), request: self.request.clone() };
        let error = Error::new(class.code(), class.message().to_owned()).answer(answer);
        let error = match class {
            Class::Throttled => error.retry(Retry::Throttled(self.retry_after.map(std::time::Duration::from_secs))),
            Class::Unavailable => error.retry(Retry::Transient),
            Class::Internal => return self.open(error),
            Class::Busy | Class::InUse | Class::NotReady => error.retry(Retry::NotReady),
            Class::Denied | Class::Credentials | Class::Quota | Class::Capacity | Class::Exists => error,
            Class::Missing | Class::Invalid => error,
        };
        let error = match class.hint(&code) {
            Some(hint) => error.hint(hint),
            None if class == Class::Denied => error.hint(format!(
                "permit {} to whoever runs this; `Aws::policy` writes all permissions that the platform needs",
                self.action
            )),
            None => error,
        };
        error.during(self.action)
    }
}

/// What sort of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Throttled,
    Unavailable,
    Internal,
    Denied,
    Credentials,
    Quota,
    Capacity,
    Exists,
    Missing,
    InUse,
    Busy,
    NotReady,
    Invalid,
}

/// Codes of too many calls, from the error tables of the services.
const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttled",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// Codes that say that it is the credentials.
const CREDENTIALS: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidCredentialsException",
    "InvalidSecurity",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// Codes that say that it may not be done.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "AuthorizationErrorException",
    "Blocked",
    "NotAuthorized",
    "OptInRequired",
    "PendingVerification",
    "UnauthorizedOperation",
];

impl Class {
    fn of(code: &str, message: &str, status: u16, action: &str) -> Self {
        let any = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
        let said = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
        // IAM and KMS call a used-up quota what others call too many calls.
        let quota_of_service = code == "LimitExceededException" && !said(&["Rate exceeded", "rate exceeded"]);
        if THROTTLED.contains(&code) && !quota_of_service {
            return Self::Throttled;
        }
        // Some services say it in an error that means something else.
        if said(&["Rate exceeded", "rate exceeded", "Too many requests", "Request rate is too high"]) {
            return Self::Throttled;
        }
        // So says EC2 of an address that a NAT gateway uses.
        if code == "AuthFailure" && action == "ec2:ReleaseAddress" && !said(&["credentials"]) {
            return Self::InUse;
        }
        if CREDENTIALS.contains(&code) {
            return Self::Credentials;
        }
        if DENIED.contains(&code) || (status == 403 && !any(&["Limit", "Quota"])) {
            return if said(&["cannot be assumed", "unable to assume"]) { Self::NotReady } else { Self::Denied };
        }
        if let Some(class) = action.starts_with("eks:").then(|| Self::of_eks(code, message, action)).flatten() {
            return class;
        }
        if any(&["QuotaExceeded", "LimitExceeded", "TooManyBuckets"])
            || (any(&["Quota"]) && any(&["Exceeded"]))
            || (code == "LimitExceeded" || code.ends_with("QuotaReached"))
        {
            return Self::Quota;
        }
        if code.starts_with("Insufficient") && !code.contains("Privileges") {
            return Self::Capacity;
        }
        if any(&[
            "AlreadyExists",
            "ResourceExists",
            "AlreadyOwnedByYou",
            "Duplicate",
            "AlreadyAssociated",
            "AlreadyAttached",
        ]) || code == "InvalidSubnet.Conflict"
            || code == "Resource.AlreadyAssociated"
            || said(&["already exists"])
        {
            return Self::Exists;
        }
        // That a region has no such type says nothing of an object.
        if (any(&["NotFound", "NoSuch"]) && !any(&["NoSuchUpload", "TypeNotFound"])) || code == "Gateway.NotAttached" {
            return Self::Missing;
        }
        // A role, a principal or a key that is new is not known everywhere yet.
        if said(&[
            "cannot be assumed",
            "could not be assumed",
            "not authorized to perform: sts:AssumeRole",
            "Invalid principal in policy",
            "is not authorized to assume",
            "role with arn",
            "Unable to assume",
            "permission to assume",
            // EKS, of roles that it looks up itself.
            "Role provided in the request does not exist",
            "The role with name",
            "trust relationships of",
            "Error in role params",
            "doesn't have the Amazon EKS Managed Policies",
            // RDS, of the role that it writes metrics with.
            "required permissions for: ENHANCED_MONITORING",
        ]) || code == "ResourcePropagationDelayException"
        {
            return Self::NotReady;
        }
        if any(&["DependencyViolation", "DeleteConflict", "InUse", "BucketNotEmpty", "HasAssociations"]) {
            return Self::InUse;
        }
        if any(&["InvalidState", "IncorrectState", "IncorrectInstanceState", "Conflict"])
            || any(&["ConcurrentModification", "ConcurrentOperation"])
            || (code.starts_with("Invalid") && any(&["State"]))
            || any(&["OperationAborted", "KMSInvalidState", "OperationInProgress", "TemporarilyUnmodifiable"])
            || said(&["still has replica regions"])
        {
            return Self::Busy;
        }
        if any(&["ServiceUnavailable", "Unavailable"]) && status != 500 {
            return Self::Unavailable;
        }
        if status >= 500 || any(&["InternalError", "InternalFailure", "InternalServer", "ServerException"]) {
            return Self::Internal;
        }
        Self::Invalid
    }

    /// EKS says with the same two codes that a name is taken, that something is still used, and that it is busy.
    fn of_eks(code: &str, message: &str, action: &str) -> Option<Self> {
        let said = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
        let busy =
            said(&["not in ACTIVE", "in progress", "is being", "currently has", "CREATING", "UPDATING", "DELETING"]);
        match code {
            "ResourceInUseException" if action.starts_with("eks:Create") && !busy => Some(Self::Exists),
            "ResourceInUseException" if action.starts_with("eks:Delete") => Some(Self::InUse),
            "ResourceInUseException" => Some(Self::Busy),
            "InvalidRequestException" if busy => Some(Self::Busy),
            _ => None,
        }
    }

    fn code(self) -> Code {
        match self {
            Self::Throttled => Code::Throttled,
            Self::Unavailable => Code::Unavailable,
            Self::Internal => Code::OutcomeUnknown,
            Self::Denied | Self::Credentials => Code::PermissionDenied,
            Self::Quota => Code::Quota,
            Self::Capacity => Code::NoCapacity,
            Self::Exists => Code::AlreadyExists,
            Self::Missing => Code::NotFound,
            Self::InUse => Code::DependencyViolation,
            Self::Busy | Self::NotReady => Code::Conflict,
            Self::Invalid => Code::InvalidRequest,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Throttled => "too many calls",
            Self::Unavailable => "the service is unavailable",
            Self::Internal => "the service failed, and the call may have acted",
            Self::Denied => "not permitted",
            Self::Credentials => "the credentials are not accepted",
            Self::Quota => "a quota of the account is used up",
            Self::Capacity => "the cloud has no capacity of this sort left",
            Self::Exists => "it exists already",
            Self::Missing => "it does not exist",
            Self::InUse => "something still uses it",
            Self::Busy => "its state does not allow the call now",
            Self::NotReady => "what it stands on is not known everywhere yet",
            Self::Invalid => "the request was refused",
        }
    }

    fn hint(self, code: &str) -> Option<&'static str> {
        match self {
            Self::Credentials => Some(match code {
                "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                    "converge again with new credentials; a provider in `Options::provider` hands them out in time"
                }
                "RequestExpired" | "RequestTimeTooSkewed" => "set this machine's clock",
                "InvalidSignatureException" | "IncompleteSignature" | "SignatureDoesNotMatch" => {
                    "check the secret that belongs to the access key, and this machine's clock"
                }
                _ => "check the access key: whether it exists, is active, and whether a session token belongs to it",
            }),
            Self::Denied => match code {
                "OptInRequired" => Some("sign the account up for the service in its console"),
                "PendingVerification" => Some("wait until AWS has verified the account, and converge again"),
                "Blocked" => Some("ask AWS's support: the account is blocked"),
                _ => None,
            },
            Self::Quota => Some("ask for a higher quota in the Service Quotas console, or delete what is not used"),
            Self::Capacity => Some("try another machine type or zone, or again later"),
            Self::InUse => Some("delete what uses it first; what Landfall made goes by itself in the right order"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(action: &'static str, code: &str, message: &str) -> (Code, Retry) {
        let error = item(action, code, message);
        (error.code(), error.retry_class())
    }

    #[test]
    fn an_address_that_is_in_use_is_not_a_question_of_credentials() {
        let in_use = (Code::DependencyViolation, Retry::NotReady);
        let release = "ec2:ReleaseAddress";
        assert_eq!(of(release, "AuthFailure", "You do not have permission to access the specified resource."), in_use);
        assert_eq!(of(release, "InvalidIPAddress.InUse", "Address is in use"), in_use);
        let invalid = "AWS was not able to validate the provided access credentials";
        assert_eq!(of(release, "AuthFailure", invalid).0, Code::PermissionDenied);
        assert_eq!(of("ec2:AllocateAddress", "AuthFailure", "not authorized").0, Code::PermissionDenied);
    }

    #[test]
    fn a_refusal_of_credentials_says_what_is_wrong_with_them() {
        for (code, hint) in [
            ("InvalidClientTokenId", "check the access key"),
            ("UnrecognizedClientException", "check the access key"),
            ("SignatureDoesNotMatch", "check the secret"),
            ("InvalidSignatureException", "check the secret"),
            ("ExpiredToken", "converge again with new credentials"),
            ("RequestTimeTooSkewed", "set this machine's clock"),
            ("OptInRequired", "sign the account up"),
            ("AccessDenied", "permit s3:PutBucketPolicy to whoever runs this"),
        ] {
            let error = item("s3:PutBucketPolicy", code, "Access Denied");
            assert_eq!(error.code(), Code::PermissionDenied, "{code}");
            assert!(error.next_step().unwrap().starts_with(hint), "{error}");
        }
    }

    #[test]
    fn what_ec2_has_already_is_a_conflict() {
        for code in [
            "InvalidSubnet.Conflict",
            "InvalidGroup.Duplicate",
            "InvalidPermission.Duplicate",
            "InvalidLaunchTemplateName.AlreadyExistsException",
            "RouteAlreadyExists",
            "FlowLogAlreadyExists",
            "Resource.AlreadyAssociated",
        ] {
            assert_eq!(of("ec2:Create", code, "").0, Code::AlreadyExists, "{code}");
        }
    }

    #[test]
    fn eks_says_many_things_with_few_codes() {
        let in_use = "ResourceInUseException";
        let request = "InvalidRequestException";
        let parameter = "InvalidParameterException";
        for (action, code, message, class) in [
            ("eks:CreateCluster", in_use, "Cluster already exists with name: main", Class::Exists),
            ("eks:CreateAccessEntry", in_use, "The specified access entry resource is already in use", Class::Exists),
            ("eks:CreateAddon", in_use, "Cluster main has an update in progress", Class::Busy),
            ("eks:DeleteCluster", in_use, "Cluster has nodegroups attached", Class::InUse),
            ("eks:UpdateClusterConfig", in_use, "Cannot UpdateClusterConfig because of an update", Class::Busy),
            ("eks:CreateNodegroup", request, "Cluster 'main' is not in ACTIVE status", Class::Busy),
            ("eks:DeleteCluster", request, "Cluster main has deletion protection enabled", Class::Invalid),
            (
                "eks:CreatePodIdentityAssociation",
                parameter,
                "Role provided in the request does not exist.",
                Class::NotReady,
            ),
            ("eks:CreateNodegroup", parameter, "The role with name nodes cannot be found.", Class::NotReady),
            ("eks:CreateCluster", parameter, "unsupported Kubernetes version", Class::Invalid),
            (
                "eks:CreateAddon",
                "ResourcePropagationDelayException",
                "Required resources are still propagating",
                Class::NotReady,
            ),
            ("eks:CreateNodegroup", "ResourceLimitExceededException", "Nodegroups limit exceeded", Class::Quota),
            ("eks:DescribeCluster", "ResourceNotFoundException", "No cluster found for name: main.", Class::Missing),
            ("eks:DescribeCluster", "ServerException", "", Class::Internal),
        ] {
            let status = if code == "ServerException" { 500 } else { 400 };
            assert_eq!(Class::of(code, message, status, action), class, "{action} {message}");
        }
    }

    #[test]
    fn what_ec2_does_not_have_is_missing() {
        for code in [
            "InvalidVpcID.NotFound",
            "InvalidAllocationID.NotFound",
            "InvalidAssociationID.NotFound",
            "InvalidRoute.NotFound",
            "InvalidSecurityGroupRuleId.NotFound",
            "InvalidVpcEndpointId.NotFound",
            "InvalidFlowLogId.NotFound",
            "InvalidLaunchTemplateId.NotFound",
            "NatGatewayNotFound",
            "Gateway.NotAttached",
        ] {
            assert_eq!(of("ec2:Delete", code, "").0, Code::NotFound, "{code}");
        }
    }

    #[test]
    fn what_passes_by_itself_in_ec2_is_tried_again() {
        for code in ["DependencyViolation", "InvalidGroup.InUse", "IncorrectState", "InvalidState"] {
            assert_eq!(of("ec2:Delete", code, "").1, Retry::NotReady, "{code}");
        }
        for code in ["VpcLimitExceeded", "AddressLimitExceeded", "RulesPerSecurityGroupLimitExceeded"] {
            assert_eq!(of("ec2:Create", code, "").0, Code::Quota, "{code}");
        }
        assert!(matches!(of("ec2:Create", "RequestLimitExceeded", "").1, Retry::Throttled(_)));
        assert_eq!(of("ec2:Create", "IdempotentParameterMismatch", "").0, Code::InvalidRequest);
    }

    #[test]
    fn an_item_that_failed_keeps_the_clouds_words() {
        let error = item("ec2:CreateFlowLogs", "400", "LogDestination: logs does not exist.");
        assert_eq!(error.code(), Code::InvalidRequest);
        let answer = error.cloud_answer().unwrap();
        assert_eq!((answer.code.as_str(), answer.message.as_str()), ("400", "LogDestination: logs does not exist."));
    }

    #[test]
    fn iam_is_told_apart_by_its_codes() {
        for (code, message, class) in [
            ("EntityAlreadyExists", "Role with name nodes already exists.", Class::Exists),
            ("NoSuchEntity", "The role with name nodes cannot be found.", Class::Missing),
            ("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.", Class::InUse),
            ("EntityTemporarilyUnmodifiable", "Please try again later", Class::Busy),
            ("ConcurrentModification", "Please try again later", Class::Busy),
            ("LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000", Class::Quota),
            ("MalformedPolicyDocument", "Invalid principal in policy: AWS", Class::NotReady),
            ("MalformedPolicyDocument", "Syntax errors in policy.", Class::Invalid),
        ] {
            assert_eq!(Class::of(code, message, 400, "iam:CreateRole"), class, "{code}");
        }
    }

    #[test]
    fn codes_of_cloud_control_are_what_they_mean() {
        for (code, status, class) in [
            ("AlreadyExistsException", 400, Class::Exists),
            ("ClientTokenConflictException", 400, Class::Busy),
            ("ConcurrentModificationException", 500, Class::Busy),
            ("ConcurrentOperationException", 400, Class::Busy),
            ("GeneralServiceException", 400, Class::Invalid),
            ("HandlerFailureException", 502, Class::Internal),
            ("HandlerInternalFailureException", 502, Class::Internal),
            ("InvalidCredentialsException", 401, Class::Credentials),
            ("InvalidRequestException", 400, Class::Invalid),
            ("NetworkFailureException", 502, Class::Internal),
            ("NotStabilizedException", 400, Class::Invalid),
            ("NotUpdatableException", 400, Class::Invalid),
            ("PrivateTypeException", 400, Class::Invalid),
            ("RequestTokenNotFoundException", 404, Class::Missing),
            ("ResourceConflictException", 409, Class::Busy),
            ("ResourceNotFoundException", 404, Class::Missing),
            ("ServiceInternalErrorException", 502, Class::Internal),
            ("ServiceLimitExceededException", 429, Class::Quota),
            ("ThrottlingException", 429, Class::Throttled),
            // Nothing is gone because its type is not known.
            ("TypeNotFoundException", 404, Class::Invalid),
            ("UnsupportedActionException", 405, Class::Invalid),
        ] {
            assert_eq!(Class::of(code, "", status, "cloudformation:GetResource"), class, "{code}");
        }
    }

    #[test]
    fn codes_of_data_are_what_they_mean() {
        for (code, message, status, class) in [
            ("BucketAlreadyExists", "", 409, Class::Exists),
            ("BucketAlreadyOwnedByYou", "", 409, Class::Exists),
            ("BucketNotEmpty", "", 409, Class::InUse),
            ("NoSuchBucket", "", 404, Class::Missing),
            ("OperationAborted", "", 409, Class::Busy),
            ("TooManyBuckets", "", 400, Class::Quota),
            ("ResourceExistsException", "You can't use ClientRequestToken", 400, Class::Exists),
            ("InvalidRequestException", "You can't delete secret x that still has replica regions", 400, Class::Busy),
            ("DBInstanceAlreadyExists", "", 400, Class::Exists),
            ("DBInstanceNotFound", "", 404, Class::Missing),
            ("InvalidDBInstanceState", "", 400, Class::Busy),
            ("InvalidDBSubnetGroupStateFault", "", 400, Class::Busy),
            ("InstanceQuotaExceeded", "", 400, Class::Quota),
            ("InsufficientDBInstanceCapacity", "", 400, Class::Capacity),
            ("DBSubnetGroupDoesNotCoverEnoughAZs", "", 400, Class::Invalid),
            (
                "InvalidParameterValue",
                "IAM role ARN value is invalid or does not include the required permissions for: ENHANCED_MONITORING",
                400,
                Class::NotReady,
            ),
            ("CacheParameterGroupAlreadyExists", "", 400, Class::Exists),
            ("InvalidReplicationGroupState", "", 400, Class::Busy),
            ("CacheSubnetGroupInUse", "", 400, Class::InUse),
            ("NodeQuotaForCustomerExceeded", "", 400, Class::Quota),
            ("InsufficientCacheClusterCapacity", "", 400, Class::Capacity),
        ] {
            assert_eq!(Class::of(code, message, status, "x:Create"), class, "{code}");
        }
    }
}
