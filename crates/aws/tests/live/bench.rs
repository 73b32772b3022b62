//! One driver and what it keeps, made and looked at step by step.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_http_client::Builder;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use landfall_aws::Aws;
use landfall_aws::live::{Connection, Options};
use landfall_core::cloud::Cloud as _;
use landfall_core::driver::{Context, Driver, Drivers as _, Observation, Observed, Operation, Progress, output};
use landfall_core::plan::unlike;
use landfall_core::resource::{
    Catalog, Claim, Identity, Marks, Ownership, Properties, ResourceType, StackId, TagStyle, Value, Verb,
};
use landfall_core::{Code, Result};

/// A connection to a server, and a stack of its own.
pub(crate) struct Bench {
    pub(crate) connection: Connection,
    stack: StackId,
    team: &'static str,
}

/// An object that a driver has made.
pub(crate) struct Made {
    of: ResourceType,
    driver: Arc<dyn Driver>,
    pub(crate) identity: Identity,
    pub(crate) desired: Properties,
    pub(crate) outputs: Properties,
}

impl Made {
    pub(crate) fn id(&self) -> &str {
        self.identity.id.as_deref().unwrap()
    }

    pub(crate) fn of(&self) -> &ResourceType {
        &self.of
    }

    /// What its driver says of objects of its type.
    pub(crate) async fn observe(&self, bench: &Bench, these: &[Identity]) -> Vec<Observation> {
        self.driver.observe(&bench.context(), these).await.unwrap()
    }

    /// What the first call of its creation comes to.
    pub(crate) async fn begin(&mut self, bench: &Bench) -> Operation {
        let operation = self.driver.create(&bench.context(), &self.identity, &self.desired).await.unwrap();
        self.identity.id.clone_from(&operation.identity.id);
        operation
    }

    /// The code with which its creation is refused.
    pub(crate) async fn refused(&self, bench: &Bench) -> Code {
        self.driver.create(&bench.context(), &self.identity, &self.desired).await.unwrap_err().code()
    }

    /// The code with which its deletion is refused.
    pub(crate) async fn undeleted(&self, bench: &Bench) -> Code {
        self.driver.delete(&bench.context(), &self.identity).await.unwrap_err().code()
    }

    pub(crate) fn output(&self, name: &str) -> Value {
        output(&self.outputs, name)
            .cloned()
            .unwrap_or_else(|| panic!("{} has no {name}: {:?}", self.of.name, self.outputs))
    }
}

/// How the SDK reaches a server of these tests when they ask it themselves: without looking for a proxy in the environment.
pub(crate) fn directly() -> SharedHttpClient {
    Builder::new().build_http()
}

/// A connection to a server that other tests may keep busy for longer than STS may take to answer.
async fn connected(region: &str, options: &Options) -> Connection {
    for _ in 0..100 {
        match Aws::new(region).connect(options.clone()).await {
            Err(error) if error.code() == Code::Unavailable => {}
            connection => return connection.unwrap(),
        }
    }
    panic!("the server answers nobody");
}

/// A free port's server of this name, from the environment.
pub(crate) fn server(variable: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the servers are named in the environment")]
    let url = std::env::var(variable).ok();
    if url.is_none() {
        let _ = writeln!(std::io::stderr(), "PASSED OVER: {variable} names no server; `bash .ci/aws` starts them");
    }
    url
}

impl Bench {
    /// On moto. `None` when it is not there.
    pub(crate) async fn new(stack: &str) -> Option<Self> {
        Self::on("LANDFALL_TEST_MOTO", "eu-west-1", stack).await
    }

    /// On ministack, which has what moto lacks.
    pub(crate) async fn ministack(stack: &str) -> Option<Self> {
        Self::ministack_in("eu-west-1", stack).await
    }

    /// On ministack in another region, where its API does other things there.
    pub(crate) async fn ministack_in(region: &str, stack: &str) -> Option<Self> {
        Self::on("LANDFALL_TEST_MINISTACK", region, stack).await
    }

    async fn on(variable: &str, region: &str, stack: &str) -> Option<Self> {
        let url = server(variable)?;
        let options = Options::key("AKIAIOSFODNN7EXAMPLE", "secret".into()).emulator(url.parse().unwrap());
        let connection = connected(region, &options).await;
        Some(Self { connection, stack: StackId::new(stack, "test"), team: "platform & co" })
    }

    /// With a user's tag of plain letters, for a server that does not escape others in its answers.
    pub(crate) fn plain(mut self) -> Self {
        self.team = "platform";
        self
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context { stack: &self.stack, target: self.connection.target(), timeout: Duration::from_secs(30) }
    }

    /// An object that is not made yet: its identity, its properties with marks and tags.
    pub(crate) fn wanted(&self, part: &str, type_name: &str, properties: Properties) -> Made {
        let catalog = Catalog::new(Aws::new("eu-west-1").types()).with_generic([type_name]);
        let of = catalog.get(type_name).unwrap().clone();
        let address = format!("aws/test/it/{part}").parse().unwrap();
        let mut desired = properties;
        let claim = Claim::of(&of, &self.stack, &address, 0, &desired);
        let tags = BTreeMap::from([("Team".to_owned(), self.team.to_owned())]);
        Marks::new(&self.stack, &address, 0).write(&of, &tags, &mut desired);
        let identity =
            Identity { address, type_name: type_name.to_owned(), generation: 0, id: None, claim, cluster: None };
        let driver = self.connection.driver(type_name).unwrap();
        Made { of, driver, identity, desired, outputs: Properties::new() }
    }

