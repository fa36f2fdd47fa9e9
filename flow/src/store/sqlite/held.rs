//! Which file a database is, whatever its name means by now.
//!
//! The trap: SQLite finds the log beside a database by the database's name. If the file was moved
//! while its log has rows, the rows are of no file, and the next database of that name deletes them.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::place::Identity;

/// A database that was opened by its name.
#[derive(Debug)]
pub(super) struct Held {
    path: PathBuf,
    file: Identity,
    /// Its log and the index of the log, which SQLite keeps beside it.
    beside: [(PathBuf, Option<Identity>); 2],
    /// A descriptor that only tells about the file: closing a usual one would end SQLite's locks.
    #[cfg(target_os = "linux")]
    pin: rustix::fd::OwnedFd,
}

impl Held {
    /// The database that is open under this name.
    pub(super) fn open(path: &Path) -> io::Result<Held> {
        // Links are followed, as SQLite does.
        let target = fs::canonicalize(path)?;
        let beside = ["-wal", "-shm"].map(|suffix| {
            let name = beside(&target, suffix);
            let identity = Identity::of(&name).ok();
            (name, identity)
        });
        Ok(Held {
            path: path.to_owned(),
            file: Identity::of(path)?,
            beside,
            #[cfg(target_os = "linux")]
            pin: rustix::fs::open(
                path,
                rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC,
                rustix::fs::Mode::empty(),
            )?,
        })
    }

    /// Which file it is.
    pub(super) fn file(&self) -> Identity {
        self.file
    }

    /// Whether its name means another file by now, or none.
    pub(super) fn is_away(&self) -> bool {
        differs(&self.path, self.file)
    }

    /// Whether its name or that of its log means another file by now, or none.
    pub(super) fn has_changed(&self) -> bool {
        let (log, identity) = &self.beside[0];
        self.is_away() || identity.is_some_and(|identity| differs(log, identity))
    }

    /// Whether the file has no name any more, or that cannot be told: its rows may be in no file.
    pub(super) fn is_removed(&self) -> bool {
        #[cfg(target_os = "linux")]
        return rustix::fs::fstat(&self.pin).map_or(true, |about| about.st_nlink == 0);
        #[cfg(not(target_os = "linux"))]
        return self.is_away();
    }

    /// How many bytes its log has and may grow by, if that can be told.
    #[cfg(unix)]
    pub(super) fn room(&self) -> Option<u64> {
        let (log, _) = &self.beside[0];
        let about = rustix::fs::statvfs(&self.path).ok()?;
        let free = about.f_bavail.saturating_mul(about.f_frsize);
        Some(free.saturating_add(fs::metadata(log).map_or(0, |log| log.len())))
    }

    /// How many bytes its log has and may grow by: not known.
    #[cfg(not(unix))]
    pub(super) fn room(&self) -> Option<u64> {
        None
    }

    /// Removes its log and the log's index where they were, so that the next database of that name
    /// does not take them for its own. Both must be empty of rows.
    pub(super) fn clear(&self) {
        for (name, identity) in &self.beside {
            if identity.is_some_and(|identity| Identity::of(name).is_ok_and(|i| i == identity)) {
                // SQLite removes an empty log by itself.
                fs::remove_file(name).ok();
            }
        }
    }
}

/// The log of a database that is not there any more. A new database of that name would delete it,
/// and it may have the last rows of the other one.
pub(super) fn left_over(path: &Path) -> Option<PathBuf> {
    let bytes = |path: &Path| fs::metadata(path).map_or(0, |about| about.len());
    let log = beside(path, "-wal");
    (bytes(path) == 0 && bytes(&log) > 0).then_some(log)
}

/// The name of a file that SQLite keeps beside a database.
fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    PathBuf::from(name)
}

fn differs(path: &Path, identity: Identity) -> bool {
    match Identity::of(path) {
        Ok(found) => found != identity,
        Err(e) => matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}
