//! Cloud Control: any native type of CloudFormation's registry that has no calls of ours.
//!
//! Sources: [CreateResource](https://docs.aws.amazon.com/cloudcontrolapi/latest/APIReference/API_CreateResource.html) and its
//! neighbours. Creates carry a token that is the same each time, so that a request which is made twice acts once; the service
//! remembers it for 36 hours, its failure too, so that the next attempt counts the token up. It reads one object at a time. An object whose id is not known is looked for among
//! all of its type, by its marks: the type must take tags as a list of `{Key, Value}` in `Tags`.

use async_trait::async_trait;
use aws_sdk_cloudcontrol::types::{HandlerErrorCode, OperationStatus, ProgressEvent};
use landfall_core::driver::{Context, Driver, Found, Health, Observation, Observed, Operation, Progress};
use landfall_core::error::CloudAnswer;
use landfall_core::resource::{Claim, Identity, Marks, Ownership, Properties, ResourceType, Value, Verb};
use landfall_core::{Code, Error, Remains, Result, Retry};
use serde_json::json;

use super::api::Api;
use super::each::each;
use super::error::failed;
use super::kept::incomplete;

/// How many earlier failures of a create are passed over before one is taken for the answer.
const ATTEMPTS: u32 = 4;

/// The driver of one native type.
#[derive(Debug)]
pub(super) struct CloudControl {
    of: ResourceType,
    api: Api,
}

impl CloudControl {
    /// The driver of a type of this name, as the catalogue describes types that no table describes.
    pub(super) fn new(type_name: &str, api: Api) -> Result<Self> {
        let catalog = landfall_core::resource::Catalog::default().with_generic([type_name]);
        Ok(Self { of: catalog.get(type_name)?.clone(), api })
    }

