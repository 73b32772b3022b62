//! Not proved by any server: copies in other regions, whose states moto does not go through.

use aws_credential_types::Credentials;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Region};
use aws_sdk_secretsmanager::{Client, Config};
use landfall_core::driver::Drivers as _;
use landfall_core::resource::Value;
use landfall_core::secret::Secret;
use landfall_core::{Code, map, properties};
use secrecy::SecretString;

use crate::bench::{Bench, directly, server};

fn drawn(name: &str) -> landfall_core::resource::Properties {
    properties! {
        "Name" => name,
        "Description" => "Password of the cache main",
        "KmsKeyId" => "arn:aws:kms:eu-west-1:123456789012:key/1",
        "GenerateSecretString" => map! { "PasswordLength" => 48, "ExcludePunctuation" => true },
    }
}

fn given(value: &str) -> Value {
    let value = SecretString::from(value);
    Value::Secret(Secret::new("given", value, &SecretString::from("")))
}

/// What a secret holds, as the server tells whoever may read it.
async fn held(id: &str) -> String {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(directly())
        .region(Region::new("eu-west-1"))
        .endpoint_url(server("LANDFALL_TEST_MOTO").unwrap())
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"))
        .build();
    let answer = Client::from_conf(config).get_secret_value().secret_id(id).send().await.unwrap();
    answer.secret_string.unwrap()
}

#[tokio::test]
async fn a_secret_is_drawn_changed_and_kept_for_whoever_wants_it_back() {
    let Some(bench) = Bench::new("secret").await else { return };
    let mut made = bench.make("password", "AWS::SecretsManager::Secret", drawn("secret/password")).await;
    bench.holds(&made).await;
    let first = held(made.id()).await;
    assert_eq!(first.len(), 48);
    assert!(first.chars().all(char::is_alphanumeric), "drawn as it is asked for");

    let changes = properties! {
        "Description" => "Password of another cache",
        "KmsKeyId" => "arn:aws:kms:eu-west-1:123456789012:key/2",
        "Tags" => bench.retagged("password"),
    };
    bench.change(&mut made, changes).await;
    bench.holds(&made).await;
    assert_eq!(held(made.id()).await, first, "nobody asked for another value");

    let changes = properties! { "GenerateSecretString" => map! { "PasswordLength" => 20 } };
    bench.change(&mut made, changes).await;
    assert_eq!(held(made.id()).await.len(), 20);
    bench.unmake(&made).await;
}

#[tokio::test]
async fn a_value_that_is_given_is_set_and_replaced() {
    let Some(bench) = Bench::new("secret-given").await else { return };
    let wanted = properties! { "Name" => "given/token", "SecretString" => given("one") };
    let mut made = bench.make("token", "AWS::SecretsManager::Secret", wanted).await;
    bench.holds(&made).await;
    assert_eq!(held(made.id()).await, "one");
    bench.change(&mut made, properties! { "SecretString" => given("two") }).await;
    assert_eq!(held(made.id()).await, "two");
    bench.unmake(&made).await;
}

#[tokio::test]
async fn a_create_under_the_name_of_a_deleted_secret_of_ours_brings_it_back_with_a_new_value() {
    let Some(bench) = Bench::new("secret-again").await else { return };
    let made = bench.make("password", "AWS::SecretsManager::Secret", drawn("again/password")).await;
    let first = held(made.id()).await;
    bench.unmake(&made).await;
    let mut wanted = drawn("again/password");
    wanted.insert("Description".into(), "the second".into());
    let again = bench.make("password", "AWS::SecretsManager::Secret", wanted).await;
    assert_eq!(again.id(), made.id());
    bench.holds(&again).await;
    assert_ne!(held(again.id()).await, first);
    bench.unmake(&again).await;
}

#[tokio::test]
async fn a_deleted_secret_of_somebody_else_is_left_alone() {
    let Some(bench) = Bench::new("secret-one").await else { return };
    let Some(other) = Bench::new("secret-other").await else { return };
    let theirs = other.make("password", "AWS::SecretsManager::Secret", drawn("shared/password")).await;
    other.unmake(&theirs).await;
    let ours = bench.wanted("password", "AWS::SecretsManager::Secret", drawn("shared/password"));
    let driver = bench.connection.driver("AWS::SecretsManager::Secret").unwrap();
    let error = driver.create(&bench.context(), &ours.identity, &ours.desired).await.unwrap_err();
    assert_eq!(error.code(), Code::ForeignResource, "{error}");
}
