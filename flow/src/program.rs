//! Finds programs of the system.

use std::env;
use std::path::PathBuf;

/// Where Debian and others install tools of the administrator when the path of ordinary users does
/// not have them.
const PLACES: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/// The path of an installed program. A relative folder of `PATH` is not searched: it would let the
/// current folder decide what runs.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).filter(|folder| folder.is_absolute());
    folders
        .chain(PLACES.iter().map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
