//! Where a fixture keeps its files.

use std::collections::hash_map::RandomState;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::RigError;
use super::program::search_path;
use super::unprivileged::Way;

/// QEMU's monitor is a socket below the directory, and the name of a socket has
/// no more than 107 bytes.
const LONGEST_BASE: usize = 20;

/// The name of one directory. The supervisor makes it, and removes it.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    path: PathBuf,
    cache: PathBuf,
}

impl Directory {
    /// A name that nobody has.
    pub(super) fn new() -> Self {
        let base = Some(env::temp_dir())
            .filter(|base| base.is_absolute() && base.as_os_str().len() <= LONGEST_BASE)
            .unwrap_or_else(|| PathBuf::from("/tmp"));
        let random = RandomState::new().build_hasher().finish() as u32;
        Self::at(base.join(format!("ve-{random:08x}")))
    }

    /// The one of this name.
    pub(super) fn at(path: PathBuf) -> Self {
        let cache = shared_cache().unwrap_or_else(|| path.join("cache"));
        Self { path, cache }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Where QEMU's capabilities are kept; not always below the directory.
    pub(super) fn cache(&self) -> &Path {
        &self.cache
    }

    /// The directory of `XDG_RUNTIME_DIR`: sockets and pid files.
    pub(super) fn run(&self) -> PathBuf {
        self.join("run")
    }

    /// The whole environment of what runs in here. What else there is would
    /// change what libvirt does: `DISPLAY`, or the address of a bus.
    pub(super) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut environment = vec![
            ("PATH", search_path()),
            ("LC_ALL", "C.UTF-8".into()),
            ("HOME", self.join("home").into()),
            ("XDG_RUNTIME_DIR", self.run().into()),
            ("XDG_CACHE_HOME", self.cache.clone().into()),
            // A client whose daemon is dead must not start another one.
            ("LIBVIRT_AUTOSTART", "0".into()),
        ];
        environment.extend(env::var_os("RUST_BACKTRACE").map(|it| ("RUST_BACKTRACE", it)));
        environment
    }

    /// Makes `name` and what is above it.
    pub(super) fn make(&self, name: impl AsRef<Path>) -> Result<PathBuf, RigError> {
        let path = self.join(name);
        fs::create_dir_all(&path).map_err(RigError::system(format!("make {}", path.display())))?;
        Ok(path)
    }

    pub(super) fn write(&self, name: impl AsRef<Path>, text: &str) -> Result<PathBuf, RigError> {
        let path = self.join(name);
        fs::write(&path, text).map_err(RigError::system(format!("write {}", path.display())))?;
        Ok(path)
    }
}

/// A place in cargo's target directory, if there is one that a process without
/// privileges gets at too: root in a tree of somebody else's has none.
fn shared_cache() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let target = program
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file())?;
    let way = Way::here();
    let cache = target.join(match way {
        Way::AsItIs | Way::Namespace => "rig-cache",
        Way::Nobody => "rig-cache-of-nobody",
    });
    fs::create_dir_all(&cache).ok()?;
    way.give(&cache).ok()?;
    let user = way.user();
    let may = |directory: &Path, others: u32| {
        fs::metadata(directory)
            .is_ok_and(|data| data.uid() == user || data.mode() & others == others)
    };
    (may(&cache, 0o3) && target.ancestors().all(|above| may(above, 0o1))).then_some(cache)
}
