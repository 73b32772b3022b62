//! A cloud that every process of this machine sees: a folder. An object is a file that appears whole, once; a journal has a
//! line for each mutating call, from before it acts.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use landfall::clock::Clock;
use landfall::driver::{Context, Driver, Drivers, Found, Health, Observation, Observed, Operation, Progress};
use landfall::resource::{Catalog, Claim, Identity, Marks, Ownership, Properties, TagStyle, Value, Verb};
use landfall::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::replica::{Orders, ask};

/// How long a call is on its way, there and back.
const ON_THE_WAY: Duration = Duration::from_millis(5);

/// The cloud as one process sees it.
#[derive(Clone, Debug)]
pub(crate) struct FolderCloud {
    folder: PathBuf,
    process: String,
    /// Whether each create waits for the parent's word before it acts.
    asks: bool,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
}

/// What stands in the cloud.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Object {
    pub(crate) id: String,
    pub(crate) type_name: String,
    pub(crate) marks: Marks,
    properties: serde_json::Value,
}

impl FolderCloud {
    pub(crate) fn new(orders: &Orders, catalog: Catalog, clock: Arc<dyn Clock>) -> Self {
        let folder = orders.world.clone();
        for below in ["objects", "staged"] {
            fs::create_dir_all(folder.join(below)).unwrap();
        }
        Self { folder, process: orders.name.clone(), asks: orders.asks, catalog, clock }
    }

    fn all(&self) -> Vec<(PathBuf, Object)> {
        read(&self.folder)
    }

    fn find(&self, at: &Identity) -> Option<(PathBuf, Object)> {
        let mut all = self.all().into_iter().filter(|(_, object)| object.type_name == at.type_name);
        match &at.id {
            Some(id) => all.find(|(_, object)| object.id == *id),
            None if at.claim == Claim::Marks => {
                all.find(|(_, object)| object.marks.address == at.address && object.marks.generation == at.generation)
            }
            None => all.find(|(path, _)| path.file_name().is_some_and(|name| *name == *key(at))),
        }
    }

    fn outputs(&self, object: &Object) -> Properties {
        let of = self.catalog.get(&object.type_name).unwrap();
        let text = |name: &str| Value::from(format!("{name} of {}", object.id));
        let mut outputs: Properties = of.outputs.iter().map(|one| (one.name.to_owned(), text(one.name))).collect();
        outputs.insert(of.identifier.to_owned(), Value::from(object.id.clone()));
        outputs
    }

    fn observed(&self, object: &Object) -> Observed {
        let Value::Map(properties) = Value::from_json(object.properties.clone()) else { panic!("not a map") };
        let tagged = self.catalog.get(&object.type_name).unwrap().tags != TagStyle::None;
        Observed {
            id: object.id.clone(),
            properties,
            outputs: self.outputs(object),
            owner: if tagged { Ownership::Ours(object.marks.clone()) } else { Ownership::Inherited },
            health: Health::Ready,
        }
    }

    /// One line, written whole: the file is opened for appending.
    fn note(&self, moment: &str, verb: Verb, at: &Identity) {
        let line = format!("{} {moment} {verb:?} {}\n", self.process, at.address);
        let journal = fs::OpenOptions::new().create(true).append(true).open(self.folder.join("journal"));
        journal.unwrap().write_all(line.as_bytes()).unwrap();
    }

    async fn on_the_way(&self) {
        self.clock.sleep(ON_THE_WAY).await;
    }
}

/// Under which name an object is unique; one that nothing but its marks tells apart gets a name of its own each time.
fn key(at: &Identity) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    match &at.claim {
        Claim::Marks => format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)),
        Claim::Name(parts) => plain(&format!("{} {parts:?}", at.type_name)),
        Claim::Token(token) => plain(&format!("{} {token}", at.type_name)),
        Claim::Tuple(parts) => plain(&format!("{} {parts:?}", at.type_name)),
    }
}

fn read(folder: &Path) -> Vec<(PathBuf, Object)> {
    let files = fs::read_dir(folder.join("objects")).unwrap().map(|file| file.unwrap().path());
    // A file that is gone by now was deleted meanwhile.
    files.filter_map(|path| Some((path.clone(), serde_json::from_slice(&fs::read(path).ok()?).unwrap()))).collect()
}

