//! Whose credentials sign what: new ones are shown to STS before they sign anything else, and those of another account sign
//! nothing else at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use futures_util::future::join_all;
use landfall::aws::live::{Connection, Options};
use landfall::prelude::*;
use landfall::sim::Moment;
use landfall::{Code, properties};

use crate::proxy::{Arrived, Kind, Proxy};
use crate::servers::Servers;
use crate::world::{World, connected, key_policy, place, server};

const STS: &str = "GetCallerIdentity";

/// Hands out another key each time, which lasts so short that it is asked for the next one right away. No two have the same.
#[derive(Debug)]
struct Rotating;

static COUNT: AtomicU64 = AtomicU64::new(0);

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        #[expect(clippy::disallowed_methods, reason = "credentials expire by the wall clock")]
        let soon = SystemTime::now() + Duration::from_secs(3);
        let token = Some(format!("token-{number}"));
        let credentials = Credentials::new(format!("ASIA{number:016}"), "secret", token, Some(soon), "test");
        future::ProvideCredentials::ready(Ok(credentials))
    }
}

/// Hands out one key that lasts an hour, and counts how often it is asked.
#[derive(Clone, Debug, Default)]
struct Lasting(Arc<AtomicU64>);

impl ProvideCredentials for Lasting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        self.0.fetch_add(1, Ordering::Relaxed);
        #[expect(clippy::disallowed_methods, reason = "credentials expire by the wall clock")]
        let later = SystemTime::now() + Duration::from_secs(3600);
        let credentials = Credentials::new("ASIALASTING", "secret", Some("token".to_owned()), Some(later), "test");
        future::ProvideCredentials::ready(Ok(credentials))
    }
}

fn options(proxy: &Proxy) -> Options {
    Options::provider(Rotating).emulator(proxy.url.clone())
}

async fn connect(proxy: &Proxy) -> Connection {
    connected("eu-west-1", &options(proxy)).await
}

fn declare(name: &'static str) -> impl Fn() -> PlatformBuilder {
    move || {
        let mut platform = Platform::builder(name, "test", Aws::new("eu-west-1"));
        platform.native("key", "AWS::KMS::Key", properties! { "Description" => name, "KeyPolicy" => key_policy() });
        for group in ["one", "two"] {
            let properties = properties! { "LogGroupName" => format!("/{name}/{group}"), "RetentionInDays" => 30 };
            platform.native(group, "AWS::Logs::LogGroup", properties);
        }
        platform
    }
}

/// Every call is signed with a key that STS was shown before, and more than one key was used.
fn each_was_checked(calls: &[Arrived]) {
    let mut checked = BTreeSet::new();
    let mut signed = BTreeSet::new();
    for call in calls {
        if call.action == STS {
            checked.insert(&call.key);
        } else {
            assert!(checked.contains(&call.key), "{call:?} before STS was asked whose key that is");
            signed.insert(&call.key);
        }
    }
    assert!(signed.len() > 2, "{signed:?}");
}

#[tokio::test]
async fn new_credentials_are_shown_to_sts_before_they_sign_anything() {
    let Some(world) = World::new() else { return };
    let ledger = Ledger::folder(world.folder().join("ledger")).unwrap();
    let platform = place(declare("rotating"), connect(&world.proxy).await, ledger, "tester");
    platform.converge().await.unwrap();
    assert!(platform.plan().await.unwrap().is_empty());
    each_was_checked(&world.proxy.calls());
}

#[tokio::test]
async fn a_ledger_signs_with_the_connections_credentials_and_their_successors() {
    let Some(server) = server("LANDFALL_TEST_MINISTACK") else { return };
    let proxy = Proxy::new(Servers::new(&server, &server));
    let connection = connect(&proxy).await;
    let ledger = connection.ledger("ledger-rotating").await.unwrap();
    let stack = landfall::resource::StackId::new("rotating", "test");
    let before = proxy.calls().len();
    assert!(ledger.peek(&stack).await.unwrap().is_none());
    ledger.load(&stack).await.unwrap();
    assert!(proxy.calls().len() > before);
    each_was_checked(&proxy.calls());

    proxy.fault(STS, usize::MAX, turned());
    let before = proxy.calls().len();
    assert_eq!(ledger.load(&stack).await.unwrap_err().code(), Code::WrongTarget);
    assert_eq!(connection.cluster_token("main").await.unwrap_err().code(), Code::WrongTarget);
    assert_eq!(connection.ledger("ledger-rotating").await.unwrap_err().code(), Code::WrongTarget);
    assert!(proxy.calls()[before..].iter().all(|call| call.action == STS));
}

