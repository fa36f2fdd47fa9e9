//! Whether two names are one file, whatever links lead to it.

#[cfg(unix)]
use std::fs;
use std::path::Path;

/// What tells a file from any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    /// That of a regular file; anything else, a terminal for one, may well be read and written.
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> Option<Identity> {
        use std::os::unix::fs::MetadataExt;
        let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Identity {
            device: about.dev(),
            inode: about.ino(),
        })
    }

    /// Elsewhere nothing is known of it.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> Option<Identity> {
        None
    }
}

/// Whether both are there and one.
pub(super) fn one(a: &Path, b: &Path) -> bool {
    Identity::of(a).is_some_and(|a| Identity::of(b) == Some(a))
}
