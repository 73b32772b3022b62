//! What a user reads when it goes wrong: the whole text of each error, as the page on AWS has it.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use landfall::aws::live::{Options, Service};
use landfall::plan::Mode;
use landfall::prelude::*;
use landfall::resource::{Address, Properties, Reference, Value};
use landfall::units::Date;
use landfall::{Code, Error, list, map, properties};

use crate::common::consented;
use crate::proxy::Kind;
use crate::world::{World, at_once, connected, place};

const PAGE: &str = include_str!("../../docs/aws.md");

/// The error reads as under this heading of the page, where a text may take several lines.
fn says(heading: &str, error: &Error) {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let under = PAGE.split_once(&format!("\n### {heading}\n")).map(|(_, rest)| rest).unwrap_or_default();
    let block = under.split_once("```text\n").and_then(|(_, rest)| rest.split_once("```")).map(|(block, _)| block);
    let (page, error) = (words(block.unwrap_or_default()), words(&masked(&error.to_string())));
    assert_eq!(error, page, "docs/aws.md has another text under `{heading}`");
}

/// Without what is another one each time.
fn masked(text: &str) -> String {
    let mut masked = text.replace("Temporary failure in name resolution", "Name or service not known");
    let begins = [("127.0.0.1:", "PORT"), ("(request ", "ID"), ("tests/aws/refusals.rs:", "LINE:COLUMN")];
    for (before, mask) in begins {
        let mut parts = masked.split(before);
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.find([')', ';', ' ']).map_or("", |end| &part[end..]);
            whole.push_str(&format!("{before}{mask}{rest}"));
        }
        masked = whole;
    }
    masked.replace("tests/aws/refusals.rs:LINE:COLUMN", "src/main.rs:LINE:COLUMN:")
}

fn key() -> Options {
    Options::key("AKIAIOSFODNN7EXAMPLE", "secret".into())
}

async fn connect(region: &str, options: Options) -> Error {
    Aws::new(region).connect(options).await.unwrap_err()
}

/// A platform of natives, by name, type and properties.
fn natives(
    stack: &'static str,
    region: &'static str,
    all: fn() -> Vec<(String, &'static str, Properties)>,
) -> impl Fn() -> PlatformBuilder {
    move || {
        let mut platform = Platform::builder(stack, "test", Aws::new(region));
        platform.today(Date::new(2026, 11, 23));
        for (name, type_name, properties) in all() {
            platform.native(&name, type_name, properties);
        }
        platform
    }
}

fn of(name: &str) -> Value {
    let target = Address::new("aws", "native", name, "resource").unwrap();
    Value::Reference(Reference { target, attribute: String::new() })
}

fn vpc() -> Vec<(String, &'static str, Properties)> {
    vec![("vpc".to_owned(), "AWS::EC2::VPC", properties! { "CidrBlock" => "10.0.0.0/16" })]
}

fn group() -> Vec<(String, &'static str, Properties)> {
    vec![("group".to_owned(), "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/refusals/group" })]
}

fn taken() -> Vec<(String, &'static str, Properties)> {
    vec![("group".to_owned(), "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/refusals/taken" })]
}

fn taken_with_bucket() -> Vec<(String, &'static str, Properties)> {
    let bucket = properties! { "BucketName" => "refusals-taken" };
    taken().into_iter().chain([("files".to_owned(), "AWS::S3::Bucket", bucket)]).collect()
}

async fn converge(world: &World, declare: impl Fn() -> PlatformBuilder) -> Error {
    world.place(declare, "ledger").await.converge().await.unwrap_err()
}

#[tokio::test]
async fn a_key_that_nobody_knows() {
    let Some(world) = World::new() else { return };
    let message = "The security token included in the request is invalid.";
    let refused = || Kind::Refused { status: 403, code: "InvalidClientTokenId", message };
    world.proxy.fault("GetCallerIdentity", 2, refused());
    says("A key that AWS does not know", &connect("eu-west-1", key().emulator(world.proxy.url.clone())).await);
    says("A region that is not enabled", &connect("eu-south-2", key().emulator(world.proxy.url.clone())).await);
}

#[tokio::test]
async fn a_secret_of_another_key() {
    let Some(world) = World::new() else { return };
    let message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                   Access Key and signing method. Consult the service documentation for details.";
    let refused = Kind::Refused { status: 403, code: "SignatureDoesNotMatch", message };
    world.proxy.fault("GetCallerIdentity", 1, refused);
    says("A wrong secret", &connect("eu-west-1", key().emulator(world.proxy.url.clone())).await);
}

#[test]
#[ignore = "another test starts it as a process of its own"]
fn a_process_without_credentials() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(connect("eu-west-1", Options::environment()));
    std::io::Write::write_all(&mut std::io::stdout().lock(), format!("\nSAYS {error}\n").as_bytes()).unwrap();
}

