//! Types without calls of ours in a platform, kept by Cloud Control on ministack.
//!
//! ministack works a request off before it answers, refuses nothing, and takes no notice of tokens; the proxy answers as AWS
//! does in its place: that a request is under way and its object has no id yet, that it failed and why, and that a token was
//! used before.

use std::collections::BTreeSet;

use landfall::driver::{Context, Progress};
use landfall::event::EventKind;
use landfall::plan::{Change, Mode, Style};
use landfall::prelude::*;
use landfall::resource::{Address, Properties, Reference, Value};
use landfall::{Code, list, map, properties};

use crate::common::consented;
use crate::proxy::Kind;
use crate::world::{World, at_once, key_policy};

const QUEUE: &str = "AWS::SQS::Queue";

fn of(name: &str, attribute: &str) -> Value {
    let target = Address::new("aws", "native", name, "resource").unwrap();
    Value::Reference(Reference { target, attribute: attribute.to_owned() })
}

fn queue(name: &str) -> Properties {
    properties! { "QueueName" => name, "VisibilityTimeout" => 30 }
}

/// One queue with these properties.
fn alone(stack: &'static str, properties: Properties) -> impl Fn() -> PlatformBuilder {
    move || {
        let mut platform = Platform::builder(stack, "test", Aws::new("eu-west-1"));
        platform.native("queue", QUEUE, properties.clone());
        platform
    }
}

/// A queue, a topic and an alarm among a key and a log group of ours; later the queue is another one in two properties.
fn declare(later: bool) -> PlatformBuilder {
    let mut platform = Platform::builder("control", "test", Aws::new("eu-west-1"));
    platform.native("key", "AWS::KMS::Key", properties! { "Description" => "queues", "KeyPolicy" => key_policy() });
    platform.native("group", "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/control/group" });
    let mut queue = queue("control-jobs");
    queue.insert("KmsMasterKeyId".to_owned(), of("key", "Arn"));
    if later {
        queue.insert("VisibilityTimeout".to_owned(), 60.into());
    } else {
        queue.insert("DelaySeconds".to_owned(), 5.into());
    }
    platform.native("queue", QUEUE, queue);
    let topic = properties! { "TopicName" => "control-news", "KmsMasterKeyId" => of("key", "Arn") };
    platform.native("topic", "AWS::SNS::Topic", topic);
    let alarm = properties! {
        "AlarmName" => "control-waiting",
        "AlarmActions" => list![of("topic", "TopicName")],
        "Dimensions" => list![map! { "Name" => "QueueName", "Value" => of("queue", "QueueName") }],
        "Threshold" => 100,
    };
    platform.native("alarm", "AWS::CloudWatch::Alarm", alarm);
    platform
}

/// What the server itself lists of a type and what bears this stack's name.
fn listed(world: &World, type_name: &str, stack: &str) -> Vec<Properties> {
    let all = world.proxy.resources(type_name);
    let ours = all.into_iter().filter(|one| one.contains(&format!("{stack}-test")));
    ours.map(|one| match Value::from_json(serde_json::from_str(&one).unwrap()) {
        Value::Map(properties) => properties,
        other => panic!("{other:?}"),
    })
    .collect()
}

