//! Files and folders of this machine that are whole or absent, survive a power cut, and are their owner's alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Put;

/// Makes a file where none is. Readers see all of it or nothing, whatever happens meanwhile.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<Put> {
    let parent = parent(path);
    make_private(parent)?;
    let staged = stage(path, bytes)?;
    let linked = std::fs::hard_link(&staged, path);
    // A leftover is passed over by every reader.
    let _ = std::fs::remove_file(&staged);
    let put = match linked {
        Ok(()) => Put::Created,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Put::Exists,
        Err(error) => return Err(error),
    };
    sync(parent)?;
    Ok(put)
}

/// Makes a folder, and those above it, for the owner only, and makes sure that it survives a power cut.
pub(super) fn make_private(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent(path);
    make_private(parent)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        // Somebody else was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        done => done?,
    }
    sync(parent)
}

/// Writes a file beside `path` that no reader takes for one of the store's: `object_store` passes over what ends in `#`
/// and digits.
fn stage(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{}{:06}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let staged = PathBuf::from(name);
        let mut file = match options.open(&staged) {
            // Another machine's process of the same number.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        return match file.write_all(bytes).and_then(|()| file.sync_all()) {
            Ok(()) => Ok(staged),
            Err(error) => {
                let _ = std::fs::remove_file(&staged);
                Err(error)
            }
        };
    }
}

/// What a folder lists survives a power cut once this returns.
fn sync(folder: &Path) -> Result<()> {
    // Elsewhere folders cannot be opened.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