    async fn get(&self, id: String) -> Result<Option<Observed>> {
        let got = self.api.cloudcontrol.get_resource().type_name(&*self.of.name).identifier(&id).send().await;
        let described = match got.map_err(failed("cloudformation:GetResource")) {
            Ok(answer) => answer.resource_description,
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let described = described.ok_or_else(|| incomplete("ResourceDescription"))?;
        Ok(Some(observed(&id, described.properties.as_deref())?))
    }

    /// All objects of the type that bear the stack's marks.
    async fn marked(&self, cx: &Context<'_>) -> Result<Vec<(Marks, Observed)>> {
        let list = self.api.cloudcontrol.list_resources().type_name(&*self.of.name).into_paginator().items().send();
        let all: Vec<_> = list.try_collect().await.map_err(failed("cloudformation:ListResources"))?;
        // What a list shows of an object may lack its tags.
        let ids: Vec<String> = all.into_iter().filter_map(|one| one.identifier).collect();
        let all = each(ids, |id| self.get(id)).await?;
        let stack = cx.stack.to_string();
        let marks = |seen: &Observed| Marks::read(&self.of, &seen.properties).filter(|marks| marks.stack == stack);
        Ok(all.into_iter().filter_map(|seen| Some((marks(&seen)?, seen))).collect())
    }

    fn owned(&self, cx: &Context<'_>, mut seen: Observed) -> Observed {
        seen.owner = match Marks::read(&self.of, &seen.properties) {
            Some(marks) if marks.stack == cx.stack.to_string() => Ownership::Ours(marks),
            _ => Ownership::Foreign,
        };
        seen
    }

    /// The operation that an event is about; what is done is read once more for its outputs.
    async fn operation(&self, at: &Identity, verb: Verb, event: Option<ProgressEvent>) -> Result<Operation> {
        let event = event.ok_or_else(|| incomplete("ProgressEvent"))?;
        let mut identity = at.clone();
        if let Some(id) = event.identifier() {
            identity.id = Some(id.to_owned());
        }
        let progress = self.progress(&identity, verb, &event).await?;
        Ok(Operation { identity, verb, handle: event.request_token, progress })
    }

    async fn progress(&self, at: &Identity, verb: Verb, event: &ProgressEvent) -> Result<Progress> {
        let message = event.status_message().unwrap_or_default().to_owned();
        Ok(match event.operation_status() {
            Some(OperationStatus::Success) if verb == Verb::Delete => Progress::Done(Properties::new()),
            Some(OperationStatus::Success) => match &at.id {
                Some(id) => match self.get(id.clone()).await? {
                    Some(seen) => Progress::Done(seen.outputs),
                    None => Progress::Running { phase: "not visible yet".to_owned(), message },
                },
                None => return Err(incomplete("Identifier")),
            },
            Some(OperationStatus::Failed | OperationStatus::CancelComplete) => {
                let error = refused(event, verb, &message).at(&at.address);
                if verb == Verb::Delete && error.code() == Code::NotFound {
                    return Ok(Progress::Done(Properties::new()));
                }
                Progress::Failed(error)
            }
            status => {
                let phase = status.map_or("IN_PROGRESS", OperationStatus::as_str).to_owned();
                Progress::Running { phase, message }
            }
        })
    }

    async fn poll_one(&self, operation: &Operation) -> Result<Progress> {
        let Some(token) = &operation.handle else {
            // Adopted in the middle: what there is to see is the object.
            let Some(id) = &operation.identity.id else { return Err(incomplete("Identifier")) };
            return Ok(match (self.get(id.clone()).await?, operation.verb) {
                (None, Verb::Delete) => Progress::Done(Properties::new()),
                (Some(seen), Verb::Create | Verb::Update) => Progress::Done(seen.outputs),
                _ => Progress::Running { phase: "IN_PROGRESS".to_owned(), message: String::new() },
            });
        };
        let status = self.api.cloudcontrol.get_resource_request_status().request_token(token).send().await;
        let status = status.map_err(failed("cloudformation:GetResourceRequestStatus"))?;
        let event = status.progress_event.ok_or_else(|| incomplete("ProgressEvent"))?;
        self.progress(&operation.identity, operation.verb, &event).await
    }
}

#[async_trait]
impl Driver for CloudControl {
    async fn observe(&self, cx: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>> {
        let looked = async {
            let marked = match these.iter().any(|at| at.id.is_none()) {
                true => self.marked(cx).await?,
                false => Vec::new(),
            };
            let ids: Vec<String> = these.iter().filter_map(|at| at.id.clone()).collect();
            let known = each(ids, |id| self.get(id)).await?;
            Ok::<_, Error>((marked, known))
        };
        let (marked, known) = match looked.await {
            Ok(found) => found,
            Err(error) => return Err(self.api.explained(error).await),
        };
        let find = |at: &Identity| match &at.id {
            Some(id) => known.iter().find(|seen| seen.id == *id),
            None => marked
                .iter()
                .find(|(marks, _)| marks.address == at.address && marks.generation == at.generation)
                .map(|(_, seen)| seen),
        };
        Ok(these
            .iter()
            .map(|at| match find(at) {
                Some(seen) => Observation::Present(Box::new(self.owned(cx, seen.clone()))),
                None => Observation::Absent,
            })
            .collect())
    }

    async fn census(&self, cx: &Context<'_>, _types: &[String]) -> Result<Vec<Found>> {
        let all = match self.marked(cx).await {
            Ok(all) => all,
            Err(error) => return Err(self.api.explained(error).await),
        };
        let found = |(marks, seen): (Marks, Observed)| Found {
            type_name: self.of.name.to_string(),
            id: seen.id.clone(),
            marks,
            observed: self.owned(cx, seen),
        };
        Ok(all.into_iter().map(found).collect())
    }

    async fn create(&self, cx: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation> {
        self.api.check_target(cx.target)?;
        let desired = super::secrets::fetched(&self.api, desired).await?;
        let state = sent(&desired);
        let mut attempt = 0;
        loop {
            let create = self.api.cloudcontrol.create_resource().type_name(&*self.of.name).desired_state(&state);
            let create = create.client_token(token(cx, at, attempt));
            let event = match create.send().await.map_err(failed("cloudformation:CreateResource")) {
                Ok(answer) => answer.progress_event,
                Err(error) => return Err(self.api.explained(error).await),
            };
            // A request that has failed before it began is an earlier one with the same token.
            let earlier = event.as_ref().and_then(ProgressEvent::operation_status) == Some(&OperationStatus::Failed);
            if !earlier || attempt == ATTEMPTS {
                return self.operation(at, Verb::Create, event).await;
            }
            attempt += 1;
        }
    }

    async fn update(
        &self,
        cx: &Context<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Operation> {
        self.api.check_target(cx.target)?;
        let desired = super::secrets::fetched(&self.api, desired).await?;
        let id = at.id.clone().unwrap_or_default();
        let Some(now) = self.get(id.clone()).await? else {
            return Err(Error::new(Code::NotFound, format!("it does not exist: {id}")));
        };
        let patch = patch(&now.properties, &desired, changed);
        if patch.is_empty() {
            return Ok(Operation::done(at.clone(), Verb::Update, now.outputs));
        }
        let update = self.api.cloudcontrol.update_resource().type_name(&*self.of.name).identifier(&id);
        let update = update.patch_document(serde_json::Value::from(patch).to_string());
        match update.send().await.map_err(failed("cloudformation:UpdateResource")) {
            Ok(answer) => self.operation(at, Verb::Update, answer.progress_event).await,
            Err(error) => Err(self.api.explained(error).await),
        }
    }

    async fn delete(&self, cx: &Context<'_>, at: &Identity) -> Result<Operation> {
        self.api.check_target(cx.target)?;
        let id = at.id.clone().unwrap_or_default();
        let delete = self.api.cloudcontrol.delete_resource().type_name(&*self.of.name).identifier(&id);
        match delete.send().await.map_err(failed("cloudformation:DeleteResource")) {
            Ok(answer) => self.operation(at, Verb::Delete, answer.progress_event).await,
            Err(error) if error.code() == Code::NotFound => {
                Ok(Operation::done(at.clone(), Verb::Delete, Properties::new()))
            }
            Err(error) => Err(self.api.explained(error).await),
        }
    }

    async fn poll(&self, _cx: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        let mut all = Vec::with_capacity(these.len());
        for operation in these {
            all.push(self.poll_one(operation).await?);
        }
        Ok(all)
    }
}

/// An object as the service describes it. Every property is an output as well, under its name.
fn observed(id: &str, properties: Option<&str>) -> Result<Observed> {
    let properties: serde_json::Value = serde_json::from_str(properties.unwrap_or("{}"))
        .map_err(|error| incomplete("the properties as JSON").because(error))?;
    let properties = match Value::from_json(properties) {
        Value::Map(properties) => properties,
        _ => Properties::new(),
    };
    let mut outputs = properties.clone();
    outputs.insert("Id".to_owned(), id.into());
    Ok(Observed { id: id.to_owned(), properties, outputs, owner: Ownership::Foreign, health: Health::Ready })
}

/// The token of a create: the same each time for the same object and attempt.
fn token(cx: &Context<'_>, at: &Identity, attempt: u32) -> String {
    let token = Claim::token(cx.stack, &at.address, at.generation);
    if attempt == 0 { token } else { format!("{token}-{attempt}") }
}

/// JSON with the secrets in it, for the wire alone.
fn sent(properties: &Properties) -> String {
    let map: serde_json::Map<_, _> = properties.iter().map(|(name, value)| (name.clone(), plain(value))).collect();
    serde_json::Value::from(map).to_string()
}

fn plain(value: &Value) -> serde_json::Value {
    use secrecy::ExposeSecret as _;
    match value {
        Value::Secret(secret) => secret.value().map(|value| value.expose_secret().to_owned()).into(),
        Value::List(list) => list.iter().map(plain).collect(),
        Value::Map(map) => map.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.to_json(),
    }
}

/// What makes the object as it is wanted, by JSON Patch. Tags that others have set stay.
fn patch(now: &Properties, desired: &Properties, changed: &[String]) -> Vec<serde_json::Value> {
    let names = changed.iter().map(|path| path.split('.').next().unwrap_or(path));
    let names: std::collections::BTreeSet<&str> = names.collect();
    let mut patch = Vec::new();
    for name in names {
        let path = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        match (now.get(name), desired.get(name)) {
            (before, Some(wanted)) if *wanted != Value::Null => {
                if before != Some(wanted) {
                    patch.push(json!({ "op": "add", "path": path, "value": plain(wanted) }));
                }
            }
            (Some(_), _) => patch.push(json!({ "op": "remove", "path": path })),
            (None, _) => {}
        }
    }
    patch
}

/// What a failed request means.
fn refused(event: &ProgressEvent, verb: Verb, message: &str) -> Error {
    use HandlerErrorCode as Handler;
    let of = event.error_code();
    let (code, retry) = match of {
        Some(Handler::AlreadyExists) => (Code::AlreadyExists, Retry::Never),
        Some(Handler::NotFound) => (Code::NotFound, Retry::Never),
        Some(Handler::AccessDenied | Handler::InvalidCredentials) => (Code::PermissionDenied, Retry::Never),
        Some(Handler::ServiceLimitExceeded) => (Code::Quota, Retry::Never),
        Some(Handler::Throttling) => (Code::Throttled, Retry::Throttled(None)),
        Some(Handler::ResourceConflict) => (Code::Conflict, Retry::NotReady),
        Some(Handler::InvalidRequest | Handler::NotUpdatable) => (Code::InvalidRequest, Retry::Never),
        _ => (Code::ProvisioningFailed, Retry::Never),
    };
    let answer = CloudAnswer {
        code: of.map_or("Failed", Handler::as_str).to_owned(),
        message: message.to_owned(),
        request: event.request_token.clone(),
    };
    let action = match verb {
        Verb::Create => "cloudformation:CreateResource",
        Verb::Update => "cloudformation:UpdateResource",
        _ => "cloudformation:DeleteResource",
    };
    let made = verb == Verb::Create && event.identifier().is_some() && code != Code::AlreadyExists;
    Error::new(code, "Cloud Control could not do it")
        .answer(answer)
        .retry(retry)
        .leaves(if made { Remains::Unknown } else { Remains::Nothing })
        .during(action)
}