#[tokio::test]
async fn types_without_calls_of_ours_are_made_mended_changed_and_destroyed() {
    let Some(world) = World::new() else { return };
    let types = [QUEUE, "AWS::SNS::Topic", "AWS::CloudWatch::Alarm"];
    let drivers = world.place(|| declare(false), "ledger").await.engine().setup().drivers.clone();
    let engine = async |later| {
        let platform = world.place(|| declare(later), "ledger").await;
        at_once(platform.engine().setup(), &drivers)
    };
    let platform = engine(false).await;
    platform.converge().await.unwrap();
    let empty = async |platform: &landfall::apply::Engine| {
        let plan = platform.plan(Mode::Converge).await.unwrap();
        assert!(plan.is_empty(), "{}", plan.details(Style::Plain));
    };
    empty(&platform).await;
    let addresses = |all: Vec<landfall::driver::Found>| -> BTreeSet<_> {
        all.into_iter().map(|found| found.marks.address.to_string()).collect()
    };
    let wanted: BTreeSet<_> = platform.graph().iter().map(|resource| resource.address.to_string()).collect();
    assert_eq!(addresses(platform.census().await.unwrap()), wanted);
    for type_name in types {
        assert_eq!(listed(&world, type_name, "control").len(), 1, "{type_name}");
    }
    let calls = world.proxy.calls().len();
    platform.converge().await.unwrap();
    assert_eq!(world.proxy.calls().len(), calls, "nothing changed, so nobody is asked");

    // Somebody else changes it.
    let address: Address = "aws/native/queue/resource".parse().unwrap();
    let held = platform.state().await.unwrap().resources[&address].clone();
    let setup = platform.setup();
    let context = Context { stack: &setup.stack, target: &setup.target, timeout: std::time::Duration::from_secs(30) };
    let mut bent = held.properties.clone();
    bent.insert("VisibilityTimeout".to_owned(), 7.into());
    let driver = setup.drivers.driver(QUEUE).unwrap();
    let changed = ["VisibilityTimeout".to_owned()];
    let operation = driver.update(&context, &held.identity(&address), &bent, &changed).await.unwrap();
    assert!(matches!(operation.progress, Progress::Done(_)), "{operation:?}");
    let plan = platform.plan(Mode::Converge).await.unwrap();
    let drift: Vec<_> = plan.drift.iter().map(|drift| (&drift.address, drift.path.as_str())).collect();
    assert_eq!(drift, [(&address, "VisibilityTimeout")]);
    platform.apply(consented(plan)).await.unwrap();
    empty(&platform).await;
    assert_eq!(listed(&world, QUEUE, "control")[0]["VisibilityTimeout"], 30.into());

    let platform = engine(true).await;
    let plan = platform.plan(Mode::Converge).await.unwrap();
    let steps: Vec<_> = plan.steps.iter().map(|step| (step.address.to_string(), step.change)).collect();
    assert_eq!(steps, [(address.to_string(), Change::Update)], "{}", plan.details(Style::Plain));
    platform.apply(plan).await.unwrap();
    empty(&platform).await;
    let queue = &listed(&world, QUEUE, "control")[0];
    assert_eq!((queue.get("VisibilityTimeout"), queue.get("DelaySeconds")), (Some(&60.into()), None));

    let plan = platform.plan(Mode::Destroy).await.unwrap();
    let needed: BTreeSet<_> = plan.consents_needed().into_iter().map(|consent| consent.address.to_string()).collect();
    for name in ["queue", "topic", "alarm"] {
        assert!(needed.contains(&format!("aws/native/{name}/resource")), "it may hold data: {name}");
    }
    let refused = platform.apply(plan.clone()).await.unwrap_err();
    assert!(refused.problems().iter().all(|problem| problem.code() == Code::Protected), "{refused}");
    platform.apply(consented(plan)).await.unwrap();
    platform.residue().await.unwrap().check().unwrap();
    for type_name in types {
        assert_eq!(listed(&world, type_name, "control"), [], "{type_name}");
    }
}

#[tokio::test]
async fn a_queue_whose_request_takes_its_time_is_waited_for_and_has_its_id_in_the_end() {
    let Some(world) = World::new() else { return };
    world.proxy.fault("CreateResource", 1, Kind::Accepted);
    world.proxy.fault("GetResourceRequestStatus", 2, Kind::Accepted);
    world.proxy.fault("UpdateResource", 1, Kind::Accepted);
    let platform = world.place(alone("control-slow", queue("control-slow")), "ledger").await;
    let mut events = platform.events();
    platform.converge().await.unwrap();
    platform.close_events();
    let mut waited = 0;
    while let Some(event) = events.next().await {
        waited += usize::from(matches!(&event.kind, EventKind::Waiting { phase, .. } if phase == "IN_PROGRESS"));
    }
    assert!(waited >= 3, "{waited}");
    let plan = platform.plan().await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(Style::Plain));
    let mut other = queue("control-slow");
    other.insert("VisibilityTimeout".to_owned(), 60.into());
    world.place(alone("control-slow", other), "ledger").await.converge().await.unwrap();
    assert_eq!(listed(&world, QUEUE, "control-slow")[0]["VisibilityTimeout"], 60.into());
    assert_eq!(world.proxy.counted_since(0)["CreateResource"], 1);
}

