//! A file that grows, at every byte and in every piece, in a database.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use dumpstream::{Origin, Parser};
use dumpstream_flow::run::Source;
use dumpstream_flow::{Counters, Station, run};
use rusqlite::Connection;
use rusqlite::types::Value;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Records of one, two and several lines.
const TEXT: &str = "\
10:00:00.000001 IP (tos 0x0, ttl 64, id 7, offset 0, flags [DF], proto UDP (17), length 44)
    192.0.2.1.1372 > 192.0.2.2.53: 1372+ A? example.com. (16)
\t0x0000:  4500 002c 0007 4000
\t0x0010:  c000 0201 c000 0202
10:00:00.000002 ARP, Request who-has 192.0.2.1 tell 192.0.2.254, length 28
\t0x0000:  0001 0800
10:00:00.000003 IP6 2001:db8::1.1372 > 2001:db8::2.4000: UDP, length 1372
10:00:00.000004 ARP, Reply 192.0.2.1 is-at 00:00:5e:00:53:01, length 28
";

/// Text that comes in pieces of this size.
struct Pieces<'a>(&'a [u8], usize);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = self.0.len().min(self.1).min(buf.remaining());
        let (piece, rest) = self.0.split_at(n);
        buf.put_slice(piece);
        self.0 = rest;
        Poll::Ready(Ok(()))
    }
}

/// Text that has come so far: there may be more.
struct Unended<'a>(Pieces<'a>, CancellationToken);

impl AsyncRead for Unended<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.0.is_empty() {
            self.1.cancel();
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

/// Reads a text of the sensor `a.txt` into a database.
async fn read(db: &Path, text: &str, piece: usize) -> Counters {
    let url = format!("sqlite:{}", db.display()).parse().unwrap();
    let station = Station::builder(Parser::default()).output(url).raw(true);
    let station = station.open().unwrap();
    let origin = Origin::new("a.txt").modified(1_790_000_000_000_000_000);
    let source = Source::stored(Pieces(text.as_bytes(), piece));
    // A few bytes are nobody's text yet.
    run(source, origin, &station).await.ok();
    assert_eq!(station.drain().await, 0);
    station.lanes().counters().next().unwrap().1
}

fn rows(db: &Path) -> Vec<Vec<Value>> {
    let conn = Connection::open(db).unwrap();
    let mut statement = conn
        .prepare("SELECT * FROM packets ORDER BY stream, record")
        .unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|i| row.get(i)).collect());
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_file_that_grows_ends_as_if_it_was_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    read(&whole, TEXT, usize::MAX).await;
    let whole = rows(&whole);
    assert_eq!(whole.len(), 4);
    for cut in 1..TEXT.len() {
        let db = folder.path().join(format!("{cut}.db"));
        let before = read(&db, &TEXT[..cut], 100).await;
        let after = read(&db, TEXT, 1 + cut % 90).await;
        assert_eq!(rows(&db), whole, "cut at {cut}: {:?}", &TEXT[..cut]);
        // What had begun is there, or is completed.
        assert!(after.amended <= 1, "{cut}: {after:?}");
        assert_eq!(
            after.present + after.amended,
            before.delivered,
            "{cut}: {after:?}"
        );
        // What it was before, cut within a record, adds nothing.
        if cut % 5 == 0
            && !TEXT[..cut].ends_with('\n')
            && cut > TEXT.find("10:00:00.000002").unwrap()
        {
            let again = read(&db, &TEXT[..cut], 70).await;
            assert_eq!(again.present, again.delivered, "cut at {cut}");
            assert_eq!(rows(&db), whole, "cut at {cut}");
        }
    }
}

#[tokio::test]
async fn a_text_in_other_pieces_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (1..40_000)
        .map(|n| {
            let stamp = format_args!("10:{:02}:{:02}.{n:06}", n / 60 % 60, n % 60).to_string();
            given::udp(stamp, n, "192.0.2.1.4000", "192.0.2.2.53", 2)
        })
        .collect();
    let db = folder.path().join("p.db");
    for (piece, present) in [(usize::MAX, 0), (5000, 39_999), (100_000, 39_999)] {
        let counters = read(&db, &text, piece).await;
        assert_eq!((counters.delivered, counters.present), (39_999, present));
    }
    // One digit in the middle.
    let at = text.len() / 2 + text[text.len() / 2..].find("4000 > ").unwrap();
    let other = format!("{}5{}", &text[..at], &text[at + 1..]);
    for new in [1, 0] {
        let counters = read(&db, &other, 30_000).await;
        assert_eq!(counters.present == 39_999, new == 0);
    }
    let conn = Connection::open(&db).unwrap();
    let (count, streams, copied): (i64, i64, i64) = conn
        .query_row(
            "SELECT count(*), count(DISTINCT stream), \
             (SELECT count(*) FROM packets WHERE source_port = 5000) FROM packets",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((count, streams, copied), (2 * 39_999, 2, 1));
}

/// What a signal cuts is no record where the text can be read again.
#[tokio::test]
async fn what_a_stop_cuts_is_left() {
    let heads: Vec<_> = TEXT.match_indices("10:00:0").map(|(at, _)| at).collect();
    let ends: Vec<_> = heads[1..].iter().copied().chain([TEXT.len()]).collect();
    for cut in (1..TEXT.len()).filter(|cut| cut % 7 == 0 || ends.contains(cut)) {
        for (lasting, followed) in [(true, false), (true, true), (false, false)] {
            let station = Station::builder(Parser::default()).output("null:".parse().unwrap());
            let station = station.open().unwrap();
            let text = Pieces(&TEXT.as_bytes()[..cut], 100);
            let text = Unended(text, station.stop().clone());
            let source = match (lasting, followed) {
                (true, true) => Source::followed(text, Arc::default()),
                (true, false) => Source::stored(text).lasting(),
                _ => Source::stored(text),
            };
            let summary = run(source, Origin::new("a.txt"), &station).await.unwrap();
            assert_eq!(summary.verify(), Ok(()));
            let begun = heads.iter().filter(|at| **at < cut).count() as u64;
            match (lasting, followed) {
                // Only the next one's head tells where one ends.
                (true, false) => assert!(summary.records < begun && summary.left > 0, "{cut}"),
                (true, true) if ends.contains(&cut) => assert_eq!(summary.records, begun, "{cut}"),
                (true, true) => assert!(summary.records <= begun, "{cut}"),
                _ => assert_eq!(summary.left, 0),
            }
            assert!(!lasting || summary.truncated == 0, "{cut}: {summary:?}");
        }
    }
}
