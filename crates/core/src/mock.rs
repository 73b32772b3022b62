//! Mocks of drivers and kinds, for tests that script single calls.
//!
//! The simulated cloud (`sim`) answers as a cloud does and is what most tests want. Mocks are for the rest: a call that
//! must not happen, an answer that no cloud gives twice, an expansion of your own. They are [`mockall`]'s: each expectation
//! says how often a call comes, with what, and what it answers; a call that nobody expected fails the test, and so does an
//! expected one that never came.
//!
//! ```
//! use std::sync::Arc;
//!
//! use landfall_core::driver::{Observation, Reader};
//! use landfall_core::mock::{MockDriver, drivers};
//!
//! let mut driver = MockDriver::new();
//! driver
//!     .expect_observe()
//!     .withf(|_, these| these.len() == 1)
//!     .returning(|_, these| Ok(these.iter().map(|_| Observation::Absent).collect()));
//! // Not expected: create, update, delete. A plan that called one of them would fail here.
//! let reader = Reader::new(Arc::new(drivers(driver)));
//! ```
//!
//! `builder.live(Arc::new(drivers(driver)), target).ledger(Ledger::memory())` has a whole platform call it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::Result;
use crate::clock::{Clock, SystemClock};
use crate::driver::{Context, Driver, Drivers, Found, Observation, Operation, Progress};
use crate::kind::{
    Access, AccessOutputs, Bucket, BucketOutputs, BucketSpec, Cache, CacheOutputs, CacheSpec, Cluster, ClusterOutputs,
    ClusterSpec, Database, DatabaseOutputs, DatabaseSpec, MachineSize, Mesh, MeshOutputs, MeshSpec, Network,
    NetworkOutputs, NetworkSpec, NodePool, NodePoolOutputs, NodePoolSpec, Service, ServiceOutputs, ServiceSpec,
};
use crate::resource::{Identity, Properties};
use crate::scope::Scope;
use crate::units::Date;

mockall::mock! {
    /// A driver whose every call is scripted, as [`Driver`] describes them, without `async`: what `returning` gives is
    /// there at once.
    pub Driver {
        /// Scripts [`Driver::observe`].
        pub fn observe<'c>(&self, cx: &Context<'c>, these: &[Identity]) -> Result<Vec<Observation>>;
        /// Scripts [`Driver::census`].
        pub fn census<'c>(&self, cx: &Context<'c>, types: &[String]) -> Result<Vec<Found>>;
        /// Scripts [`Driver::create`].
        pub fn create<'c>(&self, cx: &Context<'c>, at: &Identity, desired: &Properties) -> Result<Operation>;
        /// Scripts [`Driver::update`].
        pub fn update<'c>(
            &self,
            cx: &Context<'c>,
            at: &Identity,
            desired: &Properties,
            changed: &[String],
        ) -> Result<Operation>;
        /// Scripts [`Driver::delete`].
        pub fn delete<'c>(&self, cx: &Context<'c>, at: &Identity) -> Result<Operation>;
        /// Scripts [`Driver::poll`].
        pub fn poll<'c>(&self, cx: &Context<'c>, these: &[Operation]) -> Result<Vec<Progress>>;
    }
}

// By hand, because mocks do not know the lifetimes that an asynchronous trait hides. Methods of the type itself come
// before those of the trait, so nothing here calls itself.
#[async_trait]
impl Driver for MockDriver {
    async fn observe(&self, cx: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>> {
        MockDriver::observe(self, cx, these)
    }

    async fn census(&self, cx: &Context<'_>, types: &[String]) -> Result<Vec<Found>> {
        MockDriver::census(self, cx, types)
    }

    async fn create(&self, cx: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation> {
        MockDriver::create(self, cx, at, desired)
    }

    async fn update(
        &self,
        cx: &Context<'_>,
        at: &Identity,
        desired: &Properties,
        changed: &[String],
    ) -> Result<Operation> {
        MockDriver::update(self, cx, at, desired, changed)
    }

    async fn delete(&self, cx: &Context<'_>, at: &Identity) -> Result<Operation> {
        MockDriver::delete(self, cx, at)
    }

    async fn poll(&self, cx: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        MockDriver::poll(self, cx, these)
    }
}

mockall::mock! {
    /// Drivers by type, scripted.
    pub Drivers {}

    impl Drivers for Drivers {
        fn driver(&self, type_name: &str) -> Result<Arc<dyn Driver>>;
        fn census_types(&self) -> Vec<String>;
        fn clock(&self) -> Arc<dyn Clock>;
    }
}

/// One scripted expansion.
macro_rules! expansion {
    ($kind:ident, $expand:ident, $spec:ident, $outputs:ident) => {
        mockall::mock! {
            /// A cloud's expansion of one kind, scripted.
            pub $kind {}

            impl $kind for $kind {
                fn $expand<'s>(&self, spec: &$spec, scope: &mut Scope<'s>) -> Result<$outputs>;
            }
        }
    };
}

expansion!(Network, expand_network, NetworkSpec, NetworkOutputs);
expansion!(Cluster, expand_cluster, ClusterSpec, ClusterOutputs);
expansion!(Database, expand_database, DatabaseSpec, DatabaseOutputs);
expansion!(Cache, expand_cache, CacheSpec, CacheOutputs);
expansion!(Bucket, expand_bucket, BucketSpec, BucketOutputs);
expansion!(Access, expand_access, ServiceSpec, AccessOutputs);
expansion!(Mesh, expand_mesh, MeshSpec, MeshOutputs);
expansion!(Service, expand_service, ServiceSpec, ServiceOutputs);

mockall::mock! {
    /// A cloud's expansion of node pools, scripted.
    pub NodePool {}

    impl NodePool for NodePool {
        fn expand_node_pool<'s>(&self, spec: &NodePoolSpec, scope: &mut Scope<'s>) -> Result<NodePoolOutputs>;
        fn machine(&self, spec: &NodePoolSpec, today: Date) -> Result<MachineSize>;
    }
}

impl fmt::Debug for MockDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockDriver").finish_non_exhaustive()
    }
}

impl fmt::Debug for MockDrivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockDrivers").finish_non_exhaustive()
    }
}

/// Drivers that hand every type to this one and find nothing else in a census, on the machine's clock. Where that is not
/// enough, script [`MockDrivers`].
#[must_use]
pub fn drivers(driver: MockDriver) -> MockDrivers {
    let driver: Arc<dyn Driver> = Arc::new(driver);
    let clock = SystemClock::new();
    let mut all = MockDrivers::new();
    all.expect_driver().returning(move |_| Ok(driver.clone()));
    all.expect_census_types().returning(Vec::new);
    all.expect_clock().returning(move || clock.clone());
    all
}