#[tokio::test]
async fn whatever_becomes_of_the_answer_there_is_one_queue() {
    let Some(world) = World::new() else { return };
    let kinds =
        [("control-lost", Kind::Lost), ("control-garbage", Kind::Garbage), ("control-failed", Kind::ActedThen500)];
    for (stack, kind) in kinds {
        world.proxy.fault("CreateResource", 2, kind.clone());
        world.proxy.fault("GetResource", 1, kind);
        let platform = world.place(alone(stack, queue(stack)), stack).await;
        platform.converge().await.unwrap_or_else(|error| panic!("{stack}: {error}"));
        assert_eq!(listed(&world, QUEUE, stack).len(), 1, "{stack}");
        let plan = platform.plan().await.unwrap();
        assert!(plan.is_empty(), "{stack}: {}", plan.details(Style::Plain));
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_create_that_is_not_to_be_seen_yet_is_repeated_with_the_same_token() {
    let Some(world) = World::new() else { return };
    world.proxy.fault("CreateResource", 1, Kind::Lost);
    let hidden = Kind::Answered { status: 200, body: r#"{"TypeName":"AWS::SQS::Queue","ResourceDescriptions":[]}"# };
    world.proxy.fault("ListResources", 1, hidden);
    let platform = world.place(alone("control-replay", queue("control-replay")), "ledger").await;
    platform.converge().await.unwrap();
    assert_eq!(world.proxy.counted_since(0)["CreateResource"], 2);
    assert_eq!(listed(&world, QUEUE, "control-replay").len(), 1);
}

#[tokio::test]
async fn a_token_that_was_used_with_other_properties_is_counted_up_once_nothing_came_of_that() {
    let Some(world) = World::new() else { return };
    let message = "ClientToken 1 is already associated with an existing operation with RequestToken 2";
    let conflict = Kind::Refused { status: 400, code: "ClientTokenConflictException", message };
    world.proxy.fault("CreateResource", 2, conflict);
    let under_way = r#"{"ResourceRequestStatusSummaries":[{"TypeName":"AWS::SQS::Queue","Operation":"CREATE",
        "OperationStatus":"IN_PROGRESS","RequestToken":"2"}]}"#;
    world.proxy.fault("ListResourceRequests", 1, Kind::Answered { status: 200, body: under_way });
    let platform = world.place(alone("control-token", queue("control-token")), "ledger").await;
    platform.converge().await.unwrap();
    let counted = world.proxy.counted_since(0);
    assert_eq!((counted["CreateResource"], counted["ListResourceRequests"]), (3, 2));
    assert_eq!(listed(&world, QUEUE, "control-token").len(), 1);
}

/// The state of a request that has come to nothing.
macro_rules! failed {
    ($operation:literal, $code:literal, $message:literal) => {
        Kind::Answered {
            status: 200,
            body: concat!(
                r#"{"ProgressEvent":{"TypeName":"AWS::SQS::Queue","RequestToken":"token-1","Operation":""#,
                $operation,
                r#"","OperationStatus":"FAILED","ErrorCode":""#,
                $code,
                r#"","StatusMessage":""#,
                $message,
                r#""}}"#
            ),
        }
    };
}

