//! Stored text: plain, compressed, or a capture that tcpdump has to print.
//!
//! The kind of an input is detected from its first bytes, never from its name: a name may be wrong,
//! and standard input has none.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use dumpstream::hash::stream_name;

mod capture;
mod follow;
mod tcpdump;

use self::capture::Capture;
pub use self::follow::{Follow, POLL, Part};
use self::tcpdump::Tcpdump;
use crate::clock;

/// Bytes that are read first. The magic of a pcapng capture takes twelve.
const BEGIN: usize = 8 << 10;

/// Bytes that suffice to detect the kind of an input.
const MAGIC: usize = 12;

/// How many layers of compression are unpacked. Nobody keeps a capture in a `.gz` in a `.zst`, and
/// input that unpacks to itself for ever is a trap.
const LAYERS: usize = 2;

/// The most that is read to identify a capture.
const SIGNATURE: usize = 64 << 10;

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    /// RFC 1952, 2.3.1 (with its only method) and RFC 8878, 3.1.1. No text of tcpdump begins like
    /// this.
    fn of(begin: &[u8]) -> Option<Packing> {
        match begin {
            [0x1f, 0x8b, 8, ..] => Some(Packing::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Packing::Zstd),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// A file, a pipe or standard input, opened and recognised.
pub struct Input {
    path: Option<PathBuf>,
    name: String,
    /// Its length, if it is a regular file.
    regular: Option<u64>,
    modified: Option<i64>,
    packed: bool,
    capture: Option<Capture>,
    begun: Begun,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input")
            .field("name", &self.name)
            .field("packed", &self.packed)
            .field("capture", &self.capture)
            .finish_non_exhaustive()
    }
}

impl Input {
    /// Opens a file. Waits for the first bytes of a pipe. The file is read through `through`, which
    /// gets the length of a regular file.
    ///
    /// # Errors
    /// The system's error; a directory is one.
    pub fn open(
        path: &Path,
        through: impl FnOnce(File, Option<u64>) -> Box<dyn Read + Send>,
    ) -> io::Result<Input> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let regular = about.is_file().then_some(about.len());
        let name = path.file_name().unwrap_or(path.as_os_str());
        let mut input = Input::new(through(file, regular))?;
        let name = name.to_string_lossy();
        let bare = ["gz", "zst"].iter().find_map(|end| {
            let bare = name.strip_suffix(end)?.strip_suffix('.')?;
            (input.packed && !bare.is_empty()).then_some(bare)
        });
        input.name = bare.unwrap_or(&name).to_owned();
        input.path = Some(path.to_owned());
        input.regular = regular;
        input.modified = about.modified().ok().and_then(clock::nanoseconds);
        Ok(input)
    }

    /// Opens standard input. Waits for the first bytes.
    ///
    /// # Errors
    /// The error of a decompressor. Errors of reading are returned with the text.
    pub fn stdin() -> io::Result<Input> {
        Input::new(Box::new(io::stdin()))
    }

    /// What any reader gives. Waits for the first bytes.
    ///
    /// # Errors
    /// The error of a decompressor. Errors of reading are returned with the text.
    pub fn new(reader: Box<dyn Read + Send>) -> io::Result<Input> {
        let mut begun = Begun::new(reader);
        let mut packed = false;
        for _ in 0..LAYERS {
            let Some(packing) = Packing::of(&begun.begin) else {
                break;
            };
            packed = true;
            let whole = begun.whole();
            let text: Box<dyn Read + Send> = match packing {
                Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(whole)),
                Packing::Zstd => Box::new(zstd::Decoder::new(whole)?),
            };
            begun = Begun::new(Box::new(Unpacked { packing, text }));
        }
        let capture = Capture::of(&begun.begin);
        if let Some(capture) = &capture {
            // Identifying a capture takes all of its first packet.
            begun.until(SIGNATURE, |begin| capture.first_packet(begin).is_some());
        }
        Ok(Input {
            path: None,
            name: "stdin".to_owned(),
            regular: None,
            modified: None,
            packed,
            capture,
            begun,
        })
    }

    /// The file's name without folder, and without `.gz` or `.zst` if it is compressed; `stdin`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The length of a regular file, in bytes.
    pub fn regular(&self) -> Option<u64> {
        self.regular
    }

    /// When the file was last written, in nanoseconds since 1970 UTC.
    pub fn modified(&self) -> Option<i64> {
        self.modified
    }

    /// Whether it is a capture rather than tcpdump's text.
    pub fn is_capture(&self) -> bool {
        self.capture.is_some()
    }

    /// Whether it is compressed.
    pub fn is_packed(&self) -> bool {
        self.packed
    }

    /// Whether tcpdump opens the file by itself, so that none of it is read here.
    pub fn is_tcpdumps(&self) -> bool {
        self.is_capture() && !self.packed && self.regular.is_some()
    }

    /// The name of a capture's stream. It is derived from the header and the first packet, so it is
    /// the same however often, and with whichever tcpdump, the capture is read. `None` for text,
    /// whose stream is derived from its first record.
    pub fn stream(&self, sensor: &str) -> Option<String> {
        let capture = self.capture.as_ref()?;
        let begin = &self.begun.begin;
        let end = capture.first_packet(begin).unwrap_or(begin.len());
        Some(stream_name(sensor, &begin[..end.min(SIGNATURE)]))
    }

    /// The text. A capture is read by tcpdump, which is started now: `TZ=UTC tcpdump -nn -e -v -S
    /// -tt -#`. Messages of tcpdump go to the log. If tcpdump fails, the last read returns that error.
    ///
    /// # Errors
    /// tcpdump is not installed, or cannot be started.
    pub fn text(mut self) -> io::Result<Box<dyn Read + Send>> {
        let Some(capture) = &self.capture else {
            return Ok(self.begun.whole());
        };
        let (tcpdump, nano) = (self.is_tcpdumps(), capture.nano);
        Ok(Box::new(match self.path.filter(|_| tcpdump) {
            Some(path) => Tcpdump::of_file(&path, nano)?,
            // A pipe may be live, so every line is passed on immediately.
            None => Tcpdump::of_bytes(self.begun.whole(), nano, self.regular.is_none())?,
        }))
    }
}

