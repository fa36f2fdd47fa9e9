//! Where one packet's printout ends and the next begins.
//!
//! A record starts at a *head*: at column 0, optionally the number of `-#` and the lengths of
//! `--lengths`, then a time stamp in the stream's one style, then the byte 0x20. Everything up to
//! the next head belongs to the record, whatever its lines look like. White space decides nothing:
//! text that an attacker controls can be printed at column 0 (VXLAN, NFS file handles), indented
//! lines can be heads (`-#`, `-ttt`), and a line with a TAB after the stamp is not a head, because
//! a packet can print a TAB there but not the blank.
//!
//! The framer does no I/O, allocates nothing and has no error: bytes that belong to no record are
//! *skipped*, with the reason, and counted.

mod skip;

pub use self::skip::{Skip, Skipped};
use crate::head::{self, MAX_HEAD, Style};
use crate::limits::{DEFAULT_MAX_RECORD, LARGEST_MAX_RECORD};
use crate::message::{is_message, unserved};
use crate::pptp;
use crate::scan::balanced;

/// What the bytes at the front are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CutKind {
    /// Whole records.
    Records,
    /// One record, cut: at the limit, or by the end of the input.
    Truncated,
    /// No record's.
    Skipped(Skip),
}

/// Whether more may follow the bytes that a [`Framer`] is given. There is no third case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// More may follow.
    Open,
    /// These are the last bytes.
    Final,
}

/// A decision about the first `len` bytes; the caller removes them before it asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// How many bytes, at least 1.
    pub len: usize,
    /// What they are.
    pub kind: CutKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The front is inside a record, at its head.
    Record,
    /// No head yet, or none since.
    Seeking(Skip),
}

/// The byte-order mark of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// A head in the stream's style.
    Head,
    /// A head in another style than the one head before.
    Other(Style),
    /// No head.
    Line,
}

/// Cuts one input into records. Any way of cutting the bytes into reads gives the same records.
///
/// ```
/// use dumpstream::framing::{CutKind, Framer, Tail};
/// let text = b"00:00:00.000001 IP (tos 0x0)\n    1.1.1.1 > 2.2.2.2: x\n00:00:00.000002 ARP, y\n";
/// let mut framer = Framer::new();
/// let cut = framer.next(text, Tail::Open).expect("the second head is there");
/// assert_eq!((cut.len, cut.kind), (54, CutKind::Records));
/// assert_eq!(framer.next(&text[54..], Tail::Open), None); // a third head, or the end, will tell
/// assert_eq!(framer.next(&text[54..], Tail::Final).map(|cut| cut.len), Some(23));
/// ```
#[derive(Clone, Debug)]
pub struct Framer {
    style: Style,
    max: usize,
    state: State,
    /// While seeking: the front is not a line's beginning.
    mid_line: bool,
    /// In a record: no head starts in `1..seen`, and a line starts at `seen` (or it is 0).
    seen: usize,
    /// Bytes in which no line feed was found after `seen`; so no byte is searched twice.
    searched: usize,
    /// Nothing but messages of tcpdump's own and headers that it could not read has come yet: the
    /// next line may say that there are no stamps.
    fresh: bool,
    /// Heads in a row that had this style, up to [`Style::proof`]. Until then a stream that was
    /// joined in the midst of a record may have been misread.
    heads: u32,
    skipped: Skipped,
}

impl Default for Framer {
    fn default() -> Framer {
        Framer::new()
    }
}

impl Framer {
    /// A framer at the beginning of an input.
    pub fn new() -> Framer {
        Framer {
            style: Style::default(),
            max: DEFAULT_MAX_RECORD,
            state: State::Seeking(Skip::Preamble),
            mid_line: false,
            seen: 0,
            searched: 0,
            fresh: true,
            heads: 0,
            skipped: Skipped::default(),
        }
    }

    /// Sets the longest record, in bytes: from 1 KiB to
    /// [`LARGEST_MAX_RECORD`]; others are brought
    /// into that range.
    pub fn max_record(mut self, bytes: usize) -> Framer {
        self.max = bytes.clamp(1 << 10, LARGEST_MAX_RECORD);
        self
    }

    /// The style of the heads, as far as it is known; a [`Batch`](crate::framing::Batch) carries it.
    pub fn style(&self) -> Style {
        self.style
    }

    /// The bytes that belonged to no record so far.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// The one record, or the skip, at the front of `src`; `None`: needs more bytes. Of an
    /// input that has ended, only an empty `src` gives `None`.
    pub fn next(&mut self, src: &[u8], tail: Tail) -> Option<Cut> {
        self.cut(src, tail == Tail::Final, false)
    }

    /// Like [`Framer::next`], with as many whole records as stand at the front, up to about the
    /// limit of one record. Only the last head is searched for.
    pub fn next_batch(&mut self, src: &[u8], tail: Tail) -> Option<Cut> {
        self.cut(src, tail == Tail::Final, true)
    }