#[tokio::test]
async fn what_a_handler_says_will_pass_is_repeated() {
    let Some(world) = World::new() else { return };
    let under_way = r#"{"ProgressEvent":{"TypeName":"AWS::SQS::Queue","RequestToken":"token-2","Operation":"CREATE",
        "OperationStatus":"IN_PROGRESS"}}"#;
    let earlier = || failed!("CREATE", "InvalidRequest", "an earlier one");
    let throttled = || failed!("CREATE", "Throttling", "Rate exceeded");
    world.proxy.fault("CreateResource", 1, earlier());
    world.proxy.fault("CreateResource", 1, Kind::Answered { status: 200, body: under_way });
    world.proxy.fault("GetResourceRequestStatus", 1, throttled());
    // The tokens of both are used up.
    world.proxy.fault("CreateResource", 1, earlier());
    world.proxy.fault("CreateResource", 1, throttled());
    let platform = world.place(alone("control-passing", queue("control-passing")), "ledger").await;
    platform.converge().await.unwrap();
    assert_eq!(listed(&world, QUEUE, "control-passing").len(), 1);
    assert_eq!(world.proxy.counted_since(0)["CreateResource"], 5);
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_said_to_be_somebody_elses() {
    let Some(world) = World::new() else { return };
    world.proxy.fault("CreateResource", 1, Kind::Accepted);
    world.proxy.fault("GetResourceRequestStatus", 1, failed!("CREATE", "AlreadyExists", "Queue control-taken exists"));
    let hidden = Kind::Answered { status: 200, body: r#"{"TypeName":"AWS::SQS::Queue","ResourceDescriptions":[]}"# };
    world.proxy.fault("ListResources", 100, hidden);
    let platform = world.place(alone("control-taken", queue("control-taken")), "ledger").await;
    let mut setup = platform.engine().setup().clone();
    // So long it may not be seen yet.
    setup.options.call_timeout = std::time::Duration::from_millis(500);
    let drivers = setup.drivers.clone();
    let error = at_once(&setup, &drivers).converge().await.unwrap_err();
    assert_eq!(error.problems()[0].code(), Code::ForeignResource, "{error}");
}

#[tokio::test]
async fn what_only_a_create_can_set_is_refused_readably_at_once_and_later() {
    let Some(world) = World::new() else { return };
    world.place(alone("control-fixed", queue("control-fixed")), "ledger").await.converge().await.unwrap();
    let message = "Invalid patch update: createOnlyProperties [/properties/QueueName] cannot be updated";
    let at_once = Kind::Refused { status: 400, code: "NotUpdatableException", message };
    let later = failed!("UPDATE", "NotUpdatable", "Create-only property cannot be updated: QueueName");
    for kind in [at_once, later] {
        world.proxy.fault("UpdateResource", 1, kind);
        let platform = world.place(alone("control-fixed", queue("control-other")), "ledger").await;
        let error = platform.converge().await.unwrap_err();
        let problem = error.problems()[0];
        let said = problem.cloud_answer().unwrap();
        assert_eq!(problem.code(), Code::InvalidRequest);
        assert!(said.code.starts_with("NotUpdatable") && said.message.contains("QueueName"), "{error}");
        assert!(problem.next_step().unwrap().contains("take the declaration out"), "{error}");
    }
    assert_eq!(listed(&world, QUEUE, "control-fixed")[0]["QueueName"], "control-fixed".into());
}

#[tokio::test]
async fn an_object_is_not_gone_because_the_region_does_not_know_its_type() {
    let Some(world) = World::new() else { return };
    let declare = alone("control-type", queue("control-type"));
    let platform = world.place(&declare, "ledger").await;
    platform.converge().await.unwrap();
    let message = "Type AWS::SQS::Queue does not exist";
    let refused = Kind::Refused { status: 404, code: "TypeNotFoundException", message };
    world.proxy.fault("GetResource", 2, refused);
    let error = platform.plan().await.unwrap_err();
    assert_eq!(error.problems()[0].code(), Code::InvalidRequest, "{error}");
    world.proxy.at_peace();
    assert!(platform.plan().await.unwrap().is_empty());
}
