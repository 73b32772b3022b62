//! Ledgers in whatever the `object_store` crate reaches: memory, folders, S3, Cloud Storage, Azure Blob.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, TryStreamExt, iter, try_unfold};
use futures_util::{FutureExt, StreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::{Ledger, Put, Store, folder, is_entry_key};
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
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    /// Set for a folder of this machine, whose parts are made for their owner only.
    folder: Option<LocalFileSystem>,
    /// Set where a listing can be asked for a few keys instead of a thousand.
    pages: Option<Arc<dyn PaginatedListStore>>,
}

impl Objects {
    pub(super) fn of(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, prefix: ObjectPath::default(), folder: None, pages: None }
    }

    pub(super) fn folder(path: &Path) -> Result<Self> {
        let open = || {
            folder::make_private(path).map_err(failed)?;
            LocalFileSystem::new_with_prefix(path)
        };
        let files = open().map_err(|error: object_store::Error| {
            Error::new(Code::LedgerUnavailable, format!("the ledger's folder cannot be opened: {}", path.display()))
                .because(error)
                .hint("name a folder that this user may write")
        })?;
        Ok(Self { folder: Some(files.clone()), ..Self::of(Arc::new(files)) })
    }

    /// A store that lists in order and in pages.
    #[cfg(any(feature = "azure-blob", feature = "cloud-storage", feature = "s3"))]
    pub(super) fn paged<S: ObjectStore + PaginatedListStore>(store: Arc<S>, prefix: &str) -> Result<Self> {
        Ok(Self { prefix: path(prefix)?, pages: Some(store.clone()), ..Self::of(store) })
    }

    fn path(&self, key: &str) -> Result<ObjectPath> {
        path(&if self.prefix.as_ref().is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) })
    }

    /// Everything below a path, page by page where that can be done.
    fn listing(&self, below: &ObjectPath) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        let Some(pages) = self.pages.clone() else { return self.store.list(Some(below)) };
        let below = format!("{below}/");
        try_unfold(Some(None), move |token: Option<Option<String>>| {
            let (pages, below) = (pages.clone(), below.clone());
            async move {
                let Some(page_token) = token else { return Ok::<_, object_store::Error>(None) };
                let options = PaginatedListOptions { max_keys: Some(COMPARED), page_token, ..Default::default() };
                let page = pages.list_paginated(Some(&below), options).await?;
                Ok(Some((iter(page.result.objects.into_iter().map(Ok)), page.page_token.map(Some))))
            }
        })
        .try_flatten()
        .boxed()
    }
}

/// Without what the store's client knows: credentials.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("store", &self.store.to_string()).field("prefix", &self.prefix).finish()
    }
}

