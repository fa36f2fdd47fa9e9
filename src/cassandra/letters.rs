//! The rows that the server refused, in a file, each with the reason.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use crate::packet::Packet;
use crate::sink::SinkContext;
use crate::sink::jsonl::Object;
use crate::sink::text::Text;

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

    /// Appends `{"rejected": REASON, …the row}`, as one write: several may write to the file.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn write(&mut self, packet: Packet<'_>, reason: &str) -> std::io::Result<()> {
        let row = self.object.json(packet);
        let mut line = Text::new();
        line.out.extend_from_slice(b"{\"rejected\":");
        line.json(reason.as_bytes());
        line.out.push(b',');
        line.out.extend_from_slice(row.get(1..).unwrap_or_default());
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let open = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&self.path)?;
                none.insert(open)
            }
        };
        file.write_all(&line.out)
    }
}
