//! Secrets as files: the CSI driver mounts them from the cloud's store, and Kubernetes never holds them.

use landfall_core::kind::AccessOutputs;
use landfall_core::resource::Value;
use landfall_core::{Code, Error, Result, map, properties};

use super::Workload;
use crate::object::Object;
use crate::types;

/// Which secrets the driver mounts, in the words of the cloud's provider.
pub(super) fn provider_class(workload: &Workload<'_>) -> Result<Object> {
    let Some(access) = workload.access else {
        return Err(Error::internal("files of secrets without access to them"));
    };
    let parameters = match access.secret_provider.as_str() {
        "aws" => aws(workload, access),
        "gcp" => properties! { "secrets" => document(access, gcp_entry) },
        other => {
            return Err(Error::new(Code::InvalidValue, format!("no known provider of the secrets driver: {other}"))
                .hint("mount no secrets on this cloud, or add its provider to service/secrets.rs"));
        }
    };
    let spec = map! { "provider" => &access.secret_provider, "parameters" => parameters };
    Ok(workload.object(types::SECRET_PROVIDER_CLASS).with("spec", spec))
}

/// The mount of all files.
pub(super) fn mount() -> Value {
    map! { "name" => "secrets", "mountPath" => AccessOutputs::SECRETS_DIRECTORY, "readOnly" => true }
}

/// The volume of all files.
pub(super) fn volume(workload: &Workload<'_>) -> Value {
    map! {
        "name" => "secrets",
        "csi" => map! {
            "driver" => "secrets-store.csi.k8s.io",
            "readOnly" => true,
            "volumeAttributes" => map! { "secretProviderClass" => workload.name },
        },
    }
}

fn aws(workload: &Workload<'_>, access: &AccessOutputs) -> landfall_core::resource::Properties {
    let mut parameters = properties! { "region" => workload.region, "objects" => document(access, aws_entry) };
    // Without a role on the service account the identity comes from the agent on the node.
    if !access.annotations.contains_key("eks.amazonaws.com/role-arn") {
        parameters.insert("usePodIdentity".into(), "true".into());
    }
    parameters
}

/// The provider reads a list from a text. JSON is YAML, and its parts are joined: ids are not known before an apply.
fn document(access: &AccessOutputs, entry: impl Fn(&str, &Value) -> Vec<Value>) -> Value {
    let mut parts = vec![Value::from("[")];
    for (index, (file, secret)) in access.secret_files.iter().enumerate() {
        if index > 0 {
            parts.push(",".into());
        }
        parts.extend(entry(file, secret));
    }
    parts.push("]".into());
    Value::Join(parts).resolve(&|_| None)
}

fn aws_entry(file: &str, secret: &Value) -> Vec<Value> {
    let tail = format!(",\"objectAlias\":{},\"objectType\":\"secretsmanager\"}}", quoted(file));
    vec!["{\"objectName\":\"".into(), secret.clone(), "\"".into(), tail.into()]
}

/// The newest version of the secret with this id (`projects/…/secrets/…`).
fn gcp_entry(file: &str, secret: &Value) -> Vec<Value> {
    let tail = format!(",\"path\":{}}}", quoted(file));
    vec!["{\"resourceName\":\"".into(), secret.clone(), "/versions/latest\"".into(), tail.into()]
}

fn quoted(text: &str) -> String {
    Value::from(text).to_json().to_string()
}
