//! Ledgers in real servers on this machine: moto's S3 and Azurite's blobs. `bash .ci/stores` starts them and says where they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::Write as _;

use bytes::Bytes;
use landfall::driver::Target;
use landfall::ledger::{AcquireOptions, Acquired, Converged, Intent, Ledger, Put, Record, Session, Slot};
use landfall::ledger::{azure_blob, cloud_storage, s3};
use landfall::resource::{Address, Claim, StackId, Verb};
use landfall::scope::AllOutputs;
use landfall::{Code, Error, Retry, properties};

/// Azurite's account and key, which everybody knows.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Another key of the right form, and what no text may show of it.
const OTHER_KEY: &str = "YW5vdGhlciBrZXkgb2YgdGhlIHJpZ2h0IGZvcm0sIHdoaWNoIG5vYm9keSBnYXZlIHRvIGFueWJvZHk=";

/// A store's place as (server, bucket); `None`, said aloud, when nobody started the server.
fn place(variable: &str) -> Option<(String, String)> {
    #[expect(clippy::disallowed_methods, reason = "who starts the servers says where they are")]
    let place = std::env::var(variable).ok();
    if place.is_none() {
        // Not by a macro whose output is captured: whoever reads the log must see it.
        let _ = writeln!(std::io::stderr(), "PASSED OVER: {variable} names no server; `bash .ci/stores` starts them");
    }
    let place = place?;
    let (server, bucket) = place.rsplit_once('/').expect("a URL that ends in a bucket");
    Some((server.to_owned(), bucket.to_owned()))
}

/// The ledgers that live in every store, each below its own prefix.
#[derive(Clone, Copy, Debug)]
enum Kind {
    S3,
    CloudStorage,
    AzureBlob,
}

use Kind::{AzureBlob, CloudStorage, S3};

impl Kind {
    fn variable(self) -> &'static str {
        match self {
            S3 => "LANDFALL_TEST_S3",
            CloudStorage => "LANDFALL_TEST_CLOUD_STORAGE",
            AzureBlob => "LANDFALL_TEST_AZURE_BLOB",
        }
    }

    /// A ledger of this kind in a bucket; the test's own, unless another one is named.
    fn open(self, prefix: &str, other: Option<&str>) -> Option<Ledger> {
        let (server, bucket) = place(self.variable())?;
        let bucket = other.map_or(bucket, str::to_owned);
        let url = server.parse().unwrap();
        let ledger = match self {
            S3 => {
                let credentials = s3::Credentials::temporary("AKIAIOSFODNN7EXAMPLE", OTHER_KEY.into(), KEY.into());
                let options = s3::Options::new(bucket, "eu-west-1", credentials).expected_owner("123456789012");
                Ledger::s3(options.emulator(url).prefix(prefix))
            }
            CloudStorage => {
                let credentials = cloud_storage::Credentials::BearerToken(OTHER_KEY.into());
                Ledger::cloud_storage(cloud_storage::Options::new(bucket, credentials).emulator(url).prefix(prefix))
            }
            AzureBlob => {
                let credentials = azure_blob::Credentials::AccessKey(KEY.into());
                let options = azure_blob::Options::new(ACCOUNT, bucket, credentials);
                Ledger::azure_blob(options.emulator(url).prefix(prefix))
            }
        };
        Some(ledger.unwrap())
    }
}

fn stack() -> StackId {
    StackId::new("inferloop", "dev")
}

fn options(holder: &str) -> AcquireOptions {
    let target = Target {
        cloud: "aws".into(),
        partition: "aws".into(),
        account: "123456789012".into(),
        region: "eu-west-1".into(),
    };
    AcquireOptions::new(holder, target)
}

async fn session(ledger: &Ledger, holder: &str) -> Session {
    match ledger.acquire(&stack(), &options(holder)).await.unwrap() {
        Acquired::Session(session) => *session,
        Acquired::Held(watch) => panic!("the lease is held by {:?}", watch.holder()),
    }
}

