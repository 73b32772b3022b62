//! Cloud Control: any native type of CloudFormation's registry that has no calls of ours.
//!
//! Sources: [CreateResource](https://docs.aws.amazon.com/cloudcontrolapi/latest/APIReference/API_CreateResource.html) and its
//! neighbours, and the [error codes](https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html)
//! of the types' handlers. Every change is a request that the service works off, and whose state it tells for seven days.
//!
//! Creates carry a token that is the same each time, so that a request which is made twice acts once. The service remembers it
//! for 36 hours, its failure too, so that the next attempt counts the token up; and refuses it with other properties, so that
//! what became of the request before is looked for. It reads one object at a time. An object whose id is not known is looked
//! for among all of its type, by its marks: the type must take tags as a list of `{Key, Value}` in `Tags`.

mod patch;

use async_trait::async_trait;
use aws_sdk_cloudcontrol::types::{
    HandlerErrorCode, Operation as Verbs, OperationStatus, ProgressEvent, ResourceRequestStatusFilter,
};
use futures_util::{StreamExt as _, TryStreamExt as _};
use landfall_core::driver::{Context, Driver, Found, Health, Observation, Observed, Operation, Progress};
use landfall_core::error::CloudAnswer;
use landfall_core::resource::{Claim, Identity, Marks, Ownership, Properties, ResourceType, Value, Verb};
use landfall_core::{Code, Error, Remains, Result, Retry};

use super::api::Api;
use super::each::{AT_ONCE, each};
use super::error::failed;
use super::kept::incomplete;
use patch::{Patch, sent};