#[tokio::test]
async fn what_lasts_is_asked_for_once() {
    let Some(server) = server("LANDFALL_TEST_MINISTACK") else { return };
    let proxy = Proxy::new(Servers::new(&server, &server));
    let lasting = Lasting::default();
    let options = Options::provider(lasting.clone()).emulator(proxy.url.clone());
    let connection = Aws::new("eu-west-1").connect(options).await.unwrap();
    let ledger = connection.ledger("ledger-lasting").await.unwrap();
    let stack = landfall::resource::StackId::new("lasting", "test");
    join_all((0..8).map(|_| ledger.load(&stack))).await.into_iter().for_each(|loaded| drop(loaded.unwrap()));
    connection.cluster_token("main").await.unwrap();
    assert_eq!(lasting.0.load(Ordering::Relaxed), 1);
    assert_eq!(proxy.counted_since(0)[STS], 1);
}

#[tokio::test]
async fn credentials_that_a_service_finds_expired_are_said_to_be() {
    let Some(world) = World::new() else { return };
    let place = async |name: &str| {
        let ledger = Ledger::folder(world.folder().join(name)).unwrap();
        place(declare("expired"), connect(&world.proxy).await, ledger, "tester")
    };
    let message = "The security token included in the request is expired";
    world.proxy.fault("CreateLogGroup", 2, Kind::Refused { status: 400, code: "ExpiredTokenException", message });
    let error = place("ledger").await.converge().await.unwrap_err();
    let problem = error.problems()[0];
    assert_eq!(problem.code(), Code::PermissionDenied);
    assert!(problem.next_step().unwrap().contains("new credentials"), "{problem}");
    let platform = place("ledger").await;
    platform.converge().await.unwrap();
    assert!(platform.plan().await.unwrap().is_empty());
}

/// STS says that the key is another account's.
fn turned() -> Kind {
    Kind::Rewritten { from: "123456789012", to: "210987654321" }
}

#[tokio::test]
async fn credentials_that_turn_to_another_account_sign_nothing_there() {
    let Some(world) = World::new() else { return };
    // How many calls a whole run makes; the turn comes at each quarter of it.
    let ledger = |name: &str| Ledger::folder(world.folder().join(name)).unwrap();
    place(declare("whole"), connect(&world.proxy).await, ledger("whole"), "tester").converge().await.unwrap();
    let whole = world.proxy.calls().len();
    for (quarter, name) in [(0, "turn-0"), (1, "turn-1"), (2, "turn-2"), (3, "turn-3")] {
        let connection = connect(&world.proxy).await;
        let proxy = world.proxy.clone();
        let turn = move || proxy.fault(STS, usize::MAX, turned());
        world.proxy.at(1 + whole * quarter / 4, Moment::Before, turn);
        let platform = place(declare(name), connection, ledger(name), "tester");
        let error = platform.converge().await.unwrap_err();
        let problems: Vec<_> = error.problems().into_iter().map(Error::code).collect();
        assert!(problems.contains(&Code::WrongTarget), "{name}: {error}");
        world.proxy.at_peace();
        // What STS said to be another account's has signed nothing else.
        let calls = world.proxy.calls();
        let others: Vec<_> =
            calls.iter().filter(|call| call.action == STS && call.faulty).map(|call| &call.key).collect();
        assert!(!others.is_empty(), "{name}: STS was asked");
        assert!(calls.iter().all(|call| call.faulty || !others.contains(&&call.key)), "{name}: {others:?}");
        each_was_checked(&calls);
        // With the right ones it goes on from there.
        let platform = place(declare(name), connect(&world.proxy).await, ledger(name), "tester");
        platform.converge().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(platform.plan().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_connection_is_refused_where_the_credentials_are_not_from() {
    let Some(world) = World::new() else { return };
    let connected = async |region: &str, options: Options| Aws::new(region).connect(options).await.unwrap_err();
    let error = connected("eu-west-1", options(&world.proxy).account("210987654321")).await;
    assert_eq!(error.code(), Code::WrongTarget);
    assert!(error.next_step().unwrap().contains("210987654321"), "{error}");

    // Credentials of one partition, and a region of another one.
    for (region, own) in [("cn-north-1", "arn:aws-cn:"), ("us-gov-west-1", "arn:aws-us-gov:")] {
        world.proxy.fault(STS, 1, Kind::Rewritten { from: own, to: "arn:aws:" });
        let error = connected(region, options(&world.proxy)).await;
        assert_eq!(error.code(), Code::WrongTarget, "{region}: {error}");
    }
    world.proxy.fault(STS, 1, Kind::Rewritten { from: "arn:aws:", to: "arn:aws-cn:" });
    assert_eq!(connected("eu-west-1", options(&world.proxy)).await.code(), Code::WrongTarget);
    assert_eq!(connected("eu-nowhere-1", options(&world.proxy)).await.code(), Code::UnknownRegion);
    assert!(world.proxy.calls().iter().all(|call| call.action == STS));
    assert_eq!(world.proxy.calls().len(), 4);
}
