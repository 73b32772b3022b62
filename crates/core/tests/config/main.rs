//! Whole files: the good ones load as they should, and each broken one tells exactly what its report says.

#[cfg(test)]
mod bombs;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod good;
#[cfg(test)]
mod hostile;

use landfall_core::config::{self, Defaults, Loaded, Source};
use landfall_core::kind::Ref;

/// What the builder of the tests' platform says.
fn defaults() -> Defaults {
    Defaults::new(&Ref::named("main")).image("registry.example.com/{name}:1.0.0")
}

fn load(text: &str) -> landfall_core::Result<Loaded> {
    config::load(&[Source::new("deployment-config.yaml", text)], &defaults())
}

/// A file of this repository, by its path from the root.
fn repository(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
