//! The rows that the server refused, in a file, each with the reason: as they would have been
//! stored, without what is not stored by default. `--rejects` keeps whole records instead.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use crate::packet::Packet;
use crate::rejects;
use crate::sink::SinkContext;
use crate::sink::jsonl::Object;
use crate::spell::Text;

/// A file of JSON Lines, made when the first row is refused.
pub(crate) struct Letters {
    path: PathBuf,
    file: Option<File>,
    object: Object,
}

impl Letters {
    pub(crate) fn new(path: PathBuf, context: &SinkContext) -> Letters {
        let context = SinkContext {
            identity: true,
            ..context.clone()
        };
        Letters {
            path,
            file: None,
            object: Object::new(&context),
        }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Whether rows could be kept: better known now than when the first one is refused.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn check(&self) -> io::Result<()> {
        let there = self.path.try_exists()?;
        rejects::private(&self.path)?;
        match there {
            true => Ok(()),
            false => fs::remove_file(&self.path),
        }
    }

    /// Appends `{"rejected": REASON, …the row}`, as one write: several may write to the file.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(&mut self, packet: Packet<'_>, reason: &str) -> io::Result<()> {
        let row = self.object.json(packet);
        let mut line = Text::new();
        line.out.extend_from_slice(b"{\"rejected\":");
        line.json(reason.as_bytes());
        line.out.push(b',');
        line.out.extend_from_slice(row.get(1..).unwrap_or_default());
        let mut file = match self.file.take() {
            Some(file) => file,
            None => rejects::private(&self.path)?,
        };
        let written = file.write_all(&line.out);
        self.file = Some(file);
        written
    }
}
