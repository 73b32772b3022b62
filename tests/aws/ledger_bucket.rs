//! The bucket of a ledger, made by whoever starts first. On ministack, for moto takes no tags with a create and answers
//! `GetBucketVersioning` with a document that no strict reader takes. Neither looks at the expected owner of a bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use futures_util::future::join_all;
use landfall::aws::LedgerBucket;
use landfall::aws::live::{Connection, Options};
use landfall::ledger::{AcquireOptions, Acquired};
use landfall::prelude::*;
use landfall::resource::StackId;
use landfall::{Code, properties};

use crate::proxy::{Kind, Proxy};
use crate::servers::Servers;
use crate::world::{World, connect, connected, place, server};

/// ministack behind a proxy.
struct Store {
    proxy: Proxy,
    server: String,
}

impl Store {
    fn new() -> Option<Self> {
        let server = server("LANDFALL_TEST_MINISTACK")?;
        Some(Self { proxy: Proxy::new(Servers::new(&server, &server)), server })
    }

    async fn connection(&self) -> Connection {
        connect(&self.proxy.url).await
    }

    /// What the server itself answers.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let host = self.server.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn put(&self, path: &str, body: &str) {
        let answer = self.ask("PUT", path, "", body);
        assert!(answer.starts_with("HTTP/1.1 20"), "{path}: {answer}");
    }

    fn get(&self, path: &str) -> String {
        self.ask("GET", path, "", "")
    }

    /// A bucket as somebody makes it by hand.
    fn bucket(&self, name: &str) {
        let body =
            "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
        self.put(&format!("/{name}"), body);
    }

    fn private(&self, name: &str) {
        let body = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true\
                    </IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true\
                    </RestrictPublicBuckets></PublicAccessBlockConfiguration>";
        self.put(&format!("/{name}?publicAccessBlock"), body);
        let body = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";
        self.put(&format!("/{name}?ownershipControls"), body);
        let body = "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256\
                    </SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";
        self.put(&format!("/{name}?encryption"), body);
    }

    fn versioned(&self, name: &str) {
        let body = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
        self.put(&format!("/{name}?versioning"), body);
    }

    fn tagged(&self, name: &str) {
        let body = "<Tagging><TagSet><Tag><Key>landfall:ledger</Key><Value>true</Value></Tag></TagSet></Tagging>";
        self.put(&format!("/{name}?tagging"), body);
    }

    fn rule(&self, name: &str, prefix: &str) {
        let body = format!(
            "<LifecycleConfiguration><Rule><ID>logs</ID><Status>Enabled</Status><Filter><Prefix>{prefix}</Prefix></Filter>\
             <Expiration><Days>30</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
             </NoncurrentVersionExpiration></Rule></LifecycleConfiguration>"
        );
        self.put(&format!("/{name}?lifecycle"), &body);
    }

    /// Private, versioned, encrypted, with the rule for old versions.
    fn is_whole(&self, name: &str, algorithm: &str) {
        let access = self.get(&format!("/{name}?publicAccessBlock"));
        assert_eq!(access.matches(">true<").count(), 4, "{access}");
        for (part, holds) in [
            ("ownershipControls", "<ObjectOwnership>BucketOwnerEnforced<"),
            ("encryption", &format!("<SSEAlgorithm>{algorithm}<")),
            ("versioning", "<Status>Enabled<"),
            ("lifecycle", "<NoncurrentDays>90<"),
            ("tagging", "<Key>landfall:ledger<"),
        ] {
            let answer = self.get(&format!("/{name}?{part}"));
            assert!(answer.contains(holds), "{part}: {answer}");
        }
    }

    /// How many calls arrived since this one that were no reads.
    fn changes_since(&self, number: usize) -> BTreeMap<String, usize> {
        let mut counted = self.proxy.counted_since(number);
        counted.retain(|action, _| !action.starts_with("GET ") && action != "GetCallerIdentity");
        counted
    }

    async fn refused(&self, bucket: impl Into<LedgerBucket>) -> Error {
        self.connection().await.ledger(bucket).await.unwrap_err()
    }
}