/// How many earlier requests with tokens of ours may have come to nothing. After that a create has a token of its own.
const ATTEMPTS: u32 = 8;

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
        Ok(match event.operation_status() {
            Some(OperationStatus::Success) if verb == Verb::Delete => Progress::Done(Properties::new()),
            // The id is often not known before.
            Some(OperationStatus::Success) => match event.identifier().or(at.id.as_deref()) {
                Some(id) => match self.get(id.to_owned()).await? {
                    Some(seen) => Progress::Done(seen.outputs),
                    None => running("not visible yet", event),
                },
                None => return Err(incomplete("Identifier")),
            },
            Some(OperationStatus::Failed | OperationStatus::CancelComplete) => {
                let error = refused(event, verb);
                if verb == Verb::Delete && error.code() == Code::NotFound {
                    return Ok(Progress::Done(Properties::new()));
                }
                Progress::Failed(self.api.explained(error).await.at(&at.address))
            }
            status => running(status.map_or("IN_PROGRESS", OperationStatus::as_str), event),
        })
    }

    async fn poll_one(&self, operation: Operation) -> Result<Progress> {
        let Operation { identity, verb, handle, .. } = operation;
        if let Some(token) = handle {
            let status = self.api.cloudcontrol.get_resource_request_status().request_token(token).send().await;
            match status.map_err(failed("cloudformation:GetResourceRequestStatus")) {
                Ok(status) => {
                    let event = status.progress_event.ok_or_else(|| incomplete("ProgressEvent"))?;
                    return self.progress(&identity, verb, &event).await;
                }
                // The service has forgotten the request.
                Err(error) if error.code() == Code::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // Adopted in the middle: what there is to see is the object.
        let Some(id) = &identity.id else { return Err(incomplete("Identifier")) };
        Ok(match (self.get(id.clone()).await?, verb) {
            (None, Verb::Delete) => Progress::Done(Properties::new()),
            (Some(seen), Verb::Create | Verb::Update) => Progress::Done(seen.outputs),
            _ => Progress::Running { phase: "IN_PROGRESS".to_owned(), message: String::new() },
        })
    }

    /// The token of a create was used before, with other properties. Fine when that request came to nothing.
    async fn unused(&self, cx: &Context<'_>, at: &Identity) -> Result<()> {
        let open = ResourceRequestStatusFilter::builder()
            .operations(Verbs::Create)
            .operation_statuses(OperationStatus::Pending)
            .operation_statuses(OperationStatus::InProgress)
            .build();
        let list = self.api.cloudcontrol.list_resource_requests().resource_request_status_filter(open);
        let mut pages = list.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failed("cloudformation:ListResourceRequests"))?;
            let ours = |event: &&ProgressEvent| event.type_name() == Some(&*self.of.name);
            if page.resource_request_status_summaries().iter().any(|event| ours(&event)) {
                let message = "a request to make one of this type is under way, which may be an earlier one for this";
                return Err(Error::new(Code::Conflict, message).retry(Retry::NotReady).leaves(Remains::Unknown));
            }
        }
        let all = self.marked(cx).await?;
        match all.iter().find(|(marks, _)| is(at, marks)) {
            Some((_, seen)) => Err(Error::new(Code::AlreadyExists, format!("it exists already: {}", seen.id))),
            None => Ok(()),
        }
    }

    async fn made(&self, cx: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation> {
        let desired = super::secrets::fetched(&self.api, desired).await?;
        let state = sent(&desired);
        for attempt in 0.. {
            let create = self.api.cloudcontrol.create_resource().type_name(&*self.of.name).desired_state(&state);
            let create = create.set_client_token((attempt < ATTEMPTS).then(|| token(cx, at, attempt)));
            match create.send().await.map_err(failed("cloudformation:CreateResource")) {
                Ok(answer) => {
                    // A request that has failed before it began is an earlier one with the same token.
                    let status = answer.progress_event.as_ref().and_then(ProgressEvent::operation_status);
                    let earlier = matches!(status, Some(OperationStatus::Failed | OperationStatus::CancelComplete));
                    if !earlier || attempt >= ATTEMPTS {
                        return self.operation(at, Verb::Create, answer.progress_event).await;
                    }
                }
                Err(error) if attempt < ATTEMPTS && said(&error, "ClientTokenConflictException") => {
                    self.unused(cx, at).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::internal("a loop without an end has ended"))
    }

    async fn changed(&self, at: &Identity, desired: &Properties, changed: &[String]) -> Result<Operation> {
        let desired = super::secrets::fetched(&self.api, desired).await?;
        let id = known(at)?;
        let Some(now) = self.get(id.to_owned()).await? else {
            return Err(Error::new(Code::NotFound, format!("it does not exist: {id}")));
        };
        let mut patch = Patch::new(&now.properties, &desired, changed);
        if patch.is_empty() {
            return Ok(Operation::done(at.clone(), Verb::Update, now.outputs));
        }
        loop {
            let update = self.api.cloudcontrol.update_resource().type_name(&*self.of.name).identifier(id);
            let update = update.patch_document(patch.document());
            match update.send().await.map_err(failed("cloudformation:UpdateResource")) {
                Ok(answer) => return self.operation(at, Verb::Update, answer.progress_event).await,
                Err(error) if said(&error, "NotUpdatableException") => {
                    let message = error.cloud_answer().map(|answer| answer.message.as_str()).unwrap_or_default();
                    if !patch.without(message) {
                        return Err(not_updatable(error));
                    }
                }
                Err(error) => return Err(error),
            }
        }
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
            None => marked.iter().find(|(marks, _)| is(at, marks)).map(|(_, seen)| seen),
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
        match self.made(cx, at, desired).await {
            Ok(operation) => Ok(operation),
            Err(error) => Err(self.api.explained(error).await),
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
        match self.changed(at, desired, changed).await {
            Ok(operation) => Ok(operation),
            Err(error) => Err(self.api.explained(error).await),
        }
    }

    async fn delete(&self, cx: &Context<'_>, at: &Identity) -> Result<Operation> {
        self.api.check_target(cx.target)?;
        let delete = self.api.cloudcontrol.delete_resource().type_name(&*self.of.name).identifier(known(at)?);
        match delete.send().await.map_err(failed("cloudformation:DeleteResource")) {
            Ok(answer) => self.operation(at, Verb::Delete, answer.progress_event).await,
            Err(error) if error.code() == Code::NotFound => {
                Ok(Operation::done(at.clone(), Verb::Delete, Properties::new()))
            }
            Err(error) => Err(self.api.explained(error).await),
        }
    }

    async fn poll(&self, _cx: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        let asked = these.iter().cloned().map(|operation| self.poll_one(operation));
        match futures_util::stream::iter(asked).buffered(AT_ONCE).try_collect().await {
            Ok(all) => Ok(all),
            Err(error) => Err(self.api.explained(error).await),
        }
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

/// Whether these are the marks of this.
fn is(at: &Identity, marks: &Marks) -> bool {
    marks.address == at.address && marks.generation == at.generation
}

fn known(at: &Identity) -> Result<&str> {
    at.id.as_deref().ok_or_else(|| Error::internal("an object without an id is to be changed"))
}

fn said(error: &Error, code: &str) -> bool {
    error.cloud_answer().is_some_and(|answer| answer.code == code)
}

fn running(phase: &str, event: &ProgressEvent) -> Progress {
    Progress::Running { phase: phase.to_owned(), message: event.status_message().unwrap_or_default().to_owned() }
}

fn not_updatable(error: Error) -> Error {
    error.hint(
        "this type can only be given that when it is made: take the declaration out, converge, and declare it anew, or \
         put the property back",
    )
}

/// What a failed request means.
fn refused(event: &ProgressEvent, verb: Verb) -> Error {
    use HandlerErrorCode as Handler;
    let of = event.error_code();
    // Of what may pass by itself, the service says that it is not repeated by it.
    let (code, retry, message) = match of {
        Some(Handler::AlreadyExists) => (Code::AlreadyExists, Retry::Never, "it exists already"),
        Some(Handler::NotFound) => (Code::NotFound, Retry::Never, "it does not exist"),
        Some(Handler::AccessDenied | Handler::UnauthorizedTaggingOperation) => {
            (Code::PermissionDenied, Retry::Never, "not permitted")
        }
        Some(Handler::InvalidCredentials) => (Code::PermissionDenied, Retry::Never, "the credentials are not accepted"),
        Some(Handler::ServiceLimitExceeded) => (Code::Quota, Retry::Never, "a quota of the account is used up"),
        Some(Handler::Throttling) => (Code::Throttled, Retry::NotReady, "too many calls"),
        Some(Handler::ResourceConflict) => (Code::Conflict, Retry::NotReady, "its state does not allow the call now"),
        Some(Handler::NetworkFailure | Handler::ServiceInternalError | Handler::ServiceTimeout) => {
            (Code::Unavailable, Retry::NotReady, "the service behind the type did not do it")
        }
        Some(Handler::InvalidRequest | Handler::NotUpdatable) => {
            (Code::InvalidRequest, Retry::Never, "the request was refused")
        }
        _ if event.operation_status() == Some(&OperationStatus::CancelComplete) => {
            (Code::Conflict, Retry::Never, "somebody has cancelled the request")
        }
        // That it has failed, that it does not become ready, and codes of later.
        _ => (Code::ProvisioningFailed, Retry::Never, "it has failed"),
    };
    let answer = CloudAnswer {
        code: of.map_or_else(|| status(event), |code| code.as_str().to_owned()),
        message: event.status_message().unwrap_or_default().to_owned(),
        request: event.request_token.clone(),
    };
    let action = match verb {
        Verb::Create => "cloudformation:CreateResource",
        Verb::Update => "cloudformation:UpdateResource",
        _ => "cloudformation:DeleteResource",
    };
    let error = Error::new(code, message)
        .answer(answer)
        .retry(retry)
        .leaves(if verb == Verb::Create { Remains::Unknown } else { Remains::Nothing })
        .during(action);
    match of {
        Some(Handler::NotUpdatable) => not_updatable(error),
        Some(Handler::AlreadyExists) => error.hint("choose another name, or delete what stands there"),
        Some(Handler::ServiceLimitExceeded) => {
            error.hint("ask for a higher quota in the Service Quotas console, or delete what is not used")
        }
        _ => error,
    }
}

fn status(event: &ProgressEvent) -> String {
    event.operation_status().map_or("FAILED", OperationStatus::as_str).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(status: OperationStatus, code: Option<HandlerErrorCode>) -> ProgressEvent {
        let event = ProgressEvent::builder().operation_status(status).set_error_code(code);
        event.status_message("why").request_token("token-1").build()
    }

    #[test]
    fn what_handlers_answer_is_what_it_means() {
        use HandlerErrorCode as Handler;
        let never = |code| (code, Retry::Never);
        let passes = |code| (code, Retry::NotReady);
        for (handler, expected) in [
            (Handler::AccessDenied, never(Code::PermissionDenied)),
            (Handler::AlreadyExists, never(Code::AlreadyExists)),
            (Handler::GeneralServiceException, never(Code::ProvisioningFailed)),
            (Handler::InternalFailure, never(Code::ProvisioningFailed)),
            (Handler::InvalidCredentials, never(Code::PermissionDenied)),
            (Handler::InvalidRequest, never(Code::InvalidRequest)),
            (Handler::NetworkFailure, passes(Code::Unavailable)),
            (Handler::NotFound, never(Code::NotFound)),
            (Handler::NotStabilized, never(Code::ProvisioningFailed)),
            (Handler::NotUpdatable, never(Code::InvalidRequest)),
            (Handler::ResourceConflict, passes(Code::Conflict)),
            (Handler::ServiceInternalError, passes(Code::Unavailable)),
            (Handler::ServiceLimitExceeded, never(Code::Quota)),
            (Handler::ServiceTimeout, passes(Code::Unavailable)),
            (Handler::Throttling, passes(Code::Throttled)),
            (Handler::UnauthorizedTaggingOperation, never(Code::PermissionDenied)),
            (Handler::from("OfLater"), never(Code::ProvisioningFailed)),
        ] {
            let error = refused(&event(OperationStatus::Failed, Some(handler.clone())), Verb::Update);
            assert_eq!((error.code(), error.retry_class()), expected, "{handler:?}");
            assert_eq!(error.cloud_answer().unwrap().code, handler.as_str());
        }
    }

    #[test]
    fn a_create_that_has_failed_may_have_made_something() {
        let failed = |verb| refused(&event(OperationStatus::Failed, None), verb).remains();
        assert_eq!((failed(Verb::Create), failed(Verb::Update)), (Remains::Unknown, Remains::Nothing));
    }

    #[test]
    fn a_request_that_somebody_cancels_says_so() {
        let error = refused(&event(OperationStatus::CancelComplete, None), Verb::Delete);
        assert_eq!((error.code(), error.message()), (Code::Conflict, "somebody has cancelled the request"));
        assert_eq!(error.cloud_answer().unwrap().code, "CANCEL_COMPLETE");
    }

    #[test]
    fn every_property_is_an_output_beside_the_id() {
        let shown = r#"{"TopicArn":"arn:1","Endpoint":{"Port":1883}}"#;
        let seen = observed("a|b", Some(shown)).unwrap();
        let output = |name| landfall_core::driver::output(&seen.outputs, name).cloned();
        assert_eq!(output("Id"), Some("a|b".into()));
        assert_eq!(output("Endpoint.Port"), Some(1883.into()));
        assert_eq!(observed("a", Some("{")).unwrap_err().code(), Code::OutcomeUnknown);
    }
}
