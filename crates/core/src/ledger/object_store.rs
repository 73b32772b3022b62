//! Ledgers in whatever the `object_store` crate reaches: memory, folders, S3, Cloud Storage, Azure Blob.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::object_store as crates_io;
use async_trait::async_trait;
use bytes::Bytes;
use crates_io::local::LocalFileSystem;
use crates_io::path::Path as ObjectPath;
use crates_io::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use futures_util::{FutureExt, StreamExt};

use super::{Ledger, Put, Store, is_entry_key};
use crate::{Code, Error, Result, Retry};

impl Ledger {
    /// A ledger below `prefix` in a store of the `object_store` crate. An empty prefix is the store's root.
    ///
    /// # Errors
    /// [`Code::InvalidName`] when the prefix is not a path.
    pub fn object_store(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let prefix = path(prefix)?;
        Ok(Self::new(Arc::new(Objects { prefix, ..Objects::of(store) })))
    }
}

/// A store of the `object_store` crate.
#[derive(Debug)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    /// Set for a folder of this machine, whose parts are made for their owner only.
    folder: Option<PathBuf>,
}

impl Objects {
    pub(super) fn of(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, prefix: ObjectPath::default(), folder: None }
    }

    pub(super) fn folder(path: &Path) -> Result<Self> {
        let open = || {
            make_private(path).map_err(failed)?;
            Ok(Arc::new(LocalFileSystem::new_with_prefix(path)?.with_fsync(true)))
        };
        let store = open().map_err(|error: crates_io::Error| {
            Error::new(Code::LedgerUnavailable, format!("the ledger's folder cannot be opened: {}", path.display()))
                .because(error)
                .hint("name a folder that this user may write")
        })?;
        Ok(Self { folder: Some(path.to_owned()), ..Self::of(store) })
    }

    fn path(&self, key: &str) -> Result<ObjectPath> {
        path(&if self.prefix.as_ref().is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) })
    }
}

#[async_trait]
impl Store for Objects {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        let path = self.path(key)?;
        if let Some(folder) = &self.folder {
            let stack = key.split('/').next().unwrap_or_default();
            make_private(&folder.join(stack)).map_err(|error| unavailable(failed(error), key))?;
        }
        match self.store.put_opts(&path, PutPayload::from_bytes(bytes), PutMode::Create.into()).await {
            Ok(_) => Ok(Put::Created),
            Err(crates_io::Error::AlreadyExists { .. } | crates_io::Error::Precondition { .. }) => Ok(Put::Exists),
            Err(error) => Err(unavailable(error, key)),
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let path = self.path(key)?;
        let read = async { self.store.get(&path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(crates_io::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable(error, key)),
        }
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        let below = self.path(prefix.trim_end_matches('/'))?;
        let mut listing = self.store.list(Some(&below));
        let mut newest: Option<String> = None;
        // Folders list in any order.
        let mut ordered = self.folder.is_none();
        let mut compared = 0;
        loop {
            let next = if ordered && newest.is_some() {
                // A store that lists in order has said it all with the first entry. What else its page brought is here
                // already, and comparing some of it tells such stores from those that list in any order.
                match listing.next().now_or_never() {
                    Some(next) if compared < COMPARED => next,
                    _ => return Ok(newest),
                }
            } else {
                listing.next().await
            };
            let Some(object) = next else { return Ok(newest) };
            let location = object.map_err(|error| unavailable(error, prefix))?.location;
            let Some(name) = location.filename().filter(|name| is_entry_key(name)) else { continue };
            compared += 1;
            let key = format!("{prefix}{name}");
            if newest.as_ref().is_none_or(|newest| key < *newest) {
                ordered &= newest.is_none();
                newest = Some(key);
            }
        }
    }

    fn is_real(&self) -> bool {
        true
    }
}

/// How many entries of a listing are compared before it counts as ordered.
const COMPARED: usize = 32;

fn path(text: &str) -> Result<ObjectPath> {
    ObjectPath::parse(text).map_err(|error| {
        Error::new(Code::InvalidName, format!("not a path for a ledger: {text}"))
            .because(error)
            .hint("name project, environment and prefix with letters, digits and hyphens")
    })
}

fn unavailable(error: crates_io::Error, key: &str) -> Error {
    let (code, message, retry, hint) = match &error {
        crates_io::Error::NotImplemented { .. } | crates_io::Error::NotSupported { .. } => (
            Code::LedgerUnconditional,
            "the ledger's store cannot put-if-absent",
            Retry::Never,
            "switch conditional writes on, or keep the ledger in another store",
        ),
        crates_io::Error::PermissionDenied { .. } | crates_io::Error::Unauthenticated { .. } => (
            Code::LedgerUnavailable,
            "the ledger's store refuses access",
            Retry::Never,
            "allow this caller to list, read and create objects below the ledger's prefix",
        ),
        _ => (
            Code::LedgerUnavailable,
            "the ledger's store failed",
            Retry::Unknown,
            "check the store and the way to it, then run again",
        ),
    };
    Error::new(code, format!("{message}: {key}")).retry(retry).hint(hint).because(error)
}

fn failed(error: std::io::Error) -> crates_io::Error {
    crates_io::Error::Generic { store: "folder", source: Box::new(error) }
}

/// Makes a folder, and those above it, for the owner only, and makes sure that it survives a power cut.
fn make_private(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_private(parent)?;
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Somebody else was faster.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => {}
        done => done?,
    }
    #[cfg(unix)]
    std::fs::File::open(parent)?.sync_all()?;
    Ok(())
}
