//! The file that rejects are written to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sink::SinkError;
use crate::sink::file::output::Output;
use crate::sink::patience::Patience;

/// A file of lines, which only its owner can read because whole records contain payload.
pub(super) struct RejectsFile {
    name: String,
    path: PathBuf,
    /// `None`: it is created when the first record is kept.
    out: Option<Output>,
}

impl RejectsFile {
    pub(super) fn new(path: &Path) -> RejectsFile {
        RejectsFile {
            name: path.display().to_string(),
            path: path.to_owned(),
            out: None,
        }
    }

    /// Its name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn open(&mut self) -> Result<&mut Output, SinkError> {
        let out = match self.out.take() {
            Some(out) => out,
            None => Output::private(&self.name, self.path.clone())?,
        };
        Ok(self.out.insert(out))
    }

    /// Whether it can be created, without leaving one.
    pub(super) fn check(&self) -> Result<(), SinkError> {
        let failed = || SinkError::io(&self.name, "create the file");
        let there = self.path.try_exists().map_err(failed())?;
        Output::private(&self.name, self.path.clone())?;
        if !there {
            fs::remove_file(&self.path).map_err(failed())?;
        }
        Ok(())
    }

    /// Writes lines. Trouble that may pass is waited for. Returns how many lines are in the file,
    /// and whether all are.
    pub(super) fn write(
        &mut self,
        lines: &[u8],
        patience: &mut Patience,
    ) -> (u64, Result<(), SinkError>) {
        let mut start = 0;
        let mut kept = 0;
        loop {
            // One write, because several programs may write to the file.
            let (bytes, error) = match self.open() {
                Ok(out) => match out.write(&lines[start..]) {
                    Ok(()) => (lines.len() - start, None),
                    Err((bytes, error)) => (bytes, Some(error)),
                },
                Err(error) => (0, Some(error)),
            };
            let written = &lines[start..start + bytes];
            let whole = memchr::memrchr(b'\n', written).map_or(0, |end| end + 1);
            kept += memchr::memchr_iter(b'\n', written).count() as u64;
            start += whole;
            let Some(error) = error else {
                patience.over();
                return (kept, Ok(()));
            };
            let out = self.out.as_mut();
            let passes = out.is_none_or(|out| {
                out.take_back(&written[whole..]);
                out.passes(&error)
            });
            if !passes || !patience.wait(&error) {
                return (kept, Err(error));
            }
        }
    }
}
