//! What goes wrong between the SDK and the service, call by call.

use std::time::Duration;

use landfall::apply::Engine;
use landfall::error::CloudAnswer;
use landfall::event::EventKind;
use landfall::prelude::*;
use landfall::{Code, properties};

use crate::proxy::Kind;
use crate::replica::{Orders, Place, declare as network};
use crate::world::{World, key_policy};

/// A key, its alias and two log groups.
fn declare(name: &'static str) -> impl Fn() -> PlatformBuilder {
    move || {
        let mut platform = Platform::builder(name, "test", Aws::new("eu-west-1"));
        let key = properties! { "Description" => name, "EnableKeyRotation" => true, "KeyPolicy" => key_policy() };
        platform.native("key", "AWS::KMS::Key", key);
        for group in ["one", "two"] {
            let properties = properties! { "LogGroupName" => format!("/{name}/{group}"), "RetentionInDays" => 30 };
            platform.native(group, "AWS::Logs::LogGroup", properties);
        }
        platform
    }
}

/// Everything is there once, the ledger knows it, and the next plan is empty.
async fn is_whole(platform: &Platform) {
    let mut census: Vec<_> = platform.census().await.unwrap().into_iter().map(|found| found.marks.address).collect();
    census.sort();
    let wanted: Vec<_> = platform.graph().iter().map(|resource| resource.address.clone()).collect();
    assert_eq!(census, wanted);
    let plan = platform.plan().await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(landfall::plan::Style::Plain));
}

#[tokio::test]
async fn a_platform_is_made_once() {
    let Some(world) = World::new() else { return };
    let platform = world.place(declare("once"), "ledger").await;
    platform.converge().await.unwrap();
    let calls = world.proxy.calls().len();
    platform.converge().await.unwrap();
    assert_eq!(world.proxy.calls().len(), calls, "nothing changed, so nobody is asked");
    is_whole(&platform).await;
}

#[tokio::test]
async fn whatever_becomes_of_an_answer_there_is_one_object() {
    let Some(world) = World::new() else { return };
    let kinds = [
        ("reset", Kind::Reset),
        ("lost", Kind::Lost),
        ("truncated", Kind::Truncated),
        ("garbage", Kind::Garbage),
        ("failed", Kind::ActedThen500),
    ];
    for (name, kind) in kinds {
        world.proxy.fault("CreateLogGroup", 2, kind.clone());
        world.proxy.fault("PutRetentionPolicy", 1, kind.clone());
        world.proxy.fault("DescribeLogGroups", 1, kind);
        let platform = world.place(declare(name), name).await;
        platform.converge().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        is_whole(&platform).await;
    }
}

#[tokio::test]
async fn what_was_set_in_part_is_set_whole() {
    let Some(world) = World::new() else { return };
    world.proxy.fault("EnableKeyRotation", 1, Kind::Lost);
    world.proxy.fault("EnableKeyRotation", 1, Kind::Reset);
    let platform = world.place(declare("part"), "ledger").await;
    platform.converge().await.unwrap();
    is_whole(&platform).await;
    assert_eq!(world.proxy.counted_since(0)["CreateKey"], 1);
}

#[tokio::test]
async fn what_is_in_the_way_of_a_create_and_is_not_ours_is_said_in_the_words_of_the_cloud() {
    let Some(world) = World::new() else { return };
    let message = "The specified log group already exists";
    world.proxy.fault(
        "CreateLogGroup",
        1,
        Kind::Refused { status: 400, code: "ResourceAlreadyExistsException", message },
    );
    let declare = || {
        let mut platform = Platform::builder("blocked", "test", Aws::new("eu-west-1"));
        platform.time_to_live(Duration::from_secs(6));
        platform.native("group", "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/blocked/group" });
        platform
    };
    let platform = world.place(declare, "ledger").await;
    let setup = platform.engine().setup();
    let error = crate::world::at_once(setup, &setup.drivers).converge().await.unwrap_err();
    assert_eq!(error.code(), Code::ForeignResource, "{error}");
    assert_eq!(error.cloud_answer().unwrap().message, message);
    world.place(declare, "ledger").await.converge().await.unwrap();
}

#[tokio::test]
async fn too_many_calls_are_waited_for_in_every_dialect() {
    let Some(world) = World::new() else { return };
    let dialects = [
        (400, "ThrottlingException", "Rate exceeded"),
        (400, "Throttling", "Rate exceeded"),
        (503, "SlowDown", "Please reduce your request rate."),
        (400, "InvalidParameterException", "Rate exceeded"),
        (429, "TooManyRequestsException", ""),
        (503, "RequestLimitExceeded", "Request limit exceeded."),
    ];
    for (status, code, message) in dialects {
        world.proxy.fault("CreateLogGroup", 1, Kind::Refused { status, code, message });
        world.proxy.fault("CreateKey", 1, Kind::Refused { status, code, message });
    }
    let platform = world.place(declare("throttled"), "ledger").await;
    platform.converge().await.unwrap();
    is_whole(&platform).await;
    assert_eq!(world.proxy.counted_since(0)["CreateKey"], 1 + dialects.len());
}

