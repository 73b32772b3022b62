//! A canary in every secret position is found nowhere but in the cloud's own secret store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{World, inferloop};
use landfall::driver::Health;
use landfall::event::EventKind;
use landfall::plan::Style;
use landfall::prelude::*;
use landfall::resource::Verb;
use landfall::sim::{Fault, FaultKind, On};

const CANARIES: [&str; 3] =
    ["canary-hunter2-€-\"quoted\"-key", "canary-0123456789-abcdefgh", "canary-line-1\ncanary-line-2"];

fn with_secrets() -> PlatformBuilder {
    let mut builder = inferloop();
    builder.secret("stripe", CANARIES[0]).fingerprint_key(CANARIES[1]).secret("license", CANARIES[2]);
    let service = ServiceSpec::new(&Ref::named("main"), "registry.inferloop.io/billing:1");
    builder.service("billing", service.secret("stripe-key", "stripe").secret("license", "license"));
    builder
}

/// The canaries as they might appear: as they are, escaped, encoded, or eight bytes of them.
fn forms(canary: &str) -> Vec<String> {
    let bytes = canary.as_bytes();
    let hex = landfall::graph::hex(bytes);
    let json = serde_json::to_string(canary).unwrap().trim_matches('"').to_owned();
    let start: String = canary.chars().skip(7).take(8).collect();
    vec![canary.to_owned(), json, hex.to_uppercase(), hex, base64(bytes), start]
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = bytes.chunks_exact(3).flat_map(|three| {
        let number = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[(number >> shift) as usize & 63]))
    });
    digits.collect()
}

#[track_caller]
fn clean(place: &str, text: &str) {
    for form in CANARIES.iter().flat_map(|canary| forms(canary)) {
        assert!(!text.contains(&form), "{place} holds {form:?}");
    }
}

#[tokio::test]
async fn no_canary_gets_out() {
    let world = World::new(1);
    let builder = with_secrets();
    clean("Debug of the builder", &format!("{builder:#?}"));
    let platform = world.place(builder, "first");
    clean("Debug of the platform", &format!("{platform:#?}"));
    let mut events = platform.events();

    let plan = platform.plan().await.unwrap();
    for (place, text) in [
        ("the headline", plan.headline(Style::Plain)),
        ("the table", plan.table(Style::Plain)),
        ("the details", plan.details(Style::Colour)),
        ("the plan's JSON", plan.to_json().to_string()),
        ("Debug of the plan", format!("{plan:#?}")),
    ] {
        clean(place, &text);
    }

    // A cloud that repeats a secret in what it says.
    let fault = FaultKind::ProvisioningFailed { message: format!("the value {} is not welcome", CANARIES[0]) };
    world.cloud.fail(Fault::new(On::Address("aws/network/core/nat-a".parse().unwrap(), Verb::Create), fault));
    let error = platform.converge().await.unwrap_err();
    clean("an error", &format!("{error} {error:?} {:?} {:?}", error.details(), std::error::Error::source(&error)));
    let outputs = platform.converge().await.unwrap();
    clean("the outputs", &format!("{outputs:?} {}", serde_json::to_string(outputs.all()).unwrap()));

    while let Some(event) = events.take() {
        clean("an event", &format!("{event:?} {}", serde_json::to_string(&event).unwrap()));
        assert!(!matches!(event.kind, EventKind::WaitingForLease { .. }));
    }
    let history = world.ledger.history(&platform.engine().setup().stack, None, 100_000);
    for entry in landfall::clock::drive(world.cloud.clock(), history).await.unwrap() {
        clean("the ledger", &serde_json::to_string(&entry).unwrap());
    }
    for found in platform.census().await.unwrap() {
        assert_eq!(found.observed.health, Health::Ready);
        clean("a census", &format!("{found:?}"));
    }
    clean("the state", &format!("{:?}", platform.engine().state().await.unwrap()));
}

#[tokio::test]
async fn a_changed_secret_is_noticed_by_its_fingerprint_alone() {
    let world = World::new(2);
    world.place(with_secrets(), "first").converge().await.unwrap();
    let mut builder = with_secrets();
    builder.secret("stripe", "another canary");
    let plan = world.place(builder, "second").plan().await.unwrap();
    assert_eq!(plan.steps.len(), 1, "{}", plan.table(Style::Plain));
    assert!(plan.steps[0].attributes.iter().all(|attribute| attribute.secret));
}