#[test]
fn nobody_has_credentials() {
    // The environment of this process may have some.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "refusals::a_process_without_credentials", "--test-threads", "1", "--nocapture"])
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = text.lines().find_map(|line| line.strip_prefix("SAYS LF4004: ")).unwrap_or_default();
    let (message, hint) = said.split_once("; next: ").unwrap_or_else(|| panic!("{text}"));
    let (message, during) = message.split_once("; during ").unwrap();
    says("No credentials", &Error::new(landfall::Code::PermissionDenied, message).during(during).hint(hint));
}

#[tokio::test]
async fn credentials_of_another_account() {
    let Some(world) = World::new() else { return };
    let options = key().emulator(world.proxy.url.clone());
    says("Another account than the options name", &connect("eu-west-1", options.account("210987654321")).await);
}

#[tokio::test]
async fn a_stack_of_another_account() {
    let Some(world) = World::new() else { return };
    let declare = natives("pinned", "eu-west-1", group);
    world.place(&declare, "ledger").await.converge().await.unwrap();
    world.proxy.fault("GetCallerIdentity", 1, Kind::Rewritten { from: "123456789012", to: "210987654321" });
    // Something is to be done, so that the ledger's head alone does not answer.
    says("Another account than the stack is pinned to", &converge(&world, natives("pinned", "eu-west-1", vpc)).await);
}

#[tokio::test]
async fn nobody_listens() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}").parse().unwrap();
    says("Nobody listens there", &connect("eu-west-1", key().emulator(url)).await);
}

#[tokio::test]
async fn nobody_answers() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap()).parse().unwrap();
    says("Nobody answers", &connect("eu-west-1", key().emulator(url)).await);
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let url = "https://sts.example.invalid".parse().unwrap();
    says("A name that does not resolve", &connect("eu-west-1", key().endpoint(Service::Sts, url)).await);
}

#[tokio::test]
async fn a_web_page_instead_of_an_answer() {
    let Some(world) = World::new() else { return };
    let body = "<!DOCTYPE html>\n<html><head><title>Blocked by the proxy of Example Ltd.</title></head></html>";
    world.proxy.fault("GetCallerIdentity", 1, Kind::Answered { status: 503, body });
    says("A web page from a proxy", &connect("eu-west-1", key().emulator(world.proxy.url.clone())).await);
}

const ENCODED: &str =
    "You are not authorized to perform this operation. Encoded authorization failure message: kz3vX9pQ-n0w";
const DECODED: &str = "<DecodeAuthorizationMessageResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <DecodeAuthorizationMessageResult><DecodedMessage>{\"allowed\":false,\"explicitDeny\":false,\"context\":{\
    \"principal\":{\"id\":\"AIDACKCEVSQ6C2EXAMPLE\",\"arn\":\"arn:aws:iam::123456789012:user/ci\"},\
    \"action\":\"ec2:CreateVpc\",\"resource\":\"arn:aws:ec2:eu-west-1:123456789012:vpc/*\"}}</DecodedMessage>\
    </DecodeAuthorizationMessageResult></DecodeAuthorizationMessageResponse>";

#[tokio::test]
async fn ec2_refuses_in_a_message_that_sts_decodes() {
    let Some(world) = World::new() else { return };
    let refused = Kind::Refused { status: 403, code: "UnauthorizedOperation", message: ENCODED };
    world.proxy.fault("CreateVpc", 1, refused);
    world.proxy.fault("DecodeAuthorizationMessage", 1, Kind::Answered { status: 200, body: DECODED });
    says("A permission is missing", &converge(&world, natives("decoded", "eu-west-1", vpc)).await);
}

#[tokio::test]
async fn ec2_refuses_in_a_message_that_may_not_be_decoded() {
    let Some(world) = World::new() else { return };
    let refused = Kind::Refused { status: 403, code: "UnauthorizedOperation", message: ENCODED };
    world.proxy.fault("CreateVpc", 1, refused);
    let message =
        "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: sts:DecodeAuthorizationMessage";
    let refused = Kind::Refused { status: 403, code: "AccessDenied", message };
    world.proxy.fault("DecodeAuthorizationMessage", 1, refused);
    says(
        "A permission is missing, and the one to read which",
        &converge(&world, natives("encoded", "eu-west-1", vpc)).await,
    );
}

fn role() -> Vec<(String, &'static str, Properties)> {
    let statement = map! {
        "Effect" => "Allow", "Principal" => map! { "Service" => "eks.amazonaws.com" }, "Action" => "sts:AssumeRole",
    };
    let policy = map! { "Version" => "2012-10-17", "Statement" => list![statement] };
    let role = properties! { "RoleName" => "refusals", "AssumeRolePolicyDocument" => policy };
    vec![("role".to_owned(), "AWS::IAM::Role", role)]
}