#[async_trait]
impl Store for Objects {
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put> {
        let path = self.path(key)?;
        let put = match &self.folder {
            Some(files) => match files.path_to_filesystem(&path) {
                Ok(path) => blocking(move || folder::create(&path, &bytes).map_err(failed)).await,
                Err(error) => Err(error),
            },
            None => {
                let put = self.store.put_opts(&path, PutPayload::from_bytes(bytes), PutMode::Create.into()).await;
                put.map(|_| Put::Created)
            }
        };
        match put {
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Put::Exists)
            }
            put => put.map_err(|error| unavailable(error, key)),
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>> {
        let path = self.path(key)?;
        let read = async { self.store.get(&path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(unavailable(error, key)),
        }
    }

    async fn newest(&self, prefix: &str) -> Result<Option<String>> {
        let below = self.path(prefix.trim_end_matches('/'))?;
        let mut listing = self.listing(&below);
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

fn unavailable(error: object_store::Error, key: &str) -> Error {
    #[cfg(any(feature = "azure-blob", feature = "cloud-storage", feature = "s3"))]
    if let Some(failure) = super::remote::failure(&error, key) {
        return failure.because(error);
    }
    let (code, message, retry, hint) = match &error {
        object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. } => (
            Code::LedgerUnconditional,
            "the ledger's store cannot put-if-absent",
            Retry::Never,
            "switch conditional writes on, or keep the ledger in another store",
        ),
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => (
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

fn failed(error: std::io::Error) -> object_store::Error {
    object_store::Error::Generic { store: "folder", source: Box::new(error) }
}

/// Does what blocks where that is allowed, as `object_store` does.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> object_store::Result<T> + Send + 'static,
) -> object_store::Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await?,
        Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use object_store::memory::InMemory;
    use object_store::{GetOptions, GetResult, ListResult, PutOptions, PutResult};

    use super::super::testing::{converged, done, intent, session, stack};
    use super::super::{Acquired, key, testing};
    use super::*;

    /// A folder of this test alone, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("landfall-ledger-{}-{test}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// One life of a stack: the same in every store.
    async fn life(ledger: &Ledger) {
        let mut first = session(ledger, "a").await;
        for number in 0..70 {
            first.commit(vec![intent(number, 0), done(number)]).await.unwrap();
        }
        let held = ledger.acquire(&stack(), &testing::options("b")).await.unwrap();
        assert!(matches!(held, Acquired::Held(_)));
        let head = first.release(vec![converged("g")]).await.unwrap();
        assert_eq!(head.number, 72);

        let before = ledger.reads();
        let peek = ledger.peek(&stack()).await.unwrap().unwrap();
        assert_eq!(peek.converged().unwrap().graph, "g");
        assert_eq!(ledger.reads() - before, 2);
        let loaded = ledger.load(&stack()).await.unwrap();
        assert_eq!((&loaded.state, loaded.head), (first.state(), head));
        assert_eq!(loaded.entries, 72 - 64 + 1, "from the checkpoint in entry 64 on");
        assert_eq!(session(ledger, "b").await.epoch(), 2);
        let other = crate::resource::StackId::new("inferloop", "prod");
        assert_eq!(ledger.load(&other).await.unwrap().head.number, 0);
    }

    #[tokio::test]
    async fn memory_keeps_a_ledger() {
        life(&Ledger::memory()).await;
    }

    #[tokio::test]
    async fn a_folder_keeps_a_ledger() {
        let folder = Folder::new("keeps");
        life(&Ledger::folder(folder.0.join("below/below")).unwrap()).await;
        let reopened = Ledger::folder(folder.0.join("below/below")).unwrap();
        assert_eq!(reopened.load(&stack()).await.unwrap().head.number, 73);
    }

    #[tokio::test]
    async fn any_object_store_keeps_a_ledger_below_a_prefix() {
        let store = Arc::new(InMemory::new());
        life(&Ledger::object_store(store.clone(), "teams/platform/").unwrap()).await;
        let root = Ledger::object_store(store.clone(), "").unwrap();
        assert_eq!(root.load(&stack()).await.unwrap().head.number, 0);
        let below = ObjectPath::from("teams/platform/inferloop-dev/entries");
        assert_eq!(store.list(Some(&below)).count().await, 73);
        assert_eq!(Ledger::object_store(store, "a//b").unwrap_err().code(), Code::InvalidName);
    }

    #[tokio::test]
    async fn stores_that_list_in_any_order_are_read_to_the_end() {
        let folder = Folder::new("order");
        std::fs::create_dir_all(&folder.0).unwrap();
        let local = LocalFileSystem::new_with_prefix(&folder.0).unwrap();
        life(&Ledger::object_store(Arc::new(local), "").unwrap()).await;
        life(&Ledger::object_store(Arc::new(Shuffled(InMemory::new())), "").unwrap()).await;
    }

    #[tokio::test]
    async fn half_written_and_strange_files_are_passed_over() {
        let folder = Folder::new("strange");
        let ledger = Ledger::folder(&folder.0).unwrap();
        let mut first = session(&ledger, "a").await;
        first.commit(vec![intent(1, 0)]).await.unwrap();
        let entries = folder.0.join("inferloop-dev/entries");
        // What a crash in the middle of the next write leaves: the staged file, whole or in part.
        let next = key::entry(&stack(), 3).rsplit('/').next().unwrap().to_owned();
        std::fs::write(entries.join(format!("{next}#1")), b"landfall-ledger 1 ").unwrap();
        for name in [".DS_Store", "00000000000000000000.json.bak", "!first.json", "zz"] {
            std::fs::write(entries.join(name), b"").unwrap();
        }
        let reopened = Ledger::folder(&folder.0).unwrap();
        let loaded = reopened.load(&stack()).await.unwrap();
        assert_eq!((loaded.head.number, &loaded.state), (2, first.state()));
        // And the write itself can be made after all.
        first.commit(vec![done(1)]).await.unwrap();
        assert_eq!(reopened.load(&stack()).await.unwrap().state, *first.state());
    }

    #[tokio::test]
    async fn an_entry_that_a_power_cut_emptied_is_damage() {
        let folder = Folder::new("emptied");
        let ledger = Ledger::folder(&folder.0).unwrap();
        let mut first = session(&ledger, "a").await;
        first.commit(vec![intent(1, 0)]).await.unwrap();
        std::fs::write(folder.0.join(key::entry(&stack(), 2)), b"").unwrap();
        for error in [ledger.load(&stack()).await.unwrap_err(), ledger.peek(&stack()).await.unwrap_err()] {
            assert_eq!(error.code(), Code::LedgerDamaged);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_folder_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("private");
        // The folder itself was made by somebody with looser habits.
        std::fs::create_dir_all(&folder.0).unwrap();
        session(&Ledger::folder(&folder.0).unwrap(), "a").await;
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let entries = folder.0.join("inferloop-dev/entries");
        assert_eq!((mode(folder.0.join("inferloop-dev")), mode(entries.clone())), (0o700, 0o700));
        assert_eq!(mode(folder.0.join("inferloop-dev/probe")), 0o600);
        let files: Vec<_> = std::fs::read_dir(&entries).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "an entry and no staged file: {files:?}");
        assert_eq!(mode(files[0].clone()), 0o600);
    }

    #[tokio::test]
    async fn of_64_starters_on_a_folder_one_gets_the_lease() {
        let folder = Folder::new("race");
        let starts = (0..64).map(async |number| {
            let ledger = Ledger::folder(&folder.0).unwrap();
            let acquired = ledger.acquire(&stack(), &testing::options(&format!("pod-{number}"))).await.unwrap();
            usize::from(matches!(acquired, Acquired::Session(_)))
        });
        let won: usize = futures_util::future::join_all(starts).await.into_iter().sum();
        assert_eq!(won, 1);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_unavailable() {
        let folder = Folder::new("file");
        std::fs::write(&folder.0, b"a file").unwrap();
        let error = Ledger::folder(folder.0.join("below")).unwrap_err();
        std::fs::remove_file(&folder.0).unwrap();
        assert_eq!(error.code(), Code::LedgerUnavailable);
    }

    #[tokio::test]
    async fn names_that_leave_the_folder_are_refused() {
        let folder = Folder::new("names");
        let ledger = Ledger::folder(&folder.0).unwrap();
        for project in ["../up", "a\n", "a//b"] {
            let stack = crate::resource::StackId::new(project, "dev");
            assert_eq!(ledger.load(&stack).await.unwrap_err().code(), Code::InvalidName, "{project}");
            let error = ledger.acquire(&stack, &testing::options("a")).await.unwrap_err();
            assert_eq!(error.code(), Code::InvalidName, "{project}");
        }
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
    }

    /// A store that lists backwards, and has no condition switched off.
    #[derive(Debug)]
    struct Shuffled(InMemory);

    impl std::fmt::Display for Shuffled {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Shuffled")
        }
    }

    #[async_trait]
    impl ObjectStore for Shuffled {
        async fn put_opts(
            &self,
            at: &ObjectPath,
            data: PutPayload,
            how: PutOptions,
        ) -> object_store::Result<PutResult> {
            self.0.put_opts(at, data, how).await
        }

        async fn put_multipart_opts(
            &self,
            at: &ObjectPath,
            how: object_store::PutMultipartOptions,
        ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
            self.0.put_multipart_opts(at, how).await
        }

        async fn get_opts(&self, at: &ObjectPath, how: GetOptions) -> object_store::Result<GetResult> {
            self.0.get_opts(at, how).await
        }

        fn delete_stream(
            &self,
            all: BoxStream<'static, object_store::Result<ObjectPath>>,
        ) -> BoxStream<'static, object_store::Result<ObjectPath>> {
            self.0.delete_stream(all)
        }

        fn list(&self, below: Option<&ObjectPath>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
            let sorted = self.0.list(below);
            futures_util::stream::once(async move {
                let mut all: Vec<_> = sorted.collect().await;
                all.reverse();
                futures_util::stream::iter(all)
            })
            .flatten()
            .boxed()
        }

        async fn list_with_delimiter(&self, below: Option<&ObjectPath>) -> object_store::Result<ListResult> {
            self.0.list_with_delimiter(below).await
        }

        async fn copy_opts(
            &self,
            from: &ObjectPath,
            to: &ObjectPath,
            how: object_store::CopyOptions,
        ) -> object_store::Result<()> {
            self.0.copy_opts(from, to, how).await
        }
    }
}