    /// After an idle time: the record at the front, if it is complete: its last line ended, and
    /// no IPv4 header waits for its endpoints. What follows before the next head is skipped.
    /// Ask [`Framer::next`] first until it gives `None`.
    pub fn flush(&mut self, src: &[u8]) -> Option<Cut> {
        if self.state != State::Record || src.len() > self.max || !complete(src) {
            return None;
        }
        self.enter(State::Seeking(Skip::Late), false);
        Some(Cut {
            len: src.len(),
            kind: CutKind::Records,
        })
    }

    fn enter(&mut self, state: State, mid_line: bool) {
        self.state = state;
        self.mid_line = mid_line;
        self.seen = 0;
        self.searched = 0;
    }

    fn cut(&mut self, src: &[u8], eof: bool, batch: bool) -> Option<Cut> {
        if src.is_empty() {
            return None;
        }
        if let State::Seeking(reason) = self.state {
            let first = reason == Skip::Preamble && self.skipped.total() == 0;
            if first && BOM.starts_with(&src[..src.len().min(BOM.len())]) {
                return self.skip_bom(src, eof);
            }
            if let Some(cut) = self.seek(src, eof, reason)? {
                return Some(cut);
            }
        }
        let found = if batch && self.settled() && self.style.known() {
            self.last(src, eof)
        } else {
            match self.first(src, eof) {
                // What was taken for a head was none: the stream's own style begins here.
                Some((line, Judged::Other(style))) => {
                    self.restyle(style);
                    self.skipped.preamble += line as u64;
                    let kind = CutKind::Skipped(Skip::Preamble);
                    return Some(Cut { len: line, kind });
                }
                first => first.map(|(line, _)| line),
            }
        };
        if let Some(head) = found {
            // What was searched beyond the head stays searched.
            self.seen = self.seen.saturating_sub(head);
            self.searched = self.searched.saturating_sub(head).max(self.seen);
            return Some(Cut {
                len: head,
                kind: CutKind::Records,
            });
        }
        if src.len() > self.max && (eof || src.len() >= self.max + MAX_HEAD) {
            let mid_line = src[self.max - 1] != b'\n';
            self.enter(State::Seeking(Skip::Oversize), mid_line);
            return Some(Cut {
                len: self.max,
                kind: CutKind::Truncated,
            });
        }
        if !eof {
            return None;
        }
        self.enter(State::Seeking(Skip::Late), false);
        let whole = complete(src);
        let kind = if whole {
            CutKind::Records
        } else {
            CutKind::Truncated
        };
        Some(Cut {
            len: src.len(),
            kind,
        })
    }

    /// The text of an editor begins with its mark: the first head stands behind it. `None`: the
    /// mark is not complete.
    fn skip_bom(&mut self, src: &[u8], eof: bool) -> Option<Cut> {
        let len = BOM.len().min(src.len());
        (len == BOM.len() || eof).then(|| {
            self.skipped.preamble += len as u64;
            Cut {
                len,
                kind: CutKind::Skipped(Skip::Preamble),
            }
        })
    }

    /// Looks for the head that ends a time without records. `None`: needs more; `Some(None)`: the
    /// front is a head.
    fn seek(&mut self, src: &[u8], eof: bool, reason: Skip) -> Option<Option<Cut>> {
        let mut line = 0;
        let mut reason = reason;
        while line < src.len() {
            let mut message = false;
            if !self.mid_line {
                match self.judge(src, line, eof) {
                    // Too short to tell; what stands before it can go.
                    None => break,
                    Some(Judged::Head | Judged::Other(_)) if line > 0 => break,
                    Some(Judged::Other(style)) => {
                        self.restyle(style);
                        return Some(None);
                    }
                    Some(Judged::Head) => {
                        self.heads += 1;
                        self.enter(State::Record, false);
                        return Some(None);
                    }
                    Some(Judged::Line) => message = is_message(&src[line..]),
                }
                // A message is counted by itself.
                if message && line > 0 {
                    break;
                }
                self.fresh &= message;
            }
            match memchr::memchr(b'\n', &src[line..]) {
                Some(i) => {
                    line += i + 1;
                    self.mid_line = false;
                }
                None => {
                    line = src.len();
                    self.mid_line = true;
                }
            }
            if message {
                reason = Skip::Message;
                break;
            }
        }
        if line == 0 {
            return None;
        }
        let count = match reason {
            Skip::Preamble => &mut self.skipped.preamble,
            Skip::Late => &mut self.skipped.late,
            Skip::Oversize => &mut self.skipped.oversize,
            Skip::Message => &mut self.skipped.messages,
        };
        *count += line as u64;
        if reason == Skip::Message {
            let records = unserved(&src[..line]).unwrap_or(0);
            self.skipped.unserved = self.skipped.unserved.saturating_add(records);
        }
        if reason == Skip::Late && src[..line].iter().all(|b| matches!(b, b'\n' | b'\r')) {
            self.skipped.empty += line as u64;
        }
        Some(Some(Cut {
            len: line,
            kind: CutKind::Skipped(reason),
        }))
    }