#[tokio::test]
async fn iam_refuses_for_a_policy_of_the_organization() {
    let Some(world) = World::new() else { return };
    let message = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: iam:CreateRole on resource: \
                   arn:aws:iam::123456789012:role/refusals with an explicit deny in a service control policy";
    world.proxy.fault("CreateRole", 1, Kind::Refused { status: 403, code: "AccessDenied", message });
    says("A policy forbids it", &converge(&world, natives("forbidden", "eu-west-1", role)).await);
}

fn cluster() -> Vec<(String, &'static str, Properties)> {
    let cluster = properties! {
        "Name" => "refusals",
        "RoleArn" => "arn:aws:iam::123456789012:role/cluster",
        "ResourcesVpcConfig" => map! { "SubnetIds" => ["subnet-1", "subnet-2"] },
    };
    vec![("cluster".to_owned(), "AWS::EKS::Cluster", cluster)]
}

#[tokio::test]
async fn eks_refuses_in_plain_words() {
    let Some(world) = World::new() else { return };
    let message = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform: eks:CreateCluster on resource: \
                   arn:aws:eks:eu-west-1:123456789012:cluster/refusals";
    world.proxy.fault("POST /clusters", 1, Kind::Refused { status: 403, code: "AccessDeniedException", message });
    says("A permission is missing, in plain words", &converge(&world, natives("plain", "eu-west-1", cluster)).await);
}

#[tokio::test]
async fn the_token_expires_in_the_middle() {
    let Some(world) = World::new() else { return };
    let chain = || {
        let subnet = properties! {
            "VpcId" => of("vpc"), "CidrBlock" => "10.0.0.0/24", "AvailabilityZone" => "eu-west-1a",
        };
        let mut all = vpc();
        all.push(("subnet".to_owned(), "AWS::EC2::Subnet", subnet));
        let nat = properties! { "SubnetId" => of("subnet"), "ConnectivityType" => "private" };
        all.push(("nat".to_owned(), "AWS::EC2::NatGateway", nat));
        all
    };
    let message = "The security token included in the request is expired";
    world.proxy.end_at(3, Kind::Refused { status: 400, code: "ExpiredTokenException", message });
    says("The credentials expire in the middle", &converge(&world, natives("lapsed", "eu-west-1", chain)).await);
    // New ones go on from there.
    world.proxy.at_peace();
    let platform = world.place(natives("lapsed", "eu-west-1", chain), "ledger").await;
    platform.converge().await.unwrap();
    assert_eq!(world.proxy.counted_since(0)["CreateVpc"], 1);
}

#[tokio::test]
async fn a_quota_that_a_create_meets() {
    let Some(world) = World::new() else { return };
    let message = "The maximum number of VPCs has been reached.";
    world.proxy.fault("CreateVpc", 1, Kind::Refused { status: 400, code: "VpcLimitExceeded", message });
    says("A quota, when it is met", &converge(&world, natives("limited", "eu-west-1", vpc)).await);
}

#[tokio::test]
async fn a_quota_that_is_looked_at_before() {
    let Some(world) = World::new() else { return };
    let six = || {
        let vpc = |index| properties! { "CidrBlock" => format!("10.{index}.0.0/16") };
        (1..=6).map(|index| (format!("vpc-{index}"), "AWS::EC2::VPC", vpc(index))).collect()
    };
    // Where no other test makes any.
    let connection = connected("eu-north-1", &key().emulator(world.proxy.url.clone())).await;
    let ledger = Ledger::folder(world.folder().join("ledger")).unwrap();
    let platform = place(natives("six", "eu-north-1", six), connection, ledger, "tester");
    says("A quota, looked at before the first change", &platform.converge().await.unwrap_err());
    assert!(!world.proxy.counted_since(0).contains_key("CreateVpc"), "nothing was begun");
}

#[tokio::test]
async fn a_name_that_somebody_else_has() {
    let Some(world) = World::new() else { return };
    let theirs = world.place(natives("theirs", "eu-west-1", taken), "theirs").await;
    theirs.converge().await.unwrap();
    let begun = world.proxy.calls().len();
    says("A name that is taken", &converge(&world, natives("ours", "eu-west-1", taken)).await);
    let kind = || Kind::Refused { status: 403, code: "AccessDenied", message: "Access Denied" };
    world.proxy.fault("GET /tagging", 2, kind());
    let error = converge(&world, natives("ours", "eu-west-1", taken_with_bucket)).await;
    let [group, bucket] = error.problems()[..] else { panic!("{error}") };
    says("A bucket's name that is taken", bucket);
    assert_eq!((group.code(), group.address().unwrap().as_str()), (Code::ForeignResource, "aws/native/group/resource"));
    let calls = world.proxy.calls().split_off(begun);
    assert!(!calls.iter().any(|call| call.action.starts_with("Create")), "nothing was begun: {calls:?}");
    let plan = consented(theirs.plan_destroy().await.unwrap());
    theirs.destroy(plan).await.unwrap();
}