fn change(number: u32) -> Vec<Record> {
    let address = Address::new("aws", "network", "core", &format!("subnet-{number}")).unwrap();
    let intent = Intent {
        slot: Slot::new(&address, 0),
        verb: Verb::Create,
        type_name: "AWS::EC2::Subnet".into(),
        claim: Claim::Marks,
        id: None,
        properties: properties! { "CidrBlock" => format!("10.0.{number}.0/24") },
        dependencies: BTreeSet::new(),
        cluster: None,
        protected: false,
        origin: None,
        plan: "0123456789abcdef".into(),
    };
    let done = Record::Done { slot: intent.slot.clone(), id: format!("subnet-{number:017}"), outputs: properties! {} };
    vec![Record::Intent(Box::new(intent)), done]
}

fn converged(graph: &str) -> Record {
    let outputs = AllOutputs::default();
    let (generation, specs, recheck) = (0, Default::default(), false);
    Record::Converged(Box::new(Converged { graph: graph.into(), generation, outputs, specs, recheck }))
}

/// The life of a ledger over a checkpoint, from two processes' view.
async fn life(kind: Kind) {
    let Some(ledger) = kind.open("life", None) else { return };
    let mut first = session(&ledger, "a").await;
    for number in 0..70 {
        first.commit(change(number)).await.unwrap();
    }
    let other = kind.open("life", None).unwrap();
    let held = other.acquire(&stack(), &options("b")).await.unwrap();
    assert!(matches!(held, Acquired::Held(_)), "{kind:?}");
    let head = first.release(vec![converged("g")]).await.unwrap();
    assert_eq!((head.number, ledger.writes()), (72, 74), "{kind:?}: two puts were the probe's");

    let reader = kind.open("life", None).unwrap();
    let peek = reader.peek(&stack()).await.unwrap().unwrap();
    assert_eq!(peek.converged().unwrap().graph, "g");
    assert_eq!(reader.reads(), 2, "{kind:?}");
    let loaded = reader.load(&stack()).await.unwrap();
    assert_eq!((&loaded.state, loaded.head), (first.state(), head), "{kind:?}");
    assert_eq!(loaded.entries, 72 - 64 + 1, "{kind:?}: from the checkpoint in entry 64 on");
    assert_eq!(reader.history(&stack(), None, 100).await.unwrap().len(), 72);
    assert_eq!(session(&reader, "b").await.epoch(), 2);
    let elsewhere = StackId::new("inferloop", "prod");
    assert_eq!(reader.load(&elsewhere).await.unwrap().head.number, 0);
}

#[tokio::test]
async fn s3_keeps_a_ledger() {
    life(S3).await;
}

#[tokio::test]
async fn cloud_storage_keeps_a_ledger() {
    life(CloudStorage).await;
}

#[tokio::test]
async fn azure_blob_keeps_a_ledger() {
    life(AzureBlob).await;
}

#[tokio::test]
async fn of_64_starters_one_gets_the_lease() {
    for kind in [S3, CloudStorage, AzureBlob] {
        let starts = (0..64).map(async |number| {
            let ledger = kind.open("race", None)?;
            let acquired = ledger.acquire(&stack(), &options(&format!("pod-{number}"))).await.unwrap();
            Some(u32::from(matches!(acquired, Acquired::Session(_))))
        });
        let won: Option<u32> = futures_util::future::join_all(starts).await.into_iter().sum();
        assert!(won.is_none_or(|won| won == 1), "{kind:?}: {won:?}");
    }
}