    /// Makes an object and waits until it is there, whole.
    pub(crate) async fn make(&self, part: &str, type_name: &str, properties: Properties) -> Made {
        let mut made = self.wanted(part, type_name, properties);
        let operation = made.driver.create(&self.context(), &made.identity, &made.desired).await.unwrap();
        made.identity.id.clone_from(&operation.identity.id);
        made.outputs = self.finish(&made, operation).await;
        if made.identity.id.is_none() {
            made.identity.id = output(&made.outputs, made.of.identifier).and_then(Value::as_str).map(str::to_owned);
        }
        assert!(made.identity.id.is_some(), "{type_name} has an id");
        made
    }

    /// One call to create, whatever comes of it.
    pub(crate) async fn create(&self, made: &Made) -> Result<Operation> {
        made.driver.create(&self.context(), &made.identity, &made.desired).await
    }

    /// One call to delete, whatever comes of it.
    pub(crate) async fn delete(&self, made: &Made) -> Result<Operation> {
        made.driver.delete(&self.context(), &made.identity).await
    }

    async fn finish(&self, made: &Made, operation: Operation) -> Properties {
        let mut operation = operation;
        for _ in 0..50 {
            operation.progress = match operation.progress {
                Progress::Done(outputs) => return outputs,
                Progress::Failed(error) => panic!("{error}"),
                Progress::Unfinished(_) => {
                    let all: Vec<String> = made.desired.keys().cloned().collect();
                    let again = made.driver.update(&self.context(), &operation.identity, &made.desired, &all).await;
                    operation = again.unwrap();
                    continue;
                }
                Progress::Running { .. } => {
                    let these = [operation.clone()];
                    made.driver.poll(&self.context(), &these).await.unwrap().remove(0)
                }
            };
        }
        panic!("{} does not come to its end: {:?}", made.of.name, operation.progress)
    }

    /// What a look by the id shows, and by the claim as well: the same.
    pub(crate) async fn look(&self, made: &Made) -> Option<Observed> {
        let these = [made.identity.clone(), Identity { id: None, ..made.identity.clone() }];
        let mut all = made.driver.observe(&self.context(), &these).await.unwrap();
        let by_claim = all.pop().unwrap();
        match (all.pop().unwrap(), by_claim) {
            (Observation::Present(one), Observation::Present(other)) => {
                assert_eq!((&one.id, &one.properties), (&other.id, &other.properties), "by id and by claim");
                Some(*one)
            }
            (Observation::Absent, Observation::Absent) => None,
            other => panic!("{}: by id and by claim: {other:?}", made.of.name),
        }
    }

    /// It is there, is ours, has nothing that differs from what is wanted, has every output of its type, and a census finds it.
    pub(crate) async fn holds(&self, made: &Made) {
        let seen = self.look(made).await.unwrap_or_else(|| panic!("{} is not there", made.of.name));
        let differing = unlike(&made.of, &made.desired, &seen.properties);
        assert!(
            differing.is_empty(),
            "{} differs in {differing:?}:\n{:#?}\n{:#?}",
            made.of.name,
            made.desired,
            seen.properties
        );
        for name in made.of.outputs.iter().map(|output| output.name).chain([made.of.identifier]) {
            assert_eq!(output(&seen.outputs, name), output(&made.outputs, name), "{}: {name}", made.of.name);
        }
        let census = made.driver.census(&self.context(), &[made.of.name.to_string()]).await.unwrap();
        let found: Vec<_> = census.iter().filter(|found| found.id == made.id()).collect();
        if made.of.tags == TagStyle::None {
            assert_eq!(seen.owner, Ownership::Inherited);
        } else {
            assert_eq!(found.len(), 1, "{}: a census finds it", made.of.name);
            assert_eq!(found[0].marks, Marks::new(&self.stack, &made.identity.address, 0));
            assert_eq!(seen.owner, Ownership::Ours(found[0].marks.clone()));
        }
    }

    /// Changes an object in place.
    pub(crate) async fn change(&self, made: &mut Made, changes: Properties) {
        let changed: Vec<String> = changes.keys().cloned().collect();
        made.desired.extend(changes);
        let update = made.driver.update(&self.context(), &made.identity, &made.desired, &changed).await;
        let outputs = self.finish(made, update.unwrap()).await;
        made.outputs = outputs;
    }

    /// Deletes an object, twice, and sees that it is gone.
    pub(crate) async fn unmake(&self, made: &Made) {
        let operation = made.driver.delete(&self.context(), &made.identity).await.unwrap();
        self.finish(made, operation).await;
        assert!(self.look(made).await.is_none(), "{} is gone", made.of.name);
        let census = made.driver.census(&self.context(), &[made.of.name.to_string()]).await.unwrap();
        assert!(census.iter().all(|found| found.id != made.id()), "{} is out of the census", made.of.name);
        let again = made.driver.delete(&self.context(), &made.identity).await.unwrap();
        assert_eq!(again.verb, Verb::Delete);
        self.finish(made, again).await;
    }

    /// The whole life of an object: made, seen as it is wanted, changed in place, seen again, and deleted.
    pub(crate) async fn lives(&self, part: &str, type_name: &str, properties: Properties, changes: Properties) {
        let mut made = self.make(part, type_name, properties).await;
        self.holds(&made).await;
        if !changes.is_empty() {
            self.change(&mut made, changes).await;
            self.holds(&made).await;
        }
        self.unmake(&made).await;
    }

    /// The tags that an object of this part would bear, changed: for types whose tags can change.
    pub(crate) fn retagged(&self, part: &str) -> Value {
        let address = format!("aws/test/it/{part}").parse().unwrap();
        let of = ResourceType { tags: TagStyle::List("Tags"), ..ResourceType::DEFAULT };
        let mut properties = Properties::new();
        let tags = BTreeMap::from([("Owner".to_owned(), "somebody else".to_owned())]);
        Marks::new(&self.stack, &address, 0).write(&of, &tags, &mut properties);
        properties["Tags"].clone()
    }
}
