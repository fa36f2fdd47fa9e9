//! Counts the rows of a file of text, before more are added to it.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::amount;

/// Counting the lines of a larger file would take seconds.
const LARGEST: u64 = 512 << 20;

/// What a file has: `43 rows`, or its size if it is large. `None` if there is nothing in it.
pub(super) fn of(path: &Path, header: bool) -> Option<String> {
    let about = path.metadata().ok().filter(|about| about.is_file())?;
    if about.len() > LARGEST {
        return Some(format!("{} MB", amount::grouped(about.len() / 1_000_000)));
    }
    // A file that cannot be read is reported when it is opened.
    let lines = lines(File::open(path).ok()?)?;
    match lines.saturating_sub(u64::from(header)) {
        0 => None,
        1 => Some("1 row".to_owned()),
        rows => Some(format!("{rows} rows")),
    }
}

fn lines(mut file: File) -> Option<u64> {
    let mut room = vec![0; 256 << 10];
    let mut lines = 0;
    loop {
        match file.read(&mut room).ok()? {
            0 => return Some(lines),
            n => lines += memchr::memchr_iter(b'\n', &room[..n]).count() as u64,
        }
    }
}