async fn acquired(ledger: &Ledger, connection: &Connection, holder: &str) -> Acquired {
    let options = AcquireOptions::new(holder, connection.target().clone());
    ledger.acquire(&StackId::new("inferloop", "dev"), &options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_starters_one_makes_the_bucket_and_one_gets_the_lease() {
    let Some(store) = Store::new() else { return };
    let connections = join_all((0..64).map(|_| store.connection())).await;
    let ledgers = join_all(connections.iter().map(|connection| connection.ledger("ledger-64"))).await;
    let ledgers: Vec<Ledger> = ledgers.into_iter().map(|ledger| ledger.unwrap()).collect();
    let creates = store.proxy.calls().into_iter().filter(|call| call.action == "PUT /" && call.status == Some(200));
    assert_eq!(creates.count(), 1);
    let without = store.proxy.calls().into_iter().filter(|call| call.owner.as_deref() != Some("123456789012"));
    let without: BTreeSet<String> = without.map(|call| call.action).collect();
    assert_eq!(
        without.into_iter().collect::<Vec<_>>(),
        ["GetCallerIdentity", "PUT /"],
        "all but the create say whose it is"
    );
    store.is_whole("ledger-64", "AES256");

    let tries = ledgers.iter().zip(&connections).enumerate();
    let tries = join_all(tries.map(async |(number, (ledger, connection))| {
        matches!(acquired(ledger, connection, &format!("pod-{number}")).await, Acquired::Session(_))
    }));
    assert_eq!(tries.await.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn a_second_start_changes_nothing() {
    let Some(store) = Store::new() else { return };
    store.connection().await.ledger("ledger-twice").await.unwrap();
    let calls = store.proxy.calls().len();
    store.connection().await.ledger("ledger-twice").await.unwrap();
    assert_eq!(store.changes_since(calls), BTreeMap::new());
    assert_eq!(store.proxy.calls().len() - calls, 7, "STS, the tags and five parts");
}

#[tokio::test]
async fn a_platform_converges_on_a_ledger_in_a_bucket_that_was_not_there() {
    let (Some(store), Some(world)) = (Store::new(), World::new()) else { return };
    let declare = || {
        let mut platform = Platform::builder("bucketed", "test", Aws::new("eu-west-1"));
        platform.native("logs", "AWS::Logs::LogGroup", properties! { "LogGroupName" => "/bucketed" });
        platform
    };
    let bucket = || LedgerBucket::new("ledger-converge").prefix("teams/platform");
    let ledger = store.connection().await.ledger(bucket()).await.unwrap();
    place(declare, world.connection().await, ledger, "one").converge().await.unwrap();
    let ledger = store.connection().await.ledger(bucket()).await.unwrap();
    let calls = world.proxy.calls().len();
    place(declare, world.connection().await, ledger, "two").converge().await.unwrap();
    assert_eq!(world.proxy.counted_since(calls).into_keys().collect::<Vec<_>>(), ["GetCallerIdentity"]);
    let keys = store.get("/ledger-converge?list-type=2");
    assert!(keys.contains("<Key>teams/platform/bucketed-test/entries/"), "{keys}");
}

#[tokio::test]
async fn what_a_bucket_of_ours_lacks_is_set_and_what_others_set_stays() {
    let Some(store) = Store::new() else { return };
    store.bucket("ledger-lacking");
    store.tagged("ledger-lacking");
    store.rule("ledger-lacking", "logs/");
    let error = store.refused("ledger-lacking").await;
    assert_eq!(error.code(), Code::InvalidValue, "without a prefix entries may begin with anything");
    let with = LedgerBucket::new("ledger-lacking").prefix("entries").key("arn:aws:kms:eu-west-1:123456789012:key/1");
    store.connection().await.ledger(with.clone()).await.unwrap();
    store.is_whole("ledger-lacking", "aws:kms");
    let rules = store.get("/ledger-lacking?lifecycle");
    assert!(rules.contains("<ID>logs<") && rules.contains("<ID>landfall-ledger<"), "{rules}");
    // Who names no key takes the encryption that is there.
    let calls = store.proxy.calls().len();
    store.connection().await.ledger(LedgerBucket::new("ledger-lacking").prefix("entries")).await.unwrap();
    store.connection().await.ledger(with).await.unwrap();
    assert_eq!(store.changes_since(calls), BTreeMap::new());
}

#[tokio::test]
async fn a_bucket_that_is_not_made_for_ledgers_is_used_as_it_is_or_refused() {
    let Some(store) = Store::new() else { return };
    store.bucket("ledger-by-hand");
    let error = store.refused("ledger-by-hand").await;
    assert_eq!(error.code(), Code::ForeignResource);
    for lacking in ["public access is not blocked", "versioning is off", "ledger-by-hand"] {
        assert!(error.message().contains(lacking), "{error}");
    }
    assert!(error.next_step().unwrap().contains("landfall:ledger=true"), "{error}");
    store.private("ledger-by-hand");
    let error = store.refused("ledger-by-hand").await;
    assert!(!error.message().contains("public") && error.message().contains("versioning is off"), "{error}");
    store.versioned("ledger-by-hand");
    let connection = store.connection().await;
    let ledger = connection.ledger("ledger-by-hand").await.unwrap();
    let key = "arn:aws:kms:eu-west-1:123456789012:key/1";
    let error = store.refused(LedgerBucket::new("ledger-by-hand").key(key)).await;
    assert_eq!(error.code(), Code::ForeignResource);
    assert_eq!(store.changes_since(0), BTreeMap::new(), "it is not ours to change");
    assert!(matches!(acquired(&ledger, &connection, "one").await, Acquired::Session(_)));
}

#[tokio::test]
async fn a_bucket_of_another_account_is_refused() {
    let Some(store) = Store::new() else { return };
    // To this server such a key is an account.
    let options = Options::key("999999999999", "secret".into()).emulator(store.proxy.url.clone());
    let other = connected("eu-west-1", &options).await;
    assert_eq!(other.target().account, "999999999999");
    other.ledger("ledger-of-others").await.unwrap();
    let error = store.refused("ledger-of-others").await;
    assert_eq!(error.code(), Code::ForeignResource);
    assert!(error.message().contains("another account"), "{error}");
}

#[tokio::test]
async fn a_rule_that_would_take_entries_away_is_refused() {
    let Some(store) = Store::new() else { return };
    store.connection().await.ledger("ledger-expiring").await.unwrap();
    store.rule("ledger-expiring", "");
    let error = store.refused("ledger-expiring").await;
    assert_eq!(error.code(), Code::InvalidValue);
    assert!(error.message().ends_with("away: logs"), "{error}");
}

#[tokio::test]
async fn a_start_survives_what_passes_and_says_what_does_not() {
    let Some(store) = Store::new() else { return };
    let conflict =
        Kind::Refused { status: 409, code: "OperationAborted", message: "A conflicting operation is in progress" };
    store.proxy.fault("PUT /", 1, conflict);
    store.proxy.fault("PUT /", 1, Kind::Lost);
    store.proxy.fault("PUT /versioning", 1, Kind::ActedThen500);
    // S3 knows the bucket here and not yet there.
    let behind = Kind::Refused { status: 404, code: "NoSuchBucket", message: "The specified bucket does not exist" };
    store.proxy.fault("GET /versioning", 1, behind.clone());
    store.proxy.fault("PUT /lifecycle", 1, behind);
    store.connection().await.ledger("ledger-bumpy").await.unwrap();
    store.is_whole("ledger-bumpy", "AES256");

    let denied = Kind::Refused { status: 403, code: "AccessDenied", message: "Access Denied" };
    store.proxy.fault("GET /encryption", 1, denied);
    let error = store.refused("ledger-bumpy").await;
    assert_eq!(error.code(), Code::PermissionDenied);
    assert!(error.to_string().contains("s3:GetEncryptionConfiguration"), "{error}");
}

#[tokio::test]
async fn names_that_cannot_be_meant_are_refused_before_any_call() {
    let Some(store) = Store::new() else { return };
    for (bucket, code) in [
        (LedgerBucket::new("no bucket"), Code::InvalidName),
        (LedgerBucket::new("ledger--euw1-az1--x-s3"), Code::InvalidValue),
        (LedgerBucket::new("ledger").prefix("a//b"), Code::InvalidName),
    ] {
        assert_eq!(store.refused(bucket).await.code(), code);
    }
    assert_eq!(store.proxy.counted_since(0).into_keys().collect::<Vec<_>>(), ["GetCallerIdentity"]);
}