#[tokio::test]
async fn a_put_where_something_is_changes_nothing() {
    for kind in [S3, CloudStorage, AzureBlob] {
        let Some(ledger) = kind.open("once", None) else { continue };
        let store = ledger.store();
        assert_eq!(store.get("key").await.unwrap(), None, "{kind:?}");
        assert_eq!(store.put_if_absent("key", Bytes::from_static(b"one")).await.unwrap(), Put::Created, "{kind:?}");
        assert_eq!(store.put_if_absent("key", Bytes::from_static(b"two")).await.unwrap(), Put::Exists, "{kind:?}");
        assert_eq!(store.get("key").await.unwrap().unwrap(), "one", "{kind:?}");
    }
}

#[tokio::test]
async fn the_newest_entry_is_found_behind_pages_of_strangers() {
    for kind in [S3, CloudStorage, AzureBlob] {
        let Some(ledger) = kind.open("pages", None) else { continue };
        let mut holder = session(&ledger, "a").await;
        holder.commit(change(1)).await.unwrap();
        // They come before every entry, and more of them than a page holds.
        for number in 0..70 {
            let key = format!("{}/entries/!stranger-{number:02}", stack());
            ledger.store().put_if_absent(&key, Bytes::from_static(b"?")).await.unwrap();
        }
        assert_eq!(ledger.load(&stack()).await.unwrap().head, *holder.head(), "{kind:?}");
    }
}

/// No text of an error shows a credential.
fn check_silent(error: &Error) {
    for text in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
        assert!(![KEY, OTHER_KEY].iter().any(|secret| text.contains(secret)), "{text}");
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_named_at_once() {
    for kind in [S3, CloudStorage, AzureBlob] {
        let Some(ledger) = kind.open("wrong", Some("nowhere")) else { continue };
        for error in [ledger.load(&stack()).await.unwrap_err(), ledger.peek(&stack()).await.unwrap_err()] {
            assert_eq!(
                (error.code(), error.retry_class()),
                (Code::LedgerUnavailable, Retry::Never),
                "{kind:?}: {error}"
            );
            assert!(error.message().starts_with("the ledger's bucket does not exist"), "{kind:?}: {error}");
            check_silent(&error);
        }
        assert_eq!(ledger.reads(), 2, "{kind:?}: none was repeated");
        let store = ledger.store();
        let put = store.put_if_absent("key", Bytes::from_static(b"one")).await.unwrap_err();
        let get = store.get("key").await.unwrap_err();
        assert_eq!((put.code(), get.code()), (Code::LedgerUnavailable, Code::LedgerUnavailable), "{kind:?}");
    }
}

#[tokio::test]
async fn refused_credentials_are_final_and_stay_unseen() {
    if let Some((server, bucket)) = place("LANDFALL_TEST_GUARDED_S3") {
        let credentials = s3::Credentials::temporary("AKIAIOSFODNN7EXAMPLE", KEY.into(), OTHER_KEY.into());
        let options = s3::Options::new(bucket, "eu-west-1", credentials).emulator(server.parse().unwrap());
        refused(&Ledger::s3(options).unwrap()).await;
    }
    if let Some((server, bucket)) = place("LANDFALL_TEST_AZURE_BLOB") {
        let signature = format!("sv=2024-11-04&ss=b&srt=sco&sp=rcl&se=2036-01-01T00:00:00Z&sig={OTHER_KEY}");
        let all = [
            azure_blob::Credentials::AccessKey(OTHER_KEY.into()),
            azure_blob::Credentials::SharedAccessSignature(signature.into()),
        ];
        for credentials in all {
            let options = azure_blob::Options::new(ACCOUNT, &bucket, credentials).emulator(server.parse().unwrap());
            refused(&Ledger::azure_blob(options).unwrap()).await;
        }
    }
}

async fn refused(ledger: &Ledger) {
    for error in [
        ledger.load(&stack()).await.unwrap_err(),
        ledger.acquire(&stack(), &options("a")).await.unwrap_err(),
        ledger.store().put_if_absent("key", Bytes::from_static(b"one")).await.unwrap_err(),
        ledger.store().get("key").await.unwrap_err(),
    ] {
        assert_eq!((error.code(), error.retry_class()), (Code::LedgerUnavailable, Retry::Never), "{error}");
        assert!(error.message().starts_with("the ledger's store refuses access"), "{error}");
        assert!(error.cloud_answer().is_some_and(|answer| !answer.code.is_empty()), "{error:?}");
        check_silent(&error);
    }
    assert_eq!((ledger.reads(), ledger.writes()), (2, 0));
    assert!(!format!("{ledger:?}").contains(KEY) && !format!("{ledger:?}").contains(OTHER_KEY));
}

#[tokio::test]
async fn a_store_that_ignores_the_condition_is_refused_before_the_first_entry() {
    let Some((server, bucket)) = place("LANDFALL_TEST_UNCONDITIONAL_CLOUD_STORAGE") else { return };
    let credentials = cloud_storage::Credentials::BearerToken("token".into());
    let options = cloud_storage::Options::new(bucket, credentials).emulator(server.parse().unwrap()).prefix("ignores");
    let ledger = Ledger::cloud_storage(options).unwrap();
    let error = ledger.acquire(&stack(), &self::options("a")).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerUnconditional, "{error}");
    assert_eq!(ledger.load(&stack()).await.unwrap().head.number, 0);
}

