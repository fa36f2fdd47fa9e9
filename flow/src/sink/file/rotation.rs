//! When a file is rotated: parameters of a sink's URL.

use std::time::{Duration, Instant};

use crate::sink::SinkError;
use crate::sink::parts::UrlParts;
use crate::{amount, clock};

/// A shorter time would create more files than a directory holds well.
const SHORTEST: Duration = Duration::from_secs(1);

/// A smaller file would hold only a record or two.
const SMALLEST: u64 = 1 << 10;

/// When a file is rotated: whichever comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rotation {
    /// At every whole multiple of this time, counted from 1970 UTC.
    pub(crate) every: Option<Duration>,
    /// Before the file would exceed this many bytes.
    pub(crate) size: Option<u64>,
}

/// The valid values, for errors.
const WANTED: &str = "a time such as 1h (at least 1s) or a size such as 100MB (at least 1K)";

impl Rotation {
    /// Reads the parameters of a URL, if they are there.
    pub(crate) fn read(url: &UrlParts) -> Result<Option<Rotation>, SinkError> {
        let mut rotation = Rotation::default();
        let either = url.value("rotate", WANTED, |value| {
            rotation.either(value).then_some(())
        })?;
        let size = url.value("rotate_size", WANTED, |value| {
            rotation.bytes(value).then_some(())
        })?;
        Ok(either.or(size).map(|()| rotation))
    }

    /// When a file that is begun now is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        let every = self.every?;
        let over = i128::from(clock::now()).rem_euclid(every.as_nanos() as i128);
        let over = Duration::from_nanos(over as u64);
        Instant::now().checked_add(every - over)
    }

    /// `rotate=1h` or `rotate=100MB`.
    fn either(&mut self, text: &str) -> bool {
        self.time(text) || self.bytes(text)
    }

    /// `rotate_size=100MB`.
    fn bytes(&mut self, text: &str) -> bool {
        let size = amount::size(text).ok().map(|size| size as u64);
        let size = size.filter(|size| *size >= SMALLEST);
        self.size = size.or(self.size);
        size.is_some()
    }

    /// Parses a time, which must have a unit: a bare number could be a time or a size.
    fn time(&mut self, text: &str) -> bool {
        let unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
        let time = amount::duration(text).ok().filter(|_| unit);
        let time = time.filter(|time| *time >= SHORTEST);
        self.every = time.or(self.every);
        time.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_told_apart() {
        let read = |text| {
            let mut rotation = Rotation::default();
            rotation.either(text).then_some(rotation)
        };
        let every = |s| Some(Duration::from_secs(s));
        assert_eq!(read("1h").unwrap().every, every(3600));
        assert_eq!(read("15m").unwrap().every, every(900));
        assert_eq!(read("100MB").unwrap().size, Some(100_000_000));
        assert_eq!(read("1M").unwrap().size, Some(1 << 20));
        assert_eq!(read("2048").unwrap().size, Some(2048));
        for wrong in ["", "0", "1", "10ms", "1B", "daily"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