/// Everything in the cloud in this folder.
pub(crate) fn objects(folder: &Path) -> Vec<Object> {
    read(folder).into_iter().map(|(_, object)| object).collect()
}

/// The lines of the journal: process, moment, verb, address.
pub(crate) fn journal(folder: &Path) -> Vec<String> {
    fs::read_to_string(folder.join("journal")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[async_trait]
impl Driver for FolderCloud {
    async fn observe(&self, _: &Context<'_>, these: &[Identity]) -> Result<Vec<Observation>> {
        self.on_the_way().await;
        let look = |at: &Identity| match self.find(at) {
            Some((_, object)) => Observation::Present(Box::new(self.observed(&object))),
            None => Observation::Absent,
        };
        Ok(these.iter().map(look).collect())
    }

    async fn census(&self, _: &Context<'_>, types: &[String]) -> Result<Vec<Found>> {
        self.on_the_way().await;
        let ours = self.all().into_iter().filter(|(_, object)| types.contains(&object.type_name));
        let found = ours.map(|(_, object)| Found {
            type_name: object.type_name.clone(),
            id: object.id.clone(),
            marks: object.marks.clone(),
            observed: self.observed(&object),
        });
        Ok(found.collect())
    }

    async fn create(&self, cx: &Context<'_>, at: &Identity, desired: &Properties) -> Result<Operation> {
        self.note("begins", Verb::Create, at);
        self.on_the_way().await;
        if self.asks {
            ask(&format!("during {}", at.address));
        }
        let key = key(at);
        // Unlike the id of any other object, made before or after.
        let id = format!("{}-{}-{}", at.address.to_string().replace('/', "-"), std::process::id(), self.process);
        let object = Object {
            id: id.clone(),
            type_name: at.type_name.clone(),
            marks: Marks::new(cx.stack, &at.address, at.generation),
            properties: Value::Map(desired.clone()).to_json(),
        };
        let staged = self.folder.join("staged").join(format!("{key}-{}", std::process::id()));
        fs::write(&staged, serde_json::to_vec(&object).unwrap()).unwrap();
        match fs::hard_link(&staged, self.folder.join("objects").join(&key)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Error::new(Code::AlreadyExists, format!("it exists: {key}")));
            }
            Err(error) => panic!("{key}: {error}"),
        }
        self.note("acted", Verb::Create, at);
        self.on_the_way().await;
        let identity = Identity { id: Some(id), ..at.clone() };
        Ok(Operation::done(identity, Verb::Create, self.outputs(&object)))
    }

    async fn update(&self, _: &Context<'_>, at: &Identity, desired: &Properties, _: &[String]) -> Result<Operation> {
        self.note("begins", Verb::Update, at);
        let (path, object) = self.find(at).unwrap();
        let object = Object { properties: Value::Map(desired.clone()).to_json(), ..object };
        let staged = self.folder.join("staged").join(std::process::id().to_string());
        fs::write(&staged, serde_json::to_vec(&object).unwrap()).unwrap();
        fs::rename(staged, path).unwrap();
        let identity = Identity { id: Some(object.id.clone()), ..at.clone() };
        Ok(Operation::done(identity, Verb::Update, self.outputs(&object)))
    }

    async fn delete(&self, _: &Context<'_>, at: &Identity) -> Result<Operation> {
        self.note("begins", Verb::Delete, at);
        if let Some((path, _)) = self.find(at) {
            let _ = fs::remove_file(path);
        }
        Ok(Operation::done(at.clone(), Verb::Delete, Properties::new()))
    }

    async fn poll(&self, _: &Context<'_>, these: &[Operation]) -> Result<Vec<Progress>> {
        Ok(these.iter().map(|operation| operation.progress.clone()).collect())
    }
}

impl Drivers for FolderCloud {
    fn driver(&self, _: &str) -> Result<Arc<dyn Driver>> {
        Ok(Arc::new(self.clone()))
    }

    fn census_types(&self) -> Vec<String> {
        self.catalog.iter().filter(|of| of.tags != TagStyle::None).map(|of| of.name.to_string()).collect()
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }
}