    fn settled(&self) -> bool {
        self.heads >= self.style.proof()
    }

    /// The front is a head of another style than was thought.
    fn restyle(&mut self, style: Style) {
        self.style = style;
        self.heads = 1;
        self.enter(State::Record, false);
    }

    /// What the line at `start` is; `None` while it is too short to tell.
    fn judge(&mut self, src: &[u8], start: usize, eof: bool) -> Option<Judged> {
        let line = &src[start..];
        let line = &line[..line.len().min(MAX_HEAD)];
        if line.len() < MAX_HEAD && !eof && memchr::memchr(b'\n', line).is_none() {
            return None;
        }
        let known = self.style.number.is_some();
        if let Some((head, style)) = head::head(line, &self.style) {
            if self.state == State::Record && pptp::unended(&src[..start]) {
                return Some(Judged::Line);
            }
            self.style = style;
            self.fresh &= line[head.body..].starts_with(head::INVALID_HEADER);
            return Some(Judged::Head);
        }
        if self.fresh
            && let Some(style) = head::stampless(line)
        {
            self.style = style;
            self.fresh = false;
            return Some(Judged::Head);
        }
        if self.settled() {
            return Some(Judged::Line);
        }
        if known && let Some((_, style)) = head::head(line, &Style::default()) {
            if (Style {
                nano: self.style.nano,
                ..style
            }) == self.style
            {
                // The first fraction had nine digits, and was no count of nanoseconds.
                self.style = style;
                self.heads = style.proof();
                return Some(Judged::Head);
            }
            return Some(Judged::Other(style));
        }
        self.fresh &= self.state != State::Record;
        Some(Judged::Line)
    }

    /// The first head after the front, at most `max` bytes away.
    fn first(&mut self, src: &[u8], eof: bool) -> Option<(usize, Judged)> {
        loop {
            if self.seen > 0 {
                if self.seen > self.max || self.seen >= src.len() {
                    return None;
                }
                match self.judge(src, self.seen, eof)? {
                    Judged::Line => {}
                    head => {
                        self.heads += 1;
                        return Some((self.seen, head));
                    }
                }
            }
            let from = self.searched.max(self.seen);
            match memchr::memchr(b'\n', src.get(from..)?) {
                Some(i) => {
                    self.seen = from + i + 1;
                    self.searched = self.seen;
                }
                None => {
                    self.searched = src.len();
                    return None;
                }
            }
        }
    }

    /// The last head after the front, at most `max` bytes away.
    fn last(&mut self, src: &[u8], eof: bool) -> Option<usize> {
        let window = src.len().min(self.max);
        let floor = self.seen;
        let from = self.searched.max(floor);
        let mut end = window;
        // The last line that was judged, and the one after it that is too short to be.
        let (mut judged, mut short) = (None, None);
        let mut found = None;
        while let Some(i) = memchr::memrchr(b'\n', src.get(from..end).unwrap_or_default()) {
            let start = from + i + 1;
            end = start - 1;
            if start >= src.len() {
                short = Some(start);
                continue;
            }
            match self.judge(src, start, eof) {
                None => short = Some(start),
                Some(line) => {
                    judged.get_or_insert(start);
                    if line == Judged::Head {
                        found = Some(start);
                        break;
                    }
                }
            }
        }
        // The line at the floor was too short when it was met.
        let waits = floor > 0 && floor < src.len() && floor <= self.max;
        if found.is_none() && waits && self.judge(src, floor, eof)? == Judged::Head {
            found = Some(floor);
        }
        self.seen = judged.or(found).unwrap_or(floor);
        self.searched = short.map_or(window, |start| start - 1).max(self.seen);
        found
    }
}

/// Whether a record, given with its last line feed, waits for nothing more: an IPv4 header at the
/// end of its last line is always followed by endpoints.
///
/// ```
/// use dumpstream::framing::complete;
/// assert!(complete(b"00:00:00.000001 IP 1.1.1.1 > 2.2.2.2: x\n"));
/// assert!(!complete(b"00:00:00.000001 IP (tos 0x0, ttl 64)\n"));
/// ```
pub fn complete(record: &[u8]) -> bool {
    let Some(text) = record.strip_suffix(b"\n") else {
        return false;
    };
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let last = &text[memchr::memrchr(b'\n', text).map_or(0, |i| i + 1)..];
    let header = last.ends_with(b")") && {
        let at = memchr::memmem::rfind(last, b"(tos 0x");
        at.is_some_and(|at| balanced(&last[at..]) == Some(last.len() - at))
    };
    !header && !pptp::unended(record)
}
