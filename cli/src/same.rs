//! Whether two names refer to the same file, through any links.

#[cfg(unix)]
use std::fs;
use std::path::Path;

/// What identifies a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    /// Identifies a regular file. Anything else, such as a terminal, may be both read and written.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> Option<Identity> {
        use std::os::unix::fs::MetadataExt;
        let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Identity {
            device: about.dev(),
            inode: about.ino(),
        })
    }

    /// On other systems files cannot be identified.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> Option<Identity> {
        None
    }
}

/// Whether both exist and are the same file.
pub(super) fn one(a: &Path, b: &Path) -> bool {
    Identity::of(a).is_some_and(|a| Identity::of(b) == Some(a))
}