#[tokio::test]
async fn what_is_not_permitted_is_said_with_the_statement_that_is_missing() {
    let Some(world) = World::new() else { return };
    let message = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: logs:CreateLogGroup on resource: \
                   arn:aws:logs:eu-west-1:123456789012:log-group:/denied/one because no identity-based policy allows the \
                   logs:CreateLogGroup action";
    let refused = Kind::Refused { status: 400, code: "AccessDeniedException", message };
    world.proxy.fault("CreateLogGroup", 2, refused);
    let platform = world.place(declare("denied"), "ledger").await;
    let error = platform.converge().await.unwrap_err();
    let problems = error.problems();
    assert_eq!(problems.len(), 2);
    let problem = problems[0];
    assert_eq!(problem.code(), Code::PermissionDenied);
    assert_eq!(
        problem.next_step().unwrap(),
        "add this statement to a policy of arn:aws:iam::123456789012:user/ci: {\"Action\":\"logs:CreateLogGroup\",\
         \"Effect\":\"Allow\",\"Resource\":\"arn:aws:logs:eu-west-1:123456789012:log-group:/denied/one\"}"
    );
    let CloudAnswer { code, request, .. } = problem.cloud_answer().unwrap();
    assert_eq!((code.as_str(), request.as_deref()), ("AccessDeniedException", Some("proxy-1")));
    platform.converge().await.unwrap();
    is_whole(&platform).await;
}

/// The engine of a stack whose types may lag behind by so much.
async fn lagging(world: &World, stack: &'static str, lag: Duration) -> Engine {
    let orders = Orders {
        stack: stack.to_owned(),
        holder: "tester".to_owned(),
        url: world.proxy.url.clone(),
        ledger: Place::Folder(world.folder().join(stack)),
        time_to_live: 9_000,
    };
    orders.engine_of(declare(stack)().build().unwrap(), world.connection().await, lag)
}

#[tokio::test]
async fn an_object_that_the_index_of_tags_does_not_show_yet_is_waited_for() {
    let Some(world) = World::alone() else { return };
    world.proxy.fault("CreateKey", 1, Kind::Lost);
    world.proxy.fault("GetResources", 2, Kind::Rewritten { from: "ResourceTagMappingList", to: "Hidden" });
    let engine = lagging(&world, "index", Duration::from_secs(3)).await;
    engine.converge().await.unwrap();
    assert_eq!(world.proxy.counted_since(0)["CreateKey"], 1, "it is there, and is found");
    let census = engine.census().await.unwrap();
    assert_eq!(census.len(), engine.graph().len());
}

#[tokio::test]
async fn an_empty_page_is_not_the_end() {
    let Some(world) = World::alone() else { return };
    let platform = world.place(|| network("pages"), "ledger").await;
    platform.converge().await.unwrap();
    let census = platform.census().await.unwrap().len();
    for action in ["GetResources", "DescribeSubnets", "DescribeRouteTables", "DescribeVpcs", "DescribeNatGateways"] {
        world.proxy.fault(action, 1, Kind::EmptyPage);
    }
    assert_eq!(platform.census().await.unwrap().len(), census);
    for action in ["DescribeSubnets", "DescribeRouteTables", "DescribeVpcs", "DescribeNatGateways"] {
        world.proxy.fault(action, 1, Kind::EmptyPage);
    }
    let plan = platform.plan().await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(landfall::plan::Style::Plain));
}

#[tokio::test]
async fn a_lost_answer_to_a_create_with_a_token_makes_no_second_object() {
    let Some(world) = World::alone() else { return };
    for action in ["CreateNatGateway", "CreateRouteTable", "CreateVpcEndpoint", "CreateFlowLogs"] {
        world.proxy.fault(action, 1, Kind::Lost);
    }
    let platform = world.place(|| network("tokens"), "ledger").await;
    platform.converge().await.unwrap();
    // Also once the services have forgotten the tokens.
    world.proxy.forget_tokens();
    let plan = platform.plan().await.unwrap();
    assert!(plan.is_empty(), "{}", plan.details(landfall::plan::Style::Plain));
    let wanted = |name: &str| platform.graph().iter().filter(|resource| resource.type_name == name).count();
    let census = platform.census().await.unwrap();
    for name in ["AWS::EC2::NatGateway", "AWS::EC2::RouteTable", "AWS::EC2::VPCEndpoint", "AWS::EC2::FlowLog"] {
        assert_eq!(census.iter().filter(|found| found.type_name == name).count(), wanted(name), "{name}");
    }
}

#[tokio::test]
async fn what_takes_its_time_is_waited_for() {
    let Some(world) = World::alone() else { return };
    let pending = Kind::Rewritten { from: "<state>available</state>", to: "<state>pending</state>" };
    world.proxy.fault("CreateVpcEndpoint", 1, pending.clone());
    world.proxy.fault("DescribeVpcEndpoints", 2, pending);
    let platform = world.place(|| network("slow"), "ledger").await;
    let mut events = platform.events();
    platform.converge().await.unwrap();
    platform.close_events();
    let mut waited = 0;
    while let Some(event) = events.next().await {
        waited += usize::from(matches!(&event.kind, EventKind::Waiting { phase, .. } if phase == "pending"));
    }
    assert!(waited >= 2, "{waited}");
    assert_eq!(world.proxy.counted_since(0)["CreateVpcEndpoint"], 1);
}

#[tokio::test]
async fn a_quota_stops_a_plan_before_its_first_change() {
    let Some(world) = World::alone() else { return };
    // moto says that an account may have five.
    let six = || {
        let mut platform = Platform::builder("six", "test", Aws::new("eu-west-1"));
        for number in 0..6 {
            let range = properties! { "CidrBlock" => format!("10.{number}.0.0/16") };
            platform.native(&format!("vpc-{number}"), "AWS::EC2::VPC", range);
        }
        platform
    };
    let platform = world.place(six, "ledger").await;
    let error = platform.converge().await.unwrap_err();
    assert_eq!((error.code(), world.proxy.counted_since(0).get("CreateVpc")), (Code::Quota, None), "{error}");
}