/// A reader whose first bytes are known.
struct Begun {
    begin: Vec<u8>,
    rest: Box<dyn Read + Send>,
    /// What ended the reading of `begin`.
    error: Option<io::Error>,
    ended: bool,
}

impl Begun {
    /// Reads until the kind of the input is known.
    fn new(rest: Box<dyn Read + Send>) -> Begun {
        let mut begun = Begun {
            begin: Vec::new(),
            rest,
            error: None,
            ended: false,
        };
        begun.until(MAGIC, |_| false);
        begun
    }

    /// Reads until there are `most` bytes, or `enough` says so, or the input ends.
    fn until(&mut self, most: usize, enough: impl Fn(&[u8]) -> bool) {
        while !self.ended && self.begin.len() < most && !enough(&self.begin) {
            let old = self.begin.len();
            self.begin.resize(old + BEGIN, 0);
            let read = self.rest.read(&mut self.begin[old..]);
            self.begin.truncate(old + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => {
                    self.ended = true;
                    self.error = Some(e);
                }
            }
        }
    }

    /// All of it, from the first byte.
    fn whole(&mut self) -> Box<dyn Read + Send> {
        let begin = Cursor::new(self.begin.clone());
        let rest = std::mem::replace(&mut self.rest, Box::new(io::empty()));
        match self.error.take() {
            Some(error) => Box::new(begin.chain(Failed(Some(error)))),
            None => Box::new(begin.chain(rest)),
        }
    }
}

/// Fails once, as the reader before it did.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// A decompressor, which names itself in its errors.
struct Unpacked {
    packing: Packing,
    text: Box<dyn Read + Send>,
}

impl Read for Unpacked {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.text.read(buf).map_err(|e| match e.kind() {
            ErrorKind::Interrupted => e,
            kind => {
                let name = self.packing.name();
                io::Error::new(kind, format!("{name}: {e}; everything before it was read"))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    }

    /// One byte a read.
    struct Slow(Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let most = buf.len().min(1);
            self.0.read(&mut buf[..most])
        }
    }

    fn read(bytes: Vec<u8>) -> (Vec<u8>, Option<String>) {
        let input = Input::new(Box::new(Slow(Cursor::new(bytes)))).unwrap();
        let mut text = Vec::new();
        let end = input.text().unwrap().read_to_end(&mut text);
        (text, end.err().map(|e| e.to_string()))
    }

    #[test]
    fn text_comes_as_it_was_whatever_it_was_packed_in() {
        let text = b"00:00:00.000001 IP x\n".repeat(1000);
        let zst = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        let (one, two) = text.split_at(5001);
        for packed in [
            text.clone(),
            gz(&text),
            zst(&text),
            [gz(one), gz(two)].concat(),
            [zst(one), zst(two)].concat(),
            zst(&gz(&text)),
        ] {
            assert_eq!(read(packed), (text.clone(), None));
        }
        for short in [&b""[..], b"0", b"\x1f", b"\x1f\x8b"] {
            assert_eq!(read(short.to_vec()), (short.to_vec(), None));
        }
    }

    #[test]
    fn what_stands_before_a_fault_is_read() {
        let text: Vec<u8> = (0..100_000u32)
            .flat_map(|i| format!("{i}\n").into_bytes())
            .collect();
        let mut broken = gz(&text);
        broken.truncate(broken.len() / 2);
        let (read_before, error) = read(broken);
        assert!(text.starts_with(&read_before) && read_before.len() > 10_000);
        assert!(error.unwrap().starts_with("gzip: "));
        let mut broken = zstd::encode_all(&text[..], 1).unwrap();
        broken.truncate(broken.len() / 2);
        let (read_before, error) = read(broken);
        assert!(text.starts_with(&read_before));
        assert!(error.unwrap().starts_with("zstd: "));
        // So early that it is met while the magic is looked for.
        let (none, error) = read(gz(&text)[..12].to_vec());
        assert!(none.is_empty() && error.unwrap().starts_with("gzip: "));
    }
}
