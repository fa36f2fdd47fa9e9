//! The spool: rows that are written and not yet in a complete Parquet file, as a stream of Arrow's IPC
//! format. What a crash cuts is its last message, whose rows did not count as written.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_ipc::{CompressionType, MetadataVersion};
use arrow_schema::{ArrowError, Schema};

/// How the name of a spool ends; it begins with a dot, so that readers of the folder pass it over.
const SUFFIX: &str = ".spool";

/// A spool that is written, or that an earlier run has left.
pub(super) struct Spool {
    pub(super) id: String,
    path: PathBuf,
    /// Locked: nobody else takes it for one that was left.
    file: File,
    /// Its complete messages, in bytes.
    len: u64,
    /// Makes messages.
    messages: StreamWriter<Vec<u8>>,
    pub(super) rows: u64,
}

impl Spool {
    /// Creates one in the folder.
    pub(super) fn create(folder: &Path, id: String, schema: &Schema) -> io::Result<Spool> {
        let path = folder.join(format!(".{id}{SUFFIX}"));
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)
            .and_then(|options| options.try_with_compression(Some(CompressionType::LZ4_FRAME)));
        let messages = options
            .and_then(|options| StreamWriter::try_new_with_options(Vec::new(), schema, options))
            .map_err(of_arrow)?;
        let mut spool = Spool {
            id,
            path,
            file,
            len: 0,
            messages,
            rows: 0,
        };
        spool.put()?;
        Ok(spool)
    }

    /// Those in the folder that nobody holds any more.
    pub(super) fn left(folder: &Path) -> io::Result<Vec<Left>> {
        let mut left = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let id = name
                .strip_prefix('.')
                .and_then(|name| name.strip_suffix(SUFFIX));
            let Some(id) = id else { continue };
            let path = folder.join(name);
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file?,
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(error) => return Err(error.into()),
            }
            // Its owner may have finished between the two.
            if path.exists() {
                left.push(Left {
                    id: id.to_owned(),
                    path,
                    file,
                });
            }
        }
        Ok(left)
    }

    /// Adds rows. After an error none of them is there.
    pub(super) fn append(&mut self, rows: &RecordBatch) -> io::Result<()> {
        self.messages.write(rows).map_err(of_arrow)?;
        self.put()?;
        self.rows += rows.num_rows() as u64;
        Ok(())
    }

    fn put(&mut self) -> io::Result<()> {
        let written = self.file.write_all(self.messages.get_ref());
        let bytes = self.messages.get_ref().len() as u64;
        self.messages.get_mut().clear();
        match written {
            Ok(()) => self.len += bytes,
            Err(error) => {
                self.file.set_len(self.len)?;
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Its size in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// What it has, from the beginning.
    pub(super) fn read(&self) -> io::Result<Rows> {
        Rows::of(&self.file)
    }

    /// Its rows are in complete files.
    pub(super) fn remove(&self) -> io::Result<()> {
        gone(&self.path)
    }
}

/// A spool that an earlier run has left.
pub(super) struct Left {
    pub(super) id: String,
    path: PathBuf,
    /// Locked.
    file: File,
}

impl Left {
    pub(super) fn read(&self) -> io::Result<Rows> {
        Rows::of(&self.file)
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        gone(&self.path)
    }
}

/// Removes a file that may be gone already.
pub(super) fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The batches of a spool, up to where a crash has cut it.
pub(super) struct Rows(Option<StreamReader<BufReader<File>>>);

impl Rows {
    fn of(file: &File) -> io::Result<Rows> {
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        // Without a whole schema there are no rows.
        Ok(Rows(StreamReader::try_new_buffered(file, None).ok()))
    }
}

impl Iterator for Rows {
    type Item = RecordBatch;

    fn next(&mut self) -> Option<RecordBatch> {
        // An error is the cut.
        self.0.as_mut()?.next()?.ok()
    }
}

/// Arrow's errors are those of the file below it, or ours.
pub(super) fn of_arrow(error: ArrowError) -> io::Error {
    match error {
        ArrowError::IoError(_, error) => error,
        other => io::Error::other(other),
    }
}