#[tokio::test]
async fn no_machine_of_this_sort_is_left() {
    let Some(world) = World::new() else { return };
    let nodes = || {
        let mut all = cluster();
        let group = properties! {
            "ClusterName" => of("cluster"),
            "NodegroupName" => "gpu",
            "NodeRole" => "arn:aws:iam::123456789012:role/nodes",
            "Subnets" => ["subnet-1", "subnet-2"],
            "InstanceTypes" => ["g4dn.xlarge"],
            "ScalingConfig" => map! { "MinSize" => 0, "MaxSize" => 5, "DesiredSize" => 2 },
        };
        all[0].2.insert("Name".to_owned(), "nodes".into());
        all.push(("gpu".to_owned(), "AWS::EKS::Nodegroup", group));
        all
    };
    let to = "\"status\":\"CREATE_FAILED\",\"health\":{\"issues\":[{\"code\":\"AsgInstanceLaunchFailures\",\
              \"message\":\"We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone you requested \
              (eu-west-1a).\",\"resourceIds\":[\"eks-gpu-1\"]}]}";
    let failed = Kind::Rewritten { from: "\"status\":\"ACTIVE\"", to };
    world.proxy.fault("GET /clusters/node-groups/*", 100, failed);
    let platform = world.place(natives("nodes", "eu-west-1", nodes), "ledger").await;
    let engine = at_once(platform.engine().setup(), &platform.engine().setup().drivers);
    says("No machines left", &engine.converge().await.unwrap_err());
    // The next converge deletes it and makes it anew.
    let plan = engine.plan(Mode::Converge).await.unwrap();
    world.proxy.at_peace();
    let begun = world.proxy.calls().len();
    engine.apply(plan).await.unwrap();
    let calls = world.proxy.counted_since(begun);
    let count = |action: &str| calls.get(action).copied().unwrap_or_default();
    assert_eq!((count("DELETE /clusters/node-groups/*"), count("POST /clusters/node-groups")), (1, 1), "{calls:?}");
    assert!(engine.plan(Mode::Converge).await.unwrap().is_empty());
    let plan = consented(engine.plan(Mode::Destroy).await.unwrap());
    engine.apply(plan).await.unwrap();
}

fn queue(name: &str) -> Vec<(String, &'static str, Properties)> {
    vec![("queue".to_owned(), "AWS::SQS::Queue", properties! { "QueueName" => name })]
}

#[tokio::test]
async fn a_handler_of_cloud_control_may_not_do_it() {
    let Some(world) = World::new() else { return };
    let under_way = "{\"ProgressEvent\":{\"TypeName\":\"AWS::SQS::Queue\",\"RequestToken\":\"1\",\
                     \"OperationStatus\":\"IN_PROGRESS\"}}";
    let failed = "{\"ProgressEvent\":{\"TypeName\":\"AWS::SQS::Queue\",\"RequestToken\":\"1\",\
                  \"OperationStatus\":\"FAILED\",\"ErrorCode\":\"AccessDenied\",\"StatusMessage\":\"User: \
                  arn:aws:iam::123456789012:user/ci is not authorized to perform: sqs:createqueue on resource: \
                  arn:aws:sqs:eu-west-1:123456789012:refusals because no identity-based policy allows the \
                  sqs:createqueue action\"}}";
    world.proxy.fault("CreateResource", 1, Kind::Answered { status: 200, body: under_way });
    world.proxy.fault("GetResourceRequestStatus", 1, Kind::Answered { status: 200, body: failed });
    let declare = natives("handler", "eu-west-1", || queue("refusals"));
    says("A permission is missing that Cloud Control needs", &converge(&world, declare).await);
}

#[tokio::test]
async fn a_property_that_only_a_create_can_set() {
    let Some(world) = World::new() else { return };
    let one = natives("fixed", "eu-west-1", || queue("refusals-one"));
    world.place(one, "ledger").await.converge().await.unwrap();
    let message = "Invalid patch update: createOnlyProperties [/properties/QueueName] cannot be updated";
    let refused = Kind::Refused { status: 400, code: "NotUpdatableException", message };
    world.proxy.fault("UpdateResource", 1, refused);
    let two = natives("fixed", "eu-west-1", || queue("refusals-two"));
    says("A property that only a create can set", &converge(&world, two).await);
}
