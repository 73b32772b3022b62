//! Reading `deployment-config.yaml`: from text to [`ServiceSpec`]s, with a place for every error and every value.
//!
//! ```
//! use landfall_core::config::{self, Defaults, Source};
//! use landfall_core::kind::Ref;
//! use landfall_core::units::Memory;
//!
//! # fn main() -> landfall_core::Result<()> {
//! let base = Source::new(
//!     "textnlp/deployment-config.yaml",
//!     "
//! apiVersion: landfall.dev/v1
//! kind: ServiceConfig
//! metadata:
//!   name: textnlp
//! spec:
//!   service:
//!     replicas: 3
//!     resources: { cpu: 2, memory: 4Gi }
//! ",
//! );
//! let overlay = Source::new("textnlp/deployment-config.prod.yaml", "spec: { service: { replicas: 6 } }");
//!
//! let defaults = Defaults::new(&Ref::named("main")).image("registry.example.com/{name}:1.4.0");
//! let loaded = config::load(&[base.overlay(overlay)], &defaults)?;
//!
//! let (name, textnlp) = &loaded.services[0];
//! assert_eq!((name.as_str(), textnlp.spec.replicas), ("textnlp", 6));
//! assert_eq!(textnlp.spec.resources.memory, Memory::gibibytes(4));
//! assert_eq!(textnlp.spec.image, "registry.example.com/textnlp:1.4.0");
//!
//! let effective = loaded.effective();
//! let origin = |field| effective.get("textnlp", field).map(|setting| setting.origin.to_string()).unwrap_or_default();
//! assert_eq!(origin("replicas"), "textnlp/deployment-config.prod.yaml:1:30");
//! assert_eq!(origin("resources.memory"), "textnlp/deployment-config.yaml:9:34");
//! assert_eq!(origin("image"), "builder");
//! assert_eq!(origin("probe.ready"), "default");
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//! - All errors of all files come at once; a file that is not YAML has one.
//! - Unknown and repeated fields are errors.
//! - Any text gives services or errors, in little time and memory: files above 256 KiB, more than 10 000 values (aliases
//!   written out), 32 levels or 100 documents are refused.
//! - Text stays as it is written. What other readers of YAML take for something else (`no`, `1e3`) is read as text with a
//!   warning where text is wanted, and is an error elsewhere.
//! - No report shows the value of a field whose name says that it is a secret.

mod decode;
mod effective;
mod model;
mod node;
mod overlay;
mod report;
mod rules;
mod scalar;
mod schema;
mod service;
mod snippet;
mod source;
mod syntax;
mod yaml;

pub use effective::{Effective, Origin, Setting};
pub use report::{Severity, report};
pub use schema::schema;
pub use source::Source;

use std::collections::BTreeMap;

use self::decode::Decode as _;
use self::model::Config;
use self::report::{Finding, Report, quote};
use self::source::Mark;
use crate::kind::{ClusterSpec, Ref, ServiceSpec};
use crate::stack::Declared;
use crate::{Code, Error, Result};

/// What the platform's builder says where a file says nothing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Defaults {
    /// The cluster that services run in.
    pub cluster: Ref<ClusterSpec>,
    /// The image, with `{name}` where the service's name goes.
    pub image: Option<String>,
    /// The port that services listen on.
    pub port: Option<u16>,
}

impl Defaults {
    /// Services run in this cluster; each file names its image, and services listen on port 8000.
    #[must_use]
    pub fn new(cluster: &Ref<ClusterSpec>) -> Self {
        Self { cluster: cluster.clone(), image: None, port: None }
    }

    /// Sets the image of services whose file names none: `{name}` in it becomes the service's name.
    #[must_use]
    pub fn image(mut self, template: impl Into<String>) -> Self {
        self.image = Some(template.into());
        self
    }

    /// Sets the port of services whose file names none.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

/// Services read from files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// The services with their names, in the order of the files. [`Declared::fields`] knows the place of each value that a
    /// file gave.
    pub services: Vec<(String, Declared<ServiceSpec>)>,
    /// What can be used but hardly means what it says.
    pub warnings: Vec<Error>,
    builder_says: Vec<&'static str>,
}

impl Loaded {
    /// Every value of every service, and where it comes from.
    #[must_use]
    pub fn effective(&self) -> Effective {
        Effective::new(self.services.iter(), &self.builder_says)
    }
}

/// Reads services from the texts of files.
///
/// A file may hold several documents, one service each. The layers of a [`Source`] merge before they are read, so that an
/// overlay may add what its base lacks.
///
/// # Errors
/// All problems of all files at once: codes `LF20xx` for what stands there, [`Code::InvalidName`], [`Code::NameTaken`]
/// and [`Code::InvalidValue`] for what it means. Each has its place, the lines of the file in [`Error::details`], and what
/// to type in [`Error::next_step`]; [`report()`] prints them.
pub fn load(sources: &[Source], defaults: &Defaults) -> Result<Loaded> {
    let pages = sources.iter().flat_map(Source::layers).map(Source::page).collect();
    let mut report = Report::new(pages);
    let mut services = Vec::new();
    let mut names = BTreeMap::new();
    let mut namespaces = BTreeMap::new();
    let mut page = 0;
    for source in sources {
        let layers = source.layers().len();
        // Every layer is read, so that each tells its errors; they merge only when all could be.
        let documents: Vec<_> = (page..page + layers).map(|page| yaml::read(page, &mut report)).collect();
        page += layers;
        let Some(mut documents) = documents.into_iter().collect::<Option<Vec<_>>>() else { continue };
        let overlays = documents.split_off(1);
        let mut merged = documents.pop().unwrap_or_default();
        for overlay in overlays {
            merged = overlay::lay(merged, &overlay, &mut report);
        }
        for document in merged {
            if service::is_foreign(&document, &mut report) {
                continue;
            }
            let Some(config) = Config::decode(&document, &mut report) else { continue };
            let start = Mark { end: document.at.start, ..document.at };
            let Some(service) = service::read(&config, start, defaults, &mut report) else { continue };
            claim(&mut names, &service, &mut report);
            share(&mut namespaces, &service, &mut report);
            services.push((service.name, service.declared));
        }
    }
    let warnings = report.finish()?;
    let mut builder_says = vec!["cluster", "image"];
    builder_says.extend(defaults.port.map(|_| "port"));
    Ok(Loaded { services, warnings, builder_says })
}

/// Refuses a second service of the same name.
fn claim(names: &mut BTreeMap<String, Mark>, service: &service::Read, report: &mut Report<'_>) {
    match names.get(&service.name) {
        Some(first) => {
            let message = format!("two services have the same name: {}", quote(&service.name));
            let hint = "rename one of them; to change a service for one environment, use an overlay";
            report.error(Finding::new(Code::NameTaken, service.name_at, message, hint).also(*first, "first here"));
        }
        None => {
            names.insert(service.name.clone(), service.name_at);
        }
    }
}

/// Says that a namespace which holds several services keeps them no longer apart.
fn share(namespaces: &mut BTreeMap<String, Mark>, service: &service::Read, report: &mut Report<'_>) {
    let Some((namespace, at)) = &service.namespace else { return };
    match namespaces.get(namespace) {
        Some(first) => report.warn(service::shared_namespace(namespace, &service.name, *at).also(*first, "first here")),
        None => {
            namespaces.insert(namespace.clone(), *at);
        }
    }
}