#[tokio::test]
async fn an_endpoint_that_nobody_serves_cannot_be_reached() {
    // Bound and closed again, so that nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let options = s3::Options::new("ledgers", "eu-west-1", s3::Credentials::key("AKIAIOSFODNN7EXAMPLE", KEY.into()));
    let ledger = Ledger::s3(options.emulator(url.parse().unwrap())).unwrap();
    let error = ledger.load(&stack()).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerUnavailable);
    assert!(error.message().starts_with("the ledger's store cannot be reached"), "{error}");
    assert_eq!(ledger.reads(), 4, "a read is repeated");
    check_silent(&error);
}

/// S3 refuses requests with headers of its own that their signature does not cover; moto does not.
#[test]
fn every_amz_header_that_is_sent_is_signed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let credentials = s3::Credentials::temporary("AKIAIOSFODNN7EXAMPLE", KEY.into(), OTHER_KEY.into());
    let options = s3::Options::new("ledgers", "eu-west-1", credentials).expected_owner("123456789012");
    let ledger = Ledger::s3(options.emulator(url.parse().unwrap())).unwrap();
    let requests: Vec<String> = std::thread::scope(|scope| {
        let server = scope.spawn(|| (0..3).map(|_| refuse(&listener)).collect());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = ledger.store();
            for error in [
                store.put_if_absent("key", Bytes::from_static(b"one")).await.unwrap_err(),
                store.get("key").await.unwrap_err(),
                store.newest("stack/entries/").await.unwrap_err(),
            ] {
                assert_eq!(error.retry_class(), Retry::Throttled(None), "{error}");
            }
        });
        server.join().unwrap()
    });
    for request in requests {
        let (_, signed) = request.split_once("SignedHeaders=").unwrap();
        let signed: Vec<_> = signed.split([',', '\r']).next().unwrap().split(';').collect();
        let names = request.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name);
        for name in names.filter(|name| name.starts_with("x-amz-")) {
            assert!(signed.contains(&name), "{name} is not signed: {request}");
        }
    }
}

/// The head of the next request, which is told to come back later.
fn refuse(listener: &std::net::TcpListener) -> String {
    use std::io::{BufRead as _, Read as _};
    let (connection, _) = listener.accept().unwrap();
    let mut reader = std::io::BufReader::new(&connection);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        reader.read_line(&mut head).unwrap();
        let line = head[start..].to_lowercase();
        length = line.strip_prefix("content-length:").map_or(length, |number| number.trim().parse().unwrap());
    }
    reader.take(length).read_to_end(&mut Vec::new()).unwrap();
    let answer = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    (&connection).write_all(answer).unwrap();
    head
}
