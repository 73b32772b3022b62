//! What is not permitted, said exactly: the action, the resource, and the policy statement that is missing.

use landfall_core::error::CloudAnswer;
use landfall_core::{Code, Error, Result};
use serde_json::{Value, json};

use super::api::Api;

/// What EC2 puts before a message that only STS can read.
const ENCODED: &str = "Encoded authorization failure message: ";

/// The same error with the action, the resource and what would permit it.
pub(super) async fn explained(api: &Api, error: Error) -> Error {
    let Some(CloudAnswer { code, message, request }) = error.cloud_answer().cloned() else { return error };
    let mut lacking = Lacking::of_message(&message);
    let mut told = message.clone();
    if let Some((before, encoded)) = message.split_once(ENCODED) {
        let encoded = encoded.split_whitespace().next().unwrap_or_default();
        match decoded(api, encoded).await {
            Ok(found) => {
                lacking = Some(found);
                told = before.trim().to_owned();
            }
            Err(error) => {
                // Nobody can read it, so that a thousand letters help nobody; the request id stays.
                let why = match error.code() {
                    Code::PermissionDenied => "is not permitted",
                    _ => "did not decode it",
                };
                told = format!("{} (the rest is encoded, and sts:DecodeAuthorizationMessage {why})", before.trim());
            }
        }
    }
    let error = error.answer(CloudAnswer { code, message: told, request });
    match lacking {
        Some(lacking) => {
            let hint = lacking.hint();
            error.during(lacking.action).hint(hint)
        }
        None => error,
    }
}

/// What the caller may not do.
#[derive(Debug, PartialEq, Eq)]
struct Lacking {
    principal: Option<String>,
    action: String,
    resource: String,
    /// Whether a policy forbids it, so that one that allows it changes nothing.
    explicit: bool,
}

impl Lacking {
    /// From a message such as `User: arn:… is not authorized to perform: eks:CreateCluster on resource: arn:… because …`.
    fn of_message(message: &str) -> Option<Self> {
        let (before, after) = message.split_once("is not authorized to perform: ")?;
        let action: String = after.chars().take_while(|letter| !letter.is_whitespace()).collect();
        let resource = after.split_once("on resource: ").map(|(_, rest)| rest);
        let resource = resource.and_then(|rest| rest.split_whitespace().next()).unwrap_or("*");
        let principal = before.split_once("User: ").and_then(|(_, rest)| rest.split_whitespace().next());
        Some(Self {
            principal: principal.map(str::to_owned),
            action: action.trim_end_matches(['.', ',']).to_owned(),
            resource: resource.trim_matches('"').to_owned(),
            explicit: message.contains("explicit deny"),
        })
    }

    /// From the JSON that STS decodes.
    fn of_decoded(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let context = json.get("context")?;
        let at = |of: &Value, name: &str| Some(of.get(name)?.as_str()?.to_owned());
        Some(Self {
            principal: context.get("principal").and_then(|principal| at(principal, "arn")),
            action: at(context, "action")?,
            resource: at(context, "resource").unwrap_or_else(|| "*".to_owned()),
            explicit: json.get("explicitDeny").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    fn hint(&self) -> String {
        let who = self.principal.as_deref().unwrap_or("the caller");
        if self.explicit {
            return format!("take away the statement that denies {} to {who}: {}", self.action, self.resource);
        }
        let statement = json!({ "Effect": "Allow", "Action": self.action, "Resource": self.resource });
        format!("add this statement to a policy of {who}: {statement}")
    }
}

async fn decoded(api: &Api, encoded: &str) -> Result<Lacking> {
    let answer = api
        .sts
        .decode_authorization_message()
        .encoded_message(encoded)
        .send()
        .await
        .map_err(super::error::failed("sts:DecodeAuthorizationMessage"))?;
    Lacking::of_decoded(answer.decoded_message().unwrap_or_default())
        .ok_or_else(|| Error::internal("STS decoded a message to something else"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_plain_words_names_action_and_resource() {
        let message = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: eks:CreateCluster on \
                       resource: arn:aws:eks:eu-west-1:123456789012:cluster/main because no identity-based policy allows \
                       the eks:CreateCluster action";
        let lacking = Lacking::of_message(message).unwrap();
        assert_eq!(lacking.action, "eks:CreateCluster");
        assert_eq!(
            lacking.hint(),
            "add this statement to a policy of arn:aws:iam::123456789012:user/ci: \
             {\"Action\":\"eks:CreateCluster\",\"Effect\":\"Allow\",\
             \"Resource\":\"arn:aws:eks:eu-west-1:123456789012:cluster/main\"}"
        );
    }

    #[test]
    fn a_decoded_message_names_action_and_resource() {
        let text = r#"{"allowed":false,"explicitDeny":true,"context":{"principal":{"id":"AIDA","arn":"arn:aws:iam::1:user/ci"},
            "action":"ec2:CreateVpc","resource":"arn:aws:ec2:eu-west-1:1:vpc/*","conditions":{"items":[]}}}"#;
        let lacking = Lacking::of_decoded(text).unwrap();
        assert_eq!((lacking.action.as_str(), lacking.explicit), ("ec2:CreateVpc", true));
        assert_eq!(
            lacking.hint(),
            "take away the statement that denies ec2:CreateVpc to arn:aws:iam::1:user/ci: arn:aws:ec2:eu-west-1:1:vpc/*"
        );
    }

    #[test]
    fn a_message_of_another_sort_names_nothing() {
        assert_eq!(Lacking::of_message("Access Denied"), None);
        assert_eq!(Lacking::of_decoded("{}"), None);
    }
}
