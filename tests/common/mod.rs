//! What the end-to-end tests share: the Inferloop platform, a world to put it in, and ways to die.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use landfall::apply::Cancel;
use landfall::prelude::*;
use landfall::resource::Properties;
use landfall::sim::{Moment, SimCloud, Time};
use landfall::units::Date;

/// A simulated cloud and a ledger that outlive the processes working on them.
pub(crate) struct World {
    pub(crate) cloud: SimCloud,
    pub(crate) ledger: Ledger,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let cloud = landfall::aws::simulated("eu-west-1", seed, Time::Virtual);
        let ledger = cloud.ledger();
        Self { cloud, ledger }
    }

    /// Puts a declared platform into this world, as the process of this name.
    pub(crate) fn place(&self, mut builder: PlatformBuilder, holder: &str) -> Platform {
        builder.simulate(&self.cloud).ledger(self.ledger.clone()).holder(holder).cancel(&Cancel::new());
        builder.build().unwrap()
    }

    pub(crate) fn inferloop(&self, holder: &str) -> Platform {
        self.place(inferloop(), holder)
    }

    /// Converges until the end or until the process is killed; whether it was killed.
    pub(crate) async fn converge_or_die(&self, platform: Platform) -> bool {
        tokio::select! {
            biased;
            () = self.cloud.crashed() => true,
            result = platform.converge() => {
                result.unwrap();
                false
            }
        }
    }

    /// What is in the cloud: type, id and properties by address. Ids of the simulated cloud depend on the seed and the
    /// address, so a resumed run ends with the same ones; a second object of an address would have another one.
    pub(crate) fn content(&self) -> Content {
        let objects = self.cloud.objects();
        let mut content = Content::new();
        for object in objects {
            let address = address(&object);
            let id = object.id.clone();
            if let Some((_, other, _)) =
                content.insert(address.clone(), (object.type_name, object.id, object.properties))
            {
                panic!("two objects of one address: {address}: {id} and {other}");
            }
        }
        content
    }

    /// The ledger and the cloud know the same objects.
    pub(crate) async fn check_census(&self, platform: &Platform) {
        let state = platform.engine().state().await.unwrap();
        assert!(state.intents.is_empty(), "open: {:?}", state.intents.keys());
        assert!(state.deposed.is_empty(), "deposed: {:?}", state.deposed.keys());
        let mut known: Vec<_> =
            state.resources.iter().map(|(address, held)| (address.to_string(), held.id.clone())).collect();
        let mut real: Vec<_> = self.cloud.objects().iter().map(|object| (address(object), object.id.clone())).collect();
        known.sort();
        real.sort();
        assert_eq!(known, real);
    }
}

fn address(object: &landfall::sim::SimObject) -> String {
    object.address.as_ref().map_or_else(|| format!("foreign {}", object.id), ToString::to_string)
}

/// The platform of the example.
pub(crate) fn inferloop() -> PlatformBuilder {
    let mut platform = Platform::builder("inferloop", "dev", Aws::new("eu-west-1"));
    platform
        .today(Date::new(2026, 11, 23))
        .tag("CostCenter", "engineering")
        .image("registry.inferloop.io/{name}:1.4.0");
    let network = platform.network("core", NetworkSpec::new("10.20.0.0/16".parse().unwrap()));
    let cluster = platform.cluster(
        "main",
        ClusterSpec::new(&network, "1.35").administrators(["arn:aws:iam::123456789012:role/platform-administrators"]),
    );
    platform.node_pool("general", NodePoolSpec::new(&cluster).at_least(4, GiB(16)).nodes(Range::new(3, 10).unwrap()));
    platform.node_pool(
        "gpu",
        NodePoolSpec::new(&cluster)
            .at_least(4, GiB(16))
            .accelerator(Accelerator::T4, 1)
            .nodes(Range::new(0, 5).unwrap()),
    );
    platform.database("postgres", DatabaseSpec::postgres(&network, "17"));
    platform.cache("redis", CacheSpec::valkey(&network));
    platform.bucket("model-storage", BucketSpec::new());
    platform.mesh("istio", MeshSpec::istio(&cluster));
    platform.services_from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config"), &cluster);
    platform
}

/// A network and a bucket: small enough to try everything.
pub(crate) fn small() -> PlatformBuilder {
    let mut platform = Platform::builder("small", "dev", Aws::new("eu-west-1"));
    platform.today(Date::new(2026, 11, 23));
    platform.network("core", NetworkSpec::new("10.30.0.0/16".parse().unwrap()).zones(2).nat(Nat::One));
    platform.bucket("files", BucketSpec::new());
    platform
}

/// Agrees to lose whatever the plan asks consent for.
pub(crate) fn consented(plan: landfall::plan::Plan) -> landfall::plan::Plan {
    plan.consents_needed().into_iter().fold(plan, |plan, consent| plan.consent(consent).unwrap())
}

/// All moments at which a process can die around a call.
pub(crate) const MOMENTS: [Moment; 3] = [Moment::Before, Moment::Acted, Moment::Replied];

/// What differs between two worlds, a line each.
pub(crate) fn differences(one: &Content, two: &Content) -> Vec<String> {
    let mut all = Vec::new();
    for address in one.keys().chain(two.keys()).collect::<std::collections::BTreeSet<_>>() {
        match (one.get(address), two.get(address)) {
            (Some(one), Some(two)) if one == two => {}
            (one, two) => all.push(format!("{address}: {one:?} and {two:?}")),
        }
    }
    all
}

/// Type, id and properties by address.
pub(crate) type Content = BTreeMap<String, (String, String, Properties)>;

/// The codes of all problems of an error.
pub(crate) fn codes(error: &Error) -> Vec<landfall::Code> {
    error.problems().iter().map(|problem| problem.code()).collect()
}
